/* SPDX-License-Identifier: MIT */
/* What plans tell without running: how many rows there are, and how they are found. */
#include <inttypes.h>

#include "core/storage.h"
#include "query/plan.h"
#include "query/run.h"

/* The rows that limits and offsets leave of `rows`; false where other stages are behind the
 * filters. */
static bool apply_windows(const struct sfs_query *query, size_t at, uint64_t *rows)
{
    for (; at < query->count; at++) {
        const struct sfs_query_stage *stage = query->stages[at];
        if (stage->kind == SFS_QUERY_LIMIT)
            *rows = *rows < stage->count ? *rows : stage->count;
        else if (stage->kind == SFS_QUERY_OFFSET)
            *rows -= *rows < stage->count ? *rows : stage->count;
        else if (stage->kind != SFS_QUERY_ORDER)
            return false;
    }
    return true;
}

/* `store` shows one state. */
static int count_in(struct sfs_storage *store, const struct sfs_query *query, bool *ret_counted,
                    uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_plan plan;
    int result = sfs_plan_exact(store, query, &plan, error);
    if (result)
        return result;
    uint64_t rows = plan.rows;
    *ret_counted = plan.index && apply_windows(query, plan.filters, &rows);
    if (*ret_counted) {
        *ret_count = rows;
        sfs_index_hit(plan.index);
    }
    sfs_plan_free(&plan);
    return 0;
}

bool sfs_plan_has_indexes(struct sfs_storage *store)
{
    struct sfs_storage *able = sfs_storage_index(store);
    struct sfs_index_set *set = NULL;
    if (!able || !(sfs_storage_capabilities(store) & SFS_CAN_SNAPSHOT) ||
        able->operations->override->index->set(able, &set, NULL))
        return false; /* what fails now fails again where it is reported */
    sfs_index_set_unref(set);
    return set != NULL;
}

int sfs_plan_count(struct sfs_storage *store, const struct sfs_query *query, bool *ret_counted,
                   uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_storage *snapshot = NULL;
    *ret_counted = false;
    if (query->count == 0 || !query->stages[0]->node || !sfs_plan_has_indexes(store))
        return 0;
    int result = sfs_snapshot(store, 0, &snapshot, error);
    if (result)
        return result;
    result = count_in(snapshot, query, ret_counted, ret_count, error);
    (void)sfs_close(snapshot, NULL);
    return result;
}

int sfs_plan_explain(const struct sfs_plan *plan, struct sfs_buffer *out)
{
    static const char *const ways[] = {
        [SFS_PLAN_NAMES] = "sorted by name, each then looked up",
        [SFS_PLAN_KEY] = "as they stand there, which is by name",
        [SFS_PLAN_ORDER] = "as they stand there, which is the order asked for",
        [SFS_PLAN_GROUPS] = "which say all that is asked: no record is read",
    };
    return sfs_buffer_printf(out,
                             "index %s\n    library: about %" PRIu64 " of %" PRIu64 " keys, %s%s\n",
                             plan->index->name, plan->rows, plan->total, ways[plan->way],
                             plan->descending ? ", backwards" : "");
}
