/* SPDX-License-Identifier: MIT */
/*
 * The stages select, group and aggregate and their results as text and in C; conditions built in C;
 * limits of time and memory; queries as paths and as data.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "storefs/query_stages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *key;
    const char *value;
} records[] = {
    {"a", "{\"type\":\"doc\",\"n\": 1.10,\"name\":\"Jo\",\"tags\":[\"x\", \"y\"]}"},
    {"b", "{\"type\":\"doc\",\"n\":2,\"name\":\"J\xc3\xb6, \\\"q\\\"\"}"},
    {"c", "{\"type\":\"img\",\"n\":9007199254740993,\"key\":null}"},
    {"d", "{\"n\":\"5\",\"name\":\"\"}"},
    {"e", "\"plain\""},
    {"f", "{\"type\":\"doc\",\"n\":0.9,\"name\":\"Joanna\"}"},
    {"g\xff", "\xfe"},
};

static int set_up(void **state)
{
    struct sfs_storage *store = NULL;
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE, NULL), 0);
    for (size_t i = 0; i < COUNT(records); i++)
        assert_int_equal(
            sfs_set(store, sfs_string(records[i].key), sfs_string(records[i].value), NULL), 0);
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    return sfs_close(*state, NULL);
}

static struct sfs_query *parse(const char *path, enum sfs_sink *ret_sink)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    if (sfs_query_parse(sfs_string(path), &query, ret_sink, &error))
        fail_msg("%s: %s", path, error.message);
    return query;
}

/* The text, read in pieces of three bytes. */
static struct sfs_buffer text_of(struct sfs_storage *store, const struct sfs_query *query,
                                 enum sfs_sink sink)
{
    struct sfs_error error = {0};
    struct sfs_text *text = NULL;
    struct sfs_buffer out = {0};
    size_t got = 0;
    char piece[3];
    if (sfs_query_text(store, query, sink, &text, &error))
        fail_msg("text: %s", error.message);
    do {
        if (sfs_text_read(text, piece, sizeof(piece), &got, &error))
            fail_msg("read: %s", error.message);
        assert_int_equal(sfs_buffer_append(&out, piece, got), 0);
    } while (got > 0);
    sfs_text_close(text);
    assert_int_equal(sfs_buffer_text(&out), 0);
    return out;
}

