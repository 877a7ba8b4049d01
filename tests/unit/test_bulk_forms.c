/* SPDX-License-Identifier: MIT */
/* The forms of a line: the shortest one of a value, zeros and holes as runs, indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "tests/unit/bulk_fixture.h"

#define MIB ((size_t)1 << 20)

static const char zeros[1000];
static const char ends[1000] = {[0] = 'a', [3] = 'b', [500] = 'c', [999] = '\xff'};

/* --- the shortest form --- */

static void test_shortest(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t size;
        const char *line; /* after "value": */
    } cases[] = {
        {"", 0, "{\"__type\":\"text\",\"__value\":\"\"}"},
        {"\1\2\3", 3, "{\"__type\":\"bytes\",\"__value\":\"AQID\"}"},
        {"a\1b\n", 4, "{\"__type\":\"bytes\",\"__value\":\"YQFiCg==\"}"},
        {"aaaaaaaaaaaaaaaa\n\t", 18,
         "{\"__type\":\"text\",\"__value\":\"aaaaaaaaaaaaaaaa\\n\\t\"}"},
        {"\0\0", 2, "{\"__type\":\"bytes\",\"__value\":\"AAA=\"}"},
        {zeros, sizeof(zeros), "{\"__type\":\"runs\",\"__size\":1000,\"__value\":[]}"},
        {ends, sizeof(ends),
         "{\"__type\":\"runs\",\"__size\":1000,\"__value\":"
         "[[0,\"YQAAYg==\"],[500,\"Yw==\"],[999,\"/w==\"]]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_storage *store = open_memory(), *copy = open_memory();
        struct sfs_bytes value = sfs_bytes(cases[i].value, cases[i].size);
        const struct sfs_record *record;
        struct sfs_buffer line = {0};
        struct sfs_buffer expected = {0};
        assert_int_equal(sfs_set(store, sfs_string("k"), value, NULL), 0);
        assert_int_equal(sfs_get(store, sfs_string("k"), SFS_WANT_VALUE, &record, NULL), 0);
        assert_int_equal(sfs_line_write(&line, record, false, NULL), 0);
        assert_int_equal(sfs_buffer_text(&line), 0);
        assert_int_equal(
            sfs_buffer_printf(&expected, "{\"key\":\"k\",\"value\":%s}\n", cases[i].line), 0);
        assert_int_equal(sfs_buffer_text(&expected), 0);
        assert_string_equal(line.data, expected.data);
        assert_int_equal(import_text(copy, line.data, NULL, NULL, NULL), 0);
        check_value(copy, sfs_string("k"), value);
        sfs_buffer_free(&line);
        sfs_buffer_free(&expected);
        sfs_record_unref(record);
        sfs_close(store, NULL);
        sfs_close(copy, NULL);
    }
}

