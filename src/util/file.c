/* SPDX-License-Identifier: MIT */
/* Reading and writing whole files and whole runs of bytes. */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGIN "file"

/* Reads of more bytes than this come back short anyway (Linux stops at 2 GiB). */
#define LARGEST_STEP ((size_t)1 << 30)

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

int sfs_file_read(const char *path, size_t limit, struct sfs_buffer *buffer,
                  struct sfs_error *error)
{
    struct stat status;
    size_t size_before = buffer->size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot open '%s'", path);
    int result = 0;
    if (fstat(fd, &status))
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", path);
    else if (S_ISDIR(status.st_mode))
        result = sfs_fail_errno(error, EISDIR, ORIGIN, "cannot read '%s'", path);
    else if (status.st_size > 0 && (uintmax_t)status.st_size > limit)
        result = fail_too_large(path, limit, error);
    else
        result = read_to_end(fd, path, limit, (size_t)status.st_size, buffer, error);
    close(fd);
    if (result)
        buffer->size = size_before;
    return result;
}
