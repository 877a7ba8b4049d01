/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_DIR_INTERNAL_H
#define SFS_BACKENDS_DIR_INTERNAL_H

/*
 * The inside of the backend dir.
 *
 * PATH holds one file a value, where a mount would show it (storefs/path.h). What a file system
 * cannot say of a record (its id, revision, kind, type, all times, ...) is in a tree in memory, one
 * item a record, that is kept in a log in the control directory, PATH/%value, whose name no key can
 * have. An item has the print of its file; a file with another print was written by another
 * program, and is taken over when it is met: the files are the truth, the tree is what is known of
 * them.
 *
 * A commit (apply.c) writes new contents to temporary files in the control directory, then one
 * entry of the log (log.c), which is the commit, and then moves the files into place (settle.c).
 * What was interrupted there is done when the store is opened the next time.
 *
 * Locks, taken in this order: `writer`, held through one apply; `lock`, for the tree and for
 * everything that looks at or changes names in PATH; it is let go while contents are read and
 * written.
 */
#include <pthread.h>
#include <sys/stat.h>

#include "storefs/backend.h"
#include "storefs/notes.h"
#include "storefs/path.h"
#include "util/lock_file.h"
#include "util/tree.h"

#define SFS_DIR_ORIGIN "dir"

/* How a file looked when it was last written or taken over: any write by somebody else changes it
 * (its time has the nanoseconds that we gave it, which no clock of a kernel gives). All 0: of a
 * marker. */
struct sfs_dir_print {
    uint64_t inode;
    uint64_t size;
    int64_t modified; /* ns */
    uint32_t mode;    /* permission bits */
};

/* A record and where its value is. Immutable once it can be seen, but for `seen`; counted. */
struct sfs_dir_item {
    atomic_size_t references;
    const struct sfs_record *record; /* without a blob */
    struct sfs_dir_print print;
    uint64_t seen; /* number of the last look at its directory that found its file; under `lock` */
    /* Only in a batch that is being executed, and in the steps of a commit: */
    uint64_t temporary; /* its content is in this file of the control directory; 0: in PATH … */
    struct sfs_dir_item *origin; /* … under this one's name; NULL: its own */
};

enum sfs_dir_action {
    SFS_DIR_KNOWN, /* nothing to do: a file of somebody else was taken over */
    SFS_DIR_PLACE, /* the temporary file comes to the name */
    SFS_DIR_MOVE,  /* the file at the origin's name goes to the temporary file, and that to the name
                    */
    SFS_DIR_ADJUST, /* mode and time of the file in its place */
    SFS_DIR_MARKER, /* the directory is made */
    SFS_DIR_DROP,   /* the file, or the marker, goes */
};

/* One name of one commit. */
struct sfs_dir_step {
    enum sfs_dir_action action;
    struct sfs_dir_item *item; /* owned: the new one; DROP: the old one */
    uint64_t temporary;        /* PLACE, MOVE */
    uint64_t inode; /* MOVE, DROP: of the file that is meant; a marker's is 1; DROP 0: it is gone */
    uint64_t replaced; /* PLACE, MOVE: the file that must go first, as it is in the way; 0: none */
    struct sfs_buffer from; /* MOVE: the name where it is */
};
struct sfs_dir_steps {
    struct sfs_dir_step *steps;
    size_t count;
    size_t capacity;
};
void sfs_dir_steps_free(struct sfs_dir_steps *steps);
/* Appends a step, which is taken over also on failure. NO_MEMORY. */
int sfs_dir_steps_add(struct sfs_dir_steps *steps, struct sfs_dir_step step,
                      struct sfs_error *error);

struct sfs_dir_options {
    bool fsync;
    bool recover;
    bool dirsync;
};

struct sfs_dir_store {
    struct sfs_storage storage;
    struct sfs_dir_options options;
    char *path;  /* absolute */
    int root;    /* PATH */
    int control; /* the control directory; -1: none (read-only, and never written) */
    const char *control_name;
    struct sfs_lock_file file_lock;
    bool salvage; /* the log may be damaged; then: */
    struct sfs_notes notes;

    pthread_mutex_t writer;

