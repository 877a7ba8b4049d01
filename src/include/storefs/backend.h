/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_BACKEND_H
#define STOREFS_BACKEND_H

#include <stdatomic.h>

#include "storefs/index.h"

/*
 * For those who implement a backend or a layer, in C. Programs that use a store need nothing of this.
 *
 * The tables below are the contract. A backend fills the groups; a layer is a store over a store and
 * fills only the groups it intercepts, but those whole: an unset group is answered by the store below,
 * and a group with a hole is refused when the layer is put on (sfs_layer_init), so that a new write
 * call can never slip past an events or cache layer. (Pass-through defaults: curl's connection
 * filters; comments that are the contract: git's odb/source.h.)
 *
 * Every call may come from several threads at once, except those on one cursor, stage or feed.
 * Arguments have been checked (names are names, ranges are ordered); implementations need not again.
 * `ret_` outputs are set on success only. The public functions hold no lock while they call.
 */
struct sfs_query;
struct sfs_push_down;

struct sfs_read_operations {
    int (*get)(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
               const struct sfs_record **ret_record, struct sfs_error *error);
    int (*read)(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                uint64_t offset, void *data, size_t size, size_t *ret_size,
                struct sfs_error *error);
    int (*scan)(struct sfs_storage *store, struct sfs_range range, unsigned want,
                struct sfs_cursor **ret_cursor, struct sfs_error *error);
};

struct sfs_write_operations {
    int (*apply)(struct sfs_storage *store, struct sfs_batch *batch,
                 const struct sfs_apply_options *options, uint64_t *ret_sequence,
                 struct sfs_error *error);
    int (*stage)(struct sfs_storage *store, struct sfs_stage **ret_stage, struct sfs_error *error);
    int (*sync)(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error);
};

struct sfs_time_operations {
    int (*sequence)(struct sfs_storage *store, uint64_t *ret_sequence, struct sfs_error *error);
    int (*snapshot)(struct sfs_storage *store, uint64_t lease_ms, struct sfs_storage **ret_snapshot,
                    struct sfs_error *error);
    int (*changes)(struct sfs_storage *store, uint64_t since, struct sfs_feed **ret_feed,
                   struct sfs_error *error);
};

/* What an engine may do better than the derived form. Each may be NULL. A layer that intercepts reads
 * (writes) cuts off the overrides of the stores below that read (write), unless it is transparent. */
struct sfs_override_operations {
    int (*totals)(struct sfs_storage *store, struct sfs_totals *ret_totals, struct sfs_error *error);
    int (*backup)(struct sfs_storage *store, const char *path, sfs_progress_function *progress,
                  void *context, struct sfs_error *error);
    /* Checks what the derived form (a scan that reads every value) cannot see. */
    int (*check)(struct sfs_storage *store, bool repair, sfs_report_function *report, void *context,
                 uint64_t *ret_found, uint64_t *ret_repaired, struct sfs_error *error);
    /* As sfs_exists_any(): for transactions, which note less, and where a scan begins by reading much. */
    int (*exists)(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                  struct sfs_error *error);
    /* As sfs_data(). */
    int (*data)(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
                struct sfs_extent *ret_extent, struct sfs_error *error);
    /* As sfs_watch_open() and sfs_check_files(), of the opening as a whole: no layer cuts them off. */
    int (*watch)(struct sfs_storage *store, struct sfs_watch **ret_watch, struct sfs_error *error);
    int (*files)(struct sfs_storage *store, sfs_report_function *report, void *context,
                 struct sfs_error *error);
    /* As sfs_version(). */
    int (*version)(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error);
    /* As sfs_reserve_ids(). Engines give new records the ids that they come with. */
    int (*reserve_ids)(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                       struct sfs_error *error);
    /* Query push-down: see storefs/query.h. */
    int (*push_down)(struct sfs_storage *store, const struct sfs_query *query,
                     struct sfs_push_down *ret_taken, struct sfs_error *error);
    /* Secondary indexes: see "indexes" below. NULL: the store has none. Making and dropping one
     * changes the store. */
    const struct sfs_index_operations *index;
};

