/* SPDX-License-Identifier: MIT */
/*
 * The fault layer: makes calls fail from a chosen one on, to see what those above do about it. The
 * steps of a cursor count as reads. It hides the overrides below, so that nothing passes it by.
 */
#include <pthread.h>
#include <stdlib.h>

#include "storefs/backend.h"
#include "storefs/layers.h"

struct fault {
    struct sfs_storage storage;
    pthread_mutex_t lock;
    struct sfs_fault_options options; /* `after` counts down */
};

static struct fault *fault_of(struct sfs_storage *store)
{
    return (struct fault *)store;
}

/* 0, or the code with which a call of this kind is to fail now. */
static int strike(struct fault *self, unsigned calls, struct sfs_error *error)
{
    pthread_mutex_lock(&self->lock);
    bool meant = self->options.calls & calls;
    bool due = meant && self->options.after == 0;
    if (meant && !due)
        self->options.after--;
    int code = self->options.code;
    pthread_mutex_unlock(&self->lock);
    return due ? sfs_fail(error, code, "fault", "a failure was asked for (%s)", sfs_code_name(code))
               : 0;
}

static int fault_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_READ, error);
    return code ? code : sfs_get(store->below, name, want, ret_record, error);
}

static int fault_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_READ, error);
    return code ? code
                : sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
}

struct fault_cursor {
    struct sfs_cursor cursor;
    struct sfs_cursor *below;
    struct fault *fault;
};

static struct fault_cursor *fault_cursor_of(struct sfs_cursor *cursor)
{
    return (struct fault_cursor *)cursor;
}

static int cursor_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    int code = strike(fault_cursor_of(cursor)->fault, SFS_FAULT_READ, error);
    return code ? code : sfs_cursor_next(fault_cursor_of(cursor)->below, ret_record, error);
}

static int cursor_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    int code = strike(fault_cursor_of(cursor)->fault, SFS_FAULT_READ, error);
    return code ? code : sfs_cursor_seek(fault_cursor_of(cursor)->below, name, error);
}

static void cursor_close(struct sfs_cursor *cursor)
{
    sfs_cursor_close(fault_cursor_of(cursor)->below);
    free(cursor);
}

static const struct sfs_cursor_operations cursor_operations = {
    .next = cursor_next,
    .seek = cursor_seek,
    .close = cursor_close,
};

static int fault_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_READ, error);
    if (code)
        return code;
    struct fault_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "fault");
    code = sfs_scan(store->below, range, want, &self->below, error);
    if (code) {
        free(self);
        return code;
    }
    self->cursor.operations = &cursor_operations;
    self->fault = fault_of(store);
    *ret_cursor = &self->cursor;
    return 0;
}

static int fault_apply(struct sfs_storage *store, struct sfs_batch *batch,
                       const struct sfs_apply_options *options, uint64_t *ret_sequence,
                       struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_WRITE, error);
    return code ? code : sfs_apply(store->below, batch, options, ret_sequence, error);
}

static int fault_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                       struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_WRITE, error);
    return code ? code : sfs_stage_open(store->below, ret_stage, error);
}

static int fault_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_WRITE, error);
    return code ? code : sfs_sync(store->below, sequence, error);
}

static int fault_sequence(struct sfs_storage *store, uint64_t *ret_sequence,
                          struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_TIME, error);
    return code ? code : sfs_sequence(store->below, ret_sequence, error);
}

static int fault_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                          struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_TIME, error);
    return code ? code : sfs_snapshot(store->below, lease_ms, ret_snapshot, error);
}

static int fault_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                         struct sfs_error *error)
{
    int code = strike(fault_of(store), SFS_FAULT_TIME, error);
    return code ? code : sfs_changes(store->below, since, ret_feed, error);
}

static int fault_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    pthread_mutex_destroy(&fault_of(store)->lock);
    free(store);
    return 0;
}

static const struct sfs_read_operations read_operations = {
    .get = fault_get,
    .read = fault_read,
    .scan = fault_scan,
};
static const struct sfs_write_operations write_operations = {
    .apply = fault_apply,
    .stage = fault_stage,
    .sync = fault_sync,
};
static const struct sfs_time_operations time_operations = {
    .sequence = fault_sequence,
    .snapshot = fault_snapshot,
    .changes = fault_changes,
};
static const struct sfs_storage_operations fault_operations = {
    .name = "fault",
    .read = &read_operations,
    .write = &write_operations,
    .time = &time_operations,
    .hides = SFS_OVERRIDE_ANSWER | SFS_OVERRIDE_UPKEEP, /* nothing passes that could not fail */
    .close = fault_close,
};

static int check_options(const struct sfs_fault_options *options, struct sfs_error *error)
{
    if (!options || options->calls == 0 || options->code < 0)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "fault", "%d is no error code to fail with",
                    options->code);
}

int sfs_fault_layer(struct sfs_storage **ret_store, struct sfs_storage *below,
                    const struct sfs_fault_options *options, struct sfs_error *error)
{
    int code = check_options(options, error);
    if (code)
        return code;
    struct fault *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "fault");
    code = sfs_layer_init(&self->storage, &fault_operations, below, error);
    if (code) {
        free(self);
        return code;
    }
    self->storage.read_only = below->read_only;
    pthread_mutex_init(&self->lock, NULL);
    self->options = options ? *options : (struct sfs_fault_options){0};
    *ret_store = &self->storage;
    return 0;
}

void sfs_fault_set(struct sfs_storage *layer, const struct sfs_fault_options *options)
{
    struct fault *self = fault_of(layer);
    bool good = check_options(options, NULL) == 0;
    pthread_mutex_lock(&self->lock);
    self->options = options && good ? *options : (struct sfs_fault_options){0};
    pthread_mutex_unlock(&self->lock);
}
