/* SPDX-License-Identifier: MIT */
/*
 * The life of a mount: build, serve, drain, take down.
 */
#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/budget.h"
#include "fs/fields.h"
#include "fs/follow.h"
#include "fs/indexes.h"
#include "fs/keys.h"
#include "fs/loop.h"

#define THREADS_MAX 128 /* changes may wait for a long one, and reads need a thread beside them */
#define IDLE_MS 600000        /* of a transaction */
#define TIMEOUT_SHARED 1.0    /* seconds that names may be stale where others can change the store */
#define TIMEOUT_EXCLUSIVE 60.0

struct mount {
    struct fs fs;
    struct sfs_storage *store;
    const char *directory;
    struct statx place; /* what was at `directory` just after the mount: it, if */
    bool placed;
};

/* --- arguments --- */

/* The source as it is shown: a password in a URI is nobody's business; commas would end the option. */
static int add_source(struct sfs_buffer *out, const char *uri)
{
    const char *authority = strstr(uri, "://");
    const char *at = authority != NULL ? strchr(authority + 3, '@') : NULL;
    const char *colon = at != NULL ? memchr(authority + 3, ':', (size_t)(at - authority - 3)) : NULL;
    int code = 0;
    for (const char *c = uri; *c != '\0' && code == 0; c++) {
        if (colon != NULL && c > colon && c < at)
            continue;
        if (*c == ',' || *c == '\\')
            code = sfs_buffer_byte(out, '\\');
        if (code == 0)
            code = sfs_buffer_byte(out, *c);
    }
    return code;
}

static int add_options(struct sfs_buffer *out, const char *uri, const struct fs_options *options)
{
    int code = sfs_buffer_printf(
        out, "subtype=storefs,default_permissions,nosuid,nodev%s%s%s%s%s%s%s%s,fsname=",
        options->allow_other ? ",allow_other" : "", options->read_only ? ",ro" : "",
        options->noexec ? ",noexec" : "", options->noatime ? ",noatime" : "",
        options->sync ? ",sync" : "", options->dirsync ? ",dirsync" : "",
        options->kernel ? "," : "", options->kernel ? options->kernel : "");
    if (code == 0)
        code = add_source(out, uri);
    return code == 0 ? sfs_buffer_text(out) : code;
}

static int session_new(struct mount *mount, const struct fs_options *options, struct sfs_error *error)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct sfs_buffer text = {0};
    if (options->io_uring)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "mount",
                        "FUSE over io_uring is not built in (this is libfuse %s; 3.18 is the first "
                        "that has it): mount without '-o io_uring'",
                        fuse_pkgversion());
    int code = add_options(&text, mount->fs.uri, options);
    if (code == 0 &&
        (fuse_opt_add_arg(&args, "storefs") != 0 || fuse_opt_add_arg(&args, "-o") != 0 ||
         fuse_opt_add_arg(&args, text.data) != 0 || (options->debug && fuse_opt_add_arg(&args, "-d") != 0)))
        code = SFS_E_NO_MEMORY;
    sfs_buffer_free(&text);
    if (code == 0)
        mount->fs.session = fuse_session_new(&args, &fs_operations, sizeof(fs_operations), &mount->fs);
    fuse_opt_free_args(&args);
    if (code != 0)
        return sfs_fail_memory(error, "mount");
    if (mount->fs.session == NULL)
        return sfs_fail(error, SFS_E_INVALID, "mount", "the FUSE session could not be made");
    return 0;
}

/* --- building --- */

/* A level that was asked for and that the store cannot give is refused now, not at the first mkdir. */
static int check_isolation(struct mount *mount, const struct fs_options *options,
                           struct sfs_error *error)
{
    struct sfs_transaction_options wanted = {.isolation = options->isolation, .read_only = true};
    struct sfs_transaction *transaction = NULL;
    if (!options->isolated)
        return 0;
    int code = sfs_begin(mount->store, &wanted, &transaction, error);
    sfs_transaction_free(transaction);
    return code;
}

static int build(struct mount *mount, const struct fs_options *options, struct sfs_error *error)
{
    struct fs *fs = &mount->fs;
    bool shared = fs_is_shared(mount->store);
    fs->uid = getuid();
    fs->gid = getgid();
    fs->begun = fs_now();
    fs->begun_ms = fs_monotonic_ms();
    fs->read_only = options->read_only;
    fs->sync = options->sync || options->dirsync;
    fs->keys_only = options->keys_only;
    fs->many_users = options->allow_other;
    fs->idle_ms = options->idle_ms != 0 ? options->idle_ms : IDLE_MS;
    fs->query_ms = options->query_ms;
    fs->temporary = options->temporary;
    fs->isolation = options->isolated ? options->isolation : SFS_SNAPSHOT;
    fs->budget = fs_budget_new();
    fs->documents = fs_document_cache_new();
    fs->space = fs_space_new(fs, mount->store,
                             fs->keys_only ? FS_CONSTANT_TIMEOUT
                             : shared      ? TIMEOUT_SHARED
                                           : TIMEOUT_EXCLUSIVE);
    fs->nodes = fs->space != NULL ? fs_nodes_new(fs) : NULL;
    fs->errors = fs_errors_new();
    fs->transactions = fs_transactions_new(fs);
    fs->touched = fs_touched_new();
    fs->index_builds = fs_index_builds_new();
    if (fs->budget == NULL || fs->documents == NULL || fs->touched == NULL ||
        fs->index_builds == NULL || fs->space == NULL || fs->nodes == NULL || fs->errors == NULL ||
        fs->transactions == NULL)
        return sfs_fail_memory(error, "mount");
    return session_new(mount, options, error);
}

