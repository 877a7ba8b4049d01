/* SPDX-License-Identifier: MIT */
/*
 * Sort keys: of random values, one and two at a time, memcmp() of the keys is the order of the
 * values; no key begins another; what is read back is canonical. 100,000 pairs with
 * STOREFS_TEST_SCALE=full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query/sort_key.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state = 88172645463325252U;

static unsigned below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % limit);
}

static void must(int result)
{
    assert_int_equal(result, 0);
}

static void put(struct sfs_buffer *out, const char *text)
{
    must(sfs_buffer_add(out, sfs_string(text)));
}

/* --- random JSON --- */

static void put_digits(struct sfs_buffer *out, unsigned count, bool zero_first)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = below(3) ? below(10) : 0;
        must(sfs_buffer_byte(out, (char)('0' + (i == 0 && !zero_first && digit == 0 ? 1 : digit))));
    }
}

static void put_number(struct sfs_buffer *out)
{
    static const char *const exponents[] = {
        "0",
        "1",
        "2",
        "-1",
        "-2",
        "+3",
        "62",
        "63",
        "64",
        "-63",
        "-64",
        "-65",
        "00010",
        "400",
        "99999999999999999",
        "100000000000000000",
        "999999999999999999",
        "1000000000000000000",
        "1000000000000000001",
        "999999999999999998",
        "-999999999999999999",
        "-1000000000000000000",
        "-1000000000000000001",
        "123456789012345678901234567890",
        "-123456789012345678901234567890",
        "123456789012345678901234567891",
        "9999999999999999999999",
        "10000000000000000000000",
    };
    put(out, below(2) ? "-" : "");
    if (below(3) == 0)
        put(out, "0");
    else
        put_digits(out, 1 + below(below(4) ? 3 : 30), false);
    if (below(3) == 0) {
        put(out, ".");
        put_digits(out, 1 + below(below(4) ? 3 : 30), true);
    }
    if (below(3) == 0) {
        put(out, below(2) ? "e" : "E");
        put(out, exponents[below(COUNT(exponents))]);
    }
}

static void put_string(struct sfs_buffer *out)
{
    static const char *const parts[] = {
        "a",
        "b",
        "ab",
        "\\u0000",
        "\\u0001",
        "\\u0002",
        "\\u0000\\u0000",
        "\xc3\xa9",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\xf0\x9f\x98\x80",
        "\\ud83d",
        "\\ude00",
        "\\\"",
        "\\\\",
        "\x7f",
        "\xef\xbf\xbf",
        "\\/",
        "/",
        "\\n",
    };
    put(out, "\"");
    for (unsigned i = below(4); i > 0; i--)
        put(out, parts[below(COUNT(parts))]);
    put(out, "\"");
}

static void put_value(struct sfs_buffer *out, unsigned depth)
{
    static const char *const blanks[] = {"", "", "", " ", "\n\t"};
    unsigned kind = below(depth ? 9 : 7);
    if (kind < 3)
        put(out, kind == 0 ? "null" : kind == 1 ? "false" : "true");
    else if (kind < 5)
        put_number(out);
    else if (kind < 7)
        put_string(out);
    else {
        bool object = kind == 8;
        put(out, object ? "{" : "[");
        for (unsigned i = below(4); i > 0; i--) {
            if (object) {
                put_string(out);
                put(out, ":");
            }
            put(out, blanks[below(COUNT(blanks))]);
            put_value(out, depth - 1);
            put(out, i > 1 ? "," : "");
        }
        put(out, object ? "}" : "]");
    }
}