    pthread_mutex_t lock;
    struct sfs_tree tree;    /* name -> item */
    struct sfs_tree unsaved; /* names whose items (or their absence) the log does not have yet */
    uint64_t sequence;       /* of the last commit, or file taken over */
    uint64_t used_sequence;  /* the highest one given out */
    uint64_t last_id;
    uint64_t looks;               /* at directories; the number of the last one */
    struct sfs_dir_steps pending; /* in the log, and not all in place yet */
    bool pending_durable;         /* to be put on disk as it comes into place */
    bool pending_later;           /* to be put on disk with the next entry of the log: settle.c */
    bool unsynced;                /* the last commit is in place so, and perhaps not on disk */

    char *log_path; /* … of the log, and of the directory that it is in, as opened */
    char *control_path;
    atomic_bool lost; /* a file of ours was not under its name when it was last looked at */

    int log; /* -1: none */
    uint64_t log_size;
    uint64_t log_live;              /* how much of it is needed, roughly */
    bool log_broken;                /* its end is not known: no more commits */
    atomic_uint_fast64_t temporary; /* the last number of a temporary file */
};

static inline struct sfs_dir_store *sfs_dir_of(struct sfs_storage *storage)
{
    return (struct sfs_dir_store *)storage;
}

/* --- items (item.c) --- */

extern const struct sfs_tree_counting sfs_dir_counting;
/* An item with one reference, the caller's; takes a reference to the record. NULL: no memory. */
struct sfs_dir_item *sfs_dir_item_new(const struct sfs_record *record,
                                      const struct sfs_dir_print *print);
struct sfs_dir_item *sfs_dir_item_ref(struct sfs_dir_item *item);
void sfs_dir_item_unref(struct sfs_dir_item *item); /* NULL allowed */
struct sfs_dir_print sfs_dir_print_of(const struct stat *status);
bool sfs_dir_print_equal(const struct sfs_dir_print *a, const struct sfs_dir_print *b);
/* The permission bits of the file of a record that nobody had before. */
uint32_t sfs_dir_file_mode(const struct sfs_record *record);
/* Whether a time can be given to a file, and the time. */
bool sfs_dir_file_time(int64_t time, struct timespec *ret_time);

/* --- files and names (place.c); `lock` is held --- */

/* Where a name is: a directory, open, and a file name in it. {.fd = -1} is none. */
struct sfs_dir_place {
    int fd;
    struct sfs_buffer leaf; /* with a NUL behind */
    struct stat status;     /* of what is there, if it is */
};
void sfs_dir_place_free(struct sfs_dir_place *place);
/* The file of a key: 0, NOT_FOUND (without a sentence), or an error. A name that is a directory is
 * followed to its "%value". */
int sfs_dir_find(struct sfs_dir_store *store, struct sfs_bytes key, struct sfs_dir_place *ret_place,
                 struct sfs_error *error);
/* As sfs_dir_find, of a file that is to be made: directories on the way are made, and plain files
 * in their place become their "%value". The status is not set. */
int sfs_dir_make_way(struct sfs_dir_store *store, struct sfs_bytes key,
                     struct sfs_dir_place *ret_place, struct sfs_error *error);
/* The directory of a prefix (empty, or ending in '/'): an open file. 0,
 * NOT_FOUND, or an error. `make`: it is made as above. */
int sfs_dir_open_directory(struct sfs_dir_store *store, struct sfs_bytes prefix, bool make,
                           int *ret_fd, struct sfs_error *error);
/* As above, of a piece directory: `base` as in struct sfs_place. */
int sfs_dir_open_pieces(struct sfs_dir_store *store, struct sfs_bytes base, int *ret_fd,
                        struct sfs_error *error);
/* A key's path below PATH. INVALID for one whose name the control directory has. */
int sfs_dir_path(const struct sfs_dir_store *store, struct sfs_bytes key, struct sfs_buffer *path,
                 struct sfs_error *error);
/* Removes the directories of a name that have become superfluous, upwards; one with only a "%value"
 * becomes that file. `name`: a key, or a marker. */
int sfs_dir_prune(struct sfs_dir_store *store, struct sfs_bytes name, struct sfs_error *error);
/* True where nothing is in the directory (that is a key or leads to one, or anything else). */
int sfs_dir_is_empty(int fd, bool *ret_empty, struct sfs_error *error);
int sfs_dir_fail(const struct sfs_dir_store *store, struct sfs_bytes name, const char *what,
                 struct sfs_error *error); /* with errno */
/* "123" */
void sfs_dir_temporary_name(uint64_t number, char name[24]);
int sfs_dir_sync_fd(const struct sfs_dir_store *store, int fd, struct sfs_error *error);

