/* SPDX-License-Identifier: MIT */
/*
 * The metrics layer: counts what passes through it and hands everything on. Counters are independent
 * of each other and never reset, so relaxed atomics are enough.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "storefs/backend.h"
#include "storefs/layers.h"
#include "util/clock.h"

enum call { GET, READ, SCAN, APPLY, STAGE, SYNC, SEQUENCE, SNAPSHOT, CHANGES, CALLS };
_Static_assert((int)CALLS == SFS_METRICS_CALLS, "one row for each call");

static const char *const call_names[CALLS] = {
    [GET] = "get",   [READ] = "read", [SCAN] = "scan",         [APPLY] = "apply",
    [STAGE] = "stage", [SYNC] = "sync", [SEQUENCE] = "sequence", [SNAPSHOT] = "snapshot",
    [CHANGES] = "changes",
};

struct counters {
    atomic_uint_least64_t calls;
    atomic_uint_least64_t failures;
    atomic_uint_least64_t bytes;
    atomic_uint_least64_t nanoseconds;
};

struct metrics {
    struct sfs_storage storage;
    struct counters rows[CALLS];
};

static struct counters *row_of(struct sfs_storage *store, enum call call)
{
    return &((struct metrics *)store)->rows[call];
}

static void add(atomic_uint_least64_t *counter, uint64_t number)
{
    atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

static void add_time(struct counters *row, uint64_t nanoseconds, int code)
{
    add(&row->nanoseconds, nanoseconds);
    if (code < 0 && code != SFS_E_NOT_FOUND)
        add(&row->failures, 1);
}

static void count_time(struct counters *row, int64_t begun, int code)
{
    add_time(row, (uint64_t)(sfs_clock_monotonic() - begun), code);
}

static int count(struct counters *row, int64_t begun, int code)
{
    add(&row->calls, 1);
    count_time(row, begun, code);
    return code;
}

static int metrics_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct counters *row = row_of(store, GET);
    int64_t begun = sfs_clock_monotonic();
    int code = count(row, begun, sfs_get(store->below, name, want, ret_record, error));
    if (code == 0)
        add(&row->bytes, sfs_record_value(*ret_record).size);
    return code;
}

static int metrics_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                        uint64_t offset, void *data, size_t size, size_t *ret_size,
                        struct sfs_error *error)
{
    struct counters *row = row_of(store, READ);
    int64_t begun = sfs_clock_monotonic();
    int code = count(row, begun, sfs_read(store->below, name, revision, offset, data, size,
                                          ret_size, error));
    if (code == 0)
        add(&row->bytes, *ret_size);
    return code;
}

/* --- the time and bytes of a scan are those of its steps too --- */

struct metrics_cursor {
    struct sfs_cursor cursor;
    struct sfs_cursor *below;
    struct counters *row;
};

static struct metrics_cursor *metrics_cursor_of(struct sfs_cursor *cursor)
{
    return (struct metrics_cursor *)cursor;
}

static int cursor_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct metrics_cursor *self = metrics_cursor_of(cursor);
    int64_t begun = sfs_clock_monotonic();
    int code = sfs_cursor_next(self->below, ret_record, error);
    count_time(self->row, begun, code);
    if (code == 1)
        add(&self->row->bytes, sfs_record_value(*ret_record).size);
    return code;
}

static int cursor_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    return sfs_cursor_seek(metrics_cursor_of(cursor)->below, name, error);
}

static void cursor_close(struct sfs_cursor *cursor)
{
    sfs_cursor_close(metrics_cursor_of(cursor)->below);
    free(cursor);
}

static const struct sfs_cursor_operations cursor_operations = {
    .next = cursor_next,
    .seek = cursor_seek,
    .close = cursor_close,
};

static int metrics_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                        struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct counters *row = row_of(store, SCAN);
    struct metrics_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "metrics");
    int64_t begun = sfs_clock_monotonic();
    int code = count(row, begun, sfs_scan(store->below, range, want, &self->below, error));
    if (code) {
        free(self);
        return code;
    }
    self->cursor.operations = &cursor_operations;
    self->row = row;
    *ret_cursor = &self->cursor;
    return 0;
}

