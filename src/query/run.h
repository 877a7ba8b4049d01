/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_RUN_H
#define SFS_QUERY_RUN_H

/*
 * Running a query: a chain of cursors, each of which owns the one it reads from (git's ref
 * iterators are built so). Constructors take `input` over on success only.
 */
#include "query/stages.h"

#define SFS_SORT_LIMIT (UINT64_C(256) << 20) /* bytes of rows that an order may hold */
#define SFS_SORT_ALL UINT64_MAX

struct sfs_run_options {
    unsigned want;       /* SFS_WANT_VALUE, or SFS_WANT_RECORD where nobody looks at values */
    uint64_t sort_limit; /* bytes; SFS_SORT_LIMIT but for tests */
};

/* As sfs_query_run, with options. */
int sfs_query_open(struct sfs_storage *store, const struct sfs_query *query,
                   const struct sfs_run_options *options, struct sfs_cursor **ret_cursor,
                   struct sfs_error *error);
/* The rows for which `node` holds. */
int sfs_filter_cursor(struct sfs_cursor *input, const struct sfs_node *node,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The rows from number `skip` on (from 0), at most `count`. */
int sfs_window_cursor(struct sfs_cursor *input, uint64_t skip, uint64_t count,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The first `keep` rows in the order of `stage` (SFS_SORT_ALL: all). Reads its input whole at the
 * first step; TOO_LARGE where the rows it must hold take more than `limit` bytes. */
int sfs_sort_cursor(struct sfs_cursor *input, const struct sfs_query_stage *stage, uint64_t keep,
                    uint64_t limit, struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The seek of cursors that cannot: UNSUPPORTED. */
int sfs_query_no_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error);

/* explain.c: appends the explanation of a query. */
int sfs_query_explain(struct sfs_storage *store, const struct sfs_query *query,
                      struct sfs_buffer *out, struct sfs_error *error);

#endif
