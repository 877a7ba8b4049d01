/* SPDX-License-Identifier: MIT */
/*
 * The directory query/ and all below it: paths are queries, read by the library's grammar.
 */
#include "fs/operations.h"
#include "fs/query.h"
#include "fs/result.h"

#include <sys/stat.h>

/* Takes one element more into account. */
static void place_element(struct fs_query_place *place, struct sfs_bytes path, size_t at, size_t end)
{
    const char *data = path.data;
    struct sfs_bytes element = sfs_bytes(data + at, end - at);
    if (place->state == FS_QUERY_STAGES) {
        place->before = sfs_bytes(data, at > 0 ? at - 1 : 0);
        place->row = sfs_query_grammar_find(element);
        place->argument = 0;
        place->state = place->row != NULL && place->row->arguments > 0 ? FS_QUERY_ARGUMENT : FS_QUERY_SINK;
        return;
    }
    if (place->row == NULL)
        return;
    if (place->argument == 0)
        place->first = place->goes_on ? sfs_bytes(place->first.data, (size_t)(data + end - (const char *)place->first.data))
                                      : element;
    place->goes_on = sfs_query_goes_on(element);
    if (!place->goes_on && ++place->argument == place->row->arguments) {
        bool stage = place->row->sink == SFS_SINK_NONE;
        place->state = stage ? FS_QUERY_STAGES : FS_QUERY_SINK;
        place->stages += stage;
    }
}

struct fs_query_place fs_query_place(struct sfs_bytes path)
{
    struct fs_query_place place = {.state = FS_QUERY_STAGES};
    const char *data = path.data;
    for (size_t at = 0; at < path.size; place.depth++) {
        const char *slash = memchr(data + at, '/', path.size - at);
        size_t end = slash != NULL ? (size_t)(slash - data) : path.size;
        place_element(&place, path, at, end);
        at = end + 1;
    }
    if (place.state == FS_QUERY_STAGES)
        place.before = path;
    return place;
}

double fs_query_timeout(const struct fs_space *space)
{
    return space->timeout < 1 ? space->timeout : 1;
}

static bool is_directory(const struct fs_query_place *place)
{
    return place->state != FS_QUERY_SINK || (place->row != NULL && place->row->sink == SFS_SINK_KEYS);
}

static int query_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&node->text));
    mode_t mode = is_directory(&place) ? S_IFDIR | 0555 : S_IFREG | 0444;
    if (call->fs->many_users) /* results know nothing of the keys' modes */
        mode &= ~(mode_t)0077;
    fs_stat_generated(call->fs, node, mode, st);
    return 0;
}

/* --- look-up --- */

#define PATH_SIZE_MAX ((size_t)1 << 16) /* every directory on the way keeps its path */

/* Whether the path can become a query: the `missing` arguments are made up. */
static int check_path(struct fs_call *call, struct sfs_bytes path, unsigned missing)
{
    struct sfs_buffer probe = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    int code = sfs_buffer_add(&probe, path);
    while (code == 0 && missing-- > 0)
        code = sfs_buffer_add(&probe, SFS_LITERAL("/0"));
    if (code < 0)
        code = sfs_fail_memory(&call->error, "mount");
    else
        code = sfs_query_parse(sfs_buffer_bytes(&probe), &query, &sink, &call->error);
    sfs_query_free(query);
    sfs_buffer_free(&probe);
    return code;
}

static int check_name(struct fs_call *call, const struct fs_query_place *place, const char *name,
                      struct sfs_bytes path)
{
    const struct sfs_grammar *row = place->row;
    if (path.size > PATH_SIZE_MAX)
        return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "query", "a query has at most %zu bytes",
                        PATH_SIZE_MAX);
    if (place->state == FS_QUERY_ARGUMENT)
        return sfs_query_goes_on(sfs_string(name))
                   ? 0
                   : check_path(call, path, row->arguments - place->argument - 1);
    row = sfs_query_grammar_find(sfs_string(name));
    if (row == NULL)
        return SFS_E_NOT_FOUND;
    return row->arguments > 0 ? 0 : check_path(call, path, 0);
}

