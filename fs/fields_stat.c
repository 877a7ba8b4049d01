/* SPDX-License-Identifier: MIT */
/*
 * What is at a name in fields/, and how it looks: the owner, mode and times of the record, the size of a
 * member's text.
 */
#include <sys/stat.h>

#include "fs/fields.h"

/* --- what is there --- */

/* What a path leads to is gone, whatever is in its way now. */
static int find_value(struct fs_call *call, struct fs_member *member)
{
    if (member->document.document == NULL) {
        member->value = sfs_bytes(NULL, 0);
        return fs_field_path(&member->field).count == 0 ? 0 : SFS_E_NOT_FOUND;
    }
    int code = sfs_document_find(member->document.document, fs_field_path(&member->field), &member->value,
                                 &call->error);
    return code == SFS_E_NOT_DIRECTORY || code == SFS_E_INVALID ? SFS_E_NOT_FOUND : code;
}

static int open_value(struct fs_call *call, struct fs_node *node, struct fs_member *member)
{
    int code = fs_field_of(call, node, &member->field);
    if (code == 0)
        code = fs_document_open(call, node->space, sfs_buffer_bytes(&member->field.key), &member->document);
    return code == 0 ? find_value(call, member) : code;
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
    if (code == 0 && kind == SFS_DOCUMENT_SCALAR)
        code = sfs_fail(&call->error, SFS_E_NOT_DIRECTORY, "fields", "this is no array or object any more");
    if (code == 0)
        code = fs_field_enter(call, &member->field, kind, name, &member->kind);
    return code == 0 && member->kind == FS_KIND_PLAIN ? find_value(call, member) : code;
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

int fs_member_stat(struct fs_call *call, struct fs_space *space, const struct fs_member *member,
                   struct stat *st)
{
    const struct sfs_record *record = member->document.record;
    fs_keys_stat_record(space, record, st);
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
    struct sfs_buffer text = {0};
    int code = fs_leaf_text(call, member->value, &text);
    st->st_mode = S_IFREG | (mode & 0666);
    set_size(st, text.size);
    sfs_buffer_free(&text);
    return code;
}

int fs_member_entry(struct fs_call *call, struct fs_node *dir, const char *name,
                    const struct fs_name *place, const struct fs_member *member,
                    struct fs_entry *entry)
{
    const struct fs_class *class = &fs_fields_leaf_class;
    if (member->kind == FS_KIND_PIECE || (member->value.data != NULL && fs_member_is_directory(member)))
        class = &fs_fields_document_class;
    memset(&entry->st, 0, sizeof(entry->st));
    int code = fs_member_stat(call, dir->space, member, &entry->st);
    if (code < 0)
        return code;
    entry->node = fs_node_intern(call->fs, dir, name, class, dir->space, place->kind, place->text);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "fields");
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
    int code = fs_member_open(call, node, &member);
    if (code == 0 && leaf == (member.value.data != NULL && fs_member_is_directory(&member)))
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "fields", "the member is of another kind by now");
    if (code == 0)
        code = fs_member_stat(call, node->space, &member, st);
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

/* --- setattr --- */

/* Programs that copy set what is set already: that is no change. */
static int check_same(struct fs_call *call, const struct stat *want, int mask, const struct stat *st)
{
    bool same = !(mask & FUSE_SET_ATTR_MODE) || (want->st_mode & 07777) == (st->st_mode & 07777);
    same = same && (!(mask & FUSE_SET_ATTR_UID) || want->st_uid == st->st_uid);
    same = same && (!(mask & FUSE_SET_ATTR_GID) || want->st_gid == st->st_gid);
    if (same)
        return 0;
    return sfs_fail(&call->error, SFS_E_PERMISSION, "fields",
                    "a member has the owner and mode of its key: change them in keys/");
}

static int64_t time_of(int mask, int now, struct timespec wanted)
{
    return mask & now ? fs_now() : fs_nanoseconds(wanted);
}

/* The times of the record: those of all its members. */
static int set_times(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask)
{
    struct fs_field field = {0};
    struct sfs_batch *batch = NULL;
    struct sfs_attributes attributes = {
        .accessed = time_of(mask, FUSE_SET_ATTR_ATIME_NOW, want->st_atim),
        .modified = time_of(mask, FUSE_SET_ATTR_MTIME_NOW, want->st_mtim),
    };
    unsigned times = (mask & FUSE_SET_ATTR_ATIME ? SFS_ATTRIBUTE_ACCESSED : 0u) |
                     (mask & FUSE_SET_ATTR_MTIME ? SFS_ATTRIBUTE_MODIFIED : 0u);
    if (node->class == &fs_fields_directory_class)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "fields",
                        "a directory of keys has the times that it has in keys/: set them there");
    int code = fs_field_of(call, node, &field);
    if (code == 0)
        code = sfs_batch_new(&batch, &call->error);
    if (code == 0)
        code = sfs_batch_attributes(batch, sfs_buffer_bytes(&field.key), &attributes, times, &call->error);
    if (code == 0) {
        code = fs_keys_apply(call, node->space, batch, false, NULL);
        batch = NULL;
    }
    if (code == 0)
        fs_fields_tell(call, node->space, sfs_buffer_bytes(&field.key), false);
    sfs_batch_free(batch);
    fs_field_free(&field);
    return code;
}

int fs_fields_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                  struct stat *st)
{
    const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME;
    bool leaf = node->class == &fs_fields_leaf_class;
    struct fs_call quiet = *call;
    int code = fs_fields_stat(call, node, st);
    if (code == 0)
        code = check_same(call, want, mask, st);
    if (code == 0 && mask & FUSE_SET_ATTR_SIZE)
        code = leaf ? fs_leaf_truncate(call, node, (uint64_t)want->st_size)
                    : sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "fields", "a directory has no size to set");
    /* A file that is not committed, or has no name any more, gets its times when it is. */
    if (code == 0 && mask & times && !(leaf && fs_leaf_stat(call->fs, node, false, st))) {
        code = set_times(call, node, want, mask);
        if (code == SFS_E_NOT_FOUND)
            code = fs_fields_stat(&quiet, node, st) == 0 ? 0 : code;
    }
    return code == 0 ? fs_fields_stat(call, node, st) : code;
}
