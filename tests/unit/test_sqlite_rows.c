/* SPDX-License-Identifier: MIT */
/*
 * A SQLite store whose rows somebody else has written: each column of each table in turn holds what
 * storefs never writes there, and rows contradict one another. Whoever opens, reads, changes or
 * checks it gets an answer or an error with a sentence, in bounded time and memory.
 */
#include <time.h>

#include "storefs/builder.h"
#include "storefs/index.h"
#include "tests/unit/sqlite_fixture.h"

#define LARGE 1200000
#define SLOW_SECONDS 20

static void fill(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    char *large = malloc(LARGE);
    assert_non_null(large);
    memset(large, 'v', LARGE);
    must(sfs_set(store, SFS_LITERAL("large"), sfs_bytes(large, LARGE), &error), &error);
    must(sfs_set(store, SFS_LITERAL("middle"), sfs_bytes(large, 5000), &error), &error);
    free(large);
    set(store, "d/1", "{\"n\":1}");
    set(store, "d/2", "{\"n\":2}");
}

static void run_sql(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

/* A copy with rows in every table: taken while a snapshot is open and a stage is written. */
static void make_seed(const struct fixture *fixture, const char *seed)
{
    struct sfs_error error = {0};
    struct sfs_storage *snapshot = NULL;
    struct sfs_stage *stage = NULL;
    sqlite3 *db = NULL;
    char sql[200];
    fill(fixture->store);
    must(sfs_index_create(fixture->store, SFS_LITERAL("n"), NULL, NULL, &error), &error);
    must(sfs_snapshot(fixture->store, 60000, &snapshot, &error), &error);
    set(fixture->store, "d/1", "{\"n\":3}");
    set(fixture->store, "large", "now small");
    fill(fixture->store);
    must(sfs_delete(fixture->store, SFS_LITERAL("d/2"), &error), &error);
    must(sfs_stage_open(fixture->store, &stage, &error), &error);
    must(sfs_stage_write(stage, 2 * LARGE, SFS_LITERAL("staged"), &error), &error);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", seed);
    run_sql(db, sql);
    sqlite3_close(db);
    sfs_stage_close(stage);
    close_store(snapshot);
}

static void expect_answer(int code, const struct sfs_error *error, const char *what)
{
    if (code < 0 && error->message[0] == '\0')
        fail_msg("%s: %s without a sentence", what, sfs_code_name(code));
}

static int read_all(struct sfs_storage *store, unsigned want, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int code = sfs_scan(store, (struct sfs_range){0}, want, &cursor, error);
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1)
        continue;
    sfs_cursor_close(cursor);
    return code;
}

static int read_parts(struct sfs_storage *store, const char *key, struct sfs_error *error)
{
    static char piece[300000];
    struct sfs_extent extent;
    size_t got = 1;
    int code = 0;
    for (uint64_t at = 0; code == 0 && got > 0 && at < 2 * LARGE; at += got)
        code = sfs_read(store, sfs_string(key), 0, at, piece, sizeof(piece), &got, error);
    return code ? code : sfs_data(store, sfs_string(key), 100, &extent, error);
}

static int run_query(struct sfs_storage *store, bool sorted, struct sfs_error *error)
{
    struct sfs_query *query = NULL;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int code = sfs_query_new(&query, error);
    if (code == 0)
        code = sorted ? sfs_order(query, sfs_sorts("n"), error)
                      : sfs_where(query, sfs_ge("n", 1), error);
    if (code == 0)
        code = sfs_query_run(store, query, &cursor, error);
    while (code >= 0 && (code = sfs_cursor_next(cursor, &record, error)) == 1)
        continue;
    sfs_cursor_close(cursor);
    sfs_query_free(query);
    return code;
}

static int use_snapshot(struct sfs_storage *store, struct sfs_error *error)
{
    struct sfs_storage *snapshot = NULL;
    int code = sfs_snapshot(store, 0, &snapshot, error);
    if (code == 0)
        code = sfs_delete(store, SFS_LITERAL("middle"), error);
    if (code == 0)
        code = read_all(snapshot, SFS_WANT_VALUE, error);
    if (snapshot)
        (void)sfs_close(snapshot, NULL);
    return code;
}

