/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_JS_VALUE_H
#define SFS_UTIL_JS_VALUE_H

/*
 * What JavaScript makes of JSON values (ECMA-262: Number::toString, JSON.stringify of JSON.parse,
 * OrdinaryOwnPropertyKeys, String, includes and startsWith): for files that a JavaScript program
 * reads and writes too, and must find the same. One place for all of it. Text is UTF-8, with lone
 * surrogates in their WTF-8 form. No function depends on the locale; all are thread-safe, and none
 * recurses.
 */
#include "util/json.h"

/* The longest text of a number: "-1.2345678901234567e-308" has 24 bytes. */
#define SFS_JS_NUMBER_MAX 32

/* Writes the text that JavaScript has for a finite number (the shortest digits that read back as
 * the same double, the closest of those; -0 is 0) and returns its length. */
size_t sfs_js_double(double number, char ret_text[SFS_JS_NUMBER_MAX]);
/* The same for the text of a JSON number. Returns 0 where it is too large for a double. */
size_t sfs_js_number(struct sfs_bytes json, char ret_text[SFS_JS_NUMBER_MAX]);

/* Whether an object lists this name among its first, by number: "0" to "4294967294" as JavaScript
 * writes them. */
bool sfs_js_is_index(struct sfs_bytes name, uint32_t *ret_number);

/*
 * Appends JSON.stringify(JSON.parse(value)): no white space; numbers as above, one that is too
 * large is null; strings with only the escapes that are needed; members that are numbers first and
 * ascending, of duplicates the last value at the first's place. NO_MEMORY; `out` is as it was then.
 */
int sfs_js_canonical(struct sfs_json value, struct sfs_buffer *out) SFS_MUST_CHECK;

/* Appends String(value) for text that sfs_js_canonical() wrote: a string's own text, elements of
 * arrays joined with commas (null is nothing there), "[object Object]". NO_MEMORY; `out` is as it
 * was then. */
int sfs_js_string(struct sfs_json canonical, struct sfs_buffer *out) SFS_MUST_CHECK;

/* Whether text is what a JavaScript string can be written as: UTF-8 or WTF-8 in which no two
 * surrogates make a pair. */
bool sfs_js_is_text(struct sfs_bytes text);

/* text.includes(part) and text.startsWith(part): by UTF-16 units, so that half of a pair is found
 * in the whole. Both must be sfs_js_is_text(). */
bool sfs_js_includes(struct sfs_bytes text, struct sfs_bytes part);
bool sfs_js_starts(struct sfs_bytes text, struct sfs_bytes part);

#endif
