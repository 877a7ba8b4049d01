/* SPDX-License-Identifier: MIT */
/*
 * The keys tree: look-up, making and removing of files and directories.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/keys.h"

/* What a name shows as: a directory where keys are below it, else its own record. */
int fs_keys_entry(struct fs_call *call, struct fs_target *target, struct fs_entry *entry)
{
    struct fs_space *space = target->name.parent->space;
    const struct fs_class *class =
        target->directory ? &fs_keys_directory_class : &fs_keys_leaf_class;
    struct fs_node *node = fs_node_intern(call->fs, target->name.parent, target->name.name, class, space,
                                          target->name.kind, target->name.text);
    if (node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    bool stale = false;
    memset(&entry->st, 0, sizeof(entry->st));
    entry->node = node;
    entry->timeout = space->timeout;
    if (target->directory) {
        fs_keys_stat_directory(space, sfs_buffer_bytes(&target->prefix), target->marker, &entry->st);
        if (target->name.kind != FS_KIND_PIECE)
            entry->st.st_nlink = fs_keys_links_of(call, node, sfs_buffer_bytes(&target->prefix));
    } else {
        fs_keys_stat_record(space, target->leaf, &entry->st);
        fs_keys_stat_blocks(space, target->leaf, &entry->st);
        struct fs_file *file = fs_file_peek(node);
        if (file == NULL && fs_node_is_newer(node, target->leaf->revision)) {
            int code = fs_keys_stat(call, node, &entry->st);
            if (code < 0)
                fs_node_forget(call->fs, node->id, 1);
            return code;
        }
        if (file != NULL) {
            fs_file_saw(file, target->leaf);
            fs_keys_stat_file(file, &entry->st);
            stale = file->stale;
            fs_file_release(file);
        }
        /* The name is another node's from now on. */
        if (stale || fs_node_retyped(call->fs, node, entry->st.st_mode)) {
            fs_node_forget(call->fs, node->id, 1);
            return fs_keys_entry(call, target, entry);
        }
        node->attribute_size = (uint64_t)entry->st.st_size;
        node->attribute_revision = target->leaf->revision;
    }
    fs_keys_settle(call, node, &entry->st);
    return 0;
}

/* The entry of a file that this mount made and has not committed. */
static int pending_entry(struct fs_call *call, struct fs_target *target, struct fs_entry *entry)
{
    struct fs_node *node =
        fs_node_intern(call->fs, target->name.parent, target->name.name, &fs_keys_leaf_class,
                       target->name.parent->space, target->name.kind, target->name.text);
    if (node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    entry->node = node;
    entry->timeout = node->space->timeout;
    int code = fs_keys_stat(call, node, &entry->st);
    if (code < 0)
        fs_node_forget(call->fs, node->id, 1);
    return code;
}

int fs_keys_lookup(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry)
{
    struct fs_target target = {0};
    struct fs_absent look = fs_keys_look_begin(dir, name);
    bool pending = fs_keys_is_pending(call, dir, name); /* first: it may be committed any moment */
    int code = fs_keys_find(call, dir, name, &target);
    /* To look for a name that no key can have is no fault: it is not there. */
    if (code == SFS_E_INVALID)
        code = SFS_E_NOT_FOUND;
    if (code == 0 && target.exists) {
        code = fs_keys_entry(call, &target, entry);
    } else if (code == 0 && pending) {
        code = pending_entry(call, &target, entry);
    } else if (code == 0) {
        fs_keys_look_failed(dir, &look);
        code = SFS_E_NOT_FOUND;
    }
    fs_target_free(&target);
    return code;
}

void fs_keys_new_attributes(struct fs_call *call, struct fs_node *dir, mode_t mode,
                            struct sfs_attributes *attributes)
{
    struct stat st;
    struct fs_call quiet = *call;
    attributes->mode = mode & 07777;
    attributes->uid = call->uid;
    attributes->gid = call->gid;
    if (fs_keys_stat(&quiet, dir, &st) == 0 && st.st_mode & S_ISGID) {
        attributes->gid = st.st_gid;
        if (S_ISDIR(mode))
            attributes->mode |= S_ISGID;
    }
}

static int exists(struct fs_call *call, const char *name)
{
    return sfs_fail(&call->error, SFS_E_EXISTS, "mount", "'%s' exists", name);
}

void fs_keys_remember(struct fs_call *call, const struct fs_target *target)
{
    struct fs_space *space = target->name.parent->space;
    const struct fs_class *class = target->directory ? &fs_keys_directory_class : &fs_keys_leaf_class;
    struct stat *last = target->exists ? calloc(1, sizeof(*last)) : NULL;
    if (last == NULL)
        return; /* fstat will say that there is no such file */
    if (target->directory)
        fs_keys_stat_directory(space, sfs_buffer_bytes(&target->prefix), target->marker, last);
    else
        fs_keys_stat_record(space, target->leaf, last);
    last->st_nlink = 0;
    fs_nodes_lock(call->fs->nodes);
    struct fs_node *node = fs_node_peek_locked(call->fs, target->name.parent, target->name.name);
    if (node != NULL && node->class == class && node->last == NULL) {
        node->last = last;
        last = NULL;
    }
    fs_nodes_unlock(call->fs->nodes);
    free(last);
}

void fs_keys_outlive(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_name old = {.parent = dir, .name = name};
    struct fs_file *file = fs_keys_open_file(call, &old, NULL);
    if (file != NULL)
        fs_file_hold(file);
    fs_keys_finish_unlink(file, true);
    fs_node_detach(call->fs, dir, name);
}

/* Decodes a name that is to be made, and refuses one that is taken. */
static int find_free(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_target *target)
{
    bool pending = fs_keys_is_pending(call, dir, name);
    int code = fs_keys_find(call, dir, name, target);
    if (code < 0)
        return code;
    if (target->exists || pending)
        return exists(call, name);
    fs_keys_outlive(call, dir, name);
    return 0;
}

static enum sfs_kind kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return SFS_KIND_MARKER;
    case S_IFLNK:
        return SFS_KIND_SYMLINK;
    case S_IFIFO:
        return SFS_KIND_FIFO;
    case S_IFSOCK:
        return SFS_KIND_SOCKET;
    case S_IFCHR:
        return SFS_KIND_CHARACTER;
    case S_IFBLK:
        return SFS_KIND_BLOCK;
    default:
        return SFS_KIND_VALUE;
    }
}

