/* SPDX-License-Identifier: MIT */
/*
 * Operations of a batch on names, prefixes and ranges, and its preconditions.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "batch_fixture.h"

/* --- names --- */

static void records_are_deleted(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "k", "v");
    assert_int_equal(sfs_batch_delete(f->batch, L("k"), SFS_BATCH_MUST_EXIST, NULL), 0);
    batch_apply_affecting(f, 1);
    batch_expect_none(f, "k");
    assert_int_equal(sfs_batch_delete(f->batch, L("k"), 0, NULL), 0);
    batch_apply_affecting(f, 0);
    assert_int_equal(sfs_batch_delete(f->batch, L("k"), SFS_BATCH_MUST_EXIST, NULL), 0);
    batch_apply(f, SFS_E_NOT_FOUND);
}

static void records_are_renamed(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "a", "1");
    batch_put(f, "b", "2");
    const struct sfs_record *old = batch_get(f, L("a"));
    assert_int_equal(sfs_batch_rename(f->batch, L("a"), L("b"), SFS_BATCH_NO_REPLACE, NULL), 0);
    batch_apply(f, SFS_E_EXISTS);
    batch_expect(f, "b", "2");
    assert_int_equal(sfs_batch_rename(f->batch, L("a"), L("b"), 0, NULL), 0);
    uint64_t sequence = batch_apply_affecting(f, 2);
    batch_expect_names(f, "b ");
    batch_expect(f, "b", "1");
    const struct sfs_record *new = batch_get(f, L("b"));
    assert_int_equal(new->attributes.id, old->attributes.id);
    assert_int_equal(new->attributes.modified, old->attributes.modified);
    assert_int_equal(new->revision, sequence);
    sfs_record_unref(old);
    sfs_record_unref(new);
    assert_int_equal(sfs_batch_rename(f->batch, L("b"), L("b"), 0, NULL), 0);
    batch_apply_affecting(f, 0);
    assert_int_equal(sfs_batch_rename(f->batch, L("none"), L("b"), 0, NULL), 0);
    batch_apply(f, SFS_E_NOT_FOUND);
    batch_expect(f, "b", "1");
}

static void records_are_exchanged(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "a", "1");
    batch_put(f, "b", "22");
    const struct sfs_record *a = batch_get(f, L("a"));
    assert_int_equal(sfs_batch_exchange(f->batch, L("a"), L("b"), NULL), 0);
    batch_apply_affecting(f, 2);
    batch_expect(f, "a", "22");
    batch_expect(f, "b", "1");
    batch_expect_names(f, "a b ");
    const struct sfs_record *b = batch_get(f, L("b"));
    assert_int_equal(b->attributes.id, a->attributes.id);
    sfs_record_unref(a);
    sfs_record_unref(b);
    assert_int_equal(sfs_batch_exchange(f->batch, L("a"), L("a"), NULL), 0);
    batch_apply_affecting(f, 0);
    assert_int_equal(sfs_batch_exchange(f->batch, L("a"), L("c"), NULL), 0);
    batch_apply(f, SFS_E_NOT_FOUND);
    batch_expect(f, "a", "22");
}

static void prefixes_are_renamed(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "a", "0");
    batch_put(f, "a.txt", "1");
    batch_put(f, "a/b", "2");
    batch_put(f, "a/c/d", "3");
    assert_int_equal(sfs_batch_put(f->batch, L("a/c/\0"), L(""), NULL, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    batch_put(f, "z/1", "4");
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("a/"), L("z/"), NULL), 0);
    batch_apply(f, SFS_E_NOT_EMPTY);
    assert_non_null(strstr(f->error.message, "z/1"));
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("a/"), L("long/er/"), NULL), 0);
    batch_apply_affecting(f, 3);
    batch_expect_names(f, "a a.txt long/er/b long/er/c/ long/er/c/d z/1 ");
    batch_expect(f, "long/er/c/d", "3");
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("none/"), L("x/"), NULL), 0);
    batch_apply_affecting(f, 0);
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("a/"), L("a/b/"), NULL), SFS_E_INVALID);
    sfs_batch_clear(f->batch);
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("a"), L("b/"), NULL), SFS_E_INVALID);
}

