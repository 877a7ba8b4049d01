/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_STAGE_H
#define SFS_CORE_STAGE_H

#include <inttypes.h>

#include "storefs/backend.h"

/* TOO_LARGE, of stores that keep values in memory; with the size, uint64_t. */
#define SFS_STAGE_TOO_LARGE                                                                        \
    "a value of %" PRIu64                                                                          \
    " bytes is too large for a store that keeps values in memory: a sqlite store keeps them "      \
    "on disk"
#define SFS_STAGE_JSON_MAX (UINT64_C(64) << 20) /* more is never taken for JSON, bytes */

#endif
