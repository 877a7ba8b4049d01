/* SPDX-License-Identifier: MIT */
/* storefs exec: runs a command inside a transaction of a mount, again where it lost against another. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/mount.h"
#include "tools/child.h"
#include "tools/command.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mounts.h"
#include "tools/target.h"

#define TX 256
#define NAME 257
#define RETRY 258
#define ISOLATION 259

#define AGAIN (-1) /* no exit code: a conflict, and tries are left */
#define RETRY_MAX 1000000
#define PAUSE_FIRST_MS 10
#define PAUSE_LAST_MS 1280

/* What to run, and how. */
struct job {
    const char *base;
    const char *name;      /* NULL: one that is free */
    const char *isolation; /* NULL: the mount's */
    char *const *words;
    unsigned long retries;
};

static volatile sig_atomic_t child_process;
static volatile sig_atomic_t stopped; /* the signal that came while no command was there to take it */
static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
#define FORWARDED (sizeof forwarded / sizeof forwarded[0])

/* A terminal sends ^C to the command itself; anybody else sends it to us alone. */
static void forward(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (child_process <= 0)
        stopped = number;
    else if (info->si_code <= 0)
        kill((pid_t)child_process, number);
}

static int fail_begin(int system_errno, const char *base, const char *path)
{
    struct stat status;
    char tx[8192];
    snprintf(tx, sizeof tx, "%s/tx", base);
    if (system_errno == EEXIST)
        tool_say("there already is a transaction %s", path);
    else if (system_errno == ENOENT && stat(tx, &status) < 0)
        tool_say("%s is no mount with transactions", base);
    else
        tool_say("cannot begin %s: %s", path, strerror(system_errno));
    return TOOL_EXEC_FAILED;
}

/* Makes BASE/tx/NAME; a name of ours is tried until one is free. */
static int begin(const char *base, const char *name, char **ret_path)
{
    char *path = NULL;
    for (int attempt = 0; attempt < 1000; attempt++) {
        int size = name ? asprintf(&path, "%s/tx/%s", base, name)
                        : asprintf(&path, "%s/tx/exec-%d-%d", base, (int)getpid(), attempt);
        if (size < 0)
            return TOOL_EXEC_FAILED;
        if (mkdir(path, 0777) == 0) {
            *ret_path = path;
            return 0;
        }
        if (name || errno != EEXIST)
            break;
        free(path);
        path = NULL;
    }
    int exit_code = fail_begin(errno, base, path ? path : base);
    free(path);
    return exit_code;
}

static void become(const char *transaction, char *const *words)
{
    char keys[8192];
    snprintf(keys, sizeof keys, "%s/keys", transaction);
    for (size_t i = 0; i < FORWARDED; i++)
        signal(forwarded[i], SIG_DFL);
    tool_child_signals();
    if (setenv("STOREFS_TX", transaction, 1) == 0 && setenv("STOREFS_KEYS", keys, 1) == 0)
        execvp(words[0], words);
    int failed = errno;
    tool_say("%s: %s", words[0], strerror(failed));
    _exit(failed == ENOENT ? TOOL_EXEC_NONE : TOOL_EXEC_CANNOT);
}

static void forward_signals(void)
{
    struct sigaction action = {.sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FORWARDED; i++) {
        struct sigaction before;
        if (sigaction(forwarded[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(forwarded[i], &action, NULL);
    }
}

/* The command's exit code, or 128 plus the signal that ended it. Signals wait until the child is
 * known. */
static int run_inside(const char *transaction, char *const *words)
{
    sigset_t all;
    sigset_t before;
    int status;
    forward_signals();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        become(transaction, words);
    }
    child_process = child;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child < 0) {
        tool_say("cannot start a process: %s", strerror(errno));
        return TOOL_EXEC_FAILED;
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return TOOL_EXEC_FAILED;
    child_process = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_SIGNAL + WTERMSIG(status);
}

static void roll_back(const char *transaction)
{
    /* It may have ended by itself: by the command's own hand or its time limit. */
    if (rmdir(transaction) < 0 && errno != ENOENT)
        tool_say("cannot roll back %s: %s", transaction, strerror(errno));
}

/* The transaction's file `error`: why it could not be committed. */
static void say_error(const char *transaction, int system_errno)
{
    char path[8192];
    char text[1024];
    snprintf(path, sizeof path, "%s/error", transaction);
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    /* The first line is the sentence; the others are for programs. */
    text[size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    tool_say("not committed: %s", *text ? text : strerror(system_errno));
}

/* TOOL_CONFLICT without a word where `quiet`: it will be tried again. */
static int commit(const char *transaction, bool quiet)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/commit", transaction);
    int descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (descriptor >= 0) {
        close(descriptor);
        return TOOL_OK;
    }
    int failed = errno;
    if (failed == ENOENT) {
        tool_say("the transaction has ended before the command did: nothing was committed here");
        return TOOL_EXEC_FAILED;
    }
    if (!quiet || failed != ECANCELED)
        say_error(transaction, failed);
    roll_back(transaction);
    if (quiet && failed == ECANCELED)
        return AGAIN;
    return failed == ECANCELED || failed == ESTALE ? TOOL_CONFLICT : TOOL_EXEC_FAILED;
}

static int set_isolation(const char *transaction, const char *isolation)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/isolation", transaction);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    bool done = descriptor >= 0 &&
                write(descriptor, isolation, strlen(isolation)) == (ssize_t)strlen(isolation);
    if (!done)
        tool_say("%s isolation cannot be had: %s", isolation, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return done ? 0 : TOOL_EXEC_FAILED;
}

/* Keeps the transaction open for as long as this process lives: closing a descriptor of its file `rollback`
 * that can write rolls it back, and a process that is killed closes its descriptors too. */
static int hold(const char *transaction, int *ret_descriptor)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/rollback", transaction);
    *ret_descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (*ret_descriptor >= 0)
        return 0;
    tool_say("cannot hold %s: %s", transaction, strerror(errno));
    return TOOL_EXEC_FAILED;
}

/* `quiet`: a conflict is AGAIN. */
static int attempt(const struct job *job, bool quiet)
{
    char *transaction = NULL;
    int held;
    int exit_code = begin(job->base, job->name, &transaction);
    if (exit_code)
        return exit_code;
    exit_code = hold(transaction, &held);
    if (exit_code == 0 && job->isolation)
        exit_code = set_isolation(transaction, job->isolation);
    if (exit_code == 0)
        exit_code = run_inside(transaction, job->words);
    if (exit_code == 0)
        exit_code = commit(transaction, quiet);
    else
        roll_back(transaction);
    if (held >= 0)
        close(held);
    free(transaction);
    return exit_code;
}

/* Between nothing and twice as long each time, so that those who collided do not again. */
static void pause_before(unsigned long retry)
{
    uint64_t number;
    uint64_t longest = PAUSE_LAST_MS;
    if (retry < 7)
        longest = (uint64_t)PAUSE_FIRST_MS << retry;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint64_t)getpid() * 2654435761u;
    number %= longest * 1000000;
    struct timespec left = {(time_t)(number / 1000000000), (long)(number % 1000000000)};
    nanosleep(&left, NULL);
}

