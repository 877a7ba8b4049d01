/* SPDX-License-Identifier: MIT */
/*
 * What is at a name in fields/, and how it looks: the owner, mode and times of the record, the size of a
 * member's text.
 */
#include <sys/stat.h>

#include "fs/fields.h"

/* --- what is there --- */

/* What a path leads to is gone, whatever is in its way now. */
static int find_below(struct fs_call *call, struct fs_member *member, struct sfs_bytes from,
                      struct sfs_document_path path)
{
    int code = sfs_document_find_below(member->document.document, from, path, &member->value,
                                       &call->error);
    return code == SFS_E_NOT_DIRECTORY || code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

static bool is_in_document(const struct fs_node *node)
{
    return node->kind == FS_KIND_PLAIN || node->kind == FS_KIND_PIECE;
}

static int open_value(struct fs_call *call, struct fs_node *node, struct fs_member *member)
{
    struct sfs_bytes from;
    int code = fs_field_key(call, node, &member->field);
    if (code == 0)
        code = fs_document_open(call, node->space, sfs_buffer_bytes(&member->field.key), &member->document);
    if (code < 0)
        return code;
    if (member->document.document == NULL) {
        member->value = sfs_bytes(NULL, 0);
        return is_in_document(node) ? SFS_E_NOT_FOUND : 0;
    }
    code = fs_field_from(call, node, &member->document, &member->field, &from);
    if (code == 0)
        code = find_below(call, member, from, fs_field_path(&member->field));
    if (code == 0 && node->kind == FS_KIND_PLAIN)
        fs_field_found(call, node, &member->document, member->value);
    return code;
}

int fs_member_open(struct fs_call *call, struct fs_node *node, struct fs_member *member)
{
    *member = (struct fs_member){.kind = node->kind};
    int code = open_value(call, node, member);
    if (code == 0 && member->kind == FS_KIND_PIECE && sfs_document_kind(member->value) != SFS_DOCUMENT_OBJECT)
        code = SFS_E_NOT_FOUND;
    return code;
}

int fs_member_open_below(struct fs_call *call, struct fs_node *dir, const char *name,
                         struct fs_member *member)
{
    *member = (struct fs_member){.kind = FS_KIND_PLAIN};
    int code = open_value(call, dir, member);
    if (code == SFS_E_NOT_FOUND) /* not so of a free name */
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "fields", "the array or object was removed");
    enum sfs_document_kind kind = sfs_document_kind(member->value);
    member->above = member->value;
    member->array = kind == SFS_DOCUMENT_ARRAY;
    if (code == 0 && kind == SFS_DOCUMENT_SCALAR)
        code = sfs_fail(&call->error, SFS_E_NOT_DIRECTORY, "fields", "this is no array or object any more");
    if (code == 0)
        code = fs_field_enter(call, &member->field, kind, name, &member->kind);
    if (code < 0 || member->kind != FS_KIND_PLAIN)
        return code;
    struct sfs_bytes last = fs_field_last(&member->field);
    return find_below(call, member, member->above, (struct sfs_document_path){&last, 1});
}

int fs_member_locate(struct fs_call *call, struct fs_node *dir, const char *name,
                     struct fs_member *member)
{
    struct fs_field whole = {0};
    int found = fs_member_open_below(call, dir, name, member);
    if (found != 0 && found != SFS_E_NOT_FOUND)
        return found;
    int code = fs_field_of(call, dir, &whole);
    if (code == 0)
        code = fs_field_enter(call, &whole, sfs_document_kind(member->above), name, &member->kind);
    fs_field_free(&member->field);
    member->field = whole;
    return code < 0 ? code : found;
}

void fs_member_close(struct fs_member *member)
{
    fs_field_free(&member->field);
    fs_document_close(&member->document);
}

bool fs_member_is_directory(const struct fs_member *member)
{
    return member->kind == FS_KIND_PIECE || sfs_document_kind(member->value) != SFS_DOCUMENT_SCALAR;
}

/* --- how it looks --- */

static void set_size(struct stat *st, uint64_t size)
{
    st->st_size = (off_t)size;
    st->st_blocks = (blkcnt_t)((size + 511) / 512);
}

/* The hash of a member's text, never 0. */
static uint64_t hash_of(const struct sfs_buffer *text)
{
    return XXH3_64bits(text->data, text->size) | 1;
}

/*
 * A member's time of change is that of its document; but where the member is as it was when it was
 * looked at before, it keeps the time that it had then. So it does not change with its neighbours,
 * as long as the kernel knows it.
 */
