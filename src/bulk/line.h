/* SPDX-License-Identifier: MIT */
#ifndef SFS_BULK_LINE_H
#define SFS_BULK_LINE_H

/*
 * What the writer and the reader of NDJSON lines share: names of the kinds, defaults, limits. The
 * form of a line is described in storefs/bulk.h.
 */
#include "storefs/bulk.h"
#include "storefs/batch.h"
#include "util/json.h"

/* A longer line is refused by import (TOO_LARGE), so export refuses to write it. */
#define SFS_LINE_MAX ((size_t)1 << 30)

/* "marker"; NULL for a number that is no kind. Static storage. */
const char *sfs_kind_name(enum sfs_kind kind);

/*
 * sfs_line_write() for a record of `store`, without attributes left out. A large value that the
 * scan left out (SFS_WANT_SMALL) is read here, and only what the store keeps of one with holes.
 * Also the errors of sfs_read(), and TOO_LARGE for a line over SFS_LINE_MAX.
 */
int sfs_line_write_from(struct sfs_buffer *out, struct sfs_storage *store,
                        const struct sfs_record *record, struct sfs_error *error);

/* TOO_LARGE, of a record whose name the caller adds. */
int sfs_line_too_long(struct sfs_error *error);
/* Appends the line of an index. NO_MEMORY. */
int sfs_line_write_index(struct sfs_buffer *out, struct sfs_bytes index);
/* Whether a line is that of an index: 1 and its name appended, 0, or INVALID, NO_MEMORY. */
int sfs_line_read_index(struct sfs_bytes line, struct sfs_buffer *name, struct sfs_error *error);

/* A value with zeros left out: see storefs/bulk.h. */
struct sfs_line_runs {
    uint64_t size; /* of the value */
    struct sfs_buffer bytes;
    struct sfs_part *parts; /* of `bytes`, ascending: between them are zeros */
    size_t count;
};
/* Reads the wrapped value's "__size" and "__value" into *ret_runs, which the caller frees, also
 * after a failure. INVALID, NO_MEMORY. */
int sfs_line_read_runs(struct sfs_json size, struct sfs_json value, struct sfs_line_runs *ret_runs,
                       struct sfs_error *error);
void sfs_line_runs_free(struct sfs_line_runs *runs);

/* What a value takes as runs, in a line: see storefs/bulk.h. Pure. */
size_t sfs_line_runs_size(struct sfs_bytes value);
/* Appends the value as runs, or one that is not loaded from `store`. */
int sfs_line_write_runs(struct sfs_buffer *out, struct sfs_bytes value, struct sfs_error *error);
int sfs_line_write_holes(struct sfs_buffer *out, struct sfs_storage *store,
                         const struct sfs_record *record, struct sfs_error *error);

/* The mode that stands for itself by being left out. */
uint32_t sfs_line_default_mode(enum sfs_kind kind);

/*
 * The member "attributes" as read. Attributes that were left out have their defaults, except times
 * and the type, which are not in `mask` then.
 */
struct sfs_line_attributes {
    struct sfs_attributes attributes;
    unsigned mask;            /* enum sfs_attribute_mask */
    struct sfs_buffer xattrs; /* encoded as in a record; the holder frees it */
};

/* Reads the object into *ret_attributes, which the caller has zeroed and whose xattrs it frees, also
 * after a failure. INVALID with a sentence, NO_MEMORY. */
int sfs_line_read_attributes(struct sfs_json object, struct sfs_line_attributes *ret_attributes,
                             struct sfs_error *error);

/* Appends what KEY stands for: a string, or bytes wrapped in an object. `what` is for the sentence. */
int sfs_line_read_name(struct sfs_json json, const char *what, struct sfs_buffer *out,
                       struct sfs_error *error);

/* Appends a string's text; a lone surrogate, which no UTF-8 can hold, is INVALID. */
int sfs_line_read_string(struct sfs_json json, const char *what, struct sfs_buffer *out,
                         struct sfs_error *error);

/* Appends the bytes that a base64 string stands for. INVALID, NO_MEMORY. */
int sfs_line_read_base64(struct sfs_json json, const char *what, struct sfs_buffer *out,
                         struct sfs_error *error);

/* A rule of an object whose members are all known: where the value of a member goes. */
struct sfs_line_member {
    const char *name;
    struct sfs_json *value; /* text.data NULL while the member has not come */
};

/* Goes through an object; INVALID for a member that is in no rule or comes twice. `what` names the
 * object in the sentence. Rules end with name NULL. */
int sfs_line_members(struct sfs_json object, const char *what, const struct sfs_line_member *rules,
                     struct sfs_error *error);

#endif
