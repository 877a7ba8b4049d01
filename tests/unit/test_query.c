/* SPDX-License-Identifier: MIT */
/* Queries on a memory store: what stages give, results as text, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "query/stages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *key;
    const char *value;
} people[] = {
    {"a/b%", "{\"type\":\"note\",\"n\":\"5\"}"},
    {"blob", "\xff\xfe"},
    {"p/anna", "{\"type\":\"person\",\"age\":30,\"name\":\"Anna\",\"tags\":[\"x\",\"y\"]}"},
    {"p/bob", "{\"type\":\"person\",\"age\":21,\"name\":\"Bob\",\"archived\":true}"},
    {"p/carl", "{\"type\":\"person\",\"age\":30.0,\"name\":\"Carl\",\"tags\":[]}"},
    {"p/dora", "{\"type\":\"person\",\"name\":\"Dora\",\"age\":null}"},
    {"p/emil", "{\"type\":\"person\",\"name\":\"Emil\"}"},
    {"text", "just text"},
};

static int set_up(void **state)
{
    struct sfs_error error = {0};
    struct sfs_storage *store = NULL;
    if (sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error))
        fail_msg("%s", error.message);
    for (size_t i = 0; i < COUNT(people); i++)
        assert_int_equal(
            sfs_set(store, sfs_string(people[i].key), sfs_string(people[i].value), NULL), 0);
    struct sfs_batch *batch = NULL;
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, sfs_bytes("p/\0", 3), sfs_bytes(NULL, 0), NULL, 0, NULL),
                     0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("p/link"), SFS_LITERAL("{\"age\":30}"), &link,
                                   SFS_ATTRIBUTE_KIND, NULL),
                     0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    return sfs_close(*state, NULL);
}

static struct sfs_query *parse(const char *path)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    if (sfs_query_parse(sfs_string(path), &query, &sink, &error))
        fail_msg("%s: %s", path, error.message);
    assert_int_equal(sink, SFS_SINK_NONE);
    return query;
}

/* The whole text of a path that ends in a sink, read `step` bytes at a time. */
static char *text_of(struct sfs_storage *store, const char *path, size_t step)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    struct sfs_text *text = NULL;
    struct sfs_buffer out = {0};
    enum sfs_sink sink;
    if (sfs_query_parse(sfs_string(path), &query, &sink, &error) ||
        sfs_query_text(store, query, sink, &text, &error))
        fail_msg("%s: %s", path, error.message);
    sfs_query_free(query);
    for (size_t size = 1; size > 0; out.size += size) {
        assert_int_equal(sfs_buffer_reserve(&out, step), 0);
        if (sfs_text_read(text, out.data + out.size, step, &size, &error))
            fail_msg("%s: %s", path, error.message);
    }
    sfs_text_close(text);
    assert_int_equal(sfs_buffer_text(&out), 0);
    return out.data;
}

static void expect_text(struct sfs_storage *store, const char *path, const char *expected)
{
    for (size_t step = 1; step <= 4096; step *= 16) {
        char *text = text_of(store, path, step);
        if (strcmp(text, expected) != 0)
            print_error("%s\n", path);
        assert_string_equal(text, expected);
        free(text);
    }
}

