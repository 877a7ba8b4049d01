/* SPDX-License-Identifier: MIT */
/*
 * Numbers as JavaScript writes them. Fifteen digits are kept by every double, so a decimal number
 * of no more is its own shortest text; others are read and printed with 15, 16 and 17 digits until
 * they read back as the same double. What strtod and snprintf get and give holds no decimal point
 * that the locale could change.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/js_value.h"
#include "util/json_number.h"

/* More digits never change which double is nearest, if whether others than 0 follow is remembered.
 */
#define DIGITS_MAX 800
#define SAFE_DIGITS 15
#define SAFE_EXPONENT 290
#define EXPONENT_MAX INT64_C(1000000000000000)

/* 0.DIGITS x 10^exponent; the first digit and the last are not 0. */
struct decimal {
    char digits[DIGITS_MAX + 2];
    int count;
    int64_t exponent;
};

static size_t put(char *out, size_t at, const char *digits, size_t count)
{
    memcpy(out + at, digits, count);
    return at + count;
}

static size_t put_zeros(char *out, size_t at, int count)
{
    memset(out + at, '0', (size_t)count);
    return at + (size_t)count;
}

static size_t put_scientific(char *out, size_t at, const char *digits, int count, int exponent)
{
    out[at++] = digits[0];
    if (count > 1) {
        out[at++] = '.';
        at = put(out, at, digits + 1, (size_t)count - 1);
    }
    return at + (size_t)snprintf(out + at, 8, "e%+d", exponent - 1);
}

/* Number::toString, steps 7 to 12. At most 17 digits. */
static size_t format(bool negative, const char *digits, int count, int exponent, char *out)
{
    size_t at = 0;
    if (negative)
        out[at++] = '-';
    if (exponent > 21 || exponent < -5)
        return put_scientific(out, at, digits, count, exponent);
    if (exponent <= 0) {
        at = put(out, at, "0.", 2);
        at = put_zeros(out, at, -exponent);
        return put(out, at, digits, (size_t)count);
    }
    if (exponent >= count) {
        at = put(out, at, digits, (size_t)count);
        return put_zeros(out, at, exponent - count);
    }
    at = put(out, at, digits, (size_t)exponent);
    out[at++] = '.';
    return put(out, at, digits + exponent, (size_t)(count - exponent));
}

static double value_of(const char *digits, int count, int exponent)
{
    char text[DIGITS_MAX + 32];
    snprintf(text, sizeof(text), "%.*se%d", count, digits, exponent - count);
    return strtod(text, NULL);
}

/* The `count` digits nearest to the number; returns the exponent. */
static int print_digits(double number, int count, char *digits)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*e", count - 1, number);
    const char *at = text;
    int written = 0;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            digits[written++] = *at;
    return (int)strtol(at + 1, NULL, 10) + 1;
}

/* The same digits one higher or lower in the last place, where that needs no carry. */
static bool nudge(char *digits, int count, int by)
{
    char last = (char)(digits[count - 1] + by);
    if (last < '0' || last > '9')
        return false;
    digits[count - 1] = last;
    return true;
}

/* At a power of two the doubles below are twice as close as those above, so that a number further
 * away may be nearer in this sense than the nearest. */
static bool neighbour_fits(double number, char *digits, int count, int exponent)
{
    int unused;
    if (frexp(number, &unused) > 0.5)
        return false;
    for (int by = 1; by >= -1; by -= 2) {
        if (!nudge(digits, count, by))
            continue;
        if (value_of(digits, count, exponent) == number)
            return true;
        nudge(digits, count, -by);
    }
    return false;
}

static size_t shortest(bool negative, double number, char *out)
{
    char digits[24];
    int exponent = 0;
    int count = number < 1e-290 ? 1 : SAFE_DIGITS;
    for (; count <= 17; count++) {
        exponent = print_digits(number, count, digits);
        if (value_of(digits, count, exponent) == number ||
            (count == 16 && neighbour_fits(number, digits, count, exponent)))
            break;
    }
    if (count > 17)
        count = 17;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return format(negative, digits, count, exponent, out);
}

size_t sfs_js_double(double number, char ret_text[SFS_JS_NUMBER_MAX])
{
    if (number != 0)
        return shortest(number < 0, fabs(number), ret_text);
    ret_text[0] = '0';
    return 1;
}

static int64_t exponent_of(const struct sfs_json_number *number)
{
    int64_t exponent = 0;
    for (const char *at = number->exponent; at < number->exponent_end && exponent < EXPONENT_MAX;
         at++)
        exponent = exponent * 10 + (*at - '0');
    return number->shift + (number->exponent_negative ? -exponent : exponent);
}

static void read_decimal(const struct sfs_json_number *number, struct decimal *ret_decimal)
{
    struct decimal *decimal = ret_decimal;
    bool more = false;
    decimal->count = 0;
    for (const char *at = number->digits; at < number->digits_end; at++) {
        if (*at < '0' || *at > '9')
            continue;
        if (decimal->count < DIGITS_MAX)
            decimal->digits[decimal->count++] = *at;
        else
            more = more || *at != '0';
    }
    if (more)
        decimal->digits[decimal->count++] = '1';
    while (decimal->count > 0 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
    decimal->exponent = exponent_of(number);
}

size_t sfs_js_number(struct sfs_bytes json, char ret_text[SFS_JS_NUMBER_MAX])
{
    struct decimal decimal;
    struct sfs_json_number number = sfs_json_number_read(json);
    read_decimal(&number, &decimal);
    if (decimal.count == 0 || decimal.exponent < -400)
        return sfs_js_double(0, ret_text);
    if (decimal.exponent > 400)
        return 0;
    int exponent = (int)decimal.exponent;
    if (decimal.count <= SAFE_DIGITS && exponent > -SAFE_EXPONENT && exponent < SAFE_EXPONENT)
        return format(number.negative, decimal.digits, decimal.count, exponent, ret_text);
    double value = value_of(decimal.digits, decimal.count, exponent);
    if (isinf(value))
        return 0;
    return value == 0 ? sfs_js_double(0, ret_text) : shortest(number.negative, value, ret_text);
}
