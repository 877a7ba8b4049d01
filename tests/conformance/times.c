/* SPDX-License-Identifier: MIT */
/* Directed tests: sequence numbers, sync and snapshots. */
#include "tests/conformance/directed.h"
#include "tests/unit/own_clock.h"

static void capabilities_are_honest(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_feed *feed = NULL;
    int code = sfs_snapshot(f->store, 0, &snapshot, &f->error);
    assert_int_equal(code, fixture_can(f, SFS_CAN_SNAPSHOT) ? 0 : SFS_E_UNSUPPORTED);
    code = sfs_changes(f->store, UINT64_MAX, &feed, &f->error);
    assert_int_equal(code, fixture_can(f, SFS_CAN_CHANGES) ? 0 : SFS_E_UNSUPPORTED);
    sfs_feed_close(feed);
    sfs_feed_close(NULL);
    OK(sfs_close(snapshot, NULL));
    OK(sfs_close(NULL, NULL));
    /* What each backend is to have at the least. */
    bool plain = strncmp(f->stack->uri, "dir:", 4) == 0; /* files know the present only */
    if (!f->transaction && !plain)
        assert_true(fixture_can(f, SFS_CAN_SNAPSHOT | SFS_CAN_CHANGES));
    if (!f->transaction && plain)
        assert_true(fixture_can(f, SFS_CAN_PERSIST) && !fixture_can(f, SFS_CAN_SHARE));
    if (strncmp(f->stack->uri, "sqlite:", 7) == 0 && !f->transaction)
        assert_true(fixture_can(f, SFS_CAN_SHARE | SFS_CAN_PERSIST));
}

static void sequence_grows(void **state)
{
    struct fixture *f = *state;
    uint64_t before = 0, now = 0;
    OK(sfs_sequence(f->store, &before, NULL));
    for (int i = 0; i < 5; i++) {
        uint64_t sequence = put(f, L("a"), L("1"));
        assert_true(sequence > before);
        OK(sfs_sequence(f->store, &now, NULL));
        assert_int_equal(now, sequence);
        before = now;
    }
    OK(sfs_sync(f->store, before, NULL));
    OK(sfs_sync(f->store, 0, NULL));
}

static void snapshot_stays(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    uint64_t shown = 0, now = 0;
    put(f, L("a"), L("1"));
    put(f, L("b/x"), L("2"));
    put(f, L("b/\0"), L(""));
    uint64_t sequence = put_link(f, L("link"), L("a"));
    char *content = dump(f->store);
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_sequence(snapshot, &shown, NULL));
    assert_int_equal(shown, sequence);
    OK(sfs_batch_put(f->batch, L("a"), L("other"), NULL, 0, NULL));
    OK(sfs_batch_rename_prefix(f->batch, L("b/"), L("c/"), NULL));
    OK(sfs_batch_delete(f->batch, L("link"), 0, NULL));
    OK(sfs_batch_put(f->batch, L("new"), L("3"), NULL, 0, NULL));
    apply(f, 0);
    expect_dump(snapshot, content);
    expect_bytes(snapshot, L("a"), L("1"));
    expect_none(snapshot, L("new"));
    expect_none(snapshot, L("c/x"));
    OK(sfs_clear(f->store, NULL));
    expect_dump(snapshot, content);
    char data[4];
    size_t got = 0;
    OK(sfs_read(snapshot, L("b/x"), 0, 0, data, 4, &got, NULL));
    assert_true(sfs_bytes_equal(sfs_bytes(data, got), L("2")));
    OK(sfs_sequence(snapshot, &now, NULL));
    assert_int_equal(now, shown);
    OK(sfs_close(snapshot, NULL));
    free(content);
}

static void snapshot_is_read_only(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    struct sfs_stage *stage = NULL;
    put(f, L("a"), L("1"));
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    assert_int_equal(sfs_set(snapshot, L("a"), L("2"), &f->error), SFS_E_READ_ONLY);
    assert_int_equal(sfs_clear(snapshot, NULL), SFS_E_READ_ONLY);
    assert_int_equal(sfs_stage_open(snapshot, &stage, NULL), SFS_E_READ_ONLY);
    expect_bytes(f->store, L("a"), L("1"));
    expect_bytes(snapshot, L("a"), L("1"));
    OK(sfs_close(snapshot, NULL));
}

