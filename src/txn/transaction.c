/* SPDX-License-Identifier: MIT */
/*
 * Transactions: beginning, ending, and what state they are in.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "txn/recent.h"
#include "txn/recorder.h"
#include "util/clock.h"

#define IDLE_MS UINT64_C(600000)

const char *sfs_isolation_name(enum sfs_isolation isolation)
{
    switch (isolation) {
    case SFS_READ_COMMITTED:
        return "read-committed";
    case SFS_SNAPSHOT:
        return "snapshot";
    case SFS_SERIALIZABLE:
        return "serializable";
    }
    return "unknown";
}

/* --- the moments under `lock` --- */

/* Every read and write comes here, and none of its limits is of milliseconds: the coarse clocks do. */
static void touch(struct sfs_transaction *transaction, int64_t tick)
{
    transaction->used = sfs_clock_now_coarse();
    transaction->used_tick = tick;
}

static bool idle_too_long(const struct sfs_transaction *transaction, int64_t tick)
{
    int64_t idle = tick - transaction->used_tick;
    return (uint64_t)(idle / SFS_NS_PER_MS) >= transaction->options.idle_ms;
}

static void expire(struct sfs_transaction *transaction)
{
    transaction->state = SFS_FAILED;
    sfs_fail(&transaction->failure, SFS_E_EXPIRED, "transaction",
             "the transaction was not used for %" PRIu64 " ms and has expired: begin anew",
             transaction->options.idle_ms);
}

static int check_use(struct sfs_transaction *transaction, bool writes, int64_t tick,
                     struct sfs_error *error)
{
    bool open = transaction->state == SFS_ACTIVE || transaction->state == SFS_FAILED;
    if (!open)
        return sfs_fail(error, SFS_E_EXPIRED, "transaction", "the transaction was %s: begin anew",
                        transaction->state == SFS_COMMITTED ? "committed" : "rolled back");
    if (transaction->state == SFS_ACTIVE && idle_too_long(transaction, tick))
        expire(transaction);
    if (transaction->state == SFS_FAILED &&
        (writes || transaction->failure.code == SFS_E_EXPIRED)) {
        if (error)
            *error = transaction->failure;
        return transaction->failure.code;
    }
    touch(transaction, tick);
    return 0;
}

/* Under `lock`: whether the snapshot has not been used for so long that its lease needs it. */
static bool renewal_due(struct sfs_transaction *transaction, int64_t tick)
{
    int64_t passed = tick - transaction->renewed_tick;
    if ((uint64_t)(passed / SFS_NS_PER_MS) < transaction->options.idle_ms / 10)
        return false;
    transaction->renewed_tick = tick;
    return true;
}

/* Who reads only what the transaction itself wrote does not use the snapshot, whose lease must not
 * end for that: any read renews it. */
static int renew(struct sfs_transaction *transaction, struct sfs_error *error)
{
    const struct sfs_record *record = NULL;
    int code = sfs_get(transaction->snapshot, SFS_LITERAL("."), SFS_WANT_RECORD, &record, error);
    sfs_record_unref(record);
    return code == SFS_E_NOT_FOUND ? 0 : code;
}

int sfs_txn_use(struct sfs_transaction *transaction, bool writes, struct sfs_error *error)
{
    pthread_mutex_lock(&transaction->lock);
    int64_t tick = sfs_clock_monotonic_coarse();
    int code = check_use(transaction, writes, tick, error);
    bool due = code == 0 && renewal_due(transaction, tick);
    pthread_mutex_unlock(&transaction->lock);
    /* Who uses the inner transaction uses those around it. */
    if (code == 0 && transaction->parent)
        code = sfs_txn_use(transaction->parent, writes, error);
    if (code || !due || !transaction->snapshot)
        return code;
    struct sfs_error failure;
    code = renew(transaction, &failure);
    if (code && error)
        *error = failure;
    return code;
}

int sfs_transaction_check(struct sfs_transaction *transaction, struct sfs_error *error)
{
    return sfs_txn_use(transaction, true, error);
}

void sfs_txn_share(struct sfs_transaction *transaction, struct sfs_txn_writes *ret_writes)
{
    pthread_mutex_lock(&transaction->lock);
    sfs_txn_writes_share(&transaction->writes, ret_writes);
    pthread_mutex_unlock(&transaction->lock);
}

