/* SPDX-License-Identifier: MIT */
/*
 * Groups and aggregates from an index alone: what they give, what explain says, when an index must
 * not be used for them, and what filters on keys are worth against one.
 */
#include "index_fixture.h"

static bool is_covered(struct sfs_storage *store, const char *query)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/explain", query);
    return strstr(text(store, path), "no record is read") != NULL;
}

/* The result of a query and its last part, with the index and, on a store without any, without. */
static void check(struct sfs_storage *store, struct sfs_storage *plain, const char *query,
                  const char *sink, bool covered)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", query, sink);
    char *expected = strdup(text(plain, path));
    assert_non_null(expected);
    assert_string_equal(text(store, path), expected);
    free(expected);
    if (is_covered(store, query) != covered)
        fail_msg("%s: %s by an index alone", query, covered ? "not" : "");
}

/* Values of all types, among them what only numbers of any size can be. */
static void set_odd(struct sfs_storage *store)
{
    set(store, "odd1", "{\"type\":\"t1\",\"n\":null}");
    set(store, "odd2", "{\"type\":\"t1\",\"n\":1e30}");
    set(store, "odd3", "{\"type\":\"t1\",\"n\":-0.000000000000000000001}");
    set(store, "odd4", "{\"type\":\"t2\",\"n\":[1,{\"b\":[\"c\\u0000\\u0001\",-2]}]}");
    set(store, "odd5", "{\"type\":{\"a\":[],\"b\":\"x\"},\"n\":18446744073709551616}");
    set(store, "odd6", "{\"type\":{\"a\":[],\"b\":\"x\"},\"n\":-9223372036854775808}");
    set(store, "odd7", "{\"type\":1e400,\"n\":1e-400}");
    set(store, "odd8", "{\"type\":1e400,\"n\":1e400}");
    set(store, "odd9", "{\"type\":\"t1\",\"n\":\"9\"}");
    set(store, "odda", "{\"type\":\"t1\",\"n\":-1e12345678901234567890}");
    set(store, "oddb", "no document");
    set(store, "oddc", "{\"n\":0,\"m\":7}");
    /* More of a group than are read one by one, and before all of its values. */
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof(key), "without%u", i);
        set(store, key, "{\"type\":\"t1\"}");
    }
}

static struct sfs_storage *open_odd(unsigned count)
{
    struct sfs_storage *store = open_filled(count);
    set_odd(store);
    return store;
}

struct expected {
    const char *query;
    const char *sink;
    bool covered;
};

static const struct expected cases[] = {
    {"group/type", "count", true},
    {"group/type", "values.ndjson", true},
    {"order/n/group/type", "values.ndjson", true},
    {"group/type/where/@count > 10/order/@count:desc,type/limit/3", "values.ndjson", true},
    {"group/n", "count", true},
    {"group/n,type/aggregate/count,max(type),distinct(n)", "values.ndjson", true},
    {"group/type,n/aggregate/count,sum(type),avg(n),distinct(type)", "values.ndjson", true},
    {"group/type/aggregate/count,min(n),max(n)", "values.ndjson", true},
    {"group/type/aggregate/min(type),max(type),distinct(type),max(n)", "values.ndjson", true},
    {"group/type/aggregate/min(n),distinct(n)", "values.ndjson", true},
    {"group/n/aggregate/distinct(type),count", "values.ndjson", true},
    {"by/type/t1/where/n >= 50 and n < 9000/aggregate/count,sum(n),avg(n),min(n),max(n)",
     "values.ndjson", true},
    {"by/type/t1/where/n >= 50/group/type/aggregate/count,min(n),max(n)", "values.ndjson", true},
    {"where/n < 300/aggregate/count,sum(n)", "values.ndjson", true},
    {"where/n < 300/aggregate/count,sum(type)", "values.ndjson", false},
    {"where/type in [\"t1\", \"t2\", \"t9\"]/group/type/aggregate/count,max(n)", "values.ndjson",
     true},
    {"where/type in [\"t1\", \"t2\"]/aggregate/count,max(n),distinct(n),distinct(type)",
     "values.ndjson", true},
    {"where/type in [\"t1\", \"t2\"]/aggregate/count,min(type),max(type),distinct(type)",
     "values.ndjson", true},
    /* Of nothing, every way costs nothing. */
    {"where/type in []/aggregate/count,max(type)", "values.ndjson", true},
    {"by/type/none/aggregate/count,sum(type),avg(type),min(type),max(type),distinct(type)",
     "values.ndjson", true},
    {"by/type/none/group/type", "values.ndjson", true},
    {"aggregate/count,min(n),max(n)", "values.ndjson", true},
    {"aggregate/min(n)", "values.ndjson", true},
    {"aggregate/min(n),max(n)/select/\"max(n)\"", "values.ndjson", true},
    {"aggregate/distinct(type),distinct(n)", "values.ndjson", true},
    {"by/type/t3/aggregate/distinct(type),max(type),sum(n)", "values.ndjson", true},
    {"where/n > 5/aggregate/sum(n)/aggregate/count", "values.ndjson", true},
    {"aggregate/sum(m)", "values.ndjson", false},
    {"group/m", "count", false},
    {"limit/50/group/type", "count", false},
    {"where/type ~ \"t*\"/group/type", "count", false},
    {"where/type = \"t1\" or n = 3/group/type", "count", false},
    {"select/type/group/type", "count", false},
};

