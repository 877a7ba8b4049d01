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
 * Rows are records; behind `group` they are groups, and behind `aggregate` documents: rows without a key
 * (records whose name is empty). doc/query.md has it all.
 *
 * Documents that are not JSON have no fields; the properties @key @size @type @created @updated work on
 * every record, @count on groups. A field is a path: name, a.b, a[0], or any name as a JSON string:
 * "odd name"[1]."x".
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

/*
 * What a run of the query may take. {0} is no limits but the memory's. Copies of a query have its options.
 */
#define SFS_QUERY_MEMORY (UINT64_C(64) << 20) /* bytes */
struct sfs_query_options {
    uint64_t time_ms; /* from the call that runs it to the last row; beyond: TIMED_OUT. 0: no limit */
    /* Asked now and then by the thread that reads, also while it sorts; may be NULL. Not 0: the call ends
     * with CANCELLED. */
    int (*cancelled)(void *context);
    void *context;
    uint64_t memory; /* bytes that order, group and distinct hold; what is more goes to temporary files */
    const char *directory; /* for these; NULL: /tmp, else /var/tmp */
    /* The caller looks at the rows' key, value, size and type alone; id, revision, mode, owner, times and
     * extended attributes may then be those of a record that was given none. Texts are always made so. */
    bool bare;
};
/* Sets the options of later runs; copies `directory`. NO_MEMORY. */
SFS_API int sfs_query_configure(struct sfs_query *query, const struct sfs_query_options *options,
                                struct sfs_error *error);

/* Stages, appended at the end; texts are copied. INVALID with the column of the fault in the
 * sentence, or where there are too many stages, or the stage cannot stand there; NO_MEMORY. On
 * failure the query is as it was. storefs/builder.h builds them from C values. */
/* `age >= 21 and (name ~ "Jo*" or tags has "x") and not archived`; = != < <= > >= in has ~ =~
 * exists. */
SFS_API int sfs_query_where(struct sfs_query *query, struct sfs_bytes expression, struct sfs_error *error);
/* FIELD equals VALUE, where VALUE is a string's own text unless that text is itself JSON. */
SFS_API int sfs_query_by(struct sfs_query *query, struct sfs_bytes field, struct sfs_bytes value,
                         struct sfs_error *error);
/* "field[:asc|:desc][,field…]"; ties keep the order they had. */
SFS_API int sfs_query_order(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error);
/* The first `count` of the rows; all but the first `count`. At most INT64_MAX, so that a negative
 * number, which becomes a larger one, is INVALID. In C a count that is not an integer does not
 * compile. */
SFS_API int sfs_query_limit(struct sfs_query *query, uint64_t count, struct sfs_error *error);
SFS_API int sfs_query_offset(struct sfs_query *query, uint64_t count, struct sfs_error *error);
#ifndef __cplusplus
static inline uint64_t sfs_query_number(long long number)
{
    return (uint64_t)number;
}
static inline uint64_t sfs_query_whole(unsigned long long number)
{
    return number;
}
/* clang-format off */
#define sfs_query_integer(number) _Generic((number), \
    signed char: sfs_query_number, short: sfs_query_number, int: sfs_query_number, \
    long: sfs_query_number, long long: sfs_query_number, \
    unsigned char: sfs_query_whole, unsigned short: sfs_query_whole, unsigned: sfs_query_whole, \
    unsigned long: sfs_query_whole, unsigned long long: sfs_query_whole)(number)
/* clang-format on */
#define sfs_query_limit(query, count, error) sfs_query_limit(query, sfs_query_integer(count), error)
#define sfs_query_offset(query, count, error)                                                      \
    sfs_query_offset(query, sfs_query_integer(count), error)
#endif
/* "field[,field…]": the row's value becomes the object of these fields, named as they are written;
 * those that are missing are left out. The key stays. */
SFS_API int sfs_query_select(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error);
/* "field[,field…]": rows become groups, in the order of the group's values. */
SFS_API int sfs_query_group(struct sfs_query *query, struct sfs_bytes fields, struct sfs_error *error);
/* "count,sum(field)…": all rows become one document of these results; each group becomes one, with the
 * group's fields. */
SFS_API int sfs_query_aggregate(struct sfs_query *query, struct sfs_bytes functions, struct sfs_error *error);

