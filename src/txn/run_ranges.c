/* SPDX-License-Identifier: MIT */
/*
 * Primitives on whole ranges. What the base has is not touched name by name: the map of the view says
 * what its names stand for from now on. Entries of the write set move or go.
 */
#include <stdlib.h>

#include "txn/run.h"

static struct sfs_txn_run *txn_run_of(struct sfs_apply_run *run)
{
    return (struct sfs_txn_run *)run;
}

/* --- looking --- */

int sfs_txn_run_first(struct sfs_apply_run *run, struct sfs_range range,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    int code = sfs_txn_view_scan(&txn_run_of(run)->view, range, SFS_WANT_RECORD, &cursor, error);
    if (code)
        return code;
    code = sfs_cursor_next(cursor, &record, error);
    if (code == 1)
        *ret_record = sfs_record_ref(record);
    sfs_cursor_close(cursor);
    if (code == 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, "transaction", "nothing is in the range");
    return code < 0 ? code : 0;
}

int sfs_txn_view_count(const struct sfs_txn_view *view, struct sfs_range range,
                       struct sfs_totals *ret_totals, const struct sfs_record **ret_longest,
                       struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    const struct sfs_record *longest = NULL;
    struct sfs_totals totals = {0};
    int code = sfs_txn_view_scan(view, range, SFS_WANT_RECORD, &cursor, error);
    if (code)
        return code;
    while ((code = sfs_cursor_next(cursor, &record, error)) == 1) {
        totals.records++;
        totals.keys += sfs_record_is_key(record);
        totals.bytes += record->size;
        if (longest && longest->name.size >= record->name.size)
            continue;
        sfs_record_unref(longest);
        longest = sfs_record_ref(record);
    }
    sfs_cursor_close(cursor);
    if (code == 0)
        *ret_totals = totals;
    if (code == 0 && ret_longest)
        *ret_longest = longest;
    else
        sfs_record_unref(longest);
    return code;
}

/* A move asks for the longest name just before, and so need not count again. */
static void keep_count(struct sfs_txn_run *self, struct sfs_bytes prefix, uint64_t count)
{
    self->counted.size = 0;
    if (sfs_buffer_add(&self->counted, prefix))
        self->counted.size = 0; /* it will be counted again */
    self->count = count;
}

int sfs_txn_run_longest(struct sfs_apply_run *run, struct sfs_range range,
                        const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_txn_run *self = txn_run_of(run);
    const struct sfs_record *longest = NULL;
    struct sfs_totals totals;
    int code = sfs_txn_view_count(&self->view, range, &totals, &longest, error);
    if (code)
        return code;
    keep_count(self, range.from, totals.records);
    if (!longest)
        return sfs_fail(error, SFS_E_NOT_FOUND, "transaction", "nothing is in the range");
    *ret_record = longest;
    return 0;
}

static int count_prefix(struct sfs_txn_run *self, struct sfs_range range, uint64_t *ret_count,
                        struct sfs_error *error)
{
    struct sfs_totals totals = {.records = self->count};
    bool known = self->counted.size && sfs_bytes_equal(sfs_buffer_bytes(&self->counted), range.from);
    int code = known ? 0 : sfs_txn_view_count(&self->view, range, &totals, NULL, error);
    self->counted.size = 0;
    if (code == 0)
        *ret_count = totals.records;
    return code;
}

/* --- changing --- */

static int drop_entries(struct sfs_tree *entries, struct sfs_range range)
{
    const struct sfs_txn_entry *entry;
    int result = 0;
    while (result >= 0 && (entry = sfs_tree_lower_bound(entries, range.from)) &&
           sfs_range_has(range, entry->name))
        result = sfs_tree_remove(entries, entry->name);
    return result < 0 ? result : 0;
}

/* Over a snapshot a range with nothing in it stays as it is; what may come into a live base moves or
 * goes too. */
static bool has_effect(const struct sfs_txn_run *self, uint64_t count)
{
    return count > 0 || self->view.live;
}

int sfs_txn_run_clear_range(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                            struct sfs_error *error)
{
    struct sfs_txn_run *self = txn_run_of(run);
    struct sfs_txn_writes *writes = &self->view.writes;
    struct sfs_totals totals;
    int code = sfs_txn_view_count(&self->view, range, &totals, NULL, error);
    if (code)
        return code;
    *ret_count = totals.records;
    if (!has_effect(self, totals.records))
        return 0;
    self->ranged = true;
    writes->more.records -= totals.records;
    writes->more.keys -= totals.keys;
    writes->more.bytes -= totals.bytes;
    if (drop_entries(&writes->entries, range) || sfs_txn_map_clear(&writes->map, range))
        return sfs_fail_memory(error, "transaction");
    return 0;
}

