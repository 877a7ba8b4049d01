/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of an opening, and the lease that they rely on. Taking and ending a snapshot while the
 * lease is there is a matter of memory (a "hold"); its row is written when the first snapshot
 * comes, and renewed once in a duration. The housekeeper moves it on and drops it.
 *
 * - The row and what it keeps change only under the write connection (`ahead` too). No lock is held
 *   across I/O: what changes is published under the mutex before, and taken back if it fails.
 * - A hold is in the list before its sequence number is read, so the row stays. A commit, or a move
 *   of the row, that lets go of a state first raises the floor; a hold that has read a smaller
 *   number reads again. While there is a hold that has begun before a commit and is not settled,
 *   the commit keeps the present state as a whole instead: so nobody waits for more than one.
 * - A reader checks in its own read transaction that the row is there and that the file still
 *   promises what the snapshot needs, and then that the hold is still in the list, and not given
 *   up by the commit that it sees: this opening's commits keep nothing for such ones. One that has
 *   no row, because the disk is full, is as good for as long as its state is the present one.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

#include "util/clock.h"

#define LONGEST_MS ((uint64_t)10 * 365 * 24 * 3600 * 1000)

static int expired(const struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    if (hold->row == 0)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                        "%s has changed, and its disk has no space left to keep what it was while "
                        "that is read: remove other files there, or start again",
                        hold->store->path);
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot of %s at %lld has expired; start again", hold->store->path,
                    (long long)hold->sequence);
}

/* --- the list, under the mutex --- */

static struct sfs_sqlite_hold **chain_of(struct sfs_sqlite_pool *pool, uint64_t number)
{
    return &pool->holds[number % SFS_SQLITE_HOLD_CHAINS];
}

static struct sfs_sqlite_hold *find(struct sfs_sqlite_pool *pool, uint64_t number)
{
    struct sfs_sqlite_hold *hold = *chain_of(pool, number);
    while (hold && hold->number != number)
        hold = hold->next;
    return hold;
}

static void enlist(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold)
{
    /* Numbers come round again; a row is never another opening's, so theirs never meet ours. */
    do {
        hold->number = (uint64_t)pool->row << 32 | ++pool->last_number;
    } while (find(pool, hold->number));
    struct sfs_sqlite_hold **chain = chain_of(pool, hold->number);
    hold->row = pool->row;
    hold->settled = false;
    hold->expired = false;
    hold->next = *chain;
    *chain = hold;
    pool->count++;
    pool->settling++;
}

/* Its sequence number is known: nearly always it is the newest. Only now its time begins. */
static void note_settled(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold,
                         int64_t sequence)
{
    struct sfs_sqlite_hold *older = pool->newest;
    while (older && older->sequence > sequence)
        older = older->older;
    hold->sequence = sequence;
    hold->settled = true;
    pool->settling--;
    hold->older = older;
    hold->newer = older ? older->newer : pool->oldest;
    *(hold->older ? &hold->older->newer : &pool->oldest) = hold;
    *(hold->newer ? &hold->newer->older : &pool->newest) = hold;
    hold->used = sfs_clock_monotonic();
    sfs_sqlite_keeper_wake_by(hold->store, hold->used + hold->duration);
}

static void unlist(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_hold **link = chain_of(pool, hold->number);
    while (*link && *link != hold)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = hold->next;
    if (hold->settled) {
        *(hold->older ? &hold->older->newer : &pool->oldest) = hold->newer;
        *(hold->newer ? &hold->newer->older : &pool->newest) = hold->older;
    } else {
        pool->settling--;
    }
    pool->count--;
    hold->expired = true;
    int64_t now = sfs_clock_monotonic();
    if (pool->count == 0)
        pool->idle_since = now;
    sfs_sqlite_keeper_wake_by(hold->store, now + SFS_SQLITE_LINGER);
}

static bool is_overdue(const struct sfs_sqlite_hold *hold, int64_t now)
{
    return hold->settled && now - hold->used > hold->duration;
}

/* Calls for each hold of the pool what may take it out of the list. */
static void each(struct sfs_sqlite_pool *pool,
                 void (*call)(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold,
                              void *context),
                 void *context)
{
    for (size_t i = 0; i < SFS_SQLITE_HOLD_CHAINS; i++) {
        struct sfs_sqlite_hold *next;
        for (struct sfs_sqlite_hold *hold = pool->holds[i]; hold; hold = next) {
            next = hold->next;
            call(pool, hold, context);
        }
    }
}

