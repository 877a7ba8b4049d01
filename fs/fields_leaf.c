/* SPDX-License-Identifier: MIT */
/*
 * Files of fields/: the text of one scalar. What is written gathers in a content that all handles of a node
 * share; when it is committed (fields_commit.c) it becomes the member's value. A key whose value is no document
 * is a file that can be read.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/fields.h"
#include "fs/loop.h"
#include "fs/operations.h"

int fs_leaf_text(struct fs_call *call, struct sfs_bytes json, struct sfs_buffer *text)
{
    int code = sfs_document_form(json, text, &call->error);
    if (code == 0 && sfs_buffer_byte(text, '\n') != 0)
        code = sfs_fail_memory(&call->error, "fields");
    return code;
}

/* --- the content of a node --- */

struct fs_leaf *fs_leaf_of(struct fs *fs, struct fs_node *node)
{
    fs_nodes_lock(fs->nodes);
    struct fs_leaf *leaf = node->data;
    if (leaf == NULL && (leaf = calloc(1, sizeof(*leaf))) != NULL) {
        pthread_mutex_init(&leaf->lock, NULL);
        pthread_cond_init(&leaf->settled, NULL);
        node->data = leaf;
    }
    fs_nodes_unlock(fs->nodes);
    return leaf;
}

void fs_leaf_forget(struct fs_node *node)
{
    struct fs_leaf *leaf = node->data;
    if (leaf == NULL)
        return;
    pthread_mutex_destroy(&leaf->lock);
    pthread_cond_destroy(&leaf->settled);
    sfs_buffer_free(&leaf->content);
    sfs_buffer_free(&leaf->base);
    sfs_buffer_free(&leaf->before);
    leaf->scratch = false;
    fs_scratch_count(node->space, leaf);
    (void)fs_budget_hold(node->space->fs, leaf->uid, FS_HELD_BYTES, &leaf->held, 0, NULL);
    free(leaf);
}

/* Before the content or what it was grows to `size` bytes. With the lock held. */
static int hold(struct fs_call *call, struct fs_leaf *leaf, uint64_t size)
{
    if (leaf->held == 0)
        leaf->uid = call->uid;
    if (size <= leaf->held)
        return 0;
    return fs_budget_hold(call->fs, leaf->uid, FS_HELD_BYTES, &leaf->held, size, &call->error);
}

/* Only what it has in memory is counted from now on. With the lock held. */
static void hold_no_more(struct fs *fs, struct fs_leaf *leaf)
{
    (void)fs_budget_hold(fs, leaf->uid, FS_HELD_BYTES, &leaf->held,
                         leaf->content.size + leaf->base.size, NULL);
}

static struct fs_leaf *peek(struct fs *fs, struct fs_node *node)
{
    fs_nodes_lock(fs->nodes);
    struct fs_leaf *leaf = node->data;
    fs_nodes_unlock(fs->nodes);
    return leaf;
}

/* Whether it has no place in its document, yet or any more. With its lock held. */
static bool is_apart(const struct fs_leaf *leaf)
{
    return leaf->scratch || (leaf->opens > 0 && (leaf->created || leaf->unlinked));
}

bool fs_leaf_is_scratch(struct fs *fs, struct fs_node *node)
{
    struct fs_leaf *leaf = node->class == &fs_fields_leaf_class ? peek(fs, node) : NULL;
    if (leaf == NULL)
        return false;
    pthread_mutex_lock(&leaf->lock);
    bool scratch = leaf->scratch;
    pthread_mutex_unlock(&leaf->lock);
    return scratch;
}

bool fs_leaf_stat(struct fs *fs, struct fs_node *node, bool found, struct stat *st)
{
    struct fs_leaf *leaf = peek(fs, node);
    if (leaf == NULL)
        return false;
    pthread_mutex_lock(&leaf->lock);
    bool apart = is_apart(leaf);
    bool shows = apart || (found && leaf->opens > 0 && leaf->level != FS_CLEAN);
    if (found)
        leaf->last = *st;
    else if (apart)
        *st = leaf->last;
    if (shows) {
        st->st_size = (off_t)leaf->content.size;
        st->st_blocks = (blkcnt_t)((leaf->content.size + 511) / 512);
        st->st_nlink = leaf->unlinked ? 0 : 1;
        st->st_mtim = st->st_ctim = fs_time(leaf->written);
    }
    pthread_mutex_unlock(&leaf->lock);
    return found || apart;
}

