/* SPDX-License-Identifier: MIT */
/*
 * admin/: the last errors of the mount, what is wrong with the store's own files, and numbers.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/indexes.h"
#include "fs/keys.h"
#include "fs/result.h"

static int file_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFREG | 0444, st);
    return 0;
}

/* It names the keys of all users, or the store's file and the process: the owner's business alone.
 */
static int private_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFREG | (call->fs->many_users ? 0400 : 0444), st);
    return 0;
}

static int open_text(struct fs_call *call, struct fs_open *open, struct fuse_file_info *info,
                     int (*make)(struct fs_call *call, struct sfs_buffer *out))
{
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount", "this file can only be read");
    struct sfs_buffer text = {0};
    int code = make(call, &text);
    if (code == 0)
        return fs_open_text(call, open, &text, info);
    sfs_buffer_free(&text);
    return code == SFS_E_NO_MEMORY ? sfs_fail_memory(&call->error, "mount") : code;
}

/* --- errors --- */

static int make_errors(struct fs_call *call, struct sfs_buffer *out)
{
    return fs_errors_text(call->fs->errors, out);
}

static int errors_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                       struct fuse_file_info *info)
{
    (void)node;
    return open_text(call, open, info, make_errors);
}

static const struct fs_class errors_class = {
    .name = "errors",
    .stat = private_stat,
    .open = errors_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
};

/* --- files --- */

static void add_warning(void *context, const char *sentence)
{
    (void)!sfs_buffer_printf(context, "warning: %s\n", sentence);
}

static int make_files(struct fs_call *call, struct sfs_buffer *out)
{
    int code = sfs_check_files(call->fs->space->store, add_warning, out, &call->error);
    if (code == SFS_E_LOST)
        code = sfs_buffer_printf(out, "lost: %s\n", call->error.message);
    return code;
}

static int files_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                      struct fuse_file_info *info)
{
    (void)node;
    return open_text(call, open, info, make_files);
}

static const struct fs_class files_class = {
    .name = "files",
    .stat = file_stat,
    .open = files_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
};

/* --- stats.json --- */

static int add_calls(struct fs_call *call, struct sfs_buffer *out)
{
    struct sfs_call_metrics rows[SFS_METRICS_CALLS];
    sfs_metrics_read(call->fs->space->store, rows);
    int code = sfs_buffer_printf(out, "  \"calls\": {\n");
    for (size_t i = 0; i < SFS_METRICS_CALLS && code == 0; i++)
        code = sfs_buffer_printf(out,
                                 "    \"%s\": {\"calls\": %" PRIu64 ", \"failures\": %" PRIu64
                                 ", \"bytes\": %" PRIu64 ", \"nanoseconds\": %" PRIu64 "}%s\n",
                                 rows[i].name, rows[i].calls, rows[i].failures, rows[i].bytes,
                                 rows[i].nanoseconds, i + 1 < SFS_METRICS_CALLS ? "," : "");
    return code == 0 ? sfs_buffer_printf(out, "  }\n}\n") : code;
}

static int add_identity(struct fs_call *call, struct sfs_buffer *out)
{
    struct fs *fs = call->fs;
    int code = sfs_buffer_printf(out, "{\n  \"pid\": %ld,\n  \"uri\": ", (long)getpid());
    if (code == 0)
        code = fs_add_string(out, fs->uri);
    return code == 0 ? sfs_buffer_printf(out,
                                         ",\n  \"backend\": \"%s\",\n  \"read_only\": %s,\n"
                                         "  \"uptime_seconds\": %" PRId64 ",\n",
                                         sfs_storage_name(fs->space->store),
                                         fs->read_only ? "true" : "false",
                                         (fs_monotonic_ms() - fs->begun_ms) / 1000)
                     : code;
}

static int make_stats(struct fs_call *call, struct sfs_buffer *out)
{
    struct fs *fs = call->fs;
    struct sfs_totals totals;
    uint64_t sequence = 0;
    int code = sfs_totals(fs->space->store, &totals, &call->error);
    if (code == 0)
        code = sfs_sequence(fs->space->store, &sequence, &call->error);
    if (code < 0)
        return code;
    code = add_identity(call, out);
    if (code == 0)
        code = sfs_buffer_printf(out,
                                 "  \"sequence\": %" PRIu64 ",\n  \"keys\": %" PRIu64
                                 ",\n  \"records\": %" PRIu64 ",\n  \"bytes\": %" PRIu64
                                 ",\n  \"nodes\": %zu,\n  \"transactions\": %zu,\n",
                                 sequence, totals.keys, totals.records, totals.bytes,
                                 fs_node_count(fs), fs_transactions_count(fs->transactions));
    if (code == 0)
        code = fs_indexes_report(call, out);
    return code == 0 ? add_calls(call, out) : code;
}

static int stats_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                      struct fuse_file_info *info)
{
    (void)node;
    return open_text(call, open, info, make_stats);
}

static const struct fs_class stats_class = {
    .name = "statistics",
    .stat = private_stat,
    .open = stats_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
};

/* --- admin/ --- */

static const struct fs_fixed entries[] = {
    {"errors", &errors_class, S_IFREG | 0444, false},
    {"files", &files_class, S_IFREG | 0444, false},
    {"stats.json", &stats_class, S_IFREG | 0444, false},
    {NULL, NULL, 0, false},
};

static int admin_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFDIR | 0555, st);
    return 0;
}

static int admin_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                        struct fs_entry *entry)
{
    return fs_fixed_lookup(call, dir, entries, name, entry);
}

static int admin_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    (void)call;
    return fs_fixed_list(open, entries, offset, list);
}

const struct fs_class fs_admin_class = {
    .name = "administration",
    .lookup = admin_lookup,
    .stat = admin_stat,
    .list = admin_list,
};
