/* SPDX-License-Identifier: MIT */
/*
 * What batches do to indexes: single entries, and those of a range of names. How many there are,
 * and how large, is counted on the way and written once a batch.
 */
#include "backends/sqlite/index.h"

#include <stdlib.h>

/* --- numbers --- */

struct sfs_sqlite_index_change {
    int64_t id;
    int64_t entries;
    int64_t bytes;
    int64_t inexact;
};

static struct sfs_sqlite_run *run_of(struct sfs_apply_run *base)
{
    return (struct sfs_sqlite_run *)base;
}

/* NULL: no memory. */
static struct sfs_sqlite_index_change *change_of(struct sfs_sqlite_run *run, uint64_t id)
{
    for (size_t i = 0; i < run->index_change_count; i++) {
        if (run->index_changes[i].id == (int64_t)id)
            return &run->index_changes[i];
    }
    size_t count = run->index_change_count + 1;
    struct sfs_sqlite_index_change *changes = realloc(run->index_changes, count * sizeof(*changes));
    if (!changes)
        return NULL;
    run->index_changes = changes;
    run->index_change_count = count;
    changes[count - 1] = (struct sfs_sqlite_index_change){.id = (int64_t)id};
    return &changes[count - 1];
}

static int note(struct sfs_sqlite_run *run, const struct sfs_index *index, struct sfs_bytes key,
                int64_t size, int sign, struct sfs_error *error)
{
    struct sfs_sqlite_index_change *change = change_of(run, index->id);
    if (!change)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    change->entries += sign;
    change->bytes += sign * ((int64_t)key.size + size);
    change->inexact += sfs_index_key_is_exact(key) ? 0 : sign;
    return 0;
}

int sfs_sqlite_index_flush(struct sfs_sqlite_run *run, struct sfs_error *error)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < run->index_change_count; i++) {
        const struct sfs_sqlite_index_change *change = &run->index_changes[i];
        if (change->entries || change->bytes || change->inexact)
            code = sfs_sqlite_run(run->transaction->connection, SFS_SQL_INDEX_COUNTED, error, 4,
                                  change->id, change->entries, change->bytes, change->inexact);
    }
    sfs_sqlite_index_forget(run);
    return code;
}

void sfs_sqlite_index_forget(struct sfs_sqlite_run *run)
{
    free(run->index_changes);
    run->index_changes = NULL;
    run->index_change_count = 0;
}

/* --- single entries --- */

/* ?4 the commit, ?5 the newest snapshot: what began after it nobody needs, and it is changed in
 * place. */