struct sfs_storage_operations {
    const char *name;
    const struct sfs_read_operations *read;
    const struct sfs_write_operations *write; /* NULL in a backend: read-only */
    const struct sfs_time_operations *time;   /* NULL in a backend: neither snapshots nor changes */
    const struct sfs_override_operations *override;
    bool transparent; /* a layer that changes nothing of what passes: overrides of the stores below stay good */
    /* Frees the store itself; a layer does not close `below`, sfs_close() does. */
    int (*close)(struct sfs_storage *store, struct sfs_error *error);
};

/* The first member of every backend's and layer's own struct. */
struct sfs_storage {
    const struct sfs_storage_operations *operations;
    struct sfs_storage *below; /* layers: the store below, owned unless borrowed_below; backends: NULL */
    bool borrowed_below;
    bool read_only;            /* changes are refused before they reach the operations */
    unsigned capabilities;     /* enum sfs_capability */
    size_t key_max;            /* 0: SFS_KEY_MAX */
    const char *location;      /* path for messages; owned by the implementation; NULL: none */
    uint64_t lease;            /* of a snapshot */
};

/* Fills the common part of a layer over `below` and checks that its groups have no holes (INVALID).
 * capabilities, key_max and location are taken from below. On failure `below` still is the caller's. */
SFS_API int sfs_layer_init(struct sfs_storage *layer, const struct sfs_storage_operations *operations,
                           struct sfs_storage *below, struct sfs_error *error);

/* First member of every cursor, stage and feed. */
struct sfs_cursor_operations {
    int (*next)(struct sfs_cursor *cursor, const struct sfs_record **ret_record,
                struct sfs_error *error);
    int (*seek)(struct sfs_cursor *cursor, struct sfs_bytes name, struct sfs_error *error);
    void (*close)(struct sfs_cursor *cursor);
};
struct sfs_cursor {
    const struct sfs_cursor_operations *operations;
};

struct sfs_stage_operations {
    int (*write)(struct sfs_stage *stage, uint64_t offset, struct sfs_bytes bytes,
                 struct sfs_error *error);
    int (*truncate)(struct sfs_stage *stage, uint64_t size, struct sfs_error *error);
    /* The whole content, for a store that takes a stage that is not its own. */
    int (*read)(struct sfs_stage *stage, uint64_t offset, void *data, size_t size, size_t *ret_size,
                struct sfs_error *error);
    void (*close)(struct sfs_stage *stage);
};
struct sfs_stage {
    const struct sfs_stage_operations *operations;
    uint64_t size;
    /* The public calls' own, 0 at first: so many bytes were text as they were written, and a character began behind. */
    uint64_t text;
    char begun[4];
    size_t begun_size;
    int typed; /* … and its type plus 1, where all of it was read for that */
};
/* A stage in memory, for stores that keep values there or have nothing better. Writes: also NO_MEMORY. */
SFS_API int sfs_stage_memory(struct sfs_stage **ret_stage, struct sfs_error *error);

struct sfs_feed_operations {
    int (*next)(struct sfs_feed *feed, struct sfs_change *ret_change, struct sfs_error *error);
    int (*wait)(struct sfs_feed *feed, uint64_t timeout_ms, struct sfs_error *error);
    void (*wake)(struct sfs_feed *feed);
    void (*close)(struct sfs_feed *feed);
};
struct sfs_feed {
    const struct sfs_feed_operations *operations;
};

struct sfs_watch_operations {
    int (*wait)(struct sfs_watch *watch, uint64_t timeout_ms, struct sfs_error *error);
    void (*wake)(struct sfs_watch *watch);
    void (*close)(struct sfs_watch *watch);
};
struct sfs_watch {
    const struct sfs_watch_operations *operations;
};

/* --- what is in a batch --- */

enum sfs_operation_kind {
    SFS_OPERATION_PUT,
    SFS_OPERATION_WRITE,
    SFS_OPERATION_APPEND,
    SFS_OPERATION_TRUNCATE,
    SFS_OPERATION_PATCH,
    SFS_OPERATION_ATTRIBUTES,
    SFS_OPERATION_XATTR,
    SFS_OPERATION_DELETE,
    SFS_OPERATION_RENAME,
    SFS_OPERATION_EXCHANGE,
    SFS_OPERATION_RENAME_PREFIX,
    SFS_OPERATION_EXCHANGE_PREFIX,
    SFS_OPERATION_CLEAR_RANGE,
};