void sfs_txn_publish(struct sfs_transaction *transaction, struct sfs_txn_writes *writes,
                     uint64_t revision)
{
    pthread_mutex_lock(&transaction->lock);
    struct sfs_txn_writes before = transaction->writes;
    transaction->writes = *writes;
    *writes = before;
    transaction->generation++;
    transaction->last_revision = revision;
    transaction->operation_count = sfs_batch_size(transaction->operations);
    pthread_mutex_unlock(&transaction->lock);
}

/* --- beginning and ending --- */

static int check_capabilities(const struct sfs_storage *store, enum sfs_isolation isolation,
                              struct sfs_error *error)
{
    unsigned can = sfs_storage_capabilities(store);
    if (isolation == SFS_READ_COMMITTED)
        return 0;
    if (!(can & SFS_CAN_SNAPSHOT))
        return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                        "a %s store has no snapshots, so that its transactions cannot be '%s'; it "
                        "gives 'read-committed'",
                        sfs_storage_name(store), sfs_isolation_name(isolation));
    if (isolation == SFS_SERIALIZABLE && !(can & SFS_CAN_CHANGES))
        return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                        "a %s store does not know what was changed, so that its transactions "
                        "cannot be 'serializable'; it gives 'snapshot'",
                        sfs_storage_name(store));
    return 0;
}

static int check_isolation(const struct sfs_storage *store, const struct sfs_transaction *parent,
                           enum sfs_isolation isolation, struct sfs_error *error)
{
    if (isolation != SFS_READ_COMMITTED && isolation != SFS_SNAPSHOT &&
        isolation != SFS_SERIALIZABLE)
        return sfs_fail(error, SFS_E_INVALID, "transaction", "%d is no isolation level",
                        (int)isolation);
    if (!parent)
        return check_capabilities(store, isolation, error);
    if (isolation > parent->options.isolation)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "transaction",
                        "a transaction inside one that is '%s' cannot be '%s'",
                        sfs_isolation_name(parent->options.isolation),
                        sfs_isolation_name(isolation));
    return 0;
}

static int open_snapshot(struct sfs_transaction *transaction, struct sfs_error *error)
{
    int code = sfs_snapshot(transaction->store, transaction->options.idle_ms,
                            &transaction->snapshot, error);
    if (code == 0)
        code = sfs_sequence(transaction->snapshot, &transaction->sequence, error);
    if (code == 0)
        code = sfs_txn_recent_new(transaction->snapshot, &transaction->recent, error);
    transaction->base = transaction->recent;
    /* What only reads is as if it had run at the moment of its snapshot: nothing is to be checked. */
    if (code || transaction->options.isolation != SFS_SERIALIZABLE ||
        transaction->options.read_only)
        return code;
    code = sfs_txn_recorder_new(transaction->recent, &transaction->recorder, error);
    if (code == 0)
        transaction->base = &transaction->recorder->storage;
    return code;
}

static int open_live(struct sfs_transaction *transaction, struct sfs_error *error)
{
    struct sfs_error failure;
    int code = sfs_sequence(transaction->store, &transaction->sequence, &failure);
    transaction->base = transaction->store;
    if (code == SFS_E_UNSUPPORTED)
        return 0; /* a store without a notion of time can be read committed too */
    if (code && error)
        *error = failure;
    return code;
}

static int open_parts(struct sfs_transaction *transaction, struct sfs_error *error)
{
    int code = sfs_batch_new(&transaction->operations, error);
    if (code == 0)
        code = sfs_txn_is_live(transaction) ? open_live(transaction, error)
                                            : open_snapshot(transaction, error);
    transaction->last_revision = transaction->sequence;
    return code ? code : sfs_txn_storage_init(transaction, error);
}

