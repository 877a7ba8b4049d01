/* SPDX-License-Identifier: MIT */
/*
 * Which store of a stack answers: overrides that count how often they are asked lie right over the
 * backend, under each stack of layers. A layer that loses one gives the same answers, only slower.
 */
#include <stdio.h>

#include "storefs/query.h"
#include "tests/conformance/short.h"

enum slot {
    ASK_TOTALS,
    ASK_BACKUP,
    ASK_CHECK,
    ASK_EXISTS,
    ASK_DATA,
    ASK_WATCH,
    ASK_VERSION,
    ASK_RESERVE_IDS,
    ASK_PUSH_DOWN,
    ASK_INDEX,
    SLOTS
};

static const char *const slot_names[SLOTS] = {
    [ASK_TOTALS] = "totals",       [ASK_BACKUP] = "backup",   [ASK_CHECK] = "check",
    [ASK_EXISTS] = "exists",       [ASK_DATA] = "data",       [ASK_WATCH] = "watch",
    [ASK_VERSION] = "version",     [ASK_INDEX] = "index",     [ASK_RESERVE_IDS] = "reserve_ids",
    [ASK_PUSH_DOWN] = "push_down",
};

static unsigned asked[SLOTS];

/* --- the store that counts --- */

static int count_totals(struct sfs_storage *store, struct sfs_totals *ret_totals,
                        struct sfs_error *error)
{
    asked[ASK_TOTALS]++;
    return sfs_totals(store->below, ret_totals, error);
}

static int count_backup(struct sfs_storage *store, const char *path,
                        sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    (void)store, (void)path, (void)progress, (void)context, (void)error;
    asked[ASK_BACKUP]++;
    return 0;
}

static int count_check(struct sfs_storage *store, bool repair, sfs_report_function *report,
                       void *context, uint64_t *ret_found, uint64_t *ret_repaired,
                       struct sfs_error *error)
{
    (void)store, (void)repair, (void)report, (void)context, (void)error;
    asked[ASK_CHECK]++;
    *ret_found = *ret_repaired = 1;
    return 0;
}

static int count_exists(struct sfs_storage *store, const struct sfs_range *ranges, size_t count,
                        struct sfs_error *error)
{
    asked[ASK_EXISTS]++;
    return sfs_exists_any(store->below, ranges, count, error);
}

static int count_data(struct sfs_storage *store, struct sfs_bytes name, uint64_t offset,
                      struct sfs_extent *ret_extent, struct sfs_error *error)
{
    asked[ASK_DATA]++;
    return sfs_data(store->below, name, offset, ret_extent, error);
}

static int count_watch(struct sfs_storage *store, struct sfs_watch **ret_watch,
                       struct sfs_error *error)
{
    (void)store, (void)ret_watch;
    asked[ASK_WATCH]++;
    return sfs_fail(error, SFS_E_UNSUPPORTED, "test", "only counted");
}

static int count_version(struct sfs_storage *store, uint64_t *ret_version, struct sfs_error *error)
{
    (void)store, (void)error;
    asked[ASK_VERSION]++;
    *ret_version = 1;
    return 0;
}

static int count_reserve_ids(struct sfs_storage *store, uint64_t count, uint64_t *ret_first,
                             struct sfs_error *error)
{
    (void)store, (void)count, (void)error;
    asked[ASK_RESERVE_IDS]++;
    *ret_first = 1000;
    return 0;
}

static int count_push_down(struct sfs_storage *store, const struct sfs_query *query,
                           struct sfs_push_down *ret_taken, struct sfs_error *error)
{
    (void)store, (void)query, (void)ret_taken, (void)error;
    asked[ASK_PUSH_DOWN]++;
    return 0;
}

static int count_index_set(struct sfs_storage *store, struct sfs_index_set **ret_set,
                           struct sfs_error *error)
{
    (void)store, (void)error;
    asked[ASK_INDEX]++;
    *ret_set = NULL;
    return 0;
}

static int count_index_create(struct sfs_storage *store, const struct sfs_index *index,
                              sfs_progress_function *progress, void *context,
                              struct sfs_error *error)
{
    (void)store, (void)index, (void)progress, (void)context, (void)error;
    asked[ASK_INDEX]++;
    return 0;
}

static int count_close(struct sfs_storage *store, struct sfs_error *error)
{
    (void)error;
    free(store);
    return 0;
}

static struct sfs_storage *counting_store(struct sfs_storage *below)
{
    static const struct sfs_index_operations index = {.set = count_index_set,
                                                      .create = count_index_create};
    static const struct sfs_override_operations overrides = {
        .totals = count_totals,
        .backup = count_backup,
        .check = count_check,
        .exists = count_exists,
        .data = count_data,
        .watch = count_watch,
        .version = count_version,
        .reserve_ids = count_reserve_ids,
        .push_down = count_push_down,
        .index = &index,
    };
    static const struct sfs_storage_operations operations = {
        .name = "counting", .override = &overrides, .close = count_close};
    struct sfs_storage *store = calloc(1, sizeof(*store));
    assert_non_null(store);
    OK(sfs_layer_init(store, &operations, below, NULL));
    return store;
}

/* --- the calls --- */

static int pass_by(void *context, const char *name, const struct sfs_index_stats *stats)
{
    (void)context, (void)name, (void)stats;
    return 0;
}

