/* SPDX-License-Identifier: MIT */
/*
 * Runs each path of the library that tests/cost counts, COUNT operations each, on a store of its
 * own: library URI In URI, @ is the place of the store. Prints a line a path: its name, the number
 * of operations, and by how much each counter of counters.h has grown, in the file COUNTED_CALLS if
 * there is one. cost_measured() is the function whose instructions callgrind counts.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storefs/storefs.h"
#include "tests/cost/counters.h"

#define KEYS 200u
#define WARM 4u
#define BATCH 16u
#define LISTED 50u
#define FOUND 5u

struct place {
    struct sfs_storage *store;
    struct sfs_batch *batch;
    struct sfs_query *query;
    struct sfs_error error;
};

static void must(struct place *place, int code, const char *what)
{
    if (code >= 0)
        return;
    fprintf(stderr, "library: %s: %s\n", what, place->error.message);
    exit(1);
}

static void must_be(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "library: %s\n", what);
    exit(1);
}

static struct sfs_bytes key_of(unsigned i, char text[32])
{
    snprintf(text, 32, "d/k%05u", i);
    return sfs_string(text);
}

static struct sfs_bytes value_of(unsigned i, char text[160])
{
    snprintf(text, 160, "{\"type\":\"user\",\"n\":%05u,\"group\":%02u,\"text\":\"%s\"}", i + 10000,
             i % 97 + 10, "some words that make this a document of a usual size");
    return sfs_string(text);
}

/* --- the paths: one operation each, the i-th of WARM and those that are counted --- */

static void get(struct place *place, unsigned i)
{
    char key[32];
    struct sfs_buffer value = {0};
    must(place, sfs_get_value(place->store, key_of(i, key), &value, &place->error), "get");
    must_be(value.size > 80, "get: a value");
    sfs_buffer_free(&value);
}

static void get_again(struct place *place, unsigned i)
{
    (void)i;
    get(place, 7);
}

static void get_absent(struct place *place, unsigned i)
{
    must_be(sfs_has(place->store, key_of(KEYS + i, (char[32]){0}), &place->error) == 0,
            "get_absent");
}

static void set(struct place *place, unsigned i)
{
    char key[32], value[160];
    must(place, sfs_set(place->store, key_of(i, key), value_of(i + 1, value), &place->error),
         "set");
}

static void create(struct place *place, unsigned i)
{
    set(place, KEYS + i);
}

static void apply(struct place *place, bool durable)
{
    const struct sfs_apply_options options = {.durable = durable};
    must(place, sfs_apply(place->store, place->batch, &options, NULL, &place->error), "apply");
    sfs_batch_clear(place->batch);
}

static void add(struct place *place, unsigned i)
{
    char key[32], value[160];
    must(
        place,
        sfs_batch_put(place->batch, key_of(i, key), value_of(i + 1, value), NULL, 0, &place->error),
        "put");
}

static void set_durable(struct place *place, unsigned i)
{
    add(place, i);
    apply(place, true);
}

static void set_batch(struct place *place, unsigned i)
{
    for (unsigned j = 0; j < BATCH; j++)
        add(place, (i * BATCH + j) * 3 % KEYS);
    apply(place, false);
}

static void delete_key(struct place *place, unsigned i)
{
    char key[32];
    must_be(sfs_delete(place->store, key_of(i, key), &place->error) == 1, "delete");
}

static unsigned count_rows(struct place *place, struct sfs_cursor *cursor, unsigned most)
{
    const struct sfs_record *record;
    unsigned rows = 0;
    int more = 0;
    while (rows < most && (more = sfs_cursor_next(cursor, &record, &place->error)) == 1)
        rows += sfs_record_value(record).size > 80;
    must(place, more, "next");
    sfs_cursor_close(cursor);
    return rows;
}

static void scan(struct place *place, unsigned i)
{
    char from[32], to[32];
    struct sfs_cursor *cursor;
    unsigned first = i % (KEYS - LISTED);
    struct sfs_range range = {key_of(first, from), key_of(first + LISTED, to)};
    must(place, sfs_scan(place->store, range, SFS_WANT_VALUE, &cursor, &place->error), "scan");
    must_be(count_rows(place, cursor, KEYS) == LISTED, "scan: rows");
}

static void query(struct place *place, unsigned i)
{
    struct sfs_cursor *cursor;
    (void)i;
    must(place, sfs_query_run(place->store, place->query, &cursor, &place->error), "query");
    must_be(count_rows(place, cursor, KEYS) == FOUND, "query: rows");
}

/* On a snapshot, after one of the keys that it finds has changed. */
static void query_earlier(struct place *place, unsigned i)
{
    char key[32], value[160];
    struct place earlier = *place;
    must(place, sfs_snapshot(place->store, 0, &earlier.store, &place->error), "snapshot");
    must(place,
         sfs_set(place->store, key_of(KEYS - 1, key), value_of(KEYS + i + 1, value), &place->error),
         "set");
    query(&earlier, i);
    must(place, sfs_close(earlier.store, &place->error), "close");
}

