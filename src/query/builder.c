/* SPDX-License-Identifier: MIT */
/* Queries built in C: each condition and list becomes the text of a stage, which has one parser. */
#include "storefs/builder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "query/expression.h"
#include "query/stages.h"
#include "util/json.h"

/* A text that is being written, and what failed first. */
struct sfs_builder_text {
    struct sfs_buffer text;
    struct sfs_error error;
    int failed;
};

static void text_free(struct sfs_builder_text *text)
{
    if (!text)
        return;
    sfs_buffer_free(&text->text);
    free(text);
}

void sfs_condition_free(struct sfs_condition condition)
{
    text_free(condition.text);
}

static void fail(struct sfs_builder_text *condition, const char *reason)
{
    if (condition->failed)
        return;
    condition->failed = sfs_fail(&condition->error, SFS_E_INVALID, "query", "%s", reason);
}

static void add(struct sfs_builder_text *condition, struct sfs_bytes text)
{
    if (condition->failed == 0 && sfs_buffer_add(&condition->text, text))
        condition->failed = sfs_fail_memory(&condition->error, "query");
}

/* Adds the text of one field: anything else in its place could change what is around it. */
static void add_field(struct sfs_builder_text *condition, const char *what, const char *name)
{
    struct sfs_arena arena = {0};
    struct sfs_field field;
    struct sfs_bytes text = name ? sfs_string(name) : (struct sfs_bytes){0};
    if (condition->failed == 0)
        condition->failed = sfs_field_parse(what, text, &arena, &field, &condition->error);
    sfs_arena_free(&arena);
    add(condition, text);
}

/* --- literals --- */

/* The shortest text that is read as this double, with a point in every locale. */
static void add_double(struct sfs_builder_text *condition, double number)
{
    char text[40];
    if (!isfinite(number)) {
        fail(condition, "where: NAN and infinite numbers are not JSON values");
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

static void add_text(struct sfs_builder_text *condition, struct sfs_bytes text)
{
    int encoded = condition->failed ? 0 : sfs_json_string_encode(text, &condition->text);
    if (encoded == SFS_E_INVALID)
        fail(condition, "where: a string is not UTF-8");
    else if (encoded)
        condition->failed = sfs_fail_memory(&condition->error, "query");
}

static void add_json(struct sfs_builder_text *condition, struct sfs_bytes json)
{
    if (sfs_json_check(json, NULL))
        add(condition, json);
    else
        fail(condition, "where: a value given as JSON is not JSON");
}

static void add_integer(struct sfs_builder_text *condition, const struct sfs_literal *literal)
{
    char digits[32];
    if (literal->kind == SFS_LITERAL_INTEGER)
        snprintf(digits, sizeof(digits), "%" PRId64, literal->is.integer);
    else
        snprintf(digits, sizeof(digits), "%" PRIu64, literal->is.whole);
    add(condition, sfs_string(digits));
}

static void add_literal(struct sfs_builder_text *condition, const struct sfs_literal *literal)
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

static struct sfs_condition begin_test(const char *field, const char *symbol)
{
    struct sfs_builder_text *text = calloc(1, sizeof(*text));
    if (text) {
        add_field(text, "where", field);
        add(text, SFS_LITERAL(" "));
        add(text, sfs_string(symbol));
    }
    return (struct sfs_condition){text};
}

static bool is_operator(const char *symbol)
{
    static const char *const operators[] = {"=", "!=", "<", "<=", ">", ">=", "has", "~", "=~"};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (symbol && strcmp(symbol, operators[i]) == 0)
            return true;
    }
    return false;
}

struct sfs_condition sfs_condition_test(const char *field, const char *symbol,
                                        struct sfs_literal value)
{
    struct sfs_condition condition = begin_test(field, is_operator(symbol) ? symbol : "");
    if (!condition.text)
        return condition;
    if (!is_operator(symbol))
        fail(condition.text, "where: the symbol of a test is not an operator");
    add(condition.text, SFS_LITERAL(" "));
    add_literal(condition.text, &value);
    return condition;
}

struct sfs_condition sfs_condition_between(const char *field, struct sfs_literal low,
                                           struct sfs_literal high)
{
    const struct sfs_condition both[] = {sfs_condition_test(field, ">=", low),
                                         sfs_condition_test(field, "<=", high)};
    return sfs_condition_all(both, 2);
}

struct sfs_condition sfs_condition_in(const char *field, const struct sfs_literal *values,
                                      size_t count)
{
    struct sfs_condition condition = begin_test(field, "in [");
    if (!condition.text)
        return condition;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            add(condition.text, SFS_LITERAL(","));
        add_literal(condition.text, &values[i]);
    }
    add(condition.text, SFS_LITERAL("]"));
    return condition;
}

struct sfs_condition sfs_condition_exists(const char *field)
{
    return begin_test(field, "exists");
}

struct sfs_condition sfs_condition_true(const char *field)
{
    return begin_test(field, "");
}

