/* SPDX-License-Identifier: MIT */
/*
 * The layer over a transaction's snapshot: what it answers without asking, and that it answers as
 * the store below does, in whatever order it is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storefs/backend.h"
#include "txn/gaps.h"
#include "txn/recent.h"
#include "util/clock.h"

static struct sfs_error error;

/* --- a layer that counts how often it is asked, and fails if it is told so --- */

/* The library's clock for durations, which only stands and jumps: a busy machine makes no look
 * slow. */
static int64_t now;

int64_t __wrap_sfs_clock_monotonic(void);
int64_t __wrap_sfs_clock_monotonic(void)
{
    return now;
}

struct counter {
    struct sfs_storage storage;
    unsigned gets;
    unsigned scans;
    bool scans_fail;
    unsigned scans_take; /* ms */
};

static int counter_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *get_error)
{
    ((struct counter *)store)->gets++;
    return sfs_get(store->below, name, want, ret_record, get_error);
}

static int counter_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                        uint64_t offset, void *data, size_t size, size_t *ret_size,
                        struct sfs_error *read_error)
{
    return sfs_read(store->below, name, revision, offset, data, size, ret_size, read_error);
}

static int counter_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                        struct sfs_cursor **ret_cursor, struct sfs_error *scan_error)
{
    struct counter *self = (struct counter *)store;
    self->scans++;
    now += self->scans_take * SFS_NS_PER_MS;
    return self->scans_fail ? sfs_fail(scan_error, SFS_E_IO, "counter", "as told")
                            : sfs_scan(store->below, range, want, ret_cursor, scan_error);
}

static int counter_close(struct sfs_storage *store, struct sfs_error *close_error)
{
    (void)store;
    (void)close_error;
    return 0;
}

static const struct sfs_read_operations counter_reads = {
    .get = counter_get, .read = counter_read, .scan = counter_scan};
static const struct sfs_storage_operations counter_operations = {
    .name = "counter", .read = &counter_reads, .close = counter_close};

struct stack {
    struct sfs_storage *memory;
    struct counter counter;
    struct sfs_storage *recent;
};

static void stack_open(struct stack *stack)
{
    *stack = (struct stack){0};
    assert_int_equal(sfs_open(&stack->memory, "memory:", 0, &error), 0);
}

/* The store must not change any more. */
static void stack_freeze(struct stack *stack)
{
    assert_int_equal(
        sfs_layer_init(&stack->counter.storage, &counter_operations, stack->memory, &error), 0);
    stack->counter.storage.borrowed_below = true;
    assert_int_equal(sfs_txn_recent_new(&stack->counter.storage, &stack->recent, &error), 0);
}

static void stack_close(struct stack *stack)
{
    assert_int_equal(sfs_close(stack->recent, &error), 0);
    assert_int_equal(sfs_close(&stack->counter.storage, &error), 0);
    assert_int_equal(sfs_close(stack->memory, &error), 0);
}

static void must_set(struct stack *stack, const char *key)
{
    assert_int_equal(sfs_set(stack->memory, sfs_string(key), SFS_LITERAL("value"), &error), 0);
}

static bool has(struct sfs_storage *store, const char *key)
{
    const struct sfs_record *record = NULL;
    int code = sfs_get(store, sfs_string(key), SFS_WANT_RECORD, &record, &error);
    if (code == SFS_E_NOT_FOUND) {
        char named[40];
        snprintf(named, sizeof(named), "'%s'", key);
        if (!strstr(error.message, named))
            fail_msg("the sentence about '%s' is: %s", key, error.message);
        return false;
    }
    assert_int_equal(code, 0);
    assert_true(sfs_bytes_equal(record->name, sfs_string(key)));
    sfs_record_unref(record);
    return true;
}

static bool any(struct sfs_storage *store, const char *prefix)
{
    struct sfs_buffer bound = {0};
    struct sfs_range range;
    assert_int_equal(sfs_range_prefix(sfs_string(prefix), &bound, &range), 0);
    int code = sfs_exists(store, range, &error);
    assert_in_range(code, 0, 1);
    sfs_buffer_free(&bound);
    return code == 1;
}

/* --- the tests --- */

