/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_LAYERS_H
#define STOREFS_LAYERS_H

#include "storefs/storage.h"

/*
 * Layers that a program can put over a store. Each takes over the store below (closing the layer
 * closes it); on failure the store stays the caller's. They may be used by several threads like any
 * store.
 */

/* Counts calls, failures, bytes and time, for statistics. */
struct sfs_call_metrics {
    const char *name; /* "get" */
    uint64_t calls;
    uint64_t failures; /* NOT_FOUND is no failure */
    uint64_t bytes;
    uint64_t nanoseconds;
};
#define SFS_METRICS_CALLS 9
/* NO_MEMORY. */
SFS_API int sfs_metrics_layer(struct sfs_storage **ret_store, struct sfs_storage *below,
                              struct sfs_error *error);
/* Reads the counters of a metrics layer: SFS_METRICS_CALLS rows into the caller's array; names are in static
 * storage. Counters run on meanwhile, each by itself. From any thread. */
SFS_API void sfs_metrics_read(struct sfs_storage *layer, struct sfs_call_metrics *ret_rows);

/* Makes calls fail, for tests: after `after` calls of those in `calls` (enum sfs_fault_calls) every further
 * one returns `code`. The options are copied. NO_MEMORY; INVALID where `code` is no error code. */
enum sfs_fault_calls { SFS_FAULT_READ = 1, SFS_FAULT_WRITE = 2, SFS_FAULT_TIME = 4 };
struct sfs_fault_options {
    unsigned calls;
    uint64_t after;
    int code;
};
SFS_API int sfs_fault_layer(struct sfs_storage **ret_store, struct sfs_storage *below,
                            const struct sfs_fault_options *options, struct sfs_error *error);
/* Changes what fails from now on, counting anew; NULL, or a code that is none: nothing does. From any
 * thread. */
SFS_API void sfs_fault_set(struct sfs_storage *layer, const struct sfs_fault_options *options);

#endif
