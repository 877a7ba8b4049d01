/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_READS_H
#define SFS_TXN_READS_H

/*
 * Reads: what a serializable transaction has read of its snapshot, and so what must be unchanged
 * when it commits. Names that were looked up, found or not, are kept with their revision; ranges as
 * far as a cursor got in them; queries as their leading filters, with the range that they were
 * evaluated on (predicate locks, after Eswaran, Gray, Lorie and Traiger, but checked once, at the
 * commit).
 *
 * Memory is bounded by making the record coarser, never by forgetting: ranges that touch become
 * one, names beyond SFS_TXN_READ_KEYS become ranges, and queries beyond SFS_TXN_READ_QUERIES are
 * recorded as the ranges that they scan.
 *
 * All functions may be called by several threads at once.
 */
#include <pthread.h>

#include "storefs/backend.h"
#include "util/tree.h"

#define SFS_TXN_READ_KEYS 100000
#define SFS_TXN_READ_RANGES 4096
#define SFS_TXN_READ_QUERIES 1000

/* From `from` to, but without, `end`; `endless`: to the last of all names. */
struct sfs_txn_extent {
    struct sfs_buffer from;
    struct sfs_buffer end;
    bool endless;
};

struct sfs_txn_predicate;

struct sfs_txn_reads {
    pthread_mutex_t lock;
    struct sfs_tree keys;
    struct sfs_tree witnesses;     /* names that showed that a range is not empty, with their id */
    struct sfs_txn_extent *ranges; /* ascending; none touches the next */
    size_t range_count;
    struct sfs_txn_predicate **predicates;
    size_t predicate_count;
    size_t key_limit; /* SFS_TXN_READ_KEYS and so on, but for tests */
    size_t range_limit;
    size_t predicate_limit;
};

void sfs_txn_reads_init(struct sfs_txn_reads *reads);
void sfs_txn_reads_clear(struct sfs_txn_reads *reads);

/* Whether reading the name again would add nothing. */
bool sfs_txn_reads_has(struct sfs_txn_reads *reads, struct sfs_bytes name);
/* A name was looked up; `revision` 0: it was not there. NO_MEMORY, as all of these. */
int sfs_txn_reads_key(struct sfs_txn_reads *reads, struct sfs_bytes name, uint64_t revision,
                      struct sfs_error *error);
/* All that was asked was whether something is there, and this record showed it. */
int sfs_txn_reads_witness(struct sfs_txn_reads *reads, struct sfs_bytes name, uint64_t id,
                          struct sfs_error *error);
/* A cursor that began at `from` has shown everything up to and with `last`. */
int sfs_txn_reads_upto(struct sfs_txn_reads *reads, struct sfs_bytes from, struct sfs_bytes last,
                       struct sfs_error *error);
/* A cursor has come to the end of the range. */
int sfs_txn_reads_range(struct sfs_txn_reads *reads, struct sfs_range range,
                        struct sfs_error *error);

/*
 * The record of a query whose first `stages` stages, all filters, are evaluated on records from
 * `from` on; borrowed from `reads`. The same filters from the same name give the same record.
 * *ret_predicate NULL: there are too many, and the query is to be recorded as what it scans.
 */
int sfs_txn_reads_query(struct sfs_txn_reads *reads, const struct sfs_query *query, size_t stages,
                        struct sfs_bytes from, struct sfs_txn_predicate **ret_predicate,
                        struct sfs_error *error);
/* The filters were evaluated up to and with `last`, or (`end`) up to the end of the range. */
int sfs_txn_reads_query_upto(struct sfs_txn_reads *reads, struct sfs_txn_predicate *predicate,
                             struct sfs_bytes last, struct sfs_error *error);
int sfs_txn_reads_query_end(struct sfs_txn_reads *reads, struct sfs_txn_predicate *predicate,
                            struct sfs_bytes end, struct sfs_error *error);

/* Calls `visit` with each name that was looked up, and its revision; or (`id`) that showed a range not to be
 * empty, and its record's id. Returns what is not 0 of a visit. */
typedef int sfs_txn_reads_visit(void *context, struct sfs_bytes name, uint64_t number, bool id);
int sfs_txn_reads_each(struct sfs_txn_reads *reads, sfs_txn_reads_visit *visit, void *context);
/* Appends to `from` and `to` the range that was read and has the name: 1, or 0 where none has; NO_MEMORY. */
int sfs_txn_reads_find_range(struct sfs_txn_reads *reads, struct sfs_bytes name, struct sfs_buffer *from,
                             struct sfs_buffer *to);
/* Appends the filters of a query that one of the records (NULL: none) passes: 1, 0 or NO_MEMORY. */
int sfs_txn_reads_find_query(struct sfs_txn_reads *reads, const struct sfs_record *before,
                             const struct sfs_record *after, struct sfs_buffer *query);

/*
 * Adds to a batch that all of this is as it was at `sequence`; names in `written`, which the batch
 * changes and depends on itself, are left out. `reads` must outlive the batch's apply.
 */
int sfs_txn_reads_require(struct sfs_txn_reads *reads, const struct sfs_tree *written,
                          uint64_t sequence, struct sfs_batch *batch, struct sfs_error *error);

#endif
