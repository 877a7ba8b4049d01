/* SPDX-License-Identifier: MIT */
/* The backend "dir:PATH": opening, finishing what a killed process began, closing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dir.h"
#include "internal.h"
#include "util/file.h"
#include "util/identity.h"
#include "util/place.h"
#include "util/probe.h"

#define CONTROL SFS_PATH_VALUE
#define CONTROL_IN_MOUNT "%%value" /* where the name above is refused: a key to the store below */
#define FUSE_MAGIC 0x65735546

static const struct sfs_option_rule rules[] = {
    {"fsync", SFS_OPTION_BOOL, offsetof(struct sfs_dir_options, fsync), NULL,
     "wait for the disk at every commit (default), or only at durable ones and at sync"},
    {"recover", SFS_OPTION_BOOL, offsetof(struct sfs_dir_options, recover), NULL,
     "set a damaged log aside as log.corrupt-N and take the files as they are"},
    {"dirsync", SFS_OPTION_BOOL, offsetof(struct sfs_dir_options, dirsync), NULL,
     "no: accept a file system that cannot put directories on disk"},
    {0},
};

/* --- time: there is only the present --- */

static int dir_sequence(struct sfs_storage *storage, uint64_t *ret_sequence,
                        struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    (void)error;
    pthread_mutex_lock(&store->lock);
    *ret_sequence = store->sequence;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

static int dir_snapshot(struct sfs_storage *storage, uint64_t lease_ms,
                        struct sfs_storage **ret_snapshot, struct sfs_error *error)
{
    (void)storage, (void)lease_ms, (void)ret_snapshot;
    return sfs_fail(error, SFS_E_UNSUPPORTED, SFS_DIR_ORIGIN, "a dir store has no snapshots");
}

static int dir_changes(struct sfs_storage *storage, uint64_t since, struct sfs_feed **ret_feed,
                       struct sfs_error *error)
{
    (void)storage, (void)since, (void)ret_feed;
    return sfs_fail(error, SFS_E_UNSUPPORTED, SFS_DIR_ORIGIN, "a dir store has no change feed");
}

/* --- closing --- */

static void free_store(struct sfs_dir_store *store)
{
    sfs_lock_file_release(&store->file_lock);
    const int files[] = {store->log, store->control, store->root};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] >= 0)
            close(files[i]);
    sfs_dir_steps_free(&store->pending);
    sfs_notes_free(&store->notes);
    sfs_tree_clear(&store->tree);
    sfs_tree_clear(&store->unsaved);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->writer);
    free(store->path);
    free(store->control_path);
    free(store->log_path);
    free(store);
}

static int dir_close(struct sfs_storage *storage, struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    int code = 0;
    struct sfs_error gone;
    int lost = storage->read_only ? 0 : sfs_dir_files_check(store, &gone);
    if (!storage->read_only) {
        code = sfs_dir_enter(store, error);
        if (code == 0) {
            code = sfs_dir_save(store, error);
            sfs_dir_leave(store);
        }
        if (code == 0 && store->unsynced) {
            code = sfs_dir_sync_control(store, error);
            if (code == 0)
                sfs_dir_log_done(store);
        }
    }
    if (lost && error)
        *error = gone;
    free_store(store);
    return lost ? lost : code;
}

static int dir_reserve_ids(struct sfs_storage *base, uint64_t count, uint64_t *ret_first,
                           struct sfs_error *error)
{
    (void)error;
    struct sfs_dir_store *store = (struct sfs_dir_store *)base;
    pthread_mutex_lock(&store->lock);
    *ret_first = store->last_id + 1;
    store->last_id += count;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* --- its own files --- */

int sfs_dir_files_check(struct sfs_dir_store *store, struct sfs_error *error)
{
    const struct {
        int fd;
        const char *path;
    } files[] = {{store->root, store->path},
                 {store->control, store->control_path},
                 {store->log, store->log_path}};
    int code = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && code == 0; i++)
        if (files[i].fd >= 0)
            code = sfs_identity_check(files[i].fd, files[i].path, SFS_DIR_ORIGIN, error);
    if (code == 0)
        code = sfs_lock_file_check(&store->file_lock, error);
    store->lost = code == SFS_E_LOST;
    return code;
}

static int check_log_single(const struct sfs_dir_store *store, struct sfs_error *error)
{
    struct stat status;
    if (store->log < 0 || fstat(store->log, &status))
        return 0;
    return sfs_identity_single(&status, store->log_path, SFS_DIR_ORIGIN, error);
}

static int dir_files(struct sfs_storage *storage, sfs_report_function *report, void *context,
                     struct sfs_error *error)
{
    struct sfs_dir_store *store = sfs_dir_of(storage);
    struct sfs_error several;
    pthread_mutex_lock(&store->writer);
    int code = sfs_dir_files_check(store, error);
    bool warns = report && check_log_single(store, &several) != 0;
    pthread_mutex_unlock(&store->writer);
    if (warns)
        report(context, several.message);
    return code;
}

