/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_TEXT_H
#define SFS_QUERY_TEXT_H

/*
 * Results as text, made piece by piece: a maker for each kind of text is asked for more until it
 * says that it has ended. Belongs to one thread.
 */
#include "query/csv.h"
#include "query/run.h"

struct sfs_text {
    enum sfs_sink sink;
    struct sfs_query *query; /* what runs; owned */
    struct sfs_cursor *cursor;
    struct sfs_csv *csv;
    struct sfs_buffer made; /* text not yet read; from `at` on */
    size_t at;
    uint64_t rows;
    bool lines; /* of aggregates */
    bool ended;
    int failed;
};

/* text_rows.c: keys, values.json, values.ndjson. Appends a row, and the end. */
int sfs_text_row(struct sfs_text *text, const struct sfs_record *row, struct sfs_error *error);
int sfs_text_row_end(struct sfs_text *text);

/* text_lines.c: numbers, lists of values, lines of groups. Makes text->query what has to run. */
int sfs_text_lines_begin(struct sfs_text *text, struct sfs_error *error);
int sfs_text_line(struct sfs_text *text, const struct sfs_record *row);

#endif
