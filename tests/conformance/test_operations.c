/* SPDX-License-Identifier: MIT */
/* The directed tests of what a batch does, on every stack. */
#include "tests/conformance/directed.h"

int main(void)
{
    const struct conformance_test *const tables[] = {
        value_tests,  attribute_tests,   stage_tests, name_tests,
        prefix_tests, requirement_tests, batch_tests, NULL,
    };
    return directed_run("operations", tables);
}
