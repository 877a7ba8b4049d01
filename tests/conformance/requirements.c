/* SPDX-License-Identifier: MIT */
/* Directed tests: preconditions of a batch. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/conformance/directed.h"

/* With a condition in the batch: adds a put and applies, expecting the code. */
static void try_put(struct fixture *f, int expected)
{
    OK(sfs_batch_put(f->batch, L("written"), L("1"), NULL, 0, NULL));
    if (expected) {
        apply_fails(f, expected);
        return;
    }
    APPLY_AFFECTING(f, 1);
    expect_bytes(f->store, L("written"), L("1"));
    OK(sfs_batch_delete(f->batch, L("written"), SFS_BATCH_MUST_EXIST, NULL));
    APPLY_AFFECTING(f, 1);
}

static void require_absent(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    put(f, L("d/\0"), L(""));
    OK(sfs_batch_require_absent(f->batch, L("b"), NULL));
    OK(sfs_batch_require_absent(f->batch, L("written"), NULL));
    try_put(f, 0);
    OK(sfs_batch_require_absent(f->batch, L("a"), NULL));
    try_put(f, SFS_E_EXISTS);
    OK(sfs_batch_require_absent(f->batch, L("d/\0"), NULL));
    try_put(f, SFS_E_EXISTS);
    /* The state before the batch counts. */
    OK(sfs_batch_delete(f->batch, L("a"), 0, NULL));
    OK(sfs_batch_require_absent(f->batch, L("a"), NULL));
    try_put(f, SFS_E_EXISTS);
}

static void require_revision(void **state)
{
    struct fixture *f = *state;
    char numbers[2][40];
    uint64_t first = put(f, L("a"), L("1"));
    uint64_t second = put(f, L("a"), L("2"));
    OK(sfs_batch_require_revision(f->batch, L("a"), second, NULL));
    OK(sfs_batch_require_revision(f->batch, L("b"), 0, NULL));
    try_put(f, 0);
    OK(sfs_batch_require_revision(f->batch, L("a"), first, NULL));
    try_put(f, SFS_E_CONFLICT);
    snprintf(numbers[0], sizeof(numbers[0]), "%" PRIu64, first);
    snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu64, second);
    assert_non_null(strstr(f->error.message, "'a'"));
    assert_non_null(strstr(f->error.message, numbers[0]));
    assert_non_null(strstr(f->error.message, numbers[1]));
    OK(sfs_batch_require_revision(f->batch, L("a"), 0, NULL));
    try_put(f, SFS_E_CONFLICT);
    OK(sfs_batch_require_revision(f->batch, L("b"), first, NULL));
    try_put(f, SFS_E_CONFLICT);
    /* The second of two that fails. */
    OK(sfs_batch_require_revision(f->batch, L("a"), second, NULL));
    OK(sfs_batch_require_revision(f->batch, L("b"), second, NULL));
    try_put(f, SFS_E_CONFLICT);
}

static void require_id(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    put(f, L("b"), L("1"));
    const struct sfs_record *a = get(f->store, L("a"));
    const struct sfs_record *b = get(f->store, L("b"));
    put(f, L("a"), L("2"));
    OK(sfs_batch_require_id(f->batch, L("a"), a->attributes.id, NULL));
    try_put(f, 0);
    OK(sfs_batch_require_id(f->batch, L("a"), b->attributes.id, NULL));
    try_put(f, SFS_E_CONFLICT);
    OK(sfs_batch_require_id(f->batch, L("none"), a->attributes.id, NULL));
    try_put(f, SFS_E_CONFLICT);
    OK(sfs_batch_exchange(f->batch, L("a"), L("b"), NULL));
    APPLY_AFFECTING(f, 2);
    OK(sfs_batch_require_id(f->batch, L("a"), b->attributes.id, NULL));
    OK(sfs_batch_require_id(f->batch, L("b"), a->attributes.id, NULL));
    try_put(f, 0);
    sfs_record_unref(a);
    sfs_record_unref(b);
}