static void test_results(void **state)
{
    static const struct {
        const char *path;
        const char *text;
    } cases[] = {
        {"keys", "a%2Fb%25\nblob\np%2Fanna\np%2Fbob\np%2Fcarl\np%2Fdora\np%2Femil\ntext\n"},
        {"count", "8\n"},
        {"by/type/person/count", "5\n"},
        {"by/age/30/keys", "p%2Fanna\np%2Fcarl\n"},
        {"by/age/3e1/count", "2\n"},
        {"by/age/null/keys", "p%2Fdora\n"},
        {"by/n/5/count", "0\n"},
        {"by/n/\"5\"/keys", "a%2Fb%25\n"},
        {"by/tags/[\"x\", \"y\"]/keys", "p%2Fanna\n"},
        {"by/tags[0]/x/keys", "p%2Fanna\n"},
        {"by/@key/a%2Fb%25/count", "1\n"},
        {"by/@key/p%2Flink/count", "0\n"},
        {"by/@type/bytes/keys", "blob\n"},
        {"where/age >= 21 and not archived/keys", "p%2Fanna\np%2Fcarl\n"},
        {"where/not type = \"person\"/keys", "a%2Fb%25\nblob\ntext\n"},
        {"where/@key ~ \"p%2F*\" and @size > 55/keys", "p%2Fanna\n"},
        {"order/age/keys",
         "a%2Fb%25\nblob\np%2Femil\ntext\np%2Fdora\np%2Fbob\np%2Fanna\np%2Fcarl\n"},
        {"order/age:desc/keys",
         "p%2Fanna\np%2Fcarl\np%2Fbob\np%2Fdora\na%2Fb%25\nblob\np%2Femil\ntext\n"},
        {"by/type/person/order/age:desc,name:desc/keys",
         "p%2Fcarl\np%2Fanna\np%2Fbob\np%2Fdora\np%2Femil\n"},
        {"order/@size:desc,@key/limit/2/keys", "p%2Fanna\np%2Fbob\n"},
        {"order/@key:desc/limit/1/offset/0/keys", "text\n"},
        {"order/@key:desc/limit/0/keys", ""},
        {"order/@key:desc/limit/99/offset/6/keys", "blob\na%2Fb%25\n"},
        {"limit/3/by/type/person/keys", "p%2Fanna\n"},
        {"by/type/person/limit/3/keys", "p%2Fanna\np%2Fbob\np%2Fcarl\n"},
        {"offset/2/limit/2/keys", "p%2Fanna\np%2Fbob\n"},
        {"limit/2/offset/2/keys", ""},
        {"limit/99999999999999999999999/offset/7/keys", "text\n"},
        {"offset/9223372036854775807/count", "0\n"},
        {"limit/9223372036854775807/count", "8\n"},
        {"by/type/nobody/values.json", "[]\n"},
        {"by/type/nobody/values.ndjson", ""},
        {"by/age/30/values.json",
         "[\n{\"key\":\"p/anna\",\"value\":{\"type\":\"person\",\"age\":30,\"name\":\"Anna\","
         "\"tags\":[\"x\",\"y\"]}},\n{\"key\":\"p/carl\",\"value\":{\"type\":\"person\","
         "\"age\":30.0,\"name\":\"Carl\",\"tags\":[]}}\n]\n"},
        {"by/age/21/values.ndjson",
         "{\"key\":\"p/bob\",\"value\":{\"type\":\"person\",\"age\":21,\"name\":\"Bob\","
         "\"archived\":true}}\n"},
        {"by/age/21/values.json",
         "[\n{\"key\":\"p/bob\",\"value\":{\"type\":\"person\",\"age\":21,\"name\":\"Bob\","
         "\"archived\":true}}\n]\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_text(*state, cases[i].path, cases[i].text);
}

static void test_explain(void **state)
{
    expect_text(*state, "explain",
                "scan\n    memory: reads every key in byte order, in one snapshot\n");
    expect_text(*state, "where/@size>1/by/a/x%2Fy/order/b/limit/3/offset/1/order/c/explain",
                "scan\n    memory: reads every key in byte order, in one snapshot\n"
                "where/@size > 1\n    library: tests each record, reads no value\n"
                "by/a/x%2Fy\n    library: tests each record, reads its value\n"
                "order/b\n    library: sorts, and holds no more rows than the limit "
                "wants\n"
                "limit/3\n    library: ends the query after so many rows\n"
                "offset/1\n    library: reads so many rows and drops them\n"
                "order/c\n    library: sorts in memory, beyond its limit in temporary files\n");
}

/* Filters on keys at the beginning narrow the scan; those behind a limit, or under `or`, do not. */
static void test_bounds(void **state)
{
    static const struct {
        const char *path;
        const char *keys; /* how explain says it */
        const char *count;
    } cases[] = {
        {"by/@key/p%2Fbob", "the keys from p/bob up to p/bob", "1\n"},
        {"where/@key ~ \"p%2F*\"", "the keys from p/ below p0", "5\n"},
        {"where/@key ~ \"p%2F*\" and @key > \"p%2Fc\"/where/@key<=\"p%2Fdora\"",
         "the keys from p/c up to p/dora", "2\n"},
        {"where/age = 30 and (@key < \"p%2Fc\" and @size > 1)", "the keys below p/c", "1\n"},
        {"where/@key > \"x\" and @key < \"b\"", "the keys from x below x", "0\n"},
        {"where/@key = 5", "every key", "0\n"},
        {"where/not @key = \"text\"", "every key", "7\n"},
        {"where/@key = \"text\" or @key = \"blob\"", "every key", "2\n"},
        {"limit/1/where/@key = \"text\"", "every key", "0\n"},
        {"order/@key:desc/where/@key = \"text\"", "every key", "1\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[128];
        char line[160];
        snprintf(path, sizeof(path), "%s/count", cases[i].path);
        expect_text(*state, path, cases[i].count);
        snprintf(path, sizeof(path), "%s/explain", cases[i].path);
        snprintf(line, sizeof(line), "scan\n    memory: reads %s in byte order, in one snapshot\n",
                 cases[i].keys);
        char *text = text_of(*state, path, 4096);
        text[strlen(line) < strlen(text) ? strlen(line) : strlen(text)] = '\0';
        assert_string_equal(text, line);
        free(text);
    }
}

#define NAMES                                                                                      \
    "by, where, order, limit, offset, select, group, aggregate, keys, values.json, "               \
    "values.ndjson, "                                                                              \
    "values.csv, count, sum, avg, min, max, distinct, explain"

static void test_refused_paths(void **state)
{
    static const struct {
        const char *path;
        const char *sentence;
    } cases[] = {
        {"join/a", "'join' is no stage and no result of a query: there are " NAMES},
        {"sum", "'sum' is not complete: it is written sum/FIELD"},
        {"sum/a/keys", "nothing can follow 'sum/FIELD' in a query"},
        {"sum/a b", "sum: expected '.', '[' or the end (odd names need quotes) at column 2: a b"},
        {"group/a/group/b", "group: the rows are groups already: put it before group, or aggregate "
                            "them first"},
        {"group/a/where/@count > 1/select/a", "select: the rows are groups already: put it before "
                                              "group, or aggregate them first"},
        {"group/a/keys", "keys: groups and aggregates have no keys: use values.ndjson or count"},
        {"aggregate/count/keys", "keys: groups and aggregates have no keys: use values.ndjson or "
                                 "count"},
        {"select/a,b,a", "select: this is named twice at column 5: a,b,a"},
        {"aggregate/count,median(a)",
         "aggregate: expected count, sum, avg, min, max or distinct at "
         "column 7: count,median(a)"},
        {"group/count/aggregate/count", "aggregate: the groups have a field that is called count, "
                                        "too"},
        {"aggregate/sum", "aggregate: expected '(' and a field after 'sum' at column 4: sum"},
        {"aggregate/sum(a", "aggregate: expected '.', '[' or ')' at column 6: sum(a"},
        {"group/a:desc", "group: expected ',' or the end at column 2: a:desc"},
        {"by/a", "'by' is not complete: it is written by/FIELD/VALUE"},
        {"by", "'by' is not complete: it is written by/FIELD/VALUE"},
        {"where/", "'where' is not complete: it is written where/EXPR"},
        {"limit/x/count", "limit: expected a whole number, not 'x'"},
        {"limit/-1/count", "limit: expected a whole number, not '-1'"},
        {"limit/%empty/count", "limit: expected a whole number, not ''"},
        {"offset/1.5", "offset: expected a whole number, not '1.5'"},
        {"count/keys", "nothing can follow 'count' in a query"},
        {"limit/1/", "'' is no stage and no result of a query: there are " NAMES},
        {"where/n%2Fa >= 1", "where: expected an operator, 'and', 'or' or the end at column 2: "
                             "n/a >= 1"},
        {"by/odd name/5", "by: expected '.', '[' or the end (odd names need quotes) at column 4: "
                          "odd name"},
        {"order/a:up", "order: expected 'asc' or 'desc' after ':' at column 3: a:up"},
        {"order/a,", "order: expected a field name at column 3: a,"},
        {"order/a b", "order: expected ',', ':asc', ':desc' or the end at column 2: a b"},
        {"order/@nothing", "order: no such property (there are @key, @size, @type, @created, "
                           "@updated, @count) at column 1: @nothing"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sfs_error error = {0};
        struct sfs_query *query = NULL;
        enum sfs_sink sink = SFS_SINK_COUNT;
        int result = sfs_query_parse(sfs_string(cases[i].path), &query, &sink, &error);
        assert_int_equal(result, SFS_E_INVALID);
        assert_string_equal(error.message, cases[i].sentence);
        assert_null(query);
    }
}

static void test_grammar(void **state)
{
    (void)state;
    size_t rows = 0;
    for (const struct sfs_grammar *row = sfs_query_grammar(); row->name; row++, rows++) {
        assert_ptr_equal(sfs_query_grammar_find(sfs_string(row->name)), row);
        if (row->sink == SFS_SINK_NONE)
            assert_true(row->arguments > 0);
        assert_int_equal(row->add != NULL, row->arguments > 0);
        assert_int_equal(strncmp(row->usage, row->name, strlen(row->name)), 0);
    }
    assert_int_equal(rows, 19);
    assert_null(sfs_query_grammar_find(SFS_LITERAL("value")));
}

/* What is printed of a query parses to a query that prints the same. */
static void test_printing(void **state)
{
    static const char *const paths[] = {
        "by/a.b[0]/x%2Fy",
        "by/\"odd name\"/%empty",
        "by/@key/%25",
        "by/n/\"5\"",
        "by/n/5",
        "where/a = \"%2F\" or b",
        "order/a,b:desc,\"x y\"",
        "limit/0",
        "offset/9223372036854775807",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct sfs_query *query = parse(paths[i]);
        struct sfs_buffer out = {0};
        assert_int_equal(sfs_query_stage_print(query->stages[0], &out), 0);
        assert_int_equal(sfs_buffer_text(&out), 0);
        assert_string_equal(out.data, paths[i]);
        sfs_buffer_free(&out);
        sfs_query_free(query);
    }
}

static void test_too_many_stages(void **state)
{
    struct sfs_error error = {0};
    struct sfs_query *query = parse("");
    uint64_t count = 0;
    for (int i = 0; i < SFS_QUERY_STAGES_MAX; i++)
        assert_int_equal(sfs_query_offset(query, 0, &error), 0);
    assert_int_equal(sfs_query_offset(query, 0, &error), SFS_E_INVALID);
    assert_string_equal(error.message, "a query has at most 256 stages");
    assert_int_equal(sfs_query_stages(query), SFS_QUERY_STAGES_MAX);
    assert_int_equal(sfs_query_count(*state, query, &count, NULL), 0);
    assert_int_equal(count, 8);
    sfs_query_free(query);
}

/* A cursor shows the state at its beginning, and needs neither the query nor its copy. */
static void test_cursor(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_query *query = parse("by/age/30");
    struct sfs_query *copy = NULL;
    struct sfs_cursor *cursor = NULL;
    struct sfs_error error = {0};
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_query_copy(&copy, query, NULL), 0);
    assert_int_equal(sfs_query_limit(copy, 1, NULL), 0);
    assert_int_equal(sfs_query_stages(query), 1);
    assert_int_equal(sfs_query_stages(copy), 2);
    assert_int_equal(sfs_query_run(store, query, &cursor, &error), 0);
    sfs_query_free(query);
    sfs_query_free(copy);
    assert_int_equal(sfs_set(store, SFS_LITERAL("p/carl"), SFS_LITERAL("{\"age\":1}"), NULL), 0);
    assert_int_equal(sfs_set(store, SFS_LITERAL("p/zeno"), SFS_LITERAL("{\"age\":30}"), NULL), 0);
    assert_int_equal(sfs_cursor_seek(cursor, SFS_LITERAL("p"), &error), SFS_E_UNSUPPORTED);
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), 1);
    assert_true(sfs_bytes_equal(record->name, SFS_LITERAL("p/anna")));
    assert_int_equal(sfs_record_value(record).size, strlen(people[2].value));
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), 1);
    assert_true(sfs_bytes_equal(record->name, SFS_LITERAL("p/carl")));
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
    sfs_cursor_close(cursor);
}

