/* SPDX-License-Identifier: MIT */
/*
 * What queries cost on many small documents, without indexes and with: equality, a range, the first
 * ten of an order, a count, counts and sums by group, and the values of a field. Beside each on a
 * sqlite store the same by hand: SQL on a table of keys and documents with expression indexes on
 * the same fields, whose rows must be the same in the same order. For counts and groups it is on a
 * table that has the fields as columns, with an index that covers them, and on the documents, too.
 * Prints the median of the rounds in milliseconds, and the ratio to SQL.
 *
 * Usage: bench_query [-d DOCUMENTS] [-r ROUNDS] [-t TASK] [URI…]      (1000000, 5, all, memory:)
 * -n: nothing by hand, as for a profile.
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

#define ROUNDS_MAX 9999
#define MAPPED "268435456" /* what a store maps of its file unless told */
#define PRIME 999983u      /* numbers come in no order of keys */

struct task {
    const char *name;
    const char *path; /* of the query; NULL: the values of the field "type" */
    const char *sql;  /* rows of two texts */
    bool lines;       /* the path is a text of lines, each of two parts with a tab between */
    const char *own;  /* the end of the SQL on the store's own tables, NULL: none */
    const char *index;
    unsigned from; /* bounds, as numbers of entries of the index */
    unsigned to;
};

#define OWN                                                                                        \
    "SELECT entry_name, data FROM entry JOIN record ON id = record_id WHERE index_id = ?1 AND "

static const struct task tasks[] = {
    {"equality", "by/type/t42",
     "SELECT key, value FROM doc WHERE json_extract(value, '$.type') = 't42' ORDER BY key", false,
     OWN "entry_key = CAST(X'08743432' || X'00' AS BLOB) ORDER BY entry_name", "type", 0, 0},
    {"range", "where/n >= 5000 and n < 6000",
     "SELECT key, value FROM doc WHERE json_extract(value, '$.n') >= 5000 AND "
     "json_extract(value, '$.n') < 6000 ORDER BY key",
     false, OWN "entry_key >= ?2 AND entry_key < ?3 ORDER BY entry_name", "n", 5000, 6000},
    {"order, limit 10", "order/n/limit/10",
     "SELECT key, value FROM doc ORDER BY json_extract(value, '$.n'), key LIMIT 10", false,
     OWN "true ORDER BY entry_key, entry_name LIMIT 10", "n", 0, 0},
    {"order desc, limit 10", "order/n:desc/limit/10",
     "SELECT key, value FROM doc ORDER BY json_extract(value, '$.n') DESC, key LIMIT 10", false,
     OWN "true ORDER BY entry_key DESC, entry_name LIMIT 10", "n", 0, 0},
    {"count", "by/type/t42/count", "SELECT count(*), '' FROM field WHERE type = 't42'", true, NULL,
     NULL, 0, 0},
    {"count by group", "group/type/count", "SELECT type, count(*) FROM field GROUP BY 1 ORDER BY 1",
     true, NULL, NULL, 0, 0},
    {"sum by group", "group/type/sum/n", "SELECT type, sum(n) FROM field GROUP BY 1 ORDER BY 1",
     true, NULL, NULL, 0, 0},
    {"count by group, of documents", "group/type/count",
     "SELECT json_extract(value, '$.type'), count(*) FROM doc GROUP BY 1 ORDER BY 1", true, NULL,
     NULL, 0, 0},
    {"sum by group, of documents", "group/type/sum/n",
     "SELECT json_extract(value, '$.type'), sum(json_extract(value, '$.n')) FROM doc GROUP BY 1 "
     "ORDER BY 1",
     true, NULL, NULL, 0, 0},
    {"ls by/type", NULL, "SELECT DISTINCT type, '' FROM field ORDER BY 1", true, NULL, NULL, 0, 0},
};
#define TASKS (sizeof(tasks) / sizeof(tasks[0]))

static unsigned documents = 1000000;
static unsigned rounds = 5;
static const char *only;
static char directory[300];
static bool kept;
static bool alone;
static clockid_t clock_used = CLOCK_MONOTONIC;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_query: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(clock_used, &time);
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
    static const struct sfs_query_options options = {.bare =
                                                         true}; /* as SQL asks for two columns */
    if (sfs_query_parse(sfs_string(task->path), &query, &sink, &error) ||
        sfs_query_configure(query, &options, &error))
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

