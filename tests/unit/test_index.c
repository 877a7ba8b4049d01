/* SPDX-License-Identifier: MIT */
/*
 * Indexes as a program sees them: names, numbers, unique ones, making one while others write, what
 * they say in queries, and what the check finds. That no query changes is for
 * tests/conformance/test_indexes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/layers.h"
#include "storefs/query.h"
#include "storefs/transaction.h"

static struct sfs_error error;

static struct sfs_storage *open_memory(void)
{
    struct sfs_storage *store = NULL;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error), 0);
    return store;
}

static void set(struct sfs_storage *store, const char *key, const char *value)
{
    if (sfs_set(store, sfs_string(key), sfs_string(value), &error))
        fail_msg("%s: %s", key, error.message);
}

static int create(struct sfs_storage *store, const char *name)
{
    return sfs_index_create(store, sfs_string(name), NULL, NULL, &error);
}

static void must_create(struct sfs_storage *store, const char *name)
{
    if (create(store, name))
        fail_msg("%s: %s", name, error.message);
}

static struct sfs_index_stats stats_of(struct sfs_storage *store, const char *name)
{
    struct sfs_index_stats stats = {0};
    if (sfs_index_stats(store, sfs_string(name), &stats, &error))
        fail_msg("%s: %s", name, error.message);
    return stats;
}

/* The text of a query path. */
static const char *text(struct sfs_storage *store, const char *path)
{
    static char out[8000];
    struct sfs_query *query = NULL;
    struct sfs_text *reader = NULL;
    enum sfs_sink sink;
    size_t size = 0;
    if (sfs_query_parse(sfs_string(path), &query, &sink, &error) ||
        sfs_query_text(store, query, sink, &reader, &error) ||
        sfs_text_read(reader, out, sizeof(out) - 1, &size, &error))
        fail_msg("%s: %s", path, error.message);
    out[size] = '\0';
    sfs_text_close(reader);
    sfs_query_free(query);
    return out;
}

static void check_clean(struct sfs_storage *store)
{
    uint64_t found = 1;
    assert_int_equal(sfs_index_check(store, NULL, NULL, &found, &error), 0);
    assert_int_equal(found, 0);
}

static int join_names(void *context, const char *name, const struct sfs_index_stats *stats)
{
    char *out = context;
    size_t used = strlen(out);
    snprintf(out + used, 200 - used, "%s%s%s", used ? " " : "", name, stats->ready ? "" : "*");
    return 0;
}

static const char *names(struct sfs_storage *store)
{
    static char out[200];
    out[0] = '\0';
    assert_int_equal(sfs_index_list(store, join_names, out, &error), 0);
    return out;
}

static int stop_at_once(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)name;
    (void)stats;
    ++*(int *)context;
    return 7;
}

/* --- names, and what is there --- */

static void check_refused(struct sfs_storage *store, const char *name, const char *reason)
{
    assert_int_equal(create(store, name), SFS_E_INVALID);
    if (!strstr(error.message, reason))
        fail_msg("%s: %s", name, error.message);
}

