/* SPDX-License-Identifier: MIT */
/*
 * Operations of a batch on single values and attributes, and the batch as a list.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "batch_fixture.h"

/* --- put --- */

static void put_keeps_what_is_not_given(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes given = {.mode = 0600, .uid = 5, .gid = 6, .created = 11, .accessed = 12};
    unsigned mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID |
                    SFS_ATTRIBUTE_CREATED | SFS_ATTRIBUTE_ACCESSED;
    assert_int_equal(sfs_batch_put(f->batch, L("k"), L("{}"), &given, mask, NULL), 0);
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("user.a"), L("x"), 0, NULL), 0);
    uint64_t first = batch_apply_affecting(f, 1);
    const struct sfs_record *old = batch_get(f, L("k"));
    assert_int_equal(old->revision, first);
    assert_int_equal(old->attributes.type, SFS_TYPE_JSON);

    uint64_t second = batch_put(f, "k", "text");
    const struct sfs_record *new = batch_get(f, L("k"));
    assert_true(second > first && new->revision == second);
    assert_int_equal(new->attributes.id, old->attributes.id);
    assert_int_equal(new->attributes.mode, 0600);
    assert_int_equal(new->attributes.uid, 5);
    assert_int_equal(new->attributes.gid, 6);
    assert_int_equal(new->attributes.created, 11);
    assert_int_equal(new->attributes.accessed, 12);
    assert_true(new->attributes.modified > 12 && new->attributes.changed > 12);
    assert_int_equal(new->attributes.type, SFS_TYPE_TEXT);
    assert_true(sfs_bytes_equal(new->xattrs, old->xattrs) && new->xattrs.size > 0);
    sfs_record_unref(old);
    sfs_record_unref(new);
}

static void put_gives_defaults(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    assert_int_equal(sfs_batch_put(f->batch, L("d/\0"), L(""), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L("l"), L("to"), &link, SFS_ATTRIBUTE_KIND, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L("k"), L(""), NULL, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    static const struct {
        struct sfs_bytes name;
        uint32_t mode;
        enum sfs_kind kind;
    } rows[] = {{{"d/\0", 3}, 0755, SFS_KIND_MARKER},
                {{"l", 1}, 0777, SFS_KIND_SYMLINK},
                {{"k", 1}, 0644, SFS_KIND_VALUE}};
    for (size_t i = 0; i < 3; i++) {
        const struct sfs_record *record = batch_get(f, rows[i].name);
        const struct sfs_attributes *a = &record->attributes;
        assert_int_equal(a->mode, rows[i].mode);
        assert_int_equal(a->kind, rows[i].kind);
        assert_true(a->id > 0 && a->created > 0);
        assert_true(a->created == a->modified && a->created == a->changed &&
                    a->created == a->accessed);
        assert_true(a->uid == SFS_OWNER_NONE && a->gid == SFS_OWNER_NONE);
        sfs_record_unref(record);
    }
}

static void put_of_another_kind_replaces(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK, .mode = 0700};
    assert_int_equal(sfs_batch_put(f->batch, L("k"), L("to"), &link,
                                   SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE, NULL),
                     0);
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("user.a"), L("x"), 0, NULL), 0);
    batch_apply_affecting(f, 1);
    const struct sfs_record *old = batch_get(f, L("k"));
    batch_put(f, "k", "v");
    const struct sfs_record *new = batch_get(f, L("k"));
    assert_int_not_equal(new->attributes.id, old->attributes.id);
    assert_int_equal(new->attributes.mode, 0644);
    assert_int_equal(new->xattrs.size, 0);
    assert_true(sfs_record_is_key(new));
    sfs_record_unref(old);
    sfs_record_unref(new);
}

static void set_types_stay(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes given = {.type = SFS_TYPE_BYTES};
    assert_int_equal(sfs_batch_put(f->batch, L("k"), L("{}"), &given, SFS_ATTRIBUTE_TYPE, NULL), 0);
    batch_apply_affecting(f, 1);
    batch_put(f, "k", "[1]");
    assert_int_equal(sfs_batch_append(f->batch, L("k"), L(" "), NULL), 0);
    batch_apply_affecting(f, 1);
    const struct sfs_record *record = batch_get(f, L("k"));
    assert_true(record->attributes.type_set);
    assert_int_equal(record->attributes.type, SFS_TYPE_BYTES);
    sfs_record_unref(record);
}

