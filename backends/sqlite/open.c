/* SPDX-License-Identifier: MIT */
/* Opening and closing: the file, the options, the tables of operations. */
#include "backends/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/sqlite/index.h"
#include "backends/sqlite/salvage.h"
#include "backends/sqlite/sharing.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/probe.h"

static int sqlite_get(struct sfs_storage *base, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_sqlite_view view = {sfs_sqlite_of(base), NULL};
    return sfs_sqlite_view_get(view, name, want, ret_record, error);
}

static int sqlite_read(struct sfs_storage *base, struct sfs_bytes name, uint64_t revision,
                       uint64_t offset, void *data, size_t size, size_t *ret_size,
                       struct sfs_error *error)
{
    struct sfs_sqlite_view view = {sfs_sqlite_of(base), NULL};
    return sfs_sqlite_view_read(view, name, revision, offset, data, size, ret_size, error);
}

static int sqlite_scan(struct sfs_storage *base, struct sfs_range range, unsigned want,
                       struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    struct sfs_sqlite_view view = {sfs_sqlite_of(base), NULL};
    return sfs_sqlite_view_scan(view, range, want, ret_cursor, error);
}

static void free_store(struct sfs_sqlite *store)
{
    sfs_sqlite_memo_free(store);
    sfs_sqlite_readers_close(store);
    sfs_sqlite_disconnect(store->writer);
    sfs_sqlite_disconnect(store->freezer);
    sfs_sqlite_files_end(store);
    sfs_sqlite_owner_leave(store);
    if (store->turn >= 0)
        close(store->turn);
    pthread_mutex_destroy(&store->pool_mutex);
    pthread_cond_destroy(&store->pool_free);
    pthread_mutex_destroy(&store->queue_mutex);
    pthread_mutex_destroy(&store->feed_mutex);
    pthread_mutex_destroy(&store->indexes_mutex);
    sfs_index_set_unref(store->indexes);
    sfs_sqlite_index_known_clear(&store->known);
    sfs_sqlite_pool_free(store);
    free(store->uri);
    free(store->path);
    free(store);
}

/* The log goes back into the file, where nobody else uses it: a closed store is one file. Where
 * that is not possible now (others read it, the disk is full), nothing is lost: it is read from the
 * log. */
static int checkpoint(struct sfs_sqlite *store, struct sfs_error *error)
{
    int result = sfs_sqlite_checkpoint(store, store->writer->db, SQLITE_CHECKPOINT_TRUNCATE, NULL);
    int primary = result & 0xff;
    if (primary == SQLITE_OK || primary == SQLITE_BUSY || primary == SQLITE_LOCKED ||
        primary == SQLITE_FULL)
        return 0;
    return sfs_sqlite_fail(store->writer, result, "write everything to disk", error);
}

/* Where our files have lost their names, the log that SQLite would remove by name is another one's.
 * What ours held is in the database now, wherever that is. */
