/* SPDX-License-Identifier: MIT */
/*
 * The operations of file_ops that write, cut and commit files, rename them and compare; and the choice of one.
 */
#include "tests/mount/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void do_pwrite(void)
{
    struct handle *handle = draw_handle();
    if (handle == NULL)
        return;
    uint64_t offset = draw_offset(size_of(handle));
    size_t size = draw_length(offset);
    fill(size);
    say(1u << handle->name, "%zd: pwrite %zu bytes at %llu", handle - handles, size, (unsigned long long)offset);
    if (handle->flags & O_APPEND && size_of(handle) + size > current.limit)
        return;
    BOTH(pwrite(handle->files[s - sides], filled, size, (off_t)offset));
    look(handle, offset, size);
}

/* Where the handle stands, or stands then; in one piece or several. */
static void do_write(void)
{
    struct handle *handle = draw_handle();
    if (handle == NULL)
        return;
    if (draw(3) == 0) {
        uint64_t offset = draw_offset(size_of(handle));
        say(1u << handle->name, "%zd: lseek %llu", handle - handles, (unsigned long long)offset);
        BOTH(lseek(handle->files[s - sides], (off_t)offset, SEEK_SET));
    }
    uint64_t offset = (uint64_t)lseek(handle->files[1], 0, SEEK_CUR);
    if (handle->flags & O_APPEND)
        offset = size_of(handle);
    size_t size = draw_length(offset);
    fill(size);
    if (draw(2)) {
        say(1u << handle->name, "%zd: write %zu bytes, at %llu", handle - handles, size,
            (unsigned long long)offset);
        BOTH(write(handle->files[s - sides], filled, size));
    } else {
        struct iovec parts[3] = {{filled, size / 3}, {filled + size / 3, size / 2 - size / 3},
                                 {filled + size / 2, size - size / 2}};
        say(1u << handle->name, "%zd: writev %zu bytes, at %llu", handle - handles, size,
            (unsigned long long)offset);
        BOTH(writev(handle->files[s - sides], parts, 3));
    }
    look(handle, offset, size);
}

/* Many little ones: ascending, descending, at random, overlapping. */
static void do_scatter(void)
{
    struct handle *handle = draw_handle();
    if (handle == NULL || handle->flags & O_APPEND)
        return;
    uint64_t start = draw_offset(size_of(handle)), order = draw(3), stride = 1 + draw_magnitude(9000);
    size_t count = 2 + draw(20), size = 1 + draw_magnitude(draw(2) ? stride : 2 * stride);
    if (start + count * stride + size > current.limit)
        return;
    fill(size + count);
    say(1u << handle->name, "%zd: %zu writes of %zu bytes, every %llu from %llu, order %llu", handle - handles, count,
        size, (unsigned long long)stride, (unsigned long long)start, (unsigned long long)order);
    for (size_t i = 0; i < count; i++) {
        uint64_t place = order == 0 ? i : order == 1 ? count - 1 - i : draw(count);
        BOTH(pwrite(handle->files[s - sides], filled + i, size, (off_t)(start + place * stride)));
    }
    look(handle, start, count * stride + size);
}

/* Writes, holes and reads in the middle of what waits in the store. Careful: only what was just written over it
 * becomes a hole again, nothing else that would have the rest put in order. */
static void change_flooded(struct handle *handle, uint64_t start, uint64_t size)
{
    uint64_t offset = 0, length = 0;
    bool careful = draw(2);
    for (int i = 0; i < 8; i++) {
        uint64_t kind = draw(8), cut = start + size - draw(size / 8);
        bool same = i > 0 && draw(2);
        if (!same) {
            offset = start + draw(size);
            length = 1 + draw_magnitude(size / 8);
        }
        if (careful)
            kind = same ? 3 : 5;
        length = offset + length <= current.limit ? length : current.limit - offset;
        say(1u << handle->name, "%zd: %s %llu bytes at %llu", handle - handles,
            kind > 4 ? "write" : kind > 2 ? "punch" : kind > 1 ? "ftruncate, not" : "compare",
            (unsigned long long)length, (unsigned long long)(kind == 2 ? cut : offset));
        fill(length);
        if (kind > 4)
            BOTH(pwrite(handle->files[s - sides], filled, length, (off_t)offset));
        else if (kind > 2)
            BOTH(fallocate(handle->files[s - sides], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                           (off_t)length));
        else if (kind > 1)
            BOTH(ftruncate(handle->files[s - sides], (off_t)cut));
        else
            compare_bytes(handle, offset, length);
    }
}

