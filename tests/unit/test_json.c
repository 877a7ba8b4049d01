/* SPDX-License-Identifier: MIT */
/* The JSON scanner: what is valid, views and paths, and random mutations of valid texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/json.h"
#include "util/utf8.h"

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

/* -- validity --------------------------------------------------------------------------------- */

static const char *const valid_texts[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "10",
    "0.5",
    "1e5",
    "1E+05",
    "1e-0",
    "-12.340e00",
    "123456789012345678901234567890",
    "1e1000000000",
    "-1e-999999999999999999999",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\uD83D\\uDE00\"",
    "\"\\uDBFF\\uDFFF\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\x7f\"",
    "\"\xef\xbf\xbf\"",
    "\"\xf4\x8f\xbf\xbf\"",
    "\"\xe2\x80\xa8\"",
    "[]",
    "{}",
    "[[]]",
    "[1,2,3]",
    " [ 1 , 2 ] ",
    "\t\r\n 1\t\r\n ",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "{\"\":{}}",
    "{ \"a\" : [ { } , [ ] , null ] }",
    "[\"]\",\"}\",\"\\\"\"]",
    "[-1,0,1.5e+3,true,false,null]",
    "{\"a\":{\"z\":[1.25e-3,{\"y\":null}]},\"b\":[[],{}]}",
    "[\"\\ud83d\\ude00\",{\"\\u0061\":1,\"a\":2},[[[3]]]]",
};

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid_texts); i++) {
        struct sfs_json_problem problem = {77, "untouched"};
        if (!sfs_json_check(sfs_string(valid_texts[i]), &problem))
            fail_msg("%s: byte %zu: %s", valid_texts[i], problem.offset, problem.reason);
        assert_int_equal(problem.offset, 77);
    }
}

struct bad_text {
    const char *text;
    size_t offset;
};

static const struct bad_text bad_texts[] = {
    {"", 0},
    {" ", 1},
    {"nul", 3},
    {"nulL", 3},
    {"True", 0},
    {"truE", 3},
    {"fals", 4},
    {"nullx", 4},
    {"NaN", 0},
    {"Infinity", 0},
    {"-Infinity", 1},
    {"undefined", 0},
    {"'a'", 0},
    {"a", 0},
    {"012", 1},
    {"-012", 2},
    {"00", 1},
    {"1.", 2},
    {"1.e1", 2},
    {".5", 0},
    {"-.5", 1},
    {"-", 1},
    {"--1", 1},
    {"+1", 0},
    {"1e", 2},
    {"1e+", 3},
    {"1e+-1", 3},
    {"1.5.5", 3},
    {"0x10", 1},
    {"1_000", 1},
    {"1 2", 2},
    {"1e1.5", 3},
    {"\xef\xbc\x91", 0},
    {"\xef\xbb\xbf"
     "1",
     0},
    {"\"", 1},
    {"\"a", 2},
    {"\"\\", 2},
    {"\"\\\"", 3},
    {"\"\\a\"", 2},
    {"\"\\'\"", 2},
    {"\"\\x41\"", 2},
    {"\"\\u\"", 3},
    {"\"\\u12\"", 5},
    {"\"\\u12G4\"", 5},
    {"\"\\U1234\"", 2},
    {"\"\\u123", 6},
    {"\"\n\"", 1},
    {"\"\t\"", 1},
    {"\"\x1f\"", 1},
    {"\"\\\n\"", 2},
    {"\"\x80\"", 1},
    {"\"\xc0\x80\"", 1},
    {"\"\xc1\xbf\"", 1},
    {"\"\xe0\x80\x80\"", 1},
    {"\"\xed\xa0\x80\"", 1},
    {"\"\xed\xbf\xbf\"", 1},
    {"\"\xf4\x90\x80\x80\"", 1},
    {"\"\xf8\x88\x80\x80\x80\"", 1},
    {"\"\xff\"", 1},
    {"\"\xc3\"", 1},
    {"\"\xe2\x82\"", 1},
    {"\"a\xf0\x9f\x98", 2},
    {"[", 1},
    {"]", 0},
    {"[1", 2},
    {"[1,", 3},
    {"[1,]", 3},
    {"[,1]", 1},
    {"[,]", 1},
    {"[1,,2]", 3},
    {"[1 2]", 3},
    {"[1}", 2},
    {"[1]]", 3},
    {"[1:2]", 2},
    {"[\"a\"", 4},
    {"[1;2]", 2},
    {"(1)", 0},
    {"{", 1},
    {"}", 0},
    {"{]", 1},
    {"{1:2}", 1},
    {"{a:1}", 1},
    {"{'a':1}", 1},
    {"{\"a\"}", 4},
    {"{\"a\":}", 5},
    {"{\"a\" 1}", 5},
    {"{\"a\",1}", 4},
    {"{\"a\":1,}", 7},
    {"{,\"a\":1}", 1},
    {"{\"a\":1 \"b\":2}", 7},
    {"{\"a\"::1}", 5},
    {"{\"a\":1]", 6},
    {"{\"a\":1}}", 7},
    {"{\"a\":1}#", 7},
    {"{null:1}", 1},
    {"[1]//x", 3},
    {"[/**/]", 1},
    {"[\f1]", 1},
    {"\v1", 0},
    {"\xc2\xa0"
     "1",
     0},
    {"[\"a\",\n4\n,1,", 11},
    {"{\"a\":{\"b\":[}}", 11},
    {"*", 0},
    {"\\u0031", 0},
    {"[1]\x01", 3},
};

