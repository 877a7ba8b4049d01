/* SPDX-License-Identifier: MIT */
/* Functions of ours in statements, through which SQLite shows rows without giving them out. */
#include "backends/sqlite/internal.h"

static void show(sqlite3_context *call, int count, sqlite3_value **values)
{
    struct sfs_sqlite_visitor *visitor = sqlite3_user_data(call);
    (void)count;
    visitor->code = visitor->take ? visitor->take(visitor->context, values) : 1;
    if (visitor->code != 0) /* else it is NULL, which is not true either */
        sqlite3_result_int(call, 1);
}

int sfs_sqlite_visitor_set_up(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    static const struct {
        const char *name;
        int arguments;
    } functions[] = {{"storefs_entry", 1},
                     {"storefs_row", SFS_SQLITE_COLUMN_COUNT + 2},
                     {"storefs_row", SFS_SQLITE_BARE_COUNT}};
    int result = SQLITE_OK;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && result == SQLITE_OK; i++)
        result = sqlite3_create_function_v2(connection->db, functions[i].name,
                                            functions[i].arguments, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                            &connection->visitor, show, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0
                               : sfs_sqlite_fail(connection, result, "set up the database", error);
}

int sfs_sqlite_visit(struct sfs_sqlite_connection *connection, sqlite3_stmt *statement,
                     int (*take)(void *context, sqlite3_value **values), void *context,
                     struct sfs_error *error)
{
    connection->visitor = (struct sfs_sqlite_visitor){take, context, 0};
    int found = sfs_sqlite_step(connection, statement, error);
    int code = connection->visitor.code;
    connection->visitor = (struct sfs_sqlite_visitor){NULL, NULL, 0};
    return found < 0 ? found : code;
}
