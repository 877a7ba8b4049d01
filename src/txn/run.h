/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_RUN_H
#define SFS_TXN_RUN_H

/*
 * Run: one batch executed on a view. The primitives of storefs/backend.h over write set and snapshot,
 * so that every operation and precondition means inside a transaction what it means in a store.
 */
#include "txn/view.h"

/* What the transaction was like before a batch that changed whole ranges. */
struct sfs_txn_version {
    uint64_t sequence; /* of that batch */
    struct sfs_txn_writes before;
    size_t first; /* its operations, in the list of the transaction's: from first to before last */
    size_t last;
};

struct sfs_transaction;

struct sfs_txn_run {
    struct sfs_apply_run run;
    struct sfs_txn_view view;     /* changed by the run; borrowed base */
    struct sfs_txn_writes before; /* those of the view when the run began */
    bool ranged;                  /* what names of the view stand for was changed by the run */
    struct sfs_buffer counted;    /* the prefix whose records were counted last; empty: none */
    uint64_t count;               /* how many there are */
    struct sfs_transaction *transaction; /* whose past tells what was changed; borrowed */
    struct sfs_storage *store;  /* the store below, for stages */
    uint64_t *last_id;          /* the provisional id given last */
    struct sfs_txn_content **contents; /* of the stages put, in order; counted */
    size_t content_count;
};

/* Executes the batch. On failure the view is in between and must be dropped. */
int sfs_txn_run(struct sfs_txn_run *run, struct sfs_batch *batch, struct sfs_error *error);
/* Adds an entry that only makes the commit depend on the name, unless there is an entry. */
int sfs_txn_run_guard(struct sfs_txn_run *run, struct sfs_bytes name, struct sfs_error *error);
/* Frees what the run holds, the view's writes too. */
void sfs_txn_run_clear(struct sfs_txn_run *run);

/* Puts an entry, whose reference is taken over; NULL: there was no memory for it. */
int sfs_txn_run_put(struct sfs_txn_run *run, struct sfs_txn_entry *entry, struct sfs_error *error);

/* Primitives of ranges and of what was changed: see storefs/backend.h. */
int sfs_txn_run_first(struct sfs_apply_run *run, struct sfs_range range,
                      const struct sfs_record **ret_record, struct sfs_error *error);
int sfs_txn_run_clear_range(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                            struct sfs_error *error);
int sfs_txn_run_longest(struct sfs_apply_run *run, struct sfs_range range,
                        const struct sfs_record **ret_record, struct sfs_error *error);
int sfs_txn_run_move_prefix(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                            int64_t time, uint64_t *ret_count, struct sfs_error *error);
int sfs_txn_run_changed(struct sfs_apply_run *run, struct sfs_range range, uint64_t sequence,
                        int (*visit)(void *context, struct sfs_bytes name,
                                     const struct sfs_record *before,
                                     const struct sfs_record *after, uint64_t revision,
                                     struct sfs_error *error),
                        void *context, struct sfs_error *error);

/* Counts the records of a range, and of these keys and bytes; *ret_longest (may be NULL): one whose
 * name is the longest, the caller's, or NULL. */
int sfs_txn_view_count(const struct sfs_txn_view *view, struct sfs_range range,
                       struct sfs_totals *ret_totals, const struct sfs_record **ret_longest,
                       struct sfs_error *error);

#endif
