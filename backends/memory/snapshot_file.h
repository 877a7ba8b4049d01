/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_MEMORY_SNAPSHOT_FILE_H
#define SFS_BACKENDS_MEMORY_SNAPSHOT_FILE_H

/* clang-format off */
/*
 * The file that keeps a memory store. All numbers are little-endian:
 *
 *   8 bytes "SFSMEM\r\n", version (4)
 *   sequence number (8), last id (8)
 *   for each record, in byte order of names:
 *     1 (1), length of name (4), of extended attributes (4), of the value (8), revision (8), id (8),
 *     kind (4), type (4), type was set (4), mode (4), uid (4), gid (4), device (8), created,
 *     accessed, modified, changed (8 each); name, extended attributes, value; from version 3 on the XXH3 of
 *     all that with the record's place in the file as its seed (8)
 *   from version 2 on, for each index: 2 (1), length of its name (4), name
 *   0 (1), number of records (8), XXH3 (64 bits) of everything before it (8)
 */
/* clang-format on */
#include "storefs/backend.h"
#include "storefs/notes.h"
#include "util/identity.h"

struct sfs_snapshot_place {
    const char *path;
    bool accept_unsynced; /* as in struct sfs_replacement (util/file.h) */
};
/* Replaces the file at the place by what the cursor shows, all or nothing; mode 0600. *ret_made is
 * the new file, also after a failure that may have come when it was in place already. */
int sfs_snapshot_file_save(const struct sfs_snapshot_place *place, struct sfs_cursor *state,
                           uint64_t sequence, uint64_t last_id, struct sfs_identity *ret_made,
                           struct sfs_error *error);
/* Loads the file into an empty engine. NOT_FOUND, NOT_A_STORE (of another program), TOO_NEW,
 * CORRUPT. */
int sfs_snapshot_file_load(const char *path, struct sfs_memory_engine *engine,
                           struct sfs_error *error);
/* The same of a damaged file: every record that is whole, and in `notes` what is not. */
int sfs_snapshot_file_salvage(const char *path, struct sfs_memory_engine *engine,
                              struct sfs_notes *notes, struct sfs_error *error);

#endif
