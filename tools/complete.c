/* SPDX-License-Identifier: MIT */
/* What can follow in a query path, for a shell that completes one. */
#include "tools/complete.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storefs/path.h"
#include "storefs/query.h"
#include "tools/message.h"
#include "tools/tree.h"

/* Where a path ends: `stages` is what comes before the stage that the last element belongs to. */
struct ending {
    struct sfs_bytes stages;
    struct sfs_bytes field; /* of VALUE: the elements of the field before it */
    struct sfs_bytes typed; /* the last element */
    enum sfs_argument wants;
};

/* The length of an element at the beginning of `path`, with those in which it goes on. */
static size_t element_size(const char *path)
{
    size_t size = strcspn(path, "/");
    size_t last = 0;
    while (path[size] == '/' && sfs_query_goes_on(sfs_bytes(path + last, size - last))) {
        last = size + 1;
        size = last + strcspn(path + last, "/");
    }
    return size;
}

static struct ending find_ending(const char *path)
{
    struct ending ending = {.stages = sfs_bytes(path, 0)};
    const struct sfs_grammar *row = NULL;
    const char *at = path;
    unsigned argument = 0;
    for (size_t size = element_size(at); at[size]; size = element_size(at)) {
        struct sfs_bytes element = sfs_bytes(at, size);
        if (!row) {
            ending.stages = sfs_bytes(path, (size_t)(at - path));
            row = sfs_query_grammar_find(element);
            argument = 0;
        } else {
            ending.field = element;
            argument++;
        }
        if (row && argument == row->arguments)
            row = NULL;
        at += size + 1;
    }
    if (!row)
        ending.stages = sfs_bytes(path, (size_t)(at - path));
    ending.wants = row ? row->takes[argument] : SFS_ARGUMENT_NONE;
    ending.typed = sfs_string(at);
    return ending;
}

/* Each candidate: `before` (the fields of a list that are there) and the text, as a path has it. */
static int show(void *context, struct sfs_bytes text)
{
    const struct sfs_bytes *before = context;
    struct sfs_buffer line = {0};
    bool done = sfs_path_escape(text, &line) == 0 && sfs_buffer_byte(&line, '\n') == 0 &&
                tool_output(*before) && tool_output(sfs_buffer_bytes(&line));
    sfs_buffer_free(&line);
    return done ? 0 : 1;
}

static int show_grammar(void)
{
    for (const struct sfs_grammar *row = sfs_query_grammar(); row->name; row++)
        if (!tool_output(sfs_string(row->name)) || !tool_output(SFS_LITERAL("\n")))
            break;
    return 0;
}

static struct sfs_bytes without_last_slash(struct sfs_bytes path)
{
    return sfs_bytes(path.data, path.size ? path.size - 1 : 0);
}

/* The part of a list of fields up to its last comma. */
static struct sfs_bytes before_typed(const struct ending *ending)
{
    struct sfs_bytes typed = ending->typed;
    if (ending->wants == SFS_ARGUMENT_VALUE)
        return sfs_bytes("", 0);
    const char *comma = typed.size ? memrchr(typed.data, ',', typed.size) : NULL;
    return sfs_bytes(typed.data, comma ? (size_t)(comma + 1 - (const char *)typed.data) : 0);
}

static int show_of_store(struct sfs_storage *store, const struct ending *ending,
                         struct sfs_error *error)
{
    struct sfs_query *query;
    enum sfs_sink sink;
    bool complete;
    struct sfs_buffer field = {0};
    bool values = ending->wants == SFS_ARGUMENT_VALUE;
    struct sfs_bytes before = before_typed(ending);
    int result = sfs_query_parse(without_last_slash(ending->stages), &query, &sink, error);
    if (result)
        return result;
    if (values && sfs_query_argument(ending->field, &field))
        result = sfs_fail_memory(error, "query");
    else if (values)
        result = sfs_query_values(store, query, sfs_buffer_bytes(&field), show, &before, &complete,
                                  error);
    else
        result = sfs_query_fields(store, query, show, &before, &complete, error);
    sfs_buffer_free(&field);
    sfs_query_free(query);
    return result > 0 ? 0 : result;
}

/* Appends the directory in query/ that lists what can follow. Where an element may be too long for
 * a file name it is the printed path, with "a" for what is not typed yet. */
static int add_directory(struct sfs_bytes path, struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_buffer whole = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    if (path.size <= SFS_PATH_NAME_MAX)
        return sfs_buffer_add(out, path) ? sfs_fail_memory(error, "query") : 0;
    int result = sfs_buffer_add(&whole, path) || sfs_buffer_byte(&whole, 'a')
                     ? sfs_fail_memory(error, "query")
                     : sfs_query_parse(sfs_buffer_bytes(&whole), &query, &sink, error);
    if (!result)
        result = sfs_query_print(query, sink, out, error);
    if (!result)
        out->size--;
    sfs_query_free(query);
    sfs_buffer_free(&whole);
    return result;
}

static bool is_candidate(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "%incomplete") != 0;
}

/* A mount lists fields and values itself. */
static int show_of_mount(const char *base, const char *path, const struct ending *ending,
                         struct sfs_error *error)
{
    struct sfs_buffer directory = {0};
    int descriptor = -1;
    struct sfs_bytes before = before_typed(ending);
    struct sfs_bytes above = sfs_bytes(path, strlen(path) - ending->typed.size);
    int result = sfs_buffer_printf(&directory, "query/") ? sfs_fail_memory(error, "query")
                                                         : add_directory(above, &directory, error);
    if (!result && sfs_buffer_text(&directory))
        result = sfs_fail_memory(error, "query");
    if (!result)
        result = tool_tree_open(base, directory.data, &descriptor, error);
    sfs_buffer_free(&directory);
    if (result)
        return result;
    DIR *listing = fdopendir(openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    close(descriptor);
    const struct dirent *entry;
    while (listing && (entry = readdir(listing)) != NULL)
        if (is_candidate(entry->d_name) &&
            !(tool_output(before) && tool_output(sfs_string(entry->d_name)) &&
              tool_output(SFS_LITERAL("\n"))))
            break;
    if (listing)
        closedir(listing);
    return 0;
}

int tool_complete(const struct tool_target *target, const char *path, struct sfs_error *error)
{
    struct ending ending = find_ending(path);
    switch (ending.wants) {
    case SFS_ARGUMENT_NONE:
        return show_grammar();
    case SFS_ARGUMENT_TEXT:
    case SFS_ARGUMENT_FUNCTION:
        break;
    case SFS_ARGUMENT_FIELD:
    case SFS_ARGUMENT_VALUE:
        return target->base ? show_of_mount(target->base, path, &ending, error)
                            : show_of_store(target->store, &ending, error);
    }
    return 0;
}
