/* SPDX-License-Identifier: MIT */
/*
 * A read-only store over what is left of a damaged one. Nothing vouches for the bytes of a value:
 * SQLite has no checksums. A chain of pages is known whole by its length, but the last page of one
 * ends it even where it was wiped. So a value whose last page is all zeros is lost where the zeros
 * begin with that page, and doubtful where there were some before; and so is one whose content has
 * another type than it had.
 */
#include "backends/sqlite/salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPED ((uint64_t)1 << 20) /* larger values may keep the type of an earlier content */

struct salvage {
    struct sfs_storage storage;
    char *path;
    pthread_mutex_t lock; /* guards all below */
    struct sfs_pages pages;
    struct sfs_notes notes;
    struct sfs_collection collection;
    struct sfs_payload row;
    struct sfs_payload block;
    struct sfs_notes doubts; /* about values that were read; cursors show them */
    struct sfs_index_set *indexes;
    unsigned char page[65536];
};

static int lost(struct sfs_bytes name, const char *why, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN, "'%s' is lost: %s",
                    sfs_name_show(name, shown, sizeof(shown)), why);
}

static struct sfs_bytes name_of(const struct sfs_found *found)
{
    return sfs_bytes(found->name, found->name_size);
}

/* The first whose name is not below. */
static size_t seek(const struct salvage *salvage, struct sfs_bytes name)
{
    size_t low = 0, high = salvage->collection.record_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sfs_bytes_compare(name_of(&salvage->collection.records[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- rows --- */

static int read_payload(struct salvage *salvage, struct sfs_spot spot, struct sfs_payload *payload,
                        struct sfs_columns *ret_columns)
{
    struct sfs_page page;
    const struct sfs_pages *pages = &salvage->pages;
    if (!sfs_pages_read(pages, spot.page, salvage->page) ||
        !sfs_page_parse(pages, spot.page, salvage->page, &page) || spot.cell >= page.count)
        return SFS_E_CORRUPT;
    struct sfs_cell cell = sfs_page_cell(pages, &page, spot.cell);
    int code = sfs_cell_payload(pages, &cell, salvage->collection.taken, payload);
    if (code == 0 && !sfs_columns_read(sfs_buffer_bytes(&payload->bytes), cell.size, ret_columns))
        code = SFS_E_CORRUPT;
    return code;
}

struct row {
    struct sfs_attributes attributes;
    uint64_t revision;
    uint64_t size;
    int64_t content; /* 0: in the row */
    bool chunked;
    struct sfs_bytes xattrs;
    struct sfs_bytes data;
};

static bool is_sound(const struct sfs_columns *columns, const struct row *row)
{
    const struct sfs_attributes *a = &row->attributes;
    return columns->columns[3].integer >= 0 && (unsigned)a->kind <= SFS_KIND_BLOCK &&
           (unsigned)a->type <= SFS_TYPE_JSON && a->id != 0 && row->revision != 0 &&
           sfs_xattr_check(row->xattrs, NULL) == 0;
}

/* The time at which it expires, behind its value, is not read: nothing sets it yet. */
static bool decode(const struct sfs_columns *columns, int64_t id, struct row *ret_row)
{
    const struct sfs_column *c = columns->columns;
    *ret_row = (struct row){
        .attributes = {.id = (uint64_t)id,
                       .kind = (enum sfs_kind)c[6].integer,
                       .type = (enum sfs_type)c[7].integer,
                       .type_set = c[8].integer != 0,
                       .mode = (uint32_t)c[9].integer,
                       .uid = (uint32_t)c[10].integer,
                       .gid = (uint32_t)c[11].integer,
                       .device = (uint64_t)c[12].integer,
                       .created = c[13].integer,
                       .accessed = c[14].integer,
                       .modified = c[15].integer,
                       .changed = c[16].integer},
        .revision = (uint64_t)c[2].integer,
        .size = (uint64_t)c[3].integer,
        .content = c[4].type == SFS_COLUMN_NULL ? 0 : c[4].integer,
        .chunked = c[5].integer != 0,
        .xattrs = c[17].bytes,
        .data = columns->count > 19 ? c[19].bytes : (struct sfs_bytes){0},
    };
    return is_sound(columns, ret_row);
}

/* The row points into salvage->row. */
static int read_row(struct salvage *salvage, const struct sfs_found *found, struct row *ret_row,
                    struct sfs_error *error)
{
    struct sfs_columns columns;
    if (found->find != SFS_FOUND)
        return lost(name_of(found), "its record is damaged", error);
    int code = read_payload(salvage, found->spot, &salvage->row, &columns);
    if (code == SFS_E_NO_MEMORY)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (code != 0 || columns.count < 18 ||
        !sfs_bytes_equal(columns.columns[1].bytes, name_of(found)) ||
        !decode(&columns, found->spot.id, ret_row))
        return lost(name_of(found), "its record makes no sense", error);
    return 0;
}

/* --- values --- */

static int doubt(struct salvage *salvage, struct sfs_bytes name, const char *why,
                 struct sfs_error *error)
{
    char shown[200];
    if (sfs_notes_add(&salvage->doubts, SFS_E_DOUBTFUL, "'%s' is doubtful: %s",
                      sfs_name_show(name, shown, sizeof(shown)), why))
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    return 0;
}

/* See above; `used` bytes of the payload are in use, for the value and what stands before it. */
static int check_end(struct salvage *salvage, const struct sfs_payload *payload, size_t used,
                     struct sfs_bytes name, struct sfs_error *error)
{
    const char *data = payload->bytes.data;
    if (payload->wiped_from == 0 || payload->wiped_from >= used)
        return 0;
    for (size_t i = payload->wiped_from; i > 0 && i + 16 > payload->wiped_from; i--) {
        if (data[i - 1] != 0)
            return lost(name, "a page of its value has been wiped", error);
    }
    return doubt(salvage, name, "the last page of its value is all zeros, as written or wiped",
                 error);
}

/* At most `most` bytes of it are the value's: behind its end a last part has zeros. */
static int read_block(struct salvage *salvage, int64_t number, size_t most, struct sfs_bytes name,
                      struct sfs_bytes *ret_data, struct sfs_error *error)
{
    const struct sfs_spot *blocks = salvage->collection.blocks;
    size_t low = 0, high = salvage->collection.block_count;
    struct sfs_columns columns;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (blocks[middle].id < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == salvage->collection.block_count || blocks[low].id != number)
        return lost(name, "its value lay on a damaged page", error);
    int code = read_payload(salvage, blocks[low], &salvage->block, &columns);
    if (code == SFS_E_NO_MEMORY)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (code != 0 || columns.count != 2 || columns.columns[1].type != SFS_COLUMN_BLOB)
        return lost(name, "a page of its value is damaged", error);
    *ret_data = columns.columns[1].bytes;
    size_t unused = ret_data->size > most ? ret_data->size - most : 0;
    return check_end(salvage, &salvage->block, salvage->block.bytes.size - unused, name, error);
}

static int read_parts(struct salvage *salvage, const struct row *row, struct sfs_bytes name,
                      uint64_t offset, char *data, size_t size, struct sfs_error *error)
{
    int code = 0;
    memset(data, 0, size);
    for (size_t done = 0; done < size && code == 0;) {
        int64_t part = (int64_t)(offset + done) / SFS_SQLITE_CHUNK, block = 0;
        size_t from = (size_t)((int64_t)(offset + done) % SFS_SQLITE_CHUNK);
        size_t room = (size_t)SFS_SQLITE_CHUNK - from,
               step = size - done < room ? size - done : room;
        struct sfs_bytes bytes = {0};
        if (sfs_collection_part(&salvage->collection, row->content, part, &block) != 0)
            code = lost(name, "the list of its parts is damaged", error);
        uint64_t left = row->size - (uint64_t)part * (uint64_t)SFS_SQLITE_CHUNK;
        if (code == 0 && block != 0)
            code = read_block(salvage, block, (size_t)left, name, &bytes, error);
        if (code == 0 && bytes.size > from) {
            size_t there = bytes.size - from < step ? bytes.size - from : step;
            memcpy(data + done, (const char *)bytes.data + from, there);
        }
        done += step;
    }
    return code;
}

/* [offset, offset + size) of the value, which has them. */
static int read_value(struct salvage *salvage, const struct row *row, struct sfs_bytes name,
                      uint64_t offset, void *data, size_t size, struct sfs_error *error)
{
    struct sfs_bytes bytes = row->data;
    int code = 0;
    if (row->chunked)
        return read_parts(salvage, row, name, offset, data, size, error);
    if (row->content != 0)
        code = read_block(salvage, row->content, SIZE_MAX, name, &bytes, error);
    else
        code = check_end(salvage, &salvage->row, salvage->row.bytes.size, name, error);
    if (code == 0 && bytes.size != row->size)
        code = lost(name, "its record does not fit its value", error);
    if (code == 0)
        memcpy(data, (const char *)bytes.data + offset, size);
    return code;
}

static int check_type(struct salvage *salvage, const struct sfs_record *record,
                      struct sfs_error *error)
{
    const struct sfs_attributes *attributes = &record->attributes;
    bool found = record->size < TYPED && !attributes->type_set && sfs_record_is_key(record);
    if (!found || sfs_type_of(sfs_record_value(record)) == attributes->type)
        return 0;
    char why[80];
    snprintf(why, sizeof(why), "it was %s when it was written, and is not",
             sfs_type_name(attributes->type));
    return doubt(salvage, record->name, why, error);
}

static int make_record(struct salvage *salvage, const struct sfs_found *found, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct row row;
    void *value = NULL;
    int code = read_row(salvage, found, &row, error);
    if (code != 0)
        return code;
    bool valued = (want & SFS_WANT_VALUE) && row.size > 0;
    if (valued && !row.chunked && row.size > (uint64_t)salvage->pages.count * salvage->pages.size)
        return lost(name_of(found), "its record makes no sense", error);
    const struct sfs_record *record = valued
                                          ? sfs_record_alloc(name_of(found), row.revision, row.size,
                                                             &row.attributes, row.xattrs, &value)
                                          : sfs_record_new(name_of(found), row.revision, row.size,
                                                           &row.attributes, row.xattrs, NULL);
    if (!record)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (valued)
        code = read_value(salvage, &row, record->name, 0, value, (size_t)row.size, error);
    if (code == 0 && valued)
        code = check_type(salvage, record, error);
    if (code == 0)
        *ret_record = record;
    else
        sfs_record_unref(record);
    return code;
}

/* --- the store --- */

static struct salvage *salvage_of(struct sfs_storage *base)
{
    return (struct salvage *)base;
}

static int find(const struct salvage *salvage, struct sfs_bytes name,
                const struct sfs_found **ret_found, struct sfs_error *error)
{
    char shown[200];
    size_t at = seek(salvage, name);
    *ret_found = &salvage->collection.records[at];
    if (at < salvage->collection.record_count && sfs_bytes_equal(name_of(*ret_found), name))
        return 0;
    return sfs_fail(error, SFS_E_NOT_FOUND, SFS_SQLITE_ORIGIN, "there is no '%s'",
                    sfs_name_show(name, shown, sizeof(shown)));
}

static int salvage_get(struct sfs_storage *base, struct sfs_bytes name, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct salvage *salvage = salvage_of(base);
    const struct sfs_found *found;
    pthread_mutex_lock(&salvage->lock);
    int code = find(salvage, name, &found, error);
    if (code == 0)
        code = make_record(salvage, found, want, ret_record, error);
    pthread_mutex_unlock(&salvage->lock);
    return code;
}

static int salvage_read(struct sfs_storage *base, struct sfs_bytes name, uint64_t revision,
                        uint64_t offset, void *data, size_t size, size_t *ret_size,
                        struct sfs_error *error)
{
    struct salvage *salvage = salvage_of(base);
    const struct sfs_found *found;
    struct row row;
    size_t count = 0;
    pthread_mutex_lock(&salvage->lock);
    int code = find(salvage, name, &found, error);
    if (code == 0)
        code = read_row(salvage, found, &row, error);
    if (code == 0 && revision != 0 && revision != row.revision)
        code = sfs_fail(error, SFS_E_CONFLICT, SFS_SQLITE_ORIGIN, "its revision is another one");
    if (code == 0 && offset < row.size) {
        count = row.size - offset < size ? (size_t)(row.size - offset) : size;
        code = read_value(salvage, &row, name, offset, data, count, error);
    }
    pthread_mutex_unlock(&salvage->lock);
    if (code == 0)
        *ret_size = count;
    return code;
}

static int salvage_data(struct sfs_storage *base, struct sfs_bytes name, uint64_t offset,
                        struct sfs_extent *ret_extent, struct sfs_error *error)
{
    const uint64_t unit = (uint64_t)SFS_SQLITE_CHUNK;
    struct salvage *salvage = salvage_of(base);
    const struct sfs_found *found;
    struct row row = {0};
    int64_t part = (int64_t)(offset / unit);
    pthread_mutex_lock(&salvage->lock);
    int code = find(salvage, name, &found, error);
    if (code == 0)
        code = read_row(salvage, found, &row, error);
    bool some =
        code == 0 && offset < row.size &&
        (!row.chunked || sfs_collection_next_part(&salvage->collection, row.content, part, &part));
    pthread_mutex_unlock(&salvage->lock);
    uint64_t from = row.chunked && (uint64_t)part * unit > offset ? (uint64_t)part * unit : offset;
    if (code || !some || from >= row.size)
        return code;
    uint64_t end = row.chunked ? ((uint64_t)part + 1) * unit : row.size;
    *ret_extent = (struct sfs_extent){from, (end < row.size ? end : row.size) - from};
    return 1;
}

struct salvage_cursor {
    struct sfs_cursor cursor;
    struct salvage *salvage;
    unsigned want;
    size_t first;
    size_t at;
    size_t end;
    const struct sfs_record *record; /* shown last */
};

/* The oldest doubt, if there is one. */
static int take_doubt(struct salvage *salvage, struct sfs_error *error)
{
    struct sfs_buffer *texts = &salvage->doubts.texts;
    if (texts->size == 0)
        return 0;
    size_t size = strlen(texts->data + 1) + 2;
    int code = sfs_fail(error, SFS_E_DOUBTFUL, SFS_SQLITE_ORIGIN, "%s", texts->data + 1);
    memmove(texts->data, texts->data + size, texts->size - size);
    texts->size -= size;
    return code;
}

static int step(struct salvage_cursor *cursor, struct sfs_error *error)
{
    struct salvage *salvage = cursor->salvage;
    int code = take_doubt(salvage, error);
    while (code == 0 && cursor->at < cursor->end) {
        const struct sfs_found *found = &salvage->collection.records[cursor->at++];
        code = make_record(salvage, found, cursor->want, &cursor->record, error);
        if (code != 0 || !(cursor->want & SFS_WANT_KEYS) || sfs_record_is_key(cursor->record))
            return code ? code : 1;
        sfs_record_unref(cursor->record);
        cursor->record = NULL;
    }
    return code;
}

static int salvage_next(struct sfs_cursor *base, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct salvage_cursor *cursor = (struct salvage_cursor *)base;
    sfs_record_unref(cursor->record);
    cursor->record = NULL;
    pthread_mutex_lock(&cursor->salvage->lock);
    int code = step(cursor, error);
    pthread_mutex_unlock(&cursor->salvage->lock);
    if (code == 1)
        *ret_record = cursor->record;
    return code;
}

static int salvage_seek(struct sfs_cursor *base, struct sfs_bytes name, struct sfs_error *error)
{
    struct salvage_cursor *cursor = (struct salvage_cursor *)base;
    (void)error;
    cursor->at = seek(cursor->salvage, name);
    cursor->at = cursor->at < cursor->first ? cursor->first : cursor->at;
    return 0;
}

static void salvage_end(struct sfs_cursor *base)
{
    struct salvage_cursor *cursor = (struct salvage_cursor *)base;
    sfs_record_unref(cursor->record);
    free(cursor);
}

static int salvage_scan(struct sfs_storage *base, struct sfs_range range, unsigned want,
                        struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    static const struct sfs_cursor_operations cursor_operations = {salvage_next, salvage_seek,
                                                                   salvage_end};
    struct salvage *salvage = salvage_of(base);
    struct salvage_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    size_t first = seek(salvage, range.from);
    *cursor = (struct salvage_cursor){
        .cursor.operations = &cursor_operations,
        .salvage = salvage,
        .want = want,
        .first = first,
        .at = first,
        .end = range.to.size ? seek(salvage, range.to) : salvage->collection.record_count,
    };
    *ret_cursor = &cursor->cursor;
    return 0;
}

static int salvage_totals(struct sfs_storage *base, struct sfs_totals *ret_totals,
                          struct sfs_error *error)
{
    (void)error;
    *ret_totals = (struct sfs_totals){.records = salvage_of(base)->collection.record_count};
    return 0;
}

/* --- indexes: only which there were --- */

static int salvage_set(struct sfs_storage *base, struct sfs_index_set **ret_set,
                       struct sfs_error *error)
{
    (void)error;
    *ret_set = sfs_index_set_ref(salvage_of(base)->indexes);
    return 0;
}

static int salvage_stats(struct sfs_storage *base, const struct sfs_index *index,
                         struct sfs_index_stats *ret_stats, struct sfs_error *error)
{
    (void)base;
    (void)index;
    (void)error;
    *ret_stats = (struct sfs_index_stats){0};
    return 0;
}

/* A definition that makes no sense is left out. */
static int read_indexes(struct salvage *salvage)
{
    struct sfs_bytes names = sfs_buffer_bytes(&salvage->collection.indexes);
    uint64_t id = 0;
    for (size_t at = 0; at < names.size;) {
        struct sfs_bytes name = sfs_string((const char *)names.data + at);
        struct sfs_index_set *set = NULL;
        const struct sfs_index *index = NULL;
        int code = sfs_index_new(name, ++id, false, &index, NULL);
        if (code == 0 && sfs_index_set_find(salvage->indexes, index->fields) == NULL)
            code = sfs_index_set_change(salvage->indexes, 0, index, &set, NULL);
        sfs_index_unref(index);
        if (code == SFS_E_NO_MEMORY)
            return code;
        if (set) {
            sfs_index_set_unref(salvage->indexes);
            salvage->indexes = set;
        }
        at += name.size + 1;
    }
    return 0;
}

/* --- opening --- */

static int salvage_close(struct sfs_storage *base, struct sfs_error *error)
{
    struct salvage *salvage = salvage_of(base);
    (void)error;
    sfs_collection_free(&salvage->collection);
    sfs_pages_close(&salvage->pages);
    sfs_buffer_free(&salvage->row.bytes);
    sfs_buffer_free(&salvage->block.bytes);
    sfs_notes_free(&salvage->notes);
    sfs_notes_free(&salvage->doubts);
    sfs_index_set_unref(salvage->indexes);
    pthread_mutex_destroy(&salvage->lock);
    free(salvage->path);
    free(salvage);
    return 0;
}

static struct salvage *salvage_new(const char *path)
{
    static const struct sfs_read_operations read = {salvage_get, salvage_read, salvage_scan};
    static const struct sfs_index_operations index = {.set = salvage_set, .stats = salvage_stats};
    static const struct sfs_override_operations override = {
        .totals = salvage_totals, .data = salvage_data, .index = &index};
    static const struct sfs_storage_operations operations = {
        .name = "sqlite", .read = &read, .override = &override, .close = salvage_close};
    struct salvage *salvage = calloc(1, sizeof(*salvage));
    if (!salvage)
        return NULL;
    salvage->path = strdup(path);
    if (!salvage->path) {
        free(salvage);
        return NULL;
    }
    pthread_mutex_init(&salvage->lock, NULL);
    salvage->storage = (struct sfs_storage){
        .operations = &operations,
        .read_only = true,
        .capabilities = SFS_CAN_SHARE | SFS_CAN_PERSIST,
        .key_max = SFS_KEY_MAX,
        .location = salvage->path,
    };
    return salvage;
}

int sfs_sqlite_salvage(const char *path, struct sfs_storage **ret_store, struct sfs_error *error)
{
    struct salvage *salvage = salvage_new(path);
    if (!salvage)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int code = sfs_pages_open(&salvage->pages, salvage->path, &salvage->notes, error);
    salvage->collection.pages = &salvage->pages;
    salvage->collection.notes = &salvage->notes;
    if (code == 0)
        code = sfs_collect(&salvage->collection, error);
    if (code == 0 && read_indexes(salvage) != 0)
        code = sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (code == 0)
        code = sfs_notes_layer(&salvage->storage, &salvage->notes, ret_store, error);
    if (code != 0)
        salvage_close(&salvage->storage, NULL);
    return code;
}
