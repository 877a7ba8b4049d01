/* SPDX-License-Identifier: MIT */
/* Directed tests: rename and exchange of whole prefixes. */
#include <stdio.h>

#include "tests/conformance/directed.h"

/* A directory with a key, one deeper, a marker, a link and a key that ends in '/'. */
static void make_directory(struct fixture *f)
{
    put(f, L("a"), L("beside"));
    put(f, L("a.txt"), L("beside too"));
    put(f, L("a0"), L("behind"));
    put(f, L("a/\0"), L(""));
    put(f, L("a/x"), L("1"));
    put(f, L("a/y/\0"), L(""));
    put(f, L("a/y/z"), L("2"));
    put(f, L("a/"), L("3"));
    put_link(f, L("a/link"), L("x"));
}

static void prefix_moves_all(void **state)
{
    struct fixture *f = *state;
    make_directory(f);
    expect_names(f->store, "a a.txt a/ a/0 a/link a/x a/y/0 a/y/z a0 ");
    const struct sfs_record *before = get(f->store, L("a/y/z"));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("bb/c/"), NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 6);
    expect_names(f->store, "a a.txt a0 bb/c/ bb/c/0 bb/c/link bb/c/x bb/c/y/0 bb/c/y/z ");
    const struct sfs_record *after = get(f->store, L("bb/c/y/z"));
    assert_int_equal(after->attributes.id, before->attributes.id);
    assert_int_equal(after->revision, sequence);
    assert_int_equal(after->attributes.modified, before->attributes.modified);
    assert_true(after->attributes.changed > before->attributes.changed);
    assert_true(sfs_bytes_equal(sfs_record_value(after), L("2")));
    sfs_record_unref(before);
    sfs_record_unref(after);
    expect_bytes(f->store, L("bb/c/link"), L("x"));
    expect_none(f->store, L("a/x"));
}

static void prefix_preconditions(void **state)
{
    struct fixture *f = *state;
    make_directory(f);
    put(f, L("b/\0"), L(""));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("b/"), NULL));
    apply_fails(f, SFS_E_NOT_EMPTY);
    OK(sfs_batch_rename_prefix(f->batch, L("none/"), L("other/"), NULL));
    APPLY_AFFECTING(f, 0);
    const struct sfs_bytes pairs[][2] = {
        {L("a/"), L("a/y/")}, {L("a/y/"), L("a/")}, {L("a/"), L("a/")}, {L("a"), L("c/")},
        {L("a/"), L("c")},    {L(""), L("c/")},     {L("a/"), L("")},   {L("a/\0"), L("c/")},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(sfs_batch_rename_prefix(f->batch, pairs[i][0], pairs[i][1], NULL),
                         SFS_E_INVALID);
        apply_fails(f, SFS_E_INVALID);
        assert_int_equal(sfs_batch_exchange_prefix(f->batch, pairs[i][0], pairs[i][1], NULL),
                         SFS_E_INVALID);
        apply_fails(f, SFS_E_INVALID);
    }
}

/* A name that gets too long refuses the move whole, also as the last of many. */
static void prefix_makes_names_too_long(void **state)
{
    struct fixture *f = *state;
    char name[SFS_KEY_MAX + 1];
    memset(name, 'n', sizeof(name));
    memcpy(name, "a/", 2);
    make_directory(f);
    put(f, sfs_bytes(name, SFS_KEY_MAX - 1), L("long"));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("ccc/"), NULL));
    apply_fails(f, SFS_E_NAME_TOO_LONG);
    put(f, L("ccc/1"), L("4"));
    OK(sfs_batch_exchange_prefix(f->batch, L("a/"), L("ccc/"), NULL));
    apply_fails(f, SFS_E_NAME_TOO_LONG);
    OK(sfs_batch_exchange_prefix(f->batch, L("ccc/"), L("a/"), NULL));
    apply_fails(f, SFS_E_NAME_TOO_LONG);
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("dd/"), NULL));
    APPLY_AFFECTING(f, 7);
    char moved[SFS_KEY_MAX];
    memcpy(moved, "dd/", 3);
    memset(moved + 3, 'n', SFS_KEY_MAX - 3);
    expect_bytes(f->store, sfs_bytes(moved, SFS_KEY_MAX), L("long"));
}

