/* SPDX-License-Identifier: MIT */
/* Exact sums of decimal numbers. */
#include "query/sum.h"

#include <inttypes.h>
#include <stdlib.h>

#include "util/json_number.h"

#define BASE INT64_C(1000000000)
#define BASE_DIGITS 9
#define LIMBS_MAX (SFS_SUM_DIGITS / BASE_DIGITS + 2)
/* Each addition changes a limb by less than BASE. */
#define ADDITIONS_MAX UINT32_C(1000000000)
#define SHORT_DIGITS 18
#define AVERAGE_DIGITS 34

/* --- limbs --- */

static int64_t floor_divide(int64_t number, int64_t divisor)
{
    return number / divisor - (number % divisor < 0);
}

/* Makes the limbs reach from power `from` up to, not with, power `to`. */
static int reach(struct sfs_sum *sum, int64_t from, int64_t to)
{
    if (sum->limb_count > 0) {
        from = from < sum->low ? from : sum->low;
        int64_t end = sum->low + (int64_t)sum->limb_count;
        to = to > end ? to : end;
    }
    if (to - from > LIMBS_MAX)
        return SFS_E_TOO_LARGE;
    if (sum->limb_count > 0 && from == sum->low && to == sum->low + (int64_t)sum->limb_count)
        return 0;
    int64_t *limbs = calloc((size_t)(to - from), sizeof(*limbs));
    if (!limbs)
        return SFS_E_NO_MEMORY;
    if (sum->limb_count > 0)
        memcpy(limbs + (sum->low - from), sum->limbs, sum->limb_count * sizeof(*limbs));
    free(sum->limbs);
    sum->limbs = limbs;
    sum->low = from;
    sum->limb_count = (size_t)(to - from);
    return 0;
}

/* Brings each limb but the highest into [0, BASE). */
static int carry(struct sfs_sum *sum)
{
    int64_t over = 0;
    for (size_t i = 0; i < sum->limb_count; i++) {
        int64_t limb = sum->limbs[i] + over;
        over = i + 1 < sum->limb_count ? floor_divide(limb, BASE) : 0;
        sum->limbs[i] = limb - over * BASE;
    }
    sum->additions = 0;
    /* The highest must have room for what is added next. */
    int64_t top = sum->limb_count ? sum->limbs[sum->limb_count - 1] : 0;
    if (top < BASE && top > -BASE)
        return 0;
    int64_t end = sum->low + (int64_t)sum->limb_count;
    int result = reach(sum, sum->low, end + 1);
    return result ? result : carry(sum);
}

static int note_addition(struct sfs_sum *sum)
{
    return ++sum->additions < ADDITIONS_MAX ? 0 : carry(sum);
}

/* --- adding --- */

/* A number of at most 18 digits before the point and 9 behind it. */
static bool read_short(struct sfs_bytes number, sfs_wide *ret_billionths)
{
    const char *at = number.data;
    const char *end = at + number.size;
    bool negative = *at == '-';
    int64_t whole = 0;
    int64_t part = 0;
    const char *start = at += negative;
    for (; at < end && *at >= '0' && *at <= '9' && at - start < SHORT_DIGITS; at++)
        whole = whole * 10 + (*at - '0');
    int64_t unit = BASE;
    if (at < end && *at == '.') {
        for (at++; at < end && *at >= '0' && *at <= '9' && unit > 1; at++) {
            part = part * 10 + (*at - '0');
            unit /= 10;
        }
    }
    if (at < end)
        return false;
    sfs_wide value = (sfs_wide)whole * BASE + part * unit;
    *ret_billionths = negative ? -value : value;
    return true;
}

/* The exponent of a number; false where it has no place that can be counted. */
static bool read_exponent(const struct sfs_json_number *number, int64_t *ret_exponent)
{
    int64_t exponent = 0;
    if (number->exponent_end - number->exponent > 15)
        return false;
    for (const char *at = number->exponent; at < number->exponent_end; at++)
        exponent = exponent * 10 + (*at - '0');
    *ret_exponent = number->shift + (number->exponent_negative ? -exponent : exponent);
    return true;
}

/* Adds the digits, from the highest; the first counts 10 to the power of exponent - 1. */
static void add_digits(struct sfs_sum *sum, const struct sfs_json_number *number, int64_t exponent)
{
    static const int64_t powers[BASE_DIGITS] = {1,      10,      100,      1000,     10000,
                                                100000, 1000000, 10000000, 100000000};
    int64_t place = exponent - 1;
    for (const char *at = number->digits; at < number->digits_end; at++) {
        if (*at == '.')
            continue;
        int64_t limb = floor_divide(place, BASE_DIGITS);
        int64_t value = (*at - '0') * powers[place - limb * BASE_DIGITS];
        sum->limbs[limb - sum->low] += number->negative ? -value : value;
        place--;
    }
}

