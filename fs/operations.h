/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_OPERATIONS_H
#define STOREFS_FS_OPERATIONS_H

/*
 * How requests begin and end: shared by operations.c (names and attributes) and operations_file.c
 * (handles). Every handler begins a call, asks the node's class, and ends with exactly one reply.
 */
#include "fs/node.h"

/* The handle that a request came with; NULL: none. */
static inline struct fs_open *fs_open_of(const struct fuse_file_info *info)
{
    return info != NULL ? (struct fs_open *)(uintptr_t)info->fh : NULL;
}

/* One reply of a listing, filled by fs_list_add. */
struct fs_list {
    struct fs_call *call;
    struct fs_node *dir;
    char *data;
    size_t size;
    size_t used;
    bool plus;
};

/* The call, and in *ret_node the node of `id` (NULL only for a number the kernel cannot have). */
struct fs_call fs_call_begin(fuse_req_t request, fuse_ino_t id, struct fs_node **ret_node);
/* Around a class's operation: the node's space is entered if it has one, and its keys tree to read
 * or to change. */
int fs_call_enter(struct fs_call *call, struct fs_node *node); /* not the keys tree */
int fs_call_read(struct fs_call *call, struct fs_node *node);
int fs_call_change(struct fs_call *call, struct fs_node *node);
void fs_call_leave(struct fs_call *call, struct fs_node *node);
/* The sentence is kept, where it is no mere answer to a question. */
void fs_keep_failure(struct fs_call *call, struct fs_node *node, const char *operation, const char *name, int code);
/* That, and the errno is replied. */
void fs_reply_failure(struct fs_call *call, struct fs_node *node, const char *operation,
                      const char *name, int code);
/* 0: success without more; else as fs_reply_failure. */
void fs_reply_code(struct fs_call *call, struct fs_node *node, const char *operation,
                   const char *name, int code);
/* Fills what the kernel is told of an entry. */
struct fuse_entry_param fs_entry_param(const struct fs_call *call, const struct fs_entry *entry);
/* For how long the kernel may keep what the call has read: `timeout`, or not at all where changes were told
 * of meanwhile. */
double fs_call_keeps(const struct fs_call *call, double timeout);
/* The same for the name of a node. That of a file no longer than FS_LEAF_TIMEOUT: a path that goes through what was a file,
 * and is a directory by now, fails until then, and nothing that could not hang the mount would tell the kernel. */
double fs_call_names(const struct fs_call *call, struct fs_node *node, double timeout);
/* What an operation that a class does not have answers. */
int fs_unsupported(struct fs_call *call, const struct fs_node *node, const char *operation);

void fs_op_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info);
void fs_op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                  struct fuse_file_info *info);
void fs_op_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                struct fuse_file_info *info);
void fs_op_write(fuse_req_t request, fuse_ino_t id, const char *data, size_t size, off_t offset,
                 struct fuse_file_info *info);
void fs_op_fallocate(fuse_req_t request, fuse_ino_t id, int mode, off_t offset, off_t size,
                     struct fuse_file_info *info);
void fs_op_lseek(fuse_req_t request, fuse_ino_t id, off_t offset, int whence,
                 struct fuse_file_info *info);
void fs_op_flush(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info);
void fs_op_fsync(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *info);
void fs_op_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info);
void fs_op_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info);
void fs_op_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                   struct fuse_file_info *info);
void fs_op_readdirplus(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                       struct fuse_file_info *info);

#endif
