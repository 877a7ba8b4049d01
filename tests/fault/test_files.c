/* SPDX-License-Identifier: MIT */
/*
 * Each of the library's own calls on files fails once, and once with all that come after it: the
 * store is as it was or as it was to be, and opens again.
 */
#include "tests/fault/rig.h"

static bool is_proper(int code)
{
    return code == SFS_E_IO || code == SFS_E_NO_SPACE;
}

int main(void)
{
    const struct rig_plan plans[] = {
        {.kinds = INJECT_FILES,
         .mode = INJECT_ONCE,
         .dense = 40,
         .stride = 2,
         .is_proper = is_proper,
         .uncertain = true},
        {.kinds = INJECT_FILES,
         .mode = INJECT_ONWARD,
         .dense = 40,
         .stride = 2,
         .is_proper = is_proper,
         .uncertain = true},
    };
    return rig_run("files", plans, sizeof(plans) / sizeof(plans[0]));
}
