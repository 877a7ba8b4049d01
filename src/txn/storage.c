/* SPDX-License-Identifier: MIT */
/*
 * The store that a transaction shows: reads go through the present view, writes to the write set.
 */
#include <stdlib.h>

#include "txn/index.h"
#include "txn/recorder.h"

int sfs_txn_no_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error)
{
    (void)store;
    (void)since;
    (void)ret_feed;
    return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                    "a transaction has no change feed; follow the store's own");
}

static struct sfs_transaction *transaction_of(struct sfs_storage *store)
{
    return ((struct sfs_txn_storage *)store)->transaction;
}

/* --- read --- */

static int begin_read(struct sfs_storage *store, struct sfs_txn_view *view, struct sfs_error *error)
{
    struct sfs_transaction *transaction = transaction_of(store);
    int code = sfs_txn_use(transaction, false, error);
    if (code)
        return code;
    view->base = transaction->base;
    view->live = sfs_txn_is_live(transaction);
    sfs_txn_share(transaction, &view->writes);
    return 0;
}

static int txn_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_read(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_view_get(&view, name, want, ret_record, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int txn_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                    uint64_t offset, void *data, size_t size, size_t *ret_size,
                    struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_read(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_view_read(&view, name, revision, offset, data, size, ret_size, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int share_present(void *context, uint64_t *generation, struct sfs_txn_writes *writes,
                         struct sfs_error *error)
{
    struct sfs_transaction *transaction = context;
    int code = sfs_txn_use(transaction, false, error);
    if (code)
        return code;
    pthread_mutex_lock(&transaction->lock);
    if (*generation != transaction->generation) {
        *generation = transaction->generation;
        sfs_txn_writes_share(&transaction->writes, writes);
    }
    pthread_mutex_unlock(&transaction->lock);
    return 0;
}

static int txn_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                    struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_transaction *transaction = transaction_of(store);
    return sfs_txn_scan(transaction->base, share_present, transaction, range, want, ret_cursor,
                        error);
}

static const struct sfs_read_operations txn_read_operations = {
    .get = txn_get,
    .read = txn_read,
    .scan = txn_scan,
};

/* --- write --- */

static int fail_read_only(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_READ_ONLY, "transaction",
                    "the transaction was begun to read only: begin another to change something");
}

static int txn_apply(struct sfs_storage *store, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, uint64_t *ret_sequence,
                     struct sfs_error *error)
{
    struct sfs_transaction *transaction = transaction_of(store);
    if (transaction->options.read_only)
        return fail_read_only(error);
    sfs_apply_publish(options); /* (the commit is what becomes durable) */
    pthread_mutex_lock(&transaction->writer);
    int code = sfs_txn_use(transaction, true, error);
    if (code == 0)
        code = sfs_txn_apply(transaction, batch, ret_sequence, error);
    pthread_mutex_unlock(&transaction->writer);
    return code;
}

static int txn_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                     struct sfs_error *error)
{
    struct sfs_transaction *transaction = transaction_of(store);
    if (transaction->options.read_only)
        return fail_read_only(error);
    int code = sfs_txn_use(transaction, true, error);
    return code ? code : sfs_txn_stage_new(transaction, ret_stage, error);
}

static int txn_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    (void)sequence; /* nothing is to be on disk before the commit */
    return sfs_txn_use(transaction_of(store), false, error);
}

static const struct sfs_write_operations txn_write_operations = {
    .apply = txn_apply,
    .stage = txn_stage,
    .sync = txn_sync,
};

/* --- time --- */

static int txn_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error)
{
    struct sfs_transaction *transaction = transaction_of(store);
    int code = sfs_txn_use(transaction, false, error);
    if (code)
        return code;
    pthread_mutex_lock(&transaction->lock);
    uint64_t sequence = transaction->last_revision;
    pthread_mutex_unlock(&transaction->lock);
    if (sfs_txn_is_live(transaction) && sequence < SFS_TXN_PROVISIONAL)
        return sfs_sequence(transaction->store, ret_sequence, error);
    *ret_sequence = sequence;
    return 0;
}

static int txn_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                        struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    (void)lease_ms; /* it lives as long as the transaction */
    struct sfs_transaction *transaction = transaction_of(store);
    struct sfs_storage *own = NULL;
    struct sfs_txn_writes writes;
    int code = sfs_txn_use(transaction, false, error);
    if (code == 0 && sfs_txn_is_live(transaction))
        code = sfs_snapshot(transaction->store, transaction->options.idle_ms, &own, error);
    if (code)
        return code;
    pthread_mutex_lock(&transaction->lock);
    sfs_txn_writes_share(&transaction->writes, &writes);
    uint64_t sequence = transaction->last_revision;
    pthread_mutex_unlock(&transaction->lock);
    if (own && sequence < SFS_TXN_PROVISIONAL)
        code = sfs_sequence(own, &sequence, error);
    if (code) {
        sfs_txn_writes_clear(&writes);
        sfs_close(own, NULL);
        return code;
    }
    return sfs_txn_snapshot_new(transaction, own, &writes, sequence, ret_snapshot, error);
}

