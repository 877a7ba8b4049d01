/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * What is in the file: the tables, and how a file is told to be a store of ours.
 *
 * record   one row a name, and in `data` its value, where that has at most SFS_SQLITE_ROW_VALUE bytes
 *          and `content` is NULL. Else `content` is where the value lies. `begun` is the commit that
 *          put it there.
 * block    bytes by number: a whole value under 1 MiB, or one part of a larger one. Names and larger
 *          values are apart, so that renaming, listing and history do not touch these. (Both have a
 *          rowid: a table without one keeps whole rows in its key's tree, which makes that tree
 *          large.)
 * chunk    the parts of values from 1 MiB on (256 KiB each). A part is visible to versions v with
 *          begun <= v < ended, so that changing a byte adds one part and history shares the rest. A
 *          missing part, and what is behind the end of one's data, reads as zeros.
 * history  rows for names that a commit changed, with the record as it was before. For a lease at S
 *          the state of a name at S is in its first row with sequence > S, else in `record`; a row
 *          that is the first for no lease is not written, or is swept. It is the change feed too:
 *          after `whole` every change has its row.
 * lease    what snapshots and feeds still need, until it expires. `contents` 0, a feed: the rows of all
 *          changes after `sequence`; 1, a snapshot: the state at `sequence`; 2: every state from there on,
 *          for the young snapshots of one opening, which itself knows better. `owner` (owner.c) is the
 *          process that holds it, so that a dead one's can be removed.
 * garbage  contents (part -1) and parts that were a record's from the commit `since` on and until the
 *          commit `ended`; removed when no snapshot is in between. `ended` 0: nobody needs it. Large
 *          values are always removed through it, in bounded steps.
 * stage    contents on their way that no record refers to yet, and the process that writes them.
 * index_definition  one row an index (index.h). entry: one for each key and index, with the record's
 *          number, so that the record need not be looked up by its name.
 * state    one row of counters. `indexes`: the commit that last changed the set of indexes. `kept` and `kept_contents`: nobody needs what is before.
 *          `history_from` … `garbage_to`: the commits in between which something may be superfluous
 *          since leases ended; prune.c sweeps there.
 *
 * Numbers of contents and blocks come from one counter and are never used again, so a content is
 * either a block or a set of chunks, and `chunked` says which.
 */
/* clang-format on */
#include "backends/sqlite/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define APPLICATION_ID SFS_SQLITE_APPLICATION
#define SCHEMA_VERSION SFS_SQLITE_FORMAT
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* clang-format off */
#define VERSION_TEXT TEXT_OF(SCHEMA_VERSION)
#define RECORD_ATTRIBUTES                                                                          \
    "revision INTEGER, size INTEGER, content INTEGER, chunked INTEGER, kind INTEGER,"              \
    " type INTEGER, type_set INTEGER, mode INTEGER, uid INTEGER, gid INTEGER, device INTEGER,"     \
    " created INTEGER, accessed INTEGER, modified INTEGER, changed INTEGER, xattrs BLOB"

/* What format 2 added; 0 stands for "long ago". */
#define STATE_2(SEPARATOR)                                                                         \
    "whole INTEGER NOT NULL DEFAULT 0"                                                             \
    SEPARATOR "history_from INTEGER NOT NULL DEFAULT 0"                                            \
    SEPARATOR "history_to INTEGER NOT NULL DEFAULT 0"                                              \
    SEPARATOR "garbage_from INTEGER NOT NULL DEFAULT 0"                                            \
    SEPARATOR "garbage_to INTEGER NOT NULL DEFAULT 0"                                              \
    SEPARATOR "released INTEGER NOT NULL DEFAULT 0"                                                \
    SEPARATOR "indexes INTEGER NOT NULL DEFAULT 0"
#define BEGUN_2 "begun INTEGER NOT NULL DEFAULT 0"
#define SINCE_2 "since INTEGER NOT NULL DEFAULT 0"
#define OWNER_2 "owner TEXT"
/* (A table without a rowid is its own index.) */
#define INDEX_TABLES_2                                                                             \
    "CREATE TABLE index_definition(index_id INTEGER PRIMARY KEY, index_name TEXT NOT NULL,"        \
    " ready INTEGER, ended INTEGER, seen INTEGER NOT NULL DEFAULT 0,"                              \
    " entries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"                       \
    " inexact INTEGER NOT NULL DEFAULT 0, owner TEXT, expires INTEGER);"                           \
    "CREATE TABLE entry(index_id INTEGER, entry_key BLOB, entry_name BLOB,"                        \
    " record_id INTEGER NOT NULL, PRIMARY KEY(index_id, entry_key, entry_name)) WITHOUT ROWID;"

