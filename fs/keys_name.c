/* SPDX-License-Identifier: MIT */
/*
 * Names of the keys tree: what key a node or a directory entry stands for, and what the store has
 * there.
 */
#include <stdlib.h>

#include "fs/keys.h"

static int gone(struct fs_call *call)
{
    return sfs_fail(&call->error, SFS_E_NOT_FOUND, "mount", "the file was removed while it was in use");
}

/* Bytes of a directory's base, from the root down. With the table's lock held. */
static int add_base(const struct fs_node *dir, struct sfs_buffer *base, size_t *pieces)
{
    if (dir->kind == FS_KIND_ROOT)
        return 0;
    if (dir->name == NULL || dir->parent == NULL)
        return SFS_E_NOT_FOUND;
    int code = add_base(dir->parent, base, pieces);
    if (code == 0)
        code = sfs_buffer_add(base, sfs_buffer_bytes(&dir->text));
    if (code == 0 && dir->kind == FS_KIND_PIECE) {
        ++*pieces;
        return 0;
    }
    *pieces = 0;
    return code == 0 ? sfs_buffer_byte(base, '/') : code;
}

int fs_keys_place(struct fs_call *call, struct fs_node *dir, struct sfs_buffer *base,
                  struct sfs_place *place)
{
    size_t pieces = 0;
    fs_nodes_lock(call->fs->nodes);
    int code = add_base(dir, base, &pieces);
    fs_nodes_unlock(call->fs->nodes);
    if (code == SFS_E_NOT_FOUND)
        return gone(call);
    if (code < 0)
        return sfs_fail_memory(&call->error, "mount");
    place->base = sfs_buffer_bytes(base);
    place->pieces = pieces;
    return 0;
}

int fs_keys_key(struct fs_call *call, struct fs_node *node, struct sfs_buffer *key)
{
    size_t pieces = 0;
    fs_nodes_lock(call->fs->nodes);
    int code = SFS_E_NOT_FOUND;
    if (node->name != NULL && node->parent != NULL)
        code = add_base(node->parent, key, &pieces);
    if (code == 0 && node->kind == FS_KIND_OWN && key->size > 0)
        key->size--; /* the directory's own value: its key is the base without the last '/' */
    else if (code == 0)
        code = sfs_buffer_add(key, sfs_buffer_bytes(&node->text));
    fs_nodes_unlock(call->fs->nodes);
    if (code == SFS_E_NOT_FOUND)
        return gone(call);
    return code < 0 ? sfs_fail_memory(&call->error, "mount") : 0;
}

int fs_keys_marker(struct sfs_bytes prefix, struct sfs_buffer *name)
{
    int code = sfs_buffer_add(name, prefix);
    return code == 0 ? sfs_buffer_byte(name, '\0') : code;
}

void fs_target_free(struct fs_target *target)
{
    sfs_buffer_free(&target->base);
    sfs_buffer_free(&target->text);
    sfs_buffer_free(&target->key);
    sfs_buffer_free(&target->prefix);
    sfs_record_unref(target->leaf);
    sfs_record_unref(target->marker);
    target->leaf = target->marker = NULL;
}

/* key and prefix, from base and text. */
static int spell(struct fs_call *call, struct fs_target *target)
{
    struct sfs_bytes base = target->place.base;
    struct sfs_buffer *key = &target->key;
    int code = sfs_buffer_add(key, base);
    if (code == 0 && target->name.kind == FS_KIND_OWN)
        key->size--;
    else if (code == 0)
        code = sfs_buffer_add(key, sfs_buffer_bytes(&target->text));
    if (code == 0)
        code = sfs_buffer_add(&target->prefix, sfs_buffer_bytes(key));
    if (code == 0 && target->name.kind == FS_KIND_PART)
        code = sfs_buffer_byte(&target->prefix, '/');
    if (code < 0)
        return sfs_fail_memory(&call->error, "mount");
    if (key->size > sfs_storage_key_max(target->name.parent->space->store))
        return sfs_fail(&call->error, SFS_E_NAME_TOO_LONG, "mount",
                        "the key would be %zu bytes long; this store takes at most %zu", key->size,
                        sfs_storage_key_max(target->name.parent->space->store));
    return 0;
}

