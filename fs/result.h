/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_RESULT_H
#define STOREFS_FS_RESULT_H

/*
 * The content of a generated file while it is open. All handles of a node share one result, because
 * the kernel asks fstat(2) of a node, not of a handle: its size is the node's size. A name that is
 * looked up while its node has a result gets a new node (fs_node_intern), so that later opens see
 * later content.
 *
 * A query's result is made as far as it is read, and to its end when its size is asked for. The
 * first bytes are kept in memory, the others in an unlinked temporary file; where a single reader
 * goes forward and does not ask for the size, only the last of them. Any thread may read; one at a
 * time makes more, and holds no lock while it does.
 */
#include "fs/fs.h"

struct fs_result;

/* Gives the handle the result of its node: that of another handle if there is one, else `text`,
 * which is taken over in any case, or the query of the node if `text` is NULL. NO_MEMORY. */
int fs_result_open(struct fs_call *call, struct fs_open *open, struct sfs_buffer *text);
/* What fs_result_open() gave, if it did; the last handle frees it. */
void fs_result_close(struct fs *fs, struct fs_open *open);

/* Errors: those of the query; CANCELLED if the request is interrupted, which keeps what was made.
 * What was given in part and cannot go on is IO, what is no longer kept UNSUPPORTED. */
int fs_result_read(struct fs_call *call, struct fs_open *open, char *data, size_t size,
                   uint64_t offset, size_t *ret_size);
/* All of it is data. NOT_FOUND at its end or behind it. Errors as for reading. */
int fs_result_seek(struct fs_call *call, struct fs_open *open, uint64_t offset, bool data,
                   uint64_t *ret_offset);
/* Of a generated node: sets the size in `st` if it is open; makes the result to its end. Errors as
 * for reading. */
int fs_result_stat(struct fs_call *call, struct fs_node *node, struct stat *st);

#endif
