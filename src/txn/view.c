/* SPDX-License-Identifier: MIT */
/*
 * Entries of a write set, and reading one record through it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "txn/view.h"

struct sfs_txn_entry *sfs_txn_entry_new(enum sfs_txn_state state, struct sfs_bytes name,
                                        uint64_t base, uint64_t revision,
                                        const struct sfs_record *record,
                                        struct sfs_txn_source source)
{
    size_t own = record ? 0 : name.size;
    struct sfs_txn_entry *entry = malloc(sizeof(*entry) + own + source.origin.size);
    if (!entry)
        return NULL;
    atomic_init(&entry->references, 1);
    entry->state = state;
    entry->base = base;
    entry->revision = revision;
    entry->record = record ? sfs_record_ref(record) : NULL;
    entry->content = sfs_txn_content_ref(source.content);
    entry->live = source.live;
    entry->name = record ? record->name : sfs_bytes(entry->bytes, own);
    entry->origin = sfs_bytes(entry->bytes + own, source.origin.size);
    if (own)
        memcpy(entry->bytes, name.data, own);
    if (source.origin.size)
        memcpy(entry->bytes + own, source.origin.data, source.origin.size);
    return entry;
}

void sfs_txn_entry_unref(struct sfs_txn_entry *entry)
{
    if (!entry || atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) != 1)
        return;
    sfs_record_unref(entry->record);
    sfs_txn_content_unref(entry->content);
    free(entry);
}

static void ref_item(void *item)
{
    struct sfs_txn_entry *entry = item;
    atomic_fetch_add_explicit(&entry->references, 1, memory_order_relaxed);
}

static void unref_item(void *item)
{
    sfs_txn_entry_unref(item);
}

static const struct sfs_tree_counting sfs_txn_counting = {.ref = ref_item, .unref = unref_item};

void sfs_txn_writes_init(struct sfs_txn_writes *writes)
{
    *writes = (struct sfs_txn_writes){0};
    sfs_tree_init(&writes->entries, &sfs_txn_counting);
    sfs_txn_map_init(&writes->map);
}

void sfs_txn_writes_share(const struct sfs_txn_writes *writes, struct sfs_txn_writes *ret_writes)
{
    sfs_tree_share(&writes->entries, &ret_writes->entries);
    sfs_tree_share(&writes->map, &ret_writes->map);
    ret_writes->more = writes->more;
}

void sfs_txn_writes_clear(struct sfs_txn_writes *writes)
{
    sfs_tree_clear(&writes->entries);
    sfs_tree_clear(&writes->map);
    writes->more = (struct sfs_totals){0};
}

/* An entry whose value is in a base that may have changed it. */
static bool follows_base(const struct sfs_txn_entry *entry)
{
    return entry->live && entry->origin.size > 0 && !entry->content && !entry->record->blob;
}

static int entry_read(struct sfs_storage *base, const struct sfs_txn_entry *entry,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error)
{
    const struct sfs_record *record = entry->record;
    if (!sfs_record_has_value(record) && entry->content)
        return sfs_txn_content_read(entry->content, offset, data, size, ret_size, error);
    if (!sfs_record_has_value(record) || follows_base(entry))
        return sfs_read(base, entry->origin, 0, offset, data, size, ret_size, error);
    struct sfs_bytes value = sfs_record_value(record);
    size_t left = offset < value.size ? value.size - (size_t)offset : 0;
    size_t taken = left < size ? left : size;
    if (taken)
        memcpy(data, (const char *)value.data + offset, taken);
    *ret_size = taken;
    return 0;
}

