/* SPDX-License-Identifier: MIT */
/*
 * The same random file operations in two directories, one of them a mount's: what each returns, every
 * errno, every byte read, every listing and the attributes must agree.
 *
 *   random_ops MOUNTED PLAIN STEPS SEED
 *
 * Both directories must be empty; PLAIN lies on an ordinary local file system. Prints the step and the
 * operation of the first difference and ends with 1. With RANDOM_OPS_TRACE set it prints every step.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLES 8
#define SIZE_MAX_USED 300000
#define NOTE_SIZE 2048

/* One of the two sides. */
struct side {
    int top;
    int files[HANDLES];
    long result;
    int error;
    char *data;
    size_t size;
};

static struct side sides[2];
static uint64_t state;
static char note[NOTE_SIZE];
static unsigned long step_number;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof(note), format, arguments);
    va_end(arguments);
    if (getenv("RANDOM_OPS_TRACE") != NULL)
        fprintf(stderr, "%lu %s\n", step_number, note);
}

_Noreturn static void differ(const char *what)
{
    printf("step %lu: %s: %s\n", step_number, note, what);
    exit(1);
}

_Noreturn static void differ_stat(const char *what, const struct stat *st)
{
    char text[300];
    snprintf(text, sizeof(text), "%s: mounted mode %o size %ld links %lu, plain mode %o size %ld links %lu",
             what, (unsigned)st[0].st_mode, (long)st[0].st_size, (unsigned long)st[0].st_nlink,
             (unsigned)st[1].st_mode, (long)st[1].st_size, (unsigned long)st[1].st_nlink);
    differ(text);
}

/* Names are few, so that operations meet; paths are up to four levels deep. */
static void draw_path(char *path, size_t size)
{
    static const char *const names[] = {"a", "b", "a.txt", "a b", "%+", "100%", "\xff\x01", "long"};
    size_t used = 0, levels = 1 + draw(3) + (draw(6) == 0);
    for (size_t i = 0; i < levels; i++) {
        const char *name = names[draw(sizeof(names) / sizeof(names[0]))];
        int more = snprintf(path + used, size - used, "%s%s", i > 0 ? "/" : "", name);
        used += (size_t)more;
        if (strcmp(name, "long") == 0 && draw(2) == 0) {
            size_t length = draw(3) == 0 ? 260 - 4 : 200 + draw(40); /* over 255: refused by both */
            memset(path + used, 'l', length);
            used += length;
            path[used] = '\0';
        }
    }
}

/* After an operation was done on both sides. */
static void compare(void)
{
    char text[200];
    if (sides[0].result == sides[1].result && sides[0].error == sides[1].error)
        return;
    snprintf(text, sizeof(text), "mounted gives %ld (%s), plain %ld (%s)", sides[0].result,
             strerror(sides[0].error), sides[1].result, strerror(sides[1].error));
    differ(text);
}

static void settle(struct side *side, long result)
{
    side->result = result;
    side->error = result < 0 ? errno : 0;
}

#define BOTH(expression)                                                                            \
    do {                                                                                            \
        for (struct side *s = sides; s < sides + 2; s++)                                            \
            settle(s, (expression));                                                                \
        compare();                                                                                  \
    } while (0)

/* --- open files --- */

static size_t draw_handle(void)
{
    return draw(HANDLES);
}

static void close_one(size_t handle)
{
    if (sides[0].files[handle] < 0)
        return;
    say("close %zu", handle);
    BOTH(close(s->files[handle]));
    sides[0].files[handle] = sides[1].files[handle] = -1;
}

static void do_open(void)
{
    static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR};
    char path[2000];
    size_t handle = draw_handle();
    int flags = ways[draw(5)];
    draw_path(path, sizeof(path));
    flags |= draw(2) ? O_CREAT : 0;
    flags |= draw(6) == 0 ? O_EXCL | O_CREAT : 0;
    flags |= draw(5) == 0 && flags & O_ACCMODE ? O_TRUNC : 0;
    flags |= draw(4) == 0 ? O_APPEND : 0;
    flags |= draw(6) == 0 ? O_NOFOLLOW : 0;
    close_one(handle);
    say("open %zu %s flags %o", handle, path, (unsigned)flags);
    for (struct side *s = sides; s < sides + 2; s++) {
        s->files[handle] = openat(s->top, path, flags | O_NONBLOCK, 0644);
        settle(s, s->files[handle] < 0 ? -1 : 0);
    }
    compare();
}

static void fill(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)draw(256);
}

static size_t draw_size(void)
{
    return draw(4) == 0 ? draw(SIZE_MAX_USED / 4) : draw(300);
}

