/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_GLOB_H
#define SFS_UTIL_GLOB_H

/*
 * Shell patterns over whole texts: `*` is any run (also of `/`), `?` one character, `[abc]` and
 * `[a-z]` one character of a set, `[!abc]` one that is not in it, `\x` the character x itself, also
 * inside a set. `]` first in a set and `-` first or last stand for themselves. A character is one
 * of UTF-8; a byte that is no UTF-8 counts as a character that equals only itself. Pure and
 * thread-safe.
 */
#include <stdbool.h>
#include <stddef.h>

#include "storefs/bytes.h"

/* Whether `pattern` is well formed. If not (a set that is not closed, a range backwards, nothing
 * behind a backslash), `ret_offset` and `ret_reason` (each may be NULL; the reason is static
 * storage) say where and why. */
bool sfs_glob_check(struct sfs_bytes pattern, size_t *ret_offset, const char **ret_reason);

/* Whether all of `text` matches `pattern`. At worst time pattern times text, never exponential.
 * What is malformed in a pattern matches nothing. */
bool sfs_glob_match(struct sfs_bytes pattern, struct sfs_bytes text);

/* Appends the literal bytes that every match begins with (what stands before the first `*`, `?` or
 * `[`), which bound a range of keys. 0 or SFS_E_NO_MEMORY; `buffer` is as it was then. */
int sfs_glob_prefix(struct sfs_bytes pattern, struct sfs_buffer *buffer) SFS_MUST_CHECK;

#endif
