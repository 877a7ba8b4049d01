/* SPDX-License-Identifier: MIT */
#ifndef BACKENDS_SQLITE_SHARING_H
#define BACKENDS_SQLITE_SHARING_H

/*
 * A file that others may have made, and processes that have one file open: how they take turns at writing
 * it, how one learns that others commit, and what may be remembered of it as long as they do not.
 */
#include "backends/sqlite/internal.h"

/* --- the schema of a file from anybody (guard.c) --- */

/* A new connection: from then on nothing of the file runs, and only what these compile. */
void sfs_sqlite_guard_set_up(struct sfs_sqlite_connection *connection);
/* Compares the whole schema, in one state: as sfs_sqlite_schema_compare(). */
int sfs_sqlite_guard_check(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* The same unless that was done already; an empty file is NOT_A_STORE. Before statements are
 * compiled. */
int sfs_sqlite_guard_trust(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* Compile a statement, execute some that return nothing, whatever the schema is: for the
 * connection's own settings, and to make the tables. */
int sfs_sqlite_guard_prepare(struct sfs_sqlite_connection *connection, const char *sql,
                             unsigned flags, sqlite3_stmt **ret_statement, const char **ret_rest,
                             struct sfs_error *error);
int sfs_sqlite_guard_execute(struct sfs_sqlite_connection *connection, const char *sql,
                             struct sfs_error *error);
/* sqlite3_step(); where somebody has changed the schema, that is compared first. An error of that,
 * or 0 and SQLite's result. */
int sfs_sqlite_guard_step(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                          int *ret_result, struct sfs_error *error);

/* Forgets a statement that is used rarely (connection.c). */
void sfs_sqlite_statement_end(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql);

/* --- the first page (head.c) --- */

/*
 * Judges the beginning and the length of the file before SQLite does. Through the connection's own
 * file: were it opened and closed here, the process would lose the locks of all its connections,
 * and another process might take the log away from under them.
 */
int sfs_sqlite_head_check(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* Whether the file is a rollback journal that SQLite would play back: its first byte is not 0.
 * (sqlite.org/fileformat2.html#hot_journals) */
bool sfs_sqlite_head_is_hot(const char *name);
/* Makes an empty file a database, and one with a rollback journal one with a log. */
int sfs_sqlite_head_log(struct sfs_sqlite_connection *connection, struct sfs_error *error);

/* --- owners of rows (owner.c) --- */

/* Sets `owner` and `clock_offset`. */
void sfs_sqlite_owner_init(struct sfs_sqlite *store);
/* Shows other openings that this one exists, until owner_leave() or the end of the process. While a
 * connection is open; where it fails, others may take an owner that they cannot look at for dead.
 */
void sfs_sqlite_owner_enter(struct sfs_sqlite *store);
void sfs_sqlite_owner_leave(struct sfs_sqlite *store);
/* Whether the owner of a row is known to have ended, or to have the store open no longer. */
bool sfs_sqlite_owner_dead(const struct sfs_sqlite *store, const char *text);

/* --- turns among processes (turn.c); all three by whoever holds the write connection --- */

/* A descriptor of the log, which is there while a connection is open and was used; -1: none. */
int sfs_sqlite_log_open(const struct sfs_sqlite *store);
/* For how long the connection waits for another process's lock, ns (connection.c). */
int64_t sfs_sqlite_patience(const struct sfs_sqlite_connection *connection);
/* Before the write lock is asked for: waits, no longer than that, while another process that has waited
 * long claims the turn. */
void sfs_sqlite_turn_begin(struct sfs_sqlite_connection *connection);
/* While the lock is waited for, after `waited` nanoseconds: claims the turn where that is long.
 * Returns how many nanoseconds to sleep at most. */
int64_t sfs_sqlite_turn_wait(struct sfs_sqlite_connection *connection, int64_t waited);
/* The wait is over, however it ended. */
void sfs_sqlite_turn_end(struct sfs_sqlite_connection *connection);

/* --- who commits (watch.c) --- */

int sfs_sqlite_watch(struct sfs_storage *base, struct sfs_watch **ret_watch,
                     struct sfs_error *error);
/* A file descriptor for writes to the log by anybody (inotify), -1: none; and whether what it
 * reported is one. */
int sfs_sqlite_log_watch(const char *path);
bool sfs_sqlite_log_written(const char *path, int notify);
/* Who commits: a write transaction begins after the commit `sequence`; and makes that commit now,
 * or has. */
void sfs_sqlite_others_before(struct sfs_sqlite *store, int64_t sequence);
void sfs_sqlite_others_own(struct sfs_sqlite *store, int64_t sequence, bool committed);

/* --- what was read last (memo.c) --- */

/* The state of the log: another one after any commit of any process. */
#define SFS_SQLITE_STAMP_WORDS 12
struct sfs_sqlite_stamp {
    uint32_t words[SFS_SQLITE_STAMP_WORDS];
};
/* After the write connection has been opened; without memory, or where the log's index is not
 * mapped, nothing is remembered. Freed before that connection is closed. */
void sfs_sqlite_memo_new(struct sfs_sqlite *store);
void sfs_sqlite_memo_free(struct sfs_sqlite *store);
struct sfs_sqlite_stamp sfs_sqlite_memo_stamp(const struct sfs_sqlite *store);
/* How many pages the database had after the last commit, 0: that is not known. Under the write lock. */
int64_t sfs_sqlite_memo_pages(const struct sfs_sqlite *store);
/* 1 and the record (owned), NOT_FOUND where there is none of this name, 0: it has to be read, and
 * *ret_stamp is for what is read then. */
int sfs_sqlite_memo_get(struct sfs_sqlite *store, struct sfs_bytes name, unsigned want,
                        struct sfs_sqlite_stamp *ret_stamp, const struct sfs_record **ret_record);
/* What was read after the stamp was taken; NULL: there is no record of this name. */
void sfs_sqlite_memo_put(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *stamp,
                         struct sfs_bytes name, const struct sfs_record *record);
/* Whether there is known to be no record in the range. Where not, *ret_next: it pays to look where the next record
 * is, should there be none; and what that look, after the stamp was taken, has shown to be empty. */
bool sfs_sqlite_memo_is_empty(struct sfs_sqlite *store, struct sfs_range range, bool *ret_next);
void sfs_sqlite_memo_put_empty(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *stamp,
                               struct sfs_range range);
/* After a commit of ours, of these batches one after the other: `before` was taken inside its
 * transaction. Each may be NULL, and so may the record that is all that it has changed. */
struct sfs_sqlite_made {
    struct sfs_batch *batch;
    const struct sfs_record *record;
};
void sfs_sqlite_memo_committed(struct sfs_sqlite *store, const struct sfs_sqlite_stamp *before,
                               const struct sfs_sqlite_made *made, size_t count);
/* As sfs_version(). */
int sfs_sqlite_version(struct sfs_storage *base, uint64_t *ret_version, struct sfs_error *error);

/* --- vfs.c --- */

/* `call`, once, in this thread's next commit, before readers can see it: as late as the VFS can
 * tell, when all but the last frame is in the log; at once where it cannot. NULL: nothing after
 * all. */
void sfs_sqlite_before_commit(struct sfs_sqlite_connection *connection, void (*call)(void *context),
                              void *context);

/* --- the files (files.c) --- */

/* Keeps the database, or `all` three files once they are there, for the calls below. NOT_FOUND … */
int sfs_sqlite_files_begin(struct sfs_sqlite *store, bool all, struct sfs_error *error);
void sfs_sqlite_files_end(struct sfs_sqlite *store);
/* LOST if one of them is not under its name any more; also sets store->lost. Two system calls a
 * file. */
int sfs_sqlite_files_check(struct sfs_sqlite *store, struct sfs_error *error);
/* As sqlite3_wal_checkpoint_v2(), and the only call of it: SQLITE_BUSY also where another log lies
 * beside the database. */
int sfs_sqlite_checkpoint(const struct sfs_sqlite *store, sqlite3 *db, int mode, int *ret_log);
/* Waits for the disk with one of the connection's files, SQLITE_FCNTL_FILE_POINTER or
 * SQLITE_FCNTL_JOURNAL_POINTER; SQLite's result. */
int sfs_sqlite_file_sync(sqlite3 *db, int which);
/* INVALID if the database has several names. */
int sfs_sqlite_files_single(const struct sfs_sqlite *store, struct sfs_error *error);
/* As sfs_check_files(). */
int sfs_sqlite_files(struct sfs_storage *base, sfs_report_function *report, void *context,
                     struct sfs_error *error);

#endif
