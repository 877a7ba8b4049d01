/* SPDX-License-Identifier: MIT */
/*
 * Two stores live the same random life, one with indexes that come and go and one in memory without
 * any: every query must give the same rows in the same order on both, on the stores themselves, on
 * snapshots taken earlier, and inside transactions with changes of their own. A file is open twice,
 * and each change, snapshot and query goes through either opening. After each round every entry of
 * every index is compared with its document. STOREFS_TEST_SCALE=full runs 200,000 queries in place
 * of 4,000.
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

#include "index_generate.h"
#include "storefs/backend.h"
#include "storefs/transaction.h"

#define BATCHES 6
#define QUERIES 40
#define EARLIER 3 /* snapshots at a time */

struct pair {
    struct sfs_storage *indexed;
    struct sfs_storage *plain;
};

struct life {
    struct pair stores;
    struct sfs_storage *other; /* opening of the indexed store, or that one again */
    struct model_record records[INDEX_RECORDS]; /* what keys and documents are made of */
    size_t queries;
    size_t served; /* that an index took part in */
    size_t rows;
    size_t covered;        /* groups from the entries alone */
    size_t covered_inside; /* of these, in transactions and on snapshots */
    size_t inside;         /* of these, in transactions */
    size_t refused;        /* batches that a unique index refused */
    char path[400];
};

static struct sfs_buffer trail; /* what was done, for whoever looks for a fault */

static void require(int result, const struct sfs_error *error, const char *what)
{
    if (result)
        fail_msg("%s: %d %s", what, result, error->message);
}

/* Whether applying the batch to the plain store would give two keys one value of that index. */
static bool would_be_twice(struct sfs_storage *plain, struct sfs_batch *batch, const char *name)
{
    struct sfs_transaction *transaction = NULL;
    struct sfs_storage *copy = NULL;
    struct sfs_error error = {0};
    const struct sfs_record *record = NULL;
    struct sfs_cursor *cursor = NULL;
    bool twice = false;
    require(sfs_begin(plain, NULL, &transaction, &error), &error, "begin");
    if (sfs_apply(sfs_transaction_storage(transaction), batch, NULL, NULL, &error))
        fail_msg("refused by an index, and not possible at all: %s", error.message);
    /* An empty store takes each document; the one that is refused is the second. */
    require(sfs_open(&copy, "memory:", SFS_OPEN_CREATE, &error), &error, "memory:");
    require(sfs_index_create(copy, sfs_string(name), NULL, NULL, &error), &error, name);
    require(
        sfs_entries(sfs_transaction_storage(transaction), (struct sfs_bytes){0}, &cursor, &error),
        &error, "entries");
    while (sfs_cursor_next(cursor, &record, &error) > 0) {
        struct sfs_batch *one = NULL;
        unsigned mask = SFS_ATTRIBUTE_CREATED | SFS_ATTRIBUTE_MODIFIED |
                        (record->attributes.type_set ? SFS_ATTRIBUTE_TYPE : 0u);
        assert_int_equal(sfs_batch_new(&one, NULL), 0);
        assert_int_equal(sfs_batch_put(one, record->name, sfs_record_value(record),
                                       &record->attributes, mask, NULL),
                         0);
        int result = sfs_apply(copy, one, NULL, NULL, &error);
        twice = twice || result == SFS_E_EXISTS || result == SFS_E_TOO_LARGE;
        sfs_batch_free(one);
    }
    sfs_cursor_close(cursor);
    sfs_transaction_free(transaction);
    assert_int_equal(sfs_close(copy, NULL), 0);
    return twice;
}

struct find_unique {
    struct life *life;
    struct sfs_batch *batch;
    bool found;
};

static int visit_unique(void *context, const char *name, const struct sfs_index_stats *stats)
{
    struct find_unique *find = context;
    if (stats->unique)
        find->found |= would_be_twice(find->life->stores.plain, find->batch, name);
    return 0;
}

/* Applies to both; what the plain one takes the other must take, unless a unique index is why not.
 */
static void apply_both(struct life *life, struct pair to, struct sfs_batch *batch)
{
    struct sfs_error errors[2] = {{0}, {0}};
    int result = sfs_apply(to.indexed, batch, NULL, NULL, &errors[0]);
    bool unique = (result == SFS_E_EXISTS || result == SFS_E_TOO_LARGE) &&
                  strcmp(errors[0].origin, "index") == 0;
    if (unique) {
        struct find_unique find = {.life = life, .batch = batch};
        require(sfs_index_list(life->stores.indexed, visit_unique, &find, &errors[1]), &errors[1],
                "list");
        if (!find.found)
            fail_msg("refused, and none is twice: %s\n%s", errors[0].message, trail.data);
        life->refused++;
        return;
    }
    int plain = sfs_apply(to.plain, batch, NULL, NULL, &errors[1]);
    if (plain != result)
        fail_msg("%d %s, without indexes %d %s", result, errors[0].message, plain,
                 errors[1].message);
}

