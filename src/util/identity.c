/* SPDX-License-Identifier: MIT */
/* Comparing an open file with its name. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* O_PATH */
#endif
#include "util/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGIN "file"
#define ADVICE "copy what the store holds to another place before you close it"

int sfs_identity_open(const char *path, int *ret_fd, struct sfs_error *error)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return sfs_fail_errno(error, errno, ORIGIN, "cannot open '%s'", path);
    *ret_fd = fd;
    return 0;
}

/* Where the open file is now; empty: it has no name that is known. */
static void find_name(int fd, const struct stat *opened, char name[PATH_MAX])
{
    static const char mark[] = " (deleted)";
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = opened->st_nlink > 0 ? readlink(link, name, PATH_MAX - 1) : 0;
    name[size > 0 ? size : 0] = '\0';
    size_t end = strlen(name);
    if (end >= sizeof(mark) - 1 && strcmp(name + end - (sizeof(mark) - 1), mark) == 0)
        name[0] = '\0';
}

static int fail_lost(int fd, const struct stat *opened, const char *path, bool replaced,
                     const char *origin, struct sfs_error *error)
{
    char name[PATH_MAX];
    find_name(fd, opened, name);
    const char *other = replaced ? ", and another file is in its place" : "";
    if (name[0])
        return sfs_fail(error, SFS_E_LOST, origin,
                        "'%s' was moved to '%s' while it was open%s: move it back, or " ADVICE,
                        path, name, other);
    return sfs_fail(error, SFS_E_LOST, origin, "'%s' was removed while it was open%s: " ADVICE,
                    path, other);
}

int sfs_identity_check(int fd, const char *path, const char *origin, struct sfs_error *error)
{
    struct stat opened, named;
    if (fstat(fd, &opened))
        return sfs_fail_errno(error, errno, origin, "cannot look at '%s'", path);
    bool found = stat(path, &named) == 0;
    if (found && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
        return 0;
    if (found || errno == ENOENT || errno == ENOTDIR)
        return fail_lost(fd, &opened, path, found, origin, error);
    return errno == EACCES ? 0 : sfs_fail_errno(error, errno, origin, "cannot look at '%s'", path);
}

int sfs_identity_single(const struct stat *status, const char *path, const char *origin,
                        struct sfs_error *error)
{
    if (S_ISDIR(status->st_mode) || status->st_nlink <= 1)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, origin,
                    "'%s' has %lu names (hard links), and what is written under one is lost under "
                    "the other: remove the others ('find DIR -samefile' finds them), or give it a "
                    "file of its own ('cp -p FILE COPY && mv COPY FILE')",
                    path, (unsigned long)status->st_nlink);
}

/* Whether the file is of somebody who may write to the store. Its group says that of a member. */
static bool is_trusted(const struct stat *file, const char *main)
{
    struct stat store;
    if (file->st_uid == geteuid() || file->st_uid == 0)
        return true;
    return stat(main, &store) == 0 && (file->st_uid == store.st_uid || (store.st_mode & S_IWOTH) ||
                                       ((store.st_mode & S_IWGRP) && file->st_gid == store.st_gid));
}

int sfs_identity_companion(const char *path, const char *main, const char *origin,
                           struct sfs_error *error)
{
    struct stat status;
    if (lstat(path, &status))
        return 0;
    if (!S_ISREG(status.st_mode) || status.st_nlink > 1)
        return sfs_fail(error, SFS_E_NOT_A_STORE, origin,
                        "'%s' is %s, and so is not used as a file of '%s': move it away", path,
                        S_ISLNK(status.st_mode)   ? "a symbolic link"
                        : S_ISREG(status.st_mode) ? "another name of another file (a hard link)"
                        : S_ISDIR(status.st_mode) ? "a directory"
                                                  : "a pipe, socket or device",
                        main);
    if (is_trusted(&status, main))
        return 0;
    return sfs_fail(error, SFS_E_PERMISSION, origin,
                    "'%s' belongs to another user (%ld), who could read there what is stored in "
                    "'%s': remove it, or use another directory",
                    path, (long)status.st_uid, main);
}

bool sfs_identity_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int sfs_identity_compare(const struct sfs_identity *known, const char *path, const char *origin,
                         struct sfs_error *error)
{
    struct stat status;
    if (stat(path, &status)) {
        if (errno == ENOENT)
            return 1;
        return sfs_fail_errno(error, errno, origin, "cannot stat '%s'", path);
    }
    if (known->exists && sfs_identity_same(&status, &known->status))
        return 0;
    return sfs_fail(error, SFS_E_LOST, origin,
                    "'%s' was changed by another program meanwhile and is not overwritten: " ADVICE
                    ", or move that file away",
                    path);
}

int sfs_identity_look(const struct sfs_identity *known, const char *path, const char *origin,
                      void (*report)(void *context, const char *sentence), void *context,
                      struct sfs_error *error)
{
    struct sfs_error warning;
    struct stat status;
    int code = sfs_identity_compare(known, path, origin, error);
    if (code < 0 || !report)
        return code < 0 ? code : 0;
    bool warns = code == 0 && stat(path, &status) == 0 &&
                 sfs_identity_single(&status, path, origin, &warning) != 0;
    if (code == 1) {
        sfs_fail(&warning, SFS_E_NOT_FOUND, origin,
                 "'%s' was removed; it is written again with the next fsync, or by unmounting",
                 path);
        warns = true;
    }
    if (warns)
        report(context, warning.message);
    return 0;
}

int sfs_identity_unplaced(int code, const char *path, const char *origin, struct sfs_error *error)
{
    if (code != SFS_E_NOT_FOUND && code != SFS_E_NOT_DIRECTORY)
        return code;
    return sfs_fail(error, SFS_E_LOST, origin,
                    "the directory of '%s' was removed or moved while the store was open: put it "
                    "back, or " ADVICE,
                    path);
}