static void prefixes_are_exchanged(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "a/1", "1");
    batch_put(f, "a/2", "2");
    batch_put(f, "bb/3", "3");
    assert_int_equal(sfs_batch_put(f->batch, L("a/\0"), L(""), NULL, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    assert_int_equal(sfs_batch_exchange_prefix(f->batch, L("a/"), L("bb/"), NULL), 0);
    batch_apply_affecting(f, 4);
    batch_expect_names(f, "a/3 bb/ bb/1 bb/2 ");
    batch_expect(f, "bb/2", "2");
    assert_int_equal(sfs_batch_exchange_prefix(f->batch, L("a/"), L("none/"), NULL), 0);
    batch_apply_affecting(f, 1);
    batch_expect_names(f, "bb/ bb/1 bb/2 none/3 ");
}

static void renames_do_not_make_names_too_long(void **state)
{
    struct fixture *f = *state;
    char name[SFS_KEY_MAX + 2];
    memset(name, 'x', sizeof(name));
    memcpy(name, "a/", 2);
    struct sfs_bytes longest = sfs_bytes(name, SFS_KEY_MAX);
    batch_put(f, "a/short", "1");
    assert_int_equal(sfs_batch_put(f->batch, longest, L("2"), NULL, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("a/"), L("bb/"), NULL), 0);
    batch_apply(f, SFS_E_NAME_TOO_LONG);
    assert_non_null(strstr(f->error.message, "a/xxxx"));
    assert_int_equal(sfs_batch_exchange_prefix(f->batch, L("bb/"), L("a/"), NULL), 0);
    batch_apply(f, SFS_E_NAME_TOO_LONG);
    batch_expect(f, "a/short", "1");
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("a/"), L("b/"), NULL), 0);
    batch_apply_affecting(f, 2);
    batch_expect(f, "b/short", "1");

    /* What makes a marker of a directory's name does not count. */
    name[0] = 'm';
    name[SFS_KEY_MAX - 1] = '/';
    name[SFS_KEY_MAX] = '\0';
    assert_int_equal(
        sfs_batch_put(f->batch, sfs_bytes(name, SFS_KEY_MAX + 1), L(""), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("m/"), L("mm/"), NULL), 0);
    batch_apply_affecting(f, 1);
    assert_int_equal(sfs_batch_rename_prefix(f->batch, L("mm/"), L("mmm/"), NULL), 0);
    batch_apply(f, SFS_E_NAME_TOO_LONG);
}

static void ranges_are_cleared(void **state)
{
    struct fixture *f = *state;
    batch_put(f, "a", "1");
    batch_put(f, "b/1", "2");
    batch_put(f, "b/2", "3");
    batch_put(f, "c", "4");
    struct sfs_range range = {L("b/"), L("b0")};
    assert_int_equal(sfs_batch_clear_range(f->batch, range, NULL), 0);
    batch_apply_affecting(f, 2);
    batch_expect_names(f, "a c ");
    assert_int_equal(sfs_batch_clear_range(f->batch, (struct sfs_range){0}, NULL), 0);
    batch_apply_affecting(f, 2);
    batch_expect_names(f, "");
    range = (struct sfs_range){L("b"), L("a")};
    assert_int_equal(sfs_batch_clear_range(f->batch, range, NULL), SFS_E_INVALID);
}

/* --- preconditions --- */

static void names_are_required(void **state)
{
    struct fixture *f = *state;
    char text[64];
    uint64_t revision = batch_put(f, "k", "v");
    assert_int_equal(sfs_batch_require_absent(f->batch, L("k"), NULL), 0);
    batch_apply(f, SFS_E_EXISTS);
    assert_int_equal(sfs_batch_require_revision(f->batch, L("k"), revision, NULL), 0);
    assert_int_equal(sfs_batch_require_absent(f->batch, L("x"), NULL), 0);
    assert_int_equal(sfs_batch_require_revision(f->batch, L("x"), 0, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L("k"), L("w"), NULL, 0, NULL), 0);
    uint64_t now = batch_apply_affecting(f, 1);

    assert_int_equal(sfs_batch_require_revision(f->batch, L("k"), revision, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L("k"), L("lost"), NULL, 0, NULL), 0);
    batch_apply(f, SFS_E_CONFLICT);
    snprintf(text, sizeof(text), "revision %d, expected %d", (int)now, (int)revision);
    assert_non_null(strstr(f->error.message, text));
    assert_non_null(strstr(f->error.message, "'k'"));
    batch_expect(f, "k", "w");
    assert_int_equal(sfs_batch_require_revision(f->batch, L("k"), 0, NULL), 0);
    batch_apply(f, SFS_E_CONFLICT);
    assert_non_null(strstr(f->error.message, "exists"));
    assert_int_equal(sfs_batch_require_revision(f->batch, L("x"), 3, NULL), 0);
    batch_apply(f, SFS_E_CONFLICT);
    assert_non_null(strstr(f->error.message, "is gone"));

    const struct sfs_record *record = batch_get(f, L("k"));
    assert_int_equal(sfs_batch_require_id(f->batch, L("k"), record->attributes.id, NULL), 0);
    batch_apply(f, 0);
    sfs_batch_clear(f->batch);
    assert_int_equal(sfs_batch_require_id(f->batch, L("k"), record->attributes.id + 1, NULL), 0);
    batch_apply(f, SFS_E_CONFLICT);
    sfs_record_unref(record);
}

