/* SPDX-License-Identifier: MIT */
/*
 * Attributes in the keys tree: records as struct stat, and setattr as batches.
 */
#include <sys/stat.h>
#include <time.h>

#include "fs/keys.h"
#include "fs/loop.h"
#include "fs/tx.h"

#define NANOSECONDS 1000000000

struct timespec fs_time(int64_t nanoseconds)
{
    int64_t seconds = nanoseconds / NANOSECONDS;
    int64_t rest = nanoseconds % NANOSECONDS;
    if (rest < 0) {
        rest += NANOSECONDS;
        seconds--;
    }
    return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

int64_t fs_nanoseconds(struct timespec time)
{
    const int64_t most = INT64_MAX / NANOSECONDS - 1;
    int64_t seconds = time.tv_sec > most ? most : time.tv_sec < -most ? -most : time.tv_sec;
    return seconds * NANOSECONDS + time.tv_nsec;
}

int64_t fs_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return fs_nanoseconds(now);
}

mode_t fs_keys_type(enum sfs_kind kind)
{
    static const mode_t types[] = {
        [SFS_KIND_VALUE] = S_IFREG,     [SFS_KIND_MARKER] = S_IFDIR,    [SFS_KIND_SYMLINK] = S_IFLNK,
        [SFS_KIND_FIFO] = S_IFIFO,      [SFS_KIND_SOCKET] = S_IFSOCK,   [SFS_KIND_CHARACTER] = S_IFCHR,
        [SFS_KIND_BLOCK] = S_IFBLK,
    };
    return types[kind];
}

static void set_size(struct stat *st, uint64_t size)
{
    st->st_size = (off_t)size;
    st->st_blksize = 4096;
    st->st_blocks = (blkcnt_t)((size + 511) / 512);
}

/* Bytes that the store keeps of a large value: a hole takes no room. */
void fs_keys_stat_blocks(struct fs_space *space, const struct sfs_record *record, struct stat *st)
{
    struct sfs_extent extent;
    uint64_t stored = 0, at = 0;
    if (record->size < FS_LARGE || record->attributes.kind != SFS_KIND_VALUE)
        return;
    while (sfs_data(space->store, record->name, at, &extent, NULL) == 1) {
        stored += extent.size;
        at = extent.offset + extent.size;
    }
    st->st_blocks = (blkcnt_t)((stored + 511) / 512);
}

/* Of an open file: what the store keeps of the value that still shows, and what was written. */
static void set_content_size(struct stat *st, const struct fs_content *content)
{
    uint64_t stored = (uint64_t)st->st_blocks * 512;
    stored = (stored < content->below ? stored : content->below) + fs_content_written(content);
    set_size(st, content->size);
    if (stored < content->size)
        st->st_blocks = (blkcnt_t)((stored + 511) / 512);
}

/* Inode numbers of spaces differ in the upper bits; record ids stay below them. */
static ino_t ino_of(const struct fs_space *space, uint64_t id)
{
    return (ino_t)(id ^ space->salt);
}

void fs_keys_stat_record(struct fs_space *space, const struct sfs_record *record, struct stat *st)
{
    const struct sfs_attributes *attributes = &record->attributes;
    st->st_ino = ino_of(space, attributes->id);
    st->st_mode = fs_keys_type(attributes->kind) | (attributes->mode & 07777);
    st->st_nlink = 1;
    st->st_uid = attributes->uid == SFS_OWNER_NONE ? space->fs->uid : attributes->uid;
    st->st_gid = attributes->gid == SFS_OWNER_NONE ? space->fs->gid : attributes->gid;
    st->st_rdev = (dev_t)attributes->device;
    st->st_atim = fs_time(attributes->accessed);
    st->st_mtim = fs_time(attributes->modified);
    st->st_ctim = fs_time(attributes->changed);
    set_size(st, record->size);
}

/* The inode number of a directory that no record stands for: FNV-1a of its prefix, in a range of its
 * own. */
static ino_t implicit_ino(const struct fs_space *space, struct sfs_bytes prefix)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ space->salt;
    const unsigned char *data = prefix.data;
    for (size_t i = 0; i < prefix.size; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return (ino_t)(hash | (UINT64_C(1) << 63));
}

void fs_keys_stat_directory(struct fs_space *space, struct sfs_bytes prefix,
                            const struct sfs_record *marker, struct stat *st)
{
    if (marker != NULL) {
        fs_keys_stat_record(space, marker, st);
    } else {
        st->st_ino = implicit_ino(space, prefix);
        st->st_mode = S_IFDIR | SFS_MODE_MARKER_DEFAULT;
        st->st_uid = space->fs->uid;
        st->st_gid = space->fs->gid;
        st->st_atim = st->st_mtim = st->st_ctim = fs_time(space->fs->begun);
    }
    st->st_nlink = 1; /* the number of subdirectories is not known */
    set_size(st, 0);
}

