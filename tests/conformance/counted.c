/* SPDX-License-Identifier: MIT */
/* See counted.h. Calls on files are defined under the names that programs with 64-bit offsets use. */
#undef _FILE_OFFSET_BITS
#include "tests/conformance/counted.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct counted own;
static _Atomic(struct counted *) counters;

struct counted *counted_calls(void)
{
    struct counted *now = atomic_load_explicit(&counters, memory_order_relaxed);
    return now ? now : &own;
}

__attribute__((constructor)) static void share_counters(void)
{
    const char *path = getenv("COUNTED_CALLS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *shared = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED)
        atomic_store(&counters, (struct counted *)shared);
}

static void count(atomic_ullong *counter, unsigned long long number)
{
    atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

/* Looked up at each call: that costs little beside what is called. */
#define DEFINE(type, name, counter, parameters, arguments)                                         \
    type name parameters                                                                           \
    {                                                                                              \
        type(*real) parameters;                                                                    \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                                 \
        count(&counted_calls()->counter, 1);                                                       \
        return real arguments;                                                                     \
    }

DEFINE(ssize_t, read, files, (int fd, void *data, size_t size), (fd, data, size))
DEFINE(ssize_t, write, files, (int fd, const void *data, size_t size), (fd, data, size))
DEFINE(ssize_t, pread64, files, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at))
DEFINE(ssize_t, pwrite64, files, (int fd, const void *data, size_t size, off64_t at),
       (fd, data, size, at))
DEFINE(int, fstat64, files, (int fd, struct stat64 *status), (fd, status))
DEFINE(int, stat64, files, (const char *path, struct stat64 *status), (path, status))
DEFINE(int, lstat64, files, (const char *path, struct stat64 *status), (path, status))
DEFINE(int, fstatat64, files, (int fd, const char *name, struct stat64 *status, int flags),
       (fd, name, status, flags))
DEFINE(int, renameat, files, (int a, const char *from, int b, const char *to), (a, from, b, to))
DEFINE(int, unlinkat, files, (int fd, const char *name, int flags), (fd, name, flags))
DEFINE(int, mkdirat, files, (int fd, const char *name, mode_t mode), (fd, name, mode))
DEFINE(int, fsync, files, (int fd), (fd))
DEFINE(int, fdatasync, files, (int fd), (fd))
DEFINE(struct dirent64 *, readdir64, names, (DIR * handle), (handle))

int openat64(int fd, const char *path, int flags, ...)
{
    int (*real)(int, const char *, int, ...);
    va_list rest;
    *(void **)&real = dlsym(RTLD_NEXT, "openat64");
    count(&counted_calls()->files, 1);
    va_start(rest, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    return real(fd, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    unsigned mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    return openat64(AT_FDCWD, path, flags, mode);
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;
    count(&counted_calls()->compares, 1);
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

#ifdef COUNTED_ALLOCATIONS
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);

void *malloc(size_t size)
{
    count(&counted_calls()->allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(&counted_calls()->allocations, 1);
    return __libc_calloc(number, size);
}

void *realloc(void *data, size_t size)
{
    count(&counted_calls()->allocations, 1);
    return __libc_realloc(data, size);
}
#endif

/* SQLite's own header is not needed, and not there where this is compiled for a command. */
int sqlite3_step(void *statement);

int sqlite3_step(void *statement)
{
    enum { VM_STEP = 4, ROW = 100 };
    int (*real)(void *);
    int (*is_busy)(void *);
    int (*status)(void *, int, int);
    *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_step");
    *(void **)&is_busy = dlsym(RTLD_NEXT, "sqlite3_stmt_busy");
    *(void **)&status = dlsym(RTLD_NEXT, "sqlite3_stmt_status");
    int before = status(statement, VM_STEP, 0);
    count(&counted_calls()->statements, is_busy(statement) == 0);
    int result = real(statement);
    count(&counted_calls()->rows, result == ROW);
    count(&counted_calls()->steps, (unsigned long long)(status(statement, VM_STEP, 0) - before));
    return result;
}
