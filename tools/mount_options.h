/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_MOUNT_OPTIONS_H
#define TOOLS_MOUNT_OPTIONS_H

#include "fs/mount.h"

/*
 * The words of `mount -o`. With `fstab` also those that mount(8) and systemd read from /etc/fstab
 * for themselves and hand on; they change nothing here. An unknown word is refused by name
 * (INVALID).
 */
int tool_mount_options(const char *words, bool fstab, struct fs_options *ret_options,
                       struct sfs_error *error);

#endif
