/* SPDX-License-Identifier: MIT */
/*
 * Requests that name things: look-up, attributes, making, removing, renaming, extended attributes.
 * Thin: each finds its node, asks the class and replies once.
 */
#include "fs/operations.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "fs/interrupt.h"
#include "fs/result.h"

#define ERROR_XATTR "user.storefs.error"

struct fs_call fs_call_begin(fuse_req_t request, fuse_ino_t id, struct fs_node **ret_node)
{
    const struct fuse_ctx *context = fuse_req_ctx(request);
    struct fs_call call = {.fs = fuse_req_userdata(request),
                           .request = request,
                           .uid = context->uid,
                           .gid = context->gid,
                           .pid = context->pid};
    call.told = call.fs->told;
    *ret_node = fs_node_find(call.fs, id);
    return call;
}

static bool in_keys(const struct fs_node *node)
{
    return node->class == &fs_keys_directory_class || node->class == &fs_keys_leaf_class;
}

int fs_call_enter(struct fs_call *call, struct fs_node *node)
{
    if (node == NULL)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount", "the kernel asked for an unknown node");
    int code = node->space != NULL ? fs_space_enter(node->space, &call->error) : 0;
    if (code == 0 && node->space != NULL)
        node->space->used = true;
    return code;
}

int fs_call_read(struct fs_call *call, struct fs_node *node)
{
    int code = fs_call_enter(call, node);
    if (code < 0 || !in_keys(node))
        return code;
    fs_space_read(node->space);
    call->tree = FS_READS;
    return 0;
}

int fs_call_change(struct fs_call *call, struct fs_node *node)
{
    int code = fs_call_enter(call, node);
    if (code < 0 || !in_keys(node))
        return code;
    fs_space_change(node->space);
    call->tree = FS_CHANGES;
    return 0;
}

void fs_call_leave(struct fs_call *call, struct fs_node *node)
{
    if (node == NULL || node->space == NULL)
        return;
    if (call->tree == FS_READS)
        fs_space_read_end(node->space);
    else if (call->tree == FS_CHANGES)
        fs_space_change_end(node->space);
    call->tree = FS_OUTSIDE;
    fs_space_leave(node->space);
}

/* What programs ask to learn whether it is there is no failure to keep, nor is what they gave up;
 * `ls -l` asks each file for access control lists, and `cp -p` sets them. */
static bool is_answer(const char *operation, const char *name, int code)
{
    bool lists = name != NULL && strncmp(name, "system.", strlen("system.")) == 0;
    return (code == SFS_E_NOT_FOUND && strcmp(operation, "read") != 0) ||
           code == SFS_E_NO_ATTRIBUTE || code == SFS_E_CANCELLED ||
           (code == SFS_E_EXPIRED && strcmp(operation, "stat") == 0) ||
           (code == SFS_E_UNSUPPORTED && (lists || strcmp(operation, "getxattr") == 0));
}

void fs_keep_failure(struct fs_call *call, struct fs_node *node, const char *operation, const char *name, int code)
{
    if (is_answer(operation, name, code) || call->looks_again)
        return;
    if (call->error.code != code)
        sfs_fail(&call->error, code, "mount", "%s",
                 code == SFS_E_NOT_FOUND ? "there is no such file" : sfs_code_name(code));
    fs_errors_keep(call->fs, node, operation, name, &call->error);
}

void fs_reply_failure(struct fs_call *call, struct fs_node *node, const char *operation,
                      const char *name, int code)
{
    if (!fs_call_answers(call))
        return;
    fs_keep_failure(call, node, operation, name, code);
    fuse_reply_err(call->request, sfs_code_errno(code));
}

void fs_reply_code(struct fs_call *call, struct fs_node *node, const char *operation,
                   const char *name, int code)
{
    if (code < 0)
        fs_reply_failure(call, node, operation, name, code);
    else
        fuse_reply_err(call->request, 0);
}

