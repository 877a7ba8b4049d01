/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * What is in the file: the tables, and how a file is told to be a store of ours.
 *
 * record   one row a name, and in `data` its value, where that has at most SFS_SQLITE_ROW_VALUE
 *          bytes and `content` is NULL. Else `content` is where the value lies. `begun` is the
 *          commit that put it there. `expires`, in milliseconds since the epoch or NULL: nothing
 *          sets it yet; whatever changes or copies the row keeps it.
 * block    bytes by number: a whole value under 1 MiB, or one part of a larger one. Names and
 *          larger values are apart, so that renaming, listing and history do not touch these.
 *          (Both have a rowid: a table without one keeps whole rows in its key's tree, which
 *          makes that tree large.)
 * chunk    the parts of values from 1 MiB on (256 KiB each). A part is visible to versions v with
 *          begun <= v < ended, so that changing a byte adds one part and history shares the rest.
 *          A missing part, and what is behind the end of one's data, reads as zeros.
 * history  rows for names that a commit changed, with the record as it was before. For a lease at
 *          S the state of a name at S is in its first row with sequence > S, else in `record`; a
 *          row that cannot be the first for any lease is not written, and one that is before all
 *          of them is removed. It is the change feed too: after `whole` every change has its row.
 * lease    what snapshots and feeds still need, until it expires. `contents` 0, a feed: the rows
 *          of all changes after `sequence`; 1, the snapshots of one opening: every state from
 *          `sequence` on, unless the opening itself knows better. `owner` (owner.c) is the process
 *          that holds it, so that a dead one's can be removed.
 * garbage  contents (part -1) and parts that were a record's until the commit `ended`; removed when
 *          no snapshot is older. `ended` 0: nobody needs it. Large values are always removed
 *          through it, in bounded steps.
 * stage    contents on their way that no record refers to yet, and the process that writes them.
 * index_definition  one row an index (index.h). entry: one for each key and index, with the
 *          record's number, so that the record need not be looked up by its name; visible to
 *          versions v with begun <= v < ended, as parts are. entry_ended has only those that are
 *          not current.
 * state    one row of counters. `indexes`: the commit that last changed the set of indexes.
 *          `kept`: no snapshot is older; what is before it and `whole` nobody needs.
 *
 * Numbers of contents and blocks come from one counter and are never used again, so a content is
 * either a block or a set of chunks, and `chunked` says which.
 */
/* clang-format on */
#include "backends/sqlite/sharing.h"

#include <string.h>

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

/* For people with sqlite3. A value of 1 MiB and more shows as NULL: it lies in parts. */
#define VIEW                                                                                       \
    "CREATE VIEW storage(key, value, type, created_at, updated_at) AS"                             \
    " SELECT CAST(name AS TEXT), CASE WHEN chunked THEN NULL WHEN size = 0 THEN ''"                \
    " WHEN type = 0 THEN whole ELSE CAST(whole AS TEXT) END,"                                      \
    " CASE type WHEN 0 THEN 'bytes' WHEN 1 THEN 'text' ELSE 'json' END,"                           \
    " created / 1000000, modified / 1000000"                                                       \
    " FROM (SELECT name, size, chunked, type, created, modified, CASE WHEN content IS NULL"        \
    " THEN data ELSE (SELECT block.data FROM block WHERE block = content) END AS whole"            \
    " FROM record WHERE kind = 0)"

/* All that a file of ours may contain: each row of its sqlite_schema is one of these, letter for
 * letter. */
