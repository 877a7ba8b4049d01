/* SPDX-License-Identifier: MIT */
/* What touches a mount that may be dead or hung: done in a child, or by a call that cannot wait. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/child.h"
#include "tools/mounts.h"

#define FILES_MS 2000
#define SETTLE_MS 10000

void tool_mount_as_owner(const char *directory)
{
    struct tool_mounts mounts;
    if (geteuid() != 0 || tool_mounts_read(&mounts, NULL))
        return;
    const struct tool_mount *mount = tool_mounts_holding(&mounts, directory);
    if (mount && mount->is_storefs && mount->user != 0 &&
        (setgroups(0, NULL) < 0 || setresgid(mount->group, mount->group, mount->group) < 0 ||
         setresuid(mount->user, mount->user, mount->user) < 0))
        _exit(EACCES);
    tool_mounts_free(&mounts);
}

/* statfs, because the kernel answers stat from its cache; and stat, because statfs succeeds without
 * an answer where the mount lets this user not in. */
static int ask(void *context)
{
    struct statfs status;
    struct stat root;
    tool_mount_as_owner(context);
    if (stat(context, &root) < 0 && errno == EACCES)
        return EACCES;
    return statfs(context, &status) == 0 ? 0 : errno;
}

enum tool_probe tool_mount_probe(const char *directory, int timeout_ms)
{
    int system_errno = tool_child_ask(ask, (void *)(uintptr_t)directory, timeout_ms);
    if (system_errno < 0 || system_errno == ETIMEDOUT)
        return TOOL_SILENT;
    if (system_errno == EACCES)
        return TOOL_CLOSED;
    return system_errno == ENOTCONN || system_errno == ECONNABORTED ? TOOL_DEAD : TOOL_ALIVE;
}

/* Shared with the child. */
struct answer {
    const char *directory;
    char text[TOOL_FILES_SIZE];
};

static int read_files(void *context)
{
    struct answer *answer = context;
    char path[8192];
    tool_mount_as_owner(answer->directory);
    snprintf(path, sizeof path, "%s/admin/files", answer->directory);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    return descriptor >= 0 && read(descriptor, answer->text, sizeof answer->text - 1) >= 0 ? 0
                                                                                           : EIO;
}

void tool_mount_files(const char *directory, int timeout_ms, char text[TOOL_FILES_SIZE])
{
    text[0] = '\0';
    struct answer *answer =
        mmap(NULL, sizeof *answer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (answer == MAP_FAILED)
        return;
    answer->directory = directory;
    if (tool_child_ask(read_files, answer, timeout_ms) == 0)
        memcpy(text, answer->text, TOOL_FILES_SIZE);
    munmap(answer, sizeof *answer);
}

int tool_mount_check(const char *directory, struct sfs_error *error)
{
    char text[TOOL_FILES_SIZE];
    tool_mount_files(directory, FILES_MS, text);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
        if (strncmp(line, TOOL_LOST, sizeof TOOL_LOST - 1) == 0)
            return sfs_fail(error, SFS_E_LOST, "mount", "%s", line + sizeof TOOL_LOST - 1);
    return 0;
}

/* fsync of the root of the keys is what asks for it. */
static int sync_keys(void *context)
{
    char path[8192];
    tool_mount_as_owner(context);
    snprintf(path, sizeof path, "%s/keys", (const char *)context);
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return descriptor >= 0 && fsync(descriptor) == 0 ? 0 : EIO;
}

void tool_mount_settle(const char *directory)
{
    (void)tool_child_ask(sync_keys, (void *)(uintptr_t)directory, SETTLE_MS);
}

static int remove_as_root(const char *directory, bool lazy, struct sfs_error *error)
{
    if (umount2(directory, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    if (errno == EBUSY)
        return sfs_fail(error, SFS_E_BUSY, "unmount", "%s is in use", directory);
    return sfs_fail_errno(error, errno, "unmount", "cannot unmount %s", directory);
}

static bool still_there(const char *directory)
{
    struct tool_mounts mounts;
    if (tool_mounts_read(&mounts, NULL))
        return true;
    bool there = tool_mounts_at(&mounts, directory) != NULL;
    tool_mounts_free(&mounts);
    return there;
}

int tool_mount_remove(const char *directory, bool lazy, struct sfs_error *error)
{
    if (geteuid() == 0)
        return remove_as_root(directory, lazy, error);
    const char *const words[] = {"fusermount3", lazy ? "-uz" : "-u", "--", directory, NULL};
    char said[300] = "";
    int status = tool_child_run(words, said, sizeof said);
    if (status == 0)
        return 0;
    if (status == 127)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "unmount",
                        "fusermount3 is missing: install the package fuse3");
    if (!still_there(directory))
        return sfs_fail(error, SFS_E_INVALID, "unmount", "nothing is mounted at %s", directory);
    bool busy = strstr(said, "busy") != NULL;
    return sfs_fail(error, busy ? SFS_E_BUSY : SFS_E_PERMISSION, "unmount",
                    busy ? "%s is in use" : "cannot unmount %s: %s", directory, said);
}
