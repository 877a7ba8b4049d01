/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_INDEX_H
#define SFS_SQLITE_INDEX_H

/*
 * Secondary indexes in SQLite: a row of `entry` for each key of the store and each index, in the
 * order of K and name, with the record's number. Definitions are in `index_definition`, with the
 * sequence numbers from which on (begun, ready) and up to which (ended) they are there: making and
 * dropping an index counts as a commit, so that a snapshot's sequence number says which it has.
 * Every write transaction reads the number of the last such commit with the counters (0: there
 * never was an index), so that a store without indexes pays nothing.
 *
 * A snapshot at S reads the present entries of names that have not changed since S, and in place of
 * the others what history has of them (index_past.c). An index that was dropped keeps its entries,
 * which nobody changes any more, until no snapshot is older.
 */
#include "backends/sqlite/internal.h"
#include "util/tree.h"

/* --- definitions (index.c) --- */

/* The set as of a sequence number (INT64_MAX: the present one), read in a read transaction of the
 * connection, or taken from what is known; *ret_set is the caller's. */
int sfs_sqlite_index_set_at(struct sfs_sqlite_connection *connection, int64_t sequence,
                            struct sfs_index_set **ret_set, struct sfs_error *error);
/* The present set inside a write transaction. */
int sfs_sqlite_index_set_in(const struct sfs_sqlite_transaction *transaction,
                            struct sfs_index_set **ret_set, struct sfs_error *error);

struct sfs_sqlite_index_row {
    int64_t entries;
    int64_t bytes;
    int64_t inexact;
    int64_t seen; /* by who builds it */
    int64_t keys; /* of the store */
    int64_t records;
    bool ready;
    bool ended;
};
/* NOT_FOUND: it was dropped, and is of use to nobody any more. */
int sfs_sqlite_index_row(struct sfs_sqlite_connection *connection, const struct sfs_index *index,
                         struct sfs_sqlite_index_row *ret_row, struct sfs_error *error);
int sfs_sqlite_index_gone(const struct sfs_index *index, struct sfs_error *error);

void sfs_sqlite_index_known_clear(struct sfs_sqlite_known *known);

/* --- what a batch changes (index_apply.c) --- */

/* Writes what was counted; or only forgets it, where the batch is rolled back. */
int sfs_sqlite_index_flush(struct sfs_sqlite_run *run, struct sfs_error *error);
void sfs_sqlite_index_forget(struct sfs_sqlite_run *run);
/* Among the operations of a run. */
int sfs_sqlite_index_add(struct sfs_apply_run *base, const struct sfs_index *index,
                         struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error);
int sfs_sqlite_index_remove(struct sfs_apply_run *base, const struct sfs_index *index,
                            struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error);
int sfs_sqlite_index_find(struct sfs_apply_run *base, const struct sfs_index *index,
                          struct sfs_bytes key, struct sfs_bytes after, struct sfs_buffer *ret_name,
                          struct sfs_error *error);
int sfs_sqlite_index_move_prefix(struct sfs_apply_run *base, const struct sfs_index *index,
                                 struct sfs_bytes from, struct sfs_bytes to,
                                 struct sfs_error *error);
int sfs_sqlite_index_clear(struct sfs_apply_run *base, const struct sfs_index *index,
                           struct sfs_range range, struct sfs_error *error);

/* --- the past (index_past.c) --- */

/* An entry of the past, or (with key_size 0) only a name that has changed. */
struct sfs_sqlite_index_entry {
    atomic_size_t references;
    size_t key_size;
    size_t size;
    char bytes[]; /* K, then the name */
};
static inline struct sfs_bytes sfs_sqlite_entry_key(const struct sfs_sqlite_index_entry *entry)
{
    return sfs_bytes(entry->bytes, entry->key_size);
}
static inline struct sfs_bytes sfs_sqlite_entry_name(const struct sfs_sqlite_index_entry *entry)
{
    return sfs_bytes(entry->bytes + entry->key_size, entry->size - entry->key_size);
}

/* What one index was at a snapshot, as far as that is not what it is now: up to a row of history.
 */
struct sfs_sqlite_past {
    struct sfs_tree changed; /* names, each with its entry */
    struct sfs_tree entries; /* those that were there, by K and name */
    int64_t inexact;
    int64_t sequence;       /* of the last row of history looked at … */
    struct sfs_buffer name; /* … and its name */
};
void sfs_sqlite_past_clear(struct sfs_sqlite_past *past);