static const struct {
    const char *path;
    const char *text;
} texts[] = {
    {"select/n,name,@key,tags/limit/2/values.ndjson",
     "{\"key\":\"a\",\"value\":{\"n\":1.10,\"name\":\"Jo\",\"@key\":\"a\",\"tags\":[\"x\",\"y\"]}}"
     "\n"
     "{\"key\":\"b\",\"value\":{\"n\":2,\"name\":\"J\xc3\xb6, \\\"q\\\"\",\"@key\":\"b\"}}\n"},
    {"select/tags[0],\"odd name\"/by/\"tags[0]\"/x/values.ndjson",
     "{\"key\":\"a\",\"value\":{\"tags[0]\":\"x\"}}\n"},
    {"select/n/where/name exists/count", "0\n"},
    {"by/@key/a/select/n/by/@type/json/where/@size = 10/count", "1\n"},
    {"by/@key/g\xff/select/@key/values.ndjson",
     "{\"key\":{\"__type\":\"bytes\",\"__value\":\"Z/8=\"},\"value\":{\"@key\":\"g\\udcff\"}}\n"},
    {"group/type/count", "\\N\t3\ndoc\t3\nimg\t1\n"},
    {"group/type/sum/n", "\\N\t0\ndoc\t4\nimg\t9007199254740993\n"},
    {"group/type/avg/n", "\\N\t\\N\ndoc\t1.333333333333333333333333333333333\n"
                         "img\t9007199254740993\n"},
    {"group/type/min/name", "\\N\t\ndoc\tJo\nimg\t\\N\n"},
    {"group/type/max/n", "\\N\t\"5\"\ndoc\t2\nimg\t9007199254740993\n"},
    {"group/type/distinct/name", "\\N\t1\ndoc\t3\nimg\t0\n"},
    {"where/n exists/group/type,name/count",
     "\\N\t\t1\ndoc\tJo\t1\ndoc\tJoanna\t1\ndoc\tJ\xc3\xb6, \"q\"\t1\nimg\t\\N\t1\n"},
    {"group/type/where/@count >= 3/order/type:desc/limit/1/offset/0/sum/n", "doc\t4\n"},
    {"group/type/order/@count,type/count", "img\t1\n\\N\t3\ndoc\t3\n"},
    {"group/type/where/@key exists or @size exists or n exists/count", ""},
    {"where/@count exists/count", "0\n"},
    {"group/type/values.json", "[\n{\"value\":{},\"count\":3},\n{\"value\":{\"type\":\"doc\"},"
                               "\"count\":3},\n{\"value\":{\"type\":\"img\"},\"count\":1}\n]\n"},
    {"sum/n", "9007199254740997\n"},
    {"avg/n", "2251799813685249.25\n"},
    {"min/n", "0.9\n"},
    {"max/n", "\"5\"\n"},
    {"max/tags", "[\"x\",\"y\"]\n"},
    {"min/name", "\n"},
    {"sum/none", "0\n"},
    {"avg/none", ""},
    {"min/none", ""},
    {"distinct/n", "0.9\n1.1\n2\n9007199254740993\n\"5\"\n"},
    {"distinct/type", "doc\nimg\n"},
    {"distinct/tags", "[\"x\",\"y\"]\n"},
    {"order/n/limit/2/sum/@size", "8\n"},
    {"aggregate/count,sum(n),distinct(type),min(none)/values.ndjson",
     "{\"value\":{\"count\":7,\"sum(n)\":9007199254740997,\"distinct(type)\":2}}\n"},
    {"by/n/77/aggregate/count,sum(n),avg(n)/values.json",
     "[\n{\"value\":{\"count\":0,\"sum(n)\":0}}\n]\n"},
    {"group/type/aggregate/count,sum(n)/order/\"sum(n)\":desc/limit/2/values.ndjson",
     "{\"value\":{\"type\":\"img\",\"count\":1,\"sum(n)\":9007199254740993}}\n"
     "{\"value\":{\"type\":\"doc\",\"count\":3,\"sum(n)\":4}}\n"},
    {"group/type/aggregate/count/sum/count", "7\n"},
    {"group/type/aggregate/count/group/count/count", "1\t1\n3\t2\n"},
    {"group/type/aggregate/count/select/count/max/count", "3\n"},
    {"group/type/aggregate/count/count", "3\n"},
    {"values.csv", "key,type,n,name,tags,\"\"\"key\"\"\",value\r\n"
                   "a,doc,1.10,Jo,\"[\"\"x\"\",\"\"y\"\"]\",,\r\n"
                   "b,doc,2,\"J\xc3\xb6, \"\"q\"\"\",,,\r\n"
                   "c,img,9007199254740993,,,null,\r\n"
                   "d,,5,\"\",,,\r\n"
                   "e,,,,,,\"\"\"plain\"\"\"\r\n"
                   "f,doc,0.9,Joanna,,,\r\n"
                   "g\xff,,,,,,\xfe\r\n"},
    {"by/n/77/values.csv", "key\r\n"},
    {"where/n exists/select/key,n/limit/3/values.csv",
     "key,\"\"\"key\"\"\",n\r\na,,1.10\r\nb,,2\r\nc,null,9007199254740993\r\n"},
    {"group/type/values.csv", "type,count\r\n,3\r\ndoc,3\r\nimg,1\r\n"},
    {"group/type/aggregate/sum(n),max(name)/values.csv",
     "type,sum(n),max(name)\r\n,0,\"\"\r\ndoc,4,\"J\xc3\xb6, \"\"q\"\"\"\r\n"
     "img,9007199254740993,\r\n"},
    {"aggregate/count/values.csv", "\"\"\"count\"\"\"\r\n7\r\n"},
    {"where/name =~ \"^Jo[ah]?\"/keys", "a\nf\n"},
    {"where/name =~ \"(?i)\\\\bQ\\\\b\"/keys", "b\n"},
    {"where/name =~ \"^J.,\"/keys", "b\n"},
    {"where/@key =~ \"g\"/keys", "g\xff\n"},
    {"where/n =~ \"5\" or n in [1.1, 20e-1, \"6\"]/keys", "a\nb\nd\n"},
    {"where/n in []/count", "0\n"},
};

