/* SPDX-License-Identifier: MIT */
/*
 * What a commit costs: transactions of ten reads and ten writes of 1 KiB, one after another in one
 * process, at each level on a sqlite store, beside plain SQLite that does the same work on a table
 * of keys and values (BEGIN IMMEDIATE, prepared statements, the pragmas of the store), and on a
 * memory store. Prints transactions/s: the median of the rounds, the lowest and highest, and how
 * many times slower than plain SQLite the median is. The kinds take turns in each round, so that
 * what else the machine does falls on all of them.
 *
 * Usage: bench_commits [ROUNDS [TRANSACTIONS [KIND]]], KIND being a part of a kind's name: only
 * those are run, which is what a profiler wants.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storefs/transaction.h"

#define KEYS 10000
#define ACCESSES 10
#define VALUE_SIZE 1024
#define ROUNDS_MAX 99

static char directory[300];
static uint64_t state;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_commits: %s: %s\n", what, why);
    exit(1);
}

static void next_key(char key[16])
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    snprintf(key, 16, "key/%05u", (unsigned)(state >> 33) % KEYS);
}

static const char *value(void)
{
    static char text[VALUE_SIZE + 1];
    snprintf(text, sizeof(text), "%0*llu", VALUE_SIZE, (unsigned long long)state);
    return text;
}

/* --- storefs --- */

static struct sfs_storage *open_store(const char *scheme)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    char uri[400];
    bool memory = strcmp(scheme, "memory:") == 0;
    snprintf(uri, sizeof(uri), "%s%s%s", scheme, memory ? "" : directory, memory ? "" : "/store");
    if (sfs_open(&store, uri, SFS_OPEN_CREATE, &error))
        fail("open", error.message);
    struct sfs_batch *batch = NULL;
    int code = sfs_batch_new(&batch, &error);
    for (unsigned i = 0; i < KEYS && code == 0; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key/%05u", i);
        code = sfs_batch_put(batch, sfs_string(key), sfs_string(value()), NULL, 0, &error);
    }
    if (code || sfs_apply(store, batch, NULL, NULL, &error))
        fail("fill", error.message);
    sfs_batch_free(batch);
    return store;
}

static int touch_keys(struct sfs_transaction *transaction, struct sfs_error *error)
{
    struct sfs_storage *store = sfs_transaction_storage(transaction);
    char key[16];
    int code = 0;
    for (int i = 0; i < ACCESSES && code == 0; i++) {
        const struct sfs_record *record = NULL;
        next_key(key);
        code = sfs_get(store, sfs_string(key), SFS_WANT_VALUE, &record, error);
        sfs_record_unref(record);
    }
    for (int i = 0; i < ACCESSES && code == 0; i++) {
        next_key(key);
        code = sfs_set(store, sfs_string(key), sfs_string(value()), error);
    }
    return code;
}

static void run_store(void *context, int level, unsigned count)
{
    struct sfs_transaction_options options = {.isolation = (enum sfs_isolation)level};
    struct sfs_error error;
    for (unsigned n = 0; n < count; n++) {
        struct sfs_transaction *transaction = NULL;
        int code = sfs_begin(context, &options, &transaction, &error);
        if (code == 0)
            code = touch_keys(transaction, &error);
        if (code == 0)
            code = sfs_commit(transaction, NULL, &error);
        sfs_transaction_free(transaction);
        if (code)
            fail("transaction", error.message);
    }
}

/* --- plain SQLite --- */

struct plain {
    sqlite3 *db;
    sqlite3_stmt *get;
    sqlite3_stmt *set;
};

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(sql, sqlite3_errmsg(db));
}

static void step(struct plain *plain, sqlite3_stmt *statement, const char *key, const char *text)
{
    sqlite3_bind_blob(statement, 1, key, (int)strlen(key), SQLITE_STATIC);
    if (text)
        sqlite3_bind_blob(statement, 2, text, (int)strlen(text), SQLITE_STATIC);
    int result = sqlite3_step(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        fail("step", sqlite3_errmsg(plain->db));
    if (!text && sqlite3_column_bytes(statement, 0) != VALUE_SIZE)
        fail("get", "a value is missing");
    sqlite3_reset(statement);
}

static void open_plain(struct plain *plain)
{
    char path[400];
    char key[16];
    snprintf(path, sizeof(path), "%s/plain", directory);
    if (sqlite3_open(path, &plain->db) != SQLITE_OK)
        fail("open", sqlite3_errmsg(plain->db));
    execute(plain->db, "PRAGMA journal_mode = WAL");
    execute(plain->db, "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
                       "PRAGMA mmap_size = 33554432; PRAGMA wal_autocheckpoint = 4000;"
                       "PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY");
    execute(plain->db, "CREATE TABLE data(key BLOB PRIMARY KEY, value BLOB)");
    sqlite3_prepare_v2(plain->db, "SELECT value FROM data WHERE key = ?1", -1, &plain->get, NULL);
    sqlite3_prepare_v2(plain->db,
                       "INSERT INTO data VALUES(?1, ?2)"
                       " ON CONFLICT(key) DO UPDATE SET value = excluded.value",
                       -1, &plain->set, NULL);
    execute(plain->db, "BEGIN");
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key/%05u", i);
        step(plain, plain->set, key, value());
    }
    execute(plain->db, "COMMIT");
}

