/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_COVER_H
#define SFS_QUERY_COVER_H

/*
 * Covers: groups and aggregates whose fields are all in one index, computed from its entries alone.
 * An entry's K is made of the very sort keys that groups are made of, and a number's sort key is
 * exact, so that the results are the same to the last bit.
 */
#include "query/plan.h"
#include "query/run.h"

struct sfs_cover {
    bool covers;   /* every field that is asked for is in the index */
    bool streamed; /* entries of one group lie together, and groups are in their order */
    bool skipped;  /* of a group only some entries are looked at */
    size_t prefix; /* streamed: as many fields have one value in all entries of a group */
    size_t fields; /* as many of the first fields are asked for */
};

/* What an index can do for the groups of `group` (NULL: all is one) with the results of `aggregate`
 * (NULL: none); `bound` fields have one value in each of `ranges` ranges. */
struct sfs_cover sfs_cover_of(const struct sfs_index *index, size_t bound, size_t ranges,
                              const struct sfs_query_stage *group,
                              const struct sfs_query_stage *aggregate);
/* Which field of the index this is; its number of fields: none. */
size_t sfs_cover_place(const struct sfs_index *index, const struct sfs_field *field);

/* The groups, as sfs_group_cursor() gives them. The plan is of the way GROUPS; all is borrowed. */
int sfs_cover_cursor(struct sfs_storage *store, const struct sfs_plan *plan,
                     struct sfs_guard *guard, struct sfs_cursor **ret_cursor,
                     struct sfs_error *error);

#endif