enum sfs_function {
    SFS_FUNCTION_COUNT,    /* rows */
    SFS_FUNCTION_SUM,      /* of the numbers, exact; 0 where there is none */
    SFS_FUNCTION_AVG,      /* of the numbers; none where there is none */
    SFS_FUNCTION_MIN,      /* in the order of all values; none where the field is always missing */
    SFS_FUNCTION_MAX,
    SFS_FUNCTION_DISTINCT, /* how many different values */
};

/*
 * The grammar of query paths, one table that drives the parser, the listing and the help: stages with
 * how many path elements they take, then the files (sinks) that end a path, some in a directory of their
 * own with a field as the file's name. Ends with name NULL.
 */
enum sfs_sink {
    SFS_SINK_NONE,
    SFS_SINK_KEYS,          /* a directory of links; as text: one key a line, escaped as links are */
    SFS_SINK_VALUES_JSON,   /* an array of {"key":…,"value":…} */
    SFS_SINK_VALUES_NDJSON, /* one of these a line */
    SFS_SINK_VALUES_CSV,    /* RFC 4180, the key first */
    SFS_SINK_COUNT,         /* a number and a newline; of groups a line each */
    SFS_SINK_EXPLAIN,       /* what the backend runs and what the library does */
    SFS_SINK_SUM,           /* these end a query with an aggregate of one function: as count */
    SFS_SINK_AVG,
    SFS_SINK_MIN,
    SFS_SINK_MAX,
    SFS_SINK_DISTINCT,      /* the different values in order, a line each; of groups how many */
};
/* What a path element behind a name is, for whoever completes one. */
enum sfs_argument {
    SFS_ARGUMENT_NONE,
    SFS_ARGUMENT_TEXT,     /* an expression, a number: nothing to choose from */
    SFS_ARGUMENT_FIELD,    /* a field, or a list that may be one field */
    SFS_ARGUMENT_VALUE,    /* a value of the field before it */
    SFS_ARGUMENT_FUNCTION, /* a list that may be `count`, or NAME(FIELD) with the name of a sink of a field */
};
struct sfs_grammar {
    const char *name;       /* "by" */
    unsigned arguments;     /* path elements behind the name */
    enum sfs_sink sink;     /* NONE: a stage. A sink with an argument: the argument is the file */
    const char *usage;      /* "by/FIELD/VALUE" */
    const char *summary;    /* one line */
    int (*add)(struct sfs_query *query, const struct sfs_bytes *arguments, struct sfs_error *error);
    enum sfs_argument takes[2]; /* each argument; NONE behind the last */
};
SFS_API const struct sfs_grammar *sfs_query_grammar(void); /* static storage */
/* The row of this name, or NULL. */
SFS_API const struct sfs_grammar *sfs_query_grammar_find(struct sfs_bytes name);
/*
 * An argument may be longer than a file name: an element that ends in "%+" goes on in the next one. True of
 * such an element. Pure, thread-safe.
 */
SFS_API bool sfs_query_goes_on(struct sfs_bytes element);
/* Appends the text of an argument that is written in `elements` ("a%2F%+/b" is "a/b"). NO_MEMORY. */
SFS_API int sfs_query_argument(struct sfs_bytes elements, struct sfs_buffer *text);
/* A path of escaped elements ("by/type/doc/where/n%2Fa >= 1/count") to a query and its sink (NONE
 * where the path ends after a stage). "sum/FIELD" becomes a last stage, the aggregate. The query is the
 * caller's to free. INVALID names the element; NO_MEMORY. */
SFS_API int sfs_query_parse(struct sfs_bytes path, struct sfs_query **ret_query, enum sfs_sink *ret_sink,
                            struct sfs_error *error);
/* Appends the path, which parses to the same query and sink. INVALID where the sink wants an aggregate
 * that the query does not end with; NO_MEMORY. */
SFS_API int sfs_query_print(const struct sfs_query *query, enum sfs_sink sink, struct sfs_buffer *out,
                            struct sfs_error *error);

/* A cursor over the resulting records, with their values, in order. Not seekable (UNSUPPORTED). It
 * reads one state of the store where the store has snapshots. The query may be freed while the cursor
 * lives; the caller closes the cursor, before the store. Errors, at each step too: those of sfs_snapshot()
 * and sfs_scan(); NO_SPACE and the like from temporary files; TIMED_OUT, CANCELLED; TOO_LARGE where a
 * regular expression takes too many steps. After a failed step every further one fails. Groups and
 * documents come as records without a name. */
