/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_POSITIONS_H
#define STOREFS_FS_POSITIONS_H

/*
 * Where a listing goes on behind each entry that it gave: telldir(3) names such a place, and seekdir(3) is to find
 * it again whatever was made and removed meanwhile. A place shares most of its text with the one before, so that
 * each takes some bytes. One thread at a time.
 */
#include "storefs/storefs.h"

struct fs_positions {
    struct sfs_buffer log;  /* of each place: how much it shares with the one before, how long the rest is, the rest */
    struct sfs_buffer last; /* the text of the last one */
    size_t *blocks;         /* where in the log every so many begin that share nothing */
    size_t capacity;        /* of blocks */
    uint64_t first;         /* of those that are kept: where there are too many the old ones are forgotten */
    uint64_t count;         /* all, the forgotten ones too */
    /* The one that was looked for last, as the next one often is behind it. */
    struct sfs_buffer found;
    uint64_t found_index;
    size_t found_end; /* in the log; 0: none was */
};

void fs_positions_free(struct fs_positions *positions);
/* 0 or NO_MEMORY. */
int fs_positions_add(struct fs_positions *positions, struct sfs_bytes text);
/* The text of a place, borrowed until the next call; NOT_FOUND or NO_MEMORY. */
int fs_positions_find(struct fs_positions *positions, uint64_t index, struct sfs_bytes *ret_text);

#endif