static const struct object {
    const char *type, *name, *table;
    const char *sql; /* NULL: comes with its table */
} objects[] = {
    {"table", "meta", "meta", "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"},
    {"table", "state", "state",
     "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 0), sequence INTEGER NOT NULL,"
     " last_id INTEGER NOT NULL, last_content INTEGER NOT NULL, last_lease INTEGER NOT NULL,"
     " keys INTEGER NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL,"
     " kept INTEGER NOT NULL, whole INTEGER NOT NULL, indexes INTEGER NOT NULL DEFAULT 0)"},
    {"table", "record", "record",
     "CREATE TABLE record(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, " RECORD_ATTRIBUTES
     ", begun INTEGER NOT NULL DEFAULT 0, data BLOB, expires INTEGER)"},
    {"index", "sqlite_autoindex_record_1", "record", NULL},
    {"table", "block", "block",
     "CREATE TABLE block(block INTEGER PRIMARY KEY, data BLOB NOT NULL)"},
    {"table", "chunk", "chunk",
     "CREATE TABLE chunk(content INTEGER, part INTEGER, begun INTEGER, ended INTEGER NOT NULL,"
     " block INTEGER NOT NULL, PRIMARY KEY(content, part, begun)) WITHOUT ROWID"},
    {"table", "history", "history",
     "CREATE TABLE history(sequence INTEGER NOT NULL, name BLOB NOT NULL,"
     " existed INTEGER NOT NULL, id INTEGER, " RECORD_ATTRIBUTES
     ", data BLOB, expires INTEGER, PRIMARY KEY(sequence, name)) WITHOUT ROWID"},
    {"index", "history_name", "history", "CREATE INDEX history_name ON history(name)"},
    {"table", "lease", "lease",
     "CREATE TABLE lease(lease INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,"
     " contents INTEGER NOT NULL, expires INTEGER NOT NULL, owner TEXT)"},
    {"table", "garbage", "garbage",
     "CREATE TABLE garbage(ended INTEGER, content INTEGER, part INTEGER, begun INTEGER,"
     " PRIMARY KEY(ended, content, part, begun)) WITHOUT ROWID"},
    {"table", "stage", "stage",
     "CREATE TABLE stage(content INTEGER PRIMARY KEY, expires INTEGER NOT NULL, owner TEXT)"},
    {"table", "index_definition", "index_definition",
     "CREATE TABLE index_definition(index_id INTEGER PRIMARY KEY, index_name TEXT NOT NULL,"
     " ready INTEGER, ended INTEGER, seen INTEGER NOT NULL DEFAULT 0,"
     " entries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
     " inexact INTEGER NOT NULL DEFAULT 0, owner TEXT, expires INTEGER)"},
    {"table", "entry", "entry",
     "CREATE TABLE entry(index_id INTEGER, entry_key BLOB, entry_name BLOB, ended INTEGER,"
     " begun INTEGER NOT NULL, record_id INTEGER NOT NULL,"
     " PRIMARY KEY(index_id, entry_key, entry_name, ended)) WITHOUT ROWID"},
    {"index", "entry_ended", "entry",
     "CREATE INDEX entry_ended ON entry(ended) WHERE ended < 9223372036854775807"},
    {"view", "storage", "storage", VIEW},
};
#define OBJECTS (sizeof(objects) / sizeof(objects[0]))

static const char rows[] =
    "INSERT INTO meta VALUES('created_by', 'storefs'), ('schema', '" VERSION_TEXT "');"
    "INSERT INTO state(id, sequence, last_id, last_content, last_lease, keys, records, bytes,"
    " kept, whole) VALUES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);"
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";"
    "PRAGMA user_version = " VERSION_TEXT ";";
/* clang-format on */

/* --- what a file contains --- */

static int integer_of(struct sfs_sqlite_connection *connection, const char *sql, int64_t *ret,
                      struct sfs_error *error)
{
    sqlite3_stmt *statement;
    int code = sfs_sqlite_guard_prepare(connection, sql, 0, &statement, NULL, error);
    if (code == 0)
        code = sfs_sqlite_step(connection, statement, error);
    if (code == 1) {
        *ret = sqlite3_column_int64(statement, 0);
        code = 0;
    }
    sqlite3_finalize(statement);
    return code;
}

static bool is_text(sqlite3_stmt *row, int column, const char *text)
{
    if (!text)
        return sqlite3_column_type(row, column) == SQLITE_NULL;
    const char *found = sqlite3_column_type(row, column) == SQLITE_TEXT
                            ? (const char *)sqlite3_column_text(row, column)
                            : NULL;
    return found && strlen(text) == (size_t)sqlite3_column_bytes(row, column) &&
           strcmp(found, text) == 0;
}

static size_t find_object(sqlite3_stmt *row)
{
    size_t i = 0;
    while (i < OBJECTS && !(is_text(row, 0, objects[i].type) && is_text(row, 1, objects[i].name)))
        i++;
    return i;
}

static int fail_altered(struct sfs_sqlite_connection *connection, const char *what,
                        const char *type, const char *name, struct sfs_error *error)
{
    char shown_type[40], shown[200];
    return sfs_fail(
        error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
        "%s was altered by another program: its %s '%s' %s; nothing of it was used (what you "
        "have added yourself you can drop with sqlite3)",
        connection->store->path, sfs_name_show(sfs_string(type), shown_type, sizeof(shown_type)),
        sfs_name_show(sfs_string(name), shown, sizeof(shown)), what);
}

