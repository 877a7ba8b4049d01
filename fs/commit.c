/* SPDX-License-Identifier: MIT */
/*
 * Committing an open file: its dirty extents as one batch on the latest value.
 */
#include <stdlib.h>

#include "fs/budget.h"
#include "fs/fields.h"
#include "fs/file.h"
#include "fs/keys.h"
#include "fs/tx.h"

/* What goes with the content: the times are those that stat has shown since the write. */
static unsigned times_of(const struct fs_file *file, struct sfs_attributes *attributes)
{
    *attributes = file->pending;
    attributes->changed = file->changed;
    if ((file->pending_mask & SFS_ATTRIBUTE_MODIFIED) == 0)
        attributes->modified = file->written;
    return file->pending_mask | SFS_ATTRIBUTE_MODIFIED | SFS_ATTRIBUTE_CHANGED;
}

/* --- the whole content --- */

/* Of a file that is in memory: pieces, and zeros between them. */
static int batch_bytes(struct fs_file *file, struct sfs_bytes key, struct sfs_batch *batch,
                       struct sfs_error *error)
{
    const struct fs_content *content = &file->content;
    struct sfs_attributes attributes;
    unsigned mask = times_of(file, &attributes);
    char *bytes = calloc(1, (size_t)content->size + 1);
    if (bytes == NULL)
        return sfs_fail_memory(error, "mount");
    for (size_t i = 0; i < content->count; i++) {
        const struct fs_piece *piece = &content->pieces[i];
        if (piece->source == FS_MEMORY)
            memcpy(bytes + piece->offset, piece->data, (size_t)piece->size);
    }
    int code = sfs_batch_put(batch, key, sfs_bytes(bytes, (size_t)content->size), &attributes, mask,
                             error);
    free(bytes);
    return code;
}

/* Of a large one: it is in the stage, to which the batch refers. Writers wait meanwhile. */
static int batch_stage(struct fs_call *call, struct fs_file *file, struct sfs_bytes key,
                       struct sfs_batch *batch)
{
    struct sfs_attributes attributes;
    int code = fs_file_stage_whole(call, file);
    if (code < 0)
        return code;
    pthread_mutex_lock(&file->lock);
    unsigned mask = times_of(file, &attributes);
    pthread_mutex_unlock(&file->lock);
    return sfs_batch_put_stage(batch, key, file->stage, &attributes, mask, &call->error);
}

/* --- parts of it --- */

static const enum sfs_part_source part_sources[] = {
    [FS_MEMORY] = SFS_PART_BYTES,
    [FS_STAGED] = SFS_PART_STAGE,
    [FS_ZEROS] = SFS_PART_ZEROS,
};

/* The pieces as parts of one operation: those in memory are copied behind each other. */
static int collect_parts(const struct fs_file *file, struct sfs_part *parts, size_t *ret_count,
                         struct sfs_buffer *bytes, bool *ret_staged)
{
    uint64_t end = file->dirty.appended ? file->dirty.end : 0;
    size_t count = 0;
    for (size_t i = 0; i < file->content.count; i++) {
        const struct fs_piece *piece = &file->content.pieces[i];
        struct sfs_part part = {part_sources[piece->source], piece->offset - end, piece->size,
                                piece->from};
        if (piece->kept)
            continue;
        *ret_staged |= piece->source == FS_STAGED;
        if (piece->source == FS_MEMORY) {
            part.from = bytes->size;
            if (sfs_buffer_add(bytes, sfs_bytes(piece->data, (size_t)piece->size)) != 0)
                return SFS_E_NO_MEMORY;
        }
        parts[count++] = part;
    }
    *ret_count = count;
    return 0;
}

static int batch_pieces(struct fs_file *file, struct sfs_bytes key, struct sfs_batch *batch,
                        struct sfs_error *error)
{
    struct sfs_buffer bytes = {0};
    size_t count = 0;
    bool staged = false;
    struct sfs_part *parts = calloc(file->content.count + 1, sizeof(*parts));
    int code =
        parts != NULL ? collect_parts(file, parts, &count, &bytes, &staged) : SFS_E_NO_MEMORY;
    if (code < 0)
        code = sfs_fail_memory(error, "mount");
    else if (count > 0)
        code = sfs_batch_patch(batch, key, parts, count, sfs_buffer_bytes(&bytes),
                               staged ? file->stage : NULL,
                               file->dirty.appended ? SFS_BATCH_AT_END : 0, error);
    free(parts);
    sfs_buffer_free(&bytes);
    return code;
}

