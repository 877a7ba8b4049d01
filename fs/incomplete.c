/* SPDX-License-Identifier: MIT */
/*
 * The entry that says that a listing is not complete: see names.h.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/names.h"
#include "fs/result.h"

static int incomplete_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFREG | 0444, st);
    return 0;
}

static int incomplete_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                           struct fuse_file_info *info)
{
    struct sfs_buffer text = {0};
    if ((info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount", "this file can only be read");
    if (sfs_buffer_add(&text, sfs_buffer_bytes(&node->text)) != 0)
        return sfs_fail_memory(&call->error, "mount");
    return fs_open_text(call, open, &text, info);
}

static const struct fs_class incomplete_class = {
    .name = "note of an incomplete list",
    .stat = incomplete_stat,
    .open = incomplete_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
};

int fs_incomplete_add(struct sfs_buffer *names)
{
    return fs_names_add(names, false, SFS_LITERAL(FS_INCOMPLETE));
}

int fs_incomplete_lookup(struct fs_call *call, struct fs_node *dir, const char *sentence,
                         struct fs_entry *entry)
{
    entry->node = fs_names_node(call->fs, dir, FS_INCOMPLETE, &incomplete_class, dir->space,
                                sfs_string(sentence));
    return entry->node != NULL ? incomplete_stat(call, entry->node, &entry->st)
                               : sfs_fail_memory(&call->error, "mount");
}