/* A random value; what it is a view of is in `text`. */
static struct sfs_value random_value(struct sfs_buffer *text)
{
    struct sfs_value value = {.kind = SFS_VALUE_JSON};
    text->size = 0;
    switch (below(12)) {
    case 0:
        return (struct sfs_value){.kind = SFS_VALUE_MISSING};
    case 1:
        value = (struct sfs_value){.kind = SFS_VALUE_INTEGER};
        value.is.integer = below(2) ? (int64_t)below(2000) - 1000
                                    : (int64_t)(((uint64_t)below(4) << 62) - below(2));
        return value;
    case 2:
        for (unsigned i = below(5); i > 0; i--)
            must(sfs_buffer_byte(text, (char)(below(3) ? below(4) : below(256))));
        return (struct sfs_value){.kind = SFS_VALUE_TEXT, .is.text = sfs_buffer_bytes(text)};
    case 3:
        put_number(text);
        break;
    default:
        put_value(text, 3);
    }
    if (!sfs_json_parse(sfs_buffer_bytes(text), &value.is.json, NULL))
        fail_msg("no JSON: %.*s", (int)text->size, text->data);
    return value;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* --- properties --- */

struct sample {
    struct sfs_buffer text[2];
    struct sfs_value values[2];
    struct sfs_buffer key; /* of both, one behind the other */
    size_t first;          /* bytes of the first one's */
};

static void make_sample(struct sample *sample, const bool descending[2], struct sfs_value same,
                        bool use_same)
{
    sample->values[0] = use_same ? same : random_value(&sample->text[0]);
    sample->values[1] = random_value(&sample->text[1]);
    sample->key.size = 0;
    must(sfs_sort_key_add(&sample->values[0], descending[0], &sample->key));
    sample->first = sample->key.size;
    must(sfs_sort_key_add(&sample->values[1], descending[1], &sample->key));
}

static int expected_order(const struct sample *a, const struct sample *b, const bool descending[2])
{
    int order = 0;
    for (int i = 0; i < 2 && order == 0; i++) {
        must(sfs_value_compare(&a->values[i], &b->values[i], &order));
        order = descending[i] ? -sign(order) : sign(order);
    }
    return order;
}

/* Reading gives a value that equals the written one, in a form that is read from its own key. */
static void check_reading(struct sample *sample, const bool descending[2])
{
    struct sfs_bytes rest = sfs_buffer_bytes(&sample->key);
    for (int i = 0; i < 2; i++) {
        struct sfs_buffer json = {0};
        struct sfs_buffer again = {0};
        struct sfs_buffer key = {0};
        struct sfs_value value = {.kind = SFS_VALUE_JSON};
        bool missing = false;
        int order = 0;
        must(sfs_sort_key_read(&rest, descending[i], &json, &missing));
        assert_int_equal(missing, sample->values[i].kind == SFS_VALUE_MISSING);
        if (missing)
            continue;
        assert_true(sfs_json_parse(sfs_buffer_bytes(&json), &value.is.json, NULL));
        must(sfs_sort_key_add(&value, false, &key));
        struct sfs_bytes from = sfs_buffer_bytes(&key);
        must(sfs_sort_key_read(&from, false, &again, &missing));
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&json), sfs_buffer_bytes(&again)));
        must(sfs_value_compare(&value, &sample->values[i], &order));
        if (sample->values[i].kind != SFS_VALUE_TEXT)
            assert_int_equal(order, 0);
        sfs_buffer_free(&json);
        sfs_buffer_free(&again);
        sfs_buffer_free(&key);
    }
    assert_int_equal(rest.size, 0);
}

static void check_prefixes(const struct sample *a, const struct sample *b)
{
    struct sfs_bytes x = {a->key.data, a->first};
    struct sfs_bytes y = {b->key.data, b->first};
    if (x.size != y.size)
        assert_false(x.size < y.size ? sfs_bytes_starts(y, x) : sfs_bytes_starts(x, y));
}