static void test_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_texts); i++) {
        struct sfs_json_problem problem = {0, NULL};
        if (sfs_json_check(sfs_string(bad_texts[i].text), &problem))
            fail_msg("accepted: %s", bad_texts[i].text);
        if (problem.offset != bad_texts[i].offset)
            fail_msg("%s: byte %zu: %s", bad_texts[i].text, problem.offset, problem.reason);
        assert_non_null(problem.reason);
        assert_false(sfs_json_check(sfs_string(bad_texts[i].text), NULL));
    }
}

/* NUL is a byte like others: it ends nothing, and is valid nowhere. */
static void test_nul(void **state)
{
    (void)state;
    struct sfs_json_problem problem;
    assert_false(sfs_json_check(SFS_LITERAL("1\0"), &problem));
    assert_int_equal(problem.offset, 1);
    assert_false(sfs_json_check(SFS_LITERAL("\"a\0b\""), &problem));
    assert_int_equal(problem.offset, 2);
    assert_false(sfs_json_check(SFS_LITERAL("\"\\\0\""), &problem));
    assert_int_equal(problem.offset, 2);
    assert_false(sfs_json_check(sfs_bytes(NULL, 0), &problem));
    assert_int_equal(problem.offset, 0);
}

static struct sfs_bytes nested(size_t depth, const char *open, const char *close)
{
    struct sfs_buffer buffer = {0};
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(sfs_buffer_add(&buffer, sfs_string(open)), 0);
    assert_int_equal(sfs_buffer_byte(&buffer, '1'), 0);
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(sfs_buffer_add(&buffer, sfs_string(close)), 0);
    return sfs_buffer_bytes(&buffer);
}

static void test_depth(void **state)
{
    (void)state;
    struct sfs_json_problem problem;
    struct sfs_bytes text = nested(100000, "[", "]");
    assert_false(sfs_json_check(text, &problem));
    assert_int_equal(problem.offset, SFS_JSON_DEPTH);
    free((void *)(uintptr_t)text.data);

    text = nested(100000, "{\"a\":", "");
    assert_false(sfs_json_check(text, &problem));
    free((void *)(uintptr_t)text.data);

    const char *const shapes[][2] = {{"[", "]"}, {"{\"a\":", "}"}, {"[0,{\"a\":", ",\"b\":0}]"}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        struct sfs_json value;
        int order = 7;
        struct sfs_buffer compact = {0};
        text = nested(i == 2 ? SFS_JSON_DEPTH / 2 : SFS_JSON_DEPTH, shapes[i][0], shapes[i][1]);
        assert_true(sfs_json_parse(text, &value, &problem));
        assert_int_equal(value.text.size, text.size);
        assert_int_equal(sfs_json_count(value), i == 2 ? 2 : 1);
        assert_int_equal(sfs_json_compact(value, &compact), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&compact), text));
        *strchr(compact.data, '1') = '2';
        assert_int_equal(sfs_json_compare(value, sfs_json_view(sfs_buffer_bytes(&compact)), &order),
                         0);
        assert_int_equal(order, -1);
        sfs_buffer_free(&compact);
        free((void *)(uintptr_t)text.data);
    }
}