static void test_names_side_by_side(void **state)
{
    (void)state;
    struct stack stack;
    stack_open(&stack);
    must_set(&stack, "a");
    must_set(&stack, "z");
    stack_freeze(&stack);
    for (unsigned i = 0; i < 1000; i++) {
        char name[20], below[24];
        snprintf(name, sizeof(name), "f%04u", i);
        snprintf(below, sizeof(below), "%s/", name);
        assert_false(has(stack.recent, name));
        assert_false(any(stack.recent, below));
    }
    if (stack.counter.gets > 8 || stack.counter.scans > 8)
        fail_msg("%u names and %u ranges were asked for", stack.counter.gets, stack.counter.scans);
    assert_true(has(stack.recent, "z"));
    assert_true(has(stack.recent, "a"));
    assert_false(has(stack.recent, "zz"));
    stack_close(&stack);
}

/* A range that was found empty answers for the names in it, in any order. */
static void test_names_in_an_empty_range(void **state)
{
    (void)state;
    struct stack stack;
    stack_open(&stack);
    must_set(&stack, "d");
    must_set(&stack, "e");
    stack_freeze(&stack);
    assert_false(any(stack.recent, "d/"));
    for (unsigned i = 500; i > 0; i--) {
        char name[20];
        snprintf(name, sizeof(name), "d/%u", i * 7919 % 1000);
        assert_false(has(stack.recent, name));
    }
    assert_int_equal(stack.counter.gets, 0);
    assert_int_equal(stack.counter.scans, 1);
    assert_false(any(stack.recent, "d/"));
    assert_int_equal(stack.counter.scans, 1);
    assert_true(has(stack.recent, "d"));
    stack_close(&stack);
}

/* Names that are missing here and there are not worth a look around each. */
static void test_patience(void **state)
{
    (void)state;
    struct stack stack;
    stack_open(&stack);
    for (unsigned i = 0; i < 2000; i++) {
        char name[20];
        snprintf(name, sizeof(name), "%04u.", i);
        must_set(&stack, name);
    }
    stack_freeze(&stack);
    for (unsigned i = 0; i < 2000; i++) {
        char name[20];
        snprintf(name, sizeof(name), "%04u,", i * 619 % 2000);
        assert_false(has(stack.recent, name));
    }
    assert_in_range(stack.counter.gets, 1900, 2000);
    if (stack.counter.scans > 16)
        fail_msg("%u looks around", stack.counter.scans);
    stack_close(&stack);
}

/* What only a key's cursor does not show may be there. */
static void test_markers(void **state)
{
    (void)state;
    struct stack stack;
    stack_open(&stack);
    must_set(&stack, "dir/file");
    struct sfs_batch *batch;
    struct sfs_attributes marker = {.kind = SFS_KIND_MARKER};
    assert_int_equal(sfs_batch_new(&batch, &error), 0);
    assert_int_equal(sfs_batch_put(batch, sfs_bytes("empty/", 7), sfs_bytes(NULL, 0), &marker,
                                   SFS_ATTRIBUTE_KIND, &error),
                     0);
    assert_int_equal(sfs_apply(stack.memory, batch, NULL, NULL, &error), 0);
    sfs_batch_free(batch);
    stack_freeze(&stack);
    for (unsigned round = 0; round < 2; round++) {
        struct sfs_cursor *cursor;
        const struct sfs_record *record;
        struct sfs_range range = {sfs_string("empty/"), sfs_string("empty0")};
        assert_int_equal(sfs_scan(stack.recent, range, SFS_WANT_KEYS, &cursor, &error), 0);
        assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
        sfs_cursor_close(cursor);
        assert_true(any(stack.recent, "empty/"));
    }
    stack_close(&stack);
}

static void test_a_cursor_that_was_sent_elsewhere(void **state)
{
    (void)state;
    struct stack stack;
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    stack_open(&stack);
    must_set(&stack, "k1");
    stack_freeze(&stack);
    struct sfs_range range = {sfs_string("k"), sfs_string("l")};
    assert_int_equal(sfs_scan(stack.recent, range, SFS_WANT_RECORD, &cursor, &error), 0);
    assert_int_equal(sfs_cursor_seek(cursor, sfs_string("k2"), &error), 0);
    assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
    sfs_cursor_close(cursor);
    assert_true(any(stack.recent, "k"));
    /* One over nothing goes nowhere. */
    range = (struct sfs_range){sfs_string("x"), sfs_bytes(NULL, 0)};
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(sfs_scan(stack.recent, range, SFS_WANT_RECORD, &cursor, &error), 0);
        assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
        assert_int_equal(sfs_cursor_seek(cursor, sfs_string("xx"), &error), 0);
        assert_int_equal(sfs_cursor_next(cursor, &record, &error), 0);
        sfs_cursor_close(cursor);
    }
    assert_int_equal(stack.counter.scans, 3);
    stack_close(&stack);
}

