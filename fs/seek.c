/* SPDX-License-Identifier: MIT */
/*
 * Data and holes of open files: where what was written here ends, the store's own account goes on.
 */
#include "fs/file.h"
#include "fs/keys.h"

/* What lies at an offset, as far as it is known: up to `end` it is data, or a hole, or the store's value. */
struct stretch {
    bool data;
    bool below;
    uint64_t end;
};

static struct stretch stretch_of(const struct fs_content *content, uint64_t offset)
{
    size_t index = fs_content_find(content, offset);
    const struct fs_piece *piece = index < content->count ? &content->pieces[index] : NULL;
    struct sfs_extent gap;
    if (piece != NULL && piece->offset <= offset)
        return (struct stretch){.data = piece->source != FS_ZEROS, .end = piece->offset + piece->size};
    if (fs_content_gap(content, offset, &gap) && gap.offset == offset)
        return (struct stretch){.below = true, .end = gap.offset + gap.size};
    return (struct stretch){.end = piece != NULL ? piece->offset : content->size};
}

/* The same of the store's value. */
static int look_below(struct fs_call *call, struct fs_file *file, struct sfs_bytes key, uint64_t offset,
                      struct stretch *stretch)
{
    struct sfs_extent extent;
    int code = sfs_data(file->space->store, key, offset, &extent, &call->error);
    if (code < 0)
        return code;
    uint64_t from = code == 1 ? extent.offset : stretch->end;
    stretch->data = code == 1 && from == offset;
    uint64_t end = stretch->data ? from + extent.size : from;
    stretch->end = end < stretch->end ? end : stretch->end;
    return 0;
}

/* A file with nothing of its own is one stretch of the store's value. */
static int next_stretch(struct fs_call *call, struct fs_file *file, struct sfs_bytes key, uint64_t size,
                        uint64_t offset, struct stretch *ret_stretch)
{
    struct stretch stretch = {.below = true, .end = size};
    pthread_mutex_lock(&file->lock);
    if (file->loaded)
        stretch = stretch_of(&file->content, offset);
    pthread_mutex_unlock(&file->lock);
    int code = stretch.below ? look_below(call, file, key, offset, &stretch) : 0;
    *ret_stretch = stretch;
    return code;
}

static int size_now(struct fs_call *call, struct fs_file *file, struct sfs_bytes key, uint64_t *ret_size)
{
    const struct sfs_record *record;
    pthread_mutex_lock(&file->lock);
    bool loaded = file->loaded;
    *ret_size = file->content.size;
    pthread_mutex_unlock(&file->lock);
    if (loaded)
        return 0;
    int code = sfs_get(file->space->store, key, SFS_WANT_RECORD, &record, &call->error);
    if (code == 0) {
        *ret_size = record->size;
        sfs_record_unref(record);
    }
    return code;
}

static int seek(struct fs_call *call, struct fs_file *file, struct sfs_bytes key, uint64_t offset, bool data,
                uint64_t *ret_offset)
{
    uint64_t size;
    int code = size_now(call, file, key, &size);
    if (code == 0 && offset >= size)
        return SFS_E_NOT_FOUND;
    while (code == 0 && offset < size) {
        struct stretch stretch;
        code = next_stretch(call, file, key, size, offset, &stretch);
        if (code == 0 && stretch.data == data)
            break;
        offset = stretch.end > offset ? stretch.end : size;
    }
    if (code == 0 && offset >= size && data)
        return SFS_E_NOT_FOUND;
    *ret_offset = offset < size ? offset : size;
    return code;
}

int fs_file_seek(struct fs_call *call, struct fs_file *file, uint64_t offset, bool data,
                 uint64_t *ret_offset)
{
    struct sfs_buffer key = {0};
    int code = file->unlinked || file->created ? 0 : fs_keys_key(call, file->node, &key);
    if (code == 0)
        code = seek(call, file, sfs_buffer_bytes(&key), offset, data, ret_offset);
    sfs_buffer_free(&key);
    return code;
}
