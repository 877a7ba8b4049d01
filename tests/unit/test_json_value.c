/* SPDX-License-Identifier: MIT */
/* What JSON values are: decoded strings, exact numbers, their order, their compact text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct sfs_json parse(const char *text)
{
    struct sfs_json value;
    struct sfs_json_problem problem;
    if (!sfs_json_parse(sfs_string(text), &value, &problem))
        fail_msg("%s: byte %zu: %s", text, problem.offset, problem.reason);
    return value;
}

static void assert_text(struct sfs_bytes bytes, const char *expected)
{
    assert_int_equal(bytes.size, strlen(expected));
    assert_memory_equal(bytes.data, expected, bytes.size);
}

/* -- strings ---------------------------------------------------------------------------------- */

static const struct {
    const char *literal;
    struct sfs_bytes decoded;
    const char *encoded; /* NULL: as literal */
} strings[] = {
    {"\"\"", {"", 0}, NULL},
    {"\"abc\"", {"abc", 3}, NULL},
    {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", {"\"\\\b\f\n\r\t", 7}, NULL},
    {"\"\\/\\u002f/\"", {"///", 3}, "\"///\""},
    {"\"\\u0000\\u001f\\u007f\"", {"\0\x1f\x7f", 3}, "\"\\u0000\\u001f\x7f\""},
    {"\"\\u00e9\xc3\xa9\"", {"\xc3\xa9\xc3\xa9", 4}, "\"\xc3\xa9\xc3\xa9\""},
    {"\"\\u20AC\"", {"\xe2\x82\xac", 3}, "\"\xe2\x82\xac\""},
    {"\"\\uD83d\\uDe00!\"", {"\xf0\x9f\x98\x80!", 5}, "\"\xf0\x9f\x98\x80!\""},
    {"\"\\udbff\\udfff\"", {"\xf4\x8f\xbf\xbf", 4}, "\"\xf4\x8f\xbf\xbf\""},
    {"\"\\ud800\"", {"\xed\xa0\x80", 3}, NULL},
    {"\"x\\udfffy\"", {"x\xed\xbf\xbfy", 5}, NULL},
    {"\"\\udc00\\ud800\"", {"\xed\xb0\x80\xed\xa0\x80", 6}, NULL},
    {"\"\\ud800\\ud83d\\ude00\"",
     {"\xed\xa0\x80\xf0\x9f\x98\x80", 7},
     "\"\\ud800\xf0\x9f\x98\x80\""},
    {"\"\\ud800\\n\\u2028\"", {"\xed\xa0\x80\n\xe2\x80\xa8", 7}, "\"\\ud800\\n\xe2\x80\xa8\""},
};

static void test_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(strings); i++) {
        struct sfs_json literal = parse(strings[i].literal);
        struct sfs_buffer buffer = {0};
        assert_int_equal(sfs_json_string_decode(literal, &buffer), 0);
        assert_int_equal(buffer.size, strings[i].decoded.size);
        if (buffer.size)
            assert_memory_equal(buffer.data, strings[i].decoded.data, buffer.size);
        assert_true(sfs_json_string_equals(literal, strings[i].decoded));
        assert_false(sfs_json_string_equals(literal, SFS_LITERAL("other")));
        buffer.size = 0;
        assert_int_equal(sfs_json_string_encode(strings[i].decoded, &buffer), 0);
        assert_text(sfs_buffer_bytes(&buffer),
                    strings[i].encoded ? strings[i].encoded : strings[i].literal);
        assert_int_equal(sfs_json_string_compare(literal, sfs_json_view(sfs_buffer_bytes(&buffer))),
                         0);
        sfs_buffer_free(&buffer);
    }
}

static void test_string_failures(void **state)
{
    (void)state;
    struct sfs_buffer buffer = {0};
    assert_int_equal(sfs_buffer_add(&buffer, SFS_LITERAL("kept")), 0);
    const char *const bad[] = {"\x80", "a\xffz", "\n\xc3", "\xc0\x80", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(sfs_json_string_encode(sfs_string(bad[i]), &buffer), SFS_E_INVALID);
    assert_int_equal(sfs_json_string_decode(parse("1"), &buffer), SFS_E_INVALID);
    assert_text(sfs_buffer_bytes(&buffer), "kept");
    assert_false(sfs_json_string_equals(parse("\"ab\\n\""), SFS_LITERAL("ab")));
    assert_false(sfs_json_string_equals(parse("\"a\\n\""), SFS_LITERAL("a\nb")));
    assert_false(sfs_json_string_equals(parse("1"), SFS_LITERAL("")));
    sfs_buffer_free(&buffer);
}

/* -- order ------------------------------------------------------------------------------------ */

static int compare(const char *a, const char *b)
{
    int order = 7;
    int back = 7;
    assert_int_equal(sfs_json_compare(parse(a), parse(b), &order), 0);
    assert_int_equal(sfs_json_compare(parse(b), parse(a), &back), 0);
    order = (order > 0) - (order < 0);
    assert_int_equal(order, (back < 0) - (back > 0));
    return order;
}

/* Each is less than all that follow. */
static const char *const ascending[] = {
    "null",
    "false",
    "true",
    "-1e1000000000000000000000001",
    "-1e1000000000000000000000000",
    "-9007199254740993",
    "-9007199254740992",
    "-2",
    "-1.5",
    "-0.1",
    "-1e-1000000000",
    "-1e-99999999999999999999",
    "-0.0",
    "1e-99999999999999999999",
    "1e-1000000000",
    "0.09",
    "0.1",
    "0.11",
    "1",
    "1.0000000000000000000000000000001",
    "9",
    "10",
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.5",
    "18446744073709551616",
    "1e999999999",
    "1e1000000000",
    "1.1e1000000000",
    "1e1000000000000000000000000",
    "\"\"",
    "\"\\u0000\"",
    "\"A\"",
    "\"a\"",
    "\"a\\u0000\"",
    "\"aa\"",
    "\"b\"",
    "\"\\u00e9\"",
    "\"\\ud800\"",
    "\"\\uffff\"",
    "\"\\ud83d\\ude00\"",
    "[]",
    "[null]",
    "[1]",
    "[1,1]",
    "[1,[2]]",
    "[2]",
    "[\"1\"]",
    "[[]]",
    "[[1],2]",
    "[[2]]",
    "[{}]",
    "{}",
    "{\"\":9}",
    "{\"a\":1}",
    "{\"b\":0,\"a\":1}",
    "{\"a\":1,\"c\":0}",
    "{\"a\":2}",
    "{\"a\":{\"z\":[]}}",
    "{\"b\":null}",
};

static void test_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ascending); i++) {
        for (size_t j = 0; j < COUNT(ascending); j++) {
            int expected = (i > j) - (i < j);
            if (compare(ascending[i], ascending[j]) != expected)
                fail_msg("%s against %s is not %d", ascending[i], ascending[j], expected);
        }
    }
}

