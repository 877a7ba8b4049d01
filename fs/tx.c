/* SPDX-License-Identifier: MIT */
/*
 * The table of a mount's transactions.
 */
#include "fs/tx.h"

#include <stdlib.h>

#include "fs/budget.h"
#include "fs/fields.h"

#define ATTRIBUTE_TIMEOUT 1.0 /* seconds: no longer than a rollback to a savepoint waits for the kernel */

struct fs_transactions {
    pthread_mutex_t lock;
    struct fs_tx *first;
};

struct fs_transactions *fs_transactions_new(struct fs *fs)
{
    (void)fs;
    struct fs_transactions *table = calloc(1, sizeof(*table));
    if (table != NULL)
        pthread_mutex_init(&table->lock, NULL);
    return table;
}

struct fs_tx *fs_tx_ref(struct fs_tx *tx)
{
    atomic_fetch_add(&tx->references, 1);
    return tx;
}

/* What its user has of it: the rest goes when the kernel has forgotten its nodes. */
static void uncount(struct fs_tx *tx)
{
    fs_tx_savepoints_free(tx);
    fs_tx_uncharge(tx, 0);
    if (tx->counted)
        fs_budget_uncount(tx->fs, tx->uid, FS_TRANSACTIONS, 1);
    tx->counted = false;
}

void fs_tx_unref(struct fs_tx *tx)
{
    if (tx == NULL || atomic_fetch_sub(&tx->references, 1) != 1)
        return;
    sfs_transaction_free(tx->transaction);
    fs_space_unref(tx->space);
    sfs_buffer_free(&tx->conflicts);
    uncount(tx);
    fs_tx_unref(tx->parent);
    pthread_mutex_destroy(&tx->lock);
    pthread_cond_destroy(&tx->settled);
    free(tx->name);
    free(tx);
}

void fs_transactions_free(struct fs_transactions *table)
{
    if (table == NULL)
        return;
    while (table->first != NULL) {
        struct fs_tx **last = &table->first; /* those inside others come behind them, and end first */
        while ((*last)->next != NULL)
            last = &(*last)->next;
        struct fs_tx *tx = *last;
        *last = NULL;
        sfs_transaction_free(tx->transaction);
        tx->transaction = NULL;
        fs_tx_unref(tx);
    }
    pthread_mutex_destroy(&table->lock);
    free(table);
}

bool fs_tx_is_open(struct fs_tx *tx)
{
    pthread_mutex_lock(&tx->lock);
    bool open = tx->state == FS_TX_OPEN || tx->state == FS_TX_ENDING;
    pthread_mutex_unlock(&tx->lock);
    return open;
}

bool fs_tx_is_visible(const struct fs_tx *tx, uid_t uid)
{
    return uid == 0 || uid == tx->uid;
}

size_t fs_transactions_count(struct fs_transactions *table)
{
    size_t count = 0;
    pthread_mutex_lock(&table->lock);
    for (struct fs_tx *tx = table->first; tx != NULL; tx = tx->next)
        count += fs_tx_is_open(tx);
    pthread_mutex_unlock(&table->lock);
    return count;
}

static struct fs_tx *find_locked(struct fs_transactions *table, const struct fs_tx *parent,
                                 const char *name)
{
    for (struct fs_tx *tx = table->first; tx != NULL; tx = tx->next)
        if (tx->parent == parent && (name == NULL || strcmp(tx->name, name) == 0) && fs_tx_is_open(tx))
            return tx;
    return NULL;
}

struct fs_tx *fs_tx_find(struct fs *fs, const struct fs_tx *parent, const char *name)
{
    struct fs_transactions *table = fs->transactions;
    pthread_mutex_lock(&table->lock);
    struct fs_tx *tx = find_locked(table, parent, name);
    if (tx != NULL)
        fs_tx_ref(tx);
    pthread_mutex_unlock(&table->lock);
    return tx;
}

int fs_tx_names(struct fs *fs, const struct fs_tx *parent, uid_t uid, struct sfs_buffer *names)
{
    struct fs_transactions *table = fs->transactions;
    int code = 0;
    pthread_mutex_lock(&table->lock);
    for (struct fs_tx *tx = table->first; tx != NULL && code == 0; tx = tx->next)
        if (tx->parent == parent && fs_tx_is_visible(tx, uid) && fs_tx_is_open(tx))
            code = fs_names_add(names, true, sfs_string(tx->name));
    pthread_mutex_unlock(&table->lock);
    return code;
}

