/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_MODEL_H
#define CONFORMANCE_MODEL_H

/*
 * What a store should do, as simply as it can be said: a sorted array of records in plain C, where
 * every operation looks through all of them. Random batches are applied to the model and to a
 * store, and the two must not differ. A model belongs to one thread.
 */
#include "tests/conformance/short.h"

#define MODEL_XATTRS 4

struct model_xattr {
    struct sfs_buffer name;
    struct sfs_buffer value;
};

struct model_record {
    struct sfs_buffer name;
    struct sfs_blob *value; /* counted, shared between copies; never NULL */
    uint64_t revision;      /* MODEL_NOW: of the batch that is being applied */
    bool id_known;          /* false: new, the store has yet to tell attributes.id */
    struct sfs_attributes attributes;
    struct model_xattr xattrs[MODEL_XATTRS];
    size_t xattr_count;
};
#define MODEL_NOW UINT64_MAX

struct model {
    struct model_record *records; /* by name */
    size_t count;
    size_t capacity;
};

void model_clear(struct model *model);
void model_copy(const struct model *from, struct model *to); /* `to` is empty */
/* The record of a name, or NULL. */
struct model_record *model_find(const struct model *model, struct sfs_bytes name);
struct sfs_bytes model_name(const struct model_record *record);
struct sfs_bytes model_value(const struct model_record *record);
/* A new record under a name that is free; only the name is set, and an empty value. */
struct model_record *model_insert(struct model *model, struct sfs_bytes name);
void model_remove(struct model *model, struct sfs_bytes name);
void model_set_value(struct model_record *record, struct sfs_bytes value);
/* Gives a record another name, which is free. */
void model_move(struct model *model, struct sfs_bytes from, struct sfs_bytes to);
/* Takes a store's record over, as one of its name. */
void model_take(struct model *model, const struct sfs_record *record);

/* What happened lately, for the preconditions that ask for it. */
struct model_past {
    struct model_change {
        uint64_t sequence;
        bool existed; /* before */
        struct sfs_buffer name;
    } * changes;
    size_t count;
    size_t capacity;
};
void model_past_add(struct model_past *past, uint64_t sequence, struct sfs_bytes name,
                    bool existed);
void model_past_clear(struct model_past *past);
/* Drops what was at or before the sequence. */
void model_past_cut(struct model_past *past, uint64_t sequence);

/* The code that applying the batch must give; with 0 the model is changed, `affected` has the
 * counts and new records have the revision MODEL_NOW. `size` of affected: of the batch. */
int model_apply(struct model *model, const struct model_past *past, struct sfs_batch *batch,
                uint64_t *affected);
/* After the batch was committed: fills in revisions, and learns new ids from the store. */
void model_commit(struct model *model, struct sfs_storage *store, uint64_t sequence);

/* Compares with a store, or a snapshot; NULL, or what differs, in a static buffer. */
const char *model_differs(const struct model *model, struct sfs_storage *store, bool values);
/* Compares one record; `values` false: not the value. */
const char *model_record_differs(const struct model_record *record, const struct sfs_record *found,
                                 bool values);
/* Adds to `past` every name whose record is not the same in both. */
void model_past_compare(struct model_past *past, uint64_t sequence, const struct model *before,
                        const struct model *after);

#endif
