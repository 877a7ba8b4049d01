/* SPDX-License-Identifier: MIT */
/*
 * The backend "memory:": the engine in memory, and with snapshot=PATH a file that the store is
 * restored from when it is opened and saved to when it is synced or closed, or by a durable commit.
 */
#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "snapshot_file.h"
#include "util/file.h"
#include "util/identity.h"
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
    bool salvage; /* the snapshot may be damaged; then: */
    struct sfs_notes notes;
    pthread_mutex_t saving;       /* guards the next three after the open */
    struct sfs_identity seen;     /* the snapshot, as it was when we last read or wrote it */
    struct sfs_identity doubtful; /* … or this one, where a save failed late */
    bool dirty;                   /* something is not saved */
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

/* As sfs_identity_compare(). */
static int check_unchanged(struct memory_store *store, struct sfs_error *error)
{
    if (store->doubtful.exists &&
        sfs_identity_compare(&store->doubtful, store->path, ORIGIN, NULL) == 0)
        store->seen = store->doubtful;
    return sfs_identity_compare(&store->seen, store->path, ORIGIN, error);
}

static int save(struct memory_store *store, struct sfs_cursor *state, uint64_t sequence,
                struct sfs_error *error)
{
    const struct sfs_snapshot_place place = {store->path, !store->dirsync};
    struct sfs_identity made = {0};
    int result = check_unchanged(store, error);
    if (result < 0)
        return result;
    result = sfs_snapshot_file_save(&place, state, sequence,
                                    sfs_memory_engine_last_id(store->base.engine), &made, error);
    if (result == 0)
        store->seen = made;
    store->doubtful = made;
    store->dirty = result != 0;
    return sfs_identity_unplaced(result, store->path, ORIGIN, error);
}

static int save_locked(struct memory_store *store, struct sfs_cursor *state, uint64_t sequence,
                       struct sfs_error *error)
{
    int result = sfs_lock_file_check(&store->lock, error);
    return result ? result : save(store, state, sequence, error);
}

static int persist(void *context, struct sfs_cursor *state, uint64_t sequence, bool durable,
                   struct sfs_error *error)
{
    struct memory_store *store = context;
    bool saves = store->path && durable;
    pthread_mutex_lock(&store->saving);
    store->dirty |= !saves;
    int result = saves ? save_locked(store, state, sequence, error) : 0;
    pthread_mutex_unlock(&store->saving);
    return result;
}

static int save_present(struct memory_store *store, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    uint64_t sequence = 0;
    int result = sfs_memory_engine_scan(store->base.engine, NULL, NULL, &sequence, &cursor, error);
    if (result)
        return result;
    result = save(store, cursor, sequence, error);
    sfs_cursor_close(cursor);
    return result;
}

/* Afterwards the file holds what memory does, also if it had been removed. The lock comes last: the
 * content is saved all the same, unless another program has changed the file. */
static int save_all(void *context, struct sfs_error *error)
{
    struct memory_store *store = context;
    if (!store->path || store->base.storage.read_only)
        return 0;
    pthread_mutex_lock(&store->saving);
    int result = check_unchanged(store, error);
    if (result == 1 || (result == 0 && store->dirty))
        result = save_present(store, error);
    pthread_mutex_unlock(&store->saving);
    return result ? result : sfs_lock_file_check(&store->lock, error);
}

static int memory_files(struct sfs_storage *storage, sfs_report_function *report, void *context,
                        struct sfs_error *error)
{
    struct memory_store *store = (struct memory_store *)storage;
    if (!store->path)
        return 0;
    pthread_mutex_lock(&store->saving);
    int result = sfs_identity_look(&store->seen, store->path, ORIGIN, report, context, error);
    pthread_mutex_unlock(&store->saving);
    return result ? result : sfs_lock_file_check(&store->lock, error);
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
                                        &(struct sfs_identity){0}, error);
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
    sfs_notes_free(&store->notes);
    free(store->path);
    pthread_mutex_destroy(&store->saving);
    free(store);
}

static int memory_close(struct sfs_storage *storage, struct sfs_error *error)
{
    struct memory_store *store = (struct memory_store *)storage;
    int result = save_all(store, error);
    free_store(store);
    return result;
}

static int take_lock(struct memory_store *store, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    int result = sfs_buffer_printf(&name, "%s.storefs-lock", store->path);
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
    .files = memory_files,
    .reserve_ids = sfs_memory_reserve_ids,
    .index = &sfs_memory_index_operations,
};

static int store_new(unsigned flags, struct memory_store **ret_store, struct sfs_error *error)
{
    struct memory_store *store = calloc(1, sizeof(*store));
    if (!store)
        return sfs_fail_memory(error, ORIGIN);
    store->lock.fd = -1;
    pthread_mutex_init(&store->saving, NULL);
    const struct sfs_memory_hooks hooks = {persist, save_all, store};
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
    store->salvage = flags & SFS_OPEN_SALVAGE;
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
    if (create && access(store->path, F_OK) && errno == ENOENT)
        return save_present(store, error);
    if (store->salvage)
        return sfs_snapshot_file_salvage(store->path, store->base.engine, &store->notes, error);
    if (stat(store->path, &store->seen.status))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot open '%s'", store->path);
    store->seen.exists = true;
    result = sfs_snapshot_file_load(store->path, store->base.engine, error);
    if (result || store->base.storage.read_only)
        return result;
    return sfs_identity_single(&store->seen.status, store->path, ORIGIN, error);
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
    struct sfs_storage *opened = &store->base.storage;
    if (!result && store->salvage)
        result = sfs_notes_layer(opened, &store->notes, &opened, error);
    if (result)
        free_store(store);
    else
        *ret_store = opened;
    return result;
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
