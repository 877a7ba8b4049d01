/* SPDX-License-Identifier: MIT */
/*
 * Requests that only read can be given up: when whoever waits for one gets a signal, and the store does not
 * answer for some time longer, it is told EINTR, while the thread that asks the store goes on by itself and finds that
 * nobody wants its answer any more.
 */
#include "fs/interrupt.h"

#include <errno.h>
#include <time.h>

#define GRACE 1 /* seconds: a signal that does not end the program, a timer's for one, interrupts too */

/* Called by a session thread, for the request of another; libfuse keeps the request meanwhile. */
static void give_up(fuse_req_t request, void *context)
{
    struct fs_answer *answer = context;
    struct timespec until;
    if (pthread_equal(answer->thread, pthread_self()))
        return; /* the signal came before fs_answer_begin(): it is for the program to wait */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GRACE;
    pthread_mutex_lock(&answer->lock);
    int code = 0;
    while (!answer->taken && code != ETIMEDOUT)
        code = pthread_cond_clockwait(&answer->changed, &answer->lock, CLOCK_MONOTONIC, &until);
    bool given_up = !answer->taken;
    answer->taken = true;
    if (given_up) /* the kernel may forget the node now, while the call goes on */
        fs_node_hold(fuse_req_userdata(request), answer->node);
    pthread_mutex_unlock(&answer->lock);
    if (given_up)
        fuse_reply_err(request, EINTR);
}

bool fs_answer_can(const struct fs_node *node)
{
    return node != NULL && (node->class == &fs_keys_directory_class || node->class == &fs_keys_leaf_class ||
                            node->class == &fs_root_class); /* which looks at keys/ */
}

void fs_answer_begin(struct fs_answer *answer, struct fs_call *call, struct fs_node *node)
{
    if (!fs_answer_can(node))
        return;
    *answer = (struct fs_answer){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
                                .node = node,
                                .thread = pthread_self()};
    call->answer = answer;
    fuse_req_interrupt_func(call->request, give_up, answer);
}

bool fs_call_answers(struct fs_call *call)
{
    struct fs_answer *answer = call->answer;
    if (answer == NULL)
        return !call->given_up;
    call->answer = NULL;
    pthread_mutex_lock(&answer->lock);
    bool ours = !answer->taken;
    answer->taken = true;
    pthread_cond_broadcast(&answer->changed);
    pthread_mutex_unlock(&answer->lock);
    if (ours) /* waits until give_up(), if it was called, is done with `answer` */
        fuse_req_interrupt_func(call->request, NULL, NULL);
    call->given_up = !ours;
    return ours;
}

void fs_answer_end(struct fs_call *call, const struct fs_node *node)
{
    if (call->given_up)
        fs_node_forget(call->fs, node->id, 1);
}
