/* SPDX-License-Identifier: MIT */
/*
 * Stages. Under 1 MiB a stage is bytes in memory. From there on its content is kept in chunks in
 * the database, under a number that nothing refers to, written in small transactions; one chunk at
 * a time is held back in memory. A stage lives for a day after its last write; what a process left
 * that was killed is removed as soon as another sees that it is dead (housekeeper.c).
 */
#include "backends/sqlite/internal.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

#define TURN ((size_t)1 << 20) /* bytes in one transaction: others wait for its end */
#define STAGE_LIFE (INT64_C(24) * 3600 * SFS_NS_PER_SECOND)

struct stage {
    struct sfs_stage stage;
    struct sfs_sqlite *store;
    struct sfs_buffer memory; /* the content, while it is small */
    int64_t content;          /* 0: in memory */
    bool spent;
    char *chunk;  /* the chunk held back; room for SFS_SQLITE_CHUNK */
    int64_t part; /* its number, -1: none */
    bool dirty;
};

static struct stage *stage_of(struct sfs_stage *base)
{
    return (struct stage *)base;
}

/* Within the stage's own transactions nothing has versions: its chunks all begin at 0. */
static struct sfs_sqlite_run run_of(struct sfs_sqlite_transaction *transaction)
{
    return (struct sfs_sqlite_run){.transaction = transaction};
}

static struct sfs_sqlite_place place_of(const struct stage *stage)
{
    return (struct sfs_sqlite_place){.content = stage->content, .chunked = true};
}

static struct sfs_bytes held_bytes(const struct stage *stage)
{
    int64_t begin = stage->part * SFS_SQLITE_CHUNK;
    int64_t left = (int64_t)stage->stage.size - begin;
    return sfs_bytes(stage->chunk, (size_t)(left < SFS_SQLITE_CHUNK ? left : SFS_SQLITE_CHUNK));
}

static int write_held(struct sfs_sqlite_run *run, struct stage *stage, struct sfs_error *error)
{
    return sfs_sqlite_chunks_write(run, place_of(stage), stage->part * SFS_SQLITE_CHUNK,
                                   held_bytes(stage), error);
}

static int over(struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                    "the staged value was not written to for a day and has been removed");
}

static int transact(struct stage *stage, sfs_sqlite_work *work, void *context,
                    struct sfs_error *error)
{
    sfs_sqlite_writer_enter(stage->store, SFS_SQLITE_STAGING);
    int code = sfs_sqlite_transact_held(stage->store, work, context, error);
    sfs_sqlite_writer_leave(stage->store);
    return code;
}

static int renew(struct sfs_sqlite_transaction *transaction, struct stage *stage,
                 struct sfs_error *error)
{
    const int64_t arguments[] = {stage->content, transaction->now + STAGE_LIFE};
    int64_t renewed;
    int found = sfs_sqlite_integers(transaction->connection, SFS_SQL_STAGE_RENEW, arguments, 2,
                                    &renewed, 1, error);
    return found < 0 ? found : found == 0 ? over(error) : 0;
}

static int flush_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    struct stage *stage = context;
    struct sfs_sqlite_run run = run_of(transaction);
    int code = renew(transaction, stage, error);
    return code ? code : write_held(&run, stage, error);
}

static int flush(struct stage *stage, struct sfs_error *error)
{
    if (!stage->dirty)
        return 0;
    int code = transact(stage, flush_work, stage, error);
    if (code == 0)
        stage->dirty = false;
    return code;
}

static int spill_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    struct stage *stage = context;
    sqlite3_stmt *statement;
    int code = sfs_sqlite_statement(transaction->connection, SFS_SQL_STAGE_ADD, &statement, error);
    if (code != 0)
        return code;
    stage->content = ++transaction->state.last_content;
    sqlite3_bind_int64(statement, 1, stage->content);
    sqlite3_bind_int64(statement, 2, transaction->now + STAGE_LIFE);
    sqlite3_bind_text(statement, 3, stage->store->owner, -1, SQLITE_STATIC);
    code = sfs_sqlite_step(transaction->connection, statement, error);
    if (code == 0)
        code = sfs_sqlite_chunks_add(transaction, stage->content, 0, 0,
                                     sfs_buffer_bytes(&stage->memory), error);
    return code;
}