static int load_value(struct sfs_storage *base, const struct sfs_txn_entry *entry,
                      struct sfs_blob **ret_blob, struct sfs_error *error)
{
    size_t size = (size_t)entry->record->size;
    void *data;
    struct sfs_blob *blob = size == entry->record->size ? sfs_blob_alloc(size, &data) : NULL;
    if (!blob)
        return sfs_fail_memory(error, "transaction");
    size_t filled = 0;
    size_t got = 1;
    int code = 0;
    while (code == 0 && filled < size && got > 0) {
        code = entry_read(base, entry, filled, (char *)data + filled, size - filled, &got, error);
        filled += code ? 0 : got;
    }
    if (code == 0 && filled < size)
        code = sfs_fail(error, SFS_E_CORRUPT, "transaction",
                        "a value of %zu bytes ends after %zu", size, filled);
    if (code)
        sfs_blob_unref(blob);
    else
        *ret_blob = blob;
    return code;
}

/* The entry's own attributes around the value that the base has now. */
static int follow_base(struct sfs_storage *base, const struct sfs_txn_entry *entry, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_record *record = entry->record;
    const struct sfs_record *present = NULL;
    int code = sfs_get(base, entry->origin, want, &present, error);
    if (code)
        return code;
    struct sfs_attributes attributes = record->attributes;
    if (!attributes.type_set)
        attributes.type = present->attributes.type;
    const struct sfs_record *merged = sfs_record_new(record->name, record->revision, present->size,
                                                     &attributes, record->xattrs, present->blob);
    sfs_record_unref(present);
    if (!merged)
        return sfs_fail_memory(error, "transaction");
    *ret_record = merged;
    return 0;
}

int sfs_txn_entry_record(struct sfs_storage *base, const struct sfs_txn_entry *entry,
                         unsigned want, const struct sfs_record **ret_record,
                         struct sfs_error *error)
{
    const struct sfs_record *record = entry->record;
    if (follows_base(entry))
        return follow_base(base, entry, want, ret_record, error);
    if (!(want & SFS_WANT_VALUE) || sfs_record_has_value(record) ||
        sfs_want_leaves_out(want, record->attributes.type, record->size)) {
        *ret_record = sfs_record_ref(record);
        return 0;
    }
    struct sfs_blob *blob = NULL;
    int code = load_value(base, entry, &blob, error);
    if (code)
        return code;
    const struct sfs_record *loaded = sfs_record_new(record->name, record->revision, record->size,
                                                     &record->attributes, record->xattrs, blob);
    sfs_blob_unref(blob);
    if (!loaded)
        return sfs_fail_memory(error, "transaction");
    *ret_record = loaded;
    return 0;
}

static int not_found(struct sfs_bytes name, struct sfs_error *error)
{
    char shown[160];
    return sfs_fail(error, SFS_E_NOT_FOUND, "transaction", "there is no '%s'",
                    sfs_name_show(name, shown, sizeof(shown)));
}

int sfs_txn_piece_record(const struct sfs_txn_piece *piece, const struct sfs_record *record,
                         struct sfs_buffer *name, const struct sfs_record **ret_record,
                         struct sfs_error *error)
{
    if (!piece) {
        *ret_record = sfs_record_ref(record);
        return 0;
    }
    struct sfs_attributes attributes = record->attributes;
    attributes.changed = piece->changed;
    name->size = 0;
    const struct sfs_record *moved =
        sfs_txn_piece_view(piece, record->name, name)
            ? NULL
            : sfs_record_new(sfs_buffer_bytes(name), piece->revision, record->size, &attributes,
                             record->xattrs, record->blob);
    if (!moved)
        return sfs_fail_memory(error, "transaction");
    *ret_record = moved;
    return 0;
}

/* Whether the base can have the name at all: that of a moved prefix may be the longer one. */
static bool base_takes(const struct sfs_txn_view *view, struct sfs_bytes name)
{
    return sfs_name_length(name) <= sfs_storage_key_max(view->base);
}

