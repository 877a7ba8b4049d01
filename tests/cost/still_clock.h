/* SPDX-License-Identifier: MIT */
#ifndef COST_STILL_CLOCK_H
#define COST_STILL_CLOCK_H

/*
 * A clock that stands still, for the program that it is linked to or loaded in front of
 * (LD_PRELOAD): what a store does by time (ending leases, pruning, closing a read transaction)
 * happens at the same operation in each run, on a loaded machine too. Timed waits wait for their
 * signal alone. A sleep passes its time at once. The kernel tells nothing of changed files
 * (inotify), since nobody can say when it does.
 */
#include <stdint.h>

/* Sets all clocks ahead. From any thread. */
void still_clock_advance(int64_t nanoseconds);

#endif
