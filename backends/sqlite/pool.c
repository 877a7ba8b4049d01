/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of an opening, and the leases that they rely on. Taking and ending a snapshot while the
 * open lease is held is a matter of memory (a "hold"); its row is written when the first snapshot
 * comes, and renewed once in a duration. The housekeeper does the rest (tend.c).
 *
 * What makes this right:
 * - The rows, their ids and what they keep change only under the write connection (`ahead` too). No
 *   lock is held across I/O: what changes is published under the mutex before, and taken back if it
 *   fails.
 * - A hold is in the list, with a lower bound of its sequence number, before that number is read;
 *   so whoever moves the open lease on in between leaves enough.
 * - A commit that keeps only what known snapshots need (sfs_sqlite_pool_begin_commit) first makes
 *   its own number the smallest that a new one may have. Who has read a smaller one reads again
 * when the commit is over. While there is one that has begun before and is not settled, a commit
 * keeps the present state as a whole instead: so nobody waits for more than one.
 * - A hold that gets a lease of its own relies on both until the transaction that writes it is
 * over; a reader takes whichever it sees.
 * - Nothing of this is believed by a reader: each read checks in its own read transaction that a
 * row is there and that the file still promises what the snapshot needs. So one that has no row,
 * because the disk is full, is as good for as long as its state is the present one.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

#include "util/clock.h"

#define LONGEST_MS ((uint64_t)10 * 365 * 24 * 3600 * 1000)

static int expired(const struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    if (hold->loose)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                        "%s has changed, and its disk has no space left to keep what it was while "
                        "that is read: remove other files there, or begin anew",
                        hold->store->path);
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot of %s at %lld has expired; begin anew", hold->store->path,
                    (long long)hold->sequence);
}

/* --- under the mutex --- */

static struct sfs_sqlite_hold **chain_of(struct sfs_sqlite_pool *pool, uint64_t number)
{
    return &pool->holds[number % SFS_SQLITE_HOLD_CHAINS];
}

struct sfs_sqlite_hold *sfs_sqlite_pool_find(struct sfs_sqlite_pool *pool, uint64_t number)
{
    struct sfs_sqlite_hold *hold = *chain_of(pool, number);
    while (hold && hold->number != number)
        hold = hold->next;
    return hold;
}

static void enlist(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold, int64_t sequence)
{
    /* Numbers come round again; a row is never another opening's, so theirs never meet ours. */
    do {
        hold->number = (uint64_t)pool->open.row << 32 | ++pool->last_number;
    } while (sfs_sqlite_pool_find(pool, hold->number));
    struct sfs_sqlite_hold **chain = chain_of(pool, hold->number);
    hold->open_row = pool->open.row;
    hold->sequence = sequence;
    hold->used = sfs_clock_monotonic();
    hold->young_until = hold->used + SFS_SQLITE_YOUNG;
    hold->settled = false;
    hold->young = true;
    hold->exact = NULL;
    hold->expired = false;
    hold->next = *chain;
    *chain = hold;
    pool->count++;
    pool->settling++;
    pool->open.holds++;
    sfs_sqlite_keeper_wake_by(hold->store, hold->used + hold->duration);
}

/* Its sequence number is known: nearly always it is the newest. */
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
    sfs_sqlite_keeper_wake_by(hold->store, hold->young_until);
}

void sfs_sqlite_hold_age(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold)
{
    if (hold->settled) {
        *(hold->older ? &hold->older->newer : &pool->oldest) = hold->newer;
        *(hold->newer ? &hold->newer->older : &pool->newest) = hold->older;
    }
    hold->young = false;
    pool->open.holds--;
    int64_t now = sfs_clock_monotonic();
    if (pool->open.holds == 0)
        pool->idle_since = now;
    sfs_sqlite_keeper_wake_by(hold->store, now + SFS_SQLITE_LINGER);
}

void sfs_sqlite_pool_unlist(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_hold **link = chain_of(pool, hold->number);
    while (*link && *link != hold)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = hold->next;
    pool->count--;
    if (hold->young)
        sfs_sqlite_hold_age(pool, hold);
    if (!hold->settled)
        pool->settling--;
    if (hold->exact)
        hold->exact->holds--;
    hold->exact = NULL;
    hold->expired = true;
    sfs_sqlite_keeper_wake_by(hold->store, sfs_clock_monotonic() + SFS_SQLITE_LINGER);
}

static bool relies_on(const struct sfs_sqlite_hold *hold, int64_t row)
{
    return hold->young ? hold->open_row == row : hold->exact && hold->exact->row == row;
}

