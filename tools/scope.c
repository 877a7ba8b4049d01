/* SPDX-License-Identifier: MIT */
/* From paths in a mount to the keys that they stand for. */
#include "tools/scope.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "storefs/path.h"
#include "tools/message.h"
#include "tools/tree.h"

void tool_scope_free(struct tool_scope *scope)
{
    sfs_buffer_free(&scope->text);
    *scope = (struct tool_scope){0};
}

/* A path below keys/ ("user/1"). A directory is what the key of any file in it begins with. */
static int read_keys(struct tool_scope *scope, const char *path, const char *below,
                     struct sfs_error *error)
{
    static const char file[] = "aaa"; /* long enough to be the last piece of a cut part */
    struct stat status;
    struct sfs_buffer whole = {0};
    if (lstat(path, &status) < 0)
        return sfs_fail(error, SFS_E_NOT_FOUND, "target", "there is no %s", path);
    bool below_it = S_ISDIR(status.st_mode);
    scope->kind = below_it                  ? TOOL_SCOPE_BELOW
                  : S_ISREG(status.st_mode) ? TOOL_SCOPE_KEY
                                            : TOOL_SCOPE_OTHER;
    int result = sfs_buffer_printf(&whole, below_it ? "%s/%s" : "%s", below, file)
                     ? sfs_fail_memory(error, "target")
                     : sfs_path_to_key(sfs_buffer_bytes(&whole), &scope->text, error);
    if (!result && below_it)
        scope->text.size -= sizeof file - 1;
    sfs_buffer_free(&whole);
    return result;
}

/* The rest of a path behind a directory of the mount, NULL if it lies elsewhere. */
static const char *behind(const char *below, const char *directory)
{
    size_t size = strlen(directory);
    if (strncmp(below, directory, size) != 0 || (below[size] && below[size] != '/'))
        return NULL;
    return below + size + (below[size] == '/');
}

int tool_scope_read(struct tool_scope *ret_scope, const char *base, const char *path,
                    struct sfs_error *error)
{
    const char *below = path + strlen(base);
    struct tool_scope scope = {.kind = TOOL_SCOPE_OTHER};
    const char *keys = behind(below, "/keys");
    const char *query = behind(below, "/query");
    struct stat status;
    if (lstat(base, &status) < 0 && errno == ENOENT)
        return sfs_fail(error, SFS_E_NOT_FOUND, "target", "there is no %s", base);
    int result = 0;
    if (*below && tool_tree_keys_only(base)) {
        keys = below + 1;
        query = NULL;
    }
    if (!*below || (keys && !*keys))
        scope.kind = TOOL_SCOPE_STORE;
    else if (keys)
        result = read_keys(&scope, path, keys, error);
    else if (query && sfs_buffer_add(&scope.text, sfs_string(query)))
        result = sfs_fail_memory(error, "target");
    else if (query)
        scope.kind = TOOL_SCOPE_QUERY;
    if (result)
        tool_scope_free(&scope);
    else
        *ret_scope = scope;
    return result;
}

bool tool_scope_has(const struct tool_scope *scope, struct sfs_bytes key)
{
    switch (scope->kind) {
    case TOOL_SCOPE_STORE:
        return true;
    case TOOL_SCOPE_BELOW:
        return sfs_bytes_starts(key, sfs_buffer_bytes(&scope->text));
    case TOOL_SCOPE_KEY:
        return sfs_bytes_equal(key, sfs_buffer_bytes(&scope->text));
    case TOOL_SCOPE_QUERY:
    case TOOL_SCOPE_OTHER:
        break;
    }
    return false;
}

bool tool_scope_prefix(const struct tool_scope *scope, struct sfs_bytes prefix,
                       struct sfs_bytes *ret_prefix)
{
    struct sfs_bytes text = sfs_buffer_bytes(&scope->text);
    if (scope->kind == TOOL_SCOPE_STORE || tool_scope_has(scope, prefix))
        *ret_prefix = prefix;
    else if (sfs_bytes_starts(text, prefix))
        *ret_prefix = text;
    else
        return false;
    return true;
}

int tool_scope_range(const struct tool_scope *scope, struct sfs_buffer *end,
                     struct sfs_range *ret_range, struct sfs_error *error)
{
    struct sfs_bytes text = sfs_buffer_bytes(&scope->text);
    int result = 0;
    *ret_range = (struct sfs_range){0};
    if (scope->kind == TOOL_SCOPE_BELOW)
        result = sfs_range_prefix(text, end, ret_range);
    if (scope->kind == TOOL_SCOPE_KEY) {
        /* up to the next name, which has a NUL more */
        result = sfs_buffer_add(end, text) || sfs_buffer_byte(end, '\0') ? SFS_E_NO_MEMORY : 0;
        *ret_range = (struct sfs_range){text, sfs_buffer_bytes(end)};
    }
    return result ? sfs_fail_memory(error, "target") : 0;
}

/* `@key OPERATOR "TEXT"`, with a backslash before what is special in a glob. */
static int add_test(struct sfs_buffer *out, const struct tool_scope *scope, struct sfs_error *error)
{
    bool glob = scope->kind == TOOL_SCOPE_BELOW;
    struct sfs_buffer text = {0};
    int result = 0;
    for (size_t i = 0; !result && i < scope->text.size; i++) {
        char byte = scope->text.data[i];
        if (glob && strchr("*?[]\\", byte))
            result = sfs_buffer_byte(&text, '\\');
        if (!result)
            result = sfs_buffer_byte(&text, byte);
    }
    if (!result && glob)
        result = sfs_buffer_byte(&text, '*');
    if (!result)
        result = sfs_buffer_printf(out, glob ? "@key ~ " : "@key = ");
    if (result)
        result = sfs_fail_memory(error, "target");
    else
        result = tool_json_string(sfs_buffer_bytes(&text), out, error);
    sfs_buffer_free(&text);
    return result;
}

int tool_scope_stage(const struct tool_scope *scope, struct sfs_buffer *path,
                     struct sfs_error *error)
{
    struct sfs_buffer test = {0};
    if (scope->kind != TOOL_SCOPE_BELOW && scope->kind != TOOL_SCOPE_KEY)
        return 0;
    int result = add_test(&test, scope, error);
    if (!result && (sfs_buffer_add(path, SFS_LITERAL("where/")) ||
                    sfs_path_escape(sfs_buffer_bytes(&test), path)))
        result = sfs_fail_memory(error, "target");
    sfs_buffer_free(&test);
    return result;
}