/* More than a file may have in memory, by and by: ascending, descending or in any order. What is more waits in
 * the store, and nothing of it is committed yet. */
static void do_flood(void)
{
    struct handle *handle = draw_handle();
    if (current.limit < 10 * MIB)
        return;
    if (handle == NULL || (handle->flags & O_ACCMODE) == O_RDONLY || handle->flags & O_APPEND || draw(2)) {
        unsigned name = draw_name();
        handle = draw_free();
        open_as(handle, name, file_names[name], O_RDWR | O_CREAT | (draw(2) ? O_TRUNC : 0));
    }
    uint64_t length = MIB / 2 + draw(2 * MIB), start = draw(MIB), gap = draw(2), order = draw(3);
    uint64_t count = 9 * MIB / (length + gap), total = 18 * MIB / length;
    say(1u << handle->name, "%zd: %llu writes of %llu bytes from %llu, gaps of %llu, order %llu", handle - handles,
        (unsigned long long)total, (unsigned long long)length, (unsigned long long)start, (unsigned long long)gap,
        (unsigned long long)order);
    for (uint64_t i = 0; i < total; i++) {
        uint64_t place = order == 0 ? i % count : order == 1 ? count - 1 - i % count : draw(count);
        fill(length);
        BOTH(pwrite(handle->files[s - sides], filled, length, (off_t)(start + place * (length + gap))));
    }
    change_flooded(handle, start, count * (length + gap));
    if (draw(2))
        compare_handle(handle);
    if (draw(2)) {
        unsigned name = handle->name;
        close_handle(handle);
        compare_name(name);
    }
}

struct committer {
    int file;
    atomic_bool stop;
    int error;
};

static void *commit_on(void *argument)
{
    struct committer *committer = argument;
    while (!atomic_load(&committer->stop) && committer->error == 0)
        if (close(dup(committer->file)) != 0)
            committer->error = errno;
    return NULL;
}

/* Written and cut while another thread commits all the time. */
static void do_storm(void)
{
    struct handle *handle = draw_handle();
    pthread_t thread;
    if (handle == NULL || (handle->flags & O_ACCMODE) == O_RDONLY || handle->flags & O_APPEND)
        return;
    struct committer committer = {.file = handle->files[0]};
    uint64_t start = draw_offset(size_of(handle)), length = 1 + draw_magnitude(current.length / 8);
    if (start + 8 * length > current.limit || (size_of(handle) > 3 * MIB && draw(8) != 0))
        return; /* commits of large files take long */
    say(1u << handle->name, "%zd: writes of %llu bytes from %llu, cuts, and a thread that commits", handle - handles,
        (unsigned long long)length, (unsigned long long)start);
    if (pthread_create(&thread, NULL, commit_on, &committer) != 0)
        differ("pthread_create failed");
    fill(length);
    for (int i = 0; i < 30; i++) {
        uint64_t offset = start + draw(7 * length), kind = draw(8);
        if (kind == 0)
            BOTH(ftruncate(handle->files[s - sides], (off_t)offset));
        else if (kind == 1)
            BOTH(fallocate(handle->files[s - sides], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                           (off_t)length));
        else
            BOTH(pwrite(handle->files[s - sides], filled, length, (off_t)offset));
    }
    atomic_store(&committer.stop, true);
    pthread_join(thread, NULL);
    if (committer.error != 0)
        differ("close of a dup: %s", strerror(committer.error));
    compare_handle(handle);
}

static void do_size(void)
{
    struct handle *handle = draw_handle();
    unsigned name = draw_name();
    uint64_t size = draw_offset(handle != NULL ? size_of(handle) : 0);
    if (handle != NULL && draw(4) == 0)
        size = draw(size_of(handle) + 1) % current.limit;
    if (handle == NULL || draw(4) == 0) {
        say(1u << name, "truncate %s to %llu", file_names[name], (unsigned long long)size);
        for (struct side *s = sides; s < sides + 2; s++) {
            char path[1200];
            snprintf(path, sizeof(path), "%s/%s", s->path, file_names[name]);
            settle(s, truncate(path, (off_t)size));
        }
        compare();
        return;
    }
    say(1u << handle->name, "%zd: ftruncate to %llu", handle - handles, (unsigned long long)size);
    BOTH(ftruncate(handle->files[s - sides], (off_t)size));
    look(handle, size, 500);
}

