/* SPDX-License-Identifier: MIT */
/*
 * What leases need, and the removal of what they do not. A row of history is needed by a snapshot
 * for which it is the first of its name; contents are needed by snapshots from the commit that put
 * them to the one that replaced them. What nobody needs when it is replaced is not kept at all, so
 * garbage arises only where a lease ends or a feed moves on. A lease at p ends with its neighbours
 * at o < p < q: then what only it needed was replaced in a commit of (p, q], and that is where a
 * sweep looks, in bounded steps. The commits still to be swept are in the file, as one stretch, so
 * that a crash or another process loses nothing of it.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

#include "util/clock.h"

/* How much one commit removes on its way, in blocks, and in rows of history eight times that and
 * twice of what it added: the sweep is faster than those who write. */
#define PRUNE_ALONE 256
#define ROWS_PER_BLOCK 8
#define ROWS_PER_ROW 2

/* A feed that is so many commits behind is given up; it would keep history without bound. */
#define FEED_BEHIND ((int64_t)1 << 20)

/* --- leases --- */

static int add_snapshot(struct sfs_sqlite_positions *positions, int64_t sequence,
                        struct sfs_error *error)
{
    if (positions->count > 0 && positions->snapshots[positions->count - 1] == sequence)
        return 0;
    if (positions->count == positions->capacity) {
        size_t capacity = positions->capacity * 2 + 16;
        int64_t *snapshots = realloc(positions->snapshots, capacity * sizeof(*snapshots));
        if (!snapshots)
            return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
        positions->snapshots = snapshots;
        positions->capacity = capacity;
    }
    positions->snapshots[positions->count++] = sequence;
    return 0;
}

/* Notes a lease among those of the transaction. */
static void note_living(struct sfs_sqlite_transaction *transaction, int64_t sequence, int kind)
{
    if (kind != SFS_SQLITE_LEASE_FEED && transaction->oldest < 0)
        transaction->oldest = sequence;
    if (kind == SFS_SQLITE_LEASE_SNAPSHOT)
        transaction->newest = sequence;
    if (kind == SFS_SQLITE_LEASE_FEED && transaction->feed < 0)
        transaction->feed = sequence;
    if (kind == SFS_SQLITE_LEASE_ONWARD && transaction->onward < 0)
        transaction->onward = sequence;
}

static int note_position(struct sfs_sqlite_positions *positions, int64_t sequence, int kind,
                         struct sfs_error *error)
{
    if (kind == SFS_SQLITE_LEASE_SNAPSHOT)
        return add_snapshot(positions, sequence, error);
    int64_t *first = kind == SFS_SQLITE_LEASE_FEED ? &positions->feed : &positions->onward;
    if (*first < 0)
        *first = sequence;
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
    transaction->feed = transaction->onward = transaction->oldest = transaction->newest = -1;
    transaction->lapsed = false;
    sqlite3_bind_int64(statement, 1, transaction->now);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        int64_t sequence = sqlite3_column_int64(statement, 0);
        int kind = sqlite3_column_int(statement, 1);
        if (sqlite3_column_int(statement, 2))
            note_living(transaction, sequence, kind);
        else
            transaction->lapsed = true;
        code = note_position(positions, sequence, kind, error);
        if (code != 0)
            break;
    }
    sqlite3_reset(statement);
    if (transaction->onward >= 0)
        transaction->newest = transaction->state.sequence;
    bool all = transaction->feed >= 0 || transaction->onward >= 0;
    transaction->logged = all ? INT64_MAX : transaction->newest;
    return code;
}

int sfs_sqlite_leases_read(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_sweep *sweep = &transaction->store->sweep;
    if (sweep->tentative) { /* what was swept has been rolled back */
        sweep->history_name.size = 0;
        sweep->garbage_content = 0;
        sweep->tentative = false;
    }
    return read_positions(transaction, &transaction->store->held, error);
}

void sfs_sqlite_prune_free(struct sfs_sqlite *store)
{
    free(store->held.snapshots);
    free(store->kept.snapshots);
    sfs_buffer_free(&store->sweep.history_name);
}