/* What a snapshot keeps of its indexes; shared by its cursors. */
struct sfs_sqlite_pasts {
    pthread_mutex_t mutex; /* guards all of it; never held across I/O */
    bool set_known;
    struct sfs_index_set *set;
    struct sfs_index_stats *stats; /* of each in the set; NULL: they were not read with it */
    int64_t keys;                  /* of the snapshot, -1: not known yet */
    struct sfs_sqlite_past_of *first;
};
void sfs_sqlite_pasts_init(struct sfs_sqlite_pasts *pasts);
void sfs_sqlite_pasts_free(struct sfs_sqlite_pasts *pasts);

/* One short look at an index: a read transaction in which the past is complete. */
struct sfs_sqlite_index_look {
    struct sfs_sqlite_connection *connection;
    sqlite3_stmt *anchor;
    int64_t version;             /* of values in it that are as they were */
    bool present;                /* nothing was committed since the snapshot */
    struct sfs_sqlite_past past; /* of a snapshot; empty where nothing has changed */
};
/* `pasts` is NULL with the present state. EXPIRED. */
int sfs_sqlite_index_look(struct sfs_sqlite_view view, struct sfs_sqlite_pasts *pasts,
                          const struct sfs_index *index, struct sfs_sqlite_index_look *ret_look,
                          struct sfs_error *error);
void sfs_sqlite_index_look_end(struct sfs_sqlite_index_look *look);
/* Whether the index was dropped since the snapshot. NOT_FOUND: it was, and there is none. */
int sfs_sqlite_index_ended(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                           bool snapshot, bool *ret_ended, struct sfs_error *error);
/* The record that a name had then. */
int sfs_sqlite_past_record(const struct sfs_sqlite_index_look *look, struct sfs_bytes name,
                           unsigned want, const struct sfs_record **ret_record,
                           struct sfs_error *error);
/* How many of the names that have changed are keys now; with an index, of how many K is in the
 * range. */
int sfs_sqlite_past_present(const struct sfs_sqlite_index_look *look, const struct sfs_index *index,
                            struct sfs_range range, uint64_t *ret_count, struct sfs_error *error);
/* --- reading (index_scan.c) --- */

/* The bare record in a row of SFS_SQL_INDEX_FETCH_BARE, with SFS_WANT_VALUE its value (row.c). */
int sfs_sqlite_row_bare(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields,
                        unsigned want, const struct sfs_record **ret_record,
                        struct sfs_error *error);

int sfs_sqlite_index_scan(struct sfs_sqlite_view view, struct sfs_sqlite_pasts *pasts,
                          const struct sfs_index *index, struct sfs_range range, bool descending,
                          unsigned want, struct sfs_index_cursor **ret_cursor,
                          struct sfs_error *error);
/* index_count.c */
int sfs_sqlite_index_count(struct sfs_sqlite_view view, struct sfs_sqlite_pasts *pasts,
                           const struct sfs_index *index, struct sfs_range range, uint64_t most,
                           uint64_t *ret_count, struct sfs_error *error);

/* --- making and dropping (index_build.c) --- */

int sfs_sqlite_index_create(struct sfs_storage *base, const struct sfs_index *index,
                            sfs_progress_function *progress, void *context,
                            struct sfs_error *error);
int sfs_sqlite_index_drop(struct sfs_storage *base, uint64_t id, struct sfs_error *error);
/* Drops the one that could not be dropped when its making failed, if there is one. */
void sfs_sqlite_index_forsake(struct sfs_sqlite *store);
/* Drops those that a dead process (NULL: any, whose time is over) was building. */
int sfs_sqlite_index_abandon(struct sfs_sqlite_transaction *transaction, const char *owner,
                             struct sfs_error *error);
/* Removes some entries of indexes that were dropped and that no snapshot can see. */
int sfs_sqlite_index_prune(struct sfs_sqlite_transaction *transaction, struct sfs_error *error);

extern const struct sfs_index_operations sfs_sqlite_index_operations;
extern const struct sfs_index_operations sfs_sqlite_snapshot_index_operations;

/* --- a snapshot's (snapshot.c) --- */

struct sfs_sqlite_pasts *sfs_sqlite_snapshot_pasts(struct sfs_storage *snapshot,
                                                   struct sfs_sqlite_view *ret_view);

#endif
