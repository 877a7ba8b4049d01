/* SPDX-License-Identifier: MIT */
/*
 * Tells the kernel that what it keeps is out of date, from one thread of its own: a notification sent
 * from inside a request, or from a session thread after its reply, can wait for a lock that the
 * kernel holds for just that request.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "fs/node.h"

enum kind { ATTRIBUTES, INODE, ENTRY };

struct notice {
    struct notice *next;
    enum kind kind;
    uint64_t id;
    char name[]; /* of ENTRY */
};

struct fs_notifier {
    struct fs *fs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct notice *first;
    struct notice **last;
    uint64_t queued;
    uint64_t done;
    bool stopping;
};

/* The kernel says ENOENT where it does not know the node any more: just as well. */
static void send_notice(struct fuse_session *session, const struct notice *notice)
{
    switch (notice->kind) {
    case ATTRIBUTES:
        (void)fuse_lowlevel_notify_inval_inode(session, notice->id, -1, 0);
        break;
    case INODE:
        (void)fuse_lowlevel_notify_inval_inode(session, notice->id, 0, 0);
        break;
    case ENTRY:
        (void)fuse_lowlevel_notify_inval_entry(session, notice->id, notice->name, strlen(notice->name));
        break;
    }
}

static void *run(void *context)
{
    struct fs_notifier *notifier = context;
    pthread_mutex_lock(&notifier->lock);
    while (!notifier->stopping || notifier->first != NULL) {
        struct notice *notice = notifier->first;
        if (notice == NULL) {
            pthread_cond_wait(&notifier->changed, &notifier->lock);
            continue;
        }
        notifier->first = notice->next;
        if (notifier->first == NULL)
            notifier->last = &notifier->first;
        bool stopping = notifier->stopping;
        pthread_mutex_unlock(&notifier->lock);
        if (!stopping)
            send_notice(notifier->fs->session, notice);
        free(notice);
        pthread_mutex_lock(&notifier->lock);
        notifier->done++;
        pthread_cond_broadcast(&notifier->changed);
    }
    pthread_mutex_unlock(&notifier->lock);
    return NULL;
}

struct fs_notifier *fs_notifier_new(struct fs *fs)
{
    struct fs_notifier *notifier = calloc(1, sizeof(*notifier));
    pthread_condattr_t attributes;
    if (notifier == NULL)
        return NULL;
    notifier->fs = fs;
    notifier->last = &notifier->first;
    pthread_mutex_init(&notifier->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&notifier->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&notifier->thread, NULL, run, notifier) != 0) {
        pthread_mutex_destroy(&notifier->lock);
        pthread_cond_destroy(&notifier->changed);
        free(notifier);
        return NULL;
    }
    return notifier;
}

void fs_notifier_free(struct fs_notifier *notifier)
{
    if (notifier == NULL)
        return;
    pthread_mutex_lock(&notifier->lock);
    notifier->stopping = true;
    pthread_cond_broadcast(&notifier->changed);
    pthread_mutex_unlock(&notifier->lock);
    pthread_join(notifier->thread, NULL);
    pthread_mutex_destroy(&notifier->lock);
    pthread_cond_destroy(&notifier->changed);
    free(notifier);
}

/* Without memory a notice is lost: the kernel then sees the change when its time-out has passed. */
static void queue(struct fs_notifier *notifier, enum kind kind, uint64_t id, const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    struct notice *notice = malloc(sizeof(*notice) + length + 1);
    if (notice == NULL)
        return;
    notice->next = NULL;
    notice->kind = kind;
    notice->id = id;
    memcpy(notice->name, name != NULL ? name : "", length + 1);
    pthread_mutex_lock(&notifier->lock);
    *notifier->last = notice;
    notifier->last = &notice->next;
    notifier->queued++;
    pthread_cond_broadcast(&notifier->changed);
    pthread_mutex_unlock(&notifier->lock);
}

void fs_notify_attributes(struct fs_notifier *notifier, uint64_t id)
{
    queue(notifier, ATTRIBUTES, id, NULL);
}

void fs_notify_inode(struct fs_notifier *notifier, uint64_t id)
{
    queue(notifier, INODE, id, NULL);
}

void fs_notify_entry(struct fs_notifier *notifier, uint64_t parent, const char *name)
{
    queue(notifier, ENTRY, parent, name);
}

void fs_notify_flush(struct fs_notifier *notifier)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&notifier->lock);
    uint64_t goal = notifier->queued;
    int code = 0;
    while (notifier->done < goal && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&notifier->changed, &notifier->lock, &until);
    pthread_mutex_unlock(&notifier->lock);
}
