/* SPDX-License-Identifier: MIT */
/* The table of strings, chained by numbers, and lists of numbers. */
#include "attribute_index/terms.h"

#include <stdlib.h>
#include <xxhash.h>

#include "util/js_value.h"

#define FIRST_CAPACITY 16u

void sfs_terms_free(struct sfs_terms *terms)
{
    for (uint32_t i = 1; i < terms->used; i++)
        free(terms->items[i].text);
    free(terms->items);
    free(terms->buckets);
    *terms = (struct sfs_terms){0};
}

static uint32_t hash_of(const struct sfs_terms *terms, struct sfs_bytes text)
{
    return (uint32_t)XXH3_64bits_withSeed(text.data, text.size, terms->seed);
}

static uint32_t find_hashed(const struct sfs_terms *terms, struct sfs_bytes text, uint32_t hash)
{
    if (terms->bucket_count == 0)
        return 0;
    uint32_t number = terms->buckets[hash & (terms->bucket_count - 1)];
    while (number) {
        const struct sfs_term *term = &terms->items[number];
        if (term->hash == hash && sfs_bytes_equal(sfs_term_text(terms, number), text))
            return number;
        number = term->chain;
    }
    return 0;
}

uint32_t sfs_terms_find(const struct sfs_terms *terms, struct sfs_bytes text)
{
    return find_hashed(terms, text, hash_of(terms, text));
}

static int grow_items(struct sfs_terms *terms)
{
    if (terms->capacity > UINT32_MAX / 2)
        return SFS_E_TOO_LARGE;
    uint32_t capacity = terms->capacity ? terms->capacity * 2 : FIRST_CAPACITY;
    struct sfs_term *items = reallocarray(terms->items, capacity, sizeof(*items));
    if (!items)
        return SFS_E_NO_MEMORY;
    if (terms->capacity == 0) {
        items[0] = (struct sfs_term){0};
        terms->used = 1;
    }
    terms->items = items;
    terms->capacity = capacity;
    return 0;
}

static int grow_buckets(struct sfs_terms *terms)
{
    uint32_t count = terms->bucket_count ? terms->bucket_count * 2 : FIRST_CAPACITY;
    uint32_t *buckets = calloc(count, sizeof(*buckets));
    if (!buckets)
        return SFS_E_NO_MEMORY;
    for (uint32_t i = 1; i < terms->used; i++) {
        struct sfs_term *term = &terms->items[i];
        if (!term->text)
            continue;
        term->chain = buckets[term->hash & (count - 1)];
        buckets[term->hash & (count - 1)] = i;
    }
    free(terms->buckets);
    terms->buckets = buckets;
    terms->bucket_count = count;
    return 0;
}

/* Room for one more string. */
static int reserve(struct sfs_terms *terms)
{
    int result = 0;
    if (!terms->free && terms->used >= terms->capacity)
        result = grow_items(terms);
    if (!result && terms->live >= terms->bucket_count && terms->bucket_count < (1u << 31))
        result = grow_buckets(terms);
    return result;
}

static uint32_t take_number(struct sfs_terms *terms)
{
    uint32_t number = terms->free;
    if (!number)
        return terms->used++;
    terms->free = terms->items[number].chain;
    return number;
}

int sfs_terms_intern(struct sfs_terms *terms, struct sfs_bytes text, uint32_t *ret_number)
{
    if (text.size >= UINT32_MAX)
        return SFS_E_TOO_LARGE;
    uint32_t hash = hash_of(terms, text);
    uint32_t number = find_hashed(terms, text, hash);
    if (!number) {
        int result = reserve(terms);
        char *copy = result ? NULL : malloc(text.size ? text.size : 1);
        if (!copy)
            return result ? result : SFS_E_NO_MEMORY;
        memcpy(copy, text.size ? text.data : "", text.size);
        number = take_number(terms);
        uint32_t *bucket = &terms->buckets[hash & (terms->bucket_count - 1)];
        terms->items[number] = (struct sfs_term){
            .text = copy, .size = (uint32_t)text.size, .hash = hash, .chain = *bucket};
        *bucket = number;
        terms->live++;
    }
    *ret_number = number;
    return 0;
}

