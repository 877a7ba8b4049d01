/* SPDX-License-Identifier: MIT */
/*
 * storefs unmount: syncs, unmounts, and waits for the mount's process to end. Whatever holds it up
 * is named within a second, with a way out. All that asks the mount is done in a child process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/child.h"
#include "tools/command.h"
#include "tools/daemon.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mounts.h"
#include "tools/users.h"

#define ELSEWHERE_MS 3000
#define DRAIN_MS 300000
#define PROBE_MS 10000
#define END_MS 5000  /* for a process to end after SIGTERM */
#define KILL_MS 2000 /* after SIGKILL */

struct job {
    const struct tool_mount *mount;
    bool lazy;
    bool force;
    struct tool_daemon daemon;
};

/* --- words --- */

/* "its process storefs (812)", or without the number where it is not known. */
static const char *name_daemon(const struct job *job, char text[64])
{
    struct sfs_buffer name = {0};
    if (job->daemon.pid > 0 && tool_users_name(job->daemon.pid, &name) == 0)
        snprintf(text, 64, "its process %s", name.data);
    else
        snprintf(text, 64, "its process");
    sfs_buffer_free(&name);
    return text;
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
        tool_say("%s stays mounted; --lazy detaches it all the same", directory);
    return code;
}

/* A store in memory without a file ends with its mount. */
static void say_unmounted(const struct tool_mount *mount)
{
    if (strncmp(mount->source, "memory:", 7) == 0 && !strstr(mount->source, "snapshot="))
        printf("unmounted %s; what was in it, in memory, is gone\n", mount->directory);
    else
        printf("unmounted %s; everything is in %s\n", mount->directory, mount->store);
}

/* --- what only the mount can do --- */

/* Shared with the child. */
struct sync {
    const struct job *job;
    pid_t daemon;     /* as the mount says */
    int transactions; /* that are open, and end with the mount */
    struct sfs_error error;
};

/* The number after "pid" in the mount's statistics, 0 where there is none. */
static pid_t told_daemon(const char *directory)
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

static int count_transactions(const char *directory)
{
    char path[8192];
    int count = 0;
    snprintf(path, sizeof path, "%s/tx", directory);
    DIR *handle = opendir(path);
    const struct dirent *entry;
    while (handle && (entry = readdir(handle)) != NULL)
        count += entry->d_name[0] != '.';
    if (handle)
        closedir(handle);
    return count;
}

/* What is committed goes to disk while the mount can still say that it could not. */
static int sync_keys(const char *directory, struct sfs_error *error)
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

static int sync_in_child(void *context)
{
    struct sync *sync = context;
    const char *directory = sync->job->mount->directory;
    tool_mount_as_owner(directory);
    sync->daemon = told_daemon(directory);
    sync->transactions = count_transactions(directory);
    return sync_keys(directory, &sync->error) ? EIO : 0;
}

static void say_syncing(void *context)
{
    const struct sync *sync = context;
    char name[64];
    tool_say(
        "waiting until %s has written everything to %s; ^C leaves %s mounted, --lazy detaches it",
        name_daemon(sync->job, name), sync->job->mount->store, sync->job->mount->directory);
}

/* How long it may take: what does not depend on it does not wait. */
static int sync_limit(const struct job *job)
{
    return job->force ? END_MS : job->lazy ? TOOL_LATE_MS : DRAIN_MS;
}

static int fail_slow(const struct job *job, struct sfs_error *error)
{
    char name[64];
    return sfs_fail(error, SFS_E_TIMED_OUT, "unmount",
                    "cannot sync %s: %s does not answer, waiting for the disk of %s perhaps",
                    job->mount->directory, name_daemon(job, name), job->mount->store);
}