/* Parsed at once: half an expression could be completed by what comes after it. */
struct sfs_condition sfs_condition_text(struct sfs_bytes expression)
{
    struct sfs_builder_text *text = calloc(1, sizeof(*text));
    struct sfs_arena arena = {0};
    const struct sfs_node *node;
    if (text) {
        text->failed = sfs_expression_parse(expression, &arena, &node, &text->error);
        add(text, expression);
    }
    sfs_arena_free(&arena);
    return (struct sfs_condition){text};
}

/* --- conditions of conditions --- */

/* Adds a condition in parentheses, and consumes it. */
static void take(struct sfs_builder_text *whole, struct sfs_condition part)
{
    if (whole && whole->failed == 0 && !part.text) {
        whole->failed = sfs_fail_memory(&whole->error, "query");
    } else if (whole && whole->failed == 0 && part.text->failed) {
        whole->failed = part.text->failed;
        whole->error = part.text->error;
    } else if (whole && part.text) {
        add(whole, SFS_LITERAL("("));
        add(whole, sfs_buffer_bytes(&part.text->text));
        add(whole, SFS_LITERAL(")"));
    }
    sfs_condition_free(part);
}

struct sfs_condition sfs_not(struct sfs_condition condition)
{
    struct sfs_builder_text *whole = calloc(1, sizeof(*whole));
    if (whole)
        add(whole, SFS_LITERAL("not "));
    take(whole, condition);
    return (struct sfs_condition){whole};
}

static struct sfs_condition join(const char *word, const struct sfs_condition *conditions,
                                 size_t count)
{
    struct sfs_builder_text *whole = calloc(1, sizeof(*whole));
    if (whole && count == 0)
        fail(whole, "where: a list of conditions is empty");
    for (size_t i = 0; i < count; i++) {
        if (whole && i > 0)
            add(whole, sfs_string(word));
        take(whole, conditions[i]);
    }
    return (struct sfs_condition){whole};
}

struct sfs_condition sfs_condition_all(const struct sfs_condition *conditions, size_t count)
{
    return join(" and ", conditions, count);
}

struct sfs_condition sfs_condition_any(const struct sfs_condition *conditions, size_t count)
{
    return join(" or ", conditions, count);
}

/* Adds what the text says to the query, or its failure; frees it. */
static int finish(struct sfs_query *query, struct sfs_builder_text *text,
                  int (*append)(struct sfs_query *, struct sfs_bytes, struct sfs_error *),
                  struct sfs_error *error)
{
    int result;
    if (!text)
        return sfs_fail_memory(error, "query");
    if (text->failed)
        result = sfs_fail(error, text->failed, "query", "%s", text->error.message);
    else
        result = append(query, sfs_buffer_bytes(&text->text), error);
    text_free(text);
    return result;
}

int(sfs_where)(struct sfs_query *query, struct sfs_condition condition, struct sfs_error *error)
{
    return finish(query, condition.text, sfs_query_where, error);
}

/* --- lists --- */

/* Begins an item of a list: the text is NULL where there is no memory for it. */
static bool begin_item(struct sfs_builder_text *list, size_t index)
{
    if (list && index > 0)
        add(list, SFS_LITERAL(","));
    return list;
}

int(sfs_order)(struct sfs_query *query, struct sfs_sort_list sorts, struct sfs_error *error)
{
    struct sfs_builder_text *list = calloc(1, sizeof(*list));
    for (size_t i = 0; i < sorts.count && begin_item(list, i); i++) {
        add_field(list, "order", sorts.items[i].field);
        add(list, sorts.items[i].descending ? SFS_LITERAL(":desc") : SFS_LITERAL(""));
    }
    return finish(query, list, sfs_query_order, error);
}

static struct sfs_builder_text *list_fields(const char *what, struct sfs_field_list fields)
{
    struct sfs_builder_text *list = calloc(1, sizeof(*list));
    for (size_t i = 0; i < fields.count && begin_item(list, i); i++)
        add_field(list, what, fields.items[i]);
    return list;
}

int(sfs_select)(struct sfs_query *query, struct sfs_field_list fields, struct sfs_error *error)
{
    return finish(query, list_fields("select", fields), sfs_query_select, error);
}

int(sfs_group)(struct sfs_query *query, struct sfs_field_list fields, struct sfs_error *error)
{
    return finish(query, list_fields("group", fields), sfs_query_group, error);
}

static void add_call(struct sfs_builder_text *list, const struct sfs_call *call)
{
    if (call->function > SFS_FUNCTION_DISTINCT) {
        fail(list, "aggregate: there is no function of that number");
        return;
    }
    add(list, sfs_string(sfs_function_name(call->function)));
    if (call->function == SFS_FUNCTION_COUNT)
        return;
    add(list, SFS_LITERAL("("));
    add_field(list, "aggregate", call->field);
    add(list, SFS_LITERAL(")"));
}

int(sfs_aggregate)(struct sfs_query *query, struct sfs_call_list calls, struct sfs_error *error)
{
    struct sfs_builder_text *list = calloc(1, sizeof(*list));
    for (size_t i = 0; i < calls.count && begin_item(list, i); i++)
        add_call(list, &calls.items[i]);
    return finish(query, list, sfs_query_aggregate, error);
}
