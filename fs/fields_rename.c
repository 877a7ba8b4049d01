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

struct member_move {
    struct sfs_document_path from;
    struct sfs_document_path to;
    unsigned flags;
};

static int move_edit(void *context, struct sfs_bytes text, struct sfs_buffer *out,
                     struct sfs_error *error)
{
    const struct member_move *move = context;
    if (text.data == NULL)
        return sfs_fail(error, SFS_E_NOT_FOUND, "fields", "the document was removed meanwhile");
    return sfs_document_text_move(text, move->from, move->to, move->flags, out, error);
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
    fs_document_close(&from.document); /* nobody waits for memory with a document in hand */
    if (code == 0)
        code = from.array ? fs_place_check(call, dir, name) : 0;
    if (code == 0)
        code = fs_member_locate(call, to_dir, to_name, &to);
    if (code == 0 || (code == SFS_E_NOT_FOUND && to.document.record != NULL))
        code = check_move(call, &from, &to);
    fs_document_close(&to.document);
    struct sfs_bytes key = sfs_buffer_bytes(&from.field.key);
    struct sfs_document_options options = {.durable = call->fs->sync};
    struct member_move move = {fs_field_path(&from.field), fs_field_path(&to.field), how};
    if (code == 0)
        code = fs_document_edit(call, dir->space, key, true, move_edit, &move, &options);
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

/* --- keys --- */

/* The kernel lets only a directory replace a directory, and that only where it is empty; keys/ would replace any. */
static int check_key(struct fs_call *call, const struct fs_name *to, unsigned flags)
{
    struct fs_entry entry = {0};
    struct fs_call quiet = *call;
    if (flags != 0 || to->parent->class->lookup(&quiet, to->parent, to->name, &entry) != 0)
        return 0;
    bool document = entry.node->class == &fs_fields_document_class;
    fs_node_forget(call->fs, entry.node->id, 1);
    if (!document)
        return 0;
    return sfs_fail(&call->error, SFS_E_NOT_EMPTY, "fields", "there is a document '%s' already", to->name);
}

/* What the kernel has of both keys, or of all below. */
static void tell_renamed(struct fs_call *call, const struct fs_target *target)
{
    if (target->directory && target->name.parent->space == call->fs->space)
        fs_keys_tell_all(call->fs);
    if (target->exists)
        fs_fields_tell(call, target->name.parent->space, sfs_buffer_bytes(&target->key), true);
}

int fs_fields_rename_key(struct fs_call *call, const struct fs_name *from, const struct fs_name *to,
                         unsigned flags)
{
    struct fs_space *space = from->parent->space;
    struct fs_target before = {0}, after = {0};
    int code = check_key(call, to, flags);
    if (code == 0)
        code = commit_pending(call, from->parent, from->name);
    if (code == 0)
        code = fs_keys_find(call, from->parent, from->name, &before);
    fs_budget_give(call->fs); /* as in removing */
    if (code == 0) {
        fs_space_change(space);
        code = fs_keys_rename(call, from->parent, from->name, to->parent, to->name, flags);
        fs_space_change_end(space);
    }
    if (code == 0 && fs_keys_find(call, to->parent, to->name, &after) == 0) {
        tell_renamed(call, &before);
        tell_renamed(call, &after);
    }
    fs_target_free(&before);
    fs_target_free(&after);
    return code;
}
