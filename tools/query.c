/* SPDX-License-Identifier: MIT */
/* storefs query: runs a query path and writes its result. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storefs/query.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/target.h"
#include "tools/tree.h"

#define CHUNK 65536

static int query_store(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                       struct sfs_error *error)
{
    struct sfs_text *text;
    char chunk[CHUNK];
    size_t got = 1;
    int result = sfs_query_text(store, query, sink, &text, error);
    if (result)
        return result;
    while (!result && got) {
        result = sfs_text_read(text, chunk, sizeof chunk, &got, error);
        if (!result && !tool_output(sfs_bytes(chunk, got)))
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
    int result = tool_tree_open(base, "query", &place.directory, error);
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

static int show_links(int descriptor, struct sfs_error *error)
{
    DIR *directory = fdopendir(dup(descriptor));
    if (!directory)
        return sfs_fail_errno(error, errno, "query", "cannot list the result");
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            !(tool_output(sfs_string(name)) && tool_output(SFS_LITERAL("\n"))))
            break;
        errno = 0;
    }
    int failed = entry ? 0 : errno;
    closedir(directory);
    return failed ? sfs_fail_errno(error, failed, "query", "cannot list the result") : 0;
}

static int show_file(int descriptor, const struct tool_place *place, struct sfs_error *error)
{
    char chunk[CHUNK];
    ssize_t got;
    while ((got = read(descriptor, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno != EINTR)
            return tool_tree_fail(error, errno, place, "cannot read");
        if (got > 0 && !tool_output(sfs_bytes(chunk, (size_t)got)))
            break;
    }
    return 0;
}

/* By the path that the query is printed as: none of its elements is longer than a file name. */
static int query_mount(const char *base, const struct sfs_query *query, enum sfs_sink sink,
                       struct sfs_error *error)
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
    else if (sink == SFS_SINK_KEYS)
        result = show_links(descriptor, error);
    else
        result = show_file(descriptor, &place, error);
    if (descriptor >= 0)
        close(descriptor);
    tool_place_free(&place);
    return result;
}

static int run_query(const struct tool_target *target, const char *path, struct sfs_error *error)
{
    struct sfs_query *query;
    enum sfs_sink sink;
    const char *temporary = getenv("TMPDIR");
    struct sfs_query_options options = {.directory = temporary && *temporary ? temporary : NULL};
    int result = sfs_query_parse(sfs_string(path), &query, &sink, error);
    if (result)
        return result;
    if (sink == SFS_SINK_NONE)
        sink = SFS_SINK_VALUES_NDJSON;
    result = sfs_query_configure(query, &options, error);
    if (!result)
        result = target->base ? query_mount(target->base, query, sink, error)
                              : query_store(target->store, query, sink, error);
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
        tool_say("arguments are missing; usage: storefs query TARGET [PATH]");
        return TOOL_USAGE;
    }
    int result = tool_target_open(&target, call->words[0], SFS_OPEN_READ_ONLY, &error);
    if (result)
        return tool_fail(result, &error);
    result = run_query(&target, call->count == 2 ? call->words[1] : "", &error);
    int exit_code = result ? tool_fail(result, &error) : tool_output_end();
    return tool_target_close(&target, exit_code);
}

static const struct tool_option options[] = {
    {'g', "grammar", NULL, "list what a query path is made of", false},
    {0},
};

const struct tool_command tool_query_command = {
    .name = "query",
    .usage = "TARGET [PATH] | --grammar",
    .summary = "Run a query and write its result",
    .details =
        "PATH is a list of stages and a form of the result, as below query/ in a mount:\n"
        "by/type/country/order/name/limit/3/values.json. Without a form it is values.ndjson.\n",
    .options = options,
    .words_min = 0,
    .words_max = 2,
    .run = run,
};
