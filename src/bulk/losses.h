/* SPDX-License-Identifier: MIT */
#ifndef SFS_BULK_LOSSES_H
#define SFS_BULK_LOSSES_H

/* Reading a store that may be damaged, record by record: what cannot be read is reported and passed
 * over. */
#include "storefs/bulk.h"

struct sfs_losses {
    struct sfs_storage *store;
    struct sfs_cursor *cursor;
    const struct sfs_bulk_options *options;
    struct sfs_bulk_result *result; /* its `lost` and `doubtful` are counted up */
    struct sfs_error last;          /* reported, with no record since */
};

/* 1 and the next record (borrowed until the next step), 0 at the end, or an error that ends the
 * work: every one without keep_going. No value is read with keep_going, else that depends on the
 * cursor. */
int sfs_losses_next(struct sfs_losses *losses, const struct sfs_record **ret_record,
                    struct sfs_error *error);
/* For a failure to read the present record: 0, it is reported and the work goes on, or its code,
 * with its sentence in `error`. */
int sfs_losses_pass(struct sfs_losses *losses, int code, const struct sfs_error *failure,
                    struct sfs_error *error);
/* How many records there are, where the store knows it at once: for the progress; else 0. */
uint64_t sfs_records_ahead(struct sfs_storage *store, const struct sfs_bulk_options *options);

#endif
