/* SPDX-License-Identifier: MIT */
/*
 * Files of the keys tree: open, create, read, write, close; and the two classes of the tree.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/budget.h"
#include "fs/keys.h"
#include "fs/loop.h"
#include "fs/tx.h"

/*
 * From now on the kernel's pages and attributes are of this revision. Where it still believes in an
 * older size it would cut what is read by that: EXPIRED makes it look the name up and open again,
 * once; then its pages are left out, and no shared mapping can be made (ENODEV).
 */
static int revalidate(struct fs_call *call, struct fs_node *node, uint64_t revision, uint64_t size,
                      struct fuse_file_info *info)
{
    uint64_t told = node->attribute_revision;
    bool cuts = (info->flags & O_TRUNC) != 0;
    bool other_size = !cuts && told != revision && told != 0 && node->attribute_size != size;
    if (other_size && (info->flags & O_EXCL) == 0 && fs_keys_looks_again(call))
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount", "the kernel keeps an older size");
    info->keep_cache = atomic_exchange(&node->page_revision, revision) == revision;
    atomic_store(&node->attribute_revision, revision);
    if (other_size) {
        info->direct_io = 1;
        fs_notify_attributes(call->fs->notifier, node->id);
    }
    return 0;
}

/* EXPIRED where others have put another record under the key. */
static int check_same(struct fs_call *call, struct fs_file *file, const struct sfs_record *record)
{
    fs_file_saw(file, record);
    return fs_file_check(call, file);
}

static int open_existing(struct fs_call *call, struct fs_node *node, struct fs_file *file,
                         struct fs_open *open, struct fuse_file_info *info)
{
    struct sfs_buffer key = {0};
    int code = fs_file_check(call, file);
    if (code == 0 && !file->created && !file->unlinked) {
        code = fs_keys_key(call, node, &key);
        if (code == 0)
            code = sfs_get(node->space->store, sfs_buffer_bytes(&key), SFS_WANT_RECORD, &open->record,
                           &call->error);
        sfs_buffer_free(&key);
        /* The kernel knew the name for longer than somebody else's store had it: at this answer it looks the
         * name up again, and makes the file where that is asked for. */
        if (code == SFS_E_NOT_FOUND)
            return sfs_fail(&call->error, SFS_E_EXPIRED, "mount", "the key was deleted by somebody else");
        if (code < 0)
            return code;
        if (open->record->attributes.kind != SFS_KIND_VALUE)
            return sfs_fail(&call->error, SFS_E_EXPIRED, "mount", "the key is another kind of file by now");
        code = check_same(call, file, open->record);
        if (code < 0)
            return code;
        code = revalidate(call, node, open->record->revision, open->record->size, info);
    }
    if (code == 0 && info->flags & O_TRUNC)
        fs_file_empty(file, call->uid == 0, open);
    return code;
}

/* The node that has the name now which this one had last, with one look-up more; EXPIRED where that
 * is no file any more. */
static int find_successor(struct fs_call *call, struct fs_node *node, struct fs_node **ret_node)
{
    struct sfs_buffer base = {0}, name = {0};
    struct sfs_place place;
    struct fs_entry entry = {0};
    int code = fs_keys_place(call, node->parent, &base, &place);
    if (code == 0 && node->kind == FS_KIND_OWN)
        code = sfs_buffer_add(&name, SFS_LITERAL(SFS_PATH_VALUE));
    else if (code == 0)
        code = sfs_path_encode(place, sfs_buffer_bytes(&node->text), &name);
    if (code >= 0)
        code = sfs_buffer_text(&name);
    if (code == 0)
        code = fs_keys_lookup(call, node->parent, name.data, &entry);
    sfs_buffer_free(&base);
    sfs_buffer_free(&name);
    if (code == SFS_E_NO_MEMORY)
        return sfs_fail_memory(&call->error, "mount");
    bool fits = code == 0 && entry.node->class == node->class && entry.node->space == node->space;
    if (fits)
        *ret_node = entry.node;
    else if (code == 0)
        fs_node_forget(call->fs, entry.node->id, 1);
    return fits ? 0
                : sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                           "the file was removed while it was opened");
}

