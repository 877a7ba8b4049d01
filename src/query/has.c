/* SPDX-License-Identifier: MIT */
/* Results without their values: all rows, and the question whether one key is among them. */
#include "query/run.h"

int sfs_query_keys(struct sfs_storage *store, const struct sfs_query *query,
                   struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_run_options options = {.want = SFS_WANT_RECORD, .sort_limit = SFS_SORT_LIMIT};
    return sfs_query_open(store, query, &options, ret_cursor, error);
}

static bool is_filter(const struct sfs_query_stage *stage)
{
    return stage->kind == SFS_QUERY_WHERE || stage->kind == SFS_QUERY_BY;
}

static bool is_window(const struct sfs_query_stage *stage)
{
    return stage->kind == SFS_QUERY_LIMIT || stage->kind == SFS_QUERY_OFFSET;
}

/* Whether every filter takes the record, wherever it stands: 1, 0, or NO_MEMORY. */
static int passes(const struct sfs_query *query, const struct sfs_record *record)
{
    struct sfs_subject subject = sfs_subject(record);
    int matches = sfs_record_is_key(record);
    for (size_t i = 0; i < query->count && matches == 1; i++) {
        if (is_filter(query->stages[i]))
            matches = sfs_expression_matches(query->stages[i]->node, &subject);
    }
    return matches;
}

static int among_rows(struct sfs_storage *store, const struct sfs_query *query, struct sfs_bytes key,
                      struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int found = sfs_query_keys(store, query, &cursor, error);
    if (found)
        return found;
    while ((found = sfs_cursor_next(cursor, &record, error)) > 0 &&
           !sfs_bytes_equal(record->name, key))
        ;
    sfs_cursor_close(cursor);
    return found;
}

int sfs_query_has(struct sfs_storage *store, const struct sfs_query *query, struct sfs_bytes key,
                  struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    unsigned want = SFS_WANT_RECORD;
    bool windowed = false;
    for (size_t i = 0; i < query->count; i++) {
        windowed = windowed || is_window(query->stages[i]);
        if (is_filter(query->stages[i]) && sfs_query_stage_reads_value(query->stages[i]))
            want = SFS_WANT_VALUE;
    }
    struct sfs_error failure;
    int result = sfs_get(store, key, want, &record, &failure);
    if (result == SFS_E_NOT_FOUND)
        return 0;
    if (result) {
        if (error)
            *error = failure;
        return result;
    }
    result = passes(query, record);
    sfs_record_unref(record);
    if (result < 0)
        return sfs_fail_memory(error, "query");
    return result == 1 && windowed ? among_rows(store, query, key, error) : result;
}
