/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail: those of the library through the linker's --wrap, those of SQLite through
 * its own table of memory methods.
 */
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/inject.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
char *__real_realpath(const char *path, char *resolved);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
char *__wrap_realpath(const char *path, char *resolved);

static bool fails(void)
{
    if (!inject_now(INJECT_MEMORY))
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(memory, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : __real_strndup(text, size);
}

char *__wrap_realpath(const char *path, char *resolved)
{
    return fails() ? NULL : __real_realpath(path, resolved);
}

static sqlite3_mem_methods before;

static void *engine_malloc(int size)
{
    return inject_now(INJECT_ENGINE_MEMORY) ? NULL : before.xMalloc(size);
}

static void *engine_realloc(void *memory, int size)
{
    return inject_now(INJECT_ENGINE_MEMORY) ? NULL : before.xRealloc(memory, size);
}

void inject_into_sqlite_memory(void)
{
    if (before.xMalloc)
        return;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &before) != SQLITE_OK)
        abort();
    sqlite3_mem_methods methods = before;
    methods.xMalloc = engine_malloc;
    methods.xRealloc = engine_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        abort();
}
