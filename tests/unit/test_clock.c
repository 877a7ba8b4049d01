/* SPDX-License-Identifier: MIT */
/* Steps of the wall clock, and suspends: transactions, snapshots, feeds, staged values and an index
 * build of this process and of another survive them, in every store. */
#include "storefs/index.h"
#include "tests/unit/clock_machine.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define YEARS (3653 * DAY) /* ten */
#define DOCUMENTS 2500     /* an index of them is built in several steps */

struct step {
    const char *name;
    int64_t real, boot;
    bool absolute; /* `real` is since 1970 */
};

static const struct step steps[] = {
    {"an hour forward", HOUR, 0, false},
    {"an hour back", -HOUR, 0, false},
    {"a day forward", DAY + HOUR, 0, false},
    {"a day back", -DAY, 0, false},
    {"ten years forward", YEARS, 0, false},
    {"ten years back", -YEARS, 0, false},
    {"two days of sleep", 2 * DAY, 2 * DAY, false},
    {"1970", 0, 0, true},
    {"2038", INT64_C(1) << 31, 0, true},
    {"2286", INT64_C(10000000000), 0, true},
};

static void take(const struct step *step)
{
    machine->real = step->absolute ? step->real - machine_time() : machine->real + step->real;
    machine->boot += step->boot;
}

static void reset(void)
{
    machine->real = machine->boot = 0;
}

static void fill(struct sfs_storage *store, int documents)
{
    struct sfs_batch *batch = new_batch();
    for (int i = 0; i < documents; i++) {
        char key[32], value[32];
        snprintf(key, sizeof(key), "doc/%d", i);
        snprintf(value, sizeof(value), "{\"n\":%d}", i);
        assert_int_equal(sfs_batch_put(batch, sfs_string(key), sfs_string(value), NULL, 0, NULL),
                         0);
    }
    apply_and_free(store, batch);
    set(store, "a", "1");
}

struct building {
    struct held *held;
    const struct neighbour *neighbour; /* NULL: there is none */
    const struct step *step;
    int calls;
};

/* Sets the clock once, in the middle of the build. */
static int while_building(void *context, uint64_t done, uint64_t all)
{
    struct building *building = context;
    (void)done;
    (void)all;
    if (building->calls++ > 0)
        return 0;
    take(building->step);
    if (building->neighbour)
        ask(building->neighbour, "f");
    return 0;
}

static void build(struct building *building)
{
    struct sfs_error error = {0};
    struct sfs_index_stats stats;
    uint64_t found = 0;
    struct sfs_storage *store = building->held->store;
    int code = sfs_index_create(store, SFS_LITERAL("n"), while_building, building, &error);
    if (code == SFS_E_UNSUPPORTED)
        return;
    must(code, &error);
    assert_true(building->calls > 1);
    must(sfs_index_stats(store, SFS_LITERAL("n"), &stats, &error), &error);
    assert_int_equal(stats.entries, DOCUMENTS + 1); /* "a" has one, too */
    must(sfs_index_check(store, print_finding, NULL, &found, &error), &error);
    assert_int_equal(found, 0);
}

/* Checks revision and times of a new value. */
static void write_now(struct sfs_storage *store)
{
    const struct sfs_record *before = NULL, *after = NULL;
    assert_int_equal(sfs_get(store, SFS_LITERAL("a"), SFS_WANT_RECORD, &before, NULL), 0);
    set(store, "a", "2");
    assert_int_equal(sfs_get(store, SFS_LITERAL("a"), SFS_WANT_RECORD, &after, NULL), 0);
    assert_true(after->revision > before->revision);
    assert_int_equal(after->attributes.created, before->attributes.created);
    assert_true(after->attributes.modified >= 0);
    int64_t now = machine_time() + machine->real;
    const int64_t last =
        INT64_MAX / 1000000000; /* the last second that there are nanoseconds for */
    assert_true((now < last ? now : last) - after->attributes.modified / 1000000000 < 60);
    sfs_record_unref(before);
    sfs_record_unref(after);
}

static void run_step(const char *uri, bool shared, const struct step *step)
{
    struct held held = {.name = "here"};
    struct sfs_error error = {0};
    struct neighbour neighbour = {0};
    struct building building = {&held, shared ? &neighbour : NULL, step, 0};
    if (shared)
        neighbour = start(uri, "there", NULL);
    must(sfs_open(&held.store, uri, SFS_OPEN_CREATE, &error), &error);
    /* dir has no indexes, and makes a file of each document. */
    fill(held.store, strncmp(uri, "dir:", 4) == 0 ? 10 : DOCUMENTS);
    assert_true(hold(&held));
    if (shared)
        ask(&neighbour, "oh");
    take(step);
    write_now(held.store);
    assert_true(check(&held));
    if (shared)
        ask(&neighbour, "f");
    build(&building);
    assert_true(is_held(&held));
    if (shared)
        ask(&neighbour, "vc");
    expect(held.store, "a", "2");
    expect_healthy(held.store);
    close_store(held.store);
    if (shared)
        end(&neighbour, 0);
    reset();
}

static void run_steps(void **state, const char *form, bool shared)
{
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char path[128], uri[160], command[160];
        snprintf(path, sizeof(path), "%s/%zu", fixture->directory, i);
        snprintf(uri, sizeof(uri), form, path);
        print_message("%s: %s\n", uri, steps[i].name);
        run_step(uri, shared, &steps[i]);
        snprintf(command, sizeof(command), "rm -rf %s*", path);
        assert_int_equal(system(command), 0);
    }
}

static void test_sqlite(void **state)
{
    run_steps(state, "sqlite:%s", true);
}

static void test_json(void **state)
{
    run_steps(state, "json:%s", false);
}

static void test_memory(void **state)
{
    run_steps(state, "memory:", false);
}

static void test_dir(void **state)
{
    run_steps(state, "dir:%s", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sqlite, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dir, set_up, tear_down),
    };
    machine = machine_new();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
