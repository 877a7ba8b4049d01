/* SPDX-License-Identifier: MIT */
/* Tables: which columns there are, and the lines. */
#include "query/csv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "query/row.h"
#include "query/spool.h"
#include "util/utf8.h"

struct sfs_csv {
    const struct sfs_query *query;
    struct sfs_arena arena; /* holds the names */
    struct sfs_bytes *columns;
    size_t count;
    struct sfs_value *cells; /* one a column */
    bool has_key;
    bool has_members; /* of groups */
    bool has_value;   /* for rows that are no objects */
    bool begun;
    struct sfs_spool spool; /* where the names come from the rows */
    uint64_t at;
    struct sfs_buffer row;
    struct sfs_buffer name;
};

/* --- columns --- */

static int add_column(struct sfs_csv *csv, struct sfs_bytes name, struct sfs_error *error)
{
    if (csv->count == SFS_CSV_COLUMNS)
        return sfs_fail(error, SFS_E_TOO_LARGE, "query",
                        "values.csv: there are more than %d columns: name those you want by select",
                        SFS_CSV_COLUMNS);
    if (sfs_arena_copy(&csv->arena, name, &csv->columns[csv->count]))
        return sfs_fail_memory(error, "query");
    csv->count++;
    return 0;
}

/* The column of this name; `hint` is where it is tried first. `count` where there is none. */
static size_t find_column(const struct sfs_csv *csv, struct sfs_bytes name, size_t hint)
{
    if (hint < csv->count && sfs_bytes_equal(csv->columns[hint], name))
        return hint;
    size_t at = 0;
    while (at < csv->count && !sfs_bytes_equal(csv->columns[at], name))
        at++;
    return at;
}

static int add_columns(struct sfs_csv *csv, const struct sfs_query_stage *stage,
                       struct sfs_error *error)
{
    int result = 0;
    for (size_t i = 0; stage && i < stage->key_count && result == 0; i++) {
        if (find_column(csv, stage->keys[i].name, csv->count) == csv->count)
            result = add_column(csv, stage->keys[i].name, error);
    }
    return result;
}

/* The columns that the query names. */
static int name_columns(struct sfs_csv *csv, const struct sfs_query_stage *shape,
                        struct sfs_error *error)
{
    const struct sfs_query *query = csv->query;
    size_t at = query->count;
    if (shape->kind != SFS_QUERY_AGGREGATE)
        return add_columns(csv, shape, error);
    while (query->stages[at - 1] != shape)
        at--;
    const struct sfs_query_stage *before = sfs_query_shape(query, at - 1);
    bool grouped = before && before->kind == SFS_QUERY_GROUP;
    int result = grouped ? add_columns(csv, before, error) : 0;
    return result ? result : add_columns(csv, shape, error);
}

int sfs_csv_new(const struct sfs_query *query, struct sfs_csv **ret_csv, struct sfs_error *error)
{
    const struct sfs_query_stage *shape = sfs_query_shape(query, query->count);
    struct sfs_csv *csv = calloc(1, sizeof(*csv));
    if (!csv)
        return sfs_fail_memory(error, "query");
    csv->query = query;
    csv->spool.fd = -1;
    csv->has_key = sfs_query_rows(query, query->count) == SFS_ROW_RECORDS;
    csv->has_members = sfs_query_rows(query, query->count) == SFS_ROW_GROUPS;
    csv->columns = calloc(SFS_CSV_COLUMNS, sizeof(*csv->columns));
    csv->cells = calloc(SFS_CSV_COLUMNS, sizeof(*csv->cells));
    int result = csv->columns && csv->cells ? 0 : sfs_fail_memory(error, "query");
    if (result == 0 && shape)
        result = name_columns(csv, shape, error);
    else if (result == 0)
        result = sfs_spool_open(&csv->spool, query->options.directory, error);
    if (result)
        sfs_csv_free(csv);
    else
        *ret_csv = csv;
    return result;
}

