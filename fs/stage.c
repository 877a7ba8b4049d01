/* SPDX-License-Identifier: MIT */
/*
 * What of open files is more than memory shall hold. It goes to a stage of the store: of a file that is
 * written whole each byte to its own place, so that a commit only has to refer to it; of parts that are
 * written over a value one after the other, so that little pieces cost no more than their bytes.
 */
#include <stdlib.h>

#include "fs/budget.h"
#include "fs/file.h"
#include "fs/keys.h"
#include "fs/loop.h"

#define FILE_MAX (UINT64_C(8) << 20)   /* of one file in memory, bytes */
#define MOUNT_MAX (UINT64_C(64) << 20) /* of all; files under FILE_MIN do not shrink for it */
#define FILE_MIN (UINT64_C(1) << 20)

void fs_file_count(struct fs_file *file)
{
    struct fs *fs = file->space->fs;
    uint64_t now = file->content.memory;
    atomic_fetch_add(&fs->buffered, now - file->counted);
    file->counted = now;
    if (now < file->held)
        (void)fs_budget_hold(fs, file->uid, FS_WRITTEN_BYTES, &file->held, now, NULL);
}

int fs_file_charge(struct fs_call *call, struct fs_file *file, uint64_t size)
{
    uint64_t wanted = file->content.memory + size;
    if (file->held == 0)
        file->uid = call->uid;
    return size == 0 || wanted <= file->held ? 0
                                             : fs_budget_hold(call->fs, file->uid, FS_WRITTEN_BYTES,
                                                              &file->held, wanted, &call->error);
}

int fs_file_read_below(struct fs_call *call, struct fs_file *file, uint64_t offset, char *data, size_t size)
{
    struct sfs_buffer key = {0};
    size_t done = 0, got = 1;
    int code = fs_keys_key(call, file->node, &key);
    fs_loop_yield();
    while (code == 0 && done < size && got > 0) {
        code = sfs_read(file->space->store, sfs_buffer_bytes(&key), 0, offset + done, data + done,
                        size - done, &got, &call->error);
        done += code == 0 ? got : 0;
    }
    sfs_buffer_free(&key);
    /* Another mount has made it shorter meanwhile. */
    if (code == 0 && done < size)
        memset(data + done, 0, size - done);
    if (code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "the key was deleted by somebody else while the file was open");
    return code;
}

/* --- memory to stage: busy, and writers wait --- */

static void begin(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    file->spilling = true;
    pthread_mutex_unlock(&file->lock);
}

static void end(struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    file->spilling = false;
    pthread_cond_broadcast(&file->settled);
    pthread_mutex_unlock(&file->lock);
}

/* Whole content needs its pieces in place; parts of it may lie anywhere. */
static int open_stage(struct fs_call *call, struct fs_file *file, bool in_place)
{
    if (file->stage != NULL)
        return 0;
    int code = sfs_stage_open(file->space->store, &file->stage, &call->error);
    if (code < 0)
        return code;
    file->staged = 0;
    file->in_place = in_place;
    file->content.lost = false;
    return 0;
}

/* Writes one piece in memory to the stage; *index is the piece's then. */
static int spill_piece(struct fs_call *call, struct fs_file *file, size_t *index)
{
    const struct fs_piece *piece = &file->content.pieces[*index];
    uint64_t to = file->in_place ? piece->offset : file->staged;
    int code = sfs_stage_write(file->stage, to, sfs_bytes(piece->data, (size_t)piece->size), &call->error);
    if (code < 0)
        return code;
    file->staged = to + piece->size;
    pthread_mutex_lock(&file->lock);
    *index = fs_content_staged(&file->content, *index, to);
    fs_file_count(file);
    pthread_mutex_unlock(&file->lock);
    return 0;
}

static int spill(struct fs_call *call, struct fs_file *file)
{
    fs_loop_yield();
    int code =
        open_stage(call, file, file->dirty.whole || file->created || fs_file_was_empty(file));
    for (size_t i = 0; code == 0 && i < file->content.count; i++)
        if (file->content.pieces[i].source == FS_MEMORY)
            code = spill_piece(call, file, &i);
    return code;
}

static bool is_crowded(struct fs_file *file, uint64_t more)
{
    pthread_mutex_lock(&file->lock);
    uint64_t memory = file->content.memory;
    pthread_mutex_unlock(&file->lock);
    return memory + more > FILE_MAX ||
           (memory >= FILE_MIN && file->space->fs->buffered + more > MOUNT_MAX);
}

