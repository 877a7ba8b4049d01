/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_RUNS_H
#define SFS_QUERY_RUNS_H

/*
 * Runs: sorted pieces in a spool, and their merge. {.spool.fd = -1} has none. A reader opens the
 * merge of all; runs of one level are merged into a run of the next as soon as there are many, so
 * that a merge never reads from many places at once.
 */
#include "query/guard.h"
#include "query/spool.h"

struct sfs_run {
    uint64_t from;
    uint64_t to;
    unsigned level;
};

/* A key and its payload; borrowed. */
struct sfs_pair {
    struct sfs_bytes key;
    struct sfs_bytes payload;
};

struct sfs_merge;
struct sfs_runs {
    struct sfs_spool spool;
    struct sfs_guard *guard;
    struct sfs_run *runs;
    size_t count;
    size_t capacity;
    size_t buffer_size;     /* of each place that is read from, and of the one that is written to */
    struct sfs_buffer made; /* not yet written */
};

/* Writing one run: pairs in order. On failure the runs can only be freed. */
int sfs_runs_begin(struct sfs_runs *runs, struct sfs_error *error);
int sfs_runs_write(struct sfs_runs *runs, const struct sfs_pair *pair, struct sfs_error *error);
int sfs_runs_end(struct sfs_runs *runs, struct sfs_error *error);
void sfs_runs_free(struct sfs_runs *runs);

/* The merge of all runs. */
int sfs_merge_open(struct sfs_runs *runs, size_t first, struct sfs_merge **ret_merge,
                   struct sfs_error *error);
/* 1 and the next pair, borrowed until the next call; 0 at the end; or an error. */
int sfs_merge_next(struct sfs_merge *merge, struct sfs_pair *ret_pair, struct sfs_error *error);
void sfs_merge_close(struct sfs_merge *merge);

#endif
