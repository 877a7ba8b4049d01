/* SPDX-License-Identifier: MIT */
/*
 * Backup: a copy of the pages as of one read transaction, which is held for as long as the copy
 * takes (a copy that let go of it between steps would begin anew at each commit). Then the copy is
 * rid of leases, history, and what only these needed, and made one file that is safe on disk.
 */
#include "backends/sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

#define STEP_PAGES 1024

struct backup {
    struct sfs_sqlite *store;
    const char *path;
    sqlite3 *copy;
    sfs_progress_function *progress;
    void *context;
};

static const char cleaning[] =
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA secure_delete = OFF; BEGIN;"
    "CREATE TEMP TABLE dead(content INTEGER PRIMARY KEY);"
    "INSERT OR IGNORE INTO dead SELECT content FROM garbage WHERE part < 0;"
    "INSERT OR IGNORE INTO dead SELECT content FROM stage;"
    "DELETE FROM block WHERE block IN (SELECT content FROM dead);"
    "DELETE FROM block WHERE block IN (SELECT chunk.block FROM chunk"
    " WHERE chunk.content IN (SELECT content FROM dead) OR chunk.ended < 9223372036854775807);"
    "DELETE FROM chunk WHERE content IN (SELECT content FROM dead) OR ended < 9223372036854775807;"
    "DELETE FROM lease; DELETE FROM history; DELETE FROM garbage; DELETE FROM stage;"
    "DELETE FROM entry WHERE ended < 9223372036854775807 OR index_id IN"
    " (SELECT index_id FROM index_definition WHERE ready IS NULL OR ended IS NOT NULL);"
    "DELETE FROM index_definition WHERE ready IS NULL OR ended IS NOT NULL;"
    "UPDATE state SET kept = sequence, whole = sequence; COMMIT; DROP TABLE dead;";

static int fail(struct backup *backup, sqlite3 *db, int result, struct sfs_error *error)
{
    return sfs_sqlite_fail_at(db, backup->path, result, "write the copy", error);
}

static int report(struct backup *backup, sqlite3_backup *copying, struct sfs_error *error)
{
    int total = sqlite3_backup_pagecount(copying);
    int done = total - sqlite3_backup_remaining(copying);
    if (!backup->progress ||
        backup->progress(backup->context, (uint64_t)done, (uint64_t)total) == 0)
        return 0;
    return sfs_fail(error, SFS_E_CANCELLED, SFS_SQLITE_ORIGIN, "the backup to %s was cancelled",
                    backup->path);
}

static int copy_steps(struct backup *backup, sqlite3_backup *copying, struct sfs_error *error)
{
    for (;;) {
        int result = sqlite3_backup_step(copying, STEP_PAGES);
        if (result != SQLITE_OK && result != SQLITE_DONE)
            return fail(backup, backup->copy, result, error);
        int code = report(backup, copying, error);
        if (code != 0 || result == SQLITE_DONE)
            return code;
    }
}

static int copy_pages(struct backup *backup, struct sfs_sqlite_connection *source,
                      struct sfs_error *error)
{
    sqlite3_stmt *anchor;
    int code = sfs_sqlite_statement(source, SFS_SQL_SEQUENCE, &anchor, error);
    if (code == 0)
        code = sfs_sqlite_step(source, anchor, error);
    if (code != 1)
        return code;
    sqlite3_backup *copying = sqlite3_backup_init(backup->copy, "main", source->db, "main");
    if (copying)
        code = copy_steps(backup, copying, error);
    else
        code = fail(backup, backup->copy, sqlite3_errcode(backup->copy), error);
    sqlite3_backup_finish(copying);
    sqlite3_reset(anchor);
    return code;
}

static int copy_and_clean(struct backup *backup, struct sfs_error *error)
{
    struct sfs_sqlite_connection *source;
    int code = sfs_sqlite_reader_take(backup->store, &source, error);
    if (code != 0)
        return code;
    code = copy_pages(backup, source, error);
    sfs_sqlite_reader_give(source);
    if (code != 0)
        return code;
    int result = sqlite3_exec(backup->copy, "PRAGMA journal_mode = MEMORY", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(backup->copy, cleaning, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : fail(backup, backup->copy, result, error);
}

static int open_copy(struct backup *backup, struct sfs_error *error)
{
    int result = sqlite3_open_v2(backup->path, &backup->copy,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, sfs_sqlite_vfs());
    if (result == SQLITE_OK)
        result =
            sqlite3_exec(backup->copy, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY",
                         NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : fail(backup, backup->copy, result, error);
}

int sfs_sqlite_backup(struct sfs_storage *base, const char *path, sfs_progress_function *progress,
                      void *context, struct sfs_error *error)
{
    struct backup backup = {
        .store = sfs_sqlite_of(base), .path = path, .progress = progress, .context = context};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return sfs_fail_errno(error, errno, SFS_SQLITE_ORIGIN, "cannot make %s", path);
    int code = sfs_make_private(fd, path, error);
    if (code == 0)
        code = open_copy(&backup, error);
    if (code == 0)
        code = copy_and_clean(&backup, error);
    int closed = sqlite3_close(backup.copy);
    if (code == 0 && closed != SQLITE_OK)
        code = fail(&backup, NULL, closed, error);
    if (code == 0)
        code = sfs_sync_file(fd, path, error);
    close(fd);
    if (code == 0)
        code = sfs_sync_directory_of(path, !backup.store->options.dirsync, error);
    if (code != 0)
        unlink(path);
    return code;
}
