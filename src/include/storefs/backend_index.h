/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_INDEX_H
#define STOREFS_BACKEND_INDEX_H

#include <stdatomic.h>

#include "storefs/index.h"

/*
 * What an index holds is defined here, once for every engine. For each key of the store (no marker,
 * link or device) it has exactly one entry (K, name). K is made by sfs_index_key() from the record:
 * the values of its fields one after the other in an encoding whose byte order is the order of
 * values (missing < null < false < true < numbers < strings < arrays < objects). No K is the
 * beginning of another one, so that entries may be ordered by K and name in one run of bytes.
 *
 * Two kinds of entry do not say all. K of SFS_INDEX_KEY_MAX bytes is only the beginning of the
 * values: its place among other Ks is right, but it says neither the values nor the order among
 * those that begin alike. And SFS_INDEX_UNREAD, the last of all Ks, stands for a document of more
 * than SFS_INDEX_VALUE_MAX bytes, which nobody reads for an index. sfs_index_key_is_exact() is
 * false for both; `stats` counts them apart, and queries take care. A unique index has neither:
 * what it could not compare is refused (TOO_LARGE).
 */
#define SFS_INDEX_KEY_MAX 1024
#define SFS_INDEX_VALUE_MAX (UINT64_C(16) << 20)
#define SFS_INDEX_UNREAD "\xff"

/* What of a record its entry depends on. */
enum sfs_index_depends {
    SFS_INDEX_OF_VALUE = 1,      /* a path into the document, or @type */
    SFS_INDEX_OF_NAME = 2,       /* @key */
    SFS_INDEX_OF_ATTRIBUTES = 4, /* @size, @created, @updated, @type */
};

/* A definition: immutable and counted, thread-safe. */
struct sfs_index {
    uint64_t id;      /* given by the engine, never used again in one store; 0: not yet */
    const char *name; /* in its one written form, "unique:" included */
    const char *fields; /* the name without "unique:" */
    bool unique;
    bool ready;       /* else it is being built: kept by writers, not used by readers */
    unsigned depends; /* enum sfs_index_depends */
    size_t field_count;
    const void *parsed; /* belongs to sfs_index_key() and the planner */
};
/* The definition that a name stands for; the caller has the one reference. INVALID with the
 * column, NO_MEMORY. */
SFS_API int sfs_index_new(struct sfs_bytes name, uint64_t id, bool ready,
                          const struct sfs_index **ret_index, struct sfs_error *error);
SFS_API const struct sfs_index *sfs_index_ref(const struct sfs_index *index);
SFS_API void sfs_index_unref(const struct sfs_index *index); /* NULL allowed */
/* How many queries were answered with this definition, and one more. */
SFS_API uint64_t sfs_index_hits(const struct sfs_index *index);
SFS_API void sfs_index_hit(const struct sfs_index *index);

/* Whether sfs_index_key() needs the record's value: it has a path in it, and the record is JSON
 * not larger than SFS_INDEX_VALUE_MAX. */
SFS_API bool sfs_index_needs_value(const struct sfs_index *index, const struct sfs_record *record);
/* Appends K of a record, which is a key and has its value if that is needed. NO_MEMORY. */
SFS_API int sfs_index_key(const struct sfs_index *index, const struct sfs_record *record,
                          struct sfs_buffer *out) SFS_MUST_CHECK;
SFS_API bool sfs_index_key_is_exact(struct sfs_bytes key);
/* 1 if one of the fields is missing (such a K is in conflict with none), 0 if not, or NO_MEMORY. */
SFS_API int sfs_index_key_is_partial(const struct sfs_index *index, struct sfs_bytes key);
/* K for people, as far as it says something: `"x", 5`. Appends. NO_MEMORY. */
SFS_API int sfs_index_key_show(struct sfs_bytes key, struct sfs_buffer *out) SFS_MUST_CHECK;

/* The definitions of one store at one moment, in order of names; immutable and counted,
 * thread-safe. */
struct sfs_index_set {
    atomic_size_t references;
    size_t count;
    const struct sfs_index *indexes[];
};
/* The set `from` (NULL: empty) without the definition `without` (an id; 0: none) and with `with`
 * (NULL: none; a reference of its own is taken). *ret_set is NULL where it would be empty.
 * NO_MEMORY. */
SFS_API int sfs_index_set_change(const struct sfs_index_set *from, uint64_t without,
                                 const struct sfs_index *with, struct sfs_index_set **ret_set,
                                 struct sfs_error *error);
SFS_API struct sfs_index_set *sfs_index_set_ref(struct sfs_index_set *set); /* NULL allowed, as below */
SFS_API void sfs_index_set_unref(struct sfs_index_set *set);
/* The definition on these fields, unique or not, borrowed; NULL. */
SFS_API const struct sfs_index *sfs_index_set_find(const struct sfs_index_set *set, const char *fields);

