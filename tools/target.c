/* SPDX-License-Identifier: MIT */
/* Tells mounts from URIs, and opens what is named. */
#include "tools/target.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mounts.h"

/* The length of "scheme:", or 0: the rule of sfs_open(). */
static size_t scheme_size(const char *text)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    size_t size = strspn(text, bytes);
    return text[0] >= 'a' && text[0] <= 'z' && text[size] == ':' ? size + 1 : 0;
}

int tool_uri_absolute(const char *uri, char **ret_uri, struct sfs_error *error)
{
    size_t scheme = scheme_size(uri);
    const char *path = uri + scheme;
    bool relative = *path && *path != '/' && *path != '?';
    if (!relative || (scheme && strncmp(uri, "memory:", scheme) == 0)) {
        *ret_uri = strdup(uri);
        return *ret_uri ? 0 : sfs_fail_memory(error, "uri");
    }
    struct sfs_buffer out = {0};
    char *directory = get_current_dir_name();
    int result = directory ? sfs_buffer_append(&out, uri, scheme) : SFS_E_NO_MEMORY;
    for (const char *at = directory; !result && *at; at++)
        result = *at == '%' || *at == '?'
                     ? sfs_buffer_printf(&out, "%%%02X", (unsigned)(unsigned char)*at)
                     : sfs_buffer_byte(&out, *at);
    if (!result)
        result = sfs_buffer_printf(&out, "%s%s", directory[1] ? "/" : "", path);
    free(directory);
    if (!result)
        result = sfs_buffer_text(&out);
    if (result) {
        sfs_buffer_free(&out);
        return sfs_fail_memory(error, "uri");
    }
    *ret_uri = out.data;
    return 0;
}

/* The end of "/tx/NAME[/tx/INNER…]" at the beginning of a path below a mount, 0 if it is elsewhere.
 */
static size_t transaction_size(const char *below)
{
    size_t size = 0;
    while (strncmp(below + size, "/tx/", 4) == 0 && below[size + 4])
        size += 4 + strcspn(below + size + 4, "/");
    return size;
}

/* Where in a mount of ours a target lies. */
struct place {
    char *base; /* the mount, or a transaction's directory; the caller frees it */
    char *uri;  /* of the store; the caller frees it */
    bool inside;
    bool read_only;
};

/* 1 and the place if the path lies in a mount of ours, 0 if not. */
static int find_mount(const char *path, struct place *ret_place, struct sfs_error *error)
{
    struct tool_mounts mounts;
    int result = tool_mounts_read(&mounts, error);
    if (result)
        return result;
    const struct tool_mount *mount = tool_mounts_holding(&mounts, path);
    if (mount && mount->is_storefs) {
        size_t size = strlen(mount->directory);
        size_t inside = transaction_size(path + size);
        ret_place->inside = inside > 0;
        ret_place->read_only = mount->read_only;
        ret_place->base = strndup(path, size + inside);
        ret_place->uri = strdup(mount->source);
        result = ret_place->base && ret_place->uri ? 1 : sfs_fail_memory(error, "mounts");
    }
    tool_mounts_free(&mounts);
    return result;
}

/* A path that is not there is a store to be made, but not in a mount. */
static int detect_missing(const char *text, struct sfs_error *error)
{
    struct place place = {0};
    char *path = NULL;
    char *parent = strdup(text);
    if (!parent)
        return sfs_fail_memory(error, "target");
    int result =
        tool_path_absolute(dirname(parent), &path, NULL) ? 0 : find_mount(path, &place, error);
    if (result > 0)
        result = sfs_fail(error, SFS_E_NOT_FOUND, "target", "there is no %s in the mount of %s",
                          text, place.uri);
    free(place.base);
    free(place.uri);
    free(path);
    free(parent);
    return result;
}

