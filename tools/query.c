/* SPDX-License-Identifier: MIT */
/* storefs query: runs a query path and writes its result. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storefs/bulk.h"
#include "storefs/query.h"
#include "tools/command.h"
#include "tools/complete.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/sheet.h"
#include "tools/target.h"
#include "tools/tree.h"

#define CHUNK 65536
#define COMPLETE 256
#define FOR_SPREADSHEET 257

/* How results are shown; keys as 'storefs ls' shows them. */
struct style {
    struct tool_sheet *sheet; /* NULL: a table is written byte for byte */
    bool zero;    /* NUL after each key instead of a newline */
    bool escaped; /* a terminal reads it */
};

/* False when standard output has failed. */
static bool show_key(const struct style *style, struct sfs_bytes key)
{
    return tool_output_key(key, style->escaped) &&
           tool_output(sfs_bytes(style->zero ? "" : "\n", 1));
}

static int show_keys(struct sfs_storage *store, const struct sfs_query *query,
                     const struct style *style, struct sfs_error *error)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    int result = sfs_query_keys(store, query, &cursor, error);
    if (result)
        return result;
    while ((result = sfs_cursor_next(cursor, &record, error)) > 0)
        if (!show_key(style, record->name))
            break;
    sfs_cursor_close(cursor);
    return result < 0 ? result : 0;
}

static bool show_piece(const struct style *style, struct sfs_bytes piece)
{
    return style->sheet ? tool_sheet_output(style->sheet, piece) : tool_output(piece);
}

static int show_text(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                     const struct style *style, struct sfs_error *error)
{
    struct sfs_text *text;
    char chunk[CHUNK];
    size_t got = 1;
    int result = sfs_query_text(store, query, sink, &text, error);
    if (result)
        return result;
    while (!result && got) {
        result = sfs_text_read(text, chunk, sizeof chunk, &got, error);
        if (!result && !show_piece(style, sfs_bytes(chunk, got)))
            break;
    }
    sfs_text_close(text);
    return result;
}

