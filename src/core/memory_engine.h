/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_MEMORY_ENGINE_H
#define SFS_CORE_MEMORY_ENGINE_H

/*
 * The inside of the engine in memory (see storefs/backend.h for its face). What a store holds at
 * one sequence number is a `struct sfs_memory_state`, immutable once published: readers take a
 * reference under `lock`, which nobody holds for long, and then need no lock. One writer at a time
 * (`writer`) builds the next state out of a share of the present one. Order of locks: writer, then
 * lock.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "storefs/backend.h"
#include "util/tree.h"

#define SFS_MEMORY_ORIGIN "memory"
#define SFS_MEMORY_LEASE_MS 600000 /* where a snapshot asks for 0 */

/* How far an open feed may fall behind before it is given up (TOO_OLD at its next step): changes,
 * and bytes of the values that only the log still holds. */
#define SFS_MEMORY_FEED_CHANGES ((uint64_t)1 << 20)
#define SFS_MEMORY_FEED_BYTES ((uint64_t)1 << 30)

struct sfs_memory_index;
struct sfs_memory_state {
    atomic_size_t references;
    uint64_t sequence;
    struct sfs_tree tree; /* of struct sfs_record, each with its value */
    struct sfs_totals totals;
    struct sfs_index_set *set;        /* NULL: no indexes */
    struct sfs_memory_index *indexes; /* one for each of the set, in its order */
};

/* One name that one commit changed. */
struct sfs_memory_change {
    uint64_t sequence;
    uint64_t revision; /* 0: gone */
    bool existed;      /* `record` is the one before; else the new one, for its name */
    const struct sfs_record *record; /* owned */
    uint64_t volume;                 /* bytes of all changes ever logged, this one included */
};

/* The change log, which is kept for feeds only: a snapshot's state says itself what is different
 * now. Entries [first, first + count) by ordinal, in the order of commits. Everything
 * after `floor` that was committed is in it. */
struct sfs_memory_log {
    struct sfs_memory_change *entries;
    size_t start; /* of the first entry in `entries` */
    size_t count;
    size_t capacity;
    uint64_t first;  /* ordinal of the first entry */
    uint64_t floor;  /* the highest sequence number of which something was dropped */
    uint64_t volume; /* of the last entry ever */
};

struct sfs_memory_lease {
    struct sfs_memory_lease *next;
    struct sfs_memory_state *state; /* NULL: expired */
    uint64_t id;
    uint64_t lease_ms;
    int64_t deadline; /* monotonic ns */
};

struct sfs_memory_feed {
    struct sfs_feed feed;
    struct sfs_memory_feed *next;
    struct sfs_memory_engine *engine;
    uint64_t since;   /* every commit up to here has been shown */
    uint64_t ordinal; /* of the change shown next */
    bool woken;
    bool lost; /* fell too far behind */
    const struct sfs_record *shown;
};

struct sfs_memory_engine {
    struct sfs_memory_hooks hooks;
    pthread_mutex_t writer; /* apply, sync */
    uint64_t used_sequence; /* the highest one tried; under `writer` */
    atomic_uint_fast64_t last_index; /* the highest id of an index */
    atomic_uint_fast64_t last_id;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t committed;
    struct sfs_memory_state *current;
    atomic_uint_fast64_t sequence; /* of current; read without the lock as a hint */
    struct sfs_memory_log log;
    struct sfs_memory_lease *leases;
    struct sfs_memory_feed *feeds;
    uint64_t last_lease;
};

/* Counting of records in trees. */
extern const struct sfs_tree_counting sfs_memory_counting;

/* A state that shares `from`'s content (NULL: empty); NULL: no memory. */
struct sfs_memory_state *sfs_memory_state_new(const struct sfs_memory_state *from);
void sfs_memory_state_unref(struct sfs_memory_state *state);
/* A reference to the present state. */
struct sfs_memory_state *sfs_memory_engine_state(struct sfs_memory_engine *engine);
/* Puts or removes with the totals kept. 0 or NO_MEMORY, and the state is as it was. */
int sfs_memory_state_put(struct sfs_memory_state *state, const struct sfs_record *record);
int sfs_memory_state_drop(struct sfs_memory_state *state, struct sfs_bytes name);

