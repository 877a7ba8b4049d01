/* SPDX-License-Identifier: MIT */
/*
 * Keys as paths: known pairs, and the property that both directions undo each other, on random keys
 * and random paths.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storefs/path.h"

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t limit)
{
    return (size_t)(next_random() % limit);
}

static size_t scaled(size_t count)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? count * 10 : count;
}

/* --- random keys --- */

static void add(struct sfs_buffer *buffer, struct sfs_bytes bytes)
{
    assert_int_equal(sfs_buffer_add(buffer, bytes), 0);
}

static void add_run(struct sfs_buffer *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = (char)below(256);
        if (byte == '\0' || byte == '/')
            byte = '%';
        assert_int_equal(sfs_buffer_byte(buffer, byte), 0);
    }
}

/* "%%…value" and its like, short and about as long as a file name. */
static void add_special(struct sfs_buffer *buffer)
{
    static const char *const words[] = {"", "empty", "dot", "dotdot", "value", ".", "..", "+", "x"};
    size_t percents = below(4) ? below(4) : 236 + below(24);
    for (size_t i = 0; i < percents; i++)
        add(buffer, SFS_LITERAL("%"));
    add(buffer, sfs_string(words[below(sizeof(words) / sizeof(words[0]))]));
}

/* A part of 250 to 600 bytes or about a multiple of a piece, often ending in "%+". */
static void add_long(struct sfs_buffer *buffer)
{
    size_t size = below(2) ? 250 + below(351) : (1 + below(4)) * SFS_PATH_PIECE + below(6) - 3;
    add_run(buffer, size - 2);
    if (below(2))
        add(buffer, SFS_LITERAL("%+"));
    else
        add_run(buffer, 2);
}

static void random_key(struct sfs_buffer *key)
{
    key->size = 0;
    for (size_t parts = below(6) ? 1 + below(5) : 1 + below(16); parts; parts--) {
        size_t kind = below(10);
        if (kind < 3)
            add_special(key);
        else if (kind < 5)
            add_long(key);
        else if (kind < 9)
            add_run(key, below(6));
        if (parts > 1)
            add(key, SFS_LITERAL("/"));
    }
    if (key->size == 0)
        add(key, SFS_LITERAL("/"));
    if (below(50) == 0 && key->size < SFS_KEY_MAX)
        add_run(key, SFS_KEY_MAX - key->size);
    if (key->size > SFS_KEY_MAX)
        key->size = SFS_KEY_MAX;
}

/* --- the property --- */

static void check_components(struct sfs_bytes path)
{
    const char *at = path.data, *end = at + path.size;
    while (at <= end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t size = (size_t)((slash ? slash : end) - at);
        assert_in_range(size, 1, SFS_PATH_NAME_MAX);
        assert_false(size == 1 && at[0] == '.');
        assert_false(size == 2 && at[0] == '.' && at[1] == '.');
        at += size + 1;
    }
}

/* Walks a path as the mount does, name by name; returns the key in `key`, or false. */
static bool walk(struct sfs_bytes path, struct sfs_buffer *key)
{
    struct sfs_buffer text = {0};
    size_t pieces = 0;
    int kind = SFS_PATH_PIECE_DIRECTORY;
    const char *at = path.data, *end = at + path.size;
    key->size = 0;
    while (at <= end && kind != SFS_PATH_NONE && kind != SFS_PATH_OWN_VALUE) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        struct sfs_bytes name = sfs_bytes(at, (size_t)((slash ? slash : end) - at));
        struct sfs_place place = {sfs_buffer_bytes(key), pieces};
        text.size = 0;
        kind = sfs_path_decode(place, name, &text, NULL);
        assert_true(kind >= 0);
        add(key, sfs_buffer_bytes(&text));
        pieces = kind == SFS_PATH_PIECE_DIRECTORY ? pieces + 1 : 0;
        if (kind == SFS_PATH_PART && slash)
            add(key, SFS_LITERAL("/"));
        at += name.size + 1;
    }
    if (kind == SFS_PATH_OWN_VALUE)
        key->size--;
    sfs_buffer_free(&text);
    return at > end && (kind == SFS_PATH_PART || kind == SFS_PATH_OWN_VALUE) && key->size > 0 &&
           key->size <= SFS_KEY_MAX;
}

