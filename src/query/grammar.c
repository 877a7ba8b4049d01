/* SPDX-License-Identifier: MIT */
/* The grammar of query paths: one table, and the parser that it drives. */
#include <stdio.h>

#include "query/stages.h"
#include "storefs/path.h"

static int add_by(struct sfs_query *query, const struct sfs_bytes *arguments,
                  struct sfs_error *error)
{
    return sfs_query_by(query, arguments[0], arguments[1], error);
}

static int add_where(struct sfs_query *query, const struct sfs_bytes *arguments,
                     struct sfs_error *error)
{
    return sfs_query_where(query, arguments[0], error);
}

static int add_order(struct sfs_query *query, const struct sfs_bytes *arguments,
                     struct sfs_error *error)
{
    return sfs_query_order(query, arguments[0], error);
}

/* A number of any length; one larger than INT64_MAX is more records than a store can hold. */
static int parse_number(const char *stage, struct sfs_bytes text, uint64_t *ret_number,
                        struct sfs_error *error)
{
    const char *data = text.data;
    uint64_t number = 0;
    bool valid = text.size > 0;
    for (size_t i = 0; i < text.size && valid; i++) {
        uint64_t digit = (uint64_t)(data[i] - '0');
        valid = data[i] >= '0' && data[i] <= '9';
        number = number > (INT64_MAX - digit) / 10 ? INT64_MAX : number * 10 + digit;
    }
    if (!valid)
        return sfs_fail(error, SFS_E_INVALID, "query", "%s: expected a whole number, not '%.*s'",
                        stage, (int)(text.size < 64 ? text.size : 64), text.size ? data : "");
    *ret_number = number;
    return 0;
}

static int add_limit(struct sfs_query *query, const struct sfs_bytes *arguments,
                     struct sfs_error *error)
{
    uint64_t count;
    int result = parse_number("limit", arguments[0], &count, error);
    return result ? result : sfs_query_limit(query, count, error);
}

static int add_offset(struct sfs_query *query, const struct sfs_bytes *arguments,
                      struct sfs_error *error)
{
    uint64_t count;
    int result = parse_number("offset", arguments[0], &count, error);
    return result ? result : sfs_query_offset(query, count, error);
}

static int add_select(struct sfs_query *query, const struct sfs_bytes *arguments,
                      struct sfs_error *error)
{
    return sfs_query_select(query, arguments[0], error);
}

static int add_group(struct sfs_query *query, const struct sfs_bytes *arguments,
                     struct sfs_error *error)
{
    return sfs_query_group(query, arguments[0], error);
}

static int add_aggregate(struct sfs_query *query, const struct sfs_bytes *arguments,
                         struct sfs_error *error)
{
    return sfs_query_aggregate(query, arguments[0], error);
}

/* One for each sink that is a function of a field. */
#define SINK_FUNCTION(name, function)                                                              \
    static int name(struct sfs_query *query, const struct sfs_bytes *arguments,                    \
                    struct sfs_error *error)                                                       \
    {                                                                                              \
        return sfs_query_add_function(query, function, arguments[0], error);                       \
    }
SINK_FUNCTION(add_sum, SFS_FUNCTION_SUM)
SINK_FUNCTION(add_avg, SFS_FUNCTION_AVG)
SINK_FUNCTION(add_min, SFS_FUNCTION_MIN)
SINK_FUNCTION(add_max, SFS_FUNCTION_MAX)
SINK_FUNCTION(add_distinct, SFS_FUNCTION_DISTINCT)

