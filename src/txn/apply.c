/* SPDX-License-Identifier: MIT */
/*
 * Applying a batch inside a transaction: it is executed on a share of the write set, and only when all
 * of it worked do the new tree and the operations take effect.
 */
#include <stdlib.h>

#include "txn/internal.h"

static void guard_free(struct sfs_txn_guard *guard)
{
    sfs_buffer_free(&guard->from);
    sfs_buffer_free(&guard->to);
}

void sfs_txn_cut(struct sfs_transaction *transaction, size_t operations, size_t contents,
                 size_t guards)
{
    sfs_batch_cut(transaction->operations, operations);
    while (transaction->content_count > contents)
        sfs_txn_content_unref(transaction->contents[--transaction->content_count]);
    while (transaction->guard_count > guards)
        guard_free(&transaction->guards[--transaction->guard_count]);
}

static int add_guard(struct sfs_transaction *transaction, enum sfs_precondition_kind kind,
                     struct sfs_range range, uint64_t number, struct sfs_error *error)
{
    struct sfs_txn_guard guard = {.kind = kind, .number = number};
    void *grown = reallocarray(transaction->guards, transaction->guard_count + 1, sizeof(guard));
    if (!grown)
        return sfs_fail_memory(error, "transaction");
    transaction->guards = grown;
    if (sfs_buffer_add(&guard.from, range.from) || sfs_buffer_add(&guard.to, range.to)) {
        guard_free(&guard);
        return sfs_fail_memory(error, "transaction");
    }
    transaction->guards[transaction->guard_count++] = guard;
    return 0;
}

/* An id that was looked up in the snapshot must be there at the commit; one that the transaction
 * itself put under the name is covered by the name's entry. */
static int guard_id(struct sfs_transaction *transaction, const struct sfs_txn_run *run,
                    const struct sfs_precondition *condition, struct sfs_error *error)
{
    const struct sfs_txn_entry *entry = sfs_tree_find(&run->view.tree, condition->range.from);
    if (entry && entry->state != SFS_TXN_GUARDED)
        return 0;
    return add_guard(transaction, SFS_REQUIRE_ID, condition->range, condition->number, error);
}

static int fail_filter(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                    "inside a transaction a batch cannot depend on a filter");
}

/* Under snapshot isolation: the snapshot had it so, and what the snapshot had must not change. */
static int guard_condition(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                           const struct sfs_precondition *condition, struct sfs_error *error)
{
    switch (condition->kind) {
    case SFS_REQUIRE_ABSENT:
    case SFS_REQUIRE_REVISION:
        return sfs_txn_run_guard(run, condition->range.from, error);
    case SFS_REQUIRE_ID:
        return guard_id(transaction, run, condition, error);
    case SFS_REQUIRE_EMPTY:
    case SFS_REQUIRE_UNCHANGED:
        return add_guard(transaction, SFS_REQUIRE_UNCHANGED, condition->range,
                         transaction->sequence, error);
    case SFS_REQUIRE_NO_MATCH:
        return fail_filter(error);
    case SFS_REQUIRE_LEASE:
        break;
    }
    return 0;
}

/* Names that the transaction itself removed are in the way of "empty" no more: the rest of the range
 * must be. */
static int guard_empty(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                       struct sfs_range range, struct sfs_error *error)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&run->view.tree, range.from);
    struct sfs_buffer behind = {0};
    struct sfs_bytes from = range.from;
    const struct sfs_txn_entry *entry;
    int code = 0;
    while (code == 0 && (entry = sfs_tree_next(&position)) && sfs_range_has(range, entry->name)) {
        if (sfs_bytes_compare(from, entry->name) < 0)
            code = add_guard(transaction, SFS_REQUIRE_EMPTY,
                             (struct sfs_range){from, entry->name}, 0, error);
        behind.size = 0;
        if (sfs_buffer_add(&behind, entry->name) || sfs_buffer_byte(&behind, '\0'))
            code = sfs_fail_memory(error, "transaction");
        from = sfs_buffer_bytes(&behind);
    }
    if (code == 0 && (range.to.size == 0 || sfs_bytes_compare(from, range.to) < 0))
        code = add_guard(transaction, SFS_REQUIRE_EMPTY, (struct sfs_range){from, range.to}, 0,
                         error);
    sfs_buffer_free(&behind);
    return code;
}

static int guard_unchanged(struct sfs_transaction *transaction,
                           const struct sfs_precondition *condition, struct sfs_error *error)
{
    if (condition->number >= SFS_TXN_PROVISIONAL)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                        "a read-committed transaction does not know what others changed since it "
                        "began to write");
    return add_guard(transaction, SFS_REQUIRE_UNCHANGED, condition->range, condition->number,
                     error);
}

/* Under read committed only what was required is required of the store, and in the same words. Names
 * that the transaction wrote itself were judged by that. */
