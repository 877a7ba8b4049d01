/* SPDX-License-Identifier: MIT */
/*
 * Turns among processes that write one file. SQLite's write lock goes to whoever asks at the right
 * moment, so a process that commits without pause can keep another out for as long as it likes. Who
 * has waited for some time therefore claims the next turn, with flock(2) on the log, and whoever
 * begins a transaction lets the claim go first. It is a courtesy and no lock: SQLite's own decides,
 * and where the claim cannot be made or seen, all goes as without. The log is the one file of the
 * three that SQLite itself never locks; closing one of the others would drop its locks.
 */
#include "backends/sqlite/sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define PATIENCE (10 * SFS_NS_PER_MS)
#define SLICE INT64_C(200000)

int sfs_sqlite_log_open(const struct sfs_sqlite *store)
{
    char *path;
    if (asprintf(&path, "%s-wal", store->path) < 0)
        return -1;
    int log = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    free(path);
    return log;
}

static bool is_claimed(int log)
{
    if (flock(log, LOCK_SH | LOCK_NB) != 0)
        return errno == EWOULDBLOCK;
    flock(log, LOCK_UN);
    return false;
}

void sfs_sqlite_turn_begin(struct sfs_sqlite_connection *connection)
{
    struct sfs_sqlite *store = connection->store;
    int64_t limit = sfs_sqlite_patience(connection);
    if (store->turn < 0)
        store->turn = sfs_sqlite_log_open(store);
    connection->turns = store->turn >= 0;
    if (!connection->turns)
        return;
    for (int64_t begin = 0; is_claimed(store->turn);) {
        int64_t now = sfs_clock_monotonic();
        begin = begin ? begin : now;
        if (now - begin >= limit)
            return;
        nanosleep(&(struct timespec){.tv_nsec = SLICE}, NULL);
    }
}

int64_t sfs_sqlite_turn_wait(struct sfs_sqlite_connection *connection, int64_t waited)
{
    if (connection->turns && !connection->claimed && waited >= PATIENCE)
        connection->claimed = flock(connection->store->turn, LOCK_EX | LOCK_NB) == 0;
    return connection->claimed ? SLICE : INT64_MAX;
}

void sfs_sqlite_turn_end(struct sfs_sqlite_connection *connection)
{
    if (connection->claimed)
        flock(connection->store->turn, LOCK_UN);
    connection->claimed = false;
    connection->turns = false;
}
