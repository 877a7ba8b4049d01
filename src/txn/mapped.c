/* SPDX-License-Identifier: MIT */
/*
 * A cursor over the base through the map of ranges: part by part in the order of the view's names,
 * with a cursor of the base in each, on the names that the part has there.
 */
#include <stdlib.h>

#include "txn/view.h"

struct mapped_cursor {
    struct sfs_cursor cursor;
    struct sfs_storage *base;
    struct sfs_tree map;
    unsigned want;
    struct sfs_buffer end; /* of the whole cursor; empty: none */

    struct sfs_buffer from;            /* where the part begins that is read, or the next one */
    struct sfs_buffer to;              /* of the part that is read: its end; empty: none */
    struct sfs_cursor *below;          /* in that part; NULL: it is to be opened */
    const struct sfs_txn_piece *piece; /* of that part, borrowed from the map */
    bool ended;
    struct sfs_buffer name;
    const struct sfs_record *current; /* given last; owned */
};

static struct mapped_cursor *mapped_of(struct sfs_cursor *cursor)
{
    return (struct mapped_cursor *)cursor;
}

static int set(struct sfs_buffer *buffer, struct sfs_bytes bytes, struct sfs_error *error)
{
    buffer->size = 0;
    return sfs_buffer_add(buffer, bytes) ? sfs_fail_memory(error, "transaction") : 0;
}

/* Opens the part that begins at `from`, where there is something in it. */
static int open_part(struct mapped_cursor *self, struct sfs_range part, struct sfs_error *error)
{
    struct sfs_buffer bounds[2] = {{0}};
    struct sfs_range range = part;
    int code = set(&self->to, part.to, error);
    if (code == 0 && self->piece && !self->piece->gone &&
        sfs_txn_piece_range(self->piece, part, bounds, &range))
        code = sfs_fail_memory(error, "transaction");
    if (code == 0 && !(self->piece && self->piece->gone))
        code = sfs_scan(self->base, range, self->want, &self->below, error);
    sfs_buffer_free(&bounds[0]);
    sfs_buffer_free(&bounds[1]);
    return code;
}

/* Opens the part at `from`, or those behind it, until there is one or none is left. */
static int open_next(struct mapped_cursor *self, struct sfs_error *error)
{
    struct sfs_range rest = {sfs_buffer_bytes(&self->from), sfs_buffer_bytes(&self->end)};
    struct sfs_range part;
    int code = 0;
    while (code == 0 && !self->below && !self->ended) {
        self->ended = !sfs_txn_map_part(&self->map, rest, &self->piece, &part);
        if (self->ended)
            break;
        code = open_part(self, part, error);
        if (code == 0 && !self->below)
            self->ended = !sfs_txn_map_behind(part, &rest);
    }
    /* `rest` begins in `from` still, or in the map. */
    if (code == 0 && rest.from.data != self->from.data)
        code = set(&self->from, rest.from, error);
    return code;
}

static void leave_part(struct mapped_cursor *self)
{
    sfs_cursor_close(self->below);
    self->below = NULL;
}

/* Goes on to where the part that was read ended. */
static int pass_part(struct mapped_cursor *self, struct sfs_error *error)
{
    leave_part(self);
    self->ended = self->to.size == 0;
    return self->ended ? 0 : set(&self->from, sfs_buffer_bytes(&self->to), error);
}

static int mapped_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct mapped_cursor *self = mapped_of(cursor);
    const struct sfs_record *record = NULL;
    sfs_record_unref(self->current);
    self->current = NULL;
    for (;;) {
        int code = self->below ? 0 : open_next(self, error);
        if (code || self->ended)
            return code;
        code = sfs_cursor_next(self->below, &record, error);
        if (code == 1)
            break;
        if (code == 0)
            code = pass_part(self, error);
        if (code)
            return code;
    }
    int code = sfs_txn_piece_record(self->piece, record, &self->name, &self->current, error);
    if (code)
        return code;
    *ret_record = self->current;
    return 1;
}

/* Whether the part that is read holds the name, so that its cursor can go there. */
static bool is_in_part(const struct mapped_cursor *self, struct sfs_bytes name)
{
    struct sfs_range part = {sfs_buffer_bytes(&self->from), sfs_buffer_bytes(&self->to)};
    return self->below && sfs_range_has(part, name);
}

/* Whoever uses it does not seek before the beginning. */
static int mapped_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    struct mapped_cursor *self = mapped_of(cursor);
    if (is_in_part(self, name)) {
        self->name.size = 0;
        if (sfs_txn_piece_base(self->piece, name, &self->name))
            return sfs_fail_memory(error, "transaction");
        return sfs_cursor_seek(self->below, sfs_buffer_bytes(&self->name), error);
    }
    leave_part(self);
    self->ended = false;
    return set(&self->from, name, error);
}

static void mapped_close(struct sfs_cursor *cursor)
{
    struct mapped_cursor *self = mapped_of(cursor);
    leave_part(self);
    sfs_record_unref(self->current);
    sfs_tree_clear(&self->map);
    sfs_buffer_free(&self->end);
    sfs_buffer_free(&self->from);
    sfs_buffer_free(&self->to);
    sfs_buffer_free(&self->name);
    free(self);
}

static int mapped_new(struct sfs_storage *base, const struct sfs_tree *map,
                      struct sfs_range range, unsigned want, struct sfs_cursor **ret_cursor,
                      struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = mapped_next, .seek = mapped_seek, .close = mapped_close};
    struct mapped_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "transaction");
    self->cursor.operations = &operations;
    self->base = base;
    self->want = want;
    sfs_tree_share(map, &self->map);
    int code = set(&self->end, range.to, error);
    if (code == 0)
        code = set(&self->from, range.from, error);
    if (code)
        mapped_close(&self->cursor);
    else
        *ret_cursor = &self->cursor;
    return code;
}

int sfs_txn_mapped_scan(struct sfs_storage *base, const struct sfs_tree *map,
                        struct sfs_range range, unsigned want, struct sfs_cursor **ret_cursor,
                        struct sfs_error *error)
{
    return map->count ? mapped_new(base, map, range, want, ret_cursor, error)
                      : sfs_scan(base, range, want, ret_cursor, error);
}
