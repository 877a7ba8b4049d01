/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_ENTRIES_H
#define SFS_QUERY_ENTRIES_H

/*
 * The entries of a plan's ranges, and the sort keys that their Ks are made of: what groups and
 * aggregates are computed from without looking at a record. Belongs to one thread.
 */
#include "query/guard.h"
#include "query/plan.h"

struct sfs_entries {
    struct sfs_storage *store;
    const struct sfs_plan *plan;
    struct sfs_guard *guard;
    struct sfs_index_cursor *cursor; /* over range number `range`; NULL: not begun */
    size_t range;
    size_t fields; /* how many pieces are wanted */
    struct sfs_bytes pieces[SFS_INDEX_FIELDS_MAX];
};

/* Borrows all it is given; `fields`: how many of the index's first fields are asked for. */
struct sfs_entries sfs_entries_begin(struct sfs_storage *store, const struct sfs_plan *plan,
                                     size_t fields, struct sfs_guard *guard);
/* The K of the next entry, borrowed until the next step: 1, 0 at the end, or an error. */
int sfs_entries_next(struct sfs_entries *entries, struct sfs_bytes *ret_key,
                     struct sfs_error *error);
/* Finds the pieces of K from field number `at` on, which begins `offset` bytes into it. CORRUPT. */
int sfs_entries_split(struct sfs_entries *entries, struct sfs_bytes key, size_t at, size_t offset,
                      struct sfs_error *error);
/* Leaves out the rest of the range up to `key`, all of it where `key` is empty. */
int sfs_entries_skip(struct sfs_entries *entries, struct sfs_bytes key, struct sfs_error *error);
/* Whether the entries of the range that is being read can be walked over. */
bool sfs_entries_can_walk(const struct sfs_entries *entries);
/* Shows the Ks of those that are left of it and begin with `prefix` to `visit`, as `walk` of the
 * cursor does; the next step shows the first that does not. `to` is scratch. */
int sfs_entries_walk(struct sfs_entries *entries, struct sfs_bytes prefix, struct sfs_buffer *to,
                     sfs_index_visit *visit, void *context, struct sfs_error *error);
/* The part of the range that is being read whose Ks begin with `prefix`, from `prefix` and `first`
 * on; the buffers hold it. NO_MEMORY. */
int sfs_entries_part(const struct sfs_entries *entries, struct sfs_bytes prefix,
                     struct sfs_bytes first, struct sfs_buffer *from, struct sfs_buffer *to);
void sfs_entries_end(struct sfs_entries *entries);

#endif