/* --- indexes --- */

static int visit_drop(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)stats;
    struct sfs_buffer *chosen = context;
    if (chosen->size == 0 || generate_below(3) == 0) {
        chosen->size = 0;
        assert_int_equal(sfs_buffer_add(chosen, sfs_string(name)), 0);
    }
    return 0;
}

static void change_indexes(struct life *life)
{
    struct sfs_error error = {0};
    struct sfs_buffer name = {0};
    struct sfs_storage *store = generate_below(2) ? life->stores.indexed : life->other;
    if (generate_below(4) == 0) {
        require(sfs_index_list(store, visit_drop, &name, &error), &error, "list");
        if (name.size)
            require(sfs_index_drop(store, sfs_buffer_bytes(&name), &error), &error, "drop");
    }
    for (size_t i = generate_below(5); i > 0; i--) {
        index_random_name(&name);
        int result = sfs_index_create(store, sfs_buffer_bytes(&name), NULL, NULL, &error);
        if (result && result != SFS_E_EXISTS && result != SFS_E_TOO_LARGE)
            fail_msg("create %.*s: %s", (int)name.size, name.data, error.message);
    }
    sfs_buffer_free(&name);
}

static void report(void *context, const char *sentence)
{
    (void)context;
    print_error("%s\n", sentence);
}

static void check_indexes(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    uint64_t found = 0;
    require(sfs_index_check(store, report, NULL, &found, &error), &error, "check");
    if (found)
        fail_msg("%llu entries are wrong", (unsigned long long)found);
}

static int visit_hits(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)name;
    assert_true(stats->ready);
    *(uint64_t *)context += stats->hits;
    return 0;
}

static uint64_t hits(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    uint64_t sum = 0;
    require(sfs_index_list(store, visit_hits, &sum, &error), &error, "list");
    return sum;
}

static uint64_t all_hits(const struct life *life)
{
    const struct pair *stores = &life->stores;
    return hits(stores->indexed) + (life->other == stores->indexed ? 0 : hits(life->other));
}

/* The store through either of its openings; a snapshot or transaction as it is. */
static struct pair either(const struct life *life, struct pair stores)
{
    if (stores.indexed == life->stores.indexed && generate_below(2))
        stores.indexed = life->other;
    return stores;
}

/* --- queries --- */

static const char *text_of(struct sfs_storage *store, const struct sfs_query *query,
                           enum sfs_sink sink)
{
    static char outs[2][40000];
    static unsigned turn;
    char *out = outs[turn++ % 2];
    struct sfs_text *text = NULL;
    struct sfs_error error = {0};
    size_t size = 0;
    require(sfs_query_text(store, query, sink, &text, &error), &error, "text");
    require(sfs_text_read(text, out, sizeof(outs[0]) - 1, &size, &error), &error, "read");
    out[size] = '\0';
    sfs_text_close(text);
    return out;
}

static void explain(struct sfs_storage *store, const struct sfs_query *query)
{
    print_error("%s\n", text_of(store, query, SFS_SINK_EXPLAIN));
}

static bool is_covered(struct sfs_storage *store, const struct sfs_query *query)
{
    return strstr(text_of(store, query, SFS_SINK_EXPLAIN), "no record is read") != NULL;
}

static uint64_t compare_rows(struct pair stores, const struct sfs_query *query,
                             const struct sfs_buffer *path)
{
    struct sfs_error error = {0};
    struct sfs_cursor *cursors[2] = {NULL, NULL};
    const struct sfs_record *rows[2] = {NULL, NULL};
    uint64_t count = 0, counted = 0;
    int found[2];
    require(sfs_query_run(stores.indexed, query, &cursors[0], &error), &error, "run");
    require(sfs_query_run(stores.plain, query, &cursors[1], &error), &error, "run");
    do {
        found[0] = sfs_cursor_next(cursors[0], &rows[0], &error);
        require(found[0] < 0, &error, "next");
        found[1] = sfs_cursor_next(cursors[1], &rows[1], &error);
        require(found[1] < 0, &error, "next");
        bool same =
            found[0] == found[1] &&
            (!found[0] || (sfs_bytes_equal(rows[0]->name, rows[1]->name) &&
                           sfs_bytes_equal(sfs_record_value(rows[0]), sfs_record_value(rows[1]))));
        if (!same) {
            explain(stores.indexed, query);
            fail_msg("row %llu of %.*s is %.*s, without indexes %.*s", (unsigned long long)count,
                     (int)path->size, path->data, found[0] ? (int)rows[0]->name.size : 1,
                     found[0] ? (const char *)rows[0]->name.data : "-",
                     found[1] ? (int)rows[1]->name.size : 1,
                     found[1] ? (const char *)rows[1]->name.data : "-");
        }
        count += found[0] > 0;
    } while (found[0]);
    sfs_cursor_close(cursors[0]);
    sfs_cursor_close(cursors[1]);
    require(sfs_query_count(stores.indexed, query, &counted, &error), &error, "count");
    if (counted != count)
        fail_msg("%.*s counts %llu rows, and gives %llu", (int)path->size, path->data,
                 (unsigned long long)counted, (unsigned long long)count);
    return count;
}