static int leave_others(struct sfs_sqlite *store, struct sfs_error *error)
{
    struct sfs_sqlite_connection *last = store->writer ? store->writer : store->freezer;
    int code = last ? sfs_sqlite_files_check(store, error) : 0;
    if (code != 0)
        sqlite3_db_config(last->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return code;
}

static int sqlite_close(struct sfs_storage *base, struct sfs_error *error)
{
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    int code = 0;
    sfs_sqlite_keeper_stop(store);
    if (store->writer)
        sfs_sqlite_keep_house(store, 0); /* others' locks are waited for: the lease must go */
    sfs_sqlite_readers_close(store);
    if (store->writer) {
        sqlite3_busy_timeout(store->writer->db, 0); /* closing waits for nobody */
        (void)sfs_sqlite_prune(store, 200, NULL);
        code = checkpoint(store, error);
    }
    int lost = leave_others(store, code == 0 && !base->read_only ? error : NULL);
    if (code == 0 && !base->read_only)
        code = lost;
    free_store(store);
    return code;
}

static const struct sfs_read_operations read_operations = {
    .get = sqlite_get,
    .read = sqlite_read,
    .scan = sqlite_scan,
};

static const struct sfs_write_operations write_operations = {
    .apply = sfs_sqlite_apply,
    .stage = sfs_sqlite_stage,
    .sync = sfs_sqlite_sync,
};

static const struct sfs_time_operations time_operations = {
    .sequence = sfs_sqlite_sequence,
    .snapshot = sfs_sqlite_snapshot,
    .changes = sfs_sqlite_changes,
};

static int sqlite_data(struct sfs_storage *base, struct sfs_bytes name, uint64_t offset,
                       struct sfs_extent *ret_extent, struct sfs_error *error)
{
    struct sfs_sqlite_view view = {.store = sfs_sqlite_of(base)};
    return sfs_sqlite_view_data(view, name, offset, ret_extent, error);
}

struct reservation {
    uint64_t count;
    uint64_t first;
};

static int reserve_work(struct sfs_sqlite_transaction *transaction, void *context,
                        struct sfs_error *error)
{
    (void)error;
    struct reservation *reservation = context;
    reservation->first = (uint64_t)transaction->state.last_id + 1;
    transaction->state.last_id += (int64_t)reservation->count;
    return 0;
}

static int sqlite_reserve_ids(struct sfs_storage *base, uint64_t count, uint64_t *ret_first,
                              struct sfs_error *error)
{
    struct reservation reservation = {.count = count};
    struct sfs_sqlite *store = sfs_sqlite_of(base);
    sfs_sqlite_writer_enter(store, SFS_SQLITE_SINGLE);
    store->writer->hasty = true;
    int code = sfs_sqlite_transact_held(store, reserve_work, &reservation, error);
    store->writer->hasty = false;
    sfs_sqlite_writer_leave(store);
    if (code == 0)
        *ret_first = reservation.first;
    return code;
}

static const struct sfs_override_operations override_operations = {
    .totals = sfs_sqlite_totals,
    .backup = sfs_sqlite_backup,
    .check = sfs_sqlite_check,
    .data = sqlite_data,
    .watch = sfs_sqlite_watch,
    .files = sfs_sqlite_files,
    .version = sfs_sqlite_version,
    .reserve_ids = sqlite_reserve_ids,
    .index = &sfs_sqlite_index_operations,
};

static const struct sfs_storage_operations operations = {
    .name = "sqlite",
    .read = &read_operations,
    .write = &write_operations,
    .time = &time_operations,
    .override = &override_operations,
    .close = sqlite_close,
};

/* --- opening --- */

static const struct sfs_option_rule option_rules[] = {
    {"synchronous", SFS_OPTION_CHOICE, offsetof(struct sfs_sqlite_options, synchronous),
     "normal|full", "whether every commit waits for the disk"},
    {"cache", SFS_OPTION_SIZE, offsetof(struct sfs_sqlite_options, cache), NULL,
     "memory for pages of the file, 16M unless given, and as much for all readers"},
    {"mmap", SFS_OPTION_SIZE, offsetof(struct sfs_sqlite_options, mmap), NULL,
     "how much of the file is mapped into memory, 256M unless given, 0 none"},
    {"busy-timeout", SFS_OPTION_SIZE, offsetof(struct sfs_sqlite_options, busy_timeout), NULL,
     "milliseconds to wait for another process's lock, 5000 unless given"},
    {"dirsync", SFS_OPTION_BOOL, offsetof(struct sfs_sqlite_options, dirsync), NULL,
     "no: accept a file system that cannot put directories on disk"},
    {0},
};

/* Makes the file, whatever the umask; SQLite gives its companions the same mode. */
static int make_file(const char *path, struct sfs_error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return sfs_fail_errno(error, errno, SFS_SQLITE_ORIGIN, "cannot make %s", path);
    int code = sfs_make_private(fd, path, error);
    close(fd);
    return code;
}

static unsigned needs_of(const struct sfs_sqlite *store)
{
    return SFS_PROBE_LOCKS | SFS_PROBE_MAP | (store->options.dirsync ? SFS_PROBE_DIRECTORY : 0);
}

/* Finds or makes the file, and its absolute path: connections are opened later too, when the
 * process may have another working directory. */
static int find_file(struct sfs_sqlite *store, const char *path, unsigned flags,
                     struct sfs_error *error)
{
    struct stat status;
    bool create = (flags & SFS_OPEN_CREATE) && !(flags & SFS_OPEN_READ_ONLY);
    if (path[0] == '\0')
        return sfs_fail(error, SFS_E_INVALID, SFS_SQLITE_ORIGIN,
                        "the path of the store is missing");
    if (create) {
        bool new = access(path, F_OK) != 0 && errno == ENOENT;
        int code = new ? sfs_probe(path, needs_of(store), error) : 0;
        if (code == 0)
            code = make_file(path, error);
        if (code != 0)
            return code;
    }
    if (stat(path, &status) != 0)
        return sfs_fail_errno(error, errno, SFS_SQLITE_ORIGIN, "cannot open %s", path);
    if (!S_ISREG(status.st_mode))
        return sfs_fail(error, S_ISDIR(status.st_mode) ? SFS_E_IS_DIRECTORY : SFS_E_NOT_A_STORE,
                        SFS_SQLITE_ORIGIN, "%s is no store: it is no regular file", path);
    store->path = realpath(path, NULL);
    if (!store->path)
        return sfs_fail_errno(error, errno, SFS_SQLITE_ORIGIN, "cannot open %s", path);
    store->complete = sfs_probe_is_complete(store->path);
    int code = store->complete ? 0 : sfs_probe_inode(store->path, error);
    return code ? code : sfs_sqlite_files_begin(store, false, error);
}

static bool is_unreserved(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || strchr("/-._~", byte) != NULL;
}

/* "file:" and the path; immutable where not even SQLite's index of the log could be made. */
static int make_uri(struct sfs_sqlite *store, bool immutable, struct sfs_error *error)
{
    struct sfs_buffer uri = {0};
    int code = sfs_buffer_append(&uri, "file:", 5);
    for (const char *at = store->path; *at && code == 0; at++) {
        if (is_unreserved(*at))
            code = sfs_buffer_byte(&uri, *at);
        else
            code = sfs_buffer_printf(&uri, "%%%02X", (unsigned)(unsigned char)*at);
    }
    if (code == 0 && immutable)
        code = sfs_buffer_printf(&uri, "?immutable=1");
    if (code == 0)
        code = sfs_buffer_text(&uri);
    if (code != 0) {
        sfs_buffer_free(&uri);
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    }
    free(store->uri);
    store->uri = uri.data;
    return 0;
}

/* The directory that a path lies in. */
static int directory_of(const char *path, struct sfs_buffer *directory)
{
    const char *slash = strrchr(path, '/');
    int code = 0;
    if (!slash)
        code = sfs_buffer_append(directory, ".", 1);
    else
        code = sfs_buffer_append(directory, path, slash == path ? 1 : (size_t)(slash - path));
    return code ? code : sfs_buffer_text(directory);
}

/* Whether a commit can be put on disk. By the connection's own file: another one, closed here,
 * would take its locks along. */
static int check_sync(struct sfs_sqlite *store, struct sfs_error *error)
{
    sqlite3 *db = store->writer->db;
    sqlite3_file *file = NULL;
    int result = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (result == SQLITE_OK && file && file->pMethods)
        result = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    if (result != SQLITE_OK)
        return sfs_sqlite_fail_at(NULL, store->path, result, "write to disk", error);
    return sfs_sync_directory_of(store->path, !store->options.dirsync, error);
}

/* Of a file in which a store is going to be made. */
static int check_owner(const struct sfs_sqlite *store, struct sfs_error *error)
{
    struct stat status;
    if (fstat(store->files[0], &status) != 0 || status.st_uid == geteuid())
        return 0;
    return sfs_fail(error, SFS_E_PERMISSION, SFS_SQLITE_ORIGIN,
                    "%s is an empty file of another user (%ld), who could read a store that is "
                    "made in it: remove it, or choose another name",
                    store->path, (long)status.st_uid);
}

/* A new file, or one that is there: the write connection, and the tables. */
static int open_writer(struct sfs_sqlite *store, unsigned flags, struct sfs_error *error)
{
    bool create = (flags & SFS_OPEN_CREATE) && !(flags & SFS_OPEN_READ_ONLY);
    store->open_flags = SQLITE_OPEN_READWRITE;
    int code = sfs_sqlite_connect(store, SFS_SQLITE_WRITES, &store->writer, error);
    if (code != 0)
        return code;
    int there = sfs_sqlite_guard_check(store->writer, error);
    if (there == 1)
        code = sfs_sqlite_schema_check_state(store->writer, error);
    if (there < 0 || code != 0)
        return there < 0 ? there : code;
    if (there == 0 && !create)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN, "%s is no store: it is empty",
                        store->path);
    code = there == 0 ? check_owner(store, error) : 0;
    if (code != 0)
        return code;
    sfs_sqlite_keeper_watch_log(store);
    code = sfs_sqlite_head_log(store->writer, error);
    if (code == 0 && there == 0) {
        code = sfs_sqlite_schema_create(store->writer, error);
        if (code == 0)
            code = sfs_sync_directory_of(store->path, !store->options.dirsync, error);
    } else if (code == 0 && !store->complete) {
        code = check_sync(store, error);
    }
    return code;
}

