/* SPDX-License-Identifier: MIT */
/*
 * The threads that take requests: see loop.h.
 */
#include "fs/loop.h"

#include <errno.h>
#include <linux/fuse.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fs/budget.h"
#include "fs/node.h"

#define SECOND INT64_C(1000000000)
#define AT_ONCE 1500   /* ns: a request that came sooner was waiting already */
#define BACKLOG_MOST 4 /* such requests in a row, at which other processors help */
#define LOOK 10000000  /* ns between two looks of who watches the reader */
#define LARGE ((size_t)64 << 10) /* bytes of a request whose memory an idle thread does not keep   \
                                  */
#define QUIET 20       /* looks without a request, after which it sleeps */

struct loop;

struct worker {
    struct loop *loop;
    struct worker *next;
    pthread_t thread;
    bool reads;       /* it has the role, unless … */
    bool answers;     /* … it answers meanwhile … */
    uint64_t request; /* … this one, and took too long */
    unsigned backlog;
    struct fuse_buf buffer;
};

struct loop {
    struct fs *fs;
    unsigned most;
    bool several; /* processors */
    /* What the reader works on: its number times two, and one more while it does. Only the reader
     * sets it, and who watches takes the one off, with which the role has gone. */
    _Atomic uint64_t request;
    _Atomic bool asleep; /* who watches */
    sem_t wake;          /* it: there is something to watch, or the end */
    pthread_mutex_t lock;
    pthread_cond_t free;
    bool taken; /* somebody has the role */
    _Atomic bool ended;
    unsigned waiting; /* for the role */
    unsigned count;
    struct worker *workers;
    int failure;
};

static _Thread_local struct worker *self;

static void *work(void *context);

/* With the lock held. Signals are for the thread that waits for the end. */
static int start(struct loop *loop)
{
    sigset_t all, before;
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return -ENOMEM;
    worker->loop = loop;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        free(worker);
        return -code;
    }
    worker->next = loop->workers;
    loop->workers = worker;
    loop->count++;
    return 0;
}

/* Where there is no other thread and none can be made, the first that has done its work takes the
 * role. */
static void give_role(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->taken = false;
    bool waited = loop->waiting > 0;
    if (!waited && loop->count < loop->most && !loop->ended)
        (void)start(loop);
    pthread_mutex_unlock(&loop->lock);
    if (waited) /* who is woken finds the lock free */
        pthread_cond_signal(&loop->free);
}

/* --- the reader's own requests --- */

static void request_begin(struct loop *loop)
{
    self->request = ((atomic_load(&loop->request) >> 1) + 1) << 1 | 1;
    atomic_store(&loop->request, self->request);
    if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false))
        sem_post(&loop->wake);
    self->answers = true;
}

/* Afterwards the thread has the role still, unless it took too long. */
static void request_end(struct loop *loop)
{
    uint64_t request = atomic_load(&loop->request);
    if (!self->answers)
        return;
    self->answers = false;
    self->reads = request == self->request &&
                  atomic_compare_exchange_strong(&loop->request, &request, request & ~UINT64_C(1));
}

void fs_loop_yield(void)
{
    if (self == NULL || !self->reads)
        return;
    struct loop *loop = self->loop;
    request_end(loop);
    if (self->reads)
        give_role(loop);
    self->reads = false;
}

void fs_loop_wait(bool waits)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->loop->lock);
    self->loop->most += waits ? 1 : (unsigned)-1;
    pthread_mutex_unlock(&self->loop->lock);
    if (waits)
        fs_loop_yield();
}

/* What a large request has filled, of a thread that has nothing to do now. */
static void drop_pages(struct fuse_buf *buffer)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)buffer->mem + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)buffer->mem + buffer->size) / page * page;
    if (buffer->size > LARGE && buffer->mem != NULL)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    buffer->size = 0;
}

static bool take_role(struct loop *loop)
{
    if (self->reads)
        return !loop->ended;
    drop_pages(&self->buffer);
    pthread_mutex_lock(&loop->lock);
    while (loop->taken && !loop->ended) {
        loop->waiting++;
        pthread_cond_wait(&loop->free, &loop->lock);
        loop->waiting--;
    }
    bool taken = !loop->ended;
    loop->taken = loop->taken || taken;
    pthread_mutex_unlock(&loop->lock);
    self->reads = taken;
    return taken;
}

static void end(struct loop *loop, int failure)
{
    pthread_mutex_lock(&loop->lock);
    if (loop->failure == 0)
        loop->failure = failure;
    loop->ended = true;
    pthread_cond_broadcast(&loop->free);
    pthread_mutex_unlock(&loop->lock);
    fuse_session_exit(loop->fs->session);
    sem_post(&loop->wake);
}

