/* SPDX-License-Identifier: MIT */
/*
 * Who owns a lease or a stage: "BOOT PIDNS PID START", being the machine's boot id, the namespace
 * that the process number belongs to, and when that process began (in ticks since the boot), so
 * that a number which is in use again is not taken for its old owner. What cannot be found out (no
 * /proc) is
 * "-", and of whom too little is known is never taken for dead: such a row ends by its time.
 */
#include "backends/sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct owner {
    char boot[40];
    char namespace[24];
    char start[24];
    long pid;
};

/* The file's first `size - 1` bytes at most; false where it cannot be read. */
static bool read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return true;
}

struct process {
    char state;
    long threads;
    char start[24];
};

/* Of /proc/PID/stat what comes behind the command, which may hold blanks and brackets itself. */
static bool read_process(long pid, struct process *ret_process)
{
    char path[40];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    if (!read_file(path, text, sizeof(text)))
        return false;
    const char *end = strrchr(text, ')');
    return end &&
           sscanf(end + 1,
                  " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld %*s"
                  " %23s",
                  &ret_process->state, &ret_process->threads, ret_process->start) == 3;
}

static bool parse(const char *text, struct owner *ret_owner)
{
    return sscanf(text, "%39s %23s %ld %23s", ret_owner->boot, ret_owner->namespace,
                  &ret_owner->pid, ret_owner->start) == 4;
}

static bool is_known(const char *field)
{
    return strcmp(field, "-") != 0;
}

void sfs_sqlite_owner_self(char *text, size_t size)
{
    struct owner self = {.boot = "-", .namespace = "-", .start = "-", .pid = (long)getpid()};
    struct process process;
    struct stat status;
    char line[64];
    if (read_file("/proc/sys/kernel/random/boot_id", line, sizeof(line)))
        (void)sscanf(line, "%39s", self.boot);
    if (stat("/proc/self/ns/pid", &status) == 0)
        snprintf(self.namespace, sizeof(self.namespace), "%llu", (unsigned long long)status.st_ino);
    if (read_process(self.pid, &process))
        memcpy(self.start, process.start, sizeof(self.start));
    snprintf(text, size, "%s %s %ld %s", self.boot, self.namespace, self.pid, self.start);
}

/* A process that was killed and that its parent has not waited for uses nothing any more; one whose
 * first thread alone has ended looks the same but for the number of threads. */
static bool is_gone(const struct owner *owner)
{
    struct process process;
    if (kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH)
        return true;
    if (!is_known(owner->start) || !read_process(owner->pid, &process))
        return false;
    bool ended = (process.state == 'Z' || process.state == 'X') && process.threads <= 1;
    return ended || strcmp(process.start, owner->start) != 0;
}

bool sfs_sqlite_owner_dead(const struct sfs_sqlite *store, const char *text)
{
    struct owner self, owner;
    if (!parse(store->owner, &self) || !parse(text, &owner) || owner.pid <= 0)
        return false;
    if (!is_known(self.boot) || !is_known(owner.boot))
        return false;
    if (strcmp(self.boot, owner.boot) != 0)
        return store->local;
    return is_known(owner.namespace) && strcmp(self.namespace, owner.namespace) == 0 &&
           is_gone(&owner);
}

bool sfs_sqlite_is_local(const char *path)
{
    static const unsigned long local[] = {
        0xef53,     /* ext2, ext3, ext4 */
        0x58465342, /* XFS */
        0x9123683e, /* Btrfs */
        0x01021994, /* tmpfs */
        0x858458f6, /* ramfs */
        0x794c7630, /* overlayfs, whose upper directory is local */
        0xf2f52010, /* F2FS */
        0x2fc12fc1, /* ZFS */
        0xca451a4e, /* bcachefs */
        0x3153464a, /* JFS */
        0x4d44,     /* FAT */
        0x2011bab0, /* exFAT */
    };
    struct statfs status;
    if (statfs(path, &status) != 0)
        return false;
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        if ((unsigned long)status.f_type == local[i])
            return true;
    }
    return false;
}