static void do_write(void)
{
    static char data[SIZE_MAX_USED];
    size_t handle = draw_handle(), size = draw_size();
    off_t offset = (off_t)draw(draw(3) == 0 ? SIZE_MAX_USED / 2 : 500);
    if (sides[0].files[handle] < 0)
        return;
    fill(data, size);
    if (draw(2)) {
        say("pwrite %zu size %zu at %ld", handle, size, (long)offset);
        BOTH(pwrite(s->files[handle], data, size, offset));
    } else {
        say("write %zu size %zu", handle, size);
        BOTH(write(s->files[handle], data, size));
    }
}

static void do_read(void)
{
    size_t handle = draw_handle(), size = draw_size();
    off_t offset = (off_t)draw(draw(3) == 0 ? SIZE_MAX_USED / 2 : 500);
    if (sides[0].files[handle] < 0)
        return;
    say("pread %zu size %zu at %ld", handle, size, (long)offset);
    BOTH(pread(s->files[handle], s->data, size, offset));
    if (sides[0].result > 0 && memcmp(sides[0].data, sides[1].data, (size_t)sides[0].result) != 0)
        differ("other bytes");
}

static void do_size(void)
{
    char path[2000];
    size_t handle = draw_handle();
    off_t size = (off_t)draw(draw(3) == 0 ? SIZE_MAX_USED : 600);
    if (draw(2) && sides[0].files[handle] >= 0) {
        say("ftruncate %zu to %ld", handle, (long)size);
        BOTH(ftruncate(s->files[handle], size));
        return;
    }
    draw_path(path, sizeof(path));
    for (struct side *s = sides; s < sides + 2; s++) {
        say("truncate %s to %ld", path, (long)size);
        int file = openat(s->top, path, O_PATH);
        char proc[64];
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", file);
        settle(s, file < 0 ? -1 : truncate(proc, size));
        if (file >= 0)
            close(file);
    }
    compare();
}

static void do_map(void)
{
    static char data[5000];
    size_t handle = draw_handle(), size = 1 + draw(sizeof(data));
    struct stat st;
    if (sides[0].files[handle] < 0 || fstat(sides[1].files[handle], &st) != 0 || st.st_size == 0 ||
        !S_ISREG(st.st_mode))
        return;
    off_t offset = (off_t)draw((uint64_t)st.st_size);
    if ((off_t)size > st.st_size - offset)
        size = (size_t)(st.st_size - offset);
    fill(data, size);
    say("write %zu bytes at %ld of %zu through a mapping", size, (long)offset, handle);
    for (struct side *s = sides; s < sides + 2; s++) {
        char *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, s->files[handle], 0);
        settle(s, map == MAP_FAILED ? -1 : 0);
        if (map == MAP_FAILED)
            continue;
        memcpy(map + offset, data, size);
        if (size % 2)
            settle(s, msync(map, (size_t)st.st_size, MS_SYNC));
        munmap(map, (size_t)st.st_size);
    }
    compare();
}

static void do_stat_open(void)
{
    struct stat st[2];
    size_t handle = draw_handle();
    if (sides[0].files[handle] < 0)
        return;
    say("fstat %zu", handle);
    BOTH(fstat(s->files[handle], &st[s - sides]));
    if (sides[0].result < 0 || S_ISDIR(st[1].st_mode))
        return;
    if (st[0].st_mode != st[1].st_mode || st[0].st_size != st[1].st_size ||
        (st[0].st_nlink == 0) != (st[1].st_nlink == 0))
        differ_stat("fstat", st);
}

static void do_sync(void)
{
    size_t handle = draw_handle();
    if (sides[0].files[handle] < 0)
        return;
    say("fsync %zu", handle);
    BOTH(fsync(s->files[handle]));
}

static void do_attributes_open(void)
{
    size_t handle = draw_handle();
    mode_t mode = 0600 | (mode_t)draw(0200);
    struct timespec times[2] = {{(time_t)draw(2000000000), 5}, {(time_t)draw(2000000000), 7}};
    struct stat st[2];
    if (sides[0].files[handle] < 0)
        return;
    say("fchmod, futimens of %zu", handle);
    if (draw(2))
        BOTH(fchmod(s->files[handle], mode));
    else
        BOTH(futimens(s->files[handle], times));
    BOTH(fstat(s->files[handle], &st[s - sides]));
    if (st[0].st_mode != st[1].st_mode)
        differ("mode");
}

/* --- names --- */

