/* SPDX-License-Identifier: MIT */
/* The lease that snapshots of a SQLite store share: that taking them writes nothing, that it goes
 * soon after them, moves on under them, and that nobody reads what was given up. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "storefs/transaction.h"
#include "tests/unit/own_clock.h"
#include "tests/unit/sqlite_fixture.h"

/* With it no thread can be started, as where a limit is reached. */
static atomic_bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, run, context);
}

/* Read when the next commit is made and not yet finished. */
static struct sfs_storage *given_up;
static int given_up_code;

struct sfs_sqlite;
void __real_sfs_sqlite_feeds_notify(struct sfs_sqlite *store);
void __wrap_sfs_sqlite_feeds_notify(struct sfs_sqlite *store);
void __wrap_sfs_sqlite_feeds_notify(struct sfs_sqlite *store)
{
    const struct sfs_record *record = NULL;
    if (given_up)
        given_up_code = sfs_get(given_up, SFS_LITERAL("key"), SFS_WANT_VALUE, &record, NULL);
    sfs_record_unref(record);
    __real_sfs_sqlite_feeds_notify(store);
}

static int commit_under(struct sfs_storage *store, uint64_t lease)
{
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_require_lease(batch, lease, NULL), 0);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("under"), SFS_LITERAL("1"), NULL, 0, NULL),
                     0);
    int code = sfs_apply(store, batch, NULL, NULL, NULL);
    sfs_batch_free(batch);
    return code;
}

/* How often the file was written, as another connection sees it. */
static long long version_seen(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA data_version", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    long long version = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static void test_sharing_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *db = NULL;
    set(fixture->store, "a", "1");
    struct sfs_storage *first = snapshot_of(fixture->store, 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    assert_int_equal(number_in(fixture, "SELECT owner IS NOT NULL FROM lease"), 1);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    long long before = version_seen(db);
    for (int i = 0; i < 200; i++) {
        struct sfs_storage *next = snapshot_of(fixture->store, 0);
        assert_true(sfs_snapshot_lease(next) != sfs_snapshot_lease(first));
        expect(next, "a", "1");
        close_store(next);
    }
    assert_int_equal(version_seen(db), before);
    sqlite3_close(db);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    close_store(first);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
}

/* The next snapshot finds the row that lingers; a later one a new row. */
static void test_linger(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 50; i++)
        close_store(snapshot_of(fixture->store, 0));
    long long rows = number_in(fixture, "SELECT last_lease FROM state");
    assert_true(rows < 50); /* on a quiet machine 1 */
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    close_store(snapshot_of(fixture->store, 0));
    assert_int_equal(number_in(fixture, "SELECT last_lease FROM state"), rows + 1);
    close_store(fixture->store);
    fixture->store = NULL;
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 0);
}

static void test_without_threads(void **state)
{
    struct fixture *fixture = *state;
    close_store(fixture->store);
    no_threads = true;
    fixture->store = open_again(fixture);
    set(fixture->store, "a", "1");
    struct sfs_storage *old = snapshot_of(fixture->store, 0);
    struct sfs_storage *other = open_again(fixture);
    for (int i = 0; i < 20; i++)
        set(other, "a", "2");
    struct sfs_storage *new = snapshot_of(fixture->store, 0);
    expect(old, "a", "1");
    assert_true(number_in(fixture, "SELECT count(*) FROM history") > 0);
    close_store(old);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 0);
    expect(new, "a", "2");
    close_store(new);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 0);
    no_threads = false;
    close_store(other);
}

/* Each snapshot is open before the last one is closed, so that there is always one. */
static void test_overlapping(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    struct sfs_storage *held = snapshot_of(fixture->store, 0);
    long long most = 0;
    char value[16] = "";
    set(other, "a", "start");
    for (int i = 0; i < 3000; i++) {
        char then[16];
        strcpy(then, value);
        snprintf(value, sizeof(value), "%d", i);
        struct sfs_storage *next = snapshot_of(fixture->store, 0);
        set(other, "a", value);
        if (i > 0)
            expect(next, "a", then);
        close_store(held);
        held = next;
        if (i % 100 == 0) {
            long long count = number_in(fixture, "SELECT count(*) FROM history");
            most = count > most ? count : most;
        }
    }
    assert_int_equal(number_in(fixture, "SELECT last_lease FROM state"), 1);
    eventually(fixture, "SELECT count(*) > 10 FROM history", 0);
    assert_true(most < 2999);
    close_store(held);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    close_store(other);
}

