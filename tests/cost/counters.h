/* SPDX-License-Identifier: MIT */
#ifndef COST_COUNTERS_H
#define COST_COUNTERS_H

/*
 * The file of the counters: the first COUNTED are struct counted, which conformance/counted.c adds
 * to in the process itself; the rest are what calls.c sees from outside.
 */
#include <stdint.h>

#include "tests/conformance/counted.h"

enum {
    COUNTED = sizeof(struct counted) / sizeof(uint64_t),
    CALLS = COUNTED, /* system calls, see calls.c */
    BYTES,           /* written to files */
    LOG_BYTES,       /* of these to the log of SQLite */
    SYNCS,           /* fsync, fdatasync, sync_file_range, syncfs */
    REQUESTS,        /* of the kernel, through /dev/fuse */
    COUNTERS,
};
struct counters {
    uint64_t of[COUNTERS];
};

#endif
