/* SPDX-License-Identifier: MIT */
/* Documents: edits byte for byte, what they refuse, forms, and edits in a store by many at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storefs/document.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STEPS_MAX 8
#define L(text) SFS_LITERAL(text)

/* "a/0/b" as a path; "" is the whole value. */
struct parsed_path {
    struct sfs_bytes steps[STEPS_MAX];
    size_t count;
};

static struct sfs_document_path path_of(const char *text, struct parsed_path *parsed)
{
    parsed->count = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, "/");
        parsed->steps[parsed->count++] = sfs_bytes(text, size);
        text += size + (text[size] == '/');
    }
    return (struct sfs_document_path){parsed->steps, parsed->count};
}

static void assert_bytes(struct sfs_bytes bytes, const char *expected)
{
    if (!sfs_bytes_equal(bytes, sfs_string(expected)))
        fail_msg("got %.*s, wanted %s", (int)bytes.size, (const char *)bytes.data, expected);
}

/* --- text --- */

enum what { SET, INSERT, REMOVE, MOVE };

static const struct edit_case {
    enum what what;
    const char *text;
    const char *path;
    const char *argument; /* JSON, or the path moved to, or what it is put before and JSON: "b=1" */
    unsigned flags;
    const char *result; /* NULL: `code` */
    int code;
} edits[] = {
    /* what is there is replaced, and nothing else */
    {SET, " {\"a\" : 1.0e0,\t\"b\":2 } \n", "a", " 3 ", 0, " {\"a\" : 3,\t\"b\":2 } \n", 0},
    {SET, "{\"a\":1,\"a\":2}", "a", "3", 0, "{\"a\":1,\"a\":3}", 0},
    {SET, "[1, 2 ,3]", "1", "[]", 0, "[1, [] ,3]", 0},
    {SET, "{\"\\u0061\":{\"b\":[0,1]}}", "a/b/1", "\"x\"", 0, "{\"\\u0061\":{\"b\":[0,\"x\"]}}", 0},
    {SET, " 1 \n", "", "2", 0, " 2 \n", 0},
    /* what is new looks like its neighbours */
    {SET, "{\"a\":1}", "b", "2", 0, "{\"a\":1,\"b\":2}", 0},
    {SET, "{\"a\": 1}", "b", "2", 0, "{\"a\": 1, \"b\": 2}", 0},
    {SET, "{ \"a\" : 1 }", "b", "2", 0, "{ \"a\" : 1, \"b\" : 2 }", 0},
    {SET, "{\n  \"a\": 1\n}\n", "b", "2", 0, "{\n  \"a\": 1,\n  \"b\": 2\n}\n", 0},
    {SET, "{\"a\":1 , \"b\":2}", "c", "3", 0, "{\"a\":1 , \"b\":2 , \"c\":3}", 0},
    {SET, "{}", "a", "1", 0, "{\"a\":1}", 0},
    {SET, "{ }", "a", "1", 0, "{\"a\":1}", 0},
    {SET, "{\n  \"a\": {}\n}", "a/b", "1", 0, "{\n  \"a\": {\n    \"b\": 1\n  }\n}", 0},
    {SET, "{ \"a\": [] }", "a/0", "1", 0, "{ \"a\": [ 1 ] }", 0},
    {SET, "[\n{}]", "0/a", "1", 0, "[\n{\"a\":1}]", 0},
    {SET, "{\n  \"a\": {}\n    }", "a/b", "1", 0, "{\n  \"a\": {\"b\": 1}\n    }", 0},
    {SET, "[1]", "1", "2", 0, "[1,2]", 0},
    {SET, "[1, 2]", "2", "3", 0, "[1, 2, 3]", 0},
    {SET, "[\n 1\n]", "1", "2", 0, "[\n 1,\n 2\n]", 0},
    {SET, "{}", "a\"\\\n", "1", 0, "{\"a\\\"\\\\\\n\":1}", 0},
    /* inserted */
    {SET, "[1, 2]", "0", "0", SFS_DOCUMENT_INSERT, "[0, 1, 2]", 0},
    {SET, "[1, 2]", "1", "0", SFS_DOCUMENT_INSERT, "[1, 0, 2]", 0},
    {SET, "[1, 2]", "2", "0", SFS_DOCUMENT_INSERT, "[1, 2, 0]", 0},
    {SET, "[ 1]", "0", "0", SFS_DOCUMENT_INSERT, "[ 0, 1]", 0},
    {SET, "{\"a\":1}", "a", "0", SFS_DOCUMENT_INSERT, NULL, SFS_E_EXISTS},
    /* conditions */
    {SET, "{\"a\":1}", "a", "2", SFS_DOCUMENT_ADD, NULL, SFS_E_EXISTS},
    {SET, "{\"a\":1}", "b", "2", SFS_DOCUMENT_REPLACE, NULL, SFS_E_NOT_FOUND},
    {SET, "{\"a\":[1]}", "a", "2", SFS_DOCUMENT_EMPTY, NULL, SFS_E_NOT_EMPTY},
    {SET, "{\"a\":[ ]}", "a", "2", SFS_DOCUMENT_EMPTY, "{\"a\":2}", 0},
    {SET, "1", "", "2", SFS_DOCUMENT_ADD, NULL, SFS_E_EXISTS},
    /* what cannot be */
    {SET, "[1]", "3", "2", 0, NULL, SFS_E_INVALID},
    {SET, "[1]", "01", "2", 0, NULL, SFS_E_INVALID},
    {SET, "[1]", "-", "2", 0, NULL, SFS_E_INVALID},
    {SET, "[1]", "1234567890123456789", "2", 0, NULL, SFS_E_INVALID},
    {SET, "{\"a\":1}", "a/b", "2", 0, NULL, SFS_E_NOT_DIRECTORY},
    {SET, "{\"a\":{}}", "b/c", "2", 0, NULL, SFS_E_NOT_FOUND},
    {SET, "{\"a\":{}}", "\xff", "2", 0, NULL, SFS_E_INVALID},
    {SET, "{", "a", "2", 0, NULL, SFS_E_UNSUPPORTED},
    {SET, "{}", "a", "Jo", 0, NULL, SFS_E_INVALID},
    {SET, "{}", "a", "1 2", 0, NULL, SFS_E_INVALID},
    {INSERT, "{\"a\":1, \"b\":2}", "c", "b=3", 0, "{\"a\":1, \"c\":3, \"b\":2}", 0},
    {INSERT, "{ \"a\" : 1 }", "c", "a=3", 0, "{ \"c\" : 3, \"a\" : 1 }", 0},
    {INSERT, "{\n  \"a\": 1,\n  \"b\": 2\n}", "c", "a={}", 0,
     "{\n  \"c\": {},\n  \"a\": 1,\n  \"b\": 2\n}", 0},
    {INSERT, "{\"a\":1}", "c", "b=3", 0, "{\"a\":1,\"c\":3}", 0},
    {INSERT, "{\"a\":1,\"b\":2}", "a", "b=3", 0, NULL, SFS_E_EXISTS},
    {INSERT, "{\"a\":1}", "a", "b=3", 0, NULL, SFS_E_EXISTS},
    {INSERT, "{\"a\":{\"b\":1}}", "a/\xff", "b=3", 0, NULL, SFS_E_INVALID},
    {INSERT, "{\"a\":1}", "c", "a=x", 0, NULL, SFS_E_INVALID},
    {INSERT, "{\"a\":1}", "b/c", "a=1", 0, NULL, SFS_E_NOT_FOUND},
    {INSERT, "1", "", "a=1", 0, NULL, SFS_E_EXISTS},
    {INSERT, "[1, 2]", "1", "1=0", 0, "[1, 0, 2]", 0},
    {INSERT, "[1, 2]", "2", "2=0", 0, "[1, 2, 0]", 0},
    /* removed, with a comma */
    {REMOVE, "{ \"a\":1 , \"b\":2 }", "a", NULL, 0, "{ \"b\":2 }", 0},
    {REMOVE, "{ \"a\":1 , \"b\":2 }", "b", NULL, 0, "{ \"a\":1 }", 0},
    {REMOVE, "{ \"a\":1 }", "a", NULL, 0, "{}", 0},
    {REMOVE, "[1, 2,  3]", "1", NULL, 0, "[1,  3]", 0},
    {REMOVE, "[\n1,\n2\n]", "0", NULL, 0, "[\n2\n]", 0},
    {REMOVE, "{\"a\":1, \"b\":2,\"\\u0061\":3 }", "a", NULL, 0, "{\"b\":2 }", 0},
    {REMOVE, "{\"a\":[[]]}", "a/0", NULL, SFS_DOCUMENT_EMPTY, "{\"a\":[]}", 0},
    {REMOVE, "{\"a\":[[]]}", "a", NULL, SFS_DOCUMENT_EMPTY, NULL, SFS_E_NOT_EMPTY},
    {REMOVE, "{\"a\":1}", "b", NULL, 0, NULL, SFS_E_NOT_FOUND},
    {REMOVE, "[]", "0", NULL, 0, NULL, SFS_E_NOT_FOUND},
    {REMOVE, "[]", "", NULL, 0, NULL, SFS_E_INVALID},
    {REMOVE, "\"a\"", "a", NULL, 0, NULL, SFS_E_NOT_DIRECTORY},
    {REMOVE, "no", "a", NULL, 0, NULL, SFS_E_UNSUPPORTED},
    /* moved, its bytes as they are */
    {MOVE, "{\"a\": 1.00,\"b\":{ }}", "b", "a", 0, "{\"a\": { }}", 0},
    {MOVE, "{\"a\":{ \"x\" : 1.00,\"b\":{ }}}", "a/x", "a/c", 0,
     "{\"a\":{ \"c\" : 1.00,\"b\":{ }}}", 0},
    {MOVE, "{\"a\":1,\"b\":2,\"a\":3}", "a", "c", 0, "{\"b\":2,\"c\":3}", 0},
    {MOVE, "{\"a\":1}", "a", "\xff", 0, NULL, SFS_E_INVALID},
    {MOVE, "{\"a\":{\"x\":[ 1 ]},\"b\":{}}", "a/x", "b/y", 0, "{\"a\":{},\"b\":{\"y\":[ 1 ]}}", 0},
    {MOVE, "{\"a\":1,\"b\":2}", "a", "b", 0, "{\"b\":1}", 0},
    {MOVE, "{\"a\":1,\"b\":2}", "a", "b", SFS_DOCUMENT_ADD, NULL, SFS_E_EXISTS},
    {MOVE, "{\"a\":{},\"b\":{\"c\":1}}", "a", "b", SFS_DOCUMENT_EMPTY, NULL, SFS_E_NOT_EMPTY},
    {MOVE, "{\"a\":1 }", "a", "a", 0, "{\"a\":1 }", 0},
    {MOVE, "[1,2,3]", "2", "0", 0, "[3,2]", 0},
    {MOVE, "[1,2,3]", "0", "2", 0, NULL, SFS_E_UNSUPPORTED},
    {MOVE, "[1,2,3]", "0", "3", 0, NULL, SFS_E_UNSUPPORTED},
    {MOVE, "[1,{}]", "0", "1/a", 0, NULL, SFS_E_UNSUPPORTED},
    {MOVE, "[{},2]", "1", "0/a", 0, "[{\"a\":2}]", 0},
    {MOVE, "{\"a\":{}}", "a", "a/b", 0, NULL, SFS_E_INVALID},
    {MOVE, "{\"a\":{\"b\":1}}", "a/b", "a", 0, NULL, SFS_E_INVALID},
    {MOVE, "{\"a\":{\"b\":1}}", "a/b", "a", SFS_DOCUMENT_EMPTY, NULL, SFS_E_NOT_EMPTY},
    {MOVE, "{\"a\":1}", "b", "c", 0, NULL, SFS_E_NOT_FOUND},
    {MOVE, "{\"a\":1}", "", "c", 0, NULL, SFS_E_INVALID},
    {MOVE, "x", "a", "c", 0, NULL, SFS_E_UNSUPPORTED},
    {MOVE, "{\"a\": 1 , \"b\":[2]}", "a", "b", SFS_DOCUMENT_EXCHANGE, "{\"a\": [2] , \"b\":1}", 0},
    {MOVE, "[1,2,3]", "2", "0", SFS_DOCUMENT_EXCHANGE, "[3,2,1]", 0},
    {MOVE, "[1,2,3]", "0", "2", SFS_DOCUMENT_EXCHANGE, "[3,2,1]", 0},
    {MOVE, "[1]", "0", "1", SFS_DOCUMENT_EXCHANGE, NULL, SFS_E_NOT_FOUND},
};

