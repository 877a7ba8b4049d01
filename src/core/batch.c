/* SPDX-License-Identifier: MIT */
/*
 * The lists behind a batch: growth, ownership, savepoints.
 */
#include <stdlib.h>

#include "core/batch.h"
#include "core/range.h"

int sfs_batch_new(struct sfs_batch **ret_batch, struct sfs_error *error)
{
    struct sfs_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return sfs_fail_memory(error, "batch");
    *ret_batch = batch;
    return 0;
}

/* Both names lie in one allocation, which begins at the first of them that is not empty. */
static void free_names(struct sfs_bytes first, struct sfs_bytes second)
{
    free((void *)(uintptr_t)(first.size ? first.data : second.size ? second.data : NULL));
}

int sfs_batch_copy_names(struct sfs_bytes *first, struct sfs_bytes *second, struct sfs_error *error)
{
    if (first->size + second->size == 0) {
        *first = *second = (struct sfs_bytes){0};
        return 0;
    }
    char *copy = malloc(first->size + second->size);
    if (!copy)
        return sfs_fail_memory(error, "batch");
    if (first->size)
        memcpy(copy, first->data, first->size);
    if (second->size)
        memcpy(copy + first->size, second->data, second->size);
    first->data = copy;
    second->data = copy + first->size;
    return 0;
}

void sfs_batch_cut(struct sfs_batch *batch, size_t size)
{
    while (batch->count > size) {
        struct sfs_operation *last = &batch->operations[--batch->count];
        free_names(last->name, last->target);
        sfs_blob_unref(last->value);
    }
}

void sfs_batch_clear(struct sfs_batch *batch)
{
    sfs_batch_cut(batch, 0);
    for (size_t i = 0; i < batch->precondition_count; i++)
        free_names(batch->preconditions[i].range.from, batch->preconditions[i].range.to);
    batch->precondition_count = 0;
    batch->refused = 0;
}

void sfs_batch_free(struct sfs_batch *batch)
{
    if (!batch)
        return;
    sfs_batch_clear(batch);
    free(batch->operations);
    free(batch->preconditions);
    free(batch);
}

size_t sfs_batch_size(const struct sfs_batch *batch)
{
    return batch->count;
}

int sfs_batch_check(const struct sfs_batch *batch, struct sfs_error *error)
{
    if (batch->refused)
        return sfs_fail(error, SFS_E_INVALID, "batch",
                        "the batch lacks a change that could not be added to it (%s)",
                        sfs_code_name(batch->refused));
    return 0;
}

int sfs_batch_refuse(struct sfs_batch *batch, int code)
{
    if (!batch->refused)
        batch->refused = code;
    return code;
}

/* Room for one more element in an array that grows by half. */
static int make_room(void **array, size_t count, size_t *capacity, size_t element,
                     struct sfs_error *error)
{
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity + *capacity / 2 + 4;
    void *grown = reallocarray(*array, wanted, element);
    if (!grown)
        return sfs_fail_memory(error, "batch");
    *array = grown;
    *capacity = wanted;
    return 0;
}

int sfs_batch_add(struct sfs_batch *batch, struct sfs_operation operation, struct sfs_error *error)
{
    void *array = batch->operations;
    int rc = make_room(&array, batch->count, &batch->capacity, sizeof(operation), error);
    batch->operations = array;
    if (!rc)
        rc = sfs_batch_copy_names(&operation.name, &operation.target, error);
    if (rc) {
        sfs_blob_unref(operation.value);
        return sfs_batch_refuse(batch, rc);
    }
    batch->operations[batch->count++] = operation;
    return 0;
}

struct sfs_operation *sfs_batch_operations(struct sfs_batch *batch, size_t *ret_count)
{
    *ret_count = batch->count;
    return batch->operations;
}

const struct sfs_precondition *sfs_batch_preconditions(const struct sfs_batch *batch,
                                                       size_t *ret_count)
{
    *ret_count = batch->precondition_count;
    return batch->preconditions;
}

