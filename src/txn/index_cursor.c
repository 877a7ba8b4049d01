/* SPDX-License-Identifier: MIT */
/* A cursor over an index in a transaction: the base's entries and the write set's, merged. */
#include <stdlib.h>

#include "core/storage.h"
#include "txn/index_entries.h"

struct merged {
    struct sfs_index_cursor cursor;
    struct sfs_txn_view view; /* with a share of the writes */
    const struct sfs_txn_index_part *own;
    unsigned want;
    bool descending;
    size_t from; /* of `own`: what is left is [from, to); descending: groups of one K, the last
                    first */
    size_t to;
    size_t at; /* descending: the next of the group that is being given, up to `group` */
    size_t group;
    struct sfs_index_cursor *below;
    struct sfs_index_row theirs;
    bool below_read;
    bool below_ended;
    const struct sfs_record *shown; /* of the write set */
};

static struct sfs_bytes key_at(const struct merged *self, size_t at)
{
    return sfs_buffer_bytes(&self->own->list[at].key);
}

/* Descending: makes the entries of the greatest K that is left the group. */
static void begin_group(struct merged *self)
{
    if (self->at < self->group || self->from >= self->to)
        return;
    self->group = self->to;
    self->at = self->to - 1;
    while (self->at > self->from &&
           sfs_bytes_equal(key_at(self, self->at - 1), key_at(self, self->at)))
        self->at--;
    self->to = self->at;
}

/* The write set's next entry, or none. */
static const struct sfs_txn_index_entry *mine(struct merged *self)
{
    if (!self->descending)
        return self->from < self->to ? &self->own->list[self->from] : NULL;
    begin_group(self);
    return self->at < self->group ? &self->own->list[self->at] : NULL;
}

static void step_mine(struct merged *self)
{
    if (self->descending)
        self->at++;
    else
        self->from++;
}

static bool is_hidden(const struct merged *self, struct sfs_bytes name)
{
    const struct sfs_txn_entry *written = sfs_tree_find(&self->view.writes.entries, name);
    return written && written->state != SFS_TXN_GUARDED;
}

static int load_theirs(struct merged *self, struct sfs_error *error)
{
    while (!self->below_read && !self->below_ended) {
        int found = self->below->operations->next(self->below, &self->theirs, error);
        if (found < 0)
            return found;
        self->below_ended = found == 0;
        self->below_read = found > 0 && !is_hidden(self, self->theirs.name);
    }
    return 0;
}

static bool mine_is_first(const struct merged *self, const struct sfs_txn_index_entry *entry)
{
    if (!self->below_read)
        return true;
    int order = sfs_bytes_compare(sfs_buffer_bytes(&entry->key), self->theirs.key);
    if (order)
        return self->descending ? order > 0 : order < 0;
    return sfs_bytes_compare(sfs_buffer_bytes(&entry->name), self->theirs.name) < 0;
}

static int give_mine(struct merged *self, const struct sfs_txn_index_entry *entry,
                     struct sfs_index_row *ret_row, struct sfs_error *error)
{
    struct sfs_bytes name = sfs_buffer_bytes(&entry->name);
    sfs_record_unref(self->shown);
    self->shown = NULL;
    int code = self->want & SFS_WANT_NAMES
                   ? 0
                   : sfs_txn_view_get(&self->view, name, self->want, &self->shown, error);
    if (code)
        return code;
    *ret_row = (struct sfs_index_row){sfs_buffer_bytes(&entry->key), name, self->shown};
    step_mine(self);
    return 1;
}

static int merged_next(struct sfs_index_cursor *cursor, struct sfs_index_row *ret_row,
                       struct sfs_error *error)
{
    struct merged *self = (struct merged *)cursor;
    int code = load_theirs(self, error);
    const struct sfs_txn_index_entry *entry = mine(self);
    if (code)
        return code;
    if (entry && mine_is_first(self, entry))
        return give_mine(self, entry, ret_row, error);
    if (!self->below_read)
        return 0;
    *ret_row = self->theirs;
    self->below_read = false;
    return 1;
}

static int merged_seek(struct sfs_index_cursor *cursor, struct sfs_bytes key,
                       struct sfs_error *error)
{
    struct merged *self = (struct merged *)cursor;
    int code = self->below->operations->seek(self->below, key, error);
    if (code)
        return code;
    size_t at = sfs_txn_index_position(self->own, key);
    self->below_read = self->below_ended = false;
    if (!self->descending && at > self->from)
        self->from = at;
    if (self->descending && at < self->to)
        self->to = at;
    if (self->descending && at <= self->at)
        self->at = self->group; /* what was begun is above the bound */
    return 0;
}

static void merged_expect(struct sfs_index_cursor *cursor, uint64_t count)
{
    struct merged *self = (struct merged *)cursor;
    if (self->below->operations->expect)
        self->below->operations->expect(self->below, count);
}

static void merged_close(struct sfs_index_cursor *cursor)
{
    struct merged *self = (struct merged *)cursor;
    if (self->below)
        self->below->operations->close(self->below);
    sfs_record_unref(self->shown);
    sfs_txn_writes_clear(&self->view.writes);
    free(self);
}

int sfs_txn_index_scan(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                       const struct sfs_index *index, struct sfs_range range, bool descending,
                       unsigned want, struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_index_cursor_operations operations = {
        .next = merged_next, .seek = merged_seek, .expect = merged_expect, .close = merged_close};
    const struct sfs_txn_index_entries *entries = NULL;
    int code = sfs_txn_index_entries(view, indexes, index, &entries, error);
    struct merged *self = code ? NULL : calloc(1, sizeof(*self));
    if (!self)
        return code ? code : sfs_fail_memory(error, "transaction");
    self->cursor.operations = &operations;
    self->view.base = view->base;
    self->view.live = view->live;
    sfs_txn_writes_share(&view->writes, &self->view.writes);
    self->own = &entries->own;
    self->want = want & ~SFS_WANT_BARE;
    self->descending = descending;
    self->from = sfs_txn_index_position(self->own, range.from);
    self->to = range.to.size ? sfs_txn_index_position(self->own, range.to) : self->own->count;
    code = sfs_storage_index_scan(view->base, index, range, descending, want, &self->below, error);
    if (code) {
        merged_close(&self->cursor);
        return code;
    }
    *ret_cursor = &self->cursor;
    return 0;
}
