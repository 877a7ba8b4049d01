/* SPDX-License-Identifier: MIT */
/*
 * What a batch means: preconditions first, then each operation in turn, through the engine's
 * primitives. The simple operations are here; values, names and prefixes in apply_*.c.
 */
#include "core/apply.h"
#include "core/batch.h"

int sfs_apply_find(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *record = NULL;
    int rc = run->operations->lookup(run, name, want, &record, &failure);
    if (rc && rc != SFS_E_NOT_FOUND) {
        if (error)
            *error = failure;
        return rc;
    }
    *ret_record = rc ? NULL : record;
    return 0;
}

int sfs_apply_need(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    char shown[200];
    const struct sfs_record *record = NULL;
    int rc = sfs_apply_find(run, name, want, &record, error);
    if (rc)
        return rc;
    if (!record)
        return sfs_fail(error, SFS_E_NOT_FOUND, "apply", "there is no '%s'",
                        sfs_name_show(name, shown, sizeof(shown)));
    *ret_record = record;
    return 0;
}

int sfs_apply_first(struct sfs_apply_run *run, struct sfs_range range,
                    const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    const struct sfs_record *record = NULL;
    int rc = run->operations->first(run, range, &record, &failure);
    if (rc && rc != SFS_E_NOT_FOUND) {
        if (error)
            *error = failure;
        return rc;
    }
    *ret_record = rc ? NULL : record;
    return 0;
}

int sfs_apply_form(struct sfs_apply_run *run, const struct sfs_record *form,
                   const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_record *made = sfs_record_new(form->name, run->sequence, form->size,
                                                   &form->attributes, form->xattrs, form->blob);
    if (!made)
        return sfs_fail_memory(error, "apply");
    *ret_record = made;
    return 0;
}

int sfs_apply_store(struct sfs_apply_run *run, const struct sfs_record *before,
                    const struct sfs_record *form, enum sfs_value_change change,
                    struct sfs_error *error)
{
    const struct sfs_record *made = NULL;
    int rc = sfs_apply_form(run, form, &made, error);
    if (rc)
        return rc;
    rc = sfs_apply_engine_store(run, before, made, change, error);
    sfs_record_unref(made);
    return rc;
}

void sfs_apply_attributes(struct sfs_attributes *to, const struct sfs_attributes *from,
                          unsigned mask)
{
    if (mask & SFS_ATTRIBUTE_TYPE) {
        to->type = from->type;
        to->type_set = true;
    }
    if (mask & SFS_ATTRIBUTE_MODE)
        to->mode = from->mode;
    if (mask & SFS_ATTRIBUTE_UID)
        to->uid = from->uid;
    if (mask & SFS_ATTRIBUTE_GID)
        to->gid = from->gid;
    if (mask & SFS_ATTRIBUTE_DEVICE)
        to->device = from->device;
    if (mask & SFS_ATTRIBUTE_CREATED)
        to->created = from->created;
    if (mask & SFS_ATTRIBUTE_ACCESSED)
        to->accessed = from->accessed;
    if (mask & SFS_ATTRIBUTE_MODIFIED)
        to->modified = from->modified;
    if (mask & SFS_ATTRIBUTE_CHANGED)
        to->changed = from->changed;
}

int sfs_apply_check_size(const struct sfs_apply_run *run, struct sfs_bytes name, size_t size,
                         struct sfs_error *error)
{
    char shown[200];
    size_t most = run->key_max ? run->key_max : SFS_KEY_MAX;
    if (size <= most)
        return 0;
    return sfs_fail(error, SFS_E_NAME_TOO_LONG, "apply",
                    "key '%s' would have %zu bytes, more than the %zu that this store takes",
                    sfs_name_show(name, shown, sizeof(shown)), size, most);
}

static int apply_attributes(struct sfs_apply_run *run, struct sfs_operation *operation,
                            struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    int rc = sfs_apply_need(run, operation->name, 0, &before, error);
    if (rc)
        return rc;
    struct sfs_record form = *before;
    form.attributes.changed = operation->time;
    sfs_apply_attributes(&form.attributes, &operation->attributes, operation->mask);
    rc = sfs_apply_store(run, before, &form, SFS_VALUE_KEPT, error);
    sfs_record_unref(before);
    operation->affected = 1;
    return rc;
}

