/* SPDX-License-Identifier: MIT */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A progress bar on standard error for what takes over a second, only on a terminal; and ^C, which
 * asks the work to stop (a second ^C ends the process as usual).
 */
struct tool_progress {
    const char *what; /* "records" or "bytes": what `done` counts */
    bool terminal;
    bool shown;
    int64_t begun; /* ns */
    int64_t drawn;
    uint64_t done;
};

/* Begins and catches SIGINT and SIGTERM. */
void tool_progress_begin(struct tool_progress *progress, const char *what);
/* A stop also ends the input that the work may be waiting for: it then reads an end of file. */
void tool_progress_cut(int descriptor);
/* A sfs_progress_function; `context` is the struct tool_progress. */
int tool_progress_step(void *context, uint64_t done, uint64_t total);
/* Takes the bar away. */
void tool_progress_end(struct tool_progress *progress);
/* The signal that asked to stop, or 0. */
int tool_interrupted(void);

#endif
