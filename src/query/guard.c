/* SPDX-License-Identifier: MIT */
/* Time limits and cancellation of queries. */
#include "query/guard.h"

#include <stdlib.h>

#include "query/run.h"
#include "storefs/backend.h"
#include "util/clock.h"

void sfs_guard_begin(struct sfs_guard *guard, const struct sfs_query_options *options)
{
    *guard = (struct sfs_guard){.options = *options};
    if (guard->options.memory == 0)
        guard->options.memory = SFS_QUERY_MEMORY;
    int64_t limit;
    if (options->time_ms > 0 &&
        !__builtin_mul_overflow(options->time_ms, (uint64_t)SFS_NS_PER_MS, &limit))
        __builtin_add_overflow(sfs_clock_monotonic(), limit, &guard->deadline);
}

int sfs_guard_ask(const struct sfs_guard *guard, struct sfs_error *error)
{
    const struct sfs_query_options *options = &guard->options;
    if (options->cancelled && options->cancelled(options->context))
        return sfs_fail(error, SFS_E_CANCELLED, "query", "the query was cancelled");
    if (guard->deadline > 0 && sfs_clock_monotonic() >= guard->deadline)
        return sfs_fail(error, SFS_E_TIMED_OUT, "query",
                        "the query took longer than its limit of %llu ms",
                        (unsigned long long)options->time_ms);
    return 0;
}

struct guarded {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    struct sfs_guard *guard;
};

static int guarded_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct guarded *guarded = (struct guarded *)cursor;
    int result = sfs_guard_check(guarded->guard, error);
    return result ? result : sfs_cursor_next(guarded->input, ret_record, error);
}

static void guarded_close(struct sfs_cursor *cursor)
{
    sfs_cursor_close(((struct guarded *)cursor)->input);
    free(cursor);
}

int sfs_guard_cursor(struct sfs_cursor *input, struct sfs_guard *guard,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = guarded_next, .seek = sfs_query_no_seek, .close = guarded_close};
    if (!guard->options.cancelled && guard->deadline == 0) {
        *ret_cursor = input;
        return 0;
    }
    struct guarded *guarded = malloc(sizeof(*guarded));
    if (!guarded)
        return sfs_fail_memory(error, "query");
    *guarded = (struct guarded){.cursor = {&operations}, .input = input, .guard = guard};
    *ret_cursor = &guarded->cursor;
    return 0;
}
