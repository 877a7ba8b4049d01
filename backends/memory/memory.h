/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_MEMORY_H
#define SFS_BACKENDS_MEMORY_H

/* The backend "memory:": everything in memory, optionally saved to and restored from one file. */
#include "storefs/backend.h"

extern const struct sfs_backend sfs_memory_backend;

#endif
