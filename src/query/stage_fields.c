/* SPDX-License-Identifier: MIT */
/* The lists that stages take: fields, of `order` with directions, functions of `aggregate`. */
#include "query/stages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const functions[] = {"count", "sum", "avg", "min", "max", "distinct"};

const char *sfs_function_name(enum sfs_function function)
{
    return functions[function];
}

static const char *stage_name(const struct sfs_query_stage *stage)
{
    switch (stage->kind) {
    case SFS_QUERY_ORDER:
        return "order";
    case SFS_QUERY_SELECT:
        return "select";
    case SFS_QUERY_GROUP:
        return "group";
    default:
        return "aggregate";
    }
}

static int read_direction(struct sfs_reader *reader, bool *ret_descending)
{
    *ret_descending = false;
    if (!sfs_reader_take(reader, ":"))
        return 0;
    if (sfs_reader_take_word(reader, "asc"))
        return 0;
    if (!sfs_reader_take_word(reader, "desc"))
        return sfs_reader_fail(reader, reader->at, "expected 'asc' or 'desc' after ':'");
    *ret_descending = true;
    return 0;
}

static int read_function(struct sfs_reader *reader, struct sfs_arena *arena,
                         struct sfs_stage_field *key)
{
    size_t at = 0;
    while (at < COUNT(functions) && !sfs_reader_take_word(reader, functions[at]))
        at++;
    if (at == COUNT(functions))
        return sfs_reader_fail(reader, reader->at,
                               "expected count, sum, avg, min, max or distinct");
    key->function = (enum sfs_function)at;
    if (key->function == SFS_FUNCTION_COUNT)
        return 0;
    if (!sfs_reader_take(reader, "("))
        return sfs_reader_fail(reader, reader->at, "expected '(' and a field after '%s'",
                               functions[at]);
    int result = sfs_field_read(reader, arena, &key->field);
    if (result == 0 && !sfs_reader_take(reader, ")"))
        result = sfs_reader_fail(reader, reader->at, "expected '.', '[' or ')'");
    return result;
}

/* How an entry is written, without its direction. */
static int print_key(const struct sfs_query_stage *stage, const struct sfs_stage_field *key,
                     struct sfs_buffer *out)
{
    if (stage->kind != SFS_QUERY_AGGREGATE)
        return sfs_field_print(&key->field, out);
    int result = sfs_buffer_add(out, sfs_string(functions[key->function]));
    if (result || key->function == SFS_FUNCTION_COUNT)
        return result;
    result = sfs_buffer_byte(out, '(');
    if (result == 0)
        result = sfs_field_print(&key->field, out);
    return result ? result : sfs_buffer_byte(out, ')');
}

/* Keeps how the entry is written: the name of the member that it makes. */
static int name_key(struct sfs_query_stage *stage, struct sfs_stage_field *key)
{
    struct sfs_buffer name = {0};
    struct sfs_buffer literal = {0};
    int result = print_key(stage, key, &name);
    if (result == 0)
        result = sfs_json_string_encode(sfs_buffer_bytes(&name), &literal);
    if (result == 0)
        result = sfs_arena_copy(&stage->arena, sfs_buffer_bytes(&name), &key->name);
    if (result == 0)
        result = sfs_arena_copy(&stage->arena, sfs_buffer_bytes(&literal), &key->literal);
    sfs_buffer_free(&name);
    sfs_buffer_free(&literal);
    return result;
}

static bool is_repeated(const struct sfs_query_stage *stage, const struct sfs_stage_field *keys)
{
    for (size_t i = 0; i < stage->key_count; i++) {
        if (sfs_bytes_equal(keys[i].name, keys[stage->key_count].name))
            return true;
    }
    return false;
}

static int read_key(struct sfs_reader *reader, struct sfs_query_stage *stage,
                    struct sfs_stage_field *keys)
{
    struct sfs_stage_field *key = &keys[stage->key_count];
    size_t start = reader->at;
    int result = stage->kind == SFS_QUERY_AGGREGATE
                     ? read_function(reader, &stage->arena, key)
                     : sfs_field_read(reader, &stage->arena, &key->field);
    if (result == 0 && stage->kind == SFS_QUERY_ORDER)
        return read_direction(reader, &key->descending);
    if (result)
        return result;
    if (name_key(stage, key))
        return sfs_reader_memory(reader);
    if (is_repeated(stage, keys))
        return sfs_reader_fail(reader, start, "this is named twice");
    return 0;
}

/* An entry is at least one byte and a comma, which bounds how many there can be. */
static size_t most_keys(struct sfs_bytes fields)
{
    size_t count = 1;
    for (size_t i = 0; i < fields.size; i++)
        count += ((const char *)fields.data)[i] == ',';
    return count;
}

#define KEYS_MAX 256 /* so that looking for repeated names stays cheap */

int sfs_stage_fields_parse(struct sfs_bytes fields, struct sfs_query_stage *stage,
                           struct sfs_error *error)
{
    struct sfs_reader reader;
    int result = sfs_reader_begin(&reader, stage_name(stage), fields, error);
    if (result)
        return result;
    struct sfs_stage_field *keys =
        sfs_arena_alloc(&stage->arena, most_keys(fields) * sizeof(*keys));
    if (!keys)
        return sfs_reader_memory(&reader);
    do {
        if (stage->key_count == KEYS_MAX)
            return sfs_reader_fail(&reader, reader.at, "more than %d fields", KEYS_MAX);
        result = read_key(&reader, stage, keys);
        if (result)
            return result;
        stage->key_count++;
    } while (sfs_reader_take(&reader, ","));
    stage->keys = keys;
    if (!sfs_reader_ended(&reader))
        return sfs_reader_fail(&reader, reader.at, "expected ','%s or the end",
                               stage->kind == SFS_QUERY_ORDER ? ", ':asc', ':desc'" : "");
    return 0;
}

int sfs_stage_function_set(struct sfs_query_stage *stage, enum sfs_function function,
                           struct sfs_bytes field, struct sfs_error *error)
{
    struct sfs_stage_field *key = sfs_arena_alloc(&stage->arena, sizeof(*key));
    if (!key)
        return sfs_fail_memory(error, "query");
    int result = 0;
    key->function = function;
    if (function != SFS_FUNCTION_COUNT)
        result = sfs_field_parse(functions[function], field, &stage->arena, &key->field, error);
    if (result == 0 && name_key(stage, key))
        result = sfs_fail_memory(error, "query");
    stage->keys = key;
    stage->key_count = 1;
    return result;
}

int sfs_stage_fields_print(const struct sfs_query_stage *stage, struct sfs_buffer *out)
{
    int result = 0;
    for (size_t i = 0; i < stage->key_count && result == 0; i++) {
        if (i > 0)
            result = sfs_buffer_byte(out, ',');
        if (result == 0)
            result = print_key(stage, &stage->keys[i], out);
        if (result == 0 && stage->keys[i].descending)
            result = sfs_buffer_add(out, SFS_LITERAL(":desc"));
    }
    return result;
}
