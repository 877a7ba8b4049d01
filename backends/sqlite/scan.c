/* SPDX-License-Identifier: MIT */
/*
 * Cursors: records in the order of names, fetched some at a time in short read transactions, each
 * of which seeks anew. What was read ahead is dropped when this process commits, so that a record
 * is shown as it is when it is reached.
 */
#include "backends/sqlite/sharing.h"

#include <stdlib.h>
#include <string.h>

#define FETCH_FIRST 32
#define FETCH_MOST 256
#define FETCH_LEAST 4
#define FETCH_BYTES ((uint64_t)1024 * 1024) /* of values */
#define MERGE_ROWS 4096                     /* looked at in one fetch, whether they show or not */
#define ROWS_PASSED 8                       /* of one name, then it is quicker to seek */

struct scan {
    struct sfs_cursor cursor;
    struct sfs_sqlite_view view;
    unsigned want;
    struct sfs_buffer from; /* the range; an empty `to` has no end */
    struct sfs_buffer to;
    struct sfs_buffer position;        /* the next fetch begins here */
    const struct sfs_record **records; /* room for a fetch; a look-up needs little */
    size_t room;
    size_t count;
    size_t at; /* the next to show; the one before is still the caller's */
    size_t fetch;
    uint64_t bytes;                /* of the values fetched */
    uint64_t commits;              /* of the store when it was fetched … */
    struct sfs_sqlite_stamp stamp; /* … and of the log */
    bool exhausted;                /* nothing is behind what was fetched */
    bool sought; /* a seek within what was fetched, to `target`, and no step since */
    struct sfs_buffer target;
};

static void drop_records(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++)
        sfs_record_unref(scan->records[i]);
    scan->count = 0;
    scan->at = 0;
}

static int set_bytes(struct sfs_buffer *buffer, struct sfs_bytes bytes, struct sfs_error *error)
{
    buffer->size = 0;
    return sfs_buffer_add(buffer, bytes) == 0 ? 0 : sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
}

/* The smallest name behind `name` is the name with a NUL added. */
static int set_behind(struct scan *scan, struct sfs_bytes name, struct sfs_error *error)
{
    int code = set_bytes(&scan->position, name, error);
    if (code == 0 && sfs_buffer_byte(&scan->position, '\0') != 0)
        code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    return code;
}

/* The statement, from the position on. */
static int prepare(struct scan *scan, struct sfs_sqlite_connection *connection,
                   enum sfs_sqlite_sql sql, sqlite3_stmt **ret_statement, struct sfs_error *error)
{
    struct sfs_range range = {sfs_buffer_bytes(&scan->position), sfs_buffer_bytes(&scan->to)};
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, sql, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 1, range.from);
    sfs_sqlite_bind(statement, 2, sfs_sqlite_range_end(range));
    sqlite3_bind_int64(statement, 9, (scan->want & SFS_WANT_VALUE) != 0);
    if (sql == SFS_SQL_HISTORY_SCAN) {
        sqlite3_bind_int64(statement, 5, scan->view.hold->sequence);
    } else {
        bool keys = (scan->want & SFS_WANT_KEYS) != 0;
        sqlite3_bind_int64(statement, 3, keys);
        sqlite3_bind_int64(statement, 4, scan->view.hold ? -1 : (int64_t)scan->fetch);
    }
    *ret_statement = statement;
    return 0;
}

/* Adds the present row; *more: there is room for another. */
static int add_row(struct scan *scan, struct sfs_sqlite_connection *connection,
                   sqlite3_stmt *statement, bool *more, struct sfs_error *error)
{
    int64_t version = scan->view.hold ? scan->view.hold->sequence : SFS_SQLITE_LATEST;
    struct sfs_sqlite_row row;
    int code = sfs_sqlite_row(connection, statement, scan->want, version, &row, error);
    if (code != 0)
        return code;
    scan->records[scan->count++] = row.record;
    scan->bytes += row.record->size;
    *more =
        scan->count < scan->fetch && (!(scan->want & SFS_WANT_VALUE) || scan->bytes < FETCH_BYTES);
    return 0;
}

