/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_POOL_H
#define SFS_SQLITE_POOL_H

/*
 * The snapshots of one opening of a store, the leases that it has in the file for them, and the
 * housekeeper, which tends these.
 *
 * A young snapshot relies on the open lease, a row that all young ones share and that asks for
 * every state from its sequence number on: so beginning one is a read. The opening itself knows
 * which states are really wanted. One that lasts gets an exact lease, a row for its one state, so
 * that other processes need not keep more either; after that the open lease moves on.
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sfs_error;
struct sfs_sqlite;
struct sfs_sqlite_connection;
struct sfs_sqlite_transaction;

#define SFS_SQLITE_LINGER                                                                          \
    ((int64_t)100 * 1000000) /* how long a lease is kept for the next snapshot */
#define SFS_SQLITE_YOUNG ((int64_t)250 * 1000000) /* from then on a snapshot has an exact lease */
#define SFS_SQLITE_HOLD_CHAINS 64

/* A lease of this opening. The list of them, `row`, and `sequence` change only under the write
 * connection too. */
struct sfs_sqlite_own_lease {
    int64_t row;      /* in the file, 0: none */
    int64_t sequence; /* what it keeps, according to the file */
    int64_t expires;  /* sfs_sqlite_clock() */
    size_t holds;     /* that rely on it */
    bool fresh;       /* the transaction that writes it has not been committed */
    bool ending;      /* and this is the one that removes it */
    struct sfs_sqlite_own_lease *next;
};

/* A snapshot's part in them. What is not said to be else is the pool's, under its mutex. */
struct sfs_sqlite_hold {
    struct sfs_sqlite *store;
    uint64_t number;  /* what sfs_snapshot_lease() tells; constant once it is taken */
    int64_t open_row; /* the open lease when it was taken; the same */
    int64_t sequence; /* the same; before that a lower bound */
    int64_t duration; /* nanoseconds, constant */
    int64_t used;     /* monotonic */
    int64_t young_until;
    bool settled;                       /* its sequence number is known */
    bool young;                         /* it relies on the open lease … */
    struct sfs_sqlite_own_lease *exact; /* … or on this one; on both while this one is written */
    bool expired;                       /* then it is not in the list */
    int64_t gone_at; /* the commit that gives it up: it cannot be read in this state or a later one;
                      * 0: none */
    bool loose;      /* constant: the disk had no room for a row. It is in no list, and good while
                      * nothing is committed */
    struct sfs_sqlite_hold *next;
    struct sfs_sqlite_hold *older; /* young and settled ones, by their sequence numbers */
    struct sfs_sqlite_hold *newer;
};

enum sfs_sqlite_keeper {
    SFS_SQLITE_KEEPER_NONE,
    SFS_SQLITE_KEEPER_RUNNING,
    SFS_SQLITE_KEEPER_MISSING
};

struct sfs_sqlite_pool {
    pthread_mutex_t mutex; /* guards all of it; never held across I/O */
    struct sfs_sqlite_hold *holds[SFS_SQLITE_HOLD_CHAINS];
    struct sfs_sqlite_hold *oldest; /* of the young and settled ones */
    struct sfs_sqlite_hold *newest;
    size_t count;
    size_t settling; /* of them are not settled */
    uint32_t last_number;
    struct sfs_sqlite_own_lease open;
    struct sfs_sqlite_own_lease *exact; /* the newest first */
    int64_t moved;                      /* monotonic: when the open lease was last looked at */
    int64_t floor;          /* the smallest sequence number that a new snapshot may have */
    int64_t floor_before;   /* while `ahead` */
    bool ahead;             /* the floor is that of a commit that is being made */
    int64_t idle_since;     /* monotonic: when the last young snapshot ended or had grown old */
    pthread_cond_t settled; /* it is ahead no more */

    enum sfs_sqlite_keeper keeper;
    pthread_t thread;
    pthread_cond_t wake;
    int64_t work_at;        /* monotonic: when there is something to do */
    int64_t sleeping_until; /* INT64_MIN: it does not sleep */
    bool prune_wanted;
    bool log_is_long;
    bool near; /* a read transaction may be open on the write connection */
    bool stopping;
};

/* --- snapshots (pool.c) --- */

void sfs_sqlite_pool_init(struct sfs_sqlite *store);
void sfs_sqlite_pool_free(struct sfs_sqlite *store);
/* Takes one of the present state; lease_ms 0: ten minutes. */
int sfs_sqlite_hold_take(struct sfs_sqlite *store, uint64_t lease_ms,
                         struct sfs_sqlite_hold *ret_hold, struct sfs_error *error);
