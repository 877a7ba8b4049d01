/* SPDX-License-Identifier: MIT */
/*
 * Adding operations to a batch: what can be refused without looking at the store is refused here.
 */
#include "core/batch.h"
#include "core/range.h"
#include "core/stage.h"
#include "core/xattr.h"
#include "util/clock.h"

/* A value larger than this could not be addressed by off_t. */
#define VALUE_MAX ((uint64_t)INT64_MAX)
/* Transactions have those above for themselves. */
#define ID_MAX ((UINT64_C(1) << 62) - 1)

static int check_attributes(const struct sfs_attributes *attributes, unsigned mask,
                            struct sfs_error *error)
{
    if ((mask & ~(unsigned)SFS_ATTRIBUTE_ALL) || (mask && !attributes))
        return sfs_fail(error, SFS_E_INVALID, "batch", "the mask %#x names no attributes", mask);
    if ((mask & SFS_ATTRIBUTE_KIND) && (unsigned)attributes->kind > SFS_KIND_BLOCK)
        return sfs_fail(error, SFS_E_INVALID, "batch", "%d is no kind of record", attributes->kind);
    if ((mask & SFS_ATTRIBUTE_TYPE) && (unsigned)attributes->type > SFS_TYPE_JSON)
        return sfs_fail(error, SFS_E_INVALID, "batch", "%d is no type of value", attributes->type);
    if ((mask & SFS_ATTRIBUTE_MODE) && (attributes->mode & ~07777u))
        return sfs_fail(error, SFS_E_INVALID, "batch", "mode %#o has more than permission bits",
                        attributes->mode);
    return 0;
}

static int check_id(const struct sfs_attributes *attributes, unsigned mask, struct sfs_error *error)
{
    if (!(mask & SFS_ATTRIBUTE_ID) ||
        (attributes && attributes->id > 0 && attributes->id <= ID_MAX))
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "batch", "a record id is 1 to 2^62 - 1");
}

/* A record under a marker name is a marker and no other is; only values and links have a value. */
static int check_kind(struct sfs_bytes name, enum sfs_kind kind, bool has_value,
                      struct sfs_error *error)
{
    char shown[160];
    if (sfs_name_is_marker(name) != (kind == SFS_KIND_MARKER))
        return sfs_fail(error, SFS_E_INVALID, "batch",
                        "'%s': a directory marker goes under a marker name, and nothing else does",
                        sfs_name_show(name, shown, sizeof(shown)));
    if (has_value && kind != SFS_KIND_VALUE && kind != SFS_KIND_SYMLINK)
        return sfs_fail(error, SFS_E_INVALID, "batch", "a record of the kind of '%s' has no value",
                        sfs_name_show(name, shown, sizeof(shown)));
    return 0;
}

static int check_put(struct sfs_bytes name, const struct sfs_attributes *attributes, unsigned mask,
                     bool has_value, struct sfs_error *error)
{
    int rc = sfs_name_check(name, error);
    if (!rc)
        rc = check_attributes(attributes, mask & ~(unsigned)SFS_ATTRIBUTE_ID, error);
    if (!rc)
        rc = check_id(attributes, mask, error);
    if (rc)
        return rc;
    enum sfs_kind kind = sfs_name_is_marker(name) ? SFS_KIND_MARKER : SFS_KIND_VALUE;
    if (mask & SFS_ATTRIBUTE_KIND)
        kind = attributes->kind;
    return check_kind(name, kind, has_value, error);
}

/* The operation of a put; kind and type are always in its attributes, whatever the mask says. */
static struct sfs_operation put_operation(struct sfs_bytes name, enum sfs_type type,
                                          const struct sfs_attributes *attributes, unsigned mask)
{
    struct sfs_operation operation = {
        .kind = SFS_OPERATION_PUT, .time = sfs_clock_now(), .name = name, .mask = mask};
    if (attributes)
        operation.attributes = *attributes;
    if (!(mask & SFS_ATTRIBUTE_KIND))
        operation.attributes.kind = sfs_name_is_marker(name) ? SFS_KIND_MARKER : SFS_KIND_VALUE;
    if (!(mask & SFS_ATTRIBUTE_TYPE))
        operation.attributes.type = type;
    return operation;
}

