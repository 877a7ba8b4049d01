/* SPDX-License-Identifier: MIT */
/*
 * The directories tx/ and tx/NAME, at any depth.
 */
#include <sys/stat.h>

#include "fs/keys.h"
#include "fs/tx.h"

/* A node that carries the transaction. One made for an earlier transaction of the same name, by a
 * look-up that was overtaken by its end, is not taken for this one's. */
struct fs_node *fs_tx_node(struct fs *fs, struct fs_node *dir, const char *name,
                           const struct fs_class *class, struct fs_tx *tx, struct sfs_bytes text)
{
    for (;;) {
        struct fs_node *node = fs_names_node(fs, dir, name, class, NULL, text);
        if (node == NULL)
            return NULL;
        fs_nodes_lock(fs->nodes);
        if (node->data == NULL)
            node->data = fs_tx_ref(tx);
        bool same = node->data == tx;
        fs_nodes_unlock(fs->nodes);
        if (same)
            return node;
        fs_node_detach(fs, dir, name);
        fs_node_forget(fs, node->id, 1);
    }
}

/* --- tx/NAME --- */

static int dir_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    if (!fs_tx_is_open(node->data))
        return SFS_E_NOT_FOUND;
    fs_tx_stat(call, node, S_IFDIR | 0700, st);
    return 0;
}

/* keys/, fields/ and query/: the same classes as the mount's own, in the transaction's space. */
static struct fs_node *tree_node(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_tx *tx = dir->data;
    if (strcmp(name, "query") != 0)
        return fs_node_intern(call->fs, dir, name,
                              strcmp(name, "keys") == 0 ? &fs_keys_directory_class : &fs_fields_directory_class,
                              tx->space, FS_KIND_ROOT, sfs_bytes(NULL, 0));
    return fs_names_node(call->fs, dir, name, &fs_query_class, tx->space, sfs_bytes(NULL, 0));
}

static int stat_tree(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    int code = fs_space_enter(node->space, &call->error);
    if (code < 0)
        return code;
    code = node->class->stat(call, node, st);
    fs_space_leave(node->space);
    return code;
}

/* What tx/NAME holds beside its files. */
static const struct directory {
    const char *name;
    bool in_space; /* keys/, fields/ and query/ */
    const struct fs_class *class;
} directories[] = {
    {"fields", true, NULL},
    {"keys", true, NULL},
    {"query", true, NULL},
    {"savepoints", false, &fs_tx_savepoints_class},
    {"tx", false, &fs_tx_root_class},
    {NULL, false, NULL},
};

static const struct directory *find_directory(const char *name)
{
    for (const struct directory *row = directories; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static int directory_lookup(struct fs_call *call, struct fs_node *dir, const struct directory *row,
                            struct fs_entry *entry)
{
    entry->node = row->in_space ? tree_node(call, dir, row->name)
                                : fs_tx_node(call->fs, dir, row->name, row->class, dir->data,
                                             sfs_bytes(NULL, 0));
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    entry->timeout = FS_CONSTANT_TIMEOUT; /* it goes with tx/NAME */
    int code = row->in_space ? stat_tree(call, entry->node, &entry->st)
                             : row->class->stat(call, entry->node, &entry->st);
    if (code < 0)
        fs_node_forget(call->fs, entry->node->id, 1);
    return code;
}

static int dir_lookup(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry)
{
    const struct directory *row = find_directory(name);
    if (!fs_tx_is_open(dir->data))
        return SFS_E_NOT_FOUND;
    return row != NULL ? directory_lookup(call, dir, row, entry)
                       : fs_tx_file_lookup(call, dir, FS_TX_IN_TRANSACTION, name, "", entry);
}

static int dir_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    if (!fs_tx_is_open(dir->data))
        return SFS_E_NOT_FOUND;
    if (directory)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                        "'%s' is a part of the transaction: rmdir tx/NAME rolls it back", name);
    return fs_tx_file_remove(call, dir, FS_TX_IN_TRANSACTION, name, "");
}