static int sync_store(struct job *job, int *ret_transactions, struct sfs_error *error)
{
    struct sync *sync =
        mmap(NULL, sizeof *sync, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sync == MAP_FAILED)
        return sfs_fail_memory(error, "unmount");
    *sync = (struct sync){.job = job};
    int answer = tool_child_await(sync_in_child, sync, sync_limit(job), say_syncing);
    int result = 0;
    if (answer == ETIMEDOUT)
        result = fail_slow(job, error);
    else if (answer && !sync->error.code)
        result = sfs_fail(error, SFS_E_IO, "unmount", "cannot sync %s", job->mount->directory);
    else if (answer)
        result = sfs_fail(error, sync->error.code, "unmount", "%s", sync->error.message);
    if (!job->daemon.certain && sync->daemon > 0) {
        tool_daemon_close(&job->daemon);
        job->daemon = tool_daemon_told(job->mount, sync->daemon);
    }
    *ret_transactions = sync->transactions;
    munmap(sync, sizeof *sync);
    return result;
}

/* --- the mount's process --- */

static void say_ending(void *context)
{
    const struct job *job = context;
    char name[64];
    tool_say("waiting until %s has ended, which still writes %s: do not cut the power before that",
             name_daemon(job, name), job->mount->store);
}

/* Appends where else the mount is: nothing if it is nowhere. */
static int find_elsewhere(const struct job *job, struct sfs_buffer *places)
{
    char connection[64];
    int result = tool_users_elsewhere(job->mount, places);
    snprintf(connection, sizeof connection, "/sys/fs/fuse/connections/%u", job->mount->minor);
    if (!result && !places->size && job->daemon.pid > 0 && access(connection, F_OK) == 0)
        result = sfs_buffer_printf(places, "in a mount namespace that no process shows");
    return result ? result : sfs_buffer_text(places);
}

static bool is_elsewhere(const struct job *job)
{
    struct sfs_buffer places = {0};
    bool found = find_elsewhere(job, &places) == 0 && places.size;
    sfs_buffer_free(&places);
    return found;
}

static bool say_elsewhere(const struct job *job)
{
    struct sfs_buffer places = {0};
    char name[64];
    char cure[80] = "";
    bool found = find_elsewhere(job, &places) == 0 && places.size;
    if (job->daemon.certain)
        snprintf(cure, sizeof cure, "; 'kill %d' ends it at once, as --force does",
                 (int)job->daemon.pid);
    if (found)
        tool_say(
            "%s is unmounted here and everything is in %s, but it is still mounted %s: %s serves "
            "that until it ends%s",
            job->mount->directory, job->mount->store, places.data, name_daemon(job, name), cure);
    sfs_buffer_free(&places);
    return found;
}

/* 0, or TOOL_ELSEWHERE. */
static int await_end(struct job *job, struct sfs_error *error)
{
    char name[64];
    if (job->daemon.pid > 0 && tool_process_wait(job->daemon.process, TOOL_LATE_MS))
        return 0;
    /* What begins in a namespace of its own (a service, a container) holds copies of all mounts
     * until it gives them up. */
    if (job->daemon.pid > 0 && is_elsewhere(job) &&
        tool_process_wait(job->daemon.process, ELSEWHERE_MS))
        return 0;
    if (say_elsewhere(job))
        return TOOL_ELSEWHERE;
    if (job->daemon.pid <= 0)
        return 0;
    say_ending(job);
    if (tool_process_wait(job->daemon.process, DRAIN_MS))
        return 0;
    return sfs_fail(
        error, SFS_E_TIMED_OUT, "unmount",
        "%s is unmounted, but %s has not ended: do not cut the power before it has, as %s "
        "may not be written",
        job->mount->directory, name_daemon(job, name), job->mount->store);
}

