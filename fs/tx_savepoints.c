/* SPDX-License-Identifier: MIT */
/*
 * tx/NAME/savepoints/: mkdir makes a savepoint S, a directory with the files rollback and release, which
 * act when they are touched, cut or written; rmdir releases.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/keys.h"
#include "fs/tx.h"

#define ROLLBACK "rollback"
#define RELEASE "release"

/* --- the list: what the library has, in order --- */

void fs_tx_savepoints_free(struct fs_tx *tx)
{
    for (size_t i = 0; i < tx->savepoint_count; i++)
        free(tx->savepoints[i]);
    free(tx->savepoints);
}

/* Where the savepoint is; the count where there is none. With the lock held. */
static size_t place_locked(const struct fs_tx *tx, const char *name)
{
    size_t i = 0;
    while (i < tx->savepoint_count && strcmp(tx->savepoints[i], name) != 0)
        i++;
    return i;
}

static bool is_there(struct fs_tx *tx, const char *name)
{
    pthread_mutex_lock(&tx->lock);
    bool there = place_locked(tx, name) < tx->savepoint_count;
    pthread_mutex_unlock(&tx->lock);
    return there;
}

static bool reserve(struct fs_tx *tx)
{
    pthread_mutex_lock(&tx->lock);
    char **names = realloc(tx->savepoints, (tx->savepoint_count + 1) * sizeof(*names));
    if (names != NULL)
        tx->savepoints = names;
    pthread_mutex_unlock(&tx->lock);
    return names != NULL;
}

/* Takes `name` over; room was reserved. */
static void push(struct fs_tx *tx, char *name)
{
    pthread_mutex_lock(&tx->lock);
    tx->savepoints[tx->savepoint_count++] = name;
    pthread_mutex_unlock(&tx->lock);
}

/* Drops those behind `name`, and that too unless it is kept. */
static void drop(struct fs_tx *tx, const char *name, bool keep)
{
    pthread_mutex_lock(&tx->lock);
    size_t left = place_locked(tx, name) + keep;
    while (tx->savepoint_count > left)
        free(tx->savepoints[--tx->savepoint_count]);
    pthread_mutex_unlock(&tx->lock);
}

/* --- acting --- */

typedef int act_function(struct sfs_transaction *transaction, const char *name, struct sfs_error *error);

/* Alone in the transaction's tree, with every open file's writes in the write set. */
static int act_inside(struct fs_call *call, struct fs_tx *tx, act_function *act, const char *name)
{
    struct fs_space *space = tx->space;
    int code = fs_space_enter(space, &call->error);
    if (code < 0)
        return code;
    space->used = true;
    fs_space_share(space);
    fs_space_move(space);
    code = fs_file_commit_all(call, space);
    if (code == 0)
        code = act(tx->transaction, name, &call->error);
    if (code == 0 && act == sfs_savepoint_rollback)
        fs_files_renew(space);
    fs_space_moved(space);
    fs_space_unshare(space);
    fs_space_leave(space);
    return code;
}

static int make_savepoint(struct fs_call *call, struct fs_tx *tx, const char *name)
{
    char *copy = strdup(name);
    int code = copy == NULL || !reserve(tx) ? sfs_fail_memory(&call->error, "mount") : 0;
    if (code == 0)
        code = act_inside(call, tx, sfs_savepoint, name);
    if (code == 0)
        push(tx, copy);
    else
        free(copy);
    return code;
}

/* A release that was done already is done: what else the same descriptor does succeeds. */
static int end_savepoint(struct fs_call *call, struct fs_tx *tx, const char *name, bool release)
{
    int code = fs_tx_claim(call, tx, FS_TX_ENDING);
    if (code < 0)
        return code;
    bool there = is_there(tx, name);
    if (there)
        code = act_inside(call, tx, release ? sfs_savepoint_release : sfs_savepoint_rollback, name);
    else if (!release)
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "transaction", "the savepoint '%s' is gone", name);
    if (there && code == 0)
        drop(tx, name, !release);
    fs_tx_settle(tx, FS_TX_OPEN);
    return code;
}

/* --- rollback and release: node->text is the letter of the action and the savepoint's name --- */

static int act_of(struct fs_call *call, struct fs_node *node)
{
    return end_savepoint(call, node->data, node->text.data + 1, *node->text.data == 'e');
}

static int file_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_tx_stat(call, node, S_IFREG | 0600, st);
    return 0;
}

static int file_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                    struct stat *st)
{
    (void)want;
    if (mask & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
        return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                        "the files of a transaction keep their owner and mode");
    int code = act_of(call, node);
    return code == 0 ? file_stat(call, node, st) : code;
}

