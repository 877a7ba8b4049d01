/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_JSON_LOAD_H
#define SFS_BACKENDS_JSON_LOAD_H

/* A load, step by step: of a whole file (load.c) and of a damaged one (salvage.c). */
#include "store.h"

struct sfs_json_loading {
    struct sfs_json_store *store;
    struct sfs_bytes text;
    size_t at;
    size_t failed_at;                             /* where the text makes no sense */
    const struct sfs_json_attributes *attributes; /* NULL: none */
    bool exact;                                   /* they are those of this content */
    uint64_t revision;                            /* of records that get a new one */
    struct sfs_buffer name;
    struct sfs_buffer value;
    struct sfs_error *error;
};

/* The byte there, 0 at the end. */
char sfs_json_load_byte(const struct sfs_json_loading *loading);
void sfs_json_load_space(struct sfs_json_loading *loading);
bool sfs_json_load_take(struct sfs_json_loading *loading, char byte);
/* Reads a name and its value, and stops at what follows. CORRUPT, INVALID, NAME_TOO_LONG,
 * NO_MEMORY. */
int sfs_json_load_member(struct sfs_json_loading *loading);
/* The record of what was read; NULL: no memory. */
const struct sfs_record *sfs_json_load_key(const struct sfs_json_loading *loading);

/* Loads every member of the object that is whole; what is lost goes to the store's notes. CORRUPT:
 * there is none. */
int sfs_json_salvage(struct sfs_json_loading *loading);

#endif
