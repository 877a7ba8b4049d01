/* SPDX-License-Identifier: MIT */
/*
 * The cursor of `order`: collects its input, sorts it stably, and gives it out. Where a limit
 * follows, a heap whose root is the last of the rows kept holds no more than are wanted.
 */
#include <stdlib.h>

#include "query/run.h"
#include "storefs/backend.h"

struct row {
    const struct sfs_record *record; /* a reference */
    uint64_t place;                  /* in the input: decides ties */
    uint64_t bytes;
    struct sfs_value values[]; /* views into the record, one a key */
};

struct sorter {
    struct sfs_cursor cursor;
    struct sfs_cursor *input;
    const struct sfs_query_stage *stage;
    uint64_t keep;
    uint64_t limit;
    uint64_t held;
    struct row **rows;
    size_t count;
    size_t room;
    size_t given;
    bool sorted;
};

static void row_free(struct row *row)
{
    if (!row)
        return;
    sfs_record_unref(row->record);
    free(row);
}

static int row_new(const struct sorter *sorter, const struct sfs_record *record, uint64_t place,
                   struct row **ret_row, struct sfs_error *error)
{
    const struct sfs_query_stage *stage = sorter->stage;
    size_t size = sizeof(struct row) + stage->key_count * sizeof(struct sfs_value);
    struct row *row = malloc(size);
    if (!row)
        return sfs_fail_memory(error, "query");
    uint64_t value = record->blob ? record->size : 0;
    row->record = sfs_record_ref(record);
    row->place = place;
    row->bytes = size + sizeof(*record) + record->name.size + record->xattrs.size + value;
    struct sfs_subject subject = sfs_subject(record);
    for (size_t i = 0; i < stage->key_count; i++)
        row->values[i] = sfs_field_value(&stage->keys[i].field, &subject);
    *ret_row = row;
    return 0;
}

static int compare_rows(const struct sorter *sorter, const struct row *a, const struct row *b,
                        int *ret_order)
{
    const struct sfs_query_stage *stage = sorter->stage;
    for (size_t i = 0; i < stage->key_count; i++) {
        int order = 0;
        int result = sfs_value_compare(&a->values[i], &b->values[i], &order);
        if (result)
            return result;
        if (order) {
            *ret_order = stage->keys[i].descending ? -order : order;
            return 0;
        }
    }
    *ret_order = a->place < b->place ? -1 : a->place > b->place;
    return 0;
}

/* --- the heap --- */

static int sift_down(struct sorter *sorter, size_t at)
{
    struct row **rows = sorter->rows;
    for (size_t child = 2 * at + 1; child < sorter->count; child = 2 * at + 1) {
        int order = 0;
        int result = 0;
        if (child + 1 < sorter->count)
            result = compare_rows(sorter, rows[child + 1], rows[child], &order);
        if (result)
            return result;
        child += order > 0;
        result = compare_rows(sorter, rows[at], rows[child], &order);
        if (result || order > 0)
            return result;
        struct row *row = rows[at];
        rows[at] = rows[child];
        rows[child] = row;
        at = child;
    }
    return 0;
}

static int heapify(struct sorter *sorter)
{
    int result = 0;
    for (size_t i = sorter->count / 2; i > 0 && result == 0; i--)
        result = sift_down(sorter, i - 1);
    return result;
}

/* Offers a row to a full heap: the last of them all goes. Takes the row over. */
static int replace_last(struct sorter *sorter, struct row *row)
{
    int order = 0;
    int result = compare_rows(sorter, row, sorter->rows[0], &order);
    if (result || order > 0) {
        row_free(row);
        return result;
    }
    sorter->held += row->bytes - sorter->rows[0]->bytes;
    row_free(sorter->rows[0]);
    sorter->rows[0] = row;
    return sift_down(sorter, 0);
}

/* --- collecting --- */

static int make_room(struct sorter *sorter)
{
    if (sorter->count < sorter->room)
        return 0;
    size_t room = sorter->room ? sorter->room * 2 : 64;
    struct row **rows = realloc(sorter->rows, room * sizeof(struct row *));
    if (!rows)
        return SFS_E_NO_MEMORY;
    sorter->held += (room - sorter->room) * sizeof(struct row *);
    sorter->rows = rows;
    sorter->room = room;
    return 0;
}