static void test_order(void **state)
{
    (void)state;
    const char *scale = getenv("STOREFS_TEST_SCALE");
    unsigned pairs = scale && strcmp(scale, "full") == 0 ? 1000000 : 100000;
    unsigned equal = 0;
    struct sample a = {0};
    struct sample b = {0};
    for (unsigned i = 0; i < pairs; i++) {
        const bool descending[2] = {below(2), below(2)};
        make_sample(&a, descending, (struct sfs_value){0}, false);
        make_sample(&b, descending, a.values[0], below(2));
        int expected = expected_order(&a, &b, descending);
        int order = sign(sfs_bytes_compare(sfs_buffer_bytes(&a.key), sfs_buffer_bytes(&b.key)));
        if (order != expected)
            fail_msg("%.*s | %.*s against %.*s | %.*s: %d, not %d", (int)a.text[0].size,
                     a.text[0].data, (int)a.text[1].size, a.text[1].data, (int)b.text[0].size,
                     b.text[0].data, (int)b.text[1].size, b.text[1].data, order, expected);
        if (descending[0] == descending[1])
            check_prefixes(&a, &b);
        check_reading(&a, descending);
        equal += expected == 0;
    }
    assert_true(equal > pairs / 1000);
    for (int i = 0; i < 2; i++) {
        sfs_buffer_free(&a.text[i]);
        sfs_buffer_free(&b.text[i]);
    }
    sfs_buffer_free(&a.key);
    sfs_buffer_free(&b.key);
}

/* --- forms --- */

static const struct {
    const char *json;
    const char *canonical; /* NULL: the same */
} forms[] = {
    {"100", NULL},
    {"1e2", "100"},
    {"1.0", "1"},
    {"10e-1", "1"},
    {"-0.0e5", "0"},
    {"0.5", NULL},
    {"0.000001", NULL},
    {"0.0000001", "1e-7"},
    {"-1.50", "-1.5"},
    {"123456789012345678901234567890", NULL},
    {"1e20", "100000000000000000000"},
    {"1e21", "1e21"},
    {"1E+400", "1e400"},
    {"12e399", "1.2e400"},
    {"0.1e1000000000000000000", "1e999999999999999999"},
    {"1e1000000000000000000", NULL},
    {"10e-1000000000000000001", "1e-1000000000000000000"},
    {"9007199254740993", NULL},
    {"-9223372036854775808", NULL},
    {"0e99999999999999999999999", "0"},
    {"{\"b\":1,\"a\":[ ],\"b\":{}}", "{\"a\":[],\"b\":{}}"},
    {"\"\\u0041\\/\\u0000\"", "\"A/\\u0000\""},
    {"\"\\ud800\"", NULL},
    {"[[],[null,true],{\"\":false}]", NULL},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        const char *expected = forms[i].canonical ? forms[i].canonical : forms[i].json;
        struct sfs_value value = {.kind = SFS_VALUE_JSON};
        struct sfs_buffer key = {0};
        struct sfs_buffer json = {0};
        bool missing = true;
        assert_true(sfs_json_parse(sfs_string(forms[i].json), &value.is.json, NULL));
        must(sfs_sort_key_add(&value, i % 2, &key));
        struct sfs_bytes rest = sfs_buffer_bytes(&key);
        must(sfs_sort_key_read(&rest, i % 2, &json, &missing));
        assert_false(missing);
        must(sfs_buffer_text(&json));
        assert_string_equal(json.data, expected);
        /* What is cut off anywhere is no key, and moves nothing. */
        for (size_t size = 0; size < key.size; size++) {
            rest = sfs_bytes(key.data, size);
            size_t before = json.size;
            assert_int_equal(sfs_sort_key_read(&rest, i % 2, &json, &missing), SFS_E_INVALID);
            assert_int_equal(rest.size, size);
            assert_int_equal(json.size, before);
        }
        sfs_buffer_free(&key);
        sfs_buffer_free(&json);
    }
}

