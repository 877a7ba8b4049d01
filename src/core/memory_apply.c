/* SPDX-License-Identifier: MIT */
/*
 * Writing in the engine in memory: a batch runs over a share of the present state; what it changed
 * is the difference of the two states at the names that it touched.
 */
#include <stdlib.h>

#include "core/memory_index.h"

struct memory_run {
    struct sfs_apply_run run;
    struct sfs_memory_engine *engine;
    struct sfs_memory_state *base; /* what everybody sees; a reference */
    struct sfs_memory_state *next; /* what they are to see */
    struct sfs_tree touched;       /* by name: any record that has it */
};

static struct memory_run *run_of(struct sfs_apply_run *run)
{
    return (struct memory_run *)run;
}

static int fail_memory_if(int result, struct sfs_error *error)
{
    return result < 0 ? sfs_fail_memory(error, SFS_MEMORY_ORIGIN) : 0;
}

/* --- the primitives --- */

static int run_lookup(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    (void)want;
    return sfs_memory_get(run_of(run)->next, name, ret_record, error);
}

static bool is_below(struct sfs_bytes name, struct sfs_bytes to)
{
    return to.size == 0 || sfs_bytes_compare(name, to) < 0;
}

static int run_first(struct sfs_apply_run *run, struct sfs_range range,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_record *record = sfs_tree_lower_bound(&run_of(run)->next->tree, range.from);
    if (!record || !is_below(record->name, range.to))
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_MEMORY_ORIGIN, "the range is empty");
    *ret_record = sfs_record_ref(record);
    return 0;
}

static int put(struct memory_run *run, const struct sfs_record *record, struct sfs_error *error)
{
    int result = sfs_tree_insert(&run->touched, record->name, (void *)record);
    if (!result)
        result = sfs_memory_state_put(run->next, record);
    return fail_memory_if(result, error);
}

static int drop(struct memory_run *run, struct sfs_bytes name, struct sfs_error *error)
{
    const struct sfs_record *old = sfs_tree_find(&run->next->tree, name);
    if (!old)
        return 0;
    int result = sfs_tree_insert(&run->touched, old->name, (void *)old);
    if (!result)
        result = sfs_memory_state_drop(run->next, name);
    return fail_memory_if(result, error);
}

/* Reads the whole of the run's stage. */
static int read_stage(struct sfs_stage *stage, struct sfs_blob **ret_blob, struct sfs_error *error)
{
    void *data = NULL;
    if (stage->size > SIZE_MAX / 2)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    struct sfs_blob *blob = sfs_blob_alloc((size_t)stage->size, &data);
    if (!blob)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    size_t done = 0;
    while (done < stage->size) {
        size_t got = 0;
        int result = stage->operations->read(stage, done, (char *)data + done,
                                             (size_t)stage->size - done, &got, error);
        if (!result && got == 0)
            result = sfs_fail(error, SFS_E_IO, SFS_MEMORY_ORIGIN,
                              "the staged value ends after %zu bytes", done);
        if (result) {
            sfs_blob_unref(blob);
            return result;
        }
        done += got;
    }
    *ret_blob = blob;
    return 0;
}

/* A reference to the value that the new form is to have; NULL for an empty one. */
static int value_of(struct memory_run *run, const struct sfs_record *before,
                    const struct sfs_record *record, enum sfs_value_change change,
                    struct sfs_blob **ret_blob, struct sfs_error *error)
{
    if (change == SFS_VALUE_STAGED)
        return read_stage(run->run.stage, ret_blob, error);
    struct sfs_blob *blob = record->blob;
    if (change == SFS_VALUE_KEPT && !blob && before) {
        const struct sfs_record *held = sfs_tree_find(&run->next->tree, before->name);
        blob = held ? held->blob : before->blob;
    }
    *ret_blob = blob ? sfs_blob_ref(blob) : NULL;
    return 0;
}

/* The record as the engine keeps it: with an id, the run's revision, and its value. */
static int complete(struct memory_run *run, const struct sfs_record *before,
                    const struct sfs_record *record, enum sfs_value_change change,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_blob *blob = NULL;
    struct sfs_attributes attributes = record->attributes;
    int result = value_of(run, before, record, change, &blob, error);
    if (result)
        return result;
    if (!attributes.id)
        attributes.id = atomic_fetch_add(&run->engine->last_id, 1) + 1;
    const struct sfs_record *complete_record =
        sfs_record_new(record->name, run->run.sequence, sfs_blob_bytes(blob).size, &attributes,
                       record->xattrs, blob);
    sfs_blob_unref(blob);
    if (!complete_record)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    *ret_record = complete_record;
    return 0;
}