static int txn_push_down(struct sfs_storage *store, const struct sfs_query *query,
                         struct sfs_push_down *ret_taken, struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_read(store, &view, error);
    return code ? code
                : sfs_txn_push_down(transaction_of(store), &view.writes, query, ret_taken, error);
}

static const struct sfs_time_operations txn_time_operations = {
    .sequence = txn_sequence,
    .snapshot = txn_snapshot,
    .changes = sfs_txn_no_changes,
};

/* The store is a part of its transaction and goes with it. */
static int txn_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)store;
    (void)error;
    return 0;
}

static int txn_exists(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                      struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_read(store, &view, error);
    return code ? code : sfs_txn_exists(transaction_of(store), &view, ranges, count, error);
}

static int txn_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                      struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_read(store, &view, error);
    return code ? code : sfs_txn_totals(transaction_of(store), &view, ret_totals, error);
}

/* --- indexes: queries read a snapshot; here is what can be told without one --- */

static int txn_index_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                         struct sfs_error *error)
{
    struct sfs_txn_view view;
    *ret_set = NULL;
    if (!(store->capabilities & SFS_CAN_SNAPSHOT) || transaction_of(store)->recorder)
        return 0;
    int code = begin_read(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_index_set(&view, ret_set, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int txn_index_stats(struct sfs_storage *store, const struct sfs_index *index,
                           struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    struct sfs_storage *view = NULL;
    int code = txn_snapshot(store, 0, &view, error);
    if (code)
        return code;
    code = view->operations->override->index->stats(view, index, ret_stats, error);
    (void)sfs_close(view, NULL);
    return code;
}

static int txn_index_count(struct sfs_storage *store, const struct sfs_index *index,
                           struct sfs_range range, uint64_t most, uint64_t *ret_count,
                           struct sfs_error *error)
{
    struct sfs_storage *view = NULL;
    int code = txn_snapshot(store, 0, &view, error);
    if (code)
        return code;
    code = view->operations->override->index->count(view, index, range, most, ret_count, error);
    (void)sfs_close(view, NULL);
    return code;
}

static int txn_index_scan(struct sfs_storage *store, const struct sfs_index *index,
                          struct sfs_range range, bool descending, unsigned want,
                          struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    (void)store;
    (void)range;
    (void)descending;
    (void)want;
    (void)ret_cursor;
    return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                    "the index '%s' is read from a snapshot of the transaction", index->name);
}

static const struct sfs_index_operations txn_index_operations = {
    .set = txn_index_set,
    .stats = txn_index_stats,
    .create = sfs_txn_index_create,
    .drop = sfs_txn_index_drop,
    .scan = txn_index_scan,
    .count = txn_index_count,
};

static const struct sfs_override_operations txn_overrides = {
    .index = &txn_index_operations,
    .exists = txn_exists,
    .push_down = txn_push_down,
    .totals = txn_totals,
};
static const struct sfs_storage_operations txn_operations = {
    .name = "transaction",
    .override = &txn_overrides,
    .hides = SFS_OVERRIDE_ANSWER | SFS_OVERRIDE_UPKEEP, /* the base lacks the write set */
    .read = &txn_read_operations,
    .write = &txn_write_operations,
    .time = &txn_time_operations,
    .close = txn_close,
};

struct sfs_transaction *sfs_txn_around(struct sfs_storage *store)
{
    while (store && store->operations != &txn_operations)
        store = store->below;
    return store ? transaction_of(store) : NULL;
}

/* A transaction inside another gives ids that the outer one does not. */
static uint64_t nesting(const struct sfs_transaction *transaction)
{
    uint64_t depth = 0;
    while ((transaction = transaction->parent))
        depth++;
    return depth;
}

int sfs_txn_storage_init(struct sfs_transaction *transaction, struct sfs_error *error)
{
    struct sfs_storage *storage = &transaction->storage.storage;
    int code = sfs_layer_init(storage, &txn_operations, transaction->base, error);
    if (code)
        return code;
    storage->borrowed_below = true;
    storage->read_only = transaction->store->read_only;
    storage->capabilities = transaction->store->capabilities & SFS_CAN_SNAPSHOT;
    storage->key_max = transaction->store->key_max;
    storage->location = transaction->store->location;
    transaction->storage.transaction = transaction;
    transaction->last_id = SFS_TXN_PROVISIONAL + (nesting(transaction) << 48);
    return 0;
}
