/* SPDX-License-Identifier: MIT */
/* The layer that keeps the last records that were asked for by name, and ranges without any. */
#include "txn/recent.h"

#include <pthread.h>
#include <stdlib.h>

#include "storefs/backend.h"
#include "txn/gaps.h"
#include "util/clock.h"

#define PLACES 256
#define SLOW (5 * SFS_NS_PER_MS) /* for a look at the next record: many looks at one take less */

/* `record` NULL: there is none of this name; `name` empty: the place is free. */
struct place {
    struct sfs_buffer name;
    const struct sfs_record *record;
};

struct recent {
    struct sfs_storage storage;
    pthread_mutex_t lock; /* of the places and gaps, for moments */
    struct place places[PLACES];
    struct sfs_txn_gaps gaps;
};

static struct recent *recent_of(struct sfs_storage *store)
{
    return (struct recent *)store;
}

/* FNV-1a. */
static struct place *place_of(struct recent *self, struct sfs_bytes name)
{
    const unsigned char *data = name.data;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return &self->places[(hash ^ hash >> 32) % PLACES];
}

static bool find(struct recent *self, struct sfs_bytes name, const struct sfs_record **ret_record)
{
    pthread_mutex_lock(&self->lock);
    const struct place *place = place_of(self, name);
    bool found = place->name.size > 0 && sfs_bytes_equal(sfs_buffer_bytes(&place->name), name);
    if (found && place->record)
        *ret_record = sfs_record_ref(place->record);
    found = found || sfs_txn_gaps_have_name(&self->gaps, name);
    pthread_mutex_unlock(&self->lock);
    return found;
}

static void keep(struct recent *self, struct sfs_bytes name, const struct sfs_record *record)
{
    pthread_mutex_lock(&self->lock);
    struct place *place = place_of(self, name);
    sfs_record_unref(place->record);
    place->record = NULL;
    place->name.size = 0;
    if (sfs_buffer_add(&place->name, name) == 0)
        place->record = record ? sfs_record_ref(record) : NULL;
    else
        place->name.size = 0; /* without memory it is asked for again */
    pthread_mutex_unlock(&self->lock);
}

static void keep_gap(struct recent *self, struct sfs_range range)
{
    pthread_mutex_lock(&self->lock);
    sfs_txn_gaps_add(&self->gaps, range);
    pthread_mutex_unlock(&self->lock);
}

/* There is no such name. Who asks for some that are missing asks for more, next to them: the record
 * that comes next, whatever it is, ends the gap. That is a help; where it fails nothing is learnt.
 */
static void learn_around(struct recent *self, struct sfs_bytes name)
{
    pthread_mutex_lock(&self->lock);
    bool wonder = sfs_txn_gaps_wonder(&self->gaps);
    pthread_mutex_unlock(&self->lock);
    struct sfs_cursor *cursor;
    struct sfs_range behind = {.from = name};
    int64_t begun = sfs_clock_monotonic();
    if (!wonder || sfs_scan(self->storage.below, behind, SFS_WANT_RECORD, &cursor, NULL))
        return;
    const struct sfs_record *next = NULL;
    int code = sfs_cursor_next(cursor, &next, NULL);
    bool slow = sfs_clock_monotonic() - begun > SLOW;
    if (code == 1)
        behind.to = next->name;
    if (code >= 0)
        keep_gap(self, behind);
    sfs_cursor_close(cursor);
    pthread_mutex_lock(&self->lock);
    if (slow)
        sfs_txn_gaps_tire(&self->gaps);
    pthread_mutex_unlock(&self->lock);
}

static int not_found(struct sfs_bytes name, struct sfs_error *error)
{
    char shown[160];
    return sfs_fail(error, SFS_E_NOT_FOUND, "transaction", "there is no '%s'",
                    sfs_name_show(name, shown, sizeof(shown)));
}

static int recent_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct recent *self = recent_of(store);
    const struct sfs_record *record = NULL;
    if (want & SFS_WANT_VALUE)
        return sfs_get(self->storage.below, name, want, ret_record, error);
    if (!find(self, name, &record)) {
        int code = sfs_get(self->storage.below, name, want, &record, error);
        if (code && code != SFS_E_NOT_FOUND)
            return code;
        keep(self, name, record);
        if (!record)
            learn_around(self, name);
    }
    if (!record)
        return not_found(name, error);
    *ret_record = record;
    return 0;
}

