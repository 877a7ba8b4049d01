/* SPDX-License-Identifier: MIT */
/*
 * Large values inside a transaction: counted stages of the store below.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "txn/internal.h"

struct sfs_txn_content {
    atomic_size_t references;
    pthread_mutex_t lock; /* the stage's */
    struct sfs_stage *stage;
};

int sfs_txn_content_new(struct sfs_storage *store, struct sfs_txn_content **ret_content,
                        struct sfs_error *error)
{
    struct sfs_txn_content *content = calloc(1, sizeof(*content));
    if (!content)
        return sfs_fail_memory(error, "transaction");
    int code = sfs_stage_open(store, &content->stage, error);
    if (code) {
        free(content);
        return code;
    }
    atomic_init(&content->references, 1);
    pthread_mutex_init(&content->lock, NULL);
    *ret_content = content;
    return 0;
}

struct sfs_txn_content *sfs_txn_content_ref(struct sfs_txn_content *content)
{
    if (content)
        atomic_fetch_add_explicit(&content->references, 1, memory_order_relaxed);
    return content;
}

void sfs_txn_content_unref(struct sfs_txn_content *content)
{
    if (!content ||
        atomic_fetch_sub_explicit(&content->references, 1, memory_order_acq_rel) != 1)
        return;
    sfs_stage_close(content->stage);
    pthread_mutex_destroy(&content->lock);
    free(content);
}

struct sfs_stage *sfs_txn_content_stage(struct sfs_txn_content *content)
{
    return content->stage;
}

int sfs_txn_content_write(struct sfs_txn_content *content, uint64_t offset, struct sfs_bytes bytes,
                          struct sfs_error *error)
{
    pthread_mutex_lock(&content->lock);
    int code = sfs_stage_write(content->stage, offset, bytes, error);
    pthread_mutex_unlock(&content->lock);
    return code;
}

int sfs_txn_content_truncate(struct sfs_txn_content *content, uint64_t size,
                             struct sfs_error *error)
{
    pthread_mutex_lock(&content->lock);
    int code = sfs_stage_truncate(content->stage, size, error);
    pthread_mutex_unlock(&content->lock);
    return code;
}

int sfs_txn_content_read(struct sfs_txn_content *content, uint64_t offset, void *data, size_t size,
                         size_t *ret_size, struct sfs_error *error)
{
    pthread_mutex_lock(&content->lock);
    int code =
        content->stage->operations->read(content->stage, offset, data, size, ret_size, error);
    pthread_mutex_unlock(&content->lock);
    return code;
}

/* --- the stage that is given out --- */

struct txn_stage {
    struct sfs_stage stage;
    struct sfs_transaction *transaction;
    struct sfs_txn_content *content;
    bool spent;
};

static struct txn_stage *txn_stage_of(struct sfs_stage *stage)
{
    return (struct txn_stage *)stage;
}

static int begin_write(const struct txn_stage *self, struct sfs_error *error)
{
    if (!self->spent)
        return sfs_txn_use(self->transaction, true, error);
    return sfs_fail(error, SFS_E_INVALID, "transaction",
                    "the staged value has been put: open another stage for another value");
}

static int stage_write(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                       struct sfs_error *error)
{
    struct txn_stage *self = txn_stage_of(stage);
    int code = begin_write(self, error);
    if (code == 0)
        code = sfs_txn_content_write(self->content, offset, bytes, error);
    if (code == 0)
        stage->size = sfs_stage_size(sfs_txn_content_stage(self->content));
    return code;
}

static int stage_truncate(struct sfs_stage *stage, uint64_t size, struct sfs_error *error)
{
    struct txn_stage *self = txn_stage_of(stage);
    int code = begin_write(self, error);
    if (code == 0)
        code = sfs_txn_content_truncate(self->content, size, error);
    if (code == 0)
        stage->size = size;
    return code;
}

static int stage_read(struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                      size_t *ret_size, struct sfs_error *error)
{
    return sfs_txn_content_read(txn_stage_of(stage)->content, offset, data, size, ret_size, error);
}

static void stage_close(struct sfs_stage *stage)
{
    sfs_txn_content_unref(txn_stage_of(stage)->content);
    free(stage);
}

static const struct sfs_stage_operations stage_operations = {
    .write = stage_write,
    .truncate = stage_truncate,
    .read = stage_read,
    .close = stage_close,
};

int sfs_txn_stage_new(struct sfs_transaction *transaction, struct sfs_stage **ret_stage,
                      struct sfs_error *error)
{
    struct txn_stage *self = calloc(1, sizeof(*self));
    if (!self)
        return sfs_fail_memory(error, "transaction");
    self->stage.operations = &stage_operations;
    self->transaction = transaction;
    int code = sfs_txn_content_new(transaction->store, &self->content, error);
    if (code) {
        free(self);
        return code;
    }
    *ret_stage = &self->stage;
    return 0;
}

struct sfs_txn_content *sfs_txn_stage_content(struct sfs_stage *stage)
{
    bool ours = stage->operations == &stage_operations && !txn_stage_of(stage)->spent;
    return ours ? txn_stage_of(stage)->content : NULL;
}

void sfs_txn_stage_spend(struct sfs_stage *stage)
{
    if (stage->operations == &stage_operations)
        txn_stage_of(stage)->spent = true;
}
