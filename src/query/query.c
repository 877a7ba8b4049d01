/* SPDX-License-Identifier: MIT */
/* Queries: building, copying and printing the list of stages. */
#include "storefs/query.h"

#include <inttypes.h>
#include <stdlib.h>

#include "query/stages.h"
#include "storefs/path.h"

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
    free(query);
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

int sfs_query_order(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(SFS_QUERY_ORDER, &stage, error);
    if (result == 0)
        result = sfs_order_parse(fields, stage, error);
    return append(query, stage, result, error);
}

static int append_number(struct sfs_query *query, enum sfs_query_stage_kind kind, uint64_t count,
                         struct sfs_error *error)
{
    struct sfs_query_stage *stage = NULL;
    int result = stage_new(kind, &stage, error);
    if (result == 0)
        stage->count = count;
    return append(query, stage, result, error);
}

int sfs_query_limit(struct sfs_query *query, uint64_t count, struct sfs_error *error)
{
    return append_number(query, SFS_QUERY_LIMIT, count, error);
}

int sfs_query_offset(struct sfs_query *query, uint64_t count, struct sfs_error *error)
{
    return append_number(query, SFS_QUERY_OFFSET, count, error);
}

/* --- printing --- */

/* Appends '/' and what the second buffer holds, escaped as one path element; empties that. */
static int add_element(struct sfs_buffer *out, struct sfs_buffer *element)
{
    int result = sfs_buffer_byte(out, '/');
    if (result == 0)
        result = sfs_path_escape(sfs_buffer_bytes(element), out);
    element->size = 0;
    return result;
}

static int print_by(const struct sfs_node *node, struct sfs_buffer *element, struct sfs_buffer *out)
{
    int result = sfs_field_print(&node->field, element);
    if (result == 0)
        result = add_element(out, element);
    return result ? result : sfs_value_form(&node->value, element);
}

static int print_argument(const struct sfs_query_stage *stage, struct sfs_buffer *element,
                          struct sfs_buffer *out)
{
    switch (stage->kind) {
    case SFS_QUERY_WHERE:
        return sfs_expression_print(stage->node, element);
    case SFS_QUERY_BY:
        return print_by(stage->node, element, out);
    case SFS_QUERY_ORDER:
        return sfs_order_print(stage, element);
    case SFS_QUERY_LIMIT:
    case SFS_QUERY_OFFSET:
        break;
    }
    return sfs_buffer_printf(element, "%" PRIu64, stage->count);
}

int sfs_query_stage_print(const struct sfs_query_stage *stage, struct sfs_buffer *out)
{
    static const char *const names[] = {"where", "by", "order", "limit", "offset"};
    struct sfs_buffer element = {0};
    int result = sfs_buffer_add(out, sfs_string(names[stage->kind]));
    if (result == 0)
        result = print_argument(stage, &element, out);
    if (result == 0)
        result = add_element(out, &element);
    sfs_buffer_free(&element);
    return result;
}

bool sfs_query_stage_reads_value(const struct sfs_query_stage *stage)
{
    if (stage->node)
        return sfs_expression_reads_value(stage->node);
    for (size_t i = 0; i < stage->key_count; i++) {
        if (stage->keys[i].field.property == SFS_PROPERTY_NONE)
            return true;
    }
    return false;
}
