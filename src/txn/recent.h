/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_RECENT_H
#define SFS_TXN_RECENT_H

/*
 * Recent: a layer over a snapshot that keeps the last records asked for by name, and the last names
 * that were not there. What a snapshot has of a name never changes, and a change in a transaction
 * asks for the same name again and again: as a precondition, as what it depends on, and whoever
 * made it before that. Values are not kept. One table with a place a hash (direct-mapped), so that
 * its size is bounded. And a few ranges that hold nothing (gaps.h).
 */
#include "storefs/backend.h"

/* A layer over `snapshot`, which stays the caller's. Freed by sfs_close(). */
int sfs_txn_recent_new(struct sfs_storage *snapshot, struct sfs_storage **ret_recent,
                       struct sfs_error *error);

#endif
