/* SPDX-License-Identifier: MIT */
/*
 * Tells the kernel of names in keys/ that changed otherwise than by its own requests: by the commit of a
 * transaction, through fields/, by another process.
 */
#include <stdlib.h>

#include "fs/keys.h"

/* --- everything --- */

struct collection {
    struct fs *fs;
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

static bool in_keys(const struct fs *fs, const struct fs_node *node)
{
    return node->space == fs->space &&
           (node->class == &fs_keys_directory_class || node->class == &fs_keys_leaf_class);
}

static void collect(void *context, struct fs_node *node)
{
    struct collection *collection = context;
    if (!in_keys(collection->fs, node))
        return;
    node->doubted = true;
    if (collection->count < collection->capacity)
        collection->ids[collection->count++] = node->id;
}

/* Nodes that are made meanwhile are told as they are by then, or by a call that sees that it was overtaken. */
void fs_keys_tell_all(struct fs *fs)
{
    fs->told++;
    struct collection collection = {.fs = fs, .capacity = fs_node_count(fs) + 64};
    collection.ids = calloc(collection.capacity, sizeof(uint64_t));
    if (collection.ids == NULL)
        return; /* it sees the changes when its time-out has passed */
    fs_nodes_visit(fs, collect, &collection);
    fs_notify_many(fs->notifier, collection.ids, collection.count);
}

/* --- one name --- */

static void tell_directory(struct fs_teller *teller, uint64_t id)
{
    if (teller->directory != id)
        fs_notify_attributes(teller->fs->notifier, id);
    teller->directory = id;
}

/* The kernel was told of this revision, or has made it itself. */
static bool knows(const struct fs_teller *teller, const struct fs_node *node)
{
    return teller->revision != 0 && node->attribute_revision == teller->revision;
}

/* What the name itself stands for: a file, a directory, or both. Names that do not exist the kernel does not
 * keep: of one that it does not know it need not hear, but for the directory that has it now. */
static void tell_last(struct fs_teller *teller, struct fs_node *dir, const char *name, bool renewed)
{
    struct fs *fs = teller->fs;
    struct fs_node *node = fs_node_peek_locked(fs, dir, name);
    struct fs_node *own = node != NULL ? fs_node_peek_locked(fs, node, SFS_PATH_VALUE) : NULL;
    if (own != NULL && !knows(teller, own))
        fs_notify_attributes(fs->notifier, own->id);
    if (node != NULL && teller->marker && node->class == &fs_keys_leaf_class)
        fs_notify_name(fs->notifier, node->named_until);
    if (node != NULL && !knows(teller, node)) {
        node->doubted = node->doubted || renewed;
        fs_notify_attributes(fs->notifier, node->id);
    }
    if (renewed)
        tell_directory(teller, dir->id);
}

/* From keys/ down to the name, or to where the kernel knows no more. With the table's lock held. */
static void tell_path(struct fs_teller *teller, struct fs_node *dir, char *path, bool renewed)
{
    for (char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        *slash = '\0';
        struct fs_node *next = fs_node_peek_locked(teller->fs, dir, path);
        if (next != NULL && next->class == &fs_keys_leaf_class)
            fs_notify_name(teller->fs->notifier, next->named_until);
        if (next == NULL || next->class != &fs_keys_directory_class) {
            tell_last(teller, dir, path, true);
            return;
        }
        dir = next;
    }
    tell_last(teller, dir, path, renewed);
}

static struct fs_node *keys_root_locked(struct fs *fs)
{
    struct fs_node root = {.id = FUSE_ROOT_ID};
    return fs_node_peek_locked(fs, &root, "keys");
}

static void tell_key(struct fs_teller *teller, struct sfs_bytes key, bool renewed)
{
    struct fs *fs = teller->fs;
    struct sfs_buffer path = {0};
    int code = key.size > 0 ? sfs_path_from_key(key, false, &path, NULL) : 0;
    if (code == 0 && sfs_buffer_text(&path) == 0) {
        fs_nodes_lock(fs->nodes);
        struct fs_node *root = keys_root_locked(fs);
        if (root != NULL && key.size > 0)
            tell_path(teller, root, path.data, renewed);
        else if (root != NULL)
            tell_directory(teller, root->id);
        fs_nodes_unlock(fs->nodes);
    }
    sfs_buffer_free(&path);
}

void fs_keys_tell(struct fs *fs, struct sfs_bytes key, bool renewed)
{
    struct fs_teller teller = {.fs = fs};
    fs->told++;
    tell_key(&teller, key, renewed);
}

/* --- many, in ascending order --- */

static bool is_empty(struct sfs_storage *store, struct sfs_bytes prefix)
{
    struct sfs_buffer bound = {0};
    struct sfs_range range;
    int code = sfs_range_prefix(prefix, &bound, &range) == 0 ? sfs_exists(store, range, NULL) : 1;
    sfs_buffer_free(&bound);
    return code == 0;
}

/* The directories above a deleted name that went with it. */
static void tell_vanished(struct fs_teller *teller, struct sfs_bytes name)
{
    const char *slash;
    while (name.size > 0 && (slash = memrchr(name.data, '/', name.size)) != NULL) {
        struct sfs_bytes prefix = sfs_bytes(name.data, (size_t)(slash - (const char *)name.data) + 1);
        if (sfs_bytes_equal(prefix, sfs_buffer_bytes(&teller->checked)))
            return;
        teller->checked.size = 0;
        if (sfs_buffer_add(&teller->checked, prefix) != 0)
            teller->checked.size = 0; /* it is looked at once more */
        if (!is_empty(teller->fs->space->store, prefix))
            return;
        name = sfs_bytes(name.data, prefix.size - 1);
        if (name.size > 0)
            tell_key(teller, name, true);
    }
}

void fs_keys_tell_name(struct fs_teller *teller, struct sfs_bytes name, bool renewed, bool deleted)
{
    struct sfs_bytes key = name;
    teller->fs->told++;
    teller->marker = sfs_name_is_marker(name);
    if (teller->marker)
        key.size -= name.size > 1 ? 2 : 1;
    tell_key(teller, key, renewed);
    if (deleted)
        tell_vanished(teller, name);
}

void fs_keys_teller_free(struct fs_teller *teller)
{
    sfs_buffer_free(&teller->checked);
}
