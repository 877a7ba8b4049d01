/* SPDX-License-Identifier: MIT */
/*
 * The directories of keys in fields/: the names of keys/, where a key with a document is what its value is.
 */
#include <sys/stat.h>

#include "fs/fields.h"

/* What lies below in the document is found by the reader; here only what the key is. */
static int open_key(struct fs_call *call, const struct fs_target *target, struct fs_member *member)
{
    *member = (struct fs_member){.kind = target->name.kind};
    int code = fs_document_open(call, target->name.parent->space, sfs_buffer_bytes(&target->key), &member->document);
    if (code == 0 && member->document.document != NULL)
        member->value = sfs_document_root(member->document.document);
    return code;
}

static int enter_directory(struct fs_call *call, const struct fs_target *target, struct fs_entry *entry)
{
    struct fs_space *space = target->name.parent->space;
    entry->node = fs_node_intern(call->fs, target->name.parent, target->name.name, &fs_fields_directory_class,
                                 space, target->name.kind, target->name.text);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "fields");
    fs_keys_stat_directory(space, sfs_buffer_bytes(&target->prefix), target->marker, &entry->st);
    entry->st.st_ino = (ino_t)fs_fields_ino(entry->node);
    return 0;
}

static int enter_key(struct fs_call *call, const struct fs_target *target, struct fs_entry *entry)
{
    struct fs_member member;
    int code = open_key(call, target, &member);
    if (code == 0)
        code = fs_member_entry(call, target->name.parent, target->name.name, &target->name, &member, entry);
    fs_member_close(&member);
    return code;
}

static int enter_pending(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry)
{
    struct fs_node *node = fs_leaf_pending(call, dir, name);
    if (node == NULL)
        return SFS_E_NOT_FOUND;
    return fs_leaf_entry(call, node, entry);
}

static int directory_lookup(struct fs_call *call, struct fs_node *dir, const char *name,
                            struct fs_entry *entry)
{
    struct fs_target target = {0};
    struct fs_node *scratch = fs_scratch_find(call, dir, name);
    if (scratch != NULL)
        return fs_leaf_entry(call, scratch, entry);
    int code = fs_keys_find(call, dir, name, &target);
    if (code == 0 && target.directory)
        code = enter_directory(call, &target, entry);
    else if (code == 0 && target.exists)
        code = enter_key(call, &target, entry);
    else if (code == 0)
        code = enter_pending(call, dir, name, entry);
    fs_target_free(&target);
    return code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

/* Where a name that is free would be in the store. */
static int find_key(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_target *target,
                    struct fs_field *field)
{
    int code = fs_keys_find(call, dir, name, target);
    if (code == 0 && target->name.kind != FS_KIND_PIECE && !target->exists)
        code = sfs_key_check(sfs_buffer_bytes(&target->key), &call->error);
    if (code == 0 && sfs_buffer_add(&field->key, sfs_buffer_bytes(&target->key)) != 0)
        code = sfs_fail_memory(&call->error, "fields");
    return code;
}

static int directory_make(struct fs_call *call, struct fs_node *dir, const char *name,
                          const struct fs_make *make, struct fs_entry *entry)
{
    struct fs_target target = {0};
    struct fs_field field = {0};
    struct sfs_bytes json;
    int code = fs_fields_new_value(call, make, &json);
    if (code == 0)
        code = find_key(call, dir, name, &target, &field);
    struct fs_node *pending = fs_leaf_pending(call, dir, name);
    if (code == 0 && (target.exists || pending != NULL))
        code = sfs_fail(&call->error, SFS_E_EXISTS, "fields", "'%s' exists", name);
    if (code == 0)
        code = fs_fields_put_new(call, dir, &field, make->mode, json, sfs_bytes(NULL, 0), NULL);
    if (pending != NULL)
        fs_node_forget(call->fs, pending->id, 1);
    fs_target_free(&target);
    fs_field_free(&field);
    if (code == 0)
        code = directory_lookup(call, dir, name, entry);
    if (code == 0)
        entry->node->author = call->pid;
    return code;
}

static int directory_create(struct fs_call *call, struct fs_node *dir, const char *name, mode_t mode,
                            struct fs_open *open, struct fuse_file_info *info, struct fs_entry *entry)
{
    struct fs_target target = {0};
    struct fs_field field = {0};
    int code = find_key(call, dir, name, &target, &field);
    struct fs_new what = {.place = target.name, .field = &field, .mode = mode};
    what.scratch = code == 0 && !target.exists && fs_scratch_takes(name, info->flags, mode);
    if (code == 0 && !target.exists)
        code = fs_scratch_check(call, name, info->flags);
    if (code == 0)
        code = fs_leaf_create(call, &what, open, info, entry);
    fs_target_free(&target);
    fs_field_free(&field);
    return code;
}

int fs_fields_locate(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_field *field)
{
    if (dir->class == &fs_fields_document_class) {
        struct fs_member member;
        int code = fs_member_locate(call, dir, name, &member);
        *field = member.field;
        member.field = (struct fs_field){0};
        fs_member_close(&member);
        return code;
    }
    struct fs_target target = {0};
    int code = find_key(call, dir, name, &target, field);
    if (code == 0 && target.directory)
        code = sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "fields", "'%s' is a directory", name);
    else if (code == 0 && !target.exists)
        code = SFS_E_NOT_FOUND;
    fs_target_free(&target);
    return code;
}

static int directory_rename(struct fs_call *call, struct fs_node *dir, const char *name,
                            struct fs_node *to_dir, const char *to_name, unsigned flags)
{
    struct fs_name from = {dir, name, FS_KIND_PART, sfs_string(name)};
    struct fs_name to = {to_dir, to_name, FS_KIND_PART, sfs_string(to_name)};
    int code = fs_scratch_rename(call, &from, &to, flags);
    return code == 1 ? fs_fields_rename_key(call, &from, &to, flags) : code;
}

/* A document is a directory or a file by its content, which a listing does not read: who wants to know looks
 * it up. */
void fs_fields_as_listed(struct fs_node *dir, struct fs_dirent *entry)
{
    if (entry->class == &fs_keys_leaf_class && S_ISREG(entry->st.st_mode))
        entry->st.st_mode = 0;
    entry->st.st_ino = (ino_t)fs_fields_ino_below(fs_fields_ino(dir), entry->name);
    entry->class = NULL;
}

const struct fs_class fs_fields_directory_class = {
    .name = "directory of keys in fields",
    .lookup = directory_lookup,
    .stat = fs_fields_stat,
    .set = fs_fields_set,
    .xattr_set = fs_fields_xattr_set,
    .make = directory_make,
    .remove = fs_fields_remove_key,
    .rename = directory_rename,
    .create = directory_create,
    .sync = fs_fields_sync,
    .list = fs_keys_list,
    .release = fs_keys_list_release,
};
