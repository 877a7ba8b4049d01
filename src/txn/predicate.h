/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_PREDICATE_H
#define SFS_TXN_PREDICATE_H

/*
 * Predicate: the leading filters of one query and the range on which they were evaluated. A change
 * matters to the query only where the old or the new record lies in that range and passes all of
 * them. Under its holder's lock.
 */
#include "storefs/query.h"

struct sfs_txn_predicate;

/* The first `stages` stages of `query`, all filters; nothing has been evaluated yet. */
int sfs_txn_predicate_new(const struct sfs_query *query, size_t stages, struct sfs_bytes from,
                          struct sfs_txn_predicate **ret_predicate, struct sfs_error *error);
void sfs_txn_predicate_free(struct sfs_txn_predicate *predicate); /* NULL allowed */
/* The same filters from the same name on. */
bool sfs_txn_predicate_same(const struct sfs_txn_predicate *a, const struct sfs_txn_predicate *b);
/* Evaluated up to `end` (empty: to the last of all names), `closed`: with it. NO_MEMORY. */
int sfs_txn_predicate_extend(struct sfs_txn_predicate *predicate, struct sfs_bytes end,
                             bool closed);
/* How the filters are written; borrowed. */
struct sfs_bytes sfs_txn_predicate_text(const struct sfs_txn_predicate *predicate);
/* 1, 0, or NO_MEMORY. */
int sfs_txn_predicate_matches(const struct sfs_txn_predicate *predicate,
                              const struct sfs_record *record);

#endif
