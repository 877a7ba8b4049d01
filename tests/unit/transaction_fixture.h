/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TRANSACTION_FIXTURE_H
#define TESTS_TRANSACTION_FIXTURE_H

/* What the tests of transactions share: stores to try them on, and short forms of common steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/transaction.h"

struct fixture {
    struct sfs_storage *store;
    struct sfs_storage *other;
    char path[300];
};

/* Setup and teardown of a test: the store is a memory store, a JSON file, or a SQLite file of which
 * `other` is a second opening. */
int setup_memory(void **state);
int setup_json(void **state);
int setup_sqlite(void **state);
int teardown(void **state);

/* Sets and checks values of keys; `expected` NULL: there is no such key. */
void set(struct sfs_storage *store, const char *key, const char *value);
void check_value(struct sfs_storage *store, const char *key, const char *expected);
/* Checks the names of all records, in order, with blanks between. */
void check_names(struct sfs_storage *store, const char *expected);

struct sfs_transaction *begin(struct sfs_storage *store);
enum sfs_transaction_state state_of(struct sfs_transaction *transaction);
/* Commits, which must succeed, and frees. */
void commit(struct sfs_transaction *transaction);

struct sfs_transaction *begin_at(struct sfs_storage *store, enum sfs_isolation isolation);
/* The transaction's store. */
struct sfs_storage *inside(struct sfs_transaction *transaction);
/* The commit is a conflict whose sentence has `part` in it; frees. */
void refuse(struct sfs_transaction *transaction, const char *part);
/* What the query path, which ends in "count", counts. */
uint64_t count(struct sfs_storage *store, const char *path);

/* A test on each backend. */
#define BOTH(test)                                                                                 \
    {#test " (memory)", test, setup_memory, teardown, NULL},                                       \
    {                                                                                              \
        #test " (sqlite)", test, setup_sqlite, teardown, NULL                                      \
    }

#endif
