/* SPDX-License-Identifier: MIT */
/*
 * Which states an opening of a SQLite store wants, and what of that others know: old snapshots get
 * leases of their own without any reader noticing it, another process keeps for them what differs
 * and no more, and commits do not keep new snapshots waiting.
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

static struct sfs_storage *snapshot_of(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    struct sfs_storage *snapshot = NULL;
    must(sfs_snapshot(store, 0, &snapshot, &error), &error);
    return snapshot;
}

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

static int compare_numbers(const void *a, const void *b)
{
    long long one = *(const long long *)a, other = *(const long long *)b;
    return (one > other) - (one < other);
}

/* Short snapshots one after the other, so that there is always a young one, for so many seconds and
 * commits of the other process. Returns the rows of history at half of the looks: of a machine that
 * stands still for a while, the other process makes as many as it likes before this one goes on. */
static long long churn(struct fixture *fixture, struct sfs_storage *old, double time,
                       long long commits)
{
    static long long rows[LOOKS];
    size_t looks = 0;
    double end = seconds() + time;
    long long until = number_in(fixture, "SELECT sequence FROM state") + commits;
    while (seconds() < end || number_in(fixture, "SELECT sequence FROM state") < until) {
        struct sfs_storage *next = snapshot_of(fixture->store);
        rows[looks++ % LOOKS] = number_in(fixture, "SELECT count(*) FROM history");
        expect(old, "hot/00", "first");
        close_store(next);
    }
    looks = looks < LOOKS ? looks : LOOKS;
    qsort(rows, looks, sizeof(*rows), compare_numbers);
    return rows[looks / 2];
}

/* Waits for so many commits of the other process. */
static void await_commits(struct fixture *fixture, long long since, long long number)
{
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT sequence > %lld FROM state", since + number);
    eventually(fixture, sql, 1);
}

/* `old` is of the state before the other process wrote anything. */
static void watch(struct fixture *fixture, struct sfs_storage *old)
{
    char bound[80];
    /* A row of each key, and of one that comes and goes. */
    snprintf(bound, sizeof(bound), "SELECT count(*) > %d FROM history", HOT + 1);
    long long begin = number_in(fixture, "SELECT sequence FROM state");
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease WHERE contents = 1"), 1);
    eventually(fixture, bound, 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(number_in(fixture, bound), 0);
        expect_first_state(old);
        usleep(20000);
    }
    await_commits(fixture, begin, 4 * HOT);
    assert_int_equal(number_in(fixture, bound), 0);
    long long before = number_in(fixture, "SELECT sequence FROM state");
    long long rows = churn(fixture, old, 3, 40 * HOT);
    long long after = number_in(fixture, "SELECT sequence FROM state");
    print_message(
        "%lld commits beside short snapshots, half of the time up to %lld rows of history\n",
        after - before, rows);
    /* If nothing went before the last snapshot, that were half of the commits' rows. */
    assert_true(rows < (after - before) / 4 + HOT + 1);
    eventually(fixture, bound, 0);
    expect_first_state(old);
    close_store(old);
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
    struct sfs_storage *old = snapshot_of(fixture->store);
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

/* --- getting a lease of one's own --- */

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

/* Another opening commits all the while, so that what the open lease has left is gone at once. */
static void test_handover(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    atomic_int wrong = 0;
    for (int round = 0; round < 4; round++) {
        struct reading readings[READERS] = {0};
        pthread_t threads[READERS];
        atomic_bool stop = false;
        for (int i = 0; i < READERS; i++) {
            struct reading *reading = &readings[i];
            snprintf(reading->value, sizeof(reading->value), "%d/%d", round, i);
            set(other, "a", reading->value);
            reading->snapshot = snapshot_of(fixture->store);
            reading->stop = &stop;
            reading->wrong = &wrong;
            assert_int_equal(pthread_create(&threads[i], NULL, read_all_along, reading), 0);
        }
        for (double end = seconds() + 0.6; seconds() < end;)
            set(other, "a", "later");
        eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 1", READERS);
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

/* Snapshots of one state have one lease, which lasts as long as any of them. */
static void test_shared_state(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_storage *other = open_again(fixture);
    set(other, "a", "1");
    struct sfs_storage *one = snapshot_of(fixture->store);
    struct sfs_storage *two = snapshot_of(fixture->store);
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
    struct sfs_storage *three = snapshot_of(fixture->store);
    set(other, "a", "2");
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    close_store(one);
    close_store(three);
    usleep(300000);
    expect(two, "a", "1");
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease"), 1);
    close_store(two);
    eventually(fixture, "SELECT count(*) FROM lease", 0);
    close_store(other);
}

/* What a transaction that took long gives up with its commit needs no history either; what it is
 * based on is judged as that of a young one. */
static void test_long_transactions(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    struct sfs_transaction *transaction = NULL;
    set(fixture->store, "a", "1");
    must(sfs_begin(fixture->store, NULL, &transaction, &error), &error);
    expect(sfs_transaction_storage(transaction), "a", "1");
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
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
    eventually(fixture, "SELECT count(*) FROM lease WHERE contents = 2", 0);
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
    struct sfs_storage *held = snapshot_of(fixture->store);
    for (int i = 0; i < READERS; i++) {
        writings[i] = (struct writing){fixture->store, i, &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, write_all_along, &writings[i]), 0);
    }
    double longest = 0;
    int taken = 0;
    for (double end = seconds() + 2; seconds() < end; taken++) {
        double begin = seconds();
        close_store(snapshot_of(fixture->store));
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
        cmocka_unit_test_setup_teardown(test_handover, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_transactions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_starves, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
