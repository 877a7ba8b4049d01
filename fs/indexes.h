/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_INDEXES_H
#define STOREFS_FS_INDEXES_H

/* Indexes in the mount: indexes/, and their numbers for admin/stats.json. */
#include "fs/names.h"

/* Appends `"indexes": [...],`. While mkdir makes an index the kernel lets nobody look for new names in
 * indexes/, so that this is where its progress can be seen. */
int fs_indexes_report(struct fs_call *call, struct sfs_buffer *out);

#endif
