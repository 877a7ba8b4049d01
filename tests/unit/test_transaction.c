/* SPDX-License-Identifier: MIT */
/*
 * Transactions over the memory and the SQLite backend: what they see, which of two commits, savepoints,
 * time limits. In a SQLite test `other` is a second opening of the same file.
 */
#include "tests/unit/own_clock.h"
#include "tests/unit/transaction_fixture.h"

static void test_sees_snapshot_and_own_writes(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    set(fixture->store, "b", "1");
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    set(fixture->other, "a", "2");
    set(fixture->other, "c", "2");
    check_value(inside, "a", "1");
    check_value(inside, "c", NULL);
    set(inside, "d", "3");
    set(inside, "e", "3");
    assert_int_equal(sfs_delete(inside, sfs_string("b"), NULL), 1);
    assert_int_equal(sfs_delete(inside, sfs_string("e"), NULL), 1);
    check_names(inside, "a d");
    check_names(fixture->other, "a b c");
    commit(transaction);
    check_names(fixture->other, "a c d");
    check_value(fixture->other, "a", "2");
    check_value(fixture->other, "d", "3");
}

static void test_cursor_and_snapshot_inside(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *view;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    set(fixture->store, "a", "1");
    set(fixture->store, "c", "1");
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    set(inside, "a", "2");
    set(inside, "b", "1");
    assert_int_equal(sfs_snapshot(inside, 0, &view, NULL), 0);
    assert_int_equal(sfs_scan(inside, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    /* Written while the cursor is open: it shows records as they are when reached, the view does not. */
    assert_int_equal(sfs_delete(inside, sfs_string("b"), NULL), 1);
    set(inside, "bb", "2");
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    assert_true(sfs_bytes_equal(record->name, sfs_string("bb")));
    assert_int_equal(sfs_cursor_seek(cursor, sfs_string("a"), NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
    assert_true(sfs_bytes_equal(record->name, sfs_string("a")));
    sfs_cursor_close(cursor);
    check_names(view, "a b c");
    check_names(inside, "a bb c");
    assert_int_equal(sfs_set(view, sfs_string("x"), sfs_string("1"), NULL), SFS_E_READ_ONLY);
    struct sfs_feed *feed;
    assert_int_equal(sfs_changes(inside, 0, &feed, NULL), SFS_E_UNSUPPORTED);
    sfs_close(view, NULL);
    sfs_rollback(transaction);
    struct sfs_error error;
    assert_int_equal(sfs_get(inside, sfs_string("a"), 0, &record, &error), SFS_E_EXPIRED);
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_EXPIRED);
    assert_int_equal(state_of(transaction), SFS_ROLLED_BACK);
    sfs_transaction_free(transaction);
    check_names(fixture->store, "a c");
}

/* --- first committer wins --- */

enum { K = 1, L = 2, N = 4, P1 = 8, P2 = 16, P3 = 32, Q1 = 64, Q2 = 128 };
enum { ALL_P = P1 | P2 | P3, ALL_Q = Q1 | Q2 };

static void put_k(struct sfs_batch *batch)
{
    sfs_batch_put(batch, sfs_string("k"), sfs_string("new"), NULL, 0, NULL);
}

static void put_l(struct sfs_batch *batch)
{
    sfs_batch_put(batch, sfs_string("l"), sfs_string("new"), NULL, 0, NULL);
}

static void append_k(struct sfs_batch *batch)
{
    sfs_batch_append(batch, sfs_string("k"), sfs_string("more"), NULL);
}

static void mode_k(struct sfs_batch *batch)
{
    struct sfs_attributes attributes = {.mode = 0600};
    sfs_batch_attributes(batch, sfs_string("k"), &attributes, SFS_ATTRIBUTE_MODE, NULL);
}

static void delete_k(struct sfs_batch *batch)
{
    sfs_batch_delete(batch, sfs_string("k"), SFS_BATCH_MUST_EXIST, NULL);
}

static void create_n(struct sfs_batch *batch)
{
    sfs_batch_require_absent(batch, sfs_string("n"), NULL);
    sfs_batch_put(batch, sfs_string("n"), sfs_string("new"), NULL, 0, NULL);
}

static void delete_n(struct sfs_batch *batch)
{
    sfs_batch_delete(batch, sfs_string("n"), 0, NULL);
}

static void rename_k_n(struct sfs_batch *batch)
{
    sfs_batch_rename(batch, sfs_string("k"), sfs_string("n"), SFS_BATCH_NO_REPLACE, NULL);
}

static void rename_k_l(struct sfs_batch *batch)
{
    sfs_batch_rename(batch, sfs_string("k"), sfs_string("l"), 0, NULL);
}

static void exchange_k_l(struct sfs_batch *batch)
{
    sfs_batch_exchange(batch, sfs_string("k"), sfs_string("l"), NULL);
}

static void put_p1(struct sfs_batch *batch)
{
    sfs_batch_put(batch, sfs_string("p/1"), sfs_string("new"), NULL, 0, NULL);
}

static void put_p3(struct sfs_batch *batch)
{
    sfs_batch_put(batch, sfs_string("p/3"), sfs_string("new"), NULL, 0, NULL);
}

static void put_q1(struct sfs_batch *batch)
{
    sfs_batch_put(batch, sfs_string("q/1"), sfs_string("new"), NULL, 0, NULL);
}

static void rename_p_q(struct sfs_batch *batch)
{
    sfs_batch_rename_prefix(batch, sfs_string("p/"), sfs_string("q/"), NULL);
}

static void clear_p(struct sfs_batch *batch)
{
    struct sfs_range range = {sfs_string("p/"), sfs_string("p0")};
    sfs_batch_clear_range(batch, range, NULL);
}

static void require_p(struct sfs_batch *batch)
{
    struct sfs_range range = {sfs_string("p/4"), sfs_string("p0")};
    sfs_batch_require_empty(batch, range, NULL);
    put_l(batch);
}

static const struct change {
    const char *name;
    void (*add)(struct sfs_batch *batch);
    unsigned writes;
    unsigned needs; /* what must be unchanged */
} changes[] = {
    {"put k", put_k, K, K},
    {"put l", put_l, L, L},
    {"append k", append_k, K, K},
    {"mode k", mode_k, K, K},
    {"delete k", delete_k, K, K},
    {"create n", create_n, N, N},
    {"delete n", delete_n, 0, N},
    {"rename k n", rename_k_n, K | N, K | N},
    {"rename k l", rename_k_l, K | L, K | L},
    {"exchange k l", exchange_k_l, K | L, K | L},
    {"put p/1", put_p1, P1, P1},
    {"put p/3", put_p3, P3, P3},
    {"put q/1", put_q1, Q1, Q1},
    {"rename p/ q/", rename_p_q, P1 | P2 | Q1 | Q2, ALL_P | ALL_Q},
    {"clear p/", clear_p, P1 | P2, ALL_P},
    {"require p/4…", require_p, L, L},
};
#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static void apply_change(struct sfs_storage *store, const struct change *change)
{
    struct sfs_batch *batch;
    struct sfs_error error = {0};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    change->add(batch);
    if (sfs_apply(store, batch, NULL, NULL, &error))
        fail_msg("%s: %s", change->name, error.message);
    sfs_batch_free(batch);
}

static void check_failed(struct sfs_transaction *transaction, const struct sfs_error *first)
{
    struct sfs_error again = {0};
    assert_int_equal(first->code, SFS_E_CONFLICT);
    assert_non_null(strstr(first->message, "key '"));
    assert_non_null(strstr(first->message, "revision"));
    assert_int_equal(state_of(transaction), SFS_FAILED);
    assert_int_equal(sfs_commit(transaction, NULL, &again), SFS_E_CONFLICT);
    assert_string_equal(again.message, first->message);
    assert_int_equal(sfs_set(sfs_transaction_storage(transaction), sfs_string("z"),
                             sfs_string("z"), NULL), SFS_E_CONFLICT);
}

/* Two transactions begun at once, the second to commit fails if it needs what the first wrote. */
static void check_pair(struct fixture *fixture, const struct change *first,
                       const struct change *second)
{
    assert_int_equal(sfs_clear(fixture->store, NULL), 0);
    const char *const keys[] = {"k", "l", "p/1", "p/2"};
    for (size_t i = 0; i < 4; i++)
        set(fixture->store, keys[i], "old");
    struct sfs_transaction *one = begin(fixture->store);
    struct sfs_transaction *two = begin(fixture->other);
    struct sfs_error error = {0};
    apply_change(sfs_transaction_storage(one), first);
    apply_change(sfs_transaction_storage(two), second);
    commit(one);
    int code = sfs_commit(two, NULL, &error);
    if (first->writes & second->needs) {
        if (code != SFS_E_CONFLICT)
            fail_msg("%s, %s: %d %s", first->name, second->name, code, error.message);
        check_failed(two, &error);
    } else if (code) {
        fail_msg("%s, %s: %s", first->name, second->name, error.message);
    }
    sfs_transaction_free(two);
}

static void test_first_committer_wins(void **state)
{
    for (size_t i = 0; i < CHANGES; i++) {
        for (size_t j = 0; j < CHANGES; j++)
            check_pair(*state, &changes[i], &changes[j]);
    }
}

static void test_conflict_keeps_the_first_value(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    set(fixture->store, "k", "0");
    struct sfs_transaction *transaction = begin(fixture->store);
    set(sfs_transaction_storage(transaction), "k", "mine");
    set(sfs_transaction_storage(transaction), "m", "mine");
    set(fixture->other, "k", "theirs");
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_CONFLICT);
    assert_non_null(strstr(error.message, "'k'"));
    check_value(sfs_transaction_storage(transaction), "k", "mine");
    sfs_rollback(transaction);
    sfs_transaction_free(transaction);
    check_value(fixture->store, "k", "theirs");
    check_value(fixture->store, "m", NULL);
}

static void test_empty_range_is_guarded(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_batch *batch;
    set(fixture->store, "k", "0");
    struct sfs_transaction *transaction = begin(fixture->store);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    require_p(batch);
    assert_int_equal(sfs_apply(sfs_transaction_storage(transaction), batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    set(fixture->other, "p/5", "1");
    assert_int_equal(sfs_commit(transaction, NULL, NULL), SFS_E_CONFLICT);
    sfs_transaction_free(transaction);
    check_value(fixture->store, "l", NULL);
}

/* --- savepoints --- */

static void test_savepoints(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "0");
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    set(inside, "a", "1");
    assert_int_equal(sfs_savepoint(transaction, "one", NULL), 0);
    assert_int_equal(sfs_savepoint(transaction, "one", NULL), SFS_E_EXISTS);
    set(inside, "a", "2");
    set(inside, "b", "2");
    assert_int_equal(sfs_savepoint(transaction, "two", NULL), 0);
    assert_int_equal(sfs_delete(inside, sfs_string("a"), NULL), 1);
    assert_int_equal(sfs_savepoint_rollback(transaction, "two", NULL), 0);
    check_value(inside, "a", "2");
    assert_int_equal(sfs_savepoint_rollback(transaction, "one", NULL), 0);
    check_value(inside, "a", "1");
    check_value(inside, "b", NULL);
    assert_int_equal(sfs_savepoint_rollback(transaction, "two", NULL), SFS_E_NOT_FOUND);
    /* It is kept, and works again. */
    set(inside, "c", "3");
    assert_int_equal(sfs_savepoint_rollback(transaction, "one", NULL), 0);
    set(inside, "d", "4");
    assert_int_equal(sfs_savepoint_release(transaction, "one", NULL), 0);
    assert_int_equal(sfs_savepoint_release(transaction, "one", NULL), SFS_E_NOT_FOUND);
    /* What was rolled back is no reason for a conflict. */
    set(fixture->other, "b", "theirs");
    commit(transaction);
    check_names(fixture->store, "a b d");
    check_value(fixture->store, "a", "1");
    check_value(fixture->store, "b", "theirs");
}

/* --- time limits, status, refusals --- */

static void test_expires(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_transaction_options options = {.isolation = SFS_SNAPSHOT, .idle_ms = 400000};
    struct sfs_transaction *transaction;
    struct sfs_error error;
    set(fixture->store, "a", "1");
    assert_int_equal(sfs_begin(fixture->store, &options, &transaction, NULL), 0);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    set(inside, "b", "1");
    /* Use of what it wrote itself keeps the snapshot too. */
    for (int i = 0; i < 8; i++) {
        let_pass(100000);
        check_value(inside, "b", "1");
    }
    check_value(inside, "a", "1");
    let_pass(600000);
    struct sfs_buffer value = {0};
    assert_int_equal(sfs_get_value(inside, sfs_string("b"), &value, &error), SFS_E_EXPIRED);
    assert_int_equal(sfs_commit(transaction, NULL, &error), SFS_E_EXPIRED);
    assert_non_null(strstr(error.message, "400000 ms"));
    assert_int_equal(state_of(transaction), SFS_FAILED);
    sfs_transaction_free(transaction);
    check_value(fixture->store, "b", NULL);
}

static int note_change(void *context, struct sfs_bytes name, const struct sfs_record *before,
                       const struct sfs_record *after)
{
    char shown[32];
    return sfs_buffer_printf(context, "%s%s ", before ? after ? "~" : "-" : "+",
                             sfs_name_show(name, shown, sizeof(shown)));
}

static void test_status_and_changes(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_transaction_status status;
    struct sfs_buffer text = {0};
    set(fixture->store, "a", "1");
    set(fixture->store, "b", "1");
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    set(inside, "z", "1");
    set(inside, "c", "1");
    sfs_delete(inside, sfs_string("c"), NULL);
    sfs_delete(inside, sfs_string("missing"), NULL);
    sfs_delete(inside, sfs_string("a"), NULL);
    set(inside, "b", "2");
    assert_int_equal(sfs_transaction_changes(transaction, note_change, &text, NULL), 0);
    assert_int_equal(sfs_buffer_text(&text), 0);
    assert_string_equal(text.data, "-a ~b +z ");
    sfs_buffer_free(&text);
    sfs_transaction_status(transaction, &status);
    assert_int_equal(status.state, SFS_ACTIVE);
    assert_int_equal(status.isolation, SFS_SNAPSHOT);
    assert_int_equal(status.operations, 5);
    uint64_t sequence;
    assert_int_equal(sfs_sequence(fixture->store, &sequence, NULL), 0);
    assert_int_equal(status.sequence, sequence);
    assert_true(status.used >= status.begun);
    commit(transaction);
}

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_transaction *transaction = NULL;
    struct sfs_error error;
    struct sfs_transaction_options options = {.isolation = (enum sfs_isolation)7};
    assert_int_equal(sfs_begin(fixture->store, &options, &transaction, &error), SFS_E_INVALID);
    assert_null(transaction);
    /* An empty commit writes nothing. */
    uint64_t before, after, got;
    assert_int_equal(sfs_sequence(fixture->store, &before, NULL), 0);
    transaction = begin(fixture->store);
    assert_int_equal(sfs_commit(transaction, &got, NULL), 0);
    assert_int_equal(sfs_sequence(fixture->store, &after, NULL), 0);
    assert_int_equal(before, after);
    assert_int_equal(got, after);
    sfs_transaction_free(transaction);
    sfs_transaction_free(NULL);
}

static void test_failed_batch_leaves_no_trace(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_batch *batch;
    struct sfs_transaction_status status;
    struct sfs_transaction *transaction = begin(fixture->store);
    struct sfs_storage *inside = sfs_transaction_storage(transaction);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    put_k(batch);
    sfs_batch_delete(batch, sfs_string("missing"), SFS_BATCH_MUST_EXIST, NULL);
    assert_int_equal(sfs_apply(inside, batch, NULL, NULL, NULL), SFS_E_NOT_FOUND);
    sfs_batch_free(batch);
    check_names(inside, "");
    sfs_transaction_status(transaction, &status);
    assert_int_equal(status.operations, 0);
    set(fixture->other, "k", "theirs");
    set(inside, "m", "mine");
    commit(transaction);
    check_names(fixture->store, "k m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_sees_snapshot_and_own_writes),
        BOTH(test_cursor_and_snapshot_inside),
        BOTH(test_first_committer_wins),
        BOTH(test_conflict_keeps_the_first_value),
        BOTH(test_empty_range_is_guarded),
        BOTH(test_savepoints),
        BOTH(test_expires),
        BOTH(test_status_and_changes),
        BOTH(test_refusals),
        BOTH(test_failed_batch_leaves_no_trace),
    };
    return cmocka_run_group_tests_name("transaction", tests, NULL, NULL);
}
