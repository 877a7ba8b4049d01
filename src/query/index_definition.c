/* SPDX-License-Identifier: MIT */
/* Definitions of indexes: reading their names, and making the keys of their entries. */
#include <stdlib.h>

#include "query/index_fields.h"
#include "query/sort_key.h"

#define UNIQUE "unique:"
#define NAME_MAX_SIZE 1024

struct definition {
    struct sfs_index index;
    atomic_size_t references;
    atomic_uint_fast64_t hits;
    struct sfs_arena arena;
    struct sfs_buffer name;
    struct sfs_field fields[SFS_INDEX_FIELDS_MAX];
};

static struct definition *definition_of(const struct sfs_index *index)
{
    return (struct definition *)index->parsed;
}

const struct sfs_field *sfs_index_field(const struct sfs_index *index, size_t at)
{
    return &definition_of(index)->fields[at];
}

/* --- reading a name --- */

static unsigned depends_on(const struct sfs_field *field)
{
    switch (field->property) {
    case SFS_PROPERTY_NONE:
        return SFS_INDEX_OF_VALUE;
    case SFS_PROPERTY_KEY:
        return SFS_INDEX_OF_NAME;
    default:
        return SFS_INDEX_OF_ATTRIBUTES;
    }
}

static int add_field(struct definition *definition, struct sfs_reader *reader)
{
    struct sfs_index *index = &definition->index;
    struct sfs_buffer *name = &definition->name;
    struct sfs_field field;
    size_t start = reader->at;
    if (index->field_count == SFS_INDEX_FIELDS_MAX)
        return sfs_reader_fail(reader, start, "an index has at most %d fields",
                               SFS_INDEX_FIELDS_MAX);
    int result = sfs_field_read(reader, &definition->arena, &field);
    if (result)
        return result;
    for (size_t i = 0; i < index->field_count; i++) {
        if (sfs_field_equals(&definition->fields[i], &field))
            return sfs_reader_fail(reader, start, "this field is there already");
    }
    if ((index->field_count > 0 && sfs_buffer_byte(name, ',')) || sfs_field_print(&field, name))
        return sfs_reader_memory(reader);
    if (name->size > NAME_MAX_SIZE)
        return sfs_reader_fail(reader, start, "the name of an index has at most %d bytes",
                               NAME_MAX_SIZE);
    index->depends |= depends_on(&field);
    definition->fields[index->field_count++] = field;
    return 0;
}

static int read_name(struct definition *definition, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_reader reader;
    int result = sfs_reader_begin(&reader, "index", name, error);
    if (result)
        return result;
    definition->index.unique = sfs_reader_take(&reader, UNIQUE);
    if (definition->index.unique && sfs_buffer_add(&definition->name, SFS_LITERAL(UNIQUE)))
        return sfs_reader_memory(&reader);
    do
        result = add_field(definition, &reader);
    while (result == 0 && sfs_reader_take(&reader, ","));
    if (result)
        return result;
    if (!sfs_reader_ended(&reader))
        return sfs_reader_fail(&reader, reader.at,
                               "expected ',' or the end (an index has no direction)");
    return sfs_buffer_text(&definition->name) ? sfs_reader_memory(&reader) : 0;
}

static void definition_free(struct definition *definition)
{
    sfs_arena_free(&definition->arena);
    sfs_buffer_free(&definition->name);
    free(definition);
}

int sfs_index_new(struct sfs_bytes name, uint64_t id, bool ready,
                  const struct sfs_index **ret_index, struct sfs_error *error)
{
    struct definition *definition = calloc(1, sizeof(*definition));
    if (!definition)
        return sfs_fail_memory(error, "index");
    atomic_init(&definition->references, 1);
    atomic_init(&definition->hits, 0);
    struct sfs_index *index = &definition->index;
    index->id = id;
    index->ready = ready;
    index->parsed = definition;
    int result = read_name(definition, name, error);
    if (result) {
        definition_free(definition);
        return result;
    }
    index->name = definition->name.data;
    index->fields = index->name + (index->unique ? sizeof(UNIQUE) - 1 : 0);
    *ret_index = index;
    return 0;
}

