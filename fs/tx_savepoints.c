/* SPDX-License-Identifier: MIT */
/*
 * tx/NAME/savepoints/: mkdir makes a savepoint S, a directory with the files rollback and release;
 * rmdir releases.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/budget.h"
#include "fs/keys.h"
#include "fs/tx.h"

/* --- the list: what the library has, in order --- */

void fs_tx_savepoints_free(struct fs_tx *tx)
{
    pthread_mutex_lock(&tx->lock);
    size_t count = tx->savepoint_count;
    while (tx->savepoint_count > 0)
        free(tx->savepoints[--tx->savepoint_count].name);
    free(tx->savepoints);
    tx->savepoints = NULL;
    pthread_mutex_unlock(&tx->lock);
    if (count > 0)
        fs_budget_uncount(tx->fs, tx->uid, FS_SAVEPOINTS, count);
}

/* Where the savepoint is; the count where there is none. With the lock held. */
static size_t place_locked(const struct fs_tx *tx, const char *name)
{
    size_t i = 0;
    while (i < tx->savepoint_count && strcmp(tx->savepoints[i].name, name) != 0)
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
    void *grown = realloc(tx->savepoints, (tx->savepoint_count + 1) * sizeof(*tx->savepoints));
    if (grown != NULL)
        tx->savepoints = grown;
    pthread_mutex_unlock(&tx->lock);
    return grown != NULL;
}

/* Takes `name` over; room was reserved. */
static void push(struct fs_tx *tx, char *name, uint64_t moves)
{
    pthread_mutex_lock(&tx->lock);
    tx->savepoints[tx->savepoint_count++] = (struct fs_tx_savepoint){name, moves, tx->written};
    pthread_mutex_unlock(&tx->lock);
}

/* Drops those behind `name`, and that too unless it is kept. */
static void drop(struct fs_tx *tx, const char *name, bool keep)
{
    pthread_mutex_lock(&tx->lock);
    size_t left = place_locked(tx, name) + keep;
    size_t gone = tx->savepoint_count - left;
    while (tx->savepoint_count > left)
        free(tx->savepoints[--tx->savepoint_count].name);
    pthread_mutex_unlock(&tx->lock);
    fs_budget_uncount(tx->fs, tx->uid, FS_SAVEPOINTS, gone);
}

/* --- acting --- */

struct step {
    struct fs_tx *tx;
    const char *name;
    char *copy; /* of a new one's */
};

static int make_step(struct fs_call *call, void *context)
{
    struct step *step = context;
    int code = sfs_savepoint(step->tx->transaction, step->name, &call->error);
    if (code == 0) {
        push(step->tx, step->copy, step->tx->space->moves);
        step->copy = NULL;
    }
    return code;
}

static struct fs_tx_savepoint find(struct fs_tx *tx, const char *name)
{
    pthread_mutex_lock(&tx->lock);
    struct fs_tx_savepoint savepoint = tx->savepoints[place_locked(tx, name)];
    pthread_mutex_unlock(&tx->lock);
    return savepoint;
}