/* --- opening --- */

static int store_new(unsigned flags, struct sfs_dir_store **ret_store, struct sfs_error *error)
{
    static const struct sfs_time_operations times = {dir_sequence, dir_snapshot, dir_changes};
    static const struct sfs_override_operations overrides = {.exists = sfs_dir_exists,
                                                             .backup = sfs_dir_backup,
                                                             .reserve_ids = dir_reserve_ids,
                                                             .files = dir_files};
    static const struct sfs_storage_operations operations = {
        .name = "dir",
        .read = &sfs_dir_reads,
        .write = &sfs_dir_writes,
        .time = &times,
        .override = &overrides,
        .close = dir_close,
    };
    struct sfs_dir_store *store = calloc(1, sizeof(*store));
    if (!store)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    store->storage.operations = &operations;
    store->storage.read_only = (flags & SFS_OPEN_READ_ONLY) != 0;
    store->salvage = (flags & SFS_OPEN_SALVAGE) != 0;
    store->storage.capabilities = SFS_CAN_PERSIST | SFS_CAN_CHANGE_OUTSIDE;
    store->options.fsync = store->options.dirsync = true;
    store->root = store->control = store->log = store->file_lock.fd = -1;
    store->control_name = CONTROL;
    sfs_tree_init(&store->tree, &sfs_dir_counting);
    sfs_tree_init(&store->unsaved, &sfs_dir_counting);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->writer, NULL);
    *ret_store = store;
    return 0;
}

static int open_root(struct sfs_dir_store *store, const char *path, bool create,
                     struct sfs_error *error)
{
    int code = create ? sfs_place_make_parents(path, error) : 0;
    if (code)
        return code;
    if (create && mkdir(path, 0700) && errno != EEXIST)
        return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot make the directory '%s'", path);
    if (!create && access(path, F_OK) && errno == ENOENT)
        return sfs_fail(error, SFS_E_NOT_FOUND, SFS_DIR_ORIGIN, "'%s' does not exist", path);
    code = sfs_place_resolve(path, &store->path, error);
    if (code)
        return code;
    store->storage.location = store->path;
    store->root = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root < 0)
        return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot open the directory '%s'",
                              store->path);
    return 0;
}