static int keys_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                     struct fuse_file_info *info);

static bool has_name(struct fs_call *call, const struct fs_node *node)
{
    fs_nodes_lock(call->fs->nodes);
    bool named = node->name != NULL;
    fs_nodes_unlock(call->fs->nodes);
    return named;
}

/*
 * The file was replaced before its open for the second time (keys_retry.c): the handle is one of
 * the file that has the name now. It reads past the kernel's pages, which are the old file's.
 * fstat(2) of it asks for the node that was opened, which shows the new file from now on, unless
 * somebody else still has the old one open.
 */
static int open_successor(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                          struct fuse_file_info *info)
{
    struct fs_node *successor = NULL, *asked = open->node;
    int code = find_successor(call, node, &successor);
    if (code != 0)
        return code;
    sfs_record_unref(open->record);
    open->record = NULL;
    code = keys_open(call, successor, open, info);
    if (code == 0) {
        if (open->node == asked) /* else that one was replaced, too */
            open->node = successor;
        struct stat st;
        struct fs_call quiet = *call;
        if (fs_keys_stat(&quiet, successor, &st) == 0) {
            fs_nodes_lock(call->fs->nodes);
            if (asked->last != NULL)
                *asked->last = st;
            fs_nodes_unlock(call->fs->nodes);
            fs_notify_attributes(call->fs->notifier, asked->id);
        }
        /* The kernel's pages of that node have not been dropped. */
        atomic_store(&successor->page_revision, 0);
        atomic_store(&successor->attribute_revision, FS_REVISION_OTHER);
        info->keep_cache = 0;
        info->direct_io = 1;
    }
    fs_node_forget(call->fs, successor->id, 1);
    return code;
}

