/* SPDX-License-Identifier: MIT */
/*
 * Taking over what other programs did: a file whose print is not the known one, or that is not
 * known, gets a record of what the file system says; a name whose file is gone has none any more.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "internal.h"
#include "util/clock.h"
#include "util/file.h"

#define JSON_MAX (UINT64_C(64) << 20) /* as of stages: more is never found to be JSON */
#define XATTR_PREFIX "user."
#define XATTR_VALUE_MAX 65536

int sfs_dir_note(struct sfs_dir_store *store, struct sfs_bytes name, struct sfs_dir_item *item,
                 struct sfs_error *error)
{
    struct sfs_dir_item *old = sfs_tree_find(&store->tree, name);
    struct sfs_dir_item *known = item ? item : old;
    if (!known)
        return 0;
    if (sfs_tree_insert(&store->unsaved, known->record->name, known))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int result = item ? sfs_tree_insert(&store->tree, item->record->name, item)
                      : sfs_tree_remove(&store->tree, name);
    if (result < 0)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (!item)
        store->sequence = ++store->used_sequence;
    return 0;
}

/* --- what the file system knows --- */

static enum sfs_kind kind_of(mode_t mode)
{
    return S_ISREG(mode)    ? SFS_KIND_VALUE
           : S_ISLNK(mode)  ? SFS_KIND_SYMLINK
           : S_ISFIFO(mode) ? SFS_KIND_FIFO
           : S_ISSOCK(mode) ? SFS_KIND_SOCKET
           : S_ISCHR(mode)  ? SFS_KIND_CHARACTER
                            : SFS_KIND_BLOCK;
}

static int fail_xattrs(struct sfs_error *error)
{
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN,
                          "cannot read the extended attributes of a file");
}

/* One attribute more; those that make no sense to us (too large) are left where they are. */
static int add_xattr(int fd, const char *name, struct sfs_buffer *xattrs, struct sfs_error *error)
{
    struct sfs_buffer changed = {0};
    char *value = malloc(XATTR_VALUE_MAX);
    if (!value)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    ssize_t size = fgetxattr(fd, name, value, XATTR_VALUE_MAX);
    int code = size < 0 && errno != ENODATA && errno != ERANGE ? fail_xattrs(error) : 0;
    if (size >= 0) {
        code = sfs_xattr_change(sfs_buffer_bytes(xattrs), sfs_string(name),
                                sfs_bytes(value, (size_t)size), 0, &changed, error);
        if (code == 0) {
            sfs_buffer_free(xattrs);
            *xattrs = changed;
        }
    }
    free(value);
    return size < 0 || code == SFS_E_NO_MEMORY ? code : 0;
}

static int find_xattrs(int fd, struct sfs_buffer *xattrs, struct sfs_error *error)
{
    ssize_t size = flistxattr(fd, NULL, 0);
    if (size == 0 || (size < 0 && (errno == EPERM || sfs_is_unsupported(errno))))
        return 0; /* a file system without them */
    if (size < 0)
        return fail_xattrs(error);
    char *names = malloc((size_t)size + 1);
    if (!names)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    size = flistxattr(fd, names, (size_t)size);
    int code = size < 0 ? fail_xattrs(error) : 0;
    for (ssize_t at = 0; code == 0 && at < size; at += (ssize_t)strlen(names + at) + 1) {
        const char *name = names + at;
        if (strncmp(name, XATTR_PREFIX, strlen(XATTR_PREFIX)) == 0 &&
            strncmp(name, XATTR_PREFIX "storefs.", strlen(XATTR_PREFIX) + 8) != 0)
            code = add_xattr(fd, name, xattrs, error);
    }
    free(names);
    return code;
}

static int find_type(const struct sfs_dir_value *value, uint64_t size, struct sfs_bytes name,
                     enum sfs_type *ret_type, struct sfs_error *error)
{
    struct sfs_blob *blob = NULL;
    *ret_type = SFS_TYPE_BYTES;
    if (size > JSON_MAX)
        return 0;
    int code = sfs_dir_value_blob(value, size, name, &blob, error);
    if (code == 0)
        *ret_type = sfs_type_of(sfs_blob_bytes(blob));
    sfs_blob_unref(blob);
    return code;
}

/* --- records of files that others wrote --- */

static struct sfs_attributes new_attributes(struct sfs_dir_store *store, const struct stat *status)
{
    return (struct sfs_attributes){
        .id = ++store->last_id,
        .kind = kind_of(status->st_mode),
        .mode = status->st_mode & 07777u,
        .uid = status->st_uid == geteuid() ? SFS_OWNER_NONE : status->st_uid,
        .gid = status->st_gid == getegid() ? SFS_OWNER_NONE : status->st_gid,
        .device = S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode) ? status->st_rdev : 0,
        .created = sfs_clock_nanoseconds(status->st_mtim),
        .accessed = sfs_clock_nanoseconds(status->st_atim),
    };
}

/* Where the known file was written anew, the record is the same one. */
static struct sfs_attributes attributes_of(struct sfs_dir_store *store, const struct stat *status,
                                           const struct sfs_dir_item *old)
{
    bool same = old && old->record->attributes.kind == kind_of(status->st_mode);
    struct sfs_attributes attributes =
        same ? old->record->attributes : new_attributes(store, status);
    if (same && (status->st_mode & 07777u) != old->print.mode)
        attributes.mode = status->st_mode & 07777u;
    attributes.modified = sfs_clock_nanoseconds(status->st_mtim);
    attributes.changed = sfs_clock_nanoseconds(status->st_ctim);
    return attributes;
}

