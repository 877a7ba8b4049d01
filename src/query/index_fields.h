/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_INDEX_FIELDS_H
#define SFS_QUERY_INDEX_FIELDS_H

/* What a definition of an index (storefs/backend.h) is inside: its fields, parsed. */
#include "query/field.h"
#include "storefs/backend.h"

/* More fields than this an index does not have. */
#define SFS_INDEX_FIELDS_MAX 16

/* The field number `at`, from 0; borrowed. */
const struct sfs_field *sfs_index_field(const struct sfs_index *index, size_t at);

/* The smallest run of bytes above all that begin with `bytes`, in place; emptied where there is
 * none. */
void sfs_index_key_behind(struct sfs_buffer *bytes);

#endif
