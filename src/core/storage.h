/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_STORAGE_H
#define SFS_CORE_STORAGE_H

/*
 * Finding the store of a stack that answers a call. A group that a layer leaves unset is answered
 * below it; an override is cut off by every layer above it that intercepts reads, and one that also
 * changes the store by every layer that intercepts writes, unless the layer is transparent.
 */
#include "storefs/backend.h"

/* The store that has the operation at `offset` of struct sfs_override_operations and may be asked
 * for it, or NULL: then the derived form is to be used. `writes`: the override changes the store.
 */
struct sfs_storage *sfs_storage_override(struct sfs_storage *store, size_t offset, bool writes);

/* Offers a query to the store's own evaluation. *ret_taken with stages 0 where nothing took it. */
int sfs_storage_push_down(struct sfs_storage *store, const struct sfs_query *query,
                          struct sfs_push_down *ret_taken, struct sfs_error *error);

#endif
