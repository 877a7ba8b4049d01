/* SPDX-License-Identifier: MIT */
/* The layer that notes what a serializable transaction reads: names, and cursors as far as they
 * got. */
#include "txn/recorder.h"

#include <stdlib.h>

static struct sfs_txn_recorder *recorder_of(struct sfs_storage *store)
{
    return (struct sfs_txn_recorder *)store;
}

/* --- names --- */

static int note(struct sfs_txn_recorder *self, struct sfs_bytes name, int code,
                const struct sfs_record *record, struct sfs_error *error)
{
    if (code && code != SFS_E_NOT_FOUND)
        return 0;
    return sfs_txn_reads_key(&self->reads, name, record ? record->revision : 0, error);
}

static int recorder_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                        const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_txn_recorder *self = recorder_of(store);
    const struct sfs_record *record = NULL;
    int code = sfs_get(self->storage.below, name, want, &record, error);
    int failed = note(self, name, code, record, error);
    if (failed) {
        sfs_record_unref(record);
        return failed;
    }
    if (code == 0)
        *ret_record = record;
    return code;
}

static int recorder_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                         uint64_t offset, void *data, size_t size, size_t *ret_size,
                         struct sfs_error *error)
{
    struct sfs_txn_recorder *self = recorder_of(store);
    if (!sfs_txn_reads_has(&self->reads, name)) {
        const struct sfs_record *record = NULL;
        int code = recorder_get(store, name, SFS_WANT_RECORD, &record, error);
        sfs_record_unref(record);
        if (code)
            return code;
    }
    return sfs_read(self->storage.below, name, revision, offset, data, size, ret_size, error);
}

/* --- ranges --- */

struct recorder_cursor {
    struct sfs_cursor cursor;
    struct sfs_txn_reads *reads;
    struct sfs_cursor *below;
    struct sfs_buffer from; /* where it began, or was sent last */
    struct sfs_buffer to;   /* empty: no bound */
};

static struct recorder_cursor *cursor_of(struct sfs_cursor *cursor)
{
    return (struct recorder_cursor *)cursor;
}

static int cursor_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct recorder_cursor *self = cursor_of(cursor);
    const struct sfs_record *record = NULL;
    int found = sfs_cursor_next(self->below, &record, error);
    if (found < 0)
        return found;
    struct sfs_bytes from = sfs_buffer_bytes(&self->from);
    int failed =
        found > 0 ? sfs_txn_reads_upto(self->reads, from, record->name, error)
                  : sfs_txn_reads_range(
                        self->reads, (struct sfs_range){from, sfs_buffer_bytes(&self->to)}, error);
    if (failed)
        return failed;
    if (found > 0)
        *ret_record = record;
    return found;
}

static int cursor_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    struct recorder_cursor *self = cursor_of(cursor);
    struct sfs_buffer from = {0};
    if (sfs_buffer_add(&from, name))
        return sfs_fail_memory(error, "transaction");
    int code = sfs_cursor_seek(self->below, name, error);
    if (code) {
        sfs_buffer_free(&from);
        return code;
    }
    sfs_buffer_free(&self->from);
    self->from = from;
    return 0;
}

static void cursor_close(struct sfs_cursor *cursor)
{
    struct recorder_cursor *self = cursor_of(cursor);
    sfs_cursor_close(self->below);
    sfs_buffer_free(&self->from);
    sfs_buffer_free(&self->to);
    free(self);
}

static const struct sfs_cursor_operations cursor_operations = {
    .next = cursor_next,
    .seek = cursor_seek,
    .close = cursor_close,
};

static int recorder_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                         struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_txn_recorder *recorder = recorder_of(store);
    struct recorder_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "transaction");
    self->cursor.operations = &cursor_operations;
    self->reads = &recorder->reads;
    int code = 0;
    if (sfs_buffer_add(&self->from, range.from) || sfs_buffer_add(&self->to, range.to))
        code = sfs_fail_memory(error, "transaction");
    if (code == 0)
        code = sfs_scan(recorder->storage.below, range, want, &self->below, error);
    if (code)
        cursor_close(&self->cursor);
    else
        *ret_cursor = &self->cursor;
    return code;
}

/* --- the layer --- */

static int recorder_close(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_txn_recorder *self = recorder_of(store);
    (void)error;
    sfs_txn_reads_clear(&self->reads);
    free(self);
    return 0;
}

static const struct sfs_read_operations read_operations = {
    .get = recorder_get,
    .read = recorder_read,
    .scan = recorder_scan,
};

static const struct sfs_storage_operations operations = {
    .name = "recorder",
    .read = &read_operations,
    .hides = SFS_OVERRIDE_ANSWER, /* what it did not see it could not note */
    .close = recorder_close,
};

int sfs_txn_recorder_new(struct sfs_storage *snapshot, struct sfs_txn_recorder **ret_recorder,
                         struct sfs_error *error)
{
    struct sfs_txn_recorder *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "transaction");
    int code = sfs_layer_init(&self->storage, &operations, snapshot, error);
    if (code) {
        free(self);
        return code;
    }
    self->storage.borrowed_below = true;
    sfs_txn_reads_init(&self->reads);
    *ret_recorder = self;
    return 0;
}
