/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_DOCUMENT_H
#define STOREFS_DOCUMENT_H

#include "storefs/storage.h"

/*
 * Document: a value that is JSON, read and changed member by member. An edit replaces, adds or takes
 * away just the bytes of one member or element (with its comma, and white space like its neighbours');
 * every other byte of the value stays: numbers, white space, order, duplicates. On a store it is
 * atomic, and begins anew where somebody else was first, so that two who change different members of
 * one document both succeed.
 *
 * A path leads from the whole value down, as in a JSON Pointer (RFC 6901): each step is a member's
 * name, decoded, or in an array an index in decimal digits without needless zeros. Of members with the same name the
 * last counts. No steps: the whole value. Paths, keys and texts are borrowed for the call.
 *
 * Errors of all that take a path: NOT_FOUND (nothing is there; the sentence names the step), INVALID
 * (a step into an array is no index), NOT_DIRECTORY (a step into what is neither array nor object),
 * UNSUPPORTED (the value is not JSON, or the record is no key), TOO_LARGE (over a limit below),
 * NO_MEMORY.
 */
#define SFS_DOCUMENT_MAX ((size_t)64 << 20)   /* bytes of a document */
#define SFS_DOCUMENT_CHILDREN_MAX 1000000u /* members of one object or array that can be listed */

struct sfs_document_path {
    const struct sfs_bytes *steps;
    size_t count;
};

enum sfs_document_kind {
    SFS_DOCUMENT_SCALAR, /* null, true, false, a number or a string */
    SFS_DOCUMENT_ARRAY,
    SFS_DOCUMENT_OBJECT,
};
/* Of a value's text, as these functions give it. */
SFS_API enum sfs_document_kind sfs_document_kind(struct sfs_bytes json);

enum sfs_document_flags {
    SFS_DOCUMENT_ADD = 1,      /* set, move: nothing may be there yet (EXISTS) */
    SFS_DOCUMENT_REPLACE = 2,  /* set: something must be there (NOT_FOUND) */
    SFS_DOCUMENT_INSERT = 4,   /* set: before the element that has this index now */
    SFS_DOCUMENT_EMPTY = 8,    /* what goes must not be an array or object that holds something (NOT_EMPTY) */
    SFS_DOCUMENT_EXCHANGE = 16 /* move: the two values change places; both must exist */
};

/* --- text: pure, thread-safe --- */

/* The value at a path, borrowed from `text`. */
SFS_API int sfs_document_text_get(struct sfs_bytes text, struct sfs_document_path path,
                                  struct sfs_bytes *ret_value, struct sfs_error *error);
/*
 * Appends to `out` the text with the value at a path set to `json` (whose white space around is left
 * out). A new member goes behind the last, a new element only to the index behind the last (INVALID).
 * INVALID too where `json` is not JSON; TOO_LARGE where the result is too long or nested too deep.
 */
SFS_API int sfs_document_text_set(struct sfs_bytes text, struct sfs_document_path path,
                                  struct sfs_bytes json, unsigned flags, struct sfs_buffer *out,
                                  struct sfs_error *error);
/*
 * Appends the text with a new member before the member `before` of the same object, or with a new
 * element before the one of that index: as sfs_document_text_set with SFS_DOCUMENT_ADD where there
 * is no `before`.
 */
SFS_API int sfs_document_text_insert(struct sfs_bytes text, struct sfs_document_path path,
                                     struct sfs_bytes before, struct sfs_bytes json,
                                     struct sfs_buffer *out, struct sfs_error *error);
/* Appends the name of the member that stands behind the one at a path: what to insert that one
 * before, to have it back in its place once it is removed. Nothing where it is the last, or an
 * element. */
SFS_API int sfs_document_text_behind(struct sfs_bytes text, struct sfs_document_path path,
                                     struct sfs_buffer *name, struct sfs_error *error);
/* Appends the text without the member (all of its name) or element; those behind an element move up.
 * INVALID for the path without steps. */
SFS_API int sfs_document_text_remove(struct sfs_bytes text, struct sfs_document_path path,
                                     unsigned flags, struct sfs_buffer *out,
                                     struct sfs_error *error);
/* Appends the text with the value, byte for byte, at `to` instead of `from`. A member that gets a
 * new name in its own object keeps its place there. INVALID where one is inside the other;
 * UNSUPPORTED where taking `from` out of its array would move `to`. */
SFS_API int sfs_document_text_move(struct sfs_bytes text, struct sfs_document_path from,
                                   struct sfs_document_path to, unsigned flags,
                                   struct sfs_buffer *out, struct sfs_error *error);

/*
 * The form of a value for people, as in query paths: a string's own text, unless that text is itself
 * JSON; then, and for every other type, the JSON text. Each undoes the other. Appends. INVALID where a
 * form is not UTF-8.
 */
