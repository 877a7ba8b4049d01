/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_APPLY_H
#define SFS_CORE_APPLY_H

/*
 * The pieces of sfs_apply_run(): each executes one operation through the engine's primitives, and
 * sets operation->affected. All belong to the thread that runs the batch.
 */
#include "storefs/backend.h"

/* The record, or *ret_record NULL where there is none; owned by the caller. */
int sfs_apply_find(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error);
/* As sfs_apply_find, but its absence is NOT_FOUND with a sentence. */
int sfs_apply_need(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error);
/* The first record of a range, or *ret_record NULL. */
int sfs_apply_first(struct sfs_apply_run *run, struct sfs_range range,
                    const struct sfs_record **ret_record, struct sfs_error *error);

/* Makes the counted record of a new form (its blob is borrowed; the revision becomes the run's). */
int sfs_apply_form(struct sfs_apply_run *run, const struct sfs_record *form,
                   const struct sfs_record **ret_record, struct sfs_error *error);
/* Stores a new form in place of `before` (NULL: none). */
int sfs_apply_store(struct sfs_apply_run *run, const struct sfs_record *before,
                    const struct sfs_record *form, enum sfs_value_change change,
                    struct sfs_error *error);
/* Sets those attributes that are in `mask`; TYPE also marks the type as set. Not the kind. */
void sfs_apply_attributes(struct sfs_attributes *to, const struct sfs_attributes *from,
                          unsigned mask);

int sfs_apply_preconditions(struct sfs_apply_run *run, const struct sfs_batch *batch,
                            struct sfs_error *error);

typedef int sfs_apply_operation(struct sfs_apply_run *run, struct sfs_operation *operation,
                                struct sfs_error *error);
sfs_apply_operation sfs_apply_put;
sfs_apply_operation sfs_apply_patch; /* WRITE, APPEND, TRUNCATE, PATCH */
sfs_apply_operation sfs_apply_rename;
sfs_apply_operation sfs_apply_exchange;
sfs_apply_operation sfs_apply_rename_prefix;
sfs_apply_operation sfs_apply_exchange_prefix;

/* Gives `before` the name `to`, which is free, at `time`. */
int sfs_apply_move(struct sfs_apply_run *run, const struct sfs_record *before, struct sfs_bytes to,
                   int64_t time, struct sfs_error *error);

/* Whether a name of `size` bytes (a marker's without its NUL) fits this store: NAME_TOO_LONG, with
 * a sentence about `name`. */
int sfs_apply_check_size(const struct sfs_apply_run *run, struct sfs_bytes name, size_t size,
                         struct sfs_error *error);

#endif
