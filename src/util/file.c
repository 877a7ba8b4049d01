/* SPDX-License-Identifier: MIT */
/* Reading and writing whole files and whole runs of bytes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* renameat2 */
#endif
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGIN "file"

/* Reads of more bytes than this come back short anyway (Linux stops at 2 GiB). */
#define LARGEST_STEP ((size_t)1 << 30)

/* --- what not every file system does --- */

bool sfs_is_unsupported(int number)
{
    return number == EINVAL || number == ENOSYS || number == EOPNOTSUPP || number == EROFS;
}

int sfs_sync_file(int fd, const char *name, struct sfs_error *error)
{
    if (fsync(fd) == 0)
        return 0;
    if (!sfs_is_unsupported(errno))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot sync '%s'", name);
    return sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN,
                    "the file system of '%s' cannot put a file on disk (fsync: %s), so that a "
                    "commit would be lost in a power cut; choose another file system",
                    name, strerror(errno));
}

int sfs_sync_directory_of(const char *path, bool accept_unsynced, struct sfs_error *error)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    char *directory = slash ? strndup(path, size) : strdup(".");
    if (!directory)
        return sfs_fail_memory(error, ORIGIN);
    int result = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int number = fd < 0 || fsync(fd) ? errno : 0;
    if (number && (fd < 0 || !sfs_is_unsupported(number)))
        result = sfs_fail_errno(error, number, ORIGIN, "cannot sync the directory '%s'", directory);
    else if (number && !accept_unsynced)
        result = sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN,
                          "the file system of '%s' cannot put a directory on disk (fsync: %s), so "
                          "that a new file may be missing after a power cut; choose another file "
                          "system, or accept that with the option dirsync=no",
                          directory, strerror(number));
    if (fd >= 0)
        close(fd);
    free(directory);
    return result;
}

int sfs_make_private(int fd, const char *name, struct sfs_error *error)
{
    struct stat status;
    if (fchmod(fd, 0600) == 0)
        return 0;
    int number = errno;
    if ((number == EPERM || sfs_is_unsupported(number)) && fstat(fd, &status) == 0 &&
        (status.st_mode & 0077) == 0)
        return 0;
    return sfs_fail_errno(error, number, ORIGIN, "cannot keep other users from reading '%s'", name);
}

int sfs_rename_new(int directory, const char *from, const char *to)
{
    struct stat status;
    if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (!sfs_is_unsupported(errno))
        return -1;
    if (fstatat(directory, to, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? renameat(directory, from, directory, to) : -1;
}

/* --- whole files --- */

int sfs_write_all(int fd, struct sfs_bytes bytes, const char *name, struct sfs_error *error)
{
    const char *at = bytes.data;
    for (size_t left = bytes.size; left > 0;) {
        ssize_t written = write(fd, at, left < LARGEST_STEP ? left : LARGEST_STEP);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return sfs_fail_errno(error, errno, ORIGIN, "cannot write '%s'", name);
        at += written;
        left -= (size_t)written;
    }
    return 0;
}

int sfs_read_full(int fd, void *data, size_t size, const char *name, size_t *ret_size,
                  struct sfs_error *error)
{
    size_t done = 0;
    while (done < size) {
        size_t step = size - done < LARGEST_STEP ? size - done : LARGEST_STEP;
        ssize_t got = read(fd, (char *)data + done, step);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sfs_fail_errno(error, errno, ORIGIN, "cannot read '%s'", name);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_size = done;
    return 0;
}

static int fail_too_large(const char *path, size_t limit, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_TOO_LARGE, ORIGIN, "'%s' has more than the %zu bytes allowed",
                    path, limit);
}

/* Reads to the end in steps that double, since the size that stat gives may be 0 (files of /proc
 * and of our own mounts) and may change while we read. */
static int read_to_end(int fd, const char *path, size_t limit, size_t expected,
                       struct sfs_buffer *buffer, struct sfs_error *error)
{
    size_t start = buffer->size;
    size_t step = expected < limit ? expected + 1 : limit;
    for (;;) {
        size_t got = 0;
        size_t done = buffer->size - start;
        if (step < 4096)
            step = 4096;
        if (step > limit - done)
            step = limit - done + (limit < SIZE_MAX);
        if (sfs_buffer_reserve(buffer, step))
            return sfs_fail_memory(error, ORIGIN);
        int result = sfs_read_full(fd, buffer->data + buffer->size, step, path, &got, error);
        if (result)
            return result;
        buffer->size += got;
        if (buffer->size - start > limit)
            return fail_too_large(path, limit, error);
        if (got < step)
            return 0;
        step = buffer->size - start;
    }
}

static int check_regular(int fd, const char *path, struct sfs_error *error)
{
    struct stat status;
    if (fstat(fd, &status))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", path);
    if (S_ISDIR(status.st_mode))
        return sfs_fail_errno(error, EISDIR, ORIGIN, "cannot open '%s'", path);
    if (!S_ISREG(status.st_mode))
        return sfs_fail(error, SFS_E_NOT_A_STORE, ORIGIN, "'%s' is not a regular file", path);
    return 0;
}

int sfs_file_open(int directory, const char *name, int flags, const char *path, int *ret_fd,
                  struct sfs_error *error)
{
    int fd = openat(directory, name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    /* A pipe without a reader, a socket. */
    if (fd < 0 && errno == ENXIO)
        return sfs_fail(error, SFS_E_NOT_A_STORE, ORIGIN, "'%s' is not a regular file", path);
    if (fd < 0)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot open '%s'", path);
    int result = check_regular(fd, path, error);
    if (result)
        close(fd);
    else
        *ret_fd = fd;
    return result;
}

int sfs_file_read(const char *path, size_t limit, struct sfs_buffer *buffer,
                  struct sfs_error *error)
{
    struct stat status;
    size_t size_before = buffer->size;
    int fd = -1;
    int result = sfs_file_open(AT_FDCWD, path, O_RDONLY, path, &fd, error);
    if (result)
        return result;
    if (fstat(fd, &status))
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", path);
    else if (status.st_size > 0 && (uintmax_t)status.st_size > limit)
        result = fail_too_large(path, limit, error);
    else
        result = read_to_end(fd, path, limit, (size_t)status.st_size, buffer, error);
    close(fd);
    if (result)
        buffer->size = size_before;
    return result;
}
