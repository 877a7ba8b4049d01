/* SPDX-License-Identifier: MIT */
/* Whether a key is in a result, against the result itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "storefs/query.h"

#define KEYS 120

static const char *const paths[] = {
    "",
    "by/n/3",
    "by/n/text",
    "where/n >= 2 and not (n = 4)",
    "where/@key ~ \"k1*\"",
    "order/n:desc",
    "limit/0",
    "limit/10",
    "offset/110",
    "order/n:desc/limit/9",
    "order/n:desc/offset/5/limit/9",
    "limit/40/where/n = 1",
    "where/n = 1/limit/4/where/@size > 7",
    "by/n/1/by/n/2",
};

static struct sfs_storage *filled(void)
{
    struct sfs_storage *store = NULL;
    struct sfs_batch *batch = NULL;
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL), 0);
    for (int i = 0; i < KEYS; i++) {
        char key[16], value[32];
        snprintf(key, sizeof(key), "k%03d", i);
        snprintf(value, sizeof(value), i % 10 == 9 ? "no json %d" : "{\"n\":%d}", i % 7);
        assert_int_equal(sfs_set(store, sfs_string(key), sfs_string(value), NULL), 0);
    }
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("k001.link"), SFS_LITERAL("k001"), &link,
                                   SFS_ATTRIBUTE_KIND, NULL),
                     0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    return store;
}

static int in_result(struct sfs_storage *store, const struct sfs_query *query, struct sfs_bytes key)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int found = 0;
    int code;
    assert_int_equal(sfs_query_run(store, query, &cursor, NULL), 0);
    while ((code = sfs_cursor_next(cursor, &record, NULL)) == 1)
        found |= sfs_bytes_equal(record->name, key);
    assert_int_equal(code, 0);
    sfs_cursor_close(cursor);
    return found;
}

static void agrees_with_the_result(void **state)
{
    struct sfs_storage *store = filled();
    size_t present = 0;
    (void)state;
    for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
        struct sfs_query *query = NULL;
        enum sfs_sink sink;
        assert_int_equal(sfs_query_parse(sfs_string(paths[p]), &query, &sink, NULL), 0);
        for (int i = 0; i < KEYS + 5; i++) {
            char key[16];
            snprintf(key, sizeof(key), "k%03d", i);
            int wanted = in_result(store, query, sfs_string(key));
            int got = sfs_query_has(store, query, sfs_string(key), NULL);
            if (got != wanted)
                fail_msg("%s: %s is %d, wanted %d", paths[p], key, got, wanted);
            present += (size_t)got;
        }
        assert_int_equal(sfs_query_has(store, query, SFS_LITERAL("k001.link"), NULL), 0);
        sfs_query_free(query);
    }
    assert_true(present > KEYS * 2);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void refuses_what_is_no_key(void **state)
{
    struct sfs_storage *store = filled();
    struct sfs_query *query = NULL;
    struct sfs_error error = {0};
    (void)state;
    assert_int_equal(sfs_query_new(&query, NULL), 0);
    assert_int_equal(sfs_query_has(store, query, SFS_LITERAL(""), &error), SFS_E_INVALID);
    assert_int_equal(error.code, SFS_E_INVALID);
    sfs_query_free(query);
    assert_int_equal(sfs_close(store, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_result),
        cmocka_unit_test(refuses_what_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