static int run_edit(const struct edit_case *edit, struct sfs_buffer *out, struct sfs_error *error)
{
    struct parsed_path from, to;
    struct sfs_document_path path = path_of(edit->path, &from);
    struct sfs_bytes text = sfs_string(edit->text);
    switch (edit->what) {
    case SET:
        return sfs_document_text_set(text, path, sfs_string(edit->argument), edit->flags, out, error);
    case INSERT: {
        struct sfs_bytes before = sfs_bytes(edit->argument, strcspn(edit->argument, "="));
        return sfs_document_text_insert(text, path, before,
                                        sfs_string(edit->argument + before.size + 1), out, error);
    }
    case REMOVE:
        return sfs_document_text_remove(text, path, edit->flags, out, error);
    case MOVE:
    default:
        return sfs_document_text_move(text, path, path_of(edit->argument, &to), edit->flags, out, error);
    }
}

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(edits); i++) {
        struct sfs_buffer out = {0};
        struct sfs_error error = {0};
        assert_int_equal(sfs_buffer_add(&out, L("kept")), 0);
        int code = run_edit(&edits[i], &out, &error);
        if (code != edits[i].code)
            fail_msg("%s at '%s': code %d, %s", edits[i].text, edits[i].path, code, error.message);
        assert_int_equal(error.code, code);
        assert_memory_equal(out.data, "kept", 4);
        assert_bytes(sfs_bytes(out.data + 4, out.size - 4), code == 0 ? edits[i].result : "");
        sfs_buffer_free(&out);
    }
}

