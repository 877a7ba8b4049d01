/* SPDX-License-Identifier: MIT */
/* explain: one line a stage, with who does it and how; made without running the query. */
#include "core/storage.h"
#include "query/bounds.h"
#include "query/plan.h"
#include "query/run.h"

/* Who does a stage, in a column of its own, and how. */
static int add_line(struct sfs_buffer *out, const char *who, const char *how)
{
    return sfs_buffer_printf(out, "\n    %s: %s\n", who, how);
}

static const char *how_of_order(const struct sfs_query *query, size_t at)
{
    bool limited = at + 1 < query->count && query->stages[at + 1]->kind == SFS_QUERY_LIMIT;
    return limited ? "sorts, and holds no more rows than the limit wants"
                   : "sorts in memory, beyond its limit in temporary files";
}

/* Of a stage that the index has done. */
static const char *how_done(const struct sfs_query_stage *stage, const struct sfs_plan *plan)
{
    if (stage->node)
        return "nothing left to test";
    if (stage->kind == SFS_QUERY_ORDER)
        return "nothing left to sort";
    return plan->streamed ? "takes the groups as they come, one after the other"
                          : "collects groups in a table, beyond its memory in temporary files";
}

static const char *how_of(const struct sfs_query *query, const struct sfs_plan *plan, size_t at)
{
    if (sfs_plan_does(plan, at))
        return how_done(query->stages[at], plan);
    switch (query->stages[at]->kind) {
    case SFS_QUERY_WHERE:
    case SFS_QUERY_BY:
        return sfs_query_stage_reads_value(query->stages[at]) ? "tests each record, reads its value"
                                                              : "tests each record, reads no value";
    case SFS_QUERY_ORDER:
        return how_of_order(query, at);
    case SFS_QUERY_LIMIT:
        return "ends the query after so many rows";
    case SFS_QUERY_SELECT:
        return "makes a document of these fields";
    case SFS_QUERY_GROUP:
        return "collects groups in a table, beyond its memory in temporary files";
    case SFS_QUERY_AGGREGATE:
        return "adds up while it reads";
    case SFS_QUERY_OFFSET:
        break;
    }
    return "reads so many rows and drops them";
}

static int add_bound(struct sfs_buffer *out, const char *relation, struct sfs_bytes bound)
{
    char shown[160];
    if (bound.size == 0)
        return 0;
    return sfs_buffer_printf(out, " %s %s", relation, sfs_name_show(bound, shown, sizeof(shown)));
}

/* A bound that is a key and a NUL has that key in the range. */
static int add_upper_bound(struct sfs_buffer *out, struct sfs_bytes to)
{
    if (!sfs_name_is_marker(to))
        return add_bound(out, "below", to);
    return add_bound(out, "up to", sfs_bytes(to.data, to.size - 1));
}

static int add_scan(struct sfs_storage *store, const struct sfs_query *query,
                    struct sfs_buffer *out)
{
    bool snapshot = sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT;
    struct sfs_bounds bounds = {{0}, {0}};
    int result = sfs_bounds_find(query, &bounds);
    struct sfs_range range = sfs_bounds_range(&bounds);
    bool all = range.from.size == 0 && range.to.size == 0;
    if (result == 0)
        result = sfs_buffer_printf(out, "scan\n    %s: reads %s", sfs_storage_name(store),
                                   all ? "every key" : "the keys");
    if (result == 0)
        result = add_bound(out, "from", range.from);
    if (result == 0)
        result = add_upper_bound(out, range.to);
    if (result == 0)
        result = sfs_buffer_printf(out, " in byte order, %s\n",
                                   snapshot ? "in one snapshot" : "each as it is when reached");
    sfs_bounds_free(&bounds);
    return result;
}

static int add_stages(struct sfs_storage *store, const struct sfs_query *query,
                      const struct sfs_push_down *taken, const struct sfs_plan *plan,
                      struct sfs_buffer *out)
{
    int result = taken->stages ? 0
                 : plan->index ? sfs_plan_explain(plan, out)
                               : add_scan(store, query, out);
    for (size_t i = 0; i < query->count && result == 0; i++) {
        result = sfs_query_stage_print(query->stages[i], out);
        if (result)
            break;
        if (i < taken->stages)
            result = add_line(out, sfs_storage_name(store), taken->plan);
        else
            result = add_line(out, "library", how_of(query, plan, i));
    }
    return result;
}

int sfs_query_explain(struct sfs_storage *store, const struct sfs_query *query,
                      struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_push_down taken;
    int failed = 0;
    int result = sfs_storage_push_down(store, query, &taken, error);
    if (result)
        return result;
    struct sfs_plan plan = {.way = SFS_PLAN_SCAN};
    if (taken.stages == 0)
        failed = sfs_plan_make(store, query, &plan, error);
    if (failed == 0)
        result = add_stages(store, query, &taken, &plan, out);
    sfs_plan_free(&plan);
    sfs_cursor_close(taken.cursor);
    if (failed)
        return failed;
    return result ? sfs_fail_memory(error, "query") : 0;
}
