/* SPDX-License-Identifier: MIT */
/* Ranges of a snapshot that hold nothing. */
#include "txn/gaps.h"

#define PATIENCE_LEAST 2
#define PATIENCE_MOST 1024

void sfs_txn_gaps_init(struct sfs_txn_gaps *gaps)
{
    *gaps = (struct sfs_txn_gaps){.patience = PATIENCE_LEAST};
}

void sfs_txn_gaps_clear(struct sfs_txn_gaps *gaps)
{
    for (size_t i = 0; i < SFS_TXN_GAPS; i++) {
        sfs_buffer_free(&gaps->list[i].from);
        sfs_buffer_free(&gaps->list[i].to);
    }
    sfs_txn_gaps_init(gaps);
}

/* A gap was of use: looking for others pays. */
static bool rejoice(struct sfs_txn_gaps *gaps)
{
    if (gaps->patience > PATIENCE_LEAST)
        gaps->patience = PATIENCE_LEAST;
    return true;
}

static struct sfs_range range_of(const struct sfs_txn_gap *gap)
{
    return (struct sfs_range){sfs_buffer_bytes(&gap->from), sfs_buffer_bytes(&gap->to)};
}

bool sfs_txn_gaps_have(struct sfs_txn_gaps *gaps, struct sfs_range range)
{
    for (size_t i = 0; i < SFS_TXN_GAPS; i++)
        if (gaps->list[i].known && sfs_range_covers(range_of(&gaps->list[i]), range))
            return rejoice(gaps);
    return false;
}

bool sfs_txn_gaps_have_name(struct sfs_txn_gaps *gaps, struct sfs_bytes name)
{
    for (size_t i = 0; i < SFS_TXN_GAPS; i++)
        if (gaps->list[i].known && sfs_range_has(range_of(&gaps->list[i]), name))
            return rejoice(gaps);
    return false;
}

void sfs_txn_gaps_add(struct sfs_txn_gaps *gaps, struct sfs_range range)
{
    struct sfs_txn_gap *gap = &gaps->list[gaps->oldest];
    gap->known = false;
    gap->from.size = gap->to.size = 0;
    if (sfs_buffer_add(&gap->from, range.from) || sfs_buffer_add(&gap->to, range.to))
        return;
    gap->known = true;
    gaps->oldest = (gaps->oldest + 1) % SFS_TXN_GAPS;
}

bool sfs_txn_gaps_wonder(struct sfs_txn_gaps *gaps)
{
    if (gaps->patience == 0 || ++gaps->missing < gaps->patience)
        return false;
    gaps->missing = 0;
    if (gaps->patience < PATIENCE_MOST)
        gaps->patience *= 2;
    return true;
}

void sfs_txn_gaps_tire(struct sfs_txn_gaps *gaps)
{
    gaps->patience = 0;
}
