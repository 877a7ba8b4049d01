/* SPDX-License-Identifier: MIT */
/* Conditions built in C: each is the text of an expression, which the parser of all judges. */
#include "storefs/condition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/json.h"

struct sfs_condition {
    struct sfs_buffer text;
    int failed;
    const char *reason; /* static storage */
};

void sfs_condition_free(struct sfs_condition *condition)
{
    if (!condition)
        return;
    sfs_buffer_free(&condition->text);
    free(condition);
}

/* NULL stands for no memory. */
static struct sfs_condition *condition_new(void)
{
    return calloc(1, sizeof(struct sfs_condition));
}

static void add(struct sfs_condition *condition, struct sfs_bytes text)
{
    if (condition->failed == 0)
        condition->failed = sfs_buffer_add(&condition->text, text);
}

static void fail(struct sfs_condition *condition, const char *reason)
{
    condition->failed = SFS_E_INVALID;
    condition->reason = reason;
}

/* --- literals --- */

/* The shortest text that is read as this double, with a point in every locale. */
static void add_double(struct sfs_condition *condition, double number)
{
    char text[40];
    if (!isfinite(number)) {
        fail(condition, "an infinite number, or none at all, is no JSON value");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    for (char *at = text; *at; at++) {
        if (!strchr("0123456789e+-", *at))
            *at = '.';
    }
    add(condition, sfs_string(text));
}

static void add_text(struct sfs_condition *condition, struct sfs_bytes text)
{
    if (condition->failed == 0)
        condition->failed = sfs_json_string_encode(text, &condition->text);
    if (condition->failed == SFS_E_INVALID && !condition->reason)
        condition->reason = "a text is not UTF-8";
}

static void add_json(struct sfs_condition *condition, struct sfs_bytes json)
{
    if (sfs_json_check(json, NULL))
        add(condition, json);
    else
        fail(condition, "a value that was given as JSON is none");
}

static void add_integer(struct sfs_condition *condition, const struct sfs_literal *literal)
{
    char digits[32];
    if (literal->kind == SFS_LITERAL_INTEGER)
        snprintf(digits, sizeof(digits), "%" PRId64, literal->is.integer);
    else
        snprintf(digits, sizeof(digits), "%" PRIu64, literal->is.whole);
    add(condition, sfs_string(digits));
}

static void add_literal(struct sfs_condition *condition, const struct sfs_literal *literal)
{
    switch (literal->kind) {
    case SFS_LITERAL_NULL:
        add(condition, SFS_LITERAL("null"));
        break;
    case SFS_LITERAL_BOOL:
        add(condition, literal->is.boolean ? SFS_LITERAL("true") : SFS_LITERAL("false"));
        break;
    case SFS_LITERAL_INTEGER:
    case SFS_LITERAL_UNSIGNED:
        add_integer(condition, literal);
        break;
    case SFS_LITERAL_DOUBLE:
        add_double(condition, literal->is.number);
        break;
    case SFS_LITERAL_TEXT:
        add_text(condition, literal->is.text);
        break;
    case SFS_LITERAL_JSON:
        add_json(condition, literal->is.text);
        break;
    }
}

/* --- tests --- */

static struct sfs_condition *begin_test(const char *field, const char *symbol)
{
    struct sfs_condition *condition = condition_new();
    if (!condition)
        return NULL;
    add(condition, sfs_string(field));
    add(condition, SFS_LITERAL(" "));
    add(condition, sfs_string(symbol));
    return condition;
}

struct sfs_condition *sfs_condition_test(const char *field, const char *symbol,
                                         struct sfs_literal value)
{
    struct sfs_condition *condition = begin_test(field, symbol);
    if (!condition)
        return NULL;
    add(condition, SFS_LITERAL(" "));
    add_literal(condition, &value);
    return condition;
}

struct sfs_condition *sfs_condition_in(const char *field, const struct sfs_literal *values,
                                       size_t count)
{
    struct sfs_condition *condition = begin_test(field, "in [");
    if (!condition)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            add(condition, SFS_LITERAL(","));
        add_literal(condition, &values[i]);
    }
    add(condition, SFS_LITERAL("]"));
    return condition;
}

struct sfs_condition *sfs_has_field(const char *field)
{
    return begin_test(field, "exists");
}

struct sfs_condition *sfs_is_true(const char *field)
{
    return begin_test(field, "");
}

struct sfs_condition *sfs_condition_text(struct sfs_bytes expression)
{
    struct sfs_condition *condition = condition_new();
    if (condition)
        add(condition, expression);
    return condition;
}

/* --- conditions of conditions --- */

/* Adds a condition in parentheses, and consumes it. */
static void take(struct sfs_condition *whole, struct sfs_condition *part)
{
    if (whole && !part) {
        whole->failed = SFS_E_NO_MEMORY;
    } else if (whole && part->failed) {
        whole->failed = part->failed;
        whole->reason = part->reason;
    } else if (whole) {
        add(whole, SFS_LITERAL("("));
        add(whole, sfs_buffer_bytes(&part->text));
        add(whole, SFS_LITERAL(")"));
    }
    sfs_condition_free(part);
}

struct sfs_condition *sfs_not(struct sfs_condition *condition)
{
    struct sfs_condition *whole = condition_new();
    if (whole)
        add(whole, SFS_LITERAL("not "));
    take(whole, condition);
    return whole;
}

struct sfs_condition *sfs_condition_join(const char *word, struct sfs_condition *const *conditions,
                                         size_t count)
{
    struct sfs_condition *whole = condition_new();
    for (size_t i = 0; i < count; i++) {
        if (whole && i > 0) {
            add(whole, SFS_LITERAL(" "));
            add(whole, sfs_string(word));
            add(whole, SFS_LITERAL(" "));
        }
        take(whole, conditions[i]);
    }
    return whole;
}

int sfs_where(struct sfs_query *query, struct sfs_condition *condition, struct sfs_error *error)
{
    int result;
    if (!condition || condition->failed == SFS_E_NO_MEMORY)
        result = sfs_fail_memory(error, "query");
    else if (condition->failed)
        result = sfs_fail(error, condition->failed, "query", "where: %s", condition->reason);
    else
        result = sfs_query_where(query, sfs_buffer_bytes(&condition->text), error);
    sfs_condition_free(condition);
    return result;
}
