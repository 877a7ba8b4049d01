/* SPDX-License-Identifier: MIT */
/*
 * Changing a part of a large value: only the chunks concerned are touched. A chunk that a snapshot
 * may need gets a new version; else its block is changed in place, which writes the pages concerned
 * and no more. A chunk that grows is filled up with zeros, so that the next append is in place.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>
#include <string.h>

struct chunk {
    int64_t content;
    int64_t part;
    bool exists;
    int64_t block;
    int64_t begun;
    int64_t since; /* the first commit that showed it: of a staged value the one that put it */
    int64_t size;  /* of its data */
};

static struct sfs_sqlite_connection *connection_of(struct sfs_sqlite_run *run)
{
    return run->transaction->connection;
}

/* From block, begun, size. */
static void fill_chunk(struct chunk *chunk, const int64_t row[3], struct sfs_sqlite_place place)
{
    chunk->block = row[0];
    chunk->begun = row[1];
    chunk->since = row[1] > place.begun ? row[1] : place.begun;
    chunk->size = row[2];
}

static int find_chunk(struct sfs_sqlite_run *run, struct sfs_sqlite_place place, int64_t part,
                      struct chunk *ret_chunk, struct sfs_error *error)
{
    const int64_t arguments[] = {place.content, part};
    int64_t row[3];
    int found =
        sfs_sqlite_integers(connection_of(run), SFS_SQL_CHUNK_FIND, arguments, 2, row, 3, error);
    if (found < 0)
        return found;
    *ret_chunk = (struct chunk){.content = place.content, .part = part, .exists = found == 1};
    if (found == 1)
        fill_chunk(ret_chunk, row, place);
    return 0;
}

static bool in_place(const struct sfs_sqlite_run *run, const struct chunk *chunk)
{
    return !sfs_sqlite_is_needed(run->transaction, chunk->since) ||
           chunk->begun == (int64_t)run->run.sequence;
}

/* Nothing shows it from now on; it goes as soon as no snapshot needs it. */
static int end_chunk(struct sfs_sqlite_run *run, const struct chunk *chunk, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = connection_of(run);
    int64_t sequence = (int64_t)run->run.sequence;
    int64_t ended = sfs_sqlite_is_needed(run->transaction, chunk->since) ? sequence : 0;
    int code = sfs_sqlite_run(connection, SFS_SQL_CHUNK_END, error, 4, chunk->content, chunk->part,
                              chunk->begun, sequence);
    return code ? code
                : sfs_sqlite_run(connection, SFS_SQL_GARBAGE_ADD, error, 4, ended, chunk->content,
                                 chunk->part, chunk->begun);
}

/* Gives the chunk this data: in place, or as a new version. */
static int set_chunk(struct sfs_sqlite_run *run, const struct chunk *chunk, struct sfs_bytes data,
                     struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = connection_of(run);
    int64_t sequence = (int64_t)run->run.sequence;
    int code = 0;
    if (chunk->exists && in_place(run, chunk))
        return sfs_sqlite_block_set(connection, chunk->block, data, error);
    if (chunk->exists)
        code = end_chunk(run, chunk, error);
    if (code == 0)
        code = sfs_sqlite_chunks_add(run->transaction, chunk->content, chunk->part, sequence, data,
                                     error);
    return code;
}

static int write_in_block(struct sfs_sqlite_run *run, const struct chunk *chunk, int64_t at,
                          struct sfs_bytes bytes, struct sfs_error *error)
{
    sqlite3_blob *blob;
    sqlite3 *db = connection_of(run)->db;
    int result = sqlite3_blob_open(db, "main", "block", "data", chunk->block, 1, &blob);
    if (result == SQLITE_OK)
        result = sqlite3_blob_write(blob, bytes.data, (int)bytes.size, (int)at);
    int closed = sqlite3_blob_close(blob);
    if (result == SQLITE_OK)
        result = closed;
    return result == SQLITE_OK
               ? 0
               : sfs_sqlite_fail(connection_of(run), result, "write a value", error);
}

