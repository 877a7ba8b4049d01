/* SPDX-License-Identifier: MIT */
/*
 * Changes in fields/ that are one commit each: making, removing and renaming of members and keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/fields.h"

#define TRIES 1000 /* of a removal that others come in between */

void fs_fields_tell(struct fs_call *call, struct fs_space *space, struct sfs_bytes key, bool renewed)
{
    if (space != call->fs->space)
        return; /* of transactions the kernel keeps nothing */
    fs_keys_tell(call->fs, key, renewed);
    fs_notify_flush(call->fs->notifier);
}

/* --- making --- */

struct put {
    struct sfs_document_path path;
    struct sfs_bytes json;
};

static int put_new(void *context, struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    const struct put *put = context;
    if (text.data != NULL)
        return sfs_document_text_set(text, put->path, put->json, SFS_DOCUMENT_ADD, out, error);
    if (put->path.count > 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, "fields", "the document was deleted by somebody else");
    return sfs_buffer_add(out, put->json) != 0 || sfs_buffer_byte(out, '\n') != 0 ? sfs_fail_memory(error, "fields") : 0;
}

int fs_fields_put_new(struct fs_call *call, struct fs_node *dir, const struct fs_field *field, mode_t mode,
                      struct sfs_bytes json, uint64_t *ret_revision)
{
    struct put put = {fs_field_path(field), json};
    struct sfs_attributes attributes = {0};
    struct sfs_document_options options = {
        .attributes = &attributes,
        .mask = SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID,
        .durable = call->fs->sync,
        .ret_revision = ret_revision,
    };
    if (put.path.count == 0)
        fs_keys_new_attributes(call, dir, mode, &attributes);
    attributes.mode &= 0666;
    int code = sfs_document_edit(dir->space->store, sfs_buffer_bytes(&field->key), put_new, &put, &options,
                                 &call->error);
    if (code == 0)
        fs_fields_tell(call, dir->space, sfs_buffer_bytes(&field->key), put.path.count == 0);
    return code;
}

int fs_fields_new_value(struct fs_call *call, const struct fs_make *make, struct sfs_bytes *ret_json)
{
    if (S_ISDIR(make->mode))
        *ret_json = SFS_LITERAL("{}");
    else if (S_ISREG(make->mode))
        *ret_json = SFS_LITERAL("\"\"");
    else
        return sfs_fail(&call->error, SFS_E_PERMISSION, "fields",
                        "a document has no links, devices, sockets or pipes");
    return 0;
}

static int make_member(struct fs_call *call, struct fs_node *dir, const char *name,
                       const struct fs_make *make, struct fs_entry *entry)
{
    struct fs_member member;
    struct sfs_bytes json;
    int code = fs_fields_new_value(call, make, &json);
    if (code < 0)
        return code;
    code = fs_member_open_below(call, dir, name, &member);
    struct fs_node *pending = fs_leaf_pending(call, dir, name);
    if (code == 0 || (code == SFS_E_NOT_FOUND && pending != NULL))
        code = sfs_fail(&call->error, SFS_E_EXISTS, "fields", "'%s' exists", name);
    else if (code == SFS_E_NOT_FOUND)
        code = fs_fields_put_new(call, dir, &member.field, make->mode, json, NULL);
    if (pending != NULL)
        fs_node_forget(call->fs, pending->id, 1);
    fs_member_close(&member);
    return code == 0 ? dir->class->lookup(call, dir, name, entry) : code;
}

/* --- removing --- */

static int check_kind(struct sfs_bytes value, bool directory, struct sfs_error *error)
{
    bool is = value.data != NULL && sfs_document_kind(value) != SFS_DOCUMENT_SCALAR;
    if (directory && !is)
        return sfs_fail(error, SFS_E_NOT_DIRECTORY, "fields", "this is no array or object");
    if (!directory && is)
        return sfs_fail(error, SFS_E_IS_DIRECTORY, "fields", "this is an array or object");
    return 0;
}

struct removal {
    struct sfs_document_path path;
    bool directory;
};

static int remove_edit(void *context, struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    const struct removal *removal = context;
    struct sfs_bytes value;
    int code = sfs_document_text_get(text, removal->path, &value, error);
    if (code == 0)
        code = check_kind(value, removal->directory, error);
    return code == 0 ? sfs_document_text_remove(text, removal->path, SFS_DOCUMENT_EMPTY, out, error) : code;
}

/* A piece of a name is there while a member's name goes on in it, and goes by itself. */
static int remove_piece(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct sfs_buffer names = {0};
    struct fs_entry entry = {0};
    int code = directory ? dir->class->lookup(call, dir, name, &entry) : SFS_E_IS_DIRECTORY;
    if (code < 0)
        return code;
    code = fs_fields_names(call, entry.node, &names);
    if (code == 0 && names.size > 0)
        code = sfs_fail(&call->error, SFS_E_NOT_EMPTY, "fields", "there are members in '%.100s'", name);
    fs_node_forget(call->fs, entry.node->id, 1);
    sfs_buffer_free(&names);
    return code;
}

