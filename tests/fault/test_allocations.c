/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of each scenario fails once, and once with all that come after it: the answer is
 * NO_MEMORY, the store is as it was and can be used, and nothing leaks (with --enable-asan).
 */
#include "tests/fault/rig.h"

static bool is_proper(int code)
{
    return code == SFS_E_NO_MEMORY;
}

int main(void)
{
    const struct rig_plan plans[] = {
        {.kinds = INJECT_MEMORY,
         .mode = INJECT_ONCE,
         .dense = 30,
         .stride = 2,
         .is_proper = is_proper},
        {.kinds = INJECT_MEMORY,
         .mode = INJECT_ONWARD,
         .dense = 4,
         .stride = 11,
         .is_proper = is_proper},
    };
    return rig_run("allocations", plans, sizeof(plans) / sizeof(plans[0]));
}