/* The content moves from memory to the database. */
static int spill(struct stage *stage, struct sfs_error *error)
{
    if (stage->content != 0)
        return 0;
    stage->chunk = malloc((size_t)SFS_SQLITE_CHUNK);
    if (!stage->chunk)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    int code = transact(stage, spill_work, stage, error);
    if (code != 0) {
        stage->content = 0;
        free(stage->chunk);
        stage->chunk = NULL;
        return code;
    }
    sfs_buffer_free(&stage->memory);
    return 0;
}

static int read_part(struct stage *stage, int64_t offset, void *data, size_t size,
                     struct sfs_error *error)
{
    const struct sfs_sqlite_row row = {.content = stage->content, .chunked = true};
    struct sfs_sqlite_connection *connection;
    int code = sfs_sqlite_reader_take(stage->store, &connection, error);
    if (code != 0)
        return code;
    code = sfs_sqlite_value_read(connection, &row, SFS_SQLITE_LATEST, offset, data, size, error);
    /* Removed chunks read as zeros. They were complete if the stage exists after the read. */
    int64_t there;
    int found = code ? code
                     : sfs_sqlite_integers(connection, SFS_SQL_STAGE_THERE, &stage->content, 1,
                                           &there, 1, error);
    sfs_sqlite_reader_give(connection);
    return found < 0 ? found : found == 0 ? over(error) : 0;
}

/* In short read transactions, since the log cannot restart while one is open. */
static int read_content(struct stage *stage, int64_t offset, char *data, size_t size,
                        struct sfs_error *error)
{
    int code = 0;
    for (size_t done = 0; done < size && code == 0; done += TURN) {
        size_t left = size - done;
        code =
            read_part(stage, offset + (int64_t)done, data + done, left < TURN ? left : TURN, error);
    }
    return code;
}

/* Makes `part` the chunk that is held. */
static int hold(struct stage *stage, int64_t part, struct sfs_error *error)
{
    if (stage->part == part)
        return 0;
    int code = flush(stage, error);
    if (code != 0)
        return code;
    stage->part = -1;
    int64_t begin = part * SFS_SQLITE_CHUNK;
    if (begin >= (int64_t)stage->stage.size)
        memset(stage->chunk, 0, (size_t)SFS_SQLITE_CHUNK);
    else
        code = read_content(stage, begin, stage->chunk, (size_t)SFS_SQLITE_CHUNK, error);
    if (code == 0)
        stage->part = part;
    return code;
}

struct whole_chunks {
    struct stage *stage;
    int64_t offset;
    struct sfs_bytes bytes;
};

static int whole_work(struct sfs_sqlite_transaction *transaction, void *context,
                      struct sfs_error *error)
{
    const struct whole_chunks *chunks = context;
    struct sfs_sqlite_run run = run_of(transaction);
    int code = renew(transaction, chunks->stage, error);
    return code ? code
                : sfs_sqlite_chunks_write(&run, place_of(chunks->stage), chunks->offset,
                                          chunks->bytes, error);
}

/* Chunks that are written whole need not be held back: those of a turn are one transaction. */
static int write_whole(struct stage *stage, uint64_t offset, struct sfs_bytes bytes,
                       struct sfs_error *error)
{
    struct whole_chunks chunks = {stage, (int64_t)offset, bytes};
    int code = flush(stage, error);
    if (code == 0)
        code = transact(stage, whole_work, &chunks, error);
    stage->part = -1;
    return code;
}

static int write_chunks(struct stage *stage, uint64_t offset, struct sfs_bytes bytes,
                        struct sfs_error *error)
{
    const char *from = bytes.data;
    size_t left = bytes.size;
    while (left > 0) {
        size_t at = (size_t)(offset % (uint64_t)SFS_SQLITE_CHUNK);
        size_t room = (size_t)SFS_SQLITE_CHUNK - at;
        size_t most = left < TURN ? left : TURN;
        size_t whole = at == 0 ? most - most % (size_t)SFS_SQLITE_CHUNK : 0;
        size_t size = whole > 0 ? whole : left < room ? left : room;
        int code = whole > 0 ? write_whole(stage, offset, sfs_bytes(from, whole), error)
                             : hold(stage, (int64_t)(offset / (uint64_t)SFS_SQLITE_CHUNK), error);
        if (code != 0)
            return code;
        if (whole == 0) {
            memcpy(stage->chunk + at, from, size);
            stage->dirty = true;
        }
        from += size;
        offset += size;
        left -= size;
        if (offset > stage->stage.size)
            stage->stage.size = offset;
    }
    return 0;
}

