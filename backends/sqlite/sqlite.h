/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKEND_SQLITE_H
#define SFS_BACKEND_SQLITE_H

/*
 * The SQLite backend: "sqlite:PATH", a store in one database file that several processes may share.
 * What is in the file is described in schema.c; how a commit is made in write.c.
 */
#include "storefs/backend.h"

extern const struct sfs_backend sfs_sqlite_backend;

#endif