static void look_at(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold, void *context)
{
    struct sfs_sqlite_survey *survey = context;
    if (is_overdue(hold, sfs_clock_monotonic())) {
        unlist(pool, hold);
        return;
    }
    if (hold->duration > survey->longest)
        survey->longest = hold->duration;
    if (hold->settled && hold->used + hold->duration < survey->deadline)
        survey->deadline = hold->used + hold->duration;
}

struct sfs_sqlite_survey sfs_sqlite_pool_look(struct sfs_sqlite_pool *pool)
{
    struct sfs_sqlite_survey survey = {0, INT64_MAX};
    each(pool, look_at, &survey);
    return survey;
}

static void forget_hold(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold, void *context)
{
    const int64_t *row = context;
    if (hold->row == *row)
        unlist(pool, hold);
}

void sfs_sqlite_pool_forget(struct sfs_sqlite *store, int64_t row)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    if (pool->row == row)
        pool->row = 0;
    each(pool, forget_hold, &row);
    pthread_mutex_unlock(&pool->mutex);
}

/* --- writing the row --- */

struct addition {
    int64_t lasting; /* nanoseconds from now on */
    int64_t row;
    int64_t sequence;
    int64_t expires;
};

static int add_work(struct sfs_sqlite_transaction *transaction, void *context,
                    struct sfs_error *error)
{
    struct addition *addition = context;
    addition->sequence = transaction->state.sequence;
    addition->expires = transaction->now + addition->lasting;
    return sfs_sqlite_lease_add(transaction, addition->sequence, SFS_SQLITE_LEASE_SNAPSHOTS,
                                addition->expires, &addition->row, error);
}

/* Writes the row for a first hold, which sees the state in which it was written. 1: somebody else
 * has just written it. */
static int add_row(struct sfs_sqlite *store, struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    struct addition addition = {.lasting = 2 * hold->duration};
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    pthread_mutex_lock(&pool->mutex);
    bool there = pool->row != 0;
    pthread_mutex_unlock(&pool->mutex);
    int code = there ? 1 : sfs_sqlite_transact_held(store, add_work, &addition, error);
    if (code == 0) {
        pthread_mutex_lock(&pool->mutex);
        pool->row = addition.row;
        pool->sequence = addition.sequence;
        pool->expires = addition.expires;
        pool->moved = sfs_clock_monotonic();
        pool->floor = addition.sequence;
        enlist(pool, hold);
        note_settled(pool, hold, addition.sequence);
        pthread_mutex_unlock(&pool->mutex);
    }
    sfs_sqlite_writer_leave(store);
    return code;
}

/* --- holds --- */

/* Whether the row must last longer. */
static bool is_due(const struct sfs_sqlite_pool *pool, const struct sfs_sqlite_hold *hold)
{
    return !hold->expired && pool->expires < sfs_sqlite_clock(hold->store) + hold->duration;
}

/* Unless another thread did it while this one waited for the write connection. */
static int renew(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    sfs_sqlite_writer_enter(hold->store, SFS_SQLITE_SINGLE);
    pthread_mutex_lock(&pool->mutex);
    bool due = is_due(pool, hold);
    pthread_mutex_unlock(&pool->mutex);
    int code = due ? sfs_sqlite_pool_change_row_held(hold->store, SFS_SQLITE_LINGER, error) : 0;
    sfs_sqlite_writer_leave(hold->store);
    return code;
}

int sfs_sqlite_hold_use(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    int64_t now = sfs_clock_monotonic();
    if (hold->row == 0)
        return 0;
    pthread_mutex_lock(&pool->mutex);
    if (!hold->expired && is_overdue(hold, now))
        unlist(pool, hold);
    bool over = hold->expired;
    bool due = is_due(pool, hold);
    if (!over)
        hold->used = now;
    pthread_mutex_unlock(&pool->mutex);
    if (over)
        return expired(hold, error);
    if (!due)
        return 0;
    struct sfs_error failure;
    int code = renew(hold, &failure);
    /* A lock that is held elsewhere does not end it, nor does a full disk one that has begun;
     * whether it still holds is seen when reading. */
    if (code == 0 || code == SFS_E_BUSY || (code == SFS_E_NO_SPACE && hold->settled))
        return 0;
    if (code == SFS_E_EXPIRED)
        return expired(hold, error);
    if (error)
        *error = failure;
    return code;
}

