/* SPDX-License-Identifier: MIT */
/*
 * The cursors of `group` and `aggregate`: rows folded by the sort keys of their group's values, and
 * groups turned into documents with their results. Values of which only the number of different
 * ones counts have a fold of their own, by group and value, which is read side by side.
 */
#include <stdlib.h>

#include "query/document.h"
#include "query/fold.h"
#include "query/row.h"
#include "query/run.h"
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
    struct sfs_cursor *input;
    const struct sfs_query_stage *group; /* NULL: all is one group */
    const struct sfs_stage_field *functions;
    size_t function_count;
    struct sfs_fold *fold;
    struct distinct *distincts; /* one a function */
    struct sfs_value *values;
    struct sfs_buffer key;
    struct sfs_buffer json;
    struct sfs_buffer results;
    const struct sfs_record *given; /* a reference */
    bool loaded;
    bool any;
};

/* --- reading the input --- */

static int make_key(struct grouper *grouper, struct sfs_subject *subject)
{
    int result = 0;
    grouper->key.size = 0;
    for (size_t i = 0; grouper->group && i < grouper->group->key_count && result == 0; i++) {
        struct sfs_value value = sfs_field_value(&grouper->group->keys[i].field, subject);
        result = sfs_sort_key_add(&value, false, &grouper->key);
    }
    return result;
}

static int add_distinct(struct grouper *grouper, size_t at, struct sfs_error *error)
{
    size_t size = grouper->key.size;
    if (!grouper->distincts[at].fold || grouper->values[at].kind == SFS_VALUE_MISSING)
        return 0;
    if (sfs_sort_key_add(&grouper->values[at], false, &grouper->key))
        return sfs_fail_memory(error, "query");
    int result =
        sfs_fold_add(grouper->distincts[at].fold, sfs_buffer_bytes(&grouper->key), NULL, error);
    grouper->key.size = size;
    return result;
}

static int add(struct grouper *grouper, const struct sfs_record *record, struct sfs_error *error)
{
    struct sfs_subject subject = sfs_subject(record);
    if (make_key(grouper, &subject))
        return sfs_fail_memory(error, "query");
    int result = 0;
    for (size_t i = 0; i < grouper->function_count && result == 0; i++) {
        if (grouper->functions[i].function == SFS_FUNCTION_COUNT)
            continue;
        grouper->values[i] = sfs_field_value(&grouper->functions[i].field, &subject);
        result = add_distinct(grouper, i, error);
    }
    if (result)
        return result;
    return sfs_fold_add(grouper->fold, sfs_buffer_bytes(&grouper->key), grouper->values, error);
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

static int add_integer(struct sfs_buffer *out, uint64_t number, struct sfs_error *error)
{
    struct sfs_value value = {.kind = SFS_VALUE_INTEGER, .is.integer = (int64_t)number};
    return sfs_sort_key_add(&value, false, out) ? sfs_fail_memory(error, "query") : 0;
}

static int add_result(struct grouper *grouper, const struct sfs_folded *folded, size_t at,
                      struct sfs_error *error)
{
    enum sfs_function function = grouper->functions[at].function;
    uint64_t count = folded->count;
    int result = 0;
    if (function != SFS_FUNCTION_COUNT && function != SFS_FUNCTION_DISTINCT) {
        result = sfs_accumulator_result(&folded->accumulators[at], function, &grouper->results);
        return result ? sfs_fold_fail(result, error) : 0;
    }
    if (function == SFS_FUNCTION_DISTINCT)
        result = count_distinct(&grouper->distincts[at], folded->key, &count, error);
    return result ? result : add_integer(&grouper->results, count, error);
}

static int add_results(struct grouper *grouper, const struct sfs_folded *folded,
                       struct sfs_error *error)
{
    grouper->results.size = 0;
    if (sfs_buffer_append(&grouper->results, &folded->count, sizeof(folded->count)))
        return sfs_fail_memory(error, "query");
    int result = 0;
    for (size_t i = 0; i < grouper->function_count && result == 0; i++)
        result = add_result(grouper, folded, i, error);
    return result;
}

static int make_document(struct grouper *grouper, struct sfs_bytes key)
{
    struct sfs_buffer *json = &grouper->json;
    json->size = 0;
    int result = sfs_document_begin(json);
    for (size_t i = 0; grouper->group && i < grouper->group->key_count && result == 0; i++) {
        size_t start = json->size;
        result = sfs_document_name(json, grouper->group->keys[i].literal);
        if (result == 0)
            result = sfs_document_sorted(json, &key, start);
    }
    return result ? result : sfs_document_end(json);
}

static int give(struct grouper *grouper, const struct sfs_folded *folded, struct sfs_error *error)
{
    int result = add_results(grouper, folded, error);
    if (result)
        return result;
    if (make_document(grouper, folded->key))
        return sfs_fail_memory(error, "query");
    sfs_record_unref(grouper->given);
    grouper->given =
        sfs_row_made(sfs_buffer_bytes(&grouper->json), sfs_buffer_bytes(&grouper->results));
    return grouper->given ? 1 : sfs_fail_memory(error, "query");
}

static int grouper_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct grouper *grouper = (struct grouper *)cursor;
    struct sfs_accumulator *none = NULL;
    struct sfs_folded folded = {0};
    int found = grouper->loaded ? 0 : load(grouper, error);
    if (found == 0)
        found = sfs_fold_next(grouper->fold, &folded, error);
    if (found == 0 && !grouper->any && !grouper->group) {
        /* The results of no rows at all. */
        none = calloc(grouper->function_count + 1, sizeof(*none));
        folded.accumulators = none;
        found = none ? 1 : sfs_fail_memory(error, "query");
    }
    grouper->any = true;
    if (found > 0)
        found = give(grouper, &folded, error);
    for (size_t i = 0; none && i < grouper->function_count; i++)
        sfs_accumulator_free(&none[i]);
    free(none);
    if (found > 0)
        *ret_record = grouper->given;
    return found;
}

