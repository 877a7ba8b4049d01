/* SPDX-License-Identifier: MIT */
/*
 * The snapshots of one opening between threads: one is stopped where it hurts most, and meanwhile
 * another does what changes everything. Both are this thread: the other runs inside a call that the
 * first makes. There is no housekeeper, so that all happens in one order.
 */
#include <errno.h>
#include <pthread.h>

#include "backends/sqlite/queue.h"
#include "tests/unit/own_clock.h"
#include "tests/unit/sqlite_fixture.h"

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context)
{
    (void)thread, (void)attributes, (void)run, (void)context;
    return EAGAIN;
}

/* --- where a thread can be stopped --- */

enum point {
    BEFORE_READING, /* it has looked at the time of the snapshot, and not yet at the file */
    AFTER_READING,
    BEFORE_WRITING, /* it has decided to write, and waits for the write connection */
    RENEWING,       /* inside the transaction that renews the lease */
    ENDING_COMMIT   /* the file has been written; the commit is not over */
};

static struct {
    enum point at;
    void (*run)(void *context); /* NULL: nowhere */
    void *context;
} stop;

static void stop_at(enum point at, void (*run)(void *context), void *context)
{
    stop.at = at;
    stop.run = run;
    stop.context = context;
}

/* It is stopped once. */
static void reach(enum point at)
{
    void (*run)(void *context) = stop.at == at ? stop.run : NULL;
    if (run) {
        stop.run = NULL;
        run(stop.context);
    }
}

struct sfs_sqlite;
struct sfs_sqlite_connection;
struct sfs_sqlite_transaction;

int __real_sfs_sqlite_near_take(struct sfs_sqlite *store, uint64_t number,
                                struct sfs_sqlite_connection **ret_connection,
                                struct sfs_error *error);
int __wrap_sfs_sqlite_near_take(struct sfs_sqlite *store, uint64_t number,
                                struct sfs_sqlite_connection **ret_connection,
                                struct sfs_error *error);
int __wrap_sfs_sqlite_near_take(struct sfs_sqlite *store, uint64_t number,
                                struct sfs_sqlite_connection **ret_connection,
                                struct sfs_error *error)
{
    reach(BEFORE_READING);
    return __real_sfs_sqlite_near_take(store, number, ret_connection, error);
}

void __real_sfs_sqlite_reader_give(struct sfs_sqlite_connection *connection);
void __wrap_sfs_sqlite_reader_give(struct sfs_sqlite_connection *connection);
void __wrap_sfs_sqlite_reader_give(struct sfs_sqlite_connection *connection)
{
    __real_sfs_sqlite_reader_give(connection);
    reach(AFTER_READING);
}

void __real_sfs_sqlite_writer_enter(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind);
void __wrap_sfs_sqlite_writer_enter(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind);
void __wrap_sfs_sqlite_writer_enter(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind)
{
    reach(BEFORE_WRITING);
    __real_sfs_sqlite_writer_enter(store, kind);
}

static int renewals;
static int renewal_fails; /* with this, if it is not 0 */

int __real_sfs_sqlite_lease_renew(struct sfs_sqlite_transaction *transaction, int64_t id,
                                  int64_t sequence, int64_t expires, struct sfs_error *error);
int __wrap_sfs_sqlite_lease_renew(struct sfs_sqlite_transaction *transaction, int64_t id,
                                  int64_t sequence, int64_t expires, struct sfs_error *error);
int __wrap_sfs_sqlite_lease_renew(struct sfs_sqlite_transaction *transaction, int64_t id,
                                  int64_t sequence, int64_t expires, struct sfs_error *error)
{
    renewals++;
    reach(RENEWING);
    if (renewal_fails != 0)
        return sfs_fail(error, renewal_fails, "test", "as asked for");
    return __real_sfs_sqlite_lease_renew(transaction, id, sequence, expires, error);
}

void __real_sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction,
                                       uint64_t released, bool committed);
void __wrap_sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction,
                                       uint64_t released, bool committed);
