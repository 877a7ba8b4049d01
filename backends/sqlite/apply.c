/* SPDX-License-Identifier: MIT */
/*
 * The primitives with which sfs_apply_run() executes a batch: single records. Pre-images go to
 * history, and only while a lease needs them.
 */
#include "backends/sqlite/index.h"

static struct sfs_sqlite_run *run_of(struct sfs_apply_run *base)
{
    return (struct sfs_sqlite_run *)base;
}

/* --- history --- */

static int count_rows(struct sfs_sqlite_run *run, int code)
{
    if (code == 0)
        run->transaction->rows += sqlite3_changes(run->transaction->connection->db);
    return code;
}

int sfs_sqlite_history_record(struct sfs_sqlite_run *run, const struct sfs_record *before,
                              struct sfs_error *error)
{
    if ((int64_t)before->revision > run->transaction->logged)
        return 0;
    return count_rows(run, sfs_sqlite_run(run->transaction->connection, SFS_SQL_HISTORY_ADD_RECORD,
                                          error, 3, (int64_t)before->attributes.id,
                                          (int64_t)run->run.sequence, run->transaction->newest));
}

/* The same of a record that gives its name up. */
static int history_gone(struct sfs_sqlite_run *run, const struct sfs_record *before,
                        struct sfs_error *error)
{
    sqlite3_stmt *statement;
    if (run->transaction->logged < 0 || (int64_t)before->revision <= run->transaction->logged)
        return sfs_sqlite_history_record(run, before, error);
    int code = sfs_sqlite_statement(run->transaction->connection, SFS_SQL_HISTORY_DROP_ABSENT,
                                    &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 1, before->name);
    return sfs_sqlite_step(run->transaction->connection, statement, error);
}

int sfs_sqlite_history_absent(struct sfs_sqlite_run *run, struct sfs_bytes name,
                              struct sfs_error *error)
{
    if (run->transaction->logged < 0)
        return 0;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(run->transaction->connection, SFS_SQL_HISTORY_ADD_ABSENT,
                                    &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 1, name);
    sqlite3_bind_int64(statement, 2, (int64_t)run->run.sequence);
    sqlite3_bind_int64(statement, 3, run->transaction->logged);
    return count_rows(run, sfs_sqlite_step(run->transaction->connection, statement, error));
}

/* --- what was looked up --- */

static struct sfs_sqlite_recall *recall_of(struct sfs_sqlite_run *run, struct sfs_bytes name)
{
    const unsigned char *bytes = name.data;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return &run->recall[hash % SFS_SQLITE_RECALL];
}

/* The entry of this very name, NULL: none. */
static struct sfs_sqlite_recall *recalled(struct sfs_sqlite_run *run, struct sfs_bytes name)
{
    struct sfs_sqlite_recall *recall = recall_of(run, name);
    return recall->record && sfs_bytes_equal(recall->record->name, name) ? recall : NULL;
}

static void forget(struct sfs_sqlite_run *run, struct sfs_bytes name)
{
    struct sfs_sqlite_recall *recall = recalled(run, name);
    if (recall) {
        sfs_record_unref(recall->record);
        recall->record = NULL;
    }
}

void sfs_sqlite_recall_drop(struct sfs_sqlite_run *run)
{
    for (size_t i = 0; i < SFS_SQLITE_RECALL; i++) {
        sfs_record_unref(run->recall[i].record);
        run->recall[i].record = NULL;
    }
}

/* --- records --- */

void sfs_sqlite_count(struct sfs_sqlite_run *run, const struct sfs_record *record, int sign)
{
    struct sfs_sqlite_state *state = &run->transaction->state;
    state->records += sign;
    state->keys += sfs_record_is_key(record) ? sign : 0;
    state->bytes += sign * (int64_t)record->size;
    run->changed = true;
}

int sfs_sqlite_place_of(struct sfs_sqlite_run *run, int64_t id, struct sfs_sqlite_place *ret_place,
                        struct sfs_error *error)
{
    int64_t row[3];
    int found = sfs_sqlite_integers(run->transaction->connection, SFS_SQL_RECORD_PLACE, &id, 1, row,
                                    3, error);
    if (found == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: record %lld is gone; check it",
                        run->transaction->store->path, (long long)id);
    if (found < 0)
        return found;
    *ret_place = (struct sfs_sqlite_place){
        .content = row[0] > 0 ? row[0] : 0, .chunked = row[1] > 0, .begun = row[2]};
    return 0;
}

static int64_t allot_id(struct sfs_sqlite_run *run, const struct sfs_record *record)
{
    struct sfs_sqlite_state *state = &run->transaction->state;
    int64_t id = (int64_t)record->attributes.id;
    if (id == 0)
        return ++state->last_id;
    if (id > state->last_id)
        state->last_id = id;
    return id;
}

