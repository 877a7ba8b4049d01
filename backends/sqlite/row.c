/* SPDX-License-Identifier: MIT */
/* Rows to records and back, and reading values: blocks and chunks. */
#include "backends/sqlite/index.h"
#include "util/memory.h"

#include <string.h>

enum column {
    ID,
    NAME,
    REVISION,
    SIZE,
    CONTENT,
    CHUNKED,
    KIND,
    TYPE,
    TYPE_SET,
    MODE,
    UID,
    GID,
    DEVICE,
    CREATED,
    ACCESSED,
    MODIFIED,
    CHANGED,
    XATTRS
};

static int64_t integer(struct sfs_sqlite_fields row, int at)
{
    return row.values ? sqlite3_value_int64(row.values[at])
                      : sqlite3_column_int64(row.statement, at);
}

struct sfs_bytes sfs_sqlite_field(struct sfs_sqlite_fields row, int at)
{
    if (!row.values)
        return sfs_sqlite_column(row.statement, at);
    const void *data = sqlite3_value_blob(row.values[at]);
    return sfs_bytes(data, data ? (size_t)sqlite3_value_bytes(row.values[at]) : 0);
}

bool sfs_sqlite_field_is_null(struct sfs_sqlite_fields row, int at)
{
    return (row.values ? sqlite3_value_type(row.values[at])
                       : sqlite3_column_type(row.statement, at)) == SQLITE_NULL;
}

static struct sfs_attributes attributes_of(struct sfs_sqlite_fields row)
{
    return (struct sfs_attributes){
        .id = (uint64_t)integer(row, ID),
        .kind = (enum sfs_kind)integer(row, KIND),
        .type = (enum sfs_type)integer(row, TYPE),
        .type_set = integer(row, TYPE_SET) != 0,
        .mode = (uint32_t)integer(row, MODE),
        .uid = (uint32_t)integer(row, UID),
        .gid = (uint32_t)integer(row, GID),
        .device = (uint64_t)integer(row, DEVICE),
        .created = integer(row, CREATED),
        .accessed = integer(row, ACCESSED),
        .modified = integer(row, MODIFIED),
        .changed = integer(row, CHANGED),
    };
}

static int damaged(struct sfs_sqlite_connection *connection, struct sfs_bytes name,
                   const char *what, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN, "%s is damaged: %s of '%s'",
                    connection->store->path, what, sfs_name_show(name, shown, sizeof(shown)));
}

static int too_large(struct sfs_bytes name, uint64_t size, struct sfs_error *error)
{
    char shown[200];
    return sfs_fail(error, SFS_E_TOO_LARGE, SFS_SQLITE_ORIGIN,
                    "'%s' has %llu bytes, more than memory holds at once: read it in parts, as a "
                    "file of a mount",
                    sfs_name_show(name, shown, sizeof(shown)), (unsigned long long)size);
}

/* Makes the record, with room for its value if that is wanted, and fills that. */
static int make_record(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields,
                       unsigned want, int64_t version, struct sfs_sqlite_row *row,
                       struct sfs_error *error)
{
    struct sfs_bytes name = sfs_sqlite_field(fields, NAME),
                     xattrs = sfs_sqlite_field(fields, XATTRS);
    struct sfs_bytes stored = sfs_sqlite_field(fields, SFS_SQLITE_COLUMN_DATA);
    struct sfs_attributes attributes = attributes_of(fields);
    uint64_t revision = (uint64_t)integer(fields, REVISION), size = (uint64_t)integer(fields, SIZE);
    void *value = NULL;
    bool valued =
        (want & SFS_WANT_VALUE) && size > 0 && !sfs_want_leaves_out(want, attributes.type, size);
    if (valued && !row->chunked && stored.size != size)
        return damaged(connection, name, "it does not hold the whole value", error);
    if (valued && !sfs_memory_holds(size))
        return too_large(name, size, error);
    row->record = valued ? sfs_record_alloc(name, revision, size, &attributes, xattrs, &value)
                         : sfs_record_new(name, revision, size, &attributes, xattrs, NULL);
    if (!row->record)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (row->content == 0)
        row->data = stored;
    if (!valued)
        return 0;
    if (!row->chunked) {
        memcpy(value, stored.data, stored.size);
        return 0;
    }
    int code = sfs_sqlite_value_read(connection, row, version, 0, value, (size_t)size, error);
    if (code != 0)
        sfs_record_unref(row->record);
    return code;
}

/* A temporary name stands only where a transaction is about to move it on. */
static bool is_sound(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields)
{
    struct sfs_bytes name = sfs_sqlite_field(fields, NAME);
    struct sfs_attributes attributes = attributes_of(fields);
    if (sfs_name_is_temporary(name) &&
        sqlite3_txn_state(connection->db, "main") == SQLITE_TXN_WRITE)
        name = sfs_bytes((const char *)name.data + 1, 1);
    return sfs_record_is_sound(name, (uint64_t)integer(fields, REVISION),
                               (uint64_t)integer(fields, SIZE), &attributes,
                               sfs_sqlite_field(fields, XATTRS));
}

