/* SPDX-License-Identifier: MIT */
/*
 * A disk that fails under SQLite: a VFS over the usual one, made the process's default, whose calls
 * on files fail when they are told to. Files are never mapped, so that all reads come by.
 * (The idea is that of SQLite's own test_vfs.)
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/inject.h"

struct shim_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this one */
};

static sqlite3_vfs *usual;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct shim_file *)file)->real;
}

static bool fails(void)
{
    if (!inject_now(INJECT_DISK))
        return false;
    errno = EIO;
    return true;
}

/* `failure` where the call is to fail, else evaluates the call. */
#define UNLESS(failure, call) (fails() ? (failure) : (call))

static int shim_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int shim_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_READ, real->pMethods->xRead(real, data, size, offset));
}

/* Every other failure is a full disk. */
static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    static unsigned failures;
    sqlite3_file *real = real_of(file);
    return UNLESS(failures++ & 1 ? SQLITE_FULL : SQLITE_IOERR_WRITE,
                  real->pMethods->xWrite(real, data, size, offset));
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_TRUNCATE, real->pMethods->xTruncate(real, size));
}

static int shim_sync(sqlite3_file *file, int flags)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_FSYNC, real->pMethods->xSync(real, flags));
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_FSTAT, real->pMethods->xFileSize(real, ret_size));
}

static int shim_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_LOCK, real->pMethods->xLock(real, level));
}

static int shim_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xUnlock(real, level);
}

static int shim_reserved(sqlite3_file *file, int *ret_held)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_CHECKRESERVEDLOCK,
                  real->pMethods->xCheckReservedLock(real, ret_held));
}

static int shim_control(sqlite3_file *file, int operation, void *argument)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFileControl(real, operation, argument);
}

static int shim_sector(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSectorSize(real);
}

static int shim_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static int shim_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **ret)
{
    sqlite3_file *real = real_of(file);
    return UNLESS(SQLITE_IOERR_SHMMAP, real->pMethods->xShmMap(real, region, size, extend, ret));
}

/* Giving a lock back does not fail: close() does that too. */
static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    sqlite3_file *real = real_of(file);
    if (flags & SQLITE_SHM_UNLOCK)
        return real->pMethods->xShmLock(real, offset, count, flags);
    return UNLESS(SQLITE_IOERR_SHMLOCK, real->pMethods->xShmLock(real, offset, count, flags));
}

static void shim_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    real->pMethods->xShmBarrier(real);
}

static int shim_shm_unmap(sqlite3_file *file, int remove)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmUnmap(real, remove);
}

static int shim_fetch(sqlite3_file *file, sqlite3_int64 offset, int size, void **ret_data)
{
    (void)file;
    (void)offset;
    (void)size;
    *ret_data = NULL;
    return SQLITE_OK;
}

static int shim_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *data)
{
    (void)file;
    (void)offset;
    (void)data;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_characteristics,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
    .xFetch = shim_fetch,
    .xUnfetch = shim_unfetch,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    struct shim_file *self = (struct shim_file *)file;
    (void)vfs;
    memset(self, 0, (size_t)usual->szOsFile + sizeof(*self));
    self->real = (sqlite3_file *)(self + 1);
    int result = UNLESS(SQLITE_CANTOPEN, usual->xOpen(usual, name, self->real, flags, ret_flags));
    if (self->real->pMethods)
        self->base.pMethods = &methods;
    return result;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return UNLESS(SQLITE_IOERR_DELETE, usual->xDelete(usual, name, sync));
}

static int shim_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_result)
{
    (void)vfs;
    return UNLESS(SQLITE_IOERR_ACCESS, usual->xAccess(usual, name, flags, ret_result));
}

static int shim_full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret_full)
{
    (void)vfs;
    return usual->xFullPathname(usual, name, size, ret_full);
}

void inject_into_sqlite_disk(void)
{
    static sqlite3_vfs shim;
    if (usual)
        return;
    usual = sqlite3_vfs_find(NULL);
    if (!usual)
        abort();
    shim = *usual;
    shim.zName = "storefs-fault";
    shim.pNext = NULL;
    shim.szOsFile = usual->szOsFile + (int)sizeof(struct shim_file);
    shim.xOpen = shim_open;
    shim.xDelete = shim_delete;
    shim.xAccess = shim_access;
    shim.xFullPathname = shim_full_name;
    if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK)
        abort();
}
