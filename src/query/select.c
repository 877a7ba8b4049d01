/* SPDX-License-Identifier: MIT */
/* The cursor of `select`: rows whose value is the object of some fields. */
#include <stdlib.h>

#include "query/document.h"
#include "query/row.h"
#include "query/run.h"
#include "storefs/backend.h"

struct selection {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    const struct sfs_query_stage *stage;
    struct sfs_buffer json;
    const struct sfs_record *given; /* a reference */
};

static int make_document(struct selection *selection, const struct sfs_record *record)
{
    const struct sfs_query_stage *stage = selection->stage;
    struct sfs_subject subject = sfs_subject(record);
    selection->json.size = 0;
    int result = sfs_document_begin(&selection->json);
    for (size_t i = 0; i < stage->key_count && result == 0; i++) {
        struct sfs_value value = sfs_field_value(&stage->keys[i].field, &subject);
        if (value.kind == SFS_VALUE_MISSING)
            continue;
        result = sfs_document_name(&selection->json, stage->keys[i].literal);
        if (result == 0)
            result = sfs_document_value(&selection->json, &value);
    }
    return result ? result : sfs_document_end(&selection->json);
}

static int selection_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                          struct sfs_error *error)
{
    struct selection *selection = (struct selection *)cursor;
    const struct sfs_record *record = NULL;
    int found = sfs_cursor_next(selection->input, &record, error);
    if (found <= 0)
        return found;
    if (make_document(selection, record))
        return sfs_fail_memory(error, "query");
    sfs_record_unref(selection->given);
    selection->given = sfs_row_with_value(record, sfs_buffer_bytes(&selection->json));
    if (!selection->given)
        return sfs_fail_memory(error, "query");
    *ret_record = selection->given;
    return 1;
}

static void selection_close(struct sfs_cursor *cursor)
{
    struct selection *selection = (struct selection *)cursor;
    sfs_cursor_close(selection->input);
    sfs_record_unref(selection->given);
    sfs_buffer_free(&selection->json);
    free(selection);
}

int sfs_select_cursor(struct sfs_cursor *input, const struct sfs_query_stage *stage,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = selection_next, .seek = sfs_query_no_seek, .close = selection_close};
    struct selection *selection = calloc(1, sizeof(*selection));
    if (!selection)
        return sfs_fail_memory(error, "query");
    selection->cursor.operations = &operations;
    selection->input = input;
    selection->stage = stage;
    *ret_cursor = &selection->cursor;
    return 0;
}
