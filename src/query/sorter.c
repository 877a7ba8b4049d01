/* SPDX-License-Identifier: MIT */
/* The sorter: pairs in memory, sorted by references; runs where they are too many. */
#include "query/sorter.h"

#include <stdlib.h>

#include "query/runs.h"

#define BUFFER_LEAST 4096
#define BUFFER_MOST ((size_t)256 << 10)
#define BUFFER_SHARE 64  /* of the budget is one buffer of a merge */
#define PRUNE_LEAST 1024 /* pairs, before those that are not wanted are dropped */

struct sizes {
    size_t key;
    size_t payload;
};

/* A pair in the arena; most comparisons are decided by the first bytes of the key. */
struct reference {
    uint64_t prefix;
    size_t offset;
};

struct sfs_sorter {
    struct sfs_guard *guard;
    uint64_t memory;
    uint64_t keep;
    struct sfs_buffer arena; /* sizes, key, payload; a pair behind the other */
    struct reference *references;
    size_t count;
    size_t room;
    struct sfs_buffer threshold; /* the last key that is wanted, where `full` */
    bool full;                   /* as many as are wanted come before or at the threshold */
    struct sfs_runs runs;
    struct sfs_merge *merge;
    bool sorted;
    size_t given;
};

static struct sfs_pair pair_at(const struct sfs_buffer *arena, size_t offset)
{
    struct sizes sizes;
    memcpy(&sizes, arena->data + offset, sizeof(sizes));
    const char *key = arena->data + offset + sizeof(sizes);
    return (struct sfs_pair){sfs_bytes(key, sizes.key), sfs_bytes(key + sizes.key, sizes.payload)};
}

static uint64_t prefix_of(struct sfs_bytes key)
{
    const unsigned char *data = key.data;
    uint64_t prefix = 0;
    for (size_t i = 0; i < sizeof(prefix); i++)
        prefix = prefix << 8 | (i < key.size ? data[i] : 0);
    return prefix;
}

/* --- sorting --- */

/* Offsets grow with the order in which pairs came. */
static bool comes_first(const struct sfs_sorter *sorter, const struct reference *a,
                        const struct reference *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    int order = sfs_bytes_compare(pair_at(&sorter->arena, a->offset).key,
                                  pair_at(&sorter->arena, b->offset).key);
    return order < 0 || (order == 0 && a->offset < b->offset);
}

#define SMALL_RUN 8