static void test_sentences(void **state)
{
    struct sfs_buffer out = {0};
    struct sfs_error error;
    struct parsed_path path;
    (void)state;
    sfs_document_text_set(L("[1]"), path_of("7", &path), L("1"), 0, &out, &error);
    assert_string_equal(error.message, "the array has 1 elements: the next one is 1, not 7");
    sfs_document_text_set(L("{\n\"a\":}"), path_of("7", &path), L("1"), 0, &out, &error);
    assert_string_equal(error.message, "the value is not JSON (line 2, column 5: this is no JSON value)");
    sfs_document_text_remove(L("{}"), path_of("x", &path), 0, &out, &error);
    assert_string_equal(error.message, "there is no member 'x'");
    sfs_document_text_remove(L("[true]"), path_of("0/x", &path), 0, &out, &error);
    assert_string_equal(error.message, "there is no 'x' in a boolean");
    sfs_buffer_free(&out);
}

/* As deep as the scanner goes, and one further; as long as a document may be, and one more. */
static void test_limits(void **state)
{
    struct sfs_buffer text = {0}, out = {0};
    struct sfs_bytes steps[9999];
    struct sfs_error error;
    (void)state;
    for (int i = 0; i < 9999; i++) {
        assert_int_equal(sfs_buffer_byte(&text, '['), 0);
        steps[i] = L("0");
    }
    for (int i = 0; i < 9999; i++)
        assert_int_equal(sfs_buffer_byte(&text, ']'), 0);
    struct sfs_document_path path = {steps, 9999};
    struct sfs_bytes deep = sfs_buffer_bytes(&text);
    assert_int_equal(sfs_document_text_set(deep, path, L("[]"), 0, &out, &error), 0);
    assert_int_equal(sfs_document_text_set(deep, path, L("[[]]"), 0, &out, &error), SFS_E_TOO_LARGE);
    sfs_buffer_free(&text);
    sfs_buffer_free(&out);

    size_t size = SFS_DOCUMENT_MAX;
    char *large = malloc(size + 1);
    assert_non_null(large);
    memset(large, ' ', size + 1);
    memcpy(large, "[1]", 3);
    assert_int_equal(sfs_document_text_set(sfs_bytes(large, size), (struct sfs_document_path){steps, 1}, L("22"),
                                           0, &out, &error), SFS_E_TOO_LARGE);
    assert_int_equal(sfs_document_text_remove(sfs_bytes(large, size), (struct sfs_document_path){steps, 1}, 0,
                                              &out, &error), 0);
    assert_int_equal(out.size, size - 1);
    assert_int_equal(sfs_document_text_remove(sfs_bytes(large, size + 1), (struct sfs_document_path){steps, 1},
                                              0, &out, &error), SFS_E_TOO_LARGE);
    free(large);
    sfs_buffer_free(&out);
}

