/* SPDX-License-Identifier: MIT */
/* The cursors of filters, limits and offsets. */
#include <stdlib.h>

#include "query/run.h"
#include "storefs/backend.h"

int sfs_query_no_seek(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error)
{
    (void)cursor;
    (void)name;
    return sfs_fail(error, SFS_E_UNSUPPORTED, "query", "the result of a query cannot be sought in");
}

/* --- filter --- */

struct filter {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    const struct sfs_node *node;
    struct sfs_scratch scratch;
};

static int filter_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct filter *filter = (struct filter *)cursor;
    const struct sfs_record *record = NULL;
    int found;
    while ((found = sfs_cursor_next(filter->input, &record, error)) > 0) {
        struct sfs_subject subject = {.record = record, .scratch = &filter->scratch};
        int matches = sfs_expression_matches(filter->node, &subject);
        if (matches < 0)
            return sfs_expression_fail(matches, error);
        if (matches) {
            *ret_record = record;
            return 1;
        }
    }
    return found;
}

static void filter_close(struct sfs_cursor *cursor)
{
    struct filter *filter = (struct filter *)cursor;
    sfs_cursor_close(filter->input);
    sfs_scratch_free(&filter->scratch);
    free(filter);
}

int sfs_filter_cursor(struct sfs_cursor *input, const struct sfs_node *node,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = filter_next, .seek = sfs_query_no_seek, .close = filter_close};
    struct filter *filter = malloc(sizeof(*filter));
    if (!filter)
        return sfs_fail_memory(error, "query");
    *filter = (struct filter){.cursor = {&operations}, .input = input, .node = node};
    *ret_cursor = &filter->cursor;
    return 0;
}

/* --- limit and offset --- */

struct window {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    uint64_t skip;
    uint64_t count;
};

static int window_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct window *window = (struct window *)cursor;
    const struct sfs_record *record = NULL;
    if (window->count == 0)
        return 0;
    int found = 1;
    for (; window->skip > 0 && found > 0; window->skip--)
        found = sfs_cursor_next(window->input, &record, error);
    if (found > 0)
        found = sfs_cursor_next(window->input, &record, error);
    if (found <= 0) {
        window->count = 0;
        return found;
    }
    window->count -= window->count != UINT64_MAX;
    *ret_record = record;
    return 1;
}

static void window_close(struct sfs_cursor *cursor)
{
    struct window *window = (struct window *)cursor;
    sfs_cursor_close(window->input);
    free(window);
}

int sfs_window_cursor(struct sfs_cursor *input, uint64_t skip, uint64_t count,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = window_next, .seek = sfs_query_no_seek, .close = window_close};
    struct window *window = malloc(sizeof(*window));
    if (!window)
        return sfs_fail_memory(error, "query");
    *window =
        (struct window){.cursor = {&operations}, .input = input, .skip = skip, .count = count};
    *ret_cursor = &window->cursor;
    return 0;
}
