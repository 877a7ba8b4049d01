/* SPDX-License-Identifier: MIT */
/*
 * What queries cost on many small documents, without indexes and with: equality, a range, the first
 * ten of an order, a count, counts and sums by group, and the values of a field. Beside each on a
 * sqlite store the same by hand: SQL on a table of keys and documents with expression indexes on
 * the same fields, whose rows must be the same in the same order. Prints the median of the rounds
 * in milliseconds, and the ratio to SQL.
 *
 * Usage: bench_query [-d DOCUMENTS] [-r ROUNDS] [-t TASK] [URI…]      (1000000, 5, all, memory:)
 * -t: only tasks whose names begin so, and only with indexes.
 * In a URI of a file DIRECTORY stands for an empty one, which is removed: sqlite:DIRECTORY/store.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storefs/index.h"
#include "storefs/query.h"

#define ROUNDS_MAX 99
#define PRIME 999983u /* numbers come in no order of keys */

struct task {
    const char *name;
    const char *path; /* of the query; NULL: the values of the field "type" */
    const char *sql;  /* rows of two texts */
    bool lines;       /* the path is a text of lines, each of two parts with a tab between */
};

static const struct task tasks[] = {
    {"equality", "by/type/t42",
     "SELECT key, value FROM doc WHERE json_extract(value, '$.type') = 't42' ORDER BY key", false},
    {"range", "where/n >= 5000 and n < 6000",
     "SELECT key, value FROM doc WHERE json_extract(value, '$.n') >= 5000 AND "
     "json_extract(value, '$.n') < 6000 ORDER BY key",
     false},
    {"order, limit 10", "order/n/limit/10",
     "SELECT key, value FROM doc ORDER BY json_extract(value, '$.n'), key LIMIT 10", false},
    {"order desc, limit 10", "order/n:desc/limit/10",
     "SELECT key, value FROM doc ORDER BY json_extract(value, '$.n') DESC, key LIMIT 10", false},
    {"count", "by/type/t42/count",
     "SELECT count(*), '' FROM doc WHERE json_extract(value, '$.type') = 't42'", true},
    {"count by group", "group/type/count",
     "SELECT json_extract(value, '$.type'), count(*) FROM doc GROUP BY 1 ORDER BY 1", true},
    {"sum by group", "group/type/sum/n",
     "SELECT json_extract(value, '$.type'), sum(json_extract(value, '$.n')) FROM doc GROUP BY 1 "
     "ORDER BY 1",
     true},
    {"ls by/type", NULL, "SELECT DISTINCT json_extract(value, '$.type'), '' FROM doc ORDER BY 1",
     true},
};
#define TASKS (sizeof(tasks) / sizeof(tasks[0]))

static unsigned documents = 1000000;
static unsigned rounds = 5;
static const char *only;
static char directory[300];

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_query: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void make(unsigned i, char key[32], char value[128])
{
    unsigned n = (unsigned)((uint64_t)i * PRIME % documents);
    snprintf(key, 32, "doc/%07u", i);
    snprintf(value, 128, "{\"type\":\"t%02u\",\"n\":%u,\"title\":\"document %u\",\"done\":%s}",
             n % 100, n, i, i % 3 ? "true" : "false");
}

/* What a result was, so that two can be compared. */
struct sum {
    uint64_t hash;
    uint64_t rows;
};

static void add(struct sum *sum, const void *data, size_t size, char end)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum->hash = (sum->hash ^ bytes[i]) * UINT64_C(1099511628211);
    sum->hash = (sum->hash ^ (unsigned char)end) * UINT64_C(1099511628211);
}

/* --- storefs --- */

static void fill(struct sfs_storage *store)
{
    struct sfs_error error;
    struct sfs_batch *batch = NULL;
    char key[32], value[128];
    if (sfs_batch_new(&batch, &error))
        fail("batch", error.message);
    for (unsigned i = 0; i < documents; i++) {
        make(i, key, value);
        if (sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, &error))
            fail("put", error.message);
        if (sfs_batch_size(batch) < 10000 && i + 1 < documents)
            continue;
        if (sfs_apply(store, batch, NULL, NULL, &error))
            fail("apply", error.message);
        sfs_batch_clear(batch);
    }
    sfs_batch_free(batch);
}

