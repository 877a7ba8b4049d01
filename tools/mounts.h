/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_MOUNTS_H
#define TOOLS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "storefs/error.h"

/*
 * What is mounted, from mountinfo, which never touches the mounts themselves: a hung one cannot
 * hang the reader.
 */
struct tool_mount {
    char *source;    /* the store's URI */
    char *store;     /* the same for people: without options, but the file of one in memory */
    char *directory; /* absolute, as the kernel shows it */
    char *type;      /* "fuse.storefs", "tmpfs" … */
    unsigned id;     /* of this mount; another one of the same file system has another id */
    unsigned major;  /* the file system's device number … */
    unsigned minor;  /* … which, of a FUSE mount, is the number of its connection */
    uid_t user;      /* who mounted it, as FUSE tells; else 0 */
    gid_t group;
    bool is_storefs;
    bool read_only;
};

struct tool_mounts {
    struct tool_mount *items; /* in the order of mounting, those of other file systems too */
    size_t count;
};

int tool_mounts_read(struct tool_mounts *ret_mounts, struct sfs_error *error);
/* The same from "/proc/PID/mountinfo", as the process sees it. */
int tool_mounts_read_from(const char *path, struct tool_mounts *ret_mounts,
                          struct sfs_error *error);
void tool_mounts_free(struct tool_mounts *mounts);
#define TOOL_USER_SIZE 64
/* The user's name, or "user NUMBER": `name`. */
const char *tool_user_name(uid_t user, char name[TOOL_USER_SIZE]);
/* The uppermost mount on exactly this directory, or NULL. */
const struct tool_mount *tool_mounts_at(const struct tool_mounts *mounts, const char *directory);
/* INVALID: no store of ours is mounted on exactly this directory; names the mount that it lies in.
 */
int tool_mounts_fail(const struct tool_mounts *mounts, const char *directory,
                     struct sfs_error *error);
/* The mount that a look-up of `directory` reaches, which may be one over another: 1 and its place,
 * 0 if the kernel does not tell. Sends no request. */
int tool_mounts_reached(const struct tool_mounts *mounts, const char *directory,
                        const struct tool_mount **ret_mount);
/* The mount that a path lies in. */
const struct tool_mount *tool_mounts_holding(const struct tool_mounts *mounts, const char *path);

/* The absolute form of a path, from its parent where it cannot be entered itself (a dead mount).
 * The caller frees it. */
int tool_path_absolute(const char *path, char **ret_path, struct sfs_error *error);
/* Joins the real parent directory and the last part, which is not touched. NULL where the parent
 * cannot be resolved. The caller frees it. */
char *tool_path_by_parent(const char *path);
/* Whether `path` is `directory` or lies below it; both absolute. */
bool tool_path_below(const char *path, const char *directory);

/* In a child process of root: becomes the user who mounted what `directory` lies in, since a mount
 * lets nobody else in, root neither. */
void tool_mount_as_owner(const char *directory);

enum tool_probe { TOOL_ALIVE, TOOL_DEAD, TOOL_SILENT, TOOL_CLOSED };
/* Asks the file system at `directory` in a child process, for at most `timeout_ms`: DEAD where its
 * daemon has gone (ENOTCONN), SILENT where it does not answer, CLOSED where this user may not look
 * into it (EACCES), so that nothing is known. */
enum tool_probe tool_mount_probe(const char *directory, int timeout_ms);

#define TOOL_LOST "lost: "
#define TOOL_FILES_SIZE 4096
/* What the mount says of its store's own files, line by line: "warning: " or TOOL_LOST and a
 * sentence. Empty: nothing is wrong, or no answer came within `timeout_ms`. */
void tool_mount_files(const char *directory, int timeout_ms, char text[TOOL_FILES_SIZE]);
/* LOST, with the mount's sentence, if one of these files is not where it was. */
int tool_mount_check(const char *directory, struct sfs_error *error);

/* Lets the mount write what it keeps for its next change: the times of directories. Waits at most
 * ten seconds; a mount that cannot write them says so elsewhere. */
void tool_mount_settle(const char *directory);

/* Takes the mount away: as root by the system call, else by fusermount3. BUSY, PERMISSION, INVALID
 * (nothing is mounted there). */
int tool_mount_remove(const char *directory, bool lazy, struct sfs_error *error);

#endif
