/* SPDX-License-Identifier: MIT */
/* Pages of a b-tree, their cells, and rows: every length is checked before it is followed. */
#include "backends/sqlite/salvage.h"

#include <string.h>

/* 0: it does not end before `end`. */
static size_t read_varint(const unsigned char *at, const unsigned char *end, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < 9 && at + i < end; i++) {
        if (i == 8) {
            *ret_number = number << 8 | at[i];
            return 9;
        }
        number = number << 7 | (at[i] & 0x7f);
        if (!(at[i] & 0x80)) {
            *ret_number = number;
            return i + 1;
        }
    }
    return 0;
}

/* --- cells --- */

/* How much of a payload is in the page. */
static uint32_t local_size(const struct sfs_pages *pages, enum sfs_page_kind kind, uint64_t size)
{
    uint32_t usable = pages->usable;
    uint32_t most = kind == SFS_PAGE_TABLE_LEAF ? usable - 35 : (usable - 12) * 64 / 255 - 23;
    uint32_t least = (usable - 12) * 32 / 255 - 23;
    if (size <= most)
        return (uint32_t)size;
    uint32_t local = least + (uint32_t)((size - least) % (usable - 4));
    return local <= most ? local : least;
}

static bool read_cell(const struct sfs_pages *pages, const unsigned char *data,
                      enum sfs_page_kind kind, uint32_t offset, struct sfs_cell *ret_cell)
{
    const unsigned char *at = data + offset, *end = data + pages->usable, *begin = at;
    bool inner = kind == SFS_PAGE_INDEX_INNER || kind == SFS_PAGE_TABLE_INNER;
    bool table = kind == SFS_PAGE_TABLE_INNER || kind == SFS_PAGE_TABLE_LEAF;
    struct sfs_cell cell = {0};
    uint64_t id = 0;
    size_t got = 1;
    if (inner && end - at < 4)
        return false;
    if (inner) {
        cell.child = sfs_big_endian(at, 4);
        at += 4;
    }
    if (kind != SFS_PAGE_TABLE_INNER) {
        got = read_varint(at, end, &cell.size);
        at += got;
    }
    if (got && table) {
        got = read_varint(at, end, &id);
        at += got;
    }
    if (!got || (uint64_t)cell.size > INT32_MAX)
        return false;
    cell.id = (int64_t)id;
    cell.local = at;
    cell.local_size = local_size(pages, kind, cell.size);
    bool more = cell.local_size < cell.size;
    if ((uint64_t)(end - at) < (uint64_t)cell.local_size + (more ? 4 : 0))
        return false;
    at += cell.local_size;
    if (more) {
        cell.overflow = sfs_big_endian(at, 4);
        at += 4;
    }
    cell.bytes = (uint32_t)(at - begin) < 4 ? 4 : (uint32_t)(at - begin);
    *ret_cell = cell;
    return true;
}

struct sfs_cell sfs_page_cell(const struct sfs_pages *pages, const struct sfs_page *page,
                              unsigned at)
{
    struct sfs_cell cell = {0};
    (void)read_cell(pages, page->data, page->kind, sfs_big_endian(page->pointers + at * 2, 2),
                    &cell);
    return cell;
}

/* --- pages --- */

/* What of the page is free between cells; false: the list makes no sense. */
static bool count_free(const unsigned char *data, uint32_t head, uint32_t begin, uint32_t usable,
                       uint32_t *ret_free)
{
    uint32_t block = sfs_big_endian(data + head + 1, 2), free_bytes = data[head + 7];
    uint32_t least = begin;
    while (block != 0) {
        if (block < least || block + 4 > usable)
            return false;
        uint32_t size = sfs_big_endian(data + block + 2, 2);
        if (size < 4 || block + size > usable)
            return false;
        free_bytes += size;
        least = block + size;
        block = sfs_big_endian(data + block, 2);
    }
    *ret_free = free_bytes;
    return true;
}

static bool is_kind(unsigned kind)
{
    return kind == SFS_PAGE_INDEX_INNER || kind == SFS_PAGE_TABLE_INNER ||
           kind == SFS_PAGE_INDEX_LEAF || kind == SFS_PAGE_TABLE_LEAF;
}