static void insert(sqlite3_stmt *into, unsigned i)
{
    char key[32], value[128];
    make(i, key, value);
    sqlite3_bind_text(into, 1, key, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(into, 2, value, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(into) != SQLITE_DONE)
        fail("insert", "it is refused");
    sqlite3_reset(into);
}

static void make_tables(sqlite3 *database)
{
    sqlite3_stmt *into = NULL;
    execute(database,
            "CREATE TABLE doc(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
            "CREATE TABLE field(key TEXT PRIMARY KEY, type TEXT, n INTEGER) WITHOUT ROWID;"
            "BEGIN");
    if (sqlite3_prepare_v2(database, "INSERT INTO doc VALUES (?, ?)", -1, &into, NULL))
        fail("insert", sqlite3_errmsg(database));
    for (unsigned i = 0; i < documents; i++)
        insert(into, i);
    sqlite3_finalize(into);
    execute(database, "INSERT INTO field SELECT key, json_extract(value, '$.type'),"
                      " json_extract(value, '$.n') FROM doc;"
                      "COMMIT; CREATE INDEX by_type ON doc(json_extract(value, '$.type'));"
                      "CREATE INDEX by_n ON doc(json_extract(value, '$.n'));"
                      "CREATE INDEX by_type_and_n ON doc(json_extract(value, '$.type'),"
                      " json_extract(value, '$.n'));"
                      "CREATE INDEX by_both ON field(type, n)");
}

/* The database by hand as SQLite opens it, and as the store opens its own. */
struct by_hand {
    sqlite3 *plain;
    sqlite3 *same;
    sqlite3 *own; /* the store's file */
};

static sqlite3 *open_database(const char *path)
{
    sqlite3 *database = NULL;
    if (sqlite3_open(path, &database))
        fail(path, sqlite3_errmsg(database));
    execute(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    return database;
}

static struct by_hand open_by_hand(const char *store, bool make_them)
{
    static const char *const pragmas = "PRAGMA cache_size = -65536; PRAGMA mmap_size = " MAPPED;
    char path[320];
    snprintf(path, sizeof(path), "%s/by-hand", directory);
    struct by_hand by_hand = {.plain = open_database(path)};
    if (make_them)
        make_tables(by_hand.plain);
    by_hand.same = open_database(path);
    by_hand.own = open_database(store);
    execute(by_hand.same, pragmas);
    execute(by_hand.own, pragmas);
    return by_hand;
}

static void prepare(sqlite3 *database, const char *sql, sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v2(database, sql, -1, ret_statement, NULL))
        fail(sql, sqlite3_errmsg(database));
}

/* What a bound of the task is in the store's own index. */
struct bounds {
    sqlite3_int64 index;
    char from[64];
    char to[64];
    int from_size;
    int to_size;
};

static int find_bound(sqlite3 *store, sqlite3_int64 index, unsigned number, char bound[64])
{
    sqlite3_stmt *select = NULL;
    prepare(store,
            "SELECT entry_key FROM entry WHERE index_id = ?1 ORDER BY entry_key LIMIT 1 OFFSET ?2",
            &select);
    sqlite3_bind_int64(select, 1, index);
    sqlite3_bind_int64(select, 2, number);
    if (sqlite3_step(select) != SQLITE_ROW)
        fail("bounds", sqlite3_errmsg(store));
    int size = sqlite3_column_bytes(select, 0);
    memcpy(bound, sqlite3_column_blob(select, 0), (size_t)(size < 64 ? size : 64));
    sqlite3_finalize(select);
    return size;
}

static struct bounds find_bounds(sqlite3 *store, const struct task *task)
{
    struct bounds bounds = {.index = 0};
    sqlite3_stmt *select = NULL;
    prepare(store, "SELECT index_id FROM index_definition WHERE index_name = ?1", &select);
    sqlite3_bind_text(select, 1, task->index, -1, SQLITE_STATIC);
    if (sqlite3_step(select) != SQLITE_ROW)
        fail(task->index, "there is no such index");
    bounds.index = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    if (task->to > 0) {
        bounds.from_size = find_bound(store, bounds.index, task->from, bounds.from);
        bounds.to_size = find_bound(store, bounds.index, task->to, bounds.to);
    }
    return bounds;
}

/* With bounds on the store's own tables. */
static struct sum run_sql(sqlite3 *database, const struct task *task, const struct bounds *bounds)
{
    struct sum sum = {.hash = UINT64_C(14695981039346656037)};
    sqlite3_stmt *select = NULL;
    int step;
    prepare(database, bounds ? task->own : task->sql, &select);
    if (bounds)
        sqlite3_bind_int64(select, 1, bounds->index);
    if (bounds && task->to > 0) {
        sqlite3_bind_blob(select, 2, bounds->from, bounds->from_size, SQLITE_STATIC);
        sqlite3_bind_blob(select, 3, bounds->to, bounds->to_size, SQLITE_STATIC);
    }
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
    double plain;
    double same;
    double tables; /* SQL on the store's own */
    struct sum sum;
};

static double time_sql(sqlite3 *database, const struct task *task, const struct bounds *bounds,
                       const struct sum *expected)
{
    double begun = now();
    struct sum sum = run_sql(database, task, bounds);
    double taken = now() - begun;
    if (sum.hash != expected->hash || sum.rows != expected->rows)
        fail(task->name, "the rows are not those that SQL gives");
    return taken;
}

static struct result measure(struct sfs_storage *store, const struct by_hand *by_hand,
                             const struct task *task)
{
    double own[ROUNDS_MAX], plain[ROUNDS_MAX], same[ROUNDS_MAX], tables[ROUNDS_MAX];
    struct result result = {.own = 0};
    struct bounds bounds = {.index = 0};
    if (by_hand && task->own)
        bounds = find_bounds(by_hand->own, task);
    for (unsigned i = 0; i < rounds; i++) {
        double begun = now();
        result.sum = run(store, task);
        own[i] = now() - begun;
        if (!by_hand)
            continue;
        plain[i] = time_sql(by_hand->plain, task, NULL, &result.sum);
        same[i] = time_sql(by_hand->same, task, NULL, &result.sum);
        tables[i] = task->own ? time_sql(by_hand->own, task, &bounds, &result.sum) : 0;
    }
    result.own = median(own);
    if (by_hand) {
        result.plain = median(plain);
        result.same = median(same);
        result.tables = median(tables);
    }
    return result;
}

static void measure_all(struct sfs_storage *store, const struct by_hand *by_hand, const char *what)
{
    printf("%s\n", what);
    for (size_t i = 0; i < TASKS; i++) {
        if (only && strncmp(tasks[i].name, only, strlen(only)) != 0)
            continue;
        struct result result = measure(store, by_hand, &tasks[i]);
        printf("  %-28s %8llu rows %10.3f ms", tasks[i].name, (unsigned long long)result.sum.rows,
               result.own);
        if (by_hand)
            printf("   SQL %10.3f ms ratio %5.2f   same pages %10.3f ms ratio %5.2f", result.plain,
                   result.own / result.plain, result.same, result.own / result.same);
        if (result.tables > 0)
            printf("   own tables %10.3f ms ratio %5.2f", result.tables,
                   result.own / result.tables);
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

/* The file of sqlite:FILE?OPTIONS. */
static const char *path_of(const char *place, char path[700])
{
    const char *begin = strchr(place, ':') ? strchr(place, ':') + 1 : place;
    snprintf(path, 700, "%.*s", (int)strcspn(begin, "?"), begin);
    return path;
}

static void bench(const char *uri)
{
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    struct by_hand by_hand = {NULL, NULL, NULL};
    uint64_t size = 0;
    char place[700], path[700];
    const char *at = strstr(uri, "DIRECTORY");
    snprintf(place, sizeof(place), "%.*s%s%s", at ? (int)(at - uri) : (int)strlen(uri), uri,
             at ? directory : "", at ? at + 9 : "");
    if (sfs_open(&store, place, SFS_OPEN_CREATE, &error) || sfs_size(store, &size, &error))
        fail(place, error.message);
    bool sqlite = !alone && strcmp(sfs_storage_name(store), "sqlite") == 0;
    if (size == 0)
        fill(store);
    printf("%s, %u documents, median of %u\n", uri, documents, rounds);
    if (!only)
        measure_all(store, NULL, "without indexes");
    bool indexes = size > 0 || make_indexes(store);
    if (sqlite)
        by_hand = open_by_hand(path_of(place, path), size == 0);
    if (indexes)
        measure_all(store, sqlite ? &by_hand : NULL, "with indexes");
    sqlite3_close(by_hand.plain);
    sqlite3_close(by_hand.same);
    sqlite3_close(by_hand.own);
    if (sfs_close(store, &error))
        fail(place, error.message);
}

static void make_directory(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/bench-query-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(directory))
        fail(directory, "cannot be made");
}

static void set_option(int option, const char *argument)
{
    if (option == 't') {
        only = argument;
        return;
    }
    if (option == 'n') {
        alone = true;
        return;
    }
    if (option == 'c') {
        clock_used = CLOCK_THREAD_CPUTIME_ID;
        return;
    }
    if (option == 'k') {
        kept = true;
        snprintf(directory, sizeof(directory), "%s", argument);
        return;
    }
    unsigned number = option == '?' ? 0 : (unsigned)strtoul(argument, NULL, 10);
    if (number == 0 || (option == 'r' && number > ROUNDS_MAX))
        fail("usage",
             "bench_query [-cn] [-d DOCUMENTS] [-r ROUNDS] [-t TASK] [-k DIRECTORY] [URI...]");
    *(option == 'd' ? &documents : &rounds) = number;
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "cnd:r:t:k:")) != -1)
        set_option(option, optarg);
    if (!kept)
        make_directory();
    if (optind == argc)
        bench("memory:");
    for (; optind < argc; optind++)
        bench(argv[optind]);
    char command[400];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return !kept && system(command) ? 1 : 0;
}
