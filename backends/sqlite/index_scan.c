/* SPDX-License-Identifier: MIT */
/*
 * Cursors over an index, and counting its entries. Entries are fetched some at a time, each time in
 * a short read transaction that goes on behind the last one. Statements show the entries of one
 * version, and with them records that have not changed since; the others come from history. What
 * was read ahead of the present state is dropped when this process commits.
 */
#include "backends/sqlite/index_cursor.h"

#include <stdlib.h>

#define FETCH_FIRST 16
#define FETCH_MOST 256
#define FETCH_BYTES ((uint64_t)1024 * 1024) /* of values */

/* --- rows --- */

static struct sfs_bytes key_of(const struct rows *rows, const struct row *row)
{
    return sfs_bytes(rows->bytes.data + row->at, row->key_size);
}

static struct sfs_bytes name_of(const struct rows *rows, const struct row *row)
{
    return sfs_bytes(rows->bytes.data + row->at + row->key_size, row->name_size);
}

static void cut_rows(struct rows *rows, size_t count)
{
    while (rows->count > count)
        sfs_record_unref(rows->list[--rows->count].record);
    if (count == 0)
        rows->bytes.size = 0;
}

/* Takes the reference to the record, also when it fails. */
static int add_row(struct rows *rows, struct sfs_bytes key, struct sfs_bytes name,
                   const struct sfs_record *record, struct sfs_error *error)
{
    if (rows->count == rows->room) {
        size_t room = rows->room ? rows->room * 2 : FETCH_FIRST;
        struct row *list = realloc(rows->list, room * sizeof(*list));
        if (list) {
            rows->list = list;
            rows->room = room;
        }
    }
    struct row row = {rows->bytes.size, key.size, name.size, record};
    if (rows->count == rows->room || sfs_buffer_add(&rows->bytes, key) ||
        sfs_buffer_add(&rows->bytes, name)) {
        sfs_record_unref(record);
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    }
    rows->list[rows->count++] = row;
    return 0;
}

static void reverse(struct rows *rows, size_t from)
{
    for (size_t to = rows->count; from + 1 < to; from++) {
        struct row row = rows->list[--to];
        rows->list[to] = rows->list[from];
        rows->list[from] = row;
    }
}

/* --- one read transaction --- */

int sfs_sqlite_index_look(struct sfs_sqlite_view view, struct sfs_sqlite_index_look *ret_look,
                          struct sfs_error *error)
{
    struct sfs_sqlite_index_look look = {.version = SFS_SQLITE_LATEST};
    bool present;
    int code = view.hold ? sfs_sqlite_hold_use(view.hold, error) : 0;
    if (code == 0)
        code = sfs_sqlite_reader_take(view.store, &look.connection, error);
    if (code == 0 && view.hold) {
        look.version = view.hold->sequence;
        code = sfs_sqlite_hold_anchor(view.hold, look.connection, &look.anchor, &present, error);
    }
    if (code)
        sfs_sqlite_index_look_end(&look);
    else
        *ret_look = look;
    return code;
}

void sfs_sqlite_index_look_end(struct sfs_sqlite_index_look *look)
{
    if (look->anchor)
        sqlite3_reset(look->anchor);
    if (look->connection)
        sfs_sqlite_reader_give(look->connection);
}

/* A snapshot that can be read has what it had. */
static int check_there(struct sfs_sqlite_view view, const struct sfs_sqlite_index_look *look,
                       const struct sfs_index *index, struct sfs_error *error)
{
    struct sfs_sqlite_index_row row;
    int code = view.hold ? 0 : sfs_sqlite_index_row(look->connection, index, &row, error);
    if (code == 0 && !view.hold && row.ended)
        code = sfs_sqlite_index_gone(index, error);
    return code;
}

/* --- fetching entries --- */

/* What is in a row besides the entry, where that is, and the statements. */
enum form { NAMES, RECORDS, BARE };
static const struct {
    int key, name;
    enum sfs_sqlite_sql group, behind;
} forms[] = {
    [NAMES] = {0, 1, SFS_SQL_INDEX_GROUP_NAMES, SFS_SQL_INDEX_NAMES},
    [RECORDS] = {SFS_SQLITE_COLUMN_KEY, SFS_SQLITE_COLUMN_NAME, SFS_SQL_INDEX_FETCH_GROUP,
                 SFS_SQL_INDEX_FETCH},
    [BARE] = {SFS_SQLITE_BARE_KEY, SFS_SQLITE_COLUMN_NAME, SFS_SQL_INDEX_FETCH_BARE_GROUP,
              SFS_SQL_INDEX_FETCH_BARE},
};