static int run_store(struct sfs_apply_run *base, const struct sfs_record *before,
                     const struct sfs_record *record, enum sfs_value_change change,
                     struct sfs_error *error)
{
    struct memory_run *run = run_of(base);
    const struct sfs_record *stored = NULL;
    int result = complete(run, before, record, change, &stored, error);
    if (!result)
        result = put(run, stored, error);
    sfs_record_unref(stored);
    return result;
}

static int run_remove(struct sfs_apply_run *run, const struct sfs_record *before,
                      struct sfs_error *error)
{
    return drop(run_of(run), before->name, error);
}

static int run_move(struct sfs_apply_run *base, const struct sfs_record *before,
                    const struct sfs_record *record, struct sfs_error *error)
{
    struct memory_run *run = run_of(base);
    const struct sfs_record *moved = NULL;
    int result = complete(run, before, record, SFS_VALUE_KEPT, &moved, error);
    if (!result)
        result = drop(run, before->name, error);
    if (!result)
        result = put(run, moved, error);
    sfs_record_unref(moved);
    return result;
}

/* --- what happened before, and leases --- */

static bool is_in(struct sfs_range range, struct sfs_bytes name)
{
    return sfs_bytes_compare(name, range.from) >= 0 && is_below(name, range.to);
}

typedef int visit_function(void *context, struct sfs_bytes name, const struct sfs_record *before,
                           const struct sfs_record *after, uint64_t revision,
                           struct sfs_error *error);

/* From a state that a snapshot holds: all that both states share is passed over. */
static int compare_states(struct memory_run *run, const struct sfs_memory_state *then,
                          struct sfs_range range, visit_function *visit, void *context,
                          struct sfs_error *error)
{
    struct sfs_tree_difference difference =
        sfs_tree_compare(&then->tree, &run->next->tree, range.from);
    void *old, *new;
    int result = 0;
    while (!result && sfs_tree_difference_next(&difference, &old, &new)) {
        const struct sfs_record *before = old, *after = new;
        struct sfs_bytes name = before ? before->name : after->name;
        if (!is_below(name, range.to))
            break;
        result = visit(context, name, before, after, after ? after->revision : 0, error);
    }
    return result;
}

/* The log is only read here, and only this thread, the writer, could append. A trim that takes away
 * entries is kept off by references to what is visited and by asking for the entry anew. */
static bool change_after(struct sfs_memory_engine *engine, uint64_t *position,
                         struct sfs_memory_change *ret_change)
{
    pthread_mutex_lock(&engine->lock);
    struct sfs_memory_log *log = &engine->log;
    bool found = *position >= log->first && *position < sfs_memory_log_end(log);
    if (found) {
        *ret_change = *sfs_memory_log_at(log, *position);
        (void)sfs_record_ref(ret_change->record);
        (*position)++;
    }
    pthread_mutex_unlock(&engine->lock);
    return found;
}

static int begin_changes(struct sfs_memory_engine *engine, uint64_t sequence,
                         uint64_t *ret_position, uint64_t *ret_end, struct sfs_error *error)
{
    pthread_mutex_lock(&engine->lock);
    bool known = sequence >= engine->log.floor;
    *ret_position = sfs_memory_log_after(&engine->log, sequence);
    *ret_end = sfs_memory_log_end(&engine->log);
    pthread_mutex_unlock(&engine->lock);
    if (known)
        return 0;
    return sfs_fail(error, SFS_E_TOO_OLD, SFS_MEMORY_ORIGIN,
                    "what was changed since commit %llu is no longer known: begin anew",
                    (unsigned long long)sequence);
}

/* A name's first change in the log tells how it was then; further ones do not matter. */
static int visit_first(struct memory_run *run, struct sfs_tree *seen,
                       const struct sfs_memory_change *change, visit_function *visit, void *context,
                       struct sfs_error *error)
{
    struct sfs_bytes name = change->record->name;
    if (sfs_tree_find(seen, name))
        return 0;
    if (sfs_tree_insert(seen, name, (void *)change->record))
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    const struct sfs_record *after = sfs_tree_find(&run->next->tree, name);
    if (!change->existed && !after)
        return 0;
    return visit(context, name, change->existed ? change->record : NULL, after,
                 after ? after->revision : 0, error);
}

