/* SPDX-License-Identifier: MIT */
/*
 * Random transactions on few keys, by threads and by processes, at each level; what committed is
 * judged by its dependency graph. STOREFS_TEST_SCALE=full: 100,000 transactions in each run instead
 * of 3,000. STOREFS_TEST_STACK limits the runs to those of this name ("sqlite*"). The judge itself
 * is tried on runs in which nothing is checked at the commit: there it must find the cycle.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/backend.h"
#include "storefs/query.h"
#include "tests/conformance/history.h"

#define WORKERS 4

/* --- a layer that checks nothing: drops what the batches require --- */

static int careless_apply(struct sfs_storage *store, struct sfs_batch *batch,
                          const struct sfs_apply_options *options, uint64_t *ret_sequence,
                          struct sfs_error *error)
{
    struct sfs_batch *bare = NULL;
    int code = sfs_batch_new(&bare, error);
    if (code == 0)
        code = sfs_batch_add_operations(bare, batch, error);
    if (code == 0)
        code = sfs_apply(store->below, bare, options, ret_sequence, error);
    sfs_batch_free(bare);
    return code;
}

static int careless_stage(struct sfs_storage *store, struct sfs_stage **ret_stage,
                          struct sfs_error *error)
{
    return sfs_stage_open(store->below, ret_stage, error);
}

static int careless_sync(struct sfs_storage *store, uint64_t sequence, struct sfs_error *error)
{
    return sfs_sync(store->below, sequence, error);
}

static int careless_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static struct sfs_storage *careless(struct sfs_storage *below)
{
    static const struct sfs_write_operations writes = {careless_apply, careless_stage,
                                                       careless_sync};
    static const struct sfs_storage_operations operations = {
        .name = "careless", .write = &writes, .close = careless_close};
    struct sfs_storage *layer = calloc(1, sizeof(*layer));
    assert_non_null(layer);
    assert_int_equal(sfs_layer_init(layer, &operations, below, NULL), 0);
    return layer;
}

/* --- one random transaction --- */

struct worker {
    const char *uri; /* opened by the worker itself; NULL: `store` is everybody's */
    struct sfs_storage *store;
    enum sfs_isolation isolation;
    struct history_transaction *transactions; /* all; its own are from `first` on */
    size_t first;
    size_t count;
    size_t conflicts;
    uint64_t random;
    int failure;
    struct sfs_error error;
};

static uint32_t pick(struct worker *worker, uint32_t below)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return (uint32_t)(worker->random >> 33) % below;
}

static void note(struct history_transaction *t, uint32_t key, uint64_t value, bool write)
{
    t->accesses[t->count++] = (struct history_access){value, (uint8_t)key, write};
}

/* Drops the writes from access `first` on, and the reads that saw these. */
static void forget_writes(struct history_transaction *t, uint32_t first)
{
    bool written[HISTORY_KEYS] = {false};
    uint32_t kept = first;
    for (uint32_t i = first; i < t->count; i++) {
        const struct history_access access = t->accesses[i];
        written[access.key] |= access.write;
        if (!written[access.key])
            t->accesses[kept++] = access;
    }
    t->count = kept;
}

static uint64_t value_of(const struct sfs_record *record)
{
    struct sfs_bytes value = sfs_record_value(record);
    char text[32] = "";
    memcpy(text, value.data, value.size < sizeof(text) ? value.size : sizeof(text) - 1);
    return strtoull(text, NULL, 10);
}

static int read_key(struct worker *worker, struct sfs_storage *store, struct history_transaction *t)
{
    const struct sfs_record *record = NULL;
    uint32_t key = pick(worker, HISTORY_KEYS);
    char name[8];
    snprintf(name, sizeof(name), "k%u", key);
    int code = sfs_get(store, sfs_string(name), SFS_WANT_VALUE, &record, &worker->error);
    if (code && code != SFS_E_NOT_FOUND)
        return code;
    note(t, key, record ? value_of(record) : 0, false);
    sfs_record_unref(record);
    return 0;
}

static int write_key(struct worker *worker, struct sfs_storage *store,
                     struct history_transaction *t, size_t number)
{
    uint32_t key = pick(worker, HISTORY_KEYS);
    uint64_t value = history_value(number, t->attempt, t->count);
    char name[8];
    char text[32];
    snprintf(name, sizeof(name), "k%u", key);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    note(t, key, value, true);
    return sfs_set(store, sfs_string(name), sfs_string(text), &worker->error);
}

