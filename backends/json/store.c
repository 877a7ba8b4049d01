/* SPDX-License-Identifier: MIT */
/*
 * The backend "json:PATH": opening, locking, closing, and when to save. In between everything is
 * done by the engine in memory.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "json.h"
#include "util/file.h"
#include "util/place.h"
#include "util/probe.h"

#define ORIGIN SFS_JSON_ORIGIN

static const struct sfs_option_rule rules[] = {
    {"pretty", SFS_OPTION_BOOL, offsetof(struct sfs_json_options, pretty), NULL,
     "lay values out with 2 spaces; their white space is then not kept"},
    {"autosave", SFS_OPTION_BOOL, offsetof(struct sfs_json_options, autosave), NULL,
     "write the file at every change (default), or only at sync and close"},
    {"atomic", SFS_OPTION_BOOL, offsetof(struct sfs_json_options, atomic), NULL,
     "replace the file by rename (default), or overwrite it, which a crash can tear"},
    {"recover", SFS_OPTION_BOOL, offsetof(struct sfs_json_options, recover), NULL,
     "set a damaged file aside as PATH.corrupt-N and begin an empty one"},
    {"dirsync", SFS_OPTION_BOOL, offsetof(struct sfs_json_options, dirsync), NULL,
     "no: accept a file system that cannot put directories on disk"},
    {0},
};

/* --- saving: called by the engine, one at a time --- */

static int save_locked(struct sfs_json_store *store, struct sfs_cursor *state, uint64_t sequence,
                       struct sfs_error *error)
{
    int result = sfs_lock_file_check(&store->lock, error);
    return result ? result : sfs_json_save(store, state, sequence, error);
}

static int persist(void *context, struct sfs_cursor *state, uint64_t sequence, bool durable,
                   struct sfs_error *error)
{
    struct sfs_json_store *store = context;
    bool saves = store->options.autosave || durable;
    pthread_mutex_lock(&store->saving);
    store->dirty |= !saves;
    int result = saves ? save_locked(store, state, sequence, error) : 0;
    pthread_mutex_unlock(&store->saving);
    return result;
}

static int save_present(struct sfs_json_store *store, struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    uint64_t sequence = 0;
    int result = sfs_memory_engine_scan(store->base.engine, NULL, NULL, &sequence, &cursor, error);
    if (result)
        return result;
    result = sfs_json_save(store, cursor, sequence, error);
    sfs_cursor_close(cursor);
    return result;
}

/* Afterwards both files hold what memory does, also if they had been removed. The lock comes last:
 * the content is saved all the same, unless another program has changed the file. */
static int save_all(void *context, struct sfs_error *error)
{
    struct sfs_json_store *store = context;
    if (store->base.storage.read_only)
        return 0;
    pthread_mutex_lock(&store->saving);
    int result = sfs_json_save_check(store, error);
    if (result == 1 || (result == 0 && store->dirty))
        result = save_present(store, error);
    pthread_mutex_unlock(&store->saving);
    return result ? result : sfs_lock_file_check(&store->lock, error);
}

static int json_files(struct sfs_storage *storage, sfs_report_function *report, void *context,
                      struct sfs_error *error)
{
    struct sfs_json_store *store = (struct sfs_json_store *)storage;
    pthread_mutex_lock(&store->saving);
    int result = sfs_identity_look(&store->seen, store->path, ORIGIN, report, context, error);
    pthread_mutex_unlock(&store->saving);
    return result ? result : sfs_lock_file_check(&store->lock, error);
}

/* --- the store --- */

static void free_store(struct sfs_json_store *store)
{
    sfs_memory_engine_free(store->base.engine);
    sfs_lock_file_release(&store->lock);
    sfs_notes_free(&store->notes);
    free(store->path);
    free(store->attributes);
    free(store->previous);
    pthread_mutex_destroy(&store->saving);
    free(store);
}

static int json_close(struct sfs_storage *storage, struct sfs_error *error)
{
    struct sfs_json_store *store = (struct sfs_json_store *)storage;
    int result = save_all(store, error);
    free_store(store);
    return result;
}

static int new_engine(struct sfs_json_store *store, struct sfs_error *error)
{
    const struct sfs_memory_hooks hooks = {persist, save_all, store};
    struct sfs_memory_engine *engine = NULL;
    int result = sfs_memory_engine_new(&engine, &hooks, error);
    if (result)
        return result;
    sfs_memory_engine_free(store->base.engine);
    store->base.engine = engine;
    return 0;
}

/* --- its files --- */

static int add_suffix(const char *path, const char *suffix, char **ret_path,
                      struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    if (sfs_buffer_printf(&name, "%s%s", path, suffix) || sfs_buffer_text(&name)) {
        sfs_buffer_free(&name);
        return sfs_fail_memory(error, ORIGIN);
    }
    *ret_path = name.data;
    return 0;
}

