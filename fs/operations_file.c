/* SPDX-License-Identifier: MIT */
/*
 * Requests on open files and directories. A handle is a struct fs_open; the class owns what it holds.
 */
#include "fs/operations.h"
#include "fs/budget.h"
#include "fs/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/interrupt.h"
#include "fs/result.h"

static struct fs_open *open_new(struct fs_call *call, struct fs_node *node, struct fuse_file_info *info)
{
    if (fs_budget_count(call->fs, call->uid, FS_HANDLES, 1, &call->error) != 0)
        return NULL;
    struct fs_open *open = calloc(1, sizeof(*open));
    if (open == NULL) {
        fs_budget_uncount(call->fs, call->uid, FS_HANDLES, 1);
        sfs_fail_memory(&call->error, "mount");
        return NULL;
    }
    open->uid = call->uid;
    open->node = node;
    open->class = node->class;
    open->flags = info->flags;
    open->uses = 1;
    pthread_mutex_init(&open->lock, NULL);
    if (node->space != NULL)
        fs_space_hold(node->space);
    info->fh = (uint64_t)(uintptr_t)open;
    return open;
}

static void open_free(struct fs_call *call, struct fs_open *open)
{
    if (open == NULL)
        return;
    fs_result_close(call->fs, open);
    (void)fs_open_hold(call, open, (enum fs_counted)open->holds, 0);
    fs_budget_uncount(call->fs, open->uid, FS_HANDLES, 1);
    pthread_mutex_destroy(&open->lock);
    if (open->node->space != NULL)
        fs_space_let_go(open->node->space);
    free(open);
}

/* The node stays until the handle is gone: its open file may be the last that holds it. */
static void release(struct fs_call *call, struct fs_open *open)
{
    struct fs_node *node = open->node;
    fs_node_hold(call->fs, node);
    if (open->class->release != NULL)
        open->class->release(call, open);
    open_free(call, open);
    fs_node_forget(call->fs, node->id, 1);
}

/* Of whoever uses a handle, the last one closes it. */
static void let_go(struct fs_call *call, struct fs_open *open)
{
    if (atomic_fetch_sub(&open->uses, 1) == 1)
        release(call, open);
}

/* Where nothing changes, there is nothing that an open would have to find out. The kernel remembers this
 * answer for the whole mount: from then on it opens and closes without asking, and handles are 0. */
static bool has_no_handles(fuse_req_t request)
{
    const struct fs *fs = fuse_req_userdata(request);
    return fs->keys_only && fs->no_open;
}

void fs_op_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    if (has_no_handles(request)) {
        fuse_reply_err(request, ENOSYS);
        return;
    }
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_open *open = NULL;
    struct fs_answer answer;
    bool reads = (info->flags & O_TRUNC) == 0;
    if (reads && (info->flags & O_ACCMODE) == O_RDONLY)
        fs_answer_begin(&answer, &call, node);
    int code = reads ? fs_call_read(&call, node) : fs_call_change(&call, node);
    if (code == 0) {
        open = open_new(&call, node, info);
        code = open == NULL ? call.error.code : 0;
        if (code == 0)
            code = node->class->open != NULL ? node->class->open(&call, node, open, info)
                                             : fs_unsupported(&call, node, "open");
        fs_call_leave(&call, node);
    }
    if (code < 0) {
        if (open != NULL)
            sfs_record_unref(open->record);
        open_free(&call, open);
        fs_reply_failure(&call, node, "open", NULL, code);
    } else if (!fs_call_answers(&call) || fuse_reply_open(request, info) == -ENOENT) {
        release(&call, open); /* interrupted: no release will come */
    }
    fs_answer_end(&call, node);
}

void fs_op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                  struct fuse_file_info *info)
{
    struct fs_node *dir;
    struct fs_call call = fs_call_begin(request, parent, &dir);
    struct fs_entry entry = {0};
    struct fs_open *open = NULL;
    int code = fs_call_change(&call, dir);
    if (code == 0) {
        open = open_new(&call, dir, info);
        code = open == NULL ? call.error.code : 0;
        if (code == 0)
            code = dir->class->create != NULL
                       ? dir->class->create(&call, dir, name, mode, open, info, &entry)
                       : fs_unsupported(&call, dir, "making a file");
        fs_call_leave(&call, dir);
    }
    if (code < 0) {
        if (open != NULL)
            sfs_record_unref(open->record);
        open_free(&call, open);
        fs_reply_failure(&call, dir, "create", name, code);
        return;
    }
    open->node = entry.node;
    open->class = entry.node->class;
    struct fuse_entry_param param = fs_entry_param(&call, &entry);
    if (fuse_reply_create(request, &param, info) == -ENOENT) {
        release(&call, open);
        fs_node_forget(call.fs, entry.node->id, 1);
    }
}

