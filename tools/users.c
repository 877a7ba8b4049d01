/* SPDX-License-Identifier: MIT */
/* Who uses a mount: reads links in /proc, which never touches the mount itself. */
#include "tools/users.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
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

static int add_name(const char *process, const char *pid, struct sfs_buffer *names)
{
    char name[64] = "?";
    char path[64];
    snprintf(path, sizeof path, "%s/comm", process);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    return sfs_buffer_printf(names, "%s%s (%s)", names->size ? ", " : "", name, pid);
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
