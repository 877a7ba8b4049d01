/* SPDX-License-Identifier: MIT */
/* Processes that write one SQLite file take turns: one that commits without pause keeps nobody
 * out, and one that is stopped while it waits stops nobody. In one process commits do not wait for
 * all who stage large values, and these wait while the log is too long. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "backends/sqlite/internal.h"
#include "tests/unit/sqlite_fixture.h"

#define KEYS 100
#define TURNS 200
#define MOST_BETWEEN 100 /* those of the time after which a turn is claimed */
#define STALLS 4

/* Of a size with which the file is hardly ever free: a large one is prepared for long before. */
static struct sfs_batch *batch_of_keys(void)
{
    struct sfs_batch *batch = new_batch();
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%05d", i);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), SFS_LITERAL("value"), NULL, 0, NULL),
                         0);
    }
    return batch;
}

static _Noreturn void commit_without_pause(const struct fixture *fixture, int ready)
{
    struct sfs_storage *store = NULL;
    struct sfs_batch *batch = batch_of_keys();
    end_with_parent();
    if (sfs_open(&store, fixture->path, 0, NULL) != 0)
        _exit(1);
    for (;;) {
        if (sfs_apply(store, batch, NULL, NULL, NULL) != 0 || write(ready, "x", 1) != 1)
            _exit(2);
    }
}

/* The fixture's store must be closed: a process does not fork with an open one. Returns when the
 * child has committed once; its pipe takes a byte a commit. */
static pid_t start(const struct fixture *fixture, int *ret_commits)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        commit_without_pause(fixture, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    *ret_commits = ends[0];
    return child;
}

static void finish(pid_t child, int commits)
{
    int status = 0;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it has met no error */
    close(commits);
}

static void close_fixture(struct fixture *fixture)
{
    close_store(fixture->store);
    fixture->store = NULL;
}

/* How often the child has committed since the last call. */
static int committed(int commits)
{
    char bytes[4096];
    int number = 0;
    for (ssize_t got; (got = read(commits, bytes, sizeof(bytes))) > 0;)
        number += (int)got;
    return number;
}

static int compare_numbers(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* How many commits of the child a write waits for, of the longest waits all but a few: while this
 * process does not run at all, the child goes on. Without turns many wait for hundreds. */
static void test_one_without_pause(void **state)
{
    struct fixture *fixture = *state;
    int commits, waited_for[TURNS];
    close_fixture(fixture);
    pid_t child = start(fixture, &commits);
    assert_int_equal(fcntl(commits, F_SETFL, O_NONBLOCK), 0);
    fixture->store = open_with(fixture, "?busy-timeout=60000", 0);
    for (int i = 0; i < TURNS; i++) {
        (void)committed(commits);
        set(fixture->store, "mine", "written");
        waited_for[i] = committed(commits);
        usleep(1000);
    }
    finish(child, commits);
    qsort(waited_for, TURNS, sizeof(int), compare_numbers);
    int sum = 0;
    for (int i = 0; i < TURNS - STALLS; i++)
        sum += waited_for[i];
    print_message("commits that a write waited for: on average %.1f, 99 %% %d, most %d\n",
                  (double)sum / (TURNS - STALLS), waited_for[TURNS * 99 / 100],
                  waited_for[TURNS - 1]);
    assert_true(waited_for[TURNS - 1 - STALLS] <= MOST_BETWEEN);
    expect(fixture->store, "mine", "written");
    expect_healthy(fixture->store);
}

/* Two of them, neither keeps the other out. */
static void test_two_without_pause(void **state)
{
    struct fixture *fixture = *state;
    int commits[2];
    pid_t children[2];
    char bytes[TURNS];
    close_fixture(fixture);
    for (int i = 0; i < 2; i++)
        children[i] = start(fixture, &commits[i]);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < 2; i++)
            assert_int_equal(read(commits[i], bytes, 1), 1);
    }
    for (int i = 0; i < 2; i++)
        finish(children[i], commits[i]);
    /* The longest time-out there is does not overflow. */
    fixture->store = open_with(fixture, "?busy-timeout=18446744073709551615", 0);
    expect_healthy(fixture->store);
}

/* While it is stopped it may have claimed the turn, or hold SQLite's lock: only the second is
 * waited for in vain. */
static void test_stopped(void **state)
{
    struct fixture *fixture = *state;
    int commits;
    close_fixture(fixture);
    pid_t child = start(fixture, &commits);
    fixture->store = open_with(fixture, "?busy-timeout=200", 0);
    for (int i = 0; i < 8; i++) {
        struct sfs_error error = {0};
        assert_int_equal(kill(child, SIGSTOP), 0);
        int code = sfs_set(fixture->store, SFS_LITERAL("mine"), SFS_LITERAL("written"), &error);
        assert_true(code == 0 || code == SFS_E_BUSY);
        assert_int_equal(kill(child, SIGCONT), 0);
    }
    finish(child, commits);
    expect_healthy(fixture->store);
}

