/* SPDX-License-Identifier: MIT */
/* SQLite's results to our codes and sentences: one table. */
#include "backends/sqlite/internal.h"

#include <errno.h>
#include <string.h>

struct rule {
    int result;
    int code;
    const char *words;
};

static const struct rule rules[] = {
    {SQLITE_BUSY, SFS_E_BUSY, "another process holds its write lock; try again later"},
    {SQLITE_LOCKED, SFS_E_BUSY, "another connection holds a lock; try again later"},
    {SQLITE_FULL, SFS_E_NO_SPACE, "there is no space left on the disk; remove other files there"},
    {SQLITE_CORRUPT, SFS_E_CORRUPT, "the file is damaged; check it, or restore a backup"},
    {SQLITE_NOTADB, SFS_E_CORRUPT,
     "the file's beginning is damaged, or it is encrypted; restore a backup"},
    {SQLITE_CONSTRAINT, SFS_E_CORRUPT, "its tables contradict each other; check it"},
    {SQLITE_READONLY, SFS_E_READ_ONLY, "the file or its directory cannot be written"},
    {SQLITE_PERM, SFS_E_PERMISSION, "access is denied"},
    {SQLITE_AUTH, SFS_E_PERMISSION, "access is denied"},
    {SQLITE_NOMEM, SFS_E_NO_MEMORY, "out of memory"},
    {SQLITE_INTERRUPT, SFS_E_CANCELLED, "it was interrupted"},
    {SQLITE_TOOBIG, SFS_E_TOO_LARGE, "a row would be over SQLite's limit of 1,000,000,000 bytes"},
    {SQLITE_PROTOCOL, SFS_E_BUSY, "other processes hold its locks; try again later"},
};

static const struct rule *rule_of(int result)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].result == (result & 0xff))
            return &rules[i];
    }
    return NULL;
}

/* Only these tell of the disk: another errno may be left over from an earlier call, and NOT_FOUND, say,
 * would be taken for a key that is not there. */
static bool is_of_disk(int system_errno)
{
    static const int known[] = {EIO,    ENOSPC, EDQUOT, EFBIG,  EROFS,
                                EACCES, EPERM,  EMFILE, ENFILE, ENOMEM};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i] == system_errno)
            return true;
    }
    return false;
}

int sfs_sqlite_fail_at(sqlite3 *db, const char *path, int result, const char *doing,
                       struct sfs_error *error)
{
    const struct rule *rule = rule_of(result);
    if (rule)
        return sfs_fail(error, rule->code, SFS_SQLITE_ORIGIN, "cannot %s in %s: %s", doing, path,
                        rule->words);
    int system_errno = db ? sqlite3_system_errno(db) : 0;
    bool of_system = (result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN;
    if (of_system && is_of_disk(system_errno))
        return sfs_fail_errno(error, system_errno, SFS_SQLITE_ORIGIN, "cannot %s in %s", doing,
                              path);
    /* A table or column that is missing has no code of its own. */
    int code = (result & 0xff) == SQLITE_ERROR ? SFS_E_CORRUPT : SFS_E_IO;
    return sfs_fail(
        error, code, SFS_SQLITE_ORIGIN, "cannot %s in %s: SQLite says '%s'", doing, path,
        db && (result & 0xff) == SQLITE_ERROR ? sqlite3_errmsg(db) : sqlite3_errstr(result));
}

int sfs_sqlite_fail(struct sfs_sqlite_connection *connection, int result, const char *doing,
                    struct sfs_error *error)
{
    return sfs_sqlite_fail_at(connection->db, connection->store->path, result, doing, error);
}
