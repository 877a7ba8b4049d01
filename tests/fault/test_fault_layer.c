/* SPDX-License-Identifier: MIT */
/*
 * The fault layer makes just those calls fail that it was told to, after as many as it was told,
 * and a call that fails leaves the store as it was, on every backend.
 */
#include <stdio.h>

#include "tests/conformance/short.h"

static void set_fault(struct fixture *f, unsigned calls, uint64_t after, int code)
{
    const struct sfs_fault_options options = {.calls = calls, .after = after, .code = code};
    sfs_fault_set(f->store, &options);
}

static void only_what_is_meant_fails(void **state)
{
    struct fixture *f = *state;
    struct sfs_buffer value = {0};
    uint64_t sequence = 0;
    put(f, L("a"), L("1"));
    set_fault(f, SFS_FAULT_WRITE, 0, SFS_E_NO_SPACE);
    assert_int_equal(sfs_set(f->store, L("a"), L("2"), &f->error), SFS_E_NO_SPACE);
    assert_int_equal(f->error.code, SFS_E_NO_SPACE);
    assert_int_equal(sfs_sync(f->store, 0, NULL), SFS_E_NO_SPACE);
    struct sfs_stage *stage = NULL;
    assert_int_equal(sfs_stage_open(f->store, &stage, NULL), SFS_E_NO_SPACE);
    expect_bytes(f->store, L("a"), L("1"));
    OK(sfs_sequence(f->store, &sequence, NULL));
    set_fault(f, SFS_FAULT_READ, 0, SFS_E_IO);
    assert_int_equal(sfs_get_value(f->store, L("a"), &value, NULL), SFS_E_IO);
    struct sfs_cursor *cursor = NULL;
    assert_int_equal(sfs_scan(f->store, everything(), 0, &cursor, NULL), SFS_E_IO);
    OK(sfs_set(f->store, L("b"), L("2"), NULL));
    set_fault(f, SFS_FAULT_TIME, 0, SFS_E_TIMED_OUT);
    struct sfs_storage *snapshot = NULL;
    bool snapshots = fixture_can(f, SFS_CAN_SNAPSHOT); /* else it is refused before it is called */
    assert_int_equal(sfs_snapshot(f->store, 0, &snapshot, NULL),
                     snapshots ? SFS_E_TIMED_OUT : SFS_E_UNSUPPORTED);
    assert_int_equal(sfs_sequence(f->store, &sequence, NULL), SFS_E_TIMED_OUT);
    expect_names(f->store, "a b ");
    set_fault(f, 0, 0, 0);
    OK(sfs_sequence(f->store, &sequence, NULL));
}

static void fails_after_a_count(void **state)
{
    struct fixture *f = *state;
    set_fault(f, SFS_FAULT_WRITE, 3, SFS_E_IO);
    for (int i = 0; i < 3; i++)
        OK(sfs_set(f->store, L("a"), L("1"), NULL));
    for (int i = 0; i < 3; i++)
        assert_int_equal(sfs_set(f->store, L("b"), L("1"), NULL), SFS_E_IO);
    expect_names(f->store, "a ");
}

/* A scan that fails in the middle says so, and does not look like its end. */
static void scan_fails_in_the_middle(void **state)
{
    struct fixture *f = *state;
    const struct sfs_record *record = NULL;
    struct sfs_cursor *cursor = NULL;
    struct sfs_totals totals;
    char name[] = "k0";
    for (int i = 0; i < 9; i++, name[1]++)
        put(f, sfs_string(name), L("v"));
    for (uint64_t after = 1; after < 9; after++) {
        set_fault(f, SFS_FAULT_READ, after, SFS_E_IO);
        OK(sfs_scan(f->store, everything(), 0, &cursor, NULL));
        for (uint64_t i = 1; i < after; i++)
            assert_int_equal(sfs_cursor_next(cursor, &record, NULL), 1);
        assert_int_equal(sfs_cursor_next(cursor, &record, &f->error), SFS_E_IO);
        sfs_cursor_close(cursor);
        set_fault(f, SFS_FAULT_READ, after, SFS_E_IO);
        assert_int_equal(sfs_totals(f->store, &totals, NULL), SFS_E_IO);
    }
    set_fault(f, 0, 0, 0);
    expect_names(f->store, "k0 k1 k2 k3 k4 k5 k6 k7 k8 ");
}

