/* SPDX-License-Identifier: MIT */
/*
 * The tasks. Small files are those of the directory "read", and those that a round makes in a
 * directory of its own, which are overwritten, renamed and removed in this order.
 */
#include "tests/bench/mount_bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/floor.h"

#define PART ((size_t)128 << 10) /* of sequential transfers, bytes */
#define PAGE ((size_t)4096)      /* of random ones */

static unsigned made[PLACES]; /* directories of a round's own */

void bench_key(char *key, size_t size, const char *directory, unsigned number)
{
    snprintf(key, size, "%s/" FLOOR_NAME, directory, number);
}

const char *bench_value(void)
{
    static char value[VALUE_SIZE + 1];
    if (value[0] == '\0')
        memset(value, 'v', VALUE_SIZE);
    return value;
}

static unsigned operations(void)
{
    return settings.operations;
}

static unsigned durable_operations(void)
{
    return settings.durable;
}

static unsigned read_files(void)
{
    return READ_FILES;
}

static unsigned listed(void)
{
    return settings.listed;
}

static unsigned parts(void)
{
    return (unsigned)(((size_t)settings.mebibytes << 20) / PART);
}

static void key_here(char *key, size_t size, enum place place, const char *word, unsigned number)
{
    char directory[40];
    snprintf(directory, sizeof(directory), "made%u%s", made[place], word);
    bench_key(key, size, directory, number);
}

/* --- before --- */

/* The kernel forgets names, inodes and their pages; files that are open, as a store's is, keep
 * theirs. */
static void forget(const struct task *task, enum place place)
{
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    (void)task;
    (void)place;
    sync();
    bench_need(file >= 0 && write(file, "2", 1) == 1, "/proc/sys/vm/drop_caches");
    close(file);
}

static void make_directory(const struct task *task, enum place place)
{
    char name[40];
    (void)task;
    made[place]++;
    snprintf(name, sizeof(name), "made%u", made[place]);
    if (place_directory(place) >= 0)
        bench_need(mkdirat(place_directory(place), name, 0755) == 0, name);
}

/* --- small files --- */

static void read_file(int directory, const char *key)
{
    char data[VALUE_SIZE + 1];
    int file = openat(directory, key, O_RDONLY | O_CLOEXEC);
    bench_need(file >= 0 && read(file, data, sizeof(data)) == VALUE_SIZE, key);
    bench_need(close(file) == 0, key);
    if (data[0] != 'v')
        bench_fail(key, "is not the value that was put");
}

static void write_file(int directory, const char *key, int flags, bool durable)
{
    int file = openat(directory, key, O_WRONLY | O_CLOEXEC | flags, 0644);
    bench_need(file >= 0 && write(file, bench_value(), VALUE_SIZE) == VALUE_SIZE, key);
    bench_need(!durable || fsync(file) == 0, key);
    bench_need(close(file) == 0, key);
}

static void run_read(const struct task *task, enum place place, unsigned first, unsigned count)
{
    char key[64];
    for (unsigned i = first; i < first + count; i++) {
        bench_key(key, sizeof(key), "read", i * 7 % READ_FILES);
        if (place_directory(place) >= 0)
            read_file(place_directory(place), key);
        else
            engine_do(place, task->call, key, false);
    }
}

/* So that what is measured next is warm. */
static void read_once(const struct task *task, enum place place)
{
    run_read(task, place, 0, READ_FILES);
}

static void run_stat(const struct task *task, enum place place, unsigned first, unsigned count)
{
    struct stat st;
    char key[64];
    (void)task;
    for (unsigned i = first; i < first + count; i++) {
        bench_key(key, sizeof(key), "read", i * 7 % READ_FILES);
        bench_need(fstatat(place_directory(place), key, &st, 0) == 0 && st.st_size == VALUE_SIZE,
                   key);
    }
}

static void stat_once(const struct task *task, enum place place)
{
    run_stat(task, place, 0, READ_FILES);
}

static void run_write(const struct task *task, enum place place, unsigned first, unsigned count)
{
    char key[64];
    int flags = task == &tasks[OVERWRITE] ? O_TRUNC : O_CREAT | O_TRUNC;
    for (unsigned i = first; i < first + count; i++) {
        key_here(key, sizeof(key), place, "", i);
        if (place_directory(place) >= 0)
            write_file(place_directory(place), key, flags, task->durable);
        else
            engine_do(place, task->call, key, task->durable);
    }
}

/* To the end of the names: "f000001" becomes "f1000001". */
static void run_rename(const struct task *task, enum place place, unsigned first, unsigned count)
{
    char from[64], to[64];
    (void)task;
    for (unsigned i = first; i < first + count; i++) {
        key_here(from, sizeof(from), place, "", i);
        key_here(to, sizeof(to), place, "", 1000000 + i);
        int directory = place_directory(place);
        bench_need(renameat(directory, from, directory, to) == 0, from);
    }
}

static void run_unlink(const struct task *task, enum place place, unsigned first, unsigned count)
{
    char key[64];
    for (unsigned i = first; i < first + count; i++) {
        bool renamed = place_directory(place) >= 0 && results[RENAME][place].measured;
        key_here(key, sizeof(key), place, "", renamed ? 1000000 + i : i);
        if (place_directory(place) >= 0)
            bench_need(unlinkat(place_directory(place), key, 0) == 0, key);
        else
            engine_do(place, task->call, key, false);
    }
}