/* Truncation first, then the written parts; the end last, which they may not reach. */
static int batch_parts(struct fs_file *file, struct sfs_bytes key, struct sfs_batch *batch,
                       struct sfs_error *error)
{
    const struct fs_dirty *dirty = &file->dirty;
    struct sfs_attributes attributes;
    unsigned mask = times_of(file, &attributes);
    int code = 0;
    if (file->created) /* the file is another's, who has given it its mode and owner */
        mask &= ~(unsigned)(SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID |
                            SFS_ATTRIBUTE_ID);
    if (dirty->cut)
        code = sfs_batch_truncate(batch, key, dirty->low, error);
    if (code == 0)
        code = batch_pieces(file, key, batch, error);
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

/* How a file's content goes into a batch. */
enum way { WAY_NONE, WAY_BYTES, WAY_STAGE, WAY_PARTS };

/* With the lock held. Where a stage is to be filled, writers wait from now on. */
static enum way choose_way(struct fs_file *file, enum fs_onto onto)
{
    if (file->dirty.level == FS_CLEAN || file->unlinked)
        return WAY_NONE;
    /* Of an empty value nothing is left; sent whole, the new one gets its type from all of its
     * bytes. */
    bool first = fs_file_was_empty(file) && onto == FS_ONTO_KNOWN;
    if (!file->dirty.whole && !first && !(file->created && onto != FS_ONTO_LATEST))
        return WAY_PARTS;
    if (file->stage == NULL && file->content.size < FS_LARGE)
        return WAY_BYTES;
    file->spilling = true;
    return WAY_STAGE;
}

int fs_file_batch(struct fs_call *call, struct fs_file *file, struct sfs_bytes key,
                  enum fs_onto onto, struct sfs_batch *batch, struct fs_dirty *ret_taken)
{
    pthread_mutex_lock(&file->lock);
    enum way way = choose_way(file, onto);
    int code = way != WAY_NONE ? require(file, key, onto, batch, &call->error) : 0;
    if (code == 0 && (way == WAY_BYTES || way == WAY_PARTS))
        code = fs_tx_charge(call, file->space, file->content.memory);
    if (code == 0 && way == WAY_STAGE) {
        pthread_mutex_unlock(&file->lock);
        code = batch_stage(call, file, key, batch);
        pthread_mutex_lock(&file->lock);
    } else if (code == 0 && way == WAY_BYTES) {
        code = batch_bytes(file, key, batch, &call->error);
    } else if (code == 0 && way == WAY_PARTS) {
        code = batch_parts(file, key, batch, &call->error);
    }
    if (code == 0) {
        *ret_taken = file->dirty;
        ret_taken->authors = fs_authors_take(&file->authors);
        file->dirty = (struct fs_dirty){0};
        fs_content_send(&file->content);
    }
    file->spilling = false;
    pthread_cond_broadcast(&file->settled);
    pthread_mutex_unlock(&file->lock);
    return code;
}

/* What could not be committed is dirty again, under what was written since. */
static void take_back(struct fs_file *file, const struct fs_dirty *taken)
{
    struct fs_dirty *dirty = &file->dirty;
    bool written = dirty->level == FS_WRITTEN;
    fs_content_sent(&file->content, false);
    fs_authors_put_back(&file->authors, &taken->authors);
    if (taken->level == FS_CLEAN)
        return;
    dirty->appended = taken->appended && (!written || dirty->appended);
    dirty->end = taken->end;
    dirty->whole = dirty->whole || taken->whole;
    if (taken->cut)
        dirty->low = dirty->cut && dirty->low < taken->low ? dirty->low : taken->low;
    dirty->cut = dirty->cut || taken->cut;
    if (taken->level > dirty->level)
        dirty->level = taken->level;
}

/* What was committed is the store's. What was written since lies over its value. */
static void give_up(struct fs_file *file, const struct sfs_record *record)
{
    struct fs_content *content = &file->content;
    fs_content_sent(content, true);
    fs_file_count(file);
    file->loaded = file->dirty.level != FS_CLEAN;
    if (record == NULL || file->dirty.whole)
        return;
    content->below =
        file->dirty.cut && file->dirty.low < record->size ? file->dirty.low : record->size;
    if (!file->dirty.cut && content->size < record->size)
        content->size = record->size;
}

/* The size that the kernel keeps is not what the store has. */
static void distrust_size(struct fs_file *file)
{
    file->node->attribute_size = UINT64_MAX;
    file->node->attribute_revision = FS_REVISION_OTHER;
    fs_notify_attributes(file->space->fs->notifier, file->node->id);
}

void fs_file_committed(struct fs_file *file, const struct fs_dirty *taken, int code,
                       uint64_t sequence, const struct sfs_record *record)
{
    struct sfs_stage *spent = NULL;
    pthread_mutex_lock(&file->lock);
    if (code < 0) {
        take_back(file, taken);
    } else if (taken->level != FS_CLEAN) {
        file->created = false;
        file->made = 0;
        file->pending_mask &= file->dirty.level == FS_CLEAN ? 0 : ~(unsigned)SFS_ATTRIBUTE_ID;
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
        give_up(file, record);
        spent = file->stage;
        file->stage = NULL;
    }
    pthread_mutex_unlock(&file->lock);
    sfs_stage_close(spent);
}

static int apply_once(struct fs_call *call, struct fs_file *file, struct sfs_bytes key,
                      enum fs_onto onto, uint64_t *ret_sequence)
{
    struct sfs_batch *batch;
    struct fs_dirty taken = {0};
    const struct sfs_record *after = NULL;
    uint64_t sequence = 0;
    int code = sfs_batch_new(&batch, &call->error);
    if (code < 0)
        return code;
    code = fs_file_batch(call, file, key, onto, batch, &taken);
    if (code < 0) {
        sfs_batch_free(batch);
        return code;
    }
    code = fs_keys_apply(call, file->space, batch, ret_sequence != NULL, &sequence);
    /* Without the record (another mount has deleted it already) the file keeps what it knew. */
    if (code == 0)
        (void)sfs_get(file->space->store, key, SFS_WANT_RECORD, &after, NULL);
    fs_file_committed(file, &taken, code, sequence, after);
    sfs_record_unref(after);
    if (code == 0 && ret_sequence != NULL)
        *ret_sequence = sequence;
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

/* Whether somebody else has made the key; else a unique index has the value already. */
static bool is_taken(struct fs_file *file, struct sfs_bytes key)
{
    const struct sfs_record *record = NULL;
    int code = sfs_get(file->space->store, key, SFS_WANT_RECORD, &record, NULL);
    sfs_record_unref(record);
    return code != SFS_E_NOT_FOUND;
}

/* Onto the revision that is known, or onto nothing where the file was made here; where somebody
 * else wrote or made it since, onto theirs, and what this mount shows is then read anew. */
static int apply_dirty(struct fs_call *call, struct fs_file *file, struct sfs_bytes key,
                       uint64_t *ret_sequence)
{
    int code = apply_once(call, file, key, FS_ONTO_KNOWN, ret_sequence);
    if (code != SFS_E_CONFLICT && !(code == SFS_E_EXISTS && file->created && is_taken(file, key)))
        return code;
    code = apply_once(call, file, key, FS_ONTO_LATEST, ret_sequence);
    if (code == SFS_E_CONFLICT || code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "the key was deleted or replaced by somebody else while the file was open; "
                        "what was written to it is not in the store");
    fs_file_forget_content(file);
    return code;
}

bool fs_file_is_due(const struct fs_file *file, enum fs_dirt level, const struct fs_open *open)
{
    return file->dirty.level >= level && file->dirty.level != FS_CLEAN && !file->unlinked &&
           (open == NULL || file->handles == 0 || fs_authors_have(&file->authors, open));
}

/* What finding its type takes: only text that may be JSON is read whole for it. Zero where nothing
 * is due. */
static uint64_t type_needs(struct fs_file *file, enum fs_dirt level, const struct fs_open *open)
{
    pthread_mutex_lock(&file->lock);
    uint64_t size = file->content.size;
    bool due = fs_file_is_due(file, level, open) && size >= FS_LARGE && size <= SFS_DOCUMENT_MAX &&
               strchr(" \t\r\n{[\"-0123456789tfn", file->first) != NULL; /* NUL too: unknown */
    pthread_mutex_unlock(&file->lock);
    return due ? size : 0;
}

int fs_file_prepare(struct fs_call *call, struct fs_file *file, enum fs_dirt level,
                    const struct fs_open *open)
{
    enum sfs_type type;
    int code = fs_budget_take(call, type_needs(file, level, open), 0, false);
    if (code < 0)
        return code;
    fs_file_hold(file);
    pthread_mutex_lock(&file->lock);
    bool whole = fs_file_is_due(file, level, open) && choose_way(file, FS_ONTO_KNOWN) == WAY_STAGE;
    pthread_mutex_unlock(&file->lock);
    code = whole ? fs_file_stage_whole(call, file) : 0;
    if (whole && code == 0)
        code = sfs_stage_type(file->stage, &type, &call->error); /* the stage remembers it */
    file->refused = file->refused || code < 0;
    pthread_mutex_lock(&file->lock);
    file->spilling = false;
    pthread_cond_broadcast(&file->settled);
    pthread_mutex_unlock(&file->lock);
    fs_file_let_go(file);
    fs_budget_give(call->fs);
    return code;
}

int fs_file_commit(struct fs_call *call, struct fs_file *file, enum fs_dirt level,
                   const struct fs_open *open, uint64_t *ret_sequence)
{
    fs_file_hold(file);
    pthread_mutex_lock(&file->lock);
    bool needed = fs_file_is_due(file, level, open);
    pthread_mutex_unlock(&file->lock);
    int code = needed ? fs_file_check(call, file) : 0;
    if (code == 0 && needed) {
        struct sfs_buffer key = {0};
        code = fs_keys_key(call, file->node, &key);
        if (code == 0)
            code = apply_dirty(call, file, sfs_buffer_bytes(&key), ret_sequence);
        sfs_buffer_free(&key);
        file->refused = code < 0;
    }
    fs_file_let_go(file);
    return code;
}

void fs_file_withdraw(struct fs_call *call, struct fs_file *file)
{
    struct fs_call quiet = *call; /* the caller's error is that of the content */
    struct sfs_buffer key = {0};
    if (file->made == 0)
        return;
    if (fs_keys_key(&quiet, file->node, &key) == 0 &&
        fs_keys_delete_revision(&quiet, file->space, sfs_buffer_bytes(&key), file->node->kind,
                                file->made) == 0) {
        file->made = 0;
        if (file->space == file->space->fs->space)
            fs_keys_tell(file->space->fs, sfs_buffer_bytes(&key), true);
    }
    sfs_buffer_free(&key);
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
    return sfs_fail(
        &call->error, SFS_E_EXPIRED, "mount",
        "something else is in the place of this file, put there by somebody else, by a rollback "
        "to a savepoint or by the commit of an inner transaction, or it was new and its content "
        "was refused: open it again");
}

void fs_file_part(struct fs_file *file)
{
    struct fs *fs = file->space->fs;
    file->stale = true;
    fs_nodes_lock(fs->nodes);
    fs_node_detach_locked(fs, file->node);
    fs_nodes_unlock(fs->nodes);
}

/* What has been refused goes: the file shows what the store has. With the lock held; returns what
 * it was staged in. */
static struct sfs_stage *revert(struct fs_file *file)
{
    struct sfs_stage *spent = file->stage;
    file->stage = NULL;
    fs_content_empty(&file->content);
    fs_file_count(file);
    file->dirty = (struct fs_dirty){0};
    (void)fs_authors_take(&file->authors);
    file->pending_mask = 0;
    file->stale = file->stale || file->created;
    file->loaded = file->created;
    return spent;
}

void fs_file_refuse(struct fs_call *call, struct fs_file *file, struct fs_open *open,
                    unsigned writers)
{
    struct fs_call quiet = *call; /* the caller's error is that of the content */
    struct sfs_stage *spent = NULL;
    fs_file_hold(file);
    pthread_mutex_lock(&file->lock);
    struct sfs_attributes pending = file->pending;
    unsigned mask = file->pending_mask;
    if (open != NULL) {
        fs_authors_leave(&file->authors, open);
        open->refused = true;
    }
    bool gone = file->dirty.level != FS_CLEAN && fs_authors_gone(&file->authors, writers);
    bool created = file->created;
    if (gone)
        spent = revert(file);
    pthread_mutex_unlock(&file->lock);
    if (gone && created) {
        fs_file_part(file);
        fs_notify_attributes(file->space->fs->notifier, file->node->id);
    } else if (gone) {
        fs_file_forget_content(file);
        if (mask != 0 &&
            file->made == 0) /* what was set meanwhile was not refused, if the file stays */
            (void)fs_keys_set_attributes(&quiet, file->node, &pending, mask);
    }
    fs_file_let_go(file);
    sfs_stage_close(spent);
}

/* Whether its key still is the record's that it showed. */
static bool is_same(struct fs_call *call, struct fs_file *file)
{
    struct fs_call quiet = *call;
    struct sfs_buffer key = {0};
    const struct sfs_record *now = NULL;
    bool same =
        fs_keys_key(&quiet, file->node, &key) == 0 &&
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

/* One that was unlinked before is nobody's but its descriptors'; if that is undone, it is a file
 * again. */
static void renew(struct fs_call *call, struct fs_file *file, uint64_t since)
{
    bool same = file->unlinked ? file->node->moved <= since : is_same(call, file);
    if (!same)
        fs_file_part(file);
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
    fs_notify_attributes(fs->notifier, node->id);
}

void fs_files_renew(struct fs_call *call, struct fs_space *space, uint64_t since,
                    struct fs_file **files, size_t count)
{
    struct renewal renewal = {space, since};
    fs_nodes_visit(space->fs, distrust, &renewal);
    for (size_t i = 0; i < count; i++)
        renew(call, files[i], since);
    fs_document_cache_clear(space->fs->documents, space);
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
        int code = fs_file_prepare(call, files[i], FS_OPENED, NULL);
        if (code == 0)
            code = fs_file_commit(call, files[i], FS_OPENED, NULL, NULL);
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
