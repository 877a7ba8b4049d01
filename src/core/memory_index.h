/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_MEMORY_INDEX_H
#define SFS_CORE_MEMORY_INDEX_H

/*
 * Indexes of the engine in memory: for each a persistent tree of entries, ordered by K and name one
 * after the other, which every state shares with the one before it. An entry has the name only; the
 * record is looked up in the same state.
 */
#include "core/memory_engine.h"

struct sfs_memory_index {
    uint64_t id;
    struct sfs_tree tree; /* of entries */
    uint64_t bytes;
    uint64_t inexact;
    uint64_t seen; /* records that building it has looked at */
};

/* Makes `state`, which has none yet, have the indexes of `set` (a reference is taken): with the
 * entries that they have in `from`, else empty. NO_MEMORY. */
int sfs_memory_indexes_set(struct sfs_memory_state *state, const struct sfs_memory_state *from,
                           struct sfs_index_set *set);
void sfs_memory_indexes_clear(struct sfs_memory_state *state);
/* As sfs_memory_indexes_set() with another set for a state that has some; it is as it was on
 * failure. */
int sfs_memory_indexes_change(struct sfs_memory_state *state, struct sfs_index_set *set);
/* NULL: there is none of this id. */
struct sfs_memory_index *sfs_memory_index_of(const struct sfs_memory_state *state, uint64_t id);

/* The primitives: 0 or NO_MEMORY; next: 1 and a copy of the name, 0 none, NO_MEMORY. */
int sfs_memory_index_add(struct sfs_memory_index *own, struct sfs_bytes key, struct sfs_bytes name);
int sfs_memory_index_remove(struct sfs_memory_index *own, struct sfs_bytes key,
                            struct sfs_bytes name);
int sfs_memory_index_next(const struct sfs_memory_index *own, struct sfs_bytes key,
                          struct sfs_bytes after, struct sfs_buffer *ret_name);

/* What the store and its snapshots share; `source` gives the state. */
int sfs_memory_index_stats(struct sfs_memory_state *state, const struct sfs_index *index,
                           struct sfs_index_stats *ret_stats, struct sfs_error *error);
int sfs_memory_index_count(struct sfs_memory_state *state, const struct sfs_index *index,
                           struct sfs_range range, uint64_t most, uint64_t *ret_count,
                           struct sfs_error *error);
/* A cursor over the state as it is now; each step asks `source` whether that may still be read. */
int sfs_memory_index_scan(struct sfs_storage *store, sfs_memory_source *source,
                          const struct sfs_index *index, struct sfs_range range, bool descending,
                          unsigned want, struct sfs_index_cursor **ret_cursor,
                          struct sfs_error *error);

/* The override of snapshots. */
extern const struct sfs_index_operations sfs_memory_snapshot_index_operations;
/* The state of a snapshot, whose lease is renewed (memory_snapshot.c). */
sfs_memory_source sfs_memory_snapshot_state;
/* The present state (memory_engine.c). */
sfs_memory_source sfs_memory_present_state;

#endif