static bool is_writable(const char *path)
{
    struct sfs_buffer directory = {0};
    bool writable = access(path, W_OK) == 0 && directory_of(path, &directory) == 0 &&
                    access(directory.data, W_OK) == 0;
    sfs_buffer_free(&directory);
    return writable;
}

/* For a file that we cannot write. Without a log, and where none can be made, nobody else writes it
 * either, as far as can be told. */
static int open_unwritable(struct sfs_sqlite *store, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    store->open_flags = SQLITE_OPEN_READONLY;
    int code = sfs_sqlite_reader_take(store, &connection, error);
    int there = code == 0 ? sfs_sqlite_guard_check(connection, error) : code;
    if (code == 0)
        sfs_sqlite_reader_give(connection);
    if (there == SFS_E_NOT_A_STORE || there == SFS_E_TOO_NEW || there == SFS_E_PERMISSION ||
        there == 1)
        return there == 1 ? 0 : there;
    sfs_sqlite_readers_close(store);
    code = make_uri(store, true, error);
    if (code == 0)
        code = sfs_sqlite_reader_take(store, &connection, error);
    if (code != 0)
        return code;
    there = sfs_sqlite_guard_check(connection, error);
    sfs_sqlite_reader_give(connection);
    if (there == 0)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN, "%s is no store: it is empty",
                        store->path);
    return there < 0 ? there : 0;
}

