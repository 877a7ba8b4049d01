/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_MEMORY_H
#define STOREFS_BACKEND_MEMORY_H

#include "storefs/backend_index.h"
#include "storefs/backend_store.h"

/* An engine in memory, the copy-on-write ordered tree: for backends that hold everything there. */

/*
 * Reads, writes, snapshots in O(1) and the change feed over a persistent tree. A backend that keeps
 * its content elsewhere gives `persist`, which is called inside apply with a cursor over the new
 * state before anyone can see it: where it fails, the batch fails and nothing changed.
 */
struct sfs_memory_engine;
struct sfs_memory_hooks {
    /* Keeps the state that the cursor (borrowed) shows, the commit `sequence`'s, on disk if
     * `durable`. One call at a time. NO_SPACE, LOST. NULL: nothing is kept. */
    int (*persist)(void *context, struct sfs_cursor *state, uint64_t sequence, bool durable,
                   struct sfs_error *error);
    /* Puts everything that was kept on disk. NO_SPACE, LOST. NULL: there is nothing to do. */
    int (*sync)(void *context, struct sfs_error *error);
    void *context;
};
/* An empty engine; the hooks (may be NULL) are copied, their context must live longer. NO_MEMORY.
 */
SFS_API int sfs_memory_engine_new(struct sfs_memory_engine **ret_engine,
                                  const struct sfs_memory_hooks *hooks, struct sfs_error *error);
/* NULL allowed. Cursors, snapshots and feeds must be closed. */
SFS_API void sfs_memory_engine_free(struct sfs_memory_engine *engine);
/* Puts a record as it is (revision, times, id; 0: allot one), for loading: nobody else uses the
 * engine. */
SFS_API int sfs_memory_engine_load(struct sfs_memory_engine *engine, const struct sfs_record *record,
                                   struct sfs_error *error);
/* Raises the counters to at least these after loading. */
SFS_API void sfs_memory_engine_counters(struct sfs_memory_engine *engine, uint64_t sequence, uint64_t last_id);
/* CORRUPT where a counter is above SFS_COUNTER_MAX: then nothing may be changed, nor saved with
 * new numbers. */
SFS_API int sfs_memory_engine_counters_check(struct sfs_memory_engine *engine, struct sfs_error *error);
/* The highest record id that was allotted. */
SFS_API uint64_t sfs_memory_engine_last_id(struct sfs_memory_engine *engine);
/* A cursor with values over all of the present state, for saves and backups. `progress` (may be
 * NULL) is called with the number of records so far; if it returns another value than 0, the next
 * step fails with CANCELLED. *ret_sequence: the state's. */
SFS_API int sfs_memory_engine_scan(struct sfs_memory_engine *engine, sfs_progress_function *progress,
                                   void *context, uint64_t *ret_sequence,
                                   struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* Makes an index after loading, while nobody else uses the engine. A unique one that the records
 * make impossible (somebody else wrote the file) becomes one that is not unique. INVALID, EXISTS,
 * NO_MEMORY. */
SFS_API int sfs_memory_engine_load_index(struct sfs_memory_engine *engine, struct sfs_bytes name,
                                         struct sfs_error *error);
/* The indexes of the state that a cursor of `persist` or of sfs_memory_engine_scan() shows;
 * borrowed from the cursor; NULL: none. Only those that are ready are to be kept. */
SFS_API const struct sfs_index_set *sfs_memory_cursor_indexes(const struct sfs_cursor *cursor);
/* The groups and overrides. The engine must be the member right behind the backend's `struct
 * sfs_storage`. */
struct sfs_memory_storage {
    struct sfs_storage storage;
    struct sfs_memory_engine *engine;
};
SFS_API const struct sfs_read_operations *sfs_memory_read_operations(void);
SFS_API const struct sfs_write_operations *sfs_memory_write_operations(void);
SFS_API const struct sfs_time_operations *sfs_memory_time_operations(void);
SFS_API int sfs_memory_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                              struct sfs_error *error);
SFS_API int sfs_memory_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first, struct sfs_error *error);
extern SFS_API const struct sfs_index_operations sfs_memory_index_operations;

#endif
