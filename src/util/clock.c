/* SPDX-License-Identifier: MIT */
/* The two clocks in nanoseconds. */
#include "util/clock.h"

#include <sys/random.h>

#define LONGEST_MS 256

int64_t sfs_clock_nanoseconds(struct timespec time)
{
    const int64_t most = INT64_MAX / SFS_NS_PER_SECOND - 1;
    int64_t seconds = time.tv_sec > most ? most : time.tv_sec < -most ? -most : time.tv_sec;
    return seconds * SFS_NS_PER_SECOND + time.tv_nsec;
}

static int64_t read_clock(clockid_t id)
{
    struct timespec time = {0};
    clock_gettime(id, &time);
    return sfs_clock_nanoseconds(time);
}

int64_t sfs_clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t sfs_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t sfs_clock_now_coarse(void)
{
    return read_clock(CLOCK_REALTIME_COARSE);
}

int64_t sfs_clock_monotonic_coarse(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

static uint64_t random_number(void)
{
    uint64_t number;
    /* Early at boot there may be none; the clock's last digits are as good here. */
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        number = (uint64_t)sfs_clock_monotonic();
    return number;
}

void sfs_clock_pause(unsigned retry)
{
    int64_t longest = retry < 8 ? SFS_NS_PER_MS << retry : LONGEST_MS * SFS_NS_PER_MS;
    uint64_t ns = random_number() % (uint64_t)longest;
    struct timespec left = {(time_t)(ns / SFS_NS_PER_SECOND), (long)(ns % SFS_NS_PER_SECOND)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &left, NULL);
}