/* Reads what the cursor shows of the keys from `from` to `to`; those it does not show are absent.
 */
static int read_rows(struct worker *worker, struct sfs_cursor *cursor,
                     struct history_transaction *t, uint32_t from, uint32_t to)
{
    const struct sfs_record *record;
    uint32_t next = from;
    int found;
    while ((found = sfs_cursor_next(cursor, &record, &worker->error)) == 1) {
        uint32_t key = (uint32_t)((const char *)record->name.data)[1] - '0';
        while (next < key)
            note(t, next++, 0, false);
        note(t, next++, value_of(record), false);
        sched_yield();
    }
    while (found == 0 && next <= to)
        note(t, next++, 0, false);
    sfs_cursor_close(cursor);
    return found;
}

static int list_keys(struct worker *worker, struct sfs_storage *store,
                     struct history_transaction *t)
{
    struct sfs_cursor *cursor = NULL;
    uint32_t from = pick(worker, HISTORY_KEYS - 3);
    char names[2][8];
    snprintf(names[0], sizeof(names[0]), "k%u", from);
    snprintf(names[1], sizeof(names[1]), "k%u.", from + 3);
    struct sfs_range range = {sfs_string(names[0]), sfs_string(names[1])};
    int code = sfs_scan(store, range, SFS_WANT_VALUE, &cursor, &worker->error);
    return code ? code : read_rows(worker, cursor, t, from, from + 3);
}

static int query_keys(struct worker *worker, struct sfs_storage *store,
                      struct history_transaction *t)
{
    struct sfs_cursor *cursor = NULL;
    struct sfs_query *query = NULL;
    uint32_t from = pick(worker, HISTORY_KEYS - 3);
    char text[64];
    snprintf(text, sizeof(text), "@key in [\"k%u\", \"k%u\", \"k%u\", \"k%u\"]", from, from + 1,
             from + 2, from + 3);
    int code = sfs_query_new(&query, &worker->error);
    if (code == 0)
        code = sfs_query_where(query, sfs_string(text), &worker->error);
    if (code == 0)
        code = sfs_query_run(store, query, &cursor, &worker->error);
    sfs_query_free(query);
    return code ? code : read_rows(worker, cursor, t, from, from + 3);
}

static int take_step(struct worker *worker, struct sfs_storage *store,
                     struct history_transaction *t, size_t number)
{
    switch (pick(worker, 8)) {
    case 0:
        return list_keys(worker, store, t);
    case 1:
        return query_keys(worker, store, t);
    case 2:
    case 3:
    case 4:
        return write_key(worker, store, t, number);
    default:
        return read_key(worker, store, t);
    }
}

static int take_steps(struct worker *worker, struct sfs_transaction *transaction, size_t number)
{
    struct sfs_storage *store = sfs_transaction_storage(transaction);
    uint32_t steps = 1 + pick(worker, 5);
    int code = 0;
    for (uint32_t i = 0; i < steps && code == 0; i++) {
        code = take_step(worker, store, &worker->transactions[number], number);
        sched_yield();
    }
    return code;
}

/* Some steps in a transaction inside, which is committed, or rolled back: then what it read stays
 * in the history, and its writes, which nobody may ever see, go. */
static int take_nested_steps(struct worker *worker, struct sfs_transaction *parent, size_t number)
{
    struct history_transaction *t = &worker->transactions[number];
    struct sfs_transaction *inner = NULL;
    uint32_t first = t->count;
    int code = sfs_begin_nested(parent, NULL, &inner, &worker->error);
    if (code)
        return code;
    code = take_steps(worker, inner, number);
    if (code == 0 && pick(worker, 2)) {
        code = sfs_commit(inner, NULL, &worker->error);
    } else if (code == 0) {
        sfs_rollback(inner);
        forget_writes(t, first);
    }
    sfs_transaction_free(inner);
    return code;
}

static int take_all_steps(struct worker *worker, struct sfs_transaction *transaction, size_t number)
{
    struct history_transaction *t = &worker->transactions[number];
    t->count = 0;
    int code = take_steps(worker, transaction, number);
    if (code == 0 && pick(worker, 4) == 0)
        code = take_nested_steps(worker, transaction, number);
    return code ? code : sfs_commit(transaction, &t->sequence, &worker->error);
}

