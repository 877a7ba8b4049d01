/* SPDX-License-Identifier: MIT */
/* Exact sums and averages, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query/sum.h"

static void expect_sum(const char *const *numbers, size_t count, const char *total,
                       const char *average)
{
    /* In one sum; and each number packed, and merged into another one. */
    for (int pieces = 0; pieces < 2; pieces++) {
        struct sfs_sum sum = {0};
        struct sfs_buffer text = {0};
        for (size_t i = 0; i < count; i++) {
            struct sfs_sum one = {0};
            struct sfs_buffer packed = {0};
            assert_int_equal(sfs_sum_add(pieces ? &one : &sum, sfs_string(numbers[i])), 0);
            if (pieces) {
                assert_int_equal(sfs_sum_pack(&one, &packed), 0);
                struct sfs_bytes rest = sfs_buffer_bytes(&packed);
                assert_int_equal(sfs_sum_merge_packed(&sum, &rest), 0);
                assert_int_equal(rest.size, 0);
            }
            sfs_sum_free(&one);
            sfs_buffer_free(&packed);
        }
        const char *expected[] = {total, average};
        for (int i = 0; i < 2; i++) {
            text.size = 0;
            assert_int_equal(i ? sfs_sum_average(&sum, &text) : sfs_sum_total(&sum, &text), 0);
            if (sfs_json_number_compare(sfs_buffer_bytes(&text), sfs_string(expected[i])) != 0)
                fail_msg("%.*s, not %s", (int)text.size, text.data, expected[i]);
        }
        sfs_buffer_free(&text);
        sfs_sum_free(&sum);
    }
}

#define EXPECT_SUM(total, average, ...)                                                            \
    expect_sum((const char *const[]){__VA_ARGS__},                                                 \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), total, average)

static void test_sums(void **state)
{
    (void)state;
    EXPECT_SUM("0.3", "0.15", "0.1", "0.2");
    EXPECT_SUM("18014398509481986", "9007199254740993", "9007199254740993", "9007199254740993");
    EXPECT_SUM("0", "0", "1e400", "-1e400");
    EXPECT_SUM("-1", "-0.3333333333333333333333333333333333", "1e30", "-1e30", "-1");
    EXPECT_SUM("2", "0.6666666666666666666666666666666667", "1", "1", "0");
    EXPECT_SUM("123456789012345678901234567890.5", "123456789012345678901234567890.5",
               "123456789012345678901234567890.5");
    EXPECT_SUM("1.0000000000000000000000000001", "0.50000000000000000000000000005", "1", "1e-28");
    EXPECT_SUM("-99999999999999999999", "-99999999999999999999", "-99999999999999999999");
    EXPECT_SUM("100000000000000000000", "50000000000000000000", "99999999999999999999", "1");
    EXPECT_SUM("2000000000000000000.000000002", "1000000000000000000.000000001",
               "1000000000000000000.000000001", "1000000000000000000.000000001");
    EXPECT_SUM("-1e-50", "-1e-50", "-0.1e-49");
    EXPECT_SUM("999999999999999999999999999999999999999999",
               "333333333333333333333333333333333333333333",
               "999999999999999999999999999999999999999999", "0", "-0.0");
    /* Half to even: 1 / 2^50 has 35 digits, of which the last is 5. */
    struct sfs_sum half = {0};
    struct sfs_buffer text = {0};
    assert_int_equal(sfs_sum_add(&half, SFS_LITERAL("1")), 0);
    half.count = UINT64_C(1) << 50;
    assert_int_equal(sfs_sum_average(&half, &text), 0);
    assert_int_equal(
        sfs_json_number_compare(sfs_buffer_bytes(&text),
                                SFS_LITERAL("8.881784197001252323389053344726562e-16")),
        0);
    sfs_buffer_free(&text);
    sfs_sum_free(&half);
    struct sfs_sum sum = {0};
    assert_int_equal(sfs_sum_add(&sum, SFS_LITERAL("1")), 0);
    assert_int_equal(sfs_sum_add(&sum, SFS_LITERAL("1e999999999999999999999")), SFS_E_TOO_LARGE);
    assert_int_equal(sfs_sum_add(&sum, SFS_LITERAL("1e-500000")), 0);
    assert_int_equal(sfs_sum_add(&sum, SFS_LITERAL("1e600000")), SFS_E_TOO_LARGE);
    sfs_sum_free(&sum);
}

/* Random sums against a wide integer. */
static void test_random_sums(void **state)
{
    (void)state;
    uint64_t random = 12345;
    for (int round = 0; round < 300; round++) {
        struct sfs_sum sum = {0};
        struct sfs_buffer text = {0};
        sfs_wide expected = 0;
        char number[64];
        for (int i = 0; i < 40; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            int64_t mantissa = (int64_t)(random >> (random % 60));
            int places = (int)(random >> 40) % 13;
            sfs_wide value = mantissa;
            for (int j = places; j < 12; j++)
                value *= 10;
            expected += value;
            snprintf(number, sizeof(number), "%lld%se-%d", (long long)mantissa, "", places);
            assert_int_equal(sfs_sum_add(&sum, sfs_string(number)), 0);
        }
        /* In units of 10^-12, as two numbers that are compared as one text. */
        bool negative = expected < 0;
        sfs_wide size = negative ? -expected : expected;
        snprintf(number, sizeof(number), "%s%llu%018llue-12", negative ? "-" : "",
                 (unsigned long long)(size / 1000000000000000000),
                 (unsigned long long)(size % 1000000000000000000));
        assert_int_equal(sfs_sum_total(&sum, &text), 0);
        if (sfs_json_number_compare(sfs_buffer_bytes(&text), sfs_string(number)) != 0)
            fail_msg("%.*s, not %s", (int)text.size, text.data, number);
        sfs_buffer_free(&text);
        sfs_sum_free(&sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_random_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
