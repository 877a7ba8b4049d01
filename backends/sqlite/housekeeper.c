/* SPDX-License-Identifier: MIT */
/*
 * The housekeeper: a thread of the store that does what nobody should have to wait for. It tends
 * the lease of the snapshots (pool_lease.c), removes history and garbage, writes a long log into
 * the file, and looks for leases and stages of processes that are dead. It sleeps until it has
 * something to do, and checks every two seconds. If no thread can be created, whoever ends a
 * snapshot does its work.
 */
#include "backends/sqlite/index.h"
#include "backends/sqlite/sharing.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

#define SWEEP_EVERY (2 * SFS_NS_PER_SECOND)
#define RETRY_AFTER SFS_NS_PER_SECOND
#define PRUNE_SOON (10 * SFS_NS_PER_MS)
#define PRUNE_MS 1000
#define PRUNE_MS_WAITED_FOR 50
#define LOG_LONG 4000     /* pages, then the log is written into the file */
#define LOG_TOO_LONG 8000 /* then staging stops and readers are waited for, until it can restart   \
                           */
#define LOG_MOST 12000    /* then commits wait until it has restarted, … */
#define LOG_STEP 1000     /* … each so many pages … */
#define LOG_PATIENCE (250 * SFS_NS_PER_MS) /* … as long as this for readers */
#define OWNERS 16         /* looked at in one sweep */

/* --- rows of the dead --- */

struct owners {
    char names[OWNERS][SFS_SQLITE_OWNER_SIZE];
    int count;
    bool lapsed; /* there are rows whose time is over */
};

static int list_others(struct sfs_sqlite *store, struct owners *owners, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_reader_take(store, &connection, error);
    if (code != 0)
        return code;
    code = sfs_sqlite_statement(connection, SFS_SQL_OWNERS, &statement, error);
    if (code == 0) {
        sqlite3_bind_int64(statement, 1, sfs_sqlite_clock(store));
        sqlite3_bind_text(statement, 2, store->owner, -1, SQLITE_STATIC);
        while (owners->count < OWNERS &&
               (code = sfs_sqlite_step(connection, statement, error)) == 1) {
            const char *name = (const char *)sqlite3_column_text(statement, 0);
            owners->lapsed |= sqlite3_column_int(statement, 1) != 0;
            if (name && strlen(name) < SFS_SQLITE_OWNER_SIZE)
                memcpy(owners->names[owners->count++], name, strlen(name) + 1);
        }
        sqlite3_reset(statement);
    }
    sfs_sqlite_reader_give(connection);
    return code < 0 ? code : 0;
}

static int bind_owner(struct sfs_sqlite_transaction *transaction, enum sfs_sqlite_sql sql,
                      const char *owner, sqlite3_stmt **ret_statement, struct sfs_error *error)
{
    int code = sfs_sqlite_statement(transaction->connection, sql, ret_statement, error);
    if (code == 0)
        sqlite3_bind_text(*ret_statement, 1, owner, -1, SQLITE_STATIC);
    return code;
}

static int remove_work(struct sfs_sqlite_transaction *transaction, void *context,
                       struct sfs_error *error)
{
    sqlite3_stmt *statement;
    /* Asked again inside the transaction: the owner may have opened the store since. */
    if (!sfs_sqlite_owner_dead(transaction->store, context))
        return 0;
    int code = bind_owner(transaction, SFS_SQL_LEASE_DROP_OWNER, context, &statement, error);
    if (code == 0)
        code = sfs_sqlite_step(transaction->connection, statement, error);
    if (code == 0)
        code = bind_owner(transaction, SFS_SQL_STAGE_GARBAGE, context, &statement, error);
    if (code == 0)
        code = sfs_sqlite_step(transaction->connection, statement, error);
    if (code == 0)
        code = bind_owner(transaction, SFS_SQL_STAGE_DROP_OWNER, context, &statement, error);
    if (code == 0)
        code = sfs_sqlite_step(transaction->connection, statement, error);
    if (code == 0)
        code = sfs_sqlite_index_abandon(transaction, context, error);
    transaction->leases_changed = true;
    return code;
}

int sfs_sqlite_sweep(struct sfs_sqlite *store, bool *ret_removed, struct sfs_error *error)
{
    struct owners owners = {.count = 0};
    int code = list_others(store, &owners, error);
    bool removed = owners.lapsed;
    for (int i = 0; i < owners.count && code == 0; i++) {
        if (!sfs_sqlite_owner_dead(store, owners.names[i]))
            continue;
        code = sfs_sqlite_transact(store, remove_work, owners.names[i], error);
        removed = true;
    }
    *ret_removed = removed;
    return code;
}

/* --- the log --- */

