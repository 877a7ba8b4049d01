/* SPDX-License-Identifier: MIT */
/* Accumulators of the functions of `aggregate`. */
#include "query/aggregate.h"

#include "query/sort_key_form.h"

static bool keeps_best(enum sfs_function function)
{
    return function == SFS_FUNCTION_MIN || function == SFS_FUNCTION_MAX;
}

static bool keeps_sum(enum sfs_function function)
{
    return function == SFS_FUNCTION_SUM || function == SFS_FUNCTION_AVG;
}

static int offer(struct sfs_buffer *best, enum sfs_function function, struct sfs_bytes key)
{
    int order = best->size ? sfs_bytes_compare(key, sfs_buffer_bytes(best)) : 0;
    bool better = best->size == 0 || (function == SFS_FUNCTION_MIN ? order < 0 : order > 0);
    if (!better)
        return 0;
    best->size = 0;
    return sfs_buffer_add(best, key);
}

static int add_number(struct sfs_sum *sum, const struct sfs_value *value)
{
    if (sfs_value_type(value) != SFS_JSON_NUMBER)
        return 0;
    return value->kind == SFS_VALUE_JSON ? sfs_sum_add(sum, value->is.json.text)
                                         : sfs_sum_add_integer(sum, value->is.integer);
}

int sfs_accumulator_add(struct sfs_accumulator *accumulator, enum sfs_function function,
                        const struct sfs_value *value, struct sfs_buffer *scratch)
{
    if (value->kind == SFS_VALUE_MISSING)
        return 0;
    if (keeps_sum(function))
        return add_number(&accumulator->sum, value);
    if (!keeps_best(function))
        return 0;
    scratch->size = 0;
    int result = sfs_sort_key_add(value, false, scratch);
    return result ? result : offer(&accumulator->best, function, sfs_buffer_bytes(scratch));
}

static int add_number_key(struct sfs_sum *sum, struct sfs_bytes key, struct sfs_buffer *scratch)
{
    unsigned char tag = *(const unsigned char *)key.data;
    int64_t integer = 0;
    bool missing = false;
    if (tag < SFS_SORT_KEY_NEGATIVE || tag > SFS_SORT_KEY_POSITIVE)
        return 0;
    if (sfs_sort_key_read_integer(&key, false, &integer))
        return sfs_sum_add_integer(sum, integer);
    scratch->size = 0;
    int result = sfs_sort_key_read(&key, false, scratch, &missing);
    return result ? result : sfs_sum_add(sum, sfs_buffer_bytes(scratch));
}

int sfs_accumulator_add_key(struct sfs_accumulator *accumulator, enum sfs_function function,
                            struct sfs_bytes key, struct sfs_buffer *scratch)
{
    if (sfs_sort_key_is_missing(key))
        return 0;
    if (keeps_sum(function))
        return add_number_key(&accumulator->sum, key, scratch);
    return keeps_best(function) ? offer(&accumulator->best, function, key) : 0;
}

int sfs_accumulator_pack(const struct sfs_accumulator *accumulator, enum sfs_function function,
                         struct sfs_buffer *out)
{
    if (keeps_sum(function))
        return sfs_sum_pack(&accumulator->sum, out);
    if (!keeps_best(function))
        return 0;
    int result = sfs_buffer_append(out, &accumulator->best.size, sizeof(size_t));
    return result ? result : sfs_buffer_add(out, sfs_buffer_bytes(&accumulator->best));
}

int sfs_accumulator_merge(struct sfs_accumulator *accumulator, enum sfs_function function,
                          struct sfs_bytes *bytes)
{
    if (keeps_sum(function))
        return sfs_sum_merge_packed(&accumulator->sum, bytes);
    if (!keeps_best(function))
        return 0;
    size_t size;
    memcpy(&size, bytes->data, sizeof(size));
    struct sfs_bytes key = {(const char *)bytes->data + sizeof(size), size};
    *bytes = sfs_bytes((const char *)key.data + size, bytes->size - sizeof(size) - size);
    return size ? offer(&accumulator->best, function, key) : 0;
}

/* The sort key of a sum or an average. */
static int number_result(struct sfs_sum *sum, enum sfs_function function, struct sfs_buffer *out)
{
    struct sfs_buffer text = {0};
    struct sfs_value value = {.kind = SFS_VALUE_MISSING};
    int result = 0;
    if (function == SFS_FUNCTION_SUM)
        result = sfs_sum_total(sum, &text);
    else if (sum->count > 0)
        result = sfs_sum_average(sum, &text);
    if (result == 0 && text.size > 0) {
        value.kind = SFS_VALUE_JSON;
        value.is.json = sfs_json_view(sfs_buffer_bytes(&text));
    }
    if (result == 0)
        result = sfs_sort_key_add(&value, false, out);
    sfs_buffer_free(&text);
    return result;
}

int sfs_accumulator_result(struct sfs_accumulator *accumulator, enum sfs_function function,
                           struct sfs_buffer *out)
{
    struct sfs_value missing = {.kind = SFS_VALUE_MISSING};
    if (keeps_sum(function))
        return number_result(&accumulator->sum, function, out);
    if (accumulator->best.size > 0)
        return sfs_buffer_add(out, sfs_buffer_bytes(&accumulator->best));
    return sfs_sort_key_add(&missing, false, out);
}

size_t sfs_accumulator_held(const struct sfs_accumulator *accumulator)
{
    return sfs_sum_held(&accumulator->sum) + accumulator->best.capacity;
}

void sfs_accumulator_free(struct sfs_accumulator *accumulator)
{
    sfs_sum_free(&accumulator->sum);
    sfs_buffer_free(&accumulator->best);
}
