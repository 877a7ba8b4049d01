/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_BUDGET_H
#define STOREFS_FS_BUDGET_H

/*
 * Memory of the mount, so that no user can take it all. Two kinds:
 *
 * A share is what one request needs while it works on a document: a multiple of its size. A request
 * takes its share before it holds a document, and others wait in order until there is room.
 * Documents of a medium size have an account of their own and do not wait for large ones; small
 * ones need no share. One that needs more than the whole account gets all of it. (The role of a
 * buffer pool's pins; the order is that of a ticket lock.)
 *
 * A count is what a user keeps between requests: handles, transactions, savepoints, bytes. Nobody
 * waits for these: what is over a limit is refused with a sentence.
 */
#include "fs/fs.h"

struct fs_budget *fs_budget_new(void);
/* NULL allowed. */
void fs_budget_free(struct fs_budget *budget);

/* --- shares --- */

#define FS_DOCUMENT_TIMES                                                                          \
    3 /* the memory for a change of a document: old and new text, and what a store copies */

#define FS_SHARE_LEAST (UINT64_C(192) << 10) /* bytes: a request that needs less takes no share */

/* Gives the calling thread a share of `bytes`, after giving back the one that it has if that is too
 * small. Only one thread at a time has a share for a `subject` (0: none): changes of one document
 * would only meet each other. It may wait long: the caller holds no lock, no document and no mark
 * that others wait for. CANCELLED: the request was interrupted, where it `gives_up`. BUSY: too many
 * requests of this user wait already. */
int fs_budget_take(struct fs_call *call, uint64_t bytes, uint64_t subject, bool gives_up);
/* The same for making a part of a query's result: a few run at once. */
int fs_budget_take_query(struct fs_call *call);
/* Gives back the calling thread's share, if it has one. */
void fs_budget_give(struct fs *fs);

/* --- counts --- */

enum fs_counted {
    FS_HANDLES,
    FS_RESULTS,
    FS_TRANSACTIONS,
    FS_SAVEPOINTS,
    FS_WRITTEN_BYTES,
    FS_HELD_BYTES,
    FS_KEPT_BYTES
};
#define FS_COUNTED (FS_KEPT_BYTES + 1)

/* NO_SPACE: the user, or the mount as a whole, would have too many. A user who has none gets any
 * amount; WRITTEN_BYTES of the mount's owner and of root are not counted. */
int fs_budget_count(struct fs *fs, uid_t uid, enum fs_counted what, uint64_t amount,
                    struct sfs_error *error);
/* How many all users together have. */
uint64_t fs_budget_total(struct fs *fs, enum fs_counted what);
void fs_budget_uncount(struct fs *fs, uid_t uid, enum fs_counted what, uint64_t amount);
/* From `*held` to `wanted`; less never fails. */
int fs_budget_hold(struct fs *fs, uid_t uid, enum fs_counted what, uint64_t *held, uint64_t wanted,
                   struct sfs_error *error);
/* The same for what a handle keeps; one handle keeps bytes of one kind. */
int fs_open_hold(struct fs_call *call, struct fs_open *open, enum fs_counted what, uint64_t wanted);
/* A record with its value becomes the handle's; without memory for it the next read reads it again,
 * like a large one. */
void fs_open_keep(struct fs_call *call, struct fs_open *open, const struct sfs_record *record);

#endif
