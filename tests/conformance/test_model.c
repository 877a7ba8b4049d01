/* SPDX-License-Identifier: MIT */
/*
 * Random batches against the naive model, on every stack; and that deliberately wrong stores are
 * found out. STOREFS_TEST_SEED repeats a run, STOREFS_TEST_STACK names one stack,
 * STOREFS_TEST_SCALE=full makes it long.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/conformance/broken.h"
#include "tests/conformance/play.h"

#define STEPS 3000
#define STEPS_FILES 150 /* each step walks through a directory of files */
#define STEPS_FULL 100000

static uint64_t seed;

static void set_revisions(struct model *model, uint64_t sequence)
{
    for (size_t i = 0; i < model->count; i++)
        model->records[i].revision = sequence;
}

/* What the store below has after the commit is what the transaction showed; ids and revisions are
 * given anew. */
static void compare_committed(struct play *play)
{
    struct fixture *f = play->fixture;
    uint64_t sequence = 0;
    play_pause(play);
    if (sfs_commit(f->transaction, &sequence, &f->error))
        fail_msg("commit: %s", f->error.message);
    for (size_t i = 0; i < play->model.count; i++)
        play->model.records[i].id_known = false;
    set_revisions(&play->model, sequence);
    const char *differs = model_differs(&play->model, f->base, true);
    if (differs)
        fail_msg("after the commit: %s", differs);
}

static void play_random_batches(void **state)
{
    struct fixture *f = *state;
    struct play play;
    bool files = strncmp(f->stack->uri, "dir:", 4) == 0;
    uint64_t steps = play_scale(files ? STEPS_FILES : STEPS, STEPS_FULL);
    play_begin(&play, f, seed);
    while (play.steps < steps && play_step(&play))
        ;
    if (!play.problem[0] && play.feed)
        play_follow(&play);
    if (play.problem[0])
        fail_msg("%s; seed %" PRIu64, play.problem, seed);
    assert_true(play.committed > steps / 5 && play.committed < steps * 9 / 10);
    if (f->transaction)
        compare_committed(&play);
    play_end(&play);
}

/* The comparison must find the fault that the layer has. */
static void find_fault(void **state)
{
    struct fixture *f = *state;
    struct play play;
    play_begin(&play, f, seed);
    while (play.steps < STEPS && play_step(&play))
        ;
    if (!play.problem[0])
        fail_msg("the fault of '%s' was not found; seed %" PRIu64, f->stack->name, seed);
    print_message("found: %s\n", play.problem);
    play_end(&play);
}

static int run_faults(void)
{
    static const struct stack stacks[] = {
        {"loses deletes", "memory:", 0, broken_loses_deletes, NULL},
        {"stale records", "memory:", 0, broken_stale_records, NULL},
        {"wrong bytes", "memory:", 0, broken_value_bytes, NULL},
        {"half batches", "memory:", 0, broken_half_batches, NULL},
        {"late snapshots", "memory:", 0, broken_snapshots, NULL},
        {"loses deletes in sqlite", "sqlite:%s/store", STACK_METRICS, broken_loses_deletes, NULL},
    };
    const size_t count = sizeof(stacks) / sizeof(stacks[0]);
    struct CMUnitTest tests[sizeof(stacks) / sizeof(stacks[0])];
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){stacks[i].name, find_fault, fixture_set_up,
                                       fixture_tear_down, (void *)(uintptr_t)&stacks[i]};
    return _cmocka_run_group_tests("faults that must be found", tests, count, NULL, NULL);
}

int main(void)
{
    static const struct conformance_test tests[] = {
        {"random batches", play_random_batches, 0},
    };
    seed = play_seed();
    int failed = stacks_run("model", tests, 1);
    return run_faults() + failed;
}