static int guard_live(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                      const struct sfs_precondition *condition, struct sfs_error *error)
{
    bool own = sfs_tree_find(&run->view.tree, condition->range.from) != NULL;
    switch (condition->kind) {
    case SFS_REQUIRE_ABSENT:
        return own ? 0 : add_guard(transaction, SFS_REQUIRE_REVISION, condition->range, 0, error);
    case SFS_REQUIRE_REVISION:
    case SFS_REQUIRE_ID:
        return own ? 0
                   : add_guard(transaction, condition->kind, condition->range, condition->number,
                               error);
    case SFS_REQUIRE_EMPTY:
        return guard_empty(transaction, run, condition->range, error);
    case SFS_REQUIRE_UNCHANGED:
        return guard_unchanged(transaction, condition, error);
    case SFS_REQUIRE_NO_MATCH:
        return fail_filter(error);
    case SFS_REQUIRE_LEASE:
        break;
    }
    return 0;
}

/* What was required here must hold in the store at the commit too. Before the run, so that names
 * which it is about to change can be told from those that were changed earlier. */
static int guard_preconditions(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                               const struct sfs_batch *batch, struct sfs_error *error)
{
    size_t count;
    const struct sfs_precondition *conditions = sfs_batch_preconditions(batch, &count);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = run->view.live ? guard_live(transaction, run, &conditions[i], error)
                              : guard_condition(transaction, run, &conditions[i], error);
    return code;
}

static bool is_ranged(enum sfs_operation_kind kind)
{
    return kind == SFS_OPERATION_RENAME_PREFIX || kind == SFS_OPERATION_EXCHANGE_PREFIX ||
           kind == SFS_OPERATION_CLEAR_RANGE;
}

/* Names that an operation looked up and left as they were, such as one deleted that was not there:
 * replayed later it must find them so again. */
static int guard_operations(struct sfs_txn_run *run, struct sfs_batch *batch,
                            struct sfs_error *error)
{
    size_t count;
    const struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    int code = 0;
    /* Under read committed the operations alone decide, and they ask for what they need. */
    if (run->view.live)
        return 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        const struct sfs_operation *operation = &operations[i];
        bool two = operation->kind == SFS_OPERATION_RENAME ||
                   operation->kind == SFS_OPERATION_EXCHANGE;
        if (!is_ranged(operation->kind))
            code = sfs_txn_run_guard(run, operation->name, error);
        if (code == 0 && two)
            code = sfs_txn_run_guard(run, operation->target, error);
    }
    return code;
}

/* The operations of the write set name the stages of the store below, which is where they will be
 * put, and the transaction keeps these alive. */
static int keep_stages(struct sfs_transaction *transaction, struct sfs_txn_run *run, size_t first,
                       struct sfs_error *error)
{
    size_t count;
    size_t next = 0;
    size_t wanted = transaction->content_count + run->content_count;
    void *grown = reallocarray(transaction->contents, wanted + 1, sizeof(*transaction->contents));
    if (!grown)
        return sfs_fail_memory(error, "transaction");
    transaction->contents = grown;
    struct sfs_operation *operations = sfs_batch_operations(transaction->operations, &count);
    for (size_t i = first; i < count; i++) {
        if (!operations[i].stage)
            continue;
        if (next == run->content_count)
            return sfs_fail(error, SFS_E_INVALID, "transaction", "a staged value was not put");
        struct sfs_txn_content *content = sfs_txn_content_ref(run->contents[next++]);
        operations[i].stage = sfs_txn_content_stage(content);
        transaction->contents[transaction->content_count++] = content;
    }
    return 0;
}

static void spend_stages(struct sfs_batch *batch)
{
    size_t count;
    struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    for (size_t i = 0; i < count; i++) {
        if (operations[i].stage)
            sfs_txn_stage_spend(operations[i].stage);
    }
}

static int execute(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                   struct sfs_batch *batch, struct sfs_error *error)
{
    size_t first = sfs_batch_size(transaction->operations);
    int code = guard_preconditions(transaction, run, batch, error);
    if (code == 0)
        code = sfs_batch_add_operations(transaction->operations, batch, error);
    if (code == 0)
        code = sfs_txn_run(run, batch, error);
    if (code == 0)
        code = guard_operations(run, batch, error);
    return code ? code : keep_stages(transaction, run, first, error);
}

int sfs_txn_apply(struct sfs_transaction *transaction, struct sfs_batch *batch,
                  uint64_t *ret_sequence, struct sfs_error *error)
{
    size_t operations = sfs_batch_size(transaction->operations);
    size_t contents = transaction->content_count;
    size_t guards = transaction->guard_count;
    uint64_t base = transaction->last_revision;
    struct sfs_txn_run run = {
        .run.sequence = (base > SFS_TXN_PROVISIONAL ? base : SFS_TXN_PROVISIONAL) + 1,
        .run.key_max = sfs_storage_key_max(&transaction->storage.storage),
        .view.base = transaction->base,
        .view.live = sfs_txn_is_live(transaction),
        .store = transaction->store,
        .last_id = &transaction->last_id,
        .rolled_back = transaction->rolled_back,
    };
    sfs_txn_share(transaction, &run.view.tree);
    int code = execute(transaction, &run, batch, error);
    if (code) {
        sfs_txn_cut(transaction, operations, contents, guards);
    } else {
        spend_stages(batch);
        sfs_txn_publish(transaction, &run.view.tree, run.run.sequence);
        *ret_sequence = run.run.sequence;
    }
    sfs_txn_run_clear(&run);
    return code;
}
