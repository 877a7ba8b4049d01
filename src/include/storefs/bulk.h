/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BULK_H
#define STOREFS_BULK_H

#include "storefs/storage.h"

/*
 * Import and export as NDJSON, one record a line, in the form that query results have:
 *
 *   {"key":KEY,"value":VALUE}
 *
 * VALUE is compact, numbers keep their text. Where the stored bytes differ from it, more members
 * restore them exactly: "text" (a string: the stored bytes, of JSON with white space, whose value
 * still stands in "value"), or a wrapped value, in the shortest of three forms:
 *
 *   {"__type":"text","__value":STRING}     UTF-8 that is not JSON
 *   {"__type":"bytes","__value":BASE64}    any bytes
 *   {"__type":"runs","__size":NUMBER,"__value":[[OFFSET,BASE64],…]}
 *                                          of a key: SIZE bytes, zeros but for the runs, which
 * ascend; a hole costs nothing, and is one again after an import
 *
 * A JSON object that holds "__type" is itself wrapped as text. KEY
 * is a string, or {"__type":"bytes","__value":base64} where it is not UTF-8. Attributes that are
 * not default follow in "attributes": "kind" ("marker", "symlink", …), "mode" (octal, "0600"),
 * "uid" and "gid" (numbers), "device" (a decimal string), "type" (where it was set), "created",
 * "accessed", "modified" and "changed" (decimal strings of ns), "xattrs"
 * ([{"name":KEY,"value":base64}, …]). A marker has its key without the NUL and no "value". Reading
 * "attributes" gives kind, mode, uid, gid and device that are left out their defaults; times left
 * out are those of a put, and so is all without "attributes". A reader takes any member order and
 * white space, and refuses what it does not know.
 *
 * After the records come the indexes, each by its name (storefs/index.h): {"index":"type,n"}. An
 * import makes one of what it has read before.
 *
 * What an export leaves out, as another store has its own: the record's id and revision, history,
 * open transactions, and the type where it was found from the content.
 */

/* Appends the line for a record that has its value, with a newline. `attributes` false leaves them
 * out (query results show content only). INVALID for a record that no line can hold, NO_MEMORY; `out`
 * then holds what it held. Pure, thread-safe. */
SFS_API int sfs_line_write(struct sfs_buffer *out, const struct sfs_record *record, bool attributes,
                           struct sfs_error *error);
/* Adds one line (without its newline) to a batch. INVALID says what is wrong with it; TOO_LARGE over
 * 1 GiB; NAME_TOO_LONG, NO_MEMORY. */
SFS_API int sfs_line_read(struct sfs_bytes line, struct sfs_batch *batch, struct sfs_error *error);
/* Appends the key of one line. Errors: those of sfs_line_read(). Pure, thread-safe. */
SFS_API int sfs_line_key(struct sfs_bytes line, struct sfs_buffer *key, struct sfs_error *error);

struct sfs_bulk_options {
    sfs_progress_function *progress; /* bytes (import) or records (export) done, and in all (0: unknown) */
    void *context;
    /* Report what is bad and go on. Import: lines, counted in `refused`. Export and copy: records
     * that cannot be read, counted in `lost`, and what else is DOUBTFUL; the store is one opened
     * with SFS_OPEN_SALVAGE. */
    bool keep_going;
    sfs_report_function *report; /* one sentence each; may be NULL */
    size_t batch_bytes; /* import: commit about this much at a time; 0: 4 MiB */
    /* Export: write the records with these names alone. Import: a line with another name is wrong.
     * {0}: all. */
    struct sfs_range range;
};
struct sfs_bulk_result {
    uint64_t records;
    uint64_t bytes;
    uint64_t refused;
    uint64_t lost;     /* records; each was reported */
    uint64_t doubtful; /* reports that are of no single record, or of one that was saved */
};
/* Reads lines from a file descriptor until its end. Each commit is whole lines; where a line is
 * wrong those before it are committed. What was committed before a failure stays and is counted in
 * *ret_result (set in any case); the sentence names the line. An index that cannot be made is a
 * wrong line, one that the store has already is none, and in a store that can have no indexes it is
 * reported only. A byte order mark at the beginning, CRLF and blank lines are tolerated. TOO_LARGE:
 * a line over 1 GiB; CANCELLED: `progress` asked for it, and whole batches stay. `options`,
 * `ret_result` may be NULL. */
SFS_API int sfs_import(struct sfs_storage *store, int descriptor, const struct sfs_bulk_options *options,
                       struct sfs_bulk_result *ret_result, struct sfs_error *error);
/* Writes every record and the names of the indexes, of one state where the store has snapshots. A
 * reader that goes away is IO where the program ignores SIGPIPE. TOO_LARGE for a line that an
 * import would refuse (1 GiB). After a failure all records before the one that could not be read
 * have been written. */
SFS_API int sfs_export(struct sfs_storage *store, int descriptor, const struct sfs_bulk_options *options,
                       struct sfs_bulk_result *ret_result, struct sfs_error *error);
/* Puts every record of `from` into `to`, with all attributes but the id, and makes the same indexes
 * there, where both can have them. Commits about `batch_bytes` at a time; what was committed before
 * a failure stays and is counted. Errors: those of reading `from` and of sfs_apply(), and
 * CANCELLED. */
SFS_API int sfs_copy(struct sfs_storage *from, struct sfs_storage *to,
                     const struct sfs_bulk_options *options, struct sfs_bulk_result *ret_result,
                     struct sfs_error *error);

#endif