int sfs_sqlite_row_of(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields,
                      unsigned want, int64_t version, struct sfs_sqlite_row *ret_row,
                      struct sfs_error *error)
{
    struct sfs_sqlite_row row = {.content = integer(fields, CONTENT),
                                 .chunked = integer(fields, CHUNKED) != 0};
    bool placed = row.chunked ? row.content > 0 : row.content >= 0;
    if (!placed || !is_sound(connection, fields))
        return damaged(connection, sfs_sqlite_field(fields, NAME),
                       "the record has a part that storefs never writes", error);
    int code = make_record(connection, fields, want, version, &row, error);
    if (code == 0)
        *ret_row = row;
    return code;
}

int sfs_sqlite_row(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement, unsigned want,
                   int64_t version, struct sfs_sqlite_row *ret_row, struct sfs_error *error)
{
    struct sfs_sqlite_fields fields = {statement, NULL};
    return sfs_sqlite_row_of(connection, fields, want, version, ret_row, error);
}

/* Of a value in parts, which no row has: the present record as a whole. */
static int whole_record(struct sfs_sqlite_connection *connection, struct sfs_bytes name,
                        const struct sfs_record **ret_record, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    struct sfs_sqlite_row row;
    int code = sfs_sqlite_statement(connection, SFS_SQL_GET, &statement, error);
    if (code != 0)
        return code;
    sfs_sqlite_bind(statement, 1, name);
    sqlite3_bind_int64(statement, 9, 1);
    int found = sfs_sqlite_step(connection, statement, error);
    if (found <= 0)
        return found ? found : damaged(connection, name, "nothing is in the record", error);
    code = sfs_sqlite_row(connection, statement, SFS_WANT_VALUE, SFS_SQLITE_LATEST, &row, error);
    sqlite3_reset(statement);
    if (code == 0)
        *ret_record = row.record;
    return code;
}

int sfs_sqlite_row_bare(struct sfs_sqlite_connection *connection, struct sfs_sqlite_fields fields,
                        unsigned want, const struct sfs_record **ret_record,
                        struct sfs_error *error)
{
    struct sfs_bytes name = sfs_sqlite_field(fields, SFS_SQLITE_COLUMN_NAME);
    struct sfs_bytes stored = sfs_sqlite_field(fields, SFS_SQLITE_BARE_DATA);
    uint64_t size = (uint64_t)integer(fields, SFS_SQLITE_BARE_SIZE);
    struct sfs_attributes attributes = {
        .type = (enum sfs_type)integer(fields, SFS_SQLITE_BARE_TYPE),
        .type_set = integer(fields, SFS_SQLITE_BARE_TYPE_SET) != 0,
        .mode = SFS_MODE_DEFAULT,
        .uid = SFS_OWNER_NONE,
        .gid = SFS_OWNER_NONE,
    };
    const struct sfs_record *record;
    void *value;
    if (!sfs_record_is_sound(name, 0, size, &attributes, (struct sfs_bytes){0}))
        return damaged(connection, name, "the record has a part that storefs never writes", error);
    if (!(want & SFS_WANT_VALUE) || size == 0 || sfs_want_leaves_out(want, attributes.type, size)) {
        record = sfs_record_new(name, 0, size, &attributes, (struct sfs_bytes){0}, NULL);
    } else {
        if (stored.size != size)
            return whole_record(connection, name, ret_record, error);
        record = sfs_record_alloc(name, 0, size, &attributes, (struct sfs_bytes){0}, &value);
        if (record)
            memcpy(value, stored.data, stored.size);
    }
    if (!record)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    *ret_record = record;
    return 0;
}

void sfs_sqlite_bind_record(sqlite3_stmt *statement, const struct sfs_record *record, int64_t id,
                            struct sfs_sqlite_place place)
{
    const struct sfs_attributes *attributes = &record->attributes;
    const int64_t numbers[] = {
        [ID] = id,
        [REVISION] = (int64_t)record->revision,
        [SIZE] = (int64_t)record->size,
        [CONTENT] = place.content,
        [CHUNKED] = place.chunked,
        [KIND] = attributes->kind,
        [TYPE] = attributes->type,
        [TYPE_SET] = attributes->type_set,
        [MODE] = attributes->mode,
        [UID] = attributes->uid,
        [GID] = attributes->gid,
        [DEVICE] = (int64_t)attributes->device,
        [CREATED] = attributes->created,
        [ACCESSED] = attributes->accessed,
        [MODIFIED] = attributes->modified,
        [CHANGED] = attributes->changed,
    };
    for (int i = 0; i < XATTRS; i++) {
        if (i != NAME && (i != CONTENT || place.content != 0))
            sqlite3_bind_int64(statement, i + 1, numbers[i]);
    }
    if (place.content == 0)
        sqlite3_bind_null(statement, CONTENT + 1);
    sfs_sqlite_bind(statement, NAME + 1, record->name);
    if (record->xattrs.size)
        sfs_sqlite_bind(statement, XATTRS + 1, record->xattrs);
    else
        sqlite3_bind_null(statement, XATTRS + 1);
    sqlite3_bind_int64(statement, SFS_SQLITE_COLUMN_COUNT + 1, place.begun);
    if (place.data.size)
        sfs_sqlite_bind(statement, SFS_SQLITE_COLUMN_COUNT + 2, place.data);
    else
        sqlite3_bind_null(statement, SFS_SQLITE_COLUMN_COUNT + 2);
}

