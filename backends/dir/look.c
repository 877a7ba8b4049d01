/* SPDX-License-Identifier: MIT */
/*
 * Looking into directories: makes the tree agree with the files that are there, one directory at a
 * time, so that a scan reads only those that it comes to.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

/* --- the list of directories --- */

static void pending_ref(void *item)
{
    struct sfs_dir_pending *pending = item;
    atomic_fetch_add_explicit(&pending->references, 1, memory_order_relaxed);
}

static void pending_unref(void *item)
{
    struct sfs_dir_pending *pending = item;
    if (!pending || atomic_fetch_sub_explicit(&pending->references, 1, memory_order_acq_rel) != 1)
        return;
    sfs_buffer_free(&pending->key);
    sfs_buffer_free(&pending->base);
    free(pending);
}

const struct sfs_tree_counting sfs_dir_pending_counting = {pending_ref, pending_unref};

static int fill_pending(struct sfs_dir_pending *pending, struct sfs_bytes base, size_t pieces)
{
    pending->own = base.size - (pieces == 0 && base.size > 0);
    pending->pieces = pieces;
    int result = sfs_buffer_add(&pending->base, base);
    if (result == 0)
        result = sfs_buffer_append(&pending->key, base.data, pending->own);
    if (result == 0)
        result = sfs_buffer_byte(&pending->key, '\0');
    return result ? result : sfs_buffer_byte(&pending->key, (char)(pieces > 0));
}

int sfs_dir_list_add(struct sfs_tree *list, struct sfs_bytes base, size_t pieces,
                     struct sfs_error *error)
{
    struct sfs_dir_pending *pending = calloc(1, sizeof(*pending));
    if (!pending)
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    atomic_init(&pending->references, 1);
    int result = fill_pending(pending, base, pieces);
    if (result == 0)
        result = sfs_tree_insert(list, sfs_buffer_bytes(&pending->key), pending);
    pending_unref(pending);
    return result ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
}

/* Whether all names of the range begin with `prefix`, which ends in '/', and is that of a
 * directory: bounds may be any bytes. */
static bool holds_range(struct sfs_bytes prefix, struct sfs_range range)
{
    if (range.to.size == 0 || prefix.size > SFS_KEY_MAX + 1 ||
        memchr(prefix.data, '\0', prefix.size))
        return false;
    if (sfs_bytes_starts(range.to, prefix))
        return true;
    struct sfs_bytes stem = sfs_bytes(prefix.data, prefix.size - 1);
    return range.to.size == prefix.size && sfs_bytes_starts(range.to, stem) &&
           ((const char *)range.to.data)[stem.size] == '/' + 1;
}

int sfs_dir_list_begin(struct sfs_tree *list, struct sfs_range range, struct sfs_error *error)
{
    struct sfs_bytes prefix = range.from;
    while (prefix.size) {
        const char *slash = memrchr(prefix.data, '/', prefix.size);
        prefix.size = slash ? (size_t)(slash - (const char *)prefix.data) + 1 : 0;
        if (prefix.size == 0 || holds_range(prefix, range))
            break;
        prefix.size--;
    }
    return sfs_dir_list_add(list, prefix, 0, error);
}

/* --- one directory --- */

struct look {
    struct sfs_dir_store *store;
    const struct sfs_dir_pending *directory;
    struct sfs_range range;
    struct sfs_tree *list;
    int fd;
    size_t count;    /* names in it that stand for something */
    uint64_t number; /* of this look: of all items that it finds */
    bool any;        /* one name of the range is enough */
    bool found;      /* there is one */
    bool stopped;    /* before all names were read */
};

static bool can_have(struct sfs_range range, struct sfs_bytes base, size_t own)
{
    if (range.to.size && sfs_bytes_compare(sfs_bytes(base.data, own), range.to) >= 0)
        return false;
    return sfs_bytes_compare(base, range.from) >= 0 || sfs_bytes_starts(range.from, base);
}

static bool directory_can_have(const struct sfs_dir_pending *directory, struct sfs_range range)
{
    return can_have(range, sfs_buffer_bytes(&directory->base), directory->own);
}

struct sfs_dir_pending *sfs_dir_list_from(const struct sfs_tree *list, struct sfs_bytes name)
{
    return sfs_tree_lower_bound(list, name);
}

