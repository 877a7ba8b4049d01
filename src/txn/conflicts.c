/* SPDX-License-Identifier: MIT */
/*
 * What others changed of what a transaction depends on, for who must be told why it cannot commit: names
 * are compared with the store as it is; ranges and queries by comparing the snapshot with it, which asks
 * nothing of the store but that it still has both.
 */
#include "txn/recorder.h"

struct teller {
    struct sfs_transaction *transaction;
    struct sfs_txn_writes writes;
    sfs_conflict_function *visit;
    void *context;
    struct sfs_error *error;
};

/* The record that the store has of a name now, with its value or without; NULL: none. */
static int present(struct teller *teller, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record)
{
    struct sfs_error failure;
    int code = sfs_get(teller->transaction->store, name, want, ret_record, &failure);
    if (code == 0 || code == SFS_E_NOT_FOUND)
        return 0;
    if (teller->error)
        *teller->error = failure;
    return code;
}

/* `number`: the revision that must be there, or (`id`) the number of the record. */
static int tell_name(struct teller *teller, enum sfs_dependence kind, struct sfs_bytes name,
                     uint64_t number, bool id)
{
    const struct sfs_record *record = NULL;
    const struct sfs_record *seen = NULL;
    struct sfs_conflict conflict = {.kind = kind, .name = name, .expected = number};
    int code = present(teller, name, SFS_WANT_RECORD, &record);
    if (code)
        return code;
    conflict.found = record ? record->revision : 0;
    bool same = number == (record && id ? record->attributes.id : conflict.found);
    sfs_record_unref(record);
    if (!same && id && sfs_get(teller->transaction->snapshot, name, SFS_WANT_RECORD, &seen, NULL) == 0)
        conflict.expected = seen->revision;
    sfs_record_unref(seen);
    return same ? 0 : teller->visit(teller->context, &conflict);
}

static bool operation_covers(const struct sfs_operation *operation, struct sfs_bytes name)
{
    switch (operation->kind) {
    case SFS_OPERATION_CLEAR_RANGE:
        return sfs_range_has((struct sfs_range){operation->name, operation->target}, name);
    case SFS_OPERATION_RENAME_PREFIX:
    case SFS_OPERATION_EXCHANGE_PREFIX:
        return sfs_bytes_starts(name, operation->name) || sfs_bytes_starts(name, operation->target);
    default:
        return false;
    }
}

/* Whether the name lies in a range that the transaction renamed, exchanged or cleared. */
static bool is_in_written_range(struct sfs_transaction *transaction, struct sfs_bytes name)
{
    bool covered = false;
    size_t count;
    pthread_mutex_lock(&transaction->writer);
    const struct sfs_operation *operations = sfs_batch_operations(transaction->operations, &count);
    for (size_t i = 0; i < count && !covered; i++)
        covered = operation_covers(&operations[i], name);
    pthread_mutex_unlock(&transaction->writer);
    return covered;
}

static int tell_written(struct teller *teller)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&teller->writes.entries, sfs_bytes(NULL, 0));
    const struct sfs_txn_entry *entry;
    int code = 0;
    while (code == 0 && (entry = sfs_tree_next(&position))) {
        if (!is_in_written_range(teller->transaction, entry->name))
            code = tell_name(teller, SFS_DEPENDS_WRITE, entry->name, entry->base, false);
    }
    return code;
}

static int tell_read(void *context, struct sfs_bytes name, uint64_t number, bool id)
{
    struct teller *teller = context;
    if (sfs_tree_find(&teller->writes.entries, name))
        return 0;
    return tell_name(teller, SFS_DEPENDS_READ, name, number, id);
}

static int tell_range(struct teller *teller, struct sfs_conflict *conflict)
{
    struct sfs_buffer from = {0};
    struct sfs_buffer to = {0};
    int found = sfs_txn_reads_find_range(&teller->transaction->recorder->reads, conflict->name, &from,
                                         &to);
    if (found == 1) {
        conflict->kind = SFS_DEPENDS_RANGE;
        conflict->range = (struct sfs_range){sfs_buffer_bytes(&from), sfs_buffer_bytes(&to)};
        found = teller->visit(teller->context, conflict);
    }
    sfs_buffer_free(&from);
    sfs_buffer_free(&to);
    return found;
}

static int tell_query(struct teller *teller, struct sfs_conflict *conflict,
                      const struct sfs_record *before, const struct sfs_record *after)
{
    struct sfs_buffer query = {0};
    int found = sfs_txn_reads_find_query(&teller->transaction->recorder->reads, before, after, &query);
    if (found == 1) {
        conflict->kind = SFS_DEPENDS_QUERY;
        conflict->query = sfs_buffer_bytes(&query);
        found = teller->visit(teller->context, conflict);
    }
    sfs_buffer_free(&query);
    return found;
}

