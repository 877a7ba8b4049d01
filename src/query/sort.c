/* SPDX-License-Identifier: MIT */
/* The cursor of `order`: gives its input to a sorter, by the sort keys of its fields, and back. */
#include <stdlib.h>

#include "query/row.h"
#include "query/run.h"
#include "query/sort_key.h"
#include "storefs/backend.h"

struct order {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    const struct sfs_query_stage *stage;
    struct sfs_sorter *sorter;
    struct sfs_buffer key;
    struct sfs_buffer row;
    const struct sfs_record *given; /* a reference */
    bool values;                    /* somebody looks at them */
    bool loaded;
};

static int make_key(struct order *order, const struct sfs_record *record)
{
    const struct sfs_query_stage *stage = order->stage;
    struct sfs_subject subject = sfs_subject(record);
    int result = 0;
    order->key.size = 0;
    for (size_t i = 0; i < stage->key_count && result == 0; i++) {
        struct sfs_value value = sfs_field_value(&stage->keys[i].field, &subject);
        result = sfs_sort_key_add(&value, stage->keys[i].descending, &order->key);
    }
    return result;
}

static int add(struct order *order, const struct sfs_record *record, struct sfs_error *error)
{
    if (make_key(order, record))
        return sfs_fail_memory(error, "query");
    struct sfs_bytes key = sfs_buffer_bytes(&order->key);
    if (!sfs_sorter_wants(order->sorter, key))
        return 0;
    struct sfs_record row = *record;
    if (!order->values && !sfs_row_is_made(record))
        row.blob = NULL;
    order->row.size = 0;
    if (sfs_row_pack(&row, &order->row))
        return sfs_fail_memory(error, "query");
    return sfs_sorter_add(order->sorter, key, sfs_buffer_bytes(&order->row), error);
}

static int load(struct order *order, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int found = 0;
    bool wanted = sfs_sorter_wants(order->sorter, sfs_bytes(NULL, 0));
    while (wanted && (found = sfs_cursor_next(order->input, &record, error)) > 0) {
        found = add(order, record, error);
        if (found)
            break;
    }
    order->loaded = found == 0;
    return found;
}

static int order_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                      struct sfs_error *error)
{
    struct order *order = (struct order *)cursor;
    struct sfs_bytes key;
    struct sfs_bytes row;
    int found = order->loaded ? 0 : load(order, error);
    if (found == 0)
        found = sfs_sorter_next(order->sorter, &key, &row, error);
    if (found <= 0)
        return found;
    sfs_record_unref(order->given);
    order->given = sfs_row_unpack(row);
    if (!order->given)
        return sfs_fail_memory(error, "query");
    *ret_record = order->given;
    return 1;
}

static void order_close(struct sfs_cursor *cursor)
{
    struct order *order = (struct order *)cursor;
    sfs_cursor_close(order->input);
    sfs_sorter_free(order->sorter);
    sfs_record_unref(order->given);
    sfs_buffer_free(&order->key);
    sfs_buffer_free(&order->row);
    free(order);
}

int sfs_order_cursor(struct sfs_cursor *input, const struct sfs_query_stage *stage, uint64_t keep,
                     bool values, struct sfs_guard *guard, struct sfs_cursor **ret_cursor,
                     struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = order_next, .seek = sfs_query_no_seek, .close = order_close};
    struct order *order = calloc(1, sizeof(*order));
    if (!order)
        return sfs_fail_memory(error, "query");
    int result = sfs_sorter_new(guard, guard->options.memory, keep, &order->sorter, error);
    if (result) {
        free(order);
        return result;
    }
    order->cursor.operations = &operations;
    order->input = input;
    order->stage = stage;
    order->values = values;
    *ret_cursor = &order->cursor;
    return 0;
}
