/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_INTERNAL_H
#define SFS_SQLITE_INTERNAL_H

/*
 * What the files of the SQLite backend share. The store owns one write connection, which one thread
 * holds at a time (write.c), and a pool of read connections (connection.c). Sequence numbers, ids
 * and sizes are int64_t here, as they are in SQLite; they are never negative.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "storefs/backend.h"
#include "backends/sqlite/pool.h"
#include "backends/sqlite/queue.h"
#include "backends/sqlite/sql.h"

#define SFS_SQLITE_ORIGIN "sqlite"
#define SFS_SQLITE_ROW_VALUE 256                /* bytes of a value up to which it is in its row */
#define SFS_SQLITE_CHUNK ((int64_t)256 * 1024)  /* bytes of a part of a large value */
#define SFS_SQLITE_LARGE ((int64_t)1024 * 1024) /* values from this size on are kept in parts */
#define SFS_SQLITE_FOREVER INT64_MAX            /* the end of a part that is current */
#define SFS_SQLITE_LATEST (INT64_MAX - 1)       /* the version that sees what is current */
#define SFS_SQLITE_READERS 8
#define SFS_SQLITE_PRUNE_BY_THE_WAY 8 /* blocks that a commit removes on its way */
#define SFS_SQLITE_LEASE_MS ((uint64_t)10 * 60 * 1000)
#define SFS_SQLITE_LEASE ((int64_t)SFS_SQLITE_LEASE_MS * 1000000) /* nanoseconds */
#define SFS_SQLITE_OWNER_SIZE 128
struct sfs_sqlite;

/* What the indexes were at one state: the newest that a snapshot asked about (index.c). */
struct sfs_sqlite_known {
    int64_t sequence;
    struct sfs_index_set *set;     /* NULL: nothing is known */
    struct sfs_index_stats *stats; /* of each in the set */
};

/* --- connections (connection.c) --- */

/*
 * Who takes the rows that a statement goes over, one by one inside SQLite, in place of being given
 * each: a call of storefs_entry(K) or storefs_row(columns) in the statement's condition is false,
 * and the statement goes on, while `take` returns 0.
 */
struct sfs_sqlite_visitor {
    int (*take)(void *context, sqlite3_value **values); /* NULL: nobody */
    void *context;
    int code; /* what it returned last: above 0 enough, below 0 an error */
};