static int run_one(struct worker *worker, size_t number)
{
    struct history_transaction *t = &worker->transactions[number];
    struct sfs_transaction_options options = {.isolation = worker->isolation};
    int code = SFS_E_CONFLICT;
    for (t->attempt = 0; code == SFS_E_CONFLICT; t->attempt++) {
        struct sfs_transaction *transaction = NULL;
        code = sfs_begin(worker->store, &options, &transaction, &worker->error);
        if (code)
            break;
        code = take_all_steps(worker, transaction, number);
        sfs_transaction_free(transaction);
        t->committed = code == 0;
        if (code == 0)
            break;
        worker->conflicts++;
    }
    return code;
}

static void *work(void *context)
{
    struct worker *worker = context;
    if (worker->uri)
        worker->failure = sfs_open(&worker->store, worker->uri, 0, &worker->error);
    for (size_t i = 0; i < worker->count && worker->failure == 0; i++)
        worker->failure = run_one(worker, worker->first + i);
    if (worker->uri && worker->store && sfs_close(worker->store, NULL) && !worker->failure)
        worker->failure = SFS_E_IO;
    return NULL;
}

/* --- one run --- */

struct run {
    const char *name;
    const char *scheme;
    bool processes;
    bool careless;
    enum sfs_isolation isolation;
};

static size_t scale(void)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? 100000 : 3000;
}

