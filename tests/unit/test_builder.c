/* SPDX-License-Identifier: MIT */
/* Queries built from C values: what each macro and call gives, and what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storefs/builder.h"

static void expect_condition(struct sfs_condition condition, const char *expected)
{
    struct sfs_error error = {0};
    struct sfs_query *query = NULL;
    struct sfs_buffer path = {0};
    assert_int_equal(sfs_query_new(&query, &error), 0);
    int result = sfs_where(query, condition, &error);
    if (result == 0)
        assert_int_equal(sfs_query_print(query, SFS_SINK_NONE, &path, &error), 0);
    assert_int_equal(sfs_buffer_text(&path), 0);
    assert_string_equal(result ? error.message : path.data, expected);
    sfs_buffer_free(&path);
    sfs_query_free(query);
}

static void test_conditions(void **state)
{
    (void)state;
    const bool yes = true;
    const char *name = "n", *no_name = NULL;
    const struct sfs_condition no_memory = {NULL};
    const struct sfs_bytes bytes = SFS_LITERAL("a\0b");
    const struct sfs_bytes no_text = SFS_LITERAL("\xff");
    expect_condition(sfs_ge("age", 21), "where/age >= 21");
    expect_condition(sfs_eq("a", yes), "where/a = true");
    expect_condition(sfs_ne("a", false), "where/a != false");
    expect_condition(sfs_in("a", true, 1, name), "where/a in [true,1,\"n\"]");
    expect_condition(sfs_eq("a", "x"), "where/a = \"x\"");
    expect_condition(sfs_eq("a", bytes), "where/a = \"a\\u0000b\"");
    expect_condition(sfs_eq("a", NULL), "where/a = null");
    expect_condition(sfs_lt("a", 0.1), "where/a < 0.1");
    expect_condition(sfs_le("a", 1e300), "where/a <= 1e+300");
    expect_condition(sfs_gt("a", UINT64_MAX), "where/a > 18446744073709551615");
    expect_condition(sfs_eq("a", sfs_json_text("[1, {}]")), "where/a = [1,{}]");
    expect_condition(sfs_contains("tags", 'x'), "where/tags has 120");
    expect_condition(sfs_between("n", 1, 2.5), "where/n >= 1 and n <= 2.5");
    expect_condition(sfs_in("n", sfs_literal(1), "x"), "where/n in [1,\"x\"]");
    expect_condition(sfs_in("n", 21), "where/n in [21]");
    expect_condition(
        sfs_in("n", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
               23, 24, 25, 26, 27, 28, 29, 30, 31, 32),
        "where/n in [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,"
        "29,30,31,32]");
    expect_condition(sfs_condition_in("n", NULL, 0), "where/n in []");
    expect_condition(sfs_and(sfs_glob("a", "J*"), sfs_or(sfs_is_true("b"), sfs_has_field("c.d"))),
                     "where/a ~ \"J*\" and (b or c.d exists)");
    expect_condition(sfs_not(sfs_regex("@key", "^a")), "where/not @key =~ \"^a\"");
    expect_condition(sfs_not(sfs_condition_text(SFS_LITERAL("a or b"))), "where/not (a or b)");
    expect_condition(sfs_and(sfs_eq("a", (double)NAN), sfs_eq("b", 1)),
                     "where: NAN and infinite numbers are not JSON values");
    expect_condition(sfs_not(sfs_eq("a", no_text)), "where: a string is not UTF-8");
    expect_condition(sfs_eq("a", sfs_json_text("[")), "where: a value given as JSON is not JSON");
    expect_condition(sfs_eq("a", sfs_json_text(no_name)),
                     "where: a value given as JSON is not JSON");
    expect_condition(sfs_and(sfs_eq("a", 1), no_memory), "out of memory");
    expect_condition(no_memory, "out of memory");
    sfs_condition_free(sfs_eq("a", 1));
    sfs_condition_free(no_memory);
}

/* What stands for a field, an operator or an expression must be one, not a piece of what is around
 * it. */