/* Ends the process after the mount was detached: everywhere it is mounted, it is dead. */
static int end_process(struct job *job, struct sfs_error *error)
{
    int process = job->daemon.process;
    char name[64];
    if (!job->daemon.certain)
        return sfs_fail(
            error, SFS_E_UNSUPPORTED, "unmount",
            "%s is detached, but which process serves it is not known, so that none was "
            "ended: see 'pgrep -a storefs'",
            job->mount->directory);
    name_daemon(job, name);
    if ((tool_process_signal(process, SIGTERM) < 0 || tool_process_signal(process, SIGCONT) < 0) &&
        errno != ESRCH)
        return sfs_fail_errno(error, errno, "unmount", "%s is detached, but %s cannot be ended",
                              job->mount->directory, name);
    if (tool_process_await(process, END_MS, say_ending, job))
        return 0;
    tool_say("%s does not end, and is killed: what it has not committed is lost", name);
    tool_process_signal(process, SIGKILL);
    if (tool_process_wait(process, KILL_MS))
        return 0;
    return sfs_fail(
        error, SFS_E_TIMED_OUT, "unmount",
        "%s is detached, but %s cannot be killed: it waits in the kernel, for the disk of "
        "%s perhaps",
        job->mount->directory, name, job->mount->store);
}

/* --- unmounting --- */

static int name_users(const char *directory, struct sfs_error *error)
{
    struct sfs_buffer nested = {0};
    struct sfs_buffer names = {0};
    const char *out = "end them, or detach the mount with --lazy";
    int result = tool_users_nested(directory, &nested);
    if (!result)
        result = tool_users_find(directory, &names);
    if (!result && nested.size)
        sfs_fail(error, SFS_E_BUSY, "unmount",
                 "other file systems are mounted in %s: unmount %s first%s%s", directory,
                 nested.data, names.size ? "; it is also in use by " : "",
                 names.size ? names.data : ", or detach all with --lazy");
    else if (!result && names.size)
        sfs_fail(error, SFS_E_BUSY, "unmount", "%s is in use by %s; %s", directory, names.data,
                 out);
    else if (!result)
        sfs_fail(error, SFS_E_BUSY, "unmount",
                 "%s is in use by a process that /proc does not show%s; %s", directory,
                 geteuid() ? " to you ('fuser -vm' as root does)" : " ('fuser -vm' may)", out);
    sfs_buffer_free(&nested);
    sfs_buffer_free(&names);
    return SFS_E_BUSY;
}

static int finish(struct job *job, int transactions, struct sfs_error *error)
{
    const struct tool_mount *mount = job->mount;
    int result = job->force ? end_process(job, error) : job->lazy ? 0 : await_end(job, error);
    if (result)
        return result;
    if (transactions && (job->force || !job->lazy))
        tool_say("open transactions were rolled back: %d", transactions);
    if (job->lazy && !job->force)
        printf("detached %s; changes are still written to %s until its last user is gone\n",
               mount->directory, mount->store);
    else
        say_unmounted(mount);
    return 0;
}

/* The kernel removes by name: whatever took the place since choose() stays. */
static int remove_chosen(const struct job *job, bool detach, struct sfs_error *error)
{
    const char *directory = job->mount->directory;
    struct tool_mounts mounts;
    const struct tool_mount *now;
    int result = tool_mounts_read(&mounts, error);
    if (result)
        return result;
    if (!tool_mounts_reached(&mounts, directory, &now))
        now = tool_mounts_at(&mounts, directory);
    bool same = now && now->id == job->mount->id && now->minor == job->mount->minor;
    tool_mounts_free(&mounts);
    if (!same)
        return sfs_fail(error, SFS_E_INVALID, "unmount",
                        "what is mounted at %s has changed meanwhile: it is left as it is",
                        directory);
    return tool_mount_remove(directory, detach, error);
}

static int unmount_live(struct job *job, struct sfs_error *error)
{
    const char *directory = job->mount->directory;
    bool detach = job->lazy || job->force;
    struct sfs_error removing = {0};
    int transactions = 0;
    int unsaved = sync_store(job, &transactions, error);
    if (unsaved && !detach)
        return stay_mounted(directory, unsaved);
    int result = remove_chosen(job, detach, unsaved ? &removing : error);
    if (unsaved && !result && job->force)
        (void)end_process(job, &removing);
    if (unsaved)
        return sfs_error_context(error, unsaved, "%s",
                                 result ? "nor can it be detached"
                                        : "detached, not everything is saved");
    if (result == SFS_E_BUSY)
        return name_users(directory, error);
    return result ? result : finish(job, transactions, error);
}

