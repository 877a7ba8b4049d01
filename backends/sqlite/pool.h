/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_POOL_H
#define SFS_SQLITE_POOL_H

/*
 * The snapshots of one opening of a store, the lease that it has in the file for them, and the
 * housekeeper, which tends that.
 *
 * The lease is one row for all snapshots of the opening: it asks other processes to keep every
 * state from its sequence number on. The opening itself knows its snapshots, so that its commits
 * keep what these need and no more, and that beginning a snapshot while the row is there is a read.
 * (Why that is right: doc/decisions/snapshots-in-sqlite.md.)
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
    ((int64_t)100 * 1000000) /* how long the lease is kept for the next snapshot */
#define SFS_SQLITE_MOVE_EVERY ((int64_t)250 * 1000000)
#define SFS_SQLITE_HOLD_CHAINS 64

/* A snapshot's part in the lease. Unless noted, the fields are the pool's, under its mutex. */
struct sfs_sqlite_hold {
    struct sfs_sqlite *store;
    /* Constant once it is taken: what sfs_snapshot_lease() returns, the lease (0: the disk had no
     * room for one, and it is good while nothing is committed), the state, and nanoseconds. */
    uint64_t number;
    int64_t row;
    int64_t sequence;
    int64_t duration;
    int64_t used;     /* monotonic, once it is settled */
    bool settled;     /* its sequence number is known */
    bool expired;     /* then it is in no list */
    int64_t gone_at;  /* the commit that gives it up, from which on it cannot be read; 0: none */
    struct sfs_sqlite_hold *next;
    struct sfs_sqlite_hold *older; /* settled ones, by their sequence numbers */
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
    struct sfs_sqlite_hold *oldest; /* of the settled ones */
    struct sfs_sqlite_hold *newest;
    size_t count;
    size_t settling; /* of them are not settled */
    uint32_t last_number;
    /* The lease, which changes only under the write connection too, as do the next three. (But
     * that it is gone from the file may be noted at any time.) */
    int64_t row;            /* 0: none */
    int64_t sequence;       /* what it keeps, according to the file */
    int64_t expires;        /* sfs_sqlite_clock() */
    int64_t floor;          /* the smallest sequence number that a new snapshot may have */
    int64_t floor_before;   /* while `ahead` */
    bool ahead;             /* the floor is that of a commit that is being made */
    int64_t moved;          /* monotonic: when the lease was last looked at */
    int64_t idle_since;     /* monotonic: when the last snapshot ended */
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

/* --- commits (pool.c) --- */

/* The hold with this number is one of this opening and has not expired; EXPIRED. */
int sfs_sqlite_pool_require(struct sfs_sqlite_transaction *transaction, uint64_t number,
                            struct sfs_error *error);
int64_t sfs_sqlite_pool_row(struct sfs_sqlite *store);
/* A snapshot of this opening is at this sequence number. */
bool sfs_sqlite_pool_is_at(struct sfs_sqlite *store, int64_t sequence);
/*
 * Around a commit: while it is made, the transaction keeps for this opening what its snapshots need
 * instead of every state, and nothing for `released` (0: none), which ends with the commit.
 */
void sfs_sqlite_pool_begin_commit(struct sfs_sqlite_transaction *transaction, uint64_t released);
void sfs_sqlite_pool_end_commit(struct sfs_sqlite_transaction *transaction, uint64_t released,
                                bool committed);

/* --- the lease of the snapshots (pool_lease.c) --- */

/* Moves the lease on to the oldest snapshot, or to the present, and makes it last at least twice as
 * long as the longest of them; or drops it where nobody has used it for `linger`. EXPIRED … */
int sfs_sqlite_pool_change_row(struct sfs_sqlite *store, int64_t linger, struct sfs_error *error);
/* The same where the caller has entered the write connection already, and leaves it. */
int sfs_sqlite_pool_change_row_held(struct sfs_sqlite *store, int64_t linger,
                                    struct sfs_error *error);
/* Does that where it is due. 1 it did, 0 there was nothing to do, or an error; *ret_again: when to
 * look again. */
int sfs_sqlite_pool_tend(struct sfs_sqlite *store, int64_t linger, int64_t *ret_again);

/* --- what these two share (pool.c) --- */

struct sfs_sqlite_survey {
    int64_t longest;  /* duration */
    int64_t deadline; /* monotonic: when one may be overdue */
};
/* Ends the holds whose time is over, and looks at the others. Under the mutex. */
struct sfs_sqlite_survey sfs_sqlite_pool_look(struct sfs_sqlite_pool *pool);
/* The row is gone from the file, and with it what its snapshots need. Takes the mutex itself. */
void sfs_sqlite_pool_forget(struct sfs_sqlite *store, int64_t row);

/* --- the housekeeper (housekeeper.c) --- */

/* Starts it where it does not run yet; `stop` waits for its end, then callers do its work. */
void sfs_sqlite_keeper_start(struct sfs_sqlite *store);
void sfs_sqlite_keeper_stop(struct sfs_sqlite *store);
/* Has it write the log into the file when that gets long. */
void sfs_sqlite_keeper_watch_log(struct sfs_sqlite *store);
/* A read transaction has been left open on the write connection: true if it will be ended soon. */
bool sfs_sqlite_keeper_ends_near(struct sfs_sqlite *store);
/* Before a transaction of the writer: keeps the log short. */
void sfs_sqlite_log_limit(struct sfs_sqlite_connection *connection);
/* It looks at the pool at `at` (monotonic) at the latest. Under the pool's mutex. */
void sfs_sqlite_keeper_wake_by(struct sfs_sqlite *store, int64_t at);
/* There is something to prune: it will be done `after` nanoseconds; `ask` does it now where there
 * is no thread. */
void sfs_sqlite_keeper_note(struct sfs_sqlite *store, int64_t after);
void sfs_sqlite_keeper_ask(struct sfs_sqlite *store);
void sfs_sqlite_keep_house(struct sfs_sqlite *store, int64_t linger);
/* Removes the leases and stages of processes that are dead; their blocks become garbage. */
int sfs_sqlite_sweep(struct sfs_sqlite *store, bool *ret_removed, struct sfs_error *error);

#endif