static void commit_at(struct place *place, unsigned i, enum sfs_isolation isolation)
{
    const struct sfs_transaction_options options = {.isolation = isolation};
    struct place inside = *place;
    struct sfs_transaction *transaction;
    must(place, sfs_begin(place->store, &options, &transaction, &place->error), "begin");
    inside.store = sfs_transaction_storage(transaction);
    get(&inside, i + 100);
    set(&inside, i);
    must(place, sfs_commit(transaction, NULL, &place->error), "commit");
    sfs_transaction_free(transaction);
}

static void commit_read_committed(struct place *place, unsigned i)
{
    commit_at(place, i, SFS_READ_COMMITTED);
}

static void commit_snapshot(struct place *place, unsigned i)
{
    commit_at(place, i, SFS_SNAPSHOT);
}

static void commit_serializable(struct place *place, unsigned i)
{
    commit_at(place, i, SFS_SERIALIZABLE);
}

static const struct path {
    const char *name;
    void (*run)(struct place *place, unsigned i);
    unsigned count;
    unsigned needs; /* enum sfs_capability */
    const char *index;
} paths[] = {
    {"batch", set_batch, 5, 0, NULL},
    {"commit_read_committed", commit_read_committed, 10, 0, NULL},
    {"commit_serializable", commit_serializable, 10, SFS_CAN_SNAPSHOT | SFS_CAN_CHANGES, NULL},
    {"commit_snapshot", commit_snapshot, 10, SFS_CAN_SNAPSHOT, NULL},
    {"create", create, 10, 0, NULL},
    {"delete", delete_key, 10, 0, NULL},
    {"get", get, 190, 0, NULL},
    {"get_absent", get_absent, 190, 0, NULL},
    {"get_again", get_again, 190, 0, NULL},
    {"query", query, 3, 0, NULL},
    {"query_earlier", query_earlier, 10, SFS_CAN_SNAPSHOT, "n"},
    {"query_indexed", query, 10, 0, "n"},
    {"scan", scan, 5, 0, NULL},
    {"set", set, 10, 0, NULL},
    {"set_durable", set_durable, 10, 0, NULL},
    {"set_indexed", set, 10, 0, "n"},
};

/* --- one path --- */

static struct counters none;
static struct counters *counters = &none;

static void share_counters(void)
{
    const char *file = getenv("COUNTED_CALLS");
    if (!file)
        return;
    int fd = open(file, O_RDWR | O_CLOEXEC);
    void *shared = mmap(NULL, sizeof(none), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must_be(shared != MAP_FAILED, "the file of the counters");
    close(fd);
    counters = shared;
}

static void fill(struct place *place)
{
    for (unsigned i = 0; i < KEYS; i++)
        add(place, i);
    apply(place, false);
}

/* Makes the query, which finds the FOUND last keys, and the index; false: the store can have none.
 */
static bool prepare(struct place *place, const struct path *path)
{
    int code = 0;
    must(place, sfs_query_new(&place->query, &place->error), "query");
    must(place, sfs_query_where(place->query, sfs_string("n > 10195"), &place->error), "where");
    if (path->index)
        code = sfs_index_create(place->store, sfs_string(path->index), NULL, NULL, &place->error);
    if (code == SFS_E_UNSUPPORTED)
        return false;
    must(place, code, "index");
    return true;
}

/* Where operations are cheap, more of them: else a step of the allocator would be a share that is
 * seen. */
static unsigned operations(const struct place *place, const struct path *path)
{
    bool cheap = (sfs_storage_capabilities(place->store) & SFS_CAN_PERSIST) == 0;
    return cheap && path->count <= 10 ? 5 * path->count : path->count;
}

static void cost_measured(struct place *place, const struct path *path)
{
    for (unsigned i = 0; i < operations(place, path); i++)
        path->run(place, WARM + i);
}

/* Callgrind knows it by its name, so that no copy of it may be called. */
static void (*volatile measured)(struct place *place, const struct path *path) = cost_measured;

static void print_growth(const char *name, unsigned count, const struct counters *before,
                         const struct counters *after)
{
    printf("%s %u", name, count);
    for (size_t i = 0; i < COUNTERS; i++)
        printf(" %" PRIu64, after->of[i] - before->of[i]);
    printf("\n");
}

static void open_place(struct place *place, const char *uri, const char *name)
{
    const char *at = strchr(uri, '@');
    char text[400];
    if (at)
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - uri), uri, name, at + 1);
    must(place, sfs_open(&place->store, at ? text : uri, SFS_OPEN_CREATE, &place->error), "open");
    must(place, sfs_batch_new(&place->batch, &place->error), "batch");
}

static void count_path(struct place *place, const struct path *path)
{
    for (unsigned i = 0; i < WARM; i++)
        path->run(place, i);
    struct counters before = *counters;
    measured(place, path);
    struct counters after = *counters;
    print_growth(path->name, operations(place, path), &before, &after);
}

static void run_path(const char *uri, const struct path *path)
{
    struct place place = {0};
    open_place(&place, uri, path->name);
    fill(&place);
    if ((path->needs & ~sfs_storage_capabilities(place.store)) == 0 && prepare(&place, path))
        count_path(&place, path);
    sfs_query_free(place.query);
    sfs_batch_free(place.batch);
    must(&place, sfs_close(place.store, &place.error), "close");
}

int main(int count, char **words)
{
    must_be(count == 2, "usage: library URI");
    share_counters();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        run_path(words[1], &paths[i]);
    return 0;
}