struct sfs_operation {
    enum sfs_operation_kind kind;
    unsigned flags;                   /* enum sfs_batch_flags; XATTR: enum sfs_xattr_flags */
    int64_t time;                     /* when it was added */
    struct sfs_bytes name;            /* also: from, a, range.from */
    struct sfs_bytes target;          /* to, b, range.to, the extended attribute's name; PATCH: its parts */
    struct sfs_blob *value;           /* PUT (never NULL without a stage), WRITE, APPEND, PATCH, XATTR (NULL: remove) */
    struct sfs_stage *stage;          /* PUT of a stage; PATCH (NULL: none) */
    uint64_t offset;                  /* WRITE; TRUNCATE: the size; PATCH: the end of the furthest part */
    struct sfs_attributes attributes; /* those in mask; of PUT also the type found from the content */
    unsigned mask;
    uint64_t affected;                /* set by apply */
};

enum sfs_precondition_kind {
    SFS_REQUIRE_ABSENT,
    SFS_REQUIRE_REVISION,
    SFS_REQUIRE_ID,
    SFS_REQUIRE_EMPTY,
    SFS_REQUIRE_UNCHANGED,
    SFS_REQUIRE_NO_MATCH,
    SFS_REQUIRE_LEASE,
};

struct sfs_precondition {
    enum sfs_precondition_kind kind;
    struct sfs_range range; /* range.from is the name, where there is one */
    uint64_t number;        /* revision, id, sequence or lease */
    int (*matches)(void *context, const struct sfs_record *record); /* 1, 0, or an error */
    void *context;
};

/* The lists, borrowed until the batch changes; *ret_count is how many. */
SFS_API struct sfs_operation *sfs_batch_operations(struct sfs_batch *batch, size_t *ret_count);
SFS_API const struct sfs_precondition *sfs_batch_preconditions(const struct sfs_batch *batch,
                                                               size_t *ret_count);
/* Appends the operations of `from` with their times, not its preconditions. NO_MEMORY. */
SFS_API int sfs_batch_add_operations(struct sfs_batch *batch, const struct sfs_batch *from,
                                     struct sfs_error *error);
/* Drops the operations from `size` on: a savepoint's rollback. Preconditions stay. */
SFS_API void sfs_batch_cut(struct sfs_batch *batch, size_t size);

/* --- indexes --- */

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

/* --- what a batch means: written once, run by every engine inside its own write transaction --- */

/*
 * The engine's primitives. `run` is one execution of one batch. The meaning of each operation and
 * precondition is in sfs_apply_run(); an engine only looks up, stores and removes single records, and
 * may set the optional ones where it can do better.
 */
struct sfs_apply_run;

/*
 * A temporary name: NUL, '/', and any bytes. No name can be one, so that records that change places
 * can stand under it for a moment. An engine sees them only inside a run, in `move`, `move_prefix`,
 * `lookup` and `first`; none is left at its end, and the change feed need not leave them out
 * (sfs_feed_next() does). One may be two bytes longer than a name.
 */
#define SFS_TEMPORARY_PREFIX "\0/"
static inline bool sfs_name_is_temporary(struct sfs_bytes name)
{
    return sfs_bytes_starts(name, SFS_LITERAL(SFS_TEMPORARY_PREFIX));
}

