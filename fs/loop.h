/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_LOOP_H
#define STOREFS_FS_LOOP_H

/*
 * The threads that take requests. Only one of them waits for a request; who has one that is
 * answered from memory, or by a short read, keeps that role and goes on reading. Before anything
 * that may take long the role is given to another thread, and where one of the short requests takes
 * longer than some hundredths of a second, it is taken away. In libfuse's own loop all idle threads
 * wait, so that the two requests of a closing and an opening wake two threads, each of which costs
 * as much as half of the answer. (The role: "leader/followers", Schmidt and others, 2000. Giving it
 * up before waiting, and losing it where that was not foreseen: Go's system calls.)
 */
#include "fs/fs.h"

/* Serves the mount's session with at most `most` threads, until it is unmounted or a signal came.
 * 0, or a negative errno. */
int fs_loop_run(struct fs *fs, unsigned most);

/* What the calling thread does next may take long, or waits for others: another one reads requests
 * from now on. Cheap where the thread has not the role; any thread may call it. */
void fs_loop_yield(void);

/* The calling thread waits for other requests' memory from now on, and not any more: meanwhile
 * there may be one thread more, so that those who wait do not keep others' requests from being
 * answered. */
void fs_loop_wait(bool waits);

#endif
