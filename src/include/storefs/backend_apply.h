/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_APPLY_H
#define STOREFS_BACKEND_APPLY_H

#include "storefs/backend_batch.h"
#include "storefs/backend_index.h"
#include "storefs/storage.h"

/* What a batch means: written once, run by every engine inside its own write transaction. */

/*
 * The engine's primitives. `run` is one execution of one batch. The meaning of each operation and
 * precondition is in sfs_apply_run(); an engine only looks up, stores and removes single records, and
 * may set the optional ones where it can do better.
 */
struct sfs_apply_run;

/*
 * A temporary name: NUL, '/', and any bytes. No name can be one, so that records that change places
 * can stand under it for a moment. An engine sees them only inside a run, in `move`, `move_prefix`,
 * `lookup` and `first`; none is left at its end, and the change feed need not leave them out
 * (sfs_feed_next() does). One may be two bytes longer than a name.
 */
#define SFS_TEMPORARY_PREFIX "\0/"
static inline bool sfs_name_is_temporary(struct sfs_bytes name)
{
    return sfs_bytes_starts(name, SFS_LITERAL(SFS_TEMPORARY_PREFIX));
}

enum sfs_value_change {
    SFS_VALUE_KEPT,   /* only attributes differ; the new record may have no blob */
    SFS_VALUE_WHOLE,  /* the new record's blob (NULL: empty) is the value */
    SFS_VALUE_STAGED, /* the value is run->stage's content; the new record has its size, no blob */
};
struct sfs_apply_operations {
    /* The record as it now is in this run, NOT_FOUND. */
    int (*lookup)(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                  const struct sfs_record **ret_record, struct sfs_error *error);
    /* Makes `record` (id 0 means: allot a new one; revision is the run's sequence) the one of its name, in place of `before`
     * (NULL: none; same name). Called for new records and changed ones. */
    int (*store)(struct sfs_apply_run *run, const struct sfs_record *before,
                 const struct sfs_record *record, enum sfs_value_change change,
                 struct sfs_error *error);
    int (*remove)(struct sfs_apply_run *run, const struct sfs_record *before,
                  struct sfs_error *error);
    /* Gives the record another name, which is free; id and value stay, revision becomes the run's,
     * changed `record->attributes.changed`. `record` is the new form. */
    int (*move)(struct sfs_apply_run *run, const struct sfs_record *before,
                const struct sfs_record *record, struct sfs_error *error);
    /* The first record of the range as it now is, NOT_FOUND. */
    int (*first)(struct sfs_apply_run *run, struct sfs_range range,
                 const struct sfs_record **ret_record, struct sfs_error *error);
    /* Calls `visit` with each name in the range whose record is not the one that it had at
     * `sequence`, with the record then (may be NULL) and the present one (may be NULL, not both); TOO_OLD
     * where that is no longer known. What came in between does not matter: who read the state at
     * `sequence` would have read the same now. A visit that returns not 0 ends it, and that is
     * returned. */
    int (*changed)(struct sfs_apply_run *run, struct sfs_range range, uint64_t sequence,
                   int (*visit)(void *context, struct sfs_bytes name, const struct sfs_record *before,
                                const struct sfs_record *after, uint64_t revision,
                                struct sfs_error *error),
                   void *context, struct sfs_error *error);
    int (*lease)(struct sfs_apply_run *run, uint64_t lease, struct sfs_error *error); /* 0, EXPIRED */

    /* Optional. */
    /* WRITE, APPEND, TRUNCATE or PATCH on a value that the engine keeps in chunks; `record` is the new form
     * (size, times, no blob; type as before unless the engine sets it). UNSUPPORTED: do it whole. */
    int (*patch)(struct sfs_apply_run *run, const struct sfs_record *before,
                 const struct sfs_record *record, const struct sfs_operation *operation,
                 struct sfs_error *error);
    /* Moves all names below a prefix at once; preconditions of the operation have been checked. */
    int (*move_prefix)(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                       int64_t time, uint64_t *ret_count, struct sfs_error *error);
    int (*clear)(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                 struct sfs_error *error);
    /* The longest name below a prefix, in bytes, 0 if none (to refuse a rename that makes keys too long). */
    int (*longest)(struct sfs_apply_run *run, struct sfs_range range, const struct sfs_record **ret_record,
                   struct sfs_error *error);