static int add_value(void *context, struct sfs_bytes value)
{
    struct sum *sum = context;
    add(sum, value.data, value.size, '\t');
    add(sum, "", 0, '\n');
    sum->rows++;
    return 0;
}

static void run_values(struct sfs_storage *store, struct sum *sum)
{
    struct sfs_query *query = NULL;
    struct sfs_error error;
    bool complete = false;
    if (sfs_query_new(&query, &error) ||
        sfs_query_values(store, query, sfs_string("type"), add_value, sum, &complete, &error))
        fail("values", error.message);
    sfs_query_free(query);
}

/* A line without a tab has an empty second part. */
static void run_lines(struct sfs_storage *store, const struct sfs_query *query, enum sfs_sink sink,
                      struct sum *sum)
{
    struct sfs_text *text = NULL;
    struct sfs_error error;
    char piece[65536];
    size_t size = 1;
    bool tab = false;
    if (sfs_query_text(store, query, sink, &text, &error))
        fail("text", error.message);
    while (size) {
        if (sfs_text_read(text, piece, sizeof(piece), &size, &error))
            fail("read", error.message);
        for (size_t i = 0; i < size; i++) {
            if (piece[i] == '\n' && !tab)
                add(sum, "", 0, '\t');
            tab = piece[i] == '\t' || (piece[i] != '\n' && tab);
            add(sum, "", 0, piece[i]);
            sum->rows += piece[i] == '\n';
        }
    }
    sfs_text_close(text);
}

static void run_rows(struct sfs_storage *store, const struct sfs_query *query, struct sum *sum)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    struct sfs_error error;
    int found;
    if (sfs_query_run(store, query, &cursor, &error))
        fail("run", error.message);
    while ((found = sfs_cursor_next(cursor, &record, &error)) > 0) {
        struct sfs_bytes value = sfs_record_value(record);
        add(sum, record->name.data, record->name.size, '\t');
        add(sum, value.data, value.size, '\n');
        sum->rows++;
    }
    if (found)
        fail("next", error.message);
    sfs_cursor_close(cursor);
}

static struct sum run(struct sfs_storage *store, const struct task *task)
{
    struct sum sum = {.hash = UINT64_C(14695981039346656037)};
    struct sfs_query *query = NULL;
    struct sfs_error error;
    enum sfs_sink sink;
    if (!task->path) {
        run_values(store, &sum);
        return sum;
    }
    if (sfs_query_parse(sfs_string(task->path), &query, &sink, &error))
        fail(task->path, error.message);
    if (task->lines)
        run_lines(store, query, sink, &sum);
    else
        run_rows(store, query, &sum);
    sfs_query_free(query);
    return sum;
}

/* --- by hand --- */

static void execute(sqlite3 *database, const char *sql)
{
    if (sqlite3_exec(database, sql, NULL, NULL, NULL))
        fail(sql, sqlite3_errmsg(database));
}

static sqlite3 *make_table(void)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *insert = NULL;
    char path[320], key[32], value[128];
    snprintf(path, sizeof(path), "%s/by-hand", directory);
    if (sqlite3_open(path, &database))
        fail(path, sqlite3_errmsg(database));
    execute(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                      "CREATE TABLE doc(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID; BEGIN");
    if (sqlite3_prepare_v2(database, "INSERT INTO doc VALUES (?, ?)", -1, &insert, NULL))
        fail("insert", sqlite3_errmsg(database));
    for (unsigned i = 0; i < documents; i++) {
        make(i, key, value);
        sqlite3_bind_text(insert, 1, key, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 2, value, -1, SQLITE_TRANSIENT);
        if (sqlite3_step(insert) != SQLITE_DONE)
            fail("insert", sqlite3_errmsg(database));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    execute(database, "COMMIT; CREATE INDEX by_type ON doc(json_extract(value, '$.type'));"
                      "CREATE INDEX by_n ON doc(json_extract(value, '$.n'));"
                      "CREATE INDEX by_both ON doc(json_extract(value, '$.type'),"
                      " json_extract(value, '$.n'))");
    return database;
}

