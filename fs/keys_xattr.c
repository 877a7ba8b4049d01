/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes in the keys tree: kept in the record, of a directory in its marker.
 */
#include "fs/keys.h"
#include "fs/views.h"

#define CAPABILITY "security.capability"
#define LABEL "security.selinux"

/* The record that carries the attributes; NOT_FOUND where a directory has no marker. A file that is
 * made and not committed has none yet. */
static int carrier_record(struct fs_call *call, struct fs_node *node, const struct sfs_record **ret_record)
{
    struct sfs_buffer name = {0};
    struct sfs_place place = {0};
    int code;
    if (node->class == &fs_keys_directory_class) {
        code = fs_keys_place(call, node, &name, &place);
        if (code == 0 && sfs_buffer_byte(&name, '\0') != 0)
            code = sfs_fail_memory(&call->error, "mount");
    } else {
        code = fs_keys_key(call, node, &name);
    }
    if (code == 0 && place.pieces > 0)
        code = SFS_E_NOT_FOUND;
    if (code == 0)
        code = sfs_get(node->space->store, sfs_buffer_bytes(&name), SFS_WANT_RECORD, ret_record,
                       &call->error);
    sfs_buffer_free(&name);
    return code;
}

/* The kernel would turn access control lists (system.*) into names of its own; they are not kept. */
static int check_name(struct fs_call *call, const char *name)
{
    static const char *const spaces[] = {"user.", "trusted.", "security."};
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        size_t length = strlen(spaces[i]);
        if (strncmp(name, spaces[i], length) != 0)
            continue;
        return name[length] != '\0' ? 0
                                    : sfs_fail(&call->error, SFS_E_INVALID, "mount",
                                               "an attribute needs a name behind '%s'", name);
    }
    return sfs_fail(&call->error, SFS_E_UNSUPPORTED, "mount",
                    "attributes such as '%s' are not kept: only user., trusted. and security.", name);
}

/*
 * The kernel asks before each write whether there are capabilities to take away, and cannot be told not to
 * (libfuse does not know FUSE_HANDLE_KILLPRIV_V2). What is written to has been looked at for its first
 * write: that answer is good until it is committed.
 */
static bool has_no_capability(struct fs_node *node, const char *name)
{
    if (strcmp(name, CAPABILITY) != 0 || node->class != &fs_keys_leaf_class || node->capable)
        return false;
    struct fs_file *file = fs_file_peek(node);
    struct sfs_bytes found;
    bool none = false;
    if (file != NULL) {
        pthread_mutex_lock(&file->lock);
        none = file->created || (file->loaded && file->record != NULL &&
                                 !sfs_xattr_get(file->record->xattrs, sfs_string(name), &found));
        pthread_mutex_unlock(&file->lock);
    }
    fs_file_release(file);
    return none;
}

int fs_keys_xattr_get(struct fs_call *call, struct fs_node *node, const char *name,
                      struct sfs_buffer *value)
{
    const struct sfs_record *record;
    struct sfs_bytes found;
    int code = check_name(call, name);
    if (code == 0 && has_no_capability(node, name))
        code = SFS_E_NO_ATTRIBUTE;
    if (code == 0)
        code = carrier_record(call, node, &record);
    if (code == SFS_E_NOT_FOUND)
        return SFS_E_NO_ATTRIBUTE;
    if (code < 0)
        return code;
    if (!sfs_xattr_get(record->xattrs, sfs_string(name), &found))
        /* `ls -l` asks for a label of each file, unless it is told that there are none here. */
        code = strcmp(name, LABEL) == 0 ? SFS_E_UNSUPPORTED : SFS_E_NO_ATTRIBUTE;
    else if (sfs_buffer_add(value, found) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    sfs_record_unref(record);
    return code;
}

struct change {
    const char *name;
    struct sfs_bytes value;
    unsigned flags;
};

static int add_change(void *context, struct sfs_bytes name, struct sfs_batch *batch,
                      struct sfs_error *error)
{
    const struct change *change = context;
    return sfs_batch_xattr(batch, name, sfs_string(change->name), change->value, change->flags, error);
}

int fs_keys_xattr_set(struct fs_call *call, struct fs_node *node, const char *name,
                      struct sfs_bytes value, unsigned flags)
{
    struct change change = {name, value, flags};
    int code = check_name(call, name);
    if (code < 0)
        return code;
    if (strcmp(name, CAPABILITY) == 0)
        node->capable = true;
    if (node->class == &fs_keys_leaf_class) {
        /* The record must be there to carry it. */
        struct fs_file *file = fs_file_peek(node);
        if (file != NULL && file->created)
            code = fs_file_commit(call, file, FS_OPENED, NULL, NULL);
        fs_file_release(file);
    }
    return code == 0 ? fs_keys_update(call, node, add_change, &change) : code;
}

int fs_keys_xattr_list(struct fs_call *call, struct fs_node *node, struct sfs_buffer *names)
{
    const struct sfs_record *record;
    struct sfs_bytes name, value;
    size_t position = 0;
    int code = carrier_record(call, node, &record);
    if (code == SFS_E_NOT_FOUND)
        return 0;
    if (code < 0)
        return code;
    while (code == 0 && sfs_xattr_next(record->xattrs, &position, &name, &value))
        if (!sfs_bytes_starts(name, SFS_LITERAL(FS_VIEW_PREFIX)) &&
            (sfs_buffer_add(names, name) != 0 || sfs_buffer_byte(names, '\0') != 0))
            code = sfs_fail_memory(&call->error, "mount");
    sfs_record_unref(record);
    return code;
}
