/* SPDX-License-Identifier: MIT */
/*
 * Renaming in the keys tree: files, directories, exchange. One batch each.
 */
#include <fcntl.h>
#include <stdio.h>

#include "fs/keys.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

/* One rename under way: both ends, and the open files of plain ones. */
struct rename {
    struct fs_target from;
    struct fs_target to;
    struct fs_file *from_file;
    struct fs_file *to_file;
    struct fs_dirty taken;
    bool from_pending;
    bool to_pending;
    bool whole; /* the file's content replaces the value: nobody else's is in it afterwards */
    unsigned flags;
    struct sfs_batch *batch;
};

static struct sfs_bytes from_key(const struct rename *rename)
{
    return sfs_buffer_bytes(&rename->from.key);
}

static struct sfs_bytes to_key(const struct rename *rename)
{
    return sfs_buffer_bytes(&rename->to.key);
}

static int find_ends(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_node *to_dir, const char *to_name, struct rename *rename)
{
    int code = fs_keys_find(call, dir, name, &rename->from);
    if (code == SFS_E_INVALID)
        code = SFS_E_NOT_FOUND;
    if (code == 0)
        code = fs_keys_find(call, to_dir, to_name, &rename->to);
    rename->from_pending = fs_keys_is_pending(call, dir, name);
    rename->to_pending = fs_keys_is_pending(call, to_dir, to_name);
    return code;
}

/* What POSIX refuses before anything is tried. */
static int check_ends(struct fs_call *call, const struct rename *rename)
{
    const struct fs_target *from = &rename->from, *to = &rename->to;
    bool taken = to->exists || rename->to_pending;
    if (!from->exists && !rename->from_pending)
        return SFS_E_NOT_FOUND;
    if (from->name.kind == FS_KIND_PIECE || to->name.kind == FS_KIND_PIECE)
        return sfs_fail(&call->error, SFS_E_CROSS, "mount",
                        "a piece of a long name cannot be renamed: rename the whole name's file");
    if (rename->flags & RENAME_EXCHANGE && !taken)
        return SFS_E_NOT_FOUND;
    if (rename->flags & RENAME_EXCHANGE && to->directory && from->name.kind == FS_KIND_OWN)
        return sfs_fail(&call->error, SFS_E_INVALID, "mount", "'%s' cannot be a directory",
                        from->name.name);
    if (taken && rename->flags & RENAME_NOREPLACE)
        return sfs_fail(&call->error, SFS_E_EXISTS, "mount", "'%s' exists", to->name.name);
    if (from->directory && to->name.kind == FS_KIND_OWN)
        return sfs_fail(&call->error, SFS_E_INVALID, "mount", "'%s' cannot be a directory",
                        to->name.name);
    if (rename->flags & RENAME_EXCHANGE)
        return 0;
    if (from->directory && taken && !to->directory)
        return sfs_fail(&call->error, SFS_E_NOT_DIRECTORY, "mount", "'%s' is not a directory",
                        to->name.name);
    if (!from->directory && to->directory)
        return sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "mount", "'%s' is a directory",
                        to->name.name);
    return 0;
}

/* An empty directory at the target gives way. */
static int clear_target_directory(struct fs_call *call, struct rename *rename)
{
    struct fs_target *to = &rename->to;
    struct sfs_bytes prefix = sfs_buffer_bytes(&to->prefix);
    struct fs_below below = {0};
    struct sfs_buffer marker = {0};
    int code = to->leaf != NULL
                   ? 1
                   : fs_keys_occupied(call, to->name.parent->space, prefix);
    if (code == 1)
        code = sfs_fail(&call->error, SFS_E_NOT_EMPTY, "mount", "directory '%s' is not empty",
                        to->name.name);
    if (code == 0 && (fs_keys_below(prefix, &below) != 0 || fs_keys_marker(prefix, &marker) != 0))
        code = sfs_fail_memory(&call->error, "mount");
    if (code == 0)
        code = sfs_batch_require_empty(rename->batch, below.empty_part, &call->error);
    if (code == 0)
        code = sfs_batch_require_empty(rename->batch, below.rest, &call->error);
    if (code == 0)
        code = sfs_batch_delete(rename->batch, sfs_buffer_bytes(&marker), 0, &call->error);
    sfs_buffer_free(&below.bounds);
    sfs_buffer_free(&marker);
    return code;
}