/* Rows beyond the memory go to temporary files and come back in order; a limit needs few. */
static void test_sort_memory(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_query_options options = {.memory = 1 << 20, .directory = "/var/tmp"};
    const struct sfs_record *record = NULL;
    struct sfs_error error = {0};
    char value[4200];
    for (unsigned i = 0; i < 400; i++) {
        char key[16];
        int size =
            snprintf(value, sizeof(value), "{\"n\":%u,\"fill\":\"%4000s\"}", i * 7919 % 400, "");
        snprintf(key, sizeof(key), "z%03u", i);
        assert_int_equal(sfs_set(store, sfs_string(key), sfs_bytes(value, (size_t)size), NULL), 0);
    }
    static const char *const paths[] = {"where/n < 1000/order/n:desc",
                                        "where/n < 1000/order/n:desc/limit/100"};
    static const unsigned expected[] = {400, 100};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct sfs_query *query = parse(paths[i]);
        struct sfs_cursor *cursor = NULL;
        unsigned rows = 0;
        assert_int_equal(sfs_query_configure(query, &options, &error), 0);
        assert_int_equal(sfs_query_run(store, query, &cursor, &error), 0);
        sfs_query_free(query);
        for (; sfs_cursor_next(cursor, &record, &error) == 1; rows++) {
            snprintf(value, sizeof(value), "{\"n\":%u,", 399 - rows);
            assert_memory_equal(sfs_record_value(record).data, value, strlen(value));
            assert_true(record->size > 4000);
        }
        assert_int_equal(rows, expected[i]);
        assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
        sfs_cursor_close(cursor);
    }
}

