/* SPDX-License-Identifier: MIT */
/* What a file system can do, tried in a temporary file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* mkostemp */
#endif
#include "util/probe.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/file.h"

#define ORIGIN "file"

struct probe {
    const char *path; /* of the store */
    char *file;       /* the temporary one; owned */
    int fd;
};

static const struct type {
    unsigned long magic;
    bool complete;
    const char *name;
} types[] = {
    {0xef53, true, "ext4"},        {0x58465342, true, "XFS"},      {0x9123683e, true, "Btrfs"},
    {0x01021994, true, "tmpfs"},   {0x858458f6, true, "ramfs"},    {0x794c7630, true, "overlayfs"},
    {0xf2f52010, true, "F2FS"},    {0xca451a4e, true, "bcachefs"}, {0x65735546, false, "FUSE"},
    {0x6969, false, "NFS"},        {0xff534d42, false, "CIFS"},    {0xfe534d42, false, "SMB"},
    {0x01021997, false, "9P"},     {0x4d44, false, "FAT"},         {0x2011bab0, false, "exFAT"},
    {0x786f4256, false, "vboxsf"},
};

/* NULL: another one. */
static const struct type *type_of(const char *path)
{
    char directory[4096];
    const char *slash = strrchr(path, '/');
    size_t size = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    struct statfs status;
    if (size >= sizeof(directory))
        return NULL;
    memcpy(directory, path, size);
    directory[size] = '\0';
    if (statfs(size ? directory : ".", &status))
        return NULL;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if ((unsigned long)status.f_type == types[i].magic)
            return &types[i];
    return NULL;
}

bool sfs_probe_is_complete(const char *path)
{
    const struct type *type = type_of(path);
    return type && type->complete;
}

/* "… its file system (TYPE) LACKS; WAY OUT". */
static int refuse(const char *path, const char *lacks, const char *way_out, struct sfs_error *error)
{
    const struct type *type = type_of(path);
    return sfs_fail(error, SFS_E_UNSUPPORTED, ORIGIN,
                    "a store cannot be kept in '%s': its file system (%s) %s; %s", path,
                    type ? type->name : "of an unknown type", lacks, way_out);
}

static int check_inode(const char *file, const char *path, struct sfs_error *error)
{
    struct stat first, second;
    if (stat(file, &first) || stat(file, &second))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", file);
    if (first.st_ino != 0 && first.st_ino == second.st_ino)
        return 0;
    return refuse(path, "gives a file no inode number that lasts", "choose another file system",
                  error);
}

int sfs_probe_inode(const char *path, struct sfs_error *error)
{
    return check_inode(path, path, error);
}

static int check_mode(const struct probe *probe, struct sfs_error *error)
{
    struct stat status;
    if (fstat(probe->fd, &status))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", probe->file);
    if (status.st_mode & 0077)
        return refuse(probe->path, "lets every user read it",
                      "mount that with umask=077, or choose another file system", error);
    return 0;
}

static int check_sync(const struct probe *probe, unsigned needs, struct sfs_error *error)
{
    int code = sfs_sync_file(probe->fd, probe->path, error);
    if (code == 0 && (needs & SFS_PROBE_DIRECTORY))
        code = sfs_sync_directory_of(probe->path, false, error);
    return code;
}

static int check_locks(const struct probe *probe, unsigned needs, struct sfs_error *error)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    bool fails = (needs & SFS_PROBE_LOCKS) && fcntl(probe->fd, F_SETLK, &lock);
    if (!fails && (!(needs & SFS_PROBE_FLOCK) || flock(probe->fd, LOCK_EX | LOCK_NB) == 0))
        return 0;
    return refuse(probe->path, "has no locks, so that two processes could write at once",
                  "mount that with locks, or choose another file system", error);
}

static int check_map(const struct probe *probe, struct sfs_error *error)
{
    if (ftruncate(probe->fd, 4096))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot write '%s'", probe->file);
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, probe->fd, 0);
    if (map != MAP_FAILED) {
        munmap(map, 4096);
        return 0;
    }
    return refuse(probe->path, "has no shared memory (mmap)",
                  "mount that without direct_io, use json:, dir: or another file system", error);
}

/* Whether the temporary file has another name: in capitals, or with a dot. */
static int check_names(const struct probe *probe, struct sfs_error *error)
{
    struct sfs_buffer other = {0};
    if (sfs_buffer_printf(&other, "%s.", probe->file) || sfs_buffer_text(&other)) {
        sfs_buffer_free(&other);
        return sfs_fail_memory(error, ORIGIN);
    }
    bool same = access(other.data, F_OK) == 0;
    other.data[other.size - 1] = '\0';
    char *slash = strrchr(other.data, '/');
    for (char *byte = slash ? slash + 1 : other.data; *byte; byte++)
        *byte = (char)toupper((unsigned char)*byte);
    same |= access(other.data, F_OK) == 0;
    sfs_buffer_free(&other);
    if (same)
        return refuse(probe->path, "takes names that differ for the same",
                      "use sqlite: or json:, or choose another file system", error);
    return 0;
}

static int check(const struct probe *probe, bool complete, unsigned needs, struct sfs_error *error)
{
    int code = complete ? 0 : check_inode(probe->file, probe->path, error);
    if (code == 0 && !complete)
        code = check_mode(probe, error);
    if (code == 0 && !complete)
        code = check_sync(probe, needs, error);
    if (code == 0 && !complete)
        code = check_locks(probe, needs, error);
    if (code == 0 && !complete && (needs & SFS_PROBE_MAP))
        code = check_map(probe, error);
    if (code == 0 && (needs & SFS_PROBE_NAMES))
        code = check_names(probe, error);
    return code;
}

int sfs_probe(const char *path, unsigned needs, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    bool complete = sfs_probe_is_complete(path);
    if (complete && !(needs & SFS_PROBE_NAMES))
        return 0;
    if (sfs_buffer_printf(&name, "%s.tmp.XXXXXX", path) || sfs_buffer_text(&name)) {
        sfs_buffer_free(&name);
        return sfs_fail_memory(error, ORIGIN);
    }
    struct probe probe = {.path = path, .file = name.data};
    probe.fd = mkostemp(probe.file, O_CLOEXEC);
    int code = 0;
    if (probe.fd < 0) {
        code = sfs_fail_errno(error, errno, ORIGIN, "cannot create a file beside '%s'", path);
    } else {
        code = check(&probe, complete, needs, error);
        close(probe.fd);
        (void)unlink(probe.file);
    }
    sfs_buffer_free(&name);
    return code;
}

int sfs_probe_place(const char *path, unsigned needs, struct sfs_error *error)
{
    if (access(path, F_OK) && errno == ENOENT)
        return sfs_probe(path, needs, error);
    if (!(needs & SFS_PROBE_DIRECTORY) || sfs_probe_is_complete(path))
        return 0;
    return sfs_sync_directory_of(path, false, error);
}

int sfs_probe_explain(const char *path, unsigned needs, int code, struct sfs_error *error)
{
    struct sfs_error reason = {0};
    if (sfs_probe_is_complete(path) || sfs_probe(path, needs, &reason) != SFS_E_UNSUPPORTED)
        return code;
    if (error)
        *error = reason;
    return SFS_E_UNSUPPORTED;
}
