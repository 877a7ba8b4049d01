/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_FILE_H
#define SFS_UTIL_FILE_H

/*
 * Files read and replaced whole. Errors are those of sfs_fail_errno and name the file. Functions
 * may be called from any thread; a replacement belongs to one thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "storefs/bytes.h"
#include "storefs/error.h"

/* Writes all of `bytes` to `fd`, again after EINTR and short writes. `name` is for the message. */
int sfs_write_all(int fd, struct sfs_bytes bytes, const char *name,
                  struct sfs_error *error) SFS_MUST_CHECK;

/* Reads until `size` bytes are there or the file ends; `ret_size` says how many came. Again after
 * EINTR and short reads. `name` is for the message. */
int sfs_read_full(int fd, void *data, size_t size, const char *name, size_t *ret_size,
                  struct sfs_error *error) SFS_MUST_CHECK;

/*
 * Opens the regular file `name` of `directory` (AT_FDCWD: the working directory) with `flags` and,
 * where they have O_CREAT, mode 0600. A pipe, a socket or a device in its place is NOT_A_STORE and
 * waits for nobody; a directory is IS_DIRECTORY. `path` is for the message. O_NOFOLLOW is the
 * caller's to add.
 */
int sfs_file_open(int directory, const char *name, int flags, const char *path, int *ret_fd,
                  struct sfs_error *error) SFS_MUST_CHECK;

/* Appends the whole file at `path` to `buffer`. SFS_E_NOT_FOUND, SFS_E_PERMISSION,
 * SFS_E_IS_DIRECTORY …; SFS_E_TOO_LARGE if it has more than `limit` bytes; `buffer` holds what it
 * held then. */
int sfs_file_read(const char *path, size_t limit, struct sfs_buffer *buffer,
                  struct sfs_error *error) SFS_MUST_CHECK;

/* Puts the open file on disk. UNSUPPORTED where its file system has no fsync(2) for it: that is no
 * success. `name` is for the message. */
int sfs_sync_file(int fd, const char *name, struct sfs_error *error) SFS_MUST_CHECK;

/* Puts the directory of the file at `path` on disk, and with it the file's name. UNSUPPORTED, with
 * a sentence that offers the option dirsync=no, where the file system has no fsync(2) for
 * directories, unless that is accepted. */
int sfs_sync_directory_of(const char *path, bool accept_unsynced,
                          struct sfs_error *error) SFS_MUST_CHECK;

/* Gives the open file mode 0600. Where the file system keeps no modes it must admit nobody else
 * anyway: PERMISSION. `name` is for the message. */
int sfs_make_private(int fd, const char *name, struct sfs_error *error) SFS_MUST_CHECK;

/* Whether a system call has failed with `number` since the file system does not know it. */
bool sfs_is_unsupported(int number);

/* Renames a file in `directory` (AT_FDCWD: the working directory); nothing is replaced: -1 and
 * errno EEXIST. Where the file system cannot do both at once (EINVAL) the name is looked up first:
 * for names that only the holder of a lock makes. */
int sfs_rename_new(int directory, const char *from, const char *to) SFS_MUST_CHECK;

/*
 * A replacement: new content for a file, written to `PATH.tmp.XXXXXX` beside it and renamed over it
 * at the commit, so that a crash leaves the old content or the new. A symbolic link at PATH is
 * followed. The new file has mode 0600, or the mode, owner and group of the file that it replaces,
 * if that is the caller's own or in a directory where only its owner or root can have put it;
 * where owner or group cannot be kept, mode 0600. {.fd = -1} is none.
 */
struct sfs_replacement {
    int fd;          /* write the content here, for example with sfs_write_all */
    char *path;      /* the file to replace; owned */
    char *temporary; /* owned */
    /* The caller sets it: a file system that cannot put directories on disk is accepted. */
    bool accept_unsynced;
};

/* Opens the temporary file. On failure there is nothing to abandon. */
int sfs_replacement_begin(const char *path, struct sfs_replacement *ret_replacement,
                          struct sfs_error *error) SFS_MUST_CHECK;

/* fsync, rename, fsync of the directory. Ends the replacement, also on failure. A failure before
 * the rename leaves the old file as it was and no temporary file; the last step's failure (the
 * directory could not be synced: sfs_sync_directory_of) leaves the new content in place, not yet
 * safe from a power cut. */
int sfs_replacement_commit(struct sfs_replacement *replacement,
                           struct sfs_error *error) SFS_MUST_CHECK;

/* Removes the temporary file; does nothing for one that has ended. */
void sfs_replacement_abandon(struct sfs_replacement *replacement);

/* Removes the temporary files that replacements of PATH left which a crash has ended. Only for whoever
 * knows that nobody else replaces it now (by a lock, say). What cannot be removed stays. */
void sfs_replacement_clean(const char *path);

/* The three together: the file at `path` has exactly `content`, or is as it was. */
int sfs_file_replace(const char *path, struct sfs_bytes content,
                     struct sfs_error *error) SFS_MUST_CHECK;

#endif