static int path_below(struct fs_call *call, const struct fs_node *dir, const char *name,
                      struct sfs_buffer *path)
{
    int code = sfs_buffer_add(path, sfs_buffer_bytes(&dir->text));
    if (code == 0 && path->size > 0)
        code = sfs_buffer_byte(path, '/');
    if (code == 0)
        code = sfs_buffer_add(path, sfs_string(name));
    return code == 0 ? 0 : sfs_fail_memory(&call->error, "mount");
}

/* Whether ls shows what the argument can be. */
static bool lists_names(const struct fs_query_place *place)
{
    return place->state == FS_QUERY_ARGUMENT && !place->goes_on &&
           place->row->takes[place->argument] != SFS_ARGUMENT_TEXT;
}

static const char incomplete[] =
    "This list is incomplete; what it does not show can be named all the same.\n"
    "Fields: those found within 5 seconds, at most 100000.\n"
    "Values: those of the first 10000 keys or 8 MiB, found within a second, at most 10000; of a "
    "field that has an\n"
    "index all, up to 100000. 'mkdir indexes/FIELD' in the mount, or 'storefs index', makes one.\n"
    "No name of over 255 bytes is listed.\n";

static int query_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                        struct fs_entry *entry)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&dir->text));
    struct sfs_buffer path = {0};
    if (place.state == FS_QUERY_SINK)
        return is_directory(&place) ? fs_query_link_lookup(call, dir, name, entry) : SFS_E_NOT_DIRECTORY;
    if (lists_names(&place) && strcmp(name, FS_INCOMPLETE) == 0)
        return fs_incomplete_lookup(call, dir, incomplete, entry);
    int code = path_below(call, dir, name, &path);
    if (code == 0)
        code = check_name(call, &place, name, sfs_buffer_bytes(&path));
    if (code == 0) {
        entry->node = fs_names_node(call->fs, dir, name, &fs_query_class, dir->space, sfs_buffer_bytes(&path));
        entry->timeout = fs_query_timeout(dir->space);
        code = entry->node != NULL ? query_stat(call, entry->node, &entry->st)
                                   : sfs_fail_memory(&call->error, "mount");
    }
    sfs_buffer_free(&path);
    return code;
}

/* --- listing --- */

/* Whether ls shows this directory, to complete an argument of a stage in query/ itself. */
static bool is_shown_above(const struct fs_query_place *place)
{
    return place->stages == 1 && place->row->takes[place->row->arguments - 1] != SFS_ARGUMENT_TEXT;
}

/* 1 if what the rows are can be shown so, 0 if not. */
static int can_end(struct fs_call *call, const struct fs_node *node, const struct sfs_grammar *row)
{
    struct sfs_buffer path = {0};
    int code = row->arguments > 0 ? 0 : path_below(call, node, row->name, &path);
    if (code == 0 && row->arguments == 0)
        code = check_path(call, sfs_buffer_bytes(&path), 0);
    sfs_buffer_free(&path);
    return code == 0 ? 1 : code == SFS_E_INVALID ? 0 : code;
}

/*
 * query/ itself lists the stages, and what it lists in turn has no results: a program that walks
 * the tree ends soon, and runs no query. Results are listed in a query that was reached by its
 * name.
 */
static int add_grammar(struct fs_call *call, const struct fs_node *node, const struct fs_query_place *place,
                       struct sfs_buffer *names)
{
    for (const struct sfs_grammar *row = sfs_query_grammar(); row->name != NULL; row++) {
        bool directory = row->arguments > 0 || row->sink == SFS_SINK_KEYS;
        bool stage = row->sink == SFS_SINK_NONE;
        int shown = stage == (place->stages == 0) ? can_end(call, node, row) : 0;
        if (shown < 0)
            return shown;
        if (shown && fs_names_add(names, directory, sfs_string(row->name)) != 0)
            return sfs_fail_memory(&call->error, "mount");
    }
    return 0;
}

struct visitor {
    const struct sfs_grammar *row; /* of the stage or result that waits */
    struct sfs_buffer *names;
    bool complete;
    struct sfs_error *error;
};

