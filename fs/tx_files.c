/* SPDX-License-Identifier: MIT */
/*
 * The files in tx/NAME: commit and rollback, which act when they are touched, and those that tell.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/keys.h"
#include "fs/mount.h"
#include "fs/tx.h"

/* --- texts --- */

static int text_nothing(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out)
{
    (void)call;
    (void)tx;
    return sfs_buffer_reserve(out, 1);
}

static const char *state_name(enum sfs_transaction_state state)
{
    switch (state) {
    case SFS_ACTIVE:
        return "active";
    case SFS_COMMITTED:
        return "committed";
    case SFS_ROLLED_BACK:
        return "rolled back";
    case SFS_FAILED:
        return "failed: only rollback is left";
    }
    return "unknown";
}

static int text_status(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out)
{
    struct sfs_transaction_status status;
    char begun[32] = "";
    struct tm tm;
    (void)call;
    sfs_transaction_status(tx->transaction, &status);
    struct timespec time = fs_time(status.begun);
    if (gmtime_r(&time.tv_sec, &tm) != NULL)
        strftime(begun, sizeof(begun), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return sfs_buffer_printf(out,
                             "state: %s\nisolation: %s\nbegun: %s\nsequence: %" PRIu64
                             "\noperations: %" PRIu64 "\n",
                             state_name(status.state), sfs_isolation_name(status.isolation), begun,
                             status.sequence, status.operations);
}

static int text_isolation(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out)
{
    struct sfs_transaction_status status;
    (void)call;
    sfs_transaction_status(tx->transaction, &status);
    return sfs_buffer_printf(out, "%s\n", sfs_isolation_name(status.isolation));
}

static int text_error(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out)
{
    int code = 0;
    (void)call;
    pthread_mutex_lock(&tx->lock);
    if (tx->failure.code != 0) {
        code = sfs_buffer_printf(out, "%s\n", tx->failure.message);
        if (code == 0)
            code = sfs_buffer_add(out, sfs_buffer_bytes(&tx->conflicts));
    }
    pthread_mutex_unlock(&tx->lock);
    return code;
}

/* --- the table --- */

struct control {
    const char *name;
    mode_t mode;
    int (*text)(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out);
    int (*act)(struct fs_call *call, struct fs_tx *tx); /* when touched, cut or written; or NULL */
    int (*take)(struct fs_call *call, struct fs_tx *tx, struct sfs_bytes data); /* what is written */
};

static int take_isolation(struct fs_call *call, struct fs_tx *tx, struct sfs_bytes data)
{
    enum sfs_isolation isolation;
    if (data.size > 0 && ((const char *)data.data)[data.size - 1] == '\n')
        data.size--;
    int code = fs_isolation_parse(data, &isolation, &call->error);
    return code == 0 ? fs_tx_isolate(call, tx, isolation) : code;
}

static const struct control controls[] = {
    {"changes", 0400, fs_tx_changes_text, NULL, NULL},
    {"commit", 0600, text_nothing, fs_tx_commit, NULL},
    {"error", 0400, text_error, NULL, NULL},
    {"isolation", 0600, text_isolation, NULL, take_isolation},
    {"rollback", 0600, text_nothing, fs_tx_rollback, NULL},
    {"status", 0400, text_status, NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static const struct control *find_control(struct sfs_bytes name)
{
    for (const struct control *control = controls; control->name != NULL; control++)
        if (sfs_bytes_equal(name, sfs_string(control->name)))
            return control;
    return NULL;
}

mode_t fs_tx_file_mode(const char *name)
{
    const struct control *control = find_control(sfs_string(name));
    return control != NULL ? S_IFREG | control->mode : 0;
}

int fs_tx_file_names(struct sfs_buffer *names)
{
    int code = 0;
    for (const struct control *control = controls; control->name != NULL && code == 0; control++)
        code = fs_names_add(names, false, sfs_string(control->name));
    return code;
}

void fs_tx_node_forget(struct fs_node *node)
{
    fs_tx_unref(node->data);
}

void fs_tx_stat(struct fs_call *call, struct fs_node *node, mode_t mode, struct stat *st)
{
    const struct fs_tx *tx = node->data;
    fs_stat_generated(call->fs, node, mode, st);
    st->st_ino = (ino_t)node->ino;
    st->st_uid = tx->uid;
    st->st_gid = tx->gid;
    st->st_atim = st->st_mtim = st->st_ctim = fs_time(tx->begun);
}

/* --- operations --- */

static const struct control *control_of(const struct fs_node *node)
{
    return find_control(sfs_buffer_bytes(&node->text));
}

static int file_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_tx_stat(call, node, S_IFREG | control_of(node)->mode, st);
    return 0;
}

static int act(struct fs_call *call, struct fs_node *node)
{
    const struct control *control = control_of(node);
    if (control->take != NULL)
        return 0; /* only what is written to it counts */
    if (control->act == NULL)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction", "'%s' can only be read",
                        control->name);
    return control->act(call, node->data);
}

static int file_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                    struct stat *st)
{
    (void)want;
    if (mask & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
        return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                        "the files of a transaction keep their owner and mode");
    int code = act(call, node);
    return code == 0 ? file_stat(call, node, st) : code;
}

static int make_text(struct fs_call *call, struct fs_node *node, struct sfs_buffer *out)
{
    struct fs_tx *tx = node->data;
    int code = fs_space_enter(tx->space, &call->error);
    if (code < 0)
        return code;
    code = control_of(node)->text(call, tx, out);
    fs_space_leave(tx->space);
    return code == SFS_E_NO_MEMORY ? sfs_fail_memory(&call->error, "mount") : code;
}

static int file_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                     struct fuse_file_info *info)
{
    const struct control *control = control_of(node);
    bool writes = (info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0;
    int code = 0;
    if (writes && control->act == fs_tx_commit)
        code = fs_tx_doomed(call, node->data);
    if (code == 0 && (info->flags & O_TRUNC || (writes && control->act == NULL && control->take == NULL)))
        code = act(call, node);
    else if (code == 0 && !writes)
        code = make_text(call, node, &open->text);
    if (code < 0)
        sfs_buffer_free(&open->text);
    else
        fs_open_generated(info);
    return code;
}

static int file_write(struct fs_call *call, struct fs_open *open, struct sfs_bytes data, uint64_t offset)
{
    const struct control *control = control_of(open->node);
    (void)offset;
    return control->take != NULL ? control->take(call, open->node->data, data) : act(call, open->node);
}

const struct fs_class fs_tx_file_class = {
    .name = "file of a transaction",
    .stat = file_stat,
    .set = file_set,
    .open = file_open,
    .read = fs_text_read,
    .write = file_write,
    .release = fs_text_release,
    .forget = fs_tx_node_forget,
};
