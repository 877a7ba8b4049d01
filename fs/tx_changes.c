/* SPDX-License-Identifier: MIT */
/*
 * What a transaction changes: as text, and as notices to the kernel, which keeps names, attributes and
 * pages of keys/ that a commit makes out of date.
 */
#include <inttypes.h>

#include "fs/keys.h"
#include "fs/tx.h"

#define TELL_EACH 100000 /* with more names the kernel is told of all it knows instead */
#define CONFLICTS_MAX 100

/* --- as text --- */

/* A name on one line: control bytes and '\' as `printf %b` takes them; other bytes as they are. */
static int add_name(struct sfs_bytes name, struct sfs_buffer *out)
{
    const unsigned char *data = name.data;
    int code = 0;
    for (size_t i = 0; i < name.size && code == 0; i++) {
        if (data[i] == '\\')
            code = sfs_buffer_add(out, SFS_LITERAL("\\\\"));
        else if (data[i] < 0x20 || data[i] == 0x7f)
            code = sfs_buffer_printf(out, "\\x%02x", data[i]);
        else
            code = sfs_buffer_byte(out, (char)data[i]);
    }
    return code;
}

/* A marker stands for its directory. */
static struct sfs_bytes shown_name(struct sfs_bytes name, bool *ret_directory)
{
    *ret_directory = sfs_name_is_marker(name);
    return sfs_bytes(name.data, name.size - *ret_directory);
}

struct writer {
    struct sfs_buffer *out;
    struct sfs_error *error;
    size_t count;
};

static int write_change(void *context, struct sfs_bytes name, const struct sfs_record *before,
                        const struct sfs_record *after)
{
    struct writer *writer = context;
    const char *what = before == NULL ? "created" : after == NULL ? "deleted" : "changed";
    bool directory;
    struct sfs_bytes shown = shown_name(name, &directory);
    int code = sfs_buffer_printf(writer->out, "%s%s\t", what, directory ? " directory" : "");
    if (code == 0)
        code = add_name(shown, writer->out);
    if (code == 0)
        code = sfs_buffer_byte(writer->out, '\n');
    return code == 0 ? 0 : sfs_fail_memory(writer->error, "mount");
}

int fs_tx_changes_text(struct fs_call *call, struct fs_tx *tx, struct sfs_buffer *out)
{
    struct writer writer = {.out = out, .error = &call->error};
    return sfs_transaction_changes(tx->transaction, write_change, &writer, &call->error);
}

/* A bound of a range; none is written as nothing. */
static int add_range(const struct sfs_range *range, struct sfs_buffer *out)
{
    int code = sfs_buffer_byte(out, '\t');
    if (code == 0)
        code = add_name(range->from, out);
    if (code == 0)
        code = sfs_buffer_byte(out, '\t');
    return code == 0 ? add_name(range->to, out) : code;
}

static int add_query(struct sfs_bytes query, struct sfs_buffer *out)
{
    int code = sfs_buffer_byte(out, '\t');
    return code == 0 ? add_name(query, out) : code;
}

/* "WHAT\tNAME\trevision A then, B now", and behind it what was read, where that was no single name. */
static int write_conflict(void *context, const struct sfs_conflict *conflict)
{
    static const char *const kinds[] = {[SFS_DEPENDS_WRITE] = "conflict",
                                        [SFS_DEPENDS_READ] = "read",
                                        [SFS_DEPENDS_RANGE] = "listed",
                                        [SFS_DEPENDS_QUERY] = "queried"};
    struct writer *writer = context;
    struct sfs_buffer *out = writer->out;
    bool directory;
    struct sfs_bytes shown = shown_name(conflict->name, &directory);
    if (++writer->count > CONFLICTS_MAX)
        return sfs_buffer_add(out, SFS_LITERAL("...\n")) == 0 ? 1 : SFS_E_NO_MEMORY;
    int code = sfs_buffer_printf(out, "%s%s\t", kinds[conflict->kind], directory ? " directory" : "");
    if (code == 0)
        code = add_name(shown, out);
    if (code == 0)
        code = sfs_buffer_printf(out, "\trevision %" PRIu64 " then, %" PRIu64 " now", conflict->expected,
                                 conflict->found);
    if (code == 0 && conflict->kind == SFS_DEPENDS_RANGE)
        code = add_range(&conflict->range, out);
    if (code == 0 && conflict->kind == SFS_DEPENDS_QUERY)
        code = add_query(conflict->query, out);
    return code == 0 ? sfs_buffer_byte(out, '\n') : code;
}

