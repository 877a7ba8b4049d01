/* SPDX-License-Identifier: MIT */
/* The file of the backend "json:PATH": its bytes, what is read from files of others, damage. */
#include "json_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

static void test_layout(void **state)
{
    (void)state;
    struct stat status;
    json_use("made/by/us/layout.json");
    struct sfs_storage *store = json_open_store();
    json_check_file(json_path, TEXT("{}"));
    assert_int_equal(stat(json_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    json_set(store, TEXT("b"), TEXT(" {\"x\": 1.0 }\n\n"));
    json_set(store, TEXT("a\"/\xc3\xa9"), TEXT("12\t"));
    json_set(store, TEXT("c\xff"), TEXT("no json"));
    json_set(store, TEXT("d"), TEXT("\xff\0\x01"));
    json_set(store, TEXT("e"), TEXT(""));
    json_set(store, TEXT("f"), TEXT("{\"__type\": 7}"));
    json_set(store, TEXT("g"), TEXT(" 1\r\n \n"));
    json_check_file(json_path,
                    TEXT("{\n\"a\\\"/\xc3\xa9\": 12\t,\n"
                         "\"b\":  {\"x\": 1.0 }\n\n,\n"
                         "\"c\\udcff\": {\"__type\": \"text\", \"__value\": \"no json\"},\n"
                         "\"d\": {\"__type\": \"bytes\", \"__value\": \"/wAB\"},\n"
                         "\"e\": {\"__type\": \"text\", \"__value\": \"\"},\n"
                         "\"f\": {\"__type\": \"text\", \"__value\": \"{\\\"__type\\\": 7}\"},\n"
                         "\"g\":  1\r\n \n\n}"));
    json_close_store(store);
    store = json_open_with(NULL, NULL, 0, 0, NULL);
    json_check_size(store, 7);
    json_check_value(store, TEXT("b"), TEXT(" {\"x\": 1.0 }\n\n"));
    json_check_value(store, TEXT("a\"/\xc3\xa9"), TEXT("12\t"));
    json_check_value(store, TEXT("c\xff"), TEXT("no json"));
    json_check_value(store, TEXT("d"), TEXT("\xff\0\x01"));
    json_check_value(store, TEXT("e"), TEXT(""));
    json_check_value(store, TEXT("f"), TEXT("{\"__type\": 7}"));
    json_check_value(store, TEXT("g"), TEXT(" 1\r\n \n"));
    json_close_store(store);
    assert_int_equal(access(json_beside(".storefs-lock"), F_OK), -1);
    assert_int_equal(access(json_beside(".attrs~"), F_OK), -1);
}

/* --- random content --- */

static struct sfs_bytes random_bytes(char *out, size_t most, const char *letters, bool nul)
{
    size_t size = (size_t)rand() % (most + 1);
    size_t count = strlen(letters);
    for (size_t i = 0; i < size; i++) {
        out[i] = (char)(rand() % 3 ? letters[(size_t)rand() % count] : rand() % 256);
        if (!out[i] && !nul)
            out[i] = 'n';
    }
    return sfs_bytes(out, size);
}

static void test_random(void **state)
{
    (void)state;
    enum { ROUNDS = 150, EACH = 12 };
    char key[EACH][24];
    char value[EACH][40];
    struct sfs_bytes keys[EACH];
    struct sfs_bytes values[EACH];
    const char *const json[] = {" \n[1,\t2]", "\n\n\"\\ud800\" ",
                                "-0.0e5\n",   "{ }\r\n",
                                "null",       "\t{\"__type\":\"text\",\"__value\":\"x\"}",
                                " true\n "};
    srand(11);
    json_use("random.json");
    for (int round = 0; round < ROUNDS; round++) {
        struct sfs_storage *store = json_open_with("autosave", "0", SFS_OPEN_CREATE, 0, NULL);
        assert_int_equal(sfs_clear(store, NULL), 0);
        for (int i = 0; i < EACH; i++) {
            key[i][0] = (char)('A' + i);
            struct sfs_bytes rest =
                random_bytes(key[i] + 1, 20, "\xed\xb2\xa0\xc3\xa9\"\\ \n{:,", false);
            keys[i] = sfs_bytes(key[i], rest.size + 1);
            values[i] = rand() % 2 ? random_bytes(value[i], 40, " \n\t1}{\",:\\", true)
                                   : sfs_string(json[(size_t)rand() % 7]);
            json_set(store, keys[i], values[i]);
        }
        json_close_store(store);
        store = json_open_with(NULL, NULL, 0, 0, NULL);
        json_check_size(store, EACH);
        for (int i = 0; i < EACH; i++)
            json_check_value(store, keys[i], values[i]);
        json_close_store(store);
    }
}

/* --- files of others --- */

static void test_files_of_others(void **state)
{
    (void)state;
    json_use("original.json");
    json_write_file(TEXT("{\n  \"user/1\": {\n    \"name\": \"A\"\n  },\n  \"n\": 5,\n"
                         "  \"t\": {\n    \"__type\": \"text\",\n    \"__value\": \"plain\"\n  },\n"
                         "  \"d\": {\"__type\": \"Date\", \"__value\": \"2026\"},\n"
                         "  \"x\": {\"__type\": \"bytes\", \"__value\": \"no base64\"},\n"
                         "  \"s\\udc80\": \"\\u0000\",\n  \"n\": 6\n}\n"));
    struct sfs_storage *store = json_open_with(NULL, NULL, SFS_OPEN_READ_ONLY, 0, NULL);
    json_check_size(store, 6);
    json_check_value(store, TEXT("user/1"), TEXT("{\n    \"name\": \"A\"\n  }"));
    json_check_value(store, TEXT("n"), TEXT("6"));
    json_check_value(store, TEXT("t"), TEXT("plain"));
    json_check_value(store, TEXT("d"), TEXT("{\"__type\": \"Date\", \"__value\": \"2026\"}"));
    json_check_value(store, TEXT("x"), TEXT("{\"__type\": \"bytes\", \"__value\": \"no base64\"}"));
    json_check_value(store, TEXT("s\x80"), TEXT("\"\\u0000\""));
    assert_int_equal(sfs_set(store, TEXT("n"), TEXT("7"), NULL), SFS_E_READ_ONLY);
    json_close_store(store);
    assert_int_equal(access(json_beside(".attrs"), F_OK), -1);
    json_write_file(TEXT("{\"a\":1,\"b\":[1,2] ,\"c\": {} }"));
    store = json_open_store();
    json_check_value(store, TEXT("a"), TEXT("1"));
    json_check_value(store, TEXT("b"), TEXT("[1,2] "));
    json_check_value(store, TEXT("c"), TEXT("{} "));
    json_set(store, TEXT("z"), TEXT("0"));
    json_check_file(json_path, TEXT("{\n\"a\": 1,\n\"b\": [1,2] ,\n\"c\": {} ,\n\"z\": 0\n}"));
    json_close_store(store);
}

static void check_refused(struct sfs_bytes content, int code, const char *words)
{
    struct sfs_error error;
    json_write_file(content);
    json_open_with(NULL, NULL, SFS_OPEN_CREATE, code, &error);
    if (!strstr(error.message, words))
        fail_msg("'%s' does not say '%s'", error.message, words);
    json_check_file(json_path, content);
}

static void test_refused(void **state)
{
    (void)state;
    json_use("refused.json");
    check_refused(TEXT(""), SFS_E_CORRUPT, "line 1, column 1");
    check_refused(TEXT("{\n\"a\": 1,\n\"b\": tru\n}"), SFS_E_CORRUPT, "line 3, column");
    check_refused(TEXT("{\"a\": 1"), SFS_E_CORRUPT, "comma or }");
    check_refused(TEXT("{\"a\": 1} x"), SFS_E_CORRUPT, "follows");
    check_refused(TEXT("{\"a\": 1,}"), SFS_E_CORRUPT, "key in quotes");
    check_refused(TEXT("{\"a\" 1}"), SFS_E_CORRUPT, "colon");
    check_refused(TEXT("{\"a\": \xff}"), SFS_E_CORRUPT, "byte 6");
    check_refused(TEXT("[1]"), SFS_E_NOT_A_STORE, "no object");
    check_refused(TEXT("not json"), SFS_E_CORRUPT, "line 1");
    check_refused(TEXT("{\"\": 1}"), SFS_E_INVALID, "line 1 a key");
    check_refused(TEXT("{\"ok\": 1,\n\"x\\u0000y\": 1}"), SFS_E_INVALID, "line 2 a key");
    check_refused(TEXT("{\"q\\ud800\": 1}"), SFS_E_INVALID, "surrogate");
    struct sfs_buffer text = {0};
    assert_int_equal(sfs_buffer_printf(&text, "{\"%05000d\": 1}", 7), 0);
    check_refused(sfs_buffer_bytes(&text), SFS_E_NAME_TOO_LONG, "00000");
    sfs_buffer_free(&text);
    json_use("none.json");
    json_open_with(NULL, NULL, 0, SFS_E_NOT_FOUND, NULL);
    json_open_with("colour", "1", SFS_OPEN_CREATE, SFS_E_INVALID, NULL);
    assert_int_equal(access(json_path, F_OK), -1);
}

static void test_recover(void **state)
{
    (void)state;
    json_use("recover.json");
    for (int n = 1; n <= 2; n++) {
        char suffix[32];
        json_write_file(TEXT("{\"a\": 1"));
        struct sfs_storage *store = json_open_with("recover", "1", SFS_OPEN_CREATE, 0, NULL);
        json_check_size(store, 0);
        snprintf(suffix, sizeof(suffix), ".corrupt-%d", n);
        json_check_file(json_beside(suffix), TEXT("{\"a\": 1"));
        json_set(store, TEXT("k"), TEXT("1"));
        json_close_store(store);
    }
    /* Damaged attributes do not cost the content. */
    assert_int_equal(sfs_file_replace(json_beside(".attrs"), TEXT("{"), NULL), 0);
    struct sfs_error error;
    json_open_with(NULL, NULL, SFS_OPEN_CREATE, SFS_E_CORRUPT, &error);
    assert_non_null(strstr(error.message, ".attrs"));
    struct sfs_storage *store = json_open_with("recover", "1", SFS_OPEN_CREATE, 0, NULL);
    json_check_value(store, TEXT("k"), TEXT("1"));
    json_close_store(store);
    json_check_file(json_beside(".attrs.corrupt-2"), TEXT("{"));
}

static void test_options(void **state)
{
    (void)state;
    json_use("options.json");
    struct sfs_storage *store = json_open_with("pretty", "1", SFS_OPEN_CREATE, 0, NULL);
    json_set(store, TEXT("a"), TEXT("{\"x\":[1,{}, [ ] ,\"\\\"}\"],\"y\":null}"));
    json_set(store, TEXT("b"), TEXT("text"));
    json_check_file(
        json_path,
        TEXT("{\n  \"a\": {\n    \"x\": [\n      1,\n      {},\n      [],\n"
             "      \"\\\"}\"\n    ],\n    \"y\": null\n  },\n"
             "  \"b\": {\n    \"__type\": \"text\",\n    \"__value\": \"text\"\n  }\n}"));
    json_close_store(store);
    store = json_open_with("autosave", "no", 0, 0, NULL);
    struct sfs_apply_options durable = {.durable = true};
    struct sfs_batch *batch = NULL;
    json_check_value(store, TEXT("b"), TEXT("text"));
    assert_int_equal(sfs_clear(store, NULL), 0);
    json_set(store, TEXT("c"), TEXT("1"));
    assert_int_equal(sfs_sync(store, 0, NULL), 0);
    json_check_file(json_path, TEXT("{\n\"c\": 1\n}"));
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, TEXT("d"), TEXT("2"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, &durable, NULL, NULL), 0);
    json_check_file(json_path, TEXT("{\n\"c\": 1,\n\"d\": 2\n}"));
    sfs_batch_free(batch);
    json_set(store, TEXT("e"), TEXT("3"));
    json_check_file(json_path, TEXT("{\n\"c\": 1,\n\"d\": 2\n}"));
    json_close_store(store);
    json_check_file(json_path, TEXT("{\n\"c\": 1,\n\"d\": 2,\n\"e\": 3\n}"));
    struct stat before;
    struct stat after;
    assert_int_equal(stat(json_path, &before), 0);
    store = json_open_with("atomic", "0", 0, 0, NULL);
    assert_int_equal(sfs_clear(store, NULL), 0);
    json_set(store, TEXT("f"), TEXT("4"));
    json_check_file(json_path, TEXT("{\n\"f\": 4\n}"));
    json_close_store(store);
    assert_int_equal(stat(json_path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    store = json_open_store();
    json_check_value(store, TEXT("f"), TEXT("4"));
    json_close_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),          cmocka_unit_test(test_random),
        cmocka_unit_test(test_files_of_others), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_recover),         cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, json_make_directory, json_remove_directory);
}
