/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TESTS_QUERY_TEXT_H
#define STOREFS_TESTS_QUERY_TEXT_H

/* Queries as paths, and their results as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storefs/query.h"

/* The text of a query path. */
static inline const char *text(struct sfs_storage *store, const char *path)
{
    struct sfs_error error = {0};
    static char out[100000];
    struct sfs_query *query = NULL;
    struct sfs_text *reader = NULL;
    enum sfs_sink sink;
    size_t size = 0;
    if (sfs_query_parse(sfs_string(path), &query, &sink, &error) ||
        sfs_query_text(store, query, sink, &reader, &error) ||
        sfs_text_read(reader, out, sizeof(out) - 1, &size, &error))
        fail_msg("%s: %s", path, error.message);
    out[size] = '\0';
    sfs_text_close(reader);
    sfs_query_free(query);
    return out;
}

#endif
