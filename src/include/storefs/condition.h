/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_CONDITION_H
#define STOREFS_CONDITION_H

#include "storefs/query.h"

/*
 * Conditions built in C:
 *
 *     sfs_where(query, sfs_and(sfs_ge("age", 21), sfs_glob("name", "Jo*")), &error);
 *
 * A value of a type that no JSON value has does not compile. Each call consumes the conditions that it
 * is given; what fails on the way (memory, a field that is none, NAN) is carried along and reported by
 * sfs_where(), which consumes the last one. sfs_condition_free() is for one that is not used. A condition
 * belongs to one thread. What the tests mean is what doc/query.md says of the same ones in text.
 *
 * `true` of <stdbool.h> is the int 1: the booleans are SFS_TRUE and SFS_FALSE, or any bool variable.
 */
struct sfs_condition;
SFS_API void sfs_condition_free(struct sfs_condition *condition); /* NULL allowed */
/* Appends the stage `where`. Consumes the condition. As sfs_query_where(). */
SFS_API int sfs_where(struct sfs_query *query, struct sfs_condition *condition, struct sfs_error *error);

/* --- values --- */

#define SFS_TRUE ((bool)1)
#define SFS_FALSE ((bool)0)

/* A value for a condition; borrows texts until the call it is given to returns. */
enum sfs_literal_kind {
    SFS_LITERAL_NULL,
    SFS_LITERAL_BOOL,
    SFS_LITERAL_INTEGER,
    SFS_LITERAL_UNSIGNED,
    SFS_LITERAL_DOUBLE,
    SFS_LITERAL_TEXT,
    SFS_LITERAL_JSON,
};
struct sfs_literal {
    enum sfs_literal_kind kind;
    union {
        bool boolean;
        int64_t integer;
        uint64_t whole;
        double number;
        struct sfs_bytes text;
    } is;
};

static inline struct sfs_literal sfs_literal_bool(bool value)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_BOOL, .is.boolean = value};
}
static inline struct sfs_literal sfs_literal_integer(long long value)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_INTEGER, .is.integer = value};
}
static inline struct sfs_literal sfs_literal_unsigned(unsigned long long value)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_UNSIGNED, .is.whole = value};
}
static inline struct sfs_literal sfs_literal_double(double value)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_DOUBLE, .is.number = value};
}
static inline struct sfs_literal sfs_literal_text(struct sfs_bytes value)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_TEXT, .is.text = value};
}
/* A string; NULL is null. */
static inline struct sfs_literal sfs_literal_string(const char *value)
{
    if (!value)
        return (struct sfs_literal){.kind = SFS_LITERAL_NULL};
    return sfs_literal_text(sfs_string(value));
}
static inline struct sfs_literal sfs_literal_null(const void *value)
{
    (void)value;
    return (struct sfs_literal){.kind = SFS_LITERAL_NULL};
}
/* Any JSON value as text: arrays, objects, numbers of many digits. */
static inline struct sfs_literal sfs_json_text(const char *json)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_JSON, .is.text = sfs_string(json)};
}
static inline struct sfs_literal sfs_literal_same(struct sfs_literal value)
{
    return value;
}

/* The literal of a bool, an integer, a double, a string, a run of bytes, NULL, or sfs_json_text(). */
#define sfs_literal(value)                                                                                    \
    _Generic((value),                                                                                        \
        bool: sfs_literal_bool,                                                                               \
        signed char: sfs_literal_integer,                                                                     \
        short: sfs_literal_integer,                                                                           \
        int: sfs_literal_integer,                                                                             \
        long: sfs_literal_integer,                                                                            \
        long long: sfs_literal_integer,                                                                       \
        unsigned char: sfs_literal_unsigned,                                                                  \
        unsigned short: sfs_literal_unsigned,                                                                 \
        unsigned: sfs_literal_unsigned,                                                                       \
        unsigned long: sfs_literal_unsigned,                                                                  \
        unsigned long long: sfs_literal_unsigned,                                                             \
        float: sfs_literal_double,                                                                            \
        double: sfs_literal_double,                                                                           \
        char *: sfs_literal_string,                                                                           \
        const char *: sfs_literal_string,                                                                     \
        void *: sfs_literal_null,                                                                             \
        struct sfs_bytes: sfs_literal_text,                                                                   \
        struct sfs_literal: sfs_literal_same)(value)

/* --- tests of one field; a field is written as in text: "a.b[0]", "@key" --- */

SFS_API struct sfs_condition *sfs_condition_test(const char *field, const char *symbol,
                                                 struct sfs_literal value);
#define sfs_eq(field, value) sfs_condition_test((field), "=", sfs_literal(value))
#define sfs_ne(field, value) sfs_condition_test((field), "!=", sfs_literal(value))
#define sfs_lt(field, value) sfs_condition_test((field), "<", sfs_literal(value))
#define sfs_le(field, value) sfs_condition_test((field), "<=", sfs_literal(value))
#define sfs_gt(field, value) sfs_condition_test((field), ">", sfs_literal(value))
#define sfs_ge(field, value) sfs_condition_test((field), ">=", sfs_literal(value))
/* `has`: an array with an equal element, an object with that member, a string with that text. */
#define sfs_contains(field, value) sfs_condition_test((field), "has", sfs_literal(value))
/* At least `low` and at most `high`. */
#define sfs_between(field, low, high) sfs_and(sfs_ge(field, low), sfs_le(field, high))
/* Equal to one of these: sfs_in("n", sfs_literal(1), sfs_literal("x")); or a list and its length. */
SFS_API struct sfs_condition *sfs_condition_in(const char *field, const struct sfs_literal *values,
                                               size_t count);
#define sfs_in(field, ...)                                                                                    \
    sfs_condition_in((field), (const struct sfs_literal[]){__VA_ARGS__},                                      \
                     sizeof((const struct sfs_literal[]){__VA_ARGS__}) / sizeof(struct sfs_literal))

static inline struct sfs_condition *sfs_glob(const char *field, const char *pattern)
{
    return sfs_condition_test(field, "~", sfs_literal_string(pattern));
}
static inline struct sfs_condition *sfs_regex(const char *field, const char *pattern)
{
    return sfs_condition_test(field, "=~", sfs_literal_string(pattern));
}
/* The field is there, be it null. */
SFS_API struct sfs_condition *sfs_has_field(const char *field);
/* The field is true. */
SFS_API struct sfs_condition *sfs_is_true(const char *field);
/* As where/EXPR has it. */
SFS_API struct sfs_condition *sfs_condition_text(struct sfs_bytes expression);

/* --- conditions of conditions --- */

SFS_API struct sfs_condition *sfs_not(struct sfs_condition *condition);
/* Joins `count` conditions, at least one, by "and" or "or". */
SFS_API struct sfs_condition *sfs_condition_join(const char *word, struct sfs_condition *const *conditions,
                                                 size_t count);
#define sfs_and(...) sfs_condition_list("and", __VA_ARGS__)
#define sfs_or(...) sfs_condition_list("or", __VA_ARGS__)
#define sfs_condition_list(word, ...)                                                                         \
    sfs_condition_join((word), (struct sfs_condition *const[]){__VA_ARGS__},                                  \
                       sizeof((struct sfs_condition *const[]){__VA_ARGS__}) /                                 \
                           sizeof(struct sfs_condition *))

#endif
