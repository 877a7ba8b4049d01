/* SPDX-License-Identifier: MIT */
/*
 * The lease that all snapshots of an opening share. Taking and ending a snapshot while the row is
 * held is a matter of memory (a "hold"); the row is written when the first snapshot comes, once in
 * a duration to renew it, and by the housekeeper, which moves it on and drops it.
 *
 * What makes this right:
 * - The row, its id and what it keeps change only under the write connection (`ahead` too). No lock
 * is held across I/O: what changes is published under the mutex before, and taken back if it fails.
 * - A hold is in the list, with a lower bound of its sequence number, before that number is read;
 * so whoever moves the row on in between leaves enough.
 * - A commit that writes no history for the snapshots here (sfs_sqlite_pool_begin_commit) first
 * makes its own number the smallest that a new snapshot may have. Who has read a smaller one reads
 * again when the commit is over.
 * - Nothing of this is believed by a reader: each read checks in its own read transaction that the
 *   row is there and that the file still promises what the snapshot needs.
 */
#include "backends/sqlite/internal.h"

#include "util/clock.h"

#define LONGEST_MS ((uint64_t)10 * 365 * 24 * 3600 * 1000)

static int expired(const struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot of %s at %lld has expired; begin anew", hold->store->path,
                    (long long)hold->sequence);
}

/* --- under the mutex --- */

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

static void enlist(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold, int64_t sequence)
{
    /* Numbers come round again; a row is never another opening's, so theirs never meet ours. */
    do {
        hold->number = (uint64_t)pool->row << 32 | ++pool->last_number;
    } while (find(pool, hold->number));
    struct sfs_sqlite_hold **chain = chain_of(pool, hold->number);
    hold->row = pool->row;
    hold->sequence = sequence;
    hold->used = sfs_clock_monotonic();
    hold->expired = false;
    hold->next = *chain;
    *chain = hold;
    pool->count++;
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
    hold->expired = true;
    pool->count--;
    int64_t now = sfs_clock_monotonic();
    if (pool->count == 0)
        pool->idle_since = now;
    sfs_sqlite_keeper_wake_by(hold->store, now + SFS_SQLITE_LINGER);
}

/* The row is gone from the file, and with it what its snapshots need. */
static void forget_row(struct sfs_sqlite *store, int64_t row)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    if (pool->row == row) {
        pool->row = 0;
        for (size_t i = 0; i < SFS_SQLITE_HOLD_CHAINS; i++) {
            while (pool->holds[i])
                unlist(pool, pool->holds[i]);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
}

static bool is_overdue(const struct sfs_sqlite_hold *hold, int64_t now)
{
    return now - hold->used > hold->duration;
}

struct survey {
    int64_t oldest;   /* sequence that is needed, INT64_MAX: none */
    int64_t longest;  /* duration */
    int64_t deadline; /* when the next may be overdue */
};

/* Ends the holds whose time is over, and looks at the others. */
static struct survey look_through(struct sfs_sqlite_pool *pool)
{
    struct survey survey = {INT64_MAX, 0, INT64_MAX};
    int64_t now = sfs_clock_monotonic();
    for (size_t i = 0; i < SFS_SQLITE_HOLD_CHAINS; i++) {
        struct sfs_sqlite_hold *next;
        for (struct sfs_sqlite_hold *hold = pool->holds[i]; hold; hold = next) {
            next = hold->next;
            if (is_overdue(hold, now)) {
                unlist(pool, hold);
                continue;
            }
            if (hold->sequence < survey.oldest)
                survey.oldest = hold->sequence;
            if (hold->duration > survey.longest)
                survey.longest = hold->duration;
            if (hold->used + hold->duration < survey.deadline)
                survey.deadline = hold->used + hold->duration;
        }
    }
    return survey;
}

/* --- the row --- */

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
    return sfs_sqlite_lease_add(transaction, row->sequence, true, row->expires, &row->id, error);
}

static int renew_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    struct row *row = context;
    row->expires = transaction->now + row->lasting;
    return sfs_sqlite_lease_renew(transaction, row->id, row->sequence, row->expires, error);
}

static int drop_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    const struct row *row = context;
    transaction->leases_changed = true;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_LEASE_DROP, error, 1, row->id);
}

/* Writes the row for a first hold, which sees the state in which it was written. 1: somebody else
 * has just written it. */
