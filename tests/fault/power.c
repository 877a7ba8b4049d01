/* SPDX-License-Identifier: MIT */
/* See power.h. The functions of libc that change files are defined here, in place of libc's, each under both of
 * its names. */
#undef _FILE_OFFSET_BITS
#include "tests/fault/power.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR 512

enum kind { WRITE, TRUNCATE, SYNC, NAME, RENAME, REMOVE, SYNC_NAMES };

struct event {
    enum kind kind;
    size_t file;
    uint64_t offset; /* TRUNCATE: the size */
    size_t size;
    char *data;     /* of WRITE */
    char name[256]; /* of NAME, RENAME (the old one), REMOVE */
    char to[256];
};

/* A file that has or had a name; by its inode number while it has one. */
struct file {
    ino_t inode;
    bool named;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[PATH_MAX]; /* empty: nothing is noted */
static struct event *events;
static size_t count, capacity;
static struct file *files;
static size_t file_count;

static void check(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "power: %s: %s\n", what, strerror(errno));
    abort();
}

/* --- noting --- */

/* With the lock held. */
static struct event *add(enum kind kind, size_t file)
{
    if (count == capacity) {
        capacity = capacity ? 2 * capacity : 1024;
        events = realloc(events, capacity * sizeof(*events));
        check(events != NULL, "memory");
    }
    struct event *event = &events[count++];
    memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->file = file;
    return event;
}

/* The name in the directory that a path is, or NULL. */
static const char *name_in(const char *path)
{
    size_t length = strlen(directory);
    if (length == 0 || strncmp(path, directory, length) != 0 || path[length] != '/')
        return NULL;
    const char *name = path + length + 1;
    return strchr(name, '/') || strlen(name) > 255 ? NULL : name;
}

