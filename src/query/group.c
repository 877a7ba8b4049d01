/* SPDX-License-Identifier: MIT */
/*
 * The cursors of `group` and `aggregate`: rows folded by the sort keys of their group's values, and
 * groups turned into documents with their results. Values of which only the number of different
 * ones counts have a fold of their own, by group and value, which is read side by side. The sort
 * keys are made of records, or come from an index.
 */
#include "query/group.h"

#include <stdlib.h>

#include "query/cover.h"
#include "query/entries.h"
#include "query/sort_key.h"
#include "storefs/backend.h"

struct distinct {
    struct sfs_fold *fold; /* NULL: the function is another one */
    struct sfs_folded next;
    bool begun;
    bool ended;
};

struct grouper {
    struct sfs_cursor cursor;
    struct sfs_cursor *input; /* NULL: `entries` are */
    struct sfs_entries entries;
    struct sfs_group_rows rows;
    struct sfs_fold *fold;
    struct distinct *distincts; /* one a function, as the next three */
    struct sfs_value *values;
    struct sfs_bytes *keys;
    uint64_t *counts;
    struct sfs_buffer key;
    bool loaded;
    bool any;
};

/* --- reading the input --- */

static int make_key(struct grouper *grouper, struct sfs_subject *subject)
{
    const struct sfs_query_stage *group = grouper->rows.group;
    int result = 0;
    grouper->key.size = 0;
    for (size_t i = 0; group && i < group->key_count && result == 0; i++) {
        struct sfs_value value = sfs_field_value(&group->keys[i].field, subject);
        result = sfs_sort_key_add(&value, false, &grouper->key);
    }
    return result;
}

/* Adds the value whose sort key stands in `key` behind the group's, from `size` on, and takes it
 * out again. */
static int add_distinct(struct grouper *grouper, size_t at, size_t size, struct sfs_error *error)
{
    int result =
        sfs_fold_add(grouper->distincts[at].fold, sfs_buffer_bytes(&grouper->key), NULL, error);
    grouper->key.size = size;
    return result;
}

static int add_value(struct grouper *grouper, size_t at, struct sfs_error *error)
{
    size_t size = grouper->key.size;
    if (!grouper->distincts[at].fold || grouper->values[at].kind == SFS_VALUE_MISSING)
        return 0;
    if (sfs_sort_key_add(&grouper->values[at], false, &grouper->key))
        return sfs_fail_memory(error, "query");
    return add_distinct(grouper, at, size, error);
}

static int add(struct grouper *grouper, const struct sfs_record *record, struct sfs_error *error)
{
    const struct sfs_stage_field *functions = grouper->rows.functions;
    struct sfs_subject subject = sfs_subject(record);
    if (make_key(grouper, &subject))
        return sfs_fail_memory(error, "query");
    int result = 0;
    for (size_t i = 0; i < grouper->rows.function_count && result == 0; i++) {
        if (functions[i].function == SFS_FUNCTION_COUNT)
            continue;
        grouper->values[i] = sfs_field_value(&functions[i].field, &subject);
        result = add_value(grouper, i, error);
    }
    if (result)
        return result;
    return sfs_fold_add(grouper->fold, sfs_buffer_bytes(&grouper->key), grouper->values, error);
}

/* --- reading entries of an index --- */

static struct sfs_bytes piece_of(const struct grouper *grouper, const struct sfs_field *field)
{
    return grouper->entries.pieces[sfs_cover_place(grouper->entries.plan->index, field)];
}

static int add_piece(struct grouper *grouper, size_t at, struct sfs_error *error)
{
    size_t size = grouper->key.size;
    if (!grouper->distincts[at].fold || sfs_sort_key_is_missing(grouper->keys[at]))
        return 0;
    if (sfs_buffer_add(&grouper->key, grouper->keys[at]))
        return sfs_fail_memory(error, "query");
    return add_distinct(grouper, at, size, error);
}

static int add_entry(struct grouper *grouper, struct sfs_bytes entry, struct sfs_error *error)
{
    const struct sfs_query_stage *group = grouper->rows.group;
    const struct sfs_stage_field *functions = grouper->rows.functions;
    int result = sfs_entries_split(&grouper->entries, entry, 0, 0, error);
    grouper->key.size = 0;
    for (size_t i = 0; group && i < group->key_count && result == 0; i++) {
        if (sfs_buffer_add(&grouper->key, piece_of(grouper, &group->keys[i].field)))
            result = sfs_fail_memory(error, "query");
    }
    for (size_t i = 0; i < grouper->rows.function_count && result == 0; i++) {
        if (functions[i].function == SFS_FUNCTION_COUNT)
            continue;
        grouper->keys[i] = piece_of(grouper, &functions[i].field);
        result = add_piece(grouper, i, error);
    }
    if (result)
        return result;
    return sfs_fold_add_keys(grouper->fold, sfs_buffer_bytes(&grouper->key), grouper->keys, error);
}

static int load_entries(struct grouper *grouper, struct sfs_error *error)
{
    struct sfs_bytes entry;
    int found;
    while ((found = sfs_entries_next(&grouper->entries, &entry, error)) > 0) {
        found = add_entry(grouper, entry, error);
        if (found)
            break;
    }
    grouper->loaded = found == 0;
    return found;
}

static int load(struct grouper *grouper, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int found;
    while ((found = sfs_cursor_next(grouper->input, &record, error)) > 0) {
        found = add(grouper, record, error);
        if (found)
            break;
    }
    grouper->loaded = found == 0;
    return found;
}

/* --- giving groups --- */