/* The record that a name stands for in the base, found through the piece around the name. */
static int get_moved(const struct sfs_txn_view *view, const struct sfs_txn_piece *piece,
                     struct sfs_bytes name, unsigned want, const struct sfs_record **ret_record,
                     struct sfs_error *error)
{
    const struct sfs_record *record;
    struct sfs_buffer other = {0};
    struct sfs_error failure;
    if (sfs_txn_piece_base(piece, name, &other))
        return sfs_fail_memory(error, "transaction");
    int code = SFS_E_NOT_FOUND;
    if (base_takes(view, sfs_buffer_bytes(&other)))
        code = sfs_get(view->base, sfs_buffer_bytes(&other), want, &record, &failure);
    if (code == SFS_E_NOT_FOUND)
        code = not_found(name, error);
    else if (code && error)
        *error = failure;
    if (code == 0) {
        code = sfs_txn_piece_record(piece, record, &other, ret_record, error);
        sfs_record_unref(record);
    }
    sfs_buffer_free(&other);
    return code;
}

int sfs_txn_view_get(const struct sfs_txn_view *view, struct sfs_bytes name, unsigned want,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_txn_entry *entry = sfs_tree_find(&view->writes.entries, name);
    const struct sfs_txn_piece *piece;
    if (entry && entry->state == SFS_TXN_PRESENT)
        return sfs_txn_entry_record(view->base, entry, want, ret_record, error);
    if ((entry && entry->state == SFS_TXN_GONE) || sfs_name_is_temporary(name))
        return not_found(name, error);
    piece = sfs_txn_map_find(&view->writes.map, name);
    if (!piece)
        return sfs_get(view->base, name, want, ret_record, error);
    return piece->gone ? not_found(name, error)
                       : get_moved(view, piece, name, want, ret_record, error);
}

static int check_revision(struct sfs_bytes name, uint64_t revision, uint64_t expected,
                          struct sfs_error *error)
{
    char shown[160];
    if (expected == 0 || revision == expected)
        return 0;
    return sfs_fail(error, SFS_E_CONFLICT, "transaction",
                    "'%s' has revision %" PRIu64 ", not %" PRIu64,
                    sfs_name_show(name, shown, sizeof(shown)), revision, expected);
}

static int read_moved(const struct sfs_txn_view *view, const struct sfs_txn_piece *piece,
                      struct sfs_bytes name, uint64_t offset, void *data, size_t size,
                      size_t *ret_size, struct sfs_error *error)
{
    struct sfs_buffer other = {0};
    struct sfs_error failure;
    if (sfs_txn_piece_base(piece, name, &other))
        return sfs_fail_memory(error, "transaction");
    int code = SFS_E_NOT_FOUND;
    if (base_takes(view, sfs_buffer_bytes(&other)))
        code = sfs_read(view->base, sfs_buffer_bytes(&other), 0, offset, data, size, ret_size,
                        &failure);
    if (code == SFS_E_NOT_FOUND)
        code = not_found(name, error);
    else if (code && error)
        *error = failure;
    sfs_buffer_free(&other);
    return code;
}

int sfs_txn_view_read(const struct sfs_txn_view *view, struct sfs_bytes name, uint64_t revision,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error)
{
    const struct sfs_txn_entry *entry = sfs_tree_find(&view->writes.entries, name);
    const struct sfs_txn_piece *piece = NULL;
    int code = 0;
    if (!entry || entry->state == SFS_TXN_GUARDED)
        piece = sfs_txn_map_find(&view->writes.map, name);
    else if (entry->state == SFS_TXN_GONE)
        return not_found(name, error);
    else
        code = check_revision(name, entry->record->revision, revision, error);
    if (code)
        return code;
    if (entry && entry->state == SFS_TXN_PRESENT)
        return entry_read(view->base, entry, offset, data, size, ret_size, error);
    if (!piece)
        return sfs_read(view->base, name, revision, offset, data, size, ret_size, error);
    if (piece->gone)
        return not_found(name, error);
    code = check_revision(name, piece->revision, revision, error);
    return code ? code : read_moved(view, piece, name, offset, data, size, ret_size, error);
}
