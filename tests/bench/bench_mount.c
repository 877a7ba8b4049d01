/* SPDX-License-Identifier: MIT */
/*
 * What a mount costs, beside the floor of what FUSE itself costs, the file system of the disk,
 * plain SQLite and libstorefs in this process: small files, attributes, listings and a large file,
 * warm and cold, by one client and four. Client and server are on one CPU: a wake-up across CPUs
 * costs so much that it would hide everything else. Prints the median of the rounds for an
 * operation, its processor time (client and server), the ratios, and what is aimed at. "Cold" means
 * that the kernel knows nothing of the names and files; the store's own file is in its page cache.
 * Needs root (for that).
 *
 * Usage: STOREFS=COMMAND bench_mount [-r ROUNDS] [-o OPERATIONS] [-d DURABLE] [-l LISTED] [-m
 * MEBIBYTES]
 *        [-t TASK]
 *    or: STOREFS=COMMAND bench_mount -k KEYS
 * OPERATIONS of small tasks, DURABLE of those that wait for the disk, entries LISTED, size of the
 * large file, tasks whose names begin with TASK. With -k: the server's memory after a walk over
 * KEYS keys instead.
 *
 * All is done in a directory in TMPDIR, by a child; its parent takes everything down however that
 * ends.
 */
#include "tests/bench/mount_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct settings settings = {
    .rounds = 3, .operations = 2000, .durable = 200, .listed = 100000, .mebibytes = 256};

static unsigned memory_keys;

void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_mount: %s: %s\n", what, why);
    exit(1);
}

void bench_need(bool good, const char *what)
{
    if (!good)
        bench_fail(what, strerror(errno));
}

double bench_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- one measurement --- */

static double processor_of(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double processor(enum place place)
{
    return processor_of(RUSAGE_SELF) + processor_of(RUSAGE_CHILDREN) + place_processor(place);
}

/* Clients that begin when the pipe is closed. */
static void start_clients(const struct task *task, enum place place, pid_t *clients, int gate[2])
{
    unsigned each = task->operations() / task->clients;
    bench_need(pipe2(gate, O_CLOEXEC) == 0, "pipe");
    for (unsigned i = 0; i < task->clients; i++) {
        char byte;
        clients[i] = fork();
        bench_need(clients[i] >= 0, "fork");
        if (clients[i] != 0)
            continue;
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 0)
            _exit(1);
        task->run(task, place, i * each, each);
        _exit(0);
    }
    close(gate[0]);
}

static void run_clients(const struct task *task, enum place place, double *begun)
{
    pid_t clients[CLIENTS];
    int gate[2], status;
    bool good = true;
    start_clients(task, place, clients, gate);
    *begun = bench_now();
    close(gate[1]);
    for (unsigned i = 0; i < task->clients; i++)
        good = waitpid(clients[i], &status, 0) == clients[i] && status == 0 && good;
    if (!good)
        bench_fail(task->name, "a client has failed");
}

static void measure(int number, enum place place, unsigned round)
{
    const struct task *task = &tasks[number];
    struct result *result = &results[number][place];
    unsigned count = task->operations() / task->clients * task->clients;
    if (task->prepare != NULL)
        task->prepare(task, place);
    double used = processor(place), begun = bench_now();
    if (task->clients > 1)
        run_clients(task, place, &begun);
    else
        task->run(task, place, 0, count);
    result->wall[round] = (bench_now() - begun) / count;
    result->processor[round] = (processor(place) - used) / count;
    result->measured = true;
}

static bool is_chosen(int number)
{
    const char *only = settings.only;
    return only == NULL || strncmp(tasks[number].name, only, strlen(only)) == 0;
}

static void measure_all(void)
{
    places_begin();
    engines_begin();
    for (unsigned round = 0; round < settings.rounds; round++)
        for (int task = 0; task < TASKS; task++)
            for (int place = 0; place < PLACES; place++)
                if (is_chosen(task) && tasks[task].places & 1u << place)
                    measure(task, (enum place)place, round);
    engines_end();
    places_end();
    printf("medians of %u rounds; %u operations, %u durable ones, %u entries, %u MiB\n",
           settings.rounds, settings.operations, settings.durable, settings.listed,
           settings.mebibytes);
    report();
}

static void on_one_cpu(void)
{
    cpu_set_t all, one;
    size_t cpu = 0;
    bench_need(sched_getaffinity(0, sizeof(all), &all) == 0, "CPUs");
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    bench_need(sched_setaffinity(0, sizeof(one), &one) == 0, "CPUs");
}

/* --- whoever takes down --- */

static int take_off(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st;
    (void)type;
    (void)place;
    return remove(path);
}

static pid_t start_worker(void)
{
    pid_t parent = getpid(), worker = fork();
    bench_need(worker >= 0, "fork");
    if (worker != 0) {
        setpgid(worker, worker);
        return worker;
    }
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getppid() != parent)
        exit(1);
    on_one_cpu();
    if (memory_keys != 0)
        memory_measure(memory_keys);
    else
        measure_all();
    exit(0);
}

static int supervise(const char *directory)
{
    sigset_t waited;
    int status = 1, signal_number;
    sigemptyset(&waited);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGHUP);
    sigaddset(&waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &waited, NULL);
    pid_t worker = start_worker();
    do {
        sigwait(&waited, &signal_number);
    } while (signal_number == SIGCHLD && waitpid(worker, &status, WNOHANG) == 0);
    places_clear();
    kill(-worker, SIGKILL);
    bench_need(chdir("/") == 0, "/");
    nftw(directory, take_off, 64, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return signal_number == SIGCHLD && status == 0 ? 0 : 1;
}

static void take_option(int option, const char *text)
{
    static const struct {
        char option;
        unsigned *value;
        unsigned highest;
    } numbers[] = {{'r', &settings.rounds, ROUNDS_MAX}, {'o', &settings.operations, 1000000},
                   {'d', &settings.durable, 1000000},   {'l', &settings.listed, 1000000},
                   {'m', &settings.mebibytes, 4096},    {'k', &memory_keys, 10000000}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i].option != option)
            continue;
        unsigned long value = strtoul(text, NULL, 10);
        if (value == 0 || value > numbers[i].highest)
            bench_fail(text, "is no number that can be taken");
        *numbers[i].value = (unsigned)value;
        return;
    }
    if (option != 't')
        bench_fail("usage", "bench_mount [-r ROUNDS] [-o OPERATIONS] [-d DURABLE] [-l LISTED] "
                            "[-m MEBIBYTES] [-t TASK] | -k KEYS");
    settings.only = text;
}

int main(int count, char **words)
{
    const char *given = getenv("STOREFS"), *base = getenv("TMPDIR");
    char directory[200];
    for (int option; (option = getopt(count, words, "r:o:d:l:m:t:k:")) != -1;)
        take_option(option, optarg);
    bench_need(realpath(given != NULL ? given : "./storefs", settings.command) != NULL,
               "the command, which STOREFS tells");
    snprintf(directory, sizeof(directory), "%s/bench-mount.XXXXXX", base != NULL ? base : "/tmp");
    bench_need(mkdtemp(directory) != NULL && chdir(directory) == 0, directory);
    return supervise(directory);
}
