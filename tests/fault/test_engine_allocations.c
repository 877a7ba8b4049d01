/* SPDX-License-Identifier: MIT */
/* As test_allocations, but the allocations that fail are SQLite's own. */
#include "tests/fault/rig.h"

static bool is_proper(int code)
{
    return code == SFS_E_NO_MEMORY;
}

int main(void)
{
    const struct rig_plan plans[] = {
        {.kinds = INJECT_ENGINE_MEMORY,
         .mode = INJECT_ONCE,
         .dense = 15,
         .stride = 61,
         .is_proper = is_proper,
         .backend = "sqlite:",
         .prepare = inject_into_sqlite_memory},
        {.kinds = INJECT_ENGINE_MEMORY,
         .mode = INJECT_ONWARD,
         .dense = 5,
         .stride = 127,
         .is_proper = is_proper,
         .backend = "sqlite:",
         .prepare = inject_into_sqlite_memory},
    };
    return rig_run("engine allocations", plans, sizeof(plans) / sizeof(plans[0]));
}