/* --- what is there (adopt.c); `lock` is held --- */

/* The present item of a name, borrowed from the tree, or NULL: looks at the file, and takes over
 * what others did. */
int sfs_dir_refresh(struct sfs_dir_store *store, struct sfs_bytes name,
                    struct sfs_dir_item **ret_item, struct sfs_error *error);
/* A directory that a scan has still to look into; counted, in a tree by `key`. */
struct sfs_dir_pending {
    atomic_size_t references;
    struct sfs_buffer key; /* the base without its last '/': `own` bytes; NUL; a byte */
    size_t own;
    struct sfs_buffer base; /* struct sfs_place */
    size_t pieces;
};
extern const struct sfs_tree_counting sfs_dir_pending_counting;
/* Adds a directory. NO_MEMORY. */
int sfs_dir_list_add(struct sfs_tree *list, struct sfs_bytes base, size_t pieces,
                     struct sfs_error *error);
/* Adds the directory that holds all of a range. */
int sfs_dir_list_begin(struct sfs_tree *list, struct sfs_range range, struct sfs_error *error);
/* The first directory of the list whose key is not below a name, or NULL; borrowed. */
struct sfs_dir_pending *sfs_dir_list_from(const struct sfs_tree *list, struct sfs_bytes name);
/* Sets *ret_directory to one of the list whose key is below the range but that can have names of
 * it, borrowed, or to NULL. NO_MEMORY. */
int sfs_dir_list_above(const struct sfs_tree *list, struct sfs_range range,
                       struct sfs_dir_pending **ret_directory, struct sfs_error *error);
/* Takes a directory off the list, makes the tree agree with the files of the range right in it, and
 * lists its directories that can hold names of the range. Looks once at each of these files. */
int sfs_dir_look_into(struct sfs_dir_store *store, struct sfs_tree *list,
                      struct sfs_dir_pending *directory, struct sfs_range range,
                      struct sfs_error *error);
/* All of a range. */
int sfs_dir_look_through(struct sfs_dir_store *store, struct sfs_range range,
                         struct sfs_error *error);
/* Sets *ret_any to whether any name is in one of the ranges; then one is in the tree, and else none
 * of these ranges is. What is known is asked first, then what the first file says: a directory with
 * very many files is read only where it has none in the range. */
int sfs_dir_look_for_any(struct sfs_dir_store *store, const struct sfs_range *ranges, size_t count,
                         bool *ret_any, struct sfs_error *error);
/* Puts an item into the tree, or takes the name out (NULL), as something that the log does not
 * have. */
int sfs_dir_note(struct sfs_dir_store *store, struct sfs_bytes name, struct sfs_dir_item *item,
                 struct sfs_error *error);
/* Takes over what is at a place under a name, where `old` (NULL: nothing) was known to be; as
 * refresh. */
int sfs_dir_adopt(struct sfs_dir_store *store, struct sfs_bytes name,
                  const struct sfs_dir_place *place, struct sfs_dir_item *old,
                  struct sfs_dir_item **ret_item, struct sfs_error *error);
int sfs_dir_adopt_marker(struct sfs_dir_store *store, struct sfs_bytes name,
                         const struct stat *status, struct sfs_error *error);

/* --- contents (content.c) --- */

/* What is at a place: an open file, or for a link its target. Once it is open, no lock is needed: a
 * file is replaced, not changed, by a commit. */
struct sfs_dir_value {
    int fd; /* -1: `link` is the value */
    struct sfs_buffer link;
};
int sfs_dir_value_open(int directory, const char *leaf, struct sfs_bytes name,
                       struct sfs_dir_value *ret_value, struct sfs_error *error);
void sfs_dir_value_close(struct sfs_dir_value *value);
int sfs_dir_value_read(const struct sfs_dir_value *value, uint64_t offset, void *data, size_t size,
                       struct sfs_bytes name, size_t *ret_size, struct sfs_error *error);
int sfs_dir_value_blob(const struct sfs_dir_value *value, uint64_t size, struct sfs_bytes name,
                       struct sfs_blob **ret_blob, struct sfs_error *error);
/* A new temporary file, open for reading and writing. */
int sfs_dir_temporary_new(struct sfs_dir_store *store, uint64_t *ret_number, int *ret_fd,
                          struct sfs_error *error);
