/* SPDX-License-Identifier: MIT */
/* Queries: building and copying the list of stages. */
#include "storefs/query.h"

#include <inttypes.h>
#include <stdlib.h>

#include "query/stages.h"

static void stage_unref(struct sfs_query_stage *stage)
{
    if (!stage || atomic_fetch_sub(&stage->references, 1) > 1)
        return;
    sfs_arena_free(&stage->arena);
    free(stage);
}

static int stage_new(enum sfs_query_stage_kind kind, struct sfs_query_stage **ret_stage,
                     struct sfs_error *error)
{
    struct sfs_query_stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return sfs_fail_memory(error, "query");
    stage->kind = kind;
    atomic_init(&stage->references, 1);
    *ret_stage = stage;
    return 0;
}

/* Appends a stage that `built` says is complete; takes it over in any case. */
static int append(struct sfs_query *query, struct sfs_query_stage *stage, int built,
                  struct sfs_error *error)
{
    if (built == 0 && query->count == SFS_QUERY_STAGES_MAX)
        built = sfs_fail(error, SFS_E_INVALID, "query", "a query has at most %d stages",
                         SFS_QUERY_STAGES_MAX);
    if (built) {
        stage_unref(stage);
        return built;
    }
    query->stages[query->count++] = stage;
    return 0;
}

int sfs_query_new(struct sfs_query **ret_query, struct sfs_error *error)
{
    struct sfs_query *query = calloc(1, sizeof(*query));
    if (!query)
        return sfs_fail_memory(error, "query");
    *ret_query = query;
    return 0;
}

int sfs_query_copy(struct sfs_query **ret_query, const struct sfs_query *query,
                   struct sfs_error *error)
{
    struct sfs_query *copy = malloc(sizeof(*copy));
    if (!copy)
        return sfs_fail_memory(error, "query");
    *copy = *query;
    copy->options.directory = NULL;
    if (query->options.directory) {
        copy->options.directory = strdup(query->options.directory);
        if (!copy->options.directory) {
            free(copy);
            return sfs_fail_memory(error, "query");
        }
    }
    for (size_t i = 0; i < copy->count; i++)
        atomic_fetch_add(&copy->stages[i]->references, 1);
    *ret_query = copy;
    return 0;
}

void sfs_query_free(struct sfs_query *query)
{
    if (!query)
        return;
    for (size_t i = 0; i < query->count; i++)
        stage_unref(query->stages[i]);
    free((char *)query->options.directory);
    free(query);
}

void sfs_query_cut(struct sfs_query *query, size_t count)
{
    while (query->count > count)
        stage_unref(query->stages[--query->count]);
}

int sfs_query_configure(struct sfs_query *query, const struct sfs_query_options *options,
                        struct sfs_error *error)
{
    char *directory = options->directory ? strdup(options->directory) : NULL;
    if (options->directory && !directory)
        return sfs_fail_memory(error, "query");
    free((char *)query->options.directory);
    query->options = *options;
    query->options.directory = directory;
    return 0;
}

size_t sfs_query_stages(const struct sfs_query *query)
{
    return query->count;
}

int sfs_query_where(struct sfs_query *query, struct sfs_bytes expression, struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(SFS_QUERY_WHERE, &stage, error);
    if (result == 0)
        result = sfs_expression_parse(expression, &stage->arena, &stage->node, error);
    return append(query, stage, result, error);
}

static int build_by(struct sfs_query_stage *stage, struct sfs_bytes field, struct sfs_bytes value,
                    struct sfs_error *error)
{
    struct sfs_node *node = sfs_arena_alloc(&stage->arena, sizeof(*node));
    if (!node)
        return sfs_fail_memory(error, "query");
    int result = sfs_field_parse("by", field, &stage->arena, &node->field, error);
    if (result)
        return result;
    if (sfs_value_from_form(value, &stage->arena, &node->value))
        return sfs_fail_memory(error, "query");
    node->kind = SFS_NODE_EQUAL;
    stage->node = node;
    return 0;
}

int sfs_query_by(struct sfs_query *query, struct sfs_bytes field, struct sfs_bytes value,
                 struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(SFS_QUERY_BY, &stage, error);
    if (result == 0)
        result = build_by(stage, field, value, error);
    return append(query, stage, result, error);
}

/* --- what rows are --- */

enum sfs_row_kind sfs_query_rows(const struct sfs_query *query, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        if (query->stages[i - 1]->kind == SFS_QUERY_GROUP)
            return SFS_ROW_GROUPS;
        if (query->stages[i - 1]->kind == SFS_QUERY_AGGREGATE)
            return SFS_ROW_SUMMARIES;
    }
    return SFS_ROW_RECORDS;
}

const struct sfs_query_stage *sfs_query_shape(const struct sfs_query *query, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        if (query->stages[i - 1]->kind >= SFS_QUERY_SELECT)
            return query->stages[i - 1];
    }
    return NULL;
}

const struct sfs_query_stage *sfs_query_results_of(const struct sfs_query *query, size_t at)
{
    while (++at < query->count) {
        if (query->stages[at]->kind == SFS_QUERY_AGGREGATE)
            return query->stages[at];
    }
    return NULL;
}

static int append_fields(struct sfs_query *query, enum sfs_query_stage_kind kind,
                         struct sfs_bytes fields, struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(kind, &stage, error);
    if (result == 0)
        result = sfs_stage_fields_parse(fields, stage, error);
    return append(query, stage, result, error);
}

