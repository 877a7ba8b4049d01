/* SPDX-License-Identifier: MIT */
/* Entries of indexes that a write set makes, and those of the base that it hides. */
#include "txn/index.h"

#include <stdlib.h>

#include "core/storage.h"
#include "txn/index_entries.h"

int sfs_txn_index_set(const struct sfs_txn_view *view, struct sfs_index_set **ret_set,
                      struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_index(view->base);
    *ret_set = NULL;
    if (!able || view->writes.map.count > 0 || view->writes.entries.count > SFS_TXN_INDEX_WRITES)
        return 0;
    return able->operations->override->index->set(able, ret_set, error);
}

/* --- making entries --- */

static int add(struct sfs_txn_index_part *part, const struct sfs_index *index,
               const struct sfs_record *record)
{
    if (part->count == part->room) {
        size_t room = part->room ? part->room * 2 : 16;
        struct sfs_txn_index_entry *list = realloc(part->list, room * sizeof(*list));
        if (!list)
            return SFS_E_NO_MEMORY;
        part->list = list;
        part->room = room;
    }
    struct sfs_txn_index_entry *entry = &part->list[part->count];
    *entry = (struct sfs_txn_index_entry){.key = {0}, .name = {0}};
    part->count++;
    if (sfs_index_key(index, record, &entry->key) || sfs_buffer_add(&entry->name, record->name))
        return SFS_E_NO_MEMORY;
    part->inexact += !sfs_index_key_is_exact(sfs_buffer_bytes(&entry->key));
    return 0;
}

/* What a name is in the base, or in the write set; its absence is no entry. */
static int add_record(struct sfs_txn_index_part *part, const struct sfs_index *index, int code,
                      const struct sfs_record *record, const struct sfs_error *failure,
                      struct sfs_error *error)
{
    if (code == SFS_E_NOT_FOUND)
        return 0;
    if (code) {
        if (error)
            *error = *failure;
        return code;
    }
    if (sfs_record_is_key(record) && add(part, index, record))
        code = sfs_fail_memory(error, "transaction");
    sfs_record_unref(record);
    return code;
}

static int add_name(struct sfs_txn_index_entries *entries, const struct sfs_txn_view *view,
                    const struct sfs_index *index, const struct sfs_txn_entry *written,
                    struct sfs_error *error)
{
    unsigned want = index->depends & SFS_INDEX_OF_VALUE ? SFS_WANT_VALUE : SFS_WANT_RECORD;
    struct sfs_error failure = {0};
    const struct sfs_record *record = NULL;
    if (written->state == SFS_TXN_GUARDED)
        return 0;
    int code = sfs_name_is_temporary(written->name)
                   ? SFS_E_NOT_FOUND
                   : sfs_get(view->base, written->name, want, &record, &failure);
    code = add_record(&entries->hidden, index, code, record, &failure, error);
    if (code || written->state == SFS_TXN_GONE)
        return code;
    code = sfs_txn_entry_record(view->base, written, want, &record, &failure);
    return add_record(&entries->own, index, code, record, &failure, error);
}

static int compare(const void *a, const void *b)
{
    const struct sfs_txn_index_entry *x = a, *y = b;
    int order = sfs_bytes_compare(sfs_buffer_bytes(&x->key), sfs_buffer_bytes(&y->key));
    return order ? order
                 : sfs_bytes_compare(sfs_buffer_bytes(&x->name), sfs_buffer_bytes(&y->name));
}

static void sort(struct sfs_txn_index_part *part)
{
    if (part->count > 1)
        qsort(part->list, part->count, sizeof(*part->list), compare);
}

static void part_free(struct sfs_txn_index_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        sfs_buffer_free(&part->list[i].key);
        sfs_buffer_free(&part->list[i].name);
    }
    free(part->list);
}

static void entries_free(struct sfs_txn_index_entries *entries)
{
    part_free(&entries->own);
    part_free(&entries->hidden);
    free(entries);
}

static int make(const struct sfs_txn_view *view, const struct sfs_index *index,
                struct sfs_txn_index_entries **ret_entries, struct sfs_error *error)
{
    struct sfs_txn_index_entries *entries = calloc(1, sizeof(*entries));
    if (!entries)
        return sfs_fail_memory(error, "transaction");
    entries->id = index->id;
    struct sfs_tree_cursor cursor = sfs_tree_seek(&view->writes.entries, (struct sfs_bytes){0});
    const struct sfs_txn_entry *written;
    int code = 0;
    while (code == 0 && (written = sfs_tree_next(&cursor)))
        code = add_name(entries, view, index, written, error);
    if (code) {
        entries_free(entries);
        return code;
    }
    sort(&entries->own);
    sort(&entries->hidden);
    *ret_entries = entries;
    return 0;
}

