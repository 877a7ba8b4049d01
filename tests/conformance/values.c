/* SPDX-License-Identifier: MIT */
/* Directed tests: put, and the changes of a part of a value. */
#include "tests/conformance/directed.h"

static void put_makes_record_with_defaults(void **state)
{
    struct fixture *f = *state;
    int64_t before = now_ns();
    OK(sfs_batch_put(f->batch, L("key"), L("{\"a\": 1}"), NULL, 0, NULL));
    int64_t after = now_ns();
    uint64_t sequence = APPLY_AFFECTING(f, 1);
    const struct sfs_record *record = get(f->store, L("key"));
    const struct sfs_attributes *a = &record->attributes;
    assert_true(sfs_bytes_equal(sfs_record_value(record), L("{\"a\": 1}")));
    assert_int_equal(record->size, 8);
    assert_int_equal(record->revision, sequence);
    assert_int_equal(record->xattrs.size, 0);
    assert_true(a->id != 0);
    assert_int_equal(a->kind, SFS_KIND_VALUE);
    assert_int_equal(a->type, SFS_TYPE_JSON);
    assert_false(a->type_set);
    assert_int_equal(a->mode, SFS_MODE_DEFAULT);
    assert_int_equal(a->uid, SFS_OWNER_NONE);
    assert_int_equal(a->gid, SFS_OWNER_NONE);
    assert_int_equal(a->device, 0);
    assert_in_range(a->created, before, after);
    assert_int_equal(a->accessed, a->created);
    assert_int_equal(a->modified, a->created);
    assert_int_equal(a->changed, a->created);
    sfs_record_unref(record);
}

static const struct sfs_attributes given = {
    .mode = 04751,
    .uid = 7,
    .gid = 8,
    .device = 9,
    .type = SFS_TYPE_BYTES,
    .created = 1000000001,
    .accessed = 1000000002,
    .modified = 1000000003,
    .changed = 1000000004,
};

static void put_takes_attributes(void **state)
{
    struct fixture *f = *state;
    unsigned mask = SFS_ATTRIBUTE_ALL & ~(unsigned)SFS_ATTRIBUTE_KIND;
    OK(sfs_batch_put(f->batch, L("key"), L("[]"), &given, mask, NULL));
    APPLY_AFFECTING(f, 1);
    const struct sfs_record *record = get(f->store, L("key"));
    struct sfs_attributes expected = given;
    expected.id = record->attributes.id;
    expected.type_set = true;
    assert_memory_equal(&record->attributes.created, &expected.created, 4 * sizeof(int64_t));
    assert_int_equal(record->attributes.mode, 04751);
    assert_int_equal(record->attributes.uid, 7);
    assert_int_equal(record->attributes.gid, 8);
    assert_int_equal(record->attributes.device, 9);
    assert_int_equal(record->attributes.type, SFS_TYPE_BYTES);
    assert_true(record->attributes.type_set);
    sfs_record_unref(record);
}

/* A second put keeps id, creation, access, mode, owner, extended attributes; not the other times.
 */
static void put_keeps_attributes(void **state)
{
    struct fixture *f = *state;
    unsigned mask = SFS_ATTRIBUTE_ALL & ~(unsigned)(SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_TYPE);
    OK(sfs_batch_put(f->batch, L("key"), L("text"), &given, mask, NULL));
    OK(sfs_batch_xattr(f->batch, L("key"), L("user.x"), L("1"), 0, NULL));
    APPLY_AFFECTING(f, 1, 1);
    const struct sfs_record *first = get(f->store, L("key"));
    int64_t before = now_ns();
    uint64_t sequence = put(f, L("key"), L("\xff"));
    const struct sfs_record *second = get(f->store, L("key"));
    const struct sfs_attributes *a = &second->attributes;
    assert_int_equal(second->revision, sequence);
    assert_true(sequence > first->revision);
    assert_int_equal(a->id, first->attributes.id);
    assert_int_equal(a->mode, 04751);
    assert_int_equal(a->uid, 7);
    assert_int_equal(a->gid, 8);
    assert_int_equal(a->device, 9);
    assert_int_equal(a->created, 1000000001);
    assert_int_equal(a->accessed, 1000000002);
    assert_true(a->modified >= before && a->changed == a->modified);
    assert_int_equal(a->type, SFS_TYPE_BYTES);
    assert_true(sfs_bytes_equal(second->xattrs, first->xattrs));
    assert_true(second->xattrs.size > 0);
    /* What was read before is not changed. */
    assert_true(sfs_bytes_equal(sfs_record_value(first), L("text")));
    sfs_record_unref(first);
    sfs_record_unref(second);
}