/* --- listing --- */

static void run_list(const struct task *task, enum place place, unsigned first, unsigned count)
{
    bool look = task == &tasks[LIST_STAT];
    unsigned found = 0;
    struct stat st;
    (void)first;
    int file = openat(place_directory(place), "list", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = file >= 0 ? fdopendir(file) : NULL;
    bench_need(dir != NULL, "list");
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != 'f')
            continue;
        bench_need(!look || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0,
                   entry->d_name);
        found++;
    }
    closedir(dir);
    if (found != count)
        bench_fail("list", "has not the entries that were put there");
}

/* --- a large file --- */

static void transfer(int file, bool writes, size_t size, off_t offset)
{
    static char data[PART];
    ssize_t done = writes ? pwrite(file, data, size, offset) : pread(file, data, size, offset);
    bench_need(done == (ssize_t)size, "large");
}

static void run_large(const struct task *task, enum place place, unsigned first, unsigned count)
{
    bool writes = task == &tasks[WRITE_SEQUENTIAL] || task == &tasks[WRITE_RANDOM];
    bool random = task == &tasks[READ_RANDOM] || task == &tasks[WRITE_RANDOM];
    int flags = writes ? O_WRONLY | (random ? 0 : O_CREAT | O_TRUNC) : O_RDONLY;
    int file = openat(place_directory(place), "large", flags | O_CLOEXEC, 0644);
    uint64_t state = 88172645463325252u;
    bench_need(file >= 0, "large");
    for (unsigned i = first; i < first + count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t page = (size_t)(state >> 33) % (((size_t)settings.mebibytes << 20) / PAGE);
        transfer(file, writes, random ? PAGE : PART, (off_t)(random ? page * PAGE : i * PART));
    }
    bench_need(close(file) == 0, "large");
}

/* The file is there, and the kernel has forgotten it. */
static void prepare_large(const struct task *task, enum place place)
{
    if (faccessat(place_directory(place), "large", F_OK, 0) != 0)
        run_large(&tasks[WRITE_SEQUENTIAL], place, 0, parts());
    forget(task, place);
}

#define DIRECTORIES (1u << FLOOR | 1u << DISK | 1u << MOUNT)
#define READ_ONLY (DIRECTORIES | 1u << KEYS_ONLY)
#define ENGINES (1u << PLAIN | 1u << LIBRARY)

const struct task tasks[TASKS] = {
    [READ_WARM] = {"read-warm", READ_ONLY | ENGINES, 1, read_once, run_read, operations, false,
                   ENGINE_GET},
    [READ_WARM_4] = {"read-warm-4", READ_ONLY, CLIENTS, read_once, run_read, operations, false,
                     ENGINE_GET},
    [READ_COLD] = {"read-cold", READ_ONLY | ENGINES, 1, forget, run_read, read_files, false,
                   ENGINE_GET},
    [STAT_WARM] = {"stat-warm", READ_ONLY, 1, stat_once, run_stat, operations, false, ENGINE_GET},
    [STAT_WARM_4] = {"stat-warm-4", READ_ONLY, CLIENTS, stat_once, run_stat, operations, false,
                     ENGINE_GET},
    [CREATE] = {"create", DIRECTORIES | ENGINES, 1, make_directory, run_write, operations, false,
                ENGINE_PUT},
    [OVERWRITE] = {"overwrite", DIRECTORIES | ENGINES, 1, NULL, run_write, operations, false,
                   ENGINE_PUT},
    [RENAME] = {"rename", DIRECTORIES, 1, NULL, run_rename, operations, false, ENGINE_PUT},
    [UNLINK] = {"unlink", DIRECTORIES | ENGINES, 1, NULL, run_unlink, operations, false,
                ENGINE_DELETE},
    [CREATE_4] = {"create-4", DIRECTORIES, CLIENTS, make_directory, run_write, operations, false,
                  ENGINE_PUT},
    [CREATE_DURABLE] = {"create-durable", DIRECTORIES | ENGINES, 1, make_directory, run_write,
                        durable_operations, true, ENGINE_PUT},
    [CREATE_DURABLE_4] = {"create-durable-4", DIRECTORIES, CLIENTS, make_directory, run_write,
                          durable_operations, true, ENGINE_PUT},
    [LIST] = {"list", READ_ONLY, 1, forget, run_list, listed, false, ENGINE_GET},
    [LIST_STAT] = {"list-stat", READ_ONLY, 1, forget, run_list, listed, false, ENGINE_GET},
    [WRITE_SEQUENTIAL] = {"write-sequential", DIRECTORIES, 1, NULL, run_large, parts, false,
                          ENGINE_PUT},
    [READ_SEQUENTIAL] = {"read-sequential", DIRECTORIES, 1, prepare_large, run_large, parts, false,
                         ENGINE_GET},
    [READ_RANDOM] = {"read-random", DIRECTORIES, 1, prepare_large, run_large, operations, false,
                     ENGINE_GET},
    [WRITE_RANDOM] = {"write-random", DIRECTORIES, 1, prepare_large, run_large, operations, false,
                      ENGINE_PUT},
};
