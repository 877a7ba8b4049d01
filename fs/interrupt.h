/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_INTERRUPT_H
#define STOREFS_FS_INTERRUPT_H

/*
 * A request in keys/ that only reads and that its program does not want to wait for any more. Between fs_answer_begin()
 * and fs_call_answers() the request may be answered by another thread; nobody else may use it then.
 */
#include "fs/node.h"

struct fs_answer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fs_node *node;
    pthread_t thread; /* that asks the store */
    bool taken; /* somebody answers, or has */
};

/* Whether calls for this node can be given up. */
bool fs_answer_can(const struct fs_node *node);
/* `answer` lives as long as the call. */
void fs_answer_begin(struct fs_answer *answer, struct fs_call *call, struct fs_node *node);
/* Before the reply: whether it is to be sent. False: it was, and the request is gone; what the kernel would have
 * been told of is to be undone. True for calls that cannot be given up. */
bool fs_call_answers(struct fs_call *call);
/* The last use of the call and of its node. */
void fs_answer_end(struct fs_call *call, const struct fs_node *node);

#endif
