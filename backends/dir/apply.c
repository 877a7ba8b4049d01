/* SPDX-License-Identifier: MIT */
/*
 * Applying a batch: look at the files that it concerns, run it over a share of the tree, write what
 * is new to temporary files, write the log's entry (this is the commit), move the files.
 */
#include <errno.h>
#include <unistd.h>

#include "run.h"

/* --- what the batch looks at --- */

/* A file where a directory will have to be made is a key, though nobody may have seen it yet. */
static int look_above(struct sfs_dir_store *store, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_dir_item *item = NULL;
    int code = 0;
    for (size_t i = 1; code == 0 && i + 1 < name.size; i++) {
        if (((const char *)name.data)[i] != '/')
            continue;
        struct sfs_bytes prefix = sfs_bytes(name.data, i + 1);
        const struct sfs_dir_item *next = sfs_tree_lower_bound(&store->tree, prefix);
        if (!next || !sfs_bytes_starts(next->record->name, prefix))
            code = sfs_dir_refresh(store, sfs_bytes(name.data, i), &item, error);
    }
    return code;
}

static int look_name(struct sfs_dir_store *store, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_dir_item *item = NULL;
    int code = sfs_dir_refresh(store, name, &item, error);
    return code ? code : look_above(store, name, error);
}

static int look_prefix(struct sfs_dir_store *store, struct sfs_bytes prefix,
                       struct sfs_error *error)
{
    struct sfs_buffer end = {0};
    struct sfs_range range;
    int code = sfs_range_prefix(prefix, &end, &range) ? sfs_fail_memory(error, SFS_DIR_ORIGIN)
                                                      : sfs_dir_look_through(store, range, error);
    sfs_buffer_free(&end);
    return code ? code : look_above(store, prefix, error);
}

static int look_operation(struct sfs_dir_store *store, const struct sfs_operation *operation,
                          struct sfs_error *error)
{
    int code;
    switch (operation->kind) {
    case SFS_OPERATION_CLEAR_RANGE:
        return sfs_dir_look_through(store, (struct sfs_range){operation->name, operation->target},
                                    error);
    case SFS_OPERATION_RENAME_PREFIX:
    case SFS_OPERATION_EXCHANGE_PREFIX:
        code = look_prefix(store, operation->name, error);
        return code ? code : look_prefix(store, operation->target, error);
    case SFS_OPERATION_RENAME:
    case SFS_OPERATION_EXCHANGE:
        code = look_name(store, operation->name, error);
        return code ? code : look_name(store, operation->target, error);
    default:
        return look_name(store, operation->name, error);
    }
}

static int look_precondition(struct sfs_dir_store *store, const struct sfs_precondition *condition,
                             struct sfs_error *error)
{
    struct sfs_dir_item *item = NULL;
    bool any;
    switch (condition->kind) {
    case SFS_REQUIRE_ABSENT:
    case SFS_REQUIRE_REVISION:
    case SFS_REQUIRE_ID:
        return sfs_dir_refresh(store, condition->range.from, &item, error);
    case SFS_REQUIRE_EMPTY:
        return sfs_dir_look_for_any(store, &condition->range, 1, &any, error);
    default:
        return 0; /* needs a history, which there is none of */
    }
}

int sfs_dir_run_look(struct sfs_dir_store *store, struct sfs_batch *batch, struct sfs_error *error)
{
    size_t count;
    int code = 0;
    const struct sfs_precondition *conditions = sfs_batch_preconditions(batch, &count);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = look_precondition(store, &conditions[i], error);
    const struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = look_operation(store, &operations[i], error);
    return code;
}

/* --- the commit --- */