/* Each has its own time; the one that is over keeps nothing. */
static void test_durations(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(fixture->store, "a", "1");
    struct sfs_storage *brief = snapshot_of(fixture->store, 100000);
    uint64_t lease = sfs_snapshot_lease(brief);
    set(other, "a", "2");
    struct sfs_storage *lasting = snapshot_of(fixture->store, 6000000);
    set(other, "a", "3");
    assert_int_equal(commit_under(fixture->store, lease), 0);
    expect(brief, "a", "1");
    let_pass(130000);
    assert_int_equal(read_code(brief, "a"), SFS_E_EXPIRED);
    assert_int_equal(commit_under(fixture->store, lease), SFS_E_EXPIRED);
    eventually(fixture, "SELECT count(*) FROM history WHERE sequence <= 2", 0);
    eventually(fixture, "SELECT count(*) FROM lease", 1);
    expect(lasting, "a", "2");
    assert_int_equal(commit_under(fixture->store, sfs_snapshot_lease(lasting)), 0);
    /* A lease is one of the opening that gave it. */
    assert_int_equal(commit_under(other, sfs_snapshot_lease(lasting)), SFS_E_EXPIRED);
    eventually(fixture, "SELECT count(*) FROM lease", 1);
    close_store(brief);
    close_store(lasting);
    close_store(other);
}

/* A long use is many short ones: the row is renewed before it ends. */
static void test_renewal(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(fixture->store, "a", "1");
    struct sfs_storage *snapshot = snapshot_of(fixture->store, 150000);
    set(other, "a", "2");
    long long expires = number_in(fixture, "SELECT max(expires) FROM lease");
    for (int i = 0; i < 15; i++) {
        let_pass(20000);
        set(other, "b", "1");
        expect(snapshot, "a", "1");
    }
    assert_true(number_in(fixture, "SELECT max(expires) FROM lease") > expires);
    /* One that wants more than the row has left makes it last longer. */
    struct sfs_storage *lasting = snapshot_of(fixture->store, 6000000);
    assert_true(number_in(fixture, "SELECT max(expires) FROM lease") >
                sfs_clock_monotonic() + 5000 * SFS_NS_PER_SECOND);
    close_store(lasting);
    close_store(snapshot);
    close_store(other);
}

/* As another process does with a row that it finds expired: after a long stop, say. */
static void test_row_taken_away(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(fixture->store, "a", "1");
    struct sfs_storage *old = snapshot_of(fixture->store, 0);
    uint64_t lease = sfs_snapshot_lease(old);
    run_in(fixture, "UPDATE lease SET expires = 1");
    set(other, "a", "2");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 0);
    assert_int_equal(read_code(old, "a"), SFS_E_EXPIRED);
    assert_int_equal(commit_under(fixture->store, lease), SFS_E_EXPIRED);
    struct sfs_storage *new = snapshot_of(fixture->store, 0);
    assert_int_equal(number_in(fixture, "SELECT lease FROM lease"), 2);
    set(other, "a", "3");
    expect(new, "a", "2");
    assert_int_equal(read_code(old, "a"), SFS_E_EXPIRED);
    close_store(old);
    expect(new, "a", "2");
    close_store(new);
    close_store(other);
}

/* --- commits that give their snapshot up --- */

static struct sfs_transaction *begin(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    struct sfs_transaction *transaction = NULL;
    must(sfs_begin(store, NULL, &transaction, &error), &error);
    return transaction;
}

static void test_alone(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *store = fixture->store;
    set(store, "a", "1");
    for (int i = 0; i < 50; i++) {
        struct sfs_transaction *transaction = begin(store);
        set(sfs_transaction_storage(transaction), "a", i % 2 ? "2" : "1");
        assert_int_equal(sfs_commit(transaction, NULL, NULL), 0);
        sfs_transaction_free(transaction);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM history"), 0);
    }
    /* Nor does a commit that changes nothing keep the next snapshot waiting. */
    assert_int_equal(sfs_sync(store, 0, NULL), 0);
    close_store(snapshot_of(store, 0));
    /* It fails, so its snapshot is still there to be read. */
    struct sfs_transaction *failing = begin(store);
    set(sfs_transaction_storage(failing), "a", "mine");
    set(store, "a", "theirs");
    set(store, "b", "theirs");
    assert_int_equal(sfs_commit(failing, NULL, NULL), SFS_E_CONFLICT);
    assert_int_equal(read_code(sfs_transaction_storage(failing), "b"), SFS_E_NOT_FOUND);
    expect(sfs_transaction_storage(failing), "a", "mine");
    /* Another's snapshot is kept whole. */
    struct sfs_storage *snapshot = snapshot_of(store, 0);
    struct sfs_transaction *transaction = begin(store);
    set(sfs_transaction_storage(transaction), "a", "new");
    assert_int_equal(sfs_commit(transaction, NULL, NULL), 0);
    sfs_transaction_free(transaction);
    expect(snapshot, "a", "theirs");
    sfs_transaction_free(failing);
    close_store(snapshot);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
}