/* The lines of groups have their numbers of members, too. */
static void compare_lines(struct pair stores, const struct sfs_query *query,
                          const struct sfs_buffer *path)
{
    const char *indexed = text_of(stores.indexed, query, SFS_SINK_VALUES_NDJSON);
    const char *plain = text_of(stores.plain, query, SFS_SINK_VALUES_NDJSON);
    if (strcmp(indexed, plain) == 0)
        return;
    explain(stores.indexed, query);
    fail_msg("%.*s gives\n%s\nwithout indexes\n%s", (int)path->size, path->data, indexed, plain);
}

static struct sfs_query *any_query(struct life *life, struct pair stores, struct sfs_buffer *path)
{
    struct sfs_error error = {0};
    struct sfs_buffer name = {0};
    struct sfs_query *query = NULL;
    uint64_t kind = generate_below(6);
    if (kind < 2)
        require(sfs_index_list(stores.indexed, visit_drop, &name, &error), &error, "list");
    if (name.size > 0) {
        assert_int_equal(sfs_buffer_text(&name), 0);
        query = index_covered_query(name.data, path);
    } else {
        query = kind < 5 ? index_pointed_query(path) : index_random_query(life->records, path);
    }
    sfs_buffer_free(&name);
    return query;
}

static void run_queries(struct life *life, struct pair of, size_t count)
{
    struct sfs_buffer path = {0};
    for (size_t i = 0; i < count; i++) {
        struct pair stores = either(life, of);
        struct sfs_query *query = any_query(life, stores, &path);
        const struct sfs_query_options options = {.bare =
                                                      i % 2}; /* the rows compared have it all */
        assert_int_equal(sfs_query_configure(query, &options, NULL), 0);
        life->rows += compare_rows(stores, query, &path);
        if (is_covered(stores.indexed, query)) {
            compare_lines(stores, query, &path);
            life->covered++;
            life->covered_inside += of.indexed != life->stores.indexed;
        }
        sfs_query_free(query);
        life->queries++;
    }
    sfs_buffer_free(&path);
}

/* --- snapshots and transactions --- */

static struct pair snapshots(struct pair stores)
{
    struct sfs_error error = {0};
    struct pair taken = {NULL, NULL};
    require(sfs_snapshot(stores.indexed, 0, &taken.indexed, &error), &error, "snapshot");
    require(sfs_snapshot(stores.plain, 0, &taken.plain, &error), &error, "snapshot");
    return taken;
}

static void close_both(struct pair stores)
{
    assert_int_equal(sfs_close(stores.indexed, NULL), 0);
    assert_int_equal(sfs_close(stores.plain, NULL), 0);
}

static void apply_some(struct life *life, struct pair to, size_t batches)
{
    for (size_t i = 0; i < batches; i++) {
        struct sfs_batch *batch = index_random_batch(life->records, 3);
        apply_both(life, either(life, to), batch);
        sfs_batch_free(batch);
    }
}

static void run_in_transaction(struct life *life, bool nested)
{
    struct sfs_error error = {0};
    struct sfs_transaction_options options = {
        .isolation = (enum sfs_isolation)(SFS_READ_COMMITTED + generate_below(3))};
    struct sfs_transaction *both[4] = {NULL, NULL, NULL, NULL};
    struct pair stores = either(life, life->stores);
    require(sfs_begin(stores.indexed, &options, &both[0], &error), &error, "begin");
    require(sfs_begin(stores.plain, &options, &both[1], &error), &error, "begin");
    struct pair inside = {sfs_transaction_storage(both[0]), sfs_transaction_storage(both[1])};
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            apply_some(life, inside, 10);
        run_queries(life, inside, QUERIES / 4);
        if (i == 1 && nested) {
            require(sfs_begin_nested(both[0], NULL, &both[2], &error), &error, "nested");
            require(sfs_begin_nested(both[1], NULL, &both[3], &error), &error, "nested");
            inside.indexed = sfs_transaction_storage(both[2]);
            inside.plain = sfs_transaction_storage(both[3]);
        }
    }
    for (size_t i = 4; i > 0; i--)
        sfs_transaction_free(both[i - 1]);
}

