/* SPDX-License-Identifier: MIT */
/*
 * What others changed of what a transaction depends on, for who must be told why it cannot commit: names
 * are compared with the store as it is, ranges and queries with the change feed since the snapshot.
 */
#include "txn/recorder.h"

struct teller {
    struct sfs_transaction *transaction;
    struct sfs_tree tree; /* the write set */
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

static int tell_written(struct teller *teller)
{
    struct sfs_tree_cursor position = sfs_tree_seek(&teller->tree, sfs_bytes(NULL, 0));
    const struct sfs_txn_entry *entry;
    int code = 0;
    while (code == 0 && (entry = sfs_tree_next(&position)))
        code = tell_name(teller, SFS_DEPENDS_WRITE, entry->name, entry->base, false);
    return code;
}

static int tell_read(void *context, struct sfs_bytes name, uint64_t number, bool id)
{
    struct teller *teller = context;
    if (sfs_tree_find(&teller->tree, name))
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

/* The feed tells the old record without its value, which a filter may ask for: the snapshot has it. */
static int tell_change(struct teller *teller, const struct sfs_change *change)
{
    const struct sfs_record *before = NULL;
    const struct sfs_record *after = NULL;
    struct sfs_conflict conflict = {.name = change->name, .found = change->revision};
    int code = sfs_get(teller->transaction->snapshot, change->name, SFS_WANT_VALUE, &before, NULL);
    if (code == SFS_E_NOT_FOUND)
        code = 0;
    if (code == 0)
        code = present(teller, change->name, SFS_WANT_VALUE, &after);
    conflict.expected = before ? before->revision : 0;
    if (code == 0)
        code = tell_range(teller, &conflict);
    if (code == 0)
        code = tell_query(teller, &conflict, before, after);
    sfs_record_unref(before);
    sfs_record_unref(after);
    return code;
}

/* A store without a feed, or whose feed does not reach back, leaves it at the names. */
static int tell_changes(struct teller *teller)
{
    struct sfs_transaction *transaction = teller->transaction;
    struct sfs_feed *feed;
    struct sfs_change change;
    if (sfs_changes(transaction->store, transaction->sequence, &feed, NULL))
        return 0;
    int code = 0;
    while (code == 0 && sfs_feed_next(feed, &change, NULL) == 1)
        code = tell_change(teller, &change);
    sfs_feed_close(feed);
    return code;
}

static int tell_all(struct teller *teller)
{
    struct sfs_transaction *transaction = teller->transaction;
    int code = tell_written(teller);
    if (code || !transaction->recorder)
        return code;
    code = sfs_txn_reads_each(&transaction->recorder->reads, tell_read, teller);
    return code ? code : tell_changes(teller);
}

int sfs_transaction_conflicts(struct sfs_transaction *transaction, sfs_conflict_function *visit,
                              void *context, struct sfs_error *error)
{
    struct teller teller = {
        .transaction = transaction, .visit = visit, .context = context, .error = error};
    int code = sfs_txn_use(transaction, false, error);
    if (code)
        return code;
    sfs_txn_share(transaction, &teller.tree);
    code = tell_all(&teller);
    sfs_tree_clear(&teller.tree);
    return code;
}
