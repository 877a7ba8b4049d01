/* SPDX-License-Identifier: MIT */
/*
 * How queries read their store: what a scan asks for, how many records are read, what happens when
 * reading fails; and the same when any allocation fails.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/query.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RECORDS 50

/* --- a layer that watches scans; it has no snapshots, so that they go through it --- */

struct spy {
    struct sfs_storage base;
    unsigned want; /* of the last scan */
    unsigned read; /* records given since */
    unsigned fail_at;
    unsigned open;
};

struct spy_cursor {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    struct spy *spy;
};

static int spy_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                    struct sfs_error *error)
{
    struct spy_cursor *own = (struct spy_cursor *)cursor;
    if (own->spy->read == own->spy->fail_at)
        return sfs_fail(error, SFS_E_IO, "spy", "the disk is gone");
    int found = sfs_cursor_next(own->input, ret_record, error);
    own->spy->read += found > 0;
    return found;
}

static void spy_cursor_close(struct sfs_cursor *cursor)
{
    struct spy_cursor *own = (struct spy_cursor *)cursor;
    sfs_cursor_close(own->input);
    own->spy->open--;
    free(own);
}

static int spy_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                    struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {.next = spy_next,
                                                            .close = spy_cursor_close};
    struct spy *spy = (struct spy *)store;
    struct sfs_cursor *input = NULL;
    struct spy_cursor *own = malloc(sizeof(*own));
    if (!own)
        return sfs_fail_memory(error, "spy");
    int result = sfs_scan(store->below, range, want, &input, error);
    if (result) {
        free(own);
        return result;
    }
    *own = (struct spy_cursor){.cursor = {&operations}, .input = input, .spy = spy};
    spy->want = want;
    spy->read = 0;
    spy->open++;
    *ret_cursor = &own->cursor;
    return 0;
}

static int spy_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(store->below, name, want, ret_record, error);
}

static int spy_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                    uint64_t offset, void *data, size_t size, size_t *ret_size,
                    struct sfs_error *error)
{
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
}

static int spy_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    assert_int_equal(((struct spy *)store)->open, 0);
    free(store);
    return 0;
}

static int set_up(void **state)
{
    static const struct sfs_read_operations reads = {
        .get = spy_get, .read = spy_read, .scan = spy_scan};
    static const struct sfs_storage_operations operations = {
        .name = "spy", .read = &reads, .close = spy_close};
    struct sfs_storage *memory = NULL;
    struct spy *spy = calloc(1, sizeof(*spy));
    assert_non_null(spy);
    assert_int_equal(sfs_open(&memory, "memory:", SFS_OPEN_CREATE, NULL), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        char key[8];
        char value[64];
        snprintf(key, sizeof(key), "k%02u", i);
        snprintf(value, sizeof(value), "{\"n\":%u,\"s\":\"\\u0061%u\",\"a\":[%u,null]}", i % 7, i,
                 i);
        assert_int_equal(sfs_set(memory, sfs_string(key), sfs_string(value), NULL), 0);
    }
    assert_int_equal(sfs_layer_init(&spy->base, &operations, memory, NULL), 0);
    spy->base.capabilities &= ~(unsigned)SFS_CAN_SNAPSHOT;
    spy->fail_at = UINT32_MAX;
    *state = spy;
    return 0;
}

static int tear_down(void **state)
{
    return sfs_close(*state, NULL);
}

/* Reads a path's text whole, throws it away; 0 or the code of the failure. */
static int drain(struct sfs_storage *store, const char *path, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    struct sfs_text *text = NULL;
    enum sfs_sink sink;
    char data[64];
    size_t size = 1;
    int result = sfs_query_parse(sfs_string(path), &query, &sink, error);
    if (result == 0)
        result = sfs_query_text(store, query, sink, &text, error);
    sfs_query_free(query);
    while (result == 0 && size > 0)
        result = sfs_text_read(text, data, sizeof(data), &size, error);
    sfs_text_close(text);
    return result;
}

/* No value is read unless a stage asks for a field, or the result shows it; no record is read that
 * the result does not depend on. */
static void test_reads_what_it_needs(void **state)
{
    enum { DOCUMENTS = SFS_WANT_KEYS | SFS_WANT_VALUE | SFS_WANT_DOCUMENTS };
    static const struct {
        const char *path;
        unsigned want;
        unsigned read;
    } cases[] = {
        {"keys", SFS_WANT_KEYS, 50},
        {"where/@size > 1/count", SFS_WANT_KEYS, 50},
        {"order/@key:desc/limit/3/keys", SFS_WANT_KEYS, 50},
        {"by/n/3/count", DOCUMENTS, 50},
        {"order/n/keys", DOCUMENTS, 50},
        {"limit/2/values.json", SFS_WANT_KEYS | SFS_WANT_VALUE, 2},
        {"offset/5/limit/2/values.ndjson", DOCUMENTS, 7},
        {"by/n/3/limit/2/keys", DOCUMENTS, 11},
        {"limit/0/keys", SFS_WANT_KEYS, 0},
        {"order/n/limit/0/count", DOCUMENTS, 0},
        {"where/@key >= \"k4\" and n = 3/keys", DOCUMENTS, 10},
        {"by/@key/k07/values.json", DOCUMENTS, 1},
    };
    struct spy *spy = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sfs_error error = {0};
        assert_int_equal(drain(&spy->base, cases[i].path, &error), 0);
        if (spy->want != cases[i].want || spy->read != cases[i].read)
            fail_msg("%s: want %u, %u read", cases[i].path, spy->want, spy->read);
    }
}