static int64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* 1: a request, 0: none this time, -1: there will be none. */
static int receive(struct loop *loop)
{
    int64_t begun = monotonic();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    int got = fuse_session_receive_buf(loop->fs->session, &self->buffer);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    self->backlog = monotonic() - begun < AT_ONCE ? self->backlog + 1 : 0;
    if (got == -EINTR)
        return 0;
    if (got <= 0)
        end(loop, got);
    return got > 0 ? 1 : -1;
}

/* Requests that are answered from memory or by one short read or commit of the store, as far as those who
 * answer them do not give the role away themselves. */
static bool is_short(uint32_t operation)
{
    switch (operation) {
    case FUSE_LOOKUP:
    case FUSE_GETATTR:
    case FUSE_OPEN:
    case FUSE_CREATE:
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_GETXATTR:
        return true;
    default:
        return false;
    }
}

static bool keeps_role(const struct loop *loop)
{
    const struct fuse_in_header *header = self->buffer.mem;
    if (self->buffer.flags & FUSE_BUF_IS_FD || (loop->several && self->backlog >= BACKLOG_MOST))
        return false;
    if (header->opcode == FUSE_FORGET || header->opcode == FUSE_BATCH_FORGET)
        return true;
    if (!is_short(header->opcode))
        return false;
    const struct fs_node *node = fs_node_find(loop->fs, header->nodeid);
    return node != NULL && (node->class == &fs_keys_leaf_class || node->class == &fs_keys_directory_class);
}

static void *work(void *context)
{
    struct loop *loop = ((struct worker *)context)->loop;
    int got = 1;
    self = context;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    while (got >= 0 && take_role(loop)) {
        got = receive(loop);
        if (got <= 0)
            continue;
        if (keeps_role(loop))
            request_begin(loop);
        else
            fs_loop_yield();
        fuse_session_process_buf(loop->fs->session, &self->buffer);
        fs_budget_give(loop->fs);
        request_end(loop);
        if (fuse_session_exited(loop->fs->session))
            end(loop, 0);
    }
    return NULL;
}

/* --- who watches the reader --- */

static void nap(struct loop *loop, int64_t length)
{
    int64_t end = monotonic() + length;
    struct timespec until = {.tv_sec = end / SECOND, .tv_nsec = end % SECOND};
    sem_clockwait(&loop->wake, CLOCK_MONOTONIC, &until);
}

/* Until the reader has a request again. A signal may come just before the wait: hence its end. */
static void sleep_well(struct loop *loop, uint64_t seen)
{
    atomic_store(&loop->asleep, true);
    if (atomic_load(&loop->request) == seen && !fuse_session_exited(loop->fs->session))
        nap(loop, SECOND);
    atomic_store(&loop->asleep, false);
}

/* A request that should have been short and is not: the store's disk does not answer, perhaps. Others,
 * and the signal that is to end it, must not wait for it. */
static void watch(struct loop *loop)
{
    uint64_t seen = 0;
    unsigned quiet = 0;
    while (!fuse_session_exited(loop->fs->session)) {
        if (quiet < QUIET)
            nap(loop, LOOK);
        else
            sleep_well(loop, seen);
        uint64_t now = atomic_load(&loop->request);
        quiet = now == seen ? quiet + 1 : 0;
        if ((now & 1) != 0 && now == seen &&
            atomic_compare_exchange_strong(&loop->request, &now, now & ~UINT64_C(1)))
            give_role(loop);
        seen = atomic_load(&loop->request);
    }
}

static void stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->ended = true; /* nobody starts another from now on */
    pthread_cond_broadcast(&loop->free);
    struct worker *next = loop->workers;
    pthread_mutex_unlock(&loop->lock);
    for (struct worker *worker = next; worker != NULL; worker = worker->next)
        pthread_cancel(worker->thread);
    while (next != NULL) {
        struct worker *worker = next;
        next = worker->next;
        pthread_join(worker->thread, NULL);
        free(worker->buffer.mem);
        free(worker);
    }
}

int fs_loop_run(struct fs *fs, unsigned most)
{
    struct loop loop = {.fs = fs, .most = most};
    cpu_set_t processors;
    loop.several =
        sched_getaffinity(0, sizeof(processors), &processors) != 0 || CPU_COUNT(&processors) > 1;
    pthread_mutex_init(&loop.lock, NULL);
    pthread_cond_init(&loop.free, NULL);
    sem_init(&loop.wake, 0, 0);
    pthread_mutex_lock(&loop.lock);
    int code = start(&loop);
    pthread_mutex_unlock(&loop.lock);
    if (code == 0)
        watch(&loop); /* a signal ends it, too */
    stop(&loop);
    sem_destroy(&loop.wake);
    pthread_cond_destroy(&loop.free);
    pthread_mutex_destroy(&loop.lock);
    return code < 0 ? code : loop.failure;
}