/* --- forms --- */

static const char *const forms[][2] = {
    {"\"Jo\"", "Jo"},       {"5", "5"},           {"\"5\"", "\"5\""},        {"1.50", "1.50"},
    {"null", "null"},       {"\"null\"", "\"null\""}, {"\"\"", ""},          {"\" 5\\n\"", "\" 5\\n\""},
    {"\"a\\n\"", "a\n"},    {"\"\\\"\"", "\""},   {"\"\\\"x\\\"\"", "\"\\\"x\\\"\""},
    {"\"\\ud800\"", "\xed\xa0\x80"}, {"[ 1 ]", "[ 1 ]"}, {"\"\\n\"", "\n"},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct sfs_buffer form = {0}, json = {0};
        assert_int_equal(sfs_document_form(sfs_string(forms[i][0]), &form, NULL), 0);
        assert_bytes(sfs_buffer_bytes(&form), forms[i][1]);
        assert_int_equal(sfs_document_from_form(sfs_buffer_bytes(&form), &json, NULL), 0);
        assert_bytes(sfs_buffer_bytes(&json), forms[i][0]);
        sfs_buffer_free(&form);
        sfs_buffer_free(&json);
    }
    struct sfs_buffer json = {0};
    struct sfs_error error;
    assert_int_equal(sfs_document_from_form(L(" 5 \n"), &json, &error), 0);
    assert_bytes(sfs_buffer_bytes(&json), "5");
    assert_int_equal(sfs_document_from_form(L("\xff"), &json, &error), SFS_E_INVALID);
    assert_bytes(sfs_buffer_bytes(&json), "5");
    sfs_buffer_free(&json);
}