struct fetching {
    struct index_cursor *self;
    const struct sfs_sqlite_index_look *look;
    sqlite3_stmt *statement;
    sqlite3_value **values; /* of the row, where the statement shows it (visitor.c) */
    struct sfs_error *error;
    enum form form;
    size_t group; /* descending: where the entries of the present K begin */
    struct place reached;
};

static struct sfs_sqlite_fields fields_of(const struct fetching *fetching)
{
    return (struct sfs_sqlite_fields){fetching->statement, fetching->values};
}

static struct sfs_bytes row_key(const struct fetching *fetching)
{
    return sfs_sqlite_field(fields_of(fetching), forms[fetching->form].key);
}

static struct sfs_bytes row_name(const struct fetching *fetching)
{
    return sfs_sqlite_field(fields_of(fetching), forms[fetching->form].name);
}

static bool is_full(const struct fetching *fetching)
{
    const struct index_cursor *self = fetching->self;
    return self->rows.count >= self->fetch || self->size >= FETCH_BYTES;
}

/* ?1 index, ?2 and ?3 place, ?4 bound, ?8 version, ?9 whether values are wanted. */
static int begin(struct fetching *fetching, enum sfs_sqlite_sql sql, struct sfs_bytes second,
                 struct sfs_bytes third, struct sfs_bytes bound, struct sfs_error *error)
{
    const struct index_cursor *self = fetching->self;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(fetching->look->connection, sql, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, (int64_t)self->index->id);
    sfs_sqlite_bind(statement, 2, second);
    sfs_sqlite_bind(statement, 3, third);
    sfs_sqlite_bind(statement, 4, sfs_sqlite_range_end((struct sfs_range){{0}, bound}));
    sqlite3_bind_int64(statement, 8, fetching->look->version);
    sqlite3_bind_int64(statement, 9, (self->want & SFS_WANT_VALUE) != 0);
    fetching->statement = statement;
    return 0;
}

static int damaged(const struct fetching *fetching, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                    "%s is damaged: the index '%.64s' names a key that is not there, '%s'; drop "
                    "the index and make it anew",
                    fetching->self->view.store->path, fetching->self->index->name,
                    sfs_name_show(row_name(fetching), shown, sizeof(shown)));
}

/* The record that the name had then. */
static int read_earlier(const struct fetching *fetching, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    const struct sfs_sqlite_index_look *look = fetching->look;
    unsigned want = fetching->self->want;
    sqlite3_stmt *row;
    struct sfs_sqlite_row found;
    int code = sfs_sqlite_statement(look->connection, SFS_SQL_HISTORY_GET, &row, error);
    if (code)
        return code;
    sfs_sqlite_bind(row, 1, row_name(fetching));
    sqlite3_bind_int64(row, 2, look->version);
    sqlite3_bind_int64(row, 9, (want & SFS_WANT_VALUE) != 0);
    code = sfs_sqlite_step(look->connection, row, error);
    if (code == 1 && sqlite3_column_int(row, SFS_SQLITE_COLUMN_EXISTED))
        code = sfs_sqlite_row(look->connection, row, want, look->version, &found, error);
    else if (code >= 0)
        code = damaged(fetching, error);
    sqlite3_reset(row);
    if (code == 0)
        *ret_record = found.record;
    return code;
}

static int read_record(const struct fetching *fetching, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct sfs_sqlite_row row;
    struct sfs_sqlite_connection *connection = fetching->look->connection;
    unsigned want = fetching->self->want;
    if (sfs_sqlite_field_is_null(fields_of(fetching), SFS_SQLITE_COLUMN_ID))
        return read_earlier(fetching, ret_record, error);
    if (fetching->form == BARE)
        return sfs_sqlite_row_bare(connection, fields_of(fetching), want, ret_record, error);
    int code = sfs_sqlite_row_of(connection, fields_of(fetching), want, fetching->look->version,
                                 &row, error);
    *ret_record = code ? NULL : row.record;
    return code;
}