static void test_names(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_buffer many = {0};
    int visits = 0;
    check_refused(store, "", "expected a field name at column 1");
    check_refused(store, "a:desc", "no direction) at column 2");
    check_refused(store, "a,", "expected a field name at column 3");
    check_refused(store, "a,b,\"a\"", "there already at column 5");
    check_refused(store, "@none", "no such property");
    check_refused(store, "unique:", "expected a field name at column 8");
    for (int i = 0; i < 17; i++)
        assert_int_equal(sfs_buffer_printf(&many, "%sf%d", i ? "," : "", i), 0);
    assert_int_equal(sfs_buffer_text(&many), 0);
    check_refused(store, many.data, "at most 16 fields");
    many.size = 0;
    for (int i = 0; i < 300; i++)
        assert_int_equal(sfs_buffer_add(&many, SFS_LITERAL("abcd")), 0);
    assert_int_equal(sfs_buffer_text(&many), 0);
    check_refused(store, many.data, "at most 1024 bytes");
    sfs_buffer_free(&many);
    must_create(store, "unique:\"a\".b[0],\"odd name\"");
    must_create(store, "n");
    must_create(store, "@key,n");
    assert_string_equal(names(store), "@key,n n unique:a.b[0],\"odd name\"");
    assert_int_equal(create(store, "a.b[0],\"odd name\""), SFS_E_EXISTS);
    assert_true(stats_of(store, "a.b[0],\"odd name\"").unique);
    assert_int_equal(sfs_index_list(store, stop_at_once, &visits, &error), 7);
    assert_int_equal(visits, 1);
    assert_int_equal(sfs_index_drop(store, sfs_string("unique:n"), &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_index_drop(store, sfs_string("n"), &error), 0);
    assert_int_equal(sfs_index_drop(store, sfs_string("n"), &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_index_drop(store, sfs_string("a.b[0],\"odd name\""), &error), 0);
    assert_string_equal(names(store), "@key,n");
    struct sfs_index_stats stats;
    assert_int_equal(sfs_index_stats(store, sfs_string("n"), &stats, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_where_there_are_none(void **state)
{
    (void)state;
    struct sfs_storage *below = open_memory();
    struct sfs_storage *store = NULL;
    struct sfs_storage *snapshot = NULL;
    struct sfs_transaction *transaction = NULL;
    must_create(below, "n");
    assert_int_equal(sfs_snapshot(below, 0, &snapshot, &error), 0);
    assert_int_equal(create(snapshot, "a"), SFS_E_READ_ONLY);
    assert_int_equal(sfs_index_drop(snapshot, sfs_string("n"), &error), SFS_E_READ_ONLY);
    assert_string_equal(names(snapshot), "n");
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_begin(below, NULL, &transaction, &error), 0);
    assert_int_equal(create(sfs_transaction_storage(transaction), "a"), SFS_E_UNSUPPORTED);
    assert_int_equal(
        sfs_index_drop(sfs_transaction_storage(transaction), sfs_string("n"), &error),
        SFS_E_UNSUPPORTED);
    assert_string_equal(names(sfs_transaction_storage(transaction)), "n");
    sfs_transaction_free(transaction);
    /* The fault layer lets nothing pass it by. */
    const struct sfs_fault_options options = {0};
    assert_int_equal(sfs_fault_layer(&store, below, &options, &error), 0);
    assert_int_equal(create(store, "a"), SFS_E_UNSUPPORTED);
    assert_string_equal(names(store), "");
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- unique --- */

static int set_two(struct sfs_storage *store, const char *a, const char *b)
{
    struct sfs_entry entries[] = {{sfs_string("a"), sfs_string(a)}, {sfs_string("b"), sfs_string(b)}};
    return sfs_set_many(store, entries, 2, &error);
}

static void test_unique(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    must_create(store, "unique:mail");
    set(store, "a", "{\"mail\":\"x\"}");
    assert_int_equal(sfs_set(store, sfs_string("b"), sfs_string("{\"mail\": \"\\u0078\"}"), &error),
                     SFS_E_EXISTS);
    assert_string_equal(error.message, "keys 'a' and 'b' would both hold \"x\", which the index "
                                       "'unique:mail' lets only one key hold");
    assert_int_equal(sfs_has(store, sfs_string("b"), &error), 0);
    set(store, "b", "{\"mail\":\"y\"}");
    /* What counts is the state after the batch. */
    assert_int_equal(set_two(store, "{\"mail\":\"y\"}", "{\"mail\":\"x\"}"), 0);
    assert_int_equal(set_two(store, "{\"mail\":1}", "{\"mail\":1.0}"), SFS_E_EXISTS);
    struct sfs_batch *batch = NULL;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_exchange(batch, sfs_string("a"), sfs_string("b"), NULL), 0);
    assert_int_equal(sfs_batch_rename(batch, sfs_string("a"), sfs_string("c"), 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    assert_string_equal(text(store, "by/mail/x/keys"), "c\n");
    /* Missing is in conflict with none; null is a value. */
    set(store, "d", "{}");
    set(store, "e", "text");
    set(store, "f", "{\"mail\":null}");
    assert_int_equal(sfs_set(store, sfs_string("g"), sfs_string("{\"mail\":null}"), &error),
                     SFS_E_EXISTS);
    check_clean(store);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_unique_refuses_what_it_cannot_compare(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    char value[3000];
    must_create(store, "unique:a,b");
    memset(value, 'x', sizeof(value));
    memcpy(value, "{\"a\":\"", 6);
    memcpy(value + 2990, "\",\"b\":1}", 9);
    assert_int_equal(sfs_set(store, sfs_string("k"), sfs_string(value), &error), SFS_E_TOO_LARGE);
    assert_non_null(strstr(error.message, "key 'k' holds is too large for the index 'unique:a,b'"));
    /* In one batch it may come and go. */
    struct sfs_batch *batch = NULL;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(
        sfs_batch_put(batch, sfs_string("k"), sfs_string(value), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_delete(batch, sfs_string("k"), 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_unique_violation_while_building(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    set(store, "a/1", "{\"n\":1}");
    set(store, "a/2", "{\"n\":2}");
    set(store, "b", "{\"n\":1}");
    assert_int_equal(create(store, "unique:n"), SFS_E_EXISTS);
    assert_non_null(strstr(error.message, "keys 'a/1' and 'b' would both hold 1"));
    assert_string_equal(names(store), "");
    must_create(store, "n");
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- building --- */

struct builder {
    struct sfs_storage *store;
    unsigned calls;
    unsigned stop_at;
    bool drop;
};

/* Between two steps others write before and behind what has been seen, and query. */
static int write_between(void *context, uint64_t done, uint64_t total)
{
    struct builder *builder = context;
    struct sfs_batch *batch = NULL;
    char key[32];
    assert_true(done <= total);
    builder->calls++;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    snprintf(key, sizeof(key), "k%05u", builder->calls);
    assert_int_equal(
        sfs_batch_put(batch, sfs_string(key), sfs_string("{\"n\":-1}"), NULL, 0, NULL), 0);
    assert_int_equal(
        sfs_batch_put(batch, sfs_string("z"), sfs_string("{\"n\":-1}"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_rename_prefix(batch, sfs_string(builder->calls % 2 ? "p/" : "A/"),
                                             sfs_string(builder->calls % 2 ? "A/" : "p/"), NULL),
                     0);
    if (sfs_apply(builder->store, batch, NULL, NULL, &error))
        fail_msg("%s", error.message);
    sfs_batch_free(batch);
    assert_null(strstr(text(builder->store, "by/n/-1/explain"), "index"));
    assert_non_null(strstr(names(builder->store), "n*"));
    if (builder->drop)
        assert_int_equal(sfs_index_drop(builder->store, sfs_string("n"), &error), 0);
    return builder->calls == builder->stop_at;
}

static struct sfs_storage *open_filled(unsigned count)
{
    struct sfs_storage *store = open_memory();
    struct sfs_batch *batch = NULL;
    char key[32], value[64];
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%s%05u", i % 10 ? "k" : "p/", i);
        snprintf(value, sizeof(value), "{\"n\":%u,\"type\":\"t%u\"}", i, i % 7);
        assert_int_equal(
            sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL), 0);
    }
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    return store;
}

static int build(struct builder *builder)
{
    return sfs_index_create(builder->store, sfs_string("n"), write_between, builder, &error);
}

static void test_building(void **state)
{
    (void)state;
    struct builder builder = {.store = open_filled(5500)};
    assert_int_equal(build(&builder), 0);
    assert_true(builder.calls >= 5);
    struct sfs_index_stats stats = stats_of(builder.store, "n");
    assert_true(stats.ready);
    assert_int_equal(stats.done, stats.total);
    assert_true(stats.bytes > stats.entries);
    check_clean(builder.store);
    assert_non_null(strstr(text(builder.store, "by/n/-1/explain"), "index n"));
    assert_int_equal(sfs_close(builder.store, NULL), 0);
}

static void test_building_stopped(void **state)
{
    (void)state;
    struct builder builder = {.store = open_filled(5500), .stop_at = 3};
    assert_int_equal(build(&builder), SFS_E_CANCELLED);
    assert_int_equal(builder.calls, 3);
    assert_string_equal(names(builder.store), "");
    builder.drop = true;
    builder.stop_at = 0;
    assert_int_equal(build(&builder), SFS_E_CANCELLED);
    assert_non_null(strstr(error.message, "was dropped while it was being built"));
    assert_string_equal(names(builder.store), "");
    assert_int_equal(sfs_close(builder.store, NULL), 0);
}

/* --- what queries make of them --- */

static void test_explain_and_hits(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(700);
    must_create(store, "type,n");
    assert_string_equal(text(store, "by/type/t3/where/n < 20/explain"),
                        "index type,n\n"
                        "    library: about 3 of 700 keys, sorted by name, each then looked up\n"
                        "by/type/t3\n    library: nothing left to test\n"
                        "where/n < 20\n    library: nothing left to test\n");
    assert_string_equal(text(store, "by/type/t3/order/n:desc/limit/2/explain"),
                        "index type,n\n"
                        "    library: about 100 of 700 keys, as they stand there, which is the "
                        "order asked for, backwards\n"
                        "by/type/t3\n    library: nothing left to test\n"
                        "order/n:desc\n    library: nothing left to sort\n"
                        "limit/2\n    library: ends the query after so many rows\n");
    assert_int_equal(stats_of(store, "type,n").hits, 0);
    assert_string_equal(text(store, "by/type/t3/order/n:desc/limit/2/keys"), "k00696\nk00689\n");
    assert_string_equal(text(store, "by/type/t3/order/type,n/limit/2/keys"), "k00003\np%2F00010\n");
    assert_int_equal(stats_of(store, "type,n").hits, 2);
    /* Most of the store is scanned; the count is the index's all the same. */
    assert_null(strstr(text(store, "where/type exists/explain"), "index"));
    struct sfs_query *query = NULL;
    uint64_t count = 0;
    assert_int_equal(sfs_query_new(&query, &error), 0);
    assert_int_equal(sfs_query_where(query, sfs_string("type exists"), &error), 0);
    assert_int_equal(sfs_query_offset(query, 10, &error), 0);
    assert_int_equal(sfs_query_limit(query, 800, &error), 0);
    assert_int_equal(sfs_query_count(store, query, &count, &error), 0);
    assert_int_equal(count, 690);
    assert_int_equal(stats_of(store, "type,n").hits, 3);
    sfs_query_free(query);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_snapshots_keep_theirs(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(100);
    struct sfs_storage *before = NULL, *with = NULL;
    assert_int_equal(sfs_snapshot(store, 0, &before, &error), 0);
    must_create(store, "n");
    assert_int_equal(sfs_snapshot(store, 0, &with, &error), 0);
    set(store, "new", "{\"n\":5}");
    assert_int_equal(sfs_index_drop(store, sfs_string("n"), &error), 0);
    assert_string_equal(names(before), "");
    assert_string_equal(names(with), "n");
    assert_string_equal(names(store), "");
    assert_string_equal(text(with, "by/n/5/keys"), "k00005\n");
    assert_non_null(strstr(text(with, "by/n/5/explain"), "index n"));
    assert_int_equal(stats_of(with, "n").entries, 100);
    check_clean(with);
    assert_int_equal(sfs_close(with, NULL), 0);
    assert_int_equal(sfs_close(before, NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* Ks that were cut are in no order among each other, and documents that were not read in none at all. */
static void test_inexact(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(100);
    char value[3000];
    must_create(store, "n");
    for (unsigned i = 0; i < 3; i++) {
        char key[8];
        memset(value, 'x', sizeof(value));
        memcpy(value, "{\"n\":\"", 6);
        snprintf(value + 2000, 100, "%u\"}", 9 - i);
        snprintf(key, sizeof(key), "long%u", i);
        set(store, key, value);
    }
    assert_int_equal(stats_of(store, "n").inexact, 3);
    assert_string_equal(text(store, "order/n:desc/limit/2/keys"), "long0\nlong1\n");
    assert_string_equal(text(store, "where/n ~ \"x*7\"/keys"), "long2\n");
    value[2000] = '8';
    char path[3100];
    snprintf(path, sizeof(path), "by/n/%.*s/keys", 1995, value + 6);
    assert_string_equal(text(store, path), "long1\n");
    size_t size = (size_t)SFS_INDEX_VALUE_MAX + 100;
    char *large = malloc(size);
    assert_non_null(large);
    memset(large, ' ', size);
    memcpy(large, "{\"n\":50", 7);
    large[size - 1] = '}';
    assert_int_equal(sfs_set(store, sfs_string("large"), sfs_bytes(large, size), &error), 0);
    free(large);
    assert_int_equal(stats_of(store, "n").inexact, 4);
    assert_string_equal(text(store, "where/n = 50 and @size > 1000/keys"), "large\n");
    assert_non_null(strstr(text(store, "by/n/50/explain"), "index n\n    library: about 2 of 104"));
    assert_string_equal(text(store, "where/n = 50/count"), "2\n");
    check_clean(store);
    assert_int_equal(sfs_delete(store, sfs_string("large"), &error), 1);
    assert_int_equal(stats_of(store, "n").inexact, 3);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- values --- */

struct values {
    char joined[300];
    size_t count;
    size_t stop_at;
};

static int add_value(void *context, struct sfs_bytes value)
{
    struct values *values = context;
    size_t used = strlen(values->joined);
    values->count++;
    if (used + value.size + 2 < sizeof(values->joined))
        snprintf(values->joined + used, sizeof(values->joined) - used, "%.*s ", (int)value.size,
                 (const char *)value.data);
    return values->count == values->stop_at ? 9 : 0;
}

static int list_values(struct sfs_storage *store, const char *type, const char *field,
                       struct values *values, bool *ret_complete)
{
    struct sfs_query *query = NULL;
    assert_int_equal(sfs_query_new(&query, &error), 0);
    if (type)
        assert_int_equal(sfs_query_by(query, sfs_string("type"), sfs_string(type), &error), 0);
    int result = sfs_query_values(store, query, sfs_string(field), add_value, values, ret_complete,
                                  &error);
    sfs_query_free(query);
    return result;
}

static void test_values(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(20000);
    struct values values = {.count = 0};
    bool complete = false;
    set(store, "odd1", "{\"type\":null}");
    set(store, "odd2", "{\"type\":1e2}");
    set(store, "odd3", "{\"type\":[1, {\"b\":\"c\"}]}");
    set(store, "odd4", "{\"type\":\"5\"}");
    must_create(store, "type,n");
    must_create(store, "n");
    assert_int_equal(list_values(store, NULL, "type", &values, &complete), 0);
    assert_true(complete);
    assert_string_equal(values.joined,
                        "null 100 \"5\" t0 t1 t2 t3 t4 t5 t6 [1,{\"b\":\"c\"}] ");
    values = (struct values){.count = 0};
    assert_int_equal(list_values(store, "t3", "n", &values, &complete), 0);
    assert_true(complete);
    assert_int_equal(values.count, 20000 / 7);
    assert_int_equal(strncmp(values.joined, "3 10 17 ", 8), 0);
    values = (struct values){.count = 0};
    assert_int_equal(list_values(store, NULL, "n", &values, &complete), 0);
    assert_true(complete);
    assert_int_equal(values.count, 20000);
    values = (struct values){.stop_at = 3};
    assert_int_equal(list_values(store, NULL, "n", &values, &complete), 9);
    assert_int_equal(values.count, 3);
    assert_int_equal(stats_of(store, "n").hits, 2);
    /* What cannot be a file name is left out, and said to be. */
    char value[400];
    snprintf(value, sizeof(value), "{\"n\":\"%0300d\"}", 1);
    set(store, "wide", value);
    values = (struct values){.count = 0};
    assert_int_equal(list_values(store, NULL, "n", &values, &complete), 0);
    assert_false(complete);
    assert_int_equal(values.count, 20000);
    /* Without an index it is a sample. */
    assert_int_equal(sfs_index_drop(store, sfs_string("n"), &error), 0);
    values = (struct values){.count = 0};
    assert_int_equal(list_values(store, NULL, "n", &values, &complete), 0);
    assert_int_equal(values.count, 10000);
    assert_false(complete);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- transactions --- */

static void test_serializable_notes_what_an_index_gave(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(100);
    const struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    must_create(store, "n");
    for (int phantom = 0; phantom < 2; phantom++) {
        struct sfs_transaction *transaction = NULL;
        assert_int_equal(sfs_begin(store, &options, &transaction, &error), 0);
        struct sfs_storage *inside = sfs_transaction_storage(transaction);
        uint64_t hits = stats_of(store, "n").hits;
        assert_string_equal(text(inside, "where/n >= 7 and n < 9/keys"), "k00007\nk00008\n");
        assert_int_equal(stats_of(store, "n").hits, hits + 1);
        set(inside, "mine", "{}");
        set(store, phantom ? "other2" : "other1", phantom ? "{\"n\":8}" : "{\"n\":9}");
        assert_int_equal(sfs_commit(transaction, NULL, &error), phantom ? SFS_E_CONFLICT : 0);
        sfs_transaction_free(transaction);
    }
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_unique_at_commit(void **state)
{
    (void)state;
    struct sfs_storage *store = open_memory();
    struct sfs_transaction *transaction = NULL;
    must_create(store, "unique:n");
    set(store, "a", "{\"n\":1}");
    assert_int_equal(sfs_begin(store, NULL, &transaction, &error), 0);
    set(sfs_transaction_storage(transaction), "b", "{\"n\":1}");
    assert_string_equal(text(sfs_transaction_storage(transaction), "by/n/1/keys"), "a\nb\n");
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_EXISTS);
    assert_non_null(strstr(error.message, "keys 'a' and 'b'"));
    assert_int_equal(sfs_delete(sfs_transaction_storage(transaction), sfs_string("a"), &error), 1);
    assert_int_equal(sfs_commit(transaction, NULL, &error), 0);
    sfs_transaction_free(transaction);
    assert_string_equal(text(store, "by/n/1/keys"), "b\n");
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* Where a transaction has renamed a directory it maps names, and does without indexes. */
static void test_not_over_maps_and_many_writes(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(100);
    struct sfs_transaction *transaction = NULL;
    struct sfs_batch *batch = NULL;
    must_create(store, "n");
    assert_int_equal(sfs_begin(store, NULL, &transaction, &error), 0);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    assert_non_null(strstr(text(inside, "by/n/10/explain"), "index n"));
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_rename_prefix(batch, sfs_string("p/"), sfs_string("q/"), NULL), 0);
    assert_int_equal(sfs_apply(inside, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    assert_null(strstr(text(inside, "by/n/10/explain"), "index n"));
    assert_string_equal(text(inside, "by/n/10/keys"), "q%2F00010\n");
    sfs_transaction_free(transaction);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- over a reopening --- */

static void test_kept(void **state)
{
    (void)state;
    static const char *const uris[] = {"json:%s/store.json", "memory:?snapshot=%s/store.memory"};
    char uri[500];
    for (size_t i = 0; i < 2; i++) {
        struct sfs_storage *store = NULL;
        snprintf(uri, sizeof(uri), uris[i], getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), 0);
        set(store, "a", "{\"n\":1}");
        set(store, "b", "{\"n\":2}");
        must_create(store, "unique:n");
        must_create(store, "a.b,@size");
        assert_int_equal(sfs_close(store, &error), 0);
        assert_int_equal(sfs_open(&store, uri, 0, &error), 0);
        assert_string_equal(names(store), "a.b,@size unique:n");
        assert_string_equal(text(store, "by/n/2/keys"), "b\n");
        check_clean(store);
        assert_int_equal(sfs_set(store, sfs_string("c"), sfs_string("{\"n\":2}"), &error),
                         SFS_E_EXISTS);
        assert_int_equal(sfs_index_drop(store, sfs_string("a.b,@size"), &error), 0);
        assert_int_equal(sfs_close(store, &error), 0);
        assert_int_equal(sfs_open(&store, uri, SFS_OPEN_READ_ONLY, &error), 0);
        assert_string_equal(names(store), "unique:n");
        assert_int_equal(create(store, "z"), SFS_E_READ_ONLY);
        assert_int_equal(sfs_close(store, &error), 0);
    }
}

/* Another program wrote the file, and what it wrote no unique index could hold. */
static void test_kept_where_it_can_be(void **state)
{
    (void)state;
    char path[400], uri[420];
    struct sfs_storage *store = NULL;
    snprintf(path, sizeof(path), "%s/other.json", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    snprintf(uri, sizeof(uri), "json:%s", path);
    assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), 0);
    set(store, "a", "{\"n\":1}");
    must_create(store, "unique:n");
    assert_int_equal(sfs_close(store, &error), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"a\": {\"n\":1}, \"b\": {\"n\":1}}", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(sfs_open(&store, uri, 0, &error), 0);
    assert_string_equal(names(store), "n");
    assert_string_equal(text(store, "by/n/1/keys"), "a\nb\n");
    check_clean(store);
    assert_int_equal(sfs_close(store, &error), 0);
}

/* --- the check, over a layer whose index lies --- */

enum lie { TRUTH, WRONG_KEY, TWICE, LESS, MISCOUNTED };

struct liar {
    struct sfs_storage storage;
    enum lie lie;
};

struct liar_cursor {
    struct sfs_index_cursor cursor;
    struct sfs_index_cursor *below;
    enum lie lie;
    struct sfs_index_row row;
    unsigned count;
};

static const struct sfs_index_operations *truth_of(struct sfs_storage *store)
{
    return store->below->operations->override->index;
}

static int lie_next(struct sfs_index_cursor *cursor, struct sfs_index_row *ret_row,
                    struct sfs_error *failure)
{
    struct liar_cursor *self = (struct liar_cursor *)cursor;
    int found = 1;
    if (self->lie != TWICE || self->count != 2)
        found = self->below->operations->next(self->below, &self->row, failure);
    if (found > 0 && self->lie == LESS && self->count == 1)
        found = self->below->operations->next(self->below, &self->row, failure);
    self->count++;
    if (found > 0)
        *ret_row = self->row;
    if (found > 0 && self->lie == WRONG_KEY && self->count == 2)
        ret_row->key = SFS_LITERAL("\x06");
    return found;
}

static void lie_close(struct sfs_index_cursor *cursor)
{
    struct liar_cursor *self = (struct liar_cursor *)cursor;
    self->below->operations->close(self->below);
    free(self);
}

static int lie_scan(struct sfs_storage *store, const struct sfs_index *index,
                    struct sfs_range range, bool descending, unsigned want,
                    struct sfs_index_cursor **ret_cursor, struct sfs_error *failure)
{
    static const struct sfs_index_cursor_operations operations = {.next = lie_next,
                                                                  .close = lie_close};
    struct liar_cursor *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    self->cursor.operations = &operations;
    self->lie = ((struct liar *)store)->lie;
    *ret_cursor = &self->cursor;
    return truth_of(store)->scan(store->below, index, range, descending, want, &self->below,
                                 failure);
}

static int lie_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                   struct sfs_error *failure)
{
    return truth_of(store)->set(store->below, ret_set, failure);
}

static int lie_stats(struct sfs_storage *store, const struct sfs_index *index,
                     struct sfs_index_stats *ret_stats, struct sfs_error *failure)
{
    int result = truth_of(store)->stats(store->below, index, ret_stats, failure);
    ret_stats->entries += ((struct liar *)store)->lie == MISCOUNTED;
    return result;
}

static int lie_store_close(struct sfs_storage *store, struct sfs_error *failure)
{
    (void)store;
    (void)failure;
    return 0;
}

static void keep_sentence(void *context, const char *sentence)
{
    snprintf(context, 300, "%s", sentence);
}

static void test_check_finds(void **state)
{
    (void)state;
    static const struct sfs_index_operations index = {
        .set = lie_set, .stats = lie_stats, .scan = lie_scan};
    static const struct sfs_override_operations override = {.index = &index};
    static const struct sfs_storage_operations operations = {
        .name = "liar", .override = &override, .close = lie_store_close};
    static const struct {
        enum lie lie;
        uint64_t found;
        const char *sentence;
    } cases[] = {
        {TRUTH, 0, ""},
        {WRONG_KEY, 3, "index 'unique:n': key 'k00001': its entry is not what the document says"},
        {TWICE, 4, "entries, and there are 21"},
        {LESS, 2, "entries, and there are 19"},
        {MISCOUNTED, 1, "index 'unique:n': it counts 21 entries, and there are 20"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sentence[300] = "";
        uint64_t found = 0, repaired = 0;
        struct liar liar;
        struct sfs_storage *memory = open_filled(20);
        must_create(memory, "unique:n");
        assert_int_equal(sfs_layer_init(&liar.storage, &operations, memory, &error), 0);
        liar.storage.capabilities &= ~(unsigned)SFS_CAN_SNAPSHOT;
        liar.lie = cases[i].lie;
        assert_int_equal(sfs_check(&liar.storage, false, keep_sentence, sentence, &found,
                                   &repaired, &error),
                         0);
        if (found != cases[i].found || !strstr(sentence, cases[i].sentence))
            fail_msg("lie %zu: %llu found, last %s", i, (unsigned long long)found, sentence);
        assert_int_equal(sfs_close(&liar.storage, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_where_there_are_none),
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_unique_refuses_what_it_cannot_compare),
        cmocka_unit_test(test_unique_violation_while_building),
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_building_stopped),
        cmocka_unit_test(test_explain_and_hits),
        cmocka_unit_test(test_snapshots_keep_theirs),
        cmocka_unit_test(test_inexact),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_serializable_notes_what_an_index_gave),
        cmocka_unit_test(test_unique_at_commit),
        cmocka_unit_test(test_not_over_maps_and_many_writes),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_kept_where_it_can_be),
        cmocka_unit_test(test_check_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