#define FIELD {SFS_ARGUMENT_FIELD}
#define TEXT {SFS_ARGUMENT_TEXT}
#define NOTHING {SFS_ARGUMENT_NONE}
static const struct sfs_grammar grammar[] = {
    {"by", 2, SFS_SINK_NONE, "by/FIELD/VALUE", "records whose FIELD equals VALUE", add_by,
     {SFS_ARGUMENT_FIELD, SFS_ARGUMENT_VALUE}},
    {"where", 1, SFS_SINK_NONE, "where/EXPR", "records for which EXPR holds", add_where, TEXT},
    {"order", 1, SFS_SINK_NONE, "order/FIELD[:desc][,FIELD...]",
     "sorted by these fields; ties keep the order they had", add_order, FIELD},
    {"limit", 1, SFS_SINK_NONE, "limit/N", "the first N records", add_limit, TEXT},
    {"offset", 1, SFS_SINK_NONE, "offset/N", "all but the first N records", add_offset, TEXT},
    {"select", 1, SFS_SINK_NONE, "select/FIELD[,FIELD...]", "only these fields of each value",
     add_select, FIELD},
    {"group", 1, SFS_SINK_NONE, "group/FIELD[,FIELD...]",
     "one row for all records with the same values", add_group, FIELD},
    {"aggregate", 1, SFS_SINK_NONE, "aggregate/count,sum(FIELD)...",
     "one document of results, or one a group: count, sum, avg, min, max, distinct", add_aggregate,
     {SFS_ARGUMENT_FUNCTION}},
    {"keys", 0, SFS_SINK_KEYS, "keys", "symbolic links to the keys, in order", NULL, NOTHING},
    {"values.json", 0, SFS_SINK_VALUES_JSON, "values.json",
     "an array of {\"key\":...,\"value\":...}", NULL, NOTHING},
    {"values.ndjson", 0, SFS_SINK_VALUES_NDJSON, "values.ndjson",
     "one {\"key\":...,\"value\":...} a line, as import takes it", NULL, NOTHING},
    {"values.csv", 0, SFS_SINK_VALUES_CSV, "values.csv", "a table for spreadsheets, the key first",
     NULL, NOTHING},
    {"count", 0, SFS_SINK_COUNT, "count", "the number of records; of groups a line each", NULL,
     NOTHING},
    {"sum", 1, SFS_SINK_SUM, "sum/FIELD", "the exact sum of the numbers in FIELD", add_sum, FIELD},
    {"avg", 1, SFS_SINK_AVG, "avg/FIELD", "the average of the numbers in FIELD", add_avg, FIELD},
    {"min", 1, SFS_SINK_MIN, "min/FIELD", "the least value of FIELD", add_min, FIELD},
    {"max", 1, SFS_SINK_MAX, "max/FIELD", "the greatest value of FIELD", add_max, FIELD},
    {"distinct", 1, SFS_SINK_DISTINCT, "distinct/FIELD",
     "the different values of FIELD, in order; of groups how many", add_distinct, FIELD},
    {"explain", 0, SFS_SINK_EXPLAIN, "explain", "who does each stage, and how", NULL, NOTHING},
    {NULL, 0, SFS_SINK_NONE, NULL, NULL, NULL, NOTHING},
};
#define MOST_ARGUMENTS 2
#define CUT_MARK SFS_LITERAL("%+")

const struct sfs_grammar *sfs_query_grammar(void)
{
    return grammar;
}

const struct sfs_grammar *sfs_query_grammar_find(struct sfs_bytes name)
{
    for (const struct sfs_grammar *row = grammar; row->name; row++) {
        if (sfs_bytes_equal(name, sfs_string(row->name)))
            return row;
    }
    return NULL;
}

/* --- paths --- */

struct walk {
    struct sfs_bytes path;
    size_t at;
    bool ended;
    struct sfs_error *error;
};

/* The next element as it stands in the path; false at the end. */
static bool next_element(struct walk *walk, struct sfs_bytes *ret_element)
{
    if (walk->ended)
        return false;
    const char *start = (const char *)walk->path.data + walk->at;
    size_t size = walk->path.size - walk->at;
    const char *slash = memchr(start, '/', size);
    walk->ended = !slash;
    if (slash)
        size = (size_t)(slash - start);
    walk->at += size + (slash != NULL);
    *ret_element = sfs_bytes(start, size);
    return true;
}

static int fail_name(const struct walk *walk, struct sfs_bytes name)
{
    char names[240] = "";
    size_t used = 0;
    for (const struct sfs_grammar *row = grammar; row->name; row++) {
        int size =
            snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", row->name);
        used += (size_t)size < sizeof(names) - used ? (size_t)size : 0;
    }
    return sfs_fail(walk->error, SFS_E_INVALID, "query",
                    "'%.*s' is no stage and no result of a query: there are %s",
                    (int)(name.size < 64 ? name.size : 64), (const char *)name.data, names);
}