static void do_unlink(void)
{
    char path[2000];
    int flags = draw(3) == 0 ? AT_REMOVEDIR : 0;
    draw_path(path, sizeof(path));
    say("%s %s", flags ? "rmdir" : "unlink", path);
    BOTH(unlinkat(s->top, path, flags));
}

static void do_make(void)
{
    char path[2000], target[2000];
    draw_path(path, sizeof(path));
    draw_path(target, sizeof(target));
    mode_t mode = 0700 | (mode_t)draw(0100);
    switch (draw(8)) {
    case 0:
        say("symlink %s", path);
        BOTH(symlinkat(target, s->top, path));
        break;
    case 1:
        say("mkfifo %s", path);
        BOTH(mkfifoat(s->top, path, 0640));
        break;
    default:
        say("mkdir %s", path);
        BOTH(mkdirat(s->top, path, mode));
    }
}

static void do_rename(void)
{
    char from[2000], to[2000];
    unsigned flags = draw(4) == 0 ? RENAME_EXCHANGE : draw(4) == 0 ? RENAME_NOREPLACE : 0;
    draw_path(from, sizeof(from));
    draw_path(to, sizeof(to));
    say("rename %s -> %s flags %u", from, to, flags);
    BOTH(renameat2(s->top, from, s->top, to, flags));
}

static void do_attributes(void)
{
    char path[2000];
    struct timespec times[2] = {{(time_t)draw(2000000000), 999999999}, {(time_t)draw(2000000000), 1}};
    mode_t mode = 0700 | (mode_t)draw(07100);
    draw_path(path, sizeof(path));
    struct stat st[2];
    if (draw(2)) {
        say("chmod %s %o", path, (unsigned)mode);
        BOTH(fchmodat(s->top, path, mode, 0));
        return;
    }
    say("utimens %s", path);
    BOTH(utimensat(s->top, path, times, AT_SYMLINK_NOFOLLOW));
    BOTH(fstatat(s->top, path, &st[s - sides], AT_SYMLINK_NOFOLLOW));
    if (sides[0].result == 0 && st[0].st_mtim.tv_sec != st[1].st_mtim.tv_sec)
        differ("mtime");
}

static void do_stat(void)
{
    char path[2000];
    struct stat st[2];
    draw_path(path, sizeof(path));
    say("lstat %s", path);
    BOTH(fstatat(s->top, path, &st[s - sides], AT_SYMLINK_NOFOLLOW));
    if (sides[0].result == 0 && (st[0].st_mode != st[1].st_mode ||
                                 (!S_ISDIR(st[1].st_mode) && st[0].st_size != st[1].st_size)))
        differ_stat("lstat", st);
}

static void do_readlink(void)
{
    char path[2000];
    draw_path(path, sizeof(path));
    say("readlink %s", path);
    BOTH(readlinkat(s->top, path, s->data, 4096));
    if (sides[0].result > 0 && memcmp(sides[0].data, sides[1].data, (size_t)sides[0].result) != 0)
        differ("another target");
}

/* --- listings --- */

struct names {
    char *name[512];
    long place[512];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    names->count = 0;
}

static void read_names(DIR *stream, struct names *names)
{
    const struct dirent *entry;
    names->count = 0;
    while (names->count < 512 && (entry = readdir(stream)) != NULL) {
        names->name[names->count] = strdup(entry->d_name);
        names->place[names->count++] = telldir(stream);
    }
}

/* From every place of a listing, what followed must follow again. */
static void check_places(DIR *stream, const struct names *names)
{
    for (int tries = 0; tries < 4 && names->count > 0; tries++) {
        size_t at = draw(names->count);
        seekdir(stream, names->place[at]);
        const struct dirent *entry = readdir(stream);
        const char *wanted = at + 1 < names->count ? names->name[at + 1] : NULL;
        if ((entry == NULL) != (wanted == NULL) || (entry != NULL && strcmp(entry->d_name, wanted) != 0))
            differ("another entry after seekdir");
    }
}

