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
 * values: its place among other Ks is right, but it says neither the values nor the order among those
 * that begin alike. And SFS_INDEX_UNREAD, the last of all Ks, stands for a document of more than
 * SFS_INDEX_VALUE_MAX bytes, which nobody reads for an index. sfs_index_key_is_exact() is false for
 * both; `stats` counts them apart, and queries take care. A unique index has neither: what it could
 * not compare is refused (TOO_LARGE).
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
/* The definition that a name stands for; the caller has the one reference. INVALID with the column, NO_MEMORY. */
SFS_API int sfs_index_new(struct sfs_bytes name, uint64_t id, bool ready,
                          const struct sfs_index **ret_index, struct sfs_error *error);
SFS_API const struct sfs_index *sfs_index_ref(const struct sfs_index *index);
SFS_API void sfs_index_unref(const struct sfs_index *index); /* NULL allowed */
/* How many queries were answered with this definition, and one more. */
SFS_API uint64_t sfs_index_hits(const struct sfs_index *index);
SFS_API void sfs_index_hit(const struct sfs_index *index);

/* Whether sfs_index_key() needs the record's value: it has a path in it, and the record is JSON not larger
 * than SFS_INDEX_VALUE_MAX. */
SFS_API bool sfs_index_needs_value(const struct sfs_index *index, const struct sfs_record *record);
/* Appends K of a record, which is a key and has its value if that is needed. NO_MEMORY. */
SFS_API int sfs_index_key(const struct sfs_index *index, const struct sfs_record *record,
                          struct sfs_buffer *out) SFS_MUST_CHECK;
SFS_API bool sfs_index_key_is_exact(struct sfs_bytes key);
/* 1 if one of the fields is missing (such a K is in conflict with none), 0 if not, or NO_MEMORY. */
SFS_API int sfs_index_key_is_partial(const struct sfs_index *index, struct sfs_bytes key);
/* K for people, as far as it says something: `"x", 5`. Appends. NO_MEMORY. */
SFS_API int sfs_index_key_show(struct sfs_bytes key, struct sfs_buffer *out) SFS_MUST_CHECK;

/* The definitions of one store at one moment, in order of names; immutable and counted, thread-safe. */
struct sfs_index_set {
    atomic_size_t references;
    size_t count;
    const struct sfs_index *indexes[];
};
/* The set `from` (NULL: empty) without the definition `without` (an id; 0: none) and with `with` (NULL:
 * none; a reference of its own is taken). *ret_set is NULL where it would be empty. NO_MEMORY. */
SFS_API int sfs_index_set_change(const struct sfs_index_set *from, uint64_t without,
                                 const struct sfs_index *with, struct sfs_index_set **ret_set,
                                 struct sfs_error *error);
SFS_API struct sfs_index_set *sfs_index_set_ref(struct sfs_index_set *set); /* NULL allowed, as below */
SFS_API void sfs_index_set_unref(struct sfs_index_set *set);
/* The definition on these fields, unique or not, borrowed; NULL. */
SFS_API const struct sfs_index *sfs_index_set_find(const struct sfs_index_set *set, const char *fields);

/* First member of every cursor over an index. `record` is NULL with SFS_WANT_NAMES; borrowed until the next step. */
struct sfs_index_row {
    struct sfs_bytes key; /* K */
    struct sfs_bytes name;
    const struct sfs_record *record;
};
struct sfs_index_cursor;
/* Shown K, borrowed for the call: 0, or an error, which is below 0. */
typedef int sfs_index_visit(void *context, struct sfs_bytes key);
struct sfs_index_cursor_operations {
    /* 1 and the next entry, 0 at the end, or an error. */
    int (*next)(struct sfs_index_cursor *cursor, struct sfs_index_row *ret_row,
                struct sfs_error *error);
    /* Ascending: the next step shows the first entry whose K is not below `key`; descending: the first
     * (by name) of those with the greatest K below `key`. Clipped to the range; only in the
     * direction of the cursor. `key` is a bound as in `scan`. */
    int (*seek)(struct sfs_index_cursor *cursor, struct sfs_bytes key, struct sfs_error *error);
    /* Optional: about so many entries will be asked for, so that no more need be read ahead. */
    void (*expect)(struct sfs_index_cursor *cursor, uint64_t count);
    /*
     * Optional; ascending cursors of names, of one state: shows the Ks of all entries that are left
     * with K below `to` (empty: up to the range's end) to `visit`, in order; then the next step shows
     * the first entry not below `to`. For engines that get from entry to entry in less than it takes
     * to give one out. An error of `visit`, which has told its own sentence, ends it.
     */
    int (*walk)(struct sfs_index_cursor *cursor, struct sfs_bytes to, sfs_index_visit *visit,
                void *context, struct sfs_error *error);
    void (*close)(struct sfs_index_cursor *cursor);
};
struct sfs_index_cursor {
    const struct sfs_index_cursor_operations *operations;
};

/* A scan's `want` besides those of enum sfs_want: names only, for who sorts them before it looks at the records;
 * records of which name, size, kind, type, type_set and a wanted value are looked at: all else may be 0, default. */
#define SFS_WANT_NAMES 8u
#define SFS_WANT_BARE 16u

/*
 * Indexes of a store, all of these or none. On a snapshot: `set`, `stats`, `scan` and `count` as of
 * its moment; the other two are not called (a snapshot is read-only). A range is of Ks, [from, to),
 * an empty `to` means no upper bound; the bounds are copied, and no K is the beginning of a longer bound.
 */
struct sfs_index_operations {
    /* A reference to the present set, also of those being built; *ret_set NULL: none. Cheap: every query
     * asks. */
    int (*set)(struct sfs_storage *store, struct sfs_index_set **ret_set, struct sfs_error *error);
    /* Of an index of the present set; hits, name and the like are core's. */
    int (*stats)(struct sfs_storage *store, const struct sfs_index *index,
                 struct sfs_index_stats *ret_stats, struct sfs_error *error);
    /*
     * Makes an index: `index` has id 0 and is replaced by one with an id. It is in the set first (not
     * ready), kept by every batch from then on, then filled by sfs_index_build() in write
     * transactions of the engine's own, with the writer's lock let go between them, then ready.
     * `progress` as in sfs_index_create(). Whatever fails drops it again; so does a crash. EXISTS: there
     * is one on these fields.
     */
    int (*create)(struct sfs_storage *store, const struct sfs_index *index,
                  sfs_progress_function *progress, void *context, struct sfs_error *error);
    /* Out of the set at once; its entries may go later, in bounded steps. One that is being built:
     * its `create` fails with CANCELLED. NOT_FOUND. */
    int (*drop)(struct sfs_storage *store, uint64_t id, struct sfs_error *error);
    /*
     * A cursor over the entries with K in the range, by K ascending or descending; those of equal K always by name
     * ascending. `want`: enum sfs_want, SFS_WANT_BARE or SFS_WANT_NAMES. Outside a snapshot it shows each entry as
     * it is when reached, as sfs_scan() does, or all as they were when it began. The caller closes it.
     */
    int (*scan)(struct sfs_storage *store, const struct sfs_index *index, struct sfs_range range,
                bool descending, unsigned want, struct sfs_index_cursor **ret_cursor,
                struct sfs_error *error);
    /* How many entries are in the range; it may stop at `most`. */
    int (*count)(struct sfs_storage *store, const struct sfs_index *index, struct sfs_range range,
                 uint64_t most, uint64_t *ret_count, struct sfs_error *error);
};

#endif