/* Outside of the keys tree: staging may wait for others, and a rename waits for all changers. */
int fs_file_make_room(struct fs_call *call, struct fs_file *file, uint64_t size)
{
    if (!is_crowded(file, size))
        return 0;
    if (call->tree == FS_CHANGES)
        fs_space_change_end(file->space);
    fs_file_hold(file);
    begin(file);
    int code = is_crowded(file, size) ? spill(call, file) : 0;
    end(file);
    fs_file_let_go(file);
    if (call->tree == FS_CHANGES)
        fs_space_change(file->space);
    return code == 0 ? fs_file_check(call, file) : code;
}

/* --- what shows of the store's value --- */

static bool next_gap(struct fs_file *file, uint64_t offset, struct sfs_extent *ret_gap)
{
    pthread_mutex_lock(&file->lock);
    bool found = file->loaded && fs_content_gap(&file->content, offset, ret_gap);
    pthread_mutex_unlock(&file->lock);
    return found;
}

static int keep_gap(struct fs_call *call, struct fs_file *file, struct sfs_extent gap, char *data)
{
    int code = fs_file_read_below(call, file, gap.offset, data, (size_t)gap.size);
    if (code == 0 && is_crowded(file, gap.size)) {
        begin(file);
        code = spill(call, file);
        end(file);
    }
    if (code < 0)
        return code;
    pthread_mutex_lock(&file->lock);
    code = fs_content_keep(&file->content, gap.offset, sfs_bytes(data, (size_t)gap.size));
    fs_file_count(file);
    pthread_mutex_unlock(&file->lock);
    return code < 0 ? sfs_fail_memory(&call->error, "mount") : 0;
}

int fs_file_keep(struct fs_call *call, struct fs_file *file)
{
    struct sfs_extent gap = {0};
    int code = fs_file_load(call, file, true);
    if (code < 0 || !next_gap(file, 0, &gap))
        return code;
    char *data = malloc(FS_PIECE);
    if (data == NULL)
        return sfs_fail_memory(&call->error, "mount");
    for (uint64_t at = 0; code == 0 && next_gap(file, at, &gap);) {
        gap.size = gap.size < FS_PIECE ? gap.size : FS_PIECE;
        code = keep_gap(call, file, gap, data);
        at = gap.offset + gap.size;
    }
    free(data);
    return code;
}

/* --- all of it --- */

/* Copies a staged piece to its place in another stage. */
static int copy_staged(struct fs_call *call, struct fs_file *file, const struct fs_piece *piece,
                       struct sfs_stage *to, char *data)
{
    int code = 0;
    for (uint64_t done = 0; code == 0 && done < piece->size;) {
        size_t size = piece->size - done < FS_PIECE ? (size_t)(piece->size - done) : FS_PIECE;
        code = sfs_stage_read(file->stage, piece->from + done, data, size, &call->error);
        if (code == 0)
            code = sfs_stage_write(to, piece->offset + done, sfs_bytes(data, size), &call->error);
        done += size;
    }
    return code;
}

/* Another stage, in which all that was staged lies at its place and nothing else. */
static int sort_stage(struct fs_call *call, struct fs_file *file)
{
    struct sfs_stage *sorted = NULL;
    char *data = malloc(FS_PIECE);
    int code = data != NULL ? sfs_stage_open(file->space->store, &sorted, &call->error)
                            : sfs_fail_memory(&call->error, "mount");
    for (size_t i = 0; code == 0 && i < file->content.count; i++)
        if (file->content.pieces[i].source == FS_STAGED)
            code = copy_staged(call, file, &file->content.pieces[i], sorted, data);
    free(data);
    if (code < 0) {
        sfs_stage_close(sorted);
        return code;
    }
    pthread_mutex_lock(&file->lock);
    for (size_t i = 0; i < file->content.count; i++)
        file->content.pieces[i].from = file->content.pieces[i].offset;
    struct sfs_stage *old = file->stage;
    file->stage = sorted;
    file->in_place = true;
    file->content.lost = false;
    pthread_mutex_unlock(&file->lock);
    sfs_stage_close(old);
    return 0;
}

int fs_file_stage_whole(struct fs_call *call, struct fs_file *file)
{
    int code = 0;
    if (file->stage == NULL)
        code = open_stage(call, file, true);
    else if (!file->in_place || file->content.lost)
        code = sort_stage(call, file);
    if (code == 0)
        code = spill(call, file);
    if (code == 0 && sfs_stage_size(file->stage) != file->content.size)
        code = sfs_stage_truncate(file->stage, file->content.size, &call->error);
    return code;
}
