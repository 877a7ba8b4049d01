/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_OWN_CLOCK_H
#define TESTS_UNIT_OWN_CLOCK_H

/*
 * The library's clock for durations is the test's own: it runs like the real one and can be moved
 * on. So a test of a time limit waits for nothing, and a limit of minutes is one that no slow
 * machine exceeds. Linked with --wrap of what is defined here.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "util/clock.h"

static _Atomic int64_t clock_ahead;

/* Moves the clock on. Threads that wait for a moment before its new time go on within milliseconds.
 */
static inline void let_pass(int64_t milliseconds)
{
    clock_ahead += milliseconds * SFS_NS_PER_MS;
}

int64_t __real_sfs_clock_monotonic(void);
int64_t __wrap_sfs_clock_monotonic(void);
int64_t __wrap_sfs_clock_monotonic(void)
{
    return __real_sfs_clock_monotonic() + clock_ahead;
}

int64_t __real_sfs_clock_monotonic_coarse(void);
int64_t __wrap_sfs_clock_monotonic_coarse(void);
int64_t __wrap_sfs_clock_monotonic_coarse(void)
{
    return __real_sfs_clock_monotonic_coarse() + clock_ahead;
}

/* The real time at which to look at the clock again: `until`, or in some milliseconds. */
static inline struct timespec next_look(const struct timespec *until, bool *ret_last)
{
    int64_t now = __real_sfs_clock_monotonic();
    int64_t left = sfs_clock_nanoseconds(*until) - clock_ahead - now;
    *ret_last = left <= 5 * SFS_NS_PER_MS;
    int64_t at = now + (*ret_last ? left : 5 * SFS_NS_PER_MS);
    at = at > 0 ? at : 0;
    return (struct timespec){.tv_sec = at / SFS_NS_PER_SECOND, .tv_nsec = at % SFS_NS_PER_SECOND};
}

/* All conditions of the library count by CLOCK_MONOTONIC. */
int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    int code = ETIMEDOUT;
    for (bool last = false; code == ETIMEDOUT && !last;) {
        struct timespec at = next_look(until, &last);
        code = __real_pthread_cond_timedwait(condition, mutex, &at);
    }
    return code;
}

int __real_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t id,
                                  const struct timespec *until);
int __wrap_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t id,
                                  const struct timespec *until);
int __wrap_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t id,
                                  const struct timespec *until)
{
    int code = ETIMEDOUT;
    for (bool last = false; code == ETIMEDOUT && !last;) {
        struct timespec at = next_look(until, &last);
        code = __real_pthread_cond_clockwait(condition, mutex, id, &at);
    }
    return code;
}

#endif