static int remove_pending(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_node *pending = fs_leaf_pending(call, dir, name);
    if (pending == NULL)
        return SFS_E_NOT_FOUND;
    int code = directory ? SFS_E_NOT_DIRECTORY : 0;
    if (code == 0)
        fs_leaf_unlink(call, dir, name);
    fs_node_forget(call->fs, pending->id, 1);
    return code;
}

static int remove_member(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_member member;
    int code = fs_member_open_below(call, dir, name, &member);
    if (code == 0 && member.kind == FS_KIND_PIECE) {
        code = remove_piece(call, dir, name, directory);
    } else if (code == 0) {
        struct sfs_bytes key = sfs_buffer_bytes(&member.field.key);
        struct removal removal = {fs_field_path(&member.field), directory};
        struct sfs_document_options options = {.durable = call->fs->sync};
        code = sfs_document_edit(dir->space->store, key, remove_edit, &removal, &options,
                                 &call->error);
        if (code == 0) {
            fs_leaf_unlink(call, dir, name);
            fs_fields_tell(call, dir->space, key, false);
        }
    } else if (code == SFS_E_NOT_FOUND) {
        code = remove_pending(call, dir, name, directory);
    }
    fs_member_close(&member);
    return code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

/* --- keys --- */

void fs_fields_withdraw(struct fs_call *call, struct fs_node *node, uint64_t revision)
{
    struct fs_call quiet = *call; /* the caller's error is that of the content */
    struct fs_field field = {0};
    int code = fs_field_of(&quiet, node, &field);
    struct sfs_bytes key = sfs_buffer_bytes(&field.key);
    struct removal removal = {fs_field_path(&field), false};
    struct sfs_document_options options = {.revision = revision};
    if (code == 0 && removal.path.count > 0)
        code = sfs_document_edit(node->space->store, key, remove_edit, &removal, &options, NULL);
    else if (code == 0)
        code = fs_keys_delete_revision(&quiet, node->space, key, node->kind, revision);
    if (code == 0)
        fs_fields_tell(&quiet, node->space, key, removal.path.count == 0);
    fs_field_free(&field);
}

static int seen(void *context, struct sfs_bytes name, struct sfs_bytes value)
{
    (void)context;
    (void)name;
    (void)value;
    return 1;
}

static int check_empty(struct fs_call *call, const struct fs_member *member)
{
    int code = 0;
    if (member->value.data != NULL)
        code = sfs_document_visit(member->document.document, member->value, seen, NULL, &call->error);
    return code == 1 ? sfs_fail(&call->error, SFS_E_NOT_EMPTY, "fields", "the document is not empty") : code;
}

/* CONFLICT where the key was changed in between. */
static int delete_key(struct fs_call *call, struct fs_target *target, bool directory)
{
    struct fs_space *space = target->name.parent->space;
    struct sfs_bytes key = sfs_buffer_bytes(&target->key);
    struct fs_member member = {.kind = target->name.kind};
    int code = fs_document_open(call, space, key, &member.document);
    if (code == 0 && member.document.document != NULL)
        member.value = sfs_document_root(member.document.document);
    if (code == 0)
        code = check_kind(member.value, directory, &call->error);
    if (code == 0)
        code = check_empty(call, &member);
    if (code == 0)
        code = fs_keys_delete_revision(call, space, key, target->name.kind, member.document.record->revision);
    fs_document_close(&member.document);
    return code;
}

int fs_fields_remove_key(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_target target = {0};
    int code = fs_keys_find(call, dir, name, &target);
    if (code == 0 && target.directory) {
        fs_space_change(dir->space);
        code = fs_keys_remove(call, dir, name, directory);
        fs_space_change_end(dir->space);
    } else if (code == 0 && target.exists) {
        code = SFS_E_CONFLICT;
        for (int tries = 0; code == SFS_E_CONFLICT && tries < TRIES; tries++)
            code = delete_key(call, &target, directory);
        if (code == 0)
            fs_leaf_unlink(call, dir, name);
    } else if (code == 0) {
        code = remove_pending(call, dir, name, directory);
    }
    if (code == 0)
        fs_fields_tell(call, dir->space, sfs_buffer_bytes(&target.key), true);
    fs_target_free(&target);
    return code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

/* --- renaming --- */

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
        return sfs_fail(&call->error, SFS_E_INVALID, "fields", "rename does not have such flags here");
    }
}

