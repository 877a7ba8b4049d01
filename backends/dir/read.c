/* SPDX-License-Identifier: MIT */
/* Reading: one record, a part of a value, and cursors. */
#include <stdlib.h>

#include "internal.h"

int sfs_dir_enter(struct sfs_dir_store *store, struct sfs_error *error)
{
    pthread_mutex_lock(&store->lock);
    int code = store->pending.count ? sfs_dir_settle(store, error) : 0;
    if (code)
        pthread_mutex_unlock(&store->lock);
    return code;
}

void sfs_dir_leave(struct sfs_dir_store *store)
{
    pthread_mutex_unlock(&store->lock);
}

int sfs_dir_open_value(struct sfs_dir_store *store, const struct sfs_dir_item *item,
                       struct sfs_dir_value *ret_value, struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    char shown[160];
    struct sfs_bytes name = item->record->name;
    int code = sfs_dir_find(store, name, &place, error);
    if (code == SFS_E_NOT_FOUND)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_DIR_ORIGIN, "'%s' does not exist",
                        sfs_name_show(name, shown, sizeof(shown)));
    if (code == 0)
        code = sfs_dir_value_open(place.fd, place.leaf.data, name, ret_value, error);
    sfs_dir_place_free(&place);
    return code;
}

int sfs_dir_fill(const struct sfs_dir_value *value, const struct sfs_record **record,
                 struct sfs_error *error)
{
    const struct sfs_record *old = *record;
    struct sfs_blob *blob = NULL;
    int code = sfs_dir_value_blob(value, old->size, old->name, &blob, error);
    if (code)
        return code;
    const struct sfs_record *filled = sfs_record_new(
        old->name, old->revision, sfs_blob_bytes(blob).size, &old->attributes, old->xattrs, blob);
    sfs_blob_unref(blob);
    if (!filled)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    sfs_record_unref(old);
    *record = filled;
    return 0;
}

/* The present item of a name: NOT_FOUND with a sentence. */
static int find_item(struct sfs_dir_store *store, struct sfs_bytes name,
                     struct sfs_dir_item **ret_item, struct sfs_error *error)
{
    char shown[160];
    struct sfs_dir_item *item = NULL;
    int code = sfs_dir_refresh(store, name, &item, error);
    if (code)
        return code;
    if (!item)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_DIR_ORIGIN, "'%s' does not exist",
                        sfs_name_show(name, shown, sizeof(shown)));
    *ret_item = item;
    return 0;
}

static bool has_value(const struct sfs_dir_item *item)
{
    return item->record->size > 0 && item->record->attributes.kind != SFS_KIND_MARKER;
}

static bool wants_value(const struct sfs_dir_item *item, unsigned want)
{
    return (want & SFS_WANT_VALUE) && has_value(item) &&
           !sfs_want_leaves_out(want, item->record->attributes.type, item->record->size);
}

static int dir_get(struct sfs_storage *storage, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    struct sfs_dir_value value = {.fd = -1};
    const struct sfs_record *record = NULL;
    struct sfs_dir_item *item = NULL;
    int code = sfs_dir_enter(store, error);
    if (code)
        return code;
    code = find_item(store, name, &item, error);
    bool wanted = code == 0 && wants_value(item, want);
    if (wanted)
        code = sfs_dir_open_value(store, item, &value, error);
    if (code == 0)
        record = sfs_record_ref(item->record);
    sfs_dir_leave(store);
    if (code == 0 && wanted)
        code = sfs_dir_fill(&value, &record, error);
    sfs_dir_value_close(&value);
    if (code)
        sfs_record_unref(record);
    else
        *ret_record = record;
    return code;
}

static int check_revision(const struct sfs_dir_item *item, uint64_t revision,
                          struct sfs_error *error)
{
    char shown[160];
    if (revision == 0 || item->record->revision == revision)
        return 0;
    return sfs_fail(error, SFS_E_CONFLICT, SFS_DIR_ORIGIN,
                    "'%s' was changed: it has revision %llu, not %llu",
                    sfs_name_show(item->record->name, shown, sizeof(shown)),
                    (unsigned long long)item->record->revision, (unsigned long long)revision);
}