/* Everything below, and the directory's own value. */
static int batch_directory(struct fs_call *call, struct rename *rename)
{
    int code = rename->to.directory ? clear_target_directory(call, rename) : 0;
    if (code == 0)
        code = sfs_batch_rename_prefix(rename->batch, sfs_buffer_bytes(&rename->from.prefix),
                                       sfs_buffer_bytes(&rename->to.prefix), &call->error);
    if (code == 0 && rename->from.leaf != NULL)
        code = sfs_batch_rename(rename->batch, from_key(rename), to_key(rename),
                                SFS_BATCH_NO_REPLACE, &call->error);
    return code;
}

/* A dirty file's content is committed in the same batch. */
static int batch_file(struct fs_call *call, struct rename *rename)
{
    int code = 0;
    if (rename->from_file != NULL) {
        rename->whole = rename->from_file->created; /* by this mount alone */
        code = fs_file_batch(call, rename->from_file, from_key(rename), FS_ONTO_NAME,
                             rename->batch, &rename->taken);
    }
    if (code == 0)
        code = sfs_batch_rename(rename->batch, from_key(rename), to_key(rename),
                                rename->flags & RENAME_NOREPLACE ? SFS_BATCH_NO_REPLACE : 0,
                                &call->error);
    return code;
}

/* Swaps two names, each a file or a directory, with its own value where it has one. */
static int batch_exchange(struct fs_call *call, struct rename *rename)
{
    const struct fs_target *from = &rename->from, *to = &rename->to;
    struct sfs_bytes below_from = sfs_buffer_bytes(&from->prefix);
    struct sfs_bytes below_to = sfs_buffer_bytes(&to->prefix);
    int code = 0;
    if (from->leaf != NULL && to->leaf != NULL)
        code = sfs_batch_exchange(rename->batch, from_key(rename), to_key(rename), &call->error);
    else if (from->leaf != NULL)
        code = sfs_batch_rename(rename->batch, from_key(rename), to_key(rename), 0, &call->error);
    else if (to->leaf != NULL)
        code = sfs_batch_rename(rename->batch, to_key(rename), from_key(rename), 0, &call->error);
    if (code == 0 && from->directory && to->directory)
        code = sfs_batch_exchange_prefix(rename->batch, below_from, below_to, &call->error);
    else if (code == 0 && from->directory)
        code = sfs_batch_rename_prefix(rename->batch, below_from, below_to, &call->error);
    else if (code == 0 && to->directory)
        code = sfs_batch_rename_prefix(rename->batch, below_to, below_from, &call->error);
    return code;
}

static int build(struct fs_call *call, struct rename *rename)
{
    int code = sfs_batch_new(&rename->batch, &call->error);
    if (code < 0)
        return code;
    if (rename->flags & RENAME_EXCHANGE)
        return batch_exchange(call, rename);
    code = rename->from.directory ? batch_directory(call, rename) : batch_file(call, rename);
    if (code == 0 && rename->from.name.kind == FS_KIND_PART)
        code = fs_keys_keep_parent(call, rename->from.name.parent->space, from_key(rename),
                                   rename->batch);
    return code;
}

/* A file that was pending when its name was looked up has a record now. */
static int committed_leaf(struct fs_call *call, struct fs_target *target, struct fs_file *file)
{
    if (file == NULL)
        return 0;
    int code = fs_file_commit(call, file, FS_OPENED, NULL, NULL);
    if (code < 0 || target->leaf != NULL)
        return code;
    return sfs_get(file->space->store, sfs_buffer_bytes(&target->key), SFS_WANT_RECORD,
                   &target->leaf, &call->error);
}

/* Exchange: what both have open is committed first, so that names can simply be swapped. */
static int settle_files(struct fs_call *call, struct rename *rename)
{
    int code = committed_leaf(call, &rename->from, rename->from_file);
    return code == 0 ? committed_leaf(call, &rename->to, rename->to_file) : code;
}

