/* SPDX-License-Identifier: MIT */
/*
 * Looking up and reading. Each call borrows a connection. Several statements of one call see
 * one state because the first stays active until the end; between calls nothing does.
 */
#include "backends/sqlite/sharing.h"

#include <string.h>

#define NEAR_BYTES 65536 /* what is read through the write connection, which others may wait for   \
                          */

struct lookup {
    struct sfs_sqlite_connection *connection;
    sqlite3_stmt *anchor;
    sqlite3_stmt *statement;
    int64_t version;
    uint64_t number; /* of the snapshot, 0: none */
    bool present;    /* there is nothing behind the snapshot */
    bool near;       /* on the write connection, for a moment only */
};

/* The next read of this snapshot by this thread may well come soon. */
static bool keep_anchor(const struct lookup *lookup)
{
    struct sfs_sqlite *store = lookup->connection->store;
    if (!lookup->near || !sfs_sqlite_keeper_ends_near(store))
        return false;
    store->near_anchor = lookup->anchor;
    store->near_number = lookup->number;
    store->near_present = lookup->present;
    return true;
}

static void lookup_end(struct lookup *lookup)
{
    if (lookup->statement)
        sqlite3_reset(lookup->statement);
    if (lookup->anchor && !keep_anchor(lookup))
        sqlite3_reset(lookup->anchor);
    if (lookup->connection)
        sfs_sqlite_reader_give(lookup->connection);
}

static int absent(struct sfs_bytes name, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_NOT_FOUND, SFS_SQLITE_ORIGIN, "there is no '%s'",
                    error ? sfs_name_show(name, shown, sizeof(shown)) : "");
}

static int find(struct lookup *lookup, enum sfs_sqlite_sql sql, struct sfs_bytes name,
                unsigned want, struct sfs_error *error)
{
    int code = sfs_sqlite_statement(lookup->connection, sql, &lookup->statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(lookup->statement, 1, name);
    sqlite3_bind_int64(lookup->statement, 9, (want & SFS_WANT_VALUE) != 0);
    if (sql == SFS_SQL_HISTORY_GET)
        sqlite3_bind_int64(lookup->statement, 2, lookup->version);
    return sfs_sqlite_step(lookup->connection, lookup->statement, error);
}

/* The row of a name: from history where it has changed since, else the present one. 1: its value is
 * one that takes long to read, which is not for the write connection. */
static int lookup_row(struct lookup *lookup, struct sfs_bytes name, unsigned want,
                      struct sfs_sqlite_row *ret_row, struct sfs_error *error)
{
    int found = 0;
    if (!lookup->present) {
        found = find(lookup, SFS_SQL_HISTORY_GET, name, want, error);
        if (found == 1 && !sqlite3_column_int(lookup->statement, SFS_SQLITE_COLUMN_EXISTED))
            return absent(name, error);
    }
    if (found == 0)
        found = find(lookup, SFS_SQL_GET, name, want, error);
    if (found < 0)
        return found;
    if (found == 0)
        return absent(name, error);
    if (lookup->near && (want & SFS_WANT_VALUE) &&
        sqlite3_column_int64(lookup->statement, SFS_SQLITE_COLUMN_SIZE) > NEAR_BYTES)
        return 1;
    return sfs_sqlite_row(lookup->connection, lookup->statement, want, lookup->version, ret_row,
                          error);
}

static int lookup_begin(struct lookup *lookup, struct sfs_sqlite_view view, bool near,
                        struct sfs_error *error)
{
    *lookup = (struct lookup){.version = SFS_SQLITE_LATEST, .present = true};
    int code = 0;
    if (view.hold) {
        lookup->version = view.hold->sequence;
        lookup->number = view.hold->number;
        code = sfs_sqlite_hold_use(view.hold, error);
    }
    if (code == 0 && near)
        code = sfs_sqlite_near_take(view.store, lookup->number, &lookup->connection, error);
    else if (code == 0)
        code = sfs_sqlite_reader_take(view.store, &lookup->connection, error);
    if (code != 0)
        return code;
    lookup->near = lookup->connection == view.store->writer;
    if (lookup->near && view.store->near_anchor) {
        lookup->anchor = view.store->near_anchor;
        lookup->present = view.store->near_present;
        return 0;
    }
    return view.hold ? sfs_sqlite_hold_anchor(view.hold, lookup->connection, &lookup->anchor,
                                              &lookup->present, error)
                     : 0;
}

static int get(struct sfs_sqlite_view view, struct sfs_bytes name, unsigned want,
               const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_sqlite_row row;
    int code = 1;
    for (int near = 1; code == 1; near--) {
        struct lookup lookup;
        code = lookup_begin(&lookup, view, near == 1, error);
        if (code == 0)
            code = lookup_row(&lookup, name, want, &row, error);
        lookup_end(&lookup);
    }
    if (code == 0)
        *ret_record = row.record;
    return code;
}

int sfs_sqlite_view_get(struct sfs_sqlite_view view, struct sfs_bytes name, unsigned want,
                        const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_sqlite_stamp stamp;
    if (view.hold)
        return get(view, name, want, ret_record, error);
    int known = sfs_sqlite_memo_get(view.store, name, want, &stamp, ret_record);
    if (known != 0)
        return known == 1 ? 0 : absent(name, error);
    int code = get(view, name, want, ret_record, error);
    if (code == 0)
        sfs_sqlite_memo_put(view.store, &stamp, name, *ret_record);
    else if (code == SFS_E_NOT_FOUND)
        sfs_sqlite_memo_put(view.store, &stamp, name, NULL);
    return code;
}

static int moved_on(const struct sfs_record *record, uint64_t revision, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_CONFLICT, SFS_SQLITE_ORIGIN,
                    "'%s' has changed: its revision is %llu, not %llu",
                    sfs_name_show(record->name, shown, sizeof(shown)),
                    (unsigned long long)record->revision, (unsigned long long)revision);
}

