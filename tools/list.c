/* SPDX-License-Identifier: MIT */
/*
 * The keys below a mount's keys/ directory. Directories do not list in the order of keys (`a` and
 * `a/…` are not neighbours: `a.txt` sorts between), so a listing is gathered and then sorted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storefs/path.h"
#include "tools/tree.h"

struct walk {
    struct tool_list *list;
    struct sfs_bytes prefix;
    bool details;
    struct sfs_error *error;
};

static int visit_directory(struct walk *walk, int descriptor, struct sfs_bytes base, size_t pieces);

void tool_list_free(struct tool_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].key);
    free(list->items);
    *list = (struct tool_list){0};
}

static int keep(struct walk *walk, struct sfs_bytes key, const struct stat *status)
{
    struct tool_list *list = walk->list;
    if (!sfs_bytes_starts(key, walk->prefix))
        return 0;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        struct tool_found *items = realloc(list->items, capacity * sizeof *items);
        if (!items)
            return sfs_fail_memory(walk->error, "mount");
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = malloc(key.size + 1);
    if (!copy)
        return sfs_fail_memory(walk->error, "mount");
    memcpy(copy, key.data, key.size);
    list->items[list->count++] = (struct tool_found){
        .key = copy,
        .size = key.size,
        .bytes = status ? (uint64_t)status->st_size : 0,
        .modified = status ? status->st_mtim.tv_sec : 0,
    };
    return 0;
}

/* Whether keys that begin with `base` can begin with the prefix. */
static bool leads_to(struct sfs_bytes base, struct sfs_bytes prefix)
{
    return sfs_bytes_starts(base, prefix) || sfs_bytes_starts(prefix, base);
}

static int enter(struct walk *walk, int parent, const char *name, struct sfs_bytes base,
                 size_t pieces)
{
    if (!leads_to(base, walk->prefix))
        return 0;
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ? 0 : sfs_fail_errno(walk->error, errno, "mount", "%s", name);
    return visit_directory(walk, descriptor, base, pieces);
}

static int visit_kind(struct walk *walk, int parent, const char *name, int kind,
                      struct sfs_buffer *key, size_t pieces, struct sfs_bytes own)
{
    struct stat status;
    bool directory = kind == SFS_PATH_PIECE_DIRECTORY;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : sfs_fail_errno(walk->error, errno, "mount", "%s", name);
    if (S_ISREG(status.st_mode))
        return keep(walk, kind == SFS_PATH_OWN_VALUE ? own : sfs_buffer_bytes(key), &status);
    if (!S_ISDIR(status.st_mode))
        return 0;
    if (!directory && sfs_buffer_byte(key, '/'))
        return sfs_fail_memory(walk->error, "mount");
    return enter(walk, parent, name, sfs_buffer_bytes(key), directory ? pieces + 1 : 0);
}

static int visit_entry(struct walk *walk, int parent, const struct dirent *entry,
                       struct sfs_bytes base, size_t pieces)
{
    const char *name = entry->d_name;
    struct sfs_buffer key = {0};
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (sfs_buffer_add(&key, base))
        return sfs_fail_memory(walk->error, "mount");
    struct sfs_place place = {.base = base, .pieces = pieces};
    int kind = sfs_path_decode(place, sfs_string(name), &key, walk->error);
    struct sfs_bytes own = sfs_bytes(base.data, base.size ? base.size - 1 : 0);
    bool plain = entry->d_type == DT_REG && !walk->details;
    int result = 0;
    if (kind < 0)
        result = kind;
    else if (kind == SFS_PATH_NONE)
        result =
            sfs_error_context(walk->error, SFS_E_CORRUPT, "the mount shows a name it should not");
    else if (plain)
        result = keep(walk, kind == SFS_PATH_OWN_VALUE ? own : sfs_buffer_bytes(&key), NULL);
    else
        result = visit_kind(walk, parent, name, kind, &key, pieces, own);
    sfs_buffer_free(&key);
    return result;
}

static int visit_directory(struct walk *walk, int descriptor, struct sfs_bytes base, size_t pieces)
{
    DIR *directory = fdopendir(descriptor);
    if (!directory) {
        close(descriptor);
        return sfs_fail_errno(walk->error, errno, "mount", "cannot list a directory");
    }
    int result = 0;
    const struct dirent *entry;
    errno = 0;
    while (!result && (entry = readdir(directory)) != NULL) {
        result = visit_entry(walk, descriptor, entry, base, pieces);
        errno = 0;
    }
    if (!result && errno)
        result = sfs_fail_errno(walk->error, errno, "mount", "cannot list a directory");
    closedir(directory);
    return result;
}

static int by_key(const void *left, const void *right)
{
    const struct tool_found *a = left;
    const struct tool_found *b = right;
    return sfs_bytes_compare(sfs_bytes(a->key, a->size), sfs_bytes(b->key, b->size));
}

int tool_tree_list(const char *base, struct sfs_bytes prefix, bool details,
                   struct tool_list *ret_list, struct sfs_error *error)
{
    struct tool_list list = {0};
    struct walk walk = {.list = &list, .prefix = prefix, .details = details, .error = error};
    int keys;
    int result = tool_tree_open_keys(base, &keys, error);
    if (result)
        return result;
    result = enter(&walk, keys, ".", sfs_bytes("", 0), 0);
    close(keys);
    if (result) {
        tool_list_free(&list);
        return result;
    }
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, by_key);
    *ret_list = list;
    return 0;
}
