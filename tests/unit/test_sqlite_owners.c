/* SPDX-License-Identifier: MIT */
/* What processes leave in a SQLite store: nothing when they end, and when they are killed nothing
 * for long; what is a living process's stays. And files of the format before rows had owners. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/sqlite_fixture.h"

#define MIB ((size_t)1024 * 1024)

#define LEASES "SELECT count(*) FROM lease"
#define STAGES "SELECT count(*) FROM stage"
#define HISTORY "SELECT count(*) FROM history"
#define BLOCKS "SELECT count(*) FROM block"

/* --- a process that holds what there is to hold --- */

static int hold_everything(struct sfs_storage *store)
{
    struct sfs_storage *snapshot = NULL;
    struct sfs_feed *feed = NULL;
    struct sfs_stage *stage = NULL;
    char *data = calloc(1, 3 * MIB);
    int failed = !data || sfs_snapshot(store, 0, &snapshot, NULL);
    failed = failed || sfs_changes(store, UINT64_MAX, &feed, NULL);
    failed = failed || sfs_set(store, SFS_LITERAL("a"), sfs_string(longer("2")), NULL);
    failed = failed || sfs_stage_open(store, &stage, NULL);
    failed = failed || sfs_stage_write(stage, 0, sfs_bytes(data, 3 * MIB), NULL);
    free(data);
    return failed;
}

static void be_holder(const struct fixture *fixture, int ready)
{
    struct sfs_storage *store = NULL;
    end_with_parent();
    if (sfs_open(&store, fixture->path, 0, NULL) != 0 || hold_everything(store))
        _exit(1);
    if (write(ready, "x", 1) != 1)
        _exit(2);
    for (;;)
        pause();
}

/* The fixture's store must be closed: a process does not fork with an open one. */
static pid_t start_holder(const struct fixture *fixture)
{
    int ends[2];
    char byte;
    assert_null(fixture->store);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        be_holder(fixture, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return child;
}

static void prepare(struct fixture *fixture)
{
    set(fixture->store, "a", longer("1"));
    close_store(fixture->store);
    fixture->store = NULL;
}

static void expect_held(const struct fixture *fixture)
{
    assert_true(number_in(fixture, LEASES) >= 2); /* one more where the holder was slow, and took it for what follows */
    assert_int_equal(number_in(fixture, STAGES), 1);
    assert_true(number_in(fixture, HISTORY) > 0);
    assert_true(number_in(fixture, BLOCKS) > 10);
}

static void test_killed_while_nobody_looks(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture);
    pid_t child = start_holder(fixture);
    expect_held(fixture);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    expect_held(fixture);
    fixture->store = open_again(fixture);
    assert_int_equal(number_in(fixture, LEASES), 0);
    assert_int_equal(number_in(fixture, STAGES), 0);
    assert_int_equal(number_in(fixture, HISTORY), 0);
    eventually(fixture, BLOCKS, 1);
    expect(fixture->store, "a", longer("2"));
    expect_healthy(fixture->store);
}

/* Not even waited for by its parent: it is dead all the same. */
static void test_killed_while_open(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture);
    pid_t child = start_holder(fixture);
    fixture->store = open_again(fixture);
    expect_held(fixture);
    assert_int_equal(kill(child, SIGKILL), 0);
    eventually(fixture, LEASES, 0);
    eventually(fixture, STAGES, 0);
    eventually(fixture, HISTORY, 0);
    eventually(fixture, BLOCKS, 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    expect_healthy(fixture->store);
}

static void test_living(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture);
    pid_t child = start_holder(fixture);
    fixture->store = open_again(fixture);
    usleep(3000000); /* the housekeeper comes by every two seconds */
    expect_held(fixture);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_end_leaves_one_file(void **state)
{
    struct fixture *fixture = *state;
    char beside[128];
    struct sfs_storage *snapshot = NULL;
    struct sfs_error error = {0};
    set(fixture->store, "a", "1");
    must(sfs_snapshot(fixture->store, 0, &snapshot, &error), &error);
    set(fixture->store, "a", "2");
    close_store(snapshot);
    close_store(fixture->store);
    fixture->store = NULL;
    snprintf(beside, sizeof(beside), "%s-wal", fixture->path);
    assert_int_equal(access(beside, F_OK), -1);
    snprintf(beside, sizeof(beside), "%s-shm", fixture->path);
    assert_int_equal(access(beside, F_OK), -1);
    assert_int_equal(number_in(fixture, LEASES), 0);
    assert_int_equal(number_in(fixture, HISTORY), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 0);
    assert_int_equal(number_in(fixture, STAGES), 0);
}

