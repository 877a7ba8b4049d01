/* SPDX-License-Identifier: MIT */
/* The table of edges, and the lists that they stand in. */
#include "attribute_index/edges.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16u

void sfs_edges_free(struct sfs_edges *edges)
{
    free(edges->items);
    free(edges->buckets);
    *edges = (struct sfs_edges){0};
}

static uint32_t bucket_of(const struct sfs_edges *edges, uint32_t pair, uint32_t id)
{
    uint64_t mixed = ((uint64_t)pair << 32 | id) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32) & (edges->bucket_count - 1);
}

uint32_t sfs_edges_find(const struct sfs_edges *edges, uint32_t pair, uint32_t id)
{
    if (edges->bucket_count == 0 || !pair || !id)
        return 0;
    uint32_t number = edges->buckets[bucket_of(edges, pair, id)];
    while (number && (edges->items[number].pair != pair || edges->items[number].id != id))
        number = edges->items[number].chain;
    return number;
}

static int grow_items(struct sfs_edges *edges)
{
    if (edges->capacity > UINT32_MAX / 2)
        return SFS_E_TOO_LARGE;
    uint32_t capacity = edges->capacity ? edges->capacity * 2 : FIRST_CAPACITY;
    struct sfs_edge *items = reallocarray(edges->items, capacity, sizeof(*items));
    if (!items)
        return SFS_E_NO_MEMORY;
    if (edges->capacity == 0) {
        items[0] = (struct sfs_edge){0};
        edges->used = 1;
    }
    edges->items = items;
    edges->capacity = capacity;
    return 0;
}

static int grow_buckets(struct sfs_edges *edges)
{
    uint32_t count = edges->bucket_count ? edges->bucket_count * 2 : FIRST_CAPACITY;
    uint32_t *buckets = calloc(count, sizeof(*buckets));
    if (!buckets)
        return SFS_E_NO_MEMORY;
    free(edges->buckets);
    edges->buckets = buckets;
    edges->bucket_count = count;
    for (uint32_t i = 1; i < edges->used; i++) {
        struct sfs_edge *edge = &edges->items[i];
        if (!edge->pair)
            continue;
        uint32_t *bucket = &buckets[bucket_of(edges, edge->pair, edge->id)];
        edge->chain = *bucket;
        *bucket = i;
    }
    return 0;
}

static int reserve(struct sfs_edges *edges)
{
    int result = 0;
    if (!edges->free && edges->used >= edges->capacity)
        result = grow_items(edges);
    if (!result && edges->live >= edges->bucket_count && edges->bucket_count < (1u << 31))
        result = grow_buckets(edges);
    return result;
}

static void join_id(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edge *items = inverted->edges.items;
    struct sfs_list *list = &inverted->ids.items[items[number].id].members;
    items[number].before_pair = list->last;
    items[number].after_pair = 0;
    if (list->last)
        items[list->last].after_pair = number;
    else
        list->first = number;
    list->last = number;
    list->count++;
}

static void leave_id(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edge *items = inverted->edges.items;
    const struct sfs_edge *edge = &items[number];
    struct sfs_list *list = &inverted->ids.items[edge->id].members;
    if (edge->before_pair)
        items[edge->before_pair].after_pair = edge->after_pair;
    else
        list->first = edge->after_pair;
    if (edge->after_pair)
        items[edge->after_pair].before_pair = edge->before_pair;
    else
        list->last = edge->before_pair;
    list->count--;
}

int sfs_edge_take(struct sfs_inverted *inverted, uint32_t pair, uint32_t id, uint32_t *ret_edge)
{
    struct sfs_edges *edges = &inverted->edges;
    uint32_t number = sfs_edges_find(edges, pair, id);
    if (!number) {
        int result = reserve(edges);
        if (result)
            return result;
        number = edges->free;
        if (number)
            edges->free = edges->items[number].chain;
        else
            number = edges->used++;
        uint32_t *bucket = &edges->buckets[bucket_of(edges, pair, id)];
        edges->items[number] = (struct sfs_edge){.pair = pair, .id = id, .chain = *bucket};
        *bucket = number;
        edges->live++;
        inverted->pairs.items[pair].uses++;
        join_id(inverted, number);
    }
    *ret_edge = number;
    return 0;
}

void sfs_edge_post(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edge *items = inverted->edges.items;
    struct sfs_list *list = &inverted->pairs.items[items[number].pair].members;
    if (items[number].posted)
        return;
    items[number].posted = true;
    items[number].before_id = list->last;
    items[number].after_id = 0;
    if (list->last)
        items[list->last].after_id = number;
    else
        list->first = number;
    list->last = number;
    list->count++;
}

void sfs_edge_unpost(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edge *items = inverted->edges.items;
    struct sfs_edge *edge = &items[number];
    struct sfs_list *list = &inverted->pairs.items[edge->pair].members;
    if (!edge->posted)
        return;
    edge->posted = false;
    if (edge->before_id)
        items[edge->before_id].after_id = edge->after_id;
    else
        list->first = edge->after_id;
    if (edge->after_id)
        items[edge->after_id].before_id = edge->before_id;
    else
        list->last = edge->before_id;
    list->count--;
}

void sfs_edge_list(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edge *edge = &inverted->edges.items[number];
    if (edge->listed)
        return;
    edge->listed = true;
    leave_id(inverted, number);
    join_id(inverted, number);
    inverted->ids.items[edge->id].entries++;
    inverted->entries++;
}

void sfs_edge_unlist(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edge *edge = &inverted->edges.items[number];
    if (!edge->listed)
        return;
    edge->listed = false;
    inverted->ids.items[edge->id].entries--;
    inverted->entries--;
}

void sfs_pair_tidy(struct sfs_inverted *inverted, uint32_t pair)
{
    const struct sfs_term *term = &inverted->pairs.items[pair];
    if (pair && !term->present && term->uses == 0)
        sfs_terms_drop(&inverted->pairs, pair);
}

void sfs_id_tidy(struct sfs_inverted *inverted, uint32_t id)
{
    const struct sfs_term *term = &inverted->ids.items[id];
    if (id && !term->present && term->members.count == 0)
        sfs_terms_drop(&inverted->ids, id);
}

void sfs_edge_tidy(struct sfs_inverted *inverted, uint32_t number)
{
    struct sfs_edges *edges = &inverted->edges;
    struct sfs_edge *edge = &edges->items[number];
    uint32_t pair = edge->pair;
    uint32_t id = edge->id;
    if (edge->posted || edge->listed)
        return;
    leave_id(inverted, number);
    uint32_t *link = &edges->buckets[bucket_of(edges, pair, id)];
    while (*link != number)
        link = &edges->items[*link].chain;
    *link = edge->chain;
    *edge = (struct sfs_edge){.chain = edges->free};
    edges->free = number;
    edges->live--;
    inverted->pairs.items[pair].uses--;
    sfs_pair_tidy(inverted, pair);
    sfs_id_tidy(inverted, id);
}
