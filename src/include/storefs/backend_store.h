/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_STORE_H
#define STOREFS_BACKEND_STORE_H

#include "storefs/index.h"

/* Stores and layers: the groups of operations, and what every store begins with. */

struct sfs_query;
struct sfs_push_down;
struct sfs_index_operations; /* storefs/backend_index.h */

struct sfs_read_operations {
    int (*get)(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
               const struct sfs_record **ret_record, struct sfs_error *error);
    int (*read)(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                uint64_t offset, void *data, size_t size, size_t *ret_size,
                struct sfs_error *error);
    int (*scan)(struct sfs_storage *store, struct sfs_range range, unsigned want,
                struct sfs_cursor **ret_cursor, struct sfs_error *error);
};

struct sfs_write_operations {
    int (*apply)(struct sfs_storage *store, struct sfs_batch *batch,
                 const struct sfs_apply_options *options, uint64_t *ret_sequence,
                 struct sfs_error *error);
    int (*stage)(struct sfs_storage *store, struct sfs_stage **ret_stage, struct sfs_error *error);
    int (*sync)(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error);
};

struct sfs_time_operations {
    int (*sequence)(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error);
    int (*snapshot)(struct sfs_storage *store, uint64_t lease_ms, struct sfs_storage **ret_snapshot,
                    struct sfs_error *error);
    int (*changes)(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                   struct sfs_error *error);
};

/* What an engine may do better than the derived form. Each may be NULL. A layer that intercepts reads
 * (writes) cuts off the overrides of the stores below that read (write), unless it is transparent. */
struct sfs_override_operations {
    int (*totals)(struct sfs_storage *store, struct sfs_totals *ret_totals, struct sfs_error *error);
    int (*backup)(struct sfs_storage *store, const char *path, sfs_progress_function *progress,
                  void *context, struct sfs_error *error);
    /* Checks what the derived form (a scan that reads every value) cannot see. */
    int (*check)(struct sfs_storage *store, bool repair, sfs_report_function *report, void *context,
                 uint64_t *ret_found, uint64_t *ret_repaired, struct sfs_error *error);
    /* As sfs_exists_any(): for transactions, which note less, and where a scan begins by reading much. */
    int (*exists)(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                  struct sfs_error *error);
    /* As sfs_data(). */
    int (*data)(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
                struct sfs_extent *ret_extent, struct sfs_error *error);
    /* As sfs_watch_open() and sfs_check_files(), of the opening as a whole: no layer cuts them off. */
    int (*watch)(struct sfs_storage *store, struct sfs_watch **ret_watch, struct sfs_error *error);
    int (*files)(struct sfs_storage *store, sfs_report_function *report, void *context,
                 struct sfs_error *error);
    /* As sfs_version(). */
    int (*version)(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error);
    /* As sfs_reserve_ids(). Engines give new records the ids that they come with. */
    int (*reserve_ids)(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                       struct sfs_error *error);
    /* Query push-down: see storefs/query.h. */
    int (*push_down)(struct sfs_storage *store, const struct sfs_query *query,
                     struct sfs_push_down *ret_taken, struct sfs_error *error);
    /* Secondary indexes: see "indexes" below. NULL: the store has none. Making and dropping one
     * changes the store. */
    const struct sfs_index_operations *index;
};

struct sfs_storage_operations {
    const char *name;
    const struct sfs_read_operations *read;
    const struct sfs_write_operations *write; /* NULL in a backend: read-only */
    const struct sfs_time_operations *time;   /* NULL in a backend: neither snapshots nor changes */
    const struct sfs_override_operations *override;
    bool transparent; /* a layer that changes nothing of what passes: overrides of the stores below stay good */
    /* Frees the store itself; a layer does not close `below`, sfs_close() does. */
    int (*close)(struct sfs_storage *store, struct sfs_error *error);
};

/* The first member of every backend's and layer's own struct. */
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

/* Fills the common part of a layer over `below` and checks that its groups have no holes (INVALID).
 * capabilities, key_max and location are taken from below. On failure `below` still is the caller's. */
SFS_API int sfs_layer_init(struct sfs_storage *layer, const struct sfs_storage_operations *operations,
                           struct sfs_storage *below, struct sfs_error *error);

#endif
