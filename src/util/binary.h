/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_BINARY_H
#define SFS_UTIL_BINARY_H

/*
 * Numbers in files: little-endian, of one to eight bytes, whatever the machine. A reader steps
 * through bytes that may be damaged: once something was asked for that lies past their end, it has
 * failed, and gives zeros and nothing from then on, so that a caller looks once, at the end.
 */
#include <stdbool.h>

#include "storefs/bytes.h"

struct sfs_binary_field {
    uint64_t number;
    size_t width; /* bytes */
};

/* Append one number; several. 0, or what sfs_buffer_append() returns for want of memory. */
int sfs_binary_add(struct sfs_buffer *buffer, uint64_t number, size_t width) SFS_MUST_CHECK;
int sfs_binary_add_fields(struct sfs_buffer *buffer, const struct sfs_binary_field *fields,
                          size_t count) SFS_MUST_CHECK;

struct sfs_binary_reader {
    const unsigned char *at; /* borrowed */
    size_t left;
    bool failed;
};

struct sfs_binary_reader sfs_binary_reader(struct sfs_bytes bytes);
/* The next bytes, which point into what is read. */
struct sfs_bytes sfs_binary_take(struct sfs_binary_reader *reader, uint64_t size);
uint64_t sfs_binary_number(struct sfs_binary_reader *reader, size_t width);

#endif