static void test_runs_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *sentence;
    } cases[] = {
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__value\":[]}}", "whole number"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":1.5,\"__value\":[]}}",
         "whole number"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":1e30,\"__value\":[]}}",
         "whole number"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9999999999999999999,\"__value\":"
         "[]}}",
         "whole number"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9}}", "array of"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[1]}}",
         "[OFFSET,BASE64]"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[[1]]}}",
         "[OFFSET,BASE64]"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[[1,\"YQ==\",2]]}"
         "}",
         "[OFFSET,BASE64]"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[[-1,\"YQ==\"]]}}",
         "whole number"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[[9,\"YQ==\"]]}}",
         "within"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[[1,\"YQ==\"],[1,"
         "\"YQ==\"]]}}",
         "in order"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[[1,\"Y\"]]}}",
         "not base64"},
        {"{\"key\":\"a/\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[]},"
         "\"attributes\":{\"kind\":\"marker\"}}",
         "only the value of a key"},
        {"{\"key\":\"a\",\"value\":{\"__type\":\"runs\",\"__size\":9,\"__value\":[]},"
         "\"attributes\":{\"kind\":\"symlink\"}}",
         "only the value of a key"},
        {"{\"index\":\"a\"}", "\"index\" is not known"}, /* of a line alone, without a store */
    };
    struct sfs_storage *store = open_memory();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_batch *batch;
        struct sfs_error error = {0};
        assert_int_equal(sfs_batch_new(&batch, NULL), 0);
        if (sfs_line_read(sfs_string(cases[i].line), batch, &error) != SFS_E_INVALID)
            fail_msg("%s: %d %s", cases[i].line, error.code, error.message);
        if (!strstr(error.message, cases[i].sentence))
            fail_msg("%s: %s", cases[i].line, error.message);
        sfs_batch_free(batch);
    }
    sfs_close(store, NULL);
}

/* --- large values --- */

struct large {
    const char *key;
    size_t size;
    size_t from, to; /* what is not a hole; equal: nothing */
    char byte;
    size_t most; /* bytes of the line, but for its attributes */
};
static const struct large larges[] = {
    {"hole", 100 * MIB, 0, 0, 0, 100},
    {"middle", 100 * MIB, 50 * MIB, 50 * MIB + 10, 'x', 200},
    {"dense text", 2 * MIB, 0, 2 * MIB, 'x', 2 * MIB + 100},
    {"dense JSON", 2 * MIB, 0, 2 * MIB, '1', 2 * MIB + 100},
    {"dense bytes", 2 * MIB, 0, 2 * MIB, '\xff', 2 * MIB / 3 * 4 + 200},
    {"dense zeros", 2 * MIB, 0, 2 * MIB, 0, 200},
    {"dense control characters", 2 * MIB, 0, 2 * MIB, 1, 2 * MIB / 3 * 4 + 200},
    {"end", 5 * MIB, 3 * MIB, 5 * MIB, '\xff', 2 * MIB / 3 * 4 + 1000},
};

static void put_large(struct sfs_storage *store, const struct large *large)
{
    struct sfs_stage *stage;
    struct sfs_batch *batch;
    struct sfs_attributes attributes = {.modified = 5, .changed = 7, .mode = 0600};
    const unsigned mask = SFS_ATTRIBUTE_MODIFIED | SFS_ATTRIBUTE_CHANGED | SFS_ATTRIBUTE_MODE;
    size_t size = large->to - large->from;
    char *bytes = malloc(size + 1);
    memset(bytes, large->byte, size);
    assert_int_equal(sfs_stage_open(store, &stage, NULL), 0);
    if (size)
        assert_int_equal(sfs_stage_write(stage, large->from, sfs_bytes(bytes, size), NULL), 0);
    assert_int_equal(sfs_stage_truncate(stage, large->size, NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(
        sfs_batch_put_stage(batch, sfs_string(large->key), stage, &attributes, mask, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    sfs_stage_close(stage);
    free(bytes);
}

/* The bytes that the store keeps of a value. */
static uint64_t kept(struct sfs_storage *store, struct sfs_bytes key, uint64_t size)
{
    uint64_t sum = 0;
    struct sfs_extent extent = {0};
    for (uint64_t at = 0; at < size && sfs_data(store, key, at, &extent, NULL) == 1;
         at = extent.offset + extent.size)
        sum += extent.size;
    return sum;
}

static void check_large(struct sfs_storage *from, struct sfs_storage *to, const struct large *large)
{
    struct sfs_bytes key = sfs_string(large->key);
    const struct sfs_record *a, *b;
    assert_int_equal(sfs_get(from, key, SFS_WANT_VALUE, &a, NULL), 0);
    assert_int_equal(sfs_get(to, key, SFS_WANT_VALUE, &b, NULL), 0);
    assert_true(sfs_bytes_equal(sfs_record_value(a), sfs_record_value(b)));
    assert_int_equal(b->attributes.type, a->attributes.type);
    assert_int_equal(b->attributes.modified, 5);
    assert_int_equal(b->attributes.changed, 7);
    assert_int_equal(b->attributes.mode, 0600);
    /* A value is begun with one byte, which is in a part of its own. */
    if (kept(to, key, b->size) > kept(from, key, a->size) + MIB / 4)
        fail_msg("%s: holes are filled", large->key);
    sfs_record_unref(a);
    sfs_record_unref(b);
}

static struct sfs_storage *open_file(const char *name)
{
    struct sfs_storage *store = NULL;
    char uri[300];
    const char *directory = getenv("TMPDIR");
    snprintf(uri, sizeof(uri), "sqlite:%s/%s.%d", directory ? directory : "/tmp", name,
             (int)getpid());
    unlink(uri + 7);
    assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, NULL), 0);
    return store;
}

static void test_large_values(void **state)
{
    (void)state;
    struct sfs_storage *store = open_file("from"), *copy = open_file("to");
    const size_t count = sizeof(larges) / sizeof(larges[0]);
    size_t most = count * 200;
    for (size_t i = 0; i < count; i++) {
        put_large(store, &larges[i]);
        most += larges[i].most;
    }
    struct sfs_bulk_result result;
    for (unsigned going = 0; going < 2; going++) {
        struct sfs_bulk_options options = {.keep_going = going};
        int descriptor = scratch_file();
        assert_int_equal(sfs_export(store, descriptor, &options, &result, NULL), 0);
        assert_int_equal(result.records, count);
        assert_in_range(result.bytes, 1, most);
        assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
        assert_int_equal(sfs_import(copy, descriptor, NULL, &result, NULL), 0);
        close(descriptor);
        for (size_t i = 0; i < count; i++)
            check_large(store, copy, &larges[i]);
    }
    sfs_close(store, NULL);
    sfs_close(copy, NULL);
}

/* --- indexes --- */

/* Lines of indexes: made of what comes before, refused as any line, and passed over by a store that
 * can have none. */
static void test_import_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int code;
        uint64_t refused; /* with keep_going */
        const char *indexes;
        const char *sentence;
    } cases[] = {
        {"{\"index\":\"n\"}\n{\"key\":\"a\",\"value\":{\"n\":1}}\n{\"index\":\"n\"}\n", 0, 0,
         "n;0;1\n", ""},
        {" { \"index\" : \"n,m\" } \r\n{\"index\":\"unique:n\"}\n", 0, 0, "n,m;0;1\nunique:n;1;1\n",
         ""},
        {"{\"key\":\"a\",\"value\":{\"n\":1}}\n{\"key\":\"b\",\"value\":{\"n\":1}}\n{\"index\":"
         "\"unique:n\"}\n",
         SFS_E_EXISTS, 1, "", "line 3: the index unique:n is not made"},
        {"{\"index\":\"n\"}\n{\"index\":\"unique:n\"}\n", SFS_E_EXISTS, 1, "n;0;1\n", "line 2"},
        {"{\"index\":\"a b\"}\n", SFS_E_INVALID, 1, "", "line 1"},
        {"{\"index\":5}\n", SFS_E_INVALID, 1, "", "line 1: \"index\" must be a string"},
        {"\n{\"index\":\"n\",\"key\":\"a\"}\n", SFS_E_INVALID, 1, "", "line 2: member \"key\""},
        {"{\"index\":\"n\"", SFS_E_INVALID, 1, "", "not JSON"},
        {"{\"key\":\"a\",\"value\":1,\"index\":\"n\"}\n", SFS_E_INVALID, 1, "",
         "\"index\" is not known"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_bulk_options going = {.keep_going = true};
        struct sfs_bulk_result result;
        struct sfs_error error = {0};
        struct sfs_storage *store = open_memory();
        int code = import_text(store, cases[i].lines, NULL, &result, &error);
        if (code != cases[i].code || !strstr(error.message, cases[i].sentence))
            fail_msg("%s: %d %s", cases[i].lines, code, error.message);
        check_indexes(store, cases[i].indexes);
        sfs_close(store, NULL);
        store = open_memory();
        assert_int_equal(import_text(store, cases[i].lines, &going, &result, &error), 0);
        assert_int_equal(result.refused, cases[i].refused);
        check_indexes(store, cases[i].indexes);
        sfs_close(store, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shortest),
        cmocka_unit_test(test_runs_refused),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_import_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
