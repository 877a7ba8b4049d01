/* SPDX-License-Identifier: MIT */
/*
 * The operations on names: rename and exchange, of one record and of a whole prefix. Records that
 * change places stand for a moment under a temporary name (see backend.h).
 */
#include <stdio.h>

#include "core/apply.h"

int sfs_apply_move(struct sfs_apply_run *run, const struct sfs_record *before, struct sfs_bytes to,
                   int64_t time, struct sfs_error *error)
{
    struct sfs_record form = *before;
    const struct sfs_record *made = NULL;
    form.name = to;
    form.attributes.changed = time;
    int rc = sfs_apply_form(run, &form, &made, error);
    if (rc)
        return rc;
    rc = sfs_apply_engine_move(run, before, made, error);
    sfs_record_unref(made);
    return rc;
}

/* Looks the record up and moves it. */
static int move_name(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                     int64_t time, struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    int rc = sfs_apply_need(run, from, 0, &before, error);
    if (rc)
        return rc;
    rc = sfs_apply_move(run, before, to, time, error);
    sfs_record_unref(before);
    return rc;
}

/* Removes what is at the target of a rename. */
static int free_target(struct sfs_apply_run *run, struct sfs_operation *operation,
                       struct sfs_error *error)
{
    char shown[200];
    const struct sfs_record *taken = NULL;
    int rc = sfs_apply_find(run, operation->target, 0, &taken, error);
    if (rc || !taken)
        return rc;
    if (operation->flags & SFS_BATCH_NO_REPLACE)
        rc = sfs_fail(error, SFS_E_EXISTS, "apply", "key '%s' exists",
                      sfs_name_show(operation->target, shown, sizeof(shown)));
    else
        rc = sfs_apply_engine_remove(run, taken, error);
    sfs_record_unref(taken);
    operation->affected++;
    return rc;
}

int sfs_apply_rename(struct sfs_apply_run *run, struct sfs_operation *operation,
                     struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    int rc = sfs_apply_need(run, operation->name, 0, &before, error);
    if (rc)
        return rc;
    if (!sfs_bytes_equal(operation->name, operation->target)) {
        rc = free_target(run, operation, error);
        if (rc == 0)
            rc = sfs_apply_move(run, before, operation->target, operation->time, error);
        operation->affected++;
    }
    sfs_record_unref(before);
    return rc;
}

int sfs_apply_exchange(struct sfs_apply_run *run, struct sfs_operation *operation,
                       struct sfs_error *error)
{
    const struct sfs_bytes temporary = SFS_LITERAL(SFS_TEMPORARY_PREFIX);
    struct sfs_bytes a = operation->name, b = operation->target;
    const struct sfs_record *second = NULL;
    int rc = sfs_apply_need(run, b, 0, &second, error);
    if (rc)
        return rc;
    sfs_record_unref(second);
    if (sfs_bytes_equal(a, b))
        return 0;
    rc = move_name(run, a, temporary, operation->time, error);
    if (rc == 0)
        rc = move_name(run, b, a, operation->time, error);
    if (rc == 0)
        rc = move_name(run, temporary, b, operation->time, error);
    operation->affected = 2;
    return rc;
}

/* --- prefixes --- */

/* A record's name with `to` in place of `from` at its beginning. */
static int replace_prefix(struct sfs_bytes name, struct sfs_bytes from, struct sfs_bytes to,
                          struct sfs_buffer *ret_name, struct sfs_error *error)
{
    ret_name->size = 0;
    if (sfs_buffer_add(ret_name, to) ||
        sfs_buffer_append(ret_name, (const char *)name.data + from.size, name.size - from.size))
        return sfs_fail_memory(error, "apply");
    return 0;
}

static int move_each(struct sfs_apply_run *run, struct sfs_range range, struct sfs_bytes to,
                     int64_t time, uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    struct sfs_bytes from = range.from;
    const struct sfs_record *first = NULL;
    uint64_t count = 0;
    int rc = sfs_apply_first(run, range, &first, error);
    while (rc == 0 && first) {
        rc = replace_prefix(first->name, from, to, &name, error);
        if (rc == 0)
            rc = sfs_apply_move(run, first, sfs_buffer_bytes(&name), time, error);
        sfs_record_unref(first);
        if (rc)
            break;
        count++;
        /* What was moved has left the range, since neither prefix contains the other. */
        rc = sfs_apply_first(run, range, &first, error);
    }
    sfs_buffer_free(&name);
    *ret_count = count;
    return rc;
}

static int move_prefix(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                       int64_t time, uint64_t *ret_count, struct sfs_error *error)
{
    struct sfs_buffer end = {0};
    struct sfs_range range;
    int rc = sfs_apply_engine_move_prefix(run, from, to, time, ret_count, error);
    if (rc != SFS_E_UNSUPPORTED)
        return rc;
    rc = sfs_range_prefix(from, &end, &range);
    rc = rc ? sfs_fail_memory(error, "apply") : move_each(run, range, to, time, ret_count, error);
    sfs_buffer_free(&end);
    return rc;
}

