/* SPDX-License-Identifier: MIT */
/* The primitives of a batch. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "run.h"
#include "util/file.h"

#define PIECE ((size_t)1 << 18)

static struct sfs_dir_run *run_of(struct sfs_apply_run *run)
{
    return (struct sfs_dir_run *)run;
}

/* --- temporary files --- */

static int keep_temporary(struct sfs_dir_run *run, uint64_t number, struct sfs_stage *stage,
                          struct sfs_error *error)
{
    if (run->temporary_count == run->temporary_capacity) {
        size_t capacity = run->temporary_capacity * 2 + 8;
        struct sfs_dir_temporary *grown =
            reallocarray(run->temporaries, capacity, sizeof(*run->temporaries));
        if (!grown) {
            if (!stage)
                sfs_dir_temporary_remove(run->store, number);
            return sfs_fail_memory(error, SFS_DIR_ORIGIN);
        }
        run->temporaries = grown;
        run->temporary_capacity = capacity;
    }
    run->temporaries[run->temporary_count++] = (struct sfs_dir_temporary){number, stage, false};
    return 0;
}

static bool is_kept(const struct sfs_dir_run *run, uint64_t number)
{
    for (size_t i = 0; i < run->temporary_count; i++)
        if (run->temporaries[i].number == number)
            return true;
    return false;
}

void sfs_dir_run_end(struct sfs_dir_run *run, bool committed)
{
    for (size_t i = 0; i < run->temporary_count; i++) {
        struct sfs_dir_temporary *temporary = &run->temporaries[i];
        if (committed && temporary->stage)
            sfs_dir_stage_spend(temporary->stage);
        if (!(committed && temporary->placed) && (committed || !temporary->stage))
            sfs_dir_temporary_remove(run->store, temporary->number);
    }
    free(run->temporaries);
    sfs_tree_clear(&run->base);
    sfs_tree_clear(&run->next);
    sfs_tree_clear(&run->touched);
    sfs_tree_clear(&run->moved);
}

/* --- the value of an item --- */

static int open_value(struct sfs_dir_run *run, const struct sfs_dir_item *item,
                      struct sfs_dir_value *ret_value, struct sfs_error *error)
{
    char name[24];
    if (item->temporary) {
        sfs_dir_temporary_name(item->temporary, name);
        return sfs_dir_value_open(run->store->control, name, item->record->name, ret_value, error);
    }
    const struct sfs_dir_item *place = item->origin ? item->origin : item;
    pthread_mutex_lock(&run->store->lock);
    int code = sfs_dir_open_value(run->store, place, ret_value, error);
    pthread_mutex_unlock(&run->store->lock);
    return code;
}

static int run_lookup(struct sfs_apply_run *base, struct sfs_bytes name, unsigned want,
                      const struct sfs_record **ret_record, struct sfs_error *error)
{
    struct sfs_dir_run *run = run_of(base);
    struct sfs_dir_value value = {.fd = -1};
    const struct sfs_dir_item *item = sfs_tree_find(&run->next, name);
    char shown[160];
    if (!item)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_DIR_ORIGIN, "'%s' does not exist",
                        sfs_name_show(name, shown, sizeof(shown)));
    const struct sfs_record *record = sfs_record_ref(item->record);
    int code = 0;
    if ((want & SFS_WANT_VALUE) && record->size > 0) {
        code = open_value(run, item, &value, error);
        if (code == 0)
            code = sfs_dir_fill(&value, &record, error);
        sfs_dir_value_close(&value);
    }
    if (code)
        sfs_record_unref(record);
    else
        *ret_record = record;
    return code;
}

static int run_first(struct sfs_apply_run *base, struct sfs_range range,
                     const struct sfs_record **ret_record, struct sfs_error *error)
{
    const struct sfs_dir_item *item = sfs_tree_lower_bound(&run_of(base)->next, range.from);
    if (!item || !sfs_range_has(range, item->record->name))
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_DIR_ORIGIN, "the range is empty");
    *ret_record = sfs_record_ref(item->record);
    return 0;
}

/* --- changing --- */

static int put(struct sfs_dir_run *run, struct sfs_dir_item *item, struct sfs_error *error)
{
    struct sfs_bytes name = item->record->name;
    int result = sfs_tree_insert(&run->touched, name, item);
    if (!result)
        result = sfs_tree_insert(&run->next, name, item);
    return result ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
}

