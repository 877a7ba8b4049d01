/* SPDX-License-Identifier: MIT */
/*
 * The server's memory: after the mount, after a walk that looks at every key, and after the kernel
 * was told to forget what it can.
 */
#include "tests/bench/mount_bench.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORY "memory"

static unsigned long visited;

static int visit(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)path;
    (void)st;
    (void)place;
    visited += type == FTW_F;
    return 0;
}

static void print_memory(pid_t server, const char *when)
{
    char path[40], line[200];
    unsigned long now = 0, most = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", server);
    FILE *file = fopen(path, "re");
    bench_need(file != NULL, path);
    while (fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "VmRSS: %lu", &now);
        sscanf(line, "VmHWM: %lu", &most);
    }
    fclose(file);
    printf("%-40s %8.1f MiB, at most %8.1f MiB\n", when, (double)now / 1024, (double)most / 1024);
    fflush(stdout);
}

void memory_measure(unsigned keys)
{
    engine_fill("sqlite:memory.sqlite", keys);
    pid_t server = places_mount("sqlite:memory.sqlite", DIRECTORY, NULL);
    print_memory(server, "mounted");
    double begun = bench_now();
    bench_need(nftw(DIRECTORY "/keys", visit, 64, FTW_PHYS) == 0, DIRECTORY);
    if (visited != keys + READ_FILES)
        bench_fail(DIRECTORY, "has not the keys that were put there");
    printf("a walk over %u keys took %.1f s\n", keys, bench_now() - begun);
    print_memory(server, "after the walk");
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    bench_need(file >= 0 && write(file, "3", 1) == 1, "/proc/sys/vm/drop_caches");
    close(file);
    nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
    print_memory(server, "after the kernel has dropped its caches");
    places_unmount(DIRECTORY, server);
}
