/* SPDX-License-Identifier: MIT */
/* Fields: reading and writing them, and finding their values in a record. */
#include "query/field.h"

#include "query/row.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    enum sfs_property property;
} properties[] = {
    {"@key", SFS_PROPERTY_KEY},         {"@size", SFS_PROPERTY_SIZE},
    {"@type", SFS_PROPERTY_TYPE},       {"@created", SFS_PROPERTY_CREATED},
    {"@updated", SFS_PROPERTY_UPDATED}, {"@count", SFS_PROPERTY_COUNT},
};

static const char *const words[] = {
    "and", "or", "not", "in", "has", "exists", "true", "false", "null",
};

bool sfs_field_is_word(struct sfs_bytes name)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        if (sfs_bytes_equal(name, sfs_string(words[i])))
            return true;
    }
    return false;
}

/* --- reading --- */

/* Steps on their way into the arena; a block that became too small is left to it. */
struct steps {
    struct sfs_json_step *data;
    size_t count;
    size_t room;
};

static int steps_add(struct steps *steps, struct sfs_arena *arena, struct sfs_json_step step)
{
    if (steps->count == steps->room) {
        size_t room = steps->room ? steps->room * 2 : 2;
        struct sfs_json_step *data = sfs_arena_alloc(arena, room * sizeof(*data));
        if (!data)
            return SFS_E_NO_MEMORY;
        if (steps->count > 0)
            memcpy(data, steps->data, steps->count * sizeof(*data));
        steps->data = data;
        steps->room = room;
    }
    steps->data[steps->count++] = step;
    return 0;
}

static struct sfs_bytes take_name(struct sfs_reader *reader)
{
    size_t start = reader->at;
    while (sfs_reader_in_name(sfs_reader_peek(reader)))
        reader->at++;
    return sfs_bytes((const char *)reader->text.data + start, reader->at - start);
}

static int read_quoted(struct sfs_reader *reader, struct sfs_arena *arena,
                       struct sfs_bytes *ret_name)
{
    struct sfs_json string;
    struct sfs_json_problem problem;
    struct sfs_value value;
    if (!sfs_json_scan(reader->text, reader->at, &string, &problem))
        return sfs_reader_fail(reader, problem.offset, "%s", problem.reason);
    if (sfs_value_from_json(string, arena, &value))
        return sfs_reader_memory(reader);
    reader->at += string.text.size;
    *ret_name = value.is.text;
    return 0;
}

static int read_name(struct sfs_reader *reader, struct sfs_arena *arena, struct sfs_bytes *ret_name)
{
    if (sfs_reader_peek(reader) == '"')
        return read_quoted(reader, arena, ret_name);
    if (!sfs_reader_begins_name(sfs_reader_peek(reader)))
        return sfs_reader_fail(reader, reader->at, "expected a field name");
    if (sfs_arena_copy(arena, take_name(reader), ret_name))
        return sfs_reader_memory(reader);
    return 0;
}

/* The number and bracket behind `[`. */
static int read_index(struct sfs_reader *reader, size_t *ret_index)
{
    size_t start = reader->at;
    size_t index = 0;
    for (char byte = sfs_reader_peek(reader); byte >= '0' && byte <= '9';
         byte = sfs_reader_peek(reader)) {
        size_t digit = (size_t)(byte - '0');
        if (index > (SIZE_MAX - digit) / 10)
            return sfs_reader_fail(reader, start, "the index is too large");
        index = index * 10 + digit;
        reader->at++;
    }
    if (reader->at == start)
        return sfs_reader_fail(reader, start, "expected an index, a number from 0");
    if (!sfs_reader_take(reader, "]"))
        return sfs_reader_fail(reader, reader->at, "expected ']' after the index");
    *ret_index = index;
    return 0;
}

/* Reads `.name` or `[index]` if one is next: 1, 0 if none is, or an error. */
static int read_step(struct sfs_reader *reader, struct sfs_arena *arena,
                     struct sfs_json_step *ret_step)
{
    struct sfs_json_step step = {0};
    int result = 0;
    if (sfs_reader_take(reader, ".")) {
        step.kind = SFS_JSON_STEP_NAME;
        result = read_name(reader, arena, &step.name);
    } else if (sfs_reader_take(reader, "[")) {
        step.kind = SFS_JSON_STEP_INDEX;
        result = read_index(reader, &step.index);
    } else {
        return 0;
    }
    if (result)
        return result;
    *ret_step = step;
    return 1;
}

static int read_path(struct sfs_reader *reader, struct sfs_arena *arena,
                     struct sfs_field *ret_field)
{
    struct steps steps = {0};
    struct sfs_json_step step = {.kind = SFS_JSON_STEP_NAME};
    int result = read_name(reader, arena, &step.name);
    int more = result ? result : 1;
    while (more > 0) {
        if (steps_add(&steps, arena, step))
            return sfs_reader_memory(reader);
        more = read_step(reader, arena, &step);
    }
    if (more == 0)
        *ret_field = (struct sfs_field){.steps = steps.data, .count = steps.count};
    return more;
}

static int read_property(struct sfs_reader *reader, struct sfs_field *ret_field)
{
    size_t start = reader->at++;
    take_name(reader);
    struct sfs_bytes name = {(const char *)reader->text.data + start, reader->at - start};
    for (size_t i = 0; i < COUNT(properties); i++) {
        if (!sfs_bytes_equal(name, sfs_string(properties[i].name)))
            continue;
        *ret_field = (struct sfs_field){.property = properties[i].property};
        return 0;
    }
    return sfs_reader_fail(
        reader, start,
        "no such property (there are @key, @size, @type, @created, @updated, @count)");
}