/* Takes the path over, also on failure. */
static int name_files(struct sfs_json_store *store, char *path, struct sfs_error *error)
{
    store->path = path;
    store->base.storage.location = path;
    int result = add_suffix(path, ".attrs", &store->attributes, error);
    return result ? result : add_suffix(path, ".attrs~", &store->previous, error);
}

static int find_places(struct sfs_json_store *store, const char *path, bool create,
                       struct sfs_error *error)
{
    char *resolved = NULL;
    if (!create && access(path, F_OK) && errno == ENOENT)
        return sfs_fail(error, SFS_E_NOT_FOUND, ORIGIN, "'%s' does not exist", path);
    int result = create ? sfs_place_make_parents(path, error) : 0;
    if (!result)
        result = sfs_place_resolve(path, &resolved, error);
    return result ? result : name_files(store, resolved, error);
}

/* A backup is one save of the same content to other files. */
static int back_up(struct sfs_json_store *copy, sfs_progress_function *progress, void *context,
                   struct sfs_error *error)
{
    struct sfs_cursor *cursor = NULL;
    uint64_t sequence = 0;
    if (stat(copy->path, &copy->seen.status))
        return sfs_fail_errno(error, errno, ORIGIN, "cannot stat '%s'", copy->path);
    copy->seen.exists = true;
    int result =
        sfs_memory_engine_scan(copy->base.engine, progress, context, &sequence, &cursor, error);
    if (result)
        return result;
    result = sfs_json_save(copy, cursor, sequence, error);
    sfs_cursor_close(cursor);
    return result;
}

static int claim_and_back_up(struct sfs_json_store *copy, sfs_progress_function *progress,
                             void *context, struct sfs_error *error)
{
    int result = sfs_place_claim(copy->attributes, error);
    if (result)
        return result;
    result = back_up(copy, progress, context, error);
    if (result)
        (void)unlink(copy->attributes);
    return result;
}

static int json_backup(struct sfs_storage *storage, const char *path,
                       sfs_progress_function *progress, void *context, struct sfs_error *error)
{
    const struct sfs_json_store *store = (struct sfs_json_store *)storage;
    struct sfs_json_store copy = {.base.engine = store->base.engine, .options = store->options};
    char *resolved = NULL;
    int result = sfs_place_claim(path, error);
    if (result)
        return result;
    result = sfs_place_resolve(path, &resolved, error);
    if (!result)
        result = name_files(&copy, resolved, error);
    if (!result)
        result = claim_and_back_up(&copy, progress, context, error);
    if (result)
        (void)unlink(path);
    free(copy.path);
    free(copy.attributes);
    free(copy.previous);
    return result;
}

static int take_lock(struct sfs_json_store *store, struct sfs_error *error)
{
    char *name = NULL;
    unsigned needs = SFS_PROBE_FLOCK | (store->options.dirsync ? SFS_PROBE_DIRECTORY : 0);
    int result = store->base.storage.read_only ? 0 : sfs_probe_place(store->path, needs, error);
    if (!result)
        result = add_suffix(store->path, ".storefs-lock", &name, error);
    if (!result)
        result = sfs_lock_file_take(name, store->base.storage.read_only, store->path, &store->lock,
                                    error);
    free(name);
    if (result == 0 && !store->base.storage.read_only) {
        sfs_replacement_clean(store->path);
        sfs_replacement_clean(store->attributes);
    }
    return result;
}

static int store_new(unsigned flags, struct sfs_json_store **ret_store, struct sfs_error *error)
{
    static const struct sfs_override_operations overrides = {
        .totals = sfs_memory_totals,
        .backup = json_backup,
        .files = json_files,
        .reserve_ids = sfs_memory_reserve_ids,
        .index = &sfs_memory_index_operations,
    };
    struct sfs_json_store *store = calloc(1, sizeof(*store));
    if (!store)
        return sfs_fail_memory(error, ORIGIN);
    store->lock.fd = -1;
    pthread_mutex_init(&store->saving, NULL);
    store->options = (struct sfs_json_options){.autosave = true, .atomic = true, .dirsync = true};
    store->operations = (struct sfs_storage_operations){
        .name = "json",
        .read = sfs_memory_read_operations(),
        .write = sfs_memory_write_operations(),
        .time = sfs_memory_time_operations(),
        .override = &overrides,
        .close = json_close,
    };
    store->base.storage.operations = &store->operations;
    store->base.storage.read_only = flags & SFS_OPEN_READ_ONLY;
    store->salvage = flags & SFS_OPEN_SALVAGE;
    store->base.storage.capabilities = SFS_CAN_SNAPSHOT | SFS_CAN_CHANGES | SFS_CAN_PERSIST;
    int result = new_engine(store, error);
    if (result) {
        free_store(store);
        return result;
    }
    *ret_store = store;
    return 0;
}

/* --- opening --- */