int fs_keys_decode(struct fs_call *call, struct fs_node *dir, const char *name,
                   struct fs_target *target)
{
    target->name.parent = dir;
    target->name.name = name;
    int code = fs_keys_place(call, dir, &target->base, &target->place);
    if (code < 0)
        return code;
    int kind = sfs_path_decode(target->place, sfs_string(name), &target->text, &call->error);
    if (kind < 0)
        return kind;
    target->name.text = sfs_buffer_bytes(&target->text);
    switch ((enum sfs_path_kind)kind) {
    case SFS_PATH_PART:
        target->name.kind = FS_KIND_PART;
        break;
    case SFS_PATH_PIECE_DIRECTORY:
        target->name.kind = FS_KIND_PIECE;
        break;
    case SFS_PATH_OWN_VALUE:
        target->name.kind = FS_KIND_OWN;
        break;
    case SFS_PATH_NONE:
    default:
        return call->error.code != 0 ? call->error.code : SFS_E_INVALID;
    }
    return spell(call, target);
}

/* What the first records of [key, key + '0') say: the key's own record, and whether any is below. */
static int look(struct fs_call *call, struct fs_target *target, struct sfs_cursor *cursor)
{
    struct sfs_bytes key = sfs_buffer_bytes(&target->key);
    struct sfs_bytes prefix = sfs_buffer_bytes(&target->prefix);
    const struct sfs_record *record;
    int code = sfs_cursor_next(cursor, &record, &call->error);
    if (code == 1 && sfs_bytes_equal(record->name, key)) {
        target->leaf = sfs_record_ref(record);
        code = sfs_cursor_next(cursor, &record, &call->error);
    }
    /* Between `a` and `a/` lie names such as `a.txt`. */
    if (code == 1 && sfs_bytes_compare(record->name, prefix) < 0) {
        code = sfs_cursor_seek(cursor, prefix, &call->error);
        if (code == 0)
            code = sfs_cursor_next(cursor, &record, &call->error);
    }
    if (code != 1)
        return code;
    target->directory = true;
    /* The key `a/` ("%empty") comes before the marker of `a`. */
    if (sfs_bytes_equal(record->name, prefix))
        code = sfs_cursor_next(cursor, &record, &call->error);
    if (code == 1 && sfs_name_is_marker(record->name) && record->name.size == prefix.size + 1)
        target->marker = sfs_record_ref(record);
    return code < 0 ? code : 0;
}

/* In a transaction a path depends on no more than it needs: which key this is, or that it is none,
 * and that something is below. Records that come and go in a directory do not matter to its path. A
 * scan would read the whole directory where other programs may have changed it. */
