/* SPDX-License-Identifier: MIT */
/* storefs mount: puts a store into a directory, in the background unless -f is given. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/mount.h"
#include "tools/child.h"
#include "tools/command.h"
#include "tools/cover.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mount_options.h"
#include "tools/mounts.h"
#include "tools/target.h"

#define ANSWER_MS 30000
/* Each arena of the allocator keeps what its threads gave back: with one a thread, many requests
 * for large values at once left the daemon twice as large. */
#define ARENAS 2
#define BLOCK (2 << 20) /* bytes: from this size on memory goes back to the system at once */

struct job {
    char *uri;       /* absolute */
    char *directory; /* absolute */
    struct fs_options options;
    struct sfs_buffer kernel; /* options->kernel */
    int report; /* the pipe to the waiting parent; -1 in the foreground */
    int null;   /* opened before the mount, as all that the process opens by name */
};

static int refuse_live(const char *directory, const struct tool_mount *mount,
                       struct sfs_error *error)
{
    switch (tool_mount_probe(directory, 5000)) {
    case TOOL_ALIVE:
    case TOOL_CLOSED:
        return sfs_fail(error, SFS_E_BUSY, "mount", "%s already holds a mount of %s", directory,
                        mount->store);
    case TOOL_SILENT:
        return sfs_fail(error, SFS_E_BUSY, "mount",
                        "%s holds a mount of %s that does not answer: clear it with 'storefs "
                        "unmount --lazy %s'",
                        directory, mount->store, directory);
    case TOOL_DEAD:
        break;
    }
    int result = tool_mount_remove(directory, true, error);
    if (!result)
        tool_say("cleared the dead mount of %s at %s", mount->store, directory);
    return result;
}

static int clear_dead(const char *directory, struct sfs_error *error)
{
    struct tool_mounts mounts;
    int result = tool_mounts_read(&mounts, error);
    if (result)
        return result;
    const struct tool_mount *mount = tool_mounts_at(&mounts, directory);
    if (mount && mount->is_storefs)
        result = refuse_live(directory, mount, error);
    tool_mounts_free(&mounts);
    return result;
}

static int check_empty(const char *directory, struct sfs_error *error)
{
    DIR *handle = opendir(directory);
    if (!handle)
        return sfs_fail_errno(error, errno, "mount", "%s", directory);
    int count = 0;
    while (count < 3 && readdir(handle))
        count++;
    closedir(handle);
    if (count < 3)
        return 0;
    return sfs_fail(error, SFS_E_NOT_EMPTY, "mount",
                    "%s is not empty; '-o nonempty' mounts over what is in it", directory);
}

static int prepare_directory(struct job *job, const char *directory, struct sfs_error *error)
{
    if (!*directory)
        return sfs_fail(error, SFS_E_INVALID, "mount", "the name of the directory is empty");
    int result = tool_path_absolute(directory, &job->directory, error);
    if (result == SFS_E_NOT_FOUND)
        return sfs_fail(error, SFS_E_NOT_FOUND, "mount",
                        "there is no directory '%s'; make it with 'mkdir -p %s'", directory,
                        directory);
    if (!result)
        result = clear_dead(job->directory, error);
    if (!result)
        result = tool_cover_check(job->directory, job->uri, job->options.temporary, error);
    if (!result && !job->options.nonempty)
        result = check_empty(job->directory, error);
    return result;
}

static void say_ready(void *context)
{
    const struct job *job = context;
    tool_say("%s is mounted at %s; ^C unmounts it", job->uri, job->directory);
}

/* Tells the parent, and lets go of the terminal and the directory. A parent that has gone does not
 * want the mount. */
static void report_ready(void *context)
{
    struct job *job = context;
    struct sfs_error none = {0};
    for (int descriptor = 0; job->null >= 0 && descriptor <= STDERR_FILENO; descriptor++)
        if (dup2(job->null, descriptor) < 0)
            break;
    if (job->null >= 0)
        close(job->null);
    /* Not before: the store's URI may hold relative paths. */
    if (chdir("/") < 0 || write(job->report, &none, sizeof none) != (ssize_t)sizeof none)
        kill(getpid(), SIGTERM);
    close(job->report);
    job->report = -1;
}

static int serve(struct job *job, void (*ready)(void *context), struct sfs_error *error)
{
    struct sfs_storage *store;
    mallopt(M_ARENA_MAX, ARENAS);
    /* Else glibc raises both to 32 MiB and more, and keeps the memory of large documents. */
    mallopt(M_MMAP_THRESHOLD, BLOCK);
    mallopt(M_TRIM_THRESHOLD, 4 * BLOCK);
    unsigned flags = job->options.keys_only   ? SFS_OPEN_FROZEN
                     : job->options.read_only ? SFS_OPEN_READ_ONLY
                                              : SFS_OPEN_CREATE;
    int result = sfs_open(&store, job->uri, flags, error);
    if (result)
        return result;
    return fs_mount_run(store, job->uri, job->directory, &job->options, ready, job, error);
}

