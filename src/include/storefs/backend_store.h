/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_STORE_H
#define STOREFS_BACKEND_STORE_H

#include "storefs/index.h"

/*
 * Stores and layers: the groups of operations, and what every store begins with. storefs/backend.h
 * has the rules that hold for all slots.
 *
 * A backend fills the groups. A layer is a store over a store and fills only the groups that it
 * intercepts, but those whole: an unset group is answered by the store below. A group with a hole
 * is refused when the layer is made (sfs_layer_init), so that a new write call can never slip past
 * a layer that follows the changes.
 *
 * Overrides are single slots. One that a layer leaves NULL is answered by the store below, unless
 * the layer hides it; a layer forwards none by hand.
 */
struct sfs_query;
struct sfs_push_down;        /* storefs/query.h */
struct sfs_index_operations; /* storefs/backend_index.h */

/* Set in every stack; without it every read is UNSUPPORTED. A group with a NULL slot is invalid. */
struct sfs_read_operations {
    /* The record of a name; the caller unrefs it. `want`: enum sfs_want; the value may be present
     * though it was not asked for. NOT_FOUND. */
    int (*get)(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
               const struct sfs_record **ret_record, struct sfs_error *error);
    /* Copies up to `size` bytes of the value from `offset` on into `data`; *ret_size is how many, 0
     * at or past the end only. `revision` 0 reads the latest; another one must be the record's
     * present revision (CONFLICT). NOT_FOUND. */
    int (*read)(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                uint64_t offset, void *data, size_t size, size_t *ret_size,
                struct sfs_error *error);
    /* A cursor over the records of the range, ascending by name; the caller closes it. `want` as
     * for `get`, and SFS_WANT_KEYS. The range is copied. On a snapshot it shows that state; else
     * each record as it is when reached, and it holds neither a lock nor history. */
    int (*scan)(struct sfs_storage *store, struct sfs_range range, unsigned want,
                struct sfs_cursor **ret_cursor, struct sfs_error *error);
};

/* NULL in a backend: the store is read-only, changes are READ_ONLY and a sync has nothing to do.
 * Not called where a store of the stack above has `read_only`. A group with a NULL slot is
 * invalid. */
struct sfs_write_operations {
    /* Executes the batch whole or not at all, by sfs_apply_run() inside the engine's write
     * transaction; `affected` of its operations is set, and its stages are spent on success.
     * `options` and `ret_sequence`, which receives the commit's sequence number, are never NULL.
     * The engine calls sfs_apply_publish() before any reader can see the changes, and returns with
     * `durable` only when they are on disk. `released_lease` may be ignored. Errors: those of
     * sfs_apply_run(), READ_ONLY, NO_SPACE, LOST. */
    int (*apply)(struct sfs_storage *store, struct sfs_batch *batch,
                 const struct sfs_apply_options *options, uint64_t *ret_sequence,
                 struct sfs_error *error);
    /* An empty stage, for a value that `apply` of this store takes; the caller closes it.
     * READ_ONLY, NO_SPACE. */
    int (*stage)(struct sfs_storage *store, struct sfs_stage **ret_stage, struct sfs_error *error);
    /* Returns when every commit up to `sequence` (0: every commit so far) is on disk. NO_SPACE,
     * LOST. */
    int (*sync)(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error);
};

/* NULL in a backend: sequence numbers, snapshots and changes are UNSUPPORTED. A layer with a NULL
 * slot is refused; a backend may leave out a slot whose capability it does not declare. */
struct sfs_time_operations {
    /* The sequence number of the last commit; of a snapshot: of the one that it shows. UNSUPPORTED
     * where the store counts none. */
    int (*sequence)(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error);
    /* A read-only store that shows the present state; the caller closes it with sfs_close(). It
     * blocks no writer. `lease_ms` (0: ten minutes) is how long it lives without being used. Only
     * called with SFS_CAN_SNAPSHOT. NO_SPACE. A snapshot is not under the layers of its store: a
     * layer that shows other records than the store below puts itself over the snapshot too. */
    int (*snapshot)(struct sfs_storage *store, uint64_t lease_ms, struct sfs_storage **ret_snapshot,
                    struct sfs_error *error);
    /* A feed of what was committed after `since` (UINT64_MAX: after this call), by any process; the
     * caller closes it. The store keeps the history that the feed needs while it is open. Only
     * called with SFS_CAN_CHANGES. TOO_OLD where `since` is no longer kept. */
    int (*changes)(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                   struct sfs_error *error);
};

/*
 * What an override is about; each slot names its kind. The first store of a stack that has the slot
 * answers it; a layer in between lets it pass, unless its `hides` has the kind. So a layer that
 * only watches, counts or caches hides nothing; one that shows other records than the store below
 * hides answers; one that also must not have the store below served past it hides upkeep.
 */
enum sfs_override_kind {
    /* About this opening of the store: its files, and who else has it open. No layer can hide it.
     */
    SFS_OVERRIDE_OPENING = 0,
    /* Says what could also be found out by reading records. */
    SFS_OVERRIDE_ANSWER = 1,
    /* Serves the store and changes no record as it is read. */
    SFS_OVERRIDE_UPKEEP = 2,
};

/* What an engine can do that cannot be derived, or can do better. Each slot may be NULL. */
struct sfs_override_operations {
    /* --- answers --- */