SFS_API int sfs_document_form(struct sfs_bytes json, struct sfs_buffer *form, struct sfs_error *error);
SFS_API int sfs_document_from_form(struct sfs_bytes form, struct sfs_buffer *json,
                                   struct sfs_error *error);

/* --- on a store --- */

/* What an edit function has decided. */
enum sfs_document_result {
    SFS_DOCUMENT_PUT = 0,  /* `out` is the new value */
    SFS_DOCUMENT_KEEP = 1, /* it stays as it is: nothing is written */
};
/* Given a document's text (data NULL: there is no such key), appends the new one to `out`, or fails. Is
 * called again with the text that is there then, where somebody else was first. */
typedef int sfs_document_edit_function(void *context, struct sfs_bytes text, struct sfs_buffer *out,
                                       struct sfs_error *error);

struct sfs_document_options {
    const struct sfs_attributes *attributes; /* in `mask`: of a key that is made; may be NULL */
    unsigned mask;                           /* enum sfs_attribute_mask */
    bool durable;
    uint64_t revision;      /* only onto this one, else CONFLICT; 0: any */
    uint64_t *ret_revision; /* that of the new value, where there is one; may be NULL */
};
/*
 * Reads the key, calls `function` and puts what it gives, provided that the key was not changed in
 * between; else begins anew after a pause, for half a minute (then CONFLICT). Any negative number that the
 * function returns ends it and is returned. `options` may be NULL. Also the store's errors.
 */
SFS_API int sfs_document_edit(struct sfs_storage *store, struct sfs_bytes key,
                              sfs_document_edit_function *function, void *context,
                              const struct sfs_document_options *options, struct sfs_error *error);

/* Appends the value's text at a path of a key. */
SFS_API int sfs_document_get(struct sfs_storage *store, struct sfs_bytes key,
                             struct sfs_document_path path, struct sfs_buffer *out,
                             struct sfs_error *error);
/* As the functions on text, through sfs_document_edit. Setting the whole value makes the key if need be. */
SFS_API int sfs_document_set(struct sfs_storage *store, struct sfs_bytes key,
                             struct sfs_document_path path, struct sfs_bytes json, unsigned flags,
                             struct sfs_error *error);
SFS_API int sfs_document_remove(struct sfs_storage *store, struct sfs_bytes key,
                                struct sfs_document_path path, unsigned flags,
                                struct sfs_error *error);
SFS_API int sfs_document_move(struct sfs_storage *store, struct sfs_bytes key,
                              struct sfs_document_path from, struct sfs_document_path to,
                              unsigned flags, struct sfs_error *error);

/* --- reading many members --- */

/*
 * A document opened for reading: its text, and an index of each large array or object that was
 * asked about, so that finding one of many members does not read them all (of an object those of at
 * most SFS_DOCUMENT_CHILDREN_MAX, else TOO_LARGE). Immutable to its users, counted, thread-safe.
 */
struct sfs_document;
/* Of the bytes that a blob holds; takes a reference of its own. UNSUPPORTED, TOO_LARGE, NO_MEMORY. */
SFS_API int sfs_document_open(struct sfs_blob *blob, struct sfs_document **ret_document,
                              struct sfs_error *error);
/* One reference more; returns document. */
SFS_API struct sfs_document *sfs_document_ref(struct sfs_document *document);
/* One less; the last one frees. NULL allowed. */
SFS_API void sfs_document_unref(struct sfs_document *document);
/* The whole value, without white space around; borrowed, as all values below. */
SFS_API struct sfs_bytes sfs_document_root(const struct sfs_document *document);
/* Bytes of memory that it holds now. Never waits. */
SFS_API size_t sfs_document_cost(struct sfs_document *document);
/* The value at a path. */
SFS_API int sfs_document_find(struct sfs_document *document, struct sfs_document_path path,
                              struct sfs_bytes *ret_value, struct sfs_error *error);
/* The value at a path below `from`, which must be of this document. */
SFS_API int sfs_document_find_below(struct sfs_document *document, struct sfs_bytes from,
                                    struct sfs_document_path path, struct sfs_bytes *ret_value,
                                    struct sfs_error *error);
/*
 * Calls `visit` with each member or element of `value`, which must be of this document: in the
 * order written, of duplicates the last only. `name` is decoded, or the index in digits; borrowed
 * for the call. A visit that returns not 0 ends it, and that is returned. TOO_LARGE: there are more
 * than SFS_DOCUMENT_CHILDREN_MAX, of which some may have been visited.
 */
SFS_API int sfs_document_visit(struct sfs_document *document, struct sfs_bytes value,
                               int (*visit)(void *context, struct sfs_bytes name,
                                            struct sfs_bytes value),
                               void *context, struct sfs_error *error);

#endif
