/* SPDX-License-Identifier: MIT */
/*
 * The cursor of a view: the write set and the base, merged in byte order, the write set's word
 * being the one that counts.
 */
#include <stdlib.h>

#include "txn/view.h"

struct txn_cursor {
    struct sfs_cursor cursor;
    struct sfs_storage *base;
    sfs_txn_share_function *share;
    void *context;
    uint64_t generation;
    struct sfs_txn_writes writes;
    unsigned want;
    struct sfs_buffer bounds; /* the range's two ends */
    struct sfs_range range;

    struct sfs_buffer resume; /* the name given last, or sought */
    bool after;               /* go on behind `resume`, not at it */
    struct sfs_tree_cursor position;
    const struct sfs_txn_entry *mine; /* the next of the write set, NULL: none */
    struct sfs_cursor *below;
    const struct sfs_record *theirs;  /* the next of the base, borrowed from `below`; NULL: none */
    bool below_read;                  /* `theirs` is up to date */
    const struct sfs_record *current; /* given last; owned */
};

static struct txn_cursor *txn_cursor_of(struct sfs_cursor *cursor)
{
    return (struct txn_cursor *)cursor;
}

/* The next entry of the write set that changes what the base says, in the range. */
static void step_mine(struct txn_cursor *self)
{
    const struct sfs_txn_entry *entry;
    do {
        entry = sfs_tree_next(&self->position);
    } while (entry && entry->state == SFS_TXN_GUARDED);
    self->mine = entry && sfs_range_has(self->range, entry->name) ? entry : NULL;
}

static void seek_mine(struct txn_cursor *self)
{
    struct sfs_bytes name = sfs_buffer_bytes(&self->resume);
    self->position = sfs_tree_seek(&self->writes.entries, name);
    step_mine(self);
    if (self->after && self->mine && sfs_bytes_equal(self->mine->name, name))
        step_mine(self);
}

/* Opens the cursor below at `resume`. */
static int open_below(struct txn_cursor *self, struct sfs_error *error)
{
    sfs_cursor_close(self->below);
    self->below = NULL;
    self->below_read = false;
    self->theirs = NULL;
    int code = sfs_txn_mapped_scan(self->base, &self->writes.map, self->range, self->want,
                                   &self->below, error);
    /* A scan that begins at its beginning need not be sent there. */
    if (code || sfs_bytes_compare(sfs_buffer_bytes(&self->resume), self->range.from) <= 0)
        return code;
    return sfs_cursor_seek(self->below, sfs_buffer_bytes(&self->resume), error);
}

static int refresh(struct txn_cursor *self, struct sfs_error *error)
{
    uint64_t generation = self->generation;
    struct sfs_txn_writes writes = {0};
    int code = self->share(self->context, &generation, &writes, error);
    if (code || (generation == self->generation && self->below))
        return code;
    if (generation != self->generation) {
        bool mapped_otherwise = writes.map.root != self->writes.map.root;
        sfs_txn_writes_clear(&self->writes);
        self->writes = writes;
        self->generation = generation;
        seek_mine(self);
        if (self->below && !mapped_otherwise)
            return 0;
    }
    return open_below(self, error);
}

/* A cursor below that was opened anew begins at the name that was given last, not behind it. */
static int load_theirs(struct txn_cursor *self, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int code = 1;
    if (self->below_read)
        return 0;
    do {
        code = sfs_cursor_next(self->below, &record, error);
        if (code < 0)
            return code;
    } while (code > 0 && self->after &&
             sfs_bytes_equal(record->name, sfs_buffer_bytes(&self->resume)));
    self->theirs = code > 0 ? record : NULL;
    self->below_read = true;
    return 0;
}

static int give(struct txn_cursor *self, const struct sfs_record *record,
                const struct sfs_record **ret_record, struct sfs_error *error)
{
    self->current = record;
    self->resume.size = 0;
    self->after = true;
    if (sfs_buffer_add(&self->resume, record->name))
        return sfs_fail_memory(error, "transaction");
    *ret_record = record;
    return 1;
}

