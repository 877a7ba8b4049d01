/* SPDX-License-Identifier: MIT */
/* Change feeds of the engine in memory, and how long the log is kept for them. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/memory_engine.h"
#include "util/clock.h"

/* --- what the log is kept for --- */

static bool is_too_far_behind(struct sfs_memory_log *log, const struct sfs_memory_feed *feed)
{
    uint64_t changes = sfs_memory_log_end(log) - feed->ordinal;
    if (changes == 0)
        return false;
    uint64_t bytes = log->volume - sfs_memory_log_at(log, feed->ordinal)->volume;
    return changes > SFS_MEMORY_FEED_CHANGES || bytes > SFS_MEMORY_FEED_BYTES;
}

void sfs_memory_engine_trim(struct sfs_memory_engine *engine)
{
    uint64_t needed = engine->current->sequence;
    sfs_memory_lease_expire(engine);
    for (struct sfs_memory_feed *feed = engine->feeds; feed; feed = feed->next) {
        feed->lost = feed->lost || is_too_far_behind(&engine->log, feed);
        if (!feed->lost && feed->since < needed)
            needed = feed->since;
    }
    sfs_memory_log_trim(&engine->log, needed);
}

bool sfs_memory_engine_followed(struct sfs_memory_engine *engine)
{
    for (struct sfs_memory_feed *feed = engine->feeds; feed; feed = feed->next) {
        if (!feed->lost)
            return true;
    }
    return false;
}

/* --- feeds --- */

static int fail_too_old(struct sfs_error *error)
{
    return sfs_fail(
        error, SFS_E_TOO_OLD, SFS_MEMORY_ORIGIN,
        "the changes since this position are no longer kept: follow from now on and drop "
        "what was cached");
}

/* Takes the feed's next change out of the log; the record gets a reference. */
static struct sfs_memory_change take(struct sfs_memory_feed *feed)
{
    struct sfs_memory_log *log = &feed->engine->log;
    struct sfs_memory_change change = *sfs_memory_log_at(log, feed->ordinal);
    feed->ordinal++;
    if (feed->ordinal == sfs_memory_log_end(log) ||
        sfs_memory_log_at(log, feed->ordinal)->sequence != change.sequence)
        feed->since = change.sequence;
    (void)sfs_record_ref(change.record);
    return change;
}

static int feed_next(struct sfs_feed *base, struct sfs_change *ret_change, struct sfs_error *error)
{
    struct sfs_memory_feed *feed = (struct sfs_memory_feed *)base;
    struct sfs_memory_change change = {0};
    pthread_mutex_lock(&feed->engine->lock);
    bool lost = feed->lost;
    bool found = !lost && feed->ordinal < sfs_memory_log_end(&feed->engine->log);
    if (found)
        change = take(feed);
    pthread_mutex_unlock(&feed->engine->lock);
    if (lost)
        return fail_too_old(error);
    if (!found)
        return 0;
    sfs_record_unref(feed->shown);
    feed->shown = change.record;
    ret_change->sequence = change.sequence;
    ret_change->name = change.record->name;
    ret_change->before = change.existed ? change.record : NULL;
    ret_change->revision = change.revision;
    return 1;
}

/* The moment `timeout_ms` from now; a moment that cannot be counted is the last that can. */
static struct timespec moment_after(uint64_t timeout_ms)
{
    const uint64_t longest = (uint64_t)INT32_MAX * 1000;
    int64_t now = sfs_clock_monotonic();
    int64_t wait_ms = (int64_t)(timeout_ms < longest ? timeout_ms : longest);
    int64_t moment = now + wait_ms * SFS_NS_PER_MS;
    return (struct timespec){.tv_sec = moment / SFS_NS_PER_SECOND,
                             .tv_nsec = moment % SFS_NS_PER_SECOND};
}

static int feed_wait(struct sfs_feed *base, uint64_t timeout_ms, struct sfs_error *error)
{
    struct sfs_memory_feed *feed = (struct sfs_memory_feed *)base;
    struct sfs_memory_engine *engine = feed->engine;
    struct timespec until = moment_after(timeout_ms);
    bool timed_out = false;
    pthread_mutex_lock(&engine->lock);
    while (!feed->woken && !feed->lost && !timed_out &&
           feed->ordinal == sfs_memory_log_end(&engine->log))
        timed_out = pthread_cond_timedwait(&engine->committed, &engine->lock, &until) == ETIMEDOUT;
    bool woken = feed->woken;
    bool something = feed->lost || feed->ordinal < sfs_memory_log_end(&engine->log);
    pthread_mutex_unlock(&engine->lock);
    if (woken)
        return sfs_fail(error, SFS_E_CANCELLED, SFS_MEMORY_ORIGIN, "the wait was ended");
    return something;
}

static void feed_wake(struct sfs_feed *base)
{
    struct sfs_memory_feed *feed = (struct sfs_memory_feed *)base;
    pthread_mutex_lock(&feed->engine->lock);
    feed->woken = true;
    pthread_cond_broadcast(&feed->engine->committed);
    pthread_mutex_unlock(&feed->engine->lock);
}

static void feed_close(struct sfs_feed *base)
{
    struct sfs_memory_feed *feed = (struct sfs_memory_feed *)base;
    struct sfs_memory_engine *engine = feed->engine;
    pthread_mutex_lock(&engine->lock);
    struct sfs_memory_feed **link = &engine->feeds;
    while (*link != feed)
        link = &(*link)->next;
    *link = feed->next;
    sfs_memory_engine_trim(engine);
    pthread_mutex_unlock(&engine->lock);
    sfs_record_unref(feed->shown);
    free(feed);
}

static const struct sfs_feed_operations feed_operations = {feed_next, feed_wait, feed_wake,
                                                           feed_close};

int sfs_memory_changes(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error)
{
    struct sfs_memory_engine *engine = sfs_memory_engine_of(store);
    struct sfs_memory_feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        return sfs_fail_memory(error, SFS_MEMORY_ORIGIN);
    feed->feed.operations = &feed_operations;
    feed->engine = engine;
    pthread_mutex_lock(&engine->lock);
    feed->since = since == UINT64_MAX ? engine->current->sequence : since;
    bool known = feed->since >= engine->log.floor && feed->since <= engine->current->sequence;
    if (known) {
        feed->ordinal = sfs_memory_log_after(&engine->log, feed->since);
        feed->next = engine->feeds;
        engine->feeds = feed;
    }
    pthread_mutex_unlock(&engine->lock);
    if (!known) {
        free(feed);
        return fail_too_old(error);
    }
    *ret_feed = &feed->feed;
    return 0;
}
