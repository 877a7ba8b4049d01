/* SPDX-License-Identifier: MIT */
/* Numbers in sort keys: exact, whatever their digits and exponents. */
#include <inttypes.h>
#include <stdio.h>

#include "query/sort_key_form.h"
#include "util/json_number.h"

#define LONG_LIMIT INT64_C(1000000000000000000) /* 10 to the power of SFS_SORT_KEY_LONG_DIGITS */

/* Bytes of an exponent of at most 18 digits, class and number together. */
#define LONG_SIZE 9

size_t sfs_sort_key_add_decimal(char *end, size_t count, int64_t delta)
{
    char *at = end;
    int64_t carry = delta;
    for (size_t place = 0; place < count && carry != 0; place++) {
        int64_t sum = *--at - '0' + carry % 10;
        carry /= 10;
        carry += sum > 9 ? 1 : sum < 0 ? -1 : 0;
        *at = (char)('0' + (sum + 10) % 10);
    }
    at = end - count;
    if (carry > 0) {
        *--at = (char)('0' + carry);
        return count + 1;
    }
    while (count > 1 && *at == '0') {
        at++;
        count--;
    }
    return count;
}

/* --- writing --- */

static void put_big_endian(unsigned char *at, uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *at++ = (unsigned char)(number >> shift);
}

static void invert(unsigned char *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)~at[i];
}

/* Writes an exponent of at most 18 digits; returns the end. */
static unsigned char *put_exponent(unsigned char *at, int64_t exponent)
{
    if (exponent >= SFS_SORT_KEY_EXPONENT_MIN && exponent <= SFS_SORT_KEY_EXPONENT_MAX) {
        *at = (unsigned char)(SFS_SORT_KEY_EXPONENT + exponent);
        return at + 1;
    }
    at[0] = SFS_SORT_KEY_LONG;
    put_big_endian(at + 1, (uint64_t)(exponent < 0 ? -exponent : exponent));
    if (exponent < 0)
        invert(at, LONG_SIZE);
    return at + LONG_SIZE;
}

static int64_t small_decimal(const char *at, const char *end)
{
    int64_t number = 0;
    while (at < end)
        number = number * 10 + (*at++ - '0');
    return number;
}

/* An exponent of many digits. Texts are shorter than 10^17 bytes, so the shift does not change its
 * sign. */
static unsigned char *put_huge_exponent(unsigned char *at, const struct sfs_json_number *number)
{
    size_t count = (size_t)(number->exponent_end - number->exponent);
    char *end = (char *)at + LONG_SIZE + 1 + count;
    memcpy(end - count, number->exponent, count);
    count = sfs_sort_key_add_decimal(end, count,
                                     number->exponent_negative ? -number->shift : number->shift);
    if (count <= SFS_SORT_KEY_LONG_DIGITS) {
        int64_t exponent = small_decimal(end - count, end);
        return put_exponent(at, number->exponent_negative ? -exponent : exponent);
    }
    at[0] = SFS_SORT_KEY_LONGER;
    put_big_endian(at + 1, count);
    memmove(at + LONG_SIZE, end - count, count);
    if (number->exponent_negative)
        invert(at, LONG_SIZE + count);
    return at + LONG_SIZE + count;
}

static unsigned char *put_any_exponent(unsigned char *at, const struct sfs_json_number *number)
{
    if (number->exponent_end - number->exponent >= SFS_SORT_KEY_LONG_DIGITS)
        return put_huge_exponent(at, number);
    int64_t exponent = small_decimal(number->exponent, number->exponent_end);
    return put_exponent(at, (number->exponent_negative ? -exponent : exponent) + number->shift);
}

/* Writes the digits, of which the first and the last are not 0. */
static unsigned char *put_digits(unsigned char *at, const char *digit, const char *end)
{
    unsigned pair = 0;
    bool half = false;
    for (; digit < end; digit++) {
        if (*digit == '.')
            continue;
        pair = pair * 10 + (unsigned)(*digit - '0');
        if (half) {
            *at++ = (unsigned char)(2 * pair + 1);
            pair = 0;
        }
        half = !half;
    }
    if (half)
        *at++ = (unsigned char)(2 * pair * 10 + 1);
    at[-1]--;
    return at;
}