static bool path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* The file that a descriptor is of, noted with its name where it is new. False: none of the directory's. */
static bool file_of(int fd, size_t *ret_file)
{
    char path[PATH_MAX];
    struct stat status;
    if (!directory[0] || !path_of(fd, path) || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    for (size_t i = 0; i < file_count; i++) {
        if (files[i].named && files[i].inode == status.st_ino) {
            *ret_file = i;
            return true;
        }
    }
    const char *name = name_in(path);
    if (!name || status.st_nlink == 0)
        return false;
    files = realloc(files, (file_count + 1) * sizeof(*files));
    check(files != NULL, "memory");
    files[file_count] = (struct file){status.st_ino, true};
    strcpy(add(NAME, file_count)->name, name);
    *ret_file = file_count++;
    return true;
}

/* The file of that name, which loses it. */
static void unname(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return;
    for (size_t i = 0; i < file_count; i++)
        files[i].named = files[i].named && files[i].inode != status.st_ino;
}

static void note_write(int fd, const void *data, ssize_t size, uint64_t offset)
{
    size_t file;
    int error = errno;
    pthread_mutex_lock(&lock);
    if (size > 0 && file_of(fd, &file)) {
        struct event *event = add(WRITE, file);
        event->offset = offset;
        event->size = (size_t)size;
        event->data = malloc((size_t)size);
        check(event->data != NULL, "memory");
        memcpy(event->data, data, (size_t)size);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
}

static int note_sync(int fd)
{
    char path[PATH_MAX];
    size_t file;
    pthread_mutex_lock(&lock);
    if (file_of(fd, &file))
        add(SYNC, file);
    else if (directory[0] && path_of(fd, path) && strcmp(path, directory) == 0)
        add(SYNC_NAMES, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int note_truncation(int fd, off_t size)
{
    size_t file;
    int code = (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    if (code == 0 && file_of(fd, &file))
        add(TRUNCATE, file)->offset = (uint64_t)size;
    pthread_mutex_unlock(&lock);
    return code;
}

/* --- in place of libc's --- */

ssize_t write(int fd, const void *data, size_t size)
{
    off_t offset = directory[0] ? lseek(fd, 0, SEEK_CUR) : -1;
    ssize_t written = syscall(SYS_write, fd, data, size);
    if (offset >= 0)
        note_write(fd, data, written, (uint64_t)offset);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    ssize_t written = syscall(SYS_pwrite64, fd, data, size, offset);
    if (directory[0])
        note_write(fd, data, written, (uint64_t)offset);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return pwrite(fd, data, size, offset);
}

int ftruncate(int fd, off_t size)
{
    return note_truncation(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return note_truncation(fd, size);
}

int fsync(int fd)
{
    return note_sync(fd);
}

int fdatasync(int fd)
{
    return note_sync(fd);
}

int rename(const char *from, const char *to)
{
    pthread_mutex_lock(&lock);
    const char *name = name_in(from), *other = name_in(to);
    if (name && other)
        unname(to);
    int code = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (code == 0 && name && other) {
        struct event *event = add(RENAME, 0);
        strcpy(event->name, name);
        strcpy(event->to, other);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int unlink(const char *path)
{
    pthread_mutex_lock(&lock);
    const char *name = name_in(path);
    if (name)
        unname(path);
    int code = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (code == 0 && name)
        strcpy(add(REMOVE, 0)->name, name);
    pthread_mutex_unlock(&lock);
    return code;
}

void power_record(const char *path)
{
    pthread_mutex_lock(&lock);
    check(realpath(path, directory) != NULL, path);
    pthread_mutex_unlock(&lock);
}

size_t power_now(void)
{
    pthread_mutex_lock(&lock);
    size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}

void power_end(void)
{
    pthread_mutex_lock(&lock);
    directory[0] = '\0';
    for (size_t i = 0; i < count; i++)
        free(events[i].data);
    free(events);
    free(files);
    events = NULL;
    files = NULL;
    count = capacity = file_count = 0;
    pthread_mutex_unlock(&lock);
}

/* --- the disk after a cut --- */

/* What is on it: bytes of a file, of which some may be gone. */
struct image {
    char *data;
    size_t size;
};

static unsigned draw(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void resize(struct image *image, size_t size)
{
    char *data = realloc(image->data, size + 1);
    check(data != NULL, "memory");
    if (size > image->size)
        memset(data + image->size, 0, size - image->size);
    image->data = data;
    image->size = size;
}

/* `state`: not NULL where any sectors of it may be lost. */
static void apply(struct image *image, const struct event *event, unsigned *state)
{
    if (event->kind == TRUNCATE) {
        resize(image, (size_t)event->offset);
        return;
    }
    size_t end = (size_t)event->offset + event->size;
    if (end > image->size)
        resize(image, end);
    for (size_t done = 0; done < event->size;) {
        size_t at = (size_t)event->offset + done, part = SECTOR - at % SECTOR;
        part = part < event->size - done ? part : event->size - done;
        if (!state || draw(state) & 1)
            memcpy(image->data + at, event->data + done, part);
        done += part;
    }
}

static struct image file_after(size_t file, size_t moment, enum power_loss loss, unsigned *state)
{
    struct image image = {0};
    size_t synced = 0, later = 0;
    for (size_t i = 0; i < moment; i++)
        if (events[i].kind == SYNC && events[i].file == file)
            synced = i;
    for (size_t i = synced; i < moment; i++)
        later += events[i].kind <= TRUNCATE && events[i].file == file;
    size_t kept = loss == POWER_LOSES_ALL ? 0 : loss == POWER_LOSES_TAIL ? draw(state) % (later + 1) : later;
    for (size_t i = 0; i < moment; i++) {
        if (events[i].kind > TRUNCATE || events[i].file != file)
            continue;
        bool safe = i < synced;
        if (!safe && kept == 0)
            continue;
        kept -= !safe;
        bool torn = !safe && loss == POWER_LOSES_SECTORS;
        if (torn && events[i].kind == TRUNCATE && draw(state) & 1)
            continue;
        apply(&image, &events[i], torn ? state : NULL);
    }
    return image;
}

/* The names, and which files they are of. */
struct names {
    char name[64][256];
    size_t file[64];
    size_t count;
};

static size_t find(const struct names *names, const char *name)
{
    size_t i = 0;
    while (i < names->count && strcmp(names->name[i], name) != 0)
        i++;
    return i;
}

static void take(struct names *names, size_t at)
{
    if (at == names->count)
        return;
    names->count--;
    strcpy(names->name[at], names->name[names->count]);
    names->file[at] = names->file[names->count];
}

static void put(struct names *names, const char *name, size_t file)
{
    take(names, find(names, name));
    check(names->count < 64, "too many names");
    strcpy(names->name[names->count], name);
    names->file[names->count++] = file;
}

static void change(struct names *names, const struct event *event)
{
    size_t at = find(names, event->name);
    size_t file = at < names->count ? names->file[at] : 0;
    bool there = at < names->count;
    if (event->kind != NAME)
        take(names, at);
    if (event->kind == NAME)
        put(names, event->name, event->file);
    else if (event->kind == RENAME && there)
        put(names, event->to, file);
}

static void names_after(size_t moment, enum power_loss loss, unsigned *state, struct names *names)
{
    size_t synced = 0, later = 0;
    for (size_t i = 0; i < moment; i++)
        if (events[i].kind == SYNC_NAMES)
            synced = i;
    for (size_t i = synced; i < moment; i++)
        later += events[i].kind >= NAME && events[i].kind <= REMOVE;
    size_t kept = loss == POWER_LOSES_ALL ? 0 : loss == POWER_LOSES_NOTHING ? later : draw(state) % (later + 1);
    for (size_t i = 0; i < moment; i++) {
        if (events[i].kind < NAME || events[i].kind > REMOVE || (i >= synced && kept == 0))
            continue;
        kept -= i >= synced;
        change(names, &events[i]);
    }
}

static void save(const char *target, const char *name, const struct image *image)
{
    char path[PATH_MAX];
    check(snprintf(path, sizeof(path), "%s/%s", target, name) < (int)sizeof(path), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    check(fd >= 0, path);
    for (size_t done = 0; done < image->size;) {
        ssize_t written = syscall(SYS_write, fd, image->data + done, image->size - done);
        check(written > 0, path);
        done += (size_t)written;
    }
    close(fd);
}

/* SQLite's shared memory is nothing that a disk keeps. */
static bool is_memory(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, "-shm") == 0;
}

void power_cut(size_t moment, enum power_loss loss, unsigned seed, const char *target)
{
    struct names *names = calloc(1, sizeof(*names));
    check(names != NULL, "memory");
    check(mkdir(target, 0700) == 0, target);
    pthread_mutex_lock(&lock);
    names_after(moment, loss, &seed, names);
    for (size_t i = 0; i < names->count; i++) {
        if (is_memory(names->name[i]))
            continue;
        struct image image = file_after(names->file[i], moment, loss, &seed);
        save(target, names->name[i], &image);
        free(image.data);
    }
    pthread_mutex_unlock(&lock);
    free(names);
}