/* A look around that fails teaches nothing, and is nobody's failure. */
static void test_failures(void **state)
{
    (void)state;
    struct stack stack;
    struct sfs_cursor *cursor;
    stack_open(&stack);
    stack_freeze(&stack);
    stack.counter.scans_fail = true;
    for (unsigned i = 0; i < 20; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%02u", i);
        assert_false(has(stack.recent, name));
    }
    assert_int_equal(stack.counter.gets, 20);
    assert_true(stack.counter.scans > 0);
    assert_int_equal(
        sfs_scan(stack.recent, (struct sfs_range){0}, SFS_WANT_RECORD, &cursor, &error), SFS_E_IO);
    stack_close(&stack);
}

/* One that takes long is the last. */
static void test_a_slow_look(void **state)
{
    (void)state;
    struct stack stack;
    stack_open(&stack);
    must_set(&stack, "z");
    stack_freeze(&stack);
    stack.counter.scans_take = 50;
    for (unsigned i = 500; i > 0; i--) {
        char name[20];
        snprintf(name, sizeof(name), "n%03u", i); /* each before the gap that is known */
        assert_false(has(stack.recent, name));
    }
    assert_int_equal(stack.counter.scans, 1);
    stack_close(&stack);
}

/* Against the store below: random names and prefixes over a few letters, so that gaps have
 * neighbours. */
static void random_word(char *word, size_t most)
{
    size_t size = 1 + (size_t)rand() % most;
    for (size_t i = 0; i < size; i++)
        word[i] = "ab/c"[rand() % 4];
    word[size] = '\0';
}

static void test_as_the_store_below(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct stack stack;
        char word[12];
        srand(seed);
        stack_open(&stack);
        for (unsigned i = 0; i < seed * 3; i++) {
            random_word(word, 8);
            must_set(&stack, word);
        }
        stack_freeze(&stack);
        for (unsigned i = 0; i < 3000; i++) {
            random_word(word, 8);
            if (has(stack.recent, word) != has(stack.memory, word) ||
                any(stack.recent, word) != any(stack.memory, word))
                fail_msg("seed %u, step %u: '%s'", seed, i, word);
        }
        stack_close(&stack);
    }
}

static void test_gaps(void **state)
{
    (void)state;
    struct sfs_txn_gaps gaps;
    sfs_txn_gaps_init(&gaps);
    struct sfs_bytes b = sfs_string("b"), c = sfs_string("c"), d = sfs_string("d"), none = {0};
    assert_false(sfs_txn_gaps_have(&gaps, (struct sfs_range){none, none}));
    assert_false(sfs_txn_gaps_have_name(&gaps, b));
    sfs_txn_gaps_add(&gaps, (struct sfs_range){b, d});
    assert_true(sfs_txn_gaps_have(&gaps, (struct sfs_range){b, d}));
    assert_true(sfs_txn_gaps_have(&gaps, (struct sfs_range){c, d}));
    assert_false(sfs_txn_gaps_have(&gaps, (struct sfs_range){c, none}));
    assert_false(sfs_txn_gaps_have(&gaps, (struct sfs_range){none, c}));
    assert_true(sfs_txn_gaps_have_name(&gaps, b));
    assert_false(sfs_txn_gaps_have_name(&gaps, d));
    sfs_txn_gaps_add(&gaps, (struct sfs_range){d, none});
    assert_true(sfs_txn_gaps_have(&gaps, (struct sfs_range){d, none}));
    /* The oldest goes first. */
    for (unsigned i = 0; i < SFS_TXN_GAPS - 1; i++)
        sfs_txn_gaps_add(&gaps, (struct sfs_range){sfs_string("x"), sfs_string("y")});
    assert_false(sfs_txn_gaps_have_name(&gaps, b));
    assert_true(sfs_txn_gaps_have_name(&gaps, d));
    sfs_txn_gaps_tire(&gaps);
    assert_true(sfs_txn_gaps_have_name(&gaps, d));
    for (unsigned i = 0; i < 5000; i++)
        assert_false(sfs_txn_gaps_wonder(&gaps));
    sfs_txn_gaps_clear(&gaps);
    assert_false(sfs_txn_gaps_have_name(&gaps, d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_side_by_side),
        cmocka_unit_test(test_names_in_an_empty_range),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_a_cursor_that_was_sent_elsewhere),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_a_slow_look),
        cmocka_unit_test(test_as_the_store_below),
        cmocka_unit_test(test_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
