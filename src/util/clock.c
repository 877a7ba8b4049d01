/* SPDX-License-Identifier: MIT */
/* The two clocks in nanoseconds. */
#include "util/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec time = {0};
    clock_gettime(id, &time);
    return (int64_t)time.tv_sec * SFS_NS_PER_SECOND + time.tv_nsec;
}

int64_t sfs_clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t sfs_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}