/* Takes the row over. */
static int add_row(struct sorter *sorter, struct row *row)
{
    if (sorter->count == sorter->keep)
        return replace_last(sorter, row);
    int result = make_room(sorter);
    if (result) {
        row_free(row);
        return result;
    }
    sorter->rows[sorter->count++] = row;
    sorter->held += row->bytes;
    return sorter->count == sorter->keep ? heapify(sorter) : 0;
}

static int fail_limit(const struct sorter *sorter, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_TOO_LARGE, "query",
                    "order: the rows to sort take more than the limit of %llu MiB: put a where "
                    "before it or a limit right behind it",
                    (unsigned long long)(sorter->limit >> 20));
}

static int collect(struct sorter *sorter, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    struct row *row = NULL;
    int found;
    for (uint64_t place = 0; (found = sfs_cursor_next(sorter->input, &record, error)) > 0;
         place++) {
        int result = row_new(sorter, record, place, &row, error);
        if (result)
            return result;
        if (add_row(sorter, row))
            return sfs_fail_memory(error, "query");
        if (sorter->held > sorter->limit)
            return fail_limit(sorter, error);
    }
    return found;
}

/* --- sorting --- */

/* Merges from[left, middle) and from[middle, right) into to[left, right). */
static int merge(const struct sorter *sorter, struct row **from, struct row **to, size_t left,
                 size_t middle, size_t right)
{
    size_t a = left;
    size_t b = middle;
    for (size_t out = left; out < right; out++) {
        int order = b < right ? 1 : -1;
        if (a < middle && b < right) {
            int result = compare_rows(sorter, from[a], from[b], &order);
            if (result)
                return result;
        }
        to[out] = order > 0 ? from[b++] : from[a++];
    }
    return 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int merge_pass(const struct sorter *sorter, struct row **from, struct row **to, size_t width)
{
    size_t count = sorter->count;
    for (size_t left = 0; left < count; left += 2 * width) {
        size_t middle = smaller(left + width, count);
        int result = merge(sorter, from, to, left, middle, smaller(middle + width, count));
        if (result)
            return result;
    }
    return 0;
}

static int sort(struct sorter *sorter)
{
    struct row **other = sorter->count ? malloc(sorter->count * sizeof(struct row *)) : NULL;
    int result = other || sorter->count == 0 ? 0 : SFS_E_NO_MEMORY;
    for (size_t width = 1; width < sorter->count && result == 0; width *= 2) {
        result = merge_pass(sorter, sorter->rows, other, width);
        if (result == 0) {
            struct row **rows = sorter->rows;
            sorter->rows = other;
            other = rows;
        }
    }
    free(other);
    return result;
}

static int load(struct sorter *sorter, struct sfs_error *error)
{
    int result = sorter->keep > 0 ? collect(sorter, error) : 0;
    if (result)
        return result;
    if (sort(sorter))
        return sfs_fail_memory(error, "query");
    sorter->sorted = true;
    return 0;
}

static int sorter_next(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                       struct sfs_error *error)
{
    struct sorter *sorter = (struct sorter *)cursor;
    int result = sorter->sorted ? 0 : load(sorter, error);
    if (result)
        return result;
    if (sorter->given > 0) {
        row_free(sorter->rows[sorter->given - 1]);
        sorter->rows[sorter->given - 1] = NULL;
    }
    if (sorter->given == sorter->count)
        return 0;
    *ret_record = sorter->rows[sorter->given++]->record;
    return 1;
}

static void sorter_close(struct sfs_cursor *cursor)
{
    struct sorter *sorter = (struct sorter *)cursor;
    for (size_t i = 0; i < sorter->count; i++)
        row_free(sorter->rows[i]);
    free(sorter->rows);
    sfs_cursor_close(sorter->input);
    free(sorter);
}

int sfs_sort_cursor(struct sfs_cursor *input, const struct sfs_query_stage *stage, uint64_t keep,
                    uint64_t limit, struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations operations = {
        .next = sorter_next, .seek = sfs_query_no_seek, .close = sorter_close};
    struct sorter *sorter = calloc(1, sizeof(*sorter));
    if (!sorter)
        return sfs_fail_memory(error, "query");
    sorter->cursor.operations = &operations;
    sorter->input = input;
    sorter->stage = stage;
    sorter->keep = keep;
    sorter->limit = limit;
    *ret_cursor = &sorter->cursor;
    return 0;
}
