/* SPDX-License-Identifier: MIT */
/*
 * Names as files below PATH. Paths are walked one directory at a time: they can be longer than
 * PATH_MAX, and no symbolic link is followed, since a link is a record.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"
#include "util/file.h"

int sfs_dir_fail(const struct sfs_dir_store *store, struct sfs_bytes name, const char *what,
                 struct sfs_error *error)
{
    char shown[160];
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "%s '%s' in '%s'", what,
                          sfs_name_show(name, shown, sizeof(shown)), store->path);
}

void sfs_dir_place_free(struct sfs_dir_place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    sfs_buffer_free(&place->leaf);
    place->fd = -1;
}

void sfs_dir_temporary_name(uint64_t number, char name[24])
{
    snprintf(name, 24, "%" PRIu64, number);
}

int sfs_dir_sync_fd(const struct sfs_dir_store *store, int fd, struct sfs_error *error)
{
    struct stat status;
    if (fsync(fd) == 0)
        return 0;
    int number = errno;
    /* Whether directories can be put on disk was asked when the store was opened. */
    if (sfs_is_unsupported(number) && !store->options.dirsync && fstat(fd, &status) == 0 &&
        S_ISDIR(status.st_mode))
        return 0;
    return sfs_fail_errno(error, number, SFS_DIR_ORIGIN, "cannot write what is in '%s' to the disk",
                          store->path);
}

/* On a mount of storefs the control directory is a key to the store below. */
static int check_reserved(const struct sfs_dir_store *store, struct sfs_bytes path,
                          struct sfs_error *error)
{
    struct sfs_bytes control = sfs_string(store->control_name);
    if (!sfs_bytes_starts(path, control))
        return 0;
    char behind = path.size > control.size ? ((const char *)path.data)[control.size] : '/';
    if (behind != '/')
        return 0;
    return sfs_fail(
        error, SFS_E_INVALID, SFS_DIR_ORIGIN,
        "keys below '%%value' are not possible in '%s', which is itself a mount: the store "
        "keeps its own files there",
        store->path);
}

int sfs_dir_path(const struct sfs_dir_store *store, struct sfs_bytes key, struct sfs_buffer *path,
                 struct sfs_error *error)
{
    int code = sfs_path_from_key(key, false, path, error);
    return code ? code : check_reserved(store, sfs_buffer_bytes(path), error);
}

/* The path of a directory by its prefix; of the root it is empty. */
static int directory_path(const struct sfs_dir_store *store, struct sfs_bytes prefix,
                          struct sfs_buffer *path, struct sfs_error *error)
{
    if (prefix.size == 0)
        return 0;
    if (prefix.size == 1)
        return sfs_buffer_add(path, SFS_LITERAL("%empty")) ? sfs_fail_memory(error, SFS_DIR_ORIGIN)
                                                           : 0;
    return sfs_dir_path(store, sfs_bytes(prefix.data, prefix.size - 1), path, error);
}