/* Rows of the present state; then the position is behind the last. */
static int read_present(struct scan *scan, struct sfs_sqlite_connection *connection,
                        struct sfs_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool more = true;
    int code = prepare(scan, connection, SFS_SQL_SCAN, &statement, error);
    while (code == 0 && more) {
        int found = sfs_sqlite_step(connection, statement, error);
        if (found <= 0) {
            scan->exhausted = found == 0;
            code = found;
            break;
        }
        code = add_row(scan, connection, statement, &more, error);
    }
    if (code == 0 && scan->count > 0)
        code = set_behind(scan, scan->records[scan->count - 1]->name, error);
    sqlite3_reset(statement);
    return code;
}

/* --- of a snapshot: present rows and history side by side --- */

/* One of the two streams of rows, both in the order of names. */
struct stream {
    enum sfs_sqlite_sql sql;
    sqlite3_stmt *statement;
    bool there; /* it stands on a row */
    struct sfs_bytes name;
};

static int advance(struct stream *stream, struct sfs_sqlite_connection *connection,
                   struct sfs_error *error)
{
    int found = sfs_sqlite_step(connection, stream->statement, error);
    stream->there = found == 1;
    if (found == 1)
        stream->name = sfs_sqlite_column(stream->statement, 1);
    return found < 0 ? found : 0;
}

/* Whether the row of history is a record that this cursor shows. */
static bool shows(const struct scan *scan, sqlite3_stmt *row)
{
    const int kind = 6;
    return sqlite3_column_int(row, SFS_SQLITE_COLUMN_EXISTED) &&
           (!(scan->want & SFS_WANT_KEYS) || sqlite3_column_int(row, kind) == SFS_KIND_VALUE);
}

/* Leaves the name that the position is behind of, and all its rows, of which history may have many:
 * one for each write. */
static int leave_name(struct scan *scan, struct sfs_sqlite_connection *connection,
                      struct stream *stream, int *rows, struct sfs_error *error)
{
    struct sfs_bytes name = sfs_bytes(scan->position.data, scan->position.size - 1);
    int code = 0;
    for (int i = 0; code == 0 && stream->there && sfs_bytes_equal(stream->name, name); i++) {
        if (i == ROWS_PASSED) {
            sqlite3_reset(stream->statement);
            code = prepare(scan, connection, stream->sql, &stream->statement, error);
        }
        if (code == 0)
            code = advance(stream, connection, error);
        ++*rows;
    }
    return code;
}

/* The first row of history behind the snapshot decides; a name without one is as it was. */
static int merge(struct scan *scan, struct sfs_sqlite_connection *connection,
                 struct stream streams[2], struct sfs_error *error)
{
    struct stream *present = &streams[0], *history = &streams[1];
    bool more = true;
    int code = 0;
    for (int rows = 0; code == 0 && more && rows < MERGE_ROWS;) {
        if (!present->there && !history->there) {
            scan->exhausted = true;
            break;
        }
        bool old = history->there &&
                   (!present->there || sfs_bytes_compare(history->name, present->name) <= 0);
        struct stream *first = old ? history : present;
        code = set_behind(scan, first->name, error);
        if (code == 0 && (!old || shows(scan, history->statement)))
            code = add_row(scan, connection, first->statement, &more, error);
        for (int i = 0; code == 0 && i < 2; i++)
            code = leave_name(scan, connection, &streams[i], &rows, error);
    }
    return code;
}

static int read_merged(struct scan *scan, struct sfs_sqlite_connection *connection,
                       struct sfs_error *error)
{
    struct stream streams[2] = {{.sql = SFS_SQL_SCAN}, {.sql = SFS_SQL_HISTORY_SCAN}};
    sqlite3_stmt *anchor = NULL;
    bool present = false;
    int code = sfs_sqlite_hold_anchor(scan->view.hold, connection, &anchor, &present, error);
    for (int i = 0; i < (present ? 1 : 2) && code == 0; i++) {
        code = prepare(scan, connection, streams[i].sql, &streams[i].statement, error);
        if (code == 0)
            code = advance(&streams[i], connection, error);
    }
    if (code == 0)
        code = merge(scan, connection, streams, error);
    sqlite3_reset(streams[0].statement);
    sqlite3_reset(streams[1].statement);
    sqlite3_reset(anchor);
    return code;
}