/* --- in one process --- */

#define MOST_TURNS 8

struct order {
    struct sfs_sqlite *store;
    pthread_mutex_t mutex;
    pthread_t threads[MOST_TURNS];
    unsigned count;
    char turns[MOST_TURNS + 1];
};

static void note_turn(struct order *order, const char *who)
{
    pthread_mutex_lock(&order->mutex);
    strcat(order->turns, who);
    pthread_mutex_unlock(&order->mutex);
}

static void *do_single(void *context)
{
    struct order *order = context;
    sfs_sqlite_writer_enter(order->store, SFS_SQLITE_SINGLE);
    note_turn(order, "a");
    sfs_sqlite_writer_leave(order->store);
    return NULL;
}

static void *stage_one(void *context)
{
    struct order *order = context;
    sfs_sqlite_writer_enter(order->store, SFS_SQLITE_STAGING);
    note_turn(order, "s");
    sfs_sqlite_writer_leave(order->store);
    return NULL;
}

static void note_commit(void *context)
{
    note_turn(context, "c");
}

static void *commit_one(void *context)
{
    struct order *order = context;
    const struct sfs_apply_options options = {.publish = note_commit, .publish_context = order};
    struct sfs_batch *batch = batch_of_keys();
    assert_int_equal(sfs_apply(&order->store->storage, batch, &options, NULL, NULL), 0);
    sfs_batch_free(batch);
    return NULL;
}

static void await_queued(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind, unsigned count)
{
    for (bool there = false; !there; usleep(100)) {
        pthread_mutex_lock(&store->queue_mutex);
        there = store->queues[kind].count >= count;
        pthread_mutex_unlock(&store->queue_mutex);
    }
}

/* Starts so many, and returns when all of them wait. */
static void queue_up(struct order *order, unsigned count, void *(*work)(void *context),
                     enum sfs_sqlite_queue_kind kind)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&order->threads[order->count++], NULL, work, order), 0);
    await_queued(order->store, kind, count);
}

static void await_turns(struct order *order, const char *turns)
{
    for (bool there = false; !there; usleep(100)) {
        pthread_mutex_lock(&order->mutex);
        there = strlen(order->turns) >= strlen(turns);
        pthread_mutex_unlock(&order->mutex);
    }
    assert_string_equal(order->turns, turns);
}

static void end_order(struct order *order, const char *turns)
{
    for (unsigned i = 0; i < order->count; i++)
        assert_int_equal(pthread_join(order->threads[i], NULL), 0);
    assert_string_equal(order->turns, turns);
}

/* Those who want the connection for themselves have waited for longer. */
static void test_commits_in_turn(void **state)
{
    struct fixture *fixture = *state;
    struct order order = {.store = (struct sfs_sqlite *)fixture->store,
                          .mutex = PTHREAD_MUTEX_INITIALIZER};
    sfs_sqlite_writer_enter(order.store, SFS_SQLITE_SINGLE);
    queue_up(&order, 2, do_single, SFS_SQLITE_SINGLE);
    queue_up(&order, 4, stage_one, SFS_SQLITE_STAGING);
    queue_up(&order, 2, commit_one, SFS_SQLITE_COMMITS);
    sfs_sqlite_writer_leave(order.store);
    end_order(&order, "sccasass");
}

/* While the log is too long, and then one piece. */
static void test_staging_is_held(void **state)
{
    struct fixture *fixture = *state;
    struct order order = {.store = (struct sfs_sqlite *)fixture->store,
                          .mutex = PTHREAD_MUTEX_INITIALIZER};
    sfs_sqlite_staging_hold(order.store);
    queue_up(&order, 3, stage_one, SFS_SQLITE_STAGING);
    do_single(&order);
    commit_one(&order);
    assert_string_equal(order.turns, "ac");
    sfs_sqlite_writer_enter(order.store, SFS_SQLITE_SINGLE);
    sfs_sqlite_staging_admit(order.store);
    sfs_sqlite_staging_hold(order.store);
    sfs_sqlite_writer_leave(order.store);
    await_turns(&order, "acs");
    do_single(&order);
    assert_string_equal(order.turns, "acsa");
    sfs_sqlite_staging_admit(order.store);
    end_order(&order, "acsass");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_without_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_without_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commits_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_staging_is_held, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
