/* SPDX-License-Identifier: MIT */
#ifndef SFS_QUERY_PLAN_RANGES_H
#define SFS_QUERY_PLAN_RANGES_H

/* What the filters that a query begins with say about the Ks of one index. */
#include "query/plan.h"

/* More tests than these only test. */
#define SFS_PLAN_TESTS_MAX 64
/* An `in` of more values is no set of ranges. */
#define SFS_PLAN_RANGES_MAX 1000

/* The tests that must all hold. */
struct sfs_plan_tests {
    const struct sfs_node *tests[SFS_PLAN_TESTS_MAX];
    size_t count;
    bool others; /* there is more that must hold than these tests */
};
struct sfs_plan_tests sfs_plan_tests_of(const struct sfs_query *query, size_t filters);

struct sfs_plan_ranges {
    struct sfs_plan_range *ranges;
    size_t count;
    size_t bound;  /* this many of the index's first fields have one value in each range */
    bool narrowed; /* any test is in the ranges */
    bool exact;    /* all that must hold is in the ranges */
};
/* The ranges, ascending and disjoint; without UNREAD. NO_MEMORY. */
int sfs_plan_ranges_make(const struct sfs_index *index, const struct sfs_plan_tests *tests,
                         struct sfs_plan_ranges *ret_ranges);
void sfs_plan_ranges_free(struct sfs_plan_ranges *ranges);
/* Whether `tests` give the field one value. */
bool sfs_plan_is_bound(const struct sfs_plan_tests *tests, const struct sfs_field *field);

#endif