static void keep_time(struct fs *fs, struct fs_node *node, uint64_t revision, uint64_t hash,
                      struct stat *st)
{
    fs_nodes_lock(fs->nodes);
    if (node->attribute_revision != 0 && node->page_revision == hash)
        st->st_mtim = fs_time(node->shown_modified);
    else
        node->shown_modified = fs_nanoseconds(st->st_mtim);
    node->page_revision = hash;
    node->attribute_revision = revision;
    fs_nodes_unlock(fs->nodes);
}

void fs_member_set_time(struct fs *fs, struct fs_node *node, const struct sfs_buffer *text,
                        int64_t modified)
{
    fs_nodes_lock(fs->nodes);
    node->attribute_revision = text != NULL;
    node->page_revision = text != NULL ? hash_of(text) : 0;
    node->shown_modified = modified;
    fs_nodes_unlock(fs->nodes);
}

static int stat_scalar(struct fs_call *call, struct fs_node *node, const struct fs_member *member,
                       struct stat *st)
{
    struct sfs_buffer text = {0};
    int code = fs_leaf_text(call, member->value, &text);
    set_size(st, text.size);
    if (code == 0 && node->kind == FS_KIND_PLAIN) /* a key's own file has its times */
        keep_time(call->fs, node, member->document.record->revision, hash_of(&text), st);
    sfs_buffer_free(&text);
    return code;
}

int fs_member_stat(struct fs_call *call, struct fs_node *node, const struct fs_member *member,
                   struct stat *st)
{
    const struct sfs_record *record = member->document.record;
    fs_keys_stat_record(node->space, record, st);
    if (!sfs_record_is_key(record))
        return 0; /* a link, or a device */
    mode_t mode = st->st_mode & 07777;
    if (member->document.document == NULL) { /* no document: to be read only */
        st->st_mode = S_IFREG | (mode & 0444);
        return 0;
    }
    if (fs_member_is_directory(member)) {
        st->st_mode = S_IFDIR | (mode & 0666) | (mode & 0444) >> 2;
        set_size(st, 0);
        return 0;
    }
    st->st_mode = S_IFREG | (mode & 0666);
    return stat_scalar(call, node, member, st);
}

int fs_member_entry(struct fs_call *call, struct fs_node *dir, const char *name,
                    const struct fs_name *place, const struct fs_member *member,
                    struct fs_entry *entry)
{
    const struct fs_class *class = &fs_fields_leaf_class;
    if (member->kind == FS_KIND_PIECE || (member->value.data != NULL && fs_member_is_directory(member)))
        class = &fs_fields_document_class;
    memset(&entry->st, 0, sizeof(entry->st));
    entry->node = fs_node_intern(call->fs, dir, name, class, dir->space, place->kind, place->text);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "fields");
    int code = fs_member_stat(call, entry->node, member, &entry->st);
    if (code < 0) {
        fs_node_forget(call->fs, entry->node->id, 1);
        return code;
    }
    if (entry->node->kind == FS_KIND_PLAIN && member->value.data != NULL)
        fs_field_found(call, entry->node, &member->document, member->value);
    entry->timeout = 0;
    entry->st.st_ino = (ino_t)fs_fields_ino(entry->node);
    if (class == &fs_fields_leaf_class)
        fs_leaf_stat(call->fs, entry->node, true, &entry->st);
    return 0;
}

static int stat_member(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    struct fs_member member;
    bool leaf = node->class == &fs_fields_leaf_class;
    if (leaf && fs_leaf_is_scratch(call->fs, node) && fs_leaf_stat(call->fs, node, false, st))
        return 0;
    int code = fs_member_open(call, node, &member);
    if (code == 0 && leaf == (member.value.data != NULL && fs_member_is_directory(&member)))
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "fields", "the member is of another kind by now");
    if (code == 0)
        code = fs_member_stat(call, node, &member, st);
    fs_member_close(&member);
    if (leaf && (code == 0 || code == SFS_E_NOT_FOUND || code == SFS_E_EXPIRED) &&
        fs_leaf_stat(call->fs, node, code == 0, st))
        code = 0;
    return code;
}

int fs_fields_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    int code = node->class == &fs_fields_directory_class ? fs_keys_stat(call, node, st)
                                                         : stat_member(call, node, st);
    if (code == 0)
        st->st_ino = (ino_t)fs_fields_ino(node);
    return code;
}
