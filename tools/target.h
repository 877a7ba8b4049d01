/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_TARGET_H
#define TOOLS_TARGET_H

#include "storefs/storage.h"
#include "tools/scope.h"

/*
 * What a subcommand works on: a store named by its URI, or a mount named by a path in it, which
 * also limits the command (tools/scope.h). A path in MOUNT/tx/NAME means that transaction. Text
 * that begins with a scheme ("sqlite:") is always a URI. Symbolic links are followed, but a
 * path that leads through one in keys/ is INVALID.
 */
struct tool_target {
    struct sfs_storage *store; /* NULL for a mount */
    char *base;                /* of a mount: MOUNT or MOUNT/tx/NAME, else NULL */
    char *uri;                 /* the store, for sentences; of a mount too */
    struct tool_scope scope;   /* one that the caller takes */
};

/* What a command takes besides a whole store. Another target is INVALID, with the way out. */
enum tool_takes {
    TOOL_TAKES_KEYS = 1,  /* TOOL_SCOPE_BELOW and TOOL_SCOPE_KEY */
    TOOL_TAKES_QUERY = 2, /* TOOL_SCOPE_QUERY */
};

/* `flags` are those of sfs_open(), `takes` those of enum tool_takes. UNREACHABLE where the mount is
 * dead, TIMED_OUT where it does not answer, NOT_FOUND for a path that is not in its mount. */
int tool_target_open(struct tool_target *ret_target, const char *text, unsigned takes,
                     unsigned flags, struct sfs_error *error);
/* The same for what only a mount can do: a URI is INVALID. */
int tool_mount_target(struct tool_target *ret_target, const char *text, struct sfs_error *error);
/* INVALID, with the reason, for a key outside the target's scope. */
int tool_target_check(const struct tool_target *target, struct sfs_bytes key,
                      struct sfs_error *error);
/* Closes the target and says what could not be written; returns `exit_code`, or if that is TOOL_OK
 * the one for the failure. */
int tool_target_close(struct tool_target *target, int exit_code);

/*
 * Opens the store itself for what cannot be done through a mount. For a mount this is the mounted
 * store, opened beside the mount: UNSUPPORTED where it is not one that several processes may have
 * open, or where the path lies in a transaction. A part of keys/ is taken where `ret_scope` is not
 * NULL, and that is then the caller's to free.
 */
int tool_store_open(struct sfs_storage **ret_store, struct tool_scope *ret_scope, const char *text,
                    unsigned flags, struct sfs_error *error);
/* Closes the store; see tool_target_close(). */
int tool_store_close(struct sfs_storage *store, int exit_code);

/* INVALID for a path in a mount of ours, which is not a store to be mounted. Text with a scheme
 * passes. */
int tool_uri_check(const char *text, struct sfs_error *error);
/* The URI as status and unmount show it: with a scheme, and its path absolute and without "..". The
 * caller frees it. */
int tool_uri_absolute(const char *uri, char **ret_uri, struct sfs_error *error);

#endif
