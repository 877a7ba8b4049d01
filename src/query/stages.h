/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_STAGES_H
#define SFS_QUERY_STAGES_H

/*
 * The stages that a query is made of. A stage is immutable once it is appended and counted, so that
 * copies of a query, and the cursors that run it, share it between threads.
 */
#include <stdatomic.h>

#include "query/expression.h"
#include "storefs/query.h"

/* A cursor for each stage is a call on the stack: this many stages a query may have. */
#define SFS_QUERY_STAGES_MAX 256

enum sfs_query_stage_kind {
    SFS_QUERY_WHERE,
    SFS_QUERY_BY,
    SFS_QUERY_ORDER,
    SFS_QUERY_LIMIT,
    SFS_QUERY_OFFSET,
};

struct sfs_order_key {
    struct sfs_field field;
    bool descending;
};

struct sfs_query_stage {
    enum sfs_query_stage_kind kind;
    atomic_uint references;
    struct sfs_arena arena;           /* holds all that is below */
    const struct sfs_node *node;      /* WHERE; BY: FIELD = VALUE */
    const struct sfs_order_key *keys; /* ORDER */
    size_t key_count;
    uint64_t count; /* LIMIT, OFFSET */
};

struct sfs_query {
    struct sfs_query_stage *stages[SFS_QUERY_STAGES_MAX];
    size_t count;
};

/* The stage as it stands in a path: "where/n >= 1", "order/a:desc,b". Appends. */
int sfs_query_stage_print(const struct sfs_query_stage *stage, struct sfs_buffer *out);
/* Whether it looks into values, not only at properties. */
bool sfs_query_stage_reads_value(const struct sfs_query_stage *stage);

/* stage_order.c: reads the fields of an `order` into a stage's arena. */
int sfs_order_parse(struct sfs_bytes fields, struct sfs_query_stage *stage,
                    struct sfs_error *error);
int sfs_order_print(const struct sfs_query_stage *stage, struct sfs_buffer *out);

#endif
