/* SPDX-License-Identifier: MIT */
/* The engine in memory: its making and end, its states, loading, and the tables of its calls. */
#include "core/memory_engine.h"

#include <stdlib.h>

#include "core/memory_index.h"

static void record_ref(void *item)
{
    (void)sfs_record_ref(item);
}

static void record_unref(void *item)
{
    sfs_record_unref(item);
}

const struct sfs_tree_counting sfs_memory_counting = {record_ref, record_unref};

/* --- states --- */

struct sfs_memory_state *sfs_memory_state_new(const struct sfs_memory_state *from)
{
    struct sfs_memory_state *state = calloc(1, sizeof(*state));
    if (!state)
        return NULL;
    atomic_init(&state->references, 1);
    sfs_tree_init(&state->tree, &sfs_memory_counting);
    if (from) {
        state->sequence = from->sequence;
        state->totals = from->totals;
        sfs_tree_share(&from->tree, &state->tree);
    }
    if (from && sfs_memory_indexes_set(state, from, from->set)) {
        sfs_memory_state_unref(state);
        return NULL;
    }
    return state;
}

void sfs_memory_state_unref(struct sfs_memory_state *state)
{
    if (!state || atomic_fetch_sub_explicit(&state->references, 1, memory_order_acq_rel) != 1)
        return;
    sfs_tree_clear(&state->tree);
    sfs_memory_indexes_clear(state);
    free(state);
}

struct sfs_memory_state *sfs_memory_engine_state(struct sfs_memory_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    struct sfs_memory_state *state = engine->current;
    atomic_fetch_add_explicit(&state->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&engine->lock);
    return state;
}

static void count_in(struct sfs_totals *totals, const struct sfs_record *record)
{
    totals->records++;
    totals->keys += sfs_record_is_key(record);
    totals->bytes += record->size;
}

static void count_out(struct sfs_totals *totals, const struct sfs_record *record)
{
    totals->records--;
    totals->keys -= sfs_record_is_key(record);
    totals->bytes -= record->size;
}

int sfs_memory_state_put(struct sfs_memory_state *state, const struct sfs_record *record)
{
    struct sfs_totals totals = state->totals;
    const struct sfs_record *old = sfs_tree_find(&state->tree, record->name);
    if (old)
        count_out(&totals, old);
    count_in(&totals, record);
    int result = sfs_tree_insert(&state->tree, record->name, (void *)record);
    if (!result)
        state->totals = totals;
    return result;
}

int sfs_memory_state_drop(struct sfs_memory_state *state, struct sfs_bytes name)
{
    struct sfs_totals totals = state->totals;
    const struct sfs_record *old = sfs_tree_find(&state->tree, name);
    if (!old)
        return 0;
    count_out(&totals, old);
    int result = sfs_tree_remove(&state->tree, name);
    if (result < 0)
        return result;
    state->totals = totals;
    return 0;
}

/* --- making and end --- */

static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes))
        return SFS_E_NO_MEMORY;
    int failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) ||
                 pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed ? SFS_E_NO_MEMORY : 0;
}

int sfs_memory_engine_new(struct sfs_memory_engine **ret_engine,
                          const struct sfs_memory_hooks *hooks, struct sfs_error *error)
{
    struct sfs_memory_engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    if (hooks)
        engine->hooks = *hooks;
    engine->current = sfs_memory_state_new(NULL);
    if (!engine->current || init_condition(&engine->committed)) {
        sfs_memory_state_unref(engine->current);
        free(engine);
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    }
    pthread_mutex_init(&engine->writer, NULL);
    pthread_mutex_init(&engine->lock, NULL);
    *ret_engine = engine;
    return 0;
}

void sfs_memory_engine_free(struct sfs_memory_engine *engine)
{
    if (!engine)
        return;
    sfs_memory_log_free(&engine->log);
    sfs_memory_state_unref(engine->current);
    pthread_cond_destroy(&engine->committed);
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->writer);
    free(engine);
}

/* --- loading: nobody else uses the engine yet --- */

static const struct sfs_record *with_new_id(struct sfs_memory_engine *engine,
                                            const struct sfs_record *record)
{
    struct sfs_attributes attributes = record->attributes;
    attributes.id = atomic_fetch_add(&engine->last_id, 1) + 1;
    return sfs_record_new(record->name, record->revision, record->size, &attributes, record->xattrs,
                          record->blob);
}

