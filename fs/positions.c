/* SPDX-License-Identifier: MIT */
/*
 * The places of a listing.
 */
#include "fs/positions.h"

#include <stdlib.h>

#define BLOCK 128                  /* places between two that share nothing */
#define LOG_MAX ((size_t)32 << 20) /* bytes */

struct head {
    uint16_t shared;
    uint16_t rest;
};

void fs_positions_free(struct fs_positions *positions)
{
    sfs_buffer_free(&positions->log);
    sfs_buffer_free(&positions->last);
    sfs_buffer_free(&positions->found);
    free(positions->blocks);
}

/* Room for one block more. */
static int grow(struct fs_positions *positions, size_t block)
{
    if (block < positions->capacity)
        return 0;
    size_t capacity = positions->capacity != 0 ? positions->capacity * 2 : 16;
    size_t *blocks = realloc(positions->blocks, capacity * sizeof(*blocks));
    if (blocks == NULL)
        return SFS_E_NO_MEMORY;
    positions->blocks = blocks;
    positions->capacity = capacity;
    return 0;
}

static size_t count_shared(struct sfs_bytes a, struct sfs_bytes b)
{
    const char *one = a.data, *other = b.data;
    size_t shared = 0;
    while (shared < a.size && shared < b.size && one[shared] == other[shared])
        shared++;
    return shared;
}

int fs_positions_add(struct fs_positions *positions, struct sfs_bytes text)
{
    if (positions->log.size >= LOG_MAX) {
        positions->log.size = 0;
        positions->first = positions->count;
        positions->found_end = 0;
    }
    size_t index = (size_t)(positions->count - positions->first), begin = positions->log.size;
    bool alone = index % BLOCK == 0;
    if (alone && grow(positions, index / BLOCK) != 0)
        return SFS_E_NO_MEMORY;
    size_t shared = alone ? 0 : count_shared(sfs_buffer_bytes(&positions->last), text);
    struct sfs_bytes rest = sfs_bytes((const char *)text.data + shared, text.size - shared);
    struct head head = {(uint16_t)shared, (uint16_t)rest.size};
    if (sfs_buffer_add(&positions->log, sfs_bytes(&head, sizeof(head))) != 0 ||
        sfs_buffer_add(&positions->log, rest) != 0 ||
        sfs_buffer_reserve(&positions->last, text.size) != 0) {
        positions->log.size = begin;
        return SFS_E_NO_MEMORY;
    }
    if (alone)
        positions->blocks[index / BLOCK] = begin;
    positions->last.size = shared;
    positions->count++;
    return sfs_buffer_add(&positions->last, rest);
}

/* Reads the place at `at` in the log over the one before it, which `found` holds. */
static int read_one(struct fs_positions *positions, size_t at)
{
    struct head head;
    memcpy(&head, positions->log.data + at, sizeof(head));
    positions->found.size = head.shared;
    positions->found_end = at + sizeof(head) + head.rest;
    return sfs_buffer_add(&positions->found, sfs_bytes(positions->log.data + at + sizeof(head), head.rest));
}

int fs_positions_find(struct fs_positions *positions, uint64_t index, struct sfs_bytes *ret_text)
{
    if (index < positions->first || index >= positions->count)
        return SFS_E_NOT_FOUND;
    uint64_t begin = positions->first + (index - positions->first) / BLOCK * BLOCK;
    int code = 0;
    if (positions->found_end == 0 || positions->found_index < begin || positions->found_index > index) {
        code = read_one(positions, positions->blocks[(begin - positions->first) / BLOCK]);
        positions->found_index = begin;
    }
    while (code == 0 && positions->found_index < index) {
        code = read_one(positions, positions->found_end);
        positions->found_index++;
    }
    if (code != 0) {
        positions->found_end = 0;
        return SFS_E_NO_MEMORY;
    }
    *ret_text = sfs_buffer_bytes(&positions->found);
    return 0;
}