static void test_texts(void **state)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        enum sfs_sink sink;
        struct sfs_query *query = parse(texts[i].path, &sink);
        struct sfs_buffer out = text_of(*state, query, sink);
        if (strcmp(out.data, texts[i].text) != 0)
            fail_msg("%s: %s, not %s", texts[i].path, out.data, texts[i].text);
        sfs_buffer_free(&out);
        sfs_query_free(query);
    }
}

/* Each of these queries prints as a path that is read as the same query. */
static void test_paths(void **state)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        enum sfs_sink sink;
        enum sfs_sink again;
        struct sfs_error error;
        struct sfs_query *query = parse(texts[i].path, &sink);
        struct sfs_buffer path = {0};
        struct sfs_buffer twice = {0};
        assert_int_equal(sfs_query_print(query, sink, &path, &error), 0);
        assert_int_equal(sfs_buffer_text(&path), 0);
        struct sfs_query *same = parse(path.data, &again);
        assert_int_equal(again, sink);
        assert_int_equal(sfs_query_stages(same), sfs_query_stages(query));
        struct sfs_buffer out = text_of(*state, same, sink);
        assert_string_equal(out.data, texts[i].text);
        assert_int_equal(sfs_query_print(same, sink, &twice, &error), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&path), sfs_buffer_bytes(&twice)));
        if (sink == SFS_SINK_COUNT)
            assert_int_equal(sfs_query_print(query, SFS_SINK_AVG, &path, &error), SFS_E_INVALID);
        sfs_buffer_free(&path);
        sfs_buffer_free(&twice);
        sfs_buffer_free(&out);
        sfs_query_free(query);
        sfs_query_free(same);
    }
}

/* --- results in C --- */

static void test_results(void **state)
{
    enum sfs_sink sink;
    struct sfs_error error = {0};
    struct sfs_results *results = NULL;
    const struct sfs_result *list = NULL;
    struct sfs_bytes group;
    size_t count = 0;
    struct sfs_query *query =
        parse("group/type/aggregate/count,sum(n),avg(n),min(name),max(none),distinct(n)", &sink);
    assert_int_equal(sfs_query_results(*state, query, &results, &error), 0);
    sfs_query_free(query);
    assert_int_equal(sfs_results_next(results, &group, &list, &count, &error), 1);
    assert_int_equal(count, 6);
    assert_false(list[2].present);
    assert_true(isnan(list[2].number) && list[2].json.size == 0);
    assert_int_equal(sfs_results_next(results, &group, &list, &count, &error), 1);
    assert_memory_equal(group.data, "{\"type\":\"doc\",\"count\":3,", 24);
    assert_true(list[0].is_integer && list[0].integer == 3 && list[0].number == 3.0);
    assert_true(list[1].function == SFS_FUNCTION_SUM && list[1].integer == 4);
    assert_true(!list[2].is_integer && list[2].number > 1.3 && list[2].number < 1.4);
    assert_true(sfs_bytes_equal(list[3].json, SFS_LITERAL("\"Jo\"")) && isnan(list[3].number));
    assert_true(!list[4].present && list[5].integer == 3);
    assert_int_equal(sfs_results_next(results, &group, &list, &count, &error), 1);
    assert_int_equal(sfs_results_next(results, &group, &list, &count, &error), 0);
    sfs_results_close(results);
    query = parse("group/type", &sink);
    assert_int_equal(sfs_query_results(*state, query, &results, &error), SFS_E_INVALID);
    assert_int_equal(sfs_query_has(*state, query, SFS_LITERAL("a"), &error), SFS_E_INVALID);
    sfs_query_free(query);
}

