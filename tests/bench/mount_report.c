/* SPDX-License-Identifier: MIT */
/*
 * Results: a table of medians, how many times the floor and the disk they are, and what is aimed
 * at.
 */
#include "tests/bench/mount_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct result results[TASKS][PLACES];

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* In microseconds. */
static double median(const double *values)
{
    double sorted[ROUNDS_MAX];
    unsigned count = settings.rounds;
    memcpy(sorted, values, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_value);
    return 1e6 * (count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2);
}

static double wall(int task, enum place place)
{
    return results[task][place].measured ? median(results[task][place].wall) : 0;
}

static void print_ratio(double value, double to)
{
    if (to > 0)
        printf(" %9.2f", value / to);
    else
        printf(" %9s", "");
}

static void print_row(int task, enum place place)
{
    const struct result *result = &results[task][place];
    if (!result->measured)
        return;
    double time = wall(task, place);
    printf("%-18s %-10s %11.2f %11.2f", tasks[task].name, place_names[place], time,
           median(result->processor));
    print_ratio(time, wall(task, FLOOR));
    print_ratio(time, wall(task, DISK));
    printf("\n");
}

static void aim(const char *what, double have, double base, double limit)
{
    if (have <= 0 || base <= 0)
        return;
    printf("%-62s %6.2f   at most %4.2f   %s\n", what, have / base, limit,
           have / base <= limit ? "held" : "MISSED");
}

/* The larger the better: `rate` is that of `have` over that of `base`. */
static void aim_rate(const char *what, double have, double base, double limit)
{
    if (have <= 0 || base <= 0)
        return;
    printf("%-62s %6.2f   at least %3.1f   %s\n", what, base / have, limit,
           base / have >= limit ? "held" : "MISSED");
}

void report(void)
{
    printf("%-18s %-10s %11s %11s %9s %9s\n", "task", "place", "us", "CPU us", "x floor", "x disk");
    for (int task = 0; task < TASKS; task++)
        for (int place = 0; place < PLACES; place++)
            print_row(task, (enum place)place);
    printf("\n");
    double floor = wall(READ_COLD, FLOOR), get = wall(READ_COLD, PLAIN);
    aim("warm open+read+close: mount to floor", wall(READ_WARM, MOUNT), wall(READ_WARM, FLOOR),
        1.25);
    aim("warm open+read+close: keys-only to disk", wall(READ_WARM, KEYS_ONLY),
        wall(READ_WARM, DISK), 1.3);
    aim("warm stat: mount to disk", wall(STAT_WARM, MOUNT), wall(STAT_WARM, DISK), 1.2);
    aim("cold read: mount to floor and one SQLite get", wall(READ_COLD, MOUNT), floor + get, 1.2);
    aim("create+write+close: mount to floor and one SQLite autocommit", wall(CREATE, MOUNT),
        wall(CREATE, FLOOR) + wall(CREATE, PLAIN), 1.25);
    aim_rate("durable creation: rate of four clients to that of one", wall(CREATE_DURABLE_4, MOUNT),
             wall(CREATE_DURABLE, MOUNT), 2);
    aim("listing with stat: mount to floor", wall(LIST_STAT, MOUNT), wall(LIST_STAT, FLOOR), 1.5);
    aim_rate("sequential read: rate of mount to that of the floor", wall(READ_SEQUENTIAL, MOUNT),
             wall(READ_SEQUENTIAL, FLOOR), 0.6);
    aim_rate("sequential write: rate of mount to that of the floor", wall(WRITE_SEQUENTIAL, MOUNT),
             wall(WRITE_SEQUENTIAL, FLOOR), 0.6);
}