/* The names of such a directory go on from a beginning of the range's first name. */
int sfs_dir_list_above(const struct sfs_tree *list, struct sfs_range range,
                       struct sfs_dir_pending **ret_directory, struct sfs_error *error)
{
    struct sfs_buffer key = {0};
    struct sfs_dir_pending *found = NULL;
    int result = list->count ? sfs_buffer_reserve(&key, range.from.size + 2) : 0;
    for (size_t i = 0; result == 0 && list->count && !found && i <= range.from.size; i++) {
        for (char piece = 0; !found && piece <= 1; piece++) {
            key.size = 0;
            result = sfs_buffer_append(&key, range.from.data, i);
            result = result ? result : sfs_buffer_byte(&key, '\0');
            result = result ? result : sfs_buffer_byte(&key, piece);
            found = result ? NULL : sfs_tree_find(list, sfs_buffer_bytes(&key));
            if (found && !directory_can_have(found, range))
                found = NULL;
        }
    }
    sfs_buffer_free(&key);
    *ret_directory = found;
    return result ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
}

static int list_directory(struct look *look, struct sfs_buffer *name, size_t pieces,
                          struct sfs_error *error)
{
    if (pieces == 0 && sfs_buffer_byte(name, '/'))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    struct sfs_bytes base = sfs_buffer_bytes(name);
    if (base.size > SFS_KEY_MAX + 1 || !can_have(look->range, base, base.size - (pieces == 0)))
        return 0;
    look->stopped = look->any;
    return sfs_dir_list_add(look->list, base, pieces, error);
}

