/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SQLITE_FIXTURE_H
#define TESTS_SQLITE_FIXTURE_H

/* A store in a directory of its own under /tmp, which goes with the test, and short forms of calls
 * that must succeed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "storefs/storefs.h"

struct fixture {
    char directory[64];
    char path[96];
    struct sfs_storage *store;
};

/* For a process that a test has forked: it ends with the test, however slow the machine is. */
static inline void end_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline void must(int code, const struct sfs_error *error)
{
    if (code < 0)
        fail_msg("%s: %s", sfs_code_name(code), error->message);
}

static inline struct sfs_storage *open_with(const struct fixture *fixture, const char *options,
                                            unsigned flags)
{
    char uri[160];
    struct sfs_error error = {0};
    struct sfs_storage *store = NULL;
    snprintf(uri, sizeof(uri), "sqlite:%s%s", fixture->path, options);
    must(sfs_open(&store, uri, flags, &error), &error);
    return store;
}

static inline struct sfs_storage *open_again(const struct fixture *fixture)
{
    return open_with(fixture, "", 0);
}

static inline void close_store(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    must(sfs_close(store, &error), &error);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    strcpy(fixture->directory, "/tmp/sfs-sqlite-XXXXXX");
    if (!mkdtemp(fixture->directory))
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/store.db", fixture->directory);
    fixture->store = open_with(fixture, "", SFS_OPEN_CREATE);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    if (fixture->store)
        close_store(fixture->store);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->directory);
    int result = system(command);
    free(fixture);
    return result;
}

static inline struct sfs_batch *new_batch(void)
{
    struct sfs_batch *batch = NULL;
    assert_int_equal(sfs_batch_new(&batch, NULL), 0);
    return batch;
}

static inline uint64_t apply_and_free(struct sfs_storage *store, struct sfs_batch *batch)
{
    struct sfs_error error = {0};
    uint64_t sequence = 0;
    must(sfs_apply(store, batch, NULL, &sequence, &error), &error);
    sfs_batch_free(batch);
    return sequence;
}

static inline void set(struct sfs_storage *store, const char *key, const char *value)
{
    struct sfs_error error = {0};
    must(sfs_set(store, sfs_string(key), sfs_string(value), &error), &error);
}

static inline struct sfs_storage *snapshot_of(struct sfs_storage *store, uint64_t lease_ms)
{
    struct sfs_error error = {0};
    struct sfs_storage *snapshot = NULL;
    must(sfs_snapshot(store, lease_ms, &snapshot, &error), &error);
    return snapshot;
}

static inline int read_code(struct sfs_storage *store, const char *key)
{
    const struct sfs_record *record = NULL;
    int code = sfs_get(store, sfs_string(key), SFS_WANT_VALUE, &record, NULL);
    sfs_record_unref(record);
    return code;
}

/* The text with blanks behind it: a value that is too large for its record's row. One at a time. */
static inline const char *longer(const char *text)
{
    static char value[2001];
    snprintf(value, sizeof(value), "%-2000s", text);
    return value;
}

/* The key has this value; NULL: there is no such key. */
static inline void expect(struct sfs_storage *store, const char *key, const char *value)
{
    struct sfs_error error = {0};
    struct sfs_buffer read = {0};
    int code = sfs_get_value(store, sfs_string(key), &read, &error);
    if (!value) {
        assert_int_equal(code, SFS_E_NOT_FOUND);
        return;
    }
    must(code, &error);
    if (read.size != strlen(value) || (read.size && memcmp(read.data, value, read.size) != 0))
        fail_msg("'%s' is '%.*s', not '%s'", key, (int)read.size, read.data, value);
    sfs_buffer_free(&read);
}

/* A number from the file itself. */
static inline long long number_in(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    long long number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

/* The same where the housekeeper brings it about, within moments unless the machine is busy. */
static inline void eventually(const struct fixture *fixture, const char *sql, long long wanted)
{
    long long number = number_in(fixture, sql);
    for (int i = 0; i < 6000 && number != wanted; i++) {
        usleep(10000);
        number = number_in(fixture, sql);
    }
    if (number != wanted)
        fail_msg("%s: %lld after a minute, not %lld", sql, number, wanted);
}

static inline void run_in(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static inline void print_finding(void *context, const char *sentence)
{
    (void)context;
    print_message("found: %s\n", sentence);
}

static inline void expect_healthy(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    must(sfs_check(store, false, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(found, 0);
}

#endif