static void do_allocate(void)
{
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    struct handle *handle = draw_handle();
    if (handle == NULL)
        return;
    int mode = modes[draw(can_zero_range ? 6 : 4)];
    uint64_t offset = draw_offset(size_of(handle));
    size_t size = draw_length(offset);
    say(1u << handle->name, "%zd: fallocate mode %d, %zu bytes at %llu", handle - handles, mode, size,
        (unsigned long long)offset);
    BOTH(fallocate(handle->files[s - sides], mode, (off_t)offset, (off_t)size));
    look(handle, offset, size);
}

/* Through a mapping: with a write of the handle and a commit in between, and msync or not. */
static void do_map(void)
{
    struct handle *handle = draw_handle();
    uint64_t size = handle != NULL ? size_of(handle) : 0;
    if (size == 0 || current.in_tx) /* ENODEV there: see posix.md */
        return;
    uint64_t from = draw(2) ? 0 : draw(size) & ~UINT64_C(4095), offset = from + draw(size - from);
    size_t length = (size_t)(1 + draw_magnitude(size - offset - 1));
    length = length < current.length ? length : (size_t)current.length;
    bool between = draw(2), sync = draw(2);
    fill(length);
    say(1u << handle->name, "%zd: map from %llu, %zu bytes at %llu%s%s", handle - handles, (unsigned long long)from,
        length, (unsigned long long)offset, between ? ", dup closed between" : "", sync ? ", msync" : "");
    for (struct side *s = sides; s < sides + 2; s++) {
        int file = handle->files[s - sides];
        size_t mapped = (size_t)(size - from);
        char *map = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)from);
        settle(s, map == MAP_FAILED ? -1 : 0);
        /* Opened before the kernel knew of a change it reads past the kernel's pages: see posix.md. */
        if (map == MAP_FAILED && s == sides && s->error == ENODEV)
            return;
        if (map == MAP_FAILED)
            continue;
        memcpy(map + (offset - from), filled, length / 2);
        if (between)
            close(dup(file));
        memcpy(map + (offset - from) + length / 2, filled + length / 2, length - length / 2);
        if (sync)
            settle(s, msync(map, mapped, length % 2 ? MS_SYNC : MS_ASYNC));
        munmap(map, mapped);
    }
    compare();
    look(handle, offset, length);
}

/* All of a range, in as many calls as it takes. */
long copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t size)
{
    long done = 0;
    ssize_t got = 1;
    while ((size_t)done < size && got > 0) {
        got = copy_file_range(from, &from_offset, to, &to_offset, size - (size_t)done, 0);
        done += got > 0 ? got : 0;
    }
    return got < 0 ? -1 : done;
}

static long send_range(int from, off_t from_offset, int to, size_t size)
{
    long done = 0;
    ssize_t got = 1;
    while ((size_t)done < size && got > 0) {
        got = sendfile(to, from, &from_offset, size - (size_t)done);
        done += got > 0 ? got : 0;
    }
    return got < 0 ? -1 : done;
}

static void do_copy(void)
{
    const struct handle *from = draw_handle(), *to = draw_handle();
    if (from == NULL || to == NULL)
        return;
    uint64_t source = draw_offset(size_of(from)), target = draw_offset(size_of(to));
    size_t size = draw_length(target > source ? target : source);
    unsigned names = 1u << from->name | 1u << to->name;
    if (draw(2)) {
        say(names, "copy_file_range of %zu bytes, %zd at %llu to %zd at %llu", size, from - handles,
            (unsigned long long)source, to - handles, (unsigned long long)target);
        BOTH(copy_range(from->files[s - sides], (off_t)source, to->files[s - sides], (off_t)target, size));
    } else {
        if (from->name == to->name)
            return; /* it may read what it has just written */
        say(names, "sendfile of %zu bytes, %zd at %llu to %zd at %llu", size, from - handles,
            (unsigned long long)source, to - handles, (unsigned long long)target);
        BOTH(lseek(to->files[s - sides], (off_t)target, SEEK_SET));
        BOTH(send_range(from->files[s - sides], (off_t)source, to->files[s - sides], size));
    }
    look(to, target, size);
}

/* --- committing some of it, names and attributes --- */

