/* SPDX-License-Identifier: MIT */
/* The layer that keeps the last records that were asked for by name. */
#include "txn/recent.h"

#include <pthread.h>
#include <stdlib.h>

#include "storefs/backend.h"

#define PLACES 256

/* `record` NULL: there is none of this name; `name` empty: the place is free. */
struct place {
    struct sfs_buffer name;
    const struct sfs_record *record;
};

struct recent {
    struct sfs_storage storage;
    pthread_mutex_t lock; /* of the places, for moments */
    struct place places[PLACES];
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
    if (found)
        *ret_record = place->record ? sfs_record_ref(place->record) : NULL;
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

static int recent_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_scan(store->below, range, want, ret_cursor, error);
}

static int recent_close(struct sfs_storage *store, struct sfs_error *error)
{
    struct recent *self = recent_of(store);
    (void)error;
    for (size_t i = 0; i < PLACES; i++) {
        sfs_buffer_free(&self->places[i].name);
        sfs_record_unref(self->places[i].record);
    }
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
    .reads_alike = true,
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
    pthread_mutex_init(&self->lock, NULL);
    *ret_recent = &self->storage;
    return 0;
}