static int find_apart(struct fs_call *call, struct fs_target *target)
{
    struct sfs_storage *store = target->name.parent->space->store;
    struct sfs_buffer bound = {0};
    struct sfs_range range;
    int code = 0;
    if (target->key.size > 0)
        code = sfs_get(store, sfs_buffer_bytes(&target->key), SFS_WANT_RECORD, &target->leaf, &call->error);
    if (code != 0 && code != SFS_E_NOT_FOUND)
        return code;
    if (sfs_range_prefix(sfs_buffer_bytes(&target->prefix), &bound, &range) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    else
        code = sfs_exists(store, range, &call->error);
    if (code == 1) {
        target->directory = true;
        bound.size = 0;
        code = fs_keys_marker(sfs_buffer_bytes(&target->prefix), &bound) != 0
                   ? sfs_fail_memory(&call->error, "mount")
                   : sfs_get(store, sfs_buffer_bytes(&bound), SFS_WANT_RECORD, &target->marker, &call->error);
    }
    sfs_buffer_free(&bound);
    target->exists = target->directory || target->leaf != NULL;
    return code == SFS_E_NOT_FOUND ? 0 : code;
}

static int find_part(struct fs_call *call, struct fs_target *target)
{
    struct fs_space *space = target->name.parent->space;
    if (space != call->fs->space ||
        (sfs_storage_capabilities(space->store) & SFS_CAN_CHANGE_OUTSIDE))
        return find_apart(call, target);
    struct sfs_buffer end = {0};
    struct sfs_cursor *cursor;
    int code = sfs_buffer_add(&end, sfs_buffer_bytes(&target->key));
    if (code == 0)
        code = sfs_buffer_byte(&end, '0');
    if (code < 0) {
        sfs_buffer_free(&end);
        return sfs_fail_memory(&call->error, "mount");
    }
    struct sfs_range range = {sfs_buffer_bytes(&target->key), sfs_buffer_bytes(&end)};
    code = sfs_scan(space->store, range, SFS_WANT_RECORD, &cursor, &call->error);
    if (code == 0) {
        code = look(call, target, cursor);
        sfs_cursor_close(cursor);
    }
    sfs_buffer_free(&end);
    target->exists = target->directory || target->leaf != NULL;
    return code;
}

static int find_own(struct fs_call *call, struct fs_target *target)
{
    int code = sfs_get(target->name.parent->space->store, sfs_buffer_bytes(&target->key),
                       SFS_WANT_RECORD, &target->leaf, &call->error);
    target->exists = code == 0;
    return code == SFS_E_NOT_FOUND ? 0 : code;
}

int fs_keys_find(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_target *target)
{
    int code = fs_keys_decode(call, dir, name, target);
    if (code < 0)
        return code;
    if (target->name.kind == FS_KIND_PIECE) {
        target->exists = target->directory = true;
        return 0;
    }
    return target->name.kind == FS_KIND_OWN ? find_own(call, target) : find_part(call, target);
}

/* What a transaction shows changes only through this mount, unless it is read committed. A change that is
 * under way may or may not be seen, so that nothing is learnt then. */
struct fs_absent fs_keys_look_begin(struct fs_node *dir, const char *name)
{
    struct fs_space *space = dir->space;
    struct fs_absent look = {.changes = space->changes};
    size_t length = strlen(name);
    if (length >= sizeof(look.name) || (space->tx != NULL && space->attribute_timeout <= 0) ||
        (space->tx != NULL ? space->changing > 0 : sfs_version(space->store, &look.version, NULL) != 0))
        return look;
    look.dir = dir->id;
    memcpy(look.name, name, length + 1);
    return look;
}

void fs_keys_look_failed(struct fs_node *dir, const struct fs_absent *look)
{
    if (look->dir == 0)
        return;
    pthread_mutex_lock(&dir->space->lock);
    dir->space->absent = *look;
    pthread_mutex_unlock(&dir->space->lock);
}

static bool is_absent(struct fs_node *dir, const char *name)
{
    struct fs_space *space = dir->space;
    uint64_t version = 0;
    if (space->tx == NULL && sfs_version(space->store, &version, NULL) != 0)
        return false;
    pthread_mutex_lock(&space->lock);
    bool absent = space->absent.dir == dir->id && strcmp(space->absent.name, name) == 0 &&
                  (space->tx == NULL ? space->absent.version == version
                                     : space->absent.changes == space->changes);
    pthread_mutex_unlock(&space->lock);
    return absent;
}

int fs_keys_find_new(struct fs_call *call, struct fs_node *dir, const char *name, struct fs_target *target)
{
    return is_absent(dir, name) ? fs_keys_decode(call, dir, name, target)
                                : fs_keys_find(call, dir, name, target);
}

bool fs_keys_is_pending(struct fs_call *call, struct fs_node *dir, const char *name)
{
    fs_nodes_lock(call->fs->nodes);
    struct fs_node *node = fs_node_peek_locked(call->fs, dir, name);
    bool pending = false;
    if (node != NULL && node->space == dir->space) {
        pthread_mutex_lock(&node->space->lock);
        pending = node->file != NULL && node->file->created;
        pthread_mutex_unlock(&node->space->lock);
    }
    fs_nodes_unlock(call->fs->nodes);
    return pending;
}

int fs_keys_below(struct sfs_bytes prefix, struct fs_below *below)
{
    struct sfs_buffer *bounds = &below->bounds;
    size_t n = prefix.size;
    /* One buffer holds: prefix | prefix NUL | prefix 1 | prefix with '0' for its '/'. */
    if (sfs_buffer_reserve(bounds, 4 * n + 4) != 0 || sfs_buffer_add(bounds, prefix) != 0 ||
        fs_keys_marker(prefix, bounds) != 0 || sfs_buffer_add(bounds, prefix) != 0 ||
        sfs_buffer_byte(bounds, '\1') != 0 || sfs_buffer_add(bounds, prefix) != 0)
        return SFS_E_NO_MEMORY;
    const char *data = bounds->data;
    below->empty_part = (struct sfs_range){sfs_bytes(data, n), sfs_bytes(data + n, n + 1)};
    below->rest = (struct sfs_range){sfs_bytes(data + 2 * n + 1, n + 1), sfs_bytes(NULL, 0)};
    if (n > 0) {
        bounds->data[bounds->size - 1] = '0';
        below->rest.to = sfs_bytes(data + 3 * n + 2, n);
    }
    return 0;
}

/* 1 if a file below the prefix was made and is not committed. */
static int pending_below(struct fs_call *call, struct fs_space *space, struct sfs_bytes prefix)
{
    size_t count;
    struct fs_file **files = fs_files_take(space, &count);
    struct sfs_buffer key = {0};
    struct fs_call quiet = *call;
    int found = 0;
    if (files == NULL)
        return sfs_fail_memory(&call->error, "mount");
    for (size_t i = 0; i < count; i++) {
        key.size = 0;
        if (found == 0 && files[i]->created && !files[i]->unlinked &&
            fs_keys_key(&quiet, files[i]->node, &key) == 0) {
            /* The directory's own value is inside it, too. */
            if (files[i]->node->kind == FS_KIND_OWN && sfs_buffer_byte(&key, '/') != 0)
                found = sfs_fail_memory(&call->error, "mount");
            else
                found = sfs_bytes_starts(sfs_buffer_bytes(&key), prefix);
        }
    }
    fs_files_give_back(files, count);
    sfs_buffer_free(&key);
    return found;
}

int fs_keys_occupied(struct fs_call *call, struct fs_space *space, struct sfs_bytes prefix)
{
    int code = pending_below(call, space, prefix);
    if (code != 0)
        return code;
    struct fs_below below = {0};
    if (fs_keys_below(prefix, &below) != 0) {
        sfs_buffer_free(&below.bounds);
        return sfs_fail_memory(&call->error, "mount");
    }
    const struct sfs_range parts[] = {below.rest, below.empty_part};
    code = sfs_exists_any(space->store, parts, prefix.size > 0 ? 2 : 1, &call->error);
    sfs_buffer_free(&below.bounds);
    return code;
}

/* 1: the directory `prefix` has a marker or a record other than `key` and what is below that; 0: it
 * would vanish. Asked in three parts: before the key, up to what is below it, and behind. */
static int stays_without(struct fs_call *call, struct fs_space *space, struct sfs_bytes prefix,
                         struct sfs_bytes key)
{
    struct sfs_buffer bounds = {0}, end = {0};
    struct sfs_range whole;
    size_t n = key.size;
    /* One buffer holds: key NUL | key '/' | key '0'. */
    if (sfs_range_prefix(prefix, &end, &whole) != 0 || sfs_buffer_reserve(&bounds, 3 * n + 3) != 0 ||
        sfs_buffer_add(&bounds, key) != 0 || sfs_buffer_byte(&bounds, '\0') != 0 ||
        sfs_buffer_add(&bounds, key) != 0 || sfs_buffer_byte(&bounds, '/') != 0 ||
        sfs_buffer_add(&bounds, key) != 0 || sfs_buffer_byte(&bounds, '0') != 0) {
        sfs_buffer_free(&bounds);
        sfs_buffer_free(&end);
        return sfs_fail_memory(&call->error, "mount");
    }
    const char *data = bounds.data;
    const struct sfs_range parts[] = {
        {whole.from, key},
        {sfs_bytes(data, n + 1), sfs_bytes(data + n + 1, n + 1)},
        {sfs_bytes(data + 2 * n + 2, n + 1), whole.to},
    };
    int code = sfs_exists_any(space->store, parts, sizeof(parts) / sizeof(parts[0]), &call->error);
    sfs_buffer_free(&bounds);
    sfs_buffer_free(&end);
    return code;
}

int fs_keys_keep_parent(struct fs_call *call, struct fs_space *space, struct sfs_bytes key,
                        struct sfs_batch *batch)
{
    const char *data = key.data;
    const char *slash = key.size > 0 ? memrchr(data, '/', key.size) : NULL;
    if (slash == NULL)
        return 0; /* keys/ itself needs no marker */
    struct sfs_bytes prefix = sfs_bytes(data, (size_t)(slash - data) + 1);
    int code = stays_without(call, space, prefix, key);
    if (code != 0)
        return code < 0 ? code : 0;
    struct sfs_buffer marker = {0};
    struct sfs_attributes attributes = {.kind = SFS_KIND_MARKER, .mode = SFS_MODE_MARKER_DEFAULT,
                                        .uid = SFS_OWNER_NONE, .gid = SFS_OWNER_NONE};
    if (fs_keys_marker(prefix, &marker) != 0)
        code = sfs_fail_memory(&call->error, "mount");
    else
        code = sfs_batch_put(batch, sfs_buffer_bytes(&marker), sfs_bytes(NULL, 0), &attributes,
                             SFS_ATTRIBUTE_KIND | SFS_ATTRIBUTE_MODE, &call->error);
    sfs_buffer_free(&marker);
    return code;
}
