/* SPDX-License-Identifier: MIT */
/*
 * The backend "memory:": the engine in memory, and with snapshot=PATH a file that the store is
 * restored from when it is opened and saved to when it is synced or closed, or by a durable commit.
 */
#include "memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "snapshot_file.h"
#include "util/file.h"
#include "util/lock_file.h"
#include "util/place.h"
#include "util/probe.h"

#define ORIGIN "memory"

struct memory_store {
    struct sfs_memory_storage base;
    struct sfs_storage_operations operations;
    char *path; /* of the snapshot; absolute, since a daemon changes its directory; NULL: none */
    struct sfs_lock_file lock;
    bool dirsync;
    bool dirty; /* something is not saved; under the engine's writer lock */
};

struct memory_options {
    const char *snapshot;
    bool dirsync;
};

static const struct sfs_option_rule rules[] = {
    {"snapshot", SFS_OPTION_TEXT, offsetof(struct memory_options, snapshot), NULL,
     "file to restore from and save to"},
    {"dirsync", SFS_OPTION_BOOL, offsetof(struct memory_options, dirsync), NULL,
     "no: accept a file system that cannot put directories on disk"},
    {0},
};

/* --- saving: called by the engine, one at a time --- */

static int save(struct memory_store *store, struct sfs_cursor *state, uint64_t sequence,
                struct sfs_error *error)
{
    const struct sfs_snapshot_place place = {store->path, !store->dirsync};
    int result = sfs_snapshot_file_save(&place, state, sequence,
                                        sfs_memory_engine_last_id(store->base.engine), error);
    store->dirty = result != 0;
    return result;
}

static int persist(void *context, struct sfs_cursor *state, uint64_t sequence, bool durable,
                   struct sfs_error *error)
{
    struct memory_store *store = context;
    if (store->path && durable)
        return save(store, state, sequence, error);
    store->dirty = true;
    return 0;
}

static int save_present(void *context, struct sfs_error *error)
{
    struct memory_store *store = context;
    struct sfs_cursor *cursor = NULL;
    uint64_t sequence = 0;
    if (!store->path || !store->dirty || store->base.storage.read_only)
        return 0;
    int result = sfs_memory_engine_scan(store->base.engine, NULL, NULL, &sequence, &cursor, error);
    if (result)
        return result;
    result = save(store, cursor, sequence, error);
    sfs_cursor_close(cursor);
    return result;
}

static int memory_backup(struct sfs_storage *storage, const char *path,
                         sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    struct sfs_memory_engine *engine = ((struct memory_store *)storage)->base.engine;
    struct sfs_cursor *cursor = NULL;
    uint64_t sequence = 0;
    int result = sfs_place_claim(path, error);
    if (result)
        return result;
    result = sfs_memory_engine_scan(engine, progress, context, &sequence, &cursor, error);
    if (!result) {
        const struct sfs_snapshot_place place = {path, !((struct memory_store *)storage)->dirsync};
        result = sfs_snapshot_file_save(&place, cursor, sequence, sfs_memory_engine_last_id(engine),
                                        error);
        sfs_cursor_close(cursor);
    }
    if (result)
        (void)unlink(path);
    return result;
}

/* --- open and close --- */

static void free_store(struct memory_store *store)
{
    sfs_memory_engine_free(store->base.engine);
    sfs_lock_file_release(&store->lock);
    free(store->path);
    free(store);
}

static int memory_close(struct sfs_storage *storage, struct sfs_error *error)
{
    struct memory_store *store = (struct memory_store *)storage;
    int result = save_present(store, error);
    free_store(store);
    return result;
}

static int take_lock(struct memory_store *store, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    int result = sfs_buffer_printf(&name, "%s.lock", store->path);
    if (!result)
        result = sfs_buffer_text(&name);
    if (result)
        result = sfs_fail_memory(error, ORIGIN);
    else
        result = sfs_lock_file_take(name.data, store->base.storage.read_only, store->path,
                                    &store->lock, error);
    sfs_buffer_free(&name);
    if (result == 0 && !store->base.storage.read_only)
        sfs_replacement_clean(store->path);
    return result;
}

static const struct sfs_override_operations overrides = {
    .totals = sfs_memory_totals,
    .backup = memory_backup,
    .reserve_ids = sfs_memory_reserve_ids,
    .index = &sfs_memory_index_operations,
};

static int store_new(unsigned flags, struct memory_store **ret_store, struct sfs_error *error)
{
    struct memory_store *store = calloc(1, sizeof(*store));
    if (!store)
        return sfs_fail_memory(error, ORIGIN);
    store->lock.fd = -1;
    const struct sfs_memory_hooks hooks = {persist, save_present, store};
    int result = sfs_memory_engine_new(&store->base.engine, &hooks, error);
    if (result) {
        free_store(store);
        return result;
    }
    store->operations = (struct sfs_storage_operations){
        .name = "memory",
        .read = sfs_memory_read_operations(),
        .write = sfs_memory_write_operations(),
        .time = sfs_memory_time_operations(),
        .override = &overrides,
        .close = memory_close,
    };
    store->base.storage.operations = &store->operations;
    store->base.storage.read_only = flags & SFS_OPEN_READ_ONLY;
    store->base.storage.capabilities = SFS_CAN_SNAPSHOT | SFS_CAN_CHANGES;
    *ret_store = store;
    return 0;
}

/* Restores from the file. Where there is none and one may be made it is, so that a place that
 * cannot be written shows at once. */
static int restore(struct memory_store *store, const char *path, bool create,
                   struct sfs_error *error)
{
    int result = sfs_place_resolve(path, &store->path, error);
    unsigned needs = SFS_PROBE_FLOCK | (store->dirsync ? SFS_PROBE_DIRECTORY : 0);
    if (!result && !store->base.storage.read_only)
        result = sfs_probe_place(store->path, needs, error);
    if (!result)
        result = take_lock(store, error);
    if (result)
        return result;
    store->base.storage.location = store->path;
    store->base.storage.capabilities |= SFS_CAN_PERSIST;
    if (create && access(store->path, F_OK) && errno == ENOENT) {
        store->dirty = true;
        return save_present(store, error);
    }
    return sfs_snapshot_file_load(store->path, store->base.engine, error);
}

static int memory_open(struct sfs_storage **ret_store, const struct sfs_location *location,
                       unsigned flags, struct sfs_error *error)
{
    struct memory_options options = {.dirsync = true};
    struct memory_store *store = NULL;
    if (location->path && location->path[0])
        return sfs_fail(
            error, SFS_E_INVALID, ORIGIN,
            "a store in memory has no path, and '%s' was given: to keep it in a file use "
            "memory:?snapshot=PATH",
            location->path);
    int result = sfs_options_parse(location, rules, &options, error);
    if (!result)
        result = store_new(flags, &store, error);
    if (result)
        return result;
    bool create = (flags & SFS_OPEN_CREATE) && !(flags & SFS_OPEN_READ_ONLY);
    store->dirsync = options.dirsync;
    if (options.snapshot)
        result = restore(store, options.snapshot, create, error);
    if (result) {
        free_store(store);
        return result;
    }
    *ret_store = &store->base.storage;
    return 0;
}

const struct sfs_backend sfs_memory_backend = {
    .info =
        {
            .scheme = "memory",
            .summary = "everything in memory; gone at the end unless it has a snapshot file",
            .options =
                "snapshot=PATH (file to restore from at open and to save to); "
                "dirsync=BOOL (no: accept a file system that cannot put directories on disk)",
        },
    .open = memory_open,
};
