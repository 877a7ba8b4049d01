/* SPDX-License-Identifier: MIT */
/* Making and dropping indexes of the engine in memory, and the table of what a store does with
 * them. */
#include "core/memory_index.h"

/* So many records are looked at while the writer's lock is held. */
#define STEP 1000

struct creation {
    const struct sfs_index *index; /* with its id, not ready; a reference */
    struct sfs_buffer after;
    uint64_t seen;
    uint64_t total;
    bool done;
};

/* Puts `with` (NULL: nothing) into the set in place of the definition with this id. */
static int replace(struct sfs_memory_state *next, uint64_t id, const struct sfs_index *with,
                   struct sfs_error *error)
{
    struct sfs_index_set *set = NULL;
    int result = sfs_index_set_change(next->set, id, with, &set, error);
    if (result)
        return result;
    if (sfs_memory_indexes_change(next, set))
        result = sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    sfs_index_set_unref(set);
    return result;
}

static int begin(struct sfs_apply_run *run, struct sfs_memory_state *next, void *context,
                 struct sfs_error *error)
{
    (void)run;
    struct creation *creation = context;
    const struct sfs_index *present = sfs_index_set_find(next->set, creation->index->fields);
    if (present)
        return sfs_fail(error, SFS_E_EXISTS, "index", "there is an index '%s'", present->name);
    return replace(next, 0, creation->index, error);
}

static int fail_dropped(const struct sfs_index *index, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_CANCELLED, "index",
                    "the index '%s' was dropped while it was being built", index->name);
}

static int step(struct sfs_apply_run *run, struct sfs_memory_state *next, void *context,
                struct sfs_error *error)
{
    struct creation *creation = context;
    uint64_t seen = 0;
    struct sfs_memory_index *own = sfs_memory_index_of(next, creation->index->id);
    if (!own)
        return fail_dropped(creation->index, error);
    int result = sfs_index_build(run, creation->index, STEP, &creation->after, &seen, error);
    if (result)
        return result;
    own->seen += seen;
    creation->seen = own->seen;
    creation->total = next->totals.records;
    creation->done = seen < STEP;
    return 0;
}

static int finish(struct sfs_apply_run *run, struct sfs_memory_state *next, void *context,
                  struct sfs_error *error)
{
    (void)run;
    const struct creation *creation = context;
    const struct sfs_index *index = creation->index;
    const struct sfs_index *ready = NULL;
    if (!sfs_memory_index_of(next, index->id))
        return fail_dropped(index, error);
    int result = sfs_index_new(sfs_string(index->name), index->id, true, &ready, error);
    if (!result)
        result = replace(next, index->id, ready, error);
    sfs_index_unref(ready);
    return result;
}

static int drop(struct sfs_apply_run *run, struct sfs_memory_state *next, void *context,
                struct sfs_error *error)
{
    (void)run;
    const uint64_t *id = context;
    if (!sfs_memory_index_of(next, *id))
        return sfs_fail(error, SFS_E_NOT_FOUND, "index", "there is no such index any more");
    return replace(next, *id, NULL, error);
}

static int tell(const struct creation *creation, sfs_progress_function *progress, void *context,
                struct sfs_error *error)
{
    uint64_t total = creation->total > creation->seen ? creation->total : creation->seen;
    if (!progress || progress(context, creation->seen, total) == 0)
        return 0;
    return sfs_fail(error, SFS_E_CANCELLED, "index",
                    "the index '%s' was not made: stopped as asked", creation->index->name);
}

static int build(struct sfs_memory_engine *engine, struct creation *creation,
                 sfs_progress_function *progress, void *context, bool saved,
                 struct sfs_error *error)
{
    int result = 0;
    while (!result && !creation->done) {
        result = sfs_memory_change_indexes(engine, step, creation, false, error);
        if (!result)
            result = tell(creation, progress, context, error);
    }
    return result ? result : sfs_memory_change_indexes(engine, finish, creation, saved, error);
}

static int create(struct sfs_memory_engine *engine, struct sfs_bytes name,
                  sfs_progress_function *progress, void *context, bool saved,
                  struct sfs_error *error)
{
    struct creation creation = {0};
    uint64_t id = atomic_fetch_add(&engine->last_index, 1) + 1;
    int result = sfs_index_new(name, id, false, &creation.index, error);
    if (!result)
        result = sfs_memory_change_indexes(engine, begin, &creation, false, error);
    if (!result) {
        result = build(engine, &creation, progress, context, saved, error);
        /* The file may have its name already. Where even this needs memory that is not there the index
         * stays, never ready. */
        if (result && sfs_memory_change_indexes(engine, drop, &id, saved, NULL))
            (void)sfs_memory_change_indexes(engine, drop, &id, false, NULL);
    }
    sfs_buffer_free(&creation.after);
    sfs_index_unref(creation.index);
    return result;
}

