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
WRAP(ssize_t, -1, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(ssize_t, -1, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(ssize_t, -1, pread64, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(ssize_t, -1, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(int, -1, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, -1, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP(int, -1, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
WRAP(int, -1, symlinkat, (const char *to, int fd, const char *name), (to, fd, name))
WRAP(int, -1, fstatat, (int fd, const char *name, struct stat *status, int flags),
     (fd, name, status, flags))
WRAP(int, -1, fstatat64, (int fd, const char *name, struct stat *status, int flags),
     (fd, name, status, flags))
WRAP(int, -1, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP(int, -1, utimensat, (int fd, const char *name, const struct timespec times[2], int flags),
     (fd, name, times, flags))
WRAP(ssize_t, -1, readlinkat, (int fd, const char *name, char *to, size_t size),
     (fd, name, to, size))
WRAP(int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, -1, ftruncate64, (int fd, off_t size), (fd, size))
WRAP(int, -1, syncfs, (int fd), (fd))

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __real_openat64(int fd, const char *path, int flags, ...);
int __wrap_openat64(int fd, const char *path, int flags, ...);

static int openat_through(int (*real)(int, const char *, int, ...), int fd, const char *path,
                          int flags, va_list rest)
{
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    return fails() ? -1 : real(fd, path, flags, mode);
}

int __wrap_openat(int fd, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int opened = openat_through(__real_openat, fd, path, flags, rest);
    va_end(rest);
    return opened;
}

int __wrap_openat64(int fd, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int opened = openat_through(__real_openat64, fd, path, flags, rest);
    va_end(rest);
    return opened;
}

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
