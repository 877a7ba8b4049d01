/* SPDX-License-Identifier: MIT */
/*
 * Many parts of one value: writing them as one operation, and telling which of them are stored.
 */
#include "backends/sqlite/internal.h"

#include <string.h>

struct parts {
    struct sfs_sqlite_run *run;
    struct sfs_sqlite_place place;
    char *data; /* instead of a place */
};

static int read_part(void *context, struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                     struct sfs_error *error)
{
    const struct parts *parts = context;
    return sfs_sqlite_stage_read(parts->run, stage, offset, data, size, error);
}

static int write_part(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error)
{
    const struct parts *parts = context;
    return sfs_sqlite_chunks_write(parts->run, parts->place, (int64_t)offset, bytes, error);
}

static int zero_part(void *context, uint64_t offset, uint64_t size, struct sfs_error *error)
{
    const struct parts *parts = context;
    return sfs_sqlite_chunks_zero(parts->run, parts->place, (int64_t)offset, (int64_t)size, error);
}

static int copy_part(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error)
{
    const struct parts *parts = context;
    (void)error;
    memcpy(parts->data + offset, bytes.data, bytes.size);
    return 0;
}

static int clear_part(void *context, uint64_t offset, uint64_t size, struct sfs_error *error)
{
    const struct parts *parts = context;
    (void)error;
    memset(parts->data + offset, 0, (size_t)size);
    return 0;
}

static int run_parts(struct sfs_sqlite_run *run, int64_t old_size,
                     const struct sfs_operation *operation, struct sfs_patch_target *target,
                     struct sfs_error *error)
{
    target->read = read_part;
    int code = sfs_patch_run(operation, (uint64_t)old_size, target, error);
    if (code == 0 && operation->stage)
        code = sfs_sqlite_stage_used(run, operation->stage, error);
    return code;
}

int sfs_sqlite_parts_write(struct sfs_sqlite_run *run, struct sfs_sqlite_place place,
                           int64_t old_size, const struct sfs_operation *operation,
                           struct sfs_error *error)
{
    struct parts parts = {.run = run, .place = place};
    struct sfs_patch_target target = {.write = write_part, .zero = zero_part, .context = &parts};
    return run_parts(run, old_size, operation, &target, error);
}

int sfs_sqlite_parts_copy(struct sfs_sqlite_run *run, int64_t old_size,
                          const struct sfs_operation *operation, char *data, struct sfs_error *error)
{
    struct parts parts = {.run = run, .data = data};
    struct sfs_patch_target target = {.write = copy_part, .zero = clear_part, .context = &parts};
    return run_parts(run, old_size, operation, &target, error);
}

/* --- what is stored --- */

int sfs_sqlite_chunks_data(struct sfs_sqlite_connection *connection, int64_t content, int64_t version,
                           uint64_t size, uint64_t offset, struct sfs_extent *ret_extent,
                           struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int64_t first = -1, end = -1;
    int code = sfs_sqlite_statement(connection, SFS_SQL_CHUNKS_LIST, &statement, error);
    if (code != 0)
        return code;
    sqlite3_bind_int64(statement, 1, content);
    sqlite3_bind_int64(statement, 2, (int64_t)offset / SFS_SQLITE_CHUNK);
    sqlite3_bind_int64(statement, 3, version);
    while ((code = sfs_sqlite_step(connection, statement, error)) == 1) {
        int64_t part = sqlite3_column_int64(statement, 0);
        if ((uint64_t)part > size / SFS_SQLITE_CHUNK)
            break;
        if (part < end || part < (int64_t)(offset / SFS_SQLITE_CHUNK)) {
            code = sfs_sqlite_parts_damaged(connection, error);
            break;
        }
        if (first < 0)
            first = part;
        else if (part > end)
            break;
        end = part + 1;
    }
    sqlite3_reset(statement);
    uint64_t from = (uint64_t)first * (uint64_t)SFS_SQLITE_CHUNK;
    uint64_t to = (uint64_t)end * (uint64_t)SFS_SQLITE_CHUNK;
    if (code < 0 || first < 0 || from >= size)
        return code < 0 ? code : 0;
    from = from > offset ? from : offset;
    *ret_extent = (struct sfs_extent){from, (to < size ? to : size) - from};
    return 1;
}
