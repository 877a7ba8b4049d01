/* SPDX-License-Identifier: MIT */
/*
 * Making files in fields/: members that their document gets when they are committed, and scratch
 * files.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/fields.h"

static int taken(struct fs_call *call, const char *name, const struct fs_entry *entry,
                 bool exclusive)
{
    if (exclusive)
        return sfs_fail(&call->error, SFS_E_EXISTS, "fields", "'%s' exists", name);
    if (S_ISDIR(entry->st.st_mode))
        return sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "fields", "'%s' is a directory", name);
    return 0;
}

/* A member looks like its document; a key gets owner and mode from who makes it, as a scratch file
 * does. */
static void new_attributes(struct fs_call *call, const struct fs_new *what,
                           struct sfs_attributes *attributes)
{
    struct fs_call quiet = *call;
    struct fs_node *dir = what->place.parent;
    struct stat st = {0};
    if (what->scratch) {
        *attributes =
            (struct sfs_attributes){.mode = what->mode & 07777, .uid = call->uid, .gid = call->gid};
    } else if (dir->class == &fs_fields_directory_class) {
        fs_keys_new_attributes(call, dir, what->mode, attributes);
        attributes->mode &= 0666;
    } else if (fs_fields_stat(&quiet, dir, &st) == 0) {
        attributes->mode = st.st_mode & 0666;
        attributes->uid = st.st_uid;
        attributes->gid = st.st_gid;
    }
}

/* With the lock held. */
static void begin(struct fs_leaf *leaf, const struct fs_new *what, bool exclusive,
                  const struct sfs_attributes *attributes)
{
    leaf->opens++;
    leaf->writers++;
    leaf->scratch = what->scratch;
    leaf->created = leaf->whole = !what->scratch;
    leaf->exclusive = exclusive && !what->scratch;
    leaf->level = FS_OPENED;
    leaf->timed = false;
    leaf->written = fs_now();
    leaf->last = (struct stat){.st_mode = S_IFREG | (attributes->mode & 07777),
                               .st_nlink = 1,
                               .st_blksize = 4096,
                               .st_uid = attributes->uid,
                               .st_gid = attributes->gid,
                               .st_atim = fs_time(leaf->written)};
}

/* A leaf that no document has. */
static int make(struct fs_call *call, const struct fs_new *what, bool exclusive,
                struct fs_open *open, struct fs_entry *entry)
{
    const struct fs_name *place = &what->place;
    struct fs_node *dir = place->parent;
    struct sfs_attributes attributes = {0};
    new_attributes(call, what, &attributes);
    entry->node = fs_node_intern(call->fs, dir, place->name, &fs_fields_leaf_class, dir->space,
                                 place->kind, place->text);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "fields");
    struct fs_leaf *leaf = fs_leaf_of(call->fs, entry->node);
    int code = leaf == NULL ? sfs_fail_memory(&call->error, "fields") : 0;
    if (code == 0 && what->scratch)
        code = fs_scratch_keep(call, entry->node);
    if (code < 0) {
        fs_node_forget(call->fs, entry->node->id, 1);
        return code;
    }
    struct sfs_buffer before = {0};
    bool placed = false;
    if (!what->scratch)
        placed = fs_place_take(call, dir, fs_field_last(what->field), &before);
    pthread_mutex_lock(&leaf->lock);
    begin(leaf, what, exclusive, &attributes);
    leaf->placed = placed;
    sfs_buffer_free(&leaf->before);
    leaf->before = before;
    fs_authors_note(&leaf->authors, open);
    open->writes = true;
    pthread_mutex_unlock(&leaf->lock);
    entry->node->author = call->pid;
    return fs_leaf_entry(call, entry->node, entry);
}

static int open_there(struct fs_call *call, struct fs_open *open, struct fuse_file_info *info,
                      struct fs_entry *entry)
{
    int code = fs_leaf_open(call, entry->node, open, info);
    if (code < 0)
        fs_node_forget(call->fs, entry->node->id, 1);
    return code;
}

static void note_made(struct fs_leaf *leaf, uint64_t revision)
{
    pthread_mutex_lock(&leaf->lock);
    leaf->made = revision;
    pthread_mutex_unlock(&leaf->lock);
}

/* Others of the store must know at once that the name is taken, or two could make it. */
static int make_now(struct fs_call *call, const struct fs_new *what, struct fs_open *open,
                    struct fuse_file_info *info, struct fs_entry *entry)
{
    struct fs_node *dir = what->place.parent;
    struct sfs_buffer before = {0};
    uint64_t revision = 0;
    (void)fs_place_take(call, dir, fs_field_last(what->field), &before);
    int code = fs_fields_put_new(call, dir, what->field, what->mode, SFS_LITERAL("\"\""),
                                 sfs_buffer_bytes(&before), &revision);
    sfs_buffer_free(&before);
    if (code == 0)
        code = dir->class->lookup(call, dir, what->place.name, entry);
    if (code < 0)
        return code;
    entry->node->author = call->pid;
    info->flags |= O_TRUNC;
    code = open_there(call, open, info, entry);
    if (code == 0 && open->record == NULL)
        note_made(entry->node->data, revision);
    return code;
}

int fs_leaf_create(struct fs_call *call, const struct fs_new *what, struct fs_open *open,
                   struct fuse_file_info *info, struct fs_entry *entry)
{
    const struct fs_name *place = &what->place;
    struct fs_node *dir = place->parent;
    bool exclusive = (info->flags & O_EXCL) != 0;
    int code = dir->class->lookup(call, dir, place->name, entry);
    if (code == 0) {
        code = taken(call, place->name, entry, exclusive);
        if (code < 0)
            fs_node_forget(call->fs, entry->node->id, 1);
        return code < 0 ? code : open_there(call, open, info, entry);
    }
    if (code != SFS_E_NOT_FOUND)
        return code;
    fs_leaf_unlink(call, dir, place->name);
    if (exclusive && dir->space->shared && !what->scratch)
        return make_now(call, what, open, info, entry);
    code = make(call, what, exclusive, open, entry);
    fs_open_generated(info);
    return code;
}
