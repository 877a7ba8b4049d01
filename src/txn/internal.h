/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_INTERNAL_H
#define SFS_TXN_INTERNAL_H

/*
 * The inside of a transaction. Two locks, always taken in this order:
 *
 *   writer  is held by whoever changes the write set, from reading it to replacing it: apply, commit,
 *           savepoints. It guards the list of operations and what goes with it.
 *   lock    guards the present writes, the open views and the state, for moments only; no call to a
 *           store is made under it.
 */
#include <pthread.h>

#include "storefs/transaction.h"
#include "txn/run.h"

/* What the commit requires beyond the names in the write set: a precondition that a batch applied
 * inside the transaction had, in the form that it has for the store below. */
struct sfs_txn_guard {
    enum sfs_precondition_kind kind; /* REVISION, ID (a name), EMPTY, UNCHANGED (a range), NO_MATCH */
    struct sfs_buffer from;          /* the name */
    struct sfs_buffer to;
    uint64_t number; /* the revision, id, or sequence since when */
    int (*matches)(void *context, const struct sfs_record *record); /* NO_MATCH */
    void *context;
};

/* How long the lists of a transaction are. */
struct sfs_txn_lengths {
    size_t operations;
    size_t contents;
    size_t guards;
    size_t versions;
};

struct sfs_txn_savepoint {
    char *name;
    struct sfs_txn_writes writes;
    struct sfs_txn_lengths lengths;
};

struct sfs_txn_view_storage;

struct sfs_txn_storage {
    struct sfs_storage storage;
    struct sfs_transaction *transaction;
};

struct sfs_txn_recorder;

struct sfs_transaction {
    struct sfs_txn_storage storage;     /* what the user sees, a layer over `base` */
    struct sfs_storage *store;          /* where the commit goes; borrowed */
    struct sfs_transaction *parent;     /* whose store that is; NULL: not nested */
    struct sfs_storage *snapshot;       /* NULL: read committed */
    struct sfs_storage *recent;         /* over the snapshot; NULL: read committed */
    struct sfs_txn_recorder *recorder;  /* over that; NULL: reads are not recorded */
    struct sfs_storage *base;           /* recorder, recent or store: under the write set */
    struct sfs_transaction_options options;
    uint64_t sequence; /* of the snapshot; read committed: of the store at the beginning */
    int64_t begun;

    pthread_mutex_t writer;
    struct sfs_batch *operations;
    struct sfs_txn_content **contents; /* that the operations put, in order; counted */
    size_t content_count;
    struct sfs_txn_guard *guards;
    size_t guard_count;
    struct sfs_txn_version *versions; /* before each batch that changed whole ranges */
    size_t version_count;
    struct sfs_txn_savepoint *savepoints;
    size_t savepoint_count;
    uint64_t last_id;     /* provisional */
    uint64_t rolled_back; /* the number that the last rollback to a savepoint was given; 0: none */

    pthread_mutex_t lock;
    enum sfs_transaction_state state;
    struct sfs_error failure; /* FAILED: why */
    struct sfs_txn_writes writes;
    uint64_t generation;    /* of the writes, from 1 */
    uint64_t last_revision; /* provisional, or `sequence` while nothing was written */
    uint64_t operation_count;
    int64_t used;      /* wall clock */
    int64_t used_tick; /* monotonic, as the next */
    int64_t renewed_tick; /* when the snapshot's lease was renewed last */
    bool counted; /* the snapshot: */
    struct sfs_totals totals;
    struct sfs_txn_view_storage *views; /* that are open: what it was like at their numbers */
};

/*
 * Every use begins here: 0 and the idle time begins anew, or EXPIRED. A transaction that failed can
 * still be read; for a use that writes its failure is returned.
 */
int sfs_txn_use(struct sfs_transaction *transaction, bool writes, struct sfs_error *error);

/* A share of the present writes, for a reader. */
void sfs_txn_share(struct sfs_transaction *transaction, struct sfs_txn_writes *ret_writes);
/* The writes as they were at `sequence`, shared: true where a view of then is open still. */
bool sfs_txn_share_past(struct sfs_transaction *transaction, uint64_t sequence,
                        struct sfs_txn_writes *ret_writes);

/* Puts others in place of the present writes, which *writes is afterwards. Under `writer`. */
void sfs_txn_publish(struct sfs_transaction *transaction, struct sfs_txn_writes *writes,
                     uint64_t revision);

/* How long the lists are, and dropping what goes beyond such lengths. Under `writer`. */
struct sfs_txn_lengths sfs_txn_lengths(const struct sfs_transaction *transaction);
void sfs_txn_cut(struct sfs_transaction *transaction, struct sfs_txn_lengths lengths);

/* Frees the savepoints from `count` on. Under `writer`. */
void sfs_txn_drop_savepoints(struct sfs_transaction *transaction, size_t count);

static inline bool sfs_txn_is_live(const struct sfs_transaction *transaction)
{
    return transaction->options.isolation == SFS_READ_COMMITTED;
}

/* The transaction whose store this is, also under layers; NULL: none. */
struct sfs_transaction *sfs_txn_around(struct sfs_storage *store);

/* The call of stores that have no change feed. */
int sfs_txn_no_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error);

/* A snapshot of the transaction's store. Takes the writes and `own`, a snapshot of a live base
 * (NULL: the view lies over the transaction's base), over, also on failure. */
int sfs_txn_snapshot_new(struct sfs_transaction *transaction, struct sfs_storage *own,
                         struct sfs_txn_writes *writes, uint64_t sequence,
                         struct sfs_storage **ret_store, struct sfs_error *error);

/* A store over the transaction's snapshot and a share of these writes of which no read is recorded: whoever
 * reads it notes what the transaction has read. */
int sfs_txn_unrecorded_new(struct sfs_transaction *transaction,
                           const struct sfs_txn_writes *writes, struct sfs_storage **ret_store,
                           struct sfs_error *error);

/* Makes the store that the user sees. */
int sfs_txn_storage_init(struct sfs_transaction *transaction, struct sfs_error *error);

/* Executes a batch on the write set. Under `writer`. */
int sfs_txn_apply(struct sfs_transaction *transaction, struct sfs_batch *batch,
                  uint64_t *ret_sequence, struct sfs_error *error);

#endif
