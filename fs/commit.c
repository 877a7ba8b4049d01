/* SPDX-License-Identifier: MIT */
/*
 * Committing an open file: its dirty extents as one batch on the latest value.
 */
#include <stdlib.h>

#include "fs/fields.h"
#include "fs/file.h"
#include "fs/keys.h"

static struct sfs_bytes piece(const struct fs_file *file, const struct fs_extent *extent)
{
    return sfs_bytes(file->content.data + extent->offset, (size_t)extent->size);
}

/* What goes with the content: the times are those that stat has shown since the write. */
static unsigned times_of(const struct fs_file *file, struct sfs_attributes *attributes)
{
    *attributes = file->pending;
    attributes->changed = file->changed;
    if ((file->pending_mask & SFS_ATTRIBUTE_MODIFIED) == 0)
        attributes->modified = file->written;
    return file->pending_mask | SFS_ATTRIBUTE_MODIFIED | SFS_ATTRIBUTE_CHANGED;
}

/* The whole content, with the attributes that go with it. */
static int batch_whole(struct fs_file *file, struct sfs_bytes key, struct sfs_batch *batch,
                       struct sfs_error *error)
{
    struct sfs_attributes attributes;
    unsigned mask = times_of(file, &attributes);
    return sfs_batch_put(batch, key, sfs_buffer_bytes(&file->content), &attributes, mask, error);
}

/* Truncation first, then the written parts; the end last where it is not reached by one. */
static int batch_parts(struct fs_file *file, struct sfs_bytes key, struct sfs_batch *batch,
                       struct sfs_error *error)
{
    const struct fs_dirty *dirty = &file->dirty;
    struct sfs_attributes attributes;
    unsigned mask = times_of(file, &attributes);
    int code = 0;
    if (file->created) /* the file is another's, who has given it its mode and owner */
        mask &= ~(unsigned)(SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID);
    if (dirty->cut)
        code = sfs_batch_truncate(batch, key, dirty->low, error);
    for (size_t i = 0; code == 0 && i < dirty->count; i++) {
        const struct fs_extent *extent = &dirty->extents[i];
        if (dirty->appended)
            code = sfs_batch_append(batch, key, piece(file, extent), error);
        else
            code = sfs_batch_write(batch, key, extent->offset, piece(file, extent), error);
    }
    if (code == 0 && dirty->cut)
        code = sfs_batch_truncate(batch, key, file->content.size, error);
    if (code == 0)
        code = sfs_batch_attributes(batch, key, &attributes, mask, error);
    return code;
}

/* What must hold for the file's dirt to be committed so. */
static int require(const struct fs_file *file, struct sfs_bytes key, enum fs_onto onto,
                   struct sfs_batch *batch, struct sfs_error *error)
{
    if (file->created)
        return onto == FS_ONTO_KNOWN && !file->dirty.whole
                   ? sfs_batch_require_absent(batch, key, error)
                   : 0;
    if (file->record == NULL)
        return 0;
    if (onto == FS_ONTO_KNOWN && !file->dirty.whole)
        return sfs_batch_require_revision(batch, key, file->record->revision, error);
    return sfs_batch_require_id(batch, key, file->record->attributes.id, error);
}

int fs_file_batch(struct fs_file *file, struct sfs_bytes key, enum fs_onto onto,
                  struct sfs_batch *batch, struct fs_dirty *ret_taken, struct sfs_error *error)
{
    int code = 0;
    pthread_mutex_lock(&file->lock);
    if (file->dirty.level != FS_CLEAN && !file->unlinked) {
        bool whole = file->dirty.whole || (file->created && onto != FS_ONTO_LATEST);
        code = require(file, key, onto, batch, error);
        if (code == 0)
            code = whole ? batch_whole(file, key, batch, error) : batch_parts(file, key, batch, error);
    }
    if (code == 0) {
        *ret_taken = file->dirty;
        file->dirty = (struct fs_dirty){0};
    }
    pthread_mutex_unlock(&file->lock);
    return code;
}