static void test_find_one(void **state)
{
    enum sfs_sink sink;
    struct sfs_error error = {0};
    const struct sfs_record *record = NULL;
    struct sfs_query *query = parse("order/name:desc/select/name", &sink);
    assert_int_equal(sfs_query_find_one(*state, query, &record, &error), 0);
    assert_true(sfs_bytes_equal(record->name, SFS_LITERAL("b")));
    sfs_record_unref(record);
    assert_int_equal(sfs_query_has(*state, query, SFS_LITERAL("d"), &error), 1);
    assert_int_equal(sfs_query_where(query, SFS_LITERAL("n = 2"), &error), 0);
    assert_int_equal(sfs_query_has(*state, query, SFS_LITERAL("b"), &error), 0);
    assert_int_equal(sfs_query_find_one(*state, query, &record, &error), SFS_E_NOT_FOUND);
    sfs_query_free(query);
}

/* An argument of any length prints as file names, and is read from them as one. */
static void test_pieces(void **state)
{
    (void)state;
    struct sfs_error error;
    for (size_t size = 1; size < 1100; size += size % 250 < 3 || size % 250 > 240 ? 1 : 60) {
        struct sfs_query *query = NULL;
        struct sfs_buffer value = {0}, path = {0}, twice = {0};
        enum sfs_sink sink;
        for (size_t i = 0; i < size; i++)
            assert_int_equal(sfs_buffer_byte(&value, "./%x"[(i * 7 + size) % 4]), 0);
        assert_int_equal(sfs_query_new(&query, &error), 0);
        assert_int_equal(sfs_query_by(query, SFS_LITERAL("f"), sfs_buffer_bytes(&value), &error), 0);
        assert_int_equal(sfs_query_print(query, SFS_SINK_COUNT, &path, &error), 0);
        assert_int_equal(sfs_buffer_text(&path), 0);
        size_t names = 0;
        for (const char *name = path.data; name != NULL; names++) {
            assert_true(strcspn(name, "/") > 0 && strcspn(name, "/") <= 255);
            name = strchr(name, '/');
            name = name != NULL ? name + 1 : NULL;
        }
        assert_true(size < 300 || names > 4);
        struct sfs_query *same = parse(path.data, &sink);
        assert_int_equal(sfs_query_stages(same), 1);
        assert_int_equal(sfs_query_print(same, sink, &twice, &error), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&path), sfs_buffer_bytes(&twice)));
        sfs_query_free(query);
        sfs_query_free(same);
        sfs_buffer_free(&value);
        sfs_buffer_free(&path);
        sfs_buffer_free(&twice);
    }
    struct sfs_buffer text = {0};
    assert_int_equal(sfs_query_argument(SFS_LITERAL("a%%+/2Fb%+/%+/c"), &text), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&text), SFS_LITERAL("a/bc")));
    sfs_buffer_free(&text);
    struct sfs_query *none = NULL;
    enum sfs_sink sink;
    assert_int_equal(sfs_query_parse(SFS_LITERAL("by/f/a%+"), &none, &sink, &error), SFS_E_INVALID);
    assert_non_null(strstr(error.message, "is not complete"));
}

/* --- queries as data --- */

static void test_view(void **state)
{
    (void)state;
    enum sfs_sink sink;
    enum sfs_function function;
    const struct sfs_field *field = NULL;
    struct sfs_bytes name;
    size_t index = 0;
    bool descending = false;
    struct sfs_buffer out = {0};
    struct sfs_query *query =
        parse("where/not a.b[3] = 5 and @key ~ \"x*\"/order/n:desc/limit/7/aggregate/count,sum(n)",
              &sink);
    const struct sfs_query_stage *stage = sfs_query_stage_at(query, 0);
    const struct sfs_node *node = sfs_query_stage_node(stage);
    assert_int_equal(sfs_query_stage_kind(stage), SFS_QUERY_WHERE);
    assert_int_equal(sfs_node_kind(node), SFS_NODE_AND);
    assert_null(sfs_node_field(node));
    assert_int_equal(sfs_node_literal(node, &out), SFS_E_INVALID);
    const struct sfs_node *test = sfs_node_first(sfs_node_first(node));
    assert_int_equal(sfs_node_kind(test), SFS_NODE_EQUAL);
    assert_int_equal(sfs_node_literal(test, &out), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&out), SFS_LITERAL("5")));
    assert_false(sfs_node_text(test, &name));
    field = sfs_node_field(test);
    assert_int_equal(sfs_field_property(field), SFS_PROPERTY_NONE);
    assert_true(sfs_field_step(field, 1, &name, &index));
    assert_true(sfs_bytes_equal(name, SFS_LITERAL("b")));
    assert_true(sfs_field_step(field, 2, &name, &index));
    assert_true(name.data == NULL && index == 3);
    assert_false(sfs_field_step(field, 3, &name, &index));
    node = sfs_node_next(sfs_node_first(node));
    assert_int_equal(sfs_field_property(sfs_node_field(node)), SFS_PROPERTY_KEY);
    assert_true(sfs_node_text(node, &name) && name.size == 2);
    assert_null(sfs_node_next(node));
    assert_non_null(sfs_query_stage_field(sfs_query_stage_at(query, 1), 0, &descending));
    assert_true(descending);
    assert_null(sfs_query_stage_field(sfs_query_stage_at(query, 1), 1, NULL));
    assert_int_equal(sfs_query_stage_count(sfs_query_stage_at(query, 2)), 7);
    stage = sfs_query_stage_at(query, 3);
    assert_true(sfs_query_stage_function(stage, 0, &function, &field));
    assert_true(function == SFS_FUNCTION_COUNT && !field);
    assert_true(sfs_query_stage_function(stage, 1, &function, &field));
    assert_true(function == SFS_FUNCTION_SUM && field);
    assert_false(sfs_query_stage_function(stage, 2, &function, &field));
    sfs_buffer_free(&out);
    sfs_query_free(query);
}