/* --- kept with the view --- */

void sfs_txn_indexes_init(struct sfs_txn_indexes *indexes)
{
    indexes->list = NULL;
    pthread_mutex_init(&indexes->lock, NULL);
}

void sfs_txn_indexes_free(struct sfs_txn_indexes *indexes)
{
    while (indexes->list) {
        struct sfs_txn_index_entries *first = indexes->list;
        indexes->list = first->next;
        entries_free(first);
    }
    pthread_mutex_destroy(&indexes->lock);
}

static struct sfs_txn_index_entries *find(struct sfs_txn_indexes *indexes, uint64_t id)
{
    struct sfs_txn_index_entries *entries = indexes->list;
    while (entries && entries->id != id)
        entries = entries->next;
    return entries;
}

/* Where two threads make the same, one of them is kept. */
static const struct sfs_txn_index_entries *keep(struct sfs_txn_indexes *indexes,
                                                struct sfs_txn_index_entries *made)
{
    pthread_mutex_lock(&indexes->lock);
    struct sfs_txn_index_entries *kept = find(indexes, made->id);
    if (!kept) {
        made->next = indexes->list;
        indexes->list = made;
    }
    pthread_mutex_unlock(&indexes->lock);
    if (!kept)
        return made;
    entries_free(made);
    return kept;
}

int sfs_txn_index_entries(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                          const struct sfs_index *index,
                          const struct sfs_txn_index_entries **ret_entries, struct sfs_error *error)
{
    struct sfs_txn_index_entries *made = NULL;
    pthread_mutex_lock(&indexes->lock);
    *ret_entries = find(indexes, index->id);
    pthread_mutex_unlock(&indexes->lock);
    if (*ret_entries)
        return 0;
    int code = make(view, index, &made, error);
    if (code == 0)
        *ret_entries = keep(indexes, made);
    return code;
}

/* --- numbers --- */

size_t sfs_txn_index_position(const struct sfs_txn_index_part *part, struct sfs_bytes bound)
{
    size_t low = 0, high = part->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sfs_bytes_compare(sfs_buffer_bytes(&part->list[middle].key), bound) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t end_of(const struct sfs_txn_index_part *part, struct sfs_range range)
{
    return range.to.size ? sfs_txn_index_position(part, range.to) : part->count;
}

static uint64_t in_range(const struct sfs_txn_index_part *part, struct sfs_range range)
{
    size_t from = sfs_txn_index_position(part, range.from);
    size_t to = end_of(part, range);
    return to > from ? to - from : 0;
}

int sfs_txn_index_stats(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                        const struct sfs_index *index, struct sfs_index_stats *ret_stats,
                        struct sfs_error *error)
{
    const struct sfs_txn_index_entries *entries = NULL;
    struct sfs_storage *able = sfs_storage_index(view->base);
    struct sfs_index_stats stats;
    int code = able->operations->override->index->stats(able, index, &stats, error);
    if (code == 0)
        code = sfs_txn_index_entries(view, indexes, index, &entries, error);
    if (code)
        return code;
    stats.entries += entries->own.count - entries->hidden.count;
    stats.inexact += entries->own.inexact - entries->hidden.inexact;
    *ret_stats = stats;
    return 0;
}

int sfs_txn_index_count(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                        const struct sfs_index *index, struct sfs_range range, uint64_t most,
                        uint64_t *ret_count, struct sfs_error *error)
{
    const struct sfs_txn_index_entries *entries = NULL;
    struct sfs_storage *able = sfs_storage_index(view->base);
    uint64_t count = 0;
    int code = sfs_txn_index_entries(view, indexes, index, &entries, error);
    if (code)
        return code;
    uint64_t hidden = in_range(&entries->hidden, range);
    if (most > UINT64_MAX - hidden)
        most = UINT64_MAX - hidden;
    code =
        able->operations->override->index->count(able, index, range, most + hidden, &count, error);
    if (code == 0)
        *ret_count = count - hidden + in_range(&entries->own, range);
    return code;
}

/* --- changes --- */

static int fail_inside(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                    "indexes are not made or dropped inside a transaction: use the store itself");
}

int sfs_txn_index_create(struct sfs_storage *store, const struct sfs_index *index,
                         sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    (void)store;
    (void)index;
    (void)progress;
    (void)context;
    return fail_inside(error);
}

int sfs_txn_index_drop(struct sfs_storage *store, uint64_t id, struct sfs_error *error)
{
    (void)store;
    (void)id;
    return fail_inside(error);
}
