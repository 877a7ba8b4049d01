/* SPDX-License-Identifier: MIT */
/* What SQLite does at once for many names: moving and clearing ranges, and looking at what changed.
 */
#include "backends/sqlite/internal.h"

struct bulk {
    struct sfs_sqlite_run *run;
    struct sfs_sqlite_connection *connection;
    struct sfs_bytes from;
    struct sfs_bytes end;
    struct sfs_bytes to;
    int64_t sequence;
};

static struct bulk bulk_of(struct sfs_apply_run *base, struct sfs_range range)
{
    struct sfs_sqlite_run *run = (struct sfs_sqlite_run *)base;
    return (struct bulk){.run = run,
                         .connection = run->transaction->connection,
                         .from = range.from,
                         .end = sfs_sqlite_range_end(range),
                         .sequence = (int64_t)base->sequence};
}

static int begin(const struct bulk *bulk, enum sfs_sqlite_sql sql, sqlite3_stmt **ret_statement,
                 struct sfs_error *error)
{
    int code = sfs_sqlite_statement(bulk->connection, sql, ret_statement, error);
    if (code == 0) {
        sfs_sqlite_bind(*ret_statement, 1, bulk->from);
        sfs_sqlite_bind(*ret_statement, 2, bulk->end);
    }
    return code;
}

/* A statement over the range with one more number, or two, or these and the newest snapshot. */
static int run_range(const struct bulk *bulk, enum sfs_sqlite_sql sql, int64_t third,
                     int64_t fourth, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = begin(bulk, sql, &statement, error);
    if (code != 0)
        return code;
    if (sqlite3_bind_parameter_count(statement) > 2)
        sqlite3_bind_int64(statement, 3, third);
    if (sqlite3_bind_parameter_count(statement) > 3)
        sqlite3_bind_int64(statement, 4, fourth);
    if (sqlite3_bind_parameter_count(statement) > 4)
        sqlite3_bind_int64(statement, 5, bulk->run->transaction->newest);
    return sfs_sqlite_step(bulk->connection, statement, error);
}

struct range_totals {
    int64_t records;
    int64_t keys;
    int64_t bytes;
    int64_t contents; /* that lie outside of the rows … */
    int64_t chunked;  /* … in parts */
};

static int count_range(const struct bulk *bulk, struct range_totals *ret_totals,
                       struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = begin(bulk, SFS_SQL_RANGE_TOTALS, &statement, error);
    if (code == 0)
        code = sfs_sqlite_step(bulk->connection, statement, error);
    if (code != 1)
        return code;
    *ret_totals = (struct range_totals){
        sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
        sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3),
        sqlite3_column_int64(statement, 4)};
    sqlite3_reset(statement);
    return 0;
}

/* Pre-images of the range, where a lease needs them; all its names are given up. */
static int keep_range(const struct bulk *bulk, struct sfs_error *error)
{
    struct sfs_sqlite_transaction *transaction = bulk->run->transaction;
    if (transaction->logged < 0)
        return 0;
    int code =
        run_range(bulk, SFS_SQL_HISTORY_ADD_RANGE, bulk->sequence, transaction->logged, error);
    if (code != 0)
        return code;
    transaction->rows += sqlite3_changes(bulk->connection->db);
    return run_range(bulk, SFS_SQL_HISTORY_DROP_ABSENT_RANGE, transaction->logged, 0, error);
}

/* --- clear --- */

static int drop_contents(const struct bulk *bulk, const struct range_totals *totals,
                         struct sfs_error *error)
{
    int64_t newest = bulk->run->transaction->newest;
    int code = 0;
    if (totals->contents == 0)
        return 0;
    if (newest >= 0 || totals->chunked > 0)
        code = run_range(bulk, SFS_SQL_RANGE_GARBAGE, bulk->sequence, newest, error);
    if (code == 0)
        code = run_range(bulk, SFS_SQL_RANGE_BLOCKS_REMOVE, newest, 0, error);
    return code;
}