static int check_move(struct fs_call *call, const struct fs_member *from, const struct fs_member *to)
{
    if (!sfs_bytes_equal(sfs_buffer_bytes(&from->field.key), sfs_buffer_bytes(&to->field.key)))
        return sfs_fail(&call->error, SFS_E_CROSS, "fields",
                        "a member cannot be renamed from one document to another: copy it");
    if (from->kind == FS_KIND_PIECE || to->kind == FS_KIND_PIECE)
        return sfs_fail(&call->error, SFS_E_CROSS, "fields", "a piece of a long name cannot be renamed");
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

static int rename_member(struct fs_call *call, struct fs_node *dir, const char *name,
                         struct fs_node *to_dir, const char *to_name, unsigned flags)
{
    struct fs_member from = {0}, to = {0};
    unsigned how = 0;
    int code = move_flags(call, flags, &how);
    if (code == 0)
        code = commit_pending(call, dir, name);
    if (code == 0)
        code = fs_member_open_below(call, dir, name, &from);
    if (code == 0)
        code = fs_member_open_below(call, to_dir, to_name, &to);
    if (code == 0 || (code == SFS_E_NOT_FOUND && to.document.record != NULL))
        code = check_move(call, &from, &to);
    struct sfs_bytes key = sfs_buffer_bytes(&from.field.key);
    if (code == 0)
        code = sfs_document_move(dir->space->store, key, fs_field_path(&from.field), fs_field_path(&to.field),
                                 how, &call->error);
    if (code == 0) {
        struct fs_name source = {dir, name, FS_KIND_PLAIN, sfs_string(name)};
        struct fs_name target = {to_dir, to_name, FS_KIND_PLAIN, sfs_string(to_name)};
        if (flags != RENAME_EXCHANGE)
            fs_leaf_unlink(call, to_dir, to_name);
        if (fs_node_move(call->fs, &source, &target, flags == RENAME_EXCHANGE, NULL) != 0) {
            fs_node_detach(call->fs, dir, name); /* they are looked up anew */
            fs_node_detach(call->fs, to_dir, to_name);
        }
        fs_fields_tell(call, dir->space, key, false);
    }
    fs_member_close(&from);
    fs_member_close(&to);
    return code;
}

/* --- the class of arrays and objects --- */

static int document_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                           struct fs_entry *entry)
{
    struct fs_member member;
    struct fs_node *pending;
    int code = fs_member_open_below(call, dir, name, &member);
    if (code == SFS_E_INVALID || code == SFS_E_NOT_DIRECTORY || code == SFS_E_EXPIRED)
        code = SFS_E_NOT_FOUND;
    struct fs_name place = {dir, name, member.kind, sfs_string(name)};
    if (member.kind == FS_KIND_PIECE)
        place.text.size = SFS_PATH_PIECE;
    if (code == 0)
        code = fs_member_entry(call, dir, name, &place, &member, entry);
    else if (code == SFS_E_NOT_FOUND && (pending = fs_leaf_pending(call, dir, name)) != NULL)
        code = fs_leaf_entry(call, pending, entry);
    fs_member_close(&member);
    return code;
}

/* An array has no gaps: the element before must be there. */
static int check_gap(struct fs_call *call, const struct fs_member *member)
{
    struct sfs_document_path path = fs_field_path(&member->field);
    struct sfs_bytes last = path.steps[path.count - 1];
    struct sfs_bytes value = sfs_bytes(NULL, 0);
    char before[32] = "";
    struct sfs_bytes *steps = (struct sfs_bytes *)(void *)member->field.steps.data;
    path.count--;
    int code = sfs_document_find(member->document.document, path, &value, &call->error);
    if (code < 0 || sfs_document_kind(value) != SFS_DOCUMENT_ARRAY || sfs_bytes_equal(last, SFS_LITERAL("0")))
        return code;
    memcpy(before, last.data, last.size); /* an index has at most 18 digits */
    snprintf(before, sizeof(before), "%lu", strtoul(before, NULL, 10) - 1);
    steps[path.count++] = sfs_string(before);
    code = sfs_document_find(member->document.document, path, &value, &call->error);
    steps[path.count - 1] = last;
    if (code != SFS_E_NOT_FOUND)
        return code;
    return sfs_fail(&call->error, SFS_E_INVALID, "fields", "an array has no gaps: it has no element %s yet",
                    before);
}

static int document_create(struct fs_call *call, struct fs_node *dir, const char *name, mode_t mode,
                           struct fs_open *open, struct fuse_file_info *info, struct fs_entry *entry)
{
    struct fs_member member;
    struct fs_name place = {dir, name, FS_KIND_PLAIN, sfs_string(name)};
    int code = fs_member_open_below(call, dir, name, &member);
    if (code == SFS_E_NOT_FOUND)
        code = check_gap(call, &member);
    if (code == 0)
        code = fs_leaf_create(call, &place, &member.field, mode, open, info, entry);
    fs_member_close(&member);
    return code;
}

const struct fs_class fs_fields_document_class = {
    .name = "array or object of a document",
    .lookup = document_lookup,
    .stat = fs_fields_stat,
    .set = fs_fields_set,
    .make = make_member,
    .remove = remove_member,
    .rename = rename_member,
    .create = document_create,
    .sync = fs_fields_sync,
    .list = fs_fields_list,
    .release = fs_text_release,
};
