/* SPDX-License-Identifier: MIT */
/* Temporary files for what does not fit in memory. */
#include "query/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* For file systems that have no files without a name. */
static int open_and_unlink(const char *directory)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof(path), "%s/storefs-query.XXXXXX", directory);
    if (size < 0 || (size_t)size >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int open_in(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : open_and_unlink(directory);
}

int sfs_spool_open(struct sfs_spool *spool, const char *directory, struct sfs_error *error)
{
    const char *first = directory ? directory : "/tmp";
    *spool = (struct sfs_spool){.fd = open_in(first), .directory = first};
    if (spool->fd < 0 && !directory) {
        spool->directory = "/var/tmp";
        spool->fd = open_in(spool->directory);
    }
    if (spool->fd >= 0)
        return 0;
    return sfs_fail_errno(error, errno, "query", "a temporary file in %s", spool->directory);
}

int sfs_spool_write(struct sfs_spool *spool, struct sfs_bytes bytes, struct sfs_error *error)
{
    const char *data = bytes.data;
    for (size_t done = 0; done < bytes.size;) {
        ssize_t size =
            pwrite(spool->fd, data + done, bytes.size - done, (off_t)(spool->size + done));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return sfs_fail_errno(error, errno, "query",
                                  "rows that do not fit in memory cannot be kept in %s",
                                  spool->directory);
        done += (size_t)size;
    }
    spool->size += bytes.size;
    return 0;
}

int sfs_spool_read(const struct sfs_spool *spool, uint64_t offset, void *data, size_t size,
                   struct sfs_error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(spool->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return sfs_fail_errno(error, got < 0 ? errno : EIO, "query",
                                  "a temporary file in %s cannot be read", spool->directory);
        done += (size_t)got;
    }
    return 0;
}

void sfs_spool_forget(struct sfs_spool *spool, uint64_t from, uint64_t to)
{
    /* Only space would be lost by a failure. */
    (void)fallocate(spool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                    (off_t)(to - from));
}

void sfs_spool_close(struct sfs_spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}
