/* SPDX-License-Identifier: MIT */
/*
 * Connections: opening and setting up, the busy handler, prepared statements and how they are run,
 * and the pool of readers.
 */
#include "backends/sqlite/sharing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

#define MOMENT SFS_NS_PER_MS
#define HASTE (20 * SFS_NS_PER_MS)
#define LOST_WAIT 5 /* seconds */
#define GROWTH 4096 /* bytes: a page, so that the file is no longer than its pages */

int64_t sfs_sqlite_patience(const struct sfs_sqlite_connection *connection)
{
    int64_t limit = (int64_t)connection->store->options.busy_timeout * SFS_NS_PER_MS;
    return connection->hasty && limit > HASTE ? HASTE : limit;
}

/* Waits in slices that grow from 100 µs to 5 ms: SQLite's own steps of up to 100 ms lose most
 * races against a process that commits without pause. */
static int wait_for_lock(void *context, int count)
{
    struct sfs_sqlite_connection *connection = context;
    int64_t now = sfs_clock_monotonic();
    if (count == 0)
        connection->busy_since = now;
    if (now - connection->busy_since >= sfs_sqlite_patience(connection))
        return 0;
    int64_t slice = count < 6 ? INT64_C(100000) << count : 5 * SFS_NS_PER_MS;
    int64_t most = sfs_sqlite_turn_wait(connection, now - connection->busy_since);
    slice = slice < most ? slice : most;
    nanosleep(&(struct timespec){.tv_nsec = slice}, NULL);
    return 1;
}

/* Readers share what the option gives for pages: with mmap they hold few of their own. Who writes
 * does not map the file: SQLite would look for each page in the log before it looks among its own,
 * and what each commit writes is there as often as there were commits. */
static int set_up(struct sfs_sqlite_connection *connection, enum sfs_sqlite_use use,
                  struct sfs_error *error)
{
    const struct sfs_sqlite_options *options = &connection->store->options;
    bool reader = use != SFS_SQLITE_WRITES;
    uint64_t cache = options->cache / 1024 / (reader ? SFS_SQLITE_READERS : 1);
    char sql[512];
    /* Where a part of the file is mapped, SQLite makes it longer by a hole before it writes there;
     * asked for steps it sets room aside, or leaves the file as it is. */
    int step = GROWTH;
    sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_CHUNK_SIZE, &step);
    sqlite3_busy_handler(connection->db, wait_for_lock, connection);
    sqlite3_extended_result_codes(connection->db, 1);
    snprintf(sql, sizeof(sql),
             "PRAGMA cache_size = -%llu; PRAGMA mmap_size = %llu;"
             "PRAGMA journal_size_limit = 67108864;"
             "PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;"
             "PRAGMA synchronous = %s;",
             (unsigned long long)(cache < 256 ? 256 : cache),
             use != SFS_SQLITE_READS || !connection->store->complete
                 ? 0
                 : (unsigned long long)options->mmap,
             options->synchronous ? "FULL" : "NORMAL");
    int code = sfs_sqlite_guard_execute(connection, sql, error);
    return code || !reader ? code
                           : sfs_sqlite_guard_execute(connection, "PRAGMA query_only = 1", error);
}

int sfs_sqlite_connect(struct sfs_sqlite *store, enum sfs_sqlite_use use,
                       struct sfs_sqlite_connection **ret_connection, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    connection->store = store;
    connection->scans = use == SFS_SQLITE_SCANS;
    int result = sqlite3_open_v2(store->uri, &connection->db,
                                 store->open_flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
                                 sfs_sqlite_vfs());
    /* First: SQLite has just opened whatever has the name now, and would mix it with our log. */
    int code = sfs_sqlite_files_check(store, error);
    if (code == 0 && result != SQLITE_OK)
        code = sfs_sqlite_fail(connection, result, "open the database", error);
    if (code == 0)
        code = sfs_sqlite_head_check(connection, error);
    if (code == 0) {
        sfs_sqlite_guard_set_up(connection);
        code = set_up(connection, use, error);
    }
    if (code == 0)
        code = sfs_sqlite_visitor_set_up(connection, error);
    if (code != 0) {
        sfs_sqlite_disconnect(connection);
        return code;
    }
    *ret_connection = connection;
    return 0;
}

void sfs_sqlite_disconnect(struct sfs_sqlite_connection *connection)
{
    if (!connection)
        return;
    for (size_t i = 0; i < SFS_SQLITE_STATEMENTS; i++)
        sqlite3_finalize(connection->statements[i]);
    sqlite3_close_v2(connection->db);
    free(connection);
}