static int add_completion(void *context, struct sfs_bytes text)
{
    struct visitor *visitor = context;
    struct sfs_buffer name = {0};
    int code = sfs_path_escape(text, &name);
    bool fits = name.size <= SFS_PATH_NAME_MAX;
    if (code == 0 && fits)
        code = fs_names_add(visitor->names, visitor->row->sink == SFS_SINK_NONE, sfs_buffer_bytes(&name));
    visitor->complete = visitor->complete && fits;
    sfs_buffer_free(&name);
    return code == 0 ? 0 : sfs_fail_memory(visitor->error, "mount");
}

/* The functions of a field: the results that take one have their names. */
static int add_functions(void *context, struct sfs_bytes field)
{
    struct visitor *visitor = context;
    struct sfs_buffer text = {0};
    int code = 0;
    for (const struct sfs_grammar *row = sfs_query_grammar(); code == 0 && row->name != NULL; row++) {
        if (row->sink == SFS_SINK_NONE || row->arguments == 0)
            continue;
        text.size = 0;
        if (sfs_buffer_printf(&text, "%s(", row->name) != 0 || sfs_buffer_add(&text, field) != 0 ||
            sfs_buffer_byte(&text, ')') != 0)
            code = sfs_fail_memory(visitor->error, "mount");
        else
            code = add_completion(context, sfs_buffer_bytes(&text));
    }
    sfs_buffer_free(&text);
    return code;
}

/* What can stand where an argument is waited for. */
static int complete(struct fs_call *call, struct fs_space *space, const struct sfs_query *query,
                    const struct fs_query_place *place, struct visitor *visitor, bool *ret_complete)
{
    struct sfs_buffer field = {0};
    int code = 0;
    switch (place->row->takes[place->argument]) {
    case SFS_ARGUMENT_FIELD:
        return fs_query_fields(call, space, query, add_completion, visitor, ret_complete);
    case SFS_ARGUMENT_FUNCTION:
        code = add_completion(visitor, SFS_LITERAL("count"));
        return code < 0 ? code
                        : fs_query_fields(call, space, query, add_functions, visitor, ret_complete);
    case SFS_ARGUMENT_VALUE:
        if (sfs_query_argument(place->first, &field) != 0)
            return sfs_fail_memory(&call->error, "mount");
        code = sfs_query_values(space->store, query, sfs_buffer_bytes(&field), add_completion,
                                visitor, ret_complete, &call->error);
        sfs_buffer_free(&field);
        return code;
    case SFS_ARGUMENT_TEXT:
    case SFS_ARGUMENT_NONE:
        break;
    }
    return 0;
}

static int add_completions(struct fs_call *call, struct fs_open *open, const struct fs_query_place *place)
{
    struct visitor visitor = {.row = place->row, .names = &open->text, .complete = true, .error = &call->error};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    bool all = true;
    int code = fs_query_parse(call, place->before, &open->waiter, &query, &sink);
    if (code == 0)
        code = complete(call, open->node->space, query, place, &visitor, &all);
    if (code == 0 && !(all && visitor.complete) && fs_incomplete_add(&open->text) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    sfs_query_free(query);
    return code;
}

static int add_names(struct fs_call *call, struct fs_open *open)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&open->node->text));
    open->text.size = 0;
    /* A list that is empty is there, too, and not made again for the next part of the listing. */
    if (sfs_buffer_reserve(&open->text, 1) != 0)
        return sfs_fail_memory(&call->error, "mount");
    if (place.state == FS_QUERY_STAGES)
        return is_shown_above(&place) ? 0 : add_grammar(call, open->node, &place, &open->text);
    return place.goes_on ? 0 : add_completions(call, open, &place);
}

static int query_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&open->node->text));
    if (place.state == FS_QUERY_SINK)
        return fs_query_links_list(call, open, offset, list);
    fs_waiter_begin(&open->waiter, call, 0);
    if (offset == 0 || open->text.data == NULL) {
        int code = add_names(call, open);
        if (code < 0)
            return code;
    }
    return fs_names_list(call, open, offset, list);
}

static void query_release(struct fs_call *call, struct fs_open *open)
{
    fs_query_links_release(open);
    fs_text_release(call, open);
}

const struct fs_class fs_query_class = {
    .name = "query",
    .lookup = query_lookup,
    .stat = query_stat,
    .open = fs_query_result_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
    .list = query_list,
    .release = query_release,
};