/* The size that the kernel keeps is not what the store has. */
static void distrust_size(struct fs_file *file)
{
    file->node->attribute_size = UINT64_MAX;
    file->node->attribute_revision = FS_REVISION_OTHER;
    fs_notify_attributes(file->space->fs->notifier, file->node->id);
}

void fs_file_committed(struct fs_file *file, struct fs_dirty *taken, int code, uint64_t sequence,
                       const struct sfs_record *record)
{
    pthread_mutex_lock(&file->lock);
    if (code < 0) {
        fs_dirty_merge(&file->dirty, taken);
    } else if (taken->level != FS_CLEAN) {
        file->created = false;
        if (file->dirty.level == FS_CLEAN)
            file->pending_mask = 0;
        if (record != NULL) {
            /* The kernel's pages hold what was committed only if nobody else wrote meanwhile. */
            bool ours = record->revision == sequence && record->size == file->content.size;
            file->node->page_revision = ours && !file->other_pages ? record->revision : 0;
            file->node->attribute_size = record->size;
            file->node->attribute_revision = ours ? record->revision : 0;
            sfs_record_unref(file->record);
            file->record = sfs_record_ref(record);
        }
        if (file->other_size)
            distrust_size(file);
    }
    pthread_mutex_unlock(&file->lock);
    fs_dirty_free(taken);
}

static int apply_once(struct fs_call *call, struct fs_file *file, struct sfs_bytes key,
                      enum fs_onto onto, bool durable)
{
    struct sfs_batch *batch;
    struct fs_dirty taken = {0};
    const struct sfs_record *after = NULL;
    uint64_t sequence = 0;
    int code = sfs_batch_new(&batch, &call->error);
    if (code < 0)
        return code;
    code = fs_file_batch(file, key, onto, batch, &taken, &call->error);
    if (code < 0) {
        sfs_batch_free(batch);
        return code;
    }
    code = fs_keys_apply(call, file->space, batch, durable, &sequence);
    /* Without the record (another mount has deleted it already) the file keeps what it knew. */
    if (code == 0)
        (void)sfs_get(file->space->store, key, SFS_WANT_RECORD, &after, NULL);
    fs_file_committed(file, &taken, code, sequence, after);
    sfs_record_unref(after);
    return code;
}

void fs_file_forget_content(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    if (file->dirty.level == FS_CLEAN && !file->created && !file->unlinked)
        file->loaded = false;
    file->other_pages = file->other_size = true;
    file->node->page_revision = 0;
    distrust_size(file);
    pthread_mutex_unlock(&file->lock);
}

/* Onto the revision that is known, or onto nothing where the file was made here; where somebody else
 * wrote or made it since, onto theirs, and what this mount shows is then read anew. */
static int apply_dirty(struct fs_call *call, struct fs_file *file, struct sfs_bytes key, bool durable)
{
    int code = apply_once(call, file, key, FS_ONTO_KNOWN, durable);
    if (code != SFS_E_CONFLICT && !(code == SFS_E_EXISTS && file->created))
        return code;
    code = apply_once(call, file, key, FS_ONTO_LATEST, durable);
    if (code == SFS_E_CONFLICT || code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "the key was deleted or replaced by somebody else while the file was open; "
                        "what was written to it is not in the store");
    fs_file_forget_content(file);
    return code;
}

int fs_file_commit(struct fs_call *call, struct fs_file *file, enum fs_dirt level, bool durable)
{
    fs_file_hold(file);
    pthread_mutex_lock(&file->lock);
    bool needed = file->dirty.level >= level && file->dirty.level != FS_CLEAN && !file->unlinked;
    pthread_mutex_unlock(&file->lock);
    int code = 0;
    if (needed) {
        struct sfs_buffer key = {0};
        code = fs_keys_key(call, file->node, &key);
        if (code == 0)
            code = apply_dirty(call, file, sfs_buffer_bytes(&key), durable);
        sfs_buffer_free(&key);
    }
    fs_file_let_go(file);
    return code;
}

