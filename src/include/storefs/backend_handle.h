/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_HANDLE_H
#define STOREFS_BACKEND_HANDLE_H

#include "storefs/storage.h"

/* What a store hands out: cursors, stages, feeds and watches. */

/* First member of every cursor, stage and feed. */
struct sfs_cursor_operations {
    int (*next)(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                struct sfs_error *error);
    int (*seek)(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error);
    void (*close)(struct sfs_cursor *cursor);
};
struct sfs_cursor {
    const struct sfs_cursor_operations *operations;
};

struct sfs_stage_operations {
    int (*write)(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                 struct sfs_error *error);
    int (*truncate)(struct sfs_stage *stage, uint64_t size, struct sfs_error *error);
    /* The whole content, for a store that takes a stage that is not its own. */
    int (*read)(struct sfs_stage *stage, uint64_t offset, void *data, size_t size, size_t *ret_size,
                struct sfs_error *error);
    void (*close)(struct sfs_stage *stage);
};
struct sfs_stage {
    const struct sfs_stage_operations *operations;
    uint64_t size;
    /* The public calls' own, 0 at first: so many bytes were text as they were written, and a character began behind. */
    uint64_t text;
    char begun[4];
    size_t begun_size;
    int typed; /* … and its type plus 1, where all of it was read for that */
};
/* A stage in memory, for stores that keep values there or have nothing better. Writes: also NO_MEMORY. */
SFS_API int sfs_stage_memory(struct sfs_stage **ret_stage, struct sfs_error *error);

struct sfs_feed_operations {
    int (*next)(struct sfs_feed *feed, struct sfs_change *ret_change, struct sfs_error *error);
    int (*wait)(struct sfs_feed *feed, uint64_t timeout_ms, struct sfs_error *error);
    void (*wake)(struct sfs_feed *feed);
    void (*close)(struct sfs_feed *feed);
};
struct sfs_feed {
    const struct sfs_feed_operations *operations;
};

struct sfs_watch_operations {
    int (*wait)(struct sfs_watch *watch, uint64_t timeout_ms, struct sfs_error *error);
    void (*wake)(struct sfs_watch *watch);
    void (*close)(struct sfs_watch *watch);
};
struct sfs_watch {
    const struct sfs_watch_operations *operations;
};

#endif