static int fail_silent(const struct job *job, bool stopped, struct sfs_error *error)
{
    char name[64];
    const char *force = job->daemon.certain ? ", --force also ends the process"
                                            : "; which process serves it is not known for sure, so "
                                              "that --force ends none: see 'pgrep -a storefs'";
    name_daemon(job, name);
    if (stopped)
        return sfs_fail(
            error, SFS_E_TIMED_OUT, "unmount",
            "the mount at %s does not answer, as %s is stopped: 'kill -CONT %d' lets it go "
            "on; --lazy detaches it all the same%s",
            job->mount->directory, name, (int)job->daemon.pid, force);
    return sfs_fail(
        error, SFS_E_TIMED_OUT, "unmount",
        "the mount at %s does not answer, as %s waits, for the disk of %s perhaps; --lazy "
        "detaches it all the same%s",
        job->mount->directory, name, job->mount->store, force);
}

/* One that is only slow has ten seconds. */
static enum tool_probe probe_patiently(const struct job *job, bool stopped)
{
    char name[64];
    enum tool_probe probe = tool_mount_probe(job->mount->directory, TOOL_LATE_MS);
    if (probe != TOOL_SILENT || job->lazy || job->force || stopped)
        return probe;
    tool_say(
        "waiting for the mount at %s, which does not answer: %s may be waiting for the disk of %s",
        job->mount->directory, name_daemon(job, name), job->mount->store);
    return tool_mount_probe(job->mount->directory, PROBE_MS);
}

static int unmount_any(struct job *job, struct sfs_error *error)
{
    const char *directory = job->mount->directory;
    job->daemon = tool_daemon_find(job->mount);
    bool stopped = job->daemon.pid > 0 && tool_daemon_stopped(job->daemon.pid);
    enum tool_probe probe = probe_patiently(job, stopped);
    if (probe == TOOL_ALIVE || probe == TOOL_CLOSED)
        return unmount_live(job, error);
    if (probe == TOOL_SILENT && !job->lazy && !job->force)
        return fail_silent(job, stopped, error);
    int result = remove_chosen(job, true, error);
    if (!result && probe == TOOL_SILENT && job->force)
        result = end_process(job, error);
    if (!result)
        printf("%s %s; its process %s\n",
               probe == TOOL_DEAD ? "cleared the dead mount at" : "detached", directory,
               probe == TOOL_DEAD ? "had ended"
               : job->force       ? "was ended"
                                  : "did not answer");
    return result;
}

/* --- which mount --- */

static int fail_covered(const struct tool_mount *cover, const char *directory,
                        struct sfs_error *error)
{
    return sfs_fail(
        error, SFS_E_BUSY, "unmount",
        "the mount at %s is covered by another one (%s) at %s: unmount that first, with "
        "'umount %s'",
        directory, cover->type, cover->directory, cover->directory);
}

static int fail_not_owner(const struct tool_mount *mount, struct sfs_error *error)
{
    char name[TOOL_USER_SIZE];
    return sfs_fail(error, SFS_E_PERMISSION, "unmount",
                    "the mount at %s belongs to %s: only root%s%s may unmount it", mount->directory,
                    tool_user_name(mount->user, name), mount->user ? " and " : "",
                    mount->user ? "that user" : "");
}

static const struct tool_mount *storefs_at(const struct tool_mounts *mounts, const char *directory)
{
    for (size_t i = mounts->count; i-- > 0;)
        if (mounts->items[i].is_storefs && strcmp(mounts->items[i].directory, directory) == 0)
            return &mounts->items[i];
    return NULL;
}

