/* SPDX-License-Identifier: MIT */
/*
 * The files in tx/NAME and in savepoints/S: those that act when they are touched, cut or written, and those
 * that tell.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/keys.h"
#include "fs/mount.h"
#include "fs/result.h"
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
    struct sfs_error failure = {0};
    int code = 0;
    pthread_mutex_lock(&tx->lock);
    if (tx->failure.code != 0) {
        code = sfs_buffer_add(
            out, fs_error_shown(call->fs, call->uid, tx->failure.message, tx->failure.public_size));
        if (code == 0)
            code = sfs_buffer_byte(out, '\n');
        if (code == 0)
            code = sfs_buffer_add(out, sfs_buffer_bytes(&tx->conflicts));
    }
    pthread_mutex_unlock(&tx->lock);
    /* It may have expired since. */
    if (code == 0 && out->size == 0 && sfs_transaction_check(tx->transaction, &failure) != 0)
        code = sfs_buffer_printf(out, "%s\n", failure.message);
    return code;
}

/* --- what they do --- */

static int act_commit(struct fs_call *call, struct fs_tx *tx, const char *subject)
{
    (void)subject;
    return fs_tx_commit(call, tx);
}

static int act_rollback(struct fs_call *call, struct fs_tx *tx, const char *subject)
{
    (void)subject;
    return fs_tx_rollback(call, tx);
}

static int take_isolation(struct fs_call *call, struct fs_tx *tx, struct sfs_bytes data)
{
    enum sfs_isolation isolation;
    if (data.size > 0 && ((const char *)data.data)[data.size - 1] == '\n')
        data.size--;
    int code = fs_isolation_parse(data, &isolation, &call->error);
    return code == 0 ? fs_tx_isolate(call, tx, isolation) : code;
}

/* --- the table --- */

static const struct control {
    enum fs_tx_place place;
    const char *name;
    mode_t mode;
    int (*text)(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out);
    /* When touched, cut or written, once a handle; NULL: it only tells. */
    int (*act)(struct fs_call *call, struct fs_tx *tx, const char *subject);
    int (*take)(struct fs_call *call, struct fs_tx *tx, struct sfs_bytes data); /* what is written */
    int (*check)(struct fs_call *call, struct fs_tx *tx); /* before it is opened to be written */
    bool ends;   /* what the directory stands for: unlink acts as well */
    bool closes; /* closing a handle that can write acts, if it has not */
} controls[] = {
    /* What ends comes first: `rm -r` meets it before all else. */
    {FS_TX_IN_TRANSACTION, "rollback", .mode = 0600, .text = text_nothing, .act = act_rollback, .ends = true,
     .closes = true},
    {FS_TX_IN_TRANSACTION, "changes", .mode = 0400, .text = fs_tx_changes_text},
    {FS_TX_IN_TRANSACTION, "commit", .mode = 0600, .text = text_nothing, .act = act_commit,
     .check = fs_tx_doomed},
    {FS_TX_IN_TRANSACTION, "error", .mode = 0400, .text = text_error},
    {FS_TX_IN_TRANSACTION, "isolation", .mode = 0600, .text = text_isolation, .take = take_isolation},
    {FS_TX_IN_TRANSACTION, "status", .mode = 0400, .text = text_status},
    {FS_TX_IN_SAVEPOINT, "release", .mode = 0600, .text = text_nothing, .act = fs_tx_savepoint_release,
     .ends = true},
    {FS_TX_IN_SAVEPOINT, "rollback", .mode = 0600, .text = text_nothing, .act = fs_tx_savepoint_rollback},
};
#define CONTROLS (sizeof(controls) / sizeof(controls[0]))

static const struct control *find_control(enum fs_tx_place place, const char *name)
{
    for (size_t i = 0; i < CONTROLS; i++)
        if (controls[i].place == place && strcmp(controls[i].name, name) == 0)
            return &controls[i];
    return NULL;
}

int fs_tx_file_names(enum fs_tx_place place, struct sfs_buffer *names)
{
    int code = 0;
    for (size_t i = 0; i < CONTROLS && code == 0; i++)
        if (controls[i].place == place)
            code = fs_names_add(names, false, sfs_string(controls[i].name));
    return code;
}

