/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_INDEX_ENTRIES_H
#define SFS_TXN_INDEX_ENTRIES_H

/* What a write set is to one index. Immutable once it is kept. */
#include "txn/index.h"

struct sfs_txn_index_entry {
    struct sfs_buffer key;
    struct sfs_buffer name;
};
/* By K, then name. */
struct sfs_txn_index_part {
    struct sfs_txn_index_entry *list;
    size_t count;
    size_t room;
    uint64_t inexact;
};
struct sfs_txn_index_entries {
    struct sfs_txn_index_entries *next;
    uint64_t id;
    struct sfs_txn_index_part own;    /* of what was written */
    struct sfs_txn_index_part hidden; /* of what the base has under the names that were written */
};

/* The entries, kept in `indexes`, made where they are not there yet. */
int sfs_txn_index_entries(const struct sfs_txn_view *view, struct sfs_txn_indexes *indexes,
                          const struct sfs_index *index,
                          const struct sfs_txn_index_entries **ret_entries,
                          struct sfs_error *error);
/* The first entry whose K is not below `bound`. */
size_t sfs_txn_index_position(const struct sfs_txn_index_part *part, struct sfs_bytes bound);

#endif