int fs_unsupported(struct fs_call *call, const struct fs_node *node, const char *operation)
{
    return sfs_fail(&call->error, SFS_E_PERMISSION, "mount", "%s does not work here: %s", operation,
                    node->class->name);
}

/* Seconds that the kernel may keep a node's attributes; `otherwise`, where that is not the space's affair. */
static double timeout_of(const struct fs_node *node, const struct stat *st, double otherwise)
{
    if (node->class->generated && S_ISREG(st->st_mode))
        return 0;
    if (node->class->constant)
        return FS_CONSTANT_TIMEOUT;
    return node->space != NULL ? node->space->attribute_timeout : otherwise;
}

/* What was read before others changed something may be kept by nobody. */
double fs_call_keeps(const struct fs_call *call, double timeout)
{
    return call->told == call->fs->told ? timeout : 0;
}

double fs_call_names(const struct fs_call *call, struct fs_node *node, double timeout)
{
    double keeps = fs_call_keeps(call, timeout);
    if (node->class != &fs_keys_leaf_class || keeps <= 0 || call->fs->keys_only)
        return keeps;
    if (keeps > FS_LEAF_TIMEOUT)
        keeps = FS_LEAF_TIMEOUT;
    node->named_until = fs_monotonic_ms() + (int64_t)(keeps * 1000);
    return keeps;
}

/* A name is looked up at each open where that may need another node. */
static double name_timeout(const struct fs_entry *entry)
{
    return entry->node->class->generated && S_ISREG(entry->st.st_mode) ? 0 : entry->timeout;
}

struct fuse_entry_param fs_entry_param(const struct fs_call *call, const struct fs_entry *entry)
{
    return (struct fuse_entry_param){
        .ino = entry->node->id,
        .attr = entry->st,
        .attr_timeout = fs_call_keeps(call, timeout_of(entry->node, &entry->st, entry->timeout)),
        .entry_timeout = fs_call_names(call, entry->node, name_timeout(entry)),
    };
}

static void reply_entry(struct fs_call *call, struct fs_node *dir, const char *operation,
                        const char *name, struct fs_entry *entry, int code)
{
    if (code < 0) {
        fs_reply_failure(call, dir, operation, name, code);
        return;
    }
    struct fuse_entry_param param = fs_entry_param(call, entry);
    /* A request that was interrupted leaves no entry with the kernel, which will not forget it. */
    if (!fs_call_answers(call) || fuse_reply_entry(call->request, &param) == -ENOENT)
        fs_node_forget(call->fs, entry->node->id, 1);
}

static void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct fs_node *dir;
    struct fs_call call = fs_call_begin(request, parent, &dir);
    struct fs_entry entry = {0};
    struct fs_answer answer;
    fs_answer_begin(&answer, &call, dir);
    int code = fs_call_read(&call, dir);
    if (code == 0) {
        code = dir->class->lookup != NULL ? dir->class->lookup(&call, dir, name, &entry)
                                          : SFS_E_NOT_DIRECTORY;
        fs_call_leave(&call, dir);
    }
    if (code == SFS_E_NOT_FOUND && call.fs->keys_only && fs_call_answers(&call)) /* nor will it be */
        fuse_reply_entry(request, &(struct fuse_entry_param){.entry_timeout = FS_CONSTANT_TIMEOUT});
    else
        reply_entry(&call, dir, "lookup", name, &entry, code);
    fs_answer_end(&call, dir);
}

static void op_forget(fuse_req_t request, fuse_ino_t id, uint64_t count)
{
    fs_node_forget(fuse_req_userdata(request), id, count);
    fuse_reply_none(request);
}

static void op_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        fs_node_forget(fuse_req_userdata(request), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
}

static void reply_stat(struct fs_call *call, struct fs_node *node, const char *operation,
                       struct stat *st, int code)
{
    if (code < 0)
        fs_reply_failure(call, node, operation, NULL, code);
    else if (fs_call_answers(call))
        fuse_reply_attr(call->request, st, fs_call_keeps(call, timeout_of(node, st, 0)));
}

