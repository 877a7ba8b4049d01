/* SPDX-License-Identifier: MIT */
/*
 * Commit: the operations of the write set as one batch, under the preconditions of the isolation
 * level: that what the batches required still holds (read committed), that all names they depend on
 * are as the snapshot had them (snapshot), and so is all that was read (serializable).
 */
#include <stdlib.h>
#include <time.h>

#include "txn/recorder.h"

/* How often a commit is tried where the engine's lock is held: 5 and 10 ms between, beside the
 * engine's own patience. */
#define BUSY_TRIES 3

/* Ranges that must be unchanged; their bounds lie in `bounds`, two for each. */
struct ranges {
    struct sfs_range *items;
    struct sfs_buffer *bounds;
    size_t count;
};

static void ranges_free(struct ranges *ranges)
{
    for (size_t i = 0; i < ranges->count; i++)
        sfs_buffer_free(&ranges->bounds[i]);
    free(ranges->items);
    free(ranges->bounds);
}

static int ranges_grow(struct ranges *ranges, struct sfs_error *error)
{
    if (ranges->count & (ranges->count - 1))
        return 0; /* room is doubled at each power of two */
    size_t wanted = ranges->count ? ranges->count * 2 : 1;
    void *items = reallocarray(ranges->items, wanted, sizeof(*ranges->items));
    if (items)
        ranges->items = items;
    void *bounds = reallocarray(ranges->bounds, wanted, sizeof(*ranges->bounds));
    if (bounds)
        ranges->bounds = bounds;
    return items && bounds ? 0 : sfs_fail_memory(error, "transaction");
}

static int add_range(struct ranges *ranges, struct sfs_range range, struct sfs_error *error)
{
    int code = ranges_grow(ranges, error);
    if (code)
        return code;
    ranges->bounds[ranges->count] = (struct sfs_buffer){0};
    ranges->items[ranges->count++] = range;
    return 0;
}

static int add_prefix(struct ranges *ranges, struct sfs_bytes prefix, struct sfs_error *error)
{
    int code = add_range(ranges, (struct sfs_range){0}, error);
    size_t last = ranges->count - 1;
    if (code == 0 && sfs_range_prefix(prefix, &ranges->bounds[last], &ranges->items[last]))
        code = sfs_fail_memory(error, "transaction");
    return code;
}

static int collect_ranges(const struct sfs_transaction *transaction, struct ranges *ranges,
                          struct sfs_error *error)
{
    size_t count;
    const struct sfs_operation *operations = sfs_batch_operations(transaction->operations, &count);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        const struct sfs_operation *operation = &operations[i];
        if (operation->kind == SFS_OPERATION_CLEAR_RANGE)
            code = add_range(ranges, (struct sfs_range){operation->name, operation->target}, error);
        if (operation->kind != SFS_OPERATION_RENAME_PREFIX &&
            operation->kind != SFS_OPERATION_EXCHANGE_PREFIX)
            continue;
        code = add_prefix(ranges, operation->name, error);
        if (code == 0)
            code = add_prefix(ranges, operation->target, error);
    }
    return code;
}

static bool is_covered(const struct ranges *ranges, struct sfs_bytes name)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (sfs_range_has(ranges->items[i], name))
            return true;
    }
    return false;
}

static int require_names(struct sfs_transaction *transaction, const struct ranges *ranges,
                         struct sfs_batch *batch, struct sfs_error *error)
{
    struct sfs_txn_writes writes;
    sfs_txn_share(transaction, &writes);
    struct sfs_tree_cursor position = sfs_tree_seek(&writes.entries, sfs_bytes(NULL, 0));
    const struct sfs_txn_entry *entry;
    int code = 0;
    while (code == 0 && (entry = sfs_tree_next(&position))) {
        if (!is_covered(ranges, entry->name))
            code = sfs_batch_require_revision(batch, entry->name, entry->base, error);
    }
    if (code == 0 && transaction->recorder)
        code = sfs_txn_reads_require(&transaction->recorder->reads, &writes.entries,
                                     transaction->sequence, batch, error);
    sfs_txn_writes_clear(&writes);
    return code;
}

static int require_guard(const struct sfs_txn_guard *guard, struct sfs_batch *batch,
                         struct sfs_error *error)
{
    struct sfs_range range = {sfs_buffer_bytes(&guard->from), sfs_buffer_bytes(&guard->to)};
    switch (guard->kind) {
    case SFS_REQUIRE_REVISION:
        return sfs_batch_require_revision(batch, range.from, guard->number, error);
    case SFS_REQUIRE_ID:
        return sfs_batch_require_id(batch, range.from, guard->number, error);
    case SFS_REQUIRE_EMPTY:
        return sfs_batch_require_empty(batch, range, error);
    case SFS_REQUIRE_UNCHANGED:
        return sfs_batch_require_unchanged(batch, range, guard->number, error);
    case SFS_REQUIRE_NO_MATCH:
        return sfs_batch_require_no_match(batch, guard->number, guard->matches, guard->context,
                                          error);
    default:
        return sfs_fail(error, SFS_E_INVALID, "transaction", "a precondition was kept in no form");
    }
}