static int is_marked(void *context, const struct sfs_record *record)
{
    (void)context;
    return sfs_bytes_starts(record->name, L("m"));
}

static void ranges_are_required(void **state)
{
    struct fixture *f = *state;
    struct sfs_range all = {0}, b = {L("b"), L("c")};
    struct sfs_feed *lease; /* for as long as it is open the store knows what was changed */
    uint64_t sequence = batch_put(f, "a", "1");
    assert_int_equal(sfs_changes(f->store, sequence, &lease, NULL), 0);
    assert_int_equal(sfs_batch_require_empty(f->batch, b, NULL), 0);
    assert_int_equal(sfs_batch_require_unchanged(f->batch, all, sequence, NULL), 0);
    assert_int_equal(sfs_batch_put(f->batch, L("b1"), L("2"), NULL, 0, NULL), 0);
    batch_apply_affecting(f, 1);
    assert_int_equal(sfs_batch_require_empty(f->batch, b, NULL), 0);
    batch_apply(f, SFS_E_NOT_EMPTY);
    assert_int_equal(sfs_batch_require_unchanged(f->batch, b, sequence, NULL), 0);
    batch_apply(f, SFS_E_CONFLICT);
    assert_non_null(strstr(f->error.message, "'b1'"));
    assert_int_equal(
        sfs_batch_require_unchanged(f->batch, (struct sfs_range){L("c"), L("")}, sequence, NULL),
        0);
    assert_int_equal(sfs_batch_require_no_match(f->batch, sequence, is_marked, NULL, NULL), 0);
    batch_apply(f, 0);
    sfs_batch_clear(f->batch);

    sequence = batch_put(f, "m1", "x");
    assert_int_equal(sfs_batch_delete(f->batch, L("m1"), 0, NULL), 0);
    batch_apply_affecting(f, 1);
    assert_int_equal(sfs_batch_require_no_match(f->batch, sequence, is_marked, NULL, NULL), 0);
    batch_apply(f, SFS_E_CONFLICT);
    assert_non_null(strstr(f->error.message, "'m1'"));
    assert_int_equal(sfs_batch_require_lease(f->batch, 987654, NULL), 0);
    batch_apply(f, SFS_E_EXPIRED);
    sfs_feed_close(lease);
}

/* What stood under a temporary name for a moment is in no feed and no conflict. */
static void exchanges_leave_no_trace(void **state)
{
    struct fixture *f = *state;
    struct sfs_feed *feed;
    struct sfs_change change;
    batch_put(f, "a/1", "1");
    uint64_t before = batch_put(f, "b/1", "2");
    assert_int_equal(sfs_changes(f->store, before, &feed, NULL), 0);
    assert_int_equal(sfs_batch_exchange(f->batch, L("a/1"), L("b/1"), NULL), 0);
    assert_int_equal(sfs_batch_exchange_prefix(f->batch, L("a/"), L("b/"), NULL), 0);
    batch_apply_affecting(f, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sfs_feed_next(feed, &change, NULL), 1);
        assert_true(sfs_bytes_equal(change.name, i ? L("b/1") : L("a/1")));
    }
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 0);
    batch_expect(f, "a/1", "1");
    struct sfs_range root = {L(""), L("a")};
    assert_int_equal(sfs_batch_require_unchanged(f->batch, root, before, NULL), 0);
    batch_apply(f, 0);
    sfs_feed_close(feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_deleted),    TEST(records_are_renamed),
        TEST(records_are_exchanged),  TEST(prefixes_are_renamed),
        TEST(prefixes_are_exchanged), TEST(renames_do_not_make_names_too_long),
        TEST(ranges_are_cleared),     TEST(names_are_required),
        TEST(ranges_are_required),    TEST(exchanges_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