int sfs_sqlite_clear(struct sfs_apply_run *base, struct sfs_range range, uint64_t *ret_count,
                     struct sfs_error *error)
{
    sfs_sqlite_recall_drop((struct sfs_sqlite_run *)base);
    struct bulk bulk = bulk_of(base, range);
    struct sfs_sqlite_state *state = &bulk.run->transaction->state;
    struct range_totals totals = {0};
    int code = count_range(&bulk, &totals, error);
    if (code == 0 && totals.records > 0)
        code = keep_range(&bulk, error);
    if (code == 0 && totals.records > 0)
        code = drop_contents(&bulk, &totals, error);
    if (code == 0 && totals.records > 0)
        code = run_range(&bulk, SFS_SQL_RANGE_REMOVE, 0, 0, error);
    if (code != 0)
        return code;
    state->records -= totals.records;
    state->keys -= totals.keys;
    state->bytes -= totals.bytes;
    bulk.run->changed |= totals.records > 0;
    bulk.run->vacated |= totals.records > 0;
    *ret_count = (uint64_t)totals.records;
    return 0;
}

/* --- moving a prefix --- */

/* ?3 is the new prefix, ?4 where the rest of a name begins (from 1), ?5 the sequence number. */
static int run_move(const struct bulk *bulk, enum sfs_sqlite_sql sql, int64_t sixth,
                    struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = begin(bulk, sql, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 3, bulk->to);
    sqlite3_bind_int64(statement, 4, (int64_t)bulk->from.size + 1);
    sqlite3_bind_int64(statement, 5, bulk->sequence);
    sqlite3_bind_int64(statement, 6, sixth);
    return sfs_sqlite_step(bulk->connection, statement, error);
}

static int move_range(struct bulk *bulk, int64_t time, uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_sqlite_transaction *transaction = bulk->run->transaction;
    int code = keep_range(bulk, error);
    if (code == 0 && transaction->logged >= 0) {
        code = run_move(bulk, SFS_SQL_HISTORY_ADD_TARGETS, transaction->logged, error);
        if (code == 0)
            transaction->rows += sqlite3_changes(bulk->connection->db);
    }
    if (code == 0)
        code = run_move(bulk, SFS_SQL_RANGE_MOVE, time, error);
    if (code != 0)
        return code;
    int moved = sqlite3_changes(bulk->connection->db);
    bulk->run->changed |= moved > 0;
    bulk->run->vacated |= moved > 0;
    *ret_count = (uint64_t)moved;
    return 0;
}

int sfs_sqlite_move_prefix(struct sfs_apply_run *base, struct sfs_bytes from, struct sfs_bytes to,
                           int64_t time, uint64_t *ret_count, struct sfs_error *error)
{
    sfs_sqlite_recall_drop((struct sfs_sqlite_run *)base);
    struct sfs_buffer end = {0};
    struct sfs_range range;
    if (sfs_range_prefix(from, &end, &range) != 0) {
        sfs_buffer_free(&end);
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    }
    struct bulk bulk = bulk_of(base, range);
    bulk.to = to;
    int code = move_range(&bulk, time, ret_count, error);
    sfs_buffer_free(&end);
    return code;
}

int sfs_sqlite_longest(struct sfs_apply_run *base, struct sfs_range range,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct bulk bulk = bulk_of(base, range);
    sqlite3_stmt *statement;
    struct sfs_sqlite_row row;
    int code = begin(&bulk, SFS_SQL_RANGE_LONGEST, &statement, error);
    if (code != 0)
        return code;
    int found = sfs_sqlite_step(bulk.connection, statement, error);
    if (found == 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_SQLITE_ORIGIN, "the range is empty");
    if (found < 0)
        return found;
    code =
        sfs_sqlite_row(bulk.connection, statement, SFS_WANT_RECORD, SFS_SQLITE_LATEST, &row, error);
    sqlite3_reset(statement);
    if (code == 0)
        *ret_record = row.record;
    return code;
}

/* --- what changed --- */

typedef int visit_function(void *context, struct sfs_bytes name, const struct sfs_record *before,
                           const struct sfs_record *after, uint64_t revision,
                           struct sfs_error *error);

