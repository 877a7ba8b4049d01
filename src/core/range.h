/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_RANGE_H
#define SFS_CORE_RANGE_H

#include "storefs/backend.h"

/* 0, or INVALID where the range ends before it begins. An empty range is a range. */
int sfs_range_check(struct sfs_range range, struct sfs_error *error);

#endif