static int change_tree(struct sfs_tree *tree, const struct sfs_dir_steps *steps,
                       struct sfs_error *error)
{
    for (size_t i = 0; i < steps->count; i++) {
        struct sfs_dir_item *item = steps->steps[i].item;
        int result = steps->steps[i].action == SFS_DIR_DROP
                         ? sfs_tree_remove(tree, item->record->name)
                         : sfs_tree_insert(tree, item->record->name, item);
        if (result < 0)
            return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    return 0;
}

/* What is unsaved comes first in the entry, as what the batch did came behind it. */
static int all_steps(struct sfs_dir_store *store, struct sfs_dir_steps *steps,
                     struct sfs_dir_steps *all, struct sfs_error *error)
{
    int code = sfs_dir_log_unsaved(store, all, error);
    for (size_t i = 0; code == 0 && i < steps->count; i++) {
        struct sfs_dir_step step = steps->steps[i];
        steps->steps[i] = (struct sfs_dir_step){0};
        code = sfs_dir_steps_add(all, step, error);
    }
    return code;
}

/* The lock is held; the steps are taken over. From the append on it has happened. */
static int commit_steps(struct sfs_dir_store *store, struct sfs_dir_steps *steps, uint64_t sequence,
                        bool durable, bool *ret_committed, struct sfs_error *error)
{
    struct sfs_tree tree;
    struct sfs_dir_steps all = {0};
    sfs_tree_share(&store->tree, &tree);
    int code = change_tree(&tree, steps, error);
    if (code == 0)
        code = all_steps(store, steps, &all, error);
    if (code == 0)
        code = sfs_dir_log_append(store, &all, sequence, durable || store->options.fsync, error);
    if (code) {
        sfs_dir_steps_free(&all);
        sfs_tree_clear(&tree);
        return code;
    }
    *ret_committed = true;
    sfs_tree_clear(&store->tree);
    store->tree = tree;
    sfs_tree_clear(&store->unsaved);
    sfs_tree_init(&store->unsaved, &sfs_dir_counting);
    if (sequence > store->sequence)
        store->sequence = sequence;
    store->pending = all;
    store->pending_later = durable && sfs_dir_settles_later(&all);
    store->pending_durable = durable && !store->pending_later;
    /* It has happened, also if the files cannot be moved now: whoever looks next does that first.
     */
    (void)sfs_dir_settle(store, NULL);
    return 0;
}

static bool is_durable(const struct sfs_apply_options *options)
{
    return options && options->durable;
}

/* The names of new files in the control directory must not be lost before the log refers to them.
 */
static int sync_new(struct sfs_dir_run *run, bool sync, struct sfs_error *error)
{
    bool any = run->temporary_count > 0;
    return sync && any ? sfs_dir_sync_control(run->store, error) : 0;
}

static int run_batch(struct sfs_dir_run *run, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, bool *ret_committed,
                     struct sfs_error *error)
{
    struct sfs_dir_store *store = run->store;
    struct sfs_dir_steps steps = {0};
    bool durable = is_durable(options);
    bool sync = durable || store->options.fsync;
    int code = sync || store->lost ? sfs_dir_files_check(store, error) : 0;
    if (code == 0)
        code = sfs_apply_run(&run->run, batch, error);
    if (code == 0)
        code = sfs_dir_run_plan(run, sync, &steps, error);
    if (code == 0)
        code = sync_new(run, sync, error);
    if (code == 0 && steps.count) {
        sfs_apply_publish(options);
        pthread_mutex_lock(&store->lock);
        code = commit_steps(store, &steps, run->run.sequence, durable, ret_committed, error);
        if (code == 0 && store->pending.count == 0)
            (void)sfs_dir_log_compact(store, NULL); /* else the next one does it */
        pthread_mutex_unlock(&store->lock);
    }
    sfs_dir_steps_free(&steps);
    return code;
}

/* Looks at the files, and shares the tree. */
static int begin(struct sfs_dir_store *store, struct sfs_batch *batch, struct sfs_dir_run *run,
                 struct sfs_error *error)
{
    int code = sfs_dir_enter(store, error);
    if (code)
        return code;
    code = sfs_dir_run_look(store, batch, error);
    run->run = (struct sfs_apply_run){.operations = &sfs_dir_run_operations,
                                      .sequence = ++store->used_sequence,
                                      .key_max = SFS_KEY_MAX,
                                      .next_id = store->last_id + 1};
    run->store = store;
    sfs_tree_share(&store->tree, &run->base);
    sfs_tree_share(&store->tree, &run->next);
    sfs_tree_init(&run->touched, &sfs_dir_counting);
    sfs_tree_init(&run->moved, &sfs_dir_counting);
    sfs_dir_leave(store);
    return code;
}

static int dir_apply(struct sfs_storage *storage, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, uint64_t *ret_sequence,
                     struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    struct sfs_dir_run run = {0};
    bool committed = false;
    pthread_mutex_lock(&store->writer);
    int code = begin(store, batch, &run, error);
    if (code == 0)
        code = run_batch(&run, batch, options, &committed, error);
    uint64_t sequence = run.run.sequence;
    sfs_dir_run_end(&run, committed);
    if (code == 0 && !committed) {
        pthread_mutex_lock(&store->lock);
        sequence = store->sequence; /* nothing has changed */
        pthread_mutex_unlock(&store->lock);
    }
    pthread_mutex_unlock(&store->writer);
    if (code == 0 && ret_sequence)
        *ret_sequence = sequence;
    return code;
}

/* --- what others did, and sync --- */

int sfs_dir_save(struct sfs_dir_store *store, struct sfs_error *error)
{
    struct sfs_dir_steps none = {0};
    bool committed = false;
    if (store->unsaved.count == 0)
        return 0;
    return commit_steps(store, &none, store->sequence, false, &committed, error);
}

static int dir_sync(struct sfs_storage *storage, uint64_t sequence, struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    (void)sequence;
    pthread_mutex_lock(&store->writer);
    int code = sfs_dir_files_check(store, error);
    if (code == 0)
        code = sfs_dir_enter(store, error);
    if (code == 0) {
        code = sfs_dir_save(store, error);
        sfs_dir_leave(store);
    }
    if (code == 0)
        code = sfs_dir_sync_fd(store, store->log, error);
    if (code == 0 && syncfs(store->root))
        code = sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot write '%s' to the disk",
                              store->path);
    pthread_mutex_unlock(&store->writer);
    return code;
}

const struct sfs_write_operations sfs_dir_writes = {dir_apply, sfs_dir_stage, dir_sync};
