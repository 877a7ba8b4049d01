/* SPDX-License-Identifier: MIT */
/*
 * Tells the kernel that attributes which it keeps are out of date, from one thread of its own. That is the
 * only notice there is: the kernel takes no lock for it that waits for a daemon. What follows from it, and
 * why names and pages are not taken from the kernel, is told in doc/decisions/kernel-notifications.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "fs/node.h"

#define TRIES 4          /* of a notice about a node that the kernel does not know */
#define WAITING_MOST 65536 /* nodes in the queue; what more comes is one notice about all nodes */
#define PAUSE INT64_C(4) /* before the second try, ms; each further one waits eight times as long */

struct notice {
    struct notice *next;
    uint64_t id;
    uint64_t *many; /* in its place, if not NULL */
    size_t count;
    bool all;    /* in place of both: about every node that there is when it is sent */
    int64_t due; /* ms of the monotonic clock, of a further try */
    unsigned tries;
};

struct queue {
    struct notice *first;
    struct notice **last;
};

struct fs_notifier {
    struct fs *fs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct queue fresh;
    struct queue again; /* those that the kernel did not know, by the time they are due */
    int64_t names_until; /* fs_notify_name */
    size_t waiting;      /* nodes that the fresh ones are about */
    bool overflow;       /* one about all nodes is among them */
    uint64_t queued;
    uint64_t done;
    _Atomic bool stopping;
};

int64_t fs_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct timespec at(int64_t milliseconds)
{
    return (struct timespec){.tv_sec = (time_t)(milliseconds / 1000),
                             .tv_nsec = (long)(milliseconds % 1000) * 1000000};
}

static void push(struct queue *queue, struct notice *notice)
{
    notice->next = NULL;
    *queue->last = notice;
    queue->last = &notice->next;
}

static struct notice *pop(struct queue *queue)
{
    struct notice *notice = queue->first;
    queue->first = notice->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    return notice;
}

/* In order of time, of which there are few. */
static void push_again(struct queue *queue, struct notice *notice)
{
    struct notice **link = &queue->first;
    while (*link != NULL && (*link)->due <= notice->due)
        link = &(*link)->next;
    notice->next = *link;
    *link = notice;
    if (notice->next == NULL)
        queue->last = &notice->next;
}

/*
 * A node that the kernel does not know may be one that it was told of in a reply that it has not looked at
 * yet, with attributes that are old now: it is told once more, a little later.
 */
static bool send_one(struct fs *fs, struct notice *notice)
{
    int code = fuse_lowlevel_notify_inval_inode(fs->session, notice->id, -1, 0);
    if (code != -ENOENT || notice->tries + 1 >= TRIES || fs_node_find(fs, notice->id) == NULL)
        return true;
    notice->due = fs_monotonic_ms() + (PAUSE << (3 * notice->tries));
    notice->tries++;
    return false;
}

static void free_notice(struct notice *notice)
{
    free(notice->many);
    free(notice);
}

struct collection {
    struct notice *notice;
    size_t room;
};

static void collect(void *context, struct fs_node *node)
{
    struct collection *collection = context;
    if (collection->notice->count < collection->room)
        collection->notice->many[collection->notice->count++] = node->id;
}

/* Makes one about all nodes one about each of them; without memory the kernel sees the changes when
 * its time-out has passed. A node that is made meanwhile is told of as it is by then. */
static void expand(struct fs *fs, struct notice *notice)
{
    struct collection collection = {notice, fs_node_count(fs) + 64};
    notice->many = calloc(collection.room, sizeof(uint64_t));
    if (notice->many != NULL)
        fs_nodes_visit(fs, collect, &collection);
}

/* True where it is done with; else it is to be sent once more. */
static bool send_notice(struct fs_notifier *notifier, struct notice *notice)
{
    if (notice->all)
        expand(notifier->fs, notice);
    if (notice->many == NULL)
        return notice->all || send_one(notifier->fs, notice);
    notice->all = false;
    /* One at a time: it stands for each of them in turn, and for those that are to be sent again. */
    size_t again = 0;
    for (size_t i = 0; i < notice->count && !notifier->stopping; i++) {
        struct notice one = {.id = notice->many[i], .tries = notice->tries};
        if (!send_one(notifier->fs, &one)) {
            notice->many[again++] = one.id;
            notice->due = one.due;
        }
    }
    notice->count = again;
    notice->tries++;
    return again == 0;
}

static size_t nodes_of(const struct notice *notice)
{
    return notice->many != NULL ? notice->count : 1;
}

