/* SPDX-License-Identifier: MIT */
/*
 * The total order of JSON values. Each side is first indexed in one pass, so that stepping over a
 * nested value costs nothing however deep it is; then both are walked with a stack of our own.
 */
#include "util/json.h"

#include <stdlib.h>

#include "util/json_internal.h"

/* A value, or a member's name, in the order of the text. */
struct node {
    const char *at;
    const char *end;
    size_t
        next; /* the node behind this one and all that it holds; while it is open, its container */
};

struct index {
    struct node *nodes;
    size_t count;
    size_t capacity;
};

#define NO_NODE SIZE_MAX

static int add_node(struct index *index, const char *at, const char *end, size_t next)
{
    if (index->count == index->capacity) {
        size_t capacity = index->capacity ? index->capacity * 2 : 64;
        struct node *nodes = capacity > SIZE_MAX / sizeof(*nodes)
                                 ? NULL
                                 : realloc(index->nodes, capacity * sizeof(*nodes));
        if (!nodes)
            return SFS_E_NO_MEMORY;
        index->nodes = nodes;
        index->capacity = capacity;
    }
    index->nodes[index->count++] = (struct node){at, end, next};
    return 0;
}

/* Completes the open container: gives it its end and returns the one around it. */
static size_t close_node(struct index *index, size_t open, const char *end)
{
    size_t around = index->nodes[open].next;
    index->nodes[open].end = end;
    index->nodes[open].next = index->count;
    return around;
}

static int build_index(struct index *index, struct sfs_bytes text)
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

static struct sfs_json node_value(const struct index *index, size_t node)
{
    return sfs_json_of_text(index->nodes[node].at, index->nodes[node].end);
}

struct member {
    struct sfs_json name;
    size_t value; /* node */
};

/* By name; of duplicates the later one last. */
static int compare_members(const void *a, const void *b)
{
    const struct member *member_a = a;
    const struct member *member_b = b;
    int order = sfs_json_string_compare(member_a->name, member_b->name);
    return order ? order
                 : (member_a->value > member_b->value) - (member_a->value < member_b->value);
}

/* One side of a pair of containers that is being walked. */
struct side {
    size_t node;            /* array: the next element */
    size_t end;             /* array: behind the last element */
    struct member *members; /* object: the members by name, without duplicates; owned */
    size_t count;
    size_t at; /* object: the next member */
};

struct frame {
    bool object;
    struct side a;
    struct side b;
};

struct comparison {
    struct index a;
    struct index b;
    struct frame *frames;
    size_t depth;
    size_t capacity;
};

static size_t drop_duplicates(struct member *members, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && sfs_json_string_compare(members[kept - 1].name, members[i].name) == 0)
            kept--;
        members[kept++] = members[i];
    }
    return kept;
}

static int open_object(const struct index *index, size_t node, struct side *side)
{
    size_t end = index->nodes[node].next;
    size_t count = 0;
    for (size_t name = node + 1; name + 1 < end; name = index->nodes[name + 1].next)
        count++;
    if (count == 0)
        return 0;
    side->members = calloc(count, sizeof(*side->members));
    if (!side->members)
        return SFS_E_NO_MEMORY;
    size_t at = 0;
    for (size_t name = node + 1; name + 1 < end; name = index->nodes[name + 1].next)
        side->members[at++] = (struct member){node_value(index, name), name + 1};
    qsort(side->members, count, sizeof(*side->members), compare_members);
    side->count = drop_duplicates(side->members, count);
    return 0;
}

static int grow_stack(struct comparison *comparison)
{
    size_t capacity = comparison->capacity ? comparison->capacity * 2 : 16;
    struct frame *frames = capacity > SIZE_MAX / sizeof(*frames)
                               ? NULL
                               : realloc(comparison->frames, capacity * sizeof(*frames));
    if (!frames)
        return SFS_E_NO_MEMORY;
    comparison->frames = frames;
    comparison->capacity = capacity;
    return 0;
}