/* Adds the entry in the statement's row. */
static int add_entry(struct fetching *fetching, struct sfs_error *error)
{
    struct index_cursor *self = fetching->self;
    const struct sfs_record *record = NULL;
    int code = self->want & SFS_WANT_NAMES ? 0 : read_record(fetching, &record, error);
    if (code)
        return code;
    self->size += record && (self->want & SFS_WANT_VALUE) ? record->size : 0;
    return add_row(&self->rows, row_key(fetching), row_name(fetching), record, error);
}

/* 1 it is full, which is noted. */
static int add_and_look(struct fetching *fetching, struct sfs_error *error)
{
    int code = add_entry(fetching, error);
    if (code || !is_full(fetching))
        return code;
    code = sfs_sqlite_place_set(&fetching->reached, row_key(fetching), row_name(fetching), true,
                                error);
    return code ? code : 1;
}

static int take_row(void *context, sqlite3_value **values)
{
    struct fetching *fetching = context;
    fetching->values = values;
    int code = add_and_look(fetching, fetching->error);
    fetching->values = NULL;
    return code;
}

/* Adds rows until it is full: 1, or the statement ends: 0. */
static int add_entries(struct fetching *fetching, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = fetching->look->connection;
    int code = 0, found = 0;
    fetching->error = error;
    if (fetching->form != NAMES)
        code = sfs_sqlite_visit(connection, fetching->statement, take_row, fetching, error);
    while (code == 0 && fetching->form == NAMES &&
           (found = sfs_sqlite_step(connection, fetching->statement, error)) == 1)
        code = add_and_look(fetching, error);
    if (code)
        sqlite3_reset(fetching->statement);
    return code ? code : found;
}

/* What is left of the K that the place is within. */
static int fetch_group(struct fetching *fetching, struct sfs_error *error)
{
    struct index_cursor *self = fetching->self;
    if (self->place.key.size == 0)
        return 0; /* the beginning of all */
    int code = begin(fetching, forms[fetching->form].group, sfs_buffer_bytes(&self->place.key),
                     sfs_buffer_bytes(&self->place.name), (struct sfs_bytes){0}, error);
    return code ? code : add_entries(fetching, error);
}

static int fetch_ascending(struct fetching *fetching, struct sfs_error *error)
{
    struct index_cursor *self = fetching->self;
    struct sfs_bytes at = sfs_buffer_bytes(&self->place.key), to = sfs_buffer_bytes(&self->to);
    if (to.size > 0 && sfs_bytes_compare(at, to) >= 0)
        return 0;
    int code = fetch_group(fetching, error);
    if (code == 0)
        code = begin(fetching, forms[fetching->form].behind, at, (struct sfs_bytes){0}, to, error);
    return code ? code : add_entries(fetching, error);
}

/* The entries of one K come with the last name first, and are turned round when all are there: 1.
 * Those of a K that are too many are left, to be fetched by name: 2. */
static int add_descending(struct fetching *fetching, struct sfs_error *error)
{
    struct index_cursor *self = fetching->self;
    struct place *reached = &fetching->reached;
    int code = 0;
    if (self->rows.count > fetching->group &&
        !sfs_bytes_equal(row_key(fetching), sfs_buffer_bytes(&reached->key))) {
        reverse(&self->rows, fetching->group);
        if (is_full(fetching))
            return 1;
        fetching->group = self->rows.count;
    }
    size_t shown = self->rows.count - fetching->group;
    if (shown == 0)
        code =
            sfs_sqlite_place_set(reached, row_key(fetching), (struct sfs_bytes){0}, false, error);
    if (code == 0 && (shown >= self->fetch || (shown > 0 && self->size >= FETCH_BYTES))) {
        cut_rows(&self->rows, fetching->group);
        reached->within = true;
        return 2;
    }
    return code ? code : add_entry(fetching, error);
}