static int put_new(struct fs_call *call, struct fs_target *target, const struct fs_make *make)
{
    struct sfs_attributes attributes = {.kind = kind_of(make->mode), .device = make->device};
    struct sfs_bytes value = make->target != NULL ? sfs_string(make->target) : sfs_bytes(NULL, 0);
    struct sfs_buffer *name = &target->key;
    struct sfs_batch *batch;
    fs_keys_new_attributes(call, target->name.parent, make->mode, &attributes);
    if (attributes.kind == SFS_KIND_MARKER) {
        name = &target->prefix;
        if (sfs_buffer_byte(name, '\0') != 0)
            return sfs_fail_memory(&call->error, "mount");
    }
    int code = sfs_batch_new(&batch, &call->error);
    if (code < 0)
        return code;
    struct sfs_bytes bytes = sfs_buffer_bytes(name);
    code = sfs_batch_require_absent(batch, bytes, &call->error);
    /* Nor may a plain file have the name; "%empty" right below keys/ is no key. */
    if (code == 0 && attributes.kind == SFS_KIND_MARKER && target->key.size > 0)
        code = sfs_batch_require_absent(batch, sfs_buffer_bytes(&target->key), &call->error);
    if (code == 0)
        code = sfs_batch_put(batch, bytes, value, &attributes,
                             SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID |
                                 SFS_ATTRIBUTE_GID | SFS_ATTRIBUTE_DEVICE,
                             &call->error);
    if (code < 0) {
        sfs_batch_free(batch);
        return code;
    }
    return fs_keys_apply(call, target->name.parent->space, batch, false, NULL);
}

int fs_keys_delete_revision(struct fs_call *call, struct fs_space *space, struct sfs_bytes key, enum fs_kind kind,
                            uint64_t revision)
{
    struct sfs_batch *batch = NULL;
    int code = sfs_batch_new(&batch, &call->error);
    if (code == 0)
        code = sfs_batch_require_revision(batch, key, revision, &call->error);
    if (code == 0)
        code = sfs_batch_delete(batch, key, 0, &call->error);
    if (code == 0 && kind == FS_KIND_PART)
        code = fs_keys_keep_parent(call, space, key, batch);
    if (code == 0) {
        code = fs_keys_apply(call, space, batch, false, NULL);
        batch = NULL;
    }
    sfs_batch_free(batch);
    return code;
}