    /*
     * Entries of indexes; an engine with run->indexes has the first three. Core calls them around the
     * primitives above, whose engine code knows nothing of indexes; a name may be a temporary one.
     * Inside one batch several names may hold one K of a unique index; core looks at the end.
     */
    /* Adds the entry (key, name), unless it is there. The record of that name has been stored, and
     * stays until it is removed; where it gets another id the entry is removed and added again. */
    int (*index_add)(struct sfs_apply_run *run, const struct sfs_index *index, struct sfs_bytes key,
                     struct sfs_bytes name, struct sfs_error *error);
    /* Removes the entry (key, name) if it is there. The record of that name is still there. */
    int (*index_remove)(struct sfs_apply_run *run, const struct sfs_index *index,
                        struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error);
    /* The name (replaces what *ret_name held) of the first entry with exactly this K whose name is above
     * `after`; NOT_FOUND. Asked of unique indexes only. */
    int (*index_find)(struct sfs_apply_run *run, const struct sfs_index *index,
                      struct sfs_bytes key, struct sfs_bytes after, struct sfs_buffer *ret_name,
                      struct sfs_error *error);
    /*
     * Optional: all at once what core would do for each record with its value, before `move_prefix`
     * or `clear` is called: gives every entry whose name is below `from` the name with `to` in its place;
     * removes every entry whose name is in the range. Only asked of indexes that are ready, and the
     * first not of those with @key. An engine whose entries refer to records by id has nothing to
     * do in the first. NULL: core goes through the records.
     */
    int (*index_move_prefix)(struct sfs_apply_run *run, const struct sfs_index *index,
                             struct sfs_bytes from, struct sfs_bytes to, struct sfs_error *error);
    int (*index_clear)(struct sfs_apply_run *run, const struct sfs_index *index,
                       struct sfs_range range, struct sfs_error *error);
};
struct sfs_index_checks; /* Ks of unique indexes to be looked at when the batch is done */
struct sfs_apply_run {
    const struct sfs_apply_operations *operations;
    uint64_t sequence; /* that the batch will have */
    size_t key_max;
    uint64_t next_id; /* none from here on was allotted or reserved; 0: the engine does not say */
    struct sfs_stage *stage;
    /* The store's indexes, those being built too, as they are inside this write transaction; borrowed.
     * NULL: none, and nothing of them costs anything. */
    const struct sfs_index_set *indexes;
    struct sfs_index_checks *index_checks; /* core's; NULL outside sfs_apply_run() */
    /* The engine's own members follow in the struct that embeds this one. */
};
/* Checks the preconditions, then executes the operations through run->operations. On failure the
 * engine rolls back what was done. Never calls back into the store. */
SFS_API int sfs_apply_run(struct sfs_apply_run *run, struct sfs_batch *batch, struct sfs_error *error);
/*
 * One step of building an index, for `create`: makes the entries of at most `most` records with names
 * above *after ({0}: from the first) through the primitives of `run`, and puts into *after the last name
 * seen. run->indexes is not looked at. *ret_seen is how many; fewer than `most`: that was all. EXISTS: two keys hold the same value of
 * a unique index. On failure the engine rolls the step back and drops the index.
 */
SFS_API int sfs_index_build(struct sfs_apply_run *run, const struct sfs_index *index, uint64_t most,
                            struct sfs_buffer *after, uint64_t *ret_seen, struct sfs_error *error);

/* What receives the parts of a PATCH, in their order. Each is `context` of its own. */
struct sfs_patch_target {
    int (*read)(void *context, struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                struct sfs_error *error); /* NULL: the stage is asked itself */
    int (*write)(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error);
    int (*zero)(void *context, uint64_t offset, uint64_t size, struct sfs_error *error);
    void *context;
};
/* Hands over the parts of a PATCH on a value of `old_size` bytes. What comes from a stage comes in pieces
 * of at most SFS_PATCH_PIECE bytes that end at multiples of it. */
#define SFS_PATCH_PIECE (UINT64_C(256) << 10)
SFS_API int sfs_patch_run(const struct sfs_operation *operation, uint64_t old_size,
                          const struct sfs_patch_target *target, struct sfs_error *error);

#endif
