/* SPDX-License-Identifier: MIT */
/*
 * Whole ranges in a transaction: what is read through the map of renamed directories, what is
 * recorded of it, and what another changed meanwhile.
 */
#include <stdio.h>

#include "tests/unit/transaction_fixture.h"
#include "txn/map.h"

#define L(text) SFS_LITERAL(text)
#define OK(call) assert_int_equal(call, 0)

/* --- short forms --- */

static struct sfs_batch *batch_new(void)
{
    struct sfs_batch *batch = NULL;
    OK(sfs_batch_new(&batch, NULL));
    return batch;
}

static int apply_one(struct sfs_storage *store, struct sfs_batch *batch)
{
    int code = sfs_apply(store, batch, NULL, NULL, NULL);
    sfs_batch_free(batch);
    return code;
}

static void rename_prefix(struct sfs_storage *store, const char *from, const char *to)
{
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_rename_prefix(batch, sfs_string(from), sfs_string(to), NULL));
    OK(apply_one(store, batch));
}

static void clear_prefix(struct sfs_storage *store, const char *prefix)
{
    struct sfs_batch *batch = batch_new();
    struct sfs_buffer end = {0};
    struct sfs_range range;
    OK(sfs_range_prefix(sfs_string(prefix), &end, &range));
    OK(sfs_batch_clear_range(batch, range, NULL));
    OK(apply_one(store, batch));
    sfs_buffer_free(&end);
}

/* --- what is shown --- */

/* The next name of a cursor is `expected`; NULL: it is at its end. */
static void next_is(struct sfs_cursor *cursor, const char *expected)
{
    const struct sfs_record *record = NULL;
    int code = sfs_cursor_next(cursor, &record, NULL);
    assert_int_equal(code, expected != NULL);
    if (expected)
        assert_true(sfs_bytes_equal(record->name, sfs_string(expected)));
}

static void seek(struct sfs_cursor *cursor, const char *name)
{
    OK(sfs_cursor_seek(cursor, sfs_string(name), NULL));
}

/* d/ becomes b/, c/ is cleared, and in b/ one is new and one gone. */
static struct sfs_transaction *rearrange(struct fixture *f, enum sfs_isolation isolation)
{
    const char *const keys[] = {"a", "c/1", "c/2", "d/1", "d/2", "d/3", "e/1"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        set(f->store, keys[i], keys[i]);
    struct sfs_transaction *transaction = begin_at(f->store, isolation);
    struct sfs_storage *t = inside(transaction);
    rename_prefix(t, "d/", "b/");
    clear_prefix(t, "c/");
    set(t, "b/25", "new");
    assert_int_equal(sfs_delete(t, L("b/1"), NULL), 1);
    check_names(t, "a b/2 b/25 b/3 e/1");
    return transaction;
}

static void test_seeks(void **state)
{
    struct sfs_transaction *transaction = rearrange(*state, SFS_SNAPSHOT);
    struct sfs_cursor *cursor;
    struct sfs_range range = {L("a"), L("e/2")};
    OK(sfs_scan(inside(transaction), range, 0, &cursor, NULL));
    seek(cursor, "b/25");
    next_is(cursor, "b/25");
    next_is(cursor, "b/3");
    next_is(cursor, "e/1");
    seek(cursor, "b/"); /* back over two borders */
    next_is(cursor, "b/2");
    seek(cursor, "b/3"); /* in the same part */
    next_is(cursor, "b/3");
    seek(cursor, "b/2");
    next_is(cursor, "b/2");
    seek(cursor, "c/1"); /* where nothing is any more */
    next_is(cursor, "e/1");
    next_is(cursor, NULL);
    seek(cursor, "");
    next_is(cursor, "a");
    next_is(cursor, "b/2");
    seek(cursor, "d/1");
    next_is(cursor, "e/1");
    next_is(cursor, NULL);
    next_is(cursor, NULL);
    seek(cursor, "z");
    next_is(cursor, NULL);
    seek(cursor, "b/20");
    next_is(cursor, "b/25");
    sfs_cursor_close(cursor);
    commit(transaction);
    check_names(((struct fixture *)*state)->other, "a b/2 b/25 b/3 e/1");
}

/* A cursor goes on where it is when the directory that it is in is moved away, or to where it is. */
static void test_cursor_sees_moves(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction *transaction = rearrange(f, SFS_SNAPSHOT);
    struct sfs_storage *t = inside(transaction);
    struct sfs_cursor *cursor;
    OK(sfs_scan(t, (struct sfs_range){0}, 0, &cursor, NULL));
    next_is(cursor, "a");
    next_is(cursor, "b/2");
    rename_prefix(t, "b/", "x/");
    next_is(cursor, "e/1");
    rename_prefix(t, "x/", "e/1/");
    next_is(cursor, "e/1/2");
    seek(cursor, "b");
    rename_prefix(t, "e/1/", "b/");
    next_is(cursor, "b/2");
    rename_prefix(t, "e/", "f/");
    next_is(cursor, "b/25");
    sfs_cursor_close(cursor);
    check_names(t, "a b/2 b/25 b/3 f/1");
    commit(transaction);
}

/* As a rename of each key would show them. */
static void test_records(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction *transaction = rearrange(f, SFS_SNAPSHOT);
    struct sfs_storage *t = inside(transaction);
    const struct sfs_record *moved, *before;
    char piece[8];
    size_t size = 0;
    OK(sfs_get(t, L("b/2"), SFS_WANT_VALUE, &moved, NULL));
    OK(sfs_get(f->store, L("d/2"), SFS_WANT_VALUE, &before, NULL));
    assert_true(moved->revision > UINT64_C(1) << 62);
    assert_true(moved->attributes.changed > before->attributes.changed);
    assert_int_equal(moved->attributes.id, before->attributes.id);
    assert_int_equal(moved->attributes.modified, before->attributes.modified);
    assert_true(sfs_bytes_equal(sfs_record_value(moved), L("d/2")));
    OK(sfs_read(t, L("b/2"), moved->revision, 1, piece, sizeof(piece), &size, NULL));
    assert_true(sfs_bytes_equal(sfs_bytes(piece, size), L("/2")));
    assert_int_equal(sfs_read(t, L("b/2"), before->revision, 0, piece, 8, &size, NULL),
                     SFS_E_CONFLICT);
    const char *const none[] = {"b/1", "b/9", "c/1", "d/2"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sfs_read(t, sfs_string(none[i]), 0, 0, piece, 8, &size, NULL),
                         SFS_E_NOT_FOUND);
        check_value(t, none[i], NULL);
    }
    sfs_record_unref(moved);
    sfs_record_unref(before);
    commit(transaction);
}