static void test_scan(void **state)
{
    (void)state;
    struct sfs_json value;
    struct sfs_json_problem problem;
    assert_true(sfs_json_scan(SFS_LITERAL("a = [1, 2] and"), 4, &value, &problem));
    assert_text(value.text, "[1, 2]");
    assert_int_equal(value.type, SFS_JSON_ARRAY);
    assert_true(sfs_json_scan(SFS_LITERAL("12x"), 0, &value, &problem));
    assert_text(value.text, "12");
    assert_true(sfs_json_scan(SFS_LITERAL("\"a\"\"b\""), 3, &value, &problem));
    assert_text(value.text, "\"b\"");
    assert_false(sfs_json_scan(SFS_LITERAL("x [1"), 2, &value, &problem));
    assert_int_equal(problem.offset, 4);
    assert_false(sfs_json_scan(SFS_LITERAL("1"), 1, &value, &problem));
    assert_false(sfs_json_scan(SFS_LITERAL("1"), 9, &value, &problem));
    assert_false(sfs_json_scan(SFS_LITERAL(" 1"), 0, &value, &problem));
    size_t line = 0;
    size_t column = 0;
    sfs_json_place(SFS_LITERAL("{\n\"a\": x"), 7, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 6);
}

/* -- views ------------------------------------------------------------------------------------ */

static void test_iteration(void **state)
{
    (void)state;
    struct sfs_json value = parse(" [ 1 ,\"a,]\\\"\" , {\"x\":[2]} ,null,\n[ ] ] ");
    struct sfs_json_cursor cursor = sfs_json_begin(value);
    const char *const texts[] = {"1", "\"a,]\\\"\"", "{\"x\":[2]}", "null", "[ ]"};
    const enum sfs_json_type types[] = {SFS_JSON_NUMBER, SFS_JSON_STRING, SFS_JSON_OBJECT,
                                        SFS_JSON_NULL, SFS_JSON_ARRAY};
    struct sfs_json element;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(sfs_json_next_element(&cursor, &element));
        assert_text(element.text, texts[i]);
        assert_int_equal(element.type, types[i]);
    }
    assert_false(sfs_json_next_element(&cursor, &element));
    assert_false(sfs_json_next_element(&cursor, &element));
    assert_int_equal(sfs_json_count(value), 5);
    assert_int_equal(sfs_json_count(parse("[ ]")), 0);
    assert_int_equal(sfs_json_count(parse("{ }")), 0);
    assert_int_equal(sfs_json_count(parse("12")), 0);

    struct sfs_json name;
    cursor = sfs_json_begin(parse("{ \"a\" : 1 , \"b}\":{\"c\":2}}"));
    assert_true(sfs_json_next_member(&cursor, &name, &element));
    assert_text(name.text, "\"a\"");
    assert_text(element.text, "1");
    assert_true(sfs_json_next_member(&cursor, &name, &element));
    assert_text(name.text, "\"b}\"");
    assert_text(element.text, "{\"c\":2}");
    assert_false(sfs_json_next_member(&cursor, &name, &element));
}

static struct sfs_json_step by_name(const char *name)
{
    return (struct sfs_json_step){SFS_JSON_STEP_NAME, sfs_string(name), 0};
}

static struct sfs_json_step by_index(size_t index)
{
    return (struct sfs_json_step){SFS_JSON_STEP_INDEX, {NULL, 0}, index};
}

static void test_find(void **state)
{
    (void)state;
    struct sfs_json root = parse("{\"a\":1,\"a\":{\"b\":[10,{\"\\u0063\":true},30]},\"\":\"empty\","
                                 "\"d\\u0000e\":5,\"\xc3\xa9\":6,\"\\ud83d\\ude00\":7}");
    struct sfs_json found;
    struct sfs_json_step path[] = {by_name("a"), by_name("b"), by_index(1), by_name("c")};
    assert_true(sfs_json_find(root, path, 4, &found));
    assert_int_equal(found.type, SFS_JSON_TRUE);
    assert_true(sfs_json_find(root, path, 3, &found));
    assert_text(found.text, "{\"\\u0063\":true}");
    assert_true(sfs_json_find(root, path, 0, &found));
    assert_int_equal(found.text.size, root.text.size);
    path[2] = by_index(3);
    assert_false(sfs_json_find(root, path, 3, &found));
    path[2] = by_name("1");
    assert_false(sfs_json_find(root, path, 3, &found));
    path[1] = by_index(0);
    assert_false(sfs_json_find(root, path, 2, &found));

    assert_true(sfs_json_member(root, SFS_LITERAL(""), &found));
    assert_text(found.text, "\"empty\"");
    assert_true(sfs_json_member(root, SFS_LITERAL("d\0e"), &found));
    assert_text(found.text, "5");
    assert_true(sfs_json_member(root, SFS_LITERAL("\xc3\xa9"), &found));
    assert_text(found.text, "6");
    assert_true(sfs_json_member(root, SFS_LITERAL("\xf0\x9f\x98\x80"), &found));
    assert_text(found.text, "7");
    assert_false(sfs_json_member(root, SFS_LITERAL("d"), &found));
    assert_false(sfs_json_member(parse("[1]"), SFS_LITERAL("a"), &found));
    assert_false(sfs_json_element(root, 0, &found));
}