/* Of a record that a move would rename. */
static int check_moved(const struct sfs_apply_run *run, struct sfs_bytes name, size_t size,
                       struct sfs_error *error)
{
    char shown[150], others[200];
    struct sfs_error failure = {0};
    int rc = sfs_apply_check_size(run, name, size, &failure);
    if (rc == 0)
        return 0;
    snprintf(others, sizeof(others), ": '%s'", sfs_name_show(name, shown, sizeof(shown)));
    return sfs_fail_others(error, rc, "apply", others,
                           "a key below it would have %zu bytes, more than this store takes", size);
}

/* Looks at every name of the range; the name of each record found is where the next step begins. */
static int check_each_size(struct sfs_apply_run *run, struct sfs_range range, size_t from_size,
                           size_t to_size, struct sfs_error *error)
{
    struct sfs_buffer next = {0};
    const struct sfs_record *first = NULL;
    int rc = 0;
    while ((rc = sfs_apply_first(run, range, &first, error)) == 0 && first) {
        rc = check_moved(run, first->name, sfs_name_length(first->name) - from_size + to_size,
                         error);
        next.size = 0;
        if (rc == 0 && (sfs_buffer_add(&next, first->name) || sfs_buffer_byte(&next, '\0')))
            rc = sfs_fail_memory(error, "apply");
        sfs_record_unref(first);
        if (rc)
            break;
        range.from = sfs_buffer_bytes(&next);
    }
    sfs_buffer_free(&next);
    return rc;
}

/* Asks the engine for the longest name: 1 it fits for sure, 0 each is to be looked at, or an error.
 */
static int check_longest(struct sfs_apply_run *run, struct sfs_range range, size_t from_size,
                         size_t to_size, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *longest = NULL;
    if (!run->operations->longest)
        return 0;
    int rc = run->operations->longest(run, range, &longest, &failure);
    if (rc && rc != SFS_E_NOT_FOUND) {
        if (error)
            *error = failure;
        return rc;
    }
    if (!longest)
        return 1;
    /* A key may be as long as a marker is with its NUL. */
    bool marker = sfs_name_is_marker(longest->name);
    rc = check_moved(run, longest->name, longest->name.size - from_size + to_size,
                     marker ? NULL : error);
    sfs_record_unref(longest);
    return rc == 0 ? 1 : marker ? 0 : rc;
}

/* Refuses a move that would make a name too long, before anything has moved. */
static int check_sizes(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                       struct sfs_error *error)
{
    struct sfs_buffer end = {0};
    struct sfs_range range;
    if (to.size <= from.size)
        return 0;
    if (sfs_range_prefix(from, &end, &range))
        return sfs_fail_memory(error, "apply");
    int rc = check_longest(run, range, from.size, to.size, error);
    if (rc == 0)
        rc = check_each_size(run, range, from.size, to.size, error);
    sfs_buffer_free(&end);
    return rc < 0 ? rc : 0;
}

static int check_nothing_below(struct sfs_apply_run *run, struct sfs_bytes prefix,
                               struct sfs_error *error)
{
    char shown[150], others[200];
    struct sfs_buffer end = {0};
    struct sfs_range range;
    const struct sfs_record *first = NULL;
    if (sfs_range_prefix(prefix, &end, &range))
        return sfs_fail_memory(error, "apply");
    int rc = sfs_apply_first(run, range, &first, error);
    sfs_buffer_free(&end);
    if (rc || !first)
        return rc;
    snprintf(others, sizeof(others), ": it holds '%s'",
             sfs_name_show(first->name, shown, sizeof(shown)));
    rc = sfs_fail_others(error, SFS_E_NOT_EMPTY, "apply", others,
                         "the directory to be replaced is not empty");
    sfs_record_unref(first);
    return rc;
}

int sfs_apply_rename_prefix(struct sfs_apply_run *run, struct sfs_operation *operation,
                            struct sfs_error *error)
{
    int rc = check_nothing_below(run, operation->target, error);
    if (rc == 0)
        rc = check_sizes(run, operation->name, operation->target, error);
    return rc ? rc
              : move_prefix(run, operation->name, operation->target, operation->time,
                            &operation->affected, error);
}

int sfs_apply_exchange_prefix(struct sfs_apply_run *run, struct sfs_operation *operation,
                              struct sfs_error *error)
{
    const struct sfs_bytes temporary = SFS_LITERAL(SFS_TEMPORARY_PREFIX);
    struct sfs_bytes a = operation->name, b = operation->target;
    uint64_t first = 0, second = 0, back = 0;
    int rc = check_sizes(run, a, b, error);
    if (rc == 0)
        rc = check_sizes(run, b, a, error);
    if (rc == 0)
        rc = move_prefix(run, a, temporary, operation->time, &first, error);
    if (rc == 0)
        rc = move_prefix(run, b, a, operation->time, &second, error);
    if (rc == 0)
        rc = move_prefix(run, temporary, b, operation->time, &back, error);
    operation->affected = first + second;
    return rc;
}
