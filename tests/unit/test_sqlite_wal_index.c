/* SPDX-License-Identifier: MIT */
/*
 * A wal-index that cannot be written because the disk is full: what is mapped lies behind the end
 * of a file, as it lies in a hole where blocks are smaller than pages. The process must not be
 * killed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storefs/storefs.h"

#define REGION ((size_t)32768)

static sqlite3_vfs *usual;
static sqlite3_io_methods full_methods;
static const sqlite3_io_methods *methods;
static void *behind_end;
static bool full;

static int full_map(sqlite3_file *file, int region, int size, int extend,
                    void volatile **ret_region)
{
    int result = methods->xShmMap(file, region, size, extend, ret_region);
    if (full && result == SQLITE_OK && *ret_region && size == (int)REGION)
        *ret_region = behind_end;
    return result;
}

static int full_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    (void)vfs;
    int result = usual->xOpen(usual, name, file, flags, ret_flags);
    if (result != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB))
        return result;
    methods = file->pMethods;
    full_methods = *methods;
    full_methods.xShmMap = full_map;
    file->pMethods = &full_methods;
    return SQLITE_OK;
}

static int set_up(void **state)
{
    static sqlite3_vfs vfs;
    (void)state;
    int file = memfd_create("empty", MFD_CLOEXEC);
    assert_true(file >= 0);
    behind_end = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(behind_end, MAP_FAILED);
    close(file);
    usual = sqlite3_vfs_find(NULL);
    vfs = *usual;
    vfs.zName = "full";
    vfs.pNext = NULL;
    vfs.xOpen = full_open;
    return sqlite3_vfs_register(&vfs, 1);
}

static void test_a_full_disk(void **state)
{
    char directory[] = "/tmp/storefs-wal-index.XXXXXX", uri[100], path[80];
    struct sfs_error error = {0};
    struct sfs_storage *store = NULL;
    struct sfs_bytes key = sfs_string("key"), value = sfs_string("value");
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/store", directory);
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), 0);
    assert_int_equal(sfs_set(store, key, value, &error), 0);
    assert_int_equal(sfs_close(store, &error), 0);

    full = true;
    assert_int_equal(sfs_open(&store, uri, 0, &error), SFS_E_NO_SPACE);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, "remove other files"));

    full = false;
    const struct sfs_record *record;
    assert_int_equal(sfs_open(&store, uri, 0, &error), 0);
    assert_int_equal(sfs_get(store, key, SFS_WANT_VALUE, &record, &error), 0);
    assert_true(sfs_bytes_equal(sfs_record_value(record), value));
    sfs_record_unref(record);
    assert_int_equal(sfs_close(store, &error), 0);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_full_disk)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