static void run_plain(void *context, int level, unsigned count)
{
    struct plain *plain = context;
    char key[16];
    (void)level;
    for (unsigned n = 0; n < count; n++) {
        execute(plain->db, "BEGIN IMMEDIATE");
        for (int i = 0; i < ACCESSES; i++) {
            next_key(key);
            step(plain, plain->get, key, NULL);
        }
        for (int i = 0; i < ACCESSES; i++) {
            next_key(key);
            step(plain, plain->set, key, value());
        }
        execute(plain->db, "COMMIT");
    }
}

static void close_plain(struct plain *plain)
{
    sqlite3_finalize(plain->get);
    sqlite3_finalize(plain->set);
    sqlite3_close(plain->db);
}

/* --- measuring --- */

struct kind {
    const char *name;
    void (*run)(void *context, int level, unsigned count);
    void *context;
    int level;
    double rates[ROUNDS_MAX];
};

static double measure(const struct kind *kind, unsigned count)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    kind->run(kind->context, kind->level, count);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return count /
           ((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
}

static int compare(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return (*left > *right) - (*left < *right);
}

static void sort(struct kind *kind, unsigned rounds)
{
    qsort(kind->rates, rounds, sizeof(double), compare);
}

static void report(const struct kind *kind, const struct kind *plain, unsigned rounds)
{
    double median = kind->rates[rounds / 2];
    printf("%-26s %10.0f %10.0f %10.0f", kind->name, median, kind->rates[0],
           kind->rates[rounds - 1]);
    if (plain->rates[rounds / 2] > 0)
        printf(" %10.2f", plain->rates[rounds / 2] / median);
    printf("\n");
}

static void clean(void)
{
    static const char *const names[] = {"store", "store-wal", "store-shm",
                                        "plain", "plain-wal", "plain-shm"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[400];
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 7;
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 500;
    const char *only = argc > 3 ? argv[3] : NULL;
    const char *parent = getenv("TMPDIR");
    struct plain plain;
    if (rounds < 1 || rounds > ROUNDS_MAX || count < 1)
        fail("usage", "bench_commits [ROUNDS (1-99) [TRANSACTIONS [KIND]]]");
    snprintf(directory, sizeof(directory), "%s/bench-commits.XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(directory))
        fail("mkdtemp", directory);
    open_plain(&plain);
    struct sfs_storage *sqlite = open_store("sqlite:");
    struct sfs_storage *memory = open_store("memory:");
    struct kind kinds[] = {
        {.name = "plain SQLite", .run = run_plain, .context = &plain},
        {.name = "sqlite, read committed", .run = run_store, .context = sqlite, .level = 0},
        {.name = "sqlite, snapshot", .run = run_store, .context = sqlite, .level = 1},
        {.name = "sqlite, serializable", .run = run_store, .context = sqlite, .level = 2},
        {.name = "memory, read committed", .run = run_store, .context = memory, .level = 0},
        {.name = "memory, snapshot", .run = run_store, .context = memory, .level = 1},
        {.name = "memory, serializable", .run = run_store, .context = memory, .level = 2},
    };
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            if (!only || strstr(kinds[i].name, only))
                kinds[i].rates[round] = measure(&kinds[i], count);
        }
    }
    printf("%d reads and %d writes of %d bytes in each of %u transactions, %u rounds\n"
           "%-26s %10s %10s %10s %10s\n",
           ACCESSES, ACCESSES, VALUE_SIZE, count, rounds, "transactions/s", "median", "lowest",
           "highest", "times");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        sort(&kinds[i], rounds);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].rates[0] > 0)
            report(&kinds[i], &kinds[0], rounds);
    }
    sfs_close(sqlite, NULL);
    sfs_close(memory, NULL);
    close_plain(&plain);
    clean();
    return 0;
}
