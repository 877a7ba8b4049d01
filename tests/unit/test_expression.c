/* SPDX-License-Identifier: MIT */
/* Expressions: how they are parsed and printed, what is refused and where, and what they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query/expression.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Parses `text` and gives its plain form as a C string that the caller frees. */
static char *plain_form(const char *text)
{
    struct sfs_arena arena = {0};
    struct sfs_error error = {0};
    struct sfs_buffer out = {0};
    const struct sfs_node *node = NULL;
    if (sfs_expression_parse(sfs_string(text), &arena, &node, &error))
        fail_msg("%s: %s", text, error.message);
    assert_int_equal(sfs_expression_print(node, &out), 0);
    assert_int_equal(sfs_buffer_text(&out), 0);
    sfs_arena_free(&arena);
    return out.data;
}

static void test_plain_forms(void **state)
{
    static const struct {
        const char *text;
        const char *plain;
    } cases[] = {
        {"a", "a"},
        {"  a\t=\n1 ", "a = 1"},
        {"a=1", "a = 1"},
        {"n>=-1.50e+3", "n >= -1.50e+3"},
        {"a.b[0].\"odd name\"[12] exists", "a.b[0].\"odd name\"[12] exists"},
        {"\"plain\" = \"x\"", "plain = \"x\""},
        {"\"and\" = \"\\u0041\\n\\u00e9\"", "\"and\" = \"A\\n\xc3\xa9\""},
        {"a.and.\"in\" exists", "a.\"and\".\"in\" exists"},
        {"\"@key\" = 1", "\"@key\" = 1"},
        {"\"\" exists", "\"\" exists"},
        {"\"\\ud800\" exists", "\"\\ud800\" exists"},
        {"a-b_$1 < 2", "a-b_$1 < 2"},
        {"\xc3\xa9t\xc3\xa9 = 1", "\xc3\xa9t\xc3\xa9 = 1"},
        {"@key ~ \"user/*\" and @size<10", "@key ~ \"user/*\" and @size < 10"},
        {"@type=\"json\" or @created>0 or @updated>0",
         "@type = \"json\" or @created > 0 or @updated > 0"},
        {"a in [ 1, \"x\" ,{ \"b\" : [ ] } ]", "a in [1,\"x\",{\"b\":[]}]"},
        {"a has { \"b\" : 1.0 }", "a has {\"b\":1.0}"},
        {"a!=null", "a != null"},
        {"a=true or b=false", "a = true or b = false"},
        {"a or b and not c = 1", "a or b and not c = 1"},
        {"(a or b) and c", "(a or b) and c"},
        {"a and (b and (c and d))", "a and b and c and d"},
        {"((a or b) or (c or d))", "a or b or c or d"},
        {"(a and b) or c", "a and b or c"},
        {"not (a)", "not a"},
        {"not(not(a and b))", "not not (a and b)"},
        {"not (a or b) and c", "not (a or b) and c"},
        {"andy and orc or notx", "andy and orc or notx"},
        {"inner in [] and hash has 1", "inner in [] and hash has 1"},
        {"a exists and(b)", "a exists and b"},
        {"age >= 21 and (name ~ \"Jo*\" or tags has \"x\") and not archived",
         "age >= 21 and (name ~ \"Jo*\" or tags has \"x\") and not archived"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *once = plain_form(cases[i].text);
        assert_string_equal(once, cases[i].plain);
        char *twice = plain_form(once);
        assert_string_equal(twice, once);
        free(once);
        free(twice);
    }
}

static const struct {
    const char *text;
    const char *sentence;
} mistakes[] = {
    {"n >=", "where: expected a value after '>=' at column 5: n >="},
    {"n >= ", "where: expected a value after '>=' at column 5: n >= "},
    {"", "where: expected a field, but the expression ends at column 1: "},
    {"a and", "where: expected a field, but the expression ends at column 6: a and"},
    {"a and or b",
     "where: expected a field ('or' as a field needs quotes) at column 7: a and or b"},
    {"true", "where: expected a field ('true' as a field needs quotes) at column 1: true"},
    {"21 <= age", "where: expected a field at column 1: 21 <= age"},
    {"a = b", "where: expected a value after '=' (texts need double quotes) at column 5: a = b"},
    {"a = 'b'",
     "where: expected a value after '=' (texts need double quotes) at column 5: a = 'b'"},
    {"a == 1", "where: no operator '==' (it is written =) at column 3: a == 1"},
    {"a =~ \"x(y\"",
     "where: the regular expression is malformed: missing closing parenthesis at column 10: "
     "a =~ \"x(y\""},
    {"a =~ 5", "where: '=~' takes a pattern in double quotes at column 6: a =~ 5"},
    {"a =~ \"\\u0028\"",
     "where: the regular expression is malformed: missing closing parenthesis at column 6: "
     "a =~ \"\\u0028\""},
    {"(a", "where: expected ')' at column 3: (a"},
    {"(a or b = 1 c", "where: expected ')' at column 13: (a or b = 1 c"},
    {"a)", "where: expected an operator, 'and', 'or' or the end at column 2: a)"},
    {"a b", "where: expected an operator, 'and', 'or' or the end at column 3: a b"},
    {"\xc3\xa9\xc3\xa9 b",
     "where: expected an operator, 'and', 'or' or the end at column 4: \xc3\xa9\xc3\xa9 b"},
    {"a in 1", "where: 'in' takes an array, such as [1, 2] at column 6: a in 1"},
    {"a ~ 1", "where: '~' takes a pattern in double quotes at column 5: a ~ 1"},
    {"a ~ \"[\"",
     "where: the pattern is malformed: the set has no closing ] at column 5: a ~ \"[\""},
    {"a[x] = 1", "where: expected an index, a number from 0 at column 3: a[x] = 1"},
    {"a[1 = 1", "where: expected ']' after the index at column 4: a[1 = 1"},
    {"a[99999999999999999999] = 1",
     "where: the index is too large at column 3: a[99999999999999999999] = 1"},
    {"a. = 1", "where: expected a field name at column 3: a. = 1"},
    {"@keys = 1", "where: no such property (there are @key, @size, @type, @created, @updated, "
                  "@count) at column 1: @keys = 1"},
    {"@key.x = 1", "where: expected an operator, 'and', 'or' or the end at column 5: @key.x = 1"},
    {"a \xff", "where: a byte that is not UTF-8 at column 3: a "},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct sfs_arena arena = {0};
        struct sfs_error error = {0};
        const struct sfs_node *node = NULL;
        int result = sfs_expression_parse(sfs_string(mistakes[i].text), &arena, &node, &error);
        assert_int_equal(result, SFS_E_INVALID);
        assert_null(node);
        assert_int_equal(error.code, SFS_E_INVALID);
        assert_string_equal(error.origin, "query");
        if (strncmp(error.message, mistakes[i].sentence, strlen(mistakes[i].sentence)) != 0)
            assert_string_equal(error.message, mistakes[i].sentence);
        sfs_arena_free(&arena);
    }
}

