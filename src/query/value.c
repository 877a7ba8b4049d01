/* SPDX-License-Identifier: MIT */
/* Values: comparing them, and their text forms. */
#include "query/value.h"

#include <inttypes.h>
#include <stdio.h>

#include "storefs/error.h"

enum sfs_json_type sfs_value_type(const struct sfs_value *value)
{
    if (value->kind == SFS_VALUE_JSON)
        return value->is.json.type;
    return value->kind == SFS_VALUE_TEXT ? SFS_JSON_STRING : SFS_JSON_NUMBER;
}

static int rank_of(const struct sfs_value *value)
{
    return value->kind == SFS_VALUE_MISSING ? -1 : (int)sfs_value_type(value);
}

bool sfs_value_same_type(const struct sfs_value *a, const struct sfs_value *b)
{
    enum sfs_json_type x = sfs_value_type(a);
    enum sfs_json_type y = sfs_value_type(b);
    bool both_boolean =
        (x == SFS_JSON_FALSE || x == SFS_JSON_TRUE) && (y == SFS_JSON_FALSE || y == SFS_JSON_TRUE);
    return x == y || both_boolean;
}

int sfs_value_string(const struct sfs_value *value, struct sfs_buffer *scratch,
                     struct sfs_bytes *ret_text)
{
    if (value->kind == SFS_VALUE_TEXT) {
        *ret_text = value->is.text;
        return 0;
    }
    struct sfs_bytes literal = value->is.json.text;
    if (!memchr(literal.data, '\\', literal.size)) {
        *ret_text = sfs_bytes((const char *)literal.data + 1, literal.size - 2);
        return 0;
    }
    scratch->size = 0;
    int result = sfs_json_string_decode(value->is.json, scratch);
    if (result == 0)
        *ret_text = sfs_buffer_bytes(scratch);
    return result;
}

static int compare_strings(const struct sfs_value *a, const struct sfs_value *b, int *ret_order)
{
    if (a->kind == SFS_VALUE_JSON && b->kind == SFS_VALUE_JSON) {
        *ret_order = sfs_json_string_compare(a->is.json, b->is.json);
        return 0;
    }
    struct sfs_buffer scratch[2] = {{0}, {0}};
    struct sfs_bytes text[2] = {{0}, {0}};
    int result = sfs_value_string(a, &scratch[0], &text[0]);
    if (result == 0)
        result = sfs_value_string(b, &scratch[1], &text[1]);
    if (result == 0)
        *ret_order = sfs_bytes_compare(text[0], text[1]);
    sfs_buffer_free(&scratch[0]);
    sfs_buffer_free(&scratch[1]);
    return result;
}

#define DIGITS 24

static struct sfs_bytes number_text(const struct sfs_value *value, char digits[DIGITS])
{
    if (value->kind == SFS_VALUE_JSON)
        return value->is.json.text;
    int size = snprintf(digits, DIGITS, "%" PRId64, value->is.integer);
    return sfs_bytes(digits, (size_t)size);
}

static int compare_numbers(const struct sfs_value *a, const struct sfs_value *b)
{
    if (a->kind == SFS_VALUE_INTEGER && b->kind == SFS_VALUE_INTEGER)
        return (a->is.integer > b->is.integer) - (a->is.integer < b->is.integer);
    char digits[2][DIGITS];
    return sfs_json_number_compare(number_text(a, digits[0]), number_text(b, digits[1]));
}

int sfs_value_compare(const struct sfs_value *a, const struct sfs_value *b, int *ret_order)
{
    int rank = rank_of(a);
    if (rank != rank_of(b)) {
        *ret_order = rank < rank_of(b) ? -1 : 1;
        return 0;
    }
    if (rank == SFS_JSON_STRING)
        return compare_strings(a, b, ret_order);
    if (rank == SFS_JSON_ARRAY || rank == SFS_JSON_OBJECT)
        return sfs_json_compare(a->is.json, b->is.json, ret_order);
    *ret_order = rank == SFS_JSON_NUMBER ? compare_numbers(a, b) : 0;
    return 0;
}

static int text_from_string(struct sfs_json string, struct sfs_arena *arena,
                            struct sfs_value *ret_value)
{
    struct sfs_buffer decoded = {0};
    struct sfs_value value = {.kind = SFS_VALUE_TEXT};
    int result = sfs_json_string_decode(string, &decoded);
    if (result == 0)
        result = sfs_arena_copy(arena, sfs_buffer_bytes(&decoded), &value.is.text);
    sfs_buffer_free(&decoded);
    if (result == 0)
        *ret_value = value;
    return result;
}

int sfs_value_from_json(struct sfs_json json, struct sfs_arena *arena, struct sfs_value *ret_value)
{
    if (json.type == SFS_JSON_STRING)
        return text_from_string(json, arena, ret_value);
    struct sfs_value value = {.kind = SFS_VALUE_JSON, .is.json.type = json.type};
    int result = sfs_arena_copy(arena, json.text, &value.is.json.text);
    if (result == 0)
        *ret_value = value;
    return result;
}

int sfs_value_from_form(struct sfs_bytes form, struct sfs_arena *arena, struct sfs_value *ret_value)
{
    struct sfs_json json;
    if (sfs_json_parse(form, &json, NULL))
        return sfs_value_from_json(json, arena, ret_value);
    struct sfs_value value = {.kind = SFS_VALUE_TEXT};
    int result = sfs_arena_copy(arena, form, &value.is.text);
    if (result == 0)
        *ret_value = value;
    return result;
}

int sfs_value_json(const struct sfs_value *value, struct sfs_buffer *out)
{
    if (value->kind == SFS_VALUE_JSON)
        return sfs_json_compact(value->is.json, out);
    if (value->kind == SFS_VALUE_TEXT)
        return sfs_json_string_encode(value->is.text, out);
    return sfs_buffer_printf(out, "%" PRId64, value->is.integer);
}

int sfs_value_form(const struct sfs_value *value, struct sfs_buffer *out)
{
    if (sfs_value_type(value) != SFS_JSON_STRING)
        return sfs_value_json(value, out);
    struct sfs_buffer scratch = {0};
    struct sfs_bytes text;
    int result = sfs_value_string(value, &scratch, &text);
    if (result == 0)
        result = sfs_json_text_form(text, out);
    sfs_buffer_free(&scratch);
    return result;
}