static int dir_read(struct sfs_storage *storage, struct sfs_bytes name, uint64_t revision,
                    uint64_t offset, void *data, size_t size, size_t *ret_size,
                    struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    struct sfs_dir_value value = {.fd = -1};
    struct sfs_dir_item *item = NULL;
    size_t got = 0;
    int code = sfs_dir_enter(store, error);
    if (code)
        return code;
    code = find_item(store, name, &item, error);
    if (code == 0)
        code = check_revision(item, revision, error);
    bool wanted = code == 0 && has_value(item);
    if (wanted)
        code = sfs_dir_open_value(store, item, &value, error);
    sfs_dir_leave(store);
    if (code == 0 && wanted)
        code = sfs_dir_value_read(&value, offset, data, size, name, &got, error);
    sfs_dir_value_close(&value);
    if (code == 0)
        *ret_size = got;
    return code;
}

/* --- cursors --- */

/*
 * A cursor steps through the tree, and looks into each directory before it comes to the names in
 * it, once, also when it goes back. What this process changes meanwhile it sees; of what others do
 * in a directory that it has looked into, only the values.
 */
struct dir_cursor {
    struct sfs_cursor cursor;
    struct sfs_dir_store *store;
    unsigned want;
    struct sfs_buffer lowest; /* the range */
    struct sfs_buffer to;
    struct sfs_buffer position; /* the next name is not below it */
    struct sfs_tree list; /* directories not looked into: those ahead, and those passed over */
    bool moved;           /* the position may be within one that was passed over */
    const struct sfs_record *shown;
};

static struct sfs_range whole_of(const struct dir_cursor *cursor)
{
    return (struct sfs_range){sfs_buffer_bytes(&cursor->lowest), sfs_buffer_bytes(&cursor->to)};
}

static struct sfs_range rest_of(const struct dir_cursor *cursor)
{
    return (struct sfs_range){sfs_buffer_bytes(&cursor->position), sfs_buffer_bytes(&cursor->to)};
}

