/* SPDX-License-Identifier: MIT */
/*
 * Ranges of names in byte order.
 */
#include "core/range.h"

int sfs_range_prefix(struct sfs_bytes prefix, struct sfs_buffer *buffer,
                     struct sfs_range *ret_range)
{
    const unsigned char *data = prefix.data;
    size_t size = prefix.size;
    /* The end is the prefix with its last byte raised by one; a byte that cannot be raised is cut.
     */
    while (size && data[size - 1] == 0xff)
        size--;
    buffer->size = 0;
    if (size) {
        int rc = sfs_buffer_append(buffer, data, size);
        if (rc)
            return rc;
        buffer->data[size - 1] = (char)(data[size - 1] + 1);
    }
    *ret_range = (struct sfs_range){prefix, sfs_bytes(size ? buffer->data : NULL, size)};
    return 0;
}

bool sfs_range_has(struct sfs_range range, struct sfs_bytes name)
{
    return sfs_bytes_compare(range.from, name) <= 0 &&
           (range.to.size == 0 || sfs_bytes_compare(name, range.to) < 0);
}

bool sfs_range_covers(struct sfs_range range, struct sfs_range inner)
{
    return sfs_bytes_compare(range.from, inner.from) <= 0 &&
           (range.to.size == 0 || (inner.to.size > 0 && sfs_bytes_compare(inner.to, range.to) <= 0));
}

int sfs_range_check(struct sfs_range range, struct sfs_error *error)
{
    char from[120], to[120];
    if (range.to.size == 0 || sfs_bytes_compare(range.from, range.to) <= 0)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "range", "the range from '%s' ends before it, at '%s'",
                    sfs_name_show(range.from, from, sizeof(from)),
                    sfs_name_show(range.to, to, sizeof(to)));
}