int fs_tx_file_remove(struct fs_call *call, struct fs_node *dir, enum fs_tx_place place, const char *name,
                      const char *subject)
{
    const struct control *control = find_control(place, name);
    if (control == NULL)
        return SFS_E_NOT_FOUND;
    if (control->ends)
        return control->act(call, dir->data, subject);
    return sfs_fail(&call->error, SFS_E_PERMISSION, "transaction",
                    "'%s' cannot be removed by itself: rmdir of its directory ends what that stands for", name);
}

/* --- nodes: node->text is the row, as a byte, and the subject with its NUL; node->data the transaction --- */

static const struct control *control_of(const struct fs_node *node)
{
    return &controls[(unsigned char)node->text.data[0]];
}

void fs_tx_node_forget(struct fs_node *node)
{
    fs_tx_unref(node->data);
}

void fs_tx_stat(struct fs_call *call, struct fs_node *node, mode_t mode, struct stat *st)
{
    const struct fs_tx *tx = node->data;
    fs_stat_generated(call->fs, node, mode, st);
    st->st_uid = tx->uid;
    st->st_gid = tx->gid;
    st->st_atim = st->st_mtim = st->st_ctim = fs_time(tx->begun);
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
    return control->act(call, node->data, node->text.data + 1);
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

static bool can_write(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

/* As act(), but what a handle has done once it does not do again. */
static int act_once(struct fs_call *call, struct fs_open *open, struct fs_node *node)
{
    pthread_mutex_lock(&open->lock);
    bool acted = open->acted;
    pthread_mutex_unlock(&open->lock);
    int code = acted ? 0 : act(call, node);
    pthread_mutex_lock(&open->lock);
    open->acted = code == 0;
    pthread_mutex_unlock(&open->lock);
    return code;
}

static int file_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                     struct fuse_file_info *info)
{
    const struct control *control = control_of(node);
    bool writes = can_write(info->flags);
    bool acts = control->act != NULL;
    int code = writes && control->check != NULL ? control->check(call, node->data) : 0;
    if (code == 0 && writes && (info->flags & O_TRUNC || (!acts && control->take == NULL)))
        code = act_once(call, open, node);
    struct sfs_buffer text = {0};
    if (code == 0 && !writes)
        code = make_text(call, node, &text);
    if (code == 0 && !writes)
        return fs_open_text(call, open, &text, info);
    sfs_buffer_free(&text);
    fs_open_generated(info);
    return code;
}

static int file_write(struct fs_call *call, struct fs_open *open, struct sfs_bytes data, uint64_t offset)
{
    const struct control *control = control_of(open->node);
    (void)offset;
    return control->take != NULL ? control->take(call, open->node->data, data)
                                 : act_once(call, open, open->node);
}

/* The kernel closes what a process that was killed had open: a transaction ends so with who holds it. */
static void file_release(struct fs_call *call, struct fs_open *open)
{
    struct fs_call quiet = *call;
    if (control_of(open->node)->closes && can_write(open->flags) && !open->acted)
        (void)act_once(&quiet, open, open->node); /* it may have ended otherwise: as good */
}

static const struct fs_class file_class = {
    .name = "file of a transaction",
    .stat = file_stat,
    .set = file_set,
    .open = file_open,
    .read = fs_result_read,
    .seek = fs_result_seek,
    .generated = true,
    .write = file_write,
    .release = file_release,
    .forget = fs_tx_node_forget,
};

int fs_tx_file_lookup(struct fs_call *call, struct fs_node *dir, enum fs_tx_place place, const char *name,
                      const char *subject, struct fs_entry *entry)
{
    const struct control *control = find_control(place, name);
    struct sfs_buffer text = {0};
    if (control == NULL)
        return SFS_E_NOT_FOUND;
    if (sfs_buffer_byte(&text, (char)(control - controls)) == 0 &&
        sfs_buffer_append(&text, subject, strlen(subject) + 1) == 0)
        entry->node = fs_tx_node(call->fs, dir, name, &file_class, dir->data, sfs_buffer_bytes(&text));
    sfs_buffer_free(&text);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    entry->timeout = 0;
    return file_stat(call, entry->node, &entry->st);
}
