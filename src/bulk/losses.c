/* SPDX-License-Identifier: MIT */
/* What cannot be read is reported, counted and passed over. */
#include "bulk/losses.h"

#include <stddef.h>

#include "core/storage.h"
#include "storefs/backend.h"

/* What says nothing about the record. */
static bool ends_all(int code)
{
    return code == SFS_E_NO_MEMORY || code == SFS_E_CANCELLED || code == SFS_E_EXPIRED ||
           code == SFS_E_BUSY;
}

int sfs_losses_pass(struct sfs_losses *losses, int code, const struct sfs_error *failure,
                    struct sfs_error *error)
{
    const struct sfs_bulk_options *options = losses->options;
    if (!options->keep_going || ends_all(code)) {
        if (error)
            *error = *failure;
        return code;
    }
    *(code == SFS_E_DOUBTFUL ? &losses->result->doubtful : &losses->result->lost) += 1;
    if (options->report)
        options->report(options->context, failure->message);
    return 0;
}

/* A cursor that says the same twice does not go on. */
static bool is_stuck(const struct sfs_losses *losses, const struct sfs_error *failure)
{
    return losses->last.code == failure->code &&
           strcmp(losses->last.message, failure->message) == 0;
}

int sfs_losses_next(struct sfs_losses *losses, const struct sfs_record **ret_record,
                    struct sfs_error *error)
{
    for (;;) {
        struct sfs_error failure = {0};
        int code = sfs_cursor_next(losses->cursor, ret_record, &failure);
        if (code >= 0) {
            losses->last = (struct sfs_error){0};
            return code;
        }
        bool stuck = is_stuck(losses, &failure);
        losses->last = failure;
        if (stuck && error)
            *error = failure;
        code = stuck ? code : sfs_losses_pass(losses, code, &failure, error);
        if (code)
            return code;
    }
}

uint64_t sfs_records_ahead(struct sfs_storage *store, const struct sfs_bulk_options *options)
{
    struct sfs_totals totals;
    const size_t offset = offsetof(struct sfs_override_operations, totals);
    if (!options->progress || !sfs_storage_override(store, offset, SFS_OVERRIDE_ANSWER) ||
        sfs_totals(store, &totals, NULL))
        return 0;
    return totals.records;
}