static int fetch_descending(struct fetching *fetching, struct sfs_error *error)
{
    struct index_cursor *self = fetching->self;
    int code = 0, found = 0;
    if (self->place.within) {
        code = fetch_group(fetching, error);
        if (code)
            return code;
    }
    fetching->group = self->rows.count;
    if (fetching->form == BARE)
        fetching->form = RECORDS;
    code = begin(fetching,
                 fetching->form == NAMES ? SFS_SQL_INDEX_BACK_NAMES : SFS_SQL_INDEX_BACK_RECORDS,
                 sfs_buffer_bytes(&self->from), (struct sfs_bytes){0},
                 sfs_buffer_bytes(&self->place.key), error);
    while (code == 0 &&
           (found = sfs_sqlite_step(fetching->look->connection, fetching->statement, error)) == 1)
        code = add_descending(fetching, error);
    sqlite3_reset(fetching->statement);
    if (code == 0 && found == 0)
        reverse(&self->rows, fetching->group);
    return code > 0 ? 1 : code ? code : found;
}

/* --- the cursor --- */

static int fetch_in(struct index_cursor *self, const struct sfs_sqlite_index_look *look,
                    struct sfs_error *error)
{
    struct fetching fetching = {.self = self, .look = look};
    int code = check_there(self->view, look, self->index, error);
    if (code)
        return code;
    if (!(self->want & SFS_WANT_NAMES))
        fetching.form = self->want & SFS_WANT_BARE ? BARE : RECORDS;
    code = (self->descending ? fetch_descending : fetch_ascending)(&fetching, error);
    self->exhausted = code == 0;
    if (code >= 0 && !self->exhausted) {
        struct place before = self->place;
        self->place = fetching.reached;
        fetching.reached = before;
    }
    sfs_buffer_free(&fetching.reached.key);
    sfs_buffer_free(&fetching.reached.name);
    return code < 0 ? code : 0;
}

static int fetch(struct index_cursor *self, struct sfs_error *error)
{
    struct sfs_sqlite_index_look look;
    cut_rows(&self->rows, 0);
    self->at = 0;
    self->size = 0;
    self->commits = atomic_load(&self->view.store->commits);
    int code = sfs_sqlite_index_look(self->view, &look, error);
    if (code)
        return code;
    code = fetch_in(self, &look, error);
    sfs_sqlite_index_look_end(&look);
    self->fetch = self->fetch * 4 < FETCH_MOST ? self->fetch * 4 : FETCH_MOST;
    if (code)
        cut_rows(&self->rows, 0);
    return code;
}

/* What was read ahead is dropped where a commit of this process may have changed it. */
static int drop_old(struct index_cursor *self, struct sfs_error *error)
{
    if (self->view.hold || self->at == self->rows.count ||
        self->commits == atomic_load(&self->view.store->commits))
        return 0;
    const struct row *shown = &self->rows.list[self->at - 1];
    int code = sfs_sqlite_place_set(&self->place, key_of(&self->rows, shown),
                                    name_of(&self->rows, shown), true, error);
    if (code)
        return code;
    cut_rows(&self->rows, 0);
    self->at = 0;
    self->fetch = FETCH_FIRST;
    self->exhausted = false;
    return 0;
}

int sfs_sqlite_index_next(struct sfs_index_cursor *base, struct sfs_index_row *ret_row,
                          struct sfs_error *error)
{
    struct index_cursor *self = (struct index_cursor *)base;
    int code = drop_old(self, error);
    /* Descending, the first fetch of a large group only finds out where it begins. */
    while (code == 0 && self->at == self->rows.count && !self->exhausted)
        code = fetch(self, error);
    if (code || self->at == self->rows.count)
        return code;
    const struct row *row = &self->rows.list[self->at++];
    *ret_row =
        (struct sfs_index_row){key_of(&self->rows, row), name_of(&self->rows, row), row->record};
    return 1;
}

/* A short way ahead it is among what has been read already, and of a snapshot stays. */
static bool seek_near(struct index_cursor *self, struct sfs_bytes key)
{
    size_t at = self->at;
    const struct rows *rows = &self->rows;
    int sign = self->descending ? -1 : 1;
    int wanted = self->descending ? 1 : 0; /* descending, the bound itself is left out */
    if (!self->view.hold || at == 0 ||
        sign * sfs_bytes_compare(key_of(rows, &rows->list[at - 1]), key) >= wanted)
        return false;
    while (at < rows->count &&
           sign * sfs_bytes_compare(key_of(rows, &rows->list[at]), key) < wanted)
        at++;
    if (at == rows->count)
        return false;
    self->at = at;
    return true;
}

