/* SPDX-License-Identifier: MIT */
/*
 * The anomalies by which isolation levels are told apart, in the forms of Martin Kleppmann's
 * Hermitage suite, each as a script of two or three transactions. Every script is run on each
 * backend, on a store opened once and on one opened twice, at each level; whether the anomaly was
 * seen must be what the level promises, no more and no less.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "storefs/query.h"
#include "storefs/transaction.h"

/* --- one run of a script --- */

#define SLOTS 8

enum action {
    END,
    READ,   /* key -> slot, as a number; -1: absent */
    WRITE,  /* key, number */
    COUNT,  /* how many documents have n = number -> slot */
    DELETE, /* the first whose n is number, found by a query */
    COMMIT,
    ROLLBACK,
};

struct step {
    int transaction; /* from 1 */
    enum action action;
    const char *key;
    int number;
    int slot; /* from 1 */
};

struct outcome {
    int slots[SLOTS + 1];
    bool committed[4];
    bool failed[4]; /* a call of it, or its commit, was a conflict */
    int x;          /* afterwards */
    int y;
};

struct anomaly {
    const char *name;
    const char *title;
    struct step script[20];
    bool (*seen)(const struct outcome *outcome);
    enum sfs_isolation prevented_from; /* the weakest level that must prevent it */
};

/* The values of x and y afterwards come from different transactions. */
static bool seen_g0(const struct outcome *o)
{
    return !(o->x == 11 && o->y == 21) && !(o->x == 12 && o->y == 22);
}
static bool seen_g1a(const struct outcome *o)
{
    return o->slots[1] == 101 || o->slots[2] == 101;
}
static bool seen_g1b(const struct outcome *o)
{
    return o->slots[1] == 101;
}
static bool seen_g1c(const struct outcome *o)
{
    return o->committed[1] && o->committed[2] && o->slots[1] == 22 && o->slots[2] == 11;
}
/* The third saw one write of a transaction and then not the other. */
static bool seen_otv(const struct outcome *o)
{
    const int *read = o->slots;
    return (read[1] == 11 && read[2] == 20) || read[1] == 12 || read[2] == 18 ||
           (read[3] == 18 && read[4] != 12);
}
static bool seen_pmp(const struct outcome *o)
{
    return o->committed[1] && o->slots[1] != o->slots[2];
}
static bool seen_pmp_write(const struct outcome *o)
{
    return o->committed[2] && o->slots[1] == 1 && o->x == -1; /* it had counted y */
}
static bool seen_p4(const struct outcome *o)
{
    return o->committed[1] && o->committed[2];
}
static bool seen_g_single(const struct outcome *o)
{
    return o->committed[1] && o->slots[1] == 10 && o->slots[2] == 18;
}
static bool seen_g_single_write(const struct outcome *o)
{
    return o->committed[1] && o->committed[2] && o->slots[1] == 10 && o->y == -1;
}
static bool seen_skew(const struct outcome *o)
{
    return o->committed[1] && o->committed[2];
}
/* The reader saw the deposit and not the withdrawal, which then went ahead without the deposit. */
static bool seen_read_only(const struct outcome *o)
{
    return o->committed[1] && o->committed[3] && o->slots[3] == 10 && o->slots[4] == 30;
}

#define T(n, ...)                                                                                  \
    {                                                                                              \
        .transaction = (n), .action = __VA_ARGS__                                                  \
    }

