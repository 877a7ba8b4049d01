/* SPDX-License-Identifier: MIT */
/*
 * Open files: sharing, loading, reading, writing. Committing is in commit.c.
 */
#include "fs/file.h"

#include <stdlib.h>

#include "fs/keys.h"

static struct fs_file *file_new(struct fs_node *node)
{
    struct fs_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return NULL;
    file->node = node;
    file->space = fs_space_ref(node->space);
    pthread_mutex_init(&file->lock, NULL);
    pthread_cond_init(&file->settled, NULL);
    return file;
}

static void file_free(struct fs_file *file)
{
    if (file == NULL)
        return;
    pthread_mutex_destroy(&file->lock);
    pthread_cond_destroy(&file->settled);
    sfs_buffer_free(&file->content);
    sfs_record_unref(file->record);
    fs_dirty_free(&file->dirty);
    fs_space_unref(file->space);
    free(file);
}

/* With space->lock held. */
static void link_file(struct fs_space *space, struct fs_file *file)
{
    file->next = space->files;
    if (file->next != NULL)
        file->next->previous = &file->next;
    file->previous = &space->files;
    space->files = file;
    file->node->file = file;
}

struct fs_file *fs_file_acquire(struct fs_node *node)
{
    struct fs_file *made = file_new(node);
    struct fs_space *space = node->space;
    pthread_mutex_lock(&space->lock);
    struct fs_file *file = node->file;
    bool linked = file == NULL && made != NULL;
    if (linked) {
        link_file(space, made);
        file = made;
        made = NULL;
    }
    if (file != NULL)
        file->opens++;
    pthread_mutex_unlock(&space->lock);
    if (linked)
        fs_node_hold(space->fs, node);
    file_free(made);
    return file;
}

struct fs_file *fs_file_peek(struct fs_node *node)
{
    pthread_mutex_lock(&node->space->lock);
    struct fs_file *file = node->file;
    if (file != NULL)
        file->opens++;
    pthread_mutex_unlock(&node->space->lock);
    return file;
}

void fs_file_release(struct fs_file *file)
{
    if (file == NULL)
        return;
    struct fs_space *space = file->space;
    struct fs *fs = space->fs;
    uint64_t id = file->node->id;
    pthread_mutex_lock(&space->lock);
    bool last = --file->opens == 0;
    if (last) {
        *file->previous = file->next;
        if (file->next != NULL)
            file->next->previous = file->previous;
        file->node->file = NULL;
    }
    pthread_mutex_unlock(&space->lock);
    if (last) {
        file_free(file);
        fs_node_forget(fs, id, 1);
    }
}

void fs_file_hold(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    while (file->busy)
        pthread_cond_wait(&file->settled, &file->lock);
    file->busy = true;
    pthread_mutex_unlock(&file->lock);
}

void fs_file_let_go(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    file->busy = false;
    pthread_cond_broadcast(&file->settled);
    pthread_mutex_unlock(&file->lock);
}

void fs_file_saw(struct fs_file *file, const struct sfs_record *record)
{
    if (record == NULL)
        return;
    pthread_mutex_lock(&file->lock);
    const struct sfs_record *known = file->record;
    bool newer = known == NULL || known->attributes.id != record->attributes.id ||
                 known->revision < record->revision;
    bool settled =
        file->dirty.level == FS_CLEAN && !file->busy && !file->created && !file->unlinked;
    if (newer && settled) {
        sfs_buffer_free(&file->content);
        file->loaded = false;
        sfs_record_unref(known);
        file->record = sfs_record_ref(record);
    }
    pthread_mutex_unlock(&file->lock);
}

void fs_file_create(struct fs_file *file, const struct sfs_attributes *attributes, bool empty)
{
    pthread_mutex_lock(&file->lock);
    file->created = true;
    file->loaded = true;
    file->dirty.whole = empty;
    file->dirty.level = FS_OPENED;
    file->pending = *attributes;
    file->pending_mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID;
    file->written = file->changed = fs_now();
    pthread_mutex_unlock(&file->lock);
}

void fs_file_empty(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    file->content.size = 0;
    file->loaded = true;
    file->other_pages = file->other_size = false; /* the kernel drops what it has, too */
    fs_dirty_cut(&file->dirty, 0);
    file->dirty.whole = true;
    if (file->dirty.level < FS_OPENED)
        file->dirty.level = FS_OPENED;
    file->written = file->changed = fs_now();
    file->pending_mask &= ~(unsigned)SFS_ATTRIBUTE_MODIFIED;
    pthread_mutex_unlock(&file->lock);
}

