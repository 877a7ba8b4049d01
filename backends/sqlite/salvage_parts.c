/* SPDX-License-Identifier: MIT */
/* The parts of large values among the rows that were found: which are stored, and what is a hole.
 */
#include "backends/sqlite/salvage.h"

#define CURRENT INT64_MAX /* `ended` of a part that is */

/* The first row that is not before (content, part). */
static size_t seek_part(const struct sfs_collection *collection, int64_t content, int64_t part)
{
    size_t low = 0, high = collection->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sfs_part_row *row = &collection->parts[middle];
        if (row->content < content || (row->content == content && row->part < part))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether there never was a row between `at` - 1 and `at`. */
static bool is_hole(const struct sfs_collection *collection, size_t at)
{
    if (collection->parts_whole)
        return true;
    if (at == 0 || at >= collection->part_count)
        return false;
    const struct sfs_part_row *before = &collection->parts[at - 1], *behind = before + 1;
    return before->page == behind->page && before->cell + 1 == behind->cell;
}

int sfs_collection_part(const struct sfs_collection *collection, int64_t content, int64_t part,
                        int64_t *ret_block)
{
    const struct sfs_part_row *rows = collection->parts;
    size_t at = seek_part(collection, content, part);
    int64_t block = 0;
    for (; at < collection->part_count && rows[at].content == content && rows[at].part == part;
         at++)
        block = rows[at].ended == CURRENT ? rows[at].block : block;
    if (block == 0 && !is_hole(collection, at))
        return SFS_E_CORRUPT;
    *ret_block = block;
    return 0;
}

bool sfs_collection_next_part(const struct sfs_collection *collection, int64_t content,
                              int64_t part, int64_t *ret_part)
{
    const struct sfs_part_row *rows = collection->parts;
    size_t at = seek_part(collection, content, part);
    int64_t block = 0;
    *ret_part = part;
    if (sfs_collection_part(collection, content, part, &block) != 0 || block != 0)
        return true;
    while (at < collection->part_count && rows[at].content == content &&
           (rows[at].ended != CURRENT || rows[at].part < part))
        at++;
    if (at >= collection->part_count || rows[at].content != content)
        return !is_hole(collection, at); /* then some part behind may be lost: this one will tell */
    *ret_part = rows[at].part;
    return true;
}
