/* SPDX-License-Identifier: MIT */
/*
 * odd_files SOURCE MOUNTPOINT ANSWER…: mounts the files of the directory SOURCE, and answers like
 * file systems that cannot do everything:
 *
 *   statfs=zero, statfs=ERRNO     knows nothing of its room, or does not answer
 *   lock=ERRNO                    neither flock(2) nor fcntl(2) locks
 *   fsync=ERRNO, fsyncdir=ERRNO   cannot put a file, or a directory, on disk
 *   direct                        no shared memory map (FUSE's direct_io)
 *   rename=ERRNO                  rename(2) only, no flags of renameat2(2)
 *   fallocate=ERRNO, xattr=ERRNO, link=ERRNO, utimens=ERRNO, chown=ERRNO
 *   chmod=ERRNO                   … and all files have mode 0755, as on FAT,
 *   private                       … or 0700
 *   type=unknown                  readdir(3) says DT_UNKNOWN
 *   inode=zero, inode=changing    st_ino is no identity
 *   nlink=zero
 *   time=coarse                   whole even seconds, as on FAT
 *   case=fold                     a name in capitals is the same name
 *
 * ERRNO is a name or a number. It runs until it is unmounted. Files without a name (O_TMPFILE) it
 * never has.
 */
#define FUSE_USE_VERSION 312
#include <fuse.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct {
    const char *root;
    const char *inode, *statfs;
    int statfs_error, lock, fsync, fsyncdir, rename, fallocate, xattr, link, utimens, chown, chmod;
    bool direct, private, no_type, no_links, coarse, fold;
} odd;

/* The file below SOURCE. */
struct place {
    char path[PATH_MAX];
};

static struct place at(const char *path)
{
    struct place place;
    size_t root = strlen(odd.root);
    snprintf(place.path, sizeof(place.path), "%s%s", odd.root, path);
    for (char *byte = place.path + root; odd.fold && *byte; byte++)
        *byte = (char)tolower((unsigned char)*byte);
    return place;
}

static int result(long value)
{
    return value < 0 ? -errno : (int)value;
}

static time_t whole(time_t seconds)
{
    return seconds / 2 * 2;
}

static void show_status(struct stat *status)
{
    static atomic_ulong next = 1000;
    if (odd.inode)
        status->st_ino = strcmp(odd.inode, "zero") == 0 ? 0 : atomic_fetch_add(&next, 1);
    if (odd.no_links)
        status->st_nlink = 0;
    if (odd.chmod && !S_ISLNK(status->st_mode))
        status->st_mode = (status->st_mode & S_IFMT) | (odd.private ? 0700 : 0755);
    if (odd.coarse) {
        status->st_mtim = (struct timespec){whole(status->st_mtim.tv_sec), 0};
        status->st_atim = (struct timespec){whole(status->st_atim.tv_sec), 0};
        status->st_ctim = (struct timespec){whole(status->st_ctim.tv_sec), 0};
    }
}

static int odd_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    int failed = info ? fstat((int)info->fh, status) : lstat(at(path).path, status);
    if (failed)
        return -errno;
    show_status(status);
    return 0;
}

static int odd_readlink(const char *path, char *target, size_t size)
{
    ssize_t length = readlink(at(path).path, target, size - 1);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    return 0;
}

static int odd_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                       struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)offset, (void)info, (void)flags;
    DIR *directory = opendir(at(path).path);
    struct dirent *entry;
    if (!directory)
        return -errno;
    while ((entry = readdir(directory))) {
        struct stat status = {.st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12};
        show_status(&status);
        if (odd.no_type)
            status.st_mode = 0;
        if (fill(buffer, entry->d_name, &status, 0, 0))
            break;
    }
    closedir(directory);
    return 0;
}

static int odd_mknod(const char *path, mode_t mode, dev_t device)
{
    return result(mknod(at(path).path, mode, device));
}

static int odd_mkdir(const char *path, mode_t mode)
{
    return result(mkdir(at(path).path, mode));
}

static int odd_symlink(const char *target, const char *path)
{
    return result(symlink(target, at(path).path));
}

static int odd_unlink(const char *path)
{
    return result(unlink(at(path).path));
}

static int odd_rmdir(const char *path)
{
    return result(rmdir(at(path).path));
}

static int odd_rename(const char *from, const char *to, unsigned flags)
{
    if (flags && odd.rename)
        return -odd.rename;
    return result(renameat2(AT_FDCWD, at(from).path, AT_FDCWD, at(to).path, flags));
}

static int odd_link(const char *from, const char *to)
{
    return odd.link ? -odd.link : result(link(at(from).path, at(to).path));
}

static int odd_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)info;
    return odd.chmod ? -odd.chmod : result(chmod(at(path).path, mode));
}

static int odd_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
    (void)info;
    return odd.chown ? -odd.chown : result(lchown(at(path).path, uid, gid));
}

static int odd_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    return result(info ? ftruncate((int)info->fh, size) : truncate(at(path).path, size));
}

static int odd_utimens(const char *path, const struct timespec times[2],
                       struct fuse_file_info *info)
{
    (void)info;
    return odd.utimens ? -odd.utimens
                       : result(utimensat(AT_FDCWD, at(path).path, times, AT_SYMLINK_NOFOLLOW));
}

static int opened(int fd, struct fuse_file_info *info)
{
    if (fd < 0)
        return -errno;
    info->fh = (uint64_t)fd;
    info->direct_io = odd.direct;
    return 0;
}

static int odd_open(const char *path, struct fuse_file_info *info)
{
    return opened(open(at(path).path, info->flags & ~O_NOFOLLOW), info);
}

static int odd_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    return opened(open(at(path).path, info->flags, mode), info);
}

static int odd_read(const char *path, char *data, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    (void)path;
    return result(pread((int)info->fh, data, size, offset));
}

