/* SPDX-License-Identifier: MIT */
/*
 * views/: symbolic links that keep queries by name.
 */
#include "fs/views.h"

#include <sys/stat.h>

#include "fs/keys.h"
#include "fs/query.h"

#define ROOT SFS_LITERAL("\0") /* the marker of the whole store */
#define NAME_MAX_SIZE (SFS_PATH_NAME_MAX - (sizeof(FS_VIEW_PREFIX) - 1))
#define NO_REPLACE 1u /* flags of renameat2(2) */
#define EXCHANGE 2u
#define ATTEMPTS 10 /* while others change views too */

/* --- what the store has --- */

/* The record that has the views; NULL where there is none. */
static int root_record(struct fs_call *call, const struct fs_node *node, const struct sfs_record **ret_record)
{
    int code = sfs_get(node->space->store, ROOT, SFS_WANT_RECORD, ret_record, &call->error);
    if (code == SFS_E_NOT_FOUND)
        *ret_record = NULL;
    return code == SFS_E_NOT_FOUND ? 0 : code;
}

static int attribute_of(struct fs_call *call, struct sfs_bytes view, struct sfs_buffer *name)
{
    if (view.size > NAME_MAX_SIZE)
        return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "view", "a view's name has at most %zu bytes",
                        NAME_MAX_SIZE);
    if (sfs_buffer_add(name, SFS_LITERAL(FS_VIEW_PREFIX)) != 0 || sfs_buffer_add(name, view) != 0)
        return sfs_fail_memory(&call->error, "mount");
    return 0;
}

/* Appends the target; NOT_FOUND. */
static int find_view(struct fs_call *call, const struct sfs_record *record, struct sfs_bytes view,
                     struct sfs_buffer *target)
{
    struct sfs_buffer name = {0};
    struct sfs_bytes found;
    if (record == NULL || view.size > NAME_MAX_SIZE)
        return SFS_E_NOT_FOUND;
    int code = attribute_of(call, view, &name);
    if (code == 0 && !sfs_xattr_get(record->xattrs, sfs_buffer_bytes(&name), &found))
        code = SFS_E_NOT_FOUND;
    else if (code == 0 && sfs_buffer_add(target, found) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    sfs_buffer_free(&name);
    return code;
}

/* --- changing it --- */

/* One change: each view gets its target, or {NULL, 0} and is gone. */
struct change {
    struct sfs_bytes view;
    struct sfs_bytes target;
    unsigned flags; /* enum sfs_xattr_flags */
};

static int add_change(struct fs_call *call, const struct change *change, struct sfs_batch *batch)
{
    struct sfs_buffer name = {0};
    int code = attribute_of(call, change->view, &name);
    if (code == 0)
        code = sfs_batch_xattr(batch, ROOT, sfs_buffer_bytes(&name), change->target, change->flags,
                               &call->error);
    sfs_buffer_free(&name);
    return code;
}

/* CONFLICT where the record is not `record` any more. */
static int apply(struct fs_call *call, struct fs_space *space, const struct sfs_record *record,
                 const struct change *changes, size_t count)
{
    struct sfs_attributes marker = {.kind = SFS_KIND_MARKER};
    struct sfs_batch *batch;
    int code = sfs_batch_new(&batch, &call->error);
    if (code < 0)
        return code;
    code = sfs_batch_require_revision(batch, ROOT, record != NULL ? record->revision : 0, &call->error);
    if (code == 0 && record == NULL)
        code = sfs_batch_put(batch, ROOT, sfs_bytes(NULL, 0), &marker, SFS_ATTRIBUTE_KIND, &call->error);
    for (size_t i = 0; i < count && code == 0; i++)
        code = add_change(call, &changes[i], batch);
    if (code == 0)
        return fs_keys_apply(call, space, batch, false, NULL);
    sfs_batch_free(batch);
    return code;
}

/* --- one view: node->text is its name --- */

static int link_readlink(struct fs_call *call, struct fs_node *node, struct sfs_buffer *target)
{
    const struct sfs_record *record = NULL;
    struct sfs_buffer name = {0};
    fs_nodes_lock(call->fs->nodes); /* a rename may be under way */
    int code = sfs_buffer_add(&name, sfs_buffer_bytes(&node->text));
    fs_nodes_unlock(call->fs->nodes);
    code = code == 0 ? root_record(call, node, &record) : sfs_fail_memory(&call->error, "mount");
    if (code == 0)
        code = find_view(call, record, sfs_buffer_bytes(&name), target);
    sfs_record_unref(record);
    sfs_buffer_free(&name);
    return code;
}

static int link_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    struct sfs_buffer target = {0};
    int code = link_readlink(call, node, &target);
    if (code == 0) {
        fs_stat_generated(call->fs, node, S_IFLNK | 0777, st);
        st->st_size = (off_t)target.size;
    }
    sfs_buffer_free(&target);
    return code;
}

static const struct fs_class link_class = {
    .name = "view",
    .stat = link_stat,
    .readlink = link_readlink,
};

/* --- views/ --- */

static int root_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_stat_generated(call->fs, node, S_IFDIR | 0755, st);
    return 0;
}