static int add_long(struct sfs_sum *sum, struct sfs_bytes text)
{
    struct sfs_json_number number = sfs_json_number_read(text);
    int64_t exponent = 0;
    if (number.digits == number.digits_end)
        return 0;
    if (!read_exponent(&number, &exponent))
        return SFS_E_TOO_LARGE;
    while (number.digits_end[-1] == '0' || number.digits_end[-1] == '.')
        number.digits_end--;
    int64_t digits = 0;
    for (const char *at = number.digits; at < number.digits_end; at++)
        digits += *at != '.';
    int result = reach(sum, floor_divide(exponent - digits, BASE_DIGITS),
                       floor_divide(exponent - 1, BASE_DIGITS) + 1);
    if (result)
        return result;
    add_digits(sum, &number, exponent);
    return note_addition(sum);
}

/* Moves what the wide integer counts to the limbs. */
static int flush(struct sfs_sum *sum)
{
    sfs_wide left = sum->billionths;
    if (left == 0)
        return 0;
    int result = reach(sum, -1, 4);
    for (int64_t power = -1; power < 4 && result == 0; power++) {
        sum->limbs[power - sum->low] += (int64_t)(left % BASE);
        left /= BASE;
    }
    if (result)
        return result;
    sum->billionths = 0;
    return note_addition(sum);
}

static int add_wide(struct sfs_sum *sum, sfs_wide billionths)
{
    sfs_wide total;
    if (!__builtin_add_overflow(sum->billionths, billionths, &total)) {
        sum->billionths = total;
        return 0;
    }
    int result = flush(sum);
    sum->billionths += result ? 0 : billionths;
    return result;
}

int sfs_sum_add(struct sfs_sum *sum, struct sfs_bytes number)
{
    sfs_wide billionths;
    int result =
        read_short(number, &billionths) ? add_wide(sum, billionths) : add_long(sum, number);
    sum->count += result == 0;
    return result;
}

int sfs_sum_add_integer(struct sfs_sum *sum, int64_t number)
{
    int result = add_wide(sum, (sfs_wide)number * BASE);
    sum->count += result == 0;
    return result;
}

/* --- sums of sums --- */

int sfs_sum_merge(struct sfs_sum *sum, const struct sfs_sum *other)
{
    int result = add_wide(sum, other->billionths);
    if (result == 0 && other->limb_count > 0)
        result = reach(sum, other->low, other->low + (int64_t)other->limb_count);
    if (result == 0 && (sum->additions > 0 || other->additions > 0))
        result = carry(sum);
    for (size_t i = 0; i < other->limb_count && result == 0; i++)
        sum->limbs[other->low + (int64_t)i - sum->low] += other->limbs[i];
    sum->count += other->count;
    return result ? result : carry(sum);
}

int sfs_sum_pack(const struct sfs_sum *sum, struct sfs_buffer *out)
{
    int result = sfs_buffer_append(out, sum, sizeof(*sum));
    return result ? result
                  : sfs_buffer_append(out, sum->limbs, sum->limb_count * sizeof(*sum->limbs));
}

int sfs_sum_merge_packed(struct sfs_sum *sum, struct sfs_bytes *bytes)
{
    struct sfs_sum other;
    memcpy(&other, bytes->data, sizeof(other));
    size_t size = other.limb_count * sizeof(*other.limbs);
    const char *limbs = (const char *)bytes->data + sizeof(other);
    other.limbs = NULL;
    if (size > 0) {
        other.limbs = malloc(size);
        if (!other.limbs)
            return SFS_E_NO_MEMORY;
        memcpy(other.limbs, limbs, size);
    }
    int result = sfs_sum_merge(sum, &other);
    free(other.limbs);
    *bytes = sfs_bytes(limbs + size, bytes->size - sizeof(other) - size);
    return result;
}

/* --- results --- */

/* The sum's sign and its decimal digits, without zeros in front; the last counts 10^*ret_exponent.
 */
static int read_digits(struct sfs_sum *sum, struct sfs_buffer *digits, bool *ret_negative,
                       int64_t *ret_exponent)
{
    int result = flush(sum);
    if (result == 0)
        result = carry(sum);
    size_t count = sum->limb_count;
    while (count > 0 && sum->limbs[count - 1] == 0)
        count--;
    *ret_negative = count > 0 && sum->limbs[count - 1] < 0;
    *ret_exponent = sum->low * BASE_DIGITS;
    /* Of a negative sum only the highest limb is: turned round, all are digits again. */
    for (size_t i = 0; i < sum->limb_count && *ret_negative && result == 0; i++)
        sum->limbs[i] = -sum->limbs[i];
    if (result == 0 && *ret_negative)
        result = carry(sum);
    while (count > 0 && sum->limbs[count - 1] == 0)
        count--;
    for (size_t i = count; i > 0 && result == 0; i--)
        result =
            sfs_buffer_printf(digits, i == count ? "%" PRId64 : "%09" PRId64, sum->limbs[i - 1]);
    for (size_t i = 0; i < sum->limb_count && *ret_negative; i++)
        sum->limbs[i] = -sum->limbs[i];
    return result;
}

