/* SPDX-License-Identifier: MIT */
/*
 * Walking over entries: SQLite itself goes from one to the next and calls the visitor for each, by
 * a function of ours in the condition of the statement (visitor.c), in place of a row that is given
 * out and copied. Each piece of the way is a short read transaction of a snapshot; present entries
 * are fetched as always, and shown one by one.
 */
#include "backends/sqlite/index_cursor.h"

#define PIECE 16384 /* entries in one read transaction */

static struct sfs_bytes key_ahead(const struct index_cursor *self)
{
    const struct row *row = &self->rows.list[self->at];
    return sfs_bytes(self->rows.bytes.data + row->at, row->key_size);
}

/* Shows what has been read ahead: 1 it has come to the bound, 0, or an error. */
static int walk_ahead(struct index_cursor *self, struct sfs_bytes to, sfs_index_visit *visit,
                      void *context)
{
    int code = 0;
    while (code == 0 && self->at < self->rows.count) {
        struct sfs_bytes key = key_ahead(self);
        if (to.size > 0 && sfs_bytes_compare(key, to) >= 0)
            return 1;
        code = visit(context, key);
        self->at++;
    }
    return code;
}

/* Entries that are fetched: 1 it has come to the bound, 0 at the end. */
static int walk_rows(struct index_cursor *self, struct sfs_bytes to, sfs_index_visit *visit,
                     void *context, struct sfs_error *error)
{
    struct sfs_index_row row;
    int found = walk_ahead(self, to, visit, context);
    while (found == 0) {
        found = sfs_sqlite_index_next(&self->cursor, &row, error);
        if (found <= 0)
            return found;
        self->at--; /* it is shown with those that were fetched with it */
        found = walk_ahead(self, to, visit, context);
    }
    return found;
}

struct piece {
    struct index_cursor *self;
    struct sfs_bytes to;
    sfs_index_visit *visit;
    void *context;
    struct sfs_error *error;
    int left; /* entries */
};

#define FULL 1
#define BEYOND 2

static struct sfs_bytes bytes_of(sqlite3_value *value)
{
    const void *data = sqlite3_value_blob(value);
    return sfs_bytes(data, (size_t)sqlite3_value_bytes(value));
}

/* The bound is looked at here, since SQLite takes longer to compare with it. */
static int take_entry(void *context, sqlite3_value **values)
{
    struct piece *piece = context;
    struct sfs_bytes key = bytes_of(values[0]);
    if (piece->to.size > 0 && sfs_bytes_compare(key, piece->to) >= 0)
        return BEYOND;
    int code = piece->visit(piece->context, key);
    return code || --piece->left > 0 ? code : FULL;
}

/* Makes the statement's row the cursor's place. */
static int stand_behind(struct piece *piece, sqlite3_stmt *statement)
{
    struct place reached = {.within = true};
    int code = sfs_sqlite_place_set(&reached, sfs_sqlite_column(statement, 0),
                                    sfs_sqlite_column(statement, 1), true, piece->error);
    struct place before = piece->self->place;
    sqlite3_reset(statement); /* of which the place was bound */
    piece->self->place = reached;
    sfs_buffer_free(&before.key);
    sfs_buffer_free(&before.name);
    return code ? code : FULL;
}

static int walk_statement(struct piece *piece, struct sfs_sqlite_connection *connection,
                          int64_t version, enum sfs_sqlite_sql sql)
{
    sqlite3_stmt *statement;
    const struct place *place = &piece->self->place;
    int code = sfs_sqlite_statement(connection, sql, &statement, piece->error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, (int64_t)piece->self->index->id);
    sfs_sqlite_bind(statement, 2, sfs_buffer_bytes(&place->key));
    sqlite3_bind_int64(statement, 8, version);
    if (sql == SFS_SQL_INDEX_WALK_GROUP)
        sfs_sqlite_bind(statement, 3, sfs_buffer_bytes(&place->name));
    code = sfs_sqlite_visit(connection, statement, take_entry, piece, piece->error);
    if (code == FULL)
        return stand_behind(piece, statement);
    sqlite3_reset(statement);
    return code;
}

/* What is left of the K that the place is at, and what is behind it: FULL the cursor's place then
 * says where it goes on, 0 it came to the bound or the end. */
static int walk_piece(struct piece *piece, const struct sfs_sqlite_index_look *look)
{
    int code = walk_statement(piece, look->connection, look->version, SFS_SQL_INDEX_WALK_GROUP);
    if (code == 0)
        code = walk_statement(piece, look->connection, look->version, SFS_SQL_INDEX_WALK);
    return code == BEYOND ? 0 : code;
}

/* The next pieces, up to the bound. */
static int walk_pieces(struct index_cursor *self, struct sfs_bytes to, sfs_index_visit *visit,
                       void *context, struct sfs_error *error)
{
    int code = FULL;
    while (code == FULL) {
        struct sfs_sqlite_index_look look;
        code = sfs_sqlite_index_look(self->view, &look, error);
        if (code)
            return code;
        struct piece piece = {self, to, visit, context, error, PIECE};
        code = walk_piece(&piece, &look);
        sfs_sqlite_index_look_end(&look);
    }
    return code;
}

/* All before the bound is behind the cursor. */
static int stand_at(struct index_cursor *self, struct sfs_bytes to, struct sfs_error *error)
{
    bool end = to.size == 0 ||
               (self->to.size > 0 && sfs_bytes_compare(to, sfs_buffer_bytes(&self->to)) >= 0);
    self->exhausted = end;
    return end ? 0 : sfs_sqlite_place_set(&self->place, to, (struct sfs_bytes){0}, false, error);
}

int sfs_sqlite_index_walk(struct sfs_index_cursor *base, struct sfs_bytes to,
                          sfs_index_visit *visit, void *context, struct sfs_error *error)
{
    struct index_cursor *self = (struct index_cursor *)base;
    struct sfs_bytes bound = sfs_buffer_bytes(&self->to);
    if (to.size > 0 && (bound.size == 0 || sfs_bytes_compare(to, bound) < 0))
        bound = to;
    int code = walk_ahead(self, bound, visit, context);
    if (code || self->exhausted)
        return code < 0 ? code : 0;
    if (!self->view.hold) {
        code = walk_rows(self, bound, visit, context, error);
        return code < 0 ? code : 0;
    }
    code = walk_pieces(self, bound, visit, context, error);
    return code ? code : stand_at(self, to, error);
}
