/* SPDX-License-Identifier: MIT */
/* Groups as rows. */
#include "query/group.h"

#include "query/document.h"
#include "query/row.h"
#include "query/sort_key.h"
#include "storefs/backend.h"

void sfs_group_rows_init(struct sfs_group_rows *rows, const struct sfs_query_stage *group,
                         const struct sfs_query_stage *aggregate)
{
    *rows = (struct sfs_group_rows){.group = group};
    if (aggregate) {
        rows->functions = aggregate->keys;
        rows->function_count = aggregate->key_count;
    }
}

static int add_integer(struct sfs_buffer *out, uint64_t number, struct sfs_error *error)
{
    struct sfs_value value = {.kind = SFS_VALUE_INTEGER, .is.integer = (int64_t)number};
    return sfs_sort_key_add(&value, false, out) ? sfs_fail_memory(error, "query") : 0;
}

static int add_result(struct sfs_group_rows *rows, const struct sfs_folded *folded,
                      const uint64_t *distinct, size_t at, struct sfs_error *error)
{
    enum sfs_function function = rows->functions[at].function;
    if (function == SFS_FUNCTION_COUNT)
        return add_integer(&rows->results, folded->count, error);
    if (function == SFS_FUNCTION_DISTINCT)
        return add_integer(&rows->results, distinct[at], error);
    int result = sfs_accumulator_result(&folded->accumulators[at], function, &rows->results);
    return result ? sfs_fold_fail(result, error) : 0;
}

static int add_results(struct sfs_group_rows *rows, const struct sfs_folded *folded,
                       const uint64_t *distinct, struct sfs_error *error)
{
    rows->results.size = 0;
    if (sfs_buffer_append(&rows->results, &folded->count, sizeof(folded->count)))
        return sfs_fail_memory(error, "query");
    int result = 0;
    for (size_t i = 0; i < rows->function_count && result == 0; i++)
        result = add_result(rows, folded, distinct, i, error);
    return result;
}

static int make_document(struct sfs_group_rows *rows, struct sfs_bytes key)
{
    struct sfs_buffer *json = &rows->json;
    json->size = 0;
    int result = sfs_document_begin(json);
    for (size_t i = 0; rows->group && i < rows->group->key_count && result == 0; i++) {
        size_t start = json->size;
        result = sfs_document_name(json, rows->group->keys[i].literal);
        if (result == 0)
            result = sfs_document_sorted(json, &key, start);
    }
    return result ? result : sfs_document_end(json);
}

int sfs_group_rows_make(struct sfs_group_rows *rows, const struct sfs_folded *folded,
                        const uint64_t *distinct, struct sfs_error *error)
{
    int result = add_results(rows, folded, distinct, error);
    if (result)
        return result;
    if (make_document(rows, folded->key))
        return sfs_fail_memory(error, "query");
    sfs_record_unref(rows->given);
    rows->given = sfs_row_made(sfs_buffer_bytes(&rows->json), sfs_buffer_bytes(&rows->results));
    return rows->given ? 1 : sfs_fail_memory(error, "query");
}

void sfs_group_rows_free(struct sfs_group_rows *rows)
{
    sfs_record_unref(rows->given);
    sfs_buffer_free(&rows->json);
    sfs_buffer_free(&rows->results);
}
