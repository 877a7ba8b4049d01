/* SPDX-License-Identifier: MIT */
/*
 * Exact order of decimal numbers, by their digits. Nothing is computed with exponents but the
 * difference of two of them, and that is cut off at a limit far beyond any shift.
 */
#include "util/json_number.h"

/* Shifts are smaller than a text's length, and no text has a quarter as many bytes as this. */
#define LARGEST_DIFFERENCE INT64_C(100000000000000000)

static const char *skip_zeros(const char *at, const char *end)
{
    while (at < end && *at == '0')
        at++;
    return at;
}

static bool is_mantissa(char byte)
{
    return (byte >= '0' && byte <= '9') || byte == '.';
}

/* Finds the first digit that is not 0, and where the point is from there. */
static void read_mantissa(struct sfs_json_number *number, const char *at, const char *end)
{
    const char *point = at < end ? memchr(at, '.', (size_t)(end - at)) : NULL;
    const char *whole_end = point ? point : end;
    const char *first = skip_zeros(at, whole_end);
    number->digits_end = end;
    if (first < whole_end) {
        number->shift = whole_end - first;
    } else {
        const char *fraction = point ? point + 1 : end;
        first = skip_zeros(fraction, end);
        number->shift = fraction - first;
    }
    number->digits = first;
}

struct sfs_json_number sfs_json_number_read(struct sfs_bytes text)
{
    struct sfs_json_number number = {0};
    const char *at = text.size ? text.data : "";
    const char *end = at + text.size;
    if (at < end && *at == '-') {
        number.negative = true;
        at++;
    }
    const char *mantissa_end = at;
    while (mantissa_end < end && is_mantissa(*mantissa_end))
        mantissa_end++;
    read_mantissa(&number, at, mantissa_end);
    const char *exponent = mantissa_end < end ? mantissa_end + 1 : end;
    if (exponent < end && (*exponent == '-' || *exponent == '+')) {
        number.exponent_negative = *exponent == '-';
        exponent++;
    }
    number.exponent = skip_zeros(exponent, end);
    number.exponent_end = end;
    return number;
}

/* The digit of the exponent that stands `place` places from its end, 0 beyond its beginning; with
 * the exponent's sign. */
static int64_t exponent_digit(const struct sfs_json_number *number, ptrdiff_t place)
{
    if (place > number->exponent_end - number->exponent)
        return 0;
    int64_t digit = number->exponent_end[-place] - '0';
    return number->exponent_negative ? -digit : digit;
}

/*
 * The exponent of a minus that of b, or a value beyond all shifts with the same sign: once the
 * leading places differ that much, no further digit can bring the difference back.
 */
static int64_t exponent_difference(const struct sfs_json_number *a, const struct sfs_json_number *b)
{
    ptrdiff_t places_a = a->exponent_end - a->exponent;
    ptrdiff_t places_b = b->exponent_end - b->exponent;
    int64_t difference = 0;
    for (ptrdiff_t place = places_a > places_b ? places_a : places_b; place > 0; place--) {
        difference = difference * 10 + exponent_digit(a, place) - exponent_digit(b, place);
        if (difference > LARGEST_DIFFERENCE)
            difference = LARGEST_DIFFERENCE;
        if (difference < -LARGEST_DIFFERENCE)
            difference = -LARGEST_DIFFERENCE;
    }
    return difference;
}

/* The next digit and the step over it; 0 for ever behind the last. */
static char next_digit(const char **at, const char *end)
{
    if (*at < end && **at == '.')
        ++*at;
    return *at < end ? *(*at)++ : '0';
}

static int compare_digits(const struct sfs_json_number *a, const struct sfs_json_number *b)
{
    const char *at_a = a->digits;
    const char *at_b = b->digits;
    while (at_a < a->digits_end || at_b < b->digits_end) {
        char digit_a = next_digit(&at_a, a->digits_end);
        char digit_b = next_digit(&at_b, b->digits_end);
        if (digit_a != digit_b)
            return digit_a < digit_b ? -1 : 1;
    }
    return 0;
}

static int sign_of(const struct sfs_json_number *number)
{
    if (number->digits == number->digits_end)
        return 0;
    return number->negative ? -1 : 1;
}

int sfs_json_number_compare(struct sfs_bytes a, struct sfs_bytes b)
{
    struct sfs_json_number number_a = sfs_json_number_read(a);
    struct sfs_json_number number_b = sfs_json_number_read(b);
    int sign = sign_of(&number_a);
    if (sign != sign_of(&number_b))
        return sign < sign_of(&number_b) ? -1 : 1;
    if (sign == 0)
        return 0;
    int64_t difference =
        exponent_difference(&number_a, &number_b) + (number_a.shift - number_b.shift);
    if (difference != 0)
        return (difference < 0 ? -1 : 1) * sign;
    return compare_digits(&number_a, &number_b) * sign;
}
