/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BATCH_H
#define STOREFS_BATCH_H

#include "storefs/record.h"

/*
 * Batch: an ordered list of changes and the preconditions under which they are to happen. Applying
 * one is the only way to change a store; it happens whole or not at all. Operations see the effect of
 * those before them; preconditions are all checked first, against the state before the batch, inside
 * the engine's own write transaction.
 *
 * A batch copies what it is given (a stage it only refers to). It belongs to one thread at a time. It
 * may be applied again, also to another store, unless it has a stage in it. Adding returns 0,
 * NO_MEMORY, INVALID (a name, mask, kind, type or mode that is none) or NAME_TOO_LONG; a batch to which
 * something could not be added must not be applied and refuses it (INVALID). What each addition
 * names as an error besides these is the error of the apply.
 *
 * Sizes and offsets are in bytes, at most 2^63 - 1 (TOO_LARGE).
 *
 * The time of an operation is the moment it was added, so that a transaction that is replayed at its
 * commit gives the times that were seen in it.
 */
struct sfs_batch;
struct sfs_stage;

/* [from, to) in byte order; an empty `to` means no upper bound. {{0}} is everything. */
struct sfs_range {
    struct sfs_bytes from;
    struct sfs_bytes to;
};

/* An empty batch, to be freed by the caller. NO_MEMORY. */
SFS_API int sfs_batch_new(struct sfs_batch **ret_batch, struct sfs_error *error);
/* NULL allowed. Stages are not closed. */
SFS_API void sfs_batch_free(struct sfs_batch *batch);
SFS_API void sfs_batch_clear(struct sfs_batch *batch); /* empties it for reuse */
SFS_API size_t sfs_batch_size(const struct sfs_batch *batch); /* operations, not preconditions */

/*
 * Sets the value. A record that exists keeps its id, times of creation and access, mode, owner and
 * extended attributes; modified and changed become the operation's time; its type is found anew
 * unless it was set. A new one gets defaults. `attributes` (may be NULL) gives those in `mask`
 * instead, in either case. A put over a record of another kind (a symbolic link, say) replaces it.
 * A marker is put under its marker name, with an empty value.
 */
SFS_API int sfs_batch_put(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes value,
                          const struct sfs_attributes *attributes, unsigned mask,
                          struct sfs_error *error);
/* As sfs_batch_put; the value is what was staged. The stage must be of the store that the batch is
 * applied to, outlive the apply, and is spent by a successful one. The type is found when it is added
 * to the batch, so the content must be whole by then; over 64 MiB are never found to be JSON. */
SFS_API int sfs_batch_put_stage(struct sfs_batch *batch, struct sfs_bytes name,
                                struct sfs_stage *stage, const struct sfs_attributes *attributes,
                                unsigned mask, struct sfs_error *error);

/* Changes a part of the latest value; the record must exist (NOT_FOUND). A gap reads as zeros. The
 * type is found anew, but a value that has 1 MiB or more afterwards keeps the one it had, unless it was
 * empty and all of it comes with the operation, in memory. */
SFS_API int sfs_batch_write(struct sfs_batch *batch, struct sfs_bytes name, uint64_t offset,
                            struct sfs_bytes bytes, struct sfs_error *error);
/* As sfs_batch_write, at the end that the value has when the batch is applied. */
SFS_API int sfs_batch_append(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes bytes,
                             struct sfs_error *error);
/* As sfs_batch_write: makes the value `size` bytes long, with zeros where it grows. */
SFS_API int sfs_batch_truncate(struct sfs_batch *batch, struct sfs_bytes name, uint64_t size,
                               struct sfs_error *error);

/* Where the bytes of a part come from. */
enum sfs_part_source {
    SFS_PART_BYTES, /* the bytes given with the patch */
    SFS_PART_STAGE, /* the stage given with it */
    SFS_PART_ZEROS, /* nowhere: it reads as zeros, and an engine that can stores nothing for it */
};
struct sfs_part {
    enum sfs_part_source source;
    uint64_t offset; /* in the value */
    uint64_t size;
    uint64_t from; /* in the source */
};
/* As many sfs_batch_write() in one, in their order, with bytes that need not be in memory: a value is
 * changed in a thousand places as one operation. The parts are copied, `stage` may be NULL, or is as of
 * sfs_batch_put_stage() and in no other operation of the batch. flags: SFS_BATCH_AT_END: offsets count
 * from the end that the value has when the batch is applied. INVALID: a part reaches over its source. */
SFS_API int sfs_batch_patch(struct sfs_batch *batch, struct sfs_bytes name,
                            const struct sfs_part *parts, size_t count, struct sfs_bytes bytes,
                            struct sfs_stage *stage, unsigned flags, struct sfs_error *error);

/* Updates attributes in `mask` (not KIND) of a record that exists (NOT_FOUND); changed becomes the operation's
 * time unless it is in the mask. */
