/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_JSON_STORE_H
#define SFS_BACKENDS_JSON_STORE_H

/*
 * The inside of the JSON backend: the engine in memory, loaded from PATH and PATH.attrs and saved
 * to them. PATH looks like this, where each VALUE is the value's own bytes, white space included:
 *
 *   {
 *   "key": VALUE,
 *   "key": VALUE
 *   }
 *
 * One blank after a colon and one newline before the last brace belong to the file.
 *
 * Two files cannot be renamed at once, so a save keeps at each moment attributes for the PATH that
 * is there: PATH.attrs becomes PATH.attrs~, the new PATH.attrs comes, then the new PATH (the
 * commit), then PATH.attrs~ goes. (In place of the rename atomic=0 overwrites PATH: a crash then
 * can tear it.) Each carries the hash of its PATH, and who opens takes the one that fits. If none
 * does, another program has rewritten PATH: then the attributes of the keys that are still there
 * and the records that are no keys are taken over, with times and revisions made anew.
 */
#include <pthread.h>
#include <sys/stat.h>

#include "attributes.h"
#include "storefs/backend.h"
#include "storefs/notes.h"
#include "util/file.h"
#include "util/identity.h"
#include "util/lock_file.h"

#define SFS_JSON_ORIGIN "json"

struct sfs_json_options {
    bool pretty;
    bool autosave;
    bool atomic;
    bool recover;
    bool dirsync;
};

struct sfs_json_store {
    struct sfs_memory_storage base;
    struct sfs_storage_operations operations;
    struct sfs_json_options options;
    char *path;       /* absolute */
    char *attributes; /* PATH.attrs */
    char *previous;   /* PATH.attrs~ */
    struct sfs_lock_file lock;
    pthread_mutex_t saving;   /* guards what follows after the open */
    struct sfs_identity seen; /* PATH, as it was when we last read or wrote it */
    uint64_t content_hash; /* of its content */
    bool in_doubt;         /* a save failed so late that PATH may be this one: */
    struct stat doubtful;
    uint64_t doubtful_hash;
    bool attributes_fit; /* PATH.attrs is the one of this PATH; then: */
    struct stat attributes_seen;
    bool attributes_known; /* PATH.attrs or PATH.attrs~ was, at load */
    bool content_damaged;  /* the load failed because of PATH, not of its attributes */
    bool salvage;          /* what is damaged is passed over; then: */
    struct sfs_notes notes;
    bool dirty;            /* memory holds what PATH does not, or may not */
};

/* Loads both files into the empty engine; with `salvage` all that is whole (salvage.c). CORRUPT
 * with line and column, NOT_A_STORE (JSON, but no object), INVALID and NAME_TOO_LONG (a key that no
 * store can hold). */
int sfs_json_load(struct sfs_json_store *store, struct sfs_error *error);

/*
 * A save, step by step, so that tests can stop between any two. sfs_json_save() does them all.
 * After prepare (which leaves nothing on failure) end must follow.
 */
struct sfs_json_save {
    struct sfs_json_store *store;
    struct sfs_buffer pending; /* of PATH: not written yet */
    struct sfs_buffer body;    /* of PATH.attrs: its records */
    void *hash;                /* XXH3 state of PATH's content */
    uint64_t content_hash;
    bool any_key;
    bool any_record;
    struct stat status;                /* of the new PATH */
    struct stat attributes_status;     /* of the new PATH.attrs */
    struct sfs_replacement content;    /* PATH; {-1} where it is written in place */
    struct sfs_replacement attributes; /* PATH.attrs */
};
/* Writes both new files beside the old ones. LOST: another program changed PATH, or the directory
 * is gone. */
int sfs_json_save_prepare(struct sfs_json_store *store, struct sfs_cursor *state, uint64_t sequence,
                          struct sfs_json_save *ret_save, struct sfs_error *error);
int sfs_json_save_rotate(struct sfs_json_save *save, struct sfs_error *error);
int sfs_json_save_attributes(struct sfs_json_save *save, struct sfs_error *error);
int sfs_json_save_content(struct sfs_json_save *save, struct sfs_error *error); /* commits */
void sfs_json_save_end(struct sfs_json_save *save);

/* 0: both files are as they were written; 1: one is gone, or PATH.attrs is another one, and a save
 * repairs that; LOST: another program changed PATH. */
int sfs_json_save_check(struct sfs_json_store *store, struct sfs_error *error);

/* Writes PATH.attrs for the PATH that is there, after a load that found none that fits: the next
 * save then has something to fall back on. */
int sfs_json_save_adopt(struct sfs_json_store *store, uint64_t sequence, struct sfs_error *error);

int sfs_json_save(struct sfs_json_store *store, struct sfs_cursor *state, uint64_t sequence,
                  struct sfs_error *error);

#endif
