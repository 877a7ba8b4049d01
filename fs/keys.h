/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_KEYS_H
#define STOREFS_FS_KEYS_H

/*
 * The keys tree: which names of the store a node stands for, what is there, and how it looks. Shared
 * by the keys_*.c files.
 */
#include "fs/file.h"

/* --- names: keys_name.c --- */

/* The place (see storefs/path.h) of a directory node: base bytes are appended to `base`. NOT_FOUND
 * once it, or one above it, was removed. */
int fs_keys_place(struct fs_call *call, struct fs_node *dir, struct sfs_buffer *base,
                  struct sfs_place *place);
/* The key of a leaf node, or of a directory without its last '/'; appended. NOT_FOUND as above. */
int fs_keys_key(struct fs_call *call, struct fs_node *node, struct sfs_buffer *key);

/* What a name in a directory stands for. Owns its buffers: fs_keys_target_free. */
struct fs_target {
    struct fs_name name;
    struct sfs_buffer base;   /* of the directory */
    struct sfs_place place;
    struct sfs_buffer text;   /* key bytes of the name */
    struct sfs_buffer key;    /* of the leaf */
    struct sfs_buffer prefix; /* of the directory: key and '/' (a piece directory: its base) */
    bool exists;
    bool directory;
    const struct sfs_record *leaf;   /* the record of `key`, also beside a directory */
    const struct sfs_record *marker; /* of the directory */
};
/* Decodes a name: INVALID or NAME_TOO_LONG where no key can have it. */
int fs_keys_decode(struct fs_call *call, struct fs_node *dir, const char *name,
                   struct fs_target *target);
/* Decodes, and looks in the store what is there: sets exists, directory, leaf, marker. */
int fs_keys_find(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_target *target);
/* As fs_keys_find, for a file that is about to be made: the kernel has just looked the name up, and where
 * nothing can have changed since the store is not asked again. */
int fs_keys_find_new(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_target *target);
void fs_target_free(struct fs_target *target);
/* Around a look at a name that may find nothing: what was not found is remembered for fs_keys_find_new. */
struct fs_absent fs_keys_look_begin(struct fs_node *dir, const char *name);
void fs_keys_look_failed(struct fs_node *dir, const struct fs_absent *look);
/* True where the kernel knows the name as a file that was made and is not committed. */
bool fs_keys_is_pending(struct fs_call *call, struct fs_node *dir, const char *name);

/* The marker's name of a prefix: prefix and NUL; appended. */
int fs_keys_marker(struct sfs_bytes prefix, struct sfs_buffer *name);
/* Records below a prefix but its marker: two ranges, of the key `prefix` itself ("%empty") and of all
 * behind the marker. Bounds are built in buffer. */
struct fs_below {
    struct sfs_buffer bounds;
    struct sfs_range empty_part;
    struct sfs_range rest;
};
int fs_keys_below(struct sfs_bytes prefix, struct fs_below *below);
/* 1: a record or pending file is below the prefix (not counting its marker), 0: none. */
int fs_keys_occupied(struct fs_call *call, struct fs_space *space, struct sfs_bytes prefix);
/* Adds to a batch that takes `key` and what is below it away: a marker of its directory, where nothing
 * else would be left in it, so that the directory stays. */
int fs_keys_keep_parent(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                        struct sfs_batch *batch);

/* --- looks: keys_stat.c --- */
void fs_keys_stat_record(struct fs_space *space, const struct sfs_record *record, struct stat *st);
/* st_blocks of a large value: asks the store how much of it is there. */
void fs_keys_stat_blocks(struct fs_space *space, const struct sfs_record *record, struct stat *st);
/* Of a directory with this prefix; marker may be NULL. Does not set st_ino of one with neither. */
void fs_keys_stat_directory(struct fs_space *space, struct sfs_bytes prefix,
                            const struct sfs_record *marker, struct stat *st);
/* What an open file shows that the store does not have yet, over what the store has, if `st` has that. */
void fs_keys_stat_file(struct fs_file *file, struct stat *st);
int fs_keys_stat(struct fs_call *call, struct fs_node *node, struct stat *st);
int fs_keys_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                struct stat *st);
/* st_ino as it was first shown, a directory's times after changes through this mount. */
void fs_keys_settle(struct fs_call *call, struct fs_node *node, struct stat *st);
/* Changes the record that carries the node's attributes, by what `add` puts into a batch; a directory
 * without a marker gets one in the same batch. */
typedef int fs_keys_add(void *context, struct sfs_bytes name, struct sfs_batch *batch,
                        struct sfs_error *error);
int fs_keys_update(struct fs_call *call, struct fs_node *node, fs_keys_add *add, void *context);
/* So the attributes in `mask`. */
int fs_keys_set_attributes(struct fs_call *call, struct fs_node *node, const struct sfs_attributes *attributes,
                           unsigned mask);
/* Makes the entry of what is there. */
int fs_keys_entry(struct fs_call *call, struct fs_target *target, struct fs_entry *entry);
mode_t fs_keys_type(enum sfs_kind kind);
struct timespec fs_time(int64_t nanoseconds);
/* Clamped to the seconds from 1677 to 2262 that fit. */
int64_t fs_nanoseconds(struct timespec time);
int64_t fs_now(void);

/* --- what a directory knows of its entries: keys_directory.c --- */

/* st_nlink: two, and one for each directory in it; 1 where there is too much in it to count, inside
 * transactions, where a count would be a read of all names, and in fields/, where documents are
 * directories too. `dir`: the directory with this prefix, or the one that it is in. */
nlink_t fs_keys_links(const struct fs_node *dir, struct sfs_bytes prefix);
/* The same of a directory's own node, counted anew only when directories were made, moved or removed
 * through this mount since, or FS_LINKS_LIFE ago. */
