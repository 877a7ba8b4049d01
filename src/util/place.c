/* SPDX-License-Identifier: MIT */
/* Absolute paths of files, and the directories above them. */
#include "util/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storefs/bytes.h"

#define ORIGIN "file"

static int make_directory(const char *path, struct sfs_error *error)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    return sfs_fail_errno(error, errno, ORIGIN, "cannot make the directory '%s'", path);
}

int sfs_place_make_parents(const char *path, struct sfs_error *error)
{
    int result = 0;
    char *copy = strdup(path);
    if (!copy)
        return sfs_fail_memory(error, ORIGIN);
    for (char *at = copy + 1; copy[0] && *at && !result; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        result = make_directory(copy, error);
        *at = '/';
    }
    free(copy);
    return result;
}

static int join(const char *directory, const char *name, char **ret_path, struct sfs_error *error)
{
    struct sfs_buffer path = {0};
    const char *separator = directory[strlen(directory) - 1] == '/' ? "" : "/";
    if (sfs_buffer_printf(&path, "%s%s%s", directory, separator, name) || sfs_buffer_text(&path)) {
        sfs_buffer_free(&path);
        return sfs_fail_memory(error, ORIGIN);
    }
    *ret_path = path.data;
    return 0;
}

/* Of a file that does not exist yet. */
static int resolve_new(const char *path, char **ret_path, struct sfs_error *error)
{
    const char *slash = strrchr(path, '/');
    char *parent = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!parent)
        return sfs_fail_memory(error, ORIGIN);
    char *directory = realpath(parent, NULL);
    int result = directory ? join(directory, slash ? slash + 1 : path, ret_path, error)
                           : sfs_fail_errno(error, errno, ORIGIN, "cannot find '%s'", parent);
    free(directory);
    free(parent);
    return result;
}

int sfs_place_resolve(const char *path, char **ret_path, struct sfs_error *error)
{
    char *resolved = realpath(path, NULL);
    if (!resolved && errno == ENOENT)
        return resolve_new(path, ret_path, error);
    if (!resolved)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot find '%s'", path);
    *ret_path = resolved;
    return 0;
}

int sfs_place_claim(const char *path, struct sfs_error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno == EEXIST)
        return sfs_fail(error, SFS_E_EXISTS, ORIGIN, "'%s' exists and is not overwritten", path);
    return sfs_fail_errno(error, errno, ORIGIN, "cannot make '%s'", path);
}