static int open_child(int fd, const char *name)
{
    return openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_nothing(int number)
{
    return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

static int make_child(int fd, const char *name)
{
    if (mkdirat(fd, name, 0700) && errno != EEXIST)
        return -1;
    return open_child(fd, name);
}

/* Goes down `path`, whose slashes become NULs, up to its last name; *ret_fd is the directory that
 * has it, *ret_leaf where the name begins in the path. NOT_FOUND without a sentence. */
static int walk(const struct sfs_dir_store *store, struct sfs_buffer *path, struct sfs_bytes name,
                bool make, int *ret_fd, const char **ret_leaf, struct sfs_error *error)
{
    if (sfs_buffer_text(path))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    char *at = path->data;
    int fd = open_child(store->root, "."); /* one with a position of its own */
    for (char *slash; fd >= 0 && (slash = strchr(at, '/')); at = slash + 1) {
        *slash = '\0';
        int next = open_child(fd, at);
        if (next < 0 && errno == ENOENT && make)
            next = make_child(fd, at);
        int number = errno;
        close(fd);
        errno = number;
        fd = next;
    }
    if (fd < 0 && is_nothing(errno) && !make)
        return SFS_E_NOT_FOUND;
    if (fd < 0)
        return sfs_dir_fail(store, name, "cannot open the directory of", error);
    *ret_fd = fd;
    *ret_leaf = at;
    return 0;
}

static int set_leaf(struct sfs_dir_place *place, const char *leaf, struct sfs_error *error)
{
    place->leaf.size = 0;
    if (sfs_buffer_add(&place->leaf, sfs_string(leaf)) || sfs_buffer_text(&place->leaf))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    return 0;
}

/* Where the name is a directory: goes on to its "%value". 0, or NOT_FOUND where nothing is there.
 */
static int go_inside(const struct sfs_dir_store *store, struct sfs_dir_place *place,
                     struct sfs_bytes key, struct sfs_error *error)
{
    if (fstatat(place->fd, place->leaf.data, &place->status, AT_SYMLINK_NOFOLLOW))
        return is_nothing(errno) ? SFS_E_NOT_FOUND
                                 : sfs_dir_fail(store, key, "cannot look at", error);
    if (!S_ISDIR(place->status.st_mode))
        return 0;
    int inside = open_child(place->fd, place->leaf.data);
    if (inside < 0)
        return is_nothing(errno) ? SFS_E_NOT_FOUND
                                 : sfs_dir_fail(store, key, "cannot open the directory", error);
    close(place->fd);
    place->fd = inside;
    int code = set_leaf(place, SFS_PATH_VALUE, error);
    if (code)
        return code;
    if (fstatat(place->fd, place->leaf.data, &place->status, AT_SYMLINK_NOFOLLOW))
        return is_nothing(errno) ? SFS_E_NOT_FOUND
                                 : sfs_dir_fail(store, key, "cannot look at", error);
    return S_ISDIR(place->status.st_mode) ? SFS_E_NOT_FOUND : 0;
}

static int find_place(struct sfs_dir_store *store, struct sfs_bytes key, bool make,
                      struct sfs_dir_place *ret_place, struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    struct sfs_buffer path = {0};
    const char *leaf = NULL;
    int code = sfs_dir_path(store, key, &path, error);
    if (code == 0)
        code = walk(store, &path, key, make, &place.fd, &leaf, error);
    if (code == 0)
        code = set_leaf(&place, leaf, error);
    sfs_buffer_free(&path);
    if (code == 0)
        code = go_inside(store, &place, key, error);
    if (code == SFS_E_NOT_FOUND && make && place.fd >= 0)
        code = 0;
    if (code)
        sfs_dir_place_free(&place);
    else
        *ret_place = place;
    return code;
}

int sfs_dir_find(struct sfs_dir_store *store, struct sfs_bytes key, struct sfs_dir_place *ret_place,
                 struct sfs_error *error)
{
    return find_place(store, key, false, ret_place, error);
}

int sfs_dir_make_way(struct sfs_dir_store *store, struct sfs_bytes key,
                     struct sfs_dir_place *ret_place, struct sfs_error *error)
{
    return find_place(store, key, true, ret_place, error);
}

int sfs_dir_open_directory(struct sfs_dir_store *store, struct sfs_bytes prefix, bool make,
                           int *ret_fd, struct sfs_error *error)
{
    struct sfs_buffer path = {0};
    const char *leaf = NULL;
    int fd = -1;
    int code = directory_path(store, prefix, &path, error);
    if (code == 0 && prefix.size && sfs_buffer_byte(&path, '/'))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code == 0)
        code = walk(store, &path, prefix, make, &fd, &leaf, error);
    sfs_buffer_free(&path);
    if (code == 0)
        *ret_fd = fd;
    return code;
}

int sfs_dir_open_pieces(struct sfs_dir_store *store, struct sfs_bytes base, int *ret_fd,
                        struct sfs_error *error)
{
    /* A key that goes through it: one that is so much longer that its part must be cut here. */
    const struct sfs_bytes rest = SFS_LITERAL("end");
    struct sfs_buffer key = {0}, path = {0};
    const char *leaf = NULL;
    if (base.size + rest.size > SFS_KEY_MAX)
        return SFS_E_NOT_FOUND;
    int code = 0;
    if (sfs_buffer_add(&key, base) || sfs_buffer_add(&key, rest))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code == 0)
        code = sfs_dir_path(store, sfs_buffer_bytes(&key), &path, error);
    if (code == 0)
        code = walk(store, &path, base, false, ret_fd, &leaf, error);
    sfs_buffer_free(&key);
    sfs_buffer_free(&path);
    return code;
}

