/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_JSON_H
#define SFS_UTIL_JSON_H

/*
 * JSON as RFC 8259 defines it, read in place. One scanner decides what is valid; a `struct
 * sfs_json` is a view of one value's text and owns nothing. Nothing here converts a number to a
 * double or recurses. Views live as long as the text they were made from.
 *
 * Except sfs_json_check, sfs_json_parse and sfs_json_scan, all functions expect views of text that
 * one of those three accepted. (Given other bytes they give no useful answer, but read only inside
 * the text and end.) All are pure and thread-safe; a cursor belongs to one thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "storefs/bytes.h"
#include "storefs/error.h"

/* Arrays and objects may be nested this deep; deeper text is refused as a problem. */
#define SFS_JSON_DEPTH 10000

/* In the order in which values of different types compare. */
enum sfs_json_type {
    SFS_JSON_NULL,
    SFS_JSON_FALSE,
    SFS_JSON_TRUE,
    SFS_JSON_NUMBER,
    SFS_JSON_STRING,
    SFS_JSON_ARRAY,
    SFS_JSON_OBJECT,
};

/* One value: its type, and its text from the first byte to the last, without white space around. */
struct sfs_json {
    enum sfs_json_type type;
    struct sfs_bytes text;
};

/* Why text is no JSON: where the first offending byte is (the size of the text if it ends too
 * early), and a clause such as "a comma or ] is missing" (static storage). */
struct sfs_json_problem {
    size_t offset;
    const char *reason;
};

/* -- validation ------------------------------------------------------------------------------- */

/* Whether `text` is one JSON value with nothing but white space around it. Strict: UTF-8 only, no
 * byte order mark, no raw control characters. Escaped lone surrogates and \u0000 are valid, as the
 * RFC's grammar has them. `ret_problem` may be NULL; set only when the answer is false. */
bool sfs_json_check(struct sfs_bytes text, struct sfs_json_problem *ret_problem);

/* As sfs_json_check, and on success gives the view of the value. */
bool sfs_json_parse(struct sfs_bytes text, struct sfs_json *ret_value,
                    struct sfs_json_problem *ret_problem);

/* Checks the one value that begins exactly at `offset` of `text` and gives its view; whatever
 * follows it is not looked at (except that a number takes all the bytes it can: `12x` gives 12).
 * Offsets in the problem count from the beginning of `text`. */
bool sfs_json_scan(struct sfs_bytes text, size_t offset, struct sfs_json *ret_value,
                   struct sfs_json_problem *ret_problem);

/* The view of the value in text that was checked before; linear only in the white space around. */
struct sfs_json sfs_json_view(struct sfs_bytes valid_text);

/* Line and column (both from 1, columns in bytes) of an offset, for messages. */
void sfs_json_place(struct sfs_bytes text, size_t offset, size_t *ret_line, size_t *ret_column);

/* "null", "boolean", "number", "string", "array" or "object"; static storage. */
const char *sfs_json_type_name(enum sfs_json_type type);

/* -- arrays and objects ----------------------------------------------------------------------- */

/* A position between the members of one array or object; {0} is at the end of nothing. */
struct sfs_json_skips;
struct sfs_json_cursor {
    const char *at; /* behind the value given last: white space up to a comma or the last bracket */
    const char *end; /* the closing bracket */
    const struct sfs_json_skips *skips; /* of the text, to step over what is large; may be NULL */
};

/* At the first member of `container`; at the end if it is neither an array nor an object. */
struct sfs_json_cursor sfs_json_begin(struct sfs_json container);

/* Steps of a cursor over an array: false at the end. Linear in the element's text. */
bool sfs_json_next_element(struct sfs_json_cursor *cursor, struct sfs_json *ret_value);

/* Steps of a cursor over an object, in the order written, duplicates included. `ret_name` is a view
 * of the name's string literal: compare it with sfs_json_string_equals. */
bool sfs_json_next_member(struct sfs_json_cursor *cursor, struct sfs_json *ret_name,
                          struct sfs_json *ret_value);

/* The number of elements or of members (duplicates counted); 0 for other types. */
size_t sfs_json_count(struct sfs_json container);

/* The member called `name` (decoded text), the last one of duplicates, as JavaScript has it. False
 * if there is none or `object` is no object. */
