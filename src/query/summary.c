/* SPDX-License-Identifier: MIT */
/* The cursor of `aggregate`: groups to documents of their fields and results. */
#include <stdlib.h>

#include "query/document.h"
#include "query/row.h"
#include "query/run.h"
#include "storefs/backend.h"

struct summary {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    const struct sfs_query_stage *aggregate;
    struct sfs_buffer json;
    const struct sfs_record *given; /* a reference */
};

/* The group's document, with the results as further members. */
static int make_document(struct summary *summary, const struct sfs_record *group)
{
    struct sfs_buffer *json = &summary->json;
    struct sfs_bytes fields = sfs_record_value(group);
    struct sfs_bytes results = sfs_row_results(group);
    json->size = 0;
    int result = sfs_buffer_append(json, fields.data, fields.size - 1);
    for (size_t i = 0; i < summary->aggregate->key_count && result == 0; i++) {
        size_t start = json->size;
        result = sfs_document_name(json, summary->aggregate->keys[i].literal);
        if (result == 0)
            result = sfs_document_sorted(json, &results, start);
    }
    return result ? result : sfs_document_end(json);
}

static int summary_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct summary *summary = (struct summary *)cursor;
    const struct sfs_record *group = NULL;
    int found = sfs_cursor_next(summary->input, &group, error);
    if (found <= 0)
        return found;
    if (make_document(summary, group))
        return sfs_fail_memory(error, "query");
    sfs_record_unref(summary->given);
    summary->given = sfs_row_made(sfs_buffer_bytes(&summary->json), sfs_bytes(NULL, 0));
    if (!summary->given)
        return sfs_fail_memory(error, "query");
    *ret_record = summary->given;
    return 1;
}

static void summary_close(struct sfs_cursor *cursor)
{
    struct summary *summary = (struct summary *)cursor;
    sfs_cursor_close(summary->input);
    sfs_record_unref(summary->given);
    sfs_buffer_free(&summary->json);
    free(summary);
}

int sfs_summary_cursor(struct sfs_cursor *input, const struct sfs_query_stage *aggregate,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = summary_next, .seek = sfs_query_no_seek, .close = summary_close};
    struct summary *summary = calloc(1, sizeof(*summary));
    if (!summary)
        return sfs_fail_memory(error, "query");
    summary->cursor.operations = &operations;
    summary->input = input;
    summary->aggregate = aggregate;
    *ret_cursor = &summary->cursor;
    return 0;
}
