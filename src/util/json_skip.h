/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_JSON_SKIP_H
#define SFS_UTIL_JSON_SKIP_H

/*
 * Where the large arrays and objects of a checked text end: made in one pass, so that a walk down
 * does not read through all that is below at each level. Immutable once built; borrows the text.
 */
#include <stdint.h>

#include "util/json.h"

#define SFS_JSON_SKIP_SIZE 1024 /* bytes: smaller ones are read through */

struct sfs_json_span {
    uint32_t start;
    uint32_t end; /* while it is open: the index of the one around it, and one */
};

struct sfs_json_skips {
    const char *text;
    struct sfs_json_span *spans; /* by start */
    size_t count;
    size_t capacity;
};

/* Of a text of less than 4 GiB. NO_MEMORY. sfs_json_skips_free whatever it returns. */
int sfs_json_skips_build(struct sfs_json_skips *skips, struct sfs_bytes text);
/* The span that begins at `at`; NULL: nothing large does. */
const struct sfs_json_span *sfs_json_skips_find(const struct sfs_json_skips *skips, const char *at);
void sfs_json_skips_free(struct sfs_json_skips *skips);

#endif