int fs_tx_conflicts(struct fs_tx *tx, struct sfs_buffer *out)
{
    struct writer writer = {.out = out};
    int code = sfs_transaction_conflicts(tx->transaction, write_conflict, &writer, NULL);
    return code < 0 ? code : 0;
}

/* --- gathering --- */

/* One name in fs_tx_changes: this, then its bytes. */
struct header {
    uint32_t size;
    bool renewed; /* made, deleted, or another record: the kernel must look the name up again */
    bool deleted;
};

struct gatherer {
    struct fs_tx_changes *changes;
    struct sfs_error *error;
};

static int gather_name(void *context, struct sfs_bytes name, const struct sfs_record *before,
                       const struct sfs_record *after)
{
    struct gatherer *gatherer = context;
    struct fs_tx_changes *changes = gatherer->changes;
    struct header header = {.size = (uint32_t)name.size, .deleted = after == NULL};
    header.renewed = before == NULL || after == NULL || before->attributes.id != after->attributes.id ||
                     before->attributes.kind != after->attributes.kind;
    if (++changes->count > TELL_EACH)
        return 1;
    if (sfs_buffer_append(&changes->names, &header, sizeof(header)) != 0 ||
        sfs_buffer_add(&changes->names, name) != 0)
        return sfs_fail_memory(gatherer->error, "mount");
    return 0;
}

int fs_tx_changes_gather(struct fs_call *call, struct fs_tx *tx, struct fs_tx_changes *changes)
{
    struct gatherer gatherer = {changes, &call->error};
    int code = sfs_transaction_changes(tx->transaction, gather_name, &gatherer, &call->error);
    return code < 0 ? code : 0;
}

/* --- telling --- */

static void tell_node(void *context, struct fs_node *node)
{
    struct fs *fs = context;
    bool keys = node->class == &fs_keys_directory_class || node->class == &fs_keys_leaf_class;
    if (!keys || node->space != fs->space)
        return;
    fs_notify_inode(fs->notifier, node->id);
    if (node->name != NULL && node->parent != NULL && node->kind != FS_KIND_ROOT)
        fs_notify_entry(fs->notifier, node->parent->id, node->name);
}

/* Telling names in ascending order, so that a directory's come one after another. */
struct teller {
    struct fs *fs;
    uint64_t told; /* the directory that was told of last */
};

static void tell_directory(struct teller *teller, uint64_t id)
{
    if (teller->told != id)
        fs_notify_inode(teller->fs->notifier, id);
    teller->told = id;
}

/* What the name itself stands for: a file, a directory, or both. Names that do not exist the kernel does not
 * keep: of one that it does not know it need not hear, but for the directory that has it now. */
static void tell_last(struct teller *teller, struct fs_node *dir, const char *name, bool renewed)
{
    struct fs *fs = teller->fs;
    struct fs_node *node = fs_node_peek_locked(fs, dir, name);
    struct fs_node *own = node != NULL ? fs_node_peek_locked(fs, node, SFS_PATH_VALUE) : NULL;
    if (node != NULL)
        fs_notify_inode(fs->notifier, node->id);
    if (own != NULL)
        fs_notify_inode(fs->notifier, own->id);
    if (own != NULL && renewed)
        fs_notify_entry(fs->notifier, node->id, SFS_PATH_VALUE);
    if (!renewed)
        return;
    tell_directory(teller, dir->id);
    if (node != NULL)
        fs_notify_entry(fs->notifier, dir->id, name);
}