static void do_commit(void)
{
    struct handle *handle = draw_handle();
    if (handle == NULL)
        return;
    int file = handle->files[0];
    if (current.calm && draw(4) != 0)
        return;
    switch (draw(6)) {
    case 0:
        say(1u << handle->name, "%zd: fsync", handle - handles);
        settle(&sides[0], fsync(file));
        break;
    case 1:
        say(1u << handle->name, "%zd: fdatasync", handle - handles);
        settle(&sides[0], fdatasync(file));
        break;
    case 2:
        say(1u << handle->name, "%zd: syncfs", handle - handles);
        settle(&sides[0], syncfs(file));
        break;
    case 3:
        close_handle(handle);
        return;
    default:
        say(1u << handle->name, "%zd: close a dup", handle - handles);
        settle(&sides[0], close(dup(file)));
    }
    if (sides[0].result != 0)
        differ("%s", strerror(sides[0].error));
}

static void do_rename(void)
{
    unsigned from = draw_name(), to = draw_name(), flags = draw(4) == 0 ? RENAME_EXCHANGE : 0;
    unsigned names = 1u << from | 1u << to;
    if (flags == 0 && draw(4) == 0)
        flags = RENAME_NOREPLACE;
    say(names, "rename %s to %s, flags %u", file_names[from], file_names[to], flags);
    BOTH(renameat2(s->top, file_names[from], s->top, file_names[to], flags));
    if (sides[0].result != 0)
        return;
    /* A handle whose file has no name any more keeps the last one, for the log only. */
    for (struct handle *handle = handles; handle < handles + HANDLES; handle++) {
        if (handle->name == from)
            handle->name = to;
        else if (handle->name == to && flags == RENAME_EXCHANGE)
            handle->name = from;
    }
}

static void do_unlink(void)
{
    unsigned name = draw_name();
    say(1u << name, "unlink %s", file_names[name]);
    BOTH(unlinkat(s->top, file_names[name], 0));
}

static void do_attributes(void)
{
    const struct handle *handle = draw_handle();
    struct timespec times[2] = {{(time_t)draw(2000000000), 5}, {(time_t)draw(2000000000), 7}};
    mode_t mode = 0600 | (mode_t)draw(0200);
    if (handle == NULL)
        return;
    if (draw(2)) {
        say(1u << handle->name, "%zd: fchmod %o", handle - handles, (unsigned)mode);
        BOTH(fchmod(handle->files[s - sides], mode));
    } else {
        say(1u << handle->name, "%zd: futimens", handle - handles);
        BOTH(futimens(handle->files[s - sides], times));
    }
}

/* Through this handle, another one, or by name. */
static void do_compare(void)
{
    const struct handle *handle = draw_handle();
    if (handle == NULL || draw(3) == 0) {
        compare_name(draw_name());
        return;
    }
    uint64_t size = size_of(handle);
    if (draw(3) == 0 && (handle->flags & O_ACCMODE) != O_WRONLY) {
        uint64_t offset = draw_offset(size);
        bool what = draw(2);
        say(1u << handle->name, "%zd: %s from %llu", handle - handles, what ? "SEEK_DATA" : "SEEK_HOLE",
            (unsigned long long)offset);
        compare_seek(handle, offset, what);
    } else if (size > 3 * MIB && draw(3) != 0) {
        uint64_t offset = draw_offset(size);
        say(1u << handle->name, "%zd: compare from %llu", handle - handles, (unsigned long long)offset);
        compare_bytes(handle, offset, MIB);
    } else {
        say(1u << handle->name, "%zd: compare", handle - handles);
        compare_handle(handle);
    }
}

void step(void)
{
    static const struct {
        unsigned weight;
        void (*run)(void);
    } steps[] = {
        {14, do_open}, {4, do_make}, {3, do_replace}, {1, do_program}, {1, do_library}, {2, do_merge},
        {20, do_pwrite}, {14, do_write}, {4, do_scatter}, {5, do_flood}, {2, do_storm}, {9, do_size},
        {7, do_allocate}, {5, do_map}, {5, do_copy}, {12, do_commit}, {4, do_rename}, {2, do_unlink},
        {2, do_attributes}, {8, do_compare},
    };
    size_t choice = 0;
    unsigned total = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        total += steps[i].weight;
    for (unsigned at = (unsigned)draw(total); at >= steps[choice].weight; choice++)
        at -= steps[choice].weight;
    steps[choice].run();
}