enum sfs_value_change {
    SFS_VALUE_KEPT,   /* only attributes differ; the new record may have no blob */
    SFS_VALUE_WHOLE,  /* the new record's blob (NULL: empty) is the value */
    SFS_VALUE_STAGED, /* the value is run->stage's content; the new record has its size, no blob */
};
struct sfs_apply_operations {
    /* The record as it now is in this run, NOT_FOUND. */
    int (*lookup)(struct sfs_apply_run *run, struct sfs_bytes name, unsigned want,
                  const struct sfs_record **ret_record, struct sfs_error *error);
    /* Makes `record` (id 0 means: allot a new one; revision is the run's sequence) the one of its name, in place of `before`
     * (NULL: none; same name). Called for new records and changed ones. */
    int (*store)(struct sfs_apply_run *run, const struct sfs_record *before,
                 const struct sfs_record *record, enum sfs_value_change change,
                 struct sfs_error *error);
    int (*remove)(struct sfs_apply_run *run, const struct sfs_record *before,
                  struct sfs_error *error);
    /* Gives the record another name, which is free; id and value stay, revision becomes the run's,
     * changed `record->attributes.changed`. `record` is the new form. */
    int (*move)(struct sfs_apply_run *run, const struct sfs_record *before,
                const struct sfs_record *record, struct sfs_error *error);
    /* The first record of the range as it now is, NOT_FOUND. */
    int (*first)(struct sfs_apply_run *run, struct sfs_range range,
                 const struct sfs_record **ret_record, struct sfs_error *error);
    /* Calls `visit` with each name in the range whose record is not the one that it had at
     * `sequence`, with the record then (may be NULL) and the present one (may be NULL, not both); TOO_OLD
     * where that is no longer known. What came in between does not matter: who read the state at
     * `sequence` would have read the same now. A visit that returns not 0 ends it, and that is
     * returned. */
    int (*changed)(struct sfs_apply_run *run, struct sfs_range range, uint64_t sequence,
                   int (*visit)(void *context, struct sfs_bytes name, const struct sfs_record *before,
                                const struct sfs_record *after, uint64_t revision,
                                struct sfs_error *error),
                   void *context, struct sfs_error *error);
    int (*lease)(struct sfs_apply_run *run, uint64_t lease, struct sfs_error *error); /* 0, EXPIRED */

    /* Optional. */
    /* WRITE, APPEND, TRUNCATE or PATCH on a value that the engine keeps in chunks; `record` is the new form
     * (size, times, no blob; type as before unless the engine sets it). UNSUPPORTED: do it whole. */
    int (*patch)(struct sfs_apply_run *run, const struct sfs_record *before,
                 const struct sfs_record *record, const struct sfs_operation *operation,
                 struct sfs_error *error);
    /* Moves all names below a prefix at once; preconditions of the operation have been checked. */
    int (*move_prefix)(struct sfs_apply_run *run, struct sfs_bytes from, struct sfs_bytes to,
                       int64_t time, uint64_t *ret_count, struct sfs_error *error);
    int (*clear)(struct sfs_apply_run *run, struct sfs_range range, uint64_t *ret_count,
                 struct sfs_error *error);
    /* The longest name below a prefix, in bytes, 0 if none (to refuse a rename that makes keys too long). */
    int (*longest)(struct sfs_apply_run *run, struct sfs_range range, const struct sfs_record **ret_record,
                   struct sfs_error *error);

