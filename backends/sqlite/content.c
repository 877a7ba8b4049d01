/* SPDX-License-Identifier: MIT */
/*
 * Where values lie: in the record's row up to SFS_SQLITE_ROW_VALUE bytes, one block under 1 MiB,
 * chunks from there on. A block is overwritten in place unless a snapshot may need it; of a value
 * in a row that is history's part, which has a copy.
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>
#include <string.h>

int sfs_sqlite_block_set(struct sfs_sqlite_connection *connection, int64_t block,
                         struct sfs_bytes data, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(connection, SFS_SQL_BLOCK_SET, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, block);
    sfs_sqlite_bind(statement, 2, data);
    return sfs_sqlite_step(connection, statement, error);
}

int sfs_sqlite_block_add(struct sfs_sqlite_transaction *transaction, struct sfs_bytes data,
                         int64_t *ret_block, struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(transaction->connection, SFS_SQL_BLOCK_ADD, &statement, error);
    if (code != 0)
        return code;
    int64_t block = ++transaction->state.last_content;
    sqlite3_bind_int64(statement, 1, block);
    sfs_sqlite_bind(statement, 2, data);
    code = sfs_sqlite_step(transaction->connection, statement, error);
    if (code != 0)
        return code;
    /* Or garbage would grow with large values until the background thread comes round. */
    transaction->budget++;
    *ret_block = block;
    return 0;
}

int sfs_sqlite_chunks_add(struct sfs_sqlite_transaction *transaction, int64_t content,
                          int64_t first, int64_t begun, struct sfs_bytes bytes,
                          struct sfs_error *error)
{
    const char *data = bytes.data;
    size_t left = bytes.size;
    int code = 0;
    for (int64_t part = first; left > 0 && code == 0; part++) {
        size_t size = left < (size_t)SFS_SQLITE_CHUNK ? left : (size_t)SFS_SQLITE_CHUNK;
        int64_t block;
        code = sfs_sqlite_block_add(transaction, sfs_bytes(data, size), &block, error);
        if (code == 0)
            code = sfs_sqlite_run(transaction->connection, SFS_SQL_CHUNK_ADD, error, 4, content,
                                  part, begun, block);
        data += size;
        left -= size;
    }
    return code;
}

struct sfs_sqlite_place sfs_sqlite_place_chunked(const struct sfs_sqlite_run *run, int64_t content)
{
    return (struct sfs_sqlite_place){
        .content = content, .chunked = true, .begun = (int64_t)run->run.sequence, .replaced = true};
}

int sfs_sqlite_content_drop(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                            struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection = run->transaction->connection;
    if (place.content == 0)
        return 0;
    bool needed = sfs_sqlite_is_needed(run->transaction, place.begun);
    if (needed || place.chunked)
        return sfs_sqlite_run(connection, SFS_SQL_GARBAGE_ADD, error, 4,
                              needed ? (int64_t)run->run.sequence : (int64_t)0, place.content,
                              (int64_t)-1, (int64_t)0);
    return sfs_sqlite_run(connection, SFS_SQL_BLOCK_REMOVE, error, 1, place.content);
}

static bool can_overwrite(const struct sfs_sqlite_run *run, struct sfs_sqlite_place place)
{
    return place.content != 0 && !place.chunked &&
           !sfs_sqlite_is_needed(run->transaction, place.begun);
}

static int add_content(struct sfs_sqlite_run *run, struct sfs_bytes bytes,
                       struct sfs_sqlite_place *ret_place, struct sfs_error *error)
{
    struct sfs_sqlite_place place = {.begun = (int64_t)run->run.sequence, .replaced = true};
    int code = 0;
    if (bytes.size <= SFS_SQLITE_ROW_VALUE) {
        if (bytes.size > 0)
            memcpy(run->value, bytes.data, bytes.size);
        place.data = sfs_bytes(run->value, bytes.size);
    } else if ((int64_t)bytes.size >= SFS_SQLITE_LARGE) {
        place = sfs_sqlite_place_chunked(run, ++run->transaction->state.last_content);
        code = sfs_sqlite_chunks_add(run->transaction, place.content, 0, (int64_t)run->run.sequence,
                                     bytes, error);
    } else {
        code = sfs_sqlite_block_add(run->transaction, bytes, &place.content, error);
    }
    if (code == 0)
        *ret_place = place;
    return code;
}

int sfs_sqlite_content_set(struct sfs_sqlite_run *run, struct sfs_bytes bytes,
                           struct sfs_sqlite_place *place, struct sfs_error *error)
{
    bool one_block = bytes.size > SFS_SQLITE_ROW_VALUE && (int64_t)bytes.size < SFS_SQLITE_LARGE;
    if (one_block && can_overwrite(run, *place)) {
        place->begun = (int64_t)run->run.sequence;
        return sfs_sqlite_block_set(run->transaction->connection, place->content, bytes, error);
    }
    int code = sfs_sqlite_content_drop(run, *place, error);
    if (code == 0)
        code = add_content(run, bytes, place, error);
    return code;
}

/* --- stages --- */

static int copy_large_stage(struct sfs_sqlite_run *run, struct sfs_stage *stage,
                            struct sfs_sqlite_place *ret_place, char *data, struct sfs_error *error)
{
    struct sfs_sqlite_place place =
        sfs_sqlite_place_chunked(run, ++run->transaction->state.last_content);
    int code = 0;
    int64_t part = 0;
    for (uint64_t offset = 0; offset < stage->size && code == 0; part++) {
        uint64_t left = stage->size - offset;
        size_t size = left < (uint64_t)SFS_SQLITE_CHUNK ? (size_t)left : (size_t)SFS_SQLITE_CHUNK;
        code = sfs_stage_read(stage, offset, data, size, error);
        if (code == 0)
            code = sfs_sqlite_chunks_add(run->transaction, place.content, part,
                                         (int64_t)run->run.sequence, sfs_bytes(data, size), error);
        offset += size;
    }
    if (code == 0)
        *ret_place = place;
    return code;
}

/* A stage that is small or another store's. */
static int copy_stage(struct sfs_sqlite_run *run, struct sfs_stage *stage,
                      struct sfs_sqlite_place *place, struct sfs_error *error)
{
    bool large = stage->size >= (uint64_t)SFS_SQLITE_LARGE;
    size_t room = large ? (size_t)SFS_SQLITE_CHUNK : (size_t)stage->size;
    char *data = malloc(room + 1);
    if (!data)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int code;
    if (large) {
        code = sfs_sqlite_content_drop(run, *place, error);
        if (code == 0)
            code = copy_large_stage(run, stage, place, data, error);
    } else {
        code = sfs_stage_read(stage, 0, data, room, error);
        if (code == 0)
            code = sfs_sqlite_content_set(run, sfs_bytes(data, room), place, error);
    }
    free(data);
    return code;
}

int sfs_sqlite_content_stage(struct sfs_sqlite_run *run, struct sfs_stage *stage,
                             struct sfs_sqlite_place *place, struct sfs_error *error)
{
    int64_t content;
    int own = sfs_sqlite_stage_content(run, stage, &content, error);
    if (own < 0)
        return own;
    if (own == 0)
        return copy_stage(run, stage, place, error);
    int code = sfs_sqlite_content_drop(run, *place, error);
    if (code == 0)
        *place = sfs_sqlite_place_chunked(run, content);
    return code;
}