bool sfs_sqlite_is_kept(const struct sfs_sqlite_transaction *transaction, int64_t sequence,
                        bool contents)
{
    const struct sfs_sqlite_positions *held = &transaction->store->held;
    if (sequence >= transaction->state.sequence)
        return sequence == transaction->state.sequence;
    if (!contents)
        return sequence >= transaction->state.whole;
    if (transaction->onward >= 0 && sequence >= transaction->onward)
        return true;
    for (size_t i = 0; i < held->count; i++) {
        if (held->snapshots[i] == sequence)
            return sequence >= transaction->oldest && sequence <= transaction->newest;
    }
    return false;
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

static int64_t smaller(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* Of two positions, of which -1 is none: where all is needed behind. */
static int64_t earlier(int64_t position, int64_t other)
{
    return position >= 0 ? smaller(position, other) : other;
}

/* (first, last] is to be swept. Behind the position of a feed all rows are needed, and behind one
 * that is held onward the contents too; raise_marks() leaves out what is before all leases. */
static void release(struct sfs_sqlite_transaction *transaction, int64_t first, int64_t last,
                    bool contents)
{
    struct sfs_sqlite_state *state = &transaction->state;
    last = earlier(transaction->onward, last);
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
        while (at < after->count && after->snapshots[at] < before->snapshots[i])
            at++;
        int64_t next = at < after->count ? after->snapshots[at] : transaction->state.sequence;
        if (next > before->snapshots[i])
            release(transaction, before->snapshots[i], next, true);
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
    int64_t whole = earlier(transaction->feed, earlier(transaction->onward, state->sequence));
    int64_t contents = earlier(transaction->oldest, state->sequence);
    raise(&state->whole, whole);
    raise(&state->kept_contents, contents);
    raise(&state->kept, smaller(whole, contents));
    raise(&state->history_from, state->kept);
    raise(&state->garbage_from, state->kept_contents);
}

/* --- what is before all leases --- */

static int64_t row_budget(const struct sfs_sqlite_transaction *transaction)
{
    return (int64_t)transaction->budget * ROWS_PER_BLOCK + transaction->rows * ROWS_PER_ROW;
}

/* Removes up to *budget parts of one content (part -1: any of its parts). */
static int remove_parts(struct sfs_sqlite_transaction *transaction, const int64_t garbage[4],
                        int *budget, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    bool all = garbage[2] < 0;
    int64_t chunk[3];
    int found;
    while (*budget > 0 &&
           (found = sfs_sqlite_integers(connection, all ? SFS_SQL_CHUNK_ANY : SFS_SQL_CHUNK_VERSION,
                                        garbage + 1, all ? 1 : 3, chunk, 3, error)) != 0) {
        if (found < 0)
            return found;
        --*budget;
        int code = sfs_sqlite_run(connection, SFS_SQL_BLOCK_REMOVE, error, 1, chunk[2]);
        if (code == 0)
            code = sfs_sqlite_run(connection, SFS_SQL_CHUNK_REMOVE, error, 3, garbage[1], chunk[0],
                                  chunk[1]);
        if (code != 0)
            return code;
    }
    if (*budget <= 0)
        return 0;
    --*budget;
    int code = 0;
    if (all) /* or it was one block */
        code = sfs_sqlite_run(connection, SFS_SQL_BLOCK_REMOVE, error, 1, garbage[1]);
    if (code == 0)
        code = sfs_sqlite_run(connection, SFS_SQL_GARBAGE_REMOVE, error, 4, garbage[0], garbage[1],
                              garbage[2], garbage[3]);
    return code;
}

static int prune_garbage(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int budget = transaction->budget + (int)smaller(transaction->rows * ROWS_PER_ROW, INT16_MAX);
    while (budget > 0) {
        int64_t garbage[4];
        int found = sfs_sqlite_integers(transaction->connection, SFS_SQL_GARBAGE_READ,
                                        &transaction->state.kept_contents, 1, garbage, 4, error);
        if (found <= 0)
            return found;
        if (garbage[2] < 0)
            garbage[2] = -1;
        int code = remove_parts(transaction, garbage, &budget, error);
        if (code != 0)
            return code;
    }
    transaction->more_garbage = true;
    return 0;
}

static int prune_stages(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    sqlite3_stmt *statement;
    int64_t lapsed[16];
    int count = 0;
    int code = sfs_sqlite_statement(connection, SFS_SQL_STAGE_LAPSED, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, transaction->now);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1 && count < 16)
        lapsed[count++] = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    for (int i = 0; i < count && code == 0; i++)
        code = sfs_sqlite_run(connection, SFS_SQL_GARBAGE_ADD, error, 5, (int64_t)0, lapsed[i],
                              (int64_t)-1, (int64_t)0, (int64_t)0);
    return code;
}

static int prune_history(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t kept = transaction->state.kept;
    int code = sfs_sqlite_run(connection, SFS_SQL_HISTORY_PRUNE_SOME, error, 2, kept,
                              row_budget(transaction));
    if (code != 0)
        return code;
    if (sqlite3_changes(connection->db) == 0)
        return sfs_sqlite_run(connection, SFS_SQL_HISTORY_PRUNE_ALL, error, 1, kept);
    transaction->more_garbage = true;
    return 0;
}

static int prune_before_all(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const int64_t marks[] = {transaction->state.kept, transaction->state.kept_contents};
    int64_t prunable[2] = {0, 0};
    int code = sfs_sqlite_integers(transaction->connection, SFS_SQL_PRUNABLE, marks, 2, prunable, 2,
                                   error);
    if (code >= 0 && prunable[0] > 0)
        code = prune_history(transaction, error);
    if (code >= 0 && prunable[1] > 0)
        code = prune_garbage(transaction, error);
    return code < 0 ? code : 0;
}

/* --- the sweep between leases --- */

/* Within a commit it goes on where it was, unless something before has become superfluous since. */
static void resume_sweep(struct sfs_sqlite_transaction *transaction)
{
    struct sfs_sqlite_sweep *sweep = &transaction->store->sweep;
    const struct sfs_sqlite_state *state = &transaction->state;
    bool good = sweep->released == state->released;
    if (!good || sweep->history_from != state->history_from)
        sweep->history_name.size = 0;
    if (!good || sweep->garbage_from != state->garbage_from)
        sweep->garbage_content = 0;
    sweep->released = state->released;
    sweep->tentative = true;
}

/* Where a step over history that begins behind (sequence, name) ends: 1 and the row, which becomes
 * the sweep's, or 0 where it comes to the end. */
static int find_history_end(struct sfs_sqlite_transaction *transaction, int64_t sequence,
                            struct sfs_bytes name, struct sfs_buffer *ret_name,
                            struct sfs_error *error)
{
    struct sfs_sqlite_sweep *sweep = &transaction->store->sweep;
    sqlite3_stmt *statement;
    int code =
        sfs_sqlite_statement(transaction->connection, SFS_SQL_HISTORY_SWEEP_END, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, sequence);
    sfs_sqlite_bind(statement, 2, name);
    sqlite3_bind_int64(statement, 3, transaction->state.history_to);
    sqlite3_bind_int64(statement, 4, row_budget(transaction));
    int found = sfs_sqlite_step(transaction->connection, statement, error);
    if (found != 1)
        return found;
    sweep->history_at = sqlite3_column_int64(statement, 0);
    ret_name->size = 0;
    if (sfs_buffer_add(ret_name, sfs_sqlite_column(statement, 1)) != 0)
        found = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    sqlite3_reset(statement);
    return found;
}

static int run_sweep(struct sfs_sqlite_transaction *transaction, enum sfs_sqlite_sql sql, bool all,
                     int64_t first, struct sfs_bytes first_name, int64_t last,
                     struct sfs_bytes last_name, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(transaction->connection, sql, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, first);
    sfs_sqlite_bind(statement, 2, first_name);
    sqlite3_bind_int64(statement, 3, last);
    sfs_sqlite_bind(statement, 4, last_name);
    if (sql == SFS_SQL_HISTORY_SWEEP)
        sqlite3_bind_int64(statement, 5, all);
    return sfs_sqlite_step(transaction->connection, statement, error);
}

/* A name that was made and is gone again leaves nothing, though a snapshot from before needed to
 * know that it was not there. */
static int delete_history(struct sfs_sqlite_transaction *transaction, int64_t first,
                          struct sfs_bytes first_name, int64_t last, struct sfs_bytes last_name,
                          struct sfs_error *error)
{
    static const enum sfs_sqlite_sql steps[] = {SFS_SQL_HISTORY_SWEEP, SFS_SQL_HISTORY_SWEEP_ABSENT,
                                                SFS_SQL_HISTORY_SWEEP};
    int code = 0;
    for (int i = 0; i < 3 && code == 0; i++)
        code = run_sweep(transaction, steps[i], i == 2, first, first_name, last, last_name, error);
    return code;
}

static int sweep_history(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_sweep *sweep = &transaction->store->sweep;
    struct sfs_sqlite_state *state = &transaction->state;
    struct sfs_bytes above = sfs_sqlite_range_end((struct sfs_range){0});
    bool within = sweep->history_name.size > 0;
    int64_t first = within ? sweep->history_at : state->history_from;
    struct sfs_bytes first_name = within ? sfs_buffer_bytes(&sweep->history_name) : above;
    struct sfs_buffer name = {0};
    int found = find_history_end(transaction, first, first_name, &name, error);
    int code = found < 0 ? found : 0;
    if (found == 1)
        code = delete_history(transaction, first, first_name, sweep->history_at,
                              sfs_buffer_bytes(&name), error);
    else if (found == 0)
        code = delete_history(transaction, first, first_name, state->history_to, above, error);
    sfs_buffer_free(&sweep->history_name);
    if (code != 0) {
        sfs_buffer_free(&name);
        return code;
    }
    state->history_from = found == 1 ? sweep->history_at - 1 : state->history_to;
    sweep->history_from = state->history_from;
    sweep->history_name = name;
    transaction->more_garbage |= found == 1;
    return 0;
}

/* The same over garbage; what is superfluous gets in front, where prune_garbage() finds it. */
static int sweep_garbage(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    struct sfs_sqlite_sweep *sweep = &transaction->store->sweep;
    struct sfs_sqlite_state *state = &transaction->state;
    bool within = sweep->garbage_content > 0;
    int64_t first = within ? sweep->garbage_at : state->garbage_from;
    int64_t content = within ? sweep->garbage_content : INT64_MAX;
    const int64_t arguments[] = {first, content, state->garbage_to, row_budget(transaction)};
    int64_t end[2];
    int found =
        sfs_sqlite_integers(connection, SFS_SQL_GARBAGE_SWEEP_END, arguments, 4, end, 2, error);
    if (found < 0)
        return found;
    if (found == 0) {
        end[0] = state->garbage_to;
        end[1] = INT64_MAX;
    }
    int code =
        sfs_sqlite_run(connection, SFS_SQL_GARBAGE_SWEEP, error, 4, first, content, end[0], end[1]);
    if (code != 0)
        return code;
    state->garbage_from = found == 1 ? end[0] - 1 : state->garbage_to;
    sweep->garbage_from = state->garbage_from;
    sweep->garbage_at = end[0];
    sweep->garbage_content = found == 1 ? end[1] : 0;
    transaction->more_garbage = true;
    return 0;
}

static int sweep(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const struct sfs_sqlite_state *state = &transaction->state;
    int code = 0;
    resume_sweep(transaction);
    if (state->history_from < state->history_to)
        code = sweep_history(transaction, error);
    if (code == 0 && state->garbage_from < state->garbage_to)
        code = sweep_garbage(transaction, error);
    return code;
}

/* --- steps --- */

int sfs_sqlite_prune_step(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int code = settle_leases(transaction, error);
    if (code != 0)
        return code;
    raise_marks(transaction);
    code = sweep(transaction, error);
    return code ? code : prune_before_all(transaction, error);
}

static int prune_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    transaction->budget = PRUNE_ALONE;
    int code = prune_stages(transaction, error);
    if (code == 0)
        code = sfs_sqlite_prune_step(transaction, error);
    *(bool *)context = transaction->more_garbage;
    return code;
}

int sfs_sqlite_prune(struct sfs_sqlite *store, int64_t budget_ms, struct sfs_error *error)
{
    int64_t end = sfs_clock_monotonic() + budget_ms * SFS_NS_PER_MS;
    bool more = true;
    int code = 0;
    while (more && code == 0 && sfs_clock_monotonic() <= end)
        code = sfs_sqlite_transact(store, prune_work, &more, error);
    return code;
}