static int odd_write(const char *path, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    (void)path;
    return result(pwrite((int)info->fh, data, size, offset));
}

static int odd_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    return result(close((int)info->fh));
}

static int odd_statfs(const char *path, struct statvfs *status)
{
    if (odd.statfs_error)
        return -odd.statfs_error;
    if (odd.statfs)
        return 0; /* all zeros but for the size of a block, which libfuse gives */
    return result(statvfs(at(path).path, status));
}

static int odd_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path, (void)data_only;
    return odd.fsync ? -odd.fsync : result(fsync((int)info->fh));
}

static int odd_fsyncdir(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path, (void)data_only, (void)info;
    return -odd.fsyncdir;
}

static int odd_fallocate(const char *path, int mode, off_t offset, off_t size,
                         struct fuse_file_info *info)
{
    (void)path;
    return odd.fallocate ? -odd.fallocate : result(fallocate((int)info->fh, mode, offset, size));
}

static int odd_lock(const char *path, struct fuse_file_info *info, int command, struct flock *lock)
{
    (void)path, (void)info, (void)command, (void)lock;
    return -odd.lock;
}

static int odd_flock(const char *path, struct fuse_file_info *info, int operation)
{
    (void)path, (void)info, (void)operation;
    return -odd.lock;
}

static int odd_setxattr(const char *path, const char *name, const char *value, size_t size,
                        int flags)
{
    return odd.xattr ? -odd.xattr : result(lsetxattr(at(path).path, name, value, size, flags));
}

static int odd_getxattr(const char *path, const char *name, char *value, size_t size)
{
    return odd.xattr ? -odd.xattr : result(lgetxattr(at(path).path, name, value, size));
}

static int odd_listxattr(const char *path, char *names, size_t size)
{
    return odd.xattr ? -odd.xattr : result(llistxattr(at(path).path, names, size));
}

static int odd_removexattr(const char *path, const char *name)
{
    return odd.xattr ? -odd.xattr : result(lremovexattr(at(path).path, name));
}

static void *odd_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = 1;
    config->nullpath_ok = 0;
    if (odd.inode || odd.fold)
        config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    return NULL;
}

static int errno_of(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"EINVAL", EINVAL}, {"ENOSYS", ENOSYS}, {"EOPNOTSUPP", EOPNOTSUPP},
                 {"ENOLCK", ENOLCK}, {"EPERM", EPERM},   {"EROFS", EROFS},
                 {"ENOSPC", ENOSPC}, {"EIO", EIO}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i].name) == 0)
            return names[i].number;
    fprintf(stderr, "odd_files: '%s' is no errno\n", text);
    exit(2);
}

static void take(const char *answer)
{
    static const struct {
        const char *name;
        int *number;
    } errors[] = {
        {"lock=", &odd.lock},     {"fsync=", &odd.fsync},         {"fsyncdir=", &odd.fsyncdir},
        {"rename=", &odd.rename}, {"fallocate=", &odd.fallocate}, {"xattr=", &odd.xattr},
        {"link=", &odd.link},     {"utimens=", &odd.utimens},     {"chown=", &odd.chown},
        {"chmod=", &odd.chmod},   {"statfs=", &odd.statfs_error}};
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"direct", &odd.direct},        {"private", &odd.private},
                 {"type=unknown", &odd.no_type}, {"nlink=zero", &odd.no_links},
                 {"time=coarse", &odd.coarse},   {"case=fold", &odd.fold}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(answer, flags[i].name) == 0) {
            *flags[i].flag = true;
            return;
        }
    }
    if (strncmp(answer, "inode=", 6) == 0) {
        odd.inode = answer + 6;
        return;
    }
    if (strcmp(answer, "statfs=zero") == 0) {
        odd.statfs = answer + 7;
        return;
    }
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strncmp(answer, errors[i].name, strlen(errors[i].name)) == 0) {
            *errors[i].number = errno_of(answer + strlen(errors[i].name));
            return;
        }
    }
    fprintf(stderr, "odd_files: '%s' is no answer\n", answer);
    exit(2);
}

int main(int count, char **arguments)
{
    struct fuse_operations operations = {
        .init = odd_init,
        .getattr = odd_getattr,
        .readlink = odd_readlink,
        .readdir = odd_readdir,
        .mknod = odd_mknod,
        .mkdir = odd_mkdir,
        .symlink = odd_symlink,
        .unlink = odd_unlink,
        .rmdir = odd_rmdir,
        .rename = odd_rename,
        .link = odd_link,
        .chmod = odd_chmod,
        .chown = odd_chown,
        .truncate = odd_truncate,
        .utimens = odd_utimens,
        .open = odd_open,
        .create = odd_create,
        .read = odd_read,
        .write = odd_write,
        .release = odd_release,
        .statfs = odd_statfs,
        .fsync = odd_fsync,
        .fallocate = odd_fallocate,
        .setxattr = odd_setxattr,
        .getxattr = odd_getxattr,
        .listxattr = odd_listxattr,
        .removexattr = odd_removexattr,
    };
    if (count < 3) {
        fprintf(stderr, "usage: odd_files SOURCE MOUNTPOINT ANSWER...\n");
        return 2;
    }
    odd.root = realpath(arguments[1], NULL);
    for (int i = 3; i < count; i++)
        take(arguments[i]);
    if (odd.lock) {
        operations.lock = odd_lock;
        operations.flock = odd_flock;
    }
    if (odd.fsyncdir)
        operations.fsyncdir = odd_fsyncdir;
    umask(0);
    char options[] = "-odefault_permissions,fsname=odd";
    char *command[] = {arguments[0], arguments[2], options, NULL};
    return odd.root ? fuse_main(3, command, &operations, NULL) : 2;
}
