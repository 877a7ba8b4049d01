/* SPDX-License-Identifier: MIT */
/* Documents that are deep, large or wide: a walk down reads each part of the text once, and limits
 * are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/document.h"
#include "util/json_skip.h"

#define L(text) SFS_LITERAL(text)

static int count(void *context, struct sfs_bytes name, struct sfs_bytes value)
{
    size_t *seen = context;
    (void)name;
    (void)value;
    ++*seen;
    return 0;
}

static void add(struct sfs_buffer *out, const char *text)
{
    assert_int_equal(sfs_buffer_add(out, sfs_string(text)), 0);
}

/* --- ends of large values --- */

static void add_random(struct sfs_buffer *out, int depth)
{
    int members = rand() % 6;
    add(out, depth % 2 ? "[" : "{");
    for (int i = 0; i < members; i++) {
        if (i > 0)
            add(out, ", ");
        if (depth % 2 == 0)
            add(out, "\"}]\\\"[{\" : ");
        if (depth < 9 && rand() % 3)
            add_random(out, depth + 1);
        else
            add(out, "\"a text that takes some room: [[[[[[[[[{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\"");
    }
    add(out, depth % 2 ? "]" : "}");
}

/* Compares each value of the container, and of those in it, with its span. Returns how many are
 * large. */
static size_t check_spans(const struct sfs_json_skips *skips, struct sfs_json container)
{
    struct sfs_json_cursor cursor = sfs_json_begin(container);
    struct sfs_json name, value;
    bool object = container.type == SFS_JSON_OBJECT;
    const struct sfs_json_span *span = sfs_json_skips_find(skips, container.text.data);
    bool large = container.text.size >= SFS_JSON_SKIP_SIZE;
    size_t found = large;
    assert_int_equal(span != NULL, large);
    if (large)
        assert_int_equal(span->end - span->start, container.text.size);
    while (object ? sfs_json_next_member(&cursor, &name, &value)
                  : sfs_json_next_element(&cursor, &value)) {
        if (value.type == SFS_JSON_OBJECT || value.type == SFS_JSON_ARRAY)
            found += check_spans(skips, value);
    }
    return found;
}

static void test_spans(void **state)
{
    size_t large = 0;
    (void)state;
    srand(1);
    for (int i = 0; i < 300; i++) {
        struct sfs_buffer text = {0};
        struct sfs_json_skips skips = {0};
        struct sfs_json root;
        add_random(&text, 0);
        assert_true(sfs_json_parse(sfs_buffer_bytes(&text), &root, NULL));
        assert_int_equal(sfs_json_skips_build(&skips, root.text), 0);
        size_t found = check_spans(&skips, root);
        assert_int_equal(found, skips.count);
        large += found;
        sfs_json_skips_free(&skips);
        sfs_buffer_free(&text);
    }
    assert_true(large > 300);
}

/* --- deep --- */

#define DEPTH 9000
#define BOTTOM 3000000 /* elements there */

static struct sfs_blob *deep_document(void)
{
    size_t size = DEPTH * strlen("{\"a\":}") + 2 * (size_t)BOTTOM + 1;
    void *data;
    struct sfs_blob *blob = sfs_blob_alloc(size, &data);
    char *at = data;
    assert_non_null(blob);
    for (int i = 0; i < DEPTH; i++, at += 5)
        memcpy(at, "{\"a\":", 5);
    *at++ = '[';
    for (int i = 0; i < BOTTOM; i++, at += 2)
        memcpy(at, "1,", 2);
    at[-1] = ']';
    memset(at, '}', DEPTH);
    return blob;
}

/* To read at each level all that is below would take minutes. */
static void test_deep(void **state)
{
    struct sfs_blob *blob = deep_document();
    struct sfs_bytes text = sfs_blob_bytes(blob);
    struct sfs_document *document;
    struct sfs_bytes *steps = calloc(DEPTH + 1, sizeof(*steps)), value;
    struct sfs_document_path path = {steps, DEPTH + 1};
    struct sfs_buffer out = {0}, again = {0};
    (void)state;
    assert_non_null(steps);
    for (int i = 0; i < DEPTH; i++)
        steps[i] = L("a");
    steps[DEPTH] = L("7");
    alarm(60);
    assert_int_equal(sfs_document_open(blob, &document, NULL), 0);
    assert_int_equal(sfs_document_find(document, path, &value, NULL), 0);
    assert_int_equal(
        sfs_document_find(document, (struct sfs_document_path){steps, DEPTH}, &value, NULL), 0);
    assert_int_equal(sfs_document_find_below(document, value,
                                             (struct sfs_document_path){steps + DEPTH, 1}, &value,
                                             NULL),
                     0);
    assert_true(sfs_bytes_equal(value, L("1")));
    assert_int_equal(sfs_document_text_set(text, path, L("22"), 0, &out, NULL), 0);
    assert_int_equal(sfs_document_text_get(sfs_buffer_bytes(&out), path, &value, NULL), 0);
    assert_true(sfs_bytes_equal(value, L("22")));
    assert_int_equal(sfs_document_text_remove(sfs_buffer_bytes(&out), path, 0, &again, NULL), 0);
    assert_int_equal(again.size, text.size - 2);
    alarm(0);
    sfs_document_unref(document);
    sfs_blob_unref(blob);
    sfs_buffer_free(&out);
    sfs_buffer_free(&again);
    free(steps);
}

/* --- wide --- */

static void test_too_many(void **state)
{
    size_t size = 2 * (size_t)SFS_DOCUMENT_CHILDREN_MAX + 3;
    void *data;
    struct sfs_blob *blob = sfs_blob_alloc(size, &data);
    struct sfs_document *document;
    struct sfs_error error;
    size_t seen = 0;
    char *text = data;
    (void)state;
    assert_non_null(blob);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 2 ? '1' : ',';
    text[0] = '[';
    text[size - 1] = ']';
    assert_int_equal(sfs_document_open(blob, &document, &error), 0);
    assert_int_equal(
        sfs_document_visit(document, sfs_document_root(document), count, &seen, &error),
        SFS_E_TOO_LARGE);
    assert_int_equal(seen, SFS_DOCUMENT_CHILDREN_MAX);
    sfs_document_unref(document);
    sfs_blob_unref(blob);
}

/* What stands behind a member, in whose place it comes back. */
static void test_behind(void **state)
{
    const struct sfs_bytes text = L("{\"a\":1,\"b\":2,\"\\u0063\":[3]}");
    const struct {
        struct sfs_bytes step;
        const char *behind;
        int code;
    } cases[] = {
        {L("a"), "b", 0}, {L("b"), "c", 0}, {L("c"), "", 0}, {L("d"), "", SFS_E_NOT_FOUND}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_buffer name = {0};
        struct sfs_document_path path = {&cases[i].step, 1};
        assert_int_equal(sfs_document_text_behind(text, path, &name, NULL), cases[i].code);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&name), sfs_string(cases[i].behind)));
        sfs_buffer_free(&name);
    }
    struct sfs_buffer none = {0};
    struct sfs_bytes element[] = {L("c"), L("0")};
    assert_int_equal(
        sfs_document_text_behind(text, (struct sfs_document_path){element, 2}, &none, NULL), 0);
    assert_int_equal(
        sfs_document_text_behind(text, (struct sfs_document_path){NULL, 0}, &none, NULL), 0);
    assert_int_equal(
        sfs_document_text_behind(L("x"), (struct sfs_document_path){element, 1}, &none, NULL),
        SFS_E_UNSUPPORTED);
    assert_int_equal(none.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
