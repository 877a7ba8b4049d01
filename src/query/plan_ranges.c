/* SPDX-License-Identifier: MIT */
/* From filters to ranges of an index: values for its first fields, then one interval of the next.
 */
#include "query/plan_ranges.h"

#include <stdlib.h>

#include "query/sort_key_form.h"
#include "util/glob.h"

/* --- the tests --- */

static void add_tests(struct sfs_plan_tests *tests, const struct sfs_node *node)
{
    if (node->kind == SFS_NODE_AND) {
        for (const struct sfs_node *operand = node->first; operand; operand = operand->next)
            add_tests(tests, operand);
        return;
    }
    if (node->kind <= SFS_NODE_NOT || tests->count == SFS_PLAN_TESTS_MAX)
        tests->others = true;
    else
        tests->tests[tests->count++] = node;
}

struct sfs_plan_tests sfs_plan_tests_of(const struct sfs_query *query, size_t filters)
{
    struct sfs_plan_tests tests = {.count = 0};
    for (size_t i = 0; i < filters; i++)
        add_tests(&tests, query->stages[i]->node);
    return tests;
}

static bool binds(const struct sfs_node *test)
{
    return test->kind == SFS_NODE_EQUAL || test->kind == SFS_NODE_TRUE;
}

bool sfs_plan_is_bound(const struct sfs_plan_tests *tests, const struct sfs_field *field)
{
    for (size_t i = 0; i < tests->count; i++) {
        if (binds(tests->tests[i]) && sfs_field_equals(&tests->tests[i]->field, field))
            return true;
    }
    return false;
}

/* --- ranges on their way --- */

struct work {
    const struct sfs_plan_tests *tests;
    bool used[SFS_PLAN_TESTS_MAX]; /* the test is in the ranges, all it says */
    struct sfs_plan_ranges *out;
    bool inexact; /* a bound was cut, or says less than its test */
};

void sfs_plan_ranges_free(struct sfs_plan_ranges *ranges)
{
    for (size_t i = 0; i < ranges->count; i++) {
        sfs_buffer_free(&ranges->ranges[i].from);
        sfs_buffer_free(&ranges->ranges[i].to);
    }
    free(ranges->ranges);
    *ranges = (struct sfs_plan_ranges){0};
}

/* Until the end only `from` is used: the beginning that all Ks of the range have. */
static int begin(struct sfs_plan_ranges *out)
{
    out->ranges = calloc(1, sizeof(*out->ranges));
    if (!out->ranges)
        return SFS_E_NO_MEMORY;
    out->count = 1;
    return 0;
}

static int add_test_value(const struct sfs_node *test, struct sfs_buffer *out)
{
    if (test->kind == SFS_NODE_TRUE)
        return sfs_buffer_byte(out, SFS_SORT_KEY_TRUE);
    return sfs_sort_key_add(&test->value, false, out);
}

static int bind_one(struct sfs_plan_ranges *out, const struct sfs_node *test)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < out->count; i++)
        result = add_test_value(test, &out->ranges[i].from);
    return result;
}

/* --- in --- */

static int compare_ranges(const void *a, const void *b)
{
    const struct sfs_plan_range *x = a;
    const struct sfs_plan_range *y = b;
    return sfs_bytes_compare(sfs_buffer_bytes(&x->from), sfs_buffer_bytes(&y->from));
}

static void drop_doubles(struct sfs_plan_ranges *out)
{
    size_t kept = 0;
    qsort(out->ranges, out->count, sizeof(*out->ranges), compare_ranges);
    for (size_t i = 0; i < out->count; i++) {
        if (kept > 0 && compare_ranges(&out->ranges[kept - 1], &out->ranges[i]) == 0)
            sfs_buffer_free(&out->ranges[i].from);
        else
            out->ranges[kept++] = out->ranges[i];
    }
    out->count = kept;
}

/* One range more for each element; the one there is is the beginning of all. */
static int bind_each(struct sfs_plan_ranges *out, struct sfs_json array, size_t count)
{
    struct sfs_plan_range *ranges = calloc(count ? count : 1, sizeof(*ranges));
    if (!ranges)
        return SFS_E_NO_MEMORY;
    struct sfs_plan_range prefix = out->ranges[0];
    free(out->ranges);
    *out = (struct sfs_plan_ranges){.ranges = ranges, .bound = out->bound};
    struct sfs_json_cursor cursor = sfs_json_begin(array);
    struct sfs_value value = {.kind = SFS_VALUE_JSON};
    int result = 0;
    while (result == 0 && out->count < count && sfs_json_next_element(&cursor, &value.is.json)) {
        struct sfs_buffer *from = &ranges[out->count++].from;
        result = sfs_buffer_add(from, sfs_buffer_bytes(&prefix.from));
        if (result == 0)
            result = sfs_sort_key_add(&value, false, from);
    }
    sfs_buffer_free(&prefix.from);
    drop_doubles(out);
    return result;
}

