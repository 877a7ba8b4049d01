/* SPDX-License-Identifier: MIT */
/* See directed.h. */
#include "tests/conformance/directed.h"

int directed_run(const char *program, const struct conformance_test *const *tables)
{
    struct conformance_test all[200];
    size_t count = 0;
    for (; *tables; tables++) {
        for (const struct conformance_test *test = *tables; test->name && count < 200; test++)
            all[count++] = *test;
    }
    return count == 200 ? 1 : stacks_run(program, all, count);
}
