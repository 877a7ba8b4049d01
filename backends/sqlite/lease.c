/* SPDX-License-Identifier: MIT */
/*
 * Leases: rows that keep history. Here is what writers see of them, and the leases of feeds, one a
 * feed; those of snapshots are in pool.c. A feed's lease lives a tenth longer than it is asked for,
 * so that renewing it only when a tenth has passed still gives its whole time after each use.
 *
 * What no snapshot needs is changed in place; what is before all leases is removed (prune.c).
 */
#include "backends/sqlite/internal.h"

#include <string.h>

/* A feed this many commits behind is given up, since it would keep history without bound. */
#define FEED_BEHIND ((int64_t)1 << 20)

/* --- seen by writers --- */

/* Of two sequence numbers, of which -1 is none. */
static int64_t earlier(int64_t one, int64_t other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

void sfs_sqlite_leases_combine(struct sfs_sqlite_transaction *transaction)
{
    bool exact = transaction->exact;
    int64_t present = transaction->present;
    int64_t own_newest = exact ? transaction->own_newest : transaction->own >= 0 ? present : -1;
    transaction->oldest =
        earlier(transaction->others, exact ? transaction->own_oldest : transaction->own);
    transaction->newest = transaction->others >= 0 ? present : own_newest;
    transaction->logged = transaction->feed >= 0 ? INT64_MAX : transaction->newest;
}

static void note_lease(struct sfs_sqlite_transaction *transaction, sqlite3_stmt *row)
{
    int64_t sequence = sqlite3_column_int64(row, 0);
    bool feed = sqlite3_column_int(row, 1) == SFS_SQLITE_LEASE_FEED;
    if (!sqlite3_column_int(row, 2))
        transaction->lapsed = true;
    else if (feed)
        transaction->feed = earlier(transaction->feed, sequence);
    else if (sqlite3_column_int64(row, 3) == transaction->own_row)
        transaction->own = sequence;
    else
        transaction->others = earlier(transaction->others, sequence);
}

int sfs_sqlite_leases_read(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    sqlite3_stmt *row;
    int code = sfs_sqlite_statement(transaction->connection, SFS_SQL_LEASES, &row, error);
    if (code != 0)
        return code;
    transaction->others = transaction->feed = transaction->own = -1;
    transaction->lapsed = false;
    sqlite3_bind_int64(row, 1, transaction->now);
    while ((code = sfs_sqlite_step(transaction->connection, row, error)) == 1)
        note_lease(transaction, row);
    sfs_sqlite_leases_combine(transaction);
    return code;
}

bool sfs_sqlite_is_kept(const struct sfs_sqlite_transaction *transaction, int64_t sequence,
                        bool contents)
{
    if (sequence >= transaction->state.sequence)
        return sequence == transaction->state.sequence;
    if (!contents)
        return sequence >= transaction->state.whole;
    return transaction->own >= 0 && sfs_sqlite_pool_is_at(transaction->store, sequence);
}

static void raise(int64_t *mark, int64_t to)
{
    if (to > *mark)
        *mark = to;
}

int sfs_sqlite_leases_settle(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    struct sfs_sqlite_state *state = &transaction->state;
    int64_t last = state->sequence - FEED_BEHIND;
    bool behind = transaction->feed >= 0 && transaction->feed < last;
    int code = 0;
    if (transaction->lapsed)
        code = sfs_sqlite_run(connection, SFS_SQL_LEASE_DROP_LAPSED, error, 1, transaction->now);
    if (code == 0 && behind)
        code = sfs_sqlite_run(connection, SFS_SQL_LEASE_GIVE_UP, error, 1, last);
    if (code == 0 && (transaction->lapsed || behind || transaction->leases_changed))
        code = sfs_sqlite_leases_read(transaction, error);
    transaction->leases_changed = false;
    raise(&state->whole, earlier(transaction->feed, state->sequence));
    raise(&state->kept, earlier(transaction->oldest, state->sequence));
    return code;
}

/* --- rows --- */

int sfs_sqlite_lease_add(struct sfs_sqlite_transaction *transaction, int64_t sequence,
                         enum sfs_sqlite_lease_kind kind, int64_t expires, int64_t *ret_id,
                         struct sfs_error *error)
{
    sqlite3_stmt *statement;
    const char *owner = transaction->store->owner;
    int64_t id = ++transaction->state.last_lease;
    int code = sfs_sqlite_statement(transaction->connection, SFS_SQL_LEASE_ADD, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int64(statement, 2, sequence);
    sqlite3_bind_int64(statement, 3, kind);
    sqlite3_bind_int64(statement, 4, expires);
    sqlite3_bind_text(statement, 5, owner, (int)strlen(owner), SQLITE_STATIC);
    code = sfs_sqlite_step(transaction->connection, statement, error);
    transaction->leases_changed = true;
    *ret_id = id;
    return code;
}

int sfs_sqlite_lease_renew(struct sfs_sqlite_transaction *transaction, int64_t id, int64_t sequence,
                           int64_t expires, struct sfs_error *error)
{
    const int64_t arguments[] = {id, expires, sequence, transaction->now};
    int64_t renewed;
    int found = sfs_sqlite_integers(transaction->connection, SFS_SQL_LEASE_RENEW, arguments, 4,
                                    &renewed, 1, error);
    transaction->leases_changed = true;
    if (found == 0)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN, "the lease %lld of %s has expired",
                        (long long)id, transaction->store->path);
    return found < 0 ? found : 0;
}

/* --- of feeds --- */

static int64_t expiry(const struct sfs_sqlite_transaction *transaction)
{
    return transaction->now + SFS_SQLITE_LEASE + SFS_SQLITE_LEASE / 10;
}

struct take {
    struct sfs_sqlite_lease lease;
    int64_t since;
};

static int take_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    struct take *take = context;
    const struct sfs_sqlite_state *state = &transaction->state;
    int64_t sequence = take->since < 0 ? state->sequence : take->since;
    if (!sfs_sqlite_is_kept(transaction, sequence, false))
        return sfs_fail(error, SFS_E_TOO_OLD, SFS_SQLITE_ORIGIN,
                        "changes of %s after %lld are not kept; they are known after %lld, and the "
                        "last commit is %lld",
                        transaction->store->path, (long long)sequence, (long long)state->whole,
                        (long long)state->sequence);
    take->lease = (struct sfs_sqlite_lease){
        .store = transaction->store, .sequence = sequence, .renewed = transaction->now};
    return sfs_sqlite_lease_add(transaction, sequence, SFS_SQLITE_LEASE_FEED, expiry(transaction),
                                &take->lease.id, error);
}