/* From a sequence number that only the log of the feeds reaches back to. */
static int read_log(struct memory_run *run, struct sfs_range range, uint64_t sequence,
                    visit_function *visit, void *context, struct sfs_error *error)
{
    struct sfs_memory_change change;
    struct sfs_tree seen;
    uint64_t position = 0;
    uint64_t end = 0;
    sfs_tree_init(&seen, &sfs_memory_counting);
    int result = begin_changes(run->engine, sequence, &position, &end, error);
    while (!result && position < end) {
        if (!change_after(run->engine, &position, &change)) {
            result = begin_changes(run->engine, sequence, &position, &end, error);
            continue;
        }
        if (is_in(range, change.record->name))
            result = visit_first(run, &seen, &change, visit, context, error);
        sfs_record_unref(change.record);
    }
    sfs_tree_clear(&seen);
    return result;
}

static int run_changed(struct sfs_apply_run *base, struct sfs_range range, uint64_t sequence,
                       visit_function *visit, void *context, struct sfs_error *error)
{
    struct memory_run *run = run_of(base);
    struct sfs_memory_state *then = sfs_memory_lease_state(run->engine, sequence);
    if (!then)
        return read_log(run, range, sequence, visit, context, error);
    int result = compare_states(run, then, range, visit, context, error);
    sfs_memory_state_unref(then);
    return result;
}

static int run_lease(struct sfs_apply_run *base, uint64_t id, struct sfs_error *error)
{
    struct sfs_memory_engine *engine = run_of(base)->engine;
    pthread_mutex_lock(&engine->lock);
    int result = sfs_memory_lease_use(engine, sfs_memory_lease_find(engine, id), error);
    pthread_mutex_unlock(&engine->lock);
    return result;
}

/* --- entries of indexes --- */

static int run_index_add(struct sfs_apply_run *run, const struct sfs_index *index,
                         struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_memory_index *own = sfs_memory_index_of(run_of(run)->next, index->id);
    return fail_memory_if(sfs_memory_index_add(own, key, name), error);
}

static int run_index_remove(struct sfs_apply_run *run, const struct sfs_index *index,
                            struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_memory_index *own = sfs_memory_index_of(run_of(run)->next, index->id);
    return fail_memory_if(sfs_memory_index_remove(own, key, name), error);
}

static int run_index_find(struct sfs_apply_run *run, const struct sfs_index *index,
                          struct sfs_bytes key, struct sfs_bytes after,
                          struct sfs_buffer *ret_name, struct sfs_error *error)
{
    int found = sfs_memory_index_next(sfs_memory_index_of(run_of(run)->next, index->id), key,
                                      after, ret_name);
    if (found == 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_MEMORY_ORIGIN, "there is no such entry");
    return fail_memory_if(found, error);
}

static const struct sfs_apply_operations run_operations = {
    .lookup = run_lookup,
    .store = run_store,
    .remove = run_remove,
    .move = run_move,
    .first = run_first,
    .changed = run_changed,
    .lease = run_lease,
    .index_add = run_index_add,
    .index_remove = run_index_remove,
    .index_find = run_index_find,
};

/* --- one apply --- */

static struct sfs_memory_change change_of(const struct memory_run *run, struct sfs_bytes name)
{
    const struct sfs_record *before = sfs_tree_find(&run->base->tree, name);
    const struct sfs_record *after = sfs_tree_find(&run->next->tree, name);
    if (before == after)
        return (struct sfs_memory_change){0};
    return (struct sfs_memory_change){
        .sequence = run->run.sequence,
        .revision = after ? after->revision : 0,
        .existed = before != NULL,
        .record = before ? before : after,
    };
}

static bool changed_nothing(const struct memory_run *run)
{
    const struct sfs_record *record;
    struct sfs_tree_cursor cursor = sfs_tree_seek(&run->touched, (struct sfs_bytes){0});
    while ((record = sfs_tree_next(&cursor))) {
        if (change_of(run, record->name).record)
            return false;
    }
    return true;
}

static int persist(struct memory_run *run, bool durable, struct sfs_error *error)
{
    const struct sfs_memory_hooks *hooks = &run->engine->hooks;
    struct sfs_cursor *cursor = NULL;
    if (!hooks->persist)
        return 0;
    int result = sfs_memory_scan_state(run->next, &cursor, error);
    if (result)
        return result;
    result = hooks->persist(hooks->context, cursor, run->run.sequence, durable, error);
    cursor->operations->close(cursor);
    return result;
}

