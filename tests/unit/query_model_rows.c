/* SPDX-License-Identifier: MIT */
/* The stages of the reference that make new rows: select, group, aggregate. */
#include <stdlib.h>
#include <string.h>

#include "query_model.h"

static void must(int result)
{
    if (result)
        abort();
}

/* --- names --- */

static bool is_plain(struct sfs_bytes name)
{
    return name.size > 0 && !sfs_bytes_equal(name, SFS_LITERAL("and")) &&
           !memchr(name.data, ' ', name.size);
}

static void put_name(struct sfs_buffer *out, const struct model_field *field)
{
    static const char *const names[] = {"",         "@key",     "@size", "@type",
                                        "@created", "@updated", "@count"};
    must(sfs_buffer_add(out, sfs_string(names[field->property])));
    for (size_t i = 0; field->property == P_NONE && i < field->count; i++) {
        struct sfs_bytes name = field->steps[i].name;
        if (field->steps[i].is_index) {
            must(sfs_buffer_printf(out, "[%zu]", field->steps[i].index));
            continue;
        }
        must(sfs_buffer_printf(out, "%s%s%.*s%s", i ? "." : "", is_plain(name) ? "" : "\"",
                               (int)name.size, (const char *)name.data,
                               is_plain(name) ? "" : "\""));
    }
}

static struct sfs_bytes keep(struct sfs_buffer *buffer)
{
    char *data = model_alloc(buffer->size + 1);
    memcpy(data, buffer->data, buffer->size);
    struct sfs_bytes bytes = {data, buffer->size};
    sfs_buffer_free(buffer);
    return bytes;
}

struct sfs_bytes model_field_name(const struct model_field *field)
{
    struct sfs_buffer out = {0};
    put_name(&out, field);
    return keep(&out);
}

struct sfs_bytes model_function_name(enum model_function function, const struct model_field *field)
{
    static const char *const names[] = {"count", "sum(", "min(", "max(", "distinct("};
    struct sfs_buffer out = {0};
    must(sfs_buffer_add(&out, sfs_string(names[function])));
    if (function != F_COUNT) {
        put_name(&out, field);
        must(sfs_buffer_byte(&out, ')'));
    }
    return keep(&out);
}

/* --- rows --- */

#define MEMBERS_MAX 8

static struct model_value *new_object(void)
{
    struct model_value *object = model_alloc(sizeof(*object));
    object->type = M_OBJECT;
    object->items = model_alloc(MEMBERS_MAX * sizeof(*object->items));
    object->names = model_alloc(MEMBERS_MAX * sizeof(*object->names));
    return object;
}

/* In a document, each byte of a key that is not UTF-8 is a lone surrogate. */
static struct model_value *as_text(struct model_value *value)
{
    struct sfs_bytes raw = SFS_LITERAL("\xff\xfe");
    if (value->type != M_STRING || !sfs_bytes_starts(value->string, raw))
        return value;
    struct model_value *text = model_alloc(sizeof(*text));
    struct sfs_buffer out = {0};
    must(sfs_buffer_add(&out, SFS_LITERAL("\xed\xb3\xbf\xed\xb3\xbe")));
    must(sfs_buffer_append(&out, (const char *)value->string.data + raw.size,
                           value->string.size - raw.size));
    text->type = M_STRING;
    text->string = keep(&out);
    return text;
}

static void add_member(struct model_value *object, struct sfs_bytes name, struct model_value *value)
{
    if (!value)
        return;
    object->names[object->count] = name;
    object->items[object->count++] = as_text(value);
}

static struct model_value *object_of(const struct model_record *record,
                                     const struct model_stage *stage)
{
    struct model_value *object = new_object();
    for (size_t i = 0; i < stage->keys; i++)
        add_member(object, model_field_name(&stage->fields[i]),
                   model_find(record, &stage->fields[i]));
    return object;
}

void model_select(struct model_record **rows, size_t count, const struct model_stage *stage)
{
    for (size_t i = 0; i < count; i++) {
        struct model_record *row = model_alloc(sizeof(*row));
        *row = *rows[i];
        row->value = object_of(rows[i], stage);
        row->type = "json";
        row->bytes = sfs_bytes(NULL, 0);
        rows[i] = row;
    }
}

