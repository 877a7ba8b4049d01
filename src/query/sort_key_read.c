/* SPDX-License-Identifier: MIT */
/* Reading sort keys: back to JSON, to an integer, to a text. */
#include "query/sort_key_form.h"
#include "util/utf8.h"

static struct sfs_sort_key_reader reader_of(struct sfs_bytes rest, bool descending)
{
    const unsigned char *start = rest.size ? rest.data : (const void *)"";
    return (struct sfs_sort_key_reader){start, start + rest.size, descending ? 0xff : 0};
}

/* The next byte, or a value that no byte has. */
static int take(struct sfs_sort_key_reader *reader)
{
    return reader->at == reader->end ? -1 : *reader->at++ ^ reader->mask;
}

static struct sfs_bytes rest_of(const struct sfs_sort_key_reader *reader)
{
    return sfs_bytes(reader->at, (size_t)(reader->end - reader->at));
}

/* --- strings --- */

static int read_bytes(struct sfs_sort_key_reader *reader, struct sfs_buffer *out)
{
    for (int byte = take(reader); byte != SFS_SORT_KEY_END; byte = take(reader)) {
        if (byte == 1) {
            byte = take(reader) - 1;
            if (byte != 0 && byte != 1)
                return SFS_E_INVALID;
        }
        if (byte < 0)
            return SFS_E_INVALID;
        if (sfs_buffer_byte(out, (char)byte))
            return SFS_E_NO_MEMORY;
    }
    return 0;
}

/* Texts with a character of WTF-8 for each byte that is none. */
static int add_repaired(struct sfs_bytes text, struct sfs_buffer *out)
{
    const char *data = text.data;
    uint32_t point = 0;
    for (size_t at = 0; at < text.size;) {
        char bytes[4];
        size_t length = sfs_wtf8_decode(data + at, text.size - at, &point);
        size_t size = length;
        if (length == 0)
            size = sfs_utf8_encode(0xdc00U + (unsigned char)data[at], bytes);
        if (sfs_buffer_append(out, length ? data + at : bytes, size))
            return SFS_E_NO_MEMORY;
        at += length ? length : 1;
    }
    return 0;
}

static int add_string(struct sfs_bytes text, struct sfs_buffer *out)
{
    struct sfs_buffer repaired = {0};
    int result = sfs_json_string_encode(text, out);
    if (result == SFS_E_INVALID) {
        result = add_repaired(text, &repaired);
        if (result == 0)
            result = sfs_json_string_encode(sfs_buffer_bytes(&repaired), out);
        sfs_buffer_free(&repaired);
    }
    return result;
}

static int read_string(struct sfs_sort_key_reader *reader, struct sfs_buffer *out)
{
    struct sfs_buffer text = {0};
    int result = read_bytes(reader, &text);
    if (result == 0)
        result = add_string(sfs_buffer_bytes(&text), out);
    sfs_buffer_free(&text);
    return result;
}

/* --- values --- */

/* What is open while nested values are read: one byte a level. */
enum level {
    EMPTY_ARRAY,
    ARRAY,
    EMPTY_OBJECT,
    OBJECT,
};

/* Reads the value whose tag was taken; containers are opened. */
static int read_tagged(struct sfs_sort_key_reader *reader, int tag, struct sfs_buffer *levels,
                       struct sfs_buffer *out)
{
    switch (tag) {
    case SFS_SORT_KEY_NULL:
        return sfs_buffer_add(out, SFS_LITERAL("null"));
    case SFS_SORT_KEY_FALSE:
        return sfs_buffer_add(out, SFS_LITERAL("false"));
    case SFS_SORT_KEY_TRUE:
        return sfs_buffer_add(out, SFS_LITERAL("true"));
    case SFS_SORT_KEY_NEGATIVE:
    case SFS_SORT_KEY_POSITIVE:
        return sfs_sort_key_read_number(reader, tag == SFS_SORT_KEY_NEGATIVE, out);
    case SFS_SORT_KEY_ZERO:
        return sfs_buffer_byte(out, '0');
    case SFS_SORT_KEY_STRING:
        return read_string(reader, out);
    case SFS_SORT_KEY_ARRAY:
    case SFS_SORT_KEY_OBJECT:
        if (sfs_buffer_byte(levels, tag == SFS_SORT_KEY_ARRAY ? EMPTY_ARRAY : EMPTY_OBJECT))
            return SFS_E_NO_MEMORY;
        return sfs_buffer_byte(out, tag == SFS_SORT_KEY_ARRAY ? '[' : '{');
    default:
        return SFS_E_INVALID;
    }
}