static DIR *open_directory(int top, const char *path)
{
    int file = openat(top, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *stream = file >= 0 ? fdopendir(file) : NULL;
    if (stream == NULL && file >= 0)
        close(file);
    return stream;
}

static void do_list(void)
{
    char path[2000];
    static struct names names[2];
    DIR *streams[2];
    draw_path(path, sizeof(path));
    if (draw(3) == 0)
        strcpy(path, ".");
    say("list %s", path);
    BOTH((streams[s - sides] = open_directory(s->top, path)) != NULL ? 0 : -1);
    if (sides[0].result < 0)
        return;
    for (int i = 0; i < 2; i++)
        read_names(streams[i], &names[i]);
    check_places(streams[0], &names[0]);
    bool same = names[0].count == names[1].count;
    for (int i = 0; i < 2; i++) {
        closedir(streams[i]);
        qsort(names[i].name, names[i].count, sizeof(char *), by_name);
    }
    for (size_t i = 0; same && i < names[0].count; i++)
        same = strcmp(names[0].name[i], names[1].name[i]) == 0;
    names_free(&names[0]);
    names_free(&names[1]);
    if (!same)
        differ("other names");
}

/* --- the whole tree --- */

static void compare_content(int first, int second, const char *name)
{
    static char a[SIZE_MAX_USED * 2], b[SIZE_MAX_USED * 2];
    int one = openat(first, name, O_RDONLY | O_NOFOLLOW), two = openat(second, name, O_RDONLY | O_NOFOLLOW);
    ssize_t got = one >= 0 ? read(one, a, sizeof(a)) : -1;
    ssize_t wanted = two >= 0 ? read(two, b, sizeof(b)) : -1;
    if (one >= 0)
        close(one);
    if (two >= 0)
        close(two);
    if (got != wanted || (got > 0 && memcmp(a, b, (size_t)got) != 0)) {
        size_t at = 0;
        while ((ssize_t)at < got && (ssize_t)at < wanted && a[at] == b[at])
            at++;
        say("content of %s: %zd bytes, wanted %zd, differing at %zu", name, got, wanted, at);
        differ("tree");
    }
}

static size_t compare_tree(int first, int second)
{
    size_t count = 0;
    DIR *stream = fdopendir(dup(second));
    const struct dirent *entry;
    rewinddir(stream);
    while ((entry = readdir(stream)) != NULL) {
        struct stat a, b;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        say("tree: %s", entry->d_name);
        if (fstatat(first, entry->d_name, &a, AT_SYMLINK_NOFOLLOW) != 0)
            differ("missing");
        if (fstatat(second, entry->d_name, &b, AT_SYMLINK_NOFOLLOW) != 0 || a.st_mode != b.st_mode)
            differ("another mode");
        if (S_ISREG(b.st_mode))
            compare_content(first, second, entry->d_name);
        if (!S_ISDIR(b.st_mode))
            continue;
        int below[2] = {openat(first, entry->d_name, O_RDONLY | O_DIRECTORY),
                        openat(second, entry->d_name, O_RDONLY | O_DIRECTORY)};
        if (below[0] < 0 || below[1] < 0)
            differ("openat");
        count += compare_tree(below[0], below[1]);
        close(below[0]);
        close(below[1]);
    }
    closedir(stream);
    return count;
}

static void do_tree(void)
{
    compare_tree(sides[0].top, sides[1].top);
}

static void prepare(char **argv)
{
    for (int i = 0; i < 2; i++) {
        sides[i].top = open(argv[i + 1], O_RDONLY | O_DIRECTORY);
        sides[i].data = malloc(SIZE_MAX_USED);
        if (sides[i].top < 0 || sides[i].data == NULL) {
            perror(argv[i + 1]);
            exit(2);
        }
        for (size_t j = 0; j < HANDLES; j++)
            sides[i].files[j] = -1;
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a FIFO may have lost its reader: EPIPE, on both sides */
    static const struct {
        unsigned weight;
        void (*run)(void);
    } steps[] = {{10, do_open}, {16, do_write}, {10, do_read}, {5, do_size}, {3, do_map},
                 {4, do_stat_open}, {2, do_sync}, {2, do_attributes_open}, {7, do_unlink}, {8, do_make},
                 {10, do_rename}, {5, do_attributes}, {6, do_stat}, {2, do_readlink}, {5, do_list}};
    unsigned total = 0;
    if (argc != 5) {
        fprintf(stderr, "usage: random_ops MOUNTED PLAIN STEPS SEED\n");
        return 2;
    }
    umask(022);
    prepare(argv);
    state = strtoull(argv[4], NULL, 10) * 2654435761u + 88172645463325252u;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        total += steps[i].weight;
    unsigned long last = strtoul(argv[3], NULL, 10);
    for (step_number = 1; step_number <= last; step_number++) {
        size_t choice = 0;
        for (unsigned at = (unsigned)draw(total); at >= steps[choice].weight; choice++)
            at -= steps[choice].weight;
        steps[choice].run();
        if (step_number % 500 == 0)
            do_tree();
    }
    for (size_t i = 0; i < HANDLES; i++)
        close_one(i);
    printf("%lu steps agree, %zu names left\n", last, compare_tree(sides[0].top, sides[1].top));
    return 0;
}
