/* SPDX-License-Identifier: MIT */
/* Steps of a play, and what is compared in each; see play.h. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tests/conformance/play.h"

uint64_t play_seed(void)
{
    const char *given = getenv("STOREFS_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)now_ns() / 1000;
    print_message("STOREFS_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t play_scale(uint64_t count, uint64_t full)
{
    const char *scale = getenv("STOREFS_TEST_SCALE");
    return scale && strcmp(scale, "full") == 0 ? full : count;
}

/* xorshift64*, Marsaglia and Vigna. */
uint64_t play_random(struct play *play, uint64_t below)
{
    play->random ^= play->random >> 12;
    play->random ^= play->random << 25;
    play->random ^= play->random >> 27;
    return below ? (play->random * UINT64_C(2685821657736338717) >> 20) % below : 0;
}

bool play_problem(struct play *play, const char *what, const char *difference)
{
    if (!play->problem[0])
        snprintf(play->problem, sizeof(play->problem), "step %" PRIu64 ", %s: %s", play->steps,
                 what, difference);
    return false;
}

void play_begin(struct play *play, struct fixture *fixture, uint64_t seed)
{
    *play = (struct play){.fixture = fixture, .random = seed | 1};
    play->large = fixture_takes_large(fixture);
    OK(sfs_sequence(fixture->store, &play->sequence, NULL));
    play_resume(play);
}

void play_resume(struct play *play)
{
    if (!fixture_can(play->fixture, SFS_CAN_CHANGES))
        return;
    OK(sfs_changes(play->fixture->store, UINT64_MAX, &play->feed, NULL));
    model_copy(&play->model, &play->replica);
}

static void let_go(struct play *play, size_t at)
{
    struct held *held = &play->held[at];
    OK(sfs_close(held->snapshot, NULL));
    model_clear(&held->model);
    *held = play->held[--play->held_count];
}

void play_pause(struct play *play)
{
    while (play->held_count)
        let_go(play, 0);
    sfs_feed_close(play->feed);
    play->feed = NULL;
    model_clear(&play->replica);
    model_past_clear(&play->untold);
    model_past_clear(&play->past);
}

static void close_stages(struct play *play)
{
    while (play->stage_count)
        sfs_stage_close(play->stages[--play->stage_count]);
}

void play_end(struct play *play)
{
    close_stages(play);
    play_pause(play);
    model_clear(&play->model);
    free(play->ids);
    sfs_batch_clear(play->fixture->batch);
}

/* --- ids are never used again --- */

static bool id_add(struct play *play, uint64_t id)
{
    if (play->id_count * 2 >= play->id_capacity) {
        uint64_t *old = play->ids;
        size_t capacity = play->id_capacity;
        play->id_capacity = capacity * 2 + 1024;
        play->ids = calloc(play->id_capacity, sizeof(*play->ids));
        assert_non_null(play->ids);
        play->id_count = 0;
        for (size_t i = 0; i < capacity; i++) {
            if (old[i])
                id_add(play, old[i]);
        }
        free(old);
    }
    size_t at = (size_t)(id * UINT64_C(11400714819323198485) >> 20) % play->id_capacity;
    for (; play->ids[at]; at = (at + 1) % play->id_capacity) {
        if (play->ids[at] == id)
            return false;
    }
    play->ids[at] = id;
    play->id_count++;
    return true;
}

static bool check_ids(struct play *play, const struct model *before)
{
    for (size_t i = 0; i < play->model.count; i++) {
        uint64_t id = play->model.records[i].attributes.id;
        bool is_new = true;
        for (size_t j = 0; j < before->count && is_new; j++)
            is_new = before->records[j].attributes.id != id;
        if (id == 0 || (is_new && !id_add(play, id)))
            return play_problem(play, "id", id ? "one was used again" : "a record has none");
    }
    return true;
}

/* --- one batch --- */

static bool commit(struct play *play, struct model *next, uint64_t sequence,
                   const uint64_t *affected)
{
    struct model before = play->model;
    uint64_t now = 0;
    for (size_t i = 0; i < sfs_batch_size(play->fixture->batch); i++) {
        if (sfs_batch_affected(play->fixture->batch, i) != affected[i])
            return play_problem(play, "apply", "an operation affected another number of records");
    }
    model_commit(next, play->fixture->store, sequence);
    play->model = *next;
    *next = (struct model){0};
    size_t changes = play->past.count;
    model_past_compare(&play->past, sequence, &before, &play->model);
    changes = play->past.count - changes;
    model_past_compare(&play->untold, sequence, &before, &play->model);
    bool fine = check_ids(play, &before);
    model_clear(&before);
    if (sequence < play->sequence || (changes && sequence == play->sequence))
        return play_problem(play, "apply", "the sequence number does not grow");
    play->sequence = sequence;
    play->committed++;
    if (sfs_sequence(play->fixture->store, &now, NULL) || now != sequence)
        return play_problem(play, "sequence", "is not that of the last commit");
    return fine;
}

static bool apply_both(struct play *play)
{
    struct fixture *f = play->fixture;
    struct model next;
    uint64_t affected[PLAY_OPERATIONS], sequence = 0;
    struct sfs_error error = {0};
    char difference[600];
    play_generate(play);
    model_copy(&play->model, &next);
    int expected = model_apply(&next, &play->past, f->batch, affected);
    int code = sfs_apply(f->store, f->batch, NULL, &sequence, &error);
    bool fine = code == expected;
    if (!fine) {
        snprintf(difference, sizeof(difference), "gave %s, should be %s: %s", sfs_code_name(code),
                 sfs_code_name(expected), error.message);
        play_problem(play, "apply", difference);
    } else if (code == 0) {
        fine = commit(play, &next, sequence, affected);
    }
    model_clear(&next);
    sfs_batch_clear(f->batch);
    close_stages(play);
    return fine;
}

/* --- snapshots --- */

static void hold(struct play *play)
{
    struct held *held = &play->held[play->held_count++];
    OK(sfs_snapshot(play->fixture->store, 0, &held->snapshot, NULL));
    OK(sfs_sequence(held->snapshot, &held->sequence, NULL));
    assert_int_equal(held->sequence, play->sequence);
    model_copy(&play->model, &held->model);
}

static bool compare_held(struct play *play, size_t at)
{
    const char *differs = model_differs(&play->held[at].model, play->held[at].snapshot, true);
    return differs ? play_problem(play, "snapshot", differs) : true;
}

static bool turn_snapshots(struct play *play)
{
    uint64_t oldest = play->sequence;
    bool fine = true;
    if (play->held_count < PLAY_HELD && play_random(play, 8) == 0)
        hold(play);
    if (play->held_count && play_random(play, 10) == 0) {
        size_t at = (size_t)play_random(play, play->held_count);
        fine = compare_held(play, at);
        if (play_random(play, 2))
            let_go(play, at);
    }
    for (size_t i = 0; i < play->held_count; i++)
        oldest = play->held[i].sequence < oldest ? play->held[i].sequence : oldest;
    model_past_cut(&play->past, oldest);
    return fine;
}

bool play_step(struct play *play)
{
    play->steps++;
    if (!apply_both(play))
        return false;
    const char *differs = model_differs(&play->model, play->fixture->store, play->steps % 10 == 0);
    if (differs)
        return play_problem(play, "store", differs);
    if (fixture_can(play->fixture, SFS_CAN_SNAPSHOT) && !turn_snapshots(play))
        return false;
    return play->feed && play_random(play, 3) == 0 ? play_follow(play) : true;
}
