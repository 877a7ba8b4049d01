/* SPDX-License-Identifier: MIT */
/*
 * Running queries: offers the stages to the store, puts a cursor for each stage that the store left
 * on a scan of one snapshot, and wraps the chain in a cursor that owns what it needs.
 */
#include <stdlib.h>

#include "core/storage.h"
#include "query/bounds.h"
#include "query/cover.h"
#include "query/plan.h"
#include "query/row.h"
#include "query/run.h"
#include "storefs/backend.h"

struct result {
    struct sfs_cursor cursor;
    struct sfs_query *query; /* the chain refers to its stages */
    struct sfs_guard guard;  /* and to this */
    unsigned want;
    bool bare;                    /* who asked needs no more of the rows than a bare record has */
    struct sfs_storage *store;
    struct sfs_storage *snapshot; /* NULL: none is needed, or the store has none */
    const struct sfs_record *filled; /* the record shown last, where its value was read for it */
    struct sfs_cursor *chain;
    struct sfs_plan plan; /* the chain refers to it */
    int failed;           /* after a failure nothing more can be read */
};

/* A record of the store whose value is wanted and was left out on the way. */
static bool lacks_value(const struct result *result, const struct sfs_record *record)
{
    return (result->want & SFS_WANT_VALUE) && !sfs_row_is_made(record) && record->size > 0 &&
           !sfs_record_has_value(record);
}

/* 0: the record is gone, which a store without snapshots allows. */
static int read_value(struct result *result, const struct sfs_record **record,
                      struct sfs_error *error)
{
    struct sfs_error failure;
    const struct sfs_record *filled = NULL;
    int code = sfs_get(result->snapshot ? result->snapshot : result->store, (*record)->name,
                       SFS_WANT_VALUE, &filled, &failure);
    sfs_record_unref(result->filled);
    *record = result->filled = filled;
    if (code && code != SFS_E_NOT_FOUND && error)
        *error = failure;
    return code == SFS_E_NOT_FOUND ? 0 : code == 0 ? 1 : code;
}

static int result_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct result *result = (struct result *)cursor;
    const struct sfs_record *record = NULL;
    int found = 0;
    if (result->failed)
        return sfs_fail(error, result->failed, "query", "the query failed before: run it again");
    for (bool done = false; !done;) {
        found = sfs_cursor_next(result->chain, &record, error);
        bool lacks = found > 0 && lacks_value(result, record);
        int filled = lacks ? read_value(result, &record, error) : 1;
        found = filled < 0 ? filled : found;
        done = filled != 0;
    }
    if (found < 0)
        result->failed = found;
    else if (found > 0)
        *ret_record = record;
    return found;
}

static void result_close(struct sfs_cursor *cursor)
{
    struct result *result = (struct result *)cursor;
    sfs_cursor_close(result->chain);
    sfs_record_unref(result->filled);
    /* A snapshot is read-only: closing it has nothing to write that could fail. */
    (void)sfs_close(result->snapshot, NULL);
    sfs_plan_free(&result->plan);
    sfs_query_free(result->query);
    free(result);
}

/* --- the chain --- */

/* What the stages from number `from` on that no index does want of the store's records: behind a
 * select, a group or an aggregate nobody sees them, but the aggregate of a group's members. */
static unsigned wanted(const struct result *result, size_t from, unsigned want)
{
    const struct sfs_query *query = result->query;
    for (size_t i = from; i < query->count; i++) {
        if (sfs_plan_does(&result->plan, i))
            continue;
        if (sfs_query_stage_reads_value(query->stages[i]))
            return want | SFS_WANT_VALUE;
        const struct sfs_query_stage *results = sfs_query_results_of(query, i);
        if (query->stages[i]->kind == SFS_QUERY_GROUP && results)
            return sfs_query_stage_reads_value(results) ? SFS_WANT_VALUE : SFS_WANT_RECORD;
        if (query->stages[i]->kind >= SFS_QUERY_SELECT)
            return SFS_WANT_RECORD;
    }
    return want;
}

/* Whether records are read that will not be results, or not as they are: a value that is no
 * document, however large, is then read for results only. */
