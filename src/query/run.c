/* SPDX-License-Identifier: MIT */
/*
 * Running queries: offers the stages to the store, puts a cursor for each stage that the store left
 * on a scan of one snapshot, and wraps the chain in a cursor that owns what it needs.
 */
#include <stdlib.h>

#include "core/storage.h"
#include "query/bounds.h"
#include "query/plan.h"
#include "query/run.h"
#include "storefs/backend.h"

struct result {
    struct sfs_cursor cursor;
    struct sfs_query *query;      /* the chain refers to its stages */
    struct sfs_storage *snapshot; /* NULL: none is needed, or the store has none */
    struct sfs_cursor *chain;
    struct sfs_plan plan; /* the chain refers to it */
    int failed; /* after a failure nothing more can be read */
};

static int result_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct result *result = (struct result *)cursor;
    if (result->failed)
        return sfs_fail(error, result->failed, "query", "the query failed before: run it again");
    int found = sfs_cursor_next(result->chain, ret_record, error);
    if (found < 0)
        result->failed = found;
    return found;
}

static void result_close(struct sfs_cursor *cursor)
{
    struct result *result = (struct result *)cursor;
    sfs_cursor_close(result->chain);
    /* A snapshot is read-only: closing it has nothing to write that could fail. */
    (void)sfs_close(result->snapshot, NULL);
    sfs_plan_free(&result->plan);
    sfs_query_free(result->query);
    free(result);
}

/* --- the chain --- */

/* Puts the cursor of stage `*at` on the chain and moves `*at` behind the stages it does. */
static int add_stage(struct result *result, const struct sfs_run_options *options, size_t *at,
                     struct sfs_error *error)
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
        break;
    }
    uint64_t keep = SFS_SORT_ALL;
    if (*at < query->count && query->stages[*at]->kind == SFS_QUERY_LIMIT)
        keep = query->stages[(*at)++]->count;
    return sfs_sort_cursor(*chain, stage, keep, options->sort_limit, chain, error);
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

/* What the stages look at that have to be run. */
static unsigned wanted(const struct result *result, unsigned want)
{
    for (size_t i = 0; i < result->query->count; i++) {
        if (!sfs_plan_does(&result->plan, i) &&
            sfs_query_stage_reads_value(result->query->stages[i]))
            want |= SFS_WANT_VALUE;
    }
    return want;
}

/* Reads from an index, or else from a scan. */
static int begin_reading(struct result *result, struct sfs_storage *store,
                         const struct sfs_run_options *options, struct sfs_error *error)
{
    bool snapshot = sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT;
    int failed = snapshot ? sfs_snapshot(store, 0, &result->snapshot, error) : 0;
    if (failed)
        return failed;
    store = snapshot ? result->snapshot : store;
    failed = sfs_plan_make(store, result->query, options->sort_limit, &result->plan, error);
    if (failed)
        return failed;
    /* What passes when the index is read need not when the record is, if others write. */
    result->plan.exact &= snapshot;
    unsigned want = wanted(result, options->want);
    return result->plan.index ? sfs_plan_cursor(store, &result->plan, want, &result->chain, error)
                              : scan_range(result, store, want, error);
}

static int build(struct result *result, struct sfs_storage *store,
                 const struct sfs_run_options *options, struct sfs_error *error)
{
    struct sfs_push_down taken;
    int failed = sfs_storage_push_down(store, result->query, &taken, error);
    if (failed)
        return failed;
    size_t at = taken.stages;
    result->chain = taken.cursor;
    if (at == 0)
        failed = begin_reading(result, store, options, error);
    while (failed == 0 && at < result->query->count) {
        if (sfs_plan_does(&result->plan, at))
            at++;
        else
            failed = add_stage(result, options, &at, error);
    }
    return failed;
}

int sfs_query_open(struct sfs_storage *store, const struct sfs_query *query,
                   const struct sfs_run_options *options, struct sfs_cursor **ret_cursor,
                   struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = result_next, .seek = sfs_query_no_seek, .close = result_close};
    struct result *result = calloc(1, sizeof(*result));
    if (!result)
        return sfs_fail_memory(error, "query");
    result->cursor.operations = &operations;
    int failed = sfs_query_copy(&result->query, query, error);
    if (failed == 0)
        failed = build(result, store, options, error);
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
    struct sfs_run_options options = {.want = SFS_WANT_VALUE, .sort_limit = SFS_SORT_LIMIT};
    return sfs_query_open(store, query, &options, ret_cursor, error);
}

int sfs_query_count(struct sfs_storage *store, const struct sfs_query *query, uint64_t *ret_count,
                    struct sfs_error *error)
{
    if (query->count == 0)
        return sfs_size(store, ret_count, error);
    struct sfs_run_options options = {.want = SFS_WANT_RECORD, .sort_limit = SFS_SORT_LIMIT};
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    uint64_t count = 0;
    bool counted = false;
    int result = sfs_plan_count(store, query, &counted, ret_count, error);
    if (result == 0 && !counted)
        result = sfs_query_open(store, query, &options, &cursor, error);
    if (result || counted)
        return result;
    while ((result = sfs_cursor_next(cursor, &record, error)) > 0)
        count++;
    sfs_cursor_close(cursor);
    if (result == 0)
        *ret_count = count;
    return result;
}
