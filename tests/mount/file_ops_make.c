/* SPDX-License-Identifier: MIT */
/*
 * The operations of file_ops that make files: by every flag of open, mknod, rename, programs and the library.
 */
#include "tests/mount/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storefs/storefs.h"

void do_open(void)
{
    static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR, O_RDWR};
    struct handle *handle = draw_free();
    unsigned name = draw_name();
    char link[20];
    int flags = ways[draw(6)];
    flags |= draw(3) != 0 ? O_CREAT : 0;
    flags |= draw(6) == 0 ? O_EXCL | O_CREAT : 0;
    flags |= draw(6) == 0 && flags & O_ACCMODE ? O_TRUNC : 0;
    flags |= draw(5) == 0 ? O_APPEND : 0;
    snprintf(link, sizeof(link), "to %s", file_names[name]);
    open_as(handle, name, draw(6) == 0 ? link : file_names[name], flags);
}

/* Gone, and made again in one of the ways that leave an empty file or none. */
void do_make(void)
{
    unsigned name = draw_name();
    struct handle *handle = draw_free();
    say(1u << name, "unlink %s", file_names[name]);
    BOTH(unlinkat(s->top, file_names[name], 0));
    switch (draw(4)) {
    case 0:
        say(1u << name, "mknod %s", file_names[name]);
        BOTH(mknodat(s->top, file_names[name], S_IFREG | 0644, 0));
        break;
    case 1:
        open_as(handle, name, file_names[name], O_WRONLY | O_CREAT);
        close_handle(handle);
        break;
    case 2:
        open_as(handle, name, file_names[name], O_RDWR | O_CREAT | O_EXCL);
        return;
    default:
        break;
    }
    open_as(handle, name, file_names[name], O_RDWR | O_CREAT);
}

/* As editors and databases save: another file is written and renamed over it, with its handle open or not. */
void do_replace(void)
{
    unsigned name = draw_name();
    struct handle *handle = draw_free();
    uint64_t offset = draw(2) ? 0 : draw_offset(0);
    size_t size = draw_length(offset);
    bool early = draw(2);
    open_as(handle, name, "temporary", O_RDWR | O_CREAT | (draw(2) ? O_EXCL : O_TRUNC));
    fill(size);
    say(1u << name, "%zd: pwrite %zu bytes at %llu", handle - handles, size, (unsigned long long)offset);
    BOTH(pwrite(handle->files[s - sides], filled, size, (off_t)offset));
    if (early)
        close_handle(handle);
    say(1u << name, "rename temporary to %s", file_names[name]);
    BOTH(renameat(s->top, "temporary", s->top, file_names[name]));
    if (!early && draw(2)) {
        fill(size / 2);
        say(1u << name, "%zd: pwrite %zu bytes at %zu", handle - handles, size / 2, size / 3);
        BOTH(pwrite(handle->files[s - sides], filled, size / 2, (off_t)(size / 3)));
    }
}

/* A file with holes, on the plain side, which others are copied from. Returns its size. */
static uint64_t make_source(void)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/source", scratch_path);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    uint64_t size = draw(6) == 0 ? 0 : draw_offset(0);
    if (draw(6) != 0) /* large ones take long */
        size = size < 3 * MIB ? size : draw(3 * MIB);
    if (file < 0 || ftruncate(file, (off_t)size) != 0)
        differ("%s: %s", path, strerror(errno));
    for (uint64_t parts = size > 0 ? draw(4) : 0; parts > 0; parts--) {
        uint64_t offset = draw(size), length = draw_length(offset);
        length = length < size - offset ? length : size - offset;
        fill(length);
        if (pwrite(file, filled, length, (off_t)offset) != (ssize_t)length)
            differ("%s: %s", path, strerror(errno));
    }
    close(file);
    return size;
}

void do_program(void)
{
    static const char *const programs[] = {
        "cp --sparse=always '%s/source' '%s/%s'",
        "cp --sparse=auto '%s/source' '%s/%s'",
        "cp --remove-destination '%s/source' '%s/%s'",
        "cat '%s/source' > '%s/%s'",
        "cat '%s/source' >> '%s/%s'",
        "dd if='%s/source' of='%s/%s' bs=70000 seek=3 conv=notrunc,sparse status=none",
        "dd if='%s/source' of='%s/%s' bs=64K conv=sparse status=none",
        "rsync -I -S '%s/source' '%s/%s'",
        "rsync -I --inplace '%s/source' '%s/%s'",
        "tar -C '%1$s' -cSf - --transform='s/source/%3$s/' source | tar -C '%2$s' -xSf -",
    };
    unsigned name = draw_name();
    const char *program = programs[draw(sizeof(programs) / sizeof(programs[0]))];
    uint64_t size = make_source();
    char text[2000];
    if (strstr(program, ">>") != NULL && size > MIB)
        return; /* files would grow without end */
    say(1u << name, "%.30s… to %s, %llu bytes", program, file_names[name], (unsigned long long)size);
    for (struct side *s = sides; s < sides + 2; s++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), program, scratch_path, s->path, file_names[name]);
