/* SPDX-License-Identifier: MIT */
/*
 * Random documents and random stage lists: the library against the reference of query_model.h, with
 * and without a store that evaluates a random prefix of the stages. STOREFS_TEST_SCALE=full runs
 * 200,000 cases instead of 2,000. Faults planted in the reference must be found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query/stages.h"
#include "query_model.h"
#include "storefs/backend.h"

#define RECORDS_MAX 40
#define STAGES_MAX 8
#define QUERIES_A_STORE 20 /* cases that share their documents */
#define NS_PER_MS 1000000

struct documents {
    struct sfs_storage *store; /* a pusher over a memory store */
    struct model_record records[RECORDS_MAX];
    size_t count;
};

static void require(int result, const struct sfs_error *error, const char *what)
{
    if (result)
        fail_msg("%s: %s", what, error->message);
}

/* --- a store that evaluates a random prefix of the stages, by printing it as a path --- */

struct pusher {
    struct sfs_storage base;
    uint64_t percent; /* of queries of which it takes something */
};

static int push(struct sfs_storage *store, const struct sfs_query *query,
                struct sfs_push_down *ret_taken, struct sfs_error *error)
{
    struct sfs_buffer path = {0};
    struct sfs_query *prefix = NULL;
    struct sfs_push_down taken = {.plan = "a prefix"};
    enum sfs_sink sink;
    if (query->count == 0 || generate_below(100) >= ((struct pusher *)store)->percent)
        return 0;
    taken.stages = 1 + generate_below(query->count);
    /* A group is taken with its aggregate or not at all. */
    while (taken.stages > 0 && sfs_query_rows(query, taken.stages) == SFS_ROW_GROUPS)
        taken.stages--;
    if (taken.stages == 0)
        return 0;
    for (size_t i = 0; i < taken.stages; i++) {
        assert_int_equal(i ? sfs_buffer_byte(&path, '/') : 0, 0);
        assert_int_equal(sfs_query_stage_print(query->stages[i], &path), 0);
    }
    require(sfs_query_parse(sfs_buffer_bytes(&path), &prefix, &sink, error), error,
            "printed query");
    assert_int_equal(prefix->count, taken.stages);
    require(sfs_query_run(store->below, prefix, &taken.cursor, error), error, "prefix");
    sfs_query_free(prefix);
    sfs_buffer_free(&path);
    *ret_taken = taken;
    return 0;
}

static int pusher_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static struct sfs_storage *open_store(void)
{
    static const struct sfs_override_operations override = {.push_down = push};
    static const struct sfs_storage_operations operations = {
        .name = "pusher", .override = &override, .close = pusher_close};
    struct sfs_error error = {0};
    struct sfs_storage *memory = NULL;
    struct pusher *pusher = calloc(1, sizeof(*pusher));
    assert_non_null(pusher);
    require(sfs_open(&memory, "memory:", SFS_OPEN_CREATE, &error), &error, "memory:");
    require(sfs_layer_init(&pusher->base, &operations, memory, &error), &error, "layer");
    pusher->percent = 40;
    return &pusher->base;
}

/* --- documents --- */

static int compare_keys(const void *a, const void *b)
{
    return sfs_bytes_compare(((const struct model_record *)a)->key,
                             ((const struct model_record *)b)->key);
}

static void make_documents(struct documents *documents)
{
    struct sfs_error error = {0};
    struct sfs_batch *batch = NULL;
    documents->store = open_store();
    documents->count = 1 + generate_below(RECORDS_MAX);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (size_t i = 0; i < documents->count; i++) {
        struct model_record *record = &documents->records[i];
        generate_record(record, i);
        struct sfs_attributes attributes = {.created = record->created * NS_PER_MS,
                                            .modified = record->updated * NS_PER_MS + 999999};
        require(sfs_batch_put(batch, record->key, record->bytes, &attributes,
                              SFS_ATTRIBUTE_CREATED | SFS_ATTRIBUTE_MODIFIED, &error),
                &error, "put");
    }
    require(sfs_apply(documents->store, batch, NULL, NULL, &error), &error, "apply");
    sfs_batch_free(batch);
    qsort(documents->records, documents->count, sizeof(documents->records[0]), compare_keys);
}

/* --- one case --- */

static struct sfs_query *parse(const struct sfs_buffer *path)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    if (sfs_query_parse(sfs_buffer_bytes(path), &query, &sink, &error))
        fail_msg("%.*s: %s", (int)path->size, path->data, error.message);
    return query;
}

/* Whether a value that the query made is this one. */
static bool same_value(struct sfs_bytes bytes, const struct model_value *value)
{
    struct sfs_buffer text = {0};
    struct sfs_json json;
    int order = 1;
    write_value(&text, value);
    assert_true(sfs_json_parse(bytes, &json, NULL));
    assert_int_equal(sfs_json_compare(json, sfs_json_view(sfs_buffer_bytes(&text)), &order), 0);
    sfs_buffer_free(&text);
    return order == 0;
}

