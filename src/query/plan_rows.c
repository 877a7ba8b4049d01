/* SPDX-License-Identifier: MIT */
/*
 * The records that a plan names. Entries of one K, and entries that give an order, come straight
 * from the index; else the names are collected and sorted first, because rows are in order of
 * names.
 */
#include <stdlib.h>

#include "core/storage.h"
#include "query/plan.h"
#include "query/run.h"

static int open_from(struct sfs_storage *store, const struct sfs_plan *plan, size_t at,
                     struct sfs_bytes from, unsigned want, struct sfs_index_cursor **ret_cursor,
                     struct sfs_error *error)
{
    struct sfs_range range = {from, sfs_buffer_bytes(&plan->ranges[at].to)};
    return sfs_storage_index_scan(store, plan->index, range, plan->descending, want, ret_cursor,
                                  error);
}

static void expect(struct sfs_index_cursor *cursor, uint64_t count)
{
    if (cursor->operations->expect)
        cursor->operations->expect(cursor, count);
}

int sfs_plan_open_range(struct sfs_storage *store, const struct sfs_plan *plan, size_t at,
                        unsigned want, struct sfs_index_cursor **ret_cursor,
                        struct sfs_error *error)
{
    return open_from(store, plan, at, sfs_buffer_bytes(&plan->ranges[at].from), want, ret_cursor,
                     error);
}

/* --- straight from the index --- */

struct entries {
    struct sfs_cursor cursor;
    struct sfs_index_cursor *below;
};

static int entries_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct sfs_index_row row;
    struct entries *self = (struct entries *)cursor;
    int found = self->below->operations->next(self->below, &row, error);
    if (found > 0)
        *ret_record = row.record;
    return found;
}

static void entries_close(struct sfs_cursor *cursor)
{
    struct entries *self = (struct entries *)cursor;
    self->below->operations->close(self->below);
    free(self);
}

static int entries_new(struct sfs_storage *store, const struct sfs_plan *plan, unsigned want,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = entries_next, .seek = sfs_query_no_seek, .close = entries_close};
    struct entries *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "query");
    self->cursor.operations = &operations;
    int result = sfs_plan_open_range(store, plan, 0, want, &self->below, error);
    if (result) {
        free(self);
        return result;
    }
    expect(self->below, plan->wanted);
    *ret_cursor = &self->cursor;
    return 0;
}

/* --- names first --- */

/* So much of records is kept with their names, and need not be looked up. */
#define HELD_MOST (UINT64_C(4) << 20)

struct name {
    uint64_t head; /* what comes behind that which all names begin with: nearly all differ in it */
    size_t at;     /* in `bytes`, up to a NUL, where there is no record */
    const struct sfs_record *record; /* NULL: to be looked up */
};

struct names {
    struct sfs_cursor cursor;
    struct sfs_storage *store;
    const struct sfs_plan *plan;
    unsigned want;
    struct sfs_buffer bytes;
    struct name *list;
    size_t count;
    size_t room;
    size_t given;
    uint64_t held; /* bytes of records */
    bool collected;
    const struct sfs_record *shown;
};

static int add_name(struct names *self, const struct sfs_index_row *row)
{
    if (self->count == self->room) {
        size_t room = self->room ? self->room * 2 : 64;
        struct name *list = realloc(self->list, room * sizeof(*list));
        if (!list)
            return SFS_E_NO_MEMORY;
        self->list = list;
        self->room = room;
    }
    struct name name = {0, self->bytes.size, NULL};
    if (!row->record &&
        (sfs_buffer_add(&self->bytes, row->name) || sfs_buffer_byte(&self->bytes, '\0')))
        return SFS_E_NO_MEMORY;
    if (row->record) {
        name.record = sfs_record_ref(row->record);
        self->held += sizeof(*row->record) + row->name.size + row->record->xattrs.size +
                      (sfs_record_has_value(row->record) ? row->record->size : 0);
    }
    self->list[self->count++] = name;
    return 0;
}

/* The place of the last entry that was collected. */
struct reached {
    struct sfs_buffer key;
    struct sfs_buffer name;
};

static bool is_behind(const struct sfs_index_row *row, const struct reached *reached)
{
    return !sfs_bytes_equal(row->key, sfs_buffer_bytes(&reached->key)) ||
           sfs_bytes_compare(row->name, sfs_buffer_bytes(&reached->name)) > 0;
}

static int set_reached(struct reached *reached, const struct sfs_index_row *row)
{
    reached->key.size = reached->name.size = 0;
    if (sfs_buffer_add(&reached->key, row->key))
        return SFS_E_NO_MEMORY;
    return sfs_buffer_add(&reached->name, row->name);
}

/* Collects what is behind the place, with records while these are to be held: 1 it then stopped, 0
 * it came to the end, or an error. */
