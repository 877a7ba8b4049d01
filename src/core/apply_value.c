/* SPDX-License-Identifier: MIT */
/*
 * The operations that set a value: put, and the patches (write, append, truncate) of a part of it.
 */
#include "core/apply.h"
#include "core/stage.h"
#include "util/memory.h"

#include <inttypes.h>

/* The type of a value of this size and more is not found anew when a part of it changes: that would
 * read all of it, and an engine that keeps it in chunks need not. (One that was empty is all in the change.) */
#define PATCH_TYPE_MAX (UINT64_C(1) << 20)
#define VALUE_MAX ((uint64_t)INT64_MAX)

static uint32_t default_mode(enum sfs_kind kind)
{
    if (kind == SFS_KIND_MARKER)
        return SFS_MODE_MARKER_DEFAULT;
    return kind == SFS_KIND_SYMLINK ? 0777u : SFS_MODE_DEFAULT;
}

/* What a put makes of a record (NULL: of nothing). */
static struct sfs_record put_form(const struct sfs_operation *operation,
                                  const struct sfs_record *before)
{
    struct sfs_record form = {.name = operation->name, .blob = operation->value};
    struct sfs_attributes *attributes = &form.attributes;
    form.size = operation->stage ? operation->stage->size : sfs_blob_bytes(operation->value).size;
    if (before) {
        *attributes = before->attributes;
        form.xattrs = before->xattrs;
    } else {
        attributes->kind = operation->attributes.kind;
        attributes->mode = default_mode(attributes->kind);
        attributes->uid = attributes->gid = SFS_OWNER_NONE;
        attributes->created = attributes->accessed = operation->time;
        if (operation->mask & SFS_ATTRIBUTE_ID)
            attributes->id = operation->attributes.id;
    }
    attributes->modified = attributes->changed = operation->time;
    if (!attributes->type_set)
        attributes->type = operation->attributes.type;
    sfs_apply_attributes(attributes, &operation->attributes, operation->mask);
    return form;
}

/* One that was never reserved would be another record's one day. */
static int check_id(const struct sfs_apply_run *run, const struct sfs_operation *operation,
                    struct sfs_error *error)
{
    uint64_t id = operation->attributes.id;
    if (!(operation->mask & SFS_ATTRIBUTE_ID) || run->next_id == 0 || id < run->next_id)
        return 0;
    return sfs_fail(error, SFS_E_INVALID, "apply", "the record id %" PRIu64 " was not reserved",
                    id);
}

int sfs_apply_put(struct sfs_apply_run *run, struct sfs_operation *operation,
                  struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    int rc = check_id(run, operation, error);
    if (rc == 0)
        rc = sfs_apply_find(run, operation->name, 0, &before, error);
    if (rc)
        return rc;
    if (before && before->attributes.kind != operation->attributes.kind) {
        rc = sfs_apply_engine_remove(run, before, error);
        sfs_record_unref(before);
        before = NULL;
    }
    if (rc == 0) {
        struct sfs_record form = put_form(operation, before);
        run->stage = operation->stage;
        rc = sfs_apply_store(run, before, &form,
                             operation->stage ? SFS_VALUE_STAGED : SFS_VALUE_WHOLE, error);
        run->stage = NULL;
    }
    sfs_record_unref(before);
    operation->affected = 1;
    return rc;
}

/* Where the bytes go that are written at one place, and the size of the value after it. */
struct extent {
    uint64_t offset;
    struct sfs_bytes bytes;
    uint64_t size;
};

static int find_extent(const struct sfs_operation *operation, uint64_t old_size,
                       struct extent *ret_extent, struct sfs_error *error)
{
    struct extent extent = {.offset = operation->offset, .bytes = sfs_blob_bytes(operation->value)};
    if (operation->kind == SFS_OPERATION_APPEND)
        extent.offset = old_size;
    if (extent.offset > VALUE_MAX || extent.bytes.size > VALUE_MAX - extent.offset)
        return sfs_fail(error, SFS_E_TOO_LARGE, "apply",
                        "a value cannot be larger than 2^63 - 1 bytes");
    uint64_t end = extent.offset + extent.bytes.size;
    if (operation->kind == SFS_OPERATION_PATCH) {
        uint64_t from = operation->flags & SFS_BATCH_AT_END ? old_size : 0;
        if (operation->offset > VALUE_MAX - from)
            return sfs_fail(error, SFS_E_TOO_LARGE, "apply",
                            "a value cannot be larger than 2^63 - 1 bytes");
        end = from + operation->offset;
        extent.size = end > old_size ? end : old_size;
        *ret_extent = extent;
        return 0;
    }
    bool kept =
        operation->kind != SFS_OPERATION_TRUNCATE && (extent.bytes.size == 0 || end < old_size);
    extent.size = kept ? old_size : end;
    *ret_extent = extent;
    return 0;
}