/* Its time begins anew; EXPIRED. */
int sfs_sqlite_hold_use(struct sfs_sqlite_hold *hold, struct sfs_error *error);
/* Checks in a read transaction that it holds, which it leaves open by an active statement.
 * `present`: nothing was committed since the snapshot. */
int sfs_sqlite_hold_anchor(const struct sfs_sqlite_hold *hold,
                           struct sfs_sqlite_connection *connection, sqlite3_stmt **ret_anchor,
                           bool *ret_present, struct sfs_error *error);
void sfs_sqlite_hold_drop(struct sfs_sqlite_hold *hold);

/* --- what pool.c and tend.c share, under the mutex --- */

struct sfs_sqlite_survey {
    int64_t oldest;   /* sequence that needs the open lease, INT64_MAX: none */
    int64_t longest;  /* duration */
    int64_t deadline; /* monotonic: when one may be overdue, or grown old */
};
/* Ends the holds whose time is over, and looks at the others. */
struct sfs_sqlite_survey sfs_sqlite_pool_look(struct sfs_sqlite_pool *pool);
struct sfs_sqlite_hold *sfs_sqlite_pool_find(struct sfs_sqlite_pool *pool, uint64_t number);
bool sfs_sqlite_hold_is_overdue(const struct sfs_sqlite_hold *hold, int64_t now);
void sfs_sqlite_pool_unlist(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold);
/* It relies on the open lease no more. */
void sfs_sqlite_hold_age(struct sfs_sqlite_pool *pool, struct sfs_sqlite_hold *hold);
/* The row is gone from the file, and with it what its snapshots need. Takes the mutex itself. */
void sfs_sqlite_pool_forget(struct sfs_sqlite *store, int64_t row);

/* --- commits, and what the housekeeper does with the leases (tend.c) --- */

/* The hold with this number is one of this opening and has not expired; EXPIRED. */
int sfs_sqlite_pool_require(struct sfs_sqlite_transaction *transaction, uint64_t number,
                            struct sfs_error *error);
int64_t sfs_sqlite_pool_row(struct sfs_sqlite *store);
/* A young snapshot of this opening is at this sequence number. */
bool sfs_sqlite_pool_is_at(struct sfs_sqlite *store, int64_t sequence);
/*
 * Around a commit: while it is made, the transaction keeps for this opening what its snapshots need
 * instead of every state, and nothing for `released` (0: none), which ends with the commit.
 */
int sfs_sqlite_pool_begin_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                 struct sfs_error *error);
void sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                bool committed);
/* Writes, moves on and drops leases. 1 it did, 0 there was nothing to do, or an error; *ret_again:
 * when to look again. The open lease is dropped when nobody has used it for `linger`. */
int sfs_sqlite_pool_tend(struct sfs_sqlite *store, int64_t linger, int64_t *ret_again);

/* --- the housekeeper (housekeeper.c) --- */

/* Starts it where it does not run yet; `stop` waits for its end, then callers do its work. */
void sfs_sqlite_keeper_start(struct sfs_sqlite *store);
void sfs_sqlite_keeper_stop(struct sfs_sqlite *store);
/* Has it write the log into the file when that gets long. */
void sfs_sqlite_keeper_watch_log(struct sfs_sqlite *store);
/* A read transaction has been left open on the write connection: true if it will be ended soon. */
bool sfs_sqlite_keeper_ends_near(struct sfs_sqlite *store);
/* It looks at the pool at `at` (monotonic) at the latest. Under the pool's mutex. */
/* Before a transaction of the writer: keeps the log short. */
void sfs_sqlite_log_limit(struct sfs_sqlite_connection *connection);
void sfs_sqlite_keeper_wake_by(struct sfs_sqlite *store, int64_t at);
/* There is something to prune: it will be done `after` nanoseconds; `ask` does it now where there
 * is no thread. */
void sfs_sqlite_keeper_note(struct sfs_sqlite *store, int64_t after);
void sfs_sqlite_keeper_ask(struct sfs_sqlite *store);
void sfs_sqlite_keep_house(struct sfs_sqlite *store, int64_t linger);
/* Removes the leases and stages of processes that are dead; their blocks become garbage. */
int sfs_sqlite_sweep(struct sfs_sqlite *store, bool *ret_removed, struct sfs_error *error);

#endif
