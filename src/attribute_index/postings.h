/* SPDX-License-Identifier: MIT */
#ifndef SFS_ATTRIBUTE_INDEX_POSTINGS_H
#define SFS_ATTRIBUTE_INDEX_POSTINGS_H

/*
 * The records of the layout of postings. KEY holds the head; everything else is below
 * KEY.postings/. A and V are names and values as parts of keys (sfs_part_add).
 *
 *   KEY {"layout":"postings","version":"1.0.0","entities":N,"attributes":N,"values":N,
 *                            "pairs":N,"next":N}
 *   KEY.postings/a/A        {"name":TEXT,"ordinal":N,"count":N}     an attribute; count: its values
 *   KEY.postings/v/A/V      {"name":TEXT,"ordinal":N,"count":N,"last":N,"list":[ID,…]}
 *                           a pair: name is the value's canonical text, count its ids, list the
 * last of them: those of the chunk `last`, which is not full yet KEY.postings/p/N/C      [ID,…] the
 * full chunk C (8 hex digits) of the pair with the ordinal N (16) KEY.postings/e/E
 * {"name":TEXT,"ordinal":N,"list":[ENTRY,…]}     an entity
 *
 * ENTRY is [ATTRIBUTE,VALUE,CHUNK], where CHUNK says where the id is, or null: the pair does not
 * have it; with a fourth element false the entity does not list the pair, it only stands in it. A
 * string is an entry that is no pair. An entity with the ordinal 0 is none, its id only stands in
 * pairs. Ordinals come from `next` and are what order is made of. Every change rewrites the head,
 * provided that it has the revision that was read, so that whatever was read is still so.
 */
#include "attribute_index/index.h"
#include "util/json.h"

/* A list that has more bytes becomes a full chunk. */
#define SFS_CHUNK_BYTES ((size_t)8192)

enum sfs_posting_kind {
    SFS_POSTING_ATTRIBUTE,
    SFS_POSTING_VALUE,
    SFS_POSTING_CHUNK,
    SFS_POSTING_ENTITY
};

/* A record without its key. `name` and `list` are owned; {0} is none. */
struct sfs_posting {
    enum sfs_posting_kind kind;
    struct sfs_buffer name;
    uint64_t ordinal;
    uint64_t count;
    uint64_t last;
    struct sfs_buffer list; /* compact JSON: an array */
};
void sfs_posting_free(struct sfs_posting *posting);
/* CORRUPT, of the record at a key. */
int sfs_posting_fail(struct sfs_bytes key, struct sfs_error *error);
/* From a value; `key` is for the sentence. CORRUPT, NO_MEMORY. *ret_posting must be {0}. */
int sfs_posting_read(enum sfs_posting_kind kind, struct sfs_bytes text, struct sfs_bytes key,
                     struct sfs_posting *ret_posting, struct sfs_error *error);
/* Appends the value. NO_MEMORY. */
int sfs_posting_write(const struct sfs_posting *posting, struct sfs_buffer *out);

/* The head; `revision` 0: there is none. */
struct sfs_posting_head {
    uint64_t revision;
    uint64_t entities;
    uint64_t attributes;
    uint64_t values;
    uint64_t pairs;
    uint64_t next;
};
/* NOT_A_STORE where the key holds something else, CORRUPT. */
int sfs_head_read(struct sfs_storage *store, struct sfs_bytes key,
                  struct sfs_posting_head *ret_head, struct sfs_error *error);
int sfs_head_write(const struct sfs_posting_head *head, struct sfs_buffer *out);

/* --- keys: each replaces what `out` holds. NO_MEMORY --- */

/* Appends a text as a part of a key, at most 204 bytes: bytes that names of files cannot have, or
 * that are no UTF-8, as %XX; of a long text the beginning, `%-` and 32 hex digits of its hash
 * (XXH3). */
int sfs_part_add(struct sfs_bytes text, struct sfs_buffer *out);
/* KEY.postings/ and what is given behind it. */
int sfs_posting_key(struct sfs_bytes key, const char *folder, struct sfs_buffer *out);
int sfs_attribute_key(struct sfs_bytes key, struct sfs_bytes attribute, struct sfs_buffer *out);
/* With an empty value the beginning that all values of the attribute have. */
int sfs_value_key(struct sfs_bytes key, struct sfs_bytes attribute, struct sfs_bytes value,
                  struct sfs_buffer *out);