/* --- fields and values --- */

static int gather(void *context, struct sfs_bytes text)
{
    struct sfs_buffer *out = context;
    assert_int_equal(sfs_buffer_add(out, text), 0);
    assert_int_equal(sfs_buffer_byte(out, '|'), 0);
    return 0;
}

static int stop(void *context, struct sfs_bytes text)
{
    (void)text;
    return ++*(int *)context == 2 ? 77 : 0;
}

static void expect_values(struct sfs_storage *store, const char *path, const char *field,
                          const char *expected, bool expected_complete)
{
    struct sfs_query *query = parse(path);
    struct sfs_buffer out = {0};
    struct sfs_error error = {0};
    bool complete = !expected_complete;
    int result =
        field ? sfs_query_values(store, query, sfs_string(field), gather, &out, &complete, &error)
              : sfs_query_fields(store, query, gather, &out, &complete, &error);
    if (result)
        fail_msg("%s", error.message);
    assert_int_equal(sfs_buffer_text(&out), 0);
    assert_string_equal(out.data, expected);
    assert_int_equal(complete, expected_complete);
    sfs_buffer_free(&out);
    sfs_query_free(query);
}

static void test_fields_and_values(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_query *query = parse("");
    struct sfs_error error = {0};
    bool complete = false;
    int visits = 0;
    expect_values(store, "", NULL, "age|archived|n|name|tags|type|", true);
    expect_values(store, "by/age/21", NULL, "age|archived|name|type|", true);
    expect_values(store, "", "age", "null|21|30|", true);
    expect_values(store, "", "n", "\"5\"|", true);
    expect_values(store, "", "tags", "[]|[\"x\",\"y\"]|", true);
    expect_values(store, "", "@type", "bytes|json|text|", true);
    expect_values(store, "limit/2", "@key", "a/b%|blob|", true);
    expect_values(store, "", "gone", "", true);
    assert_int_equal(sfs_query_fields(store, query, stop, &visits, &complete, &error), 77);
    assert_int_equal(visits, 2);
    assert_int_equal(
        sfs_query_values(store, query, SFS_LITERAL("a b"), stop, &visits, &complete, &error),
        SFS_E_INVALID);
    assert_string_equal(error.message,
                        "by: expected '.', '[' or the end (odd names need quotes) at "
                        "column 2: a b");
    sfs_query_free(query);

    char value[400];
    int size =
        snprintf(value, sizeof(value),
                 "{\"odd name\":[1, {\"b\" : 2}],\"and\":\"%256s\",\"n\":5,\"x/y\":1.0}", "");
    assert_int_equal(sfs_set(store, SFS_LITERAL("zz"), sfs_bytes(value, (size_t)size), NULL), 0);
    expect_values(store, "", NULL, "\"and\"|\"odd name\"|\"x/y\"|age|archived|n|name|tags|type|",
                  true);
    expect_values(store, "", "n", "5|\"5\"|", true);
    expect_values(store, "", "\"and\"", "", false);
    expect_values(store, "", "\"odd name\"", "[1,{\"b\":2}]|", true);
}