static int read_chunk(struct sfs_sqlite_run *run, const struct chunk *chunk, char *data,
                      struct sfs_error *error)
{
    const struct sfs_sqlite_row row = {.content = chunk->content, .chunked = true};
    return sfs_sqlite_value_read(connection_of(run), &row, SFS_SQLITE_LATEST,
                                 chunk->part * SFS_SQLITE_CHUNK, data, (size_t)SFS_SQLITE_CHUNK,
                                 error);
}

/* `data` has room for one chunk. */
static int write_chunk(struct sfs_sqlite_run *run, const struct chunk *chunk, int64_t at,
                       struct sfs_bytes bytes, char *data, struct sfs_error *error)
{
    int64_t end = at + (int64_t)bytes.size;
    if ((int64_t)bytes.size == SFS_SQLITE_CHUNK)
        return set_chunk(run, chunk, bytes, error);
    if (chunk->exists && in_place(run, chunk) && end <= chunk->size)
        return write_in_block(run, chunk, at, bytes, error);
    int code = read_chunk(run, chunk, data, error);
    if (code != 0)
        return code;
    memcpy(data + at, bytes.data, bytes.size);
    int64_t size = end > chunk->size ? SFS_SQLITE_CHUNK : chunk->size;
    return set_chunk(run, chunk, sfs_bytes(data, (size_t)size), error);
}

int sfs_sqlite_chunks_write(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                            int64_t offset, struct sfs_bytes bytes, struct sfs_error *error)
{
    const char *from = bytes.data;
    size_t left = bytes.size;
    char *data = malloc((size_t)SFS_SQLITE_CHUNK);
    int code = data ? 0 : sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    while (left > 0 && code == 0) {
        struct chunk chunk;
        int64_t at = offset % SFS_SQLITE_CHUNK;
        size_t room = (size_t)(SFS_SQLITE_CHUNK - at);
        size_t size = left < room ? left : room;
        code = find_chunk(run, place, offset / SFS_SQLITE_CHUNK, &chunk, error);
        if (code == 0)
            code = write_chunk(run, &chunk, at, sfs_bytes(from, size), data, error);
        from += size;
        offset += (int64_t)size;
        left -= size;
    }
    free(data);
    return code;
}

/* The chunk in which the value now ends loses what is behind, so that it cannot come back. */
static int cut_chunk(struct sfs_sqlite_run *run, struct sfs_sqlite_place place, int64_t size,
                     struct sfs_error *error)
{
    struct chunk chunk;
    int64_t kept = size % SFS_SQLITE_CHUNK;
    int code = find_chunk(run, place, size / SFS_SQLITE_CHUNK, &chunk, error);
    if (code != 0 || !chunk.exists || kept == 0 || chunk.size <= kept)
        return code;
    char *data = malloc((size_t)SFS_SQLITE_CHUNK);
    if (!data)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    code = read_chunk(run, &chunk, data, error);
    if (code == 0)
        code = set_chunk(run, &chunk, sfs_bytes(data, (size_t)kept), error);
    free(data);
    return code;
}

int sfs_sqlite_chunks_cut(struct sfs_sqlite_run *run, struct sfs_sqlite_place place, int64_t size,
                          struct sfs_error *error)
{
    int64_t content = place.content;
    struct sfs_sqlite_connection *connection = connection_of(run);
    int64_t first = (size + SFS_SQLITE_CHUNK - 1) / SFS_SQLITE_CHUNK;
    int64_t sequence = (int64_t)run->run.sequence;
    /* What this batch itself has made nobody else has seen. */
    int code = sfs_sqlite_run(connection, SFS_SQL_CHUNKS_NEW_BLOCKS_REMOVE, error, 3, content,
                              first, sequence);
    if (code == 0)
        code = sfs_sqlite_run(connection, SFS_SQL_CHUNKS_NEW_REMOVE, error, 3, content, first,
                              sequence);
    if (code == 0)
        code = sfs_sqlite_run(connection, SFS_SQL_CHUNKS_GARBAGE, error, 5, content, first,
                              sequence, place.begun, run->transaction->newest);
    if (code == 0)
        code = sfs_sqlite_run(connection, SFS_SQL_CHUNKS_END, error, 3, content, first, sequence);
    if (code == 0)
        code = cut_chunk(run, place, size, error);
    return code;
}