static void test_condition_pieces(void **state)
{
    (void)state;
    const char *no_name = NULL;
    static const char *const fields[] = {"a b", "a = 1 or b", "not a",          "a]",
                                         "",    " ",          "a exists and b", "a,b"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct sfs_query *query = NULL;
        struct sfs_error error = {0};
        assert_int_equal(sfs_query_new(&query, &error), 0);
        assert_int_equal(sfs_where(query, sfs_eq(fields[i], 1), &error), SFS_E_INVALID);
        assert_int_equal(sfs_where(query, sfs_not(sfs_is_true(fields[i])), &error), SFS_E_INVALID);
        assert_int_equal(sfs_where(query, sfs_has_field(fields[i]), NULL), SFS_E_INVALID);
        assert_int_equal(sfs_where(query, sfs_in(fields[i], 1), NULL), SFS_E_INVALID);
        assert_int_equal(sfs_order(query, sfs_sorts("n", fields[i]), &error), SFS_E_INVALID);
        assert_int_equal(sfs_select(query, sfs_fields(fields[i], "n"), &error), SFS_E_INVALID);
        assert_int_equal(sfs_group(query, sfs_fields(fields[i]), &error), SFS_E_INVALID);
        assert_int_equal(sfs_aggregate(query, sfs_calls(sfs_sum(fields[i])), &error),
                         SFS_E_INVALID);
        assert_int_equal(sfs_query_stages(query), 0);
        sfs_query_free(query);
    }
    expect_condition(sfs_eq(no_name, 1), "where: expected a field name at column 1: ");
    expect_condition(sfs_condition_test("a", "= 1 or b =", sfs_literal(2)),
                     "where: the symbol of a test is not an operator");
    expect_condition(sfs_condition_test("a", NULL, sfs_literal(2)),
                     "where: the symbol of a test is not an operator");
    expect_condition(sfs_not(sfs_condition_text(SFS_LITERAL("a) or (b"))),
                     "where: expected an operator, 'and', 'or' or the end at column 2: a) or (b");
    expect_condition(sfs_condition_any(NULL, 0), "where: a list of conditions is empty");
    expect_condition(sfs_glob("a", no_name),
                     "where: '~' takes a pattern in double quotes at column 5: a ~ null");
}

static void expect_stage(struct sfs_query **query, int result, const char *expected,
                         const struct sfs_error *error)
{
    struct sfs_buffer path = {0};
    if (result == 0)
        assert_int_equal(sfs_query_print(*query, SFS_SINK_NONE, &path, NULL), 0);
    assert_int_equal(sfs_buffer_text(&path), 0);
    assert_string_equal(result ? error->message : path.data, expected);
    sfs_buffer_free(&path);
    sfs_query_free(*query);
    assert_int_equal(sfs_query_new(query, NULL), 0);
}

static void test_lists(void **state)
{
    (void)state;
    struct sfs_query *query = NULL;
    struct sfs_error error = {0};
    const char *name = "n";
    const struct sfs_call none = {(enum sfs_function)99, NULL};
    assert_int_equal(sfs_query_new(&query, &error), 0);
    expect_stage(
        &query,
        sfs_order(query, sfs_sorts(sfs_desc("age"), sfs_asc("\"odd, name\""), name), &error),
        "order/age:desc,\"odd, name\",n", &error);
    expect_stage(&query, sfs_select(query, sfs_fields("a.b[0]", "@key"), &error),
                 "select/a.b[0],@key", &error);
    expect_stage(&query, sfs_group(query, sfs_fields(name), &error), "group/n", &error);
    expect_stage(&query,
                 sfs_aggregate(query,
                               sfs_calls(sfs_count(), sfs_sum("n"), sfs_avg("n"), sfs_min("n"),
                                         sfs_max("n"), sfs_distinct("n")),
                               &error),
                 "aggregate/count,sum(n),avg(n),min(n),max(n),distinct(n)", &error);
    expect_stage(&query, sfs_aggregate(query, sfs_calls(none), &error),
                 "aggregate: there is no function of that number", &error);
    expect_stage(&query, sfs_order(query, (struct sfs_sort_list){0}, &error),
                 "order: expected a field name at column 1: ", &error);
    expect_stage(&query, sfs_query_limit(query, -1, &error),
                 "limit: the number is negative or larger than 9223372036854775807", &error);
    expect_stage(&query, sfs_query_offset(query, UINT64_MAX, &error),
                 "offset: the number is negative or larger than 9223372036854775807", &error);
    expect_stage(&query, sfs_query_limit(query, (short)3, &error), "limit/3", &error);
    sfs_query_free(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_condition_pieces),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
