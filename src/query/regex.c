/* SPDX-License-Identifier: MIT */
/* Regular expressions by PCRE2. */
#include "query/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define MATCH_LIMIT 1000000U /* steps of a match */
#define HEAP_LIMIT 16384U    /* KiB of a match */
#define NEST_LIMIT 100U      /* parentheses */

static void free_code(void *code)
{
    pcre2_code_free(code);
}

int sfs_regex_compile(struct sfs_bytes pattern, struct sfs_arena *arena, void **ret_regex,
                      size_t *ret_offset, char ret_reason[128])
{
    int failure = 0;
    PCRE2_SIZE offset = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return SFS_E_NO_MEMORY;
    pcre2_set_parens_nest_limit(context, NEST_LIMIT);
    /* Keys may be no UTF-8: such bytes match nothing. */
    pcre2_code *code =
        pcre2_compile(pattern.data, pattern.size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &failure, &offset, context);
    pcre2_compile_context_free(context);
    if (code) {
        *ret_regex = code;
        if (sfs_arena_on_free(arena, free_code, code) == 0)
            return 0;
        pcre2_code_free(code);
        return SFS_E_NO_MEMORY;
    }
    if (failure == PCRE2_ERROR_NOMEMORY || failure == PCRE2_ERROR_HEAP_FAILED)
        return SFS_E_NO_MEMORY;
    *ret_offset = offset;
    pcre2_get_error_message(failure, (PCRE2_UCHAR *)ret_reason, 128);
    return SFS_E_INVALID;
}

/* What a match needs again and again. */
struct match {
    pcre2_match_context *context;
    pcre2_match_data *data;
};

void sfs_regex_scratch_free(void *scratch)
{
    struct match *match = scratch;
    if (!match)
        return;
    pcre2_match_context_free(match->context);
    pcre2_match_data_free(match->data);
    free(match);
}

static struct match *match_new(void)
{
    struct match *match = calloc(1, sizeof(*match));
    if (!match)
        return NULL;
    match->context = pcre2_match_context_create(NULL);
    match->data = pcre2_match_data_create(1, NULL);
    if (!match->context || !match->data) {
        sfs_regex_scratch_free(match);
        return NULL;
    }
    pcre2_set_match_limit(match->context, MATCH_LIMIT);
    pcre2_set_heap_limit(match->context, HEAP_LIMIT);
    return match;
}

int sfs_regex_matches(const void *regex, struct sfs_bytes text, struct sfs_scratch *scratch)
{
    struct match *match = scratch->match ? scratch->match : match_new();
    if (!match)
        return SFS_E_NO_MEMORY;
    scratch->match = match;
    int found = pcre2_match(regex, text.size ? text.data : (const void *)"", text.size, 0, 0,
                            match->data, match->context);
    if (found >= 0)
        return 1;
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    return found == PCRE2_ERROR_NOMEMORY ? SFS_E_NO_MEMORY : SFS_E_TOO_LARGE;
}