int fs_tx_alone(struct fs_call *call, struct fs_space *space, fs_tx_step *step, void *context)
{
    space->used = true;
    space->changes++;
    fs_space_change(space);
    fs_space_move(space);
    int code = fs_file_commit_all(call, space);
    if (code == 0) {
        fs_space_publish(space);
        code = step(call, context);
    }
    fs_space_moved(space);
    fs_space_change_end(space);
    return code;
}

int fs_tx_writable(struct fs_call *call, const struct fs_space *space)
{
    return space->tx != NULL ? sfs_transaction_check(space->tx->transaction, &call->error) : 0;
}

int fs_tx_charge(struct fs_call *call, const struct fs_space *space, uint64_t bytes)
{
    struct fs_tx *tx = space->tx;
    if (tx == NULL)
        return 0;
    pthread_mutex_lock(&tx->lock);
    int code = fs_budget_hold(tx->fs, tx->uid, FS_WRITTEN_BYTES, &tx->written, tx->written + bytes,
                              &call->error);
    pthread_mutex_unlock(&tx->lock);
    return code;
}

void fs_tx_uncharge(struct fs_tx *tx, uint64_t written)
{
    pthread_mutex_lock(&tx->lock);
    if (written < tx->written)
        (void)fs_budget_hold(tx->fs, tx->uid, FS_WRITTEN_BYTES, &tx->written, written, NULL);
    pthread_mutex_unlock(&tx->lock);
}

static struct fs_tx *tx_new(struct fs_call *call, struct fs_tx *parent, const char *name)
{
    struct fs_tx *tx = calloc(1, sizeof(*tx));
    if (tx == NULL)
        return NULL;
    tx->fs = call->fs;
    tx->parent = parent != NULL ? fs_tx_ref(parent) : NULL;
    tx->uid = call->uid;
    tx->gid = call->gid;
    tx->begun = fs_now();
    tx->references = 1;
    pthread_mutex_init(&tx->lock, NULL);
    pthread_cond_init(&tx->settled, NULL);
    tx->name = strdup(name);
    if (tx->name == NULL) {
        fs_tx_unref(tx);
        return NULL;
    }
    return tx;
}

/* False where the name is taken. */
static bool enter_table(struct fs_transactions *table, struct fs_tx *tx)
{
    pthread_mutex_lock(&table->lock);
    bool taken = find_locked(table, tx->parent, tx->name) != NULL;
    if (!taken) {
        struct fs_tx **last = &table->first;
        while (*last != NULL)
            last = &(*last)->next;
        *last = fs_tx_ref(tx);
    }
    pthread_mutex_unlock(&table->lock);
    return !taken;
}

struct fs_space *fs_tx_base(const struct fs_tx *tx)
{
    return tx->parent != NULL ? tx->parent->space : tx->fs->space;
}

/* The write set's beginning. */
struct begin {
    const struct fs_tx *tx;
    const enum sfs_isolation *isolation; /* NULL: that of the parent, or of the mount */
    struct sfs_transaction *made;
};

static int begin_step(struct fs_call *call, void *context)
{
    struct begin *begin = context;
    const struct fs *fs = call->fs;
    const struct fs_tx *parent = begin->tx->parent;
    struct sfs_transaction_options options = {
        .isolation = fs->isolation, .idle_ms = fs->idle_ms, .durable = true};
    if (begin->isolation != NULL)
        options.isolation = *begin->isolation;
    if (parent == NULL)
        return sfs_begin(fs->space->store, &options, &begin->made, &call->error);
    return sfs_begin_nested(parent->transaction, begin->isolation != NULL ? &options : NULL, &begin->made,
                            &call->error);
}

/* One inside another sees what programs have written there and not closed. Inside the parent's space. */
static int begin(struct fs_call *call, const struct fs_tx *tx, const enum sfs_isolation *isolation,
                 struct sfs_transaction **ret_transaction)
{
    struct begin begin = {.tx = tx, .isolation = isolation};
    int code = tx->parent == NULL ? begin_step(call, &begin)
                                  : fs_tx_alone(call, tx->parent->space, begin_step, &begin);
    if (code == 0)
        *ret_transaction = begin.made;
    return code;
}

/*
 * Every look at a name below keys/ is a read, so that the kernel keeps no name. Attributes come to it with the
 * look at the name, and are the same at each further look, since only the transaction itself can change
 * what it sees: not at read committed.
 */
static void keep_attributes(const struct fs_tx *tx)
{
    struct sfs_transaction_status status;
    sfs_transaction_status(tx->transaction, &status);
    tx->space->attribute_timeout = status.isolation == SFS_READ_COMMITTED ? 0 : ATTRIBUTE_TIMEOUT;
}