/*
 * Writes the log into the file, so that the next commit begins it anew. SQLite waits for readers (a
 * moment: the connection is hasty), but not for another checkpoint, which leaves `log` as it is:
 * that one ends without us, and is waited for as for any lock.
 */
static void begin_log_anew(struct sfs_sqlite_connection *connection)
{
    int64_t begin = sfs_clock_monotonic();
    int64_t busy = (int64_t)connection->store->options.busy_timeout * SFS_NS_PER_MS;
    for (;;) {
        int log = -1;
        int result = sfs_sqlite_checkpoint(connection->store, connection->db,
                                           SQLITE_CHECKPOINT_RESTART, &log);
        int64_t most = log < 0 ? busy : busy < LOG_PATIENCE ? busy : LOG_PATIENCE;
        if (result != SQLITE_BUSY || sfs_clock_monotonic() - begin >= most)
            return;
        nanosleep(&(struct timespec){.tv_nsec = SFS_NS_PER_MS}, NULL);
    }
}

static bool keeper_runs(struct sfs_sqlite *store, bool log_is_long)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool runs = pool->keeper == SFS_SQLITE_KEEPER_RUNNING;
    if (runs && log_is_long) {
        pool->log_is_long = true;
        sfs_sqlite_keeper_wake_by(store, sfs_clock_monotonic());
    }
    pthread_mutex_unlock(&pool->mutex);
    return runs;
}

/* Only notes it: who waits for the commit to be over would wait for the checkpoint. */
static int after_commit(void *context, sqlite3 *db, const char *name, int frames)
{
    struct sfs_sqlite *store = context;
    struct sfs_sqlite_connection *connection = store->writer;
    (void)db, (void)name;
    if (frames < connection->log_tried)
        connection->log_tried = 0;
    connection->log_frames = frames;
    if (frames >= LOG_TOO_LONG && keeper_runs(store, false))
        sfs_sqlite_staging_hold(store); /* first: the round that ends it must begin later */
    if (frames >= LOG_LONG)
        (void)keeper_runs(store, true);
    return SQLITE_OK;
}

/*
 * Instead of SQLite's own checkpoint in the commit that makes the log long: before the next
 * transaction, if there is no housekeeper. On a busy machine its thread may be slow at it, and
 * where many read in turn there may always be one, so that the log cannot restart: from LOG_MOST
 * pages on transactions wait for that, each LOG_STEP pages.
 */
void sfs_sqlite_log_limit(struct sfs_sqlite_connection *connection)
{
    int frames = connection->log_frames;
    connection->log_frames = 0;
    if (frames < LOG_LONG)
        return;
    connection->hasty = true;
    if (frames >= LOG_MOST && frames >= connection->log_tried + LOG_STEP) {
        connection->log_tried = frames;
        begin_log_anew(connection);
    } else if (!keeper_runs(connection->store, false)) {
        (void)sfs_sqlite_checkpoint(connection->store, connection->db, SQLITE_CHECKPOINT_PASSIVE,
                                    NULL);
    }
    connection->hasty = false;
}

/* First beside the commits, then what they have added meanwhile while none is made, so that the
 * next can restart the log. The sync comes before that: it takes long, and commits go on. */
static void shorten_log(struct sfs_sqlite *store)
{
    struct sfs_sqlite_connection *connection;
    if (sfs_sqlite_reader_take(store, &connection, NULL) != 0)
        return;
    int result = sfs_sqlite_checkpoint(store, connection->db, SQLITE_CHECKPOINT_PASSIVE, NULL);
    if (result == SQLITE_OK) /* SQLite does so only where the log has not grown meanwhile */
        result = sfs_sqlite_file_sync(connection->db, SQLITE_FCNTL_FILE_POINTER);
    sfs_sqlite_reader_give(connection);
    if (result != SQLITE_OK)
        return;
    connection = store->writer;
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    connection->hasty = true;
    bool too_long = connection->log_frames >= LOG_TOO_LONG;
    (void)sfs_sqlite_checkpoint(store, connection->db,
                                too_long ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
                                NULL);
    connection->hasty = false;
    sfs_sqlite_writer_leave(store);
}

/* --- the round --- */

void sfs_sqlite_keep_house(struct sfs_sqlite *store, int64_t linger)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool prune = pool->prune_wanted;
    pool->prune_wanted = false;
    bool waited_for = pool->keeper == SFS_SQLITE_KEEPER_MISSING;
    bool log_is_long = pool->log_is_long;
    pool->log_is_long = false;
    bool near = pool->near;
    pool->near = false;
    pthread_mutex_unlock(&pool->mutex);
    if (near) { /* entering ends it */
        sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
        sfs_sqlite_writer_leave(store);
    }
    if (log_is_long) {
        shorten_log(store);
        sfs_sqlite_staging_admit(store);
    }
    int64_t again;
    int code = sfs_sqlite_pool_tend(store, linger, &again);
    if (code == 1 || prune)
        (void)sfs_sqlite_prune(store, waited_for ? PRUNE_MS_WAITED_FOR : PRUNE_MS, NULL);
    if (code < 0) /* a lock held by another process, or a full disk */
        again = sfs_clock_monotonic() + RETRY_AFTER;
    pthread_mutex_lock(&pool->mutex);
    sfs_sqlite_keeper_wake_by(store, again);
    pthread_mutex_unlock(&pool->mutex);
}