static int add_names(struct sfs_buffer *names)
{
    int code = fs_tx_file_names(FS_TX_IN_TRANSACTION, names);
    for (const struct directory *row = directories; row->name != NULL && code == 0; row++)
        code = fs_names_add(names, true, sfs_string(row->name));
    return code;
}

static int dir_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        if (fs_tx_is_open(open->node->data) && add_names(&open->text) != 0)
            return sfs_fail_memory(&call->error, "mount");
    }
    return fs_names_list(call, open, offset, list);
}

static const struct fs_class tx_directory_class = {
    .name = "transaction",
    .constant = true,
    .lookup = dir_lookup,
    .stat = dir_stat,
    .remove = dir_remove,
    .list = dir_list,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};

/* --- tx/, and tx/NAME/tx/ with the transaction as node->data --- */

/* Takes over the caller's reference. The kernel may keep the name (see tx_end.c); where others than its owner
 * may ask for it, it must be asked each time who does. */
static int entry_of(struct fs_call *call, struct fs_node *dir, struct fs_tx *tx, struct fs_entry *entry)
{
    entry->timeout = call->fs->many_users ? 0 : FS_CONSTANT_TIMEOUT;
    entry->node = fs_tx_node(call->fs, dir, tx->name, &tx_directory_class, tx, sfs_bytes(NULL, 0));
    fs_tx_unref(tx);
    return entry->node == NULL ? sfs_fail_memory(&call->error, "mount")
                               : dir_stat(call, entry->node, &entry->st);
}

static int root_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                       struct fs_entry *entry)
{
    struct fs_tx *tx = fs_tx_find(call->fs, dir->data, name);
    if (tx != NULL && fs_tx_is_visible(tx, call->uid))
        return entry_of(call, dir, tx, entry);
    fs_tx_unref(tx);
    return SFS_E_NOT_FOUND;
}

/* Sticky: everybody may begin a transaction, and end their own. One inside another is for its owner. */
static int root_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    if (node->data != NULL)
        fs_tx_stat(call, node, S_IFDIR | 0700, st);
    else
        fs_stat_generated(call->fs, node, S_IFDIR | 01777, st);
    return 0;
}

static int root_make(struct fs_call *call, struct fs_node *dir, const char *name,
                     const struct fs_make *make, struct fs_entry *entry)
{
    struct fs_tx *tx;
    if (!S_ISDIR(make->mode))
        return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                        "tx/ holds transactions only: mkdir tx/NAME begins one");
    if (strlen(name) > SFS_PATH_NAME_MAX)
        return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "transaction",
                        "a transaction's name has at most %d bytes", SFS_PATH_NAME_MAX);
    int code = fs_tx_begin(call, dir->data, name, &tx);
    return code < 0 ? code : entry_of(call, dir, tx, entry);
}

static int root_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_tx *tx = fs_tx_find(call->fs, dir->data, name);
    if (tx == NULL)
        return SFS_E_NOT_FOUND;
    int code = 0;
    if (!directory)
        code = sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "transaction",
                        "a transaction is a directory: rmdir rolls it back");
    else if (!fs_tx_is_visible(tx, call->uid))
        code = sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                        "this transaction is somebody else's");
    if (code == 0)
        code = fs_tx_rollback(call, tx);
    fs_tx_unref(tx);
    return code;
}

static int root_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        if (fs_tx_names(call->fs, open->node->data, call->uid, &open->text) != 0)
            return sfs_fail_memory(&call->error, "mount");
    }
    return fs_names_list(call, open, offset, list);
}

const struct fs_class fs_tx_root_class = {
    .name = "transactions",
    .constant = true,
    .lookup = root_lookup,
    .stat = root_stat,
    .make = root_make,
    .remove = root_remove,
    .list = root_list,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};