void sfs_sqlite_pool_forget(struct sfs_sqlite *store, int64_t row)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    if (pool->open.row == row)
        pool->open.row = 0;
    for (size_t i = 0; i < SFS_SQLITE_HOLD_CHAINS; i++) {
        struct sfs_sqlite_hold *next;
        for (struct sfs_sqlite_hold *hold = pool->holds[i]; hold; hold = next) {
            next = hold->next;
            if (relies_on(hold, row))
                sfs_sqlite_pool_unlist(pool, hold);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
}

bool sfs_sqlite_hold_is_overdue(const struct sfs_sqlite_hold *hold, int64_t now)
{
    return now - hold->used > hold->duration;
}

static void look_at(struct sfs_sqlite_survey *survey, const struct sfs_sqlite_hold *hold)
{
    if (hold->young && !hold->exact && hold->sequence < survey->oldest)
        survey->oldest = hold->sequence;
    if (hold->duration > survey->longest)
        survey->longest = hold->duration;
    if (hold->used + hold->duration < survey->deadline)
        survey->deadline = hold->used + hold->duration;
    if (hold->young && hold->settled && hold->young_until < survey->deadline)
        survey->deadline = hold->young_until;
}

struct sfs_sqlite_survey sfs_sqlite_pool_look(struct sfs_sqlite_pool *pool)
{
    struct sfs_sqlite_survey survey = {INT64_MAX, 0, INT64_MAX};
    int64_t now = sfs_clock_monotonic();
    for (size_t i = 0; i < SFS_SQLITE_HOLD_CHAINS; i++) {
        struct sfs_sqlite_hold *next;
        for (struct sfs_sqlite_hold *hold = pool->holds[i]; hold; hold = next) {
            next = hold->next;
            if (sfs_sqlite_hold_is_overdue(hold, now))
                sfs_sqlite_pool_unlist(pool, hold);
            else
                look_at(&survey, hold);
        }
    }
    return survey;
}

/* --- rows --- */

struct row {
    int64_t id;
    int64_t sequence;
    int64_t lasting; /* nanoseconds from now on */
    int64_t expires;
};

static int add_work(struct sfs_sqlite_transaction *transaction, void *context,
                    struct sfs_error *error)
{
    struct row *row = context;
    row->sequence = transaction->state.sequence;
    row->expires = transaction->now + row->lasting;
    return sfs_sqlite_lease_add(transaction, row->sequence, SFS_SQLITE_LEASE_ONWARD, row->expires,
                                &row->id, error);
}

static int renew_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    struct row *row = context;
    row->expires = transaction->now + row->lasting;
    return sfs_sqlite_lease_renew(transaction, row->id, 0, row->expires, error);
}

/* Writes the open lease for a first hold, which sees the state in which it was written. 1: somebody
 * else has just written it. */
static int add_row(struct sfs_sqlite *store, struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    struct row row = {.lasting = 2 * hold->duration};
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    pthread_mutex_lock(&pool->mutex);
    bool there = pool->open.row != 0;
    pthread_mutex_unlock(&pool->mutex);
    int code = there ? 1 : sfs_sqlite_transact_held(store, add_work, &row, error);
    if (code == 0) {
        pthread_mutex_lock(&pool->mutex);
        pool->open.row = row.id;
        pool->open.sequence = row.sequence;
        pool->open.expires = row.expires;
        pool->moved = sfs_clock_monotonic();
        pool->floor = row.sequence;
        enlist(pool, hold, row.sequence);
        note_settled(pool, hold, row.sequence);
        pthread_mutex_unlock(&pool->mutex);
    }
    sfs_sqlite_writer_leave(store);
    return code;
}

static struct sfs_sqlite_own_lease *lease_of(struct sfs_sqlite_pool *pool,
                                             const struct sfs_sqlite_hold *hold)
{
    return hold->young ? &pool->open : hold->exact;
}

static bool is_due(struct sfs_sqlite_pool *pool, const struct sfs_sqlite_hold *hold)
{
    return !hold->expired &&
           lease_of(pool, hold)->expires < sfs_sqlite_clock(hold->store) + hold->duration;
}

/* Makes the row live on for twice as long as the longest of the holds may. */
static int renew_row(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite *store = hold->store;
    struct sfs_sqlite_pool *pool = &store->pool;
    struct sfs_sqlite_own_lease *lease = NULL;
    struct row row = {0};
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    pthread_mutex_lock(&pool->mutex);
    row.lasting = 2 * sfs_sqlite_pool_look(pool).longest;
    if (is_due(pool, hold)) {
        lease = lease_of(pool, hold);
        row.id = lease->row;
    }
    pthread_mutex_unlock(&pool->mutex);
    int code = lease ? sfs_sqlite_transact_held(store, renew_work, &row, error) : 0;
    if (lease && code == 0) {
        pthread_mutex_lock(&pool->mutex);
        lease->expires = row.expires;
        pthread_mutex_unlock(&pool->mutex);
    }
    sfs_sqlite_writer_leave(store);
    if (code == SFS_E_EXPIRED)
        sfs_sqlite_pool_forget(store, row.id);
    return code;
}