void fs_keys_stat_file(struct fs_file *file, struct stat *st)
{
    struct fs_space *space = file->space;
    blkcnt_t blocks = st->st_blocks;
    bool asked = st->st_ino != 0;
    pthread_mutex_lock(&file->lock);
    if (file->record != NULL) {
        fs_keys_stat_record(space, file->record, st);
        st->st_blocks = asked ? blocks : st->st_blocks;
    } else {
        bool known = (file->pending_mask & SFS_ATTRIBUTE_ID) != 0;
        st->st_ino = known ? ino_of(space, file->pending.id) : (ino_t)(file->node->id | (UINT64_C(1) << 62));
        st->st_mode = S_IFREG;
        st->st_nlink = 1;
        st->st_atim = st->st_mtim = st->st_ctim = fs_time(file->written);
    }
    if (file->loaded)
        set_content_size(st, &file->content);
    if (file->dirty.level != FS_CLEAN)
        st->st_mtim = fs_time(file->written);
    if (file->dirty.level != FS_CLEAN || file->unlinked)
        st->st_ctim = fs_time(file->changed);
    if (file->pending_mask & SFS_ATTRIBUTE_MODE)
        st->st_mode = (st->st_mode & S_IFMT) | (file->pending.mode & 07777);
    if (file->pending_mask & SFS_ATTRIBUTE_UID)
        st->st_uid = file->pending.uid;
    if (file->pending_mask & SFS_ATTRIBUTE_GID)
        st->st_gid = file->pending.gid;
    if (file->pending_mask & SFS_ATTRIBUTE_MODIFIED)
        st->st_mtim = fs_time(file->pending.modified);
    if (file->pending_mask & SFS_ATTRIBUTE_ACCESSED)
        st->st_atim = fs_time(file->pending.accessed);
    if (file->unlinked)
        st->st_nlink = 0;
    pthread_mutex_unlock(&file->lock);
}

/* st_ino is what was shown first, for as long as the node lives; entries changed through this mount
 * give a directory its times. */
void fs_keys_settle(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    node->shown_modified = fs_nanoseconds(st->st_mtim);
    fs_nodes_lock(call->fs->nodes);
    if (node->ino == 0)
        node->ino = st->st_ino;
    st->st_ino = (ino_t)node->ino;
    if (S_ISDIR(st->st_mode))
        fs_keys_show_time(node, st);
    fs_nodes_unlock(call->fs->nodes);
}

/* One without a marker is there as long as a name is in it. (A transaction was told when it looked the name up.) */
static int check_directory(struct fs_call *call, struct fs_node *node, struct sfs_bytes prefix)
{
    if (node->kind == FS_KIND_ROOT || node->space != call->fs->space)
        return 0;
    int code = fs_keys_occupied(call, node->space, prefix);
    return code == 1 ? 0 : code == 0 ? SFS_E_NOT_FOUND : code;
}

static int stat_directory(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    struct sfs_buffer base = {0}, name = {0};
    struct sfs_place place;
    const struct sfs_record *marker = NULL;
    int code = fs_keys_place(call, node, &base, &place);
    if (code == 0 && place.pieces == 0) {
        code = fs_keys_marker(place.base, &name);
        if (code == 0)
            code = sfs_get(node->space->store, sfs_buffer_bytes(&name), SFS_WANT_RECORD, &marker,
                           &call->error);
        if (code == SFS_E_NOT_FOUND)
            code = check_directory(call, node, place.base);
    }
    if (code == 0)
        fs_keys_stat_directory(node->space, place.base, marker, st);
    if (code == 0 && place.pieces == 0)
        st->st_nlink = fs_keys_links_of(call, node, place.base);
    sfs_record_unref(marker);
    sfs_buffer_free(&base);
    sfs_buffer_free(&name);
    return code;
}

/* Whether others have put something else in the place of what the kernel has as this file: another kind of
 * file, or a directory, which hides it. It is to look the name up then; not while the file is open here. */
