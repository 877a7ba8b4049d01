/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_DAEMON_H
#define TOOLS_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include "tools/mounts.h"

/* The process that serves a mount, found in /proc: the mount itself is not asked. */
struct tool_daemon {
    pid_t pid;    /* 0: not found */
    int process;  /* its pidfd, opened before it was identified; only where `pid` is not 0 */
    bool certain; /* else a guess, good enough for a sentence, but never to end the process */
};

/*
 * Linux 6.15 and newer say which connection a descriptor of /dev/fuse has. Elsewhere the process
 * belongs to the user of the mount, and its command line names the directory: certain if that is
 * the whole path, and no other process is like it. Not found if there are two. The caller closes
 * it.
 */
struct tool_daemon tool_daemon_find(const struct tool_mount *mount);
/* The same for the process that the mount names, which may be wrong: not found if it has another
 * connection, no /dev/fuse, or another user. */
struct tool_daemon tool_daemon_told(const struct tool_mount *mount, pid_t pid);
/* Closes the pidfd; `daemon` is then not found. */
void tool_daemon_close(struct tool_daemon *daemon);
/* Whether the process is stopped (SIGSTOP, a debugger). */
bool tool_daemon_stopped(pid_t pid);

#endif