static bool same_group(const struct model_record *a, const struct model_record *b,
                       const struct model_stage *stage)
{
    for (size_t i = 0; i < stage->keys; i++) {
        const struct model_value *x = model_find(a, &stage->fields[i]);
        const struct model_value *y = model_find(b, &stage->fields[i]);
        if (!x != !y || (x && model_compare(x, y) != 0))
            return false;
    }
    return true;
}

static struct model_record *new_row(struct model_value *value)
{
    struct model_record *row = model_alloc(sizeof(*row));
    row->made = true;
    row->value = value;
    row->type = "json";
    return row;
}

size_t model_group(struct model_record **rows, size_t count, const struct model_stage *stage)
{
    struct model_stage ascending = *stage;
    size_t groups = 0;
    memset(ascending.descending, 0, sizeof(ascending.descending));
    model_order(rows, count, &ascending);
    struct model_record **members = model_alloc((count + 1) * sizeof(struct model_record *));
    if (count > 0)
        memcpy(members, rows, count * sizeof(struct model_record *));
    for (size_t from = 0, to = 0; from < count; from = to) {
        while (to < count && same_group(members[from], members[to], stage))
            to++;
        struct model_record *row = new_row(object_of(members[from], stage));
        row->members = members + from;
        row->member_count = to - from;
        rows[groups++] = row;
    }
    return groups;
}

/* --- functions --- */

static struct model_value *new_number(model_number hundredths)
{
    struct model_value *value = model_alloc(sizeof(*value));
    value->type = M_NUMBER;
    value->hundredths = hundredths;
    return value;
}

static struct model_value *sum_of(struct model_record *const *rows, size_t count,
                                  const struct model_field *field, enum model_fault fault)
{
    model_number sum = 0;
    double rough = 0;
    for (size_t i = 0; i < count; i++) {
        const struct model_value *value = model_find(rows[i], field);
        if (!value || value->type != M_NUMBER)
            continue;
        sum += value->hundredths;
        rough += (double)value->hundredths / 100;
    }
    return new_number(fault == FAULT_DOUBLE ? (model_number)(rough * 100) : sum);
}

static struct model_value *best_of(struct model_record *const *rows, size_t count,
                                   const struct model_field *field, int sign)
{
    struct model_value *best = NULL;
    for (size_t i = 0; i < count; i++) {
        struct model_value *value = model_find(rows[i], field);
        if (value && (!best || model_compare(value, best) * sign > 0))
            best = value;
    }
    return best;
}

static struct model_value *distinct_of(struct model_record *const *rows, size_t count,
                                       const struct model_field *field)
{
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        const struct model_value *value = model_find(rows[i], field);
        bool seen = value == NULL;
        for (size_t j = 0; j < i && !seen; j++) {
            const struct model_value *other = model_find(rows[j], field);
            seen = other && model_compare(value, other) == 0;
        }
        distinct += !seen;
    }
    return new_number((model_number)distinct * 100);
}

static struct model_value *result_of(struct model_record *const *rows, size_t count,
                                     enum model_function function, const struct model_field *field,
                                     enum model_fault fault)
{
    switch (function) {
    case F_SUM:
        return sum_of(rows, count, field, fault);
    case F_MIN:
        return best_of(rows, count, field, -1);
    case F_MAX:
        return best_of(rows, count, field, 1);
    case F_DISTINCT:
        return distinct_of(rows, count, field);
    case F_COUNT:
        break;
    }
    return new_number((model_number)count * 100);
}

static void add_results(struct model_value *object, struct model_record *const *rows, size_t count,
                        const struct model_stage *stage, enum model_fault fault)
{
    for (size_t i = 0; i < stage->keys; i++)
        add_member(object, model_function_name(stage->functions[i], &stage->fields[i]),
                   result_of(rows, count, stage->functions[i], &stage->fields[i], fault));
}

size_t model_aggregate(struct model_record **rows, size_t count, const struct model_stage *stage,
                       bool grouped, enum model_fault fault)
{
    if (!grouped) {
        struct model_value *object = new_object();
        add_results(object, rows, count, stage, fault);
        rows[0] = new_row(object);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        struct model_value *object = new_object();
        for (size_t j = 0; j < rows[i]->value->count; j++)
            add_member(object, rows[i]->value->names[j], rows[i]->value->items[j]);
        add_results(object, rows[i]->members, rows[i]->member_count, stage, fault);
        rows[i] = new_row(object);
    }
    return count;
}