/* The first records of the present, without values, are what a look-up wants, and few. */
static bool is_look(const struct scan *scan)
{
    return !scan->view.hold && scan->fetch == FETCH_FIRST && !(scan->want & SFS_WANT_VALUE);
}

/* There is nothing in the range, nor behind it up to the next record. */
static void remember_empty(struct scan *scan, struct sfs_sqlite_connection *connection)
{
    struct sfs_range range = {sfs_buffer_bytes(&scan->position), {0}};
    sqlite3_stmt *statement;
    if (sfs_sqlite_statement(connection, SFS_SQL_NAME_NEXT, &statement, NULL) != 0)
        return;
    sfs_sqlite_bind(statement, 1, range.from);
    int found = sfs_sqlite_step(connection, statement, NULL);
    if (found == 1)
        range.to = sfs_sqlite_column(statement, 0);
    if (found >= 0)
        sfs_sqlite_memo_put_empty(scan->view.store, &scan->stamp, range);
    sqlite3_reset(statement);
}

static int make_room(struct scan *scan, struct sfs_error *error)
{
    if (scan->fetch <= scan->room)
        return 0;
    const struct sfs_record **records = realloc(scan->records, scan->fetch * sizeof(*records));
    if (!records)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    scan->records = records;
    scan->room = scan->fetch;
    return 0;
}

/* What was read before damage is shown; the next fetch begins with it. */
static int stop_before(struct scan *scan, int code, struct sfs_error *error)
{
    if (scan->count == 0 || (code != SFS_E_CORRUPT && code != SFS_E_IO && code != SFS_E_TOO_LARGE))
        return code;
    scan->exhausted = false;
    return set_behind(scan, scan->records[scan->count - 1]->name, error);
}

static int fetch(struct scan *scan, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    drop_records(scan);
    scan->bytes = 0;
    scan->commits = atomic_load(&scan->view.store->commits);
    scan->stamp = sfs_sqlite_memo_stamp(scan->view.store);
    bool look = is_look(scan), next = false;
    struct sfs_range range = {sfs_buffer_bytes(&scan->position), sfs_buffer_bytes(&scan->to)};
    if (look && sfs_sqlite_memo_is_empty(scan->view.store, range, &next)) {
        scan->exhausted = true;
        return 0;
    }
    int code = make_room(scan, error);
    if (code == 0 && scan->view.hold)
        code = sfs_sqlite_hold_use(scan->view.hold, error);
    if (code == 0 && look)
        code = sfs_sqlite_near_take(scan->view.store, 0, &connection, error);
    else if (code == 0)
        code = (scan->fetch < FETCH_MOST ? sfs_sqlite_reader_take : sfs_sqlite_scanner_take)(
            scan->view.store, &connection, error);
    if (code != 0)
        return code;
    code = (scan->view.hold ? read_merged : read_present)(scan, connection, error);
    code = code ? stop_before(scan, code, error) : 0;
    if (code == 0 && next && scan->count == 0 && !(scan->want & SFS_WANT_KEYS))
        remember_empty(scan, connection);
    sfs_sqlite_reader_give(connection);
    scan->fetch = scan->fetch * 4 < FETCH_MOST ? scan->fetch * 4 : FETCH_MOST;
    if (code != 0)
        drop_records(scan);
    /* Who looks a path up asks for the record that it has found very soon. */
    else if (!scan->view.hold && scan->count > 0)
        sfs_sqlite_memo_put(scan->view.store, &scan->stamp, scan->records[0]->name,
                            scan->records[0]);
    return code;
}

