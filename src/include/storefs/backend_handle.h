/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_HANDLE_H
#define STOREFS_BACKEND_HANDLE_H

#include "storefs/storage.h"

/*
 * What a store hands out: cursors, stages, feeds and watches. Each implementation has a struct of
 * its own that begins with the struct here. storefs/backend.h has the rules that hold for all
 * slots. No slot may be NULL but a cursor's `seek`.
 */

struct sfs_cursor_operations {
    /* 1 and the next record, which stays the cursor's and valid until its next call; 0 at the end.
     * With SFS_OPEN_SALVAGE the next call goes on behind CORRUPT and DOUBTFUL. */
    int (*next)(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                struct sfs_error *error);
    /* The next step shows the first record of the range whose name is not below `name`, which may
     * lie behind or ahead. NULL: UNSUPPORTED; only cursors of queries may leave it out. */
    int (*seek)(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error);
    /* Frees the cursor. Called once, in any state. */
    void (*close)(struct sfs_cursor *cursor);
};
struct sfs_cursor {
    const struct sfs_cursor_operations *operations;
};

/* Offset plus size is at most 2^63 - 1; core has checked it. */
struct sfs_stage_operations {
    /* Puts the bytes, at least one, at `offset` and keeps `size` up to date; a gap reads as zeros.
     * NO_SPACE, TOO_LARGE, EXPIRED (the store has removed the stage, unused for too long). */
    int (*write)(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                 struct sfs_error *error);
    /* Makes the content `size` bytes long; what it grows by reads as zeros. Errors: as `write`. */
    int (*truncate)(struct sfs_stage *stage, uint64_t size, struct sfs_error *error);
    /* Copies up to `size` bytes from `offset` on; *ret_size is how many, 0 at or past the end only.
     * Other stores read a stage through it. EXPIRED. */
    int (*read)(struct sfs_stage *stage, uint64_t offset, void *data, size_t size, size_t *ret_size,
                struct sfs_error *error);
    /* Frees the stage and abandons content that no batch has taken. Called once, in any state. */
    void (*close)(struct sfs_stage *stage);
};
struct sfs_stage {
    const struct sfs_stage_operations *operations;
    uint64_t size; /* of the content, in bytes */
    /* Core's, 0 at first: how many bytes were text as they were written, … */
    uint64_t text;
    char begun[4]; /* … the beginning of a character behind them, … */
    size_t begun_size;
    int typed; /* … and the content's type plus 1, if all of it was read for that */
};
/* A stage in memory, for stores that keep values there or have nothing better. NO_MEMORY, and so do
 * writes. */
SFS_API int sfs_stage_memory(struct sfs_stage **ret_stage, struct sfs_error *error);

struct sfs_feed_operations {
    /* 1 and the next change, whose parts are borrowed until the next call; 0: none at present. The
     * changes of one commit come together, commits in order. Temporary names need not be left out.
     * TOO_OLD: the store no longer keeps what comes next. */
    int (*next)(struct sfs_feed *feed, struct sfs_change *ret_change, struct sfs_error *error);
    /* Waits until `next` may have something: 1; 0 after `timeout_ms`; CANCELLED after `wake`. */
    int (*wait)(struct sfs_feed *feed, uint64_t timeout_ms, struct sfs_error *error);
    /* Makes a wait return CANCELLED, now and from then on. From any thread, also during a wait. */
    void (*wake)(struct sfs_feed *feed);
    /* Frees the feed and lets go of the history kept for it. Called once, not during a wait. */
    void (*close)(struct sfs_feed *feed);
};
struct sfs_feed {
    const struct sfs_feed_operations *operations;
};

struct sfs_watch_operations {
    /* Waits: 1 if others have committed since it last returned 1 (or since the watch was opened),
     * within a second of the commit; 0 after `timeout_ms`; CANCELLED after `wake`. It may return 1
     * once too often, and never misses a commit. */
    int (*wait)(struct sfs_watch *watch, uint64_t timeout_ms, struct sfs_error *error);
    /* As of a feed. */
    void (*wake)(struct sfs_watch *watch);
    /* Frees the watch. Called once, not during a wait. */
    void (*close)(struct sfs_watch *watch);
};
struct sfs_watch {
    const struct sfs_watch_operations *operations;
};

#endif