static int check_leaf(struct fs_call *call, struct fs_node *node, struct sfs_bytes key,
                      const struct sfs_record *record)
{
    if (fs_node_retyped(call->fs, node, fs_keys_type(record->attributes.kind)))
        return SFS_E_NOT_FOUND;
    if (!atomic_exchange(&node->doubted, false) || node->kind != FS_KIND_PART ||
        node->space != call->fs->space)
        return 0;
    struct sfs_buffer prefix = {0}, bound = {0};
    struct sfs_range range;
    int code = sfs_buffer_add(&prefix, key) != 0 || sfs_buffer_byte(&prefix, '/') != 0 ||
                       sfs_range_prefix(sfs_buffer_bytes(&prefix), &bound, &range) != 0
                   ? sfs_fail_memory(&call->error, "mount")
                   : sfs_exists(node->space->store, range, &call->error);
    sfs_buffer_free(&prefix);
    sfs_buffer_free(&bound);
    return code == 1 ? SFS_E_NOT_FOUND : code;
}

static int stat_leaf(struct fs_call *call, struct fs_node *node, struct fs_file *file, struct stat *st)
{
    const struct sfs_record *record;
    int code = file != NULL ? fs_file_check(call, file) : 0;
    if (code < 0)
        return code;
    if (file != NULL && (file->created || file->unlinked)) {
        fs_keys_stat_file(file, st);
        return 0;
    }
    struct sfs_buffer key = {0};
    code = fs_keys_key(call, node, &key);
    if (code == 0)
        code = sfs_get(node->space->store, sfs_buffer_bytes(&key), SFS_WANT_RECORD, &record,
                       &call->error);
    if (code == 0 && file == NULL && (code = check_leaf(call, node, sfs_buffer_bytes(&key), record)) < 0)
        sfs_record_unref(record);
    sfs_buffer_free(&key);
    if (code < 0)
        return code;
    fs_keys_stat_record(node->space, record, st);
    fs_keys_stat_blocks(node->space, record, st);
    if (file != NULL) {
        fs_file_saw(file, record);
        fs_keys_stat_file(file, st);
        code = fs_file_check(call, file);
    }
    node->attribute_size = (uint64_t)st->st_size;
    node->attribute_revision = record->revision;
    sfs_record_unref(record);
    return code;
}

static bool was_removed(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    fs_nodes_lock(call->fs->nodes);
    bool removed = node->name == NULL && node->last != NULL;
    if (removed)
        *st = *node->last;
    fs_nodes_unlock(call->fs->nodes);
    return removed;
}

int fs_keys_stat(struct fs_call *call, struct fs_node *node, struct stat *st)
{
    int code;
    memset(st, 0, sizeof(*st));
    if (node->class != &fs_keys_leaf_class) {
        code = stat_directory(call, node, st);
    } else {
        struct fs_file *file = fs_file_peek(node);
        code = stat_leaf(call, node, file, st);
        fs_file_release(file);
    }
    if (code == SFS_E_NOT_FOUND && was_removed(call, node, st))
        code = 0;
    if (code == 0 && fs_node_retyped(call->fs, node, st->st_mode))
        code = sfs_fail(&call->error, SFS_E_EXPIRED, "mount", "another type of file is in the place of this one");
    if (code == 0)
        fs_keys_settle(call, node, st);
    return code;
}

/* --- setattr --- */

static unsigned wanted(const struct stat *want, int mask, struct sfs_attributes *attributes)
{
    unsigned out = 0;
    if (mask & FUSE_SET_ATTR_MODE) {
        attributes->mode = want->st_mode & 07777;
        out |= SFS_ATTRIBUTE_MODE;
    }
    if (mask & FUSE_SET_ATTR_UID) {
        attributes->uid = want->st_uid;
        out |= SFS_ATTRIBUTE_UID;
    }
    if (mask & FUSE_SET_ATTR_GID) {
        attributes->gid = want->st_gid;
        out |= SFS_ATTRIBUTE_GID;
    }
    if (mask & FUSE_SET_ATTR_ATIME) {
        attributes->accessed = mask & FUSE_SET_ATTR_ATIME_NOW ? fs_now() : fs_nanoseconds(want->st_atim);
        out |= SFS_ATTRIBUTE_ACCESSED;
    }
    if (mask & FUSE_SET_ATTR_MTIME) {
        attributes->modified = mask & FUSE_SET_ATTR_MTIME_NOW ? fs_now() : fs_nanoseconds(want->st_mtim);
        out |= SFS_ATTRIBUTE_MODIFIED;
    }
    return out;
}

