/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of the engine in memory: a read-only store over one state, held by a lease. The lease
 * ends when it was not used for its time; the engine notices at its next commit, the snapshot at
 * its next use, and the state is let go.
 */
#include <stdlib.h>

#include "core/memory_index.h"
#include "util/clock.h"

struct memory_snapshot {
    struct sfs_memory_storage base;
    struct sfs_memory_lease *lease; /* the engine's list has it too */
};

/* --- leases --- */

static int64_t deadline_after(uint64_t lease_ms)
{
    const uint64_t longest = (uint64_t)INT32_MAX * 1000;
    int64_t counted = (int64_t)(lease_ms < longest ? lease_ms : longest);
    return sfs_clock_monotonic() + counted * SFS_NS_PER_MS;
}

static void end_lease(struct sfs_memory_lease *lease)
{
    sfs_memory_state_unref(lease->state);
    lease->state = NULL;
}

void sfs_memory_lease_expire(struct sfs_memory_engine *engine)
{
    if (!engine->leases)
        return;
    int64_t now = sfs_clock_monotonic();
    for (struct sfs_memory_lease *lease = engine->leases; lease; lease = lease->next) {
        if (lease->deadline < now)
            end_lease(lease);
    }
}

struct sfs_memory_lease *sfs_memory_lease_find(struct sfs_memory_engine *engine, uint64_t id)
{
    struct sfs_memory_lease *lease = engine->leases;
    while (lease && lease->id != id)
        lease = lease->next;
    return lease;
}

struct sfs_memory_state *sfs_memory_lease_state(struct sfs_memory_engine *engine, uint64_t sequence)
{
    struct sfs_memory_state *state = NULL;
    pthread_mutex_lock(&engine->lock);
    for (struct sfs_memory_lease *lease = engine->leases; lease && !state; lease = lease->next) {
        if (lease->state && lease->state->sequence == sequence)
            state = lease->state;
    }
    if (state)
        atomic_fetch_add_explicit(&state->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&engine->lock);
    return state;
}

int sfs_memory_lease_use(struct sfs_memory_engine *engine, struct sfs_memory_lease *lease,
                         struct sfs_error *error)
{
    sfs_memory_lease_expire(engine);
    if (!lease || !lease->state)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_MEMORY_ORIGIN,
                        "the snapshot was not used for longer than its time limit: begin anew");
    lease->deadline = deadline_after(lease->lease_ms);
    return 0;
}

/* --- the store --- */

int sfs_memory_snapshot_state(struct sfs_storage *store, struct sfs_memory_state **ret_state,
                              struct sfs_error *error)
{
    struct memory_snapshot *snapshot = (struct memory_snapshot *)store;
    struct sfs_memory_engine *engine = snapshot->base.engine;
    pthread_mutex_lock(&engine->lock);
    int result = sfs_memory_lease_use(engine, snapshot->lease, error);
    if (!result) {
        *ret_state = snapshot->lease->state;
        atomic_fetch_add_explicit(&(*ret_state)->references, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&engine->lock);
    return result;
}

static int snapshot_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                        const struct sfs_record **ret_record, struct sfs_error *error)
{
    (void)want;
    struct sfs_memory_state *state = NULL;
    int result = sfs_memory_snapshot_state(store, &state, error);
    if (!result)
        result = sfs_memory_get(state, name, ret_record, error);
    sfs_memory_state_unref(state);
    return result;
}

static int snapshot_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                         uint64_t offset, void *data, size_t size, size_t *ret_size,
                         struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = sfs_memory_snapshot_state(store, &state, error);
    if (!result)
        result = sfs_memory_read(state, name, revision, offset, data, size, ret_size, error);
    sfs_memory_state_unref(state);
    return result;
}

static int snapshot_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                         struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_memory_scan(store, sfs_memory_snapshot_state, range, want, ret_cursor, error);
}

static int snapshot_sequence(struct sfs_storage *store, uint64_t *ret_sequence,
                             struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = sfs_memory_snapshot_state(store, &state, error);
    if (!result)
        *ret_sequence = state->sequence;
    sfs_memory_state_unref(state);
    return result;
}

static int snapshot_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                           struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = sfs_memory_snapshot_state(store, &state, error);
    if (!result)
        *ret_totals = state->totals;
    sfs_memory_state_unref(state);
    return result;
}

