/* SPDX-License-Identifier: MIT */
/*
 * Values with zeros left out, {"__type":"runs","__size":SIZE,"__value":[[OFFSET,BASE64],…]}: zeros
 * take next to nothing in a line, and holes are neither read nor, by an import, written.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bulk/line.h"
#include "util/base64.h"

#define ORIGIN "line"
#define GAP 48                  /* fewer zeros in a row stay in their run */
#define PIECE ((size_t)3 << 16) /* bytes of one read, and of the longest run */
#define RUN_MOST ((size_t)28)   /* bytes of a run's brackets and offset */

/* The next run at or after `at`: false at the end, where only zeros are left. */
static bool next_run(struct sfs_bytes value, size_t at, size_t *ret_start, size_t *ret_end)
{
    const char *bytes = value.data;
    while (at < value.size && bytes[at] == 0)
        at++;
    if (at == value.size)
        return false;
    *ret_start = at;
    size_t end = at;
    for (; at < value.size && at - end < GAP && end - *ret_start < PIECE; at++)
        if (bytes[at] != 0)
            end = at + 1;
    *ret_end = end;
    return true;
}

size_t sfs_line_runs_size(struct sfs_bytes value)
{
    size_t start, end, size = 64;
    for (size_t at = 0; next_run(value, at, &start, &end); at = end)
        size += RUN_MOST + (end - start + 2) / 3 * 4;
    return size;
}

static int add(struct sfs_buffer *out, const char *text)
{
    return sfs_buffer_append(out, text, strlen(text));
}

static int begin(struct sfs_buffer *out, uint64_t size)
{
    return sfs_buffer_printf(out, "{\"__type\":\"runs\",\"__size\":%" PRIu64 ",\"__value\":[",
                             size);
}

/* The runs of one piece of the value, which begins at `offset`. */
static int add_runs(struct sfs_buffer *out, struct sfs_bytes piece, uint64_t offset)
{
    size_t start, end;
    int code = 0;
    for (size_t at = 0; code == 0 && next_run(piece, at, &start, &end); at = end) {
        bool first = ((const char *)out->data)[out->size - 1] == '[';
        code = sfs_buffer_printf(out, "%s[%" PRIu64 ",\"", first ? "" : ",", offset + start);
        if (code == 0)
            code = sfs_base64_encode(sfs_bytes((const char *)piece.data + start, end - start), out);
        if (code == 0)
            code = add(out, "\"]");
    }
    return code;
}

int sfs_line_write_runs(struct sfs_buffer *out, struct sfs_bytes value, struct sfs_error *error)
{
    int code = begin(out, value.size);
    if (code == 0)
        code = add_runs(out, value, 0);
    if (code == 0)
        code = add(out, "]}");
    return code ? sfs_fail_memory(error, ORIGIN) : 0;
}

/* The line began less than a block of output ago. */
static int add_extent(struct sfs_buffer *out, struct sfs_storage *store,
                      const struct sfs_record *record, struct sfs_extent extent, char *piece,
                      struct sfs_error *error)
{
    uint64_t end = extent.offset + extent.size;
    for (uint64_t at = extent.offset; at < end;) {
        size_t got = 0, size = end - at < PIECE ? (size_t)(end - at) : PIECE;
        int code = sfs_read(store, record->name, record->revision, at, piece, size, &got, error);
        if (code == 0 && got == 0)
            code = sfs_fail(error, SFS_E_CORRUPT, ORIGIN, "a value ends before its size");
        if (code)
            return code;
        if (add_runs(out, sfs_bytes(piece, got), at))
            return sfs_fail_memory(error, ORIGIN);
        if (out->size > SFS_LINE_MAX)
            return sfs_line_too_long(error);
        at += got;
    }
    return 0;
}

static int add_extents(struct sfs_buffer *out, struct sfs_storage *store,
                       const struct sfs_record *record, char *piece, struct sfs_error *error)
{
    struct sfs_extent extent = {0};
    for (uint64_t at = 0; at < record->size; at = extent.offset + extent.size) {
        int code = sfs_data(store, record->name, at, &extent, error);
        if (code > 0)
            code = add_extent(out, store, record, extent, piece, error);
        else if (code == 0)
            return 0;
        if (code)
            return code;
    }
    return 0;
}

