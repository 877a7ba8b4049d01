/* SPDX-License-Identifier: MIT */
/* Tells mounts from URIs, and opens what is named. */
#include "tools/target.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/child.h"
#include "tools/exit.h"
#include "tools/message.h"
#include "tools/mounts.h"
#include "tools/tree.h"

#define ASK_MS 10000
#define MOST_LINKS 40 /* as the kernel follows */

/* The length of "scheme:", or 0: the rule of sfs_open(). */
static size_t scheme_size(const char *text)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    size_t size = strspn(text, bytes);
    return text[0] >= 'a' && text[0] <= 'z' && text[size] == ':' ? size + 1 : 0;
}

/* A path without "..", links and double slashes in its directories, so that a store has one name. A path
 * with escapes, or in a directory that is not there, stays as it is. NO_MEMORY. */
static int add_path(struct sfs_buffer *out, const char *path)
{
    size_t size = strcspn(path, "?");
    const char *slash = memrchr(path, '/', size);
    char *directory = slash && slash[1] && slash + 1 < path + size && !memchr(path, '%', size)
                          ? strndup(path, (size_t)(slash - path) + 1)
                          : NULL;
    char *real = directory ? realpath(directory, NULL) : NULL;
    bool plain = real && !strpbrk(real, "%?");
    int result = plain ? sfs_buffer_printf(out, "%s%s", real[1] ? real : "", slash)
                       : sfs_buffer_printf(out, "%s", path);
    free(real);
    free(directory);
    return result;
}

/* With a scheme, and the path as add_path() has it. */
static int make_canonical(struct sfs_buffer *uri, struct sfs_error *error)
{
    struct sfs_buffer out = {0};
    size_t scheme = scheme_size(uri->data);
    int result = scheme ? sfs_buffer_append(&out, uri->data, scheme)
                        : sfs_buffer_printf(&out, "sqlite:");
    if (!result)
        result = add_path(&out, uri->data + scheme);
    if (!result)
        result = sfs_buffer_text(&out);
    sfs_buffer_free(uri);
    *uri = out;
    return result ? sfs_fail_memory(error, "uri") : 0;
}

int tool_uri_absolute(const char *uri, char **ret_uri, struct sfs_error *error)
{
    size_t scheme = scheme_size(uri);
    const char *path = uri + scheme;
    bool in_memory = scheme && strncmp(uri, "memory:", scheme) == 0;
    bool relative = !in_memory && *path && *path != '/' && *path != '?';
    struct sfs_buffer out = {0};
    char *directory = relative ? get_current_dir_name() : NULL;
    int result = relative && !directory ? SFS_E_NO_MEMORY : sfs_buffer_append(&out, uri, scheme);
    for (const char *at = directory; !result && at && *at; at++)
        result = *at == '%' || *at == '?'
                     ? sfs_buffer_printf(&out, "%%%02X", (unsigned)(unsigned char)*at)
                     : sfs_buffer_byte(&out, *at);
    if (!result)
        result = sfs_buffer_printf(&out, "%s%s", directory && directory[1] ? "/" : "", path);
    free(directory);
    if (!result)
        result = sfs_buffer_text(&out);
    if (result)
        result = sfs_fail_memory(error, "uri");
    else if (!in_memory && *path)
        result = make_canonical(&out, error);
    if (result) {
        sfs_buffer_free(&out);
        return result;
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
    char *base; /* the mount, or a transaction's directory */
    char *uri;  /* of the store */
    struct tool_scope scope;
    uid_t user;  /* who mounted it, and wrote its URI there */
    bool inside; /* of a transaction */
    bool read_only;
};

static void place_free(struct place *place)
{
    free(place->base);
    free(place->uri);
    tool_scope_free(&place->scope);
    *place = (struct place){0};
}

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
        ret_place->user = mount->user;
        ret_place->base = strndup(path, size + inside);
        ret_place->uri = strdup(mount->source);
        result = ret_place->base && ret_place->uri ? 1 : sfs_fail_memory(error, "mounts");
    }
    tool_mounts_free(&mounts);
    return result;
}

static char *join(char *parent, const char *name)
{
    char *path = NULL;
    if (parent && asprintf(&path, "%s/%s", parent[1] ? parent : "", name) < 0)
        path = NULL;
    free(parent);
    return path;
}