/* --- write and time --- */

static uint64_t bytes_of(struct sfs_batch *batch)
{
    size_t size;
    uint64_t bytes = 0;
    const struct sfs_operation *operations = sfs_batch_operations(batch, &size);
    for (size_t i = 0; i < size; i++) {
        const struct sfs_operation *operation = &operations[i];
        bytes += operation->stage ? operation->stage->size : sfs_blob_bytes(operation->value).size;
    }
    return bytes;
}

static int metrics_apply(struct sfs_storage *store, struct sfs_batch *batch,
                         const struct sfs_apply_options *options, uint64_t *ret_sequence,
                         struct sfs_error *error)
{
    struct counters *row = row_of(store, APPLY);
    uint64_t bytes = bytes_of(batch); /* a stage is spent afterwards */
    int64_t begun = sfs_clock_monotonic();
    int code = count(row, begun, sfs_apply(store->below, batch, options, ret_sequence, error));
    if (code == 0)
        add(&row->bytes, bytes);
    return code;
}

static int metrics_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                         struct sfs_error *error)
{
    int64_t begun = sfs_clock_monotonic();
    return count(row_of(store, STAGE), begun, sfs_stage_open(store->below, ret_stage, error));
}

static int metrics_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    int64_t begun = sfs_clock_monotonic();
    return count(row_of(store, SYNC), begun, sfs_sync(store->below, sequence, error));
}

static int metrics_sequence(struct sfs_storage *store, uint64_t *ret_sequence,
                            struct sfs_error *error)
{
    int64_t begun = sfs_clock_monotonic();
    return count(row_of(store, SEQUENCE), begun, sfs_sequence(store->below, ret_sequence, error));
}

static int metrics_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                            struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    int64_t begun = sfs_clock_monotonic();
    return count(row_of(store, SNAPSHOT), begun,
                 sfs_snapshot(store->below, lease_ms, ret_snapshot, error));
}

static int metrics_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                           struct sfs_error *error)
{
    int64_t begun = sfs_clock_monotonic();
    return count(row_of(store, CHANGES), begun, sfs_changes(store->below, since, ret_feed, error));
}

static void metrics_observe_index_scan(struct sfs_storage *store, uint64_t nanoseconds, int code)
{
    struct counters *row = row_of(store, SCAN);
    add(&row->calls, 1);
    add_time(row, nanoseconds, code);
}

static int metrics_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static const struct sfs_read_operations read_operations = {
    .get = metrics_get,
    .read = metrics_read,
    .scan = metrics_scan,
};
static const struct sfs_write_operations write_operations = {
    .apply = metrics_apply,
    .stage = metrics_stage,
    .sync = metrics_sync,
};
static const struct sfs_time_operations time_operations = {
    .sequence = metrics_sequence,
    .snapshot = metrics_snapshot,
    .changes = metrics_changes,
};
static const struct sfs_storage_operations metrics_operations = {
    .name = "metrics",
    .read = &read_operations,
    .write = &write_operations,
    .time = &time_operations,
    .observe_index_scan = metrics_observe_index_scan,
    .close = metrics_close,
};

int sfs_metrics_layer(struct sfs_storage **ret_store, struct sfs_storage *below,
                      struct sfs_error *error)
{
    struct metrics *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "metrics");
    int code = sfs_layer_init(&self->storage, &metrics_operations, below, error);
    if (code) {
        free(self);
        return code;
    }
    self->storage.read_only = below->read_only;
    *ret_store = &self->storage;
    return 0;
}

static uint64_t number_of(atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void sfs_metrics_read(struct sfs_storage *layer, struct sfs_call_metrics *ret_rows)
{
    for (int call = 0; call < CALLS; call++) {
        struct counters *row = row_of(layer, (enum call)call);
        ret_rows[call] = (struct sfs_call_metrics){
            .name = call_names[call],
            .calls = number_of(&row->calls),
            .failures = number_of(&row->failures),
            .bytes = number_of(&row->bytes),
            .nanoseconds = number_of(&row->nanoseconds),
        };
    }
}
