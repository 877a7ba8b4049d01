/* SPDX-License-Identifier: MIT */
/*
 * Owners of leases, stages and unfinished indexes: "BOOT PIDNS:TIMENS PID START". BOOT is the
 * machine's boot id. PIDNS and TIMENS are the namespaces of PID and START. START is when the
 * process began, in ticks since the boot, so that a reused number is not taken for the old process.
 * "-" stands for a part that cannot be read (no /proc).
 *
 * An owner with our boot id and namespaces is dead if its process is. Any other process cannot be
 * looked at: its owner is dead if no other opening of the store exists, which a lock of each
 * opening shows; otherwise its rows end by their time.
 */
#include "backends/sqlite/sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"

struct owner {
    char boot[40];
    char namespaces[48];
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
    return sscanf(text, "%39s %47s %ld %23s", ret_owner->boot, ret_owner->namespaces,
                  &ret_owner->pid, ret_owner->start) == 4;
}

static bool is_known(const char *field)
{
    return strcmp(field, "-") != 0;
}

/* The number of a namespace of this process; 0: it is not known, or the kernel has none of this
 * kind. */
static unsigned long long namespace(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (unsigned long long)status.st_ino : 0;
}

/* How far CLOCK_MONOTONIC is ahead in this process's time namespace. The file shows the namespace
 * of future children, which differs only after unshare(2) without fork(2). */
static int64_t clock_offset(void)
{
    char text[200];
    long long seconds, nanoseconds;
    if (namespace("/proc/self/ns/time") != namespace("/proc/self/ns/time_for_children") ||
        !read_file("/proc/self/timens_offsets", text, sizeof(text)) ||
        sscanf(text, "monotonic %lld %lld", &seconds, &nanoseconds) != 2)
        return 0;
    return seconds * SFS_NS_PER_SECOND + nanoseconds;
}

void sfs_sqlite_owner_init(struct sfs_sqlite *store)
{
    struct owner self = {.boot = "-", .namespaces = "-", .start = "-", .pid = (long)getpid()};
    struct process process;
    char line[64];
    unsigned long long number = namespace("/proc/self/ns/pid");
    if (read_file("/proc/sys/kernel/random/boot_id", line, sizeof(line)))
        (void)sscanf(line, "%39s", self.boot);
    if (number != 0)
        snprintf(self.namespaces, sizeof(self.namespaces), "%llu:%llu", number,
                 namespace("/proc/self/ns/time"));
    if (read_process(self.pid, &process))
        memcpy(self.start, process.start, sizeof(self.start));
    snprintf(store->owner, sizeof(store->owner), "%s %s %ld %s", self.boot, self.namespaces,
             self.pid, self.start);
    store->clock_offset = clock_offset();
    store->present = -1;
}

int64_t sfs_sqlite_clock(const struct sfs_sqlite *store)
{
    return sfs_clock_monotonic() - store->clock_offset;
}

/* --- openings of the store --- */

/* An open file description owns the lock, so it ends with the process. The log is the file that
 * SQLite never locks (turn.c). The descriptor is a separate one because NFS turns flock(2) into
 * locks of this kind. */
static struct flock lock_of(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
}

void sfs_sqlite_owner_enter(struct sfs_sqlite *store)
{
    struct flock lock = lock_of(F_RDLCK);
    store->present = sfs_sqlite_log_open(store);
    if (store->present >= 0 && fcntl(store->present, F_OFD_SETLK, &lock) != 0)
        sfs_sqlite_owner_leave(store);
}

void sfs_sqlite_owner_leave(struct sfs_sqlite *store)
{
    if (store->present >= 0)
        close(store->present);
    store->present = -1;
}

/* False where the lock cannot be asked for. */
static bool is_alone(const struct sfs_sqlite *store)
{
    struct flock lock = lock_of(F_WRLCK);
    return store->present >= 0 && fcntl(store->present, F_OFD_GETLK, &lock) == 0 &&
           lock.l_type == F_UNLCK;
}

/* --- dead owners --- */

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
    bool same = parse(store->owner, &self) && parse(text, &owner) && owner.pid > 0 &&
                is_known(owner.boot) && strcmp(self.boot, owner.boot) == 0 &&
                is_known(owner.namespaces) && strcmp(self.namespaces, owner.namespaces) == 0;
    return same ? is_gone(&owner) : is_alone(store);
}