int sfs_batch_put(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes value,
                  const struct sfs_attributes *attributes, unsigned mask, struct sfs_error *error)
{
    int rc = check_put(name, attributes, mask, value.size > 0, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    bool given = mask & SFS_ATTRIBUTE_TYPE;
    struct sfs_operation operation =
        put_operation(name, given ? attributes->type : sfs_type_of(value), attributes, mask);
    operation.value = sfs_blob_new(value);
    if (!operation.value)
        return sfs_batch_refuse(batch, sfs_fail_memory(error, "batch"));
    return sfs_batch_add(batch, operation, error);
}

int sfs_batch_put_known(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes value,
                        struct sfs_stage *stage, enum sfs_type type, struct sfs_error *error)
{
    int rc = check_put(name, NULL, 0, true, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    struct sfs_operation operation = put_operation(name, type, NULL, 0);
    operation.stage = stage;
    if (!stage && !(operation.value = sfs_blob_new(value)))
        return sfs_batch_refuse(batch, sfs_fail_memory(error, "batch"));
    return sfs_batch_add(batch, operation, error);
}

int sfs_batch_put_stage(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_stage *stage,
                        const struct sfs_attributes *attributes, unsigned mask,
                        struct sfs_error *error)
{
    enum sfs_type type = SFS_TYPE_BYTES;
    int rc = check_put(name, attributes, mask, stage->size > 0, error);
    if (!rc && !(mask & SFS_ATTRIBUTE_TYPE))
        rc = sfs_stage_type(stage, &type, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    struct sfs_operation operation = put_operation(name, type, attributes, mask);
    operation.stage = stage;
    return sfs_batch_add(batch, operation, error);
}

/* An operation on a part of a value; `bytes` may be empty, and without it there is no blob. */
static int add_patch(struct sfs_batch *batch, enum sfs_operation_kind kind, struct sfs_bytes name,
                     uint64_t offset, const struct sfs_bytes *bytes, struct sfs_error *error)
{
    int rc = sfs_key_check(name, error);
    if (!rc && (offset > VALUE_MAX || (bytes && bytes->size > VALUE_MAX - offset)))
        rc = sfs_fail(error, SFS_E_TOO_LARGE, "batch",
                      "a value cannot be larger than 2^63 - 1 bytes");
    if (rc)
        return sfs_batch_refuse(batch, rc);
    struct sfs_operation operation = {
        .kind = kind, .time = sfs_clock_now(), .name = name, .offset = offset};
    if (bytes && !(operation.value = sfs_blob_new(*bytes)))
        return sfs_batch_refuse(batch, sfs_fail_memory(error, "batch"));
    return sfs_batch_add(batch, operation, error);
}

int sfs_batch_write(struct sfs_batch *batch, struct sfs_bytes name, uint64_t offset,
                    struct sfs_bytes bytes, struct sfs_error *error)
{
    return add_patch(batch, SFS_OPERATION_WRITE, name, offset, &bytes, error);
}

int sfs_batch_append(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes bytes,
                     struct sfs_error *error)
{
    return add_patch(batch, SFS_OPERATION_APPEND, name, 0, &bytes, error);
}

int sfs_batch_truncate(struct sfs_batch *batch, struct sfs_bytes name, uint64_t size,
                       struct sfs_error *error)
{
    return add_patch(batch, SFS_OPERATION_TRUNCATE, name, size, NULL, error);
}

int sfs_batch_attributes(struct sfs_batch *batch, struct sfs_bytes name,
                         const struct sfs_attributes *attributes, unsigned mask,
                         struct sfs_error *error)
{
    int rc = sfs_name_check(name, error);
    if (!rc && (mask & SFS_ATTRIBUTE_KIND))
        rc = sfs_fail(error, SFS_E_INVALID, "batch", "the kind of a record cannot be changed");
    if (!rc)
        rc = check_attributes(attributes, mask, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    struct sfs_operation operation = {
        .kind = SFS_OPERATION_ATTRIBUTES, .time = sfs_clock_now(), .name = name, .mask = mask};
    if (attributes)
        operation.attributes = *attributes;
    return sfs_batch_add(batch, operation, error);
}

int sfs_batch_xattr(struct sfs_batch *batch, struct sfs_bytes name, struct sfs_bytes xattr,
                    struct sfs_bytes value, unsigned flags, struct sfs_error *error)
{
    int rc = sfs_name_check(name, error);
    if (!rc)
        rc = sfs_xattr_check_limits(xattr, value, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    struct sfs_operation operation = {.kind = SFS_OPERATION_XATTR,
                                      .time = sfs_clock_now(),
                                      .name = name,
                                      .target = xattr,
                                      .flags = flags};
    if (value.data && !(operation.value = sfs_blob_new(value)))
        return sfs_batch_refuse(batch, sfs_fail_memory(error, "batch"));
    return sfs_batch_add(batch, operation, error);
}

/* --- names --- */

static int add_names(struct sfs_batch *batch, enum sfs_operation_kind kind, struct sfs_bytes name,
                     struct sfs_bytes target, unsigned flags, struct sfs_error *error)
{
    struct sfs_operation operation = {
        .kind = kind, .time = sfs_clock_now(), .name = name, .target = target, .flags = flags};
    return sfs_batch_add(batch, operation, error);
}

int sfs_batch_delete(struct sfs_batch *batch, struct sfs_bytes name, unsigned flags,
                     struct sfs_error *error)
{
    int rc = sfs_name_check(name, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    return add_names(batch, SFS_OPERATION_DELETE, name, (struct sfs_bytes){0}, flags, error);
}

static int check_pair(struct sfs_bytes a, struct sfs_bytes b, struct sfs_error *error)
{
    int rc = sfs_name_check(a, error);
    if (!rc)
        rc = sfs_name_check(b, error);
    if (!rc && sfs_name_is_marker(a) != sfs_name_is_marker(b))
        rc = sfs_fail(error, SFS_E_INVALID, "batch",
                      "a directory marker and a key cannot take each other's name");
    return rc;
}

int sfs_batch_rename(struct sfs_batch *batch, struct sfs_bytes from, struct sfs_bytes to,
                     unsigned flags, struct sfs_error *error)
{
    int rc = check_pair(from, to, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    return add_names(batch, SFS_OPERATION_RENAME, from, to, flags, error);
}

int sfs_batch_exchange(struct sfs_batch *batch, struct sfs_bytes a, struct sfs_bytes b,
                       struct sfs_error *error)
{
    int rc = check_pair(a, b, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    return add_names(batch, SFS_OPERATION_EXCHANGE, a, b, 0, error);
}

static int check_prefix(struct sfs_bytes prefix, struct sfs_error *error)
{
    char shown[160];
    if (prefix.size == 0 || ((const char *)prefix.data)[prefix.size - 1] != '/')
        return sfs_fail(error, SFS_E_INVALID, "batch", "the prefix '%s' does not end in '/'",
                        sfs_name_show(prefix, shown, sizeof(shown)));
    struct sfs_bytes directory = sfs_bytes(prefix.data, prefix.size - 1);
    return directory.size ? sfs_key_check(directory, error) : 0;
}

static int check_prefixes(struct sfs_bytes a, struct sfs_bytes b, struct sfs_error *error)
{
    char first[120], second[120];
    int rc = check_prefix(a, error);
    if (!rc)
        rc = check_prefix(b, error);
    if (!rc && (sfs_bytes_starts(a, b) || sfs_bytes_starts(b, a)))
        rc = sfs_fail(error, SFS_E_INVALID, "batch", "one of '%s' and '%s' contains the other",
                      sfs_name_show(a, first, sizeof(first)),
                      sfs_name_show(b, second, sizeof(second)));
    return rc;
}

int sfs_batch_rename_prefix(struct sfs_batch *batch, struct sfs_bytes from, struct sfs_bytes to,
                            struct sfs_error *error)
{
    int rc = check_prefixes(from, to, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    return add_names(batch, SFS_OPERATION_RENAME_PREFIX, from, to, 0, error);
}

int sfs_batch_exchange_prefix(struct sfs_batch *batch, struct sfs_bytes a, struct sfs_bytes b,
                              struct sfs_error *error)
{
    int rc = check_prefixes(a, b, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    return add_names(batch, SFS_OPERATION_EXCHANGE_PREFIX, a, b, 0, error);
}

int sfs_batch_clear_range(struct sfs_batch *batch, struct sfs_range range, struct sfs_error *error)
{
    int rc = sfs_range_check(range, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    return add_names(batch, SFS_OPERATION_CLEAR_RANGE, range.from, range.to, 0, error);
}
