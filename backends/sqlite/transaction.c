/* SPDX-License-Identifier: MIT */
/*
 * Write transactions on the store's one write connection: the counters are read at the beginning
 * (another process may have moved them) and written back at the end; what no lease needs any more
 * is removed in bounded steps on the way.
 */
#include "backends/sqlite/index.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "util/clock.h"

/* How much one commit removes on its way, in blocks, and in rows of history eight times that. */
#define PRUNE_BY_THE_WAY 16
#define PRUNE_ALONE 256
#define ROWS_PER_BLOCK 8

/* What a store that grows leaves free on the disk. */
#define SPACE_KEPT ((int64_t)1024 * 1024)

/* Of two positions, of which -1 is none. */
static int64_t smaller(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int read_leases(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const int64_t arguments[] = {transaction->now, transaction->own_row};
    int64_t summary[4] = {-1, -1, -1, 0};
    int code = sfs_sqlite_integers(transaction->connection, SFS_SQL_LEASE_SUMMARY, arguments, 2,
                                   summary, 4, error);
    if (code < 0)
        return code;
    transaction->others = summary[0];
    transaction->others_contents = summary[1];
    transaction->own = summary[2];
    transaction->lapsed = summary[3] > 0;
    int64_t own = transaction->alone ? -1 : transaction->own;
    transaction->needed = smaller(transaction->others, own);
    transaction->needed_contents = smaller(transaction->others_contents, own);
    return 0;
}

static int read_state(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int64_t row[SFS_SQLITE_STATE_COLUMNS];
    int code = sfs_sqlite_integers(transaction->connection, SFS_SQL_STATE_READ, NULL, 0, row,
                                   SFS_SQLITE_STATE_COLUMNS, error);
    if (code == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: it has no counters", transaction->store->path);
    if (code < 0)
        return code;
    transaction->state = (struct sfs_sqlite_state){
        .sequence = row[0],
        .last_id = row[1],
        .last_content = row[2],
        .last_lease = row[3],
        .keys = row[4],
        .records = row[5],
        .bytes = row[6],
        .kept = row[7],
        .kept_contents = row[8],
        .indexes = row[9],
    };
    return 0;
}

static int write_state(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const struct sfs_sqlite_state *state = &transaction->state;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_STATE_WRITE, error, 9, state->sequence,
                          state->last_id, state->last_content, state->last_lease, state->keys,
                          state->records, state->bytes, state->kept, state->kept_contents);
}

static int read_pages(struct sfs_sqlite_transaction *transaction, int64_t ret_pages[2],
                      struct sfs_error *error)
{
    int found =
        sfs_sqlite_integers(transaction->connection, SFS_SQL_PAGES, NULL, 0, ret_pages, 2, error);
    return found < 0 ? found : 0;
}

/*
 * What has grown in the log must find room in the file, or the log can never be begun anew, and
 * then not even a removal has a place to be written to. So a commit that makes the database larger
 * is refused while that room, and some for the next commits, is still free.
 */
static int check_space(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const char *path = transaction->store->path;
    int64_t pages[2] = {0, 0};
    struct stat file;
    struct statvfs disk;
    int code = read_pages(transaction, pages, error);
    if (code != 0 || pages[0] <= transaction->pages)
        return code;
    if (stat(path, &file) != 0 || statvfs(path, &disk) != 0)
        return 0; /* removed or renamed meanwhile: SQLite still has it open */
    int64_t unwritten = pages[0] * pages[1] - file.st_size;
    int64_t wanted =
        (unwritten > 0 ? unwritten : 0) + (pages[0] - transaction->pages) * pages[1] + SPACE_KEPT;
    if ((double)disk.f_bavail * (double)disk.f_frsize >= (double)wanted)
        return 0;
    return sfs_fail(
        error, SFS_E_NO_SPACE, SFS_SQLITE_ORIGIN,
        "cannot write in %s: there is no space left on the disk (the last of it is kept "
        "for removing keys)",
        path);
}

int sfs_sqlite_begin(struct sfs_sqlite *store, bool durable,
                     struct sfs_sqlite_transaction *ret_transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = store->writer;
    if (!connection)
        return sfs_fail(error, SFS_E_READ_ONLY, SFS_SQLITE_ORIGIN, "%s was opened read-only",
                        store->path);
    /* FULL syncs the log at the commit, and with it all commits before: one file, in order. */
    if (!store->options.synchronous && connection->full != durable) {
        int code = sfs_sqlite_execute(
            connection, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
            error);
        if (code != 0)
            return code;
        connection->full = durable;
    }
    /* Prepared beforehand, so that rolling back needs no memory; where it failed all the same it is
     * made up for. */
    sqlite3_stmt *rollback;
    int code = sfs_sqlite_statement(connection, SFS_SQL_ROLLBACK, &rollback, error);
    if (code == 0 && !sqlite3_get_autocommit(connection->db))
        code = sfs_sqlite_run(connection, SFS_SQL_ROLLBACK, error, 0);
    if (code == 0)
        code = sfs_sqlite_run(connection, SFS_SQL_BEGIN, error, 0);
    if (code != 0)
        return code;
    struct sfs_sqlite_transaction transaction = {
        .store = store,
        .connection = connection,
        .now = sfs_clock_now(),
        .own_row = sfs_sqlite_pool_row(store),
        .budget = PRUNE_BY_THE_WAY,
    };
    int64_t pages[2] = {0, 0};
    code = read_pages(&transaction, pages, error);
    transaction.pages = pages[0];
    if (code == 0)
        code = read_state(&transaction, error);
    if (code == 0)
        code = read_leases(&transaction, error);
    if (code != 0) {
        sfs_sqlite_rollback(&transaction);
        return code;
    }
    *ret_transaction = transaction;
    return 0;
}

void sfs_sqlite_rollback(struct sfs_sqlite_transaction *transaction)
{
    /* Some failures have rolled back already. */
    if (!sqlite3_get_autocommit(transaction->connection->db))
        (void)sfs_sqlite_run(transaction->connection, SFS_SQL_ROLLBACK, NULL, 0);
}

/* --- what nobody needs any more --- */

/* Moves the marks up to which history is no longer promised. */
static void raise_marks(struct sfs_sqlite_transaction *transaction)
{
    struct sfs_sqlite_state *state = &transaction->state;
    int64_t kept = transaction->needed >= 0 ? transaction->needed : state->sequence;
    int64_t contents =
        transaction->needed_contents >= 0 ? transaction->needed_contents : state->sequence;
    if (kept > state->kept)
        state->kept = kept;
    if (contents > state->kept_contents)
        state->kept_contents = contents;
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
    int budget = transaction->budget;
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
        code = sfs_sqlite_run(connection, SFS_SQL_GARBAGE_ADD, error, 4, (int64_t)0, lapsed[i],
                              (int64_t)-1, (int64_t)0);
    return code;
}

static int prune_history(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t kept = transaction->state.kept;
    int code = sfs_sqlite_run(connection, SFS_SQL_HISTORY_PRUNE_SOME, error, 2, kept,
                              (int64_t)transaction->budget * ROWS_PER_BLOCK);
    if (code != 0)
        return code;
    if (sqlite3_changes(connection->db) == 0)
        return sfs_sqlite_run(connection, SFS_SQL_HISTORY_PRUNE_ALL, error, 1, kept);
    transaction->more_garbage = true;
    return 0;
}

int sfs_sqlite_prune_step(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int code = 0;
    if (transaction->lapsed)
        code = sfs_sqlite_run(connection, SFS_SQL_LEASE_DROP_LAPSED, error, 1, transaction->now);
    if (code == 0 && transaction->leases_changed)
        code = read_leases(transaction, error);
    raise_marks(transaction);
    const int64_t marks[] = {transaction->state.kept, transaction->state.kept_contents};
    int64_t prunable[2] = {0, 0};
    if (code == 0)
        code = sfs_sqlite_integers(connection, SFS_SQL_PRUNABLE, marks, 2, prunable, 2, error);
    if (code >= 0 && prunable[0] > 0)
        code = prune_history(transaction, error);
    if (code >= 0 && prunable[1] > 0)
        code = prune_garbage(transaction, error);
    return code < 0 ? code : 0;
}

int sfs_sqlite_commit(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int code = sfs_sqlite_prune_step(transaction, error);
    if (code == 0)
        code = write_state(transaction, error);
    if (code == 0)
        code = check_space(transaction, error);
    if (code == 0)
        code = sfs_sqlite_run(transaction->connection, SFS_SQL_COMMIT, error, 0);
    if (code != 0)
        sfs_sqlite_rollback(transaction);
    return code;
}

bool sfs_sqlite_make_room(struct sfs_sqlite *store)
{
    return sqlite3_wal_checkpoint_v2(store->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                     NULL) == SQLITE_OK;
}

static int transact(struct sfs_sqlite *store, sfs_sqlite_work *work, void *context,
                    struct sfs_error *error)
{
    struct sfs_sqlite_transaction transaction;
    int code = sfs_sqlite_begin(store, false, &transaction, error);
    if (code != 0)
        return code;
    code = work(&transaction, context, error);
    if (code == 0)
        return sfs_sqlite_commit(&transaction, error);
    sfs_sqlite_rollback(&transaction);
    return code;
}

int sfs_sqlite_transact_held(struct sfs_sqlite *store, sfs_sqlite_work *work, void *context,
                             struct sfs_error *error)
{
    int code = transact(store, work, context, error);
    if (code == SFS_E_NO_SPACE && sfs_sqlite_make_room(store))
        code = transact(store, work, context, error);
    return code;
}

int sfs_sqlite_transact(struct sfs_sqlite *store, sfs_sqlite_work *work, void *context,
                        struct sfs_error *error)
{
    sfs_sqlite_writer_enter(store);
    int code = sfs_sqlite_transact_held(store, work, context, error);
    sfs_sqlite_writer_leave(store);
    return code;
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
    return code;
}
