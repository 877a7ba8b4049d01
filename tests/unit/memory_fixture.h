/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TESTS_MEMORY_FIXTURE_H
#define STOREFS_TESTS_MEMORY_FIXTURE_H

/*
 * What the tests of the memory backend share: setting and checking.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "backends/memory/memory.h"

static inline void set(struct sfs_storage *store, const char *key, const char *value)
{
    assert_int_equal(sfs_set(store, sfs_string(key), sfs_string(value), NULL), 0);
}

/* The value of a key is `expected`; NULL: there is none. */
static inline void check_value(struct sfs_storage *store, const char *key, const char *expected)
{
    struct sfs_buffer value = {0};
    int result = sfs_get_value(store, sfs_string(key), &value, NULL);
    assert_int_equal(result, expected ? 0 : SFS_E_NOT_FOUND);
    if (expected) {
        assert_int_equal(value.size, strlen(expected));
        assert_memory_equal(value.data, expected, value.size);
    }
    sfs_buffer_free(&value);
}

static inline void check_totals(struct sfs_storage *store, uint64_t keys, uint64_t records, uint64_t bytes)
{
    struct sfs_totals totals = {0};
    assert_int_equal(sfs_totals(store, &totals, NULL), 0);
    assert_int_equal(totals.keys, keys);
    assert_int_equal(totals.records, records);
    assert_int_equal(totals.bytes, bytes);
}

static inline uint64_t sequence_of(struct sfs_storage *store)
{
    uint64_t sequence = 0;
    assert_int_equal(sfs_sequence(store, &sequence, NULL), 0);
    return sequence;
}

#endif