static int index_seek(struct sfs_index_cursor *base, struct sfs_bytes key, struct sfs_error *error)
{
    struct index_cursor *self = (struct index_cursor *)base;
    struct sfs_bytes from = sfs_buffer_bytes(&self->from), to = sfs_buffer_bytes(&self->to);
    if (!self->descending && sfs_bytes_compare(key, from) < 0)
        key = from;
    if (self->descending && to.size && sfs_bytes_compare(key, to) > 0)
        key = to;
    if (seek_near(self, key))
        return 0;
    cut_rows(&self->rows, 0);
    self->at = 0;
    self->fetch = FETCH_FIRST / 4;
    self->exhausted = self->descending && key.size == 0;
    return sfs_sqlite_place_set(&self->place, key, (struct sfs_bytes){0}, false, error);
}

static void index_expect(struct sfs_index_cursor *base, uint64_t count)
{
    struct index_cursor *self = (struct index_cursor *)base;
    self->fetch = count < 1 ? 1 : count < FETCH_MOST ? (size_t)count : FETCH_MOST;
}

static void index_close(struct sfs_index_cursor *base)
{
    struct index_cursor *self = (struct index_cursor *)base;
    cut_rows(&self->rows, 0);
    free(self->rows.list);
    sfs_buffer_free(&self->rows.bytes);
    sfs_buffer_free(&self->from);
    sfs_buffer_free(&self->to);
    sfs_buffer_free(&self->place.key);
    sfs_buffer_free(&self->place.name);
    sfs_index_unref(self->index);
    free(self);
}

int sfs_sqlite_index_scan(struct sfs_sqlite_view view, const struct sfs_index *index,
                          struct sfs_range range, bool descending, unsigned want,
                          struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_index_cursor_operations operations = {
        .next = sfs_sqlite_index_next,
        .seek = index_seek,
        .expect = index_expect,
        .walk = sfs_sqlite_index_walk,
        .close = index_close,
    };
    struct index_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    *self = (struct index_cursor){.cursor = {&operations},
                                  .view = view,
                                  .index = sfs_index_ref(index),
                                  .want = want,
                                  .descending = descending,
                                  .fetch = FETCH_FIRST};
    int code = sfs_sqlite_set_bytes(&self->from, range.from, error);
    if (code == 0)
        code = sfs_sqlite_set_bytes(&self->to, range.to, error);
    if (code == 0)
        code = sfs_sqlite_place_set(&self->place, descending ? range.to : range.from,
                                    (struct sfs_bytes){0}, false, error);
    if (code) {
        index_close(&self->cursor);
        return code;
    }
    *ret_cursor = &self->cursor;
    return 0;
}

/* --- counting --- */

static int count_entries(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                         struct sfs_range range, uint64_t most, uint64_t *ret_count,
                         struct sfs_error *error)
{
    bool bounded = most < INT64_MAX;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(look->connection,
                                    bounded ? SFS_SQL_INDEX_COUNT_MOST : SFS_SQL_INDEX_COUNT,
                                    &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, (int64_t)index->id);
    sfs_sqlite_bind(statement, 2, range.from);
    sfs_sqlite_bind(statement, 4, sfs_sqlite_range_end(range));
    sqlite3_bind_int64(statement, 8, look->version);
    if (bounded)
        sqlite3_bind_int64(statement, 5, (int64_t)most);
    code = sfs_sqlite_step(look->connection, statement, error);
    if (code != 1)
        return code;
    *ret_count = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

int sfs_sqlite_index_count(struct sfs_sqlite_view view, const struct sfs_index *index,
                           struct sfs_range range, uint64_t most, uint64_t *ret_count,
                           struct sfs_error *error)
{
    struct sfs_sqlite_index_look look;
    int code = sfs_sqlite_index_look(view, &look, error);
    if (code)
        return code;
    code = check_there(view, &look, index, error);
    if (code == 0)
        code = count_entries(&look, index, range, most, ret_count, error);
    sfs_sqlite_index_look_end(&look);
    return code;
}