/* Whether the present row is one of ours, not seen before. */
static int check_object(struct sfs_sqlite_connection *connection, sqlite3_stmt *row, bool *seen,
                        struct sfs_error *error)
{
    const char *type = (const char *)sqlite3_column_text(row, 0);
    const char *name = (const char *)sqlite3_column_text(row, 1);
    size_t i = find_object(row);
    bool known = i < OBJECTS && !seen[i];
    if (known && is_text(row, 2, objects[i].table) && is_text(row, 3, objects[i].sql)) {
        seen[i] = true;
        return 0;
    }
    return fail_altered(connection,
                        known ? "is not as storefs makes it" : "is none that storefs makes",
                        type ? type : "object", name ? name : "", error);
}

/* By the name that no table of the file can take. */
static const char contents[] = "SELECT type, name, tbl_name, sql FROM main.sqlite_master";
static const char shared_pages[] = "SELECT count(*) - count(DISTINCT CASE WHEN typeof(rootpage) = "
                                   "'integer' AND rootpage > 1 THEN rootpage END)"
                                   " FROM main.sqlite_master WHERE type <> 'view'";

static int check_objects(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    bool seen[OBJECTS] = {false};
    sqlite3_stmt *row;
    int64_t shared = 0;
    int code = sfs_sqlite_guard_prepare(connection, contents, 0, &row, NULL, error);
    if (code != 0)
        return code;
    while ((code = sfs_sqlite_step(connection, row, error)) == 1) {
        code = check_object(connection, row, seen, error);
        if (code != 0)
            break;
    }
    sqlite3_finalize(row);
    for (size_t i = 0; i < OBJECTS && code == 0; i++) {
        if (!seen[i])
            code = fail_altered(connection, "is missing", objects[i].type, objects[i].name, error);
    }
    if (code == 0)
        code = integer_of(connection, shared_pages, &shared, error);
    if (code == 0 && shared != 0)
        code = fail_altered(connection, "shares its pages", "table", "record", error);
    return code;
}

static int check_version(struct sfs_sqlite_connection *connection, int64_t version,
                         struct sfs_error *error)
{
    const char *path = connection->store->path;
    if (version > SCHEMA_VERSION)
        return sfs_fail(error, SFS_E_TOO_NEW, SFS_SQLITE_ORIGIN,
                        "%s was written by a newer version: its format is %lld, and this version "
                        "reads format %d",
                        path, (long long)version, SCHEMA_VERSION);
    if (version < SCHEMA_VERSION)
        return sfs_fail(error, SFS_E_UNSUPPORTED, SFS_SQLITE_ORIGIN,
                        "%s was written by an older version: its format is %lld, and this version "
                        "reads format %d; 'storefs fsck --salvage NEWSTORE %s' saves its records",
                        path, (long long)version, SCHEMA_VERSION, path);
    return check_objects(connection, error);
}

int sfs_sqlite_schema_compare(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int64_t application = 0, version = 0, count = 0;
    int code = integer_of(connection, "PRAGMA application_id", &application, error);
    if (code == 0)
        code = integer_of(connection, "PRAGMA user_version", &version, error);
    if (code == 0 && application == 0 && version == 0) {
        code = integer_of(connection, "SELECT count(*) FROM main.sqlite_master", &count, error);
        if (code == 0 && count == 0)
            return 0;
    }
    if (code != 0)
        return code;
    if (application != APPLICATION_ID)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN,
                        "%s is no store: it is another program's SQLite database",
                        connection->store->path);
    code = check_version(connection, version, error);
    return code < 0 ? code : 1;
}

int sfs_sqlite_schema_check_state(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int64_t totals[3];
    int code = sfs_sqlite_integers(connection, SFS_SQL_TOTALS, NULL, 0, totals, 3, error);
    if (code == 0)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                        "%s is damaged: it has no counters", connection->store->path);
    return code < 0 ? code : 0;
}

/* --- making it --- */

/* Under the lock: somebody else may just have done it. */
static int create(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int code = sfs_sqlite_guard_check(connection, error);
    if (code != 0)
        return code < 0 ? code : 0;
    for (size_t i = 0; i < OBJECTS && code == 0; i++) {
        if (objects[i].sql)
            code = sfs_sqlite_guard_execute(connection, objects[i].sql, error);
    }
    return code ? code : sfs_sqlite_guard_execute(connection, rows, error);
}

int sfs_sqlite_schema_create(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int code = sfs_sqlite_guard_execute(connection, "BEGIN IMMEDIATE", error);
    if (code != 0)
        return code;
    code = create(connection, error);
    if (code == 0)
        code = sfs_sqlite_guard_execute(connection, "COMMIT", error);
    if (code != 0 && !sqlite3_get_autocommit(connection->db))
        (void)sfs_sqlite_guard_execute(connection, "ROLLBACK", NULL);
    return code;
}
