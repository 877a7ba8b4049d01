/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BUILDER_H
#define STOREFS_BUILDER_H

#include "storefs/query.h"

/*
 * Queries built in C, with types that the compiler checks:
 *
 *     sfs_where(query, sfs_and(sfs_ge("age", 21), sfs_glob("name", "Jo*")), &error);
 *     sfs_order(query, sfs_sorts(sfs_desc("age"), "name"), &error);
 *     sfs_aggregate(query, sfs_calls(sfs_count(), sfs_avg("age")), &error);
 *
 * An argument of another type does not compile: a field that is not a string, a value of a type
 * that JSON does not have, a condition that is not one. A list has at most 32 items; longer ones
 * are arrays, for the functions below the macros. A field is one field, written as in text
 * ("a.b[0]", "@key"); anything else in its place is INVALID. What the stages and tests mean is in
 * doc/query.md.
 *
 * A call consumes the conditions that it is given. What fails in one (memory, a field, NAN) is kept
 * in it and reported by sfs_where(), which consumes the last one; sfs_condition_free() is for one
 * that is not used. A condition belongs to one thread.
 *
 * The macros need C11. A C++ program calls the functions, or gives stages as text
 * (storefs/query.h).
 */
struct sfs_condition {
    struct sfs_builder_text *text; /* NULL: out of memory */
};

/* --- conditions --- */

SFS_API void sfs_condition_free(struct sfs_condition condition); /* {NULL} allowed */
/* Appends the stage `where`. Consumes the condition. Errors: those of sfs_query_where(). */
SFS_API int sfs_where(struct sfs_query *query, struct sfs_condition condition,
                      struct sfs_error *error);

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

/*
 * Each test of one field. `symbol` is =, !=, <, <=, >, >=, has, ~ (glob) or =~ (regular
 * expression); any other is INVALID. `has`: an array with an equal element, an object with that
 * member, a string with that text.
 */
SFS_API struct sfs_condition sfs_condition_test(const char *field, const char *symbol,
                                                struct sfs_literal value);
/* At least `low` and at most `high`. */
SFS_API struct sfs_condition sfs_condition_between(const char *field, struct sfs_literal low,
                                                   struct sfs_literal high);
/* Equal to one of the values; of none where there is no value. */
SFS_API struct sfs_condition sfs_condition_in(const char *field, const struct sfs_literal *values,
                                              size_t count);
SFS_API struct sfs_condition sfs_condition_exists(const char *field);
SFS_API struct sfs_condition sfs_condition_true(const char *field);
/* An expression, as in where/EXPR. */
SFS_API struct sfs_condition sfs_condition_text(struct sfs_bytes expression);
SFS_API struct sfs_condition sfs_not(struct sfs_condition condition);
/* All, or any, of `count` conditions, at least one. */
SFS_API struct sfs_condition sfs_condition_all(const struct sfs_condition *conditions,
                                               size_t count);
SFS_API struct sfs_condition sfs_condition_any(const struct sfs_condition *conditions,
                                               size_t count);

/* --- stages of several fields; fields are borrowed for the call --- */

struct sfs_sort {
    const char *field;
    bool descending;
};
struct sfs_sort_list {
    const struct sfs_sort *items;
    size_t count;
};
struct sfs_field_list {
    const char *const *items;
    size_t count;
};
/* A function of an aggregate; COUNT takes no field. */
struct sfs_call {
    enum sfs_function function;
    const char *field;
};
struct sfs_call_list {
    const struct sfs_call *items;
    size_t count;
};

/*
 * Each appends a stage, as sfs_query_order(), _select(), _group() and _aggregate() do, with their
 * errors. An item that is not one field is INVALID; so is an empty list.
 */
SFS_API int sfs_order(struct sfs_query *query, struct sfs_sort_list sorts, struct sfs_error *error);
SFS_API int sfs_select(struct sfs_query *query, struct sfs_field_list fields,
                       struct sfs_error *error);