/* The scanner's own words are part of the sentence, and its column the literal's. */
static void test_bad_literals(void **state)
{
    static const struct {
        const char *text;
        const char *place;
    } cases[] = {
        {"a = \"x", " at column 7: "},
        {"a = [1,,2]", " at column 8: "},
        {"a = -", " at column 6: "},
        {"a has {1}", " at column 8: "},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sfs_arena arena = {0};
        struct sfs_error error = {0};
        const struct sfs_node *node = NULL;
        int result = sfs_expression_parse(sfs_string(cases[i].text), &arena, &node, &error);
        assert_int_equal(result, SFS_E_INVALID);
        assert_non_null(strstr(error.message, "where: the value is no JSON: "));
        if (!strstr(error.message, cases[i].place))
            fail_msg("%s: %s", cases[i].text, error.message);
        sfs_arena_free(&arena);
    }
}

/* Neither parentheses nor nots can use up the stack; chains of any length can be. */
static void test_depth(void **state)
{
    (void)state;
    const struct {
        const char *piece;
        size_t count;
        int expected;
    } cases[] = {
        {"(", 100000, SFS_E_INVALID},
        {"not ", 100000, SFS_E_INVALID},
        {"not(", SFS_EXPRESSION_DEPTH + 1, SFS_E_INVALID},
        {"not ", SFS_EXPRESSION_DEPTH, 0},
        {"a or ", 100000, 0},
        {"a and ", 100000, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sfs_arena arena = {0};
        struct sfs_error error = {0};
        struct sfs_buffer text = {0};
        const struct sfs_node *node = NULL;
        for (size_t j = 0; j < cases[i].count; j++)
            assert_int_equal(sfs_buffer_add(&text, sfs_string(cases[i].piece)), 0);
        assert_int_equal(sfs_buffer_byte(&text, 'z'), 0);
        int result = sfs_expression_parse(sfs_buffer_bytes(&text), &arena, &node, &error);
        assert_int_equal(result, cases[i].expected);
        if (result)
            assert_non_null(strstr(error.message, "nested deeper than 100 levels"));
        sfs_buffer_free(&text);
        sfs_arena_free(&arena);
    }
}

/* --- meaning --- */

static const char document[] =
    "{\"age\":21,\"name\":\"John\",\"tags\":[\"x\",1.0,null,{\"k\":[1]}],\"archived\":false,"
    "\"active\":true,\"nothing\":null,\"big\":9007199254740993,\"deep\":{\"a\":[{\"b\":5}]},"
    "\"odd name\":1,\"dup\":1,\"dup\":2,\"text\":\"a\\u0062c \\ud83d\\ude00\",\"empty\":{},"
    "\"list\":[],\"zero\":-0.0,\"one\":\"1\"}";

/* Evaluates `text` on a record with this value, whose type is `type`. */
static int evaluate(const char *text, const char *value, enum sfs_type type)
{
    struct sfs_arena arena = {0};
    struct sfs_error error = {0};
    const struct sfs_node *node = NULL;
    struct sfs_blob *blob = sfs_blob_new(sfs_string(value));
    struct sfs_attributes attributes = {
        .type = type, .created = -1, .modified = INT64_C(1700000000123456789)};
    const struct sfs_record *record = sfs_record_new(SFS_LITERAL("user/1\xff"), 1, strlen(value),
                                                     &attributes, sfs_bytes(NULL, 0), blob);
    assert_non_null(record);
    if (sfs_expression_parse(sfs_string(text), &arena, &node, &error))
        fail_msg("%s: %s", text, error.message);
    struct sfs_subject subject = sfs_subject(record);
    int result = sfs_expression_matches(node, &subject);
    sfs_record_unref(record);
    sfs_blob_unref(blob);
    sfs_arena_free(&arena);
    return result;
}

static const struct {
    const char *text;
    int matches;
} meanings[] = {
    /* the comparisons */
    {"age = 21", 1},
    {"age = 21.0", 1},
    {"age = 2.1e1", 1},
    {"age != 21", 0},
    {"age != 22", 1},
    {"age < 21", 0},
    {"age <= 21", 1},
    {"age > 20.999", 1},
    {"age >= 22", 0},
    {"zero = 0", 1},
    {"big = 9007199254740993", 1},
    {"big = 9007199254740992", 0},
    {"big > 9007199254740992", 1},
    {"name = \"John\"", 1},
    {"name = \"\\u004aohn\"", 1},
    {"name < \"Joho\"", 1},
    {"text = \"abc \xf0\x9f\x98\x80\"", 1},
    {"text > \"ab\"", 1},
    {"one = 1", 0},
    {"one = \"1\"", 1},
    {"tags = [\"x\",1,null,{\"k\":[1.0]}]", 1},
    {"deep = {\"a\":[{\"b\":5}]}", 1},
    {"list < [0]", 1},
    {"empty <= {}", 1},
    {"empty = []", 0},
    {"archived < true", 1},
    {"active > false", 1},
    {"nothing <= null", 1},
    {"nothing < null", 0},
    /* types differ */
    {"age < \"x\"", 0},
    {"age > null", 0},
    {"name > 5", 0},
    {"nothing < 5", 0},
    {"age = \"21\"", 0},
    {"age != \"21\"", 1},
    {"archived < 1", 0},
    {"not age < \"x\"", 1},
    /* missing is not null */
    {"gone = null", 0},
    {"gone != 1", 0},
    {"not gone = 1", 1},
    {"not gone != 1", 1},
    {"nothing = null", 1},
    {"nothing != null", 0},
    {"gone exists", 0},
    {"nothing exists", 1},
    {"gone in [null]", 0},
    {"nothing in [null]", 1},
    {"gone", 0},
    {"not gone", 1},
    {"age.x = 1", 0},
    {"tags[9] exists", 0},
    /* truth */
    {"active", 1},
    {"archived", 0},
    {"age", 0},
    {"name", 0},
    {"nothing", 0},
    {"@size", 0},
    /* paths */
    {"deep.a[0].b = 5", 1},
    {"deep.a[1].b = 5", 0},
    {"\"odd name\" = 1", 1},
    {"dup = 2", 1},
    {"dup = 1", 0},
    {"tags[3].k[0] = 1", 1},
    {"tags.x exists", 0},
    {"deep[0] exists", 0},
    /* in, has, ~ */
    {"age in [20, 21.0]", 1},
    {"age in []", 0},
    {"age in [[21]]", 0},
    {"name in [\"John\"]", 1},
    {"tags has \"x\"", 1},
    {"tags has 1", 1},
    {"tags has null", 1},
    {"tags has {\"k\":[1]}", 1},
    {"tags has \"y\"", 0},
    {"deep has \"a\"", 1},
    {"deep has \"b\"", 0},
    {"deep has 1", 0},
    {"name has \"oh\"", 1},
    {"name has \"\"", 1},
    {"name has \"OH\"", 0},
    {"name has 1", 0},
    {"text has \"bc \"", 1},
    {"age has 2", 0},
    {"nothing has null", 0},
    {"name ~ \"Jo*\"", 1},
    {"name ~ \"jo*\"", 0},
    {"name ~ \"J??n\"", 1},
    {"age ~ \"*\"", 0},
    {"text ~ \"abc ?\"", 1},
    {"gone ~ \"*\"", 0},
    /* and, or, not */
    {"age = 21 and name = \"x\" or active", 1},
    {"age = 21 and (name = \"x\" or archived)", 0},
    {"not age = 21 or active", 1},
    {"not (age = 21 or active)", 0},
    {"not not active", 1},
    /* properties */
    {"@type = \"json\"", 1},
    {"@type in [\"text\",\"json\"]", 1},
    {"@key ~ \"user/*\"", 1},
    {"@key > \"user/1\"", 1},
    {"@key has \"r/1\"", 1},
    {"@key in [\"user/1\"]", 0},
    {"@updated = 1700000000123", 1},
    {"@created = -1", 1},
    {"@created < 0.5", 1},
    {"@size exists and not @size = 0", 1},
    {"@key < 5", 0},
};

static void test_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(meanings); i++) {
        int matches = evaluate(meanings[i].text, document, SFS_TYPE_JSON);
        if (matches != meanings[i].matches)
            fail_msg("%s gives %d, not %d", meanings[i].text, matches, meanings[i].matches);
    }
}

/* A record whose type is not JSON has no fields, whatever it holds; nor has one that only says so.
 */
static void test_not_json(void **state)
{
    (void)state;
    assert_int_equal(evaluate("a exists", "{\"a\":1}", SFS_TYPE_JSON), 1);
    assert_int_equal(evaluate("a exists", "{\"a\":1}", SFS_TYPE_TEXT), 0);
    assert_int_equal(evaluate("not a = 1", "{\"a\":1}", SFS_TYPE_TEXT), 1);
    assert_int_equal(evaluate("@size = 7 and @type = \"text\"", "{\"a\":1}", SFS_TYPE_TEXT), 1);
    assert_int_equal(evaluate("a exists", "[1]", SFS_TYPE_JSON), 0);
    assert_int_equal(evaluate("a exists", "7", SFS_TYPE_JSON), 0);
    assert_int_equal(evaluate("a exists", "", SFS_TYPE_JSON), 0);
    assert_int_equal(evaluate("a = 1", " {\"a\" : 1 } \n", SFS_TYPE_JSON), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_forms),  cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_bad_literals), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_meaning),      cmocka_unit_test(test_not_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
