/* SPDX-License-Identifier: MIT */
/*
 * What a transaction has changed since one of its numbers. Entries tell when they were changed; what a
 * batch did to whole ranges is told by what was there before it, which is kept for that. The record
 * that a name had then is known where that number is the beginning or a view of then is open still.
 */
#include <inttypes.h>
#include <stdio.h>

#include "txn/internal.h"

typedef int visit_function(void *context, struct sfs_bytes name, const struct sfs_record *before,
                           const struct sfs_record *after, uint64_t revision,
                           struct sfs_error *error);

struct history {
    struct sfs_txn_run *run;
    struct sfs_range range;
    uint64_t sequence;
    struct sfs_txn_view then; /* as it was at `sequence` */
    bool known;               /* that is known */
    visit_function *visit;
    void *context;
};

/* As sfs_txn_view_get(), but *ret_record is NULL where there is none. */
static int find(const struct sfs_txn_view *view, struct sfs_bytes name,
                const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct sfs_error failure;
    int code = sfs_txn_view_get(view, name, SFS_WANT_VALUE, &record, &failure);
    if (code && code != SFS_E_NOT_FOUND) {
        if (error)
            *error = failure;
        return code;
    }
    *ret_record = record;
    return 0;
}

static int visit_name(const struct history *self, struct sfs_bytes name, uint64_t revision,
                      struct sfs_error *error)
{
    const struct sfs_record *before = NULL, *after = NULL;
    char shown[150], others[200];
    int code = self->known ? find(&self->then, name, &before, error) : 0;
    if (code == 0)
        code = find(&self->run->view, name, &after, error);
    /* A name that came and went is as it was. */
    bool changed = !self->known || before || after;
    if (code == 0 && changed)
        code = self->visit(self->context, name, before, after, revision, error);
    /* A rule that the present record does not break the former one may break. */
    if (code == 0 && !self->known) {
        snprintf(others, sizeof(others), ": key '%s'", sfs_name_show(name, shown, sizeof(shown)));
        code = sfs_fail_others(error, SFS_E_CONFLICT, "transaction", others,
                               "the transaction has changed what this depends on since %" PRIu64
                               ", and what it was then is not known (keep a snapshot of then open)",
                               self->sequence);
    }
    sfs_record_unref(before);
    sfs_record_unref(after);
    return code;
}

/* Entries of the range that were changed later; of the `gone` only. */
static int visit_entries(const struct history *self, const struct sfs_tree *entries,
                         struct sfs_range range, bool gone, struct sfs_error *error)
{
    struct sfs_tree_cursor position = sfs_tree_seek(entries, range.from);
    const struct sfs_txn_entry *entry;
    int code = 0;
    while (code == 0 && (entry = sfs_tree_next(&position)) && sfs_range_has(range, entry->name)) {
        bool shown = entry->state == SFS_TXN_PRESENT && !gone;
        if ((shown || entry->state == SFS_TXN_GONE) && entry->revision > self->sequence)
            code = visit_name(self, entry->name, entry->revision, error);
    }
    return code;
}

/* Records of the range, in one state of the transaction, that were changed after `since`. */
static int visit_records(const struct history *self, const struct sfs_txn_view *view,
                         struct sfs_range range, uint64_t since, uint64_t revision,
                         struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    int code = sfs_txn_view_scan(view, range, SFS_WANT_RECORD, &cursor, error);
    if (code)
        return code;
    while ((code = sfs_cursor_next(cursor, &record, error)) == 1) {
        code = record->revision > since ? visit_name(self, record->name, revision, error) : 0;
        if (code)
            break;
    }
    sfs_cursor_close(cursor);
    return code;
}

static struct sfs_range common(struct sfs_range a, struct sfs_range b)
{
    struct sfs_range both = a;
    if (sfs_bytes_compare(a.from, b.from) < 0)
        both.from = b.from;
    if (a.to.size == 0 || (b.to.size && sfs_bytes_compare(b.to, a.to) < 0))
        both.to = b.to;
    if (both.to.size && sfs_bytes_compare(both.to, both.from) < 0)
        both.to = both.from;
    return both;
}

/* What was in a range that a batch moved or cleared is there no more, or not as it was. */
static int visit_range(const struct history *self, const struct sfs_txn_version *version,
                       struct sfs_range range, struct sfs_error *error)
{
    struct sfs_txn_view before = {version->before, self->run->view.base, self->run->view.live};
    range = common(range, self->range);
    if (range.to.size && sfs_bytes_equal(range.from, range.to))
        return 0;
    int code = visit_entries(self, &version->before.entries, range, true, error);
    return code ? code : visit_records(self, &before, range, 0, version->sequence, error);
}