/* Whether this opening has kept the hold's state up to `sequence`, the state of the caller's read
 * transaction: a commit drops it after the hold has left the list, or gives it up itself. */
static bool has_kept(const struct sfs_sqlite_hold *hold, int64_t sequence)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool kept = !hold->expired && (hold->gone_at == 0 || sequence < hold->gone_at);
    pthread_mutex_unlock(&pool->mutex);
    return kept;
}

int sfs_sqlite_hold_anchor(const struct sfs_sqlite_hold *hold,
                           struct sfs_sqlite_connection *connection, sqlite3_stmt **ret_anchor,
                           bool *ret_present, struct sfs_error *error)
{
    sqlite3_stmt *anchor;
    int found = sfs_sqlite_statement(connection, SFS_SQL_LEASE_ANCHOR, &anchor, error);
    if (found != 0)
        return found;
    sqlite3_bind_int64(anchor, 1, hold->row);
    sqlite3_bind_int64(anchor, 2, hold->sequence);
    found = sfs_sqlite_step(connection, anchor, error);
    if (found < 0)
        return found;
    int64_t sequence = found == 1 ? sqlite3_column_int64(anchor, 1) : -1;
    bool present = sequence == hold->sequence;
    bool leased = found == 1 && hold->sequence >= sqlite3_column_int64(anchor, 0) &&
                  sqlite3_column_int64(anchor, 2) > sfs_sqlite_clock(hold->store);
    if ((leased && has_kept(hold, sequence)) || (hold->row == 0 && present)) {
        *ret_present = present;
        *ret_anchor = anchor;
        return 0;
    }
    sqlite3_reset(anchor);
    return expired(hold, error);
}

/* The present sequence number, and whether the row is there: from one read transaction. EXPIRED.
 * (The time is that before it: afterwards the row may have been renewed, and what it had be over.)
 */
static int read_present(struct sfs_sqlite_hold *hold, int64_t *ret_sequence,
                        struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    const int64_t arguments[] = {hold->row, INT64_MAX};
    int64_t row[3];
    int64_t now = sfs_sqlite_clock(hold->store);
    int code = sfs_sqlite_near_take(hold->store, 0, &connection, error);
    if (code != 0)
        return code;
    int found = sfs_sqlite_integers(connection, SFS_SQL_LEASE_ANCHOR, arguments, 2, row, 3, error);
    sfs_sqlite_reader_give(connection);
    if (found < 0)
        return found;
    if (found == 0 || (hold->row != 0 && row[2] <= now)) {
        sfs_sqlite_pool_forget(hold->store, hold->row);
        return expired(hold, error);
    }
    *ret_sequence = row[1];
    return 0;
}

/* Fixes the sequence number of a hold that is in the list. */
static int settle(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    for (int64_t reached = 0;;) { /* a commit that was there before the present one is read */
        int64_t sequence = 0;
        int code = read_present(hold, &sequence, error);
        if (code != 0)
            return code;
        pthread_mutex_lock(&pool->mutex);
        bool settled = !hold->expired && sequence >= pool->floor;
        if (settled)
            note_settled(pool, hold, sequence);
        while (!settled && pool->ahead)
            pthread_cond_wait(&pool->settled, &pool->mutex);
        int64_t floor = pool->floor;
        bool over = hold->expired;
        pthread_mutex_unlock(&pool->mutex);
        if (over)
            return expired(hold, error);
        if (settled)
            return 0;
        if (sequence < reached)
            return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                            "%s is damaged: its last commit is %lld, and was %lld; check it",
                            hold->store->path, (long long)sequence, (long long)reached);
        reached = floor;
    }
}

/* 1 it is in the list, 0 there is no row to share. */
static int share_row(struct sfs_sqlite *store, struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool there = pool->row != 0;
    if (there)
        enlist(pool, hold);
    pthread_mutex_unlock(&pool->mutex);
    return there;
}

static void set_up(struct sfs_sqlite *store, struct sfs_sqlite_hold *hold, uint64_t lease_ms)
{
    uint64_t duration = lease_ms == 0 ? SFS_SQLITE_LEASE_MS : lease_ms;
    if (duration > LONGEST_MS)
        duration = LONGEST_MS;
    *hold = (struct sfs_sqlite_hold){
        .store = store, .duration = (int64_t)duration * SFS_NS_PER_MS, .expired = true};
}