/* --- the pool --- */

/* Takes an idle one for this use out of the list, or of the list's others `any`. NULL. */
static struct sfs_sqlite_connection *find_idle(struct sfs_sqlite *store, bool scans, bool any)
{
    struct sfs_sqlite_connection **link = &store->idle;
    while (*link && (*link)->scans != scans && !any)
        link = &(*link)->next;
    struct sfs_sqlite_connection *connection = *link;
    if (connection)
        *link = connection->next;
    return connection;
}

/* NULL: one more may be opened, and is counted already. */
static struct sfs_sqlite_connection *wait_for_idle(struct sfs_sqlite *store, bool scans)
{
    struct sfs_sqlite_connection *connection;
    pthread_mutex_lock(&store->pool_mutex);
    for (;;) {
        bool more = store->readers < SFS_SQLITE_READERS;
        connection = find_idle(store, scans, false);
        if (!connection && !more)
            connection = find_idle(store, scans, true);
        if (connection || more)
            break;
        pthread_cond_wait(&store->pool_free, &store->pool_mutex);
    }
    store->readers += !connection;
    pthread_mutex_unlock(&store->pool_mutex);
    return connection;
}

/* Under the mutex, where no more can be opened: the file can still be read, as long as there is a
 * connection. NULL if all are in use for long. */
static struct sfs_sqlite_connection *wait_for_other(struct sfs_sqlite *store)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += LOST_WAIT;
    struct sfs_sqlite_connection *connection;
    int code = 0;
    while (!(connection = find_idle(store, false, true)) && store->readers > 0 && code == 0)
        code = pthread_cond_clockwait(&store->pool_free, &store->pool_mutex, CLOCK_MONOTONIC, &end);
    return connection;
}

static int take(struct sfs_sqlite *store, bool scans, struct sfs_sqlite_connection **ret_connection,
                struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = wait_for_idle(store, scans);
    if (connection) {
        *ret_connection = connection;
        return 0;
    }
    struct sfs_error failure;
    int code = sfs_sqlite_connect(store, scans ? SFS_SQLITE_SCANS : SFS_SQLITE_READS,
                                  ret_connection, &failure);
    if (code == 0)
        return 0;
    pthread_mutex_lock(&store->pool_mutex);
    store->readers--;
    pthread_cond_signal(&store->pool_free);
    connection = code == SFS_E_LOST ? wait_for_other(store) : NULL;
    pthread_mutex_unlock(&store->pool_mutex);
    if (connection) {
        *ret_connection = connection;
        return 0;
    }
    if (error)
        *error = failure;
    return code;
}

int sfs_sqlite_reader_take(struct sfs_sqlite *store, struct sfs_sqlite_connection **ret_connection,
                           struct sfs_error *error)
{
    return take(store, false, ret_connection, error);
}

int sfs_sqlite_scanner_take(struct sfs_sqlite *store, struct sfs_sqlite_connection **ret_connection,
                            struct sfs_error *error)
{
    return take(store, store->options.mmap > 0, ret_connection, error);
}

int sfs_sqlite_near_take(struct sfs_sqlite *store, uint64_t number,
                         struct sfs_sqlite_connection **ret_connection, struct sfs_error *error)
{
    int64_t now = sfs_clock_monotonic();
    pthread_mutex_lock(&store->queue_mutex);
    bool near =
        !store->writing && store->committed &&
        (pthread_equal(store->committer, pthread_self()) || now - store->committed_at < MOMENT);
    if (near)
        store->writing = true;
    pthread_mutex_unlock(&store->queue_mutex);
    if (!near)
        return sfs_sqlite_reader_take(store, ret_connection, error);
    if (store->near_number != number)
        sfs_sqlite_near_end(store);
    *ret_connection = store->writer;
    return 0;
}

void sfs_sqlite_near_end(struct sfs_sqlite *store)
{
    if (store->near_anchor)
        sqlite3_reset(store->near_anchor);
    store->near_anchor = NULL;
    store->near_number = 0;
}

