/* SPDX-License-Identifier: MIT */
/*
 * The directory query/ and all below it: paths are queries, read by the library's grammar.
 */
#include "fs/operations.h"
#include "fs/query.h"

#include <fcntl.h>
#include <sys/stat.h>

struct fs_query_place fs_query_place(struct sfs_bytes path)
{
    struct fs_query_place place = {.state = FS_QUERY_STAGES};
    const char *data = path.data;
    for (size_t at = 0; at < path.size; place.depth++) {
        const char *slash = memchr(data + at, '/', path.size - at);
        size_t end = slash != NULL ? (size_t)(slash - data) : path.size;
        struct sfs_bytes element = sfs_bytes(data + at, end - at);
        if (place.state == FS_QUERY_STAGES) {
            place.before = sfs_bytes(data, at > 0 ? at - 1 : 0);
            place.row = sfs_query_grammar_find(element);
            place.argument = 0;
            place.state = place.row != NULL && place.row->arguments > 0 ? FS_QUERY_ARGUMENT : FS_QUERY_SINK;
        } else {
            if (place.argument++ == 0)
                place.first = element;
            if (place.row != NULL && place.argument == place.row->arguments)
                place.state =
                    place.row->sink == SFS_SINK_NONE ? FS_QUERY_STAGES : FS_QUERY_SINK;
        }
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
    fs_stat_generated(call->fs, node, is_directory(&place) ? S_IFDIR | 0555 : S_IFREG | 0444, st);
    if (node->ino != 0)
        st->st_ino = (ino_t)node->ino;
    return 0;
}

/* --- look-up --- */

/* Whether the arguments so far can be one: those still missing are made up. */
static int check_arguments(struct fs_call *call, const struct fs_query_place *place,
                           const struct sfs_buffer *path)
{
    struct sfs_buffer probe = {0};
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    int code = sfs_buffer_add(&probe, sfs_buffer_bytes(path));
    for (unsigned i = place->argument + 1; code == 0 && i < place->row->arguments; i++)
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
                      const struct sfs_buffer *path)
{
    if (place->state == FS_QUERY_ARGUMENT)
        return check_arguments(call, place, path);
    return sfs_query_grammar_find(sfs_string(name)) != NULL ? 0 : SFS_E_NOT_FOUND;
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

static int query_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                        struct fs_entry *entry)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&dir->text));
    struct sfs_buffer path = {0};
    if (place.state == FS_QUERY_SINK)
        return is_directory(&place) ? fs_query_link_lookup(call, dir, name, entry) : SFS_E_NOT_DIRECTORY;
    int code = path_below(call, dir, name, &path);
    if (code == 0)
        code = check_name(call, &place, name, &path);
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

/* Stages are listed in query/ itself only, so that what walks the tree comes to an end. */
static int add_grammar(struct sfs_buffer *names, bool stages)
{
    int code = 0;
    for (const struct sfs_grammar *row = sfs_query_grammar(); code == 0 && row->name != NULL; row++) {
        bool directory = row->arguments > 0 || row->sink == SFS_SINK_KEYS;
        if (stages || row->arguments == 0)
            code = fs_names_add(names, directory, sfs_string(row->name));
    }
    return code;
}

#define COMPLETIONS_MAX 1000 /* what is listed to complete a name; any other can be named as well */

struct visitor {
    struct sfs_buffer *names;
    size_t count;
    bool complete;
    struct sfs_error *error;
};

static int add_completion(void *context, struct sfs_bytes text)
{
    struct visitor *visitor = context;
    struct sfs_buffer name = {0};
    int code = sfs_path_escape(text, &name);
    bool fits = visitor->count < COMPLETIONS_MAX && name.size <= SFS_PATH_NAME_MAX;
    if (code == 0 && fits)
        code = fs_names_add(visitor->names, true, sfs_buffer_bytes(&name));
    visitor->complete = visitor->complete && fits;
    visitor->count++;
    sfs_buffer_free(&name);
    return code == 0 ? 0 : sfs_fail_memory(visitor->error, "mount");
}

/* A list does not silently stop short: it ends with this. */
static int fail_incomplete(struct fs_call *call)
{
    return sfs_fail(&call->error, SFS_E_TOO_LARGE, "query",
                    "this list is not complete: it shows at most the first %d names that it found in "
                    "the first 10000 keys; any other can be named all the same",
                    COMPLETIONS_MAX);
}

/* What can stand where `by` waits: the fields there are, the values of one. */
static int add_completions(struct fs_call *call, struct fs_node *node,
                           const struct fs_query_place *place, struct sfs_buffer *names,
                           bool *ret_complete)
{
    struct visitor visitor = {.names = names, .complete = true, .error = &call->error};
    struct sfs_query *query = NULL;
    struct sfs_buffer field = {0};
    enum sfs_sink sink;
    bool complete = true;
    int code = sfs_query_parse(place->before, &query, &sink, &call->error);
    if (code == 0 && place->argument == 0)
        code = sfs_query_fields(node->space->store, query, add_completion, &visitor, &complete,
                                &call->error);
    else if (code == 0 && sfs_path_unescape(place->first, &field) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    else if (code == 0)
        code = sfs_query_values(node->space->store, query, sfs_buffer_bytes(&field), add_completion,
                                &visitor, &complete, &call->error);
    *ret_complete = complete && visitor.complete;
    sfs_buffer_free(&field);
    sfs_query_free(query);
    return code;
}

static int add_names(struct fs_call *call, struct fs_node *node, struct sfs_buffer *names,
                     bool *ret_complete)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&node->text));
    if (place.state == FS_QUERY_STAGES && add_grammar(names, node->text.size == 0) != 0)
        return sfs_fail_memory(&call->error, "mount");
    if (place.state == FS_QUERY_ARGUMENT && strcmp(place.row->name, "by") == 0)
        return add_completions(call, node, &place, names, ret_complete);
    return 0;
}

static int query_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    struct fs_query_place place = fs_query_place(sfs_buffer_bytes(&open->node->text));
    if (place.state == FS_QUERY_SINK)
        return fs_query_links_list(call, open, offset, list);
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        open->complete = true;
        int code = add_names(call, open->node, &open->text, &open->complete);
        if (code < 0)
            return code;
    }
    int code = fs_names_list(call, open, offset, list);
    return code == 0 && !open->complete && list->used == 0 ? fail_incomplete(call) : code;
}

/* --- results --- */

static int query_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                      struct fuse_file_info *info)
{
    struct sfs_query *query;
    enum sfs_sink sink;
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount",
                        "the result of a query cannot be written: write to keys/");
    int code = sfs_query_parse(sfs_buffer_bytes(&node->text), &query, &sink, &call->error);
    if (code < 0)
        return code;
    code = sfs_query_text(node->space->store, query, sink, &open->stream, &call->error);
    sfs_query_free(query);
    if (code == 0)
        fs_open_generated(info);
    return code;
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
    .open = query_open,
    .read = fs_text_read,
    .list = query_list,
    .release = query_release,
};
