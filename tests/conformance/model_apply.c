/* SPDX-License-Identifier: MIT */
/* What a batch means, said as simply as possible; see model.h and storefs/batch.h. */
#include "tests/conformance/model.h"

typedef int meaning(struct model *model, const struct sfs_operation *operation, uint64_t *affected);

#define HAS(bit) (operation->mask & SFS_ATTRIBUTE_##bit)

static void give_attributes(struct sfs_attributes *to, const struct sfs_operation *operation)
{
    const struct sfs_attributes *from = &operation->attributes;
    to->type = HAS(TYPE) ? from->type : to->type;
    to->type_set = to->type_set || HAS(TYPE);
    to->mode = HAS(MODE) ? from->mode : to->mode;
    to->uid = HAS(UID) ? from->uid : to->uid;
    to->gid = HAS(GID) ? from->gid : to->gid;
    to->device = HAS(DEVICE) ? from->device : to->device;
    to->created = HAS(CREATED) ? from->created : to->created;
    to->accessed = HAS(ACCESSED) ? from->accessed : to->accessed;
    to->modified = HAS(MODIFIED) ? from->modified : to->modified;
    to->changed = HAS(CHANGED) ? from->changed : to->changed;
}

/* The content of a stage; the caller frees it. */
static char *read_stage(struct sfs_stage *stage, size_t *ret_size)
{
    size_t size = (size_t)sfs_stage_size(stage), got = 0;
    char *data = malloc(size + 1);
    assert_non_null(data);
    for (*ret_size = 0; *ret_size < size; *ret_size += got) {
        OK(stage->operations->read(stage, *ret_size, data + *ret_size, size - *ret_size, &got,
                                   NULL));
        assert_true(got > 0);
    }
    return data;
}

static void make_default(struct model_record *record, const struct sfs_operation *operation)
{
    enum sfs_kind kind = operation->attributes.kind;
    record->attributes = (struct sfs_attributes){
        .kind = kind,
        .mode = kind == SFS_KIND_MARKER    ? SFS_MODE_MARKER_DEFAULT
                : kind == SFS_KIND_SYMLINK ? 0777
                                           : SFS_MODE_DEFAULT,
        .uid = SFS_OWNER_NONE,
        .gid = SFS_OWNER_NONE,
        .created = operation->time,
        .accessed = operation->time,
    };
}

static int do_put(struct model *model, const struct sfs_operation *operation, uint64_t *affected)
{
    struct model_record *record = model_find(model, operation->name);
    if (record && record->attributes.kind != operation->attributes.kind) {
        model_remove(model, operation->name);
        record = NULL;
    }
    if (!record) {
        record = model_insert(model, operation->name);
        make_default(record, operation);
    }
    size_t size = 0;
    char *staged = operation->stage ? read_stage(operation->stage, &size) : NULL;
    model_set_value(record, staged ? sfs_bytes(staged, size) : sfs_blob_bytes(operation->value));
    free(staged);
    if (!record->attributes.type_set)
        record->attributes.type = sfs_type_of(model_value(record));
    record->attributes.modified = record->attributes.changed = operation->time;
    give_attributes(&record->attributes, operation);
    record->revision = MODEL_NOW;
    *affected = 1;
    return 0;
}

static int write_part(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error)
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

static int do_patch(struct model *model, const struct sfs_operation *operation, uint64_t *affected)
{
    struct model_record *record = model_find(model, operation->name);
    if (!record)
        return SFS_E_NOT_FOUND;
    if (record->attributes.kind != SFS_KIND_VALUE)
        return SFS_E_INVALID;
    struct sfs_bytes old = model_value(record), change = sfs_blob_bytes(operation->value);
    size_t offset = (size_t)operation->offset;
    if (operation->kind == SFS_OPERATION_APPEND)
        offset = old.size;
    size_t end = offset + change.size, size = old.size;
    if (operation->kind == SFS_OPERATION_PATCH) {
        end = operation->offset + (operation->flags & SFS_BATCH_AT_END ? old.size : 0);
        size = end > old.size ? end : old.size;
    } else if (operation->kind == SFS_OPERATION_TRUNCATE || (change.size && end > size))
        size = end;
    char *data = calloc(1, size + 1);
    assert_non_null(data);
    if (old.size && size)
        memcpy(data, old.data, old.size < size ? old.size : size);
    const struct sfs_patch_target target = {.write = write_part, .zero = zero_part, .context = data};
    if (operation->kind == SFS_OPERATION_PATCH)
        assert_int_equal(sfs_patch_run(operation, old.size, &target, NULL), 0);
    else if (change.size)
        memcpy(data + offset, change.data, change.size);
    bool whole = old.size == 0 && operation->stage == NULL && size <= change.size;
    model_set_value(record, sfs_bytes(data, size));
    free(data);
    if (!record->attributes.type_set && (whole || size < ((size_t)1 << 20)))
        record->attributes.type = sfs_type_of(model_value(record));
    record->attributes.modified = record->attributes.changed = operation->time;
    record->revision = MODEL_NOW;
    *affected = 1;
    return 0;
}

