/* SPDX-License-Identifier: MIT */
/*
 * indexes/: a directory for each index of the store, named by its fields; mkdir makes one, rmdir drops it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "fs/indexes.h"
#include "fs/operations.h"
#include "fs/query.h"
#include "fs/result.h"
#include "storefs/index.h"

/* --- the numbers of one, as JSON --- */

static int add_numbers(struct sfs_buffer *out, const char *indent, const char *name,
                       const struct sfs_index_stats *stats)
{
    int code = sfs_buffer_printf(out, "{\n%s  \"name\": ", indent);
    if (code == 0)
        code = fs_add_string(out, name);
    return code == 0
               ? sfs_buffer_printf(out,
                                   ",\n%s  \"state\": \"%s\",\n%s  \"unique\": %s,\n"
                                   "%s  \"entries\": %" PRIu64 ",\n%s  \"bytes\": %" PRIu64
                                   ",\n%s  \"hits\": %" PRIu64 ",\n%s  \"inexact\": %" PRIu64
                                   ",\n%s  \"done\": %" PRIu64 ",\n%s  \"total\": %" PRIu64 "\n%s}",
                                   indent, stats->ready ? "ready" : "building", indent,
                                   stats->unique ? "true" : "false", indent, stats->entries, indent,
                                   stats->bytes, indent, stats->hits, indent, stats->inexact, indent,
                                   stats->done, indent, stats->total, indent)
               : code;
}

struct report {
    struct sfs_buffer *out;
    size_t count;
    struct sfs_error *error;
};

static int report_index(void *context, const char *name, const struct sfs_index_stats *stats)
{
    struct report *report = context;
    int code = sfs_buffer_printf(report->out, report->count++ > 0 ? ",\n    " : "\n    ");
    if (code == 0)
        code = add_numbers(report->out, "    ", name, stats);
    return code == 0 ? 0 : sfs_fail_memory(report->error, "mount");
}

int fs_indexes_report(struct fs_call *call, struct sfs_buffer *out)
{
    struct report report = {.out = out, .error = &call->error};
    if (sfs_buffer_printf(out, "  \"indexes\": [") != 0)
        return sfs_fail_memory(&call->error, "mount");
    int code = sfs_index_list(call->fs->space->store, report_index, &report, &call->error);
    if (code < 0)
        return code;
    return sfs_buffer_printf(out, report.count > 0 ? "\n  ],\n" : "],\n") == 0
               ? 0
               : sfs_fail_memory(&call->error, "mount");
}

/* --- one index: node->text is its name as it was asked for --- */

static int find_stats(struct fs_call *call, struct fs_node *node, struct sfs_index_stats *ret_stats)
{
    int code = sfs_index_stats(node->space->store, sfs_buffer_bytes(&node->text), ret_stats, &call->error);
    return code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

static int stats_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    struct sfs_index_stats stats;
    int code = find_stats(call, node, &stats);
    if (code == 0)
        fs_stat_generated(call->fs, node, S_IFREG | 0444, st);
    return code;
}

static int stats_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                      struct fuse_file_info *info)
{
    struct sfs_index_stats stats;
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount", "this file can only be read");
    struct sfs_buffer name = {0}, text = {0};
    int code = find_stats(call, node, &stats);
    if (code == 0 &&
        (sfs_buffer_add(&name, sfs_buffer_bytes(&node->text)) != 0 || sfs_buffer_text(&name) != 0 ||
         add_numbers(&text, "", name.data, &stats) != 0 || sfs_buffer_byte(&text, '\n') != 0))
        code = sfs_fail_memory(&call->error, "mount");
    sfs_buffer_free(&name);
    if (code == 0)
        return fs_open_text(call, open, &text, info);
    sfs_buffer_free(&text);
    return code;
}

static const struct fs_class stats_class = {
    .name = "numbers of an index",
    .stat = stats_stat,
    .open = stats_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
};

static int index_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    int code = stats_stat(call, node, st);
    if (code == 0)
        st->st_mode = S_IFDIR | 0755;
    return code;
}

static int index_lookup(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry)
{
    if (strcmp(name, "stats") != 0)
        return SFS_E_NOT_FOUND;
    entry->node =
        fs_names_node(call->fs, dir, name, &stats_class, dir->space, sfs_buffer_bytes(&dir->text));
    entry->timeout = fs_query_timeout(dir->space);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = stats_stat(call, entry->node, &entry->st);
    if (code < 0)
        fs_node_forget(call->fs, entry->node->id, 1);
    return code;
}

/* So that `rm -r` comes to the rmdir that drops the index, with which the numbers go. */
static int index_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    if (directory || strcmp(name, "stats") != 0)
        return SFS_E_NOT_FOUND;
    fs_node_detach(call->fs, dir, name);
    return 0;
}

