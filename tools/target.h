/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_TARGET_H
#define TOOLS_TARGET_H

#include "storefs/storage.h"

/*
 * What a subcommand works on: a store named by its URI, or a mount named by any path in it. A path
 * in MOUNT/tx/NAME means that transaction. Text that begins with a scheme ("sqlite:") is always a
 * URI.
 */
struct tool_target {
    struct sfs_storage *store; /* NULL for a mount */
    char *base;                /* of a mount: MOUNT or MOUNT/tx/NAME, else NULL */
    char *uri;                 /* the store, for sentences; of a mount too */
};

/* `flags` are those of sfs_open(). UNREACHABLE where the mount is dead. */
int tool_target_open(struct tool_target *ret_target, const char *text, unsigned flags,
                     struct sfs_error *error);
/* The same for what only a mount can do: a URI is INVALID. */
int tool_mount_target(struct tool_target *ret_target, const char *text, struct sfs_error *error);
/* Closes the target and says what could not be written; returns `exit_code`, or if that is TOOL_OK
 * the one for the failure. */
int tool_target_close(struct tool_target *target, int exit_code);
/* How the target is called in sentences. */
const char *tool_target_name(const struct tool_target *target);

/*
 * Opens the store itself for what works on a whole store. For a mount this is the mounted store,
 * opened beside the mount: UNSUPPORTED where it is not one that several processes may have open, or
 * where the path lies in a transaction.
 */
int tool_store_open(struct sfs_storage **ret_store, const char *text, unsigned flags,
                    struct sfs_error *error);
/* Closes the store; see tool_target_close(). */
int tool_store_close(struct sfs_storage *store, int exit_code);

/* The URI with its path made absolute; the caller frees it. */
int tool_uri_absolute(const char *uri, char **ret_uri, struct sfs_error *error);

#endif