static void stages_are_put(void **state)
{
    struct fixture *f = *state;
    struct sfs_stage *stage;
    assert_int_equal(sfs_stage_open(f->store, &stage, NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 0, L("[1,"), NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 3, L("2]"), NULL), 0);
    assert_int_equal(sfs_batch_put_stage(f->batch, L("k"), stage, NULL, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    sfs_stage_close(stage);
    batch_expect(f, "k", "[1,2]");
    const struct sfs_record *record = batch_get(f, L("k"));
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);
}

/* --- a part of a value --- */

static void parts_are_written(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "k", "12");
    assert_int_equal(sfs_batch_write(f->batch, L("k"), 1, L("345"), NULL), 0);
    assert_int_equal(sfs_batch_append(f->batch, L("k"), L("6x"), NULL), 0);
    batch_apply_affecting(f, 1);
    batch_expect(f, "k", "13456x");
    const struct sfs_record *record = batch_get(f, L("k"));
    assert_int_equal(record->attributes.type, SFS_TYPE_TEXT);
    sfs_record_unref(record);

    assert_int_equal(sfs_batch_truncate(f->batch, L("k"), 2, NULL), 0);
    assert_int_equal(sfs_batch_write(f->batch, L("k"), 9, L(""), NULL), 0);
    batch_apply_affecting(f, 1);
    batch_expect(f, "k", "13");
    record = batch_get(f, L("k"));
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    sfs_record_unref(record);

    assert_int_equal(sfs_batch_write(f->batch, L("k"), 4, L("z"), NULL), 0);
    assert_int_equal(sfs_batch_truncate(f->batch, L("k"), 6, NULL), 0);
    batch_apply_affecting(f, 1);
    record = batch_get(f, L("k"));
    assert_true(sfs_bytes_equal(sfs_record_value(record), L("13\0\0z\0")));
    assert_int_equal(record->size, 6);
    sfs_record_unref(record);
}

static void impossible_parts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sfs_batch_write(f->batch, L("none"), 0, L("x"), NULL), 0);
    batch_apply(f, SFS_E_NOT_FOUND);
    assert_non_null(strstr(f->error.message, "'none'"));
    batch_put(f, "k", "12");
    assert_int_equal(sfs_batch_write(f->batch, L("k"), INT64_MAX, L("x"), NULL), SFS_E_TOO_LARGE);
    batch_apply(f, SFS_E_INVALID);
    assert_int_equal(sfs_batch_write(f->batch, L("d/\0"), 0, L("x"), NULL), SFS_E_INVALID);
    sfs_batch_clear(f->batch);
    struct sfs_attributes link = {.kind = SFS_KIND_SYMLINK};
    assert_int_equal(sfs_batch_put(f->batch, L("l"), L("to"), &link, SFS_ATTRIBUTE_KIND, NULL), 0);
    assert_int_equal(sfs_batch_append(f->batch, L("l"), L("x"), NULL), 0);
    batch_apply(f, SFS_E_INVALID);
    batch_expect_none(f, "l");
}

/* --- attributes --- */

static void attributes_are_updated(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes given = {.mode = 0400, .modified = 77};
    batch_put(f, "k", "v");
    const struct sfs_record *old = batch_get(f, L("k"));
    assert_int_equal(sfs_batch_attributes(f->batch, L("k"), &given,
                                          SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_MODIFIED, NULL),
                     0);
    uint64_t sequence = batch_apply_affecting(f, 1);
    const struct sfs_record *new = batch_get(f, L("k"));
    assert_int_equal(new->revision, sequence);
    assert_int_equal(new->attributes.mode, 0400);
    assert_int_equal(new->attributes.modified, 77);
    assert_true(new->attributes.changed >= old->attributes.changed);
    assert_int_equal(new->attributes.id, old->attributes.id);
    sfs_record_unref(old);
    sfs_record_unref(new);
    batch_expect(f, "k", "v");
    assert_int_equal(sfs_batch_attributes(f->batch, L("none"), &given, SFS_ATTRIBUTE_MODE, NULL),
                     0);
    batch_apply(f, SFS_E_NOT_FOUND);
    assert_int_equal(sfs_batch_attributes(f->batch, L("k"), &given, SFS_ATTRIBUTE_KIND, NULL),
                     SFS_E_INVALID);
    sfs_batch_clear(f->batch);
    given.mode = 0100644;
    assert_int_equal(sfs_batch_attributes(f->batch, L("k"), &given, SFS_ATTRIBUTE_MODE, NULL),
                     SFS_E_INVALID);
}