static int read_part(struct lookup *lookup, const struct sfs_sqlite_row *row, uint64_t revision,
                     uint64_t offset, void *data, size_t size, size_t *ret_size,
                     struct sfs_error *error)
{
    if (revision != 0 && revision != row->record->revision)
        return moved_on(row->record, revision, error);
    uint64_t left = offset < row->record->size ? row->record->size - offset : 0;
    size_t count = left < size ? (size_t)left : size;
    int code = sfs_sqlite_value_read(lookup->connection, row, lookup->version, (int64_t)offset,
                                     data, count, error);
    if (code == 0)
        *ret_size = count;
    return code;
}

int sfs_sqlite_view_read(struct sfs_sqlite_view view, struct sfs_bytes name, uint64_t revision,
                         uint64_t offset, void *data, size_t size, size_t *ret_size,
                         struct sfs_error *error)
{
    struct lookup lookup;
    struct sfs_sqlite_row row;
    int code = lookup_begin(&lookup, view, size <= NEAR_BYTES, error);
    if (code == 0)
        code = lookup_row(&lookup, name, SFS_WANT_RECORD, &row, error);
    if (code == 0) {
        code = read_part(&lookup, &row, revision, offset, data, size, ret_size, error);
        sfs_record_unref(row.record);
    }
    lookup_end(&lookup);
    return code;
}

static int data_of(struct lookup *lookup, const struct sfs_sqlite_row *row, uint64_t offset,
                   struct sfs_extent *ret_extent, struct sfs_error *error)
{
    uint64_t size = row->record->size;
    if (offset >= size)
        return 0;
    if (row->chunked)
        return sfs_sqlite_chunks_data(lookup->connection, row->content, lookup->version, size, offset,
                                      ret_extent, error);
    *ret_extent = (struct sfs_extent){offset, size - offset};
    return 1;
}

int sfs_sqlite_view_data(struct sfs_sqlite_view view, struct sfs_bytes name, uint64_t offset,
                         struct sfs_extent *ret_extent, struct sfs_error *error)
{
    struct lookup lookup;
    struct sfs_sqlite_row row;
    int code = lookup_begin(&lookup, view, true, error);
    if (code == 0)
        code = lookup_row(&lookup, name, SFS_WANT_RECORD, &row, error);
    if (code == 0) {
        code = data_of(&lookup, &row, offset, ret_extent, error);
        sfs_record_unref(row.record);
    }
    lookup_end(&lookup);
    return code;
}

static int read_counters(struct sfs_storage *base, enum sfs_sqlite_sql sql, int64_t *ret, int count,
                         struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    struct sfs_sqlite_connection *connection;
    int code = sfs_sqlite_near_take(store, 0, &connection, error);
    if (code != 0)
        return code;
    code = sfs_sqlite_integers(connection, sql, NULL, 0, ret, count, error);
    sfs_sqlite_reader_give(connection);
    if (code == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: it has no counters", store->path);
    return code < 0 ? code : 0;
}

int sfs_sqlite_sequence(struct sfs_storage *base, uint64_t *ret_sequence, struct sfs_error *error)
{
    int64_t sequence;
    int code = read_counters(base, SFS_SQL_SEQUENCE, &sequence, 1, error);
    if (code == 0)
        *ret_sequence = (uint64_t)sequence;
    return code;
}

int sfs_sqlite_totals(struct sfs_storage *base, struct sfs_totals *ret_totals,
                      struct sfs_error *error)
{
    int64_t totals[3];
    int code = read_counters(base, SFS_SQL_TOTALS, totals, 3, error);
    if (code == 0)
        *ret_totals = (struct sfs_totals){.keys = (uint64_t)totals[0],
                                          .records = (uint64_t)totals[1],
                                          .bytes = (uint64_t)totals[2]};
    return code;
}
