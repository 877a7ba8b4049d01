/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_APPLY_H
#define STOREFS_BACKEND_APPLY_H

#include "storefs/backend_batch.h"
#include "storefs/backend_index.h"
#include "storefs/storage.h"

/* What a batch means: written once, run by every engine inside its own write transaction. */

/*
 * The engine's primitives. `run` is one execution of one batch, by one thread. The meaning of each
 * operation and precondition is in sfs_apply_run(); an engine only looks up, stores and removes
 * single records, and may set the optional slots where it can do better. storefs/backend.h has the
 * rules that hold for all slots; a failure ends the run, and the engine rolls it back.
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
    /* --- required --- */

    /* The record of the name as it is now in this run; the caller unrefs it. `want`: enum sfs_want.
     * NOT_FOUND. */
    int (*lookup)(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                  const struct sfs_record **ret_record, struct sfs_error *error);
    /* Puts `record`, new or changed, under its name in place of `before` (the record of the same
     * name; NULL: the name is free). Its revision is the run's sequence; with id 0 the engine gives
     * it a new one. The engine takes references of its own. NO_SPACE, TOO_LARGE. */
    int (*store)(struct sfs_apply_run *run, const struct sfs_record *before,
                 const struct sfs_record *record, enum sfs_value_change change,
                 struct sfs_error *error);
    /* Removes the record `before`, which exists. NO_SPACE (of history). */
    int (*remove)(struct sfs_apply_run *run, const struct sfs_record *before,
                  struct sfs_error *error);
    /* Gives the record `before` the name of `record`, its new form, which no record has; id and
     * value stay, revision becomes the run's, changed `record->attributes.changed`. NO_SPACE. */
    int (*move)(struct sfs_apply_run *run, const struct sfs_record *before,
                const struct sfs_record *record, struct sfs_error *error);
    /* The first record of the range as it is now in this run; the caller unrefs it. NOT_FOUND. */
    int (*first)(struct sfs_apply_run *run, struct sfs_range range,
                 const struct sfs_record **ret_record, struct sfs_error *error);

    /* --- optional --- */

    /* Calls `visit` with each name of the range whose record is not the one that it had at
     * `sequence`, with the record then and the present one (either may be NULL, not both; borrowed)
     * and the present revision. What came in between does not matter: a reader of the state at
     * `sequence` would read the same now. A visit that returns not 0 ends it, and that is returned.
     * TOO_OLD: that is no longer known. NULL: such preconditions are UNSUPPORTED. */
    int (*changed)(struct sfs_apply_run *run, struct sfs_range range, uint64_t sequence,
                   int (*visit)(void *context, struct sfs_bytes name, const struct sfs_record *before,
                                const struct sfs_record *after, uint64_t revision,
                                struct sfs_error *error),
                   void *context, struct sfs_error *error);
    /* 0 if the snapshot lease has not expired, else EXPIRED. NULL: such preconditions are
     * UNSUPPORTED. */
    int (*lease)(struct sfs_apply_run *run, uint64_t lease, struct sfs_error *error);
    /* WRITE, APPEND, TRUNCATE or PATCH on a value that the engine keeps in chunks. `record` is the
     * new form (size, times, no blob; type as before unless the engine sets it). NO_SPACE,
     * TOO_LARGE; UNSUPPORTED: not of this value, and nothing was changed. NULL or UNSUPPORTED:
     * core stores the whole value. */
    int (*patch)(struct sfs_apply_run *run, const struct sfs_record *before,
                 const struct sfs_record *record, const struct sfs_operation *operation,
                 struct sfs_error *error);
    /* Gives every name that begins with `from` the beginning `to` instead, all at once, with
     * `time` as changed and the run's revision; *ret_count is how many. No name is in the way, and
     * none gets too long. NO_SPACE. NULL: core moves each record. */
    int (*move_prefix)(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                       int64_t time, uint64_t *ret_count, struct sfs_error *error);
    /* Removes every record of the range, all at once; *ret_count is how many. NO_SPACE. NULL: core
     * removes each record. */
    int (*clear)(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                 struct sfs_error *error);
    /* The record with the longest name of the range; the caller unrefs it. NOT_FOUND. It refuses a
     * move that would make keys too long. NULL: core looks at each name. */
    int (*longest)(struct sfs_apply_run *run, struct sfs_range range,
                   const struct sfs_record **ret_record, struct sfs_error *error);

    /* --- entries of indexes: an engine with run->indexes has the first three --- */

    /*
     * Core calls them around the primitives above, whose engine code knows nothing of indexes; a
     * name may be a temporary one. Inside one batch several names may hold one K of a unique index;
     * core checks at the end.
     */

    /* Adds the entry (key, name), unless it exists. The record of that name has been stored, and
     * stays until it is removed; if it gets another id the entry is removed and added again.
     * NO_SPACE. */
    int (*index_add)(struct sfs_apply_run *run, const struct sfs_index *index, struct sfs_bytes key,
                     struct sfs_bytes name, struct sfs_error *error);
    /* Removes the entry (key, name) if it exists. The record of that name still does. NO_SPACE. */
    int (*index_remove)(struct sfs_apply_run *run, const struct sfs_index *index,
                        struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error);
    /* The name of the first entry with exactly this K whose name is above `after`; it replaces what
     * *ret_name held. Only asked of unique indexes. NOT_FOUND. */
    int (*index_find)(struct sfs_apply_run *run, const struct sfs_index *index,
                      struct sfs_bytes key, struct sfs_bytes after, struct sfs_buffer *ret_name,
                      struct sfs_error *error);
    /* Before `move_prefix`: gives every entry whose name begins with `from` the name with `to` in
     * its place. An engine whose entries refer to records by id has nothing to do. Only asked when
     * all indexes are ready and none has @key. NO_SPACE. NULL: core goes through the records, and
     * `move_prefix` is not called. */
    int (*index_move_prefix)(struct sfs_apply_run *run, const struct sfs_index *index,
                             struct sfs_bytes from, struct sfs_bytes to, struct sfs_error *error);
    /* Before `clear`: removes every entry whose name is in the range. NO_SPACE. NULL: core goes
     * through the records, and `clear` is not called. */
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
    /* The store's indexes, those being built too, as they are inside this write transaction;
     * borrowed. NULL: none, and nothing of them costs anything. */
    const struct sfs_index_set *indexes;
    struct sfs_index_checks *index_checks; /* core's; NULL outside sfs_apply_run() */
    /* The engine's own members follow in the struct that embeds this one. */
};
/* Checks the preconditions, then executes the operations through run->operations. On failure the
 * engine rolls back what was done. Never calls back into the store. Errors: those that
 * storefs/batch.h names for each operation and precondition, and those of the primitives. */
