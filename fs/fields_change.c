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
    struct sfs_bytes before;
};

static int put_new(void *context, struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    const struct put *put = context;
    if (text.data != NULL)
        return put->before.size > 0
                   ? sfs_document_text_insert(text, put->path, put->before, put->json, out, error)
                   : sfs_document_text_set(text, put->path, put->json, SFS_DOCUMENT_ADD, out,
                                           error);
    if (put->path.count > 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, "fields", "the document was deleted by somebody else");
    return sfs_buffer_add(out, put->json) != 0 || sfs_buffer_byte(out, '\n') != 0 ? sfs_fail_memory(error, "fields") : 0;
}

int fs_fields_put_new(struct fs_call *call, struct fs_node *dir, const struct fs_field *field,
                      mode_t mode, struct sfs_bytes json, struct sfs_bytes before,
                      uint64_t *ret_revision)
{
    struct put put = {fs_field_path(field), json, before};
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
    int code = fs_document_edit(call, dir->space, sfs_buffer_bytes(&field->key), true, put_new,
                                &put, &options);
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

static int put_member(struct fs_call *call, struct fs_node *dir, const struct fs_field *field,
                      mode_t mode, struct sfs_bytes json)
{
    struct sfs_buffer before = {0};
    (void)fs_place_take(call, dir, fs_field_last(field), &before);
    int code = fs_fields_put_new(call, dir, field, mode, json, sfs_buffer_bytes(&before), NULL);
    sfs_buffer_free(&before);
    return code;
}

static int make_member(struct fs_call *call, struct fs_node *dir, const char *name,
                       const struct fs_make *make, struct fs_entry *entry)
{
    struct fs_member member;
    struct sfs_bytes json;
    int code = fs_fields_new_value(call, make, &json);
    if (code < 0)
        return code;
    code = fs_member_locate(call, dir, name, &member);
    if (code == 0 && member.array && fs_place_hides(call, dir, name))
        code = SFS_E_NOT_FOUND;
    struct fs_node *pending = fs_leaf_pending(call, dir, name);
    fs_document_close(&member.document);
    if (code == 0 || (code == SFS_E_NOT_FOUND && pending != NULL))
        code = sfs_fail(&call->error, SFS_E_EXISTS, "fields", "'%s' exists", name);
    else if (code == SFS_E_NOT_FOUND)
        code = put_member(call, dir, &member.field, make->mode, json);
    if (pending != NULL)
        fs_node_forget(call->fs, pending->id, 1);
    fs_member_close(&member);
    if (code == 0)
        code = dir->class->lookup(call, dir, name, entry);
    if (code == 0)
        entry->node->author = call->pid;
    return code;
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
    bool find; /* what stands behind it: */
    struct sfs_buffer behind;
};

static int remove_edit(void *context, struct sfs_bytes text, struct sfs_buffer *out, struct sfs_error *error)
{
    struct removal *removal = context;
    struct sfs_bytes value;
    int code = sfs_document_text_get(text, removal->path, &value, error);
    if (code == 0)
        code = check_kind(value, removal->directory, error);
    removal->behind.size = 0;
    if (code == 0 && removal->find)
        code = sfs_document_text_behind(text, removal->path, &removal->behind, error);
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

static int remove_scratch(struct fs_call *call, struct fs_node *dir, const char *name,
                          bool directory)
{
    struct fs_node *node = fs_scratch_find(call, dir, name);
    if (node == NULL)
        return SFS_E_NOT_FOUND;
    if (!directory)
        fs_leaf_unlink(call, dir, name);
    fs_node_forget(call->fs, node->id, 1);
    return directory ? SFS_E_NOT_DIRECTORY : 0;
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

/* The node of this name, if there is one, with one look-up more. */
static struct fs_node *hold(struct fs_call *call, struct fs_node *dir, const char *name)
{
    fs_nodes_lock(call->fs->nodes);
    struct fs_node *node = fs_node_peek_locked(call->fs, dir, name);
    if (node != NULL)
        node->lookups++;
    fs_nodes_unlock(call->fs->nodes);
    return node;
}

/* Lets go of what hold() gave; if it was `removed`, the scratch files in it go with it. */
static void let_go(struct fs_call *call, struct fs_space *space, struct fs_node *node, bool removed)
{
    if (node != NULL && removed)
        fs_scratch_drop(call->fs, space, node);
    if (node != NULL)
        fs_node_forget(call->fs, node->id, 1);
}

static int remove_found(struct fs_call *call, struct fs_node *dir, const char *name,
                        struct fs_member *member, bool directory)
{
    struct sfs_bytes key = sfs_buffer_bytes(&member->field.key);
    struct sfs_bytes last = fs_field_last(&member->field);
    struct removal removal = {
        .path = fs_field_path(&member->field), .directory = directory, .find = !member->array};
    struct sfs_document_options options = {.durable = call->fs->sync};
    fs_document_close(&member->document);
    int code = member->array ? fs_place_check(call, dir, name) : 0;
    if (code == 0)
        code = fs_document_edit(call, dir->space, key, true, remove_edit, &removal, &options);
    if (code == 0) {
        let_go(call, dir->space, hold(call, dir, name), true);
        fs_leaf_unlink(call, dir, name);
        fs_place_note(call, dir, last, member->array ? last : sfs_buffer_bytes(&removal.behind));
        fs_fields_tell(call, dir->space, key, false);
    }
    sfs_buffer_free(&removal.behind);
    return code;
}

static int remove_member(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct fs_member member;
    int code = remove_scratch(call, dir, name, directory);
    if (code != SFS_E_NOT_FOUND)
        return code;
    code = fs_member_locate(call, dir, name, &member);
    if (code == 0 && member.kind == FS_KIND_PIECE) {
        code = remove_piece(call, dir, name, directory);
    } else if (code == 0) {
        code = remove_found(call, dir, name, &member, directory);
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
    struct removal removal = {.path = fs_field_path(&field)};
    struct sfs_document_options options = {.revision = revision};
    if (code == 0 && removal.path.count > 0)
        code = fs_document_edit(&quiet, node->space, key, false, remove_edit, &removal, &options);
    else if (code == 0)
        code = fs_keys_delete_revision(&quiet, node->space, key, node->kind, revision);
    if (code == 0)
        fs_fields_tell(&quiet, node->space, key, removal.path.count == 0);
    sfs_buffer_free(&removal.behind);
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
    int code = remove_scratch(call, dir, name, directory);
    if (code != SFS_E_NOT_FOUND)
        return code;
    struct fs_node *node = hold(call, dir, name);
    code = fs_keys_find(call, dir, name, &target);
    fs_budget_give(call->fs); /* who waits for the tree may not keep others waiting */
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
    let_go(call, dir->space, node, code == 0);
    if (code == 0)
        fs_fields_tell(call, dir->space, sfs_buffer_bytes(&target.key), true);
    fs_target_free(&target);
    return code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

/* --- the class of arrays and objects --- */

static int document_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                           struct fs_entry *entry)
{
    struct fs_member member;
    struct fs_node *pending = fs_scratch_find(call, dir, name);
    if (pending != NULL)
        return fs_leaf_entry(call, pending, entry);
    int code = fs_member_open_below(call, dir, name, &member);
    if (code == 0 && member.array && fs_place_hides(call, dir, name))
        code = SFS_E_NOT_FOUND;
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
    char text[32] = "";
    struct sfs_bytes last = fs_field_last(&member->field), value;
    if (!member->array || sfs_bytes_equal(last, SFS_LITERAL("0")))
        return 0;
    memcpy(text, last.data, last.size); /* an index has at most 18 digits */
    snprintf(text, sizeof(text), "%lu", strtoul(text, NULL, 10) - 1);
    struct sfs_bytes before = sfs_string(text);
    int code =
        sfs_document_find_below(member->document.document, member->above,
                                (struct sfs_document_path){&before, 1}, &value, &call->error);
    if (code != SFS_E_NOT_FOUND)
        return code;
    return sfs_fail(&call->error, SFS_E_INVALID, "fields",
                    "an array has no gaps: it has no element %s yet", text);
}

static int document_create(struct fs_call *call, struct fs_node *dir, const char *name, mode_t mode,
                           struct fs_open *open, struct fuse_file_info *info, struct fs_entry *entry)
{
    struct fs_member member;
    struct fs_new what = {.place = {dir, name, FS_KIND_PLAIN, sfs_string(name)},
                          .field = &member.field,
                          .mode = mode};
    int code = fs_member_locate(call, dir, name, &member);
    bool free = code == SFS_E_NOT_FOUND || code == SFS_E_INVALID;
    what.scratch = free && fs_scratch_takes(name, info->flags, mode);
    if (what.scratch)
        code = 0;
    else if (code == SFS_E_NOT_FOUND && (code = fs_scratch_check(call, name, info->flags)) == 0)
        code = check_gap(call, &member);
    if (code == 0)
        code = fs_leaf_create(call, &what, open, info, entry);
    fs_member_close(&member);
    return code;
}

const struct fs_class fs_fields_document_class = {
    .name = "array or object of a document",
    .lookup = document_lookup,
    .stat = fs_fields_stat,
    .set = fs_fields_set,
    .xattr_set = fs_fields_xattr_set,
    .make = make_member,
    .remove = remove_member,
    .rename = fs_fields_rename,
    .create = document_create,
    .sync = fs_fields_sync,
    .list = fs_fields_list,
    .release = fs_text_release,
    .forget = fs_place_free,
};
