/* SPDX-License-Identifier: MIT */
/*
 * The words of the isolation levels, as a mount option and tx/NAME/isolation have them.
 */
#include "fs/mount.h"

int fs_isolation_parse(struct sfs_bytes word, enum sfs_isolation *ret_isolation, struct sfs_error *error)
{
    for (enum sfs_isolation level = SFS_READ_COMMITTED; level <= SFS_SERIALIZABLE; level++)
        if (sfs_bytes_equal(word, sfs_string(sfs_isolation_name(level)))) {
            *ret_isolation = level;
            return 0;
        }
    return sfs_fail(error, SFS_E_INVALID, "transaction",
                    "'%.*s' is no isolation level: there are read-committed, snapshot and serializable",
                    (int)(word.size < 64 ? word.size : 64), word.size > 0 ? (const char *)word.data : "");
}
