/* SPDX-License-Identifier: MIT */
/* What expressions mean: the evaluator that every backend's push-down is measured by. */
#include "query/expression.h"
#include "query/regex.h"
#include "query/sort_key.h"
#include "util/glob.h"

void sfs_scratch_free(struct sfs_scratch *scratch)
{
    sfs_buffer_free(&scratch->bytes);
    sfs_regex_scratch_free(scratch->match);
    scratch->match = NULL;
}

int sfs_expression_fail(int result, struct sfs_error *error)
{
    if (result != SFS_E_TOO_LARGE)
        return sfs_fail_memory(error, "query");
    return sfs_fail(error, result, "query",
                    "where: a regular expression takes too many steps on a value: make it simpler");
}

static int equals(const struct sfs_value *a, const struct sfs_value *b)
{
    int order = 0;
    int result = sfs_value_compare(a, b, &order);
    return result ? result : order == 0;
}

static int compares(const struct sfs_node *node, const struct sfs_value *value)
{
    int order = 0;
    int result = sfs_value_compare(value, &node->value, &order);
    if (result)
        return result;
    if (node->kind == SFS_NODE_EQUAL)
        return order == 0;
    if (node->kind == SFS_NODE_NOT_EQUAL)
        return order != 0;
    if (!sfs_value_same_type(value, &node->value))
        return 0;
    if (node->kind == SFS_NODE_LESS)
        return order < 0;
    if (node->kind == SFS_NODE_LESS_EQUAL)
        return order <= 0;
    return node->kind == SFS_NODE_GREATER ? order > 0 : order >= 0;
}

/* Whether an array has an element that equals `wanted`. */
static int has_element(struct sfs_json array, const struct sfs_value *wanted)
{
    struct sfs_json_cursor cursor = sfs_json_begin(array);
    struct sfs_value element = {.kind = SFS_VALUE_JSON};
    int result = 0;
    while (result == 0 && sfs_json_next_element(&cursor, &element.is.json))
        result = equals(&element, wanted);
    return result;
}

static bool contains(struct sfs_bytes text, struct sfs_bytes part)
{
    const char *data = text.data;
    for (size_t at = 0; part.size <= text.size && at <= text.size - part.size; at++) {
        if (sfs_bytes_equal(sfs_bytes(data + at, part.size), part))
            return true;
    }
    return false;
}

/* Whether one of the elements of `in` equals the value. */
static int is_element(const struct sfs_node *node, const struct sfs_value *value,
                      struct sfs_buffer *key)
{
    key->size = 0;
    if (sfs_sort_key_add(value, false, key))
        return SFS_E_NO_MEMORY;
    size_t low = 0;
    size_t high = node->element_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = sfs_bytes_compare(sfs_buffer_bytes(key), node->elements[middle]);
        if (order == 0)
            return 1;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}

static int matches_regex(const struct sfs_node *node, const struct sfs_value *value,
                         struct sfs_scratch *scratch)
{
    struct sfs_bytes text;
    if (sfs_value_type(value) != SFS_JSON_STRING)
        return 0;
    int result = sfs_value_string(value, &scratch->bytes, &text);
    return result ? result : sfs_regex_matches(node->pattern, text, scratch);
}

/* The tests that need a scratch; makes one where the subject has none. */
static int test_with_scratch(const struct sfs_node *node, const struct sfs_value *value,
                             struct sfs_subject *subject)
{
    struct sfs_scratch own = {0};
    struct sfs_scratch *scratch = subject->scratch ? subject->scratch : &own;
    int result = node->kind == SFS_NODE_IN ? is_element(node, value, &scratch->bytes)
                                           : matches_regex(node, value, scratch);
    sfs_scratch_free(&own);
    return result;
}

/* Asks a string for something about its text. */
static int test_text(const struct sfs_value *value, const struct sfs_value *argument,
                     bool (*test)(struct sfs_bytes text, struct sfs_bytes argument))
{
    struct sfs_buffer scratch = {0};
    struct sfs_bytes text;
    int result = sfs_value_string(value, &scratch, &text);
    if (result == 0)
        result = test(text, argument->is.text);
    sfs_buffer_free(&scratch);
    return result;
}

static bool matches_glob(struct sfs_bytes text, struct sfs_bytes pattern)
{
    return sfs_glob_match(pattern, text);
}

static int has(const struct sfs_value *value, const struct sfs_value *wanted)
{
    struct sfs_json member;
    enum sfs_json_type type = sfs_value_type(value);
    if (type == SFS_JSON_ARRAY)
        return has_element(value->is.json, wanted);
    if (wanted->kind != SFS_VALUE_TEXT)
        return 0;
    if (type == SFS_JSON_OBJECT)
        return sfs_json_member(value->is.json, wanted->is.text, &member);
    return type == SFS_JSON_STRING ? test_text(value, wanted, contains) : 0;
}

static int passes_test(const struct sfs_node *node, struct sfs_subject *subject)
{
    struct sfs_value value = sfs_field_value(&node->field, subject);
    if (value.kind == SFS_VALUE_MISSING)
        return 0;
    switch (node->kind) {
    case SFS_NODE_EXISTS:
        return 1;
    case SFS_NODE_TRUE:
        return sfs_value_type(&value) == SFS_JSON_TRUE;
    case SFS_NODE_IN:
    case SFS_NODE_REGEX:
        return test_with_scratch(node, &value, subject);
    case SFS_NODE_HAS:
        return has(&value, &node->value);
    case SFS_NODE_GLOB:
        return sfs_value_type(&value) == SFS_JSON_STRING
                   ? test_text(&value, &node->value, matches_glob)
                   : 0;
    default:
        return compares(node, &value);
    }
}

int sfs_expression_matches(const struct sfs_node *node, struct sfs_subject *subject)
{
    if (node->kind > SFS_NODE_NOT)
        return passes_test(node, subject);
    if (node->kind == SFS_NODE_NOT) {
        int result = sfs_expression_matches(node->first, subject);
        return result < 0 ? result : !result;
    }
    /* `or` is decided by the first operand that is true, `and` by the first that is not. */
    int undecided = node->kind == SFS_NODE_AND;
    int result = undecided;
    for (const struct sfs_node *operand = node->first; operand && result == undecided;
         operand = operand->next)
        result = sfs_expression_matches(operand, subject);
    return result;
}

bool sfs_expression_reads(const struct sfs_node *node, unsigned properties)
{
    if (node->kind > SFS_NODE_NOT)
        return properties & SFS_READS(node->field.property);
    for (const struct sfs_node *operand = node->first; operand; operand = operand->next) {
        if (sfs_expression_reads(operand, properties))
            return true;
    }
    return false;
}