/* What format 3 added: the last of a row, so that nothing else lies behind a value. */
#define DATA_3 "data BLOB"
/* For people with sqlite3. A value of 1 MiB and more shows as NULL: it lies in parts. */
#define VIEW_3                                                                                     \
    "CREATE VIEW storage(key, value, type, created_at, updated_at) AS"                             \
    " SELECT CAST(name AS TEXT), CASE WHEN chunked THEN NULL WHEN size = 0 THEN ''"                \
    " WHEN type = 0 THEN whole ELSE CAST(whole AS TEXT) END,"                                      \
    " CASE type WHEN 0 THEN 'bytes' WHEN 1 THEN 'text' ELSE 'json' END,"                           \
    " created / 1000000, modified / 1000000"                                                       \
    " FROM (SELECT name, size, chunked, type, created, modified, CASE WHEN content IS NULL"        \
    " THEN data ELSE (SELECT block.data FROM block WHERE block = content) END AS whole"            \
    " FROM record WHERE kind = 0);"

static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('created_by', 'storefs'), ('schema', '" VERSION_TEXT "');"
    "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 0), sequence INTEGER NOT NULL,"
    " last_id INTEGER NOT NULL, last_content INTEGER NOT NULL, last_lease INTEGER NOT NULL,"
    " keys INTEGER NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " kept INTEGER NOT NULL, kept_contents INTEGER NOT NULL, " STATE_2(", ") ");"
    "INSERT INTO state(id, sequence, last_id, last_content, last_lease, keys, records, bytes,"
    " kept, kept_contents) VALUES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);"
    "CREATE TABLE record(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, " RECORD_ATTRIBUTES
    ", " BEGUN_2 ", " DATA_3 ");"
    "CREATE TABLE block(block INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE chunk(content INTEGER, part INTEGER, begun INTEGER, ended INTEGER NOT NULL,"
    " block INTEGER NOT NULL, PRIMARY KEY(content, part, begun)) WITHOUT ROWID;"
    "CREATE TABLE history(sequence INTEGER NOT NULL, name BLOB NOT NULL,"
    " existed INTEGER NOT NULL, id INTEGER, " RECORD_ATTRIBUTES ", " DATA_3
    ", PRIMARY KEY(sequence, name)) WITHOUT ROWID;"
    "CREATE INDEX history_name ON history(name);"
    "CREATE TABLE lease(lease INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,"
    " contents INTEGER NOT NULL, expires INTEGER NOT NULL, " OWNER_2 ");"
    "CREATE TABLE garbage(ended INTEGER, content INTEGER, part INTEGER, begun INTEGER, " SINCE_2
    ", PRIMARY KEY(ended, content, part, begun)) WITHOUT ROWID;"
    "CREATE TABLE stage(content INTEGER PRIMARY KEY, expires INTEGER NOT NULL, " OWNER_2 ");"
    INDEX_TABLES_2 VIEW_3
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";"
    "PRAGMA user_version = " VERSION_TEXT ";";

/*
 * What makes a file of version 1 one of version 2. Contents that are there count as if they had
 * always been, which keeps them for longer than they are needed and never for less. History was
 * written for every change while there was a lease; one sweep finds what of it nobody needs.
 */
static const char upgrade_from_1[] =
    "ALTER TABLE state ADD COLUMN " STATE_2("; ALTER TABLE state ADD COLUMN ") ";"
    "ALTER TABLE record ADD COLUMN " BEGUN_2 ";"
    "ALTER TABLE garbage ADD COLUMN " SINCE_2 ";"
    "ALTER TABLE lease ADD COLUMN " OWNER_2 ";"
    "ALTER TABLE stage ADD COLUMN " OWNER_2 ";" INDEX_TABLES_2
    "UPDATE state SET whole = kept, history_from = kept, history_to = sequence,"
    " garbage_from = kept_contents, garbage_to = sequence;";

/* And one of version 2 one of version 3. Small values stay in their blocks until they are next
 * written, so that no record is touched. */
static const char upgrade_from_2[] =
    "ALTER TABLE record ADD COLUMN " DATA_3 ";"
    "ALTER TABLE history ADD COLUMN " DATA_3 ";"
    "DROP VIEW storage;" VIEW_3
    "UPDATE meta SET value = '" VERSION_TEXT "' WHERE name = 'schema';"
    "PRAGMA user_version = " VERSION_TEXT ";";

/* Where it is another process that does that, the tables' own column is the first of its name. */
static const char stand_ins[] =
    "CREATE TEMP VIEW record AS SELECT *, NULL AS data FROM main.record;"
    "CREATE TEMP VIEW history AS SELECT *, NULL AS data FROM main.history;";
/* clang-format on */

static int integer_of(struct sfs_sqlite_connection *connection, const char *sql, int64_t *ret,
                      struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int result = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail(connection, result, "read the head", error);
    int code = sfs_sqlite_step(connection, statement, error);
    if (code == 1) {
        *ret = sqlite3_column_int64(statement, 0);
        code = 0;
    }
    sqlite3_finalize(statement);
    return code;
}

