/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_CSV_H
#define SFS_QUERY_CSV_H

/*
 * Results as a table, RFC 4180: the key, then a column for each field of the last select, group or
 * aggregate. Where the query names no fields, all rows are first kept in a spool, and each name of
 * a top-level member that came is a column: so no value is lost, and memory stays bounded. Belongs
 * to one thread.
 */
#include "query/stages.h"

#define SFS_CSV_COLUMNS 1024 /* more are TOO_LARGE */

struct sfs_csv;
/* For the rows of this query, which is borrowed. NO_MEMORY. */
int sfs_csv_new(const struct sfs_query *query, struct sfs_csv **ret_csv, struct sfs_error *error);
/* Appends the next lines; *ret_ended where there are no more. Errors of the cursor and the spool,
 * TOO_LARGE, NO_MEMORY. */
int sfs_csv_make(struct sfs_csv *csv, struct sfs_cursor *rows, struct sfs_buffer *out,
                 bool *ret_ended, struct sfs_error *error);
/* NULL allowed. */
void sfs_csv_free(struct sfs_csv *csv);

/* csv_cell.c: appends a cell: as it is, or in quotes where it needs them. Each 0 or NO_MEMORY. */
int sfs_csv_text(struct sfs_buffer *out, struct sfs_bytes text);
/* The text of a string, else compact JSON; nothing where it is missing. */
int sfs_csv_value(struct sfs_buffer *out, const struct sfs_value *value);

#endif