static int keys_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                     struct fuse_file_info *info)
{
    bool writes = (info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0;
    int code = writes ? fs_tx_writable(call, node->space) : 0;
    if (code < 0)
        return code;
    struct fs_file *file = fs_file_acquire(node);
    if (file == NULL)
        return sfs_fail_memory(&call->error, "mount");
    if (call->tree == FS_READS)
        fs_space_await(node->space, node);
    code = open_existing(call, node, file, open, info);
    if (code < 0) {
        fs_file_release(file);
        /* (The handle of what is being made is its directory's until then: no other file will do.) */
        bool replaced = code == SFS_E_EXPIRED && !writes && open->class == node->class && !has_name(call, node);
        return replaced && !call->looks_again && !fs_keys_looks_again(call)
                   ? open_successor(call, node, open, info)
                   : code;
    }
    if (call->tree == FS_READS)
        fs_keys_looked_again(call);
    open->writes = writes;
    file->handles++;
    file->writers += writes;
    info->noflush = (info->flags & O_ACCMODE) == O_RDONLY;
    if (node->space->timeout <= 0)
        info->direct_io = 1;
    return 0;
}

/* A store that others share must know at once that the name is taken, or two could make it. */
static int commit_empty(struct fs_call *call, struct fs_target *target,
                        const struct sfs_attributes *attributes, uint64_t *ret_revision)
{
    struct sfs_batch *batch;
    struct sfs_bytes key = sfs_buffer_bytes(&target->key);
    int code = sfs_batch_new(&batch, &call->error);
    if (code < 0)
        return code;
    code = sfs_batch_require_absent(batch, key, &call->error);
    if (code == 0)
        code = sfs_batch_put(batch, key, sfs_bytes(NULL, 0), attributes,
                             SFS_ATTRIBUTE_MODE | SFS_ATTRIBUTE_UID | SFS_ATTRIBUTE_GID, &call->error);
    if (code < 0) {
        sfs_batch_free(batch);
        return code;
    }
    return fs_keys_apply(call, target->name.parent->space, batch, false, ret_revision);
}

static int create_pending(struct fs_call *call, struct fs_target *target,
                          const struct sfs_attributes *attributes, struct fs_open *open, bool empty,
                          struct fs_entry *entry)
{
    struct fs_node *node =
        fs_node_intern(call->fs, target->name.parent, target->name.name, &fs_keys_leaf_class,
                       target->name.parent->space, target->name.kind, target->name.text);
    struct fs_file *file = node != NULL ? fs_file_acquire(node) : NULL;
    if (file == NULL) {
        if (node != NULL)
            fs_node_forget(call->fs, node->id, 1);
        return sfs_fail_memory(&call->error, "mount");
    }
    fs_file_create(file, attributes, empty, open);
    open->writes = true;
    file->handles++;
    file->writers++;
    entry->node = node;
    entry->timeout = node->space->timeout;
    return fs_keys_stat(call, node, &entry->st);
}

/* Opens a file that is there by now. Where it is so no more the kernel is to look the name up again. */
static int open_entry(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_open *open,
                      struct fuse_file_info *info, struct fs_entry *entry)
{
    int code = fs_keys_lookup_made(call, dir, name, S_IFREG, entry);
    if (code < 0)
        return code;
    code = keys_open(call, entry->node, open, info);
    if (code < 0)
        fs_node_forget(call->fs, entry->node->id, 1);
    return code;
}

/* As made by an O_EXCL open: committed, and opened like any other. */
static int create_committed(struct fs_call *call, struct fs_target *target,
                            const struct sfs_attributes *attributes, struct fs_open *open,
                            struct fuse_file_info *info, struct fs_entry *entry)
{
    uint64_t revision = 0;
    int code = commit_empty(call, target, attributes, &revision);
    if (code == 0)
        code = open_entry(call, target->name.parent, target->name.name, open, info, entry);
    if (code == 0)
        entry->node->file->made = revision;
    return code;
}

static int keys_create(struct fs_call *call, struct fs_node *dir, const char *name, mode_t mode,
                       struct fs_open *open, struct fuse_file_info *info, struct fs_entry *entry)
{
    struct fs_target target = {0};
    struct sfs_attributes attributes = {.kind = SFS_KIND_VALUE};
    bool pending = fs_keys_is_pending(call, dir, name);
    int code = fs_tx_writable(call, dir->space);
    if (code == 0)
        code = fs_keys_find_new(call, dir, name, &target);
    bool taken = code == 0 && (target.exists || pending);
    if (code == 0 && !taken) /* "%empty" right below keys/ is a directory only: no key is empty */
        code = sfs_key_check(sfs_buffer_bytes(&target.key), &call->error);
    if (taken && info->flags & O_EXCL)
        code = sfs_fail(&call->error, SFS_E_EXISTS, "mount", "'%s' exists", name);
    else if (taken && target.directory)
        code = sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "mount", "'%s' is a directory", name);
    fs_keys_new_attributes(call, dir, mode, &attributes);
    if (code == 0 && taken) { /* somebody was faster than the kernel's look-up */
        code = open_entry(call, dir, name, open, info, entry);
    } else if (code == 0 && info->flags & O_EXCL && dir->space->shared) {
        fs_keys_outlive(call, dir, name);
        code = create_committed(call, &target, &attributes, open, info, entry);
    } else if (code == 0) {
        fs_keys_outlive(call, dir, name);
        attributes.id = fs_space_new_id(dir->space);
        code = create_pending(call, &target, &attributes, open, (info->flags & O_TRUNC) != 0, entry);
    }
    fs_target_free(&target);
    if (code == 0) {
        if (dir->space->timeout <= 0)
            info->direct_io = 1;
        fs_keys_touch(call, dir);
    }
    return code;
}

/* --- reading --- */

static void copy_part(struct sfs_bytes value, char *data, size_t size, uint64_t offset,
                      size_t *ret_size)
{
    uint64_t left = offset < value.size ? value.size - offset : 0;
    *ret_size = left < size ? (size_t)left : size;
    if (*ret_size > 0)
        memcpy(data, (const char *)value.data + offset, *ret_size);
}