/* Takes one chunk away: at once where only this batch knows it. */
static int drop_chunk(struct sfs_sqlite_run *run, const struct chunk *chunk,
                      struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = connection_of(run);
    if (chunk->begun != (int64_t)run->run.sequence)
        return end_chunk(run, chunk, error);
    int code = sfs_sqlite_run(connection, SFS_SQL_BLOCK_REMOVE, error, 1, chunk->block);
    return code ? code
                : sfs_sqlite_run(connection, SFS_SQL_CHUNK_REMOVE, error, 3, chunk->content,
                                 chunk->part, chunk->begun);
}

/* Zeros in [from, to) of one chunk, which stays; `data` has room for it. */
static int clear_chunk(struct sfs_sqlite_run *run, const struct chunk *chunk, int64_t from,
                       int64_t to, char *data, struct sfs_error *error)
{
    int64_t end = to < chunk->size ? to : chunk->size;
    if (from >= end)
        return 0;
    int code = read_chunk(run, chunk, data, error);
    if (code != 0)
        return code;
    memset(data + from, 0, (size_t)(end - from));
    return set_chunk(run, chunk, sfs_bytes(data, (size_t)chunk->size), error);
}

int sfs_sqlite_chunks_zero(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                           int64_t offset, int64_t size, struct sfs_error *error)
{
    int64_t end = offset + size;
    int64_t arguments[] = {place.content, offset / SFS_SQLITE_CHUNK, (end - 1) / SFS_SQLITE_CHUNK};
    int64_t row[4];
    int found = 0;
    char *data = malloc((size_t)SFS_SQLITE_CHUNK);
    int code = data ? 0 : sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    while (code == 0 && (found = sfs_sqlite_integers(connection_of(run), SFS_SQL_CHUNK_NEXT,
                                                     arguments, 3, row, 4, error)) == 1) {
        struct chunk chunk = {.content = place.content, .part = row[0], .exists = true};
        fill_chunk(&chunk, row + 1, place);
        int64_t begin = chunk.part * SFS_SQLITE_CHUNK;
        int64_t from = offset > begin ? offset - begin : 0;
        int64_t to = end - begin < SFS_SQLITE_CHUNK ? end - begin : SFS_SQLITE_CHUNK;
        code = from == 0 && to >= chunk.size ? drop_chunk(run, &chunk, error)
                                             : clear_chunk(run, &chunk, from, to, data, error);
        arguments[1] = chunk.part + 1;
    }
    free(data);
    return found < 0 ? found : code;
}

/* The first `size` bytes of the value of `before`, wherever they are. */
static int read_before(struct sfs_sqlite_run *run, const struct sfs_record *before,
                       struct sfs_sqlite_place place, char *data, size_t size,
                       struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = connection_of(run);
    struct sfs_sqlite_row row = {
        .record = before, .content = place.content, .chunked = place.chunked};
    sqlite3_stmt *statement = NULL;
    int code = 0;
    if (place.content == 0 && size > 0) {
        code = sfs_sqlite_statement(connection, SFS_SQL_RECORD_VALUE, &statement, error);
        if (code != 0)
            return code;
        sqlite3_bind_int64(statement, 1, (int64_t)before->attributes.id);
        code = sfs_sqlite_step(connection, statement, error);
        if (code < 0)
            return code;
        row.data = sfs_sqlite_column(statement, 0);
    }
    code = sfs_sqlite_value_read(connection, &row, SFS_SQLITE_LATEST, 0, data, size, error);
    sqlite3_reset(statement);
    return code;
}

/* A value in its row or in one block becomes one in chunks. */
static int convert(struct sfs_sqlite_run *run, const struct sfs_record *before,
                   struct sfs_sqlite_place *place, struct sfs_error *error)
{
    size_t size = (size_t)before->size;
    int64_t content = ++run->transaction->state.last_content;
    char *data = malloc(size + 1);
    if (!data)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int code = read_before(run, before, *place, data, size, error);
    if (code == 0)
        code = sfs_sqlite_chunks_add(run->transaction, content, 0, (int64_t)run->run.sequence,
                                     sfs_bytes(data, size), error);
    free(data);
    if (code == 0)
        code = sfs_sqlite_content_drop(run, *place, error);
    if (code == 0)
        *place = sfs_sqlite_place_chunked(run, content);
    return code;
}

