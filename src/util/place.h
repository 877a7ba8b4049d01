/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_PLACE_H
#define SFS_UTIL_PLACE_H

/* Where a file is, or is to be made. Errors are those of sfs_fail_errno and name the path. */
#include "storefs/error.h"
#include "storefs/export.h"

/* Makes the directories above `path` that are missing, as mkdir -p does (mode 0777, less umask). */
int sfs_place_make_parents(const char *path, struct sfs_error *error) SFS_MUST_CHECK;

/* The absolute path of a file that exists or whose directory does, with symbolic links followed, so
 * that it still holds after chdir(2) and is the same for every way to name the file. Owned by the
 * caller. */
int sfs_place_resolve(const char *path, char **ret_path, struct sfs_error *error) SFS_MUST_CHECK;

/* Makes an empty file, mode 0600, that nobody else has made: EXISTS. For what replaces it then. */
int sfs_place_claim(const char *path, struct sfs_error *error) SFS_MUST_CHECK;

#endif
