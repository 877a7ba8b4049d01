/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_DIRECTED_H
#define CONFORMANCE_DIRECTED_H

/*
 * The directed tests, by what they are about. Each file has a table that ends with name NULL.
 */
#include "tests/conformance/short.h"

extern const struct conformance_test value_tests[];       /* put, write, append, truncate */
extern const struct conformance_test attribute_tests[];   /* attributes, extended attributes */
extern const struct conformance_test stage_tests[];       /* large values, stages */
extern const struct conformance_test name_tests[];        /* delete, rename, exchange, clear */
extern const struct conformance_test prefix_tests[];      /* rename and exchange of prefixes */
extern const struct conformance_test requirement_tests[]; /* preconditions */
extern const struct conformance_test batch_tests[];       /* all or nothing, limits of names */
extern const struct conformance_test read_tests[];        /* get, read, scan, cursors */
extern const struct conformance_test time_tests[];        /* sequence, snapshot */
extern const struct conformance_test feed_tests[];        /* changes */
extern const struct conformance_test derived_tests[];     /* set, get_many, totals … */

/* Runs all tests of some tables; the result of main(). */
int directed_run(const char *program, const struct conformance_test *const *tables);

#endif