/* Gives a file the first free name FILE.corrupt-N; one that is not there needs none. */
static int set_aside(const char *path, struct sfs_error *error)
{
    for (unsigned n = 1; n < 100000; n++) {
        char suffix[32];
        char *name = NULL;
        snprintf(suffix, sizeof(suffix), ".corrupt-%u", n);
        int result = add_suffix(path, suffix, &name, error);
        if (result)
            return result;
        int failed = sfs_rename_new(AT_FDCWD, path, name) ? errno : 0;
        free(name);
        if (!failed || failed == ENOENT)
            return 0;
        if (failed != EEXIST)
            return sfs_fail_errno(error, failed, ORIGIN, "cannot set '%s' aside", path);
    }
    return sfs_fail(error, SFS_E_EXISTS, ORIGIN, "'%s' has been set aside too often", path);
}

static int adopt(struct sfs_json_store *store, struct sfs_error *error)
{
    uint64_t sequence = 0;
    if (store->attributes_known || store->base.storage.read_only)
        return 0;
    int result = sfs_memory_engine_counters_check(store->base.engine, error);
    if (!result)
        result = sfs_memory_time_operations()->sequence(&store->base.storage, &sequence, error);
    return result ? result : sfs_json_save_adopt(store, sequence, error);
}

static int set_attributes_aside(struct sfs_json_store *store, struct sfs_error *error)
{
    int result = set_aside(store->attributes, error);
    return result ? result : set_aside(store->previous, error);
}

static int begin_anew(struct sfs_json_store *store, struct sfs_error *error)
{
    int result = set_aside(store->path, error);
    if (!result)
        result = set_attributes_aside(store, error);
    if (!result)
        result = new_engine(store, error);
    if (result)
        return result;
    store->seen.exists = false;
    store->attributes_fit = false;
    return save_present(store, error);
}

/* What is damaged makes room; nothing is lost, only renamed. A sound PATH stays. */
static int recover(struct sfs_json_store *store, struct sfs_error *error)
{
    if (store->content_damaged)
        return begin_anew(store, error);
    int result = set_attributes_aside(store, error);
    if (!result)
        result = new_engine(store, error);
    if (!result)
        result = sfs_json_load(store, error);
    if (result == SFS_E_CORRUPT && store->content_damaged)
        return begin_anew(store, error);
    return result ? result : adopt(store, error);
}

/* Loads what is there. Where nothing is, the file is made, so that a place that cannot be written
 * shows at once. */
static int load(struct sfs_json_store *store, bool create, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    if (create && access(store->path, F_OK) && errno == ENOENT)
        return save_present(store, error);
    int result = sfs_json_load(store, &failure);
    if (!result && !store->base.storage.read_only)
        result = sfs_identity_single(&store->seen.status, store->path, ORIGIN, &failure);
    if (!result)
        return adopt(store, error);
    if (result == SFS_E_CORRUPT && store->options.recover && !store->base.storage.read_only)
        return recover(store, error);
    if (error)
        *error = failure;
    return result;
}

static int check_companions(const struct sfs_json_store *store, struct sfs_error *error)
{
    int result = sfs_identity_companion(store->attributes, store->path, ORIGIN, error);
    return result ? result : sfs_identity_companion(store->previous, store->path, ORIGIN, error);
}

static int json_open(struct sfs_storage **ret_store, const struct sfs_location *location,
                     unsigned flags, struct sfs_error *error)
{
    struct sfs_json_store *store = NULL;
    bool create = (flags & SFS_OPEN_CREATE) && !(flags & SFS_OPEN_READ_ONLY);
    if (!location->path || !location->path[0])
        return sfs_fail(error, SFS_E_INVALID, ORIGIN, "json: needs a path, as in json:store.json");
    int result = store_new(flags, &store, error);
    if (result)
        return result;
    result = sfs_options_parse(location, rules, &store->options, error);
    if (!result)
        result = find_places(store, location->path, create, error);
    if (!result)
        result = check_companions(store, error);
    if (!result)
        result = take_lock(store, error);
    if (!result)
        result = load(store, create, error);
    struct sfs_storage *opened = &store->base.storage;
    if (!result && store->salvage)
        result = sfs_notes_layer(opened, &store->notes, &opened, error);
    if (result)
        free_store(store);
    else
        *ret_store = opened;
    return result;
}

const struct sfs_backend sfs_json_backend = {
    .info =
        {
            .scheme = "json",
            .summary = "one JSON object file, for stores that fit into memory",
            .options =
                "pretty=BOOL (2-space layout; white space of values is not kept); "
                "autosave=BOOL (write the file at every change, default yes); "
                "atomic=BOOL (replace the file by rename, default yes); "
                "recover=BOOL (set a damaged file aside and begin anew); "
                "dirsync=BOOL (no: accept a file system that cannot put directories on disk)",
        },
    .open = json_open,
};