/* x is {"n":10} and y {"n":20} at the beginning. */
static const struct anomaly anomalies[] = {
    {"G0",
     "write cycles (dirty writes)",
     {T(1, WRITE, "x", 11), T(2, WRITE, "x", 12), T(1, WRITE, "y", 21), T(1, COMMIT),
      T(2, WRITE, "y", 22), T(2, COMMIT)},
     seen_g0,
     SFS_READ_COMMITTED},
    {"G1a",
     "aborted reads",
     {T(1, WRITE, "x", 101), T(2, READ, "x", 0, 1), T(1, ROLLBACK), T(2, READ, "x", 0, 2),
      T(2, COMMIT)},
     seen_g1a,
     SFS_READ_COMMITTED},
    {"G1b",
     "intermediate reads",
     {T(1, WRITE, "x", 101), T(2, READ, "x", 0, 1), T(1, WRITE, "x", 11), T(1, COMMIT),
      T(2, READ, "x", 0, 2), T(2, COMMIT)},
     seen_g1b,
     SFS_READ_COMMITTED},
    {"G1c",
     "circular information flow",
     {T(1, WRITE, "x", 11), T(2, WRITE, "y", 22), T(1, READ, "y", 0, 1), T(2, READ, "x", 0, 2),
      T(1, COMMIT), T(2, COMMIT)},
     seen_g1c,
     SFS_READ_COMMITTED},
    {"OTV",
     "observed transaction vanishes",
     {T(1, WRITE, "x", 11), T(1, WRITE, "y", 19), T(2, WRITE, "x", 12), T(1, COMMIT),
      T(3, READ, "x", 0, 1), T(2, WRITE, "y", 18), T(3, READ, "y", 0, 2), T(2, COMMIT),
      T(3, READ, "y", 0, 3), T(3, READ, "x", 0, 4), T(3, COMMIT)},
     seen_otv,
     SFS_READ_COMMITTED},
    {"PMP",
     "predicate-many-preceders",
     {T(1, COUNT, "", 30, 1), T(2, WRITE, "z", 30), T(2, COMMIT), T(1, COUNT, "", 30, 2),
      T(1, COMMIT)},
     seen_pmp,
     SFS_SNAPSHOT},
    {"PMP-write",
     "the same, where the predicate is of a write",
     {T(2, COUNT, "", 20, 1), T(1, WRITE, "x", 20), T(1, WRITE, "y", 30), T(1, COMMIT),
      T(2, DELETE, "", 20), T(2, COMMIT)},
     seen_pmp_write,
     SFS_SNAPSHOT},
    {"P4",
     "lost update",
     {T(1, READ, "x", 0, 1), T(2, READ, "x", 0, 2), T(1, WRITE, "x", 11), T(2, WRITE, "x", 11),
      T(1, COMMIT), T(2, COMMIT)},
     seen_p4,
     SFS_SNAPSHOT},
    {"G-single",
     "read skew",
     {T(1, READ, "x", 0, 1), T(2, READ, "x", 0, 3), T(2, READ, "y", 0, 4), T(2, WRITE, "x", 12),
      T(2, WRITE, "y", 18), T(2, COMMIT), T(1, READ, "y", 0, 2), T(1, COMMIT)},
     seen_g_single,
     SFS_SNAPSHOT},
    {"G-single-write",
     "read skew seen by a write",
     {T(1, READ, "x", 0, 1), T(2, WRITE, "x", 12), T(2, WRITE, "y", 18), T(2, COMMIT),
      T(1, DELETE, "", 18), T(1, COMMIT)},
     seen_g_single_write,
     SFS_SNAPSHOT},
    {"G2-item",
     "write skew",
     {T(1, READ, "x", 0, 1), T(1, READ, "y", 0, 2), T(2, READ, "x", 0, 3), T(2, READ, "y", 0, 4),
      T(1, WRITE, "x", 11), T(2, WRITE, "y", 21), T(1, COMMIT), T(2, COMMIT)},
     seen_skew,
     SFS_SERIALIZABLE},
    {"G2",
     "anti-dependency cycles (write skew on predicates)",
     {T(1, COUNT, "", 30, 1), T(2, COUNT, "", 30, 2), T(1, WRITE, "z", 30), T(2, WRITE, "w", 30),
      T(1, COMMIT), T(2, COMMIT)},
     seen_skew,
     SFS_SERIALIZABLE},
    {"read-only",
     "a reader sees what no serial order gives",
     {T(1, READ, "x", 0, 1), T(1, READ, "y", 0, 2), T(2, READ, "y", 0, 5), T(2, WRITE, "y", 30),
      T(2, COMMIT), T(3, READ, "x", 0, 3), T(3, READ, "y", 0, 4), T(3, COMMIT), T(1, WRITE, "x", 5),
      T(1, COMMIT)},
     seen_read_only,
     SFS_SERIALIZABLE},
};
#define ANOMALIES (sizeof(anomalies) / sizeof(anomalies[0]))