static int grow_memory(struct stage *stage, uint64_t size, struct sfs_error *error)
{
    struct sfs_buffer *memory = &stage->memory;
    if (size > memory->size) {
        if (sfs_buffer_reserve(memory, (size_t)size - memory->size) != 0)
            return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
        memset(memory->data + memory->size, 0, (size_t)size - memory->size);
    }
    memory->size = (size_t)size;
    stage->stage.size = size;
    return 0;
}

static int check_open(const struct stage *stage, struct sfs_error *error)
{
    if (!stage->spent)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, SFS_SQLITE_ORIGIN,
                    "the staged value has been put already: open another stage");
}

static int stage_write(struct sfs_stage *base, uint64_t offset, struct sfs_bytes bytes,
                       struct sfs_error *error)
{
    struct stage *stage = stage_of(base);
    uint64_t end = offset + bytes.size;
    int code = check_open(stage, error);
    if (code != 0)
        return code;
    if (stage->content == 0 && end < (uint64_t)SFS_SQLITE_LARGE) {
        if (end > base->size)
            code = grow_memory(stage, end, error);
        if (code == 0 && bytes.size > 0)
            memcpy(stage->memory.data + offset, bytes.data, bytes.size);
        return code;
    }
    code = spill(stage, error);
    return code ? code : write_chunks(stage, offset, bytes, error);
}

struct cut {
    struct stage *stage;
    uint64_t size;
};

static int cut_work(struct sfs_sqlite_transaction *transaction, void *context,
                    struct sfs_error *error)
{
    const struct cut *cut = context;
    struct sfs_sqlite_run run = run_of(transaction);
    int code = renew(transaction, cut->stage, error);
    return code ? code
                : sfs_sqlite_chunks_cut(&run, place_of(cut->stage), (int64_t)cut->size, error);
}

static int stage_truncate(struct sfs_stage *base, uint64_t size, struct sfs_error *error)
{
    struct stage *stage = stage_of(base);
    int code = check_open(stage, error);
    if (code != 0)
        return code;
    if (stage->content == 0 && size < (uint64_t)SFS_SQLITE_LARGE)
        return grow_memory(stage, size, error);
    code = spill(stage, error);
    if (code == 0)
        code = flush(stage, error);
    if (code == 0 && size < base->size) {
        struct cut cut = {stage, size};
        code = transact(stage, cut_work, &cut, error);
    }
    if (code != 0)
        return code;
    stage->part = -1; /* what is held may be longer than the new content */
    base->size = size;
    return 0;
}

static int stage_read(struct sfs_stage *base, uint64_t offset, void *data, size_t size,
                      size_t *ret_size, struct sfs_error *error)
{
    struct stage *stage = stage_of(base);
    uint64_t left = offset < base->size ? base->size - offset : 0;
    size_t count = left < size ? (size_t)left : size;
    int code = check_open(stage, error);
    if (code == 0 && stage->content != 0)
        code = flush(stage, error);
    if (code == 0 && stage->content != 0)
        code = read_content(stage, (int64_t)offset, data, count, error);
    else if (code == 0 && count > 0)
        memcpy(data, stage->memory.data + offset, count);
    if (code == 0)
        *ret_size = count;
    return code;
}

/* 1, or 0: it was gone. */
static int abandon(struct sfs_sqlite_transaction *transaction, const struct stage *stage,
                   struct sfs_error *error)
{
    int64_t gone;
    int found = sfs_sqlite_integers(transaction->connection, SFS_SQL_STAGE_SPEND, &stage->content,
                                    1, &gone, 1, error);
    if (found <= 0)
        return found;
    int code = sfs_sqlite_run(transaction->connection, SFS_SQL_GARBAGE_ADD, error, 4, (int64_t)0,
                              stage->content, (int64_t)-1, (int64_t)0);
    return code ? code : 1;
}