#pragma GCC diagnostic pop
        settle(s, system(text));
    }
    compare();
    compare_name(name);
}

/* Nobody here has it open then, and nothing of it is still to be committed. */
void settle_name(unsigned name)
{
    for (struct handle *handle = handles; handle < handles + HANDLES; handle++)
        if (handle->name == name)
            close_handle(handle);
    int file = openat(sides[0].top, file_names[name], O_RDONLY);
    if (file >= 0 && fsync(file) != 0) /* what was only made or emptied is committed after close */
        differ("fsync: %s", strerror(errno));
    if (file >= 0)
        close(file);
}

/* The source becomes the key's value: by another opening of the store or, where there is none, through the
 * mount. No process is started beside handles that are not to be committed: at its exec it would close them. */
static void set_value(unsigned name)
{
    char source[600], text[2000];
    snprintf(source, sizeof(source), "%s/source", scratch_path);
    snprintf(text, sizeof(text), "r%lu/%s", current.number, file_names[name]);
    int from = open(source, O_RDONLY), to = openat(sides[1].top, file_names[name], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    struct stat st;
    if (from < 0 || to < 0 || fstat(from, &st) != 0)
        differ("%s: %s", source, strerror(errno));
    if (copy_range(from, 0, to, 0, (size_t)st.st_size) != st.st_size)
        differ("copy_file_range: %s", strerror(errno));
    close(to);
    if (shared_uri != NULL) {
        void *value = mmap(NULL, (size_t)st.st_size + 1, PROT_READ, MAP_PRIVATE, from, 0);
        struct sfs_storage *store;
        struct sfs_error error;
        if (sfs_open(&store, shared_uri, 0, &error) != 0 ||
            sfs_set(store, sfs_string(text), sfs_bytes(value, (size_t)st.st_size), &error) != 0)
            differ("sfs_set: %s", error.message);
        sfs_close(store, NULL);
        munmap(value, (size_t)st.st_size + 1);
    } else {
        snprintf(text, sizeof(text), "\"$STOREFS\" set '%s' 'r%lu/%s' < '%s'", mount_path, current.number,
                 file_names[name], source);
        if (system(text) != 0)
            differ("failed: %s", text);
    }
    close(from);
}

/* The kernel is told of others' changes within milliseconds; on a loaded machine that may take its time. */
static void await_size(unsigned name)
{
    struct stat st[2] = {0};
    for (int tries = 0; tries < 6000; tries++) {
        for (int i = 0; i < 2; i++)
            if (fstatat(sides[i].top, file_names[name], &st[i], 0) != 0)
                st[i].st_size = -1;
        if (st[0].st_size == st[1].st_size)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

void do_library(void)
{
    unsigned name = draw_name();
    if (current.in_tx)
        return;
    settle_name(name);
    say(1u << name, "storefs set %s, %llu bytes", file_names[name], (unsigned long long)make_source());
    set_value(name);
    await_size(name);
    BOTH(fchmodat(s->top, file_names[name], 0640, 0));
    compare_name(name);
}

/* What is written when another client replaces the value before it is committed goes onto theirs. */
void do_merge(void)
{
    unsigned name = draw_name();
    uint64_t offset[3], length[3], kind = draw(4) % 3; /* cut and written, written, or appended */
    if (current.in_tx || shared_uri == NULL)
        return;
    settle_name(name);
    if (faccessat(sides[1].top, file_names[name], F_OK, 0) != 0)
        return;
    struct handle *handle = draw_free();
    open_as(handle, name, file_names[name], O_RDWR | (kind == 2 ? O_APPEND : 0));
    off_t size = kind == 0 ? (off_t)draw(size_of(handle) + 1) : -1;
    for (int i = 0; i < 3; i++) {
        offset[i] = draw_offset(size_of(handle));
        length[i] = draw(4) ? draw_length(offset[i]) : 0;
    }
    say(1u << name,
        "%zd: another client sets %llu bytes; onto them%s %llu at %llu, %llu at %llu, %llu at %llu, cut %lld",
        handle - handles, (unsigned long long)make_source(), kind == 2 ? " appended" : "",
        (unsigned long long)length[0], (unsigned long long)offset[0], (unsigned long long)length[1],
        (unsigned long long)offset[1], (unsigned long long)length[2], (unsigned long long)offset[2],
        (long long)size);
    fill(current.length);
    for (int side = 0; side < 2; side++) {
        int file = handle->files[side];
        if (side == 1)
            set_value(name);
        if (size >= 0 && ftruncate(file, size) != 0)
            differ("ftruncate: %s", strerror(errno));
        for (int i = 0; i < 3; i++)
            if (pwrite(file, filled, length[i], (off_t)offset[i]) != (ssize_t)length[i])
                differ("pwrite: %s", strerror(errno));
    }
    close_handle(handle);
    await_size(name);
    compare_name(name);
}
