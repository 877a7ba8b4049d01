/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_CONTENT_H
#define SFS_TXN_CONTENT_H

/*
 * Content: a large value written inside a transaction, as a stage of the store below, so that it does
 * not lie in memory. Counted: the caller's stage, the entries that show it and the operation that will
 * put it at the commit share it. A stage belongs to one thread at a time, so it has a lock.
 */
#include "storefs/backend.h"

struct sfs_transaction;
struct sfs_txn_content;

/* Opens a stage of `store` and makes a content of it. */
int sfs_txn_content_new(struct sfs_storage *store, struct sfs_txn_content **ret_content,
                        struct sfs_error *error);
struct sfs_txn_content *sfs_txn_content_ref(struct sfs_txn_content *content); /* NULL allowed */
void sfs_txn_content_unref(struct sfs_txn_content *content);                  /* NULL allowed */

/* The stage to put at the commit; borrowed. */
struct sfs_stage *sfs_txn_content_stage(struct sfs_txn_content *content);

int sfs_txn_content_write(struct sfs_txn_content *content, uint64_t offset, struct sfs_bytes bytes,
                          struct sfs_error *error);
int sfs_txn_content_truncate(struct sfs_txn_content *content, uint64_t size,
                             struct sfs_error *error);
int sfs_txn_content_read(struct sfs_txn_content *content, uint64_t offset, void *data, size_t size,
                         size_t *ret_size, struct sfs_error *error);

/* The stage that a transaction gives out: writes to a new content until a batch has put it, or the
 * transaction can change nothing any more. */
int sfs_txn_stage_new(struct sfs_transaction *transaction, struct sfs_stage **ret_stage,
                      struct sfs_error *error);
/* The content of a stage that sfs_txn_stage_new() made and nothing has put yet, borrowed; else NULL. */
struct sfs_txn_content *sfs_txn_stage_content(struct sfs_stage *stage);
/* From now on the stage takes no more writes; nothing happens to a stage of another kind. */
void sfs_txn_stage_spend(struct sfs_stage *stage);

#endif