int sfs_sqlite_record_update(struct sfs_sqlite_run *run, int64_t before,
                             const struct sfs_record *record, struct sfs_sqlite_place place,
                             struct sfs_error *error)
{
    sqlite3_stmt *statement;
    struct sfs_sqlite_connection *connection = run->transaction->connection;
    int64_t id = allot_id(run, record);
    enum sfs_sqlite_sql sql = id == before ? SFS_SQL_RECORD_UPDATE : SFS_SQL_RECORD_RENUMBER;
    int code = sfs_sqlite_statement(connection, sql, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind_record(statement, record, id, place);
    sqlite3_bind_int64(statement, SFS_SQLITE_COLUMN_COUNT + 3, before);
    sqlite3_bind_int64(statement, SFS_SQLITE_COLUMN_COUNT + 4, place.replaced);
    return sfs_sqlite_step(connection, statement, error);
}

static int record_add(struct sfs_sqlite_run *run, const struct sfs_record *record,
                      struct sfs_sqlite_place place, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    struct sfs_sqlite_connection *connection = run->transaction->connection;
    int code = sfs_sqlite_statement(connection, SFS_SQL_RECORD_ADD, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind_record(statement, record, allot_id(run, record), place);
    return sfs_sqlite_step(connection, statement, error);
}

static int fetch(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement, unsigned want,
                 struct sfs_sqlite_row *ret_row, struct sfs_error *error)
{
    sqlite3_bind_int64(statement, 9, (want & SFS_WANT_VALUE) != 0);
    int found = sfs_sqlite_step(connection, statement, error);
    if (found <= 0) /* who asks says which: there is none of a new key, at each creation */
        return found == 0 ? SFS_E_NOT_FOUND : found;
    int code = sfs_sqlite_row(connection, statement, want, SFS_SQLITE_LATEST, ret_row, error);
    if (code == 0 && sqlite3_column_count(statement) > SFS_SQLITE_COLUMN_BEGUN)
        ret_row->begun = sqlite3_column_int64(statement, SFS_SQLITE_COLUMN_BEGUN);
    sqlite3_reset(statement);
    return code;
}

static int run_lookup(struct sfs_apply_run *base, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    struct sfs_sqlite_connection *connection = run->transaction->connection;
    struct sfs_sqlite_recall *recall = want & SFS_WANT_VALUE ? NULL : recalled(run, name);
    if (recall) {
        *ret_record = sfs_record_ref(recall->record);
        return 0;
    }
    sqlite3_stmt *statement;
    struct sfs_sqlite_row row;
    int code = sfs_sqlite_statement(connection, SFS_SQL_RECORD_FIND, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 1, name);
    code = fetch(connection, statement, want, &row, error);
    if (code != 0)
        return code;
    if (!(want & SFS_WANT_VALUE)) {
        recall = recall_of(run, name);
        sfs_record_unref(recall->record);
        recall->record = sfs_record_ref(row.record);
        recall->place = (struct sfs_sqlite_place){
            .content = row.content, .chunked = row.chunked, .begun = row.begun};
    }
    *ret_record = row.record;
    return 0;
}

static int run_first(struct sfs_apply_run *base, struct sfs_range range,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = run_of(base)->transaction->connection;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, SFS_SQL_SCAN, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 1, range.from);
    sfs_sqlite_bind(statement, 2, sfs_sqlite_range_end(range));
    sqlite3_bind_int64(statement, 3, 0);
    sqlite3_bind_int64(statement, 4, 1);
    struct sfs_sqlite_row row;
    code = fetch(connection, statement, SFS_WANT_RECORD, &row, error);
    if (code == 0)
        *ret_record = row.record;
    return code;
}

static int set_value(struct sfs_sqlite_run *run, const struct sfs_record *record,
                     enum sfs_value_change change, struct sfs_sqlite_place *place,
                     struct sfs_error *error)
{
    switch (change) {
    case SFS_VALUE_KEPT:
        return 0;
    case SFS_VALUE_STAGED:
        return sfs_sqlite_content_stage(run, run->run.stage, place, error);
    case SFS_VALUE_WHOLE:
        break;
    }
    return sfs_sqlite_content_set(run, sfs_blob_bytes(record->blob), place, error);
}

/* Where the value of a record lies that is about to change. */
static int place_before(struct sfs_sqlite_run *run, const struct sfs_record *before,
                        struct sfs_sqlite_place *ret_place, struct sfs_error *error)
{
    struct sfs_sqlite_recall *recall = recalled(run, before->name);
    if (!recall)
        return sfs_sqlite_place_of(run, (int64_t)before->attributes.id, ret_place, error);
    *ret_place = recall->place;
    forget(run, before->name);
    return 0;
}

/* The record as it is in the store now, with the number that it was given. */
static void keep_made(struct sfs_sqlite_run *run, const struct sfs_record *record,
                      enum sfs_value_change change)
{
    struct sfs_attributes attributes = record->attributes;
    if (attributes.id == 0)
        attributes.id = (uint64_t)run->transaction->state.last_id;
    sfs_record_unref(run->made);
    run->made = sfs_record_new(record->name, record->revision, record->size, &attributes,
                               record->xattrs, change == SFS_VALUE_WHOLE ? record->blob : NULL);
}

static int run_store(struct sfs_apply_run *base, const struct sfs_record *before,
                     const struct sfs_record *record, enum sfs_value_change change,
                     struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    struct sfs_sqlite_place place = {0};
    int code;
    if (before) {
        code = sfs_sqlite_history_record(run, before, error);
        if (code == 0)
            code = place_before(run, before, &place, error);
    } else {
        code = sfs_sqlite_history_absent(run, record->name, error);
    }
    if (code == 0)
        code = set_value(run, record, change, &place, error);
    if (code == 0 && before)
        code = sfs_sqlite_record_update(run, (int64_t)before->attributes.id, record, place, error);
    else if (code == 0)
        code = record_add(run, record, place, error);
    if (code != 0)
        return code;
    if (before)
        sfs_sqlite_count(run, before, -1);
    sfs_sqlite_count(run, record, 1);
    if (run->keeps)
        keep_made(run, record, change);
    return 0;
}

static int run_remove(struct sfs_apply_run *base, const struct sfs_record *before,
                      struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    struct sfs_sqlite_place place;
    int64_t id = (int64_t)before->attributes.id;
    forget(run, before->name);
    int code = history_gone(run, before, error);
    if (code == 0)
        code = sfs_sqlite_place_of(run, id, &place, error);
    if (code == 0)
        code = sfs_sqlite_content_drop(run, place, error);
    if (code == 0)
        code = sfs_sqlite_run(run->transaction->connection, SFS_SQL_RECORD_REMOVE, error, 1, id);
    if (code != 0)
        return code;
    sfs_sqlite_count(run, before, -1);
    run->vacated = true;
    return 0;
}

static int run_move(struct sfs_apply_run *base, const struct sfs_record *before,
                    const struct sfs_record *record, struct sfs_error *error)
{
    struct sfs_sqlite_run *run = run_of(base);
    struct sfs_sqlite_connection *connection = run->transaction->connection;
    sqlite3_stmt *statement;
    int64_t id = (int64_t)before->attributes.id;
    forget(run, before->name);
    int code = history_gone(run, before, error);
    if (code == 0)
        code = sfs_sqlite_history_absent(run, record->name, error);
    if (code == 0)
        code = sfs_sqlite_statement(connection, SFS_SQL_RECORD_MOVE, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, id);
    sfs_sqlite_bind(statement, 2, record->name);
    sqlite3_bind_int64(statement, 3, (int64_t)run->run.sequence);
    sqlite3_bind_int64(statement, 4, record->attributes.changed);
    run->changed = true;
    run->vacated = true;
    return sfs_sqlite_step(connection, statement, error);
}

static int run_lease(struct sfs_apply_run *base, uint64_t lease, struct sfs_error *error)
{
    return sfs_sqlite_pool_require(run_of(base)->transaction, lease, error);
}

const struct sfs_apply_operations sfs_sqlite_apply_operations = {
    .lookup = run_lookup,
    .store = run_store,
    .remove = run_remove,
    .move = run_move,
    .first = run_first,
    .changed = sfs_sqlite_changed,
    .lease = run_lease,
    .patch = sfs_sqlite_patch,
    .move_prefix = sfs_sqlite_move_prefix,
    .clear = sfs_sqlite_clear,
    .longest = sfs_sqlite_longest,
    .index_add = sfs_sqlite_index_add,
    .index_remove = sfs_sqlite_index_remove,
    .index_find = sfs_sqlite_index_find,
    .index_move_prefix = sfs_sqlite_index_move_prefix,
    .index_clear = sfs_sqlite_index_clear,
};

void sfs_sqlite_run_begin(struct sfs_sqlite_transaction *transaction,
                          struct sfs_sqlite_run *ret_run)
{
    *ret_run = (struct sfs_sqlite_run){
        .run = {.operations = &sfs_sqlite_apply_operations,
                .sequence = (uint64_t)transaction->state.sequence + 1,
                .key_max = SFS_KEY_MAX,
                .next_id = (uint64_t)transaction->state.last_id + 1},
        .transaction = transaction,
    };
}

void sfs_sqlite_run_end(struct sfs_sqlite_run *run)
{
    sfs_record_unref(run->made);
    sfs_sqlite_recall_drop(run);
    sfs_sqlite_index_forget(run);
}