int fs_keys_lookup_made(struct fs_call *call, struct fs_node *dir, const char *name, mode_t type,
                        struct fs_entry *entry)
{
    int code = fs_keys_lookup(call, dir, name, entry);
    if (code == 0 && (entry->st.st_mode & S_IFMT) != type) {
        fs_node_forget(call->fs, entry->node->id, 1);
        code = SFS_E_NOT_FOUND;
    }
    if (code == SFS_E_NOT_FOUND)
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "'%s' was removed or replaced by somebody else while it was made", name);
    return code;
}

int fs_keys_make(struct fs_call *call, struct fs_node *dir, const char *name,
                 const struct fs_make *make, struct fs_entry *entry)
{
    struct fs_target target = {0};
    int code = find_free(call, dir, name, &target);
    if (code == 0 && S_ISDIR(make->mode) && target.name.kind == FS_KIND_OWN)
        code = sfs_fail(&call->error, SFS_E_INVALID, "mount",
                        "'%s' is the directory's own value and cannot be a directory", name);
    if (code == 0)
        code = put_new(call, &target, make);
    if (code == 0 && S_ISDIR(make->mode))
        dir->space->directories++;
    fs_target_free(&target);
    if (code < 0)
        return code;
    fs_keys_touch(call, dir);
    return fs_keys_lookup_made(call, dir, name, make->mode & S_IFMT, entry);
}

/* --- removing --- */

static int remove_directory(struct fs_call *call, struct fs_target *target, struct sfs_batch *batch)
{
    struct sfs_bytes prefix = sfs_buffer_bytes(&target->prefix);
    struct fs_space *space = target->name.parent->space;
    struct fs_below below = {0};
    struct sfs_buffer marker = {0};
    int code = target->leaf != NULL ? 1 : fs_keys_occupied(call, space, prefix);
    if (code == 1)
        code = sfs_fail(&call->error, SFS_E_NOT_EMPTY, "mount", "directory '%s' is not empty",
                        target->name.name);
    if (code == 0 && (fs_keys_below(prefix, &below) != 0 || fs_keys_marker(prefix, &marker) != 0))
        code = sfs_fail_memory(&call->error, "mount");
    if (code == 0)
        code = sfs_batch_require_empty(batch, below.empty_part, &call->error);
    if (code == 0)
        code = sfs_batch_require_empty(batch, below.rest, &call->error);
    if (code == 0)
        code = sfs_batch_delete(batch, sfs_buffer_bytes(&marker), 0, &call->error);
    if (code == 0)
        code = fs_keys_keep_parent(call, space, sfs_buffer_bytes(&target->key), batch);
    sfs_buffer_free(&below.bounds);
    sfs_buffer_free(&marker);
    return code;
}

static int remove_leaf(struct fs_call *call, struct fs_target *target, struct sfs_batch *batch)
{
    struct sfs_bytes key = sfs_buffer_bytes(&target->key);
    int code = sfs_batch_delete(batch, key, target->exists ? SFS_BATCH_MUST_EXIST : 0, &call->error);
    if (code == 0 && target->name.kind == FS_KIND_PART)
        code = fs_keys_keep_parent(call, target->name.parent->space, key, batch);
    return code;
}

static int check_kind(struct fs_call *call, const struct fs_target *target, bool pending, bool directory)
{
    if (!target->exists && !pending)
        return SFS_E_NOT_FOUND;
    if (directory && !target->directory)
        return sfs_fail(&call->error, SFS_E_NOT_DIRECTORY, "mount", "'%s' is not a directory",
                        target->name.name);
    if (!directory && target->directory)
        return sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "mount", "'%s' is a directory",
                        target->name.name);
    if (directory && target->name.kind == FS_KIND_PIECE)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount",
                        "a piece of a long name always exists and cannot be removed");
    return 0;
}