static int do_attributes(struct model *model, const struct sfs_operation *operation,
                         uint64_t *affected)
{
    struct model_record *record = model_find(model, operation->name);
    if (!record)
        return SFS_E_NOT_FOUND;
    record->attributes.changed = operation->time;
    give_attributes(&record->attributes, operation);
    record->revision = MODEL_NOW;
    *affected = 1;
    return 0;
}

static int do_xattr(struct model *model, const struct sfs_operation *operation, uint64_t *affected)
{
    struct model_record *record = model_find(model, operation->name);
    size_t at = 0;
    if (!record)
        return SFS_E_NOT_FOUND;
    while (at < record->xattr_count &&
           !sfs_bytes_equal(sfs_buffer_bytes(&record->xattrs[at].name), operation->target))
        at++;
    bool found = at < record->xattr_count;
    if (found && (operation->flags & SFS_XATTR_CREATE))
        return SFS_E_EXISTS;
    if (!found && (!operation->value || (operation->flags & SFS_XATTR_REPLACE)))
        return SFS_E_NO_ATTRIBUTE;
    if (found) {
        sfs_buffer_free(&record->xattrs[at].name);
        sfs_buffer_free(&record->xattrs[at].value);
        record->xattrs[at] = record->xattrs[--record->xattr_count];
    }
    if (operation->value) {
        assert_true(record->xattr_count < MODEL_XATTRS);
        struct model_xattr *xattr = &record->xattrs[record->xattr_count++];
        *xattr = (struct model_xattr){0};
        OK(sfs_buffer_add(&xattr->name, operation->target));
        OK(sfs_buffer_add(&xattr->value, sfs_blob_bytes(operation->value)));
    }
    record->attributes.changed = operation->time;
    record->revision = MODEL_NOW;
    *affected = 1;
    return 0;
}

static int do_delete(struct model *model, const struct sfs_operation *operation, uint64_t *affected)
{
    if (!model_find(model, operation->name))
        return operation->flags & SFS_BATCH_MUST_EXIST ? SFS_E_NOT_FOUND : 0;
    model_remove(model, operation->name);
    *affected = 1;
    return 0;
}

static void move(struct model *model, struct sfs_bytes from, struct sfs_bytes to, int64_t time)
{
    model_move(model, from, to);
    struct model_record *record = model_find(model, to);
    record->attributes.changed = time;
    record->revision = MODEL_NOW;
}

static int do_rename(struct model *model, const struct sfs_operation *operation, uint64_t *affected)
{
    if (!model_find(model, operation->name))
        return SFS_E_NOT_FOUND;
    if (sfs_bytes_equal(operation->name, operation->target))
        return 0;
    *affected = 1;
    if (model_find(model, operation->target)) {
        if (operation->flags & SFS_BATCH_NO_REPLACE)
            return SFS_E_EXISTS;
        model_remove(model, operation->target);
        *affected = 2;
    }
    move(model, operation->name, operation->target, operation->time);
    return 0;
}

static int do_exchange(struct model *model, const struct sfs_operation *operation,
                       uint64_t *affected)
{
    const struct sfs_bytes between = SFS_LITERAL("\0 nobody");
    if (!model_find(model, operation->name) || !model_find(model, operation->target))
        return SFS_E_NOT_FOUND;
    if (sfs_bytes_equal(operation->name, operation->target))
        return 0;
    move(model, operation->name, between, operation->time);
    move(model, operation->target, operation->name, operation->time);
    move(model, between, operation->target, operation->time);
    *affected = 2;
    return 0;
}

static bool anything_below(const struct model *model, struct sfs_bytes prefix)
{
    for (size_t i = 0; i < model->count; i++) {
        if (sfs_bytes_starts(model_name(&model->records[i]), prefix))
            return true;
    }
    return false;
}

static bool gets_too_long(const struct model *model, struct sfs_bytes from, struct sfs_bytes to)
{
    for (size_t i = 0; i < model->count; i++) {
        struct sfs_bytes name = model_name(&model->records[i]);
        if (sfs_bytes_starts(name, from) &&
            sfs_name_length(name) - from.size + to.size > SFS_KEY_MAX)
            return true;
    }
    return false;
}

/* Moves the first name below `from` until there is none. */
static uint64_t move_all(struct model *model, struct sfs_bytes from, struct sfs_bytes to,
                         int64_t time)
{
    uint64_t count = 0;
    for (size_t i = 0; i < model->count; i++) {
        struct sfs_bytes name = model_name(&model->records[i]);
        struct sfs_buffer old = {0}, new = {0};
        if (!sfs_bytes_starts(name, from))
            continue;
        OK(sfs_buffer_add(&old, name));
        OK(sfs_buffer_add(&new, to));
        OK(sfs_buffer_append(&new, old.data + from.size, old.size - from.size));
        move(model, sfs_buffer_bytes(&old), sfs_buffer_bytes(&new), time);
        sfs_buffer_free(&old);
        sfs_buffer_free(&new);
        count++;
        i = (size_t)-1; /* the order has changed: look from the beginning */
    }
    return count;
}

