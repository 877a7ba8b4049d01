/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_MAP_H
#define SFS_TXN_MAP_H

/*
 * Map: which name of the base a name of the view stands for, where that is not the same name. It is
 * made of pieces, ranges of names in the view that do not overlap: names of one that is gone stand
 * for nothing; names of another begin, in the base, with another prefix. So a renamed directory costs
 * as much as it has ranges that are mapped otherwise, not as it has names. (Extent maps of file
 * systems do this with blocks.)
 *
 * The pieces lie in a persistent tree, each under the end of its range, so that maps are shared
 * like write sets and the piece around a name is found in one descent. Pieces are immutable and
 * counted. A map belongs to one thread at a time.
 */
#include <stdatomic.h>

#include "storefs/backend.h"
#include "util/tree.h"

struct sfs_txn_piece {
    atomic_size_t references;
    struct sfs_range range;  /* of names in the view */
    bool gone;               /* they stand for nothing; else: */
    struct sfs_bytes view;   /* every name of the range begins with this */
    struct sfs_bytes base;   /* and in the base with this in its place */
    uint64_t revision;       /* that its records show */
    int64_t changed;         /* likewise: when they were moved */
    char bytes[];            /* range.from, range.to, view, base */
};

void sfs_txn_map_init(struct sfs_tree *map);

/* The piece around a name, borrowed from the map; NULL: the name stands for itself. */
const struct sfs_txn_piece *sfs_txn_map_find(const struct sfs_tree *map, struct sfs_bytes name);

/*
 * The names from `range.from` on that are mapped alike, which are the beginning of the range that is
 * given: *ret_piece (NULL: they stand for themselves) and their part of the range, borrowed from
 * range and map. False where the range is empty.
 */
bool sfs_txn_map_part(const struct sfs_tree *map, struct sfs_range range,
                      const struct sfs_txn_piece **ret_piece, struct sfs_range *ret_part);
/* Goes on behind the part: false at the end of the range. */
bool sfs_txn_map_behind(struct sfs_range part, struct sfs_range *range);

/* Appends to `name` the name in the base (in the view) of a name in the view (in the base); the
 * piece is not one that is gone; NULL: they are the same. NO_MEMORY. */
int sfs_txn_piece_base(const struct sfs_txn_piece *piece, struct sfs_bytes in_view,
                       struct sfs_buffer *name);
int sfs_txn_piece_view(const struct sfs_txn_piece *piece, struct sfs_bytes in_base,
                       struct sfs_buffer *name);
/* Where a part of the piece's range lies in the base; built in `bounds`. NO_MEMORY. */
int sfs_txn_piece_range(const struct sfs_txn_piece *piece, struct sfs_range part,
                        struct sfs_buffer bounds[2], struct sfs_range *ret_range);

/* Changes; NO_MEMORY, and the map is then in between and must be dropped. */
/* Names of the range stand for nothing. */
int sfs_txn_map_clear(struct sfs_tree *map, struct sfs_range range);
/*
 * What names below `from` stand for, names below `to` stand for now, and those below `from` for
 * nothing; a temporary `from` is as it was before anything was moved there. Both are prefixes, of
 * which none contains the other. The records show `revision` and `changed`.
 */
int sfs_txn_map_move(struct sfs_tree *map, struct sfs_bytes from, struct sfs_bytes to,
                     uint64_t revision, int64_t changed);

#endif
