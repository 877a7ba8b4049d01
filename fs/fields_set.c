/* SPDX-License-Identifier: MIT */
/*
 * Attributes that programs set in fields/: a member has those of its key, a scratch file has its
 * own.
 */
#include <sys/stat.h>

#include "fs/fields.h"

/*
 * Programs that copy set mode and owner of what they have just written: a member has those of its
 * key, and that is no failure of theirs. Anybody else who sets them wants something that is not
 * done here.
 */
static int check_mode(struct fs_call *call, const struct fs_node *node, const struct stat *want,
                      int mask, const struct stat *st)
{
    mode_t kept = S_ISDIR(st->st_mode) ? 0777 : 0666; /* a member is no program */
    bool same = !(mask & FUSE_SET_ATTR_MODE) || (want->st_mode & kept) == (st->st_mode & kept);
    same = same && (!(mask & FUSE_SET_ATTR_UID) || want->st_uid == st->st_uid);
    same = same && (!(mask & FUSE_SET_ATTR_GID) || want->st_gid == st->st_gid);
    if (same || node->author == call->pid)
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
        code = sfs_batch_attributes(batch, sfs_buffer_bytes(&field.key), &attributes, times,
                                    &call->error);
    if (code == 0) {
        code = fs_keys_apply(call, node->space, batch, false, NULL);
        batch = NULL;
    }
    if (code == 0)
        fs_fields_tell(call, node->space, sfs_buffer_bytes(&field.key), false);
    if (code == 0)
        fs_member_set_time(call->fs, node, NULL, 0);
    sfs_batch_free(batch);
    fs_field_free(&field);
    return code;
}

int fs_fields_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                  struct stat *st)
{
    const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME;
    bool leaf = node->class == &fs_fields_leaf_class;
    bool kept = fs_leaf_set(call->fs, node, want, mask);
    struct fs_call quiet = *call;
    int code = fs_fields_stat(call, node, st);
    if (code == 0)
        code = kept ? 0 : check_mode(call, node, want, mask, st);
    if (code == 0 && mask & FUSE_SET_ATTR_SIZE)
        code = leaf ? fs_leaf_truncate(call, node, (uint64_t)want->st_size)
                    : sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "fields",
                               "a directory has no size to set");
    if (code == 0 && mask & times && !kept) {
        code = set_times(call, node, want, mask);
        if (code == SFS_E_NOT_FOUND)
            code = fs_fields_stat(&quiet, node, st) == 0 ? 0 : code;
    }
    return code == 0 ? fs_fields_stat(call, node, st) : code;
}

/* --- extended attributes --- */

/* Copy programs take this for a file system without them, and go on. */
int fs_fields_xattr_set(struct fs_call *call, struct fs_node *node, const char *name,
                        struct sfs_bytes value, unsigned flags)
{
    (void)node;
    (void)value;
    (void)flags;
    return sfs_fail(&call->error, SFS_E_UNSUPPORTED, "fields",
                    "there are no extended attributes in fields/, such as '%s': set them in keys/",
                    name);
}