static int push(struct comparison *comparison, bool object, size_t a, size_t b)
{
    int result = comparison->depth == comparison->capacity ? grow_stack(comparison) : 0;
    if (result)
        return result;
    struct frame *frame = &comparison->frames[comparison->depth++];
    *frame = (struct frame){
        .object = object,
        .a = {.node = a + 1, .end = comparison->a.nodes[a].next},
        .b = {.node = b + 1, .end = comparison->b.nodes[b].next},
    };
    if (!object)
        return 0;
    result = open_object(&comparison->a, a, &frame->a);
    return result ? result : open_object(&comparison->b, b, &frame->b);
}

static void pop(struct comparison *comparison)
{
    struct frame *frame = &comparison->frames[--comparison->depth];
    free(frame->a.members);
    free(frame->b.members);
}

static int compare_scalars(struct sfs_json a, struct sfs_json b)
{
    if (a.type != b.type)
        return a.type < b.type ? -1 : 1;
    if (a.type == SFS_JSON_NUMBER)
        return sfs_json_number_compare(a.text, b.text);
    return a.type == SFS_JSON_STRING ? sfs_json_string_compare(a, b) : 0;
}

/* Decides two nodes, or pushes them where their contents decide. */
static int compare_nodes(struct comparison *comparison, size_t a, size_t b, int *order)
{
    struct sfs_json value_a = node_value(&comparison->a, a);
    struct sfs_json value_b = node_value(&comparison->b, b);
    if (value_a.type == value_b.type && value_a.type >= SFS_JSON_ARRAY)
        return push(comparison, value_a.type == SFS_JSON_OBJECT, a, b);
    *order = compare_scalars(value_a, value_b);
    return 0;
}

/* One step of the topmost pair of arrays. */
static int step_array(struct comparison *comparison, int *order)
{
    struct frame *frame = &comparison->frames[comparison->depth - 1];
    size_t a = frame->a.node;
    size_t b = frame->b.node;
    bool more_a = a < frame->a.end;
    bool more_b = b < frame->b.end;
    if (!more_a || !more_b) {
        *order = more_a - more_b;
        pop(comparison);
        return 0;
    }
    frame->a.node = comparison->a.nodes[a].next;
    frame->b.node = comparison->b.nodes[b].next;
    return compare_nodes(comparison, a, b, order);
}

/* One step of the topmost pair of objects. */
static int step_object(struct comparison *comparison, int *order)
{
    struct frame *frame = &comparison->frames[comparison->depth - 1];
    bool more_a = frame->a.at < frame->a.count;
    bool more_b = frame->b.at < frame->b.count;
    if (!more_a || !more_b) {
        *order = more_a - more_b;
        pop(comparison);
        return 0;
    }
    struct member a = frame->a.members[frame->a.at++];
    struct member b = frame->b.members[frame->b.at++];
    *order = sfs_json_string_compare(a.name, b.name);
    return *order ? 0 : compare_nodes(comparison, a.value, b.value, order);
}

static int walk(struct comparison *comparison, int *order)
{
    int result = compare_nodes(comparison, 0, 0, order);
    while (!result && *order == 0 && comparison->depth > 0) {
        if (comparison->frames[comparison->depth - 1].object)
            result = step_object(comparison, order);
        else
            result = step_array(comparison, order);
    }
    return result;
}

int sfs_json_compare(struct sfs_json a, struct sfs_json b, int *ret_order)
{
    if (a.type != b.type || a.type < SFS_JSON_ARRAY) {
        *ret_order = compare_scalars(a, b);
        return 0;
    }
    if (sfs_bytes_equal(a.text, b.text)) {
        *ret_order = 0;
        return 0;
    }
    struct comparison comparison = {0};
    int order = 0;
    int result = build_index(&comparison.a, a.text);
    if (!result)
        result = build_index(&comparison.b, b.text);
    if (!result)
        result = walk(&comparison, &order);
    while (comparison.depth > 0)
        pop(&comparison);
    free(comparison.frames);
    free(comparison.a.nodes);
    free(comparison.b.nodes);
    if (!result)
        *ret_order = order;
    return result;
}