/* More records than the sample takes: what is shown is of the first, and is said not to be all. */
static void test_sample_is_bounded(void **state)
{
    struct sfs_storage *store = *state;
    struct sfs_batch *batch = NULL;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (unsigned i = 0; i < 10001; i++) {
        char key[16];
        char value[32];
        snprintf(key, sizeof(key), "s%05u", i);
        snprintf(value, sizeof(value), "{\"%s\":%u}", i < 10000 ? "first" : "last", i % 3);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL),
                         0);
    }
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    expect_values(store, "where/@key ~ \"s*\"", NULL, "first|last|", true);
    expect_values(store, "where/@key ~ \"s*\"", "first", "0|1|2|", false);
    expect_values(store, "where/first exists", NULL, "first|", true);
}

/* Nor more bytes: of what is behind the first 8 MiB of values nothing is shown. */
static void test_sample_of_large_values(void **state)
{
    struct sfs_storage *store = *state;
    size_t size = 5 << 20;
    char *value = malloc(size + 64);
    char key[] = "x0";
    assert_non_null(value);
    for (int i = 0; i < 3; i++, key[1]++) {
        snprintf(value, size + 64, "{\"n\":%d,\"s\":\"%*s\"}", i, (int)size, "");
        assert_int_equal(sfs_set(store, sfs_string(key), sfs_string(value), NULL), 0);
    }
    free(value);
    expect_values(store, "where/@key ~ \"x*\"", "n", "0|1|", false);
    expect_values(store, "where/@key < \"x2\" and @key ~ \"x*\"", "n", "0|1|", true);
}