static void type_is_found_unless_set(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct sfs_bytes value;
        enum sfs_type type;
    } rows[] = {
        {L(""), SFS_TYPE_TEXT},         {L("12"), SFS_TYPE_JSON},
        {L(" [1] \n"), SFS_TYPE_JSON},  {L("012"), SFS_TYPE_TEXT},
        {L("\xc3\xa4"), SFS_TYPE_TEXT}, {L("\xc3"), SFS_TYPE_BYTES},
        {L("a\0b"), SFS_TYPE_BYTES},    {L("\"\\ud800\""), SFS_TYPE_JSON},
        {L("a\0"), SFS_TYPE_BYTES},     {L("[1]\0"), SFS_TYPE_BYTES},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put(f, L("key"), rows[i].value);
        const struct sfs_record *record = get(f->store, L("key"));
        assert_int_equal(record->attributes.type, rows[i].type);
        assert_true(sfs_bytes_equal(sfs_record_value(record), rows[i].value));
        sfs_record_unref(record);
    }
    const struct sfs_attributes text = {.type = SFS_TYPE_TEXT};
    OK(sfs_batch_attributes(f->batch, L("key"), &text, SFS_ATTRIBUTE_TYPE, NULL));
    OK(sfs_batch_put(f->batch, L("key"), L("[1]"), NULL, 0, NULL));
    OK(sfs_batch_append(f->batch, L("key"), L("\xff"), NULL));
    APPLY_AFFECTING(f, 1, 1, 1);
    const struct sfs_record *record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_TEXT);
    assert_true(record->attributes.type_set);
    sfs_record_unref(record);
}

static void put_over_another_kind_replaces(void **state)
{
    struct fixture *f = *state;
    put_link(f, L("key"), L("target"));
    const struct sfs_record *link = get(f->store, L("key"));
    assert_int_equal(link->attributes.kind, SFS_KIND_SYMLINK);
    assert_int_equal(link->attributes.mode, 0777);
    put(f, L("key"), L("value"));
    const struct sfs_record *value = get(f->store, L("key"));
    assert_int_equal(value->attributes.kind, SFS_KIND_VALUE);
    assert_int_equal(value->attributes.mode, SFS_MODE_DEFAULT);
    assert_int_not_equal(value->attributes.id, link->attributes.id);
    sfs_record_unref(value);
    sfs_record_unref(link);
    const struct sfs_attributes device = {.kind = SFS_KIND_BLOCK, .device = UINT64_C(0x80000000ff)};
    OK(sfs_batch_put(f->batch, L("key"), L(""), &device, SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_DEVICE,
                     NULL));
    APPLY_AFFECTING(f, 1);
    value = get(f->store, L("key"));
    assert_int_equal(value->attributes.kind, SFS_KIND_BLOCK);
    assert_int_equal(value->attributes.device, UINT64_C(0x80000000ff));
    assert_int_equal(value->size, 0);
    sfs_record_unref(value);
}