/* The mount that the kernel would take: the uppermost. */
static int choose(const struct tool_mounts *mounts, const char *directory,
                  const struct tool_mount **ret_mount, struct sfs_error *error)
{
    const struct tool_mount *mount = storefs_at(mounts, directory);
    const struct tool_mount *reached = mount;
    if (!mount)
        return tool_mounts_fail(mounts, directory, error);
    if (!tool_mounts_reached(mounts, directory, &reached))
        reached = tool_mounts_at(mounts, directory);
    if (!reached->is_storefs || strcmp(reached->directory, directory) != 0)
        return fail_covered(reached, directory, error);
    if (geteuid() != 0 && reached->user != geteuid())
        return fail_not_owner(reached, error);
    *ret_mount = reached;
    return 0;
}

static int touch(void *context)
{
    struct stat status;
    return stat(context, &status) == 0 ? 0 : errno;
}

static bool answers(const char *path)
{
    return tool_child_ask(touch, (void *)(uintptr_t)path, TOOL_LATE_MS) != ETIMEDOUT;
}

/* The directory that holds the last part of a path. The caller frees it. */
static char *parent_of(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size && path[size - 1] != '/')
        size--;
    return size ? strndup(path, size) : strdup(".");
}

/* The directory without a question to a mount that does not answer: by its parent, or, where that
 * does not answer either, as it was named. */
static int find_directory(const char *path, char **ret_directory, struct sfs_error *error)
{
    char *directory = NULL;
    if (answers(path))
        return tool_path_absolute(path, ret_directory, error);
    char *parent = parent_of(path);
    *ret_directory = parent && answers(parent) ? tool_path_by_parent(path) : NULL;
    free(parent);
    if (*ret_directory)
        return 0;
    char *here = *path == '/' ? strdup("") : get_current_dir_name();
    if (!here || asprintf(&directory, "%s%s%s", here, *path == '/' ? "" : "/", path) < 0)
        directory = NULL;
    free(here);
    for (size_t size = directory ? strlen(directory) : 0; size > 1 && directory[size - 1] == '/';)
        directory[--size] = '\0';
    *ret_directory = directory;
    return directory ? 0 : sfs_fail_memory(error, "unmount");
}

static int find_and_unmount(const struct tool_call *call, struct sfs_error *error)
{
    struct tool_mounts mounts;
    struct job job = {.lazy = tool_given(call, 'l'), .force = tool_given(call, 'f')};
    char *directory;
    int result = find_directory(call->words[0], &directory, error);
    if (result)
        return result;
    /* From here on only others can be in its way. */
    result = chdir("/") < 0 ? sfs_fail_errno(error, errno, "unmount", "cannot enter /")
                            : tool_mounts_read(&mounts, error);
    if (!result) {
        result = choose(&mounts, directory, &job.mount, error);
        if (!result)
            result = unmount_any(&job, error);
        tool_daemon_close(&job.daemon);
        tool_mounts_free(&mounts);
    }
    free(directory);
    return result;
}

/* Positive: an exit code, and the sentence was said. */
static int run(const struct tool_call *call)
{
    struct sfs_error error = {0};
    int result = find_and_unmount(call, &error);
    if (result > 0)
        return result;
    return result ? tool_fail(result, &error) : tool_output_end();
}

static const struct tool_option options[] = {
    {'l', "lazy", NULL, "detach at once, even if it is in use", false},
    {'f', "force", NULL, "detach at once, and end the mount's process for all its users", false},
    {0},
};

const struct tool_command tool_unmount_command = {
    .name = "unmount",
    .usage = "DIR [--lazy] [--force]",
    .summary = "Write everything to disk and unmount",
    .details =
        "Returns when the mount's process has written everything and has ended. A mount that is\n"
        "in use stays, and the processes that use it are named. What it waits for is said after a\n"
        "second. Exit code 9: unmounted, but still mounted in another mount namespace, such as a\n"
        "container's. --force ends that mount too; it commits what is in files that are still "
        "open,\n"
        "and kills a process that does not end within five seconds.\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
