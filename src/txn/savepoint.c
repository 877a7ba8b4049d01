/* SPDX-License-Identifier: MIT */
/*
 * Savepoints: marks in the write set, which are a share of it and the lengths of the lists.
 */
#include <stdlib.h>

#include "txn/internal.h"

static void savepoint_free(struct sfs_txn_savepoint *savepoint)
{
    sfs_txn_writes_clear(&savepoint->writes);
    free(savepoint->name);
}

void sfs_txn_drop_savepoints(struct sfs_transaction *transaction, size_t count)
{
    while (transaction->savepoint_count > count)
        savepoint_free(&transaction->savepoints[--transaction->savepoint_count]);
    if (count == 0) {
        free(transaction->savepoints);
        transaction->savepoints = NULL;
    }
}

/* The index of a savepoint, or their number where there is none of that name. */
static size_t find(const struct sfs_transaction *transaction, const char *name)
{
    size_t index = 0;
    while (index < transaction->savepoint_count &&
           strcmp(transaction->savepoints[index].name, name) != 0)
        index++;
    return index;
}

static int find_known(const struct sfs_transaction *transaction, const char *name, size_t *ret_index,
                      struct sfs_error *error)
{
    size_t index = find(transaction, name);
    if (index == transaction->savepoint_count)
        return sfs_fail(error, SFS_E_NOT_FOUND, "transaction", "there is no savepoint '%s'", name);
    *ret_index = index;
    return 0;
}

static int add(struct sfs_transaction *transaction, const char *name, struct sfs_error *error)
{
    if (find(transaction, name) < transaction->savepoint_count)
        return sfs_fail(error, SFS_E_EXISTS, "transaction", "there is a savepoint '%s' already",
                        name);
    void *grown = reallocarray(transaction->savepoints, transaction->savepoint_count + 1,
                               sizeof(*transaction->savepoints));
    if (!grown)
        return sfs_fail_memory(error, "transaction");
    transaction->savepoints = grown;
    struct sfs_txn_savepoint *savepoint = &transaction->savepoints[transaction->savepoint_count];
    *savepoint = (struct sfs_txn_savepoint){
        .name = strdup(name),
        .lengths = sfs_txn_lengths(transaction),
    };
    if (!savepoint->name)
        return sfs_fail_memory(error, "transaction");
    sfs_txn_share(transaction, &savepoint->writes);
    transaction->savepoint_count++;
    return 0;
}

static int roll_back(struct sfs_transaction *transaction, const char *name, struct sfs_error *error)
{
    size_t index = 0;
    struct sfs_txn_writes writes;
    int code = find_known(transaction, name, &index, error);
    if (code)
        return code;
    sfs_txn_drop_savepoints(transaction, index + 1);
    const struct sfs_txn_savepoint *savepoint = &transaction->savepoints[index];
    sfs_txn_writes_share(&savepoint->writes, &writes);
    sfs_txn_cut(transaction, savepoint->lengths);
    /* A new number, so that who remembers the old one sees that there was a change. */
    uint64_t last = transaction->last_revision;
    transaction->rolled_back = (last > SFS_TXN_PROVISIONAL ? last : SFS_TXN_PROVISIONAL) + 1;
    sfs_txn_publish(transaction, &writes, transaction->rolled_back);
    sfs_txn_writes_clear(&writes);
    return 0;
}

static int release(struct sfs_transaction *transaction, const char *name, struct sfs_error *error)
{
    size_t index = 0;
    int code = find_known(transaction, name, &index, error);
    if (code == 0)
        sfs_txn_drop_savepoints(transaction, index);
    return code;
}

typedef int savepoint_function(struct sfs_transaction *transaction, const char *name,
                               struct sfs_error *error);

static int locked(struct sfs_transaction *transaction, const char *name,
                  savepoint_function *function, struct sfs_error *error)
{
    pthread_mutex_lock(&transaction->writer);
    int code = sfs_txn_use(transaction, true, error);
    if (code == 0)
        code = function(transaction, name, error);
    pthread_mutex_unlock(&transaction->writer);
    return code;
}

int sfs_savepoint(struct sfs_transaction *transaction, const char *name, struct sfs_error *error)
{
    return locked(transaction, name, add, error);
}

int sfs_savepoint_rollback(struct sfs_transaction *transaction, const char *name,
                           struct sfs_error *error)
{
    return locked(transaction, name, roll_back, error);
}

int sfs_savepoint_release(struct sfs_transaction *transaction, const char *name,
                          struct sfs_error *error)
{
    return locked(transaction, name, release, error);
}