    /*
     * Entries of indexes; an engine with run->indexes has the first three. Core calls them around the
     * primitives above, whose engine code knows nothing of indexes; a name may be a temporary one.
     * Inside one batch several names may hold one K of a unique index; core looks at the end.
     */
    /* Adds the entry (key, name), unless it is there. The record of that name has been stored, and
     * stays until it is removed; where it gets another id the entry is removed and added again. */
    int (*index_add)(struct sfs_apply_run *run, const struct sfs_index *index, struct sfs_bytes key,
                     struct sfs_bytes name, struct sfs_error *error);
    /* Removes the entry (key, name) if it is there. The record of that name is still there. */
    int (*index_remove)(struct sfs_apply_run *run, const struct sfs_index *index,
                        struct sfs_bytes key, struct sfs_bytes name, struct sfs_error *error);
    /* The name (replaces what *ret_name held) of the first entry with exactly this K whose name is above
     * `after`; NOT_FOUND. Asked of unique indexes only. */
    int (*index_find)(struct sfs_apply_run *run, const struct sfs_index *index,
                      struct sfs_bytes key, struct sfs_bytes after, struct sfs_buffer *ret_name,
                      struct sfs_error *error);
    /*
     * Optional: all at once what core would do for each record with its value, before `move_prefix`
     * or `clear` is called: gives every entry whose name is below `from` the name with `to` in its place;
     * removes every entry whose name is in the range. Only asked of indexes that are ready, and the
     * first not of those with @key. An engine whose entries refer to records by id has nothing to
     * do in the first. NULL: core goes through the records.
     */
    int (*index_move_prefix)(struct sfs_apply_run *run, const struct sfs_index *index,
                             struct sfs_bytes from, struct sfs_bytes to, struct sfs_error *error);
    int (*index_clear)(struct sfs_apply_run *run, const struct sfs_index *index,
                       struct sfs_range range, struct sfs_error *error);
};
struct sfs_index_checks; /* Ks of unique indexes to be looked at when the batch is done */
struct sfs_apply_run {
    const struct sfs_apply_operations *operations;
    uint64_t sequence; /* that the batch will have */
    size_t key_max;
    uint64_t next_id; /* none from here on was allotted or reserved; 0: the engine does not say */
    struct sfs_stage *stage;
    /* The store's indexes, those being built too, as they are inside this write transaction; borrowed.
     * NULL: none, and nothing of them costs anything. */
    const struct sfs_index_set *indexes;
    struct sfs_index_checks *index_checks; /* core's; NULL outside sfs_apply_run() */
    /* The engine's own members follow in the struct that embeds this one. */
};
/* Checks the preconditions, then executes the operations through run->operations. On failure the
 * engine rolls back what was done. Never calls back into the store. */
SFS_API int sfs_apply_run(struct sfs_apply_run *run, struct sfs_batch *batch, struct sfs_error *error);
/*
 * One step of building an index, for `create`: makes the entries of at most `most` records with names
 * above *after ({0}: from the first) through the primitives of `run`, and puts into *after the last name
 * seen. run->indexes is not looked at. *ret_seen is how many; fewer than `most`: that was all. EXISTS: two keys hold the same value of
 * a unique index. On failure the engine rolls the step back and drops the index.
 */
SFS_API int sfs_index_build(struct sfs_apply_run *run, const struct sfs_index *index, uint64_t most,
                            struct sfs_buffer *after, uint64_t *ret_seen, struct sfs_error *error);

/* What receives the parts of a PATCH, in their order. Each is `context` of its own. */
struct sfs_patch_target {
    int (*read)(void *context, struct sfs_stage *stage, uint64_t offset, void *data, size_t size,
                struct sfs_error *error); /* NULL: the stage is asked itself */
    int (*write)(void *context, uint64_t offset, struct sfs_bytes bytes, struct sfs_error *error);
    int (*zero)(void *context, uint64_t offset, uint64_t size, struct sfs_error *error);
    void *context;
};
/* Hands over the parts of a PATCH on a value of `old_size` bytes. What comes from a stage comes in pieces
 * of at most SFS_PATCH_PIECE bytes that end at multiples of it. */
#define SFS_PATCH_PIECE (UINT64_C(256) << 10)
SFS_API int sfs_patch_run(const struct sfs_operation *operation, uint64_t old_size,
                          const struct sfs_patch_target *target, struct sfs_error *error);

/* --- an engine in memory: the copy-on-write ordered tree, for backends that hold everything there --- */

/*
 * Reads, writes, snapshots in O(1) and the change feed over a persistent tree. A backend that keeps
 * its content elsewhere gives `persist`, which is called inside apply with a cursor over the new
 * state before anyone can see it: where it fails, the batch fails and nothing changed.
 */
struct sfs_memory_engine;
struct sfs_memory_hooks {
    int (*persist)(void *context, struct sfs_cursor *state, uint64_t sequence, bool durable,
                   struct sfs_error *error);
    int (*sync)(void *context, struct sfs_error *error);
    void *context;
};
/* An empty engine; the hooks (may be NULL) are copied, their context must live longer. NO_MEMORY. */
SFS_API int sfs_memory_engine_new(struct sfs_memory_engine **ret_engine,
                                  const struct sfs_memory_hooks *hooks, struct sfs_error *error);
