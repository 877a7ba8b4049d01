/* SPDX-License-Identifier: MIT */
/*
 * What commits ask the pool of snapshots, and what the housekeeper does with its leases: a snapshot
 * that lasts gets an exact lease, the open lease moves on to the oldest one that is young, or to
 * the present, and what nobody relies on any more is dropped; all that is due in one transaction.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

#include "util/clock.h"

/* --- commits --- */

int64_t sfs_sqlite_pool_row(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->pool.mutex);
    int64_t row = store->pool.open.row;
    pthread_mutex_unlock(&store->pool.mutex);
    return row;
}

bool sfs_sqlite_pool_is_at(struct sfs_sqlite *store, int64_t sequence)
{
    pthread_mutex_lock(&store->pool.mutex);
    const struct sfs_sqlite_hold *hold = store->pool.newest;
    while (hold && hold->sequence > sequence)
        hold = hold->older;
    bool found = hold && hold->sequence == sequence;
    pthread_mutex_unlock(&store->pool.mutex);
    return found;
}

/* What of the open lease is needed beside the hold that is given up. */
static void note_own(struct sfs_sqlite_transaction *transaction, const struct sfs_sqlite_pool *pool,
                     const struct sfs_sqlite_hold *given)
{
    const struct sfs_sqlite_hold *oldest = pool->oldest;
    const struct sfs_sqlite_hold *newest = pool->newest;
    if (oldest && oldest == given)
        oldest = oldest->newer;
    if (newest && newest == given)
        newest = newest->older;
    transaction->exact = true;
    transaction->own_oldest = oldest ? oldest->sequence : -1;
    transaction->own_newest = newest ? newest->sequence : -1;
}

int sfs_sqlite_pool_begin_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                 struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *given = released ? sfs_sqlite_pool_find(pool, released) : NULL;
    if (given)
        given->gone_at = transaction->present + 1;
    if (given && given->exact && given->exact->holds == 1)
        transaction->given_row = given->exact->row;
    if (transaction->own >= 0 && pool->open.row == transaction->own_row && pool->settling == 0) {
        pool->ahead = true;
        pool->floor_before = pool->floor;
        pool->floor = transaction->present + 1;
        note_own(transaction, pool, given);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (transaction->given_row != 0)
        return sfs_sqlite_positions_read(transaction, error);
    sfs_sqlite_positions_combine(transaction);
    return 0;
}

void sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                bool committed)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    if (!transaction->exact && released == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *given = released ? sfs_sqlite_pool_find(pool, released) : NULL;
    if (given && !committed)
        given->gone_at = 0;
    else if (given && (given->young ? transaction->exact : transaction->given_row != 0))
        sfs_sqlite_pool_unlist(pool, given);
    if (transaction->exact) {
        /* A sync commits no change, so that the number may be the one from before. */
        pool->floor = committed ? transaction->state.sequence : pool->floor_before;
        pool->ahead = false;
        pthread_cond_broadcast(&pool->settled);
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* --- a round of the housekeeper --- */

struct round {
    int64_t linger;
    int64_t row;     /* the open lease, 0: none */
    bool drops;      /* it */
    bool prepared;   /* what is to be done has been published */
    int64_t target;  /* it moves on to there, -1: it stays */
    int64_t lasting; /* nanoseconds that a lease which is written lasts from now on */
    int64_t expires;
    int64_t floor_before;
};

/* The exact lease of this state, made where there is none in use that lasts. NULL: no memory. */
static struct sfs_sqlite_own_lease *exact_lease(struct sfs_sqlite_transaction *transaction,
                                                const struct round *round,
                                                const struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_own_lease **link = &transaction->store->pool.exact;
    while (*link && (*link)->sequence > hold->sequence)
        link = &(*link)->next;
    for (struct sfs_sqlite_own_lease *lease = *link; lease && lease->sequence == hold->sequence;
         lease = lease->next) {
        if (lease->holds > 0 && lease->expires > transaction->now + hold->duration)
            return lease;
    }
    struct sfs_sqlite_own_lease *lease = calloc(1, sizeof(*lease));
    if (!lease)
        return NULL;
    *lease = (struct sfs_sqlite_own_lease){.row = ++transaction->state.last_lease,
                                           .sequence = hold->sequence,
                                           .expires = transaction->now + round->lasting,
                                           .fresh = true,
                                           .next = *link};
    *link = lease;
    return lease;
}

/* The number of the hold must be known, and the open lease have kept its state until now. */
static int find_exact(struct sfs_sqlite_transaction *transaction, const struct round *round,
                      struct sfs_error *error)
{
    int64_t now = sfs_clock_monotonic();
    for (struct sfs_sqlite_hold *hold = transaction->store->pool.oldest; hold; hold = hold->newer) {
        if (hold->young_until > now)
            continue;
        hold->exact = exact_lease(transaction, round, hold);
        if (!hold->exact)
            return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
        hold->exact->holds++;
    }
    return 0;
}

/* Decides and publishes what the transaction does. Under the mutex. */
static int prepare(struct sfs_sqlite_transaction *transaction, struct round *round,
                   struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    round->prepared = true;
    round->floor_before = pool->floor;
    round->row = pool->open.row;
    round->lasting = 2 * sfs_sqlite_pool_look(pool).longest;
    round->expires = transaction->now + round->lasting;
    if (round->row != 0 && transaction->own < 0)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN, "the lease %lld of %s has expired",
                        (long long)round->row, transaction->store->path);
    int code = find_exact(transaction, round, error);
    if (code != 0)
        return code;
    for (struct sfs_sqlite_own_lease *lease = pool->exact; lease; lease = lease->next)
        lease->ending = lease->holds == 0;
    round->drops = round->row != 0 && pool->open.holds == 0 &&
                   sfs_clock_monotonic() - pool->idle_since >= round->linger;
    if (round->drops) {
        pool->open.row = 0;
    } else if (round->row != 0 && round->lasting > 0) {
        int64_t oldest = sfs_sqlite_pool_look(pool).oldest;
        int64_t present = transaction->state.sequence;
        round->target = oldest < present ? oldest : present;
        if (pool->floor < round->target)
            pool->floor = round->target;
    }
    return 0;
}

static void remove_leases(struct sfs_sqlite_pool *pool, bool fresh)
{
    struct sfs_sqlite_own_lease **link = &pool->exact;
    while (*link) {
        struct sfs_sqlite_own_lease *lease = *link;
        if (fresh ? lease->fresh : lease->ending) {
            *link = lease->next;
            free(lease);
        } else {
            lease->fresh = lease->ending = false;
            link = &lease->next;
        }
    }
}

/* After a failure, or before another try. */
static void take_back(struct sfs_sqlite_pool *pool, struct round *round)
{
    if (!round->prepared)
        return;
    for (struct sfs_sqlite_hold *hold = pool->oldest; hold; hold = hold->newer) {
        if (hold->exact)
            hold->exact->holds--;
        hold->exact = NULL;
    }
    remove_leases(pool, true);
    if (round->drops)
        pool->open.row = round->row;
    pool->floor = round->floor_before;
    *round = (struct round){.linger = round->linger, .row = round->row, .target = -1};
}

/* After success: who has an exact lease needs the open one no more. */
static void conclude(struct sfs_sqlite_pool *pool, const struct round *round)
{
    struct sfs_sqlite_hold *newer;
    for (struct sfs_sqlite_hold *hold = pool->oldest; hold; hold = newer) {
        newer = hold->newer;
        if (hold->exact)
            sfs_sqlite_hold_age(pool, hold);
    }
    remove_leases(pool, false);
    if (round->target >= 0 && pool->open.row == round->row) {
        pool->open.sequence = round->target;
        pool->open.expires = round->expires;
    }
}

static int write_exact(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    /* The list is that of who holds the write connection. */
    const struct sfs_sqlite_own_lease *lease = transaction->store->pool.exact;
    int code = 0;
    for (; lease && code == 0; lease = lease->next) {
        if (lease->fresh)
            code = sfs_sqlite_lease_put(transaction, lease->row, lease->sequence,
                                        SFS_SQLITE_LEASE_SNAPSHOT, lease->expires, error);
        else if (lease->ending)
            code =
                sfs_sqlite_run(transaction->connection, SFS_SQL_LEASE_DROP, error, 1, lease->row);
    }
    return code;
}

static int tend_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    struct round *round = context;
    pthread_mutex_lock(&pool->mutex);
    take_back(pool, round);
    int code = prepare(transaction, round, error);
    pthread_mutex_unlock(&pool->mutex);
    transaction->leases_changed = true;
    if (code == 0)
        code = write_exact(transaction, error);
    if (code == 0 && round->drops)
        code = sfs_sqlite_run(transaction->connection, SFS_SQL_LEASE_DROP, error, 1, round->row);
    else if (code == 0 && round->target >= 0)
        code =
            sfs_sqlite_lease_renew(transaction, round->row, round->target, round->expires, error);
    return code;
}

