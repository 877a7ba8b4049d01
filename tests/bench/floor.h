/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TESTS_BENCH_FLOOR_H
#define STOREFS_TESTS_BENCH_FLOOR_H

/*
 * The floor: the least that a file system costs that the kernel asks through FUSE. It keeps files
 * and directories in memory, answers the same requests as the mount does (extended attributes too:
 * the kernel asks for security.capability before a write) in one thread, lets the kernel keep
 * names, attributes and pages for an hour, and wants no flush of what was only read.
 */
#include <stdbool.h>

#define FLOOR_NAME "f%06u"

struct floor_options {
    bool direct;    /* made files go past the page cache, as in a transaction of the mount */
    unsigned files; /* empty files FLOOR_NAME that are in the directory "list" from the beginning */
};

/* Mounts at `directory` and serves until it is unmounted; then the process ends, with 0 if it was
 * mounted. */
_Noreturn void floor_serve(const char *directory, const struct floor_options *options);

#endif
