/* SPDX-License-Identifier: MIT */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

/*
 * Makes the n-th call of a kind fail, in a program that is linked with the files that intercept
 * such calls. Nothing fails while it is not armed. One thread.
 */
#include <stdbool.h>

enum inject_kind {
    INJECT_MEMORY = 1,        /* the library's allocations: inject_memory.c */
    INJECT_ENGINE_MEMORY = 2, /* SQLite's: inject_memory.c */
    INJECT_DISK = 4,          /* SQLite's calls on files: inject_disk.c */
    INJECT_FILES = 8,         /* the library's own calls on files: inject_files.c */
};

enum inject_mode {
    INJECT_ONCE,   /* only the n-th */
    INJECT_ONWARD, /* the n-th and all that come behind it */
};

/* After `skip` more calls of the kinds the next one fails. */
void inject_arm(unsigned kinds, unsigned long skip, enum inject_mode mode);
/* Whether anything was made to fail since it was armed. */
bool inject_disarm(void);
/* For those who intercept: whether this call is to fail. */
bool inject_now(enum inject_kind kind);

/* Put between SQLite and its allocator, or its files, for the rest of the process; before SQLite is
 * used the first time. */
void inject_into_sqlite_memory(void);
void inject_into_sqlite_disk(void);

#endif