static int abandon_work(struct sfs_sqlite_transaction *transaction, void *context,
                        struct sfs_error *error)
{
    int found = abandon(transaction, context, error);
    return found < 0 ? found : 0;
}

/* What cannot be removed now goes when the stage expires. */
static void stage_close(struct sfs_stage *base)
{
    struct stage *stage = stage_of(base);
    if (stage->content != 0 && !stage->spent &&
        sfs_sqlite_transact(stage->store, abandon_work, stage, NULL) == 0)
        sfs_sqlite_keeper_ask(stage->store);
    sfs_buffer_free(&stage->memory);
    free(stage->chunk);
    free(stage);
}

static const struct sfs_stage_operations stage_operations = {
    .write = stage_write,
    .truncate = stage_truncate,
    .read = stage_read,
    .close = stage_close,
};

int sfs_sqlite_stage(struct sfs_storage *base, struct sfs_stage **ret_stage,
                     struct sfs_error *error)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    stage->stage.operations = &stage_operations;
    stage->store = sfs_sqlite_of(base);
    stage->part = -1;
    *ret_stage = &stage->stage;
    return 0;
}

/* --- inside apply: the thread that holds the stage waits there --- */

int sfs_sqlite_stage_content(struct sfs_sqlite_run *run, struct sfs_stage *base,
                             int64_t *ret_content, struct sfs_error *error)
{
    struct stage *stage = stage_of(base);
    if (base->operations != &stage_operations || stage->store != run->transaction->store)
        return 0;
    int code = check_open(stage, error);
    if (code != 0 || stage->content == 0)
        return code;
    int64_t gone;
    int found = sfs_sqlite_integers(run->transaction->connection, SFS_SQL_STAGE_SPEND,
                                    &stage->content, 1, &gone, 1, error);
    if (found == 0)
        return sfs_fail(error, SFS_E_EXPIRED, SFS_SQLITE_ORIGIN,
                        "the staged value has expired, or was put twice in one batch");
    /* It stays marked as held back until the commit: the batch may yet fail. */
    struct sfs_sqlite_run own = run_of(run->transaction);
    code = found == 1 && stage->dirty ? write_held(&own, stage, error) : 0;
    if (found < 0 || code != 0)
        return found < 0 ? found : code;
    *ret_content = stage->content;
    return 1;
}

static bool is_own(const struct sfs_sqlite_run *run, const struct sfs_stage *base)
{
    return base->operations == &stage_operations &&
           ((const struct stage *)base)->store == run->transaction->store;
}

/* Through the transaction's own connection: what is held back may be written in it. */
int sfs_sqlite_stage_read(struct sfs_sqlite_run *run, struct sfs_stage *base, uint64_t offset,
                          void *data, size_t size, struct sfs_error *error)
{
    struct stage *stage = stage_of(base);
    if (!is_own(run, base) || stage->content == 0)
        return sfs_stage_read(base, offset, data, size, error);
    int code = check_open(stage, error);
    if (code == 0 && stage->dirty) {
        struct sfs_sqlite_run own = run_of(run->transaction);
        code = write_held(&own, stage, error);
    }
    const struct sfs_sqlite_row row = {.content = stage->content, .chunked = true};
    return code ? code
                : sfs_sqlite_value_read(run->transaction->connection, &row, SFS_SQLITE_LATEST,
                                        (int64_t)offset, data, size, error);
}

int sfs_sqlite_stage_used(struct sfs_sqlite_run *run, struct sfs_stage *base,
                          struct sfs_error *error)
{
    struct stage *stage = stage_of(base);
    if (!is_own(run, base) || stage->content == 0)
        return 0;
    int found = abandon(run->transaction, stage, error);
    return found < 0 ? found : found == 0 ? over(error) : 0;
}

void sfs_sqlite_stage_spend(struct sfs_sqlite *store, struct sfs_stage *base)
{
    struct stage *stage = stage_of(base);
    if (base->operations == &stage_operations && stage->store == store)
        stage->spent = true;
}
