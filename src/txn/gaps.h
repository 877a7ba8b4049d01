/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_GAPS_H
#define SFS_TXN_GAPS_H

/*
 * Gaps: ranges of a snapshot that are known to hold no record. What a snapshot has does not change,
 * so that whoever makes many names side by side need not ask it for each of them. A few are kept,
 * the oldest goes first. (The word and the idea: the gaps between keys that database engines lock,
 * "Granularity of Locks", Gray and others, 1975; here nothing is locked, since nothing changes.)
 * Not thread-safe: the owner locks.
 */
#include "storefs/storage.h"

#define SFS_TXN_GAPS 8

struct sfs_txn_gaps {
    struct sfs_txn_gap {
        struct sfs_buffer from;
        struct sfs_buffer to; /* empty: without an end */
        bool known;
    } list[SFS_TXN_GAPS];
    unsigned oldest;
    unsigned missing;  /* names not found below since the last look for what comes behind one */
    unsigned patience; /* so many, before the next look; 0: there is none */
};

void sfs_txn_gaps_init(struct sfs_txn_gaps *gaps);
void sfs_txn_gaps_clear(struct sfs_txn_gaps *gaps);

/* Whether all of the range, or the name, lies in one of them. */
bool sfs_txn_gaps_have(struct sfs_txn_gaps *gaps, struct sfs_range range);
bool sfs_txn_gaps_have_name(struct sfs_txn_gaps *gaps, struct sfs_bytes name);

/* The range holds nothing. Without memory it is not kept. */
void sfs_txn_gaps_add(struct sfs_txn_gaps *gaps, struct sfs_range range);

/* A name that no gap has was not found: whether it is time to look how far the gap around it goes.
 * Seldom, where that has not been of use. */
bool sfs_txn_gaps_wonder(struct sfs_txn_gaps *gaps);
/* The look took long, as where it passes all that others have made there since the snapshot: never again. */
void sfs_txn_gaps_tire(struct sfs_txn_gaps *gaps);

#endif
