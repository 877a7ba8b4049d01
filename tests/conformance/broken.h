/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_BROKEN_H
#define CONFORMANCE_BROKEN_H

/* Layers that do one thing wrong now and then, to show that the comparison with the model sees it.
 * Each takes the store below over. */
#include "tests/conformance/stacks.h"

struct sfs_storage *broken_loses_deletes(struct sfs_storage *below); /* each 100th deletion */
struct sfs_storage *broken_stale_records(struct sfs_storage *below); /* each 2,000th scanned */
struct sfs_storage *broken_value_bytes(struct sfs_storage *below);   /* each 2,000th scanned */
struct sfs_storage *broken_half_batches(struct sfs_storage *below);  /* each 50th that fails */
struct sfs_storage *broken_snapshots(struct sfs_storage *below);     /* show the latest state */

#endif
