/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_PROBE_H
#define SFS_UTIL_PROBE_H

/*
 * File systems that cannot do all that a store needs (FUSE, network and FAT file systems), found
 * before the store is made. An answer that means "unknown" or "not supported" never passes for
 * success: UNSUPPORTED, with a sentence that names the file system and the way out.
 */
#include <stdbool.h>

#include "storefs/error.h"
#include "storefs/export.h"

enum sfs_probe_need {
    SFS_PROBE_LOCKS = 1,     /* fcntl(2) locks */
    SFS_PROBE_MAP = 2,       /* shared memory maps */
    SFS_PROBE_DIRECTORY = 4, /* fsync(2) of directories */
    SFS_PROBE_NAMES = 8,     /* names that differ in case, or in a dot at the end, are two */
    SFS_PROBE_FLOCK = 16,    /* flock(2) locks, for a lock file */
};

/* Whether the file system that holds `path` is known to do all of that. False where it cannot be
 * found out. */
bool sfs_probe_is_complete(const char *path);

/* Tries in a temporary file beside `path`, whose directory exists, what any store needs (inode
 * numbers that identify a file, private modes, fsync(2) of files) and the `needs`. 0, UNSUPPORTED,
 * or the error of making the file. A complete file system is only asked about names. */
int sfs_probe(const char *path, unsigned needs, struct sfs_error *error) SFS_MUST_CHECK;

/* Whether the file at `path` has an inode number that identifies it: by that SQLite knows which of
 * its connections are to one file. 0, UNSUPPORTED, or the error of stat(2). */
int sfs_probe_inode(const char *path, struct sfs_error *error) SFS_MUST_CHECK;

/* Before a store at `path`, in one file, is opened for writing: where there is none yet
 * sfs_probe(), else only what leaves no trace, the directory. */
int sfs_probe_place(const char *path, unsigned needs, struct sfs_error *error) SFS_MUST_CHECK;

/* After opening a store at `path` has failed with `code`: the probe's sentence where it finds a
 * reason, else `error` as it is. Returns the code. */
int sfs_probe_explain(const char *path, unsigned needs, int code, struct sfs_error *error);

#endif