static void xattrs_are_set(void **state)
{
    struct fixture *f = *state;
    struct sfs_bytes value;
    batch_put(f, "k", "v");
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("a"), L(""), SFS_XATTR_CREATE, NULL), 0);
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("b"), L("2"), 0, NULL), 0);
    batch_apply_affecting(f, 1);
    const struct sfs_record *record = batch_get(f, L("k"));
    assert_true(sfs_xattr_get(record->xattrs, L("a"), &value) && value.size == 0);
    assert_true(sfs_xattr_get(record->xattrs, L("b"), &value) && value.size == 1);
    sfs_record_unref(record);
    struct sfs_bytes none = {0};
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("a"), none, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("a"), none, 0, NULL), 0);
    batch_apply(f, SFS_E_NO_ATTRIBUTE);
    assert_int_equal(sfs_batch_xattr(f->batch, L("k"), L("b"), L("x"), SFS_XATTR_CREATE, NULL), 0);
    batch_apply(f, SFS_E_EXISTS);
}

/* --- the batch itself --- */

static void batches_happen_whole_or_not(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "a", "1");
    assert_int_equal(sfs_batch_put(f->batch, L("b"), L("2"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_rename(f->batch, L("a"), L("c"), 0, NULL), 0);
    assert_int_equal(sfs_batch_delete(f->batch, L("none"), SFS_BATCH_MUST_EXIST, NULL), 0);
    batch_apply(f, SFS_E_NOT_FOUND);
    batch_expect_names(f, "a ");
    assert_int_equal(sfs_batch_put(f->batch, L("b"), L("2"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L(""), L("2"), NULL, 0, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_delete(f->batch, L("a"), 0, NULL), 0);
    batch_apply(f, SFS_E_INVALID);
    batch_expect_names(f, "a ");
}

static void batches_are_cut_and_copied(void **state)
{
    struct fixture *f = *state;
    struct sfs_batch *copy;
    assert_int_equal(sfs_batch_new(&copy, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L("a"), L("1"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_append(f->batch, L("a"), L("2"), NULL), 0);
    assert_int_equal(sfs_batch_delete(f->batch, L("a"), 0, NULL), 0);
    sfs_batch_cut(f->batch, 2);
    assert_int_equal(sfs_batch_size(f->batch), 2);
    assert_int_equal(sfs_batch_add_operations(copy, f->batch, NULL), 0);
    batch_apply_affecting(f, 1);
    batch_expect(f, "a", "12");
    size_t count;
    struct sfs_operation *operations = sfs_batch_operations(copy, &count);
    assert_int_equal(count, 2);
    int64_t time = operations[0].time;
    assert_int_equal(sfs_apply(f->store, copy, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_apply(f->store, copy, NULL, NULL, NULL), 0);
    batch_expect(f, "a", "12");
    const struct sfs_record *record = batch_get(f, L("a"));
    assert_true(record->attributes.modified >= time);
    sfs_record_unref(record);
    assert_int_equal(sfs_batch_affected(copy, 1), 1);
    assert_int_equal(sfs_batch_affected(copy, 2), 0);
    sfs_batch_free(copy);
}

static void bad_puts_are_refused(void **state)
{
    struct fixture *f = *state;
    struct sfs_attributes marker = {.kind = SFS_KIND_MARKER}, fifo = {.kind = SFS_KIND_FIFO};
    static const unsigned kind = SFS_ATTRIBUTE_KIND;
    assert_int_equal(sfs_batch_put(f->batch, L("a"), L(""), &marker, kind, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_put(f->batch, L("a/\0"), L(""), &fifo, kind, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_put(f->batch, L("a/\0"), L("x"), NULL, 0, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_put(f->batch, L("a"), L("x"), &fifo, kind, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_put(f->batch, L("a"), L("x"), NULL, kind, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_rename(f->batch, L("a"), L("b/\0"), 0, NULL), SFS_E_INVALID);
    assert_int_equal(sfs_batch_size(f->batch), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(put_keeps_what_is_not_given),
        TEST(put_gives_defaults),
        TEST(put_of_another_kind_replaces),
        TEST(set_types_stay),
        TEST(stages_are_put),
        TEST(parts_are_written),
        TEST(impossible_parts),
        TEST(attributes_are_updated),
        TEST(xattrs_are_set),
        TEST(batches_happen_whole_or_not),
        TEST(batches_are_cut_and_copied),
        TEST(bad_puts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
