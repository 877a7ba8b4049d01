/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TRANSACTION_H
#define STOREFS_TRANSACTION_H

#include "storefs/storage.h"

/*
 * Transaction: what it reads, an ordered write set that is read through first, and at commit one
 * batch with preconditions. It holds no lock and no open engine transaction while its user thinks:
 * nothing waits for it, and it waits for nobody. A commit that lost against another is a CONFLICT that
 * names the key and both revisions; the transaction then stays, and can only be rolled back.
 *
 * Its store (sfs_transaction_storage) is used like any other, by several threads too; begin, commit,
 * rollback and savepoints belong to one thread at a time.
 */
struct sfs_transaction;

/*
 * What a transaction is kept apart from (doc/isolation.md has the anomalies by name):
 *
 *   read committed   Each read sees the last committed state, and the transaction's own writes. The
 *                    commit replays the changes on the state that is then: all or nothing, and it
 *                    checks only what they need (a record to rename is there) and what their batches
 *                    required. What another wrote meanwhile is overwritten.
 *   snapshot         Each read sees the state at the beginning. The first committer of a name wins:
 *                    names that the transaction changed must not have been changed by another.
 *   serializable     As snapshot, and nothing that was read may have changed when a transaction that
 *                    wrote commits: names found and not found, ranges as far as a cursor got in them,
 *                    and for a query that begins with filters every record that passed or now passes
 *                    these. One that wrote nothing always commits: it ran, as it were, at its beginning.
 *
 * Levels are in ascending order. A store that cannot give a level refuses it (UNSUPPORTED).
 */
enum sfs_isolation { SFS_READ_COMMITTED, SFS_SNAPSHOT, SFS_SERIALIZABLE };
/* "snapshot"; "unknown" for a number that is none. Static storage. */
SFS_API const char *sfs_isolation_name(enum sfs_isolation isolation);

struct sfs_transaction_options {
    enum sfs_isolation isolation; /* snapshot needs SFS_CAN_SNAPSHOT, serializable SFS_CAN_CHANGES too */
    uint64_t idle_ms;             /* EXPIRED after so long without use; 0: ten minutes */
    bool durable;                 /* the commit is on disk when it returns */
    bool read_only;               /* every change is READ_ONLY */
    unsigned retries;             /* of sfs_transact(): how often it begins anew */
};

/* `options` (copied) NULL: snapshot isolation, the default idle time, not durable. The store is borrowed
 * and must live longer; where it is that of a transaction: sfs_begin_nested(). UNSUPPORTED for a level
 * that the store cannot give; the errors of sfs_snapshot(). */
SFS_API int sfs_begin(struct sfs_storage *store, const struct sfs_transaction_options *options,
                      struct sfs_transaction **ret_transaction, struct sfs_error *error);
/*
 * A transaction inside another, which must outlive it: a savepoint with a view of its own. Its commit
 * puts its changes into the parent, whose later commit is what makes them so; rolled back, it leaves
 * the parent as it was. Parent and others inside it go on beside it: what they changed of what it
 * depends on is a CONFLICT of its commit, as between transactions of a store, and so may be the
 * parent's rollback to a savepoint. What it read, the parent has read. Its level cannot be above the
 * parent's (UNSUPPORTED), and in a read-only one it is read-only. `options` NULL: those of the parent.
 * Using it is using the parent; `durable` means nothing.
 */
SFS_API int sfs_begin_nested(struct sfs_transaction *parent,
                             const struct sfs_transaction_options *options,
                             struct sfs_transaction **ret_transaction, struct sfs_error *error);
/*
 * Reads see what the level says and the transaction's own writes; apply goes to the write set.
 * Borrowed. Revisions, ids of new records and sequence numbers that it shows for its own writes are
 * provisional (2^62 and above). It has snapshots where the store has, and transactions of its own, but
 * no change feed. What a batch required in it is required again at the commit, so the rule and the
 * context of require_no_match must live as long as the transaction and those around it. What the transaction itself
 * changed since such a number counts for that rule, unless a snapshot of then is open, whatever it
 * was (CONFLICT). Under read committed, require_unchanged and require_no_match are UNSUPPORTED with
 * a provisional number.
 *
 * Renaming, exchanging and clearing ranges takes memory for each range, not for each key in it, and
 * the time of counting them.
 */
SFS_API struct sfs_storage *sfs_transaction_storage(struct sfs_transaction *transaction);
/* *ret_sequence (may be NULL): the commit's number, of an empty transaction the snapshot's. CONFLICT,
 * EXPIRED, or the store's errors; after success only sfs_transaction_free() is left. After CONFLICT,
 * EXPIRED or TOO_OLD every further commit fails with the same sentence, but where the engine's own lock
 * was held by others for too long (the sentence says so); after another error it may be tried again. */
