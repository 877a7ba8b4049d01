/* SPDX-License-Identifier: MIT */
/*
 * The process's own VFS with a few calls done otherwise: fewer writes to the log and where the file
 * grows, and no hole in the wal-index. All its other methods stay. (sqlite.org/vfs.html,
 * sqlite.org/fileformat2.html#walformat)
 *
 * SQLite writes each page of a transaction as a frame, with one write for its head and one for the
 * page, so that a large value is mostly system calls. Frames are gathered, and written together.
 * Nobody reads a frame before the commit that it belongs to shows in the wal-index. The head of a
 * commit's last frame tells that it is the last: what was gathered is written with it, and its
 * page at once, before SQLite goes on. Whatever else is done to the log finds it written. What was
 * gathered when the lock is given back under which the log is written belongs to no commit, and
 * others write there next: it is forgotten.
 *
 * SQLite plays back any rollback journal that lies beside a database, and removes files that the
 * journal names. A store has no journal: from its first page on (head.c) it has a log. So this VFS
 * opens, looks for and removes nothing but a database, its log and files without a name.
 *
 * A checkpoint first makes the file as long as it will be, without holes (connection.c); SQLite,
 * where it was not made for fallocate(2), writes a byte into each block for that.
 */
#include "backends/sqlite/sharing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD 24        /* of a frame, bytes */
#define HEAD_OF_LOG 32 /* … of the log */
#define SIZE_IN_HEAD                                                                               \
    4 /* where a frame's head tells the size of the database: of a last frame, not 0 */
#define ROOM                                                                                       \
    (127 * 1024)     /* bytes that are gathered: the VFS of Unix writes less than 128 KiB at once */
#define ZEROS 65536  /* written at once, bytes: whole pages of memory, however large those are */
#define WRITE_LOCK 0 /* among those of the wal-index */

/* Behind the file of the VFS below. */
struct gather {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *below;
    struct gather *log; /* of a database, while it is open */
    struct gather *database;
    char *bytes;
    int used;
    sqlite3_int64 offset; /* of the bytes, in the log */
    bool headed;          /* the last of them are a head, whose page comes next */
};

static sqlite3_vfs gathering;
static sqlite3_vfs *usual;

/* What this thread calls before its commit shows in the wal-index: when its last frame is written.
 */
static _Thread_local struct {
    void (*call)(void *context);
    void *context;
} before_commit;

static int call_before_commit(void)
{
    if (before_commit.call)
        before_commit.call(before_commit.context);
    before_commit.call = NULL;
    return SQLITE_OK;
}

static struct gather *gather_of(sqlite3_file *file)
{
    return (struct gather *)(void *)((char *)file + gathering.szOsFile - sizeof(struct gather));
}

static void forget(struct gather *gather)
{
    gather->used = 0;
    gather->headed = false;
}

static int send(sqlite3_file *file)
{
    struct gather *gather = gather_of(file);
    int size = gather->used;
    forget(gather);
    return size > 0 ? gather->below->xWrite(file, gather->bytes, size, gather->offset) : SQLITE_OK;
}

static int add(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct gather *gather = gather_of(file);
    int result = gather->used + size > ROOM ? send(file) : SQLITE_OK;
    if (!gather->bytes)
        gather->bytes = malloc(ROOM);
    if (!gather->bytes || result != SQLITE_OK)
        return result != SQLITE_OK ? result : gather->below->xWrite(file, data, size, offset);
    if (gather->used == 0)
        gather->offset = offset;
    memcpy(gather->bytes + gather->used, data, (size_t)size);
    gather->used += size;
    return SQLITE_OK;
}

static bool is_last(const void *head)
{
    static const char none[4];
    return memcmp((const char *)head + SIZE_IN_HEAD, none, sizeof(none)) != 0;
}

/* --- of the log --- */

static int log_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct gather *gather = gather_of(file);
    bool follows = gather->used > 0 && offset == gather->offset + gather->used;
    bool page = follows && gather->headed && size > HEAD && size <= ROOM;
    bool head = size == HEAD && offset >= HEAD_OF_LOG;
    int result = page || (follows && head) ? SQLITE_OK : send(file);
    if (result != SQLITE_OK)
        return result;
    if (!page && !head)
        return gather->below->xWrite(file, data, size, offset);
    result = add(file, data, size, offset);
    gather->headed = head;
    if (result == SQLITE_OK && head && is_last(data))
        result = send(file);
    return result == SQLITE_OK && head && is_last(data) ? call_before_commit() : result;
}

static int log_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    int result = send(file);
    return result == SQLITE_OK ? gather_of(file)->below->xRead(file, data, size, offset) : result;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int result = send(file);
    return result == SQLITE_OK ? gather_of(file)->below->xTruncate(file, size) : result;
}

static int log_sync(sqlite3_file *file, int flags)
{
    int result = send(file);
    return result == SQLITE_OK ? gather_of(file)->below->xSync(file, flags) : result;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    int result = send(file);
    return result == SQLITE_OK ? gather_of(file)->below->xFileSize(file, ret_size) : result;
}

static int log_close(sqlite3_file *file)
{
    struct gather *gather = gather_of(file);
    gather->database->log = NULL;
    free(gather->bytes);
    return gather->below->xClose(file);
}

/* --- of the database --- */

