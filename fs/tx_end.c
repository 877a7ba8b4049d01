/* SPDX-License-Identifier: MIT */
/*
 * How a transaction of the mount ends: commit, rollback, and what is left after a conflict.
 */
#include "fs/keys.h"
#include "fs/tx.h"

static int fail_ended(struct fs_call *call, enum fs_tx_state state)
{
    return sfs_fail(&call->error, SFS_E_EXPIRED, "transaction", "this transaction was %s already",
                    state == FS_TX_COMMITTED ? "committed" : "rolled back");
}

int fs_tx_claim(struct fs_call *call, struct fs_tx *tx, enum fs_tx_state wished)
{
    pthread_mutex_lock(&tx->lock);
    while (tx->state == FS_TX_ENDING)
        pthread_cond_wait(&tx->settled, &tx->lock);
    enum fs_tx_state state = tx->state;
    if (state == FS_TX_OPEN)
        tx->state = FS_TX_ENDING;
    pthread_mutex_unlock(&tx->lock);
    if (state == FS_TX_OPEN)
        return 0;
    return state == wished ? 1 : fail_ended(call, state);
}

void fs_tx_settle(struct fs_tx *tx, enum fs_tx_state state)
{
    pthread_mutex_lock(&tx->lock);
    tx->state = state;
    pthread_cond_broadcast(&tx->settled);
    pthread_mutex_unlock(&tx->lock);
}

/* The node of the directory that has the transaction's, if the kernel knows it. With the table's lock. */
static struct fs_node *dir_locked(struct fs *fs, const struct fs_tx *tx)
{
    struct fs_node root = {.id = FUSE_ROOT_ID};
    const struct fs_node *above = &root;
    if (tx->parent != NULL) {
        above = dir_locked(fs, tx->parent);
        if (above != NULL)
            above = fs_node_peek_locked(fs, above, tx->parent->name);
    }
    return above != NULL ? fs_node_peek_locked(fs, above, "tx") : NULL;
}

/* The name tx/NAME is gone; the nodes stay for those who hold them. Returns the number of its own, 0: none. */
static uint64_t detach(struct fs *fs, const struct fs_tx *tx)
{
    uint64_t id = 0;
    fs_nodes_lock(fs->nodes);
    struct fs_node *dir = dir_locked(fs, tx);
    struct fs_node *node = dir != NULL ? fs_node_peek_locked(fs, dir, tx->name) : NULL;
    if (node != NULL) {
        id = node->id;
        fs_node_detach_locked(fs, node);
    }
    fs_nodes_unlock(fs->nodes);
    return id;
}

/*
 * The kernel keeps the names tx/NAME and tx/NAME/keys. They are not taken from it, which would need the lock of
 * tx/ that whoever begins another transaction holds; it is told that the attributes of tx/NAME are old. It needs
 * them at each step into it, and is told then that there is no such file.
 */
static void finish(struct fs_tx *tx, enum fs_tx_state state)
{
    struct fs_notifier *notifier = tx->fs->notifier;
    uint64_t id = detach(tx->fs, tx);
    fs_tx_settle(tx, state);
    if (id != 0) {
        fs_notify_attributes(notifier, id);
        fs_notify_flush(notifier);
    }
    fs_tx_forget(tx);
}

/* Keeps why the commit failed. The list of keys is a help; the sentence stands without it too. */
static void keep_failure(struct fs_call *call, struct fs_tx *tx, int code)
{
    struct sfs_buffer conflicts = {0};
    if (code == SFS_E_CONFLICT && fs_tx_conflicts(tx, &conflicts) != 0)
        conflicts.size = 0;
    pthread_mutex_lock(&tx->lock);
    tx->failure = call->error;
    struct sfs_buffer old = tx->conflicts;
    tx->conflicts = conflicts;
    pthread_mutex_unlock(&tx->lock);
    sfs_buffer_free(&old);
}

