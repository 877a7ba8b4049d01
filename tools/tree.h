/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_TREE_H
#define TOOLS_TREE_H

#include "storefs/record.h"

/*
 * Keys as files of a mount: walks from BASE/keys directory by directory, so that paths longer than
 * PATH_MAX work and no symbolic link in the store leads elsewhere.
 */
struct tool_place {
    int directory; /* O_PATH descriptor; -1: none */
    char *name;    /* the last part */
};

/* Opens a directory of a mount, "keys" or "query/by/type". */
int tool_tree_open(const char *base, const char *path, int *ret_directory, struct sfs_error *error);

/* Opens the directory of the keys: BASE/keys, or BASE itself of a mount of keys only. */
int tool_tree_open_keys(const char *base, int *ret_directory, struct sfs_error *error);
/* Whether the mount at `base` shows keys and nothing else ("-o keys-only"). */
bool tool_tree_keys_only(const char *base);

/* Finds the file that holds a key's value; NOT_FOUND. */
int tool_tree_find(const char *base, struct sfs_bytes key, struct tool_place *ret_place,
                   struct sfs_error *error);
/* Finds where a key's value is to be written, making the directories above it. */
int tool_tree_make(const char *base, struct sfs_bytes key, struct tool_place *ret_place,
                   struct sfs_error *error);
void tool_place_free(struct tool_place *place);

/* Records a failed call on a file of the mount: with the mount's own sentence (the extended
 * attribute user.storefs.error) where there is one, else "<what> <name>: <the system's words>". */
int tool_tree_fail(struct sfs_error *error, int system_errno, const struct tool_place *place,
                   const char *what);

/* One key found by a listing. */
struct tool_found {
    char *key; /* owned by the list */
    size_t size;
    uint64_t bytes;
    int64_t modified; /* seconds since the epoch */
};
struct tool_list {
    struct tool_found *items;
    size_t count;
    size_t capacity;
};
/* All keys that begin with `prefix`, in byte order; sizes and times only if `details`. */
int tool_tree_list(const char *base, struct sfs_bytes prefix, bool details,
                   struct tool_list *ret_list, struct sfs_error *error);
void tool_list_free(struct tool_list *list);

#endif
