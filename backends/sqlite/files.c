/* SPDX-License-Identifier: MIT */
/*
 * The database, its log and the log's index must stay under their names: SQLite goes on with a file
 * that was removed or moved, opens the next connection by name, and at the end removes the log by
 * name.
 */
#include "backends/sqlite/sharing.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/identity.h"

#define FILES 3

static const char *const suffixes[FILES] = {"", "-wal", "-shm"};

static void name_file(const struct sfs_sqlite *store, size_t which, char path[PATH_MAX + 8])
{
    snprintf(path, PATH_MAX + 8, "%s%s", store->path, suffixes[which]);
}

/* What SQLite would open beside the database, or wait for. */
static int check_companions(const struct sfs_sqlite *store, struct sfs_error *error)
{
    static const char *const companions[] = {"-wal", "-shm", "-journal"};
    char path[PATH_MAX + 9];
    int code = 0;
    for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]) && code == 0; i++) {
        snprintf(path, sizeof(path), "%s%s", store->path, companions[i]);
        code = sfs_identity_companion(path, store->path, SFS_SQLITE_ORIGIN, error);
    }
    return code;
}

int sfs_sqlite_files_begin(struct sfs_sqlite *store, bool all, struct sfs_error *error)
{
    char path[PATH_MAX + 8];
    int64_t sequence;
    int checked = all ? 0 : check_companions(store, error);
    if (checked != 0)
        return checked;
    /* A read, with which SQLite makes the log where there is none yet. */
    int found =
        all ? sfs_sqlite_integers(store->writer, SFS_SQL_SEQUENCE, NULL, 0, &sequence, 1, error)
            : 0;
    if (found < 0)
        return found;
    for (size_t i = 0; i < (all ? (size_t)FILES : 1); i++) {
        name_file(store, i, path);
        int code = store->files[i] < 0 ? sfs_identity_open(path, &store->files[i], error) : 0;
        if (code != 0)
            return code;
    }
    return 0;
}

void sfs_sqlite_files_end(struct sfs_sqlite *store)
{
    for (size_t i = 0; i < FILES; i++) {
        if (store->files[i] >= 0)
            close(store->files[i]);
        store->files[i] = -1;
    }
}

int sfs_sqlite_files_check(struct sfs_sqlite *store, struct sfs_error *error)
{
    char path[PATH_MAX + 8];
    int code = 0;
    for (size_t i = 0; i < FILES && code == 0; i++) {
        name_file(store, i, path);
        if (store->files[i] >= 0)
            code = sfs_identity_check(store->files[i], path, SFS_SQLITE_ORIGIN, error);
    }
    store->lost = code == SFS_E_LOST;
    return code;
}

/* Ours may be written into a database that has moved along, or has no other log. Into one with a
 * log that is not ours it may not: the next opening writes that one's older pages over it. */
static bool has_other_log(const struct sfs_sqlite *store)
{
    char path[PATH_MAX + 8];
    name_file(store, 1, path);
    return store->files[1] >= 0 &&
           sfs_identity_check(store->files[1], path, SFS_SQLITE_ORIGIN, NULL) == SFS_E_LOST &&
           access(path, F_OK) == 0 &&
           sfs_identity_check(store->files[0], store->path, SFS_SQLITE_ORIGIN, NULL) == 0;
}

int sfs_sqlite_checkpoint(const struct sfs_sqlite *store, sqlite3 *db, int mode, int *ret_log)
{
    if (!has_other_log(store))
        return sqlite3_wal_checkpoint_v2(db, NULL, mode, ret_log, NULL);
    if (ret_log)
        *ret_log = 0;
    return SQLITE_BUSY;
}

int sfs_sqlite_file_sync(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;
    int result = sqlite3_file_control(db, "main", which, &file);
    if (result == SQLITE_OK && file && file->pMethods)
        result = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    return result;
}

int sfs_sqlite_files_single(const struct sfs_sqlite *store, struct sfs_error *error)
{
    struct stat status;
    return fstat(store->files[0], &status) == 0
               ? sfs_identity_single(&status, store->path, SFS_SQLITE_ORIGIN, error)
               : 0;
}

int sfs_sqlite_files(struct sfs_storage *base, sfs_report_function *report, void *context,
                     struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    struct sfs_error several;
    if (report && sfs_sqlite_files_single(store, &several) != 0)
        report(context, several.message);
    return sfs_sqlite_files_check(store, error);
}