/*
 * A read through pages asks for attributes first where they are old; what makes the kernel drop the pages is another
 * time or size. Where others have changed the value and set its time to what it was, it is told one that is a
 * nanosecond off, which it may not keep: only read(2) asks with a handle, so that nobody sees it.
 */
static bool hides_change(const struct fs_node *node, int64_t shown, const struct stat *st)
{
    uint64_t pages = node->page_revision, now = node->attribute_revision;
    return node->class == &fs_keys_leaf_class && S_ISREG(st->st_mode) && pages != 0 && now != 0 && now != FS_REVISION_OTHER &&
           pages != now && node->shown_modified == shown;
}

static void reply_reader(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    int64_t one = st->st_mtim.tv_nsec > 0 ? -1 : 1;
    st->st_mtim.tv_nsec += one;
    node->shown_modified += one;
    if (fs_call_answers(call))
        fuse_reply_attr(call->request, st, 0);
}

static void op_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct stat st = {0};
    struct fs_answer answer;
    fs_answer_begin(&answer, &call, node);
    int code = fs_call_read(&call, node);
    int64_t shown = code == 0 ? node->shown_modified : 0;
    int result = 0;
    if (code == 0) {
        code = node->class->stat(&call, node, &st);
        result = code == 0 && node->class->generated ? fs_result_stat(&call, node, &st) : 0;
        fs_call_leave(&call, node);
    }
    /* It knew the node for longer than the store had it: at this answer it looks the name up again. */
    if (code == SFS_E_NOT_FOUND && node->space != NULL)
        code = sfs_fail(&call.error, SFS_E_EXPIRED, "mount", "there is no such file any more");
    if (code == 0 && info != NULL && hides_change(node, shown, &st))
        reply_reader(&call, node, &st);
    else if (result < 0)
        fs_reply_failure(&call, node, "read", NULL, result);
    else
        reply_stat(&call, node, "stat", &st, code);
    fs_answer_end(&call, node);
}

static void op_setattr(fuse_req_t request, fuse_ino_t id, struct stat *want, int mask,
                       struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct stat st = {0};
    call.open = fs_open_of(info);
    int code = fs_call_change(&call, node);
    if (code == 0) {
        code = node->class->set != NULL ? node->class->set(&call, node, want, mask, &st)
                                        : fs_unsupported(&call, node, "setting attributes");
        fs_call_leave(&call, node);
    }
    reply_stat(&call, node, "setattr", &st, code);
}

static void op_readlink(fuse_req_t request, fuse_ino_t id)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct sfs_buffer target = {0};
    struct fs_answer answer;
    fs_answer_begin(&answer, &call, node);
    int code = fs_call_read(&call, node);
    if (code == 0) {
        code = node->class->readlink != NULL ? node->class->readlink(&call, node, &target)
                                             : SFS_E_INVALID;
        fs_call_leave(&call, node);
    }
    if (code == 0 && sfs_buffer_text(&target) != 0)
        code = sfs_fail_memory(&call.error, "mount");
    if (code < 0)
        fs_reply_failure(&call, node, "readlink", NULL, code);
    else if (fs_call_answers(&call))
        fuse_reply_readlink(request, target.data);
    sfs_buffer_free(&target);
    fs_answer_end(&call, node);
}

static void make(fuse_req_t request, fuse_ino_t parent, const char *name, const char *operation,
                 const struct fs_make *what)
{
    struct fs_node *dir;
    struct fs_call call = fs_call_begin(request, parent, &dir);
    struct fs_entry entry = {0};
    int code = fs_call_change(&call, dir);
    if (code == 0) {
        code = dir->class->make != NULL ? dir->class->make(&call, dir, name, what, &entry)
                                        : fs_unsupported(&call, dir, operation);
        fs_call_leave(&call, dir);
    }
    reply_entry(&call, dir, operation, name, &entry, code);
}