static uint64_t offset_of(const struct sfs_record *before, const struct sfs_operation *operation)
{
    return operation->kind == SFS_OPERATION_APPEND ? before->size : operation->offset;
}

static int change_chunks(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                         const struct sfs_record *before, const struct sfs_record *record,
                         const struct sfs_operation *operation, struct sfs_error *error)
{
    struct sfs_bytes bytes = sfs_blob_bytes(operation->value);
    if (record->size < before->size)
        return sfs_sqlite_chunks_cut(run, place, (int64_t)record->size, error);
    if (operation->kind == SFS_OPERATION_PATCH)
        return sfs_sqlite_parts_write(run, place, (int64_t)before->size, operation, error);
    if (operation->kind == SFS_OPERATION_TRUNCATE || bytes.size == 0)
        return 0;
    return sfs_sqlite_chunks_write(run, place, (int64_t)offset_of(before, operation), bytes, error);
}

/* The new value where it is small: what is kept of the old one, with the operation's bytes in it.
 */
static int small_value(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                       const struct sfs_record *before, size_t size,
                       const struct sfs_operation *operation, char *data, struct sfs_error *error)
{
    struct sfs_bytes bytes = sfs_blob_bytes(operation->value);
    size_t kept = before->size < size ? (size_t)before->size : size;
    int code = read_before(run, before, place, data, kept, error);
    if (code == 0 && operation->kind == SFS_OPERATION_PATCH)
        return sfs_sqlite_parts_copy(run, (int64_t)before->size, operation, data, error);
    if (code == 0 && operation->kind != SFS_OPERATION_TRUNCATE && bytes.size > 0)
        memcpy(data + offset_of(before, operation), bytes.data, bytes.size);
    return code;
}

/* A value in chunks becomes one that is not; its type is found anew, as that of any small value. */
static int make_small(struct sfs_sqlite_run *run, const struct sfs_record *before,
                      struct sfs_record *form, const struct sfs_operation *operation,
                      struct sfs_sqlite_place *place, struct sfs_error *error)
{
    size_t size = (size_t)form->size;
    char *data = calloc(1, size + 1);
    if (!data)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int code = small_value(run, *place, before, size, operation, data, error);
    if (code == 0)
        code = sfs_sqlite_content_set(run, sfs_bytes(data, size), place, error);
    if (!form->attributes.type_set)
        form->attributes.type = sfs_type_of(sfs_bytes(data, size));
    free(data);
    return code;
}

static int change_value(struct sfs_sqlite_run *run, const struct sfs_record *before,
                        struct sfs_record *form, const struct sfs_operation *operation,
                        struct sfs_sqlite_place *place, struct sfs_error *error)
{
    if (form->size < (uint64_t)SFS_SQLITE_LARGE)
        return make_small(run, before, form, operation, place, error);
    int code = place->chunked ? 0 : convert(run, before, place, error);
    return code ? code : change_chunks(run, *place, before, form, operation, error);
}

int sfs_sqlite_patch(struct sfs_apply_run *base, const struct sfs_record *before,
                     const struct sfs_record *record, const struct sfs_operation *operation,
                     struct sfs_error *error)
{
    struct sfs_sqlite_run *run = (struct sfs_sqlite_run *)base;
    struct sfs_record form = *record;
    struct sfs_sqlite_place place;
    int64_t id = (int64_t)before->attributes.id;
    sfs_sqlite_recall_drop(run);
    int code = sfs_sqlite_place_of(run, id, &place, error);
    if (code != 0)
        return code;
    /* A stage is read here, inside the transaction that may have to write the last of it. */
    if (!place.chunked && record->size < (uint64_t)SFS_SQLITE_LARGE && !operation->stage)
        return SFS_E_UNSUPPORTED;
    code = sfs_sqlite_history_record(run, before, error);
    if (code == 0)
        code = change_value(run, before, &form, operation, &place, error);
    if (code == 0)
        code = sfs_sqlite_record_update(run, id, &form, place, error);
    if (code != 0)
        return code;
    sfs_sqlite_count(run, before, -1);
    sfs_sqlite_count(run, &form, 1);
    return 0;
}