static int execute(const struct job *job)
{
    int exit_code = attempt(job, job->retries > 0);
    for (unsigned long retry = 1; exit_code == AGAIN; retry++) {
        pause_before(retry - 1);
        exit_code = stopped ? TOOL_SIGNAL + stopped : attempt(job, retry < job->retries);
    }
    return exit_code;
}

/* The options; TOOL_USAGE where one is wrong. */
static int read_options(const struct tool_call *call, struct job *job)
{
    enum sfs_isolation level;
    struct sfs_error error = {0};
    const char *retries = tool_value(call, RETRY);
    job->name = tool_value(call, NAME);
    job->isolation = tool_value(call, ISOLATION);
    if (job->name && (!*job->name || strchr(job->name, '/') || strcmp(job->name, ".") == 0 ||
                      strcmp(job->name, "..") == 0)) {
        tool_say("'%s' cannot be the name of a transaction", job->name);
        return TOOL_USAGE;
    }
    if (job->isolation && fs_isolation_parse(sfs_string(job->isolation), &level, &error)) {
        tool_say("%s", error.message);
        return TOOL_USAGE;
    }
    if (retries) {
        char *end;
        job->retries = strtoul(retries, &end, 10);
        if (*retries < '0' || *retries > '9' || *end || job->retries > RETRY_MAX) {
            tool_say("'--retry' takes a number up to %d", RETRY_MAX);
            return TOOL_USAGE;
        }
    }
    return 0;
}

static int run(const struct tool_call *call)
{
    struct tool_target target;
    struct sfs_error error = {0};
    const char *mount = tool_value(call, TX);
    struct job job = {.words = call->words};
    if (!mount) {
        tool_say("'--tx MOUNT' is missing");
        return TOOL_USAGE;
    }
    if (read_options(call, &job))
        return TOOL_USAGE;
    int result = tool_mount_target(&target, mount, &error);
    if (result) {
        tool_fail(result, &error);
        return TOOL_EXEC_FAILED;
    }
    job.base = target.base;
    int exit_code = execute(&job);
    return tool_target_close(&target, exit_code);
}

static const struct tool_option options[] = {
    {TX, "tx", "MOUNT", "the mount in which to begin the transaction", false},
    {NAME, "name", "NAME", "the transaction's name; else one that is free", false},
    {RETRY, "retry", "N", "where somebody else committed first, run it again, up to N times", false},
    {ISOLATION, "isolation", "LEVEL", "read-committed, snapshot or serializable; else the mount's", false},
    {0},
};

const struct tool_command tool_exec_command = {
    .name = "exec",
    .usage = "--tx MOUNT [--name NAME] [--retry N] [--isolation LEVEL] -- COMMAND…",
    .summary = "Run a command in a transaction: all that it changes is committed, or nothing",
    .details =
        "The command finds the transaction in $STOREFS_TX and its keys in $STOREFS_KEYS. If it\n"
        "succeeds the transaction is committed, else rolled back. With --retry the command should\n"
        "change nothing but keys: what it did before a conflict it does again, in a new\n"
        "transaction, after a pause of up to 10 ms, 20 ms, … 1.28 s. Exit code: the command's own;\n"
        "3 if somebody else committed first, 125 if the transaction failed otherwise, 126 if\n"
        "the command cannot be run, 127 if there is none.\n",
    .options = options,
    .words_min = 1,
    .words_max = -1,
    .stops = true,
    .run = run,
};
