/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_RECORDER_H
#define SFS_TXN_RECORDER_H

/*
 * Recorder: a layer over the snapshot of a serializable transaction that notes every read that
 * reaches it. All that the transaction learns of the store goes through it: also what a change
 * looked up, what a change that failed told, and what a savepoint then took back.
 */
#include "txn/internal.h"
#include "txn/reads.h"

struct sfs_txn_recorder {
    struct sfs_storage storage;
    struct sfs_txn_reads reads;
};

/* A recorder over `snapshot`, which stays the caller's. Freed by sfs_close(). */
int sfs_txn_recorder_new(struct sfs_storage *snapshot, struct sfs_txn_recorder **ret_recorder,
                         struct sfs_error *error);

/*
 * Push-down for the stores of a transaction: takes the filters that a query begins with and notes
 * them in place of the range. `writes` is the state to be read and is taken over, also on failure.
 * Takes no stage (0, and ret_taken->stages is 0) where nothing is recorded, or there are no
 * filters.
 */
int sfs_txn_push_down(struct sfs_transaction *transaction, struct sfs_txn_writes *writes,
                      const struct sfs_query *query, struct sfs_push_down *ret_taken,
                      struct sfs_error *error);

/* sfs_exists_any() and sfs_totals() on a view, whose writes are cleared. */
int sfs_txn_exists(struct sfs_transaction *transaction, struct sfs_txn_view *view,
                   const struct sfs_range *ranges, size_t count, struct sfs_error *error);
int sfs_txn_totals(struct sfs_transaction *transaction, struct sfs_txn_view *view,
                   struct sfs_totals *ret_totals, struct sfs_error *error);

#endif
