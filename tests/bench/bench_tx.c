/* SPDX-License-Identifier: MIT */
/*
 * Many small files through a mount, made with open, write and close: each for itself, each for itself and
 * made durable (fsync before close), and all of them in one transaction whose commit is durable. The same
 * on a file system in memory (floor.h), which is what the kernel and FUSE alone cost for the five requests
 * that such a file needs (LOOKUP, CREATE, WRITE, FLUSH, RELEASE). Once with client and daemon on
 * one CPU, once as the scheduler likes. Prints the median of the rounds in milliseconds, and how many times
 * as fast the transaction is. The kinds take turns in each round, so that what else the machine does falls
 * on all of them.
 *
 * Usage: STOREFS=COMMAND bench_tx [ROUNDS [FILES]]
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/floor.h"

#define ROUNDS_MAX 99
#define MOUNT "mnt" /* all paths are relative to a directory of our own */

enum kind { PLAIN, DURABLE, TOGETHER, KINDS };

static char directory[200];
static char command[PATH_MAX];
static unsigned rounds = 5;
static unsigned files = 10000;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_tx: %s: %s\n", what, why);
    exit(1);
}

/* --- mounting --- */

static void run(const char *const *words)
{
    pid_t child = fork();
    int status = 1;
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (null >= 0)
            dup2(null, STDOUT_FILENO);
        execv(words[0], (char *const *)words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail(words[0], words[1]);
}

/* Waits until something is mounted there. */
static void await_mount(void)
{
    struct stat inside, above;
    for (int tries = 0; tries < 500; tries++) {
        if (stat(MOUNT, &inside) == 0 && stat(".", &above) == 0 && inside.st_dev != above.st_dev)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail(MOUNT, "is not mounted");
}

/* --- one run --- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void make_file(int dir, unsigned number, bool durable)
{
    char name[20];
    snprintf(name, sizeof(name), "f%05u", number);
    int file = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0 || write(file, name, strlen(name)) < 0 || (durable && fsync(file) != 0) ||
        close(file) != 0)
        fail(name, strerror(errno));
}

static void make_files(const char *where, bool durable)
{
    int dir = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        fail(where, strerror(errno));
    for (unsigned i = 0; i < files; i++)
        make_file(dir, i, durable);
    close(dir);
}

static void make_directory(const char *path)
{
    if (mkdir(path, 0755) != 0)
        fail(path, strerror(errno));
}

/* Milliseconds. */
static double run_kind(enum kind kind)
{
    static unsigned number;
    char keys[60], inside[60];
    number++;
    snprintf(keys, sizeof(keys), MOUNT "/keys/d%u", number);
    snprintf(inside, sizeof(inside), MOUNT "/tx/t/keys/d%u", number);
    make_directory(keys);
    double began = now();
    if (kind != TOGETHER) {
        make_files(keys, kind == DURABLE);
        return now() - began;
    }
    make_directory(MOUNT "/tx/t");
    make_files(inside, false);
    int file = open(MOUNT "/tx/t/commit", O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (file < 0 || close(file) != 0)
        fail("commit", strerror(errno));
    return now() - began;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values)
{
    qsort(values, rounds, sizeof(*values), by_value);
    return rounds % 2 ? values[rounds / 2] : (values[rounds / 2 - 1] + values[rounds / 2]) / 2;
}

/* --- the table --- */

static void measure_store(const char *uri, const char *pinning)
{
    double times[KINDS][ROUNDS_MAX];
    run((const char *[]){command, "mount", uri, MOUNT, NULL});
    for (unsigned round = 0; round < rounds; round++)
        for (enum kind kind = PLAIN; kind < KINDS; kind++)
            times[kind][round] = run_kind(kind);
    run((const char *[]){command, "unmount", MOUNT, NULL});
    double plain = median(times[PLAIN]), durable = median(times[DURABLE]), tx = median(times[TOGETHER]);
    printf("%-14s %-5s %10.0f %10.0f %10.0f %12.1f %12.1f\n", uri, pinning, plain, durable, tx,
           durable / tx, plain / tx);
    fflush(stdout);
    unlink("store");
    unlink("store-wal");
    unlink("store-shm");
}

static void measure_floor(const char *pinning)
{
    double times[ROUNDS_MAX];
    char name[40];
    pid_t server = fork();
    if (server == 0)
        floor_serve(MOUNT, &(struct floor_options){.direct = true});
    await_mount();
    for (unsigned round = 0; round < rounds; round++) {
        snprintf(name, sizeof(name), MOUNT "/d%u", round);
        make_directory(name);
        double began = now();
        make_files(name, false);
        times[round] = now() - began;
    }
    umount2(MOUNT, MNT_DETACH);
    waitpid(server, NULL, 0);
    printf("%-14s %-5s %10s %10s %10.0f\n", "(floor)", pinning, "", "", median(times));
    fflush(stdout);
}

static void measure(const char *pinning)
{
    measure_floor(pinning);
    measure_store("sqlite:store", pinning);
    measure_store("memory:", pinning);
}

static unsigned number(const char *text, unsigned highest)
{
    unsigned long found = strtoul(text, NULL, 10);
    if (found == 0 || found > highest)
        fail(text, "is no number that can be taken");
    return (unsigned)found;
}

/* To a directory of our own; the command is found from where we were. */
static void move_in(void)
{
    const char *base = getenv("TMPDIR");
    const char *given = getenv("STOREFS");
    if (realpath(given != NULL ? given : "./storefs", command) == NULL)
        fail("the command, which STOREFS tells", strerror(errno));
    snprintf(directory, sizeof(directory), "%s/bench_tx.XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        fail(directory, strerror(errno));
    make_directory(MOUNT);
}

static void first_cpu(const cpu_set_t *all, cpu_set_t *one)
{
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, all))
        cpu++;
    CPU_ZERO(one);
    CPU_SET(cpu, one);
}

int main(int count, char **words)
{
    cpu_set_t all, one;
    if (count > 1)
        rounds = number(words[1], ROUNDS_MAX);
    if (count > 2)
        files = number(words[2], 100000);
    move_in();
    printf("%u files, medians of %u rounds, ms\n", files, rounds);
    printf("%-14s %-5s %10s %10s %10s %12s %12s\n", "store", "CPUs", "plain", "fsync each", "one tx",
           "fsync/tx", "plain/tx");
    sched_getaffinity(0, sizeof(all), &all);
    first_cpu(&all, &one);
    sched_setaffinity(0, sizeof(one), &one);
    measure("one");
    sched_setaffinity(0, sizeof(all), &all);
    measure("all");
    rmdir(MOUNT);
    rmdir(directory);
    return 0;
}