SFS_API int sfs_query_run(struct sfs_storage *store, const struct sfs_query *query,
                          struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* The first row, as a reference of the caller's; NOT_FOUND where there is none. */
SFS_API int sfs_query_find_one(struct sfs_storage *store, const struct sfs_query *query,
                               const struct sfs_record **ret_record, struct sfs_error *error);
/* As sfs_query_run, but the values may be absent. INVALID where the rows have no keys. */
SFS_API int sfs_query_keys(struct sfs_storage *store, const struct sfs_query *query,
                           struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* 1 if the key is in the result, 0 if not. Looks at that record alone unless there is a limit or offset. */
SFS_API int sfs_query_has(struct sfs_storage *store, const struct sfs_query *query, struct sfs_bytes key,
                          struct sfs_error *error);
/* The number of rows. Errors: those of sfs_query_run(). */
SFS_API int sfs_query_count(struct sfs_storage *store, const struct sfs_query *query,
                            uint64_t *ret_count, struct sfs_error *error);

/*
 * Results of a query that ends in `aggregate`, typed: one a function, in their order. Where it is of
 * groups, this is done once for each group by stepping; else there is one step.
 */
struct sfs_result {
    enum sfs_function function;
    bool present;            /* false: nothing to take an average of, no least value */
    struct sfs_bytes json;   /* canonical JSON: the exact number, or the value; {NULL, 0} if not present */
    bool is_integer;         /* the value is an integer of 64 bits: */
    int64_t integer;
    double number;           /* the nearest double of a number; NAN for what is none */
};
struct sfs_results;
/* INVALID where the query does not end in an aggregate; else as sfs_query_run(). The caller closes it. */
SFS_API int sfs_query_results(struct sfs_storage *store, const struct sfs_query *query,
                              struct sfs_results **ret_results, struct sfs_error *error);
/* 1 and the next results (*ret_count of them, borrowed until the next step; *ret_group: the document of
 * the group's fields and the results), 0 at the end, or an error. */
SFS_API int sfs_results_next(struct sfs_results *results, struct sfs_bytes *ret_group,
                             const struct sfs_result **ret_list, size_t *ret_count,
                             struct sfs_error *error);
/* NULL allowed. */
SFS_API void sfs_results_close(struct sfs_results *results);

/* A result as text, made as it is read: bounded memory whatever the size. INVALID for SFS_SINK_NONE,
 * for a sink that wants an aggregate and finds none at the query's end, and for keys of rows that have
 * none. Belongs to one thread at a time; the caller closes it, before the store. */
struct sfs_text;
SFS_API int sfs_query_text(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                           struct sfs_text **ret_text, struct sfs_error *error);
/* The next up to `size` bytes; *ret_size 0 at the end. */
SFS_API int sfs_text_read(struct sfs_text *text, void *data, size_t size, size_t *ret_size,
                          struct sfs_error *error);
/* NULL allowed. */
SFS_API void sfs_text_close(struct sfs_text *text);

/*
 * The fields that the documents in the result of `query` have (the names of their members), and the values of one, for
 * completion. Fields are those of all documents, as far as they are read in five seconds, and at most 100,000. Values
 * are those of an index on the field, at most 100,000; without one those of the first 10,000 records or 8 MiB
 * of values, as far as they are read in a second. `visit` gets each name or value once, in order, in the text form that
 * sfs_query_by() takes; the text is borrowed for the call. A visit that returns not 0 ends it, and that
 * is returned. *ret_complete is false where a limit was met; values of over 255 bytes, escaped, are left out and count as
 * such. Errors: those of sfs_query_run().
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
 * state of the store. A group it takes only together with the aggregate that comes behind it; the rows
 * are then records without a name (sfs_record_new() with an empty one), type json, whose value is the
 * document. What the stages are: storefs/query_stages.h.
 */
struct sfs_push_down {
    size_t stages;             /* how many it took; 0: core scans */
    struct sfs_cursor *cursor; /* over the rows, with values; NULL when stages is 0 */
    char plan[256];            /* for explain: what the backend runs */
};

#endif