/* A file whose key is known, or is not. */
static int look_at_file(struct look *look, const char *leaf, const struct stat *status,
                        struct sfs_bytes key, struct sfs_error *error)
{
    struct sfs_dir_item *item = sfs_tree_find(&look->store->tree, key);
    struct sfs_dir_print print = sfs_dir_print_of(status);
    if (sfs_key_check(key, NULL) || !sfs_range_has(look->range, key))
        return 0;
    look->found = true;
    look->stopped = look->any;
    if (item && sfs_dir_print_equal(&item->print, &print)) {
        item->seen = look->number;
        return 0;
    }
    struct sfs_dir_place place = {.fd = look->fd, .status = *status};
    if (sfs_buffer_add(&place.leaf, sfs_string(leaf)) || sfs_buffer_text(&place.leaf)) {
        sfs_buffer_free(&place.leaf);
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    int code = sfs_dir_adopt(look->store, key, &place, item, &item, error);
    if (code == 0)
        item->seen = look->number;
    sfs_buffer_free(&place.leaf);
    return code;
}

/* Whether a part, as a file or as a directory, can have names of the range. */
static int is_wanted(const struct look *look, struct sfs_buffer *name)
{
    struct sfs_bytes key = sfs_buffer_bytes(name);
    if (sfs_range_has(look->range, key))
        return 1;
    if (sfs_buffer_byte(name, '/'))
        return SFS_E_NO_MEMORY;
    bool wanted = can_have(look->range, sfs_buffer_bytes(name), key.size);
    name->size--;
    return wanted;
}

static int look_at(struct look *look, const struct dirent *entry, int kind, struct sfs_buffer *name,
                   struct sfs_error *error)
{
    const char *leaf = entry->d_name;
    struct stat status = {.st_mode = S_IFDIR};
    int wanted = kind == SFS_PATH_PART ? is_wanted(look, name) : 1;
    if (wanted <= 0) {
        look->count++;
        return wanted ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
    }
    if (entry->d_type != DT_DIR && fstatat(look->fd, leaf, &status, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT
                   ? 0
                   : sfs_dir_fail(look->store, sfs_buffer_bytes(name), "cannot look at", error);
    bool directory = S_ISDIR(status.st_mode);
    if (kind == SFS_PATH_OWN_VALUE)
        name->size--;
    if (directory != (kind == SFS_PATH_PIECE_DIRECTORY) && kind != SFS_PATH_PART)
        return 0;
    look->count++;
    if (directory)
        return list_directory(
            look, name, kind == SFS_PATH_PIECE_DIRECTORY ? look->directory->pieces + 1 : 0, error);
    return look_at_file(look, leaf, &status, sfs_buffer_bytes(name), error);
}

/* A name that no key can have is somebody else's: it stays as it is. */
static int look_at_entry(struct look *look, const struct dirent *entry, struct sfs_error *error)
{
    const char *leaf = entry->d_name;
    struct sfs_buffer name = {0};
    struct sfs_bytes base = sfs_buffer_bytes(&look->directory->base);
    struct sfs_place place = {base, look->directory->pieces};
    if (base.size == 0 && strcmp(leaf, look->store->control_name) == 0)
        return 0;
    int code = sfs_buffer_add(&name, base);
    int kind = code == 0 ? sfs_path_decode(place, sfs_string(leaf), &name, NULL) : code;
    if (kind == SFS_E_NO_MEMORY)
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    else if (kind != SFS_PATH_NONE)
        code = look_at(look, entry, kind, &name, error);
    sfs_buffer_free(&name);
    return code;
}

static int look_at_all(struct look *look, struct sfs_error *error)
{
    int copy = fcntl(look->fd, F_DUPFD_CLOEXEC, 0);
    DIR *handle = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;
    int code = 0;
    errno = handle ? 0 : errno;
    while (code == 0 && handle && !look->stopped && (entry = readdir(handle))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            code = look_at_entry(look, entry, error);
        errno = 0;
    }
    if (code == 0 && errno)
        code = sfs_dir_fail(look->store, sfs_buffer_bytes(&look->directory->base),
                            "cannot read the directory", error);
    if (handle)
        closedir(handle);
    else if (copy >= 0)
        close(copy);
    return code;
}

/* --- what is known and gone --- */

/* What became of a known name's file, or of the directory on the way to it. */
struct fate {
    bool elsewhere; /* the name does not go through this directory */
    bool piece;     /* it goes through a directory that is a piece of a part */
    bool below;     /* it goes through a directory of its own */
    bool gone;
};

/* 1, 0, or an error: only what the file system says is not there is gone. */
static int is_there(const struct look *look, const char *leaf, struct stat *ret_status,
                    struct sfs_error *error)
{
    if (look->fd < 0)
        return 0;
    if (fstatat(look->fd, leaf, ret_status, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0
                           : sfs_dir_fail(look->store, sfs_buffer_bytes(&look->directory->base),
                                          "cannot look into the directory", error);
}

static int find_fate(const struct look *look, struct sfs_bytes name, struct fate *ret_fate,
                     struct sfs_error *error)
{
    struct sfs_bytes base = sfs_buffer_bytes(&look->directory->base);
    struct sfs_place place = {base, look->directory->pieces};
    struct sfs_bytes rest = sfs_bytes((const char *)name.data + base.size, name.size - base.size);
    struct sfs_buffer leaf = {0};
    struct stat status;
    struct fate fate = {.below = rest.size && memchr(rest.data, '/', rest.size)};
    int encoded = sfs_path_encode(place, rest, &leaf);
    if (encoded == SFS_E_NO_MEMORY || sfs_buffer_text(&leaf)) {
        sfs_buffer_free(&leaf);
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    }
    fate.elsewhere = encoded < 0;
    fate.piece = encoded == 1;
    int there = fate.elsewhere ? 1 : is_there(look, leaf.data, &status, error);
    sfs_buffer_free(&leaf);
    /* What is in a directory that is there, is for the look into that. */
    if (!fate.elsewhere && there >= 0)
        fate.gone = !there || ((fate.below || fate.piece) && !S_ISDIR(status.st_mode));
    *ret_fate = fate;
    return there < 0 ? there : 0;
}

/* Behind all names that go the same way as `name`. */
static int skip(const struct look *look, struct sfs_bytes name, const struct fate *fate,
                struct sfs_buffer *next, struct sfs_error *error)
{
    size_t base = look->directory->base.size;
    struct sfs_range range;
    int result;
    if (fate->piece && !fate->elsewhere) {
        result = sfs_range_prefix(sfs_bytes(name.data, base + SFS_PATH_PIECE), next, &range);
    } else if (fate->below) {
        const char *slash = memchr((const char *)name.data + base, '/', name.size - base);
        size_t size = (size_t)(slash - (const char *)name.data) + 1;
        result = sfs_range_prefix(sfs_bytes(name.data, size), next, &range);
    } else {
        next->size = 0;
        result = sfs_buffer_add(next, name);
        result = result ? result : sfs_buffer_byte(next, '\0');
    }
    return result ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
}

/* The first known name of the directory and the range that is not below `from`. */
static struct sfs_dir_item *next_known(const struct look *look, struct sfs_bytes from)
{
    struct sfs_dir_item *item = sfs_tree_lower_bound(&look->store->tree, from);
    if (!item || !sfs_bytes_starts(item->record->name, sfs_buffer_bytes(&look->directory->base)))
        return NULL;
    bool behind = look->range.to.size && sfs_bytes_compare(item->record->name, look->range.to) >= 0;
    return behind ? NULL : item;
}

static bool is_own_marker(const struct look *look, struct sfs_bytes name)
{
    return name.size == look->directory->base.size + 1 && sfs_name_is_marker(name);
}

/* 1: there are more. */
static int forget_next(struct look *look, struct sfs_buffer *from, struct sfs_error *error)
{
    struct sfs_dir_item *item = next_known(look, sfs_buffer_bytes(from));
    struct fate fate = {0};
    if (!item)
        return 0;
    struct sfs_bytes name = item->record->name;
    int code = 0;
    if (is_own_marker(look, name))
        fate.gone = look->fd < 0 && name.size > 1;
    else if (item->seen != look->number)
        code = find_fate(look, name, &fate, error);
    if (code)
        return code;
    if (fate.gone)
        code = sfs_dir_note(look->store, name, NULL, error);
    else
        code = skip(look, name, &fate, from, error);
    return code ? code : from->size > 0;
}

static int forget_gone(struct look *look, struct sfs_error *error)
{
    struct sfs_buffer from = {0};
    struct sfs_bytes base = sfs_buffer_bytes(&look->directory->base);
    int code = 0;
    if (sfs_bytes_compare(base, look->range.from) < 0)
        base = look->range.from;
    if (sfs_buffer_add(&from, base))
        return sfs_fail_memory(error, SFS_DIR_ORIGIN);
    do
        code = forget_next(look, &from, error);
    while (code == 1);
    sfs_buffer_free(&from);
    return code;
}

/* The key of the directory itself, whose "%value" is not there. */
static int forget_own(struct look *look, struct sfs_error *error)
{
    struct sfs_bytes own = sfs_bytes(look->directory->base.data, look->directory->own);
    struct stat status;
    if (look->directory->pieces || own.size == 0 || !sfs_tree_find(&look->store->tree, own))
        return 0;
    int there = is_there(look, SFS_PATH_VALUE, &status, error);
    return there ? (there < 0 ? there : 0) : sfs_dir_note(look->store, own, NULL, error);
}

static int find_marker(struct look *look, struct sfs_error *error)
{
    struct sfs_buffer name = {0};
    struct stat status;
    int code = 0;
    if (look->count || look->directory->pieces || look->directory->base.size == 0)
        return 0;
    if (sfs_buffer_add(&name, sfs_buffer_bytes(&look->directory->base)) ||
        sfs_buffer_byte(&name, '\0'))
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    struct sfs_bytes marker = sfs_buffer_bytes(&name);
    bool here = code == 0 && sfs_range_has(look->range, marker);
    bool wanted = here && !sfs_tree_find(&look->store->tree, marker);
    look->found |= here;
    if (wanted && fstat(look->fd, &status))
        code = sfs_dir_fail(look->store, marker, "cannot look at the directory", error);
    else if (wanted)
        code = sfs_dir_adopt_marker(look->store, marker, &status, error);
    sfs_buffer_free(&name);
    return code;
}

static int open_place(struct sfs_dir_store *store, const struct sfs_dir_pending *directory,
                      int *ret_fd, struct sfs_error *error)
{
    struct sfs_bytes base = sfs_buffer_bytes(&directory->base);
    return directory->pieces ? sfs_dir_open_pieces(store, base, ret_fd, error)
                             : sfs_dir_open_directory(store, base, false, ret_fd, error);
}

static int look_into(struct look *look, struct sfs_error *error)
{
    int code = open_place(look->store, look->directory, &look->fd, error);
    if (code == SFS_E_NOT_FOUND)
        return look->any ? 0 : forget_gone(look, error);
    if (code == 0)
        code = look_at_all(look, error);
    if (code == 0 && !look->any)
        code = forget_gone(look, error);
    if (code == 0 && !look->any)
        code = forget_own(look, error);
    if (code == 0 && !look->stopped)
        code = find_marker(look, error);
    if (look->fd >= 0)
        close(look->fd);
    return code;
}

static int run_look(struct look *look, struct sfs_dir_pending *directory, struct sfs_error *error)
{
    pending_ref(directory);
    int code = sfs_tree_remove(look->list, sfs_buffer_bytes(&directory->key));
    look->directory = directory;
    look->number = ++look->store->looks;
    look->fd = -1;
    look->count = 0;
    if (code < 0)
        code = sfs_fail_memory(error, SFS_DIR_ORIGIN);
    else
        code = directory_can_have(directory, look->range) ? look_into(look, error) : 0;
    pending_unref(directory);
    return code;
}

int sfs_dir_look_into(struct sfs_dir_store *store, struct sfs_tree *list,
                      struct sfs_dir_pending *directory, struct sfs_range range,
                      struct sfs_error *error)
{
    struct look look = {.store = store, .range = range, .list = list};
    return run_look(&look, directory, error);
}

/* Runs a look at all directories, or until something is found. */
static int look_through(struct look *look, struct sfs_error *error)
{
    struct sfs_tree list;
    struct sfs_dir_pending *first;
    sfs_tree_init(&list, &sfs_dir_pending_counting);
    look->list = &list;
    int code = sfs_dir_list_begin(&list, look->range, error);
    while (code == 0 && !(look->any && look->found) &&
           (first = sfs_dir_list_from(&list, (struct sfs_bytes){0})))
        code = run_look(look, first, error);
    sfs_tree_clear(&list);
    return code;
}

int sfs_dir_look_through(struct sfs_dir_store *store, struct sfs_range range,
                         struct sfs_error *error)
{
    struct look look = {.store = store, .range = range};
    return look_through(&look, error);
}

/* --- is there any? --- */

static struct sfs_dir_item *first_known(const struct sfs_dir_store *store, struct sfs_range range)
{
    struct sfs_dir_item *item = sfs_tree_lower_bound(&store->tree, range.from);
    return item && sfs_range_has(range, item->record->name) ? item : NULL;
}

/* Whether a name is there now. It may lie in the item that is known of it. */
static int is_present(struct sfs_dir_store *store, struct sfs_bytes name, bool *ret_present,
                      struct sfs_error *error)
{
    struct sfs_buffer copy = {0};
    struct sfs_dir_item *item = NULL;
    int code = sfs_buffer_add(&copy, name) ? sfs_fail_memory(error, SFS_DIR_ORIGIN) : 0;
    if (code == 0)
        code = sfs_dir_refresh(store, sfs_buffer_bytes(&copy), &item, error);
    sfs_buffer_free(&copy);
    *ret_present = item != NULL;
    return code;
}

static bool is_one_name(struct sfs_range range)
{
    return range.to.size == range.from.size + 1 && sfs_bytes_starts(range.to, range.from) &&
           ((const char *)range.to.data)[range.from.size] == '\0';
}

/* Looks at the files, of which nothing is known that is still there. */
static int look_for_one(struct sfs_dir_store *store, struct sfs_range range, bool *ret_any,
                        struct sfs_error *error)
{
    struct look look = {.store = store, .range = range, .any = true};
    if (is_one_name(range))
        return sfs_name_check(range.from, NULL) ? 0 : is_present(store, range.from, ret_any, error);
    int code = look_through(&look, error);
    if (code == 0 && !look.found && (look.stopped || first_known(store, range))) {
        code = sfs_dir_look_through(store, range, error);
        look.found = code == 0 && first_known(store, range);
    }
    *ret_any = look.found;
    return code;
}

int sfs_dir_look_for_any(struct sfs_dir_store *store, const struct sfs_range *ranges, size_t count,
                         bool *ret_any, struct sfs_error *error)
{
    bool any = false;
    int code = 0;
    for (size_t i = 0; code == 0 && !any && i < count; i++) {
        const struct sfs_dir_item *item = first_known(store, ranges[i]);
        if (item)
            code = is_present(store, item->record->name, &any, error);
    }
    for (size_t i = 0; code == 0 && !any && i < count; i++)
        code = look_for_one(store, ranges[i], &any, error);
    *ret_any = any;
    return code;
}