/* A name may be as long as names get, though what it stands for in the base would be longer. */
static void test_longest_names(void **state)
{
    struct fixture *f = *state;
    char name[SFS_KEY_MAX];
    char piece[8];
    size_t size = 0;
    const struct sfs_record *record = NULL;
    memset(name, 'n', sizeof(name));
    memcpy(name, "s/", 2);
    struct sfs_bytes longest = sfs_bytes(name, sizeof(name));
    OK(sfs_set(f->store, L("long/prefix/1"), L("1"), NULL));
    struct sfs_transaction *transaction = begin_at(f->store, SFS_SNAPSHOT);
    struct sfs_storage *t = inside(transaction);
    rename_prefix(t, "long/prefix/", "s/");
    assert_int_equal(sfs_get(t, longest, SFS_WANT_VALUE, &record, NULL), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_read(t, longest, 0, 0, piece, 8, &size, NULL), SFS_E_NOT_FOUND);
    OK(sfs_set(t, longest, L("x"), NULL));
    OK(sfs_read(t, longest, 0, 0, piece, 8, &size, NULL));
    assert_int_equal(size, 1);
    commit(transaction);
}

static void test_exists(void **state)
{
    struct sfs_transaction *transaction = rearrange(*state, SFS_SERIALIZABLE);
    struct sfs_storage *t = inside(transaction);
    assert_int_equal(sfs_exists(t, (struct sfs_range){L("b/"), L("b0")}, NULL), 1);
    assert_int_equal(sfs_exists(t, (struct sfs_range){L("c/"), L("e/")}, NULL), 0);
    assert_int_equal(sfs_exists(t, (struct sfs_range){L("b/4"), L("e/0")}, NULL), 0);
    commit(transaction);
}

static void size_is(struct sfs_storage *store, uint64_t expected)
{
    uint64_t size = 0;
    OK(sfs_size(store, &size, NULL));
    assert_int_equal(size, expected);
}

