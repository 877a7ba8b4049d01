/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_COUNTED_H
#define CONFORMANCE_COUNTED_H

/*
 * Counts what a process does, as a measure that does not depend on the machine: calls on files,
 * names read from directories, comparisons (memcmp), steps of SQLite's machine, allocations,
 * statements of SQL and the rows that they return.
 * counted.c defines these functions in place of libc's and SQLite's: in the program that it is
 * linked to, or loaded in front of a command (LD_PRELOAD), where the counters are then in the file
 * $COUNTED_CALLS.
 */
#include <stdatomic.h>

/* The file holds this, too: seven numbers of eight bytes. */
struct counted {
    atomic_ullong files;
    atomic_ullong names;
    atomic_ullong compares;
    atomic_ullong steps;
    atomic_ullong allocations; /* only where it is compiled with COUNTED_ALLOCATIONS */
    atomic_ullong statements;  /* begun */
    atomic_ullong rows;
};

/* The counters of this process, thread-safe; they only grow. */
struct counted *counted_calls(void);

#endif
