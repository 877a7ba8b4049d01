/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_AGGREGATE_H
#define SFS_QUERY_AGGREGATE_H

/*
 * Accumulators: what one function has seen of the rows of one group. {0} has seen nothing. They can
 * be packed into bytes and merged, so that groups that do not fit in memory go through a sorter.
 * How many values are distinct is not kept here: see fold.h.
 */
#include "query/stages.h"
#include "query/sum.h"

struct sfs_accumulator {
    struct sfs_sum sum;     /* SUM, AVG */
    struct sfs_buffer best; /* MIN, MAX: a sort key; empty: none yet */
};

/* Each answers 0, NO_MEMORY or TOO_LARGE. */
int sfs_accumulator_add(struct sfs_accumulator *accumulator, enum sfs_function function,
                        const struct sfs_value *value, struct sfs_buffer *scratch);
/* The same with the value's sort key; also INVALID, where it is none. */
int sfs_accumulator_add_key(struct sfs_accumulator *accumulator, enum sfs_function function,
                            struct sfs_bytes key, struct sfs_buffer *scratch);
int sfs_accumulator_pack(const struct sfs_accumulator *accumulator, enum sfs_function function,
                         struct sfs_buffer *out);
/* Merges what the bytes hold, which move behind it. */
int sfs_accumulator_merge(struct sfs_accumulator *accumulator, enum sfs_function function,
                          struct sfs_bytes *bytes);
/* Appends the result's sort key, that of a missing value where there is none. */
int sfs_accumulator_result(struct sfs_accumulator *accumulator, enum sfs_function function,
                           struct sfs_buffer *out);
/* Bytes of memory besides the struct. */
size_t sfs_accumulator_held(const struct sfs_accumulator *accumulator);
void sfs_accumulator_free(struct sfs_accumulator *accumulator);

#endif