SFS_API int sfs_apply_run(struct sfs_apply_run *run, struct sfs_batch *batch, struct sfs_error *error);
/*
 * One step of building an index, for `create`: makes the entries of at most `most` records with
 * names above *after ({0}: from the first) through the primitives of `run`, and puts into *after
 * the last name seen. run->indexes is not looked at. *ret_seen is how many; fewer than `most`: that
 * was all. EXISTS: two keys hold the same value of a unique index. On failure the engine rolls the
 * step back and drops the index.
 */
SFS_API int sfs_index_build(struct sfs_apply_run *run, const struct sfs_index *index, uint64_t most,
                            struct sfs_buffer *after, uint64_t *ret_seen, struct sfs_error *error);

/* What receives the parts of a PATCH, in their order, from one thread. The first error ends it and
 * is returned. */
struct sfs_patch_target {
    /* Reads exactly `size` bytes of the stage. NULL: sfs_stage_read(). */
    int (*read)(void *context, struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                struct sfs_error *error);
    /* Puts the bytes, at least one, at `offset` of the value. Never NULL. */
    int (*write)(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error);
    /* Makes `size` bytes, at least one, from `offset` on read as zeros. Never NULL. */
    int (*zero)(void *context, uint64_t offset, uint64_t size, struct sfs_error *error);
    void *context; /* given to each */
};
/* Hands over the parts of a PATCH on a value of `old_size` bytes. What comes from a stage comes in
 * pieces of at most SFS_PATCH_PIECE bytes that end at multiples of it. NO_MEMORY, and the errors of
 * the target. */
#define SFS_PATCH_PIECE (UINT64_C(256) << 10)
SFS_API int sfs_patch_run(const struct sfs_operation *operation, uint64_t old_size,
                          const struct sfs_patch_target *target, struct sfs_error *error);

#endif