void __wrap_sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction,
                                       uint64_t released, bool committed)
{
    reach(ENDING_COMMIT);
    __real_sfs_sqlite_pool_end_commit(transaction, released, committed);
}

/* --- what the other thread does to --- */

struct stopped {
    struct sfs_storage *store;
    struct sfs_storage *snapshot;
    int code;
};

/* --- reads of a snapshot that ends --- */

/* Another thread finds the snapshot's time over, and the next commit keeps nothing for it. */
static void end_and_overwrite(void *context)
{
    const struct stopped *stopped = context;
    let_pass(130000);
    assert_int_equal(read_code(stopped->snapshot, "a"), SFS_E_EXPIRED);
    set(stopped->store, "a", "2");
}

/* A snapshot ends between a reader's look at its time and its look at the file, where an older one
 * of the same opening keeps the lease as it is. */
static void test_ended_under_a_reader(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "0");
    struct sfs_storage *old = snapshot_of(fixture->store, 6000000);
    set(fixture->store, "a", "1");
    struct sfs_storage *brief = snapshot_of(fixture->store, 100000);
    expect(brief, "a", "1");
    struct stopped stopped = {fixture->store, brief, 0};
    stop_at(BEFORE_READING, end_and_overwrite, &stopped);
    assert_int_equal(read_code(brief, "a"), SFS_E_EXPIRED);
    assert_null(stop.run);
    expect(old, "a", "0");
    close_store(brief);
    close_store(old);
}

static void read_it(void *context)
{
    struct stopped *stopped = context;
    stopped->code = read_code(stopped->snapshot, "a");
}

/* Sets "a" if it has this revision, and gives the snapshot up, which is read when the file has been
 * written and before the commit is over. */
static int commit_giving_up(struct stopped *stopped, uint64_t revision)
{
    struct sfs_batch *batch = new_batch();
    struct sfs_apply_options options = {.released_lease = sfs_snapshot_lease(stopped->snapshot)};
    assert_int_equal(sfs_batch_require_revision(batch, SFS_LITERAL("a"), revision, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("a"), SFS_LITERAL("2"), NULL, 0, NULL), 0);
    stop_at(ENDING_COMMIT, read_it, stopped);
    int code = sfs_apply(stopped->store, batch, &options, NULL, NULL);
    assert_null(stop.run);
    sfs_batch_free(batch);
    return code;
}

static void test_given_up_under_a_reader(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "0");
    struct sfs_storage *old = snapshot_of(fixture->store, 0);
    set(fixture->store, "a", "1");
    struct sfs_storage *snapshot = snapshot_of(fixture->store, 0);
    const struct sfs_record *record = NULL;
    assert_int_equal(sfs_get(snapshot, SFS_LITERAL("a"), SFS_WANT_RECORD, &record, NULL), 0);
    uint64_t revision = record->revision;
    sfs_record_unref(record);
    struct stopped stopped = {fixture->store, snapshot, 0};
    /* One that fails gives nothing up. */
    assert_int_equal(commit_giving_up(&stopped, revision + 1), SFS_E_CONFLICT);
    assert_int_equal(stopped.code, 0);
    set(fixture->store, "b", "1");
    expect(snapshot, "a", "1");
    assert_int_equal(commit_giving_up(&stopped, revision), 0);
    assert_int_equal(stopped.code, SFS_E_EXPIRED);
    assert_int_equal(read_code(snapshot, "a"), SFS_E_EXPIRED);
    expect(old, "a", "0");
    close_store(snapshot);
    close_store(old);
}

/* --- the lease --- */

static void take_lasting(void *context)
{
    struct stopped *stopped = context;
    stopped->snapshot = snapshot_of(stopped->store, 6000000);
}

/* A snapshot that finds the lease long enough begins while the lease is written for shorter ones.
 */
