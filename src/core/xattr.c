/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of a record in one run of bytes, sorted by name; see record.h for the
 * encoding.
 */
#include "core/xattr.h"

#define HEADER 6 /* 2 bytes: the name's length, 4 bytes: the value's, little-endian */

static size_t name_length(const unsigned char *at)
{
    return (size_t)at[0] | (size_t)at[1] << 8;
}

static size_t value_length(const unsigned char *at)
{
    return (size_t)at[2] | (size_t)at[3] << 8 | (size_t)at[4] << 16 | (size_t)at[5] << 24;
}

bool sfs_xattr_next(struct sfs_bytes xattrs, size_t *position, struct sfs_bytes *ret_name,
                    struct sfs_bytes *ret_value)
{
    if (xattrs.size < HEADER || *position > xattrs.size - HEADER)
        return false;
    const unsigned char *at = (const unsigned char *)xattrs.data + *position;
    size_t left = xattrs.size - *position - HEADER;
    size_t name = name_length(at), value = value_length(at);
    if (name > left || value > left - name)
        return false;
    *ret_name = sfs_bytes(at + HEADER, name);
    *ret_value = sfs_bytes(at + HEADER + name, value);
    *position += HEADER + name + value;
    return true;
}

bool sfs_xattr_get(struct sfs_bytes xattrs, struct sfs_bytes name, struct sfs_bytes *ret_value)
{
    size_t position = 0;
    struct sfs_bytes each, value;
    while (sfs_xattr_next(xattrs, &position, &each, &value)) {
        int order = sfs_bytes_compare(each, name);
        if (order > 0)
            return false;
        if (order == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

int sfs_xattr_check_limits(struct sfs_bytes name, struct sfs_bytes value, struct sfs_error *error)
{
    if (name.size == 0 || memchr(name.data, '\0', name.size))
        return sfs_fail(error, SFS_E_INVALID, "xattr",
                        "the name of an extended attribute is empty or holds a NUL byte");
    if (name.size > SFS_XATTR_NAME_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, "xattr",
                        "the name of an extended attribute has %zu bytes, more than %d", name.size,
                        SFS_XATTR_NAME_MAX);
    if (value.size > SFS_XATTR_VALUE_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, "xattr",
                        "extended attribute '%.*s' has %zu bytes, more than %d", (int)name.size,
                        (const char *)name.data, value.size, SFS_XATTR_VALUE_MAX);
    return 0;
}

static int append_one(struct sfs_buffer *out, struct sfs_bytes name, struct sfs_bytes value)
{
    const unsigned char header[HEADER] = {
        (unsigned char)name.size,          (unsigned char)(name.size >> 8),
        (unsigned char)value.size,         (unsigned char)(value.size >> 8),
        (unsigned char)(value.size >> 16), (unsigned char)(value.size >> 24),
    };
    int rc = sfs_buffer_append(out, header, sizeof(header));
    if (!rc)
        rc = sfs_buffer_add(out, name);
    return rc ? rc : sfs_buffer_add(out, value);
}

static int append_changed(struct sfs_bytes xattrs, struct sfs_bytes name, struct sfs_bytes value,
                          struct sfs_buffer *out)
{
    size_t position = 0;
    bool placed = value.data == NULL;
    struct sfs_bytes each, kept;
    int rc = 0;
    while (rc == 0 && sfs_xattr_next(xattrs, &position, &each, &kept)) {
        int order = sfs_bytes_compare(each, name);
        if (order >= 0 && !placed) {
            rc = append_one(out, name, value);
            placed = true;
        }
        if (rc == 0 && order != 0)
            rc = append_one(out, each, kept);
    }
    return rc == 0 && !placed ? append_one(out, name, value) : rc;
}

static int check_presence(struct sfs_bytes name, bool present, bool removal, unsigned flags,
                          struct sfs_error *error)
{
    if (present && (flags & SFS_XATTR_CREATE))
        return sfs_fail(error, SFS_E_EXISTS, "xattr", "extended attribute '%.*s' exists already",
                        (int)name.size, (const char *)name.data);
    if (!present && (removal || (flags & SFS_XATTR_REPLACE)))
        return sfs_fail(error, SFS_E_NO_ATTRIBUTE, "xattr", "there is no extended attribute '%.*s'",
                        (int)name.size, (const char *)name.data);
    return 0;
}

int sfs_xattr_change(struct sfs_bytes xattrs, struct sfs_bytes name, struct sfs_bytes value,
                     unsigned flags, struct sfs_buffer *out, struct sfs_error *error)
{
    struct sfs_bytes old = {0};
    int rc = sfs_xattr_check_limits(name, value, error);
    if (rc)
        return rc;
    bool present = sfs_xattr_get(xattrs, name, &old);
    rc = check_presence(name, present, value.data == NULL, flags, error);
    if (rc)
        return rc;
    size_t without = xattrs.size - (present ? HEADER + name.size + old.size : 0);
    if (value.data && without + HEADER + name.size + value.size > SFS_XATTR_ALL_MAX)
        return sfs_fail(error, SFS_E_TOO_LARGE, "xattr",
                        "with '%.*s' the extended attributes would take more than %d bytes",
                        (int)name.size, (const char *)name.data, SFS_XATTR_ALL_MAX);
    size_t before = out->size;
    if (append_changed(xattrs, name, value, out)) {
        out->size = before;
        return sfs_fail_memory(error, "xattr");
    }
    return 0;
}

int sfs_xattr_check(struct sfs_bytes xattrs, struct sfs_error *error)
{
    size_t position = 0;
    struct sfs_bytes last = {0}, name, value;
    bool sound = xattrs.size <= SFS_XATTR_ALL_MAX;
    while (sound && sfs_xattr_next(xattrs, &position, &name, &value)) {
        sound = sfs_xattr_check_limits(name, value, NULL) == 0 && sfs_bytes_compare(last, name) < 0;
        last = name;
    }
    if (!sound || position != xattrs.size)
        return sfs_fail(error, SFS_E_CORRUPT, "xattr",
                        "the extended attributes of a record are damaged at byte %zu", position);
    return 0;
}
