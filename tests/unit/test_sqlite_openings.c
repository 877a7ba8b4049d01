/* SPDX-License-Identifier: MIT */
/*
 * The lease that an opening of a SQLite store has for its snapshots, as other openings see it: they
 * keep every state behind it, it moves on without any reader noticing it, and commits do not keep
 * new snapshots waiting.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "storefs/transaction.h"
#include "tests/unit/sqlite_fixture.h"

#define HOT 50
#define READERS 3
#define LOOKS 100000

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void hot_key(int number, char key[16])
{
    snprintf(key, 16, "hot/%02d", number % HOT);
}

/* --- two processes --- */

/* Overwrites the hot keys, and makes and deletes others, until it is killed. */
static _Noreturn void write_without_end(const char *path)
{
    char uri[160], key[16], value[16];
    struct sfs_storage *store = NULL;
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    if (sfs_open(&store, uri, 0, NULL) != 0)
        _exit(1);
    for (int i = 0;; i++) {
        hot_key(i, key);
        snprintf(value, sizeof(value), "%d", i);
        if (sfs_set(store, sfs_string(key), sfs_string(value), NULL) != 0)
            _exit(1);
        if (sfs_set(store, SFS_LITERAL("passing"), sfs_string(value), NULL) != 0 ||
            sfs_delete(store, SFS_LITERAL("passing"), NULL) != 1)
            _exit(1);
    }
}

static void expect_first_state(struct sfs_storage *snapshot)
{
    char key[16];
    for (int i = 0; i < HOT; i++) {
        hot_key(i, key);
        expect(snapshot, key, "first");
    }
    expect(snapshot, "passing", NULL);
}

/* Waits for so many commits of the other process. */
static void await_commits(struct fixture *fixture, long long number)
{
    char sql[80];
    long long since = number_in(fixture, "SELECT sequence FROM state");
    snprintf(sql, sizeof(sql), "SELECT sequence > %lld FROM state", since + number);
    eventually(fixture, sql, 1);
}

/* Short snapshots one after the other, so that there is always one, for so many commits of the
 * other process. Returns the fewest rows of history that were there at a look in the second half.
 */
static long long churn(struct fixture *fixture, long long commits)
{
    long long begin = number_in(fixture, "SELECT sequence FROM state"), at = begin;
    long long fewest = -1;
    struct sfs_storage *held = snapshot_of(fixture->store, 0);
    while (at < begin + commits) {
        struct sfs_storage *next = snapshot_of(fixture->store, 0);
        close_store(held);
        held = next;
        long long rows = number_in(fixture, "SELECT count(*) FROM history");
        at = number_in(fixture, "SELECT sequence FROM state");
        if (at > begin + commits / 2 && (fewest < 0 || rows < fewest))
            fewest = rows;
        usleep(1000);
    }
    close_store(held);
    return fewest;
}

/* `old` is of the state before the other process wrote anything: that keeps every version while the
 * snapshot is there, and what short ones leave goes when the lease has moved on. */
static void watch(struct fixture *fixture, struct sfs_storage *old)
{
    for (int i = 0; i < 4; i++) {
        await_commits(fixture, HOT);
        expect_first_state(old);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    }
    long long kept = number_in(fixture, "SELECT count(*) FROM history");
    assert_true(kept > 4 * HOT / 3);
    close_store(old);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    eventually(fixture, "SELECT count(*) FROM garbage", 0);
    long long rows = churn(fixture, 40 * HOT);
    print_message("%d commits beside short snapshots, at least %lld rows of history\n", 40 * HOT,
                  rows);
    /* If nothing went before the last snapshot, that were half of the commits' rows. */
    assert_true(rows < 20 * HOT * 4 / 3);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    eventually(fixture, "SELECT count(*) FROM garbage", 0);
}

static void test_two_processes(void **state)
{
    struct fixture *fixture = *state;
    char key[16];
    for (int i = 0; i < HOT; i++) {
        hot_key(i, key);
        set(fixture->store, key, "first");
    }
    close_store(fixture->store); /* no store is open while the process forks */
    fixture->store = NULL;
    int go[2];
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        end_with_parent();
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        write_without_end(fixture->path);
    }
    fixture->store = open_again(fixture);
    struct sfs_storage *old = snapshot_of(fixture->store, 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    watch(fixture, old);
    int status;
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it has met no error */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(go[0]);
    close(go[1]);
    expect_healthy(fixture->store);
}

/* --- one lease for all --- */

struct reading {
    struct sfs_storage *snapshot;
    char value[16];
    atomic_bool *stop;
    atomic_int *wrong;
    atomic_int reads;
};

static void *read_all_along(void *context)
{
    struct reading *reading = context;
    while (!*reading->stop) {
        struct sfs_buffer value = {0};
        int code = sfs_get_value(reading->snapshot, SFS_LITERAL("a"), &value, NULL);
        *reading->wrong +=
            code != 0 || !sfs_bytes_equal(sfs_buffer_bytes(&value), sfs_string(reading->value));
        sfs_buffer_free(&value);
        reading->reads++;
    }
    return NULL;
}

/* Another opening commits all the while, so that what the lease has left behind is gone at once,
 * and others read their snapshots while it moves on. */
