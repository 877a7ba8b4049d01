/* SPDX-License-Identifier: MIT */
/* How many entries are in a range: SQLite counts the present ones; of a snapshot those of names
 * that have changed are taken off, and what they were is added. */
#include "backends/sqlite/index.h"

/* So many entries are looked at one by one rather than one changed name. */
#define ENTRIES_PER_NAME 16

static int begin(const struct sfs_sqlite_index_look *look, enum sfs_sqlite_sql sql,
                 const struct sfs_index *index, struct sfs_range range,
                 sqlite3_stmt **ret_statement, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(look->connection, sql, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, (int64_t)index->id);
    sfs_sqlite_bind(statement, 2, range.from);
    sfs_sqlite_bind(statement, 4, sfs_sqlite_range_end(range));
    *ret_statement = statement;
    return 0;
}

/* The present entries; it may stop at `most`. */
static int count_present(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                         struct sfs_range range, uint64_t most, uint64_t *ret_count,
                         struct sfs_error *error)
{
    bool bounded = most < INT64_MAX;
    sqlite3_stmt *statement;
    int code = begin(look, bounded ? SFS_SQL_INDEX_COUNT_MOST : SFS_SQL_INDEX_COUNT, index, range,
                     &statement, error);
    if (code)
        return code;
    if (bounded)
        sqlite3_bind_int64(statement, 5, (int64_t)most);
    code = sfs_sqlite_step(look->connection, statement, error);
    if (code != 1)
        return code;
    *ret_count = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

/* Whether the entry is of a name that has not changed; what is gone without a trace in history is
 * not the snapshot's. */
static bool is_unchanged(const struct sfs_sqlite_index_look *look, sqlite3_stmt *row)
{
    return sqlite3_column_type(row, SFS_SQLITE_COLUMN_ID) != SQLITE_NULL &&
           !sfs_tree_find(&look->past.changed, sfs_sqlite_column(row, SFS_SQLITE_COLUMN_NAME));
}

/* Those of names that have not changed, one by one. */
static int count_unchanged(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                           struct sfs_range range, uint64_t most, uint64_t *ret_count,
                           struct sfs_error *error)
{
    uint64_t count = 0;
    sqlite3_stmt *statement;
    int found = 0;
    int code = begin(look, SFS_SQL_INDEX_RECORDS, index, range, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 8, 1);
    sqlite3_bind_int64(statement, 9, 0);
    while (count < most && (found = sfs_sqlite_step(look->connection, statement, error)) == 1)
        count += is_unchanged(look, statement);
    sqlite3_reset(statement);
    *ret_count = count;
    return found < 0 ? found : 0;
}

/* An index that was dropped does not say of the present what it is. */
static int count_rest(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                      struct sfs_range range, uint64_t most, bool ended, uint64_t *ret_count,
                      struct sfs_error *error)
{
    uint64_t changed = look->past.changed.count, present = 0, hidden = 0;
    if (ended)
        return count_unchanged(look, index, range, most, ret_count, error);
    int code = count_present(look, index, range,
                             most > UINT64_MAX - changed ? most : most + changed, &present, error);
    if (code == 0 && changed > 0 && present / ENTRIES_PER_NAME < changed)
        return count_unchanged(look, index, range, most, ret_count, error);
    if (code == 0 && changed > 0)
        code = sfs_sqlite_past_present(look, index, range, &hidden, error);
    *ret_count = present - hidden;
    return code;
}

static int count_look(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                      struct sfs_range range, uint64_t most, bool snapshot, uint64_t *ret_count,
                      struct sfs_error *error)
{
    uint64_t count = 0;
    bool ended = false;
    int code = sfs_sqlite_index_ended(look, index, snapshot, &ended, error);
    if (code == 0)
        code = count_rest(look, index, range, most, ended, &count, error);
    if (code)
        return code;
    *ret_count = count + sfs_tree_count(&look->past.entries, range.from, range.to, SIZE_MAX);
    return 0;
}

int sfs_sqlite_index_count(struct sfs_sqlite_view view, struct sfs_sqlite_pasts *pasts,
                           const struct sfs_index *index, struct sfs_range range, uint64_t most,
                           uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_sqlite_index_look look;
    int code = sfs_sqlite_index_look(view, pasts, index, &look, error);
    if (code)
        return code;
    code = count_look(&look, index, range, most, view.hold != NULL, ret_count, error);
    sfs_sqlite_index_look_end(&look);
    return code;
}
