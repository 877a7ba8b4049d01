/* SPDX-License-Identifier: MIT */
/*
 * Scratch files of fields/: which names they have, and which there are. Each is a leaf whose node
 * has one look-up more than the kernel's, so that it stays, and is in its space's list, under the
 * node table's lock.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/fields.h"

/* Names that no member gets through this mount. One that a member has all the same is that member.
 */
static const char *const patterns[] = {
    "*~",          /* backups of vim, emacs and nano */
    ".?*.sw[a-z]", /* swap files of vim, lock files of nano */
    ".?*.sw[a-z]x",
    ".#*",                   /* locks of emacs */
    "#*#",                   /* what emacs saves by itself */
    ".goutputstream-??????", /* GLib: gedit and others */
};

/* Vim makes this file to learn whether it may replace files by others of the same owner. */
#define VIM_ASKS "4913"

static bool is_in_table(const char *name)
{
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    }
    return false;
}

bool fs_scratch_is_name(struct sfs_bytes name)
{
    char text[SFS_PATH_NAME_MAX + 1] = "";
    if (name.size == 0 || name.size >= sizeof(text) || memchr(name.data, '\0', name.size) != NULL)
        return false;
    memcpy(text, name.data, name.size);
    return is_in_table(text);
}

/* As mkstemp(3) makes files, and rsync those of programs. Others are made to be written only, or
 * not for their owner alone; but for a umask of 077. */
static bool is_temporary(int flags, mode_t mode)
{
    const int all = O_CREAT | O_EXCL | O_ACCMODE;
    return (flags & all) == (O_CREAT | O_EXCL | O_RDWR) && (mode & 07677) == 0600;
}

bool fs_scratch_takes(const char *name, int flags, mode_t mode)
{
    return is_in_table(name) || is_temporary(flags, mode);
}

int fs_scratch_check(struct fs_call *call, const char *name, int flags)
{
    if (strcmp(name, VIM_ASKS) != 0 || (flags & (O_EXCL | O_NOFOLLOW)) != (O_EXCL | O_NOFOLLOW))
        return 0;
    return sfs_fail(
        &call->error, SFS_E_PERMISSION, "fields",
        "'%s' made in this way is vim's test whether it should rename files: here it should not",
        name);
}

/* --- which there are --- */

static struct fs_node **list_of(struct fs_space *space, size_t *ret_count)
{
    *ret_count = space->scratch.size / sizeof(struct fs_node *);
    return (struct fs_node **)(void *)space->scratch.data;
}

/* False: it is not in the list. With the lock held. */
static bool take_out(struct fs_space *space, const struct fs_node *node)
{
    size_t count;
    struct fs_node **nodes = list_of(space, &count);
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] != node)
            continue;
        memmove(nodes + i, nodes + i + 1, (count - i - 1) * sizeof(*nodes));
        space->scratch.size -= sizeof(*nodes);
        return true;
    }
    return false;
}

/* The first of those in a directory (NULL: anywhere), with one look-up more. */
static struct fs_node *first_of(struct fs *fs, struct fs_space *space, const struct fs_node *dir)
{
    size_t count;
    fs_nodes_lock(fs->nodes);
    struct fs_node **nodes = list_of(space, &count);
    struct fs_node *found = NULL;
    for (size_t i = 0; i < count && found == NULL; i++) {
        if (dir == NULL || nodes[i]->parent == dir)
            found = nodes[i];
    }
    if (found != NULL)
        found->lookups++;
    fs_nodes_unlock(fs->nodes);
    return found;
}

void fs_scratch_let_go(struct fs *fs, struct fs_node *node)
{
    fs_nodes_lock(fs->nodes);
    bool was = take_out(node->space, node);
    fs_nodes_unlock(fs->nodes);
    if (was)
        fs_node_forget(fs, node->id, 1);
}

void fs_scratch_drop(struct fs *fs, struct fs_space *space, const struct fs_node *dir)
{
    struct fs_node *node;
    while ((node = first_of(fs, space, dir)) != NULL) {
        fs_leaf_abandon(fs, node);
        fs_node_forget(fs, node->id, 1);
    }
}

/* Makes room for one more: the oldest goes that nobody has open. */
static int make_room(struct fs_call *call, struct fs_space *space)
{
    size_t count;
    struct fs_node *oldest = NULL;
    fs_nodes_lock(call->fs->nodes);
    struct fs_node **nodes = list_of(space, &count);
    for (size_t i = 0; count >= FS_SCRATCH_MAX && i < count && oldest == NULL; i++) {
        struct fs_leaf *leaf = nodes[i]->data;
        pthread_mutex_lock(&leaf->lock);
        if (leaf->opens == 0)
            oldest = nodes[i];
        pthread_mutex_unlock(&leaf->lock);
    }
    if (oldest != NULL)
        oldest->lookups++;
    fs_nodes_unlock(call->fs->nodes);
    if (oldest != NULL) {
        fs_leaf_abandon(call->fs, oldest);
        fs_node_forget(call->fs, oldest->id, 1);
    } else if (count >= FS_SCRATCH_MAX) {
        return sfs_fail(&call->error, SFS_E_NO_SPACE, "fields",
                        "there are %d temporary files in fields/ already", FS_SCRATCH_MAX);
    }
    return 0;
}

int fs_scratch_keep(struct fs_call *call, struct fs_node *node)
{
    int code = make_room(call, node->space);
    if (code < 0)
        return code;
    fs_nodes_lock(call->fs->nodes);
    code = sfs_buffer_append(&node->space->scratch, &node, sizeof(node));
    node->lookups += code == 0;
    fs_nodes_unlock(call->fs->nodes);
    return code == 0 ? 0 : sfs_fail_memory(&call->error, "fields");
}