static struct sum run_sql(sqlite3 *database, const struct task *task)
{
    struct sum sum = {.hash = UINT64_C(14695981039346656037)};
    sqlite3_stmt *select = NULL;
    int step;
    if (sqlite3_prepare_v2(database, task->sql, -1, &select, NULL))
        fail(task->sql, sqlite3_errmsg(database));
    while ((step = sqlite3_step(select)) == SQLITE_ROW) {
        for (int i = 0; i < 2; i++) {
            const void *text = sqlite3_column_text(select, i);
            add(&sum, text, (size_t)sqlite3_column_bytes(select, i), i ? '\n' : '\t');
        }
        sum.rows++;
    }
    if (step != SQLITE_DONE)
        fail(task->sql, sqlite3_errmsg(database));
    sqlite3_finalize(select);
    return sum;
}

/* --- measuring --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, rounds, sizeof(*times), compare);
    return times[rounds / 2];
}

struct result {
    double own;
    double sql;
    struct sum sum;
};

static struct result measure(struct sfs_storage *store, sqlite3 *database, const struct task *task)
{
    double own[ROUNDS_MAX], sql[ROUNDS_MAX];
    struct result result = {.sql = 0};
    for (unsigned i = 0; i < rounds; i++) {
        double begun = now();
        result.sum = run(store, task);
        own[i] = now() - begun;
        if (!database)
            continue;
        begun = now();
        struct sum by_hand = run_sql(database, task);
        sql[i] = now() - begun;
        if (by_hand.hash != result.sum.hash || by_hand.rows != result.sum.rows)
            fail(task->name, "the rows are not those that SQL gives");
    }
    result.own = median(own);
    if (database)
        result.sql = median(sql);
    return result;
}

static void measure_all(struct sfs_storage *store, sqlite3 *database, const char *what)
{
    printf("%s\n", what);
    for (size_t i = 0; i < TASKS; i++) {
        if (only && strncmp(tasks[i].name, only, strlen(only)) != 0)
            continue;
        struct result result = measure(store, database, &tasks[i]);
        printf("  %-22s %8llu rows %12.3f ms", tasks[i].name, (unsigned long long)result.sum.rows,
               result.own);
        if (database)
            printf("   SQL %12.3f ms   ratio %6.2f", result.sql,
                   result.sql > 0 ? result.own / result.sql : 0);
        printf("\n");
        fflush(stdout);
    }
}

static bool make_indexes(struct sfs_storage *store)
{
    static const char *const names[] = {"type", "n", "type,n"};
    struct sfs_error error;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        double begun = now();
        int result = sfs_index_create(store, sfs_string(names[i]), NULL, NULL, &error);
        if (result == SFS_E_UNSUPPORTED) {
            printf("  %s\n", error.message);
            return false;
        }
        if (result)
            fail(names[i], error.message);
        printf("  index %-16s made in %12.0f ms\n", names[i], now() - begun);
    }
    return true;
}

static void bench(const char *uri)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    char place[700];
    const char *at = strstr(uri, "DIRECTORY");
    snprintf(place, sizeof(place), "%.*s%s%s", at ? (int)(at - uri) : (int)strlen(uri), uri,
             at ? directory : "", at ? at + 9 : "");
    if (sfs_open(&store, place, SFS_OPEN_CREATE, &error))
        fail(place, error.message);
    sqlite3 *database = strcmp(sfs_storage_name(store), "sqlite") == 0 ? make_table() : NULL;
    fill(store);
    printf("%s, %u documents, median of %u\n", uri, documents, rounds);
    if (!only)
        measure_all(store, NULL, "without indexes");
    if (make_indexes(store))
        measure_all(store, database, "with indexes");
    sqlite3_close(database);
    if (sfs_close(store, &error))
        fail(place, error.message);
}

int main(int argc, char **argv)
{
    int option;
    const char *base = getenv("TMPDIR");
    while ((option = getopt(argc, argv, "d:r:t:")) != -1) {
        if (option == 't') {
            only = optarg;
            continue;
        }
        unsigned number = option == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);
        if (number == 0 || (option == 'r' && number > ROUNDS_MAX))
            fail("usage", "bench_query [-d DOCUMENTS] [-r ROUNDS] [-t TASK] [URI...]");
        *(option == 'd' ? &documents : &rounds) = number;
    }
    snprintf(directory, sizeof(directory), "%s/bench-query-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(directory))
        fail(directory, "cannot be made");
    if (optind == argc)
        bench("memory:");
    for (; optind < argc; optind++)
        bench(argv[optind]);
    char command[400];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command) ? 1 : 0;
}