int sfs_sqlite_lease_take(struct sfs_sqlite *store, int64_t since,
                          struct sfs_sqlite_lease *ret_lease, struct sfs_error *error)
{
    struct take take = {.since = since};
    int code = sfs_sqlite_transact(store, take_work, &take, error);
    if (code == 0)
        *ret_lease = take.lease;
    return code;
}

bool sfs_sqlite_lease_due(const struct sfs_sqlite_lease *lease)
{
    return sfs_sqlite_clock(lease->store) - lease->renewed > SFS_SQLITE_LEASE / 10;
}

struct advance {
    const struct sfs_sqlite_lease *lease;
    int64_t sequence;
    int64_t renewed;
};

static int advance_work(struct sfs_sqlite_transaction *transaction, void *context,
                        struct sfs_error *error)
{
    struct advance *advance = context;
    advance->renewed = transaction->now;
    return sfs_sqlite_lease_renew(transaction, advance->lease->id, advance->sequence,
                                  expiry(transaction), error);
}

int sfs_sqlite_lease_advance(struct sfs_sqlite_lease *lease, int64_t sequence,
                             struct sfs_error *error)
{
    struct advance advance = {.lease = lease, .sequence = sequence};
    int code = sfs_sqlite_transact(lease->store, advance_work, &advance, error);
    if (code == 0) {
        lease->sequence = sequence;
        lease->renewed = advance.renewed;
    }
    return code;
}

static int drop_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    const struct sfs_sqlite_lease *lease = context;
    transaction->leases_changed = true;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_LEASE_DROP, error, 1, lease->id);
}

/* Where it fails, the lease expires by itself. */
void sfs_sqlite_lease_drop(struct sfs_sqlite_lease *lease)
{
    if (lease->id != 0 && sfs_sqlite_transact(lease->store, drop_work, lease, NULL) == 0)
        sfs_sqlite_keeper_ask(lease->store);
}
