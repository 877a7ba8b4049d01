/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_PLAY_H
#define CONFORMANCE_PLAY_H

/*
 * Random batches on a store and its model side by side, with snapshots that are held and a change
 * feed that is replayed. A play belongs to one thread. Its random numbers depend on the seed alone:
 * STOREFS_TEST_SEED repeats one.
 */
#include "tests/conformance/model.h"

#define PLAY_HELD 6
#define PLAY_OPERATIONS 8

struct play {
    struct fixture *fixture;
    uint64_t random;
    bool large; /* values of over 1 MiB now and then */
    struct model model;
    struct model_past past; /* since the oldest snapshot */
    uint64_t sequence;
    uint64_t steps;
    uint64_t committed;
    struct sfs_stage *stages[PLAY_OPERATIONS];
    size_t stage_count;
    struct held {
        struct sfs_storage *snapshot;
        struct model model;
        uint64_t sequence;
    } held[PLAY_HELD];
    size_t held_count;
    struct sfs_feed *feed;    /* NULL: the store has none */
    struct model replica;     /* what the feed has told */
    struct model_past untold; /* what it has yet to tell */
    uint64_t *ids;            /* hash table of all ids there ever were */
    size_t id_capacity;
    size_t id_count;
    char problem[900]; /* the first difference; empty: none */
};

void play_begin(struct play *play, struct fixture *fixture, uint64_t seed);
/* One batch and all comparisons; false where something differs. */
bool play_step(struct play *play);
/* Closes snapshots and the feed, so that the store can be closed; play_resume() opens the feed. */
void play_pause(struct play *play);
void play_resume(struct play *play);
void play_end(struct play *play);
/* Notes a difference; returns false. */
bool play_problem(struct play *play, const char *what, const char *difference);

/* STOREFS_TEST_SEED, or a new one; printed. */
uint64_t play_seed(void);
/* `count`, or `full` where STOREFS_TEST_SCALE=full. */
uint64_t play_scale(uint64_t count, uint64_t full);

uint64_t play_random(struct play *play, uint64_t below);
/* Fills the fixture's batch with random operations and preconditions. */
void play_generate(struct play *play);
/* Reads the feed and replays it. */
bool play_follow(struct play *play);

#endif