int sfs_query_order(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error)
{
    return append_fields(query, SFS_QUERY_ORDER, fields, error);
}

/* The function that a sink shows, which the query must end with; COUNT: none. */
static enum sfs_function function_of(enum sfs_sink sink)
{
    switch (sink) {
    case SFS_SINK_SUM:
        return SFS_FUNCTION_SUM;
    case SFS_SINK_AVG:
        return SFS_FUNCTION_AVG;
    case SFS_SINK_MIN:
        return SFS_FUNCTION_MIN;
    case SFS_SINK_MAX:
        return SFS_FUNCTION_MAX;
    case SFS_SINK_DISTINCT:
        return SFS_FUNCTION_DISTINCT;
    default:
        return SFS_FUNCTION_COUNT;
    }
}

int sfs_query_check_sink(const struct sfs_query *query, enum sfs_sink sink, struct sfs_error *error)
{
    enum sfs_function function = function_of(sink);
    const struct sfs_query_stage *last = query->count ? query->stages[query->count - 1] : NULL;
    if (sink == SFS_SINK_KEYS && sfs_query_rows(query, query->count) != SFS_ROW_RECORDS)
        return sfs_fail(error, SFS_E_INVALID, "query",
                        "keys: groups and aggregates have no keys: use values.ndjson or count");
    if (function == SFS_FUNCTION_COUNT)
        return 0;
    if (last && last->kind == SFS_QUERY_AGGREGATE && last->key_count == 1 &&
        last->keys[0].function == function)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "query", "%s: the query does not end with %s(FIELD)",
                    sfs_function_name(function), sfs_function_name(function));
}

/* Groups have no documents of their own to make others of. */
static int check_no_groups(const struct sfs_query *query, const char *what, struct sfs_error *error)
{
    if (sfs_query_rows(query, query->count) != SFS_ROW_GROUPS)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "query",
                    "%s: the rows are groups already: put it before group, or aggregate them first",
                    what);
}

int sfs_query_select(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error)
{
    int result = check_no_groups(query, "select", error);
    return result ? result : append_fields(query, SFS_QUERY_SELECT, fields, error);
}

int sfs_query_group(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error)
{
    int result = check_no_groups(query, "group", error);
    return result ? result : append_fields(query, SFS_QUERY_GROUP, fields, error);
}

/* `count` is the one function that is written as a field can be. */
static int check_count(const struct sfs_query *query, const struct sfs_query_stage *aggregate,
                       struct sfs_error *error)
{
    const struct sfs_query_stage *shape = sfs_query_shape(query, query->count);
    bool counts = false;
    for (size_t i = 0; i < aggregate->key_count; i++)
        counts = counts || aggregate->keys[i].function == SFS_FUNCTION_COUNT;
    for (size_t i = 0; shape && shape->kind == SFS_QUERY_GROUP && i < shape->key_count; i++) {
        if (counts && sfs_bytes_equal(shape->keys[i].name, SFS_LITERAL("count")))
            return sfs_fail(error, SFS_E_INVALID, "query",
                            "aggregate: the groups have a field that is called count, too");
    }
    return 0;
}

int sfs_query_aggregate(struct sfs_query *query, struct sfs_bytes functions,
                        struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(SFS_QUERY_AGGREGATE, &stage, error);
    if (result == 0)
        result = sfs_stage_fields_parse(functions, stage, error);
    if (result == 0)
        result = check_count(query, stage, error);
    return append(query, stage, result, error);
}

int sfs_query_add_function(struct sfs_query *query, enum sfs_function function,
                           struct sfs_bytes field, struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(SFS_QUERY_AGGREGATE, &stage, error);
    if (result == 0)
        result = sfs_stage_function_set(stage, function, field, error);
    return append(query, stage, result, error);
}

static int append_number(struct sfs_query *query, enum sfs_query_stage_kind kind, uint64_t count,
                         struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    if (count > INT64_MAX)
        return sfs_fail(error, SFS_E_INVALID, "query",
                        "%s: the number is negative or larger than %" PRId64,
                        kind == SFS_QUERY_LIMIT ? "limit" : "offset", INT64_MAX);
    int result = stage_new(kind, &stage, error);
    if (result == 0)
        stage->count = count;
    return append(query, stage, result, error);
}

int(sfs_query_limit)(struct sfs_query *query, uint64_t count, struct sfs_error *error)
{
    return append_number(query, SFS_QUERY_LIMIT, count, error);
}

int(sfs_query_offset)(struct sfs_query *query, uint64_t count, struct sfs_error *error)
{
    return append_number(query, SFS_QUERY_OFFSET, count, error);
}

static bool stage_reads(const struct sfs_query_stage *stage, unsigned properties)
{
    if (stage->node)
        return sfs_expression_reads(stage->node, properties);
    for (size_t i = 0; i < stage->key_count; i++) {
        bool counts =
            stage->kind == SFS_QUERY_AGGREGATE && stage->keys[i].function == SFS_FUNCTION_COUNT;
        if (!counts && (properties & SFS_READS(stage->keys[i].field.property)))
            return true;
    }
    return false;
}

bool sfs_query_stage_reads_value(const struct sfs_query_stage *stage)
{
    return stage_reads(stage, SFS_READS(SFS_PROPERTY_NONE));
}

bool sfs_query_stage_reads_times(const struct sfs_query_stage *stage)
{
    return stage_reads(stage, SFS_READS(SFS_PROPERTY_CREATED) | SFS_READS(SFS_PROPERTY_UPDATED));
}
