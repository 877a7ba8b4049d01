/* SPDX-License-Identifier: MIT */
/*
 * The places: directories below the working directory, with a server where there is one. A server
 * is a child in this process group, in the foreground, so that it can always be found and ended.
 */
#include "tests/bench/mount_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/floor.h"

const char *const place_names[PLACES] = {
    [FLOOR] = "floor",     [DISK] = "disk",   [PLAIN] = "sqlite",
    [LIBRARY] = "library", [MOUNT] = "mount", [KEYS_ONLY] = "keys-only",
};

/* What is mounted, and the directory below it that is the place. */
static const char *const mounts[PLACES] = {
    [FLOOR] = "floor", [MOUNT] = "mount", [KEYS_ONLY] = "keys-only"};
static const char *const roots[PLACES] = {
    [FLOOR] = "floor", [DISK] = "disk", [MOUNT] = "mount/keys", [KEYS_ONLY] = "keys-only"};

static pid_t servers[PLACES];
static int directories[PLACES];

static void await_mount(const char *directory, pid_t server)
{
    struct stat inside, above;
    bench_need(stat(".", &above) == 0, ".");
    for (int tries = 0; tries < 3000; tries++) {
        if (stat(directory, &inside) == 0 && inside.st_dev != above.st_dev)
            return;
        if (waitpid(server, NULL, WNOHANG) == server)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    bench_fail(directory, "is not mounted");
}

/* A child that ends when its parent does. */
static pid_t start(void)
{
    pid_t parent = getpid(), child = fork();
    bench_need(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(1);
    }
    return child;
}

static void quiet(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDOUT_FILENO);
    if (null >= 0)
        dup2(null, STDERR_FILENO);
}

pid_t places_mount(const char *uri, const char *directory, const char *options)
{
    bench_need(mkdir(directory, 0755) == 0, directory);
    pid_t server = start();
    if (server == 0) {
        const char *words[] = {settings.command,      "mount", "-f", uri, directory,
                               options ? "-o" : NULL, options, NULL};
        quiet();
        execv(words[0], (char *const *)words);
        _exit(127);
    }
    await_mount(directory, server);
    return server;
}

void places_unmount(const char *directory, pid_t server)
{
    umount2(directory, MNT_DETACH);
    waitpid(server, NULL, 0);
    rmdir(directory);
}

static void begin_floor(void)
{
    struct floor_options options = {.files = settings.listed};
    bench_need(mkdir(mounts[FLOOR], 0755) == 0, mounts[FLOOR]);
    servers[FLOOR] = start();
    if (servers[FLOOR] == 0)
        floor_serve(mounts[FLOOR], &options);
    await_mount(mounts[FLOOR], servers[FLOOR]);
}

static void make_file(int directory, const char *name, size_t size)
{
    int file = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bench_need(file >= 0 && write(file, bench_value(), size) == (ssize_t)size, name);
    bench_need(close(file) == 0, name);
}

/* What engine_fill puts into a store. */
static void fill(int directory, bool listed)
{
    char key[64];
    bench_need(mkdirat(directory, "read", 0755) == 0, "read");
    for (unsigned i = 0; i < READ_FILES; i++) {
        bench_key(key, sizeof(key), "read", i);
        make_file(directory, key, VALUE_SIZE);
    }
    if (!listed)
        return;
    bench_need(mkdirat(directory, "list", 0755) == 0, "list");
    for (unsigned i = 0; i < settings.listed; i++) {
        bench_key(key, sizeof(key), "list", i);
        make_file(directory, key, 0);
    }
}

void places_begin(void)
{
    begin_floor();
    bench_need(mkdir(roots[DISK], 0755) == 0, roots[DISK]);
    engine_fill("sqlite:mount.sqlite", settings.listed);
    engine_fill("sqlite:keys-only.sqlite", settings.listed);
    servers[MOUNT] = places_mount("sqlite:mount.sqlite", mounts[MOUNT], NULL);
    servers[KEYS_ONLY] = places_mount("sqlite:keys-only.sqlite", mounts[KEYS_ONLY], "ro,keys-only");
    for (int i = 0; i < PLACES; i++) {
        directories[i] = roots[i] != NULL ? open(roots[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        bench_need(roots[i] == NULL || directories[i] >= 0, place_names[i]);
    }
    fill(directories[FLOOR], false);
    fill(directories[DISK], true);
    sync();
}

void places_end(void)
{
    for (int i = 0; i < PLACES; i++) {
        if (directories[i] >= 0)
            close(directories[i]);
        if (mounts[i] != NULL)
            places_unmount(mounts[i], servers[i]);
    }
}

void places_clear(void)
{
    for (int i = 0; i < PLACES; i++)
        if (mounts[i] != NULL)
            umount2(mounts[i], MNT_DETACH);
}

int place_directory(enum place place)
{
    return directories[place];
}

pid_t place_server(enum place place)
{
    return servers[place];
}

double place_processor(enum place place)
{
    clockid_t clock;
    struct timespec time;
    if (servers[place] == 0)
        return 0;
    bench_need(clock_getcpuclockid(servers[place], &clock) == 0 && clock_gettime(clock, &time) == 0,
               "the server's clock");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
