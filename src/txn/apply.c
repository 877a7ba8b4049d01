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

struct sfs_txn_lengths sfs_txn_lengths(const struct sfs_transaction *transaction)
{
    return (struct sfs_txn_lengths){
        .operations = sfs_batch_size(transaction->operations),
        .contents = transaction->content_count,
        .guards = transaction->guard_count,
        .versions = transaction->version_count,
    };
}

void sfs_txn_cut(struct sfs_transaction *transaction, struct sfs_txn_lengths lengths)
{
    sfs_batch_cut(transaction->operations, lengths.operations);
    while (transaction->content_count > lengths.contents)
        sfs_txn_content_unref(transaction->contents[--transaction->content_count]);
    while (transaction->guard_count > lengths.guards)
        guard_free(&transaction->guards[--transaction->guard_count]);
    while (transaction->version_count > lengths.versions)
        sfs_txn_writes_clear(&transaction->versions[--transaction->version_count].before);
}

/* Takes the guard's numbers and rule as they are, and copies the range. */
static int keep_guard(struct sfs_transaction *transaction, struct sfs_txn_guard guard,
                      struct sfs_range range, struct sfs_error *error)
{
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

static int add_guard(struct sfs_transaction *transaction, enum sfs_precondition_kind kind,
                     struct sfs_range range, uint64_t number, struct sfs_error *error)
{
    struct sfs_txn_guard guard = {.kind = kind, .number = number};
    return keep_guard(transaction, guard, range, error);
}

/* A name whose state in the view is the transaction's own doing. */
static bool is_own(const struct sfs_txn_run *run, struct sfs_bytes name)
{
    const struct sfs_txn_writes *writes = &run->view.writes;
    const struct sfs_txn_entry *entry = sfs_tree_find(&writes->entries, name);
    return (entry && entry->state != SFS_TXN_GUARDED) || sfs_txn_map_find(&writes->map, name);
}

/* An id that was looked up in the snapshot must be there at the commit; one that the transaction
 * itself put under the name is covered by the name's entry, or the range that it moved. */
static int guard_id(struct sfs_transaction *transaction, const struct sfs_txn_run *run,
                    const struct sfs_precondition *condition, struct sfs_error *error)
{
    if (is_own(run, condition->range.from))
        return 0;
    return add_guard(transaction, SFS_REQUIRE_ID, condition->range, condition->number, error);
}

/* That others changed nothing that the filter takes is asked of the store at the commit. A number
 * that the transaction gave itself says nothing of others: they are asked since the snapshot. */
static int guard_filter(struct sfs_transaction *transaction,
                        const struct sfs_precondition *condition, struct sfs_error *error)
{
    bool own = condition->number >= SFS_TXN_PROVISIONAL;
    struct sfs_txn_guard guard = {.kind = SFS_REQUIRE_NO_MATCH,
                                  .number = own ? transaction->sequence : condition->number,
                                  .matches = condition->matches,
                                  .context = condition->context};
    return keep_guard(transaction, guard, (struct sfs_range){0}, error);
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
        return guard_filter(transaction, condition, error);
    case SFS_REQUIRE_LEASE:
        break;
    }
    return 0;
}

/* Of names that stand for themselves. Those that the transaction itself removed are in the way of
 * "empty" no more: the rest of the range must be. */
static int guard_plain_empty(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                             struct sfs_range range, struct sfs_error *error)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&run->view.writes.entries, range.from);
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

/* Ranges that the transaction moved or cleared are judged by that. */
static int guard_empty(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                       struct sfs_range range, struct sfs_error *error)
{
    const struct sfs_txn_piece *piece;
    struct sfs_range part;
    int code = 0;
    while (code == 0 && sfs_txn_map_part(&run->view.writes.map, range, &piece, &part)) {
        if (!piece)
            code = guard_plain_empty(transaction, run, part, error);
        if (!sfs_txn_map_behind(part, &range))
            break;
    }
    return code;
}

static int refuse_number(uint64_t number, struct sfs_error *error)
{
    if (number < SFS_TXN_PROVISIONAL)
        return 0;
    return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                    "a read-committed transaction does not know what others changed since it "
                    "began to write");
}

static int guard_unchanged(struct sfs_transaction *transaction,
                           const struct sfs_precondition *condition, struct sfs_error *error)
{
    int code = refuse_number(condition->number, error);
    return code ? code
                : add_guard(transaction, SFS_REQUIRE_UNCHANGED, condition->range,
                            condition->number, error);
}

/* Under read committed only what was required is required of the store, and in the same words. Names
 * that the transaction wrote itself were judged by that. */
static int guard_live(struct sfs_transaction *transaction, struct sfs_txn_run *run,
                      const struct sfs_precondition *condition, struct sfs_error *error)
{
    bool own = is_own(run, condition->range.from);
    int code;
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
        code = refuse_number(condition->number, error);
        return code ? code : guard_filter(transaction, condition, error);
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

/* The state before a batch that changed whole ranges, which tells later what it changed. */
static int keep_version(struct sfs_transaction *transaction, const struct sfs_txn_run *run,
                        size_t first, struct sfs_error *error)
{
    struct sfs_txn_version *version;
    void *grown =
        reallocarray(transaction->versions, transaction->version_count + 1, sizeof(*version));
    if (!grown)
        return sfs_fail_memory(error, "transaction");
    transaction->versions = grown;
    version = &transaction->versions[transaction->version_count++];
    version->sequence = run->run.sequence;
    version->first = first;
    version->last = sfs_batch_size(transaction->operations);
    sfs_txn_writes_share(&run->before, &version->before);
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
    if (code == 0)
        code = keep_stages(transaction, run, first, error);
    return code || !run->ranged ? code : keep_version(transaction, run, first, error);
}

int sfs_txn_apply(struct sfs_transaction *transaction, struct sfs_batch *batch,
                  uint64_t *ret_sequence, struct sfs_error *error)
{
    struct sfs_txn_lengths lengths = sfs_txn_lengths(transaction);
    uint64_t base = transaction->last_revision;
    struct sfs_txn_run run = {
        .run.sequence = (base > SFS_TXN_PROVISIONAL ? base : SFS_TXN_PROVISIONAL) + 1,
        .run.key_max = sfs_storage_key_max(&transaction->storage.storage),
        .view.base = transaction->base,
        .view.live = sfs_txn_is_live(transaction),
        .transaction = transaction,
        .store = transaction->store,
        .last_id = &transaction->last_id,
    };
    sfs_txn_share(transaction, &run.view.writes);
    int code = execute(transaction, &run, batch, error);
    if (code) {
        sfs_txn_cut(transaction, lengths);
    } else {
        spend_stages(batch);
        sfs_txn_publish(transaction, &run.view.writes, run.run.sequence);
        *ret_sequence = run.run.sequence;
    }
    sfs_txn_run_clear(&run);
    return code;
}