static int snapshot_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                            struct sfs_error *error)
{
    (void)store;
    (void)since;
    (void)ret_feed;
    return sfs_fail(error, SFS_E_UNSUPPORTED, SFS_MEMORY_ORIGIN,
                    "nothing changes in a snapshot: follow the store itself");
}

static int snapshot_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    struct memory_snapshot *snapshot = (struct memory_snapshot *)store;
    struct sfs_memory_engine *engine = snapshot->base.engine;
    struct sfs_memory_lease *lease = snapshot->lease;
    pthread_mutex_lock(&engine->lock);
    struct sfs_memory_lease **link = &engine->leases;
    while (*link != lease)
        link = &(*link)->next;
    *link = lease->next;
    sfs_memory_engine_trim(engine);
    pthread_mutex_unlock(&engine->lock);
    end_lease(lease);
    free(lease);
    free(snapshot);
    return 0;
}

static int snapshot_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                             struct sfs_storage **ret_snapshot, struct sfs_error *error);

static const struct sfs_read_operations snapshot_reads = {snapshot_get, snapshot_read,
                                                          snapshot_scan};
static const struct sfs_time_operations snapshot_times = {snapshot_sequence, snapshot_snapshot,
                                                          snapshot_changes};
static const struct sfs_override_operations snapshot_overrides = {
    .totals = snapshot_totals, .index = &sfs_memory_snapshot_index_operations};

/* Gives `snapshot` and its lease to the engine and shows the state, whose reference it takes. */
static void enlist(struct memory_snapshot *snapshot, struct sfs_memory_state *state)
{
    struct sfs_memory_engine *engine = snapshot->base.engine;
    struct sfs_memory_lease *lease = snapshot->lease;
    lease->state = state;
    lease->deadline = deadline_after(lease->lease_ms);
    lease->id = ++engine->last_lease;
    lease->next = engine->leases;
    engine->leases = lease;
    snapshot->base.storage.lease = lease->id;
}

static struct memory_snapshot *snapshot_new(struct sfs_storage *store,
                                            const struct sfs_storage_operations *operations,
                                            uint64_t lease_ms)
{
    struct memory_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct sfs_memory_lease *lease = calloc(1, sizeof(*lease));
    if (!snapshot || !lease) {
        free(snapshot);
        free(lease);
        return NULL;
    }
    lease->lease_ms = lease_ms ? lease_ms : SFS_MEMORY_LEASE_MS;
    snapshot->lease = lease;
    snapshot->base.engine = sfs_memory_engine_of(store);
    snapshot->base.storage = (struct sfs_storage){
        .operations = operations,
        .read_only = true,
        .capabilities = store->capabilities & ~(unsigned)SFS_CAN_CHANGES,
        .key_max = store->key_max,
        .location = store->location,
    };
    return snapshot;
}

static const struct sfs_storage_operations snapshot_operations = {
    .name = "snapshot",
    .read = &snapshot_reads,
    .time = &snapshot_times,
    .override = &snapshot_overrides,
    .close = snapshot_close,
};

int sfs_memory_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                        struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    struct memory_snapshot *snapshot = snapshot_new(store, &snapshot_operations, lease_ms);
    if (!snapshot)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    struct sfs_memory_engine *engine = snapshot->base.engine;
    pthread_mutex_lock(&engine->lock);
    atomic_fetch_add_explicit(&engine->current->references, 1, memory_order_relaxed);
    enlist(snapshot, engine->current);
    pthread_mutex_unlock(&engine->lock);
    *ret_snapshot = &snapshot->base.storage;
    return 0;
}

/* A snapshot of a snapshot shows the same state. */
static int snapshot_snapshot(struct sfs_storage *store, uint64_t lease_ms,
                             struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    struct memory_snapshot *snapshot = snapshot_new(store, &snapshot_operations, lease_ms);
    if (!snapshot)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    int result = sfs_memory_snapshot_state(store, &state, error);
    if (result) {
        free(snapshot->lease);
        free(snapshot);
        return result;
    }
    pthread_mutex_lock(&snapshot->base.engine->lock);
    enlist(snapshot, state);
    pthread_mutex_unlock(&snapshot->base.engine->lock);
    *ret_snapshot = &snapshot->base.storage;
    return 0;
}
