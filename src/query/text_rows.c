/* SPDX-License-Identifier: MIT */
/* Rows as text: keys, and values as import takes them. */
#include <inttypes.h>

#include "query/row.h"
#include "query/text.h"
#include "storefs/bulk.h"
#include "storefs/path.h"

/* A row without a key; of a group how many members it has. */
static int add_made(struct sfs_buffer *out, const struct sfs_record *row)
{
    uint64_t members = 0;
    int result = sfs_buffer_add(out, SFS_LITERAL("{\"value\":"));
    if (result == 0)
        result = sfs_buffer_add(out, sfs_record_value(row));
    if (result == 0 && sfs_row_members(row, &members))
        result = sfs_buffer_printf(out, ",\"count\":%" PRIu64, members);
    return result ? result : sfs_buffer_add(out, SFS_LITERAL("}\n"));
}

static int add_line(struct sfs_text *text, const struct sfs_record *row, struct sfs_error *error)
{
    if (!sfs_row_is_made(row))
        return sfs_line_write(&text->made, row, false, error);
    return add_made(&text->made, row) ? sfs_fail_memory(error, "query") : 0;
}

/* An element of the array: its line without the newline, behind a bracket or a comma. */
static int add_element(struct sfs_text *text, const struct sfs_record *row, struct sfs_error *error)
{
    if (sfs_buffer_add(&text->made, text->rows ? SFS_LITERAL(",\n") : SFS_LITERAL("[\n")))
        return sfs_fail_memory(error, "query");
    int result = add_line(text, row, error);
    if (result == 0)
        text->made.size--;
    return result;
}

int sfs_text_row(struct sfs_text *text, const struct sfs_record *row, struct sfs_error *error)
{
    if (text->sink == SFS_SINK_VALUES_JSON)
        return add_element(text, row, error);
    if (text->sink == SFS_SINK_VALUES_NDJSON)
        return add_line(text, row, error);
    if (text->sink == SFS_SINK_KEYS &&
        (sfs_path_escape(row->name, &text->made) || sfs_buffer_byte(&text->made, '\n')))
        return sfs_fail_memory(error, "query");
    return 0;
}

int sfs_text_row_end(struct sfs_text *text)
{
    if (text->sink == SFS_SINK_VALUES_JSON)
        return sfs_buffer_add(&text->made, text->rows ? SFS_LITERAL("\n]\n") : SFS_LITERAL("[]\n"));
    if (text->sink == SFS_SINK_COUNT)
        return sfs_buffer_printf(&text->made, "%" PRIu64 "\n", text->rows);
    return 0;
}