/* The names under which the parts of a key are listed, one place after the other. */
static void listing_path(struct sfs_bytes key, struct sfs_buffer *path)
{
    size_t at = 0, pieces = 0;
    path->size = 0;
    for (;;) {
        struct sfs_place place = {sfs_bytes(key.data, at), pieces};
        struct sfs_bytes rest = sfs_bytes((const char *)key.data + at, key.size - at);
        int rc = sfs_path_encode(place, rest, path);
        assert_true(rc == 0 || rc == 1);
        pieces = rc ? pieces + 1 : 0;
        const char *slash = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
        if (rc == 0 && !slash)
            return;
        at += rc ? SFS_PATH_PIECE : (size_t)(slash - (const char *)rest.data) + 1;
        add(path, SFS_LITERAL("/"));
    }
}

struct pair {
    struct sfs_buffer key;
    struct sfs_buffer path;
};

static int by_path(const void *a, const void *b)
{
    const struct pair *first = a, *second = b;
    return sfs_bytes_compare(sfs_buffer_bytes(&first->path), sfs_buffer_bytes(&second->path));
}

static void check_key(struct pair *pair, struct sfs_buffer *scratch)
{
    struct sfs_error error = {0};
    struct sfs_bytes key = sfs_buffer_bytes(&pair->key);
    assert_int_equal(sfs_path_from_key(key, false, &pair->path, &error), 0);
    struct sfs_bytes path = sfs_buffer_bytes(&pair->path);
    check_components(path);

    scratch->size = 0;
    assert_int_equal(sfs_path_to_key(path, scratch, &error), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(scratch), key));
    assert_true(walk(path, scratch));
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(scratch), key));
    listing_path(key, scratch);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(scratch), path));

    scratch->size = 0;
    assert_int_equal(sfs_path_from_key(key, true, scratch, &error), 0);
    struct sfs_buffer back = {0};
    assert_int_equal(sfs_path_to_key(sfs_buffer_bytes(scratch), &back, &error), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&back), key));
    sfs_buffer_free(&back);
}

static void keys_survive(void **unused)
{
    (void)unused;
    struct sfs_buffer scratch = {0};
    enum { ROUND = 20000 };
    struct pair *pairs = calloc(ROUND, sizeof(*pairs));
    assert_non_null(pairs);
    for (size_t round = 0; round < scaled(10); round++) {
        for (size_t i = 0; i < ROUND; i++) {
            pairs[i].path.size = 0;
            random_key(&pairs[i].key);
            check_key(&pairs[i], &scratch);
        }
        qsort(pairs, ROUND, sizeof(*pairs), by_path);
        for (size_t i = 1; i < ROUND; i++) {
            if (by_path(&pairs[i - 1], &pairs[i]) == 0)
                assert_true(sfs_bytes_equal(sfs_buffer_bytes(&pairs[i - 1].key),
                                            sfs_buffer_bytes(&pairs[i].key)));
        }
    }
    for (size_t i = 0; i < ROUND; i++) {
        sfs_buffer_free(&pairs[i].key);
        sfs_buffer_free(&pairs[i].path);
    }
    free(pairs);
    sfs_buffer_free(&scratch);
}

/* A path that may or may not be one: names as keys have them, cut and changed at random. */
static void random_path(struct sfs_buffer *path, struct sfs_buffer *key)
{
    path->size = 0;
    random_key(key);
    if (below(2)) {
        add(path, sfs_buffer_bytes(key));
        return;
    }
    assert_int_equal(sfs_path_from_key(sfs_buffer_bytes(key), below(8) == 0, path, NULL), 0);
    for (size_t changes = below(3); changes; changes--) {
        static const char bytes[] = "%/+.ex";
        size_t at = below(path->size);
        if (below(2))
            path->data[at] = bytes[below(6)];
        else
            path->size = at + 1;
    }
}

/* Where a path is taken, its key's path is the path itself (but for the two ways to a value). */
static void paths_are_canonical(void **unused)
{
    (void)unused;
    struct sfs_buffer path = {0}, key = {0}, scratch = {0}, again = {0};
    size_t taken = 0, count = scaled(200000);
    for (size_t i = 0; i < count; i++) {
        random_path(&path, &scratch);
        struct sfs_bytes given = sfs_buffer_bytes(&path);
        key.size = again.size = 0;
        int rc = sfs_path_to_key(given, &key, NULL);
        assert_true(rc == 0 || rc == SFS_E_INVALID || rc == SFS_E_NAME_TOO_LONG);
        assert_int_equal(walk(given, &scratch), rc == 0);
        if (rc)
            continue;
        taken++;
        bool own = given.size > 7 && memcmp(path.data + path.size - 7, "/%value", 7) == 0;
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&scratch), sfs_buffer_bytes(&key)));
        assert_int_equal(sfs_path_from_key(sfs_buffer_bytes(&key), own, &again, NULL), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&again), given));
    }
    /* Neither all nor none of them: otherwise this would show nothing. */
    assert_in_range(taken, count / 10, count - count / 10);
    sfs_buffer_free(&path);
    sfs_buffer_free(&key);
    sfs_buffer_free(&scratch);
    sfs_buffer_free(&again);
}

