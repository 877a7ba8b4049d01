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
 * A snapshot at S reads the entries with begun <= S < ended, as it reads parts of values; a record
 * that has changed since comes from history. An index that was dropped keeps its entries, which
 * nobody changes any more, until no snapshot is older.
 */
#include "backends/sqlite/internal.h"

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

/* --- of a snapshot (index.c) --- */

/* The indexes that a snapshot has, and their numbers: read once. */
struct sfs_sqlite_snapshot_indexes {
    pthread_mutex_t mutex; /* guards all of it; never held across I/O */
    bool known;
    struct sfs_index_set *set;
    struct sfs_index_stats *stats; /* of each in the set */
};
void sfs_sqlite_snapshot_indexes_init(struct sfs_sqlite_snapshot_indexes *indexes);
void sfs_sqlite_snapshot_indexes_free(struct sfs_sqlite_snapshot_indexes *indexes);

/* --- reading (index_scan.c) --- */

/* One short look at an index: a read transaction. */
struct sfs_sqlite_index_look {
    struct sfs_sqlite_connection *connection;
    sqlite3_stmt *anchor;
    int64_t version; /* that is looked at */
};
/* EXPIRED. */
int sfs_sqlite_index_look(struct sfs_sqlite_view view, struct sfs_sqlite_index_look *ret_look,
                          struct sfs_error *error);
void sfs_sqlite_index_look_end(struct sfs_sqlite_index_look *look);

/* The bare record in a row of SFS_SQL_INDEX_FETCH_BARE, with SFS_WANT_VALUE its value (row.c). */
int sfs_sqlite_row_bare(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields,
                        unsigned want, const struct sfs_record **ret_record,
                        struct sfs_error *error);

int sfs_sqlite_index_scan(struct sfs_sqlite_view view, const struct sfs_index *index,
                          struct sfs_range range, bool descending, unsigned want,
                          struct sfs_index_cursor **ret_cursor, struct sfs_error *error);
int sfs_sqlite_index_count(struct sfs_sqlite_view view, const struct sfs_index *index,
                           struct sfs_range range, uint64_t most, uint64_t *ret_count,
                           struct sfs_error *error);

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

struct sfs_sqlite_snapshot_indexes *
sfs_sqlite_snapshot_indexes_of(struct sfs_storage *snapshot, struct sfs_sqlite_view *ret_view);

#endif