/* What was read ahead is dropped where a commit of this process may have changed it. */
static int drop_old(struct scan *scan, struct sfs_error *error)
{
    if (scan->view.hold || scan->commits == atomic_load(&scan->view.store->commits))
        return 0;
    if (scan->sought) {
        int code = set_bytes(&scan->position, sfs_buffer_bytes(&scan->target), error);
        if (code != 0)
            return code;
    } else if (scan->at > 0) {
        int code = set_behind(scan, scan->records[scan->at - 1]->name, error);
        if (code != 0)
            return code;
    } else if (scan->count > 0) {
        int code = set_bytes(&scan->position, scan->records[0]->name, error);
        if (code != 0)
            return code;
    }
    scan->exhausted = false;
    scan->fetch = FETCH_LEAST;
    drop_records(scan);
    return 0;
}

static int scan_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                     struct sfs_error *error)
{
    struct scan *scan = (struct scan *)cursor;
    int code = drop_old(scan, error);
    /* A fetch may find nothing to show and yet have come only part of the way. */
    while (code == 0 && scan->at == scan->count) {
        if (scan->exhausted)
            return 0;
        code = fetch(scan, error);
    }
    if (code != 0)
        return code;
    *ret_record = scan->records[scan->at++];
    scan->sought = false;
    return 1;
}

/* Where among what was read last the record is that comes first from `name` on: a short way ahead,
 * or back as long as nobody has committed. `count`: it is not among it. */
static size_t find_read(const struct scan *scan, struct sfs_bytes name)
{
    struct sfs_sqlite_stamp now = sfs_sqlite_memo_stamp(scan->view.store);
    bool back = scan->view.store->memo && memcmp(&now, &scan->stamp, sizeof(now)) == 0;
    size_t at = scan->at;
    while (back && at > 0 && sfs_bytes_compare(scan->records[at - 1]->name, name) >= 0)
        at--;
    while (at < scan->count && sfs_bytes_compare(scan->records[at]->name, name) < 0)
        at++;
    bool after = at > 0 && sfs_bytes_compare(scan->records[at - 1]->name, name) < 0;
    bool first = at == 0 && scan->count > 0 && sfs_bytes_equal(scan->records[0]->name, name);
    return after || first ? at : scan->count;
}

static int scan_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    struct scan *scan = (struct scan *)cursor;
    struct sfs_bytes first = sfs_buffer_bytes(&scan->from);
    struct sfs_bytes begin = sfs_bytes_compare(name, first) < 0 ? first : name;
    int code;
    size_t at = find_read(scan, begin);
    if (at < scan->count) {
        /* Should that be dropped before the next step, it is from here on that names show. */
        code = set_bytes(&scan->target, begin, error);
        if (code == 0) {
            scan->at = at;
            scan->sought = true;
        }
        return code;
    }
    code = set_bytes(&scan->position, begin, error);
    if (code != 0)
        return code;
    drop_records(scan);
    scan->sought = false;
    scan->exhausted = false;
    scan->fetch = FETCH_LEAST;
    return 0;
}

static void scan_close(struct sfs_cursor *cursor)
{
    struct scan *scan = (struct scan *)cursor;
    drop_records(scan);
    free(scan->records);
    sfs_buffer_free(&scan->from);
    sfs_buffer_free(&scan->to);
    sfs_buffer_free(&scan->position);
    sfs_buffer_free(&scan->target);
    free(scan);
}

static const struct sfs_cursor_operations scan_operations = {scan_next, scan_seek, scan_close};

int sfs_sqlite_view_scan(struct sfs_sqlite_view view, struct sfs_range range, unsigned want,
                         struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct scan *scan = calloc(1, sizeof(*scan));
    if (!scan)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    scan->cursor.operations = &scan_operations;
    scan->view = view;
    scan->want = want;
    scan->fetch = FETCH_FIRST;
    scan->commits = atomic_load(&view.store->commits);
    int code = set_bytes(&scan->from, range.from, error);
    if (code == 0)
        code = set_bytes(&scan->to, range.to, error);
    if (code == 0)
        code = set_bytes(&scan->position, range.from, error);
    if (code != 0) {
        scan_close(&scan->cursor);
        return code;
    }
    *ret_cursor = &scan->cursor;
    return 0;
}
