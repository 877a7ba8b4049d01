/* SPDX-License-Identifier: MIT */
/* Values turned to strings, and searching in them, as JavaScript does. */
#include "util/js_value.h"
#include "util/json_index.h"
#include "util/utf8.h"

/* --- String(value) --- */

/* An element of an array that is being joined. */
static int join_scalar(struct sfs_json value, struct sfs_buffer *out)
{
    if (value.type == SFS_JSON_NULL)
        return 0;
    if (value.type == SFS_JSON_STRING)
        return sfs_json_string_decode(value, out);
    if (value.type == SFS_JSON_OBJECT)
        return sfs_buffer_append(out, "[object Object]", 15);
    return sfs_buffer_add(out, value.text);
}

/* Arrays in arrays join with the same comma, so that one walk over all of them does. */
static int join(const struct sfs_json_index *index, struct sfs_buffer *out)
{
    bool first = true;
    for (size_t node = 1; node < index->count;) {
        struct sfs_json value = sfs_json_index_value(index, node);
        int result = first ? 0 : sfs_buffer_byte(out, ',');
        bool opens = value.type == SFS_JSON_ARRAY && index->nodes[node].next > node + 1;
        if (!result && value.type != SFS_JSON_ARRAY)
            result = join_scalar(value, out);
        if (result)
            return result;
        first = opens;
        node = opens ? node + 1 : index->nodes[node].next;
    }
    return 0;
}

static int join_array(struct sfs_json array, struct sfs_buffer *out)
{
    struct sfs_json_index index = {0};
    size_t size = out->size;
    int result = sfs_json_index_build(&index, array.text);
    if (!result)
        result = join(&index, out);
    sfs_json_index_free(&index);
    if (result)
        out->size = size;
    return result;
}

int sfs_js_string(struct sfs_json canonical, struct sfs_buffer *out)
{
    if (canonical.type == SFS_JSON_ARRAY)
        return join_array(canonical, out);
    if (canonical.type == SFS_JSON_NULL)
        return sfs_buffer_append(out, "null", 4);
    return join_scalar(canonical, out);
}

/* --- text --- */

static bool is_high(uint32_t point)
{
    return point >= 0xd800 && point <= 0xdbff;
}

static bool is_low(uint32_t point)
{
    return point >= 0xdc00 && point <= 0xdfff;
}

bool sfs_js_is_text(struct sfs_bytes text)
{
    if (sfs_utf8_valid(text))
        return true;
    const char *at = text.data;
    uint32_t before = 0;
    for (size_t left = text.size; left > 0;) {
        uint32_t point;
        size_t size = sfs_wtf8_decode(at, left, &point);
        if (size == 0 || (is_high(before) && is_low(point)))
            return false;
        before = point;
        at += size;
        left -= size;
    }
    return true;
}

/* --- by UTF-16 units --- */

/* A place between two units; `half` is in the middle of a pair. */
struct units {
    const char *at;
    size_t left;
    bool half;
};

/* The next unit, or -1 at the end. */
static int next_unit(struct units *units)
{
    uint32_t point;
    size_t size = units->left ? sfs_wtf8_decode(units->at, units->left, &point) : 0;
    if (size == 0)
        return -1;
    bool high = point > 0xffff && !units->half;
    int unit = point <= 0xffff ? (int)point
               : high          ? (int)(0xd800 + ((point - 0x10000) >> 10))
                               : (int)(0xdc00 + ((point - 0x10000) & 0x3ff));
    units->half = high;
    if (!high) {
        units->at += size;
        units->left -= size;
    }
    return unit;
}

static bool matches(struct units text, struct units part)
{
    for (;;) {
        int wanted = next_unit(&part);
        if (wanted < 0)
            return true;
        if (next_unit(&text) != wanted)
            return false;
    }
}

static struct units units_of(struct sfs_bytes text)
{
    return (struct units){.at = text.data, .left = text.size};
}

/* Whether the part begins or ends with a surrogate, which may be half of a pair in the text: then
 * bytes do not tell. */
static bool is_torn(struct sfs_bytes part)
{
    uint32_t point;
    const char *at = part.data;
    if (part.size < 3)
        return false;
    if (sfs_wtf8_decode(at, part.size, &point) == 3 && is_low(point))
        return true;
    return sfs_wtf8_decode(at + part.size - 3, 3, &point) == 3 && is_high(point);
}

bool sfs_js_includes(struct sfs_bytes text, struct sfs_bytes part)
{
    if (part.size == 0)
        return true;
    if (!is_torn(part))
        return text.size >= part.size && memmem(text.data, text.size, part.data, part.size);
    struct units units = units_of(text);
    do {
        if (matches(units, units_of(part)))
            return true;
    } while (next_unit(&units) >= 0);
    return false;
}

bool sfs_js_starts(struct sfs_bytes text, struct sfs_bytes part)
{
    return is_torn(part) ? matches(units_of(text), units_of(part)) : sfs_bytes_starts(text, part);
}
