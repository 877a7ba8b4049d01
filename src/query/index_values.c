/* SPDX-License-Identifier: MIT */
/*
 * The values that a field has, from an index that is ordered by it: each value is one step, however
 * many keys hold it.
 */
#include "query/index_values.h"

#include "core/storage.h"
#include "query/plan_ranges.h"
#include "query/sort_key.h"

struct walk {
    const struct sfs_index *index;
    size_t fixed; /* bytes of K before the field: what the filters say */
    struct sfs_index_cursor *cursor;
    struct sfs_buffer json;
    struct sfs_buffer next; /* where the next value begins */
    sfs_index_values_visit *visit;
    void *context;
};

/* The value that K has behind what is fixed; in `json`, whose text it may be. */
static int read_value(struct walk *walk, struct sfs_bytes *rest, struct sfs_value *ret_value)
{
    bool missing = false;
    walk->json.size = 0;
    int result = sfs_sort_key_read_text(rest, false, &walk->json);
    struct sfs_value value = {.kind = SFS_VALUE_TEXT};
    if (result == 0) {
        result = sfs_sort_key_read(rest, false, &walk->json, &missing);
        value.kind = missing ? SFS_VALUE_MISSING : SFS_VALUE_JSON;
    }
    if (result < 0)
        return result;
    if (value.kind == SFS_VALUE_TEXT)
        value.is.text = sfs_buffer_bytes(&walk->json);
    else if (value.kind == SFS_VALUE_JSON)
        value.is.json = sfs_json_view(sfs_buffer_bytes(&walk->json));
    *ret_value = value;
    return 0;
}

static int fail_key(const struct walk *walk, int result, struct sfs_error *error)
{
    if (result == SFS_E_NO_MEMORY)
        return sfs_fail_memory(error, "query");
    return sfs_fail(error, SFS_E_CORRUPT, "query", "index '%s' has an entry that is none",
                    walk->index->name);
}

/* Shows one value and moves behind all entries that have it. */
static int step(struct walk *walk, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_value value = {.kind = SFS_VALUE_MISSING};
    struct sfs_bytes rest = {(const char *)key.data + walk->fixed, key.size - walk->fixed};
    int result = read_value(walk, &rest, &value);
    walk->next.size = 0;
    if (result == 0)
        result = sfs_buffer_append(&walk->next, key.data, key.size - rest.size);
    if (result)
        return fail_key(walk, result, error);
    sfs_index_key_behind(&walk->next);
    result = value.kind == SFS_VALUE_MISSING ? 0 : walk->visit(walk->context, &value, error);
    if (result)
        return result;
    return walk->cursor->operations->seek(walk->cursor, sfs_buffer_bytes(&walk->next), error);
}

static int run(struct walk *walk, struct sfs_storage *store, const struct sfs_plan_range *range,
               struct sfs_error *error)
{
    struct sfs_index_row row;
    struct sfs_range bounds = {sfs_buffer_bytes(&range->from), sfs_buffer_bytes(&range->to)};
    int result = sfs_storage_index_scan(store, walk->index, bounds, false, SFS_WANT_NAMES,
                                        &walk->cursor, error);
    if (result)
        return result;
    while ((result = walk->cursor->operations->next(walk->cursor, &row, error)) > 0) {
        result = step(walk, row.key, error);
        if (result)
            break;
    }
    walk->cursor->operations->close(walk->cursor);
    sfs_buffer_free(&walk->json);
    sfs_buffer_free(&walk->next);
    return result;
}

/* --- which index --- */

/* How many bytes the Ks of a range have in common before field number `bound`. */
static size_t fixed_size(const struct sfs_plan_range *range)
{
    /* Where the field has no test its interval begins with the tag of missing values. */
    return range->from.size - 1;
}

/* Whether the ranges are all that the query says, and the field comes next in the index. */
static bool fits(const struct sfs_index *index, const struct sfs_plan_ranges *ranges,
                 const struct sfs_field *field)
{
    return ranges->exact && ranges->count == 1 && ranges->bound < index->field_count &&
           sfs_field_equals(sfs_index_field(index, ranges->bound), field);
}

static bool tests_field(const struct sfs_plan_tests *tests, const struct sfs_field *field)
{
    for (size_t i = 0; i < tests->count; i++) {
        if (sfs_field_equals(&tests->tests[i]->field, field))
            return true;
    }
    return false;
}

/* Tries one index: *ret_done. */
static int try_index(struct walk *walk, struct sfs_storage *store,
                     const struct sfs_plan_tests *tests, const struct sfs_field *field,
                     bool *ret_done, struct sfs_error *error)
{
    struct sfs_plan_ranges ranges = {.count = 0};
    struct sfs_index_stats stats = {.inexact = 1};
    struct sfs_storage *able = sfs_storage_index(store);
    int result = sfs_plan_ranges_make(walk->index, tests, &ranges);
    if (result)
        return sfs_fail_memory(error, "query");
    if (fits(walk->index, &ranges, field))
        result = able->operations->override->index->stats(able, walk->index, &stats, error);
    if (result == 0 && stats.inexact == 0) {
        walk->fixed = fixed_size(&ranges.ranges[0]);
        sfs_index_hit(walk->index);
        *ret_done = true;
        result = run(walk, store, &ranges.ranges[0], error);
    }
    sfs_plan_ranges_free(&ranges);
    return result;
}

static int walk_in(struct sfs_storage *store, const struct sfs_plan_tests *tests,
                   const struct sfs_field *field, struct walk *walk, bool *ret_done,
                   struct sfs_error *error)
{
    struct sfs_storage *able = sfs_storage_index(store);
    struct sfs_index_set *set = NULL;
    int result = able->operations->override->index->set(able, &set, error);
    for (size_t i = 0; result == 0 && set && !*ret_done && i < set->count; i++) {
        walk->index = set->indexes[i];
        if (walk->index->ready)
            result = try_index(walk, store, tests, field, ret_done, error);
    }
    sfs_index_set_unref(set);
    return result;
}

int sfs_index_values(struct sfs_storage *store, const struct sfs_query *query,
                     const struct sfs_field *field, sfs_index_values_visit *visit, void *context,
                     bool *ret_done, struct sfs_error *error)
{
    struct walk walk = {.visit = visit, .context = context};
    struct sfs_plan_tests tests = sfs_plan_tests_of(query, query->count);
    struct sfs_storage *snapshot = NULL;
    *ret_done = false;
    if (tests.others || tests_field(&tests, field) || !sfs_plan_has_indexes(store))
        return 0;
    int result = sfs_snapshot(store, 0, &snapshot, error);
    if (result)
        return result;
    result = walk_in(snapshot, &tests, field, &walk, ret_done, error);
    (void)sfs_close(snapshot, NULL);
    return result;
}