static void test_moving_on(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    atomic_int wrong = 0;
    for (int round = 0; round < 4; round++) {
        struct reading readings[READERS] = {0};
        pthread_t threads[READERS];
        atomic_bool stop = false;
        set(other, "a", "first");
        struct sfs_storage *first = snapshot_of(fixture->store, 0);
        for (int i = 0; i < READERS; i++) {
            struct reading *reading = &readings[i];
            snprintf(reading->value, sizeof(reading->value), "%d/%d", round, i);
            set(other, "a", reading->value);
            reading->snapshot = snapshot_of(fixture->store, 0);
            reading->stop = &stop;
            reading->wrong = &wrong;
            assert_int_equal(pthread_create(&threads[i], NULL, read_all_along, reading), 0);
        }
        for (double end = seconds() + 0.6; seconds() < end;) {
            struct sfs_storage *passing = snapshot_of(fixture->store, 0);
            set(other, "a", "later");
            close_store(passing);
        }
        long long before = number_in(fixture, "SELECT max(sequence) FROM lease");
        char moved[80];
        snprintf(moved, sizeof(moved), "SELECT max(sequence) > %lld FROM lease", before);
        /* The first state is given up under those who read the others. */
        close_store(first);
        eventually(fixture, moved, 1);
        assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
        for (double end = seconds() + 0.1; seconds() < end;)
            set(other, "a", "later");
        stop = true;
        for (int i = 0; i < READERS; i++) {
            pthread_join(threads[i], NULL);
            assert_true(readings[i].reads > 0);
            close_store(readings[i].snapshot);
        }
    }
    assert_int_equal(wrong, 0);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    expect_healthy(fixture->store);
    close_store(other);
}

/* However many and long they are, they have one row, which lasts as long as any of them. */
static void test_one_row(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(other, "a", "1");
    struct sfs_storage *one = snapshot_of(fixture->store, 0);
    usleep(300000);
    set(other, "a", "2");
    struct sfs_storage *two = snapshot_of(fixture->store, 0);
    usleep(300000);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    assert_int_equal(number_in(fixture, "SELECT sequence FROM lease"), 1);
    close_store(one);
    eventually(fixture, "SELECT sequence FROM lease", 2);
    expect(two, "a", "2");
    struct sfs_storage *theirs = snapshot_of(other, 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 2);
    close_store(two);
    eventually(fixture, "SELECT count(*) FROM lease", 1);
    set(fixture->store, "a", "3");
    expect(theirs, "a", "2");
    close_store(theirs);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    close_store(other);
}

/* What a transaction gives up with its commit needs no history, however long it took. */
static void test_long_transactions(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    struct sfs_transaction *transaction = NULL;
    set(fixture->store, "a", "1");
    must(sfs_begin(fixture->store, NULL, &transaction, &error), &error);
    expect(sfs_transaction_storage(transaction), "a", "1");
    usleep(300000);
    set(fixture->store, "b", "1");
    set(sfs_transaction_storage(transaction), "a", "2");
    must(sfs_commit(transaction, NULL, &error), &error);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM history WHERE name = x'61'"), 0);
    sfs_transaction_free(transaction);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
    /* One that fails still has its snapshot, and its lease. */
    must(sfs_begin(fixture->store, NULL, &transaction, &error), &error);
    expect(sfs_transaction_storage(transaction), "a", "2");
    usleep(300000);
    set(sfs_transaction_storage(transaction), "a", "mine");
    set(fixture->store, "a", "theirs");
    assert_int_equal(sfs_commit(transaction, NULL, NULL), SFS_E_CONFLICT);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    sfs_transaction_free(transaction);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    eventually(fixture, "SELECT count(*) FROM history", 0);
}

/* --- snapshots beside commits without a pause --- */

struct writing {
    struct sfs_storage *store;
    int key;
    atomic_bool *stop;
};

static void *write_all_along(void *context)
{
    struct writing *writing = context;
    char key[16], value[16];
    hot_key(writing->key, key);
    for (int i = 0; !*writing->stop; i++) {
        snprintf(value, sizeof(value), "%d", i);
        if (sfs_set(writing->store, sfs_string(key), sfs_string(value), NULL) != 0)
            abort();
    }
    return NULL;
}

static void test_nobody_starves(void **state)
{
    struct fixture *fixture = *state;
    struct writing writings[READERS];
    pthread_t threads[READERS];
    atomic_bool stop = false;
    struct sfs_storage *held = snapshot_of(fixture->store, 0);
    for (int i = 0; i < READERS; i++) {
        writings[i] = (struct writing){fixture->store, i, &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, write_all_along, &writings[i]), 0);
    }
    double longest = 0;
    int taken = 0;
    for (double end = seconds() + 2; seconds() < end; taken++) {
        double begin = seconds();
        close_store(snapshot_of(fixture->store, 0));
        double took = seconds() - begin;
        longest = took > longest ? took : longest;
    }
    stop = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    print_message("the longest of %d snapshots took %.1f ms\n", taken, longest * 1e3);
    assert_true(taken >= 50 && longest < 1);
    assert_true(number_in(fixture, "SELECT sequence FROM state") > 100);
    expect(held, "hot/00", NULL);
    close_store(held);
    eventually(fixture, "SELECT count(*) FROM history", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moving_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_transactions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_starves, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
