/* SPDX-License-Identifier: MIT */
/*
 * Many changes of one value as one operation: adding it to a batch, and stepping through its parts for
 * an engine that executes it.
 */
#include <stdlib.h>

#include "core/batch.h"
#include "util/clock.h"

#define VALUE_MAX ((uint64_t)INT64_MAX)

static int check_part(const struct sfs_part *part, size_t size, const struct sfs_stage *stage,
                      struct sfs_error *error)
{
    uint64_t room = part->source == SFS_PART_BYTES ? size
                    : part->source == SFS_PART_ZEROS ? VALUE_MAX
                    : stage                          ? stage->size
                                                     : 0;
    if (part->size > room || (part->source != SFS_PART_ZEROS && part->from > room - part->size))
        return sfs_fail(error, SFS_E_INVALID, "batch", "a part of the patch reaches over its source");
    if (part->offset > VALUE_MAX || part->size > VALUE_MAX - part->offset)
        return sfs_fail(error, SFS_E_TOO_LARGE, "batch",
                        "a value cannot be larger than 2^63 - 1 bytes");
    return 0;
}

int sfs_batch_patch(struct sfs_batch *batch, struct sfs_bytes name, const struct sfs_part *parts,
                    size_t count, struct sfs_bytes bytes, struct sfs_stage *stage, unsigned flags,
                    struct sfs_error *error)
{
    struct sfs_operation operation = {
        .kind = SFS_OPERATION_PATCH, .time = sfs_clock_now(), .flags = flags, .name = name,
        .target = sfs_bytes(parts, count * sizeof(*parts)), .stage = stage};
    int rc = sfs_key_check(name, error);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = check_part(&parts[i], bytes.size, stage, error);
        if (parts[i].offset + parts[i].size > operation.offset)
            operation.offset = parts[i].offset + parts[i].size;
    }
    if (rc)
        return sfs_batch_refuse(batch, rc);
    operation.value = sfs_blob_new(bytes);
    if (!operation.value)
        return sfs_batch_refuse(batch, sfs_fail_memory(error, "batch"));
    return sfs_batch_add(batch, operation, error);
}

/* --- executing one --- */

static int read_stage(const struct sfs_patch_target *target, struct sfs_stage *stage, uint64_t offset,
                      char *data, size_t size, struct sfs_error *error)
{
    if (target->read)
        return target->read(target->context, stage, offset, data, size, error);
    return sfs_stage_read(stage, offset, data, size, error);
}

static int run_staged(const struct sfs_patch_target *target, struct sfs_stage *stage,
                      struct sfs_part part, char *piece, struct sfs_error *error)
{
    int rc = 0;
    while (rc == 0 && part.size > 0) {
        uint64_t room = SFS_PATCH_PIECE - part.offset % SFS_PATCH_PIECE;
        size_t size = (size_t)(part.size < room ? part.size : room);
        rc = read_stage(target, stage, part.from, piece, size, error);
        if (rc == 0)
            rc = target->write(target->context, part.offset, sfs_bytes(piece, size), error);
        part.offset += size;
        part.from += size;
        part.size -= size;
    }
    return rc;
}

static int run_part(const struct sfs_operation *operation, const struct sfs_patch_target *target,
                    const struct sfs_part *part, char *piece, struct sfs_error *error)
{
    const char *bytes = sfs_blob_bytes(operation->value).data;
    if (part->size == 0)
        return 0;
    if (part->source == SFS_PART_ZEROS)
        return target->zero(target->context, part->offset, part->size, error);
    if (part->source == SFS_PART_STAGE)
        return run_staged(target, operation->stage, *part, piece, error);
    return target->write(target->context, part->offset,
                         sfs_bytes(bytes + part->from, (size_t)part->size), error);
}

int sfs_patch_run(const struct sfs_operation *operation, uint64_t old_size,
                  const struct sfs_patch_target *target, struct sfs_error *error)
{
    struct sfs_part part;
    size_t count = operation->target.size / sizeof(part);
    char *piece = operation->stage ? malloc((size_t)SFS_PATCH_PIECE) : NULL;
    int rc = operation->stage && !piece ? sfs_fail_memory(error, "apply") : 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        /* It lies behind the name, wherever that ends. */
        memcpy(&part, (const char *)operation->target.data + i * sizeof(part), sizeof(part));
        if (operation->flags & SFS_BATCH_AT_END)
            part.offset += old_size;
        rc = run_part(operation, target, &part, piece, error);
    }
    free(piece);
    return rc;
}