/* A handle acts once; open->position says that it has. */
static int file_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                     struct fuse_file_info *info)
{
    int code = info->flags & O_TRUNC ? act_of(call, node) : 0;
    open->position = info->flags & O_TRUNC ? 1 : 0;
    if (code == 0 && sfs_buffer_reserve(&open->text, 1) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    if (code == 0)
        fs_open_generated(info);
    return code;
}

static int file_write(struct fs_call *call, struct fs_open *open, struct sfs_bytes data, uint64_t offset)
{
    (void)data;
    (void)offset;
    pthread_mutex_lock(&open->lock);
    bool acted = open->position != 0;
    open->position = 1;
    pthread_mutex_unlock(&open->lock);
    return acted ? 0 : act_of(call, open->node);
}

static const struct fs_class savepoint_file_class = {
    .name = "file of a savepoint",
    .stat = file_stat,
    .set = file_set,
    .open = file_open,
    .read = fs_text_read,
    .write = file_write,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};

/* --- savepoints/S: node->text is the savepoint's name --- */

static int dir_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_tx_stat(call, node, S_IFDIR | 0700, st);
    return 0;
}

static int entry_of(struct fs_call *call, struct fs_node *dir, const char *name,
                    const struct fs_class *class, struct sfs_buffer *text, struct fs_entry *entry)
{
    int code = sfs_buffer_text(text); /* the class reads it as a string */
    if (code == 0)
        entry->node = fs_tx_node(call->fs, dir, name, class, dir->data, sfs_bytes(text->data, text->size + 1));
    sfs_buffer_free(text);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    entry->timeout = 0;
    return class->stat(call, entry->node, &entry->st);
}

static int savepoint_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                            struct fs_entry *entry)
{
    struct sfs_buffer text = {0};
    bool release = strcmp(name, RELEASE) == 0;
    if ((!release && strcmp(name, ROLLBACK) != 0) || !is_there(dir->data, dir->text.data))
        return SFS_E_NOT_FOUND;
    if (sfs_buffer_byte(&text, release ? 'e' : 'o') != 0 ||
        sfs_buffer_add(&text, sfs_string(dir->text.data)) != 0) {
        sfs_buffer_free(&text);
        return sfs_fail_memory(&call->error, "mount");
    }
    return entry_of(call, dir, name, &savepoint_file_class, &text, entry);
}

static int savepoint_list(struct fs_call *call, struct fs_open *open, uint64_t offset,
                          struct fs_list *list)
{
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        if (is_there(open->node->data, open->node->text.data) &&
            (fs_names_add(&open->text, false, SFS_LITERAL(RELEASE)) != 0 ||
             fs_names_add(&open->text, false, SFS_LITERAL(ROLLBACK)) != 0))
            return sfs_fail_memory(&call->error, "mount");
    }
    return fs_names_list(call, open, offset, list);
}

static const struct fs_class savepoint_class = {
    .name = "savepoint",
    .lookup = savepoint_lookup,
    .stat = dir_stat,
    .list = savepoint_list,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};

/* --- savepoints/ --- */

static int root_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                       struct fs_entry *entry)
{
    struct sfs_buffer text = {0};
    if (!is_there(dir->data, name))
        return SFS_E_NOT_FOUND;
    if (sfs_buffer_add(&text, sfs_string(name)) != 0) {
        sfs_buffer_free(&text);
        return sfs_fail_memory(&call->error, "mount");
    }
    return entry_of(call, dir, name, &savepoint_class, &text, entry);
}

static int root_make(struct fs_call *call, struct fs_node *dir, const char *name,
                     const struct fs_make *make, struct fs_entry *entry)
{
    if (!S_ISDIR(make->mode))
        return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                        "savepoints/ holds savepoints only: mkdir savepoints/NAME makes one");
    int code = fs_tx_claim(call, dir->data, FS_TX_ENDING);
    if (code < 0)
        return code;
    code = make_savepoint(call, dir->data, name);
    fs_tx_settle(dir->data, FS_TX_OPEN);
    return code == 0 ? root_lookup(call, dir, name, entry) : code;
}

static int root_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    if (!is_there(dir->data, name))
        return SFS_E_NOT_FOUND;
    if (!directory)
        return sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "transaction",
                        "a savepoint is a directory: rmdir releases it");
    return end_savepoint(call, dir->data, name, true);
}

static int root_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    struct fs_tx *tx = open->node->data;
    int code = 0;
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        pthread_mutex_lock(&tx->lock);
        for (size_t i = 0; i < tx->savepoint_count && code == 0; i++)
            code = fs_names_add(&open->text, true, sfs_string(tx->savepoints[i]));
        pthread_mutex_unlock(&tx->lock);
    }
    return code == 0 ? fs_names_list(call, open, offset, list)
                     : sfs_fail_memory(&call->error, "mount");
}

const struct fs_class fs_tx_savepoints_class = {
    .name = "savepoints",
    .lookup = root_lookup,
    .stat = dir_stat,
    .make = root_make,
    .remove = root_remove,
    .list = root_list,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};
