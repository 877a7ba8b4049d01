/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

#include <stddef.h>
#include <sys/types.h>

/* Child processes, for what might never return or belongs to another program. */

/* Runs `ask` in a child and returns its answer (0 to 255), ETIMEDOUT after `timeout_ms`, or -1. */
int tool_child_ask(int (*ask)(void *context), void *context, int timeout_ms);
/* The same; `late` is called once in this process if there is no answer after TOOL_LATE_MS. */
#define TOOL_LATE_MS 700
int tool_child_await(int (*ask)(void *context), void *context, int timeout_ms,
                     void (*late)(void *context));
/* Runs a program (found on PATH) and waits; what it says on stderr goes into `said`, one line.
 * Returns its exit status, 127 where there is none, 128 plus a signal, or -1. */
int tool_child_run(const char *const *words, char *said, size_t size);
/* Gives the signals that this program ignores their usual meaning back, in a child that runs another
 * program. */
void tool_child_signals(void);
/* Opens a process as a pidfd, which never denotes another process that got the same number later.
 * Returns a descriptor to close, or -1 with errno. */
int tool_process_open(pid_t pid);
/* Sends a signal: 0, or -1 with errno (ESRCH: the process ended). */
int tool_process_signal(int process, int number);
/* Waits for a process that is no child of ours: 1 it ended, 0 `timeout_ms` passed. */
int tool_process_wait(int process, int timeout_ms);
/* The same, with `late` as above, which may be NULL. */
int tool_process_await(int process, int timeout_ms, void (*late)(void *context), void *context);

#endif