/* Takes the entry that comes next; *ret_record stays NULL where it shows nothing. */
static int take_mine(struct txn_cursor *self, const struct sfs_record **ret_record,
                     struct sfs_error *error)
{
    const struct sfs_txn_entry *entry = self->mine;
    if (self->theirs && sfs_bytes_equal(self->theirs->name, entry->name))
        self->below_read = false;
    bool hidden = entry->state == SFS_TXN_GONE ||
                  ((self->want & SFS_WANT_KEYS) && !sfs_record_is_key(entry->record));
    struct sfs_error failure;
    int code = hidden ? 0
                      : sfs_txn_entry_record(self->base, entry, self->want, ret_record, &failure);
    if (code == SFS_E_NOT_FOUND && entry->live)
        code = 0;
    if (code && error)
        *error = failure;
    step_mine(self);
    return code;
}

static int cursor_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct txn_cursor *self = txn_cursor_of(cursor);
    sfs_record_unref(self->current);
    self->current = NULL;
    int code = refresh(self, error);
    while (code == 0) {
        const struct sfs_record *record = NULL;
        code = load_theirs(self, error);
        if (code)
            return code;
        if (!self->mine && !self->theirs)
            return 0;
        if (self->mine &&
            (!self->theirs || sfs_bytes_compare(self->mine->name, self->theirs->name) <= 0)) {
            code = take_mine(self, &record, error);
        } else {
            record = sfs_record_ref(self->theirs);
            self->below_read = false;
        }
        if (record)
            return give(self, record, ret_record, error);
    }
    return code;
}

static int cursor_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    struct txn_cursor *self = txn_cursor_of(cursor);
    if (sfs_bytes_compare(name, self->range.from) < 0)
        name = self->range.from;
    int code = self->below ? sfs_cursor_seek(self->below, name, error) : 0;
    if (code)
        return code;
    self->below_read = false;
    self->theirs = NULL;
    self->after = false;
    self->resume.size = 0;
    if (sfs_buffer_add(&self->resume, name))
        return sfs_fail_memory(error, "transaction");
    seek_mine(self);
    return 0;
}

static void cursor_close(struct sfs_cursor *cursor)
{
    struct txn_cursor *self = txn_cursor_of(cursor);
    sfs_record_unref(self->current);
    sfs_cursor_close(self->below);
    sfs_txn_writes_clear(&self->writes);
    sfs_buffer_free(&self->bounds);
    sfs_buffer_free(&self->resume);
    free(self);
}

static const struct sfs_cursor_operations cursor_operations = {
    .next = cursor_next,
    .seek = cursor_seek,
    .close = cursor_close,
};

static int copy_range(struct txn_cursor *self, struct sfs_range range, struct sfs_error *error)
{
    struct sfs_buffer *bounds = &self->bounds;
    if (sfs_buffer_add(bounds, range.from) || sfs_buffer_add(bounds, range.to) ||
        sfs_buffer_add(&self->resume, range.from))
        return sfs_fail_memory(error, "transaction");
    self->range.from = sfs_bytes(bounds->data, range.from.size);
    self->range.to = sfs_bytes(range.to.size ? bounds->data + range.from.size : NULL, range.to.size);
    return 0;
}

int sfs_txn_share_fixed(void *context, uint64_t *generation, struct sfs_txn_writes *writes,
                        struct sfs_error *error)
{
    (void)error;
    const struct sfs_txn_view *view = context;
    if (*generation == 0)
        sfs_txn_writes_share(&view->writes, writes);
    *generation = 1;
    return 0;
}

int sfs_txn_scan(struct sfs_storage *base, sfs_txn_share_function *share, void *context,
                 struct sfs_range range, unsigned want, struct sfs_cursor **ret_cursor,
                 struct sfs_error *error)
{
    struct txn_cursor *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "transaction");
    self->cursor.operations = &cursor_operations;
    self->base = base;
    self->share = share;
    self->context = context;
    self->want = want;
    int code = copy_range(self, range, error);
    if (code == 0)
        code = refresh(self, error);
    if (code) {
        cursor_close(&self->cursor);
        return code;
    }
    *ret_cursor = &self->cursor;
    return 0;
}

int sfs_txn_view_scan(const struct sfs_txn_view *view, struct sfs_range range, unsigned want,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    void *context = (void *)(uintptr_t)view;
    return sfs_txn_scan(view->base, sfs_txn_share_fixed, context, range, want, ret_cursor, error);
}