int sfs_sum_total(struct sfs_sum *sum, struct sfs_buffer *out)
{
    struct sfs_buffer digits = {0};
    bool negative = false;
    int64_t exponent = 0;
    int result = read_digits(sum, &digits, &negative, &exponent);
    if (result == 0 && digits.size == 0)
        result = sfs_buffer_byte(out, '0');
    else if (result == 0)
        result = sfs_buffer_printf(out, "%s%.*se%" PRId64, negative ? "-" : "", (int)digits.size,
                                   digits.data, exponent);
    sfs_buffer_free(&digits);
    return result;
}

/* A long division under way. */
struct division {
    struct sfs_bytes digits; /* of the dividend */
    uint64_t divisor;
    uint64_t rest;
    size_t at; /* digits taken, also zeros behind the last */
    struct sfs_buffer quotient;
};

__extension__ typedef unsigned __int128 unsigned_wide;

static unsigned next_digit(struct division *division)
{
    const char *digits = division->digits.data;
    size_t at = division->at++;
    unsigned digit = at < division->digits.size ? (unsigned)(digits[at] - '0') : 0;
    unsigned_wide rest = (unsigned_wide)division->rest * 10 + digit;
    division->rest = (uint64_t)(rest % division->divisor);
    return (unsigned)(rest / division->divisor);
}

/* Adds one to the last digit; a carry out of the first makes one digit more. */
static int round_up(struct division *division)
{
    struct sfs_buffer *quotient = &division->quotient;
    size_t at = quotient->size;
    while (at > 0 && quotient->data[at - 1] == '9')
        quotient->data[--at] = '0';
    if (at > 0) {
        quotient->data[at - 1]++;
        return 0;
    }
    int result = sfs_buffer_byte(quotient, '0');
    quotient->data[0] = '1';
    return result;
}

static int divide(struct division *division, size_t limit)
{
    bool left = true;
    while (left && division->quotient.size < limit) {
        unsigned digit = next_digit(division);
        if ((digit > 0 || division->quotient.size > 0) &&
            sfs_buffer_byte(&division->quotient, (char)('0' + digit)))
            return SFS_E_NO_MEMORY;
        left = division->rest > 0 || division->at < division->digits.size;
    }
    if (!left)
        return 0;
    size_t taken = division->at;
    size_t size = division->quotient.size;
    unsigned next = next_digit(division);
    bool more = division->rest > 0;
    for (size_t i = division->at; i < division->digits.size; i++)
        more = more || ((const char *)division->digits.data)[i] != '0';
    division->at = taken;
    bool odd = (division->quotient.data[size - 1] - '0') % 2;
    return next > 5 || (next == 5 && (more || odd)) ? round_up(division) : 0;
}

int sfs_sum_average(struct sfs_sum *sum, struct sfs_buffer *out)
{
    struct division division = {.divisor = sum->count};
    struct sfs_buffer digits = {0};
    bool negative = false;
    int64_t exponent = 0;
    int result = read_digits(sum, &digits, &negative, &exponent);
    /* The limit must not depend on how the sum's digits are cut into limbs. */
    while (digits.size > 0 && digits.data[digits.size - 1] == '0') {
        digits.size--;
        exponent++;
    }
    division.digits = sfs_buffer_bytes(&digits);
    if (result == 0 && digits.size > 0)
        result = divide(&division, digits.size > AVERAGE_DIGITS ? digits.size : AVERAGE_DIGITS);
    if (result == 0 && digits.size == 0)
        result = sfs_buffer_byte(out, '0');
    else if (result == 0)
        result = sfs_buffer_printf(out, "%s%.*se%" PRId64, negative ? "-" : "",
                                   (int)division.quotient.size, division.quotient.data,
                                   exponent + (int64_t)digits.size - (int64_t)division.at);
    sfs_buffer_free(&division.quotient);
    sfs_buffer_free(&digits);
    return result;
}

size_t sfs_sum_held(const struct sfs_sum *sum)
{
    return sum->limb_count * sizeof(*sum->limbs);
}

void sfs_sum_free(struct sfs_sum *sum)
{
    free(sum->limbs);
    *sum = (struct sfs_sum){0};
}