static void test_lease_is_not_shortened(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(fixture->store, "a", "1");
    struct sfs_storage *lasting = snapshot_of(fixture->store, 6000000);
    set(other, "a", "2");
    struct sfs_storage *brief = snapshot_of(fixture->store, 100000);
    struct stopped stopped = {fixture->store, NULL, 0};
    stop_at(RENEWING, take_lasting, &stopped);
    close_store(lasting); /* the lease moves on to the other */
    assert_non_null(stopped.snapshot);
    assert_true(number_in(fixture, "SELECT max(expires) FROM lease") >
                sfs_clock_monotonic() + 5000 * SFS_NS_PER_SECOND);
    set(other, "a", "3");
    let_pass(400000);
    expect(stopped.snapshot, "a", "2");
    close_store(stopped.snapshot);
    close_store(brief);
    close_store(other);
}

/* Three times what a lease of 100 seconds has left, in use all the time: it is renewed. */
static void use_for_long(void *context)
{
    const struct stopped *stopped = context;
    for (int i = 0; i < 4; i++) {
        let_pass(60000);
        expect(stopped->snapshot, "a", "1");
    }
}

/* Who has read when the lease ends looks at the clock only when it has long been renewed. */
static void test_late_look_at_the_clock(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    struct sfs_storage *snapshot = snapshot_of(fixture->store, 100000);
    struct stopped stopped = {fixture->store, snapshot, 0};
    stop_at(AFTER_READING, use_for_long, &stopped);
    struct sfs_storage *next = snapshot_of(fixture->store, 100000);
    assert_null(stop.run);
    expect(snapshot, "a", "1");
    expect(next, "a", "1");
    assert_int_equal(number_in(fixture, "SELECT last_lease FROM state"), 1);
    close_store(next);
    close_store(snapshot);
}

static void overtake(void *context)
{
    struct stopped *stopped = context;
    let_pass(100000);
    close_store(snapshot_of(stopped->store, 0)); /* looks whose time is over */
    if (++stopped->code < 5)
        stop_at(BEFORE_READING, overtake, stopped);
}

/* Its time is over before it has begun: as where it waits for a commit for longer. */
static void test_time_begins_with_the_snapshot(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    struct sfs_storage *lasting = snapshot_of(fixture->store, 6000000);
    struct stopped stopped = {fixture->store, NULL, 0};
    stop_at(BEFORE_READING, overtake, &stopped);
    struct sfs_storage *brief = snapshot_of(fixture->store, 50000);
    stop.run = NULL;
    assert_int_equal(stopped.code, 1);
    expect(brief, "a", "1");
    let_pass(60000);
    assert_int_equal(read_code(brief, "a"), SFS_E_EXPIRED);
    close_store(brief);
    close_store(lasting);
}

/* Many readers find the lease due; one of them renews it. */
static void test_one_renewal(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "a", "1");
    struct stopped stopped = {fixture->store, snapshot_of(fixture->store, 100000), 0};
    let_pass(60000);
    expect(stopped.snapshot, "a", "1");
    let_pass(60000);
    renewals = 0;
    stop_at(BEFORE_WRITING, read_it, &stopped);
    expect(stopped.snapshot, "a", "1");
    assert_null(stop.run);
    assert_int_equal(stopped.code, 0);
    assert_int_equal(renewals, 1);
    close_store(stopped.snapshot);
}

/* What the file still keeps can be read, also where the lease cannot be renewed, as on a full disk;
 * then not. */
static void test_renewal_fails(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(other, "a", "1");
    struct sfs_storage *snapshot = snapshot_of(fixture->store, 100000);
    set(other, "a", "2");
    renewal_fails = SFS_E_NO_SPACE;
    for (int i = 0; i < 3; i++) {
        let_pass(60000);
        expect(snapshot, "a", "1");
    }
    let_pass(60000);
    assert_int_equal(read_code(snapshot, "a"), SFS_E_EXPIRED);
    renewal_fails = 0;
    assert_int_equal(read_code(snapshot, "a"), SFS_E_EXPIRED);
    close_store(snapshot);
    close_store(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ended_under_a_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_given_up_under_a_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lease_is_not_shortened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_look_at_the_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_begins_with_the_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_renewal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renewal_fails, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
