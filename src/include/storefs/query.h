/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_QUERY_H
#define STOREFS_QUERY_H

#include "storefs/storage.h"

/*
 * Query: an ordered list of stages, each working on the result of the one before, starting from all
 * keys in byte order. `limit 2` then a filter is not the filter then `limit 2`. One evaluator
 * (src/query) defines what stages mean; a backend is offered the list and takes a prefix that it
 * evaluates exactly so; the library does the rest.
 *
 * Documents that are not JSON have no fields; the properties @key @size @type @created @updated work on
 * every record. A field is a path: name, a.b, a[0], or any name as a JSON string: "odd name"[1]."x".
 * Missing is not null: a comparison with a missing field is false, `not` of it is true.
 * Values are ordered null < false < true < numbers < strings < arrays < objects; missing comes first
 * in `order`. Numbers are compared exactly, strings by their UTF-8 bytes.
 *
 * A query belongs to one thread while it is built; built, it may be run by several.
 */
struct sfs_query;

/* A query without stages, to be freed by the caller. NO_MEMORY. */
SFS_API int sfs_query_new(struct sfs_query **ret_query, struct sfs_error *error);
/* An independent copy, to which stages can be added. NO_MEMORY. */
SFS_API int sfs_query_copy(struct sfs_query **ret_query, const struct sfs_query *query,
                           struct sfs_error *error);
/* NULL allowed. */
SFS_API void sfs_query_free(struct sfs_query *query);
/* How many stages it has; at most 256. */
SFS_API size_t sfs_query_stages(const struct sfs_query *query);

/* Stages, appended at the end; texts are copied. INVALID with the column of the fault in the sentence, or
 * where there are too many stages; NO_MEMORY. On failure the query is as it was. */
/* `age >= 21 and (name ~ "Jo*" or tags has "x") and not archived`; = != < <= > >= in has ~ exists. */
SFS_API int sfs_query_where(struct sfs_query *query, struct sfs_bytes expression, struct sfs_error *error);
/* FIELD equals VALUE, where VALUE is a string's own text unless that text is itself JSON. */
SFS_API int sfs_query_by(struct sfs_query *query, struct sfs_bytes field, struct sfs_bytes value,
                         struct sfs_error *error);
/* "field[:asc|:desc][,field…]"; ties keep the order they had. */
SFS_API int sfs_query_order(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error);
/* The first `count` of the rows; all but the first `count`. */
SFS_API int sfs_query_limit(struct sfs_query *query, uint64_t count, struct sfs_error *error);
SFS_API int sfs_query_offset(struct sfs_query *query, uint64_t count, struct sfs_error *error);

/*
 * The grammar of query paths, one table that drives the parser, the listing and the help: stages with
 * how many path elements they take, then the files (sinks) that end a path. Ends with name NULL.
 */
enum sfs_sink {
    SFS_SINK_NONE,
    SFS_SINK_KEYS,          /* a directory of links; as text: one key a line, escaped as links are */
    SFS_SINK_VALUES_JSON,   /* an array of {"key":…,"value":…} */
    SFS_SINK_VALUES_NDJSON, /* one of these a line */
    SFS_SINK_COUNT,         /* a number and a newline */
    SFS_SINK_EXPLAIN,       /* what the backend runs and what the library does */
};
struct sfs_grammar {
    const char *name;       /* "by" */
    unsigned arguments;     /* 0: a sink */
    enum sfs_sink sink;
    const char *usage;      /* "by/FIELD/VALUE" */
    const char *summary;    /* one line */
    int (*add)(struct sfs_query *query, const struct sfs_bytes *arguments, struct sfs_error *error);
};
SFS_API const struct sfs_grammar *sfs_query_grammar(void); /* static storage */
/* The row of this name, or NULL. */
SFS_API const struct sfs_grammar *sfs_query_grammar_find(struct sfs_bytes name);
/* A path of escaped elements ("by/type/doc/where/n%2Fa >= 1/count") to a query and its sink (NONE
 * where the path ends after a stage). The query is the caller's to free. INVALID names the element;
 * NO_MEMORY. */
SFS_API int sfs_query_parse(struct sfs_bytes path, struct sfs_query **ret_query, enum sfs_sink *ret_sink,
                            struct sfs_error *error);

/* A cursor over the resulting records, with their values, in order. Not seekable (UNSUPPORTED). It
 * reads one state of the store where the store has snapshots. The query may be freed while the cursor
 * lives; the caller closes the cursor, before the store. Errors, at each step too: those of sfs_snapshot()
 * and sfs_scan(); TOO_LARGE (see sfs_query_text). After a failed step every further one fails. */
SFS_API int sfs_query_run(struct sfs_storage *store, const struct sfs_query *query,
                          struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* As sfs_query_run, but the values may be absent. */
SFS_API int sfs_query_keys(struct sfs_storage *store, const struct sfs_query *query,
                           struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* 1 if the key is in the result, 0 if not. Looks at that record alone unless there is a limit or offset. */
SFS_API int sfs_query_has(struct sfs_storage *store, const struct sfs_query *query, struct sfs_bytes key,
                          struct sfs_error *error);
/* The number of rows. Errors: those of sfs_query_run(). */
SFS_API int sfs_query_count(struct sfs_storage *store, const struct sfs_query *query,
                            uint64_t *ret_count, struct sfs_error *error);

/* A result as text, made as it is read: bounded memory whatever the size (a sort holds its rows up to
 * a limit of 256 MiB, then fails with TOO_LARGE and says so). INVALID for SFS_SINK_NONE. Belongs to one
 * thread at a time; the caller closes it, before the store. */
struct sfs_text;
SFS_API int sfs_query_text(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                           struct sfs_text **ret_text, struct sfs_error *error);
/* The next up to `size` bytes; *ret_size 0 at the end. */
SFS_API int sfs_text_read(struct sfs_text *text, void *data, size_t size, size_t *ret_size,
                          struct sfs_error *error);
/* NULL allowed. */
SFS_API void sfs_text_close(struct sfs_text *text);

/*
 * The fields there are, and the values of one, for completion: from a bounded sample of the result of
 * `query` (the first 10,000 records). `visit` gets each name or value once, in order, in the text form that
 * sfs_query_by() takes; the text is borrowed for the call. A visit that returns not 0 ends it, and that
 * is returned. *ret_complete is false when the sample was cut. Errors: those of sfs_query_run().
 */
SFS_API int sfs_query_fields(struct sfs_storage *store, const struct sfs_query *query,
                             int (*visit)(void *context, struct sfs_bytes text), void *context,
                             bool *ret_complete, struct sfs_error *error);
SFS_API int sfs_query_values(struct sfs_storage *store, const struct sfs_query *query,
                             struct sfs_bytes field,
                             int (*visit)(void *context, struct sfs_bytes text), void *context,
                             bool *ret_complete, struct sfs_error *error);

/*
 * Push-down. A backend that takes a prefix of the stages returns a cursor over what they give and how
 * many it took; it may take none. It must give exactly the evaluator's rows, in its order, and read one
 * state of the store.
 */
struct sfs_push_down {
    size_t stages;             /* how many it took; 0: core scans */
    struct sfs_cursor *cursor; /* over the rows, with values; NULL when stages is 0 */
    char plan[256];            /* for explain: what the backend runs */
};

#endif
