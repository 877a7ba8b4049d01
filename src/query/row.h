/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_ROW_H
#define SFS_QUERY_ROW_H

/*
 * Rows: what passes from stage to stage. A row is a record; after `group` or `aggregate` it is one
 * without a name, whose value is a document that the stage made. A group's xattrs hold how many
 * members it has and its results, so that sorting and filtering carry them along.
 */
#include "storefs/record.h"

/* Whether the row is no record of the store, but was made. */
static inline bool sfs_row_is_made(const struct sfs_record *row)
{
    return row->name.size == 0;
}
/* A row like `row` whose value is this JSON. NULL: no memory. */
const struct sfs_record *sfs_row_with_value(const struct sfs_record *row, struct sfs_bytes json);
/* A row without a name. NULL: no memory. */
const struct sfs_record *sfs_row_made(struct sfs_bytes json, struct sfs_bytes xattrs);

/* A group's members and results: xattrs of the row. */
bool sfs_row_members(const struct sfs_record *row, uint64_t *ret_count);
/* The results' sort keys, one behind the other; empty where there are none. */
struct sfs_bytes sfs_row_results(const struct sfs_record *row);

/* The row as bytes, for sorting, and back. */
int sfs_row_pack(const struct sfs_record *row, struct sfs_buffer *out);
const struct sfs_record *sfs_row_unpack(struct sfs_bytes bytes);

#endif
