/* SPDX-License-Identifier: MIT */
/*
 * A clock that stands still, for the program that it is linked to or loaded in front of
 * (LD_PRELOAD): what a store does by time (ending leases, pruning, closing a read transaction)
 * happens at the same operation in each run, on a loaded machine too. Timed waits wait for their
 * signal alone. A sleep passes its time at once. The kernel tells nothing of changed files
 * (inotify), since nobody can say when it does.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define BEGIN (INT64_C(1700000000) * SECOND)

static _Atomic int64_t passed;

static void advance(int64_t nanoseconds)
{
    atomic_fetch_add(&passed, nanoseconds);
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    (void)id;
    int64_t now = BEGIN + atomic_load(&passed);
    *time = (struct timespec){.tv_sec = now / SECOND, .tv_nsec = now % SECOND};
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *until)
{
    (void)until;
    return pthread_cond_wait(condition, mutex);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t id,
                           const struct timespec *until)
{
    (void)id;
    (void)until;
    return pthread_cond_wait(condition, mutex);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    advance(time->tv_sec * SECOND + time->tv_nsec);
    return sched_yield();
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *time, struct timespec *left)
{
    (void)id;
    (void)flags;
    return nanosleep(time, left);
}

int poll(struct pollfd *descriptors, nfds_t count, int milliseconds)
{
    const struct timespec at_once = {0};
    return (int)syscall(SYS_ppoll, descriptors, count, milliseconds == 0 ? &at_once : NULL, NULL,
                        0);
}

int inotify_init1(int flags)
{
    (void)flags;
    errno = EMFILE;
    return -1;
}
