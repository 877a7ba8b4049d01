/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_USERS_H
#define TOOLS_USERS_H

#include "storefs/bytes.h"

/* Appends the processes that use something in `directory`, "bash (812), vim (990)", as far as /proc
 * shows them to us: by their working and root directories, programs and open files. Stops after
 * ten. */
int tool_users_find(const char *directory, struct sfs_buffer *names);

#endif