static bool drops_rows(const struct result *result)
{
    const struct sfs_query *query = result->query;
    for (size_t i = 0; i < query->count; i++) {
        if (!sfs_plan_does(&result->plan, i) && query->stages[i]->kind != SFS_QUERY_LIMIT)
            return true;
    }
    return false;
}

/* Whether all that looks at the store's records does with bare ones: made rows have nothing else of
 * them. */
static bool are_bare(const struct result *result)
{
    const struct sfs_query *query = result->query;
    bool bare = result->bare;
    for (size_t i = 0; i < query->count; i++) {
        if (!sfs_plan_does(&result->plan, i) && sfs_query_stage_reads_times(query->stages[i]))
            return false;
        bare |= query->stages[i]->kind > SFS_QUERY_SELECT;
    }
    return bare;
}

static int add_aggregate(struct result *result, size_t at, struct sfs_error *error)
{
    const struct sfs_query_stage *stage = result->query->stages[at];
    struct sfs_cursor **chain = &result->chain;
    int failed = 0;
    bool grouped = sfs_query_rows(result->query, at) == SFS_ROW_GROUPS ||
                   (result->plan.way == SFS_PLAN_GROUPS && at == result->plan.done);
    if (!grouped)
        failed = sfs_group_cursor(*chain, NULL, stage, &result->guard, chain, error);
    return failed ? failed : sfs_summary_cursor(*chain, stage, chain, error);
}

/* An order directly before a limit need not keep more. */
static int add_order(struct result *result, size_t *at, struct sfs_error *error)
{
    const struct sfs_query *query = result->query;
    const struct sfs_query_stage *stage = query->stages[*at - 1];
    uint64_t keep = SFS_SORT_ALL;
    if (*at < query->count && query->stages[*at]->kind == SFS_QUERY_LIMIT)
        keep = query->stages[(*at)++]->count;
    bool values = wanted(result, *at, result->want) & SFS_WANT_VALUE;
    return sfs_order_cursor(result->chain, stage, keep, values, &result->guard, &result->chain,
                            error);
}

/* Puts the cursor of stage `*at` on the chain and moves `*at` behind the stages it does. */
static int add_stage(struct result *result, size_t *at, struct sfs_error *error)
{
    const struct sfs_query *query = result->query;
    const struct sfs_query_stage *stage = query->stages[(*at)++];
    struct sfs_cursor **chain = &result->chain;
    switch (stage->kind) {
    case SFS_QUERY_WHERE:
    case SFS_QUERY_BY:
        return sfs_filter_cursor(*chain, stage->node, chain, error);
    case SFS_QUERY_LIMIT:
        return sfs_window_cursor(*chain, 0, stage->count, chain, error);
    case SFS_QUERY_OFFSET:
        return sfs_window_cursor(*chain, stage->count, UINT64_MAX, chain, error);
    case SFS_QUERY_ORDER:
        return add_order(result, at, error);
    case SFS_QUERY_SELECT:
        return sfs_select_cursor(*chain, stage, chain, error);
    case SFS_QUERY_GROUP:
        return sfs_group_cursor(*chain, stage, sfs_query_results_of(query, *at - 1), &result->guard,
                                chain, error);
    case SFS_QUERY_AGGREGATE:
        break;
    }
    return add_aggregate(result, *at - 1, error);
}

static int scan_range(struct result *result, struct sfs_storage *store, unsigned want,
                      struct sfs_error *error)
{
    struct sfs_bounds bounds = {{0}, {0}};
    int failed = 0;
    if (sfs_bounds_find(result->query, &bounds))
        failed = sfs_fail_memory(error, "query");
    else
        failed =
            sfs_scan(store, sfs_bounds_range(&bounds), want | SFS_WANT_KEYS, &result->chain, error);
    sfs_bounds_free(&bounds);
    return failed;
}