static int visit_prefix(const struct history *self, const struct sfs_txn_version *version,
                        struct sfs_bytes prefix, struct sfs_error *error)
{
    struct sfs_buffer end = {0};
    struct sfs_range range;
    int code = sfs_range_prefix(prefix, &end, &range)
                   ? sfs_fail_memory(error, "transaction")
                   : visit_range(self, version, range, error);
    sfs_buffer_free(&end);
    return code;
}

static int visit_version(const struct history *self, const struct sfs_txn_version *version,
                         struct sfs_error *error)
{
    size_t count;
    const struct sfs_operation *operations =
        sfs_batch_operations(self->run->transaction->operations, &count);
    int code = 0;
    for (size_t i = version->first; i < version->last && code == 0; i++) {
        const struct sfs_operation *operation = &operations[i];
        if (operation->kind == SFS_OPERATION_CLEAR_RANGE)
            code = visit_range(self, version,
                               (struct sfs_range){operation->name, operation->target}, error);
        if (operation->kind != SFS_OPERATION_RENAME_PREFIX &&
            operation->kind != SFS_OPERATION_EXCHANGE_PREFIX)
            continue;
        code = visit_prefix(self, version, operation->name, error);
        if (code == 0)
            code = visit_prefix(self, version, operation->target, error);
    }
    return code;
}

/* Names that were given to records by moving the range around them. */
static int visit_moved(const struct history *self, struct sfs_error *error)
{
    const struct sfs_txn_view *view = &self->run->view;
    const struct sfs_txn_piece *piece;
    struct sfs_range rest = self->range, part;
    int code = 0;
    while (code == 0 && sfs_txn_map_part(&view->writes.map, rest, &piece, &part)) {
        if (piece && !piece->gone && piece->revision > self->sequence)
            code = visit_records(self, view, part, self->sequence, piece->revision, error);
        if (!sfs_txn_map_behind(part, &rest))
            break;
    }
    return code;
}

static int visit_all(const struct history *self, struct sfs_error *error)
{
    const struct sfs_transaction *transaction = self->run->transaction;
    int code = 0;
    for (size_t i = 0; i < transaction->version_count && code == 0; i++) {
        if (transaction->versions[i].sequence > self->sequence)
            code = visit_version(self, &transaction->versions[i], error);
    }
    if (code == 0)
        code = visit_entries(self, &self->run->view.writes.entries, self->range, false, error);
    return code ? code : visit_moved(self, error);
}

static int check_sequence(const struct sfs_txn_run *run, uint64_t sequence,
                          struct sfs_error *error)
{
    uint64_t begun = 0;
    int code = run->view.live ? 0 : sfs_sequence(run->view.base, &begun, error);
    if (code == 0 && sequence < begun)
        code = sfs_fail(error, SFS_E_TOO_OLD, "transaction",
                        "the transaction sees sequence number %" PRIu64
                        " and cannot tell what changed since %" PRIu64,
                        begun, sequence);
    if (code == 0 && sequence < run->transaction->rolled_back)
        code = sfs_fail(error, SFS_E_CONFLICT, "transaction",
                        "the transaction around this one was rolled back to a savepoint meanwhile");
    return code;
}

/* Within the transaction nothing but itself changes. What others changed in a live base, the commit
 * asks the store. */
int sfs_txn_run_changed(struct sfs_apply_run *base, struct sfs_range range, uint64_t sequence,
                        visit_function *visit, void *context, struct sfs_error *error)
{
    struct sfs_txn_run *run = (struct sfs_txn_run *)base;
    struct history history = {
        .run = run,
        .range = range,
        .sequence = sequence,
        .then = {.base = run->view.base, .live = run->view.live},
        .known = true,
        .visit = visit,
        .context = context,
    };
    int code = check_sequence(run, sequence, error);
    if (code)
        return code;
    sfs_txn_writes_init(&history.then.writes);
    if (sequence >= SFS_TXN_PROVISIONAL)
        history.known =
            sfs_txn_share_past(run->transaction, sequence, &history.then.writes);
    code = visit_all(&history, error);
    sfs_txn_writes_clear(&history.then.writes);
    return code;
}
