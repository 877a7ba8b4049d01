/* SPDX-License-Identifier: MIT */
/*
 * Making and dropping indexes. One that is made is in the set from the first transaction on, so
 * that every writer keeps it, in this process and others; its entries are made in bounded
 * transactions, with the write connection let go between them. Who builds is noted, so that what a
 * dead process has begun is dropped. One that is dropped is out of the set at once; its entries go
 * later, in bounded steps.
 */
#include "backends/sqlite/index.h"

#include "util/clock.h"

#define STEP 1000  /* records looked at in one transaction */
#define PRUNE 4000 /* entries removed in one */

struct creation {
    struct sfs_sqlite *store;
    const struct sfs_index *index; /* with its id, once it is there; a reference */
    struct sfs_buffer after;       /* up to this name all is done */
    struct sfs_buffer next;        /* and will be, when the step is committed */
    uint64_t seen;
    uint64_t step;
    uint64_t total;
};

/* The set changes with this commit; it counts as one. */
static int mark_changed(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    transaction->state.indexes = ++transaction->state.sequence;
    return sfs_sqlite_run(transaction->connection, SFS_SQL_INDEXES_CHANGED, error, 1,
                          transaction->state.indexes);
}

static int find_in(const struct sfs_sqlite_transaction *transaction, uint64_t id,
                   struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    int code = sfs_sqlite_index_set_in(transaction, &set, error);
    bool found = false;
    for (size_t i = 0; set && i < set->count; i++)
        found |= set->indexes[i]->id == id;
    sfs_index_set_unref(set);
    return code ? code : found;
}

/* --- making --- */

static int64_t expiry(const struct sfs_sqlite_transaction *transaction)
{
    return transaction->now + SFS_SQLITE_LEASE;
}

static int insert(struct sfs_sqlite_transaction *transaction, const char *name,
                  struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code =
        sfs_sqlite_statement(transaction->connection, SFS_SQL_INDEX_BEGIN, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, transaction->state.sequence);
    sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, transaction->store->owner, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, expiry(transaction));
    return sfs_sqlite_step(transaction->connection, statement, error);
}

static int begin_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    struct creation *creation = context;
    const struct sfs_index *asked = creation->index, *index = NULL;
    struct sfs_index_set *set = NULL;
    int code = sfs_sqlite_index_set_in(transaction, &set, error);
    const struct sfs_index *present = code ? NULL : sfs_index_set_find(set, asked->fields);
    if (present)
        code = sfs_fail(error, SFS_E_EXISTS, "index", "there is an index '%s'", present->name);
    sfs_index_set_unref(set);
    if (code == 0)
        code = mark_changed(transaction, error);
    if (code == 0)
        code = insert(transaction, asked->name, error);
    if (code == 0)
        code = sfs_index_new(sfs_string(asked->name), (uint64_t)transaction->state.sequence, false,
                             &index, error);
    if (code == 0) {
        sfs_index_unref(asked);
        creation->index = index;
    }
    return code;
}

static int require(const struct sfs_sqlite_transaction *transaction, const struct sfs_index *index,
                   struct sfs_error *error)
{
    int found = find_in(transaction, index->id, error);
    if (found == 0)
        return sfs_fail(error, SFS_E_CANCELLED, "index",
                        "the index '%s' was dropped while it was being built", index->name);
    return found < 0 ? found : 0;
}

static int build_step(struct sfs_sqlite_transaction *transaction, struct creation *creation,
                      struct sfs_error *error)
{
    struct sfs_sqlite_run run;
    sfs_sqlite_run_begin(transaction, &run);
    int code =
        sfs_index_build(&run.run, creation->index, STEP, &creation->next, &creation->step, error);
    if (code == 0)
        code = sfs_sqlite_index_flush(&run, error);
    sfs_sqlite_run_end(&run);
    return code;
}

static int step_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    struct creation *creation = context;
    creation->next.size = 0;
    creation->total = (uint64_t)transaction->state.records;
    int code = require(transaction, creation->index, error);
    if (code == 0 && sfs_buffer_add(&creation->next, sfs_buffer_bytes(&creation->after)))
        code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (code == 0)
        code = build_step(transaction, creation, error);
    if (code == 0)
        code = sfs_sqlite_run(transaction->connection, SFS_SQL_INDEX_BUILT, error, 3,
                              (int64_t)creation->index->id,
                              (int64_t)(creation->seen + creation->step), expiry(transaction));
    return code;
}

static int finish_work(struct sfs_sqlite_transaction *transaction, void *context,
                       struct sfs_error *error)
{
    const struct creation *creation = context;
    int code = require(transaction, creation->index, error);
    if (code == 0)
        code = mark_changed(transaction, error);
    return code ? code
                : sfs_sqlite_run(transaction->connection, SFS_SQL_INDEX_READY, error, 2,
                                 (int64_t)creation->index->id, transaction->state.sequence);
}

