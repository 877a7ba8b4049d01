/* SPDX-License-Identifier: MIT */
/*
 * What the operations of file_ops work on: names, handles, offsets, lengths and bytes, drawn from the round's seed.
 */
#include "tests/mount/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char filled[DATA_MAX];
struct handle *latest;

unsigned draw_name(void)
{
    return (unsigned)(draw(3) == 0 ? draw(NAMES) : draw(2));
}

/* An open handle, or NULL. Often the one that was opened last, so that much happens to one file. */
struct handle *draw_handle(void)
{
    if (latest != NULL && latest->files[0] >= 0 && draw(2))
        return latest;
    for (int tries = 0; tries < 6; tries++) {
        struct handle *handle = &handles[draw(HANDLES)];
        if (handle->files[0] >= 0)
            return handle;
    }
    return NULL;
}

uint64_t size_of(const struct handle *handle)
{
    struct stat st;
    if (fstat(handle->files[1], &st) != 0)
        differ("fstat: %s", strerror(errno));
    return (uint64_t)st.st_size;
}

uint64_t draw_magnitude(uint64_t most)
{
    unsigned bits = 1;
    while ((UINT64_C(1) << bits) < most)
        bits++;
    return draw(UINT64_C(1) << (1 + draw(bits))) % (most + 1);
}

/* Where something may be special: a row's values end at 256, chunks, large values, spilling; the end. */
uint64_t draw_offset(uint64_t size)
{
    static const uint64_t edges[] = {0, 256, 4096, 65536, MIB / 4, MIB, 2 * MIB, 8 * MIB, 32 * MIB};
    uint64_t offset;
    switch (draw(6)) {
    case 0:
    case 1:
        offset = edges[draw(sizeof(edges) / sizeof(edges[0]))] + draw(3);
        offset -= offset > 0;
        break;
    case 2:
        offset = size;
        break;
    case 3:
        offset = size + draw(300);
        offset -= draw(300) % (offset + 1);
        break;
    case 4:
        offset = draw(current.limit);
        break;
    default:
        offset = draw_magnitude(current.limit);
    }
    return offset < current.limit ? offset : draw(current.limit);
}

/* Bytes of one operation at `offset`: where the file may not grow so far, fewer. */
size_t draw_length(uint64_t offset)
{
    uint64_t length = draw_magnitude(current.length), end = draw_offset(offset);
    if (draw(3) == 0 && end > offset && end - offset <= current.length)
        length = end - offset;
    if (offset + length > current.limit)
        length = offset < current.limit ? current.limit - offset : 0;
    return (size_t)(length < DATA_MAX ? length : DATA_MAX);
}

void fill(size_t size)
{
    uint64_t start = draw(UINT64_MAX), kind = draw(12);
    for (size_t i = 0; i < size; i++)
        filled[i] = (char)(((start + i * UINT64_C(0x9e3779b97f4a7c15)) >> 41) | 1);
    if (kind == 0)
        memset(filled, 0, size);
    else if (kind == 1 && size > 8) {
        memset(filled, 'x', size);
        memcpy(filled, "{\"n\":\"", 6);
        memcpy(filled + size - 2, "\"}", 2);
    }
}

void close_handle(struct handle *handle)
{
    if (handle->files[0] < 0)
        return;
    say(1u << handle->name, "%zd: close", handle - handles);
    BOTH(close(handle->files[s - sides]));
    handle->files[0] = handle->files[1] = -1;
}

struct handle *draw_free(void)
{
    struct handle *handle = &handles[draw(HANDLES)];
    for (size_t i = 0; current.calm && i < HANDLES; i++)
        if (handles[i].files[0] < 0)
            handle = &handles[i];
    close_handle(handle);
    return handle;
}

void open_as(struct handle *handle, unsigned name, const char *path, int flags)
{
    say(1u << name, "%zd: open %s%s%s%s%s%s", handle - handles, path,
        (flags & O_ACCMODE) == O_RDONLY   ? " read"
        : (flags & O_ACCMODE) == O_WRONLY ? " write"
                                          : "",
        flags & O_CREAT ? " O_CREAT" : "", flags & O_EXCL ? " O_EXCL" : "", flags & O_TRUNC ? " O_TRUNC" : "",
        flags & O_APPEND ? " O_APPEND" : "");
    for (struct side *s = sides; s < sides + 2; s++) {
        handle->files[s - sides] = openat(s->top, path, flags | O_CLOEXEC, 0644);
        settle(s, handle->files[s - sides] < 0 ? -1 : 0);
    }
    compare();
    handle->name = name;
    handle->flags = flags;
    if (flags & O_ACCMODE)
        latest = handle;
}

void look(const struct handle *handle, uint64_t offset, uint64_t size)
{
    struct stat st[2];
    if (draw(3) == 0)
        return;
    for (int i = 0; i < 2; i++)
        if (fstat(handle->files[i], &st[i]) != 0)
            differ("fstat: %s", strerror(errno));
    if (st[0].st_size != st[1].st_size)
        differ("mounted size %lld, plain %lld", (long long)st[0].st_size, (long long)st[1].st_size);
    if (draw(2) == 0)
        compare_bytes(handle, offset > 100 ? offset - 100 : 0, size + 200);
}
