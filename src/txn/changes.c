/* SPDX-License-Identifier: MIT */
/*
 * What a transaction would change, name by name. Where names stand for themselves the entries of the
 * write set tell it; where they do not, base and view are read side by side, so that memory does not
 * grow with what a range holds.
 */
#include "txn/internal.h"

typedef int visit_function(void *context, struct sfs_bytes name, const struct sfs_record *before,
                           const struct sfs_record *after);

struct listing {
    struct sfs_txn_view view;
    visit_function *visit;
    void *context;
};

static int visit_entry(const struct listing *self, const struct sfs_txn_entry *entry,
                       struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    if (entry->state == SFS_TXN_GUARDED || (!entry->base && !entry->record))
        return 0;
    struct sfs_error failure;
    int code = entry->base
                   ? sfs_get(self->view.base, entry->name, SFS_WANT_RECORD, &before, &failure)
                   : 0;
    if (code && !(code == SFS_E_NOT_FOUND && self->view.live)) {
        if (error)
            *error = failure;
        return code;
    }
    int answer = self->visit(self->context, entry->name, before, entry->record);
    sfs_record_unref(before);
    return answer;
}

static int list_entries(const struct listing *self, struct sfs_range range,
                        struct sfs_error *error)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&self->view.writes.entries, range.from);
    const struct sfs_txn_entry *entry;
    int code = 0;
    while (code == 0 && (entry = sfs_tree_next(&position)) && sfs_range_has(range, entry->name))
        code = visit_entry(self, entry, error);
    return code;
}

/* One of the two cursors of a range, with the record that it shows next. */
struct side {
    struct sfs_cursor *cursor;
    const struct sfs_record *record; /* borrowed; NULL: none is left */
};

static int step(struct side *side, struct sfs_error *error)
{
    side->record = NULL;
    int code = sfs_cursor_next(side->cursor, &side->record, error);
    return code < 0 ? code : 0;
}

static int list_sides(const struct listing *self, struct side *before, struct side *after,
                      struct sfs_error *error)
{
    int code = step(before, error);
    if (code == 0)
        code = step(after, error);
    while (code == 0 && (before->record || after->record)) {
        int order = !before->record  ? 1
                    : !after->record ? -1
                                     : sfs_bytes_compare(before->record->name, after->record->name);
        const struct sfs_record *left = order <= 0 ? before->record : NULL;
        const struct sfs_record *right = order >= 0 ? after->record : NULL;
        code = self->visit(self->context, (left ? left : right)->name, left, right);
        if (code == 0 && left)
            code = step(before, error);
        if (code == 0 && right)
            code = step(after, error);
    }
    return code;
}

static int list_range(const struct listing *self, struct sfs_range range, struct sfs_error *error)
{
    struct side before = {0}, after = {0};
    int code = sfs_scan(self->view.base, range, SFS_WANT_RECORD, &before.cursor, error);
    if (code == 0)
        code = sfs_txn_view_scan(&self->view, range, SFS_WANT_RECORD, &after.cursor, error);
    if (code == 0)
        code = list_sides(self, &before, &after, error);
    sfs_cursor_close(before.cursor);
    sfs_cursor_close(after.cursor);
    return code;
}

int sfs_transaction_changes(struct sfs_transaction *transaction, visit_function *visit,
                            void *context, struct sfs_error *error)
{
    /* Showing it to the user is no read that the commit would have to check: it is checked already. */
    struct sfs_storage *base = transaction->snapshot ? transaction->snapshot : transaction->store;
    struct listing listing = {
        .view = {.base = base, .live = sfs_txn_is_live(transaction)},
        .visit = visit,
        .context = context,
    };
    const struct sfs_txn_piece *piece;
    struct sfs_range rest = {0}, part;
    int code = sfs_txn_use(transaction, false, error);
    if (code)
        return code;
    sfs_txn_share(transaction, &listing.view.writes);
    while (code == 0 && sfs_txn_map_part(&listing.view.writes.map, rest, &piece, &part)) {
        code = piece ? list_range(&listing, part, error) : list_entries(&listing, part, error);
        if (!sfs_txn_map_behind(part, &rest))
            break;
    }
    sfs_txn_writes_clear(&listing.view.writes);
    return code;
}
