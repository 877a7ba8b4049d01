/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_IDENTITY_H
#define SFS_UTIL_IDENTITY_H

/*
 * Whether an open file still has its name. What is written through a descriptor is lost with the
 * process once the file was removed, and is not found where it was moved or replaced; no write and
 * no fsync tells.
 *
 * The descriptor may be O_PATH: such a one drops no lock of the process when it is closed, and
 * still keeps the inode number from being given to another file. Both sides of a comparison are
 * looked at anew, so that a file system that renumbers its files (a copy-up of overlayfs) raises no
 * false alarm. Thread-safe.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "storefs/error.h"
#include "storefs/export.h"

/* Opens a file for the calls below, and for nothing else (O_PATH). NOT_FOUND, PERMISSION … */
int sfs_identity_open(const char *path, int *ret_fd, struct sfs_error *error) SFS_MUST_CHECK;

/* 0 if `path` leads to the open file. LOST, with a sentence that says what became of it: it was
 * removed, moved (and where to), or replaced. A path that may not be looked at any more proves
 * nothing: 0. */
int sfs_identity_check(int fd, const char *path, const char *origin, struct sfs_error *error);

/* INVALID if the file has several names (hard links): each name of a store has a log or a lock of
 * its own. */
int sfs_identity_single(const struct stat *status, const char *path, const char *origin,
                        struct sfs_error *error);

/* Checks what has the name of a file that belongs beside the store `main`, before it is opened or
 * written: nothing, or a regular file (not a symbolic link) with one name. NOT_A_STORE if it is
 * something else. PERMISSION if it belongs to somebody who may not write to the store, is not root
 * and not the caller: he could read there what is stored. Where `main` does not exist, only the
 * caller and root are trusted. */
int sfs_identity_companion(const char *path, const char *main, const char *origin,
                           struct sfs_error *error);

/* Whether two looks at a path found the same file with the same content: device, inode, size, time.
 */
bool sfs_identity_same(const struct stat *a, const struct stat *b);

/* What a file that is replaced whole was when it was last read or written; {0}: there was none. */
struct sfs_identity {
    bool exists;
    struct stat status;
};
/* 0 if `path` is that file, 1 if nothing is there (it may be written), LOST if anything else is. */
int sfs_identity_compare(const struct sfs_identity *known, const char *path, const char *origin,
                         struct sfs_error *error);
/* The same for sfs_check_files(): that nothing is there, and that the file has several names, is
 * reported. */
int sfs_identity_look(const struct sfs_identity *known, const char *path, const char *origin,
                      void (*report)(void *context, const char *sentence), void *context,
                      struct sfs_error *error);
/* LOST in place of NOT_FOUND from a file that could not be made at `path`: its directory is gone.
 */
int sfs_identity_unplaced(int code, const char *path, const char *origin, struct sfs_error *error);

#endif
