/* SPDX-License-Identifier: MIT */
/*
 * The total order of JSON values. Each side is first indexed; then both are walked with a stack of
 * our own.
 */
#include "util/json_index.h"

#include <stdlib.h>

/* One side of a pair of containers that is being walked. */
struct side {
    size_t node;                           /* array: the next element */
    size_t end;                            /* array: behind the last element */
    struct sfs_json_index_member *members; /* object: owned */
    size_t count;
    size_t at; /* object: the next member */
};

struct frame {
    bool object;
    struct side a;
    struct side b;
};

struct comparison {
    struct sfs_json_index a;
    struct sfs_json_index b;
    struct frame *frames;
    size_t depth;
    size_t capacity;
};

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
    result = sfs_json_index_members(&comparison->a, a, &frame->a.members, &frame->a.count);
    return result ? result
                  : sfs_json_index_members(&comparison->b, b, &frame->b.members, &frame->b.count);
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
    struct sfs_json value_a = sfs_json_index_value(&comparison->a, a);
    struct sfs_json value_b = sfs_json_index_value(&comparison->b, b);
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
    struct sfs_json_index_member a = frame->a.members[frame->a.at++];
    struct sfs_json_index_member b = frame->b.members[frame->b.at++];
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
    int result = sfs_json_index_build(&comparison.a, a.text);
    if (!result)
        result = sfs_json_index_build(&comparison.b, b.text);
    if (!result)
        result = walk(&comparison, &order);
    while (comparison.depth > 0)
        pop(&comparison);
    free(comparison.frames);
    sfs_json_index_free(&comparison.a);
    sfs_json_index_free(&comparison.b);
    if (!result)
        *ret_order = order;
    return result;
}