static const char *const equals[][2] = {
    {"0", "-0"},
    {"0", "0e99999999999999999999"},
    {"-0.000", "0E-5"},
    {"1e2", "100"},
    {"100", "1.00e+0002"},
    {"0.001", "1e-3"},
    {"10e999999999", "1e1000000000"},
    {"0.00012e4", "1.2"},
    {"-12.50", "-1.25e1"},
    {"10e99999999999999999998", "1e99999999999999999999"},
    {"0.1e-99999999999999999999", "1e-100000000000000000000"},
    {"1e-0", "1"},
    {"120e-1", "12"},
    {"10e9999999999999999999999", "1e10000000000000000000000"},
    {"100000000000000000000", "1e20"},
    {"\"\\u0041\\/\"", "\"A/\""},
    {"[1.0,2]", "[ 1, 2e0 ]"},
    {"{\"a\":1,\"b\":2}", "{ \"b\": 2.0, \"\\u0061\": 1 }"},
    {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
    {"{\"a\":1,\"b\":3,\"\\u0061\":2,\"a\":[]}", "{\"b\":3,\"a\":[]}"},
    {"[{\"x\":[{\"y\":1}]},[ ]]", "[{\"x\":[{\"y\":0.1e1}]},[]]"},
};

static void test_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(equals); i++) {
        if (compare(equals[i][0], equals[i][1]) != 0)
            fail_msg("%s is not %s", equals[i][0], equals[i][1]);
    }
}

/* A mantissa of 200,000 digits, and an exponent as long. */
static void test_long_numbers(void **state)
{
    (void)state;
    size_t size = 200000;
    char *zeros = malloc(size);
    char *power = malloc(size);
    assert_non_null(zeros);
    assert_non_null(power);
    memset(zeros, '0', size);
    memcpy(zeros, "0.", 2);
    zeros[size - 1] = '1';
    struct sfs_bytes number = sfs_bytes(zeros, size);
    assert_true(sfs_json_check(number, NULL));
    assert_int_equal(sfs_json_number_compare(number, SFS_LITERAL("1e-199998")), 0);
    assert_int_equal(sfs_json_number_compare(number, SFS_LITERAL("1e-199997")), -1);
    assert_int_equal(sfs_json_number_compare(number, SFS_LITERAL("1e-199999")), 1);
    memset(power, '9', size);
    memcpy(power, "1e", 2);
    assert_int_equal(sfs_json_number_compare(sfs_bytes(power, size), number), 1);
    assert_int_equal(sfs_json_number_compare(sfs_bytes(power, size), sfs_bytes(power, size - 1)),
                     1);
    free(zeros);
    free(power);
}

static void test_compact(void **state)
{
    (void)state;
    struct sfs_buffer buffer = {0};
    assert_int_equal(sfs_buffer_add(&buffer, SFS_LITERAL("=")), 0);
    struct sfs_json value =
        parse("\n{ \"a b\" : [ 1.00 , -0E+1,\t\" \\u0020 \" ] ,\r\"a b\":{ } } ");
    assert_int_equal(sfs_json_compact(value, &buffer), 0);
    assert_text(sfs_buffer_bytes(&buffer), "={\"a b\":[1.00,-0E+1,\" \\u0020 \"],\"a b\":{}}");
    sfs_buffer_free(&buffer);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sfs_json_type_name(parse("true").type), "boolean");
    assert_string_equal(sfs_json_type_name(parse("false").type), "boolean");
    assert_string_equal(sfs_json_type_name(parse("null").type), "null");
    assert_string_equal(sfs_json_type_name(parse("-1").type), "number");
    assert_string_equal(sfs_json_type_name(parse("\"\"").type), "string");
    assert_string_equal(sfs_json_type_name(parse("[]").type), "array");
    assert_string_equal(sfs_json_type_name(parse("{}").type), "object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),      cmocka_unit_test(test_string_failures),
        cmocka_unit_test(test_order),        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_long_numbers), cmocka_unit_test(test_compact),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
