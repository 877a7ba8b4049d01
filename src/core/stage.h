/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_STAGE_H
#define SFS_CORE_STAGE_H

#include "storefs/backend.h"

/*
 * The type that a stage's content shows, read through the stage in pieces. Content over 64 MiB is
 * never taken for JSON (checking that needs all of it in memory), only for text or bytes.
 */
#define SFS_STAGE_JSON_MAX (UINT64_C(64) << 20)
int sfs_stage_type(struct sfs_stage *stage, enum sfs_type *ret_type, struct sfs_error *error);

#endif