static void put_makes_markers(void **state)
{
    struct fixture *f = *state;
    put(f, L("\0"), L(""));
    put(f, L("a/\0"), L(""));
    put(f, L("a/x"), L("1"));
    put(f, L("a"), L("2"));
    put(f, L("a.txt"), L("3"));
    expect_names(f->store, "/0 a a.txt a/0 a/x ");
    const struct sfs_record *record = get(f->store, L("a/\0"));
    assert_int_equal(record->attributes.kind, SFS_KIND_MARKER);
    assert_int_equal(record->attributes.mode, SFS_MODE_MARKER_DEFAULT);
    sfs_record_unref(record);
    assert_int_equal(sfs_batch_put(f->batch, L("a/\0"), L("x"), NULL, 0, NULL), SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
}

static void put_takes_any_bytes(void **state)
{
    struct fixture *f = *state;
    char all[256];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    put(f, sfs_bytes(all + 1, 255), sfs_bytes(all, 256));
    put(f, L("empty"), L(""));
    put(f, L("\xff\xff"), L("\0"));
    put(f, L("/"), L("slash"));
    put(f, L("//"), L("slashes"));
    put(f, L("%"), L("\xed\xb2\x80"));
    put(f, L("\xed\xb2\x80"), L("a lone surrogate as UTF-8"));
    expect_bytes(f->store, sfs_bytes(all + 1, 255), sfs_bytes(all, 256));
    expect_bytes(f->store, L("empty"), L(""));
    expect_bytes(f->store, L("\xff\xff"), L("\0"));
    expect_bytes(f->store, L("/"), L("slash"));
    expect_bytes(f->store, L("//"), L("slashes"));
    expect_bytes(f->store, L("%"), L("\xed\xb2\x80"));
    expect_bytes(f->store, L("\xed\xb2\x80"), L("a lone surrogate as UTF-8"));
}

static void write_changes_a_part(void **state)
{
    struct fixture *f = *state;
    put(f, L("key"), L("hello"));
    const struct sfs_record *before = get(f->store, L("key"));
    OK(sfs_batch_write(f->batch, L("key"), 1, L("EL"), NULL));
    uint64_t sequence = APPLY_AFFECTING(f, 1);
    const struct sfs_record *after = get(f->store, L("key"));
    assert_true(sfs_bytes_equal(sfs_record_value(after), L("hELlo")));
    assert_int_equal(after->revision, sequence);
    assert_int_equal(after->attributes.id, before->attributes.id);
    assert_int_equal(after->attributes.created, before->attributes.created);
    assert_true(after->attributes.modified > before->attributes.modified);
    assert_int_equal(after->attributes.changed, after->attributes.modified);
    sfs_record_unref(before);
    sfs_record_unref(after);
    OK(sfs_batch_write(f->batch, L("key"), 8, L("x"), NULL));
    OK(sfs_batch_write(f->batch, L("key"), 4, L(""), NULL));
    OK(sfs_batch_write(f->batch, L("key"), 100, L(""), NULL));
    APPLY_AFFECTING(f, 1, 1, 1);
    expect_bytes(f->store, L("key"), L("hELlo\0\0\0x"));
}

static void append_and_truncate(void **state)
{
    struct fixture *f = *state;
    OK(sfs_batch_put(f->batch, L("key"), L("[1"), NULL, 0, NULL));
    OK(sfs_batch_append(f->batch, L("key"), L(",2"), NULL));
    OK(sfs_batch_append(f->batch, L("key"), L("]"), NULL));
    APPLY_AFFECTING(f, 1, 1, 1);
    expect_bytes(f->store, L("key"), L("[1,2]"));
    const struct sfs_record *record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
    OK(sfs_batch_truncate(f->batch, L("key"), 2, NULL));
    OK(sfs_batch_truncate(f->batch, L("key"), 4, NULL));
    APPLY_AFFECTING(f, 1, 1);
    expect_bytes(f->store, L("key"), L("[1\0\0"));
    OK(sfs_batch_truncate(f->batch, L("key"), 0, NULL));
    APPLY_AFFECTING(f, 1);
    expect_bytes(f->store, L("key"), L(""));
    record = get(f->store, L("key"));
    assert_int_equal(record->attributes.type, SFS_TYPE_TEXT);
    sfs_record_unref(record);
}

static void patches_need_a_key(void **state)
{
    struct fixture *f = *state;
    put_link(f, L("link"), L("target"));
    put(f, L("d/\0"), L(""));
    OK(sfs_batch_write(f->batch, L("none"), 0, L("x"), NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_batch_append(f->batch, L("none"), L("x"), NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_batch_truncate(f->batch, L("none"), 0, NULL));
    apply_fails(f, SFS_E_NOT_FOUND);
    OK(sfs_batch_append(f->batch, L("link"), L("x"), NULL));
    apply_fails(f, SFS_E_INVALID);
    assert_int_equal(sfs_batch_write(f->batch, L("d/\0"), 0, L("x"), NULL), SFS_E_INVALID);
    apply_fails(f, SFS_E_INVALID);
}

const struct conformance_test value_tests[] = {
    {"put makes a record with defaults", put_makes_record_with_defaults, 0},
    {"put takes attributes", put_takes_attributes, 0},
    {"put keeps attributes", put_keeps_attributes, 0},
    {"the type is found unless set", type_is_found_unless_set, 0},
    {"put over another kind replaces", put_over_another_kind_replaces, 0},
    {"put makes markers", put_makes_markers, 0},
    {"put takes any bytes", put_takes_any_bytes, 0},
    {"write changes a part", write_changes_a_part, 0},
    {"append and truncate", append_and_truncate, 0},
    {"patches need a key", patches_need_a_key, 0},
    {0},
};
