/* SPDX-License-Identifier: MIT */
/* A file system in memory: see floor.h. */
#include "tests/bench/floor.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <uthash.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#define KEPT 3600.0 /* seconds */

struct node {
    struct stat st;
    struct node *parent;
    char *data; /* of a file */
    size_t room;
    struct node **entries; /* of a directory, in the order in which they came; NULL: gone */
    size_t count;
    size_t capacity;
    size_t place; /* among the parent's entries */
    UT_hash_handle hh;
    size_t key_size;
    uint64_t key_parent; /* with the name behind it the hash key */
    char name[];
};

static struct node **nodes; /* by number */
static size_t node_count = FUSE_ROOT_ID, node_capacity;
static struct node *by_name;
static bool direct;

static void *need(void *memory)
{
    if (memory == NULL)
        _exit(3);
    return memory;
}

static struct node *node_of(fuse_ino_t id)
{
    return nodes[id];
}

static struct node *node_new(struct node *parent, const char *name, mode_t mode)
{
    size_t length = strlen(name);
    struct node *node = need(calloc(1, sizeof(*node) + length + 1));
    if (node_count >= node_capacity) {
        node_capacity = node_capacity ? node_capacity * 2 : 1024;
        nodes = need(realloc(nodes, node_capacity * sizeof(*nodes)));
    }
    node->st.st_ino = node_count;
    node->st.st_mode = mode;
    node->st.st_nlink = 1;
    clock_gettime(CLOCK_REALTIME, &node->st.st_mtim);
    node->st.st_atim = node->st.st_ctim = node->st.st_mtim;
    memcpy(node->name, name, length + 1);
    node->parent = parent;
    nodes[node_count++] = node;
    return node;
}

static struct node *find(const struct node *dir, const char *name)
{
    struct {
        uint64_t parent;
        char name[256];
    } key = {.parent = dir->st.st_ino};
    size_t length = strlen(name);
    struct node *found;
    if (length >= sizeof(key.name))
        return NULL;
    memcpy(key.name, name, length);
    HASH_FIND(hh, by_name, &key, sizeof(key.parent) + length, found);
    return found;
}

static void put_in(struct node *dir, struct node *node)
{
    if (dir->count == dir->capacity) {
        dir->capacity = dir->capacity ? dir->capacity * 2 : 64;
        dir->entries = need(realloc(dir->entries, dir->capacity * sizeof(*dir->entries)));
    }
    node->place = dir->count;
    dir->entries[dir->count++] = node;
    node->parent = dir;
    node->key_parent = dir->st.st_ino;
    node->key_size = sizeof(node->key_parent) + strlen(node->name);
    HASH_ADD_KEYPTR(hh, by_name, &node->key_parent, node->key_size, node);
}

/* Nothing is freed but the bytes of a file: numbers stay valid. */
static void take_out(struct node *node)
{
    HASH_DEL(by_name, node);
    node->parent->entries[node->place] = NULL;
    while (node->parent->count > 0 && node->parent->entries[node->parent->count - 1] == NULL)
        node->parent->count--;
}

static int resize(struct node *node, size_t size)
{
    if (size > node->room) {
        size_t room = size > node->room * 2 ? size : node->room * 2;
        char *data = realloc(node->data, room);
        if (data == NULL)
            return ENOSPC;
        node->data = data;
        node->room = room;
    }
    if (size > (size_t)node->st.st_size)
        memset(node->data + node->st.st_size, 0, size - (size_t)node->st.st_size);
    node->st.st_size = (off_t)size;
    node->st.st_blocks = (blkcnt_t)((size + 511) / 512);
    return 0;
}

/* --- requests --- */

static struct fuse_entry_param entry_of(const struct node *node)
{
    return (struct fuse_entry_param){
        .ino = node->st.st_ino, .attr = node->st, .attr_timeout = KEPT, .entry_timeout = KEPT};
}

static void op_init(void *context, struct fuse_conn_info *connection)
{
    (void)context;
    connection->max_write = 1u << 20;
}

static void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct node *node = find(node_of(parent), name);
    if (node == NULL) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    struct fuse_entry_param entry = entry_of(node);
    fuse_reply_entry(request, &entry);
}

static void op_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    (void)info;
    fuse_reply_attr(request, &node_of(id)->st, KEPT);
}

static void op_setattr(fuse_req_t request, fuse_ino_t id, struct stat *want, int mask,
                       struct fuse_file_info *info)
{
    struct node *node = node_of(id);
    (void)info;
    if (mask & FUSE_SET_ATTR_MODE)
        node->st.st_mode = (node->st.st_mode & S_IFMT) | (want->st_mode & 07777);
    if (mask & FUSE_SET_ATTR_SIZE)
        resize(node, (size_t)want->st_size);
    fuse_reply_attr(request, &node->st, KEPT);
}

static void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct node *dir = node_of(parent);
    if (find(dir, name) != NULL) {
        fuse_reply_err(request, EEXIST);
        return;
    }
    struct node *node = node_new(dir, name, S_IFDIR | (mode & 07777));
    put_in(dir, node);
    struct fuse_entry_param entry = entry_of(node);
    fuse_reply_entry(request, &entry);
}

