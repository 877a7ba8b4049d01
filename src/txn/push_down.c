/* SPDX-License-Identifier: MIT */
/*
 * Reads of which a serializable transaction notes less than what they scan. Queries: their filters
 * are run here, on a scan that is not recorded, and the filters themselves are what the commit
 * checks; an order or groups behind them too, where an index has those. "Is anything there?": the
 * record that showed it. What lies under another name here than in the store need not be noted: who
 * moves or clears a range counts it, and has read it whole by that.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/storage.h"
#include "query/bounds.h"
#include "query/cover.h"
#include "query/plan.h"
#include "query/run.h"
#include "txn/recorder.h"

/* A scan of one state that notes how far the filters above it have seen. */
struct tracker {
    struct sfs_cursor cursor;
    struct sfs_transaction *transaction;
    struct sfs_query *query; /* the filters refer to its stages */
    struct sfs_txn_writes writes;
    struct sfs_txn_predicate *predicate; /* borrowed from the recorder */
    struct sfs_bounds bounds;
    struct sfs_guard guard;
    struct sfs_plan plan; /* `below` may refer to it, to `view` and to `guard` */
    bool whole;           /* rows in order, or groups: what they are made of is noted as a whole */
    struct sfs_storage *view; /* NULL: below is a scan */
    struct sfs_cursor *below;
};

static struct tracker *tracker_of(struct sfs_cursor *cursor)
{
    return (struct tracker *)cursor;
}

/* The rows are groups, which have no names. */
static bool is_grouped(const struct tracker *self)
{
    return self->plan.way == SFS_PLAN_GROUPS;
}

static int share(void *context, uint64_t *generation, struct sfs_txn_writes *writes,
                 struct sfs_error *error)
{
    struct tracker *self = context;
    int code = sfs_txn_use(self->transaction, false, error);
    if (code == 0 && *generation == 0) {
        sfs_txn_writes_share(&self->writes, writes);
        *generation = 1;
    }
    return code;
}

static int tracker_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct tracker *self = tracker_of(cursor);
    struct sfs_txn_reads *reads = &self->transaction->recorder->reads;
    struct sfs_range range = sfs_bounds_range(&self->bounds);
    const struct sfs_record *record = NULL;
    int found;
    /* An index may name more than is in the range, in the same order. */
    do
        found = sfs_cursor_next(self->below, &record, error);
    while (found > 0 && !is_grouped(self) && !sfs_range_has(range, record->name));
    if (found < 0)
        return found;
    int failed = self->whole ? 0
                 : found > 0 ? sfs_txn_reads_query_upto(reads, self->predicate, record->name, error)
                             : sfs_txn_reads_query_end(reads, self->predicate, range.to, error);
    if (failed)
        return failed;
    if (found > 0)
        *ret_record = record;
    return found;
}

static void tracker_close(struct sfs_cursor *cursor)
{
    struct tracker *self = tracker_of(cursor);
    sfs_cursor_close(self->below);
    (void)sfs_close(self->view, NULL);
    sfs_plan_free(&self->plan);
    sfs_txn_writes_clear(&self->writes);
    sfs_bounds_free(&self->bounds);
    sfs_query_free(self->query);
    free(self);
}

static size_t leading_filters(const struct sfs_query *query)
{
    size_t count = 0;
    while (count < query->count && query->stages[count]->node)
        count++;
    return count;
}

/* Whether this stage looks at all rows before it gives the first. */
static bool needs_all(const struct sfs_query *query, size_t at)
{
    if (at >= query->count)
        return false;
    enum sfs_query_stage_kind kind = query->stages[at]->kind;
    return kind == SFS_QUERY_ORDER || kind == SFS_QUERY_GROUP || kind == SFS_QUERY_AGGREGATE;
}

static int open_view(struct tracker *self, struct sfs_error *error)
{
    return self->view
               ? 0
               : sfs_txn_unrecorded_new(self->transaction, &self->writes, &self->view, error);
}

/* Reads the rows from an index, in order of names, where that is better; notes the same. */
static int open_index(struct tracker *self, size_t stages, struct sfs_error *error)
{
    struct sfs_query filters = *self->query; /* the stages stay those of self->query */
    filters.count = stages;
    if (!sfs_storage_index(self->transaction->snapshot))
        return 0;
    int code = open_view(self, error);
    if (code == 0)
        code = sfs_plan_make(self->view, &filters, &self->plan, error);
    if (code || !self->plan.index)
        return code;
    return sfs_plan_cursor(self->view, &self->plan, SFS_WANT_VALUE | SFS_WANT_DOCUMENTS,
                           &self->below, error);
}

