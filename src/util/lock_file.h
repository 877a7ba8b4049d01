/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_LOCK_FILE_H
#define SFS_UTIL_LOCK_FILE_H

/*
 * A lock on a file by a second file beside it (a file that is replaced by rename cannot carry its
 * own lock): flock(2) on PATH, mode 0600, with the holder's process number in it for the message to
 * others. The lock ends with the process, however it ends; a file that a crash left over locks
 * nothing. A second open in the same process is refused like any other. A file of that name that
 * storefs did not make is refused, and left as it is.
 */

#include <stdbool.h>

#include "storefs/error.h"
#include "storefs/export.h"

struct sfs_lock_file {
    int fd;     /* close-on-exec; -1: none */
    char *path; /* owned */
};

/* Takes the lock, alone or `shared`. BUSY, with a sentence that names `subject` and the process
 * that holds it; EXISTS where another program has made a file of that name; UNSUPPORTED where the
 * file system has no locks, or no lasting inode numbers; PERMISSION, NO_SPACE, IO …. A shared lock
 * where no lock file can be made (a read-only file system, no permission to write), or nobody could
 * lock it for writing, is none, and succeeds. */
int sfs_lock_file_take(const char *path, bool shared, const char *subject,
                       struct sfs_lock_file *ret_lock, struct sfs_error *error) SFS_MUST_CHECK;

/* LOST if the lock file is no longer the one of its name: another process may have taken a lock
 * since. 0 for
 * {.fd = -1}. */
int sfs_lock_file_check(const struct sfs_lock_file *lock, struct sfs_error *error);

/* Ends the lock; the last holder removes the file. Does nothing for {.fd = -1}. */
void sfs_lock_file_release(struct sfs_lock_file *lock);

#endif