/* Reads a whole value in pieces, so that no limit of one read matters. */
static int read_value(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                      struct sfs_buffer *content, const struct sfs_record **ret_record)
{
    const struct sfs_record *record;
    int code = sfs_get(space->store, key, SFS_WANT_RECORD, &record, &call->error);
    if (code < 0)
        return code;
    if (sfs_buffer_reserve(content, record->size) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    while (code == 0 && content->size < record->size) {
        size_t got;
        code = sfs_read(space->store, key, record->revision, content->size,
                        content->data + content->size, record->size - content->size, &got,
                        &call->error);
        if (code == 0 && got == 0)
            code = sfs_fail(&call->error, SFS_E_CORRUPT, "mount", "the value ends too early");
        if (code == 0)
            content->size += got;
    }
    if (code < 0)
        sfs_record_unref(record);
    else
        *ret_record = record;
    return code;
}

/* As read_value; a value that changes while it is read is read again. */
static int load(struct fs_call *call, struct fs_file *file, struct sfs_buffer *content,
                const struct sfs_record **ret_record)
{
    struct sfs_buffer key = {0};
    int code = fs_keys_key(call, file->node, &key);
    for (int tries = 0; code == 0; tries++) {
        code = read_value(call, file->space, sfs_buffer_bytes(&key), content, ret_record);
        if (code != SFS_E_CONFLICT || tries == 100)
            break;
        content->size = 0;
        code = 0;
    }
    sfs_buffer_free(&key);
    if (code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "the key was deleted by somebody else while the file was open");
    return code;
}

int fs_file_load(struct fs_call *call, struct fs_file *file, bool held)
{
    pthread_mutex_lock(&file->lock);
    while (!held && file->busy && !file->loaded)
        pthread_cond_wait(&file->settled, &file->lock);
    bool loaded = file->loaded;
    if (!loaded)
        file->busy = true;
    pthread_mutex_unlock(&file->lock);
    if (loaded)
        return 0;

    struct sfs_buffer content = {0};
    const struct sfs_record *record = NULL;
    int code = load(call, file, &content, &record);
    pthread_mutex_lock(&file->lock);
    if (code == 0 && !file->loaded) {
        struct sfs_buffer old = file->content;
        const struct sfs_record *seen = file->record;
        file->content = content;
        file->loaded = true;
        file->record = record;
        if (record->revision != file->node->page_revision)
            file->other_pages = true;
        if (record->revision != file->node->attribute_revision)
            file->other_size = true;
        content = old;
        record = seen;
    }
    file->busy = held;
    pthread_cond_broadcast(&file->settled);
    pthread_mutex_unlock(&file->lock);
    sfs_buffer_free(&content);
    sfs_record_unref(record);
    return code;
}

int fs_file_read(struct fs_file *file, char *data, size_t size, uint64_t offset, size_t *ret_size)
{
    pthread_mutex_lock(&file->lock);
    bool loaded = file->loaded;
    if (loaded) {
        uint64_t left = offset < file->content.size ? file->content.size - offset : 0;
        *ret_size = left < size ? (size_t)left : size;
        if (*ret_size > 0)
            memcpy(data, file->content.data + offset, *ret_size);
    }
    pthread_mutex_unlock(&file->lock);
    return loaded;
}

/* Makes the content `size` long, with zeros where it grows. With the lock held. */
static int resize(struct fs_file *file, uint64_t size)
{
    struct sfs_buffer *content = &file->content;
    if (size > content->size) {
        if (size > PTRDIFF_MAX || sfs_buffer_reserve(content, (size_t)size - content->size) != 0)
            return SFS_E_NO_MEMORY;
        memset(content->data + content->size, 0, (size_t)size - content->size);
    }
    content->size = (size_t)size;
    return 0;
}

/* The time of a write supersedes one that was set before it. With the lock held. */
static void mark_written(struct fs_file *file)
{
    file->dirty.level = FS_WRITTEN;
    file->written = file->changed = fs_now();
    file->pending_mask &= ~(unsigned)SFS_ATTRIBUTE_MODIFIED;
}

static int put_bytes(struct fs_file *file, struct sfs_bytes data, uint64_t offset, bool append)
{
    if (append)
        offset = file->content.size;
    uint64_t end = offset + data.size;
    if (end < offset)
        return SFS_E_TOO_LARGE;
    size_t before = file->content.size;
    if (end > before && resize(file, end) != 0)
        return SFS_E_NO_MEMORY;
    /* A gap that was jumped over is part of what changed. */
    if (fs_dirty_add(&file->dirty, offset, data.size, append) != 0) {
        file->content.size = before;
        return SFS_E_NO_MEMORY;
    }
    memcpy(file->content.data + offset, data.data, data.size);
    mark_written(file);
    return 0;
}

int fs_file_write(struct fs_call *call, struct fs_file *file, struct sfs_bytes data, uint64_t offset,
                  bool append)
{
    int code = 0;
    for (bool done = false; code == 0 && !done;) {
        code = fs_file_load(call, file, false);
        if (code < 0)
            return code;
        pthread_mutex_lock(&file->lock);
        done = file->loaded; /* another mount's change may have dropped it meanwhile */
        if (done)
            code = put_bytes(file, data, offset, append);
        pthread_mutex_unlock(&file->lock);
    }
    if (code < 0)
        return sfs_fail(&call->error, code, "mount", "a value of more than memory holds");
    return 0;
}

int fs_file_truncate(struct fs_call *call, struct fs_file *file, uint64_t size)
{
    int code = 0;
    for (bool done = false; code == 0 && !done;) {
        code = fs_file_load(call, file, false);
        if (code < 0)
            return code;
        pthread_mutex_lock(&file->lock);
        done = file->loaded;
        if (done) {
            uint64_t low = size < file->content.size ? size : file->content.size;
            code = resize(file, size);
            if (code == 0) {
                fs_dirty_cut(&file->dirty, low);
                mark_written(file);
            }
        }
        pthread_mutex_unlock(&file->lock);
    }
    if (code < 0)
        return sfs_fail(&call->error, code, "mount", "a value of more than memory holds");
    return 0;
}
