/* SPDX-License-Identifier: MIT */
/*
 * Very many keys, and very many ranges, in a transaction: the memory and time that they take.
 * STOREFS_TEST_SCALE=full renames a directory of a million keys.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/transaction_fixture.h"

#define L(text) SFS_LITERAL(text)
#define OK(call) assert_int_equal(call, 0)

/* --- memory: what the library has allocated now, and the most there was --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void __wrap_free(void *memory);

static _Atomic long long live, most; /* the store's housekeeper allocates too */

static void *add(void *memory)
{
    long long size = memory ? (long long)malloc_usable_size(memory) : 0;
    long long now = atomic_fetch_add(&live, size) + size;
    long long before = most;
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        ;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return add(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return add(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    long long before = memory ? (long long)malloc_usable_size(memory) : 0;
    void *grown = __real_realloc(memory, size);
    live -= grown ? before : 0;
    return add(grown);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    long long before = memory ? (long long)malloc_usable_size(memory) : 0;
    void *grown = __real_reallocarray(memory, count, size);
    live -= grown ? before : 0;
    return add(grown);
}

void __wrap_free(void *memory)
{
    live -= memory ? (long long)malloc_usable_size(memory) : 0;
    __real_free(memory);
}

/* --- short forms --- */

static struct sfs_batch *batch_new(void)
{
    struct sfs_batch *batch = NULL;
    OK(sfs_batch_new(&batch, NULL));
    return batch;
}

static int apply_one(struct sfs_storage *store, struct sfs_batch *batch)
{
    int code = sfs_apply(store, batch, NULL, NULL, NULL);
    sfs_batch_free(batch);
    return code;
}

static void rename_prefix(struct sfs_storage *store, const char *from, const char *to)
{
    struct sfs_batch *batch = batch_new();
    OK(sfs_batch_rename_prefix(batch, sfs_string(from), sfs_string(to), NULL));
    OK(apply_one(store, batch));
}

static void clear_prefix(struct sfs_storage *store, const char *prefix)
{
    struct sfs_batch *batch = batch_new();
    struct sfs_buffer end = {0};
    struct sfs_range range;
    OK(sfs_range_prefix(sfs_string(prefix), &end, &range));
    OK(sfs_batch_clear_range(batch, range, NULL));
    OK(apply_one(store, batch));
    sfs_buffer_free(&end);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned long scaled(unsigned long count, unsigned long full)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? full : count;
}

/* --- tests --- */

/* Each clears a range of its own: the cost of one does not grow with their number. */
static void test_many_clears(void **state)
{
    struct fixture *f = *state;
    unsigned long number = scaled(300, 5000);
    char name[32];
    for (unsigned long i = 0; i < number; i++) {
        snprintf(name, sizeof(name), "%05lu/x", i);
        set(f->store, name, "1");
        snprintf(name, sizeof(name), "%05lu0", i);
        set(f->store, name, "1");
    }
    struct sfs_transaction *transaction = begin(f->store);
    double begun = seconds();
    for (unsigned long i = 0; i < number; i++) {
        snprintf(name, sizeof(name), "%05lu/", i * 7919 % number);
        clear_prefix(inside(transaction), name);
    }
    double cleared = seconds();
    uint64_t size = 0;
    OK(sfs_size(inside(transaction), &size, NULL));
    assert_int_equal(size, number);
    commit(transaction);
    print_message("%lu clears: %.2f s, commit %.2f s\n", number, cleared - begun,
                  seconds() - cleared);
    OK(sfs_size(f->other, &size, NULL));
    assert_int_equal(size, number);
}

static void fill(struct sfs_storage *store, unsigned long number)
{
    struct sfs_batch *batch = batch_new();
    char name[40];
    for (unsigned long i = 1; i <= number; i++) {
        snprintf(name, sizeof(name), "directory/file-%07lu", i);
        OK(sfs_batch_put(batch, sfs_string(name), L("a value"), NULL, 0, NULL));
        if (i % 10000 == 0 || i == number) {
            OK(sfs_apply(store, batch, NULL, NULL, NULL));
            sfs_batch_clear(batch);
        }
    }
    sfs_batch_free(batch);
}

static int count_change(void *context, struct sfs_bytes name, const struct sfs_record *before,
                        const struct sfs_record *after)
{
    (void)name;
    assert_true((before != NULL) != (after != NULL));
    ++*(uint64_t *)context;
    return 0;
}

static uint64_t list(struct sfs_storage *store, const char *prefix)
{
    struct sfs_cursor *cursor;
    const struct sfs_record *record;
    uint64_t number = 0;
    OK(sfs_keys(store, sfs_string(prefix), &cursor, NULL));
    while (sfs_cursor_next(cursor, &record, NULL) == 1)
        number++;
    sfs_cursor_close(cursor);
    return number;
}

/* Renaming, listing and telling the changes take no memory for each key. */
static void test_many_keys(void **state)
{
    struct fixture *f = *state;
    unsigned long number = scaled(20000, 1000000);
    uint64_t changes = 0;
    struct sfs_totals totals;
    fill(f->store, number);
    for (int level = SFS_READ_COMMITTED; level <= SFS_SERIALIZABLE; level++) {
        struct sfs_transaction *transaction = begin_at(f->store, (enum sfs_isolation)level);
        struct sfs_storage *t = inside(transaction);
        long long before = live;
        most = before;
        double begun = seconds();
        rename_prefix(t, "directory/", "another/");
        double renamed = seconds();
        assert_int_equal(list(t, "another/"), number);
        assert_int_equal(list(t, "directory/"), 0);
        double listed = seconds();
        changes = 0;
        OK(sfs_transaction_changes(transaction, count_change, &changes, NULL));
        assert_int_equal(changes, 2 * number);
        OK(sfs_totals(t, &totals, NULL));
        assert_int_equal(totals.keys, number);
        print_message("%s: %lu keys renamed in %.2f s, listed in %.2f s; %lld bytes\n",
                      sfs_isolation_name((enum sfs_isolation)level), number, renamed - begun,
                      listed - renamed, most - before);
        /* What the store remembers of the records that it has read is bounded. */
        assert_true(most - before < 1024 * 1024);
        if (level == SFS_SERIALIZABLE)
            commit(transaction);
        else
            sfs_transaction_free(transaction);
    }
    assert_int_equal(list(f->other, "another/"), number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_many_clears),
        BOTH(test_many_keys),
    };
    return cmocka_run_group_tests_name("large transactions", tests, NULL, NULL);
}
