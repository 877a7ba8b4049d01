/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_BOUNDS_H
#define SFS_QUERY_BOUNDS_H

/*
 * Bounds: the range of keys that the leading filters of a query leave, so that a query for some
 * keys does not scan the whole store. The filters still test every record: a range may be too wide,
 * never too narrow.
 */
#include "query/stages.h"

struct sfs_bounds {
    struct sfs_buffer from;
    struct sfs_buffer to; /* empty: no upper bound */
};

/* Narrows `bounds`, {0} at first, by the filters that the query begins with. NO_MEMORY. */
int sfs_bounds_find(const struct sfs_query *query, struct sfs_bounds *bounds);
struct sfs_range sfs_bounds_range(const struct sfs_bounds *bounds);
void sfs_bounds_free(struct sfs_bounds *bounds);

#endif
