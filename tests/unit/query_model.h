/* SPDX-License-Identifier: MIT */
#ifndef QUERY_MODEL_H
#define QUERY_MODEL_H

/*
 * The reference that query results are compared with: documents, expressions and stages as plain
 * trees and arrays, evaluated in the most obvious way. It shares no code with the library: the
 * library gets the same things as text. Numbers are whole hundredths, so that they are exact.
 * Everything lives until the process ends or model_reset() is called.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storefs/bytes.h"

__extension__ typedef __int128 model_number;

enum model_type { M_NULL, M_FALSE, M_TRUE, M_NUMBER, M_STRING, M_ARRAY, M_OBJECT };

struct model_value {
    enum model_type type;
    model_number hundredths;
    struct sfs_bytes string;
    size_t count;
    struct model_value **items;
    struct sfs_bytes *names; /* of an object's items; distinct */
};

enum model_property { P_NONE, P_KEY, P_SIZE, P_TYPE, P_CREATED, P_UPDATED, P_COUNT };
struct model_field {
    enum model_property property;
    size_t count;
    struct {
        bool is_index;
        size_t index;
        struct sfs_bytes name;
    } steps[4];
};

enum model_kind {
    E_OR,
    E_AND,
    E_NOT,
    E_TRUE,
    E_EXISTS,
    E_EQ,
    E_NE,
    E_LT,
    E_LE,
    E_GT,
    E_GE,
    E_IN,
    E_HAS,
    E_GLOB,
    E_REGEX,
};
struct model_expression {
    enum model_kind kind;
    struct model_expression *left; /* OR, AND, NOT */
    struct model_expression *right;
    struct model_field field;
    struct model_value *literal;
    struct sfs_bytes glob; /* "*", "x*", "*x" or "*x*" with a literal x; REGEX: so, too */
};

enum model_stage_kind {
    S_WHERE,
    S_BY,
    S_ORDER,
    S_LIMIT,
    S_OFFSET,
    S_SELECT,
    S_GROUP,
    S_AGGREGATE,
};
enum model_function { F_COUNT, F_SUM, F_MIN, F_MAX, F_DISTINCT };
struct model_stage {
    enum model_stage_kind kind;
    struct model_expression *expression; /* WHERE; BY: an E_EQ */
    size_t keys;
    struct model_field fields[3];
    bool descending[3];
    enum model_function functions[3];
    size_t count;
};

/* Faults that can be planted in the reference. */
enum model_fault {
    FAULT_NONE,
    FAULT_SWAP,     /* a limit and a filter next to each other change places */
    FAULT_LAST,     /* the first N of a descending order are those of the ascending one */
    FAULT_TRUNCATE, /* lists end after ten rows */
    FAULT_DOUBLE,   /* sums are made of doubles */
    FAULTS,
};

struct model_record {
    struct sfs_bytes key;
    struct sfs_bytes bytes;
    const char *type;
    struct model_value *value; /* NULL: not JSON */
    int64_t created;           /* ms */
    int64_t updated;
    size_t place;                  /* for the stable sort */
    bool made;                     /* it has no key, and its value is not known byte for byte */
    struct model_record **members; /* of a group */
    size_t member_count;
};

/* query_model.c */
void *model_alloc(size_t size);
void model_reset(void);
/* The field's value, or NULL. */
struct model_value *model_find(const struct model_record *record, const struct model_field *field);
int model_compare(const struct model_value *a, const struct model_value *b);
bool model_matches(const struct model_expression *expression, const struct model_record *record);
/* Runs the stages over `rows` in place; returns how many are left. */
size_t model_run(struct model_record **rows, size_t count, const struct model_stage *stages,
                 size_t stage_count, enum model_fault fault);

/* query_model_rows.c: the stages that make rows. */
void model_select(struct model_record **rows, size_t count, const struct model_stage *stage);
size_t model_group(struct model_record **rows, size_t count, const struct model_stage *stage);
size_t model_aggregate(struct model_record **rows, size_t count, const struct model_stage *stage,
                       bool grouped, enum model_fault fault);
/* How a field is written, and how the member of a function of it is called. */
struct sfs_bytes model_field_name(const struct model_field *field);
struct sfs_bytes model_function_name(enum model_function function, const struct model_field *field);
/* Sorts by the fields of a stage; ties keep their order. */
void model_order(struct model_record **rows, size_t count, const struct model_stage *stage);

/* query_generate.c: random things, and their text. */
void generate_seed(uint64_t seed);
/* From now on no field asks for the size: of made values it is not known. */
void generate_without_size(bool without);
uint64_t generate_below(uint64_t limit);
void generate_record(struct model_record *record, size_t number);
void generate_stage(struct model_stage *stage, const struct model_record *records, size_t count);
/* Appends the stage as it stands in a query path. */
void write_stage(struct sfs_buffer *path, const struct model_stage *stage);

/* Appends the value as JSON, with random white space. */
void write_value(struct sfs_buffer *out, const struct model_value *value);

#endif
