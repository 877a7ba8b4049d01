/* SPDX-License-Identifier: MIT */
/* The engine in memory through the backend "memory:": reading, snapshots, leases, the feed,
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/memory_fixture.h"
#include "tests/unit/own_clock.h"

static struct sfs_storage *open_empty(void)
{
    struct sfs_storage *store = NULL;
    struct sfs_location location = {"memory", "", NULL, 0};
    assert_int_equal(sfs_memory_backend.open(&store, &location, SFS_OPEN_CREATE, NULL), 0);
    return store;
}

static void test_values(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    const struct sfs_record *record = NULL;
    char part[8];
    size_t got = 0;
    set(store, "a", "12345");
    set(store, "b", "");
    check_value(store, "a", "12345");
    check_value(store, "b", "");
    check_value(store, "c", NULL);
    check_totals(store, 2, 2, 5);
    assert_int_equal(sfs_get(store, SFS_LITERAL("a"), 0, &record, NULL), 0);
    assert_int_equal(record->revision, 1);
    assert_int_equal(record->attributes.type, SFS_TYPE_JSON);
    assert_int_equal(sfs_read(store, SFS_LITERAL("a"), 1, 3, part, sizeof(part), &got, NULL), 0);
    assert_int_equal(got, 2);
    assert_memory_equal(part, "45", 2);
    assert_int_equal(sfs_read(store, SFS_LITERAL("a"), 0, 5, part, sizeof(part), &got, NULL), 0);
    assert_int_equal(got, 0);
    set(store, "a", "changed");
    assert_int_equal(sfs_read(store, SFS_LITERAL("a"), record->revision, 0, part, 1, &got, NULL),
                     SFS_E_CONFLICT);
    uint64_t id = record->attributes.id;
    sfs_record_unref(record);
    assert_int_equal(sfs_get(store, SFS_LITERAL("a"), 0, &record, NULL), 0);
    assert_int_equal(record->attributes.id, id);
    assert_int_equal(record->revision, 3);
    sfs_record_unref(record);
    assert_int_equal(sfs_delete(store, SFS_LITERAL("a"), NULL), 1);
    assert_int_equal(sequence_of(store), 4);
    assert_int_equal(sfs_delete(store, SFS_LITERAL("a"), NULL), 0);
    assert_int_equal(sequence_of(store), 4);
    check_totals(store, 1, 1, 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_batch_fails_whole(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    struct sfs_batch *batch = NULL;
    set(store, "a", "old");
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("a"), SFS_LITERAL("new"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("z"), SFS_LITERAL("z"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_delete(batch, SFS_LITERAL("none"), SFS_BATCH_MUST_EXIST, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), SFS_E_NOT_FOUND);
    check_value(store, "a", "old");
    check_value(store, "z", NULL);
    check_totals(store, 1, 1, 3);
    assert_int_equal(sequence_of(store), 1);
    sfs_batch_free(batch);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- a backend whose saving fails --- */

struct failing {
    struct sfs_memory_storage base;
    struct sfs_storage_operations operations;
    int answer;
    uint64_t seen;  /* the sequence number of the last call */
    uint64_t names; /* how many names it was shown */
};

static int count_names(void *context, struct sfs_cursor *state, uint64_t sequence, bool durable,
                       struct sfs_error *error)
{
    struct failing *failing = context;
    const struct sfs_record *record = NULL;
    (void)durable;
    failing->seen = sequence;
    failing->names = 0;
    while (sfs_cursor_next(state, &record, NULL) == 1)
        failing->names++;
    return failing->answer ? sfs_fail(error, failing->answer, "test", "no") : 0;
}

static int close_failing(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    sfs_memory_engine_free(((struct sfs_memory_storage *)store)->engine);
    return 0;
}

