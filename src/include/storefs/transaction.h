/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TRANSACTION_H
#define STOREFS_TRANSACTION_H

#include "storefs/storage.h"

/*
 * Transaction: a snapshot, an ordered write set that is read through first, and at commit one batch
 * with preconditions. It holds no lock and no open engine transaction while its user thinks. The first
 * committer of a name wins: a commit whose names were changed by somebody else since the beginning is
 * a CONFLICT that names the key and both revisions; the transaction then stays, and can only be rolled
 * back.
 *
 * Its store (sfs_transaction_storage) is used like any other, by several threads too; begin, commit,
 * rollback and savepoints belong to one thread at a time.
 */
struct sfs_transaction;

enum sfs_isolation { SFS_READ_COMMITTED, SFS_SNAPSHOT, SFS_SERIALIZABLE };
/* "snapshot"; "unknown" for a number that is none. Static storage. */
SFS_API const char *sfs_isolation_name(enum sfs_isolation isolation);

struct sfs_transaction_options {
    enum sfs_isolation isolation; /* UNSUPPORTED where the store or this version cannot give it */
    uint64_t idle_ms;             /* EXPIRED after so long without use; 0: ten minutes */
    bool durable;                 /* the commit is on disk when it returns */
};

/* `options` (copied) NULL: snapshot isolation, the default idle time, not durable. The store is borrowed
 * and must live longer. UNSUPPORTED for an isolation that cannot be given, or a store without
 * SFS_CAN_SNAPSHOT; the errors of sfs_snapshot(). */
SFS_API int sfs_begin(struct sfs_storage *store, const struct sfs_transaction_options *options,
                      struct sfs_transaction **ret_transaction, struct sfs_error *error);
/*
 * Reads see the snapshot and the transaction's own writes; apply goes to the write set. Borrowed.
 * Revisions, ids of new records and sequence numbers that it shows for its own writes are provisional
 * (2^62 and above). It has snapshots, and so transactions of its own, but no change feed. What a batch
 * required in it is required again at the commit; require_no_match is UNSUPPORTED.
 */
SFS_API struct sfs_storage *sfs_transaction_storage(struct sfs_transaction *transaction);
/* *ret_sequence (may be NULL): the commit's number, of an empty transaction the snapshot's. CONFLICT,
 * EXPIRED, or the store's errors; after success only sfs_transaction_free() is left. After CONFLICT,
 * EXPIRED or TOO_OLD every further commit fails with the same sentence; after another error it may be
 * tried again. */
SFS_API int sfs_commit(struct sfs_transaction *transaction, uint64_t *ret_sequence,
                       struct sfs_error *error);
/* Ends it; nothing was changed. Its store then answers EXPIRED. */
SFS_API void sfs_rollback(struct sfs_transaction *transaction);
/* Rolls back what is not committed. NULL allowed. */
SFS_API void sfs_transaction_free(struct sfs_transaction *transaction);

enum sfs_transaction_state { SFS_ACTIVE, SFS_COMMITTED, SFS_ROLLED_BACK, SFS_FAILED };
struct sfs_transaction_status {
    enum sfs_transaction_state state;
    enum sfs_isolation isolation;
    uint64_t sequence;   /* of the snapshot */
    uint64_t operations; /* in the write set */
    int64_t begun;       /* ns since the epoch */
    int64_t used;        /* likewise: last use */
};
/* How it stands. From any thread; is no use of it. */
SFS_API void sfs_transaction_status(struct sfs_transaction *transaction,
                                    struct sfs_transaction_status *ret_status);
/* What would be committed, one call a name in byte order: `before` NULL: created; `after` NULL:
 * deleted. Neither need have its value; both are borrowed for the call. A visit that returns not 0 ends it,
 * and that is returned. */
SFS_API int sfs_transaction_changes(struct sfs_transaction *transaction,
                                    int (*visit)(void *context, struct sfs_bytes name,
                                                 const struct sfs_record *before,
                                                 const struct sfs_record *after),
                                    void *context, struct sfs_error *error);

/* Savepoints are marks in the write set, a stack; names are unique (EXISTS). Rolling back to one
 * keeps it and drops those made after it; releasing drops it and those after it. NOT_FOUND. All three:
 * EXPIRED, and after a failed commit its error. */
SFS_API int sfs_savepoint(struct sfs_transaction *transaction, const char *name, struct sfs_error *error);
SFS_API int sfs_savepoint_rollback(struct sfs_transaction *transaction, const char *name,
                                   struct sfs_error *error);
SFS_API int sfs_savepoint_release(struct sfs_transaction *transaction, const char *name,
                                  struct sfs_error *error);

#endif
