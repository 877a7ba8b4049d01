/* SPDX-License-Identifier: MIT */
/* Queries as paths. */
#include <inttypes.h>

#include "query/stages.h"
#include "storefs/path.h"

/* In elements that are file names, each but the last with the mark that it goes on. The last has three
 * bytes or more, so it is not one that leads elsewhere. */
static int add_pieces(struct sfs_buffer *out, struct sfs_bytes rest)
{
    int result = 0;
    while (result == 0 && rest.size > SFS_PATH_NAME_MAX) {
        result = sfs_buffer_append(out, rest.data, SFS_PATH_PIECE);
        if (result == 0)
            result = sfs_buffer_add(out, SFS_LITERAL("%+/"));
        rest = sfs_bytes((const char *)rest.data + SFS_PATH_PIECE, rest.size - SFS_PATH_PIECE);
    }
    return result ? result : sfs_buffer_add(out, rest);
}

/* Appends '/' and what the second buffer holds, escaped as an argument; empties that. */
static int add_element(struct sfs_buffer *out, struct sfs_buffer *element)
{
    struct sfs_buffer escaped = {0};
    int result = sfs_buffer_byte(out, '/');
    if (result == 0)
        result = sfs_path_escape(sfs_buffer_bytes(element), &escaped);
    if (result == 0)
        result = add_pieces(out, sfs_buffer_bytes(&escaped));
    sfs_buffer_free(&escaped);
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
    case SFS_QUERY_SELECT:
    case SFS_QUERY_GROUP:
    case SFS_QUERY_AGGREGATE:
        return sfs_stage_fields_print(stage, element);
    case SFS_QUERY_LIMIT:
    case SFS_QUERY_OFFSET:
        break;
    }
    return sfs_buffer_printf(element, "%" PRIu64, stage->count);
}

int sfs_query_stage_print(const struct sfs_query_stage *stage, struct sfs_buffer *out)
{
    static const char *const names[] = {"where",  "by",     "order", "limit",
                                        "offset", "select", "group", "aggregate"};
    struct sfs_buffer element = {0};
    int result = sfs_buffer_add(out, sfs_string(names[stage->kind]));
    if (result == 0)
        result = print_argument(stage, &element, out);
    if (result == 0)
        result = add_element(out, &element);
    sfs_buffer_free(&element);
    return result;
}

/* The row of the grammar of a sink. */
static const struct sfs_grammar *row_of(enum sfs_sink sink)
{
    const struct sfs_grammar *row = sfs_query_grammar();
    while (row->name && row->sink != sink)
        row++;
    return row;
}

static int print_sink(const struct sfs_query *query, const struct sfs_grammar *row,
                      struct sfs_buffer *out)
{
    struct sfs_buffer element = {0};
    int result = query->count > row->arguments ? sfs_buffer_byte(out, '/') : 0;
    if (result == 0)
        result = sfs_buffer_add(out, sfs_string(row->name));
    if (result == 0 && row->arguments > 0) {
        result = sfs_field_print(&query->stages[query->count - 1]->keys[0].field, &element);
        if (result == 0)
            result = add_element(out, &element);
    }
    sfs_buffer_free(&element);
    return result;
}

int sfs_query_print(const struct sfs_query *query, enum sfs_sink sink, struct sfs_buffer *out,
                    struct sfs_error *error)
{
    size_t size = out->size;
    const struct sfs_grammar *row = row_of(sink);
    int result = sfs_query_check_sink(query, sink, error);
    if (result)
        return result;
    /* The last stage is what the sink is of. */
    size_t count = query->count - (sink == SFS_SINK_NONE ? 0 : row->arguments);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (i > 0)
            result = sfs_buffer_byte(out, '/');
        if (result == 0)
            result = sfs_query_stage_print(query->stages[i], out);
    }
    if (result == 0 && sink != SFS_SINK_NONE)
        result = print_sink(query, row, out);
    if (result == 0)
        return 0;
    out->size = size;
    return sfs_fail_memory(error, "query");
}
