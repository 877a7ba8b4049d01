/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_LAYERED_H
#define CONFORMANCE_LAYERED_H

/* Every stack of layers that the library can make, over the backend that counts. */
#include "tests/conformance/counting.h"

/* What is opened for one stack. */
struct opened {
    struct sfs_storage *store; /* the top */
    struct sfs_transaction *transactions[2];
    struct sfs_storage
        *stores[4]; /* to be closed, the last first: [0] is what transactions are begun on */
    size_t count;
};

#define LAYERED 20
const char *layered_name(size_t stack); /* "metrics over fault" */
/* The store has a key "k" and an index on "n"; the counters are reset. */
void layered_open(size_t stack, struct opened *opened);
void layered_close(struct opened *opened);

#endif