static int do_rename_prefix(struct model *model, const struct sfs_operation *operation,
                            uint64_t *affected)
{
    if (anything_below(model, operation->target))
        return SFS_E_NOT_EMPTY;
    if (gets_too_long(model, operation->name, operation->target))
        return SFS_E_NAME_TOO_LONG;
    *affected = move_all(model, operation->name, operation->target, operation->time);
    return 0;
}

static int do_exchange_prefix(struct model *model, const struct sfs_operation *operation,
                              uint64_t *affected)
{
    const struct sfs_bytes between = SFS_LITERAL("\0 nobody/");
    if (gets_too_long(model, operation->name, operation->target) ||
        gets_too_long(model, operation->target, operation->name))
        return SFS_E_NAME_TOO_LONG;
    *affected = move_all(model, operation->name, between, operation->time);
    *affected += move_all(model, operation->target, operation->name, operation->time);
    move_all(model, between, operation->target, operation->time);
    return 0;
}

static bool in_range(struct sfs_bytes name, struct sfs_range range)
{
    return sfs_bytes_compare(name, range.from) >= 0 &&
           (range.to.size == 0 || sfs_bytes_compare(name, range.to) < 0);
}

static int do_clear(struct model *model, const struct sfs_operation *operation, uint64_t *affected)
{
    const struct sfs_range range = {operation->name, operation->target};
    for (size_t i = model->count; i-- > 0;) {
        if (!in_range(model_name(&model->records[i]), range))
            continue;
        model_remove(model, model_name(&model->records[i]));
        ++*affected;
    }
    return 0;
}

/* --- preconditions --- */

/* Whether there was a record of the name when the first of its changes after `sequence` came. */
static bool existed_at(const struct model_past *past, uint64_t sequence, struct sfs_bytes name)
{
    size_t i = 0;
    while (past->changes[i].sequence <= sequence ||
           !sfs_bytes_equal(sfs_buffer_bytes(&past->changes[i].name), name))
        i++;
    return past->changes[i].existed;
}

/* States are compared: a name that was made and deleted again is as it was. */
static int check_range(const struct model *model, const struct model_past *past,
                       const struct sfs_precondition *condition)
{
    if (condition->kind == SFS_REQUIRE_EMPTY) {
        for (size_t i = 0; i < model->count; i++) {
            if (in_range(model_name(&model->records[i]), condition->range))
                return SFS_E_NOT_EMPTY;
        }
        return 0;
    }
    for (size_t i = 0; i < past->count; i++) {
        struct sfs_bytes name = sfs_buffer_bytes(&past->changes[i].name);
        if (past->changes[i].sequence > condition->number && in_range(name, condition->range) &&
            (existed_at(past, condition->number, name) || model_find(model, name)))
            return SFS_E_CONFLICT;
    }
    return 0;
}

static int check(const struct model *model, const struct model_past *past,
                 const struct sfs_precondition *condition)
{
    const struct model_record *record = model_find(model, condition->range.from);
    switch (condition->kind) {
    case SFS_REQUIRE_ABSENT:
        return record ? SFS_E_EXISTS : 0;
    case SFS_REQUIRE_REVISION:
        return (record ? record->revision : 0) == condition->number ? 0 : SFS_E_CONFLICT;
    case SFS_REQUIRE_ID:
        return record && record->attributes.id == condition->number ? 0 : SFS_E_CONFLICT;
    case SFS_REQUIRE_EMPTY:
    case SFS_REQUIRE_UNCHANGED:
        return check_range(model, past, condition);
    default:
        return 0; /* a lease that is held */
    }
}

int model_apply(struct model *model, const struct model_past *past, struct sfs_batch *batch,
                uint64_t *affected)
{
    static meaning *const meanings[] = {
        [SFS_OPERATION_PUT] = do_put,
        [SFS_OPERATION_WRITE] = do_patch,
        [SFS_OPERATION_APPEND] = do_patch,
        [SFS_OPERATION_TRUNCATE] = do_patch,
        [SFS_OPERATION_PATCH] = do_patch,
        [SFS_OPERATION_ATTRIBUTES] = do_attributes,
        [SFS_OPERATION_XATTR] = do_xattr,
        [SFS_OPERATION_DELETE] = do_delete,
        [SFS_OPERATION_RENAME] = do_rename,
        [SFS_OPERATION_EXCHANGE] = do_exchange,
        [SFS_OPERATION_RENAME_PREFIX] = do_rename_prefix,
        [SFS_OPERATION_EXCHANGE_PREFIX] = do_exchange_prefix,
        [SFS_OPERATION_CLEAR_RANGE] = do_clear,
    };
    struct model next;
    size_t count;
    const struct sfs_precondition *conditions = sfs_batch_preconditions(batch, &count);
    for (size_t i = 0; i < count; i++) {
        int code = check(model, past, &conditions[i]);
        if (code)
            return code;
    }
    model_copy(model, &next);
    const struct sfs_operation *operations = sfs_batch_operations(batch, &count);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        affected[i] = 0;
        code = meanings[operations[i].kind](&next, &operations[i], &affected[i]);
    }
    struct model *loser = code ? &next : model;
    model_clear(loser);
    if (code == 0)
        *model = next;
    return code;
}