static int nothing(struct fs_call *call, void *context)
{
    (void)call;
    (void)context;
    return 0;
}

static int flush_files(struct fs_call *call, struct fs_tx *tx)
{
    int code = fs_space_enter(tx->space, &call->error);
    if (code < 0)
        return code;
    code = fs_tx_alone(call, tx->space, nothing, NULL);
    fs_space_leave(tx->space);
    return code;
}

/* Those inside it cannot go on without it. */
static void end_inner(struct fs_call *call, const struct fs_tx *tx)
{
    struct fs_call quiet = *call;
    for (struct fs_tx *inner; (inner = fs_tx_find(tx->fs, tx, NULL)) != NULL; fs_tx_unref(inner))
        (void)fs_tx_rollback(&quiet, inner); /* another call may have ended it meanwhile: as good */
}

/* Into the store. */
static int commit_out(struct fs_call *call, struct fs_tx *tx)
{
    struct fs_tx_changes changes = {0};
    int code = fs_tx_changes_gather(call, tx, &changes);
    if (code == 0)
        code = sfs_commit(tx->transaction, NULL, &call->error);
    if (code == 0)
        call->fs->space->directories++;
    if (code == 0)
        fs_tx_changes_tell(call, &changes);
    sfs_buffer_free(&changes.names);
    return code;
}

/* Into the parent, whose open files then show it. */
static int commit_up(struct fs_call *call, void *context)
{
    struct fs_tx *tx = context;
    struct fs_space *space = tx->parent->space;
    size_t count;
    struct fs_file **files = fs_files_take(space, &count);
    if (files == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = fs_tx_charge(call, space, tx->written);
    if (code == 0 && (code = sfs_commit(tx->transaction, NULL, &call->error)) == 0)
        fs_files_renew(call, space, UINT64_MAX, files, count);
    fs_files_give_back(files, count);
    return code;
}

/* With every call of its space away; inside the base's. */
static int commit_alone(struct fs_call *call, struct fs_tx *tx)
{
    end_inner(call, tx);
    return tx->parent == NULL ? commit_out(call, tx)
                              : fs_tx_alone(call, tx->parent->space, commit_up, tx);
}

int fs_tx_commit(struct fs_call *call, struct fs_tx *tx)
{
    struct fs_space *base = fs_tx_base(tx);
    int code = fs_tx_claim(call, tx, FS_TX_COMMITTED);
    if (code != 0)
        return code < 0 ? code : 0;
    code = fs_space_enter(base, &call->error);
    if (code < 0) {
        fs_tx_settle(tx, FS_TX_OPEN);
        return code;
    }
    code = flush_files(call, tx);
    fs_space_end(tx->space);
    if (code == 0)
        code = commit_alone(call, tx);
    if (code < 0)
        keep_failure(call, tx, code);
    fs_space_leave(base);
    if (code == 0) {
        finish(tx, FS_TX_COMMITTED);
    } else {
        fs_space_resume(tx->space);
        fs_tx_settle(tx, FS_TX_OPEN);
    }
    return code;
}

int fs_tx_rollback(struct fs_call *call, struct fs_tx *tx)
{
    int code = fs_tx_claim(call, tx, FS_TX_ROLLED_BACK);
    if (code != 0)
        return code < 0 ? code : 0;
    fs_space_end(tx->space);
    end_inner(call, tx);
    sfs_rollback(tx->transaction);
    finish(tx, FS_TX_ROLLED_BACK);
    return 0;
}

int fs_tx_doomed(struct fs_call *call, struct fs_tx *tx)
{
    pthread_mutex_lock(&tx->lock);
    int code = tx->state == FS_TX_OPEN ? tx->failure.code : 0;
    bool final = code == SFS_E_CONFLICT || code == SFS_E_EXPIRED || code == SFS_E_TOO_OLD;
    if (final)
        call->error = tx->failure;
    pthread_mutex_unlock(&tx->lock);
    return final ? code : 0;
}