/* What makes a marker of a directory's name does not count: where a key fits, a directory does. */
static void prefix_moves_the_longest_marker(void **state)
{
    struct fixture *f = *state;
    char name[SFS_KEY_MAX + 2];
    memset(name, 'n', sizeof(name));
    memcpy(name, "a/", 2);
    name[SFS_KEY_MAX - 1] = '/';
    name[SFS_KEY_MAX] = '\0';
    put(f, sfs_bytes(name, SFS_KEY_MAX + 1), L(""));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("bb/"), NULL));
    APPLY_AFFECTING(f, 1);
    OK(sfs_batch_rename_prefix(f->batch, L("bb/"), L("ccc/"), NULL));
    apply_fails(f, SFS_E_NAME_TOO_LONG);
    memset(name, 'n', sizeof(name));
    memcpy(name, "bb/", 3);
    name[SFS_KEY_MAX] = '/';
    name[SFS_KEY_MAX + 1] = '\0';
    expect_bytes(f->store, sfs_bytes(name, SFS_KEY_MAX + 2), L(""));

    /* That directory can be moved itself, onto a name of the same length and onto no longer one. */
    char other[SFS_KEY_MAX + 2];
    memset(other, 'o', sizeof(other));
    other[SFS_KEY_MAX] = other[SFS_KEY_MAX + 1] = '/';
    struct sfs_bytes from = sfs_bytes(name, SFS_KEY_MAX + 1);
    assert_int_equal(
        sfs_batch_rename_prefix(f->batch, from, sfs_bytes(other, SFS_KEY_MAX + 2), NULL),
        SFS_E_NAME_TOO_LONG);
    apply_fails(f, SFS_E_INVALID);
    OK(sfs_batch_rename_prefix(f->batch, from, sfs_bytes(other, SFS_KEY_MAX + 1), NULL));
    APPLY_AFFECTING(f, 1);
    other[SFS_KEY_MAX + 1] = '\0';
    expect_bytes(f->store, sfs_bytes(other, SFS_KEY_MAX + 2), L(""));
}

static void prefixes_are_exchanged(void **state)
{
    struct fixture *f = *state;
    make_directory(f);
    put(f, L("b/x"), L("other x"));
    put(f, L("b/only"), L("4"));
    const struct sfs_record *before = get(f->store, L("a/x"));
    OK(sfs_batch_exchange_prefix(f->batch, L("a/"), L("b/"), NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 8);
    expect_names(f->store, "a a.txt a/only a/x a0 b/ b/0 b/link b/x b/y/0 b/y/z ");
    expect_bytes(f->store, L("a/x"), L("other x"));
    const struct sfs_record *after = get(f->store, L("b/x"));
    assert_int_equal(after->attributes.id, before->attributes.id);
    assert_int_equal(after->revision, sequence);
    assert_true(sfs_bytes_equal(sfs_record_value(after), L("1")));
    sfs_record_unref(before);
    sfs_record_unref(after);
    OK(sfs_batch_exchange_prefix(f->batch, L("b/"), L("empty/"), NULL));
    APPLY_AFFECTING(f, 6);
    expect_names_in(f->store, range_of(L("b/"), L("f")), 0,
                    "empty/ empty/0 empty/link empty/x empty/y/0 empty/y/z ");
}

/* A move and what comes after it in the same batch. */
static void prefix_moves_in_order(void **state)
{
    struct fixture *f = *state;
    make_directory(f);
    OK(sfs_batch_put(f->batch, L("a/new"), L("5"), NULL, 0, NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("b/"), NULL));
    OK(sfs_batch_append(f->batch, L("b/new"), L("6"), NULL));
    OK(sfs_batch_put(f->batch, L("a/x"), L("again"), NULL, 0, NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("b/y/"), L("a/y/"), NULL));
    OK(sfs_batch_delete(f->batch, L("b/link"), SFS_BATCH_MUST_EXIST, NULL));
    APPLY_AFFECTING(f, 1, 7, 1, 1, 2, 1);
    expect_names(f->store, "a a.txt a/x a/y/0 a/y/z a0 b/ b/0 b/new b/x ");
    expect_bytes(f->store, L("b/new"), L("56"));
    expect_bytes(f->store, L("b/x"), L("1"));
    expect_bytes(f->store, L("a/x"), L("again"));
    OK(sfs_batch_rename_prefix(f->batch, L("b/"), L("c/"), NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("a/"), L("b/"), NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("c/"), L("b/y/"), NULL));
    apply_fails(f, SFS_E_NOT_EMPTY);
}

static void prefix_of_many(void **state)
{
    struct fixture *f = *state;
    char name[40];
    for (int i = 0; i < 1000; i++) {
        int size = snprintf(name, sizeof(name), "many/%d/%d", i % 7, i);
        OK(sfs_batch_put(f->batch, sfs_bytes(name, (size_t)size), sfs_string(name), NULL, 0, NULL));
    }
    apply(f, 0);
    OK(sfs_batch_rename_prefix(f->batch, L("many/"), L("moved/"), NULL));
    APPLY_AFFECTING(f, 1000);
    struct sfs_totals totals;
    OK(sfs_totals(f->store, &totals, NULL));
    assert_int_equal(totals.keys, 1000);
    for (int i = 0; i < 1000; i++) {
        char moved[40];
        snprintf(name, sizeof(name), "many/%d/%d", i % 7, i);
        snprintf(moved, sizeof(moved), "moved/%d/%d", i % 7, i);
        expect_bytes(f->store, sfs_string(moved), sfs_string(name));
    }
    expect_names_in(f->store, range_of(L("many/"), L("many0")), 0, "");
}

const struct conformance_test prefix_tests[] = {
    {"a prefix moves all below it", prefix_moves_all, 0},
    {"preconditions of moving a prefix", prefix_preconditions, 0},
    {"moving a prefix makes names too long", prefix_makes_names_too_long, 0},
    {"the longest marker moves", prefix_moves_the_longest_marker, 0},
    {"prefixes are exchanged", prefixes_are_exchanged, 0},
    {"prefixes move in order", prefix_moves_in_order, 0},
    {"a prefix of many", prefix_of_many, 0},
    {0},
};
