/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_INDEXES_H
#define STOREFS_FS_INDEXES_H

/* Indexes in the mount: indexes/, and their numbers for admin/stats.json. */
#include "fs/names.h"

/* Appends `"indexes": [...],`. While a mkdir makes a unique index the kernel lets nobody look for new
 * names in indexes/, so that this is where its progress can be seen. */
int fs_indexes_report(struct fs_call *call, struct sfs_buffer *out);

/*
 * Indexes being made (index_builds.c), all of a mount. fs_index_build() begins one and returns when it
 * is ready; after a second it leaves an index that is not unique to be finished, and the error of that
 * to admin/errors. An interrupted request stops it: CANCELLED. Freeing waits until all are made.
 */
struct fs_index_builds *fs_index_builds_new(void);
void fs_index_builds_free(struct fs_index_builds *builds);
int fs_index_build(struct fs_call *call, struct sfs_storage *store, struct sfs_bytes name);

#endif