void sfs_csv_free(struct sfs_csv *csv)
{
    if (!csv)
        return;
    sfs_spool_close(&csv->spool);
    sfs_arena_free(&csv->arena);
    sfs_buffer_free(&csv->row);
    sfs_buffer_free(&csv->name);
    free(csv->columns);
    free(csv->cells);
    free(csv);
}

/* --- looking at a row --- */

static int member_name(struct sfs_csv *csv, struct sfs_json name, struct sfs_error *error)
{
    csv->name.size = 0;
    return sfs_json_string_decode(name, &csv->name) ? sfs_fail_memory(error, "query") : 0;
}

/* Calls a row's members up: adds columns for new ones (`adding`), or sets the cells. */
static int read_members(struct sfs_csv *csv, struct sfs_json object, bool adding,
                        struct sfs_error *error)
{
    struct sfs_json_cursor cursor = sfs_json_begin(object);
    struct sfs_json name;
    struct sfs_value value = {.kind = SFS_VALUE_JSON};
    size_t hint = 0;
    while (sfs_json_next_member(&cursor, &name, &value.is.json)) {
        int result = member_name(csv, name, error);
        if (result)
            return result;
        size_t at = find_column(csv, sfs_buffer_bytes(&csv->name), hint);
        if (adding && at == csv->count)
            result = add_column(csv, sfs_buffer_bytes(&csv->name), error);
        else if (at < csv->count)
            csv->cells[at] = value;
        if (result)
            return result;
        hint = at + 1;
    }
    return 0;
}

static bool is_object(const struct sfs_record *row, struct sfs_json *ret_object)
{
    struct sfs_subject subject = sfs_subject(row);
    return sfs_subject_root(&subject, ret_object) && ret_object->type == SFS_JSON_OBJECT;
}

/* --- the spool --- */

static int keep_row(struct sfs_csv *csv, const struct sfs_record *row, struct sfs_error *error)
{
    struct sfs_json object;
    size_t size = 0;
    int result = 0;
    if (is_object(row, &object))
        result = read_members(csv, object, true, error);
    else
        csv->has_value = true;
    if (result)
        return result;
    csv->row.size = 0;
    if (sfs_buffer_append(&csv->row, &size, sizeof(size)) || sfs_row_pack(row, &csv->row))
        return sfs_fail_memory(error, "query");
    size = csv->row.size - sizeof(size);
    memcpy(csv->row.data, &size, sizeof(size));
    return sfs_spool_write(&csv->spool, sfs_buffer_bytes(&csv->row), error);
}

static int keep_rows(struct sfs_csv *csv, struct sfs_cursor *rows, struct sfs_error *error)
{
    const struct sfs_record *row = NULL;
    int found;
    while ((found = sfs_cursor_next(rows, &row, error)) > 0) {
        found = keep_row(csv, row, error);
        if (found)
            break;
    }
    return found;
}

/* The next row of the spool, as a reference: 1, 0 at the end, or an error. */
static int next_kept(struct sfs_csv *csv, const struct sfs_record **ret_row,
                     struct sfs_error *error)
{
    size_t size = 0;
    if (csv->at == csv->spool.size)
        return 0;
    int result = sfs_spool_read(&csv->spool, csv->at, &size, sizeof(size), error);
    csv->row.size = 0;
    if (result == 0 && sfs_buffer_reserve(&csv->row, size))
        result = sfs_fail_memory(error, "query");
    if (result == 0)
        result = sfs_spool_read(&csv->spool, csv->at + sizeof(size), csv->row.data, size, error);
    if (result)
        return result;
    csv->at += sizeof(size) + size;
    *ret_row = sfs_row_unpack(sfs_bytes(csv->row.data, size));
    return *ret_row ? 1 : sfs_fail_memory(error, "query");
}

static int next_row(struct sfs_csv *csv, struct sfs_cursor *rows, const struct sfs_record **ret_row,
                    struct sfs_error *error)
{
    if (csv->spool.fd >= 0)
        return next_kept(csv, ret_row, error);
    int found = sfs_cursor_next(rows, ret_row, error);
    if (found > 0)
        sfs_record_ref(*ret_row);
    return found;
}

