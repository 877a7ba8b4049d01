/* SPDX-License-Identifier: MIT */
/* Rows that a query makes, and rows as bytes. */
#include "query/row.h"

/* --- made rows --- */

static const struct sfs_record *make(const struct sfs_record *from, struct sfs_bytes json,
                                     struct sfs_bytes xattrs)
{
    struct sfs_blob *blob = sfs_blob_new(json);
    if (!blob)
        return NULL;
    struct sfs_attributes attributes = from->attributes;
    attributes.type = SFS_TYPE_JSON;
    attributes.type_set = false;
    const struct sfs_record *row =
        sfs_record_new(from->name, from->revision, json.size, &attributes, xattrs, blob);
    sfs_blob_unref(blob);
    return row;
}

const struct sfs_record *sfs_row_with_value(const struct sfs_record *row, struct sfs_bytes json)
{
    return make(row, json, row->xattrs);
}

const struct sfs_record *sfs_row_made(struct sfs_bytes json, struct sfs_bytes xattrs)
{
    struct sfs_record none = {
        .attributes = {.mode = SFS_MODE_DEFAULT, .uid = SFS_OWNER_NONE, .gid = SFS_OWNER_NONE}};
    return make(&none, json, xattrs);
}

bool sfs_row_members(const struct sfs_record *row, uint64_t *ret_count)
{
    if (!sfs_row_is_made(row) || row->xattrs.size < sizeof(*ret_count))
        return false;
    memcpy(ret_count, row->xattrs.data, sizeof(*ret_count));
    return true;
}

struct sfs_bytes sfs_row_results(const struct sfs_record *row)
{
    return sfs_bytes((const char *)row->xattrs.data + sizeof(uint64_t),
                     row->xattrs.size - sizeof(uint64_t));
}

/* --- as bytes --- */

struct packed {
    uint64_t revision;
    uint64_t size;
    struct sfs_attributes attributes;
    size_t name_size;
    size_t xattrs_size;
    bool has_value;
};

int sfs_row_pack(const struct sfs_record *row, struct sfs_buffer *out)
{
    struct packed packed;
    /* What lies between the members is written, too. */
    memset(&packed, 0, sizeof(packed));
    packed.revision = row->revision;
    packed.size = row->size;
    packed.attributes = row->attributes;
    packed.name_size = row->name.size;
    packed.xattrs_size = row->xattrs.size;
    packed.has_value = row->blob != NULL;
    struct sfs_bytes value = sfs_record_value(row);
    if (sfs_buffer_reserve(out, sizeof(packed) + row->name.size + row->xattrs.size + value.size))
        return SFS_E_NO_MEMORY;
    int result = sfs_buffer_append(out, &packed, sizeof(packed));
    if (result == 0)
        result = sfs_buffer_add(out, row->name);
    if (result == 0)
        result = sfs_buffer_add(out, row->xattrs);
    return result ? result : sfs_buffer_add(out, value);
}

const struct sfs_record *sfs_row_unpack(struct sfs_bytes bytes)
{
    struct packed packed;
    memcpy(&packed, bytes.data, sizeof(packed));
    const char *name = (const char *)bytes.data + sizeof(packed);
    const char *xattrs = name + packed.name_size;
    const char *value = xattrs + packed.xattrs_size;
    struct sfs_blob *blob = NULL;
    if (packed.has_value) {
        blob =
            sfs_blob_new(sfs_bytes(value, (size_t)((const char *)bytes.data + bytes.size - value)));
        if (!blob)
            return NULL;
    }
    const struct sfs_record *row =
        sfs_record_new(sfs_bytes(name, packed.name_size), packed.revision, packed.size,
                       &packed.attributes, sfs_bytes(xattrs, packed.xattrs_size), blob);
    sfs_blob_unref(blob);
    return row;
}