/* What changes while one about all nodes is sent needs another one. */
static struct notice *pop_fresh(struct fs_notifier *notifier)
{
    struct notice *notice = pop(&notifier->fresh);
    notifier->waiting -= nodes_of(notice);
    notifier->overflow = notifier->overflow && !notice->all;
    return notice;
}

/* The next that is to be sent now, waited for if need be; NULL: the end. With the lock held. */
static struct notice *next_notice(struct fs_notifier *notifier)
{
    for (;;) {
        struct notice *again = notifier->again.first;
        if (notifier->stopping)
            return NULL;
        if (again != NULL && again->due <= fs_monotonic_ms())
            return pop(&notifier->again);
        if (notifier->fresh.first != NULL)
            return pop_fresh(notifier);
        if (again == NULL) {
            pthread_cond_wait(&notifier->changed, &notifier->lock);
            continue;
        }
        struct timespec until = at(again->due);
        pthread_cond_timedwait(&notifier->changed, &notifier->lock, &until);
    }
}

static void *run(void *context)
{
    struct fs_notifier *notifier = context;
    struct notice *notice;
    pthread_mutex_lock(&notifier->lock);
    while ((notice = next_notice(notifier)) != NULL) {
        bool first = notice->tries == 0;
        pthread_mutex_unlock(&notifier->lock);
        bool sent = send_notice(notifier, notice);
        if (sent)
            free_notice(notice);
        pthread_mutex_lock(&notifier->lock);
        if (!sent)
            push_again(&notifier->again, notice);
        notifier->done += first;
        pthread_cond_broadcast(&notifier->changed);
    }
    pthread_mutex_unlock(&notifier->lock);
    return NULL;
}

static void drop(struct queue *queue)
{
    while (queue->first != NULL)
        free_notice(pop(queue));
}

struct fs_notifier *fs_notifier_new(struct fs *fs)
{
    struct fs_notifier *notifier = calloc(1, sizeof(*notifier));
    pthread_condattr_t attributes;
    if (notifier == NULL)
        return NULL;
    notifier->fs = fs;
    notifier->fresh.last = &notifier->fresh.first;
    notifier->again.last = &notifier->again.first;
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
    drop(&notifier->fresh);
    drop(&notifier->again);
    pthread_mutex_destroy(&notifier->lock);
    pthread_cond_destroy(&notifier->changed);
    free(notifier);
}

/* Takes over `many`. Without memory a notice is lost: the kernel then sees the change when its time-out has
 * passed. */
static void enqueue(struct fs_notifier *notifier, uint64_t id, uint64_t *many, size_t count)
{
    struct notice *notice = calloc(1, sizeof(*notice));
    if (notice == NULL) {
        free(many);
        return;
    }
    notice->id = id;
    notice->many = many;
    notice->count = count;
    pthread_mutex_lock(&notifier->lock);
    bool full = notifier->waiting > 0 && notifier->waiting + nodes_of(notice) > WAITING_MOST;
    bool covered = full && notifier->overflow;
    if (full) {
        notice->many = NULL;
        notice->all = notifier->overflow = true;
    }
    if (!covered) {
        notifier->waiting += nodes_of(notice);
        notifier->queued++;
        push(&notifier->fresh, notice);
        pthread_cond_broadcast(&notifier->changed);
    }
    pthread_mutex_unlock(&notifier->lock);
    if (covered)
        free(notice);
    if (full)
        free(many);
}

void fs_notify_attributes(struct fs_notifier *notifier, uint64_t id)
{
    enqueue(notifier, id, NULL, 0);
}

void fs_notify_many(struct fs_notifier *notifier, uint64_t *ids, size_t count)
{
    enqueue(notifier, 0, ids, count);
}

void fs_notify_name(struct fs_notifier *notifier, int64_t until)
{
    pthread_mutex_lock(&notifier->lock);
    if (until > notifier->names_until)
        notifier->names_until = until;
    pthread_mutex_unlock(&notifier->lock);
}

void fs_notify_flush(struct fs_notifier *notifier)
{
    int64_t now = fs_monotonic_ms();
    struct timespec until = at(now + 1000);
    pthread_mutex_lock(&notifier->lock);
    uint64_t goal = notifier->queued;
    int code = 0;
    while (notifier->done < goal && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&notifier->changed, &notifier->lock, &until);
    bool named = notifier->names_until > now;
    until = at(notifier->names_until + 10);
    for (code = 0; named && code != ETIMEDOUT;)
        code = pthread_cond_timedwait(&notifier->changed, &notifier->lock, &until);
    pthread_mutex_unlock(&notifier->lock);
}