/* From keys/ down to the name, or to where the kernel knows no more. With the table's lock held. */
static void tell_path(struct teller *teller, struct fs_node *dir, char *path, bool renewed)
{
    for (char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        *slash = '\0';
        struct fs_node *next = fs_node_peek_locked(teller->fs, dir, path);
        if (next == NULL || next->class != &fs_keys_directory_class) {
            tell_last(teller, dir, path, true);
            return;
        }
        dir = next;
    }
    tell_last(teller, dir, path, renewed);
}

static struct fs_node *keys_root_locked(struct fs *fs)
{
    struct fs_node root = {.id = FUSE_ROOT_ID};
    return fs_node_peek_locked(fs, &root, "keys");
}

static void tell_key(struct teller *teller, struct sfs_bytes key, bool renewed)
{
    struct fs *fs = teller->fs;
    struct sfs_buffer path = {0};
    int code = key.size > 0 ? sfs_path_from_key(key, false, &path, NULL) : 0;
    if (code == 0 && sfs_buffer_text(&path) == 0) {
        fs_nodes_lock(fs->nodes);
        struct fs_node *root = keys_root_locked(fs);
        if (root != NULL && key.size > 0)
            tell_path(teller, root, path.data, renewed);
        else if (root != NULL)
            tell_directory(teller, root->id);
        fs_nodes_unlock(fs->nodes);
    }
    sfs_buffer_free(&path);
}

void fs_keys_tell(struct fs *fs, struct sfs_bytes key, bool renewed)
{
    struct teller teller = {.fs = fs};
    tell_key(&teller, key, renewed);
}

static bool is_empty(struct sfs_storage *store, struct sfs_bytes prefix)
{
    struct sfs_buffer bound = {0};
    struct sfs_range range;
    struct sfs_cursor *cursor = NULL;
    const struct sfs_record *record;
    bool empty = false;
    if (sfs_range_prefix(prefix, &bound, &range) == 0 &&
        sfs_scan(store, range, SFS_WANT_RECORD, &cursor, NULL) == 0)
        empty = sfs_cursor_next(cursor, &record, NULL) == 0;
    sfs_cursor_close(cursor);
    sfs_buffer_free(&bound);
    return empty;
}

/* The directories above a deleted name that went with it. `checked` is the one looked at last. */
static void tell_vanished(struct teller *teller, struct sfs_bytes name, struct sfs_bytes *checked)
{
    const char *slash;
    while (name.size > 0 && (slash = memrchr(name.data, '/', name.size)) != NULL) {
        struct sfs_bytes prefix = sfs_bytes(name.data, (size_t)(slash - (const char *)name.data) + 1);
        if (sfs_bytes_equal(prefix, *checked))
            return;
        *checked = prefix;
        if (!is_empty(teller->fs->space->store, prefix))
            return;
        name = sfs_bytes(name.data, prefix.size - 1);
        if (name.size > 0)
            tell_key(teller, name, true);
    }
}

static void tell_each(struct fs *fs, const struct fs_tx_changes *changes)
{
    struct teller teller = {.fs = fs};
    struct sfs_bytes checked = {0};
    struct header header;
    for (size_t at = 0; at < changes->names.size; at += sizeof(header) + header.size) {
        memcpy(&header, changes->names.data + at, sizeof(header));
        struct sfs_bytes name = sfs_bytes(changes->names.data + at + sizeof(header), header.size);
        struct sfs_bytes key = name;
        if (sfs_name_is_marker(name))
            key.size -= name.size > 1 ? 2 : 1;
        tell_key(&teller, key, header.renewed);
        if (header.deleted)
            tell_vanished(&teller, name, &checked);
    }
}

void fs_tx_changes_tell(struct fs_call *call, const struct fs_tx_changes *changes)
{
    struct fs *fs = call->fs;
    if (changes->count > TELL_EACH)
        fs_nodes_visit(fs, tell_node, fs);
    else
        tell_each(fs, changes);
}
