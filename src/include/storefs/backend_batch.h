/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_BATCH_H
#define STOREFS_BACKEND_BATCH_H

#include "storefs/batch.h"

/* What is in a batch. */

enum sfs_operation_kind {
    SFS_OPERATION_PUT,
    SFS_OPERATION_WRITE,
    SFS_OPERATION_APPEND,
    SFS_OPERATION_TRUNCATE,
    SFS_OPERATION_PATCH,
    SFS_OPERATION_ATTRIBUTES,
    SFS_OPERATION_XATTR,
    SFS_OPERATION_DELETE,
    SFS_OPERATION_RENAME,
    SFS_OPERATION_EXCHANGE,
    SFS_OPERATION_RENAME_PREFIX,
    SFS_OPERATION_EXCHANGE_PREFIX,
    SFS_OPERATION_CLEAR_RANGE,
};

struct sfs_operation {
    enum sfs_operation_kind kind;
    unsigned flags;                   /* enum sfs_batch_flags; XATTR: enum sfs_xattr_flags */
    int64_t time;                     /* when it was added */
    struct sfs_bytes name;            /* also: from, a, range.from */
    struct sfs_bytes target;          /* to, b, range.to, the extended attribute's name; PATCH: its parts */
    struct sfs_blob *value;           /* PUT (never NULL without a stage), WRITE, APPEND, PATCH, XATTR (NULL: remove) */
    struct sfs_stage *stage;          /* PUT of a stage; PATCH (NULL: none) */
    uint64_t offset;                  /* WRITE; TRUNCATE: the size; PATCH: the end of the furthest part */
    struct sfs_attributes attributes; /* those in mask; of PUT also the type found from the content */
    unsigned mask;
    uint64_t affected;                /* set by apply */
};

enum sfs_precondition_kind {
    SFS_REQUIRE_ABSENT,
    SFS_REQUIRE_REVISION,
    SFS_REQUIRE_ID,
    SFS_REQUIRE_EMPTY,
    SFS_REQUIRE_UNCHANGED,
    SFS_REQUIRE_NO_MATCH,
    SFS_REQUIRE_LEASE,
};

struct sfs_precondition {
    enum sfs_precondition_kind kind;
    struct sfs_range range; /* range.from is the name, where there is one */
    uint64_t number;        /* revision, id, sequence or lease */
    int (*matches)(void *context, const struct sfs_record *record); /* 1, 0, or an error */
    void *context;
};

/* The lists, borrowed until the batch changes; *ret_count is how many. */
SFS_API struct sfs_operation *sfs_batch_operations(struct sfs_batch *batch, size_t *ret_count);
SFS_API const struct sfs_precondition *sfs_batch_preconditions(const struct sfs_batch *batch,
                                                               size_t *ret_count);
/* Appends the operations of `from` with their times, not its preconditions. NO_MEMORY. */
SFS_API int sfs_batch_add_operations(struct sfs_batch *batch, const struct sfs_batch *from,
                                     struct sfs_error *error);
/* Drops the operations from `size` on: a savepoint's rollback. Preconditions stay. */
SFS_API void sfs_batch_cut(struct sfs_batch *batch, size_t size);

#endif
