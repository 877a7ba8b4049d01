/* SPDX-License-Identifier: MIT */
/*
 * The power goes while batches are committed, every few of them durably: after it the store opens, what was
 * acknowledged as durable is there, each batch is there whole or not at all and in order, and the store is
 * sound. On SQLite while its log is moved into the file, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storefs/storefs.h"
#include "tests/fault/power.h"

#define WINDOW 8      /* so many log entries are kept */
#define DURABLE_EACH 3
#define LARGE_EACH 5
#define LARGE_SIZE ((size_t)1300000)

struct story {
    const char *scheme;
    const char *options;
    unsigned batches;
    bool large;
    size_t begun[64]; /* the moment when each batch was begun … */
    size_t done[64];  /* … and acknowledged as durable, 0: it was not */
};

static void must(int code, const struct sfs_error *error)
{
    if (code < 0)
        fail_msg("%s: %s", sfs_code_name(code), error->message);
}

static struct sfs_storage *open_at(const struct story *story, const char *directory, unsigned flags)
{
    char uri[256];
    struct sfs_error error = {0};
    struct sfs_storage *store = NULL;
    snprintf(uri, sizeof(uri), "%s%s/store%s", story->scheme, directory, story->options);
    must(sfs_open(&store, uri, flags, &error), &error);
    return store;
}

static struct sfs_bytes numbered(char text[64], const char *prefix, unsigned number)
{
    snprintf(text, 64, "%s%u", prefix, number);
    return sfs_string(text);
}

/* Of the batch that wrote it. */
static char *large_value(unsigned batch)
{
    char *data = malloc(LARGE_SIZE);
    assert_non_null(data);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        data[i] = (char)(i * 31 / 7 + batch * 101);
    return data;
}

static void put(struct sfs_batch *batch, struct sfs_bytes key, struct sfs_bytes value)
{
    struct sfs_error error = {0};
    must(sfs_batch_put(batch, key, value, NULL, 0, &error), &error);
}

/* Two numbers that are always the same, a log of the last batches, and now and then a large value. */
static void commit(struct story *story, struct sfs_storage *store, unsigned number)
{
    struct sfs_error error = {0};
    struct sfs_batch *batch = NULL;
    struct sfs_stage *stage = NULL;
    char key[64], value[64];
    bool durable = number % DURABLE_EACH == 0;
    must(sfs_batch_new(&batch, &error), &error);
    put(batch, sfs_string("first"), numbered(value, "", number));
    put(batch, numbered(key, "log/", number), numbered(value, "entry ", number));
    if (number >= WINDOW)
        must(sfs_batch_delete(batch, numbered(key, "log/", number - WINDOW), 0, &error), &error);
    put(batch, sfs_string("second"), numbered(value, "", number));
    story->begun[number] = power_now();
    if (story->large && number % LARGE_EACH == 0) {
        char *data = large_value(number);
        must(sfs_stage_open(store, &stage, &error), &error);
        must(sfs_stage_write(stage, 0, sfs_bytes(data, LARGE_SIZE), &error), &error);
        must(sfs_batch_put_stage(batch, sfs_string("large"), stage, NULL, 0, &error), &error);
        free(data);
    }
    must(sfs_apply(store, batch, &(struct sfs_apply_options){.durable = durable}, NULL, &error), &error);
    sfs_stage_close(stage);
    if (!durable && number % DURABLE_EACH == 1 && number % 2) {
        must(sfs_sync(store, 0, &error), &error);
        durable = true;
    }
    story->done[number] = durable ? power_now() : 0;
    sfs_batch_free(batch);
}

static void expect_stored(struct sfs_storage *store, struct sfs_bytes key, struct sfs_bytes wanted)
{
    struct sfs_error error = {0};
    struct sfs_buffer value = {0};
    must(sfs_get_value(store, key, &value, &error), &error);
    if (!sfs_bytes_equal(sfs_buffer_bytes(&value), wanted))
        fail_msg("%.*s is not as it was written", (int)key.size, (const char *)key.data);
    sfs_buffer_free(&value);
}

static unsigned number_in(struct sfs_storage *store)
{
    struct sfs_error error = {0};
    struct sfs_buffer value = {0};
    must(sfs_get_value(store, sfs_string("first"), &value, &error), &error);
    unsigned number = (unsigned)strtoul(value.data, NULL, 10);
    sfs_buffer_free(&value);
    return number;
}