static int put_item(struct sfs_dir_store *store, const struct sfs_record *form,
                    const struct sfs_dir_print *print, struct sfs_dir_item **ret_item,
                    struct sfs_error *error)
{
    const struct sfs_record *record = sfs_record_new(
        form->name, store->used_sequence + 1, form->size, &form->attributes, form->xattrs, NULL);
    struct sfs_dir_item *item = record ? sfs_dir_item_new(record, print) : NULL;
    sfs_record_unref(record);
    if (!item)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = sfs_dir_note(store, form->name, item, error);
    sfs_dir_item_unref(item);
    if (code)
        return code;
    store->sequence = ++store->used_sequence;
    *ret_item = item; /* the tree has it */
    return 0;
}

/* What only its content can tell. */
static int read_content(const struct sfs_dir_value *value, struct sfs_record *form, bool same,
                        struct sfs_buffer *xattrs, struct sfs_error *error)
{
    int code = 0;
    if (!form->attributes.type_set)
        code = find_type(value, form->size, form->name, &form->attributes.type, error);
    if (code == 0 && value->fd >= 0 && !same)
        code = find_xattrs(value->fd, xattrs, error);
    return code;
}

int sfs_dir_adopt(struct sfs_dir_store *store, struct sfs_bytes name,
                  const struct sfs_dir_place *place, struct sfs_dir_item *old,
                  struct sfs_dir_item **ret_item, struct sfs_error *error)
{
    const struct stat *status = &place->status;
    struct sfs_dir_value value = {.fd = -1};
    struct sfs_buffer xattrs = {0};
    struct sfs_dir_print print = sfs_dir_print_of(status);
    int code = sfs_dir_value_open(place->fd, place->leaf.data, name, &value, error);
    bool closed = code == SFS_E_PERMISSION; /* a file that we may not read is there all the same */
    if (code && !closed)
        return code;
    struct sfs_record form = {.name = name, .attributes = attributes_of(store, status, old)};
    form.size = S_ISREG(status->st_mode) ? (uint64_t)status->st_size : value.link.size;
    bool same = old && old->record->attributes.id == form.attributes.id;
    code = closed ? 0 : read_content(&value, &form, same, &xattrs, error);
    form.xattrs = same ? old->record->xattrs : sfs_buffer_bytes(&xattrs);
    if (code == 0)
        code = put_item(store, &form, &print, ret_item, error);
    sfs_buffer_free(&xattrs);
    sfs_dir_value_close(&value);
    return code;
}

int sfs_dir_adopt_marker(struct sfs_dir_store *store, struct sfs_bytes name,
                         const struct stat *status, struct sfs_error *error)
{
    const struct sfs_dir_print none = {0};
    struct sfs_dir_item *item = NULL;
    struct sfs_record form = {.name = name, .attributes = new_attributes(store, status)};
    form.attributes.kind = SFS_KIND_MARKER;
    form.attributes.type = SFS_TYPE_TEXT;
    form.attributes.modified = sfs_clock_nanoseconds(status->st_mtim);
    form.attributes.changed = sfs_clock_nanoseconds(status->st_ctim);
    return put_item(store, &form, &none, &item, error);
}

/* --- one name --- */

/* A directory with nothing in it is one that somebody made. */
static int refresh_marker(struct sfs_dir_store *store, struct sfs_bytes name,
                          struct sfs_error *error)
{
    struct sfs_bytes prefix = sfs_bytes(name.data, name.size - 1);
    struct stat status;
    bool empty = false;
    int fd = -1;
    if (prefix.size == 0)
        return 0; /* of the root: known or not */
    int code = sfs_dir_open_directory(store, prefix, false, &fd, error);
    if (code == SFS_E_NOT_FOUND)
        return sfs_dir_note(store, name, NULL, error);
    if (code == 0 && !sfs_tree_find(&store->tree, name)) {
        code = sfs_dir_is_empty(fd, &empty, error);
        if (code == 0 && empty && fstat(fd, &status))
            code = sfs_dir_fail(store, name, "cannot look at the directory", error);
        if (code == 0 && empty)
            code = sfs_dir_adopt_marker(store, name, &status, error);
    }
    if (fd >= 0)
        close(fd);
    return code;
}

static int refresh_key(struct sfs_dir_store *store, struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_dir_place place = {.fd = -1};
    int code = sfs_dir_find(store, key, &place, error);
    if (code == SFS_E_NOT_FOUND)
        return sfs_dir_note(store, key, NULL, error);
    if (code)
        return code;
    struct sfs_dir_item *item = sfs_tree_find(&store->tree, key);
    struct sfs_dir_print print = sfs_dir_print_of(&place.status);
    if (!item || !sfs_dir_print_equal(&item->print, &print))
        code = sfs_dir_adopt(store, key, &place, item, &item, error);
    sfs_dir_place_free(&place);
    return code;
}

int sfs_dir_refresh(struct sfs_dir_store *store, struct sfs_bytes name,
                    struct sfs_dir_item **ret_item, struct sfs_error *error)
{
    int code = sfs_name_is_marker(name) ? refresh_marker(store, name, error)
                                        : refresh_key(store, name, error);
    if (code == 0)
        *ret_item = sfs_tree_find(&store->tree, name);
    return code;
}
