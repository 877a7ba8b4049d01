/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_INDEX_H
#define SFS_TXN_INDEX_H

/*
 * Indexes inside a transaction: those of the base, without the entries of names that were written,
 * and with entries made of the write set. Only of views that do not change, that map no names, and
 * in which not too much was written: else there are none, and queries scan.
 */
#include <pthread.h>

#include "txn/view.h"

/* Of a larger write set the entries are not made. */
#define SFS_TXN_INDEX_WRITES 10000

/* What a view has made of its write set: for each index asked of, its entries; belongs to the
 * view's store. {0}, once its lock is initialised, is empty. Several threads may use it at once. */
struct sfs_txn_index_entries;
struct sfs_txn_indexes {
    pthread_mutex_t lock; /* the list; what is in it does not change */
    struct sfs_txn_index_entries *list;
};
void sfs_txn_indexes_init(struct sfs_txn_indexes *indexes);
void sfs_txn_indexes_free(struct sfs_txn_indexes *indexes);

/* As struct sfs_index_operations has them, of a view. The cursor takes a share of the view's
 * writes; its store must outlive it. */
int sfs_txn_index_set(const struct sfs_txn_view *view, struct sfs_index_set **ret_set,
                      struct sfs_error *error);
int sfs_txn_index_stats(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                        const struct sfs_index *index, struct sfs_index_stats *ret_stats,
                        struct sfs_error *error);
int sfs_txn_index_count(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                        const struct sfs_index *index, struct sfs_range range, uint64_t most,
                        uint64_t *ret_count, struct sfs_error *error);
int sfs_txn_index_scan(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                       const struct sfs_index *index, struct sfs_range range, bool descending,
                       unsigned want, struct sfs_index_cursor **ret_cursor,
                       struct sfs_error *error);

/* create and drop: UNSUPPORTED. */
int sfs_txn_index_create(struct sfs_storage *store, const struct sfs_index *index,
                         sfs_progress_function *progress, void *context, struct sfs_error *error);
int sfs_txn_index_drop(struct sfs_storage *store, uint64_t id, struct sfs_error *error);

#endif