static int begin_in_table(struct fs_call *call, struct fs_tx *tx)
{
    int code = begin(call, tx, NULL, &tx->transaction);
    if (code < 0)
        return code;
    tx->space = fs_space_new(call->fs, sfs_transaction_storage(tx->transaction), 0.0);
    if (tx->space == NULL)
        return sfs_fail_memory(&call->error, "mount");
    tx->space->tx = tx;
    keep_attributes(tx);
    if (!enter_table(call->fs->transactions, tx))
        return sfs_fail(&call->error, SFS_E_EXISTS, "transaction",
                        "there is a transaction '%s' already: take another name", tx->name);
    return 0;
}

/* Inside another one, which cannot end meanwhile. */
static int begin_inside(struct fs_call *call, struct fs_tx *tx)
{
    struct fs_space *base = tx->parent->space;
    int code = fs_tx_claim(call, tx->parent, FS_TX_ENDING);
    if (code < 0)
        return code;
    code = fs_space_enter(base, &call->error);
    if (code == 0) {
        code = begin_in_table(call, tx);
        fs_space_leave(base);
    }
    fs_tx_settle(tx->parent, FS_TX_OPEN);
    return code;
}

int fs_tx_begin(struct fs_call *call, struct fs_tx *parent, const char *name, struct fs_tx **ret_tx)
{
    struct fs_tx *tx = tx_new(call, parent, name);
    if (tx == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = fs_budget_count(call->fs, call->uid, FS_TRANSACTIONS, 1, &call->error);
    tx->counted = code == 0;
    if (code < 0) {
        fs_tx_unref(tx);
        return code;
    }
    if (parent != NULL)
        fs_space_hold(parent->space); /* given back by dispose() */
    code = parent != NULL ? begin_inside(call, tx) : begin_in_table(call, tx);
    if (code == 0) {
        *ret_tx = tx;
        return 0;
    }
    fs_tx_unref(tx);
    if (parent != NULL)
        fs_space_let_go(parent->space);
    return code;
}

/* Puts `fresh` in the place of the transaction, when nobody is in it and nobody was. */
static int exchange(struct fs_call *call, struct fs_tx *tx, struct sfs_transaction **fresh)
{
    struct fs_space *space = tx->space;
    struct sfs_transaction *old = tx->transaction;
    pthread_mutex_lock(&space->lock);
    while (space->users > 0)
        pthread_cond_wait(&space->idle, &space->lock);
    bool used = space->used;
    if (!used) {
        tx->transaction = *fresh;
        space->store = sfs_transaction_storage(*fresh);
        *fresh = old;
    }
    pthread_mutex_unlock(&space->lock);
    if (!used)
        return 0;
    return sfs_fail(&call->error, SFS_E_INVALID, "transaction",
                    "this transaction has read or written already: its isolation stays");
}

int fs_tx_isolate(struct fs_call *call, struct fs_tx *tx, enum sfs_isolation isolation)
{
    struct sfs_transaction *fresh = NULL;
    int code = fs_tx_claim(call, tx, FS_TX_ENDING);
    if (code < 0)
        return code;
    struct fs_space *base = fs_tx_base(tx);
    code = fs_space_enter(base, &call->error);
    if (code == 0) {
        code = begin(call, tx, &isolation, &fresh);
        if (code == 0)
            code = exchange(call, tx, &fresh);
        keep_attributes(tx);
        sfs_transaction_free(fresh);
        fs_space_leave(base);
    }
    fs_tx_settle(tx, FS_TX_OPEN);
    return code;
}

static void leave_table(struct fs_transactions *table, struct fs_tx *tx)
{
    pthread_mutex_lock(&table->lock);
    struct fs_tx **place = &table->first;
    while (*place != NULL && *place != tx)
        place = &(*place)->next;
    if (*place == tx)
        *place = tx->next;
    pthread_mutex_unlock(&table->lock);
}

/* The last handle is closed: nothing can use the transaction's store any more. */
static void dispose(void *context)
{
    struct fs_tx *tx = context;
    leave_table(tx->fs->transactions, tx);
    sfs_transaction_free(tx->transaction);
    tx->transaction = NULL;
    uncount(tx);
    if (tx->parent != NULL)
        fs_space_let_go(tx->parent->space);
    fs_tx_unref(tx);
}

void fs_tx_forget(struct fs_tx *tx)
{
    fs_scratch_drop(tx->fs, tx->space, NULL);
    fs_space_dispose(tx->space, dispose, tx);
}
