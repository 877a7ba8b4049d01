/* SPDX-License-Identifier: MIT */
/*
 * Renaming in fields/: of members within their document, and of scratch files.
 */
#include <fcntl.h>
#include <stdio.h>

#include "fs/fields.h"

static int move_flags(struct fs_call *call, unsigned flags, unsigned *ret_flags)
{
    switch (flags) {
    case 0:
        *ret_flags = SFS_DOCUMENT_EMPTY;
        return 0;
    case RENAME_NOREPLACE:
        *ret_flags = SFS_DOCUMENT_ADD;
        return 0;
    case RENAME_EXCHANGE:
        *ret_flags = SFS_DOCUMENT_EXCHANGE;
        return 0;
    default:
        return sfs_fail(&call->error, SFS_E_INVALID, "fields",
                        "rename does not have such flags here");
    }
}

static int check_move(struct fs_call *call, const struct fs_member *from,
                      const struct fs_member *to)
{
    if (!sfs_bytes_equal(sfs_buffer_bytes(&from->field.key), sfs_buffer_bytes(&to->field.key)))
        return sfs_fail(&call->error, SFS_E_CROSS, "fields",
                        "a member cannot be renamed from one document to another: copy it");
    if (from->kind == FS_KIND_PIECE || to->kind == FS_KIND_PIECE)
        return sfs_fail(&call->error, SFS_E_CROSS, "fields",
                        "a piece of a long name cannot be renamed");
    return 0;
}

/* A file that was made and not committed is, so that there is something to move. */
static int commit_pending(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_node *pending = fs_leaf_pending(call, dir, name);
    if (pending == NULL)
        return 0;
    int code = fs_leaf_commit(call, pending, FS_OPENED, NULL, NULL);
    fs_node_forget(call->fs, pending->id, 1);
    return code;
}

/* After it: the nodes, and where the member stood. */
static void moved(struct fs_call *call, const struct fs_name *source, const struct fs_name *target,
                  const struct fs_member *from, const struct fs_member *to, bool exchange)
{
    if (!exchange)
        fs_leaf_unlink(call, target->parent, target->name);
    if (fs_node_move(call->fs, source, target, exchange, NULL) != 0) {
        fs_node_detach(call->fs, source->parent, source->name); /* they are looked up again */
        fs_node_detach(call->fs, target->parent, target->name);
    }
    struct sfs_bytes last = fs_field_last(&from->field);
    if (!exchange && from->array)
        fs_place_note(call, source->parent, last, last);
    else if (!exchange && source->parent == target->parent)
        fs_place_note(call, source->parent, last, fs_field_last(&to->field));
    fs_fields_tell(call, source->parent->space, sfs_buffer_bytes(&from->field.key), false);
}

static int rename_member(struct fs_call *call, const struct fs_name *source,
                         const struct fs_name *target, unsigned flags)
{
    struct fs_node *dir = source->parent, *to_dir = target->parent;
    const char *name = source->name, *to_name = target->name;
    struct fs_member from = {0}, to = {0};
    unsigned how = 0;
    int code = move_flags(call, flags, &how);
    if (code == 0)
        code = commit_pending(call, dir, name);
    if (code == 0)
        code = fs_member_locate(call, dir, name, &from);
    if (code == 0)
        code = from.array ? fs_place_check(call, dir, name) : 0;
    if (code == 0)
        code = fs_member_locate(call, to_dir, to_name, &to);
    if (code == 0 || (code == SFS_E_NOT_FOUND && to.document.record != NULL))
        code = check_move(call, &from, &to);
    struct sfs_bytes key = sfs_buffer_bytes(&from.field.key);
    if (code == 0)
        code = sfs_document_move(dir->space->store, key, fs_field_path(&from.field),
                                 fs_field_path(&to.field), how, &call->error);
    if (code == 0)
        moved(call, source, target, &from, &to, flags == RENAME_EXCHANGE);
    fs_member_close(&from);
    fs_member_close(&to);
    return code;
}

int fs_fields_rename(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_node *to_dir, const char *to_name, unsigned flags)
{
    struct fs_name source = {dir, name, FS_KIND_PLAIN, sfs_string(name)};
    struct fs_name target = {to_dir, to_name, FS_KIND_PLAIN, sfs_string(to_name)};
    int code = fs_scratch_rename(call, &source, &target, flags);
    return code == 1 ? rename_member(call, &source, &target, flags) : code;
}