    /* Counts keys, records and bytes without a scan. NULL: core scans the store. */
    int (*totals)(struct sfs_storage *store, struct sfs_totals *ret_totals, struct sfs_error *error);
    /* 1 if a record is in one of the `count` ranges, else 0: for stores where a scan begins by
     * reading much, and for transactions, which note less. NULL: core scans each range. */
    int (*exists)(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                  struct sfs_error *error);
    /* Returns 1 and the first run of stored bytes at or after `offset`, or 0 at the end. What lies
     * between runs reads as zeros. NOT_FOUND. NULL: the whole value is one run. */
    int (*data)(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
                struct sfs_extent *ret_extent, struct sfs_error *error);
    /* A number that differs after any commit, of any process, that was completed before the call;
     * valid in this opening only, and cheaper than any read. UNSUPPORTED where the store cannot
     * tell. NULL: UNSUPPORTED. */
    int (*version)(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error);
    /* Takes a prefix of the query's stages, or none (*ret_taken stays {0}): storefs/query.h has the
     * rules for the rows. The caller closes the cursor, which does not refer to the query. Errors:
     * those of sfs_query_run(). No engine sets it: transactions do, to note a query by its filters.
     * NULL: core evaluates all stages. */
    int (*push_down)(struct sfs_storage *store, const struct sfs_query *query,
                     struct sfs_push_down *ret_taken, struct sfs_error *error);

    /* --- upkeep --- */

    /* Writes one consistent copy to a new file at `path`, mode 0600, while the store is used.
     * `progress` (may be NULL) is called from the same thread with what is done of what total (0:
     * unknown); a result that is not 0 ends the backup: CANCELLED. No file is left after a failure.
     * EXISTS, PERMISSION, NO_SPACE. NULL: UNSUPPORTED. */
    int (*backup)(struct sfs_storage *store, const char *path, sfs_progress_function *progress,
                  void *context, struct sfs_error *error);
    /* Checks what reading every value cannot show, which core does afterwards. `report` (may be
     * NULL) gets one sentence for each finding, from the same thread; damage is a finding, not an
     * error. `repair` fixes what can be fixed without loss; it is not asked of a read-only store.
     * *ret_found and *ret_repaired count both. NULL: only the values are read. */
    int (*check)(struct sfs_storage *store, bool repair, sfs_report_function *report, void *context,
                 uint64_t *ret_found, uint64_t *ret_repaired, struct sfs_error *error);
    /* Reserves `count` (1 to 2^20) record ids from *ret_first on: the engine gives none of them to
     * another record, and takes a new record under the reserved id that it comes with. Not called
     * on a read-only store. NO_SPACE; BUSY after 20 ms, not after the store's own time. NULL:
     * UNSUPPORTED. */
    int (*reserve_ids)(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                       struct sfs_error *error);

    /* --- the opening --- */

    /* A watch for commits of others, from now on; the caller closes it. UNSUPPORTED where nobody
     * else can have the store open. NULL: UNSUPPORTED. */
    int (*watch)(struct sfs_storage *store, struct sfs_watch **ret_watch, struct sfs_error *error);
    /* Compares the store's files with what was opened: 0, or LOST. `report` (may be NULL) gets one
     * sentence for each thing that endangers nothing yet, from the same thread. NULL: 0. */
    int (*files)(struct sfs_storage *store, sfs_report_function *report, void *context,
                 struct sfs_error *error);

    /* --- indexes --- */

    /* The kinds are at the slots of the table. NULL: the store has no indexes; making one is
     * UNSUPPORTED, and queries scan. */
    const struct sfs_index_operations *index;
};

struct sfs_storage_operations {
    const char *name; /* "sqlite"; of a layer: for messages */
    const struct sfs_read_operations *read;
    const struct sfs_write_operations *write;
    const struct sfs_time_operations *time;
    const struct sfs_override_operations *override; /* NULL: none */
    unsigned hides; /* of a layer: the kinds of overrides that it does not let pass */
    /* Of a layer; NULL: it does not observe. Called when an index scan (index->scan) of a store
     * below has begun: how long that took, and what it returned. */
    void (*observe_index_scan)(struct sfs_storage *layer, uint64_t nanoseconds, int code);
    /* Writes what is not yet written and frees the store, also when it fails. A layer does not
     * close the store below: sfs_close() does. Called once, when nothing else uses the store.
     * NO_SPACE, LOST. Never NULL. */
    int (*close)(struct sfs_storage *store, struct sfs_error *error);
};

/* The first member of every backend's and layer's own struct. Constant while the store is open. */
struct sfs_storage {
    const struct sfs_storage_operations *operations;
    struct sfs_storage *below; /* layers: the store below, owned unless borrowed_below; backends: NULL */
    bool borrowed_below;
    bool read_only;            /* changes are refused before they reach the operations */
    unsigned capabilities;     /* enum sfs_capability */
    size_t key_max;            /* 0: SFS_KEY_MAX */
    const char *location;      /* path for messages; owned by the implementation; NULL: none */
    uint64_t lease;            /* of a snapshot */
};

/* Fills the common part of a layer over `below` and checks that its groups have no holes
 * (INVALID). capabilities, key_max and location are taken from below. On failure `below` still is
 * the caller's. */
SFS_API int sfs_layer_init(struct sfs_storage *layer, const struct sfs_storage_operations *operations,
                           struct sfs_storage *below, struct sfs_error *error);

#endif