static void grouper_free(struct grouper *grouper)
{
    for (size_t i = 0; grouper->distincts && i < grouper->function_count; i++)
        sfs_fold_free(grouper->distincts[i].fold);
    sfs_fold_free(grouper->fold);
    sfs_record_unref(grouper->given);
    sfs_buffer_free(&grouper->key);
    sfs_buffer_free(&grouper->json);
    sfs_buffer_free(&grouper->results);
    free(grouper->distincts);
    free(grouper->values);
    free(grouper);
}

static void grouper_close(struct sfs_cursor *cursor)
{
    struct grouper *grouper = (struct grouper *)cursor;
    sfs_cursor_close(grouper->input);
    grouper_free(grouper);
}

static int make_folds(struct grouper *grouper, struct sfs_guard *guard, struct sfs_error *error)
{
    uint64_t shares = 1;
    for (size_t i = 0; i < grouper->function_count; i++)
        shares += grouper->functions[i].function == SFS_FUNCTION_DISTINCT;
    uint64_t memory = guard->options.memory / shares;
    int result = sfs_fold_new(guard, memory, grouper->functions, grouper->function_count,
                              &grouper->fold, error);
    for (size_t i = 0; i < grouper->function_count && result == 0; i++) {
        if (grouper->functions[i].function == SFS_FUNCTION_DISTINCT)
            result = sfs_fold_new(guard, memory, NULL, 0, &grouper->distincts[i].fold, error);
    }
    return result;
}

int sfs_group_cursor(struct sfs_cursor *input, const struct sfs_query_stage *group,
                     const struct sfs_query_stage *aggregate, struct sfs_guard *guard,
                     struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = grouper_next, .seek = sfs_query_no_seek, .close = grouper_close};
    struct grouper *grouper = calloc(1, sizeof(*grouper));
    if (!grouper)
        return sfs_fail_memory(error, "query");
    grouper->cursor.operations = &operations;
    grouper->group = group;
    grouper->functions = aggregate ? aggregate->keys : NULL;
    grouper->function_count = aggregate ? aggregate->key_count : 0;
    grouper->distincts = calloc(grouper->function_count + 1, sizeof(*grouper->distincts));
    grouper->values = calloc(grouper->function_count + 1, sizeof(*grouper->values));
    int result = grouper->distincts && grouper->values ? make_folds(grouper, guard, error)
                                                       : sfs_fail_memory(error, "query");
    if (result) {
        grouper_free(grouper);
        return result;
    }
    grouper->input = input;
    *ret_cursor = &grouper->cursor;
    return 0;
}