static int write_part(void *context, uint64_t offset, struct sfs_bytes bytes,
                      struct sfs_error *error)
{
    (void)error;
    memcpy((char *)context + offset, bytes.data, bytes.size);
    return 0;
}

static int zero_part(void *context, uint64_t offset, uint64_t size, struct sfs_error *error)
{
    (void)error;
    memset((char *)context + offset, 0, (size_t)size);
    return 0;
}

/* The whole value with the extent or the parts in it, zeros in the gap. */
static int patch_blob(struct sfs_bytes old, const struct sfs_operation *operation,
                      const struct extent *extent, struct sfs_blob **ret_blob,
                      struct sfs_error *error)
{
    void *data;
    if (!sfs_memory_holds(extent->size))
        return sfs_fail(error, SFS_E_TOO_LARGE, "apply", SFS_STAGE_TOO_LARGE, extent->size);
    size_t size = (size_t)extent->size;
    struct sfs_blob *blob = sfs_blob_alloc(size, &data);
    if (!blob)
        return sfs_fail_memory(error, "apply");
    size_t kept = old.size < size ? old.size : size;
    if (kept)
        memcpy(data, old.data, kept);
    if (size > kept)
        memset((char *)data + kept, 0, size - kept);
    if (operation->kind == SFS_OPERATION_PATCH) {
        struct sfs_patch_target target = {.write = write_part, .zero = zero_part, .context = data};
        int rc = sfs_patch_run(operation, old.size, &target, error);
        if (rc) {
            sfs_blob_unref(blob);
            return rc;
        }
    } else if (extent->bytes.size) {
        memcpy((char *)data + extent->offset, extent->bytes.data, extent->bytes.size);
    }
    *ret_blob = blob;
    return 0;
}

/* For values that the engine keeps in one piece: loads, changes and stores all of it. `first`: all
 * of it is in the change. */
static int patch_whole(struct sfs_apply_run *run, struct sfs_record *form,
                       const struct sfs_operation *operation, const struct extent *extent,
                       bool first, struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    int rc = sfs_apply_need(run, form->name, SFS_WANT_VALUE, &before, error);
    if (rc)
        return rc;
    struct sfs_blob *blob = NULL;
    rc = patch_blob(sfs_record_value(before), operation, extent, &blob, error);
    if (rc == 0) {
        form->blob = blob;
        if (!form->attributes.type_set && (form->size < PATCH_TYPE_MAX || first))
            form->attributes.type = sfs_type_of(sfs_blob_bytes(blob));
        rc = sfs_apply_store(run, before, form, SFS_VALUE_WHOLE, error);
    }
    sfs_blob_unref(blob);
    sfs_record_unref(before);
    return rc;
}

/* UNSUPPORTED where the engine has no patches, or none for this value. */
static int patch_in_engine(struct sfs_apply_run *run, const struct sfs_record *before,
                           const struct sfs_record *form, const struct sfs_operation *operation,
                           struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *made = NULL;
    if (!run->operations->patch)
        return SFS_E_UNSUPPORTED;
    int rc = sfs_apply_form(run, form, &made, error);
    if (rc)
        return rc;
    rc = sfs_apply_engine_patch(run, before, made, operation, &failure);
    sfs_record_unref(made);
    if (rc && rc != SFS_E_UNSUPPORTED && error)
        *error = failure;
    return rc;
}

static int patch_record(struct sfs_apply_run *run, const struct sfs_record *before,
                        const struct sfs_operation *operation, struct sfs_error *error)
{
    struct extent extent = {0};
    int rc = find_extent(operation, before->size, &extent, error);
    if (rc)
        return rc;
    struct sfs_record form = *before;
    form.blob = NULL;
    form.size = extent.size;
    form.attributes.modified = form.attributes.changed = operation->time;
    run->stage = operation->stage;
    bool first = before->size == 0 && form.size >= PATCH_TYPE_MAX && operation->stage == NULL &&
                 form.size <= sfs_blob_bytes(operation->value).size; /* and all of it is in memory */
    rc = first ? SFS_E_UNSUPPORTED : patch_in_engine(run, before, &form, operation, error);
    if (rc == SFS_E_UNSUPPORTED)
        rc = patch_whole(run, &form, operation, &extent, first, error);
    run->stage = NULL;
    return rc;
}

int sfs_apply_patch(struct sfs_apply_run *run, struct sfs_operation *operation,
                    struct sfs_error *error)
{
    char shown[200];
    const struct sfs_record *before = NULL;
    int rc = sfs_apply_need(run, operation->name, 0, &before, error);
    if (rc)
        return rc;
    if (before->attributes.kind != SFS_KIND_VALUE)
        rc = sfs_fail(error, SFS_E_INVALID, "apply", "'%s' is no key: a part of it cannot be set",
                      sfs_name_show(operation->name, shown, sizeof(shown)));
    else
        rc = patch_record(run, before, operation, error);
    sfs_record_unref(before);
    operation->affected = 1;
    return rc;
}
