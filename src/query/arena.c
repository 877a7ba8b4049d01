/* SPDX-License-Identifier: MIT */
/* The arena that expressions and stages are built in: a list of blocks, freed together. */
#include "query/arena.h"

#include <stdlib.h>

#include "storefs/error.h"

struct sfs_arena_block {
    struct sfs_arena_block *next;
    _Alignas(max_align_t) char data[];
};

void *sfs_arena_alloc(struct sfs_arena *arena, size_t size)
{
    if (size > PTRDIFF_MAX - sizeof(struct sfs_arena_block))
        return NULL;
    struct sfs_arena_block *block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

int sfs_arena_copy(struct sfs_arena *arena, struct sfs_bytes bytes, struct sfs_bytes *ret_copy)
{
    char *copy = sfs_arena_alloc(arena, bytes.size + 1);
    if (!copy)
        return SFS_E_NO_MEMORY;
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    *ret_copy = sfs_bytes(copy, bytes.size);
    return 0;
}

struct sfs_arena_thing {
    struct sfs_arena_thing *next;
    void (*release)(void *thing);
    void *thing;
};

int sfs_arena_on_free(struct sfs_arena *arena, void (*release)(void *thing), void *thing)
{
    struct sfs_arena_thing *own = sfs_arena_alloc(arena, sizeof(*own));
    if (!own)
        return SFS_E_NO_MEMORY;
    *own = (struct sfs_arena_thing){arena->things, release, thing};
    arena->things = own;
    return 0;
}

void sfs_arena_free(struct sfs_arena *arena)
{
    for (struct sfs_arena_thing *own = arena->things; own; own = own->next)
        own->release(own->thing);
    arena->things = NULL;
    while (arena->blocks) {
        struct sfs_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}
