/* SPDX-License-Identifier: MIT */
/*
 * The first page of the file: judged before SQLite reads it, and written where it is missing or
 * asks for a rollback journal. (sqlite.org/fileformat2.html#the_database_header)
 */
#include "backends/sqlite/sharing.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"

#define PAGE 4096     /* bytes, of a new file */
#define AT_MODE 18    /* two bytes, 2: the log is used */
#define AT_CHANGES 24 /* four bytes, of the last change without a log */
#define END_OF_CHANGES 28
#define LOGGED 2

static const unsigned char magic[16] = "SQLite format 3";

static uint32_t big_endian(const unsigned char *data, size_t size)
{
    uint32_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | data[i];
    return number;
}

/* Pages may still be in the write-ahead log alone: then the file's length says nothing. */
static bool has_log(const char *path)
{
    char name[4096 + 16];
    struct stat status;
    snprintf(name, sizeof(name), "%s-wal", path);
    return stat(name, &status) == 0 && status.st_size > 0;
}

bool sfs_sqlite_head_is_hot(const char *name)
{
    char first = 0;
    int fd;
    if (sfs_file_open(AT_FDCWD, name, O_RDONLY, name, &fd, NULL) != 0)
        return false;
    bool hot = read(fd, &first, 1) == 1 && first != 0;
    close(fd);
    return hot;
}

static int check_journal(const char *path, sqlite3_file *file, struct sfs_error *error)
{
    char name[4096 + 16];
    int held = 0;
    snprintf(name, sizeof(name), "%s-journal", path);
    if (!sfs_sqlite_head_is_hot(name))
        return 0;
    if (file->pMethods->xCheckReservedLock(file, &held) == SQLITE_OK && held)
        return sfs_fail(error, SFS_E_BUSY, SFS_SQLITE_ORIGIN,
                        "%s is being changed by another SQLite program", path);
    return sfs_fail(
        error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
        "%s is a rollback journal, which a store does not have; it was not played back. "
        "If an SQLite program that changed the store itself has crashed, 'sqlite3 %s "
        ".tables' brings the store back to what it was before; if the journal came "
        "with the file from somebody else, move it away",
        name, path);
}

static int check_empty(const char *path, struct sfs_error *error)
{
    return !has_log(path)
               ? 0
               : sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN,
                          "%s is empty, but there is a log, %s-wal, which may hold what it was: it "
                          "was left alone (to make a new store, move it away)",
                          path, path);
}

/* The order matters: a checkpoint first makes the file longer and then empties the log. */
static int check_length(sqlite3_file *file, const char *path, const unsigned char *head,
                        struct sfs_error *error)
{
    uint32_t page = big_endian(head + 16, 2);
    int64_t expected = (int64_t)(page == 1 ? 65536 : page) * big_endian(head + 28, 4);
    sqlite3_int64 size = 0;
    if (has_log(path))
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

int sfs_sqlite_head_check(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    const char *path = connection->store->path;
    unsigned char head[100] = {0};
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int result = sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (result == SQLITE_OK)
        result = file->pMethods->xFileSize(file, &size);
    int code = result == SQLITE_OK ? check_journal(path, file, error) : 0;
    if (code != 0)
        return code;
    if (result == SQLITE_OK && size == 0)
        return check_empty(path, error);
    if (result == SQLITE_OK)
        result = file->pMethods->xRead(file, head, size < 100 ? (int)size : 100, 0);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail(connection, result, "read the head", error);
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

/* --- writing it --- */

static sqlite3_file *file_of(struct sfs_sqlite_connection *connection)
{
    sqlite3_file *file = NULL;
    sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    return file;
}

/* Of a database with nothing in it. */
static int write_first_page(sqlite3_file *file)
{
    unsigned char page[PAGE] = {0};
    memcpy(page, magic, sizeof(magic));
    page[16] = PAGE >> 8;
    page[AT_MODE] = page[AT_MODE + 1] = LOGGED;
    page[21] = 64; /* these three are fixed */
    page[22] = page[23] = 32;
    page[END_OF_CHANGES - 1] = 1;
    page[31] = 1;   /* pages */
    page[47] = 4;   /* the schema's format */
    page[59] = 1;   /* UTF-8 */
    page[95] = 1;   /* the change for which the count of pages holds */
    page[100] = 13; /* a leaf of the schema's table, which ends where it begins */
    page[105] = PAGE >> 8;
    int result = file->pMethods->xWrite(file, page, PAGE, 0);
    if (result == SQLITE_OK)
        result = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    if (result != SQLITE_OK)
        file->pMethods->xTruncate(file, 0);
    return result;
}

/* Ten bytes, which a disk writes together: others who have pages of the file see that it is
 * another. */
static int write_mode(sqlite3_file *file)
{
    unsigned char head[END_OF_CHANGES];
    int result = file->pMethods->xRead(file, head, sizeof(head), 0);
    head[AT_MODE] = head[AT_MODE + 1] = LOGGED;
    for (int i = END_OF_CHANGES; i-- > AT_CHANGES && ++head[i] == 0;)
        continue;
    if (result == SQLITE_OK)
        result = file->pMethods->xWrite(file, head + AT_MODE, END_OF_CHANGES - AT_MODE, AT_MODE);
    return result == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : result;
}

/* The locks of a transaction that keeps everybody else out. */
static int lock(sqlite3_file *file)
{
    static const int levels[] = {SQLITE_LOCK_SHARED, SQLITE_LOCK_RESERVED, SQLITE_LOCK_EXCLUSIVE};
    int result = SQLITE_OK;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]) && result == SQLITE_OK; i++)
        result = file->pMethods->xLock(file, levels[i]);
    return result;
}