static void test_persist(void **state)
{
    (void)state;
    struct failing failing = {.answer = 0};
    const struct sfs_memory_hooks hooks = {.persist = count_names, .context = &failing};
    failing.operations = (struct sfs_storage_operations){
        .name = "failing",
        .read = sfs_memory_read_operations(),
        .write = sfs_memory_write_operations(),
        .time = sfs_memory_time_operations(),
        .close = close_failing,
    };
    failing.base.storage.operations = &failing.operations;
    assert_int_equal(sfs_memory_engine_new(&failing.base.engine, &hooks, NULL), 0);
    struct sfs_storage *store = &failing.base.storage;
    set(store, "a", "1");
    assert_int_equal(failing.names, 1);
    failing.answer = SFS_E_NO_SPACE;
    assert_int_equal(sfs_set(store, SFS_LITERAL("b"), SFS_LITERAL("2"), NULL), SFS_E_NO_SPACE);
    assert_int_equal(failing.names, 2);
    assert_int_equal(failing.seen, 2);
    check_value(store, "b", NULL);
    assert_int_equal(sequence_of(store), 1);
    failing.answer = 0;
    set(store, "b", "3");
    assert_int_equal(failing.seen, 3);
    assert_int_equal(sequence_of(store), 3);
    check_value(store, "b", "3");
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void check_scan(struct sfs_cursor *cursor, const char *expected)
{
    const struct sfs_record *record = NULL;
    int result = sfs_cursor_next(cursor, &record, NULL);
    assert_int_equal(result, expected != NULL);
    if (expected)
        assert_true(sfs_bytes_equal(record->name, sfs_string(expected)));
}

static void test_scan_live(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    struct sfs_cursor *cursor = NULL;
    const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++)
        set(store, names[i], "1");
    struct sfs_range range = {SFS_LITERAL("b"), SFS_LITERAL("e")};
    assert_int_equal(sfs_scan(store, range, 0, &cursor, NULL), 0);
    check_scan(cursor, "b");
    set(store, "bb", "1");
    assert_int_equal(sfs_delete(store, SFS_LITERAL("b"), NULL), 1);
    assert_int_equal(sfs_delete(store, SFS_LITERAL("c"), NULL), 1);
    check_scan(cursor, "bb");
    check_scan(cursor, "d");
    check_scan(cursor, NULL);
    set(store, "da", "1");
    check_scan(cursor, "da");
    check_scan(cursor, NULL);
    assert_int_equal(sfs_cursor_seek(cursor, SFS_LITERAL("a"), NULL), 0);
    check_scan(cursor, "bb");
    assert_int_equal(sfs_cursor_seek(cursor, SFS_LITERAL("d"), NULL), 0);
    check_scan(cursor, "d");
    assert_int_equal(sfs_cursor_seek(cursor, SFS_LITERAL("e"), NULL), 0);
    check_scan(cursor, NULL);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_snapshot(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    struct sfs_storage *snapshot = NULL;
    struct sfs_storage *second = NULL;
    struct sfs_cursor *cursor = NULL;
    set(store, "a", "1");
    set(store, "b", "2");
    assert_int_equal(sfs_snapshot(store, 0, &snapshot, NULL), 0);
    set(store, "a", "new");
    set(store, "c", "3");
    assert_int_equal(sfs_delete(store, SFS_LITERAL("b"), NULL), 1);
    check_value(snapshot, "a", "1");
    check_value(snapshot, "b", "2");
    check_value(snapshot, "c", NULL);
    check_totals(snapshot, 2, 2, 2);
    check_totals(store, 2, 2, 4);
    assert_int_equal(sequence_of(snapshot), 2);
    assert_int_equal(sfs_set(snapshot, SFS_LITERAL("a"), SFS_LITERAL("x"), NULL), SFS_E_READ_ONLY);
    assert_int_equal(sfs_snapshot(snapshot, 0, &second, NULL), 0);
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_scan(second, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    check_scan(cursor, "a");
    check_scan(cursor, "b");
    check_scan(cursor, NULL);
    sfs_cursor_close(cursor);
    assert_int_equal(sfs_close(second, NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void test_lease(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    struct sfs_storage *snapshot = NULL;
    struct sfs_cursor *cursor = NULL;
    struct sfs_batch *batch = NULL;
    const struct sfs_record *record = NULL;
    set(store, "a", "1");
    assert_int_equal(sfs_snapshot(store, 400000, &snapshot, NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_require_lease(batch, sfs_snapshot_lease(snapshot), NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("l"), SFS_LITERAL("1"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    assert_int_equal(sfs_scan(snapshot, (struct sfs_range){0}, 0, &cursor, NULL), 0);
    for (int i = 0; i < 4; i++) {
        let_pass(150000);
        check_value(snapshot, "a", "1");
    }
    let_pass(600000);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), SFS_E_EXPIRED);
    assert_int_equal(sfs_get(snapshot, SFS_LITERAL("a"), 0, &record, NULL), SFS_E_EXPIRED);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), SFS_E_EXPIRED);
    assert_int_equal(sfs_cursor_seek(cursor, SFS_LITERAL("a"), NULL), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, NULL), SFS_E_EXPIRED);
    sfs_cursor_close(cursor);
    sfs_batch_free(batch);
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static void check_change(struct sfs_feed *feed, uint64_t sequence, const char *name,
                         const char *before, bool gone)
{
    struct sfs_change change = {0};
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 1);
    assert_int_equal(change.sequence, sequence);
    assert_true(sfs_bytes_equal(change.name, sfs_string(name)));
    assert_int_equal(change.revision, gone ? 0 : sequence);
    if (!before) {
        assert_null(change.before);
        return;
    }
    assert_true(sfs_bytes_equal(sfs_record_value(change.before), sfs_string(before)));
}

static void test_feed(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    struct sfs_feed *feed = NULL;
    struct sfs_feed *late = NULL;
    struct sfs_change change;
    struct sfs_batch *batch = NULL;
    set(store, "a", "1");
    assert_int_equal(sfs_changes(store, 0, &feed, NULL), SFS_E_TOO_OLD);
    assert_int_equal(sfs_changes(store, UINT64_MAX, &feed, NULL), 0);
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 0);
    assert_int_equal(sfs_feed_wait(feed, 10, NULL), 0);
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("b"), SFS_LITERAL("x"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("a"), SFS_LITERAL("2"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("a"), SFS_LITERAL("3"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("t"), SFS_LITERAL("3"), NULL, 0, NULL), 0);
    assert_int_equal(sfs_batch_delete(batch, SFS_LITERAL("t"), 0, NULL), 0);
    assert_int_equal(sfs_apply(store, batch, NULL, NULL, NULL), 0);
    sfs_batch_free(batch);
    assert_int_equal(sfs_delete(store, SFS_LITERAL("b"), NULL), 1);
    assert_int_equal(sfs_feed_wait(feed, 10000, NULL), 1);
    assert_int_equal(sfs_changes(store, 2, &late, NULL), 0);
    check_change(feed, 2, "a", "1", false);
    check_change(feed, 2, "b", NULL, false);
    check_change(late, 3, "b", "x", true);
    check_change(feed, 3, "b", "x", true);
    assert_int_equal(sfs_feed_next(feed, &change, NULL), 0);
    assert_int_equal(sfs_changes(store, 4, &late, NULL), SFS_E_TOO_OLD);
    sfs_feed_close(feed);
    set(store, "c", "4");
    check_change(late, 4, "c", NULL, false);
    sfs_feed_wake(late);
    assert_int_equal(sfs_feed_wait(late, 10000, NULL), SFS_E_CANCELLED);
    sfs_feed_close(late);
    assert_int_equal(sfs_close(store, NULL), 0);
}

static int has_x(void *context, const struct sfs_record *record)
{
    (void)context;
    return sfs_bytes_equal(sfs_record_value(record), SFS_LITERAL("x"));
}

static int apply_require(struct sfs_storage *store, uint64_t since, bool filter)
{
    struct sfs_batch *batch = NULL;
    struct sfs_range range = {SFS_LITERAL("k"), SFS_LITERAL("l")};
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    int added = filter ? sfs_batch_require_no_match(batch, since, has_x, NULL, NULL)
                       : sfs_batch_require_unchanged(batch, range, since, NULL);
    assert_int_equal(added, 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("own"), SFS_LITERAL("1"), NULL, 0, NULL), 0);
    int result = sfs_apply(store, batch, NULL, NULL, NULL);
    sfs_batch_free(batch);
    return result;
}

static void test_preconditions(void **state)
{
    (void)state;
    struct sfs_storage *store = open_empty();
    struct sfs_storage *snapshot = NULL;
    set(store, "k1", "x");
    uint64_t since = sequence_of(store);
    assert_int_equal(apply_require(store, since, false), 0);
    set(store, "a", "1");
    assert_int_equal(apply_require(store, since, false), SFS_E_TOO_OLD);
    since = sequence_of(store);
    assert_int_equal(sfs_snapshot(store, 0, &snapshot, NULL), 0);
    set(store, "a", "2");
    assert_int_equal(apply_require(store, since, false), 0);
    assert_int_equal(apply_require(store, since, true), 0);
    set(store, "k1", "y");
    assert_int_equal(apply_require(store, since, false), SFS_E_CONFLICT);
    assert_int_equal(apply_require(store, since, true), SFS_E_CONFLICT);
    assert_int_equal(apply_require(store, sequence_of(store), false), 0);
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(apply_require(store, since, false), SFS_E_TOO_OLD);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* --- threads --- */

enum { WRITES = 600 };

static void *failed(const char *why)
{
    return (void *)(uintptr_t)why;
}

struct shared {
    struct sfs_storage *store;
    atomic_int done;
};

/* Both keys always change together, so that every snapshot sees them equal. */
static void *write_pairs(void *argument)
{
    struct shared *shared = argument;
    for (int i = 1; i <= WRITES; i++) {
        struct sfs_batch *batch = NULL;
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        int result = sfs_batch_new(&batch, NULL);
        result |= sfs_batch_put(batch, SFS_LITERAL("p"), sfs_string(text), NULL, 0, NULL);
        result |= sfs_batch_put(batch, SFS_LITERAL("q"), sfs_string(text), NULL, 0, NULL);
        result |= sfs_apply(shared->store, batch, NULL, NULL, NULL);
        sfs_batch_free(batch);
        if (result)
            return failed("a write failed");
    }
    return NULL;
}

static void *read_pairs(void *argument)
{
    struct shared *shared = argument;
    while (!atomic_load(&shared->done)) {
        struct sfs_storage *snapshot = NULL;
        const struct sfs_record *p = NULL;
        const struct sfs_record *q = NULL;
        if (sfs_snapshot(shared->store, 0, &snapshot, NULL))
            return failed("no snapshot");
        bool found = sfs_get(snapshot, SFS_LITERAL("p"), 1, &p, NULL) == 0 &&
                     sfs_get(snapshot, SFS_LITERAL("q"), 1, &q, NULL) == 0;
        bool equal = found && sfs_bytes_equal(sfs_record_value(p), sfs_record_value(q));
        sfs_record_unref(p);
        sfs_record_unref(q);
        if (sfs_close(snapshot, NULL) || (found && !equal))
            return failed("a snapshot shows half a batch");
    }
    return NULL;
}

static void *follow(void *argument)
{
    struct sfs_feed *feed = argument;
    struct sfs_change change;
    uint64_t last = 0;
    for (int seen = 0; seen < 2 * WRITES * 2;) {
        int result = sfs_feed_wait(feed, 60000, NULL);
        if (result != 1)
            return failed("the feed fell silent");
        while ((result = sfs_feed_next(feed, &change, NULL)) == 1) {
            if (change.sequence < last)
                return failed("the feed went back");
            last = change.sequence;
            seen++;
        }
        if (result)
            return failed("the feed failed");
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct shared shared = {.store = open_empty()};
    struct sfs_feed *feed = NULL;
    pthread_t threads[5];
    void *(*const bodies[5])(void *) = {write_pairs, write_pairs, follow, read_pairs, read_pairs};
    assert_int_equal(sfs_changes(shared.store, UINT64_MAX, &feed, NULL), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, bodies[i], i == 2 ? (void *)feed : &shared), 0);
    for (int i = 0; i < 5; i++) {
        void *failure = NULL;
        if (i == 3)
            atomic_store(&shared.done, 1);
        pthread_join(threads[i], &failure);
        if (failure)
            fail_msg("%s", (const char *)failure);
    }
    sfs_feed_close(feed);
    assert_int_equal(sequence_of(shared.store), 2 * WRITES);
    check_value(shared.store, "p", "600");
    assert_int_equal(sfs_close(shared.store, NULL), 0);
}

static void test_options(void **state)
{
    (void)state;
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    struct sfs_option option = {"snapshoot", "x"};
    struct sfs_location location = {"memory", "some/path", NULL, 0};
    assert_int_equal(sfs_memory_backend.open(&store, &location, 0, &error), SFS_E_INVALID);
    location = (struct sfs_location){"memory", "", &option, 1};
    assert_int_equal(sfs_memory_backend.open(&store, &location, 0, &error), SFS_E_INVALID);
    assert_non_null(strstr(error.message, "snapshoot"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_persist),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_batch_fails_whole),
        cmocka_unit_test(test_scan_live),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_feed),
        cmocka_unit_test(test_preconditions),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
