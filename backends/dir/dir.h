/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_DIR_DIR_H
#define SFS_BACKENDS_DIR_DIR_H

/* The backend "dir:PATH": a directory of files, one a key. See doc/modules/dir.md. */
#include "storefs/backend.h"

extern const struct sfs_backend sfs_dir_backend;

#endif