static void require_empty(void **state)
{
    struct fixture *f = *state;
    put(f, L("b"), L("1"));
    put(f, L("d/\0"), L(""));
    OK(sfs_batch_require_empty(f->batch, range_of(L("a"), L("b")), NULL));
    OK(sfs_batch_require_empty(f->batch, range_of(L("b\x01"), L("d/")), NULL));
    OK(sfs_batch_require_empty(f->batch, range_of(L("e"), L("")), NULL));
    try_put(f, 0);
    OK(sfs_batch_require_empty(f->batch, range_of(L("b"), L("c")), NULL));
    try_put(f, SFS_E_NOT_EMPTY);
    OK(sfs_batch_require_empty(f->batch, range_of(L("d/"), L("d0")), NULL));
    try_put(f, SFS_E_NOT_EMPTY);
    OK(sfs_batch_require_empty(f->batch, everything(), NULL));
    try_put(f, SFS_E_NOT_EMPTY);
}

static void require_unchanged(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    uint64_t since = 0, now = 0;
    put(f, L("a"), L("1"));
    put(f, L("b/x"), L("1"));
    put(f, L("c"), L("1"));
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &since, NULL));
    OK(sfs_batch_require_unchanged(f->batch, everything(), since, NULL));
    OK(sfs_batch_put(f->batch, L("b/x"), L("2"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("m"), L("2"), NULL, 0, NULL));
    OK(sfs_batch_delete(f->batch, L("c"), 0, NULL));
    APPLY_AFFECTING(f, 1, 1, 1);
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("a"), L("b/x")), since, NULL));
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("b/y"), L("c")), since, NULL));
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("d"), L("m")), since, NULL));
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("x"), L("")), since, NULL));
    OK(sfs_batch_put(f->batch, L("w"), L("1"), NULL, 0, NULL));
    APPLY_AFFECTING(f, 1);
    const struct sfs_range changed[] = {
        range_of(L("b/"), L("b0")),
        range_of(L("c"), L("d")),
        range_of(L("m"), L("n")),
        range_of(L("w"), L("")),
        everything(),
    };
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        OK(sfs_batch_require_unchanged(f->batch, changed[i], since, NULL));
        try_put(f, SFS_E_CONFLICT);
    }
    OK(sfs_sequence(f->store, &now, NULL));
    OK(sfs_batch_require_unchanged(f->batch, everything(), now, NULL));
    OK(sfs_batch_delete(f->batch, L("w"), 0, NULL));
    APPLY_AFFECTING(f, 1);
    OK(sfs_close(snapshot, NULL));
}

/* What was made and is gone again is as it was; what was changed back is another revision. */
static void require_unchanged_compares_states(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    uint64_t since = 0;
    if (f->transaction)
        return; /* one keeps no history of its own batches, and may refuse more than it must */
    put(f, L("a"), L("1"));
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &since, NULL));
    for (int i = 0; i < 3; i++) {
        put(f, L("passing"), L("1"));
        OK(sfs_delete(f->store, L("passing"), NULL) == 1 ? 0 : 1);
    }
    OK(sfs_batch_require_unchanged(f->batch, everything(), since, NULL));
    try_put(f, 0);
    put(f, L("passing"), L("1"));
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("p"), L("q")), since, NULL));
    try_put(f, SFS_E_CONFLICT);
    put(f, L("a"), L("2"));
    put(f, L("a"), L("1"));
    OK(sfs_batch_require_unchanged(f->batch, range_of(L("a"), L("b")), since, NULL));
    try_put(f, SFS_E_CONFLICT);
    OK(sfs_close(snapshot, NULL));
}

/* Renames count for both names. */
static void require_unchanged_sees_renames(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    uint64_t since = 0;
    put(f, L("a"), L("1"));
    put(f, L("d/x"), L("1"));
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &since, NULL));
    OK(sfs_batch_rename(f->batch, L("a"), L("b"), 0, NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("d/"), L("e/"), NULL));
    APPLY_AFFECTING(f, 1, 1);
    const struct sfs_range changed[] = {range_of(L("a"), L("a0")), range_of(L("b"), L("c")),
                                        range_of(L("d/"), L("d0")), range_of(L("e/"), L("e0"))};
    for (size_t i = 0; i < 4; i++) {
        OK(sfs_batch_require_unchanged(f->batch, changed[i], since, NULL));
        try_put(f, SFS_E_CONFLICT);
    }
    OK(sfs_close(snapshot, NULL));
}