static int rollback_step(struct fs_call *call, void *context)
{
    const struct step *step = context;
    struct fs_tx *tx = step->tx;
    size_t count;
    struct fs_file **files = fs_files_take(tx->space, &count);
    if (files == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = sfs_savepoint_rollback(tx->transaction, step->name, &call->error);
    if (code == 0) {
        struct fs_tx_savepoint savepoint = find(tx, step->name);
        fs_tx_uncharge(tx, savepoint.written);
        fs_files_renew(call, tx->space, savepoint.moves, files, count);
    }
    fs_files_give_back(files, count);
    return code;
}

static int release_step(struct fs_call *call, void *context)
{
    const struct step *step = context;
    return sfs_savepoint_release(step->tx->transaction, step->name, &call->error);
}

/* With every open file's writes in the write set. */
static int act_inside(struct fs_call *call, struct fs_tx *tx, fs_tx_step *act, struct step *step)
{
    int code = fs_space_enter(tx->space, &call->error);
    if (code < 0)
        return code;
    code = fs_tx_alone(call, tx->space, act, step);
    fs_space_leave(tx->space);
    return code;
}

static int make_savepoint(struct fs_call *call, struct fs_tx *tx, const char *name)
{
    struct step step = {.tx = tx, .name = name, .copy = strdup(name)};
    int code = step.copy == NULL || !reserve(tx) ? sfs_fail_memory(&call->error, "mount") : 0;
    if (code == 0)
        code = fs_budget_count(call->fs, tx->uid, FS_SAVEPOINTS, 1, &call->error);
    if (code == 0 && (code = act_inside(call, tx, make_step, &step)) < 0)
        fs_budget_uncount(call->fs, tx->uid, FS_SAVEPOINTS, 1);
    free(step.copy);
    return code;
}

/* A release that was done already is done: what else the same descriptor does succeeds. */
static int end_savepoint(struct fs_call *call, struct fs_tx *tx, const char *name, bool release)
{
    struct step step = {.tx = tx, .name = name};
    int code = fs_tx_claim(call, tx, FS_TX_ENDING);
    if (code < 0)
        return code;
    bool there = is_there(tx, name);
    if (there)
        code = act_inside(call, tx, release ? release_step : rollback_step, &step);
    else if (!release)
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "transaction", "the savepoint '%s' is gone", name);
    if (there && code == 0)
        drop(tx, name, !release);
    /* Attributes that the kernel keeps were those before the rollback. */
    if (there && code == 0 && !release)
        fs_notify_flush(call->fs->notifier);
    fs_tx_settle(tx, FS_TX_OPEN);
    return code;
}

int fs_tx_savepoint_rollback(struct fs_call *call, struct fs_tx *tx, const char *name)
{
    return end_savepoint(call, tx, name, false);
}

int fs_tx_savepoint_release(struct fs_call *call, struct fs_tx *tx, const char *name)
{
    return end_savepoint(call, tx, name, true);
}

/* --- savepoints/S: node->text is the savepoint's name --- */

static int dir_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_tx_stat(call, node, S_IFDIR | 0700, st);
    return 0;
}

static int savepoint_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                            struct fs_entry *entry)
{
    if (!is_there(dir->data, dir->text.data))
        return SFS_E_NOT_FOUND;
    return fs_tx_file_lookup(call, dir, FS_TX_IN_SAVEPOINT, name, dir->text.data, entry);
}

static int savepoint_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    (void)directory; /* there is none in it */
    if (!is_there(dir->data, dir->text.data))
        return SFS_E_NOT_FOUND;
    return fs_tx_file_remove(call, dir, FS_TX_IN_SAVEPOINT, name, dir->text.data);
}

static int savepoint_list(struct fs_call *call, struct fs_open *open, uint64_t offset,
                          struct fs_list *list)
{
    if (offset == 0 || open->text.data == NULL) {
        open->text.size = 0;
        if (is_there(open->node->data, open->node->text.data) &&
            fs_tx_file_names(FS_TX_IN_SAVEPOINT, &open->text) != 0)
            return sfs_fail_memory(&call->error, "mount");
    }
    return fs_names_list(call, open, offset, list);
}

static const struct fs_class savepoint_class = {
    .name = "savepoint",
    .lookup = savepoint_lookup,
    .stat = dir_stat,
    .remove = savepoint_remove,
    .list = savepoint_list,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};

/* --- savepoints/ --- */

static int root_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                       struct fs_entry *entry)
{
    if (!is_there(dir->data, name))
        return SFS_E_NOT_FOUND;
    entry->node = fs_tx_node(call->fs, dir, name, &savepoint_class, dir->data,
                             sfs_bytes(name, strlen(name) + 1)); /* with its NUL: read as a string */
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    entry->timeout = 0;
    return dir_stat(call, entry->node, &entry->st);
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
            code = fs_names_add(&open->text, true, sfs_string(tx->savepoints[i].name));
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
