/* SPDX-License-Identifier: MIT */
/*
 * Threads on one store: writers on keys of their own and on one counter that they share, readers
 * that check what must hold in every state. Threads report failures by their result; cmocka belongs
 * to the main thread.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tests/conformance/short.h"

#define WRITERS 4
#define READERS 2
#define ROUNDS 60

struct shared {
    struct sfs_storage *store;
    atomic_bool ended;
    _Atomic uint64_t conflicts;
};

struct worker {
    struct shared *shared;
    pthread_t thread;
    int number;
    int code; /* 0, or the first failure */
    const char *where;
    uint64_t done;
};

static int failed(struct worker *worker, int code, const char *where)
{
    worker->code = code;
    worker->where = where;
    return code;
}

static int64_t number_of(const struct sfs_record *record)
{
    char text[32] = "";
    struct sfs_bytes value = sfs_record_value(record);
    memcpy(text, value.data, value.size < 31 ? value.size : 31);
    return strtoll(text, NULL, 10);
}

/* The number under a key and its record's revision. */
static int read_number(struct sfs_storage *store, const char *key, int64_t *ret_number,
                       uint64_t *ret_revision)
{
    const struct sfs_record *record = NULL;
    int code = sfs_get(store, sfs_string(key), SFS_WANT_VALUE, &record, NULL);
    if (code)
        return code;
    *ret_number = number_of(record);
    *ret_revision = record->revision;
    sfs_record_unref(record);
    return 0;
}

static int put_number(struct sfs_batch *batch, const char *key, int64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return sfs_batch_put(batch, sfs_string(key), sfs_string(text), NULL, 0, NULL);
}

/* Adds one to the counter and its own key, takes one from "rest": their sum stays 0. */
static int count_once(struct worker *worker, struct sfs_batch *batch)
{
    struct sfs_storage *store = worker->shared->store;
    char own[20];
    int64_t counter = 0, rest = 0, mine = 0;
    uint64_t revision = 0, other = 0;
    snprintf(own, sizeof(own), "own/%d", worker->number);
    int code = read_number(store, "counter", &counter, &revision);
    if (code == 0)
        code = read_number(store, "rest", &rest, &other);
    if (code == 0 && read_number(store, own, &mine, &other) == SFS_E_NOT_FOUND)
        mine = 0;
    sfs_batch_clear(batch);
    if (code == 0)
        code = sfs_batch_require_revision(batch, SFS_LITERAL("counter"), revision, NULL);
    if (code == 0)
        code = put_number(batch, "counter", counter + 1);
    if (code == 0)
        code = put_number(batch, "rest", -counter - 1);
    if (code == 0)
        code = put_number(batch, own, mine + 1);
    return code ? code : sfs_apply(store, batch, NULL, NULL, NULL);
}

static void *write_thread(void *context)
{
    struct worker *worker = context;
    struct sfs_batch *batch = NULL;
    int code = sfs_batch_new(&batch, NULL);
    while (code == 0 && worker->done < ROUNDS) {
        code = count_once(worker, batch);
        if (code == SFS_E_CONFLICT) {
            worker->shared->conflicts++;
            code = 0;
        } else {
            worker->done++;
        }
    }
    sfs_batch_free(batch);
    failed(worker, code, "writer");
    return NULL;
}

/* In one state counter + rest is 0, and so is counter less the sum of what each writer did. */
static int check_state(struct worker *worker, struct sfs_storage *state)
{
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record = NULL;
    int64_t counter = 0, rest = 0, sum = 0;
    uint64_t revision;
    int code = read_number(state, "counter", &counter, &revision);
    if (code == 0)
        code = read_number(state, "rest", &rest, &revision);
    if (code == 0)
        code = sfs_entries(state, SFS_LITERAL("own/"), &cursor, NULL);
    while (code == 0 && (code = sfs_cursor_next(cursor, &record, NULL)) == 1) {
        sum += number_of(record);
        code = 0;
    }
    sfs_cursor_close(cursor);
    if (code == 0 && (counter + rest != 0 || counter != sum))
        return failed(worker, 1, "a snapshot showed a state that never was");
    return code ? failed(worker, code, "reader") : 0;
}

static int check_many(struct worker *worker)
{
    const struct sfs_bytes keys[] = {SFS_LITERAL("counter"), SFS_LITERAL("rest")};
    const struct sfs_record *records[2] = {0};
    int code = sfs_get_many(worker->shared->store, keys, 2, records, NULL);
    if (code)
        return failed(worker, code, "get_many");
    int64_t sum = number_of(records[0]) + number_of(records[1]);
    sfs_record_unref(records[0]);
    sfs_record_unref(records[1]);
    return sum ? failed(worker, 1, "get_many showed a state that never was") : 0;
}