static struct sfs_transaction *allocate(struct sfs_storage *store,
                                        const struct sfs_transaction_options *options)
{
    struct sfs_transaction *transaction = calloc(1, sizeof(*transaction));
    if (!transaction)
        return NULL;
    transaction->store = store;
    transaction->parent = sfs_txn_around(store);
    transaction->options = *options;
    if (transaction->options.idle_ms == 0)
        transaction->options.idle_ms = IDLE_MS;
    if (transaction->parent && transaction->parent->options.read_only)
        transaction->options.read_only = true;
    transaction->begun = sfs_clock_now_coarse();
    transaction->renewed_tick = sfs_clock_monotonic_coarse();
    transaction->generation = 1;
    sfs_txn_writes_init(&transaction->writes);
    pthread_mutex_init(&transaction->writer, NULL);
    pthread_mutex_init(&transaction->lock, NULL);
    touch(transaction, transaction->renewed_tick);
    return transaction;
}

int sfs_begin(struct sfs_storage *store, const struct sfs_transaction_options *options,
              struct sfs_transaction **ret_transaction, struct sfs_error *error)
{
    static const struct sfs_transaction_options defaults = {.isolation = SFS_SNAPSHOT};
    options = options ? options : &defaults;
    int code = check_isolation(store, sfs_txn_around(store), options->isolation, error);
    if (code)
        return code;
    struct sfs_transaction *transaction = allocate(store, options);
    if (!transaction)
        return sfs_fail_memory(error, "transaction");
    code = open_parts(transaction, error);
    if (code)
        sfs_transaction_free(transaction);
    else
        *ret_transaction = transaction;
    return code;
}

int sfs_begin_nested(struct sfs_transaction *parent, const struct sfs_transaction_options *options,
                     struct sfs_transaction **ret_transaction, struct sfs_error *error)
{
    int code = sfs_txn_use(parent, true, error);
    if (code)
        return code;
    return sfs_begin(&parent->storage.storage, options ? options : &parent->options,
                     ret_transaction, error);
}

struct sfs_storage *sfs_transaction_storage(struct sfs_transaction *transaction)
{
    return &transaction->storage.storage;
}

void sfs_rollback(struct sfs_transaction *transaction)
{
    struct sfs_txn_writes writes;
    sfs_txn_writes_init(&writes);
    pthread_mutex_lock(&transaction->writer);
    pthread_mutex_lock(&transaction->lock);
    bool ended = transaction->state == SFS_COMMITTED;
    if (!ended)
        transaction->state = SFS_ROLLED_BACK;
    pthread_mutex_unlock(&transaction->lock);
    if (!ended) {
        sfs_txn_drop_savepoints(transaction, 0);
        sfs_txn_cut(transaction, (struct sfs_txn_lengths){0});
        sfs_txn_publish(transaction, &writes, transaction->last_revision);
    }
    pthread_mutex_unlock(&transaction->writer);
    sfs_txn_writes_clear(&writes);
}

void sfs_transaction_free(struct sfs_transaction *transaction)
{
    if (!transaction)
        return;
    sfs_txn_drop_savepoints(transaction, 0);
    sfs_txn_writes_clear(&transaction->writes);
    if (transaction->operations)
        sfs_txn_cut(transaction, (struct sfs_txn_lengths){0});
    sfs_batch_free(transaction->operations);
    free(transaction->contents);
    free(transaction->guards);
    free(transaction->versions);
    /* The snapshot was only read: that its lease could not be given back costs nothing but space
     * until the lease ends. */
    if (transaction->recorder)
        sfs_close(&transaction->recorder->storage, NULL);
    sfs_close(transaction->recent, NULL);
    sfs_close(transaction->snapshot, NULL);
    pthread_mutex_destroy(&transaction->writer);
    pthread_mutex_destroy(&transaction->lock);
    free(transaction);
}

/* --- what it is --- */

void sfs_transaction_status(struct sfs_transaction *transaction,
                            struct sfs_transaction_status *ret_status)
{
    pthread_mutex_lock(&transaction->lock);
    if (transaction->state == SFS_ACTIVE && idle_too_long(transaction, sfs_clock_monotonic_coarse()))
        expire(transaction);
    *ret_status = (struct sfs_transaction_status){
        .state = transaction->state,
        .isolation = transaction->options.isolation,
        .read_only = transaction->options.read_only,
        .sequence = transaction->sequence,
        .operations = transaction->operation_count,
        .begun = transaction->begun,
        .used = transaction->used,
    };
    pthread_mutex_unlock(&transaction->lock);
}
