/* SPDX-License-Identifier: MIT */
/*
 * The attribute index: adding, saving, loading and finding, as bench_attributes.mjs does the same
 * in JavaScript; the same document saved through stores beside a plain file; postings; and a value
 * set in the memory store beside one written durably to a file. Prints the median of the rounds in
 * ms.
 *
 * Usage: bench_attributes [ENTITIES [ROUNDS [URI…]]]      (10000, 5, memory:)
 * In a URI DIRECTORY stands for an empty directory, which is removed: sqlite:DIRECTORY/store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storefs/attribute_index.h"
#include "util/file.h"

#define ROUNDS_MAX 99
#define TASKS_MAX 16

static unsigned entities = 10000;
static unsigned rounds = 5;
static char directory[] = "/tmp/bench_attributes.XXXXXX";
static struct {
    const char *name;
    double times[ROUNDS_MAX];
    unsigned count;
} tasks[TASKS_MAX];
static struct sfs_error error;

static void check(int code)
{
    if (code == 0)
        return;
    fprintf(stderr, "bench_attributes: %s\n", error.message);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void took(const char *name, double since)
{
    size_t i = 0;
    while (tasks[i].name && strcmp(tasks[i].name, name) != 0)
        i++;
    tasks[i].name = name;
    tasks[i].times[tasks[i].count++] = now() - since;
}

static int by_time(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void report(const char *title)
{
    printf("%s\n", title);
    for (size_t i = 0; i < TASKS_MAX && tasks[i].name; i++) {
        qsort(tasks[i].times, tasks[i].count, sizeof(double), by_time);
        printf("  %-26s %12.4f\n", tasks[i].name, tasks[i].times[tasks[i].count / 2]);
    }
    memset(tasks, 0, sizeof(tasks));
}

static void add(struct sfs_attribute_index *index, const char *id, const char *name,
                const char *value)
{
    check(sfs_attribute_index_add(index, sfs_string(id), sfs_string(name), sfs_string(value),
                                  &error));
}

static void fill(struct sfs_attribute_index *index)
{
    char id[32], value[64];
    for (unsigned i = 0; i < entities; i++) {
        snprintf(id, sizeof(id), "entity-%u", i);
        snprintf(value, sizeof(value), "\"type-%u\"", i % 10);
        add(index, id, "type", value);
        snprintf(value, sizeof(value), "%u", i % 1000);
        add(index, id, "size", value);
        snprintf(value, sizeof(value), "\"name of %u\"", i);
        add(index, id, "name", value);
        add(index, id, "flag", i % 2 ? "true" : "false");
    }
}

static void search(struct sfs_attribute_index *index)
{
    const struct sfs_attribute_criterion both[] = {
        {SFS_LITERAL("type"), SFS_LITERAL("\"type-3\""), NULL},
        {SFS_LITERAL("flag"), SFS_LITERAL("true"), NULL}};
    const struct sfs_attribute_criterion part = {SFS_LITERAL("name"), SFS_LITERAL("\"777\""),
                                                 "contains"};
    struct sfs_attribute_set set;
    double begin = now();
    check(sfs_attribute_index_find(index, SFS_LITERAL("type"), SFS_LITERAL("\"type-3\""), &set,
                                   &error));
    took("find type", begin);
    sfs_attribute_set_free(&set);
    begin = now();
    check(sfs_attribute_index_search(index, both, 2, "AND", &set, &error));
    took("find type AND flag", begin);
    sfs_attribute_set_free(&set);
    begin = now();
    check(sfs_attribute_index_search(index, &part, 1, NULL, &set, &error));
    took("find name contains", begin);
    sfs_attribute_set_free(&set);
}

static void run_memory(void)
{
    char path[64];
    struct sfs_attribute_index *index;
    snprintf(path, sizeof(path), "%s/index.json", directory);
    for (unsigned i = 0; i < rounds; i++) {
        check(sfs_attribute_index_new(&index, NULL, NULL, &error));
        double begin = now();
        fill(index);
        took("add", begin);
        search(index);
        begin = now();
        check(sfs_attribute_index_save(index, sfs_string(path), &error));
        took("save", begin);
        begin = now();
        check(sfs_attribute_index_load(index, sfs_string(path), &error));
        took("load", begin);
        sfs_attribute_index_free(index);
    }
    report("C, plain file");
}

static void open_store(struct sfs_storage **ret_store, const char *uri)
{
    char text[400];
    const char *at = strstr(uri, "DIRECTORY");
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at ? at - uri : (ptrdiff_t)strlen(uri)), uri,
             at ? directory : "", at ? at + strlen("DIRECTORY") : "");
    check(sfs_open(ret_store, text, SFS_OPEN_CREATE, &error));
}

/* In turn with a plain file, so that both meet the same disk. */
static void run_store(const char *uri)
{
    char path[64];
    struct sfs_storage *store;
    struct sfs_attribute_index *plain, *stored;
    snprintf(path, sizeof(path), "%s/index.json", directory);
    open_store(&store, uri);
    check(sfs_attribute_index_new(&plain, NULL, NULL, &error));
    check(sfs_attribute_index_new(&stored, store, NULL, &error));
    fill(plain);
    fill(stored);
    for (unsigned i = 0; i < rounds; i++) {
        double begin = now();
        check(sfs_attribute_index_save(plain, sfs_string(path), &error));
        took("save, file", begin);
        begin = now();
        check(sfs_attribute_index_save(stored, SFS_LITERAL("index"), &error));
        took("save, store", begin);
        begin = now();
        check(sfs_attribute_index_load(plain, sfs_string(path), &error));
        took("load, file", begin);
        begin = now();
        check(sfs_attribute_index_load(stored, SFS_LITERAL("index"), &error));
        took("load, store", begin);
    }
    sfs_attribute_index_free(plain);
    sfs_attribute_index_free(stored);
    double begin = now();
    check(
        sfs_attribute_index_convert(store, SFS_LITERAL("index"), SFS_ATTRIBUTES_POSTINGS, &error));
    took("convert to postings", begin);
    const struct sfs_attribute_options options = {.layout = SFS_ATTRIBUTES_POSTINGS,
                                                  .key = SFS_LITERAL("index")};
    for (unsigned i = 0; i < rounds; i++) {
        char id[32];
        begin = now();
        check(sfs_attribute_index_new(&stored, store, &options, &error));
        took("postings: open", begin);
        snprintf(id, sizeof(id), "new-%u", i);
        begin = now();
        add(stored, id, "flag", "true");
        took("postings: add one", begin);
        search(stored);
        sfs_attribute_index_free(stored);
    }
    report(uri);
    check(sfs_close(store, &error));
}

static void run_set(void)
{
    char path[64];
    struct sfs_storage *store;
    snprintf(path, sizeof(path), "%s/value", directory);
    open_store(&store, "memory:");
    for (unsigned i = 0; i < rounds; i++) {
        double begin = now();
        for (unsigned k = 0; k < 10000; k++)
            check(sfs_set(store, SFS_LITERAL("value"), SFS_LITERAL("{\"a\":1}"), &error));
        took("10,000 sets in memory", begin);
        begin = now();
        for (unsigned k = 0; k < 100; k++)
            check(sfs_file_replace(path, SFS_LITERAL("{\"a\":1}"), &error));
        took("100 durable files", begin);
    }
    report("a value set");
    check(sfs_close(store, &error));
}

int main(int argc, char **argv)
{
    char command[64];
    if (argc > 1)
        entities = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
    if (entities == 0 || rounds == 0 || rounds > ROUNDS_MAX || !mkdtemp(directory))
        return 2;
    run_memory();
    run_set();
    for (int i = 3; i < argc; i++)
        run_store(argv[i]);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command) != 0;
}