bool sfs_page_parse(const struct sfs_pages *pages, uint32_t number, const unsigned char *data,
                    struct sfs_page *ret_page)
{
    uint32_t head = number == 1 ? 100 : 0, usable = pages->usable, free_bytes = 0, used = 0;
    if (!is_kind(data[head]))
        return false;
    struct sfs_page page = {.data = data, .number = number, .kind = data[head]};
    bool inner = page.kind == SFS_PAGE_INDEX_INNER || page.kind == SFS_PAGE_TABLE_INNER;
    uint32_t begin = sfs_big_endian(data + head + 5, 2);
    begin = begin ? begin : 65536;
    page.count = sfs_big_endian(data + head + 3, 2);
    page.pointers = data + head + (inner ? 12 : 8);
    page.last = inner ? sfs_big_endian(data + head + 8, 4) : 0;
    if ((size_t)(page.pointers - data) + page.count * 2 > begin || begin > usable ||
        !count_free(data, head, begin, usable, &free_bytes))
        return false;
    int64_t before = INT64_MIN;
    for (unsigned i = 0; i < page.count; i++) {
        struct sfs_cell cell;
        uint32_t offset = sfs_big_endian(page.pointers + i * 2, 2);
        if (offset < begin || offset >= usable || !read_cell(pages, data, page.kind, offset, &cell))
            return false;
        bool table = page.kind == SFS_PAGE_TABLE_LEAF || page.kind == SFS_PAGE_TABLE_INNER;
        if (table && i > 0 && cell.id <= before)
            return false;
        before = cell.id;
        used += cell.bytes;
    }
    *ret_page = page;
    return used + free_bytes == usable - begin;
}

/* --- payloads --- */

static bool is_zero(const unsigned char *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

int sfs_cell_payload(const struct sfs_pages *pages, const struct sfs_cell *cell,
                     const unsigned char *taken, struct sfs_payload *payload)
{
    struct sfs_buffer *bytes = &payload->bytes;
    unsigned char page[65536];
    uint32_t next = cell->overflow;
    bytes->size = 0;
    payload->wiped_from = 0;
    if (cell->size > (uint64_t)pages->count * pages->size)
        return SFS_E_CORRUPT;
    if (sfs_buffer_reserve(bytes, (size_t)cell->size) ||
        sfs_buffer_append(bytes, cell->local, cell->local_size))
        return SFS_E_NO_MEMORY;
    while (bytes->size < cell->size) {
        size_t left = (size_t)cell->size - bytes->size, room = pages->usable - 4;
        size_t part = left < room ? left : room;
        if (!sfs_pages_read(pages, next, page) || (taken && taken[next]))
            return SFS_E_CORRUPT;
        next = sfs_big_endian(page, 4);
        if ((next == 0) != (part == left)) /* it ends where the payload does */
            return SFS_E_CORRUPT;
        if (next == 0 && is_zero(page, pages->size))
            payload->wiped_from = bytes->size;
        if (sfs_buffer_append(bytes, page + 4, part))
            return SFS_E_NO_MEMORY;
    }
    return 0;
}

/* --- rows --- */

static bool read_type(uint64_t serial, struct sfs_column *column, size_t *ret_size)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    if (serial == 10 || serial == 11)
        return false;
    if (serial >= 12) {
        column->type = serial & 1 ? SFS_COLUMN_TEXT : SFS_COLUMN_BLOB;
        *ret_size = (size_t)((serial - 12) / 2);
        return true;
    }
    column->type = serial == 0   ? SFS_COLUMN_NULL
                   : serial == 7 ? SFS_COLUMN_REAL
                                 : SFS_COLUMN_INTEGER;
    column->integer = serial == 9;
    *ret_size = sizes[serial];
    return true;
}

static int64_t read_integer(const unsigned char *at, size_t size)
{
    uint64_t number = at[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | at[i];
    return (int64_t)number;
}

static void read_column(struct sfs_column *column, const unsigned char *at, size_t size)
{
    if (column->type == SFS_COLUMN_INTEGER && size > 0)
        column->integer = read_integer(at, size);
    if (column->type == SFS_COLUMN_BLOB || column->type == SFS_COLUMN_TEXT)
        column->bytes = sfs_bytes(at, size);
}

bool sfs_columns_read(struct sfs_bytes payload, uint64_t whole, struct sfs_columns *ret_columns)
{
    const unsigned char *data = payload.data, *end = data + payload.size, *at = data;
    uint64_t head = 0, total = 0;
    ret_columns->count = 0;
    size_t got = payload.size ? read_varint(at, end, &head) : 0;
    if (!got || head > payload.size || head < got)
        return false;
    const unsigned char *types_end = data + head;
    total = head;
    for (at += got; at < types_end;) {
        uint64_t serial;
        size_t size = 0;
        struct sfs_column *column = &ret_columns->columns[ret_columns->count];
        got = read_varint(at, types_end, &serial);
        if (!got || ret_columns->count == SFS_ROW_COLUMNS)
            return false;
        *column = (struct sfs_column){0};
        if (!read_type(serial, column, &size) || size > whole - total)
            return false;
        if (total + size <= payload.size)
            read_column(column, data + total, size);
        else
            column->bytes = sfs_bytes(NULL, size);
        total += size;
        at += got;
        ret_columns->count++;
    }
    return at == types_end && total == whole;
}
