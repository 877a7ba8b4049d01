/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_FOLD_H
#define SFS_QUERY_FOLD_H

/*
 * Fold: rows of equal keys made one, given back in the order of the keys, in memory that is bounded
 * however many keys there are: a hash table that goes to a sorter whenever it is over its budget,
 * and what came of one key in several pieces is merged at the end. (Hybrid hash aggregation.)
 * Belongs to one thread.
 */
#include "query/aggregate.h"
#include "query/sorter.h"

struct sfs_fold;

/* What was folded of one key. */
struct sfs_folded {
    struct sfs_bytes key;
    uint64_t count;
    struct sfs_accumulator *accumulators; /* one a function */
};

/* `functions` says what is accumulated (none: only the count). Borrows guard and functions. */
int sfs_fold_new(struct sfs_guard *guard, uint64_t memory, const struct sfs_stage_field *functions,
                 size_t function_count, struct sfs_fold **ret_fold, struct sfs_error *error);
/* Adds one row of this key; `values` is one a function. */
int sfs_fold_add(struct sfs_fold *fold, struct sfs_bytes key, const struct sfs_value *values,
                 struct sfs_error *error);
/* The same with sort keys as values. Also CORRUPT, where one is none. */
int sfs_fold_add_keys(struct sfs_fold *fold, struct sfs_bytes key, const struct sfs_bytes *values,
                      struct sfs_error *error);
/* The next key, borrowed until the next call: 1, 0 at the end, or an error. Nothing can be added
 * any more. */
int sfs_fold_next(struct sfs_fold *fold, struct sfs_folded *ret_folded, struct sfs_error *error);
/* NULL allowed. */
void sfs_fold_free(struct sfs_fold *fold);
/* A sentence for what an accumulator answered. Returns it. */
int sfs_fold_fail(int result, struct sfs_error *error);

#endif
