/* SPDX-License-Identifier: MIT */
/*
 * What the background thread keeps small stays so however slowly that thread works. Either it gets
 * no processor at all (its sleep does not end), or below SQLite lies a disk that takes its time for
 * whatever another thread than the writing one puts into the database.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storefs/storage.h"

#define LOG_MOST ((int64_t)64 << 20)
#define VALUE ((size_t)256 << 10)
#define KEYS 4

/* --- the disk --- */

static sqlite3_vfs *usual, slow_disk;
static sqlite3_io_methods slow_methods;
static int (*usual_write)(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset);
static pthread_t writer;
static atomic_int slow_writes; /* how many more there are */

static int slow_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    if (!pthread_equal(pthread_self(), writer) && atomic_load(&slow_writes) > 0) {
        atomic_fetch_sub(&slow_writes, 1);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return usual_write(file, data, size, offset);
}

static int slow_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    (void)vfs;
    int result = usual->xOpen(usual, name, file, flags, ret_flags);
    if (result == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB)) {
        slow_methods = *file->pMethods;
        usual_write = slow_methods.xWrite;
        slow_methods.xWrite = slow_write;
        file->pMethods = &slow_methods;
    }
    return result;
}

static int set_up(void **state)
{
    (void)state;
    const char *directory = getenv("TMPDIR");
    usual = sqlite3_vfs_find(NULL);
    slow_disk = *usual;
    slow_disk.zName = "slow";
    slow_disk.xOpen = slow_open;
    writer = pthread_self();
    return chdir(directory ? directory : "/tmp") || sqlite3_vfs_register(&slow_disk, 1);
}

/* --- the processor --- */

static atomic_bool starved;

int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    int code = 0;
    bool waited = false;
    while (atomic_load(&starved) && !pthread_equal(pthread_self(), writer)) {
        struct timespec soon;
        clock_gettime(CLOCK_MONOTONIC, &soon);
        soon.tv_nsec += 10000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        waited = true;
        (void)__real_pthread_cond_timedwait(condition, mutex, &soon);
    }
    if (!waited)
        code = __real_pthread_cond_timedwait(condition, mutex, until);
    return code;
}

/* --- the log --- */

static int64_t log_size(void)
{
    struct stat status;
    return stat("log.db-wal", &status) == 0 ? status.st_size : 0;
}

static struct sfs_storage *open_store(void)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    assert_int_equal(system("rm -f log.db*"), 0);
    assert_int_equal(sfs_open(&store, "sqlite:log.db", SFS_OPEN_CREATE, &error), 0);
    return store;
}

/* Writes so many bytes, and returns how long the log was at the most. */
static int64_t write_bytes(struct sfs_storage *store, int64_t bytes)
{
    static char value[VALUE];
    struct sfs_error error = {0};
    int64_t most = 0;
    for (int64_t i = 0; i * (int64_t)VALUE < bytes; i++) {
        char key[2] = {(char)('a' + i % KEYS), '\0'};
        memset(value, (int)('a' + i % 26), sizeof(value));
        assert_int_equal(sfs_set(store, sfs_string(key), sfs_bytes(value, sizeof(value)), &error),
                         0);
        most = log_size() > most ? log_size() : most;
    }
    return most;
}

static void check_values(struct sfs_storage *store, int64_t bytes)
{
    int64_t count = bytes / (int64_t)VALUE;
    for (int64_t i = count - KEYS; i < count; i++) {
        struct sfs_buffer value = {0};
        char key[2] = {(char)('a' + i % KEYS), '\0'};
        assert_int_equal(sfs_get_value(store, sfs_string(key), &value, NULL), 0);
        assert_int_equal(value.size, VALUE);
        assert_int_equal(value.data[0], 'a' + i % 26);
        assert_int_equal(value.data[VALUE - 1], 'a' + i % 26);
        sfs_buffer_free(&value);
    }
}

