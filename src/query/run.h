/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_RUN_H
#define SFS_QUERY_RUN_H

/*
 * Running a query: a chain of cursors, each of which owns the one it reads from (git's ref
 * iterators are built so). Constructors take `input` over on success only; they borrow stages and
 * guard.
 */
#include "query/sorter.h"
#include "query/stages.h"

/* As sfs_query_run; `want` is SFS_WANT_VALUE, or SFS_WANT_RECORD where nobody looks at values, and
 * SFS_WANT_BARE where nobody looks at more than that of a bare record. */
int sfs_query_open(struct sfs_storage *store, const struct sfs_query *query, unsigned want,
                   struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The rows for which `node` holds. */
int sfs_filter_cursor(struct sfs_cursor *input, const struct sfs_node *node,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The rows from number `skip` on (from 0), at most `count`. */
int sfs_window_cursor(struct sfs_cursor *input, uint64_t skip, uint64_t count,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The first `keep` rows in the order of `stage` (SFS_SORT_ALL: all), with `values` or without.
 * Reads its input whole at the first step. */
int sfs_order_cursor(struct sfs_cursor *input, const struct sfs_query_stage *stage, uint64_t keep,
                     bool values, struct sfs_guard *guard, struct sfs_cursor **ret_cursor,
                     struct sfs_error *error);
/* The rows with the document of the stage's fields as their value. */
int sfs_select_cursor(struct sfs_cursor *input, const struct sfs_query_stage *stage,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The groups of `group` (NULL: all rows are one, be there none), with the results of `aggregate`
 * (NULL: only how many members there are). Reads its input whole at the first step. */
int sfs_group_cursor(struct sfs_cursor *input, const struct sfs_query_stage *group,
                     const struct sfs_query_stage *aggregate, struct sfs_guard *guard,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* Groups with results to documents with the fields of both stages (`group` may be NULL). */
int sfs_summary_cursor(struct sfs_cursor *input, const struct sfs_query_stage *aggregate,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The seek of cursors that cannot: UNSUPPORTED. */
int sfs_query_no_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error);

/* explain.c: appends the explanation of a query. */
int sfs_query_explain(struct sfs_storage *store, const struct sfs_query *query,
                      struct sfs_buffer *out, struct sfs_error *error);

#endif
