/* SPDX-License-Identifier: MIT */
/* Writing sort keys. */
#include "query/sort_key.h"

#include <stdlib.h>

#include "query/sort_key_form.h"
#include "util/json_index.h"

/* --- strings --- */

static size_t count_low(const unsigned char *data, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += data[i] <= 1;
    return count;
}

/* Puts an escape before the bytes 0 and 1 of what the buffer holds from `start` on. */
static int escape_low(struct sfs_buffer *out, size_t start)
{
    unsigned char *data = (unsigned char *)out->data + start;
    size_t size = out->size - start;
    size_t more = size > 0 ? count_low(data, size) : 0;
    if (more == 0)
        return 0;
    if (sfs_buffer_reserve(out, more))
        return SFS_E_NO_MEMORY;
    data = (unsigned char *)out->data + start;
    for (size_t from = size, to = size + more; from < to;) {
        unsigned char byte = data[--from];
        if (byte <= 1) {
            data[--to] = (unsigned char)(byte + 1);
            byte = 1;
        }
        data[--to] = byte;
    }
    out->size += more;
    return 0;
}

static int end_text(struct sfs_buffer *out, size_t start)
{
    int result = escape_low(out, start);
    return result ? result : sfs_buffer_byte(out, SFS_SORT_KEY_END);
}

/* A string, or a member's name: `tag` tells. */
static int add_literal(enum sfs_sort_key_tag tag, struct sfs_json string, struct sfs_buffer *out)
{
    int result = sfs_buffer_byte(out, (char)tag);
    size_t start = out->size;
    if (result == 0)
        result = sfs_json_string_decode(string, out);
    return result ? result : end_text(out, start);
}

static int add_text(struct sfs_bytes text, struct sfs_buffer *out)
{
    int result = sfs_buffer_byte(out, SFS_SORT_KEY_STRING);
    size_t start = out->size;
    if (result == 0)
        result = sfs_buffer_add(out, text);
    return result ? result : end_text(out, start);
}

/* --- arrays and objects --- */

/* A container that is being written. */
struct frame {
    size_t node; /* array: the next element */
    size_t end;
    struct sfs_json_index_member *members; /* object; owned */
    size_t count;
    size_t at;
};

struct walk {
    struct sfs_json_index index;
    struct frame *frames;
    size_t depth;
    size_t capacity;
    struct sfs_buffer *out;
};

static int add_scalar(struct sfs_json json, struct sfs_buffer *out)
{
    if (json.type == SFS_JSON_STRING)
        return add_literal(SFS_SORT_KEY_STRING, json, out);
    if (json.type == SFS_JSON_NUMBER)
        return sfs_sort_key_add_number(json.text, out);
    return sfs_buffer_byte(out, (char)(SFS_SORT_KEY_NULL + json.type));
}

static int grow_stack(struct walk *walk)
{
    size_t capacity = walk->capacity ? walk->capacity * 2 : 8;
    struct frame *frames = realloc(walk->frames, capacity * sizeof(*frames));
    if (!frames)
        return SFS_E_NO_MEMORY;
    walk->frames = frames;
    walk->capacity = capacity;
    return 0;
}

/* Writes a scalar; opens a container. */
static int add_node(struct walk *walk, size_t node)
{
    struct sfs_json json = sfs_json_index_value(&walk->index, node);
    if (json.type < SFS_JSON_ARRAY)
        return add_scalar(json, walk->out);
    bool object = json.type == SFS_JSON_OBJECT;
    int result = walk->depth == walk->capacity ? grow_stack(walk) : 0;
    if (result == 0)
        result = sfs_buffer_byte(walk->out, object ? SFS_SORT_KEY_OBJECT : SFS_SORT_KEY_ARRAY);
    if (result)
        return result;
    size_t end = walk->index.nodes[node].next;
    struct frame *frame = &walk->frames[walk->depth++];
    *frame = (struct frame){.node = object ? end : node + 1, .end = end};
    return object ? sfs_json_index_members(&walk->index, node, &frame->members, &frame->count) : 0;
}

/* One step of the innermost open container: its next element or member, or its end. */
static int step(struct walk *walk)
{
    struct frame *frame = &walk->frames[walk->depth - 1];
    if (frame->at < frame->count) {
        struct sfs_json_index_member member = frame->members[frame->at++];
        int result = add_literal(SFS_SORT_KEY_MEMBER, member.name, walk->out);
        return result ? result : add_node(walk, member.value);
    }
    if (frame->node < frame->end) {
        size_t node = frame->node;
        frame->node = walk->index.nodes[node].next;
        return add_node(walk, node);
    }
    free(frame->members);
    walk->depth--;
    return sfs_buffer_byte(walk->out, SFS_SORT_KEY_END);
}

static int add_container(struct sfs_json json, struct sfs_buffer *out)
{
    struct walk walk = {.out = out};
    int result = sfs_json_index_build(&walk.index, json.text);
    if (result == 0)
        result = add_node(&walk, 0);
    while (result == 0 && walk.depth > 0)
        result = step(&walk);
    while (walk.depth > 0)
        free(walk.frames[--walk.depth].members);
    free(walk.frames);
    sfs_json_index_free(&walk.index);
    return result;
}

/* --- values --- */

static int add_integer(int64_t integer, struct sfs_buffer *out)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    uint64_t left = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (integer < 0)
        *--at = '-';
    return sfs_sort_key_add_number(sfs_bytes(at, (size_t)(digits + sizeof(digits) - at)), out);
}

static int add_value(const struct sfs_value *value, struct sfs_buffer *out)
{
    switch (value->kind) {
    case SFS_VALUE_MISSING:
        break;
    case SFS_VALUE_INTEGER:
        return add_integer(value->is.integer, out);
    case SFS_VALUE_TEXT:
        return add_text(value->is.text, out);
    case SFS_VALUE_JSON:
        return value->is.json.type < SFS_JSON_ARRAY ? add_scalar(value->is.json, out)
                                                    : add_container(value->is.json, out);
    }
    return sfs_buffer_byte(out, SFS_SORT_KEY_MISSING);
}

int sfs_sort_key_add(const struct sfs_value *value, bool descending, struct sfs_buffer *out)
{
    size_t start = out->size;
    int result = add_value(value, out);
    if (result)
        out->size = start;
    for (size_t i = start; descending && i < out->size; i++)
        out->data[i] = (char)~out->data[i];
    return result;
}