static int fail_missing(const struct walk *walk, const struct sfs_grammar *row)
{
    return sfs_fail(walk->error, SFS_E_INVALID, "query", "'%s' is not complete: it is written %s",
                    row->name, row->usage);
}

bool sfs_query_goes_on(struct sfs_bytes element)
{
    return element.size >= CUT_MARK.size &&
           memcmp((const char *)element.data + element.size - CUT_MARK.size, CUT_MARK.data,
                  CUT_MARK.size) == 0;
}

int sfs_query_argument(struct sfs_bytes elements, struct sfs_buffer *text)
{
    struct walk walk = {.path = elements};
    struct sfs_buffer joined = {0};
    struct sfs_bytes element;
    int result = 0;
    while (result == 0 && next_element(&walk, &element)) {
        if (sfs_query_goes_on(element))
            element.size -= CUT_MARK.size;
        result = sfs_buffer_add(&joined, element);
    }
    if (result == 0)
        result = sfs_path_unescape(sfs_buffer_bytes(&joined), text);
    sfs_buffer_free(&joined);
    return result;
}

/* Takes the elements of one argument from the walk. */
static int take_argument(struct walk *walk, const struct sfs_grammar *row, struct sfs_buffer *text)
{
    const char *start = (const char *)walk->path.data + walk->at;
    struct sfs_bytes element;
    do {
        if (!next_element(walk, &element) || element.size == 0)
            return fail_missing(walk, row);
    } while (sfs_query_goes_on(element));
    size_t size = (size_t)((const char *)element.data - start) + element.size;
    return sfs_query_argument(sfs_bytes(start, size), text) ? sfs_fail_memory(walk->error, "query") : 0;
}

static int add_stage(struct walk *walk, const struct sfs_grammar *row, struct sfs_query *query)
{
    struct sfs_buffer texts[MOST_ARGUMENTS] = {{0}};
    struct sfs_bytes arguments[MOST_ARGUMENTS] = {{0}};
    int result = 0;
    for (unsigned i = 0; i < row->arguments && result == 0; i++) {
        result = take_argument(walk, row, &texts[i]);
        arguments[i] = sfs_buffer_bytes(&texts[i]);
    }
    if (result == 0)
        result = row->add(query, arguments, walk->error);
    for (unsigned i = 0; i < MOST_ARGUMENTS; i++)
        sfs_buffer_free(&texts[i]);
    return result;
}

/* What ends a path; its argument, if it takes one, becomes a stage. */
static int end_with(struct walk *walk, const struct sfs_grammar *row, struct sfs_query *query,
                    enum sfs_sink *ret_sink)
{
    int result = row->arguments > 0 ? add_stage(walk, row, query) : 0;
    if (result == 0 && !walk->ended)
        result = sfs_fail(walk->error, SFS_E_INVALID, "query", "nothing can follow '%s' in a query",
                          row->usage);
    if (result == 0)
        result = sfs_query_check_sink(query, row->sink, walk->error);
    *ret_sink = row->sink;
    return result;
}

static int parse_elements(struct walk *walk, struct sfs_query *query, enum sfs_sink *ret_sink)
{
    struct sfs_bytes name;
    while (next_element(walk, &name)) {
        const struct sfs_grammar *row = sfs_query_grammar_find(name);
        if (!row)
            return fail_name(walk, name);
        int result = row->sink == SFS_SINK_NONE ? add_stage(walk, row, query)
                                                : end_with(walk, row, query, ret_sink);
        if (result)
            return result;
    }
    return 0;
}

int sfs_query_parse(struct sfs_bytes path, struct sfs_query **ret_query, enum sfs_sink *ret_sink,
                    struct sfs_error *error)
{
    struct walk walk = {.path = path, .ended = path.size == 0, .error = error};
    struct sfs_query *query = NULL;
    enum sfs_sink sink = SFS_SINK_NONE;
    int result = sfs_query_new(&query, error);
    if (result == 0)
        result = parse_elements(&walk, query, &sink);
    if (result) {
        sfs_query_free(query);
        return result;
    }
    *ret_query = query;
    *ret_sink = sink;
    return 0;
}
