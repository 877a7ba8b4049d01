/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_INDEX_GENERATE_H
#define CONFORMANCE_INDEX_GENERATE_H

/*
 * Random changes, names of indexes and queries, made of the keys and documents of `records`, of
 * which there are INDEX_RECORDS. What cannot be made fails the test.
 */
#include "storefs/query.h"
#include "tests/unit/query_model.h"

#define INDEX_RECORDS 120

/* Puts a random document, sometimes one that no entry holds whole, with random attributes. */
void index_put(const struct model_record *records, struct sfs_batch *batch, struct sfs_bytes key);
/* Up to `most` operations of every kind; the caller frees it. */
struct sfs_batch *index_random_batch(const struct model_record *records, size_t most);
/* Replaces what `name` holds. */
void index_random_name(struct sfs_buffer *name);
/* Queries, the caller's, and their paths: of any stages; with conditions and orders of fields that
 * many documents have and indexes are on. */
struct sfs_query *index_random_query(const struct model_record *records, struct sfs_buffer *path);
struct sfs_query *index_pointed_query(struct sfs_buffer *path);
/* With groups and functions of the fields of an index of that name. */
struct sfs_query *index_covered_query(const char *name, struct sfs_buffer *path);

#endif