static bool same_row(const struct sfs_record *record, const struct model_record *row)
{
    if (!sfs_bytes_equal(record->name, row->key))
        return false;
    return row->bytes.data ? sfs_bytes_equal(sfs_record_value(record), row->bytes)
                           : same_value(sfs_record_value(record), row->value);
}

/* Whether the library gives exactly these rows: keys, values and their order. */
static bool gives(const struct documents *documents, const struct sfs_query *query,
                  struct model_record *const *rows, size_t count)
{
    struct sfs_error error = {0};
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    size_t at = 0;
    bool same = true;
    int found;
    require(sfs_query_run(documents->store, query, &cursor, &error), &error, "run");
    while ((found = sfs_cursor_next(cursor, &record, &error)) > 0) {
        same = same && at < count && same_row(record, rows[at]);
        at++;
    }
    require(found, &error, "next");
    sfs_cursor_close(cursor);
    return same && at == count;
}

static bool counts(const struct documents *documents, const struct sfs_query *query, size_t count)
{
    struct sfs_error error = {0};
    uint64_t counted = 0;
    require(sfs_query_count(documents->store, query, &counted, &error), &error, "count");
    return counted == count;
}

/* A random list of stages, none of which cannot stand where it is. */
static void make_stages(const struct documents *documents, struct model_stage *stages, size_t count,
                        struct sfs_buffer *path)
{
    bool grouped = false;
    path->size = 0;
    generate_without_size(false);
    for (size_t i = 0; i < count; i++) {
        struct model_stage *stage = &stages[i];
        do
            generate_stage(stage, documents->records, documents->count);
        while (grouped && (stage->kind == S_SELECT || stage->kind == S_GROUP));
        grouped = stage->kind == S_GROUP || (grouped && stage->kind != S_AGGREGATE);
        if (stage->kind == S_SELECT)
            generate_without_size(true);
        assert_int_equal(i ? sfs_buffer_byte(path, '/') : 0, 0);
        write_stage(path, stage);
    }
    generate_without_size(false);
}

/* Makes a random query; true if library and reference agree. The path is left in `path`. */
static bool run_case(struct documents *documents, enum model_fault fault, struct sfs_buffer *path,
                     size_t *rows_seen)
{
    struct model_stage stages[STAGES_MAX];
    struct model_record *rows[RECORDS_MAX];
    size_t stage_count = generate_below(STAGES_MAX + 1);
    make_stages(documents, stages, stage_count, path);
    for (size_t i = 0; i < documents->count; i++)
        rows[i] = &documents->records[i];
    struct sfs_query *query = parse(path);
    /* Half of the queries have hardly any memory. */
    struct sfs_query_options options = {.memory = generate_below(2) * 500};
    assert_int_equal(sfs_query_configure(query, &options, NULL), 0);
    size_t count = model_run(rows, documents->count, stages, stage_count, fault);
    bool same = gives(documents, query, rows, count) && counts(documents, query, count);
    sfs_query_free(query);
    *rows_seen += count;
    return same;
}

/* Runs cases; returns how many differ and leaves the path of the first of these in `first`. */
static size_t run_cases(size_t cases, enum model_fault fault, struct sfs_buffer *first,
                        size_t *rows_seen)
{
    struct documents documents = {0};
    struct sfs_buffer path = {0};
    size_t different = 0;
    for (size_t i = 0; i < cases; i++) {
        if (i % QUERIES_A_STORE == 0) {
            assert_int_equal(sfs_close(documents.store, NULL), 0);
            model_reset();
            generate_seed(i);
            make_documents(&documents);
        }
        if (run_case(&documents, fault, &path, rows_seen))
            continue;
        if (different++ == 0)
            assert_int_equal(sfs_buffer_add(first, sfs_buffer_bytes(&path)), 0);
    }
    assert_int_equal(sfs_close(documents.store, NULL), 0);
    model_reset();
    sfs_buffer_free(&path);
    return different;
}

static void test_agrees(void **state)
{
    (void)state;
    const char *scale = getenv("STOREFS_TEST_SCALE");
    size_t cases = scale && strcmp(scale, "full") == 0 ? 200000 : 2000;
    size_t rows = 0;
    struct sfs_buffer first = {0};
    size_t different = run_cases(cases, FAULT_NONE, &first, &rows);
    if (different)
        fail_msg("%zu of %zu cases differ, first %.*s", different, cases, (int)first.size,
                 first.data);
    /* The cases must be worth something: on average some rows are left. */
    assert_true(rows > cases * 4);
    print_message("%zu cases, %zu rows\n", cases, rows);
}

static void test_finds_faults(void **state)
{
    (void)state;
    for (int fault = FAULT_SWAP; fault < FAULTS; fault++) {
        size_t rows = 0;
        struct sfs_buffer first = {0};
        size_t different = run_cases(12000, (enum model_fault)fault, &first, &rows);
        print_message("planted fault %d shows in %zu of 12000 cases, first %.*s\n", fault,
                      different, (int)first.size, first.data);
        sfs_buffer_free(&first);
        assert_true(different > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_finds_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
