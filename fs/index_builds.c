/* SPDX-License-Identifier: MIT */
/*
 * Indexes that are being made. The kernel holds the lock of indexes/ for as long as a mkdir in it
 * lasts, and nobody else can look up a name there; so the building has a thread of its own, and
 * mkdir leaves it alone with the work when that takes long.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "fs/indexes.h"
#include "storefs/index.h"

#define PATIENCE_MS 1000 /* that mkdir waits, so that the error of a short building is its own */
#define TICK_MS 20       /* in which it looks whether it is interrupted */

struct build {
    struct build *next;
    struct fs *fs;
    struct sfs_storage *store;
    struct sfs_buffer name;
    pthread_t thread;
    /* under the lock of all */
    bool begun;   /* the index is there, to be looked at */
    bool stopped; /* whoever asked for it has thought better of it */
    bool left;    /* by its mkdir */
    bool done;
    int code;
    struct sfs_error error;
};

struct fs_index_builds {
    pthread_mutex_t lock; /* never held while the store is asked */
    pthread_cond_t changed;
    struct build *first;
};

struct fs_index_builds *fs_index_builds_new(void)
{
    struct fs_index_builds *builds = calloc(1, sizeof(*builds));
    pthread_condattr_t attributes;
    if (builds == NULL)
        return NULL;
    pthread_mutex_init(&builds->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&builds->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return builds;
}

/* --- the thread --- */

static int step(void *context, uint64_t done, uint64_t total)
{
    struct build *build = context;
    struct fs_index_builds *builds = build->fs->index_builds;
    (void)done;
    (void)total;
    pthread_mutex_lock(&builds->lock);
    build->begun = true;
    bool stopped = build->stopped;
    pthread_cond_broadcast(&builds->changed);
    pthread_mutex_unlock(&builds->lock);
    return stopped;
}

/* Nobody waits for the error any more: it is kept where the mount keeps all. */
static void keep_error(struct build *build)
{
    struct sfs_buffer path = {0};
    if (sfs_buffer_add(&path, SFS_LITERAL("indexes/")) == 0 &&
        sfs_buffer_add(&path, sfs_buffer_bytes(&build->name)) == 0 && sfs_buffer_text(&path) == 0)
        fs_errors_keep(build->fs, NULL, "mkdir", path.data, &build->error);
    sfs_buffer_free(&path);
}

static void *run(void *context)
{
    struct build *build = context;
    struct fs_index_builds *builds = build->fs->index_builds;
    int code = sfs_index_create(build->store, sfs_buffer_bytes(&build->name), step, build, &build->error);
    pthread_mutex_lock(&builds->lock);
    build->code = code;
    build->done = true;
    bool alone = build->left;
    pthread_cond_broadcast(&builds->changed);
    pthread_mutex_unlock(&builds->lock);
    /* (rmdir ends one with CANCELLED, and knows.) */
    if (alone && code < 0 && code != SFS_E_CANCELLED)
        keep_error(build);
    return NULL;
}

/* --- beginning and ending --- */

/* Takes the next that is done, or any, out of the list; NULL. */
static struct build *take(struct fs_index_builds *builds, bool any)
{
    struct build **link = &builds->first;
    pthread_mutex_lock(&builds->lock);
    while (*link != NULL && !any && !((*link)->left && (*link)->done))
        link = &(*link)->next;
    struct build *build = *link;
    if (build != NULL)
        *link = build->next;
    pthread_mutex_unlock(&builds->lock);
    return build;
}

static void build_free(struct build *build)
{
    sfs_buffer_free(&build->name);
    free(build);
}

static void end_builds(struct fs_index_builds *builds, bool all)
{
    struct build *build;
    while ((build = take(builds, all)) != NULL) {
        pthread_join(build->thread, NULL);
        build_free(build);
    }
}

void fs_index_builds_free(struct fs_index_builds *builds)
{
    if (builds == NULL)
        return;
    end_builds(builds, true);
    pthread_cond_destroy(&builds->changed);
    pthread_mutex_destroy(&builds->lock);
    free(builds);
}

static void wait_a_tick(struct fs_index_builds *builds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&builds->changed, &builds->lock, &until);
}

/* Waits until it is done: true, or goes on without mkdir. */
static bool wait_for(struct fs_index_builds *builds, struct build *build, fuse_req_t request)
{
    int64_t until = fs_monotonic_ms() + PATIENCE_MS;
    /* Whether two keys hold one value is known at the end, and then mkdir must have failed. */
    bool stays = sfs_bytes_starts(sfs_buffer_bytes(&build->name), SFS_LITERAL("unique:"));
    pthread_mutex_lock(&builds->lock);
    while (!build->done && (stays || build->stopped || !build->begun || fs_monotonic_ms() < until)) {
        wait_a_tick(builds);
        build->stopped = build->stopped || fuse_req_interrupted(request);
    }
    build->left = !build->done;
    bool done = build->done;
    pthread_mutex_unlock(&builds->lock);
    return done;
}

static void unlist(struct fs_index_builds *builds, const struct build *build)
{
    struct build **link = &builds->first;
    pthread_mutex_lock(&builds->lock);
    while (*link != build)
        link = &(*link)->next;
    *link = build->next;
    pthread_mutex_unlock(&builds->lock);
}

/* Begins it, in the list. */
static int begin(struct fs_call *call, struct sfs_storage *store, struct sfs_bytes name,
                 struct build **ret_build)
{
    struct fs_index_builds *builds = call->fs->index_builds;
    struct build *build = calloc(1, sizeof(*build));
    int code = build == NULL ? SFS_E_NO_MEMORY : sfs_buffer_add(&build->name, name);
    if (code == 0) {
        build->fs = call->fs;
        build->store = store;
        pthread_mutex_lock(&builds->lock);
        code = pthread_create(&build->thread, NULL, run, build) == 0 ? 0 : SFS_E_NO_MEMORY;
        if (code == 0) {
            build->next = builds->first;
            builds->first = build;
        }
        pthread_mutex_unlock(&builds->lock);
    }
    if (code < 0) {
        if (build != NULL)
            build_free(build);
        return sfs_fail_memory(&call->error, "mount");
    }
    *ret_build = build;
    return 0;
}

int fs_index_build(struct fs_call *call, struct sfs_storage *store, struct sfs_bytes name)
{
    struct fs_index_builds *builds = call->fs->index_builds;
    struct build *build = NULL;
    end_builds(builds, false);
    int code = begin(call, store, name, &build);
    if (code < 0 || !wait_for(builds, build, call->request))
        return code;
    unlist(builds, build);
    pthread_join(build->thread, NULL);
    code = build->code;
    if (code < 0)
        call->error = build->error;
    build_free(build);
    return code;
}