/* The absolute form of a path; a part that cannot be looked up (a new store, a query that is wrong,
 * a dead mount) is taken as it is. NULL: no memory. */
static char *resolve(const char *text)
{
    char *path = realpath(text, NULL);
    if (path || strcmp(text, "/") == 0 || strcmp(text, ".") == 0)
        return path ? path : strdup(text);
    char *parent = strdup(text);
    char *name = strdup(text);
    if (parent && name)
        path = join(resolve(dirname(parent)), basename(name));
    free(parent);
    free(name);
    return path;
}

/* Where in a mount of ours the link `path` lies: those in query/ and views/ are followed. */
static int check_link(const char *path, struct sfs_error *error)
{
    struct place place = {0};
    char *parent = strdup(path);
    char *name = strdup(path);
    char *real = parent && name ? join(realpath(dirname(parent), NULL), basename(name)) : NULL;
    int result = real ? find_mount(real, &place, error) : 0;
    const char *below = result > 0 ? real + strlen(place.base) : "";
    if (result > 0 && ((strncmp(below, "/query/", 7) != 0 && strncmp(below, "/views/", 7) != 0) ||
                       tool_tree_keys_only(place.base)))
        result = sfs_fail(error, SFS_E_INVALID, "target",
                          "%s is a symbolic link in the mount at %s, which no command follows: "
                          "name what it leads to",
                          path, place.base);
    place_free(&place);
    free(real);
    free(name);
    free(parent);
    return result < 0 ? result : 0;
}

static int check_links(const char *text, unsigned depth, struct sfs_error *error);

/* Of a link outside a store: what it leads to. */
static int check_behind(char *path, unsigned depth, struct sfs_error *error)
{
    char target[PATH_MAX];
    ssize_t size = readlink(path, target, sizeof target - 1);
    if (size <= 0 || depth == MOST_LINKS)
        return 0;
    target[size] = '\0';
    char *whole = *target == '/' ? strdup(target) : join(strdup(dirname(path)), target);
    int result = whole ? check_links(whole, depth + 1, error) : sfs_fail_memory(error, "target");
    free(whole);
    return result;
}

/* A symbolic link in keys/ can lead anywhere: INVALID for a path that leads through one. */
static int check_links(const char *text, unsigned depth, struct sfs_error *error)
{
    int result = 0;
    for (size_t size = 1; !result && text[size - 1]; size++) {
        struct stat status;
        if (text[size - 1] == '/' || (text[size] && text[size] != '/'))
            continue;
        char *path = strndup(text, size);
        bool found = path && lstat(path, &status) == 0;
        if (!path)
            result = sfs_fail_memory(error, "target");
        else if (found && S_ISLNK(status.st_mode)) {
            result = check_link(path, error);
            if (!result)
                result = check_behind(path, depth, error);
        }
        free(path);
        if (!found)
            break;
    }
    return result;
}

/* All that resolve_target() asks of a mount that may not answer. */
static int try_resolve(void *context)
{
    (void)check_links(context, 0, NULL);
    free(resolve(context));
    return 0;
}

static int fail_silent(const char *path, struct sfs_error *error)
{
    return sfs_fail(error, SFS_E_TIMED_OUT, "mount", "the mount that holds %s does not answer",
                    path);
}

static int resolve_target(const char *text, char **ret_path, struct place *ret_place,
                          struct sfs_error *error)
{
    if (tool_child_ask(try_resolve, (void *)(uintptr_t)text, ASK_MS) == ETIMEDOUT)
        return fail_silent(text, error);
    int result = check_links(text, 0, error);
    if (result)
        return result;
    char *path = resolve(text);
    result = path ? find_mount(path, ret_place, error) : sfs_fail_memory(error, "target");
    *ret_path = path;
    return result;
}

int tool_uri_check(const char *text, struct sfs_error *error)
{
    struct place place = {0};
    char *path = NULL;
    if (!*text || scheme_size(text))
        return 0;
    int result = resolve_target(text, &path, &place, error);
    if (result > 0)
        result =
            sfs_fail(error, SFS_E_INVALID, "target",
                     "%s lies in the mount at %s, and is not a store: a directory of keys can be "
                     "mounted as dir:%s",
                     text, place.base, path);
    place_free(&place);
    free(path);
    return result;
}