/* Notes what such a stage looks at: all that the filters leave. */
static int note_whole(struct tracker *self, size_t stages, struct sfs_error *error)
{
    struct sfs_txn_reads *reads = &self->transaction->recorder->reads;
    struct sfs_range range = sfs_bounds_range(&self->bounds);
    if (stages == 0)
        return sfs_txn_reads_range(reads, range, error);
    int code = sfs_txn_reads_query(reads, self->query, stages, range.from, &self->predicate, error);
    return code || !self->predicate
               ? code
               : sfs_txn_reads_query_end(reads, self->predicate, range.to, error);
}

static int open_plan(struct tracker *self, struct sfs_error *error)
{
    sfs_guard_begin(&self->guard, &self->query->options);
    return is_grouped(self)
               ? sfs_cover_cursor(self->view, &self->plan, &self->guard, &self->below, error)
               : sfs_plan_cursor(self->view, &self->plan, SFS_WANT_VALUE | SFS_WANT_DOCUMENTS,
                                 &self->below, error);
}

/* Reads the rows from an index that is in the order that follows the filters, or the groups that do
 * from its entries, if there is one. */
static int open_whole(struct tracker *self, size_t stages, struct sfs_error *error)
{
    if (!needs_all(self->query, stages) || !sfs_storage_index(self->transaction->snapshot))
        return 0;
    int code = open_view(self, error);
    if (code == 0)
        code = sfs_plan_make(self->view, self->query, &self->plan, error);
    bool wanted = code == 0 && self->plan.index && (self->plan.ordered || is_grouped(self));
    if (wanted)
        code = note_whole(self, stages, error);
    self->whole = code == 0 && wanted && (stages == 0 || self->predicate);
    if (self->whole)
        return open_plan(self, error);
    sfs_plan_free(&self->plan);
    return code;
}

static int open_scan(struct tracker *self, size_t stages, struct sfs_error *error)
{
    struct sfs_transaction *transaction = self->transaction;
    if (sfs_bounds_find(self->query, &self->bounds))
        return sfs_fail_memory(error, "transaction");
    struct sfs_range range = sfs_bounds_range(&self->bounds);
    int code = open_whole(self, stages, error);
    if (code || self->below || stages == 0)
        return code;
    code = sfs_txn_reads_query(&transaction->recorder->reads, self->query, stages, range.from,
                               &self->predicate, error);
    if (code == 0 && self->predicate)
        code = open_index(self, stages, error);
    if (code || !self->predicate || self->below)
        return code;
    return sfs_txn_scan(transaction->snapshot, share, self, range,
                        SFS_WANT_VALUE | SFS_WANT_KEYS | SFS_WANT_DOCUMENTS, &self->below, error);
}

/* Takes the writes over, also on failure. *ret_tracker NULL: the query is not to be recorded so. */
static int tracker_new(struct sfs_transaction *transaction, struct sfs_txn_writes *writes,
                       const struct sfs_query *query, size_t stages, struct tracker **ret_tracker,
                       struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = tracker_next, .seek = sfs_query_no_seek, .close = tracker_close};
    struct tracker *self = calloc(1, sizeof(*self));
    if (!self) {
        sfs_txn_writes_clear(writes);
        return sfs_fail_memory(error, "transaction");
    }
    self->cursor.operations = &operations;
    self->transaction = transaction;
    self->writes = *writes;
    int code = sfs_query_copy(&self->query, query, error);
    if (code == 0)
        code = open_scan(self, stages, error);
    bool recorded = code == 0 && self->below;
    if (!recorded)
        tracker_close(&self->cursor);
    *ret_tracker = recorded ? self : NULL;
    return code;
}

static void explain(const struct tracker *tracker, size_t stages, struct sfs_push_down *taken)
{
    const struct sfs_index *index = tracker->plan.index;
    snprintf(taken->plan, sizeof(taken->plan), "%s one snapshot%s%.100s; the commit checks that %s",
             is_grouped(tracker) ? "makes groups of"
             : stages            ? "filters"
                                 : "reads",
             index ? " by the index " : "", index ? index->name : "",
             stages ? "no change since matches" : "nothing has changed");
}

/* What is still to do for the stages that the rows of the tracker are made by: *ret_done. */
static int put_stages(const struct tracker *tracker, size_t stages, struct sfs_cursor **chain,
                      size_t *ret_done, struct sfs_error *error)
{
    const struct sfs_query *query = tracker->query;
    int code = 0;
    if (is_grouped(tracker)) {
        /* The results of a group are made behind it; without a group they are the rows. */
        *ret_done = tracker->plan.done + !tracker->plan.group;
        return tracker->plan.group
                   ? 0
                   : sfs_summary_cursor(*chain, query->stages[*ret_done - 1], chain, error);
    }
    for (size_t i = 0; i < stages && code == 0; i++)
        code = sfs_filter_cursor(*chain, query->stages[i]->node, chain, error);
    *ret_done = stages + tracker->whole;
    return code;
}