static void keep_attributes(struct fs_leaf *leaf, const struct stat *want, int mask)
{
    struct stat *st = &leaf->last;
    if (mask & FUSE_SET_ATTR_MODE)
        st->st_mode = S_IFREG | (want->st_mode & 07777);
    if (mask & FUSE_SET_ATTR_UID)
        st->st_uid = want->st_uid;
    if (mask & FUSE_SET_ATTR_GID)
        st->st_gid = want->st_gid;
    if (mask & FUSE_SET_ATTR_ATIME)
        st->st_atim = mask & FUSE_SET_ATTR_ATIME_NOW ? fs_time(fs_now()) : want->st_atim;
    if (mask & FUSE_SET_ATTR_MTIME) {
        leaf->timed = true;
        leaf->written = mask & FUSE_SET_ATTR_MTIME_NOW ? fs_now() : fs_nanoseconds(want->st_mtim);
    }
}

bool fs_leaf_set(struct fs *fs, struct fs_node *node, const struct stat *want, int mask)
{
    struct fs_leaf *leaf = node->class == &fs_fields_leaf_class ? peek(fs, node) : NULL;
    if (leaf == NULL)
        return false;
    pthread_mutex_lock(&leaf->lock);
    bool kept = is_apart(leaf) || (leaf->opens > 0 && leaf->level != FS_CLEAN);
    if (kept)
        keep_attributes(leaf, want, mask);
    pthread_mutex_unlock(&leaf->lock);
    return kept;
}

int fs_leaf_entry(struct fs_call *call, struct fs_node *node, struct fs_entry *entry)
{
    if (!fs_leaf_stat(call->fs, node, false, &entry->st)) {
        fs_node_forget(call->fs, node->id, 1);
        return SFS_E_NOT_FOUND;
    }
    entry->node = node;
    entry->timeout = 0;
    entry->st.st_ino = (ino_t)fs_fields_ino(node);
    return 0;
}

/* The leaf node of a name, with one look-up more. */
static struct fs_node *take_node(struct fs *fs, struct fs_node *dir, const char *name)
{
    fs_nodes_lock(fs->nodes);
    struct fs_node *node = fs_node_peek_locked(fs, dir, name);
    if (node != NULL && (node->class != &fs_fields_leaf_class || node->data == NULL))
        node = NULL;
    if (node != NULL)
        node->lookups++;
    fs_nodes_unlock(fs->nodes);
    return node;
}

struct fs_node *fs_leaf_pending(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_node *node = take_node(call->fs, dir, name);
    if (node == NULL)
        return NULL;
    struct fs_leaf *leaf = peek(call->fs, node);
    pthread_mutex_lock(&leaf->lock);
    bool pending = is_apart(leaf) && !leaf->unlinked;
    pthread_mutex_unlock(&leaf->lock);
    if (pending)
        return node;
    fs_node_forget(call->fs, node->id, 1);
    return NULL;
}

static void drop_name(struct fs *fs, struct fs_node *node)
{
    struct fs_leaf *leaf = peek(fs, node);
    pthread_mutex_lock(&leaf->lock);
    bool scratch = leaf->scratch;
    leaf->unlinked = leaf->opens > 0;
    leaf->scratch = false;
    if (scratch && leaf->opens == 0)
        sfs_buffer_free(&leaf->content);
    if (leaf->opens == 0)
        hold_no_more(fs, leaf);
    fs_scratch_count(node->space, leaf);
    pthread_mutex_unlock(&leaf->lock);
    if (scratch)
        fs_scratch_let_go(fs, node);
}

void fs_leaf_abandon(struct fs *fs, struct fs_node *node)
{
    drop_name(fs, node);
    fs_scratch_let_go(fs, node); /* also one that is only being made */
    fs_nodes_lock(fs->nodes);
    fs_node_detach_locked(fs, node);
    fs_nodes_unlock(fs->nodes);
}

void fs_leaf_unlink(struct fs_call *call, struct fs_node *dir, const char *name)
{
    struct fs_node *node = take_node(call->fs, dir, name);
    if (node != NULL)
        drop_name(call->fs, node);
    fs_node_detach(call->fs, dir, name);
    if (node != NULL)
        fs_node_forget(call->fs, node->id, 1);
}

/* --- opening --- */

static int read_only(struct fs_call *call, const struct fs_member *member)
{
    if (member->document.record->size > SFS_DOCUMENT_MAX)
        return sfs_fail(&call->error, SFS_E_TOO_LARGE, "fields",
                        "the value has over %zu bytes, too many for a document: write to keys/", SFS_DOCUMENT_MAX);
    return sfs_fail(&call->error, SFS_E_PERMISSION, "fields", "the value is not known to be JSON: write to keys/");
}