static int check(struct sfs_storage *store, bool repair, struct sfs_error *error)
{
    uint64_t found = 0, repaired = 0;
    return sfs_check(store, repair, NULL, NULL, &found, &repaired, error);
}

/* In the middle, and so only these parts of the values. */
static int change_parts(struct sfs_storage *store, struct sfs_error *error)
{
    static const char *const keys[] = {"large", "middle"};
    struct sfs_batch *batch = new_batch();
    int code = 0;
    for (size_t i = 0; i < 2 && code == 0; i++) {
        code = sfs_batch_write(batch, sfs_string(keys[i]), 1000, SFS_LITERAL("part"), error);
        if (code == 0)
            code = sfs_batch_append(batch, sfs_string(keys[i]), SFS_LITERAL("end"), error);
    }
    if (code == 0)
        code = sfs_apply(store, batch, NULL, NULL, error);
    sfs_batch_free(batch);
    return code;
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        struct sfs_error error = {0};                                                              \
        expect_answer(call, &error, #call);                                                        \
    } while (0)

static void use(struct sfs_storage *store)
{
    static const char *const keys[] = {"large", "middle", "d/1", "d/2", "absent"};
    TRY(read_all(store, SFS_WANT_RECORD, &error));
    TRY(read_all(store, SFS_WANT_VALUE, &error));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct sfs_buffer value = {0};
        TRY(sfs_get_value(store, sfs_string(keys[i]), &value, &error));
        TRY(read_parts(store, keys[i], &error));
        sfs_buffer_free(&value);
    }
    TRY(run_query(store, false, &error));
    TRY(run_query(store, true, &error));
    TRY(check(store, false, &error));
    TRY(change_parts(store, &error));
    TRY(use_snapshot(store, &error));
    TRY(sfs_set(store, SFS_LITERAL("d/1"), SFS_LITERAL("{\"n\":9}"), &error));
    TRY(sfs_set(store, SFS_LITERAL("large"), SFS_LITERAL("1"), &error));
    TRY(check(store, true, &error));
}

static void copy_seed(const struct fixture *fixture, const char *seed)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    static char bytes[8 << 20];
    char path[120];
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", fixture->path, ends[i]);
        unlink(path);
    }
    FILE *from = fopen(seed, "re"), *to = fopen(fixture->path, "we");
    assert_true(from && to);
    size_t size = fread(bytes, 1, sizeof(bytes), from);
    assert_in_range(size, 1, sizeof(bytes) - 1);
    assert_int_equal(fwrite(bytes, 1, size, to), size);
    assert_int_equal(fclose(to), 0);
    fclose(from);
}

/* One changed copy: opened and used, for reading, for writing, and salvaged. */
static void meet(struct fixture *fixture, const char *seed, const char *sql)
{
    struct timespec begin, end;
    sqlite3 *db = NULL;
    copy_seed(fixture, seed);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    run_sql(db, "PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON");
    /* What the tables' own rules refuse cannot be in a file. */
    (void)sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < 2; i++) {
        struct sfs_storage *store = NULL;
        struct sfs_error error = {0};
        char uri[160];
        snprintf(uri, sizeof(uri), "sqlite:%s", fixture->path);
        int code = sfs_open(&store, uri, i == 0 ? SFS_OPEN_READ_ONLY : 0, &error);
        expect_answer(code, &error, sql);
        if (code == 0)
            use(store);
        if (store)
            (void)sfs_close(store, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (end.tv_sec - begin.tv_sec > SLOW_SECONDS)
        fail_msg("%s: %ld s", sql, (long)(end.tv_sec - begin.tv_sec));
}

static void test_columns(void **state)
{
    /* Each column in turn takes the next two, and in a full run all. */
    static const char *const values[] = {
        "NULL", "-1", "9223372036854775807", "'x'", "3", "-9223372036854775808", "zeroblob(70000)"};
    enum { VALUES = sizeof(values) / sizeof(values[0]) };
    const char *scale = getenv("STOREFS_TEST_SCALE");
    const bool full = scale && strcmp(scale, "full") == 0;
    const size_t used = full ? VALUES : 2;
    struct fixture *fixture = *state;
    sqlite3 *db = NULL;
    sqlite3_stmt *columns = NULL;
    char seed[120], sql[400];
    unsigned cases = 0;
    snprintf(seed, sizeof(seed), "%s/seed", fixture->directory);
    make_seed(fixture, seed);
    close_store(fixture->store);
    fixture->store = NULL;
    assert_int_equal(sqlite3_open(seed, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db,
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c"
            " WHERE t.type = 'table'",
            -1, &columns, NULL),
        SQLITE_OK);
    while (sqlite3_step(columns) == SQLITE_ROW) {
        for (size_t i = 0; i < used; i++, cases++) {
            const char *value = values[(full ? i : cases) % VALUES];
            snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %s SET %s = %s",
                     (const char *)sqlite3_column_text(columns, 0),
                     (const char *)sqlite3_column_text(columns, 1), value);
            meet(fixture, seed, sql);
        }
    }
    sqlite3_finalize(columns);
    sqlite3_close(db);
    assert_true(cases > 150);
}

