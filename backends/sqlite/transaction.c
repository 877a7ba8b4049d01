/* SPDX-License-Identifier: MIT */
/*
 * Write transactions on the store's one write connection: the counters are read at the beginning
 * (another process may have moved them) and written back at the end; on the way each removes some
 * of what no lease needs any more (prune.c).
 */
#include "backends/sqlite/index.h"
#include "backends/sqlite/sharing.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "util/clock.h"

/* What a store that grows leaves free on the disk. */
#define SPACE_KEPT ((int64_t)1024 * 1024)
/* With so much more free, no disk is full that much later. */
#define PLENTY ((int64_t)256 * 1024 * 1024)
#define PLENTY_LASTS (50 * SFS_NS_PER_MS)

static int read_state(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int64_t row[SFS_SQLITE_STATE_COLUMNS];
    int code = sfs_sqlite_integers(transaction->connection, SFS_SQL_STATE_READ, NULL, 0, row,
                                   SFS_SQLITE_STATE_COLUMNS, error);
    if (code == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: it has no counters", transaction->store->path);
    for (size_t i = 0; code > 0 && i < SFS_SQLITE_STATE_COLUMNS; i++) {
        if (row[i] > (int64_t)SFS_COUNTER_MAX || row[i] < -(int64_t)SFS_COUNTER_MAX)
            code = sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                            "%s is damaged: one of its counters is out of range",
                            transaction->store->path);
    }
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
        .whole = row[8],
        .indexes = row[9],
    };
    return 0;
}

static int write_state(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const struct sfs_sqlite_state *state = &transaction->state;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_STATE_WRITE, error, 9, state->sequence,
                          state->last_id, state->last_content, state->last_lease, state->keys,
                          state->records, state->bytes, state->kept, state->whole);
}

struct pages {
    int64_t all;
    int64_t used;
};

/* `all` of them where that is known, 0: it is not. */
static int read_pages(struct sfs_sqlite_transaction *transaction, int64_t all,
                      struct pages *ret_pages, struct sfs_error *error)
{
    int64_t free = 0;
    int found = 0;
    struct sfs_sqlite_connection *connection = transaction->connection;
    if (all == 0)
        found = sfs_sqlite_integers(connection, SFS_SQL_PAGES, NULL, 0, &all, 1, error);
    if (found >= 0)
        found = sfs_sqlite_integers(connection, SFS_SQL_PAGES_FREE, NULL, 0, &free, 1, error);
    sfs_sqlite_statement_end(connection, SFS_SQL_PAGES);
    *ret_pages = (struct pages){all, all - free};
    return found < 0 ? found : 0;
}

/*
 * What has grown in the log must find room in the file, or the log can never be begun anew, and
 * then not even a removal has a place to be written to. So a commit that takes more pages than it
 * gives back is refused while that room, and some for the next commits, is still free. Free pages
 * of the file count as well: what is written to them is written to the log first. (The file itself
 * has no holes, see connection.c: its size is the room that it has.) Where there is plenty of it,
 * nobody looks again for a moment. (SQLite would compile PRAGMA page_count and page_size again at
 * their next use, which guard.c denies: that is done here.)
 */
static int check_space(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    const char *path = transaction->store->path;
    int64_t now = sfs_clock_monotonic();
    struct pages pages;
    struct stat file;
    struct statvfs disk;
    int64_t size = 0;
    if (now < transaction->store->plenty_until)
        return 0;
    int code = read_pages(transaction, 0, &pages, error);
    if (code == 0)
        code = sfs_sqlite_integers(transaction->connection, SFS_SQL_PAGE_SIZE, NULL, 0, &size, 1,
                                   error);
    sfs_sqlite_statement_end(transaction->connection, SFS_SQL_PAGE_SIZE);
    if (code < 0)
        return code;
    if (stat(path, &file) != 0 || statvfs(path, &disk) != 0)
        return 0; /* removed or renamed meanwhile: SQLite still has it open */
    /* A file system that does not know its room says 0 blocks; a write fails when it is full. */
    if (disk.f_blocks == 0)
        return 0;
    int64_t unwritten = pages.all * size - file.st_size;
    int64_t wanted =
        (unwritten > 0 ? unwritten : 0) + (pages.used - transaction->used) * size + SPACE_KEPT;
    double left = (double)disk.f_bavail * (double)disk.f_frsize - (double)wanted;
    if (left >= (double)PLENTY)
        transaction->store->plenty_until = now + PLENTY_LASTS;
    if (pages.used <= transaction->used || left >= 0)
        return 0;
    return sfs_fail(
        error, SFS_E_NO_SPACE, SFS_SQLITE_ORIGIN,
        "cannot write in %s: there is no space left on the disk (the last of it is kept "
        "for removing keys)",
        path);
}

static int begin_in_turn(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    sfs_sqlite_turn_begin(connection);
    int code = sfs_sqlite_run(connection, SFS_SQL_BEGIN, error, 0);
    sfs_sqlite_turn_end(connection);
    return code;
}

int sfs_sqlite_begin(struct sfs_sqlite *store, bool durable,
                     struct sfs_sqlite_transaction *ret_transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = store->writer;
    if (!connection)
        return sfs_fail(error, SFS_E_READ_ONLY, SFS_SQLITE_ORIGIN, "%s was opened read-only",
                        store->path);
    sfs_sqlite_log_limit(connection);
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
        code = begin_in_turn(connection, error);
    if (code != 0)
        return code;
    struct sfs_sqlite_transaction transaction = {
        .store = store,
        .connection = connection,
        .now = sfs_sqlite_clock(store),
        .own_row = sfs_sqlite_pool_row(store),
        .budget = SFS_SQLITE_PRUNE_BY_THE_WAY,
    };
    struct pages pages;
    code = read_pages(&transaction, sfs_sqlite_memo_pages(store), &pages, error);
    transaction.used = pages.used;
    if (code == 0)
        code = read_state(&transaction, error);
    transaction.present = transaction.state.sequence;
    if (code == 0)
        sfs_sqlite_others_before(store, transaction.present);
    if (code == 0)
        code = sfs_sqlite_leases_read(&transaction, error);
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

int sfs_sqlite_commit(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    int code = sfs_sqlite_prune_step(transaction, error);
    if (code == 0)
        code = write_state(transaction, error);
    if (code == 0)
        code = check_space(transaction, error);
    if (code == 0) {
        sfs_sqlite_others_own(transaction->store, transaction->state.sequence, false);
        code = sfs_sqlite_run(transaction->connection, SFS_SQL_COMMIT, error, 0);
    }
    if (code != 0) {
        sfs_sqlite_others_own(transaction->store, 0, false);
        sfs_sqlite_rollback(transaction);
        return code;
    }
    sfs_sqlite_others_own(transaction->store, transaction->state.sequence, true);
    return 0;
}

bool sfs_sqlite_make_room(struct sfs_sqlite *store)
{
    return sfs_sqlite_checkpoint(store, store->writer->db, SQLITE_CHECKPOINT_TRUNCATE, NULL) ==
           SQLITE_OK;
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
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    int code = sfs_sqlite_transact_held(store, work, context, error);
    sfs_sqlite_writer_leave(store);
    return code;
}
