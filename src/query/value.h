/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_VALUE_H
#define SFS_QUERY_VALUE_H

/*
 * Value: what a field of a record, or a literal in an expression, stands for. Most are views of
 * JSON text; keys and literal strings are plain bytes, and sizes and times integers, so that
 * neither has to be written as JSON before it can be compared. A value owns nothing. Pure and
 * thread-safe.
 */
#include "query/arena.h"
#include "util/json.h"

enum sfs_value_kind {
    SFS_VALUE_MISSING,
    SFS_VALUE_JSON,
    SFS_VALUE_TEXT, /* a string's own text; it need not be UTF-8 */
    SFS_VALUE_INTEGER,
};

struct sfs_value {
    enum sfs_value_kind kind;
    union {
        struct sfs_json json;
        struct sfs_bytes text;
        int64_t integer;
    } is;
};

/* The JSON type that the value has or would have; not for MISSING. */
enum sfs_json_type sfs_value_type(const struct sfs_value *value);
/* Whether two present values are of one type, true and false being of one. */
bool sfs_value_same_type(const struct sfs_value *a, const struct sfs_value *b);
/* The total order of storefs/query.h, missing first. 0 and *ret_order, or NO_MEMORY. */
int sfs_value_compare(const struct sfs_value *a, const struct sfs_value *b, int *ret_order);

/* The text of a string value: a view where its literal has no escapes, else decoded into `scratch`.
 * NO_MEMORY. */
int sfs_value_string(const struct sfs_value *value, struct sfs_buffer *scratch,
                     struct sfs_bytes *ret_text);

/* The value of a JSON view; the literal is copied into the arena. NO_MEMORY. */
int sfs_value_from_json(struct sfs_json json, struct sfs_arena *arena, struct sfs_value *ret_value);
/* The value that a VALUE of by/FIELD/VALUE names: JSON if it is JSON, else that text. NO_MEMORY. */
int sfs_value_from_form(struct sfs_bytes form, struct sfs_arena *arena,
                        struct sfs_value *ret_value);
/* Appends the form that sfs_value_from_form takes. */
int sfs_value_form(const struct sfs_value *value, struct sfs_buffer *out);
/* Appends the value as compact JSON (INVALID for text that is no UTF-8). */
int sfs_value_json(const struct sfs_value *value, struct sfs_buffer *out);

#endif