const struct sfs_index *sfs_index_ref(const struct sfs_index *index)
{
    atomic_fetch_add_explicit(&definition_of(index)->references, 1, memory_order_relaxed);
    return index;
}

void sfs_index_unref(const struct sfs_index *index)
{
    if (index &&
        atomic_fetch_sub_explicit(&definition_of(index)->references, 1, memory_order_acq_rel) == 1)
        definition_free(definition_of(index));
}

uint64_t sfs_index_hits(const struct sfs_index *index)
{
    return atomic_load_explicit(&definition_of(index)->hits, memory_order_relaxed);
}

void sfs_index_hit(const struct sfs_index *index)
{
    atomic_fetch_add_explicit(&definition_of(index)->hits, 1, memory_order_relaxed);
}

/* --- keys --- */

static bool is_unread(const struct sfs_record *record)
{
    return record->attributes.type == SFS_TYPE_JSON && record->size > SFS_INDEX_VALUE_MAX;
}

bool sfs_index_needs_value(const struct sfs_index *index, const struct sfs_record *record)
{
    return (index->depends & SFS_INDEX_OF_VALUE) && record->attributes.type == SFS_TYPE_JSON &&
           !is_unread(record);
}

int sfs_index_key(const struct sfs_index *index, const struct sfs_record *record,
                  struct sfs_buffer *out)
{
    size_t start = out->size;
    struct sfs_subject subject = sfs_subject(record);
    if ((index->depends & SFS_INDEX_OF_VALUE) && is_unread(record))
        return sfs_buffer_add(out, SFS_LITERAL(SFS_INDEX_UNREAD));
    int result = 0;
    for (size_t i = 0; result == 0 && i < index->field_count; i++) {
        struct sfs_value value = sfs_field_value(sfs_index_field(index, i), &subject);
        result = sfs_sort_key_add(&value, false, out);
        if (out->size - start >= SFS_INDEX_KEY_MAX)
            break;
    }
    if (result)
        out->size = start;
    else if (out->size - start > SFS_INDEX_KEY_MAX)
        out->size = start + SFS_INDEX_KEY_MAX;
    return result;
}

bool sfs_index_key_is_exact(struct sfs_bytes key)
{
    return key.size < SFS_INDEX_KEY_MAX && !sfs_bytes_equal(key, SFS_LITERAL(SFS_INDEX_UNREAD));
}

int sfs_index_key_is_partial(const struct sfs_index *index, struct sfs_bytes key)
{
    struct sfs_buffer value = {0};
    bool missing = false;
    int result = 0;
    for (size_t i = 0; result == 0 && !missing && i < index->field_count; i++) {
        value.size = 0;
        result = sfs_sort_key_read(&key, false, &value, &missing);
    }
    sfs_buffer_free(&value);
    return result == SFS_E_NO_MEMORY ? result : missing;
}

int sfs_index_key_show(struct sfs_bytes key, struct sfs_buffer *out)
{
    bool missing = false;
    const char *between = "";
    int result = 0;
    while (result == 0 && key.size > 0) {
        result = sfs_buffer_add(out, sfs_string(between));
        if (result == 0)
            result = sfs_sort_key_read(&key, false, out, &missing);
        if (result == 0 && missing)
            result = sfs_buffer_add(out, SFS_LITERAL("(missing)"));
        between = ", ";
    }
    /* What was cut, or never read, ends in the middle. */
    return result == SFS_E_INVALID ? sfs_buffer_add(out, SFS_LITERAL("…")) : result;
}

void sfs_index_key_behind(struct sfs_buffer *bytes)
{
    while (bytes->size > 0 && (unsigned char)bytes->data[bytes->size - 1] == 0xff)
        bytes->size--;
    if (bytes->size > 0)
        bytes->data[bytes->size - 1]++;
}