/* One call for each slot. Whether it succeeds depends on who answers. */
static void ask_all(struct sfs_storage *store, bool changes)
{
    struct sfs_totals totals;
    struct sfs_extent extent;
    struct sfs_watch *watch = NULL;
    struct sfs_query *query = NULL;
    uint64_t number = 0, found = 0;
    if (changes) {
        (void)sfs_check(store, true, NULL, NULL, &found, &number, NULL);
        asked[ASK_DATA] = 0; /* which values it reads is its affair */
        (void)sfs_reserve_ids(store, 3, &number, NULL);
        (void)sfs_index_create(store, L("n"), NULL, NULL, NULL);
        return;
    }
    (void)sfs_totals(store, &totals, NULL);
    (void)sfs_backup(store, "nowhere", NULL, NULL, NULL);
    (void)sfs_exists(store, everything(), NULL);
    (void)sfs_data(store, L("k"), 0, &extent, NULL);
    (void)sfs_watch_open(store, &watch, NULL);
    (void)sfs_version(store, &number, NULL);
    OK(sfs_query_new(&query, NULL));
    OK(sfs_query_where(query, L("n > 1"), NULL));
    (void)sfs_query_count(store, query, &number, NULL);
    sfs_query_free(query);
    (void)sfs_index_list(store, pass_by, NULL, NULL);
}

static void expect_asked(const struct stack *stack, unsigned slots)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if ((asked[slot] > 0) != ((slots >> slot) & 1))
            fail_msg("%s: %s was asked %u times", stack->name, slot_names[slot], asked[slot]);
    memset(asked, 0, sizeof(asked));
}

#define OF(slot) (1u << (slot))
#define READING                                                                                    \
    (OF(ASK_TOTALS) | OF(ASK_BACKUP) | OF(ASK_EXISTS) | OF(ASK_DATA) | OF(ASK_WATCH) | OF(ASK_VERSION) | OF(ASK_PUSH_DOWN) |   \
     OF(ASK_INDEX))
#define CHANGING (OF(ASK_CHECK) | OF(ASK_RESERVE_IDS) | OF(ASK_INDEX))

static void test_overrides(void **state)
{
    const struct stack *stack = *state;
    struct stack counted = *stack;
    counted.bottom = counting_store;
    struct fixture *f = fixture_new(&counted);
    /* The fault layer and a transaction let nothing pass them by, but the watch of the opening;
     * what a transaction asks for itself is its affair. */
    bool opaque = stack->layers & (STACK_FAULT | STACK_TRANSACTION);
    put(f, L("k"), L("{\"n\":2}"));
    memset(asked, 0, sizeof(asked));
    ask_all(f->store, false);
    if (!(stack->layers & STACK_TRANSACTION))
        expect_asked(stack, opaque ? OF(ASK_WATCH) : READING);
    memset(asked, 0, sizeof(asked));
    ask_all(f->store, true);
    asked[ASK_INDEX] *= !(stack->layers & STACK_TRANSACTION);
    expect_asked(stack, opaque ? 0 : CHANGING);
    fixture_free(f);
}

/* --- a store whose values cannot be read --- */

static int damaged_get(struct sfs_storage *store, struct sfs_bytes name, unsigned want,
                       const struct sfs_record **ret_record, struct sfs_error *error)
{
    return sfs_get(store->below, name, want, ret_record, error);
}

static int damaged_read(struct sfs_storage *store, struct sfs_bytes name, uint64_t revision,
                        uint64_t offset, void *data, size_t size, size_t *ret_size,
                        struct sfs_error *error)
{
    (void)store, (void)name, (void)revision, (void)offset, (void)data, (void)size, (void)ret_size;
    return sfs_fail(error, SFS_E_CORRUPT, "test", "damaged");
}

static int damaged_scan(struct sfs_storage *store, struct sfs_range range, unsigned want,
                        struct sfs_cursor **ret_cursor, struct sfs_error *error)
{
    return sfs_scan(store->below, range, want, ret_cursor, error);
}

static struct sfs_storage *damaged_store(struct sfs_storage *below)
{
    static const struct sfs_read_operations reads = {damaged_get, damaged_read, damaged_scan};
    static const struct sfs_storage_operations operations = {
        .name = "damaged", .read = &reads, .close = count_close};
    struct sfs_storage *store = calloc(1, sizeof(*store));
    assert_non_null(store);
    OK(sfs_layer_init(store, &operations, below, NULL));
    return store;
}

/* A layer that hands the check on would have it done twice. */
static void test_damage_counts_once(void **state)
{
    struct stack damaged = *(const struct stack *)*state;
    uint64_t found = 0, repaired = 0;
    if (damaged.layers & STACK_TRANSACTION)
        return; /* it reads a snapshot, which is not damaged */
    damaged.bottom = damaged_store;
    struct fixture *f = fixture_new(&damaged);
    put(f, L("k"), L("v"));
    OK(sfs_check(f->store, false, NULL, NULL, &found, &repaired, &f->error));
    assert_int_equal(found, 1);
    fixture_free(f);
}

int main(void)
{
    struct CMUnitTest tests[2 * STACK_COUNT];
    const struct stack *stacks = stack_table();
    for (size_t i = 0; i < STACK_COUNT; i++) {
        void *stack = (void *)(uintptr_t)&stacks[i];
        tests[2 * i] = (struct CMUnitTest){stacks[i].name, test_overrides, NULL, NULL, stack};
        tests[2 * i + 1] = (struct CMUnitTest){stacks[i].name, test_damage_counts_once, NULL, NULL, stack};
    }
    return _cmocka_run_group_tests("overrides", tests, 2 * STACK_COUNT, NULL, NULL);
}