int sfs_sort_key_add_number(struct sfs_bytes text, struct sfs_buffer *out)
{
    struct sfs_json_number number = sfs_json_number_read(text);
    if (number.digits == number.digits_end)
        return sfs_buffer_byte(out, SFS_SORT_KEY_ZERO);
    /* The tag, an exponent with one digit more than is written, half a byte a digit. */
    if (sfs_buffer_reserve(out, text.size + LONG_SIZE + 4))
        return SFS_E_NO_MEMORY;
    while (number.digits_end[-1] == '0' || number.digits_end[-1] == '.')
        number.digits_end--;
    unsigned char *start = (unsigned char *)out->data + out->size;
    *start = number.negative ? SFS_SORT_KEY_NEGATIVE : SFS_SORT_KEY_POSITIVE;
    unsigned char *end = put_any_exponent(start + 1, &number);
    end = put_digits(end, number.digits, number.digits_end);
    if (number.negative)
        invert(start + 1, (size_t)(end - start) - 1);
    out->size += (size_t)(end - start);
    return 0;
}

/* --- reading --- */

/* A number as its key has it. */
struct parts {
    int64_t exponent;
    struct sfs_buffer huge; /* the digits of an exponent of more than 18; else empty */
    bool huge_negative;
    struct sfs_buffer digits;
};

static bool take(struct sfs_sort_key_reader *reader, unsigned char *ret_byte)
{
    if (reader->at == reader->end)
        return false;
    *ret_byte = *reader->at++ ^ reader->mask;
    return true;
}

static bool take_big_endian(struct sfs_sort_key_reader *reader, uint64_t *ret_number)
{
    uint64_t number = 0;
    unsigned char byte = 0;
    for (int i = 0; i < 8; i++) {
        if (!take(reader, &byte))
            return false;
        number = number << 8 | byte;
    }
    *ret_number = number;
    return true;
}

static int read_huge(struct sfs_sort_key_reader *reader, uint64_t count, struct parts *parts)
{
    unsigned char byte = 0;
    if (count <= SFS_SORT_KEY_LONG_DIGITS || count > (size_t)(reader->end - reader->at))
        return SFS_E_INVALID;
    /* One digit more, where the sum of sfs_sort_key_add_decimal() may grow. */
    int result = sfs_buffer_byte(&parts->huge, '0');
    for (uint64_t i = 0; i < count && result == 0; i++) {
        take(reader, &byte);
        if (byte < '0' || byte > '9' || (i == 0 && byte == '0'))
            return SFS_E_INVALID;
        result = sfs_buffer_byte(&parts->huge, (char)byte);
    }
    return result;
}

/* An exponent in a long form, whose first byte was read. */
static int read_long(struct sfs_sort_key_reader *reader, unsigned char class, struct parts *parts)
{
    uint64_t number = 0;
    bool negative = class < SFS_SORT_KEY_EXPONENT;
    unsigned char mask = reader->mask;
    if (negative) {
        class = (unsigned char)~class;
        reader->mask = (unsigned char)~mask;
    }
    int result = take_big_endian(reader, &number) ? 0 : SFS_E_INVALID;
    parts->huge_negative = negative;
    if (result == 0 && class == SFS_SORT_KEY_LONGER)
        result = read_huge(reader, number, parts);
    else if (result == 0 && (class != SFS_SORT_KEY_LONG || number >= LONG_LIMIT))
        result = SFS_E_INVALID;
    else
        parts->exponent = negative ? -(int64_t)number : (int64_t)number;
    reader->mask = mask;
    return result;
}

static int read_exponent(struct sfs_sort_key_reader *reader, struct parts *parts)
{
    unsigned char class = 0;
    if (!take(reader, &class))
        return SFS_E_INVALID;
    parts->exponent = class - SFS_SORT_KEY_EXPONENT;
    if (parts->exponent >= SFS_SORT_KEY_EXPONENT_MIN &&
        parts->exponent <= SFS_SORT_KEY_EXPONENT_MAX)
        return 0;
    return read_long(reader, class, parts);
}

