/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_REGEX_H
#define SFS_QUERY_REGEX_H

/*
 * Regular expressions: PCRE2's, in characters of UTF-8, found anywhere in the text unless anchored.
 * A match may take so many steps and so much memory and no more, so that no pattern can hang. A
 * compiled pattern is immutable and may be used by several threads.
 */
#include "query/field.h"

/* Compiles into the arena. INVALID: *ret_offset is the byte of the pattern, and *ret_reason says
 * what is wrong there; NO_MEMORY. */
int sfs_regex_compile(struct sfs_bytes pattern, struct sfs_arena *arena, void **ret_regex,
                      size_t *ret_offset, char ret_reason[128]);
/* 1, 0, NO_MEMORY, or TOO_LARGE where it would take too many steps. */
int sfs_regex_matches(const void *regex, struct sfs_bytes text, struct sfs_scratch *scratch);
void sfs_regex_scratch_free(void *match);

#endif
