/* SPDX-License-Identifier: MIT */
#ifndef SFS_ATTRIBUTE_INDEX_INDEX_H
#define SFS_ATTRIBUTE_INDEX_INDEX_H

/*
 * What the files of the attribute index share: an index, and what a layout has to be able to do.
 * The public calls (index.c, entities.c, search.c) check what they are given and make values
 * canonical; a layout sees only what is right. One thread at a time, as the index.
 */
#include "attribute_index/inverted.h"
#include "storefs/attribute_index.h"

#define SFS_ATTRIBUTE_ORIGIN "attributes"

enum sfs_change_kind { SFS_CHANGE_ADD, SFS_CHANGE_REMOVE, SFS_CHANGE_REMOVE_ENTITY };
/* Borrowed; the value is canonical, or empty (REMOVE: all of the attribute). */
struct sfs_attribute_change {
    enum sfs_change_kind kind;
    struct sfs_bytes entity;
    struct sfs_bytes attribute;
    struct sfs_bytes value;
};

enum sfs_test { SFS_TEST_EQUALS, SFS_TEST_EXISTS, SFS_TEST_CONTAINS, SFS_TEST_STARTS_WITH };
/* A criterion that was checked. */
struct sfs_criterion {
    enum sfs_test test;
    struct sfs_bytes attribute;
    struct sfs_buffer value; /* EQUALS: canonical; CONTAINS, STARTS_WITH: as a string */
};
/* 1 if a value (canonical text) passes, 0 if not, or NO_MEMORY. `scratch` is a buffer to work in.
 */
int sfs_criterion_test(const struct sfs_criterion *criterion, struct sfs_bytes value,
                       struct sfs_buffer *scratch);

/* Ids that were found, each once: numbers of `terms`, whose marks tell which they are. */
struct sfs_found {
    struct sfs_terms *terms;
    uint32_t mark;
    struct sfs_buffer numbers;
};
/* Adds one; NO_MEMORY. */
int sfs_found_add(struct sfs_found *found, uint32_t number);

struct sfs_attribute_layout_operations {
    /* All in their order; with postings as one commit. */
    int (*apply)(struct sfs_attribute_index *index, const struct sfs_attribute_change *changes,
                 size_t count, struct sfs_error *error);
    /*
     * Prepares a search: gives the terms whose numbers `match` finds, and ends it. `match` adds the
     * ids of one criterion. A search is begun anew while `end` answers 1: what it read was changed.
     */
    int (*begin)(struct sfs_attribute_index *index, struct sfs_terms **ret_terms,
                 struct sfs_error *error);
    int (*match)(struct sfs_attribute_index *index, const struct sfs_criterion *criterion,
                 struct sfs_found *found, struct sfs_error *error);
    int (*end)(struct sfs_attribute_index *index, struct sfs_error *error);
    /* Calls for each attribute, or each value of one, in order. */
    int (*attributes)(struct sfs_attribute_index *index, struct sfs_attribute_set *ret_set,
                      struct sfs_error *error);
    int (*values)(struct sfs_attribute_index *index, struct sfs_bytes attribute,
                  struct sfs_attribute_set *ret_set, struct sfs_error *error);
    int (*statistics)(struct sfs_attribute_index *index,
                      struct sfs_attribute_statistics *ret_statistics, struct sfs_error *error);
    /* The whole index in memory, to be saved as a document, and back. `ret_inverted` is either the
     * index's own or `own`, which the caller frees. */
    int (*get)(struct sfs_attribute_index *index, struct sfs_inverted *own,
               struct sfs_inverted **ret_inverted, struct sfs_error *error);
    /* Replaces the whole index; what was put is taken. */
    int (*put)(struct sfs_attribute_index *index, struct sfs_inverted *inverted,
               struct sfs_error *error);
};
extern const struct sfs_attribute_layout_operations sfs_layout_document;
extern const struct sfs_attribute_layout_operations sfs_layout_postings;

struct sfs_attribute_index {
    const struct sfs_attribute_layout_operations *layout;
    struct sfs_storage *store; /* NULL: plain files */
    struct sfs_buffer key;     /* postings */
    bool durable;
    int64_t (*now)(void *context);
    void *context;
    struct sfs_inverted inverted; /* document; postings: the ids of a search */
    uint64_t revision;            /* postings: of the head that a search began with */
    struct sfs_storage *view;     /* postings: the snapshot that a search reads; NULL: the store */
    unsigned overtaken;           /* postings: searches in a row that were, by changes */
};

/* Records NO_MEMORY and TOO_LARGE as they come from tables and buffers. */
int sfs_attribute_fail(struct sfs_error *error, int code);

/* A value as its canonical text, appended; empty stays empty. INVALID, NO_MEMORY. */
int sfs_attribute_value(struct sfs_bytes value, struct sfs_buffer *out, struct sfs_error *error);

/* A set that is being made. */
struct sfs_set_builder {
    struct sfs_buffer sizes; /* of size_t */
    struct sfs_buffer text;
};
int sfs_set_add(struct sfs_set_builder *builder, struct sfs_bytes text);
/* Makes the set where `code` is 0, else passes that on; frees the builder in any case. */
int sfs_set_end(struct sfs_set_builder *builder, int code, struct sfs_attribute_set *ret_set,
                struct sfs_error *error);

/* --- documents: write.c, load.c --- */

/* Takes the text of a document piece by piece. */
struct sfs_document_sink {
    int (*take)(void *context, struct sfs_bytes bytes, struct sfs_error *error);
    void *context;
    size_t piece; /* bytes, or a little more */
};
/* Writes the document; the last piece, which is all of a small one, stays in `buffer`. `time` in
 * ns. */
int sfs_document_write(const struct sfs_inverted *inverted, int64_t time,
                       const struct sfs_document_sink *sink, struct sfs_buffer *buffer,
                       struct sfs_error *error);
/* Fills an empty index from a document; `name` is for sentences. */
int sfs_document_read(struct sfs_bytes text, const char *name, struct sfs_inverted *inverted,
                      struct sfs_error *error);

#endif
