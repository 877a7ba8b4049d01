/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_INDEX_H
#define STOREFS_INDEX_H

#include "storefs/storage.h"

/*
 * Index: an order of all keys by what one or more fields of their documents hold, kept by the store
 * with every write, so that a query that asks for few of many keys, for an order, or for groups need
 * not read them all. No query means anything else because of an index; it only takes less.
 *
 * An index is named by its fields, written as in `order` without a direction: "type", "a.b",
 * "type,n", "@updated", without blanks. With "unique:" in front no two
 * keys may hold the same values: a write that would make it so fails with EXISTS, and the sentence
 * names the index, the value and both keys. What is checked is the state after the whole batch. A key
 * where one of the fields is missing is in conflict with none; null is a value like any other.
 *
 * Two indexes of a store have different lists of fields. (Composite and unique indexes are those of
 * relational databases; that every key is in every index, those without the field under "missing", is
 * what lets one alone answer `order`, as in MongoDB.)
 *
 * All functions may be called from several threads at once. Besides those named they fail with what
 * every call on a store can fail with.
 */

/* What an index has come to. */
struct sfs_index_stats {
    uint64_t entries; /* one for each key; fewer while it is being built */
    uint64_t bytes;   /* that the entries take, names and values; about */
    uint64_t hits;    /* queries that this process has answered with it since it opened the store */
    uint64_t inexact; /* entries of values too large to be kept whole: queries then look at more keys */
    bool unique;
    bool ready;       /* false while it is being built: queries do without it */
    uint64_t done;    /* records that the building has seen, of `total`; equal where it is ready */
    uint64_t total;
};

/*
 * Makes an index over what is in the store and returns when it is ready. It is built in bounded steps:
 * readers are never blocked, writers only for one step, and they keep it right meanwhile. `progress` (may
 * be NULL) is called after each step, from the same thread, with how many records were seen of how many;
 * anything but 0 stops with CANCELLED. Whatever fails, the index is gone again. `name` is borrowed.
 *
 * EXISTS: there is an index on these fields, or (unique) two keys hold the same value; the sentence names
 * both. INVALID: the name is none, with the column of the fault. UNSUPPORTED: the store has no indexes.
 * READ_ONLY, NO_SPACE, CANCELLED.
 */
SFS_API int sfs_index_create(struct sfs_storage *store, struct sfs_bytes name,
                             sfs_progress_function *progress, void *context,
                             struct sfs_error *error);
/* Removes an index; "unique:" may be left out. One that is being built is stopped. NOT_FOUND, INVALID,
 * UNSUPPORTED, READ_ONLY. */
SFS_API int sfs_index_drop(struct sfs_storage *store, struct sfs_bytes name, struct sfs_error *error);
/* Calls `visit` with each index, in order of names; name (in its one written form, "unique:" included) and
 * numbers are borrowed for the call. A visit that returns not 0 ends it, and that is returned. A store
 * without indexes, or that can have none, shows nothing. On a snapshot: those of its moment. */
SFS_API int sfs_index_list(struct sfs_storage *store,
                           int (*visit)(void *context, const char *name,
                                        const struct sfs_index_stats *stats),
                           void *context, struct sfs_error *error);
/* The numbers of one index; "unique:" may be left out. NOT_FOUND, INVALID. */
SFS_API int sfs_index_stats(struct sfs_storage *store, struct sfs_bytes name,
                            struct sfs_index_stats *ret_stats, struct sfs_error *error);
/*
 * Compares every index that is ready with the documents, by making each entry anew; both are read from
 * one snapshot where the store has them. `report` (may be NULL) gets one sentence a finding, from the
 * same thread; *ret_found counts them. sfs_check() does this too.
 */
SFS_API int sfs_index_check(struct sfs_storage *store, sfs_report_function *report, void *context,
                            uint64_t *ret_found, struct sfs_error *error);

#endif