/* Counted once, whatever others do meanwhile; and snapshots have their own. */
static void test_totals(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        OK(sfs_clear(f->store, NULL));
        struct sfs_transaction *transaction = rearrange(f, SFS_SERIALIZABLE);
        struct sfs_storage *t = inside(transaction), *first, *second, *third;
        if (round == 0)
            set(f->other, "z/1", "1");
        size_is(t, 5);
        OK(sfs_snapshot(t, 0, &first, NULL));
        clear_prefix(t, "b/");
        OK(sfs_snapshot(t, 0, &second, NULL));
        OK(sfs_snapshot(first, 0, &third, NULL));
        set(t, "y", "1");
        size_is(t, 3);
        size_is(first, 5);
        size_is(second, 2);
        OK(sfs_close(first, NULL));
        size_is(third, 5);
        assert_int_equal(count(third, "where/@key >= \"b\"/count"), 4);
        OK(sfs_close(third, NULL));
        OK(sfs_close(second, NULL));
        /* Who counts has read all. */
        if (round == 0)
            refuse(transaction, "'z/1'");
        else
            commit(transaction);
    }
}

/* --- what is recorded: what was taken back, too --- */

typedef void step(struct sfs_storage *store);

/* Reads under the new names, goes back to before the rename; another changes the store. */
static bool survives(struct fixture *f, step *read, const char *changed)
{
    OK(sfs_clear(f->store, NULL));
    set(f->store, "d/1", "1");
    set(f->store, "d/2", "2");
    struct sfs_transaction *transaction = begin_at(f->store, SFS_SERIALIZABLE);
    OK(sfs_savepoint(transaction, "s", NULL));
    struct sfs_storage *t = inside(transaction);
    rename_prefix(t, "d/", "b/");
    read(t);
    OK(sfs_savepoint_rollback(transaction, "s", NULL));
    set(f->other, changed, "another's");
    set(t, "zz", "1");
    int code = sfs_commit(transaction, NULL, NULL);
    assert_true(code == 0 || code == SFS_E_CONFLICT);
    sfs_transaction_free(transaction);
    return code == 0;
}

static void count_matches(struct sfs_storage *store)
{
    count(store, "where/@key >= \"b%2F\" and @key < \"b0\" and @size > 0/count");
}

static void find_any(struct sfs_storage *store)
{
    assert_int_equal(sfs_exists(store, (struct sfs_range){L("b/2"), L("b0")}, NULL), 1);
}

static void find_none(struct sfs_storage *store)
{
    assert_int_equal(sfs_exists(store, (struct sfs_range){L("b/7"), L("c")}, NULL), 0);
}

/* The rename has counted the whole directory, so that every change in it is a conflict; what lies
 * beside it is none. */
static void test_recorded(void **state)
{
    static step *const reads[] = {count_matches, find_any, find_none};
    for (size_t i = 0; i < 3; i++) {
        assert_false(survives(*state, reads[i], "d/2"));
        assert_false(survives(*state, reads[i], "d/8"));
        assert_true(survives(*state, reads[i], "e"));
    }
}

/* --- what others do meanwhile --- */

static void test_first_committer(void **state)
{
    struct fixture *f = *state;
    const char *const changed[] = {"d/new", "d/2", "b/2", "c/new"};
    for (size_t i = 0; i < 4; i++) {
        OK(sfs_clear(f->store, NULL));
        struct sfs_transaction *transaction = rearrange(f, SFS_SNAPSHOT);
        set(f->other, changed[i], "1");
        check_names(inside(transaction), "a b/2 b/25 b/3 e/1");
        refuse(transaction, changed[i]);
    }
}

/* Read committed: names below the new prefix are those that are below the old one now, and that is
 * what the commit moves. */
static void test_live(void **state)
{
    struct fixture *f = *state;
    struct sfs_totals totals;
    struct sfs_transaction *transaction = rearrange(f, SFS_READ_COMMITTED);
    struct sfs_storage *t = inside(transaction);
    set(f->other, "d/4", "4");
    set(f->other, "d/2", "changed");
    set(f->other, "c/3", "to be cleared");
    assert_int_equal(sfs_delete(f->other, L("d/3"), NULL), 1);
    check_names(t, "a b/2 b/25 b/4 e/1");
    check_value(t, "b/2", "changed");
    check_value(t, "b/3", NULL);
    OK(sfs_totals(t, &totals, NULL));
    assert_int_equal(totals.keys, 5);
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_require_empty(batch, (struct sfs_range){L("c/"), L("d0")}, NULL));
    OK(sfs_batch_require_absent(batch, L("c/3"), NULL));
    OK(sfs_batch_require_empty(batch, (struct sfs_range){L("f/"), {0}}, NULL));
    OK(sfs_batch_put(batch, L("d/5"), L("5"), NULL, 0, NULL));
    OK(apply_one(t, batch));
    commit(transaction);
    check_names(f->other, "a b/2 b/25 b/4 d/5 e/1");
    check_value(f->other, "b/2", "changed");
}