bool sfs_json_member(struct sfs_json object, struct sfs_bytes name, struct sfs_json *ret_value);

/* The element at `index`, from 0. False if there is none or `array` is no array. */
bool sfs_json_element(struct sfs_json array, size_t index, struct sfs_json *ret_value);

/* One step of a path: `.name` or `[index]`. */
enum sfs_json_step_kind {
    SFS_JSON_STEP_NAME,
    SFS_JSON_STEP_INDEX,
};

struct sfs_json_step {
    enum sfs_json_step_kind kind;
    struct sfs_bytes name; /* decoded; for SFS_JSON_STEP_NAME; borrowed */
    size_t index;          /* for SFS_JSON_STEP_INDEX */
};

/* The value at a path below `root`: root itself for no steps. False if it does not exist. */
bool sfs_json_find(struct sfs_json root, const struct sfs_json_step *steps, size_t count,
                   struct sfs_json *ret_value);

/* -- strings ---------------------------------------------------------------------------------- */

/* Appends the text that a string literal stands for. A pair of surrogate escapes becomes one
 * character, a lone one its WTF-8 form. SFS_E_INVALID if `string` is no string, SFS_E_NO_MEMORY;
 * `buffer` is as it was then. */
int sfs_json_string_decode(struct sfs_json string, struct sfs_buffer *buffer) SFS_MUST_CHECK;

/* Appends `text` as a string literal in quotes, escaped as JSON.stringify does: only `"`, `\`,
 * control characters and lone surrogates (given in WTF-8, written \udXXX). SFS_E_INVALID if `text`
 * is neither UTF-8 nor WTF-8, SFS_E_NO_MEMORY; `buffer` is as it was then. */
int sfs_json_string_encode(struct sfs_bytes text, struct sfs_buffer *buffer) SFS_MUST_CHECK;

/* Whether a literal stands for `text` (UTF-8 or WTF-8). Allocates nothing. */
bool sfs_json_string_equals(struct sfs_json string, struct sfs_bytes text);

/* Byte order of the decoded texts of two literals: <0, 0, >0. Allocates nothing. */
int sfs_json_string_compare(struct sfs_json a, struct sfs_json b);

/* -- numbers ---------------------------------------------------------------------------------- */

/* Exact order of two numbers' values, whatever their digits and exponents: <0, 0, >0. -0 equals 0,
 * 1e2 equals 100, 9007199254740993 is more than 9007199254740992. Linear in the texts' lengths,
 * whatever the exponents say. Takes the text of a JSON number. */
int sfs_json_number_compare(struct sfs_bytes a, struct sfs_bytes b);

/* -- values ----------------------------------------------------------------------------------- */

/*
 * The total order of values: null < false < true < numbers < strings < arrays < objects. Numbers by
 * exact value; strings by decoded bytes; arrays by their elements, then the shorter first; objects
 * as lists of their members sorted by name, name before value (last duplicate counts, others do
 * not), then the shorter first. Allocates only for arrays and objects: memory in proportion to
 * their text, time O(n log n) at any depth. 0 and `ret_order` <0, 0, >0; or SFS_E_NO_MEMORY.
 */
int sfs_json_compare(struct sfs_json a, struct sfs_json b, int *ret_order) SFS_MUST_CHECK;

/* Appends the value's text without insignificant white space; numbers and strings keep every byte,
 * members their order and duplicates. SFS_E_NO_MEMORY; `buffer` is as it was then. */
int sfs_json_compact(struct sfs_json value, struct sfs_buffer *buffer) SFS_MUST_CHECK;

/* -- forms ------------------------------------------------------------------------------------ */

/* A value's form is a string's own text, unless that text is itself JSON: then, and for every other
 * type, it is the JSON text. Both append; SFS_E_NO_MEMORY, and `out` is as it was then. The first takes
 * a string's decoded text. */
int sfs_json_text_form(struct sfs_bytes text, struct sfs_buffer *out) SFS_MUST_CHECK;
int sfs_json_form(struct sfs_json value, struct sfs_buffer *out) SFS_MUST_CHECK;
/* The JSON text that a form stands for; also SFS_E_INVALID where it is neither JSON nor UTF-8. */
int sfs_json_from_form(struct sfs_bytes form, struct sfs_buffer *out) SFS_MUST_CHECK;

#endif
