/* SPDX-License-Identifier: MIT */
/* Which processes use a mount, and where else it is mounted: read from /proc, never from the mount.
 */
#include "tools/users.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mounts.h"

#define USERS_MAX 10

static bool link_below(const char *path, const char *directory)
{
    char target[PATH_MAX];
    ssize_t size = readlink(path, target, sizeof target - 1);
    if (size <= 0)
        return false;
    target[size] = '\0';
    return tool_path_below(target, directory);
}

static bool has_open(const char *process, const char *directory)
{
    char path[PATH_MAX];
    bool found = false;
    snprintf(path, sizeof path, "%s/fd", process);
    DIR *handle = opendir(path);
    const struct dirent *entry;
    while (handle && !found && (entry = readdir(handle)) != NULL) {
        snprintf(path, sizeof path, "%s/fd/%s", process, entry->d_name);
        found = link_below(path, directory);
    }
    if (handle)
        closedir(handle);
    return found;
}

/* Mapped files: the sixth field of each line of maps. */
static bool has_mapped(const char *process, const char *directory)
{
    char line[PATH_MAX + 128];
    bool found = false;
    snprintf(line, sizeof line, "%s/maps", process);
    FILE *file = fopen(line, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *path = strchr(line, '/');
        line[strcspn(line, "\n")] = '\0';
        found = path && tool_path_below(path, directory);
    }
    if (file)
        fclose(file);
    return found;
}

static bool uses(const char *process, const char *directory)
{
    static const char *const links[] = {"cwd", "root", "exe"};
    char path[64];
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", process, links[i]);
        if (link_below(path, directory))
            return true;
    }
    return has_open(process, directory) || has_mapped(process, directory);
}

static void read_name(const char *process, char name[64])
{
    char path[64];
    strcpy(name, "?");
    snprintf(path, sizeof path, "%s/comm", process);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, 64, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
}

static int add_name(const char *process, const char *pid, struct sfs_buffer *names)
{
    char name[64];
    read_name(process, name);
    return sfs_buffer_printf(names, "%s%s (%s)", names->size ? ", " : "", name, pid);
}

int tool_users_name(pid_t pid, struct sfs_buffer *names)
{
    char process[32];
    snprintf(process, sizeof process, "/proc/%d", (int)pid);
    int result = add_name(process, process + 6, names);
    return result ? result : sfs_buffer_text(names);
}

int tool_users_find(const char *directory, struct sfs_buffer *names)
{
    char process[32];
    int count = 0;
    int result = 0;
    DIR *handle = opendir("/proc");
    const struct dirent *entry;
    while (handle && !result && count < USERS_MAX && (entry = readdir(handle)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(process, sizeof process, "/proc/%.20s", entry->d_name);
        if (uses(process, directory)) {
            result = add_name(process, entry->d_name, names);
            count++;
        }
    }
    if (handle)
        closedir(handle);
    return result ? result : sfs_buffer_text(names);
}

/* --- the same file system elsewhere --- */

struct search {
    const struct tool_mount *mount;
    struct sfs_buffer *places;
    ino_t seen[USERS_MAX + 1]; /* the mount namespaces that were searched, ours first */
    size_t count;
};

static bool is_copy(const struct tool_mount *mount, const struct tool_mount *other)
{
    return other->is_storefs && other->major == mount->major && other->minor == mount->minor &&
           strcmp(other->source, mount->source) == 0;
}

static const struct tool_mount *copy_in(const struct tool_mounts *mounts,
                                        const struct tool_mount *mount)
{
    for (size_t i = 0; i < mounts->count; i++)
        if (is_copy(mount, &mounts->items[i]))
            return &mounts->items[i];
    return NULL;
}

/* The number of a process's mount namespace, 0 if it may not be known. */
static ino_t namespace_of(const char *process)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "%s/ns/mnt", process);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

static bool was_searched(const struct search *search, ino_t number)
{
    for (size_t i = 0; number && i < search->count; i++)
        if (search->seen[i] == number)
            return true;
    return false;
}

static int search_process(struct search *search, const char *process, const char *pid)
{
    char path[64];
    char name[64];
    struct tool_mounts mounts;
    ino_t number = namespace_of(process);
    snprintf(path, sizeof path, "%s/mountinfo", process);
    /* One that may not be known may be one that was found. */
    if ((!number && search->places->size) || was_searched(search, number) ||
        tool_mounts_read_from(path, &mounts, NULL))
        return 0;
    int result = 0;
    if (copy_in(&mounts, search->mount)) {
        read_name(process, name);
        result = sfs_buffer_printf(search->places, "%sin another mount namespace (process %s, %s)",
                                   search->places->size ? ", " : "", pid, name);
        search->seen[search->count++] = number;
    }
    tool_mounts_free(&mounts);
    return result;
}

static int search_own(struct search *search)
{
    struct tool_mounts mounts;
    int result = tool_mounts_read(&mounts, NULL);
    if (result)
        return result;
    const struct tool_mount *copy = copy_in(&mounts, search->mount);
    if (copy)
        result = sfs_buffer_printf(search->places, "at %s", copy->directory);
    tool_mounts_free(&mounts);
    search->seen[search->count++] = namespace_of("/proc/self");
    return result;
}

int tool_users_elsewhere(const struct tool_mount *mount, struct sfs_buffer *places)
{
    char process[32];
    struct search search = {.mount = mount, .places = places};
    int result = search_own(&search);
    DIR *handle = opendir("/proc");
    const struct dirent *entry;
    while (handle && !result && search.count <= USERS_MAX && (entry = readdir(handle)) != NULL) {
        snprintf(process, sizeof process, "/proc/%.20s", entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]))
            result = search_process(&search, process, entry->d_name);
    }
    if (handle)
        closedir(handle);
    return result ? result : sfs_buffer_text(places);
}

int tool_users_nested(const char *directory, struct sfs_buffer *places)
{
    struct tool_mounts mounts;
    int result = tool_mounts_read(&mounts, NULL);
    if (result)
        return result;
    for (size_t i = 0; !result && i < mounts.count; i++) {
        const struct tool_mount *mount = &mounts.items[i];
        if (tool_path_below(mount->directory, directory) &&
            strcmp(mount->directory, directory) != 0)
            result = sfs_buffer_printf(places, "%s%s (%s)", places->size ? ", " : "",
                                       mount->directory, mount->type);
    }
    tool_mounts_free(&mounts);
    return result ? result : sfs_buffer_text(places);
}
