/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_HISTORY_H
#define CONFORMANCE_HISTORY_H

/*
 * Histories of committed transactions, and the judge of them: Adya's dependency graph. Every value
 * that is written is different, so that a value tells who wrote it; the order of the versions of a
 * key is that of the commits' sequence numbers. Keys are never deleted, so "absent" is the version
 * before all others, and a list or query is a read of every key in its range.
 *
 * Histories hold no pointers: they may lie in memory that several processes share.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storefs/transaction.h"

#define HISTORY_KEYS 10
#define HISTORY_ACCESSES 48

struct history_access {
    uint64_t value; /* 0: absent */
    uint8_t key;
    bool write;
};

struct history_transaction {
    uint64_t sequence; /* of the commit */
    uint32_t attempt;  /* which of its attempts committed */
    uint32_t count;
    bool committed;
    struct history_access accesses[HISTORY_ACCESSES];
};

/* A value that nobody else writes, and whose it is. */
static inline uint64_t history_value(size_t transaction, uint32_t attempt, uint32_t access)
{
    return ((uint64_t)transaction + 1) << 24 | (uint64_t)(attempt & 0xffff) << 8 | access;
}

struct history_verdict {
    size_t ww, wr, rw; /* edges */
    size_t aborted;    /* reads of what was never committed (G1a) */
    size_t passing;    /* reads of what its writer then overwrote (G1b) */
    size_t wrong_own;  /* reads that did not see the transaction's own write */
    bool cycle;        /* of a kind that the level forbids */
};

/*
 * Judges. Forbidden cycles: read committed, those of ww and wr edges (G0, G1c); snapshot, also
 * those in which no two rw edges follow one another (G-single; after Cerone and Gotsman, this is
 * what snapshot isolation is); serializable, all. False: no memory.
 */
bool history_judge(const struct history_transaction *transactions, size_t count,
                   enum sfs_isolation isolation, struct history_verdict *ret_verdict);

#endif
