/* SPDX-License-Identifier: MIT */
#ifndef BATCH_FIXTURE_H
#define BATCH_FIXTURE_H

/*
 * For the tests of batches: a store in memory, a batch, and short forms of what the tests do with
 * them. The store has none of the engine's optional primitives: what is tested are the general
 * forms.
 */
#include "storefs/backend.h"

#define L SFS_LITERAL
#define TEST(name) cmocka_unit_test_setup_teardown(name, batch_set_up, batch_tear_down)

struct fixture {
    struct sfs_storage *store;
    struct sfs_batch *batch;
    struct sfs_error error;
};

int batch_set_up(void **state);
int batch_tear_down(void **state);

/* Applies the batch and expects the code; after a failure the batch is empty. */
uint64_t batch_apply(struct fixture *fixture, int expected);
/* Applies the batch, whose last operation is to affect so many records, and empties it. */
uint64_t batch_apply_affecting(struct fixture *fixture, uint64_t affected);
/* Puts one value; returns the commit's sequence number. */
uint64_t batch_put(struct fixture *fixture, const char *name, const char *value);

const struct sfs_record *batch_get(struct fixture *fixture, struct sfs_bytes name);
void batch_expect(struct fixture *fixture, const char *name, const char *value);
void batch_expect_none(struct fixture *fixture, const char *name);
/* All names of the store in order, each with a blank behind it, a marker as its prefix. */
void batch_expect_names(struct fixture *fixture, const char *names);

#endif