struct prefix_move {
    struct sfs_bytes from;
    struct sfs_bytes to;
    struct sfs_buffer name;
    int64_t time;
};

/* An entry under its new name; NULL: no memory. */
static struct sfs_txn_entry *moved_entry(const struct sfs_txn_run *self,
                                         const struct sfs_txn_entry *entry,
                                         struct sfs_bytes name, int64_t time)
{
    struct sfs_txn_source source = {entry->content, entry->origin, entry->live};
    if (entry->state == SFS_TXN_GONE)
        return sfs_txn_entry_new(SFS_TXN_GONE, name, entry->base, 0, NULL, source);
    struct sfs_attributes attributes = entry->record->attributes;
    attributes.changed = time;
    const struct sfs_record *record =
        sfs_record_new(name, self->run.sequence, entry->record->size, &attributes,
                       entry->record->xattrs, entry->record->blob);
    if (!record)
        return NULL;
    struct sfs_txn_entry *moved = sfs_txn_entry_new(SFS_TXN_PRESENT, record->name, entry->base,
                                                    record->revision, record, source);
    sfs_record_unref(record);
    return moved;
}

static int move_entry(struct sfs_txn_run *self, const struct sfs_txn_entry *entry,
                      struct prefix_move *move, struct sfs_error *error)
{
    bool hides = entry->base != 0 || self->view.live;
    if (entry->state == SFS_TXN_GUARDED || (entry->state == SFS_TXN_GONE && !hides))
        return 0;
    move->name.size = 0;
    if (sfs_buffer_add(&move->name, move->to) ||
        sfs_buffer_append(&move->name, (const char *)entry->name.data + move->from.size,
                          entry->name.size - move->from.size))
        return sfs_fail_memory(error, "transaction");
    struct sfs_bytes name = sfs_buffer_bytes(&move->name);
    return sfs_txn_run_put(self, moved_entry(self, entry, name, move->time), error);
}

/* Moves the entries of the range; of those in `target` nothing is to be seen any more. */
static int move_entries(struct sfs_txn_run *self, struct sfs_range range, struct sfs_range target,
                        struct prefix_move *move, struct sfs_error *error)
{
    struct sfs_tree *entries = &self->view.writes.entries;
    struct sfs_tree all;
    const struct sfs_txn_entry *entry;
    int code = 0;
    sfs_tree_share(entries, &all);
    if (drop_entries(entries, target) || drop_entries(entries, range))
        code = sfs_fail_memory(error, "transaction");
    struct sfs_tree_cursor position = sfs_tree_seek(&all, range.from);
    while (code == 0 && (entry = sfs_tree_next(&position)) && sfs_range_has(range, entry->name))
        code = move_entry(self, entry, move, error);
    sfs_tree_clear(&all);
    return code;
}

static int move_prefix(struct sfs_txn_run *self, struct sfs_range range, struct sfs_range target,
                       struct prefix_move *move, uint64_t *ret_count, struct sfs_error *error)
{
    uint64_t count;
    int code = count_prefix(self, range, &count, error);
    if (code)
        return code;
    *ret_count = count;
    if (sfs_name_is_temporary(move->to))
        keep_count(self, move->to, count);
    if (!has_effect(self, count))
        return 0;
    self->ranged = true;
    code = move_entries(self, range, target, move, error);
    if (code == 0 && sfs_txn_map_move(&self->view.writes.map, move->from, move->to,
                                      self->run.sequence, move->time))
        code = sfs_fail_memory(error, "transaction");
    return code;
}

int sfs_txn_run_move_prefix(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                            int64_t time, uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_buffer ends[2] = {{0}};
    struct sfs_range range, target;
    struct prefix_move move = {.from = from, .to = to, .time = time};
    int code = sfs_range_prefix(from, &ends[0], &range) || sfs_range_prefix(to, &ends[1], &target)
                   ? sfs_fail_memory(error, "transaction")
                   : move_prefix(txn_run_of(run), range, target, &move, ret_count, error);
    sfs_buffer_free(&ends[0]);
    sfs_buffer_free(&ends[1]);
    sfs_buffer_free(&move.name);
    return code;
}