static int database_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct gather *gather = gather_of(file);
    if (gather->log && first == WRITE_LOCK && (flags & SQLITE_SHM_UNLOCK))
        forget(gather->log);
    return gather->below->xShmLock(file, first, count, flags);
}

static int grow(sqlite3_file *file, sqlite3_int64 size)
{
    static const char zeros[ZEROS];
    const sqlite3_io_methods *below = gather_of(file)->below;
    sqlite3_int64 at = 0;
    int result = below->xFileSize(file, &at);
    while (result == SQLITE_OK && at < size) {
        int piece = size - at < ZEROS ? (int)(size - at) : ZEROS;
        result = below->xWrite(file, zeros, piece, at);
        at += piece;
    }
    return result;
}

static int database_control(sqlite3_file *file, int operation, void *argument)
{
    int result =
        operation == SQLITE_FCNTL_SIZE_HINT ? grow(file, *(sqlite3_int64 *)argument) : SQLITE_OK;
    return result == SQLITE_OK ? gather_of(file)->below->xFileControl(file, operation, argument)
                               : result;
}

/*
 * SQLite makes the wal-index longer by one byte in each page. Where blocks are smaller than pages
 * the rest of the page is a hole, and if the disk is full by the time that something is written
 * there, the process is killed (SIGBUS). So what is mapped is filled now, as long as that can be
 * refused.
 */
static int database_map(sqlite3_file *file, int region, int size, int extend,
                        void volatile **ret_region)
{
    int result = gather_of(file)->below->xShmMap(file, region, size, extend, ret_region);
    if (result != SQLITE_OK || !*ret_region)
        return result;
    uintptr_t begin = (uintptr_t)*ret_region, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = begin / page * page;
    if (madvise((void *)from, begin + (uintptr_t)size - from, MADV_POPULATE_WRITE) == 0 ||
        errno != EFAULT)
        return SQLITE_OK; /* filled, or a kernel that cannot say */
    *ret_region = NULL;
    return SQLITE_FULL;
}

void sfs_sqlite_before_commit(struct sfs_sqlite_connection *connection, void (*call)(void *context),
                              void *context)
{
    sqlite3_file *log = NULL;
    before_commit.call = call;
    before_commit.context = context;
    int result = sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (result != SQLITE_OK || !log || !log->pMethods || log->pMethods->xWrite != log_write)
        (void)call_before_commit();
}

/* --- opening --- */

static struct gather *attach(sqlite3_file *file)
{
    struct gather *gather = gather_of(file);
    *gather = (struct gather){.methods = *file->pMethods, .below = file->pMethods};
    file->pMethods = &gather->methods;
    return gather;
}

/* Where a commit is filled up to whole sectors SQLite writes frames in other pieces. */
static void open_log(sqlite3_file *file, const char *name)
{
    sqlite3_file *database = sqlite3_database_file_object(name);
    const sqlite3_io_methods *methods = database->pMethods;
    if (methods->xShmLock != database_lock ||
        !(methods->xDeviceCharacteristics(database) & SQLITE_IOCAP_POWERSAFE_OVERWRITE))
        return;
    struct gather *gather = attach(file);
    gather->database = gather_of(database);
    gather->database->log = gather;
    gather->methods.xWrite = log_write;
    gather->methods.xRead = log_read;
    gather->methods.xTruncate = log_truncate;
    gather->methods.xSync = log_sync;
    gather->methods.xFileSize = log_size;
    gather->methods.xClose = log_close;
}

static void open_database(sqlite3_file *file)
{
    struct gather *gather = attach(file);
    gather->methods.xShmLock = database_lock;
    gather->methods.xShmMap = database_map;
    gather->methods.xFileControl = database_control;
}

static int gathering_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                          int *ret_flags)
{
    (void)vfs;
    if (name && !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))) {
        file->pMethods = NULL;
        return SQLITE_CANTOPEN;
    }
    int result = usual->xOpen(usual, name, file, flags, ret_flags);
    if (result != SQLITE_OK)
        return result;
    if (flags & SQLITE_OPEN_WAL)
        open_log(file, name);
    else if (flags & SQLITE_OPEN_MAIN_DB && file->pMethods->iVersion >= 2 &&
             file->pMethods->xShmLock)
        open_database(file);
    return result;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), least = strlen(ending);
    return size > least && strcmp(name + size - least, ending) == 0;
}

/* A rollback journal that would be played back is there, and then cannot be opened: SQLite reads
 * nothing of the database, which that may have left half written. */
static int log_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_there)
{
    (void)vfs;
    *ret_there = ends_with(name, "-journal") && sfs_sqlite_head_is_hot(name);
    return ends_with(name, "-wal") ? usual->xAccess(usual, name, flags, ret_there) : SQLITE_OK;
}

static int log_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return ends_with(name, "-wal") ? usual->xDelete(usual, name, sync) : SQLITE_IOERR_DELETE;
}

static void set_up(void)
{
    usual = sqlite3_vfs_find(NULL);
    if (!usual)
        return;
    gathering = *usual;
    gathering.zName = "storefs";
    gathering.pNext = NULL;
    gathering.szOsFile = (usual->szOsFile + 15) / 16 * 16 + (int)sizeof(struct gather);
    gathering.xOpen = gathering_open;
    gathering.xAccess = log_access;
    gathering.xDelete = log_delete;
    if (sqlite3_vfs_register(&gathering, 0) != SQLITE_OK)
        gathering.zName = NULL;
}

const char *sfs_sqlite_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    return gathering.zName;
}
