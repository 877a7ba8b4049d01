/* SPDX-License-Identifier: MIT */
/*
 * Answers of file systems that cannot do everything, put between the library and the system by the
 * linker (--wrap): each is refused with its sentence, accepted where that is asked for, or done
 * without. The same on a real file system: tests/mount/test_odd_files.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "storefs/storage.h"
#include "query/spool.h"
#include "util/file.h"
#include "util/lock_file.h"
#include "util/probe.h"

static struct {
    int lock, fsync, fsyncdir, map, chmod, rename, tmpfile, xattr, watch;
    bool fuse, no_blocks, open_mode, no_inode, new_inodes, fold;
} odd;

#define WRAP(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

static int fail_with(int number)
{
    errno = number;
    return -1;
}

WRAP(int, flock, (int fd, int operation))
{
    return odd.lock ? fail_with(odd.lock) : __real_flock(fd, operation);
}

WRAP(int, fsync, (int fd))
{
    struct stat status;
    int number = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) ? odd.fsyncdir : odd.fsync;
    return number ? fail_with(number) : __real_fsync(fd);
}

WRAP(int, fchmod, (int fd, mode_t mode))
{
    return odd.chmod ? fail_with(odd.chmod) : __real_fchmod(fd, mode);
}

WRAP(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags))
{
    return odd.rename ? fail_with(odd.rename) : __real_renameat2(a, from, b, to, flags);
}

WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset))
{
    if (odd.map && (flags & MAP_SHARED)) {
        errno = odd.map;
        return MAP_FAILED;
    }
    return __real_mmap(at, size, protection, flags, fd, offset);
}

WRAP(int, access, (const char *path, int mode))
{
    struct stat status;
    if (odd.fold && strstr(path, ".TMP."))
        return 0;
    (void)status;
    return __real_access(path, mode);
}

WRAP(ssize_t, flistxattr, (int fd, char *names, size_t size))
{
    return odd.xattr ? fail_with(odd.xattr) : __real_flistxattr(fd, names, size);
}

WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask))
{
    return odd.watch ? fail_with(odd.watch) : __real_inotify_add_watch(fd, path, mask);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;                        \
        va_end(rest);                                                                              \
        if (odd.tmpfile && (flags & O_TMPFILE) == O_TMPFILE)                                       \
            return fail_with(odd.tmpfile);                                                         \
        return __real_open(path, flags, mode);                                                     \
    }
OPEN(__wrap_open)
OPEN(__wrap_open64)

static void change_status(struct stat *status)
{
    static ino_t next = 1u << 20;
    if (odd.no_inode)
        status->st_ino = 0;
    if (odd.new_inodes)
        status->st_ino = next++;
    if (odd.open_mode)
        status->st_mode |= 0055;
}

WRAP(int, stat, (const char *path, struct stat *status))
{
    int failed = __real_stat(path, status);
    change_status(status);
    return failed;
}

WRAP(int, fstat, (int fd, struct stat *status))
{
    int failed = __real_fstat(fd, status);
    change_status(status);
    return failed;
}

WRAP(int, statfs, (const char *path, struct statfs *status))
{
    int failed = __real_statfs(path, status);
    if (odd.fuse)
        status->f_type = 0x65735546;
    return failed;
}

WRAP(int, statvfs, (const char *path, struct statvfs *status))
{
    int failed = __real_statvfs(path, status);
    if (odd.no_blocks)
        *status = (struct statvfs){.f_bsize = 512, .f_frsize = 512};
    return failed;
}

/* The names that the C library uses where off_t has 64 bits anyway. */
WRAP(int, stat64, (const char *path, struct stat *status))
{
    return __wrap_stat(path, status);
}
WRAP(int, fstat64, (int fd, struct stat *status))
{
    return __wrap_fstat(fd, status);
}
WRAP(int, statfs64, (const char *path, struct statfs *status))
{
    return __wrap_statfs(path, status);
}
WRAP(int, statvfs64, (const char *path, struct statvfs *status))
{
    return __wrap_statvfs(path, status);
}
WRAP(void *, mmap64, (void *at, size_t size, int protection, int flags, int fd, off_t offset))
{
    return __wrap_mmap(at, size, protection, flags, fd, offset);
}

static int begin(void **state)
{
    (void)state;
    char *directory = getenv("TMPDIR");
    memset(&odd, 0, sizeof(odd));
    if (chdir(directory ? directory : "/tmp") || system("rm -rf probed") || mkdir("probed", 0700))
        return -1;
    odd.fuse = true;
    return chdir("probed");
}

#define ALL (SFS_PROBE_FLOCK | SFS_PROBE_MAP | SFS_PROBE_DIRECTORY | SFS_PROBE_NAMES)

static void refused(unsigned needs, const char *sentence)
{
    struct sfs_error error = {0};
    assert_int_equal(sfs_probe("store", needs, &error), SFS_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, sentence));
    assert_non_null(strstr(error.message, "'store'"));
    assert_int_equal(system("test -z \"$(ls -A)\""), 0); /* nothing is left */
}

