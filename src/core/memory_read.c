/* SPDX-License-Identifier: MIT */
/* Reading from a state of the engine in memory: single records, parts of values, cursors. */
#include <stdlib.h>

#include "core/memory_engine.h"

static int fail_not_found(struct sfs_bytes name, struct sfs_error *error)
{
    char shown[128];
    return sfs_fail(error, SFS_E_NOT_FOUND, SFS_MEMORY_ORIGIN, "'%s' does not exist",
                    sfs_name_show(name, shown, sizeof(shown)));
}

int sfs_memory_get(struct sfs_memory_state *state, struct sfs_bytes name,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_record *record = sfs_tree_find(&state->tree, name);
    if (!record)
        return fail_not_found(name, error);
    *ret_record = sfs_record_ref(record);
    return 0;
}

static int fail_revision(const struct sfs_record *record, uint64_t revision,
                         struct sfs_error *error)
{
    char shown[128];
    return sfs_fail(error, SFS_E_CONFLICT, SFS_MEMORY_ORIGIN,
                    "'%s' was changed: it has revision %llu, not %llu",
                    sfs_name_show(record->name, shown, sizeof(shown)),
                    (unsigned long long)record->revision, (unsigned long long)revision);
}

int sfs_memory_read(struct sfs_memory_state *state, struct sfs_bytes name, uint64_t revision,
                    uint64_t offset, void *data, size_t size, size_t *ret_size,
                    struct sfs_error *error)
{
    const struct sfs_record *record = sfs_tree_find(&state->tree, name);
    if (!record)
        return fail_not_found(name, error);
    if (revision && record->revision != revision)
        return fail_revision(record, revision, error);
    struct sfs_bytes value = sfs_record_value(record);
    size_t count = 0;
    if (offset < value.size)
        count = value.size - offset < size ? value.size - (size_t)offset : size;
    if (count)
        memcpy(data, (const char *)value.data + offset, count);
    *ret_size = count;
    return 0;
}

/*
 * A cursor keeps the state that it saw last, and its place in the tree, until the source gives
 * another one; then it looks its place up anew. What a live cursor holds is thus at most as old as
 * its last step, and no writer waits for it.
 */
struct memory_cursor {
    struct sfs_cursor cursor;
    struct sfs_storage *store;
    sfs_memory_source *source;
    struct sfs_memory_state *state;
    struct sfs_tree_cursor place;
    unsigned want;
    struct sfs_buffer lowest; /* the range's bounds */
    struct sfs_buffer to;
    struct sfs_buffer from;          /* what was last sought */
    const struct sfs_record *shown;  /* the last one, for its name */
    sfs_progress_function *progress; /* NULL: nobody wants to know */
    void *context;
    uint64_t count; /* of records shown */
};

static void forget_shown(struct memory_cursor *cursor)
{
    sfs_record_unref(cursor->shown);
    cursor->shown = NULL;
}

/* Puts the place behind what was shown last, or where the next step is to begin. */
static void find_place(struct memory_cursor *cursor)
{
    struct sfs_bytes from = sfs_buffer_bytes(&cursor->from);
    if (cursor->shown)
        from = cursor->shown->name;
    cursor->place = sfs_tree_seek(&cursor->state->tree, from);
    if (!cursor->shown || !sfs_tree_find(&cursor->state->tree, from))
        return;
    (void)sfs_tree_next(&cursor->place);
}

/* Makes cursor->state the one to read. */
static int renew_state(struct memory_cursor *cursor, struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    if (!cursor->source)
        return 0;
    int result = cursor->source(cursor->store, &state, error);
    if (result) {
        sfs_memory_state_unref(cursor->state);
        cursor->state = NULL;
        return result;
    }
    if (state == cursor->state) {
        sfs_memory_state_unref(state);
        return 0;
    }
    sfs_memory_state_unref(cursor->state);
    cursor->state = state;
    find_place(cursor);
    return 0;
}

/* Every so many records progress is told. */
#define PROGRESS_STEP 1024

static int tell_progress(struct memory_cursor *cursor, struct sfs_error *error)
{
    if (!cursor->progress || cursor->count++ % PROGRESS_STEP != 0)
        return 0;
    uint64_t total = cursor->state->totals.records;
    if (cursor->progress(cursor->context, cursor->count - 1, total) == 0)
        return 0;
    return sfs_fail(error, SFS_E_CANCELLED, SFS_MEMORY_ORIGIN, "stopped as asked");
}

