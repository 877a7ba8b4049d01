/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_JSON_INTERNAL_H
#define SFS_UTIL_JSON_INTERNAL_H

/*
 * Steps over checked JSON text that the json_*.c files share. Each looks only at bytes before
 * `end`, and returns a position that is at most `end`.
 */
#include "util/json.h"

static inline bool sfs_json_is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static inline const char *sfs_json_skip_space(const char *at, const char *end)
{
    while (at < end && sfs_json_is_space(*at))
        at++;
    return at;
}

/* Behind the string literal whose opening quote is at `at`. */
const char *sfs_json_skip_string(const char *at, const char *end);

/* Behind the number or the word that begins at `at`; at `at` itself where there is none. */
const char *sfs_json_skip_scalar(const char *at, const char *end);

/* Behind the value that begins at `at`, however deep it is. */
const char *sfs_json_skip_value(const char *at, const char *end);

/* The view of the value whose text is known; its type follows from the first byte. */
struct sfs_json sfs_json_of_text(const char *at, const char *end);

#endif
