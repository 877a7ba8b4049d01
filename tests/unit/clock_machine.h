/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_CLOCK_MACHINE_H
#define TESTS_UNIT_CLOCK_MACHINE_H

/*
 * A machine whose clocks, and some files of whose /proc, are the test's own; all that can be held
 * of a store; and another process that holds it. Linked with --wrap of clock_gettime, open, open64,
 * stat and stat64.
 */
#include <stdatomic.h>

#include "storefs/transaction.h"
#include "tests/unit/sqlite_fixture.h"

/* Seconds that the clocks are ahead, and what the process sees below /proc. */
struct machine {
    _Atomic int64_t real, monotonic, boot;
    char boot_id[64];  /* "": that of this machine */
    char offsets[100]; /* of the time namespace, "": those of this process */
    bool no_proc;
};

/* What this process sees; shared with the processes that it forks, which may set another one. */
extern struct machine *machine;

/* Zeroed: the machine as it is. Never freed. */
struct machine *machine_new(void);
/* CLOCK_REALTIME without the test's doing, in seconds. */
int64_t machine_time(void);

/* --- what is held --- */

#define LARGE ((size_t)3 * 1024 * 1024)
#define LEVELS 3 /* of isolation */

struct held {
    struct sfs_storage *store;
    const char *name;
    struct sfs_transaction *transactions[LEVELS];
    struct sfs_storage *snapshot;
    struct sfs_feed *feed;
    struct sfs_stage *stage;
};

/* Puts keys into transactions of all levels, and takes a snapshot, a feed and a staged value of
 * LARGE bytes; what `held->store`, which is open, cannot give is left out. What fails is printed:
 * nothing is asserted here. */
bool hold(struct held *held);
/* All of it is as good as it was, and ends well. "a" was 1 when hold() was called, and was set to 2
 * since. */
bool is_held(struct held *held);
/* The check that repairs, which also removes what the dead have left. */
bool check(struct held *held);
/* LARGE bytes that are no zeros. The caller frees them. */
char *pattern(void);

/* --- another process --- */

/* Told what to do by letters: o open, h hold(), f check(), v is_held(), c close. */
struct neighbour {
    pid_t process;
    int ask, hear;
};

/* While this process has no store open. `own`: the machine that it sees, NULL: the same. */
struct neighbour start(const char *uri, const char *name, struct machine *own);
/* Returns when all is done; fails the test where something failed. */
void ask(const struct neighbour *neighbour, const char *letters);
/* By the signal, or 0: by itself. */
void end(const struct neighbour *neighbour, int signal);

#endif
