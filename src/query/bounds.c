/* SPDX-License-Identifier: MIT */
/* Which keys a query can have in its result: what its first filters demand of @key. */
#include "query/bounds.h"

#include "util/glob.h"

static int replace(struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    buffer->size = 0;
    return sfs_buffer_add(buffer, bytes);
}

static int raise_from(struct sfs_bounds *bounds, struct sfs_bytes from)
{
    if (sfs_bytes_compare(from, sfs_buffer_bytes(&bounds->from)) <= 0)
        return 0;
    return replace(&bounds->from, from);
}

static int lower_to(struct sfs_bounds *bounds, struct sfs_bytes to)
{
    struct sfs_bytes present = sfs_buffer_bytes(&bounds->to);
    if (to.size == 0 || (present.size > 0 && sfs_bytes_compare(to, present) >= 0))
        return 0;
    return replace(&bounds->to, to);
}

/* The first name behind `key` is the key and a NUL. */
static int lower_to_behind(struct sfs_bounds *bounds, struct sfs_bytes key)
{
    struct sfs_buffer behind = {0};
    int result = sfs_buffer_add(&behind, key);
    if (result == 0)
        result = sfs_buffer_byte(&behind, '\0');
    if (result == 0)
        result = lower_to(bounds, sfs_buffer_bytes(&behind));
    sfs_buffer_free(&behind);
    return result;
}

static int narrow_to_glob(struct sfs_bounds *bounds, struct sfs_bytes pattern)
{
    struct sfs_buffer prefix = {0};
    struct sfs_buffer end = {0};
    struct sfs_range range = {{0}, {0}};
    int result = sfs_glob_prefix(pattern, &prefix);
    if (result == 0)
        result = sfs_range_prefix(sfs_buffer_bytes(&prefix), &end, &range);
    if (result == 0)
        result = raise_from(bounds, range.from);
    if (result == 0)
        result = lower_to(bounds, range.to);
    sfs_buffer_free(&prefix);
    sfs_buffer_free(&end);
    return result;
}

static int narrow_to_test(struct sfs_bounds *bounds, const struct sfs_node *node)
{
    if (node->field.property != SFS_PROPERTY_KEY || node->value.kind != SFS_VALUE_TEXT)
        return 0;
    struct sfs_bytes key = node->value.is.text;
    int result;
    switch (node->kind) {
    case SFS_NODE_EQUAL:
        result = raise_from(bounds, key);
        return result ? result : lower_to_behind(bounds, key);
    case SFS_NODE_GREATER:
    case SFS_NODE_GREATER_EQUAL:
        return raise_from(bounds, key);
    case SFS_NODE_LESS:
        return lower_to(bounds, key);
    case SFS_NODE_LESS_EQUAL:
        return lower_to_behind(bounds, key);
    case SFS_NODE_GLOB:
        return narrow_to_glob(bounds, key);
    default:
        return 0;
    }
}

static int narrow(struct sfs_bounds *bounds, const struct sfs_node *node)
{
    if (node->kind > SFS_NODE_NOT)
        return narrow_to_test(bounds, node);
    int result = 0;
    for (const struct sfs_node *operand = node->kind == SFS_NODE_AND ? node->first : NULL;
         operand && result == 0; operand = operand->next)
        result = narrow(bounds, operand);
    return result;
}

int sfs_bounds_find(const struct sfs_query *query, struct sfs_bounds *bounds)
{
    int result = 0;
    for (size_t i = 0; i < query->count && query->stages[i]->node && result == 0; i++)
        result = narrow(bounds, query->stages[i]->node);
    return result;
}

struct sfs_range sfs_bounds_range(const struct sfs_bounds *bounds)
{
    struct sfs_range range = {sfs_buffer_bytes(&bounds->from), sfs_buffer_bytes(&bounds->to)};
    /* Filters that no key can pass: an empty range, not one that is backwards. */
    if (range.to.size > 0 && sfs_bytes_compare(range.from, range.to) > 0)
        range.to = range.from;
    return range;
}

void sfs_bounds_free(struct sfs_bounds *bounds)
{
    sfs_buffer_free(&bounds->from);
    sfs_buffer_free(&bounds->to);
}
