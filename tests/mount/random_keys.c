/* SPDX-License-Identifier: MIT */
/*
 * Random keys through a mount:
 *
 *   random_keys fill URI COUNT SEED     puts COUNT random keys into a store, each with itself as value
 *   random_keys walk URI KEYS           walks the tree below KEYS (a mount's keys/) and compares: every
 *                                       path is one key of the store, every key has one path, and the
 *                                       file's bytes are the key's own
 *   random_keys make KEYS COUNT SEED    makes random keys as files through the mount; prints how many
 *   random_keys verify URI              every key of the store has itself as value
 *
 * Paths may be longer than PATH_MAX, so everything goes directory by directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storefs/storefs.h"

static uint64_t state;
static size_t problems;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void problem(const char *what, struct sfs_bytes name)
{
    char shown[200];
    printf("%s: %s\n", what, sfs_name_show(name, shown, sizeof(shown)));
    problems++;
}

_Noreturn static void stop(const char *what, const struct sfs_error *error)
{
    printf("%s: %s\n", what, error != NULL ? error->message : strerror(errno));
    exit(1);
}

/* --- random keys --- */

/* A part: special words, percent runs, long ones around the cuts, any bytes. Appends to key. */
static size_t draw_part(char *out)
{
    static const char *const words[] = {"", ".", "..", "%empty", "%dot", "%dotdot", "%value", "%%value",
                                        "%", "%%", "%+", "100%.txt", "a%20b", ".hidden", "a", "b", "a.txt"};
    size_t kind = draw(10);
    if (kind < 5) {
        const char *word = words[draw(sizeof(words) / sizeof(words[0]))];
        memcpy(out, word, strlen(word));
        return strlen(word);
    }
    size_t size = kind < 8 ? 1 + draw(12) : 250 + draw(360);
    for (size_t i = 0; i < size; i++) {
        char byte = kind == 7 ? (char)(1 + draw(255)) : (char)('a' + draw(3));
        out[i] = byte == '/' ? '_' : byte;
    }
    if (kind == 9 && draw(2)) {
        out[size - 2] = '%';
        out[size - 1] = '+';
    }
    return size;
}

static size_t draw_key(char *key)
{
    size_t size = 0, parts = 1 + draw(6);
    if (draw(200) == 0)
        parts = 40;
    for (size_t i = 0; i < parts && size < SFS_KEY_MAX - 700; i++) {
        if (i > 0)
            key[size++] = '/';
        size += draw_part(key + size);
    }
    if (draw(500) == 0) /* as long as a key can be */
        while (size < SFS_KEY_MAX)
            key[size++] = (char)('a' + draw(2));
    if (size == 0)
        key[size++] = 'k';
    return size;
}

/* --- fill, verify --- */

static struct sfs_storage *open_store(const char *uri)
{
    struct sfs_storage *store;
    struct sfs_error error;
    if (sfs_open(&store, uri, SFS_OPEN_CREATE, &error) != 0)
        stop(uri, &error);
    return store;
}

static int fill(const char *uri, size_t count)
{
    struct sfs_storage *store = open_store(uri);
    struct sfs_batch *batch;
    struct sfs_error error;
    char key[8192];
    if (sfs_batch_new(&batch, &error) != 0)
        stop("batch", &error);
    uint64_t size = 0;
    while (size < count) {
        for (int i = 0; i < 1000; i++) {
            struct sfs_bytes name = sfs_bytes(key, draw_key(key));
            if (sfs_batch_put(batch, name, name, NULL, 0, &error) != 0)
                stop("put", &error);
        }
        if (sfs_apply(store, batch, NULL, NULL, &error) != 0 || sfs_size(store, &size, &error) != 0)
            stop("apply", &error);
        sfs_batch_clear(batch);
    }
    printf("%llu keys\n", (unsigned long long)size);
    sfs_batch_free(batch);
    return sfs_close(store, &error);
}

static int verify(const char *uri)
{
    struct sfs_storage *store = open_store(uri);
    struct sfs_cursor *cursor;
    struct sfs_error error;
    const struct sfs_record *record;
    size_t count = 0;
    int code;
    if (sfs_entries(store, sfs_bytes(NULL, 0), &cursor, &error) != 0)
        stop("scan", &error);
    for (; (code = sfs_cursor_next(cursor, &record, &error)) == 1; count++)
        if (!sfs_bytes_equal(record->name, sfs_record_value(record)))
            problem("another value", record->name);
    if (code < 0)
        stop("scan", &error);
    sfs_cursor_close(cursor);
    sfs_close(store, NULL);
    printf("%zu keys, %zu problems\n", count, problems);
    return problems != 0;
}

/* --- walk --- */

struct walk {
    struct sfs_storage *store;
    struct sfs_buffer path;
    size_t files;
};

