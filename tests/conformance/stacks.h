/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_STACKS_H
#define CONFORMANCE_STACKS_H

/*
 * The stacks that every conformance test runs on: each backend, plain, under each layer, and as the
 * snapshot of a transaction. What is tested on a stack depends only on the capabilities that it
 * declares. A fixture belongs to one test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/layers.h"
#include "storefs/transaction.h"

enum stack_layers { STACK_METRICS = 1, STACK_FAULT = 2, STACK_TRANSACTION = 4 };

struct stack {
    const char *name; /* "sqlite+metrics" */
    const char *uri;  /* with %s for the path */
    unsigned layers;
    /* Made by the test: put on top of all others, or right over the backend; take the store over.
     * NULL: none. */
    struct sfs_storage *(*top)(struct sfs_storage *below);
    struct sfs_storage *(*bottom)(struct sfs_storage *below);
};

#define STACK_BACKENDS 6
#define STACK_KINDS 5
#define STACK_COUNT (STACK_BACKENDS * STACK_KINDS)
/* The table; static storage. */
const struct stack *stack_table(void);

struct fixture {
    const struct stack *stack;
    struct sfs_storage *store; /* what is tested */
    struct sfs_storage *base;  /* of a transaction: what it is to be committed to; else store */
    struct sfs_transaction *transaction;
    struct sfs_batch *batch;
    struct sfs_error error;
    char directory[256];
    char uri[400];
};

/* For cmocka: *state is the stack before, the fixture after. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
struct fixture *fixture_new(const struct stack *stack);
void fixture_free(struct fixture *fixture);
/* Removes a file, or a directory with all that is below it, if it is there. */
void fixture_remove(const char *path);
/* Closes the store and opens it again; not for transactions. */
void fixture_reopen(struct fixture *fixture);
/* The same URI opened a second time, under the same layers. */
struct sfs_storage *fixture_open_again(struct fixture *fixture);
/* Opens the URI in the layers of the stack. */
struct sfs_storage *fixture_open(const struct fixture *fixture, unsigned flags);
bool fixture_can(const struct fixture *fixture, unsigned capability);
/* Whether the values may be of many megabytes: not where each commit writes a whole file. */
bool fixture_takes_large(const struct fixture *fixture);

/* One test, run on all stacks of the table, or with `needs` on those that have this capability. */
struct conformance_test {
    const char *name;
    CMUnitTestFunction function;
    unsigned needs;
};
/* Runs `count` tests on all stacks; the result of main(). STOREFS_TEST_STACK limits it to one. */
int stacks_run(const char *program, const struct conformance_test *tests, size_t count);

#endif
