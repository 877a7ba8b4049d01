/* SPDX-License-Identifier: MIT */
/*
 * What queries make of indexes: what explain says, counts, snapshots, entries that do not say all,
 * the values of a field, and transactions.
 */
#include "index_fixture.h"
#include "util/clock.h"

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

/* Ks that were cut are in no order among each other, and documents that were not read in none at
 * all. */
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
    int result =
        sfs_query_values(store, query, sfs_string(field), add_value, values, ret_complete, &error);
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
    assert_string_equal(values.joined, "null 100 \"5\" t0 t1 t2 t3 t4 t5 t6 [1,{\"b\":\"c\"}] ");
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
    int64_t began = sfs_clock_monotonic();
    assert_int_equal(list_values(store, NULL, "n", &values, &complete), 0);
    if (sfs_clock_monotonic() - began < SFS_NS_PER_SECOND) /* after which it ends, too */
        assert_int_equal(values.count, 10000);
    assert_in_range(values.count, 1, 10000);
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

/* Reads and commits, while somebody else writes `document`. */
static int commit_after(struct sfs_storage *store, const char *query, const char *rows,
                        const char *document)
{
    const struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    struct sfs_transaction *transaction = NULL;
    static unsigned number;
    char key[32];
    assert_int_equal(sfs_begin(store, &options, &transaction, &error), 0);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    uint64_t hits = stats_of(store, "type,n").hits;
    assert_string_equal(text(inside, query), rows);
    assert_int_equal(stats_of(store, "type,n").hits, hits + 1);
    set(inside, "mine", "{}");
    snprintf(key, sizeof(key), "other%u", number++);
    set(store, key, document);
    int code = sfs_commit(transaction, NULL, &error);
    sfs_transaction_free(transaction);
    return code;
}

/* What an order looks at is all that the filters leave, be it read from an index or not. */
static void test_serializable_order(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(700);
    struct sfs_transaction *transaction = NULL;
    const struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    must_create(store, "type,n");
    const char *filtered = "by/type/t3/order/n:desc/limit/2/keys";
    assert_int_equal(commit_after(store, filtered, "k00696\nk00689\n", "{\"type\":\"t4\",\"n\":3}"),
                     0);
    assert_int_equal(
        commit_after(store, filtered, "k00696\nk00689\n", "{\"type\":\"t3\",\"n\":-1}"),
        SFS_E_CONFLICT);
    assert_int_equal(commit_after(store, "by/type/t3/where/@key ~ \"k*\"/order/n:desc/limit/1/keys",
                                  "k00696\n", "{\"type\":\"t3\",\"n\":-2}"),
                     0);
    const char *all = "order/type:desc,n:desc/limit/1/keys";
    assert_int_equal(commit_after(store, all, "k00699\n", "{\"type\":\"a\"}"), SFS_E_CONFLICT);
    assert_int_equal(sfs_begin(store, &options, &transaction, &error), 0);
    assert_non_null(strstr(text(sfs_transaction_storage(transaction), "by/type/t3/order/n/explain"),
                           "filters one snapshot by the index type,n; the commit checks that no "
                           "change since matches"));
    sfs_transaction_free(transaction);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* So it is with groups and aggregates, which no document is read for. */
static void test_serializable_groups(void **state)
{
    static const char *const queries[] = {
        "by/type/t3/sum/n",
        "by/type/t3/count",
        "by/type/t3/max/n",
        "by/type/t3/distinct/n",
        "by/type/t3/group/n/limit/3/count",
        "by/type/t3/group/type/aggregate/count,sum(n),min(n)/values.ndjson",
        "where/type in [\"t3\",\"t5\"] and n < 300/group/type/sum/n",
        "by/type/t3/aggregate/count,avg(n)/where/count > 1/values.ndjson",
    };
    (void)state;
    struct sfs_storage *store = open_filled(700);
    struct sfs_transaction *transaction = NULL;
    const struct sfs_transaction_options options = {.isolation = SFS_SERIALIZABLE};
    must_create(store, "type,n");
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char *rows = strdup(text(store, queries[i]));
        assert_int_equal(commit_after(store, queries[i], rows, "{\"type\":\"t4\",\"n\":9}"), 0);
        assert_int_equal(commit_after(store, queries[i], rows, "{\"type\":\"t3\",\"n\":5}"),
                         SFS_E_CONFLICT);
        free(rows);
    }
    char *rows = strdup(text(store, "group/type/count"));
    assert_int_equal(commit_after(store, "group/type/count", rows, "{\"type\":\"a\"}"),
                     SFS_E_CONFLICT);
    free(rows);
    assert_int_equal(sfs_begin(store, &options, &transaction, &error), 0);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    assert_non_null(strstr(text(inside, "by/type/t3/group/n/explain"),
                           "makes groups of one snapshot by the index type,n; the commit checks "
                           "that no change since matches"));
    set(inside, "k00003", "{\"type\":\"t6\"}");
    set(inside, "k00004", "{\"type\":\"t3\",\"n\":-7}");
    assert_string_equal(text(inside, "by/type/t3/min/n"), "-7\n");
    assert_int_equal(sfs_commit(transaction, NULL, &error), 0);
    sfs_transaction_free(transaction);
    assert_string_equal(text(store, "by/type/t3/min/n"), "-7\n");
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_unique_at_commit(void **state)
{
    (void)state;
    struct sfs_storage *store = open_new();
    struct sfs_transaction *transaction = NULL;
    must_create(store, "unique:n");
    set(store, "a", "{\"n\":1}");
    assert_int_equal(sfs_begin(store, NULL, &transaction, &error), 0);
    set(sfs_transaction_storage(transaction), "b", "{\"n\":1}");
    assert_string_equal(text(sfs_transaction_storage(transaction), "by/n/1/keys"), "a\nb\n");
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_EXISTS);
    assert_non_null(strstr(error.message, "only one key hold: 'a' and 'b'"));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_and_hits),
        cmocka_unit_test(test_snapshots_keep_theirs),
        cmocka_unit_test(test_inexact),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_serializable_notes_what_an_index_gave),
        cmocka_unit_test(test_serializable_order),
        cmocka_unit_test(test_serializable_groups),
        cmocka_unit_test(test_unique_at_commit),
        cmocka_unit_test(test_not_over_maps_and_many_writes),
    };
    int failed = cmocka_run_group_tests_name("memory", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("sqlite", tests, begin_sqlite, NULL);
}
