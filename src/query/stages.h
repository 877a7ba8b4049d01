/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_STAGES_INTERNAL_H
#define SFS_QUERY_STAGES_INTERNAL_H

/*
 * The stages that a query is made of. A stage is immutable once it is appended and counted, so that
 * copies of a query, and the cursors that run it, share it between threads.
 */
#include <stdatomic.h>

#include "query/expression.h"

/* A cursor for each stage is a call on the stack: this many stages a query may have. */
#define SFS_QUERY_STAGES_MAX 256

/* One entry of the list that a stage has: a field, with its direction or its function. */
struct sfs_stage_field {
    struct sfs_field field;     /* not for COUNT */
    bool descending;            /* ORDER */
    enum sfs_function function; /* AGGREGATE */
    struct sfs_bytes name;    /* as it is written: the member that SELECT, GROUP, AGGREGATE make */
    struct sfs_bytes literal; /* the name as a JSON string */
};

struct sfs_query_stage {
    enum sfs_query_stage_kind kind;
    atomic_uint references;
    struct sfs_arena arena;             /* holds all that is below */
    const struct sfs_node *node;        /* WHERE; BY: FIELD = VALUE */
    const struct sfs_stage_field *keys; /* ORDER, SELECT, GROUP, AGGREGATE */
    size_t key_count;
    uint64_t count; /* LIMIT, OFFSET */
};

struct sfs_query {
    struct sfs_query_stage *stages[SFS_QUERY_STAGES_MAX];
    size_t count;
    struct sfs_query_options options; /* `directory` is owned */
};

/* What the rows are that a stage gets. */
enum sfs_row_kind {
    SFS_ROW_RECORDS,
    SFS_ROW_GROUPS,    /* no key; @count, and members for aggregates */
    SFS_ROW_SUMMARIES, /* no key: documents */
};
/* What the rows are behind the first `count` stages. */
enum sfs_row_kind sfs_query_rows(const struct sfs_query *query, size_t count);
/* The stage that made what the rows behind the first `count` stages look like: the last select,
 * group or aggregate. NULL: none. */
const struct sfs_query_stage *sfs_query_shape(const struct sfs_query *query, size_t count);
/* The aggregate whose results the groups that stage `at` makes must have; NULL: none. */
const struct sfs_query_stage *sfs_query_results_of(const struct sfs_query *query, size_t at);
/* Whether a stage looks into values, not only at properties; or at what a bare record lacks. */
bool sfs_query_stage_reads_value(const struct sfs_query_stage *stage);
bool sfs_query_stage_reads_times(const struct sfs_query_stage *stage);
/* query.c: appends an `aggregate` of one function. */
int sfs_query_add_function(struct sfs_query *query, enum sfs_function function,
                           struct sfs_bytes field, struct sfs_error *error);
/* Drops the stages from number `count` on. */
void sfs_query_cut(struct sfs_query *query, size_t count);
/* Fails where a sink cannot show these rows. */
int sfs_query_check_sink(const struct sfs_query *query, enum sfs_sink sink,
                         struct sfs_error *error);

/* stage_fields.c: reads the list of a stage of its kind into the stage's arena, and prints it. */
int sfs_stage_fields_parse(struct sfs_bytes fields, struct sfs_query_stage *stage,
                           struct sfs_error *error);
int sfs_stage_fields_print(const struct sfs_query_stage *stage, struct sfs_buffer *out);
/* A list of one function. `what` begins sentences. */
int sfs_stage_function_set(struct sfs_query_stage *stage, enum sfs_function function,
                           struct sfs_bytes field, struct sfs_error *error);
/* "sum". Static storage. */
const char *sfs_function_name(enum sfs_function function);

#endif