struct race {
    struct sfs_storage *store;
    atomic_bool stop;
    atomic_int wrong;
};

/* Both keys always have the same value. */
static void *write_pairs(void *context)
{
    struct race *race = context;
    char value[16];
    for (int i = 0; !race->stop; i++) {
        struct sfs_transaction *transaction = begin(race->store);
        snprintf(value, sizeof(value), "%d", i);
        set(sfs_transaction_storage(transaction), "a", value);
        set(sfs_transaction_storage(transaction), "b", value);
        race->wrong += sfs_commit(transaction, NULL, NULL) != 0;
        sfs_transaction_free(transaction);
    }
    return NULL;
}

static void *read_pairs(void *context)
{
    struct race *race = context;
    while (!race->stop) {
        struct sfs_storage *snapshot = snapshot_of(race->store, 0);
        struct sfs_buffer a = {0}, b = {0};
        int failed = sfs_get_value(snapshot, SFS_LITERAL("a"), &a, NULL);
        failed |= sfs_get_value(snapshot, SFS_LITERAL("b"), &b, NULL);
        race->wrong += failed || !sfs_bytes_equal(sfs_buffer_bytes(&a), sfs_buffer_bytes(&b));
        sfs_buffer_free(&a);
        sfs_buffer_free(&b);
        close_store(snapshot);
        usleep(200); /* so that the writer is alone at times */
    }
    return NULL;
}

static void test_race(void **state)
{
    struct fixture *fixture = *state;
    struct race race = {.store = fixture->store};
    pthread_t threads[3];
    set(fixture->store, "a", "0");
    set(fixture->store, "b", "0");
    assert_int_equal(pthread_create(&threads[0], NULL, write_pairs, &race), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, read_pairs, &race), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, read_pairs, &race), 0);
    usleep(2000000);
    race.stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(race.wrong, 0);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    expect_healthy(fixture->store);
}

/* A log that gets long is written into the file beside the commits, and begun anew. */
static void test_log(void **state)
{
    struct fixture *fixture = *state;
    char *value = malloc(100001);
    char log[128];
    memset(value, 'x', 100000);
    value[100000] = '\0';
    for (int i = 0; i < 1500; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i % 100);
        set(fixture->store, key, value);
    }
    free(value);
    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    FILE *file = fopen(log, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_true(ftell(file) < 80 * 1024 * 1024); /* 150 MB were written */
    fclose(file);
    expect_healthy(fixture->store);
}

/* A commit keeps nothing for the snapshot that it gives up. A thread that still reads it gets
 * EXPIRED as soon as the commit is made, never the new value. */
static void test_given_up(void **state)
{
    struct fixture *fixture = *state;
    set(fixture->store, "key", "first");
    struct sfs_storage *oldest = snapshot_of(fixture->store, 0);
    set(fixture->store, "key", "second");
    given_up = snapshot_of(fixture->store, 0);
    assert_int_equal(read_code(given_up, "key"), 0);
    const struct sfs_apply_options options = {.released_lease = sfs_snapshot_lease(given_up)};
    struct sfs_batch *batch = new_batch();
    assert_int_equal(sfs_batch_require_absent(batch, SFS_LITERAL("key"), NULL), 0);
    assert_int_equal(sfs_apply(fixture->store, batch, &options, NULL, NULL), SFS_E_EXISTS);
    assert_int_equal(read_code(given_up, "key"), 0); /* it failed: nothing was given up */
    sfs_batch_clear(batch);
    assert_int_equal(sfs_batch_put(batch, SFS_LITERAL("key"), SFS_LITERAL("third"), NULL, 0, NULL),
                     0);
    given_up_code = 1;
    assert_int_equal(sfs_apply(fixture->store, batch, &options, NULL, NULL), 0);
    assert_int_equal(given_up_code, SFS_E_EXPIRED);
    sfs_batch_free(batch);
    close_store(given_up);
    given_up = NULL;
    expect(oldest, "key", "first");
    close_store(oldest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sharing_writes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_linger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overlapping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_durations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renewal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_row_taken_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_race, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_given_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