/* How many different values a group has: those that begin with its key. */
static int count_distinct(struct distinct *distinct, struct sfs_bytes key, uint64_t *ret_count,
                          struct sfs_error *error)
{
    uint64_t count = 0;
    int found = 1;
    if (!distinct->begun)
        found = sfs_fold_next(distinct->fold, &distinct->next, error);
    distinct->begun = true;
    distinct->ended = distinct->ended || found == 0;
    while (found > 0 && !distinct->ended && sfs_bytes_starts(distinct->next.key, key)) {
        count++;
        found = sfs_fold_next(distinct->fold, &distinct->next, error);
        distinct->ended = found == 0;
    }
    *ret_count = count;
    return found < 0 ? found : 0;
}

static int give(struct grouper *grouper, const struct sfs_folded *folded, struct sfs_error *error)
{
    int result = 0;
    for (size_t i = 0; i < grouper->rows.function_count && result == 0; i++) {
        if (grouper->distincts[i].fold)
            result =
                count_distinct(&grouper->distincts[i], folded->key, &grouper->counts[i], error);
    }
    return result ? result : sfs_group_rows_make(&grouper->rows, folded, grouper->counts, error);
}

static int grouper_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct grouper *grouper = (struct grouper *)cursor;
    struct sfs_accumulator *none = NULL;
    struct sfs_folded folded = {0};
    int found = 0;
    if (!grouper->loaded)
        found = grouper->input ? load(grouper, error) : load_entries(grouper, error);
    if (found == 0)
        found = sfs_fold_next(grouper->fold, &folded, error);
    if (found == 0 && !grouper->any && !grouper->rows.group) {
        /* The results of no rows at all. */
        none = calloc(grouper->rows.function_count + 1, sizeof(*none));
        folded.accumulators = none;
        found = none ? 1 : sfs_fail_memory(error, "query");
    }
    grouper->any = true;
    if (found > 0)
        found = give(grouper, &folded, error);
    for (size_t i = 0; none && i < grouper->rows.function_count; i++)
        sfs_accumulator_free(&none[i]);
    free(none);
    if (found > 0)
        *ret_record = grouper->rows.given;
    return found;
}

static void grouper_free(struct grouper *grouper)
{
    for (size_t i = 0; grouper->distincts && i < grouper->rows.function_count; i++)
        sfs_fold_free(grouper->distincts[i].fold);
    sfs_fold_free(grouper->fold);
    sfs_group_rows_free(&grouper->rows);
    sfs_buffer_free(&grouper->key);
    free(grouper->distincts);
    free(grouper->values);
    free(grouper->keys);
    free(grouper->counts);
    free(grouper);
}

static void grouper_close(struct sfs_cursor *cursor)
{
    struct grouper *grouper = (struct grouper *)cursor;
    sfs_cursor_close(grouper->input);
    sfs_entries_end(&grouper->entries);
    grouper_free(grouper);
}

static int make_folds(struct grouper *grouper, struct sfs_guard *guard, struct sfs_error *error)
{
    const struct sfs_stage_field *functions = grouper->rows.functions;
    size_t count = grouper->rows.function_count;
    uint64_t shares = 1;
    for (size_t i = 0; i < count; i++)
        shares += functions[i].function == SFS_FUNCTION_DISTINCT;
    uint64_t memory = guard->options.memory / shares;
    int result = sfs_fold_new(guard, memory, functions, count, &grouper->fold, error);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (functions[i].function == SFS_FUNCTION_DISTINCT)
            result = sfs_fold_new(guard, memory, NULL, 0, &grouper->distincts[i].fold, error);
    }
    return result;
}

/* A grouper that has no input yet. */
static int grouper_new(const struct sfs_query_stage *group, const struct sfs_query_stage *aggregate,
                       struct sfs_guard *guard, struct grouper **ret_grouper,
                       struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = grouper_next, .seek = sfs_query_no_seek, .close = grouper_close};
    struct grouper *grouper = calloc(1, sizeof(*grouper));
    if (!grouper)
        return sfs_fail_memory(error, "query");
    grouper->cursor.operations = &operations;
    sfs_group_rows_init(&grouper->rows, group, aggregate);
    size_t count = grouper->rows.function_count + 1;
    grouper->distincts = calloc(count, sizeof(*grouper->distincts));
    grouper->values = calloc(count, sizeof(*grouper->values));
    grouper->keys = calloc(count, sizeof(*grouper->keys));
    grouper->counts = calloc(count, sizeof(*grouper->counts));
    bool room = grouper->distincts && grouper->values && grouper->keys && grouper->counts;
    int result = room ? make_folds(grouper, guard, error) : sfs_fail_memory(error, "query");
    if (result)
        grouper_free(grouper);
    else
        *ret_grouper = grouper;
    return result;
}

int sfs_group_cursor(struct sfs_cursor *input, const struct sfs_query_stage *group,
                     const struct sfs_query_stage *aggregate, struct sfs_guard *guard,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct grouper *grouper = NULL;
    int result = grouper_new(group, aggregate, guard, &grouper, error);
    if (result)
        return result;
    grouper->input = input;
    *ret_cursor = &grouper->cursor;
    return 0;
}

int sfs_group_entries_cursor(struct sfs_storage *store, const struct sfs_plan *plan, size_t fields,
                             struct sfs_guard *guard, struct sfs_cursor **ret_cursor,
                             struct sfs_error *error)
{
    struct grouper *grouper = NULL;
    int result = grouper_new(plan->group, plan->aggregate, guard, &grouper, error);
    if (result)
        return result;
    grouper->entries = sfs_entries_begin(store, plan, fields, guard);
    *ret_cursor = &grouper->cursor;
    return 0;
}
