/* SPDX-License-Identifier: MIT */
#ifndef SFS_SQLITE_INDEX_CURSOR_H
#define SFS_SQLITE_INDEX_CURSOR_H

/* The inside of cursors over an index, for the files that are about them. */
#include "backends/sqlite/index.h"

/* Where an entry is in the index, or a gap is: entries that are left come behind it. */
struct place {
    struct sfs_buffer key;
    struct sfs_buffer name;
    bool within; /* descending: others of this K may be left, behind `name`; else only smaller Ks */
};

struct row {
    size_t at; /* K and the name, in `bytes` */
    size_t key_size;
    size_t name_size;
    const struct sfs_record *record;
};

struct rows {
    struct row *list;
    size_t count;
    size_t room;
    struct sfs_buffer bytes;
};

struct index_cursor {
    struct sfs_index_cursor cursor;
    struct sfs_sqlite_view view;
    const struct sfs_index *index;
    unsigned want;
    bool descending;
    struct sfs_buffer from;
    struct sfs_buffer to; /* empty: no bound */
    struct place place;   /* where the next fetch goes on */
    struct rows rows;
    size_t at;
    size_t fetch;
    uint64_t size;    /* of the values fetched */
    uint64_t commits; /* of the store when it was fetched */
    bool exhausted;
};

static inline int sfs_sqlite_set_bytes(struct sfs_buffer *buffer, struct sfs_bytes bytes,
                                       struct sfs_error *error)
{
    buffer->size = 0;
    return sfs_buffer_add(buffer, bytes) ? sfs_fail_memory(error, SFS_SQLITE_ORIGIN) : 0;
}

static inline int sfs_sqlite_place_set(struct place *place, struct sfs_bytes key,
                                       struct sfs_bytes name, bool within, struct sfs_error *error)
{
    int code = sfs_sqlite_set_bytes(&place->key, key, error);
    if (code == 0)
        code = sfs_sqlite_set_bytes(&place->name, name, error);
    place->within = within;
    return code;
}

/* The next entry as the cursor's `next` gives it. */
int sfs_sqlite_index_next(struct sfs_index_cursor *cursor, struct sfs_index_row *ret_row,
                          struct sfs_error *error);
/* The cursor's `walk` (index_walk.c). */
int sfs_sqlite_index_walk(struct sfs_index_cursor *cursor, struct sfs_bytes to,
                          sfs_index_visit *visit, void *context, struct sfs_error *error);

#endif