/* --- running --- */

static struct sfs_error last_error;

static int read_number(struct sfs_storage *store, const char *key, int *ret_number)
{
    struct sfs_buffer value = {0};
    int code = sfs_get_value(store, sfs_string(key), &value, &last_error);
    if (code == SFS_E_NOT_FOUND) {
        *ret_number = -1;
        return 0;
    }
    if (code == 0 && sfs_buffer_text(&value) == 0)
        code = sscanf(value.data, "{\"n\":%d}", ret_number) == 1 ? 0 : SFS_E_CORRUPT;
    sfs_buffer_free(&value);
    return code;
}

static int write_number(struct sfs_storage *store, const char *key, int number)
{
    char text[32];
    snprintf(text, sizeof(text), "{\"n\":%d}", number);
    return sfs_set(store, sfs_string(key), sfs_string(text), &last_error);
}

static struct sfs_query *query_for(int number)
{
    struct sfs_query *query = NULL;
    char text[32];
    snprintf(text, sizeof(text), "n = %d", number);
    assert_int_equal(sfs_query_new(&query, NULL), 0);
    assert_int_equal(sfs_query_where(query, sfs_string(text), NULL), 0);
    return query;
}

static int count_number(struct sfs_storage *store, int number, int *ret_count)
{
    struct sfs_query *query = query_for(number);
    uint64_t count = 0;
    int code = sfs_query_count(store, query, &count, &last_error);
    sfs_query_free(query);
    if (code == 0)
        *ret_count = (int)count;
    return code;
}

static int delete_number(struct sfs_storage *store, int number)
{
    struct sfs_query *query = query_for(number);
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    char key[32] = "";
    int code = sfs_query_run(store, query, &cursor, &last_error);
    if (code == 0 && (code = sfs_cursor_next(cursor, &record, &last_error)) == 1) {
        snprintf(key, sizeof(key), "%.*s", (int)record->name.size, (const char *)record->name.data);
        code = 0;
    }
    sfs_cursor_close(cursor);
    sfs_query_free(query);
    if (code == 0 && key[0])
        code = sfs_delete(store, sfs_string(key), &last_error);
    return code < 0 ? code : 0;
}

static int take_step(struct sfs_transaction *transaction, const struct step *step,
                     struct outcome *outcome)
{
    struct sfs_storage *store = sfs_transaction_storage(transaction);
    switch (step->action) {
    case READ:
        return read_number(store, step->key, &outcome->slots[step->slot]);
    case WRITE:
        return write_number(store, step->key, step->number);
    case COUNT:
        return count_number(store, step->number, &outcome->slots[step->slot]);
    case DELETE:
        return delete_number(store, step->number);
    case COMMIT:
        return sfs_commit(transaction, NULL, &last_error);
    case ROLLBACK:
        sfs_rollback(transaction);
        return 0;
    case END:
        break;
    }
    return SFS_E_INVALID;
}

