/* SPDX-License-Identifier: MIT */
/* Reads /proc/self/mountinfo; finds absolute paths without touching what is mounted there. */
#include "tools/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Undoes the kernel's \ooo escapes in place. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
            *out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
}

static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += size)
        if ((at == list || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
            return true;
    return false;
}

/* The number after `name`, "user_id=", in the options of a file system; 0 where there is no such.
 */
static unsigned number_of(const char *options, const char *name)
{
    const char *at = strstr(options, name);
    return at ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

/* "id parent major:minor root directory options [tag…] - type source super-options". True and a
 * mount whose strings point into `line`. */
static bool parse_line(char *line, struct tool_mount *ret_mount)
{
    char *fields[6];
    char *rest = strstr(line, " - ");
    if (!rest)
        return false;
    *rest = '\0';
    char *state = NULL;
    for (size_t i = 0; i < 6; i++)
        if (!(fields[i] = strtok_r(i ? NULL : line, " ", &state)))
            return false;
    char *type = strtok_r(rest + 3, " ", &state);
    char *source = strtok_r(NULL, " ", &state);
    char *options = strtok_r(NULL, " \n", &state);
    if (!type || !source || !options)
        return false;
    unescape(fields[4]);
    unescape(source);
    *ret_mount = (struct tool_mount){
        .source = source,
        .directory = fields[4],
        .type = type,
        .id = (unsigned)strtoul(fields[0], NULL, 10),
        .user = number_of(options, "user_id="),
        .group = number_of(options, "group_id="),
        .is_storefs = strcmp(type, "fuse.storefs") == 0,
        .read_only = has_word(fields[5], "ro") || has_word(options, "ro"),
    };
    return sscanf(fields[2], "%u:%u", &ret_mount->major, &ret_mount->minor) == 2;
}

static int add(struct tool_mounts *mounts, const struct tool_mount *borrowed)
{
    struct tool_mount *items = realloc(mounts->items, (mounts->count + 1) * sizeof *mounts->items);
    if (!items)
        return SFS_E_NO_MEMORY;
    mounts->items = items;
    struct tool_mount *mount = &items[mounts->count];
    *mount = *borrowed;
    mount->source = strdup(borrowed->source);
    mount->store = strndup(borrowed->source, strncmp(borrowed->source, "memory:", 7) == 0
                                                 ? strlen(borrowed->source)
                                                 : strcspn(borrowed->source, "?"));
    mount->directory = strdup(borrowed->directory);
    mount->type = strdup(borrowed->type);
    mounts->count++;
    return mount->source && mount->store && mount->directory && mount->type ? 0 : SFS_E_NO_MEMORY;
}

int tool_mounts_read_from(const char *path, struct tool_mounts *ret_mounts, struct sfs_error *error)
{
    struct tool_mounts mounts = {0};
    struct tool_mount mount;
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return sfs_fail_errno(error, errno, "mounts", "cannot read %s", path);
    int result = 0;
    while (!result && getline(&line, &capacity, file) > 0)
        if (parse_line(line, &mount))
            result = add(&mounts, &mount);
    free(line);
    fclose(file);
    if (result) {
        tool_mounts_free(&mounts);
        return sfs_fail_memory(error, "mounts");
    }
    *ret_mounts = mounts;
    return 0;
}

int tool_mounts_read(struct tool_mounts *ret_mounts, struct sfs_error *error)
{
    return tool_mounts_read_from("/proc/self/mountinfo", ret_mounts, error);
}

void tool_mounts_free(struct tool_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        free(mounts->items[i].source);
        free(mounts->items[i].store);
        free(mounts->items[i].directory);
        free(mounts->items[i].type);
    }
    free(mounts->items);
    *mounts = (struct tool_mounts){0};
}

const char *tool_user_name(uid_t user, char name[TOOL_USER_SIZE])
{
    const struct passwd *entry = getpwuid(user);
    if (entry)
        snprintf(name, TOOL_USER_SIZE, "%s", entry->pw_name);
    else
        snprintf(name, TOOL_USER_SIZE, "user %u", (unsigned)user);
    return name;
}

const struct tool_mount *tool_mounts_at(const struct tool_mounts *mounts, const char *directory)
{
    for (size_t i = mounts->count; i-- > 0;)
        if (strcmp(mounts->items[i].directory, directory) == 0)
            return &mounts->items[i];
    return NULL;
}

int tool_mounts_fail(const struct tool_mounts *mounts, const char *directory,
                     struct sfs_error *error)
{
    const struct tool_mount *mount = tool_mounts_holding(mounts, directory);
    if (mount && mount->is_storefs)
        return sfs_fail(error, SFS_E_INVALID, "mounts",
                        "%s is not a mount, but lies in the one at %s: name that", directory,
                        mount->directory);
    return sfs_fail(error, SFS_E_INVALID, "mounts",
                    "no store is mounted at %s; 'storefs status' lists the mounts", directory);
}

/* No field is asked for, and none to be fresh: then FUSE answers by itself, other users too. */
int tool_mounts_reached(const struct tool_mounts *mounts, const char *directory,
                        const struct tool_mount **ret_mount)
{
    struct statx status;
    if (statx(AT_FDCWD, directory, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &status) < 0 ||
        !(status.stx_mask & STATX_MNT_ID))
        return 0;
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->items[i].id == status.stx_mnt_id) {
            *ret_mount = &mounts->items[i];
            return 1;
        }
    return 0;
}

bool tool_path_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    if (size == 1)
        return path[0] == '/';
    return strncmp(path, directory, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

const struct tool_mount *tool_mounts_holding(const struct tool_mounts *mounts, const char *path)
{
    const struct tool_mount *best = NULL;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct tool_mount *mount = &mounts->items[i];
        if (tool_path_below(path, mount->directory) &&
            (!best || strlen(mount->directory) >= strlen(best->directory)))
            best = mount;
    }
    return best;
}

/* `path` has no trailing slash. */
static char *join_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    char *joined = NULL;
    char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    char *real = parent ? realpath(parent, NULL) : NULL;
    free(parent);
    if (real && asprintf(&joined, "%s/%s", real[1] ? real : "", last) < 0)
        joined = NULL;
    free(real);
    return joined;
}

char *tool_path_by_parent(const char *path)
{
    char *trimmed = strdup(path);
    for (size_t size = trimmed ? strlen(trimmed) : 0; size > 1 && trimmed[size - 1] == '/';)
        trimmed[--size] = '\0';
    char *joined = trimmed ? join_parent(trimmed) : NULL;
    free(trimmed);
    return joined;
}

int tool_path_absolute(const char *path, char **ret_path, struct sfs_error *error)
{
    char *real = realpath(path, NULL);
    int system_errno = errno;
    if (!real && system_errno != ENOENT)
        real = tool_path_by_parent(path);
    if (!real)
        return sfs_fail_errno(error, system_errno, "path", "%s", path);
    *ret_path = real;
    return 0;
}
