/* SPDX-License-Identifier: MIT */
#ifndef SFS_TXN_VIEW_H
#define SFS_TXN_VIEW_H

/*
 * View: one state of a transaction, which is the write set laid over its base: a snapshot, or under
 * read committed the store as it is at each read (a live base). The write set is a persistent tree
 * from names to entries, over a map that tells what the other names stand for in the base; a view
 * shares both, so that readers and savepoints keep theirs while others write. Entries are immutable
 * and counted; a view belongs to one thread at a time.
 */
#include "txn/content.h"
#include "txn/map.h"

/* Revisions and ids that a transaction gives until its commit lie above all real ones. */
#define SFS_TXN_PROVISIONAL (UINT64_C(1) << 62)

enum sfs_txn_state {
    SFS_TXN_PRESENT, /* the record is as the entry says */
    SFS_TXN_GONE,    /* there is no record of this name any more */
    SFS_TXN_GUARDED, /* unchanged, but the commit depends on its being so */
};

struct sfs_txn_entry {
    atomic_size_t references;
    enum sfs_txn_state state;
    struct sfs_bytes name;
    uint64_t base;     /* revision in the base of what the name stands for; 0: nothing */
    uint64_t revision; /* of the change in the transaction; GONE: 0 where it was none */
    const struct sfs_record *record; /* PRESENT */
    /* Where the value is that the record does not hold: in a content, or in the base under the name
     * that the record had there. */
    struct sfs_txn_content *content;
    struct sfs_bytes origin;
    bool live; /* the base may change: the value, and whether there is one, is what it says then */
    char bytes[]; /* name and origin */
};

/* Where the value of a new entry is; {0}: in the record. */
struct sfs_txn_source {
    struct sfs_txn_content *content;
    struct sfs_bytes origin;
    bool live;
};

/* Makes an entry; takes references of its own to record and content. NULL: no memory. */
struct sfs_txn_entry *sfs_txn_entry_new(enum sfs_txn_state state, struct sfs_bytes name,
                                        uint64_t base, uint64_t revision,
                                        const struct sfs_record *record,
                                        struct sfs_txn_source source);
void sfs_txn_entry_unref(struct sfs_txn_entry *entry);

/* What a transaction has changed. */
struct sfs_txn_writes {
    struct sfs_tree entries;
    struct sfs_tree map;
    struct sfs_totals more; /* than in the base, modulo 2^64; not over a live base */
};
void sfs_txn_writes_init(struct sfs_txn_writes *writes);
/* Makes *ret_writes equal to `writes`, in O(1). */
void sfs_txn_writes_share(const struct sfs_txn_writes *writes, struct sfs_txn_writes *ret_writes);
void sfs_txn_writes_clear(struct sfs_txn_writes *writes);

struct sfs_txn_view {
    struct sfs_txn_writes writes;
    struct sfs_storage *base; /* borrowed */
    bool live;                /* the base is no snapshot */
};

/* The record of an entry that is PRESENT, with its value where that is wanted. NOT_FOUND where that
 * value was in a live base and is there no more. */
int sfs_txn_entry_record(struct sfs_storage *base, const struct sfs_txn_entry *entry,
                         unsigned want, const struct sfs_record **ret_record,
                         struct sfs_error *error);

/* As the read operations of a store. */
int sfs_txn_view_get(const struct sfs_txn_view *view, struct sfs_bytes name, unsigned want,
                     const struct sfs_record **ret_record, struct sfs_error *error);
int sfs_txn_view_read(const struct sfs_txn_view *view, struct sfs_bytes name, uint64_t revision,
                      uint64_t offset, void *data, size_t size, size_t *ret_size,
                      struct sfs_error *error);

/*
 * A cursor over a range of what `share` gives: it shares the writes at the beginning, and again when
 * *generation has changed, so that it shows each record as it is when reached. `share` is called
 * at each step with the generation of the present writes (0 at first); it may fail, and the step then
 * fails with it.
 */
typedef int sfs_txn_share_function(void *context, uint64_t *generation,
                                   struct sfs_txn_writes *writes, struct sfs_error *error);
int sfs_txn_scan(struct sfs_storage *base, sfs_txn_share_function *share, void *context,
                 struct sfs_range range, unsigned want, struct sfs_cursor **ret_cursor,
                 struct sfs_error *error);
/* A cursor over a view that does not change while it lives. */
int sfs_txn_view_scan(const struct sfs_txn_view *view, struct sfs_range range, unsigned want,
                      struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* A `share` for that: context is the view. */
int sfs_txn_share_fixed(void *context, uint64_t *generation, struct sfs_txn_writes *writes,
                        struct sfs_error *error);

/* A cursor over the base alone, through a map (shared): names are those of the view. It is not to be
 * sent before the beginning of the range. */
int sfs_txn_mapped_scan(struct sfs_storage *base, const struct sfs_tree *map,
                        struct sfs_range range, unsigned want, struct sfs_cursor **ret_cursor,
                        struct sfs_error *error);
/* `record`, which the base has, as the view shows it through the piece (NULL: as it is). *name is
 * used to build the name. NO_MEMORY. */
int sfs_txn_piece_record(const struct sfs_txn_piece *piece, const struct sfs_record *record,
                         struct sfs_buffer *name, const struct sfs_record **ret_record,
                         struct sfs_error *error);

#endif
