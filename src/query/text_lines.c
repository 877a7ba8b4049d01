/* SPDX-License-Identifier: MIT */
/*
 * Results of aggregates as lines: of all rows the value alone, of groups the group's values, a tab
 * and the value. The different values of a field are the groups by that field.
 */
#include "query/document.h"
#include "query/row.h"
#include "query/text.h"

/* The group that the query ends with, but for filters, orders and the aggregate; NULL: none. */
static const struct sfs_query_stage *group_of(const struct sfs_query *query)
{
    size_t at = query->count;
    if (at > 0 && query->stages[at - 1]->kind == SFS_QUERY_AGGREGATE)
        at--;
    const struct sfs_query_stage *shape = sfs_query_shape(query, at);
    return shape && shape->kind == SFS_QUERY_GROUP ? shape : NULL;
}

/* Instead of the number of different values, these: a group for each. */
static int list_distinct(struct sfs_query *query, struct sfs_error *error)
{
    struct sfs_buffer field = {0};
    int result = 0;
    if (sfs_field_print(&query->stages[query->count - 1]->keys[0].field, &field))
        result = sfs_fail_memory(error, "query");
    sfs_query_cut(query, query->count - 1);
    if (result == 0)
        result = sfs_query_group(query, sfs_buffer_bytes(&field), error);
    sfs_buffer_free(&field);
    return result;
}

int sfs_text_lines_begin(struct sfs_text *text, struct sfs_error *error)
{
    if (text->sink == SFS_SINK_DISTINCT && !group_of(text->query))
        return list_distinct(text->query, error);
    return 0;
}

static struct sfs_value member_of(const struct sfs_record *row, const struct sfs_stage_field *key)
{
    struct sfs_value value = {.kind = SFS_VALUE_MISSING};
    if (sfs_json_member(sfs_json_view(sfs_record_value(row)), key->name, &value.is.json))
        value.kind = SFS_VALUE_JSON;
    return value;
}

/* The value of a line: how many members, the function's result, or one of the different values. */
static struct sfs_value value_of(const struct sfs_text *text, const struct sfs_record *row)
{
    const struct sfs_query *query = text->query;
    uint64_t members = 0;
    if (text->sink != SFS_SINK_COUNT)
        return member_of(row, &query->stages[query->count - 1]->keys[0]);
    sfs_row_members(row, &members);
    return (struct sfs_value){.kind = SFS_VALUE_INTEGER, .is.integer = (int64_t)members};
}

int sfs_text_line(struct sfs_text *text, const struct sfs_record *row)
{
    const struct sfs_query *query = text->query;
    const struct sfs_query_stage *group = group_of(query);
    bool grouped = group && (text->sink == SFS_SINK_COUNT ||
                             query->stages[query->count - 1]->kind == SFS_QUERY_AGGREGATE);
    struct sfs_value value = value_of(text, row);
    int result = 0;
    /* Of all rows, what is not there has no line; of a group it has \N. */
    if (!grouped && value.kind == SFS_VALUE_MISSING)
        return 0;
    for (size_t i = 0; grouped && i < group->key_count && result == 0; i++) {
        struct sfs_value of_group = member_of(row, &group->keys[i]);
        result = sfs_line_value(&text->made, &of_group);
        if (result == 0)
            result = sfs_buffer_byte(&text->made, '\t');
    }
    if (result == 0)
        result = sfs_line_value(&text->made, &value);
    return result ? result : sfs_buffer_byte(&text->made, '\n');
}