/* --- parts of values --- */

static int missing(const struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                    "%s is damaged: part of a value is missing; check it", connection->store->path);
}

int sfs_sqlite_parts_damaged(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                    "%s is damaged: the parts of a value are not in order; check it",
                    connection->store->path);
}

/* Copies [offset, offset + size) of a block into `data`, and zeros for what is not there. */
static int read_block(struct sfs_sqlite_connection *connection, int64_t block, int64_t offset,
                      char *data, size_t size, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, SFS_SQL_BLOCK_PART, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, block);
    sqlite3_bind_int64(statement, 2, offset + 1);
    sqlite3_bind_int64(statement, 3, (int64_t)size);
    int found = sfs_sqlite_step(connection, statement, error);
    if (found == 1) {
        struct sfs_bytes part = sfs_sqlite_column(statement, 0);
        size_t got = part.size < size ? part.size : size;
        if (got > 0)
            memcpy(data, part.data, got);
        memset(data + got, 0, size - got);
        sqlite3_reset(statement);
        return 0;
    }
    return found ? found : missing(connection, error);
}

/* The same of a large one: SQLite's own incremental reading copies what is asked for from its pages
 * to `data`, where a statement would first make a whole value of it. */
static int read_large_block(struct sfs_sqlite_connection *connection, int64_t block, int64_t offset,
                            char *data, size_t size, struct sfs_error *error)
{
    sqlite3_blob *handle;
    size_t got = 0;
    int result = sqlite3_blob_open(connection->db, "main", "block", "data", block, 0, &handle);
    if (result == SQLITE_OK) {
        int64_t available = sqlite3_blob_bytes(handle) - offset;
        int64_t count = available < (int64_t)size ? available : (int64_t)size;
        if (count > 0) {
            result = sqlite3_blob_read(handle, data, (int)count, (int)offset);
            got = (size_t)count;
        }
    }
    sqlite3_blob_close(handle);
    memset(data + got, 0, size - got);
    if (result == SQLITE_ERROR) /* there is no such row */
        return missing(connection, error);
    return result == SQLITE_OK ? 0 : sfs_sqlite_fail(connection, result, "read a value", error);
}

/* What no chunk holds is zeros. */
static int read_chunks(struct sfs_sqlite_connection *connection, int64_t content, int64_t version,
                       int64_t offset, char *data, int64_t size, struct sfs_error *error)
{
    int64_t done = offset, limit = offset + size;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, SFS_SQL_CHUNKS_READ, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, content);
    sqlite3_bind_int64(statement, 2, offset / SFS_SQLITE_CHUNK);
    sqlite3_bind_int64(statement, 3, (limit - 1) / SFS_SQLITE_CHUNK);
    sqlite3_bind_int64(statement, 4, version);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        int64_t begin = sqlite3_column_int64(statement, 0) * SFS_SQLITE_CHUNK;
        int64_t end = begin + SFS_SQLITE_CHUNK;
        int64_t from = begin > offset ? begin : offset;
        int64_t to = end < limit ? end : limit;
        if (from < done || to <= from) {
            code = sfs_sqlite_parts_damaged(connection, error);
            break;
        }
        memset(data + (done - offset), 0, (size_t)(from - done));
        code = read_large_block(connection, sqlite3_column_int64(statement, 1), from - begin,
                                data + (from - offset), (size_t)(to - from), error);
        done = to;
        if (code != 0)
            break;
    }
    sqlite3_reset(statement);
    memset(data + (done - offset), 0, (size_t)(limit - done));
    return code;
}

/* What is in the row is never more than is copied at once. */
static int read_row(struct sfs_sqlite_connection *connection, const struct sfs_sqlite_row *row,
                    int64_t offset, void *data, size_t size, struct sfs_error *error)
{
    if (row->data.size != row->record->size)
        return damaged(connection, row->record->name, "it does not hold the whole value", error);
    size_t left = (uint64_t)offset < row->data.size ? row->data.size - (size_t)offset : 0;
    if (left > 0)
        memcpy(data, (const char *)row->data.data + offset, left < size ? left : size);
    return 0;
}

int sfs_sqlite_value_read(struct sfs_sqlite_connection *connection,
                          const struct sfs_sqlite_row *row, int64_t version, int64_t offset,
                          void *data, size_t size, struct sfs_error *error)
{
    if (size == 0)
        return 0;
    if (row->content == 0) {
        memset(data, 0, size);
        return read_row(connection, row, offset, data, size, error);
    }
    if (row->chunked)
        return read_chunks(connection, row->content, version, offset, data, (int64_t)size, error);
    /* Opening a handle costs more than reading a few pages too many. */
    bool part = row->record->size > 65536 && size < row->record->size / 2;
    return (part ? read_large_block : read_block)(connection, row->content, offset, data, size,
                                                  error);
}
