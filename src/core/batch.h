/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_BATCH_H
#define SFS_CORE_BATCH_H

/*
 * The inside of a batch: two growing lists that own what they were given. Names lie in one
 * allocation for each operation or precondition, that of the first name.
 */
#include "storefs/backend.h"

struct sfs_batch {
    struct sfs_operation *operations;
    size_t count;
    size_t capacity;
    struct sfs_precondition *preconditions;
    size_t precondition_count;
    size_t precondition_capacity;
    int refused; /* the first failure to add something; 0: none */
};

/* 0, or INVALID for a batch to which something could not be added. */
int sfs_batch_check(const struct sfs_batch *batch, struct sfs_error *error);

/* Remembers that an addition failed; returns `code`. */
int sfs_batch_refuse(struct sfs_batch *batch, int code);

/* Puts a copy of two runs of bytes into one allocation; an empty run stays empty. */
int sfs_batch_copy_names(struct sfs_bytes *first, struct sfs_bytes *second,
                         struct sfs_error *error);

/* Appends an operation whose names are borrowed and whose blob it takes over, also on failure. */
int sfs_batch_add(struct sfs_batch *batch, struct sfs_operation operation, struct sfs_error *error);

/* As sfs_batch_put() of `value`, or of `stage` if that is not NULL, in which the caller knows that
 * this type would be found: nobody need look through it. */
int sfs_batch_put_known(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes value,
                        struct sfs_stage *stage, enum sfs_type type, struct sfs_error *error);

#endif