/* One open more, and the content as the document has it, unless others are writing to it. */
static int load(struct fs_call *call, struct fs_leaf *leaf, const struct fs_member *member)
{
    struct sfs_buffer content = {0}, base = {0};
    int code = fs_leaf_text(call, member->value, &content);
    if (code == 0 && sfs_buffer_add(&base, sfs_buffer_bytes(&content)) != 0)
        code = sfs_fail_memory(&call->error, "fields");
    pthread_mutex_lock(&leaf->lock);
    bool renews = leaf->level == FS_CLEAN && !leaf->busy && !is_apart(leaf);
    if (code == 0 && renews)
        code = hold(call, leaf, content.size + base.size);
    if (code == 0 && renews) {
        struct sfs_buffer old_content = leaf->content, old_base = leaf->base;
        leaf->content = content;
        leaf->base = base;
        content = old_content;
        base = old_base;
    }
    leaf->opens += code == 0;
    if (code == 0 && renews)
        hold_no_more(call->fs, leaf);
    pthread_mutex_unlock(&leaf->lock);
    sfs_buffer_free(&content);
    sfs_buffer_free(&base);
    return code;
}

/* A file that is not in its document, but open. */
static bool join(struct fs_leaf *leaf)
{
    pthread_mutex_lock(&leaf->lock);
    bool apart = is_apart(leaf);
    leaf->opens += apart;
    pthread_mutex_unlock(&leaf->lock);
    return apart;
}

/* One open more of the node's content; *ret_record where it is no document's, for who only reads. */
static int acquire(struct fs_call *call, struct fs_node *node, bool writes,
                   const struct sfs_record **ret_record)
{
    struct fs_member member;
    struct fs_leaf *leaf = fs_leaf_of(call->fs, node);
    if (leaf == NULL)
        return sfs_fail_memory(&call->error, "fields");
    if (fs_leaf_is_scratch(call->fs, node) && join(leaf))
        return 0;
    int code = fs_member_open(call, node, &member);
    if (code == SFS_E_NOT_FOUND)
        code = join(leaf) ? 0 : code;
    else if (code == 0 && member.value.data == NULL && writes)
        code = read_only(call, &member);
    else if (code == 0 && member.value.data == NULL)
        *ret_record = sfs_record_ref(member.document.record);
    else if (code == 0 && fs_member_is_directory(&member))
        code = sfs_fail(&call->error, SFS_E_IS_DIRECTORY, "fields", "this is an array or object");
    else if (code == 0)
        code = load(call, leaf, &member);
    fs_member_close(&member);
    return code;
}

/* With the lock held. */
static void touch(struct fs_leaf *leaf)
{
    leaf->written = fs_now();
    leaf->timed = false;
}

/* With the lock held. */
static void cut(struct fs_leaf *leaf, uint64_t size)
{
    leaf->content.size = (size_t)size;
    leaf->whole = leaf->whole || size == 0;
    leaf->patched = leaf->patched || size != 0;
    touch(leaf);
}