SFS_API int sfs_batch_attributes(struct sfs_batch *batch, struct sfs_bytes name,
                                 const struct sfs_attributes *attributes, unsigned mask,
                                 struct sfs_error *error);
/* Sets (value.data not NULL) or removes an extended attribute of a record that exists (NOT_FOUND);
 * flags: enum sfs_xattr_flags. EXISTS, NO_ATTRIBUTE and TOO_LARGE as of sfs_xattr_change(). */
SFS_API int sfs_batch_xattr(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes xattr,
                            struct sfs_bytes value, unsigned flags, struct sfs_error *error);

enum sfs_batch_flags {
    SFS_BATCH_MUST_EXIST = 1, /* delete: NOT_FOUND where there is nothing */
    SFS_BATCH_NO_REPLACE = 2, /* rename: EXISTS where the target is taken */
    SFS_BATCH_AT_END = 4,     /* patch: offsets count from the end */
};
/* Deletes one record; without MUST_EXIST its absence is no error. */
SFS_API int sfs_batch_delete(struct sfs_batch *batch, struct sfs_bytes name, unsigned flags,
                             struct sfs_error *error);
/* Moves one record (NOT_FOUND); one at the target is replaced. Renaming to itself changes nothing. */
SFS_API int sfs_batch_rename(struct sfs_batch *batch, struct sfs_bytes from, struct sfs_bytes to,
                             unsigned flags, struct sfs_error *error);
/* Both must exist (NOT_FOUND); each keeps its id under the other's name. */
SFS_API int sfs_batch_exchange(struct sfs_batch *batch, struct sfs_bytes a, struct sfs_bytes b,
                               struct sfs_error *error);
/*
 * Moves every name that begins with `from` (ends in '/') so that it begins with `to` (ends in '/').
 * Nothing may begin with `to` (NOT_EMPTY), neither may contain the other (INVALID), and none may
 * become too long (NAME_TOO_LONG, names the key). Nothing below `from` is no error.
 */
SFS_API int sfs_batch_rename_prefix(struct sfs_batch *batch, struct sfs_bytes from,
                                    struct sfs_bytes to, struct sfs_error *error);
/* Everything below `a` goes below `b` and the other way round. Neither may contain the other. */
SFS_API int sfs_batch_exchange_prefix(struct sfs_batch *batch, struct sfs_bytes a,
                                      struct sfs_bytes b, struct sfs_error *error);
/* Deletes every record in the range, markers and links too. */
SFS_API int sfs_batch_clear_range(struct sfs_batch *batch, struct sfs_range range,
                                  struct sfs_error *error);

/* Preconditions. One that does not hold fails the batch: CONFLICT, with a sentence that names the
 * key and both revisions; except EXISTS (absent), NOT_EMPTY (range_empty), EXPIRED (lease). */
/* Nothing has this name (EXISTS). */
SFS_API int sfs_batch_require_absent(struct sfs_batch *batch, struct sfs_bytes name,
                                     struct sfs_error *error);
/* The record of this name has this revision (CONFLICT). `revision` 0: the name must be absent, but where it is not that is a CONFLICT. */
SFS_API int sfs_batch_require_revision(struct sfs_batch *batch, struct sfs_bytes name,
                                       uint64_t revision, struct sfs_error *error);
/* The name must still be held by the record with this id (CONFLICT). */
SFS_API int sfs_batch_require_id(struct sfs_batch *batch, struct sfs_bytes name, uint64_t id,
                                 struct sfs_error *error);
/* No name is in the range (NOT_EMPTY). */
SFS_API int sfs_batch_require_empty(struct sfs_batch *batch, struct sfs_range range,
                                    struct sfs_error *error);
/*
 * No name in the range was written, made or deleted after `sequence`. States are compared: a name
 * that was made after it and is gone again counts as unchanged. It can be told for the sequence of
 * a snapshot of this opening that has not ended, and for any since when a feed has been open; else
 * TOO_OLD.
 */
SFS_API int sfs_batch_require_unchanged(struct sfs_batch *batch, struct sfs_range range,
                                        uint64_t sequence, struct sfs_error *error);
/* As require_unchanged, of the whole store, but only changes whose old or new record satisfies the
 * filter count. `matches` is called with each, holds the caller's rule, must be thread-safe and must
 * not use the store; `context` must outlive the apply, and a transaction that it was applied in. */
SFS_API int sfs_batch_require_no_match(struct sfs_batch *batch, uint64_t sequence,
                                       int (*matches)(void *context, const struct sfs_record *record),
                                       void *context, struct sfs_error *error);
/* The snapshot lease with this id, of sfs_snapshot_lease(), has not expired (EXPIRED). */
SFS_API int sfs_batch_require_lease(struct sfs_batch *batch, uint64_t lease, struct sfs_error *error);

/* After a successful apply: how many records operation `index` (from 0, below sfs_batch_size()) changed
 * or removed. */
SFS_API uint64_t sfs_batch_affected(const struct sfs_batch *batch, size_t index);

#endif
