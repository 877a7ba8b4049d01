/* SPDX-License-Identifier: MIT */
/* Entries of indexes in the engine in memory: their trees, and cursors over them. */
#include "core/memory_index.h"

#include <stdlib.h>

struct entry {
    atomic_size_t references;
    size_t key_size;
    size_t size;
    char bytes[]; /* K, then the name */
};

static void entry_ref(void *item)
{
    atomic_fetch_add_explicit(&((struct entry *)item)->references, 1, memory_order_relaxed);
}

static void entry_unref(void *item)
{
    struct entry *entry = item;
    if (atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) == 1)
        free(entry);
}

static const struct sfs_tree_counting counting = {entry_ref, entry_unref};

static struct sfs_bytes bytes_of(const struct entry *entry)
{
    return sfs_bytes(entry->bytes, entry->size);
}

static struct sfs_bytes key_of(const struct entry *entry)
{
    return sfs_bytes(entry->bytes, entry->key_size);
}

static struct sfs_bytes name_of(const struct entry *entry)
{
    return sfs_bytes(entry->bytes + entry->key_size, entry->size - entry->key_size);
}

static struct entry *entry_new(struct sfs_bytes key, struct sfs_bytes name)
{
    struct entry *entry = malloc(sizeof(*entry) + key.size + name.size);
    if (!entry)
        return NULL;
    atomic_init(&entry->references, 1);
    entry->key_size = key.size;
    entry->size = key.size + name.size;
    memcpy(entry->bytes, key.data, key.size);
    if (name.size)
        memcpy(entry->bytes + key.size, name.data, name.size);
    return entry;
}

/* --- the indexes of a state --- */

static void clear_all(struct sfs_memory_index *indexes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sfs_tree_clear(&indexes[i].tree);
    free(indexes);
}

void sfs_memory_indexes_clear(struct sfs_memory_state *state)
{
    clear_all(state->indexes, state->set ? state->set->count : 0);
    sfs_index_set_unref(state->set);
    state->indexes = NULL;
    state->set = NULL;
}

struct sfs_memory_index *sfs_memory_index_of(const struct sfs_memory_state *state, uint64_t id)
{
    for (size_t i = 0; state->set && i < state->set->count; i++) {
        if (state->indexes[i].id == id)
            return &state->indexes[i];
    }
    return NULL;
}

static void share_one(const struct sfs_memory_state *from, uint64_t id,
                      struct sfs_memory_index *ret_index)
{
    const struct sfs_memory_index *old = sfs_memory_index_of(from, id);
    *ret_index = old ? *old : (struct sfs_memory_index){.id = id};
    if (old)
        sfs_tree_share(&old->tree, &ret_index->tree);
    else
        sfs_tree_init(&ret_index->tree, &counting);
}

int sfs_memory_indexes_set(struct sfs_memory_state *state, const struct sfs_memory_state *from,
                           struct sfs_index_set *set)
{
    if (!set)
        return 0;
    struct sfs_memory_index *indexes = calloc(set->count, sizeof(*indexes));
    if (!indexes)
        return SFS_E_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++)
        share_one(from, set->indexes[i]->id, &indexes[i]);
    state->set = sfs_index_set_ref(set);
    state->indexes = indexes;
    return 0;
}

int sfs_memory_indexes_change(struct sfs_memory_state *state, struct sfs_index_set *set)
{
    struct sfs_memory_state changed = {0};
    if (sfs_memory_indexes_set(&changed, state, set))
        return SFS_E_NO_MEMORY;
    sfs_memory_indexes_clear(state);
    state->set = changed.set;
    state->indexes = changed.indexes;
    return 0;
}

/* --- the primitives --- */

int sfs_memory_index_add(struct sfs_memory_index *own, struct sfs_bytes key, struct sfs_bytes name)
{
    struct entry *entry = entry_new(key, name);
    if (!entry)
        return SFS_E_NO_MEMORY;
    size_t count = own->tree.count;
    int result = sfs_tree_insert(&own->tree, bytes_of(entry), entry);
    if (!result && own->tree.count > count) {
        own->bytes += entry->size;
        own->inexact += !sfs_index_key_is_exact(key);
    }
    entry_unref(entry);
    return result;
}