static void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    make(request, parent, name, "mknod", &(struct fs_make){.mode = mode, .device = device});
}

static void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    make(request, parent, name, "mkdir", &(struct fs_make){.mode = S_IFDIR | (mode & 07777)});
}

static void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    make(request, parent, name, "symlink", &(struct fs_make){.mode = S_IFLNK | 0777, .target = target});
}

static void take_away(fuse_req_t request, fuse_ino_t parent, const char *name, bool directory)
{
    struct fs_node *dir;
    struct fs_call call = fs_call_begin(request, parent, &dir);
    const char *operation = directory ? "rmdir" : "unlink";
    int code = fs_call_change(&call, dir);
    if (code == 0) {
        code = dir->class->remove != NULL ? dir->class->remove(&call, dir, name, directory)
                                          : fs_unsupported(&call, dir, operation);
        fs_call_leave(&call, dir);
    }
    fs_reply_code(&call, dir, operation, name, code);
}

static void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    take_away(request, parent, name, false);
}

static void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    take_away(request, parent, name, true);
}

static void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
                      const char *to_name, unsigned flags)
{
    struct fs_node *dir, *to_dir;
    struct fs_call call = fs_call_begin(request, parent, &dir);
    to_dir = fs_node_find(call.fs, to_parent);
    int code = fs_call_change(&call, dir);
    if (code == 0) {
        if (to_dir == NULL || dir->space != to_dir->space || dir->class != to_dir->class)
            code = sfs_fail(&call.error, SFS_E_CROSS, "mount",
                            "a file cannot be renamed from one store or transaction to another: copy it");
        else if (dir->class->rename == NULL)
            code = fs_unsupported(&call, dir, "rename");
        else
            code = dir->class->rename(&call, dir, name, to_dir, to_name, flags);
        fs_call_leave(&call, dir);
    }
    fs_reply_code(&call, dir, "rename", name, code);
}

static void op_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
    struct fs_node *dir;
    struct fs_call call = fs_call_begin(request, parent, &dir);
    (void)id;
    fs_reply_failure(&call, dir, "link", name,
                     sfs_fail(&call.error, SFS_E_PERMISSION, "mount",
                              "a key has one name: hard links are not possible, make a symbolic link"));
}

static void op_statfs(fuse_req_t request, fuse_ino_t id)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct sfs_storage *store = call.fs->space->store;
    struct sfs_totals totals = {0};
    struct statvfs vfs = {0};
    const char *location = sfs_storage_location(store);
    /* A store of plain files has the files of its file system: to count its own would take a look
     * into each directory. */
    bool counts = !(sfs_storage_capabilities(store) & SFS_CAN_CHANGE_OUTSIDE);
    int code = counts ? sfs_totals(store, &totals, &call.error) : 0;
    if (code < 0) {
        fs_reply_failure(&call, node, "statfs", NULL, code);
        return;
    }
    if (statvfs(location[0] != '\0' ? location : "/dev/shm", &vfs) != 0)
        vfs = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096};
    /* The room is the file system's that the store lies on; the files are the store's. One without
     * a number of files (Btrfs, most of FUSE) has room for one in each block. 0 blocks: unknown. */
    if (counts)
        vfs.f_ffree = vfs.f_files == 0 ? vfs.f_bavail : vfs.f_ffree;
    if (counts)
        vfs.f_files = vfs.f_ffree == 0 && vfs.f_blocks == 0 ? 0 : totals.records + vfs.f_ffree;
    vfs.f_favail = vfs.f_ffree;
    vfs.f_namemax = SFS_PATH_NAME_MAX;
    fuse_reply_statfs(request, &vfs);
}