/* As find_mount, for text that may be a URI. A directory that is no mount of ours is INVALID. */
static int detect(const char *text, struct place *ret_place, struct sfs_error *error)
{
    char *path;
    if (!*text || scheme_size(text))
        return 0;
    if (tool_path_absolute(text, &path, NULL))
        return detect_missing(text, error);
    int result = find_mount(path, ret_place, error);
    struct stat status;
    if (result == 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        result = sfs_fail(error, SFS_E_INVALID, "target",
                          "%s is a directory in which no store is mounted", path);
    free(path);
    return result;
}

static int check_alive(const char *base, struct sfs_error *error)
{
    switch (tool_mount_probe(base, 10000)) {
    case TOOL_DEAD:
        return sfs_fail(error, SFS_E_UNREACHABLE, "mount",
                        "the mount that holds %s is dead: 'storefs status' tells how to clear it",
                        base);
    case TOOL_SILENT:
        return sfs_fail(error, SFS_E_TIMED_OUT, "mount", "the mount that holds %s does not answer",
                        base);
    case TOOL_ALIVE:
        break;
    }
    return 0;
}

int tool_target_open(struct tool_target *ret_target, const char *text, unsigned flags,
                     struct sfs_error *error)
{
    struct place place = {0};
    int result = detect(text, &place, error);
    struct tool_target target = {.base = place.base, .uri = place.uri};
    if (result > 0) {
        result = check_alive(target.base, error);
    } else if (result == 0) {
        target.uri = strdup(text);
        result = target.uri ? sfs_open(&target.store, text, flags, error)
                            : sfs_fail_memory(error, "target");
    }
    if (result) {
        free(target.base);
        free(target.uri);
        return result;
    }
    *ret_target = target;
    return 0;
}

int tool_mount_target(struct tool_target *ret_target, const char *text, struct sfs_error *error)
{
    struct place place = {0};
    int result = detect(text, &place, error);
    struct tool_target target = {.base = place.base, .uri = place.uri};
    if (result == 0)
        result = sfs_fail(error, SFS_E_INVALID, "target", "no store is mounted at %s", text);
    else if (result > 0)
        result = check_alive(target.base, error);
    if (result) {
        free(target.base);
        free(target.uri);
        return result;
    }
    *ret_target = target;
    return 0;
}

int tool_target_close(struct tool_target *target, int exit_code)
{
    exit_code = tool_store_close(target->store, exit_code);
    free(target->base);
    free(target->uri);
    *target = (struct tool_target){0};
    return exit_code;
}

const char *tool_target_name(const struct tool_target *target)
{
    return target->base ? target->base : target->uri;
}

/* A mounted store for a second process, which opens by name what the mount may have under another
 * one. */
static int open_beside(struct sfs_storage **ret_store, const struct place *place, unsigned flags,
                       struct sfs_error *error)
{
    const char *uri = place->uri;
    static const char sentence[] =
        "the mounted store %s cannot be opened beside its mount: unmount it first";
    if (strncmp(uri, "memory:", 7) == 0)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "target",
                        "the mounted store %s lives in its mount alone: copy its keys/, or use "
                        "'storefs query'",
                        uri);
    struct sfs_storage *store;
    int result = tool_mount_check(place->base, error);
    if (result)
        return sfs_error_context(error, result,
                                 "in the place of the store mounted at %s is another, or none",
                                 place->base);
    tool_mount_settle(place->base);
    result = sfs_open(&store, uri, flags & ~(unsigned)SFS_OPEN_CREATE, error);
    if (result == SFS_E_BUSY)
        return sfs_fail(error, result, "target", sentence, uri);
    if (result)
        return result;
    if (!(sfs_storage_capabilities(store) & SFS_CAN_SHARE)) {
        sfs_close(store, NULL);
        return sfs_fail(error, SFS_E_UNSUPPORTED, "target", sentence, uri);
    }
    *ret_store = store;
    return 0;
}

int tool_store_open(struct sfs_storage **ret_store, const char *text, unsigned flags,
                    struct sfs_error *error)
{
    struct place place = {0};
    int result = detect(text, &place, error);
    if (result == 0)
        result = sfs_open(ret_store, text, flags, error);
    else if (result > 0 && place.inside)
        result = sfs_fail(error, SFS_E_UNSUPPORTED, "target",
                          "%s is a transaction: this works on a whole store", place.base);
    else if (result > 0 && place.read_only && !(flags & SFS_OPEN_READ_ONLY))
        result = sfs_fail(error, SFS_E_READ_ONLY, "target",
                          "%s is mounted read-only: to change the store, name it by its URI, %s",
                          place.base, place.uri);
    else if (result > 0)
        result = open_beside(ret_store, &place, flags, error);
    free(place.base);
    free(place.uri);
    return result;
}

int tool_store_close(struct sfs_storage *store, int exit_code)
{
    struct sfs_error error = {0};
    int result = sfs_close(store, &error);
    if (!result)
        return exit_code;
    int failed = tool_fail(result, &error);
    return exit_code == TOOL_OK ? failed : exit_code;
}