void fs_op_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_open *open = fs_open_of(info);
    size_t got = 0;
    struct fs_answer answer;
    /* The handle may be closed meanwhile; its file holds the node. */
    bool given = open != NULL && fs_answer_can(node);
    if (given)
        atomic_fetch_add(&open->uses, 1);
    fs_answer_begin(&answer, &call, node);
    char *data = malloc(size != 0 ? size : 1);
    int code = data != NULL ? fs_call_read(&call, node) : sfs_fail_memory(&call.error, "mount");
    if (code == 0) {
        if (open == NULL)
            code = fs_keys_read(&call, node, data, size, (uint64_t)offset, &got);
        else
            code = open->class->read != NULL
                       ? open->class->read(&call, open, data, size, (uint64_t)offset, &got)
                       : fs_unsupported(&call, node, "read");
        fs_call_leave(&call, node);
    }
    if (code < 0)
        fs_reply_failure(&call, node, "read", NULL, code);
    else if (fs_call_answers(&call))
        fuse_reply_buf(request, data, got);
    free(data);
    if (given)
        let_go(&call, open);
    fs_answer_end(&call, node);
}

void fs_op_write(fuse_req_t request, fuse_ino_t id, const char *data, size_t size, off_t offset,
                 struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_open *open = fs_open_of(info);
    /* A page of a mapping goes where it was mapped, though the handle that brings it appends. */
    call.append = (info->flags & O_APPEND) != 0 && !info->writepage;
    call.open = info->writepage ? NULL : open;
    int code = fs_call_change(&call, node);
    if (code == 0) {
        code = open->class->write != NULL
                   ? open->class->write(&call, open, sfs_bytes(data, size), (uint64_t)offset)
                   : fs_unsupported(&call, node, "write");
        fs_call_leave(&call, node);
    }
    if (code < 0)
        fs_reply_failure(&call, node, "write", NULL, code);
    else
        fuse_reply_write(request, size);
}

void fs_op_fallocate(fuse_req_t request, fuse_ino_t id, int mode, off_t offset, off_t size,
                     struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_open *open = call.open = fs_open_of(info);
    int code = fs_call_change(&call, node);
    if (code == 0) {
        code = open->class->allocate != NULL
                   ? open->class->allocate(&call, open, mode, (uint64_t)offset, (uint64_t)size)
                   : fs_unsupported(&call, node, "fallocate");
        fs_call_leave(&call, node);
    }
    fs_reply_code(&call, node, "fallocate", NULL, code);
}

/* Only asked where data or holes are. */
void fs_op_lseek(fuse_req_t request, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_open *open = fs_open_of(info);
    uint64_t found = 0;
    if (open == NULL) {
        fuse_reply_err(request, ENOSYS); /* the kernel takes all of it for data */
        return;
    }
    int code = fs_call_read(&call, node);
    if (code == 0) {
        code = open->class->seek != NULL
                   ? open->class->seek(&call, open, (uint64_t)offset, whence == SEEK_DATA, &found)
                   : fs_unsupported(&call, node, "lseek");
        fs_call_leave(&call, node);
    }
    if (code == SFS_E_NOT_FOUND)
        fuse_reply_err(request, ENXIO);
    else if (code < 0)
        fs_reply_failure(&call, node, "lseek", NULL, code);
    else
        fuse_reply_lseek(request, (off_t)found);
}

void fs_op_flush(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_open *open = fs_open_of(info);
    int code = 0;
    if (open == NULL) {
        fuse_reply_err(request, ENOSYS); /* not asked again: nothing is written here */
        return;
    }
    if (open->class->flush != NULL)
        code = open->class->flush(&call, open);
    if (code < 0) {
        fs_keep_failure(&call, node, "close", NULL, code); /* under the name, which it may lose now */
        open->class->refused(&call, open, code);
    }
    fuse_reply_err(request, code < 0 ? sfs_code_errno(code) : 0);
}