static void check_all(struct sfs_storage *store, struct sfs_storage *plain, bool covered)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(store, plain, cases[i].query, cases[i].sink, covered && cases[i].covered);
}

static void make_indexes(struct sfs_storage *store)
{
    must_create(store, "type");
    must_create(store, "n");
    must_create(store, "type,n");
}

static void test_same_as_without(void **state)
{
    (void)state;
    struct sfs_storage *store = open_odd(500);
    struct sfs_storage *plain = open_odd(500);
    make_indexes(store);
    /* 1e12345678901234567890 is beyond what is added exactly, both ways. */
    static const char *const sums[] = {"group/type/sum/n", "sum/n"};
    for (size_t i = 0; i < 2; i++) {
        struct sfs_storage *both[] = {store, plain};
        for (size_t j = 0; j < 2; j++) {
            struct sfs_query *query = NULL;
            struct sfs_text *reader = NULL;
            enum sfs_sink sink;
            char out[8000];
            size_t size;
            assert_int_equal(sfs_query_parse(sfs_string(sums[i]), &query, &sink, &error), 0);
            assert_int_equal(sfs_query_text(both[j], query, sink, &reader, &error), 0);
            assert_int_equal(sfs_text_read(reader, out, sizeof(out), &size, &error),
                             SFS_E_TOO_LARGE);
            sfs_text_close(reader);
            sfs_query_free(query);
        }
    }
    for (int i = 0; i < 2; i++) {
        struct sfs_storage *of = i ? plain : store;
        assert_int_equal(sfs_delete(of, sfs_string("odda"), &error), 1);
    }
    check_all(store, plain, true);
    assert_string_equal(text(store, "min/n"), "null\n");
    assert_string_equal(text(store, "by/type/t3/sum/n"), "17608\n");
    assert_string_equal(text(store, "distinct/type"), text(plain, "distinct/type"));
    assert_int_equal(sfs_close(plain, NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_explain(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(700);
    must_create(store, "type,n");
    assert_string_equal(
        text(store, "where/type = \"t1\"/order/n/group/type/aggregate/sum(n)/explain"),
        "index type,n\n    library: about 100 of 700 keys, which say all that is "
        "asked: no record is read\n"
        "where/type = \"t1\"\n    library: nothing left to test\n"
        "order/n\n    library: nothing left to sort\n"
        "group/type\n    library: takes the groups as they come, one after the other\n"
        "aggregate/sum(n)\n    library: adds up while it reads\n");
    assert_string_equal(text(store, "group/n/explain"),
                        "index type,n\n    library: about 700 of 700 keys, which say all that is "
                        "asked: no record is read\n"
                        "group/n\n    library: collects groups in a table, beyond its memory in "
                        "temporary files\n");
    uint64_t hits = stats_of(store, "type,n").hits;
    assert_string_equal(text(store, "by/type/t3/max/n"), "696\n");
    assert_int_equal(stats_of(store, "type,n").hits, hits + 1);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* On a snapshot what it had; in a transaction what was written there, too. */
static void test_snapshots_and_transactions(void **state)
{
    (void)state;
    static const enum sfs_isolation isolations[] = {SFS_READ_COMMITTED, SFS_SNAPSHOT};
    struct sfs_storage *store = open_odd(300);
    struct sfs_storage *plain = open_odd(300);
    struct sfs_storage *before[2] = {NULL, NULL};
    struct sfs_storage *both[] = {store, plain};
    make_indexes(store);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sfs_delete(both[i], sfs_string("odda"), &error), 1);
        assert_int_equal(sfs_snapshot(both[i], 0, &before[i], &error), 0);
        set(both[i], "k00001", "{\"type\":\"t9\",\"n\":-5}");
    }
    check_all(before[0], before[1], true);
    for (size_t i = 0; i < 2; i++) {
        struct sfs_transaction *transactions[2] = {NULL, NULL};
        struct sfs_storage *inside[2];
        const struct sfs_transaction_options options = {.isolation = isolations[i]};
        for (int j = 0; j < 2; j++) {
            assert_int_equal(sfs_begin(both[j], &options, &transactions[j], &error), 0);
            inside[j] = sfs_transaction_storage(transactions[j]);
            set(inside[j], "k00009", "{\"type\":\"t1\",\"n\":100000}");
            set(inside[j], "new", "{\"type\":\"t1\",\"n\":-3}");
            assert_int_equal(sfs_delete(inside[j], sfs_string("k00008"), &error), 1);
        }
        check_all(inside[0], inside[1], true);
        sfs_transaction_free(transactions[0]);
        sfs_transaction_free(transactions[1]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sfs_close(before[i], NULL), 0);
        assert_int_equal(sfs_close(both[i], NULL), 0);
    }
}

/* A value that no entry holds whole could be any other that begins alike. */
static void test_inexact(void **state)
{
    (void)state;
    struct sfs_storage *store = open_odd(100);
    struct sfs_storage *plain = open_odd(100);
    struct sfs_storage *both[] = {store, plain};
    char value[3000];
    make_indexes(store);
    memset(value, 'x', sizeof(value));
    memcpy(value, "{\"type\":\"", 9);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sfs_delete(both[i], sfs_string("odda"), &error), 1);
        for (int j = 0; j < 2; j++) {
            snprintf(value + 2000, 100, "%d\"}", j);
            set(both[i], j ? "long1" : "long2", value);
        }
    }
    check(store, plain, "group/type", "count", false);
    check(store, plain, "aggregate/max(type),distinct(type)", "values.ndjson", false);
    check(store, plain, "group/n", "count", true);
    assert_int_equal(sfs_delete(store, sfs_string("long1"), &error), 1);
    assert_int_equal(sfs_delete(plain, sfs_string("long1"), &error), 1);
    check(store, plain, "group/type", "count", false);
    assert_int_equal(sfs_delete(store, sfs_string("long2"), &error), 1);
    assert_int_equal(sfs_delete(plain, sfs_string("long2"), &error), 1);
    check_all(store, plain, true);
    assert_int_equal(sfs_close(plain, NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static int stop(void *context)
{
    return ++*(int *)context > 1;
}

/* Reading entries ends where it is told to. */
static void test_cancelled(void **state)
{
    (void)state;
    static const char *const paths[] = {"group/type/aggregate/sum(n)", "group/n,type"};
    struct sfs_storage *store = open_filled(3000);
    must_create(store, "type,n");
    for (size_t i = 0; i < 2; i++) {
        struct sfs_query *query = NULL;
        struct sfs_cursor *cursor = NULL;
        const struct sfs_record *record = NULL;
        enum sfs_sink sink;
        int asked = 0;
        const struct sfs_query_options options = {.cancelled = stop, .context = &asked};
        assert_int_equal(sfs_query_parse(sfs_string(paths[i]), &query, &sink, &error), 0);
        assert_int_equal(sfs_query_configure(query, &options, &error), 0);
        assert_true(is_covered(store, paths[i]));
        assert_int_equal(sfs_query_run(store, query, &cursor, &error), 0);
        int found;
        while ((found = sfs_cursor_next(cursor, &record, &error)) > 0)
            ;
        assert_int_equal(found, SFS_E_CANCELLED);
        sfs_cursor_close(cursor);
        sfs_query_free(query);
    }
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* A few keys in a row are less than what the index has of them; many are more. */
static void test_bounds_of_keys(void **state)
{
    (void)state;
    struct sfs_storage *store = open_filled(7000);
    must_create(store, "type");
    const char *few = "where/@key >= \"k00100\" and @key < \"k00110\" and type = \"t2\"";
    const char *many = "where/@key >= \"k00100\" and type = \"t2\" and n < 150";
    char path[200];
    snprintf(path, sizeof(path), "%s/explain", few);
    assert_non_null(strstr(text(store, path), "scan\n"));
    snprintf(path, sizeof(path), "%s/keys", few);
    assert_string_equal(text(store, path), "k00107\n");
    snprintf(path, sizeof(path), "%s/explain", many);
    assert_non_null(strstr(text(store, path), "index type\n"));
    snprintf(path, sizeof(path), "%s/keys", many);
    assert_string_equal(text(store, path),
                        "k00107\nk00114\nk00121\nk00128\nk00135\nk00142\nk00149\n"
                        "p%2F00030\np%2F00100\n");
    assert_int_equal(sfs_close(store, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_without),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_snapshots_and_transactions),
        cmocka_unit_test(test_inexact),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_bounds_of_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