/* --- who is taken for dead --- */

/* This process, as the store writes it. */
static void own_name(struct fixture *fixture, char boot[64], char namespace[32], char start[32])
{
    struct sfs_storage *snapshot = NULL;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    long pid;
    assert_int_equal(sfs_snapshot(fixture->store, 0, &snapshot, NULL), 0);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT owner FROM lease", -1, &statement, NULL), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *owner = (const char *)sqlite3_column_text(statement, 0);
    assert_int_equal(sscanf(owner, "%63s %31s %ld %31s", boot, namespace, &pid, start), 4);
    assert_int_equal(pid, getpid());
    sqlite3_finalize(statement);
    sqlite3_close(db);
    close_store(snapshot);
    eventually(fixture, LEASES, 0);
}

static void add_lease(const struct fixture *fixture, int id, const char *owner, int seconds)
{
    char sql[400];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(sql, sizeof(sql),
             "INSERT INTO lease(lease, sequence, contents, expires, owner)"
             " VALUES(%d, 0, 1, 1000000000 * %lld, '%s');"
             "UPDATE state SET last_lease = max(last_lease, %d)",
             id, (long long)now.tv_sec + seconds, owner, id);
    run_in(fixture, sql);
}

static void add_named(const struct fixture *fixture, int id, const char *boot,
                      const char *namespace, long pid, const char *start)
{
    char owner[200];
    snprintf(owner, sizeof(owner), "%s %s %ld %s", boot, namespace, pid, start);
    add_lease(fixture, id, owner, 600);
}

static void test_owners(void **state)
{
    struct fixture *fixture = *state;
    char boot[64], namespace[32], start[32];
    own_name(fixture, boot, namespace, start);
    close_store(fixture->store);
    fixture->store = NULL;
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    long self = (long)getpid();
    /* These live, or may while somebody else has the store open. */
    fixture->store = open_again(fixture);
    add_named(fixture, 101, boot, namespace, 1, "-");
    add_named(fixture, 102, boot, namespace, self, start);
    add_named(fixture, 103, boot, "1", gone, "17");
    add_named(fixture, 104, boot, "-", gone, "17");
    add_named(fixture, 105, "-", "-", gone, "-");
    add_lease(fixture, 106, "nobody", 600);
    add_named(fixture, 107, "00000000-0000-4000-8000-000000000000", namespace, gone, "17");
    /* These are dead, or their time is over. */
    add_named(fixture, 201, boot, namespace, gone, "17");
    add_named(fixture, 202, boot, namespace, gone, "-");
    add_named(fixture, 203, boot, namespace, self, "17");
    add_lease(fixture, 205, "nobody", -1);
    struct sfs_storage *other = open_again(fixture);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease WHERE lease > 200"), 0);
    assert_int_equal(number_in(fixture, LEASES), 7);
    /* The check removes them at once too. */
    uint64_t found = 0, repaired = 0;
    add_named(fixture, 206, boot, namespace, gone, "17");
    assert_int_equal(sfs_check(fixture->store, true, NULL, NULL, &found, &repaired, NULL), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease WHERE lease > 200"), 0);
    assert_int_equal(number_in(fixture, LEASES), 7);
    /* Of whom nothing is known nobody has it open now; another is a living process's. */
    close_store(other);
    assert_int_equal(sfs_check(fixture->store, true, NULL, NULL, &found, &repaired, NULL), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM lease WHERE lease = 101"), 1);
    assert_int_equal(number_in(fixture, LEASES), 2);
    run_in(fixture, "DELETE FROM lease");
}

/* --- the format before --- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_while_nobody_looks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_while_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_living, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_leaves_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
