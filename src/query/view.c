/* SPDX-License-Identifier: MIT */
/* The stages of a query as data: storefs/query_stages.h. */
#include "query/stages.h"

const struct sfs_query_stage *sfs_query_stage_at(const struct sfs_query *query, size_t index)
{
    return query->stages[index];
}

enum sfs_query_stage_kind sfs_query_stage_kind(const struct sfs_query_stage *stage)
{
    return stage->kind;
}

uint64_t sfs_query_stage_count(const struct sfs_query_stage *stage)
{
    return stage->count;
}

const struct sfs_field *sfs_query_stage_field(const struct sfs_query_stage *stage, size_t index,
                                              bool *ret_descending)
{
    if (index >= stage->key_count)
        return NULL;
    if (ret_descending)
        *ret_descending = stage->keys[index].descending;
    return &stage->keys[index].field;
}

bool sfs_query_stage_function(const struct sfs_query_stage *stage, size_t index,
                              enum sfs_function *ret_function, const struct sfs_field **ret_field)
{
    if (stage->kind != SFS_QUERY_AGGREGATE || index >= stage->key_count)
        return false;
    const struct sfs_stage_field *key = &stage->keys[index];
    *ret_function = key->function;
    *ret_field = key->function == SFS_FUNCTION_COUNT ? NULL : &key->field;
    return true;
}

const struct sfs_node *sfs_query_stage_node(const struct sfs_query_stage *stage)
{
    return stage->node;
}

enum sfs_node_kind sfs_node_kind(const struct sfs_node *node)
{
    return node->kind;
}

const struct sfs_node *sfs_node_first(const struct sfs_node *node)
{
    return node->first;
}

const struct sfs_node *sfs_node_next(const struct sfs_node *node)
{
    return node->next;
}

const struct sfs_field *sfs_node_field(const struct sfs_node *node)
{
    return node->kind > SFS_NODE_NOT ? &node->field : NULL;
}

int sfs_node_literal(const struct sfs_node *node, struct sfs_buffer *out)
{
    if (node->kind < SFS_NODE_EQUAL)
        return SFS_E_INVALID;
    return sfs_value_json(&node->value, out);
}

bool sfs_node_text(const struct sfs_node *node, struct sfs_bytes *ret_text)
{
    if (node->kind < SFS_NODE_EQUAL || node->value.kind != SFS_VALUE_TEXT)
        return false;
    *ret_text = node->value.is.text;
    return true;
}