/* With chunk UINT64_MAX the beginning of all. */
int sfs_chunk_key(struct sfs_bytes key, uint64_t ordinal, uint64_t chunk, struct sfs_buffer *out);
int sfs_entity_key(struct sfs_bytes key, struct sfs_bytes entity, struct sfs_buffer *out);

/* --- lists: compact JSON arrays that are edited in place --- */

/* Appends one element, JSON. */
int sfs_list_add(struct sfs_buffer *list, struct sfs_bytes element);
/* Takes out an element, a view of the list's text. */
void sfs_list_cut(struct sfs_buffer *list, struct sfs_json element);
/* Finds an element that is a string with this text. */
bool sfs_list_find(const struct sfs_buffer *list, struct sfs_bytes text,
                   struct sfs_json *ret_element);
static inline bool sfs_list_is_empty(const struct sfs_buffer *list)
{
    return list->size <= 2;
}

/* An entry of an entity; views of the list's text. */
struct sfs_posting_entry {
    struct sfs_json element;
    struct sfs_json attribute; /* without text: the entry is a string */
    struct sfs_json value;
    bool posted;
    bool listed;
    uint64_t chunk;
};
/* The next entry; false at the end. */
bool sfs_entry_next(struct sfs_json_cursor *cursor, struct sfs_posting_entry *ret_entry);
bool sfs_entry_find(const struct sfs_buffer *list, struct sfs_bytes attribute,
                    struct sfs_bytes value, struct sfs_posting_entry *ret_entry);
/* Appends one: chunk UINT64_MAX: not posted. */
int sfs_entry_add(struct sfs_buffer *list, struct sfs_bytes attribute, struct sfs_bytes value,
                  uint64_t chunk, bool listed);

/* --- reading the store --- */

/* Reads one record; 1, 0 where there is none, or an error. One of another name is UNSUPPORTED: two
 * long names have the same hash. */
int sfs_posting_get(struct sfs_storage *store, struct sfs_bytes key, enum sfs_posting_kind kind,
                    struct sfs_bytes name, struct sfs_posting *ret_posting,
                    struct sfs_error *error);
/* Calls `visit` with each record whose key begins with `prefix`, in byte order of keys; CORRUPT for
 * one that stands where one of its name does not. What `visit`
 * returns other than 0 ends it and is returned. The posting may be emptied. */
typedef int sfs_posting_visit(void *context, struct sfs_posting *posting, struct sfs_error *error);
int sfs_postings_scan(struct sfs_storage *store, struct sfs_bytes prefix,
                      enum sfs_posting_kind kind, sfs_posting_visit *visit, void *context,
                      struct sfs_error *error);

/* The ids of pairs: of one attribute those whose value passes `criterion` (NULL: all), in order of
 * their ordinals. */
struct sfs_posting_visitor {
    /* For each pair, and then for each of its ids. */
    int (*pair)(void *context, struct sfs_bytes value, struct sfs_error *error);
    int (*id)(void *context, struct sfs_bytes id, struct sfs_error *error);
    void *context;
    bool exact; /* a pair that has another number of ids than it says is CORRUPT; for who knows that
                 * nothing changed meanwhile */
};
int sfs_postings_visit(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes attribute,
                       const struct sfs_criterion *criterion,
                       const struct sfs_posting_visitor *visitor, struct sfs_error *error);
/* Names of records with their ordinals, in the order of these. */
int sfs_postings_names(struct sfs_storage *store, struct sfs_bytes prefix,
                       enum sfs_posting_kind kind, struct sfs_attribute_set *ret_set,
                       struct sfs_error *error);

/* --- the whole index --- */

int sfs_postings_apply(struct sfs_attribute_index *index,
                       const struct sfs_attribute_change *changes, size_t count,
                       struct sfs_error *error);
int sfs_postings_get_all(struct sfs_storage *store, struct sfs_bytes key,
                         struct sfs_inverted *inverted, uint64_t *ret_revision,
                         struct sfs_error *error);
/* Replaces what is there. With `document` the key holds a document of that revision, and records go
 * out in many commits before the head; else all is one commit. */
int sfs_postings_put_all(struct sfs_storage *store, struct sfs_bytes key,
                         const struct sfs_inverted *inverted, uint64_t document, bool durable,
                         struct sfs_error *error);
/* Adds to a batch that every record below KEY.postings/ goes. */
int sfs_postings_clear(struct sfs_bytes key, struct sfs_batch *batch, struct sfs_error *error);

#endif
