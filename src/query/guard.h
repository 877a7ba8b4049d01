/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_GUARD_H
#define SFS_QUERY_GUARD_H

/*
 * Guard: what one running query may use, and whether it has to stop. All cursors of the query ask
 * the same one. Belongs to one thread.
 */
#include "storefs/query.h"

#define SFS_GUARD_EVERY 256

struct sfs_guard {
    struct sfs_query_options options; /* all set: defaults filled in */
    int64_t deadline;                 /* of the monotonic clock; 0: none */
    unsigned steps;
};

/* The time starts to run. */
void sfs_guard_begin(struct sfs_guard *guard, const struct sfs_query_options *options);
/* Asks now. */
int sfs_guard_ask(const struct sfs_guard *guard, struct sfs_error *error);
/* To be asked at every row or step: looks at each 256th. 0, CANCELLED, TIMED_OUT. */
static inline int sfs_guard_check(struct sfs_guard *guard, struct sfs_error *error)
{
    return guard->steps++ % SFS_GUARD_EVERY ? 0 : sfs_guard_ask(guard, error);
}
/* A cursor over `input`, which it takes over on success, that asks at every row; `input` itself
 * where there is nothing to ask. */
int sfs_guard_cursor(struct sfs_cursor *input, struct sfs_guard *guard,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error);

#endif
