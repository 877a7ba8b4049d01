/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_FOLLOW_H
#define STOREFS_FS_FOLLOW_H

/*
 * Tells the kernel, from a thread of its own, what other processes commit to the mount's store: see
 * doc/decisions/kernel-notifications.md. Names and attributes in keys/ that the kernel keeps are so no older than some
 * milliseconds; without a follower they are for as long as it keeps them, a second.
 */
#include "fs/fs.h"

struct fs_follower;

/* NULL: nobody else can have the store, or it cannot be followed. Begins with the session, and ends before
 * the notifier and the store. */
struct fs_follower *fs_follower_new(struct fs *fs);
/* NULL allowed. */
void fs_follower_free(struct fs_follower *follower);

#endif