struct fs_file *fs_keys_open_file(struct fs_call *call, const struct fs_name *name,
                                  const struct sfs_record *record)
{
    struct fs_file *file = NULL;
    fs_nodes_lock(call->fs->nodes);
    struct fs_node *node = fs_node_peek_locked(call->fs, name->parent, name->name);
    if (node != NULL && node->class == &fs_keys_leaf_class && node->space == name->parent->space)
        file = fs_file_peek(node);
    fs_nodes_unlock(call->fs->nodes);
    if (file == NULL)
        return NULL;
    fs_file_saw(file, record);
    if (!file->stale)
        return file;
    fs_file_release(file);
    return NULL;
}

static void drop_kept(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    fs_content_unkeep(&file->content);
    fs_file_count(file);
    pthread_mutex_unlock(&file->lock);
}

/* Copying a large value takes long: it comes before the call is alone in the tree, where only what
 * was changed since is left to copy. A failure comes again there. */
struct fs_file *fs_keys_keep_ahead(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_name old = {.parent = dir, .name = name};
    struct fs_file *file = fs_keys_open_file(call, &old, NULL);
    if (file == NULL)
        return NULL;
    fs_file_hold(file);
    bool large = file->record != NULL && file->record->size >= FS_LARGE;
    if (large)
        (void)fs_file_keep(call, file);
    fs_file_let_go(file);
    if (large)
        return file;
    fs_file_release(file);
    return NULL;
}

void fs_keys_kept_ahead(struct fs_file *file, bool done)
{
    if (file != NULL && !done) {
        fs_file_hold(file); /* who moves its content to the stage does so without the lock */
        if (!file->unlinked)
            drop_kept(file);
        fs_file_let_go(file);
    }
    fs_file_release(file);
}

void fs_keys_move_begin(struct fs_call *call, struct fs_space *space)
{
    fs_space_move(space);
    call->moves = true;
}

void fs_keys_move_end(struct fs_call *call, struct fs_space *space)
{
    call->moves = false;
    fs_space_moved(space);
}

int fs_keys_prepare_unlink(struct fs_call *call, struct fs_file *file)
{
    if (file == NULL)
        return 0;
    fs_file_hold(file);
    int code = fs_file_keep(call, file);
    if (code == SFS_E_NOT_FOUND)
        code = 0;
    if (code < 0) {
        drop_kept(file);
        fs_file_let_go(file);
    }
    return code;
}

void fs_keys_finish_unlink(struct fs_file *file, bool done)
{
    if (file == NULL)
        return;
    if (done) {
        pthread_mutex_lock(&file->lock);
        file->unlinked = true;
        file->content.below = 0;
        pthread_mutex_unlock(&file->lock);
        fs_node_moved(file->node);
    } else {
        drop_kept(file);
    }
    fs_file_let_go(file);
    fs_file_release(file);
}

static int take_away(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_target target = {0};
    struct sfs_batch *batch = NULL;
    int code = fs_keys_find(call, dir, name, &target);
    if (code == SFS_E_INVALID)
        code = SFS_E_NOT_FOUND;
    if (code == 0)
        code = check_kind(call, &target, fs_keys_is_pending(call, dir, name), directory);
    if (code < 0) {
        fs_target_free(&target);
        return code;
    }
    struct fs_file *file = directory ? NULL : fs_keys_open_file(call, &target.name, target.leaf);
    code = fs_keys_prepare_unlink(call, file);
    if (code < 0) {
        fs_file_release(file);
        fs_target_free(&target);
        return code;
    }
    code = sfs_batch_new(&batch, &call->error);
    if (code == 0)
        code = directory ? remove_directory(call, &target, batch) : remove_leaf(call, &target, batch);
    if (code == 0) {
        code = fs_keys_apply(call, dir->space, batch, false, NULL);
        batch = NULL;
        fs_space_publish(dir->space);
    }
    sfs_batch_free(batch);
    fs_keys_finish_unlink(file, code == 0);
    if (code == 0) {
        fs_keys_remember(call, &target);
        fs_node_detach(call->fs, dir, name);
        fs_keys_touch(call, dir);
        dir->space->directories += directory;
    }
    fs_target_free(&target);
    return code;
}

int fs_keys_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_file *file = directory ? NULL : fs_keys_keep_ahead(call, dir, name);
    fs_keys_move_begin(call, dir->space);
    if (!directory)
        fs_space_doom(dir->space, dir, name);
    int code = take_away(call, dir, name, directory);
    fs_keys_move_end(call, dir->space);
    fs_keys_kept_ahead(file, code == 0);
    return code;
}