static void insertion_sort(const struct sfs_sorter *sorter, struct reference *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct reference moved = list[i];
        size_t at = i;
        for (; at > 0 && comes_first(sorter, &moved, &list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = moved;
    }
}

/* Merges from[left, middle) and from[middle, right) into to[left, right). */
static int merge(const struct sfs_sorter *sorter, const struct reference *from,
                 struct reference *to, size_t left, size_t middle, size_t right,
                 struct sfs_error *error)
{
    size_t a = left;
    size_t b = middle;
    for (size_t out = left; out < right; out++) {
        bool first = a < middle && (b == right || !comes_first(sorter, &from[b], &from[a]));
        to[out] = first ? from[a++] : from[b++];
        int result = out % 16 ? 0 : sfs_guard_check(sorter->guard, error);
        if (result)
            return result;
    }
    return 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One pass over all, from one list into the other. */
static int merge_pass(const struct sfs_sorter *sorter, const struct reference *from,
                      struct reference *to, size_t width, struct sfs_error *error)
{
    size_t count = sorter->count;
    for (size_t left = 0; left < count; left += 2 * width) {
        size_t middle = smaller(left + width, count);
        int result = merge(sorter, from, to, left, middle, smaller(middle + width, count), error);
        if (result)
            return result;
    }
    return 0;
}

static int sort(struct sfs_sorter *sorter, struct sfs_error *error)
{
    if (sorter->count == 0)
        return 0;
    struct reference *other = malloc(sorter->room * sizeof(*other));
    if (!other)
        return sfs_fail_memory(error, "query");
    for (size_t at = 0; at < sorter->count; at += SMALL_RUN)
        insertion_sort(sorter, sorter->references + at, smaller(SMALL_RUN, sorter->count - at));
    int result = 0;
    for (size_t width = SMALL_RUN; width < sorter->count && result == 0; width *= 2) {
        result = merge_pass(sorter, sorter->references, other, width, error);
        if (result == 0) {
            struct reference *references = sorter->references;
            sorter->references = other;
            other = references;
        }
    }
    free(other);
    return result;
}

/* --- when there are too many --- */

static int append(struct sfs_buffer *arena, const struct sfs_pair *pair)
{
    struct sizes sizes = {pair->key.size, pair->payload.size};
    if (sfs_buffer_reserve(arena, sizeof(sizes) + sizes.key + sizes.payload))
        return SFS_E_NO_MEMORY;
    int result = sfs_buffer_append(arena, &sizes, sizeof(sizes));
    if (result == 0)
        result = sfs_buffer_add(arena, pair->key);
    return result ? result : sfs_buffer_add(arena, pair->payload);
}

/* Copies the pairs that are left, in order, so that the others' memory is free. */
static int compact(struct sfs_sorter *sorter)
{
    struct sfs_buffer arena = {0};
    for (size_t i = 0; i < sorter->count; i++) {
        struct sfs_pair pair = pair_at(&sorter->arena, sorter->references[i].offset);
        size_t offset = arena.size;
        if (append(&arena, &pair)) {
            sfs_buffer_free(&arena);
            return SFS_E_NO_MEMORY;
        }
        sorter->references[i].offset = offset;
    }
    sfs_buffer_free(&sorter->arena);
    sorter->arena = arena;
    return 0;
}

/* Drops what comes behind the last that is wanted. */
static int prune(struct sfs_sorter *sorter, struct sfs_error *error)
{
    int result = sort(sorter, error);
    if (result || sorter->count <= sorter->keep)
        return result;
    sorter->count = (size_t)sorter->keep;
    size_t last = sorter->references[sorter->count - 1].offset;
    struct sfs_bytes key = pair_at(&sorter->arena, last).key;
    sorter->threshold.size = 0;
    if (sfs_buffer_add(&sorter->threshold, key) || compact(sorter))
        return sfs_fail_memory(error, "query");
    sorter->full = true;
    return 0;
}

static uint64_t held(const struct sfs_sorter *sorter)
{
    return sorter->arena.size + sorter->count * 2 * sizeof(struct reference);
}

static int spill(struct sfs_sorter *sorter, struct sfs_error *error)
{
    int result = sfs_runs_begin(&sorter->runs, error);
    for (size_t i = 0; i < sorter->count && result == 0; i++) {
        struct sfs_pair pair = pair_at(&sorter->arena, sorter->references[i].offset);
        result = sfs_guard_check(sorter->guard, error);
        if (result == 0)
            result = sfs_runs_write(&sorter->runs, &pair, error);
    }
    if (result)
        return result;
    sorter->count = 0;
    sorter->arena.size = 0;
    return sfs_runs_end(&sorter->runs, error);
}

static int make_space(struct sfs_sorter *sorter, struct sfs_error *error)
{
    int result = prune(sorter, error);
    if (result || held(sorter) <= sorter->memory / 2)
        return result;
    return spill(sorter, error);
}

static bool has_surplus(const struct sfs_sorter *sorter)
{
    return sorter->count >= PRUNE_LEAST && sorter->count / 2 >= sorter->keep;
}

/* --- the interface --- */

int sfs_sorter_new(struct sfs_guard *guard, uint64_t memory, uint64_t keep,
                   struct sfs_sorter **ret_sorter, struct sfs_error *error)
{
    struct sfs_sorter *sorter = calloc(1, sizeof(*sorter));
    if (!sorter)
        return sfs_fail_memory(error, "query");
    size_t share =
        memory / BUFFER_SHARE > BUFFER_MOST ? BUFFER_MOST : (size_t)memory / BUFFER_SHARE;
    sorter->guard = guard;
    sorter->memory = memory;
    sorter->keep = keep;
    sorter->runs.guard = guard;
    sorter->runs.spool.fd = -1;
    sorter->runs.buffer_size = share < BUFFER_LEAST ? BUFFER_LEAST : share;
    *ret_sorter = sorter;
    return 0;
}

bool sfs_sorter_wants(const struct sfs_sorter *sorter, struct sfs_bytes key)
{
    if (sorter->full)
        return sfs_bytes_compare(key, sfs_buffer_bytes(&sorter->threshold)) < 0;
    return sorter->keep > 0;
}

static int make_room(struct sfs_sorter *sorter)
{
    if (sorter->count < sorter->room)
        return 0;
    size_t room = sorter->room ? sorter->room * 2 : 64;
    struct reference *references = realloc(sorter->references, room * sizeof(*references));
    if (!references)
        return SFS_E_NO_MEMORY;
    sorter->references = references;
    sorter->room = room;
    return 0;
}

int sfs_sorter_add(struct sfs_sorter *sorter, struct sfs_bytes key, struct sfs_bytes payload,
                   struct sfs_error *error)
{
    struct sfs_pair pair = {key, payload};
    struct reference reference = {prefix_of(key), sorter->arena.size};
    if (!sfs_sorter_wants(sorter, key))
        return 0;
    if (make_room(sorter) || append(&sorter->arena, &pair))
        return sfs_fail_memory(error, "query");
    sorter->references[sorter->count++] = reference;
    return held(sorter) > sorter->memory || has_surplus(sorter) ? make_space(sorter, error) : 0;
}

static int finish(struct sfs_sorter *sorter, struct sfs_error *error)
{
    int result = sort(sorter, error);
    if (result == 0 && sorter->runs.count > 0)
        result = spill(sorter, error);
    if (result == 0 && sorter->runs.count > 0)
        result = sfs_merge_open(&sorter->runs, 0, &sorter->merge, error);
    sorter->sorted = result == 0;
    return result;
}

int sfs_sorter_next(struct sfs_sorter *sorter, struct sfs_bytes *ret_key,
                    struct sfs_bytes *ret_payload, struct sfs_error *error)
{
    struct sfs_pair pair;
    int found = sorter->sorted ? 0 : finish(sorter, error);
    if (found || sorter->given == sorter->keep)
        return found;
    if (sorter->merge) {
        found = sfs_merge_next(sorter->merge, &pair, error);
    } else if (sorter->given < sorter->count) {
        pair = pair_at(&sorter->arena, sorter->references[sorter->given].offset);
        found = 1;
    }
    if (found <= 0)
        return found;
    sorter->given++;
    *ret_key = pair.key;
    *ret_payload = pair.payload;
    return 1;
}

void sfs_sorter_free(struct sfs_sorter *sorter)
{
    if (!sorter)
        return;
    sfs_merge_close(sorter->merge);
    sfs_runs_free(&sorter->runs);
    sfs_buffer_free(&sorter->arena);
    sfs_buffer_free(&sorter->threshold);
    free(sorter->references);
    free(sorter);
}