int sfs_memory_engine_load(struct sfs_memory_engine *engine, const struct sfs_record *record,
                           struct sfs_error *error)
{
    const struct sfs_record *loaded =
        record->attributes.id ? sfs_record_ref(record) : with_new_id(engine, record);
    if (!loaded)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    int result = sfs_memory_state_put(engine->current, loaded);
    if (!result)
        sfs_memory_engine_counters(engine, loaded->revision, loaded->attributes.id);
    sfs_record_unref(loaded);
    return result ? sfs_fail_memory(error, SFS_MEMORY_ORIGIN) : 0;
}

void sfs_memory_engine_counters(struct sfs_memory_engine *engine, uint64_t sequence,
                                uint64_t last_id)
{
    if (atomic_load(&engine->last_id) < last_id)
        atomic_store(&engine->last_id, last_id);
    if (engine->current->sequence >= sequence)
        return;
    engine->current->sequence = sequence;
    atomic_store(&engine->sequence, sequence);
    engine->used_sequence = sequence;
    engine->log.floor = sequence;
}

int sfs_memory_engine_counters_check(struct sfs_memory_engine *engine, struct sfs_error *error)
{
    if (atomic_load(&engine->last_id) <= SFS_COUNTER_MAX &&
        atomic_load(&engine->sequence) <= SFS_COUNTER_MAX)
        return 0;
    return sfs_fail(error, SFS_E_CORRUPT, SFS_MEMORY_ORIGIN,
                    "the store is damaged: one of its counters is out of range");
}

uint64_t sfs_memory_engine_last_id(struct sfs_memory_engine *engine)
{
    return atomic_load(&engine->last_id);
}

/* --- the tables --- */

struct sfs_memory_engine *sfs_memory_engine_of(struct sfs_storage *store)
{
    return ((struct sfs_memory_storage *)store)->engine;
}

int sfs_memory_present_state(struct sfs_storage *store, struct sfs_memory_state **ret_state,
                             struct sfs_error *error)
{
    (void)error;
    *ret_state = sfs_memory_engine_state(sfs_memory_engine_of(store));
    return 0;
}

static int engine_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    (void)want;
    struct sfs_memory_state *state = sfs_memory_engine_state(sfs_memory_engine_of(store));
    int result = sfs_memory_get(state, name, ret_record, error);
    sfs_memory_state_unref(state);
    return result;
}

static int engine_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                       uint64_t offset, void *data, size_t size, size_t *ret_size,
                       struct sfs_error *error)
{
    struct sfs_memory_state *state = sfs_memory_engine_state(sfs_memory_engine_of(store));
    int result = sfs_memory_read(state, name, revision, offset, data, size, ret_size, error);
    sfs_memory_state_unref(state);
    return result;
}

static int engine_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_memory_scan(store, sfs_memory_present_state, range, want, ret_cursor, error);
}

static int engine_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                        struct sfs_error *error)
{
    (void)store;
    return sfs_stage_memory(ret_stage, error);
}

/* Under the writer's lock, so that the hook meets no commit between its saving and its showing. */
static int engine_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    (void)sequence;
    struct sfs_memory_engine *engine = sfs_memory_engine_of(store);
    if (!engine->hooks.sync)
        return 0;
    pthread_mutex_lock(&engine->writer);
    int result = engine->hooks.sync(engine->hooks.context, error);
    pthread_mutex_unlock(&engine->writer);
    return result;
}

static int engine_sequence(struct sfs_storage *store, uint64_t *ret_sequence,
                           struct sfs_error *error)
{
    (void)error;
    *ret_sequence = atomic_load(&sfs_memory_engine_of(store)->sequence);
    return 0;
}

int sfs_memory_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                      struct sfs_error *error)
{
    (void)error;
    struct sfs_memory_state *state = sfs_memory_engine_state(sfs_memory_engine_of(store));
    *ret_totals = state->totals;
    sfs_memory_state_unref(state);
    return 0;
}

int sfs_memory_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                           struct sfs_error *error)
{
    struct sfs_memory_engine *engine = sfs_memory_engine_of(store);
    int result = sfs_memory_engine_counters_check(engine, error);
    if (result)
        return result;
    *ret_first = atomic_fetch_add(&engine->last_id, count) + 1;
    return 0;
}

const struct sfs_read_operations *sfs_memory_read_operations(void)
{
    static const struct sfs_read_operations operations = {engine_get, engine_read, engine_scan};
    return &operations;
}

const struct sfs_write_operations *sfs_memory_write_operations(void)
{
    static const struct sfs_write_operations operations = {sfs_memory_apply, engine_stage,
                                                           engine_sync};
    return &operations;
}

const struct sfs_time_operations *sfs_memory_time_operations(void)
{
    static const struct sfs_time_operations operations = {engine_sequence, sfs_memory_snapshot,
                                                          sfs_memory_changes};
    return &operations;
}