static int root_lookup(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_entry *entry)
{
    entry->node = fs_names_node(call->fs, dir, name, &link_class, dir->space, sfs_string(name));
    entry->timeout = fs_query_timeout(dir->space);
    if (entry->node == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = link_stat(call, entry->node, &entry->st);
    if (code < 0)
        fs_node_forget(call->fs, entry->node->id, 1);
    return code;
}

static int root_make(struct fs_call *call, struct fs_node *dir, const char *name,
                     const struct fs_make *make, struct fs_entry *entry)
{
    if (!S_ISLNK(make->mode))
        return sfs_fail(&call->error, SFS_E_PERMISSION, "view",
                        "views/ holds symbolic links only: ln -s ../query/... views/NAME makes one");
    struct change change = {sfs_string(name), sfs_string(make->target), SFS_XATTR_CREATE};
    int code = SFS_E_CONFLICT;
    for (int i = 0; i < ATTEMPTS && code == SFS_E_CONFLICT; i++) {
        const struct sfs_record *record = NULL;
        code = root_record(call, dir, &record);
        if (code == 0)
            code = apply(call, dir->space, record, &change, 1);
        sfs_record_unref(record);
    }
    return code == 0 ? root_lookup(call, dir, name, entry) : code;
}

static int root_remove(struct fs_call *call, struct fs_node *dir, const char *name, bool directory)
{
    struct change change = {.view = sfs_string(name)};
    struct sfs_buffer target = {0};
    int code = directory ? SFS_E_NOT_DIRECTORY : SFS_E_CONFLICT;
    for (int i = 0; i < ATTEMPTS && code == SFS_E_CONFLICT; i++) {
        const struct sfs_record *record = NULL;
        code = root_record(call, dir, &record);
        if (code == 0)
            code = find_view(call, record, change.view, &target);
        if (code == 0)
            code = apply(call, dir->space, record, &change, 1);
        sfs_record_unref(record);
    }
    sfs_buffer_free(&target);
    if (code == 0)
        fs_node_detach(call->fs, dir, name);
    return code;
}

/* The targets of both sides of a rename, as they are in the record. */
static int rename_once(struct fs_call *call, struct fs_node *dir, struct sfs_bytes from, struct sfs_bytes to,
                       unsigned flags)
{
    const struct sfs_record *record = NULL;
    struct sfs_buffer source = {0}, target = {0};
    int code = root_record(call, dir, &record);
    if (code == 0)
        code = find_view(call, record, from, &source);
    int there = code == 0 ? find_view(call, record, to, &target) : code;
    if (code == 0 && there < 0 && (there != SFS_E_NOT_FOUND || flags == EXCHANGE))
        code = there;
    if (code == 0) {
        struct change changes[] = {
            {from, flags == EXCHANGE ? sfs_buffer_bytes(&target) : sfs_bytes(NULL, 0), SFS_XATTR_REPLACE},
            {to, sfs_buffer_bytes(&source), flags == NO_REPLACE ? SFS_XATTR_CREATE : 0},
        };
        code = apply(call, dir->space, record, changes, 2);
    }
    sfs_record_unref(record);
    sfs_buffer_free(&source);
    sfs_buffer_free(&target);
    return code;
}

/* What has the name now is numbered by it, since another may be made where it was. */
static void renumber(struct fs *fs, const struct fs_name *at)
{
    fs_nodes_lock(fs->nodes);
    struct fs_node *node = fs_node_peek_locked(fs, at->parent, at->name);
    uint64_t id = node != NULL ? node->id : 0;
    if (node != NULL)
        node->ino = fs_names_ino(at->parent, at->name);
    fs_nodes_unlock(fs->nodes);
    if (id != 0)
        fs_notify_attributes(fs->notifier, id);
}

static int root_rename(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_node *to_dir,
                       const char *to_name, unsigned flags)
{
    struct fs_name from = {dir, name, FS_KIND_PLAIN, sfs_string(name)};
    struct fs_name to = {to_dir, to_name, FS_KIND_PLAIN, sfs_string(to_name)};
    int code = SFS_E_CONFLICT;
    if (flags > EXCHANGE)
        return sfs_fail(&call->error, SFS_E_INVALID, "view", "these flags of a rename are not supported");
    for (int i = 0; i < ATTEMPTS && code == SFS_E_CONFLICT; i++)
        code = rename_once(call, dir, from.text, to.text, flags);
    if (code == 0)
        code = fs_node_move(call->fs, &from, &to, flags == EXCHANGE, &call->error);
    if (code < 0)
        return code;
    renumber(call->fs, &from);
    renumber(call->fs, &to);
    return 0;
}

static int add_names(struct sfs_bytes xattrs, struct sfs_buffer *names)
{
    struct sfs_bytes prefix = SFS_LITERAL(FS_VIEW_PREFIX);
    struct sfs_bytes name, value;
    size_t position = 0;
    int code = 0;
    while (code == 0 && sfs_xattr_next(xattrs, &position, &name, &value))
        if (sfs_bytes_starts(name, prefix))
            code = fs_names_add_link(names, sfs_bytes((const char *)name.data + prefix.size,
                                                      name.size - prefix.size));
    return code;
}

static int root_list(struct fs_call *call, struct fs_open *open, uint64_t offset, struct fs_list *list)
{
    if (offset == 0 || open->text.data == NULL) {
        const struct sfs_record *record = NULL;
        open->text.size = 0;
        int code = root_record(call, open->node, &record);
        if (code == 0 && record != NULL && add_names(record->xattrs, &open->text) != 0)
            code = sfs_fail_memory(&call->error, "mount");
        sfs_record_unref(record);
        if (code < 0)
            return code;
    }
    return fs_names_list(call, open, offset, list);
}

const struct fs_class fs_views_class = {
    .name = "views",
    .lookup = root_lookup,
    .stat = root_stat,
    .make = root_make,
    .remove = root_remove,
    .rename = root_rename,
    .list = root_list,
    .release = fs_text_release,
};
