/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_XATTR_H
#define SFS_CORE_XATTR_H

/* The limits of extended attributes, checked when one is set and when a store is read. Pure. */
#include "storefs/record.h"

/* In bytes. */
#define SFS_XATTR_NAME_MAX 255
#define SFS_XATTR_VALUE_MAX 65536
#define SFS_XATTR_ALL_MAX 1048576 /* all of one record, encoded */

/* 0, INVALID (name empty or with NUL) or TOO_LARGE. */
int sfs_xattr_check_limits(struct sfs_bytes name, struct sfs_bytes value, struct sfs_error *error);

#endif