/* The handle's own record with its value, for values that are small. Reads of one handle may come at
 * the same time: the first one's record is kept. */
static int whole_record(struct fs_call *call, struct fs_open *open, const struct sfs_record **ret_record)
{
    struct sfs_buffer key = {0};
    const struct sfs_record *record = NULL;
    pthread_mutex_lock(&open->lock);
    if (open->record != NULL && sfs_record_has_value(open->record))
        record = sfs_record_ref(open->record);
    pthread_mutex_unlock(&open->lock);
    if (record != NULL) {
        *ret_record = record;
        return 0;
    }
    int code = fs_keys_key(call, open->node, &key);
    if (code == 0)
        code = sfs_get(open->node->space->store, sfs_buffer_bytes(&key), SFS_WANT_VALUE, &record,
                       &call->error);
    sfs_buffer_free(&key);
    if (code == 0 && (code = check_same(call, open->node->file, record)) < 0)
        sfs_record_unref(record);
    if (code < 0)
        return code;
    fs_open_keep(call, open, record);
    *ret_record = record;
    return 0;
}

/* A part of a large value. Where that has changed, it is read on as it is now, if it still is the same record's. */
static int read_large(struct fs_call *call, struct fs_open *open, uint64_t revision, char *data, size_t size,
                      uint64_t offset, size_t *ret_size)
{
    struct sfs_storage *store = open->node->space->store;
    struct sfs_buffer buffer = {0};
    const struct sfs_record *record;
    int code = fs_keys_key(call, open->node, &buffer);
    struct sfs_bytes key = sfs_buffer_bytes(&buffer);
    if (code == 0)
        code = sfs_read(store, key, revision, offset, data, size, ret_size, &call->error);
    if (code == SFS_E_CONFLICT) {
        code = sfs_get(store, key, SFS_WANT_RECORD, &record, &call->error);
        if (code == 0) {
            code = check_same(call, open->node->file, record);
            sfs_record_unref(record);
        }
        if (code == 0)
            code = sfs_read(store, key, 0, offset, data, size, ret_size, &call->error);
    }
    sfs_buffer_free(&buffer);
    return code;
}

static int read_store(struct fs_call *call, struct fs_open *open, char *data, size_t size,
                      uint64_t offset, size_t *ret_size)
{
    const struct sfs_record *record;
    pthread_mutex_lock(&open->lock);
    bool small = open->record == NULL || open->record->size < FS_LARGE;
    uint64_t revision = small ? 0 : open->record->revision;
    pthread_mutex_unlock(&open->lock);
    if (!small)
        return read_large(call, open, revision, data, size, offset, ret_size);
    int code = whole_record(call, open, &record);
    if (code < 0)
        return code;
    copy_part(sfs_record_value(record), data, size, offset, ret_size);
    sfs_record_unref(record);
    return 0;
}

int fs_keys_read(struct fs_call *call, struct fs_node *node, char *data, size_t size, uint64_t offset,
                 size_t *ret_size)
{
    struct sfs_buffer key = {0};
    int code = fs_keys_key(call, node, &key);
    if (code == 0)
        code = sfs_read(node->space->store, sfs_buffer_bytes(&key), 0, offset, data, size, ret_size,
                        &call->error);
    sfs_buffer_free(&key);
    return code;
}

/* A committed change through another handle of this node shows here too. */
static void drop_older(struct fs_open *open, struct fs_file *file)
{
    pthread_mutex_lock(&file->lock);
    const struct sfs_record *now = sfs_record_ref(file->record);
    pthread_mutex_unlock(&file->lock);
    pthread_mutex_lock(&open->lock);
    const struct sfs_record *older = open->record;
    if (older == NULL || now == NULL || older->revision != now->revision) {
        open->record = now;
        now = older;
    }
    pthread_mutex_unlock(&open->lock);
    sfs_record_unref(now);
}