static int index_make(struct fs_call *call, struct fs_node *dir, const char *name,
                      const struct fs_make *make, struct fs_entry *entry)
{
    (void)name;
    (void)make;
    (void)entry;
    return sfs_fail(&call->error, SFS_E_PERMISSION, "index",
                    "'%.*s' is an index, and nothing can be made in it: an index of a member is "
                    "indexes/a.b, of two fields indexes/a,b",
                    (int)dir->text.size, dir->text.data);
}

static int index_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    if (open->text.size == 0 && fs_names_add(&open->text, false, SFS_LITERAL("stats")) != 0)
        return sfs_fail_memory(&call->error, "mount");
    return fs_names_list(call, open, offset, list);
}

static const struct fs_class index_class = {
    .name = "index",
    .lookup = index_lookup,
    .stat = index_stat,
    .make = index_make,
    .remove = index_remove,
    .list = index_list,
    .release = fs_text_release,
};

/* --- indexes/ --- */

static int root_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFDIR | 0755, st);
    return 0;
}

static int name_of(struct fs_call *call, const char *name, struct sfs_buffer *text)
{
    return sfs_path_unescape(sfs_string(name), text) == 0 ? 0 : sfs_fail_memory(&call->error, "mount");
}

static const char incomplete[] =
    "This list is incomplete: an index has a name of over 255 bytes. 'storefs index' lists it.\n";

/* An index has one name that is listed; it is found by all that mean the same, as `unique:` left out. */
static int root_lookup(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry)
{
    struct sfs_buffer text = {0};
    if (strcmp(name, FS_INCOMPLETE) == 0)
        return fs_incomplete_lookup(call, dir, incomplete, entry);
    int code = name_of(call, name, &text);
    if (code == 0) {
        entry->node = fs_names_node(call->fs, dir, name, &index_class, dir->space, sfs_buffer_bytes(&text));
        entry->timeout = fs_query_timeout(dir->space);
        code = entry->node == NULL ? sfs_fail_memory(&call->error, "mount")
                                   : index_stat(call, entry->node, &entry->st);
        if (code < 0 && entry->node != NULL)
            fs_node_forget(call->fs, entry->node->id, 1);
    }
    sfs_buffer_free(&text);
    return code;
}

static int root_make(struct fs_call *call, struct fs_node *dir, const char *name,
                     const struct fs_make *make, struct fs_entry *entry)
{
    struct sfs_buffer text = {0};
    if (!S_ISDIR(make->mode))
        return sfs_fail(&call->error, SFS_E_PERMISSION, "index",
                        "indexes/ holds indexes only: mkdir indexes/FIELD makes one");
    if (strlen(name) > SFS_PATH_NAME_MAX)
        return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "index",
                        "a file name has at most %d bytes: 'storefs index' makes indexes with longer names",
                        SFS_PATH_NAME_MAX);
    int code = name_of(call, name, &text);
    if (code == 0)
        code = fs_index_build(call, dir->space->store, sfs_buffer_bytes(&text));
    sfs_buffer_free(&text);
    return code == 0 ? root_lookup(call, dir, name, entry) : code;
}

static int root_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct sfs_buffer text = {0};
    if (!directory)
        return sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "index", "rmdir indexes/%s drops the index", name);
    int code = name_of(call, name, &text);
    if (code == 0)
        code = sfs_index_drop(dir->space->store, sfs_buffer_bytes(&text), &call->error);
    sfs_buffer_free(&text);
    if (code == 0)
        fs_node_detach(call->fs, dir, name);
    return code;
}

struct names {
    struct sfs_buffer *out;
    bool complete;
};

static int add_name(void *context, const char *name, const struct sfs_index_stats *stats)
{
    struct names *names = context;
    struct sfs_buffer escaped = {0};
    (void)stats;
    int code = sfs_path_escape(sfs_string(name), &escaped);
    bool fits = escaped.size <= SFS_PATH_NAME_MAX;
    if (code == 0 && fits)
        code = fs_names_add(names->out, true, sfs_buffer_bytes(&escaped));
    names->complete = names->complete && fits;
    sfs_buffer_free(&escaped);
    return code;
}

static int root_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    struct names names = {.out = &open->text, .complete = true};
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        int code = sfs_index_list(open->node->space->store, add_name, &names, &call->error);
        if (code == 0 && !names.complete)
            code = fs_incomplete_add(&open->text);
        if (code < 0)
            return code == SFS_E_NO_MEMORY ? sfs_fail_memory(&call->error, "mount") : code;
    }
    return fs_names_list(call, open, offset, list);
}

const struct fs_class fs_indexes_class = {
    .name = "indexes",
    .lookup = root_lookup,
    .stat = root_stat,
    .make = root_make,
    .remove = root_remove,
    .list = root_list,
    .release = fs_text_release,
};
