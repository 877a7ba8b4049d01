/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_SHORT_H
#define CONFORMANCE_SHORT_H

/*
 * Short forms for the directed tests: each does one thing with a fixture's store and fails the test
 * where that does not go as expected.
 */
#include "tests/conformance/stacks.h"

#define L SFS_LITERAL
/* A call that must work. */
#define OK(call) assert_int_equal((call), 0)

/* Applies the fixture's batch and empties it; the code is to be `expected`. Returns the sequence.
 */
uint64_t apply(struct fixture *fixture, int expected);
/* Applies a batch that works, whose operations affect so many records, and empties it. */
uint64_t apply_affecting(struct fixture *fixture, const uint64_t *affected, size_t count);
#define APPLY_AFFECTING(fixture, ...)                                                              \
    apply_affecting(fixture, (const uint64_t[]){__VA_ARGS__},                                      \
                    sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))
/* As apply, of a batch that is to fail: the whole store must be as it was. */
void apply_fails(struct fixture *fixture, int expected);

/* Puts one value with defaults; returns the revision. */
uint64_t put(struct fixture *fixture, struct sfs_bytes name, struct sfs_bytes value);
/* Puts a symbolic link. */
uint64_t put_link(struct fixture *fixture, struct sfs_bytes name, struct sfs_bytes target);

/* The record with its value; the caller unrefs it. Fails the test where there is none. */
const struct sfs_record *get(struct sfs_storage *store, struct sfs_bytes name);
void expect_bytes(struct sfs_storage *store, struct sfs_bytes name, struct sfs_bytes value);
void expect_none(struct sfs_storage *store, struct sfs_bytes name);
/* The names of a range in order, each shown and with a blank behind it, a marker as "a/0". */
void expect_names_in(struct sfs_storage *store, struct sfs_range range, unsigned want,
                     const char *names);
void expect_names(struct sfs_storage *store, const char *names);

/* Everything in the store as text, one line for each record with its value; the caller frees it. */
char *dump(struct sfs_storage *store);
void expect_dump(struct sfs_storage *store, const char *expected);

struct sfs_range range_of(struct sfs_bytes from, struct sfs_bytes to);
struct sfs_range everything(void);
/* Nanoseconds since the epoch. */
int64_t now_ns(void);
/* A run of `size` bytes that depends on the seed; the caller frees it. */
char *pattern(size_t size, unsigned seed);

#endif
