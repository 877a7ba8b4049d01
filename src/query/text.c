/* SPDX-License-Identifier: MIT */
/* Results as text: each sink says what stands before, between and behind the rows, and is pulled.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "query/run.h"
#include "storefs/bulk.h"
#include "storefs/path.h"

struct sfs_text {
    enum sfs_sink sink;
    struct sfs_cursor *cursor;
    struct sfs_buffer made; /* text not yet read; from `at` on */
    size_t at;
    uint64_t rows;
    bool ended;
    int failed;
};

static int add_key(struct sfs_text *text, const struct sfs_record *record, struct sfs_error *error)
{
    if (sfs_path_escape(record->name, &text->made) || sfs_buffer_byte(&text->made, '\n'))
        return sfs_fail_memory(error, "query");
    return 0;
}

/* An element of the array: its line without the newline, behind a bracket or a comma. */
static int add_element(struct sfs_text *text, const struct sfs_record *record,
                       struct sfs_error *error)
{
    if (sfs_buffer_add(&text->made, text->rows ? SFS_LITERAL(",\n") : SFS_LITERAL("[\n")))
        return sfs_fail_memory(error, "query");
    int result = sfs_line_write(&text->made, record, false, error);
    if (result == 0)
        text->made.size--;
    return result;
}

static int add_row(struct sfs_text *text, const struct sfs_record *record, struct sfs_error *error)
{
    switch (text->sink) {
    case SFS_SINK_KEYS:
        return add_key(text, record, error);
    case SFS_SINK_VALUES_JSON:
        return add_element(text, record, error);
    case SFS_SINK_VALUES_NDJSON:
        return sfs_line_write(&text->made, record, false, error);
    default:
        return 0;
    }
}

static int add_end(struct sfs_text *text, struct sfs_error *error)
{
    int result = 0;
    if (text->sink == SFS_SINK_VALUES_JSON)
        result =
            sfs_buffer_add(&text->made, text->rows ? SFS_LITERAL("\n]\n") : SFS_LITERAL("[]\n"));
    else if (text->sink == SFS_SINK_COUNT)
        result = sfs_buffer_printf(&text->made, "%" PRIu64 "\n", text->rows);
    return result ? sfs_fail_memory(error, "query") : 0;
}

/* Makes more text: the next row's, or the end's. */
static int make(struct sfs_text *text, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int found = sfs_cursor_next(text->cursor, &record, error);
    if (found < 0)
        return found;
    int result = found ? add_row(text, record, error) : add_end(text, error);
    text->rows += found > 0;
    text->ended = found == 0;
    return result;
}

int sfs_text_read(struct sfs_text *text, void *data, size_t size, size_t *ret_size,
                  struct sfs_error *error)
{
    if (text->failed)
        return sfs_fail(error, text->failed, "query", "the query failed before: open it again");
    while (text->made.size - text->at < size && !text->ended) {
        text->failed = make(text, error);
        if (text->failed)
            return text->failed;
    }
    size_t left = text->made.size - text->at;
    size_t given = left < size ? left : size;
    if (given > 0)
        memcpy(data, text->made.data + text->at, given);
    text->at += given;
    if (text->at == text->made.size)
        text->at = text->made.size = 0;
    *ret_size = given;
    return 0;
}

void sfs_text_close(struct sfs_text *text)
{
    if (!text)
        return;
    sfs_cursor_close(text->cursor);
    sfs_buffer_free(&text->made);
    free(text);
}

/* A text that is whole from the beginning. */
static int make_whole(struct sfs_text *text, struct sfs_storage *store,
                      const struct sfs_query *query, struct sfs_error *error)
{
    text->ended = true;
    if (text->sink == SFS_SINK_EXPLAIN)
        return sfs_query_explain(store, query, &text->made, error);
    int result = sfs_query_count(store, query, &text->rows, error);
    return result ? result : add_end(text, error);
}

static int begin(struct sfs_text *text, struct sfs_storage *store, const struct sfs_query *query,
                 struct sfs_error *error)
{
    struct sfs_run_options options = {.want = SFS_WANT_VALUE, .sort_limit = SFS_SORT_LIMIT};
    bool whole = text->sink == SFS_SINK_COUNT && query->count == 0;
    if (text->sink == SFS_SINK_NONE)
        return sfs_fail(error, SFS_E_INVALID, "query", "a stage has no text: name a result");
    if (whole || text->sink == SFS_SINK_EXPLAIN)
        return make_whole(text, store, query, error);
    if (text->sink == SFS_SINK_COUNT || text->sink == SFS_SINK_KEYS)
        options.want = SFS_WANT_RECORD;
    return sfs_query_open(store, query, &options, &text->cursor, error);
}

int sfs_query_text(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                   struct sfs_text **ret_text, struct sfs_error *error)
{
    struct sfs_text *text = calloc(1, sizeof(*text));
    if (!text)
        return sfs_fail_memory(error, "query");
    text->sink = sink;
    int result = begin(text, store, query, error);
    if (result) {
        sfs_text_close(text);
        return result;
    }
    *ret_text = text;
    return 0;
}