int sfs_dir_is_empty(int fd, bool *ret_empty, struct sfs_error *error)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *handle = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    bool empty = true;
    if (!handle) {
        int number = errno;
        if (copy >= 0)
            close(copy);
        return sfs_fail_errno(error, number, SFS_DIR_ORIGIN, "cannot read a directory");
    }
    while (empty && (entry = readdir(handle)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(handle);
    *ret_empty = empty;
    return 0;
}

/* --- directories that have become superfluous --- */

/* Whether the last name of a path is that of a piece. */
static bool ends_in_piece(const struct sfs_buffer *path)
{
    const char *slash = path->size ? memrchr(path->data, '/', path->size) : NULL;
    size_t start = slash ? (size_t)(slash - path->data) + 1 : 0;
    return path->size - start == SFS_PATH_NAME_MAX &&
           memcmp(path->data + path->size - 2, "%+", 2) == 0;
}

static bool cut_last(struct sfs_buffer *path)
{
    const char *slash = path->size ? memrchr(path->data, '/', path->size) : NULL;
    path->size = slash ? (size_t)(slash - path->data) : 0;
    return slash != NULL;
}

/* 1: it is gone, 0: it is not empty. */
static int remove_one(struct sfs_dir_store *store, const struct sfs_buffer *path,
                      struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_buffer copy = {0};
    const char *leaf = NULL;
    int fd = -1, failed = 0;
    if (sfs_buffer_add(&copy, sfs_buffer_bytes(path)))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = walk(store, &copy, name, false, &fd, &leaf, error);
    if (code == 0 && unlinkat(fd, leaf, AT_REMOVEDIR))
        failed = errno;
    if (fd >= 0)
        close(fd);
    sfs_buffer_free(&copy);
    if (code)
        return code == SFS_E_NOT_FOUND ? 1 : code;
    if (failed == ENOTEMPTY || failed == EEXIST || failed == EBUSY)
        return 0;
    errno = failed;
    return failed && !is_nothing(failed)
               ? sfs_dir_fail(store, name, "cannot remove the directory of", error)
               : 1;
}

/* Removes the last directory of a path, and those above it that it was a piece of. As above. */
static int remove_directory(struct sfs_dir_store *store, struct sfs_buffer *path,
                            struct sfs_bytes name, struct sfs_error *error)
{
    int code;
    do
        code = remove_one(store, path, name, error);
    while (code == 1 && cut_last(path) && ends_in_piece(path));
    return code;
}

/* Whether a record is below the prefix, or its marker, or its files must stay for another reason.
 */
static bool is_used(const struct sfs_dir_store *store, struct sfs_bytes prefix)
{
    const struct sfs_dir_item *next = sfs_tree_lower_bound(&store->tree, prefix);
    return next && sfs_bytes_starts(next->record->name, prefix);
}

/* The directories of the pieces of a key that was cut. */
static int prune_pieces(struct sfs_dir_store *store, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_buffer path = {0};
    int code = sfs_dir_path(store, key, &path, error);
    if (code == 0 && cut_last(&path) && ends_in_piece(&path))
        code = remove_directory(store, &path, key, error);
    sfs_buffer_free(&path);
    return code < 0 ? code : 0;
}

/* From the directory of the prefix on upwards. */
static int prune_upwards(struct sfs_dir_store *store, struct sfs_bytes prefix,
                         struct sfs_error *error)
{
    int code = 1;
    while (code == 1) {
        const char *slash = prefix.size ? memrchr(prefix.data, '/', prefix.size) : NULL;
        prefix.size = slash ? (size_t)(slash - (const char *)prefix.data) + 1 : 0;
        if (prefix.size == 0 || is_used(store, prefix))
            return 0;
        struct sfs_buffer path = {0};
        code = directory_path(store, prefix, &path, error);
        if (code == 0)
            code = remove_directory(store, &path, prefix, error);
        sfs_buffer_free(&path);
        prefix.size--;
    }
    return code;
}

int sfs_dir_prune(struct sfs_dir_store *store, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_buffer prefix = {0};
    if (sfs_name_is_marker(name))
        return prune_upwards(store, sfs_bytes(name.data, name.size - 1), error);
    int code = 0;
    if (sfs_buffer_add(&prefix, name) || sfs_buffer_byte(&prefix, '/'))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code == 0 && !is_used(store, sfs_buffer_bytes(&prefix)))
        code = prune_pieces(store, name, error);
    if (code == 0)
        code = prune_upwards(store, sfs_buffer_bytes(&prefix), error);
    sfs_buffer_free(&prefix);
    return code;
}
