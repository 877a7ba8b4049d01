/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_BULK_FIXTURE_H
#define TESTS_UNIT_BULK_FIXTURE_H

/* Shared by the tests of import and export. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/bulk.h"
#include "storefs/index.h"
#include "util/file.h"

static inline struct sfs_storage *open_memory(void)
{
    struct sfs_storage *store = NULL;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL), 0);
    return store;
}

/* A file that has no name any more. */
static inline int scratch_file(void)
{
    char path[300];
    const char *directory = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/bulk.XXXXXX", directory ? directory : "/tmp");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(unlink(path), 0);
    return descriptor;
}

static inline int file_with(struct sfs_bytes text)
{
    int descriptor = scratch_file();
    assert_int_equal(sfs_write_all(descriptor, text, "scratch", NULL), 0);
    assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
    return descriptor;
}

static inline int import_text(struct sfs_storage *store, const char *text,
                              const struct sfs_bulk_options *options,
                              struct sfs_bulk_result *ret_result, struct sfs_error *error)
{
    int descriptor = file_with(sfs_string(text));
    int code = sfs_import(store, descriptor, options, ret_result, error);
    close(descriptor);
    return code;
}

static inline void check_value(struct sfs_storage *store, struct sfs_bytes key,
                               struct sfs_bytes expected)
{
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_get_value(store, key, &value, NULL), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&value), expected));
    sfs_buffer_free(&value);
}

static inline int bulk_add_name(void *context, const char *name,
                                const struct sfs_index_stats *stats)
{
    return sfs_buffer_printf(context, "%s;%d;%d\n", name, stats->unique, stats->ready);
}

static inline void check_indexes(struct sfs_storage *store, const char *expected)
{
    struct sfs_buffer names = {0};
    assert_int_equal(sfs_index_list(store, bulk_add_name, &names, NULL), 0);
    assert_int_equal(sfs_buffer_text(&names), 0);
    assert_string_equal(names.data, expected);
    sfs_buffer_free(&names);
}

#endif