static int begin(struct sfs_sqlite_run *run, enum sfs_sqlite_sql sql, const struct sfs_index *index,
                 struct sfs_bytes key, struct sfs_bytes name, sqlite3_stmt **ret_statement,
                 struct sfs_error *error)
{
    int code = sfs_sqlite_statement(run->transaction->connection, sql, ret_statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(*ret_statement, 1, (int64_t)index->id);
    sfs_sqlite_bind(*ret_statement, 2, key);
    sfs_sqlite_bind(*ret_statement, 3, name);
    sqlite3_bind_int64(*ret_statement, 4, (int64_t)run->run.sequence);
    sqlite3_bind_int64(*ret_statement, 5, run->transaction->newest);
    return 0;
}

/* Runs one of them: 1 if it changed an entry, 0 if it found none, or an error. */
static int change(struct sfs_sqlite_run *run, enum sfs_sqlite_sql sql,
                  const struct sfs_index *index, struct sfs_bytes key, struct sfs_bytes name,
                  struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = run->transaction->connection;
    sqlite3_stmt *statement;
    int code = begin(run, sql, index, key, name, &statement, error);
    if (code == 0)
        code = sfs_sqlite_step(connection, statement, error);
    return code ? code : sqlite3_changes(connection->db) > 0;
}

int sfs_sqlite_index_add(struct sfs_apply_run *base, const struct sfs_index *index,
                         struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    int added = change(run, SFS_SQL_ENTRY_ADD, index, key, name, error);
    return added <= 0 ? added : note(run, index, key, (int64_t)name.size, 1, error);
}

/* Only snapshots see it from now on. */
static int end_entry(struct sfs_sqlite_run *run, const struct sfs_index *index,
                     struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error)
{
    int ended = change(run, SFS_SQL_ENTRY_END, index, key, name, error);
    run->transaction->rows += ended > 0;
    return ended;
}

int sfs_sqlite_index_remove(struct sfs_apply_run *base, const struct sfs_index *index,
                            struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    int removed = change(run, SFS_SQL_ENTRY_REMOVE, index, key, name, error);
    if (removed == 0)
        removed = end_entry(run, index, key, name, error);
    return removed <= 0 ? removed : note(run, index, key, (int64_t)name.size, -1, error);
}

int sfs_sqlite_index_find(struct sfs_apply_run *base, const struct sfs_index *index,
                          struct sfs_bytes key, struct sfs_bytes after, struct sfs_buffer *ret_name,
                          struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    sqlite3_stmt *statement;
    int code = begin(run, SFS_SQL_INDEX_GROUP_NAMES, index, key, after, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 8, SFS_SQLITE_LATEST);
    int found = sfs_sqlite_step(run->transaction->connection, statement, error);
    if (found == 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_SQLITE_ORIGIN, "there is no such entry");
    if (found < 0)
        return found;
    ret_name->size = 0;
    code = sfs_buffer_add(ret_name, sfs_sqlite_column(statement, 1))
               ? sfs_fail_memory(error, SFS_SQLITE_ORIGIN)
               : 0;
    sqlite3_reset(statement);
    return code;
}

/* --- all of a range of names --- */

struct range_work {
    struct sfs_sqlite_run *run;
    const struct sfs_index *index;
    struct sfs_bytes from;      /* a prefix, where names are moved */
    const struct sfs_bytes *to; /* NULL: the entries go */
    struct sfs_buffer key;
    struct sfs_buffer name;
};

/* Runs one of the statements that give the entry its new name, as change() does. */
static int rename_entry(struct range_work *work, enum sfs_sqlite_sql sql, struct sfs_bytes name,
                        struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = work->run->transaction->connection;
    sqlite3_stmt *statement;
    int code =
        begin(work->run, sql, work->index, sfs_buffer_bytes(&work->key), name, &statement, error);
    if (code)
        return code;
    sfs_sqlite_bind(statement, 6, sfs_buffer_bytes(&work->name));
    code = sfs_sqlite_step(connection, statement, error);
    return code ? code : sqlite3_changes(connection->db) > 0;
}

static int move_entry(struct range_work *work, struct sfs_bytes name, struct sfs_error *error)
{
    work->name.size = 0;
    if (sfs_buffer_add(&work->name, *work->to) ||
        sfs_buffer_append(&work->name, (const char *)name.data + work->from.size,
                          name.size - work->from.size))
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int moved = rename_entry(work, SFS_SQL_ENTRY_MOVE, name, error);
    if (moved == 0) {
        moved = rename_entry(work, SFS_SQL_ENTRY_COPY, name, error);
        if (moved > 0)
            moved = end_entry(work->run, work->index, sfs_buffer_bytes(&work->key), name, error);
    }
    if (moved < 0 || work->to->size == work->from.size)
        return moved < 0 ? moved : 0;
    struct sfs_sqlite_index_change *numbers = change_of(work->run, work->index->id);
    if (!numbers)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    numbers->bytes += (int64_t)work->to->size - (int64_t)work->from.size;
    return 0;
}

/* The record in the row has an entry. */
static int work_on(struct range_work *work, sqlite3_stmt *row, struct sfs_error *error)
{
    struct sfs_sqlite_row found;
    struct sfs_sqlite_connection *connection = work->run->transaction->connection;
    int code = sfs_sqlite_row(connection, row, SFS_WANT_RECORD, SFS_SQLITE_LATEST, &found, error);
    if (code == 0 && sfs_index_needs_value(work->index, found.record)) {
        sfs_record_unref(found.record);
        code = sfs_sqlite_row(connection, row, SFS_WANT_VALUE, SFS_SQLITE_LATEST, &found, error);
    }
    if (code)
        return code;
    work->key.size = 0;
    if (sfs_index_key(work->index, found.record, &work->key))
        code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    else if (work->to)
        code = move_entry(work, found.record->name, error);
    else
        code = sfs_sqlite_index_remove(&work->run->run, work->index, sfs_buffer_bytes(&work->key),
                                       found.record->name, error);
    sfs_record_unref(found.record);
    return code;
}

static int work_through(struct range_work *work, struct sfs_range range, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = work->run->transaction->connection;
    sqlite3_stmt *row;
    int found = 0;
    int code = sfs_sqlite_statement(connection, SFS_SQL_SCAN, &row, error);
    if (code)
        return code;
    sfs_sqlite_bind(row, 1, range.from);
    sfs_sqlite_bind(row, 2, sfs_sqlite_range_end(range));
    sqlite3_bind_int64(row, 3, 1);
    sqlite3_bind_int64(row, 4, -1);
    sqlite3_bind_int64(row, 9, (work->index->depends & SFS_INDEX_OF_VALUE) != 0);
    while (code == 0 && (found = sfs_sqlite_step(connection, row, error)) == 1)
        code = work_on(work, row, error);
    sqlite3_reset(row);
    sfs_buffer_free(&work->key);
    sfs_buffer_free(&work->name);
    return code ? code : found;
}

int sfs_sqlite_index_move_prefix(struct sfs_apply_run *base, const struct sfs_index *index,
                                 struct sfs_bytes from, struct sfs_bytes to,
                                 struct sfs_error *error)
{
    struct range_work work = {.run = run_of(base), .index = index, .from = from, .to = &to};
    struct sfs_buffer end = {0};
    struct sfs_range range;
    int code = sfs_range_prefix(from, &end, &range) ? sfs_fail_memory(error, SFS_SQLITE_ORIGIN) : 0;
    if (code == 0)
        code = work_through(&work, range, error);
    sfs_buffer_free(&end);
    return code;
}

static int clear_all(struct sfs_sqlite_run *run, const struct sfs_index *index,
                     struct sfs_error *error)
{
    struct sfs_sqlite_transaction *transaction = run->transaction;
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t id = (int64_t)index->id;
    int code =
        sfs_sqlite_run(connection, SFS_SQL_ENTRIES_REMOVE, error, 2, id, transaction->newest);
    if (code == 0 && transaction->newest >= 0) {
        code = sfs_sqlite_run(connection, SFS_SQL_ENTRIES_END, error, 2, id,
                              (int64_t)run->run.sequence);
        transaction->rows += code ? 0 : sqlite3_changes(connection->db);
    }
    struct sfs_sqlite_index_change *numbers = code ? NULL : change_of(run, index->id);
    if (code == 0 && !numbers)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (code == 0)
        *numbers = (struct sfs_sqlite_index_change){.id = numbers->id};
    return code ? code : sfs_sqlite_run(connection, SFS_SQL_INDEX_UNCOUNTED, error, 1, id);
}

int sfs_sqlite_index_clear(struct sfs_apply_run *base, const struct sfs_index *index,
                           struct sfs_range range, struct sfs_error *error)
{
    struct range_work work = {.run = run_of(base), .index = index};
    /* Where nothing is left there is nothing to be looked up. */
    bool all = range.from.size == 0 && range.to.size == 0;
    return all ? clear_all(work.run, index, error) : work_through(&work, range, error);
}
