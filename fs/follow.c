/* SPDX-License-Identifier: MIT */
/*
 * Follows what others commit to the store, and tells the kernel. As long as nobody else writes this costs the
 * store nothing: it is watched only. At the first commit of others all that the kernel keeps is told to be
 * old, and from then on each change is, from the change feed; until others have been quiet for some time, for
 * the store has to keep rows for who follows.
 */
#include "fs/follow.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/keys.h"

#define FOREVER UINT64_MAX
#define QUIET 10000          /* ms without commits of others, after which the feed is given up */
#define AGAIN 200            /* ms between two tries where the store fails */
#define GATHER 2             /* ms: changes in quick succession are told together */
#define CHANGES_AT_ONCE 4096 /* with more the kernel is told of all it knows instead */

struct fs_follower {
    struct fs *fs;
    pthread_t thread;
    struct sfs_watch *watch;
    pthread_mutex_t lock;
    struct sfs_feed *feed; /* guarded by lock, so that it can be woken; NULL: not followed now */
    _Atomic bool stopping;
};

static void rest(int milliseconds)
{
    struct timespec time = {.tv_nsec = (long)milliseconds * 1000000};
    nanosleep(&time, NULL);
}

/* False where it is to end. */
static bool set_feed(struct fs_follower *follower, struct sfs_feed *feed)
{
    pthread_mutex_lock(&follower->lock);
    struct sfs_feed *old = follower->feed;
    follower->feed = feed;
    bool going = !follower->stopping;
    pthread_mutex_unlock(&follower->lock);
    sfs_feed_close(old);
    return going;
}

/* What is there now, name by name. 0, or a failure: then some of it is not known. */
static int tell_changes(struct fs_follower *follower)
{
    struct fs_teller teller = {.fs = follower->fs};
    struct sfs_change change;
    int code = 0, count = 0;
    while (count < CHANGES_AT_ONCE && (code = sfs_feed_next(follower->feed, &change, NULL)) == 1) {
        bool deleted = change.revision == 0;
        teller.revision = change.revision;
        fs_keys_tell_name(&teller, change.name, change.before == NULL || deleted, deleted);
        count++;
    }
    fs_keys_teller_free(&teller);
    if (count < CHANGES_AT_ONCE)
        return code;
    while ((code = sfs_feed_next(follower->feed, &change, NULL)) == 1 && !follower->stopping)
        continue;
    fs_keys_tell_all(follower->fs);
    return code;
}

/* Until others have been quiet, or the feed fails, or the end. */
static void follow(struct fs_follower *follower)
{
    int64_t last = fs_monotonic_ms();
    struct sfs_feed *feed = NULL;
    int code = sfs_changes(follower->fs->space->store, UINT64_MAX, &feed, NULL);
    bool going = set_feed(follower, feed);
    /* Behind the position of the feed: what came before it is among what the kernel is told is old. */
    fs_keys_tell_all(follower->fs);
    while (going && code == 0 && fs_monotonic_ms() - last < QUIET) {
        code = sfs_feed_wait(feed, QUIET, NULL);
        if (code == 1) {
            code = tell_changes(follower);
            rest(GATHER);
        }
        int others = code == 0 ? sfs_watch_wait(follower->watch, 0, NULL) : 0;
        if (others == 1)
            last = fs_monotonic_ms();
        code = others < 0 ? others : code;
    }
    set_feed(follower, NULL);
    if (code < 0 && !follower->stopping) {
        fs_keys_tell_all(follower->fs);
        rest(AGAIN);
    }
}

static void *run(void *context)
{
    struct fs_follower *follower = context;
    while (!follower->stopping) {
        int code = sfs_watch_wait(follower->watch, FOREVER, NULL);
        if (code == 1)
            follow(follower);
        else if (!follower->stopping)
            rest(AGAIN);
    }
    return NULL;
}

struct fs_follower *fs_follower_new(struct fs *fs)
{
    struct fs_follower *follower = calloc(1, sizeof(*follower));
    if (follower == NULL)
        return NULL;
    follower->fs = fs;
    pthread_mutex_init(&follower->lock, NULL);
    if (sfs_watch_open(fs->space->store, &follower->watch, NULL) == 0 &&
        pthread_create(&follower->thread, NULL, run, follower) == 0)
        return follower;
    sfs_watch_close(follower->watch);
    pthread_mutex_destroy(&follower->lock);
    free(follower);
    return NULL;
}

void fs_follower_free(struct fs_follower *follower)
{
    if (follower == NULL)
        return;
    pthread_mutex_lock(&follower->lock);
    follower->stopping = true;
    sfs_watch_wake(follower->watch);
    if (follower->feed != NULL)
        sfs_feed_wake(follower->feed);
    pthread_mutex_unlock(&follower->lock);
    pthread_join(follower->thread, NULL);
    sfs_watch_close(follower->watch);
    pthread_mutex_destroy(&follower->lock);
    free(follower);
}