static int tell(const struct creation *creation, sfs_progress_function *progress, void *context,
                struct sfs_error *error)
{
    uint64_t total = creation->total > creation->seen ? creation->total : creation->seen;
    if (!progress || progress(context, creation->seen, total) == 0)
        return 0;
    return sfs_fail(error, SFS_E_CANCELLED, "index",
                    "the index '%s' was not made: stopped as asked", creation->index->name);
}

static int build(struct creation *creation, sfs_progress_function *progress, void *context,
                 struct sfs_error *error)
{
    int code = 0;
    bool more = true;
    while (code == 0 && more) {
        code = sfs_sqlite_transact(creation->store, step_work, creation, error);
        if (code)
            break;
        struct sfs_buffer done = creation->after;
        creation->after = creation->next;
        creation->next = done;
        creation->seen += creation->step;
        more = creation->step == STEP;
        code = tell(creation, progress, context, error);
    }
    return code ? code : sfs_sqlite_transact(creation->store, finish_work, creation, error);
}

int sfs_sqlite_index_create(struct sfs_storage *base, const struct sfs_index *index,
                            sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    struct creation creation = {.store = sfs_sqlite_of(base), .index = sfs_index_ref(index)};
    int code = sfs_sqlite_transact(creation.store, begin_work, &creation, error);
    if (code == 0) {
        code = build(&creation, progress, context, error);
        int dropped = code ? sfs_sqlite_index_drop(base, creation.index->id, NULL) : 0;
        /* As on a full disk: the housekeeper goes on trying; and what this process cannot do is
         * done when nobody has gone on with the index for some time. */
        if (dropped < 0 && dropped != SFS_E_NOT_FOUND)
            creation.store->forsaken = creation.index->id;
    }
    sfs_buffer_free(&creation.after);
    sfs_buffer_free(&creation.next);
    sfs_index_unref(creation.index);
    return code;
}

/* --- dropping --- */

static int drop_work(struct sfs_sqlite_transaction *transaction, void *context,
                     struct sfs_error *error)
{
    const uint64_t *id = context;
    int found = find_in(transaction, *id, error);
    if (found == 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, "index", "there is no such index any more");
    int code = found < 0 ? found : mark_changed(transaction, error);
    return code ? code
                : sfs_sqlite_run(transaction->connection, SFS_SQL_INDEX_END, error, 2, (int64_t)*id,
                                 transaction->state.sequence);
}

int sfs_sqlite_index_drop(struct sfs_storage *base, uint64_t id, struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    int code = sfs_sqlite_transact(store, drop_work, &id, error);
    if (code == 0)
        sfs_sqlite_keeper_ask(store);
    return code;
}

void sfs_sqlite_index_forsake(struct sfs_sqlite *store)
{
    uint64_t id = store->forsaken;
    if (id == 0)
        return;
    int code = sfs_sqlite_index_drop(&store->storage, id, NULL);
    if (code == 0 || code == SFS_E_NOT_FOUND)
        (void)atomic_compare_exchange_strong(&store->forsaken, &id, 0);
}

int sfs_sqlite_index_abandon(struct sfs_sqlite_transaction *transaction, const char *owner,
                             struct sfs_error *error)
{
    sqlite3_stmt *statement;
    if (transaction->state.indexes <= 0)
        return 0;
    int code =
        sfs_sqlite_statement(transaction->connection, SFS_SQL_INDEX_ABANDON, &statement, error);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, transaction->state.sequence + 1);
    sqlite3_bind_text(statement, 2, owner, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, transaction->now);
    code = sfs_sqlite_step(transaction->connection, statement, error);
    if (code == 0 && sqlite3_changes(transaction->connection->db) > 0)
        code = mark_changed(transaction, error);
    return code;
}

int sfs_sqlite_index_prune(struct sfs_sqlite_transaction *transaction, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = transaction->connection;
    int64_t id;
    if (transaction->state.indexes <= 0)
        return 0;
    int code = sfs_sqlite_index_abandon(transaction, NULL, error);
    if (code)
        return code;
    int found = sfs_sqlite_integers(connection, SFS_SQL_INDEX_ENDED, &transaction->state.kept, 1,
                                    &id, 1, error);
    if (found <= 0)
        return found;
    code = sfs_sqlite_run(connection, SFS_SQL_INDEX_PRUNE_SOME, error, 2, id, (int64_t)PRUNE);
    if (code)
        return code;
    transaction->more_garbage = true;
    if (sqlite3_changes(connection->db) > 0)
        return 0;
    code = sfs_sqlite_run(connection, SFS_SQL_INDEX_PRUNE_ALL, error, 1, id);
    return code ? code : sfs_sqlite_run(connection, SFS_SQL_INDEX_FORGET, error, 1, id);
}
