/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_NEW_FILE_H
#define TOOLS_NEW_FILE_H

#include "storefs/error.h"

/*
 * A file that appears whole or not at all: written under a temporary name beside it (mode 0600),
 * put in place by a rename. What is there but is no regular file (a pipe, /dev/stdout) is written
 * directly.
 */
struct tool_new_file {
    int descriptor;
    char *path;
    char *temporary; /* NULL: written directly */
};

int tool_new_file_open(struct tool_new_file *ret_file, const char *path, struct sfs_error *error);
/* Puts the file in place, safe on disk. The file is closed in any case. */
int tool_new_file_commit(struct tool_new_file *file, struct sfs_error *error);
/* Leaves everything as it was. */
void tool_new_file_abandon(struct tool_new_file *file);

#endif