static void test_integers(void **state)
{
    (void)state;
    static const int64_t integers[] = {
        0, 1, -1, 10, 99, 100, -100, 12345, INT64_MAX, INT64_MIN, 1000000000000000000, -999};
    static const char *const others[] = {
        "0.5",  "1e19",   "9223372036854775808", "-9223372036854775809", "1e400", "true", "\"1\"",
        "12.5", "123e-1", "99999999999999999999"};
    for (size_t i = 0; i < COUNT(integers) * 2; i++) {
        struct sfs_value value = {.kind = SFS_VALUE_INTEGER, .is.integer = integers[i / 2]};
        struct sfs_buffer key = {0};
        int64_t integer = 77;
        must(sfs_sort_key_add(&value, i % 2, &key));
        must(sfs_buffer_byte(&key, 'x'));
        struct sfs_bytes rest = sfs_buffer_bytes(&key);
        assert_true(sfs_sort_key_read_integer(&rest, i % 2, &integer));
        assert_true(integer == integers[i / 2]);
        assert_int_equal(rest.size, 1);
        sfs_buffer_free(&key);
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        struct sfs_value value = {.kind = SFS_VALUE_JSON};
        struct sfs_buffer key = {0};
        int64_t integer = 77;
        assert_true(sfs_json_parse(sfs_string(others[i]), &value.is.json, NULL));
        must(sfs_sort_key_add(&value, false, &key));
        struct sfs_bytes rest = sfs_buffer_bytes(&key);
        assert_false(sfs_sort_key_read_integer(&rest, false, &integer));
        assert_int_equal(rest.size, key.size);
        sfs_buffer_free(&key);
    }
}

static void test_texts(void **state)
{
    (void)state;
    struct sfs_value value = {.kind = SFS_VALUE_TEXT, .is.text = SFS_LITERAL("a\0\1\xff")};
    struct sfs_value number = {.kind = SFS_VALUE_INTEGER, .is.integer = 5};
    struct sfs_buffer key = {0};
    struct sfs_buffer text = {0};
    bool missing = true;
    must(sfs_sort_key_add(&value, true, &key));
    must(sfs_sort_key_add(&number, true, &key));
    struct sfs_bytes rest = sfs_buffer_bytes(&key);
    assert_int_equal(sfs_sort_key_read_text(&rest, true, &text), 1);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&text), value.is.text));
    assert_int_equal(sfs_sort_key_read_text(&rest, true, &text), 0);
    rest = sfs_bytes(key.data, 3);
    assert_int_equal(sfs_sort_key_read_text(&rest, true, &text), SFS_E_INVALID);
    assert_int_equal(rest.size, 3);
    rest = sfs_buffer_bytes(&key);
    text.size = 0;
    must(sfs_sort_key_read(&rest, true, &text, &missing));
    must(sfs_buffer_text(&text));
    assert_string_equal(text.data, "\"a\\u0000\\u0001\\udcff\"");
    sfs_buffer_free(&key);
    sfs_buffer_free(&text);
}

/* Deep and wide values take time in proportion to their size. */
static void test_deep(void **state)
{
    (void)state;
    struct sfs_buffer json = {0};
    struct sfs_buffer key = {0};
    struct sfs_buffer again = {0};
    bool missing = true;
    for (int i = 0; i < SFS_JSON_DEPTH; i++)
        put(&json, "{\"z\":1,\"a\":");
    for (int i = 0; i < 100000; i++)
        put(&json, i ? ",1" : "[1");
    put(&json, "]");
    for (int i = 0; i < SFS_JSON_DEPTH; i++)
        put(&json, "}");
    struct sfs_value value = {.kind = SFS_VALUE_JSON};
    value.is.json = sfs_json_view(sfs_buffer_bytes(&json));
    must(sfs_sort_key_add(&value, false, &key));
    struct sfs_bytes rest = sfs_buffer_bytes(&key);
    must(sfs_sort_key_read(&rest, false, &again, &missing));
    assert_int_equal(again.size, json.size);
    assert_memory_equal(again.data, "{\"a\":{\"a\":", 10);
    sfs_buffer_free(&json);
    sfs_buffer_free(&key);
    sfs_buffer_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_forms), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_texts), cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
