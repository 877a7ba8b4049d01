/* SPDX-License-Identifier: MIT */
/*
 * Glob patterns. A failed match goes back only to the last `*`: an earlier one cannot do better,
 * since whatever it skipped the last one may skip as well. That keeps the worst case at pattern ×
 * text.
 */
#include "util/glob.h"

#include <stdint.h>

#include "storefs/error.h"
#include "util/utf8.h"

/* Bytes that are no UTF-8 get numbers above all characters. */
#define LONE_BYTE 0x110000U

static bool is_byte(struct sfs_bytes bytes, size_t at, char byte)
{
    return at < bytes.size && ((const char *)bytes.data)[at] == byte;
}

/* The character at `at`, which must be inside, and moves behind it. */
static uint32_t next_character(struct sfs_bytes bytes, size_t *at)
{
    const unsigned char *data = bytes.data;
    uint32_t point = 0;
    size_t length = sfs_utf8_decode(data + *at, bytes.size - *at, &point);
    if (length == 0)
        point = LONE_BYTE + data[*at];
    *at += length ? length : 1;
    return point;
}

/* A character of the pattern, which a backslash may precede. False at the end of the pattern. */
static bool next_literal(struct sfs_bytes pattern, size_t *at, uint32_t *ret_character)
{
    if (is_byte(pattern, *at, '\\'))
        ++*at;
    if (*at >= pattern.size)
        return false;
    *ret_character = next_character(pattern, at);
    return true;
}

/*
 * Walks over the set whose `[` is at `at`, to behind its `]`, and says whether `character` is one
 * that it admits. Returns NULL, or why the set is malformed; `at` is then somewhere inside.
 */
static const char *walk_set(struct sfs_bytes pattern, size_t *at, uint32_t character,
                            bool *ret_admits)
{
    ++*at;
    bool negated = is_byte(pattern, *at, '!');
    *at += negated;
    bool inside = false;
    for (bool first = true; first || !is_byte(pattern, *at, ']'); first = false) {
        uint32_t low = 0;
        if (!next_literal(pattern, at, &low))
            return "the set has no closing ]";
        uint32_t high = low;
        bool range =
            is_byte(pattern, *at, '-') && *at + 1 < pattern.size && !is_byte(pattern, *at + 1, ']');
        *at += range;
        if (range && !next_literal(pattern, at, &high))
            return "the set has no closing ]";
        if (high < low)
            return "the range ends before it begins";
        inside |= low <= character && character <= high;
    }
    ++*at;
    *ret_admits = inside != negated;
    return NULL;
}

/*
 * Walks over one element of the pattern other than `*`, and says whether it admits `character`.
 * Returns NULL, or why the element is malformed.
 */
static const char *walk_element(struct sfs_bytes pattern, size_t *at, uint32_t character,
                                bool *ret_admits)
{
    if (is_byte(pattern, *at, '['))
        return walk_set(pattern, at, character, ret_admits);
    if (is_byte(pattern, *at, '?')) {
        ++*at;
        *ret_admits = true;
        return NULL;
    }
    uint32_t literal = 0;
    if (!next_literal(pattern, at, &literal))
        return "there is nothing behind the backslash";
    *ret_admits = literal == character;
    return NULL;
}

bool sfs_glob_check(struct sfs_bytes pattern, size_t *ret_offset, const char **ret_reason)
{
    for (size_t at = 0; at < pattern.size;) {
        size_t start = at;
        bool admits = false;
        const char *reason = NULL;
        if (is_byte(pattern, at, '*'))
            at++;
        else
            reason = walk_element(pattern, &at, 0, &admits);
        if (!reason)
            continue;
        if (ret_offset)
            *ret_offset = start;
        if (ret_reason)
            *ret_reason = reason;
        return false;
    }
    return true;
}

/* Matches the element at `pattern_at` with the character at `text_at`; moves both only if it does.
 */
static bool match_element(struct sfs_bytes pattern, size_t *pattern_at, struct sfs_bytes text,
                          size_t *text_at)
{
    size_t next_pattern = *pattern_at;
    size_t next_text = *text_at;
    bool admits = false;
    if (next_pattern >= pattern.size)
        return false;
    uint32_t character = next_character(text, &next_text);
    if (walk_element(pattern, &next_pattern, character, &admits) || !admits)
        return false;
    *pattern_at = next_pattern;
    *text_at = next_text;
    return true;
}

bool sfs_glob_match(struct sfs_bytes pattern, struct sfs_bytes text)
{
    size_t pattern_at = 0;
    size_t text_at = 0;
    size_t star_text = 0; /* up to here the last `*` has skipped */
    size_t star_pattern = 0;
    bool star = false;
    if (!sfs_glob_check(pattern, NULL, NULL))
        return false;
    for (;;) {
        if (is_byte(pattern, pattern_at, '*')) {
            star = true;
            star_pattern = ++pattern_at;
            star_text = text_at;
        } else if (text_at == text.size) {
            return pattern_at == pattern.size;
        } else if (!match_element(pattern, &pattern_at, text, &text_at)) {
            if (!star)
                return false;
            next_character(text, &star_text);
            text_at = star_text;
            pattern_at = star_pattern;
        }
        if (star && pattern_at == star_pattern && pattern_at == pattern.size)
            return true;
    }
}

int sfs_glob_prefix(struct sfs_bytes pattern, struct sfs_buffer *buffer)
{
    const char *data = pattern.data;
    size_t size = buffer->size;
    for (size_t at = 0; at < pattern.size; at++) {
        if (data[at] == '*' || data[at] == '?' || data[at] == '[')
            break;
        if (data[at] == '\\' && ++at == pattern.size)
            break;
        int result = sfs_buffer_byte(buffer, data[at]);
        if (result) {
            buffer->size = size;
            return result;
        }
    }
    return 0;
}