static int read_digits(struct sfs_sort_key_reader *reader, struct sfs_buffer *digits)
{
    unsigned char byte = 1;
    while (byte & 1) {
        if (!take(reader, &byte) || byte > 199)
            return SFS_E_INVALID;
        char pair[2] = {(char)('0' + byte / 20), (char)('0' + byte / 2 % 10)};
        if (sfs_buffer_append(digits, pair, sizeof(pair)))
            return SFS_E_NO_MEMORY;
    }
    if (digits->data[digits->size - 1] == '0')
        digits->size--;
    return digits->data[0] == '0' || digits->data[digits->size - 1] == '0' ? SFS_E_INVALID : 0;
}

/* D with a point behind the first digit, and the exponent in decimal. */
static int add_scientific(struct parts *parts, struct sfs_buffer *out)
{
    struct sfs_bytes digits = sfs_buffer_bytes(&parts->digits);
    int result = sfs_buffer_append(out, digits.data, 1);
    if (result == 0 && digits.size > 1)
        result = sfs_buffer_byte(out, '.');
    if (result == 0)
        result = sfs_buffer_append(out, (const char *)digits.data + 1, digits.size - 1);
    if (result)
        return result;
    if (parts->huge.size == 0)
        return sfs_buffer_printf(out, "e%" PRId64, parts->exponent - 1);
    char *end = parts->huge.data + parts->huge.size;
    size_t count =
        sfs_sort_key_add_decimal(end, parts->huge.size - 1, parts->huge_negative ? 1 : -1);
    result = sfs_buffer_add(out, parts->huge_negative ? SFS_LITERAL("e-") : SFS_LITERAL("e"));
    return result ? result : sfs_buffer_append(out, end - count, count);
}

static int add_zeros(struct sfs_buffer *out, int64_t count)
{
    int result = 0;
    for (int64_t i = 0; i < count && result == 0; i++)
        result = sfs_buffer_byte(out, '0');
    return result;
}

/* Without an exponent. */
static int add_plain(const struct parts *parts, struct sfs_buffer *out)
{
    const char *digits = parts->digits.data;
    int64_t count = (int64_t)parts->digits.size;
    int64_t whole = parts->exponent < 0 ? 0 : parts->exponent < count ? parts->exponent : count;
    int result = whole ? sfs_buffer_append(out, digits, (size_t)whole) : sfs_buffer_byte(out, '0');
    if (result == 0)
        result = add_zeros(out, parts->exponent - count);
    if (result || whole == count)
        return result;
    result = sfs_buffer_byte(out, '.');
    if (result == 0)
        result = add_zeros(out, -parts->exponent);
    return result ? result : sfs_buffer_append(out, digits + whole, (size_t)(count - whole));
}

/* Whether the plain form is the shorter one, or is what people write: up to 21 digits before the
 * point and 6 zeros behind it, as JavaScript has it. */
static bool is_plain(const struct parts *parts)
{
    if (parts->huge.size > 0)
        return false;
    if (parts->exponent > -6 && parts->exponent <= 21)
        return true;
    int64_t count = (int64_t)parts->digits.size;
    int64_t size = count + (count > 1) + snprintf(NULL, 0, "e%" PRId64, parts->exponent - 1);
    return parts->exponent > 0 && parts->exponent <= size;
}

int sfs_sort_key_read_number(struct sfs_sort_key_reader *reader, bool negative,
                             struct sfs_buffer *out)
{
    struct parts parts = {0};
    unsigned char mask = reader->mask;
    if (negative)
        reader->mask = (unsigned char)~mask;
    int result = read_exponent(reader, &parts);
    if (result == 0)
        result = read_digits(reader, &parts.digits);
    reader->mask = mask;
    if (result == 0 && negative)
        result = sfs_buffer_byte(out, '-');
    if (result == 0)
        result = is_plain(&parts) ? add_plain(&parts, out) : add_scientific(&parts, out);
    sfs_buffer_free(&parts.digits);
    sfs_buffer_free(&parts.huge);
    return result;
}
