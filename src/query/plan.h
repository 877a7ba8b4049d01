/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_PLAN_H
#define SFS_QUERY_PLAN_H

/*
 * Plan: whether a query's first stages are answered from an index in place of a scan, and from
 * which part of it. What the query means stays the same, rows and order of rows: entries only tell
 * which records to look at, and unless the plan is exact the filters test each of them again.
 * Choosing is by counting: entries are counted in the index, which costs little, and a scan in byte
 * order, which reads each record once in the order in which it lies, is preferred to many records
 * one by one. (Access path selection as Selinger and others had it, with counts in place of
 * statistics.)
 *
 * A plan is made of one state of the store and read by one thread.
 */
#include "query/index_fields.h"
#include "query/stages.h"

/* One more record by itself costs about so many in a scan. */
#define SFS_PLAN_FETCH_COST 4
/* So many entries cost about as much as one record in a scan, one after the other and in a table.
 */
#define SFS_PLAN_ENTRIES 8
#define SFS_PLAN_FOLDED_ENTRIES 4
/* Keys between bounds are counted up to one in so many of what the index would cost: counting is
 * then little beside reading. */
#define SFS_PLAN_BOUNDS 4
/* The part that filters are taken to leave of what was not counted: one in so many. */
#define SFS_PLAN_GUESS 20
/* At most so many names are collected and sorted. */
#define SFS_PLAN_NAMES_MAX (UINT64_C(1) << 20)

enum sfs_plan_way {
    SFS_PLAN_SCAN,   /* no index */
    SFS_PLAN_NAMES,  /* collect names, sort them, look up what is not held */
    SFS_PLAN_KEY,    /* entries of one K, which are in order of names */
    SFS_PLAN_ORDER,  /* entries in order of the index, which is that of `order` */
    SFS_PLAN_GROUPS, /* groups or results from the entries alone: see cover.h */
};

/* A range of Ks; `to` is never empty unless it has no end. */
struct sfs_plan_range {
    struct sfs_buffer from;
    struct sfs_buffer to;
};

struct sfs_plan {
    enum sfs_plan_way way;
    struct sfs_index_set *set;     /* a reference; holds `index` */
    const struct sfs_index *index; /* NULL: SCAN */
    struct sfs_plan_range *ranges; /* ascending, disjoint */
    size_t range_count;
    size_t filters; /* stages that the query begins with, all filters */
    bool ordered;   /* the stage behind them is an order, and is done */
    bool descending;
    /* GROUPS: the groups (`group` NULL: all is one) and their results (`aggregate` NULL: none),
     * which the query's first `done` stages make, but for what `aggregate` makes of them. */
    const struct sfs_query_stage *group;
    const struct sfs_query_stage *aggregate;
    size_t done;
    size_t bound;    /* GROUPS: this many fields of the index have one value in each range */
    bool streamed;   /* GROUPS: one after the other, in place of in a table */
    bool exact;      /* all that is in the ranges passes the filters, and nothing else */
    uint64_t rows;   /* entries in the ranges, or so many that it does not matter */
    uint64_t wanted; /* of them, about how many will be read */
    uint64_t total;  /* keys in the store */
};

/* Chooses. `store` is what will be read: a snapshot where there are any. NO_MEMORY, and the errors
 * of the index operations. */
int sfs_plan_make(struct sfs_storage *store, const struct sfs_query *query,
                  struct sfs_plan *ret_plan, struct sfs_error *error);
/* A plan whose `rows` is just how many records pass the filters that the query begins with; SCAN
 * where no index can tell without looking at them. */
int sfs_plan_exact(struct sfs_storage *store, const struct sfs_query *query,
                   struct sfs_plan *ret_plan, struct sfs_error *error);
/* The records that the plan's index names, in the order of its way; for plans that are neither SCAN
 * nor GROUPS. The
 * plan must outlive the cursor. */
int sfs_plan_cursor(struct sfs_storage *store, const struct sfs_plan *plan, unsigned want,
                    struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* A cursor over range number `at` of the plan, in its direction. */
int sfs_plan_open_range(struct sfs_storage *store, const struct sfs_plan *plan, size_t at,
                        unsigned want, struct sfs_index_cursor **ret_cursor,
                        struct sfs_error *error);
/* Whether stage number `at` needs no cursor of its own, because the plan has done it. */
static inline bool sfs_plan_does(const struct sfs_plan *plan, size_t at)
{
    if (plan->way == SFS_PLAN_GROUPS)
        return at < plan->done;
    return at < plan->filters ? plan->exact : at == plan->filters && plan->ordered;
}
/* Allowed on {0}. */
void sfs_plan_free(struct sfs_plan *plan);

/* Counts the rows of a query without looking at a record: true in *ret_counted where an index can
 * tell, and then *ret_count. */
int sfs_plan_count(struct sfs_storage *store, const struct sfs_query *query, bool *ret_counted,
                   uint64_t *ret_count, struct sfs_error *error);
/* Appends how the plan's index is used, for explain. */
int sfs_plan_explain(const struct sfs_plan *plan, struct sfs_buffer *out);

/* Whether a plan is made of one state: `store` is a snapshot, or one can be taken before it is
 * read. */
bool sfs_plan_is_of_one_state(const struct sfs_storage *store);
/* Whether it may be worth a snapshot to look for an index: there are some, and there are snapshots.
 */
bool sfs_plan_has_indexes(struct sfs_storage *store);

#endif
