/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_COVER_H
#define TOOLS_COVER_H

#include "storefs/error.h"

/*
 * Whether a mount would hide from its own process what that opens by name: it would ask itself, and
 * wait for ever. SQLite opens connections, and other stores save beside their file, at any time.
 */

/* INVALID, before anything is mounted or made, if the store of `uri`, or the directory `temporary`
 * (NULL: /tmp), is `directory` or lies below it, or if `directory` lies in the store; by whatever
 * name, also through symbolic links and bind mounts. A relative path in `uri` counts from the
 * working directory. */
int tool_cover_check(const char *directory, const char *uri, const char *temporary,
                     struct sfs_error *error);

#endif