/* Damage in what serves writers only (counters, leases, stages, history, lists of free pages) does
 * not keep anybody from reading the present. */
static int open_present(struct sfs_sqlite *store, struct sfs_error *error)
{
    struct sfs_sqlite_connection *connection;
    sfs_sqlite_readers_close(store);
    sfs_sqlite_disconnect(store->writer);
    store->writer = NULL;
    sfs_sqlite_owner_leave(store);
    sfs_sqlite_files_end(store); /* the log may be gone with its writer */
    store->open_flags = SQLITE_OPEN_READONLY;
    int code = sfs_sqlite_files_begin(store, false, error);
    if (code == 0)
        code = sfs_sqlite_reader_take(store, &connection, error);
    if (code != 0)
        return code;
    int there = sfs_sqlite_guard_check(connection, error);
    sfs_sqlite_reader_give(connection);
    if (there == 0)
        return sfs_fail(error, SFS_E_NOT_A_STORE, SFS_SQLITE_ORIGIN, "%s is no store: it is empty",
                        store->path);
    return there < 0 ? there : 0;
}

static struct sfs_sqlite *new_store(void)
{
    struct sfs_sqlite *store = calloc(1, sizeof(*store));
    if (!store)
        return NULL;
    pthread_mutex_init(&store->pool_mutex, NULL);
    pthread_cond_init(&store->pool_free, NULL);
    pthread_mutex_init(&store->queue_mutex, NULL);
    store->own_last = -1;
    pthread_mutex_init(&store->feed_mutex, NULL);
    pthread_mutex_init(&store->indexes_mutex, NULL);
    sfs_sqlite_pool_init(store);
    sfs_sqlite_owner_init(store);
    store->turn = store->files[0] = store->files[1] = store->files[2] = -1;
    store->options = (struct sfs_sqlite_options){.cache = UINT64_C(16) << 20,
                                                 .mmap = UINT64_C(256) << 20,
                                                 .busy_timeout = 5000,
                                                 .dirsync = true};
    return store;
}

/* What the dead have left, and what a killed process had not removed yet. */
static int clear_up(struct sfs_sqlite *store, unsigned flags, struct sfs_error *error)
{
    bool removed;
    int code = sfs_sqlite_sweep(store, &removed, NULL);
    if (code != SFS_E_CORRUPT)
        code = sfs_sqlite_prune(store, 200, NULL);
    if (code == SFS_E_CORRUPT)
        return sfs_fail(error, SFS_E_CORRUPT, SFS_SQLITE_ORIGIN, "%s is damaged; restore a backup",
                        store->path);
    if (!(flags & SFS_OPEN_READ_ONLY))
        sfs_sqlite_keeper_start(store);
    return 0;
}

