/* SPDX-License-Identifier: MIT */
/*
 * The scanner that decides what is JSON (RFC 8259). It keeps one bit for each open bracket instead
 * of recursing, so that hostile nesting cannot reach the end of the C stack.
 */
#include "util/json.h"

#include <limits.h>

#include "util/json_internal.h"
#include "util/utf8.h"

struct scanner {
    const char *at;
    const char *end;
    const char *reason; /* set by the step that fails; `at` is then the offending byte */
    size_t depth;
    unsigned char is_object[SFS_JSON_DEPTH / CHAR_BIT + 1]; /* one bit for each open bracket */
};

static bool fail(struct scanner *scanner, const char *reason)
{
    scanner->reason = reason;
    return false;
}

static void skip_space(struct scanner *scanner)
{
    scanner->at = sfs_json_skip_space(scanner->at, scanner->end);
}

static bool is_at(const struct scanner *scanner, char byte)
{
    return scanner->at < scanner->end && *scanner->at == byte;
}

static bool take(struct scanner *scanner, char byte)
{
    bool there = is_at(scanner, byte);
    scanner->at += there;
    return there;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool scan_word(struct scanner *scanner, const char *word)
{
    for (; *word; word++) {
        if (!take(scanner, *word))
            return fail(scanner, "this is no JSON value");
    }
    return true;
}

static bool scan_digits(struct scanner *scanner)
{
    const char *start = scanner->at;
    while (scanner->at < scanner->end && is_digit(*scanner->at))
        scanner->at++;
    return scanner->at > start || fail(scanner, "a digit is missing");
}

static bool scan_number(struct scanner *scanner)
{
    take(scanner, '-');
    if (take(scanner, '0')) {
        if (scanner->at < scanner->end && is_digit(*scanner->at))
            return fail(scanner, "a number must not begin with a needless 0");
    } else if (!scan_digits(scanner)) {
        return false;
    }
    if (take(scanner, '.') && !scan_digits(scanner))
        return false;
    if (!take(scanner, 'e') && !take(scanner, 'E'))
        return true;
    if (!take(scanner, '+'))
        take(scanner, '-');
    return scan_digits(scanner);
}

static bool scan_escape(struct scanner *scanner)
{
    scanner->at++;
    if (scanner->at == scanner->end)
        return fail(scanner, "the string has no closing quote");
    if (!take(scanner, 'u')) {
        if (*scanner->at == '\0' || !strchr("\"\\/bfnrt", *scanner->at))
            return fail(scanner, "there is no such escape");
        scanner->at++;
        return true;
    }
    for (int i = 0; i < 4; i++) {
        if (scanner->at == scanner->end || !is_hex(*scanner->at))
            return fail(scanner, "\\u needs four hexadecimal digits");
        scanner->at++;
    }
    return true;
}

static bool scan_character(struct scanner *scanner)
{
    unsigned char lead = (unsigned char)*scanner->at;
    if (lead < 0x20)
        return fail(scanner, "a control character in a string must be escaped");
    uint32_t point = 0;
    size_t left = (size_t)(scanner->end - scanner->at);
    size_t length = lead < 0x80 ? 1 : sfs_utf8_decode(scanner->at, left, &point);
    scanner->at += length;
    return length > 0 || fail(scanner, "the bytes are not UTF-8");
}

static bool scan_string(struct scanner *scanner)
{
    scanner->at++;
    while (scanner->at < scanner->end) {
        if (*scanner->at == '"') {
            scanner->at++;
            return true;
        }
        if (!(*scanner->at == '\\' ? scan_escape(scanner) : scan_character(scanner)))
            return false;
    }
    return fail(scanner, "the string has no closing quote");
}

static bool scan_scalar(struct scanner *scanner)
{
    if (scanner->at == scanner->end)
        return fail(scanner, "a value is missing");
    switch (*scanner->at) {
    case '"':
        return scan_string(scanner);
    case 'n':
        return scan_word(scanner, "null");
    case 't':
        return scan_word(scanner, "true");
    case 'f':
        return scan_word(scanner, "false");
    default:
        if (*scanner->at == '-' || is_digit(*scanner->at))
            return scan_number(scanner);
        return fail(scanner, "this is no JSON value");
    }
}

static bool in_object(const struct scanner *scanner)
{
    size_t bit = scanner->depth - 1;
    return scanner->is_object[bit / CHAR_BIT] >> (bit % CHAR_BIT) & 1;
}

static bool push(struct scanner *scanner)
{
    if (scanner->depth == SFS_JSON_DEPTH)
        return fail(scanner, "arrays and objects are nested too deep (10000 levels are allowed)");
    size_t bit = scanner->depth++;
    unsigned char mask = (unsigned char)(1U << (bit % CHAR_BIT));
    unsigned char *flags = &scanner->is_object[bit / CHAR_BIT];
    *flags = (unsigned char)(*scanner->at == '{' ? *flags | mask : *flags & ~mask);
    scanner->at++;
    skip_space(scanner);
    return true;
}

/* A member's name and colon; scanner is then at the value. */
static bool scan_name(struct scanner *scanner)
{
    if (!is_at(scanner, '"'))
        return fail(scanner, "a member's name in quotes is missing");
    if (!scan_string(scanner))
        return false;
    skip_space(scanner);
    if (!take(scanner, ':'))
        return fail(scanner, "a colon is missing");
    skip_space(scanner);
    return true;
}

/* Closes the brackets that end here, and passes the comma and the name before the next value. Depth
 * 0 afterwards means that the outermost value is complete. */
static bool scan_between(struct scanner *scanner)
{
    while (scanner->depth > 0) {
        bool object = in_object(scanner);
        skip_space(scanner);
        if (take(scanner, object ? '}' : ']')) {
            scanner->depth--;
            continue;
        }
        if (!take(scanner, ','))
            return fail(scanner, object ? "a comma or } is missing" : "a comma or ] is missing");
        skip_space(scanner);
        return !object || scan_name(scanner);
    }
    return true;
}

static bool scan_value(struct scanner *scanner)
{
    do {
        if (is_at(scanner, '[') || is_at(scanner, '{')) {
            if (!push(scanner))
                return false;
            bool object = in_object(scanner);
            if (!is_at(scanner, object ? '}' : ']')) {
                if (object && !scan_name(scanner))
                    return false;
                continue;
            }
        } else if (!scan_scalar(scanner)) {
            return false;
        }
        if (!scan_between(scanner))
            return false;
    } while (scanner->depth > 0);
    return true;
}

/* A scanner at `offset` of `text`. Bits of `is_object` are set before they are read. */
static void begin(struct scanner *scanner, struct sfs_bytes text, size_t offset)
{
    const char *start = text.size ? text.data : "";
    scanner->at = start + (offset < text.size ? offset : text.size);
    scanner->end = start + text.size;
    scanner->reason = NULL;
    scanner->depth = 0;
    memset(scanner->is_object, 0, sizeof(scanner->is_object));
}

static bool report(const struct scanner *scanner, struct sfs_bytes text,
                   struct sfs_json_problem *ret_problem)
{
    if (ret_problem) {
        size_t left = (size_t)(scanner->end - scanner->at);
        *ret_problem = (struct sfs_json_problem){text.size - left, scanner->reason};
    }
    return false;
}

bool sfs_json_scan(struct sfs_bytes text, size_t offset, struct sfs_json *ret_value,
                   struct sfs_json_problem *ret_problem)
{
    struct scanner scanner;
    begin(&scanner, text, offset);
    const char *start = scanner.at;
    if (!scan_value(&scanner))
        return report(&scanner, text, ret_problem);
    *ret_value = sfs_json_of_text(start, scanner.at);
    return true;
}

bool sfs_json_parse(struct sfs_bytes text, struct sfs_json *ret_value,
                    struct sfs_json_problem *ret_problem)
{
    struct scanner scanner;
    begin(&scanner, text, 0);
    skip_space(&scanner);
    const char *start = scanner.at;
    if (!scan_value(&scanner))
        return report(&scanner, text, ret_problem);
    const char *end = scanner.at;
    skip_space(&scanner);
    if (scanner.at < scanner.end) {
        fail(&scanner, "something follows the value");
        return report(&scanner, text, ret_problem);
    }
    *ret_value = sfs_json_of_text(start, end);
    return true;
}

bool sfs_json_check(struct sfs_bytes text, struct sfs_json_problem *ret_problem)
{
    struct sfs_json value;
    return sfs_json_parse(text, &value, ret_problem);
}
