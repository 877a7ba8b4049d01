/* SPDX-License-Identifier: MIT */
/*
 * A query's keys/: a symbolic link to each key of the result, in its order, made while it is listed.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/query.h"

#define FIRST 2 /* offset of "..": row number N is FIRST + N */

/* A listing under way. */
struct links {
    struct sfs_cursor *rows;
    struct sfs_cursor *around; /* over all names, to see what is a directory too */
    const struct sfs_record *ahead; /* did not fit into the last reply; NULL: none */
    uint64_t position;              /* offset of the entry given last */
    bool ended;
};

static void links_free(struct links *links)
{
    if (links == NULL)
        return;
    sfs_record_unref(links->ahead);
    sfs_cursor_close(links->rows);
    sfs_cursor_close(links->around);
    free(links);
}

void fs_query_links_release(struct fs_open *open)
{
    links_free(open->data);
    open->data = NULL;
}

static int links_new(struct fs_call *call, struct fs_open *open, struct links **ret_links)
{
    struct sfs_query *query = NULL;
    enum sfs_sink sink;
    struct sfs_storage *store = open->node->space->store;
    struct links *links = calloc(1, sizeof(*links));
    if (links == NULL)
        return sfs_fail_memory(&call->error, "mount");
    links->position = FIRST;
    int code = fs_query_parse(call, sfs_buffer_bytes(&open->node->text), &open->waiter, &query, &sink);
    if (code == 0)
        code = sfs_query_keys(store, query, &links->rows, &call->error);
    if (code == 0)
        code = sfs_scan(store, (struct sfs_range){0}, SFS_WANT_RECORD, &links->around, &call->error);
    sfs_query_free(query);
    if (code < 0)
        links_free(links);
    else
        *ret_links = links;
    return code;
}

/* --- one link --- */

/* 1 if something is below the key as a directory. */
static int is_directory(struct sfs_cursor *around, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_buffer prefix = {0};
    const struct sfs_record *record;
    int code = sfs_buffer_add(&prefix, key);
    if (code == 0)
        code = sfs_buffer_byte(&prefix, '/');
    if (code < 0)
        code = sfs_fail_memory(error, "mount");
    else
        code = sfs_cursor_seek(around, sfs_buffer_bytes(&prefix), error);
    if (code == 0)
        code = sfs_cursor_next(around, &record, error);
    if (code == 1)
        code = sfs_bytes_starts(record->name, sfs_buffer_bytes(&prefix));
    sfs_buffer_free(&prefix);
    return code;
}

/* Up from the query's keys/ to the directory that has query/ and keys/, and down to the key. */
static int add_target(struct fs_call *call, const struct fs_node *dir, struct sfs_cursor *around,
                      struct sfs_bytes key, struct sfs_buffer *target)
{
    size_t depth = fs_query_place(sfs_buffer_bytes(&dir->text)).depth + 1;
    int below = is_directory(around, key, &call->error);
    if (below < 0)
        return below;
    int code = 0;
    while (code == 0 && depth-- > 0)
        code = sfs_buffer_add(target, SFS_LITERAL("../"));
    if (code == 0)
        code = sfs_buffer_add(target, SFS_LITERAL("keys/"));
    if (code < 0)
        return sfs_fail_memory(&call->error, "mount");
    code = sfs_path_from_key(key, below == 1, target, &call->error);
    if (code == 0 && target->size >= PATH_MAX)
        code = sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "mount",
                        "the path from this query to the key is %zu bytes long, a symbolic link can "
                        "have %d: use values.ndjson",
                        target->size, PATH_MAX - 1);
    return code;
}

static void stat_link(struct fs *fs, const struct fs_node *dir, const char *name, size_t size,
                      struct stat *st)
{
    fs_stat_generated(fs, dir, S_IFLNK | 0777, st);
    st->st_ino = (ino_t)fs_names_ino(dir, name);
    st->st_size = (off_t)size;
}

static int link_readlink(struct fs_call *call, struct fs_node *node, struct sfs_buffer *target)
{
    struct sfs_cursor *around;
    int code = sfs_scan(node->space->store, (struct sfs_range){0}, SFS_WANT_RECORD, &around, &call->error);
    if (code < 0)
        return code;
    code = add_target(call, node->parent, around, sfs_buffer_bytes(&node->text), target);
    sfs_cursor_close(around);
    return code;
}

static int link_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    struct sfs_buffer target = {0};
    int code = link_readlink(call, node, &target);
    if (code == 0) {
        stat_link(call->fs, node->parent, "", target.size, st);
        st->st_ino = (ino_t)node->ino;
    }
    sfs_buffer_free(&target);
    return code;
}

static const struct fs_class link_class = {
    .name = "link to a key of a query's result",
    .stat = link_stat,
    .readlink = link_readlink,
};

/* The key of a link's name; NOT_FOUND for a name that no key is shown by. */
static int key_of(struct fs_call *call, const char *name, struct sfs_buffer *key)
{
    struct sfs_buffer again = {0};
    if (sfs_path_unescape(sfs_string(name), key) != 0 ||
        sfs_path_escape(sfs_buffer_bytes(key), &again) != 0) {
        sfs_buffer_free(&again);
        return sfs_fail_memory(&call->error, "mount");
    }
    bool shown = sfs_bytes_equal(sfs_buffer_bytes(&again), sfs_string(name)) &&
                 sfs_key_check(sfs_buffer_bytes(key), NULL) == 0;
    sfs_buffer_free(&again);
    return shown ? 0 : SFS_E_NOT_FOUND;
}