static int set_position(struct dir_cursor *cursor, struct sfs_bytes name, bool behind,
                        struct sfs_error *error)
{
    struct sfs_buffer position = {0};
    if (sfs_buffer_add(&position, name) || (behind && sfs_buffer_byte(&position, '\0'))) {
        sfs_buffer_free(&position);
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    sfs_buffer_free(&cursor->position);
    cursor->position = position;
    return 0;
}

/* Looks into the directories in which the position is, if that was not come to by steps. */
static int look_above(struct dir_cursor *cursor, struct sfs_error *error)
{
    struct sfs_dir_pending *above = NULL;
    int code = 0;
    while (code == 0 && cursor->moved) {
        code = sfs_dir_list_above(&cursor->list, rest_of(cursor), &above, error);
        cursor->moved = above != NULL;
        if (code == 0 && above)
            code = sfs_dir_look_into(cursor->store, &cursor->list, above, whole_of(cursor), error);
    }
    return code;
}

/* As above, into the next directory if its names can come before those behind `item` (NULL: the
 * end). 1: done, 0: there is none. */
static int look_ahead(struct dir_cursor *cursor, const struct sfs_dir_item *item,
                      struct sfs_error *error)
{
    struct sfs_dir_pending *next =
        sfs_dir_list_from(&cursor->list, sfs_buffer_bytes(&cursor->position));
    if (!next ||
        (item && sfs_bytes_compare(sfs_bytes(next->key.data, next->own), item->record->name) > 0))
        return 0;
    int code = sfs_dir_look_into(cursor->store, &cursor->list, next, whole_of(cursor), error);
    return code ? code : 1;
}

/* 1 and the next item, borrowed from the tree, 0 at the end. The lock is held. */
static int next_item(struct dir_cursor *cursor, struct sfs_dir_item **ret_item,
                     struct sfs_error *error)
{
    int code = look_above(cursor, error);
    if (code)
        return code;
    for (;;) {
        struct sfs_range range = rest_of(cursor);
        struct sfs_dir_item *item = sfs_tree_lower_bound(&cursor->store->tree, range.from);
        if (item && !sfs_range_has(range, item->record->name))
            item = NULL;
        code = look_ahead(cursor, item, error);
        if (code < 0)
            return code;
        if (code == 1)
            continue;
        if (!item)
            return 0;
        code = set_position(cursor, item->record->name, true, error);
        if (code)
            return code;
        if ((cursor->want & SFS_WANT_KEYS) && !sfs_record_is_key(item->record))
            continue;
        *ret_item = item;
        return 1;
    }
}

/* As next_item, with the value open, which may show that the name has gone meanwhile. */
static int next_value(struct dir_cursor *cursor, struct sfs_dir_item **ret_item,
                      struct sfs_dir_value *ret_value, struct sfs_error *error)
{
    for (;;) {
        struct sfs_buffer name = {0};
        struct sfs_dir_item *item = NULL;
        int code = next_item(cursor, &item, error);
        if (code != 1 || !wants_value(item, cursor->want)) {
            *ret_item = item;
            return code;
        }
        code =
            sfs_buffer_add(&name, item->record->name) ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
        if (code == 0)
            code = sfs_dir_refresh(cursor->store, sfs_buffer_bytes(&name), &item, error);
        sfs_buffer_free(&name);
        if (code == 0 && item)
            code = sfs_dir_open_value(cursor->store, item, ret_value, error);
        if (code)
            return code;
        if (item) {
            *ret_item = item;
            return 1;
        }
    }
}

static int cursor_next(struct sfs_cursor *base, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct dir_cursor *cursor = (struct dir_cursor *)base;
    struct sfs_dir_value value = {.fd = -1};
    const struct sfs_record *record = NULL;
    struct sfs_dir_item *item = NULL;
    int code = sfs_dir_enter(cursor->store, error);
    if (code)
        return code;
    code = next_value(cursor, &item, &value, error);
    if (code == 1)
        record = sfs_record_ref(item->record);
    sfs_dir_leave(cursor->store);
    if (code == 1 && (value.fd >= 0 || value.link.size)) {
        code = sfs_dir_fill(&value, &record, error);
        code = code ? code : 1;
    }
    sfs_dir_value_close(&value);
    if (code != 1) {
        sfs_record_unref(record);
        return code;
    }
    sfs_record_unref(cursor->shown);
    *ret_record = cursor->shown = record;
    return 1;
}

static int cursor_seek(struct sfs_cursor *base, struct sfs_bytes name, struct sfs_error *error)
{
    struct dir_cursor *cursor = (struct dir_cursor *)base;
    if (sfs_bytes_compare(name, sfs_buffer_bytes(&cursor->lowest)) < 0)
        name = sfs_buffer_bytes(&cursor->lowest);
    cursor->moved = true;
    return set_position(cursor, name, false, error);
}

static void cursor_close(struct sfs_cursor *base)
{
    struct dir_cursor *cursor = (struct dir_cursor *)base;
    sfs_record_unref(cursor->shown);
    sfs_tree_clear(&cursor->list);
    sfs_buffer_free(&cursor->lowest);
    sfs_buffer_free(&cursor->to);
    sfs_buffer_free(&cursor->position);
    free(cursor);
}

int sfs_dir_scan(struct sfs_storage *storage, struct sfs_range range, unsigned want,
                 struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {cursor_next, cursor_seek, cursor_close};
    struct dir_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    cursor->cursor.operations = &operations;
    cursor->store = sfs_dir_of(storage);
    cursor->want = want;
    cursor->moved = true;
    sfs_tree_init(&cursor->list, &sfs_dir_pending_counting);
    int code = 0;
    if (sfs_buffer_add(&cursor->lowest, range.from) || sfs_buffer_add(&cursor->to, range.to) ||
        sfs_buffer_add(&cursor->position, range.from))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code == 0)
        code = sfs_dir_list_begin(&cursor->list, rest_of(cursor), error);
    if (code)
        cursor_close(&cursor->cursor);
    else
        *ret_cursor = &cursor->cursor;
    return code;
}

int sfs_dir_exists(struct sfs_storage *storage, const struct sfs_range *ranges, size_t count,
                   struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    bool any = false;
    int code = sfs_dir_enter(store, error);
    if (code)
        return code;
    code = sfs_dir_look_for_any(store, ranges, count, &any, error);
    sfs_dir_leave(store);
    return code ? code : any;
}

const struct sfs_read_operations sfs_dir_reads = {dir_get, dir_read, sfs_dir_scan};