/* Through the connection's file, while it reads nothing: SQLite would open a journal for that. */
static int write_head(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    sqlite3_file *file = file_of(connection);
    sqlite3_int64 size = 0;
    int result = lock(file);
    int code = 0;
    if (result == SQLITE_OK)
        result = file->pMethods->xFileSize(file, &size);
    if (result == SQLITE_OK) /* one that has come since */
        code = check_journal(connection->store->path, file, error);
    if (result == SQLITE_OK && code == 0)
        result = size == 0 ? write_first_page(file) : write_mode(file);
    file->pMethods->xUnlock(file, SQLITE_LOCK_NONE);
    return result == SQLITE_OK ? code
                               : sfs_sqlite_fail(connection, result, "write the head", error);
}

static int uses_log(struct sfs_sqlite_connection *connection, bool *ret_uses,
                    struct sfs_error *error)
{
    sqlite3_stmt *statement;
    /* A read, with which SQLite finds it out. */
    int code = sfs_sqlite_guard_execute(connection, "SELECT 1 FROM main.sqlite_master", error);
    if (code == 0)
        code =
            sfs_sqlite_guard_prepare(connection, "PRAGMA journal_mode", 0, &statement, NULL, error);
    if (code != 0)
        return code;
    int found = sfs_sqlite_step(connection, statement, error);
    const char *mode = found == 1 ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    *ret_uses = mode && strcmp(mode, "wal") == 0;
    sqlite3_finalize(statement);
    return found < 0 ? found : 0;
}

static int set_log_mode(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    bool logs;
    int code = uses_log(connection, &logs, error);
    if (code != 0 || logs)
        return code;
    code = write_head(connection, error);
    if (code == 0)
        code = uses_log(connection, &logs, error);
    return code || logs ? code
                        : sfs_fail(error, SFS_E_UNSUPPORTED, SFS_SQLITE_ORIGIN,
                                   "%s lies on a file system without shared memory, which a store "
                                   "needs",
                                   connection->store->path);
}

/* While several processes make the same store, SQLite itself does not wait here. */
int sfs_sqlite_head_log(struct sfs_sqlite_connection *connection, struct sfs_error *error)
{
    int64_t limit = (int64_t)connection->store->options.busy_timeout * SFS_NS_PER_MS;
    int64_t begin = sfs_clock_monotonic();
    struct sfs_error failure = {0};
    int code;
    while ((code = set_log_mode(connection, &failure)) == SFS_E_BUSY &&
           sfs_clock_monotonic() - begin < limit)
        nanosleep(&(struct timespec){.tv_nsec = 2 * SFS_NS_PER_MS}, NULL);
    if (code != 0 && error)
        *error = failure;
    return code;
}