static void start_threads(struct worker *workers)
{
    pthread_t threads[WORKERS];
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void start_processes(struct worker *workers)
{
    pid_t children[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            work(&workers[i]);
            _exit(0);
        }
    }
    for (size_t i = 0; i < WORKERS; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void make_uri(const struct run *run, char *uri, size_t size, char *path, size_t path_size)
{
    const char *directory = getenv("TMPDIR");
    snprintf(path, path_size, "%s/histories-%d", directory ? directory : "/tmp", (int)getpid());
    snprintf(uri, size, "%s%s", run->scheme, strcmp(run->scheme, "memory:") ? path : "");
}

static void remove_files(const char *path)
{
    static const char *const ends[] = {
        "", "-wal", "-shm", ".attrs", ".attrs.previous", ".storefs-lock"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char name[420];
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
}

static void assign(struct worker *workers, const struct run *run, struct sfs_storage *store,
                   const char *uri, struct history_transaction *transactions, size_t total)
{
    for (size_t i = 0; i < WORKERS; i++)
        workers[i] = (struct worker){
            .uri = run->processes ? uri : NULL,
            .store = store,
            .isolation = run->isolation,
            .transactions = transactions,
            .first = i * total / WORKERS,
            .count = (i + 1) * total / WORKERS - i * total / WORKERS,
            .random = 0x9e3779b97f4a7c15u + i * 7919,
        };
}

/* A child must begin without connections of its parent, so for processes the store is closed first.
 */
static void play(const struct run *run, struct worker *workers,
                 struct history_transaction *transactions, size_t total)
{
    char uri[400];
    char path[300];
    struct sfs_storage *store = NULL;
    make_uri(run, uri, sizeof(uri), path, sizeof(path));
    assert_int_equal(sfs_open(&store, uri, SFS_OPEN_CREATE, NULL), 0);
    if (run->careless)
        store = careless(store);
    if (run->processes) {
        assert_int_equal(sfs_close(store, NULL), 0);
        store = NULL;
    }
    assign(workers, run, store, uri, transactions, total);
    if (run->processes)
        start_processes(workers);
    else
        start_threads(workers);
    assert_int_equal(sfs_close(store, NULL), 0);
    remove_files(path);
}

static void test_run(void **state)
{
    const struct run *run = *state;
    size_t total = run->careless ? 3000 : scale();
    size_t size = total * sizeof(struct history_transaction);
    struct history_transaction *transactions = share(size);
    struct worker *workers = share(WORKERS * sizeof(*workers));
    struct history_verdict verdict;
    size_t conflicts = 0;
    play(run, workers, transactions, total);
    for (size_t i = 0; i < WORKERS; i++) {
        conflicts += workers[i].conflicts;
        if (workers[i].failure)
            fail_msg("%d: %s", workers[i].failure, workers[i].error.message);
    }
    assert_true(history_judge(transactions, total, run->isolation, &verdict));
    printf("%s, %s: %zu committed, %zu conflicts; edges: ww %zu, wr %zu, rw %zu; %s\n", run->name,
           sfs_isolation_name(run->isolation), total, conflicts, verdict.ww, verdict.wr, verdict.rw,
           verdict.cycle ? "a forbidden cycle" : "no forbidden cycle");
    assert_int_equal(verdict.aborted + verdict.passing + verdict.wrong_own, 0);
    assert_int_equal(verdict.cycle, run->careless);
    assert_true(verdict.ww > total / 2 && verdict.wr > total / 2 && verdict.rw > total / 2);
    assert_int_equal(munmap(transactions, size), 0);
    assert_int_equal(munmap(workers, WORKERS * sizeof(*workers)), 0);
}

/* --- the judge, on histories made by hand --- */

#define READ(k, v)                                                                                 \
    {                                                                                              \
        .key = (k), .value = (v)                                                                   \
    }
#define WRITE(k, t, n)                                                                             \
    {                                                                                              \
        .key = (k), .value = (uint64_t)((t) + 1) << 24 | (n), .write = true                        \
    }
#define MADE(k, t, n) READ(k, (uint64_t)((t) + 1) << 24 | (n))

static bool forbidden(const struct history_transaction *transactions, size_t count,
                      enum sfs_isolation isolation)
{
    struct history_verdict verdict;
    assert_true(history_judge(transactions, count, isolation, &verdict));
    return verdict.cycle;
}

static void test_judge(void **state)
{
    (void)state;
    struct history_verdict verdict;
    const struct history_transaction skew[] = {
        {.sequence = 1, .committed = true, .count = 2, .accesses = {READ(0, 0), WRITE(1, 0, 1)}},
        {.sequence = 2, .committed = true, .count = 2, .accesses = {READ(1, 0), WRITE(0, 1, 1)}}};
    assert_false(forbidden(skew, 2, SFS_READ_COMMITTED));
    assert_false(forbidden(skew, 2, SFS_SNAPSHOT));
    assert_true(forbidden(skew, 2, SFS_SERIALIZABLE));
    const struct history_transaction lost[] = {
        {.sequence = 1, .committed = true, .count = 2, .accesses = {READ(0, 0), WRITE(0, 0, 1)}},
        {.sequence = 2, .committed = true, .count = 2, .accesses = {READ(0, 0), WRITE(0, 1, 1)}}};
    assert_false(forbidden(lost, 2, SFS_READ_COMMITTED));
    assert_true(forbidden(lost, 2, SFS_SNAPSHOT));
    const struct history_transaction flow[] = {
        {.sequence = 1, .committed = true, .count = 2, .accesses = {WRITE(0, 0, 0), MADE(1, 1, 0)}},
        {.sequence = 2,
         .committed = true,
         .count = 2,
         .accesses = {WRITE(1, 1, 0), MADE(0, 0, 0)}}};
    assert_true(forbidden(flow, 2, SFS_READ_COMMITTED));
    const struct history_transaction dirty[] = {
        {.sequence = 1,
         .committed = true,
         .count = 2,
         .accesses = {WRITE(0, 0, 0), WRITE(0, 0, 1)}},
        {.count = 1, .accesses = {WRITE(1, 1, 0)}},
        {.sequence = 2,
         .committed = true,
         .count = 4,
         .accesses = {MADE(0, 0, 0), MADE(1, 1, 0), WRITE(2, 2, 2), MADE(2, 0, 1)}}};
    assert_true(history_judge(dirty, 3, SFS_SERIALIZABLE, &verdict));
    assert_int_equal(verdict.passing, 1);
    assert_int_equal(verdict.aborted, 1);
    assert_int_equal(verdict.wrong_own, 1);
}

#define LEVELS(place, scheme, processes)                                                           \
    {place, scheme, processes, false, SFS_READ_COMMITTED},                                         \
        {place, scheme, processes, false, SFS_SNAPSHOT},                                           \
    {                                                                                              \
        place, scheme, processes, false, SFS_SERIALIZABLE                                          \
    }

int main(void)
{
    static const struct run runs[] = {
        LEVELS("memory, threads", "memory:", false),
        LEVELS("json, threads", "json:", false),
        LEVELS("sqlite, threads", "sqlite:", false),
        LEVELS("sqlite, processes", "sqlite:", true),
        {"memory unchecked, threads", "memory:", false, true, SFS_SNAPSHOT},
        {"memory unchecked, threads", "memory:", false, true, SFS_SERIALIZABLE},
        {"sqlite unchecked, threads", "sqlite:", false, true, SFS_SERIALIZABLE},
    };
    struct CMUnitTest tests[sizeof(runs) / sizeof(runs[0]) + 1] = {cmocka_unit_test(test_judge)};
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
        tests[i + 1] =
            (struct CMUnitTest){runs[i].name, test_run, NULL, NULL, (void *)(uintptr_t)&runs[i]};
    cmocka_set_test_filter(getenv("STOREFS_TEST_STACK"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