/* The next element or member of the innermost container, or its end. */
static int read_inside(struct sfs_sort_key_reader *reader, struct sfs_buffer *levels,
                       struct sfs_buffer *out)
{
    char *level = &levels->data[levels->size - 1];
    bool object = *level == EMPTY_OBJECT || *level == OBJECT;
    int tag = take(reader);
    if (tag == SFS_SORT_KEY_END) {
        levels->size--;
        return sfs_buffer_byte(out, object ? '}' : ']');
    }
    int result = *level == ARRAY || *level == OBJECT ? sfs_buffer_byte(out, ',') : 0;
    *level = object ? OBJECT : ARRAY;
    if (result || !object)
        return result ? result : read_tagged(reader, tag, levels, out);
    result = tag == SFS_SORT_KEY_MEMBER ? read_string(reader, out) : SFS_E_INVALID;
    if (result == 0)
        result = sfs_buffer_byte(out, ':');
    return result ? result : read_tagged(reader, take(reader), levels, out);
}

int sfs_sort_key_read(struct sfs_bytes *rest, bool descending, struct sfs_buffer *out,
                      bool *ret_missing)
{
    struct sfs_sort_key_reader reader = reader_of(*rest, descending);
    struct sfs_buffer levels = {0};
    size_t size = out->size;
    int tag = take(&reader);
    bool missing = tag == SFS_SORT_KEY_MISSING;
    int result = missing ? 0 : read_tagged(&reader, tag, &levels, out);
    while (result == 0 && levels.size > 0)
        result = read_inside(&reader, &levels, out);
    sfs_buffer_free(&levels);
    if (result) {
        out->size = size;
        return result;
    }
    *rest = rest_of(&reader);
    *ret_missing = missing;
    return 0;
}

int sfs_sort_key_read_text(struct sfs_bytes *rest, bool descending, struct sfs_buffer *out)
{
    struct sfs_sort_key_reader reader = reader_of(*rest, descending);
    size_t size = out->size;
    if (take(&reader) != SFS_SORT_KEY_STRING)
        return 0;
    int result = read_bytes(&reader, out);
    if (result) {
        out->size = size;
        return result;
    }
    *rest = rest_of(&reader);
    return 1;
}

/* --- integers --- */

/* Appends the digits of a pair to the number, as far as there are `places` left. */
static bool add_pair(unsigned pair, int *places, uint64_t *number)
{
    for (unsigned digit = pair / 10, i = 0; i < 2; digit = pair % 10, i++) {
        if (*places == 0) {
            if (digit != 0)
                return false;
            continue;
        }
        --*places;
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, digit, number))
            return false;
    }
    return true;
}

/* The number whose sign was read, where it is an integer that fits. */
static bool read_magnitude(struct sfs_sort_key_reader *reader, uint64_t *ret_number)
{
    int places = take(reader) - SFS_SORT_KEY_EXPONENT;
    uint64_t number = 0;
    int byte = 1;
    if (places < 1 || places > 20)
        return false;
    while (byte & 1) {
        byte = take(reader);
        if (byte < 0 || byte > 199 || !add_pair((unsigned)byte / 2, &places, &number))
            return false;
    }
    for (; places > 0; places--) {
        if (__builtin_mul_overflow(number, 10, &number))
            return false;
    }
    *ret_number = number;
    return true;
}

bool sfs_sort_key_read_integer(struct sfs_bytes *rest, bool descending, int64_t *ret_integer)
{
    struct sfs_sort_key_reader reader = reader_of(*rest, descending);
    uint64_t number = 0;
    int tag = take(&reader);
    bool negative = tag == SFS_SORT_KEY_NEGATIVE;
    if (negative)
        reader.mask = (unsigned char)~reader.mask;
    if (tag != SFS_SORT_KEY_ZERO && !negative && tag != SFS_SORT_KEY_POSITIVE)
        return false;
    if (tag != SFS_SORT_KEY_ZERO && !read_magnitude(&reader, &number))
        return false;
    if (number > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_integer = (int64_t)(negative ? 0 - number : number);
    *rest = rest_of(&reader);
    return true;
}