/* NULL allowed. Cursors, snapshots and feeds must be closed. */
SFS_API void sfs_memory_engine_free(struct sfs_memory_engine *engine);
/* Puts a record as it is (revision, times, id; 0: allot one), for loading: nobody else uses the engine. */
SFS_API int sfs_memory_engine_load(struct sfs_memory_engine *engine, const struct sfs_record *record,
                                   struct sfs_error *error);
/* Raises the counters to at least these after loading. */
SFS_API void sfs_memory_engine_counters(struct sfs_memory_engine *engine, uint64_t sequence, uint64_t last_id);
/* CORRUPT where a counter is above SFS_COUNTER_MAX: then nothing may be changed, nor saved with new numbers. */
SFS_API int sfs_memory_engine_counters_check(struct sfs_memory_engine *engine, struct sfs_error *error);
/* The highest record id that was allotted. */
SFS_API uint64_t sfs_memory_engine_last_id(struct sfs_memory_engine *engine);
/* A cursor with values over all of the present state, for saves and backups. `progress` (may be NULL) is told
 * how many records were shown; where it answers not 0 the next step is CANCELLED. *ret_sequence: the state's. */
SFS_API int sfs_memory_engine_scan(struct sfs_memory_engine *engine, sfs_progress_function *progress,
                                   void *context, uint64_t *ret_sequence,
                                   struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* Makes an index after loading, while nobody else uses the engine. A unique one that the records make impossible
 * (somebody else wrote the file) becomes one that is not unique. INVALID, EXISTS, NO_MEMORY. */
SFS_API int sfs_memory_engine_load_index(struct sfs_memory_engine *engine, struct sfs_bytes name,
                                         struct sfs_error *error);
/* The indexes of the state that a cursor of `persist` or of sfs_memory_engine_scan() shows; borrowed from
 * the cursor; NULL: none. Only those that are ready are to be kept. */
SFS_API const struct sfs_index_set *sfs_memory_cursor_indexes(const struct sfs_cursor *cursor);
/* The groups and overrides. The engine must be the member right behind the backend's `struct sfs_storage`. */
struct sfs_memory_storage {
    struct sfs_storage storage;
    struct sfs_memory_engine *engine;
};
SFS_API const struct sfs_read_operations *sfs_memory_read_operations(void);
SFS_API const struct sfs_write_operations *sfs_memory_write_operations(void);
SFS_API const struct sfs_time_operations *sfs_memory_time_operations(void);
SFS_API int sfs_memory_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                              struct sfs_error *error);
SFS_API int sfs_memory_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first, struct sfs_error *error);
extern SFS_API const struct sfs_index_operations sfs_memory_index_operations;

/* --- opening by URI --- */

/* One option of a URI: "?name=value". Values are decoded. */
struct sfs_option {
    const char *name;
    const char *value;
};
struct sfs_location {
    const char *scheme;
    const char *path; /* decoded; what is between "scheme:" and "?" */
    const struct sfs_option *options;
    size_t option_count;
};
enum sfs_option_type { SFS_OPTION_BOOL, SFS_OPTION_SIZE, SFS_OPTION_TEXT, SFS_OPTION_CHOICE };
/* A backend's table of options; ends with name NULL. `offset` is where the value lies in the struct
 * that sfs_options_parse() fills: bool, uint64_t, const char * (borrowed), int (index in `choices`, parted by '|'). */
struct sfs_option_rule {
    const char *name;
    enum sfs_option_type type;
    size_t offset;
    const char *choices;
    const char *meaning; /* for help */
};
/* Unknown names and bad values are INVALID, and the sentence names them and what there is. Sizes
 * take K, M and G (1024). Bools: 1 0 yes no true false on off. */
SFS_API int sfs_options_parse(const struct sfs_location *location, const struct sfs_option_rule *rules,
                              void *values, struct sfs_error *error);

struct sfs_backend {
    struct sfs_backend_info info;
    int (*open)(struct sfs_storage **ret_store, const struct sfs_location *location, unsigned flags,
                struct sfs_error *error);
};
/* backends/registry.c: the one table that names the backends; ends with NULL. */
extern const struct sfs_backend *const sfs_backend_registry[];

#endif
