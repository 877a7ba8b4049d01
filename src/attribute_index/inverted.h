/* SPDX-License-Identifier: MIT */
#ifndef SFS_ATTRIBUTE_INDEX_INVERTED_H
#define SFS_ATTRIBUTE_INDEX_INVERTED_H

/*
 * The inverted index in memory: attributes, pairs "ATTRIBUTE:VALUE" (a value is its canonical JSON
 * text, or `undefined`), ids of entities, and edges between pairs and ids. An edge says of one pair
 * and one id whether the index lists the id, whether the entity lists the pair, or both, which a
 * file that was not written by us need not have alike. Everything is kept in the order in which it
 * came.
 *
 * That two pairs never have the same text, though names may hold colons: of two values' texts one
 * never is the end of the other behind a colon (its quotes and brackets would not match).
 *
 * One thread at a time. A change that fails (NO_MEMORY, TOO_LARGE) leaves it as it was.
 */
#include "attribute_index/terms.h"

struct sfs_edge {
    uint32_t pair; /* 0: the number is free */
    uint32_t id;
    uint32_t chain;
    uint32_t before_id; /* in the pair's list, if `posted` */
    uint32_t after_id;
    uint32_t before_pair; /* in the id's list */
    uint32_t after_pair;
    bool posted; /* the index has the id under the pair */
    bool listed; /* the entity has the pair */
};

struct sfs_edges {
    struct sfs_edge *items;
    uint32_t used;
    uint32_t capacity;
    uint32_t free;
    uint32_t live;
    uint32_t *buckets;
    uint32_t bucket_count;
};

struct sfs_inverted {
    struct sfs_terms attributes;
    struct sfs_terms pairs;
    struct sfs_terms ids;
    struct sfs_edges edges;
    struct sfs_list attribute_list; /* those in the index */
    struct sfs_list entity_list;    /* those in entityAttributes */
    uint64_t values;                /* pairs in the index */
    uint64_t entries;               /* of all entities */
    uint32_t mark;
    struct sfs_buffer scratch;
};

/* {0} is an empty one, but sfs_inverted_init() makes its tables hard to guess. */
void sfs_inverted_init(struct sfs_inverted *inverted);
void sfs_inverted_free(struct sfs_inverted *inverted);

/* Adds the pair to the entity, and the entity to the pair. NO_MEMORY, TOO_LARGE. */
int sfs_inverted_add(struct sfs_inverted *inverted, struct sfs_bytes id, struct sfs_bytes attribute,
                     struct sfs_bytes value);
/* Removes one pair of an entity, or with an empty value all of the attribute; nothing where there
 * is none. NO_MEMORY. */
int sfs_inverted_remove(struct sfs_inverted *inverted, struct sfs_bytes id,
                        struct sfs_bytes attribute, struct sfs_bytes value);
/* Removes an entity and every pair that it lists. NO_MEMORY. */
int sfs_inverted_remove_entity(struct sfs_inverted *inverted, struct sfs_bytes id);

/* The number of the pair in the index, 0 where there is none. NO_MEMORY. */
int sfs_inverted_find(struct sfs_inverted *inverted, struct sfs_bytes attribute,
                      struct sfs_bytes value, uint32_t *ret_pair);

/* The parts of a pair in the index, borrowed. */
static inline struct sfs_bytes sfs_pair_value(const struct sfs_inverted *inverted, uint32_t pair)
{
    const struct sfs_term *term = &inverted->pairs.items[pair];
    size_t skip = (size_t)inverted->attributes.items[term->owner].size + 1;
    return sfs_bytes(term->text + skip, term->size - skip);
}

/*
 * The text of a pair taken apart: the one colon behind which stands a value. `value` (appended to)
 * is its canonical text. 1, or 0 where it is no such text, or NO_MEMORY.
 */
int sfs_entry_split(struct sfs_bytes entry, struct sfs_bytes *ret_attribute,
                    struct sfs_buffer *value);

/* --- for who fills it from a document, part by part; each gives the number --- */

/* An attribute of the index, with no pair if it is new; `clear` takes out those that it has. */
int sfs_inverted_attribute(struct sfs_inverted *inverted, struct sfs_bytes name, bool clear,
                           uint32_t *ret_attribute);
/* Likewise a pair of it, with no id. */
int sfs_inverted_pair(struct sfs_inverted *inverted, uint32_t attribute, struct sfs_bytes value,
                      bool clear, uint32_t *ret_pair);
/* An id under it. */
int sfs_inverted_post(struct sfs_inverted *inverted, uint32_t pair, struct sfs_bytes id);
/* An entity, with no entry. */
int sfs_inverted_entity(struct sfs_inverted *inverted, struct sfs_bytes id, bool clear,
                        uint32_t *ret_id);
/* An entry of it, as it stands. */
int sfs_inverted_list(struct sfs_inverted *inverted, uint32_t id, struct sfs_bytes entry);

#endif
