/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_TESTS_BENCH_MOUNT_BENCH_H
#define STOREFS_TESTS_BENCH_MOUNT_BENCH_H

/*
 * What the parts of bench_mount share. A place is where work is done: a directory, or an engine in
 * this process. A task is the work. Each round does every task in every place, in turn, so that
 * what else the machine does falls on all of them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ROUNDS_MAX 99
#define VALUE_SIZE 1024 /* of small values, bytes */
#define CLIENTS 4

enum place {
    FLOOR,     /* a FUSE file system in memory: floor.h */
    DISK,      /* the file system that TMPDIR lies on */
    PLAIN,     /* SQLite in this process: a table of keys and values */
    LIBRARY,   /* libstorefs in this process, on sqlite */
    MOUNT,     /* storefs mount, on sqlite */
    KEYS_ONLY, /* the same with -o ro,keys-only */
    PLACES,
};

struct settings {
    unsigned rounds;
    unsigned operations; /* of small tasks */
    unsigned durable;    /* of those that wait for the disk */
    unsigned listed;     /* entries of the directory that is listed */
    unsigned mebibytes;  /* of the large file */
    const char *only;    /* tasks whose names begin so; NULL: all */
    char command[4096];  /* storefs */
};

extern struct settings settings;

_Noreturn void bench_fail(const char *what, const char *why);
void bench_need(bool good, const char *what); /* else fails, with errno's words */
double bench_now(void);                       /* seconds */

/* --- places: mount_places.c --- */
extern const char *const place_names[PLACES];
/* Makes all places below the working directory; there is nothing there yet. */
void places_begin(void);
void places_end(void);
/* The directory of a place, open; -1 of an engine. */
int place_directory(enum place place);
/* Seconds of processor time that its server has taken; 0 where there is none. */
double place_processor(enum place place);
pid_t place_server(enum place place);
/* Starts a server and waits until it is mounted at `directory`. */
pid_t places_mount(const char *uri, const char *directory, const char *options);
void places_unmount(const char *directory, pid_t server);
/* Removes all that may be mounted below the working directory. */
void places_clear(void);

/* --- engines: mount_engines.c --- */
enum engine_call { ENGINE_GET, ENGINE_PUT, ENGINE_DELETE };
void engines_begin(void);
void engines_end(void);
/* One call, as a transaction of its own. */
void engine_do(enum place place, enum engine_call call, const char *key, bool durable);
/* Makes a store with what every place begins with, and `more` keys in the directory "list". */
void engine_fill(const char *uri, unsigned more);

/* --- tasks: mount_tasks.c --- */
struct task {
    const char *name;
    unsigned places;                                            /* bits */
    unsigned clients;                                           /* processes that share the work */
    void (*prepare)(const struct task *task, enum place place); /* not measured; may be NULL */
    /* The work of one client, `count` of the operations from `first` on. */
    void (*run)(const struct task *task, enum place place, unsigned first, unsigned count);
    unsigned (*operations)(void);
    bool durable;
    enum engine_call call; /* what it is for an engine */
};

enum {
    READ_WARM,
    READ_WARM_4,
    READ_COLD,
    STAT_WARM,
    STAT_WARM_4,
    CREATE,
    OVERWRITE,
    RENAME,
    UNLINK,
    CREATE_4,
    CREATE_DURABLE,
    CREATE_DURABLE_4,
    LIST,
    LIST_STAT,
    WRITE_SEQUENTIAL,
    READ_SEQUENTIAL,
    READ_RANDOM,
    WRITE_RANDOM,
    TASKS,
};

extern const struct task tasks[TASKS];
#define READ_FILES 1000 /* in the directory "read" of every place */
void bench_key(char *key, size_t size, const char *directory, unsigned number);
const char *bench_value(void);

/* --- results: mount_report.c --- */
struct result {
    double wall[ROUNDS_MAX]; /* seconds an operation */
    double processor[ROUNDS_MAX];
    bool measured;
};
extern struct result results[TASKS][PLACES];
void report(void);

/* --- mount_memory.c --- */
/* What the server has in memory after a walk over `keys` keys, and after the kernel has forgotten
 * them. */
void memory_measure(unsigned keys);

#endif
