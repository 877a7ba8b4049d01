/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for the rows of SQLite stores. The input describes changes of a small store that
 * has rows in every table: rows are deleted, and copied with other values in some columns, in place
 * of the old ones or beside them. SQLite itself makes all changes, so the file is a sound database
 * of rows that storefs may never have written.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/use.h"

#define FILE_NAME "store.sqlite"
#define URI "sqlite:" FILE_NAME
#define SEED "seed.sqlite"
#define TABLES_MOST 16
#define COLUMNS_MOST 32
#define CHANGES_MOST 12
#define ZEROS_MOST (3 << 20) /* bytes of the largest value */

struct table {
    char name[32];
    unsigned count;
    char columns[COLUMNS_MOST][32];
};
static struct table tables[TABLES_MOST];
static unsigned table_count;
static struct sfs_buffer seed;

/* --- the store that is changed --- */

static void run(sqlite3 *db, const char *sql)
{
    require(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static void set(struct sfs_storage *store, const char *key, const char *value)
{
    require(sfs_set(store, sfs_string(key), sfs_string(value), NULL) == 0);
}

/* A value in parts with holes between them. */
static void set_large(struct sfs_storage *store, const char *text)
{
    struct sfs_batch *batch;
    require(sfs_batch_new(&batch, NULL) == 0);
    require(sfs_batch_put(batch, SFS_LITERAL("large"), sfs_string(text), NULL, 0, NULL) == 0);
    require(sfs_batch_write(batch, SFS_LITERAL("large"), 700000, sfs_string(text), NULL) == 0);
    require(sfs_batch_write(batch, SFS_LITERAL("large"), 1200000, sfs_string(text), NULL) == 0);
    require(sfs_apply(store, batch, NULL, NULL, NULL) == 0);
    sfs_batch_free(batch);
}

static void fill(struct sfs_storage *store, const char *text)
{
    static char middle[5000];
    memset(middle, text[0], sizeof(middle) - 1);
    set_large(store, text);
    set(store, "middle", middle);
    set(store, "d/1", "{\"n\":1}");
    set(store, "d/2", "{\"n\":2,\"m\":\"x\"}");
    set(store, "d/3", text);
}

/* While a snapshot is open, a value is being staged, and old values wait to be removed. */
static void make_seed(void)
{
    struct sfs_storage *store, *snapshot;
    struct sfs_stage *stage;
    sqlite3 *db;
    require(sfs_open(&store, URI, SFS_OPEN_CREATE, NULL) == 0);
    fill(store, "one");
    require(sfs_index_create(store, SFS_LITERAL("n"), NULL, NULL, NULL) == 0);
    require(sfs_index_create(store, SFS_LITERAL("unique:m"), NULL, NULL, NULL) == 0);
    require(sfs_snapshot(store, 60000, &snapshot, NULL) == 0);
    fill(store, "two");
    require(sfs_delete(store, SFS_LITERAL("d/2"), NULL) == 1);
    require(sfs_stage_open(store, &stage, NULL) == 0);
    require(sfs_stage_write(stage, 2400000, SFS_LITERAL("staged"), NULL) == 0);
    require(sqlite3_open(FILE_NAME, &db) == SQLITE_OK);
    run(db, "VACUUM INTO '" SEED "'");
    sqlite3_close(db);
    sfs_stage_close(stage);
    require(sfs_close(snapshot, NULL) == 0 && sfs_close(store, NULL) == 0);
}

static void read_seed(void)
{
    struct stat status;
    int fd = open(SEED, O_RDONLY | O_CLOEXEC);
    require(fd >= 0 && fstat(fd, &status) == 0);
    require(sfs_buffer_reserve(&seed, (size_t)status.st_size) == 0);
    require(read(fd, seed.data, (size_t)status.st_size) == status.st_size);
    seed.size = (size_t)status.st_size;
    close(fd);
}

static void read_tables(void)
{
    sqlite3 *db;
    sqlite3_stmt *columns;
    require(sqlite3_open(SEED, &db) == SQLITE_OK);
    require(sqlite3_prepare_v2(db,
                               "SELECT t.name, c.name FROM sqlite_schema t"
                               " JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
                               -1, &columns, NULL) == SQLITE_OK);
    while (sqlite3_step(columns) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(columns, 0);
        struct table *table = table_count ? &tables[table_count - 1] : NULL;
        if (!table || strcmp(table->name, name) != 0) {
            require(table_count < TABLES_MOST);
            table = &tables[table_count++];
            snprintf(table->name, sizeof(table->name), "%s", name);
        }
        require(table->count < COLUMNS_MOST);
        snprintf(table->columns[table->count++], sizeof(table->columns[0]), "%s",
                 (const char *)sqlite3_column_text(columns, 1));
    }
    sqlite3_finalize(columns);
    sqlite3_close(db);
    require(table_count >= 10);
}

/* --- changes --- */

static void bind_value(struct input *input, sqlite3_stmt *statement, int at)
{
    static const double reals[] = {0.5, -1.0, 1e300, -1e-300, 9223372036854775808.0};
    uint8_t kind = input_byte(input);
    struct sfs_bytes text;
    switch (kind % 8) {
    case 0:
        sqlite3_bind_null(statement, at);
        return;
    case 1:
        sqlite3_bind_double(statement, at, reals[input_byte(input) % 5]);
        return;
    case 2:
        text = input_text(input);
        sqlite3_bind_text(statement, at, text.data, (int)text.size, SQLITE_TRANSIENT);
        return;
    case 3:
        text = input_text(input);
        sqlite3_bind_blob(statement, at, text.data, (int)text.size, SQLITE_TRANSIENT);
        return;
    case 4:
        sqlite3_bind_zeroblob(statement, at, (int)(input_number(input) % ZEROS_MOST));
        return;
    default:
        sqlite3_bind_int64(statement, at, (sqlite3_int64)input_number(input));
    }
}

/* What two columns hold in a copy of a row; COLUMNS_MOST: the row's own. */
static void print_columns(struct sfs_buffer *sql, const struct table *table,
                          const unsigned changed[2])
{
    for (unsigned i = 0; i < table->count; i++)
        require(sfs_buffer_printf(sql,
                                  i == changed[0]   ? "%s?1"
                                  : i == changed[1] ? "%s?2"
                                                    : "%s%s",
                                  i ? ", " : " ", table->columns[i]) == 0);
}

static void change_row(sqlite3 *db, struct input *input)
{
    uint8_t what = input_byte(input), row = input_byte(input);
    const struct table *table = &tables[what % table_count];
    const unsigned changed[2] = {input_byte(input) % table->count,
                                 what & 128 ? input_byte(input) % table->count : COLUMNS_MOST};
    struct sfs_buffer sql = {0};
    sqlite3_stmt *statement = NULL;
    if ((what & 127) > 120)
        require(sfs_buffer_printf(&sql, "DELETE FROM %s WHERE %s IS ?1 OR ?3 = 0", table->name,
                                  table->columns[changed[0]]) == 0);
    else
        require(sfs_buffer_printf(&sql, "INSERT OR REPLACE INTO %s SELECT", table->name) == 0);
    if (sql.data[0] == 'I') {
        print_columns(&sql, table, changed);
        require(sfs_buffer_printf(&sql, " FROM %s LIMIT %d OFFSET ?3", table->name,
                                  row > 250 ? 8 : 1) == 0);
    }
    require(sfs_buffer_text(&sql) == 0);
    require(sqlite3_prepare_v2(db, sql.data, -1, &statement, NULL) == SQLITE_OK);
    bind_value(input, statement, 1);
    if (changed[1] < COLUMNS_MOST)
        bind_value(input, statement, 2);
    sqlite3_bind_int64(statement, 3, row % 16);
    (void)sqlite3_step(statement); /* what the table's own rules refuse cannot be in a file */
    sqlite3_finalize(statement);
    sfs_buffer_free(&sql);
}

static void make_store(struct input *input)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    char name[64];
    sqlite3 *db;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(name, sizeof(name), FILE_NAME "%s", ends[i]);
        (void)unlink(name);
    }
    fuzz_write_file(FILE_NAME, sfs_buffer_bytes(&seed));
    require(sqlite3_open(FILE_NAME, &db) == SQLITE_OK);
    run(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;"
            "PRAGMA ignore_check_constraints = ON; BEGIN");
    for (unsigned i = 0; i < CHANGES_MOST && input->left > 0; i++)
        change_row(db, input);
    run(db, "COMMIT");
    sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    if (fuzz_enter()) {
        make_seed();
        read_seed();
        read_tables();
    }
    make_store(&input);
    fuzz_use(URI);
    return fuzz_leave();
}