int sfs_txn_push_down(struct sfs_transaction *transaction, struct sfs_txn_writes *writes,
                      const struct sfs_query *query, struct sfs_push_down *ret_taken,
                      struct sfs_error *error)
{
    size_t stages = leading_filters(query);
    struct tracker *tracker = NULL;
    if (!transaction->recorder || transaction->parent || (stages == 0 && !needs_all(query, 0))) {
        sfs_txn_writes_clear(writes);
        return 0;
    }
    int code = tracker_new(transaction, writes, query, stages, &tracker, error);
    if (code || !tracker)
        return code;
    struct sfs_cursor *chain = &tracker->cursor;
    size_t done = 0;
    code = put_stages(tracker, stages, &chain, &done, error);
    if (code) {
        sfs_cursor_close(chain);
        return code;
    }
    ret_taken->stages = done;
    ret_taken->cursor = chain;
    explain(tracker, stages, ret_taken);
    return 0;
}

/* --- is anything there? --- */

/* Nothing is in the range. */
static int note_nothing(struct sfs_txn_reads *reads, const struct sfs_tree *map,
                        struct sfs_range range, struct sfs_error *error)
{
    const struct sfs_txn_piece *piece;
    struct sfs_range part;
    int code = 0;
    while (code == 0 && sfs_txn_map_part(map, range, &piece, &part)) {
        code = piece ? 0 : sfs_txn_reads_range(reads, part, error);
        if (!sfs_txn_map_behind(part, &range))
            break;
    }
    return code;
}

static int note_answer(struct sfs_transaction *transaction, const struct sfs_txn_view *view,
                       struct sfs_range range, const struct sfs_record *found,
                       struct sfs_error *error)
{
    struct sfs_txn_reads *reads = &transaction->recorder->reads;
    const struct sfs_txn_writes *writes = &view->writes;
    if (!found)
        return note_nothing(reads, &writes->map, range, error);
    const struct sfs_txn_entry *own = sfs_tree_find(&writes->entries, found->name);
    if ((own && own->state == SFS_TXN_PRESENT) || sfs_txn_map_find(&writes->map, found->name))
        return 0;
    return sfs_txn_reads_witness(reads, found->name, found->attributes.id, error);
}

static int exists_in(struct sfs_transaction *transaction, struct sfs_txn_view *view,
                     struct sfs_range range, bool noted, struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record = NULL;
    int found = sfs_txn_view_scan(view, range, SFS_WANT_RECORD, &cursor, error);
    if (found)
        return found;
    found = sfs_cursor_next(cursor, &record, error);
    int failed = found < 0 || !noted
                     ? 0
                     : note_answer(transaction, view, range, found ? record : NULL, error);
    sfs_cursor_close(cursor);
    return failed ? failed : found;
}

#define GAPS 64

/* Parts of ranges in which names stand for what the base has under them. */
struct gaps {
    struct sfs_range ranges[GAPS];
    struct sfs_buffer bounds[GAPS]; /* names with a NUL, behind what was changed */
    size_t count;
    bool partial; /* there is more that may show something */
    bool found;   /* the transaction has put a name itself */
};

static void add_gap(struct gaps *gaps, struct sfs_bytes from, struct sfs_bytes to)
{
    if (to.size == 0 || sfs_bytes_compare(from, to) < 0)
        gaps->ranges[gaps->count++] = (struct sfs_range){from, to};
}

/* Of a range that is not mapped otherwise. */
static int find_gaps(const struct sfs_txn_writes *writes, struct sfs_range range, struct gaps *gaps)
{
    struct sfs_tree_cursor cursor = sfs_tree_seek(&writes->entries, range.from);
    const struct sfs_txn_entry *entry;
    while (gaps->count + 1 < GAPS && (entry = sfs_tree_next(&cursor)) &&
           sfs_range_has(range, entry->name)) {
        if (entry->state == SFS_TXN_GUARDED)
            continue;
        gaps->found |= entry->state == SFS_TXN_PRESENT && !entry->live;
        gaps->partial |= entry->live;
        add_gap(gaps, range.from, entry->name);
        struct sfs_buffer *bound = &gaps->bounds[gaps->count];
        bound->size = 0;
        if (sfs_buffer_add(bound, entry->name) || sfs_buffer_byte(bound, '\0'))
            return SFS_E_NO_MEMORY;
        range.from = sfs_buffer_bytes(bound);
    }
    if (gaps->count + 1 == GAPS)
        gaps->partial = true;
    else
        add_gap(gaps, range.from, range.to);
    return 0;
}

