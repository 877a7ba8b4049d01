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

/* The name tx/NAME is gone; the nodes stay for those who hold them. */
static void detach(struct fs *fs, const struct fs_tx *tx)
{
    struct fs_node *root = fs_node_find(fs, FUSE_ROOT_ID);
    fs_nodes_lock(fs->nodes);
    struct fs_node *dir = root != NULL ? fs_node_peek_locked(fs, root, "tx") : NULL;
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

int fs_tx_commit(struct fs_call *call, struct fs_tx *tx)
{
    struct fs_tx_changes changes = {0};
    int code = fs_tx_claim(call, tx, FS_TX_COMMITTED);
    if (code != 0)
        return code < 0 ? code : 0;
    code = flush_files(call, tx);
    fs_space_end(tx->space);
    if (code == 0)
        code = fs_tx_changes_gather(call, tx, &changes);
    if (code == 0)
        code = sfs_commit(tx->transaction, NULL, &call->error);
    if (code == 0) {
        fs_tx_changes_tell(call, &changes);
        finish(tx, FS_TX_COMMITTED);
    } else {
        keep_failure(call, tx, code);
        fs_space_resume(tx->space);
        fs_tx_settle(tx, FS_TX_OPEN);
    }
    sfs_buffer_free(&changes.names);
    return code;
}

int fs_tx_rollback(struct fs_call *call, struct fs_tx *tx)
{
    int code = fs_tx_claim(call, tx, FS_TX_ROLLED_BACK);
    if (code != 0)
        return code < 0 ? code : 0;
    fs_space_end(tx->space);
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