static int check_alive(const char *base, struct sfs_error *error)
{
    switch (tool_mount_probe(base, ASK_MS)) {
    case TOOL_DEAD:
        return sfs_fail(error, SFS_E_UNREACHABLE, "mount",
                        "the mount that holds %s is dead: 'storefs status' tells how to clear it",
                        base);
    case TOOL_SILENT:
        return fail_silent(base, error);
    case TOOL_ALIVE:
    case TOOL_CLOSED: /* what is asked of it says so */
        break;
    }
    return 0;
}

/* A user can make a mount that names any store, which a command would open with its caller's
 * rights.
 */
static int check_owner(const struct place *place, struct sfs_error *error)
{
    if (place->user == 0 || place->user == geteuid())
        return 0;
    char name[TOOL_USER_SIZE];
    return sfs_fail(
        error, SFS_E_PERMISSION, "target",
        "%s was mounted by %s, whose word for the store it shows is not taken: name the "
        "store itself",
        place->base, tool_user_name(place->user, name));
}

/* 1 and the place for a path in a mount of ours, 0 for a URI. A directory that is no mount of ours
 * is INVALID. `beside`: to open the store that is mounted there. */
static int detect(const char *text, bool beside, struct place *ret_place, struct sfs_error *error)
{
    char *path = NULL;
    struct stat status;
    if (!*text || scheme_size(text))
        return 0;
    int result = resolve_target(text, &path, ret_place, error);
    if (result == 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        result = sfs_fail(error, SFS_E_INVALID, "target",
                          "%s is a directory in which no store is mounted", path);
    if (result > 0) {
        result = beside ? check_owner(ret_place, error) : 0;
        result = result ? result : check_alive(ret_place->base, error);
    }
    if (result == 0 && ret_place->base) {
        result = tool_scope_read(&ret_place->scope, ret_place->base, path, error);
        if (result == SFS_E_NOT_FOUND)
            result = sfs_fail(error, result, "target", "there is no %s in the mount of %s", text,
                              ret_place->uri);
        result = result ? result : 1;
    }
    free(path);
    if (result < 0)
        place_free(ret_place);
    return result;
}

/* INVALID for a place that the command does not take. */
static int check_scope(const struct place *place, const char *text, unsigned takes,
                       struct sfs_error *error)
{
    const char *sentence = NULL;
    switch (place->scope.kind) {
    case TOOL_SCOPE_STORE:
        break;
    case TOOL_SCOPE_BELOW:
    case TOOL_SCOPE_KEY:
        if (!(takes & TOOL_TAKES_KEYS))
            sentence = "%s is a part of the store, and this works on the whole of it: name %s";
        break;
    case TOOL_SCOPE_QUERY:
        if (!(takes & TOOL_TAKES_QUERY))
            sentence = "%s is a query, which 'storefs query' runs: for the store's keys name %s";
        break;
    case TOOL_SCOPE_OTHER:
        sentence = "%s names neither keys nor a query: for the whole store name %s";
        break;
    }
    return sentence ? sfs_fail(error, SFS_E_INVALID, "target", sentence, text, place->base) : 0;
}

/* Opens a store by its URI. What would be written to one that ends with this process is lost. */
static int open_uri(struct sfs_storage **ret_store, const char *uri, unsigned flags,
                    struct sfs_error *error)
{
    if (flags & SFS_OPEN_CREATE && strncmp(uri, "memory:", 7) == 0 && !strstr(uri, "snapshot="))
        return sfs_fail(error, SFS_E_INVALID, "target",
                        "'%s' would end with this command: mount it, or name a file with "
                        "memory:?snapshot=PATH",
                        uri);
    return sfs_open(ret_store, uri, flags, error);
}

int tool_target_open(struct tool_target *ret_target, const char *text, unsigned takes,
                     unsigned flags, struct sfs_error *error)
{
    struct place place = {0};
    struct tool_target target = {0};
    int result = detect(text, false, &place, error);
    if (result > 0)
        result = check_scope(&place, text, takes, error);
    else if (result == 0 && !(place.uri = strdup(text)))
        result = sfs_fail_memory(error, "target");
    else if (result == 0)
        result = open_uri(&target.store, text, flags, error);
    if (result) {
        place_free(&place);
        return result;
    }
    target.base = place.base;
    target.uri = place.uri;
    target.scope = place.scope;
    *ret_target = target;
    return 0;
}

int tool_mount_target(struct tool_target *ret_target, const char *text, struct sfs_error *error)
{
    struct place place = {0};
    int result = detect(text, false, &place, error);
    if (result == 0)
        result = sfs_fail(error, SFS_E_INVALID, "target", "no store is mounted at %s", text);
    else if (result > 0)
        result = check_scope(&place, text, 0, error);
    if (result) {
        place_free(&place);
        return result;
    }
    *ret_target = (struct tool_target){.base = place.base, .uri = place.uri, .scope = place.scope};
    return 0;
}

int tool_target_check(const struct tool_target *target, struct sfs_bytes key,
                      struct sfs_error *error)
{
    char shown[200];
    char limit[200];
    struct sfs_bytes text = sfs_buffer_bytes(&target->scope.text);
    if (tool_scope_has(&target->scope, key))
        return 0;
    return sfs_fail(
        error, SFS_E_INVALID, "target",
        target->scope.kind == TOOL_SCOPE_KEY
            ? "the target is the key '%s' alone, not '%s': for other keys name %s"
            : "the target is the keys that begin with '%s', and '%s' does not: keys are "
              "named in full; for others name %s",
        sfs_name_show(text, limit, sizeof limit), sfs_name_show(key, shown, sizeof shown),
        target->base);
}

int tool_target_close(struct tool_target *target, int exit_code)
{
    exit_code = tool_store_close(target->store, exit_code);
    free(target->base);
    free(target->uri);
    tool_scope_free(&target->scope);
    *target = (struct tool_target){0};
    return exit_code;
}

static bool is_shared(const char *uri)
{
    const struct sfs_backend_info *backend = sfs_backends();
    size_t size = scheme_size(uri);
    while (backend->scheme &&
           !(strlen(backend->scheme) + 1 == size && strncmp(uri, backend->scheme, size - 1) == 0))
        backend++;
    return backend->scheme && backend->shared;
}

/* A mounted store for a second process, which opens by name what the mount may have under another
 * one, with no option of the mount's. */
static int open_beside(struct sfs_storage **ret_store, const struct place *place, unsigned flags,
                       struct sfs_error *error)
{
    const char *uri = place->uri;
    if (strncmp(uri, "memory:", 7) == 0)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "target",
                        "the mounted store %s lives in its mount alone: copy its keys/, or use "
                        "'storefs query'",
                        uri);
    int result = tool_mount_check(place->base, error);
    if (result)
        return sfs_error_context(error, result,
                                 "in the place of the store mounted at %s is another, or none",
                                 place->base);
    if (!is_shared(uri))
        return sfs_fail(error, SFS_E_UNSUPPORTED, "target",
                        "the mounted store %s cannot be opened beside its mount: unmount it first",
                        uri);
    tool_mount_settle(place->base);
    char *plain = strndup(uri, strcspn(uri, "?"));
    result = plain ? sfs_open(ret_store, plain, flags & ~(unsigned)SFS_OPEN_CREATE, error)
                   : sfs_fail_memory(error, "target");
    free(plain);
    return result;
}