static int visit_row(const struct bulk *bulk, sqlite3_stmt *statement, unsigned want,
                     uint64_t version, visit_function *visit, void *context,
                     struct sfs_error *error)
{
    struct sfs_sqlite_row before = {0};
    const struct sfs_record *after = NULL;
    struct sfs_bytes name = sfs_sqlite_column(statement, 1);
    int code = 0;
    if (sqlite3_column_int(statement, SFS_SQLITE_COLUMN_EXISTED))
        code = sfs_sqlite_row(bulk->connection, statement, want, (int64_t)version, &before, error);
    if (code == 0)
        code = sfs_sqlite_apply_operations.lookup(&bulk->run->run, name, want, &after, error);
    if (code == SFS_E_NOT_FOUND)
        code = 0;
    if (code == 0 && (before.record || after))
        code = visit(context, name, before.record, after, after ? after->revision : 0, error);
    sfs_record_unref(before.record);
    sfs_record_unref(after);
    return code;
}

/*
 * Known is what a snapshot's lease keeps, and what came after the last change that was not logged;
 * the values too only in the first case.
 */
static int check_known(const struct bulk *bulk, int64_t sequence, bool values,
                       struct sfs_error *error)
{
    const struct sfs_sqlite_transaction *transaction = bulk->run->transaction;
    if (sequence >= transaction->state.sequence ||
        sfs_sqlite_is_kept(transaction, sequence, true) ||
        (!values && sfs_sqlite_is_kept(transaction, sequence, false)))
        return 0;
    return sfs_fail(error, SFS_E_TOO_OLD, SFS_SQLITE_ORIGIN,
                    "what changed in %s after %lld is not kept; it is known after %lld",
                    transaction->store->path, (long long)sequence,
                    (long long)transaction->state.whole);
}

/* Goes on behind the name in the statement's row: history may have many rows of it. */
static int seek_behind(sqlite3_stmt *statement, struct sfs_buffer *position,
                       struct sfs_error *error)
{
    position->size = 0;
    if (sfs_buffer_add(position, sfs_sqlite_column(statement, 1)) != 0 ||
        sfs_buffer_byte(position, '\0') != 0)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    sqlite3_reset(statement);
    sfs_sqlite_bind(statement, 1, sfs_buffer_bytes(position));
    return 0;
}

/*
 * Compares the state at `sequence` with the present one; a name that was made and deleted since is
 * the same in both. A range without bounds is asked for by filters, which judge values: these must
 * be kept too. In a range with bounds any change is a conflict, and no value is read.
 */
int sfs_sqlite_changed(struct sfs_apply_run *base, struct sfs_range range, uint64_t sequence,
                       visit_function *visit, void *context, struct sfs_error *error)
{
    struct bulk bulk = bulk_of(base, range);
    bool all = range.from.size == 0 && range.to.size == 0;
    sqlite3_stmt *statement;
    struct sfs_buffer position = {0};
    int code = check_known(&bulk, (int64_t)sequence, all, error);
    if (code == 0)
        code = sfs_sqlite_statement(bulk.connection,
                                    all ? SFS_SQL_HISTORY_CHANGED_ALL : SFS_SQL_HISTORY_CHANGED,
                                    &statement, error);
    if (code != 0)
        return code;
    if (!all) {
        sfs_sqlite_bind(statement, 1, bulk.from);
        sfs_sqlite_bind(statement, 2, bulk.end);
    }
    sqlite3_bind_int64(statement, 3, (int64_t)sequence);
    if (all)
        sqlite3_bind_int64(statement, 9, true);
    while ((code = sfs_sqlite_step(bulk.connection, statement, error)) == 1) {
        code = visit_row(&bulk, statement, all ? SFS_WANT_VALUE : SFS_WANT_RECORD, sequence, visit,
                         context, error);
        if (code == 0 && !all)
            code = seek_behind(statement, &position, error);
        if (code != 0)
            break;
    }
    sqlite3_reset(statement);
    sfs_buffer_free(&position);
    return code;
}