static int collect_part(struct names *self, size_t at, struct reached *reached,
                        struct sfs_error *error)
{
    struct sfs_index_cursor *cursor = NULL;
    struct sfs_index_row row;
    bool holds = self->held < HELD_MOST;
    struct sfs_bytes from = reached->key.size ? sfs_buffer_bytes(&reached->key)
                                              : sfs_buffer_bytes(&self->plan->ranges[at].from);
    int result = open_from(self->store, self->plan, at, from, holds ? self->want : SFS_WANT_NAMES,
                           &cursor, error);
    if (result)
        return result;
    expect(cursor, self->plan->rows);
    while ((result = cursor->operations->next(cursor, &row, error)) > 0) {
        if (reached->key.size && !is_behind(&row, reached))
            continue;
        if (holds && self->held >= HELD_MOST)
            break;
        int failed = add_name(self, &row);
        if (failed == 0 && holds && self->held >= HELD_MOST)
            failed = set_reached(reached, &row);
        if (failed) {
            result = sfs_fail_memory(error, "query");
            break;
        }
    }
    cursor->operations->close(cursor);
    return result;
}

static int collect_range(struct names *self, size_t at, struct sfs_error *error)
{
    struct reached reached = {{0}, {0}};
    int result = 0;
    do {
        result = collect_part(self, at, &reached, error);
    } while (result > 0);
    sfs_buffer_free(&reached.key);
    sfs_buffer_free(&reached.name);
    return result;
}

static struct sfs_bytes bytes_of(const struct name *name, const char *bytes)
{
    return name->record ? name->record->name : sfs_string(bytes + name->at);
}

static struct sfs_bytes name_at(const struct names *self, size_t at)
{
    return bytes_of(&self->list[at], self->bytes.data);
}

/* How many bytes all names begin with. */
static size_t find_common(const struct names *self)
{
    struct sfs_bytes first = name_at(self, 0);
    size_t common = first.size;
    for (size_t i = 1; i < self->count; i++) {
        struct sfs_bytes name = name_at(self, i);
        size_t at = 0;
        while (at < common && at < name.size &&
               ((const char *)name.data)[at] == ((const char *)first.data)[at])
            at++;
        common = at;
    }
    return common;
}

static void find_heads(struct names *self)
{
    size_t common = find_common(self);
    for (size_t i = 0; i < self->count; i++) {
        struct sfs_bytes name = name_at(self, i);
        unsigned char head[8] = {0}; /* shorter names come first, as they do in the whole order */
        size_t left = name.size - common;
        memcpy(head, (const char *)name.data + common, left < 8 ? left : 8);
        for (size_t j = 0; j < 8; j++)
            self->list[i].head = self->list[i].head << 8 | head[j];
    }
}

static int compare_names(const void *a, const void *b, void *context)
{
    uint64_t head = ((const struct name *)a)->head, other = ((const struct name *)b)->head;
    if (head != other)
        return head < other ? -1 : 1;
    return sfs_bytes_compare(bytes_of(a, context), bytes_of(b, context));
}

static int collect(struct names *self, struct sfs_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < self->plan->range_count; i++)
        result = collect_range(self, i, error);
    if (result)
        return result;
    if (self->count > 1) {
        find_heads(self);
        qsort_r(self->list, self->count, sizeof(*self->list), compare_names, self->bytes.data);
    }
    self->collected = true;
    return 0;
}

/* 1 and the record of the next name; 0 where it is there no more, or was there twice: in a store
 * without snapshots, which changes while it is read. */
static int look_up(struct names *self, size_t at, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    struct sfs_bytes name = name_at(self, at);
    if (at > 0 && sfs_bytes_equal(name, name_at(self, at - 1)))
        return 0;
    if (self->list[at].record) {
        self->shown = sfs_record_ref(self->list[at].record);
        return 1;
    }
    int result = sfs_get(self->store, name, self->want & ~SFS_WANT_BARE, &self->shown, &failure);
    if (result == SFS_E_NOT_FOUND)
        return 0;
    if (result && error)
        *error = failure;
    if (result)
        return result;
    return sfs_record_is_key(self->shown);
}

static int names_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                      struct sfs_error *error)
{
    struct names *self = (struct names *)cursor;
    int found = self->collected ? 0 : collect(self, error);
    while (found == 0 && self->given < self->count) {
        sfs_record_unref(self->shown);
        self->shown = NULL;
        found = look_up(self, self->given++, error);
    }
    if (found > 0)
        *ret_record = self->shown;
    return found;
}

static void names_close(struct sfs_cursor *cursor)
{
    struct names *self = (struct names *)cursor;
    sfs_record_unref(self->shown);
    for (size_t i = 0; i < self->count; i++)
        sfs_record_unref(self->list[i].record);
    sfs_buffer_free(&self->bytes);
    free(self->list);
    free(self);
}

static int names_new(struct sfs_storage *store, const struct sfs_plan *plan, unsigned want,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = names_next, .seek = sfs_query_no_seek, .close = names_close};
    struct names *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "query");
    self->cursor.operations = &operations;
    self->store = store;
    self->plan = plan;
    self->want = want;
    *ret_cursor = &self->cursor;
    return 0;
}

int sfs_plan_cursor(struct sfs_storage *store, const struct sfs_plan *plan, unsigned want,
                    struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    /* Where the store is no snapshot, what is exact when it is counted need not be when it is read.
     */
    sfs_index_hit(plan->index);
    return plan->way == SFS_PLAN_NAMES ? names_new(store, plan, want, ret_cursor, error)
                                       : entries_new(store, plan, want, ret_cursor, error);
}