SFS_API int sfs_group(struct sfs_query *query, struct sfs_field_list fields,
                      struct sfs_error *error);
SFS_API int sfs_aggregate(struct sfs_query *query, struct sfs_call_list calls,
                          struct sfs_error *error);

#ifndef __cplusplus

/* --- checked arguments --- */

/* In C11 `true` is the int 1, and a test for it would be one for a number. Here it has the type
 * bool, as in C23. */
#if __STDC_VERSION__ < 202311L
#undef true
#undef false
#define true ((_Bool) + 1u)
#define false ((_Bool) + 0u)
#endif

/* The argument itself; another type does not compile. */
#define sfs_typed(type, argument) _Generic((argument), type : (argument))
/* A string: the name of a field. */
#define sfs_field(name) _Generic((name), char * : (name), const char * : (name))

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
static inline struct sfs_literal sfs_literal_json(const char *json)
{
    return (struct sfs_literal){.kind = SFS_LITERAL_JSON, .is.text = sfs_string(json ? json : "")};
}
static inline struct sfs_literal sfs_literal_same(struct sfs_literal value)
{
    return value;
}

/* The literal of a bool, an integer, a double, a string, a run of bytes, NULL, or sfs_json_text().
 */
#define sfs_literal(value)                                                                         \
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
/* Any JSON value as text: arrays, objects, numbers of many digits. */
#define sfs_json_text(json) sfs_literal_json(sfs_field(json))
/* The literal of a string that is not NULL: a pattern. */
#define sfs_literal_pattern(pattern)                                                               \
    _Generic((pattern),                                                                                       \
        char *: sfs_literal_string,                                                                           \
        const char *: sfs_literal_string,                                                                     \
        struct sfs_bytes: sfs_literal_text)(pattern)

/* call(first), call(second), … */
#define SFS_EACH_PICK(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17,  \
                      _18, _19, _20, _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32,   \
                      name, ...)                                                                   \
    name