static int drop(struct sfs_dir_run *run, struct sfs_bytes name, struct sfs_error *error)
{
    struct sfs_dir_item *old = sfs_tree_find(&run->next, name);
    if (!old)
        return 0;
    int result = sfs_tree_insert(&run->touched, old->record->name, old);
    if (!result)
        result = sfs_tree_remove(&run->next, name);
    return result < 0 ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
}

/* A stage of another store, or one that is already the value of another name of this batch. */
static int copy_stage(struct sfs_dir_run *run, struct sfs_stage *stage, uint64_t *ret_number,
                      struct sfs_error *error)
{
    uint64_t number = 0;
    int fd = -1;
    char *piece = malloc(PIECE);
    int code = piece ? sfs_dir_temporary_new(run->store, &number, &fd, error)
                     : sfs_fail_memory(error, SFS_DIR_ORIGIN);
    for (uint64_t done = 0; code == 0 && done < stage->size;) {
        size_t size = stage->size - done < PIECE ? (size_t)(stage->size - done) : PIECE;
        code = sfs_stage_read(stage, done, piece, size, error);
        if (code == 0)
            code = sfs_write_all(fd, sfs_bytes(piece, size), run->store->path, error);
        done += size;
    }
    free(piece);
    if (fd >= 0)
        close(fd);
    if (code && number)
        sfs_dir_temporary_remove(run->store, number);
    else
        *ret_number = number;
    return code;
}

static int stage_content(struct sfs_dir_run *run, uint64_t *ret_number, struct sfs_error *error)
{
    struct sfs_stage *stage = run->run.stage;
    uint64_t number = sfs_dir_stage_number(run->store, stage);
    bool own = number && !is_kept(run, number);
    int code = own ? 0 : copy_stage(run, stage, &number, error);
    if (code == 0)
        code = keep_temporary(run, number, own ? stage : NULL, error);
    *ret_number = number;
    return code;
}

static int new_content(struct sfs_dir_run *run, const struct sfs_record *record,
                       enum sfs_value_change change, uint64_t *ret_number, struct sfs_error *error)
{
    if (record->attributes.kind == SFS_KIND_MARKER)
        return 0;
    if (change == SFS_VALUE_STAGED)
        return stage_content(run, ret_number, error);
    bool link = record->attributes.kind == SFS_KIND_SYMLINK;
    int code =
        sfs_dir_temporary_write(run->store, sfs_record_value(record), link, ret_number, error);
    return code ? code : keep_temporary(run, *ret_number, NULL, error);
}

/* The record as the store keeps it: with an id, and without its value. */
static struct sfs_dir_item *make_item(struct sfs_dir_run *run, const struct sfs_record *record)
{
    const struct sfs_dir_print none = {0};
    struct sfs_attributes attributes = record->attributes;
    if (!attributes.id) {
        pthread_mutex_lock(&run->store->lock);
        attributes.id = ++run->store->last_id;
        pthread_mutex_unlock(&run->store->lock);
    }
    const struct sfs_record *kept = sfs_record_new(record->name, run->run.sequence, record->size,
                                                   &attributes, record->xattrs, NULL);
    struct sfs_dir_item *item = kept ? sfs_dir_item_new(kept, &none) : NULL;
    sfs_record_unref(kept);
    return item;
}

/* Where the value is, is where it was. */
static void keep_content(struct sfs_dir_item *item, struct sfs_dir_item *old)
{
    item->temporary = old->temporary;
    item->print = old->print;
    if (!old->temporary)
        item->origin = sfs_dir_item_ref(old->origin ? old->origin : old);
}

static int run_store(struct sfs_apply_run *base, const struct sfs_record *before,
                     const struct sfs_record *record, enum sfs_value_change change,
                     struct sfs_error *error)
{
    struct sfs_dir_run *run = run_of(base);
    struct sfs_dir_item *item = make_item(run, record);
    if (!item)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code = 0;
    if (change == SFS_VALUE_KEPT && before)
        keep_content(item, sfs_tree_find(&run->next, before->name));
    else
        code = new_content(run, record, change, &item->temporary, error);
    if (code == 0)
        code = put(run, item, error);
    sfs_dir_item_unref(item);
    return code;
}

static int run_remove(struct sfs_apply_run *run, const struct sfs_record *before,
                      struct sfs_error *error)
{
    return drop(run_of(run), before->name, error);
}

static int run_move(struct sfs_apply_run *base, const struct sfs_record *before,
                    const struct sfs_record *record, struct sfs_error *error)
{
    struct sfs_dir_run *run = run_of(base);
    struct sfs_dir_item *item = make_item(run, record);
    if (!item)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    keep_content(item, sfs_tree_find(&run->next, before->name));
    int code = drop(run, before->name, error);
    if (code == 0)
        code = put(run, item, error);
    sfs_dir_item_unref(item);
    return code;
}