/* --- limits --- */

#define MANY 20000

static void fill(struct sfs_storage *store)
{
    struct sfs_batch *batch = NULL;
    char key[32];
    char value[96];
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "m/%05u", i);
        snprintf(value, sizeof(value), "{\"m\":%u,\"g\":\"%u\",\"b\":0.1,\"s\":\"%u\"}",
                 i * 7919 % MANY, i % 5000, i % 3);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL),
                         0);
    }
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
}

/* Whatever the memory, the text is the same. */
static void test_memory(void **state)
{
    static const char *const paths[] = {
        "where/m exists/order/m:desc/keys",
        "where/m exists/order/s,m/values.ndjson",
        "where/m exists/order/g/limit/15000/offset/14990/keys",
        "where/m exists/group/g/aggregate/count,sum(b),max(m),distinct(s)/values.ndjson",
        "where/m exists/distinct/g",
        "group/m/order/m:desc/limit/3/count",
        "sum/b",
    };
    fill(*state);
    for (size_t i = 0; i < COUNT(paths); i++) {
        static const uint64_t memory[] = {1, 20000, 300000};
        enum sfs_sink sink;
        struct sfs_query *query = parse(paths[i], &sink);
        struct sfs_buffer whole = text_of(*state, query, sink);
        assert_true(whole.size > 4);
        for (size_t j = 0; j < COUNT(memory); j++) {
            /* With one byte each row is a run of its own: fewer rows will do. */
            if (memory[j] == 1 && i > 1)
                continue;
            struct sfs_query_options options = {.memory = memory[j]};
            assert_int_equal(sfs_query_configure(query, &options, NULL), 0);
            struct sfs_buffer text = text_of(*state, query, sink);
            assert_true(sfs_bytes_equal(sfs_buffer_bytes(&text), sfs_buffer_bytes(&whole)));
            sfs_buffer_free(&text);
        }
        if (i == 6)
            assert_string_equal(whole.data, "2000\n");
        sfs_buffer_free(&whole);
        sfs_query_free(query);
    }
}

static int cancel_soon(void *context)
{
    return ++*(unsigned *)context > 20;
}

static int run_whole(struct sfs_storage *store, const char *path,
                     const struct sfs_query_options *options, struct sfs_error *error)
{
    enum sfs_sink sink;
    struct sfs_query *query = parse(path, &sink);
    struct sfs_text *text = NULL;
    char piece[4096];
    size_t got = 1;
    assert_int_equal(sfs_query_configure(query, options, error), 0);
    int result = sfs_query_text(store, query, sink, &text, error);
    sfs_query_free(query);
    while (result == 0 && got > 0)
        result = sfs_text_read(text, piece, sizeof(piece), &got, error);
    sfs_text_close(text);
    return result;
}