/* --- holds --- */

int sfs_sqlite_hold_use(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    int64_t now = sfs_clock_monotonic();
    if (hold->loose)
        return 0;
    pthread_mutex_lock(&pool->mutex);
    if (!hold->expired && sfs_sqlite_hold_is_overdue(hold, now))
        sfs_sqlite_pool_unlist(pool, hold);
    bool over = hold->expired;
    bool due = is_due(pool, hold);
    bool tends = pool->keeper == SFS_SQLITE_KEEPER_MISSING && hold->young && hold->settled &&
                 now >= hold->young_until;
    if (!over)
        hold->used = now;
    pthread_mutex_unlock(&pool->mutex);
    if (over)
        return expired(hold, error);
    if (tends)
        sfs_sqlite_keep_house(hold->store, SFS_SQLITE_LINGER);
    if (!due)
        return 0;
    struct sfs_error failure;
    int code = renew_row(hold, &failure);
    /* A lock that is held elsewhere does not end it; whether it still holds is seen when reading.
     */
    if (code == 0 || code == SFS_E_BUSY)
        return 0;
    if (code == SFS_E_EXPIRED)
        return expired(hold, error);
    if (error)
        *error = failure;
    return code;
}

/* The rows that keep what a hold needs, each by itself; 0: none. */
struct rows {
    int64_t open;
    int64_t exact;
    bool loose; /* neither is needed for the present state */
};

static struct rows rows_of(const struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    pthread_mutex_lock(&pool->mutex);
    struct rows rows = {hold->young ? hold->open_row : 0, hold->exact ? hold->exact->row : 0,
                        hold->loose};
    pthread_mutex_unlock(&pool->mutex);
    return rows;
}

/* Whether one of them is there and the state is kept; then the statement is active. */
static int check_rows(struct sfs_sqlite_connection *connection, sqlite3_stmt *anchor,
                      struct rows rows, int64_t sequence, struct sfs_error *error)
{
    sqlite3_bind_int64(anchor, 1, rows.open);
    sqlite3_bind_int64(anchor, 2, rows.exact);
    sqlite3_bind_int64(anchor, 3, sequence);
    int found = sfs_sqlite_step(connection, anchor, error);
    if (found != 1)
        return found;
    int64_t now = sfs_sqlite_clock(connection->store); /* NULL reads as 0 */
    if (sequence >= sqlite3_column_int64(anchor, 0) &&
        (sqlite3_column_int64(anchor, 2) > now || sqlite3_column_int64(anchor, 3) > now))
        return 1;
    if (rows.loose && sequence == sqlite3_column_int64(anchor, 1))
        return 1;
    sqlite3_reset(anchor);
    return 0;
}

/* From the commit on that gives it up, also before that call returns. */
static bool is_given_up(const struct sfs_sqlite_hold *hold, int64_t sequence)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool given_up = hold->gone_at != 0 && sequence >= hold->gone_at;
    pthread_mutex_unlock(&pool->mutex);
    return given_up;
}

int sfs_sqlite_hold_anchor(const struct sfs_sqlite_hold *hold,
                           struct sfs_sqlite_connection *connection, sqlite3_stmt **ret_anchor,
                           bool *ret_present, struct sfs_error *error)
{
    sqlite3_stmt *anchor;
    struct rows before, rows = rows_of(hold);
    int found = sfs_sqlite_statement(connection, SFS_SQL_LEASE_ANCHOR, &anchor, error);
    if (found != 0)
        return found;
    /* It may just have been given its own lease, and the open one have moved on. */
    do {
        before = rows;
        found = check_rows(connection, anchor, rows, hold->sequence, error);
        if (found == 0)
            rows = rows_of(hold);
    } while (found == 0 && (rows.open != before.open || rows.exact != before.exact));
    if (found <= 0)
        return found < 0 ? found : expired(hold, error);
    if (is_given_up(hold, sqlite3_column_int64(anchor, 1))) {
        sqlite3_reset(anchor);
        return expired(hold, error);
    }
    *ret_present = sqlite3_column_int64(anchor, 1) == hold->sequence;
    *ret_anchor = anchor;
    return 0;
}