void sfs_terms_drop(struct sfs_terms *terms, uint32_t number)
{
    struct sfs_term *term = &terms->items[number];
    uint32_t *link = &terms->buckets[term->hash & (terms->bucket_count - 1)];
    while (*link != number)
        link = &terms->items[*link].chain;
    *link = term->chain;
    free(term->text);
    *term = (struct sfs_term){.chain = terms->free};
    terms->free = number;
    terms->live--;
}

/* --- lists --- */

void sfs_terms_link(struct sfs_terms *terms, struct sfs_list *list, uint32_t number)
{
    terms->items[number].before = list->last;
    terms->items[number].after = 0;
    if (list->last)
        terms->items[list->last].after = number;
    else
        list->first = number;
    list->last = number;
    list->count++;
}

void sfs_terms_unlink(struct sfs_terms *terms, struct sfs_list *list, uint32_t number)
{
    const struct sfs_term *term = &terms->items[number];
    if (term->before)
        terms->items[term->before].after = term->after;
    else
        list->first = term->after;
    if (term->after)
        terms->items[term->after].before = term->before;
    else
        list->last = term->before;
    list->count--;
}

static bool index_of(const struct sfs_terms *terms, uint32_t number, size_t skip,
                     uint32_t *ret_index)
{
    struct sfs_bytes text = sfs_term_text(terms, number);
    const char *name = (const char *)text.data + skip;
    return sfs_js_is_index(sfs_bytes(name, text.size - skip), ret_index);
}

static int by_index(const void *a, const void *b)
{
    const struct sfs_term_place *left = a;
    const struct sfs_term_place *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

static int add_place(struct sfs_term_order *order, struct sfs_term_place place, size_t *capacity)
{
    if (order->count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 16;
        struct sfs_term_place *indexes = reallocarray(order->indexes, more, sizeof(*indexes));
        if (!indexes)
            return SFS_E_NO_MEMORY;
        order->indexes = indexes;
        *capacity = more;
    }
    order->indexes[order->count++] = place;
    return 0;
}

int sfs_terms_order(const struct sfs_terms *terms, const struct sfs_list *list, size_t skip,
                    struct sfs_term_order *ret_order)
{
    struct sfs_term_order order = {.next = list->first, .skip = skip};
    size_t capacity = 0;
    for (uint32_t number = list->first; number; number = terms->items[number].after) {
        struct sfs_term_place place = {.number = number};
        if (index_of(terms, number, skip, &place.index) && add_place(&order, place, &capacity)) {
            free(order.indexes);
            return SFS_E_NO_MEMORY;
        }
    }
    if (order.count > 1)
        qsort(order.indexes, order.count, sizeof(*order.indexes), by_index);
    *ret_order = order;
    return 0;
}

uint32_t sfs_terms_next(const struct sfs_terms *terms, struct sfs_term_order *order)
{
    uint32_t unused;
    if (order->at < order->count)
        return order->indexes[order->at++].number;
    while (order->next) {
        uint32_t number = order->next;
        order->next = terms->items[number].after;
        if (order->count == 0 || !index_of(terms, number, order->skip, &unused))
            return number;
    }
    return 0;
}

/* `tail` behind `head`; neither is used any more. */
static struct sfs_list join(struct sfs_terms *terms, struct sfs_list head, struct sfs_list tail)
{
    if (!head.first || !tail.first)
        return head.first ? head : tail;
    terms->items[head.last].after = tail.first;
    terms->items[tail.first].before = head.last;
    return (struct sfs_list){head.first, tail.last, head.count + tail.count};
}

int sfs_terms_reorder(struct sfs_terms *terms, struct sfs_list *list, size_t skip)
{
    struct sfs_term_order order;
    struct sfs_list head = {0};
    int result = sfs_terms_order(terms, list, skip, &order);
    if (result)
        return result;
    for (size_t i = 0; i < order.count; i++) {
        sfs_terms_unlink(terms, list, order.indexes[i].number);
        sfs_terms_link(terms, &head, order.indexes[i].number);
    }
    free(order.indexes);
    *list = join(terms, head, *list);
    return 0;
}
