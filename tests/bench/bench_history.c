/* SPDX-License-Identifier: MIT */
/*
 * What writes cost while something is held: single puts over some keys, with nothing open, with an
 * old snapshot, with that and a new one every hundred writes, and with that and a feed. Prints
 * writes/s for each, the median of the rounds and its share of the first. The kinds take turns in
 * each round.
 *
 * Usage: bench_history [ROUNDS [WRITES]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storefs/storefs.h"

#define KEYS 1000
#define ROUNDS_MAX 99

enum kind { NOTHING, SNAPSHOT, SNAPSHOTS, FEED, KINDS };

static const char *const names[KINDS] = {"nothing open", "an old snapshot", "and short ones",
                                         "and a feed"};

static void must(int code, const struct sfs_error *error)
{
    if (code >= 0)
        return;
    fprintf(stderr, "bench_history: %s\n", error->message);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void put(struct sfs_storage *store, unsigned number)
{
    char key[16], value[101];
    struct sfs_error error;
    snprintf(key, sizeof(key), "key/%04u", number * 2654435761u % KEYS);
    snprintf(value, sizeof(value), "%0100u", number);
    must(sfs_set(store, sfs_string(key), sfs_string(value), &error), &error);
}

static void read_feed(struct sfs_feed *feed)
{
    struct sfs_change change;
    struct sfs_error error;
    int code;
    while ((code = sfs_feed_next(feed, &change, &error)) == 1)
        continue;
    must(code, &error);
}

static double measure(struct sfs_storage *store, enum kind kind, unsigned writes)
{
    struct sfs_storage *old = NULL, *young = NULL;
    struct sfs_feed *feed = NULL;
    struct sfs_error error;
    if (kind >= SNAPSHOT)
        must(sfs_snapshot(store, 0, &old, &error), &error);
    if (kind >= FEED)
        must(sfs_changes(store, UINT64_MAX, &feed, &error), &error);
    double begun = seconds();
    for (unsigned i = 0; i < writes; i++) {
        put(store, i);
        if (kind < SNAPSHOTS || i % 100 != 0)
            continue;
        must(sfs_close(young, &error), &error);
        young = NULL;
        must(sfs_snapshot(store, 0, &young, &error), &error);
        if (feed)
            read_feed(feed);
    }
    double rate = writes / (seconds() - begun);
    must(sfs_close(young, &error), &error);
    must(sfs_close(old, &error), &error);
    sfs_feed_close(feed);
    return rate;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void run(const char *uri, int rounds, unsigned writes)
{
    static double rates[KINDS][ROUNDS_MAX];
    struct sfs_storage *store = NULL;
    struct sfs_error error;
    must(sfs_open(&store, uri, SFS_OPEN_CREATE, &error), &error);
    for (unsigned i = 0; i < KEYS; i++)
        put(store, i);
    for (int round = 0; round < rounds; round++) {
        for (int kind = 0; kind < KINDS; kind++)
            rates[kind][round] = measure(store, (enum kind)kind, writes);
    }
    for (int kind = 0; kind < KINDS; kind++) {
        qsort(rates[kind], (size_t)rounds, sizeof(double), compare);
        printf("  %-16s %7.0f writes/s  %.2f\n", names[kind], rates[kind][rounds / 2],
               rates[kind][rounds / 2] / rates[0][rounds / 2]);
    }
    must(sfs_close(store, &error), &error);
}

int main(int count, char **arguments)
{
    int rounds = count > 1 ? atoi(arguments[1]) : 5;
    unsigned writes = count > 2 ? (unsigned)atoi(arguments[2]) : 20000;
    char directory[] = "/tmp/storefs-bench.XXXXXX", path[60], uri[80];
    if (rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(directory)) {
        fprintf(stderr, "usage: bench_history [ROUNDS [WRITES]]\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/store", directory);
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    printf("sqlite\n");
    run(uri, rounds, writes);
    printf("memory\n");
    run("memory:", rounds, writes);
    unlink(path);
    rmdir(directory);
    return 0;
}
