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

/* The name tx/NAME is gone; the nodes stay for those who hold them. */
static void detach(struct fs *fs, const struct fs_tx *tx)
{
    fs_nodes_lock(fs->nodes);
    struct fs_node *dir = dir_locked(fs, tx);
    fs_nodes_unlock(fs->nodes);
    if (dir != NULL)
        fs_node_detach(fs, dir, tx->name);
}

static void finish(struct fs_tx *tx, enum fs_tx_state state)
{
    detach(tx->fs, tx);
    fs_tx_settle(tx, state);
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

static int flush_files(struct fs_call *call, struct fs_tx *tx)
{
    int code = fs_space_enter(tx->space, &call->error);
    if (code < 0)
        return code;
    code = fs_file_commit_all(call, tx->space);
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

/* Into the store, or into the parent, whose open files then show it. Inside the base's space. */
static int commit_into(struct fs_call *call, struct fs_tx *tx)
{
    struct fs_tx_changes changes = {0};
    struct fs_space *base = fs_tx_base(tx);
    int code = tx->parent == NULL ? fs_tx_changes_gather(call, tx, &changes) : 0;
    if (tx->parent != NULL) {
        base->used = true;
        fs_space_share(base);
        fs_space_move(base);
        code = fs_file_commit_all(call, base);
    }
    if (code == 0)
        code = sfs_commit(tx->transaction, NULL, &call->error);
    if (tx->parent != NULL) {
        if (code == 0)
            fs_files_renew(base);
        fs_space_moved(base);
        fs_space_unshare(base);
    } else if (code == 0) {
        fs_tx_changes_tell(call, &changes);
    }
    if (code < 0)
        keep_failure(call, tx, code);
    sfs_buffer_free(&changes.names);
    return code;
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
    end_inner(call, tx);
    if (code == 0)
        code = commit_into(call, tx);
    else
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