static void run_script(struct sfs_storage *const stores[2], const struct anomaly *anomaly,
                       enum sfs_isolation isolation, struct outcome *outcome)
{
    struct sfs_transaction *transactions[4] = {NULL};
    struct sfs_transaction_options options = {.isolation = isolation};
    for (const struct step *step = anomaly->script; step->action != END; step++) {
        int n = step->transaction;
        /* As in SQL, a transaction begins with its first statement. */
        if (!transactions[n])
            assert_int_equal(sfs_begin(stores[n % 2], &options, &transactions[n], NULL), 0);
        if (outcome->failed[n])
            continue;
        int code = take_step(transactions[n], step, outcome);
        if (code && code != SFS_E_CONFLICT)
            fail_msg("%s: %s", anomaly->name, last_error.message);
        outcome->failed[n] = code != 0;
        outcome->committed[n] = code == 0 && step->action == COMMIT;
    }
    /* Not by refusing everything. */
    assert_true(outcome->committed[1] || outcome->committed[2] || outcome->committed[3]);
    for (int n = 1; n < 4; n++)
        sfs_transaction_free(transactions[n]);
    assert_int_equal(read_number(stores[0], "x", &outcome->x), 0);
    assert_int_equal(read_number(stores[0], "y", &outcome->y), 0);
}

/* Whether the anomaly was seen. */
static bool try_anomaly(struct sfs_storage *const stores[2], const struct anomaly *anomaly,
                        enum sfs_isolation isolation)
{
    struct outcome outcome = {0};
    assert_int_equal(sfs_clear(stores[0], NULL), 0);
    assert_int_equal(write_number(stores[0], "x", 10), 0);
    assert_int_equal(write_number(stores[0], "y", 20), 0);
    run_script(stores, anomaly, isolation, &outcome);
    return anomaly->seen(&outcome);
}

/* --- the table --- */

struct place {
    const char *name;
    const char *scheme;
    bool twice;
};
static const struct place places[] = {
    {"memory", "memory:", false},
    {"json", "json:", false},
    {"sqlite", "sqlite:", false},
    {"sqlite opened twice", "sqlite:", true},
};

static void open_stores(const struct place *place, struct sfs_storage *stores[2], char *path,
                        size_t size)
{
    const char *directory = getenv("TMPDIR");
    char uri[400];
    snprintf(path, size, "%s/anomalies-%d", directory ? directory : "/tmp", (int)getpid());
    bool file = strcmp(place->scheme, "memory:") != 0;
    snprintf(uri, sizeof(uri), "%s%s", place->scheme, file ? path : "");
    assert_int_equal(sfs_open(&stores[0], uri, SFS_OPEN_CREATE, NULL), 0);
    stores[1] = stores[0];
    if (place->twice)
        assert_int_equal(sfs_open(&stores[1], uri, 0, NULL), 0);
}

static void close_stores(struct sfs_storage *stores[2], const char *path)
{
    static const char *const ends[] = {
        "", "-wal", "-shm", ".attrs", ".attrs.previous", ".storefs-lock"};
    if (stores[1] != stores[0])
        assert_int_equal(sfs_close(stores[1], NULL), 0);
    assert_int_equal(sfs_close(stores[0], NULL), 0);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char name[420];
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
}

static unsigned print_row(struct sfs_storage *const stores[2], const struct anomaly *anomaly)
{
    unsigned wrong = 0;
    printf("  %-16s", anomaly->name);
    for (int level = SFS_READ_COMMITTED; level <= SFS_SERIALIZABLE; level++) {
        bool seen = try_anomaly(stores, anomaly, (enum sfs_isolation)level);
        bool right = seen == (level < (int)anomaly->prevented_from);
        printf("%-16s", !right ? "WRONG" : seen ? "allowed" : "prevented");
        wrong += !right;
    }
    printf("%s\n", anomaly->title);
    return wrong;
}

static void test_place(void **state)
{
    const struct place *place = *state;
    struct sfs_storage *stores[2];
    char path[300];
    unsigned wrong = 0;
    open_stores(place, stores, path, sizeof(path));
    printf("%s\n  %-16s%-16s%-16s%-16s\n", place->name, "", "read committed", "snapshot",
           "serializable");
    for (size_t i = 0; i < ANOMALIES; i++)
        wrong += print_row(stores, &anomalies[i]);
    close_stores(stores, path);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    struct CMUnitTest tests[sizeof(places) / sizeof(places[0])];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        tests[i] = (struct CMUnitTest){places[i].name, test_place, NULL, NULL,
                                       (void *)(uintptr_t)&places[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