int sfs_field_read(struct sfs_reader *reader, struct sfs_arena *arena, struct sfs_field *ret_field)
{
    if (sfs_reader_peek(reader) == '@')
        return read_property(reader, ret_field);
    return read_path(reader, arena, ret_field);
}

int sfs_field_parse(const char *what, struct sfs_bytes text, struct sfs_arena *arena,
                    struct sfs_field *ret_field, struct sfs_error *error)
{
    struct sfs_reader reader;
    struct sfs_field field;
    int result = sfs_reader_begin(&reader, what, text, error);
    if (result == 0)
        result = sfs_field_read(&reader, arena, &field);
    if (result)
        return result;
    if (!sfs_reader_ended(&reader))
        return sfs_reader_fail(&reader, reader.at,
                               "expected '.', '[' or the end (odd names need quotes)");
    *ret_field = field;
    return 0;
}

/* --- writing --- */

static bool is_plain(struct sfs_bytes name)
{
    const char *data = name.data;
    if (name.size == 0 || !sfs_reader_begins_name(data[0]) || sfs_field_is_word(name))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (!sfs_reader_in_name(data[i]))
            return false;
    }
    /* A name with a lone surrogate is no UTF-8 and needs its escape. */
    struct sfs_reader reader;
    return sfs_reader_begin(&reader, "", name, NULL) == 0;
}

static int print_step(const struct sfs_json_step *step, bool first, struct sfs_buffer *out)
{
    if (step->kind == SFS_JSON_STEP_INDEX)
        return sfs_buffer_printf(out, "[%zu]", step->index);
    int result = first ? 0 : sfs_buffer_byte(out, '.');
    if (result)
        return result;
    return is_plain(step->name) ? sfs_buffer_add(out, step->name)
                                : sfs_json_string_encode(step->name, out);
}

int sfs_field_print(const struct sfs_field *field, struct sfs_buffer *out)
{
    if (field->property != SFS_PROPERTY_NONE)
        return sfs_buffer_add(out, sfs_string(properties[field->property - 1].name));
    int result = 0;
    for (size_t i = 0; i < field->count && result == 0; i++)
        result = print_step(&field->steps[i], i == 0, out);
    return result;
}

bool sfs_field_equals(const struct sfs_field *a, const struct sfs_field *b)
{
    bool equal = a->property == b->property && a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = a->steps[i].kind == b->steps[i].kind && a->steps[i].index == b->steps[i].index &&
                sfs_bytes_equal(a->steps[i].name, b->steps[i].name);
    return equal;
}

enum sfs_property sfs_field_property(const struct sfs_field *field)
{
    return field->property;
}

bool sfs_field_step(const struct sfs_field *field, size_t index, struct sfs_bytes *ret_name,
                    size_t *ret_index)
{
    if (index >= field->count)
        return false;
    *ret_name = field->steps[index].name;
    *ret_index = field->steps[index].index;
    return true;
}

/* --- values --- */

bool sfs_subject_root(struct sfs_subject *subject, struct sfs_json *ret_root)
{
    const struct sfs_record *record = subject->record;
    if (!subject->scanned) {
        struct sfs_bytes value = sfs_record_value(record);
        subject->scanned = true;
        subject->is_json = record->attributes.type == SFS_TYPE_JSON && value.size > 0;
        /* Only a type that was found from the content says that the content is so. */
        if (subject->is_json && record->attributes.type_set)
            subject->is_json = sfs_json_parse(value, &subject->root, NULL);
        else if (subject->is_json)
            subject->root = sfs_json_view(value);
    }
    *ret_root = subject->root;
    return subject->is_json;
}

static struct sfs_value integer(int64_t number)
{
    return (struct sfs_value){.kind = SFS_VALUE_INTEGER, .is.integer = number};
}

static struct sfs_value text(struct sfs_bytes bytes)
{
    return (struct sfs_value){.kind = SFS_VALUE_TEXT, .is.text = bytes};
}

static struct sfs_value milliseconds(int64_t nanoseconds)
{
    const int64_t unit = 1000000;
    return integer(nanoseconds / unit - (nanoseconds % unit < 0));
}

static struct sfs_value property_value(enum sfs_property property, const struct sfs_record *record)
{
    uint64_t members;
    if (sfs_row_is_made(record)) {
        if (property == SFS_PROPERTY_COUNT && sfs_row_members(record, &members))
            return integer((int64_t)members);
        return (struct sfs_value){.kind = SFS_VALUE_MISSING};
    }
    switch (property) {
    case SFS_PROPERTY_KEY:
        return text(record->name);
    case SFS_PROPERTY_SIZE:
        return integer((int64_t)record->size);
    case SFS_PROPERTY_TYPE:
        return text(sfs_string(sfs_type_name(record->attributes.type)));
    case SFS_PROPERTY_CREATED:
        return milliseconds(record->attributes.created);
    case SFS_PROPERTY_UPDATED:
        return milliseconds(record->attributes.modified);
    case SFS_PROPERTY_COUNT:
    case SFS_PROPERTY_NONE:
        break;
    }
    return (struct sfs_value){.kind = SFS_VALUE_MISSING};
}

struct sfs_value sfs_field_value(const struct sfs_field *field, struct sfs_subject *subject)
{
    struct sfs_value value = {.kind = SFS_VALUE_MISSING};
    struct sfs_json root;
    if (field->property != SFS_PROPERTY_NONE)
        return property_value(field->property, subject->record);
    if (!sfs_subject_root(subject, &root))
        return value;
    if (sfs_json_find(root, field->steps, field->count, &value.is.json))
        value.kind = SFS_VALUE_JSON;
    return value;
}
