/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_ATTRIBUTE_INDEX_H
#define STOREFS_ATTRIBUTE_INDEX_H

#include "storefs/storage.h"

/*
 * Attribute index: an inverted index. Entities (text ids) carry pairs of an attribute and a value, and
 * it answers which entities have these attributes. Its results, and the bytes that it saves, are those
 * of the TypeScript class AttributeIndex, which this is a second implementation of, so that each loads
 * what the other saved; a file that holds what JavaScript would not write (white space, 1.0, a member
 * twice) is read as JavaScript reads it.
 *
 * Ids and names of attributes are text: UTF-8, with lone surrogates in their WTF-8 form, as JSON's
 * \ud800 stands for them. Values are JSON text, or the word `undefined`, which is another value than null. Two values are
 * the same if JSON.stringify gives the same text for them: 1 and 1.0 are, 1 and "1" are not.
 *
 * An index belongs to one thread at a time. The store is borrowed and must live longer. Everything
 * passed is borrowed for the call. Besides the errors that each call names every one can return
 * NO_MEMORY, TOO_LARGE (over 4 billion pairs, or 4 GiB in one id, name or value) and, with the layout
 * of postings, those of the store: NOT_FOUND where the index is gone, CORRUPT, and for changes CONFLICT (others
 * changed it all the time), READ_ONLY, NO_SPACE. After an error the index is as it was.
 */
struct sfs_attribute_index;

/* The value of a pair that has none. */
#define SFS_UNDEFINED SFS_LITERAL("undefined")

/*
 * How an index is kept.
 *
 *   document  In memory; sfs_attribute_index_save() writes all of it as one JSON document, to a key of
 *             the store or, without a store, to a file.
 *   postings  In the store, below one key, one list of ids for each pair: every change is one commit,
 *             every search reads the lists that it needs, and neither takes memory or time for the
 *             rest. Several processes may change it at once. doc/modules/attribute-index.md has the
 *             records.
 */
enum sfs_attribute_layout { SFS_ATTRIBUTES_DOCUMENT, SFS_ATTRIBUTES_POSTINGS };

struct sfs_attribute_options {
    enum sfs_attribute_layout layout;
    struct sfs_bytes key; /* postings: where the index is, or is to be made at the first change */
    bool durable;         /* postings: every change is on disk when it returns */
    /* The time for saved documents, in ns since the epoch; NULL: the clock. */
    int64_t (*now)(void *context);
    void *context;
};

/*
 * An index: an empty one, or with the layout of postings the one that is there. `store` may be NULL
 * for a document in a plain file; `options` NULL: a document. INVALID where an option is wrong, EXISTS
 * where the key of an index of postings holds something else.
 */
SFS_API int sfs_attribute_index_new(struct sfs_attribute_index **ret_index,
                                    struct sfs_storage *store,
                                    const struct sfs_attribute_options *options,
                                    struct sfs_error *error);
/* NULL allowed. What was not saved is lost. */
SFS_API void sfs_attribute_index_free(struct sfs_attribute_index *index);

/* --- changes --- */

/* Adds a pair to an entity; one that is there already stays as it is. INVALID: an empty id or name, text
 * that is none, a value that is neither JSON nor `undefined`. */
SFS_API int sfs_attribute_index_add(struct sfs_attribute_index *index, struct sfs_bytes entity,
                                    struct sfs_bytes attribute, struct sfs_bytes value,
                                    struct sfs_error *error);
/* Removes the pair, or with an empty value ({0}) every value of that attribute from the entity. What is
 * not there is no error. INVALID as above. */
SFS_API int sfs_attribute_index_remove(struct sfs_attribute_index *index, struct sfs_bytes entity,
                                       struct sfs_bytes attribute, struct sfs_bytes value,
                                       struct sfs_error *error);
/* Removes the entity and all its pairs. INVALID for an empty id. */
SFS_API int sfs_attribute_index_remove_entity(struct sfs_attribute_index *index,
                                              struct sfs_bytes entity, struct sfs_error *error);
/*
 * For each object of a JSON array that has a string `id`, not empty: adds its members `type` and
 * `name`, and every member of the object `metadata`, as attributes. Anything else in the array is
 * skipped. *ret_count (may be NULL): how many were not. INVALID where it is no JSON array. With the
 * layout of postings one commit, else what was added before a failure stays.
 */
