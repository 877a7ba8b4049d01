/* SPDX-License-Identifier: MIT */
/* Directed tests: updates of attributes and of extended attributes. */
#include "tests/conformance/directed.h"

static void attributes_change_alone(void **state)
{
    struct fixture *f = *state;
    put(f, L("key"), L("value"));
    const struct sfs_record *before = get(f->store, L("key"));
    const struct sfs_attributes change = {.mode = 0600, .modified = -1, .uid = 5};
    OK(sfs_batch_attributes(f->batch, L("key"), &change,
                            SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED, NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 1);
    const struct sfs_record *after = get(f->store, L("key"));
    assert_int_equal(after->revision, sequence);
    assert_true(sequence > before->revision);
    assert_int_equal(after->attributes.mode, 0600);
    assert_int_equal(after->attributes.modified, -1);
    assert_int_equal(after->attributes.uid, before->attributes.uid);
    assert_int_equal(after->attributes.gid, before->attributes.gid);
    assert_int_equal(after->attributes.id, before->attributes.id);
    assert_int_equal(after->attributes.created, before->attributes.created);
    assert_int_equal(after->attributes.accessed, before->attributes.accessed);
    assert_true(after->attributes.changed > before->attributes.changed);
    assert_int_equal(after->attributes.type, before->attributes.type);
    assert_true(sfs_bytes_equal(sfs_record_value(after), L("value")));
    sfs_record_unref(before);
    sfs_record_unref(after);
}

static void attributes_take_all_values(void **state)
{
    struct fixture *f = *state;
    const struct sfs_attributes extreme = {.mode = 07777,
                                           .uid = UINT32_MAX - 1,
                                           .gid = 0,
                                           .device = INT64_MAX,
                                           .created = 0,
                                           .accessed = INT64_MAX,
                                           .modified = INT64_MIN,
                                           .changed = 1,
                                           .type = SFS_TYPE_JSON};
    put(f, L("key"), L("\xff"));
    OK(sfs_batch_attributes(f->batch, L("key"), &extreme,
                            SFS_ATTRIBUTE_ALL & ~(unsigned)SFS_ATTRIBUTE_KIND, NULL));
    APPLY_AFFECTING(f, 1);
    const struct sfs_record *record = get(f->store, L("key"));
    const struct sfs_attributes *a = &record->attributes;
    assert_int_equal(a->mode, 07777);
    assert_int_equal(a->uid, UINT32_MAX - 1);
    assert_int_equal(a->gid, 0);
    assert_int_equal(a->device, INT64_MAX);
    assert_int_equal(a->created, 0);
    assert_true(a->accessed == INT64_MAX);
    assert_true(a->modified == INT64_MIN);
    assert_int_equal(a->changed, 1);
    assert_int_equal(a->type, SFS_TYPE_JSON);
    assert_true(a->type_set);
    sfs_record_unref(record);
}

static void attributes_of_markers_and_links(void **state)
{
    struct fixture *f = *state;
    const struct sfs_attributes change = {.mode = 01700, .uid = 3, .gid = 4};
    const struct sfs_bytes names[] = {L("d/\0"), L("link")};
    put(f, names[0], L(""));
    put_link(f, names[1], L("target"));
    for (size_t i = 0; i < 2; i++) {
        OK(sfs_batch_attributes(f->batch, names[i], &change,
                                SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID, NULL));
        APPLY_AFFECTING(f, 1);
        const struct sfs_record *record = get(f->store, names[i]);
        assert_int_equal(record->attributes.mode, 01700);
        assert_int_equal(record->attributes.uid, 3);
        assert_int_equal(record->attributes.gid, 4);
        sfs_record_unref(record);
    }
    expect_bytes(f->store, L("link"), L("target"));
}

static void attributes_are_checked(void **state)
{
    struct fixture *f = *state;
    const struct sfs_attributes bad = {.kind = SFS_KIND_FIFO, .mode = 010000};
    put(f, L("key"), L("value"));
    OK(sfs_batch_attributes(f->batch, L("none"), &bad, SFS_ATTRIBUTE_UID, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    assert_int_equal(sfs_batch_attributes(f->batch, L("key"), &bad, SFS_ATTRIBUTE_KIND, NULL),
                     SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
    assert_int_equal(sfs_batch_attributes(f->batch, L("key"), &bad, SFS_ATTRIBUTE_MODE, NULL),
                     SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
}

static void expect_xattr(struct fixture *f, struct sfs_bytes name, const struct sfs_bytes *value)
{
    struct sfs_bytes found = {0};
    const struct sfs_record *record = get(f->store, L("key"));
    assert_int_equal(sfs_xattr_get(record->xattrs, name, &found), value != NULL);
    if (value)
        assert_true(sfs_bytes_equal(found, *value));
    sfs_record_unref(record);
}

static void xattrs_are_set_and_removed(void **state)
{
    struct fixture *f = *state;
    const struct sfs_bytes binary = L("\0\xff"), empty = L("");
    put(f, L("key"), L("value"));
    const struct sfs_record *before = get(f->store, L("key"));
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.b"), binary, SFS_XATTR_CREATE, NULL));
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.a"), empty, 0, NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 1, 1);
    expect_xattr(f, L("user.a"), &empty);
    expect_xattr(f, L("user.b"), &binary);
    expect_xattr(f, L("user."), NULL);
    const struct sfs_record *after = get(f->store, L("key"));
    assert_int_equal(after->revision, sequence);
    assert_int_equal(after->attributes.modified, before->attributes.modified);
    assert_true(after->attributes.changed > before->attributes.changed);
    assert_true(sfs_bytes_equal(sfs_record_value(after), L("value")));
    sfs_record_unref(after);
    sfs_record_unref(before);
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.b"), L("2"), SFS_XATTR_REPLACE, NULL));
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.a"), (struct sfs_bytes){0}, 0, NULL));
    APPLY_AFFECTING(f, 1, 1);
    const struct sfs_bytes two = L("2");
    expect_xattr(f, L("user.a"), NULL);
    expect_xattr(f, L("user.b"), &two);
}

static void xattr_failures(void **state)
{
    struct fixture *f = *state;
    char *large = pattern(65537, 1);
    put(f, L("key"), L("value"));
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.a"), L("1"), 0, NULL));
    APPLY_AFFECTING(f, 1);
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.a"), L("2"), SFS_XATTR_CREATE, NULL));
    apply_fails(f, SFS_E_EXISTS);
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.b"), L("2"), SFS_XATTR_REPLACE, NULL));
    apply_fails(f, SFS_E_NO_ATTRIBUTE);
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.b"), (struct sfs_bytes){0}, 0, NULL));
    apply_fails(f, SFS_E_NO_ATTRIBUTE);
    OK(sfs_batch_xattr(f->batch, L("none"), L("user.b"), L("2"), 0, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.big"), sfs_bytes(large, 65536), 0, NULL));
    APPLY_AFFECTING(f, 1);
    const struct sfs_bytes whole = sfs_bytes(large, 65536);
    expect_xattr(f, L("user.big"), &whole);
    assert_int_equal(
        sfs_batch_xattr(f->batch, L("key"), L("user.c"), sfs_bytes(large, 65537), 0, NULL),
        SFS_E_TOO_LARGE);
    sfs_batch_clear(f->batch);
    free(large);
}

const struct conformance_test attribute_tests[] = {
    {"attributes change alone", attributes_change_alone, 0},
    {"attributes take all values", attributes_take_all_values, 0},
    {"attributes of markers and links", attributes_of_markers_and_links, 0},
    {"attributes are checked", attributes_are_checked, 0},
    {"extended attributes are set and removed", xattrs_are_set_and_removed, 0},
    {"extended attributes fail", xattr_failures, 0},
    {0},
};