/* --- in a store --- */

static struct sfs_storage *open_store(void)
{
    struct sfs_storage *store;
    struct sfs_error error;
    if (sfs_open(&store, "memory:", SFS_OPEN_CREATE, &error))
        fail_msg("%s", error.message);
    return store;
}

static void assert_value(struct sfs_storage *store, const char *key, const char *expected)
{
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_get_value(store, sfs_string(key), &value, NULL), 0);
    assert_bytes(sfs_buffer_bytes(&value), expected);
    sfs_buffer_free(&value);
}

static void test_store(void **state)
{
    struct sfs_storage *store = open_store();
    struct parsed_path a, b;
    struct sfs_buffer out = {0};
    struct sfs_error error;
    (void)state;
    assert_int_equal(sfs_document_set(store, L("d"), path_of("a", &a), L("1"), 0, &error), SFS_E_NOT_FOUND);
    assert_string_equal(error.message, "there is no key 'd'");
    assert_int_equal(sfs_document_set(store, L("d"), path_of("", &a), L("{}"), SFS_DOCUMENT_REPLACE, &error),
                     SFS_E_NOT_FOUND);
    assert_int_equal(sfs_document_set(store, L("d"), path_of("", &a), L("{}"), 0, &error), 0);
    assert_value(store, "d", "{}\n");
    assert_int_equal(sfs_document_set(store, L("d"), path_of("a", &a), L("[1]"), 0, &error), 0);
    assert_int_equal(sfs_document_set(store, L("d"), path_of("a/1", &a), L("2"), 0, &error), 0);
    assert_int_equal(sfs_document_move(store, L("d"), path_of("a/0", &a), path_of("b", &b), 0, &error), 0);
    assert_value(store, "d", "{\"a\":[2],\"b\":1}\n");
    assert_int_equal(sfs_document_get(store, L("d"), path_of("a", &a), &out, &error), 0);
    assert_bytes(sfs_buffer_bytes(&out), "[2]");
    assert_int_equal(sfs_document_get(store, L("d"), path_of("c", &a), &out, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_document_get(store, L("e"), path_of("", &a), &out, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_document_get(store, L(""), path_of("", &a), &out, &error), SFS_E_INVALID);
    assert_int_equal(sfs_document_remove(store, L("d"), path_of("a", &a), 0, &error), 0);
    assert_int_equal(sfs_document_remove(store, L("e"), path_of("a", &a), 0, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_document_move(store, L("e"), path_of("a", &a), path_of("b", &b), 0, &error),
                     SFS_E_NOT_FOUND);
    assert_value(store, "d", "{\"b\":1}\n");
    sfs_buffer_free(&out);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* What is no document, and an edit that leaves it or fails. */
static int keep(void *context, struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    (void)out;
    ++*(int *)context;
    return text.data != NULL ? SFS_DOCUMENT_KEEP : sfs_fail(error, SFS_E_CONFLICT, "test", "not so");
}

static void test_no_document(void **state)
{
    struct sfs_storage *store = open_store();
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    struct sfs_attributes private = {.mode = 0600};
    struct sfs_document_options options = {.attributes = &private, .mask = SFS_ATTRIBUTE_MODE, .durable = true};
    struct parsed_path a;
    struct sfs_batch *batch;
    struct sfs_error error;
    const struct sfs_record *before, *after;
    int calls = 0;
    (void)state;
    assert_int_equal(sfs_set(store, L("text"), L("plain"), NULL), 0);
    assert_int_equal(sfs_set(store, L("empty"), L(""), NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, L("link"), L("x"), &link, SFS_ATTRIBUTE_KIND, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    assert_int_equal(sfs_document_set(store, L("text"), path_of("a", &a), L("1"), 0, &error), SFS_E_UNSUPPORTED);
    assert_int_equal(sfs_document_set(store, L("empty"), path_of("a", &a), L("1"), 0, &error), SFS_E_UNSUPPORTED);
    assert_int_equal(sfs_document_set(store, L("link"), path_of("", &a), L("1"), 0, &error), SFS_E_UNSUPPORTED);
    assert_value(store, "text", "plain");
    assert_int_equal(sfs_get(store, L("text"), SFS_WANT_RECORD, &before, NULL), 0);
    assert_int_equal(sfs_document_edit(store, L("text"), keep, &calls, NULL, NULL), 0);
    assert_int_equal(sfs_get(store, L("text"), SFS_WANT_RECORD, &after, NULL), 0);
    assert_int_equal(before->revision, after->revision);
    sfs_record_unref(before);
    sfs_record_unref(after);
    /* A conflict that the function itself reports is no reason to begin anew. */
    assert_int_equal(sfs_document_edit(store, L("none"), keep, &calls, &options, &error), SFS_E_CONFLICT);
    assert_int_equal(calls, 2);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static int make_document(void *context, struct sfs_bytes text, struct sfs_buffer *out,
                         struct sfs_error *error)
{
    (void)context;
    (void)error;
    assert_null(text.data);
    return sfs_buffer_add(out, L("[]"));
}

static void test_attributes(void **state)
{
    struct sfs_storage *store = open_store();
    struct sfs_attributes private = {.mode = 0600, .uid = 5};
    struct sfs_document_options options = {
        .attributes = &private, .mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID};
    const struct sfs_record *record;
    struct parsed_path a;
    (void)state;
    assert_int_equal(sfs_document_edit(store, L("d"), make_document, NULL, &options, NULL), 0);
    assert_int_equal(sfs_document_set(store, L("d"), path_of("0", &a), L("1"), 0, NULL), 0);
    assert_int_equal(sfs_get(store, L("d"), SFS_WANT_RECORD, &record, NULL), 0);
    assert_int_equal(record->attributes.mode, 0600);
    assert_int_equal(record->attributes.uid, 5);
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* Onto one revision only: nothing is tried again, and the function is not asked about another. */
static void test_revision(void **state)
{
    struct sfs_storage *store = open_store();
    uint64_t made = 0, none = 0;
    struct sfs_document_options options = {.ret_revision = &made};
    struct sfs_error error;
    int calls = 0;
    (void)state;
    assert_int_equal(sfs_document_edit(store, L("d"), make_document, NULL, &options, NULL), 0);
    assert_true(made > 0);
    options = (struct sfs_document_options){.revision = made, .ret_revision = &none};
    assert_int_equal(sfs_document_edit(store, L("d"), keep, &calls, &options, NULL), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(none, 0);
    assert_int_equal(sfs_set(store, L("d"), L("[2]"), NULL), 0);
    assert_int_equal(sfs_document_edit(store, L("d"), keep, &calls, &options, &error), SFS_E_CONFLICT);
    assert_string_equal(error.message, "'d' was changed by somebody else");
    assert_int_equal(sfs_document_edit(store, L("e"), keep, &calls, &options, &error), SFS_E_CONFLICT);
    assert_int_equal(calls, 1);
    assert_value(store, "d", "[2]");
    assert_int_equal(sfs_close(store, NULL), 0);
}

#define WRITERS 4
#define MEMBERS 100

struct writer {
    struct sfs_storage *store;
    int number;
};

static void *write_members(void *context)
{
    struct writer *writer = context;
    for (int i = 0; i < MEMBERS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d-%d", writer->number, i);
        struct sfs_bytes step = sfs_string(name);
        struct sfs_error error;
        if (sfs_document_set(writer->store, L("d"), (struct sfs_document_path){&step, 1}, L("1"), 0, &error))
            return strdup(error.message);
    }
    return NULL;
}

/* All who change different members of one document succeed. */
static void test_writers(void **state)
{
    struct sfs_storage *store = open_store();
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    struct sfs_buffer value = {0};
    (void)state;
    assert_int_equal(sfs_set(store, L("d"), L("{}"), NULL), 0);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){store, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_members, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failure = NULL;
        pthread_join(threads[i], &failure);
        if (failure != NULL)
            fail_msg("%s", (char *)failure);
    }
    assert_int_equal(sfs_get_value(store, L("d"), &value, NULL), 0);
    size_t found = 0;
    for (const char *at = value.data; (at = strstr(at, "\":1")) != NULL; at++)
        found++;
    assert_int_equal(found, WRITERS * MEMBERS);
    sfs_buffer_free(&value);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- reading --- */

struct seen {
    struct sfs_buffer text;
    size_t count;
    size_t stop;
};

static int see(void *context, struct sfs_bytes name, struct sfs_bytes value)
{
    struct seen *seen = context;
    assert_int_equal(sfs_buffer_add(&seen->text, name), 0);
    assert_int_equal(sfs_buffer_byte(&seen->text, '='), 0);
    assert_int_equal(sfs_buffer_add(&seen->text, value), 0);
    assert_int_equal(sfs_buffer_byte(&seen->text, ';'), 0);
    return ++seen->count == seen->stop ? 7 : 0;
}

static struct sfs_document *open_document(const char *text)
{
    struct sfs_document *document;
    struct sfs_error error;
    struct sfs_blob *blob = sfs_blob_new(sfs_string(text));
    assert_non_null(blob);
    if (sfs_document_open(blob, &document, &error))
        fail_msg("%s", error.message);
    sfs_blob_unref(blob);
    return document;
}

static void assert_seen(struct sfs_document *document, struct sfs_bytes value, const char *expected)
{
    struct seen seen = {0};
    assert_int_equal(sfs_document_visit(document, value, see, &seen, NULL), 0);
    assert_bytes(sfs_buffer_bytes(&seen.text), expected);
    sfs_buffer_free(&seen.text);
}

static void test_reading(void **state)
{
    struct sfs_document *document = open_document(" {\"a\":1, \"b\":[ 5,{}],\"a\\u0000\":2,\"\\u0061\" : 3} ");
    struct sfs_bytes value;
    struct parsed_path path;
    struct seen seen = {.stop = 1};
    struct sfs_error error;
    (void)state;
    assert_int_equal(sfs_document_kind(sfs_document_root(document)), SFS_DOCUMENT_OBJECT);
    struct seen all = {0};
    assert_int_equal(sfs_document_visit(document, sfs_document_root(document), see, &all, NULL), 0);
    assert_memory_equal(all.text.data, "b=[ 5,{}];a\0=2;a=3;", 19);
    sfs_buffer_free(&all.text);
    assert_int_equal(sfs_document_find(document, path_of("b", &path), &value, &error), 0);
    assert_int_equal(sfs_document_kind(value), SFS_DOCUMENT_ARRAY);
    assert_seen(document, value, "0=5;1={};");
    assert_int_equal(sfs_document_visit(document, value, see, &seen, NULL), 7);
    sfs_buffer_free(&seen.text);
    assert_int_equal(sfs_document_find(document, path_of("a", &path), &value, &error), 0);
    assert_bytes(value, "3");
    assert_int_equal(sfs_document_kind(value), SFS_DOCUMENT_SCALAR);
    assert_int_equal(sfs_document_find(document, path_of("a/b", &path), &value, &error), SFS_E_NOT_DIRECTORY);
    assert_int_equal(sfs_document_find(document, path_of("b/2", &path), &value, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_document_find(document, path_of("b/x", &path), &value, &error), SFS_E_INVALID);
    struct sfs_document *again = sfs_document_ref(document);
    sfs_document_unref(document);
    assert_seen(again, L("1"), "");
    sfs_document_unref(again);
    sfs_document_unref(NULL);
    struct sfs_blob *blob = sfs_blob_new(L("plain"));
    assert_int_equal(sfs_document_open(blob, &document, &error), SFS_E_UNSUPPORTED);
    sfs_blob_unref(blob);
}

/* Large ones are found by a table. */
static void test_large(void **state)
{
    struct sfs_buffer text = {0};
    struct sfs_bytes value;
    struct parsed_path path;
    char name[64], wanted[32];
    (void)state;
    assert_int_equal(sfs_buffer_byte(&text, '{'), 0);
    for (int i = 0; i < 20000; i++) /* every third name is there twice */
        assert_int_equal(sfs_buffer_printf(&text, "%s\"n%d\":[%d]", i > 0 ? "," : "", i % 3 == 0 ? i / 2 : i, i), 0);
    assert_int_equal(sfs_buffer_printf(&text, ",\"list\":["), 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(sfs_buffer_printf(&text, "%s%d", i > 0 ? "," : "", i), 0);
    assert_int_equal(sfs_buffer_printf(&text, "]}"), 0);
    assert_int_equal(sfs_buffer_text(&text), 0);
    struct sfs_document *document = open_document(text.data);
    size_t cost = sfs_document_cost(document);
    assert_true(cost > text.size);
    for (int i = 1; i < 20000; i += 997) {
        struct sfs_bytes expected;
        snprintf(name, sizeof(name), "n%d", i);
        int code = sfs_document_text_get(sfs_buffer_bytes(&text), path_of(name, &path), &expected, NULL);
        assert_int_equal(sfs_document_find(document, path_of(name, &path), &value, NULL), code);
        if (code == 0)
            assert_true(sfs_bytes_equal(value, expected));
        snprintf(name, sizeof(name), "list/%d", i % 5000);
        snprintf(wanted, sizeof(wanted), "%d", i % 5000);
        assert_int_equal(sfs_document_find(document, path_of(name, &path), &value, NULL), 0);
        assert_bytes(value, wanted);
    }
    assert_true(sfs_document_cost(document) > cost);
    assert_int_equal(sfs_document_find(document, path_of("list/5000", &path), &value, NULL), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_document_find(document, path_of("\xff", &path), &value, NULL), SFS_E_NOT_FOUND);
    struct seen seen = {0};
    assert_int_equal(sfs_document_visit(document, sfs_document_root(document), see, &seen, NULL), 0);
    assert_true(seen.count > 13000 && seen.count < 20000);
    sfs_buffer_free(&seen.text);
    sfs_document_unref(document);
    sfs_buffer_free(&text);
}

/* More members than can be listed: found out, not cut. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),       cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_forms),
        cmocka_unit_test(test_store),      cmocka_unit_test(test_no_document),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_revision),
        cmocka_unit_test(test_writers),    cmocka_unit_test(test_reading),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
