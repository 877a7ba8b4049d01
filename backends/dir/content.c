/* SPDX-License-Identifier: MIT */
/* Contents: values read from their files, and temporary files in the control directory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "internal.h"
#include "util/file.h"
#include "util/identity.h"

static int fail_read(struct sfs_bytes name, struct sfs_error *error)
{
    char shown[160];
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot read '%s'",
                          sfs_name_show(name, shown, sizeof(shown)));
}

static int read_link(int directory, const char *leaf, struct sfs_bytes name,
                     struct sfs_buffer *link, struct sfs_error *error)
{
    char target[PATH_MAX];
    ssize_t size = readlinkat(directory, leaf, target, sizeof(target));
    if (size < 0)
        return fail_read(name, error);
    return sfs_buffer_append(link, target, (size_t)size) ? sfs_fail_memory(error, SFS_DIR_ORIGIN)
                                                         : 0;
}

/* What is neither a file nor a link has no value, and opening it could wait for somebody. */
int sfs_dir_value_open(int directory, const char *leaf, struct sfs_bytes name,
                       struct sfs_dir_value *ret_value, struct sfs_error *error)
{
    struct sfs_dir_value value = {.fd = -1};
    struct stat status;
    if (fstatat(directory, leaf, &status, AT_SYMLINK_NOFOLLOW))
        return fail_read(name, error);
    int code = 0;
    if (S_ISLNK(status.st_mode))
        code = read_link(directory, leaf, name, &value.link, error);
    if (S_ISREG(status.st_mode)) {
        value.fd = openat(directory, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        code = value.fd < 0 ? fail_read(name, error) : 0;
    }
    if (code == 0)
        *ret_value = value;
    return code;
}

void sfs_dir_value_close(struct sfs_dir_value *value)
{
    if (value->fd >= 0)
        close(value->fd);
    sfs_buffer_free(&value->link);
    value->fd = -1;
}

int sfs_dir_value_read(const struct sfs_dir_value *value, uint64_t offset, void *data, size_t size,
                       struct sfs_bytes name, size_t *ret_size, struct sfs_error *error)
{
    size_t done = 0;
    if (value->fd < 0) {
        size_t left = offset < value->link.size ? value->link.size - (size_t)offset : 0;
        *ret_size = left < size ? left : size;
        if (*ret_size)
            memcpy(data, value->link.data + offset, *ret_size);
        return 0;
    }
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        size =
            offset > INT64_MAX ? 0 : (size_t)(INT64_MAX - offset); /* the largest file there is */
    while (done < size) {
        ssize_t got = pread(value->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_read(name, error);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_size = done;
    return 0;
}

int sfs_dir_value_blob(const struct sfs_dir_value *value, uint64_t size, struct sfs_bytes name,
                       struct sfs_blob **ret_blob, struct sfs_error *error)
{
    void *data = NULL;
    size_t got = 0;
    if (size > SIZE_MAX / 2)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    struct sfs_blob *blob = sfs_blob_alloc((size_t)size, &data);
    if (!blob)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = sfs_dir_value_read(value, 0, data, (size_t)size, name, &got, error);
    if (code == 0 && got == size) {
        *ret_blob = blob;
        return 0;
    }
    /* Somebody else cut the file while we read it: what is there now is its value. */
    if (code == 0 && !(*ret_blob = sfs_blob_new(sfs_bytes(data, got))))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    sfs_blob_unref(blob);
    return code;
}

/* --- temporary files --- */

static int fail_temporary(const struct sfs_dir_store *store, struct sfs_error *error)
{
    int number = errno;
    if (number == ENOENT && /* the directory that is open is on no disk any more */
        sfs_identity_check(store->control, store->control_path, SFS_DIR_ORIGIN, error) ==
            SFS_E_LOST)
        return SFS_E_LOST;
    return sfs_fail_errno(error, number, SFS_DIR_ORIGIN, "cannot make a file in '%s/%s'",
                          store->path, store->control_name);
}

int sfs_dir_temporary_new(struct sfs_dir_store *store, uint64_t *ret_number, int *ret_fd,
                          struct sfs_error *error)
{
    char name[24];
    uint64_t number = atomic_fetch_add(&store->temporary, 1) + 1;
    sfs_dir_temporary_name(number, name);
    int fd = openat(store->control, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_temporary(store, error);
    *ret_number = number;
    *ret_fd = fd;
    return 0;
}

void sfs_dir_temporary_remove(struct sfs_dir_store *store, uint64_t number)
{
    char name[24];
    sfs_dir_temporary_name(number, name);
    (void)unlinkat(store->control, name, 0);
}

/* 1: a link was made; 0: no file system has such a link. */
static int make_link(struct sfs_dir_store *store, struct sfs_bytes target, uint64_t *ret_number,
                     struct sfs_error *error)
{
    char name[24], text[PATH_MAX];
    if (target.size == 0 || target.size >= sizeof(text) || memchr(target.data, '\0', target.size))
        return 0;
    memcpy(text, target.data, target.size);
    text[target.size] = '\0';
    uint64_t number = atomic_fetch_add(&store->temporary, 1) + 1;
    sfs_dir_temporary_name(number, name);
    if (symlinkat(text, store->control, name))
        return fail_temporary(store, error);
    *ret_number = number;
    return 1;
}

int sfs_dir_temporary_write(struct sfs_dir_store *store, struct sfs_bytes bytes, bool link,
                            uint64_t *ret_number, struct sfs_error *error)
{
    uint64_t number = 0;
    int fd = -1;
    int code = link ? make_link(store, bytes, ret_number, error) : 0;
    if (code)
        return code < 0 ? code : 0;
    code = sfs_dir_temporary_new(store, &number, &fd, error);
    if (code)
        return code;
    code = sfs_write_all(fd, bytes, store->path, error);
    close(fd);
    if (code)
        sfs_dir_temporary_remove(store, number);
    else
        *ret_number = number;
    return code;
}
