/* SPDX-License-Identifier: MIT */
/* JSON text as JSON.stringify(JSON.parse(text)) gives it. */
#include "util/js_value.h"

#include <stdlib.h>

#include "util/json_index.h"

bool sfs_js_is_index(struct sfs_bytes name, uint32_t *ret_number)
{
    const char *digits = name.data;
    uint64_t number = 0;
    if (name.size == 0 || name.size > 10 || (digits[0] == '0' && name.size > 1))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    *ret_number = (uint32_t)number;
    return number < UINT32_MAX;
}

/* A member of an object, on its way to its place. */
struct member {
    struct sfs_json name;
    size_t value; /* its node */
    size_t place; /* in the text */
    bool is_index;
    uint32_t number;
};

/* A container that is being written: an object has its members, an array the node of the next. */
struct frame {
    struct member *members;
    size_t count;
    size_t at;
    size_t end; /* the node behind an array's last */
    char closing;
};

struct writer {
    struct sfs_json_index index;
    struct frame *frames;
    size_t depth;
    size_t capacity;
    struct sfs_buffer *out;
};

static int write_string(struct sfs_json string, struct sfs_buffer *out)
{
    struct sfs_buffer text = {0};
    if (!memchr(string.text.data, '\\', string.text.size))
        return sfs_buffer_add(out, string.text);
    int result = sfs_json_string_decode(string, &text);
    if (!result)
        result = sfs_json_string_encode(sfs_buffer_bytes(&text), out);
    sfs_buffer_free(&text);
    return result;
}

static int write_scalar(struct sfs_json value, struct sfs_buffer *out)
{
    char number[SFS_JS_NUMBER_MAX];
    if (value.type == SFS_JSON_STRING)
        return write_string(value, out);
    if (value.type != SFS_JSON_NUMBER)
        return sfs_buffer_add(out, value.text);
    size_t size = sfs_js_number(value.text, number);
    return size ? sfs_buffer_append(out, number, size) : sfs_buffer_append(out, "null", 4);
}

/* --- members in JavaScript's order --- */

static int by_name(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;
    int order = sfs_json_string_compare(left->name, right->name);
    return order ? order : (left->place > right->place) - (left->place < right->place);
}

static int by_place(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;
    if (left->is_index != right->is_index)
        return left->is_index ? -1 : 1;
    if (left->is_index)
        return (left->number > right->number) - (left->number < right->number);
    return (left->place > right->place) - (left->place < right->place);
}

/* Of members with one name, which stand together, the first gets the last one's value and stays. */
static size_t drop_duplicates(struct member *members, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool same =
            kept > 0 && sfs_json_string_compare(members[kept - 1].name, members[i].name) == 0;
        if (same)
            members[kept - 1].value = members[i].value;
        else
            members[kept++] = members[i];
    }
    return kept;
}

/* An escaped name may be an index too: "\u0031" is 1. */
static int classify(struct member *member)
{
    struct sfs_buffer text = {0};
    struct sfs_bytes inner = {(const char *)member->name.text.data + 1, member->name.text.size - 2};
    if (!memchr(inner.data, '\\', inner.size)) {
        member->is_index = sfs_js_is_index(inner, &member->number);
        return 0;
    }
    int result = sfs_json_string_decode(member->name, &text);
    if (!result)
        member->is_index = sfs_js_is_index(sfs_buffer_bytes(&text), &member->number);
    sfs_buffer_free(&text);
    return result;
}

static size_t count_members(const struct sfs_json_index *index, size_t node)
{
    size_t count = 0;
    for (size_t name = node + 1; name < index->nodes[node].next; name = index->nodes[name + 1].next)
        count++;
    return count;
}

static int order_members(const struct sfs_json_index *index, size_t node, struct frame *frame)
{
    size_t place = 0;
    size_t count = count_members(index, node);
    struct member *members = calloc(count ? count : 1, sizeof(*members));
    if (!members)
        return SFS_E_NO_MEMORY;
    frame->members = members;
    for (size_t name = node + 1; place < count; name = index->nodes[name + 1].next) {
        members[place] = (struct member){
            .name = sfs_json_index_value(index, name), .value = name + 1, .place = place};
        int result = classify(&members[place++]);
        if (result)
            return result;
    }
    if (count > 1) {
        qsort(members, count, sizeof(*members), by_name);
        count = drop_duplicates(members, count);
        qsort(members, count, sizeof(*members), by_place);
    }
    frame->count = count;
    return 0;
}

/* --- the walk --- */

static int push(struct writer *writer, size_t node, enum sfs_json_type type)
{
    if (writer->depth == writer->capacity) {
        size_t capacity = writer->capacity ? writer->capacity * 2 : 16;
        struct frame *frames = reallocarray(writer->frames, capacity, sizeof(*frames));
        if (!frames)
            return SFS_E_NO_MEMORY;
        writer->frames = frames;
        writer->capacity = capacity;
    }
    struct frame *frame = &writer->frames[writer->depth++];
    *frame = (struct frame){.closing = type == SFS_JSON_OBJECT ? '}' : ']'};
    frame->end = writer->index.nodes[node].next;
    if (type == SFS_JSON_OBJECT)
        return order_members(&writer->index, node, frame);
    frame->at = node + 1;
    return 0;
}

/* Writes a value, or opens it. */
static int write_node(struct writer *writer, size_t node)
{
    struct sfs_json value = sfs_json_index_value(&writer->index, node);
    if (value.type != SFS_JSON_ARRAY && value.type != SFS_JSON_OBJECT)
        return write_scalar(value, writer->out);
    int result = sfs_buffer_byte(writer->out, value.type == SFS_JSON_OBJECT ? '{' : '[');
    return result ? result : push(writer, node, value.type);
}

static int separate(struct writer *writer)
{
    char last = writer->out->data[writer->out->size - 1];
    return last == '[' || last == '{' ? 0 : sfs_buffer_byte(writer->out, ',');
}

static int step_object(struct writer *writer, struct frame *frame)
{
    const struct member *member = &frame->members[frame->at++];
    int result = separate(writer);
    if (!result)
        result = write_string(member->name, writer->out);
    if (!result)
        result = sfs_buffer_byte(writer->out, ':');
    return result ? result : write_node(writer, member->value);
}

static int step_array(struct writer *writer, struct frame *frame)
{
    size_t node = frame->at;
    frame->at = writer->index.nodes[node].next;
    int result = separate(writer);
    return result ? result : write_node(writer, node);
}

static int step(struct writer *writer)
{
    struct frame *frame = &writer->frames[writer->depth - 1];
    if (frame->closing == '}' && frame->at < frame->count)
        return step_object(writer, frame);
    if (frame->closing == ']' && frame->at < frame->end)
        return step_array(writer, frame);
    free(frame->members);
    writer->depth--;
    return sfs_buffer_byte(writer->out, frame->closing);
}

int sfs_js_canonical(struct sfs_json value, struct sfs_buffer *out)
{
    struct writer writer = {.out = out};
    size_t size = out->size;
    int result;
    if (value.type != SFS_JSON_ARRAY && value.type != SFS_JSON_OBJECT) {
        result = write_scalar(value, out);
    } else {
        result = sfs_json_index_build(&writer.index, value.text);
        if (!result)
            result = write_node(&writer, 0);
        while (!result && writer.depth > 0)
            result = step(&writer);
    }
    while (writer.depth > 0)
        free(writer.frames[--writer.depth].members);
    free(writer.frames);
    sfs_json_index_free(&writer.index);
    if (result)
        out->size = size;
    return result;
}