/* --- lines --- */

/* Between cells a comma: `*first` is true before the first of a line. */
static int separate(struct sfs_buffer *out, bool *first)
{
    int result = *first ? 0 : sfs_buffer_byte(out, ',');
    *first = false;
    return result;
}

static int add_cell(struct sfs_buffer *out, bool *first, struct sfs_bytes text)
{
    int result = separate(out, first);
    return result ? result : sfs_csv_text(out, text);
}

/* A field that is called as one of our own columns has its name in quotes. */
static int add_name(struct sfs_buffer *out, bool *first, struct sfs_bytes name)
{
    struct sfs_buffer quoted = {0};
    bool own = sfs_bytes_equal(name, SFS_LITERAL("key")) ||
               sfs_bytes_equal(name, SFS_LITERAL("value")) ||
               sfs_bytes_equal(name, SFS_LITERAL("count"));
    int result = own || !sfs_utf8_valid(name) ? sfs_json_string_encode(name, &quoted) : 0;
    if (result == 0)
        result = add_cell(out, first, quoted.size > 0 ? sfs_buffer_bytes(&quoted) : name);
    sfs_buffer_free(&quoted);
    return result;
}

static int add_header(struct sfs_csv *csv, struct sfs_buffer *out)
{
    bool first = true;
    int result = csv->has_key ? add_cell(out, &first, SFS_LITERAL("key")) : 0;
    for (size_t i = 0; i < csv->count && result == 0; i++)
        result = add_name(out, &first, csv->columns[i]);
    if (result == 0 && csv->has_members)
        result = add_cell(out, &first, SFS_LITERAL("count"));
    if (result == 0 && csv->has_value)
        result = add_cell(out, &first, SFS_LITERAL("value"));
    return result ? result : sfs_buffer_add(out, SFS_LITERAL("\r\n"));
}

static int add_cells(struct sfs_csv *csv, const struct sfs_record *row, bool object,
                     struct sfs_buffer *out)
{
    uint64_t members = 0;
    bool first = true;
    int result = csv->has_key ? add_cell(out, &first, row->name) : 0;
    for (size_t i = 0; i < csv->count && result == 0; i++) {
        result = separate(out, &first);
        if (result == 0)
            result = sfs_csv_value(out, &csv->cells[i]);
    }
    if (result == 0 && csv->has_members && sfs_row_members(row, &members)) {
        result = separate(out, &first);
        if (result == 0)
            result = sfs_buffer_printf(out, "%" PRIu64, members);
    }
    if (result == 0 && csv->has_value && object)
        result = separate(out, &first);
    else if (result == 0 && csv->has_value)
        result = add_cell(out, &first, sfs_record_value(row));
    return result ? result : sfs_buffer_add(out, SFS_LITERAL("\r\n"));
}

static int add_row(struct sfs_csv *csv, const struct sfs_record *row, struct sfs_buffer *out,
                   struct sfs_error *error)
{
    struct sfs_json json;
    bool object = is_object(row, &json);
    for (size_t i = 0; i < csv->count; i++)
        csv->cells[i].kind = SFS_VALUE_MISSING;
    int result = object ? read_members(csv, json, false, error) : 0;
    if (result == 0 && add_cells(csv, row, object, out))
        result = sfs_fail_memory(error, "query");
    return result;
}

int sfs_csv_make(struct sfs_csv *csv, struct sfs_cursor *rows, struct sfs_buffer *out,
                 bool *ret_ended, struct sfs_error *error)
{
    const struct sfs_record *row = NULL;
    if (!csv->begun) {
        int result = csv->spool.fd >= 0 ? keep_rows(csv, rows, error) : 0;
        csv->begun = true;
        if (result == 0 && add_header(csv, out))
            result = sfs_fail_memory(error, "query");
        return result;
    }
    int found = next_row(csv, rows, &row, error);
    *ret_ended = found == 0;
    if (found <= 0)
        return found;
    int result = add_row(csv, row, out, error);
    sfs_record_unref(row);
    return result;
}
