/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_CLOCK_H
#define SFS_UTIL_CLOCK_H

/* The two clocks, in nanoseconds, and a pause. None can fail; all are thread-safe. */
#include <stdint.h>
#include <time.h>

#define SFS_NS_PER_SECOND INT64_C(1000000000)
#define SFS_NS_PER_MS INT64_C(1000000)

/* Wall-clock time since 1970 (CLOCK_REALTIME): for what people see; it may be set to any other. */
int64_t sfs_clock_now(void);

/* Time since the machine was started, without the time it was suspended (CLOCK_MONOTONIC): for
 * durations and limits. It never goes back. */
int64_t sfs_clock_monotonic(void);
/* The same two as they were at the last tick, some milliseconds ago at the most, for a fraction of the time. */
int64_t sfs_clock_now_coarse(void);
int64_t sfs_clock_monotonic_coarse(void);

/* The time in nanoseconds, clamped to the seconds from 1677 to 2262 that fit. */
int64_t sfs_clock_nanoseconds(struct timespec time);

/* Waits before retry number `retry` (from 1) of what collided with somebody else: a random time up to 1 ms << retry,
 * at most 256 ms. Drawn from the whole interval ("full jitter"), so that those who collided do not
 * again. */
void sfs_clock_pause(unsigned retry);

#endif
