/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_SORTER_H
#define SFS_QUERY_SORTER_H

/*
 * Sorter: pairs of bytes, a key and what goes with it, given back in memcmp() order of the keys,
 * equal keys in the order in which they came. Holds them in memory up to a budget; what is more is
 * sorted in pieces (runs), kept in a spool and merged. (The external merge sort of Knuth's third
 * volume; runs of one level are merged into one of the next.) Belongs to one thread.
 */
#include "query/guard.h"

struct sfs_sorter;

#define SFS_SORT_ALL UINT64_MAX

/* `memory` is the budget in bytes; of all pairs only the first `keep` in order are wanted. Borrows
 * the guard. NO_MEMORY. */
int sfs_sorter_new(struct sfs_guard *guard, uint64_t memory, uint64_t keep,
                   struct sfs_sorter **ret_sorter, struct sfs_error *error);
/* Whether a pair of this key could still be among those wanted. */
bool sfs_sorter_wants(const struct sfs_sorter *sorter, struct sfs_bytes key);
/* Copies both. NO_MEMORY, those of the guard and of the spool. */
int sfs_sorter_add(struct sfs_sorter *sorter, struct sfs_bytes key, struct sfs_bytes payload,
                   struct sfs_error *error);
/* The next pair, borrowed until the next call: 1, 0 at the end, or an error. Nothing can be added
 * any more. */
int sfs_sorter_next(struct sfs_sorter *sorter, struct sfs_bytes *ret_key,
                    struct sfs_bytes *ret_payload, struct sfs_error *error);
/* NULL allowed. */
void sfs_sorter_free(struct sfs_sorter *sorter);

#endif