/* Reads from an index, or else from a scan. */
static int begin_reading(struct result *result, struct sfs_storage *store, struct sfs_error *error)
{
    bool snapshot = sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT;
    int failed = snapshot ? sfs_snapshot(store, 0, &result->snapshot, error) : 0;
    if (failed)
        return failed;
    store = snapshot ? result->snapshot : store;
    failed = sfs_plan_make(store, result->query, &result->plan, error);
    if (failed)
        return failed;
    /* What passes when the index is read need not when the record is, if others write. */
    result->plan.exact &= sfs_plan_is_of_one_state(store);
    if (result->plan.way == SFS_PLAN_GROUPS)
        return sfs_cover_cursor(store, &result->plan, &result->guard, &result->chain, error);
    unsigned want = wanted(result, 0, result->want);
    if ((want & SFS_WANT_VALUE) && drops_rows(result))
        want |= SFS_WANT_DOCUMENTS;
    if (!result->plan.index)
        return scan_range(result, store, want, error);
    if (are_bare(result))
        want |= SFS_WANT_BARE;
    return sfs_plan_cursor(store, &result->plan, want, &result->chain, error);
}

static int build(struct result *result, struct sfs_storage *store, unsigned want,
                 struct sfs_error *error)
{
    struct sfs_push_down taken;
    result->store = store;
    result->want = want & ~SFS_WANT_BARE;
    result->bare = result->query->options.bare || (want & SFS_WANT_BARE);
    int failed = sfs_storage_push_down(store, result->query, &taken, error);
    if (failed)
        return failed;
    size_t at = taken.stages;
    result->chain = taken.cursor;
    if (at == 0)
        failed = begin_reading(result, store, error);
    if (failed == 0)
        failed = sfs_guard_cursor(result->chain, &result->guard, &result->chain, error);
    while (failed == 0 && at < result->query->count) {
        if (sfs_plan_does(&result->plan, at))
            at++;
        else
            failed = add_stage(result, &at, error);
    }
    return failed;
}

int sfs_query_open(struct sfs_storage *store, const struct sfs_query *query, unsigned want,
                   struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = result_next, .seek = sfs_query_no_seek, .close = result_close};
    struct result *result = calloc(1, sizeof(*result));
    if (!result)
        return sfs_fail_memory(error, "query");
    result->cursor.operations = &operations;
    int failed = sfs_query_copy(&result->query, query, error);
    if (failed == 0) {
        sfs_guard_begin(&result->guard, &result->query->options);
        failed = build(result, store, want, error);
    }
    if (failed) {
        result_close(&result->cursor);
        return failed;
    }
    *ret_cursor = &result->cursor;
    return 0;
}

int sfs_query_run(struct sfs_storage *store, const struct sfs_query *query,
                  struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_query_open(store, query, SFS_WANT_VALUE, ret_cursor, error);
}

int sfs_query_find_one(struct sfs_storage *store, const struct sfs_query *query,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    struct sfs_query *first = NULL;
    const struct sfs_record *record = NULL;
    int found = sfs_query_copy(&first, query, error);
    /* A query that is full of stages has its rows sorted whole, and the first of them taken. */
    if (found == 0 && first->count < SFS_QUERY_STAGES_MAX)
        found = sfs_query_limit(first, 1, error);
    if (found == 0)
        found = sfs_query_run(store, first, &cursor, error);
    if (found == 0)
        found = sfs_cursor_next(cursor, &record, error);
    if (found > 0)
        *ret_record = sfs_record_ref(record);
    sfs_cursor_close(cursor);
    sfs_query_free(first);
    if (found == 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, "query", "the query has no result");
    return found < 0 ? found : 0;
}

int sfs_query_count(struct sfs_storage *store, const struct sfs_query *query, uint64_t *ret_count,
                    struct sfs_error *error)
{
    if (query->count == 0)
        return sfs_size(store, ret_count, error);
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    uint64_t count = 0;
    bool counted = false;
    int result = sfs_plan_count(store, query, &counted, ret_count, error);
    if (result == 0 && !counted)
        result = sfs_query_open(store, query, SFS_WANT_RECORD, &cursor, error);
    if (result || counted)
        return result;
    while ((result = sfs_cursor_next(cursor, &record, error)) > 0)
        count++;
    sfs_cursor_close(cursor);
    if (result == 0)
        *ret_count = count;
    return result;
}