static int add_row(struct sfs_sqlite *store, struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    struct row row = {.lasting = 2 * hold->duration};
    sfs_sqlite_writer_enter(store);
    pthread_mutex_lock(&pool->mutex);
    bool there = pool->row != 0;
    pthread_mutex_unlock(&pool->mutex);
    int code = there ? 1 : sfs_sqlite_transact_held(store, add_work, &row, error);
    if (code == 0) {
        pthread_mutex_lock(&pool->mutex);
        pool->row = row.id;
        pool->kept = row.sequence;
        pool->floor = row.sequence;
        pool->expires = row.expires;
        enlist(pool, hold, row.sequence);
        pthread_mutex_unlock(&pool->mutex);
    }
    sfs_sqlite_writer_leave(store);
    return code;
}

/* Makes the row live on for twice as long as the longest of the holds may. */
static int renew_row(struct sfs_sqlite *store, int64_t id, int64_t duration,
                     struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    sfs_sqlite_writer_enter(store);
    pthread_mutex_lock(&pool->mutex);
    struct row row = {.id = id, .lasting = 2 * look_through(pool).longest};
    bool due = pool->row == id && row.lasting > 0 && pool->expires < sfs_clock_now() + duration;
    pthread_mutex_unlock(&pool->mutex);
    int code = due ? sfs_sqlite_transact_held(store, renew_work, &row, error) : 0;
    if (due && code == 0) {
        pthread_mutex_lock(&pool->mutex);
        pool->expires = row.expires;
        pthread_mutex_unlock(&pool->mutex);
    }
    sfs_sqlite_writer_leave(store);
    if (code == SFS_E_EXPIRED)
        forget_row(store, id);
    return code;
}

/* --- holds --- */

int sfs_sqlite_hold_use(struct sfs_sqlite_hold *hold, struct sfs_error *error)
{
    struct sfs_sqlite_pool *pool = &hold->store->pool;
    int64_t now = sfs_clock_monotonic();
    pthread_mutex_lock(&pool->mutex);
    if (!hold->expired && is_overdue(hold, now))
        unlist(pool, hold);
    bool over = hold->expired;
    bool due = !over && pool->expires < sfs_clock_now() + hold->duration;
    if (!over)
        hold->used = now;
    pthread_mutex_unlock(&pool->mutex);
    if (over)
        return expired(hold, error);
    if (!due)
        return 0;
    struct sfs_error failure;
    int code = renew_row(hold->store, hold->row, hold->duration, &failure);
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

int sfs_sqlite_hold_anchor(const struct sfs_sqlite_hold *hold,
                           struct sfs_sqlite_connection *connection, sqlite3_stmt **ret_anchor,
                           bool *ret_present, struct sfs_error *error)
{
    sqlite3_stmt *anchor;
    int code = sfs_sqlite_statement(connection, SFS_SQL_LEASE_ANCHOR, &anchor, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(anchor, 1, hold->row);
    int found = sfs_sqlite_step(connection, anchor, error);
    if (found < 0)
        return found;
    int64_t kept = found ? sqlite3_column_int64(anchor, 1) : INT64_MAX;
    int64_t expires = found ? sqlite3_column_int64(anchor, 2) : 0; /* NULL reads as 0 */
    if (hold->sequence < kept || expires <= sfs_clock_now()) {
        sqlite3_reset(anchor);
        return expired(hold, error);
    }
    *ret_present = sqlite3_column_int64(anchor, 3) == hold->sequence;
    *ret_anchor = anchor;
    return 0;
}

/* The present sequence number, and whether the row is there: from one read transaction. EXPIRED. */
static int read_present(struct sfs_sqlite_hold *hold, int64_t *ret_sequence,
                        struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    int64_t row[4];
    int code = sfs_sqlite_near_take(hold->store, 0, &connection, error);
    if (code != 0)
        return code;
    int found = sfs_sqlite_integers(connection, SFS_SQL_LEASE_ANCHOR, &hold->row, 1, row, 4, error);
    sfs_sqlite_reader_give(connection);
    if (found < 0)
        return found;
    if (found == 0 || row[2] <= sfs_clock_now())
        return expired(hold, error);
    *ret_sequence = row[3];
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
        bool settled = sequence >= pool->floor;
        if (settled)
            hold->sequence = sequence;
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
    bool there = pool->row != 0;
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
            continue;
        }
        int64_t row = ret_hold->row;
        code = take_shared(ret_hold, &failure);
        if (code == 0)
            return 0;
        sfs_sqlite_hold_drop(ret_hold);
        if (code == SFS_E_EXPIRED) { /* the row that was shared was gone already: take another */
            forget_row(store, row);
            code = 1;
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
    bool holds = hold && !is_overdue(hold, now) && hold->row == transaction->own_row &&
                 hold->sequence >= transaction->state.kept_contents;
    if (holds)
        hold->used = now;
    pthread_mutex_unlock(&pool->mutex);
    if (holds && transaction->own >= 0)
        return 0;
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot that this change is based on has expired; begin anew");
}

int64_t sfs_sqlite_pool_row(struct sfs_sqlite *store)
{
    pthread_mutex_lock(&store->pool.mutex);
    int64_t row = store->pool.row;
    pthread_mutex_unlock(&store->pool.mutex);
    return row;
}

void sfs_sqlite_pool_begin_commit(struct sfs_sqlite_transaction *transaction, uint64_t released)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    if (transaction->own < 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    bool alone = pool->row == transaction->own_row &&
                 (pool->count == 0 || (pool->count == 1 && released && find(pool, released)));
    if (alone) {
        pool->ahead = true;
        pool->floor_before = pool->floor;
        pool->floor = transaction->state.sequence + 1;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!alone)
        return;
    transaction->alone = true;
    transaction->needed = transaction->others;
    transaction->needed_contents = transaction->others_contents;
}

void sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                bool committed)
{
    struct sfs_sqlite_pool *pool = &transaction->store->pool;
    if (!transaction->alone)
        return;
    pthread_mutex_lock(&pool->mutex);
    struct sfs_sqlite_hold *hold = committed && released ? find(pool, released) : NULL;
    if (hold)
        unlist(pool, hold);
    /* A sync commits no change, so that the number may be the one from before. */
    pool->floor = committed ? transaction->state.sequence : pool->floor_before;
    pool->ahead = false;
    pthread_cond_broadcast(&pool->settled);
    pthread_mutex_unlock(&pool->mutex);
}

/* --- what the housekeeper does --- */

/* Drops the row where nobody has used it for `linger`; 0 also where there is nothing to do. */
static int drop_row(struct sfs_sqlite *store, int64_t linger)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    (void)look_through(pool);
    struct row row = {.id = pool->row};
    bool unused =
        row.id != 0 && pool->count == 0 && sfs_clock_monotonic() - pool->idle_since >= linger;
    if (unused)
        pool->row = 0;
    pthread_mutex_unlock(&pool->mutex);
    if (!unused)
        return 0;
    int code = sfs_sqlite_transact_held(store, drop_work, &row, NULL);
    if (code == 0)
        return 0;
    /* It is still there, so it can still be shared. */
    pthread_mutex_lock(&pool->mutex);
    pool->row = row.id;
    pthread_mutex_unlock(&pool->mutex);
    return code;
}

