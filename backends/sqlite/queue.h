/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_QUEUE_H
#define SFS_SQLITE_QUEUE_H

/*
 * The queues for the write connection (write.c). They take turns, so that a commit waits for at
 * most one piece of single work and one of staging, however many are queued.
 */
#include <stdbool.h>

struct sfs_sqlite;
struct sfs_sqlite_request;

enum sfs_sqlite_queue_kind {
    SFS_SQLITE_COMMITS, /* batches and syncs, which are committed in groups */
    SFS_SQLITE_SINGLE,  /* other work that needs the connection for itself */
    SFS_SQLITE_STAGING, /* pieces of large values; they wait while the log is too long */
    SFS_SQLITE_QUEUES,
};

/* Under the store's queue_mutex. */
struct sfs_sqlite_queue {
    struct sfs_sqlite_request *first, *last;
    unsigned count;
};

/* Holds the write connection for the caller, for everything that is not an apply: SINGLE or
 * STAGING. */
void sfs_sqlite_writer_enter(struct sfs_sqlite *store, enum sfs_sqlite_queue_kind kind);
void sfs_sqlite_writer_leave(struct sfs_sqlite *store);

/* Nothing is staged from now on, because the log is too long. Who calls this makes sure that
 * sfs_sqlite_staging_admit() is called after it: the housekeeper does, when it has shortened the
 * log or could not. One piece is staged then even if the log is too long again. */
void sfs_sqlite_staging_hold(struct sfs_sqlite *store);
void sfs_sqlite_staging_admit(struct sfs_sqlite *store);

#endif
