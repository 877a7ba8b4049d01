/* SPDX-License-Identifier: MIT */
/*
 * URIs and their options: what opens which store where, and what is refused and how.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/backend.h"

struct values {
    bool flag;
    uint64_t size;
    const char *text;
    int choice;
};

static const struct sfs_option_rule rules[] = {
    {"flag", SFS_OPTION_BOOL, offsetof(struct values, flag), NULL, "a flag"},
    {"size", SFS_OPTION_SIZE, offsetof(struct values, size), NULL, "a size"},
    {"text", SFS_OPTION_TEXT, offsetof(struct values, text), NULL, "a text"},
    {"choice", SFS_OPTION_CHOICE, offsetof(struct values, choice), "one|two|three", "a choice"},
    {0},
};

static int parse(const char *name, const char *value, struct values *values,
                 struct sfs_error *error)
{
    struct sfs_option option = {name, value};
    struct sfs_location location = {"test", "", &option, 1};
    *values = (struct values){.size = 7, .choice = -1};
    *error = (struct sfs_error){0};
    return sfs_options_parse(&location, rules, values, error);
}

static void options_are_read(void **unused)
{
    (void)unused;
    struct values values;
    struct sfs_error error;
    static const char *const yes[] = {"1", "yes", "true", "on"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parse("flag", yes[i], &values, &error), 0);
        assert_true(values.flag);
    }
    assert_int_equal(parse("flag", "off", &values, &error), 0);
    assert_false(values.flag);
    assert_int_equal(values.size, 7);
    assert_int_equal(parse("size", "64M", &values, &error), 0);
    assert_int_equal(values.size, 64 << 20);
    assert_int_equal(parse("size", "18446744073709551615", &values, &error), 0);
    assert_true(values.size == UINT64_MAX);
    assert_int_equal(parse("text", "", &values, &error), 0);
    assert_string_equal(values.text, "");
    assert_int_equal(parse("choice", "three", &values, &error), 0);
    assert_int_equal(values.choice, 2);
}

static void bad_options_are_named(void **unused)
{
    (void)unused;
    static const char *const bad[][3] = {
        {"flag", "maybe", "yes or no"},        {"size", "", "K, M or G"},
        {"size", "1T", "K, M or G"},           {"size", "-1", "K, M or G"},
        {"size", "1KB", "K, M or G"},          {"size", "18446744073709551616", "K, M or G"},
        {"size", "17179869184G", "K, M or G"}, {"choice", "tw", "one|two|three"},
        {"choice", "", "one|two|three"},       {"colour", "red", "flag, size, text, choice"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct values values;
        struct sfs_error error;
        assert_int_equal(parse(bad[i][0], bad[i][1], &values, &error), SFS_E_INVALID);
        assert_non_null(strstr(error.message, bad[i][0]));
        assert_non_null(strstr(error.message, bad[i][2]));
        assert_int_equal(values.size, 7);
        assert_int_equal(values.choice, -1);
    }
}

static void uris_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *uri;
        int code;
        const char *says;
    } rows[] = {
        {"", SFS_E_INVALID, "no store"},
        {"?a=b", SFS_E_INVALID, "no store"},
        {"nonesuch:x", SFS_E_UNSUPPORTED, "sqlite"},
        {"memory:?colour=red", SFS_E_INVALID, "colour"},
        {"memory:?snapshot", SFS_E_INVALID, "name=value"},
        {"memory:?=x", SFS_E_INVALID, "name=value"},
        {"memory:?a=1&a=2", SFS_E_INVALID, "twice"},
        {"memory:?snapshot=%zz", SFS_E_INVALID, "%25"},
        {"memory:?snapshot=%", SFS_E_INVALID, "%25"},
        {"sqlite:a%00b", SFS_E_INVALID, "%25"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sfs_storage *store = NULL;
        struct sfs_error error = {0};
        assert_int_equal(sfs_open(&store, rows[i].uri, SFS_OPEN_CREATE, &error), rows[i].code);
        assert_null(store);
        assert_non_null(strstr(error.message, rows[i].says));
    }
    struct sfs_storage *store = NULL;
    assert_int_equal(sfs_open(&store, "memory:", 64, NULL), SFS_E_INVALID);
}

static void open_at(const char *uri, const char *path)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    int rc = sfs_open(&store, uri, SFS_OPEN_CREATE, &error);
    if (rc)
        print_message("%s: %s\n", uri, error.message);
    assert_int_equal(rc, 0);
    assert_int_equal(sfs_set(store, SFS_LITERAL("k"), SFS_LITERAL("v"), &error), 0);
    assert_string_equal(sfs_storage_name(store), "sqlite");
    assert_int_equal(sfs_close(store, &error), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
}

static void paths_are_decoded(void **unused)
{
    (void)unused;
    char directory[] = "/tmp/test_uri.XXXXXX", uri[64], path[64];
    assert_non_null(mkdtemp(directory));
    static const char *const rows[][3] = {{"", "/bare", "/bare"},
                                          {"", "/a:b", "/a:b"},
                                          {"", "/100%25", "/100%"},
                                          {"sqlite:", "/a%3fb%20c", "/a?b c"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(uri, sizeof(uri), "%s%s%s", rows[i][0], directory, rows[i][1]);
        snprintf(path, sizeof(path), "%s%s", directory, rows[i][2]);
        open_at(uri, path);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void read_only_stores_refuse_changes(void **unused)
{
    (void)unused;
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    assert_int_equal(sfs_open(&store, "memory:", SFS_OPEN_CREATE | SFS_OPEN_READ_ONLY, &error), 0);
    assert_int_equal(sfs_set(store, SFS_LITERAL("k"), SFS_LITERAL("v"), &error), SFS_E_READ_ONLY);
    assert_int_equal(sfs_has(store, SFS_LITERAL("k"), &error), 0);
    assert_int_equal(sfs_sync(store, 0, &error), 0);
    assert_int_equal(sfs_close(store, &error), 0);
    assert_int_equal(sfs_close(NULL, &error), 0);
}

static void paths_are_told(void **unused)
{
    (void)unused;
    static const char *const rows[][2] = {
        {"sqlite:/a/b?cache=1M", "/a/b"},   {"a%20b", "a b"},  {"json:c%3fd", "c?d"},
        {"memory:?snapshot=e%26f", "e&f"},  {"memory:", NULL}, {"sqlite:g?snapshot=h", "g"},
        {"nothing:is/asked?of=it", "is/asked"},
    };
    struct sfs_error error = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *path = NULL;
        assert_int_equal(sfs_uri_path(rows[i][0], &path, &error), 0);
        if (rows[i][1])
            assert_string_equal(path, rows[i][1]);
        else
            assert_null(path);
        free(path);
    }
    char *untouched = NULL;
    assert_int_equal(sfs_uri_path("sqlite:%zz", &untouched, &error), SFS_E_INVALID);
    assert_null(untouched);
}

static void backends_are_listed(void **unused)
{
    (void)unused;
    bool memory = false, sqlite = false;
    for (const struct sfs_backend_info *info = sfs_backends(); info->scheme; info++) {
        memory |= strcmp(info->scheme, "memory") == 0;
        sqlite |= strcmp(info->scheme, "sqlite") == 0;
        assert_true(strlen(info->summary) > 0);
        assert_non_null(info->options);
    }
    assert_true(memory && sqlite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read),    cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(uris_are_refused),    cmocka_unit_test(paths_are_decoded),
        cmocka_unit_test(backends_are_listed), cmocka_unit_test(read_only_stores_refuse_changes),
        cmocka_unit_test(paths_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