/* -- random mutations ---------------------------------------------------------------------------
 */

#define MUTATIONS 20000

static uint32_t random_state = 12345;

static size_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

static struct sfs_bytes mutate(const char *seed)
{
    static const char interesting[] = "[]{}\",:\\u0e-+.1 \ndtfn\xed\xa0\x80\xc3";
    char text[512];
    size_t size = strlen(seed);
    memcpy(text, seed, size);
    for (size_t i = random_below(4); i > 0; i--) {
        size_t at = random_below(size + 1);
        size_t action = random_below(4);
        if (action == 0 && at < size) {
            memmove(text + at, text + at + 1, --size - at);
        } else if (action == 1 && at < size) {
            text[at] = (char)random_below(256);
        } else if (action == 2) {
            size = at;
        } else {
            memmove(text + at + 1, text + at, size++ - at);
            text[at] = interesting[random_below(sizeof(interesting) - 1)];
        }
    }
    char *exact = malloc(size ? size : 1); /* so that a checker of memory sees a read behind it */
    assert_non_null(exact);
    memcpy(exact, text, size);
    return sfs_bytes(exact, size);
}

/* Visits all values; each must lie inside the whole, and be valid itself if the whole was. */
static void visit(struct sfs_json value, struct sfs_bytes whole, bool valid, int depth)
{
    const char *start = value.text.data;
    assert_true(start >= (const char *)whole.data);
    assert_true(start + value.text.size <= (const char *)whole.data + whole.size);
    if (valid)
        assert_true(sfs_json_check(value.text, NULL));
    struct sfs_json_cursor cursor = sfs_json_begin(value);
    struct sfs_json child;
    struct sfs_json name;
    size_t count = 0;
    if (value.type == SFS_JSON_ARRAY) {
        for (; depth < 50 && sfs_json_next_element(&cursor, &child); count++)
            visit(child, whole, valid, depth + 1);
    } else {
        for (; depth < 50 && sfs_json_next_member(&cursor, &name, &child); count++) {
            visit(name, whole, valid, depth + 1);
            visit(child, whole, valid, depth + 1);
        }
    }
    assert_int_equal(count, depth < 50 ? sfs_json_count(value) : 0);
}

static void exercise(struct sfs_bytes text, bool valid)
{
    struct sfs_buffer compact = {0};
    struct sfs_buffer string = {0};
    struct sfs_buffer literal = {0};
    int order = 7;
    struct sfs_json value = sfs_json_view(text);
    if (text.size)
        visit(value, text, valid, 0);
    assert_int_equal(sfs_json_compact(value, &compact), 0);
    struct sfs_json again = sfs_json_view(sfs_buffer_bytes(&compact));
    assert_int_equal(sfs_json_compare(value, again, &order), 0);
    if (valid) {
        assert_true(sfs_json_check(sfs_buffer_bytes(&compact), NULL));
        assert_int_equal(order, 0);
    }
    sfs_json_number_compare(text, SFS_LITERAL("1.5e7"));
    sfs_json_string_compare(value, parse("\"\\n\""));
    if (sfs_json_string_decode(value, &string) == 0 && valid) {
        assert_int_equal(sfs_json_string_encode(sfs_buffer_bytes(&string), &literal), 0);
        assert_int_equal(sfs_json_string_compare(value, sfs_json_view(sfs_buffer_bytes(&literal))),
                         0);
    }
    sfs_buffer_free(&compact);
    sfs_buffer_free(&string);
    sfs_buffer_free(&literal);
}

static void test_mutations(void **state)
{
    (void)state;
    size_t valid_count = 0;
    for (size_t i = 0; i < MUTATIONS; i++) {
        const char *seed = valid_texts[random_below(COUNT(valid_texts))];
        struct sfs_bytes text = mutate(seed);
        struct sfs_json_problem first = {0, NULL};
        struct sfs_json_problem second = {0, NULL};
        bool valid = sfs_json_check(text, &first);
        assert_int_equal(valid, sfs_json_check(text, &second));
        assert_int_equal(first.offset, second.offset);
        assert_ptr_equal(first.reason, second.reason);
        assert_true(valid || (first.reason && first.offset <= text.size));
        exercise(text, valid);
        valid_count += valid;
        free((void *)(uintptr_t)text.data);
    }
    assert_true(valid_count > MUTATIONS / 10);
    assert_true(valid_count < MUTATIONS - MUTATIONS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid), cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_nul),   cmocka_unit_test(test_depth),
        cmocka_unit_test(test_scan),  cmocka_unit_test(test_iteration),
        cmocka_unit_test(test_find),  cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