/* Walks to the directory of the result's file, which `path` ends in; it is taken apart. */
static int find_result(const char *base, char *path, struct tool_place *ret_place,
                       struct sfs_error *error)
{
    struct tool_place place = {.directory = -1};
    int result = tool_tree_keys_only(base)
                     ? sfs_fail(error, SFS_E_UNSUPPORTED, "query",
                                "%s is a mount of keys only, without queries", base)
                     : tool_tree_open(base, "query", &place.directory, error);
    char *state = NULL;
    for (char *part = result ? NULL : strtok_r(path, "/", &state); !result && part;) {
        char *next = strtok_r(NULL, "/", &state);
        if (!next) {
            place.name = strdup(part);
            break;
        }
        int step = openat(place.directory, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (step < 0)
            result = sfs_fail_errno(error, errno, "query", "%s/query: '%s'", base, part);
        else
            close(place.directory);
        place.directory = step < 0 ? place.directory : step;
        part = next;
    }
    if (!result && !place.name)
        result = sfs_fail_memory(error, "query");
    if (result)
        tool_place_free(&place);
    else
        *ret_place = place;
    return result;
}

static int show_file(int descriptor, const struct tool_place *place, const struct style *style,
                     struct sfs_error *error)
{
    char chunk[CHUNK];
    ssize_t got;
    while ((got = read(descriptor, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno != EINTR)
            return tool_tree_fail(error, errno, place, "cannot read");
        if (got > 0 && !show_piece(style, sfs_bytes(chunk, (size_t)got)))
            break;
    }
    return 0;
}

/* The keys in lines of values.ndjson. */
static int show_lines(int descriptor, const struct tool_place *place, const struct style *style,
                      struct sfs_error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    struct sfs_buffer key = {0};
    FILE *file = fdopen(dup(descriptor), "r");
    int result = file ? 0 : tool_tree_fail(error, errno, place, "cannot read");
    for (ssize_t size; !result && (size = getline(&line, &capacity, file)) > 0; key.size = 0) {
        result = sfs_line_key(sfs_bytes(line, (size_t)size - 1), &key, error);
        if (!result && !show_key(style, sfs_buffer_bytes(&key)))
            break;
    }
    if (!result && file && ferror(file))
        result = tool_tree_fail(error, errno, place, "cannot read");
    sfs_buffer_free(&key);
    free(line);
    if (file)
        fclose(file);
    return result;
}

/* By the path that the query is printed as: none of its elements is longer than a file name. */
static int query_mount(const char *base, const struct sfs_query *query, enum sfs_sink sink,
                       const struct style *style, bool keys, struct sfs_error *error)
{
    struct tool_place place;
    struct sfs_buffer path = {0};
    int result = sfs_query_print(query, sink, &path, error);
    if (!result && sfs_buffer_text(&path))
        result = sfs_fail_memory(error, "query");
    if (!result)
        result = find_result(base, path.data, &place, error);
    sfs_buffer_free(&path);
    if (result)
        return result;
    int descriptor = openat(place.directory, place.name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        result = tool_tree_fail(error, errno, &place, "cannot open");
    else
        result = keys ? show_lines(descriptor, &place, style, error)
                      : show_file(descriptor, &place, style, error);
    if (descriptor >= 0)
        close(descriptor);
    tool_place_free(&place);
    return result;
}

/* A key can be longer than the name of a link to it: keys are read from values.ndjson, of values
 * that hold nothing else. */
static int query_mount_keys(const char *base, const struct sfs_query *query,
                            const struct style *style, struct sfs_error *error)
{
    struct sfs_query *copy;
    int result = sfs_query_copy(&copy, query, error);
    if (result)
        return result;
    result = sfs_query_select(copy, SFS_LITERAL("@size"), error);
    if (!result)
        result = query_mount(base, copy, SFS_SINK_VALUES_NDJSON, style, true, error);
    sfs_query_free(copy);
    return result;
}

static int query_store(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                       const struct style *style, struct sfs_error *error)
{
    return sink == SFS_SINK_KEYS ? show_keys(store, query, style, error)
                                 : show_text(store, query, sink, style, error);
}

/* The query that PATH is of the target: of a directory of keys, of a query. With `more`, PATH is
 * what follows even if it is empty. */
static int add_path(const struct tool_target *target, const char *path, bool more,
                    struct sfs_buffer *out, struct sfs_error *error)
{
    int result = tool_scope_stage(&target->scope, out, error);
    if (!result && target->scope.kind == TOOL_SCOPE_QUERY)
        result = sfs_buffer_add(out, sfs_buffer_bytes(&target->scope.text));
    if (!result && out->size && (*path || more))
        result = sfs_buffer_byte(out, '/');
    if (!result)
        result = sfs_buffer_add(out, sfs_string(path));
    return result == SFS_E_NO_MEMORY ? sfs_fail_memory(error, "query") : result;
}

/* Whether the style can be had of the form of the result. */
static int check_style(const struct style *style, enum sfs_sink sink, struct sfs_error *error)
{
    if (style->zero && sink != SFS_SINK_KEYS)
        return sfs_fail(error, SFS_E_INVALID, "query", "-0 is for a path that ends in 'keys'");
    if (style->sheet && sink != SFS_SINK_VALUES_CSV)
        return sfs_fail(error, SFS_E_INVALID, "query",
                        "--for-spreadsheet is for a path that ends in 'values.csv'");
    return 0;
}

static int run_query(const struct tool_target *target, struct sfs_bytes path,
                     const struct style *style, struct sfs_error *error)
{
    struct sfs_query *query;
    enum sfs_sink sink;
    const char *temporary = getenv("TMPDIR");
    struct sfs_query_options options = {.directory = temporary && *temporary ? temporary : NULL};
    int result = sfs_query_parse(path, &query, &sink, error);
    if (result)
        return result;
    if (sink == SFS_SINK_NONE)
        sink = SFS_SINK_VALUES_NDJSON;
    result = check_style(style, sink, error);
    if (!result)
        result = sfs_query_configure(query, &options, error);
    if (!result)
        result = !target->base           ? query_store(target->store, query, sink, style, error)
                 : sink == SFS_SINK_KEYS ? query_mount_keys(target->base, query, style, error)
                                         : query_mount(target->base, query, sink, style, false, error);
    if (style->sheet)
        (void)tool_sheet_end(style->sheet); /* tool_output_end() says what failed */
    sfs_query_free(query);
    return result;
}

static int show_grammar(void)
{
    for (const struct sfs_grammar *row = sfs_query_grammar(); row->name; row++)
        printf("%-34s %s\n", row->usage, row->summary);
    return tool_output_end();
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    if (tool_given(call, 'g'))
        return show_grammar();
    if (call->count == 0) {
        tool_say("arguments are missing; usage: storefs query TARGET [PATH] [-0 | --for-spreadsheet]");
        return TOOL_USAGE;
    }
    struct sfs_buffer path = {0};
    struct tool_sheet sheet = {0};
    const struct style style = {
        .sheet = tool_given(call, FOR_SPREADSHEET) ? &sheet : NULL,
        .zero = tool_given(call, '0'),
        .escaped = !tool_given(call, '0') && isatty(STDOUT_FILENO),
    };
    int result = tool_target_open(&target, call->words[0], TOOL_TAKES_KEYS | TOOL_TAKES_QUERY,
                                  SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    bool complete = tool_given(call, COMPLETE);
    result = add_path(&target, call->count == 2 ? call->words[1] : "", complete, &path, &error);
    if (!result && complete)
        result = sfs_buffer_text(&path) ? sfs_fail_memory(&error, "query")
                                        : tool_complete(&target, path.data, &error);
    else if (!result)
        result = run_query(&target, sfs_buffer_bytes(&path), &style, &error);
    sfs_buffer_free(&path);
    int exit_code = result ? tool_fail(result, &error) : tool_output_end();
    return tool_target_close(&target, exit_code);
}

static const struct tool_option options[] = {
    {'0', "null", NULL, "end each key with NUL, escape nothing", false},
    {FOR_SPREADSHEET, "for-spreadsheet", NULL,
     "values.csv: an apostrophe before what a spreadsheet takes for a formula", false},
    {COMPLETE, "complete", NULL, "list what can be the last part of PATH, for shells", false},
    {'g', "grammar", NULL, "list what a query path is made of", false},
    {0},
};

const struct tool_command tool_query_command = {
    .name = "query",
    .usage = "TARGET [PATH] [-0 | --for-spreadsheet] | --grammar",
    .summary = "Run a query and write its result",
    .details =
        "PATH is a list of stages and a form of the result, as below query/ in a mount:\n"
        "by/type/country/order/name/limit/3/values.json. The form is values.ndjson unless given.\n"
        "TARGET is a store's URI, a mount, or a path in one: below keys/ it limits the query to\n"
        "these keys, below query/ it is a query, which PATH continues. 'keys' prints keys as\n"
        "'storefs ls' does. A cell of values.csv may be a formula that a stranger wrote, which a\n"
        "spreadsheet runs: with --for-spreadsheet a cell that begins with = + - @, a tab or a line\n"
        "break gets an apostrophe in front, unless it is a number.\n",
    .options = options,
    .words_min = 0,
    .words_max = 2,
    .run = run,
};
