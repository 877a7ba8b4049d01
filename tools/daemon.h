/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_DAEMON_H
#define TOOLS_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include "tools/mounts.h"

/* The process that serves a mount, found in /proc: the mount itself is not asked. */
struct tool_daemon {
    pid_t pid;    /* 0: not found */
    bool certain; /* else a guess by its command line, good enough for a sentence */
};

/* Linux 6.15 and newer say which connection a descriptor of /dev/fuse has. */
struct tool_daemon tool_daemon_find(const struct tool_mount *mount);
/* Whether the process is stopped (SIGSTOP, a debugger). */
bool tool_daemon_stopped(pid_t pid);
/* Whether the process has /dev/fuse open, so far as we may look. */
bool tool_daemon_serves(pid_t pid);

#endif
