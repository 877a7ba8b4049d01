/* SPDX-License-Identifier: MIT */
/*
 * A file may come from anybody, and what its sqlite_schema holds is code: views, triggers, checks,
 * generated columns, expressions of indexes. None of it runs. Before a connection compiles its
 * first statement, all of the schema is compared with what schema.c makes. SQLite compiles a
 * statement again by itself when somebody has changed the schema since; that is denied, and the
 * schema compared again. (sqlite.org/security.html, sqlite.org/c3ref/set_authorizer.html)
 */
#include "backends/sqlite/sharing.h"

/* Denies what the connection does not compile itself. */
static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *inner)
{
    const struct sfs_sqlite_connection *connection = context;
    (void)action, (void)first, (void)second, (void)database, (void)inner;
    return connection->compiles ? SQLITE_OK : SQLITE_DENY;
}

void sfs_sqlite_guard_set_up(struct sfs_sqlite_connection *connection)
{
    static const struct {
        int setting, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 0},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        sqlite3_db_config(connection->db, settings[i].setting, settings[i].value, NULL);
    sqlite3_limit(connection->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_set_authorizer(connection->db, authorize, connection);
}

int sfs_sqlite_guard_prepare(struct sfs_sqlite_connection *connection, const char *sql,
                             unsigned flags, sqlite3_stmt **ret_statement, const char **ret_rest,
                             struct sfs_error *error)
{
    connection->compiles = true;
    int result = sqlite3_prepare_v3(connection->db, sql, -1, flags, ret_statement, ret_rest);
    connection->compiles = connection->checks;
    return result == SQLITE_OK ? 0 : sfs_sqlite_fail(connection, result, "read the tables", error);
}

int sfs_sqlite_guard_execute(struct sfs_sqlite_connection *connection, const char *sql,
                             struct sfs_error *error)
{
    int code = 0;
    while (code == 0 && *sql) {
        sqlite3_stmt *statement;
        code = sfs_sqlite_guard_prepare(connection, sql, 0, &statement, &sql, error);
        while (code == 0 && statement &&
               (code = sfs_sqlite_step(connection, statement, error)) == 1)
            code = 0;
        sqlite3_finalize(statement);
    }
    return code;
}

/* What is compiled while it checks may be compiled again: it only reads the schema itself, all of
 * it in one state. */
int sfs_sqlite_guard_check(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    connection->checks = connection->compiles = true;
    int code = sfs_sqlite_guard_execute(connection, "SAVEPOINT schema", error);
    if (code == 0) {
        code = sfs_sqlite_schema_compare(connection, error);
        int ended = sfs_sqlite_guard_execute(connection, "RELEASE schema", code < 0 ? NULL : error);
        code = code < 0 || ended == 0 ? code : ended;
    }
    connection->checks = connection->compiles = false;
    connection->trusted = code == 1;
    return code;
}

int sfs_sqlite_guard_trust(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int code = connection->trusted ? 1 : sfs_sqlite_guard_check(connection, error);
    if (code == 0)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN, "%s is no store: it is empty",
                        connection->store->path);
    return code < 0 ? code : 0;
}

int sfs_sqlite_guard_step(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                          int *ret_result, struct sfs_error *error)
{
    *ret_result = sqlite3_step(statement);
    if (*ret_result != SQLITE_AUTH || connection->checks)
        return 0;
    sqlite3_reset(statement);
    connection->trusted = false;
    int code = sfs_sqlite_guard_trust(connection, error);
    if (code != 0)
        return code;
    connection->compiles = true;
    *ret_result = sqlite3_step(statement);
    connection->compiles = false;
    return 0;
}