/* Called when a query asks whether to go on. */
static int wait_long(void *context)
{
    struct timespec time = {.tv_sec = 1, .tv_nsec = 1000000};
    (void)context;
    nanosleep(&time, NULL);
    return 0;
}

/* The fields of all records are found, in order, up to a number that no store of documents has. */
static void test_many_fields(void **state)
{
    enum { RECORDS = 101, EACH = 991 };
    struct sfs_storage *store = *state;
    struct sfs_query *query = parse("");
    struct sfs_buffer value = {0}, out = {0};
    struct sfs_error error = {0};
    bool complete = false;
    for (unsigned i = 0; i < RECORDS; i++) {
        char key[16];
        value.size = 0;
        /* Every number once, in an order that is not theirs. */
        for (unsigned j = 0; j < EACH; j++)
            assert_int_equal(sfs_buffer_printf(&value, "%c\"f%06u\":1", j ? ',' : '{',
                                               (i * EACH + j) * 7919 % (RECORDS * EACH)),
                             0);
        assert_int_equal(sfs_buffer_byte(&value, '}'), 0);
        snprintf(key, sizeof(key), "m%05u", i);
        assert_int_equal(sfs_set(store, sfs_string(key), sfs_buffer_bytes(&value), NULL), 0);
        if (i + 2 < RECORDS)
            continue;
        out.size = 0;
        assert_int_equal(sfs_query_fields(store, query, gather, &out, &complete, &error), 0);
        assert_int_equal(complete, i + 1 < RECORDS);
    }
    size_t expected = (100000 - 6) * strlen("f000000|");
    assert_true(out.size > expected && out.size < expected + 100);
    sfs_buffer_free(&value);
    sfs_buffer_free(&out);
    sfs_query_free(query);
}

/* What takes long is not waited for; but the query's own limit is still an error. */
static void test_sample_takes_no_longer(void **state)
{
    struct sfs_query *query = parse("");
    struct sfs_query_options options = {.cancelled = wait_long};
    struct sfs_buffer out = {0};
    struct sfs_error error = {0};
    bool complete = true;
    assert_int_equal(sfs_query_configure(query, &options, NULL), 0);
    assert_int_equal(
        sfs_query_values(*state, query, SFS_LITERAL("age"), gather, &out, &complete, &error), 0);
    assert_false(complete);
    assert_int_equal(out.size, 0);
    options.time_ms = 900;
    assert_int_equal(sfs_query_configure(query, &options, NULL), 0);
    assert_int_equal(sfs_query_fields(*state, query, gather, &out, &complete, &error),
                     SFS_E_TIMED_OUT);
    assert_non_null(strstr(error.message, "900 ms"));
    sfs_query_free(query);
}

static void test_no_sink(void **state)
{
    struct sfs_query *query = parse("");
    struct sfs_text *text = NULL;
    struct sfs_error error = {0};
    assert_int_equal(sfs_query_text(*state, query, SFS_SINK_NONE, &text, &error), SFS_E_INVALID);
    assert_string_equal(error.message, "a stage has no text: name a result");
    assert_null(text);
    sfs_query_free(query);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_results),
        TEST(test_explain),
        TEST(test_bounds),
        cmocka_unit_test(test_refused_paths),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_printing),
        TEST(test_too_many_stages),
        TEST(test_cursor),
        TEST(test_sort_memory),
        TEST(test_fields_and_values),
        TEST(test_sample_is_bounded),
        TEST(test_many_fields),
        TEST(test_sample_of_large_values),
        TEST(test_sample_takes_no_longer),
        TEST(test_no_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
