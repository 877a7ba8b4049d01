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
/* The engine's primitives that change records, with the entries of indexes kept (apply_index.c); all
 * of apply*.c goes through these. patch, move_prefix and clear: UNSUPPORTED, without a sentence, where
 * the engine has none, or the indexes must see each record; patch also where the engine says so. */
int sfs_apply_engine_store(struct sfs_apply_run *run, const struct sfs_record *before,
                           const struct sfs_record *record, enum sfs_value_change how,
                           struct sfs_error *error);
int sfs_apply_engine_remove(struct sfs_apply_run *run, const struct sfs_record *before,
                            struct sfs_error *error);
int sfs_apply_engine_move(struct sfs_apply_run *run, const struct sfs_record *before,
                          const struct sfs_record *record, struct sfs_error *error);
int sfs_apply_engine_patch(struct sfs_apply_run *run, const struct sfs_record *before,
                           const struct sfs_record *record, const struct sfs_operation *operation,
                           struct sfs_error *error);
int sfs_apply_engine_move_prefix(struct sfs_apply_run *run, struct sfs_bytes from,
                                 struct sfs_bytes to, int64_t time, uint64_t *ret_count,
                                 struct sfs_error *error);
int sfs_apply_engine_clear(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                           struct sfs_error *error);

/* Unique indexes (apply_unique.c): an entry was added; is each that was added alone, at the end of the
 * batch (EXISTS; TOO_LARGE where that cannot be seen); and forget them. */
int sfs_apply_unique_note(struct sfs_apply_run *run, const struct sfs_index *index,
                          struct sfs_bytes key, struct sfs_error *error);
int sfs_apply_unique_check(struct sfs_apply_run *run, struct sfs_error *error);
void sfs_apply_unique_end(struct sfs_apply_run *run);

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