int sfs_memory_index_remove(struct sfs_memory_index *own, struct sfs_bytes key,
                            struct sfs_bytes name)
{
    struct entry *entry = entry_new(key, name);
    if (!entry)
        return SFS_E_NO_MEMORY;
    int removed = sfs_tree_remove(&own->tree, bytes_of(entry));
    if (removed > 0) {
        own->bytes -= entry->size;
        own->inexact -= !sfs_index_key_is_exact(key);
    }
    entry_unref(entry);
    return removed < 0 ? removed : 0;
}

int sfs_memory_index_next(const struct sfs_memory_index *own, struct sfs_bytes key,
                          struct sfs_bytes after, struct sfs_buffer *ret_name)
{
    struct entry *place = entry_new(key, after);
    if (!place)
        return SFS_E_NO_MEMORY;
    struct sfs_tree_cursor cursor = sfs_tree_seek(&own->tree, bytes_of(place));
    const struct entry *found = sfs_tree_next(&cursor);
    if (found && sfs_bytes_equal(bytes_of(found), bytes_of(place)))
        found = sfs_tree_next(&cursor);
    entry_unref(place);
    if (!found || !sfs_bytes_equal(key_of(found), key))
        return 0;
    ret_name->size = 0;
    return sfs_buffer_add(ret_name, name_of(found)) ? SFS_E_NO_MEMORY : 1;
}

/* --- reading --- */

static int find_index(const struct sfs_memory_state *state, const struct sfs_index *index,
                      const struct sfs_memory_index **ret_own, struct sfs_error *error)
{
    *ret_own = sfs_memory_index_of(state, index->id);
    return *ret_own ? 0
                    : sfs_fail(error, SFS_E_NOT_FOUND, SFS_MEMORY_ORIGIN,
                               "there is no index '%s' any more", index->name);
}

int sfs_memory_index_stats(struct sfs_memory_state *state, const struct sfs_index *index,
                           struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    const struct sfs_memory_index *own = NULL;
    int result = find_index(state, index, &own, error);
    if (result)
        return result;
    uint64_t total = state->totals.records;
    *ret_stats = (struct sfs_index_stats){
        .entries = own->tree.count,
        .bytes = own->bytes,
        .inexact = own->inexact,
        .done = index->ready || own->seen > total ? total : own->seen,
        .total = total,
    };
    return 0;
}

int sfs_memory_index_count(struct sfs_memory_state *state, const struct sfs_index *index,
                           struct sfs_range range, uint64_t most, uint64_t *ret_count,
                           struct sfs_error *error)
{
    const struct sfs_memory_index *own = NULL;
    int result = find_index(state, index, &own, error);
    if (!result)
        *ret_count = sfs_tree_count(&own->tree, range.from, range.to,
                                    most < SIZE_MAX ? (size_t)most : SIZE_MAX);
    return result;
}

struct index_cursor {
    struct sfs_index_cursor cursor;
    struct sfs_storage *store;
    sfs_memory_source *source;
    struct sfs_memory_state *state; /* a reference */
    const struct sfs_memory_index *own;
    unsigned want;
    bool descending;
    bool ended;
    struct sfs_buffer from;
    struct sfs_buffer to; /* descending: all that is left is below it */
    bool bounded;         /* `to` is a bound, also where it is empty */
    struct sfs_tree_cursor place;
    const struct entry
        *group; /* descending: the entries with its K are being shown; in the state */
};

/* The lease of a snapshot is renewed, or over; what is read stays the state of the beginning. */
static int keep_lease(struct index_cursor *self, struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = self->source(self->store, &state, error);
    sfs_memory_state_unref(state);
    return result;
}

static const struct entry *next_ascending(struct index_cursor *self)
{
    const struct entry *entry = sfs_tree_next(&self->place);
    struct sfs_bytes to = sfs_buffer_bytes(&self->to);
    return entry && (!self->bounded || sfs_bytes_compare(key_of(entry), to) < 0) ? entry : NULL;
}

