/* SPDX-License-Identifier: MIT */
/* How large a value in memory may be. */
#include "util/memory.h"

#include <sys/sysinfo.h>

#define ALWAYS (UINT64_C(64) << 20) /* no machine is asked for so little, bytes */
#define SHARE 4

bool sfs_memory_holds(uint64_t size)
{
    struct sysinfo info;
    if (size <= ALWAYS)
        return true;
    return size <= SIZE_MAX / 2 &&
           (sysinfo(&info) != 0 || size / info.mem_unit <= (uint64_t)info.totalram / SHARE);
}