nlink_t fs_keys_links_of(struct fs_call *call, struct fs_node *dir, struct sfs_bytes prefix);
#define FS_LINKS_LIFE INT64_C(50000000) /* ns */
/* A change of a directory's entries: its time. That shows at once, and is written to its marker soon: by
 * the next change that is a second later, by fsync of the directory, or at the end of the mount; but not while a
 * transaction is open. */
void fs_keys_touch(struct fs_call *call, struct fs_node *dir);
/* Puts the time of that change into `st`. With the nodes' lock held. */
void fs_keys_show_time(struct fs_node *dir, struct stat *st);
void fs_keys_write_touched(struct fs_call *call);

/* The tree of fields/ lists the same names, which are other nodes there. */
void fs_fields_as_listed(struct fs_node *dir, struct fs_dirent *entry);

/* --- telling the kernel: keys_tell.c --- */

/* What it has of a key in keys/ is out of date; `renewed`: what the name stands for as well. */
void fs_keys_tell(struct fs *fs, struct sfs_bytes key, bool renewed);
/* All that it has of keys/ is. */
void fs_keys_tell_all(struct fs *fs);
/* Names of records one after another, best in ascending order. Begins with `fs` set, and ends with
 * fs_keys_teller_free. */
struct fs_teller {
    struct fs *fs;
    uint64_t directory;        /* that was told of last */
    uint64_t revision;         /* that the name has now: who knows that is not told; 0: not known */
    bool marker;               /* the name is a directory's marker */
    struct sfs_buffer checked; /* the prefix looked at last */
};
/* `renewed`: made, deleted or another record; `deleted`: the directories above may have gone with it. */
void fs_keys_tell_name(struct fs_teller *teller, struct sfs_bytes name, bool renewed, bool deleted);
void fs_keys_teller_free(struct fs_teller *teller);

/* --- operations, by file --- */
int fs_keys_lookup(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry);
/* Without a handle, of a leaf of a store that does not change. */
int fs_keys_read(struct fs_call *call, struct fs_node *node, char *data, size_t size, uint64_t offset,
                 size_t *ret_size);
int fs_keys_readlink(struct fs_call *call, struct fs_node *node, struct sfs_buffer *target);
/* The same of what was just made or found, of a type (S_IFMT): what others have put in its place since is EXPIRED, at
 * which the kernel looks the name up and tries again. */
int fs_keys_lookup_made(struct fs_call *call, struct fs_node *dir, const char *name, mode_t type,
                        struct fs_entry *entry);
/* Deletes a key that still has this revision (else CONFLICT), and keeps the directory that it was in. */
int fs_keys_delete_revision(struct fs_call *call, struct fs_space *space, struct sfs_bytes key, enum fs_kind kind,
                            uint64_t revision);
int fs_keys_make(struct fs_call *call, struct fs_node *dir, const char *name,
                 const struct fs_make *make, struct fs_entry *entry);
int fs_keys_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory);
int fs_keys_rename(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_node *to_dir,
                   const char *to_name, unsigned flags);
int fs_keys_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list);
void fs_keys_list_release(struct fs_call *call, struct fs_open *open);
int fs_keys_xattr_get(struct fs_call *call, struct fs_node *node, const char *name,
                      struct sfs_buffer *value);
int fs_keys_xattr_set(struct fs_call *call, struct fs_node *node, const char *name,
                      struct sfs_bytes value, unsigned flags);
int fs_keys_xattr_list(struct fs_call *call, struct fs_node *node, struct sfs_buffer *names);
/* The name is about to go: what fstat of descriptors that the kernel keeps, and of a working directory,
 * will show. */
void fs_keys_remember(struct fs_call *call, const struct fs_target *target);
/* A name is free: who still has a file open that somebody else deleted keeps that, without the name. */
void fs_keys_outlive(struct fs_call *call, struct fs_node *dir, const char *name);
/* The open file of a name whose record is this (NULL: none is known), with one open more; NULL where it is not open. */
struct fs_file *fs_keys_open_file(struct fs_call *call, const struct fs_name *name,
                                  const struct sfs_record *record);
/* Before the name of an open file goes: its content is loaded, so that those who have it open can go on;
 * held. After it: done or not, let go and released. NULL is allowed. */
int fs_keys_prepare_unlink(struct fs_call *call, struct fs_file *file);
/* The same of a large file, as far as it can be done before the call is alone in the tree.
 * fs_keys_kept_ahead comes behind the change, with whether it was done; it takes NULL too, which is
 * a file that needs nothing. */
struct fs_file *fs_keys_keep_ahead(struct fs_call *call, struct fs_node *dir, const char *name);
void fs_keys_kept_ahead(struct fs_file *file, bool done);
/* Of an open whose file was replaced or changed after its name was looked up: whether EXPIRED lets
 * the kernel look it up again, which it does once. The second is called when the open has found its
 * file. */
bool fs_keys_looks_again(struct fs_call *call);
void fs_keys_looked_again(struct fs_call *call);
/* Around a change of names: the call is alone in the keys tree with its change. */
void fs_keys_move_begin(struct fs_call *call, struct fs_space *space);
void fs_keys_move_end(struct fs_call *call, struct fs_space *space);
void fs_keys_finish_unlink(struct fs_file *file, bool done);
/* The owner and mode of what the caller makes in a directory (set-group-id is inherited). */
void fs_keys_new_attributes(struct fs_call *call, struct fs_node *dir, mode_t mode,
                            struct sfs_attributes *attributes);
/* One batch of one store call: apply, and free the batch. */
int fs_keys_apply(struct fs_call *call, struct fs_space *space, struct sfs_batch *batch, bool durable,
                  uint64_t *ret_sequence);

#endif