/* Many snapshots of different states at once, closed out of order. */
static void snapshots_live_together(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshots[8] = {0};
    char *contents[8], digit[] = "0";
    for (size_t i = 0; i < 8; i++) {
        digit[0] = (char)('0' + i);
        put(f, L("same"), sfs_string(digit));
        put(f, sfs_string(digit), L("new"));
        if (i)
            OK(sfs_delete(f->store, L("gone"), NULL) == (i % 2 == 0) ? 0 : 1);
        if (i % 2)
            put(f, L("gone"), sfs_string(digit));
        contents[i] = dump(f->store);
        OK(sfs_snapshot(f->store, 0, &snapshots[i], NULL));
    }
    const size_t order[] = {3, 0, 7, 1, 6, 2, 5, 4};
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = i; j < 8; j++)
            expect_dump(snapshots[order[j]], contents[order[j]]);
        OK(sfs_close(snapshots[order[i]], NULL));
        put(f, L("same"), L("later"));
        free(contents[order[i]]);
    }
}

/* The value of a snapshot, large and patched afterwards. */
static void snapshot_of_a_large_value(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    size_t size = (size_t)2 << 20;
    char *bytes = pattern(size, 9), part[100];
    put(f, L("a"), sfs_bytes(bytes, size));
    OK(sfs_snapshot(f->store, 0, &snapshot, NULL));
    OK(sfs_batch_write(f->batch, L("a"), 1000000, L("changed"), NULL));
    OK(sfs_batch_truncate(f->batch, L("a"), 1500000, NULL));
    apply(f, 0);
    expect_bytes(snapshot, L("a"), sfs_bytes(bytes, size));
    size_t got = 0;
    OK(sfs_read(snapshot, L("a"), 0, 999990, part, sizeof(part), &got, NULL));
    assert_int_equal(got, sizeof(part));
    assert_memory_equal(part, bytes + 999990, sizeof(part));
    memcpy(bytes + 1000000, "changed", 7);
    expect_bytes(f->store, L("a"), sfs_bytes(bytes, 1500000));
    OK(sfs_close(snapshot, NULL));
    free(bytes);
}

static void lease_ends(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *snapshot = NULL;
    const struct sfs_record *record = NULL;
    if (f->transaction)
        return; /* the transaction's own lease holds its snapshots */
    put(f, L("a"), L("1"));
    OK(sfs_snapshot(f->store, 150000, &snapshot, NULL));
    for (int i = 0; i < 5; i++) {
        let_pass(50000);
        expect_bytes(snapshot, L("a"), L("1")); /* each use renews it */
    }
    uint64_t lease = sfs_snapshot_lease(snapshot);
    let_pass(400000);
    put(f, L("a"), L("2"));
    assert_int_equal(sfs_get(snapshot, L("a"), 0, &record, &f->error), SFS_E_EXPIRED);
    OK(sfs_batch_require_lease(f->batch, lease, NULL));
    apply(f, SFS_E_EXPIRED);
    struct sfs_cursor *cursor = NULL;
    /* A scan may look only when its first record is wanted. */
    int code = sfs_scan(snapshot, everything(), 0, &cursor, &f->error);
    if (code == 0)
        code = sfs_cursor_next(cursor, &record, &f->error);
    assert_int_equal(code, SFS_E_EXPIRED);
    sfs_cursor_close(cursor);
    OK(sfs_close(snapshot, NULL));
}

/* A snapshot of a snapshot is the same state, where it is given at all. */
static void snapshot_of_a_snapshot(void **state)
{
    struct fixture *f = *state;
    struct sfs_storage *first = NULL, *second = NULL;
    put(f, L("a"), L("1"));
    OK(sfs_snapshot(f->store, 0, &first, NULL));
    put(f, L("a"), L("2"));
    bool can = sfs_storage_capabilities(first) & SFS_CAN_SNAPSHOT;
    assert_int_equal(sfs_snapshot(first, 0, &second, NULL), can ? 0 : SFS_E_UNSUPPORTED);
    if (can)
        expect_bytes(second, L("a"), L("1"));
    OK(sfs_close(second, NULL));
    expect_bytes(first, L("a"), L("1"));
    OK(sfs_close(first, NULL));
}

const struct conformance_test time_tests[] = {
    {"capabilities are honest", capabilities_are_honest, 0},
    {"the sequence grows", sequence_grows, 0},
    {"a snapshot stays", snapshot_stays, SFS_CAN_SNAPSHOT},
    {"a snapshot is read-only", snapshot_is_read_only, SFS_CAN_SNAPSHOT},
    {"snapshots live together", snapshots_live_together, SFS_CAN_SNAPSHOT},
    {"a snapshot of a large value", snapshot_of_a_large_value, SFS_CAN_SNAPSHOT},
    {"a lease ends", lease_ends, SFS_CAN_SNAPSHOT},
    {"a snapshot of a snapshot", snapshot_of_a_snapshot, SFS_CAN_SNAPSHOT},
    {0},
};
