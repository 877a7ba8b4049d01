/* SPDX-License-Identifier: MIT */
#ifndef FAULT_RIG_H
#define FAULT_RIG_H

/*
 * Lets the first, the second, ... call of a kind fail in each of a table of scenarios, on every
 * backend, until a scenario comes to its end without a failure; and looks at the store after each.
 */
#include "tests/conformance/short.h"
#include "tests/fault/inject.h"

enum scenario_flags {
    SCENARIO_CLOSED = 1,  /* runs while the store is closed */
    SCENARIO_COMMITS = 2, /* commits more than once, so that a part may be there after a failure */
    SCENARIO_FINDS = 4,   /* looks for damage: what SQLite cannot read is CORRUPT */
};

struct scenario {
    const char *name;
    /* 0 or positive, or an error; leaves nothing behind but what is in the store. May close the
     * store: then fixture->store is NULL. */
    int (*run)(struct fixture *fixture, struct sfs_error *error);
    /* Looks at, and removes, what a run has left beside the store; NULL: nothing. */
    void (*settle)(struct fixture *fixture, int code);
    unsigned flags;
    unsigned needs; /* capabilities */
};
/* Ends with name NULL. */
extern const struct scenario scenarios_reading[];
extern const struct scenario scenarios_writing[];
extern const struct scenario scenarios_keeping[];
extern const struct scenario scenarios_attributes[];

/* What is made to fail, and what may come of it. */
struct rig_plan {
    unsigned kinds;
    enum inject_mode mode;
    /* Where STOREFS_TEST_SCALE is not full: so many calls in turn, then every stride-th. */
    unsigned long dense;
    unsigned long stride;
    /* Whether the code is one that such a failure may give. */
    bool (*is_proper)(int code);
    /* A failed commit may turn out to be there. */
    bool uncertain;
    /* A backend's URI must begin with this. NULL: any. */
    const char *backend;
    void (*prepare)(void);
};

/* Runs all scenarios under each plan; the result of main(). */
int rig_run(const char *program, const struct rig_plan *plans, size_t count);

#endif
