/* SPDX-License-Identifier: MIT */
/* The process that serves a mount. */
#include "tools/daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/child.h"

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

/* What ties a process to a mount; from FULL_PATH on it is certain. */
enum tie { NO_TIE, NO_PATH, LAST_PART, FULL_PATH, CONNECTION };

/* CONNECTION: a descriptor of /dev/fuse has that of the mount. NO_PATH: the process has such
 * descriptors, and the kernel tells the connection of none. */
static enum tie compare_descriptors(const char *process, const struct tool_mount *mount)
{
    char path[64 + NAME_MAX];
    char target[16];
    enum tie tie = NO_TIE;
    bool told = false;
    snprintf(path, sizeof path, "%s/fd", process);
    DIR *handle = opendir(path);
    const struct dirent *entry;
    while (handle && tie != CONNECTION && (entry = readdir(handle)) != NULL) {
        snprintf(path, sizeof path, "%s/fd/%s", process, entry->d_name);
        ssize_t size = readlink(path, target, sizeof target);
        if (size != 9 || memcmp(target, "/dev/fuse", 9) != 0)
            continue;
        unsigned connection = connection_of(process, entry->d_name);
        told |= connection != NONE;
        tie = mount->major == 0 && connection == mount->minor ? CONNECTION : NO_PATH;
    }
    if (handle)
        closedir(handle);
    return told && tie != CONNECTION ? NO_TIE : tie;
}

/* How much of `directory` an argument is, if "mount" is one, too: else NO_PATH. */
static enum tie compare_arguments(const char *process, const char *directory)
{
    char path[64];
    char text[8192];
    bool mounts = false;
    enum tie tie = NO_PATH;
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
        if (strcmp(word, directory) == 0)
            tie = FULL_PATH;
        else if (tie == NO_PATH && strcmp(name, last) == 0)
            tie = LAST_PART;
    }
    return mounts ? tie : NO_PATH;
}

/* Opens the process before it looks at it. A tie below `least` is none. */
static enum tie identify(const struct tool_mount *mount, pid_t pid, enum tie least,
                         struct tool_daemon *ret_daemon)
{
    char process[32];
    struct stat status;
    struct tool_daemon daemon = {.pid = pid, .process = tool_process_open(pid)};
    if (daemon.process < 0)
        return NO_TIE;
    snprintf(process, sizeof process, "/proc/%d", (int)pid);
    enum tie tie = compare_descriptors(process, mount);
    if (tie == NO_PATH)
        tie = stat(process, &status) == 0 && status.st_uid == mount->user
                  ? compare_arguments(process, mount->directory)
                  : NO_TIE;
    daemon.certain = tie >= FULL_PATH;
    if (tie >= least)
        *ret_daemon = daemon;
    else
        tool_daemon_close(&daemon);
    return tie >= least ? tie : NO_TIE;
}

struct tool_daemon tool_daemon_find(const struct tool_mount *mount)
{
    struct tool_daemon found = {0};
    struct tool_daemon next;
    enum tie best = LAST_PART;
    size_t count = 0; /* with a tie as good as the best */
    DIR *handle = opendir("/proc");
    const struct dirent *entry;
    while (handle && best != CONNECTION && (entry = readdir(handle)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        enum tie tie = identify(mount, (pid_t)strtol(entry->d_name, NULL, 10), best, &next);
        if (tie == NO_TIE)
            continue;
        tool_daemon_close(&found);
        found = next;
        count = tie == best ? count + 1 : 1;
        best = tie;
    }
    if (handle)
        closedir(handle);
    if (count > 1)
        tool_daemon_close(&found);
    return found;
}

struct tool_daemon tool_daemon_told(const struct tool_mount *mount, pid_t pid)
{
    struct tool_daemon found = {0};
    (void)identify(mount, pid, NO_PATH, &found);
    return found;
}

void tool_daemon_close(struct tool_daemon *daemon)
{
    if (daemon->pid > 0)
        close(daemon->process);
    *daemon = (struct tool_daemon){0};
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