static int cursor_next(struct sfs_cursor *base, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    int result = renew_state(cursor, error);
    if (!result)
        result = tell_progress(cursor, error);
    if (result)
        return result;
    const struct sfs_record *record;
    struct sfs_bytes to = sfs_buffer_bytes(&cursor->to);
    do {
        record = sfs_tree_next(&cursor->place);
        if (!record || (to.size && sfs_bytes_compare(record->name, to) >= 0)) {
            find_place(cursor);
            return 0;
        }
    } while ((cursor->want & SFS_WANT_KEYS) && !sfs_record_is_key(record));
    forget_shown(cursor);
    cursor->shown = sfs_record_ref(record);
    *ret_record = cursor->shown;
    return 1;
}

static int cursor_seek(struct sfs_cursor *base, struct sfs_bytes name, struct sfs_error *error)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    struct sfs_buffer from = {0};
    if (sfs_bytes_compare(name, sfs_buffer_bytes(&cursor->lowest)) < 0)
        name = sfs_buffer_bytes(&cursor->lowest);
    if (sfs_buffer_add(&from, name))
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    sfs_buffer_free(&cursor->from);
    cursor->from = from;
    forget_shown(cursor);
    if (cursor->state)
        find_place(cursor);
    return 0;
}

static void cursor_close(struct sfs_cursor *base)
{
    struct memory_cursor *cursor = (struct memory_cursor *)base;
    forget_shown(cursor);
    sfs_memory_state_unref(cursor->state);
    sfs_buffer_free(&cursor->from);
    sfs_buffer_free(&cursor->to);
    sfs_buffer_free(&cursor->lowest);
    free(cursor);
}

static const struct sfs_cursor_operations cursor_operations = {cursor_next, cursor_seek,
                                                               cursor_close};

static struct memory_cursor *cursor_new(struct sfs_range range, unsigned want)
{
    struct memory_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return NULL;
    cursor->cursor.operations = &cursor_operations;
    cursor->want = want;
    if (!sfs_buffer_add(&cursor->lowest, range.from) && !sfs_buffer_add(&cursor->to, range.to) &&
        !sfs_buffer_add(&cursor->from, range.from))
        return cursor;
    cursor_close(&cursor->cursor);
    return NULL;
}

int sfs_memory_scan(struct sfs_storage *store, sfs_memory_source *source, struct sfs_range range,
                    unsigned want, struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct memory_cursor *cursor = cursor_new(range, want);
    if (!cursor)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    cursor->store = store;
    cursor->source = source;
    int result = renew_state(cursor, error);
    if (result) {
        cursor_close(&cursor->cursor);
        return result;
    }
    *ret_cursor = &cursor->cursor;
    return 0;
}

int sfs_memory_scan_state(struct sfs_memory_state *state, struct sfs_cursor **ret_cursor,
                          struct sfs_error *error)
{
    struct memory_cursor *cursor = cursor_new((struct sfs_range){0}, SFS_WANT_VALUE);
    if (!cursor)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    atomic_fetch_add_explicit(&state->references, 1, memory_order_relaxed);
    cursor->state = state;
    find_place(cursor);
    *ret_cursor = &cursor->cursor;
    return 0;
}

int sfs_memory_engine_scan(struct sfs_memory_engine *engine, sfs_progress_function *progress,
                           void *context, uint64_t *ret_sequence, struct sfs_cursor **ret_cursor,
                           struct sfs_error *error)
{
    struct sfs_memory_state *state = sfs_memory_engine_state(engine);
    struct sfs_cursor *cursor = NULL;
    int result = sfs_memory_scan_state(state, &cursor, error);
    if (!result) {
        ((struct memory_cursor *)cursor)->progress = progress;
        ((struct memory_cursor *)cursor)->context = context;
        *ret_sequence = state->sequence;
        *ret_cursor = cursor;
    }
    sfs_memory_state_unref(state);
    return result;
}

const struct sfs_index_set *sfs_memory_cursor_indexes(const struct sfs_cursor *cursor)
{
    return ((const struct memory_cursor *)cursor)->state->set;
}