static void test_probe(void **state)
{
    (void)state;
    assert_int_equal(sfs_probe("store", ALL, NULL), 0);
    assert_false(sfs_probe_is_complete("store"));
    odd.lock = ENOLCK;
    refused(ALL, "its file system (FUSE) has no locks");
    odd.lock = 0;
    odd.map = ENODEV;
    refused(ALL, "has no shared memory");
    assert_int_equal(sfs_probe("store", 0, NULL), 0);
    odd.map = 0;
    odd.fsync = EOPNOTSUPP;
    refused(0, "cannot put a file on disk");
    odd.fsync = 0;
    odd.open_mode = true;
    refused(0, "lets every user read it");
    odd.open_mode = false;
    odd.fold = true;
    refused(ALL, "takes names that differ for the same");
    assert_int_equal(sfs_probe("store", 0, NULL), 0);
    odd.fold = false;
    odd.no_inode = true;
    refused(0, "no inode number that lasts");
    odd.no_inode = false;
    odd.new_inodes = true;
    refused(0, "no inode number that lasts");
    odd.fuse = false; /* which is known to be sound */
    assert_int_equal(sfs_probe("store", ALL & ~(unsigned)SFS_PROBE_NAMES, NULL), 0);
}

static void test_probe_fails(void **state)
{
    (void)state;
    struct sfs_error error = {0};
    assert_int_equal(sfs_probe("none/store", 0, &error), SFS_E_NOT_FOUND);
    assert_int_equal(sfs_probe_inode("none", &error), SFS_E_NOT_FOUND);
    odd.fsync = EIO;
    assert_int_equal(sfs_probe("store", 0, &error), SFS_E_IO);
    assert_int_equal(sfs_probe_explain("store", 0, SFS_E_BUSY, &error), SFS_E_BUSY);
    odd.fsync = EINVAL;
    assert_int_equal(sfs_probe_explain("store", 0, SFS_E_BUSY, &error), SFS_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "cannot put a file on disk"));
}

static void test_directory(void **state)
{
    (void)state;
    static const char *const kinds[] = {"sqlite:%sstore", "json:%sstore", "dir:%sstore",
                                        "memory:?snapshot=%sstore"};
    for (int i = 0; i < 4; i++) {
        struct sfs_storage *store = NULL;
        struct sfs_error error = {0};
        char uri[100];
        snprintf(uri, sizeof(uri), kinds[i], "");
        odd.fsyncdir = EINVAL;
        assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), SFS_E_UNSUPPORTED);
        assert_non_null(strstr(error.message, "dirsync=no"));
        snprintf(uri + strlen(uri), sizeof(uri) - strlen(uri), "%sdirsync=no", i == 3 ? "&" : "?");
        assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), 0);
        assert_int_equal(sfs_set(store, sfs_string("k"), sfs_string("v"), &error), 0);
        assert_int_equal(sfs_sync(store, 0, &error), 0);
        assert_int_equal(sfs_backup(store, "saved", NULL, NULL, &error), 0);
        assert_int_equal(sfs_close(store, &error), 0);
        snprintf(uri, sizeof(uri), kinds[i], "");
        assert_int_equal(sfs_open(&store, uri, 0, &error),
                         SFS_E_UNSUPPORTED); /* one from elsewhere */
        odd.fsyncdir = EIO;
        assert_int_equal(sfs_open(&store, uri, 0, &error), SFS_E_IO);
        odd.fsyncdir = 0;
        assert_int_equal(sfs_open(&store, uri, 0, &error), 0);
        assert_int_equal(sfs_close(store, &error), 0);
        assert_int_equal(system("rm -rf store* saved*"), 0);
    }
}

static void test_room(void **state)
{
    (void)state;
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    static char large[3 << 20];
    odd.no_blocks = true;
    assert_int_equal(sfs_open(&store, "sqlite:store", SFS_OPEN_CREATE, &error), 0);
    memset(large, 'x', sizeof(large));
    assert_int_equal(sfs_set(store, sfs_string("k"), sfs_bytes(large, sizeof(large)), &error), 0);
    assert_int_equal(sfs_close(store, &error), 0);
}

static void test_lock(void **state)
{
    (void)state;
    struct sfs_lock_file lock = {.fd = -1};
    struct sfs_error error = {0};
    odd.lock = ENOLCK;
    assert_int_equal(sfs_lock_file_take("lock", false, "it", &lock, &error), SFS_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "has no locks"));
    assert_int_equal(sfs_lock_file_take("lock", true, "it", &lock, &error), 0);
    sfs_lock_file_release(&lock);
    odd.lock = EIO;
    assert_int_equal(sfs_lock_file_take("lock", true, "it", &lock, &error), SFS_E_IO);
    odd.lock = 0;
    odd.new_inodes = true; /* this went on for ever */
    assert_int_equal(sfs_lock_file_take("lock", false, "it", &lock, &error), SFS_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "inode"));
    odd.new_inodes = false;
    odd.no_inode = true; /* two that were both the current one */
    assert_int_equal(sfs_lock_file_take("lock", false, "it", &lock, &error), SFS_E_UNSUPPORTED);
}