SFS_API int sfs_attribute_index_entities(struct sfs_attribute_index *index, struct sfs_bytes json,
                                         uint64_t *ret_count, struct sfs_error *error);

/* --- searching --- */

/* Different texts in the order in which a JavaScript Set has them; owned by the caller. {0} is empty. */
struct sfs_attribute_set {
    struct sfs_bytes *items;
    size_t count;
    char *text; /* what items refer to */
};
/* NULL and {0} allowed. */
SFS_API void sfs_attribute_set_free(struct sfs_attribute_set *set);

/* The ids of the entities that have this pair, or with an empty value ({0}) the attribute. What is not
 * known gives none. INVALID: a value that is neither JSON nor `undefined`. */
SFS_API int sfs_attribute_index_find(struct sfs_attribute_index *index, struct sfs_bytes attribute,
                                     struct sfs_bytes value, struct sfs_attribute_set *ret_ids,
                                     struct sfs_error *error);

struct sfs_attribute_criterion {
    struct sfs_bytes attribute;
    struct sfs_bytes value; /* empty: undefined */
    /* "equals" (also NULL), "exists", "contains" and "startsWith": the value as a string contains,
     * or begins with, this one as a string. As JavaScript has strings: [1,null,"a"] is 1,,a and an object
     * [object Object]. Case matters. */
    const char *test;
};
/* The ids of the entities that satisfy all criteria (combinator "AND", also NULL) or any ("OR"); none
 * for no criteria. INVALID: a test or a combinator that there is not, an attribute without a name, a
 * value that is none; the sentence names it. */
SFS_API int sfs_attribute_index_search(struct sfs_attribute_index *index,
                                       const struct sfs_attribute_criterion *criteria, size_t count,
                                       const char *combinator, struct sfs_attribute_set *ret_ids,
                                       struct sfs_error *error);

/* All attributes; the values of one, as JSON text or `undefined`. */
SFS_API int sfs_attribute_index_attributes(struct sfs_attribute_index *index,
                                           struct sfs_attribute_set *ret_names,
                                           struct sfs_error *error);
SFS_API int sfs_attribute_index_values(struct sfs_attribute_index *index, struct sfs_bytes attribute,
                                       struct sfs_attribute_set *ret_values,
                                       struct sfs_error *error);

struct sfs_attribute_statistics {
    uint64_t entities;
    uint64_t attributes;
    uint64_t values;        /* different ones, counted for each attribute */
    uint64_t pairs;         /* of all entities */
    double pairs_per_entity; /* 0 without entities */
};
SFS_API int sfs_attribute_index_statistics(struct sfs_attribute_index *index,
                                           struct sfs_attribute_statistics *ret_statistics,
                                           struct sfs_error *error);

/* --- documents --- */

/*
 * Writes the whole index as one document, with both its times now: to the key `where` of the store, or
 * to the file of that path (directories above it are made; a new file has mode 0600). It is there
 * whole and on disk, or what was there is. INVALID, PERMISSION, NO_SPACE, IO ….
 */
SFS_API int sfs_attribute_index_save(struct sfs_attribute_index *index, struct sfs_bytes where,
                                     struct sfs_error *error);
/*
 * Replaces the whole index by the document there. A member of `index` whose inner name is no JSON is
 * skipped, `undefined` too; neither of `index` and `entityAttributes` is made from the other.
 * NOT_FOUND: there is no such key or file; CORRUPT: it is not JSON; NOT_A_STORE: it is JSON, but no
 * such document ("Invalid data structure"); TOO_NEW: a document of another version.
 */
SFS_API int sfs_attribute_index_load(struct sfs_attribute_index *index, struct sfs_bytes where,
                                     struct sfs_error *error);

/* The layout of the index at a key. NOT_FOUND; NOT_A_STORE where there is something else. */
SFS_API int sfs_attribute_index_layout(struct sfs_storage *store, struct sfs_bytes key,
                                       enum sfs_attribute_layout *ret_layout,
                                       struct sfs_error *error);
/*
 * Gives the index at a key the other layout; nothing to do where it has it. One commit switches over, so that
 * others see the one or the other; what a conversion that was broken off left behind is removed by the
 * next. Memory for the whole index is needed. Errors: those of load and save; CONFLICT: the index was
 * changed meanwhile, and has the layout that it had.
 */
SFS_API int sfs_attribute_index_convert(struct sfs_storage *store, struct sfs_bytes key,
                                        enum sfs_attribute_layout layout, struct sfs_error *error);

#endif
