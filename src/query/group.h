/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_GROUP_H
#define SFS_QUERY_GROUP_H

/* What a group becomes: a row with the document of its values, its number of members and its
 * results. */
#include "query/fold.h"
#include "query/plan.h"

struct sfs_group_rows {
    const struct sfs_query_stage *group; /* NULL: all is one group */
    const struct sfs_stage_field *functions;
    size_t function_count;
    struct sfs_buffer json;
    struct sfs_buffer results;
    const struct sfs_record *given; /* a reference */
};

/* `aggregate` NULL: no functions. */
void sfs_group_rows_init(struct sfs_group_rows *rows, const struct sfs_query_stage *group,
                         const struct sfs_query_stage *aggregate);
/* Makes the row of one group: 1, and `given` is it until the next, or an error. `distinct`: one a
 * function, how many different values there are. */
int sfs_group_rows_make(struct sfs_group_rows *rows, const struct sfs_folded *folded,
                        const uint64_t *distinct, struct sfs_error *error);
void sfs_group_rows_free(struct sfs_group_rows *rows);

/* group.c: the groups of a plan of the way GROUPS, collected in a table from the first `fields`
 * fields of its entries. */
int sfs_group_entries_cursor(struct sfs_storage *store, const struct sfs_plan *plan, size_t fields,
                             struct sfs_guard *guard, struct sfs_cursor **ret_cursor,
                             struct sfs_error *error);

#endif
