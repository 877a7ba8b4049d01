/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_MOUNT_OPTIONS_H
#define TOOLS_MOUNT_OPTIONS_H

#include "storefs/bytes.h"

#include "fs/mount.h"

/*
 * The words of `mount -o`: ours, and those that mount(8) and fstab(5) have for every file system,
 * each of which is taken, ignored because it changes nothing here, or refused. An unknown or
 * refused word is INVALID, and the sentence has the reason. `kernel` (may be {0}) gets the text
 * that ret_options->kernel points to, and is freed by the caller after its last use.
 */
int tool_mount_options(const char *words, struct fs_options *ret_options, struct sfs_buffer *kernel,
                       struct sfs_error *error);

/* Whether `help` is among the words. */
bool tool_mount_options_help(const char *words);
/* Prints the table: a word, "taken", "ignored" or "refused", and what it does or why, separated by
 * tabs. */
void tool_mount_options_print(void);

#endif
