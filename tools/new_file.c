/* SPDX-License-Identifier: MIT */
/* Files that appear whole or not at all. */
#include "tools/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_directly(struct tool_new_file *file, struct sfs_error *error)
{
    file->descriptor = open(file->path, O_WRONLY | O_CLOEXEC);
    if (file->descriptor < 0)
        return sfs_fail_errno(error, errno, "file", "%s", file->path);
    return 0;
}

static int open_beside(struct tool_new_file *file, struct sfs_error *error)
{
    if (asprintf(&file->temporary, "%s.XXXXXX", file->path) < 0) {
        file->temporary = NULL;
        return sfs_fail_memory(error, "file");
    }
    file->descriptor = mkostemp(file->temporary, O_CLOEXEC);
    if (file->descriptor >= 0)
        return 0;
    int result = sfs_fail_errno(error, errno, "file", "%s", file->path);
    free(file->temporary);
    file->temporary = NULL;
    return result;
}

/* A link, a pipe or a socket that somebody else has put there would take the content elsewhere. */
static int check_place(const char *path, struct sfs_error *error)
{
    struct stat status;
    if (lstat(path, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ||
        status.st_uid == 0 || status.st_uid == geteuid())
        return 0;
    return sfs_fail(error, SFS_E_PERMISSION, "file",
                    "%s is a link or a pipe of another user (%ld): choose another name", path,
                    (long)status.st_uid);
}

int tool_new_file_open(struct tool_new_file *ret_file, const char *path, struct sfs_error *error)
{
    struct tool_new_file file = {.descriptor = -1};
    struct stat status;
    int result = check_place(path, error);
    if (result)
        return result;
    /* The file that a symbolic link leads to is the one to replace, not the link. */
    file.path = realpath(path, NULL);
    if (!file.path)
        file.path = strdup(path);
    if (!file.path)
        return sfs_fail_memory(error, "file");
    bool there = stat(file.path, &status) == 0;
    if (there && S_ISDIR(status.st_mode))
        result = sfs_fail(error, SFS_E_IS_DIRECTORY, "file", "%s is a directory", path);
    else
        result = there && !S_ISREG(status.st_mode) ? open_directly(&file, error)
                                                   : open_beside(&file, error);
    if (result) {
        free(file.path);
        return result;
    }
    *ret_file = file;
    return 0;
}

void tool_new_file_abandon(struct tool_new_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct tool_new_file){.descriptor = -1};
}

/* The directory's entry is on disk too. */
static int sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int directory = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int failed = directory < 0 || fsync(directory) < 0 ? errno : 0;
    if (directory >= 0)
        close(directory);
    free(parent);
    return failed == EINVAL ? 0 : failed;
}

static int put_in_place(struct tool_new_file *file)
{
    if (file->temporary && fsync(file->descriptor) < 0)
        return errno;
    int closed = close(file->descriptor);
    file->descriptor = -1;
    if (closed < 0)
        return errno;
    if (!file->temporary)
        return 0;
    if (rename(file->temporary, file->path) < 0)
        return errno;
    free(file->temporary);
    file->temporary = NULL;
    return sync_parent(file->path);
}

int tool_new_file_commit(struct tool_new_file *file, struct sfs_error *error)
{
    int failed = put_in_place(file);
    int result = failed ? sfs_fail_errno(error, failed, "file", "%s", file->path) : 0;
    tool_new_file_abandon(file);
    return result;
}
