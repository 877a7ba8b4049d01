/* SPDX-License-Identifier: MIT */
/*
 * The removal of what leases do not need: what is before all of them, and what positions.c noted as
 * superfluous in between. Both in bounded steps, a piece with each commit.
 */
#include "backends/sqlite/index.h"

#include "util/clock.h"

/* How much one commit removes on its way, in blocks, and in rows of history eight times that and
 * twice of what it added: the sweep is faster than those who write. */
#define PRUNE_ALONE 8
#define ROWS_PER_BLOCK 8
#define ROWS_PER_ROW 2

static int64_t smaller(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

void sfs_sqlite_prune_begin(struct sfs_sqlite *store)
{
    struct sfs_sqlite_sweep *sweep = &store->sweep;
    if (!sweep->tentative)
        return;
    sweep->history_name.size = 0;
    sweep->garbage_content = 0;
    sweep->tentative = false;
}

void sfs_sqlite_prune_free(struct sfs_sqlite *store)
{
    sfs_buffer_free(&store->sweep.history_name);
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
        /* Of a row that storefs has not written the numbers are not what stands there. */
        if (code == 0 && sqlite3_changes(connection->db) == 0)
            code = sfs_sqlite_run(connection, SFS_SQL_CHUNK_REMOVE_ODD, error, 1, garbage[1]);
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
    if (code == 0 && sqlite3_changes(connection->db) == 0)
        code = sfs_sqlite_run(connection, SFS_SQL_GARBAGE_REMOVE_FIRST, error, 1,
                              transaction->state.kept_contents);
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
    bool more = false;
    if (code >= 0)
        code = sfs_sqlite_entries_prune(transaction, row_budget(transaction), &more, error);
    transaction->more_garbage |= more;
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
    int code = sfs_sqlite_positions_settle(transaction, error);
    if (code == 0)
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
    if (code == 0)
        code = sfs_sqlite_index_prune(transaction, error);
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
    if (more && code == 0)
        sfs_sqlite_keeper_note(store, SFS_SQLITE_LINGER);
    return code;
}