/* The life of the background process. What fails after the parent has gone is in the system's log.
 */
static void become_daemon(struct job *job)
{
    struct sfs_error error = {0};
    setsid();
    if (dup2(job->report, STDERR_FILENO + 1) < 0)
        _exit(TOOL_IO);
    job->report = STDERR_FILENO + 1;
    closefrom(job->report + 1);
    if (fcntl(job->report, F_SETFD, FD_CLOEXEC) < 0)
        _exit(TOOL_IO);
    job->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int result = serve(job, report_ready, &error);
    if (!result)
        exit(TOOL_OK);
    error.code = result;
    if (job->report < 0)
        syslog(LOG_DAEMON | LOG_ERR, "storefs: mount of %s at %s: %s", job->uri, job->directory,
               error.message);
    else if (write(job->report, &error, sizeof error) != (ssize_t)sizeof error)
        exit(TOOL_IO);
    exit(tool_exit_of(result));
}

/* A name that the kernel cannot know, so that it asks; it need not be there. */
static int look_up_readme(void *context)
{
    char path[8192];
    struct stat status;
    snprintf(path, sizeof path, "%s/README", (const char *)context);
    return stat(path, &status) == 0 || errno == ENOENT ? 0 : errno;
}

static int await(const struct job *job, int from, struct sfs_error *error)
{
    struct sfs_error answer;
    ssize_t got;
    do
        got = read(from, &answer, sizeof answer);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof answer)
        return sfs_fail(error, SFS_E_IO, "mount", "the mount's process ended without a word");
    if (answer.code)
        return sfs_fail(error, answer.code, answer.origin, "%s", answer.message);
    if (tool_child_ask(look_up_readme, job->directory, ANSWER_MS) == 0)
        return 0;
    return sfs_fail(error, SFS_E_TIMED_OUT, "mount", "the mount at %s does not answer",
                    job->directory);
}

static int run_background(struct job *job, struct sfs_error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return sfs_fail_errno(error, errno, "mount", "cannot make a pipe");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        job->report = ends[1];
        become_daemon(job);
    }
    close(ends[1]);
    int result = child < 0 ? sfs_fail_errno(error, errno, "mount", "cannot start a process")
                           : await(job, ends[0], error);
    close(ends[0]);
    return result;
}

static int run_job(struct job *job, const struct tool_call *call, struct sfs_error *error)
{
    bool foreground = tool_given(call, 'f');
    int result = tool_mount_options(tool_value(call, 'o'), &job->options, &job->kernel, error);
    if (!result && job->options.debug && !foreground)
        result = sfs_fail(error, SFS_E_INVALID, "mount", "'-o debug' needs -f");
    if (!result && job->options.keys_only && !job->options.read_only)
        result = sfs_fail(error, SFS_E_INVALID, "mount", "'-o keys-only' needs ro: '-o ro,keys-only'");
    const char *temporary = getenv("TMPDIR");
    job->options.temporary = temporary && *temporary == '/' ? temporary : NULL;
    if (!result)
        result = tool_uri_check(call->words[0], error);
    if (!result)
        result = tool_uri_absolute(call->words[0], &job->uri, error);
    if (!result)
        result = prepare_directory(job, call->words[1], error);
    if (result)
        return result;
    return foreground ? serve(job, say_ready, error) : run_background(job, error);
}

static int run(const struct tool_call *call)
{
    struct job job = {.report = -1};
    struct sfs_error error = {0};
    if (tool_mount_options_help(tool_value(call, 'o'))) {
        tool_mount_options_print();
        return tool_output_end();
    }
    if (call->count < 2) {
        tool_say("arguments are missing; usage: storefs mount %s", call->command->usage);
        return TOOL_USAGE;
    }
    int result = run_job(&job, call, &error);
    free(job.uri);
    free(job.directory);
    sfs_buffer_free(&job.kernel);
    return result ? tool_fail(result, &error) : TOOL_OK;
}

static const struct tool_option options[] = {
    {'o', NULL, "WORD[,…]", "ro, keys-only, allow_other, isolation=LEVEL …; '-o help' lists them",
     true},
    {'f', "foreground", NULL, "stay in front until ^C or unmount", false},
    {0},
};

const struct tool_command tool_mount_command = {
    .name = "mount",
    .usage = "URI DIR [-o WORD[,…]] [-f]",
    .summary = "Mount a store as files in a directory",
    .details =
        "Makes the store if there is none. Returns when the mount answers. A dead mount left at\n"
        "DIR by a killed process is cleared first. Sorts that are too large for memory use "
        "TMPDIR.\n"
        "-o also takes the words that mount(8) has for every file system: '-o help' says what each "
        "does.\n",
    .options = options,
    .words_min = 0, /* with -o help */
    .words_max = 2,
    .run = run,
};