/* The engine of a store that begins as struct sfs_memory_storage does. */
struct sfs_memory_engine *sfs_memory_engine_of(struct sfs_storage *store);

/* --- reading (memory_read.c) --- */

/* Gives a reference to the state to read: the present one, or a snapshot's. */
typedef int sfs_memory_source(struct sfs_storage *store, struct sfs_memory_state **ret_state,
                              struct sfs_error *error);
int sfs_memory_get(struct sfs_memory_state *state, struct sfs_bytes name,
                   const struct sfs_record **ret_record, struct sfs_error *error);
int sfs_memory_read(struct sfs_memory_state *state, struct sfs_bytes name, uint64_t revision,
                    uint64_t offset, void *data, size_t size, size_t *ret_size,
                    struct sfs_error *error);
/* A cursor that asks `source` for the state at every step. */
int sfs_memory_scan(struct sfs_storage *store, sfs_memory_source *source, struct sfs_range range,
                    unsigned want, struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* A cursor over all of one state, which must outlive it. */
int sfs_memory_scan_state(struct sfs_memory_state *state, struct sfs_cursor **ret_cursor,
                          struct sfs_error *error);

/* --- the log and the feeds (memory_log.c, memory_feed.c); the lock is held, except for free --- */

void sfs_memory_log_free(struct sfs_memory_log *log);
int sfs_memory_log_reserve(struct sfs_memory_log *log, size_t more);
/* Takes the change's reference over; room has been reserved. */
void sfs_memory_log_append(struct sfs_memory_log *log, struct sfs_memory_change change);
struct sfs_memory_change *sfs_memory_log_at(struct sfs_memory_log *log, uint64_t ordinal);
uint64_t sfs_memory_log_end(const struct sfs_memory_log *log);
/* The ordinal of the first change after `sequence`. */
uint64_t sfs_memory_log_after(struct sfs_memory_log *log, uint64_t sequence);
/* Drops the changes up to and including `sequence`. */
void sfs_memory_log_trim(struct sfs_memory_log *log, uint64_t sequence);

/* Drops what no feed needs, gives up feeds that are too far behind, and ends leases that are
 * over. */
void sfs_memory_engine_trim(struct sfs_memory_engine *engine);
/* Whether a commit has to be logged. */
bool sfs_memory_engine_followed(struct sfs_memory_engine *engine);
int sfs_memory_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error);

/* --- snapshots (memory_snapshot.c) --- */

int sfs_memory_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                        struct sfs_storage **ret_snapshot, struct sfs_error *error);
/* Renews the lease; EXPIRED where it is over or unknown. Lock held. */
int sfs_memory_lease_use(struct sfs_memory_engine *engine, struct sfs_memory_lease *lease,
                         struct sfs_error *error);
struct sfs_memory_lease *sfs_memory_lease_find(struct sfs_memory_engine *engine, uint64_t id);
/* A reference to the state of this sequence number, where a living lease holds it, or NULL. Takes
 * the lock. */
struct sfs_memory_state *sfs_memory_lease_state(struct sfs_memory_engine *engine,
                                                uint64_t sequence);
/* Ends those whose time is over. Lock held. */
void sfs_memory_lease_expire(struct sfs_memory_engine *engine);

/* --- writing (memory_apply.c) --- */

int sfs_memory_apply(struct sfs_storage *store, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, uint64_t *ret_sequence,
                     struct sfs_error *error);

/* A change of the indexes of `next`, which is a share of the present state; nothing else of it changes.
 * `run` is for the entries. */
typedef int sfs_memory_index_change(struct sfs_apply_run *run, struct sfs_memory_state *next,
                                    void *context, struct sfs_error *error);
/* Runs `change` as the one writer, and shows the state that it made to everybody; with `saved` after
 * it was handed to `persist`. */
int sfs_memory_change_indexes(struct sfs_memory_engine *engine, sfs_memory_index_change *change,
                              void *context, bool saved, struct sfs_error *error);

#endif