/* --- the thread --- */

void sfs_sqlite_keeper_watch_log(struct sfs_sqlite *store)
{
    sqlite3_wal_hook(store->writer->db, after_commit, store);
}

void sfs_sqlite_keeper_wake_by(struct sfs_sqlite *store, int64_t at)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    if (at >= pool->work_at)
        return;
    pool->work_at = at;
    if (at < pool->sleeping_until)
        pthread_cond_signal(&pool->wake);
}

bool sfs_sqlite_keeper_ends_near(struct sfs_sqlite *store)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool runs = pool->keeper == SFS_SQLITE_KEEPER_RUNNING;
    if (runs && !pool->near) {
        pool->near = true;
        sfs_sqlite_keeper_wake_by(store, sfs_clock_monotonic() + SFS_SQLITE_LINGER);
    }
    pthread_mutex_unlock(&pool->mutex);
    return runs;
}

void sfs_sqlite_keeper_note(struct sfs_sqlite *store, int64_t after)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    pool->prune_wanted = true;
    sfs_sqlite_keeper_wake_by(store, sfs_clock_monotonic() + after);
    pthread_mutex_unlock(&pool->mutex);
}

void sfs_sqlite_keeper_ask(struct sfs_sqlite *store)
{
    sfs_sqlite_keeper_note(store, PRUNE_SOON);
    pthread_mutex_lock(&store->pool.mutex);
    bool alone = store->pool.keeper != SFS_SQLITE_KEEPER_RUNNING;
    pthread_mutex_unlock(&store->pool.mutex);
    if (alone)
        sfs_sqlite_keep_house(store, 0);
}

static void sleep_until(struct sfs_sqlite_pool *pool, int64_t at)
{
    struct timespec time = {.tv_sec = at / SFS_NS_PER_SECOND, .tv_nsec = at % SFS_NS_PER_SECOND};
    pool->sleeping_until = at;
    pthread_cond_timedwait(&pool->wake, &pool->mutex, &time);
    pool->sleeping_until = INT64_MIN;
}

static void look_about(struct sfs_sqlite *store)
{
    bool removed = false;
    sfs_sqlite_index_forsake(store);
    if (sfs_sqlite_sweep(store, &removed, NULL) == 0 && removed)
        (void)sfs_sqlite_prune(store, PRUNE_MS, NULL);
}

static void *keep(void *context)
{
    struct sfs_sqlite *store = context;
    struct sfs_sqlite_pool *pool = &store->pool;
    int64_t sweep_at = sfs_clock_monotonic() + SWEEP_EVERY;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->stopping) {
        int64_t now = sfs_clock_monotonic();
        int64_t at = pool->work_at < sweep_at ? pool->work_at : sweep_at;
        if (now < at) {
            sleep_until(pool, at);
            continue;
        }
        bool work = now >= pool->work_at;
        if (work)
            pool->work_at = INT64_MAX;
        pthread_mutex_unlock(&pool->mutex);
        if (work)
            sfs_sqlite_keep_house(store, SFS_SQLITE_LINGER);
        if (now >= sweep_at) {
            look_about(store);
            sweep_at = sfs_clock_monotonic() + SWEEP_EVERY;
        }
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* The signals of the program are for its own threads. */
static int start_thread(struct sfs_sqlite *store)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&store->pool.thread, NULL, keep, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

void sfs_sqlite_keeper_start(struct sfs_sqlite *store)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    if (!store->writer)
        return;
    pthread_mutex_lock(&pool->mutex);
    if (pool->keeper == SFS_SQLITE_KEEPER_NONE)
        pool->keeper =
            start_thread(store) == 0 ? SFS_SQLITE_KEEPER_RUNNING : SFS_SQLITE_KEEPER_MISSING;
    pthread_mutex_unlock(&pool->mutex);
}

void sfs_sqlite_keeper_stop(struct sfs_sqlite *store)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool running = pool->keeper == SFS_SQLITE_KEEPER_RUNNING;
    pool->stopping = true;
    pool->keeper = SFS_SQLITE_KEEPER_MISSING;
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    if (running)
        pthread_join(pool->thread, NULL);
}