static void test_live_target(void **state)
{
    struct sfs_transaction *transaction = rearrange(*state, SFS_READ_COMMITTED);
    set(((struct fixture *)*state)->other, "b/0", "in the way");
    refuse(transaction, "b/0");
}

/* --- preconditions --- */

static int is_small(void *context, const struct sfs_record *record)
{
    return record->size < *(const uint64_t *)context;
}

/* Whether a batch in the transaction may depend on there being no change of a small value. */
static int require(struct sfs_storage *store, uint64_t since, uint64_t *size)
{
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_require_no_match(batch, since, is_small, size, NULL));
    OK(sfs_batch_put(batch, L("zz"), L("0123456789"), NULL, 0, NULL));
    return apply_one(store, batch);
}

static void test_no_match(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot;
    uint64_t begun, since, two = 2, four = 4;
    set(f->store, "d/1", "123");
    struct sfs_transaction *transaction = begin(f->store);
    struct sfs_storage *t = inside(transaction);
    OK(sfs_sequence(t, &begun, NULL));
    OK(require(t, begun, &four));
    rename_prefix(t, "d/", "b/");
    OK(require(t, begun, &two));
    assert_int_equal(require(t, begun, &four), SFS_E_CONFLICT);
    OK(sfs_snapshot(t, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &since, NULL));
    rename_prefix(t, "b/", "c/");
    OK(require(t, since, &two));
    assert_int_equal(require(t, since, &four), SFS_E_CONFLICT);
    OK(sfs_close(snapshot, NULL));
    /* What it was like then is not known any more. */
    assert_int_equal(require(t, since, &two), SFS_E_CONFLICT);
    set(f->other, "other", "not small");
    commit(transaction);
    check_names(f->other, "c/1 other zz");
    transaction = begin(f->store);
    OK(sfs_sequence(inside(transaction), &begun, NULL));
    OK(require(inside(transaction), begun, &two));
    set(f->other, "other", "1");
    refuse(transaction, "'other'");
}

static void test_no_match_live(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *kept;
    uint64_t begun, since, two = 2;
    struct sfs_transaction *transaction = begin_at(f->store, SFS_READ_COMMITTED);
    OK(sfs_snapshot(f->store, 0, &kept, NULL));
    OK(sfs_sequence(kept, &begun, NULL));
    OK(require(inside(transaction), begun, &two));
    OK(sfs_sequence(inside(transaction), &since, NULL));
    assert_int_equal(require(inside(transaction), since, &two), SFS_E_UNSUPPORTED);
    set(f->other, "other", "1");
    refuse(transaction, "'other'");
    OK(sfs_close(kept, NULL));
}