int sfs_sqlite_pool_require(struct sfs_sqlite_transaction *transaction, uint64_t number,
                            struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    struct rows rows = {0, 0, false};
    int64_t now = sfs_clock_monotonic();
    int64_t sequence = 0;
    sqlite3_stmt *anchor;
    int code = sfs_sqlite_statement(transaction->connection, SFS_SQL_LEASE_ANCHOR, &anchor, error);
    if (code != 0)
        return code;
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *hold = sfs_sqlite_pool_find(pool, number);
    if (hold && hold->settled && !sfs_sqlite_hold_is_overdue(hold, now)) {
        hold->used = now;
        sequence = hold->sequence;
        rows = (struct rows){hold->young ? hold->open_row : 0, hold->exact ? hold->exact->row : 0,
                             false};
    }
    pthread_mutex_unlock(&pool->mutex);
    code = check_rows(transaction->connection, anchor, rows, sequence, error);
    if (code == 1)
        sqlite3_reset(anchor);
    if (code == 1 && sequence >= transaction->state.kept_contents)
        return 0;
    if (code < 0)
        return code;
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot that this change is based on has expired; begin anew");
}

/* The present sequence number, and whether the row is there: from one read transaction. EXPIRED. */
static int read_present(struct sfs_sqlite_hold *hold, int64_t *ret_sequence,
                        struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    const int64_t arguments[] = {hold->open_row, 0, INT64_MAX};
    int64_t row[4];
    int code = sfs_sqlite_near_take(hold->store, 0, &connection, error);
    if (code != 0)
        return code;
    int found = sfs_sqlite_integers(connection, SFS_SQL_LEASE_ANCHOR, arguments, 3, row, 4, error);
    sfs_sqlite_reader_give(connection);
    if (found < 0)
        return found;
    if (found == 0 || row[2] <= sfs_sqlite_clock(hold->store))
        return expired(hold, error);
    *ret_sequence = row[1];
    return 0;
}

/* Fixes the sequence number of a hold that is in the list. */
static int settle(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    for (;;) {
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
        bool over = hold->expired;
        pthread_mutex_unlock(&pool->mutex);
        if (over)
            return expired(hold, error);
        if (settled)
            return 0;
    }
}

/* 1 it is in the list, 0 there is no row to share. */
static int share_row(struct sfs_sqlite *store, struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    bool there = pool->open.row != 0;
    if (there)
        enlist(pool, hold, pool->ahead ? pool->floor_before : pool->floor);
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

static int take_shared(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    int code = sfs_sqlite_hold_use(hold, error); /* the row may not last as long as this one asks */
    return code ? code : settle(hold, error);
}

/* Where no row can be written: who reads need not, until something is committed. */
static int take_loose(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    struct sfs_sqlite_connection *connection;
    set_up(hold->store, hold, 0);
    int code = sfs_sqlite_reader_take(hold->store, &connection, error);
    if (code != 0)
        return code;
    int found =
        sfs_sqlite_integers(connection, SFS_SQL_SEQUENCE, NULL, 0, &hold->sequence, 1, error);
    sfs_sqlite_reader_give(connection);
    if (found < 0)
        return found;
    hold->loose = true;
    pthread_mutex_lock(&pool->mutex);
    hold->number = UINT64_C(1) << 63 | ++pool->last_number; /* no row has such a number */
    pthread_mutex_unlock(&pool->mutex);
    return 0;
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
            if (code == SFS_E_NO_SPACE && lease_ms == 0)
                code = take_loose(ret_hold, &failure);
            continue;
        }
        int64_t row = ret_hold->open_row;
        code = take_shared(ret_hold, &failure);
        if (code == 0)
            return 0;
        sfs_sqlite_hold_drop(ret_hold);
        if (code == SFS_E_EXPIRED) { /* the row that was shared was gone already: take another */
            sfs_sqlite_pool_forget(store, row);
            code = 1;
        } else if (code == SFS_E_NO_SPACE && lease_ms == 0) { /* it was to be renewed */
            code = take_loose(ret_hold, &failure);
        }
    } while (code == 1);
    if (code != 0 && error)
        *error = failure;
    return code;
}

void sfs_sqlite_hold_drop(struct sfs_sqlite_hold *hold)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    pthread_mutex_lock(&pool->mutex);
    if (!hold->expired)
        sfs_sqlite_pool_unlist(pool, hold);
    bool alone = pool->keeper == SFS_SQLITE_KEEPER_MISSING;
    pthread_mutex_unlock(&pool->mutex);
    if (alone)
        sfs_sqlite_keep_house(hold->store, 0);
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
    while (store->pool.exact) {
        struct sfs_sqlite_own_lease *lease = store->pool.exact;
        store->pool.exact = lease->next;
        free(lease);
    }
    pthread_cond_destroy(&store->pool.wake);
    pthread_cond_destroy(&store->pool.settled);
    pthread_mutex_destroy(&store->pool.mutex);
}