/* One entry, as an index cursor shows it; borrowed until the cursor's next call. */
struct sfs_index_row {
    struct sfs_bytes key; /* K */
    struct sfs_bytes name;
    const struct sfs_record *record; /* NULL with SFS_WANT_NAMES */
};
struct sfs_index_cursor;
/* Is shown K, borrowed for the call: 0, or an error, which is below 0. */
typedef int sfs_index_visit(void *context, struct sfs_bytes key);

/* storefs/backend.h has the rules that hold for all slots. Used by one thread at a time. */
struct sfs_index_cursor_operations {
    /* 1 and the next entry, 0 at the end. Never NULL. */
    int (*next)(struct sfs_index_cursor *cursor, struct sfs_index_row *ret_row,
                struct sfs_error *error);
    /* Ascending: the next step shows the first entry whose K is not below `key`; descending: the
     * first (by name) of those with the greatest K below `key`. Clipped to the range, and only
     * asked in the direction of the cursor. `key` is a bound as in `scan`. Never NULL. */
    int (*seek)(struct sfs_index_cursor *cursor, struct sfs_bytes key, struct sfs_error *error);
    /* A hint: about `count` entries will be asked for, so that no more need be read ahead. NULL: it
     * is not given. */
    void (*expect)(struct sfs_index_cursor *cursor, uint64_t count);
    /* Of ascending cursors of names over one state: shows `visit` the Ks of all entries left with
     * K below `to` (empty: up to the range's end), in order; the next step shows the first entry
     * not below `to`. For engines that step faster than they hand out an entry. An error of
     * `visit` ends it and is returned; `visit` has filled `error`. NULL: core steps. */
    int (*walk)(struct sfs_index_cursor *cursor, struct sfs_bytes to, sfs_index_visit *visit,
                void *context, struct sfs_error *error);
    /* Frees the cursor. Called once, in any state. Never NULL. */
    void (*close)(struct sfs_index_cursor *cursor);
};
/* First member of every cursor over an index. */
struct sfs_index_cursor {
    const struct sfs_index_cursor_operations *operations;
};

/* A scan's `want` besides enum sfs_want. NAMES: no records, for a caller that sorts the names
 * first. BARE: of a record only name, size, kind, type, type_set and a wanted value are used; all
 * else may be 0. */
#define SFS_WANT_NAMES 8u
#define SFS_WANT_BARE 16u

/*
 * The indexes of a store: all slots, but of a snapshot's store not `create` and `drop`, which are
 * not called on a read-only store. What the others say of a snapshot is as of its moment. `index`
 * is a definition of a set that the store gave out, also a former one. A range is of Ks, [from,
 * to), an empty `to` means no upper bound; no K is the beginning of a longer bound.
 */
struct sfs_index_operations {
    /* --- answers (SFS_OVERRIDE_ANSWER) --- */

    /* A reference to the present set, also with the indexes that are being built; *ret_set NULL:
     * none. Every query asks, so it must be cheap. */
    int (*set)(struct sfs_storage *store, struct sfs_index_set **ret_set, struct sfs_error *error);
    /* Entries, bytes, inexact, done and total; the other members are core's. NOT_FOUND: it was
     * dropped. */
    int (*stats)(struct sfs_storage *store, const struct sfs_index *index,
                 struct sfs_index_stats *ret_stats, struct sfs_error *error);
    /* A cursor over the entries with K in the range, by K ascending or descending; those of equal
     * K always by name ascending. The caller closes it. The bounds are copied. `want`: enum
     * sfs_want, SFS_WANT_BARE or SFS_WANT_NAMES. Outside a snapshot it shows each entry as it is
     * when reached, or all as they were when it began. A transaction's own store is UNSUPPORTED:
     * its snapshots are scanned. */
    int (*scan)(struct sfs_storage *store, const struct sfs_index *index, struct sfs_range range,
                bool descending, unsigned want, struct sfs_index_cursor **ret_cursor,
                struct sfs_error *error);
    /* How many entries are in the range; it may stop at `most`. */
    int (*count)(struct sfs_storage *store, const struct sfs_index *index, struct sfs_range range,
                 uint64_t most, uint64_t *ret_count, struct sfs_error *error);

    /* --- upkeep (SFS_OVERRIDE_UPKEEP) --- */

    /* Makes an index: `index` has id 0 and is replaced by one with an id. It is in the set first
     * (not ready), kept by every batch from then on, then filled by sfs_index_build() in write
     * transactions of the engine's own, with the writer's lock let go between them, then ready.
     * `progress` (may be NULL) is called after each step; a result that is not 0 ends it:
     * CANCELLED. A failure drops the index again; so does a crash. EXISTS (there is one on these
     * fields, or two keys hold one value of a unique index), NO_SPACE, TOO_LARGE; UNSUPPORTED in a
     * transaction. */
    int (*create)(struct sfs_storage *store, const struct sfs_index *index,
                  sfs_progress_function *progress, void *context, struct sfs_error *error);
    /* Takes the index out of the set at once; its entries may go later, in bounded steps. The
     * `create` of one that is being built fails with CANCELLED. NOT_FOUND, NO_SPACE; UNSUPPORTED in
     * a transaction. */
    int (*drop)(struct sfs_storage *store, uint64_t id, struct sfs_error *error);
};

#endif