#define SFS_EACH_COUNT(...)                                                                        \
    SFS_EACH_PICK(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, \
                  15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define SFS_EACH(call, ...)                                                                        \
    SFS_EACH_PICK(__VA_ARGS__, SFS_EACH_32, SFS_EACH_31, SFS_EACH_30, SFS_EACH_29, SFS_EACH_28,    \
                  SFS_EACH_27, SFS_EACH_26, SFS_EACH_25, SFS_EACH_24, SFS_EACH_23, SFS_EACH_22,    \
                  SFS_EACH_21, SFS_EACH_20, SFS_EACH_19, SFS_EACH_18, SFS_EACH_17, SFS_EACH_16,    \
                  SFS_EACH_15, SFS_EACH_14, SFS_EACH_13, SFS_EACH_12, SFS_EACH_11, SFS_EACH_10,    \
                  SFS_EACH_9, SFS_EACH_8, SFS_EACH_7, SFS_EACH_6, SFS_EACH_5, SFS_EACH_4,          \
                  SFS_EACH_3, SFS_EACH_2, SFS_EACH_1, 0)                                           \
    (call, __VA_ARGS__)
#define SFS_EACH_1(call, one) call(one)
#define SFS_EACH_2(call, one, ...) call(one), SFS_EACH_1(call, __VA_ARGS__)
#define SFS_EACH_3(call, one, ...) call(one), SFS_EACH_2(call, __VA_ARGS__)
#define SFS_EACH_4(call, one, ...) call(one), SFS_EACH_3(call, __VA_ARGS__)
#define SFS_EACH_5(call, one, ...) call(one), SFS_EACH_4(call, __VA_ARGS__)
#define SFS_EACH_6(call, one, ...) call(one), SFS_EACH_5(call, __VA_ARGS__)
#define SFS_EACH_7(call, one, ...) call(one), SFS_EACH_6(call, __VA_ARGS__)
#define SFS_EACH_8(call, one, ...) call(one), SFS_EACH_7(call, __VA_ARGS__)
#define SFS_EACH_9(call, one, ...) call(one), SFS_EACH_8(call, __VA_ARGS__)
#define SFS_EACH_10(call, one, ...) call(one), SFS_EACH_9(call, __VA_ARGS__)
#define SFS_EACH_11(call, one, ...) call(one), SFS_EACH_10(call, __VA_ARGS__)
#define SFS_EACH_12(call, one, ...) call(one), SFS_EACH_11(call, __VA_ARGS__)
#define SFS_EACH_13(call, one, ...) call(one), SFS_EACH_12(call, __VA_ARGS__)
#define SFS_EACH_14(call, one, ...) call(one), SFS_EACH_13(call, __VA_ARGS__)
#define SFS_EACH_15(call, one, ...) call(one), SFS_EACH_14(call, __VA_ARGS__)
#define SFS_EACH_16(call, one, ...) call(one), SFS_EACH_15(call, __VA_ARGS__)
#define SFS_EACH_17(call, one, ...) call(one), SFS_EACH_16(call, __VA_ARGS__)
#define SFS_EACH_18(call, one, ...) call(one), SFS_EACH_17(call, __VA_ARGS__)
#define SFS_EACH_19(call, one, ...) call(one), SFS_EACH_18(call, __VA_ARGS__)
#define SFS_EACH_20(call, one, ...) call(one), SFS_EACH_19(call, __VA_ARGS__)
#define SFS_EACH_21(call, one, ...) call(one), SFS_EACH_20(call, __VA_ARGS__)
#define SFS_EACH_22(call, one, ...) call(one), SFS_EACH_21(call, __VA_ARGS__)
#define SFS_EACH_23(call, one, ...) call(one), SFS_EACH_22(call, __VA_ARGS__)
#define SFS_EACH_24(call, one, ...) call(one), SFS_EACH_23(call, __VA_ARGS__)
#define SFS_EACH_25(call, one, ...) call(one), SFS_EACH_24(call, __VA_ARGS__)
#define SFS_EACH_26(call, one, ...) call(one), SFS_EACH_25(call, __VA_ARGS__)
#define SFS_EACH_27(call, one, ...) call(one), SFS_EACH_26(call, __VA_ARGS__)
#define SFS_EACH_28(call, one, ...) call(one), SFS_EACH_27(call, __VA_ARGS__)
#define SFS_EACH_29(call, one, ...) call(one), SFS_EACH_28(call, __VA_ARGS__)
#define SFS_EACH_30(call, one, ...) call(one), SFS_EACH_29(call, __VA_ARGS__)
#define SFS_EACH_31(call, one, ...) call(one), SFS_EACH_30(call, __VA_ARGS__)
#define SFS_EACH_32(call, one, ...) call(one), SFS_EACH_31(call, __VA_ARGS__)
/* An array of at least one item, and its length. */
#define SFS_ITEMS(type, call, ...)                                                                 \
    (type const[]){SFS_EACH(call, __VA_ARGS__)}, SFS_EACH_COUNT(__VA_ARGS__)

/* --- the conditions, checked --- */

static inline struct sfs_condition sfs_condition_same(struct sfs_condition condition)
{
    return condition;
}
#define sfs_where(query, condition, error)                                                         \
    sfs_where(sfs_typed(struct sfs_query *, query), condition, error)

#define sfs_eq(field, value) sfs_condition_test(sfs_field(field), "=", sfs_literal(value))
#define sfs_ne(field, value) sfs_condition_test(sfs_field(field), "!=", sfs_literal(value))
#define sfs_lt(field, value) sfs_condition_test(sfs_field(field), "<", sfs_literal(value))
#define sfs_le(field, value) sfs_condition_test(sfs_field(field), "<=", sfs_literal(value))
#define sfs_gt(field, value) sfs_condition_test(sfs_field(field), ">", sfs_literal(value))
#define sfs_ge(field, value) sfs_condition_test(sfs_field(field), ">=", sfs_literal(value))
#define sfs_contains(field, value) sfs_condition_test(sfs_field(field), "has", sfs_literal(value))
#define sfs_glob(field, pattern)                                                                   \
    sfs_condition_test(sfs_field(field), "~", sfs_literal_pattern(pattern))
#define sfs_regex(field, pattern)                                                                  \
    sfs_condition_test(sfs_field(field), "=~", sfs_literal_pattern(pattern))
#define sfs_between(field, low, high)                                                              \
    sfs_condition_between(sfs_field(field), sfs_literal(low), sfs_literal(high))
/* Equal to one of these: sfs_in("n", 1, "x"). */
#define sfs_in(field, ...)                                                                         \
    sfs_condition_in(sfs_field(field), SFS_ITEMS(struct sfs_literal, sfs_literal, __VA_ARGS__))
/* The field exists, be it null; the field is true. */
#define sfs_has_field(field) sfs_condition_exists(sfs_field(field))
#define sfs_is_true(field) sfs_condition_true(sfs_field(field))

#define sfs_and(...)                                                                               \
    sfs_condition_all(SFS_ITEMS(struct sfs_condition, sfs_condition_same, __VA_ARGS__))
#define sfs_or(...)                                                                                \
    sfs_condition_any(SFS_ITEMS(struct sfs_condition, sfs_condition_same, __VA_ARGS__))

/* --- the lists, checked --- */

static inline struct sfs_sort sfs_sort_same(struct sfs_sort sort)
{
    return sort;
}
static inline struct sfs_sort sfs_sort_ascending(const char *field)
{
    return (struct sfs_sort){.field = field};
}
/* Of sfs_order(): sfs_sorts(sfs_desc("age"), "name"). */
#define sfs_asc(name) ((struct sfs_sort){sfs_field(name), false})
#define sfs_desc(name) ((struct sfs_sort){sfs_field(name), true})
#define sfs_sort(item)                                                                             \
    _Generic((item), char *: sfs_sort_ascending, const char *: sfs_sort_ascending,                            \
             struct sfs_sort: sfs_sort_same)(item)
#define sfs_sorts(...) ((struct sfs_sort_list){SFS_ITEMS(struct sfs_sort, sfs_sort, __VA_ARGS__)})

/* Of sfs_select() and sfs_group(): sfs_fields("name", "age"). */
#define sfs_fields(...) ((struct sfs_field_list){SFS_ITEMS(const char *, sfs_field, __VA_ARGS__)})

/* Of sfs_aggregate(): sfs_calls(sfs_count(), sfs_sum("n")). */
#define sfs_count() ((struct sfs_call){SFS_FUNCTION_COUNT, NULL})
#define sfs_sum(name) ((struct sfs_call){SFS_FUNCTION_SUM, sfs_field(name)})
#define sfs_avg(name) ((struct sfs_call){SFS_FUNCTION_AVG, sfs_field(name)})
#define sfs_min(name) ((struct sfs_call){SFS_FUNCTION_MIN, sfs_field(name)})
#define sfs_max(name) ((struct sfs_call){SFS_FUNCTION_MAX, sfs_field(name)})
#define sfs_distinct(name) ((struct sfs_call){SFS_FUNCTION_DISTINCT, sfs_field(name)})
static inline struct sfs_call sfs_call_same(struct sfs_call call)
{
    return call;
}
#define sfs_calls(...)                                                                             \
    ((struct sfs_call_list){SFS_ITEMS(struct sfs_call, sfs_call_same, __VA_ARGS__)})

#define sfs_order(query, sorts, error) sfs_order(sfs_typed(struct sfs_query *, query), sorts, error)
#define sfs_select(query, fields, error)                                                           \
    sfs_select(sfs_typed(struct sfs_query *, query), fields, error)
#define sfs_group(query, fields, error)                                                            \
    sfs_group(sfs_typed(struct sfs_query *, query), fields, error)
#define sfs_aggregate(query, calls, error)                                                         \
    sfs_aggregate(sfs_typed(struct sfs_query *, query), calls, error)

#endif /* C */
#endif
