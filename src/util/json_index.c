/* SPDX-License-Identifier: MIT */
/* The index of JSON values, for what walks through them in another order than that of the text. */
#include "util/json_index.h"

#include <stdlib.h>

#include "util/json_internal.h"

#define NO_NODE SIZE_MAX

static int add_node(struct sfs_json_index *index, const char *at, const char *end, size_t next)
{
    if (index->count == index->capacity) {
        size_t capacity = index->capacity ? index->capacity * 2 : 64;
        struct sfs_json_node *nodes = capacity > SIZE_MAX / sizeof(*nodes)
                                          ? NULL
                                          : realloc(index->nodes, capacity * sizeof(*nodes));
        if (!nodes)
            return SFS_E_NO_MEMORY;
        index->nodes = nodes;
        index->capacity = capacity;
    }
    index->nodes[index->count++] = (struct sfs_json_node){at, end, next};
    return 0;
}

/* Completes the open container: gives it its end and returns the one around it. */
static size_t close_node(struct sfs_json_index *index, size_t open, const char *end)
{
    size_t around = index->nodes[open].next;
    index->nodes[open].end = end;
    index->nodes[open].next = index->count;
    return around;
}

int sfs_json_index_build(struct sfs_json_index *index, struct sfs_bytes text)
{
    const char *at = text.data;
    const char *end = at + text.size;
    size_t open = NO_NODE;
    while (at < end) {
        int result = 0;
        if (sfs_json_is_space(*at) || *at == ',' || *at == ':') {
            at++;
        } else if (*at == '[' || *at == '{') {
            size_t node = index->count;
            result = add_node(index, at++, end, open);
            open = node;
        } else if (*at == ']' || *at == '}') {
            at++;
            if (open != NO_NODE)
                open = close_node(index, open, at);
        } else {
            const char *next =
                *at == '"' ? sfs_json_skip_string(at, end) : sfs_json_skip_scalar(at, end);
            result = add_node(index, at, next, index->count + 1);
            at = next;
        }
        if (result)
            return result;
    }
    while (open != NO_NODE)
        open = close_node(index, open, end);
    return 0;
}

struct sfs_json sfs_json_index_value(const struct sfs_json_index *index, size_t node)
{
    return sfs_json_of_text(index->nodes[node].at, index->nodes[node].end);
}

/* By name; of duplicates the later one last. */
static int compare_members(const void *a, const void *b)
{
    const struct sfs_json_index_member *member_a = a;
    const struct sfs_json_index_member *member_b = b;
    int order = sfs_json_string_compare(member_a->name, member_b->name);
    return order ? order
                 : (member_a->value > member_b->value) - (member_a->value < member_b->value);
}

static size_t drop_duplicates(struct sfs_json_index_member *members, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && sfs_json_string_compare(members[kept - 1].name, members[i].name) == 0)
            kept--;
        members[kept++] = members[i];
    }
    return kept;
}

int sfs_json_index_members(const struct sfs_json_index *index, size_t node,
                           struct sfs_json_index_member **ret_members, size_t *ret_count)
{
    size_t end = index->nodes[node].next;
    size_t count = 0;
    for (size_t name = node + 1; name + 1 < end; name = index->nodes[name + 1].next)
        count++;
    struct sfs_json_index_member *members = count ? calloc(count, sizeof(*members)) : NULL;
    if (count && !members)
        return SFS_E_NO_MEMORY;
    size_t at = 0;
    for (size_t name = node + 1; name + 1 < end; name = index->nodes[name + 1].next)
        members[at++] = (struct sfs_json_index_member){sfs_json_index_value(index, name), name + 1};
    if (count > 1)
        qsort(members, count, sizeof(*members), compare_members);
    *ret_members = members;
    *ret_count = drop_duplicates(members, count);
    return 0;
}

void sfs_json_index_free(struct sfs_json_index *index)
{
    free(index->nodes);
    *index = (struct sfs_json_index){0};
}