/* A failure of the store comes through every stage, and nothing can be read behind it. */
static void test_failures_come_through(void **state)
{
    static const char *const paths[] = {
        "values.ndjson",
        "by/n/3/keys",
        "offset/3/count",
        "order/n/limit/3/values.json",
        "order/s/limit/2/order/@key/where/n exists/offset/1/keys",
    };
    struct spy *spy = *state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct sfs_error error = {0};
        spy->fail_at = 20;
        assert_int_equal(drain(&spy->base, paths[i], &error), SFS_E_IO);
        assert_string_equal(error.message, "the disk is gone");
    }
    struct sfs_query *query = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    assert_int_equal(sfs_query_new(&query, NULL), 0);
    assert_int_equal(sfs_query_order(query, SFS_LITERAL("n"), NULL), 0);
    assert_int_equal(sfs_query_run(&spy->base, query, &cursor, NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), SFS_E_IO);
    spy->fail_at = UINT32_MAX;
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), SFS_E_IO);
    assert_string_equal(error.message, "the query failed before: run it again");
    assert_null(record);
    sfs_cursor_close(cursor);
    sfs_query_free(query);
}

/* --- allocations that fail --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static unsigned long allocations_left = ULONG_MAX;

static bool allocation_fails(void)
{
    if (allocations_left == ULONG_MAX)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(memory, size);
}

static int ignore(void *context, struct sfs_bytes text)
{
    (void)context;
    (void)text;
    return 0;
}

static int complete(struct sfs_storage *store, const char *field, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    bool all = false;
    int result = sfs_query_new(&query, error);
    if (result == 0)
        result = *field
                     ? sfs_query_values(store, query, sfs_string(field), ignore, NULL, &all, error)
                     : sfs_query_fields(store, query, ignore, NULL, &all, error);
    sfs_query_free(query);
    return result;
}

typedef int run(struct sfs_storage *store, const char *argument, struct sfs_error *error);

/* Lets the first, the second, … allocation and all behind it fail until the run succeeds. */
static void fail_each_allocation(struct sfs_storage *store, run *function, const char *argument)
{
    int result = SFS_E_NO_MEMORY;
    unsigned long allowed = 0;
    for (; result; allowed++) {
        struct sfs_error error = {0};
        allocations_left = allowed;
        result = function(store, argument, &error);
        allocations_left = ULONG_MAX;
        if (result && result != SFS_E_NO_MEMORY)
            fail_msg("%s: %lu: %s", argument, allowed, error.message);
        if (result)
            assert_string_equal(error.message, "out of memory");
    }
    assert_true(allowed > 5);
}

static void test_allocations_fail(void **state)
{
    struct spy *spy = *state;
    fail_each_allocation(&spy->base, drain,
                         "where/s ~ \"a*\" and not (a has null or s < \"a1\")/by/a[1]/null/"
                         "order/s:desc,a,n/limit/9/offset/1/order/n/values.json");
    fail_each_allocation(&spy->base, drain, "by/@key/k07/by/s/a7/explain");
    fail_each_allocation(&spy->base, drain, "where/s has \"1\" and @key ~ \"k*\"/order/s/keys");
    fail_each_allocation(spy->base.below, drain, "where/s in [\"a1\",{\"a\":[]}]/values.ndjson");
    fail_each_allocation(
        &spy->base, drain,
        "select/s,a,\"x y\"/where/s =~ \"^a[0-9]\" or a in [1,[]]/order/a/values.csv");
    fail_each_allocation(&spy->base, drain, "where/n < 3/values.csv");
    fail_each_allocation(&spy->base, drain,
                         "where/n < 3/group/n,a[1]/where/@count > 1/"
                         "aggregate/count,sum(a[0]),avg(n),min(s),distinct(s)/order/n/values.json");
    fail_each_allocation(&spy->base, drain, "where/n < 3/group/n/max/a");
    fail_each_allocation(&spy->base, drain, "where/n < 3/group/n/count");
    fail_each_allocation(&spy->base, drain, "distinct/n");
    fail_each_allocation(&spy->base, complete, "");
    fail_each_allocation(&spy->base, complete, "a[0]");
    fail_each_allocation(&spy->base, complete, "s");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_what_it_needs),
        TEST(test_failures_come_through),
        TEST(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