struct fs_file **fs_files_take(struct fs_space *space, size_t *ret_count)
{
    size_t count = 0;
    pthread_mutex_lock(&space->lock);
    for (struct fs_file *file = space->files; file != NULL; file = file->next)
        count++;
    struct fs_file **files = calloc(count + 1, sizeof(struct fs_file *));
    count = 0;
    for (struct fs_file *file = space->files; files != NULL && file != NULL; file = file->next) {
        file->opens++;
        files[count++] = file;
    }
    pthread_mutex_unlock(&space->lock);
    *ret_count = count;
    return files;
}

void fs_files_give_back(struct fs_file **files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fs_file_release(files[i]);
    free(files);
}

int fs_file_check(struct fs_call *call, const struct fs_file *file)
{
    if (!file->stale)
        return 0;
    return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                    "a rollback to a savepoint, or the commit of an inner transaction, has put something "
                    "else in the place of this file: open it again");
}

/* Whether its key still is the record's that it showed. */
static bool is_same(struct fs_call *call, struct fs_file *file)
{
    struct fs_call quiet = *call;
    struct sfs_buffer key = {0};
    const struct sfs_record *now = NULL;
    bool same = fs_keys_key(&quiet, file->node, &key) == 0 &&
                sfs_get(file->space->store, sfs_buffer_bytes(&key), SFS_WANT_RECORD, &now, NULL) == 0;
    pthread_mutex_lock(&file->lock);
    same = same && (file->record == NULL || file->record->attributes.id == now->attributes.id);
    if (same) {
        file->loaded = false;
        sfs_record_unref(file->record);
        file->record = NULL;
    }
    pthread_mutex_unlock(&file->lock);
    sfs_record_unref(now);
    sfs_buffer_free(&key);
    return same;
}

/* One that was unlinked before is nobody's but its descriptors'; if that is undone, it is a file again. */
static void renew(struct fs_call *call, struct fs_file *file, uint64_t since)
{
    bool same = file->unlinked ? file->node->moved <= since : is_same(call, file);
    if (same)
        return;
    file->stale = true;
    fs_nodes_lock(call->fs->nodes);
    fs_node_detach_locked(call->fs, file->node);
    fs_nodes_unlock(call->fs->nodes);
}

struct renewal {
    struct fs_space *space;
    uint64_t since;
};

/* Revisions may be given out a second time: nothing that was kept with one is believed. */
static void distrust(void *context, struct fs_node *node)
{
    const struct renewal *renewal = context;
    struct fs *fs = renewal->space->fs;
    if (node->space != renewal->space)
        return;
    node->page_revision = 0;
    node->attribute_revision = FS_REVISION_OTHER;
    if (node->class == &fs_keys_leaf_class && node->file == NULL)
        node->ino = 0;
    if (node->class == &fs_keys_directory_class && node->moved > renewal->since)
        fs_node_detach_locked(fs, node);
    fs_notify_inode(fs->notifier, node->id);
}

void fs_files_renew(struct fs_call *call, struct fs_space *space, uint64_t since, struct fs_file **files,
                    size_t count)
{
    struct renewal renewal = {space, since};
    fs_nodes_visit(space->fs, distrust, &renewal);
    for (size_t i = 0; i < count; i++)
        renew(call, files[i], since);
    fs_document_cache_clear(space->documents);
}

int fs_file_commit_all(struct fs_call *call, struct fs_space *space)
{
    size_t count;
    struct fs_file **files = fs_files_take(space, &count);
    if (files == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int first = 0;
    struct sfs_error first_error = {0};
    for (size_t i = 0; i < count; i++) {
        int code = fs_file_commit(call, files[i], FS_OPENED, false);
        if (code < 0 && first == 0) {
            first = code;
            first_error = call->error;
        }
    }
    fs_files_give_back(files, count);
    int code = fs_leaf_commit_all(call, space);
    if (first < 0)
        call->error = first_error;
    return first < 0 ? first : code;
}
