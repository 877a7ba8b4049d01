/* SPDX-License-Identifier: MIT */
/* The list of fields that `order` takes: "field[:asc|:desc][,field…]". */
#include "query/stages.h"

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

static int read_key(struct sfs_reader *reader, struct sfs_arena *arena, struct sfs_order_key *key)
{
    int result = sfs_field_read(reader, arena, &key->field);
    return result ? result : read_direction(reader, &key->descending);
}

/* A field is at least one byte and a comma, which bounds how many there can be. */
static size_t most_keys(struct sfs_bytes fields)
{
    size_t count = 1;
    for (size_t i = 0; i < fields.size; i++)
        count += ((const char *)fields.data)[i] == ',';
    return count;
}

int sfs_order_parse(struct sfs_bytes fields, struct sfs_query_stage *stage, struct sfs_error *error)
{
    struct sfs_reader reader;
    int result = sfs_reader_begin(&reader, "order", fields, error);
    if (result)
        return result;
    struct sfs_order_key *keys = sfs_arena_alloc(&stage->arena, most_keys(fields) * sizeof(*keys));
    if (!keys)
        return sfs_reader_memory(&reader);
    do {
        result = read_key(&reader, &stage->arena, &keys[stage->key_count]);
        if (result)
            return result;
        stage->key_count++;
    } while (sfs_reader_take(&reader, ","));
    stage->keys = keys;
    if (!sfs_reader_ended(&reader))
        return sfs_reader_fail(&reader, reader.at, "expected ',', ':asc', ':desc' or the end");
    return 0;
}

int sfs_order_print(const struct sfs_query_stage *stage, struct sfs_buffer *out)
{
    int result = 0;
    for (size_t i = 0; i < stage->key_count && result == 0; i++) {
        if (i > 0)
            result = sfs_buffer_byte(out, ',');
        if (result == 0)
            result = sfs_field_print(&stage->keys[i].field, out);
        if (result == 0 && stage->keys[i].descending)
            result = sfs_buffer_add(out, SFS_LITERAL(":desc"));
    }
    return result;
}