/* --- known pairs --- */

static void known_pairs(void **unused)
{
    (void)unused;
    static const char *const pairs[][2] = {
        {"user/1", "user/1"},
        {"a/", "a/%empty"},
        {"/", "%empty/%empty"},
        {"/a", "%empty/a"},
        {".", "%dot"},
        {"a/../b", "a/%dotdot/b"},
        {"%", "%"},
        {"100%", "100%"},
        {"%empty", "%%empty"},
        {"%%dot", "%%%dot"},
        {"x/%value", "x/%%value"},
        {"%value", "%%value"},
        {"%valued", "%valued"},
        {"a%2Fb", "a%2Fb"},
        {"%+", "%+"},
        {"...", "..."},
        {"a//b", "a/%empty/b"},
        {"%%", "%%"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct sfs_buffer out = {0};
        assert_int_equal(sfs_path_from_key(sfs_string(pairs[i][0]), false, &out, NULL), 0);
        assert_int_equal(sfs_buffer_text(&out), 0);
        assert_string_equal(out.data, pairs[i][1]);
        out.size = 0;
        assert_int_equal(sfs_path_to_key(sfs_string(pairs[i][1]), &out, NULL), 0);
        assert_int_equal(sfs_buffer_text(&out), 0);
        assert_string_equal(out.data, pairs[i][0]);
        sfs_buffer_free(&out);
    }
}

static void refused_paths(void **unused)
{
    (void)unused;
    static const char *const paths[] = {"",
                                        "%empty",
                                        "/a",
                                        "a/",
                                        "a//b",
                                        "a/./b",
                                        "..",
                                        "%value",
                                        "a/%value/b",
                                        "%empty/%value",
                                        "a/%value/%value"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct sfs_error error = {0};
        struct sfs_buffer key = {0};
        assert_int_equal(sfs_path_to_key(sfs_string(paths[i]), &key, &error), SFS_E_INVALID);
        assert_int_equal(key.size, 0);
        assert_true(strlen(error.message) > 0);
        sfs_buffer_free(&key);
    }
}

/* The path of `count` bytes 'x' and then `tail`. */
static void long_key(struct sfs_buffer *key, size_t count, const char *tail)
{
    key->size = 0;
    for (size_t i = 0; i < count; i++)
        add(key, SFS_LITERAL("x"));
    add(key, sfs_string(tail));
}

static void cuts(void **unused)
{
    (void)unused;
    static const struct {
        size_t size;
        const char *tail;
        size_t pieces; /* names in the path */
    } cases[] = {{255, "", 1},  {256, "", 2},   {253, "%+", 2},    {252, "%+", 1}, {254, "%+", 2},
                 {506, "", 2},  {507, "", 3},   {504, "%+", 2},    {506, "%+", 3}, {253, ".", 1},
                 {506, ".", 3}, {506, "..", 3}, {506, "%value", 3}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sfs_buffer key = {0}, path = {0};
        long_key(&key, cases[i].size, cases[i].tail);
        assert_int_equal(sfs_path_from_key(sfs_buffer_bytes(&key), false, &path, NULL), 0);
        size_t names = 1;
        for (size_t at = 0; at < path.size; at++)
            names += path.data[at] == '/';
        assert_int_equal(names, cases[i].pieces);
        check_components(sfs_buffer_bytes(&path));
        sfs_buffer_free(&key);
        sfs_buffer_free(&path);
    }
}

static int decode_in(const char *base, size_t pieces, const char *name, struct sfs_error *error)
{
    struct sfs_buffer text = {0};
    struct sfs_place place = {sfs_string(base), pieces};
    int kind = sfs_path_decode(place, sfs_string(name), &text, error);
    sfs_buffer_free(&text);
    return kind;
}

static void piece_directories(void **unused)
{
    (void)unused;
    struct sfs_buffer base = {0}, name = {0};
    struct sfs_error error = {0};
    long_key(&base, SFS_PATH_PIECE, "");
    long_key(&name, SFS_PATH_PIECE, "%+");
    assert_int_equal(sfs_buffer_text(&base) | sfs_buffer_text(&name), 0);
    assert_int_equal(decode_in("", 0, name.data, NULL), SFS_PATH_PIECE_DIRECTORY);
    assert_int_equal(decode_in(base.data, 1, name.data, NULL), SFS_PATH_PIECE_DIRECTORY);
    assert_int_equal(decode_in(base.data, 1, "abc", NULL), SFS_PATH_PART);
    assert_int_equal(decode_in(base.data, 1, "%+", NULL), SFS_PATH_PART);
    assert_int_equal(decode_in(base.data, 1, "ab", &error), SFS_PATH_NONE);
    assert_int_equal(error.code, SFS_E_INVALID);
    assert_int_equal(decode_in(base.data, 1, "%empty", NULL), SFS_PATH_NONE);
    assert_int_equal(decode_in(base.data, 1, "%value", NULL), SFS_PATH_NONE);
    assert_int_equal(decode_in(base.data, 1, "%%value", NULL), SFS_PATH_PART);

    /* Inside a piece directory only what is cut there has a name. */
    struct sfs_buffer out = {0};
    struct sfs_place place = {sfs_buffer_bytes(&base), 1};
    assert_int_equal(sfs_path_encode(place, SFS_LITERAL("ab"), &out), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_path_encode(place, SFS_LITERAL(""), &out), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_path_encode(place, SFS_LITERAL("abc/d"), &out), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&out), SFS_LITERAL("abc")));
    sfs_buffer_free(&out);
    sfs_buffer_free(&base);
    sfs_buffer_free(&name);
}