/* Where no row can be written: who reads need not, until something is committed. */
static int take_without_row(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    set_up(hold->store, hold, 0);
    int code = read_present(hold, &hold->sequence, error);
    if (code != 0)
        return code;
    pthread_mutex_lock(&pool->mutex);
    hold->number = UINT64_C(1) << 63 | ++pool->last_number; /* no row has such a number */
    pthread_mutex_unlock(&pool->mutex);
    return 0;
}

static int take_shared(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    int code = sfs_sqlite_hold_use(hold, error); /* the row may not last as long as this one asks */
    return code ? code : settle(hold, error);
}

int sfs_sqlite_hold_take(struct sfs_sqlite *store, uint64_t lease_ms,
                         struct sfs_sqlite_hold *ret_hold, struct sfs_error *error)
{
    struct sfs_error failure;
    int code;
    set_up(store, ret_hold, lease_ms);
    sfs_sqlite_keeper_start(store);
    do {
        if (!share_row(store, ret_hold)) {
            code = add_row(store, ret_hold, &failure);
        } else {
            code = take_shared(ret_hold, &failure);
            if (code != 0)
                sfs_sqlite_hold_drop(ret_hold);
            if (code == SFS_E_EXPIRED) /* the row was gone already, or its short time is over */
                code = 1;
        }
    } while (code == 1);
    if (code == SFS_E_NO_SPACE && lease_ms == 0)
        code = take_without_row(ret_hold, &failure);
    if (code != 0 && error)
        *error = failure;
    return code;
}

void sfs_sqlite_hold_drop(struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    pthread_mutex_lock(&pool->mutex);
    if (!hold->expired)
        unlist(pool, hold);
    bool alone = pool->keeper == SFS_SQLITE_KEEPER_MISSING;
    pthread_mutex_unlock(&pool->mutex);
    if (alone)
        sfs_sqlite_keep_house(hold->store, 0);
}

/* --- commits --- */

int sfs_sqlite_pool_require(struct sfs_sqlite_transaction *transaction, uint64_t number,
                            struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    int64_t now = sfs_clock_monotonic();
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *hold = find(pool, number);
    bool holds = hold && hold->settled && !is_overdue(hold, now) && transaction->own >= 0 &&
                 hold->row == transaction->own_row && hold->sequence >= transaction->state.kept;
    if (holds)
        hold->used = now;
    pthread_mutex_unlock(&pool->mutex);
    if (holds)
        return 0;
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot that this change is based on has expired; start again");
}

int64_t sfs_sqlite_pool_row(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->pool.mutex);
    int64_t row = store->pool.row;
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

void sfs_sqlite_pool_begin_commit(struct sfs_sqlite_transaction *transaction, uint64_t released)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *given = released ? find(pool, released) : NULL;
    if (transaction->own >= 0 && pool->row == transaction->own_row && pool->settling == 0) {
        const struct sfs_sqlite_hold *oldest = pool->oldest, *newest = pool->newest;
        if (oldest && oldest == given)
            oldest = oldest->newer;
        if (newest && newest == given)
            newest = newest->older;
        if (given)
            given->gone_at = transaction->present + 1;
        pool->ahead = true;
        pool->floor_before = pool->floor;
        pool->floor = transaction->present + 1;
        transaction->exact = true;
        transaction->own_oldest = oldest ? oldest->sequence : -1;
        transaction->own_newest = newest ? newest->sequence : -1;
    }
    pthread_mutex_unlock(&pool->mutex);
    sfs_sqlite_leases_combine(transaction);
}

void sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                bool committed)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    if (!transaction->exact)
        return;
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *given = released ? find(pool, released) : NULL;
    if (given && committed)
        unlist(pool, given);
    else if (given)
        given->gone_at = 0;
    /* A sync commits no change, so that the number may be the one from before. */
    pool->floor = committed ? transaction->state.sequence : pool->floor_before;
    pool->ahead = false;
    pthread_cond_broadcast(&pool->settled);
    pthread_mutex_unlock(&pool->mutex);
}

/* --- the pool itself --- */

void sfs_sqlite_pool_init(struct sfs_sqlite *store)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_condattr_t monotonic;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->settled, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pool->work_at = INT64_MAX;
    pool->sleeping_until = INT64_MIN;
}

void sfs_sqlite_pool_free(struct sfs_sqlite *store)
{
    pthread_cond_destroy(&store->pool.wake);
    pthread_cond_destroy(&store->pool.settled);
    pthread_mutex_destroy(&store->pool.mutex);
}
