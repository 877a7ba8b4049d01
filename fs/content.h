/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_CONTENT_H
#define STOREFS_FS_CONTENT_H

/*
 * What an open file shows: pieces that were written here, and where there is none, the value that the
 * store has. So a file costs memory for what was written and is not yet in a stage, whatever its size.
 * Pure: no locks, no storage calls.
 */
#include "storefs/storefs.h"

enum fs_source {
    FS_MEMORY, /* the piece's own bytes */
    FS_STAGED, /* in the file's stage */
    FS_ZEROS,  /* nowhere: a hole */
};

/* Bytes that were written one after the other. Pieces are ascending and do not overlap. */
struct fs_piece {
    uint64_t offset;
    uint64_t size;
    enum fs_source source;
    char *data;    /* FS_MEMORY */
    size_t room;   /* … and how much it has room for */
    uint64_t from; /* FS_STAGED: where in the stage */
    bool sent;     /* in a commit that is under way: written to no more, only replaced */
    bool kept;     /* not written, but the value's own bytes for when its name is gone */
};

struct fs_content {
    struct fs_piece *pieces;
    size_t count;
    size_t capacity;
    uint64_t size;
    uint64_t below;  /* the first so many bytes of the store's value show where no piece is; then zeros */
    uint64_t memory; /* taken by pieces, bytes */
    bool lost; /* the stage may have bytes where no piece lies: of a staged piece, or below one in
                  memory */
};

/* Bytes, or zeros, in place of what was there; the size grows to the end of them. NO_MEMORY: nothing changed. */
int fs_content_write(struct fs_content *content, uint64_t offset, struct sfs_bytes bytes);
int fs_content_zero(struct fs_content *content, uint64_t offset, uint64_t size);
/* Bytes of the store's value, where nothing lies over it. fs_content_unkeep takes them out again. */
int fs_content_keep(struct fs_content *content, uint64_t offset, struct sfs_bytes bytes);
void fs_content_unkeep(struct fs_content *content);
/* Pieces behind `size` are gone, and of the store's value no more shows. The size becomes `size`. */
void fs_content_cut(struct fs_content *content, uint64_t size);
/* All pieces are gone, of the size nothing is left and nothing of the store's value shows. */
void fs_content_empty(struct fs_content *content);

/* The first piece that ends behind `offset`; content->count: none. */
size_t fs_content_find(const struct fs_content *content, uint64_t offset);
/* The first run of the store's value from `offset` on that shows: false where there is none. */
bool fs_content_gap(const struct fs_content *content, uint64_t offset, struct sfs_extent *ret_gap);
/* A piece's bytes have gone to the stage at `from`. Returns its index now: it may have joined the one before. */
size_t fs_content_staged(struct fs_content *content, size_t index, uint64_t from);
/* Bytes in pieces that are no holes. */
uint64_t fs_content_written(const struct fs_content *content);

/* Before a commit: what there is goes with it. After it: that is in the store, or is dirty again. */
void fs_content_send(struct fs_content *content);
void fs_content_sent(struct fs_content *content, bool committed);

#endif
