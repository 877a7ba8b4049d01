/* SPDX-License-Identifier: MIT */
/* What a query has read: its filters, judged by the evaluator that ran it. */
#include "txn/predicate.h"

#include <stdlib.h>

#include "query/stages.h"

struct sfs_txn_predicate {
    struct sfs_query *query; /* shares the stages, which are immutable */
    size_t stages;
    struct sfs_buffer text; /* how the filters are written: tells equal ones */
    struct sfs_buffer from;
    struct sfs_buffer end;
    bool endless;
};

void sfs_txn_predicate_free(struct sfs_txn_predicate *predicate)
{
    if (!predicate)
        return;
    sfs_query_free(predicate->query);
    sfs_buffer_free(&predicate->text);
    sfs_buffer_free(&predicate->from);
    sfs_buffer_free(&predicate->end);
    free(predicate);
}

static int describe(struct sfs_txn_predicate *predicate, struct sfs_bytes from)
{
    int result = sfs_buffer_add(&predicate->from, from);
    if (result == 0)
        result = sfs_buffer_add(&predicate->end, from);
    for (size_t i = 0; i < predicate->stages && result == 0; i++)
        result = sfs_query_stage_print(predicate->query->stages[i], &predicate->text);
    return result;
}

int sfs_txn_predicate_new(const struct sfs_query *query, size_t stages, struct sfs_bytes from,
                          struct sfs_txn_predicate **ret_predicate, struct sfs_error *error)
{
    struct sfs_txn_predicate *predicate = calloc(1, sizeof(*predicate));
    if (!predicate)
        return sfs_fail_memory(error, "transaction");
    predicate->stages = stages;
    int code = sfs_query_copy(&predicate->query, query, error);
    if (code == 0 && describe(predicate, from))
        code = sfs_fail_memory(error, "transaction");
    if (code)
        sfs_txn_predicate_free(predicate);
    else
        *ret_predicate = predicate;
    return code;
}

struct sfs_bytes sfs_txn_predicate_text(const struct sfs_txn_predicate *predicate)
{
    return sfs_buffer_bytes(&predicate->text);
}

bool sfs_txn_predicate_same(const struct sfs_txn_predicate *a, const struct sfs_txn_predicate *b)
{
    return sfs_bytes_equal(sfs_buffer_bytes(&a->text), sfs_buffer_bytes(&b->text)) &&
           sfs_bytes_equal(sfs_buffer_bytes(&a->from), sfs_buffer_bytes(&b->from));
}

int sfs_txn_predicate_extend(struct sfs_txn_predicate *predicate, struct sfs_bytes end, bool closed)
{
    if (end.size == 0 && !closed) {
        predicate->endless = true;
        return 0;
    }
    int order = sfs_bytes_compare(sfs_buffer_bytes(&predicate->end), end);
    if (order > 0 || (order == 0 && !closed))
        return 0;
    size_t before = predicate->end.size;
    int result = sfs_buffer_add(&predicate->end, end);
    if (result)
        return result;
    memmove(predicate->end.data, predicate->end.data + before, end.size);
    predicate->end.size = end.size;
    return closed ? sfs_buffer_byte(&predicate->end, '\0') : 0;
}

static bool is_in(const struct sfs_txn_predicate *predicate, struct sfs_bytes name)
{
    return sfs_bytes_compare(name, sfs_buffer_bytes(&predicate->from)) >= 0 &&
           (predicate->endless || sfs_bytes_compare(name, sfs_buffer_bytes(&predicate->end)) < 0);
}

int sfs_txn_predicate_matches(const struct sfs_txn_predicate *predicate,
                              const struct sfs_record *record)
{
    struct sfs_subject subject = sfs_subject(record);
    int matches = sfs_record_is_key(record) && is_in(predicate, record->name);
    for (size_t i = 0; i < predicate->stages && matches == 1; i++)
        matches = sfs_expression_matches(predicate->query->stages[i]->node, &subject);
    return matches;
}
