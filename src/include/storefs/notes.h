/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_NOTES_H
#define STOREFS_NOTES_H

/* Notes: what a backend tells of a damaged store (SFS_OPEN_SALVAGE). For implementers only. */
#include "storefs/bytes.h"
#include "storefs/error.h"

struct sfs_storage;

/* What a backend finds missing or doubtful while it opens the store; {0} is nothing. */
struct sfs_notes {
    struct sfs_buffer texts; /* for each the code's number negated, the sentence, NUL */
    size_t last;             /* where the last of them begins */
};
/* Adds CORRUPT (a record is lost) or DOUBTFUL with its sentence, unless that is the last one's too.
 * 0 or NO_MEMORY. */
SFS_API int sfs_notes_add(struct sfs_notes *notes, int code, const char *format, ...)
    SFS_PRINTF(3, 4);
SFS_API void sfs_notes_free(struct sfs_notes *notes); /* empties them */
/*
 * A layer over a backend's store whose cursors over everything show the notes first. It has neither
 * snapshots nor a feed. Takes the notes over (*notes is empty then) and the store; on failure both
 * stay the caller's.
 */
SFS_API int sfs_notes_layer(struct sfs_storage *below, struct sfs_notes *notes,
                            struct sfs_storage **ret_store, struct sfs_error *error);

#endif