int sfs_memory_engine_load_index(struct sfs_memory_engine *engine, struct sfs_bytes name,
                                 struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_index *index = NULL;
    int result = sfs_index_new(name, 0, false, &index, error);
    if (result)
        return result;
    result = create(engine, name, NULL, NULL, false, &failure);
    if ((result == SFS_E_EXISTS || result == SFS_E_TOO_LARGE) && index->unique)
        result = create(engine, sfs_string(index->fields), NULL, NULL, false, &failure);
    if (result && error)
        *error = failure;
    sfs_index_unref(index);
    return result;
}

/* --- the tables --- */

static int index_create(struct sfs_storage *store, const struct sfs_index *index,
                        sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    return create(sfs_memory_engine_of(store), sfs_string(index->name), progress, context, true,
                  error);
}

static int index_drop(struct sfs_storage *store, uint64_t id, struct sfs_error *error)
{
    return sfs_memory_change_indexes(sfs_memory_engine_of(store), drop, &id, true, error);
}

static int set_of(struct sfs_storage *store, sfs_memory_source *source,
                  struct sfs_index_set **ret_set, struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = source(store, &state, error);
    if (!result)
        *ret_set = sfs_index_set_ref(state->set);
    sfs_memory_state_unref(state);
    return result;
}

static int stats_of(struct sfs_storage *store, sfs_memory_source *source,
                    const struct sfs_index *index, struct sfs_index_stats *ret_stats,
                    struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = source(store, &state, error);
    if (!result)
        result = sfs_memory_index_stats(state, index, ret_stats, error);
    sfs_memory_state_unref(state);
    return result;
}

static int count_of(struct sfs_storage *store, sfs_memory_source *source,
                    const struct sfs_index *index, struct sfs_range range, uint64_t most,
                    uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_memory_state *state = NULL;
    int result = source(store, &state, error);
    if (!result)
        result = sfs_memory_index_count(state, index, range, most, ret_count, error);
    sfs_memory_state_unref(state);
    return result;
}

static int present_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                       struct sfs_error *error)
{
    return set_of(store, sfs_memory_present_state, ret_set, error);
}

static int present_stats(struct sfs_storage *store, const struct sfs_index *index,
                         struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    return stats_of(store, sfs_memory_present_state, index, ret_stats, error);
}

static int present_count(struct sfs_storage *store, const struct sfs_index *index,
                         struct sfs_range range, uint64_t most, uint64_t *ret_count,
                         struct sfs_error *error)
{
    return count_of(store, sfs_memory_present_state, index, range, most, ret_count, error);
}

static int present_scan(struct sfs_storage *store, const struct sfs_index *index,
                        struct sfs_range range, bool descending, unsigned want,
                        struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_memory_index_scan(store, sfs_memory_present_state, index, range, descending, want,
                                 ret_cursor, error);
}

static int snapshot_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                        struct sfs_error *error)
{
    return set_of(store, sfs_memory_snapshot_state, ret_set, error);
}

static int snapshot_stats(struct sfs_storage *store, const struct sfs_index *index,
                          struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    return stats_of(store, sfs_memory_snapshot_state, index, ret_stats, error);
}

static int snapshot_count(struct sfs_storage *store, const struct sfs_index *index,
                          struct sfs_range range, uint64_t most, uint64_t *ret_count,
                          struct sfs_error *error)
{
    return count_of(store, sfs_memory_snapshot_state, index, range, most, ret_count, error);
}

static int snapshot_scan(struct sfs_storage *store, const struct sfs_index *index,
                         struct sfs_range range, bool descending, unsigned want,
                         struct sfs_index_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_memory_index_scan(store, sfs_memory_snapshot_state, index, range, descending, want,
                                 ret_cursor, error);
}

const struct sfs_index_operations sfs_memory_index_operations = {
    .set = present_set,
    .stats = present_stats,
    .create = index_create,
    .drop = index_drop,
    .scan = present_scan,
    .count = present_count,
};

const struct sfs_index_operations sfs_memory_snapshot_index_operations = {
    .set = snapshot_set,
    .stats = snapshot_stats,
    .scan = snapshot_scan,
    .count = snapshot_count,
};
