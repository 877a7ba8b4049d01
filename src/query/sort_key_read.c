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

/* --- sizes --- */

/* The digits of a number end with the first byte that is even. */
static bool skip_number(struct sfs_sort_key_reader *reader)
{
    int class = take(reader);
    if (class < 0)
        return false;
    if (class < SFS_SORT_KEY_EXPONENT + SFS_SORT_KEY_EXPONENT_MIN ||
        class > SFS_SORT_KEY_EXPONENT + SFS_SORT_KEY_EXPONENT_MAX) {
        int mask = class < SFS_SORT_KEY_EXPONENT ? 0xff : 0;
        uint64_t number = 0;
        for (int i = 0; i < 8; i++)
            number = number << 8 | (uint64_t)((take(reader) ^ mask) & 0xff);
        if ((class ^ mask) == SFS_SORT_KEY_LONGER) {
            if (number > (uint64_t)(reader->end - reader->at))
                return false;
            reader->at += number;
        }
    }
    int byte = 1;
    while (byte > 0 && byte & 1)
        byte = take(reader);
    return byte >= 0;
}

static bool skip_text(struct sfs_sort_key_reader *reader)
{
    const unsigned char *end = memchr(reader->at, SFS_SORT_KEY_END, rest_of(reader).size);
    reader->at = end ? end + 1 : reader->end;
    return end != NULL;
}

/* Moves behind the value, of a container only behind its beginning; inside one, a member's name
 * goes before its value. */
static bool skip_tagged(struct sfs_sort_key_reader *reader, int tag, size_t *depth)
{
    if (tag == SFS_SORT_KEY_MEMBER && *depth > 0) {
        if (!skip_text(reader))
            return false;
        tag = take(reader);
    }
    switch (tag) {
    case SFS_SORT_KEY_MISSING:
    case SFS_SORT_KEY_NULL:
    case SFS_SORT_KEY_FALSE:
    case SFS_SORT_KEY_TRUE:
    case SFS_SORT_KEY_ZERO:
        return true;
    case SFS_SORT_KEY_NEGATIVE:
        reader->mask = 0xff;
        break;
    case SFS_SORT_KEY_POSITIVE:
        break;
    case SFS_SORT_KEY_STRING:
        return skip_text(reader);
    case SFS_SORT_KEY_ARRAY:
    case SFS_SORT_KEY_OBJECT:
        ++*depth;
        return true;
    case SFS_SORT_KEY_END:
        return (*depth)-- > 0;
    default:
        return false;
    }
    bool skipped = skip_number(reader);
    reader->mask = 0;
    return skipped;
}

size_t sfs_sort_key_size(struct sfs_bytes rest)
{
    struct sfs_sort_key_reader reader = reader_of(rest, false);
    size_t depth = 0;
    do {
        if (!skip_tagged(&reader, take(&reader), &depth))
            return 0;
    } while (depth > 0);
    return rest.size - rest_of(&reader).size;
}

/* --- integers --- */

__extension__ typedef unsigned __int128 unsigned_wide;

#define PLACES_MAX 20
#define PLACES_NARROW 18

/* What the digits count, of which `digits` were read, as an integer of `places` digits. */
static bool place(unsigned_wide number, int digits, int places, uint64_t *ret_number)
{
    if (digits > places) {
        if (digits > places + 1 || number % 10 != 0)
            return false;
        number /= 10;
        digits--;
    }
    for (; digits < places; digits++)
        number *= 10;
    *ret_number = (uint64_t)number;
    return number <= UINT64_MAX;
}

/* The number whose sign was read, where it is an integer that fits. */
static bool read_magnitude(struct sfs_sort_key_reader *reader, uint64_t *ret_number)
{
    int places = take(reader) - SFS_SORT_KEY_EXPONENT;
    uint64_t first = 0; /* digits that fit in 64 bits, and nearly always are all */
    int digits = 0;
    int byte = 1;
    if (places < 1 || places > PLACES_MAX)
        return false;
    for (; (byte & 1) && digits < PLACES_NARROW; digits += 2) {
        byte = take(reader);
        if (byte < 0 || byte > 199)
            return false;
        first = first * 100 + (unsigned)byte / 2;
    }
    unsigned_wide number = first;
    for (; byte & 1; digits += 2) {
        byte = take(reader);
        if (byte < 0 || byte > 199 || digits == PLACES_MAX)
            return false;
        number = number * 100 + (unsigned)byte / 2;
    }
    if (digits == places) {
        *ret_number = (uint64_t)number;
        return number <= UINT64_MAX;
    }
    return place(number, digits, places, ret_number);
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