/* What one batch made and deleted was not changed by it. */
static void test_made_and_deleted(void **state)
{
    struct fixture *f = *state;
    uint64_t begun;
    set(f->store, "d/1", "1");
    struct sfs_transaction *transaction = begin(f->store);
    struct sfs_storage *t = inside(transaction);
    OK(sfs_sequence(t, &begun, NULL));
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_put(batch, L("a"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_rename(batch, L("a"), L("b"), 0, NULL));
    OK(sfs_batch_delete(batch, L("b"), SFS_BATCH_MUST_EXIST, NULL));
    OK(sfs_batch_rename_prefix(batch, L("d/"), L("e/"), NULL));
    OK(sfs_batch_put(batch, L("e/2"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_delete(batch, L("e/2"), SFS_BATCH_MUST_EXIST, NULL));
    OK(apply_one(t, batch));
    batch = batch_new();
    OK(sfs_batch_require_unchanged(batch, (struct sfs_range){L("a"), L("d/")}, begun, NULL));
    OK(sfs_batch_require_unchanged(batch, (struct sfs_range){L("e/2"), {0}}, begun, NULL));
    OK(apply_one(t, batch));
    batch = batch_new();
    OK(sfs_batch_require_unchanged(batch, (struct sfs_range){L("e/1"), L("e/2")}, begun, NULL));
    OK(sfs_batch_put(batch, L("x"), L("1"), NULL, 0, NULL));
    assert_int_equal(apply_one(t, batch), SFS_E_CONFLICT);
    commit(transaction);
}

/* After a conflict every write fails with its sentence; what is there can be read. */
static void test_failed(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction *transaction = begin(f->store), *inner, *nested;
    struct sfs_storage *t = inside(transaction);
    struct sfs_error first, error;
    struct sfs_stage *stage, *other;
    set(t, "a", "mine");
    OK(sfs_begin_nested(transaction, NULL, &nested, NULL));
    set(f->other, "a", "another's");
    OK(sfs_stage_open(t, &stage, NULL));
    OK(sfs_stage_write(stage, 0, L("x"), NULL));
    assert_int_equal(sfs_commit(transaction, NULL, &first), SFS_E_CONFLICT);
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        assert_int_equal(call, SFS_E_CONFLICT);                                                    \
        assert_string_equal(error.message, first.message);                                         \
    } while (0)
    REFUSED(sfs_set(t, L("b"), L("1"), &error));
    REFUSED(sfs_set(inside(nested), L("b"), L("1"), &error));
    REFUSED(sfs_delete(t, L("a"), &error));
    REFUSED(sfs_clear(t, &error));
    REFUSED(sfs_stage_write(stage, 1, L("y"), &error));
    REFUSED(sfs_stage_truncate(stage, 0, &error));
    REFUSED(sfs_stage_open(t, &other, &error));
    REFUSED(sfs_savepoint(transaction, "s", &error));
    REFUSED(sfs_begin_nested(transaction, NULL, &inner, &error));
    REFUSED(sfs_commit(transaction, NULL, &error));
    check_value(t, "a", "mine");
    check_value(inside(nested), "a", "mine");
    sfs_stage_close(stage);
    sfs_transaction_free(nested);
    sfs_transaction_free(transaction);
}

/* --- the map itself --- */

static void test_map_merges(void **state)
{
    (void)state;
    struct sfs_tree map;
    char from[32], to[32];
    sfs_txn_map_init(&map);
    assert_null(sfs_txn_map_find(&map, L("a")));
    for (int i = 0; i < 1000; i++) {
        int at = i * 7 % 1000; /* in no order */
        snprintf(from, sizeof(from), "%04d", at);
        snprintf(to, sizeof(to), "%04d", at + 1);
        OK(sfs_txn_map_clear(&map, (struct sfs_range){sfs_string(from), sfs_string(to)}));
    }
    assert_int_equal(map.count, 1);
    OK(sfs_txn_map_clear(&map, (struct sfs_range){L("0500"), L("0500")}));
    OK(sfs_txn_map_move(&map, L("a/"), L("b/"), 1, 1));
    OK(sfs_txn_map_move(&map, L("b/c/"), L("d/"), 2, 2));
    OK(sfs_txn_map_clear(&map, (struct sfs_range){L("b/k"), L("b/m")}));
    OK(sfs_txn_map_move(&map, L("b/"), L("e/"), 3, 3));
    assert_true(sfs_txn_map_find(&map, L("e/l"))->gone);
    assert_true(sfs_txn_map_find(&map, L("e/c/x"))->gone);
    struct sfs_buffer name = {0};
    const struct sfs_txn_piece *piece = sfs_txn_map_find(&map, L("d/x"));
    OK(sfs_txn_piece_base(piece, L("d/x"), &name));
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&name), L("a/c/x")));
    assert_int_equal(piece->revision, 2);
    name.size = 0;
    OK(sfs_txn_piece_view(sfs_txn_map_find(&map, L("e/z")), L("a/z"), &name));
    assert_true(sfs_bytes_equal(sfs_buffer_bytes(&name), L("e/z")));
    OK(sfs_txn_map_clear(&map, (struct sfs_range){0}));
    assert_int_equal(map.count, 1);
    assert_true(sfs_txn_map_find(&map, L("\xff\xff"))->gone);
    sfs_buffer_free(&name);
    sfs_tree_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_seeks),
        BOTH(test_cursor_sees_moves),
        BOTH(test_records),
        BOTH(test_longest_names),
        BOTH(test_exists),
        BOTH(test_totals),
        BOTH(test_recorded),
        BOTH(test_first_committer),
        BOTH(test_live),
        BOTH(test_live_target),
        BOTH(test_no_match),
        BOTH(test_no_match_live),
        BOTH(test_made_and_deleted),
        BOTH(test_failed),
        cmocka_unit_test(test_map_merges),
    };
    return cmocka_run_group_tests_name("ranges in transactions", tests, NULL, NULL);
}
