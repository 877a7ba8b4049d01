/* SPDX-License-Identifier: MIT */
/*
 * Loaded in front of libfuse (LD_PRELOAD): the kernel hears LATE_NOTICES_MS milliseconds later that
 * attributes changed.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

struct fuse_session;
typedef int notify_function(struct fuse_session *session, uint64_t node, off_t from, off_t size);
notify_function fuse_lowlevel_notify_inval_inode;

int fuse_lowlevel_notify_inval_inode(struct fuse_session *session, uint64_t node, off_t from,
                                     off_t size)
{
    notify_function *real = (notify_function *)dlsym(RTLD_NEXT, "fuse_lowlevel_notify_inval_inode");
    const char *text = getenv("LATE_NOTICES_MS");
    long milliseconds = text != NULL ? strtol(text, NULL, 10) : 0;
    struct timespec length = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&length, NULL);
    return real(session, node, from, size);
}
