/* SPDX-License-Identifier: MIT */
/*
 * Locks by file. Since the last holder removes the file, a lock may be obtained on a file that is
 * no longer the one of its name: then another one is opened. Only a holder that is alone removes
 * it, so nobody's lock is lost by that.
 */
#include "util/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/identity.h"

#define ORIGIN "lock"
#define TRIES 1000 /* others may have removed the file that was opened, but not each time */

/* What a lock file holds: this and a number. Always of one length, so that it is never seen
 * half-written. */
#define MARK "storefs lock "
#define CONTENT_SIZE (sizeof(MARK) - 1 + 20 + 1)

/* The number in the lock file, if such a process lives; 0: not known. */
static long holder_of(int fd)
{
    char text[CONTENT_SIZE + 1] = {0};
    if (pread(fd, text, CONTENT_SIZE, 0) != CONTENT_SIZE)
        return 0;
    long holder = strtol(text + sizeof(MARK) - 1, NULL, 10);
    if (holder <= 0 || (kill((pid_t)holder, 0) && errno == ESRCH))
        return 0;
    return holder;
}

static int fail_busy(int fd, const char *subject, struct sfs_error *error)
{
    long holder = holder_of(fd);
    if (holder)
        return sfs_fail(error, SFS_E_BUSY, ORIGIN,
                        "'%s' is in use by process %ld (use its mount instead)", subject, holder);
    return sfs_fail(error, SFS_E_BUSY, ORIGIN,
                    "'%s' is in use by another process (use its mount instead)", subject);
}

/* Whether the open file is still the one of its name. */
static bool is_current(int fd, const char *path)
{
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino != 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static int lock_open_file(int fd, bool shared, const char *path, const char *subject,
                          struct sfs_error *error)
{
    int rc;
    do {
        rc = flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
    } while (rc && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return fail_busy(fd, subject, error);
    if (errno != ENOLCK && !sfs_is_unsupported(errno))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot lock '%s'", path);
    if (shared)
        return 0; /* nobody can have it for writing */
    return sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN,
                    "the file system of '%s' has no locks (flock: %s), so that two processes could "
                    "write at once; mount that with locks, or choose another file system",
                    subject, strerror(errno));
}

/* The number is for messages only, so a failure to write it does no harm. */
static void write_holder(int fd)
{
    char text[CONTENT_SIZE + 1];
    snprintf(text, sizeof(text), MARK "%20ld\n", (long)getpid());
    if (pwrite(fd, text, CONTENT_SIZE, 0) != CONTENT_SIZE)
        (void)!ftruncate(fd, 0);
}

/* A lock, or what a power cut has left of one: zeros in place of what was not on disk. */
static bool is_lock(const char *text, size_t size)
{
    bool fits = size <= CONTENT_SIZE;
    for (size_t i = 0; i < size && fits; i++)
        fits = text[i] == '\0' || (i < sizeof(MARK) - 1 ? text[i] == MARK[i]
                                                        : strchr(" 0123456789\n", text[i]) != NULL);
    return fits;
}

/* That storefs made the file: it has one name and the content of a lock, or none yet. */
static int check_ours(int fd, const char *path, struct sfs_error *error)
{
    struct stat status;
    char text[CONTENT_SIZE + 1] = {0};
    ssize_t size = fstat(fd, &status) ? -1 : pread(fd, text, sizeof(text), 0);
    if (size < 0)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot read the lock file '%s'", path);
    if (status.st_nlink <= 1 && is_lock(text, (size_t)size))
        return 0;
    return sfs_fail(error, SFS_E_EXISTS, ORIGIN,
                    "'%s' is not a lock of storefs: another program has made it; move it away",
                    path);
}

/* 1: locked; 0: the file was removed meanwhile, try again. */
static int try_lock(int fd, bool shared, const char *path, const char *subject,
                    struct sfs_error *error)
{
    int result = lock_open_file(fd, shared, path, subject, error);
    if (result)
        return result;
    if (!is_current(fd, path))
        return 0;
    write_holder(fd);
    return 1;
}

static int open_file(const char *path, bool shared, int *ret_fd, struct sfs_error *error)
{
    struct sfs_error failure;
    int result =
        sfs_file_open(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, path, ret_fd, &failure);
    if (shared && (result == SFS_E_READ_ONLY || result == SFS_E_PERMISSION))
        return 0;
    if (result)
        return sfs_fail(error, result, ORIGIN, "the store cannot be locked: %s", failure.message);
    result = check_ours(*ret_fd, path, error);
    return result ? result : 1;
}

int sfs_lock_file_take(const char *path, bool shared, const char *subject,
                       struct sfs_lock_file *ret_lock, struct sfs_error *error)
{
    struct sfs_lock_file lock = {.fd = -1, .path = strdup(path)};
    if (!lock.path)
        return sfs_fail_memory(error, ORIGIN);
    int result = 0;
    for (int i = 0; result == 0 && i < TRIES; i++) {
        if (lock.fd >= 0)
            close(lock.fd);
        lock.fd = -1;
        result = open_file(path, shared, &lock.fd, error);
        if (result == 0) {
            *ret_lock = lock;
            return 0;
        }
        if (result > 0)
            result = try_lock(lock.fd, shared, path, subject, error);
    }
    if (result == 0)
        result = sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN,
                          "the file system of '%s' gives a file no inode number that lasts, so "
                          "that a lock would keep nobody out; choose another file system",
                          subject);
    if (result < 0) {
        if (lock.fd >= 0)
            close(lock.fd);
        free(lock.path);
        return result;
    }
    *ret_lock = lock;
    return 0;
}

int sfs_lock_file_check(const struct sfs_lock_file *lock, struct sfs_error *error)
{
    int code = lock->fd < 0 ? 0 : sfs_identity_check(lock->fd, lock->path, ORIGIN, error);
    return code ? sfs_error_context(error, code, "the store is not locked any more") : 0;
}

void sfs_lock_file_release(struct sfs_lock_file *lock)
{
    if (lock->fd >= 0) {
        if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0 && is_current(lock->fd, lock->path))
            (void)unlink(lock->path);
        close(lock->fd);
    }
    free(lock->path);
    *lock = (struct sfs_lock_file){.fd = -1};
}
