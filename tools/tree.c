/* SPDX-License-Identifier: MIT */
/* From keys to files in a mount. */
#include "tools/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "storefs/path.h"

#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

int tool_tree_open(const char *base, const char *path, int *ret_directory, struct sfs_error *error)
{
    int root = open(base, OPEN_DIRECTORY);
    int directory = root < 0 ? -1 : openat(root, path, OPEN_DIRECTORY);
    int system_errno = errno;
    if (root >= 0)
        close(root);
    if (directory < 0)
        return sfs_fail_errno(error, system_errno, "mount", "%s/%s", base, path);
    *ret_directory = directory;
    return 0;
}

/* Only ENOENT and ENOTDIR say that a file is not there. */
static bool is_missing(int directory, const char *name)
{
    struct stat status;
    return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 &&
           (errno == ENOENT || errno == ENOTDIR);
}

/* A key can have the name of a file that a mount or a transaction has, but hardly of all. */
bool tool_tree_keys_only(const char *base)
{
    static const char *const files[][3] = {{"README", "keys", "admin/stats.json"},
                                           {"savepoints", "keys", "query"}};
    int root = open(base, OPEN_DIRECTORY);
    bool whole = root < 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && !whole; i++) {
        whole = true;
        for (size_t j = 0; j < sizeof files[i] / sizeof files[i][0] && whole; j++)
            whole = !is_missing(root, files[i][j]);
    }
    if (root >= 0)
        close(root);
    return !whole;
}

int tool_tree_open_keys(const char *base, int *ret_directory, struct sfs_error *error)
{
    return tool_tree_open(base, tool_tree_keys_only(base) ? "." : "keys", ret_directory, error);
}

void tool_place_free(struct tool_place *place)
{
    if (place->directory >= 0)
        close(place->directory);
    free(place->name);
    *place = (struct tool_place){.directory = -1};
}

int tool_tree_fail(struct sfs_error *error, int system_errno, const struct tool_place *place,
                   const char *what)
{
    char path[64 + SFS_PATH_NAME_MAX];
    char sentence[SFS_ERROR_MESSAGE];
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", place->directory, place->name);
    int code = sfs_fail_errno(error, system_errno, "mount", "%s '%s'", what, place->name);
    ssize_t size = lgetxattr(path, "user.storefs.error", sentence, sizeof sentence - 1);
    if (size <= 0)
        return code;
    sentence[size] = '\0';
    return sfs_fail(error, code, "mount", "%s", sentence);
}

static int step(int *directory, const char *name, bool make)
{
    if (make && mkdirat(*directory, name, 0777) < 0 && errno != EEXIST)
        return errno;
    int next = openat(*directory, name, OPEN_DIRECTORY | O_NOFOLLOW);
    if (next < 0)
        return errno;
    close(*directory);
    *directory = next;
    return 0;
}

/* Walks along all parts but the last; `path` is cut up. Returns an errno; place->name is then the part
 * that could not be entered. */
static int walk(char *path, bool make, struct tool_place *place)
{
    for (char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        *slash = '\0';
        int system_errno = step(&place->directory, path, make);
        if (system_errno) {
            place->name = strdup(path);
            return system_errno;
        }
    }
    place->name = strdup(path);
    return place->name ? 0 : ENOMEM;
}

static int not_found(struct sfs_error *error, struct sfs_bytes key, const char *base)
{
    char shown[200];
    return sfs_fail(error, SFS_E_NOT_FOUND, "mount", "key '%s' not found in %s",
                    sfs_name_show(key, shown, sizeof shown), base);
}

/* No directory can be where a file is, though a store can have both keys. */
static int fail_walk(struct sfs_error *error, int system_errno, struct sfs_bytes key,
                     const struct tool_place *place, const char *base)
{
    char shown[200];
    sfs_name_show(key, shown, sizeof shown);
    if (place->name && (system_errno == ENOTDIR || system_errno == ELOOP))
        return sfs_fail(error, SFS_E_NOT_DIRECTORY, "mount",
                        "there is a file where '%s' needs the directory '%s' in %s: unmount, or name "
                        "the store by its URI, where both can be",
                        shown, place->name, base);
    return sfs_fail_errno(error, system_errno, "mount", "no way to key '%s' in %s", shown, base);
}

static int go(const char *base, struct sfs_bytes key, bool own_value, bool make,
              struct tool_place *ret_place, struct sfs_error *error)
{
    struct sfs_buffer path = {0};
    struct tool_place place = {.directory = -1};
    int result = sfs_key_check(key, error);
    if (!result)
        result = sfs_path_from_key(key, own_value, &path, error);
    if (!result && sfs_buffer_text(&path))
        result = sfs_fail_memory(error, "mount");
    if (!result)
        result = tool_tree_open_keys(base, &place.directory, error);
    int system_errno = result ? 0 : walk(path.data, make, &place);
    sfs_buffer_free(&path);
    if (!make && (system_errno == ENOENT || system_errno == ENOTDIR || system_errno == ELOOP))
        result = not_found(error, key, base);
    else if (system_errno)
        result = fail_walk(error, system_errno, key, &place, base);
    if (result)
        tool_place_free(&place);
    else
        *ret_place = place;
    return result;
}

/* The kind of file there (S_IFMT bits), 0 for none; errno says whether it could be looked up. */
static mode_t kind_at(const struct tool_place *place)
{
    struct stat status;
    errno = 0;
    if (fstatat(place->directory, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return status.st_mode & S_IFMT;
}

int tool_tree_find(const char *base, struct sfs_bytes key, struct tool_place *ret_place,
                   struct sfs_error *error)
{
    struct tool_place place;
    int result = go(base, key, false, false, &place, error);
    if (result)
        return result;
    if (kind_at(&place) == S_IFDIR) {
        tool_place_free(&place);
        result = go(base, key, true, false, &place, error);
        if (result)
            return result;
    }
    if (kind_at(&place) == S_IFREG) {
        *ret_place = place;
        return 0;
    }
    result = errno == 0 || errno == ENOENT ? not_found(error, key, base)
                                           : tool_tree_fail(error, errno, &place, "cannot look up");
    tool_place_free(&place);
    return result;
}

int tool_tree_make(const char *base, struct sfs_bytes key, struct tool_place *ret_place,
                   struct sfs_error *error)
{
    struct tool_place place;
    int result = go(base, key, false, true, &place, error);
    if (!result && kind_at(&place) == S_IFDIR) {
        tool_place_free(&place);
        result = go(base, key, true, true, &place, error);
    }
    if (!result)
        *ret_place = place;
    return result;
}