/* An open write transaction keeps everybody else from writing, and ends with the process. From then
 * on this store is one whose file cannot be written. */
static int freeze(struct sfs_sqlite *store, struct sfs_error *error)
{
    if (!store->writer)
        return sfs_fail(error, SFS_E_PERMISSION, SFS_SQLITE_ORIGIN,
                        "others cannot be kept from changing %s: it cannot be written here",
                        store->path);
    int code = sfs_sqlite_run(store->writer, SFS_SQL_BEGIN, error, 0);
    if (code != 0)
        return code;
    store->freezer = store->writer;
    store->writer = NULL;
    return 0;
}

static int open_file(struct sfs_sqlite *store, const struct sfs_location *location, unsigned flags,
                     struct sfs_error *error)
{
    int code = sfs_options_parse(location, option_rules, &store->options, error);
    if (store->options.busy_timeout > INT32_MAX)
        store->options.busy_timeout = INT32_MAX; /* weeks */
    if (code == 0)
        code = find_file(store, location->path, flags, error);
    if (code == 0)
        code = make_uri(store, false, error);
    if (code != 0)
        return code;
    /* A store that is opened read-only is still written for leases, where that is possible. */
    bool writable = !(flags & SFS_OPEN_READ_ONLY) || is_writable(store->path);
    if (writable)
        code = sfs_sqlite_files_single(store, error);
    if (code == 0 && writable)
        code = open_writer(store, flags, error);
    if (code == 0 && store->writer)
        code = sfs_sqlite_files_begin(store, true, error);
    if (code == 0 && store->writer) {
        sfs_sqlite_owner_enter(store);
        code = clear_up(store, flags, error);
    }
    if (code == SFS_E_CORRUPT && (flags & SFS_OPEN_READ_ONLY))
        code = open_present(store, error);
    else if (code == 0 && !store->writer)
        code = open_unwritable(store, error);
    return code == 0 && (flags & SFS_OPEN_FROZEN) ? freeze(store, error) : code;
}

/* A damaged store is not opened as a database at all. */
static int open_damaged(struct sfs_storage **ret_store, struct sfs_sqlite *store,
                        const struct sfs_location *location, struct sfs_error *error)
{
    int code = sfs_options_parse(location, option_rules, &store->options, error);
    if (code == 0)
        code = find_file(store, location->path, SFS_OPEN_READ_ONLY, error);
    if (code == 0)
        code = sfs_sqlite_salvage(store->path, ret_store, error);
    free_store(store);
    return code;
}

static int sqlite_open(struct sfs_storage **ret_store, const struct sfs_location *location,
                       unsigned flags, struct sfs_error *error)
{
    struct sfs_sqlite *store = new_store();
    if (!store)
        return sfs_fail_memory(error, SFS_SQLITE_ORIGIN);
    if (flags & SFS_OPEN_SALVAGE)
        return open_damaged(ret_store, store, location, error);
    int code = open_file(store, location, flags, error);
    if ((code == SFS_E_BUSY || code == SFS_E_IO) && store->path)
        code = sfs_probe_explain(store->path, needs_of(store), code, error);
    if (code != 0) {
        free_store(store);
        return code;
    }
    sfs_sqlite_memo_new(store);
    unsigned leases = store->writer ? SFS_CAN_SNAPSHOT | SFS_CAN_CHANGES : 0;
    store->storage = (struct sfs_storage){
        .operations = &operations,
        .read_only = (flags & SFS_OPEN_READ_ONLY) != 0,
        .capabilities = SFS_CAN_SHARE | SFS_CAN_PERSIST | leases,
        .key_max = SFS_KEY_MAX,
        .location = store->path,
    };
    *ret_store = &store->storage;
    return 0;
}

const struct sfs_backend sfs_sqlite_backend = {
    .info = {.scheme = "sqlite",
             .summary = "one SQLite database file, which several processes may share",
             .options =
                 "synchronous=normal|full (whether every commit waits for the disk); "
                 "cache=SIZE (memory for pages, 16M, and as much for all readers); "
                 "mmap=SIZE (mapped part of the file, 256M); "
                 "busy-timeout=MS (how long to wait for another process's lock, 5000); "
                 "dirsync=BOOL (no: accept a file system that cannot put directories on disk)",
             .shared = true},
    .open = sqlite_open,
};
