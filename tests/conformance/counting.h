/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_COUNTING_H
#define CONFORMANCE_COUNTING_H

/*
 * A backend that counts how often its override slots and its reads of records are called. It is a
 * store over one in memory with a primitive or an override of its own in every slot. One thread.
 */
#include "tests/conformance/short.h"

enum slot {
    SLOT_TOTALS,
    SLOT_EXISTS,
    SLOT_DATA,
    SLOT_VERSION,
    SLOT_PUSH_DOWN,
    SLOT_BACKUP,
    SLOT_CHECK,
    SLOT_RESERVE_IDS,
    SLOT_WATCH,
    SLOT_FILES,
    SLOT_INDEX_SET, /* the slots of the group `index` */
    SLOT_INDEX_STATS,
    SLOT_INDEX_SCAN,
    SLOT_INDEX_COUNT,
    SLOT_INDEX_CREATE,
    SLOT_INDEX_DROP,
    SLOTS
};

extern unsigned counting_asked[SLOTS];
extern unsigned counting_reads; /* get, read and scan */
void counting_reset(void);

/* Over `below`, which it owns and which has indexes. Its snapshots count too. */
struct sfs_storage *counting_store(struct sfs_storage *below);
/* Whether `store` is one. */
bool counting_is(const struct sfs_storage *store);

/* A new layer over `below`, for operations whose close is layer_free(). */
struct sfs_storage *layer_over(struct sfs_storage *below,
                               const struct sfs_storage_operations *operations);
int layer_free(struct sfs_storage *store, struct sfs_error *error);

#endif
