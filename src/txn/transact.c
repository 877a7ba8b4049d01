/* SPDX-License-Identifier: MIT */
/*
 * Running a function in a transaction, again where it lost against another. The pause is drawn from
 * the whole of an interval that doubles ("full jitter"), so that those who collided do not again.
 */
#include <sys/random.h>
#include <time.h>

#include "storefs/transaction.h"
#include "util/clock.h"

#define FIRST_MS 1
#define LAST_MS 256
#define RETRIES 10

static uint64_t random_number(void)
{
    uint64_t number;
    /* Early at boot there may be none; the clock's last digits are as good here. */
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        number = (uint64_t)sfs_clock_monotonic();
    return number;
}

static void pause_before(unsigned retry)
{
    int64_t longest = retry < 9 ? (int64_t)FIRST_MS << retry : LAST_MS;
    uint64_t ns = random_number() % (uint64_t)(longest * SFS_NS_PER_MS);
    struct timespec left = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &left, NULL);
}

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
        pause_before(retry + 1);
        code = attempt(store, function, context, options, error);
    }
    return code;
}