static int is_large(void *context, const struct sfs_record *record)
{
    return record->size > *(const uint64_t *)context;
}

static int cannot_tell(void *context, const struct sfs_record *record)
{
    (void)context;
    (void)record;
    return SFS_E_TOO_LARGE;
}

static void require_no_match(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    uint64_t since = 0, two = 2, five = 5, ten = 10;
    put(f, L("old"), L("1234567"));
    put(f, L("untouched"), L("12345678901234567890"));
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &since, NULL));
    OK(sfs_batch_require_no_match(f->batch, since, is_large, &two, NULL));
    OK(sfs_batch_put(f->batch, L("old"), L("1"), NULL, 0, NULL));
    OK(sfs_batch_put(f->batch, L("new"), L("1234"), NULL, 0, NULL));
    APPLY_AFFECTING(f, 1, 1);
    /* The record before matches, then the one after, then neither. */
    OK(sfs_batch_require_no_match(f->batch, since, is_large, &five, NULL));
    try_put(f, SFS_E_CONFLICT);
    OK(sfs_batch_require_no_match(f->batch, since, is_large, &two, NULL));
    try_put(f, SFS_E_CONFLICT);
    OK(sfs_batch_require_no_match(f->batch, since, cannot_tell, NULL, NULL));
    try_put(f, SFS_E_TOO_LARGE);
    OK(sfs_batch_require_no_match(f->batch, since, is_large, &ten, NULL));
    try_put(f, 0);
    OK(sfs_close(snapshot, NULL));
}

static void require_lease(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    uint64_t lease = sfs_snapshot_lease(snapshot);
    assert_true(lease != 0);
    OK(sfs_batch_require_lease(f->batch, lease, NULL));
    try_put(f, 0);
    OK(sfs_batch_require_lease(f->batch, lease + 1000000, NULL));
    try_put(f, SFS_E_EXPIRED);
    OK(sfs_close(snapshot, NULL));
    /* Snapshots inside a transaction share the lease that the transaction holds. */
    OK(sfs_batch_require_lease(f->batch, lease, NULL));
    try_put(f, f->transaction ? 0 : SFS_E_EXPIRED);
}

static void all_conditions_come_first(void **state)
{
    struct fixture *f = *state;
    put(f, L("a"), L("1"));
    OK(sfs_batch_delete(f->batch, L("none"), SFS_BATCH_MUST_EXIST, NULL));
    OK(sfs_batch_require_absent(f->batch, L("a"), NULL));
    apply_fails(f, SFS_E_EXISTS);
    OK(sfs_batch_require_absent(f->batch, L("b"), NULL));
    uint64_t before = 0, after = 0;
    OK(sfs_sequence(f->store, &before, NULL));
    apply(f, 0);
    OK(sfs_sequence(f->store, &after, NULL));
    assert_true(after >= before);
    OK(sfs_batch_require_absent(f->batch, L("a"), NULL));
    apply_fails(f, SFS_E_EXISTS);
}

const struct conformance_test requirement_tests[] = {
    {"require absent", require_absent, 0},
    {"require revision", require_revision, 0},
    {"require id", require_id, 0},
    {"require empty", require_empty, 0},
    {"require unchanged", require_unchanged, SFS_CAN_SNAPSHOT},
    {"require unchanged compares states", require_unchanged_compares_states, SFS_CAN_SNAPSHOT},
    {"require unchanged sees renames", require_unchanged_sees_renames, SFS_CAN_SNAPSHOT},
    {"require no match", require_no_match, SFS_CAN_SNAPSHOT},
    {"require lease", require_lease, SFS_CAN_SNAPSHOT},
    {"all conditions come first", all_conditions_come_first, 0},
    {0},
};
