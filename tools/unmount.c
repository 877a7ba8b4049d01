/* SPDX-License-Identifier: MIT */
/* storefs unmount: syncs, unmounts, and waits for the mount's process to end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/child.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mounts.h"
#include "tools/users.h"

#define DRAIN_MS 300000
#define PROBE_MS 10000

/* The number behind "pid" in the mount's statistics, 0 where there is none. */
static pid_t daemon_of(const char *directory)
{
    char path[8192];
    char text[16384];
    snprintf(path, sizeof path, "%s/admin/stats.json", directory);
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    const char *at = strstr(text, "\"pid\"");
    at = at ? strchr(at, ':') : NULL;
    return at ? (pid_t)strtol(at + 1, NULL, 10) : 0;
}

/* What is committed goes to disk while the mount can still say that it could not. */
static int sync_store(const char *directory, struct sfs_error *error)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/keys", directory);
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* a mount of keys only, where nothing is written */
    if (descriptor < 0)
        return sfs_fail_errno(error, errno, "unmount", "cannot sync: %s", path);
    int failed = fsync(descriptor) < 0 ? errno : 0;
    char sentence[SFS_ERROR_MESSAGE];
    ssize_t size = fgetxattr(descriptor, "user.storefs.error", sentence, sizeof sentence);
    close(descriptor);
    if (!failed || failed == EROFS)
        return 0;
    if (size <= 0)
        return sfs_fail_errno(error, failed, "unmount", "cannot sync %s", directory);
    return sfs_fail(error, SFS_E_IO, "unmount", "cannot sync %s: %.*s", directory, (int)size,
                    sentence);
}

/* The mount stays, since what it holds may be nowhere else. */
static int stay_mounted(const char *directory, int code)
{
    if (tool_mount_check(directory, NULL) == SFS_E_LOST)
        tool_say("%s stays mounted, and can be read: 'storefs export dir:%s/keys FILE' saves what "
                 "is in it, "
                 "'storefs unmount --lazy %s' gives up the rest",
                 directory, directory, directory);
    else
        tool_say("%s stays mounted; --lazy takes it away all the same", directory);
    return code;
}

static int name_users(const char *directory, struct sfs_error *error)
{
    struct sfs_buffer names = {0};
    int result = tool_users_find(directory, &names);
    if (!result && names.size)
        sfs_fail(error, SFS_E_BUSY, "unmount",
                 "%s is in use by %s; end them, or take it away from under them with --lazy",
                 directory, names.data);
    sfs_buffer_free(&names);
    return SFS_E_BUSY;
}

/* A store in memory without a file ends with its mount. */
static void say_unmounted(const struct tool_mount *mount)
{
    if (strncmp(mount->source, "memory:", 7) == 0 && !strstr(mount->source, "snapshot="))
        printf("unmounted %s; what was in it, in memory, is gone\n", mount->directory);
    else
        printf("unmounted %s; everything is in %s\n", mount->directory, mount->source);
}

static int unmount_live(const struct tool_mount *mount, bool lazy, struct sfs_error *error)
{
    const char *directory = mount->directory;
    pid_t daemon = daemon_of(directory);
    int unsaved = sync_store(directory, error);
    if (unsaved && !lazy)
        return stay_mounted(directory, unsaved);
    struct sfs_error removing;
    int result = tool_mount_remove(directory, lazy, unsaved ? &removing : error);
    if (unsaved)
        return sfs_error_context(error, unsaved, "%s",
                                 result ? "nor can it be detached"
                                        : "detached, not everything is saved");
    if (result == SFS_E_BUSY)
        return name_users(directory, error);
    if (result)
        return result;
    if (lazy) {
        printf("detached %s; %s is written when its last user has gone\n", directory,
               mount->source);
        return 0;
    }
    if (daemon > 0 && !tool_process_wait(daemon, DRAIN_MS))
        return sfs_fail(error, SFS_E_TIMED_OUT, "unmount",
                        "%s is unmounted, but its process %d is still writing %s: do not cut the "
                        "power before it ends",
                        directory, (int)daemon, mount->source);
    say_unmounted(mount);
    return 0;
}

static int unmount_any(const struct tool_mount *mount, bool lazy, struct sfs_error *error)
{
    enum tool_probe probe = tool_mount_probe(mount->directory, PROBE_MS);
    if (probe == TOOL_ALIVE)
        return unmount_live(mount, lazy, error);
    if (probe == TOOL_SILENT && !lazy)
        return sfs_fail(error, SFS_E_TIMED_OUT, "unmount",
                        "the mount at %s does not answer; --lazy detaches it all the same",
                        mount->directory);
    int result = tool_mount_remove(mount->directory, true, error);
    if (!result)
        printf("%s %s; its process %s\n",
               probe == TOOL_DEAD ? "cleared the dead mount at" : "detached", mount->directory,
               probe == TOOL_DEAD ? "had ended" : "did not answer");
    return result;
}

static int find_and_unmount(const char *path, bool lazy, struct sfs_error *error)
{
    struct tool_mounts mounts;
    char *directory;
    int result = tool_path_absolute(path, &directory, error);
    if (result)
        return result;
    /* From here on only others can be in its way. */
    result = chdir("/") < 0 ? sfs_fail_errno(error, errno, "unmount", "cannot enter /")
                            : tool_mounts_read(&mounts, error);
    if (!result) {
        const struct tool_mount *mount = tool_mounts_at(&mounts, directory);
        result = mount && mount->is_storefs ? unmount_any(mount, lazy, error)
                                            : sfs_fail(error, SFS_E_INVALID, "unmount",
                                                       "no store is mounted at %s", directory);
        tool_mounts_free(&mounts);
    }
    free(directory);
    return result;
}

static int run(const struct tool_call *call)
{
    struct sfs_error error = {0};
    int result = find_and_unmount(call->words[0], tool_given(call, 'l'), &error);
    return result ? tool_fail(result, &error) : tool_output_end();
}

static const struct tool_option options[] = {
    {'l', "lazy", NULL, "detach at once, also from under its users", false},
    {0},
};

const struct tool_command tool_unmount_command = {
    .name = "unmount",
    .usage = "DIR [--lazy]",
    .summary = "Write everything to disk and take a mount away",
    .details =
        "Returns when the mount's process has written all there was and has ended. A mount that\n"
        "is in use stays; the sentence names the processes.\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
