/* SPDX-License-Identifier: MIT */
/*
 * Open files: sharing, loading, reading, writing. Committing is in commit.c.
 */
#include "fs/file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "fs/keys.h"
#include "fs/loop.h"

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
    fs_content_empty(&file->content);
    fs_file_count(file);
    sfs_stage_close(file->stage);
    sfs_record_unref(file->record);
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

/* With the lock held: waits until whoever works on the file has done something. */
static void wait_for(struct fs_file *file)
{
    fs_loop_yield();
    pthread_cond_wait(&file->settled, &file->lock);
}

void fs_file_hold(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    while (file->busy)
        wait_for(file);
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

/* Whether the key is another record's now. A transaction's own changes are told by fs_files_renew.
 * With the lock held. */
static bool is_replaced(const struct fs_file *file, const struct sfs_record *record)
{
    const struct sfs_record *known = file->record;
    return known != NULL && known->attributes.id != record->attributes.id &&
           known->revision < record->revision && !file->created && !file->unlinked &&
           file->space == file->space->fs->space;
}

void fs_file_saw(struct fs_file *file, const struct sfs_record *record)
{
    if (record == NULL)
        return;
    pthread_mutex_lock(&file->lock);
    const struct sfs_record *known = file->record;
    bool replaced = is_replaced(file, record);
    bool newer = known == NULL || known->attributes.id != record->attributes.id ||
                 known->revision < record->revision;
    bool settled =
        file->dirty.level == FS_CLEAN && !file->busy && !file->created && !file->unlinked;
    if (newer && settled && !replaced) {
        file->loaded = false;
        fs_content_unkeep(&file->content);
        fs_file_count(file);
        sfs_record_unref(known);
        file->record = sfs_record_ref(record);
    }
    pthread_mutex_unlock(&file->lock);
    if (replaced)
        fs_file_part(file);
}

void fs_file_create(struct fs_file *file, const struct sfs_attributes *attributes, bool empty,
                    struct fs_open *open)
{
    pthread_mutex_lock(&file->lock);
    fs_content_empty(&file->content);
    fs_file_count(file);
    file->created = true;
    file->loaded = true;
    file->dirty.whole = empty;
    file->dirty.level = FS_OPENED;
    file->pending = *attributes;
    file->pending_mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID;
    if (attributes->id != 0)
        file->pending_mask |= SFS_ATTRIBUTE_ID;
    file->written = file->changed = fs_now();
    fs_authors_note(&file->authors, open);
    pthread_mutex_unlock(&file->lock);
}

/* The kernel leaves them to an open that empties the file; all other changes it takes them from
 * itself, and so: that of a group only where the group may execute it. With the lock held. */
static void drop_set_id(struct fs_file *file)
{
    bool set = (file->pending_mask & SFS_ATTRIBUTE_MODE) != 0;
    uint32_t mode = set                    ? file->pending.mode
                    : file->record != NULL ? file->record->attributes.mode
                                           : 0;
    uint32_t bits = mode & S_ISUID;
    if (mode & S_IXGRP)
        bits |= mode & S_ISGID;
    if (bits == 0)
        return;
    file->pending.mode = mode & ~bits;
    file->pending_mask |= SFS_ATTRIBUTE_MODE;
}

void fs_file_empty(struct fs_file *file, bool privileged, struct fs_open *open)
{
    pthread_mutex_lock(&file->lock);
    while (file->spilling)
        wait_for(file);
    fs_content_empty(&file->content);
    fs_file_count(file);
    file->loaded = true;
    file->other_pages = file->other_size = false; /* the kernel drops what it has, too */
    file->dirty.cut = true;
    file->dirty.appended = false;
    file->dirty.low = 0;
    file->dirty.whole = true;
    if (file->dirty.level < FS_OPENED)
        file->dirty.level = FS_OPENED;
    file->written = file->changed = fs_now();
    file->pending_mask &= ~(unsigned)SFS_ATTRIBUTE_MODIFIED;
    if (!privileged)
        drop_set_id(file);
    fs_authors_note(&file->authors, open);
    pthread_mutex_unlock(&file->lock);
}

/* The record as it is now. */
static int look(struct fs_call *call, struct fs_file *file, const struct sfs_record **ret_record)
{
    struct sfs_buffer key = {0};
    int code = fs_keys_key(call, file->node, &key);
    if (code == 0)
        code = sfs_get(file->space->store, sfs_buffer_bytes(&key), SFS_WANT_RECORD, ret_record,
                       &call->error);
    sfs_buffer_free(&key);
    if (code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "the key was deleted by somebody else while the file was open");
    return code;
}

/* What is written from now on lies over the value of this record. With the lock held. */
static void lay_over(struct fs_file *file, const struct sfs_record *record)
{
    file->loaded = true;
    file->content.size = file->content.below = record->size;
    if (record->revision != file->node->page_revision)
        file->other_pages = true;
    if (record->revision != file->node->attribute_revision)
        file->other_size = true;
}

int fs_file_load(struct fs_call *call, struct fs_file *file, bool held)
{
    pthread_mutex_lock(&file->lock);
    while (!held && file->busy && !file->loaded)
        wait_for(file);
    bool loaded = file->loaded;
    if (!loaded)
        file->busy = true;
    pthread_mutex_unlock(&file->lock);
    if (loaded)
        return 0;

    const struct sfs_record *record = NULL;
    int code = look(call, file, &record);
    fs_file_saw(file, record);
    if (code == 0)
        code = fs_file_check(call, file);
    pthread_mutex_lock(&file->lock);
    if (code == 0 && !file->loaded) {
        const struct sfs_record *seen = file->record;
        lay_over(file, record);
        file->record = record;
        record = seen;
    }
    file->busy = held;
    pthread_cond_broadcast(&file->settled);
    pthread_mutex_unlock(&file->lock);
    sfs_record_unref(record);
    return code;
}

/* --- reading --- */

/* Where the next bytes come from. With the lock held; those in memory are copied at once. */
struct source {
    bool below;
    bool staged;
    uint64_t from;
    size_t size;
};

static struct source source_of(const struct fs_file *file, uint64_t offset, char *data, size_t size)
{
    const struct fs_content *content = &file->content;
    size_t index = fs_content_find(content, offset);
    const struct fs_piece *piece = index < content->count ? &content->pieces[index] : NULL;
    struct sfs_extent gap;
    uint64_t end = offset + size;
    struct source source = {0};
    if (piece != NULL && piece->offset <= offset) {
        end = piece->offset + piece->size < end ? piece->offset + piece->size : end;
        source.staged = piece->source == FS_STAGED;
        source.from = piece->from + (offset - piece->offset);
        if (piece->source == FS_MEMORY)
            memcpy(data, piece->data + (offset - piece->offset), (size_t)(end - offset));
        else
            memset(data, 0, (size_t)(end - offset));
    } else if (fs_content_gap(content, offset, &gap) && gap.offset == offset) {
        end = gap.offset + gap.size < end ? gap.offset + gap.size : end;
        source.below = true;
    } else {
        end = piece != NULL && piece->offset < end ? piece->offset : end;
        memset(data, 0, (size_t)(end - offset));
    }
    source.size = (size_t)(end - offset);
    return source;
}

/* The stage is read by the call that holds the file: no commit may take the stage away meanwhile.
 * It needs no key, so the call need not be in the keys tree, where it would keep the holder's
 * change from being published. */
static int read_staged(struct fs_call *call, struct fs_file *file, uint64_t offset, char *data,
                       size_t size, size_t *ret_size)
{
    if (call->tree == FS_READS)
        fs_space_read_end(file->space);
    fs_file_hold(file);
    pthread_mutex_lock(&file->lock);
    struct source source = {0};
    if (file->loaded)
        source = source_of(file, offset, data, size);
    pthread_mutex_unlock(&file->lock);
    int code = source.staged
                   ? sfs_stage_read(file->stage, source.from, data, source.size, &call->error)
                   : 0;
    fs_file_let_go(file);
    if (call->tree == FS_READS)
        fs_space_read(file->space);
    *ret_size = source.below ? 0 : source.size;
    return code;
}

/* Some bytes, at least one; 0 bytes: it has changed meanwhile, and is to be looked at again. */
static int read_some(struct fs_call *call, struct fs_file *file, uint64_t offset, char *data,
                     size_t size, size_t *ret_size, bool *ret_loaded)
{
    struct source source = {0};
    pthread_mutex_lock(&file->lock);
    *ret_loaded = file->loaded;
    uint64_t left = offset < file->content.size ? file->content.size - offset : 0;
    if (file->loaded && left > 0)
        source = source_of(file, offset, data, left < size ? (size_t)left : size);
    pthread_mutex_unlock(&file->lock);
    *ret_size = source.size;
    if (source.staged)
        return read_staged(call, file, offset, data, source.size, ret_size);
    return source.below ? fs_file_read_below(call, file, offset, data, source.size) : 0;
}

static uint64_t size_of(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    uint64_t size = file->loaded ? file->content.size : UINT64_MAX;
    pthread_mutex_unlock(&file->lock);
    return size;
}

int fs_file_read(struct fs_call *call, struct fs_file *file, char *data, size_t size,
                 uint64_t offset, size_t *ret_size)
{
    size_t done = 0;
    bool loaded = true;
    int code = 0;
    while (code == 0 && loaded && done < size && offset + done < size_of(file)) {
        size_t got;
        code = read_some(call, file, offset + done, data + done, size - done, &got, &loaded);
        done += got;
    }
    pthread_mutex_lock(&file->lock);
    loaded = loaded && file->loaded;
    pthread_mutex_unlock(&file->lock);
    if (code < 0)
        return code;
    *ret_size = done;
    return loaded;
}

/* --- writing --- */

/* The time of a write supersedes one that was set before it. With the lock held. */
static void mark_written(struct fs_file *file, struct fs_open *open)
{
    fs_authors_note(&file->authors, open);
    file->dirty.level = FS_WRITTEN;
    file->written = file->changed = fs_now();
    file->pending_mask &= ~(unsigned)SFS_ATTRIBUTE_MODIFIED;
}

/* One change of an open file. */
struct change {
    enum { WRITE, APPEND, TRUNCATE, GROW, PUNCH } kind;
    uint64_t offset; /* TRUNCATE, GROW: the size */
    uint64_t size;   /* PUNCH */
    struct sfs_bytes bytes;
    struct fs_open *open; /* through which handle */
};

static int put_bytes(struct fs_file *file, const struct change *change)
{
    struct fs_dirty *dirty = &file->dirty;
    bool append = change->kind == APPEND, first = dirty->level != FS_WRITTEN;
    uint64_t end = file->content.size;
    uint64_t offset = append ? end : change->offset;
    if (offset > INT64_MAX || change->bytes.size > INT64_MAX - offset)
        return SFS_E_TOO_LARGE;
    int code = fs_content_write(&file->content, offset, change->bytes);
    if (code < 0)
        return code;
    if (offset == 0 && change->bytes.size > 0)
        file->first = *(const char *)change->bytes.data;
    dirty->appended = append && !dirty->cut && (first || dirty->appended);
    if (first)
        dirty->end = end;
    mark_written(file, change->open);
    return 0;
}

static void set_size(struct fs_file *file, uint64_t size, struct fs_open *open)
{
    struct fs_dirty *dirty = &file->dirty;
    uint64_t low = size < file->content.size ? size : file->content.size;
    fs_content_cut(&file->content, low);
    file->content.size = size;
    dirty->low = dirty->cut && dirty->low < low ? dirty->low : low;
    dirty->cut = true;
    dirty->appended = false;
    mark_written(file, open);
}

static int punch(struct fs_file *file, const struct change *change)
{
    uint64_t offset = change->offset, size = change->size;
    uint64_t left = offset < file->content.size ? file->content.size - offset : 0;
    int code = fs_content_zero(&file->content, offset, size < left ? size : left);
    if (code < 0 || left == 0)
        return code;
    file->dirty.appended = false;
    mark_written(file, change->open);
    return 0;
}

/* With the lock held. */
static int make_change(struct fs_file *file, const struct change *change)
{
    int code = 0;
    switch (change->kind) {
    case WRITE:
    case APPEND:
        code = put_bytes(file, change);
        break;
    case TRUNCATE:
        set_size(file, change->offset, change->open);
        break;
    case GROW:
        if (change->offset > file->content.size)
            set_size(file, change->offset, change->open);
        break;
    case PUNCH:
        code = punch(file, change);
        break;
    }
    fs_file_count(file);
    return code;
}

static int change_file(struct fs_call *call, struct fs_file *file, struct change *change)
{
    change->open = call->open;
    int code = 0;
    for (bool done = false; code == 0 && !done;) {
        code = fs_file_load(call, file, false);
        if (code == 0 && change->bytes.size > 0)
            code = fs_file_make_room(call, file, change->bytes.size);
        if (code < 0)
            return code;
        pthread_mutex_lock(&file->lock);
        while (file->spilling)
            wait_for(file);
        done = file->loaded; /* another mount's change may have dropped it meanwhile */
        int charged = done ? fs_file_charge(call, file, change->bytes.size) : 0;
        if (done && charged == 0)
            code = make_change(file, change);
        pthread_mutex_unlock(&file->lock);
        if (charged < 0)
            return charged;
    }
    if (code < 0)
        return sfs_fail(&call->error, code, "mount", "a value of more than memory holds");
    return 0;
}

int fs_file_write(struct fs_call *call, struct fs_file *file, struct sfs_bytes data,
                  uint64_t offset, bool append)
{
    struct change change = {.kind = append ? APPEND : WRITE, .offset = offset, .bytes = data};
    return change_file(call, file, &change);
}

static int change_size(struct fs_call *call, struct fs_file *file, struct change change)
{
    if (change.offset > INT64_MAX)
        return sfs_fail(&call->error, SFS_E_TOO_LARGE, "mount",
                        "a value cannot be larger than 2^63 - 1 bytes");
    return change_file(call, file, &change);
}

int fs_file_truncate(struct fs_call *call, struct fs_file *file, uint64_t size)
{
    return change_size(call, file, (struct change){.kind = TRUNCATE, .offset = size});
}

int fs_file_grow(struct fs_call *call, struct fs_file *file, uint64_t size)
{
    return change_size(call, file, (struct change){.kind = GROW, .offset = size});
}

int fs_file_punch(struct fs_call *call, struct fs_file *file, uint64_t offset, uint64_t size)
{
    return change_size(call, file, (struct change){.kind = PUNCH, .offset = offset, .size = size});
}