static void take_down(struct mount *mount)
{
    struct fs *fs = &mount->fs;
    fs_index_builds_free(fs->index_builds);
    fs_follower_free(fs->follower);
    fs_notifier_free(fs->notifier);
    fs_transactions_free(fs->transactions);
    if (fs->session != NULL)
        fuse_session_destroy(fs->session);
    fs_nodes_free(fs->nodes);
    fs_touched_free(fs->touched);
    fs_errors_free(fs->errors);
    fs_space_unref(fs->space);
    fs_document_cache_free(fs->documents);
    fs_budget_free(fs->budget);
}

/* --- serving --- */

static int serve(struct mount *mount, struct sfs_error *error)
{
    struct fs *fs = &mount->fs;
    fs->notifier = fs_notifier_new(fs);
    fs->follower = fs->notifier != NULL && fs->space->shared ? fs_follower_new(fs) : NULL;
    int result = fs->notifier != NULL ? fs_loop_run(fs, THREADS_MAX) : -ENOMEM;
    if (result < 0)
        return sfs_fail_errno(error, -result, "mount", "the mount at %s stopped", mount->directory);
    return 0;
}

/* What programs wrote and did not close is committed: nothing that was taken is lost. */
static int drain(struct mount *mount, struct sfs_error *error)
{
    struct fs_call call = {.fs = &mount->fs};
    int code = fs_file_commit_all(&call, mount->fs.space);
    fs_keys_write_touched(&call);
    if (code < 0 && error != NULL)
        *error = call.error;
    return code;
}

/* No field is asked for: the kernel answers by itself. */
static bool look(const struct mount *mount, struct statx *ret_place)
{
    return statx(AT_FDCWD, mount->directory, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, ret_place) ==
           0;
}

/* The kernel has ended the connection: libfuse sees that, too, and unmounts nothing. */
static bool has_ended(struct fuse_session *session)
{
    struct pollfd device = {.fd = fuse_session_fd(session)};
    return poll(&device, 1, 0) == 1 && (device.revents & POLLERR);
}

/* Not what was mounted at the directory after this mount was detached: libfuse goes by the name.
 * Closing /dev/fuse, at the latest in take_down(), ends what is left of this mount elsewhere. */
static void unmount(struct mount *mount)
{
    struct statx now;
    bool known = mount->placed && look(mount, &now);
    if (!known || has_ended(mount->fs.session) ||
        (now.stx_dev_major == mount->place.stx_dev_major &&
         now.stx_dev_minor == mount->place.stx_dev_minor))
        fuse_session_unmount(mount->fs.session);
}

static int run_session(struct mount *mount, struct sfs_error *error)
{
    struct fuse_session *session = mount->fs.session;
    if (fuse_set_signal_handlers(session) != 0)
        return sfs_fail(error, SFS_E_IO, "mount", "signal handlers could not be set");
    int code = 0;
    if (fuse_session_mount(session, mount->directory) != 0)
        code =
            sfs_fail(error, SFS_E_PERMISSION, "mount",
                     "could not mount at %s: the line before this one says why", mount->directory);
    if (code == 0) {
        mount->placed = look(mount, &mount->place);
        code = serve(mount, error);
        int drained = drain(mount, code == 0 ? error : NULL);
        unmount(mount);
        code = code == 0 ? drained : code;
    }
    fuse_remove_signal_handlers(session);
    return code;
}

int fs_mount_run(struct sfs_storage *store, const char *uri, const char *directory,
                 const struct fs_options *options, void (*ready)(void *context), void *context,
                 struct sfs_error *error)
{
    struct mount *mount = calloc(1, sizeof(*mount));
    int code = mount == NULL ? sfs_fail_memory(error, "mount") : 0;
    if (code == 0)
        code = sfs_metrics_layer(&store, store, error);
    if (code == 0) {
        mount->store = store;
        mount->directory = directory;
        mount->fs.ready = ready;
        mount->fs.ready_context = context;
        mount->fs.uri = uri;
        code = check_isolation(mount, options, error);
        if (code == 0)
            code = build(mount, options, error);
        if (code == 0)
            code = run_session(mount, error);
        take_down(mount);
    }
    struct sfs_error closing;
    int closed = sfs_close(store, &closing);
    if (code == 0 && closed < 0) {
        code = closed;
        if (error != NULL)
            *error = closing;
    }
    free(mount);
    return code;
}
