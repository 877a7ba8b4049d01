/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_DIR_RUN_H
#define SFS_BACKENDS_DIR_RUN_H

/* One execution of one batch: over a share of the tree, with new contents in temporary files. */
#include "internal.h"

struct sfs_dir_temporary {
    uint64_t number;
    struct sfs_stage *stage; /* it belongs to this one; NULL: to the run */
    bool placed;
};

struct sfs_dir_run {
    struct sfs_apply_run run;
    struct sfs_dir_store *store;
    struct sfs_tree base;    /* what everybody sees */
    struct sfs_tree next;    /* what they are to see */
    struct sfs_tree touched; /* by name: any item that has it */
    struct sfs_tree moved;   /* keys whose files move though the batch did not touch them */
    struct sfs_dir_temporary *temporaries;
    size_t temporary_count;
    size_t temporary_capacity;
};

extern const struct sfs_apply_operations sfs_dir_run_operations;

/* Makes the tree agree with the files that a batch looks at or changes; `lock` is held. */
int sfs_dir_run_look(struct sfs_dir_store *store, struct sfs_batch *batch, struct sfs_error *error);
/* What is to be done to come from `base` to `next`: finishes the temporary files; `sync`: on disk.
 */
int sfs_dir_run_plan(struct sfs_dir_run *run, bool sync, struct sfs_dir_steps *steps,
                     struct sfs_error *error);
/* Removes the temporary files that nothing needs; after a commit the others belong to it. */
void sfs_dir_run_end(struct sfs_dir_run *run, bool committed);

#endif