/* What is done to a dirty file commits with its content. */
static bool set_pending(struct fs_file *file, const struct sfs_attributes *attributes, unsigned mask)
{
    pthread_mutex_lock(&file->lock);
    bool dirty = file->dirty.level != FS_CLEAN || file->unlinked;
    if (dirty) {
        struct sfs_attributes *pending = &file->pending;
        if (mask & SFS_ATTRIBUTE_MODE)
            pending->mode = attributes->mode;
        if (mask & SFS_ATTRIBUTE_UID)
            pending->uid = attributes->uid;
        if (mask & SFS_ATTRIBUTE_GID)
            pending->gid = attributes->gid;
        if (mask & SFS_ATTRIBUTE_ACCESSED)
            pending->accessed = attributes->accessed;
        if (mask & SFS_ATTRIBUTE_MODIFIED)
            pending->modified = attributes->modified;
        file->pending_mask |= mask;
        file->changed = fs_now();
    }
    pthread_mutex_unlock(&file->lock);
    return dirty;
}

/* The record that carries a node's attributes: its own, or a directory's marker. */
static int carrier(struct fs_call *call, struct fs_node *node, struct sfs_buffer *name)
{
    struct sfs_place place;
    if (node->class != &fs_keys_directory_class)
        return fs_keys_key(call, node, name);
    int code = fs_keys_place(call, node, name, &place);
    if (code == 0 && place.pieces > 0)
        return sfs_fail(&call->error, SFS_E_PERMISSION, "mount",
                        "this directory is a piece of a long name and has no attributes of its own");
    if (code == 0 && sfs_buffer_byte(name, '\0') != 0)
        code = sfs_fail_memory(&call->error, "mount");
    return code;
}

/* `revision`: only onto that one; 0: any. */
static int update_once(struct fs_call *call, struct fs_node *node, struct sfs_bytes bytes,
                       uint64_t revision, fs_keys_add *add, void *context, uint64_t *ret_sequence)
{
    struct sfs_batch *batch = NULL;
    struct sfs_storage *store = node->space->store;
    const struct sfs_record *record = NULL;
    int code = sfs_batch_new(&batch, &call->error);
    if (code == 0 && revision != 0)
        code = sfs_batch_require_revision(batch, bytes, revision, &call->error);
    if (code == 0 && sfs_name_is_marker(bytes)) {
        int found = sfs_get(store, bytes, SFS_WANT_RECORD, &record, NULL);
        struct sfs_attributes marker = {.kind = SFS_KIND_MARKER};
        if (found == SFS_E_NOT_FOUND)
            code = sfs_batch_put(batch, bytes, sfs_bytes(NULL, 0), &marker, SFS_ATTRIBUTE_KIND,
                                 &call->error);
        sfs_record_unref(record);
    }
    if (code == 0)
        code = add(context, bytes, batch, &call->error);
    if (code == 0)
        code = fs_keys_apply(call, node->space, batch, false, ret_sequence);
    else
        sfs_batch_free(batch);
    return code;
}

/* An update of what the node's file was made as: it still is as this mount made it. */
static void follow_made(struct fs_node *node, uint64_t revision, uint64_t sequence)
{
    struct fs_file *file = fs_file_peek(node);
    if (file != NULL)
        (void)atomic_compare_exchange_strong(&file->made, &revision, sequence);
    fs_file_release(file);
}

int fs_keys_update(struct fs_call *call, struct fs_node *node, fs_keys_add *add, void *context)
{
    struct sfs_buffer name = {0};
    uint64_t pages = node->page_revision, sequence;
    int code = carrier(call, node, &name);
    struct sfs_bytes bytes = sfs_buffer_bytes(&name);
    bool exact = code == 0 && pages != 0;
    if (exact)
        code = update_once(call, node, bytes, pages, add, context, &sequence);
    /* The value is the one that the kernel has: its pages are of the new revision as well. */
    if (exact && code == 0) {
        follow_made(node, pages, sequence);
        (void)atomic_compare_exchange_strong(&node->page_revision, &pages, sequence);
    } else if (code == 0 || (exact && code == SFS_E_CONFLICT)) {
        code = update_once(call, node, bytes, 0, add, context, &sequence);
    }
    sfs_buffer_free(&name);
    return code;
}

struct update {
    struct sfs_attributes attributes;
    unsigned mask;
};

static int add_update(void *context, struct sfs_bytes name, struct sfs_batch *batch,
                      struct sfs_error *error)
{
    const struct update *update = context;
    return sfs_batch_attributes(batch, name, &update->attributes, update->mask, error);
}

int fs_keys_set_attributes(struct fs_call *call, struct fs_node *node, const struct sfs_attributes *attributes,
                           unsigned mask)
{
    struct update update = {*attributes, mask};
    return fs_keys_update(call, node, add_update, &update);
}