static void op_remove(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct node *node = find(node_of(parent), name);
    if (node == NULL) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    take_out(node);
    free(node->data);
    node->data = NULL;
    node->room = 0;
    node->st.st_size = 0;
    fuse_reply_err(request, 0);
}

/* The node moves by being made anew: its number stays. */
static void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
                      const char *to_name, unsigned flags)
{
    struct node *node = find(node_of(parent), name);
    struct node *over = find(node_of(to_parent), to_name);
    size_t length = strlen(to_name);
    (void)flags;
    if (node == NULL) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    if (over != NULL)
        take_out(over);
    take_out(node);
    if (length > strlen(node->name))
        node = need(realloc(node, sizeof(*node) + length + 1));
    nodes[node->st.st_ino] = node;
    memcpy(node->name, to_name, length + 1);
    put_in(node_of(to_parent), node);
    for (size_t i = 0; i < node->count; i++)
        if (node->entries[i] != NULL)
            node->entries[i]->parent = node;
    fuse_reply_err(request, 0);
}

static void op_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    if (info->flags & O_TRUNC)
        resize(node_of(id), 0);
    info->keep_cache = 1;
    info->noflush = (info->flags & O_ACCMODE) == O_RDONLY;
    fuse_reply_open(request, info);
}

static void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *info)
{
    struct node *dir = node_of(parent);
    struct node *node = find(dir, name);
    if (node == NULL) {
        node = node_new(dir, name, S_IFREG | (mode & 07777));
        put_in(dir, node);
    }
    struct fuse_entry_param entry = entry_of(node);
    info->direct_io = direct;
    fuse_reply_create(request, &entry, info);
}

static void op_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    const struct node *node = node_of(id);
    size_t left = offset < node->st.st_size ? (size_t)(node->st.st_size - offset) : 0;
    (void)info;
    fuse_reply_buf(request, left != 0 ? node->data + offset : NULL, left < size ? left : size);
}

static void op_write(fuse_req_t request, fuse_ino_t id, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    struct node *node = node_of(id);
    size_t end = (size_t)offset + size;
    (void)info;
    if (end > (size_t)node->st.st_size && resize(node, end) != 0) {
        fuse_reply_err(request, ENOSPC);
        return;
    }
    memcpy(node->data + offset, data, size);
    fuse_reply_write(request, size);
}

static void op_done(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    (void)id;
    (void)info;
    fuse_reply_err(request, 0);
}

static void op_fsync(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *info)
{
    (void)datasync;
    op_done(request, id, info);
}

static void op_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
    (void)id;
    fuse_reply_open(request, info);
}

static size_t add_entry(fuse_req_t request, char *data, size_t room, const struct node *node,
                        off_t next, bool plus)
{
    struct fuse_entry_param entry = entry_of(node);
    return plus ? fuse_add_direntry_plus(request, data, room, node->name, &entry, next)
                : fuse_add_direntry(request, data, room, node->name, &node->st, next);
}

static void list(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset, bool plus)
{
    const struct node *dir = node_of(id);
    char *data = need(malloc(size));
    size_t used = 0;
    for (size_t i = (size_t)offset; i < dir->count; i++) {
        if (dir->entries[i] == NULL)
            continue;
        size_t more =
            add_entry(request, data + used, size - used, dir->entries[i], (off_t)i + 1, plus);
        if (more > size - used)
            break;
        used += more;
    }
    fuse_reply_buf(request, data, used);
    free(data);
}

static void op_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void)info;
    list(request, id, size, offset, false);
}

static void op_readdirplus(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
    (void)info;
    list(request, id, size, offset, true);
}

/* Not ENOSYS, at which the kernel would never ask again: the mount has extended attributes. */
static void op_getxattr(fuse_req_t request, fuse_ino_t id, const char *name, size_t size)
{
    (void)id;
    (void)name;
    (void)size;
    fuse_reply_err(request, ENODATA);
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .mkdir = op_mkdir,
    .unlink = op_remove,
    .rmdir = op_remove,
    .rename = op_rename,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write = op_write,
    .flush = op_done,
    .release = op_done,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_done,
    .getxattr = op_getxattr,
};

static void make_first(const struct floor_options *options)
{
    struct node *root = node_new(NULL, "", S_IFDIR | 0755);
    if (options->files == 0)
        return;
    struct node *dir = node_new(root, "list", S_IFDIR | 0755);
    put_in(root, dir);
    for (unsigned i = 0; i < options->files; i++) {
        char name[64];
        snprintf(name, sizeof(name), FLOOR_NAME, i);
        put_in(dir, node_new(dir, name, S_IFREG | 0644));
    }
}

void floor_serve(const char *directory, const struct floor_options *options)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_session *session = NULL;
    make_first(options);
    direct = options->direct;
    if (fuse_opt_add_arg(&args, "floor") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, "default_permissions,nosuid,nodev") == 0)
        session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
    if (session == NULL || fuse_session_mount(session, directory) != 0)
        _exit(1);
    fuse_session_loop(session);
    fuse_session_unmount(session);
    _exit(0);
}