static void test_limits(void **state)
{
    static const char *const paths[] = {"where/nothing/count", "order/m/keys", "group/m/count",
                                        "values.csv",          "distinct/m",   "values.json"};
    struct sfs_error error = {0};
    fill(*state);
    for (size_t i = 0; i < COUNT(paths); i++) {
        unsigned calls = 0;
        struct sfs_query_options options = {.cancelled = cancel_soon, .context = &calls};
        assert_int_equal(run_whole(*state, paths[i], &options, &error), SFS_E_CANCELLED);
        assert_string_equal(error.message, "the query was cancelled");
        assert_int_equal(calls, 21);
        options = (struct sfs_query_options){.time_ms = 1, .memory = 10000};
        assert_int_equal(run_whole(*state, paths[i], &options, &error), SFS_E_TIMED_OUT);
        assert_string_equal(error.message, "the query took longer than its limit of 1 ms");
        options.time_ms = UINT64_MAX;
        assert_int_equal(run_whole(*state, paths[i], &options, &error), 0);
    }
    struct sfs_query_options nowhere = {.memory = 1000, .directory = "/nonexistent"};
    assert_int_equal(run_whole(*state, "order/m/keys", &nowhere, &error), SFS_E_NOT_FOUND);
    assert_non_null(strstr(error.message, "a temporary file in /nonexistent"));
    struct sfs_query_options full = {.memory = 1000, .directory = "/proc"};
    assert_true(run_whole(*state, "values.csv", &full, &error) < 0);
}

/* Where temporary files can take no more, the query fails; nothing is cut. */
static void test_full_disk(void **state)
{
    static const char *const paths[] = {"order/m/keys", "values.csv", "group/m/count"};
    struct sfs_query_options options = {.memory = 50000};
    struct sfs_error error = {0};
    struct rlimit before;
    fill(*state);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {100000, before.rlim_max};
    for (size_t i = 0; i < COUNT(paths); i++) {
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int result = run_whole(*state, paths[i], &options, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        signal(SIGXFSZ, handler);
        assert_int_equal(result, SFS_E_TOO_LARGE);
        assert_non_null(strstr(error.message, "rows that do not fit in memory cannot be kept in "));
    }
}

/* A pattern that would go on for ever, and numbers too far apart, are errors that say so. */
static void test_hostile(void **state)
{
    static const struct sfs_query_options none = {0};
    struct sfs_error error = {0};
    char value[64];
    snprintf(value, sizeof(value), "{\"s\":\"%s!\"}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(sfs_set(*state, SFS_LITERAL("h1"), sfs_string(value), NULL), 0);
    assert_int_equal(run_whole(*state, "where/s =~ \"^(a+)+$\"/count", &none, &error),
                     SFS_E_TOO_LARGE);
    assert_string_equal(error.message, "where: a regular expression takes too many steps on a "
                                       "value: make it simpler");
    assert_int_equal(sfs_set(*state, SFS_LITERAL("h2"), SFS_LITERAL("{\"e\":1e900000}"), NULL), 0);
    assert_int_equal(sfs_set(*state, SFS_LITERAL("h3"), SFS_LITERAL("{\"e\":1e-900000}"), NULL), 0);
    assert_int_equal(run_whole(*state, "sum/e", &none, &error), SFS_E_TOO_LARGE);
    assert_string_equal(error.message, "sum: the numbers are too far apart: an exact sum would "
                                       "have more than 1000000 digits");
    struct sfs_buffer wide = {0};
    for (unsigned i = 0; i < 1025; i++)
        assert_int_equal(sfs_buffer_printf(&wide, "%s\"c%u\":1", i ? "," : "{", i), 0);
    assert_int_equal(sfs_buffer_byte(&wide, '}'), 0);
    assert_int_equal(sfs_set(*state, SFS_LITERAL("h4"), sfs_buffer_bytes(&wide), NULL), 0);
    sfs_buffer_free(&wide);
    assert_int_equal(run_whole(*state, "values.csv", &none, &error), SFS_E_TOO_LARGE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_texts),     TEST(test_paths),   TEST(test_results), TEST(test_find_one),
        TEST(test_pieces),    TEST(test_view),    TEST(test_memory),  TEST(test_limits),
        TEST(test_full_disk), TEST(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
