/* SPDX-License-Identifier: MIT */
/*
 * What leases need, as the writers of a store see it. A row of history is needed by a snapshot for
 * which it is the first of its name; contents are needed by snapshots from the commit that put them
 * to the one that replaced them. What nobody needs when it is replaced is not kept at all, so
 * garbage arises only where a lease ends or a feed moves on. A lease at p ends with its neighbours
 * at o < p < q: then what only it needed was replaced in a commit of (p, q], and that is where a
 * sweep looks (prune.c). The commits still to be swept are in the file, as one stretch, so that a
 * crash or another process loses nothing of it.
 *
 * The young snapshots of an opening are in the file as one open lease, of every state from some
 * point on. Others keep all that; the opening itself knows the positions, and its commits keep what
 * these need. So what the open lease seems to need is not there always, and it says of no state
 * that it can be read. What is superfluous behind it is released when it moves on or ends, and all
 * that young snapshots leave over is behind it: their own end releases nothing.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

/* A feed that is so many commits behind is given up; it would keep history without bound. */
#define FEED_BEHIND ((int64_t)1 << 20)

/* Of two positions, of which -1 is none. */
static int64_t earlier(int64_t one, int64_t other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* --- reading them --- */

static int add_snapshot(struct sfs_sqlite_positions *positions, int64_t sequence, bool living,
                        struct sfs_error *error)
{
    struct sfs_sqlite_position *last =
        positions->count > 0 ? &positions->snapshots[positions->count - 1] : NULL;
    if (last && last->sequence == sequence) {
        last->living |= living;
        return 0;
    }
    if (positions->count == positions->capacity) {
        size_t capacity = positions->capacity * 2 + 16;
        struct sfs_sqlite_position *snapshots =
            realloc(positions->snapshots, capacity * sizeof(*snapshots));
        if (!snapshots)
            return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
        positions->snapshots = snapshots;
        positions->capacity = capacity;
    }
    positions->snapshots[positions->count++] = (struct sfs_sqlite_position){sequence, living};
    return 0;
}

/* Notes a living lease among those of the transaction. */
static void note_living(struct sfs_sqlite_transaction *transaction, int64_t lease, int64_t sequence,
                        int kind)
{
    if (lease == transaction->own_row) {
        transaction->own = sequence;
        return;
    }
    if (lease == transaction->given_row)
        return;
    if (kind == SFS_SQLITE_LEASE_FEED) {
        transaction->feed = earlier(transaction->feed, sequence);
        return;
    }
    transaction->others_oldest = earlier(transaction->others_oldest, sequence);
    if (kind == SFS_SQLITE_LEASE_SNAPSHOT)
        transaction->others_newest = later(transaction->others_newest, sequence);
    else
        transaction->others_onward = earlier(transaction->others_onward, sequence);
}

static int note_position(struct sfs_sqlite_positions *positions, int64_t sequence, int kind,
                         bool living, struct sfs_error *error)
{
    if (kind == SFS_SQLITE_LEASE_SNAPSHOT)
        return add_snapshot(positions, sequence, living, error);
    int64_t *first = kind == SFS_SQLITE_LEASE_FEED ? &positions->feed : &positions->onward;
    *first = earlier(*first, sequence);
    return 0;
}

/* All leases, those included that have expired and are still there. */
static int read_positions(struct sfs_sqlite_transaction *transaction,
                          struct sfs_sqlite_positions *positions, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, SFS_SQL_LEASE_POSITIONS, &statement, error);
    if (code != 0)
        return code;
    positions->count = 0;
    positions->feed = positions->onward = -1;
    transaction->feed = transaction->own = -1;
    transaction->others_oldest = transaction->others_newest = transaction->others_onward = -1;
    transaction->lapsed = false;
    sqlite3_bind_int64(statement, 1, transaction->now);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        int64_t sequence = sqlite3_column_int64(statement, 0);
        int kind = sqlite3_column_int(statement, 1);
        bool living = sqlite3_column_int(statement, 2) != 0;
        if (living)
            note_living(transaction, sqlite3_column_int64(statement, 3), sequence, kind);
        transaction->lapsed |= !living;
        code = note_position(positions, sequence, kind, living, error);
        if (code != 0)
            break;
    }
    sqlite3_reset(statement);
    sfs_sqlite_positions_combine(transaction);
    return code;
}

void sfs_sqlite_positions_combine(struct sfs_sqlite_transaction *transaction)
{
    bool onward = transaction->others_onward >= 0 || (!transaction->exact && transaction->own >= 0);
    int64_t own_oldest = transaction->exact ? transaction->own_oldest : transaction->own;
    int64_t own_newest = transaction->exact ? transaction->own_newest : -1;
    transaction->oldest = earlier(transaction->others_oldest, own_oldest);
    transaction->newest =
        onward ? transaction->present : later(transaction->others_newest, own_newest);
    transaction->logged = transaction->feed >= 0 ? INT64_MAX : transaction->newest;
}