static void *read_thread(void *context)
{
    struct worker *worker = context;
    int code = 0;
    while (code == 0 && (!atomic_load(&worker->shared->ended) || worker->done == 0)) {
        struct sfs_storage *snapshot = NULL;
        code = sfs_snapshot(worker->shared->store, 0, &snapshot, NULL);
        if (code) {
            failed(worker, code, "snapshot");
            break;
        }
        code = check_state(worker, snapshot);
        sfs_close(snapshot, NULL);
        if (code == 0)
            code = check_many(worker);
        worker->done++;
    }
    return NULL;
}

/* Scans, counts and follows while the others write. */
static void *look_thread(void *context)
{
    struct worker *worker = context;
    struct sfs_storage *store = worker->shared->store;
    int code = 0;
    while (code == 0 && (!atomic_load(&worker->shared->ended) || worker->done == 0)) {
        struct sfs_cursor *cursor = NULL;
        const struct sfs_record *record = NULL;
        uint64_t size = 0;
        code = sfs_scan(store, (struct sfs_range){0}, SFS_WANT_VALUE, &cursor, NULL);
        while (code == 0 && (code = sfs_cursor_next(cursor, &record, NULL)) == 1)
            code = 0;
        sfs_cursor_close(cursor);
        if (code == 0)
            code = sfs_size(store, &size, NULL);
        if (code == 0 && (size < 2 || size > 2 + WRITERS))
            code = 1;
        worker->done++;
    }
    failed(worker, code, "looker");
    return NULL;
}

static void start(struct worker *worker, struct shared *shared, int number,
                  void *(*function)(void *))
{
    *worker = (struct worker){.shared = shared, .number = number};
    OK(pthread_create(&worker->thread, NULL, function, worker));
}

static void finish(struct worker *worker)
{
    OK(pthread_join(worker->thread, NULL));
    if (worker->code)
        fail_msg("%s %d: %s", worker->where, worker->number, sfs_code_name(worker->code));
    assert_true(worker->done > 0);
}

static void counters_are_right(void **state)
{
    struct fixture *f = *state;
    struct shared shared = {.store = f->store};
    struct worker writers[WRITERS], readers[READERS], looker;
    int64_t number = 0;
    uint64_t revision = 0;
    put(f, L("rest"), L("0"));
    put(f, L("counter"), L("0"));
    for (int i = 0; i < WRITERS; i++)
        start(&writers[i], &shared, i, write_thread);
    for (int i = 0; i < READERS; i++)
        start(&readers[i], &shared, i, read_thread);
    start(&looker, &shared, 0, look_thread);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    atomic_store(&shared.ended, true);
    for (int i = 0; i < READERS; i++)
        finish(&readers[i]);
    finish(&looker);
    for (int i = 0; i < WRITERS; i++) {
        char own[20];
        if (writers[i].code)
            fail_msg("writer %d: %s", i, sfs_code_name(writers[i].code));
        snprintf(own, sizeof(own), "own/%d", i);
        OK(read_number(f->store, own, &number, &revision));
        assert_int_equal(number, ROUNDS);
    }
    OK(read_number(f->store, "counter", &number, &revision));
    assert_int_equal(number, WRITERS * ROUNDS);
    OK(read_number(f->store, "rest", &number, &revision));
    assert_int_equal(number, -WRITERS * ROUNDS);
}

/* Appends of several threads to one value: none is lost. */
static void *append_thread(void *context)
{
    struct worker *worker = context;
    struct sfs_batch *batch = NULL;
    char letter = (char)('a' + worker->number);
    int code = sfs_batch_new(&batch, NULL);
    while (code == 0 && worker->done < ROUNDS) {
        sfs_batch_clear(batch);
        code = sfs_batch_append(batch, SFS_LITERAL("log"), sfs_bytes(&letter, 1), NULL);
        if (code == 0)
            code = sfs_apply(worker->shared->store, batch, NULL, NULL, NULL);
        worker->done++;
    }
    sfs_batch_free(batch);
    failed(worker, code, "appender");
    return NULL;
}

static void appends_are_not_lost(void **state)
{
    struct fixture *f = *state;
    struct shared shared = {.store = f->store};
    struct worker writers[WRITERS];
    size_t counts[WRITERS] = {0};
    put(f, L("log"), L(""));
    for (int i = 0; i < WRITERS; i++)
        start(&writers[i], &shared, i, append_thread);
    for (int i = 0; i < WRITERS; i++)
        finish(&writers[i]);
    const struct sfs_record *record = get(f->store, L("log"));
    const char *letters = sfs_record_value(record).data;
    assert_int_equal(record->size, WRITERS * ROUNDS);
    for (size_t i = 0; i < record->size; i++) {
        assert_in_range(letters[i], 'a', 'a' + WRITERS - 1);
        counts[letters[i] - 'a']++;
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(counts[i], ROUNDS);
    sfs_record_unref(record);
}

int main(void)
{
    static const struct conformance_test tests[] = {
        {"counters are right", counters_are_right, SFS_CAN_SNAPSHOT},
        {"appends are not lost", appends_are_not_lost, 0},
    };
    return stacks_run("threads", tests, sizeof(tests) / sizeof(tests[0]));
}
