/* SPDX-License-Identifier: MIT */
/*
 * The mount's root: what `ls MOUNT` shows.
 */
#include <sys/stat.h>

#include "fs/node.h"

static const struct fs_fixed entries[] = {
    {"README", &fs_readme_class, S_IFREG | 0444, false},
    {"admin", &fs_admin_class, S_IFDIR | 0555, false},
    {"fields", &fs_fields_directory_class, S_IFDIR | 0755, true},
    {"indexes", &fs_indexes_class, S_IFDIR | 0755, true},
    {"keys", &fs_keys_directory_class, S_IFDIR | 0755, true},
    {"query", &fs_query_class, S_IFDIR | 0555, true},
    {"tx", &fs_tx_root_class, S_IFDIR | 0755, false},
    {"views", &fs_views_class, S_IFDIR | 0755, true},
    {NULL, NULL, 0, false},
};

static int root_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                       struct fs_entry *entry)
{
    return fs_fixed_lookup(call, dir, entries, name, entry);
}

static int root_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFDIR | 0755, st);
    return 0;
}

static int root_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    (void)call;
    return fs_fixed_list(open, entries, offset, list);
}

const struct fs_class fs_root_class = {
    .name = "the mount's root",
    .constant = true,
    .lookup = root_lookup,
    .stat = root_stat,
    .list = root_list,
};
