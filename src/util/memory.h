/* SPDX-License-Identifier: MIT */
#ifndef SFS_UTIL_MEMORY_H
#define SFS_UTIL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Whether one value of `size` bytes may be kept in memory: up to a quarter of the machine's. Linux
 * promises more memory than it has and kills the process that uses it; while a value changes there
 * are up to three copies. Thread-safe. */
bool sfs_memory_holds(uint64_t size);

#endif