static int tend(struct sfs_sqlite *store, int64_t linger)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    struct round round = {.linger = linger, .target = -1};
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    int code = sfs_sqlite_transact_held(store, tend_work, &round, NULL);
    pthread_mutex_lock(&pool->mutex);
    if (code == 0)
        conclude(pool, &round);
    else
        take_back(pool, &round);
    pthread_mutex_unlock(&pool->mutex);
    sfs_sqlite_writer_leave(store);
    if (code == SFS_E_EXPIRED)
        sfs_sqlite_pool_forget(store, round.row);
    return code ? code : 1;
}

/* Whether the file keeps anything that it may keep for the open lease alone. */
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

static bool has_ended(const struct sfs_sqlite_pool *pool)
{
    const struct sfs_sqlite_own_lease *lease = pool->exact;
    while (lease && lease->holds > 0)
        lease = lease->next;
    return lease != NULL;
}

static bool has_grown_old(const struct sfs_sqlite_pool *pool, int64_t now)
{
    const struct sfs_sqlite_hold *hold = pool->oldest;
    while (hold && hold->young_until > now)
        hold = hold->newer;
    return hold != NULL;
}

int sfs_sqlite_pool_tend(struct sfs_sqlite *store, int64_t linger, int64_t *ret_again)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    int64_t now = sfs_clock_monotonic();
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_survey survey = sfs_sqlite_pool_look(pool);
    bool unused = pool->open.row != 0 && pool->open.holds == 0;
    int64_t drop_at = pool->idle_since + linger;
    bool due = (unused && now >= drop_at) || has_ended(pool) || has_grown_old(pool, now);
    bool moves = !due && pool->open.holds > 0 && survey.oldest > pool->open.sequence &&
                 (linger == 0 || now - pool->moved >= SFS_SQLITE_YOUNG);
    int64_t sequence = pool->open.sequence;
    if (due || moves)
        pool->moved = now;
    pthread_mutex_unlock(&pool->mutex);
    *ret_again = unused && now < drop_at && drop_at < survey.deadline ? drop_at : survey.deadline;
    if (!due && !(moves && keeps_behind(store, sequence)))
        return 0;
    int code = tend(store, linger);
    if (code != 1)
        return code;
    /* Who has grown old has done so for good: the time of the others is what is left. */
    pthread_mutex_lock(&pool->mutex);
    int64_t deadline = sfs_sqlite_pool_look(pool).deadline;
    pthread_mutex_unlock(&pool->mutex);
    *ret_again = unused && now < drop_at && drop_at < deadline ? drop_at : deadline;
    return 1;
}