int sfs_sqlite_positions_read(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    return read_positions(transaction, &transaction->store->held, error);
}

void sfs_sqlite_positions_free(struct sfs_sqlite *store)
{
    free(store->held.snapshots);
    free(store->kept.snapshots);
}

bool sfs_sqlite_is_kept(const struct sfs_sqlite_transaction *transaction, int64_t sequence,
                        bool contents)
{
    const struct sfs_sqlite_positions *held = &transaction->store->held;
    if (sequence >= transaction->state.sequence)
        return sequence == transaction->state.sequence;
    if (!contents)
        return sequence >= transaction->state.whole;
    for (size_t i = 0; i < held->count; i++) {
        if (held->snapshots[i].sequence == sequence)
            return held->snapshots[i].living;
    }
    return transaction->own >= 0 && sfs_sqlite_pool_is_at(transaction->store, sequence);
}

/* --- what their end has left over --- */

static void add_stretch(int64_t *from, int64_t *to, int64_t first, int64_t last)
{
    if (first >= last)
        return;
    bool empty = *from >= *to;
    if (empty || first < *from)
        *from = first;
    if (empty || last > *to)
        *to = last;
}

/* (first, last] is to be swept. Behind the position of a feed all rows are needed, and behind one
 * that is held onward the contents too; raise_marks() leaves out what is before all leases. */
static void release(struct sfs_sqlite_transaction *transaction, int64_t first, int64_t last,
                    bool contents)
{
    struct sfs_sqlite_state *state = &transaction->state;
    last = earlier(earlier(transaction->others_onward, transaction->own), last);
    add_stretch(&state->history_from, &state->history_to, first, earlier(transaction->feed, last));
    if (contents)
        add_stretch(&state->garbage_from, &state->garbage_to, first, last);
    state->released++;
}

static void compare_position(struct sfs_sqlite_transaction *transaction, int64_t before,
                             int64_t after, bool contents)
{
    int64_t now = after >= 0 ? after : transaction->state.sequence;
    if (before >= 0 && before < now)
        release(transaction, before, now, contents);
}

/* The leases as they were when the transaction began, and as they are. */
static void compare_leases(struct sfs_sqlite_transaction *transaction)
{
    const struct sfs_sqlite_positions *before = &transaction->store->held;
    const struct sfs_sqlite_positions *after = &transaction->store->kept;
    size_t at = 0;
    for (size_t i = 0; i < before->count; i++) {
        int64_t sequence = before->snapshots[i].sequence;
        while (at < after->count && after->snapshots[at].sequence < sequence)
            at++;
        int64_t next =
            at < after->count ? after->snapshots[at].sequence : transaction->state.sequence;
        if (next > sequence)
            release(transaction, sequence, next, true);
    }
    compare_position(transaction, before->feed, after->feed, false);
    compare_position(transaction, before->onward, after->onward, true);
}

/* Ends leases that have expired and feeds that are too far behind, and finds out what that, or
 * else the transaction itself, has left over. */
static int settle_leases(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite *store = transaction->store;
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t last = transaction->state.sequence - FEED_BEHIND;
    bool behind = transaction->feed >= 0 && transaction->feed < last;
    int code = 0;
    if (!transaction->lapsed && !transaction->leases_changed && !behind)
        return 0;
    if (transaction->lapsed)
        code = sfs_sqlite_run(connection, SFS_SQL_LEASE_DROP_LAPSED, error, 1, transaction->now);
    if (code == 0 && behind)
        code = sfs_sqlite_run(connection, SFS_SQL_LEASE_GIVE_UP, error, 1, last);
    if (code == 0)
        code = read_positions(transaction, &store->kept, error);
    if (code != 0)
        return code;
    compare_leases(transaction);
    struct sfs_sqlite_positions before = store->held;
    store->held = store->kept;
    store->kept = before;
    transaction->leases_changed = false;
    return 0;
}

static void raise(int64_t *mark, int64_t to)
{
    if (to > *mark)
        *mark = to;
}

static void raise_marks(struct sfs_sqlite_transaction *transaction)
{
    struct sfs_sqlite_state *state = &transaction->state;
    int64_t whole = earlier(transaction->feed, state->sequence);
    int64_t contents = earlier(transaction->oldest, state->sequence);
    raise(&state->whole, whole);
    raise(&state->kept_contents, contents);
    raise(&state->kept, earlier(whole, contents));
    raise(&state->history_from, state->kept);
    raise(&state->garbage_from, state->kept_contents);
}

int sfs_sqlite_positions_settle(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int code = settle_leases(transaction, error);
    if (code == 0)
        raise_marks(transaction);
    return code;
}
