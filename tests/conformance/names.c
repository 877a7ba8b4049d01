/* SPDX-License-Identifier: MIT */
/* Directed tests: delete, rename, exchange and clear. */
#include "tests/conformance/directed.h"

static uint64_t id_of(struct fixture *f, struct sfs_bytes name)
{
    const struct sfs_record *record = get(f->store, name);
    uint64_t id = record->attributes.id;
    sfs_record_unref(record);
    return id;
}

static uint64_t revision_of(struct fixture *f, struct sfs_bytes name)
{
    const struct sfs_record *record = get(f->store, name);
    uint64_t revision = record->revision;
    sfs_record_unref(record);
    return revision;
}

static void delete_removes(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    put(f, L("d/\0"), L(""));
    put_link(f, L("link"), L("a"));
    uint64_t id = id_of(f, L("a"));
    OK(sfs_batch_delete(f->batch, L("a"), SFS_BATCH_MUST_EXIST, NULL));
    OK(sfs_batch_delete(f->batch, L("none"), 0, NULL));
    OK(sfs_batch_delete(f->batch, L("d/\0"), 0, NULL));
    OK(sfs_batch_delete(f->batch, L("link"), SFS_BATCH_MUST_EXIST, NULL));
    APPLY_AFFECTING(f, 1, 0, 1, 1);
    expect_names(f->store, "");
    expect_none(f->store, L("a"));
    OK(sfs_batch_delete(f->batch, L("a"), SFS_BATCH_MUST_EXIST, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    put(f, L("a"), L("2"));
    assert_int_not_equal(id_of(f, L("a")), id);
}

static void rename_moves_the_record(void **state)
{
    struct fixture *f = *state;
    const struct sfs_attributes change = {.mode = 0640, .uid = 3, .created = 12, .modified = 13};
    unsigned mask =
        SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_CREATED | SFS_ATTRIBUTE_MODIFIED;
    OK(sfs_batch_put(f->batch, L("a"), L("value"), &change, mask, NULL));
    OK(sfs_batch_xattr(f->batch, L("a"), L("user.x"), L("1"), 0, NULL));
    APPLY_AFFECTING(f, 1, 1);
    const struct sfs_record *before = get(f->store, L("a"));
    OK(sfs_batch_rename(f->batch, L("a"), L("z/b"), 0, NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 1);
    expect_none(f->store, L("a"));
    const struct sfs_record *after = get(f->store, L("z/b"));
    assert_int_equal(after->revision, sequence);
    struct sfs_attributes expected = before->attributes;
    assert_true(after->attributes.changed > expected.changed);
    expected.changed = after->attributes.changed;
    assert_int_equal(after->attributes.id, expected.id);
    assert_int_equal(after->attributes.mode, 0640);
    assert_int_equal(after->attributes.uid, 3);
    assert_int_equal(after->attributes.created, 12);
    assert_int_equal(after->attributes.modified, 13);
    assert_int_equal(after->attributes.accessed, expected.accessed);
    assert_true(sfs_bytes_equal(after->xattrs, before->xattrs));
    assert_true(sfs_bytes_equal(sfs_record_value(after), L("value")));
    sfs_record_unref(before);
    sfs_record_unref(after);
}

static void rename_replaces(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    put_link(f, L("b"), L("a"));
    uint64_t id = id_of(f, L("a"));
    OK(sfs_batch_rename(f->batch, L("a"), L("b"), SFS_BATCH_NO_REPLACE, NULL));
    apply_fails(f, SFS_E_EXISTS);
    OK(sfs_batch_rename(f->batch, L("a"), L("b"), 0, NULL));
    APPLY_AFFECTING(f, 2);
    expect_names(f->store, "b ");
    expect_bytes(f->store, L("b"), L("1"));
    assert_int_equal(id_of(f, L("b")), id);
    OK(sfs_batch_rename(f->batch, L("none"), L("b"), 0, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_batch_rename(f->batch, L("b"), L("c"), SFS_BATCH_NO_REPLACE, NULL));
    APPLY_AFFECTING(f, 1);
    expect_names(f->store, "c ");
}

static void rename_to_itself(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    uint64_t revision = revision_of(f, L("a"));
    char *content = dump(f->store);
    OK(sfs_batch_rename(f->batch, L("a"), L("a"), SFS_BATCH_NO_REPLACE, NULL));
    OK(sfs_batch_exchange(f->batch, L("a"), L("a"), NULL));
    APPLY_AFFECTING(f, 0, 0);
    expect_dump(f->store, content);
    assert_int_equal(revision_of(f, L("a")), revision);
    OK(sfs_batch_rename(f->batch, L("none"), L("none"), 0, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    free(content);
}

static void rename_of_markers(void **state)
{
    struct fixture *f = *state;
    put(f, L("d/\0"), L(""));
    put(f, L("d/x"), L("1"));
    OK(sfs_batch_rename(f->batch, L("d/\0"), L("e/\0"), 0, NULL));
    APPLY_AFFECTING(f, 1);
    expect_names(f->store, "d/x e/0 ");
    assert_int_equal(sfs_batch_rename(f->batch, L("e/\0"), L("key"), 0, NULL), SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
    assert_int_equal(sfs_batch_exchange(f->batch, L("d/x"), L("e/\0"), NULL), SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
}

static void exchange_swaps(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    put_link(f, L("b"), L("target"));
    uint64_t a = id_of(f, L("a")), b = id_of(f, L("b"));
    OK(sfs_batch_exchange(f->batch, L("a"), L("b"), NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 2);
    assert_int_equal(id_of(f, L("a")), b);
    assert_int_equal(id_of(f, L("b")), a);
    assert_int_equal(revision_of(f, L("a")), sequence);
    assert_int_equal(revision_of(f, L("b")), sequence);
    expect_bytes(f->store, L("a"), L("target"));
    expect_bytes(f->store, L("b"), L("1"));
    const struct sfs_record *link = get(f->store, L("a"));
    assert_int_equal(link->attributes.kind, SFS_KIND_SYMLINK);
    sfs_record_unref(link);
    OK(sfs_batch_exchange(f->batch, L("a"), L("none"), NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_batch_exchange(f->batch, L("none"), L("a"), NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
}

/* Names of the longest size change places too. */
static void exchange_of_long_names(void **state)
{
    struct fixture *f = *state;
    char a[SFS_KEY_MAX], b[SFS_KEY_MAX];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    a[0] = b[0] = 'l';
    a[1] = b[1] = '/';
    put(f, sfs_bytes(a, sizeof(a)), L("1"));
    put(f, sfs_bytes(b, sizeof(b)), L("2"));
    OK(sfs_batch_exchange(f->batch, sfs_bytes(a, sizeof(a)), sfs_bytes(b, sizeof(b)), NULL));
    APPLY_AFFECTING(f, 2);
    expect_bytes(f->store, sfs_bytes(a, sizeof(a)), L("2"));
    expect_bytes(f->store, sfs_bytes(b, sizeof(b)), L("1"));
    put(f, L("m/x"), L("3"));
    OK(sfs_batch_exchange_prefix(f->batch, L("l/"), L("m/"), NULL));
    APPLY_AFFECTING(f, 3);
    a[0] = b[0] = 'm';
    expect_bytes(f->store, sfs_bytes(a, sizeof(a)), L("2"));
    expect_bytes(f->store, sfs_bytes(b, sizeof(b)), L("1"));
    expect_bytes(f->store, L("l/x"), L("3"));
}

static void clear_range_deletes_all_kinds(void **state)
{
    struct fixture *f = *state;
    const struct sfs_bytes names[] = {L("a"), L("b"), L("b/x"), L("b0"), L("c")};
    for (size_t i = 0; i < 5; i++)
        put(f, names[i], L("v"));
    put(f, L("b/\0"), L(""));
    put_link(f, L("b/y"), L("a"));
    OK(sfs_batch_clear_range(f->batch, range_of(L("b/"), L("b0")), NULL));
    APPLY_AFFECTING(f, 3);
    expect_names(f->store, "a b b0 c ");
    OK(sfs_batch_clear_range(f->batch, range_of(L("b"), L("b")), NULL));
    OK(sfs_batch_clear_range(f->batch, range_of(L("b1"), L("")), NULL));
    APPLY_AFFECTING(f, 0, 1);
    expect_names(f->store, "a b b0 ");
    put(f, L("\0"), L(""));
    OK(sfs_batch_clear_range(f->batch, range_of(L(""), L("b")), NULL));
    APPLY_AFFECTING(f, 2);
    expect_names(f->store, "b b0 ");
    OK(sfs_batch_clear_range(f->batch, everything(), NULL));
    OK(sfs_batch_put(f->batch, L("new"), L("1"), NULL, 0, NULL));
    APPLY_AFFECTING(f, 2, 1);
    expect_names(f->store, "new ");
    assert_int_equal(sfs_batch_clear_range(f->batch, range_of(L("b"), L("a")), NULL),
                     SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
}

const struct conformance_test name_tests[] = {
    {"delete removes", delete_removes, 0},
    {"rename moves the record", rename_moves_the_record, 0},
    {"rename replaces", rename_replaces, 0},
    {"rename to itself", rename_to_itself, 0},
    {"rename of markers", rename_of_markers, 0},
    {"exchange swaps", exchange_swaps, 0},
    {"exchange of long names", exchange_of_long_names, 0},
    {"clear range deletes all kinds", clear_range_deletes_all_kinds, 0},
    {0},
};
