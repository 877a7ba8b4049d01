/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_ARENA_H
#define SFS_QUERY_ARENA_H

/*
 * Arena: memory that is given out in pieces and freed all at once, for trees that are built once
 * and then only read. {0} is an empty arena. Belongs to one thread while it grows.
 */
#include "storefs/bytes.h"

struct sfs_arena_block;
struct sfs_arena_thing;
struct sfs_arena {
    struct sfs_arena_block *blocks;
    struct sfs_arena_thing *things;
};

/* `size` zeroed bytes, aligned for any object; NULL when memory ran out. */
void *sfs_arena_alloc(struct sfs_arena *arena, size_t size);
/* A copy of `bytes`, never {NULL}. 0 or NO_MEMORY. */
int sfs_arena_copy(struct sfs_arena *arena, struct sfs_bytes bytes, struct sfs_bytes *ret_copy);
/* Has the arena free a thing that is not its memory. 0 or NO_MEMORY. */
int sfs_arena_on_free(struct sfs_arena *arena, void (*release)(void *thing), void *thing);
void sfs_arena_free(struct sfs_arena *arena);

#endif