/* --- a part of a large value --- */

/* Smaller ones are changed in memory, where their type is found anew. */
#define PATCH_MIN (UINT64_C(1) << 20)

static int write_at(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t wrote = pwrite(*(int *)context, (const char *)bytes.data + done, bytes.size - done,
                               (off_t)(offset + done));
        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot write a part of a value");
    }
    return 0;
}

static bool is_zero(const char *data, size_t size)
{
    return size > 0 && data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* Zeros become a hole: the size is set at the end. */
static int copy_content(struct sfs_dir_run *run, const struct sfs_dir_item *item, uint64_t size,
                        int fd, struct sfs_error *error)
{
    struct sfs_dir_value value = {.fd = -1};
    char *piece = malloc(PIECE);
    int code =
        piece ? open_value(run, item, &value, error) : sfs_fail_memory(error, SFS_DIR_ORIGIN);
    for (uint64_t done = 0; code == 0 && done < size;) {
        size_t wanted = size - done < PIECE ? (size_t)(size - done) : PIECE, got = 0;
        code = sfs_dir_value_read(&value, done, piece, wanted, item->record->name, &got, error);
        if (code == 0 && !is_zero(piece, got))
            code = write_at(&fd, done, sfs_bytes(piece, got), error);
        if (got == 0)
            break;
        done += got;
    }
    sfs_dir_value_close(&value);
    free(piece);
    return code;
}

/* A hole, where the file system has them. */
static int zero_at(void *context, uint64_t offset, uint64_t size, struct sfs_error *error)
{
    static const char zeros[4096];
    int code = 0;
    if (size == 0 || fallocate(*(int *)context, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               (off_t)offset, (off_t)size) == 0)
        return 0;
    for (uint64_t done = 0; code == 0 && done < size; done += sizeof(zeros)) {
        size_t piece = size - done < sizeof(zeros) ? (size_t)(size - done) : sizeof(zeros);
        code = write_at(context, offset + done, sfs_bytes(zeros, piece), error);
    }
    return code;
}

static int write_parts(const struct sfs_record *before, const struct sfs_record *record,
                       const struct sfs_operation *operation, int fd, struct sfs_error *error)
{
    const struct sfs_patch_target target = {.write = write_at, .zero = zero_at, .context = &fd};
    int code = 0;
    if (operation->kind == SFS_OPERATION_PATCH)
        code = sfs_patch_run(operation, before->size, &target, error);
    else if (operation->kind == SFS_OPERATION_WRITE)
        code = write_at(&fd, operation->offset, sfs_blob_bytes(operation->value), error);
    else if (operation->kind == SFS_OPERATION_APPEND)
        code = write_at(&fd, before->size, sfs_blob_bytes(operation->value), error);
    if (code == 0 && ftruncate(fd, (off_t)record->size))
        code = sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot set the size of a value");
    return code;
}

/* The file is copied, so that whoever reads it, and a batch that fails, keep the old one. */
static int run_patch(struct sfs_apply_run *base, const struct sfs_record *before,
                     const struct sfs_record *record, const struct sfs_operation *operation,
                     struct sfs_error *error)
{
    struct sfs_dir_run *run = run_of(base);
    uint64_t number = 0;
    int fd = -1;
    if (record->size < PATCH_MIN)
        return SFS_E_UNSUPPORTED;
    const struct sfs_dir_item *old = sfs_tree_find(&run->next, before->name);
    struct sfs_dir_item *item = make_item(run, record);
    int code = item ? sfs_dir_temporary_new(run->store, &number, &fd, error)
                    : sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (code == 0)
        code = keep_temporary(run, number, NULL, error);
    uint64_t kept = before->size < record->size ? before->size : record->size;
    if (code == 0)
        code = copy_content(run, old, kept, fd, error);
    if (code == 0)
        code = write_parts(before, record, operation, fd, error);
    if (fd >= 0)
        close(fd);
    if (code == 0) {
        item->temporary = number;
        code = put(run, item, error);
    }
    sfs_dir_item_unref(item);
    return code;
}

const struct sfs_apply_operations sfs_dir_run_operations = {
    .lookup = run_lookup,
    .store = run_store,
    .remove = run_remove,
    .move = run_move,
    .first = run_first,
    .patch = run_patch,
};
