/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_DOCUMENT_H
#define SFS_CORE_DOCUMENT_H

/*
 * Walking into a document, shared by the document_*.c files: the members of one array or object with
 * the text between them, and the sentences for paths that lead nowhere.
 */
#include "storefs/document.h"
#include "util/json.h"
#include "util/json_skip.h"

/* One member or element: from its first byte (of the name, if it has one) to the end of its value. */
struct sfs_slot {
    struct sfs_json name; /* of members */
    struct sfs_json value;
    const char *start;
    const char *end;
};

struct sfs_slots {
    struct sfs_json_cursor cursor;
    bool object;
};
/* Of a scalar: none. */
struct sfs_slots sfs_slots_of(struct sfs_json container);
/* The same, stepping over what is large. */
struct sfs_slots sfs_slots_over(struct sfs_json container, const struct sfs_json_skips *skips);
bool sfs_slots_next(struct sfs_slots *slots, struct sfs_slot *ret_slot);

/* UNSUPPORTED (with line and column) or TOO_LARGE where text is no document. */
int sfs_document_parse(struct sfs_bytes text, struct sfs_json *ret_root, struct sfs_error *error);
/* 0 and the index that a step is. INVALID. */
int sfs_document_index(struct sfs_bytes step, size_t *ret_index, struct sfs_error *error);
/* 0 where steps can lead into the value; NOT_DIRECTORY. */
int sfs_document_check_holds(struct sfs_json value, struct sfs_bytes step, struct sfs_error *error);
/* NOT_FOUND: there is no such step. */
int sfs_document_none(enum sfs_json_type type, struct sfs_bytes step, struct sfs_error *error);

#endif
