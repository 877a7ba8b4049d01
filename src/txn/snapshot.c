/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a transaction's store: views that stay as they are, as read-only stores.
 */
#include <stdlib.h>

#include "txn/index.h"
#include "txn/recorder.h"

struct sfs_txn_view_storage {
    struct sfs_storage storage;
    struct sfs_transaction *transaction;
    struct sfs_storage *base; /* the transaction's, or a snapshot made for this view: storage.below */
    struct sfs_txn_writes writes; /* shared from under the transaction's lock */
    struct sfs_txn_indexes indexes;
    bool unrecorded; /* over the snapshot of a transaction that records: who reads notes it */
    uint64_t sequence;
    struct sfs_txn_view_storage *next; /* of the transaction's open views */
    struct sfs_txn_view_storage **previous;
};

static struct sfs_txn_view_storage *view_storage_of(struct sfs_storage *store)
{
    return (struct sfs_txn_view_storage *)store;
}

/* Sharing is a change of what is shared from. */
static void share(struct sfs_txn_view_storage *self, struct sfs_txn_writes *ret_writes)
{
    pthread_mutex_lock(&self->transaction->lock);
    sfs_txn_writes_share(&self->writes, ret_writes);
    pthread_mutex_unlock(&self->transaction->lock);
}

static int begin_view(struct sfs_storage *store, struct sfs_txn_view *view, struct sfs_error *error)
{
    struct sfs_txn_view_storage *self = view_storage_of(store);
    int code = sfs_txn_use(self->transaction, false, error);
    if (code)
        return code;
    view->base = self->base;
    view->live = false;
    share(self, &view->writes);
    return 0;
}

static int view_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_view_get(&view, name, want, ret_record, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int view_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                     uint64_t offset, void *data, size_t size, size_t *ret_size,
                     struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_view_read(&view, name, revision, offset, data, size, ret_size, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int share_view(void *context, uint64_t *generation, struct sfs_txn_writes *writes,
                      struct sfs_error *error)
{
    struct sfs_txn_view_storage *self = context;
    int code = sfs_txn_use(self->transaction, false, error);
    if (code || *generation)
        return code;
    share(self, writes);
    *generation = 1;
    return 0;
}

static int view_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_txn_view_storage *self = view_storage_of(store);
    return sfs_txn_scan(self->base, share_view, self, range, want, ret_cursor, error);
}

static int view_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error)
{
    (void)error;
    *ret_sequence = view_storage_of(store)->sequence;
    return 0;
}

static int view_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                         struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    (void)lease_ms; /* it lives as long as the transaction */
    struct sfs_txn_view_storage *self = view_storage_of(store);
    struct sfs_txn_view view;
    struct sfs_storage *own = NULL;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    if (!self->storage.borrowed_below)
        code = sfs_snapshot(self->base, self->transaction->options.idle_ms, &own, error);
    if (code) {
        sfs_txn_writes_clear(&view.writes);
        return code;
    }
    return sfs_txn_snapshot_new(self->transaction, own, &view.writes, self->sequence, ret_snapshot,
                                error);
}

static int view_push_down(struct sfs_storage *store, const struct sfs_query *query,
                          struct sfs_push_down *ret_taken, struct sfs_error *error)
{
    struct sfs_txn_view view;
    if (view_storage_of(store)->unrecorded)
        return 0;
    int code = begin_view(store, &view, error);
    return code ? code
                : sfs_txn_push_down(view_storage_of(store)->transaction, &view.writes, query,
                                    ret_taken, error);
}

/* Closed by whoever opened it, before the transaction is freed. */
static int view_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    struct sfs_txn_view_storage *self = view_storage_of(store);
    pthread_mutex_lock(&self->transaction->lock);
    *self->previous = self->next;
    if (self->next)
        self->next->previous = self->previous;
    pthread_mutex_unlock(&self->transaction->lock);
    sfs_txn_indexes_free(&self->indexes);
    sfs_txn_writes_clear(&self->writes);
    free(self);
    return 0;
}

bool sfs_txn_share_past(struct sfs_transaction *transaction, uint64_t sequence,
                        struct sfs_txn_writes *ret_writes)
{
    pthread_mutex_lock(&transaction->lock);
    struct sfs_txn_view_storage *view = transaction->views;
    while (view && view->sequence != sequence)
        view = view->next;
    if (view)
        sfs_txn_writes_share(&view->writes, ret_writes);
    pthread_mutex_unlock(&transaction->lock);
    return view != NULL;
}

static const struct sfs_read_operations view_read_operations = {
    .get = view_get,
    .read = view_read,
    .scan = view_scan,
};
static const struct sfs_time_operations view_time_operations = {
    .sequence = view_sequence,
    .snapshot = view_snapshot,
    .changes = sfs_txn_no_changes,
};
static int view_exists(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                       struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    return code ? code
                : sfs_txn_exists(view_storage_of(store)->transaction, &view, ranges, count, error);
}

