/* SPDX-License-Identifier: MIT */
/* The directed tests of the calls that read, look back and are derived, on every stack. */
#include "tests/conformance/directed.h"

int main(void)
{
    const struct conformance_test *const tables[] = {
        read_tests, time_tests, feed_tests, derived_tests, NULL,
    };
    return directed_run("calls", tables);
}