/* A new temporary file with these bytes; for a link that a file system takes, a link. */
int sfs_dir_temporary_write(struct sfs_dir_store *store, struct sfs_bytes bytes, bool link,
                            uint64_t *ret_number, struct sfs_error *error);
void sfs_dir_temporary_remove(struct sfs_dir_store *store, uint64_t number);

/* --- the log (log.c) --- */

/* Opens the log (makes it, if `create`), reads it into the tree and the counters, and leaves the
 * steps of a commit that may not be done in store->pending. CORRUPT, NOT_A_STORE, TOO_NEW. */
int sfs_dir_log_open(struct sfs_dir_store *store, bool create, struct sfs_error *error);
/* Appends a commit. On failure there is none. `writer` held. */
int sfs_dir_log_append(struct sfs_dir_store *store, const struct sfs_dir_steps *steps,
                       uint64_t sequence, bool sync, struct sfs_error *error);
/* Notes that all of the last commit is in place. Failure does no harm. */
void sfs_dir_log_done(struct sfs_dir_store *store);
/* Writes a new log with what is live, where the present one has grown far beyond it. Both locks
 * held. */
int sfs_dir_log_compact(struct sfs_dir_store *store, struct sfs_error *error);
/* Steps for what the log does not have yet, appended. `lock` held. */
int sfs_dir_log_unsaved(struct sfs_dir_store *store, struct sfs_dir_steps *steps,
                        struct sfs_error *error);

/* --- committing (settle.c, apply.c) --- */

/* Does the pending steps, which may have been done in part; `lock` held. They stay pending on
 * failure. */
int sfs_dir_settle(struct sfs_dir_store *store, struct sfs_error *error);
/* Whether steps only bring temporary files into place, so that they need not be on disk before the
 * log's next entry is. */
bool sfs_dir_settles_later(const struct sfs_dir_steps *steps);
/* Whether there is anything to do to files. */
bool sfs_dir_has_work(const struct sfs_dir_steps *steps);
/* Of pending steps, those whose temporary file is gone have nothing to do any more. */
void sfs_dir_skip_placed(struct sfs_dir_store *store);
/* Puts the names in the control directory on disk, and with them what came from there into its
 * place. `writer` held, or nobody else has the store. */
int sfs_dir_sync_control(struct sfs_dir_store *store, struct sfs_error *error);
int sfs_dir_save(struct sfs_dir_store *store, struct sfs_error *error); /* what is unsaved */

/* As sfs_check_files() (open.c); `writer` held. */
int sfs_dir_files_check(struct sfs_dir_store *store, struct sfs_error *error);

/* --- stages (stage.c) --- */

int sfs_dir_stage(struct sfs_storage *storage, struct sfs_stage **ret_stage,
                  struct sfs_error *error);
/* The number of the temporary file of a stage of this store that is not spent; else 0. */
uint64_t sfs_dir_stage_number(const struct sfs_dir_store *store, const struct sfs_stage *stage);
void sfs_dir_stage_spend(struct sfs_stage *stage);

/* --- calls --- */

extern const struct sfs_read_operations sfs_dir_reads; /* read.c, scan.c */
int sfs_dir_scan(struct sfs_storage *storage, struct sfs_range range, unsigned want,
                 struct sfs_cursor **ret_cursor, struct sfs_error *error);
/* Takes `lock`, with nothing pending any more; on failure it is not held. */
int sfs_dir_enter(struct sfs_dir_store *store, struct sfs_error *error);
void sfs_dir_leave(struct sfs_dir_store *store);
/* The value of an item's file, open; `lock` is held. */
int sfs_dir_open_value(struct sfs_dir_store *store, const struct sfs_dir_item *item,
                       struct sfs_dir_value *ret_value, struct sfs_error *error);
/* The record with its value in place of `record`, which is given up. Without the lock. */
int sfs_dir_fill(const struct sfs_dir_value *value, const struct sfs_record **record,
                 struct sfs_error *error);
extern const struct sfs_write_operations sfs_dir_writes;
/* As sfs_backup(): to a new directory (backup.c). */
int sfs_dir_backup(struct sfs_storage *storage, const char *path, sfs_progress_function *progress,
                   void *context, struct sfs_error *error);
/* As sfs_exists_any(). */
int sfs_dir_exists(struct sfs_storage *storage, const struct sfs_range *ranges, size_t count,
                   struct sfs_error *error);

#endif
