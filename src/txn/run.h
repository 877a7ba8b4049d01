/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_RUN_H
#define SFS_TXN_RUN_H

/*
 * Run: one batch executed on a view. The primitives of storefs/backend.h over write set and snapshot,
 * so that every operation and precondition means inside a transaction what it means in a store.
 */
#include "txn/view.h"

struct sfs_txn_run {
    struct sfs_apply_run run;
    struct sfs_txn_view view;   /* changed by the run; the holder clears its tree */
    struct sfs_storage *store;  /* the store below, for stages */
    uint64_t *last_id;          /* the provisional id given last */
    uint64_t rolled_back;       /* what was written before cannot be told from what was taken back */
    struct sfs_txn_content **contents; /* of the stages put, in order; counted */
    size_t content_count;
};

/* Executes the batch. On failure the view is in between and must be dropped. */
int sfs_txn_run(struct sfs_txn_run *run, struct sfs_batch *batch, struct sfs_error *error);
/* Adds an entry that only makes the commit depend on the name, unless there is an entry. */
int sfs_txn_run_guard(struct sfs_txn_run *run, struct sfs_bytes name, struct sfs_error *error);
/* Frees what the run holds, the tree too. */
void sfs_txn_run_clear(struct sfs_txn_run *run);

#endif
