/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the lease that an opening has for its snapshots, once it is written (pool.c): it
 * is renewed, moved on, or dropped, each in a write transaction. What that lets go of is published
 * under the mutex before, and taken back if it fails.
 */
#include "backends/sqlite/internal.h"

#include "util/clock.h"

struct change {
    int64_t row;
    int64_t sequence;
    int64_t expires;
    int64_t linger; /* where nobody uses it: how long that may be so before it goes */
    bool prepared;  /* what is to be done has been published */
    bool drops;
    int64_t floor_before;
};

/* After a failure, or before another try. */
static void take_back(struct sfs_sqlite_pool *pool, struct change *change)
{
    if (!change->prepared)
        return;
    if (change->drops)
        pool->row = change->row;
    pool->floor = change->floor_before;
    *change = (struct change){.linger = change->linger};
}

static int64_t larger(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* Decides what becomes of the row, if there is one, and publishes that. Its time is never made
 * shorter: a hold that begins now has found it long enough. Under the mutex. */
static int prepare(struct sfs_sqlite_transaction *transaction, struct change *change,
                   struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    struct sfs_sqlite_survey survey = sfs_sqlite_pool_look(pool);
    *change = (struct change){
        .row = pool->row,
        .linger = change->linger,
        .sequence = pool->oldest ? pool->oldest->sequence : transaction->state.sequence,
        .expires = larger(pool->expires, transaction->now + 2 * survey.longest),
        .prepared = true,
        .floor_before = pool->floor};
    if (change->row == 0)
        return 0;
    if (transaction->own < 0)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN, "the lease %lld of %s has expired",
                        (long long)change->row, transaction->store->path);
    change->drops = pool->count == 0 && sfs_clock_monotonic() - pool->idle_since >= change->linger;
    if (change->drops)
        pool->row = 0;
    else if (pool->floor < change->sequence)
        pool->floor = change->sequence;
    return 0;
}

static int change_work(struct sfs_sqlite_transaction *transaction, void *context,
                       struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    struct change *change = context;
    pthread_mutex_lock(&pool->mutex);
    take_back(pool, change);
    int code = prepare(transaction, change, error);
    pthread_mutex_unlock(&pool->mutex);
    if (code != 0 || change->row == 0)
        return code;
    if (!change->drops)
        return sfs_sqlite_lease_renew(transaction, change->row, change->sequence, change->expires,
                                      error);
    transaction->leases_changed = true;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_LEASE_DROP, error, 1, change->row);
}

int sfs_sqlite_pool_change_row_held(struct sfs_sqlite *store, int64_t linger,
                                    struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    struct change change = {.linger = linger};
    int code = sfs_sqlite_transact_held(store, change_work, &change, error);
    pthread_mutex_lock(&pool->mutex);
    int64_t row = change.row;
    if (code != 0) {
        take_back(pool, &change);
    } else if (pool->row == row) {
        pool->sequence = change.sequence;
        pool->expires = change.expires;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (code == SFS_E_EXPIRED)
        sfs_sqlite_pool_forget(store, row);
    return code;
}

int sfs_sqlite_pool_change_row(struct sfs_sqlite *store, int64_t linger, struct sfs_error *error)
{
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    int code = sfs_sqlite_pool_change_row_held(store, linger, error);
    sfs_sqlite_writer_leave(store);
    return code;
}

/* Whether the file keeps anything that it may keep for the row alone. */
static bool keeps_behind(struct sfs_sqlite *store, int64_t sequence)
{
    struct sfs_sqlite_connection *connection;
    int64_t kept = 0;
    if (sfs_sqlite_reader_take(store, &connection, NULL) != 0)
        return false;
    (void)sfs_sqlite_integers(connection, SFS_SQL_KEPT_BEHIND, &sequence, 1, &kept, 1, NULL);
    sfs_sqlite_reader_give(connection);
    return kept > 0;
}

static int64_t smaller(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

int sfs_sqlite_pool_tend(struct sfs_sqlite *store, int64_t linger, int64_t *ret_again)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    int64_t now = sfs_clock_monotonic();
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_survey survey = sfs_sqlite_pool_look(pool);
    bool unused = pool->row != 0 && pool->count == 0;
    int64_t drop_at = unused ? pool->idle_since + linger : INT64_MAX;
    int64_t renew_at = INT64_MAX;
    if (pool->row != 0 && pool->count > 0)
        renew_at = now + (pool->expires - sfs_sqlite_clock(store)) - survey.longest;
    bool due = now >= drop_at || now >= renew_at;
    bool behind = pool->oldest && pool->oldest->sequence > pool->sequence;
    int64_t move_at = behind ? pool->moved + (linger == 0 ? 0 : SFS_SQLITE_MOVE_EVERY) : INT64_MAX;
    int64_t sequence = pool->sequence;
    if (due || now >= move_at)
        pool->moved = now;
    pthread_mutex_unlock(&pool->mutex);
    *ret_again = smaller(smaller(survey.deadline, drop_at), smaller(renew_at, move_at));
    bool moves = !due && now >= move_at && keeps_behind(store, sequence);
    if (!due && now >= move_at) /* what is behind the oldest does not become more */
        *ret_again = smaller(survey.deadline, renew_at);
    if (!due && !moves)
        return 0;
    int code = sfs_sqlite_pool_change_row(store, linger, NULL);
    *ret_again = survey.deadline;
    return code ? code : 1;
}