static int check_state(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int64_t totals[3]; /* which every format has */
    int code = sfs_sqlite_integers(connection, SFS_SQL_TOTALS, NULL, 0, totals, 3, error);
    if (code == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: it has no counters", connection->store->path);
    return code;
}

int sfs_sqlite_schema_check(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    const char *path = connection->store->path;
    int64_t application = 0, version = 0, objects = 0;
    int code = integer_of(connection, "PRAGMA application_id", &application, error);
    if (code == 0)
        code = integer_of(connection, "PRAGMA user_version", &version, error);
    if (code == 0)
        code = integer_of(connection, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (code != 0)
        return code;
    if (application == 0 && version == 0 && objects == 0)
        return 0;
    if (application != APPLICATION_ID)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN,
                        "%s is no store: it is another program's SQLite database", path);
    if (version > SCHEMA_VERSION)
        return sfs_fail(error, SFS_E_TOO_NEW, SFS_SQLITE_ORIGIN,
                        "%s was written by a newer version: its format is %lld, and this version "
                        "reads up to %d",
                        path, (long long)version, SCHEMA_VERSION);
    connection->store->version = (int)version;
    /* Who only reads the present can do without counters. */
    code = connection == connection->store->writer ? check_state(connection, error) : 0;
    return code < 0 ? code : 1;
}

/* Under the lock: somebody else may just have done it. */
static int upgrade(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int code = sfs_sqlite_schema_check(connection, error);
    if (code != 1 || connection->store->version >= SCHEMA_VERSION)
        return code < 0 ? code : 0;
    code = connection->store->version < SFS_SQLITE_INDEXES_SINCE
               ? sfs_sqlite_execute(connection, upgrade_from_1, error)
               : 0;
    return code ? code : sfs_sqlite_execute(connection, upgrade_from_2, error);
}

/* A `work` and its end in a transaction that has no counters yet. */
static int in_transaction(struct sfs_sqlite_connection *connection,
                          int (*work)(struct sfs_sqlite_connection *connection,
                                      struct sfs_error *error),
                          struct sfs_error *error)
{
    int code = sfs_sqlite_execute(connection, "BEGIN IMMEDIATE", error);
    if (code != 0)
        return code;
    code = work(connection, error);
    if (code == 0)
        code = sfs_sqlite_execute(connection, "COMMIT", error);
    if (code != 0 && !sqlite3_get_autocommit(connection->db))
        sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

int sfs_sqlite_schema_upgrade(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    if (connection->store->version >= SCHEMA_VERSION)
        return 0;
    int code = in_transaction(connection, upgrade, error);
    if (code == 0)
        connection->store->version = SCHEMA_VERSION;
    return code;
}

bool sfs_sqlite_schema_is_old(const struct sfs_sqlite *store)
{
    return store->version < SCHEMA_VERSION;
}

int sfs_sqlite_schema_adapt(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    bool old = connection->store->version > 0 && sfs_sqlite_schema_is_old(connection->store);
    return old ? sfs_sqlite_execute(connection, stand_ins, error) : 0;
}

static int create(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int code = sfs_sqlite_schema_check(connection, error);
    if (code != 0)
        return code < 0 ? code : 0;
    connection->store->version = SCHEMA_VERSION;
    return sfs_sqlite_execute(connection, schema, error);
}

int sfs_sqlite_schema_create(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    return in_transaction(connection, create, error);
}

/* --- before SQLite sees the file --- */

static uint32_t big_endian(const unsigned char *data, size_t size)
{
    uint32_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | data[i];
    return number;
}

/* Pages may still be in the write-ahead log alone: then the file's length says nothing. While there
 * is a rollback journal (a crash when the store was made) nothing in the file does. */
static bool has_log(const char *path, const char *ending)
{
    char name[4096 + 16];
    struct stat status;
    snprintf(name, sizeof(name), "%s%s", path, ending);
    return stat(name, &status) == 0 && status.st_size > 0;
}

/* The order matters: a checkpoint first makes the file longer and then empties the log. */
static int check_length(sqlite3_file *file, const char *path, const unsigned char *head,
                        struct sfs_error *error)
{
    uint32_t page = big_endian(head + 16, 2);
    int64_t expected = (int64_t)(page == 1 ? 65536 : page) * big_endian(head + 28, 4);
    sqlite3_int64 size = 0;
    if (has_log(path, "-wal"))
        return 0;
    int result = file->pMethods->xFileSize(file, &size);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail_at(NULL, path, result, "read the head", error);
    if (size >= expected)
        return 0;
    return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                    "%s is damaged: it is cut off at %lld of %lld bytes; restore a backup", path,
                    (long long)size, (long long)expected);
}

int sfs_sqlite_file_check(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    static const char magic[16] = "SQLite format 3";
    const char *path = connection->store->path;
    unsigned char head[100] = {0};
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int result = sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (result == SQLITE_OK)
        result = file->pMethods->xFileSize(file, &size);
    if (result == SQLITE_OK && size == 0)
        return 0;
    if (result == SQLITE_OK)
        result = file->pMethods->xRead(file, head, size < 100 ? (int)size : 100, 0);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail(connection, result, "read the head", error);
    if (has_log(path, "-journal"))
        return 0;
    if (memcmp(head, magic, size < 16 ? (size_t)size : sizeof(magic)) != 0)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN,
                        "%s is no store: it is another program's file, no SQLite database (a JSON "
                        "store is named json:PATH)",
                        path);
    if (size < 100)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: it is cut off at %lld bytes; restore a backup", path,
                        (long long)size);
    return check_length(file, path, head, error);
}