static int find_all_gaps(const struct sfs_txn_writes *writes, struct sfs_range range,
                         struct gaps *gaps)
{
    const struct sfs_txn_piece *piece;
    struct sfs_range part;
    int code = 0;
    while (code == 0 && sfs_txn_map_part(&writes->map, range, &piece, &part)) {
        gaps->partial |= piece != NULL;
        code = piece ? 0 : find_gaps(writes, part, gaps);
        if (!sfs_txn_map_behind(part, &range))
            break;
    }
    return code;
}

/* Over a live base, where a scan may begin by reading a directory, which asking does not.
 * UNSUPPORTED: the ranges have to be scanned. */
static int exists_beside(const struct sfs_txn_view *view, const struct sfs_range *ranges,
                         size_t count, struct sfs_error *error)
{
    if (!view->live)
        return SFS_E_UNSUPPORTED;
    struct gaps *gaps = calloc(1, sizeof(*gaps));
    int found = gaps ? 0 : SFS_E_NO_MEMORY;
    for (size_t i = 0; found == 0 && i < count; i++)
        found = find_all_gaps(&view->writes, ranges[i], gaps);
    if (found)
        found = sfs_fail_memory(error, "transaction");
    else
        found = gaps->found ? 1 : sfs_exists_any(view->base, gaps->ranges, gaps->count, error);
    if (found == 0 && gaps->partial)
        found = SFS_E_UNSUPPORTED;
    for (size_t i = 0; gaps && i < GAPS; i++)
        sfs_buffer_free(&gaps->bounds[i]);
    free(gaps);
    return found;
}

int sfs_txn_exists(struct sfs_transaction *transaction, struct sfs_txn_view *view,
                   const struct sfs_range *ranges, size_t count, struct sfs_error *error)
{
    bool noted = transaction->recorder && !transaction->parent;
    int found = noted ? SFS_E_UNSUPPORTED : exists_beside(view, ranges, count, error);
    if (found != SFS_E_UNSUPPORTED) {
        sfs_txn_writes_clear(&view->writes);
        return found;
    }
    found = 0;
    if (noted)
        view->base = transaction->snapshot;
    for (size_t i = 0; found == 0 && i < count; i++)
        found = exists_in(transaction, view, ranges[i], noted, error);
    sfs_txn_writes_clear(&view->writes);
    return found;
}

/* --- how much is there? --- */

/* A store that nobody has changed since the snapshot may know at once. */
static int count_snapshot(struct sfs_transaction *transaction, struct sfs_totals *ret_totals,
                          struct sfs_error *error)
{
    uint64_t before = 0, after = 0;
    struct sfs_totals totals = {0};
    bool same = sfs_sequence(transaction->store, &before, NULL) == 0 &&
                before == transaction->sequence &&
                sfs_totals(transaction->store, &totals, NULL) == 0 &&
                sfs_sequence(transaction->store, &after, NULL) == 0 && after == before;
    int code = same ? 0 : sfs_totals(transaction->snapshot, &totals, error);
    if (code == 0)
        *ret_totals = totals;
    return code;
}

/* What the snapshot holds, counted once. */
static int base_totals(struct sfs_transaction *transaction, struct sfs_totals *ret_totals,
                       struct sfs_error *error)
{
    pthread_mutex_lock(&transaction->lock);
    bool counted = transaction->counted;
    struct sfs_totals totals = transaction->totals;
    pthread_mutex_unlock(&transaction->lock);
    int code = counted ? 0 : count_snapshot(transaction, &totals, error);
    if (code)
        return code;
    pthread_mutex_lock(&transaction->lock);
    transaction->counted = true;
    transaction->totals = totals;
    pthread_mutex_unlock(&transaction->lock);
    *ret_totals = totals;
    return 0;
}

int sfs_txn_totals(struct sfs_transaction *transaction, struct sfs_txn_view *view,
                   struct sfs_totals *ret_totals, struct sfs_error *error)
{
    const struct sfs_range everything = {0};
    struct sfs_totals more = view->writes.more;
    int code = 0;
    if (view->live) {
        /* What others changed of what was changed here is not known. */
        code = sfs_txn_view_count(view, everything, ret_totals, NULL, error);
    } else {
        if (transaction->recorder)
            code = sfs_txn_reads_range(&transaction->recorder->reads, everything, error);
        if (code == 0)
            code = base_totals(transaction, ret_totals, error);
    }
    if (code == 0 && !view->live) {
        ret_totals->keys += more.keys;
        ret_totals->records += more.records;
        ret_totals->bytes += more.bytes;
    }
    sfs_txn_writes_clear(&view->writes);
    return code;
}
