/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_USERS_H
#define TOOLS_USERS_H

#include <sys/types.h>

#include "storefs/bytes.h"

/* Appends the processes that use something in `directory`, "bash (812), vim (990)", as far as /proc
 * shows them to us: by their working and root directories, programs and open files. Stops after
 * ten. */
int tool_users_find(const char *directory, struct sfs_buffer *names);

struct tool_mount;
/* Appends where else the same file system is mounted: "at DIR" in this mount namespace, "in another
 * mount namespace (process 812, bash)" for each other namespace that a process shows, of at most
 * ten. */
int tool_users_elsewhere(const struct tool_mount *mount, struct sfs_buffer *places);
/* Appends what is mounted below `directory`: "DIR/a (tmpfs), DIR/b (ext4)". */
int tool_users_nested(const char *directory, struct sfs_buffer *places);
/* Appends a process as "bash (812)". */
int tool_users_name(pid_t pid, struct sfs_buffer *names);

#endif
