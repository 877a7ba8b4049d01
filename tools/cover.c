/* SPDX-License-Identifier: MIT */
/* What a mount would cover. Directories are compared by device and inode, not by name. */
#include "tools/cover.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storefs/storage.h"

/* The path without symbolic links, or of what is there of it. */
static int resolve(const char *path, char **ret_path, struct sfs_error *error)
{
    char *resolved = NULL, *copy = strdup(path);
    for (char *at = copy; at && !(resolved = realpath(at, NULL)) && errno == ENOENT;)
        at = dirname(at);
    int number = errno;
    free(copy);
    if (!resolved)
        return sfs_fail_errno(error, copy ? number : ENOMEM, "mount", "cannot find %s", path);
    *ret_path = resolved;
    return 0;
}

/* Whether `directory` is `path`, which is resolved and cut up, or above it. */
static bool holds(const struct stat *directory, char *path)
{
    struct stat status;
    for (;;) {
        if (stat(path, &status) == 0 && status.st_dev == directory->st_dev &&
            status.st_ino == directory->st_ino)
            return true;
        if (strcmp(path, "/") == 0)
            return false;
        path = dirname(path);
    }
}

/* As holds(), by names. 1 or 0, or an error. */
static int lies_in(const char *path, const char *directory, struct sfs_error *error)
{
    struct stat status;
    char *resolved = NULL;
    if (stat(directory, &status) || !S_ISDIR(status.st_mode))
        return 0;
    int result = resolve(path, &resolved, error);
    if (result)
        return result;
    result = holds(&status, resolved);
    free(resolved);
    return result;
}

static int check_store(const char *directory, const char *path, struct sfs_error *error)
{
    int covered = lies_in(path, directory, error);
    if (covered > 0)
        return sfs_fail(
            error, SFS_E_INVALID, "mount",
            "the store %s lies in %s, and a mount there would hide it from its own process: mount "
            "it at a directory that does not hold the store",
            path, directory);
    int inside = covered ? covered : lies_in(directory, path, error);
    if (inside > 0)
        return sfs_fail(
            error, SFS_E_INVALID, "mount",
            "%s lies in the store %s, which would hold its own mount: mount it at a directory "
            "outside the store",
            directory, path);
    return inside;
}

int tool_cover_check(const char *directory, const char *uri, const char *temporary,
                     struct sfs_error *error)
{
    const char *sorts = temporary ? temporary : "/tmp";
    char *path = NULL;
    int result = sfs_uri_path(uri, &path, error);
    if (!result && path)
        result = check_store(directory, path, error);
    free(path);
    if (!result)
        result = lies_in(sorts, directory, error);
    return result > 0
               ? sfs_fail(error, SFS_E_INVALID, "mount",
                          "a mount at %s would cover %s, where sorts that memory does not hold are "
                          "kept: set TMPDIR to a directory outside %s",
                          directory, sorts, directory)
               : result;
}
