/* SPDX-License-Identifier: MIT */
/* The process that serves a mount. */
#include "tools/daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NONE UINT_MAX

/* The connection of a descriptor, NONE if the kernel does not tell. */
static unsigned connection_of(const char *process, const char *descriptor)
{
    char path[64 + NAME_MAX];
    char line[128];
    unsigned number = NONE;
    snprintf(path, sizeof path, "%s/fdinfo/%s", process, descriptor);
    FILE *file = fopen(path, "re");
    while (file && number == NONE && fgets(line, sizeof line, file))
        if (sscanf(line, "fuse_connection: %u", &number) != 1)
            number = NONE;
    if (file)
        fclose(file);
    return number;
}

/* Whether the process has /dev/fuse open; the connection of the last such descriptor, or NONE. */
static bool has_fuse(const char *process, unsigned wanted, unsigned *ret_connection)
{
    char path[64 + NAME_MAX];
    char target[16];
    bool found = false;
    *ret_connection = NONE;
    snprintf(path, sizeof path, "%s/fd", process);
    DIR *handle = opendir(path);
    const struct dirent *entry;
    while (handle && *ret_connection != wanted && (entry = readdir(handle)) != NULL) {
        snprintf(path, sizeof path, "%s/fd/%s", process, entry->d_name);
        ssize_t size = readlink(path, target, sizeof target);
        if (size != 9 || memcmp(target, "/dev/fuse", 9) != 0)
            continue;
        found = true;
        *ret_connection = connection_of(process, entry->d_name);
    }
    if (handle)
        closedir(handle);
    return found;
}

/* Whether the last part of `directory` is the end of an argument, and "mount" is one. */
static bool is_mount_of(const char *process, const char *directory)
{
    char path[64];
    char text[8192];
    bool mounts = false;
    bool names = false;
    const char *last = strrchr(directory, '/');
    snprintf(path, sizeof path, "%s/cmdline", process);
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    last = last ? last + 1 : directory;
    for (const char *word = text; word < text + size; word += strlen(word) + 1) {
        const char *slash = strrchr(word, '/');
        const char *name = slash ? slash + 1 : word;
        mounts |= strncmp(name, "mount", 5) == 0;
        names |= strcmp(name, last) == 0;
    }
    return mounts && names;
}

struct tool_daemon tool_daemon_find(const struct tool_mount *mount)
{
    struct tool_daemon found = {0};
    char process[32];
    unsigned connection;
    DIR *handle = opendir("/proc");
    const struct dirent *entry;
    while (handle && !found.certain && (entry = readdir(handle)) != NULL) {
        snprintf(process, sizeof process, "/proc/%.20s", entry->d_name);
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            !has_fuse(process, mount->minor, &connection))
            continue;
        bool certain = mount->major == 0 && connection == mount->minor;
        if (certain || (connection == NONE && is_mount_of(process, mount->directory)))
            found = (struct tool_daemon){(pid_t)strtol(entry->d_name, NULL, 10), certain};
    }
    if (handle)
        closedir(handle);
    return found;
}

bool tool_daemon_stopped(pid_t pid)
{
    char path[64];
    char line[128];
    char state = '?';
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && state == '?' && fgets(line, sizeof line, file))
        if (sscanf(line, "State: %c", &state) != 1)
            state = '?';
    if (file)
        fclose(file);
    return state == 'T' || state == 't';
}

bool tool_daemon_serves(pid_t pid)
{
    char process[32];
    unsigned connection;
    snprintf(process, sizeof process, "/proc/%d", (int)pid);
    return has_fuse(process, NONE - 1, &connection);
}