static int keys_read(struct fs_call *call, struct fs_open *open, char *data, size_t size,
                     uint64_t offset, size_t *ret_size)
{
    struct fs_file *file = open->node->file; /* an open handle keeps it */
    int code = fs_file_check(call, file);
    if (code == 0)
        code = fs_file_read(call, file, data, size, offset, ret_size);
    if (code != 0)
        return code < 0 ? code : 0;
    drop_older(open, file);
    code = read_store(call, open, data, size, offset, ret_size);
    if (code == SFS_E_NOT_FOUND)
        return sfs_fail(&call->error, SFS_E_EXPIRED, "mount",
                        "the key was deleted by somebody else while the file was open");
    return code;
}

/* --- writing and closing --- */

/* Pages of a mapping come through any handle of the file, and are not its own. */
static int check_writable(struct fs_call *call, const struct fs_open *open)
{
    const struct fs_file *file = open->node->file;
    int code = fs_tx_writable(call, file->space);
    if (code == 0)
        code = fs_open_check(call, call->open);
    return code == 0 ? fs_file_check(call, file) : code;
}

static int keys_write(struct fs_call *call, struct fs_open *open, struct sfs_bytes data, uint64_t offset)
{
    struct fs_file *file = open->node->file;
    int code = check_writable(call, open);
    return code == 0 ? fs_file_write(call, file, data, offset, call->append) : code;
}

/* Room cannot be set aside in a store; what is written there later may find none (NO_SPACE). */
static int keys_allocate(struct fs_call *call, struct fs_open *open, int mode, uint64_t offset,
                         uint64_t size)
{
    struct fs_file *file = open->node->file;
    bool zero = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
    int code = check_writable(call, open);
    if (code < 0)
        return code;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        return sfs_fail(&call->error, SFS_E_UNSUPPORTED, "mount", "this kind of fallocate is not known");
    if ((mode & FALLOC_FL_KEEP_SIZE) == 0)
        code = fs_file_grow(call, file, offset + size);
    if (code == 0 && zero)
        code = fs_file_punch(call, file, offset, size);
    return code;
}

static int keys_seek(struct fs_call *call, struct fs_open *open, uint64_t offset, bool data,
                     uint64_t *ret_offset)
{
    struct fs_file *file = open->node->file;
    int code = fs_file_check(call, file);
    return code == 0 ? fs_file_seek(call, file, offset, data, ret_offset) : code;
}

/* A file with nothing to commit can be closed after its transaction has ended. */
static int commit_handle(struct fs_call *call, struct fs_open *open, enum fs_dirt level)
{
    struct fs_file *file = open->node->file;
    pthread_mutex_lock(&file->lock);
    bool due = file->busy || fs_file_is_due(file, level, open); /* what is being committed may come back */
    pthread_mutex_unlock(&file->lock);
    if (!due)
        return 0;
    int code = fs_space_enter(open->node->space, &call->error);
    if (code < 0)
        return code;
    code = fs_file_prepare(call, file, level, open);
    if (code == 0) {
        fs_space_change(open->node->space);
        code = fs_file_commit(call, file, level, open, NULL);
        fs_space_change_end(open->node->space);
    }
    fs_space_leave(open->node->space);
    return code;
}

static int keys_flush(struct fs_call *call, struct fs_open *open)
{
    int code = fs_open_check(call, open);
    return code == 0 ? commit_handle(call, open, FS_WRITTEN) : code;
}

/* What is left of a refused commit, with so many other handles that may write. */
static void refuse(struct fs_call *call, struct fs_open *open, int code, unsigned writers, bool last)
{
    struct fs_file *file = open->node->file;
    if (fs_space_enter(file->space, NULL) != 0)
        return;
    fs_space_change(file->space);
    if (fs_refused_for_good(code) && !open->refused)
        fs_file_refuse(call, file, open, writers);
    if (last && file->refused)
        fs_file_withdraw(call, file);
    fs_space_change_end(file->space);
    fs_space_leave(file->space);
}