static int open_mounted(struct sfs_storage **ret_store, const struct place *place, unsigned flags,
                        struct sfs_error *error)
{
    if (place->inside)
        return sfs_fail(error, SFS_E_UNSUPPORTED, "target",
                        "%s is a transaction: this works on a whole store", place->base);
    if (place->read_only && !(flags & (SFS_OPEN_READ_ONLY | SFS_OPEN_SALVAGE)))
        return sfs_fail(error, SFS_E_READ_ONLY, "target",
                        "%s is mounted read-only: to change the store, name it by its URI, %s",
                        place->base, place->uri);
    return open_beside(ret_store, place, flags, error);
}

int tool_store_open(struct sfs_storage **ret_store, struct tool_scope *ret_scope, const char *text,
                    unsigned flags, struct sfs_error *error)
{
    struct place place = {0};
    int result = detect(text, true, &place, error);
    if (result == 0)
        result = open_uri(ret_store, text, flags, error);
    else if (result > 0) {
        result = check_scope(&place, text, ret_scope ? TOOL_TAKES_KEYS : 0, error);
        if (!result)
            result = open_mounted(ret_store, &place, flags, error);
    }
    if (!result && ret_scope) {
        *ret_scope = place.scope;
        place.scope = (struct tool_scope){0};
    }
    place_free(&place);
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
