/* SPDX-License-Identifier: MIT */
/*
 * String literals: decoding, encoding, comparing. Comparing needs no decoded copy, because the byte
 * order of UTF-8 (and of WTF-8) is the order of the characters' numbers.
 */
#include "util/json.h"

#include "util/json_internal.h"
#include "util/utf8.h"

/* The text between the quotes; empty for a value that is no string. */
static struct sfs_bytes inner_text(struct sfs_json string)
{
    if (string.type != SFS_JSON_STRING || string.text.size < 2)
        return SFS_LITERAL("");
    return sfs_bytes((const char *)string.text.data + 1, string.text.size - 2);
}

static bool has_escape(struct sfs_bytes inner)
{
    return memchr(inner.data, '\\', inner.size) != NULL;
}

/* A walk over decoded characters: of a literal's inner text, or of plain WTF-8. */
struct walk {
    const char *at;
    const char *end;
    bool escapes;
};

static struct walk walk_of(struct sfs_bytes bytes, bool escapes)
{
    const char *start = bytes.size ? bytes.data : "";
    return (struct walk){start, start + bytes.size, escapes};
}

static uint32_t hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (uint32_t)(digit - '0');
    return (uint32_t)((digit | 0x20) - 'a' + 10) & 15;
}

/* The number of the \uXXXX at the walk, which moves behind it; false if there is none. */
static bool take_unit(struct walk *walk, uint32_t *ret_unit)
{
    if (walk->end - walk->at < 6 || walk->at[0] != '\\' || walk->at[1] != 'u')
        return false;
    uint32_t unit = 0;
    for (int i = 2; i < 6; i++)
        unit = unit << 4 | hex_value(walk->at[i]);
    walk->at += 6;
    *ret_unit = unit;
    return true;
}

static bool take_short_escape(struct walk *walk, uint32_t *ret_point)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    if (walk->end - walk->at < 2)
        return false;
    unsigned char letter = (unsigned char)walk->at[1];
    const char *known = letter ? strchr(letters, letter) : NULL;
    *ret_point = known ? (unsigned char)meanings[known - letters] : letter;
    walk->at += 2;
    return true;
}

static bool take_escape(struct walk *walk, uint32_t *ret_point)
{
    uint32_t high = 0;
    if (!take_unit(walk, &high))
        return take_short_escape(walk, ret_point);
    *ret_point = high;
    if (high < 0xd800 || high > 0xdbff)
        return true;
    struct walk ahead = *walk;
    uint32_t low = 0;
    if (take_unit(&ahead, &low) && low >= 0xdc00 && low <= 0xdfff) {
        *walk = ahead;
        *ret_point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    return true;
}

/* The next character; false at the end (and where the bytes are neither UTF-8 nor WTF-8). */
static bool take_point(struct walk *walk, uint32_t *ret_point)
{
    if (walk->at == walk->end)
        return false;
    if (walk->escapes && *walk->at == '\\')
        return take_escape(walk, ret_point);
    size_t length = sfs_wtf8_decode(walk->at, (size_t)(walk->end - walk->at), ret_point);
    walk->at += length;
    return length > 0;
}

int sfs_json_string_decode(struct sfs_json string, struct sfs_buffer *buffer)
{
    if (string.type != SFS_JSON_STRING)
        return SFS_E_INVALID;
    struct sfs_bytes inner = inner_text(string);
    if (!has_escape(inner))
        return sfs_buffer_add(buffer, inner);

    /* No escape is shorter than the bytes that it stands for. */
    int result = sfs_buffer_reserve(buffer, inner.size);
    if (result)
        return result;
    struct walk walk = walk_of(inner, true);
    uint32_t point = 0;
    while (take_point(&walk, &point)) {
        char bytes[4];
        size_t length = sfs_utf8_encode(point, bytes);
        memcpy(buffer->data + buffer->size, bytes, length);
        buffer->size += length;
    }
    return 0;
}

static int encode_unit(uint32_t unit, struct sfs_buffer *buffer)
{
    static const char digits[] = "0123456789abcdef";
    const char escape[6] = {'\\',
                            'u',
                            digits[unit >> 12 & 15],
                            digits[unit >> 8 & 15],
                            digits[unit >> 4 & 15],
                            digits[unit & 15]};
    return sfs_buffer_append(buffer, escape, sizeof(escape));
}

static bool stands_for_itself(uint32_t point)
{
    return point >= 0x20 && point != '"' && point != '\\' && (point < 0xd800 || point > 0xdfff);
}

static int encode_special(uint32_t point, struct sfs_buffer *buffer)
{
    static const char specials[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *known = point && point < 0x80 ? strchr(specials, (int)point) : NULL;
    if (!known)
        return encode_unit(point, buffer);
    const char escape[2] = {'\\', letters[known - specials]};
    return sfs_buffer_append(buffer, escape, sizeof(escape));
}

static int encode_inner(struct sfs_bytes text, struct sfs_buffer *buffer)
{
    struct walk walk = walk_of(text, false);
    const char *plain = walk.at; /* what was passed and not appended yet */
    uint32_t point = 0;
    for (const char *before = walk.at; take_point(&walk, &point); before = walk.at) {
        if (stands_for_itself(point))
            continue;
        int result = sfs_buffer_append(buffer, plain, (size_t)(before - plain));
        if (!result)
            result = encode_special(point, buffer);
        if (result)
            return result;
        plain = walk.at;
    }
    if (walk.at < walk.end)
        return SFS_E_INVALID;
    return sfs_buffer_append(buffer, plain, (size_t)(walk.end - plain));
}

int sfs_json_string_encode(struct sfs_bytes text, struct sfs_buffer *buffer)
{
    size_t size = buffer->size;
    int result = sfs_buffer_byte(buffer, '"');
    if (!result)
        result = encode_inner(text, buffer);
    if (!result)
        result = sfs_buffer_byte(buffer, '"');
    if (result)
        buffer->size = size;
    return result;
}

static int compare_walks(struct walk a, struct walk b)
{
    for (;;) {
        uint32_t point_a = 0;
        uint32_t point_b = 0;
        bool more_a = take_point(&a, &point_a);
        bool more_b = take_point(&b, &point_b);
        if (!more_a || !more_b)
            return more_a - more_b;
        if (point_a != point_b)
            return point_a < point_b ? -1 : 1;
    }
}

bool sfs_json_string_equals(struct sfs_json string, struct sfs_bytes text)
{
    struct sfs_bytes inner = inner_text(string);
    if (string.type != SFS_JSON_STRING)
        return false;
    if (!has_escape(inner))
        return sfs_bytes_equal(inner, text);
    struct walk plain = walk_of(text, false);
    struct walk walk = walk_of(inner, true);
    uint32_t point = 0;
    while (take_point(&walk, &point)) {
        char bytes[4];
        size_t length = sfs_utf8_encode(point, bytes);
        if (length > (size_t)(plain.end - plain.at) || memcmp(bytes, plain.at, length) != 0)
            return false;
        plain.at += length;
    }
    return plain.at == plain.end;
}

int sfs_json_string_compare(struct sfs_json a, struct sfs_json b)
{
    struct sfs_bytes inner_a = inner_text(a);
    struct sfs_bytes inner_b = inner_text(b);
    bool escapes_a = has_escape(inner_a);
    bool escapes_b = has_escape(inner_b);
    if (!escapes_a && !escapes_b)
        return sfs_bytes_compare(inner_a, inner_b);
    return compare_walks(walk_of(inner_a, escapes_a), walk_of(inner_b, escapes_b));
}
