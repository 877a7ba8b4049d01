/* SPDX-License-Identifier: MIT */
/* The one table that names the backends. */
#include "backends/dir/dir.h"
#include "backends/json/json.h"
#include "backends/memory/memory.h"
#include "backends/sqlite/sqlite.h"
#include "storefs/backend.h"

const struct sfs_backend *const sfs_backend_registry[] = {
    &sfs_memory_backend,
    &sfs_json_backend,
    &sfs_dir_backend,
    &sfs_sqlite_backend,
    NULL,
};