/* With the look-up of `node`. */
static void adopt(struct fs_call *call, struct fs_node *node, struct sfs_buffer *text)
{
    struct fs_leaf *leaf = fs_leaf_of(call->fs, node);
    if (leaf == NULL || fs_scratch_keep(call, node) != 0)
        return;
    pthread_mutex_lock(&leaf->lock);
    leaf->scratch = true;
    if (leaf->opens == 0) {
        leaf->content = *text;
        *text = (struct sfs_buffer){0};
    }
    if (leaf->written == 0)
        leaf->written = fs_now();
    if (leaf->last.st_mode == 0)
        leaf->last = (struct stat){.st_mode = S_IFREG | 0600,
                                   .st_nlink = 1,
                                   .st_blksize = 4096,
                                   .st_uid = call->uid,
                                   .st_gid = call->gid};
    fs_scratch_count(node->space, leaf);
    pthread_mutex_unlock(&leaf->lock);
}

void fs_scratch_make(struct fs_call *call, struct fs_node *dir, struct sfs_bytes member,
                     struct sfs_buffer *text)
{
    struct fs_call quiet = *call;
    struct sfs_buffer name = {0};
    struct fs_node *node = NULL;
    if (fs_field_name(member, sfs_bytes(NULL, 0), &name) == 0 && sfs_buffer_text(&name) == 0)
        node = fs_node_intern(call->fs, dir, name.data, &fs_fields_leaf_class, dir->space,
                              FS_KIND_PLAIN, sfs_buffer_bytes(&name));
    if (node != NULL) {
        adopt(&quiet, node, text);
        fs_node_forget(call->fs, node->id, 1);
    }
    sfs_buffer_free(&name);
}

struct fs_node *fs_scratch_find(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_node *found = NULL;
    size_t count;
    fs_nodes_lock(call->fs->nodes);
    struct fs_node **nodes = list_of(dir->space, &count);
    struct fs_node *node = count > 0 ? fs_node_peek_locked(call->fs, dir, name) : NULL;
    for (size_t i = 0; node != NULL && i < count && found == NULL; i++)
        found = nodes[i] == node ? node : NULL;
    if (found != NULL)
        found->lookups++;
    fs_nodes_unlock(call->fs->nodes);
    return found;
}

int fs_scratch_names(struct fs_call *call, struct fs_node *dir, struct sfs_buffer *names)
{
    size_t count;
    int code = 0;
    fs_nodes_lock(call->fs->nodes);
    struct fs_node **nodes = list_of(dir->space, &count);
    for (size_t i = 0; i < count && code == 0; i++) {
        if (nodes[i]->parent == dir && nodes[i]->name != NULL)
            code = fs_names_add(names, false, sfs_string(nodes[i]->name));
    }
    fs_nodes_unlock(call->fs->nodes);
    return code == 0 ? 0 : sfs_fail_memory(&call->error, "fields");
}

void fs_scratch_count(struct fs_space *space, struct fs_leaf *leaf)
{
    size_t now = leaf->scratch ? leaf->content.size : 0;
    space->scratch_bytes += now;
    space->scratch_bytes -= leaf->counted;
    leaf->counted = now;
}

/* --- renaming --- */

/* To another scratch name. */
static int move(struct fs_call *call, const struct fs_name *from, const struct fs_name *to,
                unsigned flags)
{
    struct fs_node *there = fs_scratch_find(call, to->parent, to->name);
    int code = 0;
    if (there != NULL && flags == RENAME_NOREPLACE)
        code = sfs_fail(&call->error, SFS_E_EXISTS, "fields", "'%s' exists", to->name);
    else if (there != NULL)
        fs_leaf_unlink(call, to->parent, to->name);
    if (there != NULL)
        fs_node_forget(call->fs, there->id, 1);
    return code == 0 ? fs_node_move(call->fs, from, to, false, &call->error) : code;
}

/* To a member, or to a key. */
static int put(struct fs_call *call, struct fs_node *node, const struct fs_name *from,
               const struct fs_name *to, const struct fs_field *field, bool exclusive)
{
    int code = fs_leaf_put(call, node, to->parent, field, exclusive);
    if (code < 0)
        return code;
    fs_leaf_unlink(call, to->parent, to->name);
    fs_scratch_let_go(call->fs, node);
    if (fs_node_move(call->fs, from, to, false, NULL) != 0)
        fs_node_detach(call->fs, from->parent, from->name); /* it is looked up again */
    return 0;
}

static int rename_found(struct fs_call *call, struct fs_node *node, const struct fs_name *from,
                        const struct fs_name *to, unsigned flags)
{
    struct fs_field field = {0};
    int code = flags & ~(unsigned)RENAME_NOREPLACE
                   ? sfs_fail(&call->error, SFS_E_INVALID, "fields",
                              "a temporary file cannot be exchanged")
                   : fs_fields_locate(call, to->parent, to->name, &field);
    bool free = code == SFS_E_NOT_FOUND || code == SFS_E_INVALID;
    if (free && fs_scratch_takes(to->name, 0, 0))
        code = move(call, from, to, flags);
    else if (code == 0 || code == SFS_E_NOT_FOUND)
        code = put(call, node, from, to, &field, flags == RENAME_NOREPLACE);
    fs_field_free(&field);
    return code;
}

int fs_scratch_rename(struct fs_call *call, const struct fs_name *from, const struct fs_name *to,
                      unsigned flags)
{
    struct fs_node *node = fs_scratch_find(call, from->parent, from->name);
    if (node == NULL)
        return 1;
    bool same = from->parent == to->parent && strcmp(from->name, to->name) == 0;
    int code = same ? 0 : rename_found(call, node, from, to, flags);
    fs_node_forget(call->fs, node->id, 1);
    return code;
}
