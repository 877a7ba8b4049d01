/* SPDX-License-Identifier: MIT */
/*
 * Stores that keep their content are closed and opened again at random moments of a random play,
 * and must go on as if nothing had been.
 */
#include <inttypes.h>

#include "tests/conformance/play.h"

#define STEPS 500
#define STEPS_FULL 20000

static uint64_t seed;

static void reopen_and_compare(struct play *play)
{
    uint64_t sequence = 0;
    play_pause(play);
    fixture_reopen(play->fixture);
    const char *differs = model_differs(&play->model, play->fixture->store, true);
    if (differs)
        fail_msg("step %" PRIu64 ", after opening again: %s; seed %" PRIu64, play->steps, differs,
                 seed);
    OK(sfs_sequence(play->fixture->store, &sequence, NULL));
    assert_true(sequence >= play->sequence);
    play->sequence = sequence;
    play_resume(play);
}

static void reopen_at_random(void **state)
{
    struct fixture *f = *state;
    struct play play;
    uint64_t steps = play_scale(STEPS, STEPS_FULL), reopened = 0;
    if (f->transaction)
        return;
    play_begin(&play, f, seed);
    while (play.steps < steps && play_step(&play)) {
        if (play_random(&play, 20))
            continue;
        reopen_and_compare(&play);
        reopened++;
    }
    if (play.problem[0])
        fail_msg("%s; seed %" PRIu64, play.problem, seed);
    assert_true(reopened > steps / 60);
    reopen_and_compare(&play);
    play_end(&play);
}

/* Every kind of record and attribute comes back. */
static void all_attributes_come_back(void **state)
{
    struct fixture *f = *state;
    const struct sfs_attributes extreme = {.kind = SFS_KIND_CHARACTER,
                                           .mode = 07777,
                                           .uid = 1,
                                           .gid = 0,
                                           .device = UINT64_C(1) << 40,
                                           .created = -1,
                                           .accessed = INT64_MAX,
                                           .modified = INT64_MIN,
                                           .changed = 123456789};
    unsigned mask = SFS_ATTRIBUTE_ALL & ~(unsigned)SFS_ATTRIBUTE_TYPE;
    if (f->transaction)
        return;
    char *bytes = pattern(1100000, 12);
    put(f, L("large"), sfs_bytes(bytes, 1100000));
    put(f, L("json"), L(" {\"a\":1.0,\"a\":[1e400,\"\\u0000\"]}\n\t"));
    put(f, L("{\"__type\": \"x\"}"), L("{\"__type\": \"x\", \"y\": 1}"));
    put(f, L("\xed\xa0\x80\xff%\"\\\n"), L("\xff\0"));
    put(f, L("\0"), L(""));
    put(f, L("a/b/\0"), L(""));
    put_link(f, L("link"), L("../\xff"));
    OK(sfs_batch_put(f->batch, L("device"), L(""), &extreme, mask, NULL));
    OK(sfs_batch_attributes(f->batch, L("json"), &extreme, mask & ~(unsigned)SFS_ATTRIBUTE_KIND,
                            NULL));
    OK(sfs_batch_xattr(f->batch, L("json"), L("user.\xff"), L("\0\xff"), 0, NULL));
    OK(sfs_batch_xattr(f->batch, L("a/b/\0"), L("user.x"), L(""), 0, NULL));
    apply(f, 0);
    char *content = dump(f->store);
    fixture_reopen(f);
    expect_dump(f->store, content);
    expect_bytes(f->store, L("large"), sfs_bytes(bytes, 1100000));
    fixture_reopen(f);
    expect_dump(f->store, content);
    free(content);
    free(bytes);
}

/* Revisions and ids of what is gone are not given again. */
static void numbers_are_not_given_again(void **state)
{
    struct fixture *f = *state;
    uint64_t sequence = 0;
    if (f->transaction)
        return;
    uint64_t revision = put(f, L("a"), L("1"));
    const struct sfs_record *record = get(f->store, L("a"));
    assert_int_equal(sfs_delete(f->store, L("a"), NULL), 1);
    OK(sfs_sequence(f->store, &sequence, NULL));
    assert_true(sequence > revision);
    fixture_reopen(f);
    assert_true(put(f, L("a"), L("2")) > sequence);
    const struct sfs_record *again = get(f->store, L("a"));
    assert_int_not_equal(again->attributes.id, record->attributes.id);
    sfs_record_unref(again);
    sfs_record_unref(record);
}

int main(void)
{
    static const struct conformance_test tests[] = {
        {"reopened at random", reopen_at_random, SFS_CAN_PERSIST},
        {"all attributes come back", all_attributes_come_back, SFS_CAN_PERSIST},
        {"numbers are not given again", numbers_are_not_given_again, SFS_CAN_PERSIST},
    };
    seed = play_seed();
    return stacks_run("persistence", tests, sizeof(tests) / sizeof(tests[0]));
}
