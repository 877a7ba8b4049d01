/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_INDEX_VALUES_H
#define SFS_QUERY_INDEX_VALUES_H

/* The distinct values of a field, out of an index. */
#include "query/stages.h"

/* The value is borrowed for the call; not 0 ends the walk and is returned. */
typedef int sfs_index_values_visit(void *context, const struct sfs_value *value,
                                   struct sfs_error *error);
/*
 * Shows every value that the field has in the result of the query, once and in order, if there is
 * an index that alone can tell: *ret_done. The query has only filters. Errors: those of the visit,
 * of sfs_snapshot() and of the index operations.
 */
int sfs_index_values(struct sfs_storage *store, const struct sfs_query *query,
                     const struct sfs_field *field, sfs_index_values_visit *visit, void *context,
                     bool *ret_done, struct sfs_error *error);

#endif