static int apply_xattr(struct sfs_apply_run *run, struct sfs_operation *operation,
                       struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    struct sfs_buffer xattrs = {0};
    int rc = sfs_apply_need(run, operation->name, 0, &before, error);
    if (rc)
        return rc;
    rc = sfs_xattr_change(before->xattrs, operation->target, sfs_blob_bytes(operation->value),
                          operation->flags, &xattrs, error);
    if (rc == 0) {
        struct sfs_record form = *before;
        form.xattrs = sfs_buffer_bytes(&xattrs);
        form.attributes.changed = operation->time;
        rc = sfs_apply_store(run, before, &form, SFS_VALUE_KEPT, error);
    }
    sfs_buffer_free(&xattrs);
    sfs_record_unref(before);
    operation->affected = 1;
    return rc;
}

static int apply_delete(struct sfs_apply_run *run, struct sfs_operation *operation,
                        struct sfs_error *error)
{
    const struct sfs_record *before = NULL;
    int rc = operation->flags & SFS_BATCH_MUST_EXIST
                 ? sfs_apply_need(run, operation->name, 0, &before, error)
                 : sfs_apply_find(run, operation->name, 0, &before, error);
    if (rc || !before)
        return rc;
    rc = sfs_apply_engine_remove(run, before, error);
    sfs_record_unref(before);
    operation->affected = 1;
    return rc;
}

static int apply_clear(struct sfs_apply_run *run, struct sfs_operation *operation,
                       struct sfs_error *error)
{
    struct sfs_range range = {operation->name, operation->target};
    int rc = sfs_apply_engine_clear(run, range, &operation->affected, error);
    if (rc != SFS_E_UNSUPPORTED)
        return rc;
    for (;;) {
        const struct sfs_record *first;
        rc = sfs_apply_first(run, range, &first, error);
        if (rc || !first)
            return rc;
        rc = sfs_apply_engine_remove(run, first, error);
        sfs_record_unref(first);
        if (rc)
            return rc;
        operation->affected++;
    }
}

static sfs_apply_operation *const meanings[] = {
    [SFS_OPERATION_PUT] = sfs_apply_put,
    [SFS_OPERATION_WRITE] = sfs_apply_patch,
    [SFS_OPERATION_APPEND] = sfs_apply_patch,
    [SFS_OPERATION_TRUNCATE] = sfs_apply_patch,
    [SFS_OPERATION_PATCH] = sfs_apply_patch,
    [SFS_OPERATION_ATTRIBUTES] = apply_attributes,
    [SFS_OPERATION_XATTR] = apply_xattr,
    [SFS_OPERATION_DELETE] = apply_delete,
    [SFS_OPERATION_RENAME] = sfs_apply_rename,
    [SFS_OPERATION_EXCHANGE] = sfs_apply_exchange,
    [SFS_OPERATION_RENAME_PREFIX] = sfs_apply_rename_prefix,
    [SFS_OPERATION_EXCHANGE_PREFIX] = sfs_apply_exchange_prefix,
    [SFS_OPERATION_CLEAR_RANGE] = apply_clear,
};

/* The names that an operation gives to records; those that it takes from them are in the store. */
static int check_new_names(const struct sfs_apply_run *run, const struct sfs_operation *operation,
                           struct sfs_error *error)
{
    struct sfs_bytes name = {0};
    if (operation->kind == SFS_OPERATION_PUT)
        name = operation->name;
    if (operation->kind == SFS_OPERATION_RENAME)
        name = operation->target;
    return sfs_apply_check_size(run, name, sfs_name_length(name), error);
}

int sfs_apply_run(struct sfs_apply_run *run, struct sfs_batch *batch, struct sfs_error *error)
{
    int rc = sfs_batch_check(batch, error);
    for (size_t i = 0; rc == 0 && i < batch->count; i++) {
        batch->operations[i].affected = 0;
        rc = check_new_names(run, &batch->operations[i], error);
    }
    if (rc == 0)
        rc = sfs_apply_preconditions(run, batch, error);
    for (size_t i = 0; rc == 0 && i < batch->count; i++)
        rc = meanings[batch->operations[i].kind](run, &batch->operations[i], error);
    run->stage = NULL;
    if (rc == 0)
        rc = sfs_apply_unique_check(run, error);
    sfs_apply_unique_end(run);
    return rc;
}