static void test_contradictions(void **state)
{
    static const char *const changes[] = {
        "INSERT INTO chunk SELECT content, part, begun - 1, ended, block FROM chunk",
        "INSERT INTO chunk SELECT content, part + 9223372036854775000, begun, ended, block FROM "
        "chunk",
        "UPDATE chunk SET block = (SELECT min(block) FROM block)",
        "UPDATE record SET content = (SELECT max(content) FROM record)",
        "UPDATE record SET content = id, chunked = 1",
        "UPDATE record SET size = 1099511627776 WHERE chunked",
        "UPDATE record SET content = NULL",
        "UPDATE record SET content = NULL, data = NULL, chunked = 1",
        "UPDATE record SET content = -content WHERE chunked",
        "UPDATE record SET name = name || x'00'",
        "UPDATE record SET name = x'2f2f' || name",
        "UPDATE entry SET record_id = -record_id",
        "UPDATE entry SET entry_name = x'ff' || entry_name",
        "UPDATE entry SET entry_key = x'ffff' || entry_key",
        "UPDATE entry SET begun = ended",
        "UPDATE OR REPLACE entry SET ended = begun",
        "INSERT OR REPLACE INTO entry SELECT index_id, entry_key, entry_name, ended - 1, begun,"
        " record_id FROM entry",
        "UPDATE record SET expires = 'x'",
        "UPDATE history SET sequence = -sequence",
        "UPDATE history SET existed = 1, content = 99, chunked = 1, size = 5",
        "UPDATE state SET last_content = 1, last_id = 1, sequence = 1",
        "UPDATE record SET revision = x'00'",
        "INSERT INTO garbage(ended, content, part, begun) SELECT 0, content, -1, 0 FROM record "
        "WHERE content",
        "INSERT OR IGNORE INTO stage SELECT content, 0, 'x' FROM record WHERE content",
        "DELETE FROM block",
        "DELETE FROM state",
        "DELETE FROM meta",
        "DELETE FROM index_definition",
        "INSERT INTO index_definition(index_id, index_name) SELECT index_id + 1, index_name FROM "
        "index_definition",
    };
    struct fixture *fixture = *state;
    char seed[120];
    snprintf(seed, sizeof(seed), "%s/seed", fixture->directory);
    make_seed(fixture, seed);
    close_store(fixture->store);
    fixture->store = NULL;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        meet(fixture, seed, changes[i]);
}

/* Rows of what is to be removed whose numbers are none go too, and are not tried for ever. */
static void test_odd_garbage(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    run_in(fixture, "INSERT INTO garbage(ended, content, part, begun) VALUES(0, 7, -5, 0),"
                    " (0, 'x', -1, 0), (0, 8, 1.5, 'y'), (0.5, 9, -1, 0), (0, 10, -1, x'00');"
                    "INSERT INTO chunk VALUES(9, 'p', 0.5, 9223372036854775807, 70),"
                    " (9, 1.5, 0, 9223372036854775807, 71)");
    for (int i = 0; i < 20; i++)
        set(fixture->store, "a", i % 2 ? "1" : "2");
    must(sfs_check(fixture->store, true, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM garbage"), 0);
    assert_int_equal(number_in(fixture, "SELECT count(*) FROM chunk"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_contradictions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_garbage, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