void fs_op_fsync(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    (void)datasync;
    (void)info;
    int code = fs_call_enter(&call, node);
    if (code == 0) {
        code = node->class->sync != NULL ? node->class->sync(&call, node) : 0;
        fs_call_leave(&call, node);
    }
    fs_reply_code(&call, node, "fsync", NULL, code);
}

void fs_op_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    let_go(&call, fs_open_of(info));
    fuse_reply_err(request, 0);
}

/* --- directories --- */

void fs_op_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    int code = fs_call_read(&call, node);
    if (code == 0) {
        if (node->class->list == NULL)
            code = SFS_E_NOT_DIRECTORY;
        else if (open_new(&call, node, info) == NULL)
            code = call.error.code;
        fs_call_leave(&call, node);
    }
    info->cache_readdir = info->keep_cache = call.fs->keys_only;
    if (code < 0)
        fs_reply_failure(&call, node, "opendir", NULL, code);
    else if (fuse_reply_open(request, info) == -ENOENT)
        open_free(&call, fs_open_of(info));
}

/* What the kernel is told of an entry right away: a node, where the class gave all of it. */
static struct fuse_entry_param plus_param(struct fs_list *list, const struct fs_dirent *entry)
{
    struct fuse_entry_param param = {.attr = entry->st};
    if (entry->class == NULL)
        return param;
    struct fs_node *node = fs_node_intern(list->call->fs, list->dir, entry->name, entry->class,
                                          entry->space, (enum fs_kind)entry->kind, entry->text);
    if (node == NULL)
        return param;
    if (fs_node_retyped(list->call->fs, node, entry->st.st_mode)) {
        fs_node_forget(list->call->fs, node->id, 1);
        return plus_param(list, entry);
    }
    fs_nodes_lock(list->call->fs->nodes);
    if (node->ino == 0)
        node->ino = entry->st.st_ino;
    node->shown_modified = fs_nanoseconds(entry->st.st_mtim);
    if (entry->revision != 0) {
        node->attribute_size = (uint64_t)entry->st.st_size;
        node->attribute_revision = entry->revision;
    }
    fs_nodes_unlock(list->call->fs->nodes);
    param.ino = node->id;
    param.attr_timeout = fs_call_keeps(list->call, entry->timeout);
    param.entry_timeout = fs_call_names(list->call, node, entry->timeout);
    return param;
}

static int add_plus(struct fs_list *list, const struct fs_dirent *entry)
{
    size_t room = list->size - list->used;
    struct fuse_entry_param param = {.attr = entry->st};
    if (fuse_add_direntry_plus(list->call->request, NULL, 0, entry->name, &param,
                               (off_t)entry->next) > room)
        return 1;
    param = plus_param(list, entry);
    list->used += fuse_add_direntry_plus(list->call->request, list->data + list->used, room,
                                         entry->name, &param, (off_t)entry->next);
    return 0;
}

int fs_list_add(struct fs_list *list, const struct fs_dirent *entry)
{
    if (list == NULL)
        return 0; /* stepping over entries that were given before */
    if (list->plus)
        return add_plus(list, entry);
    size_t room = list->size - list->used;
    size_t need = fuse_add_direntry(list->call->request, list->data + list->used, room, entry->name,
                                    &entry->st, (off_t)entry->next);
    if (need > room)
        return 1;
    list->used += need;
    return 0;
}

static void read_directory(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                           struct fuse_file_info *info, bool plus)
{
    struct fs_node *node;
    struct fs_call call = fs_call_begin(request, id, &node);
    struct fs_list list = {.call = &call, .dir = node, .data = malloc(size), .size = size, .plus = plus};
    struct fs_open *open = fs_open_of(info);
    int code =
        list.data != NULL ? fs_call_read(&call, node) : sfs_fail_memory(&call.error, "mount");
    if (code == 0) {
        pthread_mutex_lock(&open->lock);
        code = open->class->list(&call, open, (uint64_t)offset, &list);
        pthread_mutex_unlock(&open->lock);
        fs_call_leave(&call, node);
    }
    /* What is in the reply already is good; the failure comes again with the next request. */
    if (code < 0 && list.used == 0)
        fs_reply_failure(&call, node, "readdir", NULL, code);
    else
        fuse_reply_buf(request, list.data, list.used);
    free(list.data);
}

void fs_op_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                   struct fuse_file_info *info)
{
    read_directory(request, id, size, offset, info, false);
}

void fs_op_readdirplus(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    read_directory(request, id, size, offset, info, true);
}
