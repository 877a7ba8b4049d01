/* SPDX-License-Identifier: MIT */
#ifndef SFS_ATTRIBUTE_INDEX_TERMS_H
#define SFS_ATTRIBUTE_INDEX_TERMS_H

/*
 * Terms: strings that are kept once and named by a number, 1 and up (0 is none). A table finds the
 * number of a string; numbers of removed strings are used again. Terms stand in doubly linked lists
 * of numbers, so that order is kept, and taking one out costs nothing. (Numbers of 4 bytes instead
 * of pointers and one array instead of a node each are what makes a million entities fit: see
 * doc/decisions/attribute-index-layouts.md.) One thread at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "storefs/bytes.h"
#include "storefs/error.h"

struct sfs_list {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

/* An attribute, a pair of attribute and value, or the id of an entity. */
struct sfs_term {
    char *text; /* owned; NULL: the number is free */
    uint32_t size;
    uint32_t hash;
    uint32_t chain;  /* the next of the same bucket; of a free number: the next free one */
    uint32_t owner;  /* of a pair in the index: its attribute */
    uint32_t uses;   /* edges that refer to it */
    uint32_t mark;   /* the last search that met it */
    uint32_t before; /* in the list that it stands in, if it is present */
    uint32_t after;
    struct sfs_list members; /* of an attribute: pairs; of others: edges */
    uint32_t entries;        /* of an id: edges that its entity lists */
    bool present;            /* in the index, or in entityAttributes: else it is only referred to */
};

struct sfs_terms {
    struct sfs_term *items;
    uint32_t used; /* numbers given out, free ones and 0 included */
    uint32_t capacity;
    uint32_t free;
    uint32_t live;
    uint32_t *buckets;
    uint32_t bucket_count; /* a power of two */
    uint64_t seed;
};

/* {0} is an empty table. Frees all strings; the table is empty then. */
void sfs_terms_free(struct sfs_terms *terms);
/* The number of a string, or 0. */
uint32_t sfs_terms_find(const struct sfs_terms *terms, struct sfs_bytes text);
/* The same, and gives it a number where it has none. NO_MEMORY; TOO_LARGE over 2^32 - 2 strings, or
 * bytes. */
int sfs_terms_intern(struct sfs_terms *terms, struct sfs_bytes text, uint32_t *ret_number);
/* Takes a string out: nothing may refer to it any more. */
void sfs_terms_drop(struct sfs_terms *terms, uint32_t number);

static inline struct sfs_bytes sfs_term_text(const struct sfs_terms *terms, uint32_t number)
{
    return sfs_bytes(terms->items[number].text, terms->items[number].size);
}

/* Puts a term that is not in a list at the end of one, and takes it out. */
void sfs_terms_link(struct sfs_terms *terms, struct sfs_list *list, uint32_t number);
void sfs_terms_unlink(struct sfs_terms *terms, struct sfs_list *list, uint32_t number);

/*
 * The order in which a JavaScript object has the terms of a list: those whose text, without its
 * first `skip` bytes, is an array index, by number, then the others as they stand in the list.
 */
struct sfs_term_order {
    struct sfs_term_place {
        uint32_t index;
        uint32_t number;
    } * indexes; /* owned */
    size_t count;
    size_t at;
    uint32_t next; /* of the list */
    size_t skip;
};
/* NO_MEMORY. To be freed with free(indexes). */
int sfs_terms_order(const struct sfs_terms *terms, const struct sfs_list *list, size_t skip,
                    struct sfs_term_order *ret_order);
/* The next number, or 0 at the end. */
uint32_t sfs_terms_next(const struct sfs_terms *terms, struct sfs_term_order *order);
/* Puts a list itself in this order. NO_MEMORY, and it is as it was. */
int sfs_terms_reorder(struct sfs_terms *terms, struct sfs_list *list, size_t skip);

#endif