struct sfs_sqlite_connection {
    sqlite3 *db;
    struct sfs_sqlite *store;
    struct sfs_sqlite_connection *next; /* in the pool's list of idle ones */
    int64_t busy_since;                 /* monotonic, of the wait that the busy handler is in */
    bool hasty;                         /* which then ends after 20 ms */
    bool turns;    /* it is for the write lock, whose turn can be claimed … */
    bool claimed;  /* … and is (turn.c) */
    int log_frames, log_tried; /* pages of the log after the last commit, and when it was last asked
                                  to restart */
    bool full;     /* commits wait for the disk */
    bool scans;    /* it is for long scans */
    bool compiles; /* a statement, now (guard.c) */
    bool checks;   /* the schema, now */
    bool trusted;  /* the schema was as we make it when that was last looked at */
    struct sfs_sqlite_visitor visitor;
    sqlite3_stmt *statements[SFS_SQLITE_STATEMENTS];
};
/* Gives the connection the functions (visitor.c). */
int sfs_sqlite_visitor_set_up(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* The VFS of all connections (vfs.c); NULL: SQLite's own. */
const char *sfs_sqlite_vfs(void);
/* Runs the statement, which is bound, to its end (0), or until `take` returns something else: that;
 * its row is the present one then, and the caller resets it; or an error. */
int sfs_sqlite_visit(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                     int (*take)(void *context, sqlite3_value **values), void *context,
                     struct sfs_error *error);

struct sfs_sqlite_options {
    int synchronous;       /* 0 normal, 1 full */
    uint64_t cache;        /* bytes */
    uint64_t mmap;         /* bytes */
    uint64_t busy_timeout; /* milliseconds */
    bool dirsync;          /* a file system must be able to put directories on disk */
};

/* What a lease needs; the numbers are in the file, in lease.contents. */
enum sfs_sqlite_lease_kind {
    SFS_SQLITE_LEASE_FEED = 0, /* that something changed, of every change after its sequence */
    SFS_SQLITE_LEASE_SNAPSHOTS =
        1, /* every state from its sequence on, with values: others keep all
            * of that, the opening that has it what its snapshots need */
};

struct sfs_sqlite_memo; /* memo.c */
struct sfs_sqlite_feed; /* feed.c */

struct sfs_sqlite {
    struct sfs_storage storage;
    char *path;
    char *uri; /* what the connections open: PATH, or a URI that marks the file as immutable */
    int open_flags;
    struct sfs_sqlite_options options;

    pthread_mutex_t pool_mutex;
    pthread_cond_t pool_free;
    struct sfs_sqlite_connection *idle;
    unsigned readers;

    pthread_mutex_t queue_mutex; /* guards what follows; never held across I/O */
    struct sfs_sqlite_queue queues[SFS_SQLITE_QUEUES];
    enum sfs_sqlite_queue_kind holder;   /* what the write connection is held for, if it is */
    bool staging_held, staging_admitted; /* nothing is staged, but for one piece */
    struct sfs_sqlite_request *awaiting; /* the leader that waits for companions; NULL: none does */
    unsigned companions;                 /* who wanted something durable of late */
    int64_t durable_took;                /* ns, a turn with something durable in it, as of late */
    bool writing, committed;             /* somebody holds the write connection; there is a … */
    pthread_t committer;                 /* … thread that made the last commit here … */
    int64_t committed_at;                /* … then, monotonic */
    sqlite3_stmt *near_anchor; /* of who holds the write connection, as the next two; NULL: none */
    uint64_t near_number;      /* the snapshot that it is of */
    bool near_present;         /* nothing was committed since */
    struct sfs_sqlite_connection *writer;  /* NULL: the file cannot be written */
    struct sfs_sqlite_connection *freezer; /* holds SQLite's write lock all the time, of a frozen
                                            * store; NULL: it is not */
    int64_t synced;                        /* known to be on disk up to here */
    int64_t own_last;                      /* the last commit of this opening, -1: none … */
    int64_t own_next;                      /* … the one it is about to make, 0: none … */
    int64_t others_last;                   /* … and the last that it met of others, 0: none */
    int turn;                              /* the log, for turns among processes; -1: not open */
    int files[3];      /* database, log, its index, as opened (files.c); -1: not open */
    _Atomic bool lost; /* one of them was not under its name when it was last looked at */

    struct sfs_sqlite_memo *memo; /* NULL: there is none */
    int64_t plenty_until;         /* so long the disk is not full (transaction.c), monotonic */
    _Atomic uint64_t commits; /* of this process: what cursors have read ahead is old then */

    pthread_mutex_t indexes_mutex; /* guards these two */
    struct sfs_index_set *indexes; /* as of the commit … (index.c) */
    int64_t indexes_version;       /* … that last changed the set */
    struct sfs_sqlite_known known; /* under the same mutex */
    _Atomic uint64_t forsaken;     /* an index whose making failed, still to be dropped; 0: none */

    pthread_mutex_t feed_mutex;
    struct sfs_sqlite_feed *feeds;

    char owner[SFS_SQLITE_OWNER_SIZE]; /* of the leases and stages of this process */
    int64_t clock_offset;              /* ns that this time namespace is ahead (owner.c) */
    int present;                       /* the log, with this opening's lock (owner.c); -1: none */
    bool complete; /* its file system is known to do all that SQLite needs: util/probe.h */
    struct sfs_sqlite_pool pool;
};

/* What a connection is for. Readers refuse to write; those of long scans do not map the file, which
 * would make all they pass count as memory of the process, and use each page once. */
enum sfs_sqlite_use {
    SFS_SQLITE_WRITES,
    SFS_SQLITE_READS,
    SFS_SQLITE_SCANS,
};
/* Opens one connection and sets it up. */
int sfs_sqlite_connect(struct sfs_sqlite *store, enum sfs_sqlite_use use,
                       struct sfs_sqlite_connection **ret_connection, struct sfs_error *error);
void sfs_sqlite_disconnect(struct sfs_sqlite_connection *connection);
/* Takes a read connection out of the pool, waits where all are in use; gives it back. No statement
 * may be left active then: it would pin the write-ahead log. */
int sfs_sqlite_reader_take(struct sfs_sqlite *store, struct sfs_sqlite_connection **ret_connection,
                           struct sfs_error *error);
/* The same for a piece of a long scan. */
int sfs_sqlite_scanner_take(struct sfs_sqlite *store, struct sfs_sqlite_connection **ret_connection,
                            struct sfs_error *error);
void sfs_sqlite_reader_give(struct sfs_sqlite_connection *connection);
/*
 * For one short read: the write connection, if nobody writes and this thread made the last commit,
 * or whichever thread made it a moment ago (who serves requests in turn hands the next one to
 * another thread). It still has the pages of that commit, while each commit makes every reader drop
 * all that it has read. Between the reads of one snapshot (`number`, 0: none) its read transaction
 * may stay open there, by `near_anchor`: until somebody else wants the connection, or the
 * housekeeper comes round.
 */
int sfs_sqlite_near_take(struct sfs_sqlite *store, uint64_t number,
                         struct sfs_sqlite_connection **ret_connection, struct sfs_error *error);
/* Ends that read transaction. The caller holds the write connection. */
void sfs_sqlite_near_end(struct sfs_sqlite *store);
void sfs_sqlite_readers_close(struct sfs_sqlite *store);

/* The prepared statement, ready for binding; owned by the connection. */
int sfs_sqlite_statement(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql,
                         sqlite3_stmt **ret_statement, struct sfs_error *error);
/* 1 a row, 0 done, or an error. After 0 and errors the statement has been reset. */
int sfs_sqlite_step(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                    struct sfs_error *error);
/* Binds the integers (at ?1, ?2 …) and runs the statement to its end. */
int sfs_sqlite_run(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql,
                   struct sfs_error *error, int count, ...);
/* Binds the integers and reads one row's into `ret`; NULL columns are -1. 1, 0 or an error. */
int sfs_sqlite_integers(struct sfs_sqlite_connection *connection, enum sfs_sqlite_sql sql,
                        const int64_t *arguments, int argument_count, int64_t *ret, int ret_count,
                        struct sfs_error *error);
/* A statement without parameters that is run rarely. */
int sfs_sqlite_execute(struct sfs_sqlite_connection *connection, const char *sql,
                       struct sfs_error *error);
void sfs_sqlite_bind(sqlite3_stmt *statement, int at, struct sfs_bytes bytes);
struct sfs_bytes sfs_sqlite_column(sqlite3_stmt *statement, int at);
/* A bound above every name, for ranges without an end. */
struct sfs_bytes sfs_sqlite_range_end(struct sfs_range range);

/* --- errors (error.c) --- */

/* Our code and sentence for a result of SQLite; `doing` completes "cannot …". */
int sfs_sqlite_fail(struct sfs_sqlite_connection *connection, int result, const char *doing,
                    struct sfs_error *error);
int sfs_sqlite_fail_at(sqlite3 *db, const char *path, int result, const char *doing,
                       struct sfs_error *error);

/* --- the file (schema.c, open.c) --- */

/* 1 the database is a store of ours with nothing else in it, 0 it is empty, or NOT_A_STORE,
 * TOO_NEW, UNSUPPORTED (too old), CORRUPT … Through guard.c. */
int sfs_sqlite_schema_compare(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* Whether it has the counters that writers need. */
int sfs_sqlite_schema_check_state(struct sfs_sqlite_connection *connection,
                                  struct sfs_error *error);
/* Makes the tables, unless somebody else just did. */
int sfs_sqlite_schema_create(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* --- rows and values (row.c, value.c) --- */

struct sfs_sqlite_row {
    const struct sfs_record *record; /* owned */
    int64_t content;                 /* 0: the value is in the row, or empty */
    bool chunked;
    struct sfs_bytes data; /* of a value in the row, if it was asked for; until the next step */
    int64_t begun;         /* as of a place; only where apply.c looks a name up */
};
/* The record in the statement's present row. With SFS_WANT_VALUE its value as of `version`. */
int sfs_sqlite_row(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement, unsigned want,
                   int64_t version, struct sfs_sqlite_row *ret_row, struct sfs_error *error);
/* Where a row's columns are: those of a statement's present row, or the arguments of a function. */
struct sfs_sqlite_fields {
    sqlite3_stmt *statement;
    sqlite3_value **values; /* NULL: the statement's */
};
struct sfs_bytes sfs_sqlite_field(struct sfs_sqlite_fields fields, int at);
bool sfs_sqlite_field_is_null(struct sfs_sqlite_fields fields, int at);
/* As sfs_sqlite_row(). */
int sfs_sqlite_row_of(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields,
                      unsigned want, int64_t version, struct sfs_sqlite_row *ret_row,
                      struct sfs_error *error);
/* Where a value lies, and since when. */
struct sfs_sqlite_place {
    int64_t content; /* 0: in the record's row, or it is empty */
    bool chunked;
    int64_t begun;         /* the commit that put it there; nobody older can see it */
    bool replaced;         /* the row gets `data`, NULL: none; else it keeps what it has */
    struct sfs_bytes data; /* in the run, until that has the next value */
};
/* Binds SFS_SQLITE_COLUMNS from ?1 on, then the first commit of its content, and its value. */
void sfs_sqlite_bind_record(sqlite3_stmt *statement, const struct sfs_record *record, int64_t id,
                            struct sfs_sqlite_place place);
/* CORRUPT: the rows of a value's parts contradict one another. */
int sfs_sqlite_parts_damaged(struct sfs_sqlite_connection *connection, struct sfs_error *error);
/* Reads a part of a value; what was never written reads as zeros. */
int sfs_sqlite_value_read(struct sfs_sqlite_connection *connection,
                          const struct sfs_sqlite_row *row, int64_t version, int64_t offset,
                          void *data, size_t size, struct sfs_error *error);

/* --- write transactions (transaction.c) --- */

struct sfs_sqlite_state {
    int64_t sequence;
    int64_t last_id;
    int64_t last_content;
    int64_t last_lease;
    int64_t keys;
    int64_t records;
    int64_t bytes;
    int64_t kept;    /* no snapshot is older than this */
    int64_t whole;   /* every change after this has its row in history */
    int64_t indexes; /* the commit that last changed the set of indexes, 0: never */
};
#define SFS_SQLITE_STATE_COLUMNS 10

struct sfs_sqlite_transaction {
    struct sfs_sqlite *store;
    struct sfs_sqlite_connection *connection;
    struct sfs_sqlite_state state;
    int64_t used;    /* pages of the database at the beginning, without free ones */
    int64_t now;     /* sfs_sqlite_clock() at the beginning: leases end by it */
    int64_t present; /* the sequence number at the beginning */
    /* Sequence numbers of leases that have not expired; -1: none. */
    int64_t others;  /* the oldest of the snapshots of other openings */
    int64_t feed;    /* the feed that is furthest behind */
    int64_t own_row; /* the lease of this opening's snapshots; 0: none */
    int64_t own;     /* -1 also where it has expired */
    /* Where `exact`, the snapshots that this opening has are known; else each from `own` on may be
     * one of them. */
    bool exact;
    int64_t own_oldest;
    int64_t own_newest;
    /* What follows from all of it for what the transaction changes: */
    int64_t oldest; /* snapshot; nobody needs what is before */
    int64_t newest; /* and what was put behind this one */
    int64_t logged; /* a record needs a pre-image where its revision is at most this: `newest`, or
                     * INT64_MAX where a feed wants every change */
    bool lapsed;    /* there are leases that have expired */
    bool leases_changed;
    int budget;        /* how much garbage the commit may remove, in blocks */
    int64_t rows;      /* of history that it added */
    bool more_garbage; /* after the commit: there is more to prune */
};

/* The caller holds the write connection. After a failure there is no transaction. */
int sfs_sqlite_begin(struct sfs_sqlite *store, bool durable,
                     struct sfs_sqlite_transaction *ret_transaction, struct sfs_error *error);
int sfs_sqlite_commit(struct sfs_sqlite_transaction *transaction, struct sfs_error *error);
void sfs_sqlite_rollback(struct sfs_sqlite_transaction *transaction);
/* Moves the whole log into the file and gives its space back; false where that is not possible now.
 * The caller holds the write connection, and there is no transaction. */
bool sfs_sqlite_make_room(struct sfs_sqlite *store);
/* enter, begin, `work`, commit (rollback where it fails), leave. Where the disk is full `work` may
 * be called a second time, in a transaction of its own. */
typedef int sfs_sqlite_work(struct sfs_sqlite_transaction *transaction, void *context,
                            struct sfs_error *error);
int sfs_sqlite_transact(struct sfs_sqlite *store, sfs_sqlite_work *work, void *context,
                        struct sfs_error *error);
/* The same where the caller has entered already, and leaves. */
int sfs_sqlite_transact_held(struct sfs_sqlite *store, sfs_sqlite_work *work, void *context,
                             struct sfs_error *error);

/* --- leases seen by writers (lease.c) --- */

/* Reads the leases: what the transaction's writes must keep. */
int sfs_sqlite_leases_read(struct sfs_sqlite_transaction *transaction, struct sfs_error *error);
/* The same from what is known of them, where it is now known better. */
void sfs_sqlite_leases_combine(struct sfs_sqlite_transaction *transaction);
/* Ends leases that have expired, and moves the marks on, up to which everything can be removed. */
int sfs_sqlite_leases_settle(struct sfs_sqlite_transaction *transaction, struct sfs_error *error);
/* With `contents` whether the state at `sequence` is there: the present one, or that of a snapshot
 * of this opening; without whether every change since is known. */
bool sfs_sqlite_is_kept(const struct sfs_sqlite_transaction *transaction, int64_t sequence,
                        bool contents);
/* Whether a snapshot may still see what was there from the commit `begun` on. */
static inline bool sfs_sqlite_is_needed(const struct sfs_sqlite_transaction *transaction,
                                        int64_t begun)
{
    return begun <= transaction->newest;
}

/* --- what no lease needs (prune.c) --- */

/* Removes in small transactions what no lease needs, until done or `budget_ms` are over. */
int sfs_sqlite_prune(struct sfs_sqlite *store, int64_t budget_ms, struct sfs_error *error);
/* One bounded step inside a transaction. */
int sfs_sqlite_prune_step(struct sfs_sqlite_transaction *transaction, struct sfs_error *error);

/* --- one batch (apply.c, content.c, patch.c) --- */

/* What was looked up, until it changes: preconditions and operations ask for the same names. */
#define SFS_SQLITE_RECALL 64
struct sfs_sqlite_recall {
    const struct sfs_record *record; /* NULL: nothing */
    struct sfs_sqlite_place place;
};

struct sfs_sqlite_run {
    struct sfs_apply_run run;
    struct sfs_sqlite_transaction *transaction;
    bool changed;
    bool vacated;                                  /* a name was given up */
    bool keeps;                                    /* what is put under a name is kept: */
    const struct sfs_record *made;                 /* the last; NULL: none, or no memory */
    struct sfs_sqlite_index_change *index_changes; /* index_apply.c */
    size_t index_change_count;
    char value[SFS_SQLITE_ROW_VALUE]; /* the last that is to be in its record's row (content.c) */
    struct sfs_sqlite_recall recall[SFS_SQLITE_RECALL];
};
/* A run within the transaction, without indexes yet; `end` frees what it holds. */
void sfs_sqlite_run_begin(struct sfs_sqlite_transaction *transaction,
                          struct sfs_sqlite_run *ret_run);
void sfs_sqlite_run_end(struct sfs_sqlite_run *run);
/* Forgets what was looked up. */
void sfs_sqlite_recall_drop(struct sfs_sqlite_run *run);
extern const struct sfs_apply_operations sfs_sqlite_apply_operations;

int sfs_sqlite_place_of(struct sfs_sqlite_run *run, int64_t id, struct sfs_sqlite_place *ret_place,
                        struct sfs_error *error);
/* Of a value in chunks that this run puts there. */
struct sfs_sqlite_place sfs_sqlite_place_chunked(const struct sfs_sqlite_run *run, int64_t content);
/* Makes `bytes` the value in place of `*place`, which becomes the new one. */
int sfs_sqlite_content_set(struct sfs_sqlite_run *run, struct sfs_bytes bytes,
                           struct sfs_sqlite_place *place, struct sfs_error *error);
int sfs_sqlite_content_stage(struct sfs_sqlite_run *run, struct sfs_stage *stage,
                             struct sfs_sqlite_place *place, struct sfs_error *error);
int sfs_sqlite_content_drop(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                            struct sfs_error *error);
/* Inserts a block of data; ret_block may not be NULL. */
int sfs_sqlite_block_add(struct sfs_sqlite_transaction *transaction, struct sfs_bytes data,
                         int64_t *ret_block, struct sfs_error *error);
int sfs_sqlite_block_set(struct sfs_sqlite_connection *connection, int64_t block,
                         struct sfs_bytes data, struct sfs_error *error);
/* Adds the parts of `bytes` from part `first` on, visible from version `begun` on. */
int sfs_sqlite_chunks_add(struct sfs_sqlite_transaction *transaction, int64_t content,
                          int64_t first, int64_t begun, struct sfs_bytes bytes,
                          struct sfs_error *error);
/* Changes a part of a value in chunks, or cuts it off at `size`. Where a snapshot may need what was
 * there, the chunks get a new version, else they are changed in place. */
int sfs_sqlite_chunks_write(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                            int64_t offset, struct sfs_bytes bytes, struct sfs_error *error);
int sfs_sqlite_chunks_cut(struct sfs_sqlite_run *run, struct sfs_sqlite_place place, int64_t size,
                          struct sfs_error *error);
/* Zeros: chunks that lie inside are taken away. */
int sfs_sqlite_chunks_zero(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                           int64_t offset, int64_t size, struct sfs_error *error);
/* The parts of a PATCH on a value of `old_size` bytes: into chunks, or into `data`. Its stage is
 * spent. */
int sfs_sqlite_parts_write(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                           int64_t old_size, const struct sfs_operation *operation,
                           struct sfs_error *error);
int sfs_sqlite_parts_copy(struct sfs_sqlite_run *run, int64_t old_size,
                          const struct sfs_operation *operation, char *data,
                          struct sfs_error *error);
/* The pre-image of a record, and of a name that was free; nothing where no lease needs it. */
int sfs_sqlite_history_record(struct sfs_sqlite_run *run, const struct sfs_record *before,
                              struct sfs_error *error);
int sfs_sqlite_history_absent(struct sfs_sqlite_run *run, struct sfs_bytes name,
                              struct sfs_error *error);
void sfs_sqlite_count(struct sfs_sqlite_run *run, const struct sfs_record *record, int sign);
/* UPDATE of all columns of the record with the id `before`. */
int sfs_sqlite_record_update(struct sfs_sqlite_run *run, int64_t before,
                             const struct sfs_record *record, struct sfs_sqlite_place place,
                             struct sfs_error *error);
int sfs_sqlite_patch(struct sfs_apply_run *base, const struct sfs_record *before,
                     const struct sfs_record *record, const struct sfs_operation *operation,
                     struct sfs_error *error);
int sfs_sqlite_move_prefix(struct sfs_apply_run *base, struct sfs_bytes from, struct sfs_bytes to,
                           int64_t time, uint64_t *ret_count, struct sfs_error *error);
int sfs_sqlite_clear(struct sfs_apply_run *base, struct sfs_range range, uint64_t *ret_count,
                     struct sfs_error *error);
int sfs_sqlite_longest(struct sfs_apply_run *base, struct sfs_range range,
                       const struct sfs_record **ret_record, struct sfs_error *error);
int sfs_sqlite_changed(struct sfs_apply_run *base, struct sfs_range range, uint64_t sequence,
                       int (*visit)(void *context, struct sfs_bytes name,
                                    const struct sfs_record *before, const struct sfs_record *after,
                                    uint64_t revision, struct sfs_error *error),
                       void *context, struct sfs_error *error);

/* --- leases (lease.c): rows that keep history --- */

/* The clock of `expires` in all tables (owner.c): nanoseconds since the boot without suspends, the
 * same in all processes of the machine. An engine with a server would answer with the server's
 * clock here. */
int64_t sfs_sqlite_clock(const struct sfs_sqlite *store);
/* One that lives until `expires` (sfs_sqlite_clock()), with an id that is never used again. */
int sfs_sqlite_lease_add(struct sfs_sqlite_transaction *transaction, int64_t sequence,
                         enum sfs_sqlite_lease_kind kind, int64_t expires, int64_t *ret_id,
                         struct sfs_error *error);
/* EXPIRED: it is over, or gone. It never keeps more than before. */
int sfs_sqlite_lease_renew(struct sfs_sqlite_transaction *transaction, int64_t id, int64_t sequence,
                           int64_t expires, struct sfs_error *error);

/* A feed's own, of names and attributes. One thread at a time. */
struct sfs_sqlite_lease {
    struct sfs_sqlite *store;
    int64_t id;
    int64_t sequence;
    int64_t renewed; /* sfs_sqlite_clock() */
};
/* From `since` on (-1: now), in a transaction of its own. TOO_OLD. */
int sfs_sqlite_lease_take(struct sfs_sqlite *store, int64_t since,
                          struct sfs_sqlite_lease *ret_lease, struct sfs_error *error);
/* A tenth of its time has passed. */
bool sfs_sqlite_lease_due(const struct sfs_sqlite_lease *lease);
/* Gives up history before `sequence`, and renews. EXPIRED: the caller may take a new lease. */
int sfs_sqlite_lease_advance(struct sfs_sqlite_lease *lease, int64_t sequence,
                             struct sfs_error *error);
void sfs_sqlite_lease_drop(struct sfs_sqlite_lease *lease);

/* --- reads (read.c, scan.c), of the present state or of a snapshot --- */

struct sfs_sqlite_view {
    struct sfs_sqlite *store;
    struct sfs_sqlite_hold *hold; /* NULL: the present state */
};
int sfs_sqlite_view_get(struct sfs_sqlite_view view, struct sfs_bytes name, unsigned want,
                        const struct sfs_record **ret_record, struct sfs_error *error);
int sfs_sqlite_view_read(struct sfs_sqlite_view view, struct sfs_bytes name, uint64_t revision,
                         uint64_t offset, void *data, size_t size, size_t *ret_size,
                         struct sfs_error *error);
int sfs_sqlite_view_scan(struct sfs_sqlite_view view, struct sfs_range range, unsigned want,
                         struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* As sfs_data(), of a content in chunks with a value of `size` bytes. */
int sfs_sqlite_chunks_data(struct sfs_sqlite_connection *connection, int64_t content,
                           int64_t version, uint64_t size, uint64_t offset,
                           struct sfs_extent *ret_extent, struct sfs_error *error);
/* As sfs_data(). */
int sfs_sqlite_view_data(struct sfs_sqlite_view view, struct sfs_bytes name, uint64_t offset,
                         struct sfs_extent *ret_extent, struct sfs_error *error);
int sfs_sqlite_sequence(struct sfs_storage *base, uint64_t *ret_sequence, struct sfs_error *error);

/* --- the groups of operations, and what serves them --- */

int sfs_sqlite_apply(struct sfs_storage *base, struct sfs_batch *batch,
                     const struct sfs_apply_options *options, uint64_t *ret_sequence,
                     struct sfs_error *error);
int sfs_sqlite_sync(struct sfs_storage *base, uint64_t sequence, struct sfs_error *error);
int sfs_sqlite_stage(struct sfs_storage *base, struct sfs_stage **ret_stage,
                     struct sfs_error *error);
int sfs_sqlite_snapshot(struct sfs_storage *base, uint64_t lease_ms,
                        struct sfs_storage **ret_snapshot, struct sfs_error *error);
int sfs_sqlite_changes(struct sfs_storage *base, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error);
int sfs_sqlite_totals(struct sfs_storage *base, struct sfs_totals *ret_totals,
                      struct sfs_error *error);
int sfs_sqlite_backup(struct sfs_storage *base, const char *path, sfs_progress_function *progress,
                      void *context, struct sfs_error *error);
int sfs_sqlite_check(struct sfs_storage *base, bool repair, sfs_report_function *report,
                     void *context, uint64_t *ret_found, uint64_t *ret_repaired,
                     struct sfs_error *error);
/* Tells waiting feeds of this process that a commit is visible. */
void sfs_sqlite_feeds_notify(struct sfs_sqlite *store);
/* 1 and the stage's content where it is one of this store that is kept in parts; 0: copy it. */
int sfs_sqlite_stage_content(struct sfs_sqlite_run *run, struct sfs_stage *stage,
                             int64_t *ret_content, struct sfs_error *error);
/* Bytes of a stage for a batch that is being executed; and that batch has taken what it needs of
 * it. */
int sfs_sqlite_stage_read(struct sfs_sqlite_run *run, struct sfs_stage *stage, uint64_t offset,
                          void *data, size_t size, struct sfs_error *error);
int sfs_sqlite_stage_used(struct sfs_sqlite_run *run, struct sfs_stage *stage,
                          struct sfs_error *error);
/* Its content belongs to a record now. */
void sfs_sqlite_stage_spend(struct sfs_sqlite *store, struct sfs_stage *stage);

static inline struct sfs_sqlite *sfs_sqlite_of(struct sfs_storage *base)
{
    return (struct sfs_sqlite *)base;
}

#endif
