/* SPDX-License-Identifier: MIT */
/*
 * What of an open file is dirty: an ascending list of extents that do not touch, and marks for
 * "replaced whole" and "truncated". Pure: no locks, no storage calls.
 */
#include <stdlib.h>

#include "fs/file.h"

/* The first extent whose end is not before `offset`. */
static size_t find_extent(const struct fs_dirty *dirty, uint64_t offset)
{
    size_t low = 0, high = dirty->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct fs_extent *extent = &dirty->extents[middle];
        if (extent->offset + extent->size < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int make_room(struct fs_dirty *dirty)
{
    if (dirty->count < dirty->capacity)
        return 0;
    size_t capacity = dirty->capacity != 0 ? dirty->capacity * 2 : 8;
    struct fs_extent *extents = realloc(dirty->extents, capacity * sizeof(*extents));
    if (extents == NULL)
        return SFS_E_NO_MEMORY;
    dirty->extents = extents;
    dirty->capacity = capacity;
    return 0;
}

/* Replaces the extents [first, last) by one. There is room for one more. */
static void replace_extents(struct fs_dirty *dirty, size_t first, size_t last, struct fs_extent extent)
{
    memmove(dirty->extents + first + 1, dirty->extents + last,
            (dirty->count - last) * sizeof(extent));
    dirty->extents[first] = extent;
    dirty->count = dirty->count - (last - first) + 1;
}

int fs_dirty_add(struct fs_dirty *dirty, uint64_t offset, uint64_t size, bool append)
{
    if (size == 0)
        return 0;
    if (make_room(dirty) != 0)
        return SFS_E_NO_MEMORY;
    dirty->appended = append && !dirty->cut && (dirty->count == 0 || dirty->appended);
    size_t first = find_extent(dirty, offset);
    size_t last = first;
    uint64_t end = offset + size;
    while (last < dirty->count && dirty->extents[last].offset <= end) {
        const struct fs_extent *extent = &dirty->extents[last++];
        if (extent->offset < offset)
            offset = extent->offset;
        if (extent->offset + extent->size > end)
            end = extent->offset + extent->size;
    }
    replace_extents(dirty, first, last, (struct fs_extent){offset, end - offset});
    return 0;
}

void fs_dirty_cut(struct fs_dirty *dirty, uint64_t size)
{
    while (dirty->count > 0) {
        struct fs_extent *last = &dirty->extents[dirty->count - 1];
        if (last->offset + last->size <= size)
            break;
        if (last->offset < size) {
            last->size = size - last->offset;
            break;
        }
        dirty->count--;
    }
    dirty->low = dirty->cut && dirty->low < size ? dirty->low : size;
    dirty->cut = true;
    dirty->appended = false;
}

void fs_dirty_merge(struct fs_dirty *dirty, struct fs_dirty *taken)
{
    bool appended = taken->appended && (dirty->count == 0 || dirty->appended);
    if (dirty->count == 0 && taken->count > 0) {
        struct fs_extent *extents = dirty->extents;
        size_t capacity = dirty->capacity;
        dirty->extents = taken->extents;
        dirty->count = taken->count;
        dirty->capacity = taken->capacity;
        taken->extents = extents;
        taken->capacity = capacity;
        taken->count = 0;
    }
    for (size_t i = 0; i < taken->count; i++)
        /* Without memory for a list of parts the file is committed whole: nothing is lost. */
        if (fs_dirty_add(dirty, taken->extents[i].offset, taken->extents[i].size, false) != 0)
            dirty->whole = true;
    dirty->appended = appended;
    dirty->whole = dirty->whole || taken->whole;
    if (taken->cut)
        dirty->low = dirty->cut && dirty->low < taken->low ? dirty->low : taken->low;
    dirty->cut = dirty->cut || taken->cut;
    if (taken->level > dirty->level)
        dirty->level = taken->level;
    fs_dirty_free(taken);
}

void fs_dirty_free(struct fs_dirty *dirty)
{
    free(dirty->extents);
    *dirty = (struct fs_dirty){0};
}