/* --- intervals --- */

/* The Ks of one field's values, without the beginning. */
struct interval {
    struct sfs_buffer from;
    struct sfs_buffer to;
};

static int narrow_from(struct interval *interval, struct sfs_bytes from)
{
    if (sfs_bytes_compare(from, sfs_buffer_bytes(&interval->from)) <= 0)
        return 0;
    interval->from.size = 0;
    return sfs_buffer_add(&interval->from, from);
}

static int narrow_to(struct interval *interval, struct sfs_bytes to)
{
    if (sfs_bytes_compare(to, sfs_buffer_bytes(&interval->to)) >= 0)
        return 0;
    interval->to.size = 0;
    return sfs_buffer_add(&interval->to, to);
}

static int narrow_to_tags(struct interval *interval, unsigned first, unsigned last)
{
    char bounds[2] = {(char)first, (char)(last + 1)};
    int result = narrow_from(interval, sfs_bytes(bounds, 1));
    return result ? result : narrow_to(interval, sfs_bytes(bounds + 1, 1));
}

/* A comparison is false for values of other types. */
static int narrow_to_type(struct interval *interval, const struct sfs_value *value)
{
    switch (sfs_value_type(value)) {
    case SFS_JSON_NULL:
        return narrow_to_tags(interval, SFS_SORT_KEY_NULL, SFS_SORT_KEY_NULL);
    case SFS_JSON_FALSE:
    case SFS_JSON_TRUE:
        return narrow_to_tags(interval, SFS_SORT_KEY_FALSE, SFS_SORT_KEY_TRUE);
    case SFS_JSON_NUMBER:
        return narrow_to_tags(interval, SFS_SORT_KEY_NEGATIVE, SFS_SORT_KEY_POSITIVE);
    case SFS_JSON_STRING:
        return narrow_to_tags(interval, SFS_SORT_KEY_STRING, SFS_SORT_KEY_STRING);
    case SFS_JSON_ARRAY:
        return narrow_to_tags(interval, SFS_SORT_KEY_ARRAY, SFS_SORT_KEY_ARRAY);
    case SFS_JSON_OBJECT:
        break;
    }
    return narrow_to_tags(interval, SFS_SORT_KEY_OBJECT, SFS_SORT_KEY_OBJECT);
}

static int narrow_to_comparison(struct interval *interval, const struct sfs_node *test)
{
    struct sfs_buffer bound = {0};
    int result = narrow_to_type(interval, &test->value);
    if (result == 0)
        result = sfs_sort_key_add(&test->value, false, &bound);
    if (test->kind == SFS_NODE_GREATER || test->kind == SFS_NODE_LESS_EQUAL)
        sfs_index_key_behind(&bound);
    if (result == 0 && (test->kind == SFS_NODE_LESS || test->kind == SFS_NODE_LESS_EQUAL))
        result = narrow_to(interval, sfs_buffer_bytes(&bound));
    else if (result == 0)
        result = narrow_from(interval, sfs_buffer_bytes(&bound));
    sfs_buffer_free(&bound);
    return result;
}

/* Strings that begin as the pattern does, and some of those do not match. */
static int narrow_to_glob(struct interval *interval, struct sfs_bytes pattern)
{
    struct sfs_buffer prefix = {0};
    struct sfs_buffer bound = {0};
    int result = sfs_glob_prefix(pattern, &prefix);
    struct sfs_value text = {.kind = SFS_VALUE_TEXT, .is.text = sfs_buffer_bytes(&prefix)};
    if (result == 0)
        result = sfs_sort_key_add(&text, false, &bound);
    if (result == 0) {
        bound.size--; /* the end of the string */
        result = narrow_from(interval, sfs_buffer_bytes(&bound));
        sfs_index_key_behind(&bound);
    }
    if (result == 0)
        result = narrow_to(interval, sfs_buffer_bytes(&bound));
    sfs_buffer_free(&prefix);
    sfs_buffer_free(&bound);
    return result;
}

/* 1 where the test says something of its field's interval, 0, or NO_MEMORY. */
static int narrow(struct interval *interval, const struct sfs_node *test)
{
    int result;
    switch (test->kind) {
    case SFS_NODE_LESS:
    case SFS_NODE_LESS_EQUAL:
    case SFS_NODE_GREATER:
    case SFS_NODE_GREATER_EQUAL:
        result = narrow_to_comparison(interval, test);
        break;
    case SFS_NODE_EXISTS:
        result = narrow_to_tags(interval, SFS_SORT_KEY_NULL, SFS_SORT_KEY_OBJECT);
        break;
    case SFS_NODE_GLOB:
        result = narrow_to_glob(interval, test->value.is.text);
        break;
    default:
        return 0;
    }
    return result ? result : 1;
}

