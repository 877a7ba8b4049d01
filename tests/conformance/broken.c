/* SPDX-License-Identifier: MIT */
/* See broken.h. */
#include "tests/conformance/broken.h"

struct broken {
    struct sfs_storage storage;
    uint64_t count;
    bool spoil_value;
};

static struct broken *broken_of(struct sfs_storage *store)
{
    return (struct broken *)store;
}

static int broken_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static struct sfs_storage *make(const struct sfs_storage_operations *operations,
                                struct sfs_storage *below)
{
    struct broken *broken = calloc(1, sizeof(*broken));
    if (!broken || sfs_layer_init(&broken->storage, operations, below, NULL))
        abort();
    return &broken->storage;
}

/* --- writes --- */

static int pass_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                      struct sfs_error *error)
{
    return sfs_stage_open(store->below, ret_stage, error);
}

static int pass_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    return sfs_sync(store->below, sequence, error);
}

/* Makes one deletion the clearing of an empty range for the time of the call. */
static int losing_apply(struct sfs_storage *store, struct sfs_batch *batch,
                        const struct sfs_apply_options *options, uint64_t *ret_sequence,
                        struct sfs_error *error)
{
    size_t count;
    struct sfs_operation *lost = NULL, *operations = sfs_batch_operations(batch, &count);
    for (size_t i = 0; i < count && !lost; i++) {
        if (operations[i].kind == SFS_OPERATION_DELETE && ++broken_of(store)->count % 100 == 0)
            lost = &operations[i];
    }
    if (lost) {
        lost->kind = SFS_OPERATION_CLEAR_RANGE;
        lost->target = lost->name;
    }
    int code = sfs_apply(store->below, batch, options, ret_sequence, error);
    if (lost) {
        lost->kind = SFS_OPERATION_DELETE;
        lost->target = (struct sfs_bytes){0};
        lost->affected = 1;
    }
    return code;
}

/* Applies the first operation of some batches alone when all together fail. */
static int half_apply(struct sfs_storage *store, struct sfs_batch *batch,
                      const struct sfs_apply_options *options, uint64_t *ret_sequence,
                      struct sfs_error *error)
{
    struct sfs_batch *half = NULL;
    int code = sfs_apply(store->below, batch, options, ret_sequence, error);
    if (code == 0 || ++broken_of(store)->count % 50)
        return code;
    if (sfs_batch_new(&half, NULL) || sfs_batch_add_operations(half, batch, NULL))
        abort();
    sfs_batch_cut(half, 1);
    (void)sfs_apply(store->below, half, NULL, NULL, NULL);
    sfs_batch_free(half);
    return code;
}

static const struct sfs_write_operations losing_write = {losing_apply, pass_stage, pass_sync};
static const struct sfs_write_operations half_write = {half_apply, pass_stage, pass_sync};

/* --- reads --- */

struct spoiled_cursor {
    struct sfs_cursor cursor;
    struct sfs_cursor *below;
    struct broken *broken;
    const struct sfs_record *shown;
};

static struct spoiled_cursor *spoiled_of(struct sfs_cursor *cursor)
{
    return (struct spoiled_cursor *)cursor;
}

static const struct sfs_record *spoil(const struct sfs_record *record, bool value)
{
    struct sfs_blob *blob = record->blob;
    struct sfs_bytes bytes = sfs_blob_bytes(blob);
    if (!value)
        return sfs_record_new(record->name, record->revision - 1, record->size, &record->attributes,
                              record->xattrs, blob);
    char *copy = malloc(bytes.size + 1);
    if (!copy)
        abort();
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size - 1] ^= 1;
    blob = sfs_blob_new(sfs_bytes(copy, bytes.size));
    const struct sfs_record *spoiled = sfs_record_new(record->name, record->revision, record->size,
                                                      &record->attributes, record->xattrs, blob);
    sfs_blob_unref(blob);
    free(copy);
    return spoiled;
}

static int spoiled_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct spoiled_cursor *self = spoiled_of(cursor);
    int code = sfs_cursor_next(self->below, ret_record, error);
    bool fit = code == 1 && (!self->broken->spoil_value || (*ret_record)->blob);
    if (fit && self->broken->spoil_value)
        fit = sfs_record_value(*ret_record).size > 0;
    if (!fit || ++self->broken->count % 2000)
        return code;
    sfs_record_unref(self->shown);
    self->shown = spoil(*ret_record, self->broken->spoil_value);
    *ret_record = self->shown;
    return code;
}

static int spoiled_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    return sfs_cursor_seek(spoiled_of(cursor)->below, name, error);
}

static void spoiled_close(struct sfs_cursor *cursor)
{
    sfs_cursor_close(spoiled_of(cursor)->below);
    sfs_record_unref(spoiled_of(cursor)->shown);
    free(cursor);
}

static int spoiled_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                        struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {spoiled_next, spoiled_seek,
                                                            spoiled_close};
    struct spoiled_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        abort();
    int code = sfs_scan(store->below, range, want, &self->below, error);
    if (code) {
        free(self);
        return code;
    }
    self->cursor.operations = &operations;
    self->broken = broken_of(store);
    *ret_cursor = &self->cursor;
    return 0;
}

static int pass_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(store->below, name, want, ret_record, error);
}

static int pass_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                     uint64_t offset, void *data, size_t size, size_t *ret_size,
                     struct sfs_error *error)
{
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
}

static const struct sfs_read_operations spoiled_read = {pass_get, pass_read, spoiled_scan};

/* --- time --- */

static int pass_sequence(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error)
{
    return sfs_sequence(store->below, ret_sequence, error);
}

static int pass_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                        struct sfs_error *error)
{
    return sfs_changes(store->below, since, ret_feed, error);
}

static int late_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                         struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    static const struct sfs_storage_operations operations = {.name = "late", .close = broken_close};
    (void)lease_ms;
    (void)error;
    *ret_snapshot = make(&operations, store->below);
    (*ret_snapshot)->borrowed_below = true;
    return 0;
}

static const struct sfs_time_operations late_time = {pass_sequence, late_snapshot, pass_changes};

struct sfs_storage *broken_loses_deletes(struct sfs_storage *below)
{
    static const struct sfs_storage_operations operations = {
        .name = "loses deletes", .write = &losing_write, .close = broken_close};
    return make(&operations, below);
}

struct sfs_storage *broken_half_batches(struct sfs_storage *below)
{
    static const struct sfs_storage_operations operations = {
        .name = "half batches", .write = &half_write, .close = broken_close};
    return make(&operations, below);
}

static const struct sfs_storage_operations spoiled_operations = {.name = "spoils records",
                                                                 .read = &spoiled_read,
                                                                 .hides = SFS_OVERRIDE_ANSWER,
                                                                 .close = broken_close};

struct sfs_storage *broken_stale_records(struct sfs_storage *below)
{
    return make(&spoiled_operations, below);
}

struct sfs_storage *broken_value_bytes(struct sfs_storage *below)
{
    struct sfs_storage *store = make(&spoiled_operations, below);
    broken_of(store)->spoil_value = true;
    return store;
}

struct sfs_storage *broken_snapshots(struct sfs_storage *below)
{
    static const struct sfs_storage_operations operations = {
        .name = "late snapshots", .time = &late_time, .close = broken_close};
    return make(&operations, below);
}
