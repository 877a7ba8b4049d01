/* SPDX-License-Identifier: MIT */
#ifndef SFS_CORE_STAGE_H
#define SFS_CORE_STAGE_H

#include "storefs/backend.h"

#define SFS_STAGE_JSON_MAX (UINT64_C(64) << 20) /* more is never taken for JSON, bytes */

#endif
