/* SPDX-License-Identifier: MIT */
/*
 * The engines in this process: plain SQLite with the pragmas of a store and a table of keys and
 * values, and libstorefs on sqlite. Each call is a transaction of its own.
 */
#include "tests/bench/mount_bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "storefs/storefs.h"
#include "tests/bench/floor.h"

#define BATCH 5000

enum statement { GET, PUT, DELETE, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [GET] = "SELECT value FROM data WHERE key = ?1",
    [PUT] = "INSERT INTO data VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
    [DELETE] = "DELETE FROM data WHERE key = ?1",
};

static sqlite3 *database;
static sqlite3_stmt *statements[STATEMENTS];
static bool full;
static struct sfs_storage *library;

static void execute(const char *text)
{
    if (sqlite3_exec(database, text, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail(text, sqlite3_errmsg(database));
}

static void step(enum statement which, const char *key)
{
    sqlite3_stmt *statement = statements[which];
    sqlite3_bind_blob(statement, 1, key, (int)strlen(key), SQLITE_STATIC);
    if (which == PUT)
        sqlite3_bind_blob(statement, 2, bench_value(), VALUE_SIZE, SQLITE_STATIC);
    int result = sqlite3_step(statement);
    if (result != (which == GET ? SQLITE_ROW : SQLITE_DONE))
        bench_fail(key, sqlite3_errmsg(database));
    if (which == GET && memcmp(sqlite3_column_blob(statement, 0), bench_value(), VALUE_SIZE) != 0)
        bench_fail(key, "is not the value that was put");
    sqlite3_reset(statement);
}

static void plain_begin(void)
{
    char key[64];
    if (sqlite3_open("plain.sqlite", &database) != SQLITE_OK)
        bench_fail("plain.sqlite", sqlite3_errmsg(database));
    execute("PRAGMA journal_mode = WAL");
    execute("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA mmap_size = 33554432;"
            "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
            "PRAGMA temp_store = MEMORY; CREATE TABLE data(key BLOB PRIMARY KEY, value BLOB)");
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v2(database, sql[i], -1, &statements[i], NULL) != SQLITE_OK)
            bench_fail(sql[i], sqlite3_errmsg(database));
    execute("BEGIN");
    for (unsigned i = 0; i < READ_FILES + settings.listed; i++) {
        bool read = i < READ_FILES;
        bench_key(key, sizeof(key), read ? "read" : "list", read ? i : i - READ_FILES);
        step(PUT, key);
    }
    execute("COMMIT");
}

static void plain_do(enum engine_call call, const char *key, bool durable)
{
    if (call != ENGINE_GET && durable != full) {
        execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        full = durable;
    }
    step(call == ENGINE_GET ? GET : call == ENGINE_PUT ? PUT : DELETE, key);
}

/* --- libstorefs --- */

static void must(int code, const struct sfs_error *error)
{
    if (code < 0)
        bench_fail("libstorefs", error->message);
}

static struct sfs_storage *open_store(const char *uri)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    must(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), &error);
    return store;
}

static void put_all(struct sfs_storage *store, const char *directory, unsigned count, size_t size)
{
    struct sfs_batch *batch = NULL;
    struct sfs_error error;
    char key[64];
    for (unsigned i = 0; i < count; i++) {
        if (batch == NULL)
            must(sfs_batch_new(&batch, &error), &error);
        bench_key(key, sizeof(key), directory, i);
        must(sfs_batch_put(batch, sfs_string(key), sfs_bytes(bench_value(), size), NULL, 0, &error),
             &error);
        if (i + 1 == count || i % BATCH == BATCH - 1) {
            must(sfs_apply(store, batch, NULL, NULL, &error), &error);
            sfs_batch_free(batch);
            batch = NULL;
        }
    }
}

void engine_fill(const char *uri, unsigned more)
{
    struct sfs_storage *store = open_store(uri);
    struct sfs_error error;
    put_all(store, "read", READ_FILES, VALUE_SIZE);
    put_all(store, "list", more, 0);
    must(sfs_close(store, &error), &error);
}

static void library_do(enum engine_call call, const char *key, bool durable)
{
    struct sfs_apply_options options = {.durable = durable};
    struct sfs_bytes value = sfs_bytes(bench_value(), VALUE_SIZE);
    const struct sfs_record *record = NULL;
    struct sfs_batch *batch = NULL;
    struct sfs_error error;
    if (call == ENGINE_GET) {
        must(sfs_get(library, sfs_string(key), SFS_WANT_VALUE, &record, &error), &error);
        if (!sfs_bytes_equal(sfs_record_value(record), value))
            bench_fail(key, "is not the value that was put");
        sfs_record_unref(record);
        return;
    }
    must(sfs_batch_new(&batch, &error), &error);
    must(call == ENGINE_PUT
             ? sfs_batch_put(batch, sfs_string(key), value, NULL, 0, &error)
             : sfs_batch_delete(batch, sfs_string(key), SFS_BATCH_MUST_EXIST, &error),
         &error);
    must(sfs_apply(library, batch, &options, NULL, &error), &error);
    sfs_batch_free(batch);
}

void engines_begin(void)
{
    plain_begin();
    engine_fill("sqlite:library.sqlite", settings.listed);
    library = open_store("sqlite:library.sqlite");
}

void engines_end(void)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(database);
    sfs_close(library, NULL);
}

void engine_do(enum place place, enum engine_call call, const char *key, bool durable)
{
    if (place == PLAIN)
        plain_do(call, key, durable);
    else
        library_do(call, key, durable);
}