static int view_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                       struct sfs_error *error)
{
    struct sfs_txn_view_storage *self = view_storage_of(store);
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    view.live = sfs_txn_is_live(self->transaction);
    return sfs_txn_totals(self->transaction, &view, ret_totals, error);
}

/* --- indexes --- */

static int view_index_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                          struct sfs_error *error)
{
    struct sfs_txn_view_storage *self = view_storage_of(store);
    struct sfs_txn_view view;
    *ret_set = NULL;
    /* What an index is asked cannot be recorded as it is; push_down records the filters. */
    if (self->transaction->recorder && !self->unrecorded)
        return 0;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_index_set(&view, ret_set, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int view_index_stats(struct sfs_storage *store, const struct sfs_index *index,
                            struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_index_stats(&view, &view_storage_of(store)->indexes, index, ret_stats, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int view_index_count(struct sfs_storage *store, const struct sfs_index *index,
                            struct sfs_range range, uint64_t most, uint64_t *ret_count,
                            struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_index_count(&view, &view_storage_of(store)->indexes, index, range, most,
                               ret_count, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static int view_index_scan(struct sfs_storage *store, const struct sfs_index *index,
                           struct sfs_range range, bool descending, unsigned want,
                           struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_txn_view view;
    int code = begin_view(store, &view, error);
    if (code)
        return code;
    code = sfs_txn_index_scan(&view, &view_storage_of(store)->indexes, index, range, descending,
                              want, ret_cursor, error);
    sfs_txn_writes_clear(&view.writes);
    return code;
}

static const struct sfs_index_operations view_index_operations = {
    .set = view_index_set,
    .stats = view_index_stats,
    .create = sfs_txn_index_create,
    .drop = sfs_txn_index_drop,
    .scan = view_index_scan,
    .count = view_index_count,
};

static const struct sfs_override_operations view_overrides = {
    .index = &view_index_operations,
    .exists = view_exists,
    .push_down = view_push_down,
    .totals = view_totals,
};
static const struct sfs_storage_operations view_operations = {
    .name = "transaction view",
    .read = &view_read_operations,
    .time = &view_time_operations,
    .override = &view_overrides,
    .hides = SFS_OVERRIDE_ANSWER | SFS_OVERRIDE_UPKEEP, /* the base lacks the write set */
    .close = view_close,
};

static void enlist(struct sfs_transaction *transaction, struct sfs_txn_view_storage *self)
{
    pthread_mutex_lock(&transaction->lock);
    self->next = transaction->views;
    self->previous = &transaction->views;
    if (self->next)
        self->next->previous = &self->next;
    transaction->views = self;
    pthread_mutex_unlock(&transaction->lock);
}

static int view_new(struct sfs_transaction *transaction, struct sfs_storage *own,
                    struct sfs_storage *base, struct sfs_txn_writes *writes, uint64_t sequence,
                    struct sfs_txn_view_storage **ret_view, struct sfs_error *error)
{
    struct sfs_txn_view_storage *self = calloc(1, sizeof(*self));
    int code = self ? sfs_layer_init(&self->storage, &view_operations, base, error)
                    : sfs_fail_memory(error, "transaction");
    if (code) {
        sfs_txn_writes_clear(writes);
        sfs_close(own, NULL);
        free(self);
        return code;
    }
    self->storage.borrowed_below = !own;
    self->storage.read_only = true;
    self->storage.capabilities = SFS_CAN_SNAPSHOT;
    self->storage.lease = sfs_snapshot_lease(base);
    self->transaction = transaction;
    self->base = base;
    self->writes = *writes;
    self->sequence = sequence;
    sfs_txn_indexes_init(&self->indexes);
    enlist(transaction, self);
    *ret_view = self;
    return 0;
}

int sfs_txn_snapshot_new(struct sfs_transaction *transaction, struct sfs_storage *own,
                         struct sfs_txn_writes *writes, uint64_t sequence,
                         struct sfs_storage **ret_store, struct sfs_error *error)
{
    struct sfs_txn_view_storage *view = NULL;
    int code = view_new(transaction, own, own ? own : transaction->base, writes, sequence, &view,
                        error);
    if (code == 0)
        *ret_store = &view->storage;
    return code;
}

int sfs_txn_unrecorded_new(struct sfs_transaction *transaction,
                           const struct sfs_txn_writes *writes, struct sfs_storage **ret_store,
                           struct sfs_error *error)
{
    struct sfs_txn_view_storage *view = NULL;
    struct sfs_txn_writes share;
    sfs_txn_writes_share(writes, &share);
    /* No sequence number: nothing asks for this state later. */
    int code = view_new(transaction, NULL, transaction->snapshot, &share, UINT64_MAX, &view, error);
    if (code)
        return code;
    view->unrecorded = true;
    *ret_store = &view->storage;
    return 0;
}