static int recent_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                       uint64_t offset, void *data, size_t size, size_t *ret_size,
                       struct sfs_error *error)
{
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, error);
}

/* --- ranges --- */

/* A cursor that tells the layer where it finds nothing at all. */
struct learning_cursor {
    struct sfs_cursor cursor;
    struct recent *layer;
    struct sfs_cursor *below; /* NULL: nothing is there, as is known */
    bool moved;               /* it was sent elsewhere, or found something */
    struct sfs_range range;
    char bounds[];
};

static int learning_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                         struct sfs_error *error)
{
    struct learning_cursor *self = (struct learning_cursor *)cursor;
    if (!self->below)
        return 0;
    int code = sfs_cursor_next(self->below, ret_record, error);
    if (code == 0 && !self->moved)
        keep_gap(self->layer, self->range);
    self->moved = true;
    return code;
}

static int learning_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    struct learning_cursor *self = (struct learning_cursor *)cursor;
    self->moved = true;
    return self->below ? sfs_cursor_seek(self->below, name, error) : 0;
}

static void learning_close(struct sfs_cursor *cursor)
{
    struct learning_cursor *self = (struct learning_cursor *)cursor;
    sfs_cursor_close(self->below);
    free(self);
}

static const struct sfs_cursor_operations learning_operations = {
    .next = learning_next,
    .seek = learning_seek,
    .close = learning_close,
};

static struct learning_cursor *learning_new(struct recent *layer, struct sfs_range range)
{
    struct learning_cursor *self = malloc(sizeof(*self) + range.from.size + range.to.size);
    if (!self)
        return NULL;
    *self = (struct learning_cursor){.cursor.operations = &learning_operations, .layer = layer};
    self->range.from = sfs_bytes(self->bounds, range.from.size);
    self->range.to = sfs_bytes(self->bounds + range.from.size, range.to.size);
    if (range.from.size)
        memcpy(self->bounds, range.from.data, range.from.size);
    if (range.to.size)
        memcpy(self->bounds + range.from.size, range.to.data, range.to.size);
    return self;
}

static int recent_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct recent *self = recent_of(store);
    pthread_mutex_lock(&self->lock);
    bool empty = sfs_txn_gaps_have(&self->gaps, range);
    pthread_mutex_unlock(&self->lock);
    if (!empty && (want & SFS_WANT_KEYS)) /* there may be records that it does not show */
        return sfs_scan(store->below, range, want, ret_cursor, error);
    struct learning_cursor *cursor = learning_new(self, range);
    if (!cursor)
        return sfs_fail_memory(error, "transaction");
    int code = empty ? 0 : sfs_scan(store->below, range, want, &cursor->below, error);
    if (code) {
        free(cursor);
        return code;
    }
    *ret_cursor = &cursor->cursor;
    return 0;
}

static int recent_close(struct sfs_storage *store, struct sfs_error *error)
{
    struct recent *self = recent_of(store);
    (void)error;
    for (size_t i = 0; i < PLACES; i++) {
        sfs_buffer_free(&self->places[i].name);
        sfs_record_unref(self->places[i].record);
    }
    sfs_txn_gaps_clear(&self->gaps);
    pthread_mutex_destroy(&self->lock);
    free(self);
    return 0;
}

static const struct sfs_read_operations read_operations = {
    .get = recent_get,
    .read = recent_read,
    .scan = recent_scan,
};
static const struct sfs_storage_operations operations = {
    .name = "recent",
    .read = &read_operations,
    .close = recent_close,
};

int sfs_txn_recent_new(struct sfs_storage *snapshot, struct sfs_storage **ret_recent,
                       struct sfs_error *error)
{
    struct recent *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "transaction");
    int code = sfs_layer_init(&self->storage, &operations, snapshot, error);
    if (code) {
        free(self);
        return code;
    }
    self->storage.borrowed_below = true;
    sfs_txn_gaps_init(&self->gaps);
    pthread_mutex_init(&self->lock, NULL);
    *ret_recent = &self->storage;
    return 0;
}
