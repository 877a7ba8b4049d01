/* SPDX-License-Identifier: MIT */
/* Results of aggregates, typed. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "query/run.h"
#include "query/sort_key.h"

struct sfs_results {
    struct sfs_query *query; /* for its last stage */
    struct sfs_cursor *cursor;
    struct sfs_buffer number;
    locale_t locale; /* in which numbers have a point */
    struct sfs_result list[];
};

int sfs_query_results(struct sfs_storage *store, const struct sfs_query *query,
                      struct sfs_results **ret_results, struct sfs_error *error)
{
    const struct sfs_query_stage *last = query->count ? query->stages[query->count - 1] : NULL;
    if (!last || last->kind != SFS_QUERY_AGGREGATE)
        return sfs_fail(error, SFS_E_INVALID, "query", "the query does not end in aggregate");
    struct sfs_results *results =
        calloc(1, sizeof(*results) + last->key_count * sizeof(results->list[0]));
    if (!results)
        return sfs_fail_memory(error, "query");
    results->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int result = results->locale ? sfs_query_copy(&results->query, query, error)
                                 : sfs_fail_memory(error, "query");
    if (result == 0)
        result = sfs_query_run(store, query, &results->cursor, error);
    if (result)
        sfs_results_close(results);
    else
        *ret_results = results;
    return result;
}

/* An integer of 64 bits is told by its sort key; a double is read by the C library. */
static int read_number(struct sfs_results *results, struct sfs_json json, struct sfs_result *result)
{
    struct sfs_value value = {.kind = SFS_VALUE_JSON, .is.json = json};
    struct sfs_buffer *scratch = &results->number;
    result->number = (double)NAN;
    if (json.type != SFS_JSON_NUMBER)
        return 0;
    scratch->size = 0;
    int failed = sfs_sort_key_add(&value, false, scratch);
    struct sfs_bytes rest = sfs_buffer_bytes(scratch);
    if (failed)
        return failed;
    result->is_integer = sfs_sort_key_read_integer(&rest, false, &result->integer);
    scratch->size = 0;
    failed = sfs_buffer_add(scratch, json.text);
    if (failed == 0)
        failed = sfs_buffer_text(scratch);
    if (failed == 0)
        result->number = strtod_l(scratch->data, NULL, results->locale);
    return failed;
}

int sfs_results_next(struct sfs_results *results, struct sfs_bytes *ret_group,
                     const struct sfs_result **ret_list, size_t *ret_count, struct sfs_error *error)
{
    const struct sfs_query_stage *last = results->query->stages[results->query->count - 1];
    const struct sfs_record *row = NULL;
    int found = sfs_cursor_next(results->cursor, &row, error);
    if (found <= 0)
        return found;
    struct sfs_json document = sfs_json_view(sfs_record_value(row));
    for (size_t i = 0; i < last->key_count; i++) {
        struct sfs_result *result = &results->list[i];
        struct sfs_json json;
        *result = (struct sfs_result){.function = last->keys[i].function, .number = (double)NAN};
        result->present = sfs_json_member(document, last->keys[i].name, &json);
        if (!result->present)
            continue;
        result->json = json.text;
        if (read_number(results, json, result))
            return sfs_fail_memory(error, "query");
    }
    *ret_group = sfs_record_value(row);
    *ret_list = results->list;
    *ret_count = last->key_count;
    return 1;
}

void sfs_results_close(struct sfs_results *results)
{
    if (!results)
        return;
    sfs_cursor_close(results->cursor);
    sfs_query_free(results->query);
    sfs_buffer_free(&results->number);
    if (results->locale)
        freelocale(results->locale);
    free(results);
}
