/* SPDX-License-Identifier: MIT */
/* Child processes with time limits. */
#include "tools/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int tool_process_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int tool_process_signal(int process, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, process, number, NULL, 0);
}

int tool_process_wait(int process, int timeout_ms)
{
    struct pollfd poller = {.fd = process, .events = POLLIN};
    return process >= 0 && poll(&poller, 1, timeout_ms) == 1;
}

int tool_process_await(int process, int timeout_ms, void (*late)(void *context), void *context)
{
    if (late && timeout_ms > TOOL_LATE_MS) {
        if (tool_process_wait(process, TOOL_LATE_MS))
            return 1;
        late(context);
        timeout_ms -= TOOL_LATE_MS;
    }
    return tool_process_wait(process, timeout_ms);
}

int tool_child_ask(int (*ask)(void *context), void *context, int timeout_ms)
{
    return tool_child_await(ask, context, timeout_ms, NULL);
}

int tool_child_await(int (*ask)(void *context), void *context, int timeout_ms,
                     void (*late)(void *context))
{
    int status = 0;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0)
        _exit(ask(context));
    int process = tool_process_open(child);
    int ended = tool_process_await(process, timeout_ms, late, context);
    if (process >= 0)
        close(process);
    if (!ended) {
        kill(child, SIGKILL);
        /* Only if it has gone: one that waits in the kernel is left to init. */
        waitpid(child, &status, WNOHANG);
        return ETIMEDOUT;
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

void tool_child_signals(void)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
}

static void become(const char *const *words, int out)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0) {
        tool_child_signals();
        execvp(words[0], (char *const *)words);
    }
    _exit(127);
}

static void read_line(int in, char *said, size_t size)
{
    size_t used = 0;
    char spill[256];
    ssize_t got;
    do {
        bool full = used + 1 >= size;
        got = read(in, full ? spill : said + used, full ? sizeof spill : size - used - 1);
        if (got > 0 && !full)
            used += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    while (used && said[used - 1] == '\n')
        used--;
    said[used] = '\0';
}

int tool_child_run(const char *const *words, char *said, size_t size)
{
    int ends[2];
    int status;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t child = fork();
    if (child == 0)
        become(words, ends[1]);
    close(ends[1]);
    if (child > 0)
        read_line(ends[0], said, size);
    close(ends[0]);
    if (child < 0)
        return -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
