/* SPDX-License-Identifier: MIT */
/* Results without their values: all rows, and the question whether one key is among them. */
#include "query/run.h"

int sfs_query_keys(struct sfs_storage *store, const struct sfs_query *query,
                   struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    int result = sfs_query_check_sink(query, SFS_SINK_KEYS, error);
    return result ? result : sfs_query_open(store, query, SFS_WANT_RECORD, ret_cursor, error);
}

static bool is_filter(const struct sfs_query_stage *stage)
{
    return stage->kind == SFS_QUERY_WHERE || stage->kind == SFS_QUERY_BY;
}

/* Whether only all the rows tell which are in the result, or what filters behind it see. */
static bool needs_rows(const struct sfs_query_stage *stage)
{
    return stage->kind == SFS_QUERY_LIMIT || stage->kind == SFS_QUERY_OFFSET ||
           stage->kind == SFS_QUERY_SELECT;
}

/* Whether every filter before a select takes the record, wherever it stands: 1, 0, or as an
 * expression. */
static int passes(const struct sfs_query *query, const struct sfs_record *record)
{
    struct sfs_subject subject = sfs_subject(record);
    int matches = sfs_record_is_key(record);
    for (size_t i = 0; i < query->count && matches == 1; i++) {
        if (query->stages[i]->kind == SFS_QUERY_SELECT)
            break;
        if (is_filter(query->stages[i]))
            matches = sfs_expression_matches(query->stages[i]->node, &subject);
    }
    return matches;
}

static int among_rows(struct sfs_storage *store, const struct sfs_query *query,
                      struct sfs_bytes key, struct sfs_error *error)
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
    int result = sfs_query_check_sink(query, SFS_SINK_KEYS, error);
    if (result)
        return result;
    for (size_t i = 0; i < query->count; i++) {
        windowed = windowed || needs_rows(query->stages[i]);
        if (is_filter(query->stages[i]) && sfs_query_stage_reads_value(query->stages[i]))
            want = SFS_WANT_VALUE | SFS_WANT_DOCUMENTS;
    }
    struct sfs_error failure;
    result = sfs_get(store, key, want, &record, &failure);
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
        return sfs_expression_fail(result, error);
    return result == 1 && windowed ? among_rows(store, query, key, error) : result;
}