static int has_key(struct fs_call *call, struct fs_node *dir, struct sfs_bytes key)
{
    struct fs_waiter waiter;
    struct sfs_query *query;
    enum sfs_sink sink;
    fs_waiter_begin(&waiter, call, 0);
    int code = fs_query_parse(call, sfs_buffer_bytes(&dir->text), &waiter, &query, &sink);
    if (code < 0)
        return code;
    code = sfs_query_has(dir->space->store, query, key, &call->error);
    sfs_query_free(query);
    if (code < 0)
        return code;
    return code == 1 ? 0 : SFS_E_NOT_FOUND;
}

int fs_query_link_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                         struct fs_entry *entry)
{
    struct sfs_buffer key = {0};
    int code = key_of(call, name, &key);
    if (code == 0)
        code = has_key(call, dir, sfs_buffer_bytes(&key));
    if (code == 0) {
        entry->node = fs_names_node(call->fs, dir, name, &link_class, dir->space, sfs_buffer_bytes(&key));
        entry->timeout = fs_query_timeout(dir->space);
        code = entry->node == NULL ? sfs_fail_memory(&call->error, "mount")
                                   : link_stat(call, entry->node, &entry->st);
        if (code < 0 && entry->node != NULL)
            fs_node_forget(call->fs, entry->node->id, 1);
    }
    sfs_buffer_free(&key);
    return code;
}

/* --- the listing --- */

static int link_name(struct fs_call *call, struct sfs_bytes key, struct sfs_buffer *name)
{
    char shown[160];
    if (sfs_path_escape(key, name) != 0 || sfs_buffer_text(name) != 0)
        return sfs_fail_memory(&call->error, "mount");
    if (name->size <= SFS_PATH_NAME_MAX)
        return 0;
    return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "query",
                    "the key '%s' is too long to be one file name, so that this result cannot be listed: "
                    "read values.ndjson instead",
                    sfs_name_show(key, shown, sizeof(shown)));
}

/* 1: the reply is full, 0: taken. */
static int give(struct fs_call *call, struct fs_node *dir, struct links *links,
                const struct sfs_record *row, struct fs_list *list)
{
    struct sfs_buffer name = {0}, target = {0};
    int code = link_name(call, row->name, &name);
    if (code == 0)
        code = add_target(call, dir, links->around, row->name, &target);
    if (code == 0) {
        struct fs_dirent entry = {.name = name.data,
                                  .next = links->position + 1,
                                  .class = &link_class,
                                  .space = dir->space,
                                  .text = row->name,
                                  .kind = FS_KIND_PLAIN,
                                  .timeout = fs_query_timeout(dir->space)};
        stat_link(call->fs, dir, name.data, target.size, &entry.st);
        code = fs_list_add(list, &entry);
    }
    if (code == 0)
        links->position++;
    sfs_buffer_free(&name);
    sfs_buffer_free(&target);
    return code;
}

static int next_row(struct fs_call *call, struct links *links, const struct sfs_record **ret_row)
{
    if (links->ahead != NULL) {
        *ret_row = links->ahead;
        links->ahead = NULL;
        return 1;
    }
    const struct sfs_record *row;
    int code = sfs_cursor_next(links->rows, &row, &call->error);
    if (code == 1)
        *ret_row = sfs_record_ref(row);
    return code;
}

/* One row: 1 the reply is full, 0 go on. What could not be given comes first next time. */
static int advance(struct fs_call *call, struct fs_node *dir, struct links *links, struct fs_list *list)
{
    const struct sfs_record *row = NULL;
    int code = next_row(call, links, &row);
    if (code <= 0) {
        links->ended = code == 0;
        return code;
    }
    code = give(call, dir, links, row, list);
    if (code == 0)
        sfs_record_unref(row);
    else
        links->ahead = row;
    return code;
}

/* The query is run again for a reader that goes back. */
static int go_to(struct fs_call *call, struct fs_open *open, uint64_t offset)
{
    struct links *links = open->data;
    if (links != NULL && links->position == offset)
        return 0;
    fs_query_links_release(open);
    int code = links_new(call, open, &links);
    if (code < 0)
        return code;
    open->data = links;
    while (code == 0 && !links->ended && links->position < offset)
        code = advance(call, open->node, links, NULL);
    return code;
}

int fs_query_links_list(struct fs_call *call, struct fs_open *open, uint64_t offset,
                        struct fs_list *list)
{
    if (offset == 0)
        fs_query_links_release(open); /* rewinddir(3): as it is now */
    fs_waiter_begin(&open->waiter, call, 0);
    if (fs_list_dots(open->node, offset, list) == 1)
        return 0;
    int code = go_to(call, open, offset < FIRST ? FIRST : offset);
    struct links *links = open->data;
    while (code == 0 && !links->ended)
        code = advance(call, open->node, links, list);
    if (code == SFS_E_CANCELLED)
        fs_query_links_release(open); /* whoever goes on asks for all of it again */
    return code < 0 ? code : 0;
}