static void test_modes(void **state)
{
    (void)state;
    struct sfs_storage *store = NULL;
    struct sfs_error error = {0};
    odd.chmod = EPERM; /* as FAT with umask=077: what is there is private */
    for (int i = 0; i < 3; i++) {
        static const char *const kinds[] = {"sqlite:store", "json:store", "dir:directory"};
        assert_int_equal(sfs_open(&store, kinds[i], SFS_OPEN_CREATE, &error), 0);
        assert_int_equal(sfs_set(store, sfs_string("k"), sfs_string("v"), &error), 0);
        assert_int_equal(sfs_close(store, &error), 0);
        assert_int_equal(system("rm -rf store*"), 0);
    }
    int fd = open("public", O_RDWR | O_CREAT, 0600);
    odd.open_mode = true;
    assert_int_equal(sfs_make_private(fd, "public", &error), SFS_E_PERMISSION);
    close(fd);
}

static void test_rename(void **state)
{
    (void)state;
    assert_int_equal(system("echo a > a; echo b > b"), 0);
    for (int i = 0; i < 2; i++) {
        odd.rename = i ? EINVAL : 0;
        assert_int_equal(sfs_rename_new(AT_FDCWD, "a", "b"), -1);
        assert_int_equal(errno, EEXIST);
        assert_int_equal(sfs_rename_new(AT_FDCWD, "none", "c"), -1);
        assert_int_equal(errno, ENOENT);
        assert_int_equal(sfs_rename_new(AT_FDCWD, "a", "c"), 0);
        assert_int_equal(sfs_rename_new(AT_FDCWD, "c", "a"), 0);
    }
    odd.rename = EIO;
    assert_int_equal(sfs_rename_new(AT_FDCWD, "a", "c"), -1);
}

/* A file of another program in a dir store: its attributes are taken over, or there are none to be
 * had; a disk that fails is neither. */
static void test_attributes(void **state)
{
    (void)state;
    static const int answers[] = {EOPNOTSUPP, ENOSYS, EPERM, EIO};
    for (int i = 0; i < 4; i++) {
        struct sfs_storage *store = NULL;
        struct sfs_buffer value = {0};
        struct sfs_error error = {0};
        assert_int_equal(system("rm -rf files; mkdir files; echo v > files/k"), 0);
        assert_int_equal(sfs_open(&store, "dir:files", SFS_OPEN_CREATE, &error), 0);
        odd.xattr = answers[i];
        int code = sfs_get_value(store, sfs_string("k"), &value, &error);
        assert_int_equal(code, answers[i] == EIO ? SFS_E_IO : 0);
        odd.xattr = 0;
        sfs_buffer_free(&value);
        assert_int_equal(sfs_get_value(store, sfs_string("k"), &value, &error), 0);
        sfs_buffer_free(&value);
        assert_int_equal(sfs_close(store, &error), 0);
    }
}

static void test_spool(void **state)
{
    (void)state;
    struct sfs_spool spool;
    char read[4] = {0};
    odd.tmpfile = EINVAL;
    assert_int_equal(sfs_spool_open(&spool, ".", NULL), 0);
    assert_int_equal(sfs_spool_write(&spool, sfs_string("abc"), NULL), 0);
    assert_int_equal(sfs_spool_read(&spool, 0, read, 3, NULL), 0);
    assert_string_equal(read, "abc");
    assert_int_equal(system("test -z \"$(ls -A)\""), 0);
    sfs_spool_close(&spool);
}

/* The limit of inotify watches of a user: commits of others are noticed all the same. */
static void test_watch(void **state)
{
    (void)state;
    struct sfs_storage *one = NULL, *other = NULL;
    struct sfs_watch *watch = NULL;
    struct sfs_error error = {0};
    odd.watch = ENOSPC;
    assert_int_equal(sfs_open(&one, "sqlite:store", SFS_OPEN_CREATE, &error), 0);
    assert_int_equal(sfs_open(&other, "sqlite:store", 0, &error), 0);
    assert_int_equal(sfs_watch_open(one, &watch, &error), 0);
    assert_int_equal(sfs_watch_wait(watch, 10, &error), 0);
    assert_int_equal(sfs_set(other, sfs_string("k"), sfs_string("v"), &error), 0);
    assert_int_equal(sfs_watch_wait(watch, 60000, &error), 1);
    sfs_watch_close(watch);
    assert_int_equal(sfs_close(other, &error), 0);
    assert_int_equal(sfs_close(one, &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_probe, begin),
        cmocka_unit_test_setup(test_probe_fails, begin),
        cmocka_unit_test_setup(test_directory, begin),
        cmocka_unit_test_setup(test_room, begin),
        cmocka_unit_test_setup(test_lock, begin),
        cmocka_unit_test_setup(test_modes, begin),
        cmocka_unit_test_setup(test_rename, begin),
        cmocka_unit_test_setup(test_attributes, begin),
        cmocka_unit_test_setup(test_spool, begin),
        cmocka_unit_test_setup(test_watch, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