/* In a store without snapshots the runs may have become another value's. */
static int check_present(struct sfs_storage *store, const struct sfs_record *record,
                         struct sfs_error *error)
{
    const struct sfs_record *present;
    int code = sfs_get(store, record->name, SFS_WANT_RECORD, &present, error);
    if (code)
        return code;
    if (present->revision != record->revision)
        code = sfs_fail(error, SFS_E_CONFLICT, ORIGIN, "the value was changed meanwhile");
    sfs_record_unref(present);
    return code;
}

int sfs_line_write_holes(struct sfs_buffer *out, struct sfs_storage *store,
                         const struct sfs_record *record, struct sfs_error *error)
{
    char *piece = malloc(PIECE);
    if (!piece || begin(out, record->size)) {
        free(piece);
        return sfs_fail_memory(error, ORIGIN);
    }
    int code = add_extents(out, store, record, piece, error);
    free(piece);
    if (code == 0)
        code = check_present(store, record, error);
    if (code == 0 && add(out, "]}"))
        code = sfs_fail_memory(error, ORIGIN);
    return code;
}

/* --- reading --- */

static int bad(struct sfs_error *error, const char *sentence)
{
    return sfs_fail(error, SFS_E_INVALID, ORIGIN, "\"value\": %s", sentence);
}

static int read_number(struct sfs_json json, uint64_t *ret_number, struct sfs_error *error)
{
    const char *text = json.text.data;
    uint64_t number = 0;
    if (!text || json.type != SFS_JSON_NUMBER || json.text.size > 18)
        return bad(error, "a size or an offset must be a whole number of bytes");
    for (size_t i = 0; i < json.text.size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return bad(error, "a size or an offset must be a whole number of bytes");
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_number = number;
    return 0;
}

static int add_part(struct sfs_line_runs *runs, struct sfs_part part, struct sfs_error *error)
{
    if ((runs->count & (runs->count - 1)) == 0) {
        size_t room = runs->count ? runs->count * 2 : 1;
        struct sfs_part *parts = realloc(runs->parts, room * sizeof *parts);
        if (!parts)
            return sfs_fail_memory(error, ORIGIN);
        runs->parts = parts;
    }
    runs->parts[runs->count++] = part;
    return 0;
}

/* [OFFSET,BASE64], at or after *end, which moves. */
static int read_run(struct sfs_json json, struct sfs_line_runs *runs, uint64_t *end,
                    struct sfs_error *error)
{
    struct sfs_json offset = {0}, text = {0}, more;
    uint64_t at = 0;
    size_t before = runs->bytes.size;
    if (json.type != SFS_JSON_ARRAY)
        return bad(error, "a run must be [OFFSET,BASE64]");
    struct sfs_json_cursor cursor = sfs_json_begin(json);
    if (!sfs_json_next_element(&cursor, &offset) || !sfs_json_next_element(&cursor, &text) ||
        sfs_json_next_element(&cursor, &more))
        return bad(error, "a run must be [OFFSET,BASE64]");
    int code = read_number(offset, &at, error);
    if (code == 0)
        code = sfs_line_read_base64(text, "a run", &runs->bytes, error);
    uint64_t size = runs->bytes.size - before;
    if (code == 0 && (at < *end || at > runs->size || size > runs->size - at))
        code = bad(error, "runs must be in order and end within \"__size\"");
    if (code == 0 && size > 0)
        code = add_part(
            runs,
            (struct sfs_part){.offset = at, .size = size, .from = before, .source = SFS_PART_BYTES},
            error);
    *end = at + size;
    return code;
}

int sfs_line_read_runs(struct sfs_json size, struct sfs_json value, struct sfs_line_runs *ret_runs,
                       struct sfs_error *error)
{
    uint64_t end = 0;
    int code = read_number(size, &ret_runs->size, error);
    if (code)
        return code;
    if (!value.text.data || value.type != SFS_JSON_ARRAY)
        return bad(error, "the runs must be an array of [OFFSET,BASE64]");
    struct sfs_json_cursor cursor = sfs_json_begin(value);
    struct sfs_json element;
    while (code == 0 && sfs_json_next_element(&cursor, &element))
        code = read_run(element, ret_runs, &end, error);
    return code;
}

void sfs_line_runs_free(struct sfs_line_runs *runs)
{
    sfs_buffer_free(&runs->bytes);
    free(runs->parts);
    *runs = (struct sfs_line_runs){0};
}