/* --- a life --- */

/* With a unique index from the beginning, it refuses one now and then. */
static void fill_stores(struct life *life)
{
    struct sfs_error error = {0};
    if (generate_below(3) == 0)
        require(sfs_index_create(life->stores.indexed, sfs_string("unique:a,@size"), NULL, NULL,
                                 &error),
                &error, "unique");
    for (size_t i = 0; i < INDEX_RECORDS; i++) {
        struct sfs_batch *batch = NULL;
        assert_int_equal(sfs_batch_new(&batch, NULL), 0);
        index_put(life->records, batch, life->records[i].key);
        apply_both(life, life->stores, batch);
        sfs_batch_free(batch);
    }
}

static void live_a_round(struct life *life, struct pair earlier[EARLIER], bool nested)
{
    change_indexes(life);
    apply_some(life, life->stores, 10);
    check_indexes(life->stores.indexed);
    uint64_t before = all_hits(life);
    run_queries(life, life->stores, QUERIES);
    for (size_t i = 0; i < EARLIER; i++) {
        apply_some(life, life->stores, generate_below(3));
        run_queries(life, earlier[i], QUERIES / 8);
        if (generate_below(EARLIER) == 0) {
            close_both(earlier[i]);
            earlier[i] = snapshots(either(life, life->stores));
        }
    }
    uint64_t outside = all_hits(life);
    run_in_transaction(life, nested);
    life->inside += all_hits(life) - outside;
    life->served += all_hits(life) - before;
}

static void live(struct life *life, size_t seed, const char *uri, bool shared)
{
    struct sfs_error error = {0};
    struct pair earlier[EARLIER];
    model_reset();
    generate_seed(seed);
    for (size_t i = 0; i < INDEX_RECORDS; i++)
        generate_record(&life->records[i], i);
    require(sfs_open(&life->stores.indexed, uri, SFS_OPEN_CREATE, &error), &error, uri);
    require(sfs_open(&life->stores.plain, "memory:", SFS_OPEN_CREATE, &error), &error, "memory:");
    life->other = life->stores.indexed;
    if (shared)
        require(sfs_open(&life->other, uri, 0, &error), &error, uri);
    fill_stores(life);
    for (size_t i = 0; i < EARLIER; i++)
        earlier[i] = snapshots(either(life, life->stores));
    for (size_t i = 0; i < BATCHES; i++)
        live_a_round(life, earlier, i % 2);
    for (size_t i = 0; i < EARLIER; i++) {
        check_indexes(earlier[i].indexed);
        close_both(earlier[i]);
    }
    if (shared)
        require(sfs_close(life->other, &error), &error, "close");
    close_both(life->stores);
}

static void run_lives(const char *scheme, const char *options)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    const char *directory = getenv("TMPDIR");
    size_t wanted = scale && strcmp(scale, "full") == 0 ? 100000 : 2000;
    struct life *life = calloc(1, sizeof(*life));
    assert_non_null(life);
    for (size_t seed = 1; life->queries < wanted; seed++) {
        char uri[500] = "memory:";
        snprintf(life->path, sizeof(life->path), "%s/indexes-%zu", directory ? directory : "/tmp",
                 seed);
        if (options)
            snprintf(uri, sizeof(uri), "%s:%s%s", scheme, life->path, options);
        live(life, seed, uri, strcmp(scheme, "sqlite") == 0);
        (void)unlink(life->path);
    }
    print_message("%s: %zu queries, %zu rows; %zu with an index, %zu of them in "
                  "transactions; %zu of groups that an index has, %zu of them in transactions and "
                  "on snapshots; %zu batches refused by unique ones\n",
                  scheme, life->queries, life->rows, life->served, life->inside, life->covered,
                  life->covered_inside, life->refused);
    /* It must be worth something: that indexes were used, and refused something. */
    assert_true(life->served > life->queries / 10);
    assert_true(life->inside > life->queries / 100);
    assert_true(life->refused > 0);
    assert_true(life->covered > life->queries / 20);
    assert_true(life->covered_inside > life->queries / 100);
    free(life);
    model_reset();
}

static void test_memory(void **state)
{
    (void)state;
    run_lives("memory", NULL);
}

static void test_json(void **state)
{
    (void)state;
    run_lives("json", "?autosave=no");
}

static void test_sqlite(void **state)
{
    (void)state;
    run_lives("sqlite", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_sqlite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
