/* SPDX-License-Identifier: MIT */
#ifndef SFS_BACKENDS_JSON_H
#define SFS_BACKENDS_JSON_H

/* The backend "json:PATH": a store in one JSON object file that other programs can read and write.
 */
#include "storefs/backend.h"

extern const struct sfs_backend sfs_json_backend;

#endif
