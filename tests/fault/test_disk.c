/* SPDX-License-Identifier: MIT */
/*
 * Each read, write, sync, lock, ... of SQLite's fails once, and once with all that come after it:
 * what was acknowledged is there when the store is opened again, what failed is there whole or not
 * at all, and the file is sound.
 */
#include "tests/fault/rig.h"

static bool is_proper(int code)
{
    return code == SFS_E_IO || code == SFS_E_NO_SPACE;
}

int main(void)
{
    const struct rig_plan plans[] = {
        {.kinds = INJECT_DISK,
         .mode = INJECT_ONCE,
         .dense = 20,
         .stride = 7,
         .is_proper = is_proper,
         .uncertain = true,
         .backend = "sqlite:",
         .prepare = inject_into_sqlite_disk},
        {.kinds = INJECT_DISK,
         .mode = INJECT_ONWARD,
         .dense = 10,
         .stride = 19,
         .is_proper = is_proper,
         .uncertain = true,
         .backend = "sqlite:",
         .prepare = inject_into_sqlite_disk},
    };
    return rig_run("disk", plans, sizeof(plans) / sizeof(plans[0]));
}