/* Holds both files in the order of their addresses, so that two renames cannot wait for each other. */
static int take_files(struct fs_call *call, struct rename *rename)
{
    struct fs_file *from = rename->from_file, *to = rename->to_file;
    if (rename->flags & RENAME_EXCHANGE)
        return settle_files(call, rename);
    if (from != NULL && (to == NULL || from < to))
        fs_file_hold(from);
    int code = fs_keys_prepare_unlink(call, to);
    if (code < 0) {
        if (from != NULL && from < to)
            fs_file_let_go(from);
        return code;
    }
    if (from != NULL && to != NULL && from > to)
        fs_file_hold(from);
    return 0;
}

static void moved_record(struct fs_call *call, struct rename *rename, int code)
{
    const struct sfs_record *after = NULL;
    struct fs_file *file = rename->from_file;
    bool dirty = rename->taken.level != FS_CLEAN;
    if (code == 0)
        (void)sfs_get(file->space->store, to_key(rename), SFS_WANT_RECORD, &after, NULL);
    fs_file_committed(file, &rename->taken, code, after != NULL ? after->revision : 0, after);
    if (code == 0 && !dirty)
        fs_file_saw(file, after);
    if (code == 0 && dirty && !rename->whole && !rename->taken.whole)
        fs_file_forget_content(file);
    sfs_record_unref(after);
    (void)call;
}

static void give_files_back(struct fs_call *call, struct rename *rename, bool taken, int code)
{
    if (rename->flags & RENAME_EXCHANGE || !taken) {
        fs_file_release(rename->from_file);
        fs_file_release(rename->to_file);
        return;
    }
    if (rename->from_file != NULL) {
        moved_record(call, rename, code);
        fs_file_let_go(rename->from_file);
        fs_file_release(rename->from_file);
    }
    fs_keys_finish_unlink(rename->to_file, code == 0);
}

static int run(struct fs_call *call, struct rename *rename)
{
    if (!rename->from.directory)
        rename->from_file = fs_keys_open_file(call, &rename->from.name, rename->from.leaf);
    if (!rename->to.directory)
        rename->to_file = fs_keys_open_file(call, &rename->to.name, rename->to.leaf);
    int code = take_files(call, rename);
    bool taken = code == 0;
    if (code == 0)
        code = build(call, rename);
    if (code == 0) {
        code = fs_keys_apply(call, rename->from.name.parent->space, rename->batch, false, NULL);
        rename->batch = NULL;
        fs_space_publish(
            rename->from.name.parent->space); /* before nodes move, also if no key did */
    }
    if (code == 0 && (rename->flags & RENAME_EXCHANGE) == 0)
        fs_keys_remember(call, &rename->to);
    if (code == 0)
        code = fs_node_move(call->fs, &rename->from.name, &rename->to.name,
                            (rename->flags & RENAME_EXCHANGE) != 0, &call->error);
    give_files_back(call, rename, taken, code);
    sfs_batch_free(rename->batch);
    return code;
}

int fs_keys_rename(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_node *to_dir,
                   const char *to_name, unsigned flags)
{
    struct rename rename = {.flags = flags};
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
        return sfs_fail(&call->error, SFS_E_INVALID, "mount", "this kind of rename is not known");
    bool exchange = (flags & RENAME_EXCHANGE) != 0;
    struct fs_file *replaced = exchange ? NULL : fs_keys_keep_ahead(call, to_dir, to_name);
    fs_keys_move_begin(call, dir->space); /* the keys of all nodes below may change */
    if (!exchange)
        fs_space_doom(dir->space, to_dir, to_name);
    int code = find_ends(call, dir, name, to_dir, to_name, &rename);
    if (code == 0)
        code = check_ends(call, &rename);
    bool same = code == 0 && sfs_bytes_equal(from_key(&rename), to_key(&rename));
    if (code == 0 && !same)
        code = run(call, &rename);
    if (code == 0 && !same) {
        dir->space->directories += rename.from.directory || rename.to.directory;
        fs_keys_touch(call, dir);
        fs_keys_touch(call, to_dir);
    }
    fs_keys_move_end(call, dir->space);
    fs_keys_kept_ahead(replaced, code == 0 && !same);
    fs_target_free(&rename.from);
    fs_target_free(&rename.to);
    return code;
}
