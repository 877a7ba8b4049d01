/* SPDX-License-Identifier: MIT */
/*
 * Leases: what keeps history for snapshots and feeds. A lease lives a tenth longer than it is asked
 * for, so that renewing it only when a tenth has passed still gives its whole time after each use.
 */
#include "backends/sqlite/internal.h"

#include "util/clock.h"

#define LONGEST_MS ((uint64_t)10 * 365 * 24 * 3600 * 1000)

static int64_t expiry(const struct sfs_sqlite_lease *lease, int64_t now)
{
    return now + lease->duration + lease->duration / 10;
}

static int expired(const struct sfs_sqlite_lease *lease, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the snapshot of %s at %lld has expired; begin anew", lease->store->path,
                    (long long)lease->sequence);
}

struct take {
    struct sfs_sqlite_lease *lease;
    int64_t since;
};

static int take_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    struct take *take = context;
    struct sfs_sqlite_lease *lease = take->lease;
    struct sfs_sqlite_state *state = &transaction->state;
    lease->sequence = take->since < 0 ? state->sequence : take->since;
    int64_t kept = lease->contents ? state->kept_contents : state->whole;
    if (!sfs_sqlite_is_kept(transaction, lease->sequence, lease->contents))
        return sfs_fail(error, SFS_E_TOO_OLD, SFS_SQLITE_ORIGIN,
                        "changes of %s after %lld are not kept; they are known after %lld, and the "
                        "last commit is %lld",
                        lease->store->path, (long long)lease->sequence, (long long)kept,
                        (long long)state->sequence);
    lease->id = ++state->last_lease;
    lease->renewed = transaction->now;
    transaction->leases_changed = true;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_LEASE_ADD, error, 4, lease->id,
                          lease->sequence, (int64_t)lease->contents,
                          expiry(lease, transaction->now));
}

int sfs_sqlite_lease_take(struct sfs_sqlite *store, int64_t since, uint64_t lease_ms, bool contents,
                          struct sfs_sqlite_lease *ret_lease, struct sfs_error *error)
{
    uint64_t duration = lease_ms == 0 ? SFS_SQLITE_LEASE_MS : lease_ms;
    if (duration > LONGEST_MS)
        duration = LONGEST_MS;
    struct sfs_sqlite_lease lease = {
        .store = store, .duration = (int64_t)duration * SFS_NS_PER_MS, .contents = contents};
    struct take take = {&lease, since};
    int code = sfs_sqlite_transact(store, take_work, &take, error);
    if (code == 0) {
        ret_lease->store = store;
        ret_lease->id = lease.id;
        ret_lease->sequence = lease.sequence;
        ret_lease->duration = lease.duration;
        ret_lease->contents = contents;
        atomic_store(&ret_lease->renewed, lease.renewed);
    }
    return code;
}

struct renewal {
    struct sfs_sqlite_lease *lease;
    int64_t sequence;
};

static int renew_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    const struct renewal *renewal = context;
    struct sfs_sqlite_lease *lease = renewal->lease;
    const int64_t arguments[] = {lease->id, expiry(lease, transaction->now), renewal->sequence,
                                 transaction->now};
    int64_t renewed;
    int found = sfs_sqlite_integers(transaction->connection, SFS_SQL_LEASE_RENEW, arguments, 4,
                                    &renewed, 1, error);
    if (found == 0)
        return expired(lease, error);
    transaction->leases_changed = true;
    return found < 0 ? found : 0;
}

static int renew(struct sfs_sqlite_lease *lease, int64_t sequence, struct sfs_error *error)
{
    int64_t before = atomic_load(&lease->renewed);
    struct renewal renewal = {lease, sequence};
    atomic_store(&lease->renewed, sfs_clock_now());
    int code = sfs_sqlite_transact(lease->store, renew_work, &renewal, error);
    if (code != 0)
        atomic_store(&lease->renewed, before);
    return code;
}

int sfs_sqlite_lease_use(struct sfs_sqlite_lease *lease, struct sfs_error *error)
{
    int64_t passed = sfs_clock_now() - atomic_load(&lease->renewed);
    if (passed >= 0 && passed <= lease->duration / 10)
        return 0;
    struct sfs_error failure;
    int code = renew(lease, 0, &failure);
    /* Whether it still holds is seen in the read transaction; a lock held elsewhere does not end
     * it. */
    if (code == 0 || code == SFS_E_BUSY)
        return 0;
    if (error)
        *error = failure;
    return code;
}

int sfs_sqlite_lease_advance(struct sfs_sqlite_lease *lease, int64_t sequence,
                             struct sfs_error *error)
{
    int code = renew(lease, sequence, error);
    if (code == 0)
        lease->sequence = sequence;
    return code;
}

int sfs_sqlite_lease_anchor(struct sfs_sqlite_lease *lease,
                            struct sfs_sqlite_connection *connection, sqlite3_stmt **ret_anchor,
                            struct sfs_error *error)
{
    sqlite3_stmt *anchor;
    int code = sfs_sqlite_statement(connection, SFS_SQL_LEASE_ANCHOR, &anchor, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(anchor, 1, lease->id);
    int found = sfs_sqlite_step(connection, anchor, error);
    if (found < 0)
        return found;
    int64_t kept = found ? sqlite3_column_int64(anchor, lease->contents ? 1 : 0) : INT64_MAX;
    int64_t expires = found ? sqlite3_column_int64(anchor, 2) : 0; /* NULL reads as 0 */
    if (lease->sequence < kept || expires <= sfs_clock_now()) {
        sqlite3_reset(anchor);
        return expired(lease, error);
    }
    *ret_anchor = anchor;
    return 0;
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
    if (lease->id == 0)
        return;
    if (sfs_sqlite_transact(lease->store, drop_work, lease, NULL) == 0)
        (void)sfs_sqlite_prune(lease->store, 50, NULL);
}
