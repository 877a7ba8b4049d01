/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_STORAGE_H
#define SFS_CORE_STORAGE_H

/*
 * Finding the store of a stack that answers a call. A group that a layer leaves unset is answered
 * below it. An override is answered by the first store that has it, unless a layer above that store
 * hides its kind.
 */
#include "storefs/backend.h"

/* The store that has the override at `offset` of struct sfs_override_operations; NULL if no store
 * has it, or a layer hides it. `kind`: as declared at the slot. */
struct sfs_storage *sfs_storage_override(struct sfs_storage *store, size_t offset,
                                         enum sfs_override_kind kind);

/* The store whose `index` group reads indexes (kind ANSWER), or NULL. */
struct sfs_storage *sfs_storage_index(struct sfs_storage *store);

/* The slot `scan` of that group, which must exist. Every index scan is begun here, so that the
 * layers that it passes can observe it. */
int sfs_storage_index_scan(struct sfs_storage *store, const struct sfs_index *index,
                           struct sfs_range range, bool descending, unsigned want,
                           struct sfs_index_cursor **ret_cursor, struct sfs_error *error);

/* Whether a store from `store` down to `end` is read-only. */
bool sfs_storage_is_read_only(const struct sfs_storage *store, const struct sfs_storage *end);

/* Offers a query to the store's own evaluation. *ret_taken with stages 0 where nothing took it. */
int sfs_storage_push_down(struct sfs_storage *store, const struct sfs_query *query,
                          struct sfs_push_down *ret_taken, struct sfs_error *error);

#endif