static void test_starved_thread(void **state)
{
    (void)state;
    const int64_t bytes = (int64_t)160 << 20;
    struct sfs_storage *store = open_store();
    atomic_store(&slow_writes, 3000);
    assert_in_range(write_bytes(store, bytes), 1, LOG_MOST);
    atomic_store(&slow_writes, 0);
    check_values(store, bytes);
    assert_int_equal(sfs_close(store, NULL), 0);
}

/* Nothing can shorten a log that another program reads in: commits go on, though more slowly, and
 * when it is done the log is short again. */
static void test_pinned(void **state)
{
    (void)state;
    const int64_t bytes = (int64_t)80 << 20;
    struct sfs_storage *store = open_store();
    sqlite3 *reader = NULL;
    assert_int_equal(sfs_set(store, sfs_string("z"), sfs_string("1"), NULL), 0);
    assert_int_equal(sqlite3_open("log.db", &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM state", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_in_range(write_bytes(store, bytes), LOG_MOST + 1, bytes + bytes / 2);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    (void)write_bytes(store, bytes);
    assert_in_range(log_size(), 1, LOG_MOST);
    check_values(store, bytes);
    assert_int_equal(sfs_close(store, NULL), 0);
    assert_int_equal(log_size(), 0);
}

static int64_t number_in(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open("log.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

/* A large value over another one leaves as many parts to remove as it has. */
static void test_old_parts(void **state)
{
    (void)state;
    const size_t size = (size_t)16 << 20;
    struct sfs_storage *store = open_store();
    char *large = calloc(1, size);
    assert_non_null(large);
    atomic_store(&starved, true);
    for (int i = 0; i < 12; i++) {
        memset(large, 'a' + i, size);
        assert_int_equal(sfs_set(store, sfs_string("large"), sfs_bytes(large, size), NULL), 0);
        assert_int_equal(sfs_set(store, sfs_string("small"), sfs_string("1"), NULL), 0);
    }
    assert_in_range(number_in("SELECT count(*) FROM block"), 64, 3 * 64);
    atomic_store(&starved, false);
    assert_int_equal(sfs_close(store, NULL), 0);
    free(large);
}

static void write_small(struct sfs_storage *store, int count)
{
    char key[2] = {0}, value[1000];
    memset(value, 'x', sizeof(value));
    for (int i = 0; i < count; i++) {
        key[0] = (char)('a' + i % KEYS);
        assert_int_equal(sfs_set(store, sfs_string(key), sfs_bytes(value, sizeof(value)), NULL), 0);
    }
}

/* A snapshot needs one old row of each key, whatever comes after it, and then none; a feed that is
 * read needs what it has not read. */
static void test_history(void **state)
{
    (void)state;
    struct sfs_storage *store = open_store(), *snapshot = NULL;
    struct sfs_feed *feed = NULL;
    struct sfs_change change;
    const int64_t most = 300; /* what one commit removes on its way, twice */
    write_small(store, KEYS);
    atomic_store(&starved, true);
    assert_int_equal(sfs_snapshot(store, 0, &snapshot, NULL), 0);
    write_small(store, 4000);
    assert_in_range(number_in("SELECT count(*) FROM history"), KEYS, most);
    assert_in_range(number_in("SELECT count(*) FROM garbage"), 0, most);
    assert_int_equal(sfs_close(snapshot, NULL), 0);
    assert_int_equal(sfs_changes(store, UINT64_MAX, &feed, NULL), 0);
    for (int i = 0; i < 40; i++) {
        write_small(store, 100);
        for (int j = 0; j < 100; j++)
            assert_int_equal(sfs_feed_next(feed, &change, NULL), 1);
        assert_int_equal(sfs_feed_next(feed, &change, NULL), 0);
    }
    sfs_feed_close(feed);
    write_small(store, 100);
    assert_in_range(number_in("SELECT count(*) FROM history"), 0, most);
    assert_in_range(number_in("SELECT count(*) FROM garbage"), 0, most);
    atomic_store(&starved, false);
    assert_int_equal(sfs_close(store, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starved_thread),
        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_old_parts),
        cmocka_unit_test(test_history),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