static int try_control(struct sfs_dir_store *store, const char *name)
{
    store->control_name = name;
    store->control = openat(store->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (store->control >= 0 || errno != ENOENT || store->storage.read_only)
        return store->control;
    if (mkdirat(store->root, name, 0700) && errno != EEXIST)
        return -1;
    store->control = openat(store->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return store->control;
}

/* Whether the directory may be a mount of storefs, where our name is no name. */
static bool is_mount(const struct sfs_dir_store *store, int number)
{
    struct statfs status;
    if (number != EINVAL && number != ENOENT)
        return false;
    return fstatfs(store->root, &status) == 0 && status.f_type == FUSE_MAGIC;
}

static int open_control(struct sfs_dir_store *store, struct sfs_error *error)
{
    if (try_control(store, CONTROL) >= 0)
        return 0;
    if (is_mount(store, errno) && try_control(store, CONTROL_IN_MOUNT) >= 0)
        return 0;
    if (store->storage.read_only && errno == ENOENT)
        return 0; /* a directory that was never written as a store */
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot open '%s/%s'", store->path,
                          store->control_name);
}

/* NULL: no memory. */
static char *below(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Keys become names, and files are known by their inode numbers. */
static int check_place(const struct sfs_dir_store *store, struct sfs_error *error)
{
    unsigned needs =
        SFS_PROBE_FLOCK | SFS_PROBE_NAMES | (store->options.dirsync ? SFS_PROBE_DIRECTORY : 0);
    if (store->storage.read_only)
        return 0;
    char *control = below(store->path, store->control_name);
    char *path = control ? below(control, "log") : NULL;
    int code = path ? sfs_probe(path, needs, error) : sfs_fail_memory(error, SFS_DIR_ORIGIN);
    free(control);
    free(path);
    return code;
}

static int take_lock(struct sfs_dir_store *store, struct sfs_error *error)
{
    if (store->control < 0)
        return 0;
    store->control_path = below(store->path, store->control_name);
    store->log_path = store->control_path ? below(store->control_path, "log") : NULL;
    char *name = store->log_path ? below(store->control_path, "lock") : NULL;
    if (!name)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    int code =
        sfs_lock_file_take(name, store->storage.read_only, store->path, &store->file_lock, error);
    free(name);
    return code;
}

/* --- what is left of a process that was killed --- */

static bool is_number(const char *name)
{
    return *name && strspn(name, "0123456789") == strlen(name);
}

/* Nobody has the store open but us, and nothing is pending: no temporary file belongs to anybody.
 */
static int remove_temporaries(struct sfs_dir_store *store, struct sfs_error *error)
{
    int copy = openat(store->control, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *handle = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    if (!handle) {
        int number = errno;
        if (copy >= 0)
            close(copy);
        return sfs_fail_errno(error, number, SFS_DIR_ORIGIN, "cannot read '%s/%s'", store->path,
                              store->control_name);
    }
    while ((entry = readdir(handle)))
        if (is_number(entry->d_name))
            (void)unlinkat(store->control, entry->d_name, 0);
    closedir(handle);
    return 0;
}

static int finish(struct sfs_dir_store *store, struct sfs_error *error)
{
    store->pending_later = sfs_dir_settles_later(&store->pending);
    sfs_dir_skip_placed(store);
    if (store->salvage && sfs_dir_has_work(&store->pending) &&
        sfs_notes_add(
            &store->notes, SFS_E_DOUBTFUL,
            "'%s' has a commit that its last process did not bring to its end: its files are "
            "there as they were before",
            store->path))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    if (!store->salvage && store->storage.read_only && sfs_dir_has_work(&store->pending))
        return sfs_fail(error, SFS_E_READ_ONLY, SFS_DIR_ORIGIN,
                        "'%s' has a commit that its last process did not bring to its end: open it "
                        "once for writing (storefs fsck --repair does)",
                        store->path);
    if (store->storage.read_only) {
        sfs_dir_steps_free(&store->pending);
        return 0;
    }
    int code = store->pending.count ? sfs_dir_settle(store, error) : 0;
    return code ? code : remove_temporaries(store, error);
}

/* Gives the damaged log the first free name log.corrupt-N. */
static int set_aside(struct sfs_dir_store *store, struct sfs_error *error)
{
    for (unsigned n = 1; n < 100000; n++) {
        char name[32];
        snprintf(name, sizeof(name), "log.corrupt-%u", n);
        if (sfs_rename_new(store->control, "log", name) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return sfs_fail_errno(error, errno, SFS_DIR_ORIGIN, "cannot set the log of '%s' aside",
                          store->path);
}

static int recover(struct sfs_dir_store *store, struct sfs_error *error)
{
    int code = set_aside(store, error);
    if (code)
        return code;
    close(store->log);
    store->log = -1;
    sfs_dir_steps_free(&store->pending);
    sfs_tree_clear(&store->tree);
    sfs_tree_init(&store->tree, &sfs_dir_counting);
    return sfs_dir_log_open(store, true, error);
}

static int load(struct sfs_dir_store *store, struct sfs_error *error)
{
    struct sfs_error failure = {0};
    if (store->control < 0)
        return 0;
    int code = sfs_dir_log_open(store, !store->storage.read_only, &failure);
    if (code == SFS_E_CORRUPT && store->options.recover && !store->storage.read_only)
        code = recover(store, &failure);
    if (code == 0 && !store->storage.read_only)
        code = check_log_single(store, &failure);
    if (code && error)
        *error = failure;
    return code ? code : finish(store, error);
}

static int dir_open(struct sfs_storage **ret_store, const struct sfs_location *location,
                    unsigned flags, struct sfs_error *error)
{
    struct sfs_dir_store *store = NULL;
    bool create = (flags & SFS_OPEN_CREATE) && !(flags & SFS_OPEN_READ_ONLY);
    if (!location->path || !location->path[0])
        return sfs_fail(error, SFS_E_INVALID, SFS_DIR_ORIGIN,
                        "dir: needs the path of a directory, as in dir:notes");
    int code = store_new(flags, &store, error);
    if (code)
        return code;
    code = sfs_options_parse(location, rules, &store->options, error);
    if (code == 0)
        code = open_root(store, location->path, create, error);
    if (code == 0)
        code = open_control(store, error);
    if (code == 0)
        code = check_place(store, error);
    if (code == 0)
        code = take_lock(store, error);
    if (code == 0)
        code = load(store, error);
    struct sfs_storage *opened = &store->storage;
    if (code == 0 && store->salvage)
        code = sfs_notes_layer(opened, &store->notes, &opened, error);
    if (code)
        free_store(store);
    else
        *ret_store = opened;
    return code;
}

const struct sfs_backend sfs_dir_backend = {
    .info =
        {
            .scheme = "dir",
            .summary = "a directory of files, one a key; also one in another mount",
            .options =
                "fsync=BOOL (wait for the disk at every commit, default yes); "
                "recover=BOOL (set a damaged log aside and take the files as they are); "
                "dirsync=BOOL (no: accept a file system that cannot put directories on disk)",
        },
    .open = dir_open,
};