static int reserve_log(struct memory_run *run, struct sfs_error *error)
{
    struct sfs_memory_engine *engine = run->engine;
    pthread_mutex_lock(&engine->lock);
    int result = sfs_memory_log_reserve(&engine->log, run->touched.count);
    pthread_mutex_unlock(&engine->lock);
    return fail_memory_if(result, error);
}

static void log_changes(struct memory_run *run)
{
    const struct sfs_record *record;
    struct sfs_tree_cursor cursor = sfs_tree_seek(&run->touched, (struct sfs_bytes){0});
    while ((record = sfs_tree_next(&cursor))) {
        struct sfs_memory_change change = change_of(run, record->name);
        if (!change.record)
            continue;
        (void)sfs_record_ref(change.record);
        sfs_memory_log_append(&run->engine->log, change);
    }
}

/* Shows the new state to everybody. Cannot fail. */
static void publish(struct memory_run *run)
{
    struct sfs_memory_engine *engine = run->engine;
    pthread_mutex_lock(&engine->lock);
    if (sfs_memory_engine_followed(engine))
        log_changes(run);
    struct sfs_memory_state *old = engine->current;
    engine->current = run->next;
    atomic_store(&engine->sequence, run->run.sequence);
    sfs_memory_engine_trim(engine);
    pthread_cond_broadcast(&engine->committed);
    pthread_mutex_unlock(&engine->lock);
    sfs_memory_state_unref(old);
    run->next = NULL;
}

static int run_batch(struct memory_run *run, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, struct sfs_error *error)
{
    bool durable = options && options->durable;
    int result = sfs_apply_run(&run->run, batch, error);
    if (result)
        return result;
    if (changed_nothing(run)) {
        run->run.sequence = run->base->sequence;
        const struct sfs_memory_hooks *hooks = &run->engine->hooks;
        return durable && hooks->sync ? hooks->sync(hooks->context, error) : 0;
    }
    run->next->sequence = run->run.sequence;
    result = reserve_log(run, error);
    /* A number that may have reached the disk is not used again, whatever comes of it. */
    if (!result)
        run->engine->used_sequence = run->run.sequence;
    if (!result)
        result = persist(run, durable, error);
    if (!result) {
        sfs_apply_publish(options);
        publish(run);
    }
    return result;
}

int sfs_memory_apply(struct sfs_storage *store, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, uint64_t *ret_sequence,
                     struct sfs_error *error)
{
    struct sfs_memory_engine *engine = sfs_memory_engine_of(store);
    struct memory_run run = {.run.operations = &run_operations, .engine = engine};
    run.run.key_max = store->key_max ? store->key_max : SFS_KEY_MAX;
    sfs_tree_init(&run.touched, &sfs_memory_counting);
    pthread_mutex_lock(&engine->writer);
    run.run.sequence = engine->used_sequence + 1;
    run.run.next_id = atomic_load(&engine->last_id) + 1;
    run.base = sfs_memory_engine_state(engine);
    run.next = sfs_memory_state_new(run.base);
    run.run.indexes = run.next ? run.next->set : NULL;
    int result = run.next ? sfs_memory_engine_counters_check(engine, error)
                          : sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    if (!result)
        result = run_batch(&run, batch, options, error);
    pthread_mutex_unlock(&engine->writer);
    if (!result && ret_sequence)
        *ret_sequence = run.run.sequence;
    sfs_tree_clear(&run.touched);
    sfs_memory_state_unref(run.next);
    sfs_memory_state_unref(run.base);
    return result;
}

static int change_indexes(struct memory_run *run, sfs_memory_index_change *change, void *context,
                          bool saved, struct sfs_error *error)
{
    int result = change(&run->run, run->next, context, error);
    if (!result && saved)
        result = persist(run, false, error);
    if (!result)
        publish(run);
    return result;
}

int sfs_memory_change_indexes(struct sfs_memory_engine *engine, sfs_memory_index_change *change,
                              void *context, bool saved, struct sfs_error *error)
{
    struct memory_run run = {.run.operations = &run_operations, .engine = engine};
    sfs_tree_init(&run.touched, &sfs_memory_counting);
    pthread_mutex_lock(&engine->writer);
    run.base = sfs_memory_engine_state(engine);
    run.run.sequence = run.base->sequence;
    run.next = sfs_memory_state_new(run.base);
    int result = run.next ? change_indexes(&run, change, context, saved, error)
                          : sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    pthread_mutex_unlock(&engine->writer);
    sfs_memory_state_unref(run.next);
    sfs_memory_state_unref(run.base);
    return result;
}
