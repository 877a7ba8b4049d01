/* SPDX-License-Identifier: MIT */
/* Running a function in a transaction, again where it lost against another. */
#include "storefs/transaction.h"
#include "util/clock.h"

#define RETRIES 10

static int attempt(struct sfs_storage *store, sfs_transact_function *function, void *context,
                   const struct sfs_transaction_options *options, struct sfs_error *error)
{
    struct sfs_transaction *transaction;
    int code = sfs_begin(store, options, &transaction, error);
    if (code)
        return code;
    code = function(transaction, context, error);
    if (code == 0)
        code = sfs_commit(transaction, NULL, error);
    sfs_transaction_free(transaction);
    return code;
}

int sfs_transact(struct sfs_storage *store, sfs_transact_function *function, void *context,
                 const struct sfs_transaction_options *options, struct sfs_error *error)
{
    static const struct sfs_transaction_options defaults = {.isolation = SFS_SNAPSHOT,
                                                            .retries = RETRIES};
    options = options ? options : &defaults;
    int code = attempt(store, function, context, options, error);
    for (unsigned retry = 0; code == SFS_E_CONFLICT && retry < options->retries; retry++) {
        sfs_clock_pause(retry + 1);
        code = attempt(store, function, context, options, error);
    }
    return code;
}
