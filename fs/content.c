/* SPDX-License-Identifier: MIT */
/*
 * Pieces of an open file's content.
 */
#include "fs/content.h"

#include <stdlib.h>

#define GROW_MAX ((size_t)1 << 20) /* a piece that is appended to gets at most so much more room, bytes */

static uint64_t end_of(const struct fs_piece *piece)
{
    return piece->offset + piece->size;
}

size_t fs_content_find(const struct fs_content *content, uint64_t offset)
{
    size_t low = 0, high = content->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (end_of(&content->pieces[middle]) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for two pieces more: one that is split and one that is put in. */
static int make_room(struct fs_content *content)
{
    if (content->count + 2 <= content->capacity)
        return 0;
    size_t capacity = content->capacity != 0 ? content->capacity * 2 : 8;
    struct fs_piece *pieces = realloc(content->pieces, capacity * sizeof(*pieces));
    if (pieces == NULL)
        return SFS_E_NO_MEMORY;
    content->pieces = pieces;
    content->capacity = capacity;
    return 0;
}

static void insert(struct fs_content *content, size_t index, struct fs_piece piece)
{
    memmove(content->pieces + index + 1, content->pieces + index,
            (content->count - index) * sizeof(piece));
    content->pieces[index] = piece;
    content->count++;
}

/* Takes the pieces [first, last) out. */
static void drop(struct fs_content *content, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        content->memory -= content->pieces[i].room;
        free(content->pieces[i].data);
    }
    if (last < content->count)
        memmove(content->pieces + first, content->pieces + last,
                (content->count - last) * sizeof(*content->pieces));
    content->count -= last - first;
}

/* The part of a piece from `offset` on becomes a piece of its own, behind it. There is room for one. */
static int split(struct fs_content *content, size_t index, uint64_t offset)
{
    struct fs_piece *piece = &content->pieces[index];
    struct fs_piece tail = *piece;
    uint64_t head = offset - piece->offset;
    tail.offset = offset;
    tail.size -= head;
    tail.from += head;
    if (piece->source == FS_MEMORY) {
        tail.room = (size_t)tail.size;
        tail.data = malloc(tail.room);
        if (tail.data == NULL)
            return SFS_E_NO_MEMORY;
        memcpy(tail.data, piece->data + head, tail.room);
        content->memory += tail.room;
    }
    piece->size = head;
    insert(content, index + 1, tail);
    return 0;
}

/* What of a piece lies before `offset` goes. */
static void behead(struct fs_piece *piece, uint64_t offset)
{
    uint64_t head = offset - piece->offset;
    if (piece->source == FS_MEMORY)
        memmove(piece->data, piece->data + head, (size_t)(piece->size - head));
    piece->offset += head;
    piece->from += head;
    piece->size -= head;
}

/* Makes [offset, end) free of pieces, and room for one, whose index it returns. `lose`: nothing will lie
 * over what was there. NO_MEMORY: nothing has changed. */
static int carve(struct fs_content *content, uint64_t offset, uint64_t end, bool lose, size_t *ret_index)
{
    if (make_room(content) != 0)
        return SFS_E_NO_MEMORY;
    size_t first = fs_content_find(content, offset);
    if (first < content->count && content->pieces[first].offset < offset) {
        if (end_of(&content->pieces[first]) > end && split(content, first, end) != 0)
            return SFS_E_NO_MEMORY;
        content->lost |= lose && content->pieces[first].source != FS_ZEROS;
        content->pieces[first].size = offset - content->pieces[first].offset;
        first++;
    }
    size_t last = first;
    while (last < content->count && content->pieces[last].offset < end) {
        content->lost |= lose && content->pieces[last].source != FS_ZEROS;
        if (end_of(&content->pieces[last]) > end)
            break;
        last++;
    }
    if (last < content->count && content->pieces[last].offset < end)
        behead(&content->pieces[last], end);
    drop(content, first, last);
    *ret_index = first;
    return 0;
}

/* Makes room for `size` bytes in a piece in memory. */
static int reserve(struct fs_content *content, struct fs_piece *piece, size_t size)
{
    if (size <= piece->room)
        return 0;
    size_t more = piece->room < GROW_MAX ? piece->room : GROW_MAX;
    size_t room = piece->room + more > size ? piece->room + more : size;
    char *data = realloc(piece->data, room);
    if (data == NULL)
        return SFS_E_NO_MEMORY;
    content->memory += room - piece->room;
    piece->data = data;
    piece->room = room;
    return 0;
}

/* The piece in memory that can take bytes at `offset`: it has some there, or ends there. */
static struct fs_piece *open_piece(const struct fs_content *content, uint64_t offset)
{
    size_t index = fs_content_find(content, offset);
    if (index == content->count || content->pieces[index].offset > offset)
        index--; /* the one before, if there is one, is the only one that can end at `offset` */
    if (index >= content->count || end_of(&content->pieces[index]) < offset)
        return NULL;
    struct fs_piece *piece = &content->pieces[index];
    return piece->source == FS_MEMORY && !piece->sent && !piece->kept ? piece : NULL;
}

/* A piece with a copy of the bytes, that is in no list yet. */
static int make_piece(struct fs_piece *piece, uint64_t offset, struct sfs_bytes bytes, bool kept)
{
    *piece = (struct fs_piece){.offset = offset, .size = bytes.size, .room = bytes.size, .kept = kept};
    piece->data = malloc(bytes.size);
    if (piece->data == NULL)
        return SFS_E_NO_MEMORY;
    memcpy(piece->data, bytes.data, bytes.size);
    return 0;
}

static int write_piece(struct fs_content *content, uint64_t offset, struct sfs_bytes bytes)
{
    struct fs_piece made;
    size_t index;
    if (make_piece(&made, offset, bytes, false) != 0)
        return SFS_E_NO_MEMORY;
    if (carve(content, offset, offset + bytes.size, false, &index) != 0) {
        free(made.data);
        return SFS_E_NO_MEMORY;
    }
    insert(content, index, made);
    content->memory += made.room;
    return 0;
}

static int write_open(struct fs_content *content, struct fs_piece *piece, uint64_t offset,
                      struct sfs_bytes bytes)
{
    size_t at = (size_t)(offset - piece->offset), index = (size_t)(piece - content->pieces);
    if (at + bytes.size > piece->size) {
        if (reserve(content, piece, at + bytes.size) != 0 ||
            carve(content, offset, offset + bytes.size, false, &index) != 0)
            return SFS_E_NO_MEMORY;
        piece = &content->pieces[index - 1];
        piece->size = at + bytes.size;
    }
    memcpy(piece->data + at, bytes.data, bytes.size);
    return 0;
}

int fs_content_write(struct fs_content *content, uint64_t offset, struct sfs_bytes bytes)
{
    uint64_t end = offset + bytes.size;
    if (bytes.size == 0)
        return 0;
    struct fs_piece *piece = open_piece(content, offset);
    if (piece != NULL && piece->offset == offset && end > end_of(piece))
        piece = NULL; /* nothing of it stays */
    int code = piece != NULL ? write_open(content, piece, offset, bytes)
                             : write_piece(content, offset, bytes);
    if (code == 0 && end > content->size)
        content->size = end;
    return code;
}

int fs_content_zero(struct fs_content *content, uint64_t offset, uint64_t size)
{
    uint64_t end = offset + size;
    size_t index;
    if (size == 0)
        return 0;
    int code = carve(content, offset, end, true, &index);
    if (code < 0)
        return code;
    insert(content, index, (struct fs_piece){.offset = offset, .size = size, .source = FS_ZEROS});
    if (end > content->size)
        content->size = end;
    return 0;
}

int fs_content_keep(struct fs_content *content, uint64_t offset, struct sfs_bytes bytes)
{
    const char *data = bytes.data;
    uint64_t end = offset + bytes.size;
    struct sfs_extent gap;
    int code = 0;
    for (uint64_t at = offset; code == 0 && fs_content_gap(content, at, &gap) && gap.offset < end;) {
        uint64_t size = gap.offset + gap.size < end ? gap.size : end - gap.offset;
        struct fs_piece made;
        code = make_room(content);
        if (code == 0)
            code = make_piece(&made, gap.offset,
                              sfs_bytes(data + (gap.offset - offset), (size_t)size), true);
        if (code == 0) {
            insert(content, fs_content_find(content, gap.offset), made);
            content->memory += made.room;
        }
        at = gap.offset + size;
    }
    return code;
}

void fs_content_unkeep(struct fs_content *content)
{
    for (size_t i = content->count; i-- > 0;) {
        if (!content->pieces[i].kept)
            continue;
        content->lost |= content->pieces[i].source == FS_STAGED;
        drop(content, i, i + 1);
    }
}

void fs_content_cut(struct fs_content *content, uint64_t size)
{
    size_t first = fs_content_find(content, size);
    if (first < content->count && content->pieces[first].offset < size) {
        content->lost |= content->pieces[first].source != FS_ZEROS;
        content->pieces[first].size = size - content->pieces[first].offset;
        first++;
    }
    for (size_t i = first; i < content->count; i++)
        content->lost |= content->pieces[i].source != FS_ZEROS;
    drop(content, first, content->count);
    if (content->below > size)
        content->below = size;
    content->size = size;
}

void fs_content_empty(struct fs_content *content)
{
    fs_content_cut(content, 0);
    free(content->pieces);
    content->pieces = NULL;
    content->capacity = 0;
}

bool fs_content_gap(const struct fs_content *content, uint64_t offset, struct sfs_extent *ret_gap)
{
    uint64_t end = content->below < content->size ? content->below : content->size;
    size_t index = fs_content_find(content, offset);
    while (index < content->count && content->pieces[index].offset <= offset)
        offset = end_of(&content->pieces[index++]);
    if (offset >= end)
        return false;
    if (index < content->count && content->pieces[index].offset < end)
        end = content->pieces[index].offset;
    *ret_gap = (struct sfs_extent){offset, end - offset};
    return true;
}

size_t fs_content_staged(struct fs_content *content, size_t index, uint64_t from)
{
    struct fs_piece *piece = &content->pieces[index];
    free(piece->data);
    content->memory -= piece->room;
    piece->data = NULL;
    piece->room = 0;
    piece->source = FS_STAGED;
    piece->from = from;
    if (index == 0)
        return index;
    struct fs_piece *before = piece - 1;
    if (before->source != FS_STAGED || end_of(before) != piece->offset ||
        before->from + before->size != from || before->kept != piece->kept)
        return index;
    before->size += piece->size;
    drop(content, index, index + 1);
    return index - 1;
}

uint64_t fs_content_written(const struct fs_content *content)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < content->count; i++)
        bytes += content->pieces[i].source != FS_ZEROS ? content->pieces[i].size : 0;
    return bytes;
}

void fs_content_send(struct fs_content *content)
{
    for (size_t i = 0; i < content->count; i++)
        content->pieces[i].sent = true;
}

void fs_content_sent(struct fs_content *content, bool committed)
{
    size_t kept = 0;
    for (size_t i = 0; i < content->count; i++) {
        struct fs_piece *piece = &content->pieces[i];
        if (piece->sent && committed) {
            content->memory -= piece->room;
            free(piece->data);
            continue;
        }
        piece->sent = false;
        content->pieces[kept++] = *piece;
    }
    content->count = kept;
}
