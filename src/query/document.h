/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_DOCUMENT_H
#define SFS_QUERY_DOCUMENT_H

/*
 * Writing the objects that stages make, member by member, and the forms of values in lines of text.
 * Each returns 0 or NO_MEMORY.
 */
#include "query/value.h"

int sfs_document_begin(struct sfs_buffer *out);
/* The name of the next member, as a JSON string. */
int sfs_document_name(struct sfs_buffer *out, struct sfs_bytes literal);
/* Its value: compact, numbers as they are written; bytes that are not UTF-8 become \udc80 to
 * \udcff. */
int sfs_document_value(struct sfs_buffer *out, const struct sfs_value *value);
/* Its value from the sort key at `*keys`, which moves on; a missing one takes the name back, which
 * began at `start`. */
int sfs_document_sorted(struct sfs_buffer *out, struct sfs_bytes *keys, size_t start);
int sfs_document_end(struct sfs_buffer *out);

/* The value in the form that by/ takes, for a line of text: tab, newline, return and backslash as
 * \t \n \r \\; \N where it is missing. */
int sfs_line_value(struct sfs_buffer *out, const struct sfs_value *value);

#endif