static int reply_bytes(struct fs_call *call, const struct sfs_buffer *bytes, size_t size)
{
    if (!fs_call_answers(call))
        return 0;
    if (size == 0)
        return fuse_reply_xattr(call->request, bytes->size);
    if (bytes->size > size)
        return fuse_reply_err(call->request, ERANGE);
    return fuse_reply_buf(call->request, bytes->data, bytes->size);
}

static void op_getxattr(fuse_req_t request, fuse_ino_t id, const char *name, size_t size)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct sfs_buffer value = {0};
    struct fs_answer answer;
    int code;
    fs_answer_begin(&answer, &call, node);
    if (node != NULL && strcmp(name, ERROR_XATTR) == 0) {
        code = fs_errors_of_node(&call, node, &value);
    } else if ((code = fs_call_read(&call, node)) == 0) {
        code = node->class->xattr_get != NULL ? node->class->xattr_get(&call, node, name, &value)
                                              : SFS_E_NO_ATTRIBUTE;
        fs_call_leave(&call, node);
    }
    if (code < 0)
        fs_reply_failure(&call, node, "getxattr", name, code);
    else
        reply_bytes(&call, &value, size);
    sfs_buffer_free(&value);
    fs_answer_end(&call, node);
}

static void op_listxattr(fuse_req_t request, fuse_ino_t id, size_t size)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct sfs_buffer names = {0};
    int code = fs_call_read(&call, node);
    if (code == 0) {
        code = node->class->xattr_list != NULL ? node->class->xattr_list(&call, node, &names) : 0;
        fs_call_leave(&call, node);
    }
    if (code < 0)
        fs_reply_failure(&call, node, "listxattr", NULL, code);
    else
        reply_bytes(&call, &names, size);
    sfs_buffer_free(&names);
}

static void change_xattr(fuse_req_t request, fuse_ino_t id, const char *name, struct sfs_bytes value,
                         unsigned flags, const char *operation)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    int code = fs_call_change(&call, node);
    if (code == 0) {
        if (strcmp(name, ERROR_XATTR) == 0)
            code = sfs_fail(&call.error, SFS_E_PERMISSION, "mount", "'%s' cannot be set", name);
        else if (node->class->xattr_set == NULL)
            code = fs_unsupported(&call, node, operation);
        else
            code = node->class->xattr_set(&call, node, name, value, flags);
        fs_call_leave(&call, node);
    }
    fs_reply_code(&call, node, operation, name, code);
}

static void op_setxattr(fuse_req_t request, fuse_ino_t id, const char *name, const char *value,
                        size_t size, int flags)
{
    change_xattr(request, id, name, sfs_bytes(size > 0 ? value : "", size), (unsigned)flags, "setxattr");
}

static void op_removexattr(fuse_req_t request, fuse_ino_t id, const char *name)
{
    change_xattr(request, id, name, sfs_bytes(NULL, 0), 0, "removexattr");
}

static void op_init(void *context, struct fuse_conn_info *connection)
{
    struct fs *fs = context;
    connection->max_write = 1u << 20;
    fs->no_open = (connection->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0;
    /* The kernel, which knows who writes, takes set-user-id bits away by a request of its own. */
    connection->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV;
    if (fs->ready != NULL)
        fs->ready(fs->ready_context);
}

const struct fuse_lowlevel_ops fs_operations = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .symlink = op_symlink,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .rename = op_rename,
    .link = op_link,
    .statfs = op_statfs,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
    .open = fs_op_open,
    .create = fs_op_create,
    .read = fs_op_read,
    .write = fs_op_write,
    .fallocate = fs_op_fallocate,
    .lseek = fs_op_lseek,
    .flush = fs_op_flush,
    .fsync = fs_op_fsync,
    .release = fs_op_release,
    .opendir = fs_op_opendir,
    .readdir = fs_op_readdir,
    .readdirplus = fs_op_readdirplus,
    .releasedir = fs_op_release,
    .fsyncdir = fs_op_fsync,
};
