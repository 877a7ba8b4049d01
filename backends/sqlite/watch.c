/* SPDX-License-Identifier: MIT */
/*
 * Whether others commit, without a lease. The write connection knows which sequence numbers this opening
 * has made: where a write transaction begins behind a later one, or the file shows a later one, somebody
 * else has committed. When to look is told by writes to the -wal file, which the kernel reports (inotify on
 * the directory, so that it does not matter when that file comes and goes).
 */
#include "backends/sqlite/sharing.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util/clock.h"

#define LONGEST_SLEEP 1000 /* milliseconds: what is looked at anew even if no event came */
#define PAUSE 8            /* … the first time, after an event */
#define GATHER 4           /* … and what more comes meanwhile is one look: who writes all the time pays little */

/* --- writes to the log, by anybody --- */

/* Without inotify (there is a limit for each user) commits of others are noticed a second later. */
int sfs_sqlite_log_watch(const char *path)
{
    int notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char *directory = strdup(path);
    if (notify >= 0 && directory) {
        char *slash = strrchr(directory, '/');
        slash[slash == directory ? 1 : 0] = '\0';
        if (inotify_add_watch(notify, directory, IN_MODIFY | IN_CREATE) < 0) {
            close(notify);
            notify = -1;
        }
    }
    free(directory);
    return notify;
}

bool sfs_sqlite_log_written(const char *path, int notify)
{
    _Alignas(struct inotify_event) char events[4096];
    const char *name = strrchr(path, '/') + 1;
    size_t length = strlen(name);
    bool changed = false;
    ssize_t size;
    while ((size = read(notify, events, sizeof(events))) > 0) {
        for (char *at = events; at < events + size;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            changed |= event->len == 0 || (strncmp(event->name, name, length) == 0 &&
                                           strcmp(event->name + length, "-wal") == 0);
            at += sizeof(*event) + event->len;
        }
    }
    return changed;
}

/* --- whose commits there are --- */

void sfs_sqlite_others_before(struct sfs_sqlite *store, int64_t sequence)
{
    pthread_mutex_lock(&store->queue_mutex);
    if (sequence > store->own_last)
        store->others_last = sequence;
    pthread_mutex_unlock(&store->queue_mutex);
}

void sfs_sqlite_others_own(struct sfs_sqlite *store, int64_t sequence, bool committed)
{
    pthread_mutex_lock(&store->queue_mutex);
    store->own_next = committed ? 0 : sequence;
    if (committed)
        store->own_last = sequence;
    pthread_mutex_unlock(&store->queue_mutex);
}

struct sfs_sqlite_watch {
    struct sfs_watch watch;
    struct sfs_sqlite *store;
    int64_t told; /* the last commit of others that it was told of, or that was there before it */
    int event;    /* wake() */
    int notify;   /* -1: none could be had */
    _Atomic bool woken;
};

/* The last commit that others are known to have made, 0: none. What is about to be committed here shows in the file
 * before it is over. */
static int last_of_others(struct sfs_sqlite *store, int64_t *ret_last, struct sfs_error *error)
{
    uint64_t present;
    int code = sfs_sqlite_sequence(&store->storage, &present, error);
    if (code != 0)
        return code;
    pthread_mutex_lock(&store->queue_mutex);
    int64_t own = store->own_next > store->own_last ? store->own_next : store->own_last;
    *ret_last = (int64_t)present > own ? (int64_t)present : store->others_last;
    pthread_mutex_unlock(&store->queue_mutex);
    return 0;
}

static int has_news(struct sfs_sqlite_watch *watch, struct sfs_error *error)
{
    int64_t last;
    int code = last_of_others(watch->store, &last, error);
    if (code != 0 || last <= watch->told)
        return code;
    watch->told = last;
    return 1;
}

/* True if it is worth to look again: the log was written to. What comes within a few milliseconds is one event,
 * also of the file itself: a checkpoint writes page after page. */
static bool sleep_until_written(struct sfs_sqlite_watch *watch, int milliseconds)
{
    struct pollfd fds[2] = {{.fd = watch->event, .events = POLLIN},
                            {.fd = watch->notify, .events = POLLIN}};
    if (poll(fds, 2, milliseconds) <= 0 || !fds[1].revents)
        return false;
    usleep(1000 * GATHER);
    return sfs_sqlite_log_written(watch->store->path, watch->notify);
}

/* The log is written before the commit can be seen: after an event one looks at growing intervals. */
static int watch_wait(struct sfs_watch *base, uint64_t timeout_ms, struct sfs_error *error)
{
    struct sfs_sqlite_watch *watch = (struct sfs_sqlite_watch *)base;
    int64_t now = sfs_clock_monotonic() / SFS_NS_PER_MS;
    int64_t end = timeout_ms > (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)timeout_ms;
    int pause = LONGEST_SLEEP;
    for (;;) {
        if (watch->woken)
            return sfs_fail(error, SFS_E_CANCELLED, SFS_SQLITE_ORIGIN, "the wait was ended");
        int code = has_news(watch, error);
        now = sfs_clock_monotonic() / SFS_NS_PER_MS;
        if (code != 0 || now >= end)
            return code;
        int sleep = end - now < pause ? (int)(end - now) : pause;
        if (sleep_until_written(watch, sleep))
            pause = PAUSE;
        else
            pause = pause * 2 < LONGEST_SLEEP ? pause * 2 : LONGEST_SLEEP;
    }
}

static void watch_wake(struct sfs_watch *base)
{
    struct sfs_sqlite_watch *watch = (struct sfs_sqlite_watch *)base;
    uint64_t one = 1;
    watch->woken = true;
    while (write(watch->event, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void watch_close(struct sfs_watch *base)
{
    struct sfs_sqlite_watch *watch = (struct sfs_sqlite_watch *)base;
    if (watch->event >= 0)
        close(watch->event);
    if (watch->notify >= 0)
        close(watch->notify);
    free(watch);
}

static const struct sfs_watch_operations watch_operations = {
    .wait = watch_wait,
    .wake = watch_wake,
    .close = watch_close,
};

int sfs_sqlite_watch(struct sfs_storage *base, struct sfs_watch **ret_watch, struct sfs_error *error)
{
    struct sfs_sqlite_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    uint64_t present = 0;
    watch->watch.operations = &watch_operations;
    watch->store = sfs_sqlite_of(base);
    watch->notify = sfs_sqlite_log_watch(watch->store->path);
    watch->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int code = watch->event < 0 ? sfs_fail_errno(error, errno, SFS_SQLITE_ORIGIN, "cannot watch for commits")
                                : sfs_sqlite_sequence(base, &present, error);
    if (code != 0) {
        watch_close(&watch->watch);
        return code;
    }
    watch->told = (int64_t)present;
    *ret_watch = &watch->watch;
    return 0;
}