/* The store as after batch `number`, and nothing else. */
static void expect_state(const struct story *story, struct sfs_storage *store, unsigned number)
{
    struct sfs_error error = {0};
    struct sfs_totals totals = {0};
    char key[64], value[64];
    unsigned first = number >= WINDOW ? number - WINDOW + 1 : 0;
    expect_stored(store, sfs_string("second"), numbered(value, "", number));
    for (unsigned i = first; i <= number; i++)
        expect_stored(store, numbered(key, "log/", i), numbered(value, "entry ", i));
    if (story->large) {
        char *data = large_value(number - number % LARGE_EACH);
        expect_stored(store, sfs_string("large"), sfs_bytes(data, LARGE_SIZE));
        free(data);
    }
    must(sfs_totals(store, &totals, &error), &error);
    assert_int_equal(totals.keys, 2 + number - first + 1 + story->large);
}

static void print_finding(void *context, const char *sentence)
{
    (void)context;
    print_error("check: %s\n", sentence);
}

static void inspect(const struct story *story, const char *directory, size_t moment)
{
    unsigned safe = 0, begun = 0;
    for (unsigned i = 0; i < story->batches; i++) {
        if (story->done[i] != 0 && story->done[i] <= moment)
            safe = i;
        if (story->begun[i] <= moment)
            begun = i;
    }
    struct sfs_error error = {0};
    uint64_t found = 0, repaired = 0;
    struct sfs_storage *store = open_at(story, directory, 0);
    unsigned number = number_in(store);
    if (number < safe || number > begun)
        fail_msg("batch %u is the last, of %u that were safe and %u that were begun", number, safe, begun);
    expect_state(story, store, number);
    must(sfs_check(store, false, print_finding, NULL, &found, &repaired, &error), &error);
    assert_int_equal(found, 0);
    must(sfs_close(store, &error), &error);
}

static void remove_all(const char *directory)
{
    char command[320];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
}

static unsigned next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Cuts at random moments, at least one in each loss at the very moments of acknowledgement. */
static void cut_everywhere(const struct story *story, const char *base, size_t end, unsigned seed)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    unsigned cuts = scale && strcmp(scale, "full") == 0 ? 4000 : 60;
    char target[128];
    for (unsigned cut = 0; cut < cuts; cut++) {
        size_t moment = story->done[0] + next(&seed) % (end - story->done[0] + 1);
        unsigned batch = cut / POWER_LOSSES;
        if (batch < story->batches && story->done[batch] != 0)
            moment = story->done[batch];
        enum power_loss loss = cut % POWER_LOSSES;
        snprintf(target, sizeof(target), "%s/cut", base);
        power_cut(moment, loss, seed, target);
        print_message("%s cut %u: at %zu of %zu, loss %d\n", story->scheme, cut, moment, end, (int)loss);
        inspect(story, target, moment);
        remove_all(target);
    }
}

static void tell(struct story *story)
{
    const char *given = getenv("STOREFS_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    char base[64] = "/tmp/sfs-power-XXXXXX", live[80];
    struct sfs_error error = {0};
    print_message("seed %u\n", seed);
    assert_non_null(mkdtemp(base));
    snprintf(live, sizeof(live), "%s/live", base);
    char command[128];
    snprintf(command, sizeof(command), "mkdir %s", live);
    assert_int_equal(system(command), 0);
    power_record(live);
    struct sfs_storage *store = open_at(story, live, SFS_OPEN_CREATE);
    for (unsigned i = 0; i < story->batches; i++)
        commit(story, store, i);
    must(sfs_close(store, &error), &error);
    size_t end = power_now();
    cut_everywhere(story, base, end, seed);
    power_end();
    remove_all(base);
}

static void test_sqlite(void **state)
{
    struct story story = {.scheme = "sqlite:", .options = "", .batches = 40};
    (void)state;
    tell(&story);
}

/* Each megabyte moves the log on, so that it is moved into the file and begun anew. */
static void test_sqlite_large(void **state)
{
    struct story story = {.scheme = "sqlite:", .options = "", .batches = 40, .large = true};
    (void)state;
    tell(&story);
}

static void test_json(void **state)
{
    struct story story = {.scheme = "json:", .options = "", .batches = 24};
    (void)state;
    tell(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqlite),
        cmocka_unit_test(test_sqlite_large),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
