/* SPDX-License-Identifier: MIT */
/* The reference evaluator: see query_model.h. */
#include "query_model.h"

#include <stdlib.h>
#include <string.h>

/* --- memory --- */

static void *blocks;

void *model_alloc(size_t size)
{
    void **block = calloc(1, size + 16);
    if (!block)
        abort();
    *block = blocks;
    blocks = block;
    return (char *)block + 16;
}

void model_reset(void)
{
    while (blocks) {
        void *next = *(void **)blocks;
        free(blocks);
        blocks = next;
    }
}

/* --- values --- */

static size_t *sorted_names(const struct model_value *object)
{
    size_t *order = model_alloc(object->count * sizeof(*order));
    for (size_t i = 0; i < object->count; i++) {
        size_t at = i;
        for (; at > 0; at--) {
            if (sfs_bytes_compare(object->names[order[at - 1]], object->names[i]) <= 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    return order;
}

static int compare_objects(const struct model_value *a, const struct model_value *b)
{
    size_t *x = sorted_names(a);
    size_t *y = sorted_names(b);
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = sfs_bytes_compare(a->names[x[i]], b->names[y[i]]);
        if (order == 0)
            order = model_compare(a->items[x[i]], b->items[y[i]]);
        if (order)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

static int compare_arrays(const struct model_value *a, const struct model_value *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = model_compare(a->items[i], b->items[i]);
        if (order)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

int model_compare(const struct model_value *a, const struct model_value *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case M_NUMBER:
        return (a->hundredths > b->hundredths) - (a->hundredths < b->hundredths);
    case M_STRING:
        return sfs_bytes_compare(a->string, b->string);
    case M_ARRAY:
        return compare_arrays(a, b);
    case M_OBJECT:
        return compare_objects(a, b);
    default:
        return 0;
    }
}

static struct model_value *number(int64_t units)
{
    struct model_value *value = model_alloc(sizeof(*value));
    value->type = M_NUMBER;
    value->hundredths = (model_number)units * 100;
    return value;
}

static struct model_value *string(struct sfs_bytes text)
{
    struct model_value *value = model_alloc(sizeof(*value));
    value->type = M_STRING;
    value->string = text;
    return value;
}

static struct model_value *property_of(const struct model_record *record,
                                       enum model_property property)
{
    if (record->made || property == P_COUNT)
        return record->members && property == P_COUNT ? number((int64_t)record->member_count)
                                                      : NULL;
    if (property == P_KEY)
        return string(record->key);
    if (property == P_TYPE)
        return string(sfs_string(record->type));
    if (property == P_SIZE)
        return number((int64_t)record->bytes.size);
    return number(property == P_CREATED ? record->created : record->updated);
}

static struct model_value *member(const struct model_value *object, struct sfs_bytes name)
{
    for (size_t i = 0; object->type == M_OBJECT && i < object->count; i++) {
        if (sfs_bytes_equal(object->names[i], name))
            return object->items[i];
    }
    return NULL;
}

struct model_value *model_find(const struct model_record *record, const struct model_field *field)
{
    if (field->property != P_NONE)
        return property_of(record, field->property);
    struct model_value *value = record->value;
    for (size_t i = 0; i < field->count && value; i++) {
        size_t index = field->steps[i].index;
        if (!field->steps[i].is_index)
            value = member(value, field->steps[i].name);
        else
            value = value->type == M_ARRAY && index < value->count ? value->items[index] : NULL;
    }
    return value;
}

/* --- expressions --- */

static bool is_boolean(const struct model_value *value)
{
    return value->type == M_FALSE || value->type == M_TRUE;
}

static bool has(const struct model_value *value, const struct model_value *wanted)
{
    if (value->type == M_ARRAY) {
        for (size_t i = 0; i < value->count; i++) {
            if (model_compare(value->items[i], wanted) == 0)
                return true;
        }
    }
    if (wanted->type != M_STRING)
        return false;
    if (value->type == M_OBJECT)
        return member(value, wanted->string) != NULL;
    if (value->type != M_STRING)
        return false;
    return wanted->string.size == 0 ||
           memmem(value->string.data, value->string.size, wanted->string.data, wanted->string.size);
}

static bool matches_glob(struct sfs_bytes text, struct sfs_bytes glob)
{
    const char *pattern = glob.data;
    const char *data = text.data;
    bool open_start = pattern[0] == '*';
    bool open_end = glob.size > 1 && pattern[glob.size - 1] == '*';
    struct sfs_bytes part = {pattern + open_start, glob.size - open_start - open_end};
    if (part.size == 0)
        return true;
    if (open_start && open_end)
        return memmem(data, text.size, part.data, part.size) != NULL;
    if (part.size > text.size)
        return false;
    return memcmp(open_start ? data + text.size - part.size : data, part.data, part.size) == 0;
}

static bool compares(enum model_kind kind, const struct model_value *a, const struct model_value *b)
{
    int order = model_compare(a, b);
    if (kind == E_EQ)
        return order == 0;
    if (kind == E_NE)
        return order != 0;
    if (a->type != b->type && !(is_boolean(a) && is_boolean(b)))
        return false;
    return kind == E_LT   ? order < 0
           : kind == E_LE ? order <= 0
           : kind == E_GT ? order > 0
                          : order >= 0;
}

static bool passes(const struct model_expression *test, const struct model_record *record)
{
    const struct model_value *value = model_find(record, &test->field);
    if (!value)
        return false;
    switch (test->kind) {
    case E_EXISTS:
        return true;
    case E_TRUE:
        return value->type == M_TRUE;
    case E_IN:
        return has(test->literal, value);
    case E_HAS:
        return has(value, test->literal);
    case E_GLOB:
    case E_REGEX:
        return value->type == M_STRING && matches_glob(value->string, test->glob);
    default:
        return compares(test->kind, value, test->literal);
    }
}

bool model_matches(const struct model_expression *expression, const struct model_record *record)
{
    switch (expression->kind) {
    case E_OR:
        return model_matches(expression->left, record) || model_matches(expression->right, record);
    case E_AND:
        return model_matches(expression->left, record) && model_matches(expression->right, record);
    case E_NOT:
        return !model_matches(expression->left, record);
    default:
        return passes(expression, record);
    }
}

/* --- stages --- */

static int compare_records(const void *left, const void *right, void *context)
{
    const struct model_stage *sorting = context;
    const struct model_record *a = *(const struct model_record *const *)left;
    const struct model_record *b = *(const struct model_record *const *)right;
    for (size_t i = 0; i < sorting->keys; i++) {
        const struct model_value *x = model_find(a, &sorting->fields[i]);
        const struct model_value *y = model_find(b, &sorting->fields[i]);
        int order = x && y ? model_compare(x, y) : (x != NULL) - (y != NULL);
        if (order)
            return sorting->descending[i] ? -order : order;
    }
    return a->place < b->place ? -1 : 1;
}

void model_order(struct model_record **rows, size_t count, const struct model_stage *stage)
{
    for (size_t i = 0; i < count; i++)
        rows[i]->place = i;
    if (count > 0)
        qsort_r(rows, count, sizeof(*rows), compare_records, (void *)stage);
}

static bool is_descending(const struct model_stage *stage)
{
    bool descending = false;
    for (size_t i = 0; i < stage->keys; i++)
        descending = descending || stage->descending[i];
    return descending;
}

/* The fault of taking the first rows where the last were asked for. */
static void order_wrongly(struct model_record **rows, size_t count, const struct model_stage *stage)
{
    struct model_stage ascending = *stage;
    memset(ascending.descending, 0, sizeof(ascending.descending));
    model_order(rows, count, &ascending);
}

static size_t run_stage(struct model_record **rows, size_t count, const struct model_stage *stage)
{
    size_t kept = 0;
    switch (stage->kind) {
    case S_WHERE:
    case S_BY:
        for (size_t i = 0; i < count; i++) {
            if (model_matches(stage->expression, rows[i]))
                rows[kept++] = rows[i];
        }
        return kept;
    case S_ORDER:
        model_order(rows, count, stage);
        return count;
    case S_LIMIT:
        return count < stage->count ? count : stage->count;
    case S_SELECT:
        model_select(rows, count, stage);
        return count;
    case S_GROUP:
        return model_group(rows, count, stage);
    default:
        break;
    }
    for (size_t i = stage->count; i < count; i++)
        rows[kept++] = rows[i];
    return kept;
}

static bool is_filter(const struct model_stage *stage)
{
    return stage->kind == S_WHERE || stage->kind == S_BY;
}

size_t model_run(struct model_record **rows, size_t count, const struct model_stage *stages,
                 size_t stage_count, enum model_fault fault)
{
    bool grouped = false;
    for (size_t i = 0; i < stage_count; i++) {
        const struct model_stage *stage = &stages[i];
        const struct model_stage *next = i + 1 < stage_count ? &stages[i + 1] : NULL;
        bool swapped = fault == FAULT_SWAP && next &&
                       ((stage->kind == S_LIMIT && is_filter(next)) ||
                        (is_filter(stage) && next->kind == S_LIMIT));
        if (swapped) {
            count = run_stage(rows, count, next);
            i++;
        }
        if (fault == FAULT_LAST && stage->kind == S_ORDER && next && next->kind == S_LIMIT &&
            is_descending(stage))
            order_wrongly(rows, count, stage);
        else if (stage->kind == S_AGGREGATE)
            count = model_aggregate(rows, count, stage, grouped, fault);
        else
            count = run_stage(rows, count, stage);
        grouped = stage->kind == S_GROUP || (grouped && stage->kind != S_AGGREGATE);
    }
    return fault == FAULT_TRUNCATE && count > 10 ? 10 : count;
}
