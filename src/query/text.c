/* SPDX-License-Identifier: MIT */
/* Results as text, pulled: what runs for each sink, and reading what was made. */
#include "query/text.h"

#include <stdlib.h>

#include "query/plan.h"

/* Whether the rows are results of aggregates, as lines. */
static bool makes_lines(const struct sfs_text *text)
{
    return text->sink >= SFS_SINK_SUM ||
           (text->sink == SFS_SINK_COUNT &&
            sfs_query_rows(text->query, text->query->count) == SFS_ROW_GROUPS);
}

static int make_row(struct sfs_text *text, const struct sfs_record *row, struct sfs_error *error)
{
    if (!text->lines)
        return sfs_text_row(text, row, error);
    return sfs_text_line(text, row) ? sfs_fail_memory(error, "query") : 0;
}

/* Makes more text: the next row's, or the end's. */
static int make(struct sfs_text *text, struct sfs_error *error)
{
    const struct sfs_record *row = NULL;
    if (text->csv)
        return sfs_csv_make(text->csv, text->cursor, &text->made, &text->ended, error);
    int found = sfs_cursor_next(text->cursor, &row, error);
    if (found < 0)
        return found;
    text->ended = found == 0;
    if (text->ended && !text->lines)
        return sfs_text_row_end(text) ? sfs_fail_memory(error, "query") : 0;
    int result = found ? make_row(text, row, error) : 0;
    text->rows += found > 0;
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
    sfs_csv_free(text->csv);
    sfs_query_free(text->query);
    sfs_buffer_free(&text->made);
    free(text);
}

/* The rows were counted: nothing is left to be read. */
static int end_count(struct sfs_text *text, struct sfs_error *error)
{
    text->ended = true;
    return sfs_text_row_end(text) ? sfs_fail_memory(error, "query") : 0;
}

/* A text that is whole from the beginning. */
static int make_whole(struct sfs_text *text, struct sfs_storage *store, struct sfs_error *error)
{
    text->ended = true;
    if (text->sink == SFS_SINK_EXPLAIN)
        return sfs_query_explain(store, text->query, &text->made, error);
    int result = sfs_query_count(store, text->query, &text->rows, error);
    return result ? result : end_count(text, error);
}

static int begin(struct sfs_text *text, struct sfs_storage *store, struct sfs_error *error)
{
    unsigned want = SFS_WANT_VALUE;
    bool whole = text->sink == SFS_SINK_COUNT && text->query->count == 0;
    if (text->sink == SFS_SINK_NONE)
        return sfs_fail(error, SFS_E_INVALID, "query", "a stage has no text: name a result");
    int result = sfs_query_check_sink(text->query, text->sink, error);
    if (result)
        return result;
    if (whole || text->sink == SFS_SINK_EXPLAIN)
        return make_whole(text, store, error);
    text->lines = makes_lines(text);
    if (text->sink == SFS_SINK_COUNT && !text->lines) {
        bool counted = false;
        result = sfs_plan_count(store, text->query, &counted, &text->rows, error);
        if (result || counted)
            return result ? result : end_count(text, error);
    }
    if (text->lines)
        result = sfs_text_lines_begin(text, error);
    if (result == 0 && text->sink == SFS_SINK_VALUES_CSV)
        result = sfs_csv_new(text->query, &text->csv, error);
    if (text->sink == SFS_SINK_COUNT || text->sink == SFS_SINK_KEYS)
        want = SFS_WANT_RECORD;
    return result ? result
                  : sfs_query_open(store, text->query, want | SFS_WANT_BARE, &text->cursor, error);
}

int sfs_query_text(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                   struct sfs_text **ret_text, struct sfs_error *error)
{
    struct sfs_text *text = calloc(1, sizeof(*text));
    if (!text)
        return sfs_fail_memory(error, "query");
    text->sink = sink;
    int result = sfs_query_copy(&text->query, query, error);
    if (result == 0)
        result = begin(text, store, error);
    if (result) {
        sfs_text_close(text);
        return result;
    }
    *ret_text = text;
    return 0;
}
