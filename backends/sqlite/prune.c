/* SPDX-License-Identifier: MIT */
/*
 * The removal of what is before all leases, in bounded steps, a piece with each commit.
 */
#include "backends/sqlite/index.h"

#include "util/clock.h"

/* How much one commit removes on its way, in blocks, and in rows of history eight times that and
 * twice of what it added: that is faster than those who write. */
#define PRUNE_ALONE 8
#define ROWS_PER_BLOCK 8
#define ROWS_PER_ROW 2

static int64_t smaller(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

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
                              transaction->state.kept);
    return code;
}

static int prune_garbage(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int budget = transaction->budget + (int)smaller(transaction->rows * ROWS_PER_ROW, INT16_MAX);
    while (budget > 0) {
        int64_t garbage[4];
        int found = sfs_sqlite_integers(transaction->connection, SFS_SQL_GARBAGE_READ,
                                        &transaction->state.kept, 1, garbage, 4, error);
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
        code = sfs_sqlite_run(connection, SFS_SQL_GARBAGE_ADD, error, 4, (int64_t)0, lapsed[i],
                              (int64_t)-1, (int64_t)0);
    return code;
}

/* What is before all snapshots and feeds. */
static int64_t history_kept(const struct sfs_sqlite_transaction *transaction)
{
    return smaller(transaction->state.kept, transaction->state.whole);
}

static int prune_history(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t kept = history_kept(transaction);
    int code = sfs_sqlite_run(connection, SFS_SQL_HISTORY_PRUNE_SOME, error, 2, kept,
                              row_budget(transaction));
    if (code != 0)
        return code;
    if (sqlite3_changes(connection->db) == 0)
        return sfs_sqlite_run(connection, SFS_SQL_HISTORY_PRUNE_ALL, error, 1, kept);
    transaction->more_garbage = true;
    return 0;
}

static int prune_entries(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t kept = transaction->state.kept;
    int code = sfs_sqlite_run(connection, SFS_SQL_ENTRIES_PRUNE_SOME, error, 2, kept,
                              row_budget(transaction));
    if (code != 0)
        return code;
    if (sqlite3_changes(connection->db) == 0)
        return sfs_sqlite_run(connection, SFS_SQL_ENTRIES_PRUNE_ALL, error, 1, kept);
    transaction->more_garbage = true;
    return 0;
}

static int prune_before_all(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const int64_t marks[] = {history_kept(transaction), transaction->state.kept};
    int64_t prunable[3] = {0, 0, 0};
    int code = sfs_sqlite_integers(transaction->connection, SFS_SQL_PRUNABLE, marks, 2, prunable, 3,
                                   error);
    if (code >= 0 && prunable[0] > 0)
        code = prune_history(transaction, error);
    if (code >= 0 && prunable[1] > 0)
        code = prune_garbage(transaction, error);
    if (code >= 0 && prunable[2] > 0)
        code = prune_entries(transaction, error);
    return code < 0 ? code : 0;
}

/* --- steps --- */

int sfs_sqlite_prune_step(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int code = sfs_sqlite_leases_settle(transaction, error);
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
