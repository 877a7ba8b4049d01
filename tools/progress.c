/* SPDX-License-Identifier: MIT */
/* The progress bar, and stopping on a signal. */
#include "tools/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000
#define REDRAW (SECOND / 5)
#define WIDTH 30

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t cut_input = -1; /* replaced by end_of_file when a signal comes */
static volatile sig_atomic_t end_of_file = -1;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* One ^C may come as two signals (to the process and to its group); a second ^C does not mean them.
 */
static void on_signal(int number)
{
    static int64_t first;
    int saved_errno = errno;
    if (!stop_signal)
        first = now();
    else if (now() - first > SECOND) {
        signal(number, SIG_DFL);
        raise(number);
    }
    stop_signal = number;
    if (cut_input >= 0)
        dup2(end_of_file, cut_input);
    errno = saved_errno;
}

void tool_progress_cut(int descriptor)
{
    end_of_file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (end_of_file >= 0)
        cut_input = descriptor;
}

int tool_interrupted(void)
{
    return stop_signal;
}

/* Not restarted, so that a read that waits ends; a signal ignored by our parent stays ignored. */
static void catch_signal(int number)
{
    struct sigaction before;
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void tool_progress_begin(struct tool_progress *progress, const char *what)
{
    *progress = (struct tool_progress){
        .what = what,
        .terminal = isatty(STDERR_FILENO) == 1,
        .begun = now(),
    };
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
}

static void draw(struct tool_progress *progress, uint64_t done, uint64_t total, int64_t time)
{
    char bar[WIDTH + 1];
    double seconds = (double)(time - progress->begun) / SECOND;
    if (total) {
        double part = done < total ? (double)done / (double)total : 1;
        size_t filled = (size_t)(part * WIDTH);
        memset(bar, '.', WIDTH);
        memset(bar, '#', filled);
        bar[WIDTH] = '\0';
        fprintf(stderr, "\r[%s] %3.0f%%  %.0f s\033[K", bar, part * 100, seconds);
    } else {
        fprintf(stderr, "\r%llu %s  %.0f s\033[K", (unsigned long long)done, progress->what,
                seconds);
    }
    fflush(stderr);
    progress->shown = true;
    progress->drawn = time;
}

int tool_progress_step(void *context, uint64_t done, uint64_t total)
{
    struct tool_progress *progress = context;
    progress->done = done;
    if (stop_signal)
        return 1;
    int64_t time = progress->terminal ? now() : 0;
    if (progress->terminal && time - progress->begun > SECOND && time - progress->drawn > REDRAW)
        draw(progress, done, total, time);
    return 0;
}

void tool_progress_end(struct tool_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