static void too_long(void **unused)
{
    (void)unused;
    struct sfs_error error = {0};
    struct sfs_buffer key = {0}, path = {0}, back = {0};
    long_key(&key, SFS_KEY_MAX + 1, "");
    assert_int_equal(sfs_path_from_key(sfs_buffer_bytes(&key), false, &path, &error),
                     SFS_E_NAME_TOO_LONG);
    key.size = SFS_KEY_MAX;
    assert_int_equal(sfs_path_from_key(sfs_buffer_bytes(&key), false, &path, &error), 0);
    add(&path, SFS_LITERAL("x"));
    assert_int_equal(sfs_path_to_key(sfs_buffer_bytes(&path), &back, &error), SFS_E_NAME_TOO_LONG);
    assert_int_equal(back.size, 0);
    key.size = 256;
    assert_int_equal(sfs_buffer_text(&key), 0);
    assert_int_equal(decode_in("", 0, key.data, &error), SFS_PATH_NONE);
    assert_int_equal(error.code, SFS_E_NAME_TOO_LONG);
    sfs_buffer_free(&key);
    sfs_buffer_free(&path);
    sfs_buffer_free(&back);
}

static void query_names(void **unused)
{
    (void)unused;
    static const struct {
        struct sfs_bytes text;
        const char *name;
    } pairs[] = {{{"a/b", 3}, "a%2Fb"},       {{"100%", 4}, "100%25"}, {{"", 0}, "%empty"},
                 {{".", 1}, "%2E"},           {{"..", 2}, "%2E%2E"},   {{"a\0b", 3}, "a%00b"},
                 {{"%empty", 6}, "%25empty"}, {{"...", 3}, "..."},     {{"%2E", 3}, "%252E"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct sfs_buffer out = {0};
        assert_int_equal(sfs_path_escape(pairs[i].text, &out), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&out), sfs_string(pairs[i].name)));
        out.size = 0;
        assert_int_equal(sfs_path_unescape(sfs_string(pairs[i].name), &out), 0);
        assert_true(sfs_bytes_equal(sfs_buffer_bytes(&out), pairs[i].text));
        sfs_buffer_free(&out);
    }
    struct sfs_buffer out = {0};
    assert_int_equal(sfs_path_unescape(SFS_LITERAL("5% off%2"), &out), 0);
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&out), SFS_LITERAL("5% off%2")));
    sfs_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_pairs),  cmocka_unit_test(refused_paths),
        cmocka_unit_test(cuts),         cmocka_unit_test(piece_directories),
        cmocka_unit_test(too_long),     cmocka_unit_test(query_names),
        cmocka_unit_test(keys_survive), cmocka_unit_test(paths_are_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