/* Moves the row on to the oldest hold. */
static int advance_row(struct sfs_sqlite *store)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    struct survey survey = look_through(pool);
    struct row row = {.id = pool->row, .sequence = survey.oldest, .lasting = 2 * survey.longest};
    bool due = row.id != 0 && pool->count > 0 && row.sequence > pool->kept;
    int64_t before = pool->floor;
    if (due && pool->floor < row.sequence)
        pool->floor = row.sequence;
    pthread_mutex_unlock(&pool->mutex);
    if (!due)
        return 0;
    int code = sfs_sqlite_transact_held(store, renew_work, &row, NULL);
    pthread_mutex_lock(&pool->mutex);
    if (code == 0) {
        pool->kept = row.sequence;
        pool->expires = row.expires;
    } else {
        pool->floor = before;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (code == SFS_E_EXPIRED)
        forget_row(store, row.id);
    return code;
}

/* Whether the file still keeps what only the row asks for. */
static bool keeps_too_much(struct sfs_sqlite *store, int64_t oldest)
{
    struct sfs_sqlite_connection *connection;
    const int64_t marks[] = {oldest, oldest};
    int64_t prunable[2] = {0, 0};
    if (sfs_sqlite_reader_take(store, &connection, NULL) != 0)
        return false;
    (void)sfs_sqlite_integers(connection, SFS_SQL_PRUNABLE, marks, 2, prunable, 2, NULL);
    sfs_sqlite_reader_give(connection);
    return prunable[0] > 0 || prunable[1] > 0;
}

int sfs_sqlite_pool_tend(struct sfs_sqlite *store, int64_t linger, int64_t *ret_again)
{
    struct sfs_sqlite_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->mutex);
    struct survey survey = look_through(pool);
    bool held = pool->row != 0;
    bool unused = held && pool->count == 0;
    int64_t drop_at = pool->idle_since + linger;
    bool advances = held && !unused && survey.oldest > pool->kept;
    pthread_mutex_unlock(&pool->mutex);
    *ret_again = unused ? drop_at : survey.deadline;
    unused = unused && sfs_clock_monotonic() >= drop_at;
    advances = advances && keeps_too_much(store, survey.oldest);
    if (!unused && !advances)
        return 0;
    sfs_sqlite_writer_enter(store);
    int code = unused ? drop_row(store, linger) : advance_row(store);
    sfs_sqlite_writer_leave(store);
    if (code == 0 && unused)
        *ret_again = INT64_MAX;
    return code ? code : 1;
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
