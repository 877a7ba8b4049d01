/* SPDX-License-Identifier: MIT */
/* Replacing a file whole: a temporary file beside it, fsync, rename, fsync of the directory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* mkostemp */
#endif
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGIN "file"
#define MARK ".tmp."
#define RANDOM_SIZE 6 /* of mkostemp */

static const struct sfs_replacement none = {.fd = -1};

static void release(struct sfs_replacement *replacement)
{
    if (replacement->fd >= 0)
        close(replacement->fd);
    free(replacement->path);
    free(replacement->temporary);
    *replacement = none;
}

void sfs_replacement_abandon(struct sfs_replacement *replacement)
{
    if (!replacement || replacement->fd < 0)
        return;
    unlink(replacement->temporary);
    release(replacement);
}

/* The file behind symbolic links, so that a link to a file stays a link to it. */
static int resolve(const char *path, char **ret_path, struct sfs_error *error)
{
    char *resolved = realpath(path, NULL);
    if (!resolved && errno == ENOENT)
        resolved = strdup(path);
    if (!resolved)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot find '%s'", path);
    *ret_path = resolved;
    return 0;
}

static int open_temporary(struct sfs_replacement *replacement, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    if (sfs_buffer_printf(&name, "%s" MARK "XXXXXX", replacement->path) || sfs_buffer_text(&name)) {
        sfs_buffer_free(&name);
        return sfs_fail_memory(error, ORIGIN);
    }
    replacement->temporary = name.data;
    replacement->fd = mkostemp(name.data, O_CLOEXEC);
    if (replacement->fd < 0)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot create a file beside '%s'",
                              replacement->path);
    return 0;
}

/* Whether another user's file was put where it is by its owner's right or by root's: in a directory
 * of theirs that others may not write to. In /tmp anybody can have made it, to read what is put
 * there. */
static bool is_trusted(const char *path, const struct stat *old)
{
    struct stat above;
    const char *slash = strrchr(path, '/');
    char *parent = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    bool found = parent && stat(parent, &above) == 0;
    free(parent);
    if (old->st_uid == geteuid())
        return true;
    return found && (above.st_uid == old->st_uid || above.st_uid == 0) &&
           (above.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Gives the new file the owner, group and mode of the old one. The mode only together with the
 * owner and the group, since it would otherwise admit others than it did before. */
static int keep_access(const struct sfs_replacement *replacement, struct sfs_error *error)
{
    struct stat old;
    struct stat new;
    if (stat(replacement->path, &old)) {
        if (errno == ENOENT)
            return 0;
        return sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", replacement->path);
    }
    if (S_ISDIR(old.st_mode))
        return sfs_fail_errno(error, EISDIR, ORIGIN, "cannot replace '%s'", replacement->path);
    if (!S_ISREG(old.st_mode))
        return sfs_fail(error, SFS_E_INVALID, ORIGIN, "cannot replace '%s': it is no regular file",
                        replacement->path);
    if (fstat(replacement->fd, &new))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", replacement->temporary);
    bool same = old.st_uid == new.st_uid &&old.st_gid == new.st_gid;
    if (!is_trusted(replacement->path, &old))
        return 0;
    if (!same && fchown(replacement->fd, old.st_uid, old.st_gid)) {
        if (errno == EPERM || sfs_is_unsupported(errno))
            return 0;
        return sfs_fail_errno(error, errno, ORIGIN, "cannot set the owner of '%s'",
                              replacement->temporary);
    }
    /* A file system that keeps no modes gives both the same one. */
    if ((old.st_mode & 0777) != (new.st_mode & 0777) && fchmod(replacement->fd, old.st_mode & 0777))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot set the mode of '%s'",
                              replacement->temporary);
    return 0;
}

int sfs_replacement_begin(const char *path, struct sfs_replacement *ret_replacement,
                          struct sfs_error *error)
{
    struct sfs_replacement replacement = none;
    int result = resolve(path, &replacement.path, error);
    if (result)
        return result;
    result = open_temporary(&replacement, error);
    if (!result)
        result = keep_access(&replacement, error);
    if (result) {
        sfs_replacement_abandon(&replacement);
        release(&replacement);
        return result;
    }
    *ret_replacement = replacement;
    return 0;
}

static bool is_temporary(const char *name, const char *base)
{
    size_t size = strlen(base);
    if (strncmp(name, base, size) != 0 || strncmp(name + size, MARK, sizeof(MARK) - 1) != 0)
        return false;
    const char *end = name + size + sizeof(MARK) - 1;
    static const char random[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    return strlen(end) == RANDOM_SIZE && strspn(end, random) == RANDOM_SIZE;
}

static void clean_directory(DIR *directory, const char *base)
{
    struct dirent *entry;
    struct stat status;
    while ((entry = readdir(directory))) {
        if (is_temporary(entry->d_name, base) &&
            fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
}

void sfs_replacement_clean(const char *path)
{
    char *resolved = NULL;
    if (resolve(path, &resolved, NULL))
        return;
    char *slash = strrchr(resolved, '/');
    if (slash)
        *slash = '\0';
    DIR *directory = opendir(!slash ? "." : slash == resolved ? "/" : resolved);
    if (directory) {
        clean_directory(directory, slash ? slash + 1 : resolved);
        closedir(directory);
    }
    free(resolved);
}

int sfs_replacement_commit(struct sfs_replacement *replacement, struct sfs_error *error)
{
    int result = sfs_sync_file(replacement->fd, replacement->temporary, error);
    if (!result && rename(replacement->temporary, replacement->path))
        result = sfs_fail_errno(error, errno, ORIGIN, "cannot replace '%s'", replacement->path);
    if (result) {
        sfs_replacement_abandon(replacement);
        return result;
    }
    result = sfs_sync_directory_of(replacement->path, replacement->accept_unsynced, error);
    release(replacement);
    return result;
}

int sfs_file_replace(const char *path, struct sfs_bytes content, struct sfs_error *error)
{
    struct sfs_replacement replacement = none;
    int result = sfs_replacement_begin(path, &replacement, error);
    if (result)
        return result;
    result = sfs_write_all(replacement.fd, content, replacement.temporary, error);
    if (result) {
        sfs_replacement_abandon(&replacement);
        return result;
    }
    return sfs_replacement_commit(&replacement, error);
}
