/* SPDX-License-Identifier: MIT */
/*
 * System calls on files that fail under the library, through the linker's --wrap. Every other
 * failure is a full disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/inject.h"

static bool fails(void)
{
    static unsigned failures;
    if (!inject_now(INJECT_FILES))
        return false;
    errno = failures++ & 1 ? ENOSPC : EIO;
    return true;
}

/* Declares and defines the wrapper of a call that returns `failed` on failure. */
#define WRAP(type, failed, name, parameters, arguments)                                            \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails() ? (failed) : __real_##name arguments;                                       \
    }

WRAP(ssize_t, -1, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, -1, read, (int fd, void *data, size_t size), (fd, data, size))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, -1, flock, (int fd, int operation), (fd, operation))
WRAP(int, -1, fstat, (int fd, struct stat *status), (fd, status))
WRAP(int, -1, fstat64, (int fd, struct stat *status), (fd, status))
WRAP(int, -1, stat, (const char *path, struct stat *status), (path, status))
WRAP(int, -1, stat64, (const char *path, struct stat *status), (path, status))
WRAP(int, -1, mkostemp, (char *path, int flags), (path, flags))
WRAP(int, -1, mkostemp64, (char *path, int flags), (path, flags))
WRAP(char *, NULL, realpath, (const char *path, char *resolved), (path, resolved))
WRAP(int, -1, eventfd, (unsigned count, int flags), (count, flags))
WRAP(int, -1, inotify_init1, (int flags), (flags))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

static int open_through(int (*real)(const char *, int, ...), const char *path, int flags,
                        va_list rest)
{
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    return fails() ? -1 : real(path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int fd = open_through(__real_open, path, flags, rest);
    va_end(rest);
    return fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int fd = open_through(__real_open64, path, flags, rest);
    va_end(rest);
    return fd;
}