static bool writes_with(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

int fs_leaf_open(struct fs_call *call, struct fs_node *node, struct fs_open *open,
                 struct fuse_file_info *info)
{
    bool writes = writes_with(info->flags);
    int code = acquire(call, node, writes, &open->record);
    if (code < 0)
        return code;
    fs_open_generated(info);
    if (!writes)
        return 0;
    struct fs_leaf *leaf = node->data;
    open->writes = true;
    pthread_mutex_lock(&leaf->lock);
    leaf->writers++;
    if (info->flags & O_TRUNC) {
        cut(leaf, 0);
        fs_scratch_count(node->space, leaf);
        leaf->level = leaf->level < FS_OPENED ? FS_OPENED : leaf->level;
        fs_authors_note(&leaf->authors, open);
    }
    pthread_mutex_unlock(&leaf->lock);
    return 0;
}

/* --- reading and writing --- */

static int leaf_read(struct fs_call *call, struct fs_open *open, char *data, size_t size, uint64_t offset,
                     size_t *ret_size)
{
    struct fs_leaf *leaf = open->node->data;
    if (open->record != NULL)
        return sfs_read(open->node->space->store, open->record->name, 0, offset, data, size, ret_size,
                        &call->error);
    pthread_mutex_lock(&leaf->lock);
    uint64_t left = offset < leaf->content.size ? leaf->content.size - offset : 0;
    *ret_size = left < size ? (size_t)left : size;
    if (*ret_size > 0)
        memcpy(data, leaf->content.data + offset, *ret_size);
    pthread_mutex_unlock(&leaf->lock);
    return 0;
}

/* Makes room to `size`, with zeros where nothing was. With the lock held. */
static int grow(struct fs_call *call, struct fs_space *space, struct fs_leaf *leaf, uint64_t size)
{
    struct sfs_buffer *content = &leaf->content;
    if (size > SFS_DOCUMENT_MAX)
        return sfs_fail(&call->error, SFS_E_TOO_LARGE, "fields", "a document has at most %zu bytes",
                        SFS_DOCUMENT_MAX);
    if (size <= content->size)
        return 0;
    if (leaf->scratch && space->scratch_bytes + (size - content->size) > FS_SCRATCH_BYTES_MAX)
        return sfs_fail(&call->error, SFS_E_NO_SPACE, "fields",
                        "the temporary files in fields/ would have over %d MiB",
                        (int)(FS_SCRATCH_BYTES_MAX >> 20));
    int code = hold(call, leaf, size + leaf->base.size);
    if (code < 0)
        return code;
    if (sfs_buffer_reserve(content, (size_t)size - content->size) != 0)
        return sfs_fail_memory(&call->error, "fields");
    memset(content->data + content->size, 0, (size_t)size - content->size);
    content->size = (size_t)size;
    return 0;
}

static int leaf_write(struct fs_call *call, struct fs_open *open, struct sfs_bytes data, uint64_t offset)
{
    struct fs_leaf *leaf = open->node->data;
    int code = fs_open_check(call, call->open);
    if (code < 0)
        return code;
    pthread_mutex_lock(&leaf->lock);
    if (call->append)
        offset = leaf->content.size;
    bool patched = leaf->patched || offset < leaf->content.size;
    uint64_t end = offset > SFS_DOCUMENT_MAX ? offset : offset + data.size;
    code = grow(call, open->node->space, leaf, end);
    if (code == 0 && data.size > 0) {
        memcpy(leaf->content.data + offset, data.data, data.size);
        leaf->patched = patched;
        leaf->level = FS_WRITTEN;
        touch(leaf);
        fs_authors_note(&leaf->authors, call->open);
    }
    fs_scratch_count(open->node->space, leaf);
    pthread_mutex_unlock(&leaf->lock);
    open->node->author = call->pid;
    return code;
}

/* The last one gone, the content goes; that of a scratch file stays. With the lock held. */
static void settle(struct fs_leaf *leaf)
{
    if (!leaf->scratch)
        sfs_buffer_free(&leaf->content);
    sfs_buffer_free(&leaf->base);
    leaf->created = leaf->exclusive = leaf->unlinked = leaf->whole = leaf->patched = leaf->placed =
        false;
    leaf->made = 0;
    leaf->level = FS_CLEAN;
    (void)fs_authors_take(&leaf->authors);
}

static void let_go(struct fs *fs, struct fs_leaf *leaf, struct fs_open *open)
{
    pthread_mutex_lock(&leaf->lock);
    if (open != NULL)
        fs_authors_leave(&leaf->authors, open);
    leaf->writers -= open != NULL && open->writes;
    if (--leaf->opens == 0)
        settle(leaf);
    if (leaf->opens == 0)
        hold_no_more(fs, leaf);
    pthread_mutex_unlock(&leaf->lock);
}

/* What has been refused goes: the file shows what its document had. With the lock held. Without memory it stays. */
static bool revert(struct fs_leaf *leaf)
{
    struct sfs_buffer base = {0};
    if (sfs_buffer_add(&base, sfs_buffer_bytes(&leaf->base)) != 0) {
        sfs_buffer_free(&base);
        return false;
    }
    sfs_buffer_free(&leaf->content);
    leaf->content = base;
    leaf->level = FS_CLEAN;
    leaf->whole = leaf->patched = false;
    leaf->unlinked = leaf->unlinked || leaf->created; /* it never had a name but here */
    (void)fs_authors_take(&leaf->authors);
    return true;
}

/* As fs_file_refuse; `left`: of its writers, those that go now. */
static void refuse(struct fs *fs, struct fs_node *node, struct fs_open *open, unsigned left)
{
    struct fs_leaf *leaf = node->data;
    pthread_mutex_lock(&leaf->lock);
    while (leaf->busy)
        pthread_cond_wait(&leaf->settled, &leaf->lock);
    if (open != NULL) {
        fs_authors_leave(&leaf->authors, open);
        open->refused = true;
    }
    bool gone = leaf->level != FS_CLEAN && fs_authors_gone(&leaf->authors, leaf->writers - left) && revert(leaf);
    bool created = leaf->created;
    pthread_mutex_unlock(&leaf->lock);
    if (!gone || !created)
        return;
    fs_nodes_lock(fs->nodes);
    fs_node_detach_locked(fs, node);
    fs_nodes_unlock(fs->nodes);
}

int fs_leaf_truncate(struct fs_call *call, struct fs_node *node, uint64_t size)
{
    int code = fs_open_check(call, call->open);
    if (code == 0)
        code = acquire(call, node, true, NULL);
    if (code < 0)
        return code;
    struct fs_leaf *leaf = node->data;
    pthread_mutex_lock(&leaf->lock);
    code = grow(call, node->space, leaf, size);
    if (code == 0) {
        cut(leaf, size);
        leaf->level = FS_WRITTEN;
        fs_authors_note(&leaf->authors, call->open);
    }
    fs_scratch_count(node->space, leaf);
    bool alone = leaf->writers == 0;
    pthread_mutex_unlock(&leaf->lock);
    if (code == 0 && alone)
        code = fs_leaf_commit(call, node, FS_WRITTEN, NULL, NULL);
    if (alone && fs_refused_for_good(code))
        refuse(call->fs, node, NULL, 0);
    let_go(call->fs, leaf, NULL);
    return code;
}

/* --- closing --- */

/* What was refused leaves nothing of its making, where no other handle may still commit something. */
static void withdraw(struct fs_call *call, struct fs_node *node)
{
    struct fs_leaf *leaf = node->data;
    pthread_mutex_lock(&leaf->lock);
    uint64_t made = leaf->writers == 1 && leaf->refused ? leaf->made : 0;
    leaf->made -= made;
    pthread_mutex_unlock(&leaf->lock);
    if (made == 0 || fs_space_enter(node->space, NULL) != 0)
        return;
    fs_fields_withdraw(call, node, made);
    fs_space_leave(node->space);
}

/* A file with nothing to commit can be closed after its transaction has ended. */
static int commit_handle(struct fs_call *call, struct fs_open *open, enum fs_dirt level)
{
    struct fs_leaf *leaf = open->node->data;
    if (open->record != NULL)
        return 0;
    pthread_mutex_lock(&leaf->lock);
    bool clean = !fs_leaf_is_due(leaf, level, open) && !leaf->busy;
    pthread_mutex_unlock(&leaf->lock);
    if (clean)
        return 0;
    int code = fs_space_enter(open->node->space, &call->error);
    if (code == 0) {
        code = fs_leaf_commit(call, open->node, level, open, NULL);
        fs_space_leave(open->node->space);
    }
    return code;
}

static int leaf_flush(struct fs_call *call, struct fs_open *open)
{
    int code = fs_open_check(call, open);
    return code == 0 ? commit_handle(call, open, FS_WRITTEN) : code;
}

/* As with a file of keys/. */
static void leaf_refused(struct fs_call *call, struct fs_open *open, int code)
{
    if (!fs_refused_for_good(code) || open->refused)
        return;
    fs_loop_yield();
    refuse(call->fs, open->node, open, open->writes);
    withdraw(call, open->node);
}

int fs_fields_sync(struct fs_call *call, struct fs_node *node)
{
    uint64_t sequence = 0;
    int code = node->class == &fs_fields_leaf_class ? fs_leaf_commit(call, node, FS_OPENED, NULL, &sequence) : 0;
    return code == 0 ? sfs_sync(node->space->store, sequence, &call->error) : code;
}

static void leaf_release(struct fs_call *call, struct fs_open *open)
{
    int code = open->writes ? commit_handle(call, open, FS_OPENED) : 0;
    if (code < 0)
        fs_errors_keep(call->fs, open->node, "release", NULL, &call->error);
    leaf_refused(call, open, code);
    if (open->writes)
        withdraw(call, open->node);
    if (open->record == NULL)
        let_go(call->fs, open->node->data, open);
    sfs_record_unref(open->record);
}

const struct fs_class fs_fields_leaf_class = {
    .name = "member of a document",
    .stat = fs_fields_stat,
    .set = fs_fields_set,
    .xattr_set = fs_fields_xattr_set,
    .readlink = fs_keys_readlink,
    .open = fs_leaf_open,
    .read = leaf_read,
    .write = leaf_write,
    .flush = leaf_flush,
    .refused = leaf_refused,
    .sync = fs_fields_sync,
    .release = leaf_release,
    .forget = fs_leaf_forget,
};