static void check_file(struct walk *walk, int directory, const char *name)
{
    char value[SFS_KEY_MAX + 1];
    struct sfs_buffer key = {0}, path = {0};
    struct sfs_error error;
    struct sfs_bytes relative = sfs_buffer_bytes(&walk->path);
    int file = openat(directory, name, O_RDONLY);
    ssize_t size = file >= 0 ? read(file, value, sizeof(value)) : -1;
    size_t length = strlen(name);
    bool own = length == strlen(SFS_PATH_VALUE) && memcmp(name, SFS_PATH_VALUE, length) == 0;
    if (size < 0)
        stop(name, NULL);
    close(file);
    walk->files++;
    if (sfs_path_to_key(relative, &key, &error) != 0)
        problem(error.message, relative);
    else if (!sfs_bytes_equal(sfs_buffer_bytes(&key), sfs_bytes(value, (size_t)size)))
        problem("the path is another key than the file's", relative);
    else if (sfs_path_from_key(sfs_buffer_bytes(&key), own, &path, &error) != 0 ||
             !sfs_bytes_equal(relative, sfs_buffer_bytes(&path)))
        problem("the key has another path", relative);
    else if (sfs_has(walk->store, sfs_buffer_bytes(&key), &error) != 1)
        problem("a file that is no key", relative);
    sfs_buffer_free(&key);
    sfs_buffer_free(&path);
}

static void walk_directory(struct walk *walk, int directory)
{
    DIR *stream = fdopendir(directory);
    const struct dirent *entry;
    size_t before = walk->path.size;
    if (stream == NULL)
        stop("fdopendir", NULL);
    while (errno = 0, (entry = readdir(stream)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((before > 0 && sfs_buffer_byte(&walk->path, '/') != 0) ||
            sfs_buffer_append(&walk->path, entry->d_name, strlen(entry->d_name)) != 0)
            stop("memory", NULL);
        if (fstatat(directory, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            stop(entry->d_name, NULL);
        if (st.st_ino != entry->d_ino)
            problem("d_ino is not st_ino", sfs_buffer_bytes(&walk->path));
        if (S_ISDIR(st.st_mode)) {
            int below = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY);
            if (below < 0)
                stop(entry->d_name, NULL);
            walk_directory(walk, below);
        } else {
            check_file(walk, directory, entry->d_name);
        }
        walk->path.size = before;
    }
    if (errno != 0)
        stop("readdir", NULL);
    closedir(stream);
}

static int walk_mount(const char *uri, const char *keys)
{
    struct walk walk = {.store = open_store(uri)};
    uint64_t size;
    struct sfs_error error;
    int directory = open(keys, O_RDONLY | O_DIRECTORY);
    if (directory < 0)
        stop(keys, NULL);
    walk_directory(&walk, directory);
    if (sfs_size(walk.store, &size, &error) != 0)
        stop("size", &error);
    if (size != walk.files) {
        printf("%llu keys in the store, %zu files in the mount\n", (unsigned long long)size, walk.files);
        problems++;
    }
    sfs_buffer_free(&walk.path);
    sfs_close(walk.store, NULL);
    printf("%zu files, %zu problems\n", walk.files, problems);
    return problems != 0;
}

/* --- make --- */

/* Opens (making it where needed) the directory of all but the path's last name, which is returned. -1
 * with errno where a plain file is in the way. */
static int open_parent(int top, char *path, char **ret_name)
{
    int directory = dup(top);
    char *slash;
    while ((slash = strchr(path, '/')) != NULL) {
        *slash = '\0';
        if (mkdirat(directory, path, 0755) != 0 && errno != EEXIST)
            stop(path, NULL);
        int below = openat(directory, path, O_RDONLY | O_DIRECTORY);
        close(directory);
        if (below < 0)
            return -1;
        directory = below;
        path = slash + 1;
    }
    *ret_name = path;
    return directory;
}

/* 1 made (or there already), 0 a plain file is in the way. */
static int make_key(int top, struct sfs_bytes key)
{
    struct sfs_buffer path = {0};
    struct sfs_error error;
    char *name;
    if (sfs_path_from_key(key, false, &path, &error) != 0 || sfs_buffer_text(&path) != 0)
        stop("path", &error);
    int directory = open_parent(top, path.data, &name);
    if (directory < 0 && errno != ENOTDIR)
        stop("openat", NULL);
    int made = directory >= 0;
    if (made) {
        struct stat st;
        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            int below = openat(directory, name, O_RDONLY | O_DIRECTORY);
            close(directory);
            directory = below;
            name = (char *)(uintptr_t)SFS_PATH_VALUE;
        }
        int file = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (file < 0 || write(file, key.data, key.size) != (ssize_t)key.size || close(file) != 0)
            stop(name, NULL);
        close(directory);
    }
    sfs_buffer_free(&path);
    return made;
}

static int make(const char *keys, size_t count)
{
    char key[8192];
    size_t made = 0;
    int top = open(keys, O_RDONLY | O_DIRECTORY);
    if (top < 0)
        stop(keys, NULL);
    for (size_t i = 0; i < count; i++)
        made += (size_t)make_key(top, sfs_bytes(key, draw_key(key)));
    close(top);
    printf("%zu of %zu made\n", made, count);
    return made < count / 4; /* most parts must have been possible, or nothing is shown */
}

int main(int argc, char **argv)
{
    if (argc > 4)
        state = strtoull(argv[4], NULL, 10) * 2654435761u + 1;
    if (argc == 5 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], strtoull(argv[3], NULL, 10)) != 0;
    if (argc == 5 && strcmp(argv[1], "make") == 0)
        return make(argv[2], strtoull(argv[3], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "walk") == 0)
        return walk_mount(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    fprintf(stderr, "usage: random_keys fill URI COUNT SEED | walk URI KEYS | make KEYS COUNT SEED | verify URI\n");
    return 2;
}