void sfs_sqlite_reader_give(struct sfs_sqlite_connection *connection)
{
    struct sfs_sqlite *store = connection->store;
    if (connection == store->writer) {
        sfs_sqlite_writer_leave(store);
        return;
    }
    /* One whose transaction could not be ended would show its old state for ever. */
    bool stuck = !sqlite3_get_autocommit(connection->db);
    if (stuck)
        sfs_sqlite_disconnect(connection);
    pthread_mutex_lock(&store->pool_mutex);
    if (stuck) {
        store->readers--;
    } else {
        connection->next = store->idle;
        store->idle = connection;
    }
    pthread_cond_signal(&store->pool_free);
    pthread_mutex_unlock(&store->pool_mutex);
}

void sfs_sqlite_readers_close(struct sfs_sqlite *store)
{
    while (store->idle) {
        struct sfs_sqlite_connection *connection = store->idle;
        store->idle = connection->next;
        sfs_sqlite_disconnect(connection);
    }
    store->readers = 0;
}

/* --- statements --- */

int sfs_sqlite_statement(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql,
                         sqlite3_stmt **ret_statement, struct sfs_error *error)
{
    int code = 0;
    if (!connection->statements[sql]) {
        code = sfs_sqlite_guard_trust(connection, error);
        if (code == 0)
            code = sfs_sqlite_guard_prepare(connection, sfs_sqlite_sql_text(sql),
                                            SQLITE_PREPARE_PERSISTENT, &connection->statements[sql],
                                            NULL, error);
    }
    *ret_statement = connection->statements[sql];
    return code;
}

void sfs_sqlite_statement_end(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql)
{
    sqlite3_finalize(connection->statements[sql]);
    connection->statements[sql] = NULL;
}

int sfs_sqlite_step(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                    struct sfs_error *error)
{
    int result;
    int code = sfs_sqlite_guard_step(connection, statement, &result, error);
    if (code != 0)
        return code;
    if (result == SQLITE_ROW)
        return 1;
    /* To SQLite BEGIN and COMMIT are read-only. */
    bool reads = sqlite3_stmt_readonly(statement) && sqlite3_column_count(statement) > 0;
    if (result != SQLITE_DONE)
        code = sfs_sqlite_fail(connection, result, reads ? "read" : "write", error);
    sqlite3_reset(statement);
    return code;
}

int sfs_sqlite_run(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql,
                   struct sfs_error *error, int count, ...)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, sql, &statement, error);
    if (code != 0)
        return code;
    va_list arguments;
    va_start(arguments, count);
    for (int i = 1; i <= count; i++)
        sqlite3_bind_int64(statement, i, va_arg(arguments, int64_t));
    va_end(arguments);
    do {
        code = sfs_sqlite_step(connection, statement, error);
    } while (code == 1);
    return code;
}

int sfs_sqlite_integers(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql,
                        const int64_t *arguments, int argument_count, int64_t *ret, int ret_count,
                        struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, sql, &statement, error);
    if (code != 0)
        return code;
    for (int i = 0; i < argument_count; i++)
        sqlite3_bind_int64(statement, i + 1, arguments[i]);
    int found = sfs_sqlite_step(connection, statement, error);
    if (found != 1)
        return found;
    for (int i = 0; i < ret_count; i++)
        ret[i] = sqlite3_column_type(statement, i) == SQLITE_NULL
                     ? -1
                     : sqlite3_column_int64(statement, i);
    sqlite3_reset(statement);
    return 1;
}

int sfs_sqlite_execute(struct sfs_sqlite_connection *connection, const char *sql,
                       struct sfs_error *error)
{
    int code = sfs_sqlite_guard_trust(connection, error);
    return code ? code : sfs_sqlite_guard_execute(connection, sql, error);
}

/* The bytes must stay until the statement has been reset. An empty run is an empty BLOB, not NULL.
 */
void sfs_sqlite_bind(sqlite3_stmt *statement, int at, struct sfs_bytes bytes)
{
    sqlite3_bind_blob64(statement, at, bytes.data ? bytes.data : "", bytes.size, SQLITE_STATIC);
}

struct sfs_bytes sfs_sqlite_column(sqlite3_stmt *statement, int at)
{
    const void *data = sqlite3_column_blob(statement, at);
    return sfs_bytes(data, data ? (size_t)sqlite3_column_bytes(statement, at) : 0);
}

/* Names have at most SFS_KEY_MAX + 2 bytes, so one more 0xff is above all of them. */
static char above_names[SFS_KEY_MAX + 3];

static void fill_above_names(void)
{
    memset(above_names, 0xff, sizeof(above_names));
}

struct sfs_bytes sfs_sqlite_range_end(struct sfs_range range)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_above_names);
    return range.to.size ? range.to : sfs_bytes(above_names, sizeof(above_names));
}
