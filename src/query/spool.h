/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_SPOOL_H
#define SFS_QUERY_SPOOL_H

/*
 * Spool: a temporary file that has no name, so that nothing is left of it whatever happens to the
 * process; mode 0600. {.fd = -1} is none. Belongs to one thread. Failures are those of
 * sfs_fail_errno(): NO_SPACE where the disk is full.
 */
#include "storefs/bytes.h"
#include "storefs/error.h"

struct sfs_spool {
    int fd;
    uint64_t size;         /* bytes written so far */
    const char *directory; /* where it is, for messages; borrowed */
};

/* In `directory`, or where that is NULL in /tmp, else in /var/tmp. */
int sfs_spool_open(struct sfs_spool *spool, const char *directory, struct sfs_error *error);
/* Writes behind the end. */
int sfs_spool_write(struct sfs_spool *spool, struct sfs_bytes bytes, struct sfs_error *error);
/* Reads exactly `size` bytes that were written before. */
int sfs_spool_read(const struct sfs_spool *spool, uint64_t offset, void *data, size_t size,
                   struct sfs_error *error);
/* Gives the disk back what a part of the file takes, where the file system can. */
void sfs_spool_forget(struct sfs_spool *spool, uint64_t from, uint64_t to);
void sfs_spool_close(struct sfs_spool *spool);

#endif