/* Who opens the file from now on, or looks at it, sees what the store has: the kernel tells of the handle's end
 * only after the program has gone on. */
static void keys_refused(struct fs_call *call, struct fs_open *open, int code)
{
    struct fs_file *file = open->node->file;
    if (!fs_refused_for_good(code))
        return;
    fs_loop_yield();
    refuse(call, open, code, file->writers - open->writes, file->handles == 1);
    fs_notify_flush(call->fs->notifier);
}

static int keys_sync(struct fs_call *call, struct fs_node *node)
{
    struct fs_file *file = node->class == &fs_keys_leaf_class ? fs_file_peek(node) : NULL;
    uint64_t sequence = 0; /* where nothing is to be committed, what was committed before may not be on disk */
    int code = 0;
    if (file != NULL)
        code = fs_file_prepare(call, file, FS_OPENED, NULL);
    fs_space_change(node->space);
    if (node->class == &fs_keys_directory_class)
        fs_keys_write_touched(call);
    if (file != NULL && code == 0)
        code = fs_file_commit(call, file, FS_OPENED, NULL, &sequence);
    fs_space_change_end(node->space);
    fs_file_release(file);
    return code == 0 ? sfs_sync(node->space->store, sequence, &call->error) : code;
}

static void keys_release(struct fs_call *call, struct fs_open *open)
{
    struct fs_file *file = open->node->file;
    file->handles--; /* first: a truncation from now on commits itself, one before is committed here */
    file->writers -= open->writes;
    int code = commit_handle(call, open, FS_OPENED);
    if (code < 0)
        fs_errors_keep(call->fs, open->node, "release", NULL, &call->error);
    if (code < 0 || file->made != 0)
        refuse(call, open, code, file->writers, file->handles == 0);
    pthread_mutex_lock(&file->lock);
    fs_authors_leave(&file->authors, open);
    pthread_mutex_unlock(&file->lock);
    sfs_record_unref(open->record);
    fs_file_release(file);
}

int fs_keys_readlink(struct fs_call *call, struct fs_node *node, struct sfs_buffer *target)
{
    struct sfs_buffer key = {0};
    int code = fs_keys_key(call, node, &key);
    const struct sfs_record *record;
    if (code == 0)
        code = sfs_get(node->space->store, sfs_buffer_bytes(&key), SFS_WANT_VALUE, &record,
                       &call->error);
    sfs_buffer_free(&key);
    if (code < 0)
        return code;
    if (record->attributes.kind != SFS_KIND_SYMLINK)
        code = sfs_fail(&call->error, SFS_E_INVALID, "mount", "this is not a symbolic link");
    else if (sfs_buffer_add(target, sfs_record_value(record)) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    sfs_record_unref(record);
    return code;
}

const struct fs_class fs_keys_directory_class = {
    .name = "keys directory",
    .lookup = fs_keys_lookup,
    .stat = fs_keys_stat,
    .set = fs_keys_set,
    .make = fs_keys_make,
    .remove = fs_keys_remove,
    .rename = fs_keys_rename,
    .create = keys_create,
    .sync = keys_sync,
    .list = fs_keys_list,
    .release = fs_keys_list_release,
    .xattr_get = fs_keys_xattr_get,
    .xattr_set = fs_keys_xattr_set,
    .xattr_list = fs_keys_xattr_list,
};

const struct fs_class fs_keys_leaf_class = {
    .name = "key",
    .stat = fs_keys_stat,
    .set = fs_keys_set,
    .readlink = fs_keys_readlink,
    .open = keys_open,
    .read = keys_read,
    .write = keys_write,
    .allocate = keys_allocate,
    .seek = keys_seek,
    .flush = keys_flush,
    .refused = keys_refused,
    .sync = keys_sync,
    .release = keys_release,
    .xattr_get = fs_keys_xattr_get,
    .xattr_set = fs_keys_xattr_set,
    .xattr_list = fs_keys_xattr_list,
};