static int require_guards(const struct sfs_transaction *transaction, struct sfs_batch *batch,
                          struct sfs_error *error)
{
    int code = 0;
    for (size_t i = 0; i < transaction->guard_count && code == 0; i++)
        code = require_guard(&transaction->guards[i], batch, error);
    return code;
}

static int require_snapshot(struct sfs_transaction *transaction, struct sfs_batch *batch,
                            struct sfs_error *error)
{
    struct ranges ranges = {0};
    int code = collect_ranges(transaction, &ranges, error);
    if (code == 0)
        code = require_names(transaction, &ranges, batch, error);
    for (size_t i = 0; i < ranges.count && code == 0; i++)
        code = sfs_batch_require_unchanged(batch, ranges.items[i], transaction->sequence, error);
    ranges_free(&ranges);
    return code;
}

/* The lease comes first: without it nothing is known of what changed. */
static int add_preconditions(struct sfs_transaction *transaction, struct sfs_batch *batch,
                             struct sfs_error *error)
{
    uint64_t lease = transaction->snapshot ? sfs_snapshot_lease(transaction->snapshot) : 0;
    int code = lease ? sfs_batch_require_lease(batch, lease, error) : 0;
    if (code == 0)
        code = require_guards(transaction, batch, error);
    if (code == 0 && !sfs_txn_is_live(transaction))
        code = require_snapshot(transaction, batch, error);
    return code;
}

/* Changes made under read committed may find the store otherwise than when they were made: that is
 * somebody else's commit as well. */
static int judge(const struct sfs_transaction *transaction, int code, struct sfs_error *error)
{
    if (!sfs_txn_is_live(transaction) ||
        !(code == SFS_E_NOT_FOUND || code == SFS_E_EXISTS || code == SFS_E_NOT_EMPTY ||
          code == SFS_E_NAME_TOO_LONG || code == SFS_E_NO_ATTRIBUTE))
        return code;
    if (error)
        error->code = SFS_E_CONFLICT;
    return sfs_error_context(error, SFS_E_CONFLICT, "what a change needs was changed by another");
}

/* An engine's own lock, held by another process, is waited for a while; then it is a conflict like
 * any other, except that the commit can be tried again. */
static int apply_patiently(struct sfs_transaction *transaction, struct sfs_batch *batch,
                           uint64_t *ret_sequence, struct sfs_error *error)
{
    struct sfs_apply_options options = {.durable = transaction->options.durable};
    if (transaction->snapshot)
        options.released_lease = sfs_snapshot_lease(transaction->snapshot);
    struct timespec pause = {.tv_nsec = 5000000};
    int code = sfs_apply(transaction->store, batch, &options, ret_sequence, error);
    for (int tried = 1; code == SFS_E_BUSY && tried < BUSY_TRIES; tried++) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        pause.tv_nsec *= 2;
        code = sfs_apply(transaction->store, batch, &options, ret_sequence, error);
    }
    return code;
}

static int apply_all(struct sfs_transaction *transaction, uint64_t *ret_sequence,
                     struct sfs_error *error)
{
    struct sfs_batch *batch;
    int code = sfs_batch_new(&batch, error);
    if (code)
        return code;
    code = sfs_batch_add_operations(batch, transaction->operations, error);
    if (code == 0)
        code = add_preconditions(transaction, batch, error);
    if (code == 0)
        code = judge(transaction, apply_patiently(transaction, batch, ret_sequence, error), error);
    sfs_batch_free(batch);
    return code;
}

/* What will be so at every further commit too; after another failure (no space, say) the commit can
 * be tried again. */
static bool is_final(int code)
{
    return code == SFS_E_CONFLICT || code == SFS_E_EXPIRED || code == SFS_E_TOO_OLD;
}

static void settle(struct sfs_transaction *transaction, int code, const struct sfs_error *failure)
{
    pthread_mutex_lock(&transaction->lock);
    if (code == 0) {
        transaction->state = SFS_COMMITTED;
    } else if (is_final(code)) {
        transaction->state = SFS_FAILED;
        transaction->failure = *failure;
    }
    pthread_mutex_unlock(&transaction->lock);
}

static int commit(struct sfs_transaction *transaction, uint64_t *ret_sequence,
                  struct sfs_error *error)
{
    uint64_t sequence = transaction->sequence;
    struct sfs_error failure;
    int code = sfs_txn_use(transaction, true, error);
    if (code)
        return code;
    if (sfs_batch_size(transaction->operations) > 0)
        code = apply_all(transaction, &sequence, &failure);
    settle(transaction, code, &failure);
    if (code == SFS_E_BUSY) {
        failure.code = SFS_E_CONFLICT;
        code = sfs_error_context(&failure, SFS_E_CONFLICT, "the commit can be tried again");
    }
    if (code && error)
        *error = failure;
    if (code == 0 && ret_sequence)
        *ret_sequence = sequence;
    return code;
}

int sfs_commit(struct sfs_transaction *transaction, uint64_t *ret_sequence, struct sfs_error *error)
{
    pthread_mutex_lock(&transaction->writer);
    int code = commit(transaction, ret_sequence, error);
    pthread_mutex_unlock(&transaction->writer);
    return code;
}