SFS_API int sfs_commit(struct sfs_transaction *transaction, uint64_t *ret_sequence,
                       struct sfs_error *error);
/* Ends it; nothing was changed. Its store then answers EXPIRED. */
SFS_API void sfs_rollback(struct sfs_transaction *transaction);
/* Rolls back what is not committed. NULL allowed. */
SFS_API void sfs_transaction_free(struct sfs_transaction *transaction);

/* Whether it can still be changed and committed: 0, or the CONFLICT or EXPIRED that every change would
 * fail with. From any thread; is a use of it, as a read is. */
SFS_API int sfs_transaction_check(struct sfs_transaction *transaction, struct sfs_error *error);

enum sfs_transaction_state { SFS_ACTIVE, SFS_COMMITTED, SFS_ROLLED_BACK, SFS_FAILED };
struct sfs_transaction_status {
    enum sfs_transaction_state state;
    enum sfs_isolation isolation;
    bool read_only;
    uint64_t sequence;   /* of the snapshot; read committed: of the store at the beginning */
    uint64_t operations; /* in the write set */
    int64_t begun;       /* ns since the epoch */
    int64_t used;        /* likewise: last use */
};
/* How it stands. From any thread; is no use of it. */
SFS_API void sfs_transaction_status(struct sfs_transaction *transaction,
                                    struct sfs_transaction_status *ret_status);
/* What would be committed, one call a name in byte order: `before` NULL: created; `after` NULL:
 * deleted. Neither need have its value; both are borrowed for the call. A visit that returns not 0 ends it,
 * and that is returned. Memory does not grow with their number. */
SFS_API int sfs_transaction_changes(struct sfs_transaction *transaction,
                                    int (*visit)(void *context, struct sfs_bytes name,
                                                 const struct sfs_record *before,
                                                 const struct sfs_record *after),
                                    void *context, struct sfs_error *error);

/* How the transaction depends on a name that somebody else changed. */
enum sfs_dependence {
    SFS_DEPENDS_WRITE, /* it changes the name itself */
    SFS_DEPENDS_READ,  /* it looked the name up */
    SFS_DEPENDS_RANGE, /* the name lies in a range that it listed */
    SFS_DEPENDS_QUERY, /* the record before or after the change passes the filters of a query that it ran */
};
struct sfs_conflict {
    enum sfs_dependence kind;
    struct sfs_bytes name;
    uint64_t expected;      /* revision that the transaction saw; 0: there was none */
    uint64_t found;         /* … and that the store has; 0: it is gone */
    struct sfs_range range; /* RANGE, as far as it was read */
    struct sfs_bytes query; /* QUERY: the filters, as text */
};
/*
 * What others changed until now of what the commit requires, for who has to be told why it is a CONFLICT:
 * one call a name (and for ranges and queries one a change) in no promised order; what is passed is
 * borrowed for the call. A visit that returns not 0 ends it, and that is returned. Where ranges were
 * changed, or ranges or queries read, the snapshot and the store are compared whole, without values.
 */
typedef int sfs_conflict_function(void *context, const struct sfs_conflict *conflict);
SFS_API int sfs_transaction_conflicts(struct sfs_transaction *transaction, sfs_conflict_function *visit,
                                      void *context, struct sfs_error *error);

/* Savepoints are marks in the write set, a stack; names are unique (EXISTS). Rolling back to one
 * keeps it and drops those made after it; releasing drops it and those after it. NOT_FOUND. All three:
 * EXPIRED, and after a failed commit its error. */
SFS_API int sfs_savepoint(struct sfs_transaction *transaction, const char *name, struct sfs_error *error);
SFS_API int sfs_savepoint_rollback(struct sfs_transaction *transaction, const char *name,
                                   struct sfs_error *error);
SFS_API int sfs_savepoint_release(struct sfs_transaction *transaction, const char *name,
                                  struct sfs_error *error);

/*
 * Runs `function` in a transaction and commits it. Where it or the commit is a CONFLICT, that is
 * rolled back, and after a pause, random between nothing and twice as long each time (1 ms to a
 * quarter of a second), `function` is called again in a new one, up to options->retries times. So it
 * should change nothing but the store. Any other code but 0 that it returns rolls back and is returned
 * as it is, with what it left in `error`. It must not commit or free the transaction. `options` NULL:
 * snapshot isolation and ten retries.
 */
typedef int sfs_transact_function(struct sfs_transaction *transaction, void *context,
                                  struct sfs_error *error);
SFS_API int sfs_transact(struct sfs_storage *store, sfs_transact_function *function, void *context,
                         const struct sfs_transaction_options *options, struct sfs_error *error);

#endif
