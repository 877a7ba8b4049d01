/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_MOUNTS_H
#define TOOLS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "storefs/error.h"

/*
 * What is mounted, from /proc/self/mountinfo, which never touches the mounts themselves: a hung one
 * cannot hang the reader.
 */
struct tool_mount {
    char *source;    /* the store's URI */
    char *directory; /* absolute, as the kernel shows it */
    bool is_storefs;
    bool read_only;
};

struct tool_mounts {
    struct tool_mount *items; /* in the order of mounting, those of other file systems too */
    size_t count;
};

int tool_mounts_read(struct tool_mounts *ret_mounts, struct sfs_error *error);
void tool_mounts_free(struct tool_mounts *mounts);
/* The uppermost mount on exactly this directory, or NULL. */
const struct tool_mount *tool_mounts_at(const struct tool_mounts *mounts, const char *directory);
/* INVALID: no store of ours is mounted on exactly this directory; names the mount that it lies in.
 */
int tool_mounts_fail(const struct tool_mounts *mounts, const char *directory,
                     struct sfs_error *error);
/* The mount that a path lies in. */
const struct tool_mount *tool_mounts_holding(const struct tool_mounts *mounts, const char *path);

/* The absolute form of a path, from its parent where it cannot be entered itself (a dead mount).
 * The caller frees it. */
int tool_path_absolute(const char *path, char **ret_path, struct sfs_error *error);
/* Whether `path` is `directory` or lies below it; both absolute. */
bool tool_path_below(const char *path, const char *directory);

enum tool_probe { TOOL_ALIVE, TOOL_DEAD, TOOL_SILENT };
/* Asks the file system at `directory` in a child process, for at most `timeout_ms`: DEAD where its
 * daemon has gone (ENOTCONN), SILENT where it does not answer. */
enum tool_probe tool_mount_probe(const char *directory, int timeout_ms);

#define TOOL_LOST "lost: "
#define TOOL_FILES_SIZE 4096
/* What the mount says of its store's own files, line by line: "warning: " or TOOL_LOST and a
 * sentence. Empty: nothing is wrong, or no answer came within `timeout_ms`. */
void tool_mount_files(const char *directory, int timeout_ms, char text[TOOL_FILES_SIZE]);
/* LOST, with the mount's sentence, if one of these files is not where it was. */
int tool_mount_check(const char *directory, struct sfs_error *error);

/* Takes the mount away: as root by the system call, else by fusermount3. BUSY, PERMISSION, INVALID
 * (nothing is mounted there). */
int tool_mount_remove(const char *directory, bool lazy, struct sfs_error *error);

#endif