uint64_t sfs_batch_affected(const struct sfs_batch *batch, size_t index)
{
    return index < batch->count ? batch->operations[index].affected : 0;
}

int sfs_batch_add_operations(struct sfs_batch *batch, const struct sfs_batch *from,
                             struct sfs_error *error)
{
    size_t before = batch->count, count = from->count;
    int rc = sfs_batch_check(from, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    for (size_t i = 0; i < count; i++) {
        struct sfs_operation copy = from->operations[i];
        copy.value = sfs_blob_ref(copy.value);
        copy.affected = 0;
        rc = sfs_batch_add(batch, copy, error);
        if (rc) {
            sfs_batch_cut(batch, before);
            return rc;
        }
    }
    return 0;
}

/* --- preconditions --- */

static int require(struct sfs_batch *batch, struct sfs_precondition condition,
                   struct sfs_error *error)
{
    void *array = batch->preconditions;
    int rc = make_room(&array, batch->precondition_count, &batch->precondition_capacity,
                       sizeof(condition), error);
    batch->preconditions = array;
    if (!rc)
        rc = sfs_batch_copy_names(&condition.range.from, &condition.range.to, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    batch->preconditions[batch->precondition_count++] = condition;
    return 0;
}

static int require_name(struct sfs_batch *batch, enum sfs_precondition_kind kind,
                        struct sfs_bytes name, uint64_t number, struct sfs_error *error)
{
    int rc = sfs_name_check(name, error);
    if (rc)
        return sfs_batch_refuse(batch, rc);
    struct sfs_precondition condition = {.kind = kind, .range.from = name, .number = number};
    return require(batch, condition, error);
}

static int require_range(struct sfs_batch *batch, struct sfs_precondition condition,
                         struct sfs_error *error)
{
    int rc = sfs_range_check(condition.range, error);
    return rc ? sfs_batch_refuse(batch, rc) : require(batch, condition, error);
}

int sfs_batch_require_absent(struct sfs_batch *batch, struct sfs_bytes name,
                             struct sfs_error *error)
{
    return require_name(batch, SFS_REQUIRE_ABSENT, name, 0, error);
}

int sfs_batch_require_revision(struct sfs_batch *batch, struct sfs_bytes name, uint64_t revision,
                               struct sfs_error *error)
{
    return require_name(batch, SFS_REQUIRE_REVISION, name, revision, error);
}

int sfs_batch_require_id(struct sfs_batch *batch, struct sfs_bytes name, uint64_t id,
                         struct sfs_error *error)
{
    return require_name(batch, SFS_REQUIRE_ID, name, id, error);
}

int sfs_batch_require_empty(struct sfs_batch *batch, struct sfs_range range,
                            struct sfs_error *error)
{
    struct sfs_precondition condition = {.kind = SFS_REQUIRE_EMPTY, .range = range};
    return require_range(batch, condition, error);
}

int sfs_batch_require_unchanged(struct sfs_batch *batch, struct sfs_range range, uint64_t sequence,
                                struct sfs_error *error)
{
    struct sfs_precondition condition = {
        .kind = SFS_REQUIRE_UNCHANGED, .range = range, .number = sequence};
    return require_range(batch, condition, error);
}

int sfs_batch_require_no_match(struct sfs_batch *batch, uint64_t sequence,
                               int (*matches)(void *context, const struct sfs_record *record),
                               void *context, struct sfs_error *error)
{
    struct sfs_precondition condition = {
        .kind = SFS_REQUIRE_NO_MATCH, .number = sequence, .matches = matches, .context = context};
    return require(batch, condition, error);
}

int sfs_batch_require_lease(struct sfs_batch *batch, uint64_t lease, struct sfs_error *error)
{
    return require(batch, (struct sfs_precondition){.kind = SFS_REQUIRE_LEASE, .number = lease},
                   error);
}
