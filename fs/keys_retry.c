/* SPDX-License-Identifier: MIT */
/*
 * Between the kernel's look-up of a name and its open another file may be renamed over the one that
 * was looked up, or the kernel may keep an older size. ESTALE makes the kernel look the name up
 * again, once. If that happens again meanwhile, the program would be told ESTALE, so which thread
 * was sent back already is remembered for a moment.
 */
#include "fs/keys.h"

#define LIFE 10000 /* ms: longer than a busy machine stands still */

static _Atomic uint64_t *place_of(struct fs *fs, uint64_t thread)
{
    return &fs->sent_back[thread % FS_SENT_BACK];
}

bool fs_keys_looks_again(struct fs_call *call)
{
    uint64_t thread = (uint64_t)fuse_req_ctx(call->request)->pid;
    uint64_t now = (uint64_t)fs_monotonic_ms() & UINT32_MAX;
    if (thread == 0)
        return false; /* of another name space of processes */
    uint64_t before = atomic_exchange(place_of(call->fs, thread), thread << 32 | now);
    call->looks_again = before >> 32 != thread || ((now - before) & UINT32_MAX) >= LIFE;
    return call->looks_again;
}

void fs_keys_looked_again(struct fs_call *call)
{
    uint64_t thread = (uint64_t)fuse_req_ctx(call->request)->pid;
    _Atomic uint64_t *place = place_of(call->fs, thread);
    if (atomic_load(place) >> 32 == thread)
        atomic_store(place, 0);
}