/* --- ranges and queries --- */

/* The record with its value, which a filter may ask for; NULL: none. */
static int load(struct teller *teller, struct sfs_storage *store, const struct sfs_record *shown,
                const struct sfs_record **ret_record)
{
    struct sfs_error failure;
    int code = shown ? sfs_get(store, shown->name, SFS_WANT_VALUE, ret_record, &failure) : 0;
    if (code == 0 || code == SFS_E_NOT_FOUND)
        return 0;
    if (teller->error)
        *teller->error = failure;
    return code;
}

static int tell_change(struct teller *teller, const struct sfs_record *before,
                       const struct sfs_record *after)
{
    struct sfs_transaction *transaction = teller->transaction;
    const struct sfs_record *old = NULL;
    const struct sfs_record *new = NULL;
    struct sfs_conflict conflict = {.kind = SFS_DEPENDS_WRITE,
                                    .name = before ? before->name : after->name,
                                    .expected = before ? before->revision : 0,
                                    .found = after ? after->revision : 0};
    int code = 0;
    if (is_in_written_range(transaction, conflict.name))
        code = teller->visit(teller->context, &conflict);
    if (code || !transaction->recorder)
        return code;
    code = load(teller, transaction->snapshot, before, &old);
    if (code == 0)
        code = load(teller, transaction->store, after, &new);
    if (code == 0)
        code = tell_range(teller, &conflict);
    if (code == 0)
        code = tell_query(teller, &conflict, old, new);
    sfs_record_unref(old);
    sfs_record_unref(new);
    return code;
}

/* Walks two scans side by side. */
static int compare(struct teller *teller, struct sfs_cursor *before, struct sfs_cursor *after)
{
    const struct sfs_record *old = NULL;
    const struct sfs_record *new = NULL;
    int olds = sfs_cursor_next(before, &old, teller->error);
    int news = sfs_cursor_next(after, &new, teller->error);
    int code = 0;
    while (olds >= 0 && news >= 0 && (olds > 0 || news > 0) && code == 0) {
        int order = olds == 0 ? 1 : news == 0 ? -1 : sfs_bytes_compare(old->name, new->name);
        if (order != 0 || old->revision != new->revision)
            code = tell_change(teller, order <= 0 ? old : NULL, order >= 0 ? new : NULL);
        if (order <= 0)
            olds = sfs_cursor_next(before, &old, teller->error);
        if (order >= 0)
            news = sfs_cursor_next(after, &new, teller->error);
    }
    if (code)
        return code;
    return olds < 0 ? olds : news;
}

static int tell_changes(struct teller *teller)
{
    struct sfs_cursor *before = NULL;
    struct sfs_cursor *after = NULL;
    struct sfs_range all = {0};
    int code = sfs_scan(teller->transaction->snapshot, all, SFS_WANT_RECORD, &before, teller->error);
    if (code == 0)
        code = sfs_scan(teller->transaction->store, all, SFS_WANT_RECORD, &after, teller->error);
    if (code == 0)
        code = compare(teller, before, after);
    sfs_cursor_close(before);
    sfs_cursor_close(after);
    return code;
}

static bool has_ranges(struct sfs_transaction *transaction)
{
    bool found = false;
    size_t count;
    pthread_mutex_lock(&transaction->writer);
    const struct sfs_operation *operations = sfs_batch_operations(transaction->operations, &count);
    for (size_t i = 0; i < count && !found; i++)
        found = operations[i].kind >= SFS_OPERATION_RENAME_PREFIX;
    pthread_mutex_unlock(&transaction->writer);
    return found;
}

static int tell_all(struct teller *teller)
{
    struct sfs_transaction *transaction = teller->transaction;
    int code = tell_written(teller);
    if (code == 0 && transaction->recorder)
        code = sfs_txn_reads_each(&transaction->recorder->reads, tell_read, teller);
    if (code || !transaction->snapshot)
        return code;
    return transaction->recorder || has_ranges(transaction) ? tell_changes(teller) : 0;
}

int sfs_transaction_conflicts(struct sfs_transaction *transaction, sfs_conflict_function *visit,
                              void *context, struct sfs_error *error)
{
    struct teller teller = {
        .transaction = transaction, .visit = visit, .context = context, .error = error};
    int code = sfs_txn_use(transaction, false, error);
    if (code)
        return code;
    sfs_txn_share(transaction, &teller.writes);
    code = tell_all(&teller);
    sfs_txn_writes_clear(&teller.writes);
    return code;
}