/* The greatest K that is left, and the first name of it. */
static const struct entry *begin_group(struct index_cursor *self, struct sfs_bytes below,
                                       bool bounded)
{
    if (bounded && below.size == 0)
        return NULL;
    const struct entry *last = sfs_tree_below(&self->own->tree, below);
    if (!last || sfs_bytes_compare(key_of(last), sfs_buffer_bytes(&self->from)) < 0)
        return NULL;
    self->place = sfs_tree_seek(&self->own->tree, key_of(last));
    return sfs_tree_next(&self->place);
}

static const struct entry *next_descending(struct index_cursor *self)
{
    const struct entry *group = self->group;
    const struct entry *entry = group ? sfs_tree_next(&self->place) : NULL;
    if (!entry || !sfs_bytes_equal(key_of(entry), key_of(group)))
        entry = group ? begin_group(self, key_of(group), true)
                      : begin_group(self, sfs_buffer_bytes(&self->to), self->bounded);
    self->group = entry;
    return entry;
}

static int index_next(struct sfs_index_cursor *base, struct sfs_index_row *ret_row,
                      struct sfs_error *error)
{
    struct index_cursor *self = (struct index_cursor *)base;
    int result = keep_lease(self, error);
    if (result || self->ended)
        return result;
    const struct entry *entry = self->descending ? next_descending(self) : next_ascending(self);
    if (!entry) {
        self->ended = true;
        return 0;
    }
    ret_row->key = key_of(entry);
    ret_row->name = name_of(entry);
    ret_row->record = NULL;
    if (self->want & SFS_WANT_NAMES)
        return 1;
    ret_row->record = sfs_tree_find(&self->state->tree, ret_row->name);
    if (ret_row->record)
        return 1;
    return sfs_fail(error, SFS_E_CORRUPT, SFS_MEMORY_ORIGIN,
                    "an index names a key that is not there");
}

static int index_seek(struct sfs_index_cursor *base, struct sfs_bytes key, struct sfs_error *error)
{
    struct index_cursor *self = (struct index_cursor *)base;
    struct sfs_buffer *bound = self->descending ? &self->to : &self->from;
    int order = sfs_bytes_compare(key, sfs_buffer_bytes(bound));
    if (self->descending ? !self->bounded || order < 0 : order > 0) {
        struct sfs_buffer copy = {0};
        if (sfs_buffer_add(&copy, key))
            return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
        sfs_buffer_free(bound);
        *bound = copy;
        self->bounded |= self->descending;
    }
    self->group = NULL;
    self->place = sfs_tree_seek(&self->own->tree, sfs_buffer_bytes(&self->from));
    return 0;
}

static void index_close(struct sfs_index_cursor *base)
{
    struct index_cursor *self = (struct index_cursor *)base;
    sfs_memory_state_unref(self->state);
    sfs_buffer_free(&self->from);
    sfs_buffer_free(&self->to);
    free(self);
}

static const struct sfs_index_cursor_operations operations = {
    .next = index_next, .seek = index_seek, .close = index_close};

int sfs_memory_index_scan(struct sfs_storage *store, sfs_memory_source *source,
                          const struct sfs_index *index, struct sfs_range range, bool descending,
                          unsigned want, struct sfs_index_cursor **ret_cursor,
                          struct sfs_error *error)
{
    struct index_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    *self = (struct index_cursor){.cursor = {&operations},
                                  .store = store,
                                  .source = source,
                                  .want = want,
                                  .descending = descending,
                                  .bounded = range.to.size > 0};
    int result = source(store, &self->state, error);
    if (!result)
        result = find_index(self->state, index, &self->own, error);
    if (!result && (sfs_buffer_add(&self->from, range.from) || sfs_buffer_add(&self->to, range.to)))
        result = sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    if (result) {
        index_close(&self->cursor);
        return result;
    }
    self->place = sfs_tree_seek(&self->own->tree, range.from);
    *ret_cursor = &self->cursor;
    return 0;
}
