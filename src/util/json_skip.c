/* SPDX-License-Identifier: MIT */
/* Ends of large arrays and objects, found in one pass. */
#include "util/json_skip.h"

#include <stdlib.h>

#include "util/json_internal.h"

static int open_span(struct sfs_json_skips *skips, uint32_t start, uint32_t around)
{
    if (skips->count == skips->capacity) {
        size_t capacity = skips->capacity != 0 ? skips->capacity * 2 : 64;
        void *grown = reallocarray(skips->spans, capacity, sizeof(*skips->spans));
        if (grown == NULL)
            return SFS_E_NO_MEMORY;
        skips->spans = grown;
        skips->capacity = capacity;
    }
    skips->spans[skips->count++] = (struct sfs_json_span){start, around};
    return 0;
}

/* Returns the one around it. All that are inside are smaller: where it is small, they are gone by
 * now. */
static uint32_t close_span(struct sfs_json_skips *skips, uint32_t open, uint32_t end)
{
    struct sfs_json_span *span = &skips->spans[open - 1];
    uint32_t around = span->end;
    span->end = end;
    if (end - span->start < SFS_JSON_SKIP_SIZE)
        skips->count = open - 1;
    return around;
}

int sfs_json_skips_build(struct sfs_json_skips *skips, struct sfs_bytes text)
{
    const char *start = text.data;
    const char *end = start + text.size;
    uint32_t open = 0; /* index and one */
    skips->text = start;
    for (const char *at = start; at < end;) {
        if (*at == '"') {
            at = sfs_json_skip_string(at, end);
            continue;
        }
        if (*at == '[' || *at == '{') {
            if (open_span(skips, (uint32_t)(at - start), open))
                return SFS_E_NO_MEMORY;
            open = (uint32_t)skips->count;
        } else if ((*at == ']' || *at == '}') && open > 0) {
            open = close_span(skips, open, (uint32_t)(at + 1 - start));
        }
        at++;
    }
    return 0;
}

const struct sfs_json_span *sfs_json_skips_find(const struct sfs_json_skips *skips, const char *at)
{
    uint32_t start = (uint32_t)(at - skips->text);
    size_t from = 0, to = skips->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct sfs_json_span *span = &skips->spans[middle];
        if (span->start == start)
            return span;
        if (span->start < start)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

void sfs_json_skips_free(struct sfs_json_skips *skips)
{
    free(skips->spans);
    *skips = (struct sfs_json_skips){0};
}