/* Derived calls fail at whatever call below them fails, and change nothing then. */
static void derived_calls_fail_whole(void **state)
{
    struct fixture *f = *state;
    const struct sfs_bytes keys[] = {L("a"), L("b"), L("c")};
    uint64_t count = 77;
    for (size_t i = 0; i < 3; i++)
        put(f, keys[i], L("v"));
    char *content = dump(f->store);
    int code = SFS_E_IO;
    for (uint64_t after = 0; after < 3; after++) {
        const struct sfs_record *records[3] = {0};
        set_fault(f, SFS_FAULT_READ, after, SFS_E_IO);
        assert_int_equal(sfs_delete_many(f->store, keys, 3, &count, NULL), code);
        set_fault(f, SFS_FAULT_READ, after, SFS_E_IO);
        assert_int_equal(sfs_get_many(f->store, keys, 3, records, NULL), code);
        assert_null(records[0]);
        set_fault(f, 0, 0, 0);
        expect_dump(f->store, content);
    }
    set_fault(f, SFS_FAULT_WRITE, 0, SFS_E_IO);
    assert_int_equal(sfs_delete_many(f->store, keys, 3, &count, NULL), code);
    assert_int_equal(count, 77);
    set_fault(f, 0, 0, 0);
    expect_dump(f->store, content);
    free(content);
}

/* A transaction whose commit fails at the store below can be committed later. */
static void commit_fails(void **state)
{
    struct fixture *f = *state;
    struct sfs_transaction *transaction = NULL;
    put(f, L("a"), L("1"));
    const struct sfs_transaction_options weak = {.isolation = SFS_READ_COMMITTED};
    bool snapshots = fixture_can(f, SFS_CAN_SNAPSHOT);
    OK(sfs_begin(f->store, snapshots ? NULL : &weak, &transaction, NULL));
    OK(sfs_set(sfs_transaction_storage(transaction), L("a"), L("2"), NULL));
    OK(sfs_set(sfs_transaction_storage(transaction), L("b"), L("3"), NULL));
    set_fault(f, SFS_FAULT_WRITE, 0, SFS_E_NO_SPACE);
    assert_int_equal(sfs_commit(transaction, NULL, &f->error), SFS_E_NO_SPACE);
    set_fault(f, 0, 0, 0);
    expect_names(f->store, "a ");
    expect_bytes(f->store, L("a"), L("1"));
    OK(sfs_commit(transaction, NULL, NULL));
    sfs_transaction_free(transaction);
    expect_bytes(f->store, L("a"), L("2"));
    expect_names(f->store, "a b ");
}

static void bad_options_are_refused(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *layer = NULL;
    const struct sfs_fault_options bad = {.calls = SFS_FAULT_READ, .code = 5};
    assert_int_equal(sfs_fault_layer(&layer, f->store, &bad, &f->error), SFS_E_INVALID);
    assert_null(layer);
    put(f, L("a"), L("1"));
}

#define ROW(function)                                                                              \
    {                                                                                              \
#function, function, fixture_set_up, fixture_tear_down, (void *)(uintptr_t)stack           \
    }

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < STACK_COUNT; i++) {
        const struct stack *stack = &stack_table()[i];
        if (stack->layers != STACK_FAULT)
            continue;
        const struct CMUnitTest tests[] = {
            ROW(only_what_is_meant_fails), ROW(fails_after_a_count), ROW(scan_fails_in_the_middle),
            ROW(derived_calls_fail_whole), ROW(commit_fails),        ROW(bad_options_are_refused),
        };
        failed += cmocka_run_group_tests_name(stack->name, tests, NULL, NULL);
    }
    return failed;
}
