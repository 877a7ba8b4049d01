/* SPDX-License-Identifier: MIT */
/* Stages: a large value on its way is a temporary file, which a commit moves into its place. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

struct dir_stage {
    struct sfs_stage stage;
    struct sfs_dir_store *store;
    uint64_t number;
    int fd;
    bool spent; /* the file is a value of the store now */
};

static int fail_stage(const char *what, struct sfs_error *error)
{
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot %s a value on its way", what);
}

static int check_spent(const struct dir_stage *stage, struct sfs_error *error)
{
    return stage->spent ? sfs_fail(error, SFS_E_EXPIRED, SFS_DIR_ORIGIN,
                                   "this stage has been committed: its content is a value now")
                        : 0;
}

static int stage_write(struct sfs_stage *base, uint64_t offset, struct sfs_bytes bytes,
                       struct sfs_error *error)
{
    struct dir_stage *stage = (struct dir_stage *)base;
    int code = check_spent(stage, error);
    for (size_t done = 0; code == 0 && done < bytes.size;) {
        ssize_t wrote = pwrite(stage->fd, (const char *)bytes.data + done, bytes.size - done,
                               (off_t)(offset + done));
        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            code = fail_stage("write", error);
    }
    if (code == 0 && offset + bytes.size > base->size)
        base->size = offset + bytes.size;
    return code;
}

static int stage_truncate(struct sfs_stage *base, uint64_t size, struct sfs_error *error)
{
    struct dir_stage *stage = (struct dir_stage *)base;
    int code = check_spent(stage, error);
    if (code == 0 && ftruncate(stage->fd, (off_t)size))
        code = fail_stage("cut", error);
    if (code == 0)
        base->size = size;
    return code;
}

static int stage_read(struct sfs_stage *base, uint64_t offset, void *data, size_t size,
                      size_t *ret_size, struct sfs_error *error)
{
    const struct dir_stage *stage = (struct dir_stage *)base;
    const struct sfs_dir_value value = {.fd = stage->fd};
    return sfs_dir_value_read(&value, offset, data, size, SFS_LITERAL("a staged value"), ret_size,
                              error);
}

static void stage_close(struct sfs_stage *base)
{
    struct dir_stage *stage = (struct dir_stage *)base;
    close(stage->fd);
    if (!stage->spent)
        sfs_dir_temporary_remove(stage->store, stage->number);
    free(stage);
}

static const struct sfs_stage_operations operations = {stage_write, stage_truncate, stage_read,
                                                       stage_close};

int sfs_dir_stage(struct sfs_storage *storage, struct sfs_stage **ret_stage,
                  struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    struct dir_stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    stage->stage.operations = &operations;
    stage->store = store;
    int code = sfs_dir_temporary_new(store, &stage->number, &stage->fd, error);
    if (code)
        free(stage);
    else
        *ret_stage = &stage->stage;
    return code;
}

uint64_t sfs_dir_stage_number(const struct sfs_dir_store *store, const struct sfs_stage *base)
{
    const struct dir_stage *stage = (const struct dir_stage *)base;
    bool own = base->operations == &operations && stage->store == store && !stage->spent;
    return own ? stage->number : 0;
}

void sfs_dir_stage_spend(struct sfs_stage *base)
{
    ((struct dir_stage *)base)->spent = true;
}