/* Gives a range its end, and its beginning the interval's. */
static int close_range(struct sfs_plan_range *range, const struct interval *interval)
{
    bool empty =
        sfs_bytes_compare(sfs_buffer_bytes(&interval->from), sfs_buffer_bytes(&interval->to)) >= 0;
    int result = sfs_buffer_add(&range->to, sfs_buffer_bytes(&range->from));
    if (result == 0)
        result = sfs_buffer_add(&range->from, sfs_buffer_bytes(&interval->from));
    if (result == 0)
        result =
            sfs_buffer_add(&range->to, sfs_buffer_bytes(empty ? &interval->from : &interval->to));
    return result;
}

static int close_all(struct work *work, const struct interval *interval)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->out->count; i++)
        result = close_range(&work->out->ranges[i], interval);
    return result;
}

/* The interval of one field; whole where no test is about it. */
static int add_interval(struct work *work, const struct sfs_field *field)
{
    struct interval interval = {{0}, {0}};
    int result = sfs_buffer_byte(&interval.from, SFS_SORT_KEY_MISSING);
    if (result == 0)
        result = sfs_buffer_byte(&interval.to, SFS_SORT_KEY_OBJECT + 1);
    for (size_t i = 0; result == 0 && i < work->tests->count; i++) {
        const struct sfs_node *test = work->tests->tests[i];
        if (!sfs_field_equals(&test->field, field))
            continue;
        result = narrow(&interval, test);
        if (result > 0) {
            work->used[i] = test->kind != SFS_NODE_GLOB;
            work->out->narrowed = true;
            result = 0;
        }
    }
    if (result == 0)
        result = close_all(work, &interval);
    sfs_buffer_free(&interval.from);
    sfs_buffer_free(&interval.to);
    return result;
}

/* --- all of it --- */

/* Binds the field by a test of it: 1, 0 where none does, or NO_MEMORY. */
static int bind(struct work *work, const struct sfs_field *field)
{
    struct sfs_plan_ranges *out = work->out;
    size_t in = SFS_PLAN_TESTS_MAX;
    for (size_t i = 0; i < work->tests->count; i++) {
        const struct sfs_node *test = work->tests->tests[i];
        if (!sfs_field_equals(&test->field, field))
            continue;
        if (binds(test)) {
            work->used[i] = true;
            int result = bind_one(out, test);
            return result ? result : 1;
        }
        if (test->kind == SFS_NODE_IN)
            in = i;
    }
    if (in == SFS_PLAN_TESTS_MAX || out->count != 1)
        return 0;
    struct sfs_json array = work->tests->tests[in]->value.is.json;
    size_t count = sfs_json_count(array);
    if (count > SFS_PLAN_RANGES_MAX)
        return 0;
    work->used[in] = true;
    int result = bind_each(out, array, count);
    return result ? result : 1;
}

/* What is behind the cut of Ks cannot be asked for: the range then has all that begin so. */
static void cut(struct work *work, struct sfs_plan_range *range)
{
    if (range->from.size >= SFS_INDEX_KEY_MAX) {
        range->from.size = SFS_INDEX_KEY_MAX;
        work->inexact = true;
    }
    if (range->to.size >= SFS_INDEX_KEY_MAX) {
        range->to.size = SFS_INDEX_KEY_MAX;
        sfs_index_key_behind(&range->to);
        work->inexact = true;
    }
}

static int make(struct work *work, const struct sfs_index *index)
{
    struct sfs_plan_ranges *out = work->out;
    int bound = 1;
    int result = begin(out);
    while (result == 0 && bound > 0 && out->bound < index->field_count) {
        bound = bind(work, sfs_index_field(index, out->bound));
        result = bound < 0 ? bound : 0;
        out->bound += bound > 0;
    }
    if (result)
        return result;
    out->narrowed = out->bound > 0;
    if (out->bound < index->field_count)
        return add_interval(work, sfs_index_field(index, out->bound));
    for (size_t i = 0; result == 0 && i < out->count; i++) {
        result = sfs_buffer_add(&out->ranges[i].to, sfs_buffer_bytes(&out->ranges[i].from));
        sfs_index_key_behind(&out->ranges[i].to);
    }
    return result;
}

int sfs_plan_ranges_make(const struct sfs_index *index, const struct sfs_plan_tests *tests,
                         struct sfs_plan_ranges *ret_ranges)
{
    struct sfs_plan_ranges ranges = {0};
    struct work work = {.tests = tests, .out = &ranges};
    int result = make(&work, index);
    if (result) {
        sfs_plan_ranges_free(&ranges);
        return result;
    }
    for (size_t i = 0; i < ranges.count; i++)
        cut(&work, &ranges.ranges[i]);
    ranges.exact = !work.inexact && !tests->others;
    for (size_t i = 0; i < tests->count; i++)
        ranges.exact &= work.used[i];
    *ret_ranges = ranges;
    return 0;
}
