/* SPDX-License-Identifier: MIT */
/*
 * Preconditions of a batch, and the sentences that tell a person why one does not hold.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/apply.h"

static int fail_changed(struct sfs_bytes name, uint64_t revision, uint64_t expected,
                        struct sfs_error *error)
{
    char shown[200];
    sfs_name_show(name, shown, sizeof(shown));
    if (revision && expected)
        return sfs_fail(error, SFS_E_CONFLICT, "apply",
                        "key '%s' was changed by another: revision %" PRIu64 ", expected %" PRIu64,
                        shown, revision, expected);
    if (revision)
        return sfs_fail(error, SFS_E_CONFLICT, "apply",
                        "key '%s' exists, made by another: revision %" PRIu64 ", expected none",
                        shown, revision);
    return sfs_fail(error, SFS_E_CONFLICT, "apply",
                    "key '%s' is gone, deleted by another: expected revision %" PRIu64, shown,
                    expected);
}

static int require_absent(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                          struct sfs_error *error)
{
    char shown[200];
    const struct sfs_record *present = NULL;
    int rc = sfs_apply_find(run, condition->range.from, 0, &present, error);
    if (rc || !present)
        return rc;
    rc = sfs_fail(error, SFS_E_EXISTS, "apply", "key '%s' exists: revision %" PRIu64,
                  sfs_name_show(condition->range.from, shown, sizeof(shown)), present->revision);
    sfs_record_unref(present);
    return rc;
}

static int require_revision(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                            struct sfs_error *error)
{
    const struct sfs_record *present = NULL;
    int rc = sfs_apply_find(run, condition->range.from, 0, &present, error);
    if (rc)
        return rc;
    uint64_t revision = present ? present->revision : 0;
    sfs_record_unref(present);
    if (revision == condition->number)
        return 0;
    return fail_changed(condition->range.from, revision, condition->number, error);
}

static int require_id(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                      struct sfs_error *error)
{
    char shown[200];
    const struct sfs_record *present = NULL;
    int rc = sfs_apply_find(run, condition->range.from, 0, &present, error);
    if (rc)
        return rc;
    uint64_t id = present ? present->attributes.id : 0;
    uint64_t revision = present ? present->revision : 0;
    sfs_record_unref(present);
    if (id == condition->number)
        return 0;
    sfs_name_show(condition->range.from, shown, sizeof(shown));
    if (id == 0)
        return sfs_fail(error, SFS_E_CONFLICT, "apply",
                        "key '%s' is gone: expected record %" PRIu64, shown, condition->number);
    return sfs_fail(error, SFS_E_CONFLICT, "apply",
                    "key '%s' is another record now: %" PRIu64 " (revision %" PRIu64
                    "), expected record %" PRIu64,
                    shown, id, revision, condition->number);
}

static int require_empty(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                         struct sfs_error *error)
{
    char shown[150], others[200];
    const struct sfs_record *first = NULL;
    int rc = sfs_apply_first(run, condition->range, &first, error);
    if (rc || !first)
        return rc;
    snprintf(others, sizeof(others), ": '%s' is there (revision %" PRIu64 ")",
             sfs_name_show(first->name, shown, sizeof(shown)), first->revision);
    rc = sfs_fail_others(error, SFS_E_NOT_EMPTY, "apply", others,
                         "there is a key where there must be none");
    sfs_record_unref(first);
    return rc;
}

/* Whether the range is one name, which the caller has named. */
static bool is_single(struct sfs_range range)
{
    return range.to.size == range.from.size + 1 && sfs_bytes_starts(range.to, range.from) &&
           ((const char *)range.to.data)[range.from.size] == '\0';
}

static int visit_unchanged(void *context, struct sfs_bytes name, const struct sfs_record *before,
                           const struct sfs_record *after, uint64_t revision,
                           struct sfs_error *error)
{
    const struct sfs_precondition *condition = context;
    char shown[150], others[200];
    if (sfs_name_is_temporary(name))
        return 0;
    sfs_name_show(name, shown, sizeof(shown));
    if (!after && before)
        snprintf(others, sizeof(others), ": key '%s' is gone, of revision %" PRIu64, shown,
                 before->revision);
    else
        snprintf(others, sizeof(others), ": key '%s', revision %" PRIu64, shown,
                 after ? after->revision : revision);
    int rc = sfs_fail_others(error, SFS_E_CONFLICT, "apply", others,
                             "another has changed what this depends on since %" PRIu64,
                             condition->number);
    if (error && is_single(condition->range))
        error->public_size = 0;
    return rc;
}

static int visit_no_match(void *context, struct sfs_bytes name, const struct sfs_record *before,
                          const struct sfs_record *after, uint64_t revision,
                          struct sfs_error *error)
{
    const struct sfs_precondition *condition = context;
    char shown[150], others[200];
    int rc = before ? condition->matches(condition->context, before) : 0;
    if (rc == 0 && after)
        rc = condition->matches(condition->context, after);
    if (rc == 0)
        return 0;
    sfs_name_show(name, shown, sizeof(shown));
    snprintf(others, sizeof(others), ": key '%s', revision %" PRIu64, shown,
             after ? after->revision : revision);
    return rc < 0 ? sfs_fail_others(error, rc, "apply", others,
                                    "the filter could not be evaluated on a key")
                  : sfs_fail_others(error, SFS_E_CONFLICT, "apply", others,
                                    "another has changed what a query read since %" PRIu64,
                                    condition->number);
}

static int require_history(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                           struct sfs_error *error)
{
    struct sfs_precondition copy = *condition;
    if (!run->operations->changed)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "apply",
                        "this store keeps no history of changes");
    return run->operations->changed(
        run, condition->range, condition->number,
        condition->kind == SFS_REQUIRE_UNCHANGED ? visit_unchanged : visit_no_match, &copy, error);
}

static int require_lease(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                         struct sfs_error *error)
{
    if (!run->operations->lease)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "apply", "this store gives no leases");
    return run->operations->lease(run, condition->number, error);
}

typedef int requirement(struct sfs_apply_run *run, const struct sfs_precondition *condition,
                        struct sfs_error *error);

int sfs_apply_preconditions(struct sfs_apply_run *run, const struct sfs_batch *batch,
                            struct sfs_error *error)
{
    static requirement *const requirements[] = {
        [SFS_REQUIRE_ABSENT] = require_absent,
        [SFS_REQUIRE_REVISION] = require_revision,
        [SFS_REQUIRE_ID] = require_id,
        [SFS_REQUIRE_EMPTY] = require_empty,
        [SFS_REQUIRE_UNCHANGED] = require_history,
        [SFS_REQUIRE_NO_MATCH] = require_history,
        [SFS_REQUIRE_LEASE] = require_lease,
    };
    size_t count;
    const struct sfs_precondition *conditions = sfs_batch_preconditions(batch, &count);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = requirements[conditions[i].kind](run, &conditions[i], error);
    return rc;
}