/* truncate(2) commits at once where no handle is open; with one, it is a write like others. */
static int set_size_of(struct fs_call *call, struct fs_node *node, uint64_t size)
{
    struct fs_file *file = fs_file_acquire(node);
    if (file == NULL)
        return sfs_fail_memory(&call->error, "mount");
    int code = fs_open_check(call, call->open);
    if (code == 0)
        code = fs_file_check(call, file);
    if (code == 0)
        code = fs_file_truncate(call, file, size);
    if (code == 0 && file->writers == 0) {
        code = fs_file_commit(call, file, FS_WRITTEN, NULL, NULL);
        if (fs_refused_for_good(code))
            fs_file_refuse(call, file, NULL, file->writers);
    }
    fs_file_release(file);
    return code;
}

/* What a descriptor without a name has changed shows with that descriptor only. */
static bool set_last(struct fs_call *call, struct fs_node *node, const struct update *update)
{
    const struct sfs_attributes *attributes = &update->attributes;
    fs_nodes_lock(call->fs->nodes);
    struct stat *last = node->name == NULL ? node->last : NULL;
    if (last != NULL) {
        if (update->mask & SFS_ATTRIBUTE_MODE)
            last->st_mode = (last->st_mode & S_IFMT) | (attributes->mode & 07777);
        if (update->mask & SFS_ATTRIBUTE_UID)
            last->st_uid = attributes->uid;
        if (update->mask & SFS_ATTRIBUTE_GID)
            last->st_gid = attributes->gid;
        if (update->mask & SFS_ATTRIBUTE_ACCESSED)
            last->st_atim = fs_time(attributes->accessed);
        if (update->mask & SFS_ATTRIBUTE_MODIFIED)
            last->st_mtim = fs_time(attributes->modified);
        last->st_ctim = fs_time(fs_now());
    }
    fs_nodes_unlock(call->fs->nodes);
    return last != NULL;
}

static int set_attributes(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask)
{
    struct update update = {0};
    update.mask = wanted(want, mask, &update.attributes);
    if (update.mask == 0)
        return 0;
    if (node->class == &fs_keys_directory_class && update.mask & SFS_ATTRIBUTE_MODIFIED) {
        fs_nodes_lock(call->fs->nodes);
        node->directory_time = 0;
        fs_nodes_unlock(call->fs->nodes);
    }
    struct fs_file *file = node->class == &fs_keys_leaf_class ? fs_file_peek(node) : NULL;
    if (file == NULL && set_last(call, node, &update))
        return 0;
    if (file == NULL)
        return fs_keys_set_attributes(call, node, &update.attributes, update.mask);
    /* A commit under way is waited for: it may be what makes the record. */
    fs_file_hold(file);
    int code = fs_file_check(call, file);
    if (code == 0 && !set_pending(file, &update.attributes, update.mask))
        code = fs_keys_set_attributes(call, node, &update.attributes, update.mask);
    fs_file_let_go(file);
    fs_file_release(file);
    return code;
}

int fs_keys_set(struct fs_call *call, struct fs_node *node, const struct stat *want, int mask,
                struct stat *st)
{
    int code = fs_tx_writable(call, node->space);
    if (code < 0)
        return code;
    if (mask & FUSE_SET_ATTR_SIZE) {
        if (node->class == &fs_keys_directory_class)
            return sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "mount", "a directory has no size to set");
        code = set_size_of(call, node, (uint64_t)want->st_size);
    }
    if (code == 0)
        code = set_attributes(call, node, want, mask);
    return code == 0 ? fs_keys_stat(call, node, st) : code;
}

static void publish(void *space)
{
    fs_space_publish(space);
}

int fs_keys_apply(struct fs_call *call, struct fs_space *space, struct sfs_batch *batch, bool durable,
                  uint64_t *ret_sequence)
{
    struct sfs_apply_options options = {.durable = durable || call->fs->sync};
    uint64_t sequence = 0;
    if (call->moves) {
        options.publish = publish;
        options.publish_context = space;
    }
    /* Alone, a commit takes no longer than a read, and where the disk is slow the role is taken away. */
    if (options.durable || space->changing > 0)
        fs_loop_yield();
    space->changing++;
    space->changes++;
    int code = fs_tx_charge(call, space, FS_TX_CHANGE);
    if (code == 0)
        code = sfs_apply(space->store, batch, &options, &sequence, &call->error);
    space->changing--;
    sfs_batch_free(batch);
    if (code == 0 && ret_sequence != NULL)
        *ret_sequence = sequence;
    return code;
}
